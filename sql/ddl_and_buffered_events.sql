-- Events that a transaction has produced wait for its commit.  DDL in the same transaction that copies, scans or
-- constrains a topic has to find them, as it finds the rows of a heap: here the heap is the twin.
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS eventlog;
RESET client_min_messages;
\set SHOW_CONTEXT never
\pset footer off
SET allow_in_place_tablespaces = on;
CREATE TABLESPACE regress_el_space LOCATION '';

--
-- SET TABLESPACE in a savepoint: the new file goes with it, what was produced before must not
--
SELECT create_topic('db_log', 2, 'text', 'text');
CREATE TABLE db_twin (key text);
BEGIN;
SELECT produce('db_log', 'before', '1', partition => 0);
INSERT INTO db_twin VALUES ('before');
SAVEPOINT s;
ALTER TABLE db_log SET TABLESPACE regress_el_space;
ALTER TABLE db_twin SET TABLESPACE regress_el_space;
SELECT count(*) FROM flush();
SELECT produce('db_log', 'in it', '2', partition => 0);
INSERT INTO db_log (partition, key) VALUES (0, 'in it, too') RETURNING event_offset;
ROLLBACK TO s;
SELECT produce('db_log', 'after', '3', partition => 0);
INSERT INTO db_twin VALUES ('after');
COMMIT;
SELECT key FROM db_twin;
SELECT key FROM db_log ORDER BY event_offset;
-- and if the savepoint stays, in several levels
BEGIN;
SELECT produce('db_log', 'top', '1', partition => 0);
SAVEPOINT a;
SELECT produce('db_log', 'a', '1', partition => 0);
SAVEPOINT b;
SELECT produce('db_log', 'b', '1', partition => 0);
SAVEPOINT c;
ALTER TABLE db_log_p0 SET TABLESPACE regress_el_space;
SELECT produce('db_log', 'c', '1', partition => 0);
RELEASE c;
SELECT count(*) FROM flush();
ROLLBACK TO b;
SELECT produce('db_log', 'b again', '1', partition => 0);
SAVEPOINT d;
ALTER TABLE db_log_p0 SET TABLESPACE regress_el_space;
SELECT produce('db_log', 'd', '1', partition => 0);
RELEASE a;
SELECT produce('db_log', 'end', '1', partition => 0);
SELECT count(*) FROM flush();
COMMIT;
SELECT key FROM db_log ORDER BY event_offset;
SELECT * FROM check_topic('db_log');
-- all tables of a tablespace, which no statement names
BEGIN;
SELECT produce('db_log', 'before moving all', '1', partition => 0);
SAVEPOINT s;
ALTER TABLE ALL IN TABLESPACE regress_el_space SET TABLESPACE pg_default;
SELECT count(*) FROM flush();
ROLLBACK TO s;
COMMIT;
SELECT key FROM db_log ORDER BY event_offset DESC LIMIT 1;
SELECT count(*) AS moved FROM pg_class WHERE relname ~ '^db_log_p' AND reltablespace <> 0;

-- in a prepared transaction
BEGIN;
SELECT produce('db_log', 'prepared', '1', partition => 0);
SAVEPOINT s;
ALTER TABLE db_log SET TABLESPACE pg_default;
SELECT produce('db_log', 'prepared, too', '1', partition => 0);
RELEASE s;
PREPARE TRANSACTION 'regress_el_space';
COMMIT PREPARED 'regress_el_space';
SELECT key FROM db_log ORDER BY event_offset DESC LIMIT 2;

--
-- a file that is new for other reasons
--
TRUNCATE db_log;
BEGIN;
SELECT produce('db_log', 'before', '1', partition => 0);
SAVEPOINT s;
TRUNCATE db_log;
SELECT produce('db_log', 'in it', '1', partition => 0);
SELECT count(*) FROM flush();
ROLLBACK TO s;
SELECT count(*) FROM flush();
COMMIT;
SELECT key FROM db_log ORDER BY event_offset;
BEGIN;
SELECT produce('db_log', 'gone', '1', partition => 0);
SAVEPOINT s;
TRUNCATE db_log;
SAVEPOINT t;
SELECT produce('db_log', 'kept', '1', partition => 0);
ALTER TABLE db_log SET TABLESPACE regress_el_space;
RELEASE t;
RELEASE s;
SELECT produce('db_log', 'kept, too', '1', partition => 0);
SELECT count(*) FROM flush();
COMMIT;
SELECT key FROM db_log ORDER BY event_offset;
-- a topic, or a partition, that is not there any more
BEGIN;
SAVEPOINT s;
SELECT create_topic('db_made', 1, 'text', 'text');
SELECT alter_topic('db_log', '{"partitions": 3}');
SELECT produce('db_made', 'k', 'v'), produce('db_log', 'k', 'v', partition => 2);
SELECT count(*) FROM flush();
SELECT produce('db_made', 'k', 'v'), produce('db_log', 'k', 'v', partition => 2);
ROLLBACK TO s;
SELECT produce('db_log', 'after all', '1', partition => 0);
COMMIT;
SELECT key FROM db_log ORDER BY event_offset;

