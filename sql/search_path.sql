-- Names that somebody else put first in the search path: whatever eventlog
-- calls inside a superuser's session must be PostgreSQL's own.  Traps are laid
-- for every function, operator and common type of pg_catalog and for every
-- table and view that eventlog or its statements could mean; each one that
-- goes off says so and is counted.  None may.
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS eventlog;
RESET client_min_messages;

CREATE SCHEMA hj;
CREATE TABLE hj.other AS SELECT 1 AS id;
SELECT public.create_topic('hj.orders', 2, 'text', 'json', '{"retention": null}');    -- its events are old
SELECT public.create_topic('hj.numbers', 1, 'bigint', 'jsonb');
SELECT public.create_topic('hj.ids', 1, 'uuid', 'text');
SELECT public.create_topic('hj.kept', 1, 'text', 'json', '{"cleanup_policy": "compact,delete"}');
ALTER TABLE hj.orders ADD CHECK (key <> 'forbidden');

--
-- The traps
--
CREATE SCHEMA trap;
CREATE SEQUENCE trap.count;     -- not undone by a rollback
CREATE FUNCTION trap.spring(what text) RETURNS bool LANGUAGE plpgsql SET search_path = pg_catalog AS $$
BEGIN
    PERFORM nextval('trap.count');
    RAISE WARNING 'trap: %', what;
    RETURN true;
END $$;

SET client_min_messages = error;
-- every function that PL/pgSQL can stand in for, operators' functions included
SET search_path = pg_catalog;
DO $$
DECLARE
    f record;
    n int := 0;
BEGIN
    FOR f IN
        SELECT p.oid, p.proname, pg_get_function_arguments(p.oid) AS args, pg_get_function_result(p.oid) AS result, proretset
          FROM pg_proc p
         WHERE pronamespace = 'pg_catalog'::regnamespace AND prokind = 'f'
           AND prorettype NOT IN ('internal'::regtype, 'cstring'::regtype, 'trigger'::regtype, 'event_trigger'::regtype,
                                  'record'::regtype, 'language_handler'::regtype, 'index_am_handler'::regtype,
                                  'table_am_handler'::regtype, 'fdw_handler'::regtype, 'tsm_handler'::regtype, '"any"'::regtype)
           AND NOT proargtypes::oid[] && ARRAY['internal'::regtype, 'cstring'::regtype, '"any"'::regtype]::oid[]
           AND pg_get_function_arguments(p.oid) !~ 'OUT |"any"'
    LOOP
        BEGIN
            EXECUTE format('CREATE FUNCTION trap.%I(%s) RETURNS %s LANGUAGE plpgsql AS %L', f.proname, f.args, f.result,
                           format('BEGIN PERFORM trap.spring(%L); %s; END', 'function ' || f.proname,
                                  CASE WHEN f.proretset OR f.result = 'void' THEN 'RETURN' ELSE 'RETURN NULL' END));
            n := n + 1;
        EXCEPTION WHEN OTHERS THEN
            NULL;       -- a pseudo-type that PL/pgSQL has not
        END;
    END LOOP;
    IF n < 2000 THEN
        RAISE EXCEPTION 'only % traps for functions', n;
    END IF;
END $$;
-- of the types that eventlog's statements have, every operator by every two of them
DO $$
DECLARE
    types text[] := '{text,int4,int8,bool,json,jsonb,uuid,bytea,name,oid,xid,xid8,timestamptz,interval,regclass,regrole,regtype,"text[]"}';
    l text;
    r text;
    op text;
