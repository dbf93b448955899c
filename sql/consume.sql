-- consume(), commit(), seek(), claim() in one session
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS eventlog;
RESET client_min_messages;
\set SHOW_CONTEXT never
SET timezone = 'UTC';

SELECT create_topic('c_orders', 2);
-- keys chosen so that both partitions get some
CREATE FUNCTION pg_temp.fill(topic regclass, lo int, hi int) RETURNS bigint LANGUAGE sql AS
    $$ SELECT count(produce(topic, i::text, json_build_object('n', i)::text, partition => i % 2))
         FROM generate_series(lo, hi) i $$;
SELECT pg_temp.fill('c_orders', 1, 10);

--
-- A member's first call joins; its position goes on; commit() keeps it
--
SELECT partition, event_offset, key, value, headers FROM consume('g', 'c_orders', max_events => 3);
SELECT partition, count(*), min(event_offset), max(event_offset) FROM consume('g', 'c_orders') GROUP BY 1 ORDER BY 1;
SELECT count(*) FROM consume('g', 'c_orders');
SELECT commit('g');
SELECT commit('g') AS nothing_moved;
SELECT topic, partition, committed_offset, delivered_offset, log_end_offset, lag FROM eventlog_lag WHERE group_name = 'g' ORDER BY 2;
-- as it is stored
SELECT key::json->>0 AS group_name, (key::json->>2)::int AS partition, value
  FROM _eventlog.committed_offsets WHERE key::json->>0 = 'g' ORDER BY 2;

--
-- Rolled back: delivered again.  Savepoints too
--
SELECT pg_temp.fill('c_orders', 11, 16);
BEGIN;
SELECT count(*) FROM consume('g', 'c_orders');
SELECT count(*) AS own_position FROM consume('g', 'c_orders');
ROLLBACK;
BEGIN;
SELECT count(*) FROM consume('g', 'c_orders', max_events => 2);
SAVEPOINT a;
SELECT count(*) FROM consume('g', 'c_orders', max_events => 3);
SELECT commit('g') AS in_savepoint;
SAVEPOINT b;
SELECT count(*) FROM consume('g', 'c_orders');
ROLLBACK TO b;
SELECT count(*) AS again FROM consume('g', 'c_orders');
ROLLBACK TO a;
SELECT sum(n) AS again FROM (SELECT count(*) AS n FROM consume('g', 'c_orders')) x;
SELECT commit('g') AS at_the_end;
COMMIT;
SELECT count(*) FROM consume('g', 'c_orders');
SELECT sum(lag) AS lag FROM eventlog_lag WHERE group_name = 'g';

-- an exception block is a savepoint
SELECT pg_temp.fill('c_orders', 17, 18);
DO $$
BEGIN
    BEGIN
        PERFORM count(*) FROM consume('g', 'c_orders');
        PERFORM commit('g');
        RAISE EXCEPTION 'no';
    EXCEPTION WHEN raise_exception THEN
        NULL;
    END;
    RAISE NOTICE 'after the exception: %', (SELECT count(*) FROM consume('g', 'c_orders'));
    PERFORM commit('g');
END $$;

--
-- In one statement
--
SELECT pg_temp.fill('c_orders', 19, 28);
CREATE TABLE c_sink (partition int, event_offset bigint, n int, PRIMARY KEY (partition, event_offset));
INSERT INTO c_sink SELECT partition, event_offset, (value->>'n')::int
  FROM consume('sink', 'c_orders', max_events => 20, commit => true);
INSERT INTO c_sink SELECT partition, event_offset, (value->>'n')::int
  FROM consume('sink', 'c_orders', commit => true);
SELECT count(*), sum(n) FROM c_sink;
SELECT count(*) FROM consume('sink', 'c_orders', commit => true);

