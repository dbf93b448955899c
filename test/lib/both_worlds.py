"""both_worlds.py PORT PROXY EVENTS CONNINFO [WORD...]: one log, written and read by SQL and by Kafka's clients at once.

For 079_both_worlds.pl. Half of EVENTS are written by transactions, of which a third is rolled back, half by idempotent producers:
librdkafka (kcat) and, if WORDs start it (see test/clients/check.py), kafka-clients. Their connections lead through PROXY, which the
broker advertises, and which records what they send. Prints lines "name<tab>value".
"""

import base64
import collections
import json
import random
import re
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time

import psycopg

import kafka_frames as k

PORT, PROXY, EVENTS = map(int, sys.argv[1:4])
CONNINFO, JAVA = sys.argv[4], sys.argv[5:]
TOPICS = {"both_none": "none", "both_lz4": "lz4", "both_zstd": "zstd"}
CODECS = ["none", "gzip", "snappy", "lz4", "zstd"]
KEY, END = b"\x02", b"\x03"        # between what kcat is given, and in no event
KEYS = 7                        # of each writer

failures = []
times = []
expected = collections.defaultdict(lambda: collections.defaultdict(list))    # topic -> key -> values, of those that must be there
rolled_back = collections.Counter()
lock = threading.Lock()


def say(name, value):
    print(f"{name}\t{value}", flush=True)


def events_of(writer, n, seed):
    """n (key, value), no two alike; of every length, with and without use for a codec."""
    source = random.Random(seed)
    for i in range(n):
        body = source.randbytes(source.randrange(200)).translate(None, KEY + END) if i % 3 else b"all the same " * (i % 40)
        yield b"%s-%d" % (writer.encode(), i % KEYS), b"%s %d " % (writer.encode(), i) + body


def expect(topic, events):
    with lock:
        for key, value in events:
            expected[topic][key].append(value)


def in_thread(what, *arguments):
    def run():
        began = time.monotonic()
        try:
            what(*arguments)
            times.append(f"{what.__name__} {time.monotonic() - began:.1f}")
        except Exception as error:  # pylint: disable=broad-except
            failures.append(f"{what.__name__}{arguments[:2]}: {type(error).__name__}: {str(error)[:500]}")

    thread = threading.Thread(target=run)
    thread.start()
    return thread


# --- the proxy ------------------------------------------------------------------------------------------

class Proxy:
    """Passes everything on, and keeps what clients have sent: a bytearray a connection."""

    def __init__(self):
        self.sent = []
        self.listener = socket.create_server(("127.0.0.1", PROXY))
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            client, _ = self.listener.accept()
            broker = socket.create_connection(("127.0.0.1", PORT))
            record = bytearray()
            self.sent.append(record)
            for one, other, kept in ((client, broker, record), (broker, client, None)):
                one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                threading.Thread(target=self.pump, args=(one, other, kept), daemon=True).start()

    @staticmethod
    def pump(one, other, kept):
        try:
            while data := one.recv(1 << 16):
                if kept is not None:
                    kept += data
                other.sendall(data)
        except OSError:
            pass
        for end in one, other:
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass


def produced(data):
    """[(topic, records)] of the Produce requests in what a connection has sent"""
    found, at = [], 0
    while at + 4 <= len(data):
        size = struct.unpack_from(">i", data, at)[0]
        frame = bytes(data[at + 4:at + 4 + size])
        at += 4 + size
        if len(frame) == size and struct.unpack_from(">h", frame)[0] == k.PRODUCE:
            found += produce_request(frame)
    return found


def produce_request(frame):
    r = k.Reader(frame)
    _, version, _ = r.take("hhi")
    flexible = version >= 9

    def varint():
        n = shift = 0
        while True:
            byte = r.take("B")
            n |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return n

    def tags():
        if flexible:
            assert varint() == 0, "tags"

    def array(item):
        return [item() for _ in range(varint() - 1 if flexible else r.take("i"))]

    def text():
        return r.raw(varint() - 1).decode() if flexible else r.text()

    def partition():
        index = r.take("i")
        records = r.raw(varint() - 1 if flexible else r.take("i"))
        tags()
        assert index == 0, index
        return records

    def topic():
        name, parts = text(), array(partition)
        tags()
        return [(name, records) for records in parts]

    r.text()
    tags()
    assert (r.raw(varint() - 1) if flexible else r.text()) is None, "a transaction"
    r.take("hi")
    return [one for parts in array(topic) for one in parts]


def masked(batch):
    """Without what the broker may change: base offset and leader epoch."""
    return batch[8:12] + batch[16:]


# --- writers --------------------------------------------------------------------------------------------

