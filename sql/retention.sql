-- Retention: what a topic lets go, by time, by bytes and for groups; what it never does.
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS eventlog;

-- so many events of 100 kB, not compressible, each in a batch of its own; in transactions of their own, if it may
CREATE PROCEDURE fill(topic regclass, events int, event_time timestamptz DEFAULT NULL, commits boolean DEFAULT true) LANGUAGE plpgsql AS $$
BEGIN
	FOR i IN 1 .. events LOOP
		PERFORM produce(topic, NULL::text, (SELECT string_agg(md5(random()::text), '') FROM generate_series(1, 3200)),
			partition => 0, event_time => fill.event_time);
		PERFORM FROM flush();
		IF commits THEN COMMIT; END IF;
	END LOOP;
END $$;
CREATE VIEW logs AS
	SELECT topic, log_start_offset AS log_start, log_end_offset AS log_end, segments, bytes FROM eventlog_partitions;

--
-- By time: to the page, also in the only segment; the last committed event stays
--
SELECT create_topic('old', value_type => 'text', options => '{"retention": "1 hour"}');
CALL fill('old', 3, now() - interval '2 hours');
CALL fill('old', 2, now() - interval '10 min');
SELECT apply_retention('old');
SELECT log_start, log_end, segments FROM logs WHERE topic = 'old'::regclass;
SELECT partition, event_offset FROM read_topic('old');
SELECT alter_topic('old', '{"retention": "1 s"}');
SELECT apply_retention('old');
SELECT log_start, log_end, segments FROM logs WHERE topic = 'old'::regclass;
-- events after older ones whose time runs backwards stay as long as what is before them
SELECT create_topic('back', value_type => 'text', options => '{"retention": "1 hour"}');
CALL fill('back', 1, now());
CALL fill('back', 3, now() - interval '2 hours');
CALL fill('back', 1, now());
SELECT apply_retention('back');
SELECT log_start, log_end FROM logs WHERE topic = 'back'::regclass;
-- null: for ever
SELECT alter_topic('back', '{"retention": null}');
SELECT apply_retention('back');
SELECT log_start, log_end FROM logs WHERE topic = 'back'::regclass;

--
-- By bytes: whole segments, by the append that opens one
--
SELECT create_topic('ring', value_type => 'text',
	options => '{"segment_bytes": 1048576, "retention_bytes": 4194304}');
CALL fill('ring', 100);
SELECT segments, log_end, log_end - log_start BETWEEN 30 AND 44 AS kept, bytes <= 4194304 + 2 * 1048576 AS bounded
	FROM logs WHERE topic = 'ring'::regclass;
SELECT count(*), min(event_offset) = (SELECT log_start FROM logs WHERE topic = 'ring'::regclass) AS from_start, max(event_offset)
	FROM read_topic('ring');
-- a smaller limit takes effect at once, or with the next append
SELECT alter_topic('ring', '{"retention_bytes": 1}');
SELECT apply_retention('ring') > 0;
SELECT segments, log_end FROM logs WHERE topic = 'ring'::regclass;
-- the free space at the end goes back to the file system, where no standby can be there
SELECT bytes <= 4 * 1048576 AS shrunk FROM logs WHERE topic = 'ring'::regclass;
CALL fill('ring', 30);
SELECT segments <= 2 AS few, log_end FROM logs WHERE topic = 'ring'::regclass;
SELECT * FROM check_topic('ring');
-- an event larger than the limit is stored, alone
SELECT create_topic('large', value_type => 'text',
	options => '{"segment_bytes": 65536, "retention_bytes": 131072, "max_event_bytes": 4194304}');
