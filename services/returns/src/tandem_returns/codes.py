"""Return codes: what a customer shows at the counter, and a till verifies without network.

A code is a compact JWS (RFC 7515) signed with Ed25519 (RFC 8037), drawn as a QR code. It names the
return, its lines, the pinned policy and when it ends. Docs: docs/till.md, and for the why
docs/decisions/0015-return-codes.md.

    {"alg":"EdDSA","kid":KEY} . claims . signature

    jti  the code's id, by which a second use is known     ret  the return      ord  its order
    lin  [[line_id, quantity], ...], or dig, their digest  pol  the policy      iat, exp  seconds

Everything is derived from its arguments: issued again, a code is the same text. Knows no store: who
keeps which codes were used is the use case. What signs and draws is imported when it is needed; a
till's other requests do without.
"""

from __future__ import annotations

import hashlib
import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, ValidationError

from tandem_core.clock import Instant, rfc3339
from tandem_core.ids import derived_id
from tandem_core.problems import Conflict, Unprocessable
from tandem_core.values import Quantity, Reference, Strict
from tandem_returns.purchases import LineQuantity, units_by_line

# How late a till may report a use, and have the code judged by the moment of the use.
MAX_DELAY = timedelta(days=7)

# Claims up to here fit a QR code of version 20 (97 modules a side) with error correction M, which
# a camera reads off a phone or from 4 cm of paper. Longer lists of lines become a digest.
_MAX_CLAIM_BYTES = 400
# Far above the longest code that is issued; what is longer is not looked at.
_MAX_CODE_CHARACTERS = 2_048
_DIGEST_BYTES = 16
_KEY_ID_CHARACTERS = 8
_LAST_SECOND = 253_402_300_799  # of the year 9999


class CodeInvalid(Unprocessable):
    code, title = "CODE_INVALID", "This is not a return code, or it was altered"
    field = "code"


class CodeExpired(Conflict):
    code, title = "CODE_EXPIRED", "The return code has expired"


class CodeAlreadyUsed(Conflict):
    code, title = "CODE_ALREADY_USED", "The return code was used before"


def _to_second(value: datetime) -> datetime:
    return value.replace(microsecond=0)


Second = Annotated[Instant, AfterValidator(_to_second)]


class ReturnCode(Strict):
    """What a code says. Either `lines` or, where they are too many for a QR code, their digest."""

    code_id: str
    return_id: str
    order_id: str
    lines: tuple[LineQuantity, ...] = ()
    lines_digest: str | None = None
    policy: str
    issued_at: Second
    expires_at: Second

    def covers(self, lines: Iterable[LineQuantity]) -> bool:
        """Whether it was issued for exactly these lines, in any order."""
        return _digest(lines) == (self.lines_digest or _digest(self.lines))


class _Claims(Strict):
    jti: str
    ret: str
    ord: str
    lin: tuple[tuple[Reference, Quantity], ...] = ()
    dig: str | None = None
    pol: str
    iat: Annotated[int, Field(ge=0, le=_LAST_SECOND)]
    exp: Annotated[int, Field(ge=0, le=_LAST_SECOND)]


class PublicKey(Strict):
    """A key that signs codes, as a JWK (RFC 8037)."""

    kty: Literal["OKP"] = "OKP"
    crv: Literal["Ed25519"] = "Ed25519"
    alg: Literal["EdDSA"] = "EdDSA"
    use: Literal["sig"] = "sig"
    kid: str
    x: str


class KeySet(Strict):
    """The keys that tills verify codes with, as a JWKS (RFC 7517). The first one signs."""

    keys: tuple[PublicKey, ...]


# --- codes ----------------------------------------------------------------------------------------


def return_code(
    *,
    return_id: str,
    order_id: str,
    lines: Iterable[LineQuantity],
    policy: str,
    issued_at: datetime,
    expires_at: datetime,
) -> ReturnCode:
    """Return the code of a return. Its id is that of this issue: one return issued at one time."""
    units = units_by_line(lines)
    code = ReturnCode(
        code_id=derived_id("cod", return_id, rfc3339(_to_second(issued_at))),
        return_id=return_id,
        order_id=order_id,
        lines=tuple(LineQuantity(line_id=line, quantity=count) for line, count in units.items()),
        policy=policy,
        issued_at=issued_at,
        expires_at=expires_at,
    )
    if len(_claims(code)) <= _MAX_CLAIM_BYTES:
        return code
    return code.model_copy(update={"lines": (), "lines_digest": _digest(code.lines)})


def issue(code: ReturnCode, seed: bytes) -> str:
    """Return the text of a code, signed with the key of a seed."""
    message = f"{_header(_key_id(_public_key(seed)))}.{_encoded(_claims(code))}"
    return f"{message}.{_encoded(signature_of(message.encode(), seed))}"


