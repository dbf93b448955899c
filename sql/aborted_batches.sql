-- Aborted batches at a log's end: who waits behind them does not read them in each call
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS eventlog;
RESET client_min_messages;

-- each a batch of its own, as with transactions that were rolled back after flush()
CREATE PROCEDURE ab_abort(topic regclass, n int) LANGUAGE plpgsql AS $$
BEGIN
    FOR i IN 1..n LOOP
        BEGIN
            PERFORM produce(topic, 'aborted', i::text, partition => 0);
            PERFORM flush();
            RAISE EXCEPTION USING ERRCODE = 'RB000';
        EXCEPTION WHEN SQLSTATE 'RB000' THEN
        END;
    END LOOP;
END $$;
-- blocks that a query looks at, the best of three: it may load catalogs
CREATE FUNCTION ab_blocks(query text) RETURNS int LANGUAGE plpgsql AS $$
DECLARE
    plan json;
    least int;
BEGIN
    FOR i IN 1..3 LOOP
        EXECUTE 'EXPLAIN (ANALYZE, BUFFERS, TIMING OFF, FORMAT JSON) ' || query INTO plan;
        least := least(least, (plan->0->'Plan'->>'Shared Hit Blocks')::int + (plan->0->'Plan'->>'Shared Read Blocks')::int);
    END LOOP;
    RETURN least;
END $$;

SELECT create_topic('ab', 1, 'text', 'text');
SELECT count(produce('ab', 'k', i::text)) FROM generate_series(0, 2) i;
CALL ab_abort('ab', 6000);
SELECT log_end_offset, stable_offset FROM eventlog_partitions WHERE topic = 'ab'::regclass;
SELECT count(*) FROM consume('abg', 'ab', commit => true);
-- it is many blocks to whoever looks at all of it
SELECT pg_relation_size('ab_p0') / 8192 > 60 AS pages, ab_blocks('SELECT count(*) FROM ab') > 60 AS read;
CREATE TABLE ab_reads (name text, query text);
INSERT INTO ab_reads VALUES
    ('consume', $$SELECT * FROM consume('abg', 'ab')$$),
    ('consume, another group', $$SELECT * FROM consume('abh', 'ab', min_age => '1 hour')$$),
    ('claim', $$SELECT * FROM claim('abc', 'ab')$$),
    ('read_topic', $$SELECT * FROM read_topic('ab', 0, 3)$$),
    ('read_topic, amid', $$SELECT * FROM read_topic('ab', 0, 1000)$$),
    ('lag', $$SELECT lag FROM _eventlog.lag() WHERE group_name = 'abg'$$);
SELECT seek('abc', 'ab', 0, 3);
SELECT name, ab_blocks(query) <= 60 AS few, CASE WHEN ab_blocks(query) > 60 THEN ab_blocks(query) END AS but FROM ab_reads ORDER BY 1;
SELECT group_name, lag FROM eventlog_lag WHERE topic = 'ab'::regclass ORDER BY 1;

-- what comes behind is delivered: at once, more aborted ones before and behind it, and none of them again
SELECT produce('ab', 'k', '3');
SELECT event_offset, value FROM consume_as(NULL::ab, 'abg', commit => true);
CALL ab_abort('ab', 200);
SELECT count(*) FROM consume('abg', commit => true);
CALL ab_abort('ab', 10);
SELECT produce('ab', 'k', '4');
CALL ab_abort('ab', 200);
SELECT event_offset, value FROM consume_as(NULL::ab, 'abg', commit => true);
SELECT count(*) FROM consume('abg', commit => true);
SELECT event_offset, value FROM consume_as(NULL::ab, 'abh', max_events => 4);
SELECT lag FROM eventlog_lag WHERE group_name = 'abg';
-- this transaction's own are not decided
BEGIN;
SELECT produce('ab', 'k', '5');
SELECT count(*) FROM flush();
SELECT count(*) FROM consume('abg', commit => true);
COMMIT;
SELECT event_offset, value FROM consume_as(NULL::ab, 'abg', commit => true);
-- settled, in another file, in one that is given up
VACUUM ab;
CALL ab_abort('ab', 100);
SELECT count(*) FROM consume('abg', commit => true);
VACUUM FULL ab;
SELECT produce('ab', 'k', '6');
SELECT event_offset, value FROM consume_as(NULL::ab, 'abg', commit => true);
CALL ab_abort('ab', 100);
SELECT count(*) FROM consume('abg', commit => true);
BEGIN;
TRUNCATE ab;
SELECT produce('ab', 'k', 'in the new file');
SELECT count(*) FROM flush();
ROLLBACK;
SELECT produce('ab', 'k', '7');
SELECT event_offset, value FROM consume_as(NULL::ab, 'abg', commit => true);
CALL ab_abort('ab', 100);
SELECT count(*) FROM consume('abg', commit => true);
TRUNCATE ab;
SELECT seek('abg', 'ab', 0, (SELECT log_start_offset FROM eventlog_partitions WHERE topic = 'ab'::regclass));
SELECT produce('ab', 'k', '8');
SELECT event_offset, value FROM consume_as(NULL::ab, 'abg', commit => true);
-- removed by retention, behind and amid what is remembered
SELECT produce('ab', 'k', '9');
CALL ab_abort('ab', 100);
SELECT count(*) FROM consume('abg', commit => true);
SELECT count(*) FROM consume('abg', commit => true);
SELECT delete_events_before('ab', 0, (SELECT max(event_offset) + 51 FROM ab));
SELECT count(*) FROM consume('abg', commit => true);
SELECT seek('abg', 'ab', 0, (SELECT log_start_offset FROM eventlog_partitions WHERE topic = 'ab'::regclass));
SELECT produce('ab', 'k', '10');
SELECT value FROM consume_as(NULL::ab, 'abg', commit => true);
SELECT leave_group('abg'), leave_group('abh');
SELECT drop_topic('ab');

