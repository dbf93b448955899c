#!/usr/bin/env python3
"""Ask a broker everything in scenarios.py; a line of JSON for each scenario and version: what was seen.

usage: observe.py --tables FILE --port PORT --sasl-port PORT --user USER --password PASSWORD [OPTION...]

--tables    what test/unit/dump_messages prints
--all       every version; else each scenario's lowest and highest
--create    creates the topics as Kafka's, TOPICS, which are there otherwise; and ends
--only      scenarios whose names contain that
--sizes     prints the topics and their numbers of partitions, and asks nothing
"""

import argparse
import hashlib
import itertools
import json
import re
import socket
import struct
import sys
import time
import uuid

import scenarios as s
from codec import Tables

# Topics, number of partitions, and options: Kafka's, and create_topic()'s
TOPICS = {
    "read": (1, {}, {"compression": "none"}),
    "two": (2, {}, {}),
    "small": (1, {"max.message.bytes": "1000"}, {"max_event_bytes": 1000}),
    "compacted": (1, {"cleanup.policy": "compact"}, {"cleanup_policy": "compact"}),
}
# those in which each scenario has partitions of its own
WRITTEN, PARTITIONS = "written_%d", 100
N_WRITTEN = {True: 16, False: 4}
TIMEOUT = 10            # seconds after which there is no answer
UNANSWERED = 1          # the same, for what Kafka does not answer
UNANSWERED_SCENARIOS = ("produce: records null",)


def topics(everything):
    return {**TOPICS, **{WRITTEN % i: (PARTITIONS, {}, {"compression": "none"}) for i in range(N_WRITTEN[everything])}}


# --- what is different by nature --------------------------------------------------------------------------

# Fields whose values say nothing: what stands for them in the observation. Texts are there or not.
STANDS_FOR = {
    "cluster_id": "a cluster", "host": "a host", "port": "a port", "producer_id": "an id",
    "error_message": "a text", "batch_index_error_message": "a text", "finalized_features_epoch": "an epoch",
}


def is_nothing(value):
    return value in (None, "", -1)


def batches(data):
    """What is in records: each batch but for the leader epoch, which is in no checksum."""
    seen = []
    while data:
        if len(data) < 12 or len(data) < 12 + struct.unpack_from(">qi", data)[1]:
            seen.append(f"{len(data)} bytes of the next")
            break
        base, length = struct.unpack_from(">qi", data)
        one, data = data[:12 + length], data[12 + length:]
        attributes, delta = struct.unpack_from(">hi", one, 21)
        seen.append(f"{base}-{base + delta} attributes {attributes} {hashlib.sha256(one[:12] + one[16:]).hexdigest()[:12]}")
    return seen


class Normaliser:
    """Takes out of answers what is different by nature."""

    def __init__(self, run):
        self.run = run

    def topic(self, name):
        return "written" if re.fullmatch(r"written_\d+", name or "") else name

    def topic_id(self, topic_id):
        names = [self.topic(name) for name, one in self.run.target.ids.items() if one == topic_id]
        if names:
            return f"id of {names[0]}"
        return "no id" if topic_id.int == 0 else "unknown id" if topic_id == self.run.unknown_id else "an id"

    def value(self, name, value):
        if isinstance(value, dict):
            return {key: self.value(key, v) for key, v in value.items()}
        if isinstance(value, list):
            return [self.value(name, v) for v in value]
        if isinstance(value, uuid.UUID):
            return self.topic_id(value)
        if isinstance(value, bytes):
            return batches(value) if name == "records" else value.hex()
        if name in STANDS_FOR:
            return value if is_nothing(value) else STANDS_FOR[name]
        if name in ("leader_epoch", "epoch") and value >= 0:
            return "current" if value == self.run.epoch else f"current{value - self.run.epoch:+d}"
        if name in ("name", "topic"):
            return self.topic(value)
        if name in ("index", "partition_index", "partition") and value in self.run.own:
            return f"own {self.run.own.index(value)}"
        return value

    def answer(self, key, answer, sort, only):
        # Kafka's own topics, and how many partitions there are of those in which scenarios write
        if key == s.METADATA:
            answer["topics"] = [t for t in answer["topics"] if not (t["name"] or "").startswith("__")
                                and not re.fullmatch(r"written_\d+", t["name"] or "")]
        if key == s.API_VERSIONS:
            answer["api_keys"] = {self.run.tables.apis[a["api_key"]]: f"{a['min_version']}-{a['max_version']}"
                                  for a in answer["api_keys"] if a["api_key"] in self.run.tables.apis}
        # a session's number is random
        if answer.get("session_id", 0) > 0:
            answer["session_id"] = "a session"
        if only:
            answer = {name: answer[name] for name in only}
        answer = self.value("", answer)
        if sort:
            sort_at(answer, sort.split("."))
        return answer


