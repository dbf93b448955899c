-- A consumer of the topic "orders" in the group "billing", inside the database. Each procedure is a loop:
-- CALL it from a session of its own (consumer.sh does, and again after an error); cancel the statement to stop it.
-- The work is a row in the table "worked".

-- [at-most-once]
CREATE PROCEDURE at_most_once() LANGUAGE plpgsql AS $$
DECLARE
    events eventlog_event[];
    e eventlog_event;
    ready boolean;
BEGIN
    LOOP
        events := ARRAY(SELECT x FROM consume('billing', 'orders', max_events => 10, commit => true) x);
        COMMIT;                             -- the offset is committed before the work begins
        FOREACH e IN ARRAY events LOOP
            INSERT INTO worked VALUES (e.partition, e.event_offset, e.key, e.value);
            COMMIT;
        END LOOP;
        CALL wait_for_events('billing', '1 s', ready => ready);
    END LOOP;
END $$;
-- [/at-most-once]

-- [at-least-once]
CREATE PROCEDURE at_least_once() LANGUAGE plpgsql AS $$
DECLARE
    events eventlog_event[];
    e eventlog_event;
    ready boolean;
BEGIN
    LOOP
        events := ARRAY(SELECT x FROM consume('billing', 'orders', max_events => 10) x);
        COMMIT;
        FOREACH e IN ARRAY events LOOP
            INSERT INTO worked VALUES (e.partition, e.event_offset, e.key, e.value);
            COMMIT;
        END LOOP;
        PERFORM commit('billing');          -- the offset is committed when the work is done
        COMMIT;
        CALL wait_for_events('billing', '1 s', ready => ready);
    END LOOP;
END $$;
-- [/at-least-once]

-- [exactly-once]
CREATE PROCEDURE exactly_once() LANGUAGE plpgsql AS $$
DECLARE
    ready boolean;
BEGIN
    LOOP
        INSERT INTO worked
            SELECT partition, event_offset, key, value FROM consume('billing', 'orders', max_events => 10);
        PERFORM commit('billing');
        COMMIT;                             -- work and offset, or neither
        CALL wait_for_events('billing', '1 s', ready => ready);
    END LOOP;
END $$;
-- [/exactly-once]

-- [claim]
CREATE PROCEDURE claim_loop() LANGUAGE plpgsql AS $$
DECLARE
    ready boolean;
BEGIN
    LOOP
        INSERT INTO worked
            SELECT partition, event_offset, key, value FROM claim('billing', 'orders', max_events => 10);
        COMMIT;
        CALL wait_for_events('billing', '1 s', ready => ready);
    END LOOP;
END $$;
-- [/claim]

-- [retry]
-- What fails is tried again later, and set aside after three attempts; the others go on meanwhile.
CREATE PROCEDURE attempt(of_group text, of_topic regclass, age interval DEFAULT NULL) LANGUAGE plpgsql AS $$
DECLARE
    e eventlog_event;
    attempt int;
BEGIN
    FOR e IN SELECT * FROM consume(of_group, of_topic, max_events => 10, min_age => age) LOOP
        BEGIN                               -- a savepoint
            INSERT INTO worked VALUES (e.partition, e.event_offset, e.key, e.value);
        -- the event is wrong; any other error ends the transaction
        EXCEPTION WHEN data_exception OR integrity_constraint_violation OR plpgsql_error THEN
            attempt := coalesce((e.headers->>'attempt')::int, 1);
            IF attempt < 3 THEN
                PERFORM produce('orders_retry', e.key, e.value, e.headers || jsonb_build_object('attempt', (attempt + 1)::text));
            ELSE
                PERFORM dead_letter(of_group, of_topic, e.partition, e.event_offset, SQLERRM);
            END IF;
        END;
    END LOOP;
    PERFORM commit(of_group);
    COMMIT;
END $$;

CREATE PROCEDURE retry() LANGUAGE plpgsql AS $$
DECLARE
    ready boolean;
BEGIN
    LOOP
        CALL attempt('billing', 'orders');
        CALL wait_for_events('billing', '1 s', ready => ready);
    END LOOP;
END $$;

CREATE PROCEDURE retry_later() LANGUAGE plpgsql AS $$      -- in another session
DECLARE
    ready boolean;
BEGIN
    LOOP
        CALL attempt('billing_retry', 'orders_retry', age => '2 seconds');
        CALL wait_for_events('billing_retry', '1 s', min_age => '2 seconds', ready => ready);
    END LOOP;
END $$;
-- [/retry]
