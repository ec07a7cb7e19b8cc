"""Runs ministack, in the engine's own interpreter, for as long as its parent lives, and keeps what
it acknowledged.

By itself ministack saves its state when it is stopped in order, and loses all of a run that is not.
Here every successful write to a table is appended to a log before it is answered, and a start
writes the log into what was last saved. So a killed process loses no write to a table; it loses
the messages that were in queues, which the journal can replay.

Started as `engine_process.py FOLDER`, in another environment: nothing of this package can be
imported here. Everything it changes of ministack is in `_KeptTables`; the version is pinned.
"""

from __future__ import annotations

import base64
import json
import os
import signal
import sys
import threading
from pathlib import Path
from typing import Any

_WRITES = frozenset({"BatchWriteItem", "DeleteItem", "PutItem", "TransactWriteItems", "UpdateItem"})


class _KeptTables:
    """The log of writes, between ministack and its own saving and loading.

    ministack answers DynamoDB calls one at a time, without waiting within one: so the order of the
    log is the order in which the writes took effect.
    """

    def __init__(self, engine: Any, tables: Any, requests: Any, path: Path) -> None:
        self._engine = engine
        self._requests = requests
        self._handle = tables.handle_request
        self._save_all = engine.save_all
        self._load = engine._load_persisted_state  # noqa: SLF001  it has no other door
        self._path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        self._log = path.open("ab", buffering=0)
        tables.handle_request = self._handle_and_log
        engine.save_all = self._save_and_clear
        engine._load_persisted_state = self._load_and_replay  # noqa: SLF001

    def save(self) -> None:
        """Save everything now; called on the engine's event loop, between two requests."""
        self._save_and_clear(self._engine._build_persistence_save_dict())  # noqa: SLF001

    async def _handle_and_log(
        self, method: str, path: str, headers: Any, body: bytes, query: Any
    ) -> Any:
        answer = await self._handle(method, path, headers, body, query)
        target = headers.get("x-amz-target", "")
        if answer[0] == 200 and target.rpartition(".")[2] in _WRITES:  # noqa: PLR2004
            entry = {
                "account": self._requests.get_account_id(),
                "region": self._requests.get_region(),
                "target": target,
                "body": base64.b64encode(body).decode(),
            }
            self._log.write(json.dumps(entry).encode() + b"\n")
        return answer

    def _save_and_clear(self, services: Any) -> None:
        self._save_all(services)
        self._log.truncate(0)

    def _load_and_replay(self) -> None:
        """What the saved state has already is refused by its condition or written once more."""
        self._load()
        for line in self._path.read_bytes().splitlines():
            try:
                entry = json.loads(line)
            except ValueError:
                return  # the last line, cut off by the end of the process: it was not answered
            self._requests.set_request_account_id(entry["account"])
            self._requests.set_request_region(entry["region"])
            headers = {"x-amz-target": entry["target"]}
            body = base64.b64decode(entry["body"])
            _run_without_waiting(self._handle("POST", "/", headers, body, {}))


def _run_without_waiting(coroutine: Any) -> None:
    try:
        coroutine.send(None)
    except StopIteration:
        return
    raise RuntimeError("the engine's tables have begun to wait for something")


def main() -> None:
    # The environment says where ministack keeps what, so it is imported when that is read.
    from hypercorn.config import Config  # type: ignore[import-not-found]  # noqa: PLC0415
    from ministack import app as engine  # type: ignore[import-not-found]  # noqa: PLC0415
    from ministack.core import responses  # type: ignore[import-not-found]  # noqa: PLC0415
    from ministack.services import dynamodb  # type: ignore[import-not-found]  # noqa: PLC0415

    # Whoever stops the engine has stopped its callers before; what is left are idle connections.
    Config.graceful_timeout = 0.1
    # ministack reads the command line as well, and knows no folder.
    folder = Path(sys.argv.pop(1))
    kept = _KeptTables(engine, dynamodb, responses, folder / "writes.log")
    signal.signal(
        signal.SIGUSR1,
        lambda *_: engine._MAIN_LOOP.call_soon_threadsafe(kept.save),  # noqa: SLF001
    )
    threading.Thread(target=_stop_with_parent, daemon=True).start()
    engine.main()


def _stop_with_parent() -> None:
    """Standard input is a pipe that nobody writes to: it ends when the parent does, however.

    The signal is the same as for an orderly stop, so the engine saves its state all the same.
    """
    os.read(0, 1)
    os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    main()
