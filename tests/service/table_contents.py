"""What the service's table holds, compared before and after: a refusal leaves it alone."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tests.service.services import Reply, Service

PROBLEM_MEMBERS = {"type", "title", "status", "detail", "instance", "code"}


def contents(service: Service[Any]) -> dict[tuple[str, str], Any]:
    """Return every item by its key, as DynamoDB has it."""
    client = service.store.table.client
    pages = client.get_paginator("scan").paginate(TableName=service.store.table.name)
    return {(item["pk"]["S"], item["sk"]["S"]): item for page in pages for item in page["Items"]}


@contextmanager
def nothing_changes(service: Service[Any]) -> Iterator[None]:
    before = contents(service)
    yield
    assert contents(service) == before


def refusal(reply: Reply, status: int, code: str) -> Any:
    """Check that a reply is a problem with this status and code, and return its body."""
    assert (reply.status, reply.body.get("code")) == (status, code), reply.body
    assert reply.headers["Content-Type"] == "application/problem+json"
    assert reply.body.keys() >= PROBLEM_MEMBERS
    assert reply.body["status"] == status
    assert reply.body["type"] == f"urn:tandem:problem:{code.lower().replace('_', '-')}"
    assert reply.body["title"]
    assert reply.body["detail"]
    assert reply.body["instance"].startswith("/v1/")
    assert not reply.replayed
    return reply.body
