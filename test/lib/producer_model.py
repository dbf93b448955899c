#!/usr/bin/env python3
"""Random schedules of idempotent producers, each answer compared with what the log says it has to be.

Four sessions send batches of some producers through _eventlog.broker_append(), in order, again, out of order, with
a new epoch and an old one, several in a call, in transactions and savepoints that are rolled back; the server is killed, the log
start moves, topics are compacted, truncated and rewritten. The twin is a list of all batches that were appended, each with its
transaction. What a producer's next batch has to be answered follows from those that were not rolled back. After a crash,
and where a partition has got a new file, the twin forgets what it knew and reads the log, as the server has to.

Where another session's transaction has written last, the call must wait: lock_timeout ends it.

A finding prints seed, step and what came before, and exit is 1. --seed 7.31 does round 31 of seed 7 alone.
"""
import argparse
import collections
import json
import random
import struct
import subprocess
import sys
import time

import psycopg
import record_batch

MAX = 2**31


def parse(data):
    """(base offset, producer, epoch, first, count) of each batch."""
    at = 0
    while at < len(data):
        base, length = struct.unpack_from(">qi", data, at)
        producer, epoch, first = struct.unpack_from(">qhi", data, at + 43)
        delta, = struct.unpack_from(">i", data, at + 23)
        attributes, = struct.unpack_from(">h", data, at + 21)
        if not attributes & 0x20:
            yield base, producer, epoch, first, delta + 1
        at += 12 + length


class Finding(Exception):
    pass


class Batch:
    def __init__(self, epoch, first, count, base, owner):
        self.epoch, self.first, self.count, self.base, self.owner = epoch, first, count, base, owner
        self.last = (first + count - 1) % MAX


class Session:
    def __init__(self, number):
        self.number, self.db = number, None
        self.saves, self.mine = [], []      # savepoints: what was in mine before; batches of the open transaction
        self.open = False


class Topic:
    def __init__(self, name, kind):
        self.name, self.kind, self.id = name, kind, None


