"""AWS's public on-demand prices in USD, by hand and with their date: no free tier, no discount.

To be checked against https://aws.amazon.com/pricing before a decision hangs on them: AWS changes
prices by the region, and nothing here is fetched.
"""

from __future__ import annotations

from dataclasses import dataclass

AS_OF = "2026-11-22"


@dataclass(frozen=True)
class Prices:
    """`million_` is for a million of them, `gb_` for a gigabyte, `_month` for a month of it."""

    region: str
    million_write_units: float
    million_read_units: float
    gb_table_month: float
    gb_backup_month: float
    million_invocations: float
    # Lambda on arm64.
    gb_second: float
    million_api_requests: float
    # Custom events of up to 64 KB. Delivery to a queue of the same account is free.
    million_events: float
    million_queue_requests: float
    gb_logs: float
    alarm_month: float
    dashboard_month: float
    secret_month: float


US_EAST_1 = Prices(
    region="us-east-1",
    million_write_units=0.625,
    million_read_units=0.125,
    gb_table_month=0.25,
    gb_backup_month=0.20,
    million_invocations=0.20,
    gb_second=0.0000133334,
    million_api_requests=3.50,
    million_events=1.00,
    million_queue_requests=0.40,
    gb_logs=0.50,
    alarm_month=0.10,
    dashboard_month=3.00,
    secret_month=0.40,
)

EU_CENTRAL_1 = Prices(
    region="eu-central-1",
    million_write_units=0.7625,
    million_read_units=0.1525,
    gb_table_month=0.306,
    gb_backup_month=0.2448,
    million_invocations=0.20,
    gb_second=0.0000133334,
    million_api_requests=3.70,
    million_events=1.00,
    million_queue_requests=0.40,
    gb_logs=0.63,
    alarm_month=0.10,
    dashboard_month=3.00,
    secret_month=0.40,
)

REGIONS = (US_EAST_1, EU_CENTRAL_1)

# What AfterShip asks for a parcel above the plan's number, as published.
TRACKING_OVERAGE = (0.08, 0.12)
