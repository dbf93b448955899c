/* eventlog: every SQL object of version 1.0 */

-- complain if script is sourced in psql, rather than via CREATE EXTENSION
\echo Use "CREATE EXTENSION eventlog" to load this file. \quit

-- EL005 here rather than at the first use: without the library preloaded
-- nothing below can work
CREATE FUNCTION @extschema@.eventlog_require_preload() RETURNS void
    LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'eventlog_require_preload';
SELECT @extschema@.eventlog_require_preload();
DROP FUNCTION @extschema@.eventlog_require_preload();

CREATE SCHEMA _eventlog;
GRANT USAGE ON SCHEMA _eventlog TO PUBLIC;
COMMENT ON SCHEMA _eventlog IS 'eventlog: internal tables';

CREATE FUNCTION _eventlog.handler(internal) RETURNS table_am_handler
    LANGUAGE c STRICT AS 'MODULE_PATHNAME', 'eventlog_handler';
COMMENT ON FUNCTION _eventlog.handler(internal) IS 'eventlog: table access method handler';

CREATE ACCESS METHOD eventlog TYPE TABLE HANDLER _eventlog.handler;
COMMENT ON ACCESS METHOD eventlog IS 'append-only log: the partitions of topics';

/*
 * Types
 */
CREATE TYPE @extschema@.eventlog_event AS (
    topic regclass, partition int, event_offset bigint, event_time timestamptz,
    key text, value json, headers jsonb);
COMMENT ON TYPE @extschema@.eventlog_event IS
    'eventlog: an event; key in its text form, value as JSON whatever its type';

CREATE TYPE @extschema@.eventlog_event_bytes AS (
    topic regclass, partition int, event_offset bigint, event_time timestamptz,
    key bytea, value bytea, headers jsonb);
COMMENT ON TYPE @extschema@.eventlog_event_bytes IS
    'eventlog: an event with key and value as the bytes in the log';

/*
 * Internal tables
 */
-- committed offsets of consumer groups: a topic like any other, read by nobody
-- but the offsets cache; key ["group", "topic uuid", partition], value
-- {"next": offset}, of which the last one counts
CREATE TABLE _eventlog.committed_offsets (
    partition int, event_offset bigint, event_time timestamptz,
    key text, value json, headers jsonb
) PARTITION BY LIST (partition);
CREATE TABLE _eventlog.committed_offsets_p0
    PARTITION OF _eventlog.committed_offsets FOR VALUES IN (0) USING eventlog;
SECURITY LABEL FOR eventlog ON TABLE _eventlog.committed_offsets IS
    '{"uuid": "00000000-0000-4000-8000-000000000001", "cleanup_policy": "compact", "delete_retention": "0 s", "segment_bytes": 4194304, "compression": "none"}';
COMMENT ON TABLE _eventlog.committed_offsets IS 'eventlog: committed offsets of consumer groups';

-- log ends that survive TRUNCATE, delete_events_before and a dump of an empty log
CREATE TABLE _eventlog.log_floor (
    topic uuid NOT NULL, partition int NOT NULL, log_end bigint NOT NULL,
    PRIMARY KEY (topic, partition));
COMMENT ON TABLE _eventlog.log_floor IS 'eventlog: offsets below log_end were given out before';

-- groups made by create_group
CREATE TABLE _eventlog.groups (
    group_name text PRIMARY KEY, owner regrole NOT NULL,
    options jsonb NOT NULL DEFAULT '{}', created timestamptz NOT NULL DEFAULT now(),
    last_used timestamptz);
COMMENT ON COLUMN _eventlog.groups.last_used IS 'eventlog: with expire_after: when the worker last saw members or claims';
COMMENT ON TABLE _eventlog.groups IS 'eventlog: consumer groups made by create_group';

-- no foreign key: pg_restore -j fills the two tables in any order
CREATE TABLE _eventlog.group_grants (
    group_name text NOT NULL, role regrole NOT NULL, PRIMARY KEY (group_name, role));