BEGIN
    FOREACH l IN ARRAY types LOOP
        FOREACH r IN ARRAY types LOOP
            EXECUTE format('CREATE FUNCTION trap.operator(%s, %s) RETURNS bool LANGUAGE plpgsql AS %L', l, r,
                           format('BEGIN RETURN trap.spring(%L); END', format('operator on %s, %s', l, r)));
            FOREACH op IN ARRAY '{=,<>,<,<=,>,>=,||,+,-,*,/,~,~~,!~,@>,<@,?,->,->>,#>,&&}'::text[] LOOP
                EXECUTE format('CREATE OPERATOR trap.%s (FUNCTION = trap.operator, LEFTARG = %s, RIGHTARG = %s)', op, l, r);
            END LOOP;
        END LOOP;
    END LOOP;
END $$;
-- what takes any arguments, aggregates
DO $$
DECLARE
    f text;
    t text;
BEGIN
    FOREACH f IN ARRAY '{jsonb_build_object,json_build_object,jsonb_build_array,concat,format,to_json,to_jsonb,row_to_json}'::text[] LOOP
        EXECUTE format('CREATE FUNCTION trap.%I(VARIADIC text[]) RETURNS jsonb LANGUAGE plpgsql AS %L', f,
                       format('BEGIN PERFORM trap.spring(%L); RETURN NULL; END', 'function ' || f));
        EXECUTE format('CREATE FUNCTION trap.%I(text, text, text, int8) RETURNS jsonb LANGUAGE plpgsql AS %L', f,
                       format('BEGIN PERFORM trap.spring(%L); RETURN NULL; END', 'function ' || f));
    END LOOP;
    CREATE FUNCTION trap.step(bigint, anyelement) RETURNS bigint LANGUAGE plpgsql AS
        'BEGIN PERFORM trap.spring(''aggregate''); RETURN 0; END';
    CREATE FUNCTION trap.step(bigint) RETURNS bigint LANGUAGE plpgsql AS
        'BEGIN PERFORM trap.spring(''aggregate''); RETURN 0; END';
    CREATE AGGREGATE trap.count(*) (SFUNC = trap.step, STYPE = bigint, INITCOND = '0');
    FOREACH f IN ARRAY '{count,min,max,sum,array_agg,json_agg,jsonb_agg,string_agg}'::text[] LOOP
        EXECUTE format('CREATE AGGREGATE trap.%I(anyelement) (SFUNC = trap.step, STYPE = bigint, INITCOND = ''0'')', f);
    END LOOP;
END $$;
-- casts from and to a type of theirs: nobody but a type's owner can make others
CREATE TYPE trap.mood AS ENUM ('sad', 'ok');
DO $$
DECLARE
    t text;
BEGIN
    FOREACH t IN ARRAY '{text,int8,json,jsonb,uuid,bytea,regtype,regclass}'::text[] LOOP
        EXECUTE format('CREATE FUNCTION trap.to_mood(pg_catalog.%I) RETURNS trap.mood LANGUAGE plpgsql AS %L', t,
                       format('BEGIN PERFORM trap.spring(%L); RETURN NULL; END', 'cast from ' || t));
        EXECUTE format('CREATE FUNCTION trap.from_mood_%s(trap.mood) RETURNS pg_catalog.%I LANGUAGE plpgsql AS %L', t, t,
                       format('BEGIN PERFORM trap.spring(%L); RETURN NULL; END', 'cast to ' || t));
        EXECUTE format('CREATE CAST (pg_catalog.%I AS trap.mood) WITH FUNCTION trap.to_mood(pg_catalog.%I) AS IMPLICIT', t, t);
        EXECUTE format('CREATE CAST (trap.mood AS pg_catalog.%I) WITH FUNCTION trap.from_mood_%s(trap.mood) AS IMPLICIT', t, t);
    END LOOP;
END $$;
-- eventlog's functions by the same names and other arguments, beside the real ones
DO $$
DECLARE
    f record;
