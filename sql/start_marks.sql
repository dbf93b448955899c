-- Start marks: where a group begins in the partitions of a topic that it has not committed in.
\set VERBOSITY terse
SET client_min_messages = warning;
-- a database of its own: what is no mark stays in the topic, and warns whoever reads it
\set db :DBNAME
CREATE DATABASE regress_start_marks;
\c regress_start_marks
CREATE EXTENSION eventlog;
SET client_min_messages = warning;
SELECT create_topic('s_orders', partitions => 4);
SELECT count(produce('s_orders', 'k', g::text, partition => p)) FROM generate_series(0, 3) p, generate_series(1, 5) g;
CREATE VIEW s_lag AS SELECT group_name, partition AS p, committed_offset AS committed, lag, events_lost AS lost, redeliveries AS again
  FROM eventlog_lag WHERE topic = 's_orders'::regclass;
CREATE FUNCTION s_uuid(topic regclass) RETURNS text LANGUAGE sql AS $$ SELECT label::json->>'uuid' FROM pg_seclabels WHERE objoid = topic AND objsubid = 0 $$;
CREATE FUNCTION s_write(key text, value text) RETURNS void LANGUAGE sql AS
  $$ INSERT INTO _eventlog.committed_offsets (partition, key, value) VALUES (0, key, value::json) $$;

-- marks that come from elsewhere (a restore) count as others do: lag, and beside commits
SELECT s_write(format('["restored", "%s"]', s_uuid('s_orders')), '[3, null, 9]');
SELECT * FROM s_lag;
SELECT s_write(format('["restored", "%s", 0]', s_uuid('s_orders')), '{"next": 1}');
SELECT s_write(format('["restored", "%s"]', s_uuid('s_orders')), '[5,4 , 3,2]');
SELECT * FROM s_lag;
BEGIN;
SELECT s_write(format('["restored", "%s"]', s_uuid('s_orders')), NULL);
SELECT count(*) FROM flush();
SELECT * FROM s_lag;
ROLLBACK;
SELECT * FROM s_lag;
SELECT s_write(format('["restored", "%s", 0]', s_uuid('s_orders')), NULL), s_write(format('["restored", "%s"]', s_uuid('s_orders')), NULL);
SELECT * FROM s_lag;

-- what is no mark is no error, and none
SET client_min_messages = error;
CREATE TEMP TABLE s_texts (n int GENERATED ALWAYS AS IDENTITY, value text, lag text);
INSERT INTO s_texts (value) SELECT unnest(ARRAY[
  '[1]', '[2,2,2,2,2,2,2,2]', ' [ 1 ,2,	null , 4 ] ', '[140737488355327]', '[' || repeat('0,', 99) || '0]',
  '{}', '{"next": 1}', '1', '"[1]"', '[]', '[-1]', '[1.0]', '[1e0]', '["1"]', '[true]', '[[1]]', '[{}]',
  '[140737488355328]', '[99999999999999999999]', '[' || repeat('0,', 10000) || '0]']);
DO $$
DECLARE
  t record;
BEGIN
  FOR t IN SELECT * FROM s_texts LOOP
    PERFORM s_write(format('["text%s", "%s"]', t.n, s_uuid('s_orders')), t.value);
    COMMIT;
    UPDATE s_texts SET lag = (SELECT string_agg(s.lag::text, ' ' ORDER BY p) FROM s_lag s WHERE group_name = 'text' || t.n) WHERE n = t.n;
  END LOOP;
END $$;
SELECT left(value, 30) AS value, lag FROM s_texts ORDER BY n;
SELECT s_write(key, '[1]') FROM unnest(ARRAY['["g"]', '["g", "no uuid"]', '["", "00000000-0000-0000-0000-000000000000"]',
  '["g", "00000000-0000-0000-0000-000000000000", null]', '["g", "00000000-0000-0000-0000-000000000000", -1]']) key;
SELECT count(*) FROM s_lag WHERE group_name !~ '^text';
RESET client_min_messages;

--
-- The first commit writes one mark, with its offsets
--
\set SHOW_CONTEXT never
CREATE FUNCTION s_marks(g text) RETURNS text LANGUAGE sql AS $$
  SELECT coalesce(string_agg(CASE WHEN key::json->>2 IS NULL THEN coalesce(value::text, 'dropped') END, ' then ' ORDER BY event_offset), 'none')
      || ' beside ' || count(*) FILTER (WHERE key::json->>2 IS NOT NULL) || ' offsets'
    FROM _eventlog.committed_offsets WHERE key::json->>0 = g $$;
