# pg_dump and restore, and the same again from the restored database: topics,
# options, events, offsets, groups and committed offsets stay what they were.

use strict;
use warnings FATAL => 'all';

use File::Basename qw(dirname);
use lib dirname(__FILE__) . '/../lib';

use EventlogTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = new_cluster('dump');
my $tmp = PostgreSQL::Test::Utils::tempdir();

$node->safe_psql('postgres', <<'EOT');
CREATE SCHEMA app;
CREATE TYPE app.kind AS ENUM ('a', 'b');
CREATE TYPE app.pair AS (x int, y text);

SELECT create_topic('plain');
SELECT produce('plain', 'k' || i, json_build_object('i', i, 'text', E'tab\t"quote" \\ back' || chr(10) || '€')) FROM generate_series(1, 20) i;

SELECT create_topic('app.typed', 3, 'bigint', 'jsonb', '{"retention": null, "compression": "zstd", "segment_bytes": 65536, "partitioner": "crc32"}');
SELECT produce('app.typed', i, json_build_object('i', i)::jsonb, headers => '[["h", "1"], ["h", {"base64": "AP8="}]]', event_time => '2024-05-06 07:08:09.123+00')
	FROM generate_series(1, 100) i;
-- holes: offsets that were given out for nothing
BEGIN;
SELECT produce('app.typed', i, '{}') FROM generate_series(1, 9) i;
SELECT flush();
ROLLBACK;
SELECT produce('app.typed', i, 'null') FROM generate_series(101, 150) i;
SELECT produce('app.typed', NULL, NULL);

SELECT create_topic('raw', 1, 'app.kind', 'bytea');
SELECT produce('raw', 'a', '\x00ff'), produce('raw', 'b', ''), produce('raw', NULL, NULL);
SELECT create_topic('composite', 1, 'uuid', 'app.pair');
SELECT produce('composite', gen_random_uuid(), ROW(1, 'a,"b')::app.pair);
ALTER TABLE raw ADD CONSTRAINT short CHECK (length(value) < 10);
COMMENT ON TABLE raw IS 'bytes';

SELECT create_topic('truncated', 2, 'text', 'text');
SELECT produce('truncated', i::text, '') FROM generate_series(1, 30) i;
TRUNCATE truncated;
SELECT create_topic('truncated_and_used', 1, 'text', 'text');
SELECT produce('truncated_and_used', i::text, '') FROM generate_series(1, 30) i;
TRUNCATE truncated_and_used;
SELECT produce('truncated_and_used', 'again', '');

SELECT create_topic('started_later', 1, 'text', 'text', '{"segment_bytes": 65536, "compression": "none"}');
SELECT count(produce('started_later', i::text, repeat('x', 1000))) FROM generate_series(1, 500) i;
SELECT delete_events_before('started_later', 0, 123);

SELECT create_topic('emptied', 2, 'text', 'text', '{"retention": "1 day"}');
SELECT produce('emptied', i::text, '') FROM generate_series(1, 40) i;
SELECT delete_events_before('emptied', partition, log_end_offset) FROM eventlog_partitions WHERE topic = 'emptied'::regclass;

-- nothing is left but what an aborted transaction wrote
SELECT create_topic('aborted_left', 1, 'text', 'text');
SELECT produce('aborted_left', i::text, '') FROM generate_series(1, 5) i;
BEGIN;
SELECT produce('aborted_left', i::text, '') FROM generate_series(1, 3) i;
SELECT flush();
ROLLBACK;
SELECT delete_events_before('aborted_left', 0, 5);

-- the first time rolled back: the events are gone all the same
SELECT create_topic('emptied_again', 1, 'text', 'text');
SELECT produce('emptied_again', i::text, '') FROM generate_series(1, 6) i;
BEGIN;
SELECT delete_events_before('emptied_again', 0, 6);
ROLLBACK;
SELECT delete_events_before('emptied_again', 0, 6);

