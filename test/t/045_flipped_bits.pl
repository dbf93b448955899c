# A bit that flips in the file is found by check_topic(), and what is read is right or an error, never something else, and
# never less: in a cluster without checksums, where nobody but the log itself can tell.
#
# Each of many partitions gets one flip, anywhere in the used bytes of a block: metapage, directory, batches, special areas.
# Left out is what PostgreSQL's page header says of itself (LSN, flags, pd_upper): checksums of the cluster are for that.

use strict;
use warnings FATAL => 'all';

use File::Basename qw(dirname);
use lib dirname(__FILE__) . '/../lib';

use EventlogTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $partitions = 400;
my $node = new_cluster('flipped', conf => <<'EOT');
autovacuum = off
max_locks_per_transaction = 256
eventlog.retention_check_interval = 1d
EOT

sub query { return $node->safe_psql('postgres', $_[0]); }

# batches of all sizes: within a page, over pages and segments, compressed or not; some rolled back; settled or not, hints or not
query(<<"EOT");
SELECT create_topic('t', $partitions, 'text', 'text', '{"segment_bytes": 65536}');
CREATE PROCEDURE fill() LANGUAGE plpgsql AS \$\$ BEGIN
	FOR i IN 1 .. 12 LOOP
		PERFORM produce('t', 'key ' || i, repeat(md5(i::text), CASE WHEN i % 6 = 0 THEN 700 WHEN i % 2 = 0 THEN 1 ELSE 20 END),
			jsonb_build_object('i', i::text), partition => p) FROM generate_series(0, $partitions - 1) p, generate_series(1, 3);
		IF i % 4 = 3 THEN
			PERFORM FROM flush();
			ROLLBACK;
		ELSE
			COMMIT;
		END IF;
	END LOOP; END \$\$;
CALL fill();
SELECT count(*) FROM t;
EOT
query('VACUUM t_p' . $_) foreach grep { $_ % 2 } 0 .. $partitions / 2;
query('CALL fill()');
query(<<'EOT');
CREATE TABLE original AS SELECT * FROM t;
CREATE TABLE seen (how text, partition int, event_offset bigint, event_time timestamptz, key text, value text, headers jsonb);
CREATE TABLE failed (how text, partition int, sqlstate text, message text);
-- what one gets of a partition, or the error
CREATE PROCEDURE look(p int) LANGUAGE plpgsql AS $$
DECLARE
	query text;
	how text;
