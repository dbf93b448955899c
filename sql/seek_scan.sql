-- plans that seek: what they look like, that they find what a scan of everything finds, and how little they read
\set VERBOSITY terse
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS eventlog;
\i test/plan.sql
\i test/compare.sql
SET timezone = 'UTC';
SET datestyle = ISO;
SET jit = off;
SET max_parallel_workers_per_gather = 0;

-- three partitions of several segments; batches of many sizes, some aborted, times that go back and forth
SELECT create_topic('places', 3, 'text', 'text', '{"segment_bytes": 65536, "compression": "none", "retention": null}');
DO $$
DECLARE
    n int;
BEGIN
    FOR i IN 1..600 LOOP
        n := CASE WHEN i % 50 = 0 THEN 200 WHEN i % 7 = 0 THEN 40 ELSE i % 4 END;
        PERFORM count(produce('places', i || '-' || j, repeat(chr(97 + j % 26), CASE WHEN i % 60 = 1 THEN 30000 ELSE j * i % 100 END),
                              partition => (i + j) % 3,
                              event_time => '2026-01-01'::timestamptz + i * interval '1 min' + ((i * 37 + j * 11) % 600 - 300) * interval '1 s'))
            FROM generate_series(0, n) j;
        IF i % 5 = 0 THEN
            PERFORM count(*) FROM flush();
            ROLLBACK;
        ELSE
            COMMIT;
        END IF;
    END LOOP;
END $$;
SELECT delete_events_before('places', 0, 701);
VACUUM ANALYZE places;
SELECT partition, log_start_offset, log_end_offset, segments > 3 AS segments FROM eventlog_partitions WHERE topic = 'places'::regclass ORDER BY 1;

-- what is sought
SELECT * FROM plan($q$SELECT * FROM places WHERE partition = 1 AND event_offset >= 1000$q$);
SELECT * FROM plan($q$SELECT * FROM places WHERE partition = 1 AND 1000 <= event_offset AND event_offset < 1200::smallint$q$);
SELECT * FROM plan($q$SELECT * FROM places WHERE partition = 1 AND event_offset = 1000 LIMIT 1$q$);
SELECT * FROM plan($q$SELECT * FROM places WHERE partition = 1 AND event_time > '2026-01-01 09:00'$q$);
SELECT * FROM plan($q$SELECT * FROM places WHERE partition = 1 AND event_time BETWEEN date '2026-01-01' + 1 AND now() - interval '1 hour' AND key = 'k'$q$);
SELECT * FROM plan($q$SELECT * FROM places WHERE partition = 1 AND event_offset > (SELECT 900) ORDER BY event_offset$q$);
SELECT * FROM plan($q$SELECT * FROM places_p1 ORDER BY event_offset DESC LIMIT 10$q$);
SELECT * FROM plan($q$SELECT * FROM places ORDER BY event_offset DESC LIMIT 10$q$);
SELECT * FROM plan($q$SELECT * FROM places WHERE event_offset >= 1000$q$);
SELECT * FROM plan($q$SELECT max(event_offset) FROM places WHERE partition = 1$q$);
SELECT * FROM plan($q$SELECT key FROM places_p1 p WHERE event_offset >= 1000$q$, 'COSTS OFF, VERBOSE');
SELECT * FROM plan($q$SELECT key FROM places_p1 WHERE event_offset >= 1000 ORDER BY event_offset DESC$q$, 'COSTS OFF, FORMAT JSON');
SELECT max(event_offset), min(event_offset) FROM places WHERE partition = 0;

-- and what is not: all of a log, an upper bound of times, what is evaluated for each row, other columns' types, other tables
SELECT * FROM plan($q$SELECT count(*) FROM places WHERE partition = 1$q$);
SELECT * FROM plan($q$SELECT * FROM places_p1 WHERE event_time < '2026-01-01 01:00'$q$);
SELECT * FROM plan($q$SELECT * FROM places_p1 WHERE event_offset > random() * 1000$q$);
SELECT * FROM plan($q$SELECT * FROM places_p1 WHERE event_offset > (random() * 1000)::bigint$q$);
SELECT * FROM plan($q$SELECT * FROM places_p1 WHERE event_offset > partition$q$);
SELECT * FROM plan($q$SELECT * FROM places_p1 WHERE event_offset::text > '1000'$q$);
SELECT * FROM plan($q$SELECT * FROM places_p1 WHERE event_offset <> 1000$q$);
SELECT * FROM plan($q$SELECT * FROM places_p1 WHERE event_offset > 1000 OR key = 'k'$q$);
CREATE TABLE plain (partition int, event_offset bigint);
SELECT * FROM plan($q$SELECT * FROM plain WHERE event_offset > 1000 ORDER BY event_offset$q$);
SET eventlog.enable_seek = off;
SELECT * FROM plan($q$SELECT * FROM places_p1 WHERE event_offset >= 1000$q$);
RESET eventlog.enable_seek;

