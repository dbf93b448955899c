-- producers with sequences: what was produced is not produced again
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS eventlog;
RESET client_min_messages;
\set SHOW_CONTEXT never

CREATE FUNCTION pg_temp.try(command text, OUT code text, OUT message text, OUT detail text, OUT hint text)
LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE command;
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS code = RETURNED_SQLSTATE, message = MESSAGE_TEXT,
        detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT;
END $$;
-- the last sequences of producers of a topic, as the log has them
CREATE FUNCTION pg_temp.last(of regclass, OUT producer text, OUT sequence bigint) RETURNS SETOF record LANGUAGE sql AS $$
    SELECT DISTINCT ON (key) key::json->>2, value::text::bigint
    FROM _eventlog.positions, pg_seclabel l
    WHERE l.objoid = of AND l.provider = 'eventlog' AND key::json->>1 = l.label::json->>'uuid'
    ORDER BY key, event_offset DESC $$;

SELECT create_topic('sp', 4, 'text', 'text');

--
-- The rules
--
-- the first sequence is any
SELECT produce('sp', 'a', 'first', producer => 'p', sequence => 42) = produce('sp', 'a', 'other', partition => NULL) AS partition_of_key;
SELECT produce('sp', 'a', 'next', producer => 'p', sequence => 43) >= 0 AS produced;
-- again, and older ones: nothing is produced, the answer is the same
SELECT produce('sp', 'a', 'next', producer => 'p', sequence => 43) = produce('sp', 'a', 'another', NULL) AS same_partition;
SELECT produce('sp', 'a', 'first', producer => 'p', sequence => 42) >= 0 AS older, produce('sp', 'a', 'unknown', producer => 'p', sequence => 0) >= 0 AS never;
SELECT produce('sp', 'a', 'next', partition => 2, producer => 'p', sequence => 43) AS partition_given;
SELECT produce('sp', NULL, 'next', producer => 'p', sequence => 43) >= 0 AS null_key;
SELECT code, message FROM pg_temp.try($$SELECT produce('sp', 'a', 'next', partition => 4, producer => 'p', sequence => 43)$$);
-- a gap is refused, and can be filled
SELECT * FROM pg_temp.try($$SELECT produce('sp', 'a', 'gap', producer => 'p', sequence => 45)$$) \gx
SELECT produce('sp', 'a', '44', producer => 'p', sequence => 44) >= 0, produce('sp', 'a', '45', producer => 'p', sequence => 45) >= 0;
-- names and topics are apart
SELECT produce('sp', 'b', 'q', producer => 'q', sequence => 1) >= 0;
SELECT create_topic('sp_other', 1, 'text', 'text');
SELECT produce('sp_other', 'a', 'other topic', producer => 'p', sequence => 7);
SELECT value FROM sp ORDER BY value COLLATE "C";
SELECT * FROM pg_temp.last('sp');
SELECT * FROM pg_temp.last('sp_other');

-- the ends of the scale
SELECT produce('sp_other', 'a', 'zero', producer => 'zero', sequence => 0);
SELECT produce('sp_other', 'a', 'one', producer => 'zero', sequence => 1);
SELECT produce('sp_other', 'a', 'max', producer => 'max', sequence => 9223372036854775807);
SELECT produce('sp_other', 'a', 'max', producer => 'max', sequence => 9223372036854775807);
SELECT code, message FROM pg_temp.try($$SELECT produce('sp_other', 'a', 'x', producer => 'zero', sequence => 9223372036854775807)$$);

-- names: any text
SELECT produce('sp_other', 'a', 'odd', producer => E'q"\\\t\u00e4', sequence => 1);
SELECT produce('sp_other', 'a', 'odd', producer => E'q"\\\t\u00e4', sequence => 1);
SELECT produce('sp_other', 'a', 'long', producer => repeat('x', 249), sequence => 1);
SELECT left(producer, 9), sequence FROM pg_temp.last('sp_other') ORDER BY 1;
SELECT value, count(*) FROM sp_other GROUP BY 1 ORDER BY 1;

--
-- What is no producer and sequence
--
SELECT * FROM pg_temp.try($$SELECT produce('sp', 'a', 'x', producer => 'p')$$);
SELECT * FROM pg_temp.try($$SELECT produce('sp', 'a', 'x', sequence => 46)$$);
SELECT * FROM pg_temp.try($$SELECT produce('sp', 'a', 'x', producer => '', sequence => 46)$$);
SELECT * FROM pg_temp.try($$SELECT produce('sp', 'a', 'x', producer => repeat('x', 250), sequence => 46)$$);
SELECT * FROM pg_temp.try($$SELECT produce('sp', 'a', 'x', producer => 'p', sequence => -1)$$);
-- both NULL: none
SELECT produce('sp', 'a', 'none', producer => NULL, sequence => NULL) >= 0 AS none;

