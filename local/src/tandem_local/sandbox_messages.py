"""What the sandbox's providers do later: end what is pending, and tell it by signed webhooks.

Both are kept in the ledger until they are done, so a restart forgets neither. A webhook is sent
again until it is taken, each time signed anew, as Stripe does.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import secrets
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from http.client import HTTPException
from typing import Any

from tandem_local.sandbox_ledger import Document, Ledger

_PATIENCE_SECONDS = 5.0
_IDLE_SECONDS = 60.0
_MAX_TRIES = 50
_LONGEST_WAIT_SECONDS = 30.0

Finish = Callable[[str, str, str], None]


class Later:
    """One thread that does what is due. `finish` ends a refund: its id, status and reason."""

    def __init__(
        self, ledger: Ledger, webhooks: str, keys: Mapping[str, Sequence[str]], finish: Finish
    ) -> None:
        self._ledger = ledger
        self._webhooks = webhooks
        self._keys = keys
        self._finish = finish
        self._wake = threading.Event()
        self._closing = False
        self._thread = threading.Thread(target=self._run, name="sandbox-later", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._closing = True
        self._wake.set()
        self._thread.join()

    def finish_at(self, refund_id: str, at: float, status: str, reason: str) -> None:
        document = {"refund": refund_id, "at": at, "status": status, "reason": reason}
        self._ledger.keep("pending", refund_id, document)
        self._wake.set()

    def tell(self, source: str, message_id: str, body: Mapping[str, Any]) -> None:
        document = {"source": source, "id": message_id, "body": body, "at": 0.0, "tries": 0}
        self._ledger.keep("message", message_id, document)
        self._wake.set()

    def _run(self) -> None:
        while True:
            # Before the look: whoever wakes after it is heard.
            self._wake.clear()
            if self._closing:
                return
            now = time.time()
            pending = self._ledger.all("pending")
            for one in pending:
                if one["at"] <= now:
                    self._finish(one["refund"], one["status"], one["reason"])
                    self._ledger.drop("pending", one["refund"])
            messages = self._ledger.all("message")
            for message in messages:
                if message["at"] <= now and not self._closing:
                    self._send(message)
            dues = [one["at"] for one in (*pending, *messages) if one["at"] > now]
            self._wake.wait(min([due - now for due in dues], default=_IDLE_SECONDS))

    def _send(self, message: Document) -> None:
        """Send a message once; forget it when it was taken, or when nobody ever takes it."""
        if self._post(message) or message["tries"] >= _MAX_TRIES:
            self._ledger.drop("message", message["id"])
            return
        tries = message["tries"] + 1
        wait = min(0.2 * 2.0 ** min(tries, 20), _LONGEST_WAIT_SECONDS)
        again = message | {"tries": tries, "at": time.time() + wait}
        self._ledger.keep("message", message["id"], again)
        self._wake.set()

    def _post(self, message: Document) -> bool:
        source = message["source"]
        body = json.dumps(message["body"]).encode()
        headers = signed(source, message["id"], body, self._keys[source], int(time.time()))
        request = urllib.request.Request(  # noqa: S310  the address is the local cloud's own
            f"{self._webhooks}/{source}",
            data=body,
            headers={"Content-Type": "application/json", **headers},
            method="POST",
        )
        try:
            with urllib.request.urlopen(request, timeout=_PATIENCE_SECONDS):  # noqa: S310
                return True
        except urllib.error.HTTPError as refusal:
            refusal.close()
            return False
        except (OSError, HTTPException):
            return False


def message_id(prefix: str) -> str:
    return f"{prefix}_{secrets.token_hex(12)}"


def signed(
    source: str, message_id: str, body: bytes, keys: Sequence[str], at: int
) -> dict[str, str]:
    """Return the headers by which a provider proves who sent a body: by its newest key."""
    key = keys[0].encode()
    if source == "stripe":
        signature = hmac.new(key, f"{at}.".encode() + body, hashlib.sha256).hexdigest()
        return {"Stripe-Signature": f"t={at},v1={signature}"}
    raw = hmac.digest(key, f"{message_id}.{at}.".encode() + body, hashlib.sha256)
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(at),
        "webhook-signature": f"v1,{base64.b64encode(raw).decode()}",
    }
