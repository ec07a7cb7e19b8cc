"""Runs subjects in fresh processes against the store, in turns, and keeps what they report."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tools.cold.store import Store
from tools.cold.subjects import Subject

_WORKER = Path(__file__).with_name("worker.py")
_CLAIMS = {
    "terminal": {
        "sub": "store_12/till_3",
        "role": "terminal",
        "scope": "loyalty:points.accumulate orders:orders.read returns:returns.read",
        "store_id": "store_12",
        "terminal_id": "till_3",
    },
    "admin": {"sub": "jo", "role": "admin", "scope": "loyalty:programs.write"},
    "staff": {"sub": "jo", "role": "staff", "scope": "loyalty:accounts.enrol"},
}


class Failed(Exception):
    """A subject did not do its work. The message is for the person at the terminal."""


@dataclass(frozen=True)
class Report:
    """What one process has measured, in seconds, and what it has imported when."""

    init_cpu: float
    init_wall: float
    first_cpu: float
    first_wall: float
    at_init: Sequence[str]
    at_first: Sequence[str]
    answers: Sequence[tuple[int, str]]
    warm_cpu: Sequence[float]


def event(role: str, route: str, body: Any = None, **parts: str) -> dict[str, Any]:
    """Make a request as API Gateway hands it over; `route` is "METHOD /path"."""
    method, _, path = route.partition(" ")
    headers = {
        "Accept": "application/json",
        "Content-Type": "application/json",
        "Host": "api.example.com",
        "Idempotency-Key": str(uuid.uuid4()),
    }
    return {
        "resource": path,
        "path": path.format(**parts),
        "httpMethod": method,
        "headers": headers,
        "multiValueHeaders": {name: [value] for name, value in headers.items()},
        "queryStringParameters": None,
        "multiValueQueryStringParameters": None,
        "pathParameters": parts,
        "stageVariables": None,
        "requestContext": {
            "authorizer": _CLAIMS[role],
            "httpMethod": method,
            "identity": {"sourceIp": "192.0.2.7", "userAgent": "till/1"},
            "path": path.format(**parts),
            "requestId": str(uuid.uuid4()),
            "resourcePath": path,
            "stage": "api",
        },
        "body": None if body is None else json.dumps(body),
        "isBase64Encoded": False,
    }


def run(
    subject: Subject, store: Store, events: Sequence[Mapping[str, Any]], folder: Path, repeats: int
) -> Report:
    """Run one process. Raises Failed."""
    asked, report = folder / "events.jsonl", folder / "report.json"
    asked.write_text("\n".join(json.dumps(one) for one in events))
    report.unlink(missing_ok=True)
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-B", str(_WORKER), str(subject.folder), subject.handler]
        + [str(asked), str(report), str(repeats)],
        cwd=subject.folder,
        env=_environment(subject, store),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    if done.returncode:
        raise Failed(f"{subject.name}:\n{done.stderr[-3000:]}")
    return Report(**json.loads(report.read_text()))


def seeded(store: Store, ours: Subject, folder: Path) -> dict[str, Any]:
    """Open an account that has earned before; return the request that every subject answers."""
    program = {
        "name": "Points",
        "currency": "EUR",
        "accrual_rules": [{"type": "spend", "id": "spend", "points": 1}],
        "point_value": {"points": 100, "value": {"amount": 100, "currency": "EUR"}},
    }
    enrol = {"program_id": "main", "customer_id": "cus_1"}
    events = [
        event("admin", "PUT /v1/programs/{program_id}", program, program_id="main"),
        event("staff", "POST /v1/accounts", enrol),
    ]
    answers = _done(ours, run(ours, store, events, folder, 0))
    account_id = json.loads(answers[-1])["id"]
    _done(ours, run(ours, store, [accumulate(account_id, "012-03-0001")], folder, 0))
    store.is_frozen = True
    return accumulate(account_id, "012-03-0002")


def accumulate(account_id: str, order_id: str) -> dict[str, Any]:
    lines = [
        {
            "line_id": str(number),
            "sku": f"4006381333{number:03d}",
            "quantity": 1,
            "paid": {"amount": amount, "currency": "EUR"},
        }
        for number, amount in enumerate((1299, 2495, 5990), start=1)
    ]
    purchase = {
        "order_id": order_id,
        "channel": "pos",
        "occurred_at": "2026-02-10T09:30:00Z",
        "lines": lines,
    }
    route = "POST /v1/accounts/{account_id}/accumulate"
    return event("terminal", route, {"purchase": purchase}, account_id=account_id)


def in_turns(
    subjects: Sequence[Subject],
    store: Store,
    request: Mapping[str, Mapping[str, Any]],
    folder: Path,
    turns: int,
    repeats: int = 0,
) -> dict[str, list[Report]]:
    """Run every subject once a turn, so that what else the machine does falls upon all alike.

    `request` holds the event of each service; a peer does loyalty's.
    """
    reports: dict[str, list[Report]] = {subject.name: [] for subject in subjects}
    for turn in range(turns + 1):
        for subject in subjects:
            asked = request.get(subject.name.partition(":")[0], request["loyalty"])
            report = run(subject, store, [asked], folder, repeats)
            _done(subject, report)
            if turn:  # the first turn fills the caches of the file system
                reports[subject.name].append(report)
    return reports


def median(values: Sequence[float]) -> float:
    return statistics.median(values)


def _done(subject: Subject, report: Report) -> list[str]:
    """Return the bodies of the answers. Raises Failed unless the work was done."""
    for status, body in report.answers:
        if status not in (200, 201, 404):
            raise Failed(f"{subject.name}: {status} {body}")
    return [body for _, body in report.answers]


def _environment(subject: Subject, store: Store) -> dict[str, str]:
    """What Lambda sets, and what the function's configuration says."""
    return {
        "AWS_ACCESS_KEY_ID": "bench",
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_DEFAULT_REGION": "eu-central-1",
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_ENDPOINT_URL": store.endpoint,
        "AWS_LAMBDA_FUNCTION_NAME": "bench",
        "AWS_REGION": "eu-central-1",
        "AWS_SECRET_ACCESS_KEY": "bench",
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "PATH": "/usr/bin:/bin",
        "PYDANTIC_DISABLE_PLUGINS": "__all__",
        "TANDEM_BUS": "bench",
        "TANDEM_SERVICE": "loyalty",
        "TANDEM_STAGE": "bench",
        "TANDEM_TABLE": "bench",
        "TZ": ":UTC",
        "_HANDLER": subject.handler,
    }
