"""one event a transaction, 100 B of JSON, 8 clients

The clients are pgbench's. They run prepared statements, one for each of 32 events of the generator, at random; key and value are sent
as parameters, so a client does the same whatever the statement.
"""
import events
import measure
from measure import DURABLE, Contestant, Ratio

TABLES = """
SELECT create_topic('t_single', 8);
CREATE TABLE heap_single (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, created timestamptz NOT NULL DEFAULT clock_timestamp(),
                          key text, value json);
"""
ROWS = [("pg_logical_emit_message", "SELECT pg_logical_emit_message(true, 'bench', {value}::text)", None),
        ("heap INSERT", "INSERT INTO heap_single (key, value) VALUES ({key}, {value})", "SELECT count(*) FROM heap_single"),
        ("produce", "SELECT produce('t_single', {key}, {value})", "SELECT count(*) FROM t_single"),
        ("topic INSERT", "INSERT INTO t_single (key, value) VALUES ({key}, {value})", "SELECT count(*) FROM t_single")]


def set_up(context):
    context.sql(TABLES)


def contestants(context, clients=8):
    sample = [(key, events.literal(value)) for key, value in events.events("json100", 32)]
    rows = [Contestant("fdatasync of 8 kB", lambda: measure.fdatasync_rate(context.server), durable="flushed"),
            Contestant("SELECT 1", measure.Pgbench("SELECT 1;\n", clients, seconds=context.seconds, server=context.server), clients)]
    for sync in ("on", "off"):
        for name, statement, arrived in ROWS:
            run = measure.one_by_one(statement, sample, clients=clients, sync=sync, seconds=context.seconds, server=context.server)
            rows.append(Contestant(name, run, clients, DURABLE[sync], arrived=arrived))
    return rows


RATIOS = [
    Ratio("produce", "pg_logical_emit_message", target="1", at_least=0.90, durable="flushed"),
    Ratio("produce", "heap INSERT", target="1", at_least=1.2, durable="flushed"),
    Ratio("produce", "pg_logical_emit_message", target="2", at_least=0.85, durable="not flushed"),
    Ratio("produce", "heap INSERT", target="2", at_least=1.3, durable="not flushed"),
    Ratio("topic INSERT", "produce"),
]
