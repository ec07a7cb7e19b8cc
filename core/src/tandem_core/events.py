"""Events between services: the CloudEvents 1.0 envelope and the registry of published models.

An event is a journal entry seen from outside: same type, same number, and its data is the entry's
document. Consumers read what they need and ignore the rest.
"""

from __future__ import annotations

import json
from typing import Any

from pydantic import BaseModel, ConfigDict

from tandem_core.journal import Entry, Origin

SPEC_VERSION = "1.0"


class Envelope(BaseModel):
    """A CloudEvents 1.0 event in structured JSON, as it stands in the bus's `detail`.

    `tandemseq` numbers the events of one subject without gaps, from 1. `causationid` is the id of
    the event that led to this one.
    """

    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)

    specversion: str
    id: str
    source: str
    type: str
    subject: str
    time: str
    dataschema: str
    tandemseq: int
    actor: str
    channel: str
    causationid: str | None = None
    traceparent: str | None = None
    data: dict[str, Any]

    def origin(self) -> Origin:
        """Return the origin of what a consumer does because of this event."""
        return Origin(
            actor=self.actor,
            channel=self.channel,
            causation_id=self.id,
            traceparent=self.traceparent or "",
        )


def data_schema(kind: str) -> str:
    """Return the name of the schema of an event type's data; the number grows when it breaks."""
    return f"urn:tandem:event:{kind}:1"


def envelope_json(source: str, entry: Entry) -> str:
    """Render an entry as an event. The document goes in as it is stored, without being read."""
    origin = entry.origin
    attributes = {
        "specversion": SPEC_VERSION,
        "id": entry.id,
        "source": source,
        "type": entry.type,
        "subject": entry.subject,
        "time": entry.at,
        "dataschema": data_schema(entry.type),
        "datacontenttype": "application/json",
        "tandemseq": entry.seq,
        "actor": origin.actor,
        "channel": origin.channel,
        **({"causationid": origin.causation_id} if origin.causation_id else {}),
        **({"traceparent": origin.traceparent} if origin.traceparent else {}),
    }
    data = joined_objects(entry.data, entry.private)
    return f'{json.dumps(attributes, ensure_ascii=False)[:-1]}, "data": {data}}}'


def joined_objects(document: str, private: str) -> str:
    """Join the texts of two JSON objects with different members into one, unread.

    `private` may be ""; so an entry's document and its personal data become one again.
    """
    if not private:
        return document
    separator = "" if document == "{}" else ","
    return f"{document[:-1]}{separator}{private[1:]}"
