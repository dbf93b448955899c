WITH events AS MATERIALIZED (SELECT key, value FROM consume('ledger', 'payments', max_events => 10000))
INSERT INTO paid SELECT (value->>'number')::int, key, (value->>'amount')::int FROM events \; SELECT commit('ledger') \watch 0.3
