-- Who may do what: every operation by every kind of role, each cell ok or the
-- SQLSTATE.  A role that was given nothing gets nothing and sees no name.
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS eventlog;
\set SHOW_CONTEXT never
DO $$
DECLARE
    r text;
BEGIN
    FOREACH r IN ARRAY '{own,mate,ins,sel,both,col,grp,sub,grp0,mon,pub}'::text[] LOOP
        EXECUTE format('DROP ROLE IF EXISTS regress_el_%s', r);
        EXECUTE format('CREATE ROLE regress_el_%s', r);
    END LOOP;
END $$;
RESET client_min_messages;

-- own owns topic and groups, mate is a member of it; ins, sel, both have INSERT, SELECT, both on the topic; col
-- has them on columns; grp was granted the groups and SELECT, sub is a member of it; grp0 was granted the groups
-- alone; mon is a member of pg_monitor; pub has nothing; sup is superuser
CREATE SCHEMA priv;
CREATE SCHEMA priv_open;
CREATE SCHEMA priv_hidden;
GRANT USAGE ON SCHEMA priv TO PUBLIC;
GRANT CREATE ON SCHEMA priv TO regress_el_own;
GRANT USAGE, CREATE ON SCHEMA priv_open TO PUBLIC;
GRANT regress_el_own TO regress_el_mate;
GRANT regress_el_grp TO regress_el_sub;
GRANT pg_monitor TO regress_el_mon;
SELECT create_topic('priv.orders', 2);
SELECT create_topic('priv_hidden.orders');
GRANT ALL ON priv_hidden.orders TO regress_el_both;
SELECT create_topic('priv.letters', 2, 'bytea', 'bytea');
ALTER TABLE priv.orders OWNER TO regress_el_own;
GRANT INSERT ON priv.orders TO regress_el_ins, regress_el_both;
GRANT SELECT ON priv.orders TO regress_el_sel, regress_el_both, regress_el_grp;
GRANT SELECT (key), INSERT (key, value) ON priv.orders TO regress_el_col;
GRANT INSERT ON priv.letters TO regress_el_sel, regress_el_ins, regress_el_grp;
SELECT count(produce('priv.orders', i::text, i::text, partition => i % 2)) FROM generate_series(1, 10) i;

-- priv_made, priv_claimed, priv_unused: made by own; priv_free, priv_claims: used, but made by nobody
SET ROLE regress_el_own;
SELECT create_group('priv_made');
SELECT create_group('priv_claimed');
SELECT create_group('priv_unused');
SELECT grant_group(g, r) FROM unnest('{priv_made,priv_claimed,priv_unused}'::text[]) g,
       unnest('{regress_el_grp,regress_el_grp0}'::regrole[]) r;
SELECT count(*) FROM consume('priv_made', 'priv.orders', commit => true, max_events => 2);
SELECT leave_group('priv_made');
SELECT count(*) FROM claim('priv_claimed', 'priv.orders', 2);
RESET ROLE;
SELECT count(*) FROM consume('priv_free', 'priv.orders', commit => true, max_events => 2);
SELECT leave_group('priv_free');

-- who has no right to give says GRANT with a warning and to no effect
CREATE FUNCTION priv.grant_on() RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    GRANT SELECT ON priv.orders TO regress_el_pub;
    RETURN CASE WHEN has_table_privilege('regress_el_pub', 'priv.orders', 'SELECT') THEN 'ok' ELSE 'void' END;
END $$;

-- offsets once appended are never used again
CREATE SEQUENCE priv.next_offset START 100 INCREMENT 100;
GRANT USAGE ON SEQUENCE priv.next_offset TO PUBLIC;