-- a security barrier: only what cannot leak is evaluated before the view's own condition
CREATE VIEW barrier WITH (security_barrier) AS SELECT * FROM places_p1 WHERE key LIKE '%-1';
SELECT * FROM plan($q$SELECT * FROM barrier WHERE event_offset >= 1000 AND event_time >= date '2026-01-02'$q$);
SELECT * FROM plan($q$SELECT * FROM places_p1 WHERE event_offset >= 1000 AND event_time >= date '2026-01-01' AND key LIKE '%-1'$q$);
DROP VIEW barrier;

-- the same rows in the same order as by reading everything
-- so that it is a matter of what the bounds say, not of costs
SET enable_seqscan = off;
CREATE TEMP TABLE offset_bounds AS
SELECT bound, type FROM unnest(ARRAY['-9223372036854775808', '-2147483648', '-32768', '-1', '0', '1', '700', '701', '702', '998', '1000',
                                     '1234', '32767', '2147483647', '140737488355327', '140737488355328', '9223372036854775807', 'NULL']) bound,
    unnest(ARRAY['int2', 'int4', 'int8']) type
WHERE bound = 'NULL' OR bound::numeric BETWEEN CASE type WHEN 'int2' THEN -32768 WHEN 'int4' THEN -2147483648 ELSE -9223372036854775808 END
    AND CASE type WHEN 'int2' THEN 32767 WHEN 'int4' THEN 2147483647 ELSE 9223372036854775807 END;
CREATE TEMP TABLE operators AS SELECT * FROM (VALUES ('<'), ('<='), ('='), ('>='), ('>')) v(op);
CREATE TEMP TABLE orders_of AS SELECT * FROM (VALUES ('ORDER BY event_offset'), ('ORDER BY event_offset DESC')) v(ord);
-- (a NULL that is known at planning needs no plan, so it comes from a subselect)
SELECT ord, op, count(*) AS queries, sum(nrows) AS rows, string_agg(problem, '; ') AS problems
FROM offset_bounds, operators, orders_of,
    compare(format('SELECT event_offset, key FROM places_p0 WHERE event_offset %s (SELECT (%L)::%s) %s', op, nullif(bound, 'NULL'), type, ord),
            'Custom Scan \(EventlogSeek\) on places_p0\n *Seek Cond: .*\n *Order: ' || CASE op WHEN '=' THEN 'event_offset' ELSE substr(ord, 10) END || '\n')
GROUP BY 1, 2 ORDER BY 1, 2;
-- constants, commuted
SELECT op, count(*) AS queries, sum(nrows) AS rows, string_agg(problem, '; ') AS problems
FROM offset_bounds, operators,
    compare(format('SELECT event_offset, key FROM places WHERE partition = 2 AND (%L)::%s %s event_offset ORDER BY event_offset DESC', bound, type, op))
WHERE bound <> 'NULL'
GROUP BY 1 ORDER BY 1;
-- every place, from both sides, also where there is none
SELECT op, ord, count(*) AS queries, sum(nrows) AS rows, string_agg(problem, '; ') AS problems
FROM generate_series(690, 1500) i, (VALUES ('<='), ('>=')) v(op), orders_of,
    compare(format('SELECT event_offset, key FROM places_p0 WHERE event_offset %s %s %s LIMIT 3', op, i, ord))
GROUP BY 1, 2 ORDER BY 1, 2;
-- between two bounds
SELECT count(*) AS queries, sum(nrows) AS rows, string_agg(problem, '; ') AS problems
FROM generate_series(680, 1500, 37) low, generate_series(680, 1500, 41) high, orders_of,
    compare(format('SELECT event_offset, key FROM places_p0 WHERE event_offset > %s AND event_offset <= %s %s', low, high, ord));
-- all partitions at once
SELECT ord, op, count(*) AS queries, sum(nrows) AS rows, string_agg(problem, '; ') AS problems
FROM unnest(ARRAY[-1, 500, 999, 1300, 5000]) bound, operators, orders_of,
    compare(format('SELECT partition, event_offset, key FROM places WHERE event_offset %s %s %s, partition', op, bound, ord))
