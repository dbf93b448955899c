"""What is asked of both brokers: one function a scenario, called once for each version of its API.

A scenario gets a Run (observe.py) and asks with it; what it sees goes into the observation. It must not depend on what other
scenarios did: what it writes goes into partitions of its own, what it only reads into a topic that prepare() has filled.
"""

import gzip
import itertools
import os
import struct
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
# pylint: disable=wrong-import-position
from record_batch import crc32c, record, varint

PRODUCE, FETCH, LIST_OFFSETS, METADATA, FIND_COORDINATOR = 0, 1, 2, 3, 10
SASL_HANDSHAKE, API_VERSIONS, INIT_PRODUCER_ID, OFFSET_FOR_LEADER_EPOCH, SASL_AUTHENTICATE = 17, 18, 22, 23, 36

AT = 1_700_000_000_000      # the time of records, in milliseconds
READ_END = 11               # offsets in topic "read", see CONTENT
LIST = []                   # (name, key of the API, first version, last version, function)


def scenario(name, key, since=0, until=99):
    def add(function):
        if any(one[:2] == (name, key) for one in LIST):
            raise ValueError(f"there are two scenarios {name}")
        LIST.append((name, key, since, until, function))
        return function
    return add


# --- batches ----------------------------------------------------------------------------------------------

def snappy(data):
    """As one literal of up to 256 bytes, in the plain framing of librdkafka."""
    n = len(data)
    return (bytes([n]) if n < 128 else bytes([n & 127 | 128, n >> 7])) + bytes([60 << 2, n - 1]) + data


def lz4(data):
    """A frame with one block that is not compressed."""
    return bytes.fromhex("04224d18604082") + struct.pack("<I", len(data) | 1 << 31) + data + bytes(4)


def zstd(data):
    """A frame with one raw block."""
    return bytes.fromhex("28b52ffd20") + bytes([len(data)]) + (len(data) << 3 | 1).to_bytes(3, "little") + data


COMPRESS = {1: lambda data: gzip.compress(data, mtime=0), 2: snappy, 3: lz4, 4: zstd}


def batch(values=(b"v",), base=0, attributes=0, count=None, delta=None, crc=None, magic=2, at=AT, most=None, producer=(-1, -1, -1),
          records=None, length=None, keys=b"k"):
    """A batch as a producer sends it; what else is given makes it another, or wrong. records: the bytes behind the header."""
    n = len(values)
    if records is None:
        records = b"".join(record(i, keys, value) for i, value in enumerate(values))
        records = COMPRESS.get(attributes & 7, bytes)(records)
    body = struct.pack(">hiqqqhii", attributes, n - 1 if delta is None else delta, at, at if most is None else most, *producer,
                       n if count is None else count) + records
    crc = crc32c(body) if crc is None else crc
    return struct.pack(">qiibI", base, len(body) + 9 if length is None else length, -1, magic, crc) + body


def old_set(magic):
    """A message set of versions 0 and 1, with the CRC-32 that it should have."""
    import zlib
    body = struct.pack(">bb", magic, 0) + (struct.pack(">q", AT) if magic else b"") + struct.pack(">isis", 1, b"k", 1, b"v")
    message = struct.pack(">I", zlib.crc32(body)) + body
    return struct.pack(">qi", 0, len(message)) + message


def lying_record(delta=0, time=0, key=1, value=1, headers=0, size=None, more=b"", attributes=0):
    """One record whose lengths need not be true."""
    body = bytes([attributes]) + varint(time) + varint(delta) + varint(key) + b"k" + varint(value) + b"v" + varint(headers) + more
    return varint(len(body) if size is None else size) + body


CONTENT = (
    batch((b"0", b"1", b"2")),
    batch((b"3", b"4"), attributes=1, at=AT + 1000),
    batch((b"5",), at=AT + 500),
    batch((b"6", b"7", b"8", b"9", b"10"), at=AT + 700),
)


def prepare(target):
    """Fills the topics that are only read."""
    run = target.run(PRODUCE, 7)
    for records in CONTENT:
        answer = run.exchange(PRODUCE, produce("read", 0, records))
        if answer["responses"][0]["partition_responses"][0]["error_code"]:
            raise SystemExit(f"topic read cannot be filled: {answer}")
    run.close()


# --- requests ---------------------------------------------------------------------------------------------


def produce(topic, partition, records, acks=-1, transactional_id=None):
    return {"acks": acks, "timeout_ms": 10000, "transactional_id": transactional_id,
            "topic_data": [{"name": topic, "partition_data": [{"index": partition, "records": records}]}]}


def fetch(run, parts, wait=100, least=1, most=50 << 20, part_most=1 << 20, isolation=0, session=(0, -1), epoch=-1):
    """parts: (topic, partition, offset)"""
    topics = [{"topic": topic, "topic_id": run.topic_id(topic),
               "partitions": [{"partition": partition, "fetch_offset": offset, "current_leader_epoch": epoch,
                               "partition_max_bytes": part_most}
                              for _, partition, offset in together]}
              for topic, together in itertools.groupby(parts, lambda part: part[0])]
    return {"max_wait_ms": wait, "min_bytes": least, "max_bytes": most, "isolation_level": isolation, "session_id": session[0],
            "session_epoch": session[1], "topics": topics}


def list_offsets(topic, *times, partition=0, epoch=-1, isolation=0, most=1):
    return {"replica_id": -1, "isolation_level": isolation, "topics": [{"name": topic, "partitions": [
        {"partition_index": partition, "timestamp": time, "current_leader_epoch": epoch, "max_num_offsets": most}
        for time in times]}]}


def metadata(*topics, **more):
    """Of topics by name."""
    return {"topics": [{"name": topic} for topic in topics], "allow_auto_topic_creation": False, **more}


