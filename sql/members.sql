-- Membership by itself: join_group, heartbeat, leave_group; incarnations;
-- waiting for several groups
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS eventlog;
RESET client_min_messages;
\set SHOW_CONTEXT never

SELECT create_topic('m_orders', 4, 'text', 'text');
SELECT create_topic('m_users', 2, 'text', 'text');
SELECT count(produce('m_orders', 'k' || i, 'v' || i, partition => i % 4)) FROM generate_series(0, 7) i;
SELECT count(produce('m_users', 'u' || i, 'v' || i, partition => i % 2)) FROM generate_series(0, 3) i;

-- a session's own name is what the views show; topics replace
SELECT join_group('m', '{m_orders}') = (SELECT member FROM eventlog_members WHERE group_name = 'm') AS same_name;
SELECT topics, partitions, kind, state, incarnation > 0 AS incarnation FROM eventlog_members WHERE group_name = 'm';
SELECT pid = pg_backend_pid() AS mine, application_name = current_setting('application_name') AS name FROM eventlog_members WHERE group_name = 'm';
SELECT join_group('m', '{m_users,m_users}') <> '' AS joined;
SELECT topics, partitions FROM eventlog_members WHERE group_name = 'm';
SELECT topic, count(*) FROM consume('m') GROUP BY 1;
-- consume() of another topic adds it
SELECT topic, count(*) FROM consume('m', 'm_orders') GROUP BY 1;
SELECT topics, partitions FROM eventlog_members WHERE group_name = 'm';
SELECT commit('m');

-- a named member: each join is another incarnation, the partitions stay
SELECT join_group('n', '{m_orders}', 'w1') AS first \gset
SELECT :'first' ~ '^w1#[0-9]+$' AS form;
SELECT count(*) FROM consume('n', 'm_orders', member => :'first');
SELECT sum(partitions) FROM eventlog_members WHERE group_name = 'n';
SELECT join_group('n', '{m_orders,m_users}', 'w1') AS second \gset
SELECT :'first' <> :'second' AS another;
-- what the first was given is forgotten: it comes again, and the first is fenced
\set VERBOSITY sqlstate
SELECT commit('n', :'first');
SELECT count(*) FROM consume('n', 'm_orders', member => :'first');
SELECT count(*) FROM consume('n', member => :'first');
SELECT heartbeat('n', :'first');
SELECT leave_group('n', :'first');
CALL wait_for_events('n', '1 ms', :'first');
SELECT commit('n', 'm_orders', 0, 1, :'first');
\set VERBOSITY default
SELECT count(*) FROM consume('n', member => :'second');
-- the bare name is whoever holds it
SELECT commit('n', 'w1');
-- the transaction of an earlier incarnation cannot commit
SELECT count(produce('m_orders', 'k', 'more', partition => 0)) FROM generate_series(1, 2);
BEGIN;
SELECT count(*) FROM consume('n', member => 'w1');
SELECT commit('n', 'w1');
SELECT join_group('n', '{m_orders}', 'w1') <> '' AS joined;
\set VERBOSITY sqlstate
COMMIT;
\set VERBOSITY default
SELECT committed_offset FROM eventlog_lag WHERE group_name = 'n' AND topic = 'm_orders'::regclass AND partition = 0;
BEGIN;
SELECT count(*) FROM consume('n', member => 'w1');
SELECT join_group('n', '{m_orders}', 'w1') <> '' AS joined;
\set VERBOSITY sqlstate
SELECT commit('n', 'w1');
\set VERBOSITY default
ROLLBACK;

-- heartbeats: true when there is something new
SELECT heartbeat('n', 'w1'), heartbeat('n', 'w1');
SELECT join_group('n', '{m_orders}', 'w2') <> '' AS joined;
SELECT member, partitions FROM eventlog_members WHERE group_name = 'n' ORDER BY 1;
SELECT heartbeat('n', 'w1') AS moved;
SELECT heartbeat('n', 'w1') AS moved;
SELECT heartbeat('n', 'w2');
SELECT leave_group('n', 'w2');
SELECT heartbeat('n', 'w1');
SELECT member, partitions FROM eventlog_members WHERE group_name = 'n' ORDER BY 1;
-- the session's own
SELECT heartbeat('m', NULL);

-- leaving: at once, whatever becomes of the transaction
BEGIN;
SELECT leave_group('n', 'w1');
ROLLBACK;
SELECT count(*) FROM eventlog_members WHERE group_name = 'n';
SELECT heartbeat('n', 'w1');
SELECT leave_group('n', 'w1');
SELECT count(*) FROM consume('n', 'm_orders', member => :'second');
SELECT count(*) FROM consume('n', member => :'second');
SELECT count(*) FROM consume('n', member => 'w1');
SELECT leave_group('m');
SELECT leave_group('m');
SELECT commit('m');
SELECT heartbeat('m', NULL);
SELECT count(*) FROM consume('m');
-- what was committed before leaving is committed
BEGIN;
SELECT count(*) FROM consume('n', 'm_orders', member => 'w1');
SELECT commit('n', 'w1');
SELECT leave_group('n', 'w1');
COMMIT;
SELECT committed_offset FROM eventlog_lag WHERE group_name = 'n' AND topic = 'm_orders'::regclass AND partition = 0;
BEGIN;
SELECT count(*) FROM consume('m', 'm_orders');
SELECT commit('m');
SELECT leave_group('m');
COMMIT;
SELECT sum(lag) FROM eventlog_lag WHERE group_name = 'm' AND topic = 'm_orders'::regclass;

