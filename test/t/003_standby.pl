# A streaming standby replays every kind of record to the same pages, reads the
# same events, refuses to write, and goes on when it is promoted.

use strict;
use warnings FATAL => 'all';

use File::Basename qw(dirname);
use lib dirname(__FILE__) . '/../lib';

use EventlogTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use JSON::PP;
use Test::More;

need_python();

# "all" is evaluated before the library is loaded, hence both
my $primary = new_cluster('primary', init => [ allows_streaming => 1 ], conf => <<'EOT');
wal_consistency_checking = 'all,eventlog'
wal_keep_size = 1GB
autovacuum = off
eventlog.producer_buffer = 64kB
EOT
$primary->backup('base');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($primary, 'base', has_streaming => 1);
$standby->append_conf('postgresql.conf', <<'EOT');
max_standby_streaming_delay = 0
hot_standby_feedback = off
EOT
$standby->start;

sub catch_up
{
	$primary->wait_for_catchup($standby, 'replay', $primary->lsn('insert'));
	return;
}

my @topics = ('small', 'large', 'trimmed', 'truncated', 'zst', '_eventlog.committed_offsets', '_eventlog.positions');

# What both must show alike.
sub compare
{
	my ($name) = @_;
	catch_up();
	foreach my $topic (@topics)
	{
		next if $primary->safe_psql('postgres', "SELECT to_regclass('$topic') IS NULL") eq 't';
		my $hash = "md5(string_agg(concat_ws('|', partition, event_offset, event_time, key, md5(value::text), headers), ',' ORDER BY partition, event_offset))";
		foreach my $from ($topic, "read_topic('$topic', max_events => 10000000)")
		{
			my $sql = "SELECT count(*), $hash FROM $from";
			is($standby->safe_psql('postgres', $sql), $primary->safe_psql('postgres', $sql), "$name: $from");
		}
		is($standby->safe_psql('postgres', "SELECT * FROM check_topic('$topic')"), '', "$name: $topic is sound on the standby");
	}
	my $sql = q{SELECT topic, partition, to_jsonb(p) - 'topic' - 'bytes' FROM eventlog_partitions p ORDER BY topic::text, partition};
	is($standby->safe_psql('postgres', $sql), $primary->safe_psql('postgres', $sql), "$name: eventlog_partitions");
	$sql = 'SELECT topic, partitions, options, events FROM eventlog_topics ORDER BY topic::text';
	is($standby->safe_psql('postgres', $sql), $primary->safe_psql('postgres', $sql), "$name: eventlog_topics");

	# a file ends where the standby has replayed to, or up to a quarter and 1 MB behind that
	$sql = q{SELECT json_object_agg(topic || ' ' || partition, bytes) FROM eventlog_partitions};
	my $there = decode_json($standby->safe_psql('postgres', $sql));
	my $here = decode_json($primary->safe_psql('postgres', $sql));
	is(join(', ', grep { $there->{$_} > $here->{$_} || $here->{$_} > $there->{$_} * 1.25 || $here->{$_} > $there->{$_} + 1024 * 1024 } sort keys %$here),
		'', "$name: the standby's files are no larger, and little smaller");
	return;
}

my $start_lsn = $primary->lsn('insert');

# INIT, APPEND, SEGMENT
$primary->safe_psql('postgres', <<'EOT');
SELECT create_topic('small', 2, 'text', 'text');
SELECT produce('small', 'one', 'value', headers => '{"h": "x"}');
SELECT produce('small', 'two', NULL);
SELECT create_topic('large', 2, 'bigint', 'text', '{"segment_bytes": 65536, "compression": "none", "max_event_bytes": 4000000}');
-- many on a page, some over a page, over a segment, over several
SELECT count(produce('large', i, repeat(md5(i::text), i % 7))) FROM generate_series(1, 5000) i;
SELECT count(produce('large', i, repeat(md5(i::text), 1000))) FROM generate_series(1, 20) i;
SELECT produce('large', i, repeat(md5(i::text), 30000 * i)) FROM generate_series(1, 4) i;
INSERT INTO large (key, value) SELECT i, i FROM generate_series(1, 100) i;
SELECT create_topic('zst', 1, 'text', 'json', '{"segment_bytes": 65536, "compression": "zstd"}');
SELECT count(produce('zst', NULL, to_json(repeat(md5(i::text), 50)))) FROM generate_series(1, 3000) i;
BEGIN;
SELECT produce('small', 'aborted', '');
SELECT flush();
ROLLBACK;
SELECT produce('small', 'after', '', producer => 'app', sequence => 1);
EOT
compare('append');

# APPEND_MANY: batches of all sizes by one call, in the order given; some begin on the page of the one before, or where a page
# or segment begins, and some have a call of their own
$primary->safe_psql('postgres', <<'EOT');
SELECT create_topic('source', 1, 'text', 'text', '{"segment_bytes": 65536, "compression": "none", "max_event_bytes": 4000000}');
SELECT create_topic('many', 1, 'text', 'text', '{"segment_bytes": 65536, "compression": "none", "max_event_bytes": 4000000}');
CREATE PROCEDURE batches_to_many(how_many int, seed int, calls int)
LANGUAGE plpgsql AS $$
DECLARE
	source uuid := topic_id FROM _eventlog.broker_topics('{public}', '{source}');
	many uuid := topic_id FROM _eventlog.broker_topics('{public}', '{many}');
	list bytea[] := '{}';
	size int;
	begins bigint;
	one bytea;
	per int;
