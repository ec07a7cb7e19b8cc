"""What others know us by, put where a deployed stack looks for it.

On AWS a person writes it into the stack's secret. Here each sender of webhooks that the template
names signs with `local-<sender>-secret`, or with what TANDEM_WEBHOOK_SECRET_<SENDER> says: several,
with spaces between, the current one first. Each provider that it names is the sandbox's, under its
key. What the stack generated for itself stays as it is.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from tandem_local.deployment import outputs_of
from tandem_local.sandbox import KEYS

if TYPE_CHECKING:
    from tandem_local.clients import Clients
    from tandem_local.deployment import Package

OUTPUT = "SecretsArn"


def put_secrets(clients: Clients, package: Package, environment: Mapping[str, str]) -> bool:
    """Write what the stack's secret lacks; return whether there was anything to do."""
    told = package.template.get("Metadata", {}).get("Tandem", {})
    added: dict[str, Any] = {name: dict(KEYS[name]) for name in told.get("Providers", ())}
    if senders := told.get("WebhookSources"):
        added["webhooks"] = webhook_secrets(senders, environment)
    if not added:
        return False
    arn = outputs_of(clients, package.stack)[OUTPUT]
    present: Any = json.loads(clients.secrets.get_secret_value(SecretId=arn)["SecretString"])
    if present | added == present:
        return False
    clients.secrets.put_secret_value(SecretId=arn, SecretString=json.dumps(present | added))
    return True


def webhook_secrets(senders: Iterable[str], environment: Mapping[str, str]) -> dict[str, list[str]]:
    """Return what each sender signs with."""
    return {
        sender: environment.get(f"TANDEM_WEBHOOK_SECRET_{sender.upper()}", "").split()
        or [f"local-{sender}-secret"]
        for sender in senders
    }
