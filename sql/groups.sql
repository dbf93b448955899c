-- groups: create, alter, drop, options, rights, start_from, views
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS eventlog;
RESET client_min_messages;
\set SHOW_CONTEXT never

SELECT create_topic('g_orders', 2);
SELECT count(produce('g_orders', i::text, i::text, partition => i % 2)) FROM generate_series(1, 10) i;

--
-- create, alter, drop
--
SELECT create_group('billing');
SELECT create_group('billing');
SELECT create_group('billing', if_not_exists => true);
SELECT create_group('');
SELECT create_group(repeat('g', 64));
SELECT create_group(repeat('ä', 31));
SELECT create_group(NULL);
SELECT create_group('x', '{"retention": "1 day"}');
SELECT create_group('x', '[]');
SELECT create_group('x', '{"start_from": "now"}');
SELECT create_group('x', '{"on_lost": 1}');
SELECT create_group('x', '{"session_timeout": "soon"}');
SELECT create_group('x', '{"session_timeout": "-1 s"}');
SELECT create_group('x', '{"max_poll_interval": "10 ms"}');
SELECT alter_group('billing', '{"max_poll_interval": "10 min", "on_lost": "latest"}');
SELECT alter_group('billing', '{"on_lost": null}');
SELECT group_name, owner = current_user::regrole AS mine, options FROM _eventlog.groups
 WHERE group_name = 'billing' OR group_name LIKE 'ä%' ORDER BY group_name COLLATE "C";
SELECT alter_group('nobody', '{}');
SELECT drop_group('nobody');
SELECT drop_group('nobody', if_exists => true);
SELECT drop_group(repeat('ä', 31));
SELECT group_name, state, members, topics::text, lag FROM eventlog_groups WHERE group_name = 'billing';

-- a dropped group starts all over
SELECT count(*) FROM consume('billing', 'g_orders', commit => true);
SELECT count(*) FROM consume('billing', 'g_orders', commit => true);
BEGIN;
SELECT drop_group('billing');
ROLLBACK;
SELECT state, members, lag FROM eventlog_groups WHERE group_name = 'billing';
SELECT drop_group('billing');
SELECT count(*) FROM eventlog_groups WHERE group_name = 'billing';
SELECT count(*) FROM consume('billing', 'g_orders', commit => true);

--
-- start_from latest
--
SELECT create_group('late', '{"start_from": "latest"}');
BEGIN;
SELECT count(*) FROM consume('late', 'g_orders');
ROLLBACK;
SELECT count(produce('g_orders', i::text, i::text, partition => i % 2)) FROM generate_series(11, 12) i;
SELECT count(*) AS not_taken_yet FROM consume('late', 'g_orders');
SELECT partition, committed_offset, lag FROM eventlog_lag WHERE group_name = 'late' ORDER BY 1;
SELECT count(produce('g_orders', i::text, i::text, partition => i % 2)) FROM generate_series(13, 16) i;
SELECT partition, event_offset FROM consume('late', 'g_orders') ORDER BY 1, 2;
-- added partitions start at their beginning
SELECT alter_topic('g_orders', '{"partitions": 3}');
SELECT produce('g_orders', 'x', '17', partition => 2);
SELECT partition, event_offset FROM consume('late', 'g_orders');
SELECT commit('late');
-- ... for claims too
SELECT create_group('late_claims', '{"start_from": "latest"}');
SELECT count(*) FROM claim('late_claims', 'g_orders');
SELECT produce('g_orders', 'x', '18', partition => 1);
SELECT event_offset FROM claim('late_claims', 'g_orders');
-- an aborted tail is not counted as lag, nor passed by latest
BEGIN;
SELECT produce('g_orders', 'x', '19', partition => 1);
SELECT count(*) FROM flush();
ROLLBACK;
SELECT create_group('late2', '{"start_from": "latest"}');
SELECT count(*) FROM consume('late2', 'g_orders');
SELECT partition, committed_offset, log_end_offset, lag FROM eventlog_lag WHERE group_name = 'late2' ORDER BY 1;

--
-- A topic dropped and created again is a new topic
--
SELECT create_topic('g_again');
SELECT produce('g_again', 'a', '1');
SELECT count(*) FROM consume('again', 'g_again', commit => true);
DROP TABLE g_again;
SELECT * FROM consume('again');
SELECT count(*) FROM eventlog_lag WHERE group_name = 'again';
SELECT create_topic('g_again');
SELECT produce('g_again', 'b', '2');
SELECT key FROM consume('again', 'g_again', commit => true);
-- renamed it is the same
ALTER TABLE g_again RENAME TO g_renamed;
SELECT key FROM consume('again');
SELECT produce('g_renamed', 'c', '3');
SELECT topic, key FROM consume('again');

--
-- Rights
--
SET client_min_messages = warning;
DROP ROLE IF EXISTS regress_el_alice;
DROP ROLE IF EXISTS regress_el_bob;
CREATE ROLE regress_el_alice;
CREATE ROLE regress_el_bob;
RESET client_min_messages;
SET ROLE regress_el_alice;
SELECT count(*) FROM consume('open', 'g_orders');
SELECT count(*) FROM claim('open', 'g_orders');
SELECT seek('open', 'g_orders', 0, 0);
SELECT (SELECT count(*) FROM eventlog_partitions) AS partitions, (SELECT count(*) FROM eventlog_lag) AS lag,
       (SELECT count(*) FROM eventlog_groups) AS groups, (SELECT count(*) FROM eventlog_members) AS members;
