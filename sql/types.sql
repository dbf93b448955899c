-- Keys and values of every kind: through the log and back, equal.
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS eventlog;
RESET client_min_messages;
CREATE SCHEMA types;
SET search_path = types, public;
SET TimeZone = 'UTC';

CREATE FUNCTION try(stmt text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    message text;
    detail text;
BEGIN
    EXECUTE stmt;
    RETURN 'ok';
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS message = MESSAGE_TEXT, detail = PG_EXCEPTION_DETAIL;
    RETURN SQLSTATE || ': ' || message || CASE WHEN detail NOT LIKE 'Failing row%' AND detail <> '' THEN ' / ' || detail ELSE '' END;
END $$;

CREATE TYPE colour AS ENUM ('red', 'green', 'blue');
CREATE TYPE point3 AS (x int, y numeric, label text);
CREATE DOMAIN positive AS int CHECK (value > 0);
CREATE DOMAIN code AS text CHECK (value ~ '^[A-Z]+$');

-- one topic per type; each value produced by produce(), INSERT and COPY
CREATE TABLE samples (id serial, type regtype, literal text);
INSERT INTO samples (type, literal) VALUES
    ('text', 'plain'), ('text', ''), ('text', E'quote " back \\ tab \t newline \n bell \x07 é € 😀'),
    ('varchar', 'abc'), ('char', 'a'),
    ('bytea', '\x00ff10'), ('bytea', '\x'),
    ('smallint', '-32768'), ('integer', '2147483647'), ('integer', '-1'), ('bigint', '-9223372036854775808'), ('bigint', '0'),
    ('real', '1.1'), ('real', 'NaN'), ('double precision', '0.1'), ('double precision', '-Infinity'),
    ('double precision', '1e300'), ('double precision', '123456789012345680'),
    ('numeric', '123456789012345678901234567890.0123456789'), ('numeric', 'NaN'), ('numeric', '-0.50'),
    ('boolean', 't'), ('uuid', '0b87c3f0-6cc7-4d0a-9d2a-3f6b7d6d0c11'),
    ('date', '2024-02-29'), ('timestamptz', '2024-02-29 12:34:56.789012+02'), ('timestamp', 'infinity'), ('time', '01:02:03'),
    ('interval', '-1 mon 2 days -03:04:05.5'), ('interval', '1 year -2 days'),
    ('json', '{"b" : 1,  "a": [1, 2, {"é": null}]}'), ('json', '"x"'), ('json', ' 12.50 '),
    ('jsonb', '{"b": 1, "a": [1, 2.50, true]}'), ('jsonb', 'null'),
    ('colour', 'green'), ('point3', '(1,2.5,"a ""b"", c")'), ('point3', '(,,)'),
    ('positive', '7'), ('code', 'ABC'),
    ('int[]', '{1,NULL,3}'), ('text[]', '{"a b","c,d",NULL,""}'), ('colour[]', '{red,blue}'),
    ('int4range', '[1,5)'), ('inet', '10.0.0.0/8'), ('bit varying', '10110'), ('name', 'some_name'),
    ('oid', '4294967295'), ('pg_lsn', '16/B374D848'), ('tsvector', '''a'':1 ''b'':2');

CREATE FUNCTION in_json(j json, type regtype) RETURNS text LANGUAGE sql AS $$
    SELECT CASE WHEN type = 'point3'::regtype THEN json_strip_nulls(j) ELSE j END::text
$$;

CREATE TABLE failures (id int, type regtype, what text, got text);
CREATE TABLE shown (id int, type regtype, key text, value text);
-- own events are not visible before commit, so: produce in one transaction, look in the next
CREATE PROCEDURE run_samples() LANGUAGE plpgsql AS $$
DECLARE
    s record;
    same text;
    n int;
BEGIN
    FOR s IN SELECT * FROM samples ORDER BY id LOOP
        PERFORM create_topic('t', 1, s.type, s.type);
        EXECUTE format('SELECT produce(''t'', %L::%s, %L::%s)', s.literal, s.type, s.literal, s.type);
        EXECUTE format('SELECT produce(''t'', %L, %L)', s.literal, s.literal);
        EXECUTE format('INSERT INTO t (key, value) VALUES (%L, %L)', s.literal, s.literal);
        EXECUTE format('SELECT produce_batch(''t'', ARRAY[%L], ARRAY[%L])', s.literal, s.literal);
        COMMIT;
        same := CASE WHEN s.type = 'json'::regtype THEN '%1$I::text = %2$L::%3$s::text'
                     ELSE '%1$I IS NOT DISTINCT FROM %2$L::%3$s' END;
        EXECUTE format('SELECT count(*) FROM t WHERE %s AND %s',
                       format(same, 'key', s.literal, s.type), format(same, 'value', s.literal, s.type)) INTO n;
        IF n <> 4 THEN
            EXECUTE format('INSERT INTO failures SELECT %s, %L, ''SELECT'', t::text FROM t', s.id, s.type);
        END IF;
        -- value as to_json would give it (a row without its NULLs), key as text
        EXECUTE format($q$INSERT INTO failures SELECT %s, %L, 'read_topic', e::text FROM read_topic('t') e
                          WHERE e.key IS DISTINCT FROM format('%%s', %L::%s) OR e.value::text IS DISTINCT FROM in_json(to_json(%L::%s), %L)$q$,
                       s.id, s.type, s.literal, s.type, s.literal, s.type, s.type);
        EXECUTE format('SELECT count(*) FROM consume_as(NULL::t, ''types'') t WHERE %s AND %s',
                       format(same, 'key', s.literal, s.type), format(same, 'value', s.literal, s.type)) INTO n;
        IF n <> 4 THEN
            INSERT INTO failures VALUES (s.id, s.type, 'consume_as', n);
        END IF;
        EXECUTE format($q$INSERT INTO failures SELECT %s, %L, 'claim', e::text FROM claim('types claimed', 't') e
                          WHERE e.key IS DISTINCT FROM format('%%s', %L::%s) OR e.value::text IS DISTINCT FROM in_json(to_json(%L::%s), %L)$q$,
                       s.id, s.type, s.literal, s.type, s.literal, s.type, s.type);
        EXECUTE format('INSERT INTO shown SELECT %s, %L, key, value FROM read_topic(''t'', 0, 0, 1)', s.id, s.type);
        PERFORM drop_topic('t');
        COMMIT;
    END LOOP;
END $$;
CALL run_samples();
SELECT * FROM failures;
SELECT id, type, key, value FROM shown ORDER BY id;

-- the form on the log does not depend on the session's settings
SELECT create_topic('dates', 1, 'date', 'interval');
SELECT create_topic('stamps', 1, 'timestamptz', 'double precision[]');
SET DateStyle = 'SQL, DMY';
SET IntervalStyle = 'sql_standard';
SET extra_float_digits = -5;
SET TimeZone = 'Asia/Tokyo';
SELECT produce('dates', '2024-02-01'::date, '-1 mon 2 days -03:04:05.5'::interval);
SELECT produce('stamps', '2024-02-01 00:00:00Z'::timestamptz, ARRAY[0.1234567890123456]::float8[]);
SELECT key = '2024-02-01'::date AS same, value = interval 'P-1M2DT-3H-4M-5.5S' AS same FROM dates;
RESET DateStyle;
RESET IntervalStyle;
RESET extra_float_digits;
SET TimeZone = 'UTC';
SELECT key, value FROM dates;
SELECT key, value FROM stamps;

-- wrong values have the type's own error
SELECT create_topic('typed', 1, 'integer', 'json');
SELECT try($$SELECT produce('typed', 'x', '1')$$);
SELECT try($$SELECT produce('typed', '99999999999', '1')$$);
SELECT try($$SELECT produce('typed', 99999999999, '1')$$);
SELECT try($$SELECT produce('typed', 1, '{"a": }')$$);
SELECT try($$SELECT produce('typed', 1, '')$$);
SELECT try($$INSERT INTO typed (key, value) VALUES (1, '')$$);
SELECT try($$SELECT produce('typed', 1::numeric, '1')$$);
SELECT try($$SELECT produce('typed', DATE '2024-01-02', '1')$$);
SELECT create_topic('domains', 1, 'code', 'positive');
SELECT try($$SELECT produce('domains', 'abc', '1')$$);
SELECT try($$SELECT produce('domains', 'ABC', 0)$$);
SELECT try($$SELECT produce('domains', 'ABC', '0')$$);
SELECT try($$SELECT produce('domains', 'ABC'::varchar, 7::bigint)$$);
SELECT try($$SELECT produce('domains', 'abc'::varchar, 7::bigint)$$);
SELECT try($$INSERT INTO domains (key, value) VALUES ('abc', 1)$$);
SELECT try($$SELECT create_topic('u', 1, 'colour')$$);
SELECT try($$SELECT produce('u', 'mauve', '1')$$);

-- conversion of typed arguments: casts as in an INSERT, to_json for json
SELECT create_topic('texts', 1, 'text', 'json');
SELECT produce('texts', 42, 42), produce('texts', '0b87c3f0-6cc7-4d0a-9d2a-3f6b7d6d0c11'::uuid, '0b87c3f0-6cc7-4d0a-9d2a-3f6b7d6d0c11'::uuid),
       produce('texts', true, true), produce('texts', 'k'::text, ROW(1, 'a')::record), produce('texts', 'green'::colour, '(1,2,three)'::point3),
       produce('texts', 'j', '{"b":1, "a":2}'::jsonb), produce('texts', 'n', NULL::int),
       produce('texts', ARRAY[1,2], ARRAY[1,2]), produce('texts', 'd', '2024-02-29'::date);
SELECT key, value FROM read_topic('texts');
SELECT create_topic('jsonbs', 1, 'text', 'jsonb');
SELECT produce('jsonbs', 'a', '{"b":1,   "a":2.50}'), produce('jsonbs', 'b', '{"b":1,   "a":2.50}'::json), produce('jsonbs', 'c', ROW(1, 'a')::record),
       produce('jsonbs', 'd', 7::bigint);
SELECT key, value FROM read_topic('jsonbs');
SELECT key, value -> 'a' AS a FROM jsonbs;

-- null, empty, tombstone
SELECT create_topic('nulls', 1, 'text', 'text');
SELECT produce('nulls', NULL, NULL), produce('nulls', '', ''), produce('nulls', 'k', NULL), produce('nulls', NULL, 'v');
SELECT key, value, key IS NULL AS key_null, value IS NULL AS value_null FROM nulls;
SELECT key, value FROM read_topic('nulls');
SELECT create_topic('bytes', 1, 'bytea', 'bytea');
SELECT produce('bytes', NULL::bytea, NULL::bytea), produce('bytes', ''::bytea, ''::bytea);
SELECT key, value, key IS NULL AS key_null, value IS NULL AS value_null FROM bytes;

-- all of Unicode but surrogates and NUL, as text and inside JSON
SELECT create_topic('unicode', 1, 'text', 'text');
INSERT INTO unicode (key, value)
    SELECT i::text, string_agg(chr(c), '') FROM generate_series(0, 271) i, generate_series(greatest(i * 4096, 1), i * 4096 + 4095) c
    WHERE c NOT BETWEEN 55296 AND 57343 GROUP BY i;
SELECT count(*), sum(length(value)) FROM unicode;
SELECT count(*) FROM unicode WHERE value IS DISTINCT FROM
    (SELECT string_agg(chr(c), '' ORDER BY c) FROM generate_series(greatest(key::int * 4096, 1), key::int * 4096 + 4095) c
     WHERE c NOT BETWEEN 55296 AND 57343);
SELECT count(*) FROM read_topic('unicode') r JOIN unicode u USING (key) WHERE (r.value #>> '{}') IS DISTINCT FROM u.value;

-- headers
SELECT create_topic('headed', 1, 'text', 'text');
SELECT produce('headed', 'none', 'v'), produce('headed', 'empty', 'v', '{}'), produce('headed', 'empty', 'v', '[]'),
       produce('headed', 'object', 'v', '{"b": "1", "a": "", "n": null}'),
       produce('headed', 'repeated', 'v', '[["a", "1"], ["b", "2"], ["a", null]]'),
       produce('headed', 'array without need', 'v', '[["b", "1"], ["a", "2"]]'),
       produce('headed', 'binary', 'v', '{"bin": {"base64": "AP8Q"}, "text": {"base64": "aGVsbG8="}}'),
       produce('headed', 'unicode', 'v', '{"é😀": "ü", "": "no name"}');
INSERT INTO headed (key, value, headers) VALUES ('insert', 'v', '{"a": "b"}');
SELECT key, headers FROM headed;
SELECT produce('headed', 'many', 'v', (SELECT jsonb_object_agg('h' || i, repeat('x', i % 50)) FROM generate_series(1, 1000) i));
SELECT produce('headed', 'many repeated', 'v', (SELECT jsonb_agg(jsonb_build_array('h', i::text)) FROM generate_series(1, 1000) i));
SELECT (SELECT count(*) FROM jsonb_each(headers)), (SELECT sum(length(value #>> '{}')) FROM jsonb_each(headers)) FROM headed WHERE key = 'many';
SELECT headers = (SELECT jsonb_agg(jsonb_build_array('h', i::text)) FROM generate_series(1, 1000) i) AS same FROM headed WHERE key = 'many repeated';
SELECT try($$SELECT produce('headed', 'k', 'v', '1')$$);
SELECT try($$SELECT produce('headed', 'k', 'v', '"x"')$$);
SELECT try($$SELECT produce('headed', 'k', 'v', '{"a": 1}')$$);
SELECT try($$SELECT produce('headed', 'k', 'v', '{"a": ["b"]}')$$);
SELECT try($$SELECT produce('headed', 'k', 'v', '{"a": {"base64": "?"}}')$$);
SELECT try($$SELECT produce('headed', 'k', 'v', '{"a": {"base64": "AA==", "b": "c"}}')$$);
SELECT try($$SELECT produce('headed', 'k', 'v', '[["a"]]')$$);
SELECT try($$SELECT produce('headed', 'k', 'v', '["a", "b"]')$$);
SELECT try($$SELECT produce('headed', 'k', 'v', '[["a", "b", "c"]]')$$);
SELECT try($$SELECT produce('headed', 'k', 'v', '[[null, "b"]]')$$);
SELECT try($$SELECT produce('headed', 'k', 'v', '[[1, "b"]]')$$);

-- size and time
SELECT create_topic('limits', 1, 'text', 'text', '{"max_event_bytes": 100, "max_clock_ahead": "10 min"}');
SELECT try($$SELECT produce('limits', repeat('k', 10), repeat('v', 90))$$);
SELECT try($$SELECT produce('limits', repeat('k', 10), repeat('v', 91))$$);
SELECT try($$INSERT INTO limits (key, value) VALUES (repeat('k', 10), repeat('v', 91))$$);
SELECT try($$SELECT produce('limits', 'k', 'v', event_time => now() + '9 min')$$);
SELECT split_part(try($$SELECT produce('limits', 'k', 'v', event_time => now() + '11 min')$$), ' 20', 1);
SELECT try($$SELECT produce('limits', 'k', 'v', event_time => 'infinity')$$);
SELECT try($$SELECT produce('limits', 'k', 'v', event_time => '-infinity')$$);
SELECT try($$INSERT INTO limits (event_time, key) VALUES ('infinity', 'k')$$);
SELECT try($$SELECT produce('limits', 'old', 'v', event_time => '1969-12-31 23:59:59.9999+00')$$);
SELECT try($$SELECT produce('limits', 'new', 'v', event_time => '2024-01-02 03:04:05.6789+00')$$);
SELECT key, event_time FROM limits WHERE key IN ('old', 'new');

-- CHECK constraints hold for every way of producing
SELECT create_topic('checked', 1, 'text', 'json');
ALTER TABLE checked ADD CONSTRAINT object CHECK (json_typeof(value) = 'object');
ALTER TABLE checked ADD CONSTRAINT has_key CHECK (key IS NOT NULL);
SELECT try($$SELECT produce('checked', 'k', '1')$$);
SELECT try($$SELECT produce('checked', NULL, '{}')$$);
SELECT try($$SELECT produce('checked', 'k', '{}')$$);
SELECT try($$SELECT produce('checked', 'k', NULL)$$);
SELECT try($$SELECT produce_batch('checked', '[{"key": "k", "value": {}}, {"key": "k", "value": 1}]')$$);
SELECT try($$SELECT produce_batch('checked', ARRAY['k'], ARRAY['1'])$$);
SELECT try($$INSERT INTO checked (key, value) VALUES ('k', '1')$$);
ALTER TABLE checked DROP CONSTRAINT object;
SELECT try($$SELECT produce('checked', 'k', '1')$$);
-- an inlined function that is replaced
CREATE FUNCTION fine(t text) RETURNS boolean LANGUAGE sql IMMUTABLE AS 'SELECT t <> ''bad''';
ALTER TABLE checked ADD CONSTRAINT fine CHECK (fine(key)) NOT VALID;
SELECT try($$SELECT produce('checked', 'bad', '1')$$), try($$SELECT produce('checked', 'good', '1')$$);
CREATE OR REPLACE FUNCTION fine(t text) RETURNS boolean LANGUAGE sql IMMUTABLE AS 'SELECT t <> ''good''';
SELECT try($$SELECT produce('checked', 'bad', '1')$$), try($$SELECT produce('checked', 'good', '1')$$);
-- a constraint whose function itself produces to the topic
CREATE FUNCTION echo(k text) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
    IF k NOT LIKE 'echo%' THEN
        PERFORM produce('checked', 'echo of ' || k, '2');
    END IF;
    RETURN k <> 'no';
END $$;
ALTER TABLE checked ADD CONSTRAINT echo CHECK (echo(key)) NOT VALID;
SELECT try($$SELECT produce('checked', 'yes', '1')$$), try($$SELECT produce('checked', 'no', '1')$$);
SELECT key, value FROM checked;

SET client_min_messages = warning;
DROP SCHEMA types CASCADE;
