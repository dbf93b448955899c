"""broker_churn.py PORT PARTITIONS ROLES SECONDS: clients of the roles churn_0, ... that come, log in, work a little and vanish,
for 082_broker_churn.pl; prints lines "name<tab>count" of what they have done.

A client leaves in one of several ways: it closes, it is cut off in the middle of a request or with answers that it has not read,
by RST or not; some log in with the wrong password, some are idempotent producers, some read from anywhere.
"""

import collections
import random
import socket
import struct
import sys
import threading
import time

import kafka_frames as k
from record_batch import batch

PORT, PARTITIONS, ROLES, SECONDS = (int(a) for a in sys.argv[1:])
THREADS = 6
TOPIC = "churn"
BATCHES = [batch([(b"key", b"x" * n)]) for n in (10, 1000, 60000)] + [batch([(b"key", b"y" * 50)] * 20)]

counts = collections.Counter()


def login(rng, client):
    role, wrong = rng.randrange(ROLES), rng.random() < 0.05
    if k.read_sasl(client.ask(k.sasl_handshake())) != 0:
        raise AssertionError("the handshake is refused")
    error = k.read_sasl(client.ask(k.sasl_authenticate(f"churn_{role}", "wrong" if wrong else f"secret {role}")))
    assert error == (58 if wrong else 0), f"login: {error}"
    counts["wrong passwords" if wrong else "logins"] += 1
    return not wrong


def work(rng, client, mine):
    what = rng.choice(("produce", "produce", "fetch", "fetch", "wait", "metadata", "list", "idempotent"))
    partition = rng.randrange(PARTITIONS)
    if what == "produce":
        error = k.read_produce(client.ask(k.produce(TOPIC, partition, rng.choice(BATCHES))))[0][2]
        assert error == 0, f"produce: {error}"
    elif what in ("fetch", "wait"):
        # -2: the log start; retention may have moved it since
        end, start = (k.read_list_offsets(client.ask(k.list_offsets(TOPIC, partition, when)))[0][4] for when in (-1, -2))
        at = end if what == "wait" else rng.randint(start, end)
        _, parts = k.read_fetch(client.ask(k.fetch([(TOPIC, partition, at)], wait=50, part_most=200_000)))
        assert parts[0][2] in (0, 1), f"fetch: {parts[0][2]}"
    elif what == "metadata":
        assert k.read_metadata(client.ask(k.metadata(rng.choice((None, [TOPIC]))))) is not None
    elif what == "list":
        assert k.read_list_offsets(client.ask(k.list_offsets(TOPIC, partition, rng.choice((-1, -2, 0)))))[0][2] == 0
    elif "id" not in mine and rng.random() < 0.1:
        error, id_, epoch = k.read_init_producer_id(client.ask(k.init_producer_id()))
        assert error == 0, f"producer id: {error}"
        mine.update(id=id_, next=0, partition=partition)
    elif "id" in mine:
        data = batch([(b"k", b"v")], producer=(mine["id"], 0, mine["next"]))
        frames = k.produce(TOPIC, mine["partition"], data)
        # now and then twice
        for _ in range(rng.choice((1, 1, 2))):
            error = k.read_produce(client.ask(frames))[0][2]
            # 56: there is no memory for more producers
            assert error in (0, 56), f"produce of a producer: {error}"
            if error == 56:
                return
        mine["next"] += 1
    counts[what] += 1


def vanish(rng, client):
    how = rng.choice(("close", "half", "unread", "reset"))
    if how == "half":
        frame = k.produce(TOPIC, 0, rng.choice(BATCHES))
        client.send(frame[:rng.randrange(1, len(frame))])
    elif how == "unread":
        fetch = k.fetch([(TOPIC, p, 0) for p in range(PARTITIONS)], wait=100)
        client.send(fetch * 5 + k.produce(TOPIC, 0, rng.choice(BATCHES)) * 3)
    elif how == "reset":
        client.send(k.fetch([(TOPIC, 0, 1 << 40)], wait=100) + k.metadata(None))
        client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    client.close()
    counts[how] += 1


def run(number, until, failures):
    rng = random.Random(number)
    try:
        while time.monotonic() < until and not failures:
            client, mine = k.Client(PORT, timeout=30), {}
            if login(rng, client):
                for _ in range(rng.randrange(12)):
                    work(rng, client, mine)
            vanish(rng, client)
            counts["clients"] += 1
    except Exception as error:      # pylint: disable=broad-except
        failures.append(f"{type(error).__name__}: {error}")


def main():
    until, failures = time.monotonic() + SECONDS, []
    threads = [threading.Thread(target=run, args=(n, until, failures)) for n in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for name, count in sorted(counts.items()):
        print(f"{name}\t{count}")
    print(f"failures\t{'; '.join(failures)}", flush=True)
    sys.stdin.readline()


main()