COMMENT ON TABLE _eventlog.group_grants IS 'eventlog: roles that may use a group';

SELECT pg_catalog.pg_extension_config_dump('_eventlog.committed_offsets_p0', '');
SELECT pg_catalog.pg_extension_config_dump('_eventlog.log_floor', '');
SELECT pg_catalog.pg_extension_config_dump('_eventlog.groups', '');
SELECT pg_catalog.pg_extension_config_dump('_eventlog.group_grants', '');

/*
 * Topics
 */
CREATE FUNCTION @extschema@.create_topic(topic text, partitions bigint DEFAULT 1,
    key_type regtype DEFAULT 'text', value_type regtype DEFAULT 'json',
    options jsonb DEFAULT '{}', if_not_exists boolean DEFAULT false)
    RETURNS regclass LANGUAGE c AS 'MODULE_PATHNAME', 'eventlog_create_topic';
COMMENT ON FUNCTION @extschema@.create_topic(text, bigint, regtype, regtype, jsonb, boolean) IS
    'eventlog: create a topic; options: retention, retention_bytes, segment_bytes, compression, max_event_bytes, partitioner, cleanup_policy, delete_retention, retain_until_consumed, when_full, max_clock_ahead';

CREATE FUNCTION @extschema@.alter_topic(topic regclass, options jsonb)
    RETURNS void LANGUAGE c AS 'MODULE_PATHNAME', 'eventlog_alter_topic';
COMMENT ON FUNCTION @extschema@.alter_topic(regclass, jsonb) IS
    'eventlog: change options of a topic; "partitions" may only grow';

CREATE FUNCTION @extschema@.drop_topic(topic text, if_exists boolean DEFAULT false)
    RETURNS void LANGUAGE c AS 'MODULE_PATHNAME', 'eventlog_drop_topic';
COMMENT ON FUNCTION @extschema@.drop_topic(text, boolean) IS 'eventlog: drop a topic, as DROP TABLE does';

CREATE FUNCTION @extschema@.delete_events_before(topic regclass, partition bigint, event_offset bigint)
    RETURNS void LANGUAGE c AS 'MODULE_PATHNAME', 'eventlog_delete_events_before';
COMMENT ON FUNCTION @extschema@.delete_events_before(regclass, bigint, bigint) IS
    'eventlog: move the log start of a partition forward';

CREATE FUNCTION @extschema@.apply_retention(topic regclass)
    RETURNS bigint LANGUAGE c AS 'MODULE_PATHNAME', 'eventlog_apply_retention';
COMMENT ON FUNCTION @extschema@.apply_retention(regclass) IS
    'eventlog: remove now what the topic''s options do not keep; returns the bytes of segments freed';

CREATE FUNCTION @extschema@.check_topic(topic regclass, OUT partition int, OUT problem text)
    RETURNS SETOF record LANGUAGE c AS 'MODULE_PATHNAME', 'eventlog_check_topic';
COMMENT ON FUNCTION @extschema@.check_topic(regclass) IS
    'eventlog: verify pages, checksums, directory, offsets; no rows: sound';

/*
 * Produce.  Four signatures, so that literals and untyped parameters are text
 * and typed arguments keep their type, converted to the topic's.
 */
CREATE FUNCTION @extschema@.produce(topic regclass, key text, value text,
    headers jsonb DEFAULT NULL, partition bigint DEFAULT NULL, event_time timestamptz DEFAULT NULL)
    RETURNS int LANGUAGE c AS 'MODULE_PATHNAME', 'eventlog_produce';
CREATE FUNCTION @extschema@.produce(topic regclass, key "any", value "any",
    headers jsonb DEFAULT NULL, partition bigint DEFAULT NULL, event_time timestamptz DEFAULT NULL)
    RETURNS int LANGUAGE c AS 'MODULE_PATHNAME', 'eventlog_produce';
