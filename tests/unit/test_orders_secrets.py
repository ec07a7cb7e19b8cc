"""The secret of the orders service: one text or several, read seldom, told to nobody."""

from __future__ import annotations

import json
import traceback
from collections.abc import Callable, Iterator
from typing import Any

import boto3
import pytest
from moto import mock_aws
from pydantic import ValidationError

from tandem_core import logs, secrets, settings
from tandem_core.secrets import SecretsUnavailable
from tandem_orders.secrets import tracking_secrets, webhook_secrets

NAME = "tandem-test-orders-secrets"

Put = Callable[[Any], None]


@pytest.fixture
def put(monkeypatch: pytest.MonkeyPatch) -> Iterator[Put]:
    """Put a value of the secret, which does not exist before."""
    with mock_aws():
        client = boto3.client("secretsmanager")
        monkeypatch.setenv("TANDEM_SECRETS", NAME)
        for name in ("SERVICE", "STAGE", "TABLE", "BUS"):
            monkeypatch.setenv(f"TANDEM_{name}", "orders")
        settings.service_settings.cache_clear()
        logs.logger.cache_clear()
        secrets.secrets_provider.cache_clear()

        def put_value(value: Any) -> None:
            text = value if isinstance(value, str) else json.dumps(value)
            if any(secret["Name"] == NAME for secret in client.list_secrets()["SecretList"]):
                client.put_secret_value(SecretId=NAME, SecretString=text)
            else:
                client.create_secret(Name=NAME, SecretString=text)

        yield put_value
    for kept in (secrets.secrets_provider, settings.service_settings, logs.logger):
        kept.cache_clear()


def test_one_text_is_a_list_of_one(put: Put) -> None:
    put({"tracking": "t", "webhooks": {"shopify": "s", "square": ["new", "old"]}})
    assert tracking_secrets() == ("t",)
    assert webhook_secrets("shopify") == ("s",)
    assert webhook_secrets("square") == ("new", "old")


def test_who_is_not_named_has_no_secret(put: Put) -> None:
    put({"tracking": "t"})
    assert webhook_secrets("shopify") == ()
    put({"webhooks": {"shopify": "s"}})
    secrets.secrets_provider.cache_clear()
    assert webhook_secrets("square") == ()
    assert tracking_secrets() == ()


def test_an_empty_text_is_no_secret(put: Put) -> None:
    put({"tracking": ["", "t"], "webhooks": {"shopify": "", "square": []}})
    assert tracking_secrets() == ("t",)
    assert webhook_secrets("shopify") == ()
    assert webhook_secrets("square") == ()


def test_it_is_kept_for_a_while(put: Put) -> None:
    put({"webhooks": {"shopify": "first"}})
    assert webhook_secrets("shopify") == ("first",)
    put({"webhooks": {"shopify": ["second", "first"]}})
    assert webhook_secrets("shopify") == ("first",)
    secrets.secrets_provider.cache_clear()
    assert webhook_secrets("shopify") == ("second", "first")


def test_a_secret_that_cannot_be_read_is_a_reason_to_send_again(
    put: Put, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SecretsUnavailable) as refused:
        webhook_secrets("shopify")
    assert "secret not readable" in capsys.readouterr().out
    assert (refused.value.status, refused.value.code) == (503, "SECRETS_UNAVAILABLE")
    assert refused.value.headers["Retry-After"] == "1"
    put({"webhooks": {"shopify": "s"}})
    assert webhook_secrets("shopify") == ("s",)


@pytest.mark.parametrize(
    "value",
    [
        '{"webhooks": {"shopify": "hush"',
        {"webhooks": {"shopify": {"key": "hush"}}},
        {"webhooks": {"shopify": ["hush", 7]}},
        {"webhooks": "hush"},
        ["hush"],
    ],
)
def test_a_value_that_is_wrong_is_an_error_that_does_not_tell_it(put: Put, value: Any) -> None:
    put(value)
    with pytest.raises(Exception, match=".") as broken:
        webhook_secrets("shopify")
    assert not isinstance(broken.value, SecretsUnavailable)
    assert "hush" not in "".join(traceback.format_exception(broken.value))


@pytest.mark.usefixtures("put")
def test_without_its_name_nothing_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TANDEM_SECRETS")
    with pytest.raises(ValidationError, match="arn"):
        tracking_secrets()
