"""The one place where a client of AWS is made: what all have in common, each with its own limits.

botocore's own session, not boto3's: boto3 brings the upload manager of S3 and its threads along, a
fifth of the time that the SDK takes to import. The packager reads the first argument of every call
of `make_client` to know which services' data go into the zip (tools/packages/sdk.py), so it is
always written out.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from botocore.session import Session

# In place of the SDK's own, which is put together anew from ten parts for every request.
_USER_AGENT = "tandem/1"


@lru_cache(maxsize=1)
def session() -> Session:
    """Return the process's session: its credentials, its region, and the data it has read."""
    from botocore.session import get_session

    return get_session()


def make_client(
    service: str, *, connect_seconds: float, read_seconds: float, attempts: int, **options: Any
) -> Any:
    """Make a client that gives up in time.

    The SDK's own limits wait 60 s and try for 25 s; whoever called us has left by then. Parameters
    are not validated: that costs as much as signing, and every one is written in our code.
    """
    from botocore.config import Config

    config = Config(
        connect_timeout=connect_seconds,
        read_timeout=read_seconds,
        retries={"mode": "standard", "total_max_attempts": attempts},
        parameter_validation=False,
        user_agent=_USER_AGENT,
        **options,
    )
    return session().create_client(service, config=config)