--
-- Bytes, types, limits
--
SELECT key, value, headers FROM consume_bytes('bytes', 'c_orders', max_events => 1);
SELECT create_topic('c_typed', 1, 'uuid', 'int');
SELECT produce('c_typed', '6ba7b810-9dad-11d1-80b4-00c04fd430c8'::uuid, 42);
SELECT produce('c_typed', NULL::uuid, NULL::int);
SELECT key, value FROM consume('typed', 'c_typed');
SELECT pg_typeof(key), key, value + 1 AS value FROM consume_as(NULL::c_typed, 'typed_as');
SELECT key, value FROM consume_bytes('typed_bytes', 'c_typed');
SELECT count(*) FROM consume_as(NULL::pg_class, 'typed_as');
SELECT count(*) FROM consume_as(1, 'typed_as');
-- one event is always delivered; key, value and headers count
SELECT count(*) FROM consume('mb', 'c_orders', max_bytes => 1);
SELECT count(*) FROM consume('mb', 'c_orders', max_bytes => 40);
SELECT count(*) FROM consume('mb', 'c_orders', max_events => 9223372036854775807, max_bytes => 9223372036854775807);
SELECT * FROM consume('mb', 'c_orders', max_events => 0);
SELECT * FROM consume('mb', 'c_orders', max_bytes => -1);
SELECT * FROM consume('mb', 'c_orders', max_events => NULL);
SELECT * FROM consume(NULL, 'c_orders');
SELECT * FROM consume('', 'c_orders');
SELECT * FROM consume(repeat('x', 64), 'c_orders');
SELECT * FROM consume('g', 'c_orders', member => '');
SELECT * FROM consume('g', 'c_orders', wait => '-1 second');
SELECT * FROM consume('g', 'pg_class');
SELECT * FROM consume('g', 'nonesuch');

--
-- Subscriptions
--
SELECT create_topic('c_second');
SELECT produce('c_second', 'a', '1');
SELECT * FROM consume('sub');
SELECT count(*) FROM consume('sub', 'c_second');
SELECT count(*) FROM consume('sub', 'c_orders', max_events => 5);
SELECT produce('c_second', 'b', '2');
SELECT topic, count(*) FROM consume('sub') GROUP BY 1 ORDER BY topic::text;
SELECT commit('sub');
SELECT topics::text, partitions FROM eventlog_members WHERE group_name = 'sub';

--
-- Explicit commits
--
SELECT count(*) FROM consume('ex', 'c_second');
SELECT commit('ex', 'c_second', 0, 1);
SELECT committed_offset, delivered_offset, lag FROM eventlog_lag WHERE group_name = 'ex';
SELECT commit('ex', 'c_second', 0, 0);
SELECT commit('ex', 'c_second', 0, 3);
SELECT commit('ex', 'c_second', 0, 1) AS nothing_moved;
SELECT commit('ex', 'c_second', 1, 1);
SELECT commit('ex', 'c_orders', 0, 1);
SELECT commit('ex') AS the_rest;

--
-- seek()
--
SELECT seek('ex', 'c_second', 0, 0);
SELECT event_offset FROM consume('ex', 'c_second');
SELECT seek('ex', 'c_second', 0, 3);
SELECT seek('ex', 'c_second', 0, -1);
BEGIN;
SELECT seek('ex', 'c_second', 0, 1);
SELECT event_offset FROM consume('ex', 'c_second');
SELECT commit('ex') AS moved;
ROLLBACK;
BEGIN;
SELECT event_offset FROM consume('ex', 'c_second');
SELECT seek('ex', 'c_second', 0, 1);
SELECT event_offset FROM consume('ex', 'c_second');
SAVEPOINT a;
SELECT seek('ex', 'c_second', 0, 0);
SELECT event_offset FROM consume('ex', 'c_second');
ROLLBACK TO a;
SELECT event_offset FROM consume('ex', 'c_second');
SELECT commit('ex') AS moved;
COMMIT;
SELECT committed_offset FROM eventlog_lag WHERE group_name = 'ex';
-- a group that nobody has used
SELECT seek('sought', 'c_second', 0, 1);
SELECT event_offset FROM consume('sought', 'c_second');

