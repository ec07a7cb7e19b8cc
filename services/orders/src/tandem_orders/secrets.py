"""The service's one secret: what senders sign their messages with, and we our links.

Read when it is first needed and again every five minutes, so that a rotation needs no deployment.
Knows no scheme of signing, and never tells what it holds: not in an error, not in a log.

    {"tracking": TEXT or [TEXT, ...], "webhooks": {"shopify": TEXT or [TEXT, ...], ...}}
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict

from tandem_core.aws import make_client
from tandem_core.logs import logger
from tandem_core.problems import Busy

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.parameters import SecretsProvider
else:
    SecretsProvider = Any

_MAX_AGE_SECONDS = 300


class SecretsUnavailable(Busy):
    code, title = "SECRETS_UNAVAILABLE", "The secrets cannot be read now; send it again later"


def _as_list(value: Any) -> Any:
    """Take one text for a list of one, and leave out empty texts: anybody can sign with those."""
    listed = [value] if isinstance(value, str) else value
    return [text for text in listed if text != ""] if isinstance(listed, list) else listed


Texts = Annotated[tuple[str, ...], BeforeValidator(_as_list)]


class _Silent(BaseModel):
    """A model whose errors do not repeat what they were given."""

    model_config = ConfigDict(frozen=True, hide_input_in_errors=True)


class SecretSettings(_Silent):
    """Where the secret is, TANDEM_SECRETS."""

    arn: str


class Secrets(_Silent):
    """The value of the secret. What it does not name has no texts, and so verifies nothing."""

    tracking: Texts = ()
    webhooks: Mapping[str, Texts] = {}


def webhook_secrets(source: str) -> tuple[str, ...]:
    """Return what a sender may sign with, the current one first; none for an unknown sender.

    Raises SecretsUnavailable.
    """
    return _secrets().webhooks.get(source, ())


def tracking_secrets() -> tuple[str, ...]:
    """Return what links are signed with: the first signs, all verify. Raises SecretsUnavailable."""
    return _secrets().tracking


def public_url() -> str:
    """Return where senders and customers find the system, "" when that is not configured."""
    return os.environ.get("TANDEM_PUBLIC_URL", "")


def _secrets() -> Secrets:
    from aws_lambda_powertools.utilities.parameters.exceptions import GetParameterError

    arn = SecretSettings.model_validate({"arn": os.environ.get("TANDEM_SECRETS")}).arn
    try:
        value = secrets_provider().get(arn, max_age=_MAX_AGE_SECONDS, transform="json")
    except GetParameterError as failure:
        # Never "no secrets": a sender that is refused for good would not send again.
        logger().error("secret not readable", exc_info=failure)
        raise SecretsUnavailable from failure
    return Secrets.model_validate(value)


@lru_cache(maxsize=1)
def secrets_provider() -> SecretsProvider:
    """Return the process's provider and its cache, with limits that a sender waits for.

    Senders hang up after some five seconds, and the message is still to be written down.
    """
    from aws_lambda_powertools.utilities.parameters import SecretsProvider

    client = make_client("secretsmanager", connect_seconds=0.5, read_seconds=1.0, attempts=2)
    return SecretsProvider(boto3_client=client)
