-- The producer buffer and transactions: savepoints, flush, spill, DDL, PREPARE
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS eventlog;
RESET client_min_messages;
\set SHOW_CONTEXT never

SELECT create_topic('tx', 1, 'text', 'text');
CREATE TABLE twin (key text);

-- the events a committed transaction left, in offset order, and whether they
-- are those of the heap table written in the same transactions
CREATE FUNCTION tx_events() RETURNS text LANGUAGE sql AS
    $$ SELECT string_agg(key, ' ' ORDER BY event_offset) FROM tx $$;
CREATE FUNCTION tx_sound() RETURNS boolean LANGUAGE sql AS $$
    SELECT (SELECT array_agg(key ORDER BY key) FROM tx) IS NOT DISTINCT FROM (SELECT array_agg(key ORDER BY key) FROM twin) $$;
CREATE FUNCTION tx_both(k text) RETURNS void LANGUAGE sql AS
    $$ INSERT INTO twin VALUES (k); SELECT produce('tx', k, k); $$;
CREATE PROCEDURE tx_clean() LANGUAGE plpgsql AS $$
BEGIN
    TRUNCATE twin;
    PERFORM delete_events_before('tx', 0, (SELECT coalesce(max(event_offset) + 1, 0) FROM tx));
END $$;

-- nothing is there before commit, also not for the transaction itself
BEGIN;
SELECT tx_both('a'), tx_both('b');
SELECT count(*) FROM tx;
COMMIT;
SELECT tx_events(), tx_sound();
BEGIN;
SELECT tx_both('c');
ROLLBACK;
SELECT tx_events(), tx_sound();

-- no xid before commit, so nobody waits for a transaction that only produces;
-- locks on the topic and the partition, also after a rollback took them away
BEGIN;
SAVEPOINT a;
SELECT produce('tx', 'c', 'c');
SELECT relation::regclass, mode FROM pg_locks WHERE pid = pg_backend_pid() AND relation IN ('tx'::regclass, 'tx_p0'::regclass) ORDER BY 1;
ROLLBACK TO a;
SELECT relation::regclass, mode FROM pg_locks WHERE pid = pg_backend_pid() AND relation IN ('tx'::regclass, 'tx_p0'::regclass) ORDER BY 1;
SELECT produce('tx', 'c', 'c');
SELECT relation::regclass, mode FROM pg_locks WHERE pid = pg_backend_pid() AND relation IN ('tx'::regclass, 'tx_p0'::regclass) ORDER BY 1;
SELECT pg_current_xact_id_if_assigned() IS NULL AS no_xid;
ROLLBACK;

--
-- Savepoints
--
BEGIN;
SELECT tx_both('1');
SAVEPOINT a;
SELECT tx_both('2');
SAVEPOINT b;
SELECT tx_both('3');
ROLLBACK TO a;
SELECT tx_both('4');
SAVEPOINT c;
SELECT tx_both('5');
RELEASE c;
SAVEPOINT d;
SELECT tx_both('6');
ROLLBACK TO d;
RELEASE a;
SELECT tx_both('7');
COMMIT;
SELECT tx_events(), tx_sound();

-- a level that merged into its parent goes with its parent
BEGIN;
SELECT tx_both('p1');
SAVEPOINT a;
SAVEPOINT b;
SAVEPOINT c;
SELECT tx_both('p2');
RELEASE c;
SELECT tx_both('p3');
RELEASE b;
ROLLBACK TO a;
SELECT tx_both('p4');
COMMIT;
SELECT tx_events(), tx_sound();

-- a statement that fails in a savepoint
BEGIN;
SELECT tx_both('e1');
SAVEPOINT a;
SELECT tx_both('e2'), 1 / (random() * 0)::int;
ROLLBACK TO a;
SELECT tx_both('e3');
COMMIT;
SELECT tx_events(), tx_sound();

