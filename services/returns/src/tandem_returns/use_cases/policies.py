"""Policies: published as versions, tried on what has been returned before."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from typing import NamedTuple

from tandem_core.clock import rfc3339
from tandem_core.cursors import no_such_cursor
from tandem_core.journal import Origin, until_written
from tandem_core.problems import VersionConflict
from tandem_returns.eligibility import DryRun, dry_run
from tandem_returns.policies import Policy, PolicyDefinition
from tandem_returns.returns import Return
from tandem_returns.store import PolicyNotFound, PolicyVersions, Store


class PolicyOutcome(NamedTuple):
    policy: Policy
    version: int


def publish_policy(
    store: Store, policy_id: str, definition: PolicyDefinition, origin: Origin, now: datetime
) -> PolicyOutcome:
    """Publish the next version; orders placed from now on follow it. What is in force already is
    not published again. Raises VersionConflict."""

    def attempt() -> PolicyOutcome:
        head, known = store.policy_head(policy_id)
        version = known.current.version if known else 0
        if origin.expected_version not in (None, version):
            raise VersionConflict(f"The policy has version {version}")
        if (
            known
            and PolicyDefinition.model_validate(
                known.current.model_dump(include=set(PolicyDefinition.model_fields))
            )
            == definition
        ):
            return PolicyOutcome(known.current, version)
        policy = definition.published(policy_id, version + 1, now)
        published = known.published if known else ()
        versions = PolicyVersions(
            current=policy, published=(*published, (policy.version, rfc3339(now)))
        )
        store.append_policy(head, versions, origin, now)
        return PolicyOutcome(policy, policy.version)

    return until_written(attempt)


def get_policy(store: Store, policy_id: str, version: int | None) -> Policy:
    """Raises PolicyNotFound."""
    if version is not None:
        return store.policy(f"{policy_id}@{version}")
    _, known = store.policy_head(policy_id)
    if known is None:
        raise PolicyNotFound(f"There is no policy {policy_id}")
    return known.current


class Tried(NamedTuple):
    """`returns` are those that were tried, in the order of the result's cases."""

    result: DryRun
    returns: Sequence[str]
    cursor: str | None


def try_policy(  # noqa: PLR0913  a draft, a time and a page
    store: Store,
    policy_id: str,
    definition: PolicyDefinition,
    since: datetime,
    until: datetime,
    limit: int,
    cursor: str | None,
) -> Tried:
    """Say what a draft would have said to a page of its policy's past returns."""
    found, after = _page(store, since, until, limit, cursor)
    quotes = {quote.quote_id: quote for quote in store.quotes([one.quote_id for one in found])}
    own = [one for one in found if one.policy.startswith(f"{policy_id}@")]
    tried = [one for one in own if one.quote_id in quotes]
    cases = [(quotes[one.quote_id].case, quotes[one.quote_id].verdict) for one in tried]
    return Tried(dry_run(definition, cases), [one.return_id for one in tried], after)


def _page(
    store: Store, since: datetime, until: datetime, limit: int, cursor: str | None
) -> tuple[Sequence[Return], str | None]:
    """Return past returns, and where to go on: day by day, at most a hundred."""
    reached, _, inner = (cursor or "").partition(".")
    found: list[Return] = []
    days = _days(since, until)
    if cursor and reached not in map(date.isoformat, days):
        raise no_such_cursor()
    for day in days:
        if day.isoformat() < reached:
            continue
        left = min(limit, 100) - len(found)
        if left <= 0:
            return found, f"{day.isoformat()}."
        start = inner if day.isoformat() == reached and inner else None
        page, more = store.returns_between(
            day.isoformat(), rfc3339(since), rfc3339(until), left, start
        )
        found += page
        if more:
            return found, f"{day.isoformat()}.{more}"
    return found, None


def _days(since: datetime, until: datetime) -> list[date]:
    count = (until.date() - since.date()).days + 1
    return [since.date() + timedelta(days=number) for number in range(max(0, count))]
