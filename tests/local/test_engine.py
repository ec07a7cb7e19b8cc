"""The engine keeps what it acknowledged: after an orderly stop, and after a kill."""

from __future__ import annotations

import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tandem_local.clients import Clients
from tandem_local.engine import Engine

ROOT = Path(__file__).resolve().parents[2]

WaitUntil = Callable[[Callable[[], object]], None]


@pytest.fixture
def make_engine(tmp_path: Path) -> Callable[[], Engine]:
    """Return a maker of engines that all work on the same data, one after the other."""

    def make() -> Engine:
        engine = Engine(ROOT / ".venv-engine" / "bin" / "python", tmp_path, tmp_path / "engine.log")
        engine.start()
        return engine

    return make


def create_table(clients: Clients) -> None:
    clients.dynamodb.create_table(
        TableName="points",
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": "key", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "key", "KeyType": "HASH"}],
    )


def put(key: str, version: int) -> Any:
    condition = "attribute_not_exists(version)" if version == 1 else "version = :before"
    values: Any = {":before": {"N": str(version - 1)}}
    write: Any = {
        "TableName": "points",
        "Item": {"key": {"S": key}, "version": {"N": str(version)}},
        "ConditionExpression": condition,
    }
    if version > 1:
        write["ExpressionAttributeValues"] = values
    return {"Put": write}


def versions(clients: Clients) -> dict[str, int]:
    items = clients.dynamodb.scan(TableName="points", ConsistentRead=True)["Items"]
    return {item["key"]["S"]: int(item["version"]["N"]) for item in items}


def kill(engine: Engine) -> None:
    process = engine._process  # noqa: SLF001  it has no business of being killed but here
    assert process
    process.send_signal(signal.SIGKILL)
    process.wait()
    engine.stop()


def test_data_survive_an_orderly_stop(make_engine: Callable[[], Engine]) -> None:
    engine = make_engine()
    clients = Clients(engine.endpoint)
    create_table(clients)
    clients.dynamodb.transact_write_items(TransactItems=[put("a", 1)])
    engine.stop()
    engine = make_engine()
    assert versions(Clients(engine.endpoint)) == {"a": 1}
    assert engine.saved_at
    assert not engine.was_killed
    engine.stop()


def test_no_acknowledged_write_is_lost_by_a_kill(
    make_engine: Callable[[], Engine], tmp_path: Path, wait_until: WaitUntil
) -> None:
    engine = make_engine()
    clients = Clients(engine.endpoint)
    create_table(clients)
    clients.dynamodb.transact_write_items(TransactItems=[put("a", 1)])
    engine.save()
    saved = tmp_path / "engine" / "state" / "dynamodb.json"
    log = tmp_path / "engine" / "writes.log"
    wait_until(lambda: saved.exists() and log.stat().st_size == 0)
    for writes in ([put("a", 2), put("b", 1)], [put("a", 3)]):
        clients.dynamodb.transact_write_items(TransactItems=writes)
    clients.dynamodb.put_item(TableName="points", Item={"key": {"S": "c"}, "version": {"N": "1"}})
    clients.dynamodb.delete_item(TableName="points", Key={"key": {"S": "b"}})
    kill(engine)

    engine = make_engine()
    assert engine.was_killed
    assert versions(Clients(engine.endpoint)) == {"a": 3, "c": 1}
    kill(engine)

    log.write_bytes(log.read_bytes() + b'{"cut o')
    engine = make_engine()
    assert versions(Clients(engine.endpoint)) == {"a": 3, "c": 1}
    engine.stop()


def test_temporary_files_go_with_the_engine(
    make_engine: Callable[[], Engine], tmp_path: Path
) -> None:
    engine = make_engine()
    create_table(Clients(engine.endpoint))
    engine.stop()
    assert not (tmp_path / "engine" / "scratch").exists()