def epoch_end(topic, epoch, partition=0, current=-1):
    return {"replica_id": -1, "topics": [{"topic": topic, "partitions": [
        {"partition": partition, "leader_epoch": epoch, "current_leader_epoch": current}]}]}


# --- ApiVersions ------------------------------------------------------------------------------------------


@scenario("api versions", API_VERSIONS)
def _(run):
    run.ask({"client_software_name": "differential", "client_software_version": "1.0"})


for what, software in {"name with a space": ("a b", "1"), "empty name": ("", "1"), "empty version": ("a", ""),
                       "name begins with -": ("-a", "1"), "name ends with .": ("a.", "1"),
                       "name of one letter": ("a", "1"), "version with a slash": ("a", "1/2"),
                       "name not ASCII": ("\u00e4", "1")}.items():
    @scenario(f"api versions: {what}", API_VERSIONS, 3)
    def _(run, software=software):
        run.ask({"client_software_name": software[0], "client_software_version": software[1]})


@scenario("api versions: unknown version", API_VERSIONS, 3, 3)
def _(run):
    run.ask_raw(run.tables.request_header(API_VERSIONS, 99, 1) + b"\2a\2a\0", answer_version=0)


@scenario("api versions: unknown version without a body", API_VERSIONS, 3, 3)
def _(run):
    run.ask_raw(run.tables.request_header(API_VERSIONS, 99, 1), answer_version=0)


@scenario("api versions: twice on a connection", API_VERSIONS)
def _(run):
    for _ in range(2):
        run.ask({"client_software_name": "differential", "client_software_version": "1.0"})


# A request of each kind that asks for as little as may be, and what is looked at in its answer, if not all
SIMPLE = {
    PRODUCE: {"acks": -1, "timeout_ms": 1000, "topic_data": []},
    FETCH: {"max_wait_ms": 0, "topics": []},
    LIST_OFFSETS: {"replica_id": -1, "topics": []},
    METADATA: {"topics": []},
    FIND_COORDINATOR: {"key": "x", "key_type": 9, "coordinator_keys": ["x"]},
    API_VERSIONS: {"client_software_name": "a", "client_software_version": "1"},
    INIT_PRODUCER_ID: {"transactional_id": None, "transaction_timeout_ms": 1000},
    OFFSET_FOR_LEADER_EPOCH: {"replica_id": -1, "topics": []},
}
ANSWERED = {API_VERSIONS: ["error_code"]}


# --- requests that are none -------------------------------------------------------------------------------


def plain_header(key, version):
    return struct.pack(">hhihs", key, version, 1, 1, b"a")


for api in (PRODUCE, FETCH, LIST_OFFSETS, METADATA, FIND_COORDINATOR, SASL_HANDSHAKE, INIT_PRODUCER_ID, OFFSET_FOR_LEADER_EPOCH,
            SASL_AUTHENTICATE):
    @scenario("frame: version 99", api, 99)
    def _(run):
        run.ask_raw(run.tables.request_header(run.key, 99, 1) + bytes(20))

    @scenario("frame: version -1", api, 99)
    def _(run):
        run.ask_raw(run.tables.request_header(run.key, -1, 1) + bytes(20))

    @scenario("frame: cut in its header", api)
    def _(run):
        run.ask_raw(run.tables.request_header(run.key, run.version, 1)[:7])

    @scenario("frame: without a body", api)
    def _(run):
        run.ask_raw(run.tables.request_header(run.key, run.version, 1))


for api in (PRODUCE, FETCH, LIST_OFFSETS, METADATA, FIND_COORDINATOR, INIT_PRODUCER_ID, OFFSET_FOR_LEADER_EPOCH):
    @scenario("frame: bytes behind the body", api)
    def _(run):
        run.ask(SIMPLE[run.key], change=lambda data: data + b"more", sort="topics" if run.key == METADATA else None)

    @scenario("frame: a body cut by one byte", api)
    def _(run):
        run.ask(SIMPLE[run.key], change=lambda data: data[:-1])

for api, first in {PRODUCE: 9, FETCH: 12, LIST_OFFSETS: 6, METADATA: 9, FIND_COORDINATOR: 3, API_VERSIONS: 3, INIT_PRODUCER_ID: 2,
                   OFFSET_FOR_LEADER_EPOCH: 4}.items():
    @scenario("frame: unknown tags at its end", api, first)
    def _(run):
        # two of three bytes each, the second in a varint of two bytes
        run.ask(SIMPLE[run.key], change=lambda data: data[:-1] + b"\2\x33\3abc\xc0\4\3def", only=ANSWERED.get(run.key))

    @scenario("frame: unknown tags in its header", api, first)
    def _(run):
        run.ask(SIMPLE[run.key], change=lambda data: data.replace(b"differential\0", b"differential\1\x33\3abc"),
                only=ANSWERED.get(run.key))


for what, data in {"key 999": plain_header(999, 0), "key -1": plain_header(-1, 0), "key 4": plain_header(4, 0) + bytes(20),
                   "key 7": plain_header(7, 0) + bytes(20), "Produce 2": plain_header(PRODUCE, 2) + bytes(20),
                   "Fetch 3": plain_header(FETCH, 3) + bytes(20), "no bytes": b"", "one byte": b"\0",
                   "OffsetForLeaderEpoch 1": plain_header(OFFSET_FOR_LEADER_EPOCH, 1) + bytes(20)}.items():
    @scenario(f"frame: {what}", API_VERSIONS, 0, 0)
    def _(run, data=data):
        run.ask_raw(data)


@scenario("frame: negative size", API_VERSIONS, 0, 0)
def _(run):
    run.send(struct.pack(">i", -5) + bytes(20))
    run.see(run.receive_raw())


