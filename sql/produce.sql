-- produce(), produce_batch(), flush(): what they accept, refuse and return
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS eventlog;
RESET client_min_messages;
\set SHOW_CONTEXT never

-- an error as a client sees it
CREATE FUNCTION pg_temp.try(command text, OUT code text, OUT message text, OUT detail text, OUT hint text, OUT event text)
LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE command;
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS code = RETURNED_SQLSTATE, message = MESSAGE_TEXT,
        detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT;
    event := substring(detail from 'event \d+ of the batch.*');
    detail := substring(detail from '^(?!Raised)[^\n]*');
END $$;

--
-- The four signatures
--
SELECT create_topic('pr_json', 4);
SELECT produce('pr_json', 'alpha', '{"a": 1}') >= 0 AS literals;
SELECT produce('pr_json', 'alpha', '{"a": 2}'::json) >= 0 AS json;
SELECT produce('pr_json', 'alpha', '{"a": 3}'::jsonb) >= 0 AS jsonb;
SELECT produce('pr_json', 42, '{"a": 4}') >= 0 AS int_key;
SELECT produce('pr_json', '42', '{"a": 5}') = produce('pr_json', 42::bigint, '{"a": 6}'::json) AS same_partition;
SELECT produce('pr_json', 'alpha'::varchar, to_jsonb(7)) >= 0 AS varchar_key;
SELECT produce('pr_json', '6ba7b810-9dad-11d1-80b4-00c04fd430c8'::uuid, json_build_object('a', 8)) >= 0 AS uuid_key;
SELECT produce('pr_json', key => 'alpha', value => '{"a": 9}', headers => '{"h": "1"}', partition => 2,
               event_time => '2024-01-31 12:00:00.123456+00') AS partition;
PREPARE p AS SELECT produce('pr_json', $1, $2) IS NOT NULL AS untyped_parameters;
EXECUTE p('alpha', '{"a": 10}');
DEALLOCATE p;

SELECT key, value, headers FROM pr_json ORDER BY CASE WHEN value::text ~ 'a' THEN (value->>'a')::int ELSE 7 END;
SELECT partition, event_time = '2024-01-31 12:00:00.123+00' AS truncated_to_ms FROM pr_json WHERE value->>'a' = '9';

-- the default time is the clock's, not the transaction's
BEGIN;
SELECT now() AS began, count(pg_sleep(0.02)) \gset
SELECT produce('pr_json', 'clock', '"now"', partition => 0);
COMMIT;
SELECT event_time > :'began' AND event_time <= clock_timestamp() AS at_the_call FROM pr_json WHERE key = 'clock';

-- nulls
SELECT produce('pr_json', 'gone', NULL) >= 0 AS tombstone;
SELECT produce('pr_json', NULL, '"no key"') >= 0 AS null_key;
SELECT produce('pr_json', NULL::uuid, NULL::int) >= 0 AS typed_nulls;
SELECT key, value, value IS NULL AS value_is_null FROM pr_json WHERE key = 'gone' OR key IS NULL ORDER BY key, value::text;
-- null keys go round
SELECT count(DISTINCT p) FROM (SELECT produce('pr_json', NULL, to_json(i)) AS p FROM generate_series(1, 4) i) x;

-- topics of other types
SELECT create_topic('pr_text', 1, 'bigint', 'text');
SELECT produce('pr_text', 1, 'x'), produce('pr_text', '2', ''), produce('pr_text', 3::smallint, 3.5), produce('pr_text', 4, true);
SELECT key, value FROM pr_text ORDER BY event_offset;
SELECT create_topic('pr_bytea', 1, 'uuid', 'bytea');
SELECT produce('pr_bytea', '6ba7b810-9dad-11d1-80b4-00c04fd430c8', '\x00ff'),
       produce('pr_bytea', '6ba7b810-9dad-11d1-80b4-00c04fd430c8'::uuid, '\x'::bytea);
SELECT key, value FROM pr_bytea ORDER BY event_offset;

-- domains: checked, also for NULL
CREATE DOMAIN pr_positive AS int CHECK (VALUE > 0);
CREATE DOMAIN pr_required AS text NOT NULL;
SELECT create_topic('pr_domain', 1, 'pr_positive', 'pr_required');
SELECT produce('pr_domain', 1, 'x');
SELECT * FROM pg_temp.try($$SELECT produce('pr_domain', 0, 'x')$$);
SELECT * FROM pg_temp.try($$SELECT produce('pr_domain', 1, NULL)$$);
SELECT produce('pr_domain', NULL, 'x');

