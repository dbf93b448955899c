-- Start marks: where a group begins in the partitions of a topic that it has not committed in.
\set VERBOSITY terse
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS eventlog;
RESET client_min_messages;
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

DROP VIEW s_lag;
DROP FUNCTION s_write, s_uuid;
DROP TABLE s_orders;
