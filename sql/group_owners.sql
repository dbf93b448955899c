-- Roles that own groups, or were granted them: DROP ROLE is refused, REASSIGN
-- OWNED and DROP OWNED take groups along, and rows that are inserted are made
-- to fit the roles that there are.
\set VERBOSITY terse
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS eventlog;
CREATE ROLE regress_el_owner;
CREATE ROLE regress_el_second;
CREATE ROLE regress_el_grantee;
CREATE ROLE regress_el_none;
CREATE SCHEMA owners;
SELECT create_topic('owners.t', 1, 'text', 'text');
GRANT USAGE ON SCHEMA owners TO PUBLIC;
GRANT SELECT ON owners.t TO PUBLIC;
SELECT produce('owners.t', i::text, '') FROM generate_series(1, 10) i \g /dev/null

-- which roles the tables hold
CREATE VIEW owners.held AS SELECT relname, attname, privilege_type, array_agg(r.rolname ORDER BY r.rolname) AS roles
  FROM pg_attribute JOIN pg_class c ON c.oid = attrelid, aclexplode(attacl) a JOIN pg_roles r ON r.oid = grantee
 WHERE relnamespace = '_eventlog'::regnamespace AND rolname LIKE 'regress_el%' GROUP BY 1, 2, 3 ORDER BY 1;
-- what pg_dump takes for the extension's own
CREATE VIEW owners.differ AS SELECT c.oid::regclass, attname FROM pg_attribute JOIN pg_class c ON c.oid = attrelid
  LEFT JOIN pg_init_privs i ON i.objoid = c.oid AND i.classoid = 'pg_class'::regclass AND i.objsubid = attnum
 WHERE relnamespace = '_eventlog'::regnamespace AND attacl IS DISTINCT FROM initprivs;
CREATE VIEW owners.made AS SELECT group_name, g.owner, array_agg(role ORDER BY role::text) FILTER (WHERE role IS NOT NULL) AS granted
  FROM _eventlog.groups g LEFT JOIN _eventlog.group_grants USING (group_name) GROUP BY 1, 2 ORDER BY 1;

SET ROLE regress_el_owner;
SELECT create_group('own_a'), create_group('own_b'), create_group('own_a', if_not_exists => true);
SELECT grant_group('own_a', 'regress_el_grantee'), grant_group('own_b', 'regress_el_grantee'), grant_group('own_b', 'regress_el_second');
SELECT count(*) FROM consume('own_a', 'owners.t', 4, commit => true);
SELECT leave_group('own_a');
RESET ROLE;
SELECT * FROM owners.held;
DROP ROLE regress_el_owner;
DROP ROLE regress_el_grantee;

-- the privilege lets nobody do anything
GRANT CREATE ON SCHEMA owners TO regress_el_owner, regress_el_grantee;
SET ROLE regress_el_owner;
SELECT owner FROM _eventlog.groups;
CREATE TABLE owners.refers (g text REFERENCES _eventlog.groups);
CREATE TABLE owners.refers (owner oid REFERENCES _eventlog.groups (owner));
SET ROLE regress_el_grantee;
CREATE TABLE owners.refers (g text, r oid, FOREIGN KEY (g, r) REFERENCES _eventlog.group_grants);
RESET ROLE;
REVOKE CREATE ON SCHEMA owners FROM regress_el_owner, regress_el_grantee;
SELECT * FROM owners.differ;

-- the last row lets go; what is rolled back does not
BEGIN;
SELECT drop_group('own_a'), drop_group('own_b');
SELECT * FROM owners.held;
SELECT create_group('own_c');
ROLLBACK;
SELECT * FROM owners.held;
SELECT drop_group('own_a');
SELECT * FROM owners.held;
SELECT revoke_group('own_b', 'regress_el_grantee');
SELECT * FROM owners.held;
DROP ROLE regress_el_grantee;
DROP ROLE regress_el_owner;
CREATE ROLE regress_el_grantee;
SELECT grant_group('own_b', 'regress_el_grantee');

-- REASSIGN OWNED: the groups, and no grants
SET ROLE regress_el_second;
REASSIGN OWNED BY regress_el_owner TO regress_el_second;
RESET ROLE;
SELECT * FROM owners.made;
SET ROLE regress_el_owner;
SELECT create_group('own_d');
RESET ROLE;
REASSIGN OWNED BY regress_el_owner, regress_el_grantee TO regress_el_second;
SELECT * FROM owners.made;
SELECT * FROM owners.held;
DROP ROLE regress_el_owner;
CREATE ROLE regress_el_owner;

