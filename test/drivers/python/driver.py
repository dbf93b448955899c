"""eventlog by psycopg 3: everything a client does, with the values psycopg sends by itself. Needs PG* variables."""
import json
import secrets
import threading
import time
import uuid
from datetime import datetime, timezone

import psycopg
from psycopg.types.json import Json, Jsonb

PREFIX = "driver_psycopg_" + secrets.token_hex(4)
TEXT, JSON, BYTES, UUID, BIG = (f"{PREFIX}_{kind}" for kind in ("text", "json", "bytes", "uuid", "big"))
GROUP = PREFIX + "_group"
DOCUMENT = {"id": 1, "name": "Zoë €", "nested": {"list": [1, None, "x"]}}


def ok(what):
    print("ok - psycopg:", what, flush=True)


def one(query, *parameters):
    return connection.execute(query, parameters).fetchone()[0]


def rows(query, *parameters):
    return connection.execute(query, parameters).fetchall()


def later(query, *parameters):
    """Runs a statement in another connection after a moment."""
    def run():
        time.sleep(0.3)
        with psycopg.connect(autocommit=True) as other:
            other.execute(query, parameters)
    thread = threading.Thread(target=run)
    thread.start()
    return thread


def expect_error(sqlstate, query, *parameters):
    try:
        connection.execute(query, parameters)
    except psycopg.Error as error:
        assert error.sqlstate == sqlstate, (error.sqlstate, str(error))
    else:
        raise AssertionError(f"{query} did not fail with {sqlstate}")


def produce():
    first = one("SELECT produce(%s, %s, %s)", TEXT, "key", "value Zoë €")
    assert first in (0, 1, 2), first
    assert one("SELECT produce(%s, %s, %s)", TEXT, "key", "second") == first
    assert one("SELECT produce(%s, %s, %s, headers => %s, partition => %s, event_time => %s)",
               TEXT, "key", "third", Jsonb({"trace": "abc"}), 1, datetime(2024, 5, 6, 7, 8, 9, tzinfo=timezone.utc)) == 1
    ok("produce text, headers, partition, time")

    one("SELECT produce(%s, %s, %s)", JSON, "order-1", Json(DOCUMENT))
    one("SELECT produce(%s, %s, %s)", JSON, "order-2", Jsonb(DOCUMENT))
    ok("produce JSON")

    one("SELECT produce(%s, %s, %s)", BYTES, "b", b"\x00\x01\xffabc")
    ok("produce bytes")

    one("SELECT produce(%s, %s, %s)", UUID, uuid.UUID(int=7), Jsonb([1, 2]))
    ok("produce with a uuid key")

    # psycopg sends the smallest integer type that fits
    one("SELECT produce(%s, %s, %s)", BIG, 42, 9007199254740993)
    ok("produce bigint")

    one("SELECT produce(%s, %s, %s)", TEXT, "gone", None)
    one("SELECT produce(%s, %s, %s)", TEXT, None, "no key")
    ok("produce NULL")

    connection.execute(f"INSERT INTO {JSON} (key, value) VALUES (%s, %s)", ("order-3", Json(DOCUMENT)))
    connection.execute(f"INSERT INTO {BIG} (key, value) VALUES (%s, %s)", (43, 1))
    ok("INSERT")

    events = [{"key": f"batch-{n}", "value": {"n": n}} for n in range(3)]
    assert one("SELECT produce_batch(%s, %s)", JSON, Jsonb(events[:1])) == 1
    assert one("SELECT produce_batch(%s, %s)", JSON, Json(events[1:2])) == 1
    assert one("SELECT produce_batch(%s, %s)", JSON, json.dumps(events[2:])) == 1
    assert one("SELECT produce_batch(%s, %s, %s)", TEXT, ["a", "b", None], ["1", None, "3"]) == 3
    ok("produce_batch")