-- 100 deep, rolled back at every second level, with events on both sides
CREATE FUNCTION tx_nest(level int) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    PERFORM tx_both('down' || level);
    BEGIN
        IF level < 100 THEN
            PERFORM tx_nest(level + 1);
        END IF;
        PERFORM tx_both('up' || level);
        IF level % 2 = 0 THEN
            RAISE EXCEPTION 'back';
        END IF;
    EXCEPTION WHEN raise_exception THEN
        PERFORM tx_both('caught' || level);
    END;
    PERFORM tx_both('after' || level);
END $$;
CALL tx_clean();
SELECT tx_nest(1);
SELECT tx_events(), tx_sound();

-- the same with savepoints of a client: even levels are rolled back on the way out
CALL tx_clean();
SELECT string_agg(format('SAVEPOINT s%s; SELECT tx_both(''d%s'');', i, i), ' ' ORDER BY i) AS down FROM generate_series(1, 100) i \gset
SELECT string_agg(format('SELECT tx_both(''u%s''); %s s%s; SELECT tx_both(''x%s'');', i,
                         CASE WHEN i % 2 = 0 THEN 'ROLLBACK TO' ELSE 'RELEASE' END, i, i), ' ' ORDER BY i DESC) AS up FROM generate_series(1, 100) i \gset
\o /dev/null
BEGIN;
:down
:up
COMMIT;
\o
SELECT tx_events(), tx_sound();

-- an exception block for each event: those that fail leave nothing
CALL tx_clean();
DO $$
BEGIN
    FOR i IN 1..1000 LOOP
        BEGIN
            PERFORM tx_both(i::text);
            IF i % 3 = 0 THEN
                RAISE EXCEPTION 'no';
            END IF;
        EXCEPTION WHEN raise_exception THEN
            NULL;
        END;
    END LOOP;
END $$;
SELECT count(*), min(key::int), max(key::int), bool_and(key::int % 3 <> 0) AS none_failed FROM tx;
SELECT tx_sound();

-- inside a savepoint, over many batches, so that batches are sealed with marks
-- of several levels in them
CALL tx_clean();
DO $$
BEGIN
    FOR i IN 1..20 LOOP
        PERFORM tx_both(i || 'a' || j || repeat('-', 100)) FROM generate_series(1, 50) j;
        BEGIN
            PERFORM tx_both(i || 'b' || j || repeat('-', 100)) FROM generate_series(1, 70) j;
            BEGIN
                PERFORM tx_both(i || 'c' || j || repeat('-', 100)) FROM generate_series(1, 30 * i) j;
                BEGIN
                    PERFORM tx_both(i || 'd' || j || repeat('-', 100)) FROM generate_series(1, 20) j;
                    IF i % 2 = 0 THEN RAISE EXCEPTION 'd'; END IF;
                EXCEPTION WHEN raise_exception THEN NULL;
                END;
                IF i % 3 = 0 THEN RAISE EXCEPTION 'c'; END IF;
            EXCEPTION WHEN raise_exception THEN NULL;
            END;
            PERFORM tx_both(i || 'e' || j || repeat('-', 100)) FROM generate_series(1, 10) j;
            IF i % 5 = 0 THEN RAISE EXCEPTION 'b'; END IF;
        EXCEPTION WHEN raise_exception THEN NULL;
        END;
    END LOOP;
END $$;
SELECT count(*), tx_sound() FROM tx;
-- call order
SELECT count(*) FROM (
    SELECT ROW(i, c, j) < lag(ROW(i, c, j)) OVER (ORDER BY event_offset) AS out_of_order FROM (
        SELECT substring(key from '^\d+')::int AS i, substring(key from '[a-e]') AS c, substring(key from '[a-e](\d+)')::int AS j, event_offset FROM tx) x) y
WHERE out_of_order;

--
-- flush()
--
CALL tx_clean();
SELECT count(*) FROM flush();
BEGIN;
SELECT tx_both('f1'), tx_both('f2');
SELECT topic, partition, last_offset - first_offset + 1 AS events FROM flush();
SELECT count(*) FROM flush();
-- now this transaction sees them
SELECT string_agg(key, ' ' ORDER BY event_offset) FROM tx;
SELECT tx_both('f3');
COMMIT;
SELECT tx_events(), tx_sound();
BEGIN;
SELECT tx_both('f4');
SELECT count(*) FROM flush();
ROLLBACK;
SELECT tx_events(), tx_sound();

