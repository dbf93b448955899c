"""many events in a log of one partition, against an empty one: produce and consume at its end; seek in it

Logs of 1, 10, ... million events, up to --events (default 10 million; 100 million take some 5 GB and minutes to fill);
"empty" has 100,000. At the end the last 100,000 events are consumed, 500 at a time. Seeks are to random offsets and times;
what they find is checked, and buffers are those that EXPLAIN (ANALYZE, BUFFERS) shows when a session has done the same
before: the greatest of up to 20, fewer when they take long.
"""
import functools
import itertools
import json
import random
import shutil

import client
import events
import measure
from measure import DURABLE, Contestant, Ratio
from paired import CLIENTS, ENDS, Unharmed, connect

EVENTS = 10000000
SETTINGS = "max_wal_size = 4GB"
EMPTY = 100000
# a query, and whether the event it has found (offset, time) is right: it was to find `offset`, of the time `at`, in a log that ends
# before `end`. Several events may have the same time, and times need not be in the order of offsets.
SEEKS = {
    "read_topic, offset": ("SELECT * FROM read_topic('{topic}', 0, {offset}, 1)",
                           lambda found, offset, at, end: found[0] == offset),
    "SELECT, offset": ("SELECT * FROM {topic} WHERE partition = 0 AND event_offset >= {offset} LIMIT 1",
                       lambda found, offset, at, end: found[0] == offset),
    "SELECT, time": ("SELECT * FROM {topic} WHERE partition = 0 AND event_time >= '{time}' LIMIT 1",
                     lambda found, offset, at, end: found[0] <= offset and found[1] >= at),
    "SELECT, last": ("SELECT * FROM {topic} WHERE partition = 0 ORDER BY event_offset DESC LIMIT 1",
                     lambda found, offset, at, end: found[0] == end - 1),
}


def set_up(context):
    context.sizes = sizes_to(context.events)
    if not context.sizes:
        raise SystemExit("bench: large needs --events 1000000 or more")
    need, free = sum(context.sizes) * 100 + 6 * 2 ** 30, shutil.disk_usage(context.server.data).free
    if free < need:
        raise SystemExit(f"bench: {need / 1e9:.0f} GB of disk are needed, {free / 1e9:.0f} are free")
    payload = f"{context.folder}/payload"
    with open(payload, "w", encoding="utf-8") as file:
        file.writelines(f"{value}\n" for _, value in events.events("json100", 100000))
    context.client = client.Client(context.folder)
    for topic, size in (("empty", EMPTY), *((f"t{size}", size) for size in context.sizes)):
        context.sql(f"""SELECT create_topic('{topic}', 1, options => '{{"retention": null}}')""")
        context.client(context.server, "produce", payload, topic, size, 10000, 2)
        context.sql(f"VACUUM {topic}")      # as autovacuum would have done: it remembers that all before is decided
    context.session = context.stack.enter_context(connect(context.server, autocommit=True))


def end_of(context, topic):
    return int(context.sql(ENDS.format(topic=topic)))


def seek(context, topic, query, right):
    """(number of seeks, seconds, the greatest number of buffers)"""
    end, buffers, spent = end_of(context, topic), [], 0.0

    def explain(statement):
        plan = context.session.execute(f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {statement}").fetchone()[0]
        one = (json.loads(plan) if isinstance(plan, str) else plan)[0]
        return one["Plan"]["Shared Hit Blocks"] + one["Plan"]["Shared Read Blocks"], one["Execution Time"] / 1000

    while len(buffers) < 20 and spent < 2:
        offset = random.randrange(end)
        at = context.session.execute(f"SELECT event_time FROM read_topic('{topic}', 0, {offset}, 1)").fetchone()[0]
        statement = query.format(topic=topic, offset=offset, time=at)
        if not buffers:
            explain(statement)
        blocks, seconds = explain(statement)
        buffers.append(blocks)
        spent += seconds
        found = context.session.execute(statement.replace("*", "event_offset, event_time", 1)).fetchall()
        if len(found) != 1 or not right(found[0], offset, at, end):
            raise SystemExit(f"bench: {statement}: {found}")
    return len(buffers), spent, {"buffers": max(buffers)}


def contestants(context):
    rows, sample, groups = [], list(events.events("json100", 32)), itertools.count()
    logs = [("empty", "empty"), *((f"t{size}", label(size)) for size in context.sizes)]

    def consume(topic):
        def run():
            group, end = f"g{next(groups)}", end_of(context, topic)
            context.sql(f"SELECT seek('{group}', '{topic}', 0, {end - EMPTY})")
            said = context.client(context.server, "consume", "consume", group, topic, EMPTY, 500)
            committed = int(context.sql(f"SELECT committed_offset FROM eventlog_lag WHERE group_name = '{group}'"))
            if said["events"] != EMPTY or committed != end:
                raise SystemExit(f"bench: {said['events']} events of {EMPTY}, {committed} committed of {end}")
            return said["events"], said["seconds"]
        return run

    def produce(topic):
        return measure.one_by_one(f"SELECT produce('{topic}', {{key}}, {{value}})", sample, clients=CLIENTS, sync="on",
                                  seconds=context.seconds, server=context.server)

    for topic, name in logs:
        rows.append(Contestant(name, produce(topic), CLIENTS, DURABLE["on"], arrived=ENDS.format(topic=topic), heading="produce"))
    for topic, name in logs:
        rows.append(Contestant(name, consume(topic), durable=DURABLE["on"], heading="consume at the end, commit"))
    for topic, name in logs[1:]:
        for kind, how in SEEKS.items():
            rows.append(Contestant(f"{kind}, {name}", functools.partial(seek, context, topic, *how), heading="seeks a second"))
    RATIOS[:] = ratios(context.sizes)
    return rows


def label(size):
    return f"{size // 1000000} million"


def buffers(ours, _):
    return ours["buffers"]


def ratios(sizes):
    """Logs of all sizes against the empty one; seeks in the largest."""
    found = [Unharmed(label(size), "empty", 13, at_least=0.93, heading=heading, what=f"{heading}, {label(size)} / empty")
             for heading in ("produce", "consume at the end, commit") for size in sizes]
    for kind in SEEKS:
        name = f"{kind}, {label(sizes[-1])}"
        found.append(Ratio(name, name, target=11, at_most=12, of=buffers, what=f"buffers: {name}"))
    return found


def sizes_to(events):
    return [size for size in (1000000 * 10 ** n for n in range(6)) if size <= events]


COLUMNS = {"buffers": "buffers"}
RATIOS = ratios(sizes_to(EVENTS))     # others with another --events