CREATE FUNCTION @extschema@.produce(topic regclass, key text, value "any",
    headers jsonb DEFAULT NULL, partition bigint DEFAULT NULL, event_time timestamptz DEFAULT NULL)
    RETURNS int LANGUAGE c AS 'MODULE_PATHNAME', 'eventlog_produce';
CREATE FUNCTION @extschema@.produce(topic regclass, key "any", value text,
    headers jsonb DEFAULT NULL, partition bigint DEFAULT NULL, event_time timestamptz DEFAULT NULL)
    RETURNS int LANGUAGE c AS 'MODULE_PATHNAME', 'eventlog_produce';
COMMENT ON FUNCTION @extschema@.produce(regclass, text, text, jsonb, bigint, timestamptz) IS
    'eventlog: produce an event when this transaction commits; returns the partition';
COMMENT ON FUNCTION @extschema@.produce(regclass, "any", "any", jsonb, bigint, timestamptz) IS
    'eventlog: produce an event when this transaction commits; returns the partition';
COMMENT ON FUNCTION @extschema@.produce(regclass, text, "any", jsonb, bigint, timestamptz) IS
    'eventlog: produce an event when this transaction commits; returns the partition';
COMMENT ON FUNCTION @extschema@.produce(regclass, "any", text, jsonb, bigint, timestamptz) IS
    'eventlog: produce an event when this transaction commits; returns the partition';

CREATE FUNCTION @extschema@.produce_batch(topic regclass, events jsonb)
    RETURNS bigint LANGUAGE c AS 'MODULE_PATHNAME', 'eventlog_produce_batch_jsonb';
COMMENT ON FUNCTION @extschema@.produce_batch(regclass, jsonb) IS
    'eventlog: produce an array of {"key":, "value":, "headers":, "partition":, "event_time":}; returns the number of events';
CREATE FUNCTION @extschema@.produce_batch(topic regclass, keys text[], event_values text[])
    RETURNS bigint LANGUAGE c AS 'MODULE_PATHNAME', 'eventlog_produce_batch_arrays';
COMMENT ON FUNCTION @extschema@.produce_batch(regclass, text[], text[]) IS
    'eventlog: produce keys[i], event_values[i] for each i; keys NULL: no keys; returns the number of events';

CREATE FUNCTION @extschema@.flush(OUT topic regclass, OUT partition int, OUT first_offset bigint, OUT last_offset bigint)
    RETURNS SETOF record LANGUAGE c AS 'MODULE_PATHNAME', 'eventlog_flush';
COMMENT ON FUNCTION @extschema@.flush() IS
    'eventlog: append what this transaction has produced so far; from here on readers wait for it';

/*
 * Read
 */
CREATE FUNCTION @extschema@.read_topic(topic regclass, partition bigint DEFAULT NULL,
    from_offset bigint DEFAULT NULL, max_events bigint DEFAULT 1000)
    RETURNS SETOF @extschema@.eventlog_event
    LANGUAGE c STABLE AS 'MODULE_PATHNAME', 'eventlog_read_topic';
COMMENT ON FUNCTION @extschema@.read_topic(regclass, bigint, bigint, bigint) IS
    'eventlog: events in offset order, stopping before the first that a running transaction may still fill';

CREATE FUNCTION @extschema@.latest(topic regclass)
    RETURNS SETOF @extschema@.eventlog_event
    LANGUAGE c STABLE AS 'MODULE_PATHNAME', 'eventlog_latest';
COMMENT ON FUNCTION @extschema@.latest(regclass) IS
    'eventlog: the last event of each key, as a set, without tombstones; read as by read_topic()';

/*
 * Consume
 */
CREATE FUNCTION @extschema@.consume(group_name text, topic regclass DEFAULT NULL,
    max_events bigint DEFAULT 500, member text DEFAULT NULL, wait interval DEFAULT '0',
    commit boolean DEFAULT false, max_bytes bigint DEFAULT 52428800, min_age interval DEFAULT NULL)
    RETURNS SETOF @extschema@.eventlog_event
    LANGUAGE c AS 'MODULE_PATHNAME', 'eventlog_consume';
