#!/usr/bin/env python3
"""Every loop of docs/examples is killed once in the middle of its work, started again, and must have done what its
label promises; and docs/guide.md shows those very loops.

Usage: check.py guide [--write]      (--write: puts the loops into docs/guide.md)
       check.py LANGUAGE LOOP... -- COMMAND...      (LOOP is appended to COMMAND; needs PG* variables)
"""
import os
import re
import signal
import subprocess
import sys
import textwrap
import time

import psycopg
from psycopg.types.json import Jsonb

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
EVENTS = 60
HELD = 24                   # while this event is worked on the program is killed: the fifth of the third ten
GATE = 4711                 # the advisory lock that holds it there
IN_DATABASE = ("at-most-once", "at-least-once", "exactly-once", "claim", "retry")
LOOPS = {"sql/consumer.sql": IN_DATABASE,
         **dict.fromkeys(("python/consumer.py", "node/consumer.js", "go/consumer.go", "java/Consumer.java"),
                         (*IN_DATABASE, "pool", "loop"))}
failed = 0


def check(good, what, detail=""):
    global failed
    print(("ok - " if good else "not ok - ") + what, flush=True)
    if not good:
        failed += 1
        print("#", detail, flush=True)


# --- docs/guide.md ----------------------------------------------------------------------------------------

def region(path, name):
    text = open(os.path.join(ROOT, path), encoding="utf-8").read()
    found = re.search(rf"^[ ]*(?:#|//|--) \[{name}\]\n(.*?)^[ ]*(?:#|//|--) \[/{name}\]$", text, re.S | re.M)
    return textwrap.dedent(found.group(1)).strip() if found else None


BLOCK = re.compile(r"(^<!-- (docs/examples/\S+) (\S+) -->\n+```\w*\n)(.*?)(^```$)", re.S | re.M)


def write_guide():
    path = os.path.join(ROOT, "docs/guide.md")
    text = open(path, encoding="utf-8").read()
    text = BLOCK.sub(lambda m: m[1] + region(m[2], m[3]) + "\n" + m[5], text)
    open(path, "w", encoding="utf-8").write(text)


def check_guide():
    text = open(os.path.join(ROOT, "docs/guide.md"), encoding="utf-8").read()
    shown = set()
    for _, path, name, block, _ in BLOCK.findall(text):
        shown.add((path, name))
        check(region(path, name) == block.strip(), f"guide: {name} of {path} is what is tested")
    for path, loops in LOOPS.items():
        missing = [name for name in loops if ("docs/examples/" + path, name) not in shown]
        check(not missing, f"guide: shows the loops of {path}", missing)


# --- the loops --------------------------------------------------------------------------------------------

SETUP = """
DROP TABLE IF EXISTS worked, orders, orders_retry, orders_retry_dlq;
DROP FUNCTION IF EXISTS hold();
DROP SEQUENCE IF EXISTS tries;
CREATE SEQUENCE tries;
CREATE TABLE worked (partition int, event_offset bigint, key text, value jsonb, at timestamptz DEFAULT clock_timestamp());
CREATE FUNCTION hold() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.value->>'fail' = 'always' OR (NEW.value->>'fail' = 'once' AND nextval('tries') = 1) THEN
        RAISE 'no work without order';
    END IF;
    IF (NEW.value->>'id')::int = %d THEN
        PERFORM pg_advisory_xact_lock_shared(%d);
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER hold BEFORE INSERT ON worked FOR EACH ROW EXECUTE FUNCTION hold();
SELECT create_topic('orders', 1, 'text', 'json');
SELECT create_topic('orders_retry', 1, 'text', 'json');
""" % (HELD, GATE)


def wait_until(condition, what, seconds=60):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        result = condition()
        if result:
            return result
        time.sleep(0.02)
    raise TimeoutError(what)


def one(query, *parameters):
    return admin.execute(query, parameters).fetchone()[0]


def set_up(values):
    admin.execute(SETUP)
    with admin.transaction():
        for value in values:
            admin.execute("SELECT produce('orders', %s, %s)", (f"k{value['id']}", Jsonb(value)))


def kill_once(command):
    """Starts it, kills it while it works on the held event, and starts it again."""
    with psycopg.connect(autocommit=True) as gate:
        gate.execute("SELECT pg_advisory_lock(%s)", (GATE,))
        program = subprocess.Popen(command)
        blocked = "SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND objid = %s AND NOT granted"
        backend = wait_until(lambda: (admin.execute(blocked, (GATE,)).fetchone() or [None])[0], "it does not begin")
        program.kill()
        program.wait()
        # the server does not look at a connection whose statement is waiting: end it before the gate opens
        admin.execute("SELECT pg_terminate_backend(%s)", (backend,))
        wait_until(lambda: one("SELECT count(*) FROM pg_stat_activity WHERE pid = %s", backend) == 0, "its backend stays")
    return subprocess.Popen(command)