def verify(text: str, public_keys: Mapping[str, bytes], at: datetime) -> ReturnCode:
    """Return what a code says, as of a moment. Raises CodeInvalid and CodeExpired.

    The header is compared with those that we write, so nothing in it is believed or even read
    before the signature is verified: no other algorithm, no key that the code brings along.
    """
    header, claims, signature = _parts(text)
    public_key = {_header(key_id): key for key_id, key in public_keys.items()}.get(header)
    if public_key is None:
        raise CodeInvalid("The code is not signed with one of our keys")
    if not is_signed(f"{header}.{claims}".encode(), _decoded(signature), public_key):
        raise CodeInvalid("The signature is not that of this code")
    code = _read(_decoded(claims))
    if at >= code.expires_at:
        ended = rfc3339(code.expires_at)
        raise CodeExpired(f"It ended at {ended}", expired_at=ended, return_id=code.return_id)
    return code


def judged_at(occurred_at: datetime | None, now: datetime) -> datetime:
    """Return the moment by which a code is judged: that of its use, if it is reported in time."""
    return now if occurred_at is None else min(max(occurred_at, now - MAX_DELAY), now)


def qr_svg(text: str) -> str:
    """Draw a code: an SVG element without a size of its own, black on white with its margin."""
    import segno

    # A better error correction is taken where it costs no larger code.
    drawn = segno.make_qr(text, error="m")
    return drawn.svg_inline(dark="#000", light="#fff", omitsize=True)


def _parts(text: str) -> tuple[str, str, str]:
    match text.split("."):
        case header, claims, signature if len(text) <= _MAX_CODE_CHARACTERS:
            return header, claims, signature
    raise CodeInvalid("A return code has three parts that are joined by dots")


def _claims(code: ReturnCode) -> bytes:
    claims = _Claims(
        jti=code.code_id,
        ret=code.return_id,
        ord=code.order_id,
        lin=tuple((line.line_id, line.quantity) for line in code.lines),
        dig=code.lines_digest,
        pol=code.policy,
        iat=int(code.issued_at.timestamp()),
        exp=int(code.expires_at.timestamp()),
    )
    return claims.model_dump_json(exclude_defaults=True).encode()


def _read(claims: bytes) -> ReturnCode:
    try:
        read = _Claims.model_validate_json(claims)
    except ValidationError:
        raise CodeInvalid("The signed text is not a return code") from None
    return ReturnCode(
        code_id=read.jti,
        return_id=read.ret,
        order_id=read.ord,
        lines=tuple(LineQuantity(line_id=line, quantity=units) for line, units in read.lin),
        lines_digest=read.dig,
        policy=read.pol,
        issued_at=datetime.fromtimestamp(read.iat, UTC),
        expires_at=datetime.fromtimestamp(read.exp, UTC),
    )


def _digest(lines: Iterable[LineQuantity]) -> str:
    listed = [[line_id, units] for line_id, units in sorted(units_by_line(lines).items())]
    text = json.dumps(listed, separators=(",", ":"), ensure_ascii=False)
    return _encoded(hashlib.sha256(text.encode()).digest()[:_DIGEST_BYTES])


# --- keys -----------------------------------------------------------------------------------------


def seed_of(secret: str) -> bytes:
    """Return the seed of the key that a secret stands for: a text of at least 32 random letters."""
    return hashlib.sha256(f"return-codes:{secret}".encode()).digest()


def public_keys(seeds: Sequence[bytes]) -> dict[str, bytes]:
    """Return the keys that verify, by key id."""
    keys = [_public_key(seed) for seed in seeds]
    return {_key_id(key): key for key in keys}


def key_set(seeds: Sequence[bytes]) -> KeySet:
    """Return the keys as they are published."""
    found = public_keys(seeds).items()
    return KeySet(keys=tuple(PublicKey(kid=key_id, x=_encoded(key)) for key_id, key in found))


def signature_of(message: bytes, seed: bytes) -> bytes:
    """Return the Ed25519 signature (RFC 8032) of a message: 64 bytes."""
    from nacl.signing import SigningKey

    return SigningKey(seed).sign(message).signature


def is_signed(message: bytes, signature: bytes, public_key: bytes) -> bool:
    """Whether the holder of a key has signed a message."""
    from nacl.exceptions import BadSignatureError
    from nacl.signing import VerifyKey

    try:
        VerifyKey(public_key).verify(message, signature)
    except (BadSignatureError, ValueError):  # not the signature; not the length of one
        return False
    return True


def _public_key(seed: bytes) -> bytes:
    from nacl.signing import SigningKey

    return bytes(SigningKey(seed).verify_key)


def _key_id(public_key: bytes) -> str:
    """Return the beginning of a key's thumbprint (RFC 7638)."""
    members = f'{{"crv":"Ed25519","kty":"OKP","x":"{_encoded(public_key)}"}}'
    return _encoded(hashlib.sha256(members.encode()).digest())[:_KEY_ID_CHARACTERS]


def _header(key_id: str) -> str:
    return _encoded(f'{{"alg":"EdDSA","kid":"{key_id}"}}'.encode())


def _encoded(raw: bytes) -> str:
    """Return base64url without padding, as JWS has it."""
    return urlsafe_b64encode(raw).rstrip(b"=").decode()


def _decoded(text: str) -> bytes:
    """Read base64url. Raises CodeInvalid for any other spelling of the same bytes."""
    try:
        raw = urlsafe_b64decode(text.encode("ascii") + b"=" * (-len(text) % 4))
    except ValueError:
        raise CodeInvalid("The code is damaged") from None
    if _encoded(raw) != text:
        raise CodeInvalid("The code is damaged")
    return raw