BEGIN
    FOR f IN SELECT DISTINCT proname, pg_get_function_identity_arguments(p.oid) AS args
               FROM pg_proc p JOIN pg_depend d ON d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'e'
               JOIN pg_extension e ON d.refclassid = 'pg_extension'::regclass AND d.refobjid = e.oid AND e.extname = 'eventlog'
              WHERE pronamespace = 'public'::regnamespace AND prokind = 'f' AND proretset = false
                AND pg_get_function_identity_arguments(p.oid) !~ '"any"|anyelement'
    LOOP
        EXECUTE format('CREATE FUNCTION trap.%I(%s) RETURNS int LANGUAGE plpgsql AS %L', f.proname, f.args,
                       format('BEGIN PERFORM trap.spring(%L); RETURN NULL; END', 'function ' || f.proname));
    END LOOP;
END $$;
-- a better match for untyped literals than the real one, in its own schema
CREATE FUNCTION public.create_topic(text, bigint, text, text, jsonb, bool) RETURNS regclass LANGUAGE plpgsql AS
    'BEGIN PERFORM trap.spring(''function public.create_topic''); RETURN NULL; END';
-- tables and views: eventlog's own, the catalogs it looks into, its topics' partitions
CREATE FUNCTION trap.on_change() RETURNS trigger LANGUAGE plpgsql AS
    'BEGIN PERFORM trap.spring(TG_TABLE_NAME); RETURN NEW; END';
DO $$
DECLARE
    r record;
    name text;
BEGIN
    FOR r IN SELECT oid, relname FROM pg_class
              WHERE relnamespace = '_eventlog'::regnamespace AND relkind IN ('r', 'p')
                 OR relname IN ('eventlog_topics', 'eventlog_partitions', 'eventlog_groups', 'eventlog_members', 'eventlog_lag')
                 OR relname IN ('orders_p0', 'orders_p1', 'orders_default', 'numbers_p0', 'ids_p0') AND relnamespace = 'hj'::regnamespace
                 OR relname IN ('pg_class', 'pg_namespace', 'pg_type', 'pg_proc', 'pg_seclabel', 'pg_extension',
                                'pg_prepared_xacts', 'pg_stat_activity', 'pg_roles') AND relnamespace = 'pg_catalog'::regnamespace
    LOOP
        EXECUTE format('CREATE TABLE trap.%I AS SELECT * FROM %s WITH NO DATA', r.relname, r.oid::regclass);
        EXECUTE format('CREATE TRIGGER t BEFORE INSERT OR UPDATE OR DELETE ON trap.%I FOR EACH STATEMENT EXECUTE FUNCTION trap.on_change()', r.relname);
        -- who reads it, were it empty
        EXECUTE format('CREATE VIEW pg_temp.%I AS SELECT trap.spring(%L) AS sprung, r.* FROM (SELECT 1) AS one LEFT JOIN %s r ON true',
                       r.relname, 'view ' || r.relname, r.oid::regclass);
    END LOOP;
    FOREACH name IN ARRAY '{pg_stat_get_activity,eventlog_event,eventlog_event_bytes,handler,log_floor_pkey}'::text[] LOOP
        EXECUTE format('CREATE VIEW pg_temp.%I AS SELECT trap.spring(%L) AS sprung', name, 'view ' || name);
    END LOOP;
END $$;
-- types, in a schema and in pg_temp, which is searched for types before pg_catalog
DO $$
DECLARE
    t text;
BEGIN
    FOREACH t IN ARRAY '{text,int4,int8,bool,json,jsonb,uuid,bytea,name,oid,xid,timestamptz,interval,regclass,regrole,regtype,varchar}'::text[] LOOP
        EXECUTE format('CREATE DOMAIN trap.%I AS pg_catalog.%I CHECK (trap.spring(%L))', t, t, 'type ' || t);
        EXECUTE format('CREATE DOMAIN pg_temp.%I AS pg_catalog.%I CHECK (trap.spring(%L))', t, t, 'type pg_temp.' || t);
    END LOOP;
END $$;
RESET client_min_messages;

