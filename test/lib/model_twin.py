"""The twin of group_model.py: what the server is expected to know of groups, and what each open transaction does to it.

It says nothing about who is assigned what; that shows in what is delivered. All else it follows: where each partition is
to go on, what a transaction will commit, which memberships have ended and what that does to transactions that are open.

Facts of a transaction are of two kinds. A View is what a rollback to a savepoint takes back, so a savepoint is a copy of
it. What stays whatever is rolled back (locks, memberships, that a commit was refused) is beside it.

Where the twin cannot know, it keeps what is possible: a member that has been silent for too long may have been put out.
"""
import bisect
import collections
import time

GONE = "gone"                   # a committed offset that the transaction drops
NEVER = float("inf")

# seconds by which a member may be put out later than one looks
SLACK = 5

Options = collections.namedtuple("Options", "made start on_lost limit")     # limit: seconds of silence that are allowed
Token = collections.namedtuple("Token", "text member")
# What a session has been given and not committed when a transaction ends. floor: where that begins; clean: the group's
# count of changes up to which nobody else was to have it; risk: may have gone to another; lost: has; told: was perhaps forgotten
Carry = collections.namedtuple("Carry", "position floor pending clean risk lost told")
Carry.__new__.__defaults__ = (False, False, False)
# A transaction's work on a partition. pending: given, and not committed; owed: committed, but not in the table "work"
# void: deliveries that a seek() has made void
Part = collections.namedtuple("Part", "position commit floor who member cons pending given owed clean lost told sought void")
Part.__new__.__defaults__ = (None, None, None, None, None, (), (), (), (), 0, False, False, False, ())


class Cons:
    """One delivery, or (taken) what an earlier transaction was given and this one commits. dead: its member's incarnation
    has ended (None: perhaps); released: its own transaction left."""
    __slots__ = ("group", "key", "who", "member", "taken", "dead", "released")

    def __init__(self, group, key, who, member, taken=False):
        self.group, self.key, self.who, self.member, self.taken = group, key, who, member, taken
        self.dead = self.released = False

    def __repr__(self):
        return f"{self.group.name}/{self.key}/{self.who}{'!' if self.dead else '?' if self.dead is None else ''}{'-' if self.released else ''}"


class Log:
    """A partition: the offsets of committed events, and the number of the commit that brought each."""

    def __init__(self):
        self.offsets, self.commits = [], []
        self.open = {}          # what open transactions have appended already: first offset of each piece
        self.start = 0

    def stop(self):
        """Where readers stop."""
        return min(self.open.values(), default=NEVER)

    def add(self, offsets, commit):
        for offset in offsets:
            at = bisect.bisect_left(self.offsets, offset)
            if at == len(self.offsets) or self.offsets[at] != offset:
                self.offsets.insert(at, offset)
                self.commits.insert(at, commit)

    def between(self, low, high):
        low = max(low, self.start)
        return self.offsets[bisect.bisect_left(self.offsets, low):bisect.bisect_left(self.offsets, high)]

    def readable(self, position, seen):
        """The offsets from a position on, up to what the snapshot takes to be undecided; what seek() has passed is no hindrance."""
        stop = min((first for first in self.open.values() if first >= position), default=NEVER)
        result = []
        for at in range(bisect.bisect_left(self.offsets, max(position, self.start)), len(self.offsets)):
            if self.offsets[at] >= stop or self.commits[at] > seen:
                break
            result.append(self.offsets[at])
        return result

    def latest(self, seen=NEVER, stop=NEVER):
        """The end of the last batch that the snapshot sees. stop: where one that was open then began."""
        stop, end = min(stop, self.stop()), self.start
        if seen == NEVER:
            at = bisect.bisect_left(self.offsets, stop)
            return max(end, self.offsets[at - 1] + 1) if at else end
        for offset, commit in zip(self.offsets, self.commits):
            if offset >= stop or commit > seen:
                break
            end = max(end, offset + 1)
        return end

    def end(self):
        return self.offsets[-1] + 1 if self.offsets else 0


