-- A restore that was rolled back can be repeated: rows may come again at offsets that only aborted batches took.  Offsets of
-- committed events are never given again.  And TRUNCATE, which comes before some restores, needs no space.
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS eventlog;
RESET client_min_messages;
\set VERBOSITY terse
CREATE FUNCTION ends(topic regclass, OUT log_start bigint, OUT log_end bigint, OUT stable bigint, OUT bytes bigint) LANGUAGE sql AS
$$ SELECT log_start_offset, log_end_offset, stable_offset, bytes FROM eventlog_partitions p WHERE p.topic = $1 AND partition = 0 $$;
-- rows as pg_dump's COPY brings them
CREATE PROCEDURE restore(topic regclass, low int, high int, text DEFAULT 'x') LANGUAGE plpgsql AS $$ BEGIN
    EXECUTE format('INSERT INTO %s_p0 SELECT 0, i, ''2024-01-01''::timestamptz + i * interval ''1 s'', ''k'' || i, to_json($3 || i), NULL FROM generate_series($1, $2) i', topic)
        USING low, high, $4;
END $$;

SELECT create_topic('rr');
BEGIN;
CALL restore('rr', 0, 99);
SELECT count(*) FROM rr;
ROLLBACK;
SELECT count(*) FROM rr;
CALL restore('rr', 0, 99, 'again');
SELECT count(*), min(value #>> '{}'), max(event_offset) FROM rr;
SELECT * FROM check_topic('rr');
SELECT produce('rr', 'next', '1');
SELECT max(event_offset) FROM rr;
-- now they were committed
CALL restore('rr', 0, 99);
CALL restore('rr', 99, 100);
TRUNCATE rr;
CALL restore('rr', 0, 99);
CALL restore('rr', 100, 100);
CALL restore('rr', 101, 110);
SELECT count(*), min(event_offset) FROM rr;

-- COPY; and again, and again, in one transaction
SELECT create_topic('rr_copy');
BEGIN;
SAVEPOINT s;
COPY rr_copy_p0 FROM STDIN;
0	5	2024-01-01	a	"first"	\N
0	6	2024-01-01	b	"first"	\N
\.
ROLLBACK TO s;
COPY rr_copy_p0 FROM STDIN;
0	5	2024-01-01	a	"second"	\N
\.
COPY rr_copy_p0 FROM STDIN;
0	6	2024-01-01	a	"second"	\N
\.
ROLLBACK TO s;
COPY rr_copy_p0 FROM STDIN;
0	5	2024-01-01	a	"third"	\N
0	6	2024-01-01	b	"third"	\N
\.
-- what this transaction has appended is not aborted
SAVEPOINT t;
CALL restore('rr_copy', 6, 6);
ROLLBACK TO t;
COMMIT;
SELECT event_offset, value FROM rr_copy;
SELECT * FROM check_topic('rr_copy');

-- a log of its own gives nothing out twice
SELECT create_topic('rr_given');
BEGIN; CALL restore('rr_given', 0, 9); ROLLBACK;
CALL restore('rr_given', 0, 4);
SELECT produce('rr_given', 'k', '1');
SELECT min(event_offset) FROM rr_given WHERE key = 'k';
-- neither is what is committed behind aborted batches passed over
BEGIN; SELECT produce('rr_given', 'k', '2'); SELECT * FROM flush(); ROLLBACK;
SELECT produce('rr_given', 'k', '3');
CALL restore('rr_given', 11, 11);
SELECT produce('rr_given', 'k', '4');
BEGIN; CALL restore('rr_given', 14, 19); ROLLBACK;
CALL restore('rr_given', 14, 15);
TRUNCATE rr_given;
SELECT * FROM ends('rr_given');

-- Many segments, behind committed events; settled by VACUUM meanwhile, with times to seek by
SELECT create_topic('rr_long', options => '{"segment_bytes": 65536, "compression": "none", "retention": null}');
CALL restore('rr_long', 0, 299, repeat('a', 500));
SELECT * FROM ends('rr_long');
BEGIN; CALL restore('rr_long', 300, 999, repeat('b', 500)); ROLLBACK;
SELECT * FROM ends('rr_long');
VACUUM rr_long;
CALL restore('rr_long', 300, 699, repeat('c', 500));
SELECT * FROM ends('rr_long');
SELECT * FROM check_topic('rr_long');
SELECT count(*), count(*) FILTER (WHERE value::text ~ 'b'), max(event_offset) FROM rr_long;
SELECT min(event_offset) FROM rr_long WHERE event_time >= '2024-01-01 00:05:10';
BEGIN; CALL restore('rr_long', 800, 801, repeat('d', 70000)); ROLLBACK;
BEGIN; CALL restore('rr_long', 790, 801, repeat('d', 70000)); ROLLBACK;
CALL restore('rr_long', 795, 796, 'e');
SELECT * FROM check_topic('rr_long');
SELECT count(*), max(event_offset) FROM rr_long;

-- A cursor that was open before finds its way
BEGIN; CALL restore('rr_long', 900, 1199, repeat('f', 500)); ROLLBACK;
BEGIN;
DECLARE c CURSOR FOR SELECT event_offset FROM rr_long_p0 WHERE event_offset > 790;
FETCH 1 FROM c;
DECLARE d CURSOR FOR SELECT event_offset FROM rr_long_p0 WHERE event_offset > 796;
FETCH 1 FROM d;
CALL restore('rr_long', 900, 1199, repeat('g', 333));
FETCH ALL FROM c;
FETCH ALL FROM d;
COMMIT;
SELECT * FROM check_topic('rr_long');
SELECT count(*), max(event_offset) FROM rr_long;

-- After TRUNCATE: where only aborted batches were; the log itself goes on behind them
SELECT create_topic('rr_cut');
CALL restore('rr_cut', 0, 9);
BEGIN; CALL restore('rr_cut', 10, 19); ROLLBACK;
TRUNCATE rr_cut;
SELECT * FROM ends('rr_cut');
CALL restore('rr_cut', 9, 9);
SELECT * FROM ends('rr_cut');
BEGIN; CALL restore('rr_cut', 10, 14); ROLLBACK;
CALL restore('rr_cut', 10, 14);
SELECT produce('rr_cut', 'k', '1');
SELECT min(event_offset), max(event_offset) FROM rr_cut;
SELECT * FROM check_topic('rr_cut');

-- TRUNCATE: the file is empty, the log's end is known to all the same, and comes back with a rollback
SELECT create_topic('rr_empty');
SELECT count(produce('rr_empty', 'k' || i, '1')) FROM generate_series(1, 10) i;
SELECT count(*) FROM consume('rr_group', 'rr_empty', 4, commit => true);
BEGIN;
TRUNCATE rr_empty;
SELECT * FROM ends('rr_empty');
SELECT * FROM read_topic('rr_empty', 0, 10);
SAVEPOINT s;
SELECT * FROM read_topic('rr_empty', 0, 9);
ROLLBACK TO s;
SELECT * FROM consume('rr_group', 'rr_empty');
ROLLBACK TO s;
SELECT seek('rr_group', 'rr_empty', 0, 11);
ROLLBACK TO s;
SELECT seek('rr_group', 'rr_empty', 0, 10);
SELECT count(*) FROM consume('rr_group', 'rr_empty');
ROLLBACK;
SELECT log_start, log_end, stable, bytes > 0 AS bytes FROM ends('rr_empty');
SELECT count(*) FROM consume('rr_group', 'rr_empty', commit => true);
TRUNCATE rr_empty;
SELECT * FROM ends('rr_empty');
SELECT lag, events_lost FROM eventlog_lag WHERE topic = 'rr_empty'::regclass;
SELECT delete_events_before('rr_empty', 0, 10);
SELECT delete_events_before('rr_empty', 0, 11);
SELECT count(*) FROM consume('rr_group', 'rr_empty');
TRUNCATE rr_empty;
SELECT alter_topic('rr_empty', '{"segment_bytes": 131072}');
SELECT produce('rr_empty', 'k', '1');
SELECT * FROM ends('rr_empty');
SELECT event_offset FROM consume('rr_group', 'rr_empty', commit => true);
-- twice in a transaction, the second time in place
BEGIN;
TRUNCATE rr_empty;
SELECT produce('rr_empty', 'k', '1');
SELECT * FROM flush();
TRUNCATE rr_empty;
SELECT * FROM ends('rr_empty');
SELECT produce('rr_empty', 'k', '1');
SELECT * FROM flush();
COMMIT;
SELECT event_offset FROM read_topic('rr_empty');

-- Retention frees the aborted batches of a restore, which are as old as what it brought: it can be repeated all the same
SELECT create_topic('rr_old', options => '{"segment_bytes": 65536, "compression": "none"}');
BEGIN; CALL restore('rr_old', 20, 999, repeat('a', 500)); ROLLBACK;
SELECT apply_retention('rr_old') > 0 AS freed;
SELECT log_start, log_end FROM ends('rr_old');
BEGIN; TRUNCATE rr_old; CALL restore('rr_old', 20, 29); ROLLBACK;
BEGIN;
DECLARE c CURSOR FOR SELECT event_offset FROM rr_old_p0;
CALL restore('rr_old', 20, 499, repeat('b', 500));
FETCH ALL FROM c;
SELECT log_start, log_end FROM ends('rr_old');
ROLLBACK;
-- not all of them, and beside others
BEGIN; CALL restore('rr_old', 500, 599); SELECT produce('rr_old', 'k', '1'); ROLLBACK;
SELECT apply_retention('rr_old') > 0 AS freed;
BEGIN; SELECT produce('rr_old', 'k', '1'); SELECT * FROM flush(); ROLLBACK;
CALL restore('rr_old', 10, 999, repeat('c', 500));
SELECT count(*), count(*) FILTER (WHERE value::text ~ 'c'), min(event_offset), max(event_offset) FROM rr_old;
SELECT min(event_offset) FROM rr_old WHERE event_time >= '2024-01-01 00:05:10';
SELECT * FROM check_topic('rr_old');
-- what is committed stays, and its offsets are not given again
SELECT apply_retention('rr_old') > 0 AS freed;
CALL restore('rr_old', 0, 9);
SELECT count(*) > 0 AS there, max(event_offset) FROM rr_old;
-- the same where compaction has freed them
SELECT create_topic('rr_compact', options => '{"segment_bytes": 65536, "compression": "none", "cleanup_policy": "compact"}');
BEGIN; CALL restore('rr_compact', 20, 999, repeat('a', 500)); ROLLBACK;
VACUUM rr_compact;
SELECT apply_retention('rr_compact') > 0 AS freed;
CALL restore('rr_compact', 20, 899, repeat('b', 500));
SELECT count(*), count(*) FILTER (WHERE value::text ~ 'b'), min(event_offset), max(event_offset) FROM rr_compact;
SELECT * FROM check_topic('rr_compact');
-- nor where it was deleted, whatever became of who deleted it
SELECT create_topic('rr_deleted');
SELECT count(produce('rr_deleted', 'k', '1')) FROM generate_series(1, 10);
BEGIN; SELECT delete_events_before('rr_deleted', 0, 10); ROLLBACK;
CALL restore('rr_deleted', 0, 9);
TRUNCATE rr_deleted;
CALL restore('rr_deleted', 0, 9);
SELECT log_start, log_end FROM ends('rr_deleted');

SELECT drop_topic(t) FROM unnest('{rr,rr_copy,rr_given,rr_long,rr_cut,rr_empty,rr_old,rr_compact,rr_deleted}'::text[]) t;
DROP PROCEDURE restore;
DROP FUNCTION ends;
