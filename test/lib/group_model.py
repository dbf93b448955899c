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
import argparse
import collections
import json
import os
import random
import signal
import sys
import time

import psycopg  # noqa: F401 (says what is missing)

from model_acts import Acts, options_json
from model_calls import Outcome, REFUSED
from model_db import Connection, Finding, Lost, Watchdog, literal
from model_twin import NEVER, Group, Options, Topic, World

LEVELS = ("READ COMMITTED", "READ COMMITTED", "REPEATABLE READ", "SERIALIZABLE")

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


class Model(Acts):
    def __init__(self, options):
        self.options = options
        self.trace = open(options.trace, "w") if options.trace else None
        self.counts = collections.Counter()
        self.steps, self.seed, self.where = 0, "", ""
        admin = Connection(options.conninfo, "admin", self.trace)
        admin.open()
        super().__init__(World(), random.Random(), self.counts, collections.deque(maxlen=60), admin)
        self.admin.run(SET_UP)
        self.last_crash = 0

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

    # checks

    def committed(self, tx):
        """A transaction has committed: what is in the views now?"""
        low = {key: NEVER for key in tx.view.produced}
        for topic, partition, first in tx.view.flushed.values():
            low[topic, partition] = min(first, low.get((topic, partition), NEVER))
        self.world.commit(tx)
        for (topic, partition), first in sorted(low.items()):
            self.look_up(topic, partition, first)
        groups = {group for facts in (tx.view.parts, tx.view.marks, tx.guesses) for group, _ in facts} | tx.view.dropped
        if groups:
            self.check_lag(groups)
            for group, key in tx.view.parts:
                self.check_seen(group, key)

    def check_lag(self, groups=None):
        world = self.world
        rows = self.admin.ask("SELECT group_name, topic::text, partition, committed_offset, lag FROM eventlog_lag")
        shown = collections.defaultdict(dict)
        for name, topic, partition, committed, lag in rows:
            if name in world.groups and topic in world.topics:
                shown[name][topic, int(partition)] = None if committed is None else int(committed), int(lag)
        self.counts["lag", "compared"] += 1
        for group in groups if groups is not None else world.groups.values():
            self.resolve(group, shown[group.name])
            # where it has begun in a topic, there is a row for each partition
            begun = {topic for topic, _ in group.committed} | {topic for topic, marks in group.marks.items() if None not in marks}
            for key in {key for topic in begun for key in world.keys(topic)} | set(shown[group.name]):
                self.check_lag_row(group, key, shown[group.name].get(key))

    def resolve(self, group, shown):
        """What the twin could not know, the view tells: but it has to be one of what is possible."""
        for key, values in group.guess.items():
            value = shown.get(key, (None, 0))[0]
            if value not in values:
                raise Finding(f"{group}/{key}: committed_offset is {value}, possible were {values}")
            if value is None:
                group.committed.pop(key, None)
            else:
                group.committed[key] = value
        group.guess = {}
        for topic, marks in group.marks.items():
            if len(marks) > 1:
                group.marks[topic] = self.resolve_mark(group, topic, marks, shown)

    def resolve_mark(self, group, topic, marks, shown):
        """The lag counts from the start."""
        rows = {key[1]: self.world.log(key).latest() - shown[key][1] for key in self.world.keys(topic)
                if shown.get(key, (0,))[0] is None}

        def fits(mark):
            return {partition: self.start_shown(group, (topic, partition), mark) for partition in rows} == rows

        possible = tuple(mark for mark in marks if fits(mark))
        if not possible:
            raise Finding(f"{group}/{topic}: it starts at {rows}, possible were {marks}")
        return possible

    def start_shown(self, group, key, mark):
        """Where a partition without an offset counts from."""
        log = self.world.log(key)
        if mark is not None:
            return max(mark.get(key[1], 0), log.start)
        has_offsets = any(topic == key[0] for topic, _ in group.committed)
        return log.latest() if group.options.start == "latest" and not has_offsets else log.start

    def check_lag_row(self, group, key, row):
        world, log = self.world, self.world.log(key)
        committed = group.committed.get(key)
        if row is None:
            raise Finding(f"{group}/{key}: eventlog_lag has no row, committed is {committed}")
        if committed is not None:
            starts = {committed}
        else:
            starts = {self.start_shown(group, key, mark) for mark in group.marks.get(key[0], (None,))}
        lags = {max(log.latest() - max(start, log.start), 0) for start in starts}
        if row[0] != committed or row[1] not in lags:
            raise Finding(f"{group}/{key}: eventlog_lag has committed_offset {row[0]} and lag {row[1]}, it should {committed} and {lags}")

    def check_seen(self, group, key):
        """Nothing below a committed offset is unseen."""
        log = self.world.log(key)
        committed = group.committed.get(key, 0)
        low = group.checked.get(key, 0)
        for offset in log.between(min(low, committed), committed):
            if offset not in group.seen[key] and not group.is_skipped(key, offset):
                raise Finding(f"{group}/{key}: {offset} is below the committed offset {committed}, but nobody has seen it")
        group.checked[key] = committed

    # rounds

    def round(self, number):
        rng, world = self.rng, self.world
        self.seed = f"{self.options.seed}.{number}"
        rng.seed(self.seed)
        self.recent.clear()
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

    # one step

    def pick(self, weights):
        acts = [act for act in weights if act not in self.options.without]
        return self.rng.choices(acts, [weights[act] for act in acts])[0]

    def pick_group(self, conn):
        tx, rng = conn.tx, self.rng
        # the twin does not follow what happens to a group beside another's drop_group() or create_group()
        foreign = {group for other in self.world.open(conn) for group in [*other.view.options, *other.ever]}
        if tx is not None and rng.random() < 0.75:
            group = tx.main
        else:
            group = self.world.groups[rng.choice(self.hot if rng.random() < 0.6 else sorted(self.world.groups))]
        return None if group in foreign else group

    def pick_who(self, conn, group):
        rng, tx = self.rng, conn.tx
        if group.kind == "alo":
            return "s" if conn.number % 2 == 0 else f"n{conn.number}"
        if tx is not None and group is tx.main and tx.who is not None and rng.random() < 0.85:
            return tx.who
        who = rng.choice(("s", "w1", "w2"))
        if tx is not None and group is tx.main:
            tx.who = who
        return who

    def pick_topic(self):
        return self.rng.choice(sorted(self.world.topics))

    def one(self, conn):
        self.steps += 1
        if conn.tx is None:
            self.idle(conn)
        elif conn.tx.failed:
            if conn.tx.saves and self.rng.random() < 0.7:
                self.back_to(conn)
            else:
                self.rollback(conn)
        elif conn.tx.spoiled:
            self.rollback(conn)
        elif conn.tx.told:
            # a client would begin again; but is it told once more?
            conn.tx.spoiled = True
            member = min(conn.tx.told, key=lambda member: member.group.name)
            self.commit_all(conn, member.group, member.name or "s", "block")
        else:
            self.inside(conn)

    def idle(self, conn):
        rng = self.rng
        act = self.pick({"begin": 60, "consume": 14, "commit": 6, "join": 1.5, "leave": 1.5, "heartbeat": 2, "produce": 12, "fence": 2,
                         "discard": 0.3, "grow": 0.5, "remove": 0.5, "terminate": 0.3, "cut": 0.3})
        if act == "begin":
            group = self.pick_group(conn)
            if group is not None:
                tx = self.start(conn, rng.choice(LEVELS))
                tx.main, tx.who, tx.ever = group, None, set()
        elif act == "discard":
            conn.ask("DISCARD ALL")
            self.note(conn, "DISCARD ALL")
            self.counts["discard", ""] += 1
            for group in self.world.groups.values():
                if conn in group.sessions:
                    self.world.leave(group.sessions[conn])
        elif act == "grow":
            self.grow()
        elif act == "remove":
            self.remove()
        elif act == "terminate":
            self.terminate(conn)
        elif act == "cut":
            self.cut(conn)
        else:
            self.alone(conn, act)

    def alone(self, conn, act):
        """A statement that is a transaction by itself."""
        group = self.pick_group(conn)
        if group is None or act == "commit" and group.kind != "alo":
            return
        tx = self.begin(conn)
        tx.main, tx.who, tx.ever = None, None, set()
        if act == "produce":
            self.do_produce(conn)
        elif act == "consume":
            self.do_consume(conn, group, into_work=group.kind != "alo", commit=group.kind != "alo")
        elif act == "commit":
            self.commit_all(conn, group, self.pick_who(conn, group), self.style(tx))
        else:
            self.membership(conn, group, act)
        if conn.tx is tx:
            conn.tx = None          # nothing was called

    def inside(self, conn):
        rng, tx = self.rng, conn.tx
        group = self.pick_group(conn)
        if group is None:
            return
        act = self.pick({"consume": 30, "cursor": 4, "commit": 9, "offset": 4, "seek": 2.5, "reset": 0.5, "savepoint": 9, "back": 7,
                         "release": 3, "join": 1.5, "leave": 3, "heartbeat": 1, "fence": 2.5, "produce": 4, "fail": 1, "broken": 1,
                         "drop": 1.2, "finish": 15, "terminate": 0.25, "cut": 0.25})
        if act == "consume":
            self.do_consume(conn, group)
        elif act == "cursor":
            self.do_consume(conn, group, cursor=self.cursor)
        elif act == "commit":
            if group.kind != "claim" or group.everybody():
                who = self.pick_who(conn, group)
                self.commit_all(conn, group, who, self.style(tx), self.pick_token(group, who))
        elif act == "offset":
            self.do_offset(conn, group)
        elif act in ("seek", "reset"):
            self.do_seek(conn, group, act)
        elif act == "savepoint":
            self.savepoint(conn)
        elif act == "back":
            if tx.saves:
                self.back_to(conn)
        elif act == "release":
            if tx.saves:
                self.release(conn)
        elif act == "produce":
            self.do_produce(conn)
        elif act == "fail":
            if tx.saves:
                outcome = self.call(conn, "fail", "SELECT 1 / 0", "plain")
                assert outcome.state == "22012"
        elif act == "broken":
            self.do_broken(conn, group)
        elif act == "drop":
            self.do_drop(conn, group)
        elif act == "finish":
            self.finish(conn)
        elif act == "terminate":
            self.terminate(conn)
        elif act == "cut":
            self.cut(conn)
        else:
            self.membership(conn, group, act)

    def membership(self, conn, group, act):
        rng, tx = self.rng, conn.tx
        if group.kind == "claim" and act != "leave":
            return
        who = self.pick_who(conn, group)
        if act == "fence":
            # of a member that is at work, if there is one
            working = sorted({cons.who for other in self.world.open() for cons in other.standing(group) if cons.who not in ("s", "claim")})
            who = rng.choice(working) if working and rng.random() < 0.8 else rng.choice(("w1", "w2"))
            if group.kind == "alo":
                who = f"n{conn.number}" if conn.number % 2 else None
        if who is None or act == "leave" and group.member(who, conn) is None and rng.random() < 0.8:
            return
        topics = sorted(rng.sample(sorted(self.world.topics), rng.randrange(1, 4)))
        if act in ("join", "fence"):
            self.join_group(conn, group, who, topics, self.style(tx))
        elif act == "leave":
            self.leave_group(conn, group, who, self.style(tx), self.pick_token(group, who))
        else:
            self.heartbeat(conn, group, who, self.style(tx), self.pick_token(group, who))

    def do_consume(self, conn, group, commit=None, into_work=None, cursor=None):
        rng, tx = self.rng, conn.tx
        topic = self.pick_topic() if rng.random() < 0.75 else None
        limit = rng.choice((1, 2, 3, 5, 20))
        style = "plain" if cursor else self.style(tx)
        if into_work is None:
            into_work = group.kind != "alo" and rng.random() < 0.5 and cursor is None
        if group.kind == "claim" and rng.random() < 0.99:
            self.claim(conn, group, topic or self.pick_topic(), limit, into_work, style, cursor)
            return
        who = self.pick_who(conn, group)
        if group.kind == "alo":
            commit = False
        elif commit is None:
            commit = rng.random() < 0.2
        self.consume(conn, group, who, topic, limit, commit, into_work, style, self.pick_token(group, who), cursor)

    def do_offset(self, conn, group):
        """commit() up to an offset that was given, or another."""
        rng, tx = self.rng, conn.tx
        if group.kind != "eo":
            return
        given = [(key, part) for (g, key), part in tx.view.parts.items() if g is group and part.pending and part.who is not None]
        if given and rng.random() < 0.9:
            key, part = rng.choice(given)
            who, upto = part.who, rng.choice(part.pending) + 1
            if rng.random() < 0.1:
                upto = part.position + rng.randrange(1, 5)
        else:
            who = self.pick_who(conn, group)
            member = group.member(who, conn)
            if member is None or not member.last:
                return
            key = rng.choice(sorted(member.last))
            upto = rng.choice(member.last[key][1]) + 1
            if upto <= group.committed.get(key, 0):
                return
        self.commit_offset(conn, group, who, key, upto, self.style(tx), self.pick_token(group, who))

    def do_seek(self, conn, group, act):
        rng, tx = self.rng, conn.tx
        topic = self.pick_topic()
        if tx.snapshot or group.kind == "alo" and rng.random() < 0.8:
            return
        if act == "reset":
            self.reset_group(conn, group, topic, rng.choice(("earliest", "latest")), self.style(tx))
            return
        key = rng.choice(self.world.keys(topic))
        log = self.world.log(key)
        place = self.world.committed(tx, group, key) or 0
        offset = rng.choice((place, max(place - rng.randrange(1, 6), log.start), rng.randrange(log.start, log.end() + 1), log.end() + 3))
        self.seek(conn, group, key, offset, self.style(tx))

    def do_produce(self, conn):
        topic = self.pick_topic()
        partition = self.rng.randrange(len(self.world.topics[topic].logs))
        auto = conn.tx.auto
        self.produce(conn, topic, partition, self.rng.randrange(1, 6), not auto and self.rng.random() < 0.2,
                     "plain" if auto else self.style(conn.tx))

    def do_broken(self, conn, group):
        """A statement that consumes and fails."""
        tx = conn.tx
        if not tx.saves or group.kind == "claim":
            return
        who = self.pick_who(conn, group)
        member = group.member(who, conn)
        if member is None or member.may_be_out():
            return
        self.yield_parts(conn, group, who)
        outcome = self.call(conn, "broken", f"SELECT 1 / (event_offset - event_offset) FROM consume({literal(group.name)}, max_events => 2,"
                                  f" member => {self.as_member(group, who, conn, None)})", "plain")
        tx.hazy.add(group)
        if outcome.state is None:       # nothing came
            for topic in sorted(member.subs):
                self.world.begin_latest(tx, group, topic)
        elif outcome.state not in ("22012", "40001", "40L01", "55006", "EL004"):
            raise Finding(f"{conn}: {outcome.state} {outcome.message}")

    def do_drop(self, conn, group):
        """drop_group(), mostly with create_group() behind it, or the one or the other."""
        rng, tx = self.rng, conn.tx
        if tx.snapshot or tx.standing(group) or any(group in other.hazy or any(g is group for g, _ in other.locks)
                                                     for other in self.world.open(conn)):
            return
        if any(g is group for g, _ in tx.view.parts) and tx.refused:
            return
        options = self.world.options(tx, group)
        tx.ever.add(group)
        if not options.made:
            used = group.committed or group.marks or group.everybody() or any(g is group for g, _ in tx.view.parts)
            start = "earliest" if used else rng.choice(("earliest", "latest"))
            self.create_group(conn, group, Options(True, start, "error", options.limit if options.limit > 5 else 300))
            return
        if group.options.limit < 5 or group.kind == "alo":
            return
        self.drop_group(conn, group)
        if not tx.failed and self.world.options(tx, group).made is False and rng.random() < 0.8:
            self.create_group(conn, group, Options(True, rng.choice(("earliest", "latest")), "error", 300))

    def cursor(self, conn, what, sql):
        """By a cursor, read in two pieces, or not to its end. What it has not been asked for counts as given all the same."""
        rng, tx = self.rng, conn.tx
        undone = rng.random() < 0.3
        piece = rng.choice((1, 2, 4))
        self.note(conn, f"DECLARE CURSOR {sql}")
        answer = conn.run(f"DECLARE cur CURSOR FOR {sql}")
        if answer.state is None and undone:
            conn.ask("SAVEPOINT cur")
        if answer.state is None:
            answer = conn.run(f"FETCH {piece} FROM cur")
        if answer.state is not None:
            if undone:
                conn.ask("ROLLBACK TO cur")
                conn.ask("RELEASE cur")
                conn.ask("CLOSE cur")
            else:
                self.world.fail(tx)
            self.counts["cursor", answer.state] += 1
            self.note(conn, f"-> {answer.state} {answer.message}")
            return Outcome(answer.state, [], False, answer.message)
        rows = answer.rows
        if undone and rng.random() < 0.5:
            conn.ask("ROLLBACK TO cur")
            rows = rows + conn.ask("FETCH ALL FROM cur")        # they are there, but count as not given
            conn.ask("RELEASE cur")
        else:
            rows = rows + conn.ask("FETCH ALL FROM cur")
            if undone:
                conn.ask("ROLLBACK TO cur")
                conn.ask("RELEASE cur")
        conn.ask("CLOSE cur")
        self.counts["cursor", "undone" if undone else "ok"] += 1
        self.note(conn, f"-> {'undone ' if undone else ''}{self.short(rows)}")
        return Outcome(None, rows, undone, "")

    def finish(self, conn):
        """The end of the transaction: all that it has worked on is committed, or nothing."""
        rng, tx = self.rng, conn.tx
        if rng.random() < 0.12:
            self.rollback(conn)
            return
        refused = any(cons in tx.refused for (_, _), part in tx.view.parts.items() for cons in part.cons)
        for (group, _), part in list(tx.view.parts.items()):
            if refused or not part.pending or part.who is None:
                continue
            if group.kind == "alo" or part.who != "s":
                if rng.random() < 0.3 and (group, part.who) not in tx.peeked:
                    tx.peeked.add((group, part.who))
                if (group, part.who) in tx.peeked:
                    continue
            style = "plain" if rng.random() < 0.7 else "block"
            outcome = self.commit_all(conn, group, part.who, style)
            if tx.failed:
                return
            if outcome.state is not None and outcome.state not in REFUSED:
                self.rollback(conn)
            return
        if self.settle(conn) and not tx.failed:
            self.commit(conn)

    # now and then

    def grow(self):
        """A topic gets one more partition, if nobody uses it at the moment."""
        topic = self.world.topics[self.pick_topic()]
        if len(topic.logs) >= 5 or topic.name.endswith("solo"):
            return
        self.admin.ask("SET lock_timeout = '20ms'")
        answer = self.admin.run(f"SELECT alter_topic('{topic.name}', '{{\"partitions\": {len(topic.logs) + 1}}}')")
        self.admin.ask("SET lock_timeout = '5s'")
        self.counts["grow", answer.state or "ok"] += 1
        self.recent.append(f"admin: {topic.name} grows to {len(topic.logs) + 1} -> {answer.state or 'ok'}")
        if answer.state == "55P03":
            return
        if answer.state is not None:
            raise Finding(f"alter_topic(): {answer.state} {answer.message}")
        topic.grow()
        for group in self.world.groups.values():
            group.changes += 1

    def remove(self):
        """Retention: the first events of a partition go, consumed or not."""
        key = self.rng.choice(self.world.keys(self.pick_topic()))
        log = self.world.log(key)
        if log.open or len(log.offsets) < 10 or any(tx.snapshot for tx in self.world.open()):
            return
        low = log.offsets[self.rng.randrange(1, len(log.offsets) // 2)]
        if low <= log.start:
            return
        self.admin.ask(f"SELECT delete_events_before('{key[0]}', {key[1]}, {low})")
        log.start = int(self.admin.value(f"SELECT log_start_offset FROM eventlog_partitions WHERE topic = '{key[0]}'::regclass"
                                         f" AND partition = {key[1]}"))
        self.counts["remove", ""] += 1
        self.recent.append(f"admin: {key} now begins at {log.start}")

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

    def check_sums(self):
        rows = self.admin.ask("SELECT g.group_name, g.lag, s.lag FROM eventlog_groups g JOIN (SELECT group_name, sum(lag) AS lag"
                              " FROM eventlog_lag GROUP BY 1) s USING (group_name) WHERE g.lag IS DISTINCT FROM s.lag")
        if rows:
            raise Finding(f"eventlog_groups.lag differs from the sum of eventlog_lag.lag: {rows}")

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

    def check_work(self):
        """The table: each event once, or passed over on purpose."""
        found = collections.defaultdict(set)
        for name, topic, partition, offset in self.admin.ask("SELECT * FROM work"):
            found[name, (topic, int(partition))].add(int(offset))
        for group in self.world.groups.values():
            for topic in self.world.topics:
                for key in self.world.keys(topic):
                    rows, log = found[group.name, key], self.world.log(key)
                    if group.kind != "alo" and rows != group.done[key]:
                        raise Finding(f"{group}/{key}: not as the twin says: {sorted(rows ^ group.done[key])}")
                    if rows - set(log.offsets):
                        raise Finding(f"{group}/{key}: worked on, but not there: {sorted(rows - set(log.offsets))}")
                    if group.kind != "alo":
                        start = 0 if key in group.committed else min(
                            self.start_shown(group, key, mark) for mark in group.marks.get(topic, (None,)))
                        missing = [offset for offset in log.between(start, NEVER)
                                   if offset not in rows and not group.is_skipped(key, offset)]
                        if missing:
                            raise Finding(f"{group}/{key}: nobody has worked on {missing}")
        self.counts["work", "compared"] += 1

    # all of it

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

    def run(self):
        began = time.monotonic()
        number = self.options.first
        self.step = 0
        Watchdog(lambda: (self.where, self.steps)).start()
        try:
            while True:
                self.round(number)
                number += 1
                if self.options.rounds is not None:
                    if number >= self.options.first + self.options.rounds:
                        break
                elif time.monotonic() - began >= self.options.seconds:
                    break
        except (Finding, Lost) as error:
            self.report(error)
            return 1
        finally:
            elapsed = time.monotonic() - began
            counts = {" ".join(filter(None, key)): count for key, count in sorted(self.counts.items())}
            counts["steps"], counts["seconds"] = self.steps, round(elapsed, 1)
            print("counts", json.dumps(counts, sort_keys=True))
        return 0


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--conninfo", required=True)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--seed", default="")
    parser.add_argument("--rounds", type=int)
    parser.add_argument("--without", default=(), type=lambda text: text.split(","), help="acts to be left out, as leave,fence")
    parser.add_argument("--trace", help="a file for all statements")
    options = parser.parse_args()
    seed, _, first = (options.seed or str(random.randrange(1, 10**6))).partition(".")
    options.seed, options.first = seed, int(first or 1)
    if first and options.rounds is None:
        options.rounds = 1
    print(f"seed {seed}", flush=True)
    sys.exit(Model(options).run())


if __name__ == "__main__":
    main()