class Model:
    def __init__(self, options):
        self.options, self.rng = options, random.Random()
        self.counts, self.recent = collections.Counter(), collections.deque(maxlen=60)
        self.sessions = [Session(n) for n in range(4)]
        self.ids, self.where, self.steps = [], "", 0

    # connections

    def connect(self):
        end = time.monotonic() + 60
        while True:
            try:
                db = psycopg.connect(self.options.conninfo, autocommit=True)
                db.execute("SET lock_timeout = '30ms'")
                return db
            except psycopg.OperationalError:
                if time.monotonic() > end:
                    raise
                time.sleep(0.05)

    def note(self, text):
        self.recent.append(f"{self.steps}: {text}")

    # what has to be

    def live(self, place, producer):
        return self.log[place].setdefault(producer, [])

    def expect(self, batches, epoch, first, count):
        """What these batches, in the log or about to be, make of the next one: (sqlstate, base offset)."""
        last = (first + count - 1) % MAX
        if not batches:
            return "next", None
        newest = batches[-1]
        if epoch < newest.epoch:
            return "EL008", None
        if epoch > newest.epoch:
            return ("next", None) if first == 0 else ("EL006", None)
        if first == (newest.last + 1) % MAX:
            return "next", None
        epochs = [b for b in batches if b.epoch == epoch]
        chain = []                          # the latest without a gap
        for b in reversed(epochs):
            if chain and (b.last + 1) % MAX != chain[0].first:
                break
            chain.insert(0, b)
        for b in epochs[-5:]:
            if (b.first, b.last) == (first, last):
                return "duplicate", b.base
        behind = (newest.last - last) % MAX
        five = (newest.last - epochs[-5:][0].first) % MAX
        if behind > five and behind + count <= sum(b.count for b in chain):
            return "EL007", None
        return "EL006", None

    # acts

    def begin(self, s):
        s.db.execute("BEGIN")
        s.open, s.mine, s.saves = True, [], []

    def lose(self, gone):
        """These were rolled back."""
        gone = set(map(id, gone))
        for place in self.log:
            for producer in self.log[place]:
                self.log[place][producer] = [b for b in self.log[place][producer] if id(b) not in gone]

    def end(self, s, commit):
        s.db.execute("COMMIT" if commit else "ROLLBACK")
        self.note(f"session {s.number}: {'COMMIT' if commit else 'ROLLBACK'}")
        self.counts["commit" if commit else "rollback"] += 1
        for b in s.mine:
            b.owner = None
        if not commit:
            self.lose(s.mine)
        s.open, s.mine, s.saves = False, [], []

    def choose(self, batches):
        """(kind, epoch, first, count)"""
        rng = self.rng
        count = rng.randint(1, 4)
        if not batches:
            return "begin", 0, rng.choice((0, 0, MAX - 3, rng.randrange(MAX))), count
        newest = batches[-1]
        follow = (newest.last + 1) % MAX
        kind = rng.choices(("follow", "again", "gap", "bump", "old epoch", "late bump", "other length"), (60, 22, 6, 4, 3, 2, 3))[0]
        if kind == "again":
            b = rng.choice(batches[-8:])
            return kind, b.epoch, b.first, b.count
        if kind == "gap":
            return kind, newest.epoch, (follow + rng.choice((-6, -3, -2, -1, 1, 2, 7))) % MAX, count
        if kind == "bump":
            return kind, newest.epoch + 1, 0, count
        if kind == "old epoch" and newest.epoch > 0:
            return kind, newest.epoch - 1, follow, count
        if kind == "late bump":
            return kind, newest.epoch + 1, 1 + rng.randrange(5), count
        if kind == "other length":
            return kind, newest.epoch, newest.first, newest.count + 1
        return "follow", newest.epoch, follow, count

    def send(self, s):
        """One call; what is pipelined or goes to several partitions is in it together."""
        rng = self.rng
        calls, expected, added, blocked = [], [], [], False
        views = {}
        now = int(time.time() * 1000)
        # of a call, batches of one partition count in their order
        for _ in range(rng.choice((1, 1, 1, 2, 3, 5))):
            place, producer = rng.choice(self.places), rng.choice(self.ids[-self.producers:])
            if calls and rng.random() < 0.6:
                place, producer = calls[-1][0], calls[-1][1]
            view = views.setdefault((place, producer), list(self.live(place, producer)))
            blocked |= any(b.owner not in (None, s.number) for b in view)
            kind, epoch, first, count = self.choose(view)
            self.counts[f"sent {kind}"] += 1
            verdict, base = self.expect(view, epoch, first, count)
            batch = Batch(epoch, first, count, None, s.number)
            if verdict == "next":
                view.append(batch)
                added.append((place, producer, batch))
            # a duplicate of one in the same call: its offset is known afterwards
            same = next((b for b in view if b.base is None and (b.epoch, b.first, b.last) == (epoch, first, batch.last)), None)
            calls.append((place, producer, epoch, first, count))
            expected.append((verdict, base, batch if verdict == "next" else same))
        if rng.random() < 0.06 and len(calls) > 1 and not added:
            self.counts["nothing to add"] += 1
        bytes_ = [record_batch.batch([(b"k%d" % rng.randrange(20), b"%d/%d/%d" % (p, e, (f + i) % MAX) + b"x" * rng.choice((5, 300)))
                                      for i in range(c)], at=now, producer=(p, e, f)) for _, p, e, f, c in calls]
        self.note(f"session {s.number}: " + ", ".join(f"{pl[0].name}/{pl[1]} producer {p} epoch {e} {f}+{c}" for pl, p, e, f, c in calls))
        try:
            rows = s.db.execute("SELECT sqlstate, base_offset, message FROM _eventlog.broker_append(%s::uuid[], %s::int[], %s::bytea[])",
                                ([pl[0].id for pl, *_ in calls], [pl[1] for pl, *_ in calls], bytes_)).fetchall()
        except psycopg.errors.LockNotAvailable:
            if not blocked:
                raise Finding("waited for nobody")
            self.counts["waited"] += 1
            self.failed(s)
            return
        if blocked:
            raise Finding("did not wait for the transaction that had written before")
        for (verdict, base, batch), (sqlstate, offset, message), call in zip(expected, rows, calls):
            got = sqlstate or ("next or duplicate")
            self.counts[f"answer {verdict}"] += 1
            if verdict == "next":
                if sqlstate is not None or offset is None:
                    raise Finding(f"{call[1:]}: {got} {message}, should be appended")
                batch.base = offset
            elif verdict == "duplicate":
                want = base if base is not None else batch.base
                if sqlstate is not None or offset != want:
                    raise Finding(f"{call[1:]}: {got} at {offset}, should be a duplicate of {want}")
            elif sqlstate != verdict:
                raise Finding(f"{call[1:]}: {got} at {offset}, should be {verdict}")
        for place, producer, batch in added:
            if not s.open:
                batch.owner = None
            else:
                s.mine.append(batch)
            if any(b.base >= batch.base for b in self.whole[place]):
                raise Finding(f"offset {batch.base} was given before")
            self.whole[place].append(batch)
            batch.producer = producer
            self.live(place, producer).append(batch)
        if s.open and rng.random() < 0.35:
            self.end(s, rng.random() < 0.7)

    def failed(self, s):
        """An ERROR: the transaction, or what is behind the last savepoint, has gone."""
        if not s.open:
            return
        if s.saves and self.rng.random() < 0.5:
            self.back(s)
        else:
            self.end(s, False)

    def savepoint(self, s):
        s.db.execute(f"SAVEPOINT s{len(s.saves)}")
        s.saves.append(len(s.mine))
        self.note(f"session {s.number}: SAVEPOINT")
        self.counts["savepoint"] += 1

    def back(self, s):
        n = s.saves[-1]
        s.db.execute(f"ROLLBACK TO s{len(s.saves) - 1}")
        self.note(f"session {s.number}: ROLLBACK TO")
        self.counts["rollback to"] += 1
        self.lose(s.mine[n:])
        del s.mine[n:]

    def release(self, s):
        s.saves.pop()
        s.db.execute(f"RELEASE s{len(s.saves)}")
        self.note(f"session {s.number}: RELEASE")
        self.counts["release"] += 1

    def finish_all(self, commit):
        for s in self.sessions:
            if s.open:
                self.end(s, commit)

    def read(self, place):
        """All batches of producers that are in the log, and committed."""
        found, offset = [], None
        db = self.sessions[0].db
        topic, partition = place
        offset, = db.execute("SELECT log_start FROM _eventlog.broker_fetch(%s::uuid[], %s::int[], '{0}', '{1}', 1)",
                             ([topic.id], [partition])).fetchone()
        while True:
            sqlstate, stable, records = db.execute(
                "SELECT sqlstate, stable, records FROM _eventlog.broker_fetch(%s::uuid[], %s::int[], %s::bigint[], '{1000000}', 1000000)",
                ([topic.id], [partition], [offset])).fetchone()
            if sqlstate is not None:
                raise Finding(f"fetch at {offset}: {sqlstate}")
            if offset >= stable:
                return found
            before = offset
            for base, producer, epoch, first, count in parse(records):
                offset = base + count
                found.append((base, producer, epoch, first, count))
            if offset == before:
                return found

    def relearn(self, place):
        """Nothing is known but what is in the log."""
        self.log[place] = {}
        for base, producer, epoch, first, count in self.read(place):
            if producer >= 0:
                b = Batch(epoch, first, count, base, None)
                b.producer = producer
                self.live(place, producer).append(b)

    def compare(self):
        """The log holds what was committed, each batch once, in its order."""
        for place in self.places:
            inside = {base: (producer, epoch, first, count) for base, producer, epoch, first, count in self.read(place) if producer >= 0}
            for producer, batches in self.log[place].items():
                for b in batches:
                    if b.base in inside:
                        if inside.pop(b.base) != (producer, b.epoch, b.first, b.count):
                            raise Finding(f"{place[0].name}/{place[1]}: another batch at {b.base}")
                    elif b.base >= self.floor.get(place, 0) and place[0].kind != "compacted":
                        raise Finding(f"{place[0].name}/{place[1]}: the batch at {b.base} is not in the log")
            for base in inside:
                raise Finding(f"{place[0].name}/{place[1]}: the batch at {base}, {inside[base]}, was not committed, or is there twice")
        self.counts["log compared"] += 1

    def crash(self):
        self.note("crash")
        subprocess.run(self.options.crash, shell=True, check=True, stdout=subprocess.DEVNULL)
        for s in self.sessions:
            self.lose(s.mine)
            s.open, s.mine, s.saves = False, [], []
            s.db.close()
            s.db = self.connect()
        self.compare()
        for place in self.places:
            self.relearn(place)
            # what was rolled back may not have reached the disk
            self.whole[place] = [b for batches in self.log[place].values() for b in batches]
        self.counts["crash"] += 1

    def touch(self, place):
        """
        What the server has not read since its start may go before it does: so it is made to read, by an id that it has
        never given out.
        """
        batches = self.live(place, 0)
        first = batches[-1].last + 1 if batches else 0
        sqlstate, base, message = self.sessions[0].db.execute(
            "SELECT sqlstate, base_offset, message FROM _eventlog.broker_append(%s::uuid[], %s::int[], %s::bytea[])",
            ([place[0].id], [place[1]], [record_batch.batch([(b"touch", b"")], producer=(0, 0, first))])).fetchone()
        if sqlstate is not None:
            raise Finding(f"{place[0].name}/{place[1]} producer 0: {sqlstate} {message}")
        batch = Batch(0, first, 1, base, None)
        batches.append(batch)
        self.whole[place].append(batch)

    def trim(self):
        place = self.rng.choice(self.places)
        bases = [b.base for b in self.whole[place] if b.owner is None]
        if not bases:
            return
        self.touch(place)
        at = self.rng.choice(bases)
        self.note(f"delete_events_before {place[0].name}/{place[1]} {at}")
        try:
            self.sessions[0].db.execute("SELECT delete_events_before(%s::regclass, %s, %s)", (place[0].name, place[1], at))
        except psycopg.Error as error:
            if error.sqlstate not in ("55P03", "22023", "55000"):
                raise
            return
        self.floor[place] = max(self.floor.get(place, 0), at)
        self.counts["trim"] += 1

    def maintain(self):
        """With nobody at work: what makes another file, and compaction."""
        self.finish_all(True)
        topic = self.rng.choice(self.topics)
        db = self.sessions[0].db
        kind = self.rng.choices(("compact", "vacuum full", "truncate"), (4, 2, 1))[0]
        self.note(f"{kind} {topic.name}")
        if kind == "compact":
            for place in self.places:
                if place[0] is topic:
                    self.touch(place)
            for n in range(6):
                db.execute("SELECT produce(%s::regclass, %s::bytea, %s::bytea)", (topic.name, b"k%d" % n, b"y" * 40000))
            db.execute("VACUUM " + topic.name)
            db.execute("SELECT apply_retention(%s::regclass)", (topic.name,))
        elif kind == "vacuum full":
            db.execute("VACUUM FULL " + topic.name)
        else:
            db.execute("TRUNCATE " + topic.name)
        for place in self.places:
            if place[0] is topic and kind == "vacuum full":
                self.relearn(place)
            elif place[0] is topic and kind == "truncate":
                self.log[place], self.whole[place] = {}, []
        self.counts[kind] += 1

    def sql(self):
        topic = self.rng.choice(self.topics)
        self.sessions[3].db.execute("SELECT produce(%s::regclass, 'k'::bytea, 'sql'::bytea)", (topic.name,))
        self.counts["produce"] += 1

    def new_id(self):
        id_, = self.rng.choice(self.sessions).db.execute("SELECT _eventlog.broker_init_producer()").fetchone()
        if self.all_ids and id_ <= self.all_ids[-1]:
            raise Finding(f"producer id {id_} was given before")
        self.all_ids.append(id_)
        self.ids.append(id_)
        self.counts["new id"] += 1

    def step(self):
        rng = self.rng
        what = rng.choices(("send", "begin", "end", "savepoint", "back", "release", "trim", "maintain", "sql", "id", "crash"),
                           (70, 9, 4, 3, 3, 2, 1.5, 1.2, 2, 0.7, self.options.crashes))[0]
        s = rng.choice(self.sessions)
        if what == "send":
            self.send(s)
        elif what == "begin" and not s.open and sum(x.open for x in self.sessions) < 2:
            self.begin(s)
        elif what == "end" and s.open:
            self.end(s, rng.random() < 0.6)
        elif what == "savepoint" and s.open and len(s.saves) < 3:
            self.savepoint(s)
        elif what == "back" and s.open and s.saves:
            self.back(s)
        elif what == "release" and s.open and s.saves:
            self.release(s)
        elif what == "trim" and not self.sessions[0].open:
            self.trim()
        elif what == "maintain":
            self.maintain()
        elif what == "sql" and not self.sessions[3].open:
            self.sql()
        elif what == "id":
            self.new_id()
        elif what == "crash":
            self.crash()

    def round(self, seed, number):
        self.rng.seed(f"{seed}.{number}")
        self.where = f"{seed}.{number}"
        self.producers = self.rng.choice((2, 3, 5))
        for s in self.sessions:
            if s.db is None:
                s.db = self.connect()
        self.topics = [Topic(f"plain_{number}", "plain"), Topic(f"compacted_{number}", "compacted")]
        self.log, self.whole, self.floor, self.ids = {}, {}, {}, []
        db = self.sessions[0].db
        for t in self.topics:
            options = {"segment_bytes": 65536, "compression": "none", "cleanup_policy": "compact" if t.kind == "compacted" else "delete"}
            db.execute("SELECT create_topic(%s, 2, 'bytea', 'bytea', %s)", (t.name, json.dumps(options)))
            t.id, = db.execute("SELECT topic_id FROM _eventlog.broker_topics('{public}', %s)", ([t.name],)).fetchone()
        self.places = [(t, p) for t in self.topics for p in (0, 1)]
        for place in self.places:
            self.log[place], self.whole[place] = {}, []
        for _ in range(self.producers):
            self.new_id()
        for _ in range(self.options.steps):
            self.steps += 1
            self.step()
        self.finish_all(self.rng.random() < 0.5)
        self.compare()
        db = self.sessions[0].db
        for t in self.topics:
            problem = db.execute("SELECT * FROM check_topic(%s::regclass)", (t.name,)).fetchall()
            if problem:
                raise Finding(f"check_topic: {problem}")
            db.execute("SELECT drop_topic(%s)", (t.name,))
        self.counts["rounds"] += 1

    def run(self):
        self.all_ids = []
        seed, _, only = self.options.seed.partition(".")
        end, number = time.monotonic() + self.options.seconds, 0
        while (number < self.options.rounds if self.options.rounds else time.monotonic() < end):
            number += 1
            self.round(seed, int(only) if only else number)
            if only:
                break
        self.counts["steps"] = self.steps


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--conninfo", required=True)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--seed", default="1")
    parser.add_argument("--rounds", type=int, default=0)
    parser.add_argument("--steps", type=int, default=400)
    parser.add_argument("--crash", default="", help="a command that kills the server and starts it again")
    options = parser.parse_args()
    options.crashes = 0.5 if options.crash else 0
    model = Model(options)
    code = 0
    try:
        model.run()
    except (Finding, psycopg.Error) as error:
        print(f"seed {model.where}, step {model.steps}: {error}")
        print("\n".join(model.recent))
        code = 1
    print(f"seed {options.seed}")
    print("counts", json.dumps(model.counts))
    return code


if __name__ == "__main__":
    sys.exit(main())