GROUP BY 1, 2 ORDER BY 1, 2;

-- by time: of several types, at events and between them, and where none is
CREATE TEMP TABLE time_bounds AS
SELECT format('timestamptz %L', bound) AS bound
FROM unnest(ARRAY['-infinity', '1970-01-01', '2026-01-01 00:00', '2026-01-01 02:00', '2026-01-01 05:00:00.0005', '2026-01-01 09:55:03', '2026-01-01 10:04', '2026-01-02', '294276-12-31', 'infinity']) bound
UNION ALL SELECT format('timestamp %L', bound) FROM unnest(ARRAY['-infinity', '4713-01-01 BC', '2026-01-01 05:00', 'infinity']) bound
UNION ALL SELECT format('date %L', bound) FROM unnest(ARRAY['-infinity', '4713-01-01 BC', '2026-01-01', '5874897-12-31', 'infinity']) bound
UNION ALL SELECT format('timestamptz %L', event_time) FROM places WHERE event_offset % 97 = 0
UNION ALL SELECT 'NULL::timestamptz';
SELECT ord, op, count(*) AS queries, sum(nrows) AS rows, string_agg(problem, '; ') AS problems
FROM time_bounds, operators, orders_of,
    compare(format('SELECT event_offset, event_time FROM places_p0 WHERE event_time %s (SELECT %s) %s', op, bound, ord))
GROUP BY 1, 2 ORDER BY 1, 2;
SELECT op, count(*) AS queries, sum(nrows) AS rows, string_agg(problem, '; ') AS problems
FROM time_bounds, operators,
    compare(format('SELECT partition, event_offset FROM places WHERE %s %s event_time AND event_offset > 900 ORDER BY event_offset, partition LIMIT 20', bound, op))
WHERE bound <> 'NULL::timestamptz'
GROUP BY 1 ORDER BY 1;

-- a compacted topic has gaps within batches
SELECT create_topic('compacted', 1, 'text', 'text', '{"segment_bytes": 65536, "cleanup_policy": "compact"}');
DO $$
BEGIN
    FOR i IN 1..200 LOOP
        PERFORM count(produce('compacted', 'k' || (i * j) % 400, repeat('x', j * 20))) FROM generate_series(1, 30) j;
        COMMIT;
    END LOOP;
END $$;
VACUUM compacted;
SELECT apply_retention('compacted') > 0 AS freed;
SELECT count(*) < 3000 AS fewer, max(event_offset) FROM compacted;
SELECT op, ord, count(*) AS queries, sum(nrows) > 1000 AS rows, string_agg(problem, '; ') AS problems
FROM generate_series(0, 6000, 43) i, operators, orders_of,
    compare(format('SELECT event_offset, key FROM compacted WHERE partition = 0 AND event_offset %s %s %s LIMIT 50', op, i, ord))
GROUP BY 1, 2 ORDER BY 1, 2;

-- joins: of a table with places to look up, by a range, with a lateral subquery, merged by offset
CREATE TABLE dead (source_partition int, source_offset bigint, small smallint);
INSERT INTO dead SELECT i % 3, i * 131 % 1600, i * 131 % 1600 FROM generate_series(1, 20) i UNION ALL SELECT 0, NULL, NULL;
ANALYZE dead;
SELECT * FROM plan($q$SELECT d.source_offset, e.key FROM dead d JOIN places e ON e.partition = d.source_partition AND e.event_offset = d.source_offset$q$);
SELECT * FROM plan($q$SELECT d.source_offset, e.key FROM dead d JOIN places_p1 e ON e.event_offset > d.small AND e.event_offset < d.small + 3$q$);
SELECT * FROM plan($q$SELECT d.source_offset, e.key FROM dead d, LATERAL (SELECT * FROM places_p1 WHERE event_offset < d.source_offset ORDER BY event_offset DESC LIMIT 2) e$q$);
SELECT (compare(query)).*, substr(query, 1, 60) AS query FROM unnest(ARRAY[
    'SELECT d.source_offset, e.key FROM dead d JOIN places e ON e.partition = d.source_partition AND e.event_offset = d.source_offset ORDER BY 1, 2',
    'SELECT d.source_offset, e.event_offset, e.key FROM dead d JOIN places_p1 e ON e.event_offset > d.small AND e.event_offset < d.small + 3 ORDER BY 1, 2',
    'SELECT d.source_offset, e.event_offset, e.key FROM dead d LEFT JOIN places_p1 e ON e.event_offset = d.small ORDER BY 1, 2',
    'SELECT d.source_offset, e.event_offset FROM dead d, LATERAL (SELECT * FROM places_p1 WHERE event_offset < d.source_offset ORDER BY event_offset DESC LIMIT 2) e ORDER BY 1, 2',
    'SELECT d.source_offset, (SELECT max(event_offset) FROM places_p1 WHERE event_offset < d.source_offset) FROM dead d ORDER BY 1',
    'SELECT a.event_offset, a.key, b.key FROM places_p1 a JOIN places_p2 b USING (event_offset) WHERE a.event_offset > 1000 ORDER BY 1',
    'SELECT event_offset, tableoid::regclass, ctid FROM places WHERE event_offset = 1185 ORDER BY 1, 2',
    'SELECT event_offset, (SELECT key FROM places_p2 b WHERE b.event_offset = a.event_offset) FROM places_p1 a WHERE event_offset > 1000 ORDER BY 1',
    'SELECT e FROM places_p1 e WHERE event_offset BETWEEN 1000 AND 1010 ORDER BY event_offset DESC']) query;