def finish(program, language, loop):
    program.send_signal(signal.SIGTERM)
    try:
        program.wait(20)
    except subprocess.TimeoutExpired:
        program.kill()
        program.wait()
        check(False, f"{language}: {loop}: ends on SIGTERM")
    # a session's member goes with it; one by name stays until it says so or is missed
    admin.execute("SELECT leave_group(group_name, member) FROM eventlog_members WHERE kind = 'named'")
    wait_until(lambda: one("SELECT count(*) FROM eventlog_members") == 0, "its members stay")


PROMISE = {
    # loop: (events not worked on, events worked on twice)
    "at-most-once": (list(range(HELD, 30)), []),
    "at-least-once": ([], list(range(20, HELD))),
}


def run_loop(language, loop, command):
    set_up([{"id": i} for i in range(EVENTS)])
    program = kill_once(command + loop.split())
    try:
        wait_until(lambda: one("SELECT max(event_offset) FROM worked") == EVENTS - 1
                   and one("SELECT sum(lag) FROM eventlog_lag WHERE group_name = 'billing'") == 0, "it does not finish")
    finally:
        finish(program, language, loop)
    rows = admin.execute("SELECT event_offset, count(*) FROM worked GROUP BY 1 ORDER BY 1").fetchall()
    times = dict(rows)
    lost = [i for i in range(EVENTS) if i not in times]
    twice = [i for i, n in rows if n == 2]
    more = [i for i, n in rows if n > 2]
    promise = PROMISE.get(loop, ([], []))
    check((lost, twice, more) == (*promise, []),
          f"{language}: {loop}: killed at event {HELD}: " + (f"exactly {promise[0][0]} to {promise[0][-1]} are lost" if promise[0] else
                                                            f"exactly {promise[1][0]} to {promise[1][-1]} come twice" if promise[1] else
                                                            "each event once"),
          f"lost {lost}, twice {twice}, more often {more}")


def run_retry(language, command):
    set_up([{"id": i, **({5: {"fail": "always"}, 7: {"fail": "once"}}.get(i, {}))} for i in range(EVENTS)])
    program = kill_once(command + ["retry"])
    try:
        wait_until(lambda: one("SELECT to_regclass('orders_retry_dlq') IS NOT NULL")
                   and one("SELECT coalesce(sum(lag), 0) FROM eventlog_lag WHERE group_name LIKE 'billing%%'") == 0
                   and one("SELECT count(*) FROM worked") >= EVENTS - 1, "it does not finish")
    finally:
        finish(program, language, "retry")
    ids = [i for (i,) in admin.execute("SELECT (value->>'id')::int FROM worked ORDER BY 1")]
    check(ids == [i for i in range(EVENTS) if i != 5], f"{language}: retry: each event once, but the one that cannot be worked on", ids)
    early = one("SELECT count(*) FROM worked w, read_topic('orders_retry') r"
                " WHERE w.value->>'id' = r.value->>'id' AND w.at < r.event_time + interval '2 seconds'")
    check(early == 0 and one("SELECT count(*) FROM worked WHERE value->>'fail' = 'once'") == 1,
          f"{language}: retry: the second attempt is not made before its time", early)
    letters = admin.execute("SELECT convert_from(value, 'UTF8')::json->>'id', headers->>'attempt', headers->>'__connect.errors.topic',"
                            " headers->>'__connect.errors.exception.message' ~ 'no work' FROM orders_retry_dlq").fetchall()
    check(letters == [("5", "3", "orders_retry", True)], f"{language}: dead letter: after three attempts, with its headers", letters)


if sys.argv[1:] == ["guide", "--write"]:
    write_guide()
elif sys.argv[1] == "guide":
    check_guide()
else:
    admin = psycopg.connect(autocommit=True)
    split = sys.argv.index("--")
    for name in sys.argv[2:split]:
        try:
            if name == "retry":
                run_retry(sys.argv[1], sys.argv[split + 1:])
            else:
                run_loop(sys.argv[1], name, sys.argv[split + 1:])
        except TimeoutError as error:
            check(False, f"{sys.argv[1]}: {name}", error)
sys.exit(failed > 0)
