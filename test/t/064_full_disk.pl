# The file system is full: in each step of an append, a spill, a compaction, retention, TRUNCATE, VACUUM and VACUUM FULL. Who needs a
# block gets 53100 and leaves nothing; who needs none is not kept from working; what is free in a file, however it came to be so, is used.
# Heap twins say what has to be in the logs. And with the server killed in the middle of it all.
#
# The small file system is a tmpfs, mounted in a namespace of our own; where the system does not allow that, a preloaded library
# (test/lib/full_disk.c). EVENTLOG_FULL_DISK=tmpfs or =preload: this one, or the test fails.
# EVENTLOG_FULL_DISK_ROUNDS: how often the server is killed (default 3; the full measure is 30).

use strict;
use warnings FATAL => 'all';

use File::Basename qw(dirname);
use File::Path qw(mkpath);

my $folder;

# A mount needs a namespace that the server is started in, so the test starts itself again in one.
BEGIN
{
	$folder = ($ENV{TESTDATADIR} || 'tmp_check') . '/full_disk';
	my $how = $ENV{EVENTLOG_FULL_DISK} || '';
	my @namespace = ('unshare', '--map-current-user', '--mount', '--keep-caps', 'sh', '-c', 'mount -t tmpfs -o size=48m tmpfs "$0" && exec "$@"', $folder);

	mkpath($folder);
	if (!$ENV{EVENTLOG_FULL_DISK_MOUNTED} && $how ne 'preload'
		&& ($how eq 'tmpfs' || system("@namespace[0 .. 5] 'mount -t tmpfs tmpfs $folder' >/dev/null 2>&1") == 0))
	{
		$ENV{EVENTLOG_FULL_DISK_MOUNTED} = 1;
		exec @namespace, $^X, (map { "-I$_" } @INC), $0 or die "unshare: $!";
	}
}

use lib dirname(__FILE__) . '/../lib';

use Cwd qw(abs_path);
use EventlogTest;
use PostgreSQL::Test::Utils;
use Test::More;
use IPC::Run ();
use Time::HiRes qw(time usleep);

$folder = abs_path($folder);
my $mounted = $ENV{EVENTLOG_FULL_DISK_MOUNTED};
my $left_file = abs_path($PostgreSQL::Test::Utils::tmp_check) . '/disk_left';
my $disk = 48 * 1024;

unless ($mounted)
{
	my $library = "$PostgreSQL::Test::Utils::tmp_check/full_disk.so";
	my $cc = $ENV{CC} || 'cc';
	if (system("$cc -shared -fPIC -O -o $library " . dirname(__FILE__) . "/../lib/full_disk.c -ldl >/dev/null 2>&1") != 0)
	{
		die 'no tmpfs, and no compiler for full_disk.c' if $ENV{EVENTLOG_FULL_DISK};
		plan(skip_all => 'neither a tmpfs in a namespace (unshare) nor a C compiler');
	}
	$ENV{EVENTLOG_DISK} = $folder;
	$ENV{EVENTLOG_DISK_LEFT} = $left_file;
	append_to_file($left_file, pack 'q', $disk * 1024);
	$ENV{LD_PRELOAD} = abs_path($library);
}
note('the full file system is ' . ($mounted ? 'a tmpfs' : 'test/lib/full_disk.c'));

# Leave so many kB on the file system.
sub leave
{
	my ($kb) = @_;
	unless ($mounted)
	{
		open my $left, '+<', $left_file or die "$left_file: $!";
		syswrite $left, pack 'q', $kb * 1024 or die $!;
		close $left;
		return;
	}
	my $filler = "$folder/filler";
	unlink $filler;
	return if $kb >= $disk;
	open my $out, '>:raw', $filler or die "$filler: $!";
	my $zeros = "\0" x 65536;
	1 while syswrite $out, $zeros;
	my $size = -s $out;
	truncate $out, $size > $kb * 1024 ? $size - $kb * 1024 : 0;
	close $out;
	return;
}

mkpath("$folder/space");
my $node = new_cluster('full', conf => <<'EOT');
autovacuum = off
max_wal_size = 2GB
eventlog.retention_check_interval = 1d
log_statement = none
EOT
delete $ENV{LD_PRELOAD} unless $ENV{EVENTLOG_DISK_LEFT};

sub query { return $node->safe_psql('postgres', $_[0]); }

