-- What topics refuse: 0A000, with a hint what to do instead.
-- Each statement is run by a helper that prints code, message and hint.
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS eventlog;
RESET client_min_messages;
CREATE SCHEMA refusals;
SET search_path = refusals, public;

CREATE FUNCTION try(stmt text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    message text;
    hint text;
BEGIN
    EXECUTE stmt;
    RETURN 'ok';
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS message = MESSAGE_TEXT, hint = PG_EXCEPTION_HINT;
    RETURN SQLSTATE || ': ' || message || CASE WHEN hint <> '' THEN ' / ' || hint ELSE '' END;
END $$;

SELECT create_topic('orders', 2);
SELECT produce('orders', 'k', '{"n": 1}');
CREATE TABLE other (id int PRIMARY KEY, key text, value json);

-- changing events
SELECT try($$UPDATE orders SET value = '2'$$);
SELECT try($$UPDATE orders SET value = '2' WHERE false$$);
SELECT try($$UPDATE orders_p0 SET value = '2'$$);
SELECT try($$EXPLAIN UPDATE orders SET value = '2'$$);
SELECT try($$DELETE FROM orders$$);
SELECT try($$DELETE FROM orders WHERE partition = 7$$);
SELECT try($$DELETE FROM orders_p1$$);
SELECT try($$WITH d AS (DELETE FROM orders RETURNING key) SELECT * FROM d$$);
SELECT try($$MERGE INTO orders o USING other t ON o.key = t.key WHEN MATCHED THEN DELETE$$);
SELECT try($$MERGE INTO orders o USING other t ON false WHEN NOT MATCHED THEN INSERT (key, value) VALUES (t.key, t.value)$$);
SELECT try($$INSERT INTO orders (key, value) VALUES ('k', '1') ON CONFLICT DO NOTHING$$);
SELECT try($$INSERT INTO orders (key, value) VALUES ('k', '1') ON CONFLICT (key) DO UPDATE SET value = excluded.value$$);
SELECT try($$INSERT INTO orders_p0 (key, value) VALUES ('k', '1') ON CONFLICT DO NOTHING$$);
SELECT try($$WITH i AS (INSERT INTO orders (key, value) VALUES ('k', '1') ON CONFLICT DO NOTHING RETURNING key) SELECT * FROM i$$);
PREPARE upd AS UPDATE orders SET value = '2';
EXECUTE upd;
DEALLOCATE upd;

-- row locks
SELECT try($$SELECT * FROM orders FOR UPDATE$$);
SELECT try($$SELECT * FROM orders WHERE false FOR SHARE$$);
SELECT try($$SELECT * FROM orders_p1 FOR KEY SHARE$$);
SELECT try($$SELECT * FROM (SELECT * FROM orders) o, other FOR NO KEY UPDATE$$);
-- locking and changing what is joined to a topic is none of its business
SELECT try($$SELECT other.* FROM other, orders WHERE other.key = orders.key FOR UPDATE OF other$$);
SELECT try($$UPDATE other SET key = orders.key FROM orders WHERE other.id = orders.partition$$);
SELECT try($$DELETE FROM other USING orders WHERE other.id = orders.partition$$);

-- indexes and constraints
SELECT try($$CREATE INDEX ON orders (key)$$);
SELECT try($$CREATE INDEX ON ONLY orders (key)$$);
SELECT try($$CREATE UNIQUE INDEX ON orders_p0 (key)$$);
SELECT try($$CREATE INDEX CONCURRENTLY ON orders_p0 (key)$$);
SELECT try($$ALTER TABLE orders ADD PRIMARY KEY (partition, event_offset)$$);
SELECT try($$ALTER TABLE orders ADD UNIQUE (partition, key)$$);
SELECT try($$ALTER TABLE orders ADD EXCLUDE (key WITH =)$$);
SELECT try($$ALTER TABLE orders ADD FOREIGN KEY (partition) REFERENCES other$$);
SELECT try($$ALTER TABLE other ADD FOREIGN KEY (id) REFERENCES orders (partition)$$);
SELECT try($$CREATE TABLE fk (p int REFERENCES orders (partition))$$);
SELECT try($$CREATE TABLE fk (p int, FOREIGN KEY (p) REFERENCES orders_p0 (partition))$$);
SELECT try($$ALTER TABLE orders_p0 ADD CHECK (key <> '')$$);

-- triggers, rules, row security
CREATE FUNCTION trg() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
SELECT try($$CREATE TRIGGER t BEFORE INSERT ON orders FOR EACH ROW EXECUTE FUNCTION trg()$$);
SELECT try($$CREATE TRIGGER t AFTER INSERT ON orders_p0 FOR EACH ROW EXECUTE FUNCTION trg()$$);
SELECT try($$CREATE TRIGGER t AFTER INSERT ON orders FOR EACH STATEMENT EXECUTE FUNCTION trg()$$);
SELECT try($$CREATE CONSTRAINT TRIGGER t AFTER INSERT ON orders FOR EACH ROW EXECUTE FUNCTION trg()$$);
SELECT try($$CREATE RULE r AS ON INSERT TO orders DO ALSO NOTIFY x$$);
SELECT try($$ALTER TABLE orders ENABLE ROW LEVEL SECURITY$$);
SELECT try($$ALTER TABLE orders FORCE ROW LEVEL SECURITY$$);
SELECT try($$CREATE POLICY p ON orders USING (true)$$);

-- columns
SELECT try($$ALTER TABLE orders ADD COLUMN extra int$$);
SELECT try($$ALTER TABLE orders ADD COLUMN extra int GENERATED ALWAYS AS (partition) STORED$$);
SELECT try($$ALTER TABLE orders DROP COLUMN headers$$);
SELECT try($$ALTER TABLE orders RENAME COLUMN key TO k$$);
SELECT try($$ALTER TABLE orders ALTER COLUMN key TYPE bytea USING NULL$$);
SELECT try($$ALTER TABLE orders ALTER COLUMN key SET DEFAULT 'x'$$);
SELECT try($$ALTER TABLE orders ALTER COLUMN partition SET NOT NULL$$);
SELECT try($$ALTER TABLE orders ALTER COLUMN partition ADD GENERATED ALWAYS AS IDENTITY$$);
CREATE TYPE colour AS ENUM ('red', 'green');
SELECT create_topic('colours', key_type => 'colour');
SELECT try($$DROP TYPE colour CASCADE$$);

-- one partition
SELECT try($$DROP TABLE orders_p0$$);
SELECT try($$DROP TABLE orders_default$$);
SELECT try($$DROP TABLE orders_p0, other$$);
SELECT try($$ALTER TABLE orders DETACH PARTITION orders_p0$$);
SELECT try($$ALTER TABLE orders_p0 RENAME TO p$$);
SELECT try($$ALTER TABLE orders_p0 SET SCHEMA public$$);
SELECT try($$CREATE TABLE orders_p2 PARTITION OF orders FOR VALUES IN (2)$$);
SELECT try($$CREATE TABLE orders_p2 PARTITION OF orders FOR VALUES IN (2) PARTITION BY LIST (partition)$$);
SELECT try($$CREATE TABLE orders_p2 (LIKE orders); ALTER TABLE orders ATTACH PARTITION orders_p2 FOR VALUES IN (2)$$);
SELECT try($$CREATE TABLE orders_p2 PARTITION OF orders FOR VALUES IN (2, 3) USING eventlog$$);
SELECT try($$CREATE TABLE orders_p2 PARTITION OF orders FOR VALUES IN (NULL) USING eventlog$$);
SELECT try($$CREATE TABLE orders_p2 PARTITION OF orders FOR VALUES IN (-1) USING eventlog$$);
SELECT try($$CREATE TABLE orders_p2 PARTITION OF orders (CHECK (key <> '')) FOR VALUES IN (2) USING eventlog$$);
SELECT try($$CREATE TABLE orders_p2 PARTITION OF orders (key DEFAULT 'x') FOR VALUES IN (2) USING eventlog$$);

-- the access method on other tables
SELECT try($$CREATE TABLE t (a int) USING eventlog$$);
SELECT try($$CREATE TABLE t (partition int, event_offset bigint, event_time timestamptz, key text, value json, headers jsonb, more int) USING eventlog$$);
SELECT try($$CREATE TABLE t (partition int, event_offset bigint, event_time timestamp, key text, value json, headers jsonb) USING eventlog$$);
SELECT try($$CREATE TABLE t (LIKE orders) USING eventlog$$);
SELECT try($$ALTER TABLE t ADD PRIMARY KEY (key)$$);
SELECT try($$ALTER TABLE t ADD COLUMN a int$$);
SELECT try($$DROP TABLE t$$);
SELECT try($$CREATE UNLOGGED TABLE t (LIKE orders) USING eventlog$$);
SELECT try($$CREATE TEMP TABLE t (LIKE orders) USING eventlog$$);
SELECT try($$CREATE TABLE pg_temp.t (LIKE orders) USING eventlog$$);
SELECT try($$CREATE TABLE t (LIKE orders, PRIMARY KEY (key)) USING eventlog$$);
SELECT try($$CREATE TABLE t (LIKE orders, FOREIGN KEY (partition) REFERENCES other) USING eventlog$$);
SELECT try($$CREATE TABLE t (partition serial, event_offset bigint, event_time timestamptz, key text, value json, headers jsonb) USING eventlog$$);
SELECT try($$CREATE TABLE t (partition int, event_offset bigint GENERATED ALWAYS AS IDENTITY, event_time timestamptz, key text, value json, headers jsonb) USING eventlog$$);
SELECT try($$CREATE TABLE t (partition int, event_offset bigint, event_time timestamptz NOT NULL, key text, value json, headers jsonb) USING eventlog$$);
SELECT try($$CREATE TABLE t USING eventlog AS SELECT * FROM orders$$);
SELECT try($$EXPLAIN ANALYZE CREATE TABLE t USING eventlog AS SELECT * FROM orders$$);
SELECT try($$CREATE MATERIALIZED VIEW t USING eventlog AS SELECT * FROM orders$$);
SELECT try($$ALTER TABLE other SET ACCESS METHOD eventlog$$);
SELECT try($$ALTER TABLE orders_p0 SET ACCESS METHOD heap$$);
SELECT try($$ALTER TABLE orders_p0 SET UNLOGGED$$);
SET default_table_access_method = eventlog;
SELECT try($$CREATE TABLE t (a int)$$);
SELECT try($$SELECT 1 AS a INTO t$$);
SELECT try($$CREATE TEMP TABLE t AS SELECT 1 AS a$$);
RESET default_table_access_method;

-- inheritance
SELECT try($$CREATE TABLE child () INHERITS (orders_p0)$$);
SELECT try($$CREATE TABLE child (LIKE orders); ALTER TABLE child INHERIT orders_p0$$);
SELECT try($$CREATE TABLE parent (LIKE orders); ALTER TABLE orders_p0 INHERIT parent$$);
SELECT try($$CREATE TABLE parent (LIKE orders) PARTITION BY LIST (event_offset);
             CREATE TABLE child (LIKE orders) USING eventlog;
             ALTER TABLE parent ATTACH PARTITION child FOR VALUES IN (2)$$);
SELECT try($$CREATE TABLE parent (LIKE orders) PARTITION BY LIST (partition);
             ALTER TABLE parent ATTACH PARTITION orders DEFAULT$$);
SELECT try($$CREATE TABLE parent (LIKE orders) PARTITION BY HASH (key);
             CREATE TABLE child PARTITION OF parent FOR VALUES WITH (MODULUS 1, REMAINDER 0) USING eventlog$$);
-- a parent that is no topic because of what it has
SELECT try($$CREATE TABLE parent (LIKE orders, PRIMARY KEY (partition)) PARTITION BY LIST (partition);
             CREATE TABLE child PARTITION OF parent FOR VALUES IN (0) USING eventlog$$);

-- publications
SELECT try($$CREATE PUBLICATION pub FOR TABLE orders$$);
SELECT try($$CREATE PUBLICATION pub FOR TABLE other, orders_p0$$);
SELECT try($$CREATE PUBLICATION pub FOR TABLE other$$);
SELECT try($$ALTER PUBLICATION pub ADD TABLE orders$$);
SELECT try($$ALTER PUBLICATION pub SET TABLE other, orders$$);
SELECT try($$ALTER TABLE orders REPLICA IDENTITY FULL$$);
DROP PUBLICATION pub;

-- names in use elsewhere are not mistaken for the topic's
CREATE TEMP TABLE orders (id int PRIMARY KEY);
SELECT try($$CREATE INDEX ON orders (id)$$);
SELECT try($$UPDATE orders SET id = 1$$);
SELECT try($$CREATE INDEX ON refusals.orders (key)$$);
DROP TABLE pg_temp.orders;

-- after all that
SELECT key, value FROM orders;
SELECT * FROM check_topic('orders');

SET client_min_messages = warning;
DROP SCHEMA refusals CASCADE;
SELECT count(*) FROM eventlog_topics WHERE topic::text LIKE '%orders%';
