"""one event a transaction, 100 B of JSON, 8 clients: eventlog, floors, and what else people do

The clients are pgbench's. They run prepared statements at random, one for each of 32 events of the generator (8 with 64 clients);
key and value are sent as parameters, so a client does the same whatever the statement.
"""
import events
import measure
import peers
import tables
from measure import DURABLE, Contestant, Ratio

PACKAGES = peers.PACKAGES
# name, statement, where its events arrive, and what has to be there
ROWS = [
    ("pg_logical_emit_message", "SELECT pg_logical_emit_message(true, 'bench', {value}::text)", None, None),
    ("heap INSERT", "INSERT INTO heap (key, value) VALUES ({key}, {value})", "SELECT count(*) FROM heap", None),
    ("produce", "SELECT produce('t', {key}, {value})", "SELECT count(*) FROM t", None),
    ("topic INSERT", "INSERT INTO t (key, value) VALUES ({key}, {value})", "SELECT count(*) FROM t", None),
    ("outbox INSERT", tables.OUTBOX_INSERT, "SELECT count(*) FROM outbox", None),
    ("counter row and INSERT", tables.COUNTER_INSERT, "SELECT sum(next_offset) FROM counter_next", None),
    ("PgQ insert_event", "SELECT pgq.insert_event('q', {key}, {value})", "SELECT count(*) FROM pgq.event_1", "pgq"),
    ("pgmq send", "SELECT pgmq.send('q', {value}::jsonb)", "SELECT count(*) FROM pgmq.q_q", "pgmq"),
    ("PgQue send", "SELECT pgque.send('q', {key}::text, {value}::jsonb)", "SELECT count(*) FROM pgque.event_1", "pgque"),
]


def set_up(context):
    context.missing = peers.install(context, "pgq", "pgmq", "pgque")
    context.sql(f"SELECT create_topic('t', 8); {tables.HEAP.format(name='heap')} {tables.OUTBOX} {tables.COUNTER}")


def rows_of(context, names, clients, sync):
    sample = list(events.events("json100", min(32, 512 // clients)))      # to prepare 32 for each of 64 clients takes a while
    for name, statement, arrived, peer in ROWS:
        if names is None or name in names:
            run = context.one_by_one(statement, sample, clients=clients, sync=sync)
            yield Contestant(name, run, clients, DURABLE[sync], arrived=arrived, missing=peer and context.missing[peer])


def round_trip(context, clients):
    return Contestant("SELECT 1", context.pgbench("SELECT 1;\n", clients=clients, seconds=context.seconds), clients)


def contestants(context):
    return [Contestant("fdatasync of 8 kB", lambda: measure.fdatasync_rate(context.server), durable="flushed"),
            round_trip(context, 8), *rows_of(context, None, 8, "on"), *rows_of(context, None, 8, "off")]


RATIOS = [
    Ratio("produce", "pg_logical_emit_message", target=1, at_least=0.90, durable="flushed"),
    Ratio("produce", "heap INSERT", target=1, at_least=1.2, durable="flushed"),
    Ratio("produce", "PgQ insert_event", target=1, at_least=2, durable="flushed"),
    Ratio("produce", "pgmq send", target=1, at_least=5, durable="flushed"),
    Ratio("produce", "pg_logical_emit_message", target=2, at_least=0.85, durable="not flushed"),
    Ratio("produce", "heap INSERT", target=2, at_least=1.3, durable="not flushed"),
    Ratio("produce", "PgQ insert_event", durable="not flushed"),
    Ratio("produce", "pgmq send", durable="not flushed"),
    Ratio("produce", "outbox INSERT"),
    Ratio("produce", "counter row and INSERT"),
    Ratio("topic INSERT", "produce"),
]
