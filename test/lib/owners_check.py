#!/usr/bin/env python3
"""Judges a run of owners.py by the logs of its processes and by the tables; needs psycopg 3.

Prints each problem found, then "counts" and what the run consisted of, as JSON.

When does a client work on a partition?  From the moment when the call that delivered had returned. The server took the
partition before it answered, so this is never too early. Until:

  - COMMIT or ROLLBACK is about to be sent, if the server answers: it cannot give the partition free before it reads
    that. The same holds for a statement that fails with an error: the transaction was open when it was sent.
  - No answer, or the client died: the earliest moment at which anything could have ended the transaction. That is: COMMIT
    or ROLLBACK was about to be sent; the crew was about to kill the client, end its session or crash the server; the
    client was about to break its connection; max_poll_interval had passed since its first call was about to be sent, so
    that the server may have ended the session. But not before the last statement that was answered was sent.

Each is a time before the partition becomes free, so two such intervals overlap only if two clients really had the
partition at the same time. A client that was stopped amid a transaction works all the while.
"""
import argparse
import bisect
import collections
import glob
import json
import os

import psycopg

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--conninfo", required=True)
parser.add_argument("--folder", required=True)
parser.add_argument("--topic", default="owned")
parser.add_argument("--group", default="owners")
parser.add_argument("--max-poll", type=float, default=3, help="the group's max_poll_interval, in seconds")
options = parser.parse_args()

problems = collections.defaultdict(list)
counts = collections.Counter()


class Transaction:
    def __init__(self, client):
        self.client = client
        self.got = []			# lines
        self.pid = None
        self.connected = None
        self.sent = None		# COMMIT or ROLLBACK, when
        self.cut = None
        self.held = None
        self.answered = None	# when
        self.outcome = None		# None: its client died


def lines(path):
    with open(path, encoding="utf-8") as file:
        for line in file:
            # who was killed may have left half a line, about nothing that had been done
            if line.endswith("\n"):
                yield json.loads(line)


#
# What the crew did
#
killed = {}										# client: when
terminated = collections.defaultdict(list)		# backend's pid: when
crashed = []
for line in lines(f"{options.folder}/crew.log"):
    what = line["what"]
    counts[what] += 1
    if what == "kill":
        killed[line["name"]] = line["t"]
    elif what == "terminate":
        terminated[line["pid"]].append(line["t"])
    elif what == "crash":
        crashed.append(line["t"])

#
# What the clients did, and what the producers were told
#
transactions = {}			# (client, tx)
told = {}					# id: outcome
whole = []					# ids of transactions whose outcome is unknown
for path in sorted(glob.glob(f"{options.folder}/*.log")):
    client = os.path.basename(path)[:-4]
    pids = {}
    for line in lines(path):
        what = line["what"]
        if client == "crew":
            continue
        if what == "produced":
            told.update(dict.fromkeys(line["ids"], line["outcome"]))
            counts["acknowledged"] += len(line["ids"]) if line["outcome"] == "ok" else 0
            if line["outcome"] == "info":
                whole.append(line["ids"])
        elif what == "connect":
            pids[line["pid"]] = line["t"]
            counts["connections"] += 1
        elif what == "problem":
            problems["a client's own"].append(f"{client}: {line['text']}")
        elif what in ("joins", "leaves"):
            counts[what] += 1
            counts[f"{what} by {line['why']}"] += 1
        elif what in ("heartbeat", "again"):
            counts[what] += 1
        elif what in ("got", "send", "cut", "end"):
            tx = transactions.setdefault((client, line["tx"]), Transaction(client))
            if what == "got":
                if tx.sent is not None:
                    problems["on record after COMMIT"].append(f"{client} {line}")
                tx.got.append(line)
                tx.pid, tx.connected = line["pid"], pids[line["pid"]]
                counts["deliveries"] += len(line["parts"])
            elif what == "send":
                tx.sent = line["t"]
                counts["sent"] += 1
            elif what == "cut":
                tx.cut = line["t"]
                counts["cut"] += 1
            else:
                tx.held, tx.outcome, tx.answered = line["held"], line["outcome"], line["t"]
                if tx.got:
                    counts[f"ended {tx.outcome}"] += 1
                elif tx.outcome not in ("COMMIT", "ROLLBACK"):
                    counts[f"refused {tx.outcome}"] += 1


def end(tx):
    if tx.outcome not in (None, "lost"):
        return tx.held
    bounds = [tx.got[0]["sent"] + options.max_poll]
    bounds += [t for t in (tx.sent, tx.cut, killed.get(tx.client)) if t is not None]
    bounds += [t for t in terminated[tx.pid] if t >= tx.connected]
    bounds += [t for t in crashed if t >= tx.connected]
    return max(min(bounds), tx.held or 0)


#
# What is there now
#
with psycopg.connect(options.conninfo, autocommit=True, client_encoding="utf8") as db:
    readable = collections.defaultdict(list)			# partition: [(offset, id)]
    for partition, offset, ident in db.execute(
            "SELECT partition, event_offset, value->>'id' FROM read_topic(%s, max_events => 100000000)", (options.topic,)):
        readable[partition].append((offset, ident))
    processed = db.execute("SELECT partition, event_offset, id, client, tx FROM processed ORDER BY partition, seq").fetchall()
    committed = dict(db.execute("SELECT partition, committed_offset FROM eventlog_lag WHERE group_name = %s",
                                (options.group,)).fetchall())
    ends = dict(db.execute("SELECT partition, log_end_offset FROM eventlog_partitions WHERE topic = %s::regclass",
                           (options.topic,)).fetchall())
