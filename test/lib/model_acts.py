"""What group_model.py calls beside consume() and claim(): commit(), seek(), memberships, groups, and the end of a transaction."""
import time

from model_calls import REFUSED, Calls, Expect
from model_db import Finding, literal
from model_twin import GONE, Options, Part, Token


class Acts(Calls):
    def __init__(self, world, rng, counts, recent, admin):
        super().__init__(world, rng, counts, recent)
        self.admin = admin

    # commit()

    def expect_commit(self, conn, group, who, token, only=None):
        """commit() as a member: 40L01 and the like for what it has lost, now and as often as it is called."""
        tx = conn.tx
        self.yield_time(conn, group, who)
        member, expect = self.expect_member(conn, group, who, token, joins=False)
        tx.void = any(part.void for (g, _), part in tx.view.parts.items() if g is group)
        standing = tx.standing(group, who)
        dead = [cons for cons in standing if only in (None, cons.key) and cons in tx.dead(group, cons.key)]
        refused = self.still_refused(tx, group, who)
        if expect.ok:
            if dead:
                expect.must(REFUSED, f"its incarnation has ended: {dead}")
            elif refused:
                expect.must(REFUSED, f"commit() has been refused for {refused}")
        if dead or any(cons.dead is None for cons in standing) or tx.refused or tx.unsure or any(
                cons.dead is not False for (g, _), part in tx.view.parts.items() if g is group for cons in part.cons):
            expect.may(REFUSED)
        return member, expect, standing

    def still_refused(self, tx, group, who=None):
        """What commit() has been refused for, and stands."""
        return [cons for (g, _), part in tx.view.parts.items() for cons in part.cons
                if cons in tx.refused and g is group and (who is None or who == cons.who == part.who)]

    def yield_time(self, conn, group, who):
        """Silent for too long: what it was given in earlier transactions may be another's."""
        member = group.member(who, conn)
        if member is not None and member.may_be_out():
            member.last_sure = False
            for key, carry in member.carry.items():
                if not carry.told:
                    member.carry[key] = carry._replace(risk=True)

    def after_refusal(self, conn, group, who, member, standing, outcome, other_reason=False):
        """From here on all that stands of what was lost keeps the transaction from committing."""
        tx = conn.tx
        if outcome.state not in REFUSED:
            return
        if tx.void:
            tx.unsure = True        # is it refused for those, too?
        gone = [cons for cons in standing if cons in tx.dead(group, cons.key) or group.member(who, conn) is None]
        maybe = [cons for cons in standing if cons.dead is not False or (member is not None and member.may_be_out())]
        if gone:
            tx.refused.update(gone)
        elif maybe and not other_reason:
            tx.refused.update(maybe)
        elif standing:
            tx.unsure = True
        self.heard(conn, member, outcome)

    def commit_all(self, conn, group, who, style="plain", token=None):
        tx, world = conn.tx, self.world
        member, expect, standing = self.expect_commit(conn, group, who, token)
        # either what this transaction has consumed or what the one before was given
        parts = {key: part for (g, key), part in tx.view.parts.items() if g is group and part.who == who and part.pending
                 and (who == "s" or not standing or any(not cons.taken for cons in part.cons))}
        sure, unsure = set(parts), set()
        if member is not None and who == "s":
            for key, carry in member.carry.items():
                if (group, key) in tx.view.parts and tx.view.parts[group, key].position is not None:
                    continue
                if carry.position is None:
                    expect.may({"40L01", "55006"})
                    continue
                parts[key] = tx.part(group, key)._replace(position=carry.position, floor=carry.floor, pending=carry.pending, who=who,
                                                          member=member, clean=carry.clean, lost=carry.lost, told=carry.told)
                sure.add(key)
                # members that changed while it was held have their turn when the transaction ends
                if carry.lost or carry.risk or carry.clean != group.changes:
                    expect.may({"40L01"})
                if world.locked(group, key, conn) is not False:
                    expect.may({"55006"})
        elif member is not None and not standing:
            tx.hazy.add(group)      # it may lock what there is nothing to commit of
            if any(g is group for other in world.open(conn) for g, _ in other.locks):
                expect.may({"55006"})
            for key, (position, given) in member.last.items():
                committed = group.committed.get(key)
                if tx.part(group, key).commit is not None or position <= (committed or 0) and committed is not None:
                    continue
                pending = tuple(offset for offset in given if offset >= (committed or 0))
                if not pending:
                    continue
                parts[key] = Part(position=position, floor=pending[0], pending=pending, who=who, member=member)
                (sure if member.last_sure else unsure).add(key)
                if world.locked(group, key, conn) is not False:
                    expect.may({"55006"})
                if not member.last_sure:
                    expect.may({"40L01"})
        for key, part in parts.items():
            told = part.told or member in tx.told and (key in unsure or key in member.carry)
            if part.lost and not told:
                expect.must({"40L01"}, f"it has lost {key}")
            if told:
                expect.may({"40L01"})
                sure.discard(key)
                unsure.add(key)
        sent = time.monotonic()
        outcome = self.call(conn, "commit", f"SELECT commit({literal(group.name)}, {self.as_member(group, who, conn, token)})", style)
        self.judge(conn, outcome, expect)
        if outcome.state is None:
            member.sent = sent
            moved = int(outcome.rows[0][0])
            if not len(sure) <= moved <= len(sure) + len(unsure):
                raise Finding(f"{conn}: commit() moved {moved} partitions, it should {len(sure)}"
                              + (f" to {len(sure) + len(unsure)}" if unsure else "") + f": {parts}")
            self.counts["partitions moved", ""] += moved
            if moved == len(sure) + len(unsure):
                sure |= unsure
            elif moved > len(sure):
                tx.spoiled = True           # nobody knows which
                tx.guesses.update({(group, key): parts[key].position for key in unsure})
            if unsure:
                tx.hazy.add(group)
            for key in sure:
                tx.locks.setdefault((group, key), (sent, member))
                if not outcome.undone:
                    known = tx.part(group, key)
                    tx.view.parts[group, key] = parts[key] if known.position is not None else tx.taken(group, key, parts[key])
                    self.move(tx, group, key, parts[key].position)
                    world.begin(tx, group, key[0], True)
        else:
            if parts:
                tx.hazy.add(group)
            self.after_refusal(conn, group, who, member, standing, outcome,
                               any(part.lost or part.told for part in parts.values()) or bool(member and member.carry))
        self.finish_auto(conn, outcome)
        return outcome

    def commit_offset(self, conn, group, who, key, upto, style="plain", token=None):
        """commit() of one partition, up to an offset."""
        tx, world = conn.tx, self.world
        member, expect, standing = self.expect_commit(conn, group, who, token, key)
        part = tx.part(group, key)
        taken = None
        left = any(cons.released for cons in part.cons)
        if part.who != who or part.position is None or part.member is not member and not left:
            position, given = (member.last.get(key, (None, ())) if member is not None and who != "s" else (None, ()))
            committed = group.committed.get(key)
            pending = tuple(offset for offset in given if offset >= (committed or 0))
            if position is not None and part.commit is None and pending:
                taken = Part(position=position, floor=pending[0], pending=pending, who=who, member=member)
                if not member.last_sure:
                    expect.may(REFUSED | {"22023"})
                if world.locked(group, key, conn) is not False:
                    expect.may({"55006"})
            elif expect.ok:
                expect.must(REFUSED | {"22023", "55006"}, f"nothing was given from {key}")
        part = taken or part
        low = world.committed(tx, group, key)
        if expect.ok and (upto > part.position or (low is not None and upto < low)):
            expect.must({"22023"}, f"between {low} and {part.position}")
            if taken:
                expect.may(REFUSED)
        sent = time.monotonic()
        outcome = self.call(conn, "commit offset", f"SELECT commit({literal(group.name)}, {literal(key[0])}, {key[1]}, {upto}, "
                            f"{self.as_member(group, who, conn, token)})", style)
        self.judge(conn, outcome, expect)
        if outcome.state is None:
            member.sent = sent
            moved = int(outcome.rows[0][0])
            if moved != (low is None or upto != low):
                raise Finding(f"{conn}: commit() up to {upto} of {group}/{key} moved {moved}, it was at {low}")
            tx.locks.setdefault((group, key), (sent, member))
            if moved and not outcome.undone:
                tx.view.parts[group, key] = tx.taken(group, key, part) if taken else part
                self.move(tx, group, key, upto)
                world.begin(tx, group, key[0], True)
        else:
            tx.hazy.add(group)
            self.after_refusal(conn, group, who, member, [cons for cons in standing if cons.key == key], outcome)
            if outcome.state in REFUSED:
                # in whatever name it was consumed
                tx.refused.update(cons for cons in tx.standing(group) if cons.key == key and cons.who != who)
        self.finish_auto(conn, outcome)
        return outcome

    # seek(), reset_group()

    def expect_seek(self, conn, group, keys):
        expect = Expect()
        for key in keys:
            locked = self.world.locked(group, key, conn)
            if locked:
                expect.must({"55006"}, f"{key} is in the hands of another transaction: {self.world.holders(group, conn)}")
            elif locked is None:
                expect.may({"55006"})
        return expect

    def set_offset(self, conn, group, key, offset, sent):
        """The transaction has set it; the work that is to be done again is taken off the table."""
        tx = conn.tx
        before = self.world.committed(tx, group, key)
        low = before if before is not None else min(self.world.bases(tx, group, key), default=0)
        view = tx.view
        view.skips = tuple((g, k, a, min(b, offset)) if (g, k) == (group, key) else (g, k, a, b) for g, k, a, b in view.skips
                           if (g, k) != (group, key) or a < offset)
        view.wiped[group, key] = min(offset, view.wiped.get((group, key), offset))
        view.skips += ((group, key, min(low, offset) if before is not None else 0, offset),)
        view.rows[group, key] = frozenset(row for row in view.rows.get((group, key), ()) if row < offset)
        part = tx.part(group, key)
        refused = tuple(cons for cons in part.cons if cons in tx.refused)
        owed = tuple(row for row in part.owed if row < offset)
        view.parts[group, key] = Part(position=offset, commit=offset, floor=offset, cons=refused, owed=owed,
                                      given=part.given, clean=group.changes, sought=True, void=part.void + part.cons)
        tx.locks.setdefault((group, key), (sent, None))

    def seek(self, conn, group, key, offset, style="plain"):
        tx = conn.tx
        expect = self.expect_seek(conn, group, [key])
        if offset < self.world.log(key).start:
            expect.must({"22023"}, "before the log's start")
        elif offset > self.world.log(key).end():
            expect.may({"22023"})       # aborted offsets count
        self.may_not_know(tx, *key, expect)
        self.seek_to(conn, "seek", group, {key: offset}, expect, style,
                     f"SELECT seek({literal(group.name)}, {literal(key[0])}, {key[1]}, {offset})")

    def reset_group(self, conn, group, topic, target, style="plain"):
        keys = self.world.keys(topic)
        places = {key: self.world.log(key).start if target == "earliest" else self.world.latest(conn.tx, key) for key in keys}
        self.seek_to(conn, "reset", group, places, self.expect_seek(conn, group, keys), style,
                     f"SELECT reset_group({literal(group.name)}, {literal(topic)}, {literal(target)})")

    def seek_to(self, conn, what, group, places, expect, style, sql):
        tx = conn.tx
        sent = time.monotonic()
        before = tx.view.copy()
        outcome = self.call(conn, what, sql, style)
        self.judge(conn, outcome, expect)
        if outcome.state is None:
            for topic in sorted({key[0] for key in places}):
                self.world.begin(tx, group, topic, True)
            for key, offset in places.items():
                if not outcome.undone:
                    self.ask(conn, f"DELETE FROM work WHERE group_name = {literal(group.name)} AND topic = {literal(key[0])}"
                                   f" AND partition = {key[1]} AND event_offset >= {offset}")
                self.set_offset(conn, group, key, offset, sent)
            if outcome.undone:
                self.world.rolled_back(tx, before)
        else:
            tx.hazy.add(group)

    # memberships

    def join_group(self, conn, group, who, topics, style="plain"):
        tx, world = conn.tx, self.world
        self.yield_parts(conn, group, who)
        member, expect = self.expect_member(conn, group, who, None, joins=True, working=False)
        sent = time.monotonic()
        outcome = self.call(conn, "join", f"SELECT join_group({literal(group.name)}, '{{{','.join(topics)}}}', "
                            f"{self.as_member(group, who, conn, None)})", style)
        self.judge(conn, outcome, expect)
        self.heard(conn, member, outcome)
        if outcome.state is None:
            if who != "s" and member is not None:
                # another incarnation, and what the earlier one was given counts no more
                world.end_member(member)
                del group.named[who]
                self.counts["fenced", ""] += 1
            member = self.join(conn, group, who, topics, sent, afresh=True)
            if who != "s":
                group.tokens[who].append(Token(outcome.rows[0][0], member))
                del group.tokens[who][:-4]
        self.finish_auto(conn, outcome)

    def leave_group(self, conn, group, who, style="plain", token=None):
        member, expect = self.expect_member(conn, group, who, token, joins=False, working=False)
        outcome = self.call(conn, "leave", f"SELECT leave_group({literal(group.name)}, {self.as_member(group, who, conn, token)})", style)
        self.judge(conn, outcome, expect)
        self.heard(conn, member, outcome)
        if outcome.state is None:
            self.world.leave(member, conn)
            if who == "s":
                self.forgive(conn.tx, group)
        self.finish_auto(conn, outcome)

    @staticmethod
    def forgive(tx, group):
        """The session has left: what it had lost of earlier transactions is owed no word, whatever is rolled back."""
        for view in [tx.view, *(save[1] for save in tx.saves)]:
            for (g, key), part in list(view.parts.items()):
                if g is group and part.lost:
                    view.parts[g, key] = part._replace(lost=False)

    def heartbeat(self, conn, group, who, style="plain", token=None):
        member, expect = self.expect_member(conn, group, who, token, joins=False, working=False)
        outcome = self.call(conn, "heartbeat", f"SELECT heartbeat({literal(group.name)}, {self.as_member(group, who, conn, token)})", style)
        self.judge(conn, outcome, expect)
        self.heard(conn, member, outcome)
        if outcome.state is None:
            member.beats = True
        self.finish_auto(conn, outcome)

    # groups

    def drop_group(self, conn, group):
        """Only where nobody else's transaction works; the twin does not follow two that do this at once."""
        tx, world, expect = conn.tx, self.world, Expect()
        if not world.options(tx, group).made:
            expect.must({"EL003"}, "it was not made")
        others = [member for member in group.everybody() if member is not group.sessions.get(conn)]
        if any(not member.may_be_out() for member in others):
            expect.must({"55006"} | expect.errors, "it has members")
        elif others:
            expect.may({"55006"})
        if any(g is group for other in world.open(conn) for g, _ in other.locks) or any(group in other.hazy for other in world.open(conn)):
            expect.may({"55006"})
        sent = time.monotonic()
        outcome = self.call(conn, "drop group", f"SELECT drop_group({literal(group.name)})", "plain")
        self.judge(conn, outcome, expect)
        if outcome.state is not None:
            tx.hazy.add(group)
            return
        self.ask(conn, f"DELETE FROM work WHERE group_name = {literal(group.name)}")
        view = tx.view
        keys = set(group.committed) | {key for g, key in view.parts if g is group}
        for key in keys:
            view.parts[group, key] = Part(commit=GONE)
            tx.locks.setdefault((group, key), (sent, None))
        view.dropped.add(group)
        view.options[group] = Options(False, "earliest", "error", 300)
        for mapping in (view.rows, view.wiped):
            for known in [known for known in mapping if known[0] is group]:
                del mapping[known]
        for known in [known for known in view.marks if known[0] is group]:
            del view.marks[known]
        view.skips = tuple(skip for skip in view.skips if skip[0] is not group)

    def create_group(self, conn, group, options):
        tx, expect = conn.tx, Expect()
        if self.world.options(tx, group).made:
            expect.must({"42710"}, "it is there")
        outcome = self.call(conn, "create group", f"SELECT create_group({literal(group.name)}, {literal(options_json(options))})", "plain")
        self.judge(conn, outcome, expect)
        if outcome.state is None:
            tx.view.options[group] = options

    # events

    def may_not_know(self, tx, topic, partition, expect):
        """That a topic has grown shows when the transaction happens to look."""
        if partition >= min(self.world.topics[topic].sizes(tx.began)):
            expect.may({"22023"})

    def produce(self, conn, topic, partition, number, flush, style="plain"):
        tx = conn.tx
        outcome = self.call(conn, "produce", f"SELECT count(produce({literal(topic)}, 'k', 'v', partition => {partition}))"
                            f" FROM generate_series(1, {number})", style)
        expect = Expect()
        self.may_not_know(tx, topic, partition, expect)
        self.judge(conn, outcome, expect)
        if outcome.state is None and not outcome.undone:
            tx.view.produced |= {(topic, partition)}
            tx.view.buffered = True
            # what was produced before a savepoint does not go with it, wherever it is appended; the twin does not tell such apart
            if flush and not (tx.saves and tx.saves[-1][1].buffered):
                tx.view.buffered = False
                outcome = self.call(conn, "flush", "SELECT topic::text, partition, first_offset FROM flush()", "plain")
                self.judge(conn, outcome, Expect())
                for name, number, first in outcome.rows:
                    self.world.flushes += 1
                    tx.view.flushed[self.world.flushes] = name, int(number), int(first)
                    self.world.topics[name].logs[int(number)].open[self.world.flushes] = int(first)
        self.finish_auto(conn, outcome)

    def look_up(self, topic, partition, low):
        """Events that are new in the log, or from an offset on. Not by a reader, which would stop."""
        log = self.world.log((topic, partition))
        low = min([log.end(), low, *log.open.values()])
        rows = self.admin.ask(f"SELECT event_offset FROM {topic} WHERE partition = {partition} AND event_offset >= {low} ORDER BY 1")
        log.add([int(row[0]) for row in rows], self.world.commits)

    # transactions

    def ask(self, conn, sql):
        """A statement that has to work."""
        answer = conn.run(sql)
        self.note(conn, f"{sql} -> {answer.state or answer.tag}")
        if answer.state is not None:
            self.world.fail(conn.tx)
            if answer.state == "40001" and conn.tx.level == "SERIALIZABLE":
                return False
            raise Finding(f"{conn}: {sql}: {answer.state} {answer.message}")
        return True

    def start(self, conn, level):
        tx = self.begin(conn, level, auto=False)
        answer = conn.run(f"BEGIN ISOLATION LEVEL {level}; SELECT 1")
        self.note(conn, f"BEGIN ISOLATION LEVEL {level} -> {answer.state or ''}")
        self.counts["begin", level] += 1
        return tx

    def savepoint(self, conn):
        tx = conn.tx
        name = f"s{self.rng.randrange(3)}"
        if self.ask(conn, f"SAVEPOINT {name}"):
            tx.saves.append((name, tx.view.copy()))
            self.counts["savepoint", ""] += 1

    def back_to(self, conn):
        """ROLLBACK TO: the innermost savepoint of that name, and what was made after it goes."""
        tx = conn.tx
        name = self.rng.choice(tx.saves)[0]
        answer = conn.run(f"ROLLBACK TO {name}")
        self.note(conn, f"ROLLBACK TO {name} -> {answer.state or ''}")
        if answer.state is not None:
            raise Finding(f"ROLLBACK TO {name}: {answer.state} {answer.message}")
        while tx.saves[-1][0] != name:
            tx.saves.pop()
        self.world.rolled_back(tx, tx.saves[-1][1])
        tx.failed = False
        self.counts["rollback to", ""] += 1

    def release(self, conn):
        tx = conn.tx
        name = self.rng.choice(tx.saves)[0]
        if self.ask(conn, f"RELEASE {name}"):
            while tx.saves.pop()[0] != name:
                pass
            self.counts["release", ""] += 1

    def rollback(self, conn):
        tx = conn.tx
        answer = conn.run("ROLLBACK")
        self.note(conn, f"ROLLBACK -> {answer.state or ''}")
        if answer.tag != "ROLLBACK":
            raise Finding(f"{conn}: ROLLBACK: {answer}")
        self.counts["end", "ROLLBACK"] += 1
        self.suspect(tx)
        self.world.abort(tx)

    def suspect(self, tx):
        """It held partitions for so long that the worker may be about to end its session."""
        if any(time.monotonic() - since >= 0.9 * group.options.limit for (group, _), (since, _) in tx.locks.items()):
            tx.conn.suspect_until = time.monotonic() + 2

    def settle(self, conn):
        """The table says what the transaction commits, no more and no less."""
        tx = conn.tx
        for (group, key), part in list(tx.view.parts.items()):
            if group.kind == "alo":
                continue
            rows = tx.view.rows.get((group, key), frozenset())
            owed = [offset for offset in part.owed if offset not in rows]
            idle = [offset for offset in part.pending if offset in rows]
            where = f"{literal(group.name)}, {literal(key[0])}, {key[1]}"
            if owed and not self.ask(conn, f"INSERT INTO work SELECT {where}, unnest('{{{','.join(map(str, owed))}}}'::bigint[])"):
                return False
            if idle and not self.ask(conn, f"DELETE FROM work WHERE (group_name, topic, partition) = ({where})"
                                           f" AND event_offset = ANY ('{{{','.join(map(str, idle))}}}')"):
                return False
            tx.set(group, key, part, owed=())
            tx.view.rows[group, key] = (rows | set(owed)) - set(idle)
        return True

    def expect_end(self, tx):
        expect = Expect()
        for group in {group for group, _ in tx.view.parts}:
            refused = self.still_refused(tx, group)
            if refused:
                expect.must(REFUSED, f"commit() has been refused for {refused}")
        if tx.refused:
            expect.may(REFUSED)
        for (group, key), part in tx.view.parts.items():
            if part.commit in (None, GONE) or part.member in (None, "claim"):
                continue
            dead = tx.dead(group, key)
            if dead and not part.sought:
                expect.must(REFUSED, f"it is to commit what {dead} has lost")
            elif any(cons.dead is not False for cons in part.cons) or part.member.may_be_out():
                expect.may(REFUSED)
        if tx.level == "SERIALIZABLE":
            expect.may({"40001"})
        if tx.unsure:
            expect.may(REFUSED)
        return expect

    def commit(self, conn):
        """COMMIT, the table being settled."""
        tx = conn.tx
        expect = self.expect_end(tx)
        answer = conn.run("COMMIT")
        self.note(conn, f"COMMIT -> {answer.state or answer.tag} {answer.message}")
        self.counts["end", answer.state or answer.tag] += 1
        self.suspect(tx)
        if answer.state is None and answer.tag != "COMMIT":
            raise Finding(f"{conn}: COMMIT answered {answer.tag}")
        self.judge(conn, answer, expect)
        if answer.state is not None:
            for group in self.world.groups.values():
                if f'group "{group.name}"' in answer.message:
                    self.heard(conn, group.sessions.get(conn), answer)
            self.world.abort(tx)
        else:
            self.committed(tx)


def options_json(options):
    return (f'{{"start_from": "{options.start}", "on_lost": "{options.on_lost}", "max_poll_interval": "{options.limit} s",'
            f' "session_timeout": "{min(45, options.limit)} s"}}')
