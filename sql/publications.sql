-- Publications that include topics with everything else: the subscriber would silently get no events, so somebody is told,
-- whichever comes first, publication or topic.
SELECT current_database() AS before \gset
CREATE DATABASE publications;
\c publications
SET client_min_messages = warning;
CREATE EXTENSION eventlog;

-- no topic, nothing to tell
CREATE PUBLICATION everything FOR ALL TABLES;
DROP PUBLICATION everything;

-- all tables
CREATE TABLE plain (id int PRIMARY KEY);
SELECT create_topic('orders', 2);
CREATE PUBLICATION everything FOR ALL TABLES;
SELECT * FROM check_topic('orders');
ALTER PUBLICATION everything SET (publish = 'insert');
SELECT create_topic('payments');
DROP PUBLICATION everything;
CREATE PUBLICATION everything FOR ALL TABLES;
DROP PUBLICATION everything;
SELECT * FROM check_topic('orders');

-- the tables of schemas
CREATE SCHEMA sales;
CREATE SCHEMA "No topics";
SELECT create_topic('sales."Invoices"');
CREATE TABLE "No topics".plain (id int PRIMARY KEY);
CREATE PUBLICATION one FOR TABLES IN SCHEMA "No topics";
ALTER PUBLICATION one ADD TABLES IN SCHEMA sales;
ALTER PUBLICATION one DROP TABLES IN SCHEMA sales;
ALTER PUBLICATION one SET TABLES IN SCHEMA CURRENT_SCHEMA;
ALTER PUBLICATION one ADD TABLE orders;
ALTER PUBLICATION one SET TABLES IN SCHEMA "No topics";

-- a topic that comes to such a schema
ALTER TABLE sales."Invoices" SET SCHEMA "No topics";
ALTER TABLE "No topics"."Invoices" SET SCHEMA sales;
SELECT create_topic('"No topics".late');

-- or is restored there
CREATE TABLE "No topics".restored (partition int, event_offset bigint, event_time timestamptz, key text, value json, headers jsonb) PARTITION BY LIST (partition);
CREATE TABLE "No topics".restored_p0 (LIKE "No topics".restored) USING eventlog;
ALTER TABLE "No topics".restored ATTACH PARTITION "No topics".restored_p0 FOR VALUES IN (0);
SECURITY LABEL FOR eventlog ON TABLE "No topics".restored IS '{"uuid": "11111111-2222-4111-8111-111111111111"}';
SECURITY LABEL FOR eventlog ON TABLE "No topics".restored IS '{"uuid": "11111111-2222-4111-8111-111111111111", "retention": null}';
DROP TABLE "No topics".restored;

-- a list of tables is what to do instead; a topic in it is refused
CREATE PUBLICATION listed FOR TABLE plain;
CREATE PUBLICATION refused FOR TABLE plain, orders;
ALTER PUBLICATION listed ADD TABLE orders_p0;
DROP PUBLICATION one, listed;

-- many: the first twenty
SELECT count(create_topic('sales.t' || i)) FROM generate_series(1, 20) i;
CREATE PUBLICATION many FOR TABLES IN SCHEMA sales;
DROP PUBLICATION many;

\c :before
DROP DATABASE publications;