--
-- Named members have no position between transactions
--
SELECT event_offset FROM consume('named', 'c_second', member => 'w1');
SELECT event_offset FROM consume('named', 'c_second', member => 'w1');
BEGIN;
SELECT event_offset FROM consume('named', 'c_second', 1, 'w1');
SELECT event_offset FROM consume('named', 'c_second', 1, 'w1');
ROLLBACK;
SELECT event_offset FROM consume('named', 'c_second', 1, 'w1');
SELECT commit('named', 'w1') AS what_the_last_one_delivered;
SELECT committed_offset FROM eventlog_lag WHERE group_name = 'named';
SELECT commit('named', 'w2');
SELECT commit('named');
SELECT commit('named', 'c_second', 0, 1, 'w1') AS nothing_moved;
SELECT event_offset FROM consume('named', 'c_second', 1, 'w1', commit => true);
SELECT event_offset FROM consume('named', 'c_second', 1, 'w1');
SELECT member, kind, partitions FROM eventlog_members WHERE group_name = 'named';

--
-- claim()
--
SELECT partition, count(*) FROM claim('claims', 'c_orders', 9223372036854775807) GROUP BY 1 ORDER BY 1;
SELECT count(*) FROM claim('claims', 'c_orders');
SELECT pg_temp.fill('c_orders', 29, 32);
BEGIN;
SELECT count(*) FROM claim('claims', 'c_orders', max_events => 1);
SAVEPOINT a;
SELECT count(*) FROM claim('claims', 'c_orders');
ROLLBACK TO a;
SELECT count(*) FROM claim('claims', 'c_orders');
COMMIT;
SELECT count(*) FROM claim('claims', 'c_orders');
SELECT state, members, lag FROM eventlog_groups WHERE group_name = 'claims';
SELECT count(*) FROM claim('g', 'c_orders');
SELECT commit('claims');
SELECT * FROM claim('claims', NULL);
SELECT * FROM claim('claims', 'c_orders', max_events => 0);

--
-- Groups do not influence each other; each sees every event once
--
SELECT count(*) AS events FROM c_orders;
SELECT count(*) FROM consume('other', 'c_orders');
SELECT count(*) FROM consume('g', 'c_orders');

--
-- min_age, own events, read-only transactions
--
SELECT produce('c_second', 'young', '3');
SELECT count(*) FROM consume('age', 'c_second', min_age => '1 hour');
SELECT count(*) FROM consume('age', 'c_second', min_age => '0');
BEGIN;
SELECT produce('c_second', 'own', '4');
SELECT first_offset FROM flush();
SELECT count(*) AS own_events FROM consume('age', 'c_second');
COMMIT;
SELECT count(*) FROM consume('age', 'c_second');
BEGIN READ ONLY;
SELECT count(*) FROM consume('ro', 'c_second');
SELECT commit('ro');
ROLLBACK;
BEGIN READ ONLY;
SELECT * FROM consume('ro', 'c_second', commit => true);
ROLLBACK;
BEGIN READ ONLY;
SELECT * FROM claim('ro2', 'c_second');
ROLLBACK;
-- an empty call takes no xid, no lock and writes nothing
SELECT commit('g');
BEGIN;
SELECT count(*) FROM consume('g', 'c_orders');
SELECT pg_current_xact_id_if_assigned() IS NULL AS no_xid,
       NOT EXISTS (SELECT FROM pg_locks WHERE pid = pg_backend_pid() AND locktype = 'advisory') AS no_lock;
COMMIT;
-- two-phase commit
SELECT produce('c_second', 'two', '5');
BEGIN;
SELECT count(*) FROM consume('age', 'c_second');
PREPARE TRANSACTION 'consumed';
BEGIN;
SELECT seek('age', 'c_second', 0, 0);
PREPARE TRANSACTION 'sought';

--
-- Waiting
--
SELECT count(*) FROM consume('g', 'c_orders', wait => '10 ms');
CALL wait_for_events('g', '10 ms');
SELECT pg_temp.fill('c_orders', 33, 33);
CALL wait_for_events('g', '10 s');
SELECT count(*) FROM consume('g', 'c_orders', wait => '10 s');
CALL wait_for_events('claims', '10 s');
CALL wait_for_events('nonesuch', '10 ms');
CALL wait_for_events('g', '10 ms', 'w9');
CALL wait_for_events(NULL, '10 ms');
BEGIN;
CALL wait_for_events('g', '10 ms');
ROLLBACK;
CREATE FUNCTION pg_temp.f() RETURNS void LANGUAGE plpgsql AS
    $$ DECLARE r boolean; BEGIN CALL wait_for_events('g', '10 ms', NULL, NULL, r); END $$;
