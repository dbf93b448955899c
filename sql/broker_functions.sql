-- eventlog-broker's functions (src/wire): Kafka's record batches go into the log and out of it as the bytes they are,
-- and nothing that is wrong with one of them gets past or touches another.
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS eventlog;
RESET client_min_messages;
\set SHOW_CONTEXT never
\set VERBOSITY terse
\pset footer off
SET TIME ZONE 'UTC';

--
-- batches, byte by byte
--
CREATE SCHEMA wire;
SET search_path = wire, public;
\i test/castagnoli.sql
CREATE FUNCTION varint(n bigint) RETURNS bytea LANGUAGE plpgsql IMMUTABLE AS $$
DECLARE
    u bigint := CASE WHEN n >= 0 THEN 2 * n ELSE -2 * n - 1 END;
    r bytea := '';
BEGIN
    WHILE u > 127 LOOP
        r := r || set_byte('\x00', 0, ((u & 127) | 128)::int);
        u := u >> 7;
    END LOOP;
    RETURN r || set_byte('\x00', 0, u::int);
END $$;
CREATE FUNCTION field(b bytea) RETURNS bytea LANGUAGE sql IMMUTABLE AS
    $$ SELECT CASE WHEN b IS NULL THEN wire.varint(-1) ELSE wire.varint(length(b)) || b END $$;
CREATE FUNCTION record(n int, key bytea, value bytea, ms bigint = 0, headers bytea = '\x00') RETURNS bytea LANGUAGE sql IMMUTABLE AS $$
    SELECT wire.varint(length(body)) || body
      FROM (SELECT '\x00'::bytea || wire.varint(ms) || wire.varint(n) || wire.field(key) || wire.field(value) || headers AS body) s $$;
-- a batch of these records; what is given is written as it is, whether it is right or not
CREATE FUNCTION batch(records bytea, n int, attributes int = 0, base_offset bigint = 0, count int = NULL, magic int = 2,
    base_ms bigint = 1704067200000, max_ms bigint = NULL, producer bigint = -1, crc bigint = NULL, length int = NULL) RETURNS bytea LANGUAGE sql IMMUTABLE AS $$
    SELECT int8send(base_offset) || int4send(coalesce(batch.length, pg_catalog.length(tail) + 9)) || int4send(-1) || set_byte('\x00', 0, magic)
        || substr(int8send(coalesce(crc, wire.castagnoli(tail))), 5) || tail
      FROM (SELECT int2send(attributes::int2) || int4send(n - 1) || int8send(base_ms) || int8send(coalesce(max_ms, base_ms)) || int8send(producer)
        || int2send(CASE WHEN producer < 0 THEN -1 ELSE 3 END::int2) || int4send(CASE WHEN producer < 0 THEN -1 ELSE 7 END)
        || int4send(coalesce(count, n)) || records AS tail) s $$;
-- one record
CREATE FUNCTION one(key bytea, value bytea) RETURNS bytea LANGUAGE sql IMMUTABLE AS $$ SELECT wire.batch(wire.record(0, key, value), 1) $$;
-- what a fetch returns, batch by batch; the bytes are those of which batch that was sent?
CREATE TABLE sent (name text, batch bytea);
CREATE FUNCTION batches(b bytea) RETURNS TABLE (base bigint, last bigint, epoch int, attributes text, records int, crc_ok bool, was text) LANGUAGE plpgsql AS $$
DECLARE
    one bytea;
BEGIN
    WHILE length(b) > 0 LOOP
        one := substr(b, 1, 12 + ('x' || encode(substr(b, 9, 4), 'hex'))::bit(32)::int);
        b := substr(b, length(one) + 1);
        base := ('x' || encode(substr(one, 1, 8), 'hex'))::bit(64)::bigint;
        last := base + ('x' || encode(substr(one, 24, 4), 'hex'))::bit(32)::int;
        epoch := ('x' || encode(substr(one, 13, 4), 'hex'))::bit(32)::int;
        attributes := encode(substr(one, 22, 2), 'hex');
        records := ('x' || encode(substr(one, 58, 4), 'hex'))::bit(32)::int;
        crc_ok := ('x' || encode(substr(one, 18, 4), 'hex'))::bit(32)::bigint & 4294967295 = wire.castagnoli(substr(one, 22));
        was := (SELECT min(s.name) FROM wire.sent s WHERE substr(s.batch, 17) = substr(one, 17));
        RETURN NEXT;
    END LOOP;
END $$;

--
-- topics and their names
--
SELECT _eventlog.broker_interface();
SELECT create_topic('wire.bytes', 3, 'bytea', 'bytea'), create_topic('wire.orders', 1, 'text', 'json', '{"kafka_name": "shop.orders-v1"}'),
    create_topic('wire."Not Kafka''s"'), create_topic('wire.latest', 1, 'text', 'json', '{"cleanup_policy": "compact"}');
