"""API Gateway's TOKEN authorizer: a bearer token in, a policy and the caller's claims out.

The policy covers the whole stage of the API, because API Gateway keeps it per token and asks again
only minutes later. What a caller may do is decided by the service, from the claims.
"""

from __future__ import annotations

import os
from functools import lru_cache
from typing import Any

import jwt
from chalice.app import Blueprint

from tandem_authorizer import cognito
from tandem_authorizer.keys import Keys

functions = Blueprint(__name__)

# API Gateway answers 401 to this very word, and 500 to any other error.
_UNAUTHORIZED = "Unauthorized"
# `exp` goes along: API Gateway keeps this answer longer than the token may live.
_CLAIMS = ("role", "scope", "store_id", "terminal_id", "exp")


@functions.lambda_function(name="authorize")
def authorize(event: dict[str, Any], _context: Any) -> dict[str, Any]:
    """Verify the token of the request. Raises Exception("Unauthorized") when it does not hold."""
    try:
        claims = verify(event.get("authorizationToken") or "")
    except jwt.InvalidTokenError as refused:
        print(f"token refused: {refused}")
        raise Exception(_UNAUTHORIZED) from None  # noqa: TRY002
    api_stage = "/".join(event["methodArn"].split("/")[:2])
    return {
        "principalId": claims["sub"],
        "policyDocument": {
            "Version": "2012-10-17",
            "Statement": [
                {
                    "Action": "execute-api:Invoke",
                    "Effect": "Allow",
                    "Resource": f"{api_stage}/*",
                }
            ],
        },
        "context": {"sub": claims["sub"]}
        | {name: str(claims[name]) for name in _CLAIMS if claims.get(name)},
    }


def verify(authorization: str) -> dict[str, Any]:
    """Return the claims of `Bearer <token>`. Raises jwt.InvalidTokenError."""
    scheme, _, token = authorization.partition(" ")
    if scheme.lower() != "bearer" or not token:
        raise jwt.InvalidTokenError("not a bearer token")
    key_id = jwt.get_unverified_header(token).get("kid")
    if not isinstance(key_id, str):
        raise jwt.InvalidTokenError("the token names no key")
    key = _keys(os.environ["TANDEM_JWKS_URL"]).find(key_id)
    apps = _apps()
    claims: dict[str, Any] = jwt.decode(
        token,
        key=key,
        # The key's own algorithm, never the one that the token asks for.
        algorithms=[key.algorithm_name],
        # An access token of Cognito names its client in place of an audience.
        audience=None if apps else os.environ["TANDEM_AUDIENCE"],
        issuer=os.environ["TANDEM_ISSUER"],
        options={
            "require": ["exp", "iat", "iss", "sub", "client_id" if apps else "aud"],
            "verify_aud": apps is None,
        },
    )
    if apps:
        return cognito.claims_of(claims, apps)
    if not isinstance(claims.get("role"), str):
        raise jwt.InvalidTokenError("the token names no role")
    return claims


def _apps() -> cognito.Apps | None:
    """Return the apps of the stage's own user pool; None when tokens come from another issuer."""
    customers, staff = os.environ.get("TANDEM_CUSTOMER_APP"), os.environ.get("TANDEM_STAFF_APP")
    return cognito.Apps(customers, staff) if customers and staff else None


@lru_cache(maxsize=1)
def _keys(url: str) -> Keys:
    return Keys(url)