CALL fill('large', 5);
SELECT log_end, log_end - log_start AS kept FROM logs WHERE topic = 'large'::regclass;
SELECT event_offset, length(value #>> '{}') FROM read_topic('large');
SELECT * FROM check_topic('large');

-- an undecided event and all behind it stay: those of this transaction
BEGIN;
CALL fill('ring', 60, commits => false);
SELECT apply_retention('ring') >= 0;
SELECT log_end - log_start >= 60 AS kept FROM logs WHERE topic = 'ring'::regclass;
COMMIT;
SELECT apply_retention('ring') > 0;
SELECT segments FROM logs WHERE topic = 'ring'::regclass;
-- events that were rolled back do not count: the last committed one stays
BEGIN;
CALL fill('ring', 60, commits => false);
ROLLBACK;
SELECT apply_retention('ring') >= 0;
SELECT count(*) FROM read_topic('ring');
SELECT * FROM check_topic('ring');

--
-- Groups
--
SELECT create_topic('kept', value_type => 'text',
	options => '{"segment_bytes": 1048576, "retention_bytes": 3145728, "retention": "1 hour", "retain_until_consumed": true}');
CALL fill('kept', 5, now() - interval '2 hours');
-- nobody has ever consumed it: time counts
SELECT apply_retention('kept');
SELECT log_start, log_end FROM logs WHERE topic = 'kept'::regclass;
CALL fill('kept', 5, now() - interval '2 hours');
SELECT count(*) FROM consume('slow', 'kept', 2, commit => true);
SELECT apply_retention('kept');
SELECT log_start, log_end FROM logs WHERE topic = 'kept'::regclass;
-- full: the oldest go, and the group is told
CALL fill('kept', 50);
SELECT segments, log_start > 10 AS moved FROM logs WHERE topic = 'kept'::regclass;
SELECT events_lost = (SELECT log_start FROM logs WHERE topic = 'kept'::regclass) - committed_offset AS counted
	FROM eventlog_lag WHERE group_name = 'slow';
DO $$
DECLARE code text; hint text;
BEGIN
	PERFORM consume('slow', 'kept');
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS code = RETURNED_SQLSTATE, hint = PG_EXCEPTION_HINT;
	RAISE WARNING '% %', code, hint;
END $$;
CREATE TEMP TABLE lost AS SELECT events_lost FROM eventlog_lag WHERE group_name = 'slow';
SELECT seek('slow', 'kept', 0, (SELECT log_start FROM logs WHERE topic = 'kept'::regclass));
SELECT events_lost = (SELECT events_lost FROM lost) AS still_counted FROM eventlog_lag WHERE group_name = 'slow';
SELECT leave_group('slow');
-- the group may choose to go on
SELECT create_group('brave', '{"on_lost": "earliest"}'), create_group('hasty', '{"on_lost": "latest"}');
SELECT seek(g, 'kept', 0, (SELECT log_start FROM logs WHERE topic = 'kept'::regclass)) FROM unnest('{brave,hasty}'::text[]) g;
CALL fill('kept', 50);
SELECT min(event_offset) = (SELECT log_start FROM logs WHERE topic = 'kept'::regclass) AS earliest
	FROM consume('brave', 'kept', commit => true);
SELECT count(*) FROM consume('hasty', 'kept', commit => true);
SELECT group_name, events_lost > 0 AS told, lag FROM eventlog_lag WHERE group_name IN ('brave', 'hasty') ORDER BY 1;

-- full: refused, at the call when it is full already, else at the append
SELECT create_topic('strict', value_type => 'text', options =>
	'{"segment_bytes": 1048576, "retention_bytes": 3145728, "retain_until_consumed": true, "when_full": "reject", "compression": "none"}');
SELECT count(*) FROM consume('reader', 'strict');
-- no group has committed there: the oldest go
CALL fill('strict', 40);
SELECT count(*) FROM consume('reader', 'strict', 1, commit => true);
DO $$
DECLARE code text; message text; n int := 0;
BEGIN
	LOOP
		n := n + 1;
		BEGIN
			CALL fill('strict', 1, commits => false);
		EXCEPTION WHEN configuration_limit_exceeded THEN
			GET STACKED DIAGNOSTICS code = RETURNED_SQLSTATE, message = MESSAGE_TEXT;
			EXIT;
		END;
	END LOOP;
	RAISE WARNING '% % after % events', code, message, CASE WHEN n BETWEEN 1 AND 12 THEN 'a few' ELSE n::text END;
END $$;
-- at the call
DO $$ BEGIN
	PERFORM produce('strict', NULL::text, repeat('x', 200000), partition => 0);
	RAISE WARNING 'not refused at the call';
EXCEPTION WHEN configuration_limit_exceeded THEN
	RAISE WARNING 'refused at the call: %', SQLERRM;
END $$;
SELECT segments FROM logs WHERE topic = 'strict'::regclass;
-- what has been consumed makes room
SELECT count(*) > 0 FROM consume('reader', 'strict', commit => true);
CALL fill('strict', 5);
SELECT * FROM check_topic('strict');
-- another group that has committed counts as well; a group that is dropped does not
SELECT leave_group('reader');
SELECT create_group('idle');
SELECT seek('idle', 'strict', 0, (SELECT log_start FROM logs WHERE topic = 'strict'::regclass));
DO $$ BEGIN
	CALL fill('strict', 40, commits => false);
	RAISE WARNING 'not refused';
EXCEPTION WHEN configuration_limit_exceeded THEN
	RAISE WARNING 'refused: %', SQLERRM;
END $$;
SELECT drop_group('idle');
SELECT count(*) >= 0 FROM consume('reader', 'strict', commit => true);
CALL fill('strict', 5);
SELECT leave_group('reader');

-- bad input and rights
SELECT apply_retention(NULL);
SELECT apply_retention('pg_class');
CREATE ROLE retention_other;
SET ROLE retention_other;
SELECT apply_retention('old');
RESET ROLE;
DROP ROLE retention_other;
BEGIN READ ONLY;
SELECT apply_retention('old');
ROLLBACK;

DO $$ BEGIN PERFORM drop_topic(topic::text) FROM eventlog_topics; END $$;
SELECT drop_group('brave'), drop_group('hasty');
DROP VIEW logs;
DROP PROCEDURE fill;
