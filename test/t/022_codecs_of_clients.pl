# Batches that clients of Kafka have compressed with gzip or Snappy are read like any others: by SELECT, read_topic(), consume(),
# seeks and check_topic(), and by compaction, which writes what stays with the topic's codec.
#
# Nothing in SQL writes such batches: test/lib/recompress.py puts them into the files of a stopped server, each in the
# place of a plain one of the same length.

use strict;
use warnings FATAL => 'all';

use Config;
use File::Basename qw(dirname);
use lib dirname(__FILE__) . '/../lib';

use EventlogTest;
use IPC::Run qw(run);
use JSON::PP;
use PostgreSQL::Test::Utils;
use Test::More;

plan(skip_all => 'the files are rewritten as those of a little-endian machine') if $Config{byteorder} !~ /^1234/;
my $python = $ENV{PYTHON} || 'python3';
my $recompress = dirname(__FILE__) . '/../lib/recompress.py';
run([ $python, '--version' ], '>&', \my $version) or plan(skip_all => 'needs python3');

my $node = new_cluster('codecs', conf => <<'EOT');
autovacuum = off
eventlog.retention_check_interval = 1d
EOT

sub query { return $node->safe_psql('postgres', $_[0]); }

sub recompress
{
	my ($out, $said);
	run([ $python, $recompress, @_ ], '>', \$out, '2>', \$said) or die "recompress: $said";
	return decode_json($out);
}

# Text that compresses, of any length, over pages and segments; no two values are the same.
query(<<'EOT');
SELECT create_topic('t', 1, 'text', 'text', '{"segment_bytes": 65536, "compression": "none"}');
SELECT create_topic('state_' || codec, 1, 'text', 'text',
		jsonb_build_object('segment_bytes', 65536, 'compression', 'none', 'cleanup_policy', 'compact'))
	FROM unnest('{none,lz4,zstd}'::text[]) codec;
CREATE PROCEDURE fill(topic regclass, batches int) LANGUAGE plpgsql AS $$ BEGIN
	FOR i IN 1 .. batches LOOP
		PERFORM produce(topic, 'key ' || (i * 7 + j * 11) % 200, i || '.' || j || repeat('x', 100 + i * 37 % 3000) || md5(i::text),
				CASE WHEN j = 2 THEN jsonb_build_object('trace', md5(j::text)) END)
			FROM generate_series(1, 1 + i % 5) j;
		COMMIT;
	END LOOP; END $$;
CALL fill('t', 160);
CALL fill('state_none', 160);
CALL fill('state_lz4', 160);
CALL fill('state_zstd', 160);
CREATE TABLE original AS SELECT 't' AS topic, * FROM t
	UNION ALL SELECT 'state_none', * FROM state_none
	UNION ALL SELECT 'state_lz4', * FROM state_lz4
	UNION ALL SELECT 'state_zstd', * FROM state_zstd;
EOT
query("SELECT alter_topic('state_$_', '{\"compression\": \"$_\"}')") foreach qw(lz4 zstd);
my %path = map { $_ => $node->data_dir . '/' . query("SELECT pg_relation_filepath('${_}_p0')") } qw(t state_none state_lz4 state_zstd);
$node->stop;
is_deeply(recompress($path{$_}), { none => 40, gzip => 40, snappy => 40, xerial => 40 }, "$_: a quarter of its batches has each codec")
  foreach sort keys %path;
$node->start;

# --- read ---------------------------------------------------------------------------------------------------