-- shows: the statement's value is the cell; before: what the superuser does first
CREATE TABLE priv.operation (n serial, part text, name text, statement text, shows bool DEFAULT false, before text);
INSERT INTO priv.operation (part, name, statement) VALUES
('topics', 'create_topic, schema without CREATE', $$SELECT create_topic('priv.mine')$$),
('topics', 'create_topic, schema with CREATE', $$SELECT create_topic('priv_open.mine')$$),
('topics', 'create_topic, the name is taken', $$SELECT create_topic('priv.orders', if_not_exists => true)$$),
('topics', 'alter_topic', $$SELECT alter_topic('priv.orders', '{"retention": "1 day"}')$$),
('topics', 'alter_topic, partitions', $$SELECT alter_topic('priv.orders', '{"partitions": 3}')$$),
('topics', 'drop_topic', $$SELECT drop_topic('priv.orders')$$),
('topics', 'DROP TABLE', $$DROP TABLE priv.orders$$),
('topics', 'delete_events_before', $$SELECT delete_events_before('priv.orders', 1, 0)$$),
('topics', 'apply_retention', $$SELECT apply_retention('priv.orders')$$),
('topics', 'check_topic', $$SELECT check_topic('priv.orders')$$),
('topics', 'TRUNCATE', $$TRUNCATE priv.orders$$),
('topics', 'TRUNCATE a partition', $$TRUNCATE priv.orders_p0$$),
('topics', 'ALTER TABLE ADD CHECK', $$ALTER TABLE priv.orders ADD CHECK (key <> 'x')$$),
('topics', 'ALTER TABLE RENAME', $$ALTER TABLE priv.orders RENAME TO renamed$$),
('topics', 'ALTER TABLE OWNER', $$ALTER TABLE priv.orders OWNER TO CURRENT_USER$$),
('topics', 'ALTER TABLE SET SCHEMA', $$ALTER TABLE priv.orders SET SCHEMA priv_open$$),
('topics', 'COMMENT', $$COMMENT ON TABLE priv.orders IS 'x'$$),
('topics', 'SECURITY LABEL', $$SECURITY LABEL FOR eventlog ON TABLE priv.orders IS NULL$$),
('produce', 'produce', $$SELECT produce('priv.orders', 'a', '1')$$),
('produce', 'produce, typed', $$SELECT produce('priv.orders', 1, 2.5)$$),
('produce', 'produce_batch, text', $$SELECT produce_batch('priv.orders', '[{"key": "a", "value": 1}]')$$),
('produce', 'produce_batch, jsonb', $$SELECT produce_batch('priv.orders', '[{"key": "a", "value": 1}]'::jsonb)$$),
('produce', 'produce_batch, arrays', $$SELECT produce_batch('priv.orders', '{a}', '{1}')$$),
('produce', 'produce_batch of nothing', $$SELECT produce_batch('priv.orders', '[]')$$),
('produce', 'INSERT (key, value)', $$INSERT INTO priv.orders (key, value) VALUES ('a', '1')$$),
('produce', 'INSERT with headers', $$INSERT INTO priv.orders (key, value, headers) VALUES ('a', '1', '{}')$$),
('produce', 'INSERT RETURNING event_offset', $$INSERT INTO priv.orders (key, value) VALUES ('a', '1') RETURNING event_offset$$),
('produce', 'INSERT with event_offset', $$INSERT INTO priv.orders (partition, event_offset, key, value) VALUES (0, nextval('priv.next_offset'), 'a', '1')$$),
('produce', 'INSERT into a partition', $$INSERT INTO priv.orders_p0 (partition, key, value) VALUES (0, 'a', '1')$$),
('produce', 'INSERT into the DEFAULT partition', $$INSERT INTO priv.orders_default (key, value) VALUES ('a', '1')$$),
('produce', 'produce to a partition', $$SELECT produce('priv.orders_p0', 'a', '1')$$),
('produce', 'flush', $$SELECT flush()$$),
('read', 'read_topic', $$SELECT read_topic('priv.orders')$$),
('read', 'read_topic at the end', $$SELECT read_topic('priv.orders', 0, 1000)$$),
('read', 'latest', $$SELECT latest('priv.orders')$$),
('read', 'read_topic, schema without USAGE', $$SELECT read_topic('priv_hidden.orders')$$),
('read', 'SELECT *', $$SELECT * FROM priv.orders$$),
('read', 'SELECT key', $$SELECT key FROM priv.orders$$),
('read', 'SELECT from a partition', $$SELECT * FROM priv.orders_p0$$),
('read', 'UPDATE', $$UPDATE priv.orders SET key = 'a'$$),
('read', 'DELETE', $$DELETE FROM priv.orders$$),
('consume', 'consume', $$SELECT consume('priv_made', 'priv.orders')$$),
('consume', 'consume, commit', $$SELECT consume('priv_made', 'priv.orders', commit => true)$$),
('consume', 'consume; commit', $$SELECT consume('priv_made', 'priv.orders'); SELECT commit('priv_made')$$),
('consume', 'consume_bytes', $$SELECT consume_bytes('priv_made', 'priv.orders')$$),
('consume', 'consume_as', $$SELECT consume_as(NULL::priv.orders, 'priv_made')$$),
('consume', 'claim', $$SELECT claim('priv_claimed', 'priv.orders')$$),
('consume', 'join_group', $$SELECT join_group('priv_made', '{priv.orders}')$$),
('consume', 'dead_letter', $$SELECT dead_letter('priv_made', 'priv.orders', 0, 0, 'bad', 'priv.letters')$$),
('consume', 'dead_letter, topic to be made', $$SELECT dead_letter('priv_made', 'priv.orders', 0, 0, 'bad')$$),
('consume', 'seek', $$SELECT seek('priv_made', 'priv.orders', 0, 1)$$),
('consume', 'reset_group', $$SELECT reset_group('priv_made', 'priv.orders', 'earliest')$$),
('consume in a group nobody made', 'consume', $$SELECT consume('priv_free', 'priv.orders')$$),
('consume in a group nobody made', 'consume; commit', $$SELECT consume('priv_free', 'priv.orders'); SELECT commit('priv_free')$$),
('consume in a group nobody made', 'consume_as', $$SELECT consume_as(NULL::priv.orders, 'priv_free')$$),
('consume in a group nobody made', 'claim', $$SELECT claim('priv_claims', 'priv.orders')$$),
('consume in a group nobody made', 'join_group', $$SELECT join_group('priv_free', '{priv.orders}')$$),
('consume in a group nobody made', 'dead_letter', $$SELECT dead_letter('priv_free', 'priv.orders', 0, 0, 'bad', 'priv.letters')$$),
('consume in a group nobody made', 'dead_letter, topic to be made', $$SELECT dead_letter('priv_free', 'priv.orders', 0, 0, 'bad')$$),
('consume in a group nobody made', 'seek', $$SELECT seek('priv_free', 'priv.orders', 0, 1)$$),
('consume in a group nobody made', 'reset_group', $$SELECT reset_group('priv_free', 'priv.orders', 'earliest')$$),
('groups', 'create_group', $$SELECT create_group('priv_new')$$),
('groups', 'create_group of one in use', $$SELECT create_group('priv_free')$$),
('groups', 'create_group of one that is made', $$SELECT create_group('priv_made')$$),
('groups', 'alter_group', $$SELECT alter_group('priv_made', '{"on_lost": "latest"}')$$),
('groups', 'drop_group', $$SELECT drop_group('priv_made')$$),
('groups', 'grant_group', $$SELECT grant_group('priv_made', 'regress_el_pub')$$),
('groups', 'revoke_group', $$SELECT revoke_group('priv_made', 'regress_el_grp')$$),
('groups', 'alter_group, nobody made it', $$SELECT alter_group('priv_free', '{}')$$),
('groups', 'drop_group, nobody made it', $$SELECT drop_group('priv_free')$$),
('groups', 'grant_group, nobody made it', $$SELECT grant_group('priv_free', 'regress_el_pub')$$);
-- by the name of a member that somebody else is; in a session that somebody else's role made a member
INSERT INTO priv.operation (part, name, statement, before)
SELECT p, name, format(statement, g), format(before, g)
  FROM (VALUES ('consume', 'priv_made'), ('consume in a group nobody made', 'priv_free')) AS a (p, g), (VALUES
       ('consume for worker', $$SELECT consume(%L, member => 'worker')$$, $$SELECT join_group(%L, '{priv.orders}', 'worker')$$),
       ('commit for worker', $$SELECT commit(%L, 'worker')$$, $$SELECT join_group(%L, '{priv.orders}', 'worker')$$),
       ('heartbeat for worker', $$SELECT heartbeat(%L, 'worker')$$, $$SELECT join_group(%L, '{priv.orders}', 'worker')$$),
       ('leave_group for worker', $$SELECT leave_group(%L, 'worker')$$, $$SELECT join_group(%L, '{priv.orders}', 'worker')$$),
       ('consume, the session is member', $$SELECT consume(%L)$$, $$SELECT join_group(%L, '{priv.orders}')$$))
       AS s (name, statement, before);
