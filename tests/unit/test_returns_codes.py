"""Return codes: signed once, verified anywhere, and not one character of them can be changed."""

from __future__ import annotations

import hashlib
import hmac
import json
import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest
import segno
from hypothesis import given
from hypothesis import strategies as st

from tandem_returns.codes import (
    MAX_DELAY,
    CodeExpired,
    CodeInvalid,
    ReturnCode,
    is_signed,
    issue,
    judged_at,
    key_set,
    public_keys,
    qr_svg,
    return_code,
    seed_of,
    signature_of,
    verify,
)
from tandem_returns.purchases import LineQuantity

TILL_PAGE = Path(__file__).resolve().parents[2] / "docs" / "till.md"

ISSUED = datetime(2026, 11, 2, 9, 30, 15, tzinfo=UTC)
EXPIRES = ISSUED + timedelta(days=30)
ORDER = f"ord_{'7' * 26}"
RETURN = f"ret_{'7' * 26}{'M' * 26}"
SEED = seed_of("a secret of a test that is long enough")
OTHER_SEED = seed_of("another secret of a test, as long as that")
KEYS = public_keys([SEED])

# RFC 8037, appendix A: key (A.1), thumbprint (A.3), signing input and signature (A.4).
RFC_SEED = "nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A"
RFC_KEY = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"
RFC_THUMBPRINT = "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"
RFC_MESSAGE = b"eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc"
RFC_SIGNATURE = (
    "hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg"
)


def decoded(text: str) -> bytes:
    return urlsafe_b64decode(text + "=" * (-len(text) % 4))


def encoded(raw: bytes) -> str:
    return urlsafe_b64encode(raw).rstrip(b"=").decode()


def lines_of(*lines: tuple[str, int]) -> list[LineQuantity]:
    return [LineQuantity(line_id=line_id, quantity=quantity) for line_id, quantity in lines]


def make(*lines: tuple[str, int], **changes: Any) -> ReturnCode:
    return return_code(
        **{
            "return_id": RETURN,
            "order_id": ORDER,
            "lines": lines_of(*(lines or (("1", 2), ("2", 1)))),
            "policy": "main@3",
            "issued_at": ISSUED,
            "expires_at": EXPIRES,
            **changes,
        }
    )


def signed(header: dict[str, Any], claims: bytes, seed: bytes = SEED) -> str:
    """A JWS that is signed by us, whatever it says."""
    message = f"{encoded(json.dumps(header, separators=(',', ':')).encode())}.{encoded(claims)}"
    return f"{message}.{encoded(signature_of(message.encode(), seed))}"


def header_of(text: str) -> dict[str, Any]:
    header: dict[str, Any] = json.loads(decoded(text.partition(".")[0]))
    return header


def claims_of(text: str) -> bytes:
    return decoded(text.split(".")[1])


CODE = issue(make(), SEED)


# --- what a code says -----------------------------------------------------------------------------


def test_a_code_says_what_it_was_issued_for() -> None:
    code = verify(CODE, KEYS, ISSUED)
    assert code == make()
    assert (code.return_id, code.order_id, code.policy) == (RETURN, ORDER, "main@3")
    assert code.lines == tuple(lines_of(("1", 2), ("2", 1)))
    assert (code.issued_at, code.expires_at) == (ISSUED, EXPIRES)


def test_others_read_it_as_a_jws() -> None:
    assert header_of(CODE) == {"alg": "EdDSA", "kid": next(iter(KEYS))}
    assert json.loads(claims_of(CODE)) == {
        "jti": make().code_id,
        "ret": RETURN,
        "ord": ORDER,
        "lin": [["1", 2], ["2", 1]],
        "pol": "main@3",
        "iat": int(ISSUED.timestamp()),
        "exp": int(EXPIRES.timestamp()),
    }
    message, _, signature = CODE.rpartition(".")
    assert is_signed(message.encode(), decoded(signature), KEYS[header_of(CODE)["kid"]])


def test_issued_again_it_is_the_same_code() -> None:
    assert issue(make(), SEED) == CODE
    assert issue(make(issued_at=ISSUED + timedelta(microseconds=999_999)), SEED) == CODE


def test_a_code_of_another_issue_is_another_code() -> None:
    ids = {
        make().code_id,
        make(issued_at=ISSUED + timedelta(seconds=1)).code_id,
        make(return_id=f"ret_{'7' * 26}{'N' * 26}").code_id,
    }
    assert len(ids) == 3


