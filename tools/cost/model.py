"""What one thing causes, from the request to the last message, and what AWS asks for it.

Counted figures come from the benchmarks. What only AWS could tell is assumed here, by name: how
long a call takes, how often a token is looked at, how full batches are. The assumptions are on the
expensive side: nothing is batched, as on a quiet day.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

from tools.cost.measured import Benchmarks, Row
from tools.cost.prices import Prices

MILLION = 1_000_000

# Milliseconds: of waiting for one call of AWS, of processor for one bare read, of an invocation.
CALL_MS = 7.0
BARE_READ_MS = 1.5
INVOCATION_MS = 2.0
MEMORY_GB = 1.0
# A till or an app keeps its token, whose answer API Gateway keeps for five minutes.
REQUESTS_PER_AUTHORIZATION = 20
# Lambda's own lines and ours.
LOG_BYTES_PER_INVOCATION = 1_100
# Sent by the bus, received, deleted.
REQUESTS_PER_MESSAGE = 3
# Lambda's pollers of a queue: five, each asks every twenty seconds.
IDLE_POLLS_PER_MONTH = 5 * 3 * 60 * 24 * 30


@dataclass(frozen=True)
class Work:
    """What has to be paid for."""

    api_requests: float = 0
    invocations: float = 0
    calls: float = 0
    processor: float = 0
    write_units: float = 0
    read_units: float = 0
    events: float = 0
    messages: float = 0

    def __add__(self, other: Work) -> Work:
        pairs = ((getattr(self, one.name), getattr(other, one.name)) for one in fields(self))
        return Work(*(mine + theirs for mine, theirs in pairs))

    def __mul__(self, times: float) -> Work:
        return Work(*(getattr(self, one.name) * times for one in fields(self)))

    @property
    def gb_seconds(self) -> float:
        milliseconds = (
            self.calls * CALL_MS + self.processor * BARE_READ_MS + self.invocations * INVOCATION_MS
        )
        return milliseconds / 1_000 * MEMORY_GB


def parts(work: Work, prices: Prices) -> dict[str, float]:
    """Return what a million times this costs, in dollars, by who asks for it."""
    log_gb = work.invocations * LOG_BYTES_PER_INVOCATION * MILLION / 1e9
    return {
        "API Gateway": work.api_requests * prices.million_api_requests,
        "Lambda": work.invocations * prices.million_invocations
        + work.gb_seconds * MILLION * prices.gb_second,
        "DynamoDB": work.write_units * prices.million_write_units
        + work.read_units * prices.million_read_units,
        "EventBridge": work.events * prices.million_events,
        "SQS": work.messages * REQUESTS_PER_MESSAGE * prices.million_queue_requests,
        "logs": log_gb * prices.gb_logs,
    }


def request(row: Row) -> Work:
    """Return the work of one request to the API, its share of the authorizer's included."""
    return _run(row, api_requests=1) + Work(invocations=1 / REQUESTS_PER_AUTHORIZATION)


def consumed(row: Row) -> Work:
    """Return the work of a function that takes one message of a queue."""
    return _run(row, messages=1)


def published(events: float) -> Work:
    """Return the relay's work for entries that come alone: a call of the bus for each."""
    return Work(invocations=events, calls=events, processor=events, events=events)


def _run(row: Row, api_requests: float = 0, messages: float = 0) -> Work:
    return Work(
        api_requests=api_requests,
        invocations=row.runs,
        calls=row.calls,
        processor=row.processor,
        write_units=row.write_units,
        read_units=row.read_units,
        messages=messages,
    )


