"""bytes per event, in the WAL and on the disk, beside LZ4 of the same bytes in blocks of 64 KB

The bytes of an event are those of its key and value. Disk: what the relations have grown by, indexes and all forks included. A
bulk is one INSERT ... SELECT; single events are inserted by a loop in the server that commits after each.
"""
import ctypes
import time

import events
import tables
from measure import Contestant, Ratio

COLUMNS = {"disk": "disk B"}
BULK = {"json100": 1, "json1k": 10}             # how many times fewer events
SINGLE = {"json100": 20, "json1k": 40, "bytes10k": 200}
TYPE = {"json100": "json", "json1k": "json", "bytes10k": "bytea"}


def lz4_size(data):
    """Of the data compressed in blocks of 64 KB."""
    library, size = ctypes.CDLL("liblz4.so.1"), 0
    out = ctypes.create_string_buffer(80000)
    for at in range(0, len(data), 65536):
        block = data[at:at + 65536]
        size += library.LZ4_compress_default(block, out, len(block), len(out))
    return size


def set_up(context):
    for kind, value_type in TYPE.items():
        context.sql(f"""
SELECT create_topic('t_{kind}', 8, 'text', '{value_type}'), create_topic('t_single_{kind}', 1, 'text', '{value_type}');
{tables.HEAP.format(name=f'heap_{kind}').replace('json)', value_type + ')')}
{tables.HEAP.format(name=f'heap_single_{kind}').replace('json)', value_type + ')')}
CREATE UNLOGGED TABLE source_{kind} (i bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, key text, value {value_type});
""")
    context.sql("""
CREATE PROCEDURE one_by_one(statement text, source text, n bigint) LANGUAGE plpgsql AS $$
DECLARE
    e record;
BEGIN
    FOR i IN 1 .. n LOOP
        EXECUTE format('SELECT key, value FROM %I WHERE i = $1', source) INTO e USING i;
        EXECUTE statement USING e.key, e.value;
        COMMIT;
    END LOOP;
END $$;
CREATE FUNCTION disk(name text) RETURNS numeric LANGUAGE sql AS $$
    SELECT sum(pg_total_relation_size(oid)) FROM pg_class WHERE relname ~ ('^' || name || '(_p[0-9]+)?$')
$$;
""")
    context.bytes = {}
    for kind in TYPE:
        count = context.events // min(BULK.get(kind, 1000), SINGLE[kind])
        path = f"{context.folder}/{kind}"
        events.write_copy(path, kind, count)
        context.sql(f"\\copy source_{kind} (key, value) FROM '{path}'\nVACUUM ANALYZE source_{kind}")
        context.bytes[kind] = [key.encode() + (value.encode() if isinstance(value, str) else value)
                               for key, value in events.events(kind, count)]


def contestants(context):
    rows = []

    def floor(heading, name, kind, count, size):
        def run():
            begin = time.perf_counter()
            disk = size(context.bytes[kind][:count]) / count
            return count, time.perf_counter() - begin, {"disk": disk}
        rows.append(Contestant(name, run, heading=heading))

    def stored(heading, name, table, count, statement, sync):
        def run():
            before = int(context.sql(f"SELECT disk('{table}')"))
            seconds = context.timed_sql(statement)
            return count, seconds, {"disk": (int(context.sql(f"SELECT disk('{table}')")) - before) / count}
        rows.append(Contestant(name, run, durable=sync, arrived=f"SELECT count(*) FROM {table}", heading=heading))

    for kind, less in BULK.items():
        heading, count = f"bulk, {kind}", context.events // less
        floor(heading, "the bytes", kind, count, lambda some: sum(map(len, some)))
        floor(heading, "LZ4 in blocks of 64 KB", kind, count, lambda some: lz4_size(b"".join(some)))
        for name, table in (("topic", f"t_{kind}"), ("heap", f"heap_{kind}")):
            stored(heading, name, table, count,
                   f"INSERT INTO {table} (key, value) SELECT key, value FROM source_{kind} ORDER BY i LIMIT {count}", "flushed")
    for kind, less in SINGLE.items():
        heading, count = f"one event a transaction, {kind}", context.events // less
        floor(heading, "the bytes", kind, count, lambda some: sum(map(len, some)))
        for name, table in (("topic", f"t_single_{kind}"), ("heap", f"heap_single_{kind}")):
            stored(heading, name, table, count, f"""SET synchronous_commit = off;
CALL one_by_one('INSERT INTO {table} (key, value) VALUES ($1, $2)', 'source_{kind}', {count})""", "not flushed")
    return rows


def beyond_16(what):
    return lambda ours, lz4: (ours[what] - 16) / lz4["disk"]


def of_disk(ours, theirs):
    return ours["disk"] / theirs["disk"]


RATIOS = [
    *(Ratio("topic", "LZ4 in blocks of 64 KB", target=6, at_most=1.10, of=beyond_16(what), heading=f"bulk, {kind}",
            what=f"{kind}, bulk: ({name} - 16 B) / LZ4") for kind in BULK for what, name in (("wal", "WAL"), ("disk", "disk"))),
    Ratio("topic", "the bytes", target=7, at_most=1.0, of=lambda ours, payload: ours["disk"] / (payload["disk"] + 110),
          heading="one event a transaction, json100", what="json100, one a transaction: disk / (bytes + 110 B)"),
    Ratio("topic", "the bytes", target=7, at_most=1.15, of=of_disk, heading="one event a transaction, json1k",
          what="json1k, one a transaction: disk / bytes"),
    Ratio("topic", "the bytes", target=7, at_most=1.05, of=of_disk, heading="one event a transaction, bytes10k",
          what="bytes10k, one a transaction: disk / bytes"),
    *(Ratio("topic", "heap", of=of_disk, heading=heading, what=f"{heading}: disk, topic / heap")
      for heading in (*(f"bulk, {kind}" for kind in BULK), *(f"one event a transaction, {kind}" for kind in SINGLE))),
]
