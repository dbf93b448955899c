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
-- grant_group, revoke_group
--
GRANT SELECT ON g_orders TO regress_el_bob;
SELECT create_group('granted');
SELECT grant_group('granted', 'regress_el_bob');
SELECT grant_group('granted', 'regress_el_bob') AS again;
SET ROLE regress_el_bob;
SELECT count(*) > 0 AS some FROM consume('granted', 'g_orders', member => 'b');
SELECT commit('granted', 'b') > 0 AS some;
SELECT join_group('granted', '{g_orders}', 'b') <> '' AS joined, heartbeat('granted', 'b');
-- what takes the owner
SELECT seek('granted', 'g_orders', 0, 0);
SELECT reset_group('granted', 'g_orders', 'earliest');
SELECT grant_group('granted', 'regress_el_bob');
SELECT alter_group('granted', '{}');
SELECT drop_group('granted');
RESET ROLE;
SELECT revoke_group('granted', 'regress_el_bob');
SELECT revoke_group('granted', 'regress_el_bob') AS again;
SET ROLE regress_el_bob;
SELECT join_group('granted', '{g_orders}', 'b');
SELECT heartbeat('granted', 'b');
SELECT leave_group('granted', 'b');
SELECT dead_letter('granted', 'g_orders', 0, 0, 'not mine');
RESET ROLE;
REVOKE SELECT ON g_orders FROM regress_el_bob;
-- who may use the group but not read the member's topics
SELECT grant_group('granted', 'regress_el_bob');
SET ROLE regress_el_bob;
SELECT heartbeat('granted', 'b');
SELECT leave_group('granted', 'b');
SELECT join_group('granted', '{g_orders}', 'b');
RESET ROLE;
SELECT grant_group('nobody', 'regress_el_bob');
SELECT revoke_group('nobody', 'regress_el_bob');
SELECT grant_group('granted', NULL);
SELECT grant_group(NULL, 'regress_el_bob');
SELECT grant_group('granted', 'nonesuch');
SELECT drop_group('granted');

--
-- reset_group
--
SELECT create_topic('g_times', 2, 'text', 'text');
SELECT count(produce('g_times', i::text, 'x', partition => i % 2, event_time => '2024-05-01 00:00+00'::timestamptz + i * interval '1 minute'))
  FROM generate_series(0, 9) i;
SELECT count(*) FROM consume('rs', 'g_times', commit => true);
SELECT reset_group('rs', 'g_times', 'earliest');
SELECT array_agg(committed_offset ORDER BY partition) FROM eventlog_lag WHERE group_name = 'rs';
SELECT reset_group('rs', 'g_times', 'LATEST');
SELECT array_agg(committed_offset ORDER BY partition) FROM eventlog_lag WHERE group_name = 'rs';
SELECT reset_group('rs', 'g_times', '2024-05-01 00:05+00');
SELECT array_agg(committed_offset ORDER BY partition) FROM eventlog_lag WHERE group_name = 'rs';
SELECT partition, array_agg(key ORDER BY event_offset) FROM consume('rs', 'g_times') GROUP BY 1 ORDER BY 1;
-- a fraction of a millisecond later is the next one; times that run backwards count by offset
SELECT reset_group('rs', 'g_times', '2024-05-01 00:05:00.0001+00');
SELECT array_agg(committed_offset ORDER BY partition) FROM eventlog_lag WHERE group_name = 'rs';
SELECT produce('g_times', 'late', 'x', partition => 0, event_time => '2024-05-01 00:00:30+00');
SELECT reset_group('rs', 'g_times', '2024-05-01 00:00:10+00');
SELECT array_agg(committed_offset ORDER BY partition) FROM eventlog_lag WHERE group_name = 'rs';
-- after all events, and before
SELECT reset_group('rs', 'g_times', '2030-01-01');
SELECT array_agg(committed_offset ORDER BY partition) FROM eventlog_lag WHERE group_name = 'rs';
SELECT reset_group('rs', 'g_times', '1960-01-01');
SELECT array_agg(committed_offset ORDER BY partition) FROM eventlog_lag WHERE group_name = 'rs';
-- with the transaction
BEGIN;
SELECT reset_group('rs', 'g_times', 'latest');
SELECT count(*) FROM consume('rs', 'g_times');
ROLLBACK;
SELECT count(*) FROM consume('rs', 'g_times', commit => true);
-- 'latest' is before what has not been decided
BEGIN;
SELECT produce('g_times', 'own', 'x', partition => 1);
SELECT count(*) FROM flush();
SELECT reset_group('rs', 'g_times', 'latest');
COMMIT;
SELECT key FROM consume('rs', 'g_times', commit => true);
-- a topic without events; also as the first thing a group does
SELECT create_topic('g_empty', 2);
SELECT reset_group('rs2', 'g_empty', 'latest'), reset_group('rs2', 'g_empty', 'earliest'), reset_group('rs2', 'g_empty', '2024-05-01');
SELECT array_agg(committed_offset ORDER BY partition) FROM eventlog_lag WHERE group_name = 'rs2';
-- bad input
SELECT reset_group('rs', 'g_times', 'newest');
SELECT reset_group('rs', 'g_times', 'infinity');
SELECT reset_group('rs', 'g_times', NULL);
SELECT reset_group('rs', NULL, 'latest');
SELECT reset_group(NULL, 'g_times', 'latest');
SELECT reset_group('rs', 'pg_class', 'latest');
BEGIN READ ONLY;
SELECT reset_group('rs', 'g_times', 'latest');
ROLLBACK;
DROP TABLE g_times, g_empty;

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
  SELECT 0, key, '{"next": 5}' FROM _eventlog.committed_offsets WHERE key LIKE '%"cache"%' AND key::json->>2 IS NOT NULL;
SELECT committed_offset AS not_yet FROM eventlog_lag WHERE group_name = 'cache';
COMMIT;
SELECT committed_offset FROM eventlog_lag WHERE group_name = 'cache';
BEGIN;
INSERT INTO _eventlog.committed_offsets (partition, key, value)
  SELECT 0, key, '{"next": 1}' FROM _eventlog.committed_offsets WHERE key LIKE '%"cache"%' AND key::json->>2 IS NOT NULL LIMIT 1;
ROLLBACK;
SELECT committed_offset FROM eventlog_lag WHERE group_name = 'cache';

DISCARD ALL;
SET client_min_messages = warning;
SELECT drop_group('late'), drop_group('late2'), drop_group('late_claims'), drop_group('hers');
DROP TABLE g_orders, g_renamed;
DROP ROLE regress_el_alice, regress_el_bob;
