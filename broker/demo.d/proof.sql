-- The proof of broker/demo: what | expected | found. Variables: killed, acknowledged; files in the current folder: seen, seen_by_kcat, sent
CREATE TEMP TABLE seen (line int GENERATED ALWAYS AS IDENTITY, partition int, event_offset bigint, key text, value text);
CREATE TEMP TABLE seen_by_kcat (partition int, event_offset bigint, key text, value text);
CREATE TEMP TABLE sent (key text, value text);
\copy seen (partition, event_offset, key, value) FROM seen
\copy seen_by_kcat FROM seen_by_kcat
\copy sent FROM sent
CREATE TEMP TABLE in_topic AS SELECT partition, event_offset, key, value::text, (value->>'number')::int AS number FROM payments;
CREATE TEMP TABLE orders_seen AS SELECT (value::json->>'id')::bigint AS id, key AS customer, value::json->>'amount' AS amount FROM seen;
CREATE TEMP TABLE orders_placed AS SELECT id, customer::text, amount::text FROM placed;

SELECT 'orders: committed by SQL, read by the Kafka client', (SELECT count(*) FROM orders_placed), (SELECT count(*) FROM orders_seen);
SELECT '  committed, and not read', 0, count(*) FROM (SELECT * FROM orders_placed EXCEPT ALL SELECT * FROM orders_seen) x;
SELECT '  read, and not committed, or read twice', 0, count(*) FROM (SELECT * FROM orders_seen EXCEPT ALL SELECT * FROM orders_placed) x;
SELECT '  read from the two rolled-back transactions', 0, count(*) FROM seen WHERE key = 'nobody';
SELECT '  read out of their order', 0, count(*)
    FROM (SELECT event_offset <= lag(event_offset) OVER (PARTITION BY partition ORDER BY line) AS wrong FROM seen) x WHERE wrong;
SELECT '  other than kcat reads them at the end', 0, count(*)
    FROM (SELECT partition, event_offset, key, value FROM seen) s FULL JOIN seen_by_kcat k USING (partition, event_offset, key, value)
    WHERE s IS NULL OR k IS NULL;
SELECT 'times that the broker was killed under the idempotent producer', 2, :killed;
SELECT 'payments: sent, acknowledged', (SELECT count(*) FROM sent), :acknowledged;
SELECT '  in the topic', (SELECT count(*) FROM sent), (SELECT count(*) FROM in_topic);
SELECT '  sent, and not in the topic', 0, count(*) FROM (SELECT key, value FROM sent EXCEPT ALL SELECT key, value FROM in_topic) x;
SELECT '  in the topic twice, or with other bytes', 0, count(*) FROM (SELECT key, value FROM in_topic EXCEPT ALL SELECT key, value FROM sent) x;
SELECT '  out of their account''s order', 0, count(*)
    FROM (SELECT number <= lag(number) OVER (PARTITION BY key ORDER BY partition, event_offset) AS wrong FROM in_topic) x WHERE wrong;
SELECT '  counted by the consumer in SQL', (SELECT count(*) FROM sent), (SELECT count(*) FROM paid);
SELECT '  sum of all accounts', (SELECT sum((value::json->>'amount')::int) FROM sent), (SELECT sum(amount) FROM paid);