class Topic:
    def __init__(self, name, partitions):
        self.name = name
        self.logs = [Log() for _ in range(partitions)]
        self.grown = []         # (when, partitions before)

    def grow(self):
        self.grown.append((time.monotonic(), len(self.logs)))
        self.logs.append(Log())

    def sizes(self, since):
        """How many partitions a transaction may take it to have: it may have looked before it grew."""
        return [len(self.logs)] + [before for when, before in self.grown if when > since]


class Member:
    """An incarnation. conn: of a session's member; sent: when its last call was sent."""

    def __init__(self, group, name, conn):
        self.group, self.name, self.conn = group, name, conn
        self.sent = time.monotonic()
        self.subs = set()
        self.beats = False
        self.carry = {}
        self.last, self.last_sure, self.last_changes = {}, True, 0

    def __repr__(self):
        return self.name or f"session {self.conn}"

    def may_be_out(self):
        if self.conn is not None and self.conn.tx is not None and self.conn.tx.overdue():
            return True         # its session may have been ended, for what it held of another group
        limit = self.group.options.limit
        if self.beats:
            limit = min(limit, self.group.session_limit)
        # the call that this is asked for comes a little later, on a busy machine by tenths of a second
        return time.monotonic() - self.sent >= max(limit - SLACK, limit / 10)


def given_last(offsets):
    """What was given since the last seek() back: before it, the same events were given once more."""
    begin = 0
    for i in range(1, len(offsets)):
        if offsets[i] <= offsets[i - 1]:
            begin = i
    return offsets[begin:]


class Group:
    def __init__(self, name, kind, options):
        self.name, self.kind, self.options = name, kind, options
        self.history = [(0, options)]
        self.session_limit = min(45, options.limit)
        self.changes = 0        # what may make the assignment another one
        self.sessions, self.named, self.tokens = {}, {}, collections.defaultdict(list)
        self.reset()

    def __repr__(self):
        return self.name

    def reset(self):
        self.committed = {}
        self.writer, self.guessed = {}, {}      # the commit that wrote it, or perhaps did
        self.dropped = 0        # the commit that dropped it last
        self.marks = {}         # topic: the starts that were perhaps written, each {partition: offset} or None
        self.marked = {}        # topic: the commit that wrote them
        self.done = collections.defaultdict(set)
        self.skipped = collections.defaultdict(list)
        self.seen = collections.defaultdict(set)
        self.guess = {}         # committed offsets of which one is right: the view will tell

    def member(self, who, conn):
        return self.sessions.get(conn) if who == "s" else self.named.get(who)

    def everybody(self):
        return list(self.sessions.values()) + list(self.named.values())

    def is_skipped(self, key, offset):
        return any(low <= offset < high for low, high in self.skipped[key])


class View:
    """What a rollback to a savepoint takes back."""
    __slots__ = ("parts", "options", "dropped", "marks", "rows", "wiped", "skips", "flushed", "produced", "buffered")

    def __init__(self):
        self.parts = {}         # (group, key): Part
        self.options = {}       # group: Options, from create_group() and drop_group()
        self.dropped = set()
        self.marks = {}         # (group, topic): starts that it may have written
        self.rows = {}          # (group, key): offsets inserted into "work"
        self.wiped = {}         # (group, key): offset from which on rows were deleted
        self.skips = ()         # (group, key, low, high): passed over on purpose
        self.flushed = {}       # number: (topic, partition, first offset)
        self.produced = frozenset()
        self.buffered = False   # of that, something is not appended yet

    def copy(self):
        new = View.__new__(View)
        new.parts, new.options, new.dropped = self.parts.copy(), self.options.copy(), self.dropped.copy()
        new.marks, new.rows, new.wiped = self.marks.copy(), self.rows.copy(), self.wiped.copy()
        new.skips, new.flushed = self.skips, self.flushed.copy()
        new.produced, new.buffered = self.produced, self.buffered
        return new


