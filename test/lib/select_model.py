#!/usr/bin/env python3
"""Random SELECTs over topics, each compared with the same SELECT over a heap table that holds the same rows.

The heap ("twin") of a topic is filled from read_topic(), which is checked against what was produced; from then on, each
transaction that writes events writes the same rows into the twin, so that both are seen and not seen by the same rules.

A run is a row of rounds, each with topics of its own: plain ones, compacted ones, ones whose beginning is removed, with
aborted batches, rolled-back savepoints and empty partitions. Its seed is the run's and its number, so that
EVENTLOG_SELECT_SEED=7.31 does round 31 of seed 7 alone. One session asks, another has open transactions beside it; one
process steps both, so a seed gives the same statements again.

A finding prints the seed, the step, both queries, the settings, the plan and what came before, and exit is 1.
"""
import collections
import json
import random
import re
import time

import model_run
from model_db import Connection, Finding, Lost, literal
from select_queries import EPOCH, Query

SWITCHES = ("enable_seqscan", "enable_sort", "enable_incremental_sort", "enable_memoize", "enable_material", "enable_hashagg",
            "enable_tidscan", "enable_partition_pruning", "enable_parallel_append", "parallel_leader_participation", "eventlog.enable_seek")
NODES = ("Custom Scan (EventlogSeek)", "Seq Scan", "Tid Scan", "Tid Range Scan", "Append", "Merge Append", "Sort", "Incremental Sort", "Merge Join", "Hash Join", "Nested Loop",
         "Gather", "Gather Merge", "Memoize", "Materialize", "Subplans Removed", "Order: event_offset DESC", "Seek Cond")


class Topic:
    def __init__(self, name, kind, partitions, keys):
        self.name, self.kind, self.partitions, self.keys = name, kind, partitions, keys
        self.seconds = 90000
        self.low, self.high = 0, 0
        self.used = list(range(partitions))


