"""broker_frames.py PORT WHAT [ARGUMENTS]: what kcat cannot do, for 072_broker.pl and 081_broker_crowd.pl; prints lines "name<tab>value"."""

import select
import selectors
import socket
import struct
import sys
import time

import kafka_frames as k
from record_batch import batch

port = int(sys.argv[1])


def say(name, value):
    print(f"{name}\t{value}", flush=True)


def outcome(what):
    try:
        return what()
    except EOFError:
        return "closed"


def produced(frame):
    """The code that the first partition gets, and whether there is an offset."""
    def ask():
        _, _, error, base, _ = k.read_produce(k.Client(port).ask(frame))[0]
        return f"{error}, offset" if base >= 0 else str(error)

    return outcome(ask)


def fetched(frame):
    def ask():
        began = time.monotonic()
        error, parts = k.read_fetch(k.Client(port).ask(frame))
        # the longest that any of them may wait is 20 seconds
        quick = "at once" if time.monotonic() - began < 3 else "late"
        if error or not parts:
            return f"{error} at the top, {quick}"
        return f"{parts[0][2]}, {quick}" if parts[0][2] else f"0, {len(k.batches(parts[0][5]))} batches, {quick}"

    return outcome(ask)


def codes(topic):
    """The answers to what is wrong: broker.md 3.14, where this broker serves it."""
    one = [(b"k", b"v")]
    two = one * 2
    good = batch(one)
    produce = {
        "good": good,
        "base offset 77": batch(one, base=77),
        "crc": batch(one, crc=1),
        "two batches": good + good,
        "no bytes": b"",
        "null": None,
        "control": batch(one, attributes=0x20),
        "count": batch(two, delta=5),
        "zero records": batch([], count=0, delta=0),
        "codec 7": batch(one, attributes=7),
        "truncated": good[:-1],
        "magic 1": batch(one, magic=1),
        "transactional": batch(one, attributes=0x10, producer=(7, 0, 0)),
    }
    for name, records in produce.items():
        say(name, produced(k.produce(topic, 0, records)))
    say("acks 2", produced(k.produce(topic, 0, good, acks=2)))
    say("acks -2", produced(k.produce(topic, 0, good, acks=-2)))
    say("produce: unknown topic", produced(k.produce("nobody", 0, good)))
    say("produce: partition 99", produced(k.produce(topic, 99, good)))
    say("produce: partition -1", produced(k.produce(topic, -1, good)))
    # with acks 0 there is no answer, but the end of the connection where something is wrong
    client = k.Client(port)
    client.send(k.produce(topic, 0, good, acks=0, correlation=5) + k.api_versions(6))
    say("acks 0", client.receive()[0])
    client.send(k.produce(topic, 99, good, acks=0))
    say("acks 0, partition 99", outcome(client.receive))

    say("fetch: first batch", fetched(k.fetch([(topic, 0, 0)], part_most=1)))
    say("fetch: no room at all", fetched(k.fetch([(topic, 0, 0)], part_most=0, most=0)))
    say("fetch: beyond the end", fetched(k.fetch([(topic, 0, 1000000)], wait=20000)))
    say("fetch: negative", fetched(k.fetch([(topic, 0, -5)], wait=20000)))
    say("fetch: unknown topic", fetched(k.fetch([("nobody", 0, 0)], wait=20000)))
    say("fetch: partition 99", fetched(k.fetch([(topic, 99, 0)], wait=20000)))
    say("fetch: epoch 99", fetched(k.fetch([(topic, 0, 0)], wait=20000, epoch=99)))
    say("fetch: session 5", fetched(k.fetch([(topic, 0, 0)], session=5)))
    say("fetch: nothing", fetched(k.fetch([], wait=20000)))

    for name, when in (("-1", -1), ("-2", -2), ("-9", -9), ("after the end", 1 << 52)):
        error, at, offset = k.read_list_offsets(k.Client(port).ask(k.list_offsets(topic, 0, when)))[0][2:]
        say(f"list offsets: {name}", f"{error}, {at}, {'an offset' if offset >= 0 else offset}")
    answer = k.read_metadata(k.Client(port).ask(k.metadata([topic, "nobody", "bad name", topic])))
    say("metadata", ", ".join(f"{name} {error} {n}" for name, (error, n) in answer.items()))
    for name, frame in (("api version", k.request(k.FETCH, b"", version=99, tags=b"\0")), ("api", k.request(999, b"", version=0))):
        say(f"unknown {name}", outcome(lambda: k.Client(port).ask(frame)))
    say("ApiVersions 99", k.Client(port).ask(k.api_versions(version=99)).hex())


