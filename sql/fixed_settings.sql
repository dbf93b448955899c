-- A value has the same bytes, and a key the same partition, under whatever settings it is produced and read.
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS eventlog;
RESET client_min_messages;
CREATE SCHEMA fixed;
SET search_path = fixed, public;
SET TimeZone = 'UTC';
SET DateStyle = 'ISO, MDY';
SET IntervalStyle = 'postgres';

-- two kinds of session
CREATE PROCEDURE plain() LANGUAGE plpgsql AS $$
BEGIN
    SET TimeZone = 'UTC'; SET DateStyle = 'ISO, MDY'; SET IntervalStyle = 'postgres'; SET bytea_output = 'hex'; SET extra_float_digits = 1;
    SET xmloption = 'content'; SET lc_monetary = 'C'; SET array_nulls = on; SET quote_all_identifiers = off; SET search_path = fixed, public;
END $$;
CREATE PROCEDURE odd() LANGUAGE plpgsql AS $$
BEGIN
    SET TimeZone = 'Asia/Kathmandu'; SET DateStyle = 'SQL, DMY'; SET IntervalStyle = 'sql_standard'; SET bytea_output = 'escape'; SET extra_float_digits = -10;
    SET xmloption = 'document'; SET lc_monetary = 'C.UTF-8'; SET array_nulls = off; SET quote_all_identifiers = on; SET search_path = pg_catalog, fixed, public;
END $$;

-- a type for each setting, and each way in which one type is inside another
CREATE TYPE colour AS ENUM ('red', 'green');
CREATE TYPE inner_row AS (at timestamptz, bytes bytea, f float8);
CREATE TYPE outer_row AS (r inner_row, rs inner_row[], span interval);
CREATE DOMAIN moment AS timestamptz CHECK (value > '1900-01-01');
CREATE DOMAIN moments AS moment[];
CREATE TYPE timespan AS RANGE (subtype = timestamptz, multirange_type_name = timespans);
CREATE TABLE samples (id int GENERATED ALWAYS AS IDENTITY, type regtype, literal text);
INSERT INTO samples (type, literal) VALUES
    ('timestamptz', '2024-07-01 12:00:00.5+00'), ('timestamptz', '0044-03-15 12:00:00+00 BC'), ('timestamp', '2024-03-02 01:02:03'), ('date', '2024-03-02'),
    ('timetz', '12:00:00+02'), ('interval', '-1 mon 2 days -03:04:05.5'), ('bytea[]', '{"\\x0102ff","\\x5c"}'), ('float8[]', '{0.1234567890123456,1e300}'),
    ('point', '(0.1234567890123456,2)'), ('money', '1234.56'), ('text[]', '{NULL,"NULL",a}'), ('int[]', '[0:1]={1,NULL}'),
    ('moment', '2024-07-01 12:00:00+00'), ('moments', '{"2024-07-01 12:00:00+00",NULL}'), ('timespan', '["2024-07-01 12:00:00+00","2024-07-02 12:00:00+00")'),
    ('timespans', '{["2024-07-01 12:00:00+00","2024-07-02 12:00:00+00")}'), ('tsrange', '[2024-07-01 12:00:00,)'), ('datemultirange', '{[2024-03-02,2024-03-04)}'),
    ('inner_row', '("2024-07-01 12:00:00+00","\\x0102",0.1234567890123456)'), ('inner_row[]', '{"(\"2024-07-01 12:00:00+00\",\"\\\\x01\",0.1)",NULL}'),
    ('outer_row', '("(\"2024-07-01 12:00:00+00\",\"\\\\x01\",0.1)","{\"(,,)\",NULL}",-1 mon 2 days)'), ('colour', 'red'), ('numeric', '0.10'), ('regrole', quote_ident(current_user)), ('regnamespace', 'public');
-- where the server has it
INSERT INTO samples (type, literal)
    SELECT CASE WHEN EXISTS (SELECT FROM pg_config WHERE name = 'CONFIGURE' AND setting LIKE '%with-libxml%') THEN 'xml' ELSE 'text' END::regtype, '<a>b</a>text';
CREATE TABLE results (id int, partitions int, kinds_of_bytes int, same_value int, latest int);
CREATE PROCEDURE run() LANGUAGE plpgsql AS $$
DECLARE s record; n int; b int; same int; l int;
BEGIN
    FOR s IN SELECT * FROM samples ORDER BY id LOOP
        CALL plain();
        PERFORM create_topic('t', 16, s.type, s.type, '{"cleanup_policy": "compact"}');
        -- the literals are read under one setting: what is produced is the value
        EXECUTE format('CREATE TABLE heap AS SELECT %L::%s AS v', s.literal, s.type);
        PERFORM produce('t', v, v) FROM heap;
        COMMIT;
        CALL odd();
        PERFORM produce('t', v, v) FROM heap;
        INSERT INTO t (key, value) SELECT v, v FROM heap;
        COMMIT;
        -- as the odd session reads it, and as the plain one does
        SELECT count(*) INTO same FROM consume_as(NULL::t, 'odd') e, heap WHERE (e.key::text, e.value::text) = (heap.v::text, heap.v::text);
        CALL plain();
        SELECT same + count(*) INTO same FROM t e, heap WHERE (e.key::text, e.value::text) = (heap.v::text, heap.v::text);
        SELECT count(DISTINCT partition), count(DISTINCT (key, value)) INTO n, b FROM consume_bytes('bytes', 't');
        SELECT count(*) INTO l FROM latest('t');
        INSERT INTO results VALUES (s.id, n, b, same, l);
        PERFORM drop_topic('t');
        DROP TABLE heap;
        COMMIT;
    END LOOP;
END $$;
CALL run();
-- expected: one partition, one form, six values as they were, one latest event; nothing is listed
SELECT type, literal, partitions, kinds_of_bytes, same_value, latest FROM results JOIN samples USING (id) WHERE (partitions, kinds_of_bytes, same_value, latest) <> (1, 1, 6, 1) ORDER BY id;
SELECT count(*) FROM results;

-- a tombstone produced in another time zone deletes
CALL plain();
SELECT create_topic('tz', key_type => 'timestamptz', value_type => 'text', options => '{"cleanup_policy": "compact"}');
SELECT produce('tz', '2024-01-01 00:00:00+00'::timestamptz, 'old'::text);
SET TimeZone = 'Europe/Berlin';
SELECT produce('tz', '2024-01-01 00:00:00+00'::timestamptz, NULL::text);
SELECT key, value FROM latest('tz');

-- the key's text is the reader's, as an output function gives it
SELECT produce('tz', '2024-01-01 00:00:00+00'::timestamptz, 'new'::text);
SELECT key, value FROM latest('tz');
SET TimeZone = 'UTC';
SELECT key, value FROM latest('tz');

-- the session's settings are back after an error, too
SELECT create_topic('rows', value_type => 'inner_row');
CALL odd();
SELECT produce('rows', 'k', '{"at": "no time"}');
SHOW TimeZone;
SHOW bytea_output;
SELECT '2024-01-01 00:00:00+00'::timestamptz, '\x0102'::bytea, interval '-1 mon 2 days';
CALL plain();

-- arguments are read by the session's settings, as an INSERT reads them
SET DateStyle = 'SQL, DMY';
SELECT create_topic('dates', value_type => 'date');
SELECT produce('dates', 'k', '02/03/2024');
INSERT INTO dates (key, value) VALUES ('k', '02/03/2024');
CALL plain();
SELECT value FROM dates;

SET client_min_messages = warning;
DROP SCHEMA fixed CASCADE;
