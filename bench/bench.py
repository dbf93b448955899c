"""Measure eventlog and its floors and peers on the server that PG* variables name. bench/run calls this.

Every contestant is measured once a round, one after the other, in turn from the first to the last and from the last to
the first; the table shows medians over the rounds, and ratios as medians of each round's ratio. Raw measurements are
written as JSON to descriptor 3, if that is open.
"""
import argparse
import json
import os
import platform
import re
import statistics
import subprocess
import sys
import tempfile
import time

PAYLOAD = """'{"id":' || :id || ',"type":"order.paid","customer":"c-' || :customer || '","amount":' || :cents || '.50,"by":"card","ok": true}'"""
DRAW = """\\set id random(1, 1000000000)
\\set customer random_zipfian(1, 20000, 1.1)
\\set cents random(1, 40000)
"""


def sql(query, setting=None):
    options = {} if setting is None else {"PGOPTIONS": setting}
    done = subprocess.run(["psql", "-XAtq", "-v", "ON_ERROR_STOP=1"], input=query, text=True, capture_output=True,
                          env={**os.environ, **options}, check=False)
    if done.returncode:
        raise SystemExit(f"bench: {done.stderr.strip()}\nin: {query[:500]}")
    return done.stdout.strip()


def timed_sql(query):
    """Seconds that psql says a statement took; what it takes to connect is not in them."""
    out = sql("\\timing on\n" + query)
    return sum(float(ms) for ms in re.findall(r"^Time: ([0-9.]+) ms", out, re.M)) / 1000


def timed_copy(statement, path):
    return timed_sql(f"\\copy {statement} FROM '{path}'")


class Pgbench:
    """A script run by clients for some seconds, or a number of times by one."""

    def __init__(self, script, clients=1, sync=None, seconds=None, times=None, variables=()):
        self.script, self.clients, self.sync = script, clients, sync
        self.seconds, self.times, self.variables = seconds, times, variables

    def __call__(self):
        with tempfile.NamedTemporaryFile("w", suffix=".sql") as file:
            file.write(self.script)
            file.flush()
            command = ["pgbench", "-n", "-M", "prepared", "-f", file.name, "-c", str(self.clients),
                       "-j", str(min(self.clients, os.cpu_count() or 1))]
            command += ["-T", str(self.seconds)] if self.times is None else ["-t", str(self.times)]
            for variable in self.variables:
                command += ["-D", variable]
            done = subprocess.run(command, text=True, capture_output=True, check=False, env={
                **os.environ, "PGOPTIONS": f"-c synchronous_commit={self.sync}" if self.sync else ""})
        tps = re.search(r"^tps = ([0-9.]+) \(without", done.stdout, re.M)
        count = re.search(r"^number of transactions actually processed: (\d+)", done.stdout, re.M)
        failed = re.search(r"^number of failed transactions: ([1-9]\d*)", done.stdout, re.M)
        if done.returncode or not tps or not count or failed:
            raise SystemExit(f"bench: pgbench failed\n{done.stdout}{done.stderr}")
        return int(count[1]), int(count[1]) / float(tps[1])


class Contestant:
    """A row of the table. run() returns (number of operations, seconds); each operation is of `size` events."""

    def __init__(self, group, name, run, clients=1, durable="", size=1):
        self.group, self.name, self.run, self.clients, self.durable, self.size = group, name, run, clients, durable, size
        self.rates, self.wal = [], []

    def measure(self, number):
        before = sql("SELECT pg_current_wal_insert_lsn()")
        count, seconds = self.run()
        wal = int(sql(f"SELECT (pg_current_wal_insert_lsn() - '{before}')::bigint"))
        events = count * self.size
        self.rates.append(events / seconds)
        self.wal.append(wal / events)
        return {"round": number, "group": self.group, "name": self.name, "clients": self.clients, "durable": self.durable,
                "events": events, "seconds": round(seconds, 6), "events_per_s": round(events / seconds, 1), "wal_bytes": wal}


def fdatasync_rate(seconds=0.5):
    """fdatasync of 8 kB written over and over, in the server's folder."""
    with tempfile.NamedTemporaryFile(dir=os.environ.get("BENCH_CLUSTER")) as file:
        block = os.urandom(8192)
        os.pwrite(file.fileno(), block * 128, 0)
        os.fsync(file.fileno())
        count, begin = 0, time.perf_counter()
        while time.perf_counter() - begin < seconds:
            os.pwrite(file.fileno(), block, count % 128 * 8192)
            os.fdatasync(file.fileno())
            count += 1
        return count, time.perf_counter() - begin


