"""The sandbox's seller of labels: shipments as EasyPost makes them.

Written from docs.easypost.com/docs/shipments. A shipment is bought once, at one of its own rates;
that of a return has its two addresses exchanged.
"""

from __future__ import annotations

import json
import secrets
import time
from datetime import UTC, datetime
from typing import Any

from tandem_local.sandbox_faults import Fault, Faults, Reply, played
from tandem_local.sandbox_ledger import Document, Ledger
from tandem_local.sandbox_payers import Call

_CARRIER = "USPS"
_RATES = (("Express", "51.20"), ("GroundAdvantage", "8.20"), ("Priority", "11.01"))
_NEEDED = ("name", "street1", "city", "zip", "country")


class EasyPostSandbox:
    """POST /shipments, GET /shipments/{id}, POST /shipments/{id}/buy, and the label itself."""

    def __init__(self, ledger: Ledger, faults: Faults, url: str) -> None:
        self._ledger = ledger
        self._faults = faults
        self._url = url

    def answer(self, call: Call) -> Reply:
        parts = call.path.strip("/").split("/")
        match call.method, parts:
            case "GET", ["labels", name]:
                return self._label(name.removesuffix(".svg"))
            case _ if not call.headers.get("authorization", "").startswith("Basic "):
                return _error(401, "APIKEY.INACTIVE")
            case "POST", ["shipments"]:
                told = json.loads(call.body)["shipment"]
                facts = {"operation": "shipment", "return_id": str(told.get("reference"))}
                return self._played(facts, lambda fault: self._create(told, fault))
            case "GET", ["shipments", name]:
                return self._played({"operation": "get"}, lambda _: self._present(name))
            case "POST", ["shipments", name, "buy"]:
                rate = json.loads(call.body)["rate"]["id"]
                shipment = self._ledger.find("shipment", name) or {}
                facts = {"operation": "buy", "return_id": str(shipment.get("reference"))}
                return self._played(facts, lambda fault: self._buy(name, rate, fault))
        return _error(404, "NOT_FOUND")

    def bought(self) -> list[Document]:
        return [one for one in self._ledger.all("shipment") if one["postage_label"]]

    def _played(self, facts: dict[str, str], act: Any) -> Reply:
        return played(self._faults.take({"provider": "easypost", **facts}), act)

    def _create(self, told: Document, fault: Fault | None) -> Reply:
        addresses = [told.get("to_address") or {}, told.get("from_address") or {}]
        if any(not one.get(name) for one in addresses for name in _NEEDED):
            return _error(422, "ADDRESS.PARAMETERS.INVALID")
        if fault:
            return _error(422, fault.reason or "SHIPMENT.INVALID_PARAMS")
        # Labels across a border need papers, see the adapter.
        is_domestic = addresses[0]["country"] == addresses[1]["country"]
        to_address, from_address = reversed(addresses) if told.get("is_return") else addresses
        name = f"shp_{secrets.token_hex(16)}"
        shipment = {
            "id": name,
            "object": "Shipment",
            "created_at": datetime.now(UTC).isoformat(),
            "is_return": bool(told.get("is_return")),
            "reference": told.get("reference"),
            "to_address": to_address,
            "from_address": from_address,
            "parcel": told.get("parcel"),
            "rates": [
                {
                    "id": f"rate_{secrets.token_hex(16)}",
                    "object": "Rate",
                    "carrier": _CARRIER,
                    "service": service,
                    "rate": rate,
                    "currency": "USD",
                    "shipment_id": name,
                }
                for service, rate in (_RATES if is_domestic else ())
            ],
            "selected_rate": None,
            "postage_label": None,
            "tracking_code": None,
            "status": "unknown",
        }
        self._ledger.keep("shipment", name, shipment)
        return Reply(201, shipment)

    def _present(self, name: str) -> Reply:
        shipment = self._ledger.find("shipment", name)
        return Reply(200, shipment) if shipment else _error(404, "NOT_FOUND")

    def _buy(self, name: str, rate_id: str, fault: Fault | None) -> Reply:
        with self._ledger.lock:
            shipment = self._ledger.find("shipment", name)
            if shipment is None:
                return _error(404, "NOT_FOUND")
            if shipment["postage_label"]:
                return _error(422, "SHIPMENT.POSTAGE.EXISTS")
            rate = next((one for one in shipment["rates"] if one["id"] == rate_id), None)
            if rate is None or fault:
                return _error(422, fault.reason if fault else "SHIPMENT.POSTAGE.FAILURE")
            shipment |= {
                "selected_rate": rate,
                "tracking_code": tracking_number(),
                "postage_label": {
                    "id": f"pl_{secrets.token_hex(16)}",
                    "object": "PostageLabel",
                    "label_url": f"{self._url}/labels/{name}.svg",
                },
                "updated_at": int(time.time()),
            }
            self._ledger.keep("shipment", name, shipment)
            return Reply(200, shipment)

    def _label(self, name: str) -> Reply:
        shipment = self._ledger.find("shipment", name)
        if shipment is None or not shipment["postage_label"]:
            return _error(404, "NOT_FOUND")
        picture = (
            '<svg xmlns="http://www.w3.org/2000/svg" width="480" height="120">'
            '<rect width="480" height="120" fill="white" stroke="black"/>'
            f'<text x="20" y="70" font-size="24">{shipment["tracking_code"]}</text></svg>'
        )
        return Reply(200, picture, {"Content-Type": "image/svg+xml"})


def tracking_number() -> str:
    """Return a number that USPS could have given: 22 digits, the last of which is the check."""
    digits = f"9400100{secrets.randbelow(10**14):014d}"
    total = sum(int(digit) * (1 if place % 2 else 3) for place, digit in enumerate(digits))
    return f"{digits}{-total % 10}"


def _error(status: int, code: str) -> Reply:
    return Reply(status, {"error": {"code": code, "message": code, "errors": []}})