class Transaction:
    def __init__(self, conn, level, seen, auto):
        self.conn, self.level, self.seen, self.auto = conn, level, seen, auto
        self.view, self.saves = View(), []
        self.failed = self.unsure = False
        self.void = False                       # of a refusal: was a delivery void by seek()?
        self.spoiled = False                    # the twin does not know what it is to commit
        self.all_cons, self.refused = [], set()
        self.locks, self.hazy = {}, set()       # (group, key): (since, member); groups of which it may hold any
        self.left = set()                       # (group, key) whose consumer has left
        self.told = set()                       # sessions' members that got a 40L01
        self.guesses = {}                       # (group, key): committed offset, or it is as before
        self.history = []
        self.began = time.monotonic()
        self.peeked = set()                     # (group, who) that commits nothing of what it was given
        self.snapshot = level != "READ COMMITTED"
        self.stops = {}                         # of a snapshot: where readers stopped when it was taken

    def overdue(self):
        now = time.monotonic()
        return (any(now - since >= group.options.limit for (group, _), (since, _) in self.locks.items())
                or any(now - self.began >= group.options.limit for group in self.hazy))

    def standing(self, group, who=None):
        """What it has consumed and not rolled back."""
        return [cons for (g, _), part in self.view.parts.items() if g is group
                for cons in part.cons if who in (None, cons.who) and not cons.taken]

    def dead(self, group, key):
        """Consumption whose member's incarnation has ended. Where another of this transaction's members has left the partition
        before, nobody can have come in between, and the server takes it as that one's."""
        return [] if (group, key) in self.left else [cons for cons in self.part(group, key).cons if cons.dead]

    def taken(self, group, key, part):
        """A part whose events were given earlier."""
        cons = Cons(group, key, part.who, part.member, taken=True)
        self.all_cons.append(cons)
        return part._replace(cons=part.cons + (cons,))

    def part(self, group, key):
        return self.view.parts.get((group, key), Part())

    def set(self, group, key, part, **changes):
        self.view.parts[group, key] = part._replace(**changes)