BEGIN
	FOR how, query IN VALUES
		('SELECT', format('SELECT partition, event_offset, event_time, key, value, headers FROM t_p%s', p)),
		('read_topic', format($q$SELECT partition, event_offset, event_time, key, value #>> '{}', headers FROM read_topic('t', %s)$q$, p)),
		('seek', format($q$SELECT partition, event_offset, event_time, key, value #>> '{}', headers FROM read_topic('t', %s, 40)$q$, p))
	LOOP
		BEGIN
			EXECUTE format('INSERT INTO seen SELECT %L, * FROM (%s) x', how, query);
		EXCEPTION WHEN OTHERS THEN
			INSERT INTO failed VALUES (how, p, SQLSTATE, SQLERRM);
		END;
	END LOOP;
END $$;
EOT
my @paths = split /\n/, query("SELECT pg_relation_filepath(format('t_p%s', p)::regclass) FROM generate_series(0, $partitions - 1) p");
$node->stop;

# one bit in each
srand(20261125);
my @flips;
foreach my $p (0 .. $partitions - 1)
{
	my $path = $node->data_dir . '/' . $paths[$p];
	my $bytes = slurp_file($path);
	my $blocks = length($bytes) / 8192;
	my ($block, $at);
	for (;;)
	{
		# metapage and directory have their share
		$block = rand() < 0.2 ? int(rand(2)) : int(rand($blocks));
		my ($lower, $kind) = (unpack('S', substr $bytes, $block * 8192 + 12, 2), unpack('S', substr $bytes, $block * 8192 + 8190, 2));
		next if $lower == 0 || $kind < 0xE101 || $kind > 0xE103;
		$at = rand() < 0.2 ? 8192 - 40 + int(rand(40)) : 24 + int(rand($lower - 24));
		$at = 12 + int(rand(2)) if rand() < 0.03;
		last;
	}
	my $bit = 1 << int(rand(8));
	push @flips, "partition $p, block $block, byte $at, bit $bit";
	substr($bytes, $block * 8192 + $at, 1) = chr(ord(substr($bytes, $block * 8192 + $at, 1)) ^ $bit);
	open my $fh, '>:raw', $path or die "$path: $!";
	print $fh $bytes;
	close $fh;
}

$node->start;
query("CREATE TABLE found AS SELECT c.* FROM check_topic('t') c");
my %found = map { $_ => 1 } split /\n/, query('SELECT DISTINCT partition FROM found');

my @missed = grep { !$found{$_} } 0 .. $partitions - 1;
is(join("\n", map { $flips[$_] } @missed), '', "each of $partitions flipped bits is reported");
is(query(q{SELECT problem FROM found WHERE problem !~* '(block \d+|offset \d+|segment \d+)' LIMIT 5}), '', 'with block or offset');

query("DO \$\$ BEGIN FOR p IN 0 .. $partitions - 1 LOOP CALL look(p); END LOOP; END \$\$");
is(query(q{SELECT s.how, s.partition, s.event_offset FROM seen s LEFT JOIN original o USING (partition, event_offset)
	WHERE (s.key, s.value, s.headers, s.event_time) IS DISTINCT FROM (o.key, o.value, o.headers, o.event_time) LIMIT 5}), '',
	'nothing is read that was not written');
is(query(q{
	SELECT how, p.partition, count(s.*), (SELECT count(*) FROM original o WHERE o.partition = p.partition AND (how <> 'seek' OR event_offset >= 40))
	FROM (SELECT DISTINCT partition FROM original) p CROSS JOIN unnest('{SELECT,read_topic,seek}'::text[]) how
		LEFT JOIN seen s USING (how, partition)
	WHERE NOT EXISTS (SELECT FROM failed f WHERE (f.how, f.partition) = (how, p.partition))
	GROUP BY 1, 2
	HAVING count(s.*) <> (SELECT count(*) FROM original o WHERE o.partition = p.partition AND (how <> 'seek' OR event_offset >= 40))
	ORDER BY 1, 2 LIMIT 5}), '', 'who gets no error gets all');
is(query(q{SELECT * FROM failed WHERE sqlstate <> 'XX001' AND NOT (sqlstate = '0A000' AND message ~ 'log format version')}), '',
	'the errors say that data is corrupt, or of another format');
cmp_ok(query(q{SELECT count(*) FROM failed WHERE how = 'read_topic'}), '<', $partitions, 'and the others can be read');
unlike(slurp_file($node->logfile), qr/PANIC|TRAP|signal 11|signal 6/, 'nothing fell');
note(query(q{SELECT problem FROM found ORDER BY random() LIMIT 12}));

# in front of a batch over many pages: whoever seeks into it finds the damage, and does not look for it for ever
query(<<'EOT');
SELECT create_topic('large', 1, 'text', 'text', '{"compression": "none"}');
DO $$ BEGIN FOR i IN 0 .. 20 LOOP
	PERFORM produce('large', i::text, repeat(md5(i::text), CASE WHEN i = 10 THEN 5000 ELSE 20 END));
	COMMIT;
END LOOP; END $$;
EOT
my $file = $node->data_dir . '/' . query(q{SELECT pg_relation_filepath('large_p0')});
$node->stop;
my $bytes = slurp_file($file);
my $at = 0;
# its envelope: length, command id, magic
do { $at = index($bytes, pack('S', 0xBA7C), $at + 1) } while unpack('L', substr $bytes, $at - 8, 4) < 160_000;
substr($bytes, $at - 4, 1) ^= chr(1);
open my $fh, '>:raw', $file or die "$file: $!";
print $fh $bytes;
close $fh;
$node->start;
foreach my $offset (9 .. 11)
{
	my ($rc, $out, $err) = $node->psql('postgres', "SET statement_timeout = '20s'; SELECT key FROM read_topic('large', 0, $offset, 1)");
	$offset == 10 ? like($err, qr/is corrupt at offset 10: checksum of the envelope/, 'what the damage is in front of cannot be read')
		: is($out, $offset, "offset $offset can be");
}

# a page that is wrong about times, and sealed: seeks by time would pass over events
query(<<'EOT');
SELECT create_topic('times', 2, 'text', 'text', '{"compression": "none"}');
DO $$ BEGIN FOR i IN 1 .. 30 LOOP
	PERFORM produce('times', i::text, repeat('x', 3000), event_time => '2026-01-01'::timestamptz + i * interval '1 min', partition => p) FROM generate_series(0, 1) p;
	COMMIT;
END LOOP; END $$;
CHECKPOINT;
EOT
is(query(q{SELECT * FROM check_topic('times')}), '', 'pages are right about times');
my @files = map { $node->data_dir . "/$_" } split /\n/, query(q{SELECT pg_relation_filepath(format('times_p%s', p)::regclass) FROM generate_series(0, 1) p});
$node->stop;
# of the special area (src/storage/page.h): at byte, packed, of the fifth page of the log
sub write_special
{
	my ($path, $byte, $value) = @_;
	my $log = slurp_file($path);
	my ($page) = grep { unpack('Q', substr $log, $_ * 8192 + 8152, 8) == 4 && unpack('S', substr $log, $_ * 8192 + 8190, 2) == 0xE101 } 1 .. length($log) / 8192 - 1;
	my $special = substr $log, $page * 8192 + 8152, 40;
	substr($special, $byte, length $value) = $value;
	substr($special, 28, 4) = pack 'L', crc32c(substr($log, $page * 8192 + 12, 2) . substr($special, 0, 28) . substr($special, 32));
	substr($log, $page * 8192 + 8152, 40) = $special;
	open my $out, '>:raw', $path or die "$path: $!";
	print $out $log;
	close $out;
	return;
}
write_special($files[0], 16, pack 'q', 1_000);     # the greatest time so far
write_special($files[1], 32, pack 'L', 1);         # the page that was the first to reach it
$node->start;
is(query(q{SELECT DISTINCT partition, problem FROM check_topic('times') ORDER BY 1}), join("\n",
	map { "$_|segment 0: page 4 is wrong about the greatest time so far" } 0, 1), 'pages that are wrong about times are reported');
$node->stop;
done_testing();
