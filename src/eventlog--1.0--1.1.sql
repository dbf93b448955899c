/* eventlog: what version 1.1 changes */

-- complain if script is sourced in psql, rather than via CREATE or ALTER EXTENSION
\echo Use "ALTER EXTENSION eventlog UPDATE TO '1.1'" to load this file. \quit

/*
 * The views join what the server says of another backend; the functions name
 * its pid or the xid of a prepared transaction.  A view's functions run as
 * who asks, those behind pg_stat_activity as well: what that hides from the
 * caller, these views hide too.
 */
ALTER FUNCTION _eventlog.partitions() RENAME TO partitions_1_0;
CREATE FUNCTION _eventlog.partitions(OUT topic regclass, OUT partition int, OUT log_start_offset bigint,
    OUT log_end_offset bigint, OUT stable_offset bigint, OUT segments bigint, OUT bytes bigint,
    OUT blocked_by_pid int, OUT blocked_by_xid xid, OUT leader_epoch int)
    RETURNS SETOF record LANGUAGE c AS 'MODULE_PATHNAME', 'eventlog_partitions';
CREATE OR REPLACE VIEW @extschema@.eventlog_partitions AS
    SELECT p.topic, p.partition, p.log_start_offset, p.log_end_offset, p.stable_offset, p.segments, p.bytes,
        p.blocked_by_pid, x.gid AS blocked_by_gid, coalesce(a.xact_start, x.prepared) AS blocked_since,
        p.leader_epoch
    FROM _eventlog.partitions() p
        LEFT JOIN pg_catalog.pg_stat_activity a ON a.pid OPERATOR(pg_catalog.=) p.blocked_by_pid
        LEFT JOIN pg_catalog.pg_prepared_xacts x ON x.transaction OPERATOR(pg_catalog.=) p.blocked_by_xid;
DROP FUNCTION _eventlog.partitions_1_0();
COMMENT ON VIEW @extschema@.eventlog_topics IS
    'eventlog: topics; events counts offsets from log start to log end but those that compaction has emptied, bytes the files';

/* What a log was when TRUNCATE emptied it; rows of version 1.0 know its end alone. */
ALTER TABLE _eventlog.log_floor
    ADD COLUMN committed_end bigint NOT NULL DEFAULT 0,
    ADD COLUMN leader_epoch int NOT NULL DEFAULT 0,
    ADD COLUMN timeline int NOT NULL DEFAULT 0,
    ADD COLUMN system int NOT NULL DEFAULT 0;
-- nobody knows what of it was committed: none of it is accepted again
UPDATE _eventlog.log_floor SET committed_end = log_end;
-- what the log relies on, whoever has written the row; the epoch is added to
ALTER TABLE _eventlog.log_floor ADD CONSTRAINT log_floor_check
    CHECK (partition >= 0 AND log_end BETWEEN 0 AND 140737488355328 AND committed_end BETWEEN 0 AND log_end
        AND leader_epoch BETWEEN 0 AND 1073741823);
COMMENT ON COLUMN _eventlog.log_floor.committed_end IS 'eventlog: no event from here on to log_end was committed; a restore may bring it';
COMMENT ON COLUMN _eventlog.log_floor.leader_epoch IS 'eventlog: in force on that timeline of that server (its system identifier''s low half)';

ALTER FUNCTION _eventlog.members() RENAME TO members_1_0;
CREATE FUNCTION _eventlog.members(OUT group_name text, OUT member text, OUT kind text, OUT pid int,
    OUT incarnation bigint, OUT topics regclass[], OUT partitions bigint, OUT epoch bigint,
    OUT last_seen timestamptz, OUT fenced_count bigint, OUT state text)
    RETURNS SETOF record LANGUAGE c AS 'MODULE_PATHNAME', 'eventlog_members';
CREATE OR REPLACE VIEW @extschema@.eventlog_members AS
    SELECT m.group_name, m.member, m.kind, m.pid, a.application_name, m.topics, m.partitions, m.epoch,
        m.last_seen, m.fenced_count, m.state, m.incarnation
    FROM _eventlog.members() m
        LEFT JOIN pg_catalog.pg_stat_activity a ON a.pid OPERATOR(pg_catalog.=) m.pid;
DROP FUNCTION _eventlog.members_1_0();

