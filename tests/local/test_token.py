"""`python -m tandem_local token`: one token and nothing else, with a key that stays."""

from __future__ import annotations

import json
import stat
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import jwt

from tandem_core.auth import ROLE_SCOPES, Role
from tandem_local.issuer import AUDIENCE, ISSUER, Issuer


def run(data: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "tandem_local", "token", "--data", str(data), *arguments],
        capture_output=True,
        text=True,
        check=False,
    )


def verified(data: Path, token: str) -> Any:
    keys = jwt.PyJWKSet.from_dict(json.loads(Issuer(data).jwks()))
    key = keys[jwt.get_unverified_header(token)["kid"]]
    return jwt.decode(token, key, algorithms=["ES256"], audience=AUDIENCE, issuer=ISSUER)


def test_it_prints_one_token_and_nothing_else(tmp_path: Path) -> None:
    done = run(tmp_path, "--role", "terminal", "--subject", "store_12/till_3")
    assert (done.returncode, done.stderr) == (0, "")
    claims = verified(tmp_path, done.stdout.removesuffix("\n"))
    assert claims["sub"] == "store_12/till_3"
    assert (claims["store_id"], claims["terminal_id"]) == ("store_12", "till_3")
    assert set(claims["scope"].split()) == set(ROLE_SCOPES[Role.TERMINAL])
    assert claims["exp"] - claims["iat"] == 12 * 3600


def test_a_scope_can_be_narrowed(tmp_path: Path) -> None:
    done = run(tmp_path, "--role", "staff", "--subject", "amy", "--scope", "loyalty:accounts.read")
    claims = verified(tmp_path, done.stdout.strip())
    assert (claims["role"], claims["scope"]) == ("staff", "loyalty:accounts.read")
    assert "store_id" not in claims


def test_an_unknown_role_is_refused_and_the_known_ones_are_named(tmp_path: Path) -> None:
    done = run(tmp_path, "--role", "king", "--subject", "x")
    assert (done.returncode, done.stdout) == (2, "")
    assert all(role in done.stderr for role in Role)


def test_the_key_is_its_owners_alone_and_stays(tmp_path: Path) -> None:
    token = Issuer(tmp_path).token("staff", "amy", "")
    assert stat.S_IMODE((tmp_path / "issuer.json").stat().st_mode) == 0o600
    assert verified(tmp_path, token)["sub"] == "amy"
    assert "d" not in json.loads(Issuer(tmp_path).jwks())["keys"][0]


def test_of_many_who_make_the_key_at_once_all_use_the_same(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as makers:
        published = set(makers.map(lambda _: Issuer(tmp_path).jwks(), range(16)))
    assert len(published) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["issuer.json"]
