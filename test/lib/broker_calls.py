"""What 071_broker_functions.pl does over eventlog-broker's functions that psql cannot: raw batches, and notifications that
arrive while a call is running.

usage: broker_calls.py SCENARIO CONNINFO [CONNINFO of a standby]

Prints "ok - ..." or "not ok - ..." for each check.
"""
import select
import struct
import sys
import time

import psycopg
import record_batch

PATIENCE = 30       # seconds for what has to happen
HEADER = struct.Struct(">qiibIhiqqqhii")


def batch(*values):
    return record_batch.batch([(b"k", value) for value in values], at=1704067200000)


def split(records):
    while records:
        size = 12 + struct.unpack_from(">i", records, 8)[0]
        yield records[:size]
        records = records[size:]


def as_sent(raw):
    """A batch of the log as a producer would send it."""
    return struct.pack(">q", 0) + raw[8:12] + struct.pack(">i", -1) + raw[16:]


failed = False


def check(condition, what, *shown):
    global failed
    failed |= not condition
    print(("ok - " if condition else "not ok - ") + what, *(() if condition else shown), flush=True)


class Broker:
    def __init__(self, conninfo):
        self.conninfo = conninfo
        self.db = psycopg.connect(conninfo, autocommit=True)

    def topic(self, name):
        return self.db.execute("SELECT topic_id, relid FROM _eventlog.broker_topics('{public}', ARRAY[%s])", (name,)).fetchone()

    def append(self, topic, *batches, partition=0):
        return self.db.execute("SELECT * FROM _eventlog.broker_append(%s, %s, %s)", (
            [topic] * len(batches), [partition] * len(batches), list(batches))).fetchall()

    def fetch(self, topic, offset, partition=0, limit=1 << 20):
        """The partition's row, with the records of those that go on with it."""
        first, *more = self.db.execute("SELECT * FROM _eventlog.broker_fetch(%s, %s, %s, %s, %s)", (
            [topic], [partition], [offset], [limit], limit)).fetchall()
        return (*first[:4], b"".join([first[4], *(row[4] for row in more)]) if more else first[4])

    def read_all(self, topic, offset=0, partition=0, limit=1 << 20):
        """All batches from there on to the stable offset."""
        batches = []
        while True:
            wrong, stable, _, _, records = self.fetch(topic, offset, partition, limit)
            if wrong or not records:
                return batches
            batches += split(records)
            header = HEADER.unpack_from(batches[-1])
            offset = header[0] + header[6] + 1


class Watch:
    """A session that runs broker_watch()."""

    def __init__(self, conninfo, before=None):
        self.db = psycopg.connect(conninfo, autocommit=True)
        if before:
            self.db.execute(before)
        self.pg = self.db.pgconn
        self.pid = self.db.info.backend_pid
        self.got = []
        self.error = None
        self.pg.send_query(b"CALL _eventlog.broker_watch()")
        self.pg.flush()
        self.wait("m")
        self.wait("e *")

    def poll(self, timeout):
        select.select([self.pg.socket], [], [], timeout)
        try:
            self.pg.consume_input()
            while (note := self.pg.notifies()) is not None:
                self.got.append((time.monotonic(), note.extra.decode()))
                assert note.relname == b"eventlog" and note.be_pid == self.pid
            if not self.pg.is_busy():
                result = self.pg.get_result()
                self.error = result.error_message if result else b""
        except psycopg.Error as error:
            self.error = str(error).encode()

    def wait(self, wanted, seconds=PATIENCE):
        """The time when a message came that is wanted, or begins so; None if none did."""
        until = time.monotonic() + seconds
        while True:
            for n, (at, message) in enumerate(self.got):
                if message == wanted or (message.startswith("e ") and wanted in message.split()):
                    del self.got[n]
                    return at
            if self.error is not None or time.monotonic() > until:
                return None
            self.poll(0.1)

    def end(self, seconds=PATIENCE):
        until = time.monotonic() + seconds
        while self.error is None and time.monotonic() < until:
            self.poll(0.1)
        return self.error


