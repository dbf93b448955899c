-- Compaction: the last event of each key stays, where it was.
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS eventlog;
CREATE VIEW logs AS
	SELECT topic, log_start_offset AS log_start, log_end_offset AS log_end, segments, bytes FROM eventlog_partitions;

-- what every topic must be after compaction: of what was there before (kept), the last event of each key, unchanged
CREATE PROCEDURE compact(topic regclass) LANGUAGE plpgsql AS $$
BEGIN
	DROP TABLE IF EXISTS kept;
	EXECUTE format('CREATE TABLE kept AS SELECT * FROM %s', topic);
	COMMIT;
	PERFORM apply_retention(topic);
	COMMIT;
END $$;
-- the closed segments hold no key twice, and nothing is lost or changed
CREATE FUNCTION differences(topic regclass) RETURNS TABLE (what text, key text, event_offset bigint) LANGUAGE plpgsql AS $$
BEGIN
	RETURN QUERY EXECUTE format($q$
		SELECT 'invented'::text, t.key::text, t.event_offset FROM %1$s t
			WHERE NOT EXISTS (SELECT FROM kept k WHERE k::text = t::text)
		UNION ALL
		SELECT 'lost', k.key::text, k.event_offset
			FROM (SELECT DISTINCT ON (partition, key) * FROM kept ORDER BY partition, key, event_offset DESC) k
			WHERE k.key IS NOT NULL AND NOT EXISTS (SELECT FROM %1$s t WHERE k::text = t::text)$q$, topic);
END $$;

SELECT create_topic('prices', value_type => 'text',
	options => '{"cleanup_policy": "compact", "segment_bytes": 65536, "delete_retention": "1 hour"}');
SELECT produce('prices', NULL::text, 'x');
INSERT INTO prices (value) VALUES ('x');
SELECT produce_batch('prices', '[{"key": "a", "value": 1}, {"value": 2}]');

-- few keys, many events; some rolled back; headers, times and a large one
CREATE PROCEDURE load(topic regclass, rounds int, keys int) LANGUAGE plpgsql AS $$
BEGIN
	FOR r IN 1 .. rounds LOOP
		PERFORM produce(topic, 'key ' || k, repeat(md5(r || ' ' || k), 1 + k % 5), jsonb_build_object('round', r::text),
			event_time => '2020-01-01'::timestamptz + make_interval(secs => r * 10 - k))
			FROM generate_series(1, keys) k;
		IF r % 5 = 0 THEN
			PERFORM FROM flush();
			ROLLBACK;
		ELSE
			COMMIT;
		END IF;
	END LOOP;
END $$;
CALL load('prices', 40, 100);
SELECT segments > 2 AS several FROM logs WHERE topic = 'prices'::regclass;
CALL compact('prices');
SELECT segments <= 3 AS fewer, log_start, log_end FROM logs WHERE topic = 'prices'::regclass;
SELECT * FROM differences('prices');
SELECT * FROM check_topic('prices');
SELECT count(*) BETWEEN 100 AND 1500 AS compacted, min(event_offset) > 0 AS gaps FROM prices;
-- every offset is found, or the next one there is
SELECT count(*) FROM generate_series(0, (SELECT max(event_offset) FROM prices), 7) o
	WHERE (SELECT event_offset FROM read_topic('prices', 0, o, 1)) <> (SELECT min(event_offset) FROM prices WHERE event_offset >= o);
-- and every time: the first event in the log that is not earlier
SELECT count(*) FROM prices p
	WHERE NOT EXISTS (SELECT FROM prices q WHERE q.event_time >= p.event_time AND q.event_offset <= p.event_offset);

-- latest(): the same before and after, and what DISTINCT ON says
CREATE TABLE latest_before AS SELECT * FROM latest('prices');
CALL load('prices', 30, 60);
CALL compact('prices');
CALL compact('prices');
SELECT * FROM differences('prices');
SELECT * FROM check_topic('prices');
SELECT count(*) FROM latest('prices') l FULL JOIN (SELECT DISTINCT ON (key) * FROM prices ORDER BY key, event_offset DESC) d
	USING (event_offset) WHERE l.key IS DISTINCT FROM d.key OR l.value #>> '{}' IS DISTINCT FROM d.value OR l.headers IS DISTINCT FROM d.headers;
SELECT count(*) FROM latest('prices');

-- consumers in the compacted part go on
SELECT create_group('reader');
SELECT seek('reader', 'prices', 0, 3);
SELECT count(*), count(DISTINCT key) FROM consume('reader', 'prices', 50, commit => true);
CALL load('prices', 30, 70);
CALL compact('prices');
SELECT count(*) = (SELECT count(*) FROM prices, eventlog_lag WHERE group_name = 'reader' AND event_offset >= committed_offset) AS all_that_is_left
	FROM consume('reader', 'prices', 100000);
SELECT commit('reader');
SELECT leave_group('reader'), drop_group('reader');