@scenario("frame: 1 GB", API_VERSIONS, 0, 0)
def _(run):
    run.send(struct.pack(">i", 1 << 30) + bytes(20))
    run.see(run.receive_raw())


@scenario("frame: client id null", METADATA)
def _(run):
    run.ask(metadata("read"), change=lambda data: data.replace(b"\0\x0cdifferential", b"\xff\xff"))


# --- Metadata ---------------------------------------------------------------------------------------------


@scenario("metadata: all", METADATA)
def _(run):
    run.ask({"topics": None if run.version >= 1 else [], "allow_auto_topic_creation": False}, sort="topics")


@scenario("metadata: none", METADATA, 1)
def _(run):
    run.ask({"topics": []})


for what, names in {"one": ["read"], "two": ["read", "two"], "the same twice": ["read", "read"], "unknown": ["nobody"],
                    "known and unknown": ["read", "nobody", "two"], "empty name": [""], "a dot": ["."], "two dots": [".."],
                    "name with a space": ["a b"], "name with a slash": ["a/b"], "name not ASCII": ["\u00e4"],
                    "name of 249 bytes": ["n" * 249],
                    "name of 250 bytes": ["n" * 250], "bad and good": ["a b", "read"]}.items():
    @scenario(f"metadata: {what}", METADATA)
    def _(run, names=names):
        run.ask(metadata(*names), sort="topics")


@scenario("metadata: by id", METADATA, 10)
def _(run):
    run.ask({"topics": [{"name": None, "topic_id": run.topic_id("read")}], "allow_auto_topic_creation": False})


@scenario("metadata: unknown id", METADATA, 12)
def _(run):
    run.ask({"topics": [{"name": None, "topic_id": run.unknown_id}], "allow_auto_topic_creation": False})


@scenario("metadata: known and unknown id", METADATA, 12)
def _(run):
    run.ask({"topics": [{"name": None, "topic_id": run.unknown_id}, {"name": None, "topic_id": run.topic_id("read")}],
             "allow_auto_topic_creation": False}, sort="topics")


@scenario("metadata: neither name nor id", METADATA, 12)
def _(run):
    run.ask({"topics": [{"name": None}], "allow_auto_topic_creation": False})


@scenario("metadata: name and its id", METADATA, 10)
def _(run):
    run.ask({"topics": [{"name": "read", "topic_id": run.topic_id("read")}], "allow_auto_topic_creation": False})


@scenario("metadata: name and another's id", METADATA, 10)
def _(run):
    run.ask({"topics": [{"name": "read", "topic_id": run.topic_id("two")}], "allow_auto_topic_creation": False})


@scenario("metadata: what may be done with a topic", METADATA, 8)
def _(run):
    run.ask(metadata("read", include_topic_authorized_operations=True))


@scenario("metadata: what may be done with the cluster", METADATA, 8, 10)
def _(run):
    run.ask(metadata("read", include_cluster_authorized_operations=True))


# --- Produce ----------------------------------------------------------------------------------------------


def produces(what, *batches, topic=None, since=0, **more):
    """Each is sent by itself into a partition of its own (or, if topic is given, into that one's first)."""
    @scenario(f"produce: {what}", PRODUCE, since)
    def _(run):
        place = (topic, 0) if topic else run.place()
        if "transactional_id" in more:
            more["transactional_id"] = f"produce {run.version}"
        for records in batches:
            run.ask(produce(*place, records, **more))
        run.see(run.content(*place))


ONE = batch()
TWO = batch((b"a", b"b"))
TWO_RECORDS = gzip.compress(record(0, b"k", b"a") + record(1, b"k", b"b"), mtime=0)
produces("one batch", ONE)
produces("three batches", ONE, TWO, ONE)
for codec, what in enumerate(("gzip", "snappy", "lz4", "zstd"), 1):
    produces(what, batch((b"a", b"b"), attributes=codec))
produces("null key", batch(keys=None))
produces("null value", batch((None,)))
produces("empty key and value", batch((b"",), keys=b""))
produces("acks 1", ONE, acks=1)
produces("acks 2", ONE, acks=2)
produces("acks -2", ONE, acks=-2)
produces("records null", None)
produces("records empty", b"")
produces("two batches in one", ONE + TWO)
produces("bytes behind the batch", ONE + b"more")
produces("many bytes behind the batch", ONE + bytes(100))
produces("truncated by one byte", TWO[:-1])
produces("truncated in the records", TWO[:70])
produces("truncated in the header", TWO[:40])
produces("only a length", TWO[:12])
produces("less than a length", TWO[:7])
produces("base offset 77", batch(base=77))
produces("base offset -1", batch(base=-1))
produces("magic 0", old_set(0))
produces("magic 1", old_set(1))
produces("magic 3", batch(magic=3))
produces("magic -1", batch(magic=-1))
produces("CRC wrong", batch(crc=1))
produces("control bit", batch(attributes=0x20))
produces("transactional bit", batch(attributes=0x10))
produces("transactional bit with a producer", batch(attributes=0x10, producer=(7, 0, 0)))
produces("control and transactional bit", batch(attributes=0x30, producer=(7, 0, 0)))
produces("LogAppendTime bit", batch(attributes=0x08))
produces("delete horizon bit", batch(attributes=0x40))
produces("bit 7", batch(attributes=0x80))
produces("bit 15", batch(attributes=-0x8000))
for codec in 5, 6, 7:
    produces(f"codec {codec}", batch(attributes=codec))
