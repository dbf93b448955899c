-- What docs/guide.md shows to be typed into psql.

-- [by-hand]
BEGIN;
SELECT * FROM consume('billing', 'orders');     -- at most 500 events; joins the group at the first call
-- the work, in the same transaction
SELECT commit('billing');
COMMIT;
-- nothing came? wait without holding a snapshot, outside a transaction block:
CALL wait_for_events('billing', '1 s');
-- [/by-hand]

CREATE TYPE colour AS ENUM ('red', 'green');
SELECT create_topic('paints', value_type => 'colour');
SELECT produce('paints', NULL, 'red'), produce('paints', NULL, 'green');
-- no statement renames a value in use; here the catalog is bent
UPDATE pg_enum SET enumlabel = 'crimson' WHERE enumtypid = 'colour'::regtype AND enumlabel = 'red';

-- [poison]
SELECT event_offset, value FROM consume_as(NULL::paints, 'painter');
-- ERROR:  invalid input value for enum colour: "red"
-- CONTEXT:  event 0 of partition 0 of topic "paints"
BEGIN;
SELECT dead_letter('painter', 'paints', 0, 0, 'invalid input value for enum colour: "red"');     -- to paints_dlq
SELECT seek('painter', 'paints', 0, 1);
COMMIT;
SELECT event_offset, value FROM consume_as(NULL::paints, 'painter');                             -- goes on behind it
-- [/poison]
