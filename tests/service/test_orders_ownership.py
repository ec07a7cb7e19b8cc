"""What is somebody else's is not there: neither it, nor its name, nor how much of it there is."""

from __future__ import annotations

from tests.service.conftest import Orders


def test_a_customer_does_not_learn_how_many_orders_another_has(orders: Orders) -> None:
    for number in range(3):
        orders.placed(f"{number}", customer={"customer_id": "cus_2"})

    reply = orders.call(
        "GET",
        "/orders",
        role="customer",
        subject="cus_1",
        query={"customer_id": "cus_2", "limit": "1"},
    )

    assert (reply.status, reply.body["code"]) == (404, "NOT_FOUND")
    assert "cursor" not in reply.body


def test_a_customer_does_not_learn_whose_orders_share_their_parcel(orders: Orders) -> None:
    mine = orders.placed("a", customer={"customer_id": "cus_1"})
    theirs = orders.placed("b", customer={"customer_id": "cus_2"})
    for order_id in (mine, theirs):
        orders.fulfilled(order_id, shipments=[{"carrier": "ups", "tracking_number": "1Z1"}])
    orders.pump()
    (parcel,) = orders.order(mine)["shipments"]

    seen = orders.shipment(parcel["id"], role="customer", subject="cus_1")

    assert [link["order_id"] for link in seen["links"]] == [mine]
    linked = orders.shipment(parcel["id"], role="staff")["links"]
    assert {link["order_id"] for link in linked} == {mine, theirs}