--
-- At random: what follows the log (read_topic) against what remembers nothing (SELECT)
--
SELECT create_topic('abr', 1, 'text', 'text', '{"segment_bytes": 65536, "cleanup_policy": "compact", "compression": "none", "delete_retention": "0 s"}');
CREATE TABLE ab_seen (step int, did text, lost bigint, more bigint);
CREATE PROCEDURE ab_step(step int) LANGUAGE plpgsql AS $$
DECLARE
    did text := (ARRAY['abort', 'abort', 'produce', 'produce', 'delete', 'compact'])[1 + trunc(random() * 6)];
    low bigint;
    high bigint;
    place bigint;
BEGIN
    IF did = 'abort' THEN
        CALL ab_abort('abr', (1 + random() * random() * 300)::int);
    ELSIF did = 'produce' THEN
        FOR i IN 1..1 + trunc(random() * 3) LOOP
            PERFORM produce('abr', trunc(random() * 20)::text, repeat('x', 400)) FROM generate_series(0, trunc(random() * 20)::int);
            PERFORM flush();
        END LOOP;
    ELSIF did = 'delete' THEN
        PERFORM delete_events_before('abr', 0, log_start_offset + ((log_end_offset - log_start_offset) * random() / 10)::bigint)
           FROM eventlog_partitions WHERE topic = 'abr'::regclass;
    ELSE
        PERFORM apply_retention('abr');
    END IF;
    COMMIT;
    SELECT log_start_offset, log_end_offset INTO low, high FROM eventlog_partitions WHERE topic = 'abr'::regclass;
    FOR i IN 1..6 LOOP
        place := low + ((high - low) * (1 - random() * random()))::bigint;
        INSERT INTO ab_seen
        WITH s AS MATERIALIZED (SELECT event_offset FROM abr WHERE event_offset >= place ORDER BY 1 LIMIT 50),
             r AS MATERIALIZED (SELECT event_offset FROM read_topic('abr', 0, place, 50))
        SELECT step, did, (SELECT count(*) FROM (TABLE s EXCEPT ALL TABLE r) d), (SELECT count(*) FROM (TABLE r EXCEPT ALL TABLE s) d);
    END LOOP;
    -- lag counts to the last committed event
    INSERT INTO ab_seen SELECT step, 'lag', greatest(e - lag, 0), greatest(lag - e, 0) FROM eventlog_lag,
        (SELECT coalesce(max(event_offset) + 1 - low, 0) AS e FROM abr) m WHERE group_name = 'abrg';
END $$;
SELECT seek('abrg', 'abr', 0, 0);
SELECT setseed(0.4);
\set ECHO none
\o /dev/null
SELECT format('CALL ab_step(%s)', i), CASE WHEN i % 5 = 0 THEN 'VACUUM abr' END, CASE WHEN i % 70 = 0 THEN 'VACUUM FULL abr' END
  FROM generate_series(1, 200) i \gexec
\o
\set ECHO all
SELECT did, count(*) > 10 AS often, max(lost) AS lost, max(more) AS more FROM ab_seen GROUP BY 1 ORDER BY 1;
SELECT * FROM ab_seen WHERE lost > 0 OR more > 0 ORDER BY 1 LIMIT 5;
SELECT log_start_offset > 0 AS deleted FROM eventlog_partitions WHERE topic = 'abr'::regclass;
SELECT count(*) FROM check_topic('abr');
SELECT drop_topic('abr');
DROP TABLE ab_reads, ab_seen;
DROP PROCEDURE ab_abort, ab_step;
DROP FUNCTION ab_blocks;