# d loses its oldest events; c is compacted; e is truncated. What a transaction produces, it writes into a twin.
my $options = '"segment_bytes": 65536, "compression": "none", "retention": null, "max_event_bytes": 4000000';
query("CREATE TABLESPACE full_disk LOCATION '$folder/space'");
query(<<"EOT");
SET default_tablespace = full_disk;
SELECT create_topic('d', 1, 'bigint', 'text', '{$options}');
SELECT create_topic('c', 1, 'text', 'text', '{$options, "cleanup_policy": "compact", "delete_retention": "0 s"}');
SELECT create_topic('e', 1, 'bigint', 'text', '{$options}');
SET default_tablespace = '';
SELECT alter_topic('c', '{"retention": null}');
EOT
query(<<'EOT');
CREATE TABLE d_twin (n bigserial PRIMARY KEY, bytes int);
CREATE TABLE c_twin (key text PRIMARY KEY, value text);
CREATE TABLE e_twin (n bigserial PRIMARY KEY);

CREATE FUNCTION d_produce(events int, size int) RETURNS bigint LANGUAGE sql AS
	'WITH k AS (INSERT INTO d_twin (bytes) SELECT size FROM generate_series(1, events) RETURNING n)
	 SELECT count(produce(''d'', n, substr(repeat(md5(n::text), size / 32 + 1), 1, size))) FROM k';
CREATE FUNCTION c_produce(events int, size int) RETURNS bigint LANGUAGE sql AS
	'WITH k AS (INSERT INTO c_twin SELECT ''key '' || i % 20, substr(repeat(md5(random()::text), size / 32 + 1), 1, size)
			FROM generate_series(1, least(events, 20)) i
			ON CONFLICT (key) DO UPDATE SET value = excluded.value RETURNING *)
	 SELECT count(produce(''c'', key, value)) FROM k';
CREATE FUNCTION e_produce(events int, size int) RETURNS bigint LANGUAGE sql AS
	'WITH k AS (INSERT INTO e_twin SELECT FROM generate_series(1, events) RETURNING n)
	 SELECT count(produce(''e'', n, repeat(''e'', size))) FROM k';
CREATE FUNCTION d_keep(events int) RETURNS void LANGUAGE sql AS
	'SELECT delete_events_before(''d'', 0, greatest((SELECT max(event_offset) - events + 1 FROM d_p0), 0)); SELECT apply_retention(''d'')';

