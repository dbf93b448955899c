"""What group_model.py's sessions do next, at random."""
from model_calls import Outcome, REFUSED
from model_checks import Checks
from model_db import Finding, literal
from model_twin import Options

LEVELS = ("READ COMMITTED", "READ COMMITTED", "REPEATABLE READ", "SERIALIZABLE")


class Steps(Checks):
    def __init__(self, world, rng, counts, recent, admin, without):
        super().__init__(world, rng, counts, recent, admin)
        self.without = without
        self.steps, self.hot = 0, []
        self.sought = None      # a group in which somebody has lately sought what another could have committed

    def pick(self, weights):
        acts = [act for act in weights if act not in self.without]
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
            if self.sought is not None and self.rng.random() < 0.4 and not any(
                    self.sought is group for tx in self.world.open() for group, _ in tx.view.parts):
                self.do_last(conn)
            else:
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
        act = self.pick({"begin": 60, "last": 5, "consume": 14, "commit": 6, "join": 1.5, "leave": 1.5, "heartbeat": 2, "produce": 12, "fence": 2,
                         "discard": 0.3, "grow": 0.5, "remove": 0.5, "terminate": 0.3, "cut": 0.3})
        if act == "begin":
            group = self.pick_group(conn)
            if group is not None:
                tx = self.start(conn, rng.choice(LEVELS))
                tx.main, tx.who, tx.ever = group, None, set()
        elif act == "last":
            self.do_last(conn)
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
        act = self.pick({"consume": 30, "cursor": 4, "commit": 9, "offset": 4, "seek": 3.5, "reset": 0.5, "savepoint": 9, "back": 7,
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

    def do_last(self, conn):
        """commit() by a named member that has not consumed in this transaction: of what the one before was given, if that still counts."""
        foreign = {group for other in self.world.open() for group in [*other.view.options, *other.ever]}
        members = [(group, who) for group in self.world.groups.values() for who in group.named if group not in foreign and group.kind == "eo"]
        if not members:
            return
        group, who = self.rng.choice(members)
        if self.sought is not None and any(group is self.sought for group, _ in members):
            group, who = self.rng.choice([member for member in members if member[0] is self.sought])
        self.sought = None
        tx = self.start(conn, self.rng.choice(LEVELS))
        tx.main, tx.who, tx.ever = group, who, set()
        self.commit_all(conn, group, who, self.style(tx), self.pick_token(group, who))

    def do_seek(self, conn, group, act):
        rng, tx = self.rng, conn.tx
        topic = self.pick_topic()
        if tx.snapshot or group.kind == "alo" and rng.random() < 0.8:
            return
        if act == "reset":
            self.reset_group(conn, group, topic, rng.choice(("earliest", "latest")), self.style(tx))
            return
        key = rng.choice(self.world.keys(topic))
        given = sorted({key for member in group.named.values() for key in member.last})
        if given and rng.random() < 0.7:
            key = rng.choice(given)     # what somebody may still commit
            self.sought = group
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
            answer = conn.run("FETCH ALL FROM cur")     # what it has yet to give is not consumed now
            if (answer.state or "") != ("55000" if rows else ""):
                raise Finding(f"a cursor goes on behind the rollback of what it holds: {answer.state} {answer.rows}")
            conn.ask("ROLLBACK TO cur")
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

    # beside transactions

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