-- headers
SELECT produce('pr_text', 10, 'h', headers => '{}'),
       produce('pr_text', 11, 'h', headers => '{"a": "1", "b": null, "c": {"base64": "AP8="}}'),
       produce('pr_text', 12, 'h', headers => '[["a", "1"], ["a", "2"]]');
SELECT key, headers FROM pr_text WHERE value = 'h' ORDER BY event_offset;
SELECT code, message FROM pg_temp.try($$SELECT produce('pr_text', 1, 'h', headers => '3')$$);

--
-- Refusals
--
SELECT * FROM pg_temp.try($$SELECT produce(NULL, 'a', 'b')$$);
SELECT code, message FROM pg_temp.try($$SELECT produce('pr_nothing', 'a', 'b')$$);
SELECT code FROM pg_temp.try($$SELECT produce('pg_class', 'a', 'b')$$);
SELECT code FROM pg_temp.try($$SELECT produce('pr_json_p0', 'a', '1')$$);
SELECT code FROM pg_temp.try($$SELECT produce(0::regclass, 'a', '1')$$);
SELECT * FROM pg_temp.try($$SELECT produce('pr_json', 'a', '1', partition => -1)$$);
SELECT * FROM pg_temp.try($$SELECT produce('pr_json', 'a', '1', partition => 4)$$);
SELECT code FROM pg_temp.try($$SELECT produce('pr_json', 'a', '1', partition => 4294967296)$$);
SELECT code, message FROM pg_temp.try($$SELECT produce('pr_json', 'a', '{')$$);
SELECT code, message FROM pg_temp.try($$SELECT produce('pr_json', 'a', '')$$);
SELECT code, message FROM pg_temp.try($$SELECT produce('pr_text', 'a', 'b')$$);
SELECT code FROM pg_temp.try($$SELECT produce('pr_json', 'a', '1', event_time => 'infinity')$$);
SELECT code FROM pg_temp.try($$SELECT produce('pr_json', 'a', '1', event_time => now() + interval '2 hours')$$);
SELECT create_topic('pr_small', 1, 'text', 'text', '{"max_event_bytes": 100}');
SELECT produce('pr_small', 'k', repeat('x', 99));
SELECT code, message, detail FROM pg_temp.try($$SELECT produce('pr_small', 'k', repeat('x', 100))$$);
SELECT create_topic('pr_compact', 1, 'text', 'text', '{"cleanup_policy": "compact"}');
SELECT * FROM pg_temp.try($$SELECT produce('pr_compact', NULL, 'x')$$);
SELECT produce('pr_compact', 'k', NULL);

-- a refused event leaves nothing behind
SELECT count(*) FROM pr_small;

-- privileges: INSERT on the topic, of the current user
CREATE ROLE regress_producer;
GRANT USAGE ON SCHEMA public TO regress_producer;
SET ROLE regress_producer;
SELECT code, message FROM pg_temp.try($$SELECT produce('pr_text', 1, 'x')$$);
SELECT code, message FROM pg_temp.try($$SELECT produce_batch('pr_text', '[]')$$);
SELECT code, message FROM pg_temp.try($$SELECT produce_batch('pr_text', NULL, '{}')$$);
RESET ROLE;
GRANT INSERT ON pr_text TO regress_producer;
SET ROLE regress_producer;
SELECT produce('pr_text', 1, 'as regress_producer');
SELECT * FROM flush();
RESET ROLE;
-- one call site, two users
CREATE FUNCTION pr_switch() RETURNS text LANGUAGE plpgsql AS $$
DECLARE done text[] = '{}';
BEGIN
    FOR i IN 1..2 LOOP
        PERFORM set_config('role', CASE i WHEN 1 THEN 'regress_producer' ELSE 'regress_nobody' END, true);
        PERFORM produce('pr_text', i, 'switch');
        done := done || i::text;
    END LOOP;
    RETURN 'not refused';
END $$;
CREATE ROLE regress_nobody;
SELECT code, message FROM pg_temp.try('SELECT pr_switch()');
RESET ROLE;

-- read-only transactions
BEGIN READ ONLY;
SAVEPOINT s;
SELECT produce('pr_text', 1, 'x');
ROLLBACK TO s;
SELECT produce_batch('pr_text', '[]');
ROLLBACK;

