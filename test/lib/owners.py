#!/usr/bin/env python3
"""Members of one group that work on a topic's events and are hurt while they do (crew.py).

A client's transaction: consume, write what came to its own log, insert it into the twin table "processed", commit the
offsets, COMMIT. Sometimes it rolls back, all or to a savepoint, commits the offsets first, or in the consuming call,
or leaves them for the next transaction to commit; leaves the group, also before COMMIT; comes back; its connection
breaks. There are three styles of clients:

  session  the session's member, joined by consume() or join_group()
  named    a named member, as behind a pooler: any transaction may come from another connection
  joined   the same by join_group(), with its incarnation; now and then it takes another's name, who is fenced by that

Lines of a client's log:

  connect  pid, t (before it)
  joins, leaves    why; heartbeat
  got      tx, pid, sent, t, parts: {partition: [[offset, id], ...]}, from_: {partition: the first offset this member
           has been given and not committed}. The call was sent at "sent"; at t it had returned, and nothing had been
           done with the events.
  send     tx, t, how: COMMIT or ROLLBACK is about to be sent
  end      tx, held, t, outcome: COMMIT, ROLLBACK (answered), an SQLSTATE, or "lost" (no answer). "held": when
           the last statement was about to be sent that the server answered from within this transaction.
  cut      tx, t: about to break the connection
  again    what it had got before came again: it had been put out meanwhile
  problem  what the client itself finds wrong

The producers are producer.py's. owners_check.py judges.
"""
import random
import sys
import time

import psycopg

import crew
from crew import RETRY, Log, broken, connect, is_stopping
from producer import Producer

GROUP, TOPIC, PARTITIONS = "owners", "owned", 32

STYLES = ("session", "named", "joined")
JOIN = f"SELECT join_group('{GROUP}', '{{{TOPIC}}}', %s)"
# who only takes another name is put out when it has been silent for long enough
WAYS_OUT = {"session": ("leave_group", "DISCARD ALL", "close"), "named": ("leave_group", "another name"),
            "joined": ("leave_group", "another incarnation")}

INSERT = ("INSERT INTO processed (partition, event_offset, id, client, tx)"
          " SELECT p, o, i, %s, %s FROM unnest(%s::int[], %s::bigint[], %s::text[]) AS t (p, o, i)")


class Lost(Exception):
    """The connection is gone, by our own doing."""


