"""nothing happens: a server with 1,000 topics x 8 partitions, beside a server with none

Every partition has an event; a group has consumed one topic. Both servers are looked at over the same time, after a
checkpoint of both: bytes of the data folder without WAL, more than the empty one's, by partition; CPU time of all processes,
from the first round on, so that what comes once a minute has its share; WAL. Checkpoints and autovacuum as usual, eventlog's
maintenance every minute, 5 times as often. For some minutes at a time: --seconds 120.
"""
import os
import time

import measure
import server
from measure import Contestant, Ratio

TOPICS, PARTITIONS = 1000, 8
SECONDS = 20
CHECKPOINTS = False     # of both servers, below
SETTINGS = "checkpoint_timeout = 5min\nautovacuum_naptime = 1min\neventlog.retention_check_interval = 1min\n"
NAME = f"{TOPICS:,} topics x {PARTITIONS} partitions"


def disk(data):
    """Bytes that the files take on disk; WAL apart."""
    found = 0
    for folder, folders, files in os.walk(data):
        if "pg_wal" in folders:
            folders.remove("pg_wal")
        for name in files:
            try:
                found += os.lstat(os.path.join(folder, name)).st_blocks * 512
            except FileNotFoundError:
                pass
    return found


def set_up(context):
    context.empty = context.stack.enter_context(server.Server(SETTINGS))
    measure.sql("CREATE EXTENSION eventlog", context.empty)
    for first in range(1, TOPICS + 1, 50):
        some = f"FROM generate_series({first}, {first + 49}) i"
        context.sql(f"SELECT count(create_topic('t' || i, {PARTITIONS})) {some}")
        context.sql(f"SELECT count(produce('t' || i, 'key', '{{}}', partition => p)) {some},"
                    f" generate_series(0, {PARTITIONS - 1}) p")
    events = context.sql("SELECT sum(events), sum(partitions), count(*) FROM eventlog_topics WHERE topic::text ~ '^t[0-9]+$'")
    if events != f"{TOPICS * PARTITIONS}|{TOPICS * PARTITIONS}|{TOPICS}":
        raise SystemExit(f"bench: events, partitions and topics are {events}")
    context.sql("SELECT count(*) FROM consume('g', 't1', commit => true)")
    for where in (context.server, context.empty):
        measure.sql("VACUUM ANALYZE", where)
    settle(context.server, context.empty)


def settle(*servers):
    """Until what autovacuum finds to do after all that is done."""
    quiet, end, before = 0, time.monotonic() + 600, None
    while quiet < 3:
        if time.monotonic() > end:
            raise SystemExit("bench: an idle server goes on writing WAL")
        time.sleep(SECONDS)
        now = [written(where) for where in servers]
        # some bytes come whatever happens: a list of the running transactions
        quiet = quiet + 1 if before and all(y - x < 1000 for x, y in zip(before, now)) else 0
        before = now


def written(where):
    return int(measure.sql("SELECT pg_current_wal_insert_lsn() - '0/0'", where))


def contestants(context):
    first = []      # when the first round began, and the servers' CPU time then

    def run():
        servers = context.server, context.empty
        for where in servers:
            measure.sql("CHECKPOINT", where)
        before = [written(where) for where in servers]
        begin = time.monotonic()
        first.extend([begin, *(where.cpu() for where in servers)] if not first else ())
        time.sleep(context.seconds)
        seconds = time.monotonic() - begin
        cpu = [(where.cpu() - spent) / (time.monotonic() - first[0]) for where, spent in zip(servers, first[1:])]
        wal = [written(where) - one for where, one in zip(servers, before)]
        bytes_of = [disk(where.data) for where in servers]
        return 1, seconds, {"partition_kb": (bytes_of[0] - bytes_of[1]) / TOPICS / PARTITIONS / 1024, "cpu_percent": cpu[0] * 100,
                            "empty_cpu_percent": cpu[1] * 100, "wal_bytes": wal[0], "empty_wal_bytes": wal[1]}
    return [Contestant(NAME, run)]


COLUMNS = {"partition_kb": "kB each", "cpu_percent": "CPU %", "empty_cpu_percent": "empty's", "wal_bytes": "WAL B",
           "empty_wal_bytes": "empty's"}
RATIOS = [
    Ratio(NAME, NAME, target=15, at_most=64, of=lambda ours, _: ours["partition_kb"], what="kB on disk of a partition"),
    Ratio(NAME, NAME, target=15, at_most=1, of=lambda ours, _: ours["cpu_percent"], what="% of a core"),
    Ratio(NAME, NAME, target=15, at_most=0, of=lambda ours, _: ours["wal_bytes"] - ours["empty_wal_bytes"],
          what="WAL bytes more than the empty server's"),
]
