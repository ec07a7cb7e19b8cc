"""What a service reads from its environment, once, when it is first needed; never at import."""

from __future__ import annotations

import os
from functools import lru_cache

from pydantic import BaseModel, ConfigDict


class ServiceSettings(BaseModel):
    """Names of the service's own resources. A validation error names what is missing."""

    model_config = ConfigDict(frozen=True)

    service: str
    stage: str
    table: str
    bus: str


@lru_cache(maxsize=1)
def service_settings() -> ServiceSettings:
    names = {name: f"TANDEM_{name.upper()}" for name in ServiceSettings.model_fields}
    present = {name: os.environ[key] for name, key in names.items() if key in os.environ}
    return ServiceSettings.model_validate(present)


def public_url() -> str:
    """Return where senders and customers find the system, "" when that is not configured."""
    return os.environ.get("TANDEM_PUBLIC_URL", "")
