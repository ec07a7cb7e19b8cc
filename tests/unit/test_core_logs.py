"""Lines that CloudWatch can read: one JSON object each, with what happened and nothing else."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from tandem_core import logs, settings


@pytest.fixture(autouse=True)
def service(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name in ("SERVICE", "STAGE", "TABLE", "BUS"):
        monkeypatch.setenv(f"TANDEM_{name}", "shop")
    monkeypatch.delenv("_X_AMZN_TRACE_ID", raising=False)
    for kept in (settings.service_settings, logs.logger):
        kept.cache_clear()
    yield
    for kept in (settings.service_settings, logs.logger):
        kept.cache_clear()


def only_line(capsys: pytest.CaptureFixture[str]) -> Any:
    (line,) = capsys.readouterr().out.splitlines()
    return json.loads(line)


def test_a_line_says_what_when_and_where(capsys: pytest.CaptureFixture[str]) -> None:
    logs.logger().info("request", extra={"status": 201, "at": datetime(2026, 2, 10, tzinfo=UTC)})
    line = only_line(capsys)
    assert abs(datetime.fromisoformat(line.pop("timestamp")).timestamp() - _now()) < 60
    assert line == {
        "level": "INFO",
        "message": "request",
        "service": "shop",
        "status": 201,
        "at": "2026-02-10 00:00:00+00:00",
    }


def test_an_exception_is_one_line_with_its_trace(capsys: pytest.CaptureFixture[str]) -> None:
    try:
        raise ValueError("first\nsecond")
    except ValueError:
        logs.logger().exception("message failed", extra={"message_id": "m_1"})
    line = only_line(capsys)
    assert (line["level"], line["exception_name"]) == ("ERROR", "ValueError")
    assert line["message_id"] == "m_1"
    assert line["exception"].startswith("Traceback")
    assert "first\nsecond" in line["exception"]


def test_a_named_exception_goes_with_warnings_and_errors(
    capsys: pytest.CaptureFixture[str],
) -> None:
    for level in ("warning", "error"):
        getattr(logs.logger(), level)("store unavailable", exc_info=TimeoutError("late"))
        line = only_line(capsys)
        assert line["level"] == level.upper()
        assert line["exception"] == "TimeoutError: late\n"


def test_a_line_names_its_trace(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("_X_AMZN_TRACE_ID", "Root=1-5e-ab;Parent=53;Sampled=1")
    logs.logger().info("request")
    assert only_line(capsys)["xray_trace_id"] == "1-5e-ab"


def test_a_count_is_in_the_embedded_metric_format(capsys: pytest.CaptureFixture[str]) -> None:
    logs.count("webhook_refused", source="shopify")
    line = only_line(capsys)
    assert abs(line["_aws"].pop("Timestamp") / 1000 - _now()) < 60
    assert line == {
        "_aws": {
            "CloudWatchMetrics": [
                {
                    "Namespace": "Tandem",
                    "Dimensions": [["service", "source"]],
                    "Metrics": [{"Name": "webhook_refused", "Unit": "Count"}],
                }
            ]
        },
        "service": "shop",
        "source": "shopify",
        "webhook_refused": 1,
    }


def _now() -> float:
    return datetime.now(UTC).timestamp()