class Client:
    def __init__(self, options, name, place):
        self.options, self.name = options, name
        self.log = Log(options.folder, name)
        self.place = place
        self.style = STYLES[place % len(STYLES)]
        self.names = 0
        # half of those that are started again take their predecessor's name, as a pooled service would
        self.member = (f"m{place}" if random.random() < 0.5 else f"m{name}") if self.style == "named" else None
        self.pool = [None] if self.style == "session" else [None, None]
        self.db = None
        self.tx = 0
        self.later = []			# events got in an earlier transaction, to be committed by the next
        self.joined = False

    # connections

    def pick(self):
        """The connection for the next transaction."""
        slot = random.randrange(len(self.pool))
        if self.pool[slot] is None:
            began = time.monotonic()
            self.pool[slot] = connect(self.options.conninfo, self.name)
            if self.pool[slot] is None:
                return False
            self.log("connect", pid=self.pool[slot].info.backend_pid, t=began)
        self.db = self.pool[slot]
        return True

    def drop(self, how="close"):
        """The connection is of no use any more; with it a session's member leaves."""
        self.pool[self.pool.index(self.db)] = None
        if how == "cut":
            self.log("cut", tx=self.tx, t=time.monotonic())
            crew.cut(self.db)
        try:
            self.db.close()
        except psycopg.Error:
            pass
        self.db = None
        if self.style == "session":
            self.joined = False
            self.later = []

    # membership

    def join(self):
        if self.style == "joined" and self.member is None:
            place = self.place
            if random.random() < 0.15:
                place = random.randrange(self.options.clients // len(STYLES)) * len(STYLES) + STYLES.index("joined")
            self.member = self.db.execute(JOIN, (f"j{place}",)).fetchone()[0]
            self.log("joins", why="join_group", member=self.member)
        elif self.style == "session" and not self.joined and random.random() < 0.5:
            self.db.execute(JOIN, (None,))
            self.joined = True
            self.log("joins", why="join_group")
        elif (self.member or self.joined) and self.style != "named" and random.random() < 0.1:
            news = self.db.execute("SELECT heartbeat(%s, %s)", (GROUP, self.member)).fetchone()[0]
            self.log("heartbeat", news=news)

    def leave(self, how=None):
        how = how or random.choice(WAYS_OUT[self.style])
        if how == "leave_group":
            self.db.execute("SELECT leave_group(%s, %s)", (GROUP, self.member))
        elif how == "DISCARD ALL":
            self.db.execute("DISCARD ALL")
        elif how == "close":
            self.drop()
        self.gone(how)

    def gone(self, how):
        self.log("leaves", why=how)
        self.later = []
        self.joined = False
        if self.style == "joined":
            self.member = None
        elif self.style == "named":
            self.names += 1
            self.member = f"m{self.name}.{self.names}"

    # a transaction's parts

    def ask(self, sql, *args):
        """A statement of the transaction. That it was answered proves that the transaction was there when it was sent."""
        self.sent = time.monotonic()
        cursor = self.db.execute(sql, args)
        self.held = self.sent
        return cursor

    def take(self, events, sent, returned):
        """Events are in our hands: on record before anything else."""
        parts, first = {}, {}
        for partition, offset, ident in events:
            parts.setdefault(partition, []).append([offset, ident])
        for partition, offset, _ in self.later + self.events + events:
            first.setdefault(partition, offset)
        self.log("got", tx=self.tx, pid=self.db.info.backend_pid, sent=sent, t=returned, parts=parts,
                 from_={partition: first[partition] for partition in parts})

    def consume(self, in_call=False):
        sent = time.monotonic()
        events = self.ask(f"SELECT partition, event_offset, value->>'id' FROM consume('{GROUP}', '{TOPIC}', max_events => %s,"
                          " member => %s, commit => %s)", random.choice((5, 20, 20, 100)), self.member, in_call).fetchall()
        returned = time.monotonic()
        if not self.joined:
            self.joined = True
            if self.style != "joined":
                self.log("joins", why="consume")
        if events:
            self.take(events, sent, returned)
        return events

    def commit_offsets(self):
        return self.ask("SELECT commit(%s, %s)", GROUP, self.member).fetchone()[0]

    def insert(self, events):
        if events:
            partitions, offsets, ids = zip(*events)
            self.ask(INSERT, self.name, self.tx, list(partitions), list(offsets), list(ids))

    def pause(self):
        """Work takes time; and things happen in between."""
        chance = random.random()
        if chance < 0.5:
            time.sleep(random.uniform(0, 0.04))
        elif chance < 0.51:
            self.drop("cut")
            raise Lost()

    def end(self, how):
        self.sent = time.monotonic()
        self.log("send", tx=self.tx, t=self.sent, how=how)
        if random.random() < 0.01:
            # gone before the answer; perhaps even before the server has read it
            self.db.pgconn.send_query(how.encode())
            self.db.pgconn.flush()
            self.drop("cut")
            raise Lost()
        outcome = self.db.execute(how).statusmessage
        self.held = self.sent
        self.log("end", tx=self.tx, held=self.held, t=time.monotonic(), outcome=outcome)
        if outcome != how:
            self.log("problem", text=f"{how} answered {outcome}", tx=self.tx)

    # transactions

    def transaction(self):
        self.tx += 1
        self.held = time.monotonic()
        self.events = []
        self.ask("BEGIN")
        if self.later:
            return self.commit_earlier()

        how = random.choices(("plain", "first", "in call", "twice", "rollback", "savepoint before", "savepoint after", "later",
                              "leave"), (35, 15, 10, 10, 8, 8, 8, 8, 2))[0]
        if how == "savepoint before":
            self.ask("SAVEPOINT s")
            rolled_back = self.consume()
            self.pause()
            self.insert(rolled_back)
            self.ask("ROLLBACK TO s")
            self.events = self.consume()
            # the position was taken back, and nobody else could have come in
            for partition in {p for p, _, _ in rolled_back} & {p for p, _, _ in self.events}:
                before, after = (min(o for p, o, _ in events if p == partition) for events in (rolled_back, self.events))
                if before != after:
                    self.log("problem", tx=self.tx,
                             text=f"partition {partition} goes on at {after}, not {before}, after ROLLBACK TO")
        else:
            self.events = self.consume(how == "in call")
        if not self.events:
            self.end("COMMIT")
            return False
        self.pause()

        if how == "first":
            self.commit_offsets()
            self.pause()
        if how == "later":
            self.end("COMMIT")
            self.later = self.events
            if random.random() < 0.25:
                time.sleep(random.uniform(0, 5))		# perhaps too long
            return True
        self.insert(self.events)
        if how == "savepoint after":
            self.ask("SAVEPOINT s")
            self.insert(self.consume())
            self.pause()
            self.ask("ROLLBACK TO s")
        elif how == "twice":
            more = self.consume()
            self.insert(more)
            self.events += more
        self.pause()
        if how not in ("first", "in call"):
            self.commit_offsets()
        self.pause()
        if how == "leave":
            # what is committed so far stays so; and nobody else has the partitions before the transaction ends
            self.ask("SELECT leave_group(%s, %s)", GROUP, self.member)
            self.gone("leave_group amid a transaction")
            self.pause()
        self.end("ROLLBACK" if how == "rollback" else "COMMIT")
        return True

    def commit_earlier(self):
        """The work follows the commit of its offsets: that is what takes the partitions."""
        earlier, self.later = self.later, []
        more = []
        if self.style == "session" and random.random() < 0.6:
            # its position goes on; or, if it was put out meanwhile, it begins anew where somebody has committed
            self.events = earlier
            more = self.consume()
            again = {partition for partition, offset, _ in more for p, o, _ in earlier if (p, o) == (partition, offset)}
            if again:
                self.log("again", partitions=sorted(again))
                earlier = [event for event in earlier if event[0] not in again]
            self.pause()
        sent = time.monotonic()
        moved = self.commit_offsets()
        self.events = []
        if earlier:
            self.take(earlier, sent, time.monotonic())
        if moved != len({partition for partition, _, _ in earlier + more}):
            self.log("problem", text=f"commit() moved {moved}", tx=self.tx)
        self.pause()
        self.insert(earlier + more)
        self.pause()
        self.end("COMMIT")
        return True

    def wait(self):
        try:
            self.db.execute(f"CALL wait_for_events('{GROUP}', '300 ms', %s)", (self.member,))
        except psycopg.Error as error:
            self.failed(error)

    def failed(self, error):
        """An error in or outside of a transaction."""
        self.later = []
        if broken(error, self.db):
            self.drop()
        elif error.sqlstate not in RETRY:
            raise error
        else:
            if self.style == "joined":
                self.member = None
            try:
                self.db.execute("ROLLBACK")
                if self.style == "session":
                    # forget its position: what it should have committed is to come again
                    self.leave(random.choice(("DISCARD ALL", "close")))
            except psycopg.OperationalError:
                self.drop()

    def run(self):
        while not (is_stopping() and not self.later):
            if not self.pick():
                return
            try:
                self.join()
            except psycopg.Error as error:
                self.failed(error)
                continue
            try:
                worked = self.transaction()
            except Lost:
                self.lost("lost")
                continue
            except psycopg.Error as error:
                if broken(error, self.db):
                    self.lost("lost", error)
                else:
                    self.held = self.sent		# it was answered, from within the transaction
                    self.lost(error.sqlstate, error)
                self.failed(error)
                continue
            if not worked:
                self.wait()
            elif random.random() < 0.02 and not self.later:
                try:
                    self.leave()
                except psycopg.Error as error:
                    self.failed(error)
        for connection in self.pool:
            if connection is not None:
                connection.close()

    def lost(self, outcome, error=None):
        self.log("end", tx=self.tx, held=self.held, t=time.monotonic(), outcome=outcome, message=str(error))
        self.later = []


def event():
    return f"k{random.randrange(1000)}", {}, random.randrange(PARTITIONS)


if __name__ == "__main__":
    sys.exit(crew.Crew(
        crew.options(__doc__),
        lambda *arguments: Client(*arguments).run(),
        lambda options, name, _: Producer(options, name, TOPIC, event).run(),
        {"kill": 5, "terminate": 4, "stop": 4, "hang": 3, "setting": 0.5},
        "SELECT count(*) FROM processed",
        f"SELECT (SELECT count(*) FROM processed) >= (SELECT count(*) FROM read_topic('{TOPIC}', max_events => 100000000))",
    ).run())