-- what a transaction holds: partitions of groups and marks, told apart by what is counted before
CREATE FUNCTION s_locks() RETURNS bigint LANGUAGE sql AS
  $$ SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND objsubid = 3 AND pid = pg_backend_pid() $$;

BEGIN;
SELECT count(*) FROM consume('first', 's_orders', 2);
SELECT s_locks();
SELECT commit('first');
SELECT s_locks();
COMMIT;
SELECT s_marks('first');
SELECT sum(committed), count(*), sum(lag) FROM s_lag WHERE group_name = 'first';
SELECT lag FROM eventlog_groups WHERE group_name = 'first';
-- the next ones do not
SELECT count(*) FROM consume('first', 's_orders', 5, commit => true);
SELECT s_marks('first') ~ ' then ' AS again;
-- members or not
SELECT leave_group('first');
SELECT count(*), sum(lag) FROM s_lag WHERE group_name = 'first';
SELECT state, lag FROM eventlog_groups WHERE group_name = 'first';

-- consume() alone is no beginning, nor is a commit that is rolled back, be it to a savepoint
BEGIN;
SELECT count(*) FROM consume('back', 's_orders', 1);
SAVEPOINT a;
SELECT commit('back');
ROLLBACK TO a;
COMMIT;
SELECT s_marks('back');
BEGIN;
SELECT count(*) FROM consume('back', 's_orders', 1);
SELECT commit('back');
ROLLBACK;
SELECT s_marks('back');
-- taken back and said again, in another subtransaction than the first time
BEGIN;
SAVEPOINT a;
SELECT seek('back', 's_orders', 2, 4);
ROLLBACK TO a;
SAVEPOINT b;
SAVEPOINT c;
SELECT seek('back', 's_orders', 1, 3);
RELEASE c;
RELEASE b;
COMMIT;
SELECT s_marks('back');
SELECT p, committed, lag FROM s_lag WHERE group_name = 'back';
SELECT partition AS p, min(event_offset) FROM consume('back', 's_orders') GROUP BY 1 ORDER BY 1;
SELECT leave_group('back');

-- claims: what was claimed and rolled back is known on this server, and the topic's other partitions with it
BEGIN;
SELECT count(*) FROM claim('claims', 's_orders', 1);
ROLLBACK;
BEGIN;
SELECT count(*) FROM claim('claims', 's_orders', 20);
ROLLBACK;
SELECT sum(lag), max(again), count(*) FROM s_lag WHERE group_name = 'claims';
SELECT state, lag FROM eventlog_groups WHERE group_name = 'claims';
SELECT count(*) FROM claim('claims', 's_orders', 2);
SELECT array_length(regexp_split_to_array(s_marks('claims'), '[ \[]0'), 1) - 1 AS starts, sum(lag), count(committed), count(*) FROM s_lag WHERE group_name = 'claims';

-- seek() and reset_group()
SELECT reset_group('reset', 's_orders', 'latest');
SELECT s_marks('reset');
SELECT sum(lag), count(committed) FROM s_lag WHERE group_name = 'reset';

--
-- latest: as of the first consume(), claim() or seek()
--
SELECT create_group(g, '{"start_from": "latest"}') FROM unnest('{latest,latest_seek,latest_claims,latest_back}'::text[]) g;
SELECT count(*) FROM consume('latest', 's_orders');
SELECT count(*) FROM claim('latest_claims', 's_orders');
SELECT s_marks('latest'), s_marks('latest_claims');
BEGIN READ ONLY;
SELECT count(*) FROM consume('latest_seek', 's_orders');
ROLLBACK;
SELECT seek('latest_seek', 's_orders', 0, 4);
BEGIN;
SELECT count(*) FROM consume('latest_back', 's_orders');
SELECT s_locks();
SAVEPOINT a;
SELECT count(produce('s_orders', 'k', '6', partition => p)) FROM generate_series(0, 3) p;
SELECT count(*) FROM flush();
COMMIT;
SELECT s_marks('latest_seek'), s_marks('latest_back');
SELECT group_name, string_agg(coalesce(committed::text, '-') || ':' || lag, ' ' ORDER BY p) FROM s_lag WHERE group_name ~ 'latest' GROUP BY 1 ORDER BY 1;
SELECT partition AS p, min(event_offset), count(*) FROM consume('latest_seek', 's_orders', commit => true) GROUP BY 1 ORDER BY 1;
SELECT partition AS p, min(event_offset), count(*) FROM consume('latest', 's_orders') GROUP BY 1 ORDER BY 1;
-- of which nothing was committed
SELECT leave_group('latest'), leave_group('latest_seek'), leave_group('latest_back');
SELECT count(committed), sum(lag) FROM s_lag WHERE group_name = 'latest';
SELECT s_marks('latest');

