-- Poison events: what a consumer is told, how it goes past them, what is set aside
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS eventlog;
RESET client_min_messages;

-- an old event that the type does not accept any more
CREATE TYPE dl_colour AS ENUM ('red', 'green');
SELECT create_topic('dl', 2, 'text', 'dl_colour');
SELECT produce('dl', 'a', 'red', '{"trace": "1"}', partition => 1, event_time => '2024-05-01 12:00+00');
SELECT produce('dl', 'b', 'green', partition => 1);
SELECT produce('dl', NULL, NULL, partition => 1);
SELECT count(value::text) FROM consume('dlg', 'dl', max_events => 1, commit => true);
SELECT seek('dlg', 'dl', 1, 0);
ALTER TYPE dl_colour RENAME VALUE 'red' TO 'crimson';
SELECT count(value) FROM consume_as(NULL::dl, 'dlg');
SELECT count(value) FROM consume_as(NULL::dl, 'dlg');
SELECT redeliveries, stuck_since IS NOT NULL AS stuck FROM eventlog_lag WHERE group_name = 'dlg' AND partition = 1;
SELECT event_offset, convert_from(key, 'UTF8') AS key, convert_from(value, 'UTF8') AS value
  FROM consume_bytes('dlg', 'dl', max_events => 1);

-- set aside with the position as it was, and undone with the transaction
BEGIN;
SELECT dead_letter('dlg', 'dl', 1, 0, 'not in the transaction');
ROLLBACK;
SELECT to_regclass('dl_dlq');
-- event triggers see the topic being made, as by create_topic()
CREATE TABLE dl_seen (tag text, object text);
CREATE FUNCTION dl_note() RETURNS event_trigger LANGUAGE plpgsql AS
  $$ BEGIN INSERT INTO dl_seen SELECT command_tag, object_identity FROM pg_event_trigger_ddl_commands(); END $$;
CREATE EVENT TRIGGER dl_watch ON ddl_command_end EXECUTE FUNCTION dl_note();
BEGIN;
SELECT dead_letter('dlg', 'dl', 1, 0, 'invalid colour');
SELECT commit('dlg');
COMMIT;
SELECT * FROM dl_seen ORDER BY tag, object;
DROP EVENT TRIGGER dl_watch;
DROP FUNCTION dl_note;
DROP TABLE dl_seen;
SELECT key_type, value_type, partitions, options->>'retention' AS retention FROM eventlog_topics WHERE topic = 'dl_dlq'::regclass;
SELECT partition, event_offset, event_time AT TIME ZONE 'UTC' AS event_time, convert_from(key, 'UTF8') AS key,
       convert_from(value, 'UTF8') AS value, jsonb_pretty(headers) FROM dl_dlq;
SELECT event_offset, key, value FROM consume_as(NULL::dl, 'dlg');
-- a second one, a tombstone without key, to the topic that is there now
SELECT dead_letter('dlg', 'dl', 1, 2, 'nothing in it');
SELECT partition, event_offset, key IS NULL AS no_key, value IS NULL AS no_value, headers->>'__connect.errors.offset' AS of FROM dl_dlq
  WHERE event_offset = 1;
-- past it by seek()
SELECT seek('dlg', 'dl', 1, 1);
SELECT event_offset, value FROM consume_as(NULL::dl, 'dlg');

-- to another topic: its types decide, its partitions if it has them
SELECT create_topic('dl_other', 1, 'bytea', 'bytea');
SELECT dead_letter('dlg', 'dl', 1, 1, 'elsewhere', 'dl_other');
SELECT partition, convert_from(value, 'UTF8') AS value FROM dl_other;
SELECT create_topic('dl_typed', 2, 'text', 'dl_colour', '{"max_event_bytes": 400}');
SELECT dead_letter('dlg', 'dl', 1, 1, 'fits', 'dl_typed');
SELECT partition, key, value FROM dl_typed;
SELECT dead_letter('dlg', 'dl', 1, 0, 'not a colour there either', 'dl_typed');
SELECT dead_letter('dlg', 'dl', 1, 1, repeat('x', 400), 'dl_typed');
-- what the type would not take is not taken as bytes either
SELECT create_topic('dl_json', 1, value_type => 'json'), create_topic('dl_text', 1, value_type => 'text'),
	create_topic('dl_raw', 1, value_type => 'bytea');
