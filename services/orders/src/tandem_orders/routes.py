"""The HTTP edge of orders: parse, call once, render."""

from __future__ import annotations

from collections.abc import Callable
from secrets import randbelow
from zoneinfo import ZoneInfo

from chalice.app import Blueprint

from tandem_core.auth import Principal, Role, Scope
from tandem_core.http import Answer, Call, RawRequest, Routes
from tandem_core.inbox import MessageNotFound
from tandem_core.logs import count
from tandem_core.problems import (
    Forbidden,
    IdempotencyKeyReused,
    Missing,
    VersionConflict,
    invalid_field,
)
from tandem_core.secrets import SecretsUnavailable
from tandem_core.settings import public_url
from tandem_core.signatures import SignatureInvalid, verify
from tandem_orders import contracts, tracking_links, views
from tandem_orders.fulfillments import Handover, InvalidTransition, PickupCodeInvalid
from tandem_orders.ordering import (
    FulfillmentNotFound,
    OrderNotCancellable,
    QuantityExceedsOrder,
    TooManyFulfillments,
    UnknownLine,
    found,
    order_id_of,
)
from tandem_orders.orders import Order
from tandem_orders.pages import order_page
from tandem_orders.preferences import Preferences
from tandem_orders.secrets import tracking_secrets, webhook_secrets
from tandem_orders.senders import SENDERS
from tandem_orders.shipment_changes import Registration
from tandem_orders.shipment_views import ShipmentView, display
from tandem_orders.shipments import Link, TooManyOrders
from tandem_orders.store import (
    LoadedOrder,
    LoadedShipment,
    OrderNotFound,
    ShipmentNotFound,
    store,
)
from tandem_orders.texts import language_of
from tandem_orders.timeline import sentence
from tandem_orders.use_cases import customers, inbox, orders, parcels
from tandem_orders.zones import zone_of

blueprint = Blueprint(__name__)
routes = Routes(blueprint)

_ORDER = "/v1/orders/{order_id}"
_FULFILLMENT = _ORDER + "/fulfillments/{fulfillment_id}"
_CUSTOMER = "/v1/customers/{customer_id}"


class SenderNotFound(Missing):
    code, title = "SENDER_NOT_FOUND", "Nobody by this name sends us messages"


class TrackingLinkInvalid(Missing):
    code, title = "TRACKING_LINK_INVALID", "The tracking link is not one that we gave"


# --- orders ---------------------------------------------------------------------------------------


@routes.post(
    "/v1/orders",
    scope=Scope.ORDERS_PLACE,
    status=201,
    refusals=[IdempotencyKeyReused],
)
def place_order(call: Call, body: contracts.NewOrder) -> Answer[contracts.OrderView]:
    """Place an order of any channel. A till's receipt is an order born collected."""
    store_id = call.principal.at_location(body.store_id)
    terminal_id = call.principal.terminal_id or body.terminal_id
    report = body.report(store_id, terminal_id)
    outcome = orders.place_order(store(), report, call.origin(body.channel), call.now)
    return _as_recorded(call, outcome)


@routes.get(_ORDER, scope=Scope.ORDERS_READ, refusals=[OrderNotFound])
def get_order(call: Call, order_id: str) -> Answer[contracts.OrderView]:
    """Read an order, with where its parcels are now."""
    loaded = store().load_order(order_id)
    _check_owner(call.principal)(loaded.existing)
    (view,) = _live(call, [loaded])
    return Answer(view, loaded.head.version)


@routes.get("/v1/orders", scope=Scope.ORDERS_READ)
def list_orders(call: Call, query: contracts.OrderQuery) -> Answer[contracts.OrderPage]:
    """List a customer's orders of all channels, newest first; or find one by its sender's name."""
    cursor = None
    if query.source and query.external_id:
        found_one = store().load_order(order_id_of(query.source, query.external_id))
        loaded = [found_one] if found_one.order else []
    else:
        customer_id = query.customer_id
        if call.principal.role is Role.CUSTOMER:
            customer_id = customer_id or call.principal.subject
        if customer_id is None:
            raise invalid_field(
                "customer_id", "MISSING_FIELD", "give a customer_id, or source and external_id"
            )
        # Not even how many there are, which a cursor would tell.
        _check_customer(call.principal, customer_id)
        loaded, cursor = store().orders_of(customer_id, query.limit, query.cursor)
    mine = [one for one in loaded if call.principal.owns(one.existing.customer.customer_id)]
    return Answer(contracts.OrderPage(orders=tuple(_live(call, mine)), cursor=cursor))