-- bad input
SELECT join_group(NULL, '{m_orders}');
SELECT join_group('n', NULL);
SELECT join_group('n', '{}');
SELECT join_group('n', '{m_orders,NULL}');
SELECT join_group('n', '{pg_class}');
SELECT join_group('n', '{nonesuch}');
SELECT join_group('n', '{m_orders}', '');
SELECT join_group('n', '{m_orders}', repeat('x', 64));
SELECT join_group('n', '{m_orders}', 'w1#5');
SELECT heartbeat(NULL, 'w1');
SELECT heartbeat('n', 'w1#');
SELECT heartbeat('n', 'w1#x');
SELECT heartbeat('n', 'w1#0');
SELECT heartbeat('n', 'w1#99999999999999999999999');
SELECT heartbeat('n', '#5');
SELECT leave_group(NULL);
BEGIN READ ONLY;
SELECT join_group('ro', '{m_orders}') <> '' AS joined;
SELECT heartbeat('ro', NULL);
SELECT leave_group('ro');
COMMIT;

-- claims and members do not mix
BEGIN;
SELECT count(*) FROM claim('mc', 'm_orders');
SELECT join_group('mc', '{m_orders}');
ROLLBACK;

-- topics that grow, go, and come again
SELECT create_topic('m_grow', 1, 'text', 'text');
SELECT join_group('gr', '{m_grow,m_users}') <> '' AS joined;
SELECT partitions FROM eventlog_members WHERE group_name = 'gr';
SELECT alter_topic('m_grow', '{"partitions": 3}');
SELECT produce('m_grow', 'k', 'v', partition => 2);
SELECT topic, partition, value FROM consume('gr') WHERE topic = 'm_grow'::regclass;
SELECT partitions FROM eventlog_members WHERE group_name = 'gr';
SELECT commit('gr');
BEGIN;
SELECT drop_topic('m_grow');
ROLLBACK;
SELECT topics FROM eventlog_members WHERE group_name = 'gr';
BEGIN;
SAVEPOINT s;
SELECT drop_topic('m_grow');
ROLLBACK TO s;
COMMIT;
SELECT topics FROM eventlog_members WHERE group_name = 'gr';
SELECT drop_topic('m_grow');
-- the worker takes its partitions away, a moment later
DO $$
BEGIN
    FOR i IN 1 .. 6000 LOOP
        EXIT WHEN (SELECT partitions = 2 FROM eventlog_members WHERE group_name = 'gr');
        PERFORM pg_sleep(0.01);
    END LOOP;
END $$;
SELECT topics, partitions FROM eventlog_members WHERE group_name = 'gr';
SELECT count(*) FROM consume('gr');
SELECT create_topic('m_grow', 2, 'text', 'text');
SELECT produce('m_grow', 'k', 'again', partition => 0);
SELECT topic, partition, event_offset, value FROM consume('gr', 'm_grow');
SELECT topics, partitions FROM eventlog_members WHERE group_name = 'gr';
SELECT leave_group('gr');

-- waiting for several groups
SELECT join_group('wa', '{m_grow}') <> '' AND join_group('wb', '{m_users}') <> '' AS joined;
CALL wait_for_any('{wa,wb}', '1 s');
SELECT count(*) FROM consume('wb', commit => true);
CALL wait_for_any('{wa,wb}', '1 s');
SELECT count(*) FROM consume('wa', commit => true);
CALL wait_for_any('{wa,wb}', '10 ms');
CALL wait_for_any('{wa,nonesuch}', '10 ms');
CALL wait_for_any('{}', '10 ms');
CALL wait_for_any('{wa,NULL}', '10 ms');
CALL wait_for_any(NULL, '10 ms');
CALL wait_for_any('{wa}', NULL);
CALL wait_for_any('{wa}', '-1 s');
BEGIN;
CALL wait_for_any('{wa}', '10 ms');
ROLLBACK;
-- in code that could commit it works, in a function it does not
DO $$DECLARE ready text[]; BEGIN CALL wait_for_any('{wa}', '10 ms', ready); RAISE NOTICE 'ready: %', ready; END$$;
CREATE FUNCTION pg_temp.wait_inside() RETURNS text[] LANGUAGE plpgsql AS
  $$DECLARE ready text[]; BEGIN CALL wait_for_any('{wa}', '10 ms', ready); RETURN ready; END$$;
SELECT pg_temp.wait_inside();
SELECT leave_group('wa'), leave_group('wb');

SET client_min_messages = warning;
SELECT drop_topic('m_orders'), drop_topic('m_users'), drop_topic('m_grow');
