-- plans over a whole topic, lists of offsets, pages of rows, numbers of other types, rows by ctid: they seek as well
\set VERBOSITY terse
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS eventlog;
\i test/plan.sql
\i test/compare.sql
SET timezone = 'UTC';
SET datestyle = ISO;
SET jit = off;
SET max_parallel_workers_per_gather = 0;

-- four partitions, the last one empty; some batches aborted, the beginning of one removed
SELECT create_topic('pages', 4, 'text', 'text', '{"segment_bytes": 65536, "retention": null}');
DO $$
BEGIN
    FOR i IN 1..150 LOOP
        PERFORM count(produce('pages', i || '-' || j, repeat(md5(i || '-' || j), 4), partition => j % 3)) FROM generate_series(1, 60) j;
        IF i % 10 = 3 THEN
            PERFORM count(*) FROM flush();
            ROLLBACK;
        ELSE
            COMMIT;
        END IF;
    END LOOP;
END $$;
SELECT delete_events_before('pages', 1, 501);
VACUUM ANALYZE pages;
SELECT partition, log_start_offset, log_end_offset FROM eventlog_partitions WHERE topic = 'pages'::regclass ORDER BY 1;

-- the order of partition and offset: one partition after the other, no sort, only the first is read
CREATE FUNCTION analyzed(query text) RETURNS TABLE (plan text) LANGUAGE sql AS $$
    SELECT plan(query, 'ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF')
$$;
SELECT * FROM analyzed($q$SELECT partition, event_offset, key FROM pages ORDER BY partition, event_offset LIMIT 10$q$);
SELECT * FROM analyzed($q$SELECT partition, event_offset, key FROM pages ORDER BY partition DESC, event_offset DESC LIMIT 10$q$);
SELECT * FROM analyzed($q$SELECT partition, event_offset, key FROM pages ORDER BY partition, event_offset DESC LIMIT 10$q$);
SELECT * FROM analyzed($q$SELECT partition, event_offset, key FROM pages WHERE partition > 0 ORDER BY partition DESC, event_offset LIMIT 10$q$);
SELECT * FROM plan($q$SELECT partition, event_offset FROM pages ORDER BY event_offset, partition LIMIT 10$q$);
SELECT * FROM plan($q$SELECT partition, event_offset FROM pages ORDER BY event_offset DESC NULLS LAST, partition DESC LIMIT 10$q$);
SELECT * FROM plan($q$SELECT * FROM pages_p1 ORDER BY partition DESC, event_offset LIMIT 10$q$);
SELECT * FROM plan($q$SELECT DISTINCT ON (partition) partition, event_offset FROM pages WHERE event_offset >= 2700 ORDER BY partition, event_offset$q$);
-- other orders need one
SELECT * FROM plan($q$SELECT * FROM pages ORDER BY partition, key LIMIT 10$q$);
SELECT * FROM plan($q$SELECT * FROM pages_p1 ORDER BY key, event_offset LIMIT 10$q$);
SELECT * FROM plan($q$SELECT partition + 1 AS p, event_offset FROM pages ORDER BY p, event_offset LIMIT 10$q$);

-- a list of offsets
SELECT * FROM analyzed($q$SELECT * FROM pages WHERE partition = 1 AND event_offset IN (505, 510)$q$);
SELECT * FROM plan($q$SELECT * FROM pages_p0 WHERE event_offset = ANY ('{7,3,3,NULL,-1}'::int[]) AND event_offset > 3 ORDER BY event_offset DESC$q$);
SELECT * FROM plan($q$SELECT * FROM pages_p0 WHERE event_offset IN (7, 3.0, 4.5)$q$);
SELECT * FROM plan($q$SELECT * FROM pages_p0 WHERE event_offset = ANY (ARRAY(SELECT generate_series(5, 7))) ORDER BY event_offset$q$);
-- too many for that, or none of these
SELECT plan FROM plan(format('SELECT * FROM pages_p0 WHERE event_offset = ANY (%L)', ARRAY(SELECT generate_series(1, 2900)))) LIMIT 1;
SELECT * FROM plan($q$SELECT * FROM pages_p0 WHERE event_offset NOT IN (3, 7)$q$);
SELECT * FROM plan($q$SELECT * FROM pages_p0 WHERE event_offset = ALL ('{3}')$q$);
SELECT * FROM plan($q$SELECT * FROM pages_p0 WHERE event_offset > ANY ('{3, 4}')$q$);

