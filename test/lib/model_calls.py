"""What group_model.py calls, and what each call may answer.

Each call knows beforehand which errors are right; any other is a finding, and so is success where there should be none.
What it was given has to begin where the twin says, to be without gaps, and to be in no other transaction's hands.

A call is made in one of these ways: plainly; in a PL/pgSQL block with EXCEPTION, whose end may fail after it; behind a
savepoint, which may be rolled back after it. So the twin's view is kept when the call's effect was.
"""
import collections
import time

from model_db import Finding, literal
from model_twin import GONE, NEVER, Cons, Member, Token, Transaction

FENCED = {"40L01", "EL001"}
REFUSED = {"40L01", "EL001", "EL002"}
EVENT = "topic::text, partition::text, event_offset::text"

Outcome = collections.namedtuple("Outcome", "state rows undone message")


class Expect:
    """What a call may answer. ok: it may succeed."""

    def __init__(self):
        self.ok, self.errors, self.why = True, set(), []

    def must(self, states, why):
        self.ok = False
        self.errors |= states
        self.why.append(why)

    def may(self, states):
        self.errors |= states


class Calls:
    def __init__(self, world, rng, counts, recent):
        self.world, self.rng, self.counts, self.recent = world, rng, counts, recent

    # making a call

    def note(self, conn, what):
        line = f"{conn}: {what}"
        self.recent.append(line)
        if conn.tx is not None:
            conn.tx.history.append(line)

    def begin(self, conn, level="READ COMMITTED", auto=True):
        snapshot = level != "READ COMMITTED"
        conn.tx = Transaction(conn, level, self.world.commits if snapshot else NEVER, auto)
        if snapshot:
            conn.tx.stops = {key: self.world.log(key).stop() for topic in self.world.topics for key in self.world.keys(topic)}
        return conn.tx

    def style(self, tx):
        """How the next call is made."""
        if tx.auto:
            return self.rng.choices(("plain", "block", "undone block"), (90, 7, 3))[0]
        return self.rng.choices(("plain", "block", "undone block", "savepoint", "undone savepoint"), (70, 10, 5, 8, 7))[0]

    def call(self, conn, what, sql, style):
        """Makes it. The transaction is failed if it failed plainly."""
        tx = conn.tx
        if style.endswith("block"):
            answer = conn.run(f"SELECT * FROM attempt({literal(sql)}, {'true' if style == 'undone block' else 'false'})")
            if answer.state is None:
                *rows, (state, message, _, _) = answer.rows
                rows = [row[1:] for row in rows]
                undone = state == "22012" and style == "undone block"
                answer = Outcome(None if state == "ok" or undone else state, rows, undone, message or "")
            else:
                answer = Outcome(answer.state, [], False, answer.message)
        else:
            behind = style.endswith("savepoint")
            if behind:
                conn.ask("SAVEPOINT sub")
            answer = conn.run(sql)
            undone = False
            if behind:
                undone = style == "undone savepoint"
                if undone or answer.state is not None:
                    conn.ask("ROLLBACK TO sub")
                conn.ask("RELEASE sub")
            elif answer.state is not None:
                self.world.fail(tx)
            answer = Outcome(answer.state, answer.rows, undone and answer.state is None, answer.message)
        self.counts[what, answer.state or ("undone" if answer.undone else "ok")] += 1
        self.note(conn, f"[{style}] {sql} -> {answer.state or ''} {answer.message or ''}{' undone' if answer.undone else ''} "
                        f"{self.short(answer.rows)}")
        return answer

    @staticmethod
    def short(rows):
        """Events as topic/partition first-last."""
        pieces, last = [], None
        for row in rows[:200]:
            if len(row) < 3 or row[2] is None:
                return rows[:20]
            if row[:2] == last:
                pieces[-1][1] = row[2]
            else:
                pieces.append([f"{row[0]}/{row[1]} {row[2]}", row[2]])
                last = row[:2]
        return ", ".join(f"{begin}..{end}" for begin, end in pieces) or "nothing" if rows else ""

    def judge(self, conn, outcome, expect):
        if outcome.state is None and not expect.ok:
            raise Finding(f"{conn}: it should have failed with one of {sorted(expect.errors)}: {'; '.join(expect.why)}")
        if outcome.state is not None and outcome.state not in expect.errors:
            raise Finding(f"{conn}: {outcome.state} {outcome.message}\n  "
                          + (f"allowed were {sorted(expect.errors)}" if expect.errors else "no error was to be expected")
                          + (f", {'; '.join(expect.why)}" if expect.why else ""))

    def finish_auto(self, conn, outcome):
        """The end of a statement that is a transaction by itself."""
        tx = conn.tx
        if tx is None or not tx.auto:
            return
        if outcome.state is not None and tx.failed:
            self.world.abort(tx)
        else:
            self.committed(tx)

    def committed(self, tx):
        raise NotImplementedError

    # who calls

    def as_member(self, group, who, conn, token):
        return "NULL" if who == "s" else literal(token.text if token else who)

    def pick_token(self, group, who):
        """Now and then the name as join_group() has returned it, now or earlier."""
        tokens = group.tokens.get(who)
        if who == "s" or not tokens or self.rng.random() < 0.5:
            return None
        return tokens[-1] if self.rng.random() < 0.85 else self.rng.choice(tokens)

    def expect_member(self, conn, group, who, token, joins, working=True):
        """The refusals that come before a call does anything."""
        tx, world, expect = conn.tx, self.world, Expect()
        member = group.member(who, conn)
        standing = [cons for cons in tx.standing(group, who) if not cons.released]
        if member is None:
            if token is not None:
                expect.must(FENCED, f"{token.text} has ended")
            elif not joins:
                expect.must(FENCED, f"{who} is no member")
            elif standing:
                expect.must(FENCED, f"{who} has been put out amid this transaction: {standing}")
            else:
                if any(cons.who == who for (g, _), part in tx.view.parts.items() if g is group for cons in part.void):
                    expect.may(FENCED)      # put out all the same, after it had consumed
                if world.claims(group):
                    expect.must({"55006"}, "there are claims")
                elif world.claims(group) is None:
                    expect.may({"55006"})
            return member, expect
        if token is not None and token.member is not member:
            if token.member is None:
                expect.may(FENCED)
            else:
                expect.must({"40L01"} | (FENCED if member.may_be_out() else set()), f"{token.text} has been replaced")
        if member.may_be_out():
            if token is not None or not joins or standing:
                expect.may(FENCED)
            if joins and world.claims(group) is not False:
                expect.may({"55006"})
        busy = working and world.busy(member, conn)
        if busy is not False:
            if busy is None or member.may_be_out():
                expect.may({"55006"})
            elif expect.ok:
                expect.must({"55006"}, f"{who} is busy in another session: {world.holders(group, conn)}")
        return member, expect

    def join(self, conn, group, who, topics, sent, token=None, afresh=False):
        """A call that joins has got as far as that. Which member is it now?"""
        member = group.member(who, conn)
        changed = member is None
        if member is None:
            member = Member(group, None if who == "s" else who, conn if who == "s" else None)
            if who == "s":
                group.sessions[conn] = member
            else:
                group.named[who] = member
        elif member.may_be_out() and token is None and not any(
                not cons.released and not cons.dead for cons in conn.tx.standing(group, who)):
            # perhaps it was put out and this is another incarnation
            self.world.end_member(member, sure=False)
            new = Member(group, member.name, member.conn)
            new.subs, new.last, new.last_sure = member.subs, member.last, False
            new.carry = {key: carry._replace(risk=True) for key, carry in member.carry.items()}
            group.tokens[who] = [Token(token.text, None if token.member is member else token.member) for token in group.tokens[who]]
            if who == "s":
                group.sessions[conn] = new
            else:
                group.named[who] = new
            member, changed = new, True
        member.sent = sent
        if afresh:
            changed |= member.subs != set(topics)
            member.subs = set(topics)
        else:
            changed |= not set(topics) <= member.subs
            member.subs |= set(topics)
        if changed:
            group.changes += 1
            self.yield_parts(conn, group, who)      # to its own call, too
        return member

    def yield_parts(self, conn, group, who):
        """A member's own call may cost it what it was given in earlier transactions."""
        member = group.member(who, conn)
        if member is None:
            return
        if any(other is not member and other.may_be_out() for other in group.everybody()):
            group.changes += 1
        for key, carry in member.carry.items():
            if (group, key) not in conn.tx.locks and not carry.told and (carry.clean != group.changes or member.may_be_out()):
                member.carry[key] = carry._replace(risk=True)
        if member.last_changes != group.changes:
            member.last_sure = False

    def heard(self, conn, member, outcome):
        """Any call's 40L01 may have told a session of what it has lost: that is spent when the transaction ends."""
        if member is not None and member.carry and outcome.state == "40L01":
            if member.may_be_out():
                member.carry.update({key: carry._replace(risk=True) for key, carry in member.carry.items() if not carry.told})
            conn.tx.told.add(member)

    # consume() and claim()

    def consume(self, conn, group, who, topic, limit, commit=False, into_work=False, style="plain", token=None, cursor=None):
        tx, world = conn.tx, self.world
        self.yield_parts(conn, group, who)
        member, expect = self.expect_member(conn, group, who, token, joins=True)
        known = member.subs if member is not None else set()
        scope = [topic] if topic else sorted(known)
        if topic is None and not known:
            if expect.ok or expect.errors == {"55006"}:
                expect.must({"55000"}, "it is not subscribed to anything")
        elif topic is None and who != "s" and member.may_be_out():
            expect.may({"55000"})
        self.may_fail_reading(tx, group, scope, expect)
        if member is not None and member.may_be_out() or self.may_be_fenced(tx, group):
            expect.may({"40L01"})
        arguments = [f"max_events => {limit}"]
        if topic:
            arguments.insert(0, literal(topic))
        if who != "s":
            arguments.append(f"member => {self.as_member(group, who, conn, token)}")
        if commit:
            arguments.append("commit => true")
        sql = f"{EVENT} FROM consume({literal(group.name)}, {', '.join(arguments)})"
        sent = time.monotonic()
        outcome = self.deliver(conn, "consume commit" if commit else "consume", sql, group, into_work, style, cursor)
        self.judge(conn, outcome, expect)
        self.heard(conn, member, outcome)
        if outcome.state in (None, "40001", "EL004"):
            member = self.join(conn, group, who, scope, sent, token)
        elif outcome.state == "40L01" and "was taken from this member" in outcome.message:
            self.join(conn, group, who, scope, sent, token)         # that came after it
        if outcome.state is not None:
            tx.hazy.add(group)
        else:
            self.take(conn, group, who, member, scope, outcome, commit, into_work, sent)
        self.finish_auto(conn, outcome)
        return outcome

    def claim(self, conn, group, topic, limit, into_work, style, cursor=None):
        tx, expect = conn.tx, Expect()
        if group.everybody():
            if any(not member.may_be_out() for member in group.everybody()):
                expect.must({"55006"}, "the group has members")
            else:
                expect.may({"55006"})
        self.may_fail_reading(tx, group, [topic], expect)
        if self.may_be_fenced(tx, group):
            expect.may({"40L01"})
        sql = f"{EVENT} FROM claim({literal(group.name)}, {literal(topic)}, max_events => {limit})"
        sent = time.monotonic()
        outcome = self.deliver(conn, "claim", sql, group, into_work, style, cursor)
        self.judge(conn, outcome, expect)
        if outcome.state is not None:
            tx.hazy.add(group)
        else:
            self.take(conn, group, "claim", "claim", [topic], outcome, True, into_work, sent)
        self.finish_auto(conn, outcome)
        return outcome

    def may_be_fenced(self, tx, group):
        """Has a member perhaps been put out that this transaction has consumed as?"""
        return any(cons.dead is not False or isinstance(cons.member, Member) and cons.member.may_be_out()
                   for (g, _), part in tx.view.parts.items() if g is group for cons in part.cons + part.void)

    def may_fail_reading(self, tx, group, scope, expect):
        world = self.world
        if tx.snapshot and (group.dropped > tx.seen or any(
                max(group.writer.get(key, 0), group.guessed.get(key, 0)) > tx.seen or group.marked.get(topic, 0) > tx.seen for topic in scope for key in world.keys(topic))):
            expect.may({"40001"})
        if world.options(tx, group).on_lost == "error" and world.lossy(tx, group, scope):
            expect.may({"EL004"})

    def deliver(self, conn, what, sql, group, into_work, style, cursor):
        """The call itself: its rows to the client, into the table, or by a cursor."""
        if cursor is not None:
            return cursor(conn, what, "SELECT " + sql)
        if into_work:
            sql = (f"INSERT INTO work SELECT {literal(group.name)}, topic::text, partition, event_offset"
                   f"{sql[len(EVENT):]} RETURNING topic, partition::text, event_offset::text")
        else:
            sql = "SELECT " + sql
        return self.call(conn, what, sql, style)

    def take(self, conn, group, who, member, scope, outcome, commit, into_work, sent):
        """What came: is it what should have come?"""
        tx, world = conn.tx, self.world
        before = tx.view.copy()
        for topic in scope:
            world.begin_latest(tx, group, topic)
        pieces = []
        for topic, partition, offset in outcome.rows:
            key = topic, int(partition)
            if not pieces or pieces[-1][0] != key:
                pieces.append((key, []))
            pieces[-1][1].append(int(offset))
        if len({key for key, _ in pieces}) < len(pieces):
            raise Finding(f"{conn}: a partition comes twice in one result")
        self.counts["deliveries", ""] += len(pieces)
        for key, offsets in pieces:
            if key[0] not in scope:
                raise Finding(f"{conn}: events of {key[0]}, which it has not asked for")
            self.take_piece(conn, group, who, member, key, offsets, commit, into_work, sent)
        if outcome.undone:
            tx.hazy.add(group)
            world.rolled_back(tx, before)

    def take_piece(self, conn, group, who, member, key, offsets, commit, into_work, sent):
        tx, world = conn.tx, self.world
        log, part = world.log(key), tx.part(group, key)
        if world.locked(group, key, conn) is True:
            raise Finding(f"{conn}: {group}/{key} is in the hands of another transaction: {world.holders(group, conn)}")
        carry = member.carry.get(key) if who == "s" and part.position is None else None
        places = self.places(tx, group, who, key, part, carry)
        if offsets != log.between(offsets[0], offsets[-1] + 1):
            raise Finding(f"{conn}: events {offsets} of {group}/{key}, but the log has {log.between(offsets[0], offsets[-1] + 1)}")
        matching = [place for place in places if log.between(place, offsets[0] + 1) == [offsets[0]]]
        if not matching:
            raise Finding(f"{conn}: {group}/{key} goes on at {offsets[0]}, it should at "
                          f"{[(log.between(place, NEVER) or ['the end'])[0] for place in sorted(places)]} ({sorted(places)})\n  {part}\n  {carry}")
        world.pass_ended(key, offsets[-1])
        readable = log.readable(max(matching), tx.seen)
        if readable[:len(offsets)] != offsets:
            raise Finding(f"{conn}: {group}/{key}: {offsets} are not decided, only {readable} are")
        if tx.snapshot and group.writer.get(key, 0) > tx.seen and (group, key) not in tx.locks:
            raise Finding(f"{conn}: {group}/{key}: its committed offset is from after this transaction's snapshot")
        if part.commit is None and part.position is None:
            self.take_mark(tx, group, key, offsets[0])
        for other in group.everybody():
            if other is not member and key in other.carry and not other.carry[key].told:
                other.carry[key] = other.carry[key]._replace(lost=True)

        part = part._replace(cons=tuple(cons for cons in part.cons if not cons.taken or cons.member is member))
        cons = Cons(group, key, who, member)
        tx.all_cons.append(cons)
        if (who != "s" or part.who not in (who, None)) and all(cons.taken for cons in part.cons):
            part = part._replace(pending=())    # the last transaction's, whoever has committed a part of it
        floor, pending, clean, lost, told = part.floor, part.pending, part.clean, part.lost, part.told
        if part.position is None and carry is not None:
            if carry.position in matching:
                floor, pending, clean, lost, told = carry.floor, carry.pending, carry.clean, carry.lost, carry.told and len(matching) > 1
            elif not carry.told:
                lost = True
        if not pending:
            floor = min(matching)
            cur = world.committed(tx, group, key)
            if floor > (cur or 0):
                tx.view.skips += ((group, key, cur or 0, floor),)
        if (group, key) not in tx.locks:
            clean = group.changes
        if into_work:
            rows = tx.view.rows.get((group, key), frozenset())
            tx.view.rows[group, key] = rows | frozenset(offsets)
        tx.locks[group, key] = tx.locks.get((group, key), (sent, None))[0], member
        tx.set(group, key, part, position=offsets[-1] + 1, floor=floor, who=who, member=member, cons=part.cons + (cons,),
               pending=pending + tuple(offsets), given=part.given + tuple(offsets), clean=clean, lost=lost, told=told)
        if commit:
            self.move(tx, group, key, offsets[-1] + 1)
            world.begin(tx, group, key[0], True)

    def places(self, tx, group, who, key, part, carry):
        """Where a delivery may begin."""
        world = self.world
        if part.position is not None:
            if any(not cons.taken for cons in tx.dead(group, key)):
                return set()                # it was fenced: 40L01
            places = {part.position}
            if part.cons and who != "s" and all(cons.taken for cons in part.cons):
                places = {part.commit}      # a named member has no position but where it has consumed
            if part.who not in (who, None) and part.commit not in (None, GONE):
                places.add(part.commit)
        elif carry is not None:
            places = set() if carry.position is None else {carry.position}
            if carry.risk or carry.lost or carry.told:
                places |= world.bases(tx, group, key)
        else:
            return world.bases(tx, group, key)
        return world.after_loss(world.options(tx, group), world.log(key), places)

    def take_mark(self, tx, group, key, first):
        """Which of the marks that may be there is it?"""
        topic, log = key[0], self.world.log(key)
        marks = self.world.marks(tx, group, topic)
        if len(marks) > 1:
            marks = tuple(mark for mark in marks if log.between(self.world.start_of(tx, group, key, mark), first + 1) == [first])
            if marks:
                tx.view.marks[group, topic] = marks

    def move(self, tx, group, key, upto):
        """The transaction is to commit the partition up to there. What is passed must have been given."""
        part = tx.part(group, key)
        moved = tuple(offset for offset in part.pending if offset < upto)
        expected = self.world.log(key).between(part.floor, upto) if part.pending else []
        start = self.world.log(key).start
        if not part.told and [offset for offset in moved if offset >= start] != expected:
            raise Finding(f"{tx.conn}: commit up to {upto} in {group}/{key}: it was given {moved}, but the log has {expected}")
        rows = tx.view.rows.get((group, key), ())
        tx.set(group, key, part, commit=upto, floor=upto, pending=part.pending[len(moved):],
               owed=part.owed + tuple(offset for offset in moved if offset not in rows))
