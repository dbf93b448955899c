-- Poison events: what a consumer is told, how it goes past them, what is set aside
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS eventlog;
RESET client_min_messages;

-- an old event that the type does not accept any more: no statement does that, so the catalog is bent
CREATE TYPE dl_colour AS ENUM ('red', 'green');
SELECT create_topic('dl', 2, 'text', 'dl_colour');
SELECT produce('dl', 'a', 'red', '{"trace": "1"}', partition => 1, event_time => '2024-05-01 12:00+00');
SELECT produce('dl', 'b', 'green', partition => 1);
SELECT produce('dl', NULL, NULL, partition => 1);
SELECT count(value::text) FROM consume('dlg', 'dl', max_events => 1, commit => true);
SELECT seek('dlg', 'dl', 1, 0);
UPDATE pg_enum SET enumlabel = 'crimson' WHERE enumtypid = 'dl_colour'::regtype AND enumlabel = 'red';
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

--
-- Rights: to read the topic and to use the group; to write another topic that is named
--
CREATE ROLE regress_el_dl;
CREATE ROLE regress_el_dl_own;
CREATE ROLE regress_el_dl_two;
CREATE ROLE regress_el_dl_none;
SET ROLE regress_el_dl;
SELECT dead_letter('dlg', 'dl', 0, 0, 'may not read');
RESET ROLE;
GRANT SELECT ON dl TO regress_el_dl;
SET ROLE regress_el_dl;
SELECT dead_letter('dlg', 'dl', 0, 0, 'may not write', 'dl_other');
-- the superuser's topic, so it is the superuser who writes
SELECT dead_letter('dlg', 'dl', 0, 0, 'may write');
RESET ROLE;

-- the topic's owner makes it, whoever calls: no call is refused to the second role for what the first one made
CREATE SCHEMA dls;
GRANT USAGE ON SCHEMA dls TO PUBLIC;
GRANT CREATE ON SCHEMA dls TO regress_el_dl_own;
SELECT create_topic('dls.orders', 2, 'text', 'text');
SELECT count(produce('dls.orders', 'k', i::text, partition => i % 2)) FROM generate_series(0, 9) i;
ALTER TABLE dls.orders OWNER TO regress_el_dl_own;
GRANT SELECT ON dls.orders TO regress_el_dl;
GRANT SELECT, INSERT ON dls.orders TO regress_el_dl_two WITH GRANT OPTION;
GRANT SELECT (headers) ON dls.orders TO regress_el_dl_none;
-- ... not what default privileges would let anybody read
ALTER DEFAULT PRIVILEGES FOR ROLE regress_el_dl_own GRANT SELECT ON TABLES TO PUBLIC, regress_el_dl_none, regress_el_dl;
ALTER DEFAULT PRIVILEGES FOR ROLE regress_el_dl_own GRANT TRUNCATE ON TABLES TO regress_el_dl_none;
SET ROLE regress_el_dl;
SET default_tablespace = pg_global;
SELECT dead_letter('dlg', 'dls.orders', 0, 0, 'one');
SHOW default_tablespace;
RESET default_tablespace;
SET ROLE regress_el_dl_two;
SELECT dead_letter('dlg', 'dls.orders', 1, 0, 'two');
SELECT current_user, count(*) FROM dls.orders_dlq GROUP BY 1;
SET ROLE regress_el_dl_own;
SELECT dead_letter('dlg', 'dls.orders', 0, 1, 'owner');
RESET ROLE;
SELECT dead_letter('dlg', 'dls.orders', 0, 2, 'superuser');
SELECT relname, relowner::regrole, acl.grantee::regrole AS grantee, acl.privilege_type, acl.is_grantable
  FROM pg_class c LEFT JOIN aclexplode(relacl) acl ON acl.grantee <> relowner
 WHERE relnamespace = 'dls'::regnamespace AND relname LIKE 'orders\_dlq%' ORDER BY 1, 3, 4;
