"""What the service has to know of a sender of messages: four facts, the same for every sender.

Pure. The check of signatures is no part of it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from tandem_core.signatures import Headers
from tandem_orders.messages import Message


@dataclass(frozen=True, slots=True)
class Sender:
    """One sender.

    `topics` are those with a meaning for us, None for all. `topic_of` and `dedupe_key` take
    whatever arrives and never raise: "" is a topic that nobody can tell, and a body without an
    identity of its own is known by its hash. `parse` takes the topic that `topic_of` told, and
    raises `messages.Unparseable` for a body that is not what the topic promises, nothing else.
    """

    name: str
    topics: frozenset[str] | None
    topic_of: Callable[[Headers, bytes], str]
    dedupe_key: Callable[[Headers, bytes], str]
    parse: Callable[[str, Headers, bytes], list[Message]]