-- options that its events would not pass any more
SELECT create_topic('narrowed', 1, 'text', 'text');
SELECT produce('narrowed', 'large', repeat('x', 5000));
SELECT produce('narrowed', NULL, 'no key');
SELECT produce('narrowed', 'ahead', '', event_time => now() + interval '59 min');
SELECT alter_topic('narrowed', '{"max_event_bytes": 1000, "cleanup_policy": "compact", "max_clock_ahead": "1 min"}');

SELECT create_topic('never_used', 4);
SELECT create_topic('old_name', 1, 'text', 'text');
SELECT produce('old_name', 'k', 'v');
ALTER TABLE old_name RENAME TO renamed;

-- groups
CREATE ROLE dump_owner;
SELECT create_group('made', '{"start_from": "latest", "max_poll_interval": "10 min"}');
SELECT create_group('never_used');
SELECT count(*) FROM consume('half', 'plain', 10, commit => true);
SELECT count(*) FROM claim('claims', 'app.typed', 70);
SELECT count(*) FROM consume('to the end', 'plain', commit => true);
SELECT count(*) FROM consume('to the end', 'emptied', commit => true);
SELECT count(*) FROM claim('truncated', 'truncated_and_used');
SELECT count(*) FROM claim('later', 'started_later', 10);
SELECT count(*) FROM consume('made', 'plain', commit => true);
SELECT produce('plain', 'behind', '"made has this before it"');
SELECT count(*) FROM consume('renamed', 'renamed', commit => true);
EOT
# a group that was there when its topic was emptied
$node->safe_psql('postgres', <<'EOT');
SELECT create_topic('read_and_emptied', 1, 'text', 'text');
SELECT produce('read_and_emptied', i::text, '') FROM generate_series(1, 7) i;
SELECT count(*) FROM claim('empty', 'read_and_emptied');
SELECT delete_events_before('read_and_emptied', 0, 7);
SELECT create_topic('read_and_truncated', 1, 'text', 'text');
SELECT produce('read_and_truncated', i::text, '') FROM generate_series(1, 7) i;
SELECT count(*) FROM claim('empty', 'read_and_truncated');
TRUNCATE read_and_truncated;
EOT

my @topics = split /\n/, $node->safe_psql('postgres', "SELECT topic FROM eventlog_topics WHERE topic::text !~ '^_eventlog' ORDER BY topic::text");
cmp_ok(scalar @topics, '>=', 11, 'the topics are there');

# Everything that must be equal in a database and its copy, as text.
sub describe
{
	my ($db) = @_;
	my %is = (
		topics => 'SELECT * FROM eventlog_topics WHERE topic::text !~ \'^_eventlog\' ORDER BY topic::text',
		'log end' => 'SELECT topic, partition, log_end_offset FROM eventlog_partitions WHERE topic::text !~ \'^_eventlog\' ORDER BY topic::text, partition',
		groups => 'SELECT group_name, owner, lag FROM eventlog_groups ORDER BY 1',
		'group options' => 'SELECT group_name, owner, options FROM _eventlog.groups ORDER BY 1',
		offsets => 'SELECT group_name, topic, partition, committed_offset, lag FROM eventlog_lag ORDER BY group_name, topic::text, partition',
		comment => "SELECT obj_description('raw'::regclass)",
		constraints => "SELECT conrelid::regclass, pg_get_constraintdef(oid) FROM pg_constraint WHERE conrelid::regclass::text ~ '^raw' ORDER BY conrelid::regclass::text");
	$is{topics} =~ s/\*/topic, partitions, key_type, value_type, options/;
	return query_all($node, $db, \%is, @topics);
}