def write_sql(writer, events, seed):
    """Transactions of some events in all topics; a third is rolled back, half of these after their batches were written."""
    source, events = random.Random(seed), iter(events)
    with psycopg.connect(CONNINFO, autocommit=True) as db:
        while batch := [event for _, event in zip(range(source.randint(1, 30)), events)]:
            topic, fate = source.choice(list(TOPICS)), source.randrange(6)
            db.execute("BEGIN")
            for key, value in batch:
                db.execute("SELECT produce(%s, %s::bytea, %s::bytea)", (topic, key, value))
            if fate == 1:
                db.execute("SELECT count(*) FROM flush()")
            db.execute("ROLLBACK" if fate < 2 else "COMMIT")
            if fate < 2:
                with lock:
                    rolled_back.update([writer, "in the log" if fate == 1 else "not in the log"])
            else:
                expect(topic, batch)


def write_kcat(topic, codec, events):
    events = list(events)
    kcat = subprocess.Popen(["kcat", "-b", f"127.0.0.1:{PROXY}", "-P", "-t", topic, "-p", "0", "-z", codec, "-K", KEY.decode(),
                             "-D", END.decode(), "-X", "enable.idempotence=true", "-X", "linger.ms=2", "-X", "batch.num.messages=40"],
                            stdin=subprocess.PIPE, stderr=subprocess.PIPE)
    for i, (key, value) in enumerate(events):
        kcat.stdin.write(key + KEY + value + END)
        if i % 20 == 0:
            # so that it sends while others do
            kcat.stdin.flush()
            time.sleep(0.05)
    _, errors = kcat.communicate(timeout=60)
    assert kcat.returncode == 0 and not errors, errors
    expect(topic, events)


def encode(data):
    return base64.b64encode(data).decode()