SELECT name, relid::regclass, topic_id IS NOT NULL AS id, partitions, leader_epochs, operations::bit(12), sqlstate
  FROM _eventlog.broker_topics('{wire}') ORDER BY name COLLATE "C";
-- the option is the name in any schema, the table's is not one then
SELECT name, relid::regclass, sqlstate FROM _eventlog.broker_topics('{wire, nowhere}', '{bytes, shop.orders-v1, orders, "Not Kafka''s", nix, .., "", bytes}');
SELECT name, relid::regclass, sqlstate FROM _eventlog.broker_topics('{nowhere}', '{bytes, shop.orders-v1}');
SELECT name, relid::regclass FROM _eventlog.broker_topics('{}');
SELECT name FROM _eventlog.broker_topics('{_eventlog}');
-- earlier schemas win, and the option wins over both
CREATE SCHEMA wire2;
SELECT create_topic('wire2.bytes'), create_topic('wire2.other');
SELECT name, relid::regclass FROM _eventlog.broker_topics('{wire, wire2}') ORDER BY name COLLATE "C";
SELECT name, relid::regclass FROM _eventlog.broker_topics('{wire2, wire}', '{bytes}');
SELECT alter_topic('wire2.other', '{"kafka_name": "bytes"}');
SELECT name, relid::regclass FROM _eventlog.broker_topics('{wire, wire2}') ORDER BY name COLLATE "C";
SELECT name, relid::regclass FROM _eventlog.broker_topics('{wire2, wire}', '{bytes, other}');
-- only one topic has it, however it is given
SELECT alter_topic('wire2.bytes', '{"kafka_name": "bytes"}');
SELECT create_topic('wire2.third', options => '{"kafka_name": "shop.orders-v1"}');
SECURITY LABEL FOR eventlog ON TABLE wire2.bytes IS '{"uuid": "00000000-0000-4000-8000-00000000aaaa", "kafka_name": "bytes"}';
SELECT alter_topic('wire2.other', '{"kafka_name": null}'), alter_topic('wire2.bytes', '{"kafka_name": "bytes"}'), alter_topic('wire2.bytes', '{"kafka_name": "bytes"}');
SELECT alter_topic('wire2.bytes', format('{"kafka_name": %s}', name)::jsonb) FROM (VALUES ('"."')) v (name);
SELECT alter_topic('wire2.bytes', format('{"kafka_name": %s}', name)::jsonb) FROM (VALUES ('".."')) v (name);
SELECT alter_topic('wire2.bytes', format('{"kafka_name": %s}', name)::jsonb) FROM (VALUES ('"a b"')) v (name);
SELECT alter_topic('wire2.bytes', format('{"kafka_name": %s}', name)::jsonb) FROM (VALUES ('"ä"')) v (name);
SELECT alter_topic('wire2.bytes', format('{"kafka_name": %s}', name)::jsonb) FROM (VALUES ('""')) v (name);
SELECT alter_topic('wire2.bytes', format('{"kafka_name": %s}', name)::jsonb) FROM (VALUES ('7')) v (name);
SELECT alter_topic('wire2.bytes', jsonb_build_object('kafka_name', repeat('x', 249)));
SELECT length(options ->> 'kafka_name') FROM eventlog_topics WHERE topic = 'wire2.bytes'::regclass;
SELECT length(name) FROM _eventlog.broker_topics('{}', ARRAY[repeat('x', 249)]) WHERE sqlstate IS NULL;
DO $$ BEGIN PERFORM alter_topic('wire2.bytes', jsonb_build_object('kafka_name', repeat('x', 250))); EXCEPTION WHEN invalid_parameter_value THEN RAISE NOTICE 'too long'; END $$;
SELECT drop_topic('wire2.bytes'), drop_topic('wire2.other');
DROP SCHEMA wire2;
-- a restore brings a log's epoch while it is still empty, to a session that knows the topic
SELECT create_topic('wire.floor', 2, 'bytea', 'bytea');
SELECT topic_id AS floor, leader_epochs FROM _eventlog.broker_topics('{wire}', '{floor}') \gset
INSERT INTO _eventlog.log_floor (topic, partition, log_end, leader_epoch) VALUES (:'floor', 0, 0, 7);
-- seen within a second (src/topic/log_floor.c)
DO $$ BEGIN
    FOR i IN 1..1000 LOOP
        EXIT WHEN leader_epochs[1] > leader_epochs[2] FROM _eventlog.broker_topics('{wire}', '{floor}');
        PERFORM pg_sleep(0.01);
    END LOOP;