my %restore = (
	custom => sub {
		my ($from, $to, @options) = @_;
		$node->command_ok([ 'pg_dump', '-Fc', '-f', "$tmp/$to.dump", $node->connstr($from) ], "pg_dump of $from");
		$node->command_ok([ 'pg_restore', '--exit-on-error', @options, '-d', $node->connstr($to), "$tmp/$to.dump" ], "pg_restore to $to");
	},
	plain => sub {
		my ($from, $to) = @_;
		$node->command_ok([ 'pg_dump', '-f', "$tmp/$to.sql", $node->connstr($from) ], "pg_dump of $from as SQL");
		$node->command_ok([ 'psql', '-qX', '-v', 'ON_ERROR_STOP=1', '-d', $node->connstr($to), '-f', "$tmp/$to.sql", '-o', '/dev/null' ], "psql to $to");
	});

my $original = describe('postgres');
foreach my $topic (@topics)
{
	is($original->{"check_topic of $topic"}, '', "$topic is sound");
}
foreach my $end ('truncated_and_used|0|31', 'started_later|0|500', 'emptied|0|18', 'emptied|1|22', 'aborted_left|0|8', 'emptied_again|0|6', 'read_and_truncated|0|7')
{
	like($original->{'log end'}, qr/^\Q$end\E$/m, "log end: $end");
}

my @copies = (
	[ 'custom', 'postgres', 'copy' ],
	[ 'custom', 'copy', 'copy_of_copy', '--jobs=2' ],
	[ 'plain', 'copy_of_copy', 'copy_as_sql' ]);
foreach my $copy (@copies)
{
	my ($format, $from, $to, @options) = @$copy;
	$node->safe_psql('postgres', "CREATE DATABASE $to");
	$restore{$format}->($from, $to, @options);
	same_description($to, describe($to), $original);
}

# What happens next is the same on all sides: the next offset that is produced,
# and what each group gets next.
sub go_on
{
	my ($db) = @_;
	my $got = '';
	# before anything is produced
	foreach my $topic ('read_and_emptied', 'read_and_truncated')
	{
		$got .= "$topic: " . $node->safe_psql($db, "SELECT count(*) FROM claim('empty', '$topic')") . "\n";
	}
	foreach my $topic (@topics)
	{
		my $value = $node->safe_psql($db, "SELECT value_type FROM eventlog_topics WHERE topic = '$topic'::regclass");
		my $partitions = $node->safe_psql($db, "SELECT partitions FROM eventlog_topics WHERE topic = '$topic'::regclass");
		my $key = $topic eq 'narrowed' ? "'k'" : 'NULL';
		foreach my $partition (0 .. $partitions - 1)
		{
			$got .= "$topic/$partition: " . $node->safe_psql($db, "SELECT produce('$topic', $key, NULL, partition => $partition) IS NULL; SELECT max(event_offset) FROM $topic WHERE partition = $partition") . "\n";
		}
	}
	foreach my $group ([ 'half', 'plain' ], [ 'to the end', 'plain' ], [ 'to the end', 'emptied' ], [ 'made', 'plain' ], [ 'renamed', 'renamed' ], ['somebody new', 'plain'])
	{
		my ($name, $topic) = @$group;
		$got .= "$name: " . $node->safe_psql($db, "SELECT string_agg(concat_ws('/', partition, event_offset, key, value), ' ' ORDER BY partition, event_offset) FROM consume('$name', '$topic', commit => true)") . "\n";
	}
	foreach my $group ([ 'claims', 'app.typed' ], [ 'truncated', 'truncated_and_used' ], [ 'later', 'started_later' ], [ 'empty', 'read_and_emptied' ], [ 'empty', 'read_and_truncated' ])
	{
		my ($name, $topic) = @$group;
		$got .= "$name: " . $node->safe_psql($db, "SELECT string_agg(concat_ws('/', partition, event_offset, key), ' ' ORDER BY partition, event_offset) FROM claim('$name', '$topic', 1000)") . "\n";
	}
	return $got;
}

my $next = go_on('postgres');
note($next);
foreach my $copy (@copies)
{
	is(go_on($copy->[2]), $next, "$copy->[2]: next offsets, and consumers go on where they were");
	expect_error($node, "SELECT produce('narrowed', NULL, 'x')", '22004', qr/./, "$copy->[2]: new events have to suit the options", $copy->[2]);
}

$node->stop;
done_testing();