-- the look-up as it is planned where the topic is large: in the one partition that it is about
SET random_page_cost = 0.01;
SET enable_seqscan = on;
SET enable_hashjoin = off;
SET enable_mergejoin = off;
SET enable_memoize = off;
SELECT * FROM plan($q$SELECT d.source_offset, e.key
FROM (SELECT * FROM dead WHERE source_offset IN (131, 917, 1048, 1179) ORDER BY source_offset) d JOIN places e ON e.partition = d.source_partition AND e.event_offset = d.source_offset$q$, 'ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF');
SELECT nrows, problem FROM compare('SELECT d.source_offset, e.key FROM dead d JOIN places e ON e.partition = d.source_partition AND e.event_offset = d.source_offset ORDER BY 1, 2', 'Nested Loop');
RESET random_page_cost;
SET enable_seqscan = off;
RESET enable_mergejoin;
RESET enable_memoize;
SET enable_nestloop = off;
SELECT * FROM plan($q$SELECT a.key, b.key FROM places_p1 a JOIN places_p2 b USING (event_offset) WHERE a.event_offset > 1000$q$);
SELECT * FROM compare('SELECT a.event_offset, a.key, b.key FROM places_p1 a JOIN places_p2 b USING (event_offset) WHERE a.event_offset > 1000', 'Merge Join');
RESET enable_hashjoin;
RESET enable_nestloop;

-- generic plans: bounds and the partition are known when they run
SET plan_cache_mode = force_generic_plan;
PREPARE place(int, bigint) AS SELECT partition, event_offset, key FROM places WHERE partition = $1 AND event_offset >= $2 ORDER BY event_offset LIMIT 2;
SELECT * FROM plan($q$EXECUTE place(2, 1000)$q$);
EXECUTE place(2, 1000);
EXECUTE place(0, 0);
EXECUTE place(0, NULL);
EXECUTE place(NULL, 0);
PREPARE since(timestamptz, smallint) AS SELECT event_offset, event_time FROM places_p1 WHERE event_time >= $1 AND event_offset < $2 ORDER BY event_offset DESC LIMIT 2;
SELECT * FROM plan($q$EXECUTE since('2026-01-01 05:00', 1000)$q$);
EXECUTE since('2026-01-01 05:00', 1240);
EXECUTE since('2027-01-01', 1000);
RESET plan_cache_mode;
DEALLOCATE ALL;
RESET enable_seqscan;

-- cursors go both ways without a copy of the rows, through gaps of aborted batches
BEGIN;
SELECT * FROM plan($q$DECLARE up SCROLL CURSOR FOR SELECT event_offset, key FROM places_p1 WHERE event_offset BETWEEN 1000 AND 1240 ORDER BY event_offset$q$);
DECLARE up SCROLL CURSOR FOR SELECT event_offset, key FROM places_p1 WHERE event_offset BETWEEN 1000 AND 1240 ORDER BY event_offset;
DECLARE down SCROLL CURSOR FOR SELECT event_offset, key FROM places_p1 WHERE event_offset BETWEEN 1000 AND 1240 ORDER BY event_offset DESC;
FETCH 2 FROM up;
FETCH BACKWARD 2 FROM up;
FETCH FORWARD 1 FROM up;
FETCH LAST FROM up;
FETCH PRIOR FROM up;
FETCH FORWARD 5 FROM up;
FETCH BACKWARD 1 FROM up;
FETCH FIRST FROM up;
FETCH 2 FROM down;
FETCH BACKWARD 2 FROM down;
FETCH LAST FROM down;
FETCH PRIOR FROM down;
FETCH RELATIVE 0 FROM down;
FETCH FORWARD 5 FROM down;
FETCH BACKWARD 1 FROM down;
COMMIT;

