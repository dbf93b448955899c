-- FROM consume(...) and its like are read without a tuplestore, and nobody can tell but by EXPLAIN.
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS eventlog;
\i test/plan.sql
RESET client_min_messages;
SELECT create_topic('rows', 2, 'int4', 'text');
SELECT produce('rows', NULLIF(i, 3), CASE WHEN i % 5 > 0 THEN repeat('v', i) END,
	CASE WHEN i % 4 = 0 THEN '{"h": "1"}'::jsonb END, partition => i % 2) IS NULL AS buffered FROM generate_series(1, 40) i \g /dev/null
SELECT produce('rows', 41, repeat('x', 200000), partition => 1) IS NULL AS buffered;

-- which places of a query
SELECT * FROM plan($q$SELECT * FROM consume('g', 'rows')$q$);
SELECT * FROM plan($q$SELECT count(*) FROM consume_bytes('g', 'rows') WHERE event_offset > 3$q$);
SELECT * FROM plan($q$SELECT key + 1 FROM consume_as(NULL::rows, 'g') ORDER BY value$q$);
SELECT * FROM plan($q$SELECT * FROM claim('g', 'rows')$q$);
SELECT * FROM plan($q$SELECT a.key FROM read_topic('rows', 0) a JOIN latest('rows') b USING (key)$q$);
SELECT * FROM plan($q$SELECT partition FROM read_topic('rows')$q$, 'COSTS OFF, FORMAT JSON');
PREPARE p(bigint) AS SELECT key FROM read_topic('rows', 0, $1);
SET plan_cache_mode = force_generic_plan;
SELECT * FROM plan($q$EXECUTE p(3)$q$);
EXECUTE p(17);
RESET plan_cache_mode;
-- what is more than the call, or might have to call again, is left to PostgreSQL
SELECT * FROM plan($q$SELECT r FROM read_topic('rows') r$q$);
SELECT * FROM plan($q$SELECT event_offset FROM read_topic('rows') r WHERE r IS NOT NULL$q$);
SELECT * FROM plan($q$SELECT r FROM read_topic('rows') r UNION ALL SELECT r FROM latest('rows') r$q$);
SELECT * FROM plan($q$SELECT s.n FROM (VALUES (1), (9)) v (o) LEFT JOIN (SELECT r IS NULL AS n, event_offset FROM read_topic('rows') r) s
	ON s.event_offset = v.o$q$);
SELECT * FROM plan($q$SELECT * FROM read_topic('rows') WITH ORDINALITY$q$);
SELECT * FROM plan($q$SELECT * FROM ROWS FROM (read_topic('rows'), generate_series(1, 3))$q$);
SELECT * FROM plan($q$SELECT * FROM generate_series(0, 1) p, LATERAL read_topic('rows', p)$q$);
SELECT * FROM plan($q$SELECT (SELECT count(*) FROM read_topic('rows', p)) FROM generate_series(0, 1) p$q$);
SELECT * FROM plan($q$SELECT * FROM read_topic('rows', (SELECT 1))$q$);
SELECT * FROM plan($q$SELECT read_topic('rows')$q$);

-- the same rows as by PostgreSQL's way
CREATE TABLE theirs AS SELECT topic, partition, event_offset, event_time, key, value::text, headers
	FROM read_topic('rows') WITH ORDINALITY;
SELECT count(*), count(key) AS keys, count(value) AS values, count(*) FILTER (WHERE headers <> '{}') AS headers FROM theirs;
SELECT count(*) FROM (SELECT topic, partition, event_offset, event_time, key, value::text, headers FROM read_topic('rows')
	EXCEPT ALL SELECT * FROM theirs) d;
SELECT count(*) FROM (SELECT partition, event_offset, key::text, to_json(value)::text FROM consume_as(NULL::rows, 'typed')
	EXCEPT ALL SELECT partition, event_offset, key, value FROM theirs) d;