produces("gzip of nothing gzip can read", batch(attributes=1, records=b"no gzip at all"))
produces("gzip cut off", batch((b"a", b"b"), attributes=1, records=TWO_RECORDS[:-12]))
produces("gzip of one record too few", batch((b"a", b"b"), attributes=1, records=gzip.compress(record(0, b"k", b"a"), mtime=0)))
produces("gzip of one record too many", batch((b"a",), attributes=1, records=TWO_RECORDS))
produces("no records", batch((), count=0, delta=-1))
produces("no records, last offset delta 0", batch((), count=0, delta=0))
produces("count one more than records", batch((b"a", b"b"), count=3, delta=2))
produces("count one less than records", batch((b"a", b"b"), count=1, delta=0))
produces("last offset delta too large", batch((b"a", b"b"), delta=5))
produces("last offset delta too small", batch((b"a", b"b"), delta=0))
produces("count -1", batch((b"a",), count=-1))
produces("count 2^31-1", batch((b"a",), count=0x7FFFFFFF, delta=0x7FFFFFFE))
produces("length one more", batch((b"a",), length=len(batch((b"a",))) - 12 + 1))
produces("length one less", batch((b"a",), length=len(batch((b"a",))) - 12 - 1))
produces("length 0", batch((b"a",), length=0))
produces("length -1", batch((b"a",), length=-1))
produces("length 2^31-1", batch((b"a",), length=0x7FFFFFFF))
for what, lie in {"record delta 1 for the first": {"delta": 1}, "record delta -1": {"delta": -1}, "record key length -2": {"key": -2},
                  "record key length 1000": {"key": 1000}, "record value length -2": {"value": -2},
                  "record value length 1000": {"value": 1000}, "record headers -1": {"headers": -1},
                  "record headers 1 but none": {"headers": 1}, "record size one more": {"size": 8},
                  "record size one less": {"size": 6}, "record size -1": {"size": -1}, "record size 0": {"size": 0},
                  "record bytes behind its headers": {"more": b"x"}, "record time delta": {"time": 5},
                  "record attributes": {"attributes": 1},
                  "record header with null key": {"headers": 1, "more": varint(-1) + varint(1) + b"v"},
                  "record header with null value": {"headers": 1, "more": varint(1) + b"h" + varint(-1)}}.items():
    produces(what, batch(records=lying_record(**lie)))
produces("record deltas the same", batch((b"a", b"b"), records=record(0, b"k", b"a") + record(0, b"k", b"b")))
produces("record deltas backwards", batch((b"a", b"b"), records=record(1, b"k", b"a") + record(0, b"k", b"b")))
produces("times: base -1", batch(at=-1))
produces("times: greatest below base", batch(most=AT - 1))
produces("times: greatest above all records", batch(most=AT + 9))
produces("times: a day ahead", batch(at=AT * 2))
produces("too large", batch((b"x" * 5000,)), topic="small")
produces("null key in a compacted topic", batch(keys=None), topic="compacted")
produces("one of two keys null in a compacted topic", batch((b"a", b"b"), records=record(0, b"k", b"a") + record(1, None, b"b")),
         topic="compacted")
produces("transactional id", ONE, transactional_id="t")
produces("transactional id and bit", batch(attributes=0x10, producer=(7, 0, 0)), transactional_id="t")


for what, wrong in {"unknown topic": ("nobody", 0), "bad topic name": ("a b", 0), "empty topic name": ("", 0),
                    "partition 999": ("read", 999), "partition -1": ("read", -1)}.items():
    @scenario(f"produce: {what}", PRODUCE)
    def _(run, place=wrong):
        run.ask(produce(*place, ONE))


for wait in 0, -1:
    @scenario(f"produce: timeout {wait}", PRODUCE)
    def _(run, wait=wait):
        run.ask({**produce(*run.place(), ONE), "timeout_ms": wait})


@scenario("produce: no topics", PRODUCE)
def _(run):
    run.ask({"acks": -1, "timeout_ms": 1000, "topic_data": []})


@scenario("produce: no partitions", PRODUCE)
def _(run):
    run.ask({"acks": -1, "timeout_ms": 1000, "topic_data": [{"name": run.place()[0], "partition_data": []}]})


@scenario("produce: a partition twice", PRODUCE)
def _(run):
    topic, partition = run.place()
    run.ask({"acks": -1, "timeout_ms": 1000, "topic_data": [{"name": topic, "partition_data": [
        {"index": partition, "records": ONE}, {"index": partition, "records": TWO}]}]})
    run.see(run.content(topic, partition))


@scenario("produce: a topic twice", PRODUCE)
def _(run):
    topic, partition = run.place()
    run.ask({"acks": -1, "timeout_ms": 1000, "topic_data": [
        {"name": topic, "partition_data": [{"index": partition, "records": ONE}]},
        {"name": topic, "partition_data": [{"index": partition, "records": TWO}]}]})
    run.see(run.content(topic, partition))


@scenario("produce: one of three partitions wrong", PRODUCE)
def _(run):
    (topic, first), (_, second) = run.places(2)
    run.ask({"acks": -1, "timeout_ms": 1000, "topic_data": [{"name": topic, "partition_data": [
        {"index": first, "records": ONE}, {"index": 999, "records": ONE}, {"index": second, "records": batch(crc=1)}]}]},
        sort="responses.partition_responses")
    run.see(run.content(topic, first))
    run.see(run.content(topic, second))


for what, (records, wrong) in {"good": (ONE, None), "CRC wrong": (batch(crc=1), None), "unknown partition": (ONE, 999)}.items():
    @scenario(f"produce: acks 0, {what}", PRODUCE)
    def _(run, records=records, wrong=wrong):
        topic, partition = run.place()
        request = produce(topic, partition if wrong is None else wrong, records, acks=0)
        run.send(run.tables.request(PRODUCE, run.version, 5, request))
        run.ask({}, key=API_VERSIONS, version=0, only=["error_code"])
        run.see(run.content(topic, partition))