class Java:
    def __init__(self):
        self.process = subprocess.Popen([*JAVA, f"127.0.0.1:{PROXY}"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def ask(self, *words):
        self.process.stdin.write(" ".join(words) + "\n")
        self.process.stdin.flush()
        lines = []
        while True:
            line = json.loads(self.process.stdout.readline())
            assert "error" not in line, line
            if "offset" not in line:
                return lines, line
            lines.append(line)

    def write(self, topic, codec, events):
        with tempfile.NamedTemporaryFile("w", encoding="ascii") as file:
            file.writelines(f"1700000000000\t{encode(key)}\t{encode(value)}\t\n" for key, value in events)
            file.flush()
            _, answer = self.ask("produce", topic, codec, "idempotent", file.name)
        assert len(answer["offsets"]) == len(events)
        expect(topic, events)

    def read(self, topic):
        lines, last = self.ask("read", topic, "0", "-", "-", "uncommitted")
        assert last["position"] == last["end"], last
        return [(e["offset"], base64.b64decode(e["key"]), base64.b64decode(e["value"])) for e in lines]


def write_java(java, events):
    events = list(events)
    plan = [(topic, codec) for i, codec in enumerate(CODECS) for topic in TOPICS]
    for i, (topic, codec) in enumerate(plan):
        java.write(topic, codec, events[len(events) * i // len(plan):len(events) * (i + 1) // len(plan)])


# --- readers --------------------------------------------------------------------------------------------

def consume(seen, over):
    """A group, exactly once, while others write."""
    with psycopg.connect(CONNINFO, autocommit=True) as db:
        while True:
            last = over.is_set()
            found = False
            for topic in TOPICS:
                rows = db.execute("SELECT event_offset, key, value FROM consume_bytes('sql', %s, 2000, commit => true)",
                                  (topic,)).fetchall()
                seen[topic] += rows
                found = found or bool(rows)
            if last and not found:
                return
            if not found:
                time.sleep(0.02)


class Kcat:
    """Follows a topic while others write."""

    def __init__(self, topic):
        self.topic, self.data = topic, bytearray()
        self.process = subprocess.Popen(["kcat", "-b", f"127.0.0.1:{PROXY}", "-C", "-u", "-q", "-t", topic, "-p", "0",
                                         "-o", "beginning", "-f", "%o %K %S %k%s\n"], stdout=subprocess.PIPE)
        self.thread = in_thread(self.follow)

    def follow(self):
        while data := self.process.stdout.read1():
            self.data += data

    def wait_for(self, n):
        """All that it has read, once these are so many, or it seems that no more come."""
        end = time.monotonic() + 20
        while len(rows := self.rows()) < n and time.monotonic() < end:
            time.sleep(0.2)
        time.sleep(0.3)        # one too many
        self.process.terminate()
        self.thread.join()
        return rows if len(rows) < n else self.rows()

    def rows(self):
        data, at, rows = bytes(self.data), 0, []
        while head := re.compile(rb"(\d+) (\d+) (\d+) ").match(data, at):
            offset, keys, values = map(int, head.groups())
            at = head.end() + keys + values + 1
            if at > len(data):
                break
            rows.append((offset, data[head.end():head.end() + keys], data[head.end() + keys:at - 1]))
        return rows


def stored(topic):
    """The batches of a topic that a producer with an id has sent, as the broker gives them."""
    client, offset, found = k.Client(PORT), 0, []
    while True:
        data = k.read_fetch(client.ask(k.fetch([(topic, 0, offset)], wait=0, part_most=8 << 20)))[1][0][5]
        if not data:
            client.close()
            return found
        at = 0
        while at < len(data):
            base, length = struct.unpack_from(">qi", data, at)
            batch = data[at:at + 12 + length]
            assert base >= offset, f"{topic}: base offset {base} after {offset}"
            offset = base + struct.unpack_from(">i", batch, 23)[0] + 1
            if struct.unpack_from(">q", batch, 43)[0] >= 0:
                found.append(batch)
            at += 12 + length


# --- all of it ------------------------------------------------------------------------------------------

def judge(name, topic, rows, reference):
    """What is wrong with (offset, key, value) that a reader has seen."""
    offsets = [row[0] for row in rows]
    if offsets != sorted(set(offsets)):
        return f"{name}, {topic}: offsets are not in order"
    by_key = collections.defaultdict(list)
    for _, key, value in rows:
        by_key[key].append(value)
    for key in by_key.keys() | expected[topic].keys():
        if by_key[key] != expected[topic][key]:
            got, wanted = collections.Counter(by_key[key]), collections.Counter(expected[topic][key])
            return f"{name}, {topic}, {key}: {len(wanted - got)} missing, {len(got - wanted)} too many, or in another order"
    return None if rows == reference else f"{name}, {topic}: other offsets than SELECT"


def main():
    proxy = Proxy()
    java = Java() if JAVA else None
    half = EVENTS // 2
    followers = {topic: Kcat(topic) for topic in TOPICS}
    consumed, over = collections.defaultdict(list), threading.Event()
    consumer = in_thread(consume, consumed, over)

    began = time.monotonic()
    threads = [in_thread(write_sql, f"sql{i}", events_of(f"sql{i}", half // 4, i), i) for i in range(4)]
    librdkafka = half // 2 if JAVA else half
    kcats = [(topic, codec) for i, topic in enumerate(TOPICS) for codec in (CODECS[i], CODECS[i + 2])]
    threads += [in_thread(write_kcat, topic, codec, events_of(f"kcat-{topic}-{codec}", librdkafka // len(kcats), i))
                for i, (topic, codec) in enumerate(kcats)]
    if JAVA:
        threads.append(in_thread(write_java, java, events_of("java", half - librdkafka, 99)))
    for thread in threads:
        thread.join()
    say("seconds of writing", f"{time.monotonic() - began:.1f}: {', '.join(times)}")
    over.set()
    consumer.join()

    wrong, batches, codecs, count = [], 0, set(), 0
    sent = collections.defaultdict(set)
    for record in proxy.sent:
        for topic, batch in produced(record):
            sent[topic].add(masked(batch))
    with psycopg.connect(CONNINFO, autocommit=True) as db:
        for topic in TOPICS:
            selected = db.execute(f"SELECT event_offset, key, value FROM {topic} ORDER BY event_offset").fetchall()
            count += len(selected)
            readers = {"SELECT": selected, "consume()": consumed[topic], "kcat": followers[topic].wait_for(len(selected))}
            if JAVA:
                readers["kafka-clients"] = java.read(topic)
            wrong += [judge(name, topic, rows, selected) for name, rows in readers.items()]
            kept = collections.Counter(masked(batch) for batch in stored(topic))
            if kept.keys() != sent[topic] or max(kept.values(), default=0) > 1:
                wrong.append(f"{topic}: of {len(sent[topic])} batches that were sent {len(kept.keys() & sent[topic])} are stored as they are; "
                             f"{len(kept.keys() - sent[topic])} are others, {sum(kept.values()) - len(kept)} are there again")
            batches += len(kept)
            # attributes, without the eight bytes and the epoch's four
            codecs |= {CODECS[batch[10] & 7] for batch in kept}
            wrong += [f"check_topic: {row}" for row in db.execute("SELECT c::text FROM check_topic(%s) c", (topic,)).fetchall()]
    if JAVA:
        java.process.stdin.close()
        java.process.wait(30)
    say("wrong", "; ".join([*failures, *(problem for problem in wrong if problem)]) or "nothing")
    say("committed", count)
    say("batches", batches)
    say("codecs", " ".join(c for c in CODECS if c in codecs))
    say("rolled back", ", ".join(f"{n} {rolled_back[n]}" for n in ("in the log", "not in the log")))


main()
