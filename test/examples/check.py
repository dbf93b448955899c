#!/usr/bin/env python3
"""Every loop of docs/examples is killed in the middle of its work and again at its commit, meets an error that asks for the
transaction to be done again and a lost connection, and must have done what its label promises; and docs/guide.md
shows those very loops, and the one list of errors after which each of them begins again.

Usage: check.py guide [--write]      (--write: puts the loops into docs/guide.md)
       check.py LANGUAGE LOOP... -- COMMAND...

LOOP is appended to COMMAND. LOOP@pooler connects through the PgBouncer in the folder $POOLER. LOOP@read-only is not killed: it
lives through 10 s ($EVENTLOG_READ_ONLY_SECONDS) of sessions that are read-only, as on a standby or on one that was just
promoted, and its role's statement_timeout is shorter than its wait. Needs PG* variables and a database "examples"; each loop
works in a copy of it.
"""
import concurrent.futures
import os
import re
import signal
import subprocess
import sys
import textwrap
import threading
import time

import psycopg

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
EVENTS = 120
BATCH = 10                  # what the loops take at a time
HELD = 24                   # while this event is worked on the program is killed: the fifth of the third ten
AGAIN = 44                  # the first time this one is worked on the answer is 40001
CUT = 64                    # ... and here the server ends the connection
ALWAYS, ONCE = 5, 47        # retry: this event's work always fails, and this one's at the first attempt
DELAY = "2 seconds"         # of the retry topic
GATE = 4711                 # the advisory lock that holds the work
READ_ONLY = float(os.environ.get("EVENTLOG_READ_ONLY_SECONDS") or 10)
BACK = 3                    # seconds until a loop goes on when it can write again
CONNECT = "__connect.errors."
IN_DATABASE = ("at-most-once", "at-least-once", "exactly-once", "claim", "retry")
LOOPS = {"sql/consumer.sql": IN_DATABASE, "sql/consumer.sh": ("loop",), "sql/statements.sql": ("by-hand", "poison"),
         **dict.fromkeys(("python/consumer.py", "node/consumer.js", "go/consumer.go", "java/Consumer.java"),
                         (*IN_DATABASE, "pool", "loop", "again"))}
failed = 0
lock = threading.Lock()


def check(good, what, detail=""):
    global failed
    with lock:
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
AGAIN_LIST = re.compile(r"^The loops begin again after (.*?)\.$", re.S | re.M)
GROUPS = re.compile(r"^## Consume$.*?(?=^## Read without a group$)", re.S | re.M)      # the chapters in which every block is tested


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
        check(region(path, name) == block.strip(), f"guide: {name} of {path} is what is tested",
              "test/examples/check.py guide --write")
    for path, loops in LOOPS.items():
        missing = [name for name in loops if ("docs/examples/" + path, name) not in shown]
        check(not missing, f"guide: shows the loops of {path}", missing)
    listed = set(re.findall(r"`(\w+)`", AGAIN_LIST.search(text)[1]))
    for path in (path for path, loops in LOOPS.items() if "again" in loops):
        codes = region("docs/examples/" + path, "again").split("own")[0]      # before what is the event's own fault
        codes = set(re.findall(r"(?<!\w)(?:\d\w{4}|EL\d{3}|08|53|57P)(?=\.|\W)", codes)) - {"08000"}
        check(codes == listed, f"guide: {path} begins again after what the guide lists", (codes ^ listed))
    others = re.findall(r"^```\w*\n.*?^```$", BLOCK.sub("", GROUPS.search(text)[0]), re.S | re.M)
    check(not others, "guide: on groups shows nothing that is not tested", others)


# --- the loops --------------------------------------------------------------------------------------------

