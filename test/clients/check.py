"""check.py NAME ADDRESS COMMAND...: whether one client of Kafka produces to, and reads from, eventlog-broker at an address.

The client is COMMAND ADDRESS, a small program around an unmodified library. It takes a command a line on its input, and answers in
lines of JSON, always of partition 0:

    produce TOPIC CODEC idempotent|plain FILE
        FILE: an event a line: time in ms, key, value, headers (name:value,...), with a tab between; all in base64 but the
        time, - is null
        {"offsets": [...]}
    read TOPIC FROM MOST FETCH committed|uncommitted
        from an offset, or @ a time in ms; at most so many events, or - up to the end; fetches of so many bytes, or - the default
        {"offset", "time", "key", "value", "headers": [[name, value], ...]} for each event, bytes in base64, and at last
        {"position", "end", "from"}: the position after that, null if the client has no such thing; the log's end that it was
        told; where it began

What went wrong is {"error": text}. The server is that of PGHOST and so on; what SQL and the client see is compared byte for byte.
"""

import base64
import contextlib
import json
import os
import random
import subprocess
import sys
import tempfile
import threading
import time

import psycopg

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
import kafka_frames as frames  # noqa: E402  pylint: disable=wrong-import-position

CODECS = ["none", "gzip", "snappy", "lz4", "zstd"]
ALL = {"codecs": CODECS}
# What clients cannot do, or do in their own way, beside:
#   nothing      an event without key and value
#   odd          an empty key without a value or the like: kcat has one word for both
#   times        events have the client's time
#   null header  a header without a value
#   interleaved  headers of one name with another one between
#   empty        in reading: what is empty is null
#   control      hides control batches, of which there is one where a log ends with aborted events; it hands them out as messages
#   idempotent, read, position
CLIENTS = {
    "kcat": {"codecs": CODECS, "lacks": {"odd", "times"}},
    "confluent_kafka": ALL,
    "librdkafka_1_9": {"codecs": CODECS, "lacks": {"odd", "times"}},
    "kafka_python": {"codecs": CODECS, "lacks": {"nothing", "null header"}},
    "aiokafka": {"codecs": CODECS, "lacks": {"nothing"}},
    "kafkajs": {"codecs": ["none", "gzip", "snappy"], "lacks": {"read", "interleaved", "null header"}},
    "franz_go": ALL,
    "franz_go_newest": ALL,
    "sarama": {"codecs": CODECS, "lacks": {"position"}},
    "kafka_go": {"codecs": CODECS, "lacks": {"idempotent", "empty", "control"}},
    "java_2_8": ALL,
    "java_3_9": ALL,
    "java_4": ALL,
}
LIMIT = 120        # seconds for a command
BEGIN = 1_700_000_000_000    # ms
noise = random.Random(16).randbytes


def event(key, value, *headers):
    return key, value, list(headers)


# those in the second list are left out for clients that lack what its name says
EVENTS = [
    event(b"key", b"value"),
    event(None, b"no key"), event(b"no value", None),
    event(b"", b"empty key"), event(b"empty value", b""), event(b"", b""),
    event(b"one", b"header", ("a", b"1")),
    event(b"empty", b"header", ("a", b"")),
    event("Zoë €".encode(), "顧客 😀".encode(), ("Zoë", "€".encode())),
    event(b"bytes", bytes(b for b in range(256) if b not in (2, 3)), ("bytes", b"\xff\xfe\x01")),
    event(b"twice", b"the same name", ("a", b"1"), ("a", b"2"), ("b", b"3")),
    event(noise(3000).translate(None, b"\x02\x03"), noise(20_000).translate(None, b"\x02\x03")),
    event(b"long", b"all the same " * 10_000),
] + [event(b"k%d" % (i % 7), b"%d " % i + b"x" * (i % 90)) for i in range(200)]
MORE = {
    "nothing": [event(None, None)],
    "odd": [event(None, b""), event(b"", None)],
    "null header": [event(b"null", b"header", ("none", None)), event(b"null", b"headers", ("a", None), ("a", b"1"))],
    "interleaved": [event(b"between", b"others", ("a", b"1"), ("b", b"2"), ("a", b"3"))],
}
LARGE = event(b"large", noise(5_000_000).translate(None, b"\x02\x03") + b"to be compressed " * 300_000)


def events_for(lacks):
    return EVENTS + [e for name, events in MORE.items() if name not in lacks for e in events]


