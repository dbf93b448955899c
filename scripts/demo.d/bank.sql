-- The bank of scripts/demo. Variable: accounts
CREATE EXTENSION eventlog;

-- the bank's own books
CREATE TABLE accounts (id int PRIMARY KEY, balance bigint NOT NULL) WITH (fillfactor = 50);
CREATE TABLE ledger (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, source int, target int, amount int);

-- the topic, and what the consumers make of it: balances, and which transfers are in them.
-- The primary key of consumed refuses an event that is counted a second time.
SELECT create_topic('transfers', partitions => 6);
CREATE TABLE projection (account int PRIMARY KEY, balance bigint NOT NULL) WITH (fillfactor = 50);
CREATE TABLE consumed (id bigint PRIMARY KEY, consumer int NOT NULL);

-- account 0 is the bank itself, which pays 1000 into every account: transfers and events like all others
BEGIN;
INSERT INTO accounts SELECT n, 1000 FROM generate_series(1, :accounts) n;
INSERT INTO accounts VALUES (0, -1000 * :accounts);
WITH opening AS (
    INSERT INTO ledger (source, target, amount) SELECT 0, n, 1000 FROM generate_series(1, :accounts) n
    RETURNING *
)
SELECT count(produce('transfers', 'account ' || target,
                     json_build_object('id', id, 'from', source, 'to', target, 'amount', amount)))
FROM opening;
COMMIT;
ANALYZE accounts, ledger;
