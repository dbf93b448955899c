"""one long measurement: 8 clients produce, one consumes, across checkpoints and autovacuum; how throughput goes on

Checkpoints by time, every 30 s, autovacuum every 5 s, retention by size. Events produced and consumed are looked at 30 times
or more. For half an hour: --seconds 1800.
"""
import concurrent.futures
import statistics
import time

import events
import measure
from measure import DURABLE, Contestant, Ratio
from paired import ENDS
from sets.both import TOPIC

SECONDS, ROUNDS, CHECKPOINTS = 120, 1, False
CHECKPOINT_S = 30
SETTINGS = f"checkpoint_timeout = {CHECKPOINT_S}s\nautovacuum_naptime = 5s\neventlog.retention_check_interval = 10s\n"
CLIENTS, STEPS = 8, 30
COMMITTED = "SELECT coalesce(sum(committed_offset), 0) FROM eventlog_lag WHERE group_name = 'g'"
VACUUMS = "SELECT sum(autovacuum_count) FROM pg_stat_all_tables"
NAME = "produce, consume"


def set_up(context):
    # an ordinary table lives beside the topic, so that autovacuum has something to do
    context.sql("""
SELECT create_topic('t', 8, options => '{"retention_bytes": "64 MB", "segment_bytes": "4 MB"}');
SELECT count(*) FROM consume('g', 't');
CREATE TABLE worked (client int PRIMARY KEY, n bigint NOT NULL);
INSERT INTO worked SELECT client, 0 FROM generate_series(0, 999) client;
""")


def contestants(context):
    work = ("SELECT produce('t', {key}, {value});\nUPDATE worked SET n = n + 1 WHERE client = :client_id")
    produce = measure.one_by_one(work, list(events.events("json100", 32)), clients=CLIENTS, sync="on", seconds=context.seconds,
                                 server=context.server)
    consume = measure.Pgbench(TOPIC, seconds=context.seconds + 2, server=context.server)
    checkpoints = ("SELECT checkpoints_timed + checkpoints_req FROM pg_stat_bgwriter"
                   if context.sql("SELECT to_regclass('pg_stat_checkpointer') IS NULL") == "t"
                   else "SELECT num_timed + num_requested FROM pg_stat_checkpointer")     # 17 and later
    step = max(2, min(60, context.seconds / STEPS))

    def look():
        """The time; events produced and committed; checkpoints and runs of autovacuum."""
        numbers = context.sql(f"SELECT ({ENDS.format(topic='t')}), ({COMMITTED}), ({checkpoints}), ({VACUUMS})")
        return time.monotonic(), *map(int, numbers.split("|"))

    def run():
        with concurrent.futures.ThreadPoolExecutor() as pool:
            looks = [look()]
            consuming, producing = pool.submit(consume), pool.submit(produce)
            while not producing.done():
                time.sleep(max(0.0, looks[-1][0] + step - time.monotonic()))
                looks.append(look())
            count, seconds = producing.result()
            consuming.result()
        while context.sql("SELECT count(*) FROM consume('g', 't', 100000, commit => true)") != "0":
            pass
        produced, consumed, made, vacuums = (after - before for after, before in zip(look()[1:], looks[0][1:]))
        lost = context.sql("SELECT sum(events_lost) FROM eventlog_lag WHERE group_name = 'g'")
        if produced != count or consumed != count or lost != "0":
            raise SystemExit(f"bench: {count} transactions, {produced} events, {consumed} committed, {lost} lost")
        if context.seconds >= 3 * CHECKPOINT_S and (made < 2 or vacuums < 2):
            raise SystemExit(f"bench: {made} checkpoints, {vacuums} runs of autovacuum: it was to be across several")
        series = [{"second": round(b[0] - looks[0][0], 1), "checkpoints": b[3] - a[3],
                   "produced": (b[1] - a[1]) / (b[0] - a[0]), "consumed": (b[2] - a[2]) / (b[0] - a[0])}
                  for a, b in zip(looks, looks[1:-1])]     # the last is cut off
        return count, seconds, {"series": series, "checkpoints": made, "autovacuum": vacuums}
    return [Contestant(NAME, run, CLIENTS, DURABLE["on"], arrived=ENDS.format(topic="t"))]


def part(name, first):
    """Median of the first or the last third of a series."""
    def of(one):
        values = [step[name] for step in one["series"]]
        third = max(1, len(values) // 3)
        return statistics.median(values[:third] if first else values[-third:])
    return of


def later(name):
    return lambda ours, _: part(name, False)(ours) / part(name, True)(ours)


def show(rows):
    for row in rows:
        for one in row.measured:
            print(f"\n{one['checkpoints']} checkpoints, {one['autovacuum']} tables vacuumed")
            print(f"{'second':>8} {'produced/s':>12} {'consumed/s':>12} checkpoints")
            for step in one["series"]:
                print(f"{step['second']:>8.0f} {step['produced']:>12,.0f} {step['consumed']:>12,.0f} {'*' * step['checkpoints']}")


COLUMNS = {"checkpoints": "checkpts", "autovacuum": "vacuums"}
RATIOS = [Ratio(NAME, NAME, of=later(name), what=f"{name}: the last third / the first") for name in ("produced", "consumed")]
