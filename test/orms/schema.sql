-- What the programs here work on: an application's tables in public, which a migration tool looks after, and beside them,
-- out of its sight, the extension and the topics, each in a schema of its own. The application's role owns its tables only.
CREATE ROLE shop LOGIN;
ALTER SCHEMA public OWNER TO shop;
CREATE SCHEMA eventlog;
CREATE EXTENSION eventlog SCHEMA eventlog;
CREATE SCHEMA events;
GRANT USAGE ON SCHEMA eventlog, events TO shop;
SELECT eventlog.create_topic('events.orders', partitions => 3);
GRANT SELECT, INSERT ON events.orders TO shop;
SET ROLE shop;
CREATE TABLE placed_order (id varchar(40) PRIMARY KEY, amount integer);
CREATE TABLE billed_order (id varchar(40) PRIMARY KEY, amount integer);
