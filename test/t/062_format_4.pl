# A log of format 4, which version 1.0 wrote, is read, appended to, compacted and truncated as if it were of today's; and
# leader epochs, which format 5 keeps, rise with each promotion and never fall.
#
# data/format_4.gz is the file of a partition as version 1.0 left it: compacted once, three segments of 64 kB, aborted batches
# among the compacted ones, all settled.  data/format_4_emptied.gz was truncated by it behind 25 events.  The cluster had data
# checksums, so that one with them reads the files, too.

use strict;
use warnings FATAL => 'all';

use Config;
use File::Basename qw(dirname);
use lib dirname(__FILE__) . '/../lib';

use EventlogTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

plan(skip_all => 'the files are those of a little-endian machine') if $Config{byteorder} !~ /^1234/;

my $node = new_cluster('primary', init => [ allows_streaming => 1 ], conf => <<'EOT');
autovacuum = off
wal_consistency_checking = 'eventlog'
wal_keep_size = '256MB'
eventlog.retention_check_interval = 1d
EOT

sub sql { return $node->safe_psql('postgres', $_[0]) }

sub version_of { return unpack 'L', substr slurp_file($_[0]), 28, 4 }

# The cluster's transactions and WAL are to be behind those of the files.
sql(<<'EOT');
SET timezone = 'UTC';
SELECT create_topic('f4', options => '{"cleanup_policy": "compact", "segment_bytes": 65536, "compression": "none", "delete_retention": "0 s"}');
SELECT create_topic('f4_emptied');
SELECT create_topic('fresh');
EOT
$node->poll_query_until('postgres', 'SELECT pg_current_xact_id()::text::bigint > 800') or die 'no transactions';
$node->poll_query_until('postgres', q{SELECT pg_current_wal_lsn() > '0/3000000' AND pg_switch_wal() IS NOT NULL OR pg_switch_wal() IS NULL OR pg_logical_emit_message(false, 'filler', repeat('x', 1000)) IS NULL}) or die 'no WAL';

my %path = map { $_ => $node->data_dir . '/' . sql("SELECT pg_relation_filepath('${_}_p0')") } qw(f4 f4_emptied);
$node->stop;
run_log([ 'sh', '-c', "gzip -dc '" . dirname(__FILE__) . "/../data/format_4" . ($_ eq 'f4' ? '' : '_emptied') . ".gz' >'$path{$_}'" ]) or die "$_: $!"
  foreach keys %path;
is(version_of($path{$_}), 4, "$_: the file is of format 4") foreach keys %path;
$node->start;

my $standby = PostgreSQL::Test::Cluster->new('standby');
$node->backup('b');
$standby->init_from_backup($node, 'b', has_streaming => 1);
$standby->start;

#
# Read as it is
#

my $digest = q{SET timezone = 'UTC'; SELECT count(*), min(event_offset), max(event_offset), md5(string_agg(event_offset || key || value::text || event_time, ',' ORDER BY event_offset)) FROM f4};
my $info = q{SELECT topic, log_start_offset, log_end_offset, stable_offset, segments, leader_epoch FROM eventlog_partitions WHERE topic::text LIKE 'f%' ORDER BY topic::text};
foreach my $server ($node, $standby)
{
	my $name = $server->name;
	is($server->safe_psql('postgres', $digest), '171|280|460|03ef210d625ce5df3dbd84dda56a7e0d', "$name: every event is there");
	is($server->safe_psql('postgres', "SELECT * FROM check_topic('f4')"), '', '... and the log is sound');
	is($server->safe_psql('postgres', $info), "f4|0|461|461|3|1\nf4_emptied|25|25|25|0|1\nfresh|0|0|0|0|1",
		'... its metapage says what it did, and the leader epoch is the timeline');
}
sql(q{SELECT * FROM consume('g', 'f4', 10, commit => true)});
sql('CHECKPOINT');
is(version_of($path{f4}), 4, 'to read does not raise the format');

#
# Appended to, emptied, compacted
#

sql(q{SELECT produce('f4', 'k1', '"new"'), produce('f4_emptied', 'k', '1')});
sql('CHECKPOINT');
is(version_of($path{$_}), 5, "$_: an append raises the format") foreach keys %path;
is(sql($info), "f4|0|462|462|3|1\nf4_emptied|25|26|26|1|1\nfresh|0|0|0|0|1", '... and goes on at the log end');
is(sql(q{SELECT event_offset, key FROM f4 ORDER BY event_offset DESC LIMIT 2}), "461|k1\n460|last", '... behind the events there');
sql(q{SELECT count(produce('f4', 'k' || i % 30, to_json(repeat('n', 1000))::text)) FROM generate_series(1, 600) i; VACUUM f4; SELECT apply_retention('f4')});
is(sql(q{SELECT events = (SELECT count(*) FROM f4) FROM eventlog_topics WHERE topic = 'f4'::regclass}), 't', 'compacted, the log knows how many events it has');
is(sql(q{SELECT * FROM check_topic('f4')}), '', '... and is sound');
my $before = sql(q{SELECT events, log_start_offset, log_end_offset, leader_epoch FROM eventlog_topics JOIN eventlog_partitions USING (topic) WHERE topic = 'f4'::regclass});
sql('VACUUM (FULL) f4');
is(sql(q{SELECT events, log_start_offset, log_end_offset, leader_epoch FROM eventlog_topics JOIN eventlog_partitions USING (topic) WHERE topic = 'f4'::regclass}), $before, 'VACUUM FULL keeps what it knows');
is(sql(q{SELECT * FROM check_topic('f4')}), '', '... and is sound');
sql('TRUNCATE f4_emptied');
is(sql($info), "f4|0|1062|1062|@{[sql(q{SELECT segments FROM eventlog_partitions WHERE topic = 'f4'::regclass})]}|1\nf4_emptied|26|26|26|0|1\nfresh|0|0|0|0|1", 'truncated');