-- all the way and back, in both orders, gives the same rows
SELECT there_and_back('SELECT * FROM places_p1 ORDER BY event_offset'), there_and_back('SELECT * FROM places_p1 ORDER BY event_offset DESC'),
    there_and_back('SELECT * FROM places_p0 WHERE event_offset > 900 AND event_time > ''2026-01-01 04:00'' ORDER BY event_offset DESC'),
    there_and_back('SELECT * FROM compacted_p0');

-- rows of one's own, and those that came after the snapshot
BEGIN;
SELECT produce('places', 'own', 'x', partition => 1);
SELECT count(*) FROM flush();
SELECT key FROM places_p1 ORDER BY event_offset DESC LIMIT 1;
ROLLBACK;
SELECT key FROM places_p1 ORDER BY event_offset DESC LIMIT 1;

-- serializable transactions have the partition locked, found something or not
BEGIN ISOLATION LEVEL SERIALIZABLE;
SELECT key FROM places_p1 WHERE event_offset = 1000000;
SELECT relation::regclass, locktype FROM pg_locks WHERE mode = 'SIReadLock' AND pid = pg_backend_pid();
COMMIT;

-- inside parallel workers
SET max_parallel_workers_per_gather = 2;
SELECT set_config(name, 'on', false) AS parallel FROM pg_settings WHERE name IN ('force_parallel_mode', 'debug_parallel_query');
SELECT count(*), min(event_offset), max(event_offset) FROM places WHERE event_offset >= 1000 AND event_time >= '2026-01-01 05:00';
SELECT set_config(name, 'off', false) AS parallel FROM pg_settings WHERE name IN ('force_parallel_mode', 'debug_parallel_query');
SET max_parallel_workers_per_gather = 0;
SELECT count(*), min(event_offset), max(event_offset) FROM places WHERE event_offset >= 1000 AND event_time >= '2026-01-01 05:00';

-- few pages are read, wherever it is in the log, whatever lies before
SELECT create_topic('long', 1, 'text', 'text', '{"segment_bytes": 65536, "retention": null}');
DO $$
BEGIN
    FOR i IN 1..1000 LOOP
        PERFORM count(produce('long', i || '-' || j, md5(i || '-' || j), event_time => '2026-01-01'::timestamptz + (i * 100 + j + i * j % 500) * interval '1 s'))
            FROM generate_series(1, CASE WHEN i % 10 = 0 THEN 1 ELSE 100 END) j;
        COMMIT;
    END LOOP;
END $$;
SELECT delete_events_before('long', 0, 3333);
VACUUM ANALYZE long;
SELECT log_start_offset, log_end_offset, segments > 50 AS segments, pg_relation_size('long_p0') / 8192 > 500 AS pages
FROM eventlog_partitions WHERE topic = 'long'::regclass;
CREATE TEMP TABLE reads AS
SELECT name, buffers(format(query, place, event_time)) AS read
FROM (SELECT event_offset AS place, event_time FROM long WHERE event_offset % 500 = 33 ORDER BY 1) p,
    (VALUES ('from an offset', 'SELECT * FROM long WHERE partition = 0 AND event_offset >= %1$s LIMIT 1'),
            ('at an offset', 'SELECT * FROM long WHERE partition = 0 AND event_offset = %1$s'),
            ('before an offset', 'SELECT * FROM long WHERE partition = 0 AND event_offset < %1$s ORDER BY event_offset DESC LIMIT 1'),
            ('last ones', 'SELECT * FROM long WHERE partition = 0 ORDER BY event_offset DESC LIMIT 10'),
            ('from a time', 'SELECT * FROM long WHERE partition = 0 AND event_time >= %2$L LIMIT 1'),
            ('before all', 'SELECT * FROM long WHERE partition = 0 AND event_offset >= 0 AND event_time >= ''2000-01-01'' LIMIT 1'),
            ('behind all', 'SELECT * FROM long WHERE partition = 0 AND event_offset >= 1000000 AND event_time >= ''2100-01-01'' LIMIT 1'),
            ('read_topic', 'SELECT * FROM read_topic(''long'', 0, %1$s, 1)')) v(name, query);