--
-- The traps work
--
SET track_functions = 'all';
SET search_path = pg_temp, trap, pg_catalog, public;
SELECT now();
SELECT 'a'::pg_catalog.text = 'a'::pg_catalog.text;
SELECT 1::pg_catalog.int8 || 1::pg_catalog.int8;
SELECT count(*) FROM hj.other;
SELECT to_json(1::pg_catalog.int4);
SELECT jsonb_build_object('a', NULL, 'b', 1::pg_catalog.int8);
SELECT 'x'::text;
SELECT 'a'::trap.text;
SELECT sprung FROM groups;
INSERT INTO trap.groups DEFAULT VALUES;
DELETE FROM trap.log_floor;
SELECT pg_catalog.upper('ok'::trap.mood);
SELECT create_topic('hj.x', 1, 'text', 'json', '{}', true);
SELECT create_group('x', '{}', false);
SELECT is_called AS sprung FROM trap.count;
SELECT pg_catalog.setval('trap.count', 1, false);

--
-- Everything that eventlog has, with them in front
--
SELECT public.create_topic('hj.more'::pg_catalog.text, 1::pg_catalog.int8, 'pg_catalog.text'::pg_catalog.regtype,
                           'pg_catalog.json'::pg_catalog.regtype, '{"retention": "1 day", "retention_bytes": "64 MB"}'::pg_catalog.jsonb, true);
SELECT public.create_topic('hj.more'::pg_catalog.text, 1::pg_catalog.int8, 'pg_catalog.text'::pg_catalog.regtype,
                           'pg_catalog.json'::pg_catalog.regtype, '{}'::pg_catalog.jsonb, true);
SELECT public.alter_topic('hj.more', '{"partitions": 2, "retention": "2 days"}');
SELECT public.drop_topic('hj.more');

SELECT public.produce('hj.orders', 'a', '{"n": 1}', '{"h": "x"}', 0, '2024-01-01 00:00+00');
SELECT public.produce('hj.orders', 1, 2.5, partition => 1);
SELECT public.produce('hj.orders', 'a', ROW(1, 2), partition => 1);
\set VERBOSITY terse
SELECT public.produce('hj.orders', 'forbidden', '1');
\set VERBOSITY default
SELECT public.produce('hj.numbers', 7::pg_catalog.int8, '{"n": 1}'::pg_catalog.jsonb);
SELECT public.produce('hj.numbers', '8', '{"n": 2}');
SELECT public.produce('hj.ids', '00000000-0000-0000-0000-000000000001'::pg_catalog.uuid, 'x'::pg_catalog.varchar);
SELECT public.produce('hj.ids', '00000000-0000-0000-0000-000000000002', 'y');
SELECT public.produce_batch('hj.orders', '[{"key": "b", "value": {"n": 2}, "partition": 0, "event_time": "2024-01-02 00:00+00", "headers": {"a": "b"}}]');
SELECT public.produce_batch('hj.orders', '[]'::pg_catalog.json);
SELECT public.produce_batch('hj.orders', '[]'::pg_catalog.jsonb);
SELECT public.produce_batch('hj.orders', '{c,d}', '{1,2}');
SELECT public.produce_batch('hj.orders', '[]', 'app', 1), public.produce_batch('hj.orders', '[]'::pg_catalog.json, 'app', 2),
  public.produce_batch('hj.orders', '[]'::pg_catalog.jsonb, 'app', 3), public.produce_batch('hj.orders', '{}', '{}', 'app', 4);
INSERT INTO hj.orders (key, value) VALUES ('e', '5');
INSERT INTO hj.numbers (key, value) VALUES (9, '5') RETURNING partition, event_offset;
COPY hj.orders (partition, key, value) FROM stdin;
0	f	6
\.
BEGIN;
SELECT public.produce('hj.orders', 'g', '7', partition => 0);
SELECT partition FROM public.flush();
COMMIT;