RESET ROLE;
GRANT SELECT ON g_orders TO regress_el_alice, regress_el_bob;
SET ROLE regress_el_alice;
SELECT count(*) FROM consume('open', 'g_orders');
SELECT create_group('hers');
SELECT count(*) FROM consume('hers', 'g_orders', commit => true);
SELECT topic, partition FROM eventlog_partitions ORDER BY 2;
SELECT group_name FROM eventlog_groups WHERE group_name IN ('hers', 'open', 'again') ORDER BY 1;
SET ROLE regress_el_bob;
SELECT count(*) FROM consume('open', 'g_orders');
SELECT count(*) FROM consume('hers', 'g_orders');
SELECT commit('hers');
SELECT seek('hers', 'g_orders', 0, 0);
SELECT alter_group('hers', '{}');
SELECT drop_group('hers');
CALL wait_for_events('hers', '1 s');
RESET ROLE;
INSERT INTO _eventlog.group_grants VALUES ('hers', 'regress_el_bob');
SET ROLE regress_el_bob;
SELECT count(*) FROM consume('hers', 'g_orders');
SELECT seek('hers', 'g_orders', 0, 0);
RESET ROLE;
REVOKE SELECT ON g_orders FROM regress_el_bob;
SET ROLE regress_el_bob;
SELECT count(*) FROM consume('hers', 'g_orders');
SELECT count(*) FROM consume('hers');
RESET ROLE;

-- a group that nobody created: who may not read its topics neither commits for
-- its members nor makes it their own
SELECT count(*) > 0 AS some FROM consume('theirs', 'g_orders', member => 'w1');
SELECT count(*) FROM claim('their_claims', 'g_orders', 3);
SET ROLE regress_el_bob;
SELECT commit('theirs', 'w1');
SELECT create_group('theirs');
SELECT create_group('their_claims');
SET ROLE regress_el_alice;
SELECT commit('theirs', 'w1') > 0 AS some;
SELECT create_group('their_claims');
SELECT drop_group('their_claims');
SET ROLE regress_el_bob;
SELECT create_group('their_claims');
SELECT drop_group('their_claims');
RESET ROLE;

--
-- What stands in the way
--
SELECT produce('g_orders', 'x', '20', partition => 0);
SELECT blocked_by_pid, blocked_since FROM eventlog_partitions WHERE topic = 'g_orders'::regclass AND partition = 0;
BEGIN;
SELECT produce('g_orders', 'x', '21', partition => 0);
SELECT count(*) FROM flush();
SELECT stable_offset < log_end_offset AS stopped, blocked_by_pid = pg_backend_pid() AS by_me, blocked_by_gid,
       blocked_since = now() AS since
  FROM eventlog_partitions WHERE topic = 'g_orders'::regclass AND partition = 0;
SAVEPOINT a;
SELECT produce('g_orders', 'x', '21', partition => 1);
SELECT count(*) FROM flush();
SELECT stable_offset < log_end_offset AS stopped, blocked_by_pid = pg_backend_pid() AS by_me
  FROM eventlog_partitions WHERE topic = 'g_orders'::regclass AND partition = 1;
PREPARE TRANSACTION 'blocker';
SELECT stable_offset < log_end_offset AS stopped, blocked_by_pid, blocked_by_gid, blocked_since IS NOT NULL AS since
  FROM eventlog_partitions WHERE topic = 'g_orders'::regclass AND partition = 0;
ROLLBACK PREPARED 'blocker';
SELECT partition, lag > 0 AS lags FROM eventlog_lag WHERE group_name = 'late' ORDER BY 1;

-- offsets written behind the cache's back are noticed
SELECT seek('cache', 'g_orders', 0, 3);
SELECT committed_offset FROM eventlog_lag WHERE group_name = 'cache';
BEGIN;
INSERT INTO _eventlog.committed_offsets (partition, key, value)
  SELECT 0, key, '{"next": 5}' FROM _eventlog.committed_offsets WHERE key LIKE '%"cache"%';
SELECT committed_offset AS not_yet FROM eventlog_lag WHERE group_name = 'cache';
COMMIT;
SELECT committed_offset FROM eventlog_lag WHERE group_name = 'cache';
BEGIN;
INSERT INTO _eventlog.committed_offsets (partition, key, value)
  SELECT 0, key, '{"next": 1}' FROM _eventlog.committed_offsets WHERE key LIKE '%"cache"%' LIMIT 1;
ROLLBACK;
SELECT committed_offset FROM eventlog_lag WHERE group_name = 'cache';

DISCARD ALL;
SET client_min_messages = warning;
SELECT drop_group('late'), drop_group('late2'), drop_group('late_claims'), drop_group('hers');
DROP TABLE g_orders, g_renamed;
DROP ROLE regress_el_alice, regress_el_bob;
