"""Chalice entry point: the app itself is tandem_orders.main's."""

from tandem_orders.main import app

__all__ = ["app"]
