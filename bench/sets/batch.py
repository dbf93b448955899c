"""10, 100, 1,000, 10,000 events a transaction, 100 B of JSON, 8 clients, from a table"""
import events
import peers
import tables
from measure import Contestant, Ratio

PACKAGES = peers.PACKAGES
SIZES = (10, 100, 1000, 10000)
RANGE = "FROM source WHERE i BETWEEN :at AND :at + {size} - 1"
ROWS = [
    ("pg_logical_emit_message", "SELECT count(pg_logical_emit_message(true, 'bench', value)) " + RANGE, None, None),
    ("heap INSERT", "INSERT INTO heap (key, value) SELECT key, value::json " + RANGE, "heap", None),
    ("produce", "SELECT count(produce('t', key, value)) " + RANGE, "t", None),
    ("topic INSERT", "INSERT INTO t (key, value) SELECT key, value::json " + RANGE, "t", None),
    ("PgQ insert_event", "SELECT count(pgq.insert_event('q', key, value)) " + RANGE, "pgq.event_1", "pgq"),
    ("pgmq send_batch", "SELECT count(*) FROM pgmq.send_batch('q', ARRAY(SELECT value::jsonb " + RANGE + "))", "pgmq.q_q",
     "pgmq"),
]


def set_up(context):
    context.missing = peers.install(context, "pgq", "pgmq")
    events.write_copy(f"{context.folder}/events.copy", "json100", context.events)
    context.sql(f"""
SELECT create_topic('t', 8);
{tables.HEAP.format(name='heap')}
CREATE UNLOGGED TABLE source (i bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, key text, value text);
\\copy source (key, value) FROM '{context.folder}/events.copy'
VACUUM ANALYZE source;
""")


def contestants(context):
    rows = []
    for size in SIZES:
        for name, statement, arrived, peer in ROWS:
            script = f"\\set at random(1, {context.events - size})\n{statement.format(size=size)};\n"
            run = context.pgbench(script, clients=8, sync="on", seconds=context.seconds)
            rows.append(Contestant(name, run, 8, "flushed", size, arrived and f"SELECT count(*) FROM {arrived}",
                                   heading=f"{size:,} events a transaction", missing=peer and context.missing[peer]))
    return rows


RATIOS = [Ratio("produce", other, heading=f"{size:,} events a transaction", what=f"{size:,} a transaction: produce / {other}")
          for size in SIZES for other, *_ in ROWS if other != "produce"]