--
-- constraints
--
SELECT create_topic('db_chk', 1, 'text', 'integer');
CREATE TABLE db_chk_twin (key text, value integer);
BEGIN;
SELECT produce('db_chk', 'k', '-5');
ALTER TABLE db_chk ADD CONSTRAINT pos CHECK (value > 0);
COMMIT;
BEGIN;
INSERT INTO db_chk_twin VALUES ('k', -5);
ALTER TABLE db_chk_twin ADD CONSTRAINT pos CHECK (value > 0);
COMMIT;
-- validated later, in a savepoint that fails
BEGIN;
SELECT produce('db_chk', 'k', '-5');
SAVEPOINT s;
ALTER TABLE db_chk ADD CONSTRAINT pos CHECK (value > 0) NOT VALID;
ALTER TABLE db_chk VALIDATE CONSTRAINT pos;
ROLLBACK TO s;
SELECT produce('db_chk', 'k', '5');
COMMIT;
SELECT key, value FROM db_chk ORDER BY event_offset;
SELECT conname FROM pg_constraint WHERE conrelid = 'db_chk'::regclass;
TRUNCATE db_chk;
BEGIN;
SELECT produce('db_chk', 'k', '7');
ALTER TABLE db_chk ADD CONSTRAINT pos CHECK (value > 0);
SELECT produce('db_chk', 'k', '8');
COMMIT;
SELECT key, value FROM db_chk ORDER BY event_offset;

-- of a domain
CREATE DOMAIN db_amount AS integer;
SELECT create_topic('db_dom', 1, 'db_amount', 'db_amount');
BEGIN;
SELECT produce('db_dom', 1, -5);
ALTER DOMAIN db_amount ADD CONSTRAINT pos CHECK (VALUE > 0);
COMMIT;
BEGIN;
SELECT produce('db_dom', 1, NULL::integer);
ALTER DOMAIN db_amount SET NOT NULL;
COMMIT;
BEGIN;
SELECT produce('db_dom', 0, 5);
ALTER DOMAIN db_amount ADD CONSTRAINT pos CHECK (VALUE > 0) NOT VALID;
ALTER DOMAIN db_amount VALIDATE CONSTRAINT pos;
COMMIT;
SELECT count(*) FROM db_dom;
SELECT conname FROM pg_constraint WHERE contypid = 'db_amount'::regtype;

--
-- options: what was produced before goes by those before
--
SELECT create_topic('db_opt', 1, 'text', 'text');
BEGIN;
SELECT produce('db_opt', NULL, 'without key');
SELECT alter_topic('db_opt', '{"cleanup_policy": "compact"}');
-- it is on the log
SELECT key, value FROM db_opt;
SAVEPOINT s;
SELECT produce('db_opt', NULL, 'too late');
ROLLBACK TO s;
SELECT produce('db_opt', 'k', 'with key');
SELECT key, value FROM db_opt;
COMMIT;
SELECT event_offset, key, value FROM db_opt ORDER BY 1;
BEGIN;
SELECT produce('db_opt', 'k', 'before a label');
SECURITY LABEL FOR eventlog ON TABLE db_opt IS '{"uuid": "11111111-2222-3333-4444-777777777777"}';
SELECT count(*) FROM db_opt;
ROLLBACK;

-- other statements leave events where they are: what is appended holds readers up
BEGIN;
SELECT produce('db_opt', 'k', 'waits for the commit');
ALTER TABLE db_twin ADD COLUMN other integer;
ALTER TABLE db_chk DROP CONSTRAINT pos;
ANALYZE db_opt;
SELECT * FROM check_topic('db_opt');
SELECT count(*) FROM db_opt;
COMMIT;
SELECT count(*) FROM db_opt;

DROP TABLE db_twin, db_chk_twin;
SELECT drop_topic('db_log'), drop_topic('db_chk'), drop_topic('db_dom'), drop_topic('db_opt');
DROP DOMAIN db_amount;
DROP TABLESPACE regress_el_space;