SETUP = f"""
CREATE SEQUENCE again;
CREATE SEQUENCE cut;
CREATE SEQUENCE once;
ALTER TABLE worked ADD at timestamptz DEFAULT clock_timestamp();
CREATE FUNCTION meet() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    id int := NEW.value->>'id';
    fail text := coalesce(NEW.value->>'fail', '');       -- never null: nextval() would be called
BEGIN
    IF fail = 'always' OR fail = 'once' AND nextval('once') = 1 THEN
        RAISE 'no work without order';
    ELSIF id = {HELD} THEN
        PERFORM pg_advisory_xact_lock_shared({GATE});
    ELSIF id = {AGAIN} AND nextval('again') = 1 THEN
        RAISE 'somebody was faster' USING ERRCODE = 'serialization_failure';
    ELSIF id = {CUT} AND nextval('cut') = 1 THEN
        PERFORM pg_terminate_backend(pg_backend_pid()), pg_sleep(60);
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER meet BEFORE INSERT ON worked FOR EACH ROW EXECUTE FUNCTION meet();
"""


SLOW_WORK = """
CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.value ? 'slow' THEN
        PERFORM pg_sleep(60);
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER slow BEFORE INSERT ON worked FOR EACH ROW EXECUTE FUNCTION slow();
"""


def batch(i):
    return range(i - i % BATCH, i - i % BATCH + BATCH)


def begun(i):
    """The events of its batch before this one."""
    return range(i - i % BATCH, i)


def rest(i):
    return range(i, i - i % BATCH + BATCH)


def times(*more):
    """How often each event is worked on: once, but for (events, how often)."""
    result = dict.fromkeys(range(EVENTS), 1)
    for events, n in more:
        result.update(dict.fromkeys(events, n))
    return result


PROMISE = {
    # whoever is interrupted after the commit loses the rest of the batch; killed at the commit it has not begun
    "at-most-once": ("exactly the rest of each interrupted batch is lost, nothing comes twice",
                     times((rest(HELD), 0), (rest(AGAIN), 0), (rest(CUT), 0))),
    # whoever is interrupted before the commit does again what it had done: at HELD, and then all of that batch at its commit
    "at-least-once": ("exactly what was done without its commit comes again, nothing is lost",
                      times((batch(HELD), 2), (begun(HELD), 3), (begun(AGAIN), 2), (begun(CUT), 2))),
}
EXACTLY_ONCE = ("each event once", times())


def wait_until(condition, what, seconds=90):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        result = condition()
        if result:
            return result
        time.sleep(0.02)
    raise TimeoutError(what)


