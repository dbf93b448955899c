#!/usr/bin/env python3
"""A load of transactions that write events and, as their twin, rows of a table; needs psycopg 3.

Every producer keeps a history of what it was told about each transaction:

  ok    COMMIT answered COMMIT
  fail  rolled back, or an error before COMMIT was sent: nothing of it may ever be seen
  info  COMMIT was sent and the connection broke: all of it or nothing

The consumers write the events they get into the table "done", in the transaction that consumed them. One client
keeps the topic "ring" short, so that its segments are used again and again. The clients end when their connections
break; a server that shuts down or crashes is what this is for. Prints "acknowledged n" as it goes.

EventlogTest.pm creates the tables and judges the outcome.
"""
import argparse
import json
import random
import sys
import threading
import time

import psycopg

parser = argparse.ArgumentParser()
parser.add_argument("--conninfo", required=True)
parser.add_argument("--history", required=True)
parser.add_argument("--round", type=int, required=True)
parser.add_argument("--producers", type=int, default=5)
parser.add_argument("--consumers", type=int, default=1)
parser.add_argument("--prepared", action="store_true", help="some transactions are prepared, then committed")
options = parser.parse_args()

RETRY = {"40001", "40P01", "40L01", "EL001", "55006"}

lock = threading.Lock()
history = open(options.history, "w", encoding="utf-8")
acknowledged = 0
failures = []


def record(client, seq, outcome, what, xid, events, began):
    global acknowledged
    with lock:
        history.write("\t".join(map(str, (options.round, client, seq, outcome, what, xid, events, began, time.monotonic()))) + "\n")
        if outcome == "ok":
            acknowledged += 1
            if acknowledged % 10 == 0:
                print("acknowledged", acknowledged, flush=True)


def broken(error, connection):
    """Did the server go away (rather than refuse something)?"""
    return connection is None or connection.broken or connection.closed or (error.sqlstate or "").startswith(("57P", "08"))