-- tombstones stay for delete_retention from when compaction first met them, then go; the last event of the log never goes
SELECT count(produce('prices', 'dead ' || k, 'x')) FROM generate_series(1, 50) k;
SELECT count(produce('prices', 'dead ' || k, NULL::text)) FROM generate_series(1, 50) k;
CALL load('prices', 40, 100);
CALL compact('prices');
SELECT count(*) FILTER (WHERE value IS NULL), count(*) FILTER (WHERE key LIKE 'dead%') FROM prices;
SELECT count(*) FROM latest('prices') WHERE key LIKE 'dead%';
SELECT alter_topic('prices', '{"delete_retention": "0 s"}');
-- those met before keep their time
SELECT count(produce('prices', 'later ' || k, NULL::text)) FROM generate_series(1, 50) k;
CALL load('prices', 40, 100);
CALL compact('prices');
SELECT count(*) FILTER (WHERE key LIKE 'dead%'), count(*) FILTER (WHERE key LIKE 'later%') FROM prices;
SELECT * FROM check_topic('prices');
SELECT create_topic('gone', value_type => 'text',
	options => '{"cleanup_policy": "compact", "segment_bytes": 65536, "delete_retention": "0 s", "compression": "none"}');
SELECT count(produce('gone', 'key ' || k, repeat('x', 1000))) FROM generate_series(1, 100) k;
SELECT count(produce('gone', 'key ' || k, NULL::text)) FROM generate_series(1, 100) k;
SELECT count(produce('gone', 'last', repeat('x', 1000))) FROM generate_series(1, 200) k;
CALL compact('gone');
CALL compact('gone');
SELECT count(*) FILTER (WHERE value IS NULL), count(DISTINCT key) FROM gone;
SELECT * FROM check_topic('gone');

-- the last event stays, whatever it is, also where only aborted batches come behind it: its offset is in dumps, and is not given again
SELECT create_topic('followed', value_type => 'text',
	options => '{"cleanup_policy": "compact", "segment_bytes": 65536, "delete_retention": "0 s", "compression": "none"}');
SELECT produce('followed', 'key', 'x');
SELECT produce('followed', 'key', NULL::text);
BEGIN; SELECT count(produce('followed', 'aborted', repeat('x', 1000))) FROM generate_series(1, 300); SELECT count(*) FROM flush(); ROLLBACK;
CALL compact('followed');
BEGIN; SELECT count(produce('followed', 'aborted', repeat('x', 1000))) FROM generate_series(1, 300); SELECT count(*) FROM flush(); ROLLBACK;
CALL compact('followed');
BEGIN; SELECT count(produce('followed', 'aborted', repeat('x', 1000))) FROM generate_series(1, 300); SELECT count(*) FROM flush(); ROLLBACK;
CALL compact('followed');
SELECT segments < 4 AS compacted, log_end_offset FROM eventlog_partitions WHERE topic = 'followed'::regclass;
SELECT event_offset, key, value FROM followed;
INSERT INTO followed_p0 VALUES (0, 1, '2024-01-01', 'key', 'y', NULL);
SELECT * FROM check_topic('followed');

-- events larger than a segment
SELECT create_topic('large', value_type => 'text',
	options => '{"cleanup_policy": "compact", "segment_bytes": 65536, "compression": "none"}');
CREATE PROCEDURE load_large() LANGUAGE plpgsql AS $$
BEGIN
	FOR i IN 1 .. 60 LOOP
		PERFORM produce('large', 'key ' || i % 7, repeat(chr(97 + i % 26), (i * 7919) % 200000));
		COMMIT;
	END LOOP;
END $$;
CALL load_large();
CALL compact('large');
SELECT * FROM differences('large');
SELECT * FROM check_topic('large');
CALL load_large();
CALL compact('large');
CALL compact('large');
SELECT * FROM differences('large');
SELECT * FROM check_topic('large');
SELECT count(*) <= 10 AS few FROM large;

-- the file does not grow with what goes through
SELECT create_topic('many', 2, value_type => 'text', options => '{"cleanup_policy": "compact", "segment_bytes": 65536}');
DO $$ BEGIN
	FOR i IN 1 .. 20 LOOP
		CALL load('many', 11, 100);
		CALL compact('many');
		IF EXISTS (SELECT FROM differences('many')) THEN RAISE WARNING 'differences in round %', i; END IF;
	END LOOP;
END $$;
SELECT max(bytes) <= 65536 * 8 AS bounded, max(segments) <= 4 AS few FROM logs WHERE topic = 'many'::regclass;
SELECT * FROM check_topic('many');

