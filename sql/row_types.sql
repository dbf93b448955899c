-- Rows on the log: JSON by name, so that a type may change while its events stay.
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS eventlog;
RESET client_min_messages;
CREATE SCHEMA rowt;
SET search_path = rowt, public;
SET TimeZone = 'Asia/Tokyo';

-- the form of each kind of attribute
CREATE TYPE pair AS (a int, b text);
CREATE DOMAIN checked AS pair CHECK ((value).a <> 13);
CREATE DOMAIN list AS int[];
CREATE TYPE "all kinds" AS (i2 smallint, i8 bigint, f float8, n numeric, ok boolean, t text, "odd ""name\" text, j json, jb jsonb, r pair, c checked, rs pair[],
    cs checked[], ints int[], floats float8[], from0 int[], js json[], lists list[], at timestamptz, span interval, bytes bytea, m money, x text, rg int4range, mr int4multirange, l list);
SELECT create_topic('forms', key_type => 'pair', value_type => '"all kinds"');
CREATE TABLE twin (id int, key pair, value "all kinds");
INSERT INTO twin VALUES
    (0, ROW(1, E'x"\\y\t'), ROW(-1, 9007199254740993, 1e300, 1.50, true, E'a"\\\n\x01é', 'v', '{"b" : [1,  2]}', '{"b": [1,  2]}', ROW(1, NULL), ROW(2, 'c'),
        ARRAY[ROW(1, '{')::pair, NULL, ROW(NULL, '')::pair], ARRAY[ROW(3, 'd')::checked], '{{1,2},{3,NULL}}', '{0.1,NaN}', '[0:1]={5,6}', ARRAY['null', NULL, '{"a":1}']::json[],
        ARRAY['{1,2}', NULL]::list[], '2024-01-01 00:00:00+00', '-1 mon 2 days -03:04:05.5', '\x00ff', '1234.5', '<a>b</a>', '[1,5)', '{[1,2),[5,6)}', '{1,2}')),
    (1, ROW(NULL, NULL), ROW(NULL, NULL, 'NaN', 'NaN', false, '', NULL, 'null', 'null', ROW(NULL, NULL), NULL, '{}', NULL, '{}', '{Infinity,-Infinity}',
        NULL, NULL, NULL, 'infinity', NULL, '', NULL, '', 'empty', '{}', '{}')),
    (2, ROW(7, ''), NULL),
    (3, NULL, ROW(NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, '[2:3]={"(1,a)",NULL}', '[0:0]={"(1,b)"}', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL));
SELECT count(produce('forms', key, value)) FROM (SELECT * FROM twin ORDER BY id) t;
INSERT INTO forms (key, value) SELECT key, value FROM twin ORDER BY id;
SELECT convert_from(key, 'UTF8') AS key, convert_from(value, 'UTF8') AS value FROM consume_bytes('bytes', 'forms', 4);
-- value is those bytes; key its text
SELECT r.key, r.value::text = convert_from(b.value, 'UTF8') AS same FROM read_topic('forms') r JOIN consume_bytes('again', 'forms') b USING (event_offset);
-- typed, equal
SELECT count(*), bool_and(f.key::text IS NOT DISTINCT FROM t.key::text AND f.value::text IS NOT DISTINCT FROM t.value::text) AS same FROM forms f JOIN twin t ON t.id = f.event_offset % 4;
SELECT count(*), bool_and(f.key::text IS NOT DISTINCT FROM t.key::text AND f.value::text IS NOT DISTINCT FROM t.value::text) AS same FROM consume_as(NULL::forms, 'typed') f JOIN twin t ON t.id = f.event_offset % 4;

-- arrays of rows as key and value; arrays without rows keep their text form
CREATE TYPE holder AS (k pair[]);
SELECT create_topic('arrays', key_type => 'pair[]', value_type => 'holder[]'), create_topic('texts', key_type => 'list[]', value_type => 'checked[]');
SELECT produce('arrays', ARRAY[ROW(1, 'a')]::pair[], ARRAY[ARRAY[ROW(ARRAY[ROW(1, 'b')]::pair[])], ARRAY[NULL]]::holder[]),
       produce('arrays', '[2:3]={"(1,a)",NULL}'::pair[], '{}'::holder[]), produce('arrays', '[-1:-1]={"(,\"\\\"\")"}'::pair[], NULL::holder[]),
       produce('texts', ARRAY['{1,2}', NULL]::list[], ARRAY[ROW(1, 'x')::checked]);
