"""Structured logs. One JSON line an event, with the service's name, never with personal data."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from aws_lambda_powertools import Logger


@lru_cache(maxsize=1)
def logger() -> Logger:
    """Return the process's logger. Imported on first use, since a cold start may never log."""
    from aws_lambda_powertools import Logger

    from tandem_core.settings import service_settings

    return Logger(service=service_settings().service, level="INFO", utc=True)
