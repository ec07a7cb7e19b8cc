"""Refusals: one tree, stable codes, one rendering."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from tandem_core import problems
from tandem_core.problems import Problem

STATUSES = {
    problems.Invalid: 400,
    problems.Unauthenticated: 401,
    problems.Forbidden: 403,
    problems.Missing: 404,
    problems.Conflict: 409,
    problems.VersionConflict: 412,
    problems.TooLarge: 413,
    problems.Unprocessable: 422,
    problems.InternalError: 500,
    problems.Busy: 503,
}


def tree(root: type[Problem]) -> Iterator[type[Problem]]:
    yield root
    for branch in root.__subclasses__():
        yield from tree(branch)


KERNEL = [one for one in tree(Problem) if one.__module__ == "tandem_core.problems"]


def test_each_branch_has_its_status_and_its_leaves_share_it() -> None:
    for branch, status in STATUSES.items():
        assert {one.status for one in tree(branch)} == {status}


def test_codes_are_public_and_stay() -> None:
    assert {one.code for one in KERNEL} == {
        "BAD_REQUEST",
        "CONFLICT",
        "FORBIDDEN",
        "IDEMPOTENCY_KEY_INVALID",
        "IDEMPOTENCY_KEY_REQUIRED",
        "IDEMPOTENCY_KEY_REUSED",
        "INTERNAL_ERROR",
        "MALFORMED_JSON",
        "NOT_FOUND",
        "PAYLOAD_TOO_LARGE",
        "STORE_UNAVAILABLE",
        "TRY_AGAIN",
        "UNAUTHENTICATED",
        "UNPROCESSABLE",
        "VALIDATION_FAILED",
        "VERSION_CONFLICT",
    }


@pytest.mark.parametrize("kind", [one for one in KERNEL if one is not problems.ValidationFailed])
def test_a_problem_is_rendered_as_rfc_9457_says(kind: type[Problem]) -> None:
    body = json.loads(json.dumps(kind("what happened", available=3).body("/v1/accounts")))
    if issubclass(kind, problems.Unprocessable):
        (error,) = body.pop("errors")
        assert error == {"field": kind.field, "code": kind.code, "detail": "what happened"}
    assert body == {
        "type": f"urn:tandem:problem:{kind.code.lower().replace('_', '-')}",
        "title": kind.title,
        "status": kind.status,
        "detail": "what happened",
        "instance": "/v1/accounts",
        "code": kind.code,
        "available": 3,
    }


def test_without_a_detail_the_title_speaks() -> None:
    assert problems.Missing().body("/x")["detail"] == "There is no such resource"
    assert str(problems.Missing()) == "There is no such resource"


def test_wrong_fields_are_named() -> None:
    body = problems.invalid_field("points", "OUT_OF_RANGE", "too many").body("/x")
    assert body["errors"] == [{"field": "points", "code": "OUT_OF_RANGE", "detail": "too many"}]
    assert (body["status"], body["code"]) == (422, "VALIDATION_FAILED")
    assert "points" in body["detail"]


def test_only_what_may_pass_is_to_be_tried_again() -> None:
    with_header = {one for one in KERNEL if "Retry-After" in problem_headers(one)}
    assert with_header == {problems.Busy, problems.StoreUnavailable}


def problem_headers(kind: type[Problem]) -> dict[str, str]:
    problem = problems.ValidationFailed([]) if kind is problems.ValidationFailed else kind()
    return problem.headers
