-- produce_batch() takes events as text, json or jsonb.  Values keep their bytes on every way in that has bytes,
-- and an error says which event it is about.
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS eventlog;
RESET client_min_messages;
\set SHOW_CONTEXT never
\pset footer off
SET TIME ZONE 'UTC';
SELECT create_topic('pb_json'), create_topic('pb_text', value_type => 'text'), create_topic('pb_jsonb', value_type => 'jsonb');

--
-- which signature: literals and parameters without a type are text
--
\set doc '[{"key":"k","value":{"z":1.0, "b":2,"b":3,"a":1E2}}]'
SELECT produce('pb_json', 'k', '{"z":1.0, "b":2,"b":3,"a":1E2}');
SELECT produce_batch('pb_json', '[{"key":"k","value":{"z":1.0, "b":2,"b":3,"a":1E2}}]');
PREPARE untyped AS SELECT produce_batch('pb_json', $1);
EXECUTE untyped(:'doc');
SELECT parameter_types FROM pg_prepared_statements WHERE name = 'untyped';
DEALLOCATE untyped;
SELECT produce_batch('pb_json', :'doc'::text);
SELECT produce_batch('pb_json', :'doc'::varchar);
SELECT produce_batch('pb_json', :'doc'::json);
SELECT produce_batch('pb_json'::regclass, events => :'doc');
SELECT produce_batch(topic => 'pb_json', events => :'doc'::json);
SELECT produce_batch('pb_json', json_agg(j)) FROM (SELECT :'doc'::json -> 0 AS j) s;
-- as jsonb has it
SELECT produce_batch('pb_json', :'doc'::jsonb);
SELECT produce_batch('pb_jsonb', :'doc'), produce_batch('pb_jsonb', :'doc'::jsonb);
SELECT event_offset, key, value FROM pb_json ORDER BY 1;
SELECT event_offset, key, value FROM pb_jsonb ORDER BY 1;
-- what depends on the one that was there before still does
BEGIN;
CREATE VIEW pb_view AS SELECT produce_batch('pb_json', '[]'::jsonb) AS n;
SELECT pg_get_viewdef('pb_view');
ROLLBACK;

--
-- values byte for byte
--
TRUNCATE pb_json;
\set strange ' [ {"value" : {"s":"a\\u0000b"} , "key":"k" } , { "key" : "k2", "value": 1e131072 },\n\t{"value":[ ],"key":"k3"},{"value":"a \\"string\\" \\\\","key":"k4"},{"value":true, "key":"k5"},{"value":{"x":["]}",{"y":"[{"}]},"key":"k6"},{"key":"k7","value":null},{"key":"k8"},{} ]\n'
SELECT produce_batch('pb_json', :'strange'), produce_batch('pb_json', :'strange'::json);
SELECT key, value, value IS NULL AS tombstone, count(*) FROM (SELECT key, value::text FROM pb_json) e GROUP BY 1, 2 ORDER BY 1;
-- the last of several members of a name, names with escapes, nothing at all
TRUNCATE pb_json;
SELECT produce_batch('pb_json', '[{"key":"no","k\u0065y":"yes","value":1,"value":2}]'), produce_batch('pb_json', '[]'), produce_batch('pb_json', ' [ ] '::json);
SELECT key, value FROM pb_json;

