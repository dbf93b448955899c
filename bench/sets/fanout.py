"""one log read by 1, 5, 10 groups at once, 500 events a time, each committing its position; 100 B of JSON, one partition

Rates are deliveries: events times groups. A client a group, each from the start to the end.
"""
import itertools

import events
import peers
import tables
from measure import Contestant, Ratio

GROUPS = (1, 5, 10)
PAGE = 500
HEAP = f"SELECT * FROM heap WHERE id > :pos ORDER BY id LIMIT {PAGE};\n\\set pos :pos + {PAGE}\n"
# the other half of the pattern of tables.COUNTER
COUNTER = f"""WITH position AS (
    UPDATE position SET next_offset = next_offset + {PAGE} WHERE name = :run::text || '_' || :client_id::text
    RETURNING next_offset - {PAGE} AS first)
SELECT l.* FROM position, counter_log l WHERE partition = 0 AND c_offset >= first AND c_offset < first + {PAGE} ORDER BY c_offset;
"""
TOPIC = f"SELECT * FROM consume(:run::text || '_' || :client_id::text, 't', {PAGE}, commit => true);\n"
PGQ = """BEGIN;
SELECT pgq.next_batch('q', :run::text || '_' || :client_id::text) AS batch \\gset
SELECT * FROM pgq.get_batch_events(:batch);
SELECT pgq.finish_batch(:batch);
END;
"""


def title(groups):
    return f"{groups} group{'s' * (groups > 1)}"


def set_up(context):
    context.missing = peers.install(context, "pgq")
    events.write_copy(f"{context.folder}/events.copy", "json100", context.events)
    context.sql(f"""
SELECT create_topic('t', 1);
{tables.HEAP.format(name='heap')}
{tables.COUNTER}
CREATE TABLE position (name text PRIMARY KEY, next_offset bigint NOT NULL) WITH (fillfactor = 50);
\\copy heap (key, value) FROM '{context.folder}/events.copy'
\\copy t (key, value) FROM '{context.folder}/events.copy'
INSERT INTO counter_log (partition, c_offset, key, payload) SELECT 0, id - 1, key, value FROM heap;
VACUUM ANALYZE heap, t, counter_log;
""")
    if not context.missing["pgq"]:
        # a tick, so a batch, every 500 events
        context.sql(f"""
SELECT pgq.set_queue_config('q', 'ticker_max_count', '{PAGE}'), pgq.ticker();
CREATE PROCEDURE fill() LANGUAGE plpgsql AS $$
BEGIN
    FOR i IN 0 .. {context.events // PAGE} - 1 LOOP
        PERFORM pgq.insert_event('q', key, value::text) FROM heap WHERE id > i * {PAGE} AND id <= (i + 1) * {PAGE} ORDER BY id;
        COMMIT;
        PERFORM pgq.ticker('q');
        COMMIT;
    END LOOP;
END $$;
CALL fill();
""")
        if context.sql("SELECT count(*) - 1 FROM pgq.tick") != str(context.events // PAGE):
            raise SystemExit("bench: PgQ has not made a tick every 500 events")
        context.sql("VACUUM ANALYZE")


def contestants(context):
    rows, runs = [], itertools.count()

    def row(name, script, groups, before=None, done=None, missing=None, durable="flushed"):
        """`before` makes the groups of a run; `done` is a query for how many of them are at the end."""
        def run():
            prefix = f"run{next(runs)}"
            for group in range(groups) if before else ():
                context.sql(before.format(group=f"{prefix}_{group}"))
            result = context.pgbench(script, clients=groups, times=context.events // PAGE, variables=[f"run={prefix}", "pos=0"])()
            if done and context.sql(done.format(prefix=prefix)) != str(groups):
                raise SystemExit(f"bench: {name}: not all groups have come to the end")
            return result
        rows.append(Contestant(name, run, groups, durable, PAGE, heading=title(groups), missing=missing))

    for groups in GROUPS:
        row("heap index range, no commit", HEAP, groups, durable="-")
        row("counter row: position, index range", COUNTER, groups, "INSERT INTO position VALUES ('{group}', 0)",
            f"SELECT count(*) FROM position WHERE name LIKE '{{prefix}}\\_%' AND next_offset = {context.events}")
        row("consume, commit", TOPIC, groups, None,
            f"SELECT count(*) FROM eventlog_lag WHERE group_name LIKE '{{prefix}}\\_%' AND committed_offset = {context.events}")
        row("PgQ next_batch .. finish_batch", PGQ, groups,
            "SELECT pgq.register_consumer_at('q', '{group}', (SELECT min(tick_id) FROM pgq.tick))",
            "SELECT count(*) FROM pgq.subscription JOIN pgq.consumer ON co_id = sub_consumer WHERE co_name LIKE '{prefix}\\_%'"
            " AND sub_last_tick = (SELECT max(tick_id) FROM pgq.tick)", context.missing["pgq"])
    return rows


RATIOS = [Ratio("consume, commit", other, heading=title(groups), what=f"{title(groups)}: consume / {other}")
          for groups in GROUPS
          for other in ("heap index range, no commit", "counter row: position, index range", "PgQ next_batch .. finish_batch")]
