"""The demo's story of a return: what is printed of it, and what a till can read without network."""

from __future__ import annotations

import io
import json
from base64 import urlsafe_b64encode

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from rich.console import Console

from tandem_demo.comeback import Account, Turn, read_offline
from tandem_demo.journeys import Told
from tandem_demo.report import show_comeback

SIGNER, STRANGER = Ed25519PrivateKey.generate(), Ed25519PrivateKey.generate()


def encoded(raw: bytes) -> str:
    return urlsafe_b64encode(raw).rstrip(b"=").decode()


def code(signer: Ed25519PrivateKey) -> str:
    header = encoded(b'{"alg":"EdDSA","kid":"one"}')
    claims = encoded(json.dumps({"ret": "ret_1", "lin": [["1", 2]]}).encode())
    return f"{header}.{claims}.{encoded(signer.sign(f'{header}.{claims}'.encode()))}"


def shown(told: Told, *turns: Turn) -> tuple[bool, str]:
    console = Console(file=io.StringIO(), width=140)
    is_right = show_comeback(console, told, turns)
    file = console.file
    assert isinstance(file, io.StringIO)
    return is_right, file.getvalue()


def test_a_code_is_read_with_the_keys_alone() -> None:
    keys = {"keys": [{"kid": "one", "x": encoded(SIGNER.public_key().public_bytes_raw())}]}
    assert read_offline(code(SIGNER), keys) == ("ret_1", [["1", 2]])
    assert read_offline(code(STRANGER), keys) is None


def test_points_and_money_are_printed_beside_what_they_should_be() -> None:
    told = Told("demo-1")
    told.check("all is well", holds=True)
    is_right, text = shown(told, Turn("the rest", Account(-71, 14_999), Account(-71, 14_999)))
    assert is_right
    assert text.count("71 owed") == text.count("149.99") == 2
    assert "checks: 1, failed: 0" in text


def test_a_cent_too_much_fails_and_is_named() -> None:
    told = Told("demo-1")
    told.check("the vase: 0 points, 2900 cents", holds=False)
    is_right, text = shown(told, Turn("the vase", Account(0, 2_901), Account(0, 2_900)))
    assert not is_right
    assert "29.01" in text
    assert "expected: the vase: 0 points, 2900 cents" in text