-- flushed inside a savepoint, each event stays or goes with its own level
CALL tx_clean();
BEGIN;
SELECT tx_both('top');
SAVEPOINT a;
SELECT tx_both('in a');
SAVEPOINT b;
SELECT tx_both('in b');
SAVEPOINT c;
SELECT partition, last_offset - first_offset + 1 AS events FROM flush();
SELECT tx_both('in c');
SELECT partition, last_offset - first_offset + 1 AS events FROM flush();
ROLLBACK TO b;
SELECT tx_both('after b');
SELECT string_agg(key, ', ' ORDER BY event_offset) FROM tx;
COMMIT;
SELECT string_agg(key, ', ' ORDER BY event_offset), tx_sound() FROM tx;

CALL tx_clean();
BEGIN;
SAVEPOINT a;
SELECT tx_both('A');
SAVEPOINT b;
SELECT count(*) FROM flush();
ROLLBACK TO b;
SELECT tx_both('B');
ROLLBACK TO a;
SELECT tx_both('C');
COMMIT;
SELECT tx_events(), tx_sound();

CALL tx_clean();
DO $$
BEGIN
    FOR i IN 1..60 LOOP
        PERFORM tx_both('t' || i);
        BEGIN
            PERFORM tx_both('s' || i);
            BEGIN
                PERFORM tx_both('r' || i);
                IF i % 4 = 0 THEN PERFORM flush(); END IF;
                PERFORM tx_both('q' || i);
                IF i % 3 = 0 THEN RAISE EXCEPTION 'r'; END IF;
            EXCEPTION WHEN raise_exception THEN
                IF i % 6 = 0 THEN PERFORM flush(); END IF;
            END;
            IF i % 5 = 0 THEN RAISE EXCEPTION 's'; END IF;
        EXCEPTION WHEN raise_exception THEN NULL;
        END;
    END LOOP;
END $$;
SELECT count(*), tx_sound() FROM tx;

--
-- What appends at once comes after what was buffered
--
CALL tx_clean();
BEGIN;
SELECT tx_both('before');
INSERT INTO twin VALUES ('at once');
INSERT INTO tx (key, value) VALUES ('at once', '') RETURNING event_offset IS NOT NULL AS has_offset;
SELECT tx_both('behind');
SELECT string_agg(key, ', ' ORDER BY event_offset) FROM tx;
COMMIT;
SELECT string_agg(key, ', ' ORDER BY event_offset), tx_sound() FROM tx;
-- ... under the xid of the level it belongs to
CALL tx_clean();
BEGIN;
SAVEPOINT a;
SELECT tx_both('A');
SAVEPOINT b;
INSERT INTO tx (key, value) VALUES ('B', '') RETURNING key;
ROLLBACK TO b;
COMMIT;
SELECT tx_events(), tx_sound();
BEGIN;
SAVEPOINT a;
SELECT tx_both('A2');
SAVEPOINT b;
INSERT INTO tx (key, value) VALUES ('B2', '') RETURNING key;
RELEASE b;
ROLLBACK TO a;
COMMIT;
SELECT tx_events(), tx_sound();

-- ... also rows that bring their own offsets, in batches that end at a gap
SELECT create_topic('tx_own', 1, 'text', 'text');
BEGIN;
SELECT produce('tx_own', 'buffered', '');
COPY tx_own (partition, event_offset, key, value) FROM STDIN;
0	10	own	a
0	11	own	b
0	20	own	c
0	21	own	d
0	23	own	e
\.
SELECT produce('tx_own', 'behind', '');
COMMIT;
SELECT event_offset, key, value FROM tx_own ORDER BY event_offset;
BEGIN;
SAVEPOINT s;
INSERT INTO tx_own (partition, event_offset, key) VALUES (0, 5, 'too low');
ROLLBACK TO s;
INSERT INTO tx_own (partition, event_offset, key) VALUES (0, -1, 'negative');
ROLLBACK;
SELECT event_offset, key, value FROM read_topic('tx_own', 0, 20);