-- an event that is refused leaves the sequence as it was
SELECT create_topic('sp_checked', 1, 'text', 'text');
ALTER TABLE sp_checked ADD CONSTRAINT short CHECK (length(value) < 9);
SELECT code, message FROM pg_temp.try($$SELECT produce('sp_checked', 'a', 'much too long', producer => 'p', sequence => 1)$$);
SELECT produce('sp_checked', 'a', 'short', producer => 'p', sequence => 1);
-- what was produced is not looked at again
SELECT produce('sp_checked', 'a', 'much too long', producer => 'p', sequence => 1);
SELECT value FROM sp_checked;

-- a CHECK that produces: with another producer, with the one it was called for, and with that one in vain
SELECT create_topic('sp_nested', 1, 'text', 'text');
CREATE FUNCTION sp_produces(value text) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
    IF value = 'other' THEN
        PERFORM produce('sp_other', 'nested', value, producer => 'nested', sequence => 70);
    ELSIF value = 'same' THEN
        PERFORM produce('sp_nested', 'nested', 'inner', producer => 'p', sequence => 2);
    ELSIF value = 'in vain' THEN
        BEGIN
            PERFORM produce('sp_nested', 'nested', 'inner', producer => 'p', sequence => 2);
            RAISE EXCEPTION 'no';
        EXCEPTION WHEN raise_exception THEN
        END;
    END IF;
    RETURN true;
END $$;
ALTER TABLE sp_nested ADD CONSTRAINT produces CHECK (sp_produces(value));
SELECT produce('sp_nested', 'k', 'other', producer => 'p', sequence => 1);
SELECT * FROM pg_temp.try($$SELECT produce('sp_nested', 'k', 'same', producer => 'p', sequence => 2)$$) \gx
SELECT * FROM pg_temp.last('sp_nested');
SELECT produce('sp_nested', 'k', 'in vain', producer => 'p', sequence => 2);
SELECT value FROM sp_nested;
SELECT * FROM pg_temp.last('sp_nested') UNION ALL SELECT * FROM pg_temp.last('sp_other') WHERE producer = 'nested';

--
-- Batches: the sequence is the batch's
--
SELECT create_topic('sp_batch', 1, 'text', 'json');
SELECT produce_batch('sp_batch', '[{"key": "a", "value": 1}, {"key": "b", "value": 2}]', 'p', 1);
SELECT produce_batch('sp_batch', '[{"key": "a", "value": 1}, {"key": "b", "value": 2}]', 'p', 1) AS again;
SELECT produce_batch('sp_batch', 'never looked at', producer => 'p', sequence => 1) AS again;
SELECT produce_batch('sp_batch', '[{"key": "c", "value": 3}]'::json, producer => 'p', sequence => 2);
SELECT produce_batch('sp_batch', '[{"key": "c", "value": 3}]'::json, producer => 'p', sequence => 2) AS again;
SELECT produce_batch('sp_batch', '[{"key": "d", "value": 4}]'::jsonb, producer => 'p', sequence => 3);
SELECT produce_batch('sp_batch', '[{"key": "d", "value": 4}]'::jsonb, producer => 'p', sequence => 3) AS again;
SELECT produce_batch('sp_batch', '{e,f}', '{5,6}', producer => 'p', sequence => 4);
SELECT produce_batch('sp_batch', '{e,f}', '{5,6}', 'p', 4) AS again;
SELECT produce_batch('sp_batch', '[]', 'p', 5) AS of_nothing;
SELECT produce_batch('sp_batch', '[{"value": 7}]', 'p', 5) AS again;
SELECT produce('sp_batch', 'g', '7', producer => 'p', sequence => 6) AS counts_on;
SELECT produce_batch('sp_batch', '{h}', '{8}', NULL, NULL) AS none, produce_batch('sp_batch', '[{"value": 9}]', NULL, NULL) AS none;
SELECT * FROM pg_temp.try($$SELECT produce_batch('sp_batch', '[]', 'p', 8)$$);
SELECT * FROM pg_temp.try($$SELECT produce_batch('sp_batch', '[]', NULL, 8)$$);
SELECT * FROM pg_temp.try($$SELECT produce_batch('sp_batch', '{}', '{}', 'p', NULL)$$);
SELECT code, message FROM pg_temp.try($$SELECT produce_batch('sp_batch', '[{"value": 1}, {"value": }]', 'p', 7)$$);
SELECT key, value FROM sp_batch ORDER BY event_offset;

