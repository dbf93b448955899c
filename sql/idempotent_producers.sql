-- Kafka's idempotent producers: a batch that is sent again is not appended again, and each of the rules has its answer.
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS eventlog;
RESET client_min_messages;
\pset footer off
CREATE SCHEMA idem;
SET search_path = idem, public;
\i test/castagnoli.sql
-- n events without key and with an empty value
CREATE FUNCTION batch(producer bigint, epoch int, first int, n int = 1) RETURNS bytea LANGUAGE sql IMMUTABLE AS $$
    SELECT int8send(0) || int4send(length(tail) + 9) || int4send(-1) || '\x02' || substr(int8send(idem.castagnoli(tail)), 5) || tail
      FROM (SELECT int2send(0::int2) || int4send(n - 1) || int8send(1704067200000) || int8send(1704067200000) || int8send(producer)
        || int2send(epoch::int2) || int4send(first) || int4send(n)
        || string_agg(set_byte('\x0c000000010000'::bytea, 3, 2 * i) , '' ORDER BY i) AS tail FROM generate_series(0, n - 1) i) s $$;
SELECT create_topic('idem.t', 2, 'bytea', 'bytea');
SELECT topic_id AS t FROM _eventlog.broker_topics('{idem}', '{t}') \gset
CREATE FUNCTION send(partition int, VARIADIC batches bytea[]) RETURNS TABLE (sqlstate text, base bigint, message text) LANGUAGE sql AS $$
    SELECT sqlstate, base_offset, regexp_replace(message, 'producer \d+', 'producer N')
      FROM _eventlog.broker_append(array_fill((SELECT topic_id FROM _eventlog.broker_topics('{idem}', '{t}')), ARRAY[cardinality(batches)]),
        array_fill(partition, ARRAY[cardinality(batches)]), batches) $$;

-- ids are given out once
SELECT _eventlog.broker_init_producer() AS a \gset
SELECT _eventlog.broker_init_producer() AS b \gset
SELECT :b > :a AS rises, :a > 0 AS positive;
BEGIN;
SELECT _eventlog.broker_init_producer() AS c \gset
ROLLBACK;
SELECT _eventlog.broker_init_producer() > :c AS rises;
BEGIN READ ONLY;
SELECT _eventlog.broker_init_producer();
ROLLBACK;
CREATE ROLE regress_idem;
SET ROLE regress_idem;
SELECT _eventlog.broker_init_producer() > :c AS rises;
RESET ROLE;
DROP ROLE regress_idem;

-- what Kafka 4.1.1 answers, in its order; older than the five is EL007 here, for which Kafka has no answer of its own any more
SELECT * FROM send(0, batch(1000000001, 0, 50));
SELECT * FROM send(0, batch(1000000002, 0, 0), batch(1000000002, 0, 1), batch(1000000002, 0, 2), batch(1000000002, 0, 3),
    batch(1000000002, 0, 4), batch(1000000002, 0, 5), batch(1000000002, 0, 6), batch(1000000002, 0, 7));
SELECT * FROM send(0, batch(1000000002, 0, 7));
SELECT * FROM send(0, batch(1000000002, 0, 3));
SELECT * FROM send(0, batch(1000000002, 0, 2));
SELECT * FROM send(0, batch(1000000002, 0, 0));
SELECT * FROM send(0, batch(1000000002, 0, 9));
SELECT * FROM send(0, batch(1000000002, 1, 5));
SELECT * FROM send(0, batch(1000000002, 1, 0));
SELECT * FROM send(0, batch(1000000002, 0, 8));
SELECT * FROM send(0, batch(1000000002, 1, 0, 2));
-- one partition knows nothing of another
SELECT * FROM send(1, batch(1000000002, 0, 3));

-- pipelined: n is refused, so n + 1 is; a batch and its repetition in one call
SELECT * FROM send(0, batch(1000000003, 0, 0, 2), set_byte(batch(1000000003, 0, 2), 20, 0), batch(1000000003, 0, 3));
SELECT * FROM send(0, batch(1000000003, 0, 2), batch(1000000003, 0, 2), batch(1000000003, 0, 3));
-- two producers, out of order
SELECT * FROM send(0, batch(1000000004, 0, 0), batch(1000000005, 0, 0), batch(1000000004, 0, 2), batch(1000000005, 0, 1), batch(1000000004, 0, 1));
-- 0 follows 2147483647
SELECT * FROM send(0, batch(1000000006, 0, 2147483646, 3), batch(1000000006, 0, 1), batch(1000000006, 0, 2147483646, 3), batch(1000000006, 0, 2147483645));
-- none: never looked at
SELECT sqlstate, base IS NOT NULL AS appended FROM send(0, batch(-1, -1, -1), batch(-1, -1, -1));
-- half of one
SELECT * FROM send(0, batch(1000000007, -1, 0), batch(1000000007, 0, -1));

-- what was rolled back was never sent
BEGIN;
SELECT sqlstate, message FROM send(0, batch(1000000008, 0, 0), batch(1000000008, 0, 1));
SAVEPOINT s;
SELECT sqlstate, message FROM send(0, batch(1000000008, 0, 2), batch(1000000008, 0, 1));
ROLLBACK TO s;
SELECT sqlstate, message FROM send(0, batch(1000000008, 0, 3));
SELECT sqlstate, message FROM send(0, batch(1000000008, 0, 2));
ROLLBACK;
SELECT sqlstate, message FROM send(0, batch(1000000008, 0, 0), batch(1000000008, 0, 2));
DO $$
BEGIN
    PERFORM idem.send(0, idem.batch(1000000008, 0, 1));
    RAISE division_by_zero;
EXCEPTION WHEN division_by_zero THEN
    PERFORM idem.send(0, idem.batch(1000000008, 0, 1));
END $$;
SELECT sqlstate, message FROM send(0, batch(1000000008, 0, 1), batch(1000000008, 0, 2));

-- a new file: VACUUM FULL takes the batches along, TRUNCATE does not
SELECT sqlstate, message FROM send(0, batch(:a, 0, 0), batch(:a, 0, 1));
VACUUM FULL t;
SELECT sqlstate, message FROM send(0, batch(:a, 0, 1), batch(:a, 0, 3), batch(:a, 0, 2));
SELECT * FROM send(0, batch(1000000002, 1, 0), batch(1000000002, 0, 8));
TRUNCATE t;
SELECT sqlstate, message FROM send(0, batch(:a, 0, 8), batch(:a, 0, 1));
-- the log start moves: that producers have been there is not forgotten
SELECT delete_events_before('t', 0, log_end_offset) FROM eventlog_partitions WHERE topic = 't'::regclass AND partition = 0;
SELECT sqlstate, message FROM send(0, batch(:a, 0, 8), batch(:a, 0, 10));

-- each event is there once
SELECT sqlstate, message FROM send(1, batch(:b, 0, 0, 3), batch(:b, 0, 0, 3), batch(:b, 0, 3));
SELECT partition, count(*) FROM t WHERE partition = 1 GROUP BY partition;
SELECT * FROM check_topic('t');
SHOW eventlog.producer_memory;
SELECT drop_topic('idem.t');
DROP SCHEMA idem CASCADE;