SELECT pg_temp.f();
DO $$
DECLARE r boolean;
BEGIN
    PERFORM commit('g');
    COMMIT;
    CALL wait_for_events('g', '10 ms', NULL, NULL, r);
    RAISE NOTICE 'ready: %', r;
    INSERT INTO c_sink VALUES (99, 99, 99);
    CALL wait_for_events('g', '10 ms', NULL, NULL, r);
END $$;

-- a procedure that commits for ever does not grow
SELECT create_topic('c_memory');
SELECT produce_batch('c_memory', NULL::text[], array(SELECT i::text FROM generate_series(1, 2000) i)) IS NOT NULL AS done;
DO $$
DECLARE n int;
BEGIN
    FOR i IN 1..2000 LOOP
        SELECT count(*) INTO STRICT n FROM claim('memory', 'c_memory', 1);
        ASSERT n = 1;
        COMMIT;
    END LOOP;
    RAISE NOTICE 'small: %', (SELECT sum(total_bytes) < 2000000 FROM pg_backend_memory_contexts WHERE name = 'SPI Proc');
END $$;

--
-- Lost events
--
SELECT create_topic('c_lost');
SELECT count(produce('c_lost', 'k', i::text)) FROM generate_series(1, 10) i;
SELECT create_group('lost_earliest', '{"on_lost": "earliest"}'), create_group('lost_latest', '{"on_lost": "latest"}');
SELECT count(*) FROM consume('lost', 'c_lost', 2, commit => true);
SELECT count(*) FROM consume('lost_earliest', 'c_lost', 2, commit => true);
SELECT count(*) FROM consume('lost_latest', 'c_lost', 2, commit => true);
SELECT delete_events_before('c_lost', 0, 5);
SELECT * FROM consume('lost', 'c_lost');
SELECT min(event_offset), count(*) FROM consume('lost_earliest', 'c_lost', commit => true);
SELECT count(*) FROM consume('lost_latest', 'c_lost', commit => true);
SELECT produce('c_lost', 'k', '11');
SELECT event_offset FROM consume('lost_latest', 'c_lost', commit => true);
SELECT group_name, committed_offset, events_lost FROM eventlog_lag WHERE topic = 'c_lost'::regclass ORDER BY 1;
SELECT seek('lost', 'c_lost', 0, 9);
SELECT event_offset FROM consume('lost', 'c_lost');

-- a claim from where this transaction has sought
BEGIN;
SELECT seek('resought', 'c_lost', 0, 8);
SELECT event_offset FROM claim('resought', 'c_lost', max_events => 1);
COMMIT;
SELECT event_offset FROM claim('resought', 'c_lost', max_events => 1);

-- what others put into the topic of committed offsets is no error, whatever it is
BEGIN;
INSERT INTO _eventlog.committed_offsets (partition, key, value) VALUES
    (0, repeat('[', 500000), '{"next": 1}'), (0, '["\u4e2d", "00000000-0000-0000-0000-000000000000", 0]', '{"next": 1}'),
    (0, '["g", "00000000-0000-0000-0000-000000000000", 0]', '{"next": [1]}'), (0, '["g", "no uuid", 0]', '{"next": 1}');
SELECT count(*) FROM flush();
SET LOCAL client_min_messages = error;
SELECT count(*) FROM consume('no_offsets', 'c_lost', max_events => 1);
ROLLBACK;

-- the session leaves
SELECT count(*) > 5 AS member FROM eventlog_members WHERE pid = pg_backend_pid();
DISCARD ALL;
SELECT count(*) AS member FROM eventlog_members WHERE pid = pg_backend_pid();
SELECT commit('g');

SET client_min_messages = warning;
SELECT drop_group('lost_earliest'), drop_group('lost_latest');
DROP TABLE c_orders, c_typed, c_second, c_lost, c_memory, c_sink;