/* What eventlog.group_memory is used for, on the whole server; a slot takes 200 bytes. */
CREATE FUNCTION _eventlog.group_memory(OUT slots bigint, OUT in_use bigint, OUT cached bigint, OUT kept_for_members bigint,
    OUT groups_in_use bigint, OUT groups_cached bigint)
    RETURNS record LANGUAGE c AS 'MODULE_PATHNAME', 'eventlog_group_memory';
COMMENT ON FUNCTION _eventlog.group_memory() IS 'eventlog: shared memory for groups; cached is what goes when others need it';
REVOKE ALL ON FUNCTION _eventlog.group_memory() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION _eventlog.group_memory() TO pg_monitor;

/*
 * Events as text and json keep their bytes.  With text among the signatures,
 * literals and parameters without a type are text.
 */
CREATE FUNCTION @extschema@.produce_batch(topic regclass, events text)
    RETURNS bigint LANGUAGE c AS 'MODULE_PATHNAME', 'eventlog_produce_batch_text';
CREATE FUNCTION @extschema@.produce_batch(topic regclass, events json)
    RETURNS bigint LANGUAGE c AS 'MODULE_PATHNAME', 'eventlog_produce_batch_text';
COMMENT ON FUNCTION @extschema@.produce_batch(regclass, text) IS
    'eventlog: produce a JSON array of {"key":, "value":, "headers":, "partition":, "event_time":}; returns the number of events';
COMMENT ON FUNCTION @extschema@.produce_batch(regclass, json) IS
    'eventlog: produce an array of {"key":, "value":, "headers":, "partition":, "event_time":}; returns the number of events';

/*
 * Producers with sequences.  Positions are a topic like committed offsets; key
 * ["producer", "topic uuid", "name"], value the sequence, of which the last one counts.
 */
CREATE TABLE _eventlog.positions (
    partition int, event_offset bigint, event_time timestamptz,
    key text, value json, headers jsonb
) PARTITION BY LIST (partition);
CREATE TABLE _eventlog.positions_p0
    PARTITION OF _eventlog.positions FOR VALUES IN (0) USING eventlog;
SECURITY LABEL FOR eventlog ON TABLE _eventlog.positions IS
    '{"uuid": "00000000-0000-4000-8000-000000000002", "cleanup_policy": "compact", "delete_retention": "1 hour", "segment_bytes": 4194304, "compression": "none"}';
COMMENT ON TABLE _eventlog.positions IS 'eventlog: last sequences of producers';
SELECT pg_catalog.pg_extension_config_dump('_eventlog.positions_p0', '');
GRANT SELECT, INSERT ON _eventlog.positions, _eventlog.positions_p0 TO pg_database_owner;

CREATE FUNCTION @extschema@.produce(topic regclass, key text, value text,
    headers jsonb DEFAULT NULL, partition bigint DEFAULT NULL, event_time timestamptz DEFAULT NULL,
    producer text DEFAULT NULL, sequence bigint DEFAULT NULL)
    RETURNS int LANGUAGE c AS 'MODULE_PATHNAME', 'eventlog_produce';
CREATE FUNCTION @extschema@.produce(topic regclass, key "any", value "any",
    headers jsonb DEFAULT NULL, partition bigint DEFAULT NULL, event_time timestamptz DEFAULT NULL,
    producer text DEFAULT NULL, sequence bigint DEFAULT NULL)
    RETURNS int LANGUAGE c AS 'MODULE_PATHNAME', 'eventlog_produce';
CREATE FUNCTION @extschema@.produce(topic regclass, key text, value "any",
    headers jsonb DEFAULT NULL, partition bigint DEFAULT NULL, event_time timestamptz DEFAULT NULL,
    producer text DEFAULT NULL, sequence bigint DEFAULT NULL)
    RETURNS int LANGUAGE c AS 'MODULE_PATHNAME', 'eventlog_produce';
CREATE FUNCTION @extschema@.produce(topic regclass, key "any", value text,
    headers jsonb DEFAULT NULL, partition bigint DEFAULT NULL, event_time timestamptz DEFAULT NULL,
    producer text DEFAULT NULL, sequence bigint DEFAULT NULL)
    RETURNS int LANGUAGE c AS 'MODULE_PATHNAME', 'eventlog_produce';
COMMENT ON FUNCTION @extschema@.produce(regclass, text, text, jsonb, bigint, timestamptz, text, bigint) IS
    'eventlog: produce an event when this transaction commits; returns the partition';
COMMENT ON FUNCTION @extschema@.produce(regclass, "any", "any", jsonb, bigint, timestamptz, text, bigint) IS
    'eventlog: produce an event when this transaction commits; returns the partition';