CREATE VIEW wrong AS
	SELECT 'd: event without twin' AS what, x::text AS which FROM (SELECT key FROM d EXCEPT SELECT n FROM d_twin) x
	UNION ALL SELECT 'd: twin without event', n::text FROM d_twin WHERE n >= (SELECT min(key) FROM d) AND n NOT IN (SELECT key FROM d)
	UNION ALL SELECT 'd: twice', key::text FROM d GROUP BY key HAVING count(*) > 1
	UNION ALL SELECT 'd: other value', key::text FROM d JOIN d_twin ON n = key WHERE value <> substr(repeat(md5(n::text), bytes / 32 + 1), 1, bytes)
	UNION ALL SELECT 'd: nothing left', '' WHERE NOT EXISTS (SELECT FROM d)
	UNION ALL SELECT 'c: latest without twin', md5(x::text) FROM (SELECT key, value #>> '{}' FROM latest('c') EXCEPT SELECT key, value FROM c_twin) x
	UNION ALL SELECT 'c: twin without latest', md5(x::text) FROM (SELECT key, value FROM c_twin EXCEPT SELECT key, value #>> '{}' FROM latest('c')) x
	UNION ALL SELECT 'e: event without twin', x::text FROM (SELECT key FROM e EXCEPT SELECT n FROM e_twin) x
	UNION ALL SELECT 'e: twin without event', x::text FROM (SELECT n FROM e_twin EXCEPT SELECT key FROM e) x
	UNION ALL SELECT format('check_topic(%s)', t), c::text FROM unnest('{d,c,e}'::regclass[]) t, check_topic(t) c;
EOT

sub sound
{
	my ($name) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	return is(query(q{SELECT format('%s (%s times): %s', what, count(*), min(which)) FROM wrong GROUP BY what}), '', "$name: logs and twins are the same");
}

# How it went: ok, full (53100), or something that must not be.
sub attempt
{
	my ($sql) = @_;
	my ($rc, $out, $err) = $node->psql('postgres', $sql, extra_params => [ '-v', 'VERBOSITY=verbose', '-v', 'ON_ERROR_STOP=1' ]);
	return 'ok' if $rc == 0;
	return 'full' if $err =~ /ERROR:  53100: /;
	return $err;
}

sub file_size { return query("SELECT pg_relation_size('$_[0]_p0')"); }
sub fill_disk { my ($topic) = @_; 1 while attempt("SELECT ${topic}_produce(4, 14000)") eq 'ok'; return; }

query('SELECT d_produce(1, 10); SELECT c_produce(1, 10); SELECT e_produce(1, 10)');

#
# What is free in a file is used, and nothing else needs a block
#
leave(4 * 1024 + 20);
fill_disk('d');
my $size = file_size('d');
sound('d has met a full disk');
is(attempt('SELECT d_produce(1, 60000)'), 'full', 'a transaction that needs a block gets 53100');
is(attempt('SELECT d_keep(3)'), 'ok', 'retention needs none');
is(attempt('VACUUM d'), 'ok', '... nor does VACUUM');
is(file_size('d'), $size, 'the file still ends with the tail');
is(attempt("SELECT d_produce(4, 14000) FROM generate_series(1, 40)"), 'ok', 'trimmed segments are used');
is(file_size('d'), $size, '... and nothing else');
is(attempt('SELECT d_produce(1, 500000)'), 'ok', 'also by a batch over several of them');
sound('what was free is used');
is(attempt('SELECT d_keep(3)'), 'ok', 'retention again');
cmp_ok(file_size('d'), '<', $size, '... cuts the file off, which is space for others');
is(attempt('SELECT e_produce(4, 14000)'), 'ok', '... which use it');
leave(0);
is(attempt('BEGIN; TRUNCATE e; TRUNCATE e_twin; COMMIT'), 'ok', 'TRUNCATE needs no block');
sound('cut off, and truncated');

# more segments than the entries of a directory page, 254, so that it needs another one, while the disk is full
query("SET default_tablespace = full_disk; SELECT create_topic('f', 1, 'bigint', 'text', '{$options}')");
sub segment_by_segment { return query("DO \$\$ BEGIN FOR i IN 1 .. $_[0] LOOP PERFORM produce('f', i, repeat('f', 55000)); COMMIT; $_[1] END LOOP; END \$\$"); }
leave(17 * 1024);
segment_by_segment(240, '');
query(q{SELECT delete_events_before('f', 0, 220)});
leave(0);
$size = file_size('f');
segment_by_segment(40, q{PERFORM delete_events_before('f', 0, (SELECT max(event_offset) - 4 FROM f_p0));});
is(file_size('f'), $size, 'a directory page takes a block that is free, too');
is(query(q{SELECT count(*), max(event_offset) FROM f}), '5|279', 'another directory page');
is(query(q{SELECT * FROM check_topic('f')}), '', '... in a log that is sound');
query('DROP TABLE f');
leave(8 * 1024);

# the segments that compaction has replaced
leave($disk);
query('SELECT c_produce(20, 14000) FROM generate_series(1, 8)');
leave(8);
is(attempt(q{SELECT apply_retention('c')}), 'full', 'a compaction without room for what survives gets 53100');
sound('compaction was refused');
leave(200);
is(attempt(q{SELECT apply_retention('c')}), 'full', '... half-way, too');
sound('compaction was refused half-way');
$size = file_size('c');
leave(0);
is(attempt('SELECT c_produce(4, 14000) FROM generate_series(1, 2)'), 'ok', 'what it had written to is used by appends');
is(file_size('c'), $size, '... which do not extend the file');
leave(2 * 1024);
is(attempt(q{SELECT apply_retention('c')}), 'ok', 'with room it works');
leave(0);
$size = file_size('c');
my $free = int($size / 65536) - 1 - query(q{SELECT segments FROM eventlog_partitions WHERE topic = 'c'::regclass});
cmp_ok($free, '>', 30, "it has replaced some segments: $free are free");
is(attempt("SELECT c_produce(4, 14000) FROM generate_series(1, $free - 10)"), 'ok', '... and used by appends');
is(attempt(q{SELECT apply_retention('c')}), 'ok', '... and by the next compaction');
cmp_ok(file_size('c'), '<=', $size, 'the file has not grown');
sound('compacted');

#
# Every step, with so many kB left
#
my %outcomes;
my %steps = (
	append => 'BEGIN; SELECT d_produce(3, 9000); SAVEPOINT s; SELECT d_produce(1, 100); ROLLBACK TO s; SELECT d_produce(1, 1000); COMMIT',
	large => 'SELECT d_produce(1, 300000)',
	spill => "SET temp_tablespaces = full_disk; SET eventlog.producer_buffer = '64kB'; BEGIN; SELECT d_produce(40, 8000); COMMIT",
	flush => 'BEGIN; SELECT e_produce(4, 8000); SELECT flush(); SELECT e_produce(4, 14000); COMMIT',
	twice => 'BEGIN; SELECT d_produce(4, 8000); SELECT c_produce(20, 14000); COMMIT',
	compact => q{SELECT apply_retention('c')},
	truncate => 'BEGIN; TRUNCATE e; TRUNCATE e_twin; SELECT e_produce(1, 10); COMMIT',
	empty => 'BEGIN; TRUNCATE e; TRUNCATE e_twin; COMMIT',
	vacuum_full => 'VACUUM FULL d, c, e',
	retain => 'SELECT d_keep(10)',
	vacuum => 'VACUUM d, c, e');
my @steps = ('append', 'large', 'spill', 'flush', 'twice', 'compact', 'truncate', 'empty', 'vacuum_full', 'retain', 'vacuum');
foreach my $kb (0, 8, 24, 64, 136, 400)
{
	my @wrong;
	foreach my $step (@steps)
	{
		leave($kb);
		my $outcome = attempt($steps{$step});
		$outcomes{$step}{$outcome}++;
		push @wrong, "$step: $outcome" if $outcome ne 'ok' && ($outcome ne 'full' || $step =~ /^(?:empty|retain|vacuum)$/);
	}
	is(join(', ', @wrong), '', "$kb kB left: each step works or gets 53100");
	sound("$kb kB left");
	leave($disk);
	is(join(', ', map { attempt($steps{$_}) } @steps), join(', ', ('ok') x @steps), 'with room each step works');
	query('SELECT c_produce(20, 14000) FROM generate_series(1, 2)');
}
note(join '; ', map { my $step = $_; "$step: " . join ' ', map { "$_ $outcomes{$step}{$_}" } sort keys %{ $outcomes{$step} } } @steps);
ok($outcomes{$_}{full}, "$_ has met a full disk") foreach 'spill', 'flush', 'twice', 'compact', 'vacuum_full';
sound('afterwards');

#
# Killed in the middle
#
srand($ENV{EVENTLOG_SEED} // 64);
my @work = (
	[ @steps{'append', 'large', 'spill', 'retain', 'vacuum'}, 'SELECT d_produce(1, 55000)', 'VACUUM FULL d', 'SELECT d_keep(100)' ],
	[ @steps{'compact', 'flush', 'truncate'}, 'SELECT c_produce(4, 14000)', 'SELECT c_produce(20, 1000)', 'VACUUM FULL c', 'VACUUM c' ]);
my $rounds = $ENV{EVENTLOG_FULL_DISK_ROUNDS} || 3;
my %seen;
foreach my $round (1 .. $rounds)
{
	my @sessions;
	foreach my $statements (@work)
	{
		my $name = "$PostgreSQL::Test::Utils::tmp_check/work_${round}_" . @sessions;
		append_to_file("$name.sql", "\\set VERBOSITY sqlstate\nSET client_min_messages = error;\n"
			  . join '', map { $statements->[ rand @$statements ] . ";\nROLLBACK;\n" } 1 .. 3000);
		push @sessions, { name => $name,
			run => IPC::Run::start([ 'psql', '-XAtq', '-d', $node->connstr('postgres'), '-f', "$name.sql" ], '<', '/dev/null', '>', '/dev/null', '2>', "$name.err") };
	}
	my $until = time + 1.5 + rand 1;
	while (time < $until)
	{
		leave((0, 8, 16, 64, 256, 1024, 4096)[ rand 7 ]);
		usleep(20_000 + int rand 60_000);
	}
	kill_cluster($node);
	foreach my $session (@sessions)
	{
		$session->{run}->finish;
		$seen{$_}++ foreach slurp_file("$session->{name}.err") =~ /(?:ERROR|FATAL|PANIC):  (\w+)/g;
	}

	# redo writes files that are gone by now, as it does for any table
	leave($disk);
	$node->start;
	sound("killed, round $round");
	leave(0);
	is(join(', ', map { attempt($_) } @steps{'retain', 'vacuum'}), 'ok, ok', '... and retention works on a full disk');
	leave($disk);
	is(join(', ', map { attempt($steps{$_}) } @steps), join(', ', ('ok') x @steps), '... and with room everything does');
}
note('errors: ' . join ', ', map { "$_ $seen{$_} times" } sort keys %seen);
ok(delete $seen{53100}, 'the disk was full');
# what follows it in its transaction, and, of the dying server
delete @seen{'25P02', '57P01'};
is(join(', ', sort keys %seen), '', 'there was no other error');
sound('in the end');
ok(!$node->log_contains('PANIC:|TRAP:'), 'no PANIC');
$node->stop;
done_testing();
