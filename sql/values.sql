-- What is produced in any way comes back as it was by any way of reading: nulls, empty values, limits, headers,
-- all of Unicode, typed keys and values.
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS eventlog;
RESET client_min_messages;
CREATE SCHEMA vals;
SET search_path = vals, public;
\set SHOW_CONTEXT never

-- an error as a client sees it
CREATE FUNCTION try(command text, OUT code text, OUT detail text) LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE command;
    code := 'ok';
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS code = RETURNED_SQLSTATE, detail = PG_EXCEPTION_DETAIL;
END $$;

-- a command for each way of producing one event of text form (but COPY, which psql does below)
CREATE FUNCTION ways(topic text, key text, value text) RETURNS TABLE (way text, command text) LANGUAGE sql AS $$
    VALUES ('produce', format('SELECT produce(%L, %L, %L)', topic, key, value)),
           ('produce_batch arrays', format('SELECT produce_batch(%L, ARRAY[%L], ARRAY[%L])', topic, key, value)),
           ('produce_batch jsonb', format('SELECT produce_batch(%L, %L::jsonb)', topic,
                                          jsonb_build_array(jsonb_build_object('key', key, 'value', value)))),
           ('INSERT', format('INSERT INTO %s (key, value) VALUES (%L, %L)', topic, key, value)),
           ('INSERT RETURNING', format('INSERT INTO %s (key, value) VALUES (%L, %L) RETURNING event_offset', topic, key, value))
$$;

--
-- Keys: the empty one has a hash (murmur2: 0x106e08d9 = 275646681), a null one has none
--
SELECT create_topic('hundred', 100, 'text', 'text'), create_topic('hundred_bytes', 100, 'bytea', 'bytea');
SELECT produce('hundred', '', 'produce'), produce('hundred', ''::varchar, 'typed'), produce('hundred_bytes', ''::bytea, 'bytes'::bytea);
SELECT produce_batch('hundred', '[{"key": "", "value": "jsonb"}]'), produce_batch('hundred', '{""}', '{arrays}');
INSERT INTO hundred (key, value) VALUES ('', 'INSERT');
\copy hundred (key, value) FROM STDIN (FORMAT csv)
"","COPY"
\.
SELECT partition, event_offset, key, value FROM hundred ORDER BY partition, event_offset;
SELECT partition, event_offset, key, value FROM hundred_bytes;
SELECT 275646681 % 100 AS expected_partition;

-- round robin: as many events as partitions are one in each
SELECT create_topic('eight', 8, 'text', 'text');
SELECT count(DISTINCT partition) FROM (SELECT produce('eight', NULL, 'produce') AS partition FROM generate_series(1, 8)) x;
SELECT produce_batch('eight', jsonb_agg('{"key": null, "value": "jsonb"}'::jsonb)) FROM generate_series(1, 8);
SELECT produce_batch('eight', jsonb_agg('{"value": "jsonb, no key"}'::jsonb)) FROM generate_series(1, 8);
SELECT produce_batch('eight', array_agg(NULL::text), array_agg('arrays'::text)) FROM generate_series(1, 8);
SELECT produce_batch('eight', NULL, array_agg('arrays, no keys'::text)) FROM generate_series(1, 8);
INSERT INTO eight (key, value) SELECT NULL, 'INSERT' FROM generate_series(1, 8);
INSERT INTO eight (value) SELECT 'INSERT, no key' FROM generate_series(1, 8);
\copy eight (value) FROM STDIN
COPY
COPY
COPY
COPY
COPY
COPY
COPY
COPY
\.
SELECT value, count(*) AS events, count(DISTINCT partition) AS partitions, count(key) AS keys FROM eight GROUP BY value ORDER BY value COLLATE "C";
SELECT count(*), count(key) FROM consume('values', 'eight', commit => true);
-- a partition that is named is taken
SELECT produce('eight', NULL, 'named', partition => 5), produce('eight', 'key', 'named', partition => 6);
SELECT partition, key FROM eight WHERE value = 'named' ORDER BY partition;

