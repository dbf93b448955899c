"""from the producer's statement to the waiting consumer, at 1,000 and 10,000 events/s; one event for 100 waiting groups

Open loop: events are due by the clock, on 16 connections in turn, whatever the answers take. One event a transaction, at
10,000/s ten. The consumer is the guide's loop: consume, commit, and when nothing came wait_for_events. Both latencies of a
run begin when a statement is sent: one ends with the server's answer that it is committed, the other when the consumer has
the event in hand, before it commits. (From the time when an event is due: in the raw results as from_due. That is kinder to
the ratio: both have what the sender is late.) The first second of each measurement is not counted. Clients are
bench/client.c; --seconds 5 and more for 99.9 %.
"""
import itertools
import statistics

import client
from measure import DURABLE, Contestant, Ratio

SECONDS = 5
CONNECTIONS, WAITERS, WAKES = 16, 100, 5
RATES = {1000: 1, 10000: 10}        # events a second: events a transaction
AT = ("p50", "p99", "p99.9")


def set_up(context):
    context.client = client.Client(context.folder)
    for rate in RATES:
        context.sql(f"SELECT create_topic('t{rate}', 8)")
    context.sql("SELECT create_topic('wake', 1)")


def contestants(context):
    groups = itertools.count()

    def follow(rate, batch, sync):
        def run():
            group = f"g{next(groups)}"
            seconds = context.seconds + 1
            context.sql(f"SELECT reset_group('{group}', 't{rate}', 'latest')")
            consumer = context.client.start(context.server, "follow", group, f"t{rate}", rate * seconds,
                                            PGOPTIONS=f"-c synchronous_commit={sync}")
            if consumer.stderr.readline() != "ready\n":
                context.client.finish(consumer)
            sent = context.client(context.server, "paced", f"t{rate}", rate, seconds, CONNECTIONS, batch)
            had = context.client.finish(consumer, 60)
            if not sent["events"] == had["events"] == rate * seconds:
                raise SystemExit(f"bench: {sent['events']} events sent, {had['events']} had")
            return sent["events"], sent["seconds"], {
                "client_cpu": (sent["client_cpu"] + had["client_cpu"]) / sent["events"] * 1e6,
                "waits": had["waits"], "late": sent["late"], "commit": sent["from_send"], "consumer": had["from_send"],
                "from_due": {"commit": sent["from_due"], "consumer": had["from_due"]}}
        return run

    def wake():
        said = context.client(context.server, "wake", "wake", WAITERS, WAKES, timeout=300)
        had = WAITERS * WAKES
        return had, said["last"]["p50"] / 1000 * WAKES, {"client_cpu": said["client_cpu"] / had * 1e6, "wake": said}

    rows = [Contestant(f"{rate:,} events/s", follow(rate, batch, sync), CONNECTIONS, DURABLE[sync],
                       arrived=f"SELECT count(*) FROM t{rate}", heading="produced flushed; the consumer's commits are")
            for rate, batch in RATES.items() for sync in ("on", "off")]
    return [*rows, Contestant(f"{WAITERS} groups wait", wake, clients=WAITERS, heading="one commit for all")]


def slower(at):
    """The consumer against the commit; a producer that was behind its schedule measured something else."""
    return lambda ours, _: ours["consumer"][at] / ours["commit"][at]


def ratio(rate, at, durable, **target):
    return Ratio(f"{rate:,} events/s", f"{rate:,} events/s", of=slower(at), durable=durable,
                 what=f"{at}, {rate:,}/s: consumer, its commits {durable} / commit", **target)


RATIOS = [ratio(rate, at, durable, **(target if rate == 1000 else {}))
          for rate in RATES for durable in (DURABLE["on"], DURABLE["off"])
          for at, target in (("p50", {"target": 12, "at_most": 1.3}), ("p99", {"target": 12, "at_most": 2.0}), ("p99.9", {}))]


def show(rows):
    def line(name, measured):
        print(f"  {name:52}" + "".join(f"{statistics.median(one[at] for one in measured):>10.3f}" for at in AT))

    print(f"\n{'milliseconds, medians of the rounds':54}" + "".join(f"{at:>10}" for at in AT))
    for row in rows:
        if row.values("commit"):
            line(f"{row.name}: sent later than due", row.values("late"))
            line(f"{'':{len(row.name)}}  commit", row.values("commit"))
            line(f"{'':{len(row.name)}}  consumer, its commits {row.durable}", row.values("consumer"))
        for what, name in (("commit", "the producer's commit"), ("first", "the first has it"), ("last", "all have it")):
            if row.values("wake"):
                print(f"  {f'{row.name}: {name}':52}{statistics.median(one[what]['p50'] for one in row.values('wake')):>10.3f}")