--
-- CHECK constraints
--
SELECT create_topic('pr_check', 2, 'text', 'jsonb');
ALTER TABLE pr_check ADD CONSTRAINT has_id CHECK (value ? 'id');
ALTER TABLE pr_check ADD CONSTRAINT first_only CHECK (partition = 0);
ALTER TABLE pr_check ADD CONSTRAINT after_2000 CHECK (event_time > '2000-01-01');
ALTER TABLE pr_check ADD CONSTRAINT short_key CHECK (length(key) < 5);
ALTER TABLE pr_check ADD CONSTRAINT traced CHECK (headers IS NULL OR headers ? 'trace');
SELECT produce('pr_check', 'k', '{"id": 1}', partition => 0);
SELECT produce('pr_check', 'k', NULL, partition => 0);
SELECT code, message FROM pg_temp.try($$SELECT produce('pr_check', 'k', '{"no": 1}', partition => 0)$$);
SELECT code, message FROM pg_temp.try($$SELECT produce('pr_check', 'k', '{"id": 1}', partition => 1)$$);
SELECT code, message FROM pg_temp.try($$SELECT produce('pr_check', 'k', '{"id": 1}', partition => 0, event_time => '1999-01-01')$$);
SELECT code, message FROM pg_temp.try($$SELECT produce('pr_check', 'long key', '{"id": 1}', partition => 0)$$);
SELECT code, message FROM pg_temp.try($$SELECT produce('pr_check', 'k', '{"id": 1}', headers => '{"x": "1"}', partition => 0)$$);
SELECT code, message, event FROM pg_temp.try($$SELECT produce_batch('pr_check', '[{"key": "k", "value": {"id": 1}, "partition": 0}, {"value": {}, "partition": 0}]')$$);
SELECT code, message, event FROM pg_temp.try($$SELECT produce_batch('pr_check', '{k}', '{"{}"}')$$);
SELECT key, value FROM pr_check ORDER BY event_offset;

--
-- produce_batch
--
SELECT create_topic('pr_batch', 3);
SELECT produce_batch('pr_batch', '[]');
SELECT produce_batch('pr_batch', '[
    {"key": "a", "value": {"n": 1, "deep": [1, {"x": null}]}, "partition": 0},
    {"key": "b", "value": "text \u00e9", "headers": {"h": "v"}, "partition": 0},
    {"key": 3, "value": 1.50, "partition": 0, "event_time": "2024-01-31T12:00:00Z"},
    {"key": "d", "value": null, "partition": 0},
    {"key": null, "value": false, "partition": 0, "headers": null, "event_time": null},
    {"key": {"k": 1}, "value": [], "headers": [["a", "1"], ["a", "2"]], "partition": 0},
    {"partition": 0},
    {"key": "routed", "value": 1, "partition": null}]');
SELECT key, value, headers, event_time = '2024-01-31T12:00:00Z' AS given_time FROM pr_batch WHERE partition = 0 AND key IS DISTINCT FROM 'routed' ORDER BY event_offset;
SELECT partition = (SELECT produce('pr_batch', 'routed', '2')) AS routed_alike FROM pr_batch WHERE key = 'routed';

-- into other types
SELECT produce_batch('pr_text', '[{"key": 100, "value": "string"}, {"key": "101", "value": {"a": 1}}, {"key": 102, "value": 1e3}]');
SELECT key, value FROM pr_text WHERE key >= 100 ORDER BY event_offset;
SELECT produce_batch('pr_bytea', '[{"key": "6ba7b810-9dad-11d1-80b4-00c04fd430c8", "value": "\\x0102"}]');
SELECT create_topic('pr_jsonb', 1, 'jsonb', 'jsonb');
SELECT produce_batch('pr_jsonb', '[{"key": {"b": 1, "a": 2}, "value": "s"}, {"key": "k", "value": 1}]');
SELECT key, value FROM pr_jsonb ORDER BY event_offset;

SELECT * FROM pg_temp.try($$SELECT produce_batch('pr_batch', '{"key": 1}')$$);
SELECT * FROM pg_temp.try($$SELECT produce_batch('pr_batch', '1')$$);
SELECT * FROM pg_temp.try($$SELECT produce_batch('pr_batch', NULL)$$);
SELECT * FROM pg_temp.try($$SELECT produce_batch(NULL, '[]')$$);
SELECT * FROM pg_temp.try($$SELECT produce_batch('pr_batch', '[{}, 1]')$$);
SELECT * FROM pg_temp.try($$SELECT produce_batch('pr_batch', '[{}, []]')$$);
SELECT * FROM pg_temp.try($$SELECT produce_batch('pr_batch', '[{}, {}, {"val": 1}]')$$);
SELECT * FROM pg_temp.try($$SELECT produce_batch('pr_batch', '[{"partition": "0"}]')$$);
SELECT * FROM pg_temp.try($$SELECT produce_batch('pr_batch', '[{"partition": 1.5}]')$$);
SELECT * FROM pg_temp.try($$SELECT produce_batch('pr_batch', '[{"partition": 3}]')$$);
SELECT * FROM pg_temp.try($$SELECT produce_batch('pr_batch', '[{"event_time": 1}]')$$);
SELECT code, message, event FROM pg_temp.try($$SELECT produce_batch('pr_batch', '[{"event_time": "soon"}]')$$);
SELECT code, message, event FROM pg_temp.try($$SELECT produce_batch('pr_text', '[{"key": 1}, {"key": "x"}]')$$);
SELECT code, message, event FROM pg_temp.try($$SELECT produce_batch('pr_compact', '[{"key": "a"}, {"value": "x"}]')$$);

