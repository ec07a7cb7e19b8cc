"""Who calls and what they may do: roles, scopes, ownership.

Tokens are verified once, at the edge, by the authorizer's own function (services/authorizer); here
its answer is read. A role bounds what a token may do; the token's own scopes can only narrow that.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from chalice.app import CustomAuthorizer

from tandem_core.problems import Forbidden, Unauthenticated


class Role(StrEnum):
    CUSTOMER = "customer"
    TERMINAL = "terminal"
    INTEGRATION = "integration"
    STAFF = "staff"
    ADMIN = "admin"


class Scope(StrEnum):
    """What a route asks for. `<service>:<verb>`."""

    PROGRAMS_READ = "loyalty:programs.read"
    PROGRAMS_WRITE = "loyalty:programs.write"
    ACCOUNTS_READ = "loyalty:accounts.read"
    ACCOUNTS_SEARCH = "loyalty:accounts.search"
    ACCOUNTS_ENROL = "loyalty:accounts.enrol"
    POINTS_CALCULATE = "loyalty:points.calculate"
    POINTS_ACCUMULATE = "loyalty:points.accumulate"
    POINTS_ADJUST = "loyalty:points.adjust"
    REDEMPTIONS_WRITE = "loyalty:redemptions.write"
    REDEMPTIONS_REVERSE = "loyalty:redemptions.reverse"
    ORDERS_READ = "orders:orders.read"
    ORDERS_PLACE = "orders:orders.place"
    ORDERS_CANCEL = "orders:orders.cancel"
    FULFILLMENTS_CREATE = "orders:fulfillments.create"
    FULFILLMENTS_MOVE = "orders:fulfillments.move"
    SHIPMENTS_READ = "orders:shipments.read"
    SHIPMENTS_REGISTER = "orders:shipments.register"
    TIMELINE_READ = "orders:timeline.read"
    PREFERENCES = "orders:preferences"
    CONTACTS_CLAIM = "orders:contacts.claim"
    CUSTOMERS_ERASE = "orders:customers.erase"
    INBOX = "orders:inbox"
    POLICIES_READ = "returns:policies.read"
    POLICIES_WRITE = "returns:policies.write"
    PURCHASES_SEARCH = "returns:purchases.search"
    RETURNS_READ = "returns:returns.read"
    RETURNS_REQUEST = "returns:returns.request"
    RETURNS_RECEIVE = "returns:returns.receive"
    RETURNS_DECIDE = "returns:returns.decide"
    REFUNDS_SETTLE = "returns:refunds.settle"
    RETURNS_INBOX = "returns:inbox"


_READ = {
    Scope.PROGRAMS_READ,
    Scope.ACCOUNTS_READ,
    Scope.ORDERS_READ,
    Scope.SHIPMENTS_READ,
    # A customer says "I am here"; a till hands over. Which moves are whose is the order's affair.
    Scope.FULFILLMENTS_MOVE,
    Scope.POLICIES_READ,
    Scope.RETURNS_READ,
    # Quote, open, send, cancel: the same for everybody, each for what is theirs.
    Scope.RETURNS_REQUEST,
}
_CUSTOMER = _READ | {Scope.ORDERS_CANCEL, Scope.TIMELINE_READ, Scope.PREFERENCES}
_TILL = _READ | {
    Scope.ACCOUNTS_SEARCH,
    Scope.POINTS_CALCULATE,
    Scope.POINTS_ACCUMULATE,
    Scope.REDEMPTIONS_WRITE,
    Scope.ORDERS_PLACE,
    Scope.FULFILLMENTS_CREATE,
    Scope.PURCHASES_SEARCH,
    Scope.RETURNS_RECEIVE,
    Scope.REFUNDS_SETTLE,
}
_INTEGRATION = _TILL | {
    Scope.ACCOUNTS_ENROL,
    Scope.ORDERS_CANCEL,
    Scope.SHIPMENTS_REGISTER,
    Scope.CONTACTS_CLAIM,
}
_STAFF = (
    _CUSTOMER
    | _INTEGRATION
    | {Scope.POINTS_ADJUST, Scope.REDEMPTIONS_REVERSE, Scope.CUSTOMERS_ERASE, Scope.INBOX}
    | {Scope.RETURNS_DECIDE, Scope.RETURNS_INBOX}
)

ROLE_SCOPES: Mapping[Role, frozenset[Scope]] = {
    Role.CUSTOMER: frozenset(_CUSTOMER),
    Role.TERMINAL: frozenset(_TILL),
    Role.INTEGRATION: frozenset(_INTEGRATION),
    Role.STAFF: frozenset(_STAFF),
    Role.ADMIN: frozenset(_STAFF | {Scope.PROGRAMS_WRITE, Scope.POLICIES_WRITE}),
}

# Where a request comes from, when it does not say so itself.
_ROLE_CHANNEL: Mapping[Role, str] = {
    Role.CUSTOMER: "app",
    Role.TERMINAL: "pos",
    Role.INTEGRATION: "web",
    Role.STAFF: "staff",
    Role.ADMIN: "staff",
}


@dataclass(frozen=True, slots=True)
class Principal:
    """The verified caller. `store_id` and `terminal_id` are a terminal's, else empty."""

    subject: str
    role: Role
    scopes: frozenset[str]
    store_id: str = ""
    terminal_id: str = ""

    @property
    def actor(self) -> str:
        return f"{self.role}:{self.subject}"

    @property
    def channel(self) -> str:
        return _ROLE_CHANNEL[self.role]

    def require(self, scope: Scope) -> None:
        """Raise Forbidden unless both the role and the token allow it."""
        if scope not in self.scopes or scope not in ROLE_SCOPES[self.role]:
            raise Forbidden(f"This call needs the scope {scope}", scope=scope.value)

    def owns(self, customer_id: str | None) -> bool:
        """Tell whether this caller may see what belongs to a customer.

        What is not theirs is hidden: answer exactly as if it did not exist.
        """
        return self.role is not Role.CUSTOMER or customer_id == self.subject

    def has_placed(self, integration: str | None) -> bool:
        """Tell whether an order is this caller's affair: of what integrations have placed, by their
        `actor`, each has its own. What no integration has placed is for all of them."""
        return self.role is not Role.INTEGRATION or integration in (None, self.actor)

    def at_location(self, location_id: str | None) -> str | None:
        """Return where this happens; a terminal acts in its own store only (else Forbidden)."""
        if self.role is not Role.TERMINAL:
            return location_id
        if not self.store_id:
            raise Forbidden("The terminal's token names no store")
        if location_id not in (None, self.store_id):
            raise Forbidden(f"This terminal belongs to {self.store_id}")
        return self.store_id


