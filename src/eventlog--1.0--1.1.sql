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