def codecs(conninfo):
    b = Broker(conninfo)
    for codec, number in ("none", 0), ("lz4", 3), ("zstd", 4):
        b.db.execute(f"""SELECT create_topic('from_{codec}', 1, 'text', 'text', '{{"compression": "{codec}"}}'),
            create_topic('to_{codec}', 1, 'bytea', 'text', '{{"segment_bytes": 65536}}')""")
        b.db.execute(f"""SELECT produce('from_{codec}', 'k' || i, repeat(md5(i::text), 30), headers => '{{"h": "x"}}')
            FROM generate_series(1, 500) i""")
        source, target = b.topic(f"from_{codec}")[0], b.topic(f"to_{codec}")[0]
        raw = b.read_all(source, limit=100000)
        check({HEADER.unpack_from(x)[5] for x in raw} == {number} and len(raw) > 1, f"{codec}: SQL's batches are fetched as they are")
        check(all(record_batch.crc32c(x[21:]) == HEADER.unpack_from(x)[4] for x in raw), "... and whole")
        rows = b.append(target, *map(as_sent, raw))
        check(all(row[0] is None for row in rows), "... and appended", rows)
        back = b.read_all(target, limit=1)
        check([x[16:] for x in back] == [x[16:] for x in raw], "... byte for byte, over pages and segments")
        check([HEADER.unpack_from(x)[0] for x in back] == [row[1] for row in rows], "... at the offsets told")
        check(b.db.execute(f"SELECT count(*) FROM from_{codec} f JOIN to_{codec} t USING (event_offset, value, headers)"
                           ).fetchone() == (500,), "... and SQL reads the same events")
    # 3 MB in one batch: larger than a segment
    values = [bytes([65 + n]) * 300000 for n in range(10)]
    b.append(target, batch(b"small"), batch(*values), batch(b"small"))
    back = b.read_all(target, 500, limit=10)
    check([len(x) for x in back][1] > 3000000 and back[1][16:] == batch(*values)[16:], "a batch over many segments comes back whole")
    check(b.db.execute("SELECT * FROM check_topic('to_zstd')").fetchall() == [], "the log is sound")
    try:
        from kafka.record.default_records import DefaultRecordBatchBuilder
    except ImportError:
        print("ok - # SKIP no kafka-python")
        return
    for number in 0, 3, 4:
        builder = DefaultRecordBatchBuilder(magic=2, compression_type=number, is_transactional=False, producer_id=-1, producer_epoch=-1,
                                            base_sequence=-1, batch_size=100000)
        for n in range(100):
            builder.append(n, timestamp=1704067200000 + n, key=b"k%d" % n, value=b"v", headers=[("h", b"x")])
        sent = bytes(builder.build())
        wrong, base = b.append(target, sent)[0][:2]
        check(wrong is None and b.read_all(target, base)[0][16:] == sent[16:], f"a batch of kafka-python's, codec {number}", wrong)


