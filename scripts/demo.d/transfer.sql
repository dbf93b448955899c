-- One transfer of scripts/demo, for pgbench. The lower account first, so that no two transfers deadlock.
\set source random(1, :accounts)
\set target 1 + (:source - 1 + random(1, :accounts - 1)) % :accounts
\set amount random(1, 100)
\set low least(:source, :target)
\set high greatest(:source, :target)
\set low_change case when :low = :source then -:amount else :amount end
\set high_change -:low_change
BEGIN;
UPDATE accounts SET balance = balance + :low_change WHERE id = :low;
UPDATE accounts SET balance = balance + :high_change WHERE id = :high;
INSERT INTO ledger (source, target, amount) VALUES (:source, :target, :amount) RETURNING id \gset
SELECT produce('transfers', 'account ' || :source,
               json_build_object('id', :id, 'from', :source, 'to', :target, 'amount', :amount));
COMMIT;