def test_a_line_that_is_named_twice_is_one_line() -> None:
    assert make(("1", 2), ("2", 1), ("1", 3)).lines == tuple(lines_of(("1", 5), ("2", 1)))


def test_a_code_covers_its_lines_in_any_order_and_no_others() -> None:
    code = make(("1", 2), ("2", 1))
    assert code.covers(lines_of(("2", 1), ("1", 1), ("1", 1)))
    for other in ([("1", 2)], [("1", 1), ("2", 1)], [("1", 2), ("2", 1), ("3", 1)]):
        assert not code.covers(lines_of(*other))


def test_many_lines_become_a_digest_that_still_covers_them() -> None:
    listed = [(f"gid-{number:012}", number + 1) for number in range(100)]
    code = make(*listed)
    assert (code.lines, len(code.lines_digest or "")) == ((), 22)
    assert verify(issue(code, SEED), KEYS, ISSUED) == code
    assert code.covers(lines_of(*reversed(listed)))
    assert not code.covers(lines_of(*listed[:-1]))
    assert not code.covers(lines_of(*listed[:-1], ("gid-000000000099", 99)))


def test_the_digest_is_the_one_that_is_documented() -> None:
    code = make(*[(f"line {number}", 1) for number in range(100)])
    listed = sorted([f"line {number}", 1] for number in range(100))
    text = json.dumps(listed, separators=(",", ":")).encode()
    assert code.lines_digest == encoded(hashlib.sha256(text).digest()[:16])


# --- what is refused ------------------------------------------------------------------------------


def test_no_character_can_be_changed_or_left_out() -> None:
    for position, character in enumerate(CODE):
        others = {"A", "B", "-", "_", ".", "=", " ", "é", chr(ord(character) ^ 1), ""}
        for other in others - {character}:
            with pytest.raises(CodeInvalid):
                verify(CODE[:position] + other + CODE[position + 1 :], KEYS, ISSUED)


def test_no_part_can_be_taken_from_another_code() -> None:
    another = issue(make(("1", 9)), SEED).split(".")
    for part in (1, 2):
        parts = CODE.split(".")
        parts[part] = another[part]
        with pytest.raises(CodeInvalid):
            verify(".".join(parts), KEYS, ISSUED)


@pytest.mark.parametrize(
    "header",
    [
        {"alg": "none"},
        {"alg": "none", "kid": header_of(CODE)["kid"]},
        {"alg": "HS256", "kid": header_of(CODE)["kid"]},
        {"alg": "Ed25519", "kid": header_of(CODE)["kid"]},
        {"alg": "eddsa", "kid": header_of(CODE)["kid"]},
        {"alg": "EdDSA"},
        {"alg": "EdDSA", "kid": "unknown1"},
        {"kid": header_of(CODE)["kid"], "alg": "EdDSA"},
        {"alg": "EdDSA", "kid": header_of(CODE)["kid"], "crit": ["b64"], "b64": False},
        {"alg": "EdDSA", "kid": header_of(CODE)["kid"], "jwk": {"kty": "OKP", "crv": "Ed25519"}},
    ],
    ids=json.dumps,
)
def test_only_our_own_header_is_accepted_even_when_we_signed_another(
    header: dict[str, Any],
) -> None:
    text = signed(header, claims_of(CODE))
    for attempt in (text, f"{text.rpartition('.')[0]}."):
        with pytest.raises(CodeInvalid):
            verify(attempt, KEYS, ISSUED)


def test_a_public_key_is_no_shared_secret() -> None:
    """The classic confusion: HMAC with what everybody knows."""
    key_id, key = next(iter(KEYS.items()))
    message = f"{encoded(json.dumps({'alg': 'HS256', 'kid': key_id}).encode())}.{encoded(b'{}')}"
    forged = f"{message}.{encoded(hmac.digest(key, message.encode(), 'sha256'))}"
    with pytest.raises(CodeInvalid):
        verify(forged, KEYS, ISSUED)


def test_another_key_signs_nothing_of_ours() -> None:
    with pytest.raises(CodeInvalid):
        verify(issue(make(), OTHER_SEED), KEYS, ISSUED)
    posing = signed(header_of(CODE), claims_of(CODE), OTHER_SEED)
    with pytest.raises(CodeInvalid):
        verify(posing, KEYS, ISSUED)
    with pytest.raises(CodeInvalid):
        verify(CODE, {}, ISSUED)