def operations(measured: Benchmarks) -> dict[str, Work]:
    """Return the operations that are sold by the million, each with all that follows from it."""
    line = measured.scan("chronicle: a line of the timeline", changes_status=True)
    one_line = Row(line.calls, line.write_units, line.read_units, line.processor)
    heard = Row(calls=1, write_units=0, read_units=1, processor=1)
    earn = measured.loyalty("accumulate, till")
    earned = published(1) + consumed(one_line) + consumed(heard)
    hold, capture = (
        measured.loyalty("authorize"),
        measured.loyalty("void, capture whole, capture part"),
    )
    lapse = Row(calls=1, write_units=0, read_units=hold.read_units, processor=2)
    notify = measured.scan("notify: one message", changes_status=True)
    told = consumed(notify) + published(1) + consumed(one_line)
    looked = measured.scan("consume: the order looks at its parcel", changes_status=True)
    placed = measured.orders("place order of 3 lines, web, member")
    pending = measured.loyalty("accumulate, web, pending")
    created = measured.orders("create fulfilment with a parcel")
    scans = {changes: _scan(measured, changes) for changes in (False, True)}
    book = consumed(measured.returns("open a book of 3 lines")) + published(1)
    arrived = consumed(measured.returns("units have arrived")) + published(1)
    counted = consumed(measured.returns("points were earned")) + published(1)
    order = (
        request(placed)
        + published(1)
        + consumed(looked)
        + consumed(one_line)
        + told
        + consumed(pending)
        + earned
        + book
        # That pending points are earned now is nothing new to its book.
        + counted
        + consumed(heard)
    )
    shipped = request(created) + (published(1) + consumed(looked) + consumed(one_line)) * 3
    return {
        "accumulate at a till": request(earn) + earned + counted,
        "redemption: authorize, capture": request(hold)
        + request(capture)
        + published(2)
        + consumed(one_line) * 2
        + consumed(lapse)
        + consumed(measured.returns("points were redeemed")),
        "scan, status stays": scans[False],
        "scan, status changes": scans[True],
        "order of 3 lines, web, member": order,
        PARCEL: shipped
        + consumed(heard) * 2
        + arrived
        + scans[False] * QUIET_SCANS
        + scans[True] * TELLING_SCANS,
        RETURN: _returned(measured, told, one_line),
    }


QUIET_SCANS = 8
TELLING_SCANS = 4
PARCEL = f"parcel: fulfilment and {QUIET_SCANS + TELLING_SCANS} scans"
RETURN = "return of a unit, quote to money"
# Quote, open, receive, and the provider's webhook; two of what follows wait in queues of returns.
_RETURN_REQUESTS, _RETURN_MESSAGES, RETURN_EVENTS = 4, 2, 8


def _scan(measured: Benchmarks, changes_status: bool) -> Work:
    """Return a scan from the webhook on: the benchmark has run all of it to its end."""
    row = measured.scan("all of it", changes_status=changes_status)
    events = 3 if changes_status else 2
    messages = 5 if changes_status else 4
    return _run(row, api_requests=1, messages=messages) + Work(events=events)


def _returned(measured: Benchmarks, told: Work, line: Row) -> Work:
    """Return a return from its quote to its money: the benchmark has run what returns does itself.

    The timeline gets five lines and the customer three messages; the order counts what came and
    what was paid for; loyalty takes back what it had earned.
    """
    own = _run(
        measured.whole_return(), api_requests=_RETURN_REQUESTS, messages=_RETURN_MESSAGES
    ) + Work(events=RETURN_EVENTS, invocations=(_RETURN_REQUESTS - 1) / REQUESTS_PER_AUTHORIZATION)
    counted = consumed(measured.orders("move a fulfilment or a pickup")) + published(1)
    taken_back = consumed(measured.loyalty("order reversal by event")) + published(1)
    return own + consumed(line) * 6 + told * 3 + counted * 2 + taken_back


def fixed_month(
    prices: Prices, alarms: int, dashboards: int, secrets: int, queues: int
) -> dict[str, float]:
    """Return what a stage costs in a month in which nothing happens."""
    return {
        "alarms": alarms * prices.alarm_month,
        "dashboards": dashboards * prices.dashboard_month,
        "secrets": secrets * prices.secret_month,
        "asking empty queues": queues
        * IDLE_POLLS_PER_MONTH
        * prices.million_queue_requests
        / MILLION,
    }
