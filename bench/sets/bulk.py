"""many events a transaction, 100 B of JSON, one client: from a table, from a file, from arrays

A statement a measurement. The source table holds the generator's events; COPY reads the same from a file of the client. What
peers do row by row takes long: theirs are a quarter of the events.
"""
import events
import peers
import tables
from measure import Contestant, Ratio

PACKAGES = peers.PACKAGES


def set_up(context):
    context.missing = peers.install(context, "pgq", "pgmq")
    context.file = f"{context.folder}/events.copy"
    events.write_copy(context.file, "json100", context.events)
    context.sql(f"""
SELECT create_topic('t', 8);
{tables.HEAP.format(name='heap')}
{tables.OUTBOX}
CREATE UNLOGGED TABLE source (i bigint GENERATED ALWAYS AS IDENTITY, key text, value text);
\\copy source (key, value) FROM '{context.file}'
CREATE UNLOGGED TABLE arrays (n bigint, keys text[], event_values text[], messages jsonb[]);
-- as a client's parameters would be: not compressed
ALTER TABLE arrays ALTER keys SET STORAGE EXTERNAL, ALTER event_values SET STORAGE EXTERNAL, ALTER messages SET STORAGE EXTERNAL;
INSERT INTO arrays
    SELECT (i - 1) / 1000, array_agg(key ORDER BY i), array_agg(value ORDER BY i), array_agg(value::jsonb ORDER BY i) FROM source GROUP BY (i - 1) / 1000;
VACUUM ANALYZE source, arrays;
""")


def contestants(context):
    rows = []

    def row(name, query, arrived=None, count=context.events, peer=None):
        rows.append(Contestant(name, lambda: (count, context.timed_sql(query)), durable="flushed",
                               arrived=arrived and f"SELECT count(*) FROM {arrived}", missing=peer and context.missing[peer]))

    part = context.events // 4
    row("emit_message(...) FROM source", "SELECT count(pg_logical_emit_message(true, 'bench', value)) FROM source")
    row("heap INSERT ... SELECT", "INSERT INTO heap (key, value) SELECT key, value::json FROM source", "heap")
    row("produce(...) FROM source", "SELECT count(produce('t', key, value)) FROM source", "t")
    row("topic INSERT ... SELECT", "INSERT INTO t (key, value) SELECT key, value::json FROM source", "t")
    row("outbox INSERT ... SELECT", "INSERT INTO outbox (topic, key, payload) SELECT 'orders', key, value::json FROM source",
        "outbox")
    row("PgQ insert_event(...) FROM source", f"SELECT count(pgq.insert_event('q', key, value)) FROM source WHERE i <= {part}",
        "pgq.event_1", part, "pgq")
    row("pgmq send(...) FROM source", f"SELECT count(*) FROM source, pgmq.send('q', value::jsonb) WHERE i <= {part}",
        "pgmq.q_q", part, "pgmq")
    row("heap COPY", f"\\copy heap (key, value) FROM '{context.file}'", "heap")
    row("topic COPY", f"\\copy t (key, value) FROM '{context.file}'", "t")
    row("produce_batch, arrays of 1,000", "SELECT sum(produce_batch('t', keys, event_values)) FROM arrays", "t")
    row("pgmq send_batch, arrays of 1,000",
        f"SELECT count(*) FROM arrays, pgmq.send_batch('q', messages) WHERE n < {part // 1000}",
        "pgmq.q_q", part // 1000 * 1000, "pgmq")
    return rows


RATIOS = [
    Ratio("produce(...) FROM source", "heap INSERT ... SELECT", target=4, at_least=5),
    Ratio("produce(...) FROM source", "PgQ insert_event(...) FROM source", target=4, at_least=15),
    Ratio("topic COPY", "heap COPY", target=5, at_least=4),
    Ratio("produce_batch, arrays of 1,000", "heap COPY", target=5, at_least=4),
    Ratio("produce(...) FROM source", "emit_message(...) FROM source"),
    Ratio("topic INSERT ... SELECT", "heap INSERT ... SELECT"),
    Ratio("produce(...) FROM source", "outbox INSERT ... SELECT"),
    Ratio("produce(...) FROM source", "pgmq send(...) FROM source"),
    Ratio("produce_batch, arrays of 1,000", "pgmq send_batch, arrays of 1,000"),
]
