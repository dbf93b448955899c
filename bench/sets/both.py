"""produce and consume at once: 8 clients produce an event of 100 B of JSON a transaction, one consumes all of it and commits

The consumer sleeps when nothing is there: in wait_for_events, or for some milliseconds. The heap's consumer may pass over ids
whose transactions commit late; it is here as a floor.
"""
import concurrent.futures

import events
import tables
from measure import DURABLE, Contestant, Ratio

COLUMNS = {"consumed": "consumed"}
TOPIC = """\\set partition -1
SELECT * FROM consume('g', 't', 500, commit => true) \\aset
\\if :partition < 0
CALL wait_for_events('g', '100 ms');
\\endif
"""
HEAP = """\\set last 0
SELECT *, id AS last FROM heap WHERE id > :pos ORDER BY id LIMIT 500 \\aset
\\if :last > 0
UPDATE position SET next_offset = :last WHERE name = 'heap';
\\set pos :last
\\else
\\sleep 10 ms
\\endif
"""
COUNTER = """\\set c_offset -1
\\set p (:p + 1) % 8
BEGIN;
SELECT next_offset AS pos FROM position WHERE name = 'counter' || :p::text FOR UPDATE \\gset
SELECT * FROM counter_log WHERE partition = :p AND c_offset >= :pos ORDER BY c_offset LIMIT 500 \\aset
\\if :c_offset >= 0
UPDATE position SET next_offset = :c_offset + 1 WHERE name = 'counter' || :p::text;
\\endif
END;
\\if :c_offset < 0
\\sleep 1 ms
\\endif
"""


def set_up(context):
    context.sql(f"""
SELECT create_topic('t', 8);
{tables.HEAP.format(name='heap')}
{tables.COUNTER}
CREATE TABLE position (name text PRIMARY KEY, next_offset bigint NOT NULL) WITH (fillfactor = 50);
INSERT INTO position SELECT 'counter' || p, 0 FROM generate_series(0, 7) p UNION ALL SELECT 'heap', 0;
SELECT count(*) FROM consume('g', 't');
""")


def contestants(context):
    sample, rows = list(events.events("json100", 32)), []

    def row(name, statement, consumer, sync, arrived, consumed):
        produce = context.one_by_one(statement, sample, clients=8, sync=sync)

        def run():
            before = int(context.sql(consumed))
            consume = context.pgbench(consumer, sync=sync, seconds=context.seconds, variables=[f"pos={before}", "p=0"])
            with concurrent.futures.ThreadPoolExecutor() as pool:
                consuming = pool.submit(consume)
                count, seconds = produce()
                consuming.result()
            return count, seconds, {"consumed": (int(context.sql(consumed)) - before) / seconds}
        rows.append(Contestant(name, run, 8, DURABLE[sync], arrived=arrived))

    for sync in ("on", "off"):
        row("heap INSERT, index range", "INSERT INTO heap (key, value) VALUES ({key}, {value})", HEAP, sync,
            "SELECT count(*) FROM heap", "SELECT next_offset FROM position WHERE name = 'heap'")
        row("counter row", tables.COUNTER_INSERT, COUNTER, sync, "SELECT sum(next_offset) FROM counter_next",
            "SELECT sum(next_offset) FROM position WHERE name LIKE 'counter%'")
        row("produce, consume", "SELECT produce('t', {key}, {value})", TOPIC, sync, "SELECT count(*) FROM t",
            "SELECT coalesce(sum(committed_offset), 0) FROM eventlog_lag WHERE group_name = 'g'")
    return rows


def consumed(ours, theirs):
    return ours["consumed"] / theirs["consumed"]


RATIOS = [ratio for other in ("heap INSERT, index range", "counter row") for ratio in (
    Ratio("produce, consume", other, what=f"produced: produce, consume / {other}"),
    Ratio("produce, consume", other, of=consumed, what=f"consumed: produce, consume / {other}"))]
