#!/usr/bin/env python3
"""Producers that retry through lossy_proxy.py until each event is there; needs psycopg 3.

Each has a name and counts: produce(), produce_batch(), and produce() beside a row of the table "twin" in one transaction, in
turn. After anything that breaks it connects anew and tries the same sequence again. Prints how often; 085_sql_producers.pl
judges the outcome. Ends when calls were cut off so often, before the server heard of them or behind.
"""
import argparse
import collections
import json
import sys
import threading
import time

import psycopg

parser = argparse.ArgumentParser()
parser.add_argument("--proxy", required=True, help="how to reach the server through the proxy")
parser.add_argument("--cuts", type=int, required=True)
parser.add_argument("--first", type=int, default=1, help="the first sequence")
options = parser.parse_args()

PRODUCERS = 4
lock = threading.Lock()
met = collections.Counter()
failures = []


def event(connection, name, n):
    connection.execute("SELECT produce('t', %s, %s, producer => %s, sequence => %s)", (name, str(n), name, n))


def batch(connection, name, n):
    events = json.dumps([{"key": name, "value": f"{n}"}, {"key": f"{name}.second", "value": f"{n}"}])
    connection.execute("SELECT produce_batch('t', %s, %s, %s)", (events, name, n))


def transaction(connection, name, n):
    connection.execute("BEGIN")
    event(connection, name, n)
    connection.execute("INSERT INTO twin SELECT %s, %s WHERE NOT EXISTS (SELECT FROM twin WHERE name = %s AND n = %s)",
                       (name, n, name, n))
    connection.execute("COMMIT")


def produce(name):
    steps = (event, batch, transaction)
    connection, n = None, options.first
    while met["cut"] < options.cuts and not failures:
        asked = False
        try:
            if connection is None or connection.broken:
                connection = psycopg.connect(options.proxy, autocommit=True, application_name=name)
            asked = True
            steps[n % 3](connection, name, n)
            n += 1
            with lock:
                met["produced"] += 1
        except psycopg.OperationalError:
            if asked:
                with lock:
                    met["cut"] += 1
            else:
                time.sleep(0.02)    # the server is starting
    # the last one is tried until it is answered
    while not failures:
        try:
            if connection is None or connection.broken:
                connection = psycopg.connect(options.proxy, autocommit=True)
            steps[n % 3](connection, name, n)
            break
        except psycopg.OperationalError:
            time.sleep(0.02)
    with lock:
        print("last", name, n, sep="\t")


def run(name):
    try:
        produce(name)
    except Exception as error:
        failures.append(error)


threads = [threading.Thread(target=run, args=(f"p{i}",)) for i in range(PRODUCERS)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
for what, times in sorted(met.items()):
    print(what, times, sep="\t")
for failure in failures:
    print(f"{type(failure).__name__}: {getattr(failure, 'sqlstate', '')} {failure}", file=sys.stderr)
sys.exit(1 if failures else 0)