@routes.post(
    _ORDER + "/cancel",
    scope=Scope.ORDERS_CANCEL,
    refusals=[
        IdempotencyKeyReused,
        OrderNotCancellable,
        OrderNotFound,
        QuantityExceedsOrder,
        UnknownLine,
        VersionConflict,
    ],
)
def cancel_order(call: Call, order_id: str, body: contracts.Cancel) -> Answer[contracts.OrderView]:
    """Cancel lines, or the whole order, as long as nobody has begun to work on the units."""
    outcome = orders.cancel_order(
        store(),
        order_id,
        body.lines,
        body.reason,
        call.origin(),
        call.now,
        check=_check_owner(call.principal),
    )
    return _as_recorded(call, outcome)


@routes.post(
    _ORDER + "/fulfillments",
    scope=Scope.FULFILLMENTS_CREATE,
    status=201,
    refusals=[
        IdempotencyKeyReused,
        OrderNotFound,
        QuantityExceedsOrder,
        TooManyFulfillments,
        UnknownLine,
        VersionConflict,
    ],
)
def create_fulfillment(
    call: Call, order_id: str, body: contracts.NewFulfillment
) -> Answer[contracts.FulfillmentView]:
    """Send units on their way: shipped, to be picked up, or handed over in the store."""
    store_id = body.store_id
    if body.type != "ship":
        store_id = call.principal.at_location(store_id)
    if body.type == "pickup" and store_id is None:
        raise invalid_field("store_id", "MISSING_FIELD", "a pickup needs its store")
    outcome = orders.create_fulfillment(
        store(),
        order_id,
        body.type,
        body.lines,
        body.shipments,
        store_id,
        call.origin(),
        call.now,
        check=_check_owner(call.principal),
    )
    return _fulfillment(outcome)


@routes.post(
    _FULFILLMENT + "/transition",
    scope=Scope.FULFILLMENTS_MOVE,
    refusals=[
        FulfillmentNotFound,
        IdempotencyKeyReused,
        InvalidTransition,
        OrderNotFound,
        PickupCodeInvalid,
        VersionConflict,
    ],
)
def move_fulfillment(
    call: Call, order_id: str, fulfillment_id: str, body: contracts.Transition
) -> Answer[contracts.FulfillmentView]:
    """Move a fulfilment on. Customers may only check in for a pickup; a till acts in its store."""
    outcome = orders.move_fulfillment(
        store(),
        order_id,
        fulfillment_id,
        body.to,
        Handover(body.pickup_code, body.staff_id),
        f"{randbelow(10**6):06d}",
        call.origin(),
        call.now,
        check=_check_mover(call.principal, fulfillment_id, body),
    )
    return _fulfillment(outcome)


# --- parcels --------------------------------------------------------------------------------------


@routes.post(
    "/v1/shipments",
    scope=Scope.SHIPMENTS_REGISTER,
    status=201,
    refusals=[IdempotencyKeyReused, OrderNotFound, TooManyOrders],
)
def register_shipment(
    call: Call, body: contracts.RegisterShipment
) -> Answer[contracts.RegisteredView]:
    """Register a parcel. Scans that came earlier are its own."""
    order = orders.get_order(store(), body.order_id)[0] if body.order_id else None
    told = Registration(
        link=Link(order_id=order.id) if order else None,
        promised_by=order.promised_by if order else None,
        destination=order.destination if order else None,
        label_created_at=body.label_created_at,
    )
    outcome = parcels.register(
        store(), body.carrier, body.tracking_number, told, call.origin(), call.now
    )
    return Answer(views.registered_view(outcome.fact), outcome.version, outcome.replayed)


@routes.get("/v1/shipments/{shipment_id}", scope=Scope.SHIPMENTS_READ, refusals=[ShipmentNotFound])
def get_shipment(call: Call, shipment_id: str) -> Answer[ShipmentView]:
    """Read a parcel: status, milestones, estimates, and every scan."""
    return _shipment(call, store().load_shipment(shipment_id))


@routes.get("/v1/shipments", scope=Scope.SHIPMENTS_READ, refusals=[ShipmentNotFound])
def find_shipment(call: Call, query: contracts.ShipmentQuery) -> Answer[ShipmentView]:
    """Read the parcel that a carrier's number means now."""
    return _shipment(call, parcels.current(store(), query.carrier, query.tracking_number))


# --- open to everybody ----------------------------------------------------------------------------


@routes.post(
    "/v1/webhooks/{source}",
    scope=None,
    writes=False,
    status=202,
    refusals=[SenderNotFound, SignatureInvalid, SecretsUnavailable],
)
def receive_webhook(call: Call, source: str, raw: RawRequest) -> Answer[contracts.WebhookAnswer]:
    """Take a sender's message: verified on the bytes as sent, kept, and understood later."""
    if source not in SENDERS:
        raise SenderNotFound(f"Nobody called {source} sends us messages")
    sender, scheme = SENDERS[source]
    base = public_url()
    urls = (raw.url, f"{base.rstrip('/')}/orders/v1/webhooks/{source}") if base else (raw.url,)
    try:
        verify(scheme, raw.headers, raw.body, webhook_secrets(source), urls=urls, now=call.now)
    except SignatureInvalid as refusal:
        count("webhook_refused", source=source, reason=refusal.reason)
        raise
    received = inbox.receive(store(), sender, raw.headers, raw.body, call.now)
    if received.state == "ignored":
        count("webhook_ignored", source=source, topic=received.topic[:64] or "none")
    return Answer(contracts.WebhookAnswer(message_id=received.message_id, state=received.state))


