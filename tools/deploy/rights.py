"""`python -m tools.deploy.rights`: who may do what, read from the built templates.

Prints docs/rights.md; a test compares them, so a right that is added is seen in a review.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_HEAD = """# Who may do what

One role for each function, with these rights and no other; nobody but Lambda may assume them.
Written by `python -m tools.deploy.rights > docs/rights.md` from the built templates.
"""


@dataclass(frozen=True, order=True)
class Right:
    """One action on some resources. `only` is the condition of the statement, as JSON."""

    action: str
    resources: tuple[str, ...]
    only: str = ""


def rights(template: Mapping[str, Any]) -> dict[str, list[Right]]:
    """Return the rights of each function of a template, the conditional ones as well."""
    resources = template["Resources"]
    found = {}
    for name, function in resources.items():
        if function["Type"] == "AWS::Serverless::Function":
            role = resources[function["Properties"]["Role"]["Fn::GetAtt"][0]]["Properties"]
            documents = [policy["PolicyDocument"] for policy in role.get("Policies", [])]
            for policy in role.get("ManagedPolicyArns", []):
                documents.append(resources[policy["Ref"]]["Properties"]["PolicyDocument"])
            found[name] = sorted({right for one in documents for right in _granted(one)})
    return found


def page(templates: Mapping[str, Mapping[str, Any]]) -> str:
    parts = [_HEAD]
    for stack, template in templates.items():
        parts.append(f"## {stack}\n\n| function | may | on | only |\n|---|---|---|---|")
        for function, granted in sorted(rights(template).items()):
            for right in granted:
                on = ", ".join(right.resources)
                parts.append(f"| {function} | {right.action} | {on} | {right.only} |")
        parts.append("")
    return "\n".join(parts)


def read_templates(build: Path) -> dict[str, Any]:
    """Return the built templates by the name of their stack."""
    return {
        path.parent.parent.name: json.loads(path.read_text())
        for path in sorted(build.glob("*/package/sam.json"))
    }


def _granted(document: Mapping[str, Any]) -> Iterator[Right]:
    for one in document["Statement"]:
        condition, statement, _ = one.get("Fn::If", ["", one, None])
        only = [condition] if condition else []
        if "Condition" in statement:
            only.append(_condition(statement["Condition"]))
        resources = tuple(_name(resource) for resource in _listed(statement["Resource"]))
        for action in _listed(statement["Action"]):
            yield Right(action, resources, ", ".join(only))


def _condition(condition: Mapping[str, Any]) -> str:
    """Write `{"StringEquals": {"events:source": "x"}}` as `events:source x`."""
    return ", ".join(
        f"{key} {' '.join(_listed(value))}"
        for keys in condition.values()
        for key, value in keys.items()
    )


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _name(resource: Any) -> str:
    """Name a resource as its template does."""
    if isinstance(resource, str):
        return resource
    ((function, value),) = resource.items()
    if function == "Fn::GetAtt":
        return ".".join(value).removesuffix(".Arn")
    if function == "Fn::ImportValue":
        return re.sub(r"^tandem-\$\{Stage\}-(.*)-arn$", r"the platform's \1", _name(value))
    if function == "Fn::Sub":
        return re.sub(r"\$\{(\w+)\.Arn\}", r"\1", value)
    return str(value)


if __name__ == "__main__":
    sys.stdout.write(page(read_templates(Path("build"))))
