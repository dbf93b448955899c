"""locked_frames.py PORT LOCKED OTHER CLIENTS: clients of a topic that somebody has locked, and of another one, for 084_broker_locked_topics.pl.

Prints lines "name<tab>value"; stdin says that the topic is locked no more.
"""

import sys
import threading
import time

import kafka_frames as k
from record_batch import batch

port, locked, other, n = int(sys.argv[1]), sys.argv[2], sys.argv[3], int(sys.argv[4])
EACH = 5


def say(name, value):
    print(f"{name}\t{value}", flush=True)


def fetch_on(topic, stop, errors):
    client = k.Client(port)
    while not stop.is_set():
        errors.add(k.read_fetch(client.ask(k.fetch([(topic, 0, 0)], wait=200)))[1][0][2])


def main():
    # these wait for the lock, several requests of each in flight
    producers = [k.Client(port) for _ in range(n)]
    for i, client in enumerate(producers):
        for j in range(EACH):
            client.send(k.produce(locked, j % 2, batch([(b"%d" % i, b"%d" % j)]), correlation=j))
    stop, errors = threading.Event(), set()
    readers = [threading.Thread(target=fetch_on, args=(locked, stop, errors)) for _ in range(n)]
    for reader in readers:
        reader.start()
    client, longest, rounds, until = k.Client(port), 0, 0, time.monotonic() + 3
    while time.monotonic() < until:
        began = time.monotonic()
        assert k.read_metadata(client.ask(k.metadata(None)))[other] == (0, 1)
        assert k.read_produce(client.ask(k.produce(other, 0, batch([(b"k", b"v")]))))[0][2] == 0
        assert k.read_fetch(client.ask(k.fetch([(other, 0, rounds)])))[1][0][2] == 0
        assert k.read_list_offsets(client.ask(k.list_offsets(other, 0, -1)))[0][2] == 0
        longest = max(longest, time.monotonic() - began)
        rounds += 1
    say("longest", f"{longest:.3f}")
    say("rounds", rounds)
    say("errors of fetches", sorted(errors))
    print("locked", flush=True)
    sys.stdin.readline()
    answers = [producer.receive() for producer in producers for _ in range(EACH)]
    say("produced", sorted({k.read_produce(data)[0][2] for _, data in answers}))
    stop.set()
    for reader in readers:
        reader.join()
    say("read", k.read_fetch(client.ask(k.fetch([(locked, 0, 0)])))[1][0][2])


main()
