"""hostile_frames.py PORT WHAT [ARGUMENTS]: clients that do what none should, for 073_broker_hostile.pl and 081_broker_crowd.pl;
prints lines "name<tab>value"."""

import os
import random
import select
import socket
import struct
import sys
import time

import kafka_frames as k
from record_batch import batch

port = int(sys.argv[1])


def say(name, value):
    print(f"{name}\t{value}", flush=True)


def end_of(client):
    """How the connection ends: "closed", or what came."""
    try:
        return f"answer {client.receive()[0]}"
    except EOFError:
        return "closed"
    except TimeoutError:
        return "open"


def delivery(topic):
    """The same requests byte by byte, in pieces of random sizes, and all in one packet."""
    frames = [k.api_versions(0), k.metadata([topic], 1), k.produce(topic, 0, batch([(b"k", b"x" * 300)]), correlation=2),
              k.fetch([(topic, 0, 0)], correlation=3), k.list_offsets(topic, 0, -1, 4)]
    data = b"".join(frames)
    random.seed(1)
    cuts = {"byte by byte": [1] * len(data), "in one packet": [len(data)], "at random": [random.randint(1, 90) for _ in data]}
    for name, sizes in cuts.items():
        client, at = k.Client(port), 0
        for size in sizes:
            if at < len(data):
                client.send(data[at:at + size])
                at += size
        say(name, "right" if [client.receive()[0] for _ in frames] == list(range(5)) else "wrong")
        client.close()


def wrong_sizes():
    """Sizes that no request has, and streams that are no Kafka's."""
    streams = {
        "size 0": struct.pack(">i", 0),
        "size -1": struct.pack(">i", -1),
        "size -2^31": struct.pack(">i", -1 << 31),
        "size 2^31-1": struct.pack(">i", (1 << 31) - 1),
        "size 1": struct.pack(">i", 1) + b"x",
        "size 7": struct.pack(">i", 7) + b"x" * 7,
        "HTTP": b"GET / HTTP/1.1\r\nHost: kafka\r\n\r\n",
        "TLS": bytes.fromhex("160301020001000001fc0303") + os.urandom(32),
        "SSH": b"SSH-2.0-OpenSSH_9.2\r\n",
        "count 2^31-1": k.request(k.METADATA, struct.pack(">i", (1 << 31) - 1)),
        "count -5": k.request(k.METADATA, struct.pack(">i", -5)),
        "string longer than the frame": k.request(k.METADATA, struct.pack(">ih", 1, 30000)),
        "bytes left over": k.request(k.METADATA, k.array([]) + b"more"),
        "tag of 2^31": k.request(k.API_VERSIONS, b"", version=3, tags=b"\xff\xff\xff\xff\x07"),
    }
    for name, data in streams.items():
        client = k.Client(port, timeout=10)
        # what was asked before is answered
        client.send(k.api_versions(7) + data)
        say(name, f"{end_of(client)}, {end_of(client)}")
        client.close()


def wrong_lengths(topic):
    """Requests of each kind with every size but their own, up to 40 bytes more: who says less than comes is cut off, who says
    more waits for the rest."""
    frames = {"api_versions": k.api_versions(), "metadata": k.metadata([topic]), "fetch": k.fetch([(topic, 0, 0)]),
              "list_offsets": k.list_offsets(topic, 0, -1), "produce": k.produce(topic, 0, batch([(b"k", b"wrong length")]))}
    wrong, tried, waiting = [], 0, []
    for name, frame in frames.items():
        for size in range(len(frame) + 40):
            if size == len(frame) - 4:
                continue
            client = k.Client(port, timeout=20)
            client.send(struct.pack(">i", size) + frame[4:])
            tried += 1
            if size > len(frame) - 4:
                waiting.append((name, size, client))
            elif end_of(client) != "closed":
                wrong.append((name, size))
            else:
                client.close()
    for name, size, client in waiting:
        client.socket.settimeout(0.001)
        if end_of(client) != "open":
            wrong.append((name, size))
        client.close()
    say("tried", tried)
    say("wrong", wrong)


def truncated(topic):
    """Requests of which only the beginning comes: nothing of them is done."""
    frame = k.produce(topic, 0, batch([(b"k", b"truncated")]))
    for n in range(0, len(frame), 7):
        client = k.Client(port)
        client.send(frame[:n])
        client.close()
    say("ended", "yes")


def after_garbage(topic):
    """A request that cannot be read, behind others that take their time: these are answered."""
    client = k.Client(port)
    end = k.read_list_offsets(client.ask(k.list_offsets(topic, 0, -1)))[0][4]
    client.send(k.fetch([(topic, 0, end)], wait=300, correlation=1) + k.produce(topic, 0, batch([(b"k", b"v")]), correlation=2)
                + struct.pack(">i", -5) + b"garbage" * 100)
    say("answers", f"{end_of(client)}, {end_of(client)}, {end_of(client)}")