-- page after page
SELECT * FROM analyzed($q$SELECT * FROM pages WHERE partition = 1 AND (partition, event_offset) > (1, 2690) ORDER BY event_offset LIMIT 10$q$);
SELECT * FROM analyzed($q$SELECT partition, event_offset FROM pages WHERE (partition, event_offset) > (1, 2690) ORDER BY partition, event_offset LIMIT 100$q$);
SELECT * FROM analyzed($q$SELECT partition, event_offset FROM pages WHERE (1, 600) > (partition, event_offset) ORDER BY partition DESC, event_offset DESC LIMIT 5$q$);
SELECT * FROM plan($q$SELECT partition, event_offset FROM pages WHERE (event_offset, partition) > (2000, 1) ORDER BY event_offset, partition LIMIT 5$q$);
SELECT * FROM plan($q$SELECT * FROM pages_p0 WHERE (event_offset, key) >= (2000, 'k') ORDER BY event_offset, key LIMIT 5$q$);
SELECT * FROM plan($q$SELECT * FROM pages_p0 WHERE (event_time, event_offset) > ('2100-01-01', 5)$q$);
-- no use
SELECT * FROM plan($q$SELECT * FROM pages_p0 WHERE (event_time, event_offset) < ('2100-01-01', 5)$q$);
SELECT * FROM plan($q$SELECT * FROM pages_p0 WHERE (key, event_offset) > ('k', 5)$q$);
SELECT * FROM plan($q$SELECT * FROM pages_p0 WHERE (event_offset, 5) > (3, event_offset)$q$);

-- numbers as drivers send them
SELECT * FROM plan($q$SELECT * FROM pages_p0 WHERE event_offset >= 2000.5 AND event_offset < 2010::real$q$);
SELECT * FROM plan($q$SELECT * FROM pages_p0 WHERE event_offset = 2000.0::float8$q$);
SELECT * FROM plan($q$SELECT * FROM pages_p0 WHERE 2900::numeric <= event_offset ORDER BY event_offset DESC$q$);

-- generic plans
SET plan_cache_mode = force_generic_plan;
PREPARE keyset(int, bigint) AS SELECT partition, event_offset, key FROM pages WHERE (partition, event_offset) > ($1, $2) ORDER BY partition, event_offset LIMIT 3;
PREPARE listed(int, bigint[]) AS SELECT partition, event_offset, key FROM pages WHERE partition = $1 AND event_offset = ANY ($2) ORDER BY event_offset;
PREPARE number(numeric, float8) AS SELECT partition, event_offset, key FROM pages_p2 WHERE event_offset > $1 AND event_offset <= $2;
PREPARE elements(numeric, bigint) AS SELECT partition, event_offset, key FROM pages_p2 WHERE event_offset IN ($1, $2);
SELECT * FROM plan('EXECUTE keyset(1, 2)');
SELECT * FROM plan('EXECUTE listed(1, NULL)');
SELECT * FROM plan('EXECUTE number(1, 2)');
SELECT * FROM plan('EXECUTE elements(1, 2)');
EXECUTE keyset(1, 2998);
EXECUTE keyset(0, 2999);
EXECUTE keyset(NULL, 1);
EXECUTE keyset(0, NULL);
EXECUTE keyset(-1, NULL);
EXECUTE listed(1, '{502,2000,501,501,500,NULL,100000}');
EXECUTE listed(1, '{}');
EXECUTE listed(1, NULL);
EXECUTE number(2990.5, 2992.9);
EXECUTE number(-1e100, 1);
EXECUTE number(2999, 'NaN');
EXECUTE number('NaN', 'NaN');
EXECUTE number('-Infinity', '-Infinity');
EXECUTE elements(7.0, 9);
EXECUTE elements(7.5, NULL);
RESET plan_cache_mode;
DEALLOCATE ALL;

-- the same rows in the same order as by reading everything: numbers of all types, at, between, before and behind the offsets
SET enable_seqscan = off;
CREATE TEMP TABLE numbers AS
SELECT format('%L::%s', n, type) AS number
FROM unnest(ARRAY['-Infinity', '-1e30', '-1', '-0.5', '0', '0.5', '500', '501', '501.5', '2000', '2999', '2999.5', '3000', '140737488355327', '140737488355327.5', '140737488355328',
                  '9223372036854775807', '1e30', 'Infinity', 'NaN']) n, unnest(ARRAY['numeric', 'float8', 'float4']) type;