SELECT count(*) FROM (SELECT partition, event_offset, convert_from(value, 'UTF8') FROM consume_bytes('bytes', 'rows')
	EXCEPT ALL SELECT partition, event_offset, value::json #>> '{}' FROM theirs) d;
SELECT partition, headers, event_offset FROM consume('columns', 'rows') WHERE headers <> '{}' AND key::int > 30 ORDER BY 1, 3;
SELECT 'x' AS no_column FROM consume('none', 'rows') LIMIT 1;
SELECT upper(left(value::text, 3)) AS expression FROM read_topic('rows', 0) WHERE event_offset = 1;
SELECT event_offset FROM read_topic('rows', 0) r WHERE r::text LIKE '%,8,%';
SELECT (r).event_offset FROM (SELECT r FROM read_topic('rows', 0, 18) r UNION ALL SELECT r FROM latest('rows') r) u WHERE (r).event_offset = 18;
SELECT v.o, s.n FROM (VALUES (1), (90)) v (o) LEFT JOIN (SELECT r IS NULL AS n, event_offset FROM read_topic('rows', 0) r) s
	ON s.event_offset = v.o ORDER BY 1;
SELECT CASE WHEN key = '5' THEN NULL ELSE value IS NULL END AS c, count(*) FROM read_topic('rows') GROUP BY 1 ORDER BY 1;

-- it is called once, whatever is rescanned
SET enable_hashjoin = off; SET enable_mergejoin = off; SET enable_material = off;
SELECT * FROM plan($q$SELECT count(*) FROM (VALUES (1), (2), (3)) v (i) LEFT JOIN consume('rescan', 'rows') c ON c.event_offset > v.i$q$);
SELECT count(*) FROM (VALUES (1), (2), (3)) v (i) LEFT JOIN consume('rescan', 'rows') c ON c.event_offset > v.i;
SELECT count(*) FROM consume('rescan', 'rows');
RESET enable_hashjoin; RESET enable_mergejoin; RESET enable_material;
-- all is delivered, whatever is looked at
SELECT event_offset FROM consume('limited', 'rows') LIMIT 1;
SELECT count(*) FROM consume('limited', 'rows');

-- cursors, in both directions
BEGIN;
DECLARE c CURSOR FOR SELECT event_offset, length(value) AS length FROM consume_as(NULL::rows, 'cursor', 4) WHERE partition IS NOT NULL;
FETCH 2 FROM c;
FETCH BACKWARD 1 FROM c;
FETCH BACKWARD 1 FROM c;
FETCH ALL FROM c;
FETCH LAST FROM c;
FETCH ABSOLUTE 1 FROM c;
COMMIT;
DO $$
DECLARE r record; n int := 0;
BEGIN
	FOR r IN SELECT key, value FROM consume('loop', 'rows', 30) LOOP
		n := n + 1;
		IF n = 10 THEN COMMIT; END IF;
	END LOOP;
	RAISE NOTICE '% events', n;
END $$;

-- more than work_mem goes to a file, and comes back in both directions
SELECT create_topic('wide', 1);
SELECT count(produce('wide', 'k' || i, to_json(repeat(md5(i::text), CASE i % 1000 WHEN 7 THEN 20000 ELSE 5 END)))) FROM generate_series(1, 5000) i;
SET work_mem = '64kB';
CREATE TABLE theirs_wide AS SELECT event_offset, key, value::text FROM read_topic('wide', max_events => 10000) WITH ORDINALITY;
SELECT count(*) FROM (SELECT event_offset, key, value::text FROM read_topic('wide', max_events => 10000) EXCEPT ALL SELECT * FROM theirs_wide) d;
BEGIN;
DECLARE c CURSOR FOR SELECT event_offset, key, left(value::text, 9) AS value, length(value::text) FROM consume('wide', 'wide', 10000);
MOVE 4999 FROM c;
FETCH 2 FROM c;
MOVE BACKWARD 4000 FROM c;
FETCH 1 FROM c;
FETCH ABSOLUTE 7 FROM c;
FETCH ABSOLUTE 4008 FROM c;
COMMIT;
RESET work_mem;
SELECT drop_topic('wide');
DROP TABLE theirs_wide;

-- rights, arguments and errors are the function's
CREATE ROLE regress_el_rows;
GRANT SELECT ON rows TO regress_el_rows;
REVOKE EXECUTE ON FUNCTION read_topic FROM PUBLIC;
SET ROLE regress_el_rows;
SELECT count(*) FROM read_topic('rows');
SELECT count(*) FROM latest('rows');
RESET ROLE;
GRANT EXECUTE ON FUNCTION read_topic TO PUBLIC;
DROP OWNED BY regress_el_rows;
DROP ROLE regress_el_rows;
SELECT count(*) FROM read_topic(NULL);
SELECT count(*) FROM consume('g', 'rows', max_events => 0);
SELECT count(*) FROM consume('g', 'pg_class');
-- a function with settings of its own
ALTER FUNCTION read_topic SET work_mem = '1MB';
SELECT * FROM plan($q$SELECT * FROM read_topic('rows')$q$);
SELECT count(*) FROM read_topic('rows');
ALTER FUNCTION read_topic RESET work_mem;
SELECT drop_topic('rows');
DROP TABLE theirs;
DROP FUNCTION plan;