def watch(conninfo):
    b = Broker(conninfo)
    run = b.db.execute
    run("SELECT create_topic('w', 2, 'bytea', 'bytea'), create_topic('many', 300, 'text', 'text')")
    topic, oid = b.topic("w")
    w = Watch(conninfo, "SET statement_timeout = '500ms'")

    b.append(topic, batch(b"x"), partition=1)
    check(w.wait(f"{oid}/1") is not None, "an append is told, with its partition")
    run("SELECT produce('w', '\\x01'::bytea, '\\x02'::bytea, partition => 0)")
    check(w.wait(f"{oid}/0") is not None, "an event of produce(), too")
    with b.db.transaction(force_rollback=True):
        b.append(topic, batch(b"x"))
    check(w.wait(f"{oid}/0") is not None, "and one that was aborted: the end has moved")
    run("BEGIN")
    b.append(topic, batch(b"x"))
    run("PREPARE TRANSACTION 'w'")
    run("COMMIT PREPARED 'w'")
    check(w.wait("*") is not None, "a prepared transaction")
    run("SELECT produce('many', 'k', 'v', partition => i) FROM generate_series(0, 299) i")
    check(w.wait("*") is not None, "more partitions than the list has room for")
    run("TRUNCATE w")
    check(w.wait(f"{oid}/1") is not None, "TRUNCATE")

    # what is told is there: no look comes too early
    late = 0
    for n in range(300):
        end = b.append(topic, batch(b"x"))[0][1] + 1
        if w.wait(f"{oid}/0") is None or b.fetch(topic, end - 1)[1] < end:
            late += 1
    check(late == 0, "each of 300 commits is told, and then seen", late)

    for statement in ("SELECT create_topic('made')", "GRANT SELECT ON made TO pg_monitor", "SELECT alter_topic('made', '{\"partitions\": 2}')",
                      "ALTER TABLE made RENAME TO named", "SELECT alter_topic('named', '{\"kafka_name\": \"x\"}')", "SELECT drop_topic('named')",
                      "CREATE ROLE watched", "GRANT pg_monitor TO watched", "DROP ROLE watched"):
        check(w.wait("h") is not None, "... alive")
        w.got.clear()
        run(statement)
        check(w.wait("m") is not None, f"metadata: {statement}")
    # until the next two heartbeats nothing else is told; a session's first temporary table may make a schema
    run("CREATE TEMP TABLE first (i int)")
    w.wait("h")
    w.wait("h")
    w.got.clear()
    for _ in range(20):
        run("CREATE TEMP TABLE nothing (i int); INSERT INTO nothing VALUES (1); ANALYZE nothing; DROP TABLE nothing")
    w.wait("h")
    w.wait("h")
    check(not any(message == "m" for _, message in w.got), "tables that are no topics' are nobody's business", w.got)
    check(run("SELECT backend_xmin, backend_xid, state FROM pg_stat_activity WHERE pid = %s", (w.pid,)).fetchone() == (
        None, None, "active"), "no snapshot is held, and statement_timeout is over long ago")
    check(run("SELECT count(*) FROM pg_locks WHERE pid = %s AND locktype = 'relation'", (w.pid,)).fetchone() == (0,), "and no lock")

    # a lock that somebody else holds stops nothing
    other = psycopg.connect(conninfo)
    other.execute("LOCK TABLE w, many IN ACCESS EXCLUSIVE MODE")
    run("SELECT create_topic('beside')")
    check(w.wait("m") is not None and w.wait("h") is not None, "a topic that is locked holds up no message")
    other.rollback()

    # coalesced: many commits, few messages
    w.wait("h")
    w.got.clear()
    begun = time.monotonic()
    for _ in range(2000):
        b.append(topic, batch(b"x"))
    ended = time.monotonic()
    w.wait("h")
    rounds = len({round(at, 5) for at, message in w.got if message.startswith("e")})
    check(0 < rounds <= (ended - begun) * 1000 + 50, "at most one message a millisecond", rounds, ended - begun)

    # who goes is gone
    run("SELECT pg_terminate_backend(%s)", (w.pid,))
    check(b"terminating connection" in w.end(), "pg_terminate_backend() ends it", w.error)
    w = Watch(conninfo)
    w.db.close()
    gone = f"SELECT count(*) FROM pg_stat_activity WHERE pid = {w.pid}"
    until = time.monotonic() + PATIENCE
    while run(gone).fetchone()[0] and time.monotonic() < until:
        time.sleep(0.02)
    check(run(gone).fetchone() == (0,), "a client that has gone ends it")
    watchers = [Watch(conninfo) for _ in range(16)]
    check(all(x.error is None for x in watchers), "sixteen at a time")
    w = Watch(conninfo)
    check(b"too many sessions run broker_watch()" in (w.error or b""), "and no more", w.error)
    watchers.pop().db.close()
    until = time.monotonic() + PATIENCE
    while w.error is not None and time.monotonic() < until:
        w = Watch(conninfo)
    check(w.error is None, "a place that is left is taken")


def stopped(conninfo):
    """Prints when it watches; the server is stopped then."""
    w = Watch(conninfo)
    print("watching", flush=True)
    check(b"terminating connection" in (w.end() or b""), "a fast shutdown ends it", w.error)


