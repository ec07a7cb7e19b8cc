"""Chalice entry point: the app itself is tandem_loyalty.main's."""

from tandem_loyalty.main import app

__all__ = ["app"]