def old_fetches(topic):
    """Of a log with a batch of zstd between others: clients that do not know the codec get those before, and then are told."""
    for version in (9, 10):
        for offset in range(3):
            error, parts = k.read_fetch(k.Client(port).ask(k.fetch([(topic, 0, offset)], version=version)), version)
            say(f"{version}, {offset}", f"{error or parts[0][2]}, {len(k.batches(parts[0][5]))}")


def old_fetches_of_two(topic):
    """Two partitions with nothing but zstd, each larger than an answer may be: the first one's error is an answer."""
    frame = k.fetch([(topic, 0, 0), (topic, 1, 0)], wait=60000, most=1, part_most=1, version=9)
    _, parts = k.read_fetch(k.Client(port).ask(frame), 9)
    say("errors", ", ".join(f"{part[2]} {len(k.batches(part[5]))}" for part in parts))


def dropped_beside(topic, other):
    """A fetch that wants more than there is waits; stdin says when one of its topics has gone: it is answered."""
    client = k.Client(port)
    client.send(k.fetch([(topic, 0, 0), (other, 0, 0)], wait=60000, least=1 << 20))
    say("early", len(select.select([client.socket], [], [], 0.5)[0]))
    print("parked", flush=True)
    sys.stdin.readline()
    _, parts = k.read_fetch(client.receive()[1])
    say("answer", ", ".join(f"{part[2]} {len(part[5])}" for part in parts))


def parked(topic, n, partition=0):
    """n fetches at the end wait; stdin says when the commit is done; all are answered, and by it."""
    end = k.read_list_offsets(k.Client(port).ask(k.list_offsets(topic, partition, -1)))[0][4]
    k.many_sockets()
    # (another crowd may begin with 0)
    clients = [k.Client(port, number=500_000 + i) for i in range(n)]
    selector = selectors.DefaultSelector()
    for i, client in enumerate(clients):
        client.send(k.fetch([(topic, partition, end)], wait=60000, correlation=i))
        selector.register(client.socket, selectors.EVENT_READ, (i, client))
    say("early", len(selector.select(0.5)))
    print("parked", flush=True)
    began = float(sys.stdin.readline())
    got = set()
    while len(got) < n and selector.select(30):
        for key, _ in selector.select(0):
            i, client = key.data
            correlation, data = client.receive()
            _, parts = k.read_fetch(data)
            assert correlation == i and parts[0][2] == 0 and k.batches(parts[0][5])[0][0] == end, parts
            got.add(correlation)
    say("answered", len(got))
    say("seconds", f"{time.time() - began:.3f}")
    for client in clients:
        client.close()


def pipeline(topic):
    """Requests of several kinds in one packet, the first of which waits: answers come in their order."""
    client = k.Client(port)
    end = k.read_list_offsets(client.ask(k.list_offsets(topic, 0, -1)))[0][4]
    frames = [k.fetch([(topic, 0, end)], wait=1000, least=1 << 20, correlation=0)]
    for i in range(1, 31, 3):
        frames += [k.produce(topic, 0, batch([(b"k", b"%d" % i)]), correlation=i), k.metadata([topic], correlation=i + 1),
                   k.produce("nobody", 0, batch([(b"k", b"v")]), correlation=i + 2)]
    client.send(b"".join(frames))
    answers = [client.receive() for _ in frames]
    say("order", "right" if [a[0] for a in answers] == list(range(len(frames))) else [a[0] for a in answers])
    bases = [k.read_produce(a[1])[0][3] for a in answers[1::3]]
    say("offsets", "right" if bases == list(range(end, end + len(bases))) else bases)