END $$;
SELECT leader_epochs[1] - (:'leader_epochs'::int[])[1] AS rises, leader_epochs[2] - (:'leader_epochs'::int[])[2] AS stays FROM _eventlog.broker_topics('{wire}', '{floor}');
SELECT count(produce('wire.floor', NULL, '\x', partition => i)) FROM generate_series(0, 1) i;
SELECT leader_epochs[1] - (:'leader_epochs'::int[])[1] AS rises, leader_epochs[2] - (:'leader_epochs'::int[])[2] AS stays FROM _eventlog.broker_topics('{wire}', '{floor}');
SELECT drop_topic('wire.floor');
SELECT name, sqlstate FROM _eventlog.broker_topics('{wire}', ARRAY[repeat('x', 249)]);

SELECT topic_id AS bytes FROM _eventlog.broker_topics('{wire}', '{bytes}') \gset
SELECT topic_id AS orders FROM _eventlog.broker_topics('{wire}', '{shop.orders-v1}') \gset
SELECT topic_id AS latest FROM _eventlog.broker_topics('{wire}', '{latest}') \gset

--
-- appending: many batches, a row for each, in order
--
INSERT INTO sent VALUES
    ('three', batch(record(0, 'k1', 'v1') || record(1, NULL, 'v2', 5, varint(2) || field('h') || field('x') || field('n') || field(NULL)) || record(2, 'k3', NULL), 3, max_ms => 1704067200005)),
    ('empty', one('', '')), ('producer', batch(record(0, 'p', 'p'), 1, producer => 4711));
PREPARE append(uuid, int[], text[]) AS
    SELECT a.* FROM _eventlog.broker_append(array_fill($1, ARRAY[cardinality($2)]), $2, (SELECT array_agg(s.batch ORDER BY n) FROM unnest($3) WITH ORDINALITY u (name, n) JOIN wire.sent s USING (name))) a;
EXECUTE append(:'bytes', '{0, 1, 0, 3, -1, 0}', '{three, three, empty, three, three, producer}');
SELECT * FROM _eventlog.broker_append('{00000000-0000-4000-8000-0000000000ff}', '{0}', ARRAY[one('', '')]);
SELECT * FROM _eventlog.broker_append('{}', '{}', '{}');
SELECT partition, event_offset, event_time, key, value, headers FROM bytes ORDER BY 1, 2;
SELECT f.sqlstate, f.stable, f.log_start, f.log_end, b.* FROM _eventlog.broker_fetch(ARRAY[:'bytes', :'bytes', :'bytes']::uuid[], '{0, 1, 2}', '{0, 0, 0}', '{10000, 10000, 10000}', 10000) f
  LEFT JOIN LATERAL batches(f.records) b ON true;
-- after what this transaction has produced before; nothing of it stays if it is rolled back
BEGIN;
SELECT produce('bytes', '\x01'::bytea, '\x02'::bytea, partition => 2);
EXECUTE append(:'bytes', '{2, 2}', '{empty, three}');
SELECT produce('bytes', '\x03'::bytea, '\x04'::bytea, partition => 2);
SELECT event_offset, key FROM bytes WHERE partition = 2 ORDER BY 1;
ROLLBACK;
SELECT count(*) FROM bytes WHERE partition = 2;

-- what is refused, each between two that are not
CREATE TABLE refused (n int, name text, batch bytea);
INSERT INTO refused VALUES
    (1, 'base offset', batch(record(0, '', ''), 1, base_offset => 77)), (2, 'control', batch(record(0, '', ''), 1, 32)), (3, 'append time', batch(record(0, '', ''), 1, 8)),
    (4, 'delete horizon', batch(record(0, '', ''), 1, 64)), (5, 'transactional', batch(record(0, '', ''), 1, 16)), (6, 'count too large', batch(record(0, '', ''), 1, count => 2)),
    (7, 'count too small', batch(record(0, '', '') || record(1, '', ''), 2, count => 1)), (8, 'no records', batch(''::bytea, 1, count => 0)), (9, 'negative count', batch(''::bytea, 1, count => -1)),
    (10, 'two batches', one('', '') || one('', '')), (11, 'cut short', substr(one('', ''), 1, 65)), (12, 'bytes behind', one('', '') || 'x'), (13, 'nothing', ''),
    (14, 'a header cut short', substr(one('', ''), 1, 60)), (15, 'magic 1', batch(record(0, '', ''), 1, magic => 1)), (16, 'CRC', batch(record(0, '', ''), 1, crc => 1)),
    (17, 'gzip', batch(record(0, '', ''), 1, 1)), (18, 'snappy', batch(record(0, '', ''), 1, 2)), (19, 'codec 5', batch(record(0, '', ''), 1, 5)),
    (20, 'lz4 that is none', batch(record(0, '', ''), 1, 3)), (21, 'zstd that is none', batch(record(0, '', ''), 1, 4)),
    (22, 'negative length', batch('\x01'::bytea, 1)), (23, 'key too long', batch('\x10'::bytea || '\x000000' || varint(100) || '\x00000000', 1)), (24, 'record too long', batch(varint(100) || '\x00', 1)),
    (25, 'negative key length', batch(varint(6) || '\x000000' || varint(-2) || '\x0000', 1)), (26, 'headers', batch(record(0, '', '', 0, varint(5)), 1)),
    (27, 'bytes behind the records', batch(record(0, '', '') || 'x', 1)), (28, 'offset of a record', batch(record(1, '', ''), 1)),
    (29, 'codec 6', batch(record(0, '', ''), 1, 6)), (30, 'greatest time far ahead', batch(record(0, '', ''), 1, max_ms => 32503680000000)),
    (31, 'records far ahead', batch(record(0, '', '') || record(1, '', '', 28799612800000), 2, max_ms => 30503680000000)), (32, 'time that no timestamp has', batch(record(0, '', ''), 1, base_ms => -9007199254740992)),
    (33, 'negative batch length', batch(record(0, '', ''), 1, length => -5)), (34, 'large batch length', batch(record(0, '', ''), 1, length => 2147483647));
