#!/usr/bin/env python3
"""Producers and 20 consumers of one group, all through PgBouncer in transaction mode; needs psycopg 3.

  members   each with a name; consume(), the work, commit() in one transaction
  claimers  claim() and the work in one transaction

Who finds nothing waits: see wait(). All reconnect when PgBouncer is started again. What a producer was not answered it produces
again under the same batch number, which the table "produced" refuses if it was there. Prints what they met, and what the
pool looked like. 034_pgbouncer.pl creates the tables, restarts PgBouncer and judges the outcome.
"""
import argparse
import collections
import sys
import threading
import time

import psycopg

parser = argparse.ArgumentParser()
parser.add_argument("kind", choices=("members", "claimers"))
parser.add_argument("--server", required=True, help="how to reach the server itself")
parser.add_argument("--pool", required=True, help="how to reach it through PgBouncer")
parser.add_argument("--console", required=True, help="PgBouncer's console")
parser.add_argument("--events", type=int, default=100000)
parser.add_argument("--consumers", type=int, default=20)
parser.add_argument("--producers", type=int, default=4)
options = parser.parse_args()

BATCH = 50          # events of a producer's transaction
RETRY = {"40001", "40P01", "40L01", "55006"}
WORK = "INSERT INTO processed SELECT key, partition, event_offset, %s, pg_backend_pid() FROM "

met = collections.Counter()
failures = []
finished = threading.Event()
lock = threading.Lock()


def through_the_pool(name, step):
    """Calls step(connection) until it says that it is done, starting over after whatever breaks."""
    connection = None
    while not failures:
        try:
            if connection is None or connection.broken:
                # the pool gives each transaction another server connection: nothing may be prepared on one
                connection = psycopg.connect(options.pool, autocommit=True, prepare_threshold=None, application_name=name)
            if step(connection):
                connection.close()
                return
        except psycopg.Error as error:
            cut = connection is None or connection.broken
            with lock:
                met["cut" if cut else error.sqlstate] += 1
            if cut:
                time.sleep(0.02)
            elif error.sqlstate in RETRY:
                connection.execute("ROLLBACK")
                time.sleep(0.005)
            else:
                raise


def wait(connection, call, arguments):
    """
    A call that waits keeps one of the pool's few server connections to itself, so that a few waiters stop everybody. So it
    waits for a moment only, and then here, where it costs nothing.
    """
    if not connection.execute(call, arguments).fetchone()[0]:
        time.sleep(0.05)


def member(name):
    def step(connection):
        connection.execute("BEGIN")
        got = connection.execute(WORK + "consume('members', 't', member => %s)", (name, name)).rowcount
        if got:
            connection.execute("SELECT commit('members', %s)", (name,))
        connection.execute("COMMIT")
        if got == 0:
            wait(connection, "CALL wait_for_events('members', '20 ms', member => %s)", (name,))
        return finished.is_set()
    through_the_pool(name, step)


def claimer(name):
    def step(connection):
        got = connection.execute(WORK + "claim('claimers', 't')", (name,)).rowcount
        if got == 0:
            wait(connection, "CALL wait_for_events('claimers', '20 ms')", ())
        return finished.is_set()
    through_the_pool(name, step)


def producer(number):
    batches = iter(range(number, options.events // BATCH, options.producers))
    batch = next(batches)

    def step(connection):
        nonlocal batch
        keys = [str(batch * BATCH + i) for i in range(BATCH)]
        try:
            connection.execute("BEGIN")
            connection.execute("INSERT INTO produced SELECT %s, unnest(%s::text[])", (batch, keys))
            if batch % 2:
                connection.execute("SELECT produce_batch('t', %s::text[], %s::text[])", (keys, ["{}"] * BATCH))
            else:
                connection.execute("SELECT count(produce('t', key, '{}')) FROM unnest(%s::text[]) key", (keys,))
            connection.execute("COMMIT")
        except psycopg.errors.UniqueViolation:
            connection.execute("ROLLBACK")
            with lock:
                met["produced already"] += 1
        batch = next(batches, None)
        return batch is None
    through_the_pool(f"producer{number}", step)


def watch():
    """The pool, until everything is consumed; says how far it is."""
    console, most = None, collections.Counter()
    with psycopg.connect(options.server, autocommit=True) as connection:
        while not failures and not finished.is_set():
            print("processed", connection.execute("SELECT count(*) FROM processed").fetchone()[0], flush=True)
            # whether these are the right ones is for others to judge
            if not any(thread.is_alive() for thread in producers) and connection.execute(
                    "SELECT bool_and(committed_offset = log_end_offset) FROM eventlog_lag").fetchone()[0]:
                finished.set()
            try:
                if console is None or console.broken:
                    # the console knows simple queries only, and nothing of transactions
                    console = psycopg.connect(options.console, autocommit=True)
                pools = console.execute("SHOW POOLS")
                columns = [column.name for column in pools.description]
                for pool in (dict(zip(columns, row)) for row in pools):
                    if pool["database"] == "pooled":
                        servers = sum(int(n) for name, n in pool.items() if name.startswith("sv_"))
                        waiting = int(pool["cl_waiting"])
                        most |= collections.Counter(servers=servers, clients=int(pool["cl_active"]) + waiting, waiting=waiting)
            except psycopg.OperationalError:
                pass            # it is being restarted
            time.sleep(0.05)
    for what in ("servers", "clients", "waiting"):
        print("most", what, most[what], flush=True)


def start(function, *arguments):
    def run():
        try:
            function(*arguments)
        except Exception as error:
            failures.append(error)
    thread = threading.Thread(target=run)
    thread.start()
    return thread


began = time.monotonic()
threads = [start(member if options.kind == "members" else claimer, f"m{n}") for n in range(options.consumers)]
producers = [start(producer, n) for n in range(options.producers)]
threads.append(start(watch))
for thread in producers + threads:
    thread.join()
for what, times in sorted(met.items()):
    print("met", what, times)
print(f"took {time.monotonic() - began:.1f}")
for failure in failures:
    print(f"{type(failure).__name__}: {getattr(failure, 'sqlstate', '')} {failure}", file=sys.stderr)
sys.exit(1 if failures else 0)