COMMENT ON FUNCTION @extschema@.consume(text, regclass, bigint, text, interval, boolean, bigint, interval) IS
    'eventlog: the group''s next events for this member; max_events is the limit (a LIMIT around it throws events away)';
CREATE FUNCTION @extschema@.consume_bytes(group_name text, topic regclass DEFAULT NULL,
    max_events bigint DEFAULT 500, member text DEFAULT NULL, wait interval DEFAULT '0',
    commit boolean DEFAULT false, max_bytes bigint DEFAULT 52428800, min_age interval DEFAULT NULL)
    RETURNS SETOF @extschema@.eventlog_event_bytes
    LANGUAGE c AS 'MODULE_PATHNAME', 'eventlog_consume_bytes';
COMMENT ON FUNCTION @extschema@.consume_bytes(text, regclass, bigint, text, interval, boolean, bigint, interval) IS
    'eventlog: consume(), with key and value as bytes';
CREATE FUNCTION @extschema@.consume_as(topic_row anyelement, group_name text,
    max_events bigint DEFAULT 500, member text DEFAULT NULL, wait interval DEFAULT '0',
    commit boolean DEFAULT false, max_bytes bigint DEFAULT 52428800, min_age interval DEFAULT NULL)
    RETURNS SETOF anyelement
    LANGUAGE c AS 'MODULE_PATHNAME', 'eventlog_consume_as';
COMMENT ON FUNCTION @extschema@.consume_as(anyelement, text, bigint, text, interval, boolean, bigint, interval) IS
    'eventlog: consume() as rows of the topic: consume_as(NULL::orders, ''billing'')';
CREATE FUNCTION @extschema@.claim(group_name text, topic regclass, max_events bigint DEFAULT 500,
    max_bytes bigint DEFAULT 52428800, min_age interval DEFAULT NULL)
    RETURNS SETOF @extschema@.eventlog_event
    LANGUAGE c AS 'MODULE_PATHNAME', 'eventlog_claim';
COMMENT ON FUNCTION @extschema@.claim(text, regclass, bigint, bigint, interval) IS
    'eventlog: consume without membership, committed with the transaction';

CREATE FUNCTION @extschema@.commit(group_name text, member text DEFAULT NULL)
    RETURNS int LANGUAGE c AS 'MODULE_PATHNAME', 'eventlog_commit';
COMMENT ON FUNCTION @extschema@.commit(text, text) IS
    'eventlog: commit what was consumed, with this transaction; returns the partitions whose committed offset moved';
CREATE FUNCTION @extschema@.commit(group_name text, topic regclass, partition bigint, next_offset bigint,
    member text DEFAULT NULL)
    RETURNS int LANGUAGE c AS 'MODULE_PATHNAME', 'eventlog_commit_offset';
COMMENT ON FUNCTION @extschema@.commit(text, regclass, bigint, bigint, text) IS
    'eventlog: commit one partition up to, and not including, next_offset';

CREATE PROCEDURE @extschema@.wait_for_events(group_name text, wait interval, member text DEFAULT NULL,
    min_age interval DEFAULT NULL, INOUT ready boolean DEFAULT NULL)
    LANGUAGE c AS 'MODULE_PATHNAME', 'eventlog_wait_for_events';
COMMENT ON PROCEDURE @extschema@.wait_for_events(text, interval, text, interval, boolean) IS
    'eventlog: wait, holding no snapshot, until the group has events for this member';

CREATE PROCEDURE @extschema@.wait_for_any(group_names text[], wait interval, INOUT ready text[] DEFAULT NULL)
    LANGUAGE c AS 'MODULE_PATHNAME', 'eventlog_wait_for_any';
COMMENT ON PROCEDURE @extschema@.wait_for_any(text[], interval, text[]) IS
    'eventlog: wait, holding no snapshot, until one of the groups has events for this session; ready: those that have';

