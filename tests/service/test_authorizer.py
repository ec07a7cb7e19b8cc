"""The authorizer: a token that holds becomes a policy and claims, any other is "Unauthorized"."""

from __future__ import annotations

import http.server
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jwt
import pytest
from chalice.test import Client
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from tandem_authorizer import handler
from tandem_authorizer.main import app
from tandem_local.issuer import AUDIENCE, ISSUER, Issuer

METHOD = "arn:aws:execute-api:eu-central-1:000000000000:abc123/api/GET/v1/accounts/acc_1"


class KeySet:
    """Publishes the keys of an issuer, and counts how often they are asked for."""

    def __init__(self, document: bytes) -> None:
        self.document = document
        self.reads = 0
        outer = self

        class Answer(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                outer.reads += 1
                self.send_response(200)
                self.send_header("Content-Length", str(len(outer.document)))
                self.end_headers()
                self.wfile.write(outer.document)

            def log_message(self, *_: Any) -> None:
                pass

        self.server = http.server.HTTPServer(("127.0.0.1", 0), Answer)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/keys"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def issuer(tmp_path: Path) -> Issuer:
    return Issuer(tmp_path)


@pytest.fixture
def keys(issuer: Issuer, monkeypatch: pytest.MonkeyPatch) -> Iterator[KeySet]:
    published = KeySet(issuer.jwks())
    monkeypatch.setenv("TANDEM_JWKS_URL", published.url)
    monkeypatch.setenv("TANDEM_ISSUER", ISSUER)
    monkeypatch.setenv("TANDEM_AUDIENCE", AUDIENCE)
    yield published
    published.close()


def authorize(authorization: str) -> Any:
    event = {"type": "TOKEN", "authorizationToken": authorization, "methodArn": METHOD}
    with Client(app) as client:
        return client.lambda_.invoke("authorize", event).payload


def refused(authorization: str) -> bool:
    with pytest.raises(Exception, match="^Unauthorized$"):
        authorize(authorization)
    return True


@pytest.mark.usefixtures("keys")
def test_a_token_that_holds_allows_the_whole_stage_and_tells_who_calls(issuer: Issuer) -> None:
    token = issuer.token("terminal", "store_12/till_3", "loyalty:accounts.read")
    answer = authorize(f"Bearer {token}")
    assert answer["principalId"] == "store_12/till_3"
    assert int(answer["context"].pop("exp")) > 0
    assert answer["context"] == {
        "sub": "store_12/till_3",
        "role": "terminal",
        "scope": "loyalty:accounts.read",
        "store_id": "store_12",
        "terminal_id": "till_3",
    }
    (statement,) = answer["policyDocument"]["Statement"]
    assert statement == {
        "Action": "execute-api:Invoke",
        "Effect": "Allow",
        "Resource": "arn:aws:execute-api:eu-central-1:000000000000:abc123/api/*",
    }


@pytest.mark.usefixtures("keys")
def test_what_is_no_token_is_refused() -> None:
    for sent in ("", "Bearer", "Bearer ", "Basic YTpi", "Bearer x.y.z", "bearer a"):
        assert refused(sent)


@pytest.mark.usefixtures("keys")
def test_an_expired_token_is_refused(issuer: Issuer) -> None:
    assert refused(f"Bearer {issuer.token('staff', 'amy', '', now=time.time() - 13 * 3600)}")


def test_a_token_of_another_issuer_or_audience_is_refused(
    issuer: Issuer, keys: KeySet, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = issuer.token("staff", "amy", "")
    assert keys.url
    with monkeypatch.context() as elsewhere:
        elsewhere.setenv("TANDEM_ISSUER", "https://elsewhere.example")
        assert refused(f"Bearer {token}")
    with monkeypatch.context() as elsewhere:
        elsewhere.setenv("TANDEM_AUDIENCE", "another")
        assert refused(f"Bearer {token}")


@pytest.mark.usefixtures("keys")
def test_a_forged_token_is_refused(issuer: Issuer) -> None:
    token = issuer.token("customer", "cus_1", "")
    key_id = jwt.get_unverified_header(token)["kid"]
    claims = jwt.decode(token, options={"verify_signature": False}) | {"role": "admin"}
    stranger = ec.generate_private_key(ec.SECP256R1())
    big = rsa.generate_private_key(65537, 2048)
    assert refused("Bearer " + jwt.encode(claims, stranger, "ES256", {"kid": key_id}))
    assert refused("Bearer " + jwt.encode(claims, big, "RS256", {"kid": key_id}))
    assert refused("Bearer " + jwt.encode(claims, "k" * 32, "HS256", {"kid": key_id}))
    assert refused("Bearer " + jwt.encode(claims, "", "none", {"kid": key_id}))
    assert refused("Bearer " + jwt.encode(claims, stranger, "ES256"))


@pytest.mark.usefixtures("keys")
def test_a_token_without_an_end_or_a_role_is_refused(issuer: Issuer) -> None:
    token = issuer.token("staff", "amy", "")
    key_id = jwt.get_unverified_header(token)["kid"]
    claims = jwt.decode(token, options={"verify_signature": False})
    for missing in ("exp", "iat", "iss", "aud", "sub", "role"):
        partial = {name: value for name, value in claims.items() if name != missing}
        signed = jwt.encode(partial, issuer._key, "ES256", {"kid": key_id})  # noqa: SLF001
        assert refused(f"Bearer {signed}")


def of_cognito(issuer: Issuer, **claims: Any) -> str:
    """Return an access token as the stage's own user pool writes it, with these claims besides."""
    token = issuer.token("admin", "ann", "")
    payload = jwt.decode(token, options={"verify_signature": False})
    payload = {name: payload[name] for name in ("iss", "sub", "iat", "exp")} | {
        "client_id": "staffapp",
        "token_use": "access",
        "scope": "openid tandem/loyalty:accounts.read",
        "username": "ann",
        "cognito:groups": ["staff"],
    }
    held = {name: value for name, value in (payload | claims).items() if value is not None}
    key_id = jwt.get_unverified_header(token)["kid"]
    return "Bearer " + jwt.encode(held, issuer._key, "ES256", {"kid": key_id})  # noqa: SLF001


@pytest.fixture
def own_pool(keys: KeySet, monkeypatch: pytest.MonkeyPatch) -> None:
    assert keys.url
    monkeypatch.setenv("TANDEM_CUSTOMER_APP", "customersapp")
    monkeypatch.setenv("TANDEM_STAFF_APP", "staffapp")


@pytest.mark.usefixtures("own_pool")
def test_an_access_token_of_the_stages_own_pool_is_read_as_cognito_writes_it(
    issuer: Issuer,
) -> None:
    context = authorize(of_cognito(issuer))["context"]
    assert int(context.pop("exp")) > 0
    assert context == {"sub": "ann", "role": "staff", "scope": "loyalty:accounts.read"}


@pytest.mark.usefixtures("own_pool")
def test_of_the_own_pool_only_access_tokens_of_known_clients_are_taken(
    issuer: Issuer, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert refused(of_cognito(issuer, token_use="id", aud="staffapp"))
    assert refused(of_cognito(issuer, token_use=None))
    assert refused(of_cognito(issuer, client_id=None))
    assert refused(of_cognito(issuer, client_id="another"))
    assert refused(of_cognito(issuer, iss="https://elsewhere.example"))
    assert refused(of_cognito(issuer, exp=int(time.time()) - 1))
    assert refused(of_cognito(issuer, **{"cognito:groups": None}))
    # What another issuer would be believed: a role of its own and our audience.
    assert refused(f"Bearer {issuer.token('admin', 'ann', '')}")
    assert authorize(of_cognito(issuer, role="admin", aud=AUDIENCE))["context"]["role"] == "staff"
    with monkeypatch.context() as half:
        half.delenv("TANDEM_CUSTOMER_APP")
        assert refused(of_cognito(issuer)), "half a pool is none: an audience is needed again"


@pytest.mark.usefixtures("keys")
def test_another_issuer_is_not_believed_what_a_pool_of_ours_would_be(issuer: Issuer) -> None:
    assert refused(of_cognito(issuer))
    assert refused(of_cognito(issuer, aud=AUDIENCE))


def test_keys_are_read_once_and_guessing_key_ids_does_not_read_them_again(
    issuer: Issuer, keys: KeySet
) -> None:
    token = issuer.token("staff", "amy", "")
    for _ in range(3):
        authorize(f"Bearer {token}")
    stranger = ec.generate_private_key(ec.SECP256R1())
    for guess in ("one", "two", "three"):
        assert refused("Bearer " + jwt.encode({"sub": "x"}, stranger, "ES256", {"kid": guess}))
    assert keys.reads == 1


def test_without_the_issuers_keys_it_is_not_the_caller_who_is_wrong(
    issuer: Issuer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TANDEM_JWKS_URL", "http://127.0.0.1:9/keys")
    with pytest.raises(Exception, match="no keys at"):
        handler.verify(f"Bearer {issuer.token('staff', 'amy', '')}")
