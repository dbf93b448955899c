"""reading 100 B of JSON, one client: to the client 500 a time, and in the server

Topic and heap table hold the same events in the same order, in one partition, vacuumed and cached. To a client: pgbench, which
throws the rows away; the heap's ids and the topic's offsets are dense, so a page is full, and a group is checked to have got
everything.
"""
import itertools

import events
import tables
from measure import DURABLE, Contestant, Ratio


def set_up(context):
    context.events *= 3         # so that a measurement takes some seconds
    events.write_copy(f"{context.folder}/events.copy", "json100", context.events)
    context.sql(f"""
SELECT create_topic('t', 1);
{tables.HEAP.format(name='heap')}
\\copy heap (key, value) FROM '{context.folder}/events.copy'
\\copy t (key, value) FROM '{context.folder}/events.copy'
VACUUM ANALYZE heap, t;
CREATE FUNCTION floor_events(regclass, int, text, json) RETURNS SETOF eventlog_event
    AS '{context.here}/floor/floor.so' LANGUAGE C VOLATILE STRICT;
""")
    for table, column in (("heap", "id - 1"), ("t", "event_offset")):
        held = context.sql(f"SELECT count(*), min({column}), max({column}) FROM {table}")
        if held != f"{context.events}|0|{context.events - 1}":
            raise SystemExit(f"bench: {table} does not hold the events")


def contestants(context):
    rows, groups = [], itertools.count()

    def to_client(name, script, sync=None, groups=None):
        """Pages of 500; with `groups` each time by a new one, which in the end has to have committed the last offset."""
        def run():
            variables = ["pos=0"] if groups is None else [f"group=g{next(groups)}"]
            result = context.pgbench(script, sync=sync, times=context.events // 500, variables=variables)()
            if groups is not None:
                check_group(context, variables[0].split("=")[1])
            return result
        rows.append(Contestant(name, run, durable=DURABLE[sync], size=500, heading="to a client"))

    def in_server(name, query, durable="-", group=False):
        def run():
            of = f"g{next(groups)}"
            seconds = context.timed_sql(query.replace("GROUP", of))
            if group:
                check_group(context, of)
            return context.events, seconds
        rows.append(Contestant(name, run, durable=durable, heading="in the server, one statement"))

    # the same four columns of each
    columns = "SELECT event_offset, event_time, key, value FROM"
    to_client("heap index range", "SELECT id, created, key, value FROM heap WHERE id > :pos ORDER BY id LIMIT 500;\n"
              "\\set pos :pos + 500\n")
    to_client("floor, no events read", f"{columns} floor_events('t', 500, {EXAMPLE});\n")
    to_client("read_topic", f"{columns} read_topic('t', 0, :pos, 500);\n\\set pos :pos + 500\n")
    for sync in ("on", "off"):
        to_client("consume, commit", f"{columns} consume(:group, 't', 500, commit => true);\n", sync, groups)

    in_server("floor, no events read", f"SELECT count(*) FROM floor_events('t', {context.events}, {EXAMPLE})")
    in_server("count(*) FROM consume",
              f"SELECT count(*) FROM consume('GROUP', 't', {context.events}, max_bytes => 1000000000, commit => true)",
              "flushed", True)
    in_server("count(*) FROM read_topic", f"SELECT count(*) FROM read_topic('t', 0, 0, {context.events})")
    for table in ("heap", "t"):
        in_server(f"count, sum of a field, {table}", f"SELECT count(*), sum((value->>'amount')::numeric) FROM {table}")
        in_server(f"count, {table}", f"SELECT count(*) FROM {table}")
    return rows


def check_group(context, group):
    got = context.sql(f"SELECT committed_offset FROM eventlog_lag WHERE group_name = '{group}'")
    if got != str(context.events):
        raise SystemExit(f"bench: {group} has committed {got} instead of {context.events}")


EXAMPLE = ", ".join(f"'{text}'" for text in next(events.events("json100", 1)))
RATIOS = [
    *(Ratio("consume, commit", "heap index range", target=8, at_least=0.9, durable=durable,
            what=f"consume with commit, {durable} / heap index range") for durable in ("flushed", "not flushed")),
    Ratio("count(*) FROM consume", "floor, no events read", target=9, at_least=0.75),
    Ratio("count, sum of a field, t", "count, sum of a field, heap", target=10, at_least=1.0),
    Ratio("count, t", "count, heap"),
    Ratio("read_topic", "heap index range"),
    Ratio("consume, commit", "floor, no events read"),
    Ratio("count(*) FROM read_topic", "floor, no events read"),
]