-- arrays
SELECT produce_batch('pr_batch', '{x,NULL,z}', '{"{\"n\": 1}",NULL,"\"three\""}');
SELECT produce_batch('pr_batch', NULL, '{10,20,30}');
SELECT produce_batch('pr_batch', '{}', '{}'), produce_batch('pr_batch', NULL, '{}');
SELECT key, value FROM pr_batch WHERE key IN ('x', 'z') OR value::text ~ '^[123]0$' ORDER BY key, value::text;
SELECT produce_batch('pr_text', '{200,201}', '{v,w}');
SELECT key, value FROM pr_text WHERE key >= 200 ORDER BY event_offset;
SELECT * FROM pg_temp.try($$SELECT produce_batch('pr_batch', '{a}', '{1,2}')$$);
SELECT * FROM pg_temp.try($$SELECT produce_batch('pr_batch', '{a}', NULL)$$);
SELECT * FROM pg_temp.try($$SELECT produce_batch('pr_batch', '{{a},{b}}', '{1,2}')$$);
SELECT * FROM pg_temp.try($$SELECT produce_batch('pr_batch', NULL, '{{1},{2}}')$$);
SELECT code, message, event FROM pg_temp.try($$SELECT produce_batch('pr_batch', NULL, '{1,2,x}')$$);

-- nothing of a refused batch is left
SELECT count(*) FROM pr_compact;
SELECT count(*) FROM pr_batch;

-- many, in order, to their key's partition, over many batches
SELECT create_topic('pr_bulk', 8, 'text', 'json', '{"compression": "zstd"}');
SELECT count(produce('pr_bulk', 'k' || i % 1000, json_build_object('n', i, 'pad', repeat('p', i % 300)))) FROM generate_series(1, 20000) i;
SELECT produce_batch('pr_bulk', array_agg('k' || i % 1000 ORDER BY i), array_agg('{"n": ' || i || '}' ORDER BY i)) FROM generate_series(20001, 40000) i;
SELECT produce_batch('pr_bulk', jsonb_agg(jsonb_build_object('key', 'k' || i % 1000, 'value', jsonb_build_object('n', i)) ORDER BY i)) FROM generate_series(40001, 60000) i;
SELECT count(*), count(DISTINCT value->>'n'), min((value->>'n')::int), max((value->>'n')::int) FROM pr_bulk;
SELECT count(*) FILTER (WHERE n < before) AS out_of_order, count(*) FILTER (WHERE partitions > 1) AS moved
FROM (SELECT (value->>'n')::int AS n, lag((value->>'n')::int) OVER (PARTITION BY key ORDER BY partition, event_offset) AS before,
             max(partition) OVER (PARTITION BY key) - min(partition) OVER (PARTITION BY key) + 1 AS partitions FROM pr_bulk) x;
SELECT count(*) FROM (SELECT event_offset - lag(event_offset) OVER (PARTITION BY partition ORDER BY event_offset) AS step FROM pr_bulk) x WHERE step <> 1;

-- events much larger than a page, among small ones
SELECT create_topic('pr_large', 1, 'text', 'text', '{"max_event_bytes": 8000000, "compression": "none"}');
SELECT count(produce('pr_large', i::text, CASE WHEN i % 3 = 0 THEN repeat(md5(i::text), 100000) ELSE md5(i::text) END)) FROM generate_series(1, 7) i;
SELECT key, length(value), value = repeat(md5(key), length(value) / 32) AS same FROM pr_large ORDER BY event_offset;

DROP FUNCTION pr_switch();
SELECT drop_topic(t) FROM unnest('{pr_json,pr_text,pr_bytea,pr_domain,pr_small,pr_compact,pr_check,pr_batch,pr_jsonb,pr_bulk,pr_large}'::text[]) t;
DROP DOMAIN pr_positive, pr_required;
REVOKE USAGE ON SCHEMA public FROM regress_producer;
DROP ROLE regress_producer, regress_nobody;