--
-- Spilling to a temporary file
--
SET eventlog.producer_buffer = '64kB';
SELECT create_topic('tx_spill', 3, 'text', 'text', '{"compression": "none"}');
CREATE TABLE twin_spill (key text);
CREATE FUNCTION tx_spill(prefix text, n int) RETURNS void LANGUAGE sql AS $$
    WITH k AS (SELECT prefix || i AS key FROM generate_series(1, n) i)
    INSERT INTO twin_spill SELECT key FROM k;
    SELECT count(produce('tx_spill', prefix || i, repeat(md5(i::text), 10))) FROM generate_series(1, n) i;
$$;
CREATE VIEW tx_spilled AS
SELECT count(*) AS events, count(DISTINCT key) AS keys, bool_and(value = repeat(md5(substring(key from '\d+$')), 10)) AS equal,
       (SELECT count(*) FROM twin_spill) AS twins,
       (SELECT count(*) FROM (SELECT key FROM tx_spill EXCEPT SELECT key FROM twin_spill) x) AS extra,
       (SELECT count(*) FROM (SELECT substring(key from '\d+$')::int - lag(substring(key from '\d+$')::int)
            OVER (PARTITION BY partition, substring(key from '^\D+') ORDER BY event_offset) AS step FROM tx_spill) x WHERE step <= 0) AS out_of_order
FROM tx_spill;
BEGIN;
SELECT tx_spill('a', 3000);
SAVEPOINT s;
SELECT tx_spill('b', 3000);
SAVEPOINT t;
SELECT tx_spill('c', 3000);
ROLLBACK TO t;
SELECT tx_spill('d', 1000);
RELEASE s;
SELECT tx_spill('e', 1000);
SAVEPOINT u;
SELECT tx_spill('f', 4000);
ROLLBACK TO u;
SELECT tx_spill('g', 1000);
COMMIT;
SELECT * FROM tx_spilled;
-- the file is opened inside a savepoint that ends, and in a portal that closes
BEGIN;
SAVEPOINT s;
SELECT tx_spill('h', 2000);
RELEASE s;
DECLARE c CURSOR FOR SELECT tx_spill('i', 2000);
FETCH ALL FROM c;
CLOSE c;
SAVEPOINT s;
SELECT tx_spill('j', 2000);
ROLLBACK TO s;
COMMIT;
SELECT * FROM tx_spilled;
-- all of it rolled back, all of it flushed
BEGIN;
SAVEPOINT s;
SELECT tx_spill('k', 2000);
ROLLBACK TO s;
COMMIT;
BEGIN;
SELECT tx_spill('l', 2000);
SAVEPOINT s;
SELECT tx_spill('m', 2000);
SELECT partition, last_offset - first_offset > 1000 AS many FROM flush() ORDER BY 1;
SELECT tx_spill('n', 2000);
ROLLBACK TO s;
SELECT tx_spill('o', 2000);
COMMIT;
BEGIN;
SELECT tx_spill('p', 2000);
ROLLBACK;
SELECT * FROM tx_spilled;
-- no room for the file: what was rolled back is not written after all
BEGIN;
SET LOCAL eventlog.producer_buffer = '64kB';
SELECT tx_spill('q', 1000);
SAVEPOINT s;
SET LOCAL temp_file_limit = '1MB';
\set VERBOSITY sqlstate
SELECT tx_spill('r', 6000);
\set VERBOSITY default
ROLLBACK TO s;
SELECT tx_spill('s', 100);
COMMIT;
SELECT * FROM tx_spilled;
-- events larger than the limit, in many partitions
SELECT create_topic('tx_wide', 50, 'text', 'text');
SELECT count(produce('tx_wide', NULL, repeat(i::text, 3000))) FROM generate_series(1, 500) i;
SELECT count(produce('tx_wide', NULL, repeat('x', 200000) || i)) FROM generate_series(1, 10) i;
SELECT count(*), count(DISTINCT value), count(DISTINCT partition), sum(length(value)) FROM tx_wide;
RESET eventlog.producer_buffer;