def encode(data):
    return "-" if data is None else base64.b64encode(data).decode()


def decode(word):
    return None if word is None else base64.b64decode(word)


class ClientFailed(Exception):
    pass


class Client:
    def __init__(self, command, errors):
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, text=True)

    def ask(self, *words):
        """All lines of the answer but the last, and that. A client that hangs is ended."""
        words, lines = " ".join(map(str, words)), []
        watchdog = threading.Timer(LIMIT, self.process.kill)
        watchdog.start()
        try:
            self.process.stdin.write(words + "\n")
            self.process.stdin.flush()
            while line := self.process.stdout.readline():
                answer = json.loads(line)
                if "error" in answer:
                    raise ClientFailed(f"{words}: {answer['error']}")
                if "offset" not in answer:
                    return lines, answer
                lines.append(answer)
        except BrokenPipeError:
            pass
        finally:
            watchdog.cancel()
        raise ClientFailed(f"{words}: the client has ended, or hung")

    def produce(self, topic, codec, how, events, begin=BEGIN):
        with tempfile.NamedTemporaryFile("w", encoding="ascii") as file:
            for i, (key, value, headers) in enumerate(events):
                pairs = ",".join(encode(name.encode()) + ":" + encode(what) for name, what in headers)
                file.write(f"{begin + i}\t{encode(key)}\t{encode(value)}\t{pairs}\n")
            file.flush()
            return self.ask("produce", topic, codec, how, file.name)[1]["offsets"]

    def read(self, topic, start=0, most="-", fetch="-", isolation="uncommitted"):
        """Events as (offset, time, key, value, headers), and the last line."""
        lines, last = self.ask("read", topic, start, most, fetch, isolation)
        return [(e["offset"], e["time"], decode(e["key"]), decode(e["value"]), [(decode(n).decode(), decode(v)) for n, v in e["headers"]])
                for e in lines], last

    def end(self):
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            return self.process.wait(30)
        self.process.kill()
        return "killed"


# --- SQL ------------------------------------------------------------------------------------------------

def json_headers(headers):
    """As produce() takes them."""
    def value(data):
        if data is None:
            return None
        try:
            return data.decode()
        except UnicodeDecodeError:
            return {"base64": base64.b64encode(data).decode()}

    return json.dumps([[name, value(data)] for name, data in headers]) if headers else None


def list_headers(headers):
    """As SQL shows them."""
    pairs = headers.items() if isinstance(headers, dict) else headers or []
    return [(n, base64.b64decode(v["base64"]) if isinstance(v, dict) else None if v is None else v.encode()) for n, v in pairs]


class Log:
    """The side of SQL."""

    def __init__(self, port):
        self.port = port
        self.db = psycopg.connect(autocommit=True)

    def create(self, topic, **options):
        options = {"max_event_bytes": 20_000_000, **options}
        self.db.execute("SELECT create_topic(%s, 1, 'bytea', 'bytea', %s)", (topic, json.dumps(options)))

    def wait_for(self, topic):
        """The broker is told of new topics some moments later."""
        end = time.monotonic() + 30
        client = frames.Client(self.port)
        while frames.read_metadata(client.ask(frames.metadata([topic])))[topic] != (0, 1):
            if time.monotonic() > end:
                raise TimeoutError(f"the broker does not know {topic}")
            time.sleep(0.05)
        client.close()

    def produce(self, topic, events, begin=BEGIN, step=1):
        """One transaction."""
        with self.db.transaction():
            for i, (key, value, headers) in enumerate(events):
                self.db.execute("""SELECT produce(%s, %s::bytea, %s::bytea, %s::jsonb, 0,
                                                  event_time => timestamptz 'epoch' + %s * interval '1 ms')""",
                                (topic, key, value, json_headers(headers), begin + i * step))

    def abort(self, topic, events):
        """Leaves offsets that nobody has."""
        with contextlib.suppress(psycopg.Rollback), self.db.transaction():
            self.db.execute("SELECT count(produce(%s, 'never'::bytea, 'never'::bytea, partition => 0)) FROM generate_series(1, %s)",
                            (topic, events))
            self.db.execute("SELECT count(*) FROM flush()")
            raise psycopg.Rollback

    def read(self, topic, source="{}"):
        rows = self.db.execute("SELECT event_offset, (extract(epoch FROM event_time) * 1000)::bigint, key, value, headers FROM "
                               + source.format(topic) + " ORDER BY event_offset").fetchall()
        return [(*row[:4], list_headers(row[4])) for row in rows]

    def stable_offset(self, topic):
        return self.db.execute("SELECT stable_offset FROM eventlog_partitions WHERE topic = %s::regclass", (topic,)).fetchone()[0]

    def batches(self, topic):
        """(codec, has a producer id) of its batches"""
        client, offset, found = frames.Client(self.port), 0, set()
        while True:
            _, parts = frames.read_fetch(client.ask(frames.fetch([(topic, 0, offset)], wait=0, part_most=30 << 20)))
            data, at = parts[0][5], 0
            if not data:
                client.close()
                return found
            for base, delta, attributes in frames.batches(data):
                producer = int.from_bytes(data[at + 43:at + 51], "big", signed=True)
                found.add((CODECS[attributes & 7], producer >= 0))
                at += 12 + int.from_bytes(data[at + 8:at + 12], "big")
                offset = base + delta + 1


