"""Chalice entry point: the app itself is tandem_returns.main's."""

# First, so that the collector is off before anything else is imported.
from tandem_core import startup
from tandem_core.logs import logger
from tandem_core.table import dynamodb_client
from tandem_returns.main import app

__all__ = ["app"]

startup.complete(__name__, dynamodb_client, logger)
