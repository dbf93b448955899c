"""Views and tables of group_model.py's server compared with the twin."""
import collections

from model_acts import Acts
from model_db import Finding, Lost
from model_twin import NEVER

LAG = "SELECT group_name, topic::text, partition, committed_offset, lag FROM eventlog_lag"


class Checks(Acts):
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
        rows = self.admin.ask(LAG)
        while self.has_lost_appender():
            rows = self.admin.ask(LAG)
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

    def has_lost_appender(self):
        """Has the worker ended a session that had appended, so that the log goes on where it stopped? Asked after the view was."""
        for conn in self.world.conns:
            if self.world.terminates and conn.tx is not None and conn.tx.view.flushed:
                try:
                    conn.run("SELECT 1")
                except Lost as error:
                    self.lost(conn, error)
                    return True
        return False

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

    def check_sums(self):
        rows = self.admin.ask("SELECT g.group_name, g.lag, s.lag FROM eventlog_groups g JOIN (SELECT group_name, sum(lag) AS lag"
                              " FROM eventlog_lag GROUP BY 1) s USING (group_name) WHERE g.lag IS DISTINCT FROM s.lag")
        if rows:
            raise Finding(f"eventlog_groups.lag differs from the sum of eventlog_lag.lag: {rows}")

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
