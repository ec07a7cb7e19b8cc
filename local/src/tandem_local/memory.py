"""What the runner has to know after a restart: how far each stack's journal is relayed, and when
its schedules last ran. One small file in the data folder."""

from __future__ import annotations

import json
import threading
from pathlib import Path

_SAVE_SECONDS = 1.0


class Memory:
    """Saved every second while it changes, and when it is closed."""

    def __init__(self, path: Path) -> None:
        self._path = path
        kept = json.loads(path.read_text()) if path.exists() else {}
        self.last_runs: dict[str, float] = kept.get("last_runs", {})
        self._relayed: dict[str, float] = kept.get("relayed_until", {})
        self._held: dict[str, float] = {}
        self._lock = threading.Lock()
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._save_regularly, name="memory", daemon=True)
        self._thread.start()

    def relayed_until(self, stack: str) -> float | None:
        return self._relayed.get(stack)

    def hold(self, stack: str, now: float) -> None:
        """Keep the old time while what came after it, up to now, is being replayed."""
        with self._lock:
            self._held[stack] = now

    def release(self, stack: str) -> None:
        with self._lock:
            self._advance(stack, self._held.pop(stack))

    def relayed(self, stack: str, created_at: float) -> None:
        """Note that all records up to this time are published or given up."""
        with self._lock:
            if stack in self._held:
                self._held[stack] = max(self._held[stack], created_at)
            else:
                self._advance(stack, created_at)

    def close(self) -> None:
        self._closing.set()
        self._thread.join()

    def _advance(self, stack: str, created_at: float) -> None:
        self._relayed[stack] = max(self._relayed.get(stack, 0.0), created_at)

    def _save_regularly(self) -> None:
        saved = ""
        is_last = False
        while not is_last:
            is_last = self._closing.wait(_SAVE_SECONDS)
            with self._lock:
                kept = {"relayed_until": self._relayed, "last_runs": self.last_runs}
                text = json.dumps(kept, indent=1)
            if text != saved:
                unfinished = self._path.with_suffix(".unfinished")
                unfinished.write_text(text)
                unfinished.replace(self._path)
                saved = text