-- what is seen
INSERT INTO priv.operation (part, name, statement, shows, before) VALUES
('topics', 'GRANT', $$SELECT priv.grant_on()$$, true, NULL),
('views', 'eventlog_topics', $$SELECT count(*) FROM eventlog_topics WHERE topic::text LIKE 'priv%'$$, true, NULL),
('views', 'eventlog_partitions', $$SELECT count(*) FROM eventlog_partitions WHERE topic::text LIKE 'priv%'$$, true, NULL),
('views', 'eventlog_groups', $$SELECT count(*) FROM eventlog_groups WHERE group_name LIKE 'priv%'$$, true, NULL),
('views', 'eventlog_groups, topics of priv_made', $$SELECT sum(cardinality(topics)) FROM eventlog_groups WHERE group_name = 'priv_made'$$, true, NULL),
('views', 'eventlog_members', $$SELECT count(*) FROM eventlog_members WHERE group_name LIKE 'priv%'$$, true,
 $$SELECT join_group(g, '{priv.orders}', 'worker') FROM unnest('{priv_made,priv_free}'::text[]) g$$),
('views', 'eventlog_members, topics of priv_made', $$SELECT sum(cardinality(topics)) FROM eventlog_members WHERE group_name = 'priv_made'$$, true,
 $$SELECT join_group('priv_made', '{priv.orders}', 'worker')$$),