@scenario("produce: acks 0 and 1 in turn", PRODUCE)
def _(run):
    place = run.place()
    for acks in 0, 1, 0, -1:
        request = produce(*place, ONE, acks=acks)
        if acks == 0:
            run.send(run.tables.request(PRODUCE, run.version, 5, request))
        else:
            run.ask(request)
    run.see(run.content(*place))


# --- idempotent producers ---------------------------------------------------------------------------------


def sequences(what, *steps):
    """steps: (epoch, first sequence, number of records), or "new" for another producer."""
    @scenario(f"idempotent: {what}", PRODUCE)
    def _(run):
        place = run.place()
        producer = run.producer()
        for step in steps:
            if step == "new":
                producer = run.producer()
                continue
            epoch, first, n = step
            run.ask(produce(*place, batch([b"%d" % first] * n, producer=(producer, epoch, first))))
        run.see(run.content(*place, bases=True))


IN_ORDER = [(0, n, 1) for n in range(8)]
sequences("in order", *IN_ORDER)
sequences("the last again", *IN_ORDER, (0, 7, 1))
sequences("the fifth back again", *IN_ORDER, (0, 3, 1))
sequences("the sixth back again", *IN_ORDER, (0, 2, 1))
sequences("the first of eight again", *IN_ORDER, (0, 0, 1))
sequences("a gap", *IN_ORDER, (0, 9, 1), (0, 8, 1))
sequences("same first, another last", (0, 0, 2), (0, 0, 1), (0, 0, 3), (0, 2, 1))
sequences("overlapping", (0, 0, 3), (0, 1, 3), (0, 2, 3))
sequences("epoch rises", (0, 0, 2), (1, 0, 1), (1, 1, 1), (0, 2, 1))
sequences("epoch rises, sequence not 0", (0, 0, 2), (1, 2, 1), (1, 5, 1))
sequences("epoch rises by five", (0, 0, 1), (5, 0, 1), (4, 0, 1))
sequences("first sequence 50", (0, 50, 1), (0, 51, 1), (0, 50, 1), (0, 49, 1))
sequences("first epoch 3", (3, 0, 1), (3, 1, 1), (2, 0, 1))
sequences("first epoch 3, sequence 50", (3, 50, 1), (3, 51, 1))
sequences("sequence wraps", (0, 0x7FFFFFFE, 2), (0, 0, 1), (0, 1, 1))
sequences("sequence wraps within a batch", (0, 0x7FFFFFFE, 4), (0, 2, 1), (0, 0x7FFFFFFE, 4))
sequences("two producers", (0, 0, 1), "new", (0, 0, 1), (0, 1, 1), (0, 0, 1))
sequences("epoch -1", (-1, 0, 1))
sequences("epoch -5", (-5, 0, 1))
sequences("sequence -1", (0, -1, 1))
sequences("sequence -5", (0, -5, 1))
sequences("epoch and sequence -1", (-1, -1, 1))


@scenario("idempotent: several batches of a partition in one request", PRODUCE)
def _(run):
    topic, partition = run.place()
    producer = run.producer()
    for firsts in (0, 1, 2), (2, 3), (5, 4):
        run.ask({"acks": -1, "timeout_ms": 1000, "topic_data": [{"name": topic, "partition_data": [
            {"index": partition, "records": batch(producer=(producer, 0, first))} for first in firsts]}]})
    run.see(run.content(topic, partition, bases=True))


@scenario("idempotent: an id that nobody gave out", PRODUCE)
def _(run):
    place = run.place()
    for first in 4, 5, 7:
        run.ask(produce(*place, batch(producer=(123456789, 0, first))))
    run.see(run.content(*place, bases=True))


@scenario("idempotent: what was refused does not count", PRODUCE)
def _(run):
    place = run.place()
    producer = run.producer()
    run.ask(produce(*place, batch(producer=(producer, 0, 0))))
    run.ask(produce(*place, batch(producer=(producer, 0, 1), crc=1)))
    run.ask(produce(*place, batch(producer=(producer, 0, 2))))
    run.ask(produce(*place, batch(producer=(producer, 0, 1))))
    run.see(run.content(*place, bases=True))


@scenario("idempotent: pipelined", PRODUCE)
def _(run):
    place = run.place()
    producer = run.producer()
    for first in 0, 1, 2, 4, 5, 3:
        run.send(run.tables.request(PRODUCE, run.version, first, produce(*place, batch(producer=(producer, 0, first)))))
    for _ in range(6):
        run.see(run.receive())
    run.see(run.content(*place, bases=True))


# --- Fetch ------------------------------------------------------------------------------------------------


def fetches(what, *parts, since=0, until=99, **more):
    @scenario(f"fetch: {what}", FETCH, since, until)
    def _(run):
        run.ask(fetch(run, parts, **more), sort="responses.partitions")


for offset in 0, 1, 2, 3, 4, 5, 7, READ_END - 1, READ_END, READ_END + 1, -1, -5, 1 << 40:
    fetches(f"at {offset}", ("read", 0, offset))
for size in 0, 1, 78, 79, 200, 10000:
    fetches(f"partition's maximum {size}", ("read", 0, 0), part_most=size)
    fetches(f"answer's maximum {size}", ("read", 0, 0), most=size)