class Producer:
    """One connection and its transactions, each of a random kind."""

    def __init__(self, client):
        self.client = client
        self.random = random.Random(f"{options.round}.{client}")
        self.connection = psycopg.connect(options.conninfo, autocommit=True)

    def event(self, n):
        """Mostly small, sometimes more than a page or than a segment; what matters is the id."""
        ident = f"{options.round}.{self.client}.{self.seq}.{n}"
        size = self.random.choices((0, 200, 5000, 30000, 200000), (60, 30, 6, 3, 1))[0]
        filler = self.random.randbytes(size // 2).hex()
        topic = self.random.choices(("load", "load2"), (4, 1))[0]
        key = f"k{self.random.randrange(50)}"
        return ident, topic, key, json.dumps({"id": ident, "filler": filler})

    def write(self, n, how):
        """One event and its twin."""
        ident, topic, key, value = self.event(n)
        self.connection.execute("INSERT INTO twin VALUES (%s, %s, md5(%s))", (ident, topic, value))
        if how == "returning":
            self.connection.execute(f"INSERT INTO {topic} (key, value) VALUES (%s, %s) RETURNING event_offset", (key, value))
        elif how == "insert":
            self.connection.execute(f"INSERT INTO {topic} (key, value) VALUES (%s, %s)", (key, value))
        elif how == "copy":
            with self.connection.cursor().copy(f"COPY {topic} (key, value) FROM STDIN") as copy:
                copy.write_row((key, value))
        else:
            self.connection.execute("SELECT produce(%s, %s, %s)", (topic, key, value))

    def transaction(self):
        what = self.random.choices(("one", "produce", "insert", "copy", "returning", "flush", "savepoint", "rollback", "prepare"),
                                   (30, 20, 10, 10, 10, 5, 10, 5, 5 if options.prepared else 0))[0]
        began = time.monotonic()
        xid, events, sent = "\\N", 0, False
        run = self.connection.execute
        try:
            run("BEGIN")
            xid = run("SELECT pg_current_xact_id()::text").fetchone()[0]
            wanted = 1 if what == "one" else self.random.randint(1, 5)
            for n in range(wanted):
                if what == "savepoint" and n % 2:
                    run("SAVEPOINT s")
                    self.write(n, self.random.choice(("produce", "returning")))
                    if self.random.random() < 0.5:
                        run("SELECT flush()")
                    run("ROLLBACK TO s")
                else:
                    self.write(n, what)
                    events += 1
                if what == "flush":
                    run("SELECT flush()")
            if what == "rollback":
                run("ROLLBACK")
                record(self.client, self.seq, "fail", what, xid, events, began)
            elif what == "prepare":
                gid = f"load.{options.round}.{self.client}.{self.seq}"
                sent = True
                run(f"PREPARE TRANSACTION '{gid}'")
                run(f"COMMIT PREPARED '{gid}'")
                record(self.client, self.seq, "ok", what, xid, events, began)
            else:
                sent = True
                status = run("COMMIT").statusmessage
                record(self.client, self.seq, "ok" if status == "COMMIT" else "fail", what, xid, events, began)
        except psycopg.Error as error:
            if not broken(error, self.connection):
                raise
            record(self.client, self.seq, "info" if sent else "fail", what, xid, events, began)
            return False
        return True

    def run(self):
        self.seq = 0
        while self.transaction():
            self.seq += 1


def consume(number):
    """As a member of the group "load"; reads, work and committed offsets are one transaction."""
    connection = psycopg.connect(options.conninfo, autocommit=True)
    topics = ("load", "load2")
    turn = number
    while True:
        turn += 1
        topic = topics[turn % 2]
        try:
            connection.execute("BEGIN")
            connection.execute("INSERT INTO done SELECT value->>'id', topic, partition, event_offset"
                               " FROM consume('load', %s, max_events => 50, wait => '50 ms')", (topic,))
            if turn % 7 == 0:
                connection.execute("ROLLBACK")
            else:
                connection.execute("SELECT commit('load')")
                connection.execute("COMMIT")
        except psycopg.Error as error:
            if broken(error, connection):
                return
            if error.sqlstate not in RETRY:
                raise
            connection.execute("ROLLBACK")


def keep_ring():
    """Produces into "ring" and removes what is old; "ring_trimmed" says what was removed for certain."""
    connection = psycopg.connect(options.conninfo, autocommit=True)
    chance = random.Random(f"{options.round}.ring")
    try:
        while True:
            connection.execute("SELECT ring_produce(%s)", (chance.randint(1, 60),))
            if chance.random() < 0.1:
                connection.execute("BEGIN")
                connection.execute("SELECT ring_produce(20), flush()")
                connection.execute("ROLLBACK")
            end = connection.execute("SELECT max(event_offset) FROM ring").fetchone()[0]
            before = max(0, end - chance.randint(0, 100))
            connection.execute("SELECT delete_events_before('ring', 0, %s)", (before,))
            connection.execute("INSERT INTO ring_trimmed VALUES (%s)", (before,))
    except psycopg.Error as error:
        if not broken(error, connection):
            raise


def client(function, *arguments):
    def run():
        try:
            function(*arguments)
        except psycopg.OperationalError as error:
            # the connection could not be made or broke before the first transaction
            if error.sqlstate and not error.sqlstate.startswith(("57P", "08")):
                failures.append(error)
        except Exception as error:
            failures.append(error)
    thread = threading.Thread(target=run)
    thread.start()
    return thread


threads = [client(lambda n: Producer(n).run(), n) for n in range(options.producers)]
threads += [client(consume, n) for n in range(options.consumers)]
threads.append(client(keep_ring))
for thread in threads:
    thread.join()
history.close()
for failure in failures:
    print(f"{type(failure).__name__}: {getattr(failure, 'sqlstate', '')} {failure}", file=sys.stderr)
sys.exit(1 if failures else 0)