COMMENT ON FUNCTION @extschema@.produce(regclass, text, "any", jsonb, bigint, timestamptz, text, bigint) IS
    'eventlog: produce an event when this transaction commits; returns the partition';
COMMENT ON FUNCTION @extschema@.produce(regclass, "any", text, jsonb, bigint, timestamptz, text, bigint) IS
    'eventlog: produce an event when this transaction commits; returns the partition';

-- without defaults: with them, calls of three untyped arguments would be another signature's
CREATE FUNCTION @extschema@.produce_batch(topic regclass, events text, producer text, sequence bigint)
    RETURNS bigint LANGUAGE c AS 'MODULE_PATHNAME', 'eventlog_produce_batch_text';
CREATE FUNCTION @extschema@.produce_batch(topic regclass, events json, producer text, sequence bigint)
    RETURNS bigint LANGUAGE c AS 'MODULE_PATHNAME', 'eventlog_produce_batch_text';
CREATE FUNCTION @extschema@.produce_batch(topic regclass, events jsonb, producer text, sequence bigint)
    RETURNS bigint LANGUAGE c AS 'MODULE_PATHNAME', 'eventlog_produce_batch_jsonb';
CREATE FUNCTION @extschema@.produce_batch(topic regclass, keys text[], event_values text[], producer text, sequence bigint)
    RETURNS bigint LANGUAGE c AS 'MODULE_PATHNAME', 'eventlog_produce_batch_arrays';
COMMENT ON FUNCTION @extschema@.produce_batch(regclass, text, text, bigint) IS
    'eventlog: produce an array of events, the producer''s batch of that sequence; returns the number of events, 0 if it was produced before';
COMMENT ON FUNCTION @extschema@.produce_batch(regclass, json, text, bigint) IS
    'eventlog: produce an array of events, the producer''s batch of that sequence; returns the number of events, 0 if it was produced before';
COMMENT ON FUNCTION @extschema@.produce_batch(regclass, jsonb, text, bigint) IS
    'eventlog: produce an array of events, the producer''s batch of that sequence; returns the number of events, 0 if it was produced before';
COMMENT ON FUNCTION @extschema@.produce_batch(regclass, text[], text[], text, bigint) IS
    'eventlog: produce keys[i], event_values[i] for each i, the producer''s batch of that sequence; returns the number of events, 0 if it was produced before';

/*
 * Who may call the former signatures may call the new ones.  Not by GRANT and REVOKE: what an extension's
 * script does of these counts as part of the extension, and is not in a dump.
 */