def order(topic, n):
    """Batches sent without waiting for answers stand in their order, whatever else is sent beside them."""
    clients = [k.Client(port) for _ in range(8)]
    for i in range(n):
        for c, client in enumerate(clients):
            client.send(k.produce_all([(topic, i % 2, batch([(b"%d" % c, b"%d" % i)])), (topic, 1 - i % 2, batch([(b"%d" % c, b"%d" % i)]))],
                                      acks=1 if c else 0, correlation=i))
    wrong = 0
    for client in clients[1:]:
        for i in range(n):
            correlation, data = client.receive()
            wrong += correlation != i or any(p[2] for p in k.read_produce(data))
    # the first asks for no answers: this one comes behind all
    clients[0].send(k.api_versions(n))
    wrong += clients[0].receive()[0] != n
    say("wrong", wrong)


def half_closed(topic):
    """What was sent before the client stopped sending is appended."""
    client = k.Client(port)
    for i in range(100):
        client.send(k.produce(topic, 0, batch([(b"half", b"%d" % i)]), acks=0))
    client.socket.shutdown(socket.SHUT_WR)
    try:
        while client.socket.recv(4096):
            pass
    except ConnectionResetError:
        pass
    say("ended", "yes")


def memory(topic, n):
    """Clients that each send more than there is memory for all: all are answered."""
    clients = [k.Client(port, timeout=120) for _ in range(n)]
    frame = k.produce(topic, 0, batch([(b"k", b"x" * 4_000_000)]))
    began = time.monotonic()
    selector = selectors.DefaultSelector()
    left = {}
    for client in clients:
        client.socket.setblocking(False)
        left[client] = [memoryview(frame * 2), b"", 2]
        selector.register(client.socket, selectors.EVENT_READ | selectors.EVENT_WRITE, client)
    while left and time.monotonic() - began < 110:
        for key, events in selector.select(10):
            client = key.data
            state = left[client]
            if events & selectors.EVENT_WRITE and state[0]:
                state[0] = state[0][client.socket.send(state[0][:1 << 18]):]
                if not state[0]:
                    selector.modify(client.socket, selectors.EVENT_READ, client)
            if events & selectors.EVENT_READ:
                data = client.socket.recv(1 << 16)
                assert data, "closed"
                state[1] += data
                while len(state[1]) >= 4 and len(state[1]) >= 4 + struct.unpack(">i", state[1][:4])[0]:
                    size = struct.unpack(">i", state[1][:4])[0]
                    assert k.read_produce(state[1][8:4 + size])[0][2] == 0
                    state[1] = state[1][4 + size:]
                    state[2] -= 1
                if state[2] == 0:
                    selector.unregister(client.socket)
                    del left[client]
    say("unanswered", sum(state[2] for state in left.values()))
    say("seconds", f"{time.monotonic() - began:.1f}")


def errors_while_away(topic, seconds):
    """A fetch that PostgreSQL cannot answer is answered in its time all the same."""
    client = k.Client(port)
    began = time.monotonic()
    error, parts = k.read_fetch(client.ask(k.fetch([(topic, 0, 0)], wait=500)))
    say("error", parts[0][2] if parts else error)
    say("in time", "yes" if time.monotonic() - began < float(seconds) else f"{time.monotonic() - began:.1f} s")


def produce_one(topic):
    say("error", k.read_produce(k.Client(port).ask(k.produce(topic, 0, batch([(b"k", b"0")]))))[0][2])


def metadata_of(topic):
    answer = outcome(lambda: k.read_metadata(k.Client(port).ask(k.metadata([topic]))))
    say("one", answer if answer == "closed" else answer[topic])
    answer = outcome(lambda: k.read_metadata(k.Client(port).ask(k.metadata(None))))
    say("all", answer if answer == "closed" else answer[topic])


def connect(n):
    """Connects, and says how many are answered within some seconds."""
    clients, answered = [k.Client(port, timeout=2) for _ in range(n)], 0
    for client in clients:
        try:
            client.ask(k.api_versions())
            answered += 1
        except (EOFError, TimeoutError):
            pass
    say("answered", answered)
    print("connected", flush=True)
    sys.stdin.readline()


if __name__ == "__main__":
    what, arguments = sys.argv[2], sys.argv[3:]
    globals()[what](*[int(a) if a.isdigit() else a for a in arguments])
