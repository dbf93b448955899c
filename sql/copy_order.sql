-- COPY collects rows for each table of a partitioned one, and hands them on table by table.  Of a topic, rows
-- that name no partition arrive at another table than those that do: they must not overtake each other.
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS eventlog;
RESET client_min_messages;
\pset footer off
SELECT create_topic('co', 1, 'text', 'text'), create_topic('co_two', 2, 'text', 'text');

COPY co (partition, key, value) FROM stdin;
\N	a	1
0	a	2
\N	a	3
0	a	4
\N	a	5
0	a	6
\.
SELECT event_offset, value FROM co ORDER BY 1;
INSERT INTO co (partition, key, value) VALUES (NULL, 'a', '7'), (0, 'a', '8'), (NULL, 'a', '9'), (0, 'a', '10');
INSERT INTO co (partition, key, value) SELECT CASE WHEN i % 2 = 0 THEN 0 END, 'a', i FROM generate_series(11, 14) i;
SELECT event_offset, value FROM co WHERE event_offset >= 6 ORDER BY 1;

-- more rows than COPY collects, of two partitions
CREATE PROCEDURE co_copy() LANGUAGE plpgsql AS $$
BEGIN
  COPY co_two (partition, key, value) FROM PROGRAM 'awk ''BEGIN { for (i = 1; i <= 5000; i++) printf "%s\tk%d\t%d\n", i % 3 ? "\\N" : i % 2, i % 7, i }''';
END $$;
CALL co_copy();
SELECT count(*), count(DISTINCT partition) AS partitions, bool_and(in_order) AS in_order
FROM (SELECT partition, value::int > lag(value::int, 1, 0) OVER (PARTITION BY partition ORDER BY event_offset) AS in_order FROM co_two) e;
-- a statement that is run again is the one that it was
CALL co_copy();
CALL co_copy();
SELECT count(*) FROM co_two;

-- a WHERE of one's own is still asked
TRUNCATE co;
COPY co (partition, key, value) FROM stdin WHERE value <> 'no' OR partition IS NULL;
\N	a	no
0	a	no
\N	a	1
0	a	2
\.
COPY co (partition, key, value) FROM stdin WHERE random() < 0;
0	a	never
\.
SELECT value FROM co ORDER BY event_offset;

-- rows that bring their own offsets, among others, are appended together, and in order
TRUNCATE co_two;
SELECT max(log_end_offset) AS next FROM eventlog_partitions WHERE topic = 'co_two'::regclass \gset
SELECT :next < 10000 AS enough;
BEGIN;
COPY co_two FROM stdin;
0	10000	2024-01-31 12:00:00+00	a	first	{}
0	10001	2024-01-31 12:00:00+00	a	second	{"h": "1"}
0	\N	2024-01-31 12:00:00+00	a	third	\N
0	10005	2024-01-31 12:00:00+00	\N	fourth	{}
1	10000	2024-01-31 12:00:00+00	a	first	{}
1	10002	2024-01-31 12:00:00+00	a	\N	{}
0	\N	2024-01-31 12:00:00+00	a	fifth	\N
\.
-- the last one waits for the end of the transaction
SELECT partition, event_offset, event_time = '2024-01-31 12:00:00+00' AS given, key, value, headers FROM co_two ORDER BY 1, 2;
COMMIT;
SELECT partition, event_offset, key, value FROM co_two WHERE value = 'fifth';
-- of a COPY that fails nothing is kept, and what comes after is appended by itself
BEGIN;
SAVEPOINT s;
COPY co_two (partition, event_offset, key, value) FROM stdin;
1	20000	a	lost
1	20001	a	lost
2	20002	a	there is no such partition
\.
ROLLBACK TO s;
INSERT INTO co_two (partition, event_offset, key, value) VALUES (1, 20000, 'a', 'kept');
SELECT value FROM co_two WHERE partition = 1 AND event_offset >= 20000;
COMMIT;
-- 2,000 rows are a few batches, not one a row
CREATE TABLE co_size AS SELECT pg_current_wal_insert_lsn() AS before;
COPY co_two (partition, event_offset, key, value) FROM PROGRAM 'awk ''BEGIN { for (i = 0; i < 2000; i++) printf "0\t%d\tk\tv\n", 30000 + i }''';
SELECT pg_current_wal_insert_lsn() - before < 100000 AS few FROM co_size;
SELECT count(*), max(event_offset) FROM co_two WHERE partition = 0 AND event_offset >= 30000;

-- a COPY into a topic that another one's constraint starts
CREATE FUNCTION co_other(value text) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
  COPY co (partition, event_offset, key, value) FROM PROGRAM 'printf "0\t100\ta\tinner\n0\t101\ta\tinner\n"';
  RETURN true;
END $$;
SELECT create_topic('co_outer', 1, 'text', 'text');
ALTER TABLE co_outer ADD CHECK (co_other(value));
COPY co_outer (partition, event_offset, key, value) FROM stdin;
0	5	a	outer
\.
SELECT event_offset, value FROM co_outer;
SELECT event_offset, value FROM co WHERE event_offset >= 100;

-- what a function inserts meanwhile, and is rolled back, neither stays nor takes rows of the COPY with it
CREATE FUNCTION co_undone(key text, own_offset bigint) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
  IF key = 'a' THEN
    BEGIN
      IF own_offset IS NULL THEN
        INSERT INTO co_nested (key, value) VALUES ('undone', 'x');
      ELSE
        INSERT INTO co_nested (partition, event_offset, key, value) VALUES (0, own_offset, 'undone', 'x');
      END IF;
      RAISE EXCEPTION 'undone';
    EXCEPTION WHEN raise_exception THEN
    END;
  END IF;
  RETURN true;
END $$;
SELECT create_topic('co_nested', 1, 'text', 'text');
COPY co_nested (partition, event_offset, key, value) FROM stdin WHERE co_undone(key, NULL);
0	0	z	1
0	1	a	2
0	2	c	3
\.
COPY co_nested (partition, event_offset, key, value) FROM stdin WHERE co_undone(key, 10);
0	10	a	4
0	11	c	5
\.
COPY co_nested (partition, event_offset, key, value) FROM stdin WHERE co_undone(key, 30);
0	20	z	6
0	21	a	7
\.
SELECT event_offset, key, value FROM co_nested;
SELECT * FROM check_topic('co_nested');

DROP TABLE co_size;
DROP PROCEDURE co_copy();
SELECT drop_topic('co'), drop_topic('co_two'), drop_topic('co_outer'), drop_topic('co_nested');
DROP FUNCTION co_other(text), co_undone(text, bigint);