def sort_at(value, path):
    """The order in which a list there stands means nothing."""
    if len(path) > 1:
        for item in value[path[0]]:
            sort_at(item, path[1:])
    value[path[0]].sort(key=lambda item: (item.get("name", item.get("topic")) or "", str(item.get("topic_id")), str(item)))


# --- asking -----------------------------------------------------------------------------------------------


class Run:
    """One scenario in one version, on a connection of its own."""

    def __init__(self, target, key, version):
        self.target, self.tables, self.key, self.version, self.epoch = target, target.tables, key, version, target.epoch
        self.own, self.seen, self.normaliser = [], [], Normaliser(self)
        self.unknown_id = uuid.UUID(int=12345)
        self.socket, self.port, self.timeout = None, target.port, TIMEOUT

    # what a scenario asks with

    def ask(self, body, key=None, version=None, sort=None, only=None, change=None):
        """Asks, and sees the answer. change: of the frame's bytes."""
        key, version = self.key if key is None else key, self.version if version is None else version
        data = self.tables.request(key, version, 1, body)
        if change:
            data = change(data[4:])
            data = struct.pack(">i", len(data)) + data
        self.send(data)
        self.see(self.receive(key, version, sort, only))

    def ask_raw(self, data, key=None, answer_version=None):
        """A frame of these bytes; what comes is not read, or as an answer in that version."""
        self.send(struct.pack(">i", len(data)) + data)
        key = self.key if key is None else key
        self.see(self.receive_raw() if answer_version is None else self.receive(key, answer_version))

    def exchange(self, key, body, version=None):
        """Asks, for the scenario's own use."""
        version = self.version if version is None else version
        self.send(self.tables.request(key, version, 1, body))
        return self.tables.response(key, version, self.frame())[1]

    def send(self, data):
        if self.socket is None:
            self.socket = socket.create_connection(("127.0.0.1", self.port))
            self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            self.socket.sendall(data)
        except OSError:
            pass        # it has been closed: which is seen by who reads

    def frame(self):
        self.socket.settimeout(self.timeout)
        return self.exactly(struct.unpack(">i", self.exactly(4))[0])

    def exactly(self, n):
        data = b""
        while len(data) < n:
            try:
                more = self.socket.recv(n - len(data))
            except ConnectionResetError:
                more = b""
            if not more:
                raise EOFError
            data += more
        return data

    def receive(self, key=None, version=None, sort=None, only=None):
        key, version = self.key if key is None else key, self.version if version is None else version
        try:
            answer = self.tables.response(key, version, self.frame())[1]
        except EOFError:
            return "closed"
        except TimeoutError:
            return "no answer"
        return self.normaliser.answer(key, answer, sort, only)

    def receive_raw(self):
        try:
            return f"{len(self.frame())} bytes"
        except EOFError:
            return "closed"
        except TimeoutError:
            return "no answer"

    def see(self, what):
        self.seen.append(what)

    def see_end(self):
        """Whether the connection is of use yet."""
        self.send(self.tables.request(s.API_VERSIONS, 0, 1, {}))
        try:
            self.frame()
            self.see("open")
        except EOFError:
            self.see("closed")
        except TimeoutError:
            self.see("no answer")

    # what a scenario needs

    def place(self):
        return self.places(1)[0]

    def places(self, n):
        """Partitions of one topic that nobody else writes to."""
        topic, first = self.target.reserve(n)
        self.own += range(first, first + n)
        return [(topic, first + i) for i in range(n)]

    def topic_id(self, name):
        return self.target.ids.get(name, self.unknown_id)

    def producer(self):
        other = self.target.run(s.INIT_PRODUCER_ID, 1)
        end = time.monotonic() + 30
        while True:
            answer = other.exchange(s.INIT_PRODUCER_ID, {"transactional_id": None, "transaction_timeout_ms": 60000})
            if answer["error_code"] == 0:
                other.close()
                return answer["producer_id"]
            # Kafka's coordinator loads
            if answer["error_code"] not in (14, 15, 16) or time.monotonic() > end:
                raise SystemExit(f"no producer id: {answer}")
            time.sleep(0.1)

    def content(self, topic, partition, bases=False):
        """What a reader finds in it: its batches, or only their offsets."""
        other = self.target.run(s.FETCH, 11)
        answer = other.exchange(s.FETCH, s.fetch(other, [(topic, partition, 0)], wait=0))["responses"][0]["partitions"][0]
        other.close()
        found = batches(answer["records"] or b"")
        if bases:
            found = [one.split()[0] for one in found]
        return {"error": answer["error_code"], "end": answer["high_watermark"], "content": found}

    def use_sasl(self):
        self.port = self.target.sasl_port

    def token(self, password=None, user=None, authzid=""):
        user = self.target.user if user is None else user
        return f"{authzid}\0{user}\0{self.target.password if password is None else password}".encode()

    def close(self):
        if self.socket is not None:
            self.socket.close()