--
-- other topics: a string's content, the JSON text of what is no string
--
SELECT produce_batch('pb_text', '[{"value":"a \"string\" \u00e4 \ud83d\ude00 \\"},{"value":{"b":1,  "a":2}},{"value":1.50},{"value":true},{"value":""}]');
SELECT event_offset, value FROM pb_text ORDER BY 1;
SELECT create_topic('pb_bytea', 1, 'integer', 'bytea'), create_topic('pb_int', 1, 'bigint', 'integer');
SELECT produce_batch('pb_bytea', '[{"key":1,"value":"\\x00ff"},{"key":"2","value":"abc"},{"key":3,"value":12}]');
SELECT produce_batch('pb_int', '[{"key":9007199254740993,"value":-1},{"key":"8","value":"7"}]');
SELECT key, value FROM pb_bytea ORDER BY event_offset;
SELECT key, value FROM pb_int ORDER BY event_offset;
CREATE DOMAIN pb_positive AS jsonb CHECK (VALUE ->> 'n' > '0');
SELECT create_topic('pb_domain', 1, 'uuid', 'pb_positive');
SELECT produce_batch('pb_domain', '[{"key":"11111111-2222-3333-4444-555555555555","value":{"n":  1}}]');
SELECT key, value FROM pb_domain;
-- rows are JSON by the names of attributes; a string is the row's text form
CREATE TYPE pb_row AS (n integer, name text, at date);
CREATE DOMAIN pb_checked AS pb_row CHECK ((VALUE).n > 0);
SELECT create_topic('pb_rows', 1, 'pb_row', 'pb_checked'), create_topic('pb_arrays', 1, 'text', 'pb_row[]');
SELECT produce_batch('pb_rows', '[{"key":{"name":"\u00e4","n":1},"value":{"n" : 2, "at":"2024-01-31"}},{"key":"(2,b,)","value":"(3,,2024-01-31)"}]');
SELECT produce_batch('pb_arrays', '[{"key":"k","value":[{"n":1},null,{"name":"x"}]},{"key":"k","value":"{\"(4,,)\"}"}]'::jsonb);
SELECT key, value, convert_from(key_bytes, 'UTF8') AS key_bytes, convert_from(value_bytes, 'UTF8') AS value_bytes
FROM pb_rows JOIN (SELECT event_offset, key AS key_bytes, value AS value_bytes FROM consume_bytes('pb_group', 'pb_rows')) b USING (event_offset) ORDER BY event_offset;
SELECT value FROM pb_arrays ORDER BY event_offset;
-- a member that the row has not is left out, as by json_populate_record()
SELECT produce_batch('pb_arrays', '[{"value":[{"n":5,"other":1}]}]');
SELECT value FROM pb_arrays ORDER BY event_offset DESC LIMIT 1;
SELECT leave_group('pb_group');
-- the other members
SELECT produce_batch('pb_text', '[{"value":"all","headers":{"h":"1", "g":null},"partition":0,"event_time":"2024-01-31T12:00:00Z"},{"value":"none","headers":null,"partition":null,"event_time":null}]');
SELECT value, headers, event_time = '2024-01-31 12:00:00+00' AS given FROM pb_text WHERE event_offset >= 5 ORDER BY event_offset;

