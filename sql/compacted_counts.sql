-- Compaction leaves offsets without events: what counts events (the view, reltuples, the planner) counts those that are there.
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS eventlog;
RESET client_min_messages;
\set VERBOSITY terse
SELECT create_topic('cc', options => '{"cleanup_policy": "compact", "segment_bytes": 65536, "compression": "none"}');

CREATE FUNCTION cc_counts(OUT there bigint, OUT view bigint, OUT vacuum float4, OUT planner bigint) LANGUAGE plpgsql AS $$
DECLARE
    plan json;
BEGIN
    SELECT count(*) INTO there FROM cc;
    SELECT events INTO view FROM eventlog_topics WHERE topic = 'cc'::regclass;
    SELECT reltuples INTO vacuum FROM pg_class WHERE relname = 'cc_p0';
    EXECUTE 'EXPLAIN (FORMAT json) SELECT * FROM cc_p0' INTO plan;
    planner := plan->0->'Plan'->>'Plan Rows';
END $$;

SELECT count(produce('cc', 'k' || i % 10, to_json(repeat('x', 500))::text)) FROM generate_series(1, 5000) i;
VACUUM cc;
SELECT * FROM cc_counts();
SELECT apply_retention('cc') > 0 AS compacted;
VACUUM ANALYZE cc;
SELECT there < 500 AS few, view = there AS view, vacuum = there AS vacuum, planner = there AS planner FROM cc_counts();
VACUUM cc;
SELECT view = there AS view, vacuum = there AS vacuum, planner = there AS planner FROM cc_counts();

-- aborted offsets, and those of a gap, go too where they are compacted
BEGIN;
SELECT count(produce('cc', 'k', '1')) FROM generate_series(1, 100);
SELECT last_offset - first_offset FROM flush();
ROLLBACK;
INSERT INTO cc (partition, event_offset, key, value) VALUES (0, 7000, 'gap', '1');
SELECT view - there FROM cc_counts();
SELECT count(produce('cc', 'k' || i % 10, to_json(repeat('x', 500))::text)) FROM generate_series(1, 1000) i;
VACUUM cc;
SELECT apply_retention('cc') > 0 AS compacted;
SELECT view - there AS view FROM cc_counts();

-- appended to, it goes on counting
SELECT count(produce('cc', 'new' || i, '1')) FROM generate_series(1, 50) i;
SELECT view - there AS view FROM cc_counts();

-- Trimmed in the middle of what was compacted, it is an estimate between nothing and all; the next compaction counts anew ...
SELECT delete_events_before('cc', 0, 6500);
SELECT view BETWEEN 1 AND log_end_offset - log_start_offset AS view FROM cc_counts(), eventlog_partitions WHERE topic = 'cc'::regclass;
SELECT count(produce('cc', 'k' || i % 10, to_json(repeat('x', 500))::text)) FROM generate_series(1, 1000) i;
VACUUM cc;
SELECT apply_retention('cc') > 0 AS compacted;
SELECT view - there AS view FROM cc_counts();
-- ... and behind it, nothing is estimated
SELECT delete_events_before('cc', 0, log_end_offset - 20) FROM eventlog_partitions WHERE topic = 'cc'::regclass;
SELECT there, view FROM cc_counts();

-- emptied, truncated, written again
SELECT delete_events_before('cc', 0, log_end_offset) FROM eventlog_partitions WHERE topic = 'cc'::regclass;
SELECT there, view FROM cc_counts();
SELECT count(produce('cc', 'k' || i, '1')) FROM generate_series(1, 3) i;
SELECT there, view FROM cc_counts();
TRUNCATE cc;
SELECT there, view FROM cc_counts();
SELECT count(produce('cc', 'k' || i, '1')) FROM generate_series(1, 3) i;
SELECT there, view FROM cc_counts();
SELECT * FROM check_topic('cc');

DROP FUNCTION cc_counts;
SELECT drop_topic('cc');
