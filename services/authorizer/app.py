"""Chalice entry point: the app itself is tandem_authorizer.main's."""

from tandem_authorizer.main import app

__all__ = ["app"]
