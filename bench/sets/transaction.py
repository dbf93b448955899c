"""what it costs a transaction: pgbench's TPC-B alone, with one event of 200 B, and without the library

8 clients. At scale 50 they seldom meet at one of the 50 branches, and the tables fit into shared_buffers. No checkpoint is made:
images of full pages, some 15 kB a transaction after one, would hide what an event costs. The library loaded and unused, and not
loaded, are measured on two servers of their own that differ in nothing else.
"""
import events
import measure
import server
import tables
from measure import Contestant, Ratio

CHECKPOINTS = False
SCALE, CLIENTS = 50, 8
TPCB = """\\set aid random(1, 100000 * {scale})
\\set bid random(1, {scale})
\\set tid random(1, 10 * {scale})
\\set delta random(-5000, 5000)
BEGIN;
UPDATE pgbench_accounts SET abalance = abalance + :delta WHERE aid = :aid;
SELECT abalance FROM pgbench_accounts WHERE aid = :aid;
UPDATE pgbench_tellers SET tbalance = tbalance + :delta WHERE tid = :tid;
UPDATE pgbench_branches SET bbalance = bbalance + :delta WHERE bid = :bid;
INSERT INTO pgbench_history (tid, bid, aid, delta, mtime) VALUES (:tid, :bid, :aid, :delta, CURRENT_TIMESTAMP);
{more}END""".replace("{scale}", str(SCALE))


def set_up(context):
    context.sql("SELECT create_topic('t', 8);" + tables.OUTBOX)
    context.other = [context.stack.enter_context(server.Server(preload=preload)) for preload in ("eventlog", "")]
    for one in (context.server, *context.other):
        server.run(["pgbench", "-i", "-q", "-s", str(SCALE)], env=measure.environment(one))


def contestants(context):
    sample = list(events.events("json200", 8))

    def row(name, more="", arrived=None, where=None):
        run = context.one_by_one(TPCB.replace("{more}", more), sample, clients=CLIENTS, sync="on", server=where or context.server)
        return Contestant(name, run, CLIENTS, "flushed", arrived=arrived, server=where)
    return [row("pgbench"), row("pgbench, produce", "SELECT produce('t', {key}, {value});\n", "SELECT count(*) FROM t"),
            row("pgbench, INSERT into the outbox", tables.OUTBOX_INSERT + ";\n", "SELECT count(*) FROM outbox"),
            row("pgbench, library loaded", where=context.other[0]), row("pgbench, library not loaded", where=context.other[1])]


RATIOS = [
    Ratio("pgbench, produce", "pgbench", target=3, at_least=0.93),
    Ratio("pgbench, produce", "pgbench, INSERT into the outbox", target=3, at_least=1.1),
    Ratio("pgbench, library loaded", "pgbench, library not loaded", target=3, at_least=0.99),
]
