"""What the sandbox's providers keep: documents by kind and name, in one file of the data folder.

Independent of everything that it is compared with: nothing here knows what a service wrote down.
Whoever decides by what is kept holds `lock` from the look to the change.
"""

from __future__ import annotations

import json
import sqlite3
import threading
from pathlib import Path
from typing import Any

Document = dict[str, Any]

_TABLE = """
CREATE TABLE IF NOT EXISTS documents (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    kind TEXT NOT NULL,
    name TEXT NOT NULL,
    topic TEXT NOT NULL,
    body TEXT NOT NULL,
    UNIQUE (kind, name)
);
CREATE INDEX IF NOT EXISTS by_topic ON documents (kind, topic, seq);
"""


class Ledger:
    """Written through: what was kept survives the end of the process, however it comes."""

    def __init__(self, path: Path) -> None:
        self.lock = threading.RLock()
        self._database = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
        # The system's buffers outlive the process; a power cut may cost the last entries.
        self._database.execute("PRAGMA journal_mode = WAL")
        self._database.execute("PRAGMA synchronous = NORMAL")
        self._database.executescript(_TABLE)

    def keep(self, kind: str, name: str, document: Document, topic: str = "") -> None:
        """Keep a document, or its newest form; `topic` is what it is listed by, and stays."""
        with self.lock:
            self._database.execute(
                "INSERT INTO documents (kind, name, topic, body) VALUES (?, ?, ?, ?)"
                " ON CONFLICT (kind, name) DO UPDATE SET body = excluded.body",
                (kind, name, topic, json.dumps(document)),
            )

    def find(self, kind: str, name: str) -> Document | None:
        found = self._read("kind = ? AND name = ?", kind, name)
        return found[0] if found else None

    def all(self, kind: str) -> list[Document]:
        """Return every document of a kind, oldest first."""
        return self._read("kind = ?", kind)

    def about(self, kind: str, topic: str) -> list[Document]:
        """Return the documents of a kind with a topic, oldest first."""
        return self._read("kind = ? AND topic = ?", kind, topic)

    def drop(self, kind: str, name: str | None = None) -> None:
        """Forget a document, or all of a kind."""
        with self.lock:
            if name is None:
                self._database.execute("DELETE FROM documents WHERE kind = ?", (kind,))
            else:
                self._database.execute(
                    "DELETE FROM documents WHERE kind = ? AND name = ?", (kind, name)
                )

    def close(self) -> None:
        with self.lock:
            self._database.close()

    def _read(self, condition: str, *values: str) -> list[Document]:
        with self.lock:
            rows = self._database.execute(
                f"SELECT body FROM documents WHERE {condition} ORDER BY seq",  # noqa: S608  ours
                values,
            ).fetchall()
        return [json.loads(body) for (body,) in rows]