SET ROLE regress_el_dl_none;
SELECT count(*) FROM dls.orders_dlq;
SELECT count(*) FROM dls.orders_dlq_p0;
SELECT headers FROM dls.orders_dlq;
SELECT dead_letter('dlg', 'dls.orders', 0, 0, 'no SELECT on the whole topic');
RESET ROLE;
-- PUBLIC is a role like others
SELECT drop_topic('dls.orders_dlq');
GRANT SELECT ON dls.orders TO PUBLIC;
SET ROLE regress_el_dl_none;
SELECT dead_letter('dlg', 'dls.orders', 0, 0, 'public');
SELECT headers->>'__connect.errors.exception.message' AS error FROM dls.orders_dlq;
RESET ROLE;
REVOKE SELECT ON dls.orders FROM PUBLIC;
-- from then on its GRANTs are its own
REVOKE SELECT ON dls.orders_dlq FROM PUBLIC;
SET ROLE regress_el_dl_two;
SELECT dead_letter('dlg', 'dls.orders', 1, 0, 'written, not read');
SET ROLE regress_el_dl;
SELECT dead_letter('dlg', 'dls.orders', 1, 0, 'named, so by the caller''s rights', 'dls.orders_dlq');
RESET ROLE;

-- what the owner has put on it runs as the owner, and what the caller has put in its way does not
CREATE FUNCTION dls.checked() RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
	RAISE NOTICE '% % %', current_user, current_setting('search_path'), format('%s', 1 + 1);
	RETURN true;
END $$;
REVOKE EXECUTE ON FUNCTION dls.checked FROM PUBLIC;
GRANT EXECUTE ON FUNCTION dls.checked TO regress_el_dl_own;
SET client_min_messages = warning;
ALTER TABLE dls.orders_dlq ADD CHECK (dls.checked());
RESET client_min_messages;
CREATE SCHEMA dl_trap AUTHORIZATION regress_el_dl;
GRANT USAGE ON SCHEMA dl_trap TO PUBLIC;
SET ROLE regress_el_dl;
CREATE FUNCTION dl_trap.format(text, integer) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	RAISE NOTICE 'trap sprung on %', current_user;
	RETURN 'trap';
END $$;
SET search_path = dl_trap, pg_catalog, public;
SELECT public.dead_letter('dlg', 'dls.orders', 0, 0, 'trap');
SELECT current_user, current_setting('search_path');
-- nor can it leave the role
RESET ROLE;
RESET search_path;
CREATE OR REPLACE FUNCTION dls.checked() RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN SET ROLE NONE; RETURN true; END $$;
SET ROLE regress_el_dl;
\set VERBOSITY terse
SELECT dead_letter('dlg', 'dls.orders', 0, 0, 'leaves the role');
RESET ROLE;
CREATE OR REPLACE FUNCTION dls.checked() RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN CREATE TEMP TABLE t (); RETURN true; END $$;
SET ROLE regress_el_dl;
SELECT dead_letter('dlg', 'dls.orders', 0, 0, 'leaves something behind');
-- an error ends it, also in a subtransaction
SELECT current_user;
SET search_path = public, dl_trap;
DO $$ BEGIN
	PERFORM dead_letter('dlg', 'dls.orders', 0, 0, 'leaves something behind');
EXCEPTION WHEN insufficient_privilege OR feature_not_supported THEN
	RAISE NOTICE '%, % %', SQLERRM, current_user, current_setting('search_path');
END $$;
RESET search_path;
RESET ROLE;
\set VERBOSITY default
SELECT drop_topic('dls.orders_dlq');
-- event triggers, too
CREATE FUNCTION dls.note() RETURNS event_trigger LANGUAGE plpgsql AS
  $$ BEGIN RAISE NOTICE '% % %', tg_tag, current_user, format('%s', 1 + 1); END $$;
CREATE EVENT TRIGGER dl_watch ON ddl_command_end EXECUTE FUNCTION dls.note();
SET ROLE regress_el_dl;
SET search_path = dl_trap, pg_catalog, public;
SELECT public.dead_letter('dlg', 'dls.orders', 0, 0, 'trap');
RESET ROLE;
RESET search_path;
DROP EVENT TRIGGER dl_watch;

-- one that is somebody else's is like any other topic
ALTER TABLE dls.orders_dlq OWNER TO regress_el_dl_none;
SET ROLE regress_el_dl;
SELECT dead_letter('dlg', 'dls.orders', 0, 0, 'may not write');
RESET ROLE;
GRANT INSERT ON dls.orders_dlq TO regress_el_dl;
ALTER TABLE dls.orders_dlq ADD CHECK (current_user = 'regress_el_dl' OR headers->>'__connect.errors.exception.message' = 'trap');
SET ROLE regress_el_dl;
SELECT dead_letter('dlg', 'dls.orders', 0, 0, 'may write');
RESET ROLE;
SELECT drop_topic('dls.orders_dlq');
CREATE TABLE dls.orders_dlq (i int);
SELECT dead_letter('dlg', 'dls.orders', 0, 0, 'no topic');
DROP TABLE dls.orders_dlq;