CREATE FUNCTION @extschema@.dead_letter(group_name text, topic regclass, partition bigint, event_offset bigint,
    error text, to_topic regclass DEFAULT NULL)
    RETURNS void LANGUAGE c AS 'MODULE_PATHNAME', 'eventlog_dead_letter';
COMMENT ON FUNCTION @extschema@.dead_letter(text, regclass, bigint, bigint, text, regclass) IS
    'eventlog: copy an event to <topic>_dlq (made at need) or to_topic, with headers __connect.errors.*; the position is not moved';

CREATE FUNCTION @extschema@.seek(group_name text, topic regclass, partition bigint, event_offset bigint)
    RETURNS void LANGUAGE c AS 'MODULE_PATHNAME', 'eventlog_seek';
COMMENT ON FUNCTION @extschema@.seek(text, regclass, bigint, bigint) IS
    'eventlog: set a group''s position and committed offset, with this transaction';
CREATE FUNCTION @extschema@.reset_group(group_name text, topic regclass, target text)
    RETURNS void LANGUAGE c AS 'MODULE_PATHNAME', 'eventlog_reset_group';
COMMENT ON FUNCTION @extschema@.reset_group(text, regclass, text) IS
    'eventlog: seek() in all partitions: ''earliest'', ''latest'' or a timestamp';

/*
 * Groups
 */
CREATE FUNCTION @extschema@.create_group(group_name text, options jsonb DEFAULT '{}',
    if_not_exists boolean DEFAULT false)
    RETURNS void LANGUAGE c AS 'MODULE_PATHNAME', 'eventlog_create_group';
COMMENT ON FUNCTION @extschema@.create_group(text, jsonb, boolean) IS
    'eventlog: create a consumer group; options: start_from, on_lost, session_timeout, max_poll_interval, expire_after';
CREATE FUNCTION @extschema@.alter_group(group_name text, options jsonb)
    RETURNS void LANGUAGE c AS 'MODULE_PATHNAME', 'eventlog_alter_group';
COMMENT ON FUNCTION @extschema@.alter_group(text, jsonb) IS 'eventlog: change options of a group';
CREATE FUNCTION @extschema@.drop_group(group_name text, if_exists boolean DEFAULT false)
    RETURNS void LANGUAGE c AS 'MODULE_PATHNAME', 'eventlog_drop_group';
COMMENT ON FUNCTION @extschema@.drop_group(text, boolean) IS
    'eventlog: drop a group and its committed offsets';

CREATE FUNCTION @extschema@.grant_group(group_name text, role regrole)
    RETURNS void LANGUAGE c AS 'MODULE_PATHNAME', 'eventlog_grant_group';
COMMENT ON FUNCTION @extschema@.grant_group(text, regrole) IS 'eventlog: let a role use a group';
CREATE FUNCTION @extschema@.revoke_group(group_name text, role regrole)
    RETURNS void LANGUAGE c AS 'MODULE_PATHNAME', 'eventlog_revoke_group';
COMMENT ON FUNCTION @extschema@.revoke_group(text, regrole) IS 'eventlog: take back what grant_group gave';

CREATE FUNCTION @extschema@.join_group(group_name text, topics regclass[], member text DEFAULT NULL)
    RETURNS text LANGUAGE c AS 'MODULE_PATHNAME', 'eventlog_join_group';
COMMENT ON FUNCTION @extschema@.join_group(text, regclass[], text) IS
    'eventlog: become a member subscribed to these topics; returns name#incarnation, which a later join of the name fences';
CREATE FUNCTION @extschema@.heartbeat(group_name text, member text)
    RETURNS boolean LANGUAGE c AS 'MODULE_PATHNAME', 'eventlog_heartbeat';
COMMENT ON FUNCTION @extschema@.heartbeat(text, text) IS
    'eventlog: say that a member lives (from the first on session_timeout applies); true: its assignment changed';