SELECT produce('dl_raw', NULL::text, '\xff'::bytea), produce('dl_raw', NULL::text, '{"a"}'::bytea), produce('dl_raw', NULL::text, '{"a": 1}'::bytea);
SELECT dead_letter('dlg', 'dl_raw', 0, 0, 'no text', 'dl_text');
SELECT dead_letter('dlg', 'dl_raw', 0, 0, 'no text', 'dl_json');
SELECT dead_letter('dlg', 'dl_raw', 0, 1, 'no JSON', 'dl_json');
SELECT dead_letter('dlg', 'dl_raw', 0, 1, 'text', 'dl_text'), dead_letter('dlg', 'dl_raw', 0, 2, 'JSON', 'dl_json');
SELECT (SELECT string_agg(value, ' ') FROM dl_text) AS text, (SELECT string_agg(value::text, ' ') FROM dl_json) AS json;
SELECT drop_topic('dl_json'), drop_topic('dl_text'), drop_topic('dl_raw');
ALTER TABLE dl_typed ADD CHECK (headers->>'__connect.errors.exception.message' <> 'refused');
\set VERBOSITY terse
SELECT dead_letter('dlg', 'dl', 1, 1, 'refused', 'dl_typed');
\set VERBOSITY default
-- headers that were an array stay one; a long message is cut
SELECT produce('dl', 'c', 'green', '[["h", "1"], ["h", "2"]]', partition => 0);
SELECT dead_letter('dlg', 'dl', 0, 0, repeat('ä', 5000), 'dl_other');
SELECT headers->0 AS first, headers->1 AS second, jsonb_array_length(headers) AS n, length(headers->6->>1) AS message FROM dl_other
  WHERE event_offset = 1;

-- bad input
SELECT dead_letter('dlg', 'dl', 1, 3, 'beyond the end');
SELECT dead_letter('dlg', 'dl', 1, -1, 'negative');
SELECT dead_letter('dlg', 'dl', 2, 0, 'no such partition');
SELECT dead_letter('dlg', 'dl', NULL, 0, 'null');
SELECT dead_letter('dlg', 'dl', 0, 0, NULL);
SELECT dead_letter('dlg', 'dl', 0, 0, 'itself', 'dl');
SELECT dead_letter('dlg', 'dl', 0, 0, 'no topic', 'pg_class');
SELECT dead_letter('dlg', 'pg_class', 0, 0, 'no topic');
BEGIN;
SELECT produce('dl', 'd', 'green', partition => 0);
SELECT count(*) FROM flush();
SELECT dead_letter('dlg', 'dl', 0, 1, 'my own, not committed');
ROLLBACK;
SELECT dead_letter('dlg', 'dl', 0, 1, 'rolled back');
BEGIN READ ONLY;
SELECT dead_letter('dlg', 'dl', 0, 0, 'read only');
ROLLBACK;

-- rights: to read the topic, to use the group, to make or write the other topic
CREATE ROLE regress_el_dl;
SET ROLE regress_el_dl;
SELECT dead_letter('dlg', 'dl', 0, 0, 'may not read');
RESET ROLE;
GRANT SELECT ON dl TO regress_el_dl;
SET ROLE regress_el_dl;
SELECT dead_letter('dlg', 'dl', 0, 0, 'may not write');
RESET ROLE;
SELECT drop_topic('dl_dlq');
SET ROLE regress_el_dl;
SELECT dead_letter('dlg', 'dl', 0, 0, 'may not create');
RESET ROLE;
SELECT create_topic(repeat('d', 55), 1, 'text', 'text');
SELECT produce(repeat('d', 55)::regclass, 'k', 'v');
SELECT dead_letter('dlg', repeat('d', 55)::regclass, 0, 0, 'its name gets longer');

SET client_min_messages = warning;
SELECT drop_topic(repeat('d', 55)), drop_topic('dl'), drop_topic('dl_other'), drop_topic('dl_typed');
DROP TYPE dl_colour;
DROP ROLE regress_el_dl;