--
-- errors: SQLSTATE as produce() gives it, and which event
--
CREATE FUNCTION pb_error(call text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
  state text; message text; detail text; hint text;
BEGIN
  EXECUTE call;
  RETURN 'no error';
EXCEPTION WHEN OTHERS THEN
  GET STACKED DIAGNOSTICS state = RETURNED_SQLSTATE, message = MESSAGE_TEXT, detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT;
  RETURN concat_ws(E'\n', state || ': ' || message, nullif(detail, ''), 'hint: ' || nullif(hint, ''));
END $$;
\pset format unaligned
\pset tuples_only on
-- no JSON, no array
SELECT pb_error($$SELECT produce_batch('pb_json', '[{"key":"k"},')$$);
SELECT pb_error($$SELECT produce_batch('pb_json', '')$$);
SELECT pb_error($$SELECT produce_batch('pb_json', '[{"key":"k","value":{a:1}}]')$$);
SELECT pb_error($$SELECT produce_batch('pb_json', '[{"key":"k"}] x')$$);
SELECT pb_error($$SELECT produce_batch('pb_json', '{"key":"k"}')$$);
SELECT pb_error($$SELECT produce_batch('pb_json', ' "[" '::json)$$);
SELECT pb_error($$SELECT produce_batch('pb_json', '1'::jsonb)$$);
SELECT pb_error($$SELECT produce_batch('pb_json', NULL::text)$$);
-- an event
SELECT pb_error($$SELECT produce_batch('pb_json', '[{"key":"k"},[]]')$$);
SELECT pb_error($$SELECT produce_batch('pb_json', '[{"val":1,"key":"k"}]')$$);
SELECT pb_error($$SELECT produce_batch('pb_json', '[{"partition":1.5,"key":12}]')$$);
SELECT pb_error($$SELECT produce_batch('pb_json', '[{"partition":"0"}]'::jsonb)$$);
SELECT pb_error($$SELECT produce_batch('pb_json', '[{"partition":7}]')$$);
SELECT pb_error($$SELECT produce_batch('pb_json', '[{"event_time":5}]')$$);
SELECT pb_error($$SELECT produce_batch('pb_json', '[{"event_time":"soon"}]')$$);
SELECT pb_error($$SELECT produce_batch('pb_json', '[{"headers":5}]')$$);
SELECT pb_error($$SELECT produce_batch('pb_text', '[{"key":"a"},{"key":"b"},{"key":"c","value":"a\u0000b"}]')$$);
SELECT pb_error($$SELECT produce('pb_int', '1', 'x')$$);
SELECT pb_error($$SELECT produce_batch('pb_int', '[{"key":1,"value":1},{"key":2,"value":"x"}]')$$);
SELECT pb_error($$SELECT produce_batch('pb_int', '{1,2}', '{1,x}')$$);
SELECT pb_error($$SELECT produce_batch('pb_int', NULL, '{1,x}')$$);
SELECT pb_error($$SELECT produce_batch('pb_int', '{NULL}', '{x}')$$);
SELECT pb_error($$SELECT produce_batch('pb_jsonb', '[{"key":"k","value":1e131072}]')$$);
SELECT pb_error($$SELECT produce_batch('pb_domain', '[{"key":"11111111-2222-3333-4444-555555555555","value":{"n": 0}}]')$$);
SELECT pb_error($$SELECT produce_batch('pb_rows', '[{"key":{"n":1},"value":{"n":0}}]')$$);
SELECT pb_error($$SELECT produce_batch('pb_rows', '[{"key":{"n":1},"value":{"n":"x"}}]')$$);
SELECT pb_error($$SELECT produce_batch('pb_rows', '[{"key":{"n":1},"value":5}]')$$);
-- a long key is cut between characters
SELECT pb_error($$SELECT produce_batch('pb_int', ARRAY[repeat('ä', 100)], '{1}')$$);
-- a DETAIL that is there stays
ALTER TABLE pb_text ADD CONSTRAINT short CHECK (length(value) < 20);
SELECT pb_error($$SELECT produce_batch('pb_text', '[{"key":"a","partition":0,"event_time":"2024-01-31T12:00:00Z","value":"12345678901234567890"}]')$$);
\pset tuples_only off
\pset format aligned

-- nothing of a batch that fails is produced, and what was buffered before stays
TRUNCATE pb_json;
BEGIN;
SELECT produce('pb_json', 'before', '1');
SAVEPOINT s;
SELECT produce_batch('pb_json', '[{"key":"in it","value":1},{"key":"in it","val":1}]');
ROLLBACK TO s;
SELECT produce('pb_json', 'after', '1');
COMMIT;
SELECT event_offset, key FROM pb_json ORDER BY 1;

-- larger than a page, a sealed batch and a toasted argument
TRUNCATE pb_json;
CREATE TABLE pb_docs AS SELECT '[' || string_agg(format('{"key":"k%s","value":{"n":%s , "fill":"%s"}}', i, i, repeat(md5(i::text), 30)), ' , ' ORDER BY i) || ']' AS doc FROM generate_series(0, 999) i;
SELECT produce_batch('pb_json', doc), produce_batch('pb_json', doc::json) FROM pb_docs;
SELECT count(*), count(DISTINCT key), bool_and(value::text = format('{"n":%s , "fill":"%s"}', substr(key, 2), repeat(md5(substr(key, 2)), 30))) AS same FROM pb_json;

DROP FUNCTION pb_error;
DROP TABLE pb_docs;
SELECT drop_topic('pb_json'), drop_topic('pb_text'), drop_topic('pb_jsonb'), drop_topic('pb_bytea'), drop_topic('pb_int'), drop_topic('pb_domain'), drop_topic('pb_rows'), drop_topic('pb_arrays');
DROP DOMAIN pb_positive, pb_checked;
DROP TYPE pb_row;
