-- A topic's life: create, alter, rename, truncate, delete events, drop.
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS eventlog;
RESET client_min_messages;
CREATE SCHEMA topics;
SET search_path = topics, public;

CREATE FUNCTION try(stmt text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    message text;
    detail text;
    hint text;
BEGIN
    EXECUTE stmt;
    RETURN 'ok';
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS message = MESSAGE_TEXT, detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT;
    RETURN SQLSTATE || ': ' || message || CASE WHEN detail NOT LIKE 'Failing row%' AND detail <> '' THEN ' / ' || detail ELSE '' END ||
           CASE WHEN hint <> '' THEN ' / ' || hint ELSE '' END;
END $$;

-- the partitions of a topic, as the catalogs have them
CREATE FUNCTION parts(topic regclass) RETURNS TABLE (leaf text, owner name, bound text) LANGUAGE sql AS $$
    SELECT c.relnamespace::regnamespace || '.' || c.relname, CASE WHEN c.relowner = 10 THEN 'postgres' ELSE pg_get_userbyid(c.relowner) END, pg_get_expr(c.relpartbound, c.oid)
    FROM pg_inherits i JOIN pg_class c ON c.oid = inhrelid WHERE inhparent = topic ORDER BY c.relname
$$;
CREATE FUNCTION label(topic regclass) RETURNS jsonb LANGUAGE sql AS $$
    SELECT label::jsonb - 'uuid' FROM pg_seclabel WHERE classoid = 'pg_class'::regclass AND objoid = topic AND provider = 'eventlog'
$$;

-- create_topic
SELECT create_topic('orders', 3, 'text', 'jsonb');
\d+ orders
SELECT * FROM parts('orders');
SELECT label('orders');
SELECT obj_description('orders'::regclass);
SELECT try($$SELECT create_topic('orders')$$);
SELECT create_topic('orders', if_not_exists => true);
CREATE TABLE plain (a int);
SELECT try($$SELECT create_topic('plain')$$);
SELECT try($$SELECT create_topic('plain', if_not_exists => true)$$);

-- names resolve as table names do
SELECT create_topic('topics.Mixed'), create_topic('"Mixed"'), create_topic('topics."with.dot and ""quote"""');
SELECT relname FROM pg_class WHERE relnamespace = 'topics'::regnamespace AND relkind = 'p' ORDER BY relname COLLATE "C";
SELECT try($$SELECT create_topic('nowhere.t')$$);
SELECT try($$SELECT create_topic('a.b.c')$$);
SELECT try($$SELECT create_topic('')$$);
SELECT try($$SELECT create_topic('pg_temp.t')$$);
SELECT try(format('SELECT create_topic(%L)', repeat('x', 56)));
SELECT try(format('SELECT create_topic(%L)', repeat('x', 55)));
SELECT try(format('SELECT create_topic(%L, 2)', repeat('é', 28)));
SELECT try(format('SELECT create_topic(%L)', repeat('x', 200)));

-- a table that all databases share is no topic either
SELECT try($$SELECT * FROM check_topic('pg_catalog.pg_database')$$);
SELECT try($$SELECT * FROM read_topic('pg_catalog.pg_database')$$);

-- arguments
SELECT try($$SELECT create_topic(NULL)$$);
SELECT try($$SELECT create_topic('n', NULL)$$);
SELECT try($$SELECT create_topic('n', 0)$$);
SELECT try($$SELECT create_topic('n', -1)$$);
SELECT try($$SELECT create_topic('n', 10001)$$);
SELECT try($$SELECT create_topic('n', 9223372036854775807)$$);
SELECT try($$SELECT create_topic('n', 1, 'anyelement')$$);
SELECT try($$SELECT create_topic('n', 1, 'text', 'record')$$);
SELECT try($$SELECT create_topic('n', 1, 'text', 'void')$$);
CREATE TYPE shell;
SELECT try($$SELECT create_topic('n', 1, 'shell')$$);

-- options
SELECT create_topic('opts', 1, options => '{"retention": "2 days 12 hours", "retention_bytes": "1 GB", "segment_bytes": 100000,
    "compression": "zstd", "max_event_bytes": "20 MB", "partitioner": "crc32", "cleanup_policy": "compact,delete", "delete_retention": "90 min",
    "retain_until_consumed": true, "when_full": "reject", "max_clock_ahead": null}');
SELECT label('opts');
SELECT options FROM eventlog_topics WHERE topic = 'opts'::regclass;
SELECT options FROM eventlog_topics WHERE topic = 'orders'::regclass;
SELECT topic, partitions, key_type, value_type, events, bytes FROM eventlog_topics WHERE topic::text IN ('orders', 'opts') ORDER BY 1;
SELECT o, try(format('SELECT create_topic(''bad'', options => %L)', o)) FROM unnest(ARRAY[
    '[]', '"x"', '{"retension": "1 day"}', '{"partitions": 3}', '{"uuid": "x"}', '{"retention": 7}', '{"retention": "soon"}', '{"retention": "-1 day"}', '{"retention": "0"}',
    '{"retention": {}}', '{"retention": "200000 years"}', '{"segment_bytes": null}', '{"segment_bytes": 65535}', '{"segment_bytes": "2 GB"}', '{"segment_bytes": 1e99}',
    '{"segment_bytes": 100000.5}', '{"segment_bytes": "large"}', '{"retention_bytes": 0}', '{"retention_bytes": []}', '{"max_event_bytes": 0}', '{"max_event_bytes": "1 GB"}',
    '{"compression": "gzip"}', '{"compression": null}', '{"compression": 4}', '{"partitioner": "random"}', '{"cleanup_policy": "keep"}', '{"retain_until_consumed": "yes"}',
    '{"when_full": true}', '{"max_clock_ahead": "-1 s"}']) o;
SELECT create_topic('forever', options => '{"retention": null, "delete_retention": "1500 ms", "max_clock_ahead": "0"}');
SELECT label('forever');

-- alter_topic
SELECT alter_topic('opts', '{"retention": null, "compression": "lz4", "max_clock_ahead": "1 hour"}');
SELECT label('opts');
SELECT alter_topic('opts', '{}');
SELECT label('opts');
SELECT try($$SELECT alter_topic('opts', '{"compression": null}')$$);
SELECT try($$SELECT alter_topic('opts', '{"nonsense": 1}')$$);
SELECT try($$SELECT alter_topic('opts', '{"partitions": null}')$$);
SELECT try($$SELECT alter_topic('opts', '{"partitions": 0}')$$);
SELECT try($$SELECT alter_topic('opts', NULL)$$);
SELECT try($$SELECT alter_topic('plain', '{}')$$);
SELECT try($$SELECT alter_topic('orders_p0', '{}')$$);
SELECT try($$SELECT alter_topic(0, '{}')$$);
-- partitions grow, existing data stays
ALTER TABLE orders ADD CONSTRAINT has_key CHECK (key IS NOT NULL);
SELECT produce('orders', 'k' || i, '1', partition => i) FROM generate_series(0, 2) i;
SELECT try($$SELECT produce('orders', 'k', '1', partition => 3)$$);
SELECT alter_topic('orders', '{"partitions": 5, "retention": "1 day"}');
SELECT * FROM parts('orders');
SELECT label('orders');
SELECT produce('orders', 'k3', '1', partition => 3), try($$SELECT produce('orders', NULL, '1', partition => 4)$$);
SELECT partition, event_offset, key FROM orders ORDER BY 1, 2;
SELECT try($$SELECT alter_topic('orders', '{"partitions": 4}')$$);
SELECT try($$SELECT alter_topic('orders', '{"partitions": 10001}')$$);
SELECT try($$SELECT alter_topic('orders', '{"partitions": 2.5}')$$);

-- routing
CREATE TEMP TABLE routed AS SELECT i, produce('orders', 'key' || i, '1') AS partition FROM generate_series(1, 200) i;
SELECT count(DISTINCT partition) FROM routed;
INSERT INTO orders (key, value) SELECT 'key' || i, '2' FROM generate_series(1, 200) i;
SELECT count(*) FROM orders o JOIN routed r ON o.key = 'key' || r.i AND o.partition = r.partition;
SELECT try($$INSERT INTO orders (partition, key, value) VALUES (7, 'k', '1')$$);
SELECT create_topic('rr', 4);
SELECT count(DISTINCT p), min(n), max(n) FROM (SELECT p, count(*) AS n FROM (SELECT produce('rr', NULL, '1') AS p FROM generate_series(1, 40)) x GROUP BY p) y;
SELECT count(DISTINCT produce('rr', '', '1')) FROM generate_series(1, 8);

-- rename, schema, owner, tablespace are carried to the partitions
ALTER TABLE orders RENAME TO bestellungen;
SELECT * FROM parts('bestellungen');
CREATE SCHEMA topics2;
ALTER TABLE bestellungen SET SCHEMA topics2;
SELECT * FROM parts('topics2.bestellungen');
SELECT topic, partitions, events FROM eventlog_topics WHERE topic = 'topics2.bestellungen'::regclass;
SELECT try(format('ALTER TABLE topics2.bestellungen RENAME TO %I', repeat('y', 60)));
ALTER TABLE topics2.bestellungen SET SCHEMA topics;
ALTER TABLE bestellungen RENAME TO orders;
CREATE ROLE regress_topics_owner;
CREATE ROLE regress_topics_user;
GRANT ALL ON SCHEMA topics TO regress_topics_owner;
GRANT USAGE ON SCHEMA topics TO regress_topics_user;
ALTER TABLE orders OWNER TO regress_topics_owner;
SELECT * FROM parts('orders');
ALTER TABLE orders SET TABLESPACE pg_default;
ALTER TABLE orders RENAME CONSTRAINT has_key TO key_given;
ALTER TABLE orders VALIDATE CONSTRAINT key_given;
ALTER TABLE orders ALTER COLUMN key SET STATISTICS 10;
ALTER TABLE orders DROP CONSTRAINT key_given;
SELECT alter_topic('orders', '{"partitions": 6}');
SELECT * FROM parts('orders');

-- a new constraint reads all events, whatever batches they are in
SELECT create_topic('scanned', 1, 'text', 'text');
INSERT INTO scanned (key, value) SELECT 'k' || i, repeat('v', 100) FROM generate_series(1, 1000) i;
INSERT INTO scanned (key, value) SELECT 'l' || i, repeat('v', 200) FROM generate_series(1, 2000) i;
INSERT INTO scanned (key, value) SELECT 'm' || i, repeat('v', 300) FROM generate_series(1, 10) i;
SELECT try($$ALTER TABLE scanned ADD CHECK (key <> 'm7')$$);
ALTER TABLE scanned ADD CHECK (length(value) < 301);
SELECT count(*), sum(length(value)) FROM scanned;

-- permissions
SET ROLE regress_topics_user;
SELECT try($$SELECT create_topic('topics.mine')$$);
SELECT try($$SELECT alter_topic('orders', '{}')$$);
SELECT try($$SELECT drop_topic('orders')$$);
SELECT try($$SELECT delete_events_before('orders', 0, 0)$$);
SELECT try($$SELECT * FROM check_topic('orders')$$);
SELECT try($$SECURITY LABEL FOR eventlog ON TABLE orders IS NULL$$);
SELECT count(*) FROM eventlog_topics WHERE topic = 'orders'::regclass;
RESET ROLE;
GRANT SELECT ON orders TO regress_topics_user;
SET ROLE regress_topics_user;
SELECT count(*) FROM eventlog_topics WHERE topic = 'orders'::regclass;
SELECT * FROM check_topic('orders');
SET ROLE regress_topics_owner;
SELECT alter_topic('orders', '{"retention": "3 days"}');
SELECT create_topic('theirs', 2);
SELECT drop_topic('theirs');
RESET ROLE;

-- the label
SELECT create_topic('labelled', options => '{"max_event_bytes": 10}');
SELECT try($$SELECT produce('labelled', 'k', '"0123456789"')$$);
SECURITY LABEL FOR eventlog ON TABLE labelled IS '{"uuid": "6e9bd4ac-2f8d-4d55-9ab8-1b2c3d4e5f60", "max_event_bytes": 20}';
SELECT try($$SELECT produce('labelled', 'k', '"0123456789"')$$);
SELECT try($$SECURITY LABEL FOR eventlog ON TABLE labelled IS '{"max_event_bytes": 20}'$$);
SELECT try($$SECURITY LABEL FOR eventlog ON TABLE labelled IS '{"uuid": "6e9bd4ac-2f8d-4d55-9ab8-1b2c3d4e5f60", "max_event_bytes": "x"}'$$);
SELECT try($$SECURITY LABEL FOR eventlog ON TABLE labelled IS '{"uuid": "6e9b"}'$$);
SELECT try($$SECURITY LABEL FOR eventlog ON TABLE labelled IS 'x'$$);
SELECT try($$SECURITY LABEL FOR eventlog ON TABLE plain IS '{}'$$);
SELECT try($$SECURITY LABEL FOR eventlog ON TABLE labelled_p0 IS '{}'$$);
SELECT try($$SECURITY LABEL FOR eventlog ON COLUMN labelled.key IS '{}'$$);
SELECT try($$SECURITY LABEL FOR eventlog ON SCHEMA topics IS '{}'$$);
-- without one, the defaults
SECURITY LABEL FOR eventlog ON TABLE labelled IS NULL;
SELECT try($$SELECT produce('labelled', 'k', '"01234567890123456789"')$$);
-- undone with the transaction, seen within it
BEGIN;
SELECT alter_topic('labelled', '{"max_event_bytes": 5}');
SAVEPOINT s;
SELECT produce('labelled', 'k', '"0123456789"');
ROLLBACK;
SELECT produce('labelled', 'k', '"0123456789"');

-- by hand, as pg_dump writes it
CREATE TABLE restored (partition int, event_offset bigint, event_time timestamptz, key text, value json, headers jsonb) PARTITION BY LIST (partition);
SECURITY LABEL FOR eventlog ON TABLE restored IS '{"uuid": "6e9bd4ac-2f8d-4d55-9ab8-1b2c3d4e5f61", "compression": "none"}';
SET default_table_access_method = eventlog;
CREATE TABLE restored_default (partition int, event_offset bigint, event_time timestamptz, key text, value json, headers jsonb);
CREATE TABLE restored_p0 (partition int, event_offset bigint, event_time timestamptz, key text, value json, headers jsonb);
CREATE TABLE restored_p1 (partition int, event_offset bigint, event_time timestamptz, key text, value json, headers jsonb);
RESET default_table_access_method;
ALTER TABLE ONLY restored ATTACH PARTITION restored_default DEFAULT;
ALTER TABLE ONLY restored ATTACH PARTITION restored_p1 FOR VALUES IN (1);
SELECT topic, partitions FROM eventlog_topics WHERE topic = 'restored'::regclass;
SELECT try($$SELECT produce('restored', 'k', '1', partition => 0)$$);
SELECT * FROM check_topic('restored');
ALTER TABLE ONLY restored ATTACH PARTITION restored_p0 FOR VALUES IN (0);
COPY restored_p1 (partition, event_offset, event_time, key, value, headers) FROM stdin;
1	100	2024-01-01 00:00:00+00	a	{"n": 1}	{}
1	101	2024-01-01 00:00:01+00	b	\N	{"h": "v"}
1	105	2024-01-01 00:00:02+00	\N	{"n": 3}	{}
\.
SELECT produce('restored', 'k', '1', partition => 1), produce('restored', 'k', '1', partition => 0);
SELECT partition, event_offset, key, value, headers FROM restored ORDER BY 1, 2;
SELECT label('restored');
-- no topic comes to the uuid of another: offsets, locks and floors go by it
CREATE FUNCTION give(topic regclass, uuid text) RETURNS text LANGUAGE sql AS $$
    SELECT try(format('SECURITY LABEL FOR eventlog ON TABLE %s IS %L', topic, json_build_object('uuid', uuid)))
$$;
CREATE FUNCTION made_from(relid oid) RETURNS text LANGUAGE sql AS $$
    SELECT '6576656e-746c-806f-8067-0000' || lpad(to_hex(relid::bigint), 8, '0')
$$;
CREATE TABLE unlabelled (LIKE restored) PARTITION BY LIST (partition);
CREATE TABLE unlabelled_p0 PARTITION OF unlabelled FOR VALUES IN (0) USING eventlog;
SET ROLE regress_topics_owner;
SELECT create_topic('thief', 1) > 0;
SELECT give('thief', '6e9bd4ac-2f8d-4d55-9ab8-1b2c3d4e5f61'), give('thief', '{6E9BD4AC2F8D4D559AB81B2C3D4E5F61}');
SELECT give('thief', made_from('unlabelled'::regclass)), give('thief', made_from(4294967295));
SELECT give('thief', made_from('thief'::regclass)), give('thief', made_from('thief'::regclass));
RESET ROLE;
SELECT give('thief', '6e9bd4ac-2f8d-4d55-9ab8-1b2c3d4e5f61');
SELECT give('thief', made_from('unlabelled'::regclass));
-- pg_restore, of a topic that had no label when alter_topic() gave it one
SELECT give('thief', made_from(4294967295));
SELECT give('unlabelled', made_from('thief'::regclass));
SELECT try('SECURITY LABEL FOR eventlog ON TABLE thief IS NULL');
-- its own again, and one that is free again
SELECT give('restored', '6e9bd4ac-2f8d-4d55-9ab8-1b2c3d4e5f61');
SELECT give('restored', '6e9bd4ac-2f8d-4d55-9ab8-1b2c3d4e5f63'), give('thief', '6e9bd4ac-2f8d-4d55-9ab8-1b2c3d4e5f61');
DROP TABLE thief, unlabelled;
SELECT give('restored', '6e9bd4ac-2f8d-4d55-9ab8-1b2c3d4e5f61');
-- a floor is where an empty log begins, unless its rows bring their offsets: those of a dump may lie below it
CREATE TABLE floored (LIKE restored) PARTITION BY LIST (partition);
SECURITY LABEL FOR eventlog ON TABLE floored IS '{"uuid": "6e9bd4ac-2f8d-4d55-9ab8-1b2c3d4e5f62"}';
CREATE TABLE floored_p0 PARTITION OF floored FOR VALUES IN (0) USING eventlog;
CREATE TABLE floored_p1 PARTITION OF floored FOR VALUES IN (1) USING eventlog;
INSERT INTO _eventlog.log_floor SELECT '6e9bd4ac-2f8d-4d55-9ab8-1b2c3d4e5f62', p, 50 FROM generate_series(0, 1) p;
COPY floored_p0 (partition, event_offset, event_time, key, value, headers) FROM stdin;
0	48	2024-01-01 00:00:00+00	a	1	{}
0	49	2024-01-01 00:00:01+00	b	2	{}
\.
SELECT produce('floored', 'k', '3', partition => 0), produce('floored', 'k', '1', partition => 1);
SELECT partition, event_offset, value FROM floored ORDER BY 1, 2;
SELECT try($$INSERT INTO floored (partition, event_offset, key) VALUES (0, 50, 'used')$$);
INSERT INTO floored (partition, event_offset, key) VALUES (0, 60, 'further');
SELECT max(event_offset) FROM floored WHERE partition = 0;
DROP TABLE floored;
-- a log knows its number
ALTER TABLE restored RENAME TO kept;
CREATE TABLE other (LIKE kept) PARTITION BY LIST (partition);
SELECT try($$ALTER TABLE kept DETACH PARTITION kept_p1$$);

-- RETURNING event_offset, and what else needs it
SELECT create_topic('ret', 2);
INSERT INTO ret (key, value) VALUES ('a', '1') RETURNING partition, event_offset, key;
INSERT INTO ret (key, value) VALUES ('a', '2') RETURNING key;
INSERT INTO ret (key, value) VALUES ('a', '3') RETURNING (ret).event_offset;
INSERT INTO ret AS r (key, value) VALUES ('a', '4') RETURNING to_jsonb(r) - 'event_time';
INSERT INTO ret (key, value) VALUES ('a', '5') RETURNING (SELECT max(x) FROM (VALUES (event_offset)) v(x));
WITH i AS (INSERT INTO ret (key, value) VALUES ('a', '6') RETURNING event_offset) SELECT * FROM i;
INSERT INTO ret_p0 (partition, key, value) VALUES (0, 'a', '7') RETURNING event_offset;
INSERT INTO ret_p0 (key, value) VALUES ('a', '7');
CREATE VIEW late AS SELECT * FROM ret WHERE event_offset >= 6 WITH CHECK OPTION;
INSERT INTO late (key, value) VALUES ('a', '8');
SELECT try($$INSERT INTO late (partition, key, value) VALUES (1, 'a', '9')$$), try($$INSERT INTO late (partition, key, value) VALUES (0, 'a', '10')$$);
PREPARE ins AS INSERT INTO ret (key, value) VALUES ('a', $1) RETURNING event_offset IS NOT NULL;
EXECUTE ins('11');
EXECUTE ins('12');
-- the state goes with the query, also when it fails
BEGIN;
SAVEPOINT s;
INSERT INTO ret (key, value) SELECT 'a', CASE i WHEN 2 THEN 'x' ELSE '1' END::json FROM generate_series(1, 2) i RETURNING event_offset;
ROLLBACK TO s;
INSERT INTO ret (key, value) VALUES ('b', '13');
SELECT count(*) FROM ret WHERE key = 'b';
COMMIT;
SELECT count(*) FROM ret WHERE key = 'b';

-- TRUNCATE: the log goes on where it ended
SELECT create_topic('cut', 2, options => '{"segment_bytes": "64 kB"}');
SELECT count(produce('cut', 'k', to_json(i), partition => i % 2)) FROM generate_series(1, 10) i;
TRUNCATE cut;
SELECT count(*) FROM cut;
SELECT partition, log_end FROM _eventlog.log_floor f WHERE f.topic =
    (SELECT (label::jsonb ->> 'uuid')::uuid FROM pg_seclabel WHERE objoid = 'cut'::regclass) ORDER BY 1;
SELECT produce('cut', 'k', '1', partition => 0);
SELECT partition, event_offset, value FROM cut;
BEGIN;
SELECT produce('cut', 'k', '"gone"', partition => 0);
TRUNCATE cut;
SELECT produce('cut', 'k', '"kept"', partition => 0);
COMMIT;
SELECT partition, event_offset, value FROM cut;
BEGIN;
SELECT produce('cut', 'k', '"back"', partition => 0);
SAVEPOINT s;
TRUNCATE cut;
ROLLBACK TO s;
COMMIT;
SELECT partition, event_offset, value FROM cut;
TRUNCATE cut_p0;
SELECT partition, event_offset, value FROM cut;
SELECT produce('cut', 'k', '"next"', partition => 0);
SELECT partition, event_offset, value FROM cut;
-- TRUNCATE twice, and of what was created in the same transaction
BEGIN;
SELECT create_topic('brief');
SELECT produce('brief', 'k', '1');
SELECT partition, first_offset, last_offset FROM flush();
TRUNCATE brief;
TRUNCATE brief;
SELECT produce('brief', 'k', '2');
COMMIT;
SELECT event_offset, value FROM brief;
-- a topic dropped takes its buffered events with it
BEGIN;
SELECT produce('brief', 'k', '3');
SELECT drop_topic('brief');
COMMIT;

-- delete_events_before
SELECT create_topic('del', 1);
SELECT count(produce('del', 'k', to_json(i))) FROM generate_series(0, 9) i;
SELECT delete_events_before('del', 0, 4);
SELECT min(event_offset), max(event_offset), count(*) FROM del;
SELECT events FROM eventlog_topics WHERE topic = 'del'::regclass;
SELECT delete_events_before('del', 0, 2);
SELECT min(event_offset), max(event_offset), count(*) FROM del;
SELECT try($$SELECT delete_events_before('del', 0, 11)$$);
SELECT try($$SELECT delete_events_before('del', 0, -1)$$);
SELECT try($$SELECT delete_events_before('del', 1, 0)$$);
SELECT try($$SELECT delete_events_before('del', NULL, 0)$$);
SELECT try($$SELECT delete_events_before('plain', 0, 0)$$);
-- not beyond what is not decided yet
BEGIN;
SELECT produce('del', 'k', '10');
SELECT first_offset FROM flush();
SELECT try($$SELECT delete_events_before('del', 0, 11)$$);
SELECT try($$SELECT delete_events_before('del', 0, 10)$$);
COMMIT;
SELECT min(event_offset), max(event_offset), count(*) FROM del;
SELECT delete_events_before('del', 0, 11);
SELECT count(*) FROM del;
SELECT produce('del', 'k', '11');
SELECT event_offset, value FROM del;
SELECT * FROM check_topic('del');

-- publications of everything cannot be refused
SET client_min_messages = error;
CREATE PUBLICATION topics_all FOR ALL TABLES;
RESET client_min_messages;
SELECT create_topic('published');
SELECT * FROM check_topic('published');
DROP PUBLICATION topics_all;
SET client_min_messages = error;
CREATE PUBLICATION topics_schema FOR TABLES IN SCHEMA topics;
RESET client_min_messages;
SELECT create_topic('published2');
DROP PUBLICATION topics_schema;

-- drop_topic
SELECT try($$SELECT drop_topic('plain')$$);
SELECT try($$SELECT drop_topic('orders_p0')$$);
SELECT try($$SELECT drop_topic('missing')$$);
SELECT try($$SELECT drop_topic('nowhere.missing')$$);
SELECT drop_topic('missing', true);
CREATE VIEW uses AS SELECT * FROM del;
SELECT try($$SELECT drop_topic('del')$$);
DROP VIEW uses;
SELECT drop_topic('del');
SELECT drop_topic('"Mixed"'), drop_topic('mixed'), drop_topic('"with.dot and ""quote"""');
DROP TABLE rr, cut, plain;
SELECT count(*) FROM pg_class WHERE relnamespace = 'topics'::regnamespace AND relname ~ '^(del|cut|rr|Mixed|mixed|with)';
-- nothing is left behind of it
SELECT count(*) FROM _eventlog.log_floor f WHERE NOT EXISTS
    (SELECT FROM pg_seclabel s WHERE provider = 'eventlog' AND label::jsonb ->> 'uuid' = f.topic::text);

SET client_min_messages = warning;
DROP SCHEMA topics, topics2 CASCADE;
DROP OWNED BY regress_topics_owner, regress_topics_user;
DROP ROLE regress_topics_owner, regress_topics_user;