SELECT r.n, r.name, a.sqlstate, a.message, a.base_offset, a.bad_records
  FROM (SELECT array_agg(b ORDER BY k) AS list FROM (SELECT n * 2 AS k, batch AS b FROM refused UNION ALL SELECT n * 2 + 1, one('between', '') FROM refused) s) all_of_them,
       _eventlog.broker_append(array_fill(:'bytes'::uuid, ARRAY[cardinality(list)]), array_fill(2, ARRAY[cardinality(list)]), list) WITH ORDINALITY a
  JOIN refused r ON a.ordinality = r.n * 2 - 1 ORDER BY r.n;
SELECT count(*), min(event_offset), max(event_offset), count(DISTINCT key) FROM bytes WHERE partition = 2;
-- sizes: max_event_bytes of key, value and headers, of which none is none
SELECT alter_topic('bytes', '{"max_event_bytes": 20}');
SELECT a.sqlstate, a.message, a.bad_records FROM _eventlog.broker_append(array_fill(:'bytes'::uuid, '{3}'), '{2, 2, 2}', ARRAY[one('0123456789', '0123456789'),
    one('0123456789', '01234567890'), batch(record(0, '0123456789', '01234567', 0, varint(1) || field('') || field('')), 1)]) a;
SELECT alter_topic('bytes', '{"max_event_bytes": 1000000, "max_clock_ahead": null}');
-- no limit of the clock
SELECT a.sqlstate, a.message, a.bad_records FROM _eventlog.broker_append(array_fill(:'bytes'::uuid, '{2}'), '{2, 2}', (SELECT array_agg(batch ORDER BY n) FROM refused WHERE n IN (30, 32))) a;

-- types, CHECK and null keys as for produce(): which records, and what the first one's error is
SELECT a.* FROM _eventlog.broker_append(array_fill(:'orders'::uuid, '{6}'), '{0, 0, 0, 0, 0, 0}', ARRAY[one('k', '{"a": 1}'), one(NULL, NULL),
    batch(record(0, 'k', '{"a": 1}') || record(1, 'k', '{a}') || record(2, 'k', convert_to(' [1e5, "\u00e4"] ', 'UTF8')) || record(3, '\xff', '1') || record(4, '\x00', '1') || record(5, 'k', '\x22ff22'), 6),
    one('k', ''), one('k', '1 2'), one('k', 'true')]) a;
SELECT event_offset, key, value::text FROM orders ORDER BY 1;
ALTER TABLE orders ADD CONSTRAINT small CHECK (length(key) < 3 AND (value ->> 'n')::int < 10) NOT VALID;
SELECT a.* FROM _eventlog.broker_append(array_fill(:'orders'::uuid, '{3}'), '{0, 0, 0}', ARRAY[one('k', '{"n": 1}'),
    batch(record(0, 'k', '{"n": 1}') || record(1, 'long', '{"n": 1}') || record(2, 'k', '{"n": 10}') || record(3, 'k', '{"n": "x"}') || record(4, 'k', '{"n": 9}'), 5), one('k', '{"n": 2}')]) a;
ALTER TABLE orders DROP CONSTRAINT small;
SELECT a.* FROM _eventlog.broker_append(array_fill(:'latest'::uuid, '{3}'), '{0, 0, 0}', ARRAY[one('k', '1'), one(NULL, '1'), one('k', NULL)]) a;
CREATE DOMAIN wire.positive AS int CHECK (VALUE > 0);
CREATE DOMAIN wire.needed AS text NOT NULL;
SELECT create_topic('wire.domains', 1, 'wire.needed', 'wire.positive'), create_topic('wire.arrays', 1, 'bigint', 'int[]');
SELECT topic_id AS domains FROM _eventlog.broker_topics('{wire}', '{domains}') \gset
SELECT topic_id AS arrays FROM _eventlog.broker_topics('{wire}', '{arrays}') \gset
SELECT a.* FROM _eventlog.broker_append(array_fill(:'domains'::uuid, '{2}'), '{0, 0}', ARRAY[one('k', int4send(1)),
    batch(record(0, 'k', int4send(0)) || record(1, NULL, int4send(1)) || record(2, 'k', '\x01') || record(3, 'k', NULL), 4)]) a;