my $columns = 'partition, event_offset, event_time, key, value, headers';
my $as_text = q{partition, event_offset, event_time, key, value #>> '{}' AS value, headers};
sub same
{
	my ($what, $got, $condition) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	is(query(qq{
		WITH got AS MATERIALIZED ($got), want AS (SELECT $columns FROM original WHERE topic = 't' AND $condition)
		SELECT (SELECT count(*) FROM (SELECT * FROM got EXCEPT ALL SELECT * FROM want) x) || ' wrong, '
			|| (SELECT count(*) FROM (SELECT * FROM want EXCEPT ALL SELECT * FROM got) x) || ' missing'}), '0 wrong, 0 missing', $what);
	return;
}

is(query(q{SELECT * FROM check_topic('t')}), '', 'check_topic() has nothing to say');
same('SELECT reads all', "SELECT $columns FROM t", 'true');
same('read_topic() reads all', "SELECT $as_text FROM read_topic('t', max_events => 10000)", 'true');
same('one begins inside of such a batch', "SELECT $as_text FROM read_topic('t', 0, 77, 10000)", 'event_offset >= 77');
same('or finds one event', "SELECT $columns FROM t WHERE partition = 0 AND event_offset = 201", 'event_offset = 201');
same('consume() delivers all', "SELECT $as_text FROM consume('g', 't', 10000, commit => true)", 'true');
is(query(q{SELECT count(*) FROM consume('g', 't')}), '0', 'once');

# --- compacted ----------------------------------------------------------------------------------------------

foreach my $codec (qw(none lz4 zstd))
{
	my $topic = "state_$codec";
	query("CREATE TABLE wanted_$codec AS SELECT DISTINCT ON (key) * FROM $topic ORDER BY key, event_offset DESC");
	query("VACUUM $topic");
	cmp_ok(query("SELECT apply_retention('$topic')"), '>', 0, "$topic is compacted");
	query('CHECKPOINT');
	my $written = recompress('--compacted', $path{$topic});
	is_deeply([ keys %$written ], [$codec], "what compaction writes is $codec") or diag explain $written;
	is(query("SELECT * FROM check_topic('$topic')"), '', 'check_topic() has nothing to say');
	is(query(qq{SELECT count(*) FROM (SELECT $columns FROM wanted_$codec EXCEPT SELECT $columns FROM $topic) x}), '0', 'no event is lost');
	is(query(qq{SELECT count(*) FROM (SELECT $columns FROM $topic EXCEPT SELECT $columns FROM original WHERE topic = '$topic') x}),
		'0', 'or changed');
}

# --- damaged, with checksums that are right -----------------------------------------------------------------

$node->stop;
my $bytes = slurp_file($path{t});
my $from = int(length($bytes) / 2);
foreach my $damage ([ 'Snappy', "\x82SNAPPY\0", 11, "\x00" ], [ 'gzip', "\x1f\x8b\x08\x10", 2, "\x09" ])
{
	my ($codec, $magic, $where, $byte) = @$damage;
	my ($batch, $length);
	# of a batch that lies on one page
	do
	{
		$from = index($bytes, $magic, $from + 1);
		die "no batch of $codec" if $from < 0;
		$batch = $from - 61;
		$length = unpack 'L', substr $bytes, $batch - 16, 4;
	} while $batch % 8192 + $length > 8192 - 40;
	substr($bytes, $from + $where, 1) = $byte;
	substr($bytes, $batch + 17, 4) = pack 'N', crc32c(substr $bytes, $batch + 21, $length - 21);
	substr($bytes, $batch - 4, 4) = pack 'L', crc32c(substr($bytes, $batch - 24, 18) . substr($bytes, $batch, 61));
}
open my $fh, '>:raw', $path{t} or die "$path{t}: $!";
print $fh $bytes;
close $fh;
$node->start;
expect_error($node, 'SELECT count(*) FROM t', 'XX001', qr/is corrupt at offset \d+: snappy stream is corrupt/, 'reading says what is wrong');
like(query(q{SELECT string_agg(problem, '; ') FROM check_topic('t')}), qr/snappy stream is corrupt.*; .*gzip stream is corrupt/s,
	'and check_topic() finds both');
unlike(slurp_file($node->logfile), qr/PANIC|TRAP|signal 11|signal 6/, 'nothing fell');

$node->stop;
done_testing();