-- a mark cannot be prepared
SET client_min_messages = error;
SELECT create_group('latest_prepared', '{"start_from": "latest"}');
BEGIN;
SELECT count(*) FROM claim('latest_prepared', 's_orders');
PREPARE TRANSACTION 's_prepared';
SELECT s_marks('latest_prepared'), drop_group('latest_prepared');
RESET client_min_messages;

--
-- Partitions added later count from their first event
--
SELECT alter_topic('s_orders', '{"partitions": 5}');
SELECT count(produce('s_orders', 'k', g::text, partition => 4)) FROM generate_series(1, 3) g;
SELECT group_name, lag FROM s_lag WHERE p = 4 AND group_name !~ '^text' ORDER BY 1;
SELECT min(event_offset), count(*) FROM consume('latest', 's_orders', commit => true) WHERE partition = 4;
SELECT leave_group('latest');
SELECT sum(lag), s_marks('latest') FROM s_lag WHERE group_name = 'latest';

--
-- drop_group()
--
SELECT drop_group('latest');
SELECT s_marks('latest'), count(*) FROM s_lag WHERE group_name = 'latest';
SELECT create_group('latest', '{"start_from": "latest"}');
SELECT count(*) FROM consume('latest', 's_orders', commit => true);
SELECT sum(lag) FROM s_lag WHERE group_name = 'latest';
-- dropped, created and begun in one transaction: the new beginning counts
SELECT count(produce('s_orders', 'k', '7', partition => p)) FROM generate_series(0, 3) p;
BEGIN;
SELECT drop_group('latest');
SAVEPOINT a;
SELECT create_group('latest');
SELECT count(*), min(event_offset) FROM consume('latest', 's_orders', 3, commit => true);
ROLLBACK TO a;
SELECT create_group('latest', '{"start_from": "latest"}');
SELECT count(*) FROM consume('latest', 's_orders', commit => true);
COMMIT;
SELECT sum(lag), count(committed), regexp_replace(s_marks('latest'), '^.* then ', '') FROM s_lag WHERE group_name = 'latest';
BEGIN;
SELECT drop_group('latest');
SELECT create_group('latest');
SELECT count(*), min(event_offset) FROM consume('latest', 's_orders', 3, commit => true);
COMMIT;
SELECT sum(lag), count(committed) FROM s_lag WHERE group_name = 'latest';
BEGIN;
SELECT drop_group('latest');
ROLLBACK;
SELECT sum(lag), count(committed) FROM s_lag WHERE group_name = 'latest';
-- begun and dropped in one transaction: nothing is left, nor written
BEGIN;
SELECT create_group('short', '{"start_from": "latest"}');
SELECT count(*) FROM claim('short', 's_orders');
SELECT drop_group('short');
COMMIT;
SELECT s_marks('short'), count(*) FROM s_lag WHERE group_name = 'short';