WITH signature (old, new) AS (
    SELECT pg_catalog.concat('@extschema@.', o)::pg_catalog.regprocedure, pg_catalog.concat('@extschema@.', n)::pg_catalog.regprocedure
    FROM (VALUES
        ('produce(regclass, text, text, jsonb, bigint, timestamptz)', 'produce(regclass, text, text, jsonb, bigint, timestamptz, text, bigint)'),
        ('produce(regclass, "any", "any", jsonb, bigint, timestamptz)', 'produce(regclass, "any", "any", jsonb, bigint, timestamptz, text, bigint)'),
        ('produce(regclass, text, "any", jsonb, bigint, timestamptz)', 'produce(regclass, text, "any", jsonb, bigint, timestamptz, text, bigint)'),
        ('produce(regclass, "any", text, jsonb, bigint, timestamptz)', 'produce(regclass, "any", text, jsonb, bigint, timestamptz, text, bigint)'),
        ('produce_batch(regclass, jsonb)', 'produce_batch(regclass, text)'),
        ('produce_batch(regclass, jsonb)', 'produce_batch(regclass, json)'),
        ('produce_batch(regclass, jsonb)', 'produce_batch(regclass, text, text, bigint)'),
        ('produce_batch(regclass, jsonb)', 'produce_batch(regclass, json, text, bigint)'),
        ('produce_batch(regclass, jsonb)', 'produce_batch(regclass, jsonb, text, bigint)'),
        ('produce_batch(regclass, text[], text[])', 'produce_batch(regclass, text[], text[], text, bigint)')) v (o, n)
), changed (old, new, owner, acl) AS (
    SELECT o.oid, n.oid, n.proowner,
        -- an array of no rights at all is not to be had otherwise
        coalesce((SELECT pg_catalog.array_agg(pg_catalog.makeaclitem(
                CASE WHEN a.grantee OPERATOR(pg_catalog.=) o.proowner THEN n.proowner ELSE a.grantee END,
                CASE WHEN a.grantor OPERATOR(pg_catalog.=) o.proowner THEN n.proowner ELSE a.grantor END,
                a.privilege_type, a.is_grantable))
            FROM pg_catalog.aclexplode(o.proacl) a), o.proacl)
    FROM signature s
        JOIN pg_catalog.pg_proc o ON o.oid OPERATOR(pg_catalog.=) s.old
        JOIN pg_catalog.pg_proc n ON n.oid OPERATOR(pg_catalog.=) s.new
    WHERE o.proacl IS NOT NULL
), granted AS (
    UPDATE pg_catalog.pg_proc p SET proacl = c.acl FROM changed c WHERE p.oid OPERATOR(pg_catalog.=) c.new
), unnamed AS (
    -- what keeps the roles that rights name from being dropped
    DELETE FROM pg_catalog.pg_shdepend d USING changed c
    WHERE d.classid OPERATOR(pg_catalog.=) 'pg_catalog.pg_proc'::pg_catalog.regclass AND d.objid OPERATOR(pg_catalog.=) c.new
        AND d.deptype OPERATOR(pg_catalog.=) 'a'
        AND d.dbid OPERATOR(pg_catalog.=) (SELECT oid FROM pg_catalog.pg_database WHERE datname OPERATOR(pg_catalog.=) pg_catalog.current_database())
)
INSERT INTO pg_catalog.pg_shdepend (dbid, classid, objid, objsubid, refclassid, refobjid, deptype)
    SELECT d.dbid, d.classid, c.new, d.objsubid, d.refclassid, d.refobjid, d.deptype
    FROM changed c JOIN pg_catalog.pg_shdepend d ON d.objid OPERATOR(pg_catalog.=) c.old
    WHERE d.classid OPERATOR(pg_catalog.=) 'pg_catalog.pg_proc'::pg_catalog.regclass
        AND d.deptype OPERATOR(pg_catalog.=) 'a' AND d.refobjid OPERATOR(pg_catalog.<>) c.owner
        AND d.dbid OPERATOR(pg_catalog.=) (SELECT oid FROM pg_catalog.pg_database WHERE datname OPERATOR(pg_catalog.=) pg_catalog.current_database());
DROP FUNCTION @extschema@.produce(regclass, text, text, jsonb, bigint, timestamptz);
DROP FUNCTION @extschema@.produce(regclass, "any", "any", jsonb, bigint, timestamptz);
DROP FUNCTION @extschema@.produce(regclass, text, "any", jsonb, bigint, timestamptz);
DROP FUNCTION @extschema@.produce(regclass, "any", text, jsonb, bigint, timestamptz);

/*
 * Roles in rows.  The type is regrole but for its input: a name that is not
 * there, in a dump, is a warning and not the end of the table.
 */
CREATE TYPE _eventlog.role;
CREATE FUNCTION _eventlog.role_in(cstring) RETURNS _eventlog.role
    LANGUAGE c STABLE STRICT AS 'MODULE_PATHNAME', 'eventlog_role_in';
CREATE FUNCTION _eventlog.role_out(_eventlog.role) RETURNS cstring LANGUAGE internal STABLE STRICT AS 'regroleout';
CREATE FUNCTION _eventlog.role_recv(internal) RETURNS _eventlog.role LANGUAGE internal IMMUTABLE STRICT AS 'oidrecv';
CREATE FUNCTION _eventlog.role_send(_eventlog.role) RETURNS bytea LANGUAGE internal IMMUTABLE STRICT AS 'oidsend';
CREATE TYPE _eventlog.role (INPUT = _eventlog.role_in, OUTPUT = _eventlog.role_out,
    RECEIVE = _eventlog.role_recv, SEND = _eventlog.role_send, LIKE = pg_catalog.oid);
COMMENT ON TYPE _eventlog.role IS 'eventlog: regrole, whose input of an unknown name is a warning';
CREATE CAST (_eventlog.role AS oid) WITHOUT FUNCTION AS IMPLICIT;
CREATE CAST (_eventlog.role AS regrole) WITHOUT FUNCTION AS ASSIGNMENT;
CREATE CAST (oid AS _eventlog.role) WITHOUT FUNCTION AS ASSIGNMENT;
CREATE CAST (regrole AS _eventlog.role) WITHOUT FUNCTION AS ASSIGNMENT;
ALTER TABLE _eventlog.groups ALTER COLUMN owner TYPE _eventlog.role;
ALTER TABLE _eventlog.group_grants ALTER COLUMN role TYPE _eventlog.role;