# what SQL has written for all clients, as it reads it
FIXED = {f"by_sql_{codec}": {"compression": codec} for codec in ("none", "lz4", "zstd")}
FIXED |= {name: {} for name in ("by_sql_large", "seconds", "chunks", "tail", "middle", "nothing")}


def fill(log):
    for topic, options in FIXED.items():
        log.create(topic, **options)
    for codec in ("none", "lz4", "zstd"):
        log.produce(f"by_sql_{codec}", events_for(set()))
        log.produce(f"by_sql_{codec}", EVENTS[-20:])
    log.produce("by_sql_large", [LARGE])
    for i in range(30):
        log.produce("seconds", [event(b"s", b"%d" % (i * 50 + j)) for j in range(50)], begin=BEGIN + i * 50_000, step=1000)
    for i in range(12):
        log.produce("chunks", [event(b"c%d" % i, noise(100_000))] * (1 + 2 * (i % 4 == 3)))
    log.produce("tail", EVENTS[:5])
    log.abort("tail", 10)
    for i in range(3):
        log.produce("middle", EVENTS[:5])
        log.abort("middle", 10 + i)
        log.abort("middle", 20)
    log.produce("middle", EVENTS[:5])
    log.abort("nothing", 7)


# --- the checks -----------------------------------------------------------------------------------------

def difference(got, expected):
    """Of two lists of (offset, time, key, value, headers), in few words; None if there is none."""
    if got == expected:
        return None
    for i, (a, b) in enumerate(zip(got, expected)):
        if a != b:
            return f"event {i} of {len(expected)} is {str(a)[:300]}, not {str(b)[:300]}"
    return f"{len(got)} events, not {len(expected)}"