--
-- DDL in the same transaction
--
SELECT create_topic('tx_ddl', 2, 'text', 'text');
-- dropped: its events go with it, others do not
BEGIN;
SELECT produce('tx_ddl', 'k', 'lost', partition => 0);
CALL tx_clean();
SELECT tx_both('stays');
DROP TABLE tx_ddl;
COMMIT;
SELECT tx_events(), tx_sound();
SELECT to_regclass('tx_ddl');
-- created and dropped, created and used
BEGIN;
SELECT create_topic('tx_ddl', 2, 'text', 'text');
SELECT produce('tx_ddl', 'k', 'lost', partition => 0);
SELECT drop_topic('tx_ddl');
SELECT create_topic('tx_ddl', 2, 'text', 'text');
SELECT produce('tx_ddl', 'k', 'kept', partition => 0);
COMMIT;
SELECT partition, event_offset, value FROM tx_ddl;
-- the drop is rolled back
BEGIN;
SELECT produce('tx_ddl', 'k', 'before drop', partition => 0);
SAVEPOINT s;
SELECT produce('tx_ddl', 'k', 'inside', partition => 0);
SELECT drop_topic('tx_ddl');
ROLLBACK TO s;
SELECT produce('tx_ddl', 'k', 'after drop', partition => 0);
COMMIT;
SELECT partition, event_offset, value FROM tx_ddl ORDER BY 1, 2;
-- truncated: what was buffered before goes, what comes after stays
BEGIN;
SELECT produce('tx_ddl', 'k', 'truncated', partition => 0), produce('tx_ddl', 'k', 'truncated', partition => 1);
TRUNCATE tx_ddl;
SELECT produce('tx_ddl', 'k', 'after truncate', partition => 0);
COMMIT;
SELECT partition, event_offset, value FROM tx_ddl ORDER BY 1, 2;
-- truncated at several levels
BEGIN;
SELECT produce('tx_ddl', 'k', '1', partition => 0);
SAVEPOINT a;
SELECT produce('tx_ddl', 'k', '2', partition => 0);
SAVEPOINT b;
SELECT produce('tx_ddl', 'k', '3', partition => 0);
TRUNCATE tx_ddl;
SELECT produce('tx_ddl', 'k', '4', partition => 0);
TRUNCATE tx_ddl;
SELECT produce('tx_ddl', 'k', '5', partition => 0);
RELEASE b;
SELECT produce('tx_ddl', 'k', '6', partition => 0);
ROLLBACK TO a;
SELECT produce('tx_ddl', 'k', '7', partition => 0);
SAVEPOINT c;
SELECT produce('tx_ddl', 'k', '8', partition => 0);
SAVEPOINT d;
TRUNCATE tx_ddl;
ROLLBACK TO d;
SELECT produce('tx_ddl', 'k', '9', partition => 0);
COMMIT;
SELECT value FROM tx_ddl ORDER BY event_offset;
BEGIN;
SELECT produce('tx_ddl', 'k', '10', partition => 0);
SAVEPOINT a;
SAVEPOINT b;
TRUNCATE tx_ddl;
SELECT produce('tx_ddl', 'k', '11', partition => 0);
RELEASE b;
SAVEPOINT c;
SELECT produce('tx_ddl', 'k', '12', partition => 0);
SELECT count(*) FROM flush();
TRUNCATE tx_ddl;
ROLLBACK TO c;
RELEASE a;
COMMIT;
SELECT value FROM tx_ddl ORDER BY event_offset;
-- the file changes under the buffer
BEGIN;
SELECT produce('tx_ddl', 'k', '13', partition => 0);
ALTER TABLE tx_ddl ADD CONSTRAINT short CHECK (length(value) < 20);
SELECT produce('tx_ddl', 'k', '14', partition => 0);
SAVEPOINT s;
\set VERBOSITY terse
SELECT produce('tx_ddl', 'k', repeat('15', 10), partition => 0);
\set VERBOSITY default
ROLLBACK TO s;
COMMIT;
SELECT value FROM tx_ddl ORDER BY event_offset;
-- partitions added
BEGIN;
SELECT produce('tx_ddl', 'k', '16', partition => 0);
SELECT alter_topic('tx_ddl', '{"partitions": 3}');
SELECT produce('tx_ddl', 'k', '17', partition => 2);
COMMIT;
SELECT partition, value FROM tx_ddl WHERE value >= '16' ORDER BY 1, 2;

