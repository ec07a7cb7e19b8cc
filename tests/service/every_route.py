"""What services have in common on every route: what they refuse, and what they do once.

A refusal has a stable code and changes nothing.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Protocol

import pytest

from tandem_core.auth import ROLE_SCOPES, Role
from tandem_core.http import Endpoint
from tests.service.disturbances import interfere, unreachable
from tests.service.services import Reply, Service
from tests.service.table_contents import nothing_changes, refusal

IMPOSSIBLE = ["A" * 129, "a/1", "a b", "a#1", "ümlaut", "", "%00", "\x00", "*", "a\n"]
NOT_JSON = ["{", "{'a': 1}", '{"a": 1} {"b": 2}', "nonsense", '{"a": "\\ud800"}', "\ud800{}"]
INVENTED_CURSORS = ["x", "=", "!!", "☃", "A" * 512, "A" * 513, "AA", "Iw", "IyM"] + [
    base64.urlsafe_b64encode(text).decode() for text in (b"\xff", b"", b"0#x", b"{}")
]


class World(Protocol):
    """A service with something of everything, and a good request for each of its routes."""

    @property
    def service(self) -> Service[Any]: ...

    def parts(self, name: str) -> dict[str, str]: ...

    def body(self, name: str) -> Any: ...

    def call(self, name: str, **changes: Any) -> Reply: ...


def replaced(body: Any, path: str, value: Any) -> Any:
    """A body with one member replaced; `path` is dotted."""
    *way, last = path.split(".")
    place = body
    for step in way:
        place = place[int(step) if step.isdigit() else step]
    place[int(last) if last.isdigit() else last] = value
    return body


def allowed(endpoints: Mapping[str, Endpoint]) -> dict[str, set[str]]:
    """The routes that each role may call, of those that ask for a token."""
    return {
        role.value: {name for name, one in endpoints.items() if one.scope in ROLE_SCOPES[role]}
        for role in Role
    }


class RefusedOnEveryRoute:
    """What the routes of a service refuse alike; its tests inherit this, and name the routes."""

    endpoints: ClassVar[Mapping[str, Endpoint]]
    closed: ClassVar[Sequence[str]]
    posting: ClassVar[Sequence[str]]
    with_body: ClassVar[Sequence[str]]

    def test_a_write_without_a_key_or_with_an_impossible_one_is_refused(self, world: World) -> None:
        with nothing_changes(world.service):
            for name in self.posting:
                refusal(world.call(name, key=""), 400, "IDEMPOTENCY_KEY_REQUIRED")
                for key in ("k" * 256, "snow ☃", "tab\there", "\x00"):
                    refusal(world.call(name, key=key), 400, "IDEMPOTENCY_KEY_INVALID")

    def test_a_token_without_the_scope_is_refused(self, world: World) -> None:
        with nothing_changes(world.service):
            for name in self.closed:
                wanted = str(self.endpoints[name].scope)
                for scope in ("", "everything", "orders:nothing", wanted.upper()):
                    problem = refusal(world.call(name, scope=scope), 403, "FORBIDDEN")
                    assert problem["scope"] == wanted

    def test_a_role_that_may_not_call_is_refused_whatever_its_token_says(
        self, world: World
    ) -> None:
        with nothing_changes(world.service):
            for role, may in allowed(self.endpoints).items():
                for name in sorted(set(self.closed) - may):
                    scope = str(self.endpoints[name].scope)
                    reply = world.call(name, role=role, subject="cus_1", scope=scope)
                    refusal(reply, 403, "FORBIDDEN")

    def test_a_call_without_a_verified_caller_is_refused(self, world: World) -> None:
        with nothing_changes(world.service):
            for name in self.closed:
                refusal(world.call(name, role=None), 401, "UNAUTHENTICATED")

    def test_a_part_of_the_path_that_cannot_be_an_id_is_not_found(self, world: World) -> None:
        with nothing_changes(world.service):
            for name in self.endpoints:
                for part in world.parts(name):
                    for impossible in IMPOSSIBLE:
                        refusal(world.call(name, **{part: impossible}), 404, "NOT_FOUND")

    def test_a_body_that_is_not_json_or_no_object_is_refused(self, world: World) -> None:
        latin = b'{"reason": "\xff\xfe"}'
        with nothing_changes(world.service):
            for name in self.with_body:
                for text in [*NOT_JSON, "[" * 100_000, latin]:
                    refusal(world.call(name, body=None, raw=text), 400, "MALFORMED_JSON")
                for raw in ("null", "[]", "1", '"text"', f"[{json.dumps(world.body(name))}]"):
                    refusal(world.call(name, body=None, raw=raw), 422, "VALIDATION_FAILED")

    def test_a_body_over_256_kilobytes_is_refused(self, world: World) -> None:
        with nothing_changes(world.service):
            for name in self.with_body:
                raw = json.dumps(world.body(name)).ljust(256 * 1024 + 1)
                refusal(world.call(name, body=None, raw=raw), 413, "PAYLOAD_TOO_LARGE")

    def test_an_unknown_field_is_refused_by_name(self, world: World) -> None:
        with nothing_changes(world.service):
            for name in self.with_body:
                for field in ("colour", "Lines", "__class__", "", "ümlaut"):
                    body = {**world.body(name), field: 1}
                    problem = refusal(world.call(name, body=body), 422, "VALIDATION_FAILED")
                    errors = {(error["field"], error["code"]) for error in problem["errors"]}
                    assert (field, "UNKNOWN_FIELD") in errors


class DoneOnce:
    """What is sent twice is done once; its tests inherit this, for each `name` of a write."""

    endpoints: ClassVar[Mapping[str, Endpoint]]

    def test_the_same_request_twice_at_once_is_done_once(
        self, world: World, name: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        twin: list[Reply] = []
        interfere(monkeypatch, before=lambda: twin.append(world.call(name, key="k")))
        reply = world.call(name, key="k")
        assert (reply.status, reply.body) == (twin[0].status, twin[0].body)
        assert (twin[0].replayed, reply.replayed) == (False, True)
        with nothing_changes(world.service):
            assert world.call(name, key="k").body == reply.body

    def test_a_write_that_never_arrived_is_done_by_its_repeat(
        self, world: World, name: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        interfere(monkeypatch, before=unreachable)
        with nothing_changes(world.service):
            refusal(world.call(name, key="k"), 503, "STORE_UNAVAILABLE")
        again = world.call(name, key="k")
        assert (again.status, again.replayed) == (self.endpoints[name].status, False)
