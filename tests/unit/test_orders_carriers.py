"""Carriers: one name whoever writes it, and codes that mean something or nothing."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tandem_orders import carriers
from tandem_orders.carriers import Meaning, canonical, canonical_number, meaning, reason_of
from tandem_orders.statuses import Reason, ShipmentStatus

WITH_CODES = ["dhl_express", "dpd", "fedex", "ups", "usps"]
NAMES = carriers._document("carriers")


@pytest.mark.parametrize(
    ("written", "slug"),
    [
        ("UPS", "ups"),
        ("ups", "ups"),
        ("UPS® Ground", "ups"),
        ("UPSDAP", "ups"),
        ("UPS Mail Innovations", "ups_mail_innovations"),
        ("USPS", "usps"),
        ("usps priority mail", "usps"),
        ("FedEx Ground", "fedex"),
        ("FedExSmartPost", "fedex"),
        ("fedex-international-priority", "fedex"),
        ("DHLExpress", "dhl_express"),
        ("DHL Express", "dhl_express"),
        ("dhl_express", "dhl_express"),
        ("DHL", "dhl_express"),
        ("DHL eCommerce Asia", "dhl_ecommerce"),
        ("DHL Paket", "dhl_paket"),
        ("dpd-uk", "dpd"),
        ("DPD Germany", "dpd"),
        ("Amazon Logistics US", "amazon"),
        ("顺丰速运", "sf_express"),
        ("J&T Express", "j_and_t"),
    ],
)
def test_a_carrier_has_one_name(written: str, slug: str) -> None:
    assert canonical(written) == slug


@pytest.mark.parametrize(
    ("written", "slug"),
    [
        ("Upstart Couriers", "upstart_couriers"),
        ("  Foo & Bar  ", "foo_bar"),
        ("DHL Freight", "dhl_freight"),
        ("Ünterwegs!", "ünterwegs"),
        ("???", "unknown"),
        ("", "unknown"),
    ],
)
def test_a_carrier_that_nobody_has_listed_keeps_its_own(written: str, slug: str) -> None:
    assert canonical(written) == slug


@given(st.text())
def test_a_canonical_name_is_its_own_canonical_name_and_fits(written: str) -> None:
    slug = canonical(written)
    assert canonical(slug) == slug
    assert 1 <= len(slug) <= 64


def test_no_name_stands_for_two_carriers() -> None:
    written = [name for kind in ("aliases", "families") for name in carriers._names(kind)]
    assert all(letters for letters, _ in written)
    owners: dict[str, set[str]] = {}
    for letters, carrier in written:
        owners.setdefault(letters, set()).add(carrier)
    assert {name: of for name, of in owners.items() if len(of) > 1} == {}
    assert {carrier: canonical(carrier) for carrier in NAMES} == {name: name for name in NAMES}


@pytest.mark.parametrize("carrier", WITH_CODES)
def test_every_row_of_a_carrier_is_of_our_words(carrier: str) -> None:
    table = carriers.rows(carrier)
    assert table
    for code, row in table.items():
        assert set(row) <= {"status", "reason", "reversal", "means"}
        assert row["means"]
        found = meaning(carrier, code)
        assert found is not None
        # A reason says that something is wrong.
        if found.reason is not None:
            assert found.status not in {None, ShipmentStatus.DELIVERED, ShipmentStatus.IN_TRANSIT}


@pytest.mark.parametrize("carrier", WITH_CODES)
def test_every_carrier_can_pick_up_and_deliver(carrier: str) -> None:
    said = {row.get("status") for row in carriers.rows(carrier).values()}
    assert {"picked_up", "in_transit", "out_for_delivery", "delivered"} <= said


@pytest.mark.parametrize(
    ("carrier", "code", "expected"),
    [
        ("ups", "OT", Meaning(ShipmentStatus.OUT_FOR_DELIVERY, None, False)),
        ("ups", "zp", Meaning(ShipmentStatus.AVAILABLE_FOR_PICKUP, None, False)),
        ("ups", "034", Meaning(ShipmentStatus.RETURNED, None, False)),
        ("fedex", " PU ", Meaning(ShipmentStatus.PICKED_UP, None, False)),
        ("fedex", "CD", Meaning(ShipmentStatus.CUSTOMS, Reason.CUSTOMS_CLEARANCE, False)),
        ("fedex", "RP", Meaning(None, None, False)),
        ("usps", "01", Meaning(ShipmentStatus.DELIVERED, None, False)),
        ("usps", "04", Meaning(ShipmentStatus.DELIVERY_ATTEMPTED, Reason.RECIPIENT_REFUSED, False)),
        ("usps", "ND", Meaning(ShipmentStatus.DELIVERY_ATTEMPTED, None, True)),
        ("dhl_express", "RW", Meaning(None, None, False)),
        (
            "dhl_express",
            "NH",
            Meaning(ShipmentStatus.DELIVERY_ATTEMPTED, Reason.RECIPIENT_ABSENT, False),
        ),
        ("dpd", "betweendepots", Meaning(ShipmentStatus.IN_TRANSIT, None, False)),
    ],
)
def test_a_code_means_what_its_carrier_says(carrier: str, code: str, expected: Meaning) -> None:
    assert meaning(carrier, code) == expected


@pytest.mark.parametrize(
    ("carrier", "code"),
    [("ups", "??"), ("ups", ""), ("ups", None), ("../ups", "OT"), ("unknown", "OT")],
)
def test_a_code_that_nobody_has_mapped_means_nothing(carrier: str, code: str | None) -> None:
    assert meaning(carrier, code) is None


def test_fedex_tells_the_reason_by_a_code_of_its_own() -> None:
    assert reason_of("fedex", "07") is Reason.RECIPIENT_REFUSED
    assert reason_of("fedex", "no such code") is None
    assert reason_of("usps", "07") is None
    for code in carriers._rows("fedex", "exceptions"):
        assert reason_of("fedex", code)


def test_a_number_is_one_whoever_spaces_it() -> None:
    assert canonical_number(" 1z 999\u00a0aa1 ") == "1Z999AA1"
