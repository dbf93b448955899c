"""Random queries for select_model.py, each in two forms: over topics, and over the heap tables that hold the same rows.

Where the two differ, a token stands in the text: names of tables, ctid (a row's offset in a topic, which the heap has only
as a column), and constants, which are literals, parameters of a prepared statement or subselects.
"""
import re
import time

OPERATORS = ("<", "<=", "=", ">=", ">", "<>")
ROW_OPERATORS = ("<", "<=", ">=", ">")
COMMUTED = {"<": ">", "<=": ">=", "=": "=", ">=": "<=", ">": "<", "<>": "<>"}
COLUMNS = ("partition", "event_offset", "event_time", "key", "value", "headers")
EPOCH = 1735689600      # 2025-01-01, in s: the first events' time
DEFAULT = -1            # the partition that never holds a row


class Source:
    """Something to select from: a topic, or one of its partitions."""

    def __init__(self, topic, leaf=None):
        self.topic, self.leaf = topic, leaf

    def names(self):
        if self.leaf is None:
            return self.topic.name, f"h_{self.topic.name}"
        leaf = "default" if self.leaf == DEFAULT else f"p{self.leaf}"
        return f"{self.topic.name}_{leaf}", f"h_{self.topic.name}_{leaf}"


class Query:
    def __init__(self, rng, topics):
        self.rng, self.topics = rng, topics
        self.tokens = []        # (text over topics, text over heaps)
        self.values = []        # (type, text): constants
        self.text, self.total = "", False       # total: the order of rows is determined
        self.tids = 0

    # tokens

    def both(self, topic, heap):
        self.tokens.append((topic, heap))
        return f"\x01{len(self.tokens) - 1}\x02"

    def const(self, type_, text):
        """A constant; text None is NULL."""
        self.values.append((type_, text))
        return f"\x03{len(self.values) - 1}\x04"

    def render(self, side, how):
        """The text over topics (side 0) or heaps (1), with constants as literals, params or a mixture with subselects (how: a function of their number)."""
        text = self.text
        for _ in range(3):      # a token may stand inside another
            text = re.sub("\x01(\\d+)\x02", lambda m: self.tokens[int(m[1])][side], text)
        return re.sub("\x03(\\d+)\x04", lambda m: how(int(m[1])), text)

    def literal(self, number):
        type_, text = self.values[number]
        return f"NULL::{type_}" if text is None else "'" + text.replace("'", "''") + f"'::{type_}"

    # constants

    def offset_text(self, source):
        rng, low, high = self.rng, source.topic.low, source.topic.high
        pick = rng.random()
        if pick < 0.75:
            return rng.randrange(low - 2, high + 3)
        if pick < 0.9:
            return rng.choice((low, low - 1, high, high - 1, high + 1, 0))
        return rng.choice((-1, -32768, 2**15, 2**31 - 1, 2**47 - 1, 2**47, 2**63 - 1, -2**63))

    def offset(self, source):
        """A constant to compare an offset with, of whatever type."""
        rng, n = self.rng, self.offset_text(source)
        pick = rng.random()
        if pick < 0.03:
            return self.const(rng.choice(("bigint", "int", "numeric", "float8")), None)
        if pick < 0.15:
            return self.const("numeric", rng.choice((f"{n}", f"{n}.5", f"{n}.0", "NaN", "Infinity", "-1e30")))
        if pick < 0.22:
            return self.const(rng.choice(("float8", "float4")), rng.choice((f"{n}", f"{n}.25", "NaN", "-Infinity")))
        if pick < 0.5 and -2**31 <= n < 2**31:
            return self.const("int", str(n))
        if pick < 0.55 and -2**15 <= n < 2**15:
            return self.const("smallint", str(n))
        return self.const("bigint", str(n))

    def offsets(self, source, at_most=12):
        """An array of them."""
        rng = self.rng
        numbers = [self.offset_text(source) for _ in range(rng.randrange(at_most))]
        if rng.random() < 0.3 and numbers:
            start = rng.randrange(source.topic.low, source.topic.high + 1)
            numbers += range(start, start + rng.randrange(40))
        rng.shuffle(numbers)
        texts = [str(n) for n in numbers]
        pick = rng.random()
        if pick < 0.2:
            type_ = "numeric[]"
            texts = [text + rng.choice(("", ".0", ".5")) for text in texts]
        elif pick < 0.4:
            type_ = "int[]"
            texts = [str(n) for n in numbers if -2**31 <= n < 2**31]
        else:
            type_ = "bigint[]"
        if rng.random() < 0.15:
            texts.insert(rng.randrange(len(texts) + 1), "NULL")
        return self.const(type_, None if rng.random() < 0.02 else "{" + ",".join(texts) + "}")

    def partition(self, source):
        rng = self.rng
        n = rng.randrange(-1, source.topic.partitions + 1)
        return self.const(rng.choice(("int", "int", "int", "bigint", "smallint", "numeric")), None if rng.random() < 0.02 else str(n))

    def time(self, source):
        rng = self.rng
        if rng.random() < 0.06:
            return self.const("timestamptz", rng.choice(("infinity", "-infinity", None)))
        seconds = EPOCH + rng.randrange(-50, source.topic.seconds + 50)
        pick = rng.random()
        if pick < 0.1:
            return self.const("date", rng.choice(("2024-12-31", "2025-01-01", "2025-01-02")))
        text = time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(seconds)) + rng.choice(("", "", ".0005", ".25"))
        return self.const("timestamp" if pick < 0.25 else "timestamptz", text)

    def key(self, source):
        return self.const("text", f"k{self.rng.randrange(source.topic.keys)}")

    # conditions

    def compare(self, left, op, right):
        return f"{right} {COMMUTED[op]} {left}" if self.rng.random() < 0.2 else f"{left} {op} {right}"

    def row(self, a, source):
        rng = self.rng
        makers = {"partition": self.partition, "event_offset": self.offset, "event_time": self.time, "key": self.key}
        if rng.random() < 0.1:      # columns on both sides
            return f"({a}.partition, {self.offset(source)}) {rng.choice(ROW_OPERATORS)} ({self.partition(source)}, {a}.event_offset)"
        columns = rng.choice((("partition", "event_offset"), ("partition", "event_offset"), ("partition", "event_offset"), ("event_offset", "partition"),
                              ("event_offset", "key"), ("event_time", "event_offset"), ("partition", "event_time", "event_offset"),
                              ("partition", "event_offset", "key"), ("key", "event_offset"), ("event_offset", "event_time")))
        left = ", ".join(f"{a}.{column}" for column in columns)
        right = ", ".join(makers[column](source) for column in columns)
        return self.compare(f"({left})", rng.choice(ROW_OPERATORS), f"({right})")

    def tid(self, a, source):
        """A condition on ctid in a topic's partition is one on offsets in the heap."""
        rng = self.rng

        def tid(n):
            return f"({n >> 15},{(n & 32767) + 1})"
        if source.leaf is None:
            return self.by_offset(a, source)
        self.tids += 1
        n = rng.randrange(max(source.topic.low - 2, 0), source.topic.high + 3)
        kind = rng.randrange(3)
        if kind == 0:
            return self.both(f"{a}.ctid = '{tid(n)}'", f"{a}.event_offset = {n}")
        if kind == 1:
            numbers = [rng.randrange(max(source.topic.low - 2, 0), source.topic.high + 3) for _ in range(rng.randrange(1, 30))]
            tids = ",".join(f'"{tid(n)}"' for n in numbers)
            return self.both(f"{a}.ctid = ANY ('{{{tids}}}')", f"{a}.event_offset = ANY ('{{{','.join(map(str, numbers))}}}')")
        op = rng.choice(("<", "<=", ">=", ">"))
        return self.both(f"{a}.ctid {op} '{tid(n)}'", f"{a}.event_offset {op} {n}")

    def by_offset(self, a, source):
        rng = self.rng
        pick = rng.randrange(9)
        if pick == 8:
            return rng.choice((self.compare(f"{a}.event_offset::{rng.choice(('numeric', 'float8', 'float4', 'text::bigint'))}", rng.choice(OPERATORS), self.offset(source)),
                               f"{a}.event_offset {rng.choice(OPERATORS)} {rng.choice(('ANY', 'ALL'))} ({self.offsets(source)})",
                               f"{a}.event_offset + {rng.randrange(3)} {rng.choice(OPERATORS)} {self.offset(source)}",
                               f"{a}.event_offset {rng.choice(OPERATORS)} {a}.partition::{rng.choice(('bigint', 'int', 'numeric'))}"))
        if pick < 4:
            return self.compare(f"{a}.event_offset", rng.choice(OPERATORS), self.offset(source))
        if pick == 4:
            return f"{a}.event_offset BETWEEN {self.offset(source)} AND {self.offset(source)}"
        if pick == 5:
            return f"{a}.event_offset {rng.choice(('IN', 'IN', 'IN', 'NOT IN'))} ({', '.join(self.offset(source) for _ in range(rng.randrange(1, 8)))})"
        if pick == 6:
            return f"{a}.event_offset = ANY ({self.offsets(source)})"
        start = self.const("int", str(rng.randrange(0, source.topic.high + 1)))
        return f"{a}.event_offset = ANY (ARRAY(SELECT generate_series({start}::bigint, {start}::bigint + 60, {rng.randrange(1, 9)})))"

    def condition(self, a, source, depth=0):
        rng = self.rng
        pick = rng.random()
        if pick < 0.34:
            return self.by_offset(a, source)
        if pick < 0.46:
            return self.row(a, source)
        if pick < 0.52:
            return self.compare(f"{a}.partition", rng.choice(OPERATORS), self.partition(source))
        if pick < 0.55:
            return f"{a}.partition IN ({self.partition(source)}, {self.partition(source)})"
        if pick < 0.66:
            return self.compare(f"{a}.event_time", rng.choice(OPERATORS[:5]), self.time(source))
        if pick < 0.68:
            return f"{a}.event_time {rng.choice(('=', '=', '>=', '<'))} ANY (ARRAY[{self.time(source)}, {self.time(source)}]::timestamptz[])"
        if pick < 0.72:
            return rng.choice((f"{a}.key = {self.key(source)}", f"{a}.key IN ({self.key(source)}, {self.key(source)})", f"{a}.key LIKE '%1%'", f"{a}.key > {self.key(source)}"))
        if pick < 0.78:
            return rng.choice((f"{a}.key IS NULL", f"{a}.value IS NOT NULL", f"{a}.value IS NULL", f"{a}.headers ->> 'n' = '1'", f"{a}.headers = '{{}}'",
                               f"length({a}.value) > 40", f"{a}.event_offset IS NOT NULL", f"{a}.event_offset IS NULL"))
        if pick < 0.82:
            return f"{a}.event_offset % {rng.randrange(2, 30)} = {rng.randrange(2)}"
        if pick < 0.88:
            return self.tid(a, source)
        if depth < 2 and pick < 0.93:
            return f"({self.condition(a, source, depth + 1)} {rng.choice(('OR', 'AND'))} {self.condition(a, source, depth + 1)})"
        if depth < 2 and pick < 0.95:
            return f"NOT ({self.condition(a, source, depth + 1)})"
        if depth < 1:
            return self.subquery(a, source)
        return self.by_offset(a, source)

    def subquery(self, a, source):
        rng = self.rng
        other = self.source()
        table = self.table(other, "s")
        kind = rng.randrange(6)
        where = self.where("s", other, 0, 2, depth=2)
        if kind == 0:
            return f"{a}.event_offset IN (SELECT s.event_offset FROM {table}{where})"
        if kind == 1:
            return f"{rng.choice(('', 'NOT '))}EXISTS (SELECT FROM {table}{self.also(where)} s.event_offset = {a}.event_offset{rng.choice((' + 1', '', ' - 3'))})"
        if kind == 2:
            return f"{a}.event_offset {rng.choice(OPERATORS[:5])} (SELECT {rng.choice(('min', 'max'))}(s.event_offset) FROM {table}{where})"
        if kind == 3:
            return f"{a}.event_offset = ANY (ARRAY(SELECT s.event_offset FROM {table}{where}))"
        if kind == 4:
            return f"({a}.partition, {a}.event_offset) IN (SELECT s.partition, s.event_offset FROM {table}{where})"
        return f"{a}.event_time >= (SELECT {rng.choice(('min', 'max'))}(s.event_time) FROM {table}{where})"

    @staticmethod
    def also(where):
        return f"{where} AND" if where else " WHERE"

    def where(self, a, source, low, high, depth=0):
        conditions = [self.condition(a, source, depth) for _ in range(self.rng.randrange(low, high + 1))]
        return " WHERE " + " AND ".join(conditions) if conditions else ""

    # tables

    def source(self):
        topic = self.rng.choice(self.topics)
        if self.rng.random() < 0.03:
            return Source(topic, DEFAULT)
        return Source(topic, self.rng.randrange(topic.partitions) if self.rng.random() < 0.45 else None)

    def table(self, source, alias):
        return f"{self.both(*source.names())} {alias}"

    # orders

    def direction(self):
        return self.rng.choice(("", "", "", " DESC", " DESC", " DESC", " NULLS FIRST", " DESC NULLS LAST"))

    def total_order(self, sources):
        """An ORDER BY that says of any two rows which comes first."""
        rng, terms = self.rng, []
        for alias, source in sources:
            columns = ["event_offset"] if source.leaf is not None and rng.random() < 0.6 else ["partition", "event_offset"]
            if rng.random() < 0.3:
                rng.shuffle(columns)
            if rng.random() < 0.15:
                columns.insert(rng.randrange(len(columns) + 1), rng.choice(("event_time", "key", "value")))
            terms += [f"{alias}.{column}" for column in columns]
        way = self.direction() if rng.random() < 0.7 else None
        self.total = True
        return " ORDER BY " + ", ".join(term + (self.direction() if way is None else way) for term in terms)

    def limit(self):
        rng = self.rng
        pick = rng.random()
        if pick < 0.35:
            return ""
        text = f" LIMIT {rng.choice((0, 1, 1, 2, 5, 10, 50))}"
        if pick < 0.45:
            return f" FETCH FIRST {rng.randrange(1, 10)} ROWS WITH TIES"
        return text + (f" OFFSET {rng.randrange(30)}" if pick > 0.8 else "")

    # whole queries

    def make(self):
        kind = self.rng.choices((self.plain, self.aggregate, self.join, self.outer, self.lateral, self.places, self.set_operation, self.window, self.union_all,
                                 self.correlated, self.recursive),
                                (40, 10, 10, 5, 6, 10, 5, 4, 5, 5, 2))[0]
        kind()
        return kind.__name__

    def some_columns(self, a):
        rng = self.rng
        if rng.random() < 0.3:
            return f"{a}.*"
        return ", ".join(f"{a}.{column}" for column in rng.sample(COLUMNS, rng.randrange(1, len(COLUMNS) + 1)))

    def plain(self):
        rng, source = self.rng, self.source()
        self.text = f"SELECT {self.some_columns('a')} FROM {self.table(source, 'a')}{self.where('a', source, 0, 3)}"
        if rng.random() < 0.75:
            self.text += self.total_order([("a", source)]) + self.limit()
        elif rng.random() < 0.3:
            self.text += " ORDER BY " + rng.choice(("a.partition", "a.event_offset DESC", "a.event_time", "a.key"))
        elif rng.random() < 0.2:
            self.text = self.text.replace("SELECT ", "SELECT DISTINCT ", 1)

    def aggregate(self):
        rng, source = self.rng, self.source()
        what = ", ".join(rng.sample(("count(*)", "min(a.event_offset)", "max(a.event_offset)", "sum(a.event_offset)", "max(a.event_time)", "count(DISTINCT a.key)", "min(a.key)",
                                     "string_agg(a.key, ',' ORDER BY a.partition, a.event_offset)", "array_agg(a.event_offset ORDER BY a.event_offset DESC)",
                                     "count(*) FILTER (WHERE a.value IS NULL)"), rng.randrange(1, 4)))
        where = self.where("a", source, 0, 2)
        if rng.random() < 0.2:
            self.text = (f"SELECT DISTINCT ON (a.partition) {self.some_columns('a')} FROM {self.table(source, 'a')}{where}"
                         f" ORDER BY a.partition{self.direction()}, a.event_offset{self.direction()}")
        elif rng.random() < 0.5:
            self.text = f"SELECT {what} FROM {self.table(source, 'a')}{where}"
        else:
            by = rng.choice(("a.partition", "a.key", "a.event_offset", "a.partition, a.event_offset", "a.event_offset / 50"))
            self.text = f"SELECT {by}, {what} FROM {self.table(source, 'a')}{where} GROUP BY {by}"
            if rng.random() < 0.5:
                self.text += f" ORDER BY {by}"
                self.total = True

    def on_offset(self, a, b):
        shift = self.rng.choice(("", "", " + 1", " - 2"))
        return self.rng.choice((f"{a}.partition = {b}.partition AND {a}.event_offset = {b}.event_offset{shift}", f"{a}.event_offset = {b}.event_offset{shift}"))

    def join(self, kind="JOIN"):
        rng, a, b = self.rng, self.source(), self.source()
        on = self.on_offset("a", "b")
        if kind == "JOIN" and rng.random() < 0.2:
            on = f"a.key = b.key AND b.event_offset BETWEEN {b.topic.low} AND {b.topic.low + 40}"
        where = self.where("a", a, 0, 2)
        if rng.random() < 0.4:
            where = f"{self.also(where)} {self.condition('b', b, 1)}"
        self.text = f"SELECT a.partition, a.event_offset, b.partition, b.event_offset, b.key, a.value FROM {self.table(a, 'a')} {kind} {self.table(b, 'b')} ON {on}{where}"
        if rng.random() < 0.5:
            self.text += self.total_order([("a", a), ("b", b)]) + (self.limit() if kind == "JOIN" else "")

    def outer(self):
        self.join(self.rng.choice(("LEFT JOIN", "RIGHT JOIN", "FULL JOIN")))
        self.total = False

    def lateral(self):
        rng, a, b = self.rng, self.source(), self.source()
        inner = rng.choice(("s.event_offset > a.event_offset", "s.event_offset <= a.event_offset", "(s.partition, s.event_offset) > (a.partition, a.event_offset)",
                            "s.event_offset = ANY (ARRAY[a.event_offset, a.event_offset + 7, NULL])", "s.event_time >= a.event_time AND s.partition = a.partition",
                            "s.event_offset = a.event_offset::numeric"))
        order = "s.event_offset" + self.direction() if b.leaf is not None else rng.choice(("s.partition{0}, s.event_offset{0}", "s.event_offset{0}, s.partition{0}")).format(self.direction())
        outer = f"(SELECT * FROM {self.table(a, 'i')}{self.where('i', a, 0, 2, depth=2)} ORDER BY i.partition, i.event_offset LIMIT {rng.randrange(1, 30)})"
        self.text = (f"SELECT a.partition, a.event_offset, b.partition, b.event_offset, b.key FROM {outer} a {rng.choice(('CROSS JOIN LATERAL', 'LEFT JOIN LATERAL'))} "
                     f"(SELECT * FROM {self.table(b, 's')} WHERE {inner} ORDER BY {order} LIMIT {rng.randrange(1, 4)}) b")
        if "LEFT" in self.text:
            self.text += " ON true"

    def places(self):
        """With a table of places to look up."""
        rng, a = self.rng, self.source()
        on = rng.choice(("a.event_offset = p.o", "a.partition = p.p AND a.event_offset = p.o", "a.event_offset = p.n", "a.event_offset = p.f", "a.event_offset > p.o AND a.event_offset < p.o + 3",
                         "a.event_offset = ANY (p.list)", "a.event_offset BETWEEN p.o AND p.n AND a.partition = p.p", "a.partition = p.p AND a.event_time >= p.t AND a.event_offset < p.o",
                         "(a.partition, a.event_offset) >= (p.p, p.o) AND a.event_offset < p.o + 2"))
        self.text = (f"SELECT p.o, p.n, a.partition, a.event_offset, a.key FROM places p {rng.choice(('JOIN', 'JOIN', 'LEFT JOIN'))} {self.table(a, 'a')} ON {on}"
                     f"{self.where('a', a, 0, 1)}")

    def set_operation(self):
        rng = self.rng
        parts = []
        for _ in range(2):
            source = self.source()
            parts.append(f"SELECT a.partition, a.event_offset, a.key FROM {self.table(source, 'a')}{self.where('a', source, 0, 2)}")
        self.text = f" {rng.choice(('UNION', 'UNION ALL', 'INTERSECT', 'INTERSECT ALL', 'EXCEPT', 'EXCEPT ALL'))} ".join(parts)
        if rng.random() < 0.4:
            self.text += " ORDER BY 1, 2, 3"
            self.total = True

    def union_all(self):
        """An append of other columns and of constants, in an order."""
        rng, a, b = self.rng, self.source(), self.source()
        column = rng.choice(("event_offset", "event_offset + 1", "5 * event_offset", "-event_offset"))
        self.text = (f"SELECT * FROM (SELECT event_offset AS o, partition AS p, 1 AS n FROM {self.table(a, '')} UNION ALL SELECT {column}, {rng.choice(('partition', '7', '-partition'))}, 2 "
                     f"FROM {self.table(b, '')}) u WHERE u.o {rng.choice(ROW_OPERATORS)} {self.offset(a)} ORDER BY {rng.choice(('o, p, n', 'p, o, n', 'o DESC, p, n', 'p DESC, o, n'))}{self.limit()}")
        self.total = True

    def correlated(self):
        """A subselect for each row, of which some ask again for what they asked before."""
        rng, a, b = self.rng, self.source(), self.source()
        inner = rng.choice(("s.event_offset < a.event_offset", "s.event_offset = a.event_offset - 1 AND s.partition = a.partition", "(s.event_offset, s.partition) <= (a.event_offset, a.partition)",
                            "s.event_offset IN (a.event_offset, a.partition)", "s.event_offset > a.event_offset % 7", "s.event_offset = ANY (ARRAY[a.event_offset % 5, NULL, a.partition])",
                            "s.event_time > a.event_time", "s.event_offset < CASE a.partition WHEN 0 THEN NULL ELSE a.event_offset END"))
        self.text = (f"SELECT a.partition, a.event_offset, (SELECT {rng.choice(('min', 'max', 'count'))}(s.event_offset) FROM {self.table(b, 's')} WHERE {inner})"
                     f" FROM (SELECT * FROM {self.table(a, 'i')}{self.where('i', a, 0, 2, depth=2)} ORDER BY i.partition, i.event_offset LIMIT {rng.randrange(1, 25)}) a")

    def recursive(self):
        """From event to event."""
        rng, a = self.rng, self.source()
        step = rng.choice(("s.event_offset > w.o AND s.event_offset <= w.o + 3", "(s.partition, s.event_offset) > (w.p, w.o) AND s.event_offset < w.o + 2", "s.event_offset = ANY (ARRAY[w.o + 1, w.o + 5])"))
        self.text = (f"WITH RECURSIVE w (n, p, o) AS (VALUES (0, 0, {self.const('bigint', str(a.topic.low))}) UNION"
                     f" SELECT w.n + 1, s.partition, s.event_offset FROM w JOIN {self.table(a, 's')} ON {step} WHERE w.n < {rng.randrange(1, 4)}) SELECT * FROM w")

    def window(self):
        source = self.source()
        what = self.rng.choice(("row_number() OVER (PARTITION BY a.partition ORDER BY a.event_offset)", "lag(a.key) OVER (ORDER BY a.partition, a.event_offset)",
                                "count(*) OVER (ORDER BY a.event_offset RANGE BETWEEN 5 PRECEDING AND CURRENT ROW)", "max(a.event_offset) OVER (PARTITION BY a.key)"))
        self.text = f"SELECT a.partition, a.event_offset, {what} FROM {self.table(source, 'a')}{self.where('a', source, 0, 2)}"

    def cursor(self):
        """One with a total order, for a cursor."""
        source = self.source()
        where = self.where("a", source, 0, 2)
        self.text = f"SELECT a.partition, a.event_offset, a.key, length(a.value) FROM {self.table(source, 'a')}{where}{self.total_order([('a', source)])}"
        if self.rng.random() < 0.2:
            self.text += self.limit()