def set_up(args):
    """The topics and tables; returns the file for COPY."""
    sql(f"""
SELECT create_topic('t_single', {args.partitions}), create_topic('t_bulk', {args.partitions}), create_topic('t_read', 1);
CREATE TABLE heap_single (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, created timestamptz NOT NULL DEFAULT clock_timestamp(),
                          key text, value json);
CREATE TABLE heap_bulk (LIKE heap_single INCLUDING ALL);
CREATE TABLE heap_read (LIKE heap_single INCLUDING ALL);
CREATE UNLOGGED TABLE source AS
    SELECT i, 'c-' || (20000 ^ random())::int AS key,
           json_build_object('id', i, 'type', 'order.paid', 'at', 1700000000000 + i * 37, 'amount', (random() * 40000)::int / 100.0,
                             'by', (ARRAY['card', 'iban', 'invoice'])[1 + i % 3])::text AS value
    FROM generate_series(1, {args.events}) i;
CREATE UNLOGGED TABLE source_arrays AS
    SELECT i / 1000 AS n, array_agg(key ORDER BY i) AS keys, array_agg(value ORDER BY i) AS event_values FROM source GROUP BY i / 1000;
COPY (SELECT key, value::json FROM source ORDER BY i) TO '{args.folder}/source.copy';
COPY t_read (key, value) FROM '{args.folder}/source.copy';
COPY heap_read (key, value) FROM '{args.folder}/source.copy';
VACUUM ANALYZE heap_read, t_read, source, source_arrays;
CHECKPOINT;
""")
    return f"{args.folder}/source.copy"


