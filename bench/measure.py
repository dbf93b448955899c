"""What all sets measure with: SQL, pgbench, contestants and their rounds, ratios, medians with their intervals."""
import math
import os
import re
import resource
import statistics
import subprocess
import tempfile
import time


def environment(server, **more):
    """For a client of a server; without one, of the server that the PG* variables name."""
    return {**os.environ, **(server.env if server else {}), **more}


def sql(query, server=None):
    done = subprocess.run(["psql", "-XAtq", "-v", "ON_ERROR_STOP=1"], input=query, text=True, capture_output=True,
                          env=environment(server), check=False)
    if done.returncode:
        raise SystemExit(f"bench: {done.stderr.strip()}\nin: {query[:500]}")
    return done.stdout.strip()


def timed_sql(query, server=None):
    """Seconds that psql says its statements took; what it takes to connect is not in them."""
    out = sql("\\timing on\n" + query, server)
    return sum(float(ms) for ms in re.findall(r"^Time: ([0-9.]+) ms", out, re.M)) / 1000


class Pgbench:
    """Runs one of the scripts, at random, over and over: by clients for some seconds, or some times by each."""

    def __init__(self, scripts, clients=1, sync=None, seconds=None, times=None, variables=(), server=None):
        self.scripts = [scripts] if isinstance(scripts, str) else scripts
        self.clients, self.sync, self.seconds, self.times = clients, sync, seconds, times
        self.variables, self.server = variables, server

    def __call__(self):
        """(number of transactions, seconds)"""
        with tempfile.TemporaryDirectory() as folder:
            threads = min(self.clients, os.cpu_count() or 1)
            command = ["pgbench", "-n", "-M", "prepared", "-c", str(self.clients), "-j", str(threads)]
            command += ["-T", str(self.seconds)] if self.times is None else ["-t", str(self.times)]
            for number, script in enumerate(self.scripts):
                with open(f"{folder}/{number}.sql", "w", encoding="utf-8") as file:
                    file.write(script)
                command += ["-f", file.name]
            for variable in self.variables:
                command += ["-D", variable]
            options = {"PGOPTIONS": f"-c synchronous_commit={self.sync}"} if self.sync else {}
            done = subprocess.run(command, text=True, capture_output=True, check=False, env=environment(self.server, **options))
        tps = re.search(r"^tps = ([0-9.]+) \(without", done.stdout, re.M)
        count = re.search(r"^number of transactions actually processed: (\d+)", done.stdout, re.M)
        failed = re.search(r"^number of failed transactions: ([1-9]\d*)", done.stdout, re.M)
        if done.returncode or not tps or not count or failed:
            raise SystemExit(f"bench: pgbench failed\n{done.stdout}{done.stderr}")
        return int(count[1]), int(count[1]) / float(tps[1])


def one_by_one(statement, events, **options):
    """Pgbench with a statement in which {key} and {value} stand for those of one of the events, sent as parameters."""
    scripts = [statement.format(key=f":k{i}", value=f":v{i}") + ";\n" for i in range(len(events))]
    variables = [f"{name}{i}={text}" for i, event in enumerate(events) for name, text in zip("kv", event)]
    return Pgbench(scripts, variables=variables, **options)


DURABLE = {"on": "flushed", "off": "not flushed", None: "-"}