@routes.get(
    "/v1/tracking/{token}",
    scope=None,
    refusals=[TrackingLinkInvalid, SecretsUnavailable],
    page=order_page,
)
def track_order(
    call: Call, token: str, query: contracts.LanguageQuery
) -> Answer[contracts.TrackedOrder]:
    """Show an order to whoever has its link: no personal data, no numbers, no amounts."""
    order_id = tracking_links.order_of(token, tracking_secrets())
    loaded = store().load_order(order_id) if order_id else None
    if loaded is None or loaded.order is None:
        raise TrackingLinkInvalid
    shown = [
        (one.shipment, store().reports(one.shipment.id))
        for one in store().load_shipments(loaded.order.shipment_ids)
        if not one.shipment.is_return
    ]
    language = language_of(query.language or call.accept_language or loaded.order.language)
    return Answer(views.tracked_order(loaded.order, shown, call.now, language))


# --- customers ------------------------------------------------------------------------------------


@routes.get(_CUSTOMER + "/timeline", scope=Scope.TIMELINE_READ)
def get_timeline(
    call: Call, customer_id: str, query: contracts.TimelineQuery
) -> Answer[contracts.TimelinePage]:
    """Everything that concerns a customer, from all services and channels, newest first."""
    _check_customer(call.principal, customer_id)
    wanted = query.language
    if wanted is None:
        preferences, _ = customers.get_preferences(store(), customer_id)
        wanted = preferences.language or call.accept_language
    language = language_of(wanted)
    entries, cursor = store().timeline(customer_id, query.limit, query.cursor)
    return Answer(
        contracts.TimelinePage(
            entries=tuple(
                contracts.TimelineLine(
                    **entry.model_dump(include=_TIMELINE_MEMBERS), text=sentence(entry, language)
                )
                for entry in entries
            ),
            language=language,
            cursor=cursor,
        )
    )


_TIMELINE_MEMBERS = set(contracts.TimelineLine.model_fields) - {"text"}


@routes.get(_CUSTOMER + "/preferences", scope=Scope.PREFERENCES)
def get_preferences(call: Call, customer_id: str) -> Answer[Preferences]:
    """How a customer wants to be told of things."""
    _check_customer(call.principal, customer_id)
    preferences, version = customers.get_preferences(store(), customer_id)
    return Answer(preferences, version)


@routes.put(_CUSTOMER + "/preferences", scope=Scope.PREFERENCES, refusals=[VersionConflict])
def put_preferences(call: Call, customer_id: str, body: Preferences) -> Answer[Preferences]:
    """Choose channels, language and quiet hours."""
    _check_customer(call.principal, customer_id)
    version = customers.put_preferences(store(), customer_id, body, call.origin(), call.now)
    return Answer(body, version)


@routes.post(_CUSTOMER + "/contacts", scope=Scope.CONTACTS_CLAIM, refusals=[IdempotencyKeyReused])
def claim_contacts(
    call: Call, customer_id: str, body: contracts.ClaimContacts
) -> Answer[contracts.ClaimedOrders]:
    """Give a customer the guest orders placed with contacts that are verified to be theirs."""
    claimed, replayed = customers.claim_contacts(
        store(), customer_id, body.contacts, call.origin(), call.now
    )
    return Answer(contracts.ClaimedOrders(order_ids=tuple(claimed)), replayed=replayed)


@routes.post(_CUSTOMER + "/erase", scope=Scope.CUSTOMERS_ERASE, refusals=[IdempotencyKeyReused])
def erase_customer(call: Call, customer_id: str) -> Answer[contracts.ErasedOrders]:
    """Forget a customer's personal data; orders and their books remain."""
    erased, replayed = customers.erase_customer(store(), customer_id, call.origin(), call.now)
    return Answer(contracts.ErasedOrders(orders=erased), replayed=replayed)


# --- the inbox ------------------------------------------------------------------------------------


@routes.get("/v1/inbox", scope=Scope.INBOX)
def list_inbox(_call: Call, query: contracts.InboxQuery) -> Answer[contracts.InboxPage]:
    """List messages that nobody could make sense of, or that somebody must answer."""
    parked, cursor = store().inbox.parked(query.limit, query.cursor)
    return Answer(
        contracts.InboxPage(
            messages=tuple(contracts.ParkedMessage(**one._asdict()) for one in parked),
            cursor=cursor,
        )
    )