fetches("both maxima 0", ("read", 0, 0), part_most=0, most=0)
fetches("partition's maximum -1", ("read", 0, 0), part_most=-1)
fetches("answer's maximum -1", ("read", 0, 0), most=-1)
fetches("answer's maximum 1, the first partition empty", ("two", 0, 0), ("read", 0, 0), most=1)
fetches("answer's maximum 1, the same partition twice", ("read", 0, 0), ("read", 0, 5), most=1)
fetches("partition's maximum 1, two topics", ("read", 0, 3), ("two", 1, 0), part_most=1)
fetches("min_bytes 0 at the end", ("read", 0, READ_END), least=0, wait=20000)
fetches("min_bytes beyond what is there", ("read", 0, 0), least=1 << 20, wait=50)
fetches("min_bytes beyond the answer's maximum", ("read", 0, 0), least=1 << 20, most=100, wait=50)
fetches("wait 0 at the end", ("read", 0, READ_END), wait=0)
fetches("wait -1 at the end", ("read", 0, READ_END), wait=-1)
fetches("an empty partition", ("two", 0, 0))
fetches("unknown topic", ("nobody", 0, 0), until=12)
fetches("unknown topic and a known one", ("nobody", 0, 0), ("read", 0, 0), until=12)
fetches("bad topic name", ("a b", 0, 0), until=12)
fetches("unknown topic id", ("nobody", 0, 0), since=13)
fetches("unknown topic id and a known one", ("nobody", 0, 0), ("read", 0, 0), since=13)
fetches("partition 99", ("read", 99, 0))
fetches("partition -1", ("read", -1, 0))
fetches("partition 99 and a good one", ("read", 99, 0), ("read", 0, 7))
fetches("beyond the end and a good one", ("two", 1, 99), ("read", 0, 7))
fetches("nothing", wait=0)
fetches("read committed", ("read", 0, 0), isolation=1)
fetches("isolation level 2", ("read", 0, 0), isolation=2)
fetches("session 5, epoch 0", ("read", 0, 0), session=(5, 0), since=7)
fetches("session 5, epoch 1", ("read", 0, 0), session=(5, 1), since=7)
fetches("session 5, epoch -1", ("read", 0, 0), session=(5, -1), since=7)
fetches("session 0, epoch 0", ("read", 0, 0), session=(0, 0), since=7)
fetches("session 0, epoch 5", ("read", 0, 0), session=(0, 5), since=7)
fetches("session -1, epoch -1", ("read", 0, 0), session=(-1, -1), since=7)


for codec, what in enumerate(("gzip", "snappy", "lz4", "zstd"), 1):
    @scenario(f"fetch: {what}", FETCH)
    def _(run, codec=codec):
        place = run.place()
        other = run.target.run(PRODUCE, 7)
        other.exchange(PRODUCE, produce(*place, batch((b"a", b"b"), attributes=codec)))
        other.close()
        run.ask(fetch(run, [(*place, 0)]))


@scenario("fetch: leader epoch too high", FETCH, 9)
def _(run):
    run.ask(fetch(run, [("read", 0, 0)], epoch=run.epoch + 5))


@scenario("fetch: leader epoch right", FETCH, 9)
def _(run):
    run.ask(fetch(run, [("read", 0, 0)], epoch=run.epoch))


@scenario("fetch: leader epoch too low", FETCH, 9)
def _(run):
    run.ask(fetch(run, [("read", 0, 0)], epoch=run.epoch - 1))


@scenario("fetch: last fetched epoch right", FETCH, 12)
def _(run):
    request = fetch(run, [("read", 0, 3)])
    request["topics"][0]["partitions"][0]["last_fetched_epoch"] = run.epoch
    run.ask(request)


@scenario("fetch: last fetched epoch too high", FETCH, 12)
def _(run):
    request = fetch(run, [("read", 0, 3)])
    request["topics"][0]["partitions"][0]["last_fetched_epoch"] = run.epoch + 5
    run.ask(request)


@scenario("fetch: a topic twice", FETCH)
def _(run):
    request = fetch(run, [("read", 0, 3)])
    request["topics"] *= 2
    run.ask(request)


@scenario("fetch: no partitions", FETCH)
def _(run):
    request = fetch(run, [("read", 0, 3)], wait=0)
    request["topics"][0]["partitions"] = []
    run.ask(request)


@scenario("fetch: waits until something comes", FETCH)
def _(run):
    place = run.place()
    run.send(run.tables.request(FETCH, run.version, 1, fetch(run, [(*place, 0)], wait=20000)))
    other = run.target.run(PRODUCE, 7)
    other.exchange(PRODUCE, produce(*place, ONE))
    other.close()
    run.see(run.receive())


# --- ListOffsets, OffsetForLeaderEpoch --------------------------------------------------------------------


for what, time in {"latest": -1, "earliest": -2, "greatest time": -3, "earliest local": -4, "-5": -5, "-6": -6, "-9": -9}.items():
    @scenario(f"list offsets: {what}", LIST_OFFSETS)
    def _(run, time=time):
        run.ask(list_offsets("read", time))

    @scenario(f"list offsets: {what} of an empty partition", LIST_OFFSETS)
    def _(run, time=time):
        run.ask(list_offsets("two", time))

for ahead in -AT, -1, 0, 1, 500, 501, 699, 700, 701, 1000, 1001, AT:
    @scenario(f"list offsets: time {f'T{ahead:+d}' if abs(ahead) < AT else '0' if ahead < 0 else 'far ahead'}", LIST_OFFSETS)
    def _(run, ahead=ahead):
        run.ask(list_offsets("read", AT + ahead))


@scenario("list offsets: time 0 of an empty partition", LIST_OFFSETS)
def _(run):
    run.ask(list_offsets("two", 0))


@scenario("list offsets: unknown topic", LIST_OFFSETS)
def _(run):
    run.ask(list_offsets("nobody", -1))


@scenario("list offsets: partition 99", LIST_OFFSETS)
def _(run):
    run.ask(list_offsets("read", -1, partition=99))


@scenario("list offsets: partition -1", LIST_OFFSETS)
def _(run):
    run.ask(list_offsets("read", -1, partition=-1))


@scenario("list offsets: a partition twice", LIST_OFFSETS)
def _(run):
    run.ask(list_offsets("read", -1, -2), sort="topics.partitions")


@scenario("list offsets: nothing", LIST_OFFSETS)
def _(run):
    run.ask({"replica_id": -1, "topics": []})