def principal_of(request_context: Mapping[str, Any], now: datetime) -> Principal:
    """Read what the authorizer put into the request's context. Raises Unauthenticated.

    The authorizer's answer outlives the token by minutes in API Gateway's cache, so the token's end
    (`exp`, seconds) is looked at again.
    """
    claims = request_context.get("authorizer") or {}
    try:
        if "exp" in claims and int(claims["exp"]) <= now.timestamp():
            raise Unauthenticated("The token has expired")
        return Principal(
            subject=claims["sub"],
            role=Role(claims["role"]),
            scopes=frozenset(str(claims.get("scope") or "").split()),
            store_id=claims.get("store_id") or "",
            terminal_id=claims.get("terminal_id") or "",
        )
    except (KeyError, ValueError) as unusable:
        raise Unauthenticated("The token names no subject or no known role") from unusable


# Who calls a route that asks for no token: nobody's customer, with no right to anything.
ANYONE = Principal(subject="", role=Role.CUSTOMER, scopes=frozenset())

# The authorizer belongs to the platform stack, which exports its invocation address.
AUTHORIZER = CustomAuthorizer(
    "tandem",
    authorizer_uri={"Fn::ImportValue": {"Fn::Sub": "tandem-${Stage}-authorizer-uri"}},  # type: ignore[arg-type]
    header="Authorization",
    ttl_seconds=300,
)
