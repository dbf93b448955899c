-- What a transaction's own DDL shows to its consume() may be rolled back.  Subscriptions and what the group is
-- told of partitions live in shared memory, where no rollback comes by: nothing there follows from it.
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS eventlog;
RESET client_min_messages;
\set SHOW_CONTEXT never
SELECT create_topic('rd_one', 1, 'text', 'text'), create_topic('rd_two', 1, 'text', 'text');
SELECT count(produce('rd_one', 'k', 'v')), count(produce('rd_two', 'k', 'v')) FROM generate_series(1, 3);
CREATE VIEW rd_members AS SELECT group_name, member, topics, partitions FROM eventlog_members WHERE group_name ~ '^rd' AND kind = 'named' ORDER BY 1, 2;
SELECT count(join_group('rd', '{rd_one,rd_two}', 'w')) AS joined;

--
-- DROP
--
BEGIN;
SELECT drop_topic('rd_two');
SELECT topic, count(*) FROM consume('rd', member => 'w') GROUP BY 1;
ROLLBACK;
TABLE rd_members;
SELECT topic, count(*) FROM consume('rd', member => 'w') GROUP BY 1 ORDER BY 1;
-- all topics at once
BEGIN;
SELECT drop_topic('rd_one'), drop_topic('rd_two');
SAVEPOINT s;
SELECT count(*) FROM consume('rd', member => 'w');
ROLLBACK TO s;
SELECT heartbeat('rd', 'w') IS NOT NULL AS lives;
ROLLBACK;
TABLE rd_members;
-- a savepoint
BEGIN;
SAVEPOINT s;
SELECT drop_topic('rd_two');
SELECT topic, count(*) FROM consume('rd', member => 'w') GROUP BY 1;
ROLLBACK TO s;
SELECT topic, count(*) FROM consume('rd', member => 'w') GROUP BY 1 ORDER BY 1;
COMMIT;
TABLE rd_members;
-- an error in a block is one, too
DO $$
BEGIN
  PERFORM drop_topic('rd_two');
  PERFORM * FROM consume('rd', member => 'w');
  PERFORM 1 / 0;
EXCEPTION WHEN division_by_zero THEN NULL;
END $$;
TABLE rd_members;
-- wait_for_events() cannot be in such a transaction, a session's own subscription can
SELECT topic, count(*) FROM consume('rds', 'rd_one') GROUP BY 1;
SELECT topic, count(*) FROM consume('rds', 'rd_two') GROUP BY 1;
BEGIN;
DROP TABLE rd_two;
SELECT count(*) FROM consume('rds');
ROLLBACK;
SELECT topics, partitions FROM eventlog_members WHERE group_name = 'rds';
-- dropped and made again under the same name: another topic, which nobody has asked for
BEGIN;
SELECT drop_topic('rd_two'), create_topic('rd_two', 2, 'text', 'text');
SELECT topic, count(*) FROM consume('rds') GROUP BY 1;
ROLLBACK;
SELECT topic, count(*) FROM consume('rds') GROUP BY 1 ORDER BY 1;
BEGIN;
SELECT drop_topic('rd_two'), create_topic('rd_two', 2, 'text', 'text');
SELECT topic, count(*) FROM consume('rds') GROUP BY 1;
COMMIT;
SELECT group_name, topics FROM eventlog_members WHERE group_name ~ '^rd' ORDER BY 1;
-- another label makes another topic of it
BEGIN;
SECURITY LABEL FOR eventlog ON TABLE rd_one IS '{"uuid": "11111111-2222-3333-4444-555555555555"}';
SELECT count(*) FROM consume('rds');
ROLLBACK;
SELECT topics FROM eventlog_members WHERE group_name = 'rds';

-- more topics than a transaction notes for its end: the next call finds out that they are gone
SELECT count(create_topic('rd_many' || i, 1, 'text', 'text')) FROM generate_series(1, 70) i;
SELECT count(join_group('rdm', (SELECT array_agg(('rd_many' || i)::regclass) || 'rd_one'::regclass FROM generate_series(1, 70) i), 'w')) AS joined;
SELECT partitions FROM rd_members WHERE group_name = 'rdm';
BEGIN;
SELECT count(drop_topic('rd_many' || i)) FROM generate_series(1, 70) i;
SELECT count(*) FROM consume('rdm', member => 'w');
ROLLBACK;
SELECT partitions FROM rd_members WHERE group_name = 'rdm';
SELECT count(drop_topic('rd_many' || i)) FROM generate_series(1, 70) i;
SELECT heartbeat('rdm', 'w');
SELECT count(*) AS rows FROM rd_members WHERE group_name = 'rdm' AND partitions = 1;