SELECT a.* FROM _eventlog.broker_append(array_fill(:'arrays'::uuid, '{2}'), '{0, 0}', ARRAY[one(int8send(1), '{1,2}'), batch(record(0, '\x01', '{1}') || record(1, int8send(2), '{1'), 2)]) a;
-- no more than a hundred records are named
SELECT a.sqlstate, a.message, cardinality(a.bad_records), a.bad_records[100] FROM (SELECT string_agg(record(n, 'k', CASE WHEN n % 2 = 0 THEN '{' ELSE '{}' END::bytea), '' ORDER BY n) AS records FROM generate_series(0, 399) n) r,
    _eventlog.broker_append(ARRAY[:'orders']::uuid[], '{0}', ARRAY[batch(records, 400)]) a;
-- a partition that is full of what a group has yet to consume refuses, by row; another one does not
SELECT create_topic('wire.full', 2, 'bytea', 'bytea', '{"segment_bytes": 65536, "retention_bytes": 131072, "retain_until_consumed": true, "when_full": "reject"}');
SELECT topic_id AS full FROM _eventlog.broker_topics('{wire}', '{full}') \gset
SELECT produce('full', '\x01'::bytea, '\x02'::bytea, partition => 0);
SELECT partition, event_offset FROM consume('wire_full', 'full', commit => true);
SELECT a.sqlstate, a.message, a.base_offset, a.log_start FROM _eventlog.broker_append(array_fill(:'full'::uuid, '{7}'), '{0, 0, 0, 0, 0, 0, 1}', array_fill(one('k', repeat('x', 30000)::bytea), '{7}')) a;
SELECT event_offset FROM consume('wire_full', 'full', commit => true) WHERE partition = 0;
SELECT a.sqlstate, a.message, a.base_offset, a.log_start FROM _eventlog.broker_append(array_fill(:'full'::uuid, '{1}'), '{0}', ARRAY[one('k', repeat('x', 30000)::bytea)]) a;
SELECT leave_group('wire_full');
-- arguments
SELECT * FROM _eventlog.broker_append(ARRAY[:'bytes']::uuid[], '{0, 1}', ARRAY[one('', '')]);
SELECT * FROM _eventlog.broker_append(ARRAY[:'bytes']::uuid[], '{0}', '{}');
SELECT * FROM _eventlog.broker_append(ARRAY[:'bytes']::uuid[], '{NULL}', ARRAY[one('', '')]);
SELECT * FROM _eventlog.broker_append(NULL, '{0}', ARRAY[one('', '')]);
SELECT * FROM _eventlog.broker_append(ARRAY[[:'bytes']]::uuid[], '{0}', ARRAY[one('', '')]);
SELECT * FROM _eventlog.broker_append(ARRAY[:'bytes']::uuid[], '{0}', ARRAY[one('', '')], 'remote_apply');
BEGIN READ ONLY;
SELECT * FROM _eventlog.broker_append(ARRAY[:'bytes']::uuid[], '{0}', ARRAY[one('', '')]);
ROLLBACK;
-- durability lowers what is set, for the transaction, and does not raise it
BEGIN;
SELECT sqlstate FROM _eventlog.broker_append('{}', '{}', '{}', 'local');
SHOW synchronous_commit;
SELECT sqlstate FROM _eventlog.broker_append('{}', '{}', '{}', 'off');
SELECT sqlstate FROM _eventlog.broker_append('{}', '{}', '{}', 'local');
SHOW synchronous_commit;
ROLLBACK;
SHOW synchronous_commit;

--
-- fetching
--
TRUNCATE bytes;
SELECT name, octet_length(batch) FROM sent ORDER BY 1;
SELECT sqlstate, stable, log_start, log_end, records FROM _eventlog.broker_fetch(ARRAY[:'bytes']::uuid[], '{1}', '{0}', '{1000}', 1000);
SELECT sqlstate, stable = log_end AS at_the_end, records FROM (SELECT log_end AS e FROM _eventlog.broker_fetch(ARRAY[:'bytes']::uuid[], '{1}', '{0}', '{1000}', 1000)) s,
    _eventlog.broker_fetch(ARRAY[:'bytes']::uuid[], '{1}', ARRAY[e], '{1000}', 1000);
