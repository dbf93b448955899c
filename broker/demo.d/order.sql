\set customer random(1, 500)
\set amount random(1, 100)
\set regret random(1, 3)
BEGIN;
INSERT INTO placed (customer, amount) VALUES (:customer, :amount) RETURNING id \gset
SELECT produce('orders', :customer::text, json_build_object('id', :id, 'amount', :amount));
\if :regret = 1
ROLLBACK;
\else
COMMIT;
\endif
