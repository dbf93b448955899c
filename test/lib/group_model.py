#!/usr/bin/env python3
"""A random model of consumer groups: several sessions do what clients do, in random order, and a twin knows what is right.

One process steps a few connections, one statement at a time, so a seed gives the same interleaving again (but for what
the worker does by the clock, and which partition a call begins with). Nothing waits for locks here: whatever does is a
finding.

A run is a row of rounds. Each has topics, groups and members of its own, and its seed is the run's and its number, so
that EVENTLOG_MODEL_SEED=7.31 does round 31 of seed 7 alone. At its end all is consumed.

  eo     exactly once: what a transaction is given goes into the table "work", with a unique key, in the same transaction
         that commits the offsets
  alo    at least once: in autocommit too, offsets are committed later; nothing below a committed offset is unseen
  claim  claim(), and now and then a member that should not be there

After each COMMIT committed offsets and lags in eventlog_lag are compared with the twin's; what was given is checked when
it comes, and so is each error (model_calls.py). At the end of a round each event is in "work" once, or was passed over on
purpose.

A finding prints the seed, the step, what the transaction did and what came before, and exit is 1.
"""
import collections
import os
import random
import signal
import time

import psycopg  # noqa: F401 (says what is missing)

import model_run
from model_acts import options_json
from model_calls import Outcome
from model_db import Connection, Finding, Lost, literal
from model_steps import Steps
from model_twin import Group, Options, Topic, World

SET_UP = """
CREATE TABLE IF NOT EXISTS work (group_name text, topic text, partition int, event_offset bigint,
    PRIMARY KEY (group_name, topic, partition, event_offset));
CREATE OR REPLACE FUNCTION attempt(statement text, fails boolean) RETURNS TABLE (state text, a text, b text, c text) LANGUAGE plpgsql AS $$
BEGIN
    BEGIN
        IF statement LIKE '%event_offset%' THEN
            FOR a, b, c IN EXECUTE statement LOOP
                RETURN NEXT;
            END LOOP;
        ELSE
            FOR a IN EXECUTE statement LOOP
                RETURN NEXT;
            END LOOP;
        END IF;
        IF fails THEN
            PERFORM 1 / 0;
        END IF;
        state := 'ok'; a := NULL;
    EXCEPTION WHEN OTHERS THEN
        state := SQLSTATE; a := SQLERRM;
    END;
    RETURN NEXT;
END $$;
"""