-- nothing kept version 1.0's from being dropped
UPDATE _eventlog.groups SET owner = (SELECT oid FROM pg_catalog.pg_roles WHERE rolname OPERATOR(pg_catalog.=) current_user)
    WHERE NOT EXISTS (SELECT FROM pg_catalog.pg_roles r WHERE r.oid OPERATOR(pg_catalog.=) owner);
DELETE FROM _eventlog.group_grants
    WHERE NOT EXISTS (SELECT FROM pg_catalog.pg_roles r WHERE r.oid OPERATOR(pg_catalog.=) role);

/*
 * Each table holds the roles that its rows name by a privilege on the column, so
 * that DROP ROLE is refused.
 */
CREATE FUNCTION _eventlog.anchor_roles() RETURNS trigger LANGUAGE c AS 'MODULE_PATHNAME', 'eventlog_anchor_roles';
CREATE FUNCTION _eventlog.check_group() RETURNS trigger LANGUAGE c AS 'MODULE_PATHNAME', 'eventlog_check_group';
CREATE FUNCTION _eventlog.check_group_grant() RETURNS trigger LANGUAGE c AS 'MODULE_PATHNAME', 'eventlog_check_group_grant';
CREATE FUNCTION _eventlog.check_log_floor() RETURNS trigger LANGUAGE c AS 'MODULE_PATHNAME', 'eventlog_check_log_floor';
REVOKE ALL ON FUNCTION _eventlog.anchor_roles(), _eventlog.check_group(), _eventlog.check_group_grant(),
    _eventlog.check_log_floor() FROM PUBLIC;

CREATE TRIGGER anchor_roles AFTER INSERT OR UPDATE OF owner OR DELETE ON _eventlog.groups
    FOR EACH ROW EXECUTE FUNCTION _eventlog.anchor_roles('owner');
CREATE TRIGGER anchor_roles AFTER INSERT OR UPDATE OF role OR DELETE ON _eventlog.group_grants
    FOR EACH ROW EXECUTE FUNCTION _eventlog.anchor_roles('role');
UPDATE _eventlog.groups SET owner = owner;
UPDATE _eventlog.group_grants SET role = role;

/* What the owner of a database needs to dump and restore it. */
CREATE TRIGGER check_group BEFORE INSERT ON _eventlog.groups
    FOR EACH ROW EXECUTE FUNCTION _eventlog.check_group();
CREATE TRIGGER check_group_grant BEFORE INSERT ON _eventlog.group_grants
    FOR EACH ROW EXECUTE FUNCTION _eventlog.check_group_grant();
CREATE TRIGGER check_log_floor BEFORE INSERT ON _eventlog.log_floor
    FOR EACH ROW EXECUTE FUNCTION _eventlog.check_log_floor();
GRANT SELECT, INSERT ON _eventlog.committed_offsets, _eventlog.committed_offsets_p0, _eventlog.log_floor, _eventlog.groups,
    _eventlog.group_grants TO pg_database_owner;

ALTER TABLE _eventlog.groups ENABLE ALWAYS TRIGGER anchor_roles, ENABLE ALWAYS TRIGGER check_group;
ALTER TABLE _eventlog.group_grants ENABLE ALWAYS TRIGGER anchor_roles, ENABLE ALWAYS TRIGGER check_group_grant;
ALTER TABLE _eventlog.log_floor ENABLE ALWAYS TRIGGER check_log_floor;

COMMENT ON FUNCTION @extschema@.create_topic(text, bigint, regtype, regtype, jsonb, boolean) IS
    'eventlog: create a topic; options: retention, retention_bytes, segment_bytes, compression, max_event_bytes, partitioner, cleanup_policy, delete_retention, retain_until_consumed, when_full, max_clock_ahead, kafka_name';

/*
 * What eventlog-broker calls (src/wire/README).  The caller's rights count, as for
 * the functions above; a row's sqlstate is NULL where nothing is wrong.
 */
CREATE FUNCTION _eventlog.broker_interface() RETURNS int
    LANGUAGE c IMMUTABLE AS 'MODULE_PATHNAME', 'eventlog_broker_interface';
COMMENT ON FUNCTION _eventlog.broker_interface() IS 'eventlog: rises when a function of the broker changes';

