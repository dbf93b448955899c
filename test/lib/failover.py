"""Ten clients that a failover hits, each a process that runs the loop of docs/examples/python/consumer.py; needs psycopg 3.

Three producers write a row of "twin" and an event in one transaction. Two session members, two members by name and two
claims work the events of the topic "orders" into the table "worked", each kind in a group of its own. One waits for the
topic "bell" for up to a minute at a time.

Each has a log of JSON lines in the folder, one for each transaction that was acknowledged, with the server's port, the time
(CLOCK_MONOTONIC) and for producers the id; what the loop says goes into NAME.err. The parent prints "done N", how many
transactions there were, 0 until each client had one, until there is a line on standard input. Then it ends the producers,
waits until all is worked, and ends the rest.
"""
import argparse
import importlib.util
import os
import select
import signal
import sys
import time
import traceback

import psycopg

from crew import Log, end_with_parent

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
spec = importlib.util.spec_from_file_location("consumer", os.path.join(ROOT, "docs/examples/python/consumer.py"))
guide = importlib.util.module_from_spec(spec)
spec.loader.exec_module(guide)


def producer(log, name):
    n = 0

    def step(connection):
        nonlocal n
        n += 1
        one = f"{name}.{n}"
        with connection.transaction():
            connection.execute("INSERT INTO twin VALUES (%s)", (one,))
            connection.execute("SELECT produce('orders', %(id)s, to_jsonb(%(id)s::text))", {"id": one})
            if n % 10 == 0:
                connection.execute("SELECT produce('bell', NULL, to_jsonb(%s::text))", (one,))
        log("acknowledged", id=one, port=connection.info.port, t=time.monotonic())
        time.sleep(0.005)
        return 1

    guide.loop(step)


def worker(group, read, commit, wait):
    """A client that works what it reads, by SQL in which %(name)s is its name."""
    def client(log, name):
        def step(connection):
            with connection.transaction():
                n = connection.execute("INSERT INTO worked SELECT %(group)s, value #>> '{}' FROM " + read,
                                       {"group": group, "name": name}).rowcount
                if n and commit:
                    connection.execute(commit, {"name": name})
            if n:
                log("worked", events=n, port=connection.info.port, t=time.monotonic())
            return n

        guide.loop(step, wait.replace("%(name)s", f"'{name}'"))
    return client


session = worker("session", "consume('session', 'orders')", "SELECT commit('session')", "CALL wait_for_events('session', '1 s')")
named = worker("named", "consume('named', 'orders', member => %(name)s)", "SELECT commit('named', %(name)s)",
               "CALL wait_for_events('named', '1 s', %(name)s)")
claim = worker("claims", "claim('claims', 'orders')", None, "CALL wait_for_events('claims', '1 s')")
waiter = worker("waiter", "consume('waiter', 'bell')", "SELECT commit('waiter')", "CALL wait_for_events('waiter', '60 s')")
CLIENTS = {"producer1": producer, "producer2": producer, "producer3": producer, "session1": session, "session2": session,
           "named1": named, "named2": named, "claim1": claim, "claim2": claim, "waiter": waiter}


def start(options, name, body):
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            end_with_parent(signal.SIGKILL)
            os.dup2(os.open(f"{options.folder}/{name}.err", os.O_WRONLY | os.O_CREAT, 0o600), 2)
            signal.signal(signal.SIGTERM, guide.stop)
            body(Log(options.folder, name), f"{options.prefix}{name}" if body is producer else name)
            status = 0
        except BaseException:
            traceback.print_exc()
        finally:
            sys.stderr.flush()
            os._exit(status)
    return pid


def transactions(folder):
    logs = [f"{folder}/{name}.log" for name in CLIENTS]
    counts = [sum(1 for _ in open(log, encoding="utf-8")) if os.path.exists(log) else 0 for log in logs]
    return sum(counts) if all(counts) else 0


def ended(pids, name):
    """Waits for the client; did it end well?"""
    status = os.waitpid(pids.pop(name), 0)[1]
    if status not in (0, signal.SIGKILL):
        print(f"{name} ended with {status}", file=sys.stderr)
    return status in (0, signal.SIGKILL)


def drained(conninfo):
    with psycopg.connect(conninfo) as connection:
        return connection.execute("SELECT coalesce(sum(lag), 0) = 0 FROM eventlog_lag").fetchone()[0]


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--conninfo", required=True, help="of all servers")
    parser.add_argument("--folder", required=True, help="for the logs; empty")
    parser.add_argument("--prefix", required=True, help="of ids, never used before")
    options = parser.parse_args()
    # what the loops connect by
    variables = {option.keyword.decode(): option.envvar.decode() for option in psycopg.pq.Conninfo.get_defaults() if option.envvar}
    os.environ.update((variables[key], value) for key, value in psycopg.conninfo.conninfo_to_dict(options.conninfo).items())
    end_with_parent(signal.SIGTERM)
    pids = {name: start(options, name, body) for name, body in CLIENTS.items()}
    good = True
    try:
        while not select.select([sys.stdin], [], [], 0.1)[0]:
            print("done", transactions(options.folder), flush=True)
            died = [name for name, pid in pids.items() if os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)]
            if died:
                print("ended by themselves:", *died, file=sys.stderr)
                return 1
        for name in [name for name in pids if name.startswith("producer")]:
            os.kill(pids[name], signal.SIGTERM)
            good &= ended(pids, name)
        end = time.monotonic() + 60
        while not drained(options.conninfo):
            if time.monotonic() > end:
                print("for a minute there is something left to do", file=sys.stderr)
                return 1
            time.sleep(0.1)
        for name in list(pids):
            os.kill(pids[name], signal.SIGKILL if name == "waiter" else signal.SIGTERM)     # it waits for a minute
            good &= ended(pids, name)
    finally:
        for pid in pids.values():
            os.kill(pid, signal.SIGKILL)
    return 0 if good else 1


sys.exit(main())