-- calls without a producer are what they were
SELECT produce_batch('sp_batch', '{x}', '{1}') AS arrays, produce_batch('sp_batch', NULL, '{1}') AS no_keys;
PREPARE b2 AS SELECT produce_batch('sp_batch', $1);
PREPARE b3 AS SELECT produce_batch('sp_batch', $1, $2);
PREPARE b4 AS SELECT produce_batch('sp_batch', $1, $2, $3);
PREPARE b5 AS SELECT produce_batch('sp_batch', $1, $2, $3, $4);
PREPARE p3 AS SELECT produce($1, $2, $3);
PREPARE p5 AS SELECT produce('sp_batch', $1, $2, producer => $3, sequence => $4);
PREPARE p8 AS SELECT produce($1, $2, $3, $4, $5, $6, $7, $8);
SELECT name, parameter_types FROM pg_prepared_statements WHERE name ~ '^[bp]\d$' ORDER BY name;
DEALLOCATE ALL;

--
-- Transactions
--
SELECT create_topic('sp_xact', 1, 'text', 'text');
-- what the transaction says counts within it
BEGIN;
SELECT produce('sp_xact', 'k', '1', producer => 'p', sequence => 1);
SELECT produce('sp_xact', 'k', '1 again', producer => 'p', sequence => 1);
SELECT produce('sp_xact', 'k', '2', producer => 'p', sequence => 2);
SELECT code, message FROM pg_temp.try($$SELECT produce('sp_xact', 'k', '4', producer => 'p', sequence => 4)$$);
COMMIT;
-- rolled back
BEGIN;
SELECT produce('sp_xact', 'k', '3 rolled back', producer => 'p', sequence => 3);
ROLLBACK;
SELECT produce('sp_xact', 'k', '3', producer => 'p', sequence => 3);
-- rolled back to a savepoint, at several levels
BEGIN;
SELECT produce('sp_xact', 'k', '4', producer => 'p', sequence => 4);
SAVEPOINT a;
SELECT produce('sp_xact', 'k', '5 rolled back', producer => 'p', sequence => 5);
SAVEPOINT b;
SELECT produce('sp_xact', 'k', '6 rolled back', producer => 'p', sequence => 6);
RELEASE b;
SELECT produce('sp_xact', 'k', 'q rolled back', producer => 'q', sequence => 1);
ROLLBACK TO a;
SELECT code, message FROM pg_temp.try($$SELECT produce('sp_xact', 'k', '6', producer => 'p', sequence => 6)$$);
SELECT produce('sp_xact', 'k', '5', producer => 'p', sequence => 5);
SAVEPOINT c;
SELECT produce('sp_xact', 'k', '6', producer => 'p', sequence => 6);
SAVEPOINT d;
SELECT produce('sp_xact', 'k', '7', producer => 'p', sequence => 7);
RELEASE c;
SELECT produce('sp_xact', 'k', 'q', producer => 'q', sequence => 8);
COMMIT;
SELECT * FROM pg_temp.last('sp_xact');
-- everything in savepoints: the transaction itself has no xid before its end
BEGIN;
SAVEPOINT a;
SELECT produce('sp_xact', 'k', '8', producer => 'p', sequence => 8);
RELEASE a;
COMMIT;
-- in a block with an exception handler
DO $$
BEGIN
    PERFORM produce('sp_xact', 'k', '9 rolled back', producer => 'p', sequence => 9);
    RAISE EXCEPTION 'no';
EXCEPTION WHEN raise_exception THEN
    PERFORM produce('sp_xact', 'k', '9', producer => 'p', sequence => 9);
END $$;
-- flush() appends the events before the end; the sequence goes with them
BEGIN;
SELECT produce('sp_xact', 'k', '10 rolled back', producer => 'p', sequence => 10);
SELECT count(*) FROM flush();
ROLLBACK;
SELECT produce('sp_xact', 'k', '10', producer => 'p', sequence => 10);
-- a procedure's COMMIT
DO $$
BEGIN
    FOR i IN 11..13 LOOP
        PERFORM produce('sp_xact', 'k', i::text, producer => 'p', sequence => i);
        COMMIT;
        PERFORM produce('sp_xact', 'k', i || ' again', producer => 'p', sequence => i);
    END LOOP;
END $$;
SELECT string_agg(value, ',' ORDER BY event_offset) FROM sp_xact;

-- prepared: the sequence is taken until the end, whoever asks
BEGIN;
SELECT produce('sp_xact', 'k', '14', producer => 'p', sequence => 14);
PREPARE TRANSACTION 'sp_commit';
SET lock_timeout = '100 ms';
SELECT code, message FROM pg_temp.try($$SELECT produce('sp_xact', 'k', '15', producer => 'p', sequence => 15)$$);
RESET lock_timeout;
COMMIT PREPARED 'sp_commit';
SELECT produce('sp_xact', 'k', '14 again', producer => 'p', sequence => 14);
BEGIN;
SELECT produce('sp_xact', 'k', '15 rolled back', producer => 'p', sequence => 15);
PREPARE TRANSACTION 'sp_rollback';
ROLLBACK PREPARED 'sp_rollback';
SELECT produce('sp_xact', 'k', '15', producer => 'p', sequence => 15);
SELECT string_agg(value, ',' ORDER BY event_offset) FILTER (WHERE event_offset > 13) FROM sp_xact;

