"""The envelope of an event: CloudEvents 1.0, with the entry's own document inside."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from tandem_core.events import Envelope, data_schema, envelope_json
from tandem_core.journal import Entry, Origin
from tandem_core.table import Key

FULL = Origin(
    "terminal:till_3", "pos", key="secret-key", request=b"x", causation_id="evt_0", traceparent="00"
)


def entry(origin: Origin = FULL, data: str = '{"points": 12}') -> Entry:
    return Entry(
        key=Key("ORDER#1", "EARNED"),
        subject="acc_1",
        seq=7,
        type="points.earned",
        at="2026-03-10T09:30:00.000000Z",
        data=data,
        origin=origin,
        previous=b"",
        hash=b"x",
    )


def test_an_entry_seen_from_outside() -> None:
    assert json.loads(envelope_json("tandem.loyalty", entry())) == {
        "specversion": "1.0",
        "id": "evt_acc_1_7",
        "source": "tandem.loyalty",
        "type": "points.earned",
        "subject": "acc_1",
        "time": "2026-03-10T09:30:00.000000Z",
        "dataschema": "urn:tandem:event:points.earned:1",
        "datacontenttype": "application/json",
        "tandemseq": 7,
        "actor": "terminal:till_3",
        "channel": "pos",
        "causationid": "evt_0",
        "traceparent": "00",
        "data": {"points": 12},
    }


def test_attributes_without_a_value_are_left_out() -> None:
    attributes = json.loads(envelope_json("tandem.loyalty", entry(Origin("shop", "web"))))
    assert not {"causationid", "traceparent"} & attributes.keys()


def test_idempotency_keys_are_nobody_elses_business() -> None:
    assert "secret-key" not in envelope_json("tandem.loyalty", entry())


@given(
    actor=st.text(), channel=st.text(), data=st.dictionaries(st.text(), st.text() | st.integers())
)
def test_what_is_published_is_what_is_heard(
    actor: str, channel: str, data: dict[str, str | int]
) -> None:
    text = envelope_json("tandem.loyalty", entry(Origin(actor, channel), json.dumps(data)))
    heard = Envelope.model_validate_json(text)
    assert (heard.actor, heard.channel, heard.data) == (actor, channel, data)
    assert Envelope.model_validate_json(heard.model_dump_json()) == heard


def test_what_a_consumer_does_names_its_cause() -> None:
    origin = Envelope.model_validate_json(envelope_json("tandem.loyalty", entry())).origin()
    assert origin.causation_id == "evt_acc_1_7"
    assert (origin.actor, origin.channel, origin.key) == ("terminal:till_3", "pos", "")
    assert origin.traceparent == "00"


def test_a_schema_has_a_name_that_can_grow() -> None:
    assert data_schema("order.placed") == "urn:tandem:event:order.placed:1"
