#!/usr/bin/env python3
"""A load on topic "stream" whose retention removes events all the while: a producer for each partition, two groups that
read, and readers that look here and there by read_topic and SELECT. Event n of partition p has offset n and a value that
says so, so each reader can tell whether it saw what it asked for.

Prints figures, a line each: produced_mb, read, jumps (events that were gone before a group came to them), largest (bytes
of a partition's file), wrong (events that were not what they should be), gaps (in what a
group was given, without an error), errors (any but EL004).
"""
import argparse
import random
import sys
import threading
import time

import psycopg

EVENT_BYTES = 1000
VALUE = "{p} || ':' || {n} || ':' || repeat(md5({p} || ':' || {n}), 30)"
WRONG = ("count(*) FILTER (WHERE {value} IS DISTINCT FROM " + VALUE.format(p="partition", n="event_offset") + ")")

options = None
lock = threading.Lock()
figures = {"produced_mb": 0, "read": 0, "jumps": 0, "largest": 0, "wrong": 0, "gaps": 0, "errors": 0}
producing = threading.Event()
failed = []


def add(**counts):
    with lock:
        for name, n in counts.items():
            figures[name] += n


def guarded(work):
    def run(*args):
        try:
            with psycopg.connect(options.conninfo, autocommit=True) as db:
                work(db, *args)
        except Exception as error:  # one client's failure is the test's
            failed.append(f"{work.__name__}: {error!r}")
            add(errors=1)
            producing.clear()
    return run


@guarded
def produce(db, partition):
    n = db.execute("SELECT log_end_offset FROM eventlog_partitions WHERE topic = 'stream'::regclass AND partition = %s",
                   (partition,)).fetchone()[0]
    events = options.mb * 1000 * 1000 // EVENT_BYTES // 4
    statement = ("SELECT count(produce('stream', NULL::text, " + VALUE.format(p=partition, n="n")
                 + f", partition => {partition})) FROM generate_series(%s::bigint, %s::bigint) n")
    while events > 0 and producing.is_set():
        batch = min(events, random.choice((1, 50, 1000, 1000, 1000)))
        db.execute(statement, (n, n + batch - 1))
        n, events = n + batch, events - batch
        add(produced_mb=batch * EVENT_BYTES / 1e6)


@guarded
def consume(db, group, stop):
    """With on_lost => error the loss is accepted by seek(), as the hint says."""
    value = "value #>> '{}'"
    statement = (f"SELECT partition, count(*), min(event_offset), max(event_offset), {WRONG.format(value=value)}"
                 f" FROM consume('{group}', 'stream', max_events => 2000, commit => true) GROUP BY 1")
    following = {}
    while not stop.is_set():
        try:
            rows = db.execute(statement).fetchall()
        except psycopg.Error as error:
            if error.sqlstate != "EL004":
                raise
            for partition, start in db.execute(
                    "SELECT partition, p.log_start_offset FROM eventlog_partitions p JOIN eventlog_lag l USING (topic, partition)"
                    " WHERE group_name = %s AND committed_offset < p.log_start_offset", (group,)).fetchall():
                try:
                    db.execute("SELECT seek(%s, 'stream', %s, %s)", (group, partition, start))
                    following[partition] = start
                    add(jumps=1)
                except psycopg.errors.InvalidParameterValue:
                    pass  # the log start has moved on meanwhile
            continue
        for partition, read, first, last, wrong in rows:
            # every offset of this load has its event: a gap is one that nobody was told of
            gap = read != last - first + 1 or (group == "careful" and following.get(partition, first) != first)
            following[partition] = last + 1
            add(read=read, wrong=wrong, gaps=gap)
        if not rows:
            time.sleep(0.01)


@guarded
def look(db, stop):
    while not stop.is_set():
        partition = random.randrange(4)
        start, end = db.execute(
            "SELECT log_start_offset, log_end_offset FROM eventlog_partitions WHERE topic = 'stream'::regclass AND partition = %s",
            (partition,)).fetchone()
        offset = random.choice((start, random.randint(start, end)))
        try:
            if random.random() < 0.5:
                value = "value #>> '{}'"
                read, wrong = db.execute(f"SELECT count(*), {WRONG.format(value=value)} FROM read_topic('stream', {partition}, {offset}, 3000)"
                                         ).fetchone()
            else:
                read, wrong = db.execute(f"SELECT count(*), {WRONG.format(value='value')} FROM stream"
                                         f" WHERE partition = {partition}").fetchone()
            add(read=read, wrong=wrong)
        except psycopg.Error as error:
            if error.sqlstate != "EL004":
                raise


@guarded
def measure(db, stop):
    while not stop.is_set():
        largest = db.execute("SELECT max(pg_relation_size(inhrelid)) FROM pg_inherits WHERE inhparent = 'stream'::regclass").fetchone()[0]
        with lock:
            figures["largest"] = max(figures["largest"], largest)
        time.sleep(0.05)


def main():
    global options
    parser = argparse.ArgumentParser()
    parser.add_argument("--conninfo", required=True)
    parser.add_argument("--mb", type=int, required=True)
    options = parser.parse_args()

    stop = threading.Event()
    producing.set()
    producers = [threading.Thread(target=produce, args=(p,)) for p in range(4)]
    others = [threading.Thread(target=consume, args=(group, stop)) for group in ("careful", "brave")]
    others += [threading.Thread(target=look, args=(stop,)), threading.Thread(target=measure, args=(stop,))]
    for thread in producers + others:
        thread.start()
    for thread in producers:
        thread.join()
    time.sleep(1)
    stop.set()
    for thread in others:
        thread.join()
    for line in failed:
        print(line, file=sys.stderr)
    for name, value in figures.items():
        print(name, round(value))


main()