class Target:
    """A broker."""

    def __init__(self, arguments):
        self.tables = Tables(arguments.tables)
        self.port, self.sasl_port = arguments.port, arguments.sasl_port
        self.user, self.password = arguments.user, arguments.password
        self.ids, self.epoch = {}, 0
        self.free = iter([(WRITTEN % i, p) for i in range(N_WRITTEN[arguments.all]) for p in range(PARTITIONS)])

    def run(self, key, version):
        return Run(self, key, version)

    def reserve(self, n):
        while True:
            found = list(itertools.islice(self.free, n))
            if len(found) < n:
                raise SystemExit("there are too few partitions for what scenarios write: N_WRITTEN")
            if found[0][0] == found[-1][0]:
                return found[0]

    def create(self, everything):
        """By CreateTopics 2; for Kafka."""
        def text(value):
            return struct.pack(">h", len(value)) + value.encode()

        body = b""
        for name, (n, options, _) in topics(everything).items():
            # events are old from the beginning, and stay
            options = {"retention.ms": "-1", **options}
            body += text(name) + struct.pack(">ihii", n, 1, 0, len(options))
            body += b"".join(text(key) + text(value) for key, value in options.items())
        run = self.run(s.METADATA, 1)
        data = struct.pack(">hhi", 19, 2, 1) + text("differential") + struct.pack(">i", len(topics(everything))) + body
        data += struct.pack(">i?", 30000, False)
        run.timeout = 60
        run.send(struct.pack(">i", len(data)) + data)
        run.frame()
        run.close()

    def learn(self, everything):
        """Waits until the topics are there, and what coordinators there are; takes their ids and leader epoch."""
        end = time.monotonic() + 60
        while True:
            run = self.run(s.METADATA, 12)
            answer = run.exchange(s.METADATA, {"topics": None})
            there = {t["name"]: t for t in answer["topics"]}
            wanted = topics(everything)
            good = {name: sum(p["error_code"] == 0 for p in topic["partitions"]) for name, topic in there.items()}
            if all(good.get(name) == n for name, (n, *_) in wanted.items()):
                break
            run.close()
            if time.monotonic() > end:
                raise SystemExit(f"topics are missing: {[(name, name in there) for name in wanted]}")
            time.sleep(0.1)
        run.close()
        self.ids = {name: there[name]["topic_id"] for name in wanted}
        self.epoch = there["read"]["partitions"][0]["leader_epoch"]

    def wait_for_coordinators(self):
        """Kafka makes its topics for groups and transactions when somebody asks first, and takes a moment to give out ids."""
        for key_type in 0, 1:
            end = time.monotonic() + 60
            while True:
                run = self.run(s.FIND_COORDINATOR, 2)
                error = run.exchange(s.FIND_COORDINATOR, {"key": "x", "key_type": key_type})["error_code"]
                run.close()
                if error not in (14, 15):
                    break
                if time.monotonic() > end:
                    raise SystemExit("there is no coordinator")
                time.sleep(0.1)
        self.run(s.INIT_PRODUCER_ID, 1).producer()


def versions(tables, key, since, until, everything):
    """Those in which a scenario is run."""
    first, last = tables.versions(key)
    if since == until == 99:
        return [last]       # one that says itself which version it asks in
    # Kafka 4 does not serve ListOffsets 0 any more, which is one scenario's subject
    first, last = max(first, since, 1 if key == s.LIST_OFFSETS and until > 0 else 0), min(last, until)
    return list(range(first, last + 1)) if everything else sorted({first, last})


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--tables")
    for name in "--port", "--sasl-port":
        parser.add_argument(name, type=int)
    for name in "--user", "--password", "--only":
        parser.add_argument(name, default="")
    for name in "--all", "--create", "--sizes":
        parser.add_argument(name, action="store_true")
    arguments = parser.parse_args()
    if arguments.sizes:
        for name, (n, _, options) in topics(arguments.all).items():
            print(f"{name}\t{n}\t{json.dumps({**options, 'retention': None})}")
        return
    target = Target(arguments)
    if arguments.create:
        target.create(arguments.all)
        target.learn(arguments.all)
        return
    target.learn(arguments.all)
    target.wait_for_coordinators()
    s.prepare(target)
    for name, key, since, until, function in s.LIST:
        if arguments.only not in name:
            continue
        for version in versions(target.tables, key, since, until, arguments.all):
            run = target.run(key, version)
            if name in UNANSWERED_SCENARIOS:
                run.timeout = UNANSWERED
            try:
                function(run)
            except Exception as e:
                raise SystemExit(f"{name}, {target.tables.apis[key]} {version}: {e!r}, after {run.seen}") from e
            run.close()
            print(json.dumps({"scenario": name, "api": target.tables.apis[key], "version": version, "seen": run.seen}), flush=True)


if __name__ == "__main__":
    sys.exit(main())