@pytest.mark.parametrize(
    "claims",
    [
        b"",
        b"null",
        b"{}",
        b"\xff",
        b"[]",
        claims_of(CODE)[:-1],
        claims_of(CODE).replace(b'"ret"', b'"RET"'),
        claims_of(CODE).replace(b'"1",2', b'"1",0'),
        claims_of(CODE).replace(b'"1",2', b'"1",-2'),
        claims_of(CODE).replace(b'"exp":', b'"exp":9999999'),
    ],
)
def test_what_we_signed_is_still_read_with_care(claims: bytes) -> None:
    with pytest.raises(CodeInvalid):
        verify(signed(header_of(CODE), claims), KEYS, ISSUED)


@pytest.mark.parametrize(
    "text",
    ["", ".", "..", "...", "a.b.c", CODE + ".", f" {CODE}", f"{CODE}\n", f"{CODE}=", CODE * 9],
)
def test_anything_else_is_not_a_code(text: str) -> None:
    with pytest.raises(CodeInvalid) as refused:
        verify(text, KEYS, ISSUED)
    assert (refused.value.status, refused.value.code) == (422, "CODE_INVALID")


def test_a_code_ends_on_the_second() -> None:
    verify(CODE, KEYS, EXPIRES - timedelta(microseconds=1))
    with pytest.raises(CodeExpired) as refused:
        verify(CODE, KEYS, EXPIRES)
    assert (refused.value.status, refused.value.code) == (409, "CODE_EXPIRED")
    assert refused.value.extra == {"expired_at": "2026-12-02T09:30:15.000000Z", "return_id": RETURN}


def test_an_altered_code_is_not_told_to_be_expired() -> None:
    with pytest.raises(CodeInvalid):
        verify(CODE[:-1] + ("A" if CODE[-1] != "A" else "Q"), KEYS, EXPIRES)


def test_a_late_report_is_judged_by_the_use_up_to_seven_days_back() -> None:
    now = EXPIRES + timedelta(days=3)
    assert judged_at(None, now) == now
    assert judged_at(now - timedelta(days=4), now) == now - timedelta(days=4)
    assert judged_at(now - timedelta(days=40), now) == now - MAX_DELAY
    assert judged_at(now + timedelta(minutes=2), now) == now
    used = EXPIRES - timedelta(hours=1)
    assert verify(CODE, KEYS, judged_at(used, used + MAX_DELAY)) == make()
    with pytest.raises(CodeExpired):
        verify(CODE, KEYS, judged_at(used, used + MAX_DELAY + timedelta(hours=1)))


# --- keys -----------------------------------------------------------------------------------------


def test_the_first_key_signs_and_all_verify() -> None:
    turned = public_keys([OTHER_SEED, SEED])
    assert verify(CODE, turned, ISSUED) == verify(issue(make(), OTHER_SEED), turned, ISSUED)
    with pytest.raises(CodeInvalid):
        verify(CODE, public_keys([OTHER_SEED]), ISSUED)


def test_keys_are_published_as_a_jwks() -> None:
    assert key_set([decoded(RFC_SEED)]).model_dump(mode="json") == {
        "keys": [
            {
                "kty": "OKP",
                "crv": "Ed25519",
                "alg": "EdDSA",
                "use": "sig",
                "kid": RFC_THUMBPRINT[:8],
                "x": RFC_KEY,
            }
        ]
    }
    assert [key.kid for key in key_set([OTHER_SEED, SEED]).keys] == [
        *public_keys([OTHER_SEED]),
        *public_keys([SEED]),
    ]


def test_a_published_signature_is_made_and_verified() -> None:
    seed, key, signature = map(decoded, (RFC_SEED, RFC_KEY, RFC_SIGNATURE))
    assert signature_of(RFC_MESSAGE, seed) == signature
    assert is_signed(RFC_MESSAGE, signature, key)
    assert not is_signed(RFC_MESSAGE + b".", signature, key)
    assert not is_signed(RFC_MESSAGE, signature[:-1], key)


def test_a_seed_tells_nothing_of_the_secret_and_depends_on_all_of_it() -> None:
    assert len(SEED) == 32
    assert seed_of("one") != seed_of("one ")


# --- properties -----------------------------------------------------------------------------------

