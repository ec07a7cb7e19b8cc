"""Return labels through EasyPost.

Sources: docs.easypost.com/docs/shipments, /docs/shipments/returns, /docs/errors. For a return the
addresses stay those of the parcel that went out, from the retailer to the customer; EasyPost
exchanges them. A shipment is bought once: when buying is refused, the shipment itself says whether
it is because it is bought.

Sells no labels across a customs border: those need papers that we have nothing to fill in with.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from decimal import Decimal, InvalidOperation
from typing import Any
from urllib.parse import quote

from pydantic import ValidationError

from tandem_returns.labels import Address, Label, LabelOrder, LabelUnavailable, Prepared
from tandem_returns.payments import EasyPostSettings, Patience
from tandem_returns.providers.wire import Answer, NoAnswer, call

NAME = "easypost"

_GRAMS_PER_OUNCE = Decimal("28.349523125")
_TENTH = Decimal("0.1")
_MAX_CODE = 64


class EasyPost:
    """Sells return labels of the retailer's own carriers."""

    name = NAME

    def __init__(self, settings: EasyPostSettings, patience: Patience) -> None:
        self._settings = settings
        self._patience = patience

    def prepare(self, order: LabelOrder) -> Prepared:
        ounces = (order.grams / _GRAMS_PER_OUNCE).quantize(_TENTH)
        shipment = {
            "is_return": True,
            "reference": order.return_id,
            "from_address": _address(self._settings.return_address),
            "to_address": _address(order.customer),
            "parcel": {"weight": float(max(ounces, _TENTH))},
        }
        answer = self._call("POST", "/shipments", {"shipment": shipment})
        if not answer.is_success:
            raise _refused(answer)
        rates = answer.document.get("rates")
        if not isinstance(rates, list):
            raise LabelUnavailable("unreadable_answer", retry=True)
        rate = _cheapest(rates)
        if rate is None:
            raise LabelUnavailable("no_rates", retry=False)
        try:
            return Prepared(shipment_reference=answer.document["id"], rate_reference=rate["id"])
        except (KeyError, ValidationError) as unread:
            raise LabelUnavailable("unreadable_answer", retry=True) from unread

    def buy(self, shipment_reference: str, rate_reference: str) -> Label:
        path = f"/shipments/{quote(shipment_reference, safe='')}"
        answer = self._call("POST", f"{path}/buy", {"rate": {"id": rate_reference}})
        if answer.is_success:
            return _label(answer.document)
        present = self._call("GET", path)
        if present.is_success and present.inside("postage_label"):
            return _label(present.document)
        raise _refused(answer)

    def _call(self, method: str, path: str, told: Mapping[str, Any] | None = None) -> Answer:
        key = f"{self._settings.api_key.get_secret_value()}:"
        headers = {"Authorization": f"Basic {base64.b64encode(key.encode()).decode()}"}
        if told is not None:
            headers["Content-Type"] = "application/json"
        try:
            return call(
                method,
                self._settings.url,
                path,
                headers=headers,
                body=None if told is None else json.dumps(told).encode(),
                patience=self._patience,
            )
        except NoAnswer as silence:
            raise LabelUnavailable(silence.reason, retry=True) from silence


def _address(address: Address) -> dict[str, str]:
    return {
        "name": address.name,
        "street1": address.street1,
        "street2": address.street2,
        "city": address.city,
        "state": address.region,
        "zip": address.postal_code,
        "country": address.country,
        "phone": address.phone,
        "email": address.email,
    }


def _cheapest(rates: Sequence[Any]) -> Mapping[str, Any] | None:
    """Return the cheapest of the rates that have a price; the first of several."""
    priced = []
    for rate in rates:
        try:
            priced.append((Decimal(str(rate["rate"])), rate))
        except (KeyError, TypeError, InvalidOperation):
            continue
    return min(priced, key=lambda one: one[0])[1] if priced else None


def _label(shipment: Mapping[str, Any]) -> Label:
    """Read a bought shipment. Raises LabelUnavailable."""
    answer = Answer(200, shipment)
    rate = answer.inside("selected_rate")
    try:
        return Label.model_validate(
            {
                "carrier": rate.get("carrier"),
                "service": rate.get("service") or "",
                "tracking_number": shipment.get("tracking_code"),
                "label_url": answer.inside("postage_label").get("label_url"),
            }
        )
    except ValidationError as unread:
        raise LabelUnavailable("unreadable_answer", retry=True) from unread


def _refused(answer: Answer) -> LabelUnavailable:
    """Return why EasyPost refused, in its own code: SHIPMENT.INVALID_PARAMS."""
    reason = answer.inside("error").get("code")
    known = isinstance(reason, str) and 0 < len(reason) <= _MAX_CODE
    return LabelUnavailable(str(reason) if known else f"status_{answer.status}", retry=False)