class Check:
    def __init__(self, name, log, client):
        self.name, self.log, self.client, self.failed, self.began = name, log, client, 0, time.monotonic()
        self.codecs = CLIENTS[name]["codecs"]
        self.lacks = CLIENTS[name].get("lacks", set())

    def report(self, what, problems):
        problems = [p for p in problems if p]
        self.failed += bool(problems)
        print(f"{'not ok' if problems else 'ok'} - {self.name}: {what} ({time.monotonic() - self.began:.1f} s)", flush=True)
        self.began = time.monotonic()
        for problem in problems[:5]:
            print(f"    {problem}", flush=True)

    def run(self, what, check, *arguments):
        try:
            self.report(what, list(check(*arguments)))
        except (ClientFailed, TimeoutError, psycopg.Error) as error:
            self.report(what, [str(error)[:2000]])

    def timeless(self, events):
        """What a client wrote that has times of its own has those of now."""
        if "times" not in self.lacks:
            return events
        return [(offset, BEGIN + offset if abs(at / 1000 - time.time()) < 600 else at, *rest) for offset, at, *rest in events]

    def read(self, *arguments, **how):
        got, last = self.client.read(*arguments, **how)
        if "control" in self.lacks:
            got = [e for e in got if e[2] is None or e[3] is None or (e[2], len(e[3])) != (b"\0\0\0\1", 6)]
        return got, last

    def expected(self, topic):
        events = self.log.read(topic)
        if "empty" in self.lacks:
            events = [(offset, at, key or None, value or None, [(name, what or None) for name, what in headers])
                      for offset, at, key, value, headers in events]
        return events

    def all_of(self, topic, **how):
        """What is wrong when it reads a topic from its start to its end."""
        got, last = self.read(topic, **how)
        end = self.log.stable_offset(topic)
        yield difference(got, self.expected(topic))
        yield None if last["end"] == end else f"{topic}: the end is {last['end']}, not {end}"
        if "position" not in self.lacks:
            yield None if last["position"] == end else f"{topic}: the position is {last['position']}, not {end}"

    def produced(self, codec, how, events, name=""):
        topic = f"{self.name}_{codec}_{how}{name}"
        self.log.create(topic)
        self.log.wait_for(topic)
        offsets = self.client.produce(topic, codec, how, events)
        expected = [(i, BEGIN + i, *e) for i, e in enumerate(events)]
        yield None if offsets == list(range(len(events))) else f"{codec}: offsets {offsets[:20]}"
        for source in "{}", "consume_bytes('g', '{}', 100000, max_bytes => 1000000000)":
            problem = difference(self.timeless(self.log.read(topic, source)), expected)
            yield problem and f"{codec}, {source.format(topic)}: {problem}"
        # what does not become smaller may be sent as it is
        found = self.log.batches(topic)
        wrong = {b for b in found if b[0] not in (codec, "none") or b[1] != (how == "idempotent")}
        yield f"{codec}, {how}: batches are {wrong}" if wrong or codec not in {b[0] for b in found} else None
        if "read" not in self.lacks:
            yield from self.all_of(topic)

    def seeks(self):
        expected = self.log.read("seconds")
        for start, first, most in ((1234, 1234, 5), (0, 0, 3), (1499, 1499, 1), (f"@{BEGIN + 777_000}", 777, 3),
                                   (f"@{BEGIN + 776_001}", 777, 2), (f"@{BEGIN + 50_000}", 50, 1), (10, 10, 60), ("@1", 0, 2), (f"@{BEGIN + 1_499_000}", 1499, 1)):
            got, last = self.read("seconds", start, most)
            yield difference(got, expected[first:first + most])
            yield None if last["from"] == first else f"{start}: from {last['from']}, not {first}"
        got, last = self.read("seconds", f"@{BEGIN + 1_499_001}")
        yield None if (got, last["from"]) == ([], None) else f"after all of them: {got}, {last}"

    def reaches_the_end(self, isolation):
        for topic in "tail", "middle", "nothing", "seconds":
            for problem in self.all_of(topic, isolation=isolation):
                yield problem and f"{topic}: {problem}"
        got, last = self.read("tail", 9, isolation=isolation)
        end = self.log.stable_offset("tail")
        good = got == [] and ("position" in self.lacks or last["position"] == end)
        yield None if good else f"from within the aborted ones: {got}, {last}"

    def all(self):
        events = events_for(self.lacks)
        good = "plain" if "idempotent" in self.lacks else "idempotent"
        for codec in self.codecs:
            self.run(f"what it produces is what SQL and it read: {codec}", self.produced, codec, good, events)
        if good != "plain":
            self.run("... and not idempotent", self.produced, self.codecs[-1], "plain", events)
        self.run("an event of 10 MB", self.produced, "gzip", "plain", [LARGE, EVENTS[0]], "_large")
        if "read" in self.lacks:
            return
        for topic in "by_sql_none", "by_sql_lz4", "by_sql_zstd", "by_sql_large":
            self.run(f"it reads what SQL has produced: {topic}", self.all_of, topic)
        self.run("seeks, by offset and by time", self.seeks)
        for isolation in "uncommitted", "committed":
            self.run(f"it reaches the end behind aborted events, read_{isolation}", self.reaches_the_end, isolation)
        self.run("batches that are larger than a fetch may be", lambda: self.all_of("chunks", fetch=5000))


def main():
    name, address, *command = sys.argv[1:]
    log = Log(int(address.split(":")[1]))
    if log.db.execute("SELECT to_regclass('seconds')").fetchone()[0] is None:
        fill(log)
    log.wait_for("nothing")
    began = time.monotonic()
    with tempfile.TemporaryFile("w+") as errors:
        client = Client([*command, address], errors)
        check = Check(name, log, client)
        check.all()
        code = client.end()
        check.report("it ends", [None if code == 0 else f"its exit status is {code}"])
        if check.failed:
            errors.seek(0)
            print(errors.read()[-3000:])
    print(f"# {name}: {time.monotonic() - began:.1f} s")
    sys.exit(check.failed > 0)


if __name__ == "__main__":
    main()