('views', 'eventlog_lag', $$SELECT count(*) FROM eventlog_lag WHERE group_name LIKE 'priv%'$$, true, NULL);
-- what is internal
INSERT INTO priv.operation (part, name, statement)
SELECT 'internal tables', verb || ' ' || c.relname, format(statement, c.oid::regclass, quote_ident(a.attname))
  FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = 1,
       (VALUES (1, 'SELECT', 'SELECT * FROM %1$s'), (2, 'INSERT', 'INSERT INTO %1$s DEFAULT VALUES'),
               (3, 'UPDATE', 'UPDATE %1$s SET %2$s = %2$s'), (4, 'DELETE', 'DELETE FROM %1$s'),
               (5, 'TRUNCATE', 'TRUNCATE %1$s CASCADE'), (6, 'DROP', 'DROP TABLE %1$s CASCADE')) AS v (n, verb, statement)
 WHERE c.relnamespace = '_eventlog'::regnamespace AND c.relkind IN ('r', 'p')
 ORDER BY c.relname, v.n;
INSERT INTO priv.operation (part, name, statement)
SELECT 'internal functions', p.proname, format('%s %s.%I(%s)', CASE prokind WHEN 'p' THEN 'CALL' ELSE 'SELECT' END, '_eventlog', p.proname,
       CASE WHEN pronargs > 0 THEN 'NULL' ELSE '' END)
  FROM pg_proc p WHERE pronamespace = '_eventlog'::regnamespace AND NOT 'internal'::regtype = ANY (p.proargtypes)
   AND (p.proname !~ '^broker_' OR pronargs = 0) ORDER BY p.proname;
