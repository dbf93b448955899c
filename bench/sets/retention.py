"""retention removes events while they are produced, against a topic that keeps them

Segments are small, so that some go every second: by size, which producers see to, and by age, which a worker does.
"""
import client
import events
from measure import DURABLE, Contestant
from paired import CLIENTS, ENDS, Unharmed, produce_and_consume

SETTINGS = "eventlog.retention_check_interval = 1s"
KEEP, REMOVE = '"retention": null', '"retention_bytes": {bytes}, "retention": "10 seconds"'
SMALL, BULK = "one event a transaction, consumed", "1,000 events a transaction"


def set_up(context):
    context.payload = f"{context.folder}/payload"
    with open(context.payload, "w", encoding="utf-8") as file:
        file.writelines(f"{value}\n" for _, value in events.events("json100", 20000))
    context.client = client.Client(context.folder)
    for work, segment in (("small", 65536), ("bulk", 262144)):
        for name, options in (("keep", KEEP), ("remove", REMOVE.format(bytes=4 * segment))):
            topic = f"{work}_{name}"
            context.sql(f"""SELECT create_topic('{topic}', 8, options => '{{"segment_bytes": {segment}, {options}}}')""")
            # so many that some have to go from the first round on; the groups begin behind them
            context.client(context.server, "produce", context.payload, topic, 400000, 100, 5)
            if work == "small":
                context.sql(f"SELECT reset_group('{topic}_g' || n, '{topic}', 'latest') FROM generate_series(0, {CLIENTS - 1}) n")


def contestants(context):
    def bulk(topic):
        def run():
            said = context.client(context.server, "produce", context.payload, topic, context.events, 1000, 1)
            return said["events"], said["seconds"]
        return run

    def removing(topic, run):
        """Keeps what its topic should, and nothing else."""
        def checked():
            result = run()
            removed = context.sql(f"SELECT sum(log_start_offset) FROM eventlog_partitions WHERE topic = '{topic}'::regclass")
            if (removed != "0") != topic.endswith("remove"):
                raise SystemExit(f"bench: {removed} events of {topic} have been removed")
            size = context.sql(f"SELECT sum(bytes) / 1048576.0 FROM eventlog_partitions WHERE topic = '{topic}'::regclass")
            return *result, {"mb": float(size)}
        return checked

    rows = []
    for work, heading, clients in (("small", SMALL, CLIENTS), ("bulk", BULK, 1)):
        for name in ("keep", "remove"):
            topic = f"{work}_{name}"
            run = produce_and_consume(topic, context.seconds, context.server) if work == "small" else bulk(topic)
            rows.append(Contestant(name, removing(topic, run), clients, DURABLE["on"], arrived=ENDS.format(topic=topic),
                                   heading=heading))
    return rows


COLUMNS = {"mb": "MB"}
RATIOS = [Unharmed("remove", "keep", target=13, at_least=0.93, heading=heading, what=f"retention / none, {heading}")
          for heading in (SMALL, BULK)]
