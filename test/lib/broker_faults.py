#!/usr/bin/env python3
"""What VerifiableProducer (or idempotent_producer.py) was told, what VerifyingReader read, and what is in the log: does it fit?

For 080_broker_faults.pl. Arguments: "one epoch", or "epochs" for a producer that begins another one by itself; the producer's
output; the reader's output; all events by SQL (both as lines "partition offset value"); and of each partition its committed batches
as log_batches.py takes them off the pages, in the order of partitions. What the producer sends are numbers; what others have sent
is no number. Writes a line for each kind of problem, and a line "counts {...}".
"""
import collections
import json
import struct
import sys

HEADER = struct.Struct(">qiibIhiqqqhii")

problems = collections.OrderedDict()


def problem(what, evidence):
    problems.setdefault(what, []).append(str(evidence))


def read_events(path):
    """[(partition, offset, value)]"""
    events = []
    with open(path, encoding="utf-8") as lines:
        for line in lines:
            partition, offset, value = line.split()
            events.append((int(partition), int(offset), value))
    return events


def producer(path):
    """{value: (partition, offset)} of what was acknowledged, and the lines that tell of errors."""
    acknowledged, errors = {}, []
    with open(path, encoding="utf-8") as lines:
        for line in lines:
            event = json.loads(line)
            if event["name"] == "producer_send_success":
                if event["value"] in acknowledged:
                    problem("acknowledged twice", line)
                acknowledged[event["value"]] = event["partition"], event["offset"]
            elif event["name"] == "producer_send_error":
                errors.append(line)
    return acknowledged, errors


def batches(path):
    """(base offset, number of records, producer id, epoch, first sequence) of each batch."""
    with open(path, "rb") as file:
        data = file.read()
    at = 0
    while at < len(data):
        base, length, _, _, _, _, delta, _, _, id_, epoch, sequence, _ = HEADER.unpack_from(data, at)
        yield base, delta + 1, id_, epoch, sequence
        at += 12 + length


def main():
    acknowledged, errors = producer(sys.argv[2])
    read, stored = read_events(sys.argv[3]), read_events(sys.argv[4])
    counts = {"acknowledged": len(acknowledged), "read": len(read), "stored": len(stored), "batches": 0}

    for line in errors:
        problem("the producer gave up an event", line)

    at = {(partition, offset): value for partition, offset, value in stored}
    sent = sorted((partition, offset, int(value)) for partition, offset, value in stored if value.isdigit())
    places = collections.defaultdict(list)
    for partition, offset, value in sent:
        places[str(value)].append((partition, offset))
    for value, where in places.items():
        if len(where) > 1:
            problem("twice in the log", f"{value}: {where}")
    for value, where in acknowledged.items():
        # the offset of what is older than the last five of its producer is not known
        if value not in places:
            problem("acknowledged, but not in the log", f"{value}: {where}")
        elif where not in places[value] and where[1] >= 0:
            problem("acknowledged with another offset", f"{value}: {where}, not {places[value]}")

    last = {}
    for partition, offset, value in read:
        if offset <= last.get(partition, -1):
            problem("read twice, or backwards", f"{partition}/{offset} behind {last[partition]}")
        last[partition] = offset
        if at.get((partition, offset)) != value:
            problem("read, but not in the log", f"{partition}/{offset}: {value}, not {at.get((partition, offset))}")
    seen = {(partition, offset) for partition, offset, _ in read}
    for place in sorted(at.keys() - seen):
        problem("in the log, but never read", f"{place}: {at[place]}")

    # the producer sends its numbers in their order
    last = {}
    for partition, offset, value in sent:
        if value <= last.get(partition, -1):
            problem("out of order in its partition", f"{partition}/{offset}: {value} behind {last[partition]}")
        last[partition] = value

    # batches follow one another
    next_, identities = {}, collections.Counter()
    for partition, path in enumerate(sys.argv[5:]):
        for base, n, id_, epoch, sequence in batches(path):
            if id_ < 0:
                continue
            counts["batches"] += 1
            identities[id_, epoch] += 1
            expected = next_.get((partition, id_, epoch), 0)
            if sequence != expected:
                problem("sequence is broken", f"{partition}/{base}: producer {id_}, epoch {epoch}: {sequence}, not {expected}")
            next_[partition, id_, epoch] = sequence + n
    # Java begins a new epoch when a sequence is refused though nothing before it was, for which there is no reason here
    counts["epochs"] = len(identities)
    if len({id_ for id_, _ in identities} if sys.argv[1] == "epochs" else identities) > 1:
        problem("the producer had to begin again", dict(identities))

    for what, evidence in problems.items():
        print(f"{what} ({len(evidence)} times): {evidence[0].strip()}")
    print("counts", json.dumps(counts))


main()