-- eventlog-broker's functions tell what is refused by row
CREATE FUNCTION priv.must(sqlstate text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    IF sqlstate IS NOT NULL THEN
        RAISE EXCEPTION USING ERRCODE = sqlstate;
    END IF;
    RETURN 'done';
END $$;
SELECT topic_id AS id FROM _eventlog.broker_topics('{priv}', '{orders}') \gset
SELECT topic_id AS hidden_id FROM _eventlog.broker_topics('{priv_hidden}', '{orders}') \gset
INSERT INTO priv.operation (part, name, statement)
SELECT part, name, format($$SELECT priv.must(sqlstate) FROM _eventlog.%s$$, replace(replace(call, 'ID', quote_literal(:'id')), 'OTHER', quote_literal(:'hidden_id')))
  FROM (VALUES
('produce', 'broker_append', $$broker_append(ARRAY[ID::uuid], '{0}', '{"\\x000000000000000000000041ffffffff02900997510000000000000000018cc77850000000018cc7785000ffffffffffffffffffffffffffff000000011e0000000277107b226e223a20387d00"}')$$),
('read', 'broker_fetch', $$broker_fetch(ARRAY[ID::uuid], '{0}', '{0}', '{1000}', 1000)$$),
('read', 'broker_fetch by uuid, schema without USAGE', $$broker_fetch(ARRAY[OTHER::uuid], '{0}', '{0}', '{1000}', 1000)$$),
('read', 'broker_list_offsets', $$broker_list_offsets(ARRAY[ID::uuid], '{0}', '{-1}')$$),
('read', 'broker_epoch_end', $$broker_epoch_end(ARRAY[ID::uuid], '{0}', '{1}')$$),
('read', 'broker_topics', $$broker_topics('{priv}', '{orders}')$$),
('read', 'broker_topics, schema without USAGE', $$broker_topics('{priv_hidden}', '{orders}')$$)) AS b (part, name, call);
INSERT INTO priv.operation (part, name, statement) VALUES
('topics', 'broker_create_topic, schema without CREATE', $$SELECT priv.must(CASE WHEN NOT _eventlog.broker_create_topic('mine', '{priv}', 1, 'bytea') THEN '42501' END)$$),
('topics', 'broker_create_topic, schema with CREATE', $$SELECT priv.must(CASE WHEN NOT _eventlog.broker_create_topic('mine', '{priv_open}', 1, 'bytea') THEN '42501' END)$$),
('internal functions', 'produce to committed_offsets', $$SELECT produce('_eventlog.committed_offsets', '["priv_made", "00000000-0000-0000-0000-000000000000", 0]', '{"next": 1}')$$),
('internal functions', 'read_topic of committed_offsets', $$SELECT read_topic('_eventlog.committed_offsets')$$),
('internal functions', 'consume committed_offsets', $$SELECT consume('priv_free', '_eventlog.committed_offsets')$$),
('internal functions', 'claim committed_offsets', $$SELECT claim('priv_claims', '_eventlog.committed_offsets')$$),
('internal functions', 'check_topic of committed_offsets', $$SELECT check_topic('_eventlog.committed_offsets')$$),
('internal functions', 'alter_topic of committed_offsets', $$SELECT alter_topic('_eventlog.committed_offsets', '{}')$$),
('internal functions', 'delete_events_before in committed_offsets', $$SELECT delete_events_before('_eventlog.committed_offsets', 0, 0)$$),
('internal functions', 'create_topic in _eventlog', $$SELECT create_topic('_eventlog.mine')$$);

-- a function that no operation calls: what can only be called at the top level, below
SELECT DISTINCT p.proname FROM pg_proc p JOIN pg_depend d ON d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'e'
  JOIN pg_extension e ON d.refclassid = 'pg_extension'::regclass AND d.refobjid = e.oid AND e.extname = 'eventlog'
 WHERE NOT 'internal'::regtype = ANY (p.proargtypes) AND NOT EXISTS (SELECT FROM priv.operation o WHERE o.statement LIKE '%' || p.proname || '(%') ORDER BY 1;

-- nothing that a cell did stays: its statements are rolled back, memberships given up
CREATE FUNCTION priv.cell(role text, o priv.operation) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    result text := 'ok';
    g text;
    m text;
BEGIN
    IF o.before IS NOT NULL THEN
        EXECUTE o.before;
    END IF;
    BEGIN
        PERFORM set_config('role', role, true);
        IF o.shows THEN
            EXECUTE o.statement INTO result;
            result := coalesce(result, '-');
        ELSE
            EXECUTE o.statement;
        END IF;
        RAISE EXCEPTION '%', result USING ERRCODE = 'RB000';
    EXCEPTION WHEN OTHERS THEN
        result := CASE SQLSTATE WHEN 'RB000' THEN SQLERRM ELSE SQLSTATE END;
    END;
    FOR g, m IN SELECT group_name, CASE kind WHEN 'named' THEN member END FROM eventlog_members WHERE group_name LIKE 'priv%' LOOP
        PERFORM leave_group(g, m);
    END LOOP;
    RETURN result;
END $$;

CREATE TABLE priv.outcome (n int, part text, name text, role text, outcome text);
SET client_min_messages = error;
-- each in a transaction of its own: partitions stay locked until it ends
DO $$
DECLARE
    o priv.operation;
    role text;
BEGIN
    FOR o IN SELECT * FROM priv.operation ORDER BY n LOOP
        FOREACH role IN ARRAY '{own,mate,ins,sel,both,col,grp,sub,grp0,mon,pub,sup}'::text[] LOOP
            INSERT INTO priv.outcome VALUES (o.n, o.part, o.name, role,
                priv.cell(CASE role WHEN 'sup' THEN 'none' ELSE 'regress_el_' || role END, o));
            COMMIT;
        END LOOP;
    END LOOP;
END $$;
RESET client_min_messages;

\set ECHO none
SELECT format($$SELECT name AS %I, %s FROM priv.outcome WHERE part = %L GROUP BY n, name ORDER BY n$$, part,
              (SELECT string_agg(format('max(outcome) FILTER (WHERE role = %1$L) AS %1$I', r), ', ' ORDER BY i)
                 FROM unnest('{own,mate,ins,sel,both,col,grp,sub,grp0,mon,pub,sup}'::text[]) WITH ORDINALITY AS u (r, i)), part)
  FROM priv.outcome GROUP BY part ORDER BY min(n) \gexec
\set ECHO all

-- what a role without rights was not refused: what says nothing of others
SELECT part, name, outcome FROM priv.outcome
 WHERE role = 'pub' AND outcome <> '42501' ORDER BY n;
-- internal tables are nobody's but the superuser's, monitors included
SELECT name, role, outcome FROM priv.outcome
 WHERE part = 'internal tables' AND role <> 'sup' AND outcome NOT IN ('42501', '0A000') ORDER BY n, role;
-- ... what topics refuse to all comes before the question of rights
SELECT DISTINCT name FROM priv.outcome WHERE part = 'internal tables' AND role <> 'sup' AND outcome = '0A000' ORDER BY name;

--
-- What stands at the top level alone
--
SET ROLE regress_el_pub;
CALL wait_for_events('priv_made', '0');
CALL wait_for_events('priv_free', '0');
CALL wait_for_any('{priv_made}', '0');
CALL wait_for_any('{priv_free}', '0');
SET ROLE regress_el_grp0;
CALL wait_for_events('priv_made', '0');
RESET ROLE;
-- COPY is INSERT
SET ROLE regress_el_ins;
COPY priv.orders (key, value) FROM stdin;
k	1
\.
COPY priv.orders (partition, event_offset, key, value) FROM stdin;
0	100000	k	1
\.
COPY priv.orders TO stdout;
SET ROLE regress_el_sel;
-- without data: psql would take them for commands
\copy priv.orders (key, value) FROM '/dev/null'
COPY (SELECT key FROM priv.orders WHERE key = '1') TO stdout;
RESET ROLE;
-- nothing at all is seen by who has nothing, by whatever function
SET ROLE regress_el_pub;
SELECT (SELECT count(*) FROM eventlog_topics) AS topics, (SELECT count(*) FROM eventlog_partitions) AS partitions,
       (SELECT count(*) FROM eventlog_groups) AS groups, (SELECT count(*) FROM eventlog_members) AS members,
       (SELECT count(*) FROM eventlog_lag) AS lag;
SELECT (SELECT count(*) FROM _eventlog.topics()) AS topics, (SELECT count(*) FROM _eventlog.partitions()) AS partitions,
       (SELECT count(*) FROM _eventlog.group_states()) AS groups, (SELECT count(*) FROM _eventlog.members()) AS members,
       (SELECT count(*) FROM _eventlog.lag()) AS lag;
RESET ROLE;
-- an owner that took SELECT from itself still sees what it owns, and reads nothing
REVOKE SELECT ON priv.orders FROM regress_el_own;
SET ROLE regress_el_own;
SELECT count(*) FROM read_topic('priv.orders');
SELECT (SELECT count(*) FROM eventlog_topics WHERE topic = 'priv.orders'::regclass) AS topics,
       (SELECT count(*) FROM eventlog_partitions WHERE topic = 'priv.orders'::regclass) AS partitions;
RESET ROLE;
GRANT SELECT ON priv.orders TO regress_el_own;
-- rights end when they are taken, also for who is a member
SET ROLE regress_el_grp;
SELECT count(*) FROM consume('priv_made', 'priv.orders', 1);
RESET ROLE;
SELECT revoke_group('priv_made', 'regress_el_grp');
SET ROLE regress_el_grp;
SELECT count(*) FROM consume('priv_made');
SELECT commit('priv_made');
RESET ROLE;
SELECT grant_group('priv_made', 'regress_el_grp');
REVOKE SELECT ON priv.orders FROM regress_el_grp;
SET ROLE regress_el_grp;
SELECT count(*) FROM consume('priv_made');
RESET ROLE;
SELECT leave_group('priv_made');
-- ... and a statement prepared before
GRANT INSERT ON priv.orders TO regress_el_pub;
SET ROLE regress_el_pub;
PREPARE p AS SELECT produce('priv.orders', 'a', '1', partition => 0);
EXECUTE p;
RESET ROLE;
REVOKE INSERT ON priv.orders FROM regress_el_pub;
SET ROLE regress_el_pub;
EXECUTE p;
DEALLOCATE p;
RESET ROLE;

-- a group that came to the superuser from a role that is gone
CREATE ROLE regress_el_gone;
SET ROLE regress_el_gone;
SELECT create_group('priv_gone');
SELECT grant_group('priv_gone', 'regress_el_gone');
RESET ROLE;
REASSIGN OWNED BY regress_el_gone TO CURRENT_USER;
DROP OWNED BY regress_el_gone;
DROP ROLE regress_el_gone;
SET ROLE regress_el_both;
SELECT count(*) FROM consume('priv_gone', 'priv.orders');
SELECT alter_group('priv_gone', '{}');
SELECT create_group('priv_gone');
RESET ROLE;
SELECT state FROM eventlog_groups WHERE group_name = 'priv_gone';
SELECT grant_group('priv_gone', 'regress_el_both');
SET ROLE regress_el_both;
SELECT count(*) FROM consume('priv_gone', 'priv.orders', 1);
SELECT leave_group('priv_gone');
RESET ROLE;
SELECT drop_group('priv_gone');

--
-- The extension's objects
--
CREATE TEMP VIEW member AS
SELECT classid, objid FROM pg_depend d JOIN pg_extension e ON d.refobjid = e.oid
 WHERE d.refclassid = 'pg_extension'::regclass AND d.deptype = 'e' AND e.extname = 'eventlog';
-- functions that run with their owner's rights need a search path of their own
SELECT p.oid::regprocedure AS security_definer FROM pg_proc p JOIN member m ON m.classid = 'pg_proc'::regclass AND m.objid = p.oid
 WHERE prosecdef;
-- a SECURITY DEFINER function without one, of ours or in our schema
SELECT p.oid::regprocedure FROM pg_proc p
 WHERE prosecdef AND (pronamespace = '_eventlog'::regnamespace OR oid IN (SELECT objid FROM member WHERE classid = 'pg_proc'::regclass))
   AND NOT EXISTS (SELECT FROM unnest(proconfig) c WHERE c LIKE 'search_path=%');
-- no object of the extension that it would not take along when it is dropped
SELECT pg_describe_object(classid, oid, 0) AS not_a_member FROM (
    SELECT 'pg_class'::regclass, oid FROM pg_class
     WHERE relkind NOT IN ('i', 'I', 't') AND (relnamespace = '_eventlog'::regnamespace OR relname LIKE 'eventlog\_%' AND relnamespace = 'public'::regnamespace)
    UNION ALL
    SELECT 'pg_proc', p.oid FROM pg_proc p LEFT JOIN pg_language l ON l.oid = prolang
     WHERE pronamespace = '_eventlog'::regnamespace OR probin LIKE '%eventlog%'
    UNION ALL
    SELECT 'pg_am', oid FROM pg_am WHERE amname = 'eventlog'
    UNION ALL
    SELECT 'pg_namespace', oid FROM pg_namespace WHERE nspname = '_eventlog') AS o (classid, oid)
 WHERE (classid, oid) NOT IN (SELECT classid, objid FROM member) AND (classid, oid) NOT IN (
    -- a type made by CREATE TYPE is the member, its pg_class entry hangs on it
    SELECT 'pg_class'::regclass, typrelid FROM pg_type WHERE (oid) IN (SELECT objid FROM member WHERE classid = 'pg_type'::regclass));
-- what PUBLIC was given
SELECT pg_describe_object(classid, objid, 0) AS object, acl.privilege_type FROM member m
  LEFT JOIN pg_class c ON m.classid = 'pg_class'::regclass AND c.oid = objid
  LEFT JOIN pg_namespace n ON m.classid = 'pg_namespace'::regclass AND n.oid = objid, aclexplode(coalesce(c.relacl, n.nspacl)) acl
 WHERE acl.grantee = 0 ORDER BY 1, 2;

SET client_min_messages = warning;
SELECT drop_group(g) FROM unnest('{priv_made,priv_claimed,priv_unused}'::text[]) g;
DROP SCHEMA priv, priv_open, priv_hidden CASCADE;
DROP ROLE regress_el_mate, regress_el_sub;
DROP ROLE regress_el_own, regress_el_ins, regress_el_sel, regress_el_both, regress_el_col, regress_el_grp, regress_el_grp0,
          regress_el_mon, regress_el_pub;