def consume():
    query = "SELECT partition, event_offset, key, value, headers FROM consume(%s, %s, max_events => %s)"
    try:
        with connection.transaction():
            delivered = rows(query, GROUP, JSON, 100)
            assert len(delivered) == 6, delivered
            raise RuntimeError("roll back")
    except RuntimeError:
        pass
    with connection.transaction():
        assert sorted(rows(query, GROUP, JSON, 100)) == sorted(delivered)
        assert one("SELECT commit(%s)", GROUP) >= 1
    assert rows(query, GROUP, JSON, 100) == []
    values = {key: value for _, _, key, value, _ in delivered}
    assert values["order-1"] == values["order-2"] == values["order-3"] == DOCUMENT, values
    assert [values[f"batch-{n}"] for n in range(3)] == [{"n": 0}, {"n": 1}, {"n": 2}]
    ok("consume and commit in a transaction")

    query = "SELECT partition, event_time, key, value, headers FROM consume(%s, %s, commit => true)"
    events = rows(query, GROUP, TEXT)
    assert len(events) == 8, events
    by_key = {}
    for _, _, key, value, _ in events:
        by_key.setdefault(key, []).append(value)
    assert sorted(by_key["key"]) == ["second", "third", "value Zoë €"], by_key
    assert by_key["gone"] == [None] and by_key["b"] == [None] and by_key["a"] == ["1"], by_key
    assert sorted(by_key[None]) == ["3", "no key"], by_key
    third = next(event for event in events if event[3] == "third")
    assert third == (1, datetime(2024, 5, 6, 7, 8, 9, tzinfo=timezone.utc), "key", "third", {"trace": "abc"}), third
    assert rows(query, GROUP, TEXT) == []
    ok("consume with commit => true")

    [(key, value)] = rows("SELECT key, value FROM consume_bytes(%s, %s, commit => true)", GROUP, BYTES)
    assert (key, value) == (b"b", b"\x00\x01\xffabc"), (key, value)
    ok("consume_bytes")

    [(key, value)] = rows("SELECT key, value FROM consume(%s, %s, commit => true)", GROUP, UUID)
    assert (key, value) == (str(uuid.UUID(int=7)), [1, 2]), (key, value)
    assert rows("SELECT key, value FROM consume(%s, %s, commit => true)", GROUP, BIG) == [("42", 9007199254740993), ("43", 1)]
    assert rows(f"SELECT key, value FROM {BIG} ORDER BY event_offset") == [(42, 9007199254740993), (43, 1)]
    assert rows("SELECT key, value FROM read_topic(%s, %s, from_offset => %s)", BIG, 0, 1) == [("43", 1)]
    ok("typed keys and values, read_topic")


def claim():
    query = "SELECT partition, event_offset, key, value FROM claim(%s, %s, max_events => %s)"
    group = PREFIX + "_claims"
    try:
        with connection.transaction():
            claimed = rows(query, group, JSON, 100)
            assert len(claimed) == 6, claimed
            raise RuntimeError("roll back")
    except RuntimeError:
        pass
    assert sorted(row[:3] for row in rows(query, group, JSON, 100)) == sorted(row[:3] for row in claimed)
    assert rows(query, group, JSON, 100) == []
    ok("claim")


def wait():
    begin = time.monotonic()
    thread = later("SELECT produce(%s, %s, %s)", JSON, "woken", Json(1))
    events = rows("SELECT key, value FROM consume(%s, %s, wait => '10 s', commit => true)", GROUP, JSON)
    thread.join()
    assert events == [("woken", 1)] and time.monotonic() - begin < 5, events
    ok("consume waits for another connection")

    begin = time.monotonic()
    thread = later("SELECT produce(%s, %s, %s)", JSON, "woken", Json(2))
    assert one("CALL wait_for_events(%s, %s)", GROUP, "10 s") is True
    thread.join()
    assert time.monotonic() - begin < 5
    assert rows("SELECT key, value FROM consume(%s, %s, commit => true)", GROUP, JSON) == [("woken", 2)]
    ok("CALL wait_for_events")


def errors():
    expect_error("42P01", "SELECT produce(%s, %s, %s)", PREFIX + "_none", "k", "v")
    expect_error("22P02", "SELECT produce(%s, %s, %s)", JSON, "k", "{not json")
    expect_error("EL001", "SELECT commit(%s)", PREFIX + "_nobody")
    ok("error codes")


with psycopg.connect(autocommit=True) as connection:
    one("SELECT create_topic(%s, %s, value_type => 'text')", TEXT, 3)
    one("SELECT create_topic(%s, %s)", JSON, 2)
    one("SELECT create_topic(%s, value_type => 'bytea')", BYTES)
    one("SELECT create_topic(%s, %s, 'uuid', 'jsonb', %s)", UUID, 2, Jsonb({"compression": "none"}))
    one("SELECT create_topic(%s, key_type => 'bigint', value_type => 'bigint')", BIG)
    ok("create_topic")
    for part in (produce, consume, claim, wait, errors):
        part()
    for topic in (TEXT, JSON, BYTES, UUID, BIG):
        connection.execute("SELECT drop_topic(%s)", (topic,))
    ok("drop_topic")