class Contestant:
    """A row of the table.

    run() returns (number of operations, seconds), each operation of `size` events, and maybe a dict of other numbers to keep.
    `arrived` is a query for the number of events at their destination: in the end it has to have grown by what all contestants
    with this query have sent. `missing` says why there is nothing to run.
    """

    def __init__(self, name, run, clients=1, durable="-", size=1, arrived=None, server=None, heading="", missing=None):
        self.name, self.run, self.clients, self.durable, self.size = name, run, clients, durable, size
        self.arrived, self.server, self.heading, self.missing = arrived, server, heading, missing
        self.measured = []      # a dict for each round

    def measure(self, number, server):
        """One measurement; `server` is the one to look at unless the contestant has its own."""
        server = self.server or server
        before, spent, client = sql("SELECT pg_current_wal_insert_lsn()", server), server.cpu(), client_cpu()
        count, seconds, *more = self.run()
        client, spent = client_cpu() - client, server.cpu() - spent
        wal = int(sql(f"SELECT (pg_current_wal_insert_lsn() - '{before}')::bigint", server))
        events = count * self.size
        self.measured.append({
            "round": number, "name": self.name, "clients": self.clients, "durable": self.durable, "heading": self.heading,
            "events": events, "seconds": round(seconds, 6), "rate": events / seconds, "wal": wal / events,
            "server_cpu": spent / events * 1e6, "client_cpu": client / events * 1e6, **(more[0] if more else {})})

    def values(self, what):
        return [one[what] for one in self.measured if what in one]


def client_cpu():
    """Seconds of CPU time of this process and of the clients it has run."""
    usages = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


def faster(ours, theirs):
    return ours["rate"] / theirs["rate"]


def cpu(ours, theirs):
    """CPU time of an event, server and clients together."""
    spent = [one["server_cpu"] + one["client_cpu"] for one in (ours, theirs)]
    return spent[0] / max(spent[1], 1e-9)


class Ratio:
    """Two contestants by their names, compared in each round: `of` takes the two measurements of a round.

    Compared are two that have heading, clients and durability in common ("-" goes with any); these may also be chosen here.
    With `target` it is judged: the number in the table of targets, and at_least or at_most what.
    """

    ROUNDS = 9      # the least to judge by

    def __init__(self, ours, theirs, target=None, at_least=None, at_most=None, of=faster, what=None,
                 clients=None, durable=None, heading=None):
        self.ours, self.theirs, self.target, self.at_least, self.at_most, self.of = ours, theirs, target, at_least, at_most, of
        self.what = what or f"{ours} / {theirs}"
        self.choice = {"clients": clients, "durable": durable, "heading": heading}

    def pairs(self, rows):
        """The pairs of contestants it is about."""
        chosen = [row for row in rows if row.name == self.ours
                  and all(choice in (None, getattr(row, name)) for name, choice in self.choice.items())]
        return [(a, b) for a in chosen for b in rows if b.name == self.theirs and (b.heading, b.clients) == (a.heading, a.clients)
                and b.durable in (a.durable, "-")]

    def values(self, a, b, of=None):
        return [(of or self.of)(x, y) for x, y in zip(a.measured, b.measured)]

    def bound(self):
        return f">= {self.at_least:.2f}" if self.at_least is not None else f"<= {self.at_most:.2f}"

    def judge(self, values):
        """By the median; and whether the interval says the same."""
        def kept(x):
            return x >= self.at_least if self.at_least is not None else x <= self.at_most
        verdict = kept(statistics.median(values))
        return ("met" if verdict else "missed") + ("" if all(kept(x) == verdict for x in interval(values)) else ", not certain")


def interval(values):
    """Of the median, by order statistics: the narrowest pair that has it between them with 95 % or more, as the binomial
    distribution says. Fewer than 6 values: the extremes."""
    ordered, n, cut, outside = sorted(values), len(values), 0, 0.0
    while (outside := outside + 2 * math.comb(n, cut) / 2 ** n) <= 0.05:
        cut += 1
    cut = max(cut, 1)
    return ordered[cut - 1], ordered[n - cut]


def fdatasync_rate(server, seconds=0.5):
    """fdatasync of 8 kB written over and over, in the server's folder."""
    with tempfile.NamedTemporaryFile(dir=server.data) as file:
        block = os.urandom(8192)
        os.pwrite(file.fileno(), block * 128, 0)
        os.fsync(file.fileno())
        count, begin = 0, time.perf_counter()
        while time.perf_counter() - begin < seconds:
            os.pwrite(file.fileno(), block, count % 128 * 8192)
            os.fdatasync(file.fileno())
            count += 1
        return count, time.perf_counter() - begin