-- DROP OWNED: groups with their committed offsets, and grants
SET ROLE regress_el_owner;
SELECT create_group('own_e');
SELECT grant_group('own_e', 'regress_el_owner');
SELECT count(*) FROM consume('own_e', 'owners.t', 4, commit => true);
SET ROLE regress_el_second;
DROP OWNED BY regress_el_owner;
SET ROLE regress_el_owner;
SELECT leave_group('own_e');
BEGIN;
DROP OWNED BY regress_el_owner;
SELECT create_group('own_e');
ROLLBACK;
SELECT group_name, owner, lag FROM eventlog_groups WHERE group_name = 'own_e';
DROP OWNED BY regress_el_owner;
RESET ROLE;
SELECT * FROM owners.made;
SELECT group_name, owner, lag FROM eventlog_groups WHERE group_name = 'own_e';
-- however many they are
SET ROLE regress_el_owner;
SELECT count(create_group('own_' || i)) FROM generate_series(1, 100) i;
SELECT count(*) FROM (SELECT seek('own_' || i, 'owners.t', 0, 7) FROM generate_series(1, 100) i) s;
SELECT count(*), sum(committed_offset) FROM eventlog_lag WHERE topic = 'owners.t'::regclass;
BEGIN;
SAVEPOINT s;
DROP OWNED BY regress_el_owner;
ROLLBACK TO s;
SELECT drop_group('own_1');
COMMIT;
SELECT count(*), sum(committed_offset) FROM eventlog_lag WHERE topic = 'owners.t'::regclass;
DROP OWNED BY regress_el_owner;
SELECT count(*), sum(committed_offset) FROM eventlog_lag WHERE topic = 'owners.t'::regclass;
RESET ROLE;
DROP ROLE regress_el_owner;
DROP OWNED BY regress_el_second, regress_el_grantee, regress_el_none;
SELECT * FROM owners.made;
SELECT * FROM owners.held;
SELECT * FROM owners.differ;

-- not in a read-only transaction, nor for a role that does not exist
BEGIN READ ONLY;
DROP OWNED BY regress_el_second;
ROLLBACK;
DROP OWNED BY regress_el_owner;
REASSIGN OWNED BY regress_el_owner TO regress_el_second;

-- a group with members is not dropped, by whatever statement
SET ROLE regress_el_second;
SELECT create_group('own_f');
SELECT join_group('own_f', '{owners.t}', 'worker') \g /dev/null
DROP OWNED BY regress_el_second;
SELECT leave_group('own_f', 'worker');
RESET ROLE;

--
-- Rows that come in by themselves
--
-- names that are not there: the group is the current role's, a grant is left out
CREATE ROLE regress_el_super SUPERUSER;
SET ROLE regress_el_super;
\set VERBOSITY default
INSERT INTO _eventlog.groups (group_name, owner) VALUES ('row_a', 'regress_el_gone');
COPY _eventlog.groups (group_name, owner) FROM stdin;
row_b	regress_el_gone
row_c	regress_el_gone
row_d	"Regress_el Gone"
row_e	regress_el_none
row_f	4000000000
\.
COPY _eventlog.group_grants FROM stdin;
row_a	regress_el_gone
row_a	regress_el_none
row_b	regress_el_gone
row_b	-
\.
RESET ROLE;
\set VERBOSITY terse
SELECT * FROM owners.made;
INSERT INTO _eventlog.groups (group_name, owner) VALUES ('row_g', 'a.b');
INSERT INTO _eventlog.groups (group_name, owner) VALUES (NULL, 'regress_el_none');
INSERT INTO _eventlog.groups (group_name, owner) VALUES ('row_g', NULL);
INSERT INTO _eventlog.group_grants VALUES ('row_a', NULL);
INSERT INTO _eventlog.group_grants VALUES (NULL, 'regress_el_none');
SELECT '4000000000'::oid::_eventlog.role, 'regress_el_none'::regrole::_eventlog.role, 'regress_el_none'::_eventlog.role::regrole,
	'regress_el_none'::_eventlog.role = 'regress_el_none'::regrole AS same;
INSERT INTO _eventlog.groups (group_name, owner) VALUES ('row_g', 4000000000);
INSERT INTO _eventlog.groups (group_name, owner) VALUES ('row_g', 4000000000::oid);
SELECT owner = current_user::regrole AS mine FROM _eventlog.groups WHERE group_name = 'row_g';
DROP ROLE regress_el_super;