#
# Promotions
#

# epoch of each of the batches of a topic, from the file: of the pages that its last segment has
sub epochs_of
{
	my ($server, $topic) = @_;
	$server->safe_psql('postgres', 'CHECKPOINT');
	my $bytes = slurp_file($server->data_dir . '/' . $server->safe_psql('postgres', "SELECT pg_relation_filepath('${topic}_p0')"));
	my %epochs;
	# envelope: length at 8, magic at 16; behind its 24 bytes the batch: base offset, length, leader epoch
	for (my $at = 8192; ($at = index($bytes, pack('S', 0xBA7C), $at)) >= 0; $at++)
	{
		next if $at % 8 != 0;
		my ($length) = unpack 'L', substr $bytes, $at - 8, 4;
		my ($offset, $batch_length, $epoch) = unpack 'Q>NN', substr $bytes, $at + 8, 16;
		$epochs{$offset} = $epoch if $length == $batch_length + 12;
	}
	return join ' ', map { "$_:$epochs{$_}" } sort { $a <=> $b } keys %epochs;
}

my $epochs = q{SELECT topic, leader_epoch FROM eventlog_partitions WHERE topic::text LIKE 'f%' ORDER BY topic::text};
sql(q{SELECT produce('fresh', 'k', '1')});
$node->wait_for_catchup($standby);
is($standby->safe_psql('postgres', $info), sql($info), 'a standby shows what the primary does');
$node->stop;
$standby->promote;
$node = $standby;
is(sql('SELECT timeline_id FROM pg_control_checkpoint()'), '2', 'promoted') if sql('CHECKPOINT; SELECT 1') eq '1';
is(sql($epochs), "f4|2\nf4_emptied|2\nfresh|2", 'a promotion raises the leader epoch before anything is appended');
sql(q{SELECT produce('fresh', 'k', '2')});
is(epochs_of($node, 'fresh'), '0:1 1:2', 'each batch has the epoch in which it was appended');

# Compaction keeps epochs apart, and says of each batch its own.
sql(q{SELECT create_topic('kept', options => '{"cleanup_policy": "compact", "segment_bytes": 65536, "compression": "none"}')});
sql(q{SELECT count(produce('kept', 'a' || i % 10, to_json(repeat('x', 1000))::text)) FROM generate_series(1, 100) i});

my $next = PostgreSQL::Test::Cluster->new('next');
$node->backup('b');
$next->init_from_backup($node, 'b', has_streaming => 1);
$next->start;
$node->wait_for_catchup($next);
$node->stop;
$next->promote;
$node = $next;
is(sql($epochs), "f4|3\nf4_emptied|3\nfresh|3", 'so does the next one, of logs that nothing was appended to meanwhile, too');
sql(q{SELECT count(produce('kept', 'b' || i % 10, to_json(repeat('y', 1000))::text)) FROM generate_series(1, 200) i; VACUUM kept; SELECT apply_retention('kept')});
# written by compaction: what was appended had no batch that begins there
like(epochs_of($node, 'kept'), qr/\b90:2\b/, 'compaction keeps the epoch of each batch');
is(sql(q{SELECT * FROM check_topic('kept')}), '', '... and the log is sound');
sql(q{TRUNCATE fresh, kept});
is(sql(q{SELECT topic, leader_epoch FROM eventlog_partitions WHERE topic::text IN ('fresh', 'kept') ORDER BY topic::text}), "fresh|3\nkept|3", 'TRUNCATE keeps the epoch');
is(sql(q{SELECT produce('fresh', 'k', '3')}), '0', '... and the log goes on');
is(epochs_of($node, 'fresh'), '2:3', '... in it');

#
# Dumped into another server, and pg_upgrade, where timelines begin anew
#

sql(q{TRUNCATE f4});
my $dump = PostgreSQL::Test::Utils::tempdir() . '/dump';
$node->command_ok([ 'pg_dump', '-Fc', '-f', $dump, $node->connstr('postgres') ], 'pg_dump');
my $other = new_cluster('other', extension => 0);
$other->command_ok([ 'pg_restore', '--exit-on-error', '-d', $other->connstr('postgres'), $dump ], 'pg_restore');
is($other->safe_psql('postgres', $epochs), "f4|4\nf4_emptied|2\nfresh|4", 'on another server the epoch is a greater one, whatever its timeline');
$other->safe_psql('postgres', q{SELECT produce('f4', 'k', '1')});
is(epochs_of($other, 'f4'), '1062:4', '... so are those of batches');

done_testing();
