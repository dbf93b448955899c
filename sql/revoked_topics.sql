-- A right that is taken away takes the topic off the subscriptions of the role that asked for it: the member goes
-- on with its other topics, and those who may still read the topic get its partitions.  Nobody else's rights count.
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS eventlog;
RESET client_min_messages;
\set SHOW_CONTEXT never
\set VERBOSITY terse
CREATE ROLE regress_el_r; CREATE ROLE regress_el_s; CREATE ROLE regress_el_readers;
SELECT create_topic('rv_a', 1, 'text', 'text'), create_topic('rv_b', 1, 'text', 'text'), create_topic('rv_c', 1, 'text', 'text');
SELECT count(produce('rv_a', 'k', 'v')), count(produce('rv_b', 'k', 'v')) FROM generate_series(1, 6);
GRANT SELECT ON rv_a, rv_b TO regress_el_r, regress_el_s;
CREATE VIEW rv_members AS SELECT group_name, member, topics, partitions FROM eventlog_members WHERE group_name ~ '^rv' ORDER BY 1, 2;
GRANT SELECT ON rv_members TO PUBLIC;

--
-- One of two topics
--
SET ROLE regress_el_r;
SELECT count(join_group('rv', '{rv_a,rv_b}', 'w')) AS joined;
SELECT topic, count(*) FROM consume('rv', member => 'w') GROUP BY 1 ORDER BY 1;
SELECT commit('rv', 'w');
RESET ROLE;
SELECT count(produce('rv_a', 'k', 'v')), count(produce('rv_b', 'k', 'v')) FROM generate_series(1, 2);
REVOKE SELECT ON rv_b FROM regress_el_r;
-- who gives the member's name, but may not read its topics, takes nothing away from it
CREATE ROLE regress_el_x;
SET ROLE regress_el_x;
SELECT count(*) FROM consume('rv', member => 'w');
SELECT heartbeat('rv', 'w');
SELECT leave_group('rv', 'w');
SELECT commit('rv', 'w');
SELECT count(*) FROM consume('rv', 'rv_a', member => 'w');
RESET ROLE;
SELECT topics FROM rv_members;
-- consume() that names another topic
SET ROLE regress_el_r;
SELECT topic, count(*) FROM consume('rv', 'rv_a', member => 'w') GROUP BY 1;
SELECT commit('rv', 'w');
SELECT heartbeat('rv', 'w') IS NOT NULL AS lives;
SELECT topics, partitions FROM rv_members;
SET ROLE regress_el_s;
SELECT topic, count(*) FROM consume('rv', 'rv_b', member => 'z') GROUP BY 1;
SELECT commit('rv', 'z');
-- joining with what may be read, and leaving
SET ROLE regress_el_r;
SELECT count(join_group('rv', '{rv_a}', 'w')) AS joined;
SELECT leave_group('rv', 'w');
SET ROLE regress_el_s;
SELECT leave_group('rv', 'z');
RESET ROLE;

-- any other call finds out, and says so once
\set subscribe 'RESET ROLE; GRANT SELECT ON rv_a, rv_b TO regress_el_r; SET ROLE regress_el_r; SELECT count(join_group(\'rv\', \'{rv_a,rv_b}\', \'w\')) AS joined; RESET ROLE; REVOKE SELECT ON rv_b FROM regress_el_r; SET ROLE regress_el_r;'
:subscribe
SELECT heartbeat('rv', 'w') IS NOT NULL AS lives;
SELECT heartbeat('rv', 'w') IS NOT NULL AS lives;
:subscribe
SELECT commit('rv', 'w');
:subscribe
SELECT count(*) FROM consume('rv', member => 'w');
:subscribe
CALL wait_for_events('rv', '0', 'w');
:subscribe
SELECT count(join_group('rv', '{rv_a}', 'w')) AS joined;
SELECT topics FROM rv_members;
:subscribe
SELECT leave_group('rv', 'w');
:subscribe
-- the topic itself
SELECT count(*) FROM consume('rv', 'rv_b', member => 'w');
SELECT topics FROM rv_members;

