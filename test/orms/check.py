#!/usr/bin/env python3
"""An ORM in one schema with topics: what it writes is what SQL finds, and its migrations leave the topics alone.

Usage: check.py NAME COMMAND...

Each step is one run of COMMAND with the step's name appended, as the role "shop" in a copy of the database "orms" (see
schema.sql); what it has done is found out here, without the ORM:

  insert    one entity of the topic
  bulk      fifty in one go
  rollback  an entity, a row and a call of produce(), in a transaction that is rolled back
  together  an entity of the topic and a row of a table, in one transaction
  produce   a row, and produce() by the ORM's way of calling functions, in one transaction
  consume   consume(), a row for each event and commit(), in a transaction that is rolled back, and in one that is committed
  columns   prints the names of the topic's columns as the ORM's reflection finds them
  diff      prints what a migration would change, and makes the change where the ORM does not tell the two apart
  exposed   the same, as a superuser, where the tool is shown the topic: in its search_path, or as the program says
"""
import json
import os
import re
import subprocess
import sys
from collections import Counter

import psycopg

COLUMNS = ["event_offset", "event_time", "headers", "key", "partition", "value"]
name, command = sys.argv[1], sys.argv[2:]
database = "orm_" + name.lower()
events, placed = {}, {}
failed = 0


def check(good, what, detail=""):
    global failed
    print(f"{'ok' if good else 'not ok'} - {name}: {what}", flush=True)
    if not good:
        failed += 1
        lines = str(detail).strip().splitlines()
        print(*(f"# {line[:500]}" for line in lines if len(lines) <= 20 or line in lines[:8] + lines[-8:]), sep="\n", flush=True)


def run(step, role="shop"):
    """Whether the program ended well, and what it has printed."""
    done = subprocess.run([*command, step], env={**os.environ, "PGUSER": role, "PGDATABASE": database}, timeout=300,
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False)
    return done.returncode == 0, done.stdout.strip(), done.stderr.strip()


def rows(query):
    with psycopg.connect(f"dbname={database}") as connection:
        return connection.execute(query).fetchall()


def copy_database():
    with psycopg.connect("", autocommit=True) as connection:
        connection.execute(f"DROP DATABASE IF EXISTS {database}")
        connection.execute(f"CREATE DATABASE {database} TEMPLATE orms")


def schema():
    """All definitions, as pg_dump writes them."""
    dump = subprocess.run(["pg_dump", "--schema-only", database], stdout=subprocess.PIPE, text=True, check=True).stdout
    return [line for line in dump.splitlines() if not line.startswith(("\\restrict", "\\unrestrict"))]


def unequal(source, names, wanted):
    """What is missing in these columns of a table, and what is there besides."""
    wanted, found = Counter(map(repr, wanted)), Counter(map(repr, rows(f"SELECT {names} FROM {source}")))
    return [*(f"{source} lacks {n} x {row}" for row, n in (wanted - found).items()),
            *(f"{source} has {n} x {row} too many" for row, n in (found - wanted).items())]


def topic():
    """What is wrong with the topic."""
    wanted = [(key, {"amount": amount}, {}) for key, amount in events.items()]
    return [problem for source in ("events.orders", "eventlog.read_topic('events.orders')")
            for problem in unequal(source, "key, value, headers", wanted)]


def writes(step, what, new_events=(), new_rows=()):
    """Runs a step, after which these events and rows have come and no others."""
    good, _, errors = run(step)
    events.update(new_events)
    placed.update(new_rows)
    wrong = topic() + unequal("placed_order", "id, amount", placed.items())
    check(good and not wrong, what, "\n".join(wrong + [errors]))


def consumes():
    good, _, errors = run("consume")
    wrong = topic() + unequal("billed_order", "id, amount", events.items())
    lag = rows("SELECT sum(lag) FROM eventlog.eventlog_lag WHERE group_name = 'billing'")
    if lag != [(0,)]:
        wrong.append(f"the group's lag is {lag}")
    check(good and not wrong, "consume(), the work and commit() are one transaction", "\n".join(wrong + [errors]))


def names_topic(printed):
    return re.search(r"\borders(_\w+)?\b", printed)


def migrates():
    before = schema()
    good, printed, errors = run("diff")
    changed = sorted(set(before) ^ set(schema()))
    check(good and not printed and not changed, "a migration changes nothing", "\n".join([printed, *changed, errors]))

    # ... which would mean nothing of a tool that does not look
    with psycopg.connect(f"dbname={database}", autocommit=True) as connection:
        connection.execute("ALTER TABLE placed_order DROP COLUMN amount")
    _, printed, errors = run("diff")
    check("amount" in printed and not names_topic(printed), "a migration sees what did change, and no topic",
          "\n".join([printed, errors]))

    # ... and of a topic that no tool minds
    with psycopg.connect(f"dbname={database}", autocommit=True) as connection:
        connection.execute(f"ALTER DATABASE {database} SET search_path = public, events")
    _, printed, errors = run("exposed", "postgres")
    check(names_topic(printed), "a migration that is shown the topic minds it", "\n".join([printed, errors]))


copy_database()
writes("insert", "one entity", {"single": 1})
writes("bulk", "entities in bulk", {f"bulk-{n}": n for n in range(1, 51)})
writes("rollback", "a transaction that is rolled back leaves no event")
writes("together", "an event and a row in one transaction", {"together": 7}, {"together": 7})
writes("produce", "produce() and a row in one transaction", {"produced": 8}, {"produced": 8})
consumes()
good, printed, errors = run("columns")
check(good and printed and sorted(json.loads(printed)) == COLUMNS, "reflection of the topic", "\n".join([printed, errors]))
migrates()
wrong = topic() + rows("SELECT * FROM eventlog.check_topic('events.orders')")
check(not wrong, "the topic is sound, and has what it had", "\n".join(map(str, wrong)))
sys.exit(failed > 0)
