-- Who may insert into the internal tables, as the owner of a database may, does
-- nothing to topics of others: neither moves he the beginning of their empty
-- logs, nor makes he tables of the extension's owner.
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS eventlog;
CREATE ROLE regress_el_restorer;
CREATE ROLE regress_el_stranger;
CREATE SCHEMA internal_rows;
GRANT ALL ON SCHEMA internal_rows TO PUBLIC;
GRANT SELECT, INSERT ON _eventlog.log_floor, _eventlog.committed_offsets TO regress_el_restorer;
SET ROLE regress_el_restorer;
SELECT create_topic('internal_rows.mine', 2, 'text', 'text');
SET ROLE regress_el_stranger;
SELECT create_topic('internal_rows.others', 2, 'text', 'text');
RESET ROLE;
CREATE FUNCTION internal_rows.uuid(regclass) RETURNS uuid LANGUAGE sql SECURITY DEFINER AS
  $$SELECT (label::jsonb->>'uuid')::uuid FROM pg_seclabel WHERE objoid = $1$$;

--
-- log_floor
--
SET ROLE regress_el_restorer;
INSERT INTO _eventlog.log_floor (topic, partition, log_end)
  SELECT internal_rows.uuid(t), p, 1000 FROM unnest('{internal_rows.others, internal_rows.mine}'::regclass[]) t, generate_series(0, 1) p;
-- a topic that comes later, but not by its OID
INSERT INTO _eventlog.log_floor (topic, partition, log_end)
  VALUES ('11111111-1111-4111-8111-111111111111', 0, 5), ('6576656e-746c-806f-8067-0000f0000000', 0, 5);
SELECT partition, log_end, topic = internal_rows.uuid('internal_rows.mine') AS mine FROM _eventlog.log_floor
 WHERE topic IN (internal_rows.uuid('internal_rows.mine'), internal_rows.uuid('internal_rows.others'),
		'11111111-1111-4111-8111-111111111111', '6576656e-746c-806f-8067-0000f0000000') ORDER BY 2, 1;
SELECT produce('internal_rows.mine', 'k', 'v', partition => 0) \g /dev/null
SET ROLE regress_el_stranger;
SELECT produce('internal_rows.others', 'k', 'v', partition => 0) \g /dev/null
RESET ROLE;
SELECT tableoid::regclass, event_offset FROM internal_rows.mine UNION ALL SELECT tableoid::regclass, event_offset FROM internal_rows.others;

-- what no log can have, from whomever
\set VERBOSITY terse
INSERT INTO _eventlog.log_floor (topic, partition, log_end) VALUES ('11111111-1111-4111-8111-111111111111', -1, 5);
INSERT INTO _eventlog.log_floor (topic, partition, log_end) VALUES ('11111111-1111-4111-8111-111111111111', 1, -1);
INSERT INTO _eventlog.log_floor (topic, partition, log_end) VALUES ('11111111-1111-4111-8111-111111111111', 1, 140737488355329);
INSERT INTO _eventlog.log_floor (topic, partition, log_end, committed_end) VALUES ('11111111-1111-4111-8111-111111111111', 1, 5, 6);
INSERT INTO _eventlog.log_floor (topic, partition, log_end, committed_end) VALUES ('11111111-1111-4111-8111-111111111111', 1, 5, -1);
INSERT INTO _eventlog.log_floor (topic, partition, log_end, leader_epoch) VALUES ('11111111-1111-4111-8111-111111111111', 1, 5, -1);
INSERT INTO _eventlog.log_floor (topic, partition, log_end, leader_epoch) VALUES ('11111111-1111-4111-8111-111111111111', 1, 5, 2147483647);
DELETE FROM _eventlog.log_floor WHERE topic = '11111111-1111-4111-8111-111111111111';

--
-- committed_offsets
--
\set VERBOSITY default
SET ROLE regress_el_restorer;
INSERT INTO _eventlog.committed_offsets (partition, key, value) VALUES (0, '["internal_rows", "11111111-1111-4111-8111-111111111111", 0]', '{"next": 1}');
SELECT event_offset AS at FROM _eventlog.committed_offsets ORDER BY event_offset DESC LIMIT 1 \gset
SELECT dead_letter('internal_rows', '_eventlog.committed_offsets', 0, :at, 'none of my business');
SELECT dead_letter('internal_rows', '_eventlog.committed_offsets', 0, :at, 'into my own', 'internal_rows.mine');
RESET ROLE;
SELECT relname FROM pg_class WHERE relnamespace = '_eventlog'::regnamespace AND relname ~ 'dlq';

SET client_min_messages = error;
INSERT INTO _eventlog.committed_offsets (partition, key) VALUES (0, '["internal_rows", "11111111-1111-4111-8111-111111111111", 0]');
DROP SCHEMA internal_rows CASCADE;
REVOKE ALL ON _eventlog.log_floor, _eventlog.committed_offsets FROM regress_el_restorer;
DROP ROLE regress_el_restorer, regress_el_stranger;