--
-- What retention took beyond a start is lost
--
SELECT create_topic('s_lost', 2, options => '{"compression": "none"}');
SELECT count(produce('s_lost', 'k', g::text, partition => g % 2)) FROM generate_series(1, 20) g;
SELECT create_group('lost_' || o, format('{"on_lost": "%s"}', o)::jsonb) FROM unnest('{error,earliest,latest}'::text[]) o;
-- they have their place in partition 0
SELECT seek('lost_' || o, 's_lost', 0, 10) FROM unnest('{error,earliest,latest,sought}'::text[]) o;
SELECT delete_events_before('s_lost', 1, 4);
SELECT group_name, lag, events_lost FROM eventlog_lag WHERE topic = 's_lost'::regclass AND partition = 1 ORDER BY 1;
SELECT count(*) FROM consume('lost_error', 's_lost');
SELECT count(*), min(event_offset) FROM consume('lost_earliest', 's_lost', commit => true);
SELECT count(*) FROM consume('lost_latest', 's_lost', commit => true);
SELECT seek('lost_sought', 's_lost', 1, 6);
SELECT group_name, committed_offset, lag, events_lost FROM eventlog_lag WHERE topic = 's_lost'::regclass AND partition = 1 ORDER BY 1;
-- in a partition that was added later, too
SELECT alter_topic('s_lost', '{"partitions": 3}');
SELECT count(produce('s_lost', 'k', g::text, partition => 2)) FROM generate_series(1, 3) g;
SELECT delete_events_before('s_lost', 2, 2);
SELECT lag, events_lost FROM eventlog_lag WHERE group_name = 'lost_sought' AND partition = 2;
SELECT count(*) FROM consume('lost_sought', 's_lost');
SELECT leave_group('lost_sought');
-- for who begins now there is nothing missing
SELECT count(*), min(event_offset) FILTER (WHERE partition = 1) FROM consume('lost_nothing', 's_lost', 16, commit => true);
SELECT sum(events_lost) FROM eventlog_lag WHERE group_name = 'lost_nothing';

-- retain_until_consumed counts from starts
SELECT alter_topic('s_lost', '{"retain_until_consumed": true, "retention": "1 ms"}');
SELECT create_group('held', '{"start_from": "latest"}');
SELECT count(*) FROM claim('held', 's_lost');
SELECT leave_group(g) FROM unnest('{lost_error,lost_earliest,lost_latest,lost_nothing}'::text[]) g;
-- more than one batch: retention leaves the last one
SELECT count(produce('s_lost', 'k', repeat('7', 9000), partition => g % 2)) FROM generate_series(1, 20) g;
SELECT count(produce('s_lost', 'k', repeat('7', 9000), partition => g % 2)) FROM generate_series(1, 20) g;
SELECT drop_group('lost_' || o) FROM unnest('{error,earliest,latest}'::text[]) o;
SELECT reset_group(g, 's_lost', 'latest') FROM unnest('{lost_sought,lost_nothing}'::text[]) g;
CREATE FUNCTION s_starts() RETURNS text LANGUAGE sql AS
  $$ SELECT string_agg(log_start_offset::text, ' ' ORDER BY partition) FROM eventlog_partitions WHERE topic = 's_lost'::regclass $$;
SELECT s_starts();
SELECT apply_retention('s_lost') >= 0 AS applied;
SELECT s_starts(), (SELECT sum(events_lost) FROM eventlog_lag WHERE group_name = 'held') AS lost;
SELECT count(*) FROM claim('held', 's_lost', 100);
SELECT apply_retention('s_lost') >= 0 AS applied, s_starts();

--
-- A group from before there were marks: offsets, and no mark.  It began at the earliest where it has none
--
SET client_min_messages = error;
SELECT create_group('old', '{"start_from": "latest"}');
SELECT s_write(format('["old", "%s", 0]', s_uuid('s_orders')), '{"next": 5}');
SELECT p, committed, lag FROM s_lag WHERE group_name = 'old';
SELECT partition AS p, min(event_offset) FROM consume('old', 's_orders', 6) GROUP BY 1 ORDER BY 1;
SELECT commit('old') > 0 AS committed;
SELECT s_marks('old') ~ '^\[null, null, 0, 0, 0\]' AS marked;
SELECT sum(lag) FROM s_lag WHERE group_name = 'old';
SELECT leave_group('old');
-- ... but not if it is dropped and comes again
SELECT create_group('old2', '{"start_from": "latest"}');
SELECT s_write(format('["old2", "%s", 0]', s_uuid('s_orders')), '{"next": 5}');
BEGIN;
SELECT drop_group('old2'), create_group('old2', '{"start_from": "latest"}');
SELECT count(*) FROM consume('old2', 's_orders', commit => true);
COMMIT;
SELECT sum(lag), count(committed) FROM s_lag WHERE group_name = 'old2';

\c :db
DROP DATABASE regress_start_marks WITH (FORCE);
