"""1, 4, 32, 256 partitions: one event a transaction by 8 clients, a bulk, and consuming; 100 B of JSON"""
import itertools

import events
from measure import DURABLE, Contestant, Ratio

PARTITIONS = (1, 4, 32, 256)


def title(n):
    return f"{n} partition{'s' * (n > 1)}"


def set_up(context):
    events.write_copy(f"{context.folder}/events.copy", "json100", context.events)
    context.sql("CREATE UNLOGGED TABLE source (key text, value text);\n"
                f"\\copy source (key, value) FROM '{context.folder}/events.copy'\nVACUUM ANALYZE source")
    for n in PARTITIONS:
        context.sql(f"SELECT create_topic('t{n}', {n}), create_topic('bulk{n}', {n}), create_topic('read{n}', {n});\n"
                    f"\\copy read{n} (key, value) FROM '{context.folder}/events.copy'")


def contestants(context):
    sample, rows, groups = list(events.events("json100", 32)), [], itertools.count()
    for sync in ("on", "off"):
        for n in PARTITIONS:
            run = context.one_by_one(f"SELECT produce('t{n}', {{key}}, {{value}})", sample, clients=8, sync=sync)
            rows.append(Contestant(title(n), run, 8, DURABLE[sync], arrived=f"SELECT count(*) FROM t{n}",
                                   heading="produce, one event a transaction"))
    for n in PARTITIONS:
        query = f"SELECT count(produce('bulk{n}', key, value)) FROM source"
        rows.append(Contestant(title(n), lambda query=query: (context.events, context.timed_sql(query)), durable="flushed",
                               arrived=f"SELECT count(*) FROM bulk{n}", heading="produce(...) FROM source"))
    for n in PARTITIONS:
        def consume(n=n):
            group = f"g{next(groups)}"
            result = context.pgbench(f"SELECT * FROM consume('{group}', 'read{n}', 500, commit => true);\n", sync="on",
                                     times=context.events // 500)()
            left = context.sql(f"SELECT sum(lag) FROM eventlog_lag WHERE group_name = '{group}'")
            if left != "0":
                raise SystemExit(f"bench: {left} events of read{n} are left")
            return result
        rows.append(Contestant(title(n), consume, durable="flushed", size=500, heading="consume, 500 a time, commit"))
    return rows


RATIOS = [Ratio(title(n), "1 partition", heading=heading, what=f"{heading}: {n} partitions / 1")
          for heading in ("produce, one event a transaction", "produce(...) FROM source", "consume, 500 a time, commit")
          for n in PARTITIONS[1:]]
