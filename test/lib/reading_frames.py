"""reading_frames.py PORT WHAT [ARGUMENTS]: clients that read on and on, for 083_broker_read_ahead.pl; prints lines "name<tab>value"."""

import sys
import threading
import time

import kafka_frames as k
from record_batch import batch

port = int(sys.argv[1])


def say(name, value):
    print(f"{name}\t{value}", flush=True)


def client_of(role):
    client = k.Client(port)
    if role:
        assert client.login(role, "whatever") == 0
    return client


def read_on(client, topic, end, offset=0, pause=0.0, partition=0, **arguments):
    """From there to the end: batches that do not follow each other, and answers."""
    wrong = answers = 0
    while offset < end:
        _, parts = k.read_fetch(client.ask(k.fetch([(topic, partition, offset)], **arguments)))
        assert parts[0][2] == 0, parts[0][2]
        answers += 1
        for base, delta, _ in k.batches(parts[0][5]):
            # the first may begin before what was asked for
            wrong += not base <= offset <= base + delta
            offset = max(offset, base + delta + 1)
        time.sleep(pause)
    return wrong, answers


def read_all(topic, end, role=""):
    wrong, answers = read_on(client_of(role), topic, end)
    say("wrong", wrong)
    say("answers", answers)


def read_while_produced(topic, n):
    """Another client produces meanwhile, so that nothing that was read ahead is the last word."""
    done = threading.Event()
    begin = k.read_list_offsets(k.Client(port).ask(k.list_offsets(topic, 0, -1)))[0][4]

    def produce():
        client = k.Client(port)
        for i in range(n):
            assert k.read_produce(client.ask(k.produce(topic, 0, batch([(b"k", b"%d" % i)]))))[0][2] == 0
        done.set()

    thread = threading.Thread(target=produce)
    thread.start()
    rounds = wrong = 0
    while not done.is_set() or rounds == 0:
        wrong += read_on(k.Client(port), topic, begin, pause=0.002)[0]
        rounds += 1
    thread.join()
    wrong += read_on(k.Client(port), topic, begin + n)[0]
    say("wrong", wrong)


def one_answer(topic, offset=0, role=""):
    """Reads a part of the log, and says where it ends; then what is behind it, when stdin says so."""
    client = client_of(role)
    _, parts = k.read_fetch(client.ask(k.fetch([(topic, 0, offset)])))
    base, delta, _ = k.batches(parts[0][5])[-1]
    say("next", base + delta + 1)
    sys.stdin.readline()
    _, parts = k.read_fetch(client.ask(k.fetch([(topic, 0, base + delta + 1)], wait=0)))
    say("error", parts[0][2])
    say("batches", len(k.batches(parts[0][5])))


def part(topic, offset, role):
    read_on(client_of(role), topic, offset + 1, offset)


def rotating(topic, partitions, end):
    """All partitions in one request, in an order that turns or does not: all come to their end."""
    for turning in (False, True):
        client, offsets, answers = k.Client(port), [0] * partitions, 0
        firsts = []
        while min(offsets) < end and answers < 1000:
            order = [(i + answers * turning) % partitions for i in range(partitions)]
            _, parts = k.read_fetch(client.ask(k.fetch([(topic, i, offsets[i]) for i in order if offsets[i] < end])))
            answers += 1
            with_data = []
            for _, i, error, _, _, records in parts:
                assert error == 0, error
                for base, delta, _ in k.batches(records):
                    assert base <= offsets[i] <= base + delta, (i, offsets[i], base)
                    offsets[i] = base + delta + 1
                if records:
                    with_data.append(i)
            # whoever is named first, and has something, gets it
            first = next(i for i in order if i in with_data)
            firsts.append(first == next(i for i in order if i in [p[1] for p in parts]))
            time.sleep(0.005)
        say(f"turning {turning}: first come", all(firsts))
        say(f"turning {turning}: at the end", min(offsets) >= end)


def beside_slow(topic, n):
    """Clients that ask and do not read their answers; another one that asks for the same is answered all the same."""
    slow = [k.Client(port, buffer=4096) for _ in range(n)]
    for client in slow:
        # more than the system's buffers take
        client.send(k.fetch([(topic, 0, 0)], wait=20000) * 20)
    client, longest, stop = k.Client(port), 0, time.monotonic() + 1
    while time.monotonic() < stop:
        began = time.monotonic()
        _, parts = k.read_fetch(client.ask(k.fetch([(topic, 0, 0)], wait=20000)))
        assert parts[0][2] == 0 and parts[0][3] > 0 and parts[0][5]
        longest = max(longest, time.monotonic() - began)
    say("in time", "yes" if longest < 5 else f"{longest:.1f} s")


def scattered(topic, n, end):
    """Clients that read at places of their own, each a part."""
    clients = [k.Client(port) for _ in range(n)]
    for i, client in enumerate(clients):
        client.send(k.fetch([(topic, 0, end * i // n)], part_most=1 << 18))
    for client in clients:
        assert k.read_fetch(client.receive()[1])[1][0][5]
    say("answered", n)


if __name__ == "__main__":
    what, arguments = sys.argv[2], sys.argv[3:]
    globals()[what](*[int(a) if a.isdigit() else a for a in arguments])
