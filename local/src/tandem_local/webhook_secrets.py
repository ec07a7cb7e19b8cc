"""The secrets of those who send webhooks, put where a deployed stack looks for them.

On AWS a person writes them into the stack's secret. Here each sender that the template names has
`local-<sender>-secret`, or what TANDEM_WEBHOOK_SECRET_<SENDER> says: several, with spaces between,
the current one first. What the stack generated for itself stays as it is.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from tandem_local.deployment import outputs_of

if TYPE_CHECKING:
    from tandem_local.clients import Clients
    from tandem_local.deployment import Package

OUTPUT = "SecretsArn"


def put_webhook_secrets(clients: Clients, package: Package, environment: Mapping[str, str]) -> bool:
    """Write what the stack's secret lacks; return whether there was anything to do."""
    senders = package.template.get("Metadata", {}).get("Tandem", {}).get("WebhookSources")
    if not senders:
        return False
    arn = outputs_of(clients, package.stack)[OUTPUT]
    present: Any = json.loads(clients.secrets.get_secret_value(SecretId=arn)["SecretString"])
    wanted = {**present, "webhooks": webhook_secrets(senders, environment)}
    if wanted == present:
        return False
    clients.secrets.put_secret_value(SecretId=arn, SecretString=json.dumps(wanted))
    return True


def webhook_secrets(senders: Iterable[str], environment: Mapping[str, str]) -> dict[str, list[str]]:
    """Return what each sender signs with."""
    return {
        sender: environment.get(f"TANDEM_WEBHOOK_SECRET_{sender.upper()}", "").split()
        or [f"local-{sender}-secret"]
        for sender in senders
    }