SELECT create_topic('wire.f', 3, 'bytea', 'bytea');
SELECT topic_id AS f FROM _eventlog.broker_topics('{wire}', '{f}') \gset
EXECUTE append(:'f', '{0, 0, 0, 1, 2}', '{three, empty, producer, three, three}');
CREATE FUNCTION fetched(id uuid, offsets bigint[], limits int[], max_bytes int) RETURNS TABLE (partition bigint, sqlstate text, stable bigint, log_start bigint, log_end bigint, batches text) LANGUAGE sql AS $$
    SELECT ordinality - 1, sqlstate, stable, log_start, log_end, CASE WHEN records IS NOT NULL THEN coalesce((SELECT string_agg(base || '-' || last || ' ' || coalesce(was, '?'), ', ') FROM wire.batches(records)), '-') END
      FROM _eventlog.broker_fetch(array_fill(id, ARRAY[cardinality(offsets)]), (SELECT array_agg(n) FROM generate_series(0, cardinality(offsets) - 1) n), offsets, limits, max_bytes) WITH ORDINALITY $$;
-- from the batch that holds the offset; whole batches within the limits; the first one of all however large
SELECT * FROM fetched(:'f', '{0, 1, 2}', '{1000, 1000, 1000}', 1000);
SELECT * FROM fetched(:'f', '{2, 3, 4}', '{1000, 1000, 1000}', 1000);
SELECT * FROM fetched(:'f', '{0, 0, 0}', '{1, 1, 1}', 1000);
SELECT * FROM fetched(:'f', '{0, 0, 0}', '{1000, 1000, 1000}', 1);
SELECT * FROM fetched(:'f', '{0, 0, 0}', '{170, 1000, 1000}', 1000);
SELECT * FROM fetched(:'f', '{0, 0, 0}', '{1000, 1000, 1000}', 330);
SELECT * FROM fetched(:'f', '{5, 3, 0}', '{0, 0, 0}', 0);
SELECT * FROM fetched(:'f', '{0, 0, 0}', '{-1, -1, -1}', -1);
-- out of range
SELECT * FROM fetched(:'f', '{-1, 4, 99}', '{1000, 1000, 1000}', 1000);
SELECT delete_events_before('wire.f', 0, 2), delete_events_before('wire.f', 1, 3);
SELECT * FROM fetched(:'f', '{1, 2, 0}', '{1000, 1000, 1000}', 1000);
SELECT * FROM fetched(:'f', '{2, 3, 0}', '{1000, 1000, 1000}', 1000);
SELECT * FROM _eventlog.broker_fetch(ARRAY[:'f', :'f', '00000000-0000-4000-8000-0000000000ff']::uuid[], '{3, -1, 0}', '{0, 0, 0}', '{1, 1, 1}', 1);
SELECT * FROM _eventlog.broker_fetch(ARRAY[:'f']::uuid[], '{0}', '{0}', '{1}', NULL);
SELECT * FROM _eventlog.broker_fetch(ARRAY[:'f']::uuid[], '{0}', '{0, 1}', '{1}', 1);
-- in the middle a gap is left, at the end it is bridged, wherever the fetch begins
SELECT drop_topic('wire.f'), create_topic('wire.f', 1, 'bytea', 'bytea');
SELECT topic_id AS f FROM _eventlog.broker_topics('{wire}', '{f}') \gset
BEGIN;
EXECUTE append(:'f', '{0}', '{three}');
ROLLBACK;
SELECT * FROM fetched(:'f', '{0}', '{1000}', 1000);
EXECUTE append(:'f', '{0}', '{three}');
SELECT * FROM fetched(:'f', '{0}', '{1000}', 1000);
BEGIN;
EXECUTE append(:'f', '{0, 0}', '{three, empty}');
-- nobody's before it is decided, its own transaction's neither
SELECT * FROM fetched(:'f', '{0}', '{1000}', 1000);
ROLLBACK;
SELECT o, f.stable, f.batches, b.attributes, b.records, b.crc_ok FROM unnest('{0, 3, 6, 8, 9}'::bigint[]) o, fetched(:'f', ARRAY[o], '{1000}', 1000) f,
    LATERAL (SELECT k.* FROM _eventlog.broker_fetch(ARRAY[:'f']::uuid[], '{0}', ARRAY[o], '{1000}', 1000) r, batches(r.records) k ORDER BY base DESC LIMIT 1) b;