def contestants(args, file):
    rows = []

    # those that are compared with each other one after the other: the disk's speed changes by the minute
    statements = [("pg_logical_emit_message", f"SELECT pg_logical_emit_message(true, 'bench', {PAYLOAD})"),
                  ("heap INSERT", f"INSERT INTO heap_single (key, value) VALUES ('c-' || :customer, ({PAYLOAD})::json)"),
                  ("produce", f"SELECT produce('t_single', 'c-' || :customer, {PAYLOAD})")]
    rows.append(Contestant("floor", "fdatasync of 8 kB", fdatasync_rate, durable="flushed"))
    for clients in args.clients:
        rows.append(Contestant("single", "SELECT 1", Pgbench("SELECT 1;\n", clients, None, args.seconds), clients, "-"))
        for sync, durable in (("on", "flushed"), ("off", "not flushed")):
            for name, statement in statements:
                rows.append(Contestant("single", name, Pgbench(f"{DRAW}{statement};\n", clients, sync, args.seconds), clients, durable))

    def bulk(name, run):
        rows.append(Contestant("bulk", name, lambda: (args.events, run()), durable="flushed"))

    bulk("heap INSERT ... SELECT", lambda: timed_sql("INSERT INTO heap_bulk (key, value) SELECT key, value::json FROM source"))
    bulk("SELECT produce(...) FROM source", lambda: timed_sql("SELECT count(produce('t_bulk', key, value)) FROM source"))
    bulk("topic INSERT ... SELECT", lambda: timed_sql("INSERT INTO t_bulk (key, value) SELECT key, value::json FROM source"))
    bulk("heap COPY", lambda: timed_copy("heap_bulk (key, value)", file))
    bulk("topic COPY", lambda: timed_copy("t_bulk (key, value)", file))
    bulk("produce_batch, arrays of 1,000", lambda: timed_sql("SELECT sum(produce_batch('t_bulk', keys, event_values)) FROM source_arrays"))

    def whole(name, query):
        rows.append(Contestant("read", name, lambda: (args.events, timed_sql(query)), durable="-"))

    def pages(name, script, variable, sync=None):
        rows.append(Contestant("read", name, lambda: Pgbench(script, sync=sync, times=args.events // 500, variables=[variable()])(),
                               durable={"on": "flushed", "off": "not flushed", None: "-"}[sync], size=500))

    whole("heap SELECT, all in the server", "SELECT count(*), sum(length(value::text)) FROM heap_read")
    whole("topic SELECT, all in the server", "SELECT count(*), sum(length(value::text)) FROM t_read")
    whole("read_topic, all in the server", f"SELECT count(*), sum(length(value::text)) FROM read_topic('t_read', max_events => {args.events})")
    pages("heap index range, 500 a time", "SELECT * FROM heap_read WHERE id > :pos ORDER BY id LIMIT 500;\n\\set pos :pos + 500\n",
          lambda: "pos=0")
    pages("read_topic, 500 a time", "SELECT * FROM read_topic('t_read', 0, :pos, 500);\n\\set pos :pos + 500\n", lambda: "pos=0")
    for sync in ("on", "off"):
        pages("consume, 500 a time, commit", "SELECT * FROM consume(:group, 't_read', 500, commit => true);\n",
              lambda: f"group=bench_{time.time_ns()}", sync)
    return [row for row in rows if not args.only or re.search(args.only, f"{row.group} {row.name}")]


RATIOS = [
    ("produce / pg_logical_emit_message", "produce", "pg_logical_emit_message"),
    ("produce / heap INSERT", "produce", "heap INSERT"),
    ("bulk produce / heap INSERT ... SELECT", "SELECT produce(...) FROM source", "heap INSERT ... SELECT"),
    ("topic COPY / heap COPY", "topic COPY", "heap COPY"),
    ("produce_batch / heap COPY", "produce_batch, arrays of 1,000", "heap COPY"),
    ("topic SELECT / heap SELECT", "topic SELECT, all in the server", "heap SELECT, all in the server"),
    ("read_topic / heap index range, 500 a time", "read_topic, 500 a time", "heap index range, 500 a time"),
    ("consume with commit / heap index range", "consume, 500 a time, commit", "heap index range, 500 a time"),
]


def show(rows):
    def number(x):
        return f"{x:,.0f}" if x >= 100 else f"{x:,.1f}"

    print(f"\n{'':34} {'clients':>7} {'durable':>12} {'median/s':>12} {'min/s':>12} {'max/s':>12} {'WAL B/event':>12}")
    group = None
    for row in rows:
        if row.group != group:
            group = row.group
            print({"floor": "the disk", "single": "one event a transaction", "bulk": "many events a transaction",
                   "read": "reading"}[group])
        print(f"  {row.name:32} {row.clients:>7} {row.durable:>12} {number(statistics.median(row.rates)):>12} "
              f"{number(min(row.rates)):>12} {number(max(row.rates)):>12} {statistics.median(row.wal):>12.0f}")

    print(f"\n{'ratios, round by round':46} {'clients':>7} {'durable':>12} {'median':>8} {'min':>8} {'max':>8}")
    for title, ours, theirs in RATIOS:
        for a in rows:
            for b in rows:
                if (a.name, b.name) == (ours, theirs) and a.clients == b.clients and (a.durable == b.durable or b.durable == "-"):
                    ratios = [x / y for x, y in zip(a.rates, b.rates)]
                    print(f"  {title:44} {a.clients:>7} {a.durable:>12} {statistics.median(ratios):>8.2f} {min(ratios):>8.2f} {max(ratios):>8.2f}")


def main():
    parser = argparse.ArgumentParser(prog="bench/run", description="Events per second of eventlog beside its floors and peers.")
    parser.add_argument("--rounds", type=int, default=3, help="measurements of each contestant (default 3; 9 or more to compare)")
    parser.add_argument("--seconds", type=float, default=3, help="of each measurement of single events (default 3)")
    parser.add_argument("--events", type=int, default=200000, help="in a bulk and in what is read (default 200000)")
    parser.add_argument("--clients", default="1,8", help="for single events (default 1,8)")
    parser.add_argument("--partitions", type=int, default=8, help="of the topics produced to (default 8); the one read has 1")
    parser.add_argument("--only", metavar="REGEX", help="only contestants whose group and name match")
    args = parser.parse_args()
    args.clients = [int(n) for n in args.clients.split(",")]
    args.seconds = max(1, round(args.seconds))
    args.events -= args.events % 1000
    if args.events < 1000 or args.rounds < 1:
        parser.error("at least 1,000 events and 1 round")

    with tempfile.TemporaryDirectory() as args.folder:
        begin = time.monotonic()
        print("bench: setting up", flush=True)
        file = set_up(args)
        rows = contestants(args, file)
        if not rows:
            parser.error("--only matches none")
        results = {
            "arguments": {k: v for k, v in vars(args).items() if k != "folder"}, "time": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
            "server": sql("SELECT version()"), "kernel": platform.platform(), "cpus": os.cpu_count(), "load": os.getloadavg(),
            "settings": json.loads(sql("SELECT json_object_agg(name, setting) FROM pg_settings WHERE source NOT IN ('default', 'override', 'client') OR name IN ('fsync', 'full_page_writes', 'synchronous_commit', 'wal_level', 'wal_sync_method')")),
            "measurements": []}
        for number in range(1, args.rounds + 1):
            sql("CHECKPOINT")
            for row in rows if number % 2 else reversed(rows):
                print(f"\r\033[Kround {number} of {args.rounds}: {row.name}" if sys.stdout.isatty() else "", end="", flush=True)
                results["measurements"].append(row.measure(number))
        if sys.stdout.isatty():
            print("\r\033[K", end="")
        problems = sql("SELECT count(*) FROM eventlog_topics t, check_topic(t.topic)")
        if problems != "0":
            raise SystemExit(f"bench: check_topic finds {problems} problems")

    print(f"{results['server'].split(' on ')[0]}, {results['cpus']} CPUs, load {results['load'][0]:.1f} at the start, "
          f"{args.rounds} rounds, {time.monotonic() - begin:.0f} s")
    show(rows)
    results["load_end"] = os.getloadavg()
    try:
        with os.fdopen(3, "w") as out:
            json.dump(results, out, indent=1)
    except OSError:
        pass


if __name__ == "__main__":
    main()