-- for eventlog-broker
SELECT _eventlog.broker_interface();
SELECT topic_id AS id FROM _eventlog.broker_topics('{hj}', '{orders}') \gset
SELECT name, partitions, sqlstate FROM _eventlog.broker_topics('{hj}') WHERE topic_id OPERATOR(pg_catalog.=) :'id'::pg_catalog.uuid;
SELECT _eventlog.broker_create_topic('new.one', '{hj}', 1, 'pg_catalog.bytea');
BEGIN;
SELECT sqlstate, message FROM _eventlog.broker_append(ARRAY[:'id']::pg_catalog.uuid[], '{0}', ARRAY['\x000000000000000000000041ffffffff02900997510000000000000000018cc77850000000018cc7785000ffffffffffffffffffffffffffff000000011e0000000277107b226e223a20387d00']::pg_catalog.bytea[], 'local');
ROLLBACK;
SELECT sqlstate, log_start FROM _eventlog.broker_fetch(ARRAY[:'id']::pg_catalog.uuid[], '{0}', '{0}', '{10000}', 10000);
SELECT sqlstate, event_offset FROM _eventlog.broker_list_offsets(ARRAY[:'id']::pg_catalog.uuid[], '{0}', '{0}');
SELECT sqlstate, leader_epoch FROM _eventlog.broker_epoch_end(ARRAY[:'id']::pg_catalog.uuid[], '{0}', '{100}');

SELECT key, value FROM public.read_topic('hj.orders', 0) WHERE partition OPERATOR(pg_catalog.=) 0 AND event_offset OPERATOR(pg_catalog.<) 2;
SELECT pg_catalog.count(*) FROM public.read_topic('hj.numbers');
SELECT pg_catalog.count(*) FROM public.read_topic('hj.ids');
SELECT pg_catalog.count(*) FROM hj.orders;
SELECT public.produce_batch('hj.kept', '{a,b,a}', '{1,2,3}');
SELECT key, value FROM public.latest('hj.kept') ORDER BY key;
SELECT public.apply_retention('hj.kept') IS NOT NULL AS applied;
SELECT public.apply_retention('hj.orders') IS NOT NULL AS applied;

SELECT public.create_group('hj', '{"start_from": "earliest", "session_timeout": "30 s"}');
SELECT public.create_group('hj', if_not_exists => true);
SELECT public.alter_group('hj', '{"on_lost": "latest", "max_poll_interval": "10 min"}');
SELECT public.grant_group('hj', 'pg_monitor');
SELECT public.revoke_group('hj', 'pg_monitor');
BEGIN;
SELECT key FROM public.consume('hj', 'hj.orders', 1);
SELECT public.commit('hj');
COMMIT;
SELECT pg_catalog.count(*) FROM public.consume_bytes('hj', 'hj.numbers', commit => true);
SELECT pg_catalog.count(*) FROM public.consume_as(NULL::hj.ids, 'hj', commit => true, wait => '10 ms');
SELECT pg_catalog.count(*) FROM public.consume('hj', min_age => '1 day', max_bytes => 100);
BEGIN;
SELECT pg_catalog.count(*) FROM public.claim('hj_claims', 'hj.orders');
-- seen from inside, with a transaction that holds and one that blocks
SELECT public.produce('hj.orders', 'h', '8', partition => 1);
SELECT pg_catalog.count(*) FROM public.flush();
SELECT pg_catalog.count(*) FROM public.eventlog_partitions WHERE blocked_since IS NOT NULL;
SELECT pg_catalog.count(*) FROM public.eventlog_lag WHERE blocked_by_pid IS NOT NULL;
COMMIT;
BEGIN;
SELECT public.produce('hj.orders', 'h', '8', partition => 1);
PREPARE TRANSACTION 'hj';
SELECT blocked_by_gid FROM public.eventlog_partitions WHERE blocked_by_gid IS NOT NULL;
ROLLBACK PREPARED 'hj';
SELECT public.leave_group('hj');
SELECT pg_catalog.left(public.join_group('hj', '{hj.orders,hj.numbers}', 'worker'), 7);
SELECT public.heartbeat('hj', 'worker') IS NOT NULL AS beat;
SELECT pg_catalog.count(*) FROM public.consume('hj', 'hj.orders', member => 'worker');
SELECT public.commit('hj', 'hj.orders', 0, 2, 'worker');
SELECT public.commit('hj', 'worker');
SELECT public.join_group('hj', '{hj.orders}') IS NOT NULL AS joined;
CALL public.wait_for_events('hj', '1 ms');
CALL public.wait_for_any('{hj,hj_claims}', '1 ms');
SELECT public.leave_group('hj', 'worker');
SELECT public.leave_group('hj');
SELECT public.seek('hj', 'hj.orders', 0, 1);
SELECT public.reset_group('hj', 'hj.orders', 'earliest');
SELECT public.reset_group('hj', 'hj.orders', '2024-01-01');
SELECT public.dead_letter('hj', 'hj.orders', 0, 0, 'bad');
SELECT public.dead_letter('hj', 'hj.orders', 0, 0, 'bad', 'hj.orders_dlq');
SELECT key_type::pg_catalog.oid OPERATOR(pg_catalog.=) 17 AS key_is_bytea, value_type::pg_catalog.oid OPERATOR(pg_catalog.=) 17 AS value_is_bytea
  FROM public.eventlog_topics WHERE topic::pg_catalog.oid OPERATOR(pg_catalog.=) 'hj.orders_dlq'::pg_catalog.regclass::pg_catalog.oid;