@routes.post("/v1/inbox/replay", scope=Scope.INBOX, writes=False, refusals=[MessageNotFound])
def replay_inbox(call: Call, body: contracts.Replay) -> Answer[contracts.ReplayResult]:
    """Understand messages again: one, or a sender's of a time. Repeating it does no harm."""
    if body.message_id is not None:
        outcome = inbox.replay_message(store(), body.message_id, call.now)
        return Answer(_replay_result(inbox.Replayed({outcome: 1}, None)))
    assert body.source and body.since and body.until  # noqa: S101, PT018  the model asked for them
    replayed = inbox.replay_range(
        store(), body.source, body.since, body.until, body.limit, body.cursor, call.now
    )
    return Answer(_replay_result(replayed))


def _replay_result(replayed: inbox.Replayed) -> contracts.ReplayResult:
    return contracts.ReplayResult(
        understood=replayed.counts.get("understood", 0),
        waiting=replayed.counts.get("waiting", 0),
        parked=replayed.counts.get("parked", 0),
        cursor=replayed.cursor,
    )


# --- who may ------------------------------------------------------------------------------------


def _check_owner(principal: Principal) -> Callable[[Order], None]:
    """Return a check that hides an order from customers whose it is not."""

    def check(order: Order) -> None:
        if not principal.owns(order.customer.customer_id):
            raise OrderNotFound(f"There is no order {order.id}")

    return check


def _check_customer(principal: Principal, customer_id: str) -> None:
    if not principal.owns(customer_id):
        raise Missing


def _check_mover(
    principal: Principal, fulfillment_id: str, body: contracts.Transition
) -> Callable[[Order], None]:
    """Return a check of who moves what: customers check in, tills act on their store's pickups."""
    owner = _check_owner(principal)

    def check(order: Order) -> None:
        owner(order)
        fulfillment = found(order, fulfillment_id)
        if principal.role is Role.CUSTOMER and body.to != "checked_in":
            raise Forbidden("Customers check in; everything else is the store's to do")
        if principal.role is Role.TERMINAL:
            if fulfillment.type == "ship":
                raise Forbidden("A till hands over pickups; it does not ship")
            principal.at_location(fulfillment.store_id)

    return check


# --- rendering ------------------------------------------------------------------------------------


def _as_recorded(call: Call, outcome: orders.OrderOutcome) -> Answer[contracts.OrderView]:
    """Show an order as an entry left it, so that a repeat shows the same."""
    order = outcome.order
    view = views.order_view(
        order,
        outcome.version,
        {},
        call.now,
        token=tracking_links.signed(order.id, tracking_secrets()),
        is_its_customer=_is_its_customer(call, order),
    )
    return Answer(view, outcome.version, outcome.replayed)


def _live(call: Call, loaded: list[LoadedOrder]) -> list[contracts.OrderView]:
    """Show orders with where their parcels are now; one more read for all of them."""
    ids = [each for one in loaded for each in one.existing.shipment_ids]
    shipments = {
        one.shipment.id: one.shipment for one in store().load_shipments(list(dict.fromkeys(ids)))
    }
    return [
        views.order_view(
            one.existing,
            one.head.version,
            shipments,
            call.now,
            token=tracking_links.signed(one.existing.id, tracking_secrets()),
            is_its_customer=_is_its_customer(call, one.existing),
        )
        for one in loaded
    ]


def _is_its_customer(call: Call, order: Order) -> bool:
    is_customer = call.principal.role is Role.CUSTOMER
    return is_customer and call.principal.owns(order.customer.customer_id)


def _fulfillment(outcome: orders.FulfillmentOutcome) -> Answer[contracts.FulfillmentView]:
    fact = outcome.fact
    view = views.fulfillment_view(fact.order_id, fact.fulfillment, is_its_customer=False)
    return Answer(view, outcome.version, outcome.replayed)


def _shipment(call: Call, loaded: LoadedShipment) -> Answer[ShipmentView]:
    """Show a parcel; customers see those of their own orders, and of nobody else's beside them."""
    shipment = loaded.shipment
    if call.principal.role is Role.CUSTOMER:
        carried = store().load_orders(shipment.order_ids)
        mine = {
            one.existing.id
            for one in carried
            if call.principal.owns(one.existing.customer.customer_id)
        }
        if not mine:
            raise ShipmentNotFound(f"There is no shipment {shipment.id}")
        links = tuple(link for link in shipment.links if link.order_id in mine)
        shipment = shipment.model_copy(update={"links": links})
    reports = store().reports(shipment.id)
    zone = zone_of(shipment.destination) if shipment.destination else None
    view = display(shipment, reports, call.now, zone or ZoneInfo("UTC"))
    return Answer(view, loaded.head.version)
