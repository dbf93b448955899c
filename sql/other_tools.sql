-- what ORMs, schema tools and monitors send, and what a platform's event triggers do
\set VERBOSITY default
\pset format unaligned
\set SHOW_CONTEXT never
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS eventlog;
RESET client_min_messages;
CREATE SCHEMA tools;
SET search_path = tools, public;

-- a JSON null as headers is none, in every way in
SELECT create_topic('nulls');
INSERT INTO nulls (key, value, headers) VALUES ('insert', '{}', 'null');
SELECT produce('nulls', 'produce', '{}', 'null'::jsonb);
SELECT produce_batch('nulls', '[{"key": "batch", "headers": null}]');
COPY nulls (key, value, headers) FROM stdin;
copy	{}	null
\.
SELECT key, headers FROM read_topic('nulls');
SELECT produce('nulls', 'k', '{}', '"null"'::jsonb);
SELECT produce('nulls', 'k', '{}', '[null]'::jsonb);

-- an event trigger that enables row security on each new table does not stop create_topic() or alter_topic()
CREATE FUNCTION secure() RETURNS event_trigger LANGUAGE plpgsql AS $$
DECLARE
	r record;
BEGIN
	FOR r IN SELECT * FROM pg_event_trigger_ddl_commands() WHERE object_type = 'table' LOOP
		EXECUTE format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY', r.object_identity);
	END LOOP;
END $$;
CREATE EVENT TRIGGER secure ON ddl_command_end WHEN TAG IN ('CREATE TABLE') EXECUTE FUNCTION secure();
SELECT create_topic('secured', 2);
SELECT alter_topic('secured', '{"partitions": 3}');
CREATE TABLE other (a int);
SELECT relname, relrowsecurity FROM pg_class WHERE relnamespace = 'tools'::regnamespace AND relname ~ '^(secured|other)' ORDER BY 1;
-- outside of them it stays refused
ALTER TABLE secured ENABLE ROW LEVEL SECURITY;
DROP EVENT TRIGGER secure;
SELECT produce('secured', 'k', '{}') IS NOT NULL AS produced;

-- ages by table, as monitors look at them
SELECT count(*) FROM pg_class WHERE relnamespace = 'tools'::regnamespace AND relkind = 'r' AND (mxid_age(relminmxid) > 1000000 OR age(relfrozenxid) > 1000000000);
VACUUM secured;
TRUNCATE nulls;
VACUUM FULL nulls;
SELECT count(*) FROM pg_class WHERE relnamespace = 'tools'::regnamespace AND relkind = 'r' AND mxid_age(relminmxid) > 1000000;

-- a schema that a tool has copied as plain tables
CREATE TABLE copied (partition int, event_offset bigint, event_time timestamptz, key text, value json, headers jsonb);
SELECT produce('copied', 'k', '{}');
CREATE TABLE copied_parts (LIKE copied) PARTITION BY LIST (partition);
CREATE TABLE copied_parts_p0 PARTITION OF copied_parts FOR VALUES IN (0);
SELECT produce('copied_parts', 'k', '{}');
SELECT produce('other', 'k', '{}');

-- a plan from before the topic was dropped: the SQLSTATE for which drivers prepare again
SELECT create_topic('planned');
SELECT produce('planned', 'a', '{}');
PREPARE consume_all AS SELECT key FROM consume_as(NULL::planned, 'tools');
EXECUTE consume_all;
SELECT drop_topic('planned'), create_topic('planned');
SELECT produce('planned', 'b', '{}');
EXECUTE consume_all;
\echo :SQLSTATE
DEALLOCATE consume_all;
SELECT key FROM consume_as(NULL::planned, 'tools');
SELECT consume_as(1, 'tools');

-- zero instead of nothing: the message itself says what to do, for some clients show no more
INSERT INTO planned (partition, event_offset, key, value) VALUES (0, 0, 'c', '{}');

-- commands that change nothing pass, alone and beside others, and nothing else does
ALTER TABLE planned ALTER COLUMN partition DROP NOT NULL;
ALTER TABLE planned ALTER COLUMN partition DROP DEFAULT;
ALTER TABLE planned ALTER COLUMN partition TYPE integer;
ALTER TABLE planned ALTER COLUMN partition TYPE int4, ADD CONSTRAINT positive CHECK (partition >= 0);
ALTER TABLE planned DROP COLUMN IF EXISTS nope;
ALTER TABLE planned ADD COLUMN IF NOT EXISTS key text;
ALTER TABLE planned ALTER COLUMN partition TYPE bigint;
ALTER TABLE planned ALTER COLUMN partition TYPE integer USING partition + 1;
ALTER TABLE planned ALTER COLUMN nope DROP NOT NULL;
ALTER TABLE planned ALTER COLUMN value SET STORAGE EXTERNAL;
SELECT conname FROM pg_constraint WHERE conrelid = 'planned'::regclass AND contype = 'c';
CREATE ROLE regress_tools;
GRANT USAGE ON SCHEMA tools TO regress_tools;
SET ROLE regress_tools;
ALTER TABLE planned ALTER COLUMN key DROP DEFAULT;
RESET ROLE;

-- bytes for text or JSON, from clients that serialise: refused as in an INSERT, not kept as hexadecimal digits
SELECT create_topic('js'), create_topic('jsonbs', value_type => 'jsonb'), create_topic('words', value_type => 'varchar(20)'), create_topic('bytes', 1, 'bytea', 'bytea');
SELECT produce('js', 'customer-17'::bytea, '{"a": 1}');
SELECT produce('js', 'k', '{"a": 1}'::bytea);
\echo :SQLSTATE
SELECT produce('jsonbs', 'k', '{"a": 1}'::bytea);
SELECT produce('words', 'k', 'v'::bytea);
CREATE DOMAIN word AS text;
CREATE DOMAIN octets AS bytea;
SELECT create_topic('domains', 1, 'word', 'octets');
SELECT produce('domains', 'k'::octets, NULL);
SELECT produce('domains', 'k', 'v'::bytea) IS NOT NULL AS produced;
PREPARE as_bytes (bytea, bytea) AS SELECT produce('js', $1, $2);
EXECUTE as_bytes ('k', '{}');
INSERT INTO js (key, value) VALUES ('k', '{"a": 1}'::bytea);
SELECT produce_batch('js', ARRAY['k'::bytea], ARRAY['{}'::bytea]);
SELECT produce('js', 'k', convert_from('{"a": 1}'::bytea, 'UTF8')) IS NOT NULL AS produced;
SELECT produce('bytes', 'k'::bytea, '{"a": 1}'::bytea) IS NOT NULL AS produced;
SELECT key, value FROM js;
SELECT key, value FROM bytes;

SET client_min_messages = warning;
DROP SCHEMA tools CASCADE;
DROP ROLE regress_tools;