-- its bytes, but for the CRC and the time, which is that of the batch before it
SELECT encode(substr(records, 1, 17), 'hex'), encode(substr(records, 22, 6), 'hex'), encode(substr(records, 44), 'hex'), records <> '' FROM _eventlog.broker_fetch(ARRAY[:'f']::uuid[], '{0}', '{6}', '{1000}', 1000);
SELECT substr(records, length(records) - 50, 8) = int8send(1704067200005) AS time FROM _eventlog.broker_fetch(ARRAY[:'f']::uuid[], '{0}', '{5}', '{1000}', 1000);
-- not where batches are left out for lack of room, and not beyond the limit
SELECT * FROM fetched(:'f', '{3}', '{100}', 100);
SELECT * FROM fetched(:'f', '{3}', '{180}', 1000);
SELECT * FROM fetched(:'f', '{6}', '{1}', 1);
EXECUTE append(:'f', '{0}', '{empty}');
SELECT * FROM fetched(:'f', '{4}', '{1000}', 1000);

--
-- offsets by time
--
PREPARE list(uuid, bigint[]) AS SELECT t AS time, l.* FROM unnest($2) WITH ORDINALITY u (t, n),
    _eventlog.broker_list_offsets(array_fill($1, ARRAY[cardinality($2)]), array_fill(0, ARRAY[cardinality($2)]), $2) WITH ORDINALITY l WHERE l.ordinality = u.n;
EXECUTE list(:'f', '{-1, -2, -3, -4, -5, -6, -7, 0, 1704067200000, 1704067200001, 1704067200005, 1704067200006, 9223372036854775807}');
-- the greatest time is aborted, or later in a header than in any record
BEGIN;
SELECT sqlstate FROM _eventlog.broker_append(ARRAY[:'f']::uuid[], '{0}', ARRAY[batch(record(0, 'late', ''), 1, base_ms => 1704067300000)]);
EXECUTE list(:'f', '{-1, -3, 1704067200006}');
ROLLBACK;
EXECUTE list(:'f', '{-1, -3, 1704067200006}');
SELECT sqlstate FROM _eventlog.broker_append(ARRAY[:'f']::uuid[], '{0}', ARRAY[batch(record(0, 'claims', ''), 1, max_ms => 1704067400000)]);
EXECUTE list(:'f', '{-1, -3, 1704067200006}');
-- the record's own offset, not its batch's
SELECT sqlstate FROM _eventlog.broker_append(ARRAY[:'f']::uuid[], '{0}', ARRAY[batch(record(0, '', '') || record(1, '', '', 50000) || record(2, '', '', 50000), 3, max_ms => 1704067250000)]);
EXECUTE list(:'f', '{-1, -3, 1704067200006, 1704067250000}');
SELECT * FROM _eventlog.broker_list_offsets(ARRAY[:'f', '00000000-0000-4000-8000-0000000000ff']::uuid[], '{1, 0}', '{-1, -1}');
-- the greatest time is not the last record's, which is what some clients put into the header
SELECT sqlstate FROM _eventlog.broker_append(ARRAY[:'f']::uuid[], '{0}', ARRAY[batch(record(0, 'greatest', '', 80000) || record(1, 'last', '', 60000), 2, max_ms => 1704067260000)]);
EXECUTE list(:'f', '{-1, -3, 1704067260000, 1704067270000}');
SELECT key, event_time AT TIME ZONE 'UTC' AS at FROM f WHERE event_time > '2024-01-01 00:01:15+00';
SELECT * FROM check_topic('f');
-- an empty log, and one that was emptied
SELECT drop_topic('wire.f'), create_topic('wire.f', 1, 'bytea', 'bytea');
SELECT topic_id AS f FROM _eventlog.broker_topics('{wire}', '{f}') \gset
EXECUTE list(:'f', '{-1, -2, -3, -4, 0}');
EXECUTE append(:'f', '{0}', '{three}');
TRUNCATE f;
EXECUTE list(:'f', '{-1, -2, -3, -4, 0}');
SELECT * FROM fetched(:'f', '{3}', '{1000}', 1000);
SELECT * FROM fetched(:'f', '{2}', '{1000}', 1000);

--
-- where leader epochs end
--
PREPARE epochs(uuid, int[]) AS SELECT t AS asked, l.* FROM unnest($2) WITH ORDINALITY u (t, n),
    _eventlog.broker_epoch_end(array_fill($1, ARRAY[cardinality($2)]), array_fill(0, ARRAY[cardinality($2)]), $2) WITH ORDINALITY l WHERE l.ordinality = u.n;
EXECUTE epochs(:'f', '{-1, 0, 1, 2}');
EXECUTE append(:'f', '{0}', '{three}');
EXECUTE epochs(:'f', '{-1, 0, 1, 2, 2147483647}');
SELECT * FROM _eventlog.broker_epoch_end(ARRAY[:'f', '00000000-0000-4000-8000-0000000000ff']::uuid[], '{1, 0}', '{1, 1}');

--
-- watching
--
BEGIN;
CALL _eventlog.broker_watch();
ROLLBACK;
CREATE FUNCTION watch() RETURNS void LANGUAGE plpgsql AS $$ BEGIN CALL _eventlog.broker_watch(); END $$;
SELECT watch();

