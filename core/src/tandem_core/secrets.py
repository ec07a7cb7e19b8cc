"""The one secret of a service, a JSON object: what others sign with, and we.

Read when it is first needed and again every five minutes, so that a rotation needs no deployment.
Each service says by a model of its own what its secret holds. Knows no scheme of signing, and never
tells what it holds: not in an error, not in a log.
"""

from __future__ import annotations

import os
from functools import lru_cache
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

from pydantic import BeforeValidator

from tandem_core.aws import make_client
from tandem_core.logs import logger
from tandem_core.problems import Busy
from tandem_core.values import Silent

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


class SecretSettings(Silent):
    """Where the secret is, TANDEM_SECRETS."""

    arn: str


S = TypeVar("S", bound=Silent)


def read_secret(model: type[S]) -> S:
    """Return what the service's secret holds. Raises SecretsUnavailable."""
    from aws_lambda_powertools.utilities.parameters.exceptions import GetParameterError

    arn = SecretSettings.model_validate({"arn": os.environ.get("TANDEM_SECRETS")}).arn
    try:
        value = secrets_provider().get(arn, max_age=_MAX_AGE_SECONDS, transform="json")
    except GetParameterError as failure:
        # Never "no secrets": a sender that is refused for good would not send again.
        logger().error("secret not readable", exc_info=failure)
        raise SecretsUnavailable from failure
    return model.model_validate(value)


@lru_cache(maxsize=1)
def secrets_provider() -> SecretsProvider:
    """Return the process's provider and its cache, with limits that a sender waits for.

    Senders hang up after some five seconds, and the message is still to be written down.
    """
    from aws_lambda_powertools.utilities.parameters import SecretsProvider

    client = make_client("secretsmanager", connect_seconds=0.5, read_seconds=1.0, attempts=2)
    return SecretsProvider(boto3_client=client)