CREATE TEMP TABLE operators AS SELECT * FROM (VALUES ('<'), ('<='), ('='), ('>='), ('>')) v(op);
SELECT op, count(*) AS queries, sum(nrows) AS rows, string_agg(problem, '; ') AS problems
FROM numbers, operators, (VALUES ('%s'), ('(SELECT %s)')) v(how),
    compare(format('SELECT event_offset, key FROM pages_p1 WHERE event_offset %s %s ORDER BY event_offset DESC', op, format(how, number)))
GROUP BY 1 ORDER BY 1;
-- rows, either way round, with partitions before, between and behind those that there are
SELECT op, columns, ord, count(*) AS queries, sum(nrows) AS rows, string_agg(problem, '; ') AS problems
FROM (VALUES ('<'), ('<='), ('>='), ('>')) o(op),
    (VALUES ('partition, event_offset', '%s, %s'), ('event_offset, partition', '%2$s, %1$s')) c(columns, vals),
    (VALUES ('ASC'), ('DESC')) r(ord), unnest(ARRAY['-1', '0', '1', '1.5', '2', '3', '4']) p, unnest(ARRAY['-1', '0', '501', '1000', '2999', '10000', 'NULL::int']) n,
    compare(format('SELECT partition, event_offset FROM pages WHERE (%s) %s (%s) ORDER BY %s %5$s, %s %5$s LIMIT 40', columns, op, format(vals, p, n),
                   split_part(columns, ', ', 1), ord, split_part(columns, ', ', 2)), '')
GROUP BY 1, 2, 3 ORDER BY 1, 2, 3;
SELECT op, count(*) AS queries, sum(nrows) AS rows, string_agg(problem, '; ') AS problems
FROM (VALUES ('<'), ('<='), ('>='), ('>')) o(op), unnest(ARRAY[501, 1000, 2999]) n, (VALUES ('0-0'), ('zzz'), (NULL)) k(key),
    compare(format('SELECT event_offset, key FROM pages_p1 WHERE (%s, %L) %s (event_offset, key) ORDER BY event_offset', n, key, op))
GROUP BY 1 ORDER BY 1;
-- lists
SELECT ord, count(*) AS queries, sum(nrows) AS rows, string_agg(problem, '; ') AS problems
FROM generate_series(1, 97, 4) step, (VALUES ('ASC'), ('DESC')) r(ord), (VALUES ('bigint'), ('int'), ('numeric')) t(type),
    compare(format('SELECT event_offset, key FROM pages_p1 WHERE event_offset = ANY (ARRAY(SELECT i * 7919 %% 3100 FROM generate_series(1, 3100, %s) i)::%s[]) AND event_offset <> 1000 ORDER BY event_offset %s', step, type, ord))
GROUP BY 1 ORDER BY 1;
-- and the rest
CREATE TABLE places_to_go (p int, o bigint, n numeric, list bigint[]);
INSERT INTO places_to_go SELECT i % 4, i * 131 % 3000, i * 131 % 3000 + i % 2 * 0.5, ARRAY[i, i * 131 % 3000, NULL] FROM generate_series(1, 30) i;
ANALYZE places_to_go;
SELECT (compare(query)).*, substr(query, 1, 100) AS query FROM unnest(ARRAY[
    'SELECT partition, event_offset, key FROM pages WHERE event_offset IN (600, 601) ORDER BY partition DESC, event_offset',
    'SELECT partition, event_offset, key FROM pages WHERE event_offset IN (600, 601) AND event_offset = ANY (''{601,602}'') ORDER BY partition',
    'SELECT partition, min(event_offset), max(event_offset), count(*) FROM pages WHERE event_offset > 100 GROUP BY partition ORDER BY partition',
    'SELECT DISTINCT ON (partition) partition, event_offset, key FROM pages ORDER BY partition, event_offset DESC',
    'SELECT g.o, e.key FROM places_to_go g JOIN pages e ON e.partition = g.p AND e.event_offset = g.n ORDER BY 1, 2',
    'SELECT g.o, e.event_offset, e.key FROM places_to_go g JOIN pages_p1 e ON e.event_offset = ANY (g.list) ORDER BY 1, 2',
    'SELECT g.o, e.event_offset, e.key FROM places_to_go g LEFT JOIN LATERAL (SELECT * FROM pages e WHERE (e.partition, e.event_offset) > (g.p, g.o) ORDER BY e.partition, e.event_offset LIMIT 2) e ON true ORDER BY 1, e.partition, e.event_offset',
    'SELECT a.partition, a.event_offset, b.key FROM pages a JOIN pages b USING (partition, event_offset) WHERE a.event_offset < 700 ORDER BY 1, 2',
    'SELECT a.event_offset, b.event_offset FROM pages a LEFT JOIN pages b ON b.partition = a.partition AND b.event_offset = a.event_offset + 1 WHERE a.event_offset IN (501, 599) ORDER BY a.partition, a.event_offset',
    'SELECT event_offset FROM (SELECT event_offset, 1 AS n FROM pages_p0 UNION ALL SELECT event_offset, 2 FROM pages_p1) u WHERE event_offset > 2990 ORDER BY event_offset, n']) query;