BEGIN
	FOR i IN 1 .. how_many LOOP
		size := CASE WHEN hashint4(i * 7919 + seed) % 10 = 0 THEN abs(hashint4(i + seed)) % 30000 ELSE abs(hashint4(i + seed)) % 900 END;
		IF i % 97 = 0 THEN size := 300000; END IF;
		PERFORM produce('source', i || '', repeat('x', size));
		COMMIT;
	END LOOP;
	begins := max(event_offset) + 1 - how_many FROM source;
	FOR i IN 0 .. how_many - 1 LOOP
		SELECT string_agg(records, '') INTO one FROM _eventlog.broker_fetch(ARRAY[source], '{0}', ARRAY[begins + i], '{1}', 1);
		list := list || (int8send(0) || substr(one, 9));
	END LOOP;
	per := how_many / calls;
	FOR c IN 0 .. calls - 1 LOOP
		PERFORM FROM _eventlog.broker_append(array_fill(many, ARRAY[per]), array_fill(0, ARRAY[per]), list[c * per + 1 : (c + 1) * per]) WITH ORDINALITY
			WHERE sqlstate IS NOT NULL OR base_offset <> begins + c * per + ordinality - 1;
		IF FOUND THEN RAISE EXCEPTION 'a batch has not its offset'; END IF;
		COMMIT;
	END LOOP;
END $$;
CALL batches_to_many(400, 1, 1);
CALL batches_to_many(120, 2, 40);
CHECKPOINT;
CALL batches_to_many(200, 3, 4);
BEGIN; SELECT count(*) FROM _eventlog.broker_append((SELECT array_fill(topic_id, '{1}') FROM _eventlog.broker_topics('{public}', '{many}')), '{0}',
	(SELECT ARRAY[int8send(0) || substr(string_agg(records, ''), 9)] FROM _eventlog.broker_fetch((SELECT array_fill(topic_id, '{1}') FROM _eventlog.broker_topics('{public}', '{source}')), '{0}', '{5}', '{1}', 1)));
ROLLBACK;
EOT
push @topics, 'source', 'many';
compare('many batches a call');
is($primary->safe_psql('postgres', "SELECT count(*) FROM source s FULL JOIN many m USING (event_offset, event_time, key, value) WHERE s.key IS NULL OR m.key IS NULL"), '0', 'many batches a call: each is there');
is($primary->safe_psql('postgres', "SELECT count(*) FROM many"), '720', '... once');

# one record each, and an append after a checkpoint: full-page images
$primary->safe_psql('postgres', 'CHECKPOINT');
$primary->safe_psql('postgres', "SELECT produce('small', 'k' || i, 'v') FROM generate_series(1, 3) i");
$primary->safe_psql('postgres', "SELECT produce('large', 1, 'v')");
compare('after a checkpoint');

# TRIM, and space used again
$primary->safe_psql('postgres', <<'EOT');
SELECT create_topic('trimmed', 1, 'text', 'text', '{"segment_bytes": 65536, "compression": "none"}');
SELECT count(produce('trimmed', i::text, repeat('x', 1000))) FROM generate_series(1, 1000) i;
SELECT delete_events_before('trimmed', 0, 500);
SELECT count(produce('trimmed', i::text, repeat('y', 1000))) FROM generate_series(1, 300) i;
SELECT delete_events_before('trimmed', 0, 900);
SELECT count(produce('trimmed', i::text, repeat('z', 1000))) FROM generate_series(1, 2000) i;
SELECT delete_events_before('large', 0, 1000);
EOT
compare('trim');

# a new file that carries the log end on
$primary->safe_psql('postgres', <<'EOT');
SELECT create_topic('truncated', 1, 'text', 'text');
SELECT count(produce('truncated', i::text, '')) FROM generate_series(1, 100) i;
TRUNCATE truncated;
SELECT produce('truncated', 'first again', '');
TRUNCATE trimmed;
BEGIN;
SELECT create_topic('same_transaction', 1, 'text', 'text');
SELECT produce('same_transaction', 'x', '');
SELECT flush();
TRUNCATE same_transaction;
SELECT produce('same_transaction', 'y', '');
COMMIT;
EOT
push @topics, 'same_transaction';
compare('truncate');

# SETTLE, SETTLED; a subtransaction and an aborted batch among them
$primary->safe_psql('postgres', <<'EOT');
BEGIN;
SELECT produce('small', 'top', '');
SAVEPOINT s;
SELECT produce('small', 'sub', '');
SELECT flush();
RELEASE s;
COMMIT;
VACUUM small, large, trimmed, zst, truncated;
SELECT produce('small', 'after vacuum', '');
VACUUM small;
VACUUM (FREEZE) large;
EOT
compare('settle');