--
-- A null value is SQL NULL, whatever the type and the way of reading; JSON's null is not
--
CREATE TABLE seen (type regtype, way text, events bigint, null_values bigint);
CREATE PROCEDURE nulls(type regtype) LANGUAGE plpgsql AS $$
DECLARE c text;
BEGIN
    PERFORM create_topic('nulls', 1, 'text', type);
    FOR c IN SELECT command FROM ways('nulls', 'k', NULL) LOOP
        EXECUTE c;
    END LOOP;
    COMMIT;
    INSERT INTO seen SELECT type, 'SELECT', count(*), count(*) FILTER (WHERE value IS NULL) FROM nulls;
    INSERT INTO seen SELECT type, 'read_topic', count(*), count(*) FILTER (WHERE value IS NULL) FROM read_topic('nulls');
    INSERT INTO seen SELECT type, 'consume', count(*), count(*) FILTER (WHERE value IS NULL) FROM consume('n', 'nulls');
    INSERT INTO seen SELECT type, 'consume_bytes', count(*), count(*) FILTER (WHERE value IS NULL) FROM consume_bytes('nb', 'nulls');
    -- a plan that PL/pgSQL keeps would know the row type of the last round's table
    EXECUTE 'INSERT INTO seen SELECT $1, ''consume_as'', count(*), count(*) FILTER (WHERE value IS NULL) FROM consume_as(NULL::nulls, ''na'')' USING type;
    INSERT INTO seen SELECT type, 'claim', count(*), count(*) FILTER (WHERE value IS NULL) FROM claim('nc', 'nulls');
    PERFORM drop_topic('nulls');
    COMMIT;
END $$;
CALL nulls('text');
CALL nulls('json');
CALL nulls('jsonb');
CALL nulls('bytea');
CALL nulls('bigint');
CALL nulls('uuid');
SELECT type, string_agg(format('%s %s of %s', way, null_values, events), ', ' ORDER BY ctid) AS nulls FROM seen GROUP BY type ORDER BY type::text;
SELECT create_topic('json_nulls', 1, 'text', 'json'), create_topic('jsonb_nulls', 1, 'text', 'jsonb');
SELECT produce('json_nulls', 'k', 'null'), produce('jsonb_nulls', 'k', 'null'), produce('jsonb_nulls', 'k', 'null'::jsonb);
SELECT produce_batch('json_nulls', '{k}', '{"null"}'), produce_batch('jsonb_nulls', '{k}', '{"null"}');
INSERT INTO json_nulls (key, value) VALUES ('k', 'null');
SELECT value, value IS NULL AS is_null, json_typeof(value) FROM json_nulls;
SELECT value, value IS NULL AS is_null, jsonb_typeof(value) FROM jsonb_nulls;
SELECT value, value IS NULL AS is_null FROM consume('values', 'json_nulls', commit => true);
-- text "null" is text
SELECT create_topic('text_nulls', 1, 'text', 'text');
SELECT produce('text_nulls', 'null', 'null');
SELECT key, value FROM consume('values', 'text_nulls', commit => true);

--
-- An empty value is a value where the type has one
--
SELECT create_topic('e_text', 1, 'text', 'text'), create_topic('e_bytea', 1, 'bytea', 'bytea'), create_topic('e_json'), create_topic('e_jsonb', value_type => 'jsonb'),
       create_topic('e_bigint', value_type => 'bigint'), create_topic('e_uuid', value_type => 'uuid');
SELECT topic, way, code FROM unnest('{e_text,e_bytea,e_json,e_jsonb,e_bigint,e_uuid}'::text[]) WITH ORDINALITY t(topic, i), ways(topic, '', ''), try(command)
WHERE NOT (topic = 'e_json' OR topic = 'e_jsonb') OR way <> 'produce_batch jsonb' ORDER BY i, way;
-- there it is JSON's empty string, which is JSON
SELECT produce_batch('e_json', '[{"key": "", "value": ""}]'), produce_batch('e_jsonb', '[{"key": "", "value": ""}]');
\set VERBOSITY sqlstate
\copy e_json (key, value) FROM STDIN (FORMAT csv)
"",""
\.
\set VERBOSITY default
SELECT key, value FROM e_json;
SELECT count(*) AS events, count(*) FILTER (WHERE key = '' AND value = '') AS empty FROM e_text;
SELECT count(*) AS events, count(*) FILTER (WHERE key = '' AND value = '') AS empty FROM e_bytea;
SELECT count(*) AS events, count(*) FILTER (WHERE key = '' AND value::text = '""') AS empty FROM consume('values', 'e_text', commit => true);
SELECT count(*) AS events, count(*) FILTER (WHERE key = '' AND value = '') AS empty FROM consume_bytes('values', 'e_bytea', commit => true);