DROP TABLE places_to_go;
RESET enable_seqscan;

-- cursors go both ways
SELECT there_and_back('SELECT * FROM pages WHERE (partition, event_offset) > (0, 2900) ORDER BY partition, event_offset'),
    there_and_back('SELECT * FROM pages WHERE (event_offset, partition) < (600, 1) ORDER BY event_offset DESC, partition DESC'),
    there_and_back('SELECT * FROM pages_p1 WHERE event_offset = ANY (ARRAY(SELECT generate_series(0, 3000, 10))::bigint[])'),
    there_and_back('SELECT * FROM pages_p1 WHERE event_offset = ANY (ARRAY(SELECT generate_series(0, 3000, 10))::bigint[]) ORDER BY event_offset DESC');

-- nothing at all
SELECT * FROM pages WHERE partition = 77 ORDER BY event_offset;
SELECT * FROM pages_p3 WHERE (partition, event_offset) >= (3, 0) ORDER BY event_offset;
SELECT * FROM pages_default ORDER BY event_offset;

-- one event of a long run of aborted ones is not looked for among the others, nor is what lies behind them
SELECT create_topic('aborted', 1, 'text', 'text', '{"retention": null}');
BEGIN;
SELECT count(produce('aborted', 'k' || i, md5(i::text))) FROM generate_series(1, 20000) i;
SELECT count(*) FROM flush();
ROLLBACK;
SELECT produce('aborted', 'k', 'v') IS NULL AS buffered;
VACUUM ANALYZE aborted;
SELECT count(*), max(read) <= 14 AS few, max(CASE WHEN read > 14 THEN read END) AS but
FROM (SELECT buffers(query) AS read, row_number() OVER () AS n FROM unnest(ARRAY[
    'SELECT * FROM aborted WHERE partition = 0 AND event_offset = 10',
    'SELECT * FROM aborted WHERE partition = 0 AND event_offset = 10',
    'SELECT * FROM aborted WHERE partition = 0 AND event_offset = 19000 ORDER BY event_offset DESC',
    'SELECT * FROM aborted WHERE partition = 0 AND event_offset BETWEEN 10000 AND 10010 ORDER BY event_offset DESC LIMIT 1',
    'SELECT * FROM aborted WHERE partition = 0 AND event_offset IN (10, 15000) LIMIT 1',
    'SELECT * FROM aborted_p0 WHERE ctid = ''(0,10)''']) query) r WHERE n > 1;

-- rows by ctid, one at a time, leave nothing in memory
SELECT create_topic('by_ctid', 1, 'text', 'json', '{"retention": null}');
SELECT count(produce('by_ctid', 'k' || i, '{"a": 1}'::json)) FROM generate_series(1, 20000) i;
CREATE FUNCTION memory() RETURNS bigint LANGUAGE sql AS 'SELECT sum(total_bytes)::bigint FROM pg_backend_memory_contexts';
SELECT memory() AS before \gset
BEGIN;
DECLARE c CURSOR FOR SELECT key, value, tableoid::regclass FROM by_ctid_p0 WHERE ctid = ANY (ARRAY(SELECT ctid FROM by_ctid_p0 ORDER BY event_offset));
MOVE 19999 FROM c;
FETCH c;
-- (the list itself has 6 bytes a row, several times)
SELECT memory() - :before < 2000000 AS little, CASE WHEN memory() - :before >= 2000000 THEN memory() - :before END AS but;
COMMIT;
SELECT ctid, event_offset, key FROM by_ctid_p0 WHERE ctid IN ('(0,1)', '(0,20000)', '(0,20001)', '(0,0)', '(1,1)', '(0,40000)');

SELECT drop_topic('pages'), drop_topic('aborted'), drop_topic('by_ctid');
DROP FUNCTION plan, plan_of, compare, there_and_back, buffers, analyzed, memory;