class Run:
    """A loop in a database of its own, with its topic, its work and the events."""

    def __init__(self, language, loop, command):
        self.loop, _, self.through = loop.partition("@")
        self.pooler, self.read_only = self.through == "pooler", self.through == "read-only"
        self.name = f"{language}: {self.loop}" + {"pooler": " through PgBouncer", "read-only": ", read-only for a while"}.get(self.through, "")
        self.command = command
        self.programs = []
        self.database = re.sub(r"\W", "_", f"{language}_{loop}")
        with lock, psycopg.connect(autocommit=True) as connection:       # one at a time: a template must not be in use
            connection.execute(f"DROP DATABASE IF EXISTS {self.database} WITH (FORCE)")
            connection.execute(f"CREATE DATABASE {self.database} TEMPLATE examples")
        self.admin = psycopg.connect(dbname=self.database, autocommit=True)
        host, port = (os.environ["POOLER"], "6432") if self.pooler else (os.environ["PGHOST"], os.environ["PGPORT"])
        self.env = {**os.environ, "PGDATABASE": self.database, "PGHOST": host, "PGPORT": port,
                    # what the drivers need that would prepare statements on a server connection that they may not get again
                    "DATABASE_URL": "default_query_exec_mode=exec" if self.pooler else "",
                    "JDBC_URL": f"jdbc:postgresql://localhost/{self.database}?user={os.environ['PGUSER']}&sslmode=disable"
                                "&socketFactory=org.newsclub.net.unix.AFUNIXSocketFactory$FactoryArg"
                                f"&socketFactoryArg={host}/.s.PGSQL.{port}" + ("&prepareThreshold=0" if self.pooler else "")}
        if self.read_only:      # of two servers the first is not there
            self.env |= {"PGHOST": f"{host},{host}", "PGPORT": f"1,{port}"}

    def one(self, query, *parameters):
        return self.admin.execute(query, parameters).fetchone()[0]

    def set_up(self, fails={}):
        """The events, each with a header, and with a value that no client has in just this spelling."""
        self.admin.execute(SETUP)
        with self.admin.transaction():
            for i in range(EVENTS):
                fail = f', "fail": "{fails[i]}"' if i in fails else ""
                self.admin.execute("SELECT produce('orders', %s, %s, %s)",
                                   (f"k{i}", f'{{"id":{i},  "amount": 9.90, "big": 12345678901234567890{fail}}}', f'{{"trace": "t{i}"}}'))

    def start(self, *arguments):
        """In a process group of its own, with whatever it starts; its messages are kept for when it fails."""
        log = open(os.path.join(os.environ.get("TMPDIR", "/tmp"), f"{self.database}.{os.getpid()}.log"), "a+", encoding="utf-8")
        os.unlink(log.name)
        program = subprocess.Popen([*self.command, *(arguments or self.loop.split())], env=self.env, stderr=log, stdout=log,
                                   start_new_session=True)
        program.log = log
        self.programs.append(program)
        return program

    def end(self, program, how=signal.SIGKILL):
        if program.poll() is None:
            os.killpg(program.pid, how)
        program.wait(20)

    def killed(self, blocked, what):
        """Starts it, kills it when it waits for the lock, and returns when nothing is left of it."""
        program = self.start()
        pid = wait_until(lambda: (self.admin.execute(
            f"SELECT pid FROM pg_locks WHERE NOT granted AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
            f" AND {blocked}").fetchone() or [None])[0], f"it does not get to {what}")
        self.end(program)
        # the server does not look at a connection whose statement is waiting: end it before it can go on
        self.admin.execute("SELECT pg_terminate_backend(%s)", (pid,))
        wait_until(lambda: self.one("SELECT count(*) FROM pg_stat_activity WHERE pid = %s", pid) == 0, "its backend stays")

    def kill_twice(self):
        """Killed while it works on HELD, killed at its next commit, and started again."""
        with psycopg.connect(dbname=self.database, autocommit=True) as gate:
            gate.execute("SELECT pg_advisory_lock(%s)", (GATE,))
            self.killed(f"locktype = 'advisory' AND objid = {GATE}", "its work")
        with psycopg.connect(dbname=self.database) as gate:
            gate.execute("LOCK TABLE _eventlog.committed_offsets IN SHARE MODE")
            self.killed("locktype = 'relation' AND mode = 'RowExclusiveLock'", "its commit")
            gate.rollback()
        self.start()

    def goes_on(self):
        for program in self.programs:
            if program.poll() not in (None, -signal.SIGKILL):
                raise TimeoutError(f"it ended with {program.returncode}")
        return True

    def lag(self):
        return self.one("SELECT coalesce(sum(lag), 0) FROM eventlog_lag WHERE group_name LIKE 'billing%%'")

    def finish(self):
        for program in self.programs:
            self.end(program, signal.SIGTERM)
        # a session's member goes with it; one by name stays until it says so or is missed
        self.admin.execute("SELECT leave_group(group_name, member) FROM eventlog_members WHERE kind = 'named'")
        wait_until(lambda: self.one("SELECT count(*) FROM eventlog_members") == 0, "its members stay")

    def run_loop(self):
        self.set_up()
        self.kill_twice()
        wait_until(lambda: self.goes_on() and self.lag() == 0
                   and self.one("SELECT max(event_offset) FROM worked") == EVENTS - 1, "it does not finish")
        self.finish()
        label, promise = PROMISE.get(self.loop, EXACTLY_ONCE)
        got = {i: 0 for i in range(EVENTS)} | dict(self.admin.execute("SELECT event_offset, count(*) FROM worked GROUP BY 1").fetchall())
        check(got == promise, f"{self.name}: {label}",
              "event: times, expected: " + ", ".join(f"{i}: {got[i]}, {promise.get(i)}" for i in sorted(got) if got[i] != promise.get(i)))

    def events(self, first, n):
        self.admin.execute(f"SELECT produce('orders', NULL, to_jsonb(i)) FROM generate_series({first}, {first + n - 1}) i")

    def worked(self):
        return self.one("SELECT count(*) FROM worked")

    def run_read_only(self):
        """It waits longer than it may, meets what a standby says, and goes on; it ends when its work takes longer than it may."""
        self.admin.execute(SLOW_WORK)
        self.admin.execute(f"ALTER DATABASE {self.database} SET statement_timeout = '900ms'")
        self.events(0, 30)
        program = self.start()
        wait_until(lambda: self.goes_on() and self.worked() == 30, "it does not begin")
        time.sleep(2)           # it meets 57014 in its wait
        self.events(30, 30)
        wait_until(lambda: self.goes_on() and self.worked() == 60, "it does not outlive statement_timeout")
        before = self.said(program)
        check("statement timeout" not in before, f"{self.name}: a wait that statement_timeout ends is not an error", before)

        self.admin.execute(f"ALTER DATABASE {self.database} SET default_transaction_read_only = on")
        self.admin.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()")
        self.events(60, 30)
        end = time.monotonic() + READ_ONLY
        while time.monotonic() < end:
            self.goes_on()
            time.sleep(0.1)
        said = self.said(program).count("read-only transaction")
        check(self.worked() == 60 and said >= READ_ONLY / 1.5, f"{self.name}: it tries again, at least each second", said)
        self.admin.execute(f"ALTER DATABASE {self.database} RESET default_transaction_read_only")
        began = time.monotonic()
        wait_until(lambda: self.goes_on() and self.worked() == 90, "it does not come back")
        took = time.monotonic() - began
        check(took < BACK, f"{self.name}: it goes on as soon as it can", f"{took:.1f} s")

        if not self.name.startswith("sql"):     # whose loop is one statement and has no statement_timeout
            self.admin.execute("SELECT produce('orders', NULL, '{\"slow\": true}')")
            wait_until(lambda: program.poll() is not None, "it does not end")
            check(program.returncode not in (0, None), f"{self.name}: work that takes longer than statement_timeout ends it", program.returncode)
        self.finish()
        ids = [i for (i,) in self.admin.execute("SELECT event_offset FROM worked ORDER BY 1")]
        check(ids == list(range(90)), f"{self.name}: each event once", ids)

    def run_retry(self):
        self.set_up({ALWAYS: "always", ONCE: "once"})
        self.kill_twice()
        self.start("retry-later")
        wait_until(lambda: self.goes_on() and self.one("SELECT to_regclass('orders_retry_dlq') IS NOT NULL") and self.lag() == 0
                   and self.one("SELECT count(*) FROM worked") >= EVENTS - 1, "it does not finish")
        self.finish()
        ids = [i for (i,) in self.admin.execute("SELECT (value->>'id')::int FROM worked ORDER BY 1")]
        check(ids == [i for i in range(EVENTS) if i != ALWAYS],
              f"{self.name}: each event once, but the one that cannot be worked on", ids)
        got = self.admin.execute("SELECT r.value->>'id', r.headers->>'attempt', r.headers->>'trace', o.key = r.key AND o.value::text = r.value::text"
                                 " FROM read_topic('orders_retry') r JOIN read_topic('orders') o ON o.value->>'id' = r.value->>'id'"
                                 " ORDER BY r.event_offset").fetchall()
        check(sorted(got) == [(str(ONCE), "2", f"t{ONCE}", True)] + [(str(ALWAYS), n, f"t{ALWAYS}", True) for n in "23"],
              f"{self.name}: what failed, and nothing else, is tried again, with its value and headers as they were", got)
        early = self.one("SELECT count(*) FROM worked w JOIN read_topic('orders_retry') r ON w.value->>'id' = r.value->>'id'"
                         " WHERE w.at < r.event_time + %s::interval", DELAY)
        early += self.one("SELECT count(*) FROM read_topic('orders_retry') a JOIN read_topic('orders_retry') b ON a.value->>'id' = b.value->>'id'"
                          " WHERE a.headers->>'attempt' = '2' AND b.headers->>'attempt' = '3' AND b.event_time < a.event_time + %s::interval", DELAY)
        check(early == 0, f"{self.name}: no attempt is made before its time", early)
        letters = self.admin.execute("SELECT convert_from(l.value, 'UTF8') = o.value::text, l.headers FROM orders_retry_dlq l, read_topic('orders') o"
                                     " WHERE o.event_offset = %s", (ALWAYS,)).fetchall()
        source = self.one("SELECT event_offset FROM read_topic('orders_retry') WHERE headers->>'attempt' = '3'")
        want = {"trace": f"t{ALWAYS}", "attempt": "3", CONNECT + "topic": "orders_retry", CONNECT + "partition": "0",
                CONNECT + "offset": str(source), CONNECT + "connector.name": "billing_retry"}
        message = letters[0][1].pop(CONNECT + "exception.message", "")
        check(letters == [(True, want)] and "no work without order" in message,
              f"{self.name}: after three attempts it is a dead letter, with its bytes, its headers and the error", (letters, message))

    def run_statements(self):
        """What the guide shows to be typed: the offset moves, the bad event is named, set aside and passed."""
        path = os.path.join(ROOT, "docs/examples/sql/statements.sql")
        self.admin.execute("SELECT produce('orders', NULL, '{}')")
        shown = subprocess.run(["psql", "-XAtq", "-f", path], env=self.env, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                               check=True).stdout
        check(self.lag() == 0 and self.one("SELECT count(*) FROM eventlog_lag WHERE group_name = 'billing'") == 1,
              f"{self.name}: by hand: what was consumed is committed", shown)
        says = [line[len("-- "):] for line in region("docs/examples/sql/statements.sql", "poison").splitlines()
                if line.startswith(("-- ERROR", "-- CONTEXT"))]
        check(len(says) == 2 and all(line in shown for line in says), f"{self.name}: poison: the error names the event", (says, shown))
        letters = self.admin.execute("SELECT convert_from(value, 'UTF8'), headers->>'__connect.errors.offset' FROM paints_dlq").fetchall()
        check(letters == [("red", "0")] and shown.splitlines()[-1] == "1|green", f"{self.name}: poison: set aside and passed", (letters, shown))

    def run(self):
        try:
            if self.read_only:
                self.run_read_only()
            else:
                {"retry": self.run_retry, "statements": self.run_statements}.get(self.loop, self.run_loop)()
        except Exception as error:      # whatever it is, this loop did not keep its promise
            check(False, self.name, f"{type(error).__name__}: {error}\n" + "".join(map(self.said, self.programs)))
        finally:
            for program in self.programs:
                self.end(program)
            self.admin.close()

    def said(self, program):
        program.log.seek(0)
        return "".join(f"# {line}" for line in program.log.readlines()[-200:])


if sys.argv[1:] == ["guide", "--write"]:
    write_guide()
elif sys.argv[1] == "guide":
    check_guide()
else:
    split = sys.argv.index("--")
    with concurrent.futures.ThreadPoolExecutor(4) as together:      # they mostly wait
        for done in [together.submit(Run(sys.argv[1], name, sys.argv[split + 1:]).run) for name in sys.argv[2:split]]:
            done.result()
sys.exit(failed > 0)