references = st.text(
    st.characters(exclude_categories=("Cs", "Cc"), exclude_characters="\x7f"),
    min_size=1,
    max_size=128,
)
many_lines = st.lists(st.tuples(references, st.integers(1, 100)), min_size=1, max_size=12)
instants = st.datetimes(datetime(2020, 1, 1), datetime(2099, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001
long_codes = st.builds(
    lambda lines, policy, issued_at, days: make(
        *lines, policy=policy, issued_at=issued_at, expires_at=issued_at + timedelta(days=days)
    ),
    many_lines,
    references,
    instants,
    st.integers(1, 365),
)


@given(long_codes)
def test_every_code_survives_the_way_there_and_back(code: ReturnCode) -> None:
    text = issue(code, SEED)
    assert verify(text, KEYS, code.issued_at) == code
    assert (code.lines == ()) == (code.lines_digest is not None)
    assert segno.make_qr(text, error="m").error in "MQH"


@given(long_codes, st.data())
def test_no_single_change_of_any_code_is_accepted(code: ReturnCode, data: st.DataObject) -> None:
    text = issue(code, SEED)
    position = data.draw(st.integers(0, len(text) - 1))
    other = data.draw(st.characters().filter(lambda one: one != text[position]))
    with pytest.raises(CodeInvalid):
        verify(text[:position] + other + text[position + 1 :], KEYS, code.issued_at)


@given(st.text(max_size=300))
def test_nothing_but_a_refusal_comes_of_any_text(text: str) -> None:
    with pytest.raises(CodeInvalid):
        verify(text, KEYS, ISSUED)


# --- the picture ----------------------------------------------------------------------------------


def modules_of(svg: str) -> list[list[int]]:
    """The dark and light squares that a picture shows, margin included."""
    root = ET.fromstring(svg)  # noqa: S314
    size = int(root.attrib["viewBox"].split()[2])
    background, dark = (path for path in root.iter() if path.tag == "path")
    assert background.attrib == {"fill": "#fff", "d": f"M0 0h{size}v{size}h-{size}z"}
    assert dark.attrib["stroke"] == "#000"
    shown = [[0] * size for _ in range(size)]
    x, y = 0, 0
    steps = re.findall(r"([Mmh])(-?[\d.]+)(?: (-?[\d.]+))?", dark.attrib["d"])
    for command, across, down in steps:
        if command == "h":
            for column in range(x, x + int(across)):
                shown[y][column] = 1
            x += int(across)
        elif command == "M":
            x, y = int(across), int(float(down))
        else:
            x, y = x + int(across), y + int(down)
    return shown


def test_the_picture_shows_the_code_with_its_margin() -> None:
    shown = modules_of(qr_svg(CODE))
    symbol = segno.make_qr(CODE, error="m")
    assert shown == [list(row) for row in symbol.matrix_iter(border=4)]
    assert sum(map(sum, shown)) > 1_000


@pytest.mark.parametrize(
    ("lines", "version", "are_listed"),
    [(1, 16, True), (3, 17, True), (8, 20, True), (9, 16, False)],
)
def test_a_code_stays_small_enough_to_be_scanned(
    lines: int, version: int, are_listed: bool
) -> None:
    """With line ids of 16 characters: the version says how many squares a side has (4 v + 17)."""
    code = make(*[(f"14212345678901{number:02}", 1) for number in range(lines)])
    symbol = segno.make_qr(issue(code, SEED), error="m")
    assert (symbol.version, bool(code.lines)) == (version, are_listed)


# --- what the till page promises ------------------------------------------------------------------


def example() -> Any:
    """The page's example, as its reader would run it."""
    found = re.search(r"```python\n(.*?)```", TILL_PAGE.read_text(), re.DOTALL)
    assert found
    namespace: dict[str, Any] = {}
    exec(compile(found[1], TILL_PAGE.name, "exec"), namespace)  # noqa: S102
    return namespace["claims_of"]


def test_the_example_for_tills_reads_our_codes() -> None:
    claims = example()(
        CODE, key_set([OTHER_SEED, SEED]).model_dump(mode="json"), ISSUED.timestamp()
    )
    assert claims == json.loads(claims_of(CODE))


@pytest.mark.parametrize(
    ("text", "at"),
    [
        (CODE, EXPIRES),
        (CODE[:60] + ("A" if CODE[60] != "A" else "B") + CODE[61:], ISSUED),
        (issue(make(), OTHER_SEED), ISSUED),
        (signed({"alg": "none", "kid": header_of(CODE)["kid"]}, claims_of(CODE)), ISSUED),
        ("https://example.com/a.b.c", ISSUED),
        ("4006381333931", ISSUED),
    ],
    ids=["expired", "altered", "other key", "no algorithm", "address", "other barcode"],
)
def test_the_example_for_tills_refuses_what_is_to_be_refused(text: str, at: datetime) -> None:
    keys = key_set([SEED]).model_dump(mode="json")
    assert example()(text, keys, at.timestamp()) is None