class World:
    """All of it, and what it means."""

    def __init__(self):
        self.commits = 0
        self.terminates = False     # eventlog.terminate_stuck_consumers
        self.conns = []
        self.topics, self.groups = {}, {}
        self.flushes = 0

    def log(self, key):
        return self.topics[key[0]].logs[key[1]]

    def latest(self, tx, key):
        """For the transaction's snapshot."""
        return self.log(key).latest(tx.seen, tx.stops.get(key, NEVER))

    def keys(self, topic):
        return [(topic, partition) for partition in range(len(self.topics[topic].logs))]

    def open(self, besides=None):
        return [conn.tx for conn in self.conns if conn.tx is not None and conn is not besides]

    def options(self, tx, group):
        """They are a row of a table, so a snapshot may see former ones."""
        if group in tx.view.options:
            return tx.view.options[group]
        return next(options for commit, options in reversed(group.history) if commit <= tx.seen)

    # where a group is

    def committed(self, tx, group, key):
        part = tx.part(group, key)
        if part.commit is not None:
            return None if part.commit is GONE else part.commit
        return None if group in tx.view.dropped else group.committed.get(key)

    def marks(self, tx, group, topic):
        """The starts of a group that may be written, as the transaction sees it."""
        known = () if group in tx.view.dropped else group.marks.get(topic, ())
        if (group, topic) not in tx.view.marks or known and None not in known:
            return known
        return tx.view.marks[group, topic]

    def has_offsets(self, tx, group, topic):
        return any(self.committed(tx, group, key) is not None for key in self.keys(topic))

    def begin(self, tx, group, topic, sure):
        """A call that begins the group in a topic, if nobody has. sure: that it does if nobody else is at it."""
        marks = self.marks(tx, group, topic)
        if marks and None not in marks:
            return
        busy = any((group, topic) in other.view.marks or group in other.hazy for other in self.open(tx.conn))
        latest = self.options(tx, group).start == "latest" and not self.has_offsets(tx, group, topic)
        new = () if sure and not busy and not marks else marks or (None,)
        for size in self.topics[topic].sizes(tx.began):
            mark = {key[1]: self.latest(tx, key) if latest else self.log(key).start for key in self.keys(topic)[:size]}
            if mark not in new:
                new += (mark,)
        if sure and not busy:
            new = tuple(mark for mark in new if mark is not None)
        tx.view.marks[group, topic] = new
        tx.hazy.add(group)

    def begin_latest(self, tx, group, topic):
        """The first call that asks for events begins a group that starts from the latest, if it owns anything."""
        if self.options(tx, group).start == "latest" and not self.has_offsets(tx, group, topic):
            self.begin(tx, group, topic, False)

    def bases(self, tx, group, key):
        """Where the group may go on when nothing is known of a position."""
        log, topic = self.log(key), key[0]
        committed = self.committed(tx, group, key)
        options = self.options(tx, group)
        if committed is not None:
            places = {committed}
        else:
            places = {self.start_of(tx, group, key, mark) for mark in self.marks(tx, group, topic) or (None,)}
        return self.after_loss(options, log, places)

    def start_of(self, tx, group, key, mark):
        """Where a group without offset begins in a partition by that mark; None: there is none."""
        topic, partition = key
        if mark is not None:
            return mark.get(partition, 0)
        if self.options(tx, group).start == "latest" and not self.has_offsets(tx, group, topic):
            return self.latest(tx, key)
        return self.log(key).start

    @staticmethod
    def after_loss(options, log, places):
        """Events that were removed: an error, or it goes on at what is there."""
        if options.on_lost == "error":
            return {place for place in places if place >= log.start}
        return {max(place, log.start) for place in places}

    def lossy(self, tx, group, topics):
        """May it be that events of these topics were removed before the group had them?"""
        return any(self.log(key).start > 0 for topic in topics for key in self.keys(topic))

    # who holds what

    def doubtful(self, tx):
        """It has held partitions for too long: its session may have been ended, and nobody knows yet."""
        return self.terminates and tx.overdue()

    def pass_ended(self, key, offset):
        """A reader has got as far as that. What a transaction has appended before, whose session may have been ended, was no hindrance then."""
        for tx in self.open():
            if self.doubtful(tx):
                for number, (topic, partition, first) in tx.view.flushed.items():
                    if (topic, partition) == key and first <= offset:
                        self.log(key).open.pop(number, None)

    def among(self, conn, holds, might=lambda tx: False):
        """Is it so for another session's open transaction? None: perhaps."""
        result = False
        for tx in self.open(conn):
            if holds(tx) and not self.doubtful(tx):
                return True
            if holds(tx) or might(tx):
                result = None
        return result

    def holders(self, group, conn):
        """For a message: who holds what of the group, for how long, as whom."""
        now = time.monotonic()
        return [(str(tx.conn), key, round(now - since, 3), str(holder)) for tx in self.open(conn)
                for (g, key), (since, holder) in tx.locks.items() if g is group]

    def locked(self, group, key, conn):
        return self.among(conn, lambda tx: (group, key) in tx.locks, lambda tx: group in tx.hazy)

    def busy(self, member, conn):
        """Does one hold partitions as this member?"""
        return self.among(conn, lambda tx: any(holder is member for _, holder in tx.locks.values()),
                          lambda tx: member.group in tx.hazy)

    def claims(self, group):
        return self.among(None, lambda tx: any(g is group and holder == "claim" for (g, _), (_, holder) in tx.locks.items()),
                          lambda tx: group in tx.hazy)

    # members

    def end_member(self, member, conn=None, sure=True):
        """Its incarnation has ended. conn: of the session whose own call did that, whose work counts on."""
        for tx in self.open():
            for cons in tx.all_cons:
                if cons.member is not member or cons.dead:
                    continue
                if tx.conn is conn and sure:
                    cons.released = True
                    tx.left.add((cons.group, cons.key))
                elif not cons.released:
                    cons.dead = True if sure else None
        member.group.changes += 1

    def leave(self, member, conn=None):
        group = member.group
        self.end_member(member, conn)
        if member.name is None:
            group.sessions.pop(member.conn, None)
        else:
            group.named.pop(member.name, None)

    # the end of a transaction

    def rolled_back(self, tx, view):
        """The view becomes an earlier one (None: of before the transaction)."""
        for number, (topic, partition, _) in tx.view.flushed.items():
            if view is None or number not in view.flushed:
                self.topics[topic].logs[partition].open.pop(number, None)
        if view is not None:
            tx.view = view.copy()

    def fail(self, tx):
        """An error: what came after the last savepoint is taken back at once; without one it holds nothing any more."""
        tx.failed = True
        self.rolled_back(tx, tx.saves[-1][1] if tx.saves else View())
        if not tx.saves:
            tx.locks, tx.hazy = {}, set()

    def end(self, tx):
        """Either way: what a 40L01 has told is spent."""
        tx.conn.tx = None
        for member in tx.told:
            for key, carry in list(member.carry.items()):
                if carry.position is None:
                    del member.carry[key]
                elif carry.risk or carry.lost:
                    member.carry[key] = carry._replace(risk=False, lost=False, told=True)

    def abort(self, tx):
        self.rolled_back(tx, None)
        self.end(tx)

    def commit(self, tx):
        """The transaction has committed. Events that it produced are for the caller to look up."""
        self.commits += 1
        view = tx.view
        for number, (topic, partition, _) in view.flushed.items():
            self.topics[topic].logs[partition].open.pop(number, None)
        for group in view.dropped:
            group.reset()
            group.dropped = self.commits
        for group, options in view.options.items():
            group.options = options
            group.history.append((self.commits, options))
        for (group, topic), marks in view.marks.items():
            known = group.marks.get(topic, ())
            if known and None not in known:
                continue                # another's: this one has found it busy
            group.marks[topic] = marks if not known else tuple({id(mark): mark for mark in known + marks}.values())
            group.marked[topic] = self.commits
        for (group, key), low in view.wiped.items():
            group.done[key] = {offset for offset in group.done[key] if offset < low}
            group.skipped[key] = [(a, min(b, low)) for a, b in group.skipped[key] if a < low]
        for group, key, low, high in view.skips:
            group.skipped[key].append((low, high))
        for (group, key), rows in view.rows.items():
            group.done[key] |= rows
        for (group, key), position in tx.guesses.items():
            if group.committed.get(key) != position:
                group.guess[key] = {position, group.committed.get(key)}
                group.guessed[key] = self.commits
        last = {}
        for (group, key), part in view.parts.items():
            self.commit_part(tx, group, key, part, last)
        for member, parts in last.items():
            member.last = {key: (position, given) for key, (position, given, _) in parts.items()}
            member.last_sure, member.last_changes = True, min(clean for _, _, clean in parts.values())
        self.end(tx)
        for group in view.dropped:
            member = group.sessions.get(tx.conn)
            if member is not None:
                self.leave(member)

    def commit_part(self, tx, group, key, part, last):
        member = part.member if part.member is not None and part.member is group.member(part.who, tx.conn) else None
        if part.commit is GONE:
            group.committed.pop(key, None)
        elif part.commit is not None:
            group.committed[key] = part.commit
            group.writer[key] = self.commits
        if part.given:
            group.seen[key].update(part.given)
        if part.commit is not None or part.cons:
            # what others remember of the partition means nothing any more
            for other in group.everybody():
                if other is not member:
                    other.last.pop(key, None)
                    if key in other.carry and not other.carry[key].lost:
                        other.carry[key] = Carry(None, None, (), 0, risk=True, told=True)      # but it may be told of a loss
        if member is None:
            return
        if member.name is not None and any(cons.member is member and not cons.taken and not cons.dead for cons in part.cons):
            last.setdefault(member, {})[key] = (part.position, given_last(part.given), part.clean)
        if member.name is None:
            member.carry.pop(key, None)
            if part.pending:
                member.carry[key] = Carry(part.position, part.floor, part.pending, part.clean, False, part.lost, part.told)
