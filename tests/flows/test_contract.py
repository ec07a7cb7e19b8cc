"""The published OpenAPI documents against the running system: whatever they allow or forbid, the
answer is one that they describe, and never a fault of ours."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from tests.flows.conftest import Cloud

DOCUMENTS = Path(__file__).resolve().parents[2] / "docs" / "openapi"
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
]

loyalty = schemathesis.openapi.from_path(str(DOCUMENTS / "loyalty.json"))
orders = schemathesis.openapi.from_path(str(DOCUMENTS / "orders.json"))
returns = schemathesis.openapi.from_path(str(DOCUMENTS / "returns.json"))

few = settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))


def check(case: Any, cloud: Cloud, service: str) -> None:
    case.call_and_validate(
        base_url=f"{cloud.base_url}/{service}",
        headers={"Authorization": f"Bearer {cloud.token('admin', 'root')}"},
        checks=CHECKS,
    )


@loyalty.parametrize()
@few
def test_every_answer_of_loyalty_is_one_that_its_document_describes(
    case: Any, cloud: Cloud
) -> None:
    check(case, cloud, "loyalty")


@orders.parametrize()
@few
def test_every_answer_of_orders_is_one_that_its_document_describes(case: Any, cloud: Cloud) -> None:
    check(case, cloud, "orders")


@returns.parametrize()
@few
def test_every_answer_of_returns_is_one_that_its_document_describes(
    case: Any, cloud: Cloud
) -> None:
    check(case, cloud, "returns")
