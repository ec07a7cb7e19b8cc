"""The local issuer of tokens, in place of Cognito: one key in the data folder, what it signs."""

from __future__ import annotations

import json
import os
import secrets
import time
from pathlib import Path
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric.ec import (
    SECP256R1,
    EllipticCurvePrivateKey,
    generate_private_key,
)
from jwt.algorithms import ECAlgorithm

ISSUER = "https://issuer.tandem.localhost"
AUDIENCE = "tandem"

_LIFETIME_SECONDS = 12 * 3600


class Issuer:
    """Reads its key from the data folder, or makes it."""

    def __init__(self, data: Path) -> None:
        document = json.loads(_read_or_make(data / "issuer.json"))
        self._key_id: str = document["kid"]
        key = ECAlgorithm.from_jwk(document)
        assert isinstance(key, EllipticCurvePrivateKey)  # noqa: S101  it was written as one
        self._key = key

    def jwks(self) -> bytes:
        """Return the public key as a JSON Web Key Set (RFC 7517)."""
        public = ECAlgorithm.to_jwk(self._key.public_key(), as_dict=True)
        keys = [{**public, "kid": self._key_id, "use": "sig", "alg": "ES256"}]
        return json.dumps({"keys": keys}).encode()

    def token(self, role: str, subject: str, scope: str, now: float | None = None) -> str:
        """Sign a token. A terminal's subject is `store/terminal`, and the claims name both."""
        issued_at = int(time.time() if now is None else now)
        claims: dict[str, Any] = {
            "iss": ISSUER,
            "aud": AUDIENCE,
            "sub": subject,
            "role": role,
            "scope": scope,
            "iat": issued_at,
            "exp": issued_at + _LIFETIME_SECONDS,
        }
        if role == "terminal":
            claims["store_id"], _, claims["terminal_id"] = subject.partition("/")
        return jwt.encode(claims, self._key, algorithm="ES256", headers={"kid": self._key_id})


def _read_or_make(path: Path) -> str:
    """Of several who make it at once one wins, and all read the winner's."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        private = ECAlgorithm.to_jwk(generate_private_key(SECP256R1()), as_dict=True)
        mine = path.with_name(f"{path.name}.{secrets.token_hex(4)}")
        mine.touch(mode=0o600)
        mine.write_text(json.dumps({**private, "kid": f"local-{secrets.token_hex(4)}"}))
        try:
            os.link(mine, path)
        except FileExistsError:
            pass
        finally:
            mine.unlink()
    return path.read_text()
