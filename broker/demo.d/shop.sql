-- The shop of broker/demo.
CREATE EXTENSION eventlog;

-- orders are rows of PostgreSQL's applications, and events for Kafka's
CREATE TABLE placed (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, customer int NOT NULL, amount int NOT NULL);
SELECT create_topic('orders', partitions => 3);

-- payments are events of a Kafka client, and rows for PostgreSQL's applications; no constraint keeps doubles out
CREATE TABLE paid (number int, account text, amount int);
SELECT create_topic('payments', partitions => 3);