CREATE FUNCTION @extschema@.leave_group(group_name text, member text DEFAULT NULL)
    RETURNS void LANGUAGE c AS 'MODULE_PATHNAME', 'eventlog_leave_group';
COMMENT ON FUNCTION @extschema@.leave_group(text, text) IS
    'eventlog: give up a membership; its partitions go to the others at once';

/*
 * To look at.  The functions show a role the topics it may SELECT from or
 * owns; members of pg_monitor see all.
 */
CREATE FUNCTION _eventlog.topics(OUT topic regclass, OUT partitions bigint, OUT key_type regtype,
    OUT value_type regtype, OUT options jsonb, OUT events bigint, OUT bytes bigint)
    RETURNS SETOF record LANGUAGE c AS 'MODULE_PATHNAME', 'eventlog_topics';
CREATE VIEW @extschema@.eventlog_topics AS SELECT * FROM _eventlog.topics();
COMMENT ON VIEW @extschema@.eventlog_topics IS
    'eventlog: topics; events counts offsets from log start to log end, bytes the files';

CREATE FUNCTION _eventlog.partitions(OUT topic regclass, OUT partition int, OUT log_start_offset bigint,
    OUT log_end_offset bigint, OUT stable_offset bigint, OUT segments bigint, OUT bytes bigint,
    OUT blocked_by_pid int, OUT blocked_by_gid text, OUT blocked_since timestamptz)
    RETURNS SETOF record LANGUAGE c AS 'MODULE_PATHNAME', 'eventlog_partitions';
CREATE VIEW @extschema@.eventlog_partitions AS SELECT * FROM _eventlog.partitions();
COMMENT ON VIEW @extschema@.eventlog_partitions IS
    'eventlog: partitions; blocked_by_* is the transaction that readers wait for';

CREATE FUNCTION _eventlog.group_states(OUT group_name text, OUT owner regrole, OUT state text, OUT epoch bigint,
    OUT members bigint, OUT topics regclass[], OUT lag bigint)
    RETURNS SETOF record LANGUAGE c AS 'MODULE_PATHNAME', 'eventlog_groups';
CREATE VIEW @extschema@.eventlog_groups AS SELECT * FROM _eventlog.group_states();
COMMENT ON VIEW @extschema@.eventlog_groups IS 'eventlog: consumer groups';

CREATE FUNCTION _eventlog.members(OUT group_name text, OUT member text, OUT kind text, OUT pid int,
    OUT application_name text, OUT topics regclass[], OUT partitions bigint, OUT epoch bigint,
    OUT last_seen timestamptz, OUT fenced_count bigint, OUT state text, OUT incarnation bigint)
    RETURNS SETOF record LANGUAGE c AS 'MODULE_PATHNAME', 'eventlog_members';
CREATE VIEW @extschema@.eventlog_members AS SELECT * FROM _eventlog.members();
COMMENT ON VIEW @extschema@.eventlog_members IS
    'eventlog: members of consumer groups; state is working (in a transaction that holds partitions), waiting or idle';

CREATE FUNCTION _eventlog.lag(OUT group_name text, OUT topic regclass, OUT partition int, OUT member text,
    OUT committed_offset bigint, OUT delivered_offset bigint, OUT log_end_offset bigint, OUT lag bigint,
    OUT lag_seconds float8, OUT redeliveries bigint, OUT stuck_since timestamptz, OUT events_lost bigint,
    OUT blocked_by_pid int)
    RETURNS SETOF record LANGUAGE c AS 'MODULE_PATHNAME', 'eventlog_lag';
CREATE VIEW @extschema@.eventlog_lag AS SELECT * FROM _eventlog.lag();
COMMENT ON VIEW @extschema@.eventlog_lag IS 'eventlog: how far each group is, per partition';

GRANT SELECT ON @extschema@.eventlog_topics, @extschema@.eventlog_partitions, @extschema@.eventlog_groups,
    @extschema@.eventlog_members, @extschema@.eventlog_lag TO PUBLIC;
