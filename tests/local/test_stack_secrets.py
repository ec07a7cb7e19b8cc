"""A stack's secret gets what others know us by, and keeps what it generated for itself."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tandem_local.clients import Clients
from tandem_local.deployment import Package, deploy, outputs_of
from tandem_local.sandbox import KEYS
from tandem_local.stack_secrets import put_secrets, webhook_secrets
from tools.packages.template import merged_template

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def package(clients: Clients, name: str, tmp_path: Path) -> Package:
    return deployed(clients, name, tmp_path, "orders")


def deployed(clients: Clients, name: str, folder: Path, service: str) -> Package:
    """Deploy the part of a service's stack that is about its secret."""
    template = merged_template([ROOT / "infra" / f"{service}.yaml"])
    package = Package(
        name=name,
        archive=folder / "deployment.zip",
        template={
            "Metadata": template["Metadata"],
            "Parameters": {part: template["Parameters"][part] for part in ("EncryptionKeyArn",)},
            "Conditions": {part: template["Conditions"][part] for part in ("HasKey",)},
            "Resources": {
                "Secrets": {
                    **template["Resources"]["Secrets"],
                    "Properties": template["Resources"]["Secrets"]["Properties"] | {"Name": name},
                }
            },
            "Outputs": {"SecretsArn": template["Outputs"]["SecretsArn"]},
        },
    )
    package.archive.write_bytes(b"")
    deploy(clients, package, {})
    return package


def value(clients: Clients, package: Package) -> Any:
    arn = outputs_of(clients, package.stack)["SecretsArn"]
    return json.loads(clients.secrets.get_secret_value(SecretId=arn)["SecretString"])


def test_every_sender_of_the_template_gets_a_secret(clients: Clients, package: Package) -> None:
    generated = value(clients, package)
    assert set(generated) == {"tracking"}
    assert len(generated["tracking"]) == 48
    environment = {"TANDEM_WEBHOOK_SECRET_DHL_EXPRESS": "new old"}
    assert put_secrets(clients, package, environment)
    put = value(clients, package)
    assert put["tracking"] == generated["tracking"]
    assert put["webhooks"]["shopify"] == ["local-shopify-secret"]
    assert put["webhooks"]["dhl_express"] == ["new", "old"]
    assert set(put["webhooks"]) == set(package.template["Metadata"]["Tandem"]["WebhookSources"])


def test_providers_of_the_template_are_the_sandbox_s(
    clients: Clients, name: str, tmp_path: Path
) -> None:
    package = deployed(clients, name, tmp_path, "returns")
    codes = value(clients, package)["codes"]
    assert len(codes) == 48
    assert put_secrets(clients, package, {})
    assert not put_secrets(clients, package, {})
    assert value(clients, package) == {
        "codes": codes,
        "webhooks": {"stripe": ["local-stripe-secret"], "credit": ["local-credit-secret"]},
        **{name: dict(key) for name, key in KEYS.items()},
    }


def test_the_next_start_finds_the_same_and_writes_only_what_is_new(
    clients: Clients, package: Package
) -> None:
    assert put_secrets(clients, package, {})
    first = value(clients, package)
    assert not deploy(clients, package, {})
    assert not put_secrets(clients, package, {})
    assert put_secrets(clients, package, {"TANDEM_WEBHOOK_SECRET_UPS": "mine"})
    assert value(clients, package)["tracking"] == first["tracking"]
    assert value(clients, package)["webhooks"] == first["webhooks"] | {"ups": ["mine"]}


def test_a_stack_without_senders_is_left_alone(clients: Clients, tmp_path: Path) -> None:
    package = Package(name="none", archive=tmp_path, template={"Resources": {}})
    assert not put_secrets(clients, package, {})


def test_a_variable_without_words_is_no_secret() -> None:
    environment = {"TANDEM_WEBHOOK_SECRET_UPS": " ", "TANDEM_WEBHOOK_SECRET_OTHER": "x"}
    assert webhook_secrets(["ups", "usps"], environment) == {
        "ups": ["local-ups-secret"],
        "usps": ["local-usps-secret"],
    }