-- compact,delete: time counts as well; a topic that becomes compacted loses events without a key
SELECT create_topic('mixed', value_type => 'text', options => '{"cleanup_policy": "compact,delete", "segment_bytes": 65536}');
CALL load('mixed', 20, 100);
CALL compact('mixed');
SELECT count(*), log_end - log_start FROM mixed, logs WHERE topic = 'mixed'::regclass GROUP BY 2;
SELECT create_topic('turned', value_type => 'text', options => '{"segment_bytes": 65536, "compression": "none"}');
SELECT count(produce('turned', CASE WHEN i % 2 = 0 THEN 'key ' || i % 10 END, repeat('x', 1000))) FROM generate_series(1, 300) i;
SELECT alter_topic('turned', '{"cleanup_policy": "compact"}');
CALL compact('turned');
SELECT * FROM differences('turned');
SELECT count(*) FILTER (WHERE key IS NULL) < 80 AS fewer FROM turned;
-- TRUNCATE and VACUUM FULL
VACUUM FULL turned_p0;
SELECT * FROM check_topic('turned');
SELECT * FROM differences('turned');
TRUNCATE turned;
SELECT count(produce('turned', 'key ' || i % 10, repeat('x', 1000))) FROM generate_series(1, 300) i;
CALL compact('turned');
SELECT * FROM differences('turned');
-- what was compressed stays so, or it would take more segments than before
SELECT create_topic('loosened', value_type => 'text', options => '{"segment_bytes": 65536, "compression": "zstd"}');
SELECT sum(produce_batch('loosened', (SELECT array_agg('key ' || b * 1000 + i % 900) FROM generate_series(1, 1000) i),
	array_fill(repeat('x', 400), '{1000}'))) FROM generate_series(1, 60) b;
SELECT alter_topic('loosened', '{"cleanup_policy": "compact", "compression": "none"}');
CALL compact('loosened');
SELECT * FROM differences('loosened');
SELECT count(*) < 56000 AS fewer FROM loosened;
-- what becomes no smaller is tried once, and again when there is more: a tombstone that may go later takes more bytes
SELECT create_topic('buried', value_type => 'text', options => '{"cleanup_policy": "compact", "segment_bytes": 65536,
	"compression": "none", "delete_retention": "10 years"}');
SELECT produce_batch('buried', (SELECT array_agg('k' || i) FROM generate_series(1, 30000) i), array_fill(NULL::text, '{30000}'));
CALL compact('buried');
SELECT pg_current_wal_insert_lsn() AS before \gset
SELECT apply_retention('buried');
SELECT count(*) = 30000 AS all_there, pg_current_wal_insert_lsn() - :'before' < 200000 AS not_written_again FROM buried;
SELECT produce_batch('buried', (SELECT array_agg('k' || i) FROM generate_series(1, 30000) i), array_fill('x'::text, '{30000}'));
CALL compact('buried');
SELECT * FROM differences('buried');
SELECT count(*) < 50000 AS fewer FROM buried;
SELECT * FROM check_topic('buried');
-- nor does it keep tombstones that were to go later: they go when they may
SELECT create_topic('waiting', value_type => 'text', options => '{"cleanup_policy": "compact", "segment_bytes": 65536,
	"compression": "none", "delete_retention": "5 s"}');
SELECT produce_batch('waiting', (SELECT array_agg('a' || i) FROM generate_series(1, 20000) i), array_fill('x'::text, '{20000}'));
SELECT produce_batch('waiting', (SELECT array_agg('a' || i) FROM generate_series(1, 20000) i), array_fill(NULL::text, '{20000}'));
SELECT produce_batch('waiting', (SELECT array_agg('b' || i) FROM generate_series(1, 4000) i), array_fill('x'::text, '{4000}'));
CALL compact('waiting');
SELECT alter_topic('waiting', '{"delete_retention": "10 years"}');
SELECT produce_batch('waiting', (SELECT array_agg('k' || i) FROM generate_series(1, 33000) i), array_fill(NULL::text, '{33000}'));
CALL compact('waiting');
DO $$ BEGIN
	FOR i IN 1 .. 600 LOOP
		EXIT WHEN (SELECT count(*) < 10000 FROM waiting WHERE key LIKE 'a%');
		PERFORM apply_retention('waiting'), pg_sleep(0.05);
		COMMIT;
	END LOOP; END $$;
SELECT count(*) < 10000 AS gone FROM waiting WHERE key LIKE 'a%';
SELECT drop_topic('waiting');
-- a sequential, a parallel and a backward scan see the same
SET parallel_setup_cost = 0; SET parallel_tuple_cost = 0; SET min_parallel_table_scan_size = 0;
SELECT count(*) = (SELECT count(*) FROM kept WHERE false) + (SELECT count(*) FROM read_topic('prices', max_events => 1000000)) FROM prices;
BEGIN;
DECLARE c SCROLL CURSOR FOR SELECT event_offset FROM prices_p0;
MOVE LAST FROM c;
FETCH BACKWARD 2 FROM c;
COMMIT;
ANALYZE prices;

SELECT latest(NULL);
SELECT latest('pg_class');
CREATE ROLE compaction_other;
SET ROLE compaction_other;
SELECT latest('prices');
RESET ROLE;
DROP ROLE compaction_other;

DO $$ BEGIN PERFORM drop_topic(topic::text) FROM eventlog_topics; END $$;
DROP TABLE kept, latest_before;
DROP VIEW logs;
DROP PROCEDURE compact, load, load_large;
DROP FUNCTION differences;