@scenario("list offsets: two topics, one unknown", LIST_OFFSETS)
def _(run):
    request = list_offsets("read", -1)
    request["topics"] += list_offsets("nobody", -1)["topics"]
    run.ask(request, sort="topics")


@scenario("list offsets: version 0", LIST_OFFSETS, 0, 0)
def _(run):
    run.ask(list_offsets("read", -1))


@scenario("list offsets: several offsets", LIST_OFFSETS, 0, 0)
def _(run):
    run.ask(list_offsets("read", -1, most=10))


@scenario("list offsets: no offsets", LIST_OFFSETS, 0, 0)
def _(run):
    run.ask(list_offsets("read", -1, most=0))


@scenario("list offsets: read committed", LIST_OFFSETS, 2)
def _(run):
    run.ask(list_offsets("read", -1, isolation=1))


@scenario("list offsets: isolation level 2", LIST_OFFSETS, 2)
def _(run):
    run.ask(list_offsets("read", -1, isolation=2))


for ahead in -1, 0, 5:
    @scenario(f"list offsets: leader epoch current{ahead:+d}", LIST_OFFSETS, 4)
    def _(run, ahead=ahead):
        run.ask(list_offsets("read", -1, epoch=run.epoch + ahead))

    @scenario(f"epoch end: leader epoch current{ahead:+d}", OFFSET_FOR_LEADER_EPOCH)
    def _(run, ahead=ahead):
        run.ask(epoch_end("read", run.epoch, current=run.epoch + ahead))

    @scenario(f"epoch end: of epoch current{ahead:+d}", OFFSET_FOR_LEADER_EPOCH)
    def _(run, ahead=ahead):
        run.ask(epoch_end("read", run.epoch + ahead))


@scenario("epoch end: of epoch -1", OFFSET_FOR_LEADER_EPOCH)
def _(run):
    run.ask(epoch_end("read", -1))


@scenario("epoch end: of epoch -5", OFFSET_FOR_LEADER_EPOCH)
def _(run):
    run.ask(epoch_end("read", -5))


@scenario("epoch end: of an empty partition", OFFSET_FOR_LEADER_EPOCH)
def _(run):
    run.ask(epoch_end("two", run.epoch))


@scenario("epoch end: unknown topic", OFFSET_FOR_LEADER_EPOCH)
def _(run):
    run.ask(epoch_end("nobody", 0))


@scenario("epoch end: partition 99", OFFSET_FOR_LEADER_EPOCH)
def _(run):
    run.ask(epoch_end("read", 0, partition=99))


@scenario("epoch end: nothing", OFFSET_FOR_LEADER_EPOCH)
def _(run):
    run.ask({"replica_id": -1, "topics": []})


# --- FindCoordinator, InitProducerId ----------------------------------------------------------------------


for what, (key_type, name) in {"group": (0, "g"), "group without a name": (0, ""), "transaction": (1, "t"),
                               "transaction without a name": (1, ""), "type 9": (9, "x")}.items():
    @scenario(f"find coordinator: {what}", FIND_COORDINATOR, 0 if key_type == 0 else 1)
    def _(run, key_type=key_type, name=name):
        run.ask({"key": name, "key_type": key_type, "coordinator_keys": [name]})


@scenario("find coordinator: of no key", FIND_COORDINATOR, 4)
def _(run):
    run.ask({"key_type": 0, "coordinator_keys": []})


@scenario("find coordinator: of two keys", FIND_COORDINATOR, 4)
def _(run):
    run.ask({"key_type": 0, "coordinator_keys": ["a", "b"]})


@scenario("init producer id: new", INIT_PRODUCER_ID)
def _(run):
    run.ask({"transactional_id": None, "transaction_timeout_ms": 60000})


@scenario("init producer id: twice", INIT_PRODUCER_ID)
def _(run):
    request = {"transactional_id": None, "transaction_timeout_ms": 60000}
    ids = {run.exchange(INIT_PRODUCER_ID, request)["producer_id"] for _ in range(2)}
    run.see("another" if len(ids) == 2 else "the same")


for what, more in {"timeout 0": {"transaction_timeout_ms": 0}, "timeout -1": {"transaction_timeout_ms": -1},
                   "timeout 2^31-1": {"transaction_timeout_ms": 0x7FFFFFFF}}.items():
    @scenario(f"init producer id: {what}", INIT_PRODUCER_ID)
    def _(run, more=more):
        run.ask({"transactional_id": None, **more})

for what, (given, epoch) in {"id and epoch": (None, 0), "id and epoch that nobody gave out": (123456789, 3), "only an id": (None, -1),
                             "only an epoch": (-1, 3), "id -2": (-2, -1), "epoch -2": (-1, -2), "both -2": (-2, -2),
                             "the greatest epoch": (None, 32767)}.items():
    @scenario(f"init producer id: {what}", INIT_PRODUCER_ID, 3)
    def _(run, given=given, epoch=epoch):
        run.ask({"transactional_id": None, "transaction_timeout_ms": 60000, "producer_id": run.producer() if given is None else given,
                 "producer_epoch": epoch})

for what, name in {"transactional": "t", "transactional id empty": ""}.items():
    @scenario(f"init producer id: {what}", INIT_PRODUCER_ID)
    def _(run, name=name):
        run.ask({"transactional_id": name and f"{name} {run.version}", "transaction_timeout_ms": 60000})


@scenario("init producer id: transactional, timeout 10^7", INIT_PRODUCER_ID)
def _(run):
    run.ask({"transactional_id": "t", "transaction_timeout_ms": 10_000_000})


# --- SASL -------------------------------------------------------------------------------------------------

PLAIN = {"mechanism": "PLAIN"}