# groups, as events of the offsets topic
$primary->safe_psql('postgres', <<'EOT');
SELECT create_group('made', '{"start_from": "latest"}');
SELECT count(*) FROM consume('members', 'small', 3, commit => true);
SELECT count(*) FROM claim('claims', 'zst', 100);
EOT
compare('groups');
is( $standby->safe_psql('postgres', 'SELECT group_name, topic, partition, committed_offset FROM eventlog_lag ORDER BY 1, 2, 3'),
	$primary->safe_psql('postgres', 'SELECT group_name, topic, partition, committed_offset FROM eventlog_lag ORDER BY 1, 2, 3'),
	'committed offsets');

# every record type has been there
SKIP:
{
	skip 'pg_walinspect is not installed', 1
	  if $primary->safe_psql('postgres', "SELECT count(*) FROM pg_available_extensions WHERE name = 'pg_walinspect'") eq '0';
	$primary->safe_psql('postgres', 'CREATE EXTENSION pg_walinspect');
	my $end = $primary->lsn('flush');
	is( $primary->safe_psql('postgres', "SELECT string_agg(DISTINCT split_part(record_type, ' ', 1), ',') FROM pg_get_wal_records_info('$start_lsn', '$end') WHERE resource_manager = 'eventlog'"),
		'APPEND,APPEND_MANY,SEGMENT,SETTLE,SETTLED,TRIM',
		'every type of record was replayed');
}

# the standby stops where the primary does
my $writer = $primary->background_psql('postgres');
$writer->query_safe("BEGIN; SELECT produce('truncated', 'slow', ''); SELECT flush()");
$primary->safe_psql('postgres', "SELECT produce('truncated', 'fast', '')");
catch_up();
is(events($standby, 'truncated'), '0/100/first again', 'a running transaction of the primary stops readers');
is($standby->safe_psql('postgres', "SELECT string_agg(key, ',' ORDER BY event_offset) FROM truncated"), 'first again,fast', '... but not SELECT');
$writer->query_safe('COMMIT');
$writer->quit;
catch_up();
is(events($standby, 'truncated'), '0/100/first again 0/101/slow 0/102/fast', 'and then everything is there');

# trimmed under a reader's snapshot: no recovery conflict
my $reader = $standby->background_psql('postgres');
$reader->query_safe('BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM large');
$primary->safe_psql('postgres', "SELECT delete_events_before('large', 0, 2000); VACUUM large; SELECT count(produce('large', i, repeat('n', 1000))) FROM generate_series(1, 500) i");
catch_up();
like($reader->query("SELECT count(*) FROM read_topic('large', 0)"), qr/^\d+$/, 'a standby\'s query goes on when its log is trimmed');
$reader->quit;

# nothing is written on a standby
foreach my $sql (
	"SELECT produce('small', 'k', 'v')",
	"SELECT produce_batch('small', '[{\"key\": \"k\"}]')",
	"INSERT INTO small (key, value) VALUES ('k', 'v')",
	"SELECT * FROM consume('members', 'small')",
	"SELECT * FROM consume('members', 'small', commit => true)",
	"SELECT * FROM claim('claims', 'large')",
	"SELECT commit('members')",
	"SELECT seek('members', 'small', 0, 0)",
	"SELECT delete_events_before('small', 0, 1)",
	"SELECT create_topic('t')",
	"SELECT create_group('t')")
{
	expect_error($standby, $sql, '25006', qr/./, "standby: $sql");
}
expect_error($standby, "SELECT produce('small', 'k', 'v')", '25006', qr/HINT:.*primary/, 'produce: hint to the primary');

ok(!$standby->log_contains('PANIC:|FATAL:  inconsistent page found|canceling statement due to conflict'), 'no inconsistent page, no conflict');

#
# Promotion of a synchronous standby under load
#
create_load_tables($primary, options => '{"segment_bytes": 65536, "compression": "lz4"}');
$primary->append_conf('postgresql.conf', "synchronous_standby_names = 'standby'\nwal_consistency_checking = 'eventlog'");
$primary->reload;
$primary->poll_query_until('postgres', "SELECT sync_state = 'sync' FROM pg_stat_replication")
  or die 'the standby is not synchronous';

my $load = start_load($primary, round => 1, producers => 4);
wait_for_load($load, 300);
kill_cluster($primary);
my $count = finish_load($load);
note("$count->{ok} acknowledged, $count->{fail} failed, $count->{info} in flight");
$standby->promote;
is(check_load($standby, $load), '', "promoted: all $count->{ok} acknowledged transactions, and no more, are there");

# life goes on
my $more = start_load($standby, round => 2, producers => 4);
wait_for_load($more, 200);
$standby->stop('fast');
finish_load($more);
$standby->start;
is(check_load($standby, $more), '', 'producers and consumers go on after the promotion');
consume_load($standby);
is(check_load($standby), '', 'consumed to the end');
is($standby->safe_psql('postgres', 'SELECT (SELECT count(*) FROM events) = (SELECT count(*) FROM done)'), 't', 'every event once');
is($standby->safe_psql('postgres', "SELECT count(*), min(event_offset) FROM claim('claims', 'zst', 10)"), '10|100', 'claims go on');

$standby->stop;
done_testing();