--
-- What changes the topic of positions by other ways
--
-- somebody's INSERT counts when it is committed, and makes the producer busy until then
BEGIN;
INSERT INTO _eventlog.positions (partition, key, value)
    SELECT 0, format('["producer", "%s", "p"]', label::json->>'uuid'), '20' FROM pg_seclabel WHERE objoid = 'sp_xact'::regclass AND provider = 'eventlog';
SELECT count(*) FROM flush();
SELECT code, message FROM pg_temp.try($$SELECT produce('sp_xact', 'k', '16', producer => 'p', sequence => 16)$$);
ROLLBACK;
SELECT produce('sp_xact', 'k', '16', producer => 'p', sequence => 16);
INSERT INTO _eventlog.positions (partition, key, value)
    SELECT 0, format('["producer", "%s", "p"]', label::json->>'uuid'), '20' FROM pg_seclabel WHERE objoid = 'sp_xact'::regclass AND provider = 'eventlog';
SELECT code, message FROM pg_temp.try($$SELECT produce('sp_xact', 'k', '22', producer => 'p', sequence => 22)$$);
-- what is none is passed over
INSERT INTO _eventlog.positions (partition, key, value) VALUES (0, 'x', '"y"'), (0, '[]', '-1'), (0, '', '1');
SELECT produce('sp_xact', 'k', '21', producer => 'p', sequence => 21);
VACUUM FULL _eventlog.positions;
SELECT code, message FROM pg_temp.try($$SELECT produce('sp_xact', 'k', '23', producer => 'p', sequence => 23)$$);
SELECT apply_retention('_eventlog.positions') >= 0;
SELECT code, message FROM pg_temp.try($$SELECT produce('sp_xact', 'k', '23', producer => 'p', sequence => 23)$$);
-- emptied by a superuser: nothing is known of anybody
BEGIN;
TRUNCATE _eventlog.positions;
SELECT produce('sp_xact', 'k', 'rolled back', producer => 'p', sequence => 1);
ROLLBACK;
SELECT code, message FROM pg_temp.try($$SELECT produce('sp_xact', 'k', '23', producer => 'p', sequence => 23)$$);
TRUNCATE _eventlog.positions;
SELECT produce('sp_xact', 'k', 'anew', producer => 'p', sequence => 1);

-- more producers than there is room for in memory
SELECT count(produce('sp_other', 'k', 'many', producer => 'many' || i, sequence => i)) FROM generate_series(1, 12000) i;
SELECT count(produce('sp_other', 'k', 'again', producer => 'many' || i, sequence => i)) FROM generate_series(1, 12000, 1000) i;
SELECT count(*) FILTER (WHERE value = 'many'), count(*) FILTER (WHERE value = 'again') FROM sp_other;
SELECT * FROM check_topic('_eventlog.positions');

-- a dropped topic, and another of its name: another topic
DROP TABLE sp_checked;
SELECT create_topic('sp_checked', 1, 'text', 'text');
SELECT produce('sp_checked', 'a', 'of the new one', producer => 'p', sequence => 1);
SELECT value FROM sp_checked;
-- emptied, renamed, with more partitions: the same topic
TRUNCATE sp_checked;
ALTER TABLE sp_checked RENAME TO sp_renamed;
SELECT alter_topic('sp_renamed', '{"partitions": 2}');
SELECT produce('sp_renamed', 'a', 'again', producer => 'p', sequence => 1) >= 0;
SELECT count(*) FROM sp_renamed;

--
-- Rights: as for produce(); nobody reads positions
--
CREATE ROLE regress_el_producer;
CREATE ROLE regress_el_reader;
GRANT INSERT ON sp_other TO regress_el_producer;
GRANT SELECT ON sp_other TO regress_el_reader;
SET ROLE regress_el_producer;
SELECT produce('sp_other', 'k', 'by role', producer => 'role', sequence => 1);
SELECT produce('sp_other', 'k', 'by role', producer => 'max', sequence => 3) AS known_to_all_who_may_produce;
SET ROLE regress_el_reader;
SELECT produce('sp_other', 'k', 'by role', producer => 'role', sequence => 2);
SELECT * FROM _eventlog.positions;
SELECT * FROM read_topic('_eventlog.positions');
RESET ROLE;

DROP TABLE sp, sp_other, sp_batch, sp_xact, sp_renamed, sp_nested;
DROP FUNCTION sp_produces(text);
DROP ROLE regress_el_producer, regress_el_reader;