@scenario("sasl: handshake without SASL", SASL_HANDSHAKE)
def _(run):
    run.ask(PLAIN)
    run.see_end()


@scenario("sasl: handshake of an unknown mechanism without SASL", SASL_HANDSHAKE)
def _(run):
    run.ask({"mechanism": "NONSENSE"})
    run.see_end()


@scenario("sasl: token without SASL", SASL_AUTHENTICATE)
def _(run):
    run.ask({"auth_bytes": run.token()})
    run.see_end()


@scenario("sasl: handshake", SASL_HANDSHAKE)
def _(run):
    run.use_sasl()
    run.ask(PLAIN)


@scenario("sasl: unknown mechanism", SASL_HANDSHAKE)
def _(run):
    run.use_sasl()
    run.ask({"mechanism": "NONSENSE"})
    run.see_end()


@scenario("sasl: mechanism in small letters", SASL_HANDSHAKE)
def _(run):
    run.use_sasl()
    run.ask({"mechanism": "plain"})
    run.see_end()


@scenario("sasl: handshake twice", SASL_HANDSHAKE)
def _(run):
    run.use_sasl()
    run.ask(PLAIN)
    run.ask(PLAIN)
    run.see_end()


@scenario("sasl: handshake 0, bare tokens", SASL_HANDSHAKE, 0, 0)
def _(run):
    run.use_sasl()
    run.ask(PLAIN)
    run.send(struct.pack(">i", len(run.token())) + run.token())
    run.see(run.receive_raw())
    run.ask(metadata("read"), key=METADATA, version=1)


@scenario("sasl: handshake 0, a bare token with a wrong password", SASL_HANDSHAKE, 0, 0)
def _(run):
    run.use_sasl()
    run.ask(PLAIN)
    run.send(struct.pack(">i", len(run.token("wrong"))) + run.token("wrong"))
    run.see(run.receive_raw())


@scenario("sasl: ApiVersions first, then Metadata before logging in", SASL_HANDSHAKE, 1, 1)
def _(run):
    run.use_sasl()
    run.ask({}, key=API_VERSIONS, version=0, only=["error_code"])
    run.ask(metadata("read"), key=METADATA, version=1)


@scenario("sasl: ApiVersions between handshake and token", SASL_HANDSHAKE, 1, 1)
def _(run):
    run.use_sasl()
    run.ask(PLAIN)
    run.ask({}, key=API_VERSIONS, version=0, only=["error_code"])
    run.see_end()


@scenario("sasl: ApiVersions of an unknown version first", SASL_HANDSHAKE, 1, 1)
def _(run):
    run.use_sasl()
    run.ask_raw(run.tables.request_header(API_VERSIONS, 99, 1) + b"\2a\2a\0", key=API_VERSIONS, answer_version=0)
    run.ask(PLAIN)


@scenario("sasl: ApiVersions with a bad software name first", SASL_HANDSHAKE, 1, 1)
def _(run):
    run.use_sasl()
    run.ask({"client_software_name": "a b", "client_software_version": "1"}, key=API_VERSIONS, version=3, only=["error_code"])
    run.see_end()


@scenario("sasl: Produce before logging in", SASL_HANDSHAKE, 1, 1)
def _(run):
    run.use_sasl()
    run.ask(produce("read", 0, ONE), key=PRODUCE, version=7)


@scenario("sasl: Metadata between handshake and token", SASL_HANDSHAKE, 1, 1)
def _(run):
    run.use_sasl()
    run.ask(PLAIN)
    run.ask(metadata("read"), key=METADATA, version=1)


def logs_in(what, token, end=True, handshake=True):
    @scenario(f"sasl: {what}", SASL_AUTHENTICATE)
    def _(run):
        run.use_sasl()
        if handshake:
            run.ask(PLAIN, key=SASL_HANDSHAKE, version=1)
        run.ask({"auth_bytes": token(run)})
        if end:
            run.see_end()
        else:
            run.ask(metadata("read"), key=METADATA, version=1)


logs_in("log in", lambda run: run.token(), end=False)
logs_in("log in for oneself", lambda run: run.token(authzid=run.target.user), end=False)
logs_in("log in for somebody else", lambda run: run.token(authzid="other"))
logs_in("wrong password", lambda run: run.token("wrong"))
logs_in("unknown user", lambda run: run.token(user="nobody"))
logs_in("empty user", lambda run: run.token(user=""))
logs_in("empty password", lambda run: run.token(""))
logs_in("empty token", lambda run: b"")
logs_in("token without separators", lambda run: b"nonsense")
logs_in("token with three separators", lambda run: run.token() + b"\0more")
logs_in("token not UTF-8", lambda run: b"\0\xff\xfe\0\xff")
logs_in("token without handshake", lambda run: run.token(), handshake=False)


@scenario("sasl: token twice", SASL_AUTHENTICATE)
def _(run):
    run.use_sasl()
    run.ask(PLAIN, key=SASL_HANDSHAKE, version=1)
    run.ask({"auth_bytes": run.token()})
    run.ask({"auth_bytes": run.token()})
    run.see_end()


@scenario("sasl: log in again", SASL_AUTHENTICATE)
def _(run):
    run.use_sasl()
    for _ in range(2):
        run.ask(PLAIN, key=SASL_HANDSHAKE, version=1)
        run.ask({"auth_bytes": run.token()})
    run.ask(metadata("read"), key=METADATA, version=1)


@scenario("sasl: log in again with a wrong password", SASL_AUTHENTICATE)
def _(run):
    run.use_sasl()
    run.ask(PLAIN, key=SASL_HANDSHAKE, version=1)
    run.ask({"auth_bytes": run.token()})
    run.ask(PLAIN, key=SASL_HANDSHAKE, version=1)
    run.ask({"auth_bytes": run.token("wrong")})
    run.see_end()