--
-- What is no JSON is refused in every way; type json itself takes any escape
--
SELECT way, code FROM ways('e_json', 'k', '{"a": 1'), try(command) WHERE way <> 'produce_batch jsonb';
SELECT way, code FROM ways('e_jsonb', 'k', '{"a": 1'), try(command) WHERE way <> 'produce_batch jsonb';
SELECT text, (SELECT code FROM try(format('SELECT produce(''e_json'', ''k'', %L)', text)))
FROM unnest(ARRAY['', ' ', '{', 'x', '''a''', '{"a":1}}', '[1,]', '"\u12"', '"\ud800"', E'"\n"', 'NaN', '01', '{"a":1,"a":2}', ' [ ] ', '1e400', '"\u00e9"']) text;
\set VERBOSITY sqlstate
\copy e_json (key, value) FROM STDIN
k	{"a": 1
\.
\copy e_jsonb (key, value) FROM STDIN
k	{"a": 1
\.
\set VERBOSITY default
-- a refused event leaves nothing behind, and json keeps its text
SELECT value FROM e_json WHERE key = 'k';

--
-- max_event_bytes: key, value and headers; the limit is allowed, one byte more is not
--
SELECT create_topic('limit_default', 1, 'text', 'text'), create_topic('limit_small', 1, 'text', 'text', '{"max_event_bytes": 1000}');
SELECT way, code, detail FROM ways('limit_small', repeat('k', 100), repeat('v', 900)), try(command);
SELECT way, code, detail FROM ways('limit_small', repeat('k', 100), repeat('v', 901)), try(command);
-- bytes, not letters
SELECT way, code FROM ways('limit_small', repeat('é', 50), repeat('€', 300)), try(command);
SELECT way, code FROM ways('limit_small', repeat('é', 50), repeat('€', 300) || '!'), try(command);
-- a null has none
SELECT code FROM try($$SELECT produce('limit_small', NULL, repeat('v', 1000))$$);
SELECT code FROM try($$SELECT produce('limit_small', NULL, repeat('v', 1001))$$);
SELECT code FROM try($$SELECT produce('limit_small', repeat('k', 1000), NULL)$$);
-- the default, 1 MB
SELECT way, code, detail FROM ways('limit_default', 'key', repeat('v', 1024 * 1024 - 3)), try(command);
SELECT way, code, detail FROM ways('limit_default', 'key', repeat('v', 1024 * 1024 - 2)), try(command);
SELECT length(value), count(*) FROM limit_default GROUP BY 1;
-- raised
SELECT alter_topic('limit_small', '{"max_event_bytes": 1001}');
SELECT way, code FROM ways('limit_small', repeat('k', 100), repeat('v', 901)), try(command);
SELECT way, code, detail FROM ways('limit_small', repeat('k', 100), repeat('v', 902)), try(command);
SELECT length(key) AS key, length(value) AS value, count(*) FROM limit_small GROUP BY 1, 2 ORDER BY 1, 2;

-- 20 MB, of use to a codec or not, in a segment smaller than that
SELECT create_topic('large', 1, 'text', 'text', '{"max_event_bytes": 33554432, "segment_bytes": 1048576}'),
       create_topic('large_bytes', 1, 'bytea', 'bytea', '{"max_event_bytes": 33554432, "compression": "zstd"}');
CREATE TABLE twenty AS
    SELECT 'same' AS key, repeat('0123456789abcdef', 20 * 65536) AS value
    UNION ALL
    SELECT 'noise', string_agg(translate(encode(sha512(i::text::bytea), 'base64'), e'=\n', ''), '') FROM generate_series(1, 244000) i;
ALTER TABLE twenty ADD bytes bytea;
UPDATE twenty SET bytes = decode(left(value, 4 * (length(value) / 4)), 'base64');
SELECT key, length(value) >= 20 * 1024 * 1024 AS long FROM twenty;
SELECT produce('large', key, value) FROM twenty;
INSERT INTO large (key, value) SELECT key, value FROM twenty;
SELECT produce_batch('large', array_agg(key), array_agg(value)) FROM twenty;
SELECT produce('large_bytes', key::bytea, bytes) FROM twenty;
SELECT key, count(*), bool_and(e.value = t.value) AS equal FROM large e JOIN twenty t USING (key) GROUP BY key ORDER BY key;
SELECT key, count(*), bool_and(e.value #>> '{}' = t.value) AS equal FROM read_topic('large') e JOIN twenty t USING (key) GROUP BY key ORDER BY key;
SELECT count(*) AS first_call FROM consume('values', 'large', commit => true);
SELECT key, count(*), bool_and(e.value #>> '{}' = t.value) AS equal FROM consume('large', 'large', max_bytes => 1000000000) e JOIN twenty t USING (key) GROUP BY key ORDER BY key;
SELECT key, count(*), bool_and(e.value = t.value) AS equal FROM consume_as(NULL::large, 'typed', max_bytes => 1000000000) e JOIN twenty t USING (key) GROUP BY key ORDER BY key;
SELECT convert_from(e.key, 'UTF8') AS key, e.value = t.bytes AS equal
FROM consume_bytes('values', 'large_bytes', commit => true) e JOIN twenty t ON t.key = convert_from(e.key, 'UTF8') ORDER BY 1;
SELECT count(*) AS problems FROM check_topic('large');

--
-- Headers, by every way of producing and of reading
--
-- reads: as they come back, where that is not as they were given
CREATE TABLE header_samples (id int, headers jsonb, reads jsonb);
INSERT INTO header_samples VALUES
    (1, '{}', NULL), (2, '[]', '{}'), (3, NULL, '{}'),
    (4, '{"trace": "abc", "empty": "", "null": null}', NULL),
    (5, '[["a", "1"], ["b", "2"], ["a", "3"], ["a", null], ["a", ""], ["a", "1"]]', NULL),
    (6, '{"bytes": {"base64": "AAECgP/+"}, "zero": {"base64": "AA=="}, "text": "x"}', NULL),
    (7, '[["bytes", {"base64": "/w=="}], ["bytes", {"base64": "AAAA"}], ["bytes", "text"]]', NULL),
    (8, '{"": "no name", "é": "Zoë", "名前": "😀", "quote\"": "back\\slash\n", "base64": "AA=="}', NULL),
    (9, '{"bytes that are text": {"base64": "WmVv"}, "no bytes": {"base64": ""}}', '{"bytes that are text": "Zeo", "no bytes": ""}'),
    (10, '[["b", "1"], ["a", "2"]]', '{"a": "2", "b": "1"}');
INSERT INTO header_samples SELECT 11, jsonb_object_agg('name ' || i, repeat('v', i % 50)) FROM generate_series(1, 1000) i;
INSERT INTO header_samples SELECT 12, jsonb_agg(jsonb_build_array('name ' || i % 10, CASE i % 3 WHEN 0 THEN to_jsonb('value ' || i)
                                                                                     WHEN 1 THEN 'null' ELSE '{"base64": "gICA"}' END)) FROM generate_series(1, 1000) i;
INSERT INTO header_samples SELECT 13, jsonb_build_object(repeat('n', 3000), repeat('v', 100000));
SELECT create_topic('headed', 1, 'int', 'text');
SELECT count(produce('headed', id, 'produce'::text, headers)) FROM header_samples;
SELECT produce_batch('headed', jsonb_agg(jsonb_build_object('key', id, 'value', 'produce_batch', 'headers', headers) ORDER BY id)) FROM header_samples;
INSERT INTO headed (key, value, headers) SELECT id, 'INSERT', headers FROM header_samples;
\copy headed (key, value, headers) FROM STDIN (FORMAT csv, QUOTE '^')
4,COPY,^{"trace": "abc", "empty": "", "null": null}^
5,COPY,^[["a", "1"], ["b", "2"], ["a", "3"], ["a", null], ["a", ""], ["a", "1"]]^
6,COPY,^{"bytes": {"base64": "AAECgP/+"}, "zero": {"base64": "AA=="}, "text": "x"}^
\.
CREATE VIEW wanted AS SELECT id, coalesce(reads, headers, '{}') AS headers FROM header_samples;
SELECT value AS produced_by, count(*), count(*) FILTER (WHERE e.headers = w.headers) AS equal FROM headed e JOIN wanted w ON id = key GROUP BY value ORDER BY value COLLATE "C";
SELECT count(*), count(*) FILTER (WHERE e.headers = w.headers) AS equal FROM read_topic('headed') e JOIN wanted w ON id = key::int;
SELECT count(*), count(*) FILTER (WHERE e.headers = w.headers) AS equal FROM consume('h1', 'headed', commit => true) e JOIN wanted w ON id = key::int;
SELECT count(*), count(*) FILTER (WHERE e.headers = w.headers) AS equal FROM consume_as(NULL::headed, 'h2', commit => true) e JOIN wanted w ON id = key;
SELECT count(*), count(*) FILTER (WHERE e.headers = w.headers) AS equal FROM consume_bytes('h3', 'headed', commit => true) e JOIN wanted w ON int4send(id) = key;
SELECT count(*), count(*) FILTER (WHERE e.headers = w.headers) AS equal FROM claim('h4', 'headed') e JOIN wanted w ON id = key::int;
SELECT key, headers FROM headed WHERE key <= 10 AND value = 'INSERT' ORDER BY key;
SELECT key, jsonb_typeof(headers), (SELECT count(*) FROM jsonb_path_query(headers, '$.keyvalue()')) AS names FROM headed WHERE key IN (1, 11) AND value = 'INSERT' ORDER BY key;
SELECT key, jsonb_typeof(headers), jsonb_array_length(headers) AS names FROM headed WHERE key = 12 AND value = 'INSERT';
-- an event of headers alone; they count as bytes
SELECT produce('headed', NULL::int, NULL::text, '{"only": "headers"}');
SELECT key, value, headers FROM consume('h1', 'headed', commit => true);
SELECT code, detail FROM try($$SELECT produce('limit_small', 'k', 'v', jsonb_build_object('h', repeat('x', 1001)))$$);

--
-- All of Unicode but surrogates and NUL: in keys, values, JSON strings, header names and values
--
CREATE TABLE planes AS
    SELECT i, string_agg(chr(c), '' ORDER BY c) AS chunk
    FROM generate_series(0, 1087) i, LATERAL (SELECT generate_series(greatest(i * 1024, 1), i * 1024 + 1023) AS c) x
    WHERE c NOT BETWEEN 55296 AND 57343 GROUP BY i;
SELECT sum(length(chunk)) AS letters, count(*) AS chunks FROM planes;
SELECT create_topic('u_text', 1, 'text', 'text'), create_topic('u_json'), create_topic('u_jsonb', value_type => 'jsonb', key_type => 'varchar');
SELECT count(produce('u_text', chunk, chunk, jsonb_build_object(chunk, chunk))), count(produce('u_json', chunk, to_json(chunk))),
       count(produce('u_jsonb', chunk, jsonb_build_object(chunk, chunk))) FROM planes;
INSERT INTO u_text (key, value, headers) SELECT chunk, chunk, jsonb_build_array(jsonb_build_array(chunk, chunk), jsonb_build_array(chunk, chunk)) FROM planes;
SELECT count(*) FILTER (WHERE e.value = p.chunk) AS same, count(*) FILTER (WHERE e.headers IN
           (jsonb_build_object(chunk, chunk), jsonb_build_array(jsonb_build_array(chunk, chunk), jsonb_build_array(chunk, chunk)))) AS same_headers
FROM u_text e JOIN planes p ON e.key = p.chunk;
SELECT count(*) FILTER (WHERE e.value #>> '{}' = p.chunk) AS same FROM consume('values', 'u_text', 100000, commit => true) e JOIN planes p ON e.key = p.chunk;
SELECT count(*) FILTER (WHERE e.value = convert_to(p.chunk, 'UTF8')) AS same FROM consume_bytes('u1', 'u_text', 100000, commit => true) e JOIN planes p ON e.key = convert_to(p.chunk, 'UTF8');
SELECT count(*) FILTER (WHERE e.value = p.chunk) AS same FROM consume_as(NULL::u_text, 'u2', 100000, commit => true) e JOIN planes p ON e.key = p.chunk;
SELECT count(*) FILTER (WHERE e.value #>> '{}' = p.chunk) AS same FROM consume('values', 'u_json', 100000, commit => true) e JOIN planes p ON e.key = p.chunk;
SELECT count(*) FILTER (WHERE e.value::jsonb = jsonb_build_object(chunk, chunk)) AS same FROM consume('values', 'u_jsonb', 100000, commit => true) e JOIN planes p ON e.key = p.chunk;
SELECT count(*) FILTER (WHERE e.value = jsonb_build_object(chunk, chunk)) AS same FROM u_jsonb e JOIN planes p ON e.key = p.chunk;

--
-- Typed keys and values: each literal produced in each way, and compared after each way of reading
--
CREATE TYPE mood AS ENUM ('sad', 'so "so"', 'happy, very', 'größe');
CREATE TYPE address AS (street text, zip int, tags text[]);
CREATE TYPE person AS (name text, home address, since timestamptz, mood mood);
CREATE DOMAIN percent AS numeric CHECK (value BETWEEN 0 AND 100);
CREATE DOMAIN happy AS mood CHECK (value <> 'sad');
CREATE DOMAIN homed AS person CHECK ((value).home IS NOT NULL);
CREATE DOMAIN short_list AS int[] CHECK (cardinality(value) < 4);
CREATE TABLE samples (id int GENERATED ALWAYS AS IDENTITY, type regtype, literal text);
INSERT INTO samples (type, literal)
    SELECT 'uuid'::regtype, unnest(ARRAY['00000000-0000-0000-0000-000000000000', 'A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11', 'ffffffff-ffff-ffff-ffff-ffffffffffff']) UNION ALL
    SELECT 'smallint', unnest('{-32768,-1,0,32767}'::text[]) UNION ALL
    SELECT 'int', unnest('{-2147483648,-1,0,2147483647}'::text[]) UNION ALL
    SELECT 'bigint', unnest('{-9223372036854775808,-1,0,9007199254740993,9223372036854775807}'::text[]) UNION ALL
    SELECT 'numeric', unnest('{0,0.000,-1.50,NaN,Infinity,1e-300,123456789012345678901234567890.12345678901234567890}'::text[]) UNION ALL
    SELECT 'real', unnest('{0,-0,1.1,NaN,-Infinity,3.4028235e38,1e-45}'::text[]) UNION ALL
    SELECT 'float8', unnest('{0,-0,0.1,NaN,Infinity,1.7976931348623157e308,5e-324}'::text[]) UNION ALL
    SELECT 'timestamptz', unnest(ARRAY['2024-02-29 12:34:56.789012+02', '2000-01-01 00:00:00Z', '1969-12-31 23:59:59.999999Z', 'infinity', '-infinity', '0044-03-15 12:00:00+00 BC', '294276-12-31 23:59:59.999999+00']) UNION ALL
    SELECT 'timestamp', unnest(ARRAY['2024-10-27 02:30:00', '4713-01-01 00:00:00 BC']) UNION ALL
    SELECT 'date', unnest(ARRAY['2024-02-29', '0001-01-01', 'infinity']) UNION ALL
    SELECT 'interval', unnest(ARRAY['1 year -2 days 03:04:05.678', '-1 mon', '0']) UNION ALL
    SELECT 'boolean', unnest('{t,f}'::text[]) UNION ALL
    SELECT 'bytea', unnest(ARRAY['\x', '\x00', '\x00ff7f80', (SELECT '\x' || string_agg(lpad(to_hex(i), 2, '0'), '' ORDER BY i) FROM generate_series(0, 255) i)]) UNION ALL
    SELECT 'jsonb', unnest(ARRAY['{"b": [1, 2.50, {"c": null}], "a": "é\n\"", "": {}}', '[]', '"s"', '1.10', 'null', 'true', '12345678901234567890.000']) UNION ALL
    SELECT 'json', unnest(ARRAY['{"b" : 1,"a":[ ],"b":2}', ' 1.10 ', '"\u00e9"', 'null']) UNION ALL
    SELECT 'text', unnest(ARRAY['', ' ', 'null', '\N', '\.', '"', '{}', 'a,b', e'\ttab\r\n', 'é€😀']) UNION ALL
    SELECT 'bpchar', unnest(ARRAY['abc', '']) UNION ALL
    SELECT 'mood', unnest(ARRAY['sad', 'so "so"', 'happy, very', 'größe']) UNION ALL
    SELECT 'address', unnest(ARRAY['("Main St. ""1"", a",12345,"{x,NULL,""y z"",""""}")', '(,,)', '("",0,{})']) UNION ALL
    SELECT 'person', unnest(ARRAY[ROW('O''Brien', ROW('High, "St" \', 1, '{}')::address, '2024-02-29 12:34:56.789012+00', 'so "so"')::person::text, '(,,,)']) UNION ALL
    SELECT 'percent', unnest('{0,99.90,100}'::text[]) UNION ALL
    SELECT 'happy', unnest(ARRAY['so "so"', 'größe']) UNION ALL
    SELECT 'homed', '(a,"(s,1,{})",,sad)' UNION ALL
    SELECT 'short_list', unnest(ARRAY['{}', '{1,NULL,3}', '[0:1]={1,2}']) UNION ALL
    SELECT 'mood[]', '{sad,NULL,"so \"so\""}' UNION ALL
    SELECT 'address[]', '{"(a,1,{})",NULL}' UNION ALL
    SELECT 'inet', unnest('{10.1.2.3/8,::1}'::text[]) UNION ALL
    SELECT 'int8range', unnest(ARRAY['[1,10)', 'empty', '(,)']) UNION ALL
    SELECT 'bit varying', unnest(ARRAY['', '10110']) UNION ALL
    SELECT 'tsvector', $$'a':1A 'b c':2$$ UNION ALL
    SELECT 'pg_lsn', '16/B374D848' UNION ALL
    SELECT 'regrole', quote_ident(current_user);

CREATE FUNCTION is_row(type regtype) RETURNS boolean LANGUAGE sql AS $$ SELECT type::text IN ('address', 'person', 'homed', 'address[]') $$;
-- a row is JSON without its NULLs, a time in it as in UTC
CREATE FUNCTION in_json(j json, type regtype) RETURNS text LANGUAGE sql AS $$
    SELECT CASE WHEN is_row(type) THEN replace(json_strip_nulls(j)::text, '2024-02-29T04:34:56.789012-08:00', '2024-02-29 12:34:56.789012+00') ELSE j::text END
$$;

CREATE TABLE round_trips (id int, way text, events bigint, wrong bigint);
CREATE PROCEDURE round_trips() LANGUAGE plpgsql AS $$
DECLARE s record; c text; wanted bytea; typed text;
BEGIN
    FOR s IN SELECT * FROM samples ORDER BY id LOOP
        -- "character" would be character(1)
        typed := format('%L::%s', s.literal, CASE WHEN s.type = 'bpchar'::regtype THEN 'bpchar' ELSE s.type::text END);
        PERFORM create_topic('v', 1, s.type, s.type);
        -- the typed value, and every other way from its text
        EXECUTE format('SELECT produce(''v'', %1$s, %1$s)', typed);
        FOR c IN SELECT command FROM ways('v', s.literal, s.literal)
                 WHERE s.type::text NOT LIKE 'json%' OR way <> 'produce_batch jsonb' LOOP
            EXECUTE c;
        END LOOP;
        COMMIT;

        -- text form and to_json tell apart more than "=" does: 1.0 and 1.00, 0 and -0
        EXECUTE format('INSERT INTO round_trips SELECT $1, ''SELECT'', count(*), count(*) FILTER (WHERE (format(''%%s'', key) = t AND format(''%%s'', value) = t) IS NOT TRUE)
                        FROM v, format(''%%s'', %s) t', typed) USING s.id;
        EXECUTE format('INSERT INTO round_trips SELECT $1, ''consume_as'', count(*), count(*) FILTER (WHERE (format(''%%s'', key) = t AND format(''%%s'', value) = t) IS NOT TRUE)
                        FROM consume_as(NULL::v, ''va''), format(''%%s'', %s) t', typed) USING s.id;
        EXECUTE format('INSERT INTO round_trips SELECT $1, way, count(*), count(*) FILTER (WHERE (key = t AND value::text = in_json(j, $2)) IS NOT TRUE)
                        FROM (SELECT ''consume'' AS way, * FROM consume(''vc'', ''v'') UNION ALL SELECT ''claim'', * FROM claim(''vl'', ''v'')
                              UNION ALL SELECT ''read_topic'', * FROM read_topic(''v'')) e, format(''%%s'', %1$s) t, to_json(%1$s) j GROUP BY way', typed) USING s.id, s.type;
        -- the bytes that Kafka's serialisers would write; rows are JSON, other types text
        IF s.type::text NOT LIKE '%time%' AND s.type NOT IN ('date'::regtype, 'interval'::regtype) THEN
            EXECUTE format(CASE s.type::text WHEN 'smallint' THEN 'SELECT int2send(%s)' WHEN 'integer' THEN 'SELECT int4send(%s)'
                                WHEN 'bigint' THEN 'SELECT int8send(%s)' WHEN 'real' THEN 'SELECT float4send(%s)'
                                WHEN 'double precision' THEN 'SELECT float8send(%s)' WHEN 'bytea' THEN 'SELECT %s'
                                ELSE CASE WHEN is_row(s.type) THEN 'SELECT convert_to(in_json(to_json(%s), $1), ''UTF8'')'
                                          ELSE 'SELECT convert_to(format(''%%s'', %s), ''UTF8'')' END END, typed) INTO wanted USING s.type;
            INSERT INTO round_trips SELECT s.id, 'consume_bytes', count(*), count(*) FILTER (WHERE (key = wanted AND value = wanted) IS NOT TRUE) FROM consume_bytes('vb', 'v');
        END IF;
        PERFORM drop_topic('v');
        COMMIT;
    END LOOP;
END $$;
CALL round_trips();
-- nothing is wrong
SELECT type, literal, way, events, wrong FROM round_trips JOIN samples USING (id) WHERE wrong > 0 OR events <> CASE WHEN type::text LIKE 'json%' THEN 5 ELSE 6 END ORDER BY id, way;
SELECT way, count(DISTINCT type) AS types, count(*) AS literals, sum(events) AS events FROM round_trips JOIN samples USING (id) GROUP BY way ORDER BY way COLLATE "C";

-- equal keys, equal partition, whatever way they came
SELECT create_topic('keyed', 50, 'bigint', 'text');
SELECT produce('keyed', 4711, 'produce'::text), produce('keyed', '4711', 'text'), produce('keyed', 4711::smallint, 'smallint'::text);
SELECT produce_batch('keyed', '[{"key": 4711, "value": "jsonb number"}, {"key": "4711", "value": "jsonb string"}]'), produce_batch('keyed', '{4711}', '{arrays}');
INSERT INTO keyed (key, value) VALUES (4711, 'INSERT');
\copy keyed (key, value) FROM STDIN
4711	COPY
\.
SELECT count(*), count(DISTINCT partition) AS partitions FROM keyed WHERE key = 4711;

SET client_min_messages = warning;
DROP SCHEMA vals CASCADE;