--
-- partitions that are added
--
SELECT count(*) FROM consume('rdp', 'rd_one', member => 'w', commit => true);
BEGIN;
SELECT alter_topic('rd_one', '{"partitions": 5}');
SELECT produce('rd_one', 'k', 'v', partition => 4), count(*) FROM flush();
SELECT count(*) FROM consume('rdp', 'rd_one', member => 'w');
-- an offset may be committed there, it goes with them
SELECT seek('rdp', 'rd_one', 3, 0);
SELECT reset_group('rdp', 'rd_one', 'latest');
SELECT count(*) FROM consume('rdp', 'rd_one', member => 'w');
SELECT count(*) FROM claim('rdc', 'rd_one');
ROLLBACK;
SELECT partitions FROM rd_members WHERE group_name = 'rdp';
SELECT partition, lag FROM eventlog_lag WHERE group_name = 'rdp';
-- also with a savepoint, and where the group starts at the end
SELECT create_group('rdl', '{"start_from": "latest"}');
BEGIN;
SAVEPOINT s;
SELECT alter_topic('rd_one', '{"partitions": 3}');
SELECT alter_topic('rd_one', '{"partitions": 4}');
SELECT count(*) FROM consume('rdp', 'rd_one', member => 'w');
SELECT count(*) FROM consume('rdl', 'rd_one', member => 'w');
ROLLBACK TO s;
COMMIT;
SELECT group_name, partitions FROM rd_members WHERE group_name IN ('rdp', 'rdl');
SELECT group_name, partition FROM eventlog_lag WHERE group_name IN ('rdp', 'rdl') ORDER BY 1, 2;
-- those that stay are consumed once they are there
BEGIN;
SELECT alter_topic('rd_one', '{"partitions": 3}');
SELECT produce('rd_one', 'k', 'new', partition => 2);
SELECT count(*) FROM consume('rdp', 'rd_one', member => 'w');
SELECT seek('rdp', 'rd_one', 1, 0);
COMMIT;
SELECT partition, value FROM consume('rdp', 'rd_one', member => 'w');
SELECT partition, value FROM consume('rdl', 'rd_one', member => 'w');
SELECT group_name, partitions FROM rd_members WHERE group_name IN ('rdp', 'rdl');

--
-- a topic that is created
--
BEGIN;
SELECT create_topic('rd_new', 3, 'text', 'text');
SELECT count(*) FROM consume('rdp', 'rd_new', member => 'w');
SELECT seek('rdp', 'rd_new', 1, 0);
SELECT count(join_group('rdj', '{rd_new}', 'w')) AS joined;
ROLLBACK;
SELECT group_name, topics, partitions FROM rd_members WHERE group_name IN ('rdp', 'rdj');
-- what is left of it goes by the member's next call, whichever
SELECT heartbeat('rdj', 'w');
SELECT heartbeat('rdj', 'w');
SELECT count(*) FROM consume('rdj', member => 'w');
SELECT topic, count(*) FROM consume('rdp', member => 'w') GROUP BY 1 ORDER BY 1;
-- by plain statements, as a dump has them
BEGIN;
CREATE TABLE rd_plain (partition int, event_offset bigint, event_time timestamptz, key text, value text, headers jsonb) PARTITION BY LIST (partition);
CREATE TABLE rd_plain_p0 PARTITION OF rd_plain FOR VALUES IN (0) USING eventlog;
SELECT count(*) FROM consume('rdp', 'rd_plain', member => 'w');
ROLLBACK;
SELECT group_name, topics, partitions FROM rd_members WHERE group_name = 'rdp';
-- and stays, if it was not rolled back
BEGIN;
SELECT create_topic('rd_new', 3, 'text', 'text');
SELECT produce('rd_new', 'k', 'v', partition => 1);
SELECT count(*) FROM consume('rdp', 'rd_new', member => 'w');
COMMIT;
SELECT topic, count(*) FROM consume('rdp', member => 'w') WHERE topic = 'rd_new'::regclass GROUP BY 1;
SELECT group_name, topics, partitions FROM rd_members WHERE group_name = 'rdp';

--
-- rights that are taken away
--
CREATE ROLE regress_el_rd;
GRANT SELECT ON rd_one, rd_two TO regress_el_rd;
SET ROLE regress_el_rd;
SELECT count(join_group('rdr', '{rd_one,rd_two}', 'w')) AS joined;
RESET ROLE;
BEGIN;
REVOKE SELECT ON rd_two FROM regress_el_rd;
SET ROLE regress_el_rd;
SELECT topic, count(*) FROM consume('rdr', member => 'w') GROUP BY 1;
ROLLBACK;
SELECT topics FROM rd_members WHERE group_name = 'rdr';
BEGIN;
REVOKE SELECT ON rd_one, rd_two FROM regress_el_rd;
SET LOCAL ROLE regress_el_rd;
SELECT count(*) FROM consume('rdr', member => 'w');
ROLLBACK;
BEGIN;
DROP OWNED BY regress_el_rd;
DROP ROLE regress_el_rd;
SELECT heartbeat('rdr', 'w');
ROLLBACK;
SELECT topics FROM rd_members WHERE group_name = 'rdr';

SELECT count(leave_group(group_name, member)) FROM rd_members;
SELECT leave_group('rds');
SELECT drop_group('rdl');
DROP VIEW rd_members;
SELECT drop_topic('rd_one'), drop_topic('rd_two'), drop_topic('rd_new');
DROP ROLE regress_el_rd;

--
-- a group that is dropped with one of its topics, and has offsets in another that is gone
--
SELECT create_topic('rd_gone'), create_topic('rd_both');
SELECT count(produce(t, 'k', '1')) FROM unnest('{rd_gone,rd_both}'::regclass[]) t, generate_series(1, 6);
SELECT create_group('rdb');
SELECT count(*) FROM claim('rdb', 'rd_gone');
SELECT drop_topic('rd_gone');
SELECT event_offset FROM claim('rdb', 'rd_both', 2);
-- by an event that is none of its offsets, the group is loaded again
INSERT INTO _eventlog.committed_offsets (partition, key, value) VALUES (0, '["rd_other", "00000000-0000-0000-0000-000000000000", 0]', '{"next": 1}');
SELECT event_offset FROM claim('rdb', 'rd_both', 2);
BEGIN;
SELECT drop_topic('rd_both');
SELECT drop_group('rdb');
ROLLBACK;
SELECT event_offset FROM claim('rdb', 'rd_both', 1);
SELECT drop_group('rdb'), drop_topic('rd_both');
