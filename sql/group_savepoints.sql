-- What a transaction knows of a partition, and what a rollback to a savepoint takes back of it: events worked on twice,
-- or never.  Each case has a topic of its own and ends with what the group has committed.
\set VERBOSITY terse
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS eventlog;
RESET client_min_messages;

CREATE FUNCTION gs_topic(name text, events int, partitions int DEFAULT 1) RETURNS void LANGUAGE sql AS $$
	SELECT create_topic(name, partitions, 'text', 'text');
	SELECT count(produce(name, 'k', i::text, partition => i % partitions)) FROM generate_series(0, events - 1) i;
$$;
CREATE FUNCTION gs_fence(name text, topic regclass, member text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	PERFORM join_group(name, ARRAY[topic], member);
END $$;
CREATE VIEW gs_lag AS SELECT partition, committed_offset, lag FROM eventlog_lag WHERE group_name LIKE 'gs%' ORDER BY group_name, partition;
CREATE VIEW gs_topics_lag AS SELECT topic, partition, committed_offset, lag FROM eventlog_lag WHERE group_name LIKE 'gs%' ORDER BY topic::text, partition;
CREATE TABLE gs_work (topic text, partition int, event_offset bigint, UNIQUE (topic, partition, event_offset));

-- a commit() that was refused stays refused, also by COMMIT, though a savepoint hides its error
SELECT gs_topic('gs1', 3);
SELECT gs_fence('gs1', 'gs1', 'w');
BEGIN;
INSERT INTO gs_work SELECT topic, partition, event_offset FROM consume('gs1', 'gs1', member => 'w');
SAVEPOINT s;
SELECT gs_fence('gs1', 'gs1', 'w');
SELECT commit('gs1', 'w');
ROLLBACK TO s;
SAVEPOINT s;
SELECT commit('gs1', 'w');
ROLLBACK TO s;
SAVEPOINT s;
SELECT commit('gs1', 'gs1', 0, 2, 'w');
ROLLBACK TO s;
COMMIT;
SELECT count(*) FROM gs_work;
SELECT * FROM gs_lag;
-- in an EXCEPTION block likewise
DO $$
BEGIN
	INSERT INTO gs_work SELECT topic, partition, event_offset FROM consume('gs1', 'gs1', member => 'w');
	PERFORM gs_fence('gs1', 'gs1', 'w');
	BEGIN
		PERFORM commit('gs1', 'w');
	EXCEPTION WHEN OTHERS THEN
		RAISE NOTICE '%', SQLSTATE;
	END;
END $$;
SELECT count(*) FROM gs_work;
-- who never asked for a commit() is not refused: nothing was promised
BEGIN;
SELECT count(*) FROM consume('gs1', 'gs1', member => 'w');
SELECT gs_fence('gs1', 'gs1', 'w');
COMMIT;
-- a savepoint set before the consume() takes the consumption back, and the refusal has nothing to refuse
BEGIN;
SAVEPOINT before;
INSERT INTO gs_work SELECT topic, partition, event_offset FROM consume('gs1', 'gs1', member => 'w');
SAVEPOINT s;
SELECT gs_fence('gs1', 'gs1', 'w');
SELECT commit('gs1', 'w');
ROLLBACK TO before;
COMMIT;
BEGIN;
SAVEPOINT before;
INSERT INTO gs_work SELECT topic, partition, event_offset FROM consume('gs1', 'gs1', member => 'w');
SAVEPOINT s;
SELECT gs_fence('gs1', 'gs1', 'w');
SELECT commit('gs1', 'w');
ROLLBACK TO before;
INSERT INTO gs_work SELECT topic, partition, event_offset FROM consume('gs1', 'gs1', member => 'w');
SELECT commit('gs1', 'w');
COMMIT;
SELECT count(*) FROM gs_work;
SELECT * FROM gs_lag;
-- half of the consumption taken back is not all of it
SELECT count(produce('gs1', 'k', i::text)) FROM generate_series(3, 6) i;
BEGIN;
SELECT count(*) FROM consume('gs1', 'gs1', 2, member => 'w');
SAVEPOINT s;
SELECT count(*) FROM consume('gs1', 'gs1', 2, member => 'w');
SELECT gs_fence('gs1', 'gs1', 'w');
SAVEPOINT t;
SELECT commit('gs1', 'w');
ROLLBACK TO s;
COMMIT;
SELECT * FROM gs_lag;
-- what was committed before the member was replaced is refused at COMMIT
BEGIN;
SELECT count(*) FROM consume('gs1', 'gs1', member => 'w', commit => true);
SELECT gs_fence('gs1', 'gs1', 'w');
COMMIT;
BEGIN;
SELECT count(*) FROM consume('gs1', 'gs1', member => 'w');
SELECT commit('gs1', 'gs1', 0, 4, 'w');
SELECT gs_fence('gs1', 'gs1', 'w');
COMMIT;
SELECT * FROM gs_lag;
-- a member that left cannot commit, nor can the transaction that it consumed in be committed then
BEGIN;
SELECT count(*) FROM consume('gs1', 'gs1', member => 'w');
SELECT leave_group('gs1', 'w');
SAVEPOINT s;
SELECT commit('gs1', 'w');
ROLLBACK TO s;
SAVEPOINT s;
SELECT commit('gs1', 'w');
ROLLBACK TO s;
COMMIT;
-- the same by the session
BEGIN;
SELECT count(*) FROM consume('gs1', 'gs1');
SELECT leave_group('gs1');
SAVEPOINT s;
SELECT commit('gs1');
ROLLBACK TO s;
COMMIT;
SELECT * FROM gs_lag;
DROP TABLE gs1;
TRUNCATE gs_work;

-- a seek() is not undone by a commit() of what was delivered before
SELECT gs_topic('gs2', 5);
SELECT count(*) FROM consume('gs2', 'gs2', 4, member => 'w');
SELECT commit('gs2', 'w');
BEGIN;
SAVEPOINT s;
SELECT count(*) FROM consume('gs2', 'gs2', member => 'w');
ROLLBACK TO s;
SELECT seek('gs2', 'gs2', 0, 1);
COMMIT;
SELECT commit('gs2', 'w');
SELECT * FROM gs_lag;
-- nor in one transaction with the consumption, behind it and before it
BEGIN;
SELECT count(*) FROM consume('gs2', 'gs2', member => 'w');
SELECT seek('gs2', 'gs2', 0, 2);
SELECT commit('gs2', 'w');
COMMIT;
SELECT commit('gs2', 'w');
SELECT * FROM gs_lag;
BEGIN;
SELECT seek('gs2', 'gs2', 0, 3);
SELECT min(event_offset), max(event_offset) FROM consume('gs2', 'gs2', member => 'w');
COMMIT;
SELECT * FROM gs_lag;
SELECT commit('gs2', 'w');
SELECT * FROM gs_lag;
-- nor a reset
SELECT count(produce('gs2', 'k', 'x'));
SELECT count(*) FROM consume('gs2', 'gs2', member => 'w');
SELECT reset_group('gs2', 'gs2', 'earliest');
SELECT commit('gs2', 'w');
SELECT * FROM gs_lag;
-- a seek() that is rolled back has not been
BEGIN;
SELECT count(*) FROM consume('gs2', 'gs2', 2, member => 'w');
SAVEPOINT s;
SELECT seek('gs2', 'gs2', 0, 5);
ROLLBACK TO s;
SELECT commit('gs2', 'w');
COMMIT;
SELECT * FROM gs_lag;
-- of what was delivered last, a part may be committed, and then the rest
SELECT count(*) FROM consume('gs2', 'gs2', member => 'w');
SELECT commit('gs2', 'gs2', 0, 3, 'w');
SELECT commit('gs2', 'w');
SELECT * FROM gs_lag;
-- the session's position follows a seek, too
SELECT leave_group('gs2', 'w');
SELECT reset_group('gs2', 'gs2', 'earliest');
SELECT count(*) FROM consume('gs2', 'gs2');
SELECT seek('gs2', 'gs2', 0, 4);
SELECT commit('gs2');
SELECT * FROM gs_lag;
SELECT min(event_offset) FROM consume('gs2', 'gs2');
SELECT leave_group('gs2');
DROP TABLE gs2;

-- dropped, made anew and consumed in one transaction: from start_from on, and committed
SELECT gs_topic('gs3', 10);
SELECT create_group('gs3');
SELECT count(*) FROM consume('gs3', 'gs3', 5, commit => true);
BEGIN;
SELECT drop_group('gs3');
SELECT create_group('gs3');
SELECT min(event_offset), max(event_offset) FROM consume('gs3', 'gs3', 8);
SELECT commit('gs3');
COMMIT;
SELECT * FROM gs_lag;
SELECT min(event_offset), max(event_offset) FROM consume('gs3', 'gs3', commit => true);
-- rolled back to a savepoint: it goes on
SELECT count(produce('gs3', 'k', 'x')) FROM generate_series(1, 5);
SELECT min(event_offset), max(event_offset) FROM consume('gs3', 'gs3', 2);
BEGIN;
SAVEPOINT s;
SELECT drop_group('gs3');
SELECT create_group('gs3');
SELECT min(event_offset), max(event_offset) FROM consume('gs3', 'gs3', commit => true);
ROLLBACK TO s;
SELECT min(event_offset), max(event_offset) FROM consume('gs3', 'gs3');
SELECT commit('gs3');
COMMIT;
SELECT * FROM gs_lag;
-- a group that this transaction made and committed in is dropped with what it committed
BEGIN;
SELECT create_group('gs4');
SELECT count(*) FROM consume('gs4', 'gs3', 3, commit => true);
SELECT drop_group('gs4');
COMMIT;
SELECT * FROM gs_lag;
SELECT drop_group('gs3');
DROP TABLE gs3;

-- a member that leaves and comes back goes on where its transaction stands
SELECT gs_topic('gs5', 10);
BEGIN;
INSERT INTO gs_work SELECT topic, partition, event_offset FROM consume('gs5', 'gs5', 3);
SELECT commit('gs5');
INSERT INTO gs_work SELECT topic, partition, event_offset FROM consume('gs5', 'gs5', 2);
SELECT leave_group('gs5');
INSERT INTO gs_work SELECT topic, partition, event_offset FROM consume('gs5', 'gs5', 3);
SELECT leave_group('gs5');
SAVEPOINT s;
INSERT INTO gs_work SELECT topic, partition, event_offset FROM consume('gs5', 'gs5');
SELECT leave_group('gs5');
ROLLBACK TO s;
INSERT INTO gs_work SELECT topic, partition, event_offset FROM consume('gs5', 'gs5', 1);
SELECT commit('gs5');
COMMIT;
SELECT count(*), max(event_offset) FROM gs_work;
SELECT * FROM gs_lag;
SELECT leave_group('gs5');
-- a named one, too
BEGIN;
INSERT INTO gs_work SELECT topic, partition, event_offset FROM consume('gs5', 'gs5', member => 'w');
SELECT leave_group('gs5', 'w');
SELECT gs_fence('gs5', 'gs5', 'w');
SELECT commit('gs5', 'w');
COMMIT;
SELECT * FROM gs_lag;
SELECT leave_group('gs5', 'w');
-- what it said it commits stays said
SELECT count(produce('gs5', 'k', 'x')) FROM generate_series(1, 4);
BEGIN;
SELECT count(*) FROM consume('gs5', 'gs5', 2, member => 'w', commit => true);
SELECT leave_group('gs5', 'w');
COMMIT;
SELECT * FROM gs_lag;
DROP TABLE gs5;
TRUNCATE gs_work;

-- the session leaves, its named member does not
SELECT gs_topic('gs6', 20, 2);
SELECT count(*) FROM consume('gs6', 'gs6', 1);
BEGIN;
INSERT INTO gs_work SELECT topic, partition, event_offset FROM consume('gs6', 'gs6', member => 'w');
SELECT leave_group('gs6');
SELECT commit('gs6', 'w') > 0 AS committed;
COMMIT;
SELECT count(*) FROM consume('gs6', 'gs6', member => 'w') e JOIN gs_work w USING (partition, event_offset);
SELECT leave_group('gs6', 'w');
DROP TABLE gs6;

-- a refusal stands for what was consumed, whoever goes on with it: the member that joins again, or another
SELECT gs_topic('gs8', 9);
BEGIN;
SELECT count(*) FROM consume('gs8', 'gs8', 2, member => 'w');
SELECT leave_group('gs8', 'w');
SAVEPOINT s;
SELECT commit('gs8', 'w');
ROLLBACK TO s;
SELECT gs_fence('gs8', 'gs8', 'w');
SELECT min(event_offset), max(event_offset) FROM consume('gs8', 'gs8', 2, member => 'w');
COMMIT;
SELECT leave_group('gs8', 'w');
BEGIN;
SELECT count(*) FROM consume('gs8', 'gs8', 2, member => 'w');
SELECT leave_group('gs8', 'w');
SAVEPOINT s;
SELECT commit('gs8', 'gs8', 0, 2, 'w');
ROLLBACK TO s;
SAVEPOINT s;
SELECT min(event_offset), max(event_offset) FROM consume('gs8', 'gs8', 2, member => 'v');
SELECT gs_fence('gs8', 'gs8', 'v');
SAVEPOINT t;
SELECT commit('gs8', 'v');
ROLLBACK TO s;
COMMIT;
SELECT leave_group('gs8', 'v');
-- and for what was consumed from a partition, in whatever name it shall be committed
BEGIN;
SELECT count(*) FROM consume('gs8', 'gs8', 2, member => 'w');
SAVEPOINT s;
SELECT commit('gs8', 'gs8', 0, 2, 'nobody');
ROLLBACK TO s;
COMMIT;
BEGIN;
SELECT count(*) FROM consume('gs8', 'gs8', 2, member => 'w');
SELECT gs_fence('gs8', 'gs8', 'v');
SAVEPOINT s;
SELECT commit('gs8', 'gs8', 0, 2, 'v');
ROLLBACK TO s;
COMMIT;
-- but not for another partition
BEGIN;
SELECT count(*) FROM consume('gs8', 'gs8', 2, member => 'w');
SAVEPOINT s;
SELECT alter_topic('gs8', '{"partitions": 2}');
SELECT commit('gs8', 'gs8', 1, 0, 'nobody');
ROLLBACK TO s;
SELECT commit('gs8', 'w');
COMMIT;
SELECT * FROM gs_lag;
-- a rollback that takes the consumption back ends it, also for the same member and partition
SELECT leave_group('gs8', 'v');
BEGIN;
SAVEPOINT before;
SELECT min(event_offset), max(event_offset) FROM consume('gs8', 'gs8', 2, member => 'w');
SAVEPOINT s;
SELECT commit('gs8', 'gs8', 0, 4, 'nobody');
ROLLBACK TO before;
SELECT min(event_offset), max(event_offset) FROM consume('gs8', 'gs8', 2, member => 'w');
SELECT commit('gs8', 'w');
COMMIT;
SELECT * FROM gs_lag;
SELECT leave_group('gs8', 'w');
DROP TABLE gs8;

-- a named member has no position: what an earlier transaction was given and this one commits in part is given again,
-- and commit() speaks for no more than this one has consumed
SELECT gs_topic('gs9a', 6);
SELECT gs_topic('gs9b', 3);
SELECT split_part(join_group('gs9', '{gs9a, gs9b}', 'w'), '#', 1);
SELECT min(event_offset), max(event_offset) FROM consume('gs9', 'gs9a', member => 'w');
BEGIN;
SELECT commit('gs9', 'gs9a', 0, 2, 'w');
SELECT min(event_offset), max(event_offset) FROM consume('gs9', 'gs9a', 3, member => 'w');
SELECT commit('gs9', 'w');
ROLLBACK;
BEGIN;
SELECT commit('gs9', 'gs9a', 0, 2, 'w');
SELECT min(event_offset), max(event_offset) FROM consume('gs9', 'gs9b', member => 'w');
SELECT commit('gs9', 'w');
COMMIT;
SELECT * FROM gs_topics_lag;
SELECT leave_group('gs9', 'w');
DROP TABLE gs9a, gs9b;

-- a session that has lost a partition over transactions, here to a named member of its own
SELECT gs_topic('gs10a', 8, 2);
SELECT gs_topic('gs10b', 6);
SELECT count(*) FROM consume('gs10', 'gs10a');
SELECT gs_fence('gs10', 'gs10a', 'w');
-- its commit() is refused for all it is asked for, so what this transaction has consumed elsewhere does not stay either
BEGIN;
SELECT count(*) FROM consume('gs10', 'gs10b', 3);
SAVEPOINT s;
SELECT commit('gs10');
ROLLBACK TO s;
COMMIT;
-- the session was told, and keeps what it has not lost
SELECT commit('gs10');
SELECT * FROM gs_topics_lag;
-- the member's work and its commit() are none of the session's loss, and leave it to be told
SELECT seek('gs10', 'gs10a', 0, 0);
SELECT leave_group('gs10', 'w');
SELECT count(*) FROM consume('gs10', 'gs10a');
SELECT gs_fence('gs10', 'gs10a', 'w');
SELECT count(*) FROM consume('gs10', 'gs10b', 3);
INSERT INTO gs_work SELECT topic, partition, event_offset FROM consume('gs10', 'gs10a', member => 'w');
SELECT commit('gs10', 'w');
SELECT commit('gs10');
SELECT commit('gs10');
SELECT * FROM gs_topics_lag;
-- told in a savepoint, given again, and committed: the position goes on from there
SELECT reset_group('gs10', 'gs10a', 'earliest');
SELECT leave_group('gs10', 'w');
SELECT count(*) FROM consume('gs10', 'gs10a');
SELECT gs_fence('gs10', 'gs10a', 'w');
SELECT count(*) FROM consume('gs10', 'gs10b');
SELECT leave_group('gs10', 'w');
BEGIN;
SAVEPOINT before;
SELECT partition, min(event_offset), max(event_offset) FROM consume('gs10', 'gs10a', 2) GROUP BY 1;
SAVEPOINT s;
SELECT commit('gs10');
ROLLBACK TO before;
SELECT partition, min(event_offset), max(event_offset) FROM consume('gs10', 'gs10a', 2) GROUP BY 1;
SELECT commit('gs10');
SELECT partition, min(event_offset), max(event_offset) FROM consume('gs10', 'gs10a', 2) GROUP BY 1;
COMMIT;
SELECT count(*) FROM consume('gs10', 'gs10a');
SELECT commit('gs10');
SELECT * FROM gs_topics_lag;
-- what it was given before it left is given up, though a lock was taken in between
SELECT reset_group('gs10', 'gs10a', 'earliest');
SELECT count(*) FROM consume('gs10', 'gs10a');
SELECT gs_fence('gs10', 'gs10a', 'w');
SELECT count(*) FROM consume('gs10', 'gs10b');
SELECT leave_group('gs10', 'w');
BEGIN;
SAVEPOINT before;
SELECT partition, count(*) FROM consume('gs10', 'gs10a') GROUP BY 1;
SELECT leave_group('gs10');
ROLLBACK TO before;
SELECT join_group('gs10', '{gs10a}') IS NOT NULL AS joined;
SELECT commit('gs10');
COMMIT;
SELECT * FROM gs_topics_lag;
SELECT leave_group('gs10');
DROP TABLE gs10a, gs10b;

-- a cursor that was opened before a savepoint, and fetched from behind it, does not go on with events that came back
SELECT gs_topic('gs11', 8);
BEGIN;
DECLARE c CURSOR FOR SELECT event_offset FROM consume('gs11', 'gs11', 4, member => 'w');
SAVEPOINT s;
FETCH 1 FROM c;
ROLLBACK TO s;
SAVEPOINT s;
FETCH 1 FROM c;
ROLLBACK TO s;
CLOSE c;
DECLARE c CURSOR FOR SELECT event_offset FROM consume('gs11', 'gs11', 4, member => 'w');
SAVEPOINT t;
FETCH 1 FROM c;
RELEASE t;
FETCH 1 FROM c;
ROLLBACK TO s;
DECLARE c CURSOR FOR SELECT event_offset FROM consume('gs11', 'gs11', 4, member => 'w');
FETCH 1 FROM c;
SAVEPOINT t;
FETCH 1 FROM c;
ROLLBACK TO t;
FETCH 1 FROM c;
SELECT commit('gs11', 'w');
COMMIT;
SELECT * FROM gs_topics_lag;
-- in a block that catches errors likewise, whatever stands between the cursor and the call
CREATE FUNCTION gs_consume() RETURNS SETOF eventlog_event LANGUAGE sql AS $$ SELECT * FROM consume('gs11', 'gs11', 4, member => 'w') $$;
DO $$
DECLARE
	c CURSOR FOR SELECT * FROM gs_consume();
	e eventlog_event;
BEGIN
	c := 'c';	-- since 16 it has no name of its own
	OPEN c;
	BEGIN
		FETCH c INTO e;
		RAISE EXCEPTION 'cannot work on event %', e.event_offset;
	EXCEPTION WHEN raise_exception THEN
		RAISE NOTICE '%', SQLERRM;
	END;
	FETCH c INTO e;
	INSERT INTO gs_work VALUES (e.topic, e.partition, e.event_offset);
END $$;
-- one that was given nothing has nothing to lose
SELECT count(*) FROM consume('gs11', 'gs11', member => 'w', commit => true);
BEGIN;
DECLARE c CURSOR FOR SELECT event_offset FROM gs_consume();
SAVEPOINT s;
FETCH 1 FROM c;
ROLLBACK TO s;
FETCH 1 FROM c;
COMMIT;
SELECT leave_group('gs11', 'w');
DROP FUNCTION gs_consume;
DROP TABLE gs11;

-- one error names all partitions lost, over transactions; it is settled by the end of the one that got it
SELECT gs_topic('gs7a', 20, 4);
SELECT gs_topic('gs7b', 2);
SELECT create_group('gs7', '{"max_poll_interval": "1 s"}');
SELECT count(*) FROM consume('gs7', 'gs7a');
SELECT count(*) FROM consume('gs7', 'gs7b');
DO $$
BEGIN
	WHILE EXISTS (SELECT FROM eventlog_members WHERE group_name = 'gs7') LOOP
		PERFORM pg_sleep(0.01);
	END LOOP;
END $$;
\set VERBOSITY default
BEGIN;
SAVEPOINT s;
SELECT commit('gs7');
ROLLBACK TO s;
SELECT commit('gs7');
ROLLBACK;
SELECT count(*) FROM consume('gs7', 'gs7a');
SELECT count(*) FROM consume('gs7', 'gs7b');
SELECT commit('gs7');
-- without a commit() in between
SELECT reset_group('gs7', 'gs7a', 'earliest');
SELECT count(*) FROM consume('gs7', 'gs7a');
DO $$
BEGIN
	WHILE EXISTS (SELECT FROM eventlog_members WHERE group_name = 'gs7') LOOP
		PERFORM pg_sleep(0.01);
	END LOOP;
END $$;
SELECT count(*) FROM consume('gs7', 'gs7a', 15);
SELECT commit('gs7');
\set VERBOSITY terse
SELECT count(*) FROM consume('gs7');
SELECT commit('gs7');
SELECT sum(lag) FROM gs_lag;
-- what is claimed is not the session's that was put out, nor is its commit() refused with the session's
SELECT reset_group('gs7', 'gs7b', 'earliest');
SELECT count(*) FROM consume('gs7', 'gs7b', 1);
DO $$
BEGIN
	WHILE EXISTS (SELECT FROM eventlog_members WHERE group_name = 'gs7') LOOP
		PERFORM pg_sleep(0.01);
	END LOOP;
END $$;
BEGIN;
SELECT count(*) FROM claim('gs7', 'gs7b');
SAVEPOINT s;
SELECT commit('gs7');
ROLLBACK TO s;
COMMIT;
SELECT sum(lag) FROM gs_lag;
SELECT drop_group('gs7');
DROP TABLE gs7a, gs7b;

-- a claim of what the transaction has sought is a claim: no member comes in
SELECT gs_topic('gs8', 4, 2);
BEGIN;
SELECT seek('gs8', 'gs8', 0, 0);
SELECT count(*) FROM claim('gs8', 'gs8', 4);
SELECT count(*) FROM consume('gs8', 'gs8', 1);
ROLLBACK;

-- dropped and made anew in the transaction that commits in another topic: where it began before is forgotten here, too
SELECT gs_topic('gs9', 2);
SELECT create_group('gs9', '{"start_from": "latest"}');
SELECT count(*) FROM consume('gs9', 'gs8', member => 'w');
SELECT count(*) FROM consume('gs9', 'gs9', member => 'w');
SELECT leave_group('gs9', 'w');
BEGIN;
SELECT drop_group('gs9');
SELECT create_group('gs9');
SELECT count(*) FROM consume('gs9', 'gs8', 1, member => 'w', commit => true);
COMMIT;
SELECT min(event_offset), count(*) FROM consume('gs9', 'gs9', member => 'w');
SELECT leave_group('gs9', 'w');
SELECT drop_group('gs9');
DROP TABLE gs8, gs9;

-- who drops a group has left it: what it asked for in the group is asked for no more
SELECT gs_topic('gs10', 2);
SELECT create_group('gs10');
SELECT count(*) FROM consume('gs10', 'gs10', commit => true);
SELECT drop_group('gs10');
SELECT count(*) FROM consume('gs10');
DROP TABLE gs10;

-- a member leaves amid the transaction, another of its members goes on in the partition: what the first had is still refused
SELECT gs_topic('gs11', 10);
BEGIN;
INSERT INTO gs_work SELECT 'gs11', partition, event_offset FROM consume('gs11', 'gs11', 5, member => 'w2');
SELECT leave_group('gs11', 'w2');
SELECT min(event_offset), count(*) FROM consume('gs11', 'gs11', 3, member => 'w1');
SAVEPOINT s;
SELECT commit('gs11', 'w2');
ROLLBACK TO s;
SELECT commit('gs11', 'w1');
ROLLBACK TO s;
COMMIT;
SELECT count(*) FROM gs_work WHERE topic = 'gs11';
SELECT leave_group('gs11', 'w1');
-- without a commit() that is refused, the second commits for both
BEGIN;
SELECT count(*) FROM consume('gs11', 'gs11', 5, member => 'w2');
SELECT leave_group('gs11', 'w2');
SELECT min(event_offset), count(*) FROM consume('gs11', 'gs11', 3, member => 'w1');
SELECT commit('gs11', 'w1');
COMMIT;
SELECT min(event_offset), count(*) FROM consume('gs11', 'gs11', member => 'w1');
SELECT leave_group('gs11', 'w1');
-- what is refused to one who has consumed nothing refuses nothing of theirs
BEGIN;
SELECT min(event_offset), count(*) FROM consume('gs11', 'gs11', 1, member => 'w2');
SELECT leave_group('gs11', 'w2');
SELECT min(event_offset), count(*) FROM consume('gs11', 'gs11', 1, member => 'w1');
SAVEPOINT s;
SELECT commit('gs11', 'w3');
ROLLBACK TO s;
SELECT commit('gs11', 'w1');
COMMIT;
SELECT count(*) FROM consume('gs11', 'gs11', member => 'w1');
DROP TABLE gs11;

DROP TABLE gs_work;
DROP VIEW gs_lag, gs_topics_lag;
DROP FUNCTION gs_topic, gs_fence;
