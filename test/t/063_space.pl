# Files get small again. Where no standby can be, apply_retention() leaves the live segments and two, once the tail has come
# round, however many there were: directory pages, one for each 254 segments, do not keep a file long. Whatever way an extent came to
# be free (trimmed, replaced by compaction), it is used before the file grows. VACUUM FULL writes live segments only, also
# with a standby, which reads them. All of it is replayed after a crash.
# EVENTLOG_SPACE_SEGMENTS: segments of the largest log (default 1500; the full measure is 4000).

use strict;
use warnings FATAL => 'all';

use File::Basename qw(dirname);
use lib dirname(__FILE__) . '/../lib';

use EventlogTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $segment = 65536;
my $options = qq({"segment_bytes": $segment, "retention": null, "compression": "none"});
my $node;

sub query { return $node->safe_psql('postgres', $_[0]); }

# of partition 0, in segments
sub file_segments { return query("SELECT pg_relation_size('$_[0]_p0')::float8 / $segment"); }
sub live_segments { return query("SELECT segments FROM eventlog_partitions WHERE topic = '$_[0]'::regclass AND partition = 0"); }

# A batch of 56 kB fills a segment: no other fits into it.
sub fill
{
	my ($topic, $segments) = @_;
	query("DO \$\$ BEGIN FOR i IN 1 .. $segments LOOP
		PERFORM produce('$topic', 'k' || i % 20, repeat(md5(i::text), 1750)); COMMIT; END LOOP; END \$\$");
	return;
}

sub keep_last
{
	my ($topic, $keep) = @_;
	query("SELECT delete_events_before('$topic', 0, (SELECT max(event_offset) - $keep + 1 FROM ${topic}_p0))");
	query("SELECT apply_retention('$topic')");
	return;
}

sub content
{
	my ($topic, $on) = @_;
	return ($on // $node)->safe_psql('postgres',
		"SELECT count(*), min(event_offset), max(event_offset), md5(string_agg(concat_ws('|', event_offset, key, md5(value), event_time), ',' ORDER BY event_offset)) FROM $topic;
		 SELECT count(*), md5(string_agg(concat_ws('|', event_offset, key), ',')) FROM read_topic('$topic', max_events => 1000000);
		 SELECT * FROM check_topic('$topic')");
}

sub small
{
	my ($topic, $name) = @_;
	my ($file, $live) = (file_segments($topic), live_segments($topic));
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	cmp_ok($file, '<=', $live + 2, "$name: $live live segments, a file of $file");
	return;
}

# What the crash leaves is the same log, of the same size but for up to 1 MB that was there for what comes next, and goes on.
sub crash
{
	my ($topic, $name) = @_;
	my ($content, $size) = (content($topic), file_segments($topic));
	# maintenance is no transaction: its WAL goes with the next commit
	query('CREATE TABLE IF NOT EXISTS flushed (); INSERT INTO flushed DEFAULT VALUES');
	$node->stop('immediate');
	$node->start;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	is(content($topic), $content, "$name: a crash changes nothing");
	my $after = file_segments($topic);
	ok($after <= $size && $size - $after <= 1024 * 1024 / $segment, "... nor the size of the file ($size, $after)");
	return;
}

my $quiet = <<'EOT';
autovacuum = off
eventlog.retention_check_interval = 1d
max_wal_size = 2GB
log_statement = none
EOT

#
# No standby
#
$node = new_cluster('alone', conf => "$quiet\nwal_level = replica\nmax_wal_senders = 0\nwal_consistency_checking = 'all,eventlog'\n");
foreach my $segments (640, $ENV{EVENTLOG_SPACE_SEGMENTS} || 1500)
{
	my $topic = "ring$segments";
	query("SELECT create_topic('$topic', 1, 'text', 'text', '$options')");
	fill($topic, $segments);
	cmp_ok(file_segments($topic), '>=', $segments, "$segments segments written");
	query('CHECKPOINT');
	keep_last($topic, 1);
	is(live_segments($topic), 1, 'all but the last are trimmed');

	# the tail leaves the end of the file
	fill($topic, 1);
	keep_last($topic, 1);
	small($topic, 'the tail has come round');
	crash($topic, 'cut off');

	# and goes round, over the end of a directory page
	my $largest = 0;
	foreach (1 .. 6)
	{
		fill($topic, 50);
		keep_last($topic, 1);
		my $file = file_segments($topic);
		$largest = $file if $file > $largest;
	}
	cmp_ok($largest, '<=', 53, 'filled and trimmed again and again, it does not grow');
	fill($topic, 1);
	keep_last($topic, 1);
	small($topic, 'round and round');
	is((split /\n/, content($topic))[2] // '', '', 'the log is sound');
}

# many live segments, whose directory pages lie behind them: these move, over several records
query("SELECT create_topic('wide', 1, 'text', 'text', '$options')");
fill('wide', 900);
keep_last('wide', 1);
fill('wide', 800);
query(q{SELECT delete_events_before('wide', 0, 901)});
query(q{SELECT apply_retention('wide')});
fill('wide', 10);
query(q{SELECT apply_retention('wide')});
my ($file, $live) = (file_segments('wide'), live_segments('wide'));
cmp_ok($live, '>', 3 * 254 - 20, "$live live segments over several directory pages");
cmp_ok($file, '<=', $live + 6, "... in a file of $file");
crash('wide', 'directory pages that have moved');
fill('wide', 300);
is((split /\n/, content('wide'))[2] // '', '', 'the log goes on and is sound');

# what compaction replaces is used by whoever appends next
query(qq{SELECT create_topic('state', 1, 'text', 'text', '{"segment_bytes": $segment, "compression": "none", "cleanup_policy": "compact", "delete_retention": "0 s"}')});
fill('state', 100);
query(q{SELECT apply_retention('state')});
$file = file_segments('state');
$live = live_segments('state');
cmp_ok($live, '<=', 25, "compacted: $live live segments, a file of $file");
fill('state', int($file) - $live - 2);
cmp_ok(file_segments('state'), '<=', $file + 1, 'what is appended then goes where the file is free');
query(q{SELECT apply_retention('state')}) foreach 1 .. 3;
crash('state', 'compacted');

# VACUUM FULL
foreach my $topic ('state', 'wide')
{
	my $content = content($topic);
	query("VACUUM FULL $topic");
	is(content($topic), $content, "VACUUM FULL of $topic changes no event");
	cmp_ok(file_segments($topic), '<=', live_segments($topic) + 1, '... and leaves the live segments');
	crash($topic, 'VACUUM FULL');
	fill($topic, 5);
	query("SELECT apply_retention('$topic')");
	is((split /\n/, content($topic))[2] // '', '', 'the log goes on and is sound');
}
ok(!$node->log_contains('PANIC:|inconsistent page found'), 'no inconsistent page');

# a block that is free and in use is found before it is overwritten: an entry of a trimmed segment gets the block of a live one
query("SELECT create_topic('twice', 1, 'text', 'text', '$options')");
fill('twice', 6);
query(q{SELECT delete_events_before('twice', 0, 3)});
is(query(q{SELECT * FROM check_topic('twice')}), '', 'no block is given out twice');
my $path = $node->data_dir . '/' . query(q{SELECT pg_relation_filepath('twice_p0')});
$node->stop;
my $page = substr(slurp_file($path), 8192, 8192);
substr($page, 24 + 24, 4) = substr($page, 24 + 5 * 32 + 24, 4);
my $lower = unpack 'S', substr($page, 12, 2);
my $special = substr $page, -40;
substr($page, -40 + 28, 4) = pack 'L', crc32c(substr($page, 12, 2) . substr($special, 0, 28) . substr($special, 32) . substr($page, 24, $lower - 24));
open my $file_handle, '+<', $path or die "$path: $!";
binmode $file_handle;
seek $file_handle, 8192, 0;
print $file_handle $page;
close $file_handle or die $!;
$node->start;
like(query(q{SELECT problem FROM check_topic('twice')}), qr/^block \d+: given out twice$/, '... or check_topic() says so');
query('DROP TABLE twice');
$node->stop;

# without WAL for new files
$node->append_conf('postgresql.conf', "wal_level = minimal\nwal_skip_threshold = 0\n");
$node->start;
query('VACUUM FULL state');
crash('state', 'wal_level = minimal');
$node->stop;

#
# With a standby
#
$node = new_cluster('primary', init => [ allows_streaming => 1 ], conf => "$quiet\nwal_consistency_checking = 'all,eventlog'\nwal_keep_size = 1GB\n");
$node->backup('base');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($node, 'base', has_streaming => 1);
$standby->start;

sub same_on_standby
{
	my ($topic, $name) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	$node->wait_for_catchup($standby, 'replay', $node->lsn('insert'));
	is(content($topic, $standby), content($topic), "$name: the standby reads the same, and it is sound");
	my ($there, $here) = ($standby->safe_psql('postgres', "SELECT pg_relation_size('${topic}_p0')"), query("SELECT pg_relation_size('${topic}_p0')"));
	ok($there <= $here && $here - $there <= 1024 * 1024, "... from a file of the same size, but for what comes next ($there, $here)");
	return;
}

# a batch over several segments, an aborted one, none settled, most of them trimmed
query(<<"EOT");
SELECT create_topic('mixed', 1, 'text', 'text', '{"segment_bytes": $segment, "retention": null, "compression": "none", "max_event_bytes": 4000000}');
SELECT create_topic('empty', 1, 'text', 'text');
EOT
fill('mixed', 300);
query(q{SELECT produce('mixed', 'large', repeat(md5('a'), 20000)); SELECT produce('mixed', 'small', 'x')});
query(q{BEGIN; SELECT produce('mixed', 'aborted', repeat('y', 100000)); SELECT flush(); ROLLBACK});
keep_last('mixed', 20);
cmp_ok(file_segments('mixed'), '>', 300, 'with a standby, the file stays as it is');
query('VACUUM FULL mixed, empty');
cmp_ok(file_segments('mixed'), '<=', live_segments('mixed') + 1, 'VACUUM FULL leaves the live segments');
is(query(q{SELECT pg_relation_size('empty_p0')}), 0, 'of nothing, nothing');
same_on_standby('mixed', 'VACUUM FULL');
query(q{SELECT produce('empty', 'k', 'v')});
same_on_standby('empty', 'a log begun afterwards');
fill('mixed', 30);
keep_last('mixed', 5);
fill('mixed', 300);
same_on_standby('mixed', 'appended and trimmed afterwards');

# compacted pages have new blocks, which their tags name
query(qq{SELECT create_topic('state', 1, 'text', 'text', '{"segment_bytes": $segment, "compression": "none", "cleanup_policy": "compact"}')});
foreach (1 .. 3)
{
	fill('state', 70);
	query(q{SELECT apply_retention('state')});
}
query('VACUUM FULL state');
cmp_ok(file_segments('state'), '<=', live_segments('state') + 1, 'VACUUM FULL of a compacted log');
same_on_standby('state', 'VACUUM FULL of a compacted log');
fill('state', 70);
query(q{SELECT apply_retention('state')});
same_on_standby('state', 'compacted again afterwards');
is(query(q{SELECT count(DISTINCT key) = count(*) FROM latest('state')}), 't', 'each key once');
crash('state', 'on the primary');
ok(!$standby->log_contains('PANIC:|inconsistent page found'), 'no inconsistent page');
$standby->promote;
$node->stop;
$node = $standby;
fill('state', 30);
keep_last('mixed', 1);
is((split /\n/, content($_))[2] // '', '', "promoted: $_ goes on and is sound") foreach 'state', 'mixed';
$node->stop;
done_testing();
