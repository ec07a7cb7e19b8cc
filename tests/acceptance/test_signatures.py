"""Who may send: published vectors verify, and each scheme lets in what its sender signed and
nothing else. Signatures are made by `signing`, which shares no code with the service."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tandem_core.signatures import SCHEMES, SignatureInvalid, verify
from tandem_orders.senders import SENDERS
from tests.acceptance.conftest import Tally
from tests.acceptance.service import Sender
from tests.acceptance.signing import SIGN, SQUARE_URL, hmac_sha256, secret_of
from tests.service.services import Reply
from tests.service.table_contents import nothing_changes, refusal

_HOST = SQUARE_URL.split("/")[2]
_BODY = json.dumps(
    {"id": 9_007_199_254_740_993, "name": "Köln 深圳", "list": [1, 2]}, ensure_ascii=False
).encode()
_DATED = tuple(
    source for source, (_, scheme) in SENDERS.items() if scheme.tolerance_seconds is not None
)
sources = pytest.mark.parametrize("source", SENDERS)
dated = pytest.mark.parametrize("source", _DATED)


def _vectors(data: Path) -> list[Any]:
    vectors: list[Any] = json.loads((data / "signatures/vectors.json").read_bytes())
    return vectors


# --- published vectors ----------------------------------------------------------------------------


def _verify(
    vector: Any, headers: Mapping[str, str], body: bytes, now: datetime, *, url: str = ""
) -> None:
    scheme = SCHEMES["square" if "url" in vector else "standard_webhooks"]
    urls = [url or vector.get("url", "")]
    verify(scheme, headers, body, [vector["secret"]], urls=urls, now=now)


def _signed_at(vector: Any) -> datetime:
    return datetime.fromtimestamp(vector.get("timestamp", 0), UTC)


def test_every_published_vector_verifies_when_it_was_signed(data: Path, tally: Tally) -> None:
    vectors = _vectors(data)
    assert {vector["scheme"].partition("-")[0] for vector in vectors} == {"standard", "square"}
    for vector in vectors:
        assert vector["valid"]
        _verify(vector, vector["headers"], vector["body"].encode(), _signed_at(vector))
        tally.counts["vectors"] += 1


def test_every_byte_of_a_published_vector_counts(data: Path) -> None:
    for vector in _vectors(data):
        body, at = vector["body"].encode(), _signed_at(vector)
        for position in range(len(body)):
            tampered = bytearray(body)
            tampered[position] ^= 1
            with pytest.raises(SignatureInvalid):
                _verify(vector, vector["headers"], bytes(tampered), at)
        for name, value in vector["headers"].items():
            # The last characters of base64 carry padding, and the version may be another's.
            for position in range(len(value) - 2):
                other = "A" if value[position] != "A" else "B"
                changed = value[:position] + other + value[position + 1 :]
                with pytest.raises(SignatureInvalid):
                    _verify(vector, {**vector["headers"], name: changed}, body, at)
            rest = {key: one for key, one in vector["headers"].items() if key != name}
            with pytest.raises(SignatureInvalid) as refused:
                _verify(vector, rest, body, at)
            assert refused.value.reason == "missing"


def test_a_published_vector_is_stale_today_and_square_s_belongs_to_its_address(data: Path) -> None:
    standard = next(vector for vector in _vectors(data) if "url" not in vector)
    square = next(vector for vector in _vectors(data) if "url" in vector)
    with pytest.raises(SignatureInvalid) as refused:
        _verify(standard, standard["headers"], standard["body"].encode(), datetime.now(UTC))
    assert refused.value.reason == "stale"
    with pytest.raises(SignatureInvalid):
        _verify(
            square,
            square["headers"],
            square["body"].encode(),
            datetime.now(UTC),
            url=square["url"] + "/",
        )


def test_the_second_implementation_makes_the_published_signatures(data: Path) -> None:
    for vector in _vectors(data):
        body = vector["body"]
        if "url" in vector:
            made = hmac_sha256(vector["secret"].encode(), f"{vector['url']}{body}".encode())
        else:
            key = base64.b64decode(vector["secret"].removeprefix("whsec_"))
            made = hmac_sha256(key, f"{vector['msg_id']}.{vector['timestamp']}.{body}".encode())
        assert any(
            value.endswith(base64.b64encode(made).decode()) for value in vector["headers"].values()
        )


# --- the real route, every sender -----------------------------------------------------------------


def _post(orders: Sender, source: str, headers: Mapping[str, str], body: bytes = _BODY) -> Reply:
    return orders.service.call(
        "POST",
        "/webhooks/{source}",
        role=None,
        key="",
        raw=body,
        headers={"Host": _HOST, **headers},
        source=source,
    )


def _secrets(orders: Sender, **webhooks: list[str]) -> None:
    orders.service.secrets_are(**webhooks)


@sources
def test_what_a_sender_signs_is_taken_and_what_nobody_signed_is_not(
    orders: Sender, source: str
) -> None:
    _secrets(orders, **{source: [secret_of(source)]})
    signed = SIGN[source](_BODY, secret_of(source), orders.service.now)

    with nothing_changes(orders.service):
        refusal(_post(orders, source, {}), 401, "SIGNATURE_INVALID")
        for name in signed:
            rest = {key: value for key, value in signed.items() if key != name}
            refusal(_post(orders, source, rest), 401, "SIGNATURE_INVALID")
            refusal(_post(orders, source, {**signed, name: ""}), 401, "SIGNATURE_INVALID")

    assert _post(orders, source, signed).status == 202


_TAMPERED: Mapping[str, Callable[[bytes], bytes]] = {
    "a digit": lambda body: body.replace(b"993", b"994"),
    "a letter": lambda body: body.replace(b"name", b"Name"),
    "beyond ASCII": lambda body: body.replace("ö".encode(), "ø".encode()),
    "white space": lambda body: body.replace(b", ", b",", 1),
    "a byte more": lambda body: body + b"\n",
    "a byte less": lambda body: body[:-1],
    "nothing left": lambda _: b"",
    "the order of members": lambda body: json.dumps(
        dict(reversed(json.loads(body).items())), ensure_ascii=False
    ).encode(),
}


@sources
def test_a_tampered_body_is_refused_and_leaves_nothing(orders: Sender, source: str) -> None:
    _secrets(orders, **{source: [secret_of(source)]})
    signed = SIGN[source](_BODY, secret_of(source), orders.service.now)

    with nothing_changes(orders.service):
        for what, tamper in _TAMPERED.items():
            assert tamper(_BODY) != _BODY, what
            reply = _post(orders, source, signed, tamper(_BODY))
            refusal(reply, 401, "SIGNATURE_INVALID")


@sources
def test_a_tampered_header_is_refused(orders: Sender, source: str) -> None:
    _secrets(orders, **{source: [secret_of(source)]})
    signed = SIGN[source](_BODY, secret_of(source), orders.service.now)

    with nothing_changes(orders.service):
        for name, value in signed.items():
            for position in range(0, len(value) - 2, 5):
                other = "0" if value[position] != "0" else "1"
                changed = value[:position] + other + value[position + 1 :]
                refusal(_post(orders, source, {**signed, name: changed}), 401, "SIGNATURE_INVALID")


@dated
def test_what_was_signed_too_long_ago_or_ahead_of_time_is_refused(
    orders: Sender, source: str
) -> None:
    _secrets(orders, **{source: [secret_of(source)]})
    now = orders.service.now

    with nothing_changes(orders.service):
        for seconds in (301, -301, 86_400):
            signed = SIGN[source](_BODY, secret_of(source), now - timedelta(seconds=seconds))
            refusal(_post(orders, source, signed), 401, "SIGNATURE_INVALID")

    for seconds in (300, -300):
        signed = SIGN[source](_BODY, secret_of(source), now - timedelta(seconds=seconds))
        assert _post(orders, source, signed).status == 202


@sources
def test_two_secrets_live_side_by_side_until_the_old_one_is_removed(
    orders: Sender, source: str
) -> None:
    old, new = secret_of(source, "old"), secret_of(source, "new")

    def taken(secret: str) -> bool:
        # Another body each time: a repeat would be answered all the same.
        body = json.dumps({"id": next(orders.service.keys)}).encode()
        reply = _post(orders, source, SIGN[source](body, secret, orders.service.now), body)
        assert reply.status in {202, 401}
        return reply.status == 202

    _secrets(orders, **{source: [old]})
    assert (taken(old), taken(new)) == (True, False)
    _secrets(orders, **{source: [new, old]})
    assert (taken(old), taken(new)) == (True, True)
    _secrets(orders, **{source: [new]})
    assert (taken(old), taken(new)) == (False, True)


@sources
def test_another_sender_s_secret_opens_nothing(orders: Sender, source: str) -> None:
    own = secret_of(source, "its own")
    others = {other: [secret_of(other)] for other in SENDERS if other != source}
    _secrets(orders, **others, **{source: [own]})

    with nothing_changes(orders.service):
        for (secret,) in others.values():
            # A Standard Webhooks secret is base64; nobody could sign so with another text.
            if secret.startswith("whsec_") is not own.startswith("whsec_"):
                continue
            signed = SIGN[source](_BODY, secret, orders.service.now)
            refusal(_post(orders, source, signed), 401, "SIGNATURE_INVALID")


@pytest.mark.usefixtures("data")
def test_every_sender_has_its_own_row_here() -> None:
    assert SIGN.keys() == SENDERS.keys()