events = {(partition, offset): ident for partition, list_ in readable.items() for offset, ident in list_}
counts["events"] = len(events)
counts["processed"] = len(processed)
counts["aborted offsets"] = sum(ends.values()) - len(events)

# every event that a producer was told of, and no other
by_id = collections.Counter(events.values())
for ident, outcome in told.items():
    if outcome == "ok" and by_id[ident] != 1:
        problems["acknowledged, but not there once"].append(f"{ident}: {by_id[ident]} times")
    elif outcome == "fail" and by_id[ident]:
        problems["not committed, but there"].append(ident)
for ids in whole:
    if {by_id[ident] for ident in ids} not in (set(), {0}, {1}):
        problems["torn"].append(ids)

# is the twin: nothing lost, nothing twice, nothing else
twin = collections.Counter(row[:3] for row in processed)
for (partition, offset), ident in events.items():
    n = twin.pop((partition, offset, ident), 0)
    if n != 1:
        problems["processed twice" if n else "not processed"].append(f"{partition}/{offset} {ident}: {n} times")
for row in twin:
    problems["processed, but not there"].append(row)

# in order: "seq" was drawn by a sequence while the partition was held, so it follows the order of processing
for before, after in zip(processed, processed[1:]):
    if before[0] == after[0] and before[1] >= after[1]:
        problems["offsets out of order"].append(f"{before} then {after}")

# what was processed was on record before; each delivery is a piece of the log as readers see it
first_of = {}				# row: when the call that delivered it was sent
for (client, number), tx in transactions.items():
    for line in tx.got:
        for partition, piece in line["parts"].items():
            log = readable[int(partition)]
            piece = [tuple(event) for event in piece]
            at = bisect.bisect_left(log, piece[0])
            if log[at:at + len(piece)] != piece:
                problems["delivered, but not so in the log"].append(
                    f"{client} {number} {partition} {piece} {log[at:at + len(piece)]}")
            for offset, ident in piece:
                first_of[(int(partition), offset, ident, client, number)] = line["sent"]
for row in processed:
    if row not in first_of:
        problems["processed, but not on record"].append(row)
worked = {row[3:] for row in processed}
for key, tx in transactions.items():
    if tx.outcome not in (None, "lost", "COMMIT") and key in worked:
        problems["rolled back or refused, but there"].append(f"{key} {tx.outcome}")

# nobody is given what has been committed, nobody starts beyond what has not
by_partition = collections.defaultdict(list)
for row in processed:
    by_partition[row[0]].append(row)
for partition, rows in by_partition.items():
    answers, begins = [], []
    for row in rows:
        tx = transactions.get(row[3:])
        if tx is not None and tx.outcome == "COMMIT":
            answers.append((tx.answered, row[1]))
        if row in first_of:
            begins.append((first_of[row], row[1]))
    answers.sort()
    begins.sort()
    upto, best = [], -1
    for _, offset in answers:
        best = max(best, offset)
        upto.append(best)
    least, best = [], float("inf")
    for _, offset in reversed(begins):
        best = min(best, offset)
        least.append(best)
    least.reverse()
    for (client, number), tx in transactions.items():
        for line in tx.got:
            piece = line["parts"].get(str(partition))
            if piece is None:
                continue
            at = bisect.bisect_left(answers, (line["sent"], -1))
            if at and upto[at - 1] >= piece[0][0]:
                problems["delivered again after its commit"].append(
                    f"{client} {number} {partition}/{piece[0]}: {upto[at - 1]} was committed")
            at = bisect.bisect_right(begins, (line["t"], float("inf")))
            if at < len(least) and least[at] < line["from_"][str(partition)]:
                problems["passed over"].append(f"{client} {number} {partition}/{piece[0]}: {least[at]} was processed later")

# the committed offsets are what was processed
for partition, rows in by_partition.items():
    if committed.get(partition) != rows[-1][1] + 1:
        problems["committed offset"].append(f"{partition}: {committed.get(partition)}, but {rows[-1]} was the last")

# never two owners
work = collections.defaultdict(list)
for (client, number), tx in transactions.items():
    begins = {}
    for line in tx.got:
        for partition in line["parts"]:
            begins.setdefault(partition, line["t"])
    for partition, begin in begins.items():
        # stopped before the call returned, and the session may have ended meanwhile: no moment is certain
        if begin < end(tx):
            work[partition].append((begin, end(tx), client, number))
        else:
            counts["uncertain intervals"] += 1
    if tx.got and tx.outcome == "lost" and any(tx.got[0]["t"] < t < tx.answered for t in crashed):
        counts["amid a crash"] += 1
counts["intervals"] = sum(map(len, work.values()))
for partition, intervals in work.items():
    intervals.sort()
    last = None
    for interval in intervals:
        if last is not None:
            if interval[0] < last[1] and interval[2:] != last[2:]:
                problems["two owners"].append(f"partition {partition}: {last} and {interval}")
            counts["changes of hands"] += interval[2] != last[2]
        if last is None or interval[1] > last[1]:
            last = interval

for what, evidence in problems.items():
    print(f"{what} ({len(evidence)} times): {evidence[0]}")
print("counts", json.dumps(counts, sort_keys=True))