SELECT pg_catalog.count(*) FROM public.read_topic('hj.orders_dlq');

SELECT pg_catalog.count(*) OPERATOR(pg_catalog.>) 0 FROM public.eventlog_topics;
SELECT pg_catalog.count(*) OPERATOR(pg_catalog.>) 0 FROM public.eventlog_partitions;
SELECT pg_catalog.count(*) OPERATOR(pg_catalog.>) 0 FROM public.eventlog_groups;
SELECT pg_catalog.count(*) OPERATOR(pg_catalog.>=) 0 FROM public.eventlog_members;
SELECT pg_catalog.count(*) OPERATOR(pg_catalog.>) 0 FROM public.eventlog_lag;
SELECT slots OPERATOR(pg_catalog.>) in_use FROM _eventlog.group_memory();
SELECT * FROM public.check_topic('hj.orders');
SELECT public.delete_events_before('hj.orders', 0, 1);
TRUNCATE hj.orders;
INSERT INTO _eventlog.log_floor (topic, partition, log_end) VALUES ('00000000-0000-4000-8000-000000000000', 0, 1);
DELETE FROM _eventlog.log_floor WHERE topic::pg_catalog.text OPERATOR(pg_catalog.=) '00000000-0000-4000-8000-000000000000';
VACUUM hj.orders, hj.numbers;
ALTER TABLE hj.numbers RENAME TO figures;
ALTER TABLE hj.figures SET SCHEMA public;
UPDATE hj.orders SET key = NULL;
SELECT public.drop_group('hj');
DROP TABLE hj.orders_dlq;

-- no trap went off
SELECT is_called AS sprung FROM trap.count;

RESET search_path;
-- what was not called above by the executor: the table access method's handler, the functions of a type, and what
-- does not return
DISCARD TEMP;
SELECT pg_stat_force_next_flush();
SELECT p.oid::regprocedure
  FROM pg_proc p JOIN pg_depend d ON d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'e'
  JOIN pg_extension e ON d.refclassid = 'pg_extension'::regclass AND d.refobjid = e.oid AND e.extname = 'eventlog'
  LEFT JOIN pg_stat_user_functions s ON s.funcid = p.oid
 WHERE s.funcid IS NULL ORDER BY p.proname;

SET client_min_messages = warning;
DROP FUNCTION public.create_topic(text, bigint, text, text, jsonb, bool);
DROP SCHEMA trap, hj CASCADE;
DROP TABLE public.figures;
