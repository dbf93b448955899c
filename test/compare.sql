-- What a query finds by seeking, against what it finds by reading everything.

CREATE FUNCTION plan_of(query text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    line text;
    plan text := '';
BEGIN
    FOR line IN EXECUTE 'EXPLAIN (COSTS OFF) ' || query LOOP
        plan := plan || line || E'\n';
    END LOOP;
    RETURN plan;
END $$;
-- rows, and a word if they differ or if it was not sought (or not in that direction)
CREATE FUNCTION compare(query text, shape text DEFAULT 'Custom Scan \(EventlogSeek\)') RETURNS TABLE (nrows bigint, problem text) LANGUAGE plpgsql AS $$
DECLARE
    sought text[];
    scanned text[];
BEGIN
    IF plan_of(query) !~ shape THEN
        problem := 'not sought';
    END IF;
    EXECUTE 'SELECT array_agg(q::text) FROM (' || query || ') q' INTO sought;
    SET LOCAL eventlog.enable_seek = off;
    EXECUTE 'SELECT array_agg(q::text) FROM (' || query || ') q' INTO scanned;
    SET LOCAL eventlog.enable_seek = on;
    IF sought IS DISTINCT FROM scanned THEN
        problem := format('%s rows, not %s', cardinality(sought), cardinality(scanned));
    END IF;
    nrows := coalesce(cardinality(scanned), 0);
    RETURN NEXT;
END $$;

-- all the way forward and back with a cursor
CREATE FUNCTION there_and_back(query text, more_than int DEFAULT 100) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
    c refcursor;
    r record;
    there text[];
    back text[];
BEGIN
    OPEN c SCROLL FOR EXECUTE query;
    LOOP
        FETCH NEXT FROM c INTO r;
        EXIT WHEN NOT FOUND;
        there := there || r::text;
    END LOOP;
    LOOP
        FETCH PRIOR FROM c INTO r;
        EXIT WHEN NOT FOUND;
        back := r::text || back;
    END LOOP;
    RETURN there = back AND cardinality(there) > more_than;
END $$;

-- blocks that a query looks at
CREATE FUNCTION buffers(query text) RETURNS int LANGUAGE plpgsql AS $$
DECLARE
    plan json;
BEGIN
    EXECUTE 'EXPLAIN (ANALYZE, BUFFERS, TIMING OFF, FORMAT JSON) ' || query INTO plan;
    RETURN (plan->0->'Plan'->>'Shared Hit Blocks')::int + (plan->0->'Plan'->>'Shared Read Blocks')::int;
END $$;