def standby(conninfo, standby_conninfo):
    b = Broker(conninfo)
    b.db.execute("SELECT create_topic('s', 1, 'bytea', 'bytea')")
    topic, _ = b.topic("s")
    b.append(topic, batch(b"before"))
    lsn = b.db.execute("SELECT pg_current_wal_insert_lsn()::text").fetchone()[0]
    s = Broker(standby_conninfo)
    until = time.monotonic() + PATIENCE
    while not s.db.execute("SELECT pg_last_wal_replay_lsn() >= %s::pg_lsn", (lsn,)).fetchone()[0] and time.monotonic() < until:
        time.sleep(0.02)
    w = Watch(standby_conninfo)
    b.append(topic, batch(b"x"))
    until = time.monotonic() + PATIENCE
    while w.wait("*") is not None and s.fetch(topic, 1)[1] < 2 and time.monotonic() < until:
        pass
    check(s.fetch(topic, 1)[1] == 2, "a standby tells of what it replays, and it is there")
    check([x[16:] for x in s.read_all(topic)] == [batch(b"before")[16:], batch(b"x")[16:]], "and fetches it")
    try:
        s.append(topic, batch(b"x"))
        check(False, "appending on a standby")
    except psycopg.errors.ReadOnlySqlTransaction as error:
        check("broker_append()" in str(error), "appending on a standby is 25006", error)
    w.got.clear()
    b.db.close()
    s.db.execute("SELECT pg_promote(true)")
    check(w.wait("m") is not None, "a promotion is told as metadata")
    check(s.append(topic, batch(b"after"))[0][:2] == (None, 2), "the new primary takes batches")
    ends = s.db.execute("SELECT leader_epoch, end_offset FROM _eventlog.broker_epoch_end(array_fill(%s, '{4}'), '{0, 0, 0, 0}', '{0, 1, 2, 3}')",
                        (topic,)).fetchall()
    check(ends == [(0, 0), (1, 2), (2, 3), (-1, -1)], "the old leader epoch ends where the new one begins", ends)
    check(s.db.execute("SELECT leader_epochs FROM _eventlog.broker_topics('{public}', '{s}')").fetchone() == ([2],), "which metadata has")


def crash(conninfo):
    """Appends until the server is gone; then, when it is back, looks for all that was acknowledged."""
    b = Broker(conninfo)
    b.db.execute("""SELECT create_topic('c', 2, 'bytea', 'bytea', '{"segment_bytes": 65536}') WHERE to_regclass('c') IS NULL""")
    topic, _ = b.topic("c")
    sent, told = 0, {}
    print("appending", flush=True)
    try:
        while True:
            ids = [b"%d" % n for n in range(sent, sent + 6)]
            sent += 6
            rows = b.db.execute("SELECT * FROM _eventlog.broker_append(%s, %s, %s)", (
                [topic] * 6, [0, 1] * 3, [batch(x, x * 2000) for x in ids])).fetchall()
            for n, (x, row) in enumerate(zip(ids, rows)):
                told[n % 2, row[1]] = x
    except psycopg.OperationalError:
        pass
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until:
        try:
            b = Broker(conninfo)
            break
        except psycopg.OperationalError:
            time.sleep(0.1)
    found = {}
    for p in 0, 1:
        for raw in b.read_all(topic, partition=p):
            header = HEADER.unpack_from(raw)
            if not header[5] & 0x20:
                found[p, header[0]] = raw[16:]
    lost = [x for x in told if found.get(x) != batch(told[x], told[x] * 2000)[16:]]
    check(len(told) > 0 and not lost, "all that was acknowledged is there, byte for byte", lost[:5], len(told))
    check(len(set(found.values())) == len(found) and len(found) <= len(told) + 6, "and once", len(found), len(told))
    check(b.db.execute("SELECT * FROM check_topic('c')").fetchall() == [], "the log is sound")
    b.db.execute("SELECT drop_topic('c')")


globals()[sys.argv[1]](*sys.argv[2:])
sys.exit(failed)
