"""beside Apache Kafka, one node on the same machine: 1,000 x 100 B a batch or transaction, one client, 8 partitions

Kafka: its own performance tools, as it ships them. A batch has room for 1,000 events, up to five requests are under way,
acks=all; as shipped it does not fsync, with flush.messages=1 (a fifth of the events) it does at each batch. Rates are the
tools' own: of producing without the first third, of consuming without the time until the consumer has its partitions. Their
CPU time is without what such a tool takes for one event. Ours: bench/client.c, binary arrays over TCP; each transaction is
flushed before it is answered, each batch consumed is committed and that is flushed. Kafka's consumer commits every 5 s.
"""
import itertools
import statistics

import client
import events
import kafka
import measure
from measure import Contestant, Ratio

PACKAGES = ["maven"]
EVENTS = 1000000
PARTITIONS, BATCH = 8, 1000
TOPICS = {"json": ("text", "json"), "text": ("text", "text")}
KAFKA_TOPICS = {"as shipped": {}, "flush.messages=1": {"flush_messages": 1}}


class OfKafka(Contestant):
    """`kafka` is measured instead of a PostgreSQL server."""

    def __init__(self, name, run, context, **options):
        super().__init__(name, run, **options)
        self.context = context

    def measure(self, number, server):
        node = self.context.kafka
        spent, of_client = node.cpu(), measure.client_cpu()
        said = self.run()
        spent, of_client = node.cpu() - spent, measure.client_cpu() - of_client - self.context.start_cpu
        self.measured.append({
            "round": number, "name": self.name, "clients": self.clients, "durable": self.durable, "heading": self.heading,
            "server_cpu": spent / said["events"] * 1e6, "client_cpu": of_client / said["events"] * 1e6, **said})


def set_up(context):
    context.payload = f"{context.folder}/payload"
    with open(context.payload, "w", encoding="utf-8") as file:
        file.writelines(f"{value}\n" for _, value in events.events("json100", 100000))
    context.client = client.Client(context.folder)
    # over TCP, as Kafka
    port = kafka.free_port()
    context.sql("ALTER SYSTEM SET listen_addresses = '127.0.0.1'")
    context.sql(f"ALTER SYSTEM SET port = {port}")
    context.server.stop()
    context.server.env["PGPORT"] = str(port)
    context.server.start()
    for topic, types in TOPICS.items():
        for name in topic, f"{topic}_read":
            context.sql(f"SELECT create_topic('{name}', {PARTITIONS}, '{types[0]}', '{types[1]}')")
        context.client(context.server, "produce", context.payload, f"{topic}_read", context.events, BATCH, 1)

    jars, context.missing = kafka.fetch()
    if context.missing:
        return
    context.kafka = context.stack.enter_context(kafka.Kafka(jars))
    context.sent = dict.fromkeys(["read", *KAFKA_TOPICS], 0)
    for name, config in {"read": {}, **KAFKA_TOPICS}.items():
        context.kafka.create_topic(kafka_topic(name), PARTITIONS, **config)
    context.start_cpu = 0
    produce(context, "read", context.events, 0)
    context.kafka.consume(kafka_topic("read"), context.events, "first")      # makes Kafka's topic of offsets
    spent = measure.client_cpu()
    produce(context, "read", 1, 0)
    context.start_cpu = measure.client_cpu() - spent
    if context.start_cpu <= 0:
        raise SystemExit("bench: the start of a JVM costs nothing?")


def kafka_topic(name):
    return name.replace(" ", "_").replace("=", "_")


def produce(context, name, count, warm_up, **config):
    """Kafka's tool; all it sent has to be there."""
    said = context.kafka.produce(kafka_topic(name), count, warm_up, context.payload, batch_size=BATCH * 110, linger_ms=5,
                                 **config)
    context.sent[name] += count + warm_up
    return {**said, "events": count + warm_up}


def contestants(context):
    rows, groups = [], itertools.count()

    def group():
        return f"g{next(groups)}"

    def ours(name, heading, *arguments, arrived=None):
        """Arguments of client.c; a function among them is called each time."""
        def run():
            of_client = (one() if callable(one) else one for one in arguments)
            said = context.client(context.server, *of_client, PGHOST="127.0.0.1")
            if said["events"] != context.events:
                raise SystemExit(f"bench: {said['events']} events instead of {context.events}")
            return said["events"], said["seconds"], {"client_cpu": said["client_cpu"] / said["events"] * 1e6}
        rows.append(Contestant(name, run, durable="flushed", heading=heading,
                               arrived=arrived and f"SELECT count(*) FROM {arrived}"))

    def of_kafka(name, heading, durable, run):
        rows.append(OfKafka(name, run, context, durable=durable, heading=heading, missing=context.missing))

    def of_tool(name, count=context.events, **config):
        def run():
            said = produce(context, name, count, count // 2, **config)
            there = context.kafka.produced(kafka_topic(name))
            if there != context.sent[name]:
                raise SystemExit(f"bench: Kafka has {there} events of {context.sent[name]}")
            return said
        return run

    def batches(name, topic, under_way):
        ours(name, heading, "produce", context.payload, topic, context.events, BATCH, under_way, arrived=topic)

    heading = "produce"
    for topic in TOPICS:
        batches(f"produce_batch, {topic}", topic, 1)
    batches("produce_batch, json, 5 under way", "json", 5)
    of_kafka("Kafka, acks=all", heading, "not flushed", of_tool("as shipped"))
    of_kafka("Kafka, acks=all, lz4", heading, "not flushed", of_tool("as shipped", compression_type="lz4"))
    of_kafka("Kafka, acks=all, flush.messages=1", heading, "flushed", of_tool("flush.messages=1", context.events // 5))
    heading = "consume, commit"
    for function, topic in (("consume", "json"), ("consume_bytes", "json"), ("consume_bytes", "text")):
        ours(f"{function}, {topic}", heading, "consume", function, group, f"{topic}_read", context.events, BATCH)
    of_kafka("Kafka, consume", heading, "not flushed", lambda: context.kafka.consume("read", context.events, group()))
    return rows


class Any(Ratio):
    """Whatever is flushed: it says so in its name."""

    def pairs(self, rows):
        return [(a, b) for a in rows for b in rows if (a.name, b.name) == (self.ours, self.theirs)]


RATIOS = [
    Any("produce_batch, json", "Kafka, acks=all", 14, at_least=1.0, what="produce_batch, flushed / Kafka, acks=all, no fsync"),
    Any("consume, json", "Kafka, consume", 14, at_least=0.7, what="consume, commits flushed / Kafka, consume"),
    Any("produce_batch, text", "Kafka, acks=all"),
    Any("produce_batch, json, 5 under way", "Kafka, acks=all"),
    Any("produce_batch, json", "Kafka, acks=all, lz4"),
    Any("produce_batch, json", "Kafka, acks=all, flush.messages=1"),
    Any("consume_bytes, json", "Kafka, consume"),
    Any("consume_bytes, text", "Kafka, consume"),
]


def show(rows):
    print(f"\nKafka {kafka.version()}")
    for row in (row for row in rows if not row.missing):
        sizes = [statistics.median(row.values(what) or [0]) for what in ("batch_bytes", "events_per_request")]
        if any(sizes):
            print(f"  {row.name:40} bytes a batch {sizes[0]:,.0f}, events a request {sizes[1]:,.0f}")