--
-- rights: those of who calls
--
CREATE ROLE regress_el_wire;
SET ROLE regress_el_wire;
SELECT name, sqlstate FROM _eventlog.broker_topics('{wire}');
SELECT name, topic_id, sqlstate FROM _eventlog.broker_topics('{wire}', '{f, nix}');
CALL _eventlog.broker_watch();
RESET ROLE;
GRANT SELECT ON f TO regress_el_wire;
SET ROLE regress_el_wire;
-- the schema hides it
SELECT name, topic_id, sqlstate FROM _eventlog.broker_topics('{wire}', '{f}');
RESET ROLE;
GRANT USAGE ON SCHEMA wire TO regress_el_wire;
SET ROLE regress_el_wire;
SELECT name, operations::bit(12), sqlstate FROM _eventlog.broker_topics('{wire}');
SELECT sqlstate, message FROM _eventlog.broker_append(ARRAY[:'f']::uuid[], '{0}', ARRAY[one('', '')]);
SELECT sqlstate FROM _eventlog.broker_fetch(ARRAY[:'f', :'bytes']::uuid[], '{0, 0}', '{0, 0}', '{1, 1}', 1);
RESET ROLE;
REVOKE SELECT ON f FROM regress_el_wire;
GRANT INSERT ON f TO regress_el_wire;
SET ROLE regress_el_wire;
SELECT name, operations::bit(12), sqlstate FROM _eventlog.broker_topics('{wire}');
SELECT sqlstate, message FROM _eventlog.broker_append(ARRAY[:'f']::uuid[], '{0}', ARRAY[one('', '')]);
SELECT sqlstate FROM _eventlog.broker_fetch(ARRAY[:'f']::uuid[], '{0}', '{0}', '{1}', 1);
SELECT sqlstate FROM _eventlog.broker_list_offsets(ARRAY[:'f']::uuid[], '{0}', '{-1}');
SELECT sqlstate FROM _eventlog.broker_epoch_end(ARRAY[:'f']::uuid[], '{0}', '{1}');
RESET ROLE;
-- a topic that is dropped and made again is another one
SELECT drop_topic('wire.f'), create_topic('wire.f', 1, 'bytea', 'bytea');
SELECT sqlstate, message FROM _eventlog.broker_append(ARRAY[:'f']::uuid[], '{0}', ARRAY[one('', '')]);
SELECT sqlstate FROM _eventlog.broker_fetch(ARRAY[:'f']::uuid[], '{0}', '{0}', '{1}', 1);

--
-- topics that clients want: the caller's, in the first of the schemas
--
SELECT _eventlog.broker_create_topic(NULL, '{wire}', 1, 'bytea');
SELECT _eventlog.broker_create_topic('x', '{wire, NULL}', 1, 'bytea');
SELECT _eventlog.broker_create_topic('a b', '{wire}', 1, 'bytea');
SELECT _eventlog.broker_create_topic('x', '{wire}', 0, 'bytea');
SELECT _eventlog.broker_create_topic('x', '{wire}', 1, 'regclass');
SELECT _eventlog.broker_create_topic('x', '{}', 1, 'bytea'), _eventlog.broker_create_topic('x', '{nowhere, wire}', 1, 'bytea'),
    _eventlog.broker_create_topic('x', '{_eventlog}', 1, 'bytea');
SET ROLE regress_el_wire;
SELECT _eventlog.broker_create_topic('x', '{wire}', 1, 'bytea'), _eventlog.broker_create_topic('f', '{wire}', 1, 'bytea'),
    _eventlog.broker_create_topic('shop.orders-v1', '{nowhere}', 1, 'bytea');
RESET ROLE;
GRANT CREATE ON SCHEMA wire TO regress_el_wire;
SET ROLE regress_el_wire;
BEGIN READ ONLY;
SELECT _eventlog.broker_create_topic('x', '{wire}', 1, 'bytea');
ROLLBACK;
SELECT _eventlog.broker_create_topic('x', '{wire}', 2, 'json'), _eventlog.broker_create_topic('x.p', '{wire}', 1, 'text');
RESET ROLE;
SELECT t.name, t.relid::regclass::text LIKE 'x\_p\_________' AS made, t.partitions, c.relowner::regrole, format_type(k.atttypid, -1) AS key, format_type(v.atttypid, -1) AS value
    FROM _eventlog.broker_topics('{wire}', '{x, x.p}') t JOIN pg_class c ON c.oid = relid
    JOIN pg_attribute k ON k.attrelid = relid AND k.attname = 'key' JOIN pg_attribute v ON v.attrelid = relid AND v.attname = 'value';

SET client_min_messages = warning;
DROP SCHEMA wire CASCADE;
DROP ROLE regress_el_wire;