-- the owner may not make it
REVOKE CREATE ON SCHEMA dls FROM regress_el_dl_own;
SET ROLE regress_el_dl_own;
SELECT dead_letter('dlg', 'dls.orders', 0, 0, 'may not create');
RESET ROLE;
SELECT dead_letter('dlg', 'dls.orders', 0, 0, 'may not create, the superuser or not');
GRANT CREATE ON SCHEMA dls TO regress_el_dl_own;
REVOKE USAGE ON SCHEMA dls FROM PUBLIC;
GRANT USAGE ON SCHEMA dls TO regress_el_dl;
SET ROLE regress_el_dl;
SELECT dead_letter('dlg', 'dls.orders', 0, 0, 'may not use the schema');
RESET ROLE;

--
-- Names near the limit of 55 bytes: up to 51 with the suffix, beyond by the uuid
--
CREATE VIEW dl_names AS
SELECT regexp_replace(relname, '_[0-9a-f]{8}_dlq$', '_<uuid>_dlq') AS name, octet_length(relname) AS bytes
  FROM eventlog_topics t JOIN pg_class c ON t.topic = c.oid WHERE relname ~ '^[aué].*_dlq$';
SELECT count(create_topic(repeat('a', n), 1, 'text', 'text')) FROM unnest('{50,51,52,55}'::int[]) n;
SELECT count(produce(repeat('a', n)::regclass, 'k', n::text)) FROM unnest('{50,51,52,55}'::int[]) n;
SELECT dead_letter('dlg', repeat('a', n)::regclass, 0, 0, 'its name gets longer') FROM unnest('{50,51,52,55}'::int[]) n;
SELECT dead_letter('dlg', repeat('a', n)::regclass, 0, 0, 'again') FROM unnest('{50,51,52,55}'::int[]) n;
SELECT * FROM dl_names ORDER BY 1, 2;
SELECT format('%s_%s_dlq', repeat('a', 42), left(label::json->>'uuid', 8)) AS dlq FROM pg_seclabel WHERE objoid = repeat('a', 55)::regclass \gset
SELECT convert_from(value, 'UTF8') AS value, headers->>'__connect.errors.exception.message' AS error, length(headers->>'__connect.errors.topic') AS of
  FROM :"dlq" ORDER BY event_offset;
-- cut at a character
SELECT count(create_topic('a' || repeat('é', 27), 1, 'text', 'text'));
SELECT produce(('a' || repeat('é', 27))::regclass, 'k', 'v');
SELECT dead_letter('dlg', ('a' || repeat('é', 27))::regclass, 0, 0, 'cut');
SELECT * FROM dl_names WHERE name LIKE '%é%';
-- two that begin alike, without label: their uuids begin alike, too
SELECT count(create_topic(repeat('u', n), 1, 'text', 'text')) FROM unnest('{54,55}'::int[]) n;
DO $$ BEGIN
	EXECUTE format('SECURITY LABEL FOR eventlog ON TABLE %I IS NULL', repeat('u', 54));
	EXECUTE format('SECURITY LABEL FOR eventlog ON TABLE %I IS NULL', repeat('u', 55));
END $$;
SELECT count(produce(repeat('u', n)::regclass, 'k', n::text)) FROM unnest('{54,55}'::int[]) n;
SELECT dead_letter('dlg', repeat('u', n)::regclass, 0, 0, 'alike') FROM unnest('{54,55}'::int[]) n;
SELECT * FROM dl_names WHERE name LIKE 'u%';

SET client_min_messages = warning;
SELECT count(drop_topic(topic::text)) FROM eventlog_topics WHERE topic::text ~ '^"?[adué]' AND topic::text !~ '\.';
DROP VIEW dl_names;
DROP TYPE dl_colour;
DROP SCHEMA dls, dl_trap CASCADE;
ALTER DEFAULT PRIVILEGES FOR ROLE regress_el_dl_own REVOKE ALL ON TABLES FROM PUBLIC, regress_el_dl_none, regress_el_dl;
DROP ROLE regress_el_dl, regress_el_dl_own, regress_el_dl_two, regress_el_dl_none;