def garbage(seconds):
    """A megabyte of random bytes a second and more, in frames and without, until the time is over."""
    random.seed(7)
    until = time.monotonic() + seconds
    sent = connections = 0
    began = time.monotonic()
    valid = [k.metadata(None), k.fetch([("real", 0, 0)]), k.produce("real", 99, batch([(b"k", b"v")])), k.list_offsets("real", 0, -1), k.api_versions()]
    while time.monotonic() < until:
        kind = random.randrange(4)
        if kind == 0:
            data = os.urandom(random.randint(1, 20000))
        elif kind == 1:
            body = os.urandom(random.randint(1, 20000))
            data = struct.pack(">i", len(body)) + body
        elif kind == 2:
            # what looks like a request, with random bytes for a body
            data = b"".join(k.request(random.choice((0, 1, 2, 3, 10, 18, 23)), os.urandom(random.randint(0, 400)), version=random.randrange(14))
                            for _ in range(20))
        else:
            # one that was a request before some of its bytes were changed
            data = bytearray(random.choice(valid) * 20)
            for _ in range(random.randint(1, 30)):
                data[random.randrange(4, len(data))] = random.randrange(256)
        try:
            client = k.Client(port, timeout=5)
            connections += 1
            client.send(bytes(data))
            sent += len(data)
            client.close()
        except OSError:
            pass
        pause = sent / (2 << 20) - (time.monotonic() - began)
        if pause > 0:
            time.sleep(min(pause, 0.1))
    say("connections", connections)
    say("megabytes", sent >> 20)
    sys.stdin.readline()


def real(topic, seconds):
    """A client as it should be: what it produces it gets, in order; prints the longest that it had to wait.  It ends after so
    many seconds, or, of 0, when there is a line of input."""
    producer, consumer = k.Client(port), k.Client(port)
    until, longest, n, at = time.monotonic() + seconds, 0, 0, None
    at = k.read_list_offsets(consumer.ask(k.list_offsets(topic, 0, -1)))[0][4]
    while time.monotonic() < until if seconds else not select.select([sys.stdin], [], [], 0)[0]:
        began = time.monotonic()
        _, _, error, base, _ = k.read_produce(producer.ask(k.produce(topic, 0, batch([(b"real", b"%d" % n)]))))[0]
        assert error == 0 and base == at, (error, base, at)
        _, parts = k.read_fetch(consumer.ask(k.fetch([(topic, 0, at)], wait=5000)))
        assert parts[0][2] == 0 and k.batches(parts[0][5])[0][0] == at, parts
        longest = max(longest, time.monotonic() - began)
        n, at = n + 1, at + 1
    say("rounds", n)
    say("longest", f"{longest:.3f}")


def slow_readers(topic, n):
    """Clients that ask for much, again and again, and never read, while a real one works."""
    slow = [k.Client(port, buffer=4096) for _ in range(n)]
    for client in slow:
        client.socket.setblocking(False)
        try:
            for i in range(200):
                client.socket.send(k.fetch([(topic, 0, i)], correlation=i))
        except BlockingIOError:
            pass
    print("stuck", flush=True)
    sys.stdin.readline()


def idle(n):
    """Connections that say nothing, and the beginning of a large frame on each fiftieth."""
    clients = []
    k.many_sockets()
    for i in range(n):
        client = k.Client(port, number=i)
        if i % 50 == 0:
            client.send(struct.pack(">i", 50_000_000) + b"x" * 10)
        clients.append(client)
    print("stuck", flush=True)
    sys.stdin.readline()


def many_requests(n):
    """Many small requests behind one that waits, and then the client is gone."""
    client = k.Client(port)
    end = k.read_list_offsets(client.ask(k.list_offsets("much", 0, -1)))[0][4]
    client.socket.setblocking(False)
    data = k.fetch([("much", 0, end)], wait=8000) + k.metadata(["real"]) * n
    sent = 0
    until = time.monotonic() + 3
    while sent < len(data) and time.monotonic() < until:
        if select.select([], [client.socket], [], 0.2)[1]:
            sent += client.socket.send(data[sent:sent + 100_000])
    print("stuck", flush=True)
    sys.stdin.readline()


def gone(n):
    """A request that waits for long, more behind it than are read, and the client is gone at once."""
    client = k.Client(port)
    end = k.read_list_offsets(client.ask(k.list_offsets("much", 0, -1)))[0][4]
    client.send(k.fetch([("much", 0, end)], wait=600000) + k.api_versions() * n)
    client.close()
    print("gone", flush=True)


if __name__ == "__main__":
    what, arguments = sys.argv[2], sys.argv[3:]
    globals()[what](*[int(a) if a.isdigit() else a for a in arguments])
