"""The published OpenAPI document against the running system: whatever it allows or forbids, the
answer is one that it describes, and never a fault of ours."""

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

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "openapi" / "loyalty.json"
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
]

schema = schemathesis.openapi.from_path(str(DOCUMENT))


@schema.parametrize()
@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
def test_every_answer_is_one_that_the_document_describes(case: Any, cloud: Cloud) -> None:
    case.call_and_validate(
        base_url=f"{cloud.base_url}/loyalty",
        headers={"Authorization": f"Bearer {cloud.token('admin', 'root')}"},
        checks=CHECKS,
    )