CREATE FUNCTION _eventlog.broker_topics(schemas text[], names text[] DEFAULT NULL, OUT name text, OUT topic_id uuid,
    OUT relid oid, OUT partitions int, OUT leader_epochs int[], OUT operations int, OUT sqlstate text)
    RETURNS SETOF record LANGUAGE c AS 'MODULE_PATHNAME', 'eventlog_broker_topics';
COMMENT ON FUNCTION _eventlog.broker_topics(text[], text[]) IS
    'eventlog: topics by Kafka''s names: all that the caller may see anything of, or those asked for, in that order';

CREATE FUNCTION _eventlog.broker_create_topic(name text, schemas text[], partitions int, value_type regtype)
    RETURNS boolean LANGUAGE c AS 'MODULE_PATHNAME', 'eventlog_broker_create_topic';
COMMENT ON FUNCTION _eventlog.broker_create_topic(text, text[], int, regtype) IS
    'eventlog: make a topic of this name of Kafka''s in the first of the schemas; false: there is none, and the caller may not create one';

CREATE FUNCTION _eventlog.broker_append(topic_ids uuid[], partitions int[], batches bytea[], durability text DEFAULT NULL,
    OUT sqlstate text, OUT base_offset bigint, OUT log_start bigint, OUT message text, OUT bad_records int[])
    RETURNS SETOF record LANGUAGE c AS 'MODULE_PATHNAME', 'eventlog_broker_append';
COMMENT ON FUNCTION _eventlog.broker_append(uuid[], int[], bytea[], text) IS
    'eventlog: append Kafka''s record batches at once; a row for each, in order';

CREATE SEQUENCE _eventlog.producer_ids;
SELECT pg_catalog.pg_extension_config_dump('_eventlog.producer_ids', '');
GRANT SELECT, UPDATE ON _eventlog.producer_ids TO pg_database_owner;
COMMENT ON SEQUENCE _eventlog.producer_ids IS 'eventlog: ids of Kafka''s idempotent producers';
CREATE FUNCTION _eventlog.broker_init_producer() RETURNS bigint
    LANGUAGE c AS 'MODULE_PATHNAME', 'eventlog_broker_init_producer';
COMMENT ON FUNCTION _eventlog.broker_init_producer() IS 'eventlog: an id for an idempotent producer, which no log has';

CREATE FUNCTION _eventlog.broker_fetch(topic_ids uuid[], partitions int[], offsets bigint[], limits int[], max_bytes int,
    OUT sqlstate text, OUT stable bigint, OUT log_start bigint, OUT log_end bigint, OUT records bytea)
    RETURNS SETOF record LANGUAGE c AS 'MODULE_PATHNAME', 'eventlog_broker_fetch';
COMMENT ON FUNCTION _eventlog.broker_fetch(uuid[], int[], bigint[], int[], int) IS
    'eventlog: committed record batches as they are stored; rows for each partition, in order, of which the first has its offsets';

CREATE FUNCTION _eventlog.broker_list_offsets(topic_ids uuid[], partitions int[], times bigint[],
    OUT sqlstate text, OUT event_time bigint, OUT event_offset bigint, OUT leader_epoch int)
    RETURNS SETOF record LANGUAGE c AS 'MODULE_PATHNAME', 'eventlog_broker_list_offsets';
COMMENT ON FUNCTION _eventlog.broker_list_offsets(uuid[], int[], bigint[]) IS
    'eventlog: offsets by time in ms; -1 latest, -2 and -4 earliest, -3 of the greatest time; a row for each partition, in order';

CREATE FUNCTION _eventlog.broker_epoch_end(topic_ids uuid[], partitions int[], epochs int[],
    OUT sqlstate text, OUT leader_epoch int, OUT end_offset bigint)
    RETURNS SETOF record LANGUAGE c AS 'MODULE_PATHNAME', 'eventlog_broker_epoch_end';
COMMENT ON FUNCTION _eventlog.broker_epoch_end(uuid[], int[], int[]) IS
    'eventlog: where leader epochs end; a row for each partition, in order';

-- it names every partition of the database
CREATE PROCEDURE _eventlog.broker_watch() LANGUAGE c AS 'MODULE_PATHNAME', 'eventlog_broker_watch';
COMMENT ON PROCEDURE _eventlog.broker_watch() IS
    'eventlog: never returns; sends notifications on channel eventlog: "e" with topic/partition that has changed, "m" when topics or rights may have, "h" each second';
REVOKE ALL ON PROCEDURE _eventlog.broker_watch() FROM PUBLIC;
