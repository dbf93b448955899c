"""eventlog-broker beside Apache Kafka: Kafka's own tools against both, small producers, idle readers, ten minutes of load

Cells, each with eventlog flushed (synchronous_commit = on), eventlog not flushed (off) and Kafka as shipped in alternation, the
order rotated from round to round; a ratio is taken within a round. Five rounds, and up to nine where the interval of a judged
ratio has the bound inside. --cells chooses: --cells produce-100-16k, --cells 'produce.*lz4' read, --cells latency.
Both are given the same bytes by the same clients over TCP, in topics of 8 partitions (bytea for us: Kafka looks at no value
either). Before each measurement the server makes a checkpoint and the disk's cache is written, so that nobody writes for
another. CPU is that of all processes of a side: ours are PostgreSQL and the broker.
"""
import concurrent.futures
import json
import os
import re
import shutil
import statistics
import subprocess
import time

import broker
import events
import kafka
import measure
from measure import DURABLE, Contestant, Ratio

PACKAGES = ["maven", "default-jdk-headless"]
ROUNDS, MOST_ROUNDS = 5, 9
EVENTS, SECONDS = 1200000, 10       # of 100 B
SETTINGS = "shared_buffers = 768MB\nmax_wal_size = 4GB\neventlog.retention_check_interval = 5s\n"
# only the load of ten minutes has topics that this does anything to
KAFKA_SETTINGS = "log.retention.check.interval.ms=5000\n"
TARGET = 16
PARTITIONS = 8
RECORDS = {"100": ("json100", 1), "1k": ("json1k", 4)}      # the events, and how many times fewer of them
BATCHES = {"16k": 16384, "64k": 65536}
WARM_UP = 0.4           # of the events that are measured, sent or read before them
CONNECTIONS = 1000
SYSTEMS = ("on", "off", None)       # synchronous_commit; None: Kafka


