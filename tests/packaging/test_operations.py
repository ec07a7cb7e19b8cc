"""The runbook knows every alarm, every parameter of a stage's file, and only commands that are."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from tools.packages.template import merged_template

ROOT = Path(__file__).resolve().parents[2]
RUNBOOK = (ROOT / "docs" / "operations.md").read_text()
STACKS = sorted(path.stem for path in (ROOT / "infra").glob("*.yaml") if path.stem != "rest-api")


def template(stack: str) -> Any:
    shared = [] if stack == "platform" else [ROOT / "infra" / "rest-api.yaml"]
    return merged_template([*shared, ROOT / "infra" / f"{stack}.yaml"])


@pytest.mark.parametrize("stack", STACKS)
def test_every_alarm_reaches_those_on_call_and_is_in_the_runbook(stack: str) -> None:
    resources = template(stack)["Resources"].items()
    alarms = {name: one for name, one in resources if one.get("Type") == "AWS::CloudWatch::Alarm"}
    assert alarms
    for name, alarm in alarms.items():
        (action,) = alarm["Properties"]["AlarmActions"]
        assert "alarms" in json.dumps(action).lower()
        assert alarm["Properties"]["AlarmDescription"]
        # `ConsumeIsThrottled` has the paragraph of all that are throttled.
        same = re.sub(r"^[A-Z][a-z]+", "…", name)
        assert f"`{name}`" in RUNBOOK or f"`{same}`" in RUNBOOK, name


def test_the_runbook_names_no_alarm_that_is_not_there() -> None:
    there = {name for stack in STACKS for name in template(stack)["Resources"]}
    rows = [line.split("|")[1] for line in RUNBOOK.splitlines() if line.startswith("| `")]
    named = {name for row in rows for name in re.findall(r"`(…?\w+)`", row)}
    assert named
    for name in named:
        assert name in there or any(one.endswith(name.lstrip("…")) for one in there), name


def test_the_example_of_a_stage_has_parameters_that_are_there_and_all_that_are_needed() -> None:
    example = json.loads((ROOT / "infra" / "stages" / "example.json").read_text())
    declared: dict[str, Any] = {}
    for stack in STACKS:
        declared |= template(stack)["Parameters"]
    assert example.keys() <= declared.keys()
    needed = {name for name, one in declared.items() if "Default" not in one}
    assert needed - {"Stage"} <= example.keys() | {"BasePath"}


def test_every_command_of_the_runbook_is_one() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    commands = set(re.findall(r"(?:`|^|\| )make ([a-z-]+)", RUNBOOK, re.MULTILINE))
    assert {"deploy", "diff", "smoke", "destroy", "replay", "redrive", "restore"} <= commands
    assert commands <= targets


def test_every_suppression_of_checkov_has_its_reason() -> None:
    lines = (ROOT / ".checkov.yaml").read_text().splitlines()
    for number, line in enumerate(lines):
        if line.strip().startswith("- CKV"):
            above = lines[number - 1].strip()
            assert "#" in line or above.startswith("#"), line