SELECT convert_from(key, 'UTF8') AS key, convert_from(value, 'UTF8') AS value FROM consume_bytes('bytes', 'arrays');
SELECT convert_from(key, 'UTF8') AS key, convert_from(value, 'UTF8') AS value FROM consume_bytes('bytes', 'texts');
SELECT key, value FROM arrays;
SELECT key, value FROM texts;

-- what other writers give, by name: any order, spaces, names that are not known, the last of equal names, numbers and strings, escapes
CREATE FUNCTION try(stmt text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE message text; detail text; hint text;
BEGIN
    EXECUTE stmt;
    RETURN 'ok';
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS message = MESSAGE_TEXT, detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT;
    -- of a topic's column and that of its twin, core names the one that its catalog has first
    message := replace(message, '"h_tasks.', '"tasks.');
    RETURN SQLSTATE || ': ' || message || CASE WHEN detail <> '' THEN ' / ' || detail ELSE '' END || CASE WHEN hint <> '' THEN ' / ' || hint ELSE '' END;
END $$;
SELECT create_topic('named', value_type => '"all kinds"');
SELECT value FROM (VALUES (1, ' { "t" : 5 , "i2" : "7" , "nobody": {"i2": [1, "}"]}, "i2":6 } '), (2, '{"\u0074": "\u00e9\ud83d\ude00\/", "odd \"name\\": "x", "at": "2024-01-01 00:00:00"}'),
    (3, '{"ints": [[1, null], [3, 4]], "from0": "[0:1]={1,2}", "js": "{null}", "rs": [{"b": "x", "a": null}, null], "ok": "yes", "j": "s", "jb": null, "r": null, "t": {"a": [1]}}')) v(i, j),
    LATERAL (SELECT produce('named', 'k', j) AS value) p;
SELECT value FROM named;
SELECT j, try(format($$SELECT produce('named', 'k', %L)$$, j)) FROM unnest(ARRAY['{"i2": "x"}', '{"i2": {}}', '{"r": 5}', '{"r": {"a": "x"}}', '{"ints": [1, [2]]}', '{"ints": [[1], [2, 3]]}',
    '{"ints": 5}', '{"js": [1]}', '{"t": "\u0000"}', '{"t": "\ud800"}', '{"t": 1', '{"c": {"a": 13}}', '{"cs": [{"a": 13}]}', '(1', '("x"', '5', '']) j;

-- a record without a name of its own is taken by position
SELECT produce('arrays', '{}'::pair[], '{}'::holder[]), try($$SELECT produce('forms', ROW(5, 'five'), NULL::"all kinds")$$), try($$SELECT produce('forms', ROW(5), NULL::"all kinds")$$);

--
-- ALTER TYPE, ALTER TABLE: equal to a heap's rows, or refused
--
CREATE TYPE addr AS (street text, city text, zip text);
CREATE TYPE person AS (name text, home addr, others addr[]);
CREATE TABLE customers (id int PRIMARY KEY, name text, home addr);
CREATE VIEW shown AS SELECT id, name FROM customers;
CREATE TYPE state AS ENUM ('open', 'done');
CREATE DOMAIN in_state AS state;
CREATE TYPE task AS (what text, states in_state[]);
SELECT create_topic('addrs', value_type => 'addr'), create_topic('persons', value_type => 'person'), create_topic('changes', key_type => 'int', value_type => 'customers'),
       create_topic('views', value_type => 'shown'), create_topic('tasks', value_type => 'task'), create_topic('keyed', 8, key_type => 'pair', value_type => 'text');
CREATE TABLE h_addrs (value addr); CREATE TABLE h_persons (value person); CREATE TABLE h_changes (value customers); CREATE TABLE h_views (value shown); CREATE TABLE h_tasks (value task);
INSERT INTO customers VALUES (1, 'Ann', ROW('Main St', 'Ulm', '89073'));
CREATE PROCEDURE fill() LANGUAGE plpgsql AS $$
DECLARE t text;
BEGIN
    FOREACH t IN ARRAY ARRAY['addrs', 'persons', 'changes', 'views', 'tasks'] LOOP
        EXECUTE format('INSERT INTO %I (value) SELECT value FROM h_%1$I OFFSET (SELECT count(*) FROM %1$I)', t);
    END LOOP;
END $$;
CREATE FUNCTION differences() RETURNS TABLE (topic text, events bigint, different bigint) LANGUAGE plpgsql AS $$
BEGIN
    FOREACH topic IN ARRAY ARRAY['addrs', 'persons', 'changes', 'views', 'tasks'] LOOP
        EXECUTE format('SELECT count(*), count(*) FILTER (WHERE t.value::text IS DISTINCT FROM h.value::text)
                        FROM (SELECT value, row_number() OVER (ORDER BY event_offset) AS n FROM %I) t FULL JOIN (SELECT value, row_number() OVER (ORDER BY ctid) AS n FROM h_%1$I) h USING (n)', topic)
            INTO events, different;
        RETURN NEXT;
    END LOOP;
END $$;
INSERT INTO h_addrs VALUES (ROW('Main St', 'Ulm', '89073')), (ROW(NULL, NULL, NULL)), (NULL);
INSERT INTO h_persons VALUES (ROW('Ann', ROW('Main St', 'Ulm', '89073'), ARRAY[ROW('a', 'b', 'c')]::addr[])), (ROW('Bob', NULL, '[0:0]={"(x,y,z)"}'));
INSERT INTO h_changes SELECT c FROM customers c;
INSERT INTO h_views SELECT s FROM shown s;
INSERT INTO h_tasks VALUES (ROW('eat', '{open}'));
CALL fill();
SELECT produce('keyed', ROW(1, 'a')::pair, 'first');
SELECT * FROM differences();

SELECT d, try(d) FROM unnest(ARRAY[
    'ALTER TYPE addr RENAME ATTRIBUTE city TO town', 'ALTER TYPE person RENAME ATTRIBUTE name TO label', 'ALTER TABLE customers RENAME name TO label', 'ALTER VIEW shown RENAME name TO label',
    'ALTER TYPE state RENAME VALUE ''open'' TO ''active''', 'ALTER TYPE addr ALTER ATTRIBUTE zip TYPE int', 'ALTER TABLE customers ALTER name TYPE int USING 1',
    'ALTER TABLE customers ALTER name TYPE varchar', 'ALTER TYPE addr ADD ATTRIBUTE r regclass', 'ALTER TABLE customers ADD COLUMN r regtype[]', 'ALTER TYPE pair DROP ATTRIBUTE b',
    'ALTER TYPE pair RENAME ATTRIBUTE b TO c', 'ALTER DOMAIN in_state ADD CHECK (value <> ''open'')', 'ALTER TABLE customers ADD COLUMN with_default int DEFAULT 5',
    'DROP TYPE addr', 'DROP TYPE addr CASCADE', 'DROP TYPE pair CASCADE', 'DROP TABLE customers CASCADE']) d;
-- an enum in each thing that it can be in
CREATE TYPE level AS ENUM ('low', 'high');
CREATE DOMAIN a_level AS level;
CREATE TYPE levels AS RANGE (subtype = level, multirange_type_name = multilevels);
CREATE TYPE has_level AS (l a_level[]);
CREATE TYPE has_levels AS (l multilevels);
CREATE TABLE has_level_table (l level) PARTITION BY LIST (l);
SELECT t, create_topic('of_levels', 1, 'text', t::regtype) IS NOT NULL AS made, try('ALTER TYPE level RENAME VALUE ''low'' TO ''small'''), drop_topic('of_levels')
    FROM unnest('{level,a_level,level[],a_level[],levels,multilevels,levels[],has_level,has_levels[],has_level_table}'::text[]) t;
ALTER TYPE level RENAME VALUE 'low' TO 'small';
-- partitioned tables, what inherits, typed tables
CREATE TABLE parted (id int, note text) PARTITION BY LIST (id);
SELECT create_topic('parteds', value_type => 'parted');
SELECT try('ALTER TABLE parted ALTER note TYPE varchar'), try('ALTER TABLE parted ALTER note TYPE int USING 1'), try('ALTER TABLE parted RENAME note TO n');
CREATE TABLE grandparent (id int, note text);
CREATE TABLE parent () INHERITS (grandparent);
CREATE TABLE child () INHERITS (parent);
SELECT create_topic('children', key_type => 'child', value_type => 'child');
SELECT try('ALTER TABLE grandparent RENAME note TO n'), try('ALTER TABLE grandparent DROP note'), try('ALTER TABLE grandparent ADD r regclass');
CREATE TYPE typed AS (a int, b text);
CREATE TABLE of_typed OF typed;
SELECT create_topic('typeds', key_type => 'of_typed', value_type => 'text');
SELECT try('ALTER TYPE typed RENAME ATTRIBUTE b TO c CASCADE'), try('ALTER TYPE typed DROP ATTRIBUTE b CASCADE'), try('ALTER TYPE typed ADD ATTRIBUTE r regclass CASCADE');

-- what is accepted
ALTER TYPE addr ADD ATTRIBUTE country text;
ALTER TYPE addr DROP ATTRIBUTE city;
ALTER TYPE person ADD ATTRIBUTE age int;
ALTER TABLE customers ADD COLUMN email text, DROP COLUMN home;
CREATE OR REPLACE VIEW shown AS SELECT id, name, email FROM customers;
ALTER TYPE state ADD VALUE 'waiting' BEFORE 'done';
ALTER DOMAIN in_state ADD CHECK (value <> 'open') NOT VALID;
ALTER TYPE pair ADD ATTRIBUTE c int;
ALTER TYPE addr RENAME TO address;
ALTER TABLE customers RENAME TO clients;
CREATE SCHEMA rowt2;
ALTER TYPE address SET SCHEMA rowt2;
SELECT * FROM differences();
INSERT INTO h_addrs VALUES (ROW('Broad St', '1', 'UK'));
INSERT INTO h_persons VALUES (ROW('Cy', ROW('s', 'z', 'c'), NULL, 9));
INSERT INTO h_changes SELECT c FROM clients c;
INSERT INTO h_views SELECT s FROM shown s;
CALL fill();
SELECT * FROM differences();
SELECT value FROM addrs;
SELECT value FROM read_topic('persons');

-- a key keeps its bytes, its partition and its tombstone when the type grows
SELECT produce('keyed', ROW(1, 'a', NULL)::pair, 'second');
SELECT count(*), count(DISTINCT partition) AS partitions, count(DISTINCT key) AS keys FROM consume_bytes('bytes', 'keyed');

-- a name that events still have: what they have would come back
SELECT d, try(d) FROM unnest(ARRAY['ALTER TYPE rowt2.address ADD ATTRIBUTE city int', 'ALTER TABLE clients ADD COLUMN home int', 'ALTER TYPE rowt2.address ADD ATTRIBUTE name int']) d;
-- also in this transaction's own events, not in those that were taken back
CREATE TYPE growing AS (a int, b int);
SELECT create_topic('grown', value_type => 'growing');
BEGIN;
SELECT produce('grown', 'k', ROW(1, 2)::growing);
ALTER TYPE growing DROP ATTRIBUTE b;
SELECT try('ALTER TYPE growing ADD ATTRIBUTE b text');
ROLLBACK;
BEGIN;
SAVEPOINT s;
SELECT produce('grown', 'k', ROW(1, 2)::growing);
SELECT count(*) FROM flush();
ROLLBACK TO s;
ALTER TYPE growing DROP ATTRIBUTE b, ADD ATTRIBUTE b text;
SELECT produce('grown', 'k', ROW(1, 'text')::growing);
COMMIT;
SELECT value FROM grown;
-- what a refusal has appended is not lost
CREATE TYPE kept AS (a int, b int);
SELECT create_topic('keeps', value_type => 'kept');
BEGIN;
SELECT produce('keeps', 'before', ROW(1, 2)::kept);
SAVEPOINT s;
ALTER TYPE kept DROP ATTRIBUTE b;
ALTER TYPE kept ADD ATTRIBUTE b text;
ROLLBACK TO s;
SELECT produce('keeps', 'after', ROW(3, 4)::kept);
COMMIT;
SELECT key, value FROM keeps;
-- a type that changes without a rewrite
CREATE TABLE plain (id int, note text, n oid);
SELECT create_topic('plains', value_type => 'plain');
SELECT try('ALTER TABLE plain ALTER note TYPE varchar'), try('ALTER TABLE plain ALTER n TYPE int');
-- tables and types that no topic uses
CREATE TABLE free (id int, note text);
CREATE TYPE free_type AS (a int, b text);
CREATE TYPE free_enum AS ENUM ('a');
ALTER TABLE free RENAME note TO n;
ALTER TABLE free ADD COLUMN r regclass, DROP COLUMN n;
ALTER TYPE free_type RENAME ATTRIBUTE a TO c;
ALTER TYPE free_type DROP ATTRIBUTE b;
ALTER TYPE free_enum RENAME VALUE 'a' TO 'b';

-- DROP ... CASCADE: from a value the attribute goes, from a key it may not, with the topic it may
CREATE TYPE part AS (i int);
CREATE TYPE in_value AS (p part, n int);
CREATE TYPE in_key AS (p part, n int);
SELECT create_topic('v', value_type => 'in_value'), create_topic('k', key_type => 'in_key');
SELECT produce('v', 'k', ROW(ROW(1), 2)::in_value);
SET client_min_messages = warning;
SELECT try('DROP TYPE part CASCADE');
SELECT drop_topic('k');
DROP TYPE part CASCADE;
RESET client_min_messages;
SELECT value FROM v;
SELECT value FROM read_topic('v');
CREATE SCHEMA gone;
CREATE TYPE gone.part AS (i int);
CREATE TYPE in_key2 AS (p gone.part, n int);
SELECT create_topic('gone.k', key_type => 'in_key2');
SET client_min_messages = warning;
DROP SCHEMA gone CASCADE;
RESET client_min_messages;

-- what else takes types along by CASCADE
CREATE TABLE base (a int PRIMARY KEY, b text, c text);
CREATE VIEW base_view AS SELECT a, b FROM base;
CREATE VIEW base_groups AS SELECT a, c, count(*) FROM base GROUP BY a;
CREATE TYPE in_base AS (a int, b int);
CREATE TABLE of_base (x in_base);
CREATE VIEW base_part AS SELECT (x).b FROM of_base;
SELECT create_topic('base_views', value_type => 'base_view'), create_topic('view_groups', key_type => 'base_groups'), create_topic('view_parts', value_type => 'base_part');
SELECT produce('base_views', 'k', ROW(1, 'x')::base_view);
SELECT stmt, try(stmt) FROM unnest('{ALTER TABLE base DROP COLUMN b CASCADE,ALTER TABLE base DROP CONSTRAINT base_pkey CASCADE,ALTER TYPE in_base DROP ATTRIBUTE b CASCADE}'::text[]) stmt;
SELECT value FROM base_views;
-- a topic that goes as well does not hide one that stays
CREATE SCHEMA goes;
CREATE TYPE goes.part AS (a int);
CREATE TYPE goes.part2 AS (a int);
SELECT create_topic('goes.first', value_type => 'goes.part'), create_topic('stays', value_type => 'goes.part');
SELECT create_topic('stays2', value_type => 'goes.part2'), create_topic('goes.last', value_type => 'goes.part2');
SET client_min_messages = warning;
SELECT try('DROP SCHEMA goes CASCADE');
SELECT drop_topic('stays2');
SELECT try('DROP SCHEMA goes CASCADE');
SELECT create_topic('stays2', value_type => 'goes.part2');
SELECT drop_topic('stays');
SELECT try('DROP SCHEMA goes CASCADE');
SELECT drop_topic('stays2');
DROP SCHEMA goes CASCADE;
RESET client_min_messages;

-- types that are not read back
SELECT t, try(format('SELECT create_topic(''refused'', value_type => %L)', t)), try(format('SELECT create_topic(''refused'', key_type => %L)', t)) LIKE '0A000: %key_type%' AS key
    FROM unnest('{regclass,regproc,regprocedure,regoper,regoperator,regtype,regconfig,regdictionary,regcollation,regclass[],aclitem,pg_catalog.pg_type,pg_node_tree,pg_ndistinct,pg_dependencies,pg_mcv_list,pg_brin_bloom_summary,pg_brin_minmax_multi_summary,gtsvector}'::text[]) t;
CREATE DOMAIN small AS int CHECK (value < 10);
CREATE TYPE of_domain AS RANGE (subtype = small);
CREATE TYPE of_rows AS RANGE (subtype = pair);
-- array_in() and record_in() run below a range of arrays, too
CREATE TYPE of_lists AS RANGE (subtype = pair[]);
CREATE TYPE of_smalls AS RANGE (subtype = small[], multirange_type_name = of_smalls_multi);
CREATE TYPE has_reg AS (a int, b regclass[]);
CREATE DOMAIN reg AS regclass;
SELECT t, try(format('SELECT create_topic(''refused'', value_type => %L)', t)) FROM unnest('{of_domain,of_rows,of_rows[],of_lists,of_smalls_multi,has_reg,has_reg[],reg}'::text[]) t;

-- what the end of the session drops would take the topic's column along
CREATE TYPE pg_temp.brief AS (a int);
CREATE TEMP TABLE brief_table (a int);
CREATE DOMAIN pg_temp.brief_domain AS int;
CREATE DOMAIN over_brief AS pg_temp.brief_domain;
CREATE TYPE of_brief AS RANGE (subtype = pg_temp.brief);
CREATE TYPE has_brief AS (a int, b pg_temp.brief[]);
SELECT t, try(format('SELECT create_topic(''refused'', value_type => %L)', t)) FROM unnest('{pg_temp.brief,pg_temp.brief[],brief_table,pg_temp.brief_domain,over_brief,of_brief,has_brief}'::text[]) t;
SELECT try('ALTER TYPE pair ADD ATTRIBUTE d pg_temp.brief');
DISCARD TEMP;

-- whoever drops or renames a role or a schema makes no event unreadable
CREATE ROLE regress_el_gone;
CREATE SCHEMA regress_el_gone;
CREATE TYPE role_names AS (r regrole, n regnamespace[]);
SELECT create_topic('roles', key_type => 'regrole', value_type => 'regnamespace'), create_topic('names', key_type => 'regrole[]', value_type => 'role_names');
SELECT produce('roles', 'regress_el_gone'::regrole, 'regress_el_gone'::regnamespace), produce('roles', 0::regrole, 123456::regnamespace),
	produce('names', ARRAY['regress_el_gone'::regrole, NULL], ROW('regress_el_gone', ARRAY['regress_el_gone'::regnamespace, 'pg_catalog'])::role_names);
SELECT key, value FROM roles;
SELECT key, value FROM names;
ALTER SCHEMA regress_el_gone RENAME TO regress_el_other;
DROP SCHEMA regress_el_other;
DROP ROLE regress_el_gone;
SELECT key, value FROM roles;
SELECT key, value FROM names;
SELECT convert_from(key, 'UTF8') AS key, convert_from(value, 'UTF8') AS value FROM consume_bytes('roles', 'names');
SELECT * FROM check_topic('roles') UNION ALL SELECT * FROM check_topic('names');
-- a name that was never there is an error where it is given
SELECT try($$SELECT produce('roles', 'regress_el_gone', NULL)$$), try($$SELECT produce('names', NULL, '{"r": "regress_el_gone"}')$$);

-- rows of a topic as a topic's key or value
CREATE TYPE inside AS (a int, b int);
SELECT create_topic('insides', value_type => 'inside');
SELECT create_topic('nested', key_type => 'text', value_type => 'insides');
SELECT produce('nested', 'k', ROW(0, 1, '2024-01-01', 'k', ROW(1, 2), '{}')::insides);
ALTER TYPE inside DROP ATTRIBUTE b;
SELECT try('ALTER TYPE inside ADD ATTRIBUTE b text');
SELECT create_topic('nested_key', key_type => 'insides');
SELECT try('ALTER TYPE inside DROP ATTRIBUTE a');

CREATE TABLE by_hand (partition int, event_offset bigint, event_time timestamptz, key text, value has_reg, headers jsonb) PARTITION BY LIST (partition);
CREATE TABLE by_hand_p0 PARTITION OF by_hand FOR VALUES IN (0) USING eventlog;
CREATE TABLE by_hand_p0 (partition int, event_offset bigint, event_time timestamptz, key text, value has_reg, headers jsonb) USING eventlog;
ALTER TABLE by_hand ATTACH PARTITION by_hand_p0 FOR VALUES IN (0);

--
-- The text form that rows had in version 1.0; other bytes that a writer may leave.  A dead letter topic is given bytes.
--
CREATE TYPE old_row AS (a int, b text, c pair[]);
SELECT create_topic('raw', value_type => 'text'), create_topic('raw_dlq', value_type => 'old_row'), create_topic('raws', value_type => 'text'), create_topic('raws_dlq', value_type => 'old_row[]');
SELECT produce('raw', NULL, v) FROM unnest(ARRAY['(1,"x ""y""","{""(1,\\""z\\"")"",NULL}")', '(,,)', ' { "c" : [ { "b" : 5 } ] , "later" : "7", "a" : 2 } ']) v;
SELECT produce('raws', NULL, v) FROM unnest(ARRAY['{"(1,x,)",NULL}', '[0:0]={"(2,,\"{\"\"(3,)\"\"}\")"}', '[{"a":3}, null]', '"[4:4]={\"{\\\"a\\\":4}\"}"', '{}', '[]']) v;
SELECT dead_letter('d', 'raw', 0, o, 'none') FROM generate_series(0, 2) o;
SELECT dead_letter('d', 'raws', 0, o, 'none') FROM generate_series(0, 5) o;
SELECT value FROM raw_dlq;
SELECT value FROM read_topic('raw_dlq');
SELECT value FROM raws_dlq;
SELECT value FROM read_topic('raws_dlq');
SELECT * FROM check_topic('raw_dlq') UNION ALL SELECT * FROM check_topic('raws_dlq');
ALTER TYPE old_row ADD ATTRIBUTE d int;
SELECT value FROM raw_dlq;
SELECT try('ALTER TYPE old_row DROP ATTRIBUTE a');
-- the old form may come behind the new one
SELECT drop_topic('raw_dlq'), drop_topic('raws_dlq'), create_topic('raw_dlq', value_type => 'old_row');
SELECT dead_letter('d', 'raw', 0, o, 'none') FROM unnest('{2,0}'::int[]) o;
SELECT try('ALTER TYPE old_row DROP ATTRIBUTE a');
SELECT count(*) FROM raw_dlq WHERE (value).a IS NOT NULL;

-- check_topic() names events whose bytes do not fit
CREATE TYPE bent AS ENUM ('a', 'b');
CREATE TYPE has_bent AS (e bent, n int);
SELECT create_topic('bents', 2, key_type => 'bent', value_type => 'has_bent');
SELECT count(produce('bents', CASE WHEN i % 3 = 0 THEN 'a'::bent ELSE 'b' END, ROW(CASE WHEN i % 2 = 0 THEN 'a' ELSE 'b' END, i)::has_bent, partition => 0)) FROM generate_series(1, 20) i;
SELECT produce('bents', 'a'::bent, NULL::has_bent, partition => 1);
SELECT * FROM check_topic('bents');
UPDATE pg_enum SET enumlabel = 'c' WHERE enumtypid = 'bent'::regtype AND enumlabel = 'a';
SELECT * FROM check_topic('bents');
-- the way out: what can be read goes on, and the rest as bytes
SELECT convert_from(key, 'UTF8') AS key, convert_from(value, 'UTF8') AS value FROM consume_bytes('rescue', 'bents', 3);

SET client_min_messages = warning;
DROP SCHEMA rowt, rowt2 CASCADE;