class Model(Steps):
    def __init__(self, options):
        self.options = options
        self.trace = open(options.trace, "w") if options.trace else None
        self.seed, self.step, self.where, self.current = "", 0, "", None
        admin = Connection(options.conninfo, "admin", self.trace)
        admin.open()
        super().__init__(World(), random.Random(), collections.Counter(), collections.deque(maxlen=60), admin, options.without)
        self.admin.run(SET_UP)

    # connections

    def connect(self, number):
        conn = Connection(self.options.conninfo, f"c{number}", self.trace)
        conn.tx, conn.number, conn.suspect_until = None, number, 0
        conn.open()
        return conn

    def await_end(self, pid):
        deadline = time.monotonic() + 20
        while self.admin.value(f"SELECT count(*) FROM pg_stat_activity WHERE pid = {pid}") != "0":
            if time.monotonic() > deadline:
                raise Finding(f"process {pid} does not end")
            time.sleep(0.002)

    def gone(self, conn, again=True):
        """The session has ended; its members with it."""
        if conn.tx is not None:
            self.world.abort(conn.tx)
        for group in self.world.groups.values():
            member = group.sessions.get(conn)
            if member is not None:
                self.world.leave(member)
        conn.close()
        if again:
            conn.open()

    def terminate(self, conn):
        self.note(conn, "pg_terminate_backend()")
        self.admin.ask(f"SELECT pg_terminate_backend({conn.pid})")
        self.await_end(conn.pid)
        self.counts["terminate", ""] += 1
        self.gone(conn)

    def cut(self, conn):
        self.note(conn, "the client is gone")
        pid = conn.pid
        conn.close()
        self.await_end(pid)
        self.counts["cut", ""] += 1
        self.gone(conn)

    def crash(self, conn):
        """kill -9 of one backend: the server starts again, and its memory of groups is empty."""
        self.note(conn, "kill -9")
        os.kill(conn.pid, signal.SIGKILL)
        for other in [*self.world.conns, self.admin]:
            try:
                while True:
                    other.run("SELECT 1")
            except Lost:
                pass
        self.admin.close()
        self.admin.open()
        for other in self.world.conns:
            self.gone(other, again=False)
        for other in self.world.conns:
            other.open()
        for group in self.world.groups.values():
            for member in list(group.named.values()):
                self.world.leave(member)
        self.counts["crash", ""] += 1

    def lost(self, conn, error):
        """The connection went away by itself. That is right only for who has held partitions for too long."""
        tx = conn.tx
        held = tx is not None and any(
            time.monotonic() - since >= group.options.limit for (group, _), (since, _) in tx.locks.items())
        hazy = tx is not None and any(group.options.limit < 5 for group in tx.hazy)
        self.note(conn, f"lost: {error}")
        if not (self.world.terminates and (held or hazy or time.monotonic() < conn.suspect_until)):
            raise Finding(f"{conn} has lost its connection: {error}")
        self.await_end(conn.pid)        # the others have not
        self.counts["stuck", ""] += 1
        self.gone(conn)

    # rounds

    def round(self, number):
        rng, world = self.rng, self.world
        self.seed = f"{self.options.seed}.{number}"
        rng.seed(self.seed)
        self.recent.clear()
        self.sought = None
        world.terminates = rng.random() < 0.5
        naps = rng.randrange(1, 3) if number % 4 == 1 else 0
        crashes = number % 45 == 12
        self.admin.ask(f"ALTER SYSTEM SET eventlog.terminate_stuck_consumers = {'on' if world.terminates else 'off'}")
        self.admin.ask("SELECT pg_reload_conf()")
        self.make_topics(number)
        self.make_groups(number)
        world.conns = [self.connect(n) for n in range(rng.randrange(3, 7))]
        length = rng.randrange(600, 2400)
        events = {rng.randrange(100, length): "nap" for _ in range(naps)}
        if crashes:
            events[rng.randrange(100, length)] = "crash"
        for self.step in range(length):
            self.where = f"seed {self.seed} step {self.step}"
            if events.get(self.step) == "nap":
                self.nap()
            elif events.get(self.step) == "crash":
                self.crash(rng.choice(world.conns))
            self.safely(rng.choice(world.conns), self.one)
        self.end_round()
        self.counts["rounds", ""] += 1

    def make_topics(self, number):
        self.world.topics = {}
        for letter, partitions in (("a", self.rng.randrange(1, 4)), ("b", self.rng.randrange(1, 4)), ("solo", 1)):
            name = f"t{number}{letter}"
            self.admin.ask(f"SELECT create_topic('{name}', {partitions}, value_type => 'text')")
            self.world.topics[name] = Topic(name, partitions)

    def make_groups(self, number):
        rng = self.rng
        self.world.groups = {}

        def add(name, kind, options):
            group = Group(name, kind, options)
            group.checked = {}
            self.world.groups[name] = group
            if options.made:
                self.admin.ask(f"SELECT create_group('{name}', {literal(options_json(options))})")

        def lost():
            return rng.choice(("error", "earliest"))

        add("eo_made", "eo", Options(True, "earliest", lost(), 300))
        add("eo_latest", "eo", Options(True, "latest", lost(), 300))
        add(f"eo_free{number}", "eo", Options(False, "earliest", "error", 300))
        add("eo_short", "eo", Options(True, rng.choice(("earliest", "latest")), "error", 1))
        add("alo", "alo", Options(rng.random() < 0.5, "earliest", "error", 300))
        add("alo_short", "alo", Options(True, "earliest", "error", 1))
        add("claim", "claim", Options(True, "earliest", lost(), 300))
        add("claim_latest", "claim", Options(True, "latest", "error", 300))
        self.hot = rng.sample(sorted(self.world.groups), 3)

    def safely(self, conn, what):
        self.current = conn
        try:
            what(conn)
        except Lost as error:
            self.lost(conn, error)
        if conn.tx is not None and conn.tx.auto:
            raise AssertionError("a statement's own transaction is open")

    def nap(self):
        """Some connections are silent for longer than max_poll_interval allows; the others go on."""
        awake = [conn for conn in self.world.conns if self.rng.random() < 0.4]
        self.counts["nap", ""] += 1
        self.recent.append(f"nap of all but {awake}")
        for _ in range(13):
            time.sleep(0.1)
            for _ in range(4):
                if awake:
                    self.safely(self.rng.choice(awake), self.one)

    # the end of a round

    def end_round(self):
        world = self.world
        for conn in world.conns:
            while conn.tx is not None:
                self.safely(conn, lambda conn: self.rollback(conn) if conn.tx.failed or conn.tx.spoiled else self.finish(conn))
        self.check_lag()
        self.check_sums()
        for conn in world.conns:
            try:
                conn.ask("DISCARD ALL")
            except Lost as error:
                self.lost(conn, error)
            for group in world.groups.values():
                if conn in group.sessions:
                    world.leave(group.sessions[conn])
        for group in world.groups.values():
            for who, member in list(group.named.items()):
                self.admin.run(f"SELECT leave_group('{group}', '{who}')")
                world.leave(member)
        self.check_lag()
        for group in world.groups.values():
            self.drain(group)
        self.check_lag()
        self.check_work()
        for conn in world.conns:
            conn.close()
        for group in world.groups.values():
            if group.options.made:
                self.admin.ask(f"SELECT drop_group('{group}')")
        for topic in world.topics:
            self.admin.ask(f"SELECT drop_topic('{topic}')")
        self.admin.ask("TRUNCATE work")

    def drain(self, group):
        """All that is left is consumed, and that is what the twin says is left."""
        conn = self.world.conns[0]
        who = "claim" if group.kind == "claim" else "s"
        for topic in sorted(self.world.topics):
            for attempt in range(1000):
                self.begin(conn)
                if who == "claim":
                    outcome = self.claim(conn, group, topic, 100, True, "plain")
                else:
                    outcome = self.consume(conn, group, who, topic, 100, True, True, "plain")
                if outcome.state == "EL004":
                    self.begin(conn)
                    self.reset_group(conn, group, topic, "earliest")
                    self.finish_auto(conn, Outcome(None, [], False, ""))
                elif not outcome.rows:
                    break
            for key in self.world.keys(topic):
                log = self.world.log(key)
                committed = group.committed.get(key)
                if log.offsets and committed is None and log.latest() > log.start and not group.marks.get(topic) or \
                        committed is not None and committed < log.latest():
                    raise Finding(f"{group}/{key} is not consumed to its end: committed {committed}, the end is {log.latest()}")
        if who == "s" and conn in group.sessions:
            conn.ask(f"SELECT leave_group('{group}')")
            self.world.leave(group.sessions[conn])


    def report(self, error):
        print(f"FINDING seed {self.seed} step {self.step}: {error}")
        print("what came before:")
        for line in list(self.recent)[-25:]:
            print(f"  {line}")
        for conn in self.world.conns:
            if conn.tx is not None and conn.tx.history and (f"{conn}:" in str(error) or conn is self.current):
                print(f"the transaction of {conn} ({conn.tx.level}):")
                for line in conn.tx.history:
                    print(f"  {line}")


def main():
    parser = model_run.arguments()
    parser.add_argument("--without", default=(), type=lambda text: text.split(","), help="acts to be left out, as leave,fence")
    model_run.run(parser, Model)


if __name__ == "__main__":
    main()
