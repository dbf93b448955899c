-- the log itself: batches larger than pages and segments, seeking, trimming
\set VERBOSITY terse
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS eventlog;

-- a batch that runs over segments: reading from its own offset must find it
SELECT create_topic('spanning', 1, 'text', 'text', '{"segment_bytes": 65536, "compression": "none"}');
SELECT produce('spanning', 'a', '');
SELECT produce('spanning', 'b', repeat('x', 200000));
SELECT produce('spanning', 'c', '');
SELECT produce('spanning', 'd', repeat('x', 200000));
SELECT produce('spanning', 'e', repeat('x', 200000));
SELECT produce('spanning', 'f', '');
SELECT i, (SELECT event_offset FROM read_topic('spanning', 0, i, 1)) FROM generate_series(0, 5) i;

-- every offset is found, whatever the sizes around it; some batches aborted
SELECT setseed(0.5);
DO $$
DECLARE
    n int;
BEGIN
    FOR i IN 1..1000 LOOP
        n := CASE WHEN i % 40 = 0 THEN i * 300 WHEN i % 4 = 0 THEN i * 15 ELSE i % 300 END;
        PERFORM produce('spanning', 'k' || i, repeat(chr(97 + i % 26), n));
        IF i % 7 = 0 THEN ROLLBACK; ELSE COMMIT; END IF;
    END LOOP;
END $$;
SELECT count(*), count(DISTINCT event_offset), max(event_offset) FROM spanning;
SELECT count(*) FROM spanning s
WHERE s.event_offset <> (SELECT event_offset FROM read_topic('spanning', 0, s.event_offset, 1));
SELECT * FROM check_topic('spanning');

-- aborted batches that were appended are passed over, forwards and backwards
BEGIN;
SELECT produce('spanning', 'aborted', 'x');
SELECT count(*) FROM flush();
ROLLBACK;
SELECT produce('spanning', 'after', 'x');
SELECT key FROM read_topic('spanning', 0, 864);
BEGIN;
DECLARE c SCROLL CURSOR FOR SELECT event_offset, key FROM spanning_p0;
MOVE FORWARD ALL IN c;
FETCH BACKWARD 3 FROM c;
FETCH FORWARD 2 FROM c;
FETCH BACKWARD 1 FROM c;
COMMIT;

-- rows by ctid, which is the offset
SELECT event_offset, key FROM spanning WHERE ctid = '(0,3)';
SELECT event_offset FROM spanning WHERE ctid >= '(0,3)' AND ctid < '(0,6)';

-- trimming: the start moves, what is left stays, the space is used again
SELECT delete_events_before('spanning', 0, 500);
SELECT min(event_offset), count(*) FROM spanning;
SELECT min(event_offset), count(*) FROM read_topic('spanning', 0, NULL, 10000);
SELECT * FROM read_topic('spanning', 0, 499);
SELECT delete_events_before('spanning', 0, 400);
SELECT delete_events_before('spanning', 0, 100000);
SELECT pg_relation_size('spanning_p0') AS size_before \gset
DO $$
BEGIN
    FOR i IN 1..300 LOOP
        PERFORM produce('spanning', 'n' || i, repeat('y', 10000));
        COMMIT;
        PERFORM delete_events_before('spanning', 0, (SELECT max(event_offset) - 10 FROM spanning));
        COMMIT;
    END LOOP;
END $$;
SELECT pg_relation_size('spanning_p0') <= :size_before + 65536 AS bounded;
SELECT count(*), max(event_offset) FROM spanning;
SELECT * FROM check_topic('spanning');

-- emptied and truncated logs go on with the next offset
SELECT delete_events_before('spanning', 0, 1166);
SELECT count(*) FROM spanning;
SELECT count(*) FROM read_topic('spanning');
SELECT produce('spanning', 'next', '');
SELECT event_offset, key FROM spanning;
TRUNCATE spanning;
SELECT produce('spanning', 'next', '');
SELECT event_offset, key FROM spanning;
BEGIN;
TRUNCATE spanning;
TRUNCATE spanning;
SELECT produce('spanning', 'next', '');
COMMIT;
SELECT event_offset, key FROM spanning;
BEGIN;
TRUNCATE spanning;
ROLLBACK;
SELECT event_offset, key FROM read_topic('spanning');
SELECT * FROM check_topic('spanning');

-- VACUUM settles; relfrozenxid follows; FULL and CLUSTER-like rewrites keep the log
VACUUM spanning;
SELECT age(relfrozenxid) <= 2 AS frozen FROM pg_class WHERE relname = 'spanning_p0';
VACUUM FULL spanning;
SELECT event_offset, key FROM spanning;
SELECT produce('spanning', 'after full', '');
SELECT event_offset, key FROM read_topic('spanning');

-- a parallel scan sees each event once
SELECT create_topic('parallel', 2, 'text', 'text', '{"segment_bytes": 65536}');
SELECT count(produce('parallel', 'k' || i, repeat('z', i % 500))) FROM generate_series(1, 20000) i;
SET parallel_setup_cost = 0;
SET parallel_tuple_cost = 0;
SET min_parallel_table_scan_size = 0;
SELECT count(*), count(DISTINCT key), sum(length(value)) FROM parallel;
SET max_parallel_workers_per_gather = 0;
SELECT count(*), count(DISTINCT key), sum(length(value)) FROM parallel;
ANALYZE parallel;
SELECT sum(reltuples) FROM pg_class WHERE relname LIKE 'parallel\_p%';

SELECT drop_topic('spanning'), drop_topic('parallel');

-- bounds of ctid ranges that no event has, and going back from them
SELECT create_topic('tids', 1, 'text', 'text');
SELECT count(produce('tids', 'k', 'v')) FROM generate_series(1, 70000);
SELECT max(event_offset) FROM tids_p0 WHERE ctid < '(1,0)';
SELECT min(event_offset) FROM tids_p0 WHERE ctid > '(0,65535)';
SELECT event_offset FROM tids_p0 WHERE ctid = '(0,40000)';
BEGIN;
DECLARE c SCROLL CURSOR FOR SELECT event_offset FROM tids_p0 WHERE ctid <= '(0,3)';
MOVE FORWARD ALL IN c;
FETCH BACKWARD 1 FROM c;
COMMIT;

-- an offset that is refused leaves no log behind
SELECT create_topic('brick', 1, 'text', 'text');
INSERT INTO brick (partition, event_offset, key, value) VALUES (0, 140737488355327, 'k', 'v');
INSERT INTO brick (partition, event_offset, key, value) VALUES (0, -1, 'k', 'v');
INSERT INTO brick (partition, key, value) VALUES (0, 'k', 'v') RETURNING event_offset;
SELECT drop_topic('tids'), drop_topic('brick');