-- the first of each also reads catalogs
SELECT name, count(*), max(read) <= 12 AS few, CASE WHEN max(read) > 12 THEN max(read) END AS but
FROM (SELECT *, row_number() OVER (PARTITION BY name) n FROM reads) r WHERE n > 1 GROUP BY 1 ORDER BY 1;
-- a time is sought from the log start on, wherever in a segment that is
SELECT create_topic('trimmed', 1, 'text', 'text', '{"retention": null}');
DO $$
BEGIN
    FOR i IN 1..1000 LOOP
        PERFORM count(produce('trimmed', md5(i || '-' || j), md5(i || '-' || j))) FROM generate_series(1, 20) j;
        COMMIT;
    END LOOP;
END $$;
SELECT delete_events_before('trimmed', 0, 19900);
ANALYZE trimmed;
SELECT pg_relation_size('trimmed_p0') / 8192 > 100 AS pages, max(buffers('SELECT * FROM trimmed WHERE partition = 0 AND event_time > ''2000-01-01'' ORDER BY event_offset LIMIT 1')) <= 12 AS few
FROM generate_series(1, 2);
SELECT min(event_offset), count(*) FROM trimmed WHERE partition = 0 AND event_time > '2000-01-01';

-- many pages have the same greatest time, and some events behind it earlier ones; also as compaction writes them
DO $$
BEGIN
    FOR topic IN 1..2 LOOP
        PERFORM create_topic('same_time' || topic, 1, 'text', 'text', '{"segment_bytes": 1048576, "retention": null}'
            || CASE topic WHEN 2 THEN '{"cleanup_policy": "compact"}'::jsonb ELSE '{}' END);
        FOR i IN 0..99 LOOP
            PERFORM count(produce('same_time' || topic, i % 50 || '-' || j, repeat(md5(i || '-' || j), 3),
                event_time => '2026-01-01'::timestamptz + i / 20 * interval '1 h' - CASE WHEN i % 3 = 1 THEN interval '10 min' ELSE '0' END))
                FROM generate_series(1, 500) j;
            COMMIT;
        END LOOP;
    END LOOP;
END $$;
VACUUM ANALYZE same_time1, same_time2;
SELECT apply_retention('same_time2') >= 0 AS done;
SELECT count(*) < 50000 AS compacted FROM same_time2;
-- (few where the time is an event's; one between two takes as many guesses as it takes)
SELECT topic, pg_relation_size(topic || '_p0') / 8192 > 200 AS pages, count(*), max(problem) AS problem,
    max(read) FILTER (WHERE minutes % 60 = 0) <= 12 AS few, max(CASE WHEN minutes % 60 = 0 AND read > 12 THEN read END) AS but
FROM (SELECT topic, minutes, c.problem, buffers(query || ' LIMIT 1') AS read
      FROM unnest(ARRAY['same_time1', 'same_time2']) topic, generate_series(-5, 290, 5) minutes,
          format('SELECT event_offset, event_time FROM %I WHERE partition = 0 AND event_time >= %L', topic, '2026-01-01'::timestamptz + minutes * interval '1 min') query,
          compare(query) c) t
GROUP BY topic ORDER BY topic;

-- going back, a page is visited again for batches that end on the next one, but no more
SELECT buffers('SELECT count(*) FROM (SELECT * FROM long_p0 ORDER BY event_offset DESC OFFSET 0) x')
    <= 3 * buffers('SELECT count(*) FROM (SELECT * FROM long_p0 OFFSET 0) x') AS few;

-- a log that has nothing left, or begins where the truncated one ended
SET enable_seqscan = off;
SELECT delete_events_before('trimmed', 0, 20000);
SELECT event_offset FROM trimmed ORDER BY event_offset DESC LIMIT 1;
TRUNCATE trimmed;
SELECT event_offset FROM trimmed ORDER BY event_offset DESC LIMIT 1;
SELECT produce('trimmed', 'k', 'v') IS NULL AS buffered;
SELECT event_offset FROM trimmed ORDER BY event_offset DESC LIMIT 2;
RESET enable_seqscan;

DROP TABLE plain, dead;
SELECT drop_topic('places'), drop_topic('compacted'), drop_topic('long'), drop_topic('trimmed'), drop_topic('same_time1'), drop_topic('same_time2');
DROP FUNCTION plan, plan_of, compare, there_and_back, buffers;
