#!/usr/bin/env python3
"""Groups of named members that read a topic through lossy_proxy.py while it is being written; needs psycopg 3.

  least     at least once: consume() and commit() in transactions of their own, in between the work, in a file
  exactly   consume(), the work, in the table "work", and commit() in one transaction
  careless  as "least", but commits before it works: loses events, and whoever judges the others has to see it

All start over after anything that breaks. They end when their groups have committed everything. Prints what they met.
033_lost_answers.pl creates the tables and judges the outcome.
"""
import argparse
import collections
import random
import sys
import threading
import time

import psycopg

parser = argparse.ArgumentParser()
parser.add_argument("--server", required=True, help="how to reach the server itself")
parser.add_argument("--proxy", required=True, help="how to reach it through the proxy")
parser.add_argument("--recorded", required=True, help="file for the work of the groups that do it outside")
parser.add_argument("--events", type=int, default=6000)
options = parser.parse_args()

PARTITIONS = 8
GROUPS = {"least": 4, "exactly": 4, "careless": 2}
RETRY = {"40001", "40P01", "40L01", "55006"}
CONSUME = "SELECT partition, event_offset, key FROM consume(%s, 't', 20, member => %s)"

lock = threading.Lock()
recorded = open(options.recorded, "w", encoding="utf-8")
met = collections.Counter()
finished = dict.fromkeys(GROUPS, False)
failures = []


def record(group, member, rows):
    """Work that no transaction takes back."""
    with lock:
        for partition, offset, key in rows:
            print(group, member, partition, offset, key, sep="\t", file=recorded)


def least(connection, group, member):
    rows = connection.execute(CONSUME, (group, member)).fetchall()
    if rows:
        record(group, member, rows)
        connection.execute("SELECT commit(%s, %s)", (group, member))
    return rows


def careless(connection, group, member):
    rows = connection.execute(CONSUME, (group, member)).fetchall()
    if rows:
        connection.execute("SELECT commit(%s, %s)", (group, member))
        record(group, member, rows)
    return rows


def exactly(connection, group, member):
    connection.execute("BEGIN")
    rows = connection.execute(CONSUME, (group, member)).fetchall()
    if rows:
        connection.execute("INSERT INTO work SELECT %s, * FROM unnest(%s::int[], %s::bigint[], %s::text[])",
                           (member, *map(list, zip(*rows))))
        connection.execute("SELECT commit(%s, %s)", (group, member))
    connection.execute("COMMIT")
    return rows


def run_member(group, member):
    step = {"least": least, "exactly": exactly, "careless": careless}[group]
    connection = None
    while not finished[group]:
        try:
            if connection is None or connection.broken:
                connection = psycopg.connect(options.proxy, autocommit=True, application_name=f"{group}.{member}")
            if not step(connection, group, member):
                connection.execute("CALL wait_for_events(%s, '200 ms', member => %s)", (group, member))
        except psycopg.Error as error:
            cut = connection is None or connection.broken
            met["cut" if cut else error.sqlstate] += 1
            if not cut:
                if error.sqlstate not in RETRY:
                    raise
                connection.execute("ROLLBACK")
                time.sleep(0.005)       # 55006: the server may not know yet that an earlier connection is gone


def produce():
    """Events and their twins; some transactions roll back. Ends with an event in each partition."""
    chance = random.Random(33)
    with psycopg.connect(options.server, autocommit=True) as connection:
        made = 0
        while made < options.events:
            wanted = chance.randint(1, 10)
            with connection.transaction(force_rollback=chance.random() < 0.1) as transaction:
                for n in range(made, made + wanted):
                    connection.execute("SELECT produce('t', %s, '{}')", (str(n),))
                    connection.execute("INSERT INTO twin VALUES (%s)", (str(n),))
            if not transaction.force_rollback:
                made += wanted
        met["already committed"] = connection.execute(
            "SELECT min(n)::int FROM (SELECT sum(committed_offset) AS n FROM eventlog_lag GROUP BY group_name) g").fetchone()[0]
        with connection.transaction():
            for partition in range(PARTITIONS):
                connection.execute("SELECT produce('t', %s, '{}', partition => %s)", (f"last{partition}", partition))
                connection.execute("INSERT INTO twin VALUES (%s)", (f"last{partition}",))


def wait_for_groups():
    """Until they have committed everything, or nothing has moved for long: then the judge will find what is missing."""
    with psycopg.connect(options.server, autocommit=True) as connection:
        before, moved = None, time.monotonic()
        while not all(finished.values()):
            now = connection.execute("SELECT group_name, count(*) FILTER (WHERE committed_offset = log_end_offset), sum(committed_offset)"
                                     " FROM eventlog_lag GROUP BY 1").fetchall()
            if now != before:
                before, moved = now, time.monotonic()
            for group, partitions, _ in now:
                finished[group] = partitions == PARTITIONS or time.monotonic() > moved + 20
            time.sleep(0.02)


def produce_and_wait():
    produce()
    wait_for_groups()


def start(function, *arguments):
    def run():
        try:
            function(*arguments)
        except Exception as error:
            failures.append(error)
            for group in GROUPS:
                finished[group] = True
    thread = threading.Thread(target=run)
    thread.start()
    return thread


threads = [start(run_member, group, f"w{n}") for group, members in GROUPS.items() for n in range(members)]
threads.append(start(produce_and_wait))
for thread in threads:
    thread.join()
recorded.close()
for what, times in sorted(met.items()):
    print(what, times, sep="\t")
for failure in failures:
    print(f"{type(failure).__name__}: {getattr(failure, 'sqlstate', '')} {failure}", file=sys.stderr)
sys.exit(1 if failures else 0)