--
-- All topics: nothing is left, which is said once
--
\set subscribe 'RESET ROLE; GRANT SELECT ON rv_a TO regress_el_r; SET ROLE regress_el_r; SELECT count(join_group(\'rv\', \'{rv_a}\', \'w\')) AS joined; RESET ROLE; REVOKE SELECT ON rv_a FROM regress_el_r; SET ROLE regress_el_r;'
:subscribe
SELECT count(*) FROM consume('rv', member => 'w');
SELECT count(*) FROM consume('rv', member => 'w');
SELECT heartbeat('rv', 'w') IS NOT NULL AS lives;
SELECT commit('rv', 'w');
CALL wait_for_events('rv', '0', 'w');
SELECT leave_group('rv', 'w');
:subscribe
SELECT heartbeat('rv', 'w');
SELECT heartbeat('rv', 'w') IS NOT NULL AS lives;
:subscribe
SELECT commit('rv', 'w');
SELECT commit('rv', 'w');
-- nor does one who may not read it spend what is said
:subscribe
SET ROLE regress_el_x;
SELECT heartbeat('rv', 'w');
SET ROLE regress_el_r;
SELECT heartbeat('rv', 'w');
-- leaving and joining need nothing left
:subscribe
SELECT leave_group('rv', 'w');
:subscribe
RESET ROLE;
GRANT SELECT ON rv_c TO regress_el_r;
SET ROLE regress_el_r;
SELECT count(join_group('rv', '{rv_c}', 'w')) AS joined;
SELECT topics FROM rv_members;
RESET ROLE;

--
-- Whose subscription it is: the role's that asked for it last
--
GRANT SELECT ON rv_a, rv_b TO regress_el_r;
SET ROLE regress_el_r;
SELECT count(join_group('rv', '{rv_a,rv_b}', 'w')) AS joined;
SET ROLE regress_el_s;
SELECT count(*) FROM consume('rv', 'rv_b', member => 'w');
RESET ROLE;
REVOKE SELECT ON rv_b FROM regress_el_r;
SET ROLE regress_el_s;
SELECT heartbeat('rv', 'w') IS NOT NULL AS lives;
SELECT topics FROM rv_members;
-- what its role may read, who acts for the member must be allowed to read as before
SET ROLE regress_el_r;
SELECT heartbeat('rv', 'w');
SELECT count(*) FROM consume('rv', member => 'w');
RESET ROLE;
SELECT topics FROM rv_members;
-- one role's topic goes, the other's stays
REVOKE SELECT ON rv_a FROM regress_el_r;
SET ROLE regress_el_s;
SELECT count(*) FROM consume('rv', 'rv_b', member => 'w');
SELECT topics FROM rv_members;
SELECT leave_group('rv', 'w');
RESET ROLE;

--
-- A membership that ends, a role that is dropped, though PUBLIC may read
--
GRANT SELECT ON rv_a TO regress_el_readers;
GRANT regress_el_readers TO regress_el_r;
GRANT SELECT ON rv_c TO PUBLIC;
SET ROLE regress_el_r;
SELECT count(join_group('rv', '{rv_a,rv_c}', 'w')) AS joined;
RESET ROLE;
REVOKE regress_el_readers FROM regress_el_r;
SELECT count(*) FROM consume('rv', member => 'w');
SELECT topics FROM rv_members;
DROP OWNED BY regress_el_r;
DROP ROLE regress_el_r;
SELECT heartbeat('rv', 'w');
SELECT topics FROM rv_members;
SELECT leave_group('rv', 'w');
CREATE ROLE regress_el_r;

--
-- A session
--
GRANT SELECT ON rv_a, rv_b TO regress_el_r;
SET ROLE regress_el_r;
SELECT count(join_group('rvs', '{rv_a,rv_b}')) AS joined;
RESET ROLE;
REVOKE SELECT ON rv_b FROM regress_el_r;
SET ROLE regress_el_r;
SELECT commit('rvs');
SELECT topics FROM rv_members;
SELECT topic, count(*) FROM consume('rvs') GROUP BY 1;
-- whoever the session is by now, it commits and leaves
SET ROLE regress_el_x;
SELECT commit('rvs');
SELECT heartbeat('rvs', NULL) IS NOT NULL AS lives;
SELECT count(*) FROM consume('rvs');
SELECT leave_group('rvs');
RESET ROLE;
-- one that was put out meanwhile comes back to what it may read
SELECT create_group('rvs', '{"max_poll_interval": "1 second"}');
SELECT grant_group('rvs', 'regress_el_r');
GRANT SELECT ON rv_b TO regress_el_r;
SET ROLE regress_el_r;
SELECT count(join_group('rvs', '{rv_a,rv_b}')) AS joined;
RESET ROLE;
REVOKE SELECT ON rv_b FROM regress_el_r;
DO $$
BEGIN
  WHILE EXISTS (SELECT FROM eventlog_members WHERE group_name = 'rvs') LOOP
    PERFORM pg_sleep(0.01);
  END LOOP;
END $$;
SET ROLE regress_el_r;
SELECT topic, count(*) FROM consume('rvs') GROUP BY 1;
SELECT topic, count(*) FROM consume('rvs') GROUP BY 1;
SELECT topics FROM rv_members;
SELECT leave_group('rvs');
RESET ROLE;

SELECT drop_group('rvs');
DROP VIEW rv_members;
SELECT drop_topic('rv_a'), drop_topic('rv_b'), drop_topic('rv_c');
DROP ROLE regress_el_r, regress_el_s, regress_el_x, regress_el_readers;