def lines_of(context, record):
    """The file with what is sent."""
    path = f"{context.folder}/{record}"
    if not os.path.exists(path):
        kind, fewer = RECORDS[record]
        with open(path, "w", encoding="utf-8") as file:
            file.writelines(f"{value}\n" for _, value in events.events(kind, 100000 // fewer))
    return path


def number_of(context, record):
    """(to warm up, measured)"""
    count = context.events // RECORDS[record][1]
    return int(count * WARM_UP), count


class Of(Contestant):
    """A cell's row of one system."""

    def __init__(self, context, cell, sync):
        super().__init__("eventlog" if sync else "Kafka", None, cell.clients, DURABLE[sync], heading=cell.name,
                         missing=context.missing)
        self.context, self.cell, self.sync, self.sent = context, cell, sync, 0

    def measure(self, number, server):
        node = self.context.kafka
        os.sync()
        if self.sync:
            wal, syncs, calls, spent = self.written(server), broker.syncs(server), broker.calls(server), server.cpu()
            with broker.Broker(self.context.jars, server, self.sync) as one:
                said = self.run_on(one)
                of_broker = one.cpu()
            more = {"wal_bytes": self.written(server) - wal, "syncs": broker.syncs(server) - syncs,
                    "calls": broker.calls(server) - calls}
            spent = server.cpu() - spent + of_broker
            more |= {"wal": more["wal_bytes"] / said["events"], "broker_cpu": of_broker / said["events"] * 1e6}
            if said.get("bytes") and self.cell.writes:
                more["wal_byte"] = more["wal_bytes"] / said["bytes"]
        else:
            more, spent = {}, node.cpu()
            said = self.run_on(node)
            spent = node.cpu() - spent
        if self.cell.writes:
            self.sent += said["events"]
        self.measured.append({
            "round": number, "name": self.name, "clients": self.clients, "durable": self.durable, "heading": self.heading,
            "server_cpu": spent / said["events"] * 1e6, **more, **said})

    def run_on(self, system):
        """What the cell says; the CPU time of its clients without what JVMs take for one event."""
        of_client, begin = measure.client_cpu(), time.monotonic()
        said = self.cell.run(self.context, system)
        of_client = measure.client_cpu() - of_client - self.context.start_cpu * self.cell.jvms
        return {"client_cpu": max(0.0, of_client / said["events"] * 1e6), "seconds": round(time.monotonic() - begin, 3), **said}

    @staticmethod
    def written(server):
        return int(measure.sql("SELECT pg_current_wal_insert_lsn() - '0/0'", server))


class InCell(Ratio):
    """Of the rows of one cell: eventlog's, this way durable, and Kafka's."""

    ROUNDS = ROUNDS

    def __init__(self, cell, sync, what, alone=False, **options):
        super().__init__("eventlog", "eventlog" if alone else "Kafka", TARGET if {"at_least", "at_most"} & set(options) else None,
                         what=f"{cell}, {DURABLE[sync]}: {what}", heading=cell, durable=DURABLE[sync], **options)

    def pairs(self, rows):
        ours = [row for row in rows if (row.heading, row.name, row.durable) ==
                (self.choice["heading"], self.ours, self.choice["durable"])]
        if self.theirs == self.ours:
            return [(row, row) for row in ours]
        return [(a, b) for a in ours for b in rows if (b.heading, b.name) == (a.heading, self.theirs)]


def server_cpu(ours, theirs):
    return ours["server_cpu"] / max(theirs["server_cpu"], 1e-9)


class Cell:
    """What is measured of each system. run() returns a dict: rate, events (of which CPU times are told), maybe bytes and more."""

    clients, jvms, writes, systems, rounds = 1, 1, True, SYSTEMS, None
    partitions, options, kafka_options = PARTITIONS, "{}", {}

    def __init__(self, name):
        self.name, self.topic = name, name.replace("-", "_")

    def prepare(self, context):
        context.sql(f"SELECT create_topic('{self.topic}', {self.partitions}, 'bytea', 'bytea', '{self.options}')")
        context.kafka.create_topic(self.topic, self.partitions, **self.kafka_options)

    def check(self, context, rows):
        """All that was sent has to be there."""
        for name, there in ("eventlog", self.stored(context)), ("Kafka", context.kafka.produced(self.topic)):
            sent = sum(row.sent for row in rows if row.name == name)
            if there != sent:
                raise SystemExit(f"bench: {self.name}: {sent} events were sent, {name} has {there}")

    def stored(self, context):
        return int(context.sql("SELECT coalesce(sum(log_end_offset), 0) FROM eventlog_partitions"
                               f" WHERE topic = '{self.topic}'::regclass"))

    def finish(self, context, rows):
        self.check(context, rows)
        problems = context.sql(f"SELECT * FROM check_topic('{self.topic}') LIMIT 20")
        if problems:
            raise SystemExit(f"bench: check_topic finds\n{problems}")
        context.sql(f"DROP TABLE {self.topic}")
        context.kafka.tool("org.apache.kafka.tools.TopicCommand", "--bootstrap-server", context.kafka.bootstrap(), "--delete",
                           "--topic", self.topic)

    def too_short(self, _):
        """Whether a run of this length says nothing."""
        return False

    def takes(self, context):
        """Seconds of one measurement, roughly."""
        return context.seconds + 3


class Produce(Cell):
    """ProducerPerformance, one or four at once, whose rates are added."""

    def __init__(self, record, batch, codec, clients):
        super().__init__(f"produce-{record}-{batch}-{codec}-{clients}")
        self.record, self.batch, self.codec, self.clients, self.jvms = record, batch, codec, clients, clients

    def run(self, context, system):
        return produce(context, system, self.topic, self.record, self.batch, self.codec, self.clients)

    def takes(self, context):
        return 4 + self.clients + sum(number_of(context, self.record)) / (600000 if self.record == "100" else 150000)

    def ratios(self):
        plain, large = self.codec == "none", (self.record, self.batch) == ("100", "64k")
        least = {"on": (1.2 if large else 0.95) if plain else 0.9, "off": (1.3 if large else 1.1) if plain else 1.0}
        for sync in "on", "off":
            yield InCell(self.name, sync, "eventlog / Kafka", at_least=least[sync])
            yield InCell(self.name, sync, "CPU / Kafka's", of=server_cpu,
                         at_most=1.3 if (self.record, self.batch) == ("1k", "64k") else 1.0)
            yield InCell(self.name, sync, "WAL bytes of a batch byte", alone=True, at_most=1.03, of=lambda a, _: a["wal_byte"])


def produce(context, system, topic, record, batch, codec, clients):
    warm_up, count = (number // clients for number in number_of(context, record))

    def one(_):
        return system.produce(topic, count, warm_up, lines_of(context, record), batch_size=BATCHES[batch], linger_ms=5,
                              compression_type=codec)

    with concurrent.futures.ThreadPoolExecutor() as pool:
        said = list(pool.map(one, range(clients)))
    return {"rate": sum(one["rate"] for one in said), "events": (warm_up + count) * clients,
            "bytes": sum(one["bytes"] for one in said),
            "batch_bytes": statistics.mean(one["batch_bytes"] for one in said),
            "events_per_request": statistics.mean(one["events_per_request"] for one in said)}


class Read(Cell):
    """Reader.java over what was produced in batches of 16 KB; it is read from memory."""

    writes = False
    systems = ("off", None)     # nothing is written

    def __init__(self, record, codec, clients):
        super().__init__(f"read-{record}-{codec}-{clients}")
        self.record, self.codec, self.clients, self.all = record, codec, clients, 0

    def prepare(self, context):
        super().prepare(context)
        for system in self.systems:
            if system:
                with broker.Broker(context.jars, context.server, system) as one:
                    said = produce(context, one, self.topic, self.record, "16k", self.codec, 1)
            else:
                said = produce(context, context.kafka, self.topic, self.record, "16k", self.codec, 1)
            self.all = said["events"]

    def run(self, context, system):
        warm_up, count = number_of(context, self.record)
        said = broker.java(system, context.classes, "Reader", self.topic, PARTITIONS, self.clients, warm_up, count)
        if said["all"] != self.all:
            raise SystemExit(f"bench: {self.name}: {said['all']} events were read of {self.all}")
        return {"rate": said["events"] / said["seconds"], "mb_s": said["bytes"] / said["seconds"] / 2**20, "events": said["all"]}

    def check(self, context, rows):
        pass

    def takes(self, context):
        return 4 + sum(number_of(context, self.record)) / (1200000 if self.record == "100" else 300000)

    def ratios(self):
        yield InCell(self.name, "off", "eventlog / Kafka", at_least=0.9)
        yield InCell(self.name, "off", "CPU / Kafka's", of=server_cpu, at_most=2.0)


class Small(Cell):
    """1,000 connections of frames.c, each sending batches of ten records of 100 B; rates are batches."""

    clients, jvms = CONNECTIONS, 0
    RECORDS = 10

    def __init__(self, in_flight):
        super().__init__(f"small-{in_flight}")
        self.in_flight = in_flight

    def run(self, context, system):
        said = context.frames("produce", system.port, self.topic, PARTITIONS, CONNECTIONS, self.in_flight, context.seconds,
                              self.RECORDS, lines_of(context, "100"))
        return {"rate": said["requests"] / said["seconds"], "events": said["all"] * self.RECORDS, "bytes": said["bytes"],
                "batch_bytes": said["bytes"] / said["all"], "p50": said["p50"], "p99": said["p99"]}

    def ratios(self):
        yield InCell(self.name, "on", "thousands of batches/s", alone=True, of=lambda ours, _: ours["rate"] / 1000, at_least=100)
        yield InCell(self.name, "on", "eventlog / Kafka")
        yield InCell(self.name, "off", "eventlog / Kafka")


class Latency(Cell):
    """Latency.java, and EndToEndLatency itself."""

    partitions = 1
    SIZE = 100
    TOOL = "org.apache.kafka.tools.EndToEndLatency"

    @staticmethod
    def number(context):
        return max(500, context.events // 100)

    def run(self, context, system):
        count = self.number(context)
        rate, seconds = measure.fdatasync_rate(context.server)
        said = broker.java(system, context.classes, "Latency", self.topic, count // 4, count, self.SIZE)
        # Its consumer has a group's name, and asks for the coordinator when it is closed: without groups that fails, after the
        # figures have been told.
        out = subprocess.run(system.command(self.TOOL, "--bootstrap-server", system.bootstrap(), "--topic", self.topic,
                                            "--num-records", count, "--producer-acks", "all", "--record-size", self.SIZE),
                             capture_output=True, text=True, check=False, cwd="/tmp")
        tool = re.search(r"Avg latency: ([0-9.]+) ms\s+Percentiles: 50th = (\d+), 99th = (\d+)", out.stdout)
        if not tool:
            raise SystemExit(f"bench: EndToEndLatency says\n{out.stdout[-1000:]}{out.stderr[-2000:]}")
        return {"rate": count / said["seconds"], "events": count // 4 + 2 * count, "fdatasync_ms": seconds / rate * 1000,
                **{at: said[at] for at in ("mean", "p50", "p99", "p99.9")},
                "tool_mean": float(tool[1]), "tool_p50": int(tool[2]), "tool_p99": int(tool[3])}

    jvms = 2

    def takes(self, context):
        return 5 + self.number(context) * 2.25 * 0.0015

    def ratios(self):
        for at in "p50", "p99":
            yield InCell(self.name, "off", f"{at}, eventlog / Kafka", of=lambda a, b, at=at: a[at] / b[at], at_most=1.0)
            yield InCell(self.name, "on", f"{at}, what is more than Kafka's, in fdatasyncs", at_most=1.5,
                         of=lambda a, b, at=at: (a[at] - b[at]) / a["fdatasync_ms"])


class Idle(Cell):
    """1,000 connections of frames.c that fetch where nothing comes, 500 ms at a time; rates are fetches."""

    clients, jvms, writes, systems = CONNECTIONS, 0, False, ("off", None)
    MAX_WAIT = 500

    def prepare(self, context):
        super().prepare(context)
        with broker.Broker(context.jars, context.server, "off") as one:
            self.fill(context, one)
        self.fill(context, context.kafka)

    def fill(self, context, system):
        context.frames("produce", system.port, self.topic, PARTITIONS, 8, 1, 0.5, 10, lines_of(context, "100"))

    def run(self, context, system):
        seconds = 3 * context.seconds
        where = system.port, self.topic, PARTITIONS
        with context.frames.start("wait", *where, CONNECTIONS, seconds + 2, self.MAX_WAIT) as waiting:
            time.sleep(2)       # they have come, and wait
            at, cpu, server = measure.sql("SELECT clock_timestamp()", context.server), system.cpu(), context.server.cpu()
            time.sleep(seconds)
            cpu, server = system.cpu() - cpu, context.server.cpu() - server
            busy = measure.sql("SELECT count(*) FROM pg_stat_activity WHERE application_name = 'eventlog-broker'"
                               f" AND query_start > '{at}'", context.server)
            memory = system.memory()
            said = context.frames.finish(waiting)
        ours = isinstance(system, broker.Broker)
        return {"rate": said["requests"] / said["seconds"], "events": said["all"], "cpu_percent": cpu / seconds * 100,
                "server_percent": server / seconds * 100 if ours else 0.0, "memory": memory,
                **({"busy_sessions": int(busy)} if ours else {}), "p50": said["p50"], "p99": said["p99"]}

    def check(self, context, rows):
        pass

    def takes(self, context):
        return 3 * context.seconds + 4

    def ratios(self):
        for what, name, most in (("% of a core, broker", "cpu_percent", 10), ("MB of memory of the broker", "memory", 64),
                                 ("sessions that asked PostgreSQL", "busy_sessions", 0)):
            yield InCell(self.name, "off", what, alone=True, of=lambda ours, _, name=name: ours[name], at_most=most)


class Sustained(Cell):
    """ProducerPerformance for ten minutes, over several checkpoints; topics that remove events by size."""

    rounds = 1
    record, batch = "1k", "64k"
    options = '{"retention_bytes": "256 MB", "segment_bytes": "64 MB"}'
    kafka_options = {"retention_bytes": 256 << 20, "segment_bytes": 64 << 20, "file_delete_delay_ms": 1000}
    CHECKPOINTS = ("SELECT checkpoints_timed + checkpoints_req FROM pg_stat_bgwriter",
                   "SELECT num_timed + num_requested FROM pg_stat_checkpointer")     # 17 and later

    def too_short(self, context):
        return self.length(context) < 300

    @staticmethod
    def length(context):
        return 25 if context.quick else context.seconds * 60

    def run(self, context, system):
        length = self.length(context)
        made = self.checkpoints(context)
        out = f"{context.folder}/sustained"
        with open(out, "w", encoding="utf-8") as file:
            process = subprocess.Popen(
                system.command(*system.producer(self.topic, 10**10, 0, lines_of(context, self.record), linger_ms=5,
                                                batch_size=BATCHES[self.batch])), stdout=file, stderr=file, cwd="/tmp")
            try:
                time.sleep(length)
                process.terminate()
                process.wait(60)
            finally:
                process.kill()
        with open(out, encoding="utf-8") as file:
            said = file.read()
        pace = [float(rate) for rate in re.findall(r"^\d+ records sent, ([0-9.]+) records/sec .*max latency\.$", said, re.M)]
        sent = sum(int(count) for count in re.findall(r"^(\d+) records sent, [0-9.]+ records/sec .*max latency\.$", said, re.M))
        if len(pace) < 3:
            raise SystemExit(f"bench: kafka-producer-perf-test says\n{said[-2000:]}")
        made = self.checkpoints(context) - made
        if isinstance(system, broker.Broker) and not self.too_short(context) and made < 2:
            raise SystemExit(f"bench: {made} checkpoints: it was to be over several")
        pace = pace[2 if len(pace) > 6 else 1:]      # the rest is to warm up
        third = max(1, len(pace) // 3)
        return {"rate": statistics.mean(pace), "events": sent, "checkpoints": made, "pace": pace,
                "last_third": statistics.mean(pace[-third:]) / statistics.mean(pace[:third])}

    def checkpoints(self, context):
        return int(context.sql(self.CHECKPOINTS[context.sql("SELECT to_regclass('pg_stat_checkpointer') IS NULL") != "t"]))

    def check(self, context, rows):
        """The tool was stopped and has not told how many it had sent; what was told is there."""
        for name, there in ("eventlog", self.stored(context)), ("Kafka", context.kafka.produced(self.topic)):
            if there < sum(row.sent for row in rows if row.name == name):
                raise SystemExit(f"bench: {self.name}: {name} has {there} events")

    def takes(self, context):
        return self.length(context) + 3

    def ratios(self):
        for sync in "on", "off":
            for ratio in (InCell(self.name, sync, "the last third / the first", alone=True, of=lambda ours, _: ours["last_third"],
                                 at_least=0.9),
                          InCell(self.name, sync, "the last third / the first, against Kafka's own",
                                 of=lambda a, b: a["last_third"] / b["last_third"]),
                          InCell(self.name, sync, "eventlog / Kafka")):
                ratio.ROUNDS = 1
                yield ratio


CELLS = [*(Produce(record, batch, codec, clients) for record in RECORDS for batch in BATCHES for codec in ("none", "lz4")
           for clients in (1, 4)),
         *(Read(record, codec, clients) for record in RECORDS for codec in ("none", "lz4") for clients in (1, 4)),
         Small(1), Small(5), Latency("latency"), Idle("idle"), Sustained("sustained")]
# those of the chosen cells take its place
RATIOS = [Ratio("eventlog", "Kafka", TARGET, at_least=0.95, what="eventlog-broker / Kafka, and all else that set broker judges")]
COLUMNS = {"batch_bytes": "batch B", "broker_cpu": "broker", "wal_byte": "WAL/B", "syncs": "syncs", "calls": "calls",
           "mb_s": "MB/s"}


def set_up(context):
    cells = [cell for cell in CELLS if context.chosen(cell.name)]
    RATIOS.clear()
    for cell in cells:
        for ratio in cell.ratios():
            if context.quick or cell.too_short(context):
                ratio.ROUNDS = MOST_ROUNDS + 1      # it is not judged
            RATIOS.append(ratio)
    rounds = [cell.rounds or context.rounds for cell in cells]
    seconds = sum((cell.takes(context) + 2) * len(cell.systems) * n + 15 for cell, n in zip(cells, rounds))
    print(f"{len(cells)} cells, about {seconds / 60:.0f} minutes" +
          ("" if context.quick else "; more where an interval has the bound inside"), flush=True)
    context.jars, context.missing = kafka.fetch()
    if not shutil.which("eventlog-broker"):
        context.missing = "eventlog-broker is not installed: it is built where libpq is"
    if not context.missing:
        context.classes, context.missing = broker.compile_readers(context.folder, context.jars)
    if context.missing or not cells:
        return
    context.frames = broker.Frames(context.folder)
    context.kafka = context.stack.enter_context(kafka.Kafka(context.jars, KAFKA_SETTINGS))
    # what a JVM takes that sends one event
    context.kafka.create_topic("start", 1)
    spent = measure.client_cpu()
    context.kafka.produce("start", 1, 0, lines_of(context, "100"))
    context.start_cpu = measure.client_cpu() - spent
    if not context.quick:       # a cold JVM would flatter us in the first round
        for codec in "none", "lz4":
            produce(context, context.kafka, "start", "100", "16k", codec, 1)


def contestants(context):
    return [Of(context, cell, sync) for cell in CELLS if context.chosen(cell.name) for sync in cell.systems]


def in_cells(context, rows, server):
    """Cell by cell: its rounds, in which the order is rotated."""
    for cell in CELLS:
        of_cell = [row for row in rows if row.cell is cell]
        if not of_cell:
            continue
        context.progress(f"{cell.name}: setting up")
        cell.prepare(context)
        begin, number, least = time.monotonic(), 0, cell.rounds or context.rounds
        while number < least or (ROUNDS <= number < MOST_ROUNDS and not context.told_rounds and uncertain(cell, of_cell)):
            first = number % len(of_cell)
            number += 1
            for row in of_cell[first:] + of_cell[:first]:
                context.progress(f"{cell.name}, round {number} of {least}: {row.name}, {row.durable}")
                measure.sql("CHECKPOINT", server)
                row.measure(number, server)
        cell.finish(context, of_cell)
        context.progress()
        print(f"  {cell.name}: {number} rounds, {time.monotonic() - begin:.0f} s, load {os.getloadavg()[0]:.1f}", flush=True)


def uncertain(cell, rows):
    """Whether more rounds could tell more of a judged ratio."""
    judged = [(ratio, pair) for ratio in cell.ratios() if ratio.target and not cell.rounds for pair in ratio.pairs(rows)]
    return any(ratio.judge(ratio.values(*pair)).endswith("not certain") for ratio, pair in judged)


# what else there is to tell: of which cells, and what
TABLES = {
    "small producers, batches of ten": (Small, {
        "rate": "batches/s", "p50": "p50 ms", "p99": "p99 ms", "server_cpu": "us a record", "wal_byte": "WAL B a byte"}),
    "from the producer to the consumer, milliseconds": (Latency, {
        "mean": "mean", "p50": "p50", "p99": "p99", "p99.9": "p99.9", "tool_mean": "tool's mean", "fdatasync_ms": "fdatasync"}),
    "idle readers": (Idle, {
        "rate": "fetches/s", "cpu_percent": "CPU %", "server_percent": "PostgreSQL's %", "memory": "MB",
        "busy_sessions": "sessions busy"}),
}


def show(rows):
    print(f"\nKafka {kafka.version()}")
    for title, (kind, columns) in TABLES.items():
        of_kind = [row for row in rows if isinstance(row.cell, kind) and row.measured]
        if of_kind:
            print(f"\n{title:48}" + "".join(f"{name:>16}" for name in columns.values()))
        for row in of_kind:
            print(f"  {f'{row.heading}: {row.name}, {row.durable}':46}" + "".join(
                f"{statistics.median(row.values(what)):>16,.3f}" if row.values(what) else f"{'':>16}" for what in columns))
    for row in rows:
        for one in row.measured:
            if "pace" in one:
                print(f"\n{row.name}, {row.durable}: events/s in 5 s each, {one['checkpoints']} checkpoints; last third / first"
                      f" {one['last_third']:.3f}\n  " + " ".join(f"{rate:,.0f}" for rate in one["pace"]))