--
-- Late producers: a deferred trigger, and a cursor that is materialised at commit
--
CREATE TABLE tx_trigger (key text);
CREATE FUNCTION tx_produce() RETURNS trigger LANGUAGE plpgsql AS
    $$ BEGIN PERFORM produce('tx', new.key, 'trigger'); RETURN NULL; END $$;
CREATE CONSTRAINT TRIGGER deferred AFTER INSERT ON tx_trigger DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION tx_produce();
CALL tx_clean();
BEGIN;
INSERT INTO tx_trigger VALUES ('at commit');
SELECT produce('tx', 'first', '');
COMMIT;
BEGIN;
DECLARE c CURSOR WITH HOLD FOR SELECT produce('tx', 'held', '');
COMMIT;
CLOSE c;
SELECT string_agg(key, ', ' ORDER BY event_offset) FROM tx;

-- transactions ended by a procedure
CREATE PROCEDURE tx_chain() LANGUAGE plpgsql AS $$
BEGIN
    FOR i IN 1..6 LOOP
        PERFORM produce('tx', i::text, '');
        IF i % 3 = 0 THEN ROLLBACK; ELSE COMMIT; END IF;
    END LOOP;
END $$;
CALL tx_clean();
CALL tx_chain();
SELECT tx_events();

--
-- PREPARE TRANSACTION
--
CALL tx_clean();
BEGIN;
SELECT tx_both('prepared 1');
SAVEPOINT s;
SELECT tx_both('not this');
ROLLBACK TO s;
PREPARE TRANSACTION 'tx_one';
BEGIN;
SELECT tx_both('prepared 2');
PREPARE TRANSACTION 'tx_two';
SELECT count(*) FROM tx;
SELECT tx_both('after');
SELECT string_agg(key, ', ' ORDER BY event_offset) FROM tx;
SELECT count(*) AS read_topic_stops FROM read_topic('tx');
COMMIT PREPARED 'tx_one';
ROLLBACK PREPARED 'tx_two';
SELECT string_agg(key, ', ' ORDER BY event_offset), tx_sound() FROM tx;
SELECT string_agg(key, ', ' ORDER BY event_offset) FROM read_topic('tx');

-- REPEATABLE READ and SERIALIZABLE produce like others
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT tx_both('rr');
COMMIT;
BEGIN ISOLATION LEVEL SERIALIZABLE;
SELECT tx_both('ssi');
COMMIT;
SELECT string_agg(key, ', ' ORDER BY event_offset), tx_sound() FROM tx;

SELECT topic, count(problem) FROM unnest('{tx,tx_own,tx_spill,tx_wide,tx_ddl}'::regclass[]) topic LEFT JOIN LATERAL check_topic(topic) ON true GROUP BY topic ORDER BY topic::text;

DROP VIEW tx_spilled;
SELECT drop_topic(t) FROM unnest('{tx,tx_own,tx_spill,tx_wide,tx_ddl}'::text[]) t;
DROP TABLE twin, twin_spill, tx_trigger;
DROP FUNCTION tx_events(), tx_sound(), tx_both(text), tx_nest(int), tx_spill(text, int), tx_produce();
DROP PROCEDURE tx_clean(), tx_chain();