class Model:
    def __init__(self, options):
        self.options = options
        self.trace = open(options.trace, "w") if options.trace else None
        self.rng, self.counts, self.recent = random.Random(), collections.Counter(), collections.deque(maxlen=30)
        self.seed, self.step, self.steps, self.where = "", 0, 0, ""
        self.admin, self.asker, self.beside = (Connection(options.conninfo, name, self.trace) for name in ("admin", "asker", "beside"))
        self.topics, self.number = [], 0
        self.settings = {}

    # connections

    def note(self, conn, sql):
        self.recent.append(f"{conn}: {sql[:300 if ' VALUES ' in sql or '(VALUES' in sql else 1500]}")

    def run(self, conn, sql):
        self.note(conn, sql)
        return conn.ask(sql)

    def open(self):
        for conn in (self.admin, self.asker, self.beside):
            conn.close()
            conn.open()
            conn.level, conn.saves, conn.pending = None, 0, []      # pending: (topic, partition, event): produced, not appended
            conn.ask("SET timezone = 'UTC'; SET jit = off; SET statement_timeout = '60s'")
        self.force = self.admin.value("SELECT name FROM pg_settings WHERE name IN ('force_parallel_mode', 'debug_parallel_query')")

    # topics and their twins

    def event(self, topic):
        """(partition, key, value, headers, event_time); a value is unique."""
        rng = self.rng
        self.number += 1
        key = None if topic.kind != "compacted" and rng.random() < 0.1 else f"k{rng.randrange(topic.keys)}"
        value = None if rng.random() < 0.07 else f"v{self.number}-{rng.getrandbits(4 * (rng.randrange(1, 2000) if rng.random() < 0.05 else rng.randrange(1, 120))):x}"
        headers = '{"n": "%d"}' % rng.randrange(3) if rng.random() < 0.2 else "{}"
        seconds = EPOCH + min(self.number * 7 % topic.seconds, topic.seconds - 1) + rng.randrange(-300, 300)
        return rng.choice(topic.used), key, value, headers, time.strftime("%Y-%m-%d %H:%M:%S+00", time.gmtime(seconds))

    def rows(self, events):
        def text(value, type_):
            return f"NULL::{type_}" if value is None else f"{literal(value)}::{type_}"
        return ", ".join(f"({p}, {text(k, 'text')}, {text(v, 'text')}, {text(h, 'jsonb')}, {text(t, 'timestamptz')})" for p, k, v, h, t in events)

    def make_topic(self, round_number, letter):
        rng = self.rng
        kind = rng.choice(("plain", "plain", "compacted", "trimmed"))
        topic = Topic(f"t{round_number}{letter}", kind, rng.randrange(1, 5), rng.choice((5, 20, 60)))
        if topic.partitions > 1 and rng.random() < 0.5:
            topic.used.remove(rng.choice(topic.used))
        options = {"segment_bytes": 65536, "compression": rng.choice(("none", "lz4", "zstd")), "retention": None, "cleanup_policy": "compact" if kind == "compacted" else "delete"}
        self.run(self.admin, f"SELECT create_topic('{topic.name}', {topic.partitions}, 'text', 'text', {literal(json.dumps(options))})")
        self.run(self.admin, f"CREATE TABLE h_{topic.name} (partition int, event_offset bigint, event_time timestamptz, key text, value text, headers jsonb)")
        if rng.random() < 0.6:
            self.run(self.admin, f"CREATE INDEX ON h_{topic.name} (partition, event_offset)")
        self.view(topic, "default", "false")
        for p in range(topic.partitions):
            self.view(topic, f"p{p}", f"partition = {p}")
        committed = []
        for _ in range(rng.randrange(10, 60)):
            self.fill(topic, committed)
        self.settle(topic)
        self.read_twin(topic, committed)
        self.run(self.admin, f"ANALYZE h_{topic.name}")
        if rng.random() < 0.8:
            self.run(self.admin, f"ANALYZE {topic.name}")
        self.counts["topic " + kind] += 1
        self.topics.append(topic)

    def view(self, topic, leaf, condition):
        self.run(self.admin, f"CREATE VIEW h_{topic.name}_{leaf} AS SELECT * FROM h_{topic.name} WHERE {condition}")

    def produce(self, conn, topic, events):
        self.run(conn, f"SELECT count(produce('{topic.name}', k, v, h, p, t)) FROM (VALUES {self.rows(events)}) e (p, k, v, h, t)")

    def fill(self, topic, committed):
        """One transaction that leaves events, or aborted batches, or both."""
        rng, conn = self.rng, self.admin
        conn.ask("BEGIN")
        stays = []
        for _ in range(rng.randrange(1, 4)):
            events = [self.event(topic) for _ in range(rng.choice((1, 1, 2, 5, 30, 150)))]
            undone = rng.random() < 0.25
            if undone:
                conn.ask("SAVEPOINT s")
            self.produce(conn, topic, events)
            if undone or rng.random() < 0.3:
                conn.ask("SELECT count(*) FROM flush()")
            if undone:
                conn.ask("ROLLBACK TO s")
            else:
                stays += events
        if rng.random() < 0.25:
            conn.ask("SELECT count(*) FROM flush()")
            conn.ask("ROLLBACK")
        else:
            conn.ask("COMMIT")
            committed += stays

    def settle(self, topic):
        """Removes or compacts, while nobody has a snapshot."""
        rng = self.rng
        if topic.kind == "compacted" or rng.random() < 0.3:
            self.run(self.admin, f"VACUUM {topic.name}")
        if topic.kind == "compacted":
            self.run(self.admin, f"SELECT apply_retention('{topic.name}')")
        if topic.kind == "trimmed":
            for p in topic.used:
                start, end = map(int, self.admin.ask(f"SELECT log_start_offset, log_end_offset FROM eventlog_partitions WHERE topic = '{topic.name}'::regclass AND partition = {p}")[0])
                self.run(self.admin, f"SELECT delete_events_before('{topic.name}', {p}, {end if rng.random() < 0.1 else rng.randrange(start, (start + end) // 2 + 1)})")

    def read_twin(self, topic, committed):
        """The twin has what read_topic() gives; and that is what was committed, but for what was removed."""
        for p in range(topic.partitions):
            self.run(self.admin, f"INSERT INTO h_{topic.name} SELECT partition, event_offset, event_time, key, value #>> '{{}}', headers"
                                 f" FROM read_topic('{topic.name}', {p}, NULL, 1000000)")
        there = [(int(p), k, v, t) for p, k, v, t in self.admin.ask(
            f"SELECT partition, key, value, to_char(event_time, 'YYYY-MM-DD HH24:MI:SS+00') FROM h_{topic.name} ORDER BY partition, event_offset")]
        wanted = sorted(((p, k, v, t) for p, k, v, _, t in committed), key=lambda e: e[0])      # stable: in order in each partition
        if topic.kind == "trimmed":
            have = collections.Counter(p for p, _, _, _ in there)
            wanted = [e for p in range(topic.partitions) for e in [w for w in wanted if w[0] == p][::-1][:have[p]][::-1]]
        elif topic.kind == "compacted":
            last = {(e[0], e[1]): e for e in wanted}
            if not set(last.values()) <= set(there) or not set(there) <= set(wanted):
                raise Finding(f"compacted {topic.name} has not what it should")
            self.counts["events compacted"] += len(wanted) - len(there)
            wanted = there
        if there != wanted:
            raise Finding(f"read_topic() of {topic.name} gives {len(there)} events, {len(wanted)} were committed and kept, or others")
        self.measure(topic)

    def measure(self, topic):
        low, high = self.admin.ask(f"SELECT min(log_start_offset), max(log_end_offset) FROM eventlog_partitions WHERE topic = '{topic.name}'::regclass")[0]
        topic.low, topic.high = int(low), max(int(high), int(low) + 1)

    def make_places(self):
        rng = self.rng
        self.run(self.admin, "DROP TABLE IF EXISTS places; CREATE TABLE places (p int, o bigint, n numeric, f float8, t timestamptz, list bigint[])")
        high = max(topic.high for topic in self.topics)
        values = []
        for _ in range(25):
            o = rng.randrange(-2, high + 2)
            values.append(f"({rng.randrange(5)}, {'NULL' if rng.random() < 0.05 else o}, {o + rng.randrange(5)}{rng.choice(('', '.5', '.0'))}, {o}{rng.choice(('', '.5'))},"
                          f" to_timestamp({EPOCH + rng.randrange(90000)}), ARRAY[{o}, {rng.randrange(high + 1)}, NULL])")
        self.run(self.admin, f"INSERT INTO places VALUES {', '.join(values)}; ANALYZE places")

    # transactions

    def begin(self, conn):
        levels = ("READ COMMITTED", "REPEATABLE READ")
        # one alone has no conflicts
        conn.level = self.rng.choice((*levels, "SERIALIZABLE") if conn is self.asker else levels)
        self.run(conn, f"BEGIN ISOLATION LEVEL {conn.level}")
        self.counts["begin " + conn.level] += 1

    def end(self, conn, how=None):
        how = how or self.rng.choice(("COMMIT", "COMMIT", "ROLLBACK"))
        if how == "COMMIT":
            self.flush(conn)
        self.run(conn, how)
        conn.level, conn.saves, conn.pending = None, 0, []
        self.counts["end " + how] += 1

    def write(self, conn):
        """Events and, in the same transaction, the same rows for the twin."""
        rng, topic = self.rng, self.rng.choice(self.topics)
        events = [self.event(topic) for _ in range(rng.choice((1, 2, 5, 40)))]
        topic.high += 1 + len(events) // len(topic.used)
        if rng.random() < 0.5:
            self.flush(conn)
            rows = self.rows(events)
            self.run(conn, f"WITH e (p, k, v, h, t) AS (VALUES {rows}), i AS (INSERT INTO {topic.name} (partition, key, value, headers, event_time) SELECT p, k, v, h, t FROM e"
                           f" RETURNING partition, event_offset, event_time, key, value, headers) INSERT INTO h_{topic.name} SELECT * FROM i")
        else:
            self.produce(conn, topic, events)
            conn.pending += [(topic, event) for event in events]
            if rng.random() < 0.7:
                self.flush(conn)
        self.counts["write"] += 1

    def flush(self, conn):
        """The pending events get their places, and the twin gets them."""
        if not conn.pending:
            return
        given, values = collections.defaultdict(list), collections.defaultdict(list)
        for topic, partition, first, last in self.run(conn, "SELECT topic, partition, first_offset, last_offset FROM flush()"):
            given[topic, int(partition)] += range(int(first), int(last) + 1)
        for topic, (p, k, v, h, t) in conn.pending:
            if not given[topic.name, p]:
                raise Finding("flush() has appended less than was produced")
            values[topic].append(f"({p}, {given[topic.name, p].pop(0)}, {literal(t)}::timestamptz, {'NULL' if k is None else literal(k)},"
                                 f" {'NULL' if v is None else literal(v)}, {literal(h)}::jsonb)")
        if any(given.values()):
            raise Finding("flush() has appended more than was produced")
        for topic, rows in values.items():
            self.run(conn, f"INSERT INTO h_{topic.name} VALUES {', '.join(rows)}")
        conn.pending = []
        self.counts["flush"] += 1

    def savepoint(self, conn):
        if conn.saves and self.rng.random() < 0.6:
            number = self.rng.randrange(conn.saves)
            self.run(conn, f"ROLLBACK TO s{number}; RELEASE s{number}")
            conn.saves, conn.pending = number, []
            self.counts["rollback to"] += 1
        else:
            self.flush(conn)        # what was produced before it survives it, wherever it is appended; the twin's rows would not
            self.run(conn, f"SAVEPOINT s{conn.saves}")
            conn.saves += 1
            self.counts["savepoint"] += 1

    # settings

    def vary(self):
        rng = self.rng
        wanted = {}
        for switch in SWITCHES:
            if rng.random() < (0.04 if switch.startswith("eventlog") else 0.2):
                wanted[switch] = "off"
        if rng.random() < 0.5:      # without two of them joins take for ever, over heaps as well
            wanted[rng.choice(("enable_hashjoin", "enable_mergejoin", "enable_nestloop"))] = "off"
        for switch in ("enable_partitionwise_join", "enable_partitionwise_aggregate"):
            if rng.random() < 0.3:
                wanted[switch] = "on"
        if rng.random() < 0.4:
            wanted["random_page_cost"] = rng.choice(("0.01", "1.1", "100"))
        if rng.random() < 0.15:
            wanted["work_mem"] = "64kB"
        if rng.random() < 0.4:
            wanted.update({"parallel_setup_cost": "10", "parallel_tuple_cost": "0", "min_parallel_table_scan_size": "0", "max_parallel_workers_per_gather": "2"})
            if rng.random() < 0.3:
                wanted[self.force] = "on"
        else:
            wanted["max_parallel_workers_per_gather"] = "0"
        wanted["plan_cache_mode"] = rng.choice(("auto", "force_generic_plan", "force_generic_plan", "force_custom_plan"))
        names = set(self.settings) | set(wanted)
        self.asker.ask("; ".join(f"SET {name} = '{wanted[name]}'" if name in wanted else f"RESET {name}" for name in sorted(names)))
        self.settings = wanted

    # questions

    def judge(self, query, over_topic, over_heap, what):
        """Two answers, in the order that counts or in any."""
        self.counts["rows"] += len(over_heap)
        if over_heap:
            self.counts["answers with rows"] += 1
        if query.total and over_topic == over_heap or not query.total and collections.Counter(over_topic) == collections.Counter(over_heap):
            return
        for side, own, other in (("topic", over_topic, over_heap), ("heap", over_heap, over_topic)):
            more = list((collections.Counter(own) - collections.Counter(other)).elements())
            self.recent.append(f"{len(own)} rows over the {side}, {len(more)} only there: {more[:6]}; the first: {own[:3]}")
        raise Finding(f"{what} differs between topic and heap")

    def explain(self, sql):
        """Counts what kinds of plans there were."""
        plan = "\n".join(row[0] for row in self.asker.ask(f"EXPLAIN (COSTS OFF) {sql}"))
        for node in NODES:
            if re.search(rf"(^|-> ) *(Parallel )?{re.escape(node)}", plan, re.M):
                self.counts["plan " + node] += 1
        self.counts["plans"] += 1
        return plan

    def ask(self):
        rng = self.rng
        query = Query(rng, self.topics)
        kind = query.make()
        choice = [rng.random() < 0.2 for _ in query.values]

        def how(number):
            return f"(SELECT {query.literal(number)})::{query.values[number][0]}" if choice[number] else query.literal(number)
        self.current = [query.render(side, how) for side in (0, 1)]
        if rng.random() < 0.15:
            self.explain(self.current[0])
        answers = [self.run(self.asker, sql) for sql in self.current]
        self.judge(query, *answers, "the answer")
        self.counts["query " + kind] += 1
        self.counts["conditions on ctid"] += query.tids

    def prepare(self):
        rng = self.rng
        query = Query(rng, self.topics)
        kind = query.make()
        types = ", ".join(type_ for type_, _ in query.values)
        self.current = [query.render(side, lambda number: f"${number + 1}") for side in (0, 1)]
        for name, sql in zip(("over_topic", "over_heap"), self.current):
            self.run(self.asker, f"PREPARE {name}{f'({types})' if types else ''} AS {sql}")
        for attempt in range(rng.randrange(1, 4)):
            if attempt:         # the values of a type change places
                for type_ in {type_ for type_, _ in query.values}:
                    places = [i for i, value in enumerate(query.values) if value[0] == type_]
                    texts = [query.values[i][1] for i in places]
                    rng.shuffle(texts)
                    for i, text in zip(places, texts):
                        query.values[i] = (type_, text)
            values = ", ".join(query.literal(number) for number in range(len(query.values)))
            calls = [f"EXECUTE {name}{f'({values})' if values else ''}" for name in ("over_topic", "over_heap")]
            if rng.random() < 0.1:
                self.explain(calls[0])
            answers = [self.run(self.asker, call) for call in calls]
            self.judge(query, *answers, "the answer of a prepared statement")
        self.asker.ask("DEALLOCATE over_topic; DEALLOCATE over_heap")
        self.counts["prepared " + kind] += 1
        self.counts["prepared"] += 1

    def keep(self):
        """Statements that are prepared once and asked again whatever becomes of the topics."""
        rng = self.rng
        self.kept = []
        for number in range(6):
            query = Query(rng, self.topics)
            kind = query.make()
            types = ", ".join(type_ for type_, _ in query.values)
            self.current = [query.render(side, lambda n: f"${n + 1}") for side in (0, 1)]
            for name, sql in zip(("over_topic", "over_heap"), self.current):
                self.run(self.asker, f"PREPARE kept{number}_{name}{f'({types})' if types else ''} AS {sql}")
            self.kept.append((query, kind, self.current))

    def ask_kept(self):
        number = self.rng.randrange(len(self.kept))
        query, kind, self.current = self.kept[number]
        values = ", ".join(query.literal(n) for n in range(len(query.values)))
        answers = [self.run(self.asker, f"EXECUTE kept{number}_{name}{f'({values})' if values else ''}") for name in ("over_topic", "over_heap")]
        self.judge(query, *answers, "the answer of a statement that was kept")
        self.counts["kept"] += 1

    def cursor(self):
        """The same moves of two cursors, also after other events have been written, or the transaction has ended."""
        rng, conn = self.rng, self.asker
        alone = conn.level is None
        if alone:
            self.begin(conn)
        query = Query(rng, self.topics)
        query.cursor()
        self.current = [query.render(side, query.literal) for side in (0, 1)]
        scroll, hold = rng.random() < 0.75, alone and rng.random() < 0.25
        for name, sql in zip(("over_topic", "over_heap"), self.current):
            self.run(conn, f"DECLARE {name} {'SCROLL' if scroll else 'NO SCROLL'} CURSOR {'WITH HOLD' if hold else ''} FOR {sql}")
        for number in range(rng.randrange(1, 14)):
            moves = ["NEXT", f"FORWARD {rng.randrange(1, 20)}", "FORWARD ALL", f"FORWARD {rng.randrange(1, 20)}"]
            if scroll:
                moves += ["PRIOR", f"BACKWARD {rng.randrange(1, 20)}", "BACKWARD ALL", "FIRST", "LAST", f"ABSOLUTE {rng.randrange(-30, 30)}", f"RELATIVE {rng.randrange(-9, 9)}",
                          "PRIOR", f"BACKWARD {rng.randrange(1, 5)}"]
            move = rng.choice(moves)
            answers = [self.run(conn, f"FETCH {move} FROM {name}") for name in ("over_topic", "over_heap")]
            self.judge(query, *answers, f"FETCH {move}")
            self.counts["fetch"] += 1
            if rng.random() < 0.1 and conn.level is not None:
                self.write(conn)
            if rng.random() < 0.1 and self.beside.level is not None:
                self.write(self.beside)
            if hold and conn.level is not None and (number == 3 or rng.random() < 0.2):
                self.end(conn, "COMMIT")
                self.counts["cursor held"] += 1
        if conn.level is not None or hold:
            conn.ask("CLOSE over_topic; CLOSE over_heap")
        if alone and conn.level is not None:
            self.end(conn)
        self.counts["cursor"] += 1

    # rounds

    def change_logs(self):
        """Removes and compacts while nobody is in a transaction; from the twin goes what read_topic() does not give any more."""
        for conn in (self.asker, self.beside):
            if conn.level is not None:
                self.end(conn)
        for topic in self.topics:
            if self.rng.random() < 0.2:
                self.run(self.admin, f"VACUUM FULL {topic.name}")
                self.counts["vacuum full"] += 1
            if self.rng.random() < 0.1:
                self.run(self.admin, f"SELECT alter_topic('{topic.name}', '{{\"partitions\": {topic.partitions + 1}}}')")
                self.view(topic, f"p{topic.partitions}", f"partition = {topic.partitions}")
                topic.used.append(topic.partitions)
                topic.partitions += 1
                self.counts["partition added"] += 1
            if self.rng.random() < 0.1:
                self.run(self.admin, f"TRUNCATE {topic.name}; DELETE FROM h_{topic.name}")
                self.measure(topic)
                self.counts["truncated"] += 1
            if topic.kind == "plain":
                continue
            self.settle(topic)
            gone = self.run(self.admin, f"DELETE FROM h_{topic.name} WHERE (partition, event_offset) NOT IN (SELECT r.partition, r.event_offset"
                                        f" FROM generate_series(0, {topic.partitions - 1}) n, read_topic('{topic.name}', n, NULL, 1000000) r) RETURNING 1")
            self.counts["log changed"] += 1
            self.counts["events removed"] += len(gone)
            self.measure(topic)

    def one(self):
        rng, conn, beside = self.rng, self.asker, self.beside
        pick = rng.random()
        if pick < 0.48:
            self.ask()
        elif pick < 0.52:
            self.ask_kept()
        elif pick < 0.66:
            self.prepare()
        elif pick < 0.73:
            self.cursor()
        elif pick < 0.78:
            self.vary()
        elif pick < 0.88:
            if conn.level is None:
                self.begin(conn)
            elif rng.random() < 0.3:
                self.end(conn)
            elif rng.random() < 0.4:
                self.savepoint(conn)
            else:
                self.write(conn)
        elif pick < 0.985:
            if beside.level is None:
                self.begin(beside)
            elif rng.random() < 0.3:
                self.end(beside)
            elif rng.random() < 0.3:
                self.savepoint(beside)
            else:
                self.write(beside)
        else:
            self.change_logs()

    def round(self, number):
        self.seed = f"{self.options.seed}.{number}"
        self.rng.seed(self.seed)
        self.recent.clear()
        self.topics, self.number, self.settings, self.current = [], 0, {}, []
        self.where = f"seed {self.seed} set-up"
        self.open()
        for letter in "abc"[:self.rng.randrange(2, 4)]:
            self.make_topic(number, letter)
        self.make_places()
        self.vary()
        self.keep()
        for self.step in range(self.rng.randrange(150, 450)):
            self.where = f"seed {self.seed} step {self.step}"
            self.one()
            self.steps += 1
        for conn in (self.asker, self.beside):
            if conn.level is not None:
                self.end(conn)
            conn.close()
        for topic in self.topics:
            problems = self.admin.ask(f"SELECT * FROM check_topic('{topic.name}')")
            if problems:
                raise Finding(f"check_topic('{topic.name}'): {problems[:5]}")
            self.admin.ask(f"SELECT drop_topic('{topic.name}'); DROP TABLE h_{topic.name} CASCADE")
        self.counts["rounds"] += 1

    def report(self, error):
        print(f"FINDING seed {self.seed} step {self.step}: {error}")
        print("what came before:")
        for line in list(self.recent)[-14:]:
            print(f"  {line}")
        print(f"settings: {self.settings}; transactions: {self.asker.level}, beside {self.beside.level}")
        print("the queries:")
        for sql in self.current:
            print(f"  {sql};")
        try:
            if "$1" not in "".join(self.current):
                print(self.explain(self.current[0]))
        except (Finding, Lost, IndexError):
            pass


def main():
    model_run.run(model_run.arguments(), Model)


if __name__ == "__main__":
    main()
