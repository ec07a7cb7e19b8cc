"""A worker runs the package with AWS's runtime client, and fails in the ways that Lambda fails."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tandem_local.engine import Engine
from tandem_local.execution import Configuration
from tandem_local.functions import Function

HANDLERS = """
import json, os, sys, time

started = time.time()

def echo(event, context):
    return {"event": event, "function": context.function_name, "started": started,
            "left_ms": context.get_remaining_time_in_millis(), "process": os.getpid()}

def look(event, context):
    import importlib.util
    return {"path": sys.path, "table": os.environ.get("TABLE"), "home": os.environ.get("HOME"),
            "sdk": importlib.util.find_spec("boto3") is not None,
            "endpoint": os.environ["AWS_ENDPOINT_URL"]}

def fail(event, context):
    raise ValueError("boom")

def leave(event, context):
    if event["leave"]:
        os._exit(3)
    return os.getpid()

def stay(event, context):
    time.sleep(event["seconds"])
    return os.getpid()

def large(event, context):
    return "x" * event["bytes"]
"""

MakeFunction = Callable[..., Function]


@pytest.fixture
def make_function(engine: Engine, tmp_path: Path) -> Iterator[MakeFunction]:
    code = tmp_path / "code"
    code.mkdir()
    (code / "handlers.py").write_text(HANDLERS)
    (code / "unfinished.py").write_text("import nothing_like_it\n")
    made = []

    def make(handler: str, bound: int = 1, timeout_seconds: float = 5) -> Function:
        configuration = Configuration(
            name="tandem-test",
            arn="arn:aws:lambda:eu-central-1:000000000000:function:tandem-test",
            handler=handler,
            timeout_seconds=timeout_seconds,
            memory_mb=256,
            environment={"TABLE": "t"},
            code=code,
            runtime=engine.runtime_client(),
            log=tmp_path / "function.log",
        )
        made.append(Function(configuration, "http://127.0.0.1:9", bound))
        return made[-1]

    yield make
    for function in made:
        function.close()


def answer(function: Function, event: Any) -> Any:
    outcome = function.invoke(event)
    assert not outcome.is_error, outcome
    return outcome.json()


def test_a_warm_environment_is_used_again(make_function: MakeFunction) -> None:
    function = make_function("handlers.echo")
    first = answer(function, {"n": 1})
    second = answer(function, {"n": 2})
    assert (first["event"], second["event"]) == ({"n": 1}, {"n": 2})
    assert first["process"] == second["process"]
    assert first["function"] == "tandem-test"
    assert 4000 < first["left_ms"] <= 5000


def test_only_the_package_and_the_runtime_client_are_within_reach(
    make_function: MakeFunction,
) -> None:
    seen = answer(make_function("handlers.look"), {})
    assert not seen["sdk"]
    assert not [entry for entry in seen["path"] if "site-packages" in entry]
    assert (seen["table"], seen["home"]) == ("t", None)
    assert seen["endpoint"] == "http://127.0.0.1:9"


def test_an_exception_is_reported_as_lambda_reports_it(make_function: MakeFunction) -> None:
    outcome = make_function("handlers.fail").invoke({})
    assert outcome.is_error
    report = outcome.json()
    assert (report["errorType"], report["errorMessage"]) == ("ValueError", "boom")
    assert any("handlers.py" in line for line in report["stackTrace"])


def test_a_module_that_does_not_import_is_reported(make_function: MakeFunction) -> None:
    outcome = make_function("unfinished.handler").invoke({})
    assert outcome.is_error
    assert outcome.json()["errorType"] == "Runtime.ImportModuleError"


def test_after_a_crash_the_next_event_finds_a_new_environment(make_function: MakeFunction) -> None:
    function = make_function("handlers.leave")
    first = answer(function, {"leave": False})
    crashed = function.invoke({"leave": True})
    assert crashed.is_error
    assert crashed.json()["errorType"] == "Runtime.ExitError"
    assert answer(function, {"leave": False}) != first


def test_what_takes_too_long_is_ended(make_function: MakeFunction) -> None:
    function = make_function("handlers.stay", timeout_seconds=0.3)
    late = function.invoke({"seconds": 30})
    assert late.is_error
    assert "Task timed out after 0.30 seconds" in late.json()["errorMessage"]
    assert answer(function, {"seconds": 0})


def test_environments_grow_to_the_bound_and_no_further(make_function: MakeFunction) -> None:
    function = make_function("handlers.stay", bound=2)
    with ThreadPoolExecutor(6) as callers:
        processes = set(callers.map(lambda _: answer(function, {"seconds": 0.2}), range(6)))
    assert len(processes) == 2


def test_large_events_and_answers_pass_whole(make_function: MakeFunction) -> None:
    function = make_function("handlers.large")
    assert len(answer(function, {"bytes": 5_000_000, "padding": "y" * 3_000_000})) == 5_000_000


def test_what_a_function_prints_is_in_its_log(make_function: MakeFunction, tmp_path: Path) -> None:
    make_function("handlers.fail").invoke({})
    assert "ValueError: boom" in (tmp_path / "function.log").read_text().replace("\r", "\n")