\set VERBOSITY default
-- who may insert, and is no superuser, is held to what he could have done with the functions
GRANT SELECT, INSERT ON _eventlog.groups, _eventlog.group_grants TO regress_el_none;
CREATE ROLE regress_el_team ROLE regress_el_none;
SET ROLE regress_el_none;
INSERT INTO _eventlog.groups (group_name, owner) VALUES ('row_h', 'regress_el_second'), ('row_i', 'regress_el_none'), ('row_j', 'regress_el_team');
INSERT INTO _eventlog.groups (group_name, owner, options) VALUES ('row_k', 'regress_el_none', '{"start_from": "nowhere"}');
INSERT INTO _eventlog.groups (group_name, owner) VALUES (repeat('x', 64), 'regress_el_none');
INSERT INTO _eventlog.group_grants VALUES ('row_a', 'regress_el_none'), ('row_h', 'regress_el_second'), ('row_j', 'regress_el_second'), ('row_later', 'regress_el_second');
RESET ROLE;
SELECT * FROM owners.made WHERE owner NOT IN (current_user::regrole, 'regress_el_super'::regrole);
-- what was granted before there was a group is not granted to it
SELECT create_group('row_later');
SELECT * FROM _eventlog.group_grants WHERE group_name = 'row_later';

-- the triggers stand, whatever a dump says
\set VERBOSITY terse
ALTER TABLE _eventlog.groups DISABLE TRIGGER ALL;
SELECT tgname, tgenabled FROM pg_trigger WHERE tgrelid = '_eventlog.groups'::regclass ORDER BY 1;
SET session_replication_role = replica;
INSERT INTO _eventlog.groups (group_name, owner) VALUES ('row_l', 'regress_el_gone');
RESET session_replication_role;
ALTER TABLE _eventlog.groups ENABLE TRIGGER ALL;
-- the comment that a dump has of the extension is everybody's to give, another is not
SET ROLE regress_el_none;
COMMENT ON EXTENSION eventlog IS 'a Kafka log inside PostgreSQL: topics, partitions, consumer groups';
COMMENT ON EXTENSION eventlog IS 'another';
COMMENT ON EXTENSION eventlog IS NULL;
RESET ROLE;
SELECT obj_description(oid, 'pg_extension') FROM pg_extension WHERE extname = 'eventlog';

-- functions that are triggers
SELECT _eventlog.anchor_roles();
CREATE TABLE owners.plain (a int);
CREATE TRIGGER x BEFORE INSERT ON owners.plain FOR EACH ROW EXECUTE FUNCTION _eventlog.anchor_roles('a');
INSERT INTO owners.plain VALUES (1);
DROP TRIGGER x ON owners.plain;
CREATE TRIGGER x AFTER INSERT ON owners.plain FOR EACH ROW EXECUTE FUNCTION _eventlog.check_group();
INSERT INTO owners.plain VALUES (1);
GRANT ALL ON SCHEMA owners TO regress_el_none;
SET ROLE regress_el_none;
CREATE TABLE owners.theirs (a oid);
CREATE TRIGGER x AFTER INSERT ON owners.theirs FOR EACH ROW EXECUTE FUNCTION _eventlog.anchor_roles('a');
RESET ROLE;

-- who owned the extension is held by what it was granted from now on
BEGIN;
CREATE ROLE regress_el_chief SUPERUSER;
GRANT regress_el_chief TO regress_el_second;
ALTER TABLE _eventlog.groups OWNER TO regress_el_chief;
ALTER TABLE _eventlog.group_grants OWNER TO regress_el_chief;
SET LOCAL ROLE regress_el_second;
SELECT create_group('of_second');
SELECT grant_group('of_second', 'regress_el_chief');
RESET ROLE;
REASSIGN OWNED BY regress_el_chief TO CURRENT_USER;
DROP ROLE regress_el_chief;
ROLLBACK;

SELECT drop_group(group_name) FROM _eventlog.groups WHERE group_name ~ '^row_' \g /dev/null
REVOKE ALL ON _eventlog.groups, _eventlog.group_grants FROM regress_el_none;
DROP SCHEMA owners CASCADE;
DROP OWNED BY regress_el_super, regress_el_second, regress_el_grantee, regress_el_none, regress_el_team;
DROP ROLE regress_el_super, regress_el_second, regress_el_grantee, regress_el_none, regress_el_team;
