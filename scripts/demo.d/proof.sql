-- The proof of scripts/demo: what | expected | found. Variable: acknowledged
CREATE TEMP TABLE events AS
    SELECT (value->>'id')::bigint AS id, value->>'from' AS source, value->>'to' AS target, value->>'amount' AS amount
    FROM read_topic('transfers', max_events => 1000000000);
CREATE TEMP TABLE lines AS
    SELECT id, source::text, target::text, amount::text FROM ledger;

SELECT 'transfers acknowledged to a client but not in the ledger', 0,
       greatest(0, :acknowledged - (SELECT count(*) FROM ledger WHERE source <> 0));
SELECT 'events in the topic: one for each line of the ledger', (SELECT count(*) FROM ledger), (SELECT count(*) FROM events);
SELECT 'ledger lines without their event', 0, count(*) FROM (SELECT * FROM lines EXCEPT ALL SELECT * FROM events) x;
SELECT 'events without their ledger line', 0, count(*) FROM (SELECT * FROM events EXCEPT ALL SELECT * FROM lines) x;
SELECT 'events counted by the consumers', (SELECT count(*) FROM ledger), (SELECT count(*) FROM consumed);
SELECT 'ledger lines that no consumer counted', 0, count(*) FROM (SELECT id FROM ledger EXCEPT SELECT id FROM consumed) x;
SELECT 'accounts whose copied balance differs', 0, count(*)
    FROM accounts a FULL JOIN projection p ON p.account = a.id WHERE a.balance IS DISTINCT FROM p.balance;
SELECT 'sum of all copied balances (money is only moved)', 0, sum(balance) FROM projection;
