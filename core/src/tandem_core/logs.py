"""Structured logs and counters: JSON lines with the service's name, never with personal data."""

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


def count(name: str, **dimensions: str) -> None:
    """Count one in the metric `name` of namespace Tandem, by CloudWatch's embedded format.

    For what is rare: each is a line of the log, and a price per combination of dimensions.
    """
    from aws_lambda_powertools.metrics import MetricUnit, single_metric

    from tandem_core.settings import service_settings

    with single_metric(name=name, unit=MetricUnit.Count, value=1, namespace="Tandem") as metric:
        metric.add_dimension(name="service", value=service_settings().service)
        for dimension, value in dimensions.items():
            metric.add_dimension(name=dimension, value=value)
