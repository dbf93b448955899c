# Waiting costs next to nothing: no CPU time to speak of, no WAL, no snapshot; and
# neither waiting nor consuming writes a row of a table, and the topic of committed
# offsets stays short however much is committed.

use strict;
use warnings FATAL => 'all';

use File::Basename qw(dirname);
use lib dirname(__FILE__) . '/../lib';

use EventlogTest;
use IPC::Run ();
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time);

# how long is measured; 60 is what is promised, the share is the same
my $seconds = $ENV{EVENTLOG_WAIT_SECONDS} // 20;
my $waiters = 50;

my $node = new_cluster('waiting', conf => <<'EOT');
fsync = off
autovacuum = off
wal_level = minimal
max_wal_senders = 0
max_connections = 100
EOT
$node->safe_psql('postgres', <<'EOT');
SELECT create_topic('t', 100, 'text', 'text');
SELECT produce('t', 'k', 'v', partition => p) FROM generate_series(0, 99) p;
EOT

# CPU time of a process in seconds: exact where the kernel keeps it
sub cpu
{
	my ($pid) = @_;
	if (open(my $f, '<', "/proc/$pid/schedstat"))
	{
		return (split / /, <$f>)[0] / 1e9;
	}
	open(my $f, '<', "/proc/$pid/stat") or die "no process $pid";
	my @stat = split / /, (<$f> =~ s/^.*\) //r);
	return ($stat[11] + $stat[12]) / 100;
}

# a stretch of time is what is measured here, so nothing can be waited for
sub pass_time
{
	my $until = time + $_[0];
	select(undef, undef, undef, 0.2) while time < $until;
	return;
}

my $wal = sub { return $node->safe_psql('postgres', 'SELECT pg_current_wal_insert_lsn() - \'0/0\'') };
my @sessions;

sub start_waiter
{
	my ($sql) = @_;
	my $s = { in => "SELECT pg_backend_pid();\n$sql;\n", out => '', err => '' };
	$s->{run} = IPC::Run::start([ 'psql', '-XAtq', '-d', $node->connstr('postgres'), '-f', '-' ],
		'<', \$s->{in}, '>', \$s->{out}, '2>', \$s->{err});
	$s->{run}->pump until $s->{out} =~ /^(\d+)\n/;
	$s->{pid} = $1;
	push @sessions, $s;
	return;
}

# The same stretch without anybody, first.
$node->safe_psql('postgres', 'CHECKPOINT');
my $from = $wal->();
pass_time($seconds);
my $alone = $wal->() - $from;

foreach my $i (1 .. $waiters)
{
	start_waiter($i % 2
		? "SELECT count(*) FROM consume('g', 't', commit => true); CALL wait_for_events('g', '1 hour')"
		: "SELECT count(*) FROM consume('g', 't', 1000, wait => '0', commit => true); SELECT count(*) FROM consume('g', 't', wait => '1 hour')");
}
# the first ones had all partitions: what was left to do has been done
ok($node->poll_query_until('postgres', "SELECT count(*) = $waiters AND min(partitions) = 2 FROM eventlog_members WHERE state = 'waiting'"), "$waiters consumers wait");
$node->safe_psql('postgres', 'CHECKPOINT');

# What else the machine does, taking memory from idle processes for one, can only add: the least of up to three stretches counts.
my @pids = map { $_->{pid} } @sessions;
my ($spent, $moved);
foreach my $stretch (1 .. 3)
{
	my %before = map { $_ => cpu($_) } @pids;
	$from = $wal->();
	pass_time($seconds);
	my $sum = 0;
	$sum += cpu($_) - $before{$_} foreach @pids;
	my $wrote = $wal->() - $from;
	note(sprintf('%d waiters spent %.3f s of CPU time in %d s (%.2f %%); WAL moved %d bytes, %d without them', $waiters, $sum, $seconds, 100 * $sum / $seconds, $wrote, $alone));
	$spent = $sum if !defined $spent || $sum < $spent;
	$moved = $wrote if !defined $moved || $wrote > $moved;
	last if $spent <= $seconds * 0.01;
}
cmp_ok($spent, '<=', $seconds * 0.01, 'CPU time of all of them: at most 1 % of a core');
cmp_ok($moved, '<=', $alone, 'WAL moves no more than without them');
# A look that happens to run now has a snapshot, but a fresh one; nobody waits with an older one.
my $xid = $node->safe_psql('postgres', 'SELECT pg_current_xact_id()');
ok($node->poll_query_until('postgres',
		"SELECT count(*) = $waiters / 2 AND every(backend_xmin IS NULL OR age(backend_xmin) < age('$xid'::xid))"
	  . " FROM pg_stat_activity WHERE query ~ 'CALL wait_for_events' AND pid <> pg_backend_pid()"),
	'CALL wait_for_events holds no backend_xmin');
# and all of them hear
$node->safe_psql('postgres', "SELECT produce('t', 'k', 'again', partition => p) FROM generate_series(0, 99) p");
ok(wait_until(sub {
		foreach my $s (@sessions) { $s->{run}->pump_nb; }
		return !grep { $_->{out} !~ /\n(t|\d+)\n$/ || ($_->{out} =~ tr/\n//) < 3 } @sessions;
	}), 'one commit wakes all of them');
$_->{run}->kill_kill foreach @sessions;

#
# No row of a table is written
#
$node->safe_psql('postgres', "SELECT create_group('h')");
my $s = $node->background_psql('postgres');
my $rows = "SELECT pg_stat_force_next_flush(); SELECT relname, n_tup_ins, n_tup_upd, n_tup_del FROM pg_stat_all_tables WHERE schemaname IN ('_eventlog', 'pg_toast') ORDER BY relid";
my $rows_before = $s->query_safe($rows);
like($rows_before, qr/groups\|1\|0\|0/, 'the counts count');
$s->query_safe("SELECT join_group('h', '{t}', 'w')");
$s->query_safe("SELECT count(heartbeat('h', 'w')) FROM generate_series(1, 100)");
$s->query_safe("SELECT count(*) FROM consume('h', 't', max_events => 10, member => 'w')") foreach 1 .. 10;
$s->query_safe("SELECT commit('h', 'w')");
$s->query_safe("SELECT count(*) FROM consume('h2', 't', max_events => 10, commit => true)") foreach 1 .. 10;
$s->query_safe("SELECT seek('h', 't', 0, 0)");
$s->query_safe("CALL wait_for_events('h', '10 ms', 'w')");
$s->query_safe("SELECT leave_group('h', 'w')");
is($s->query_safe($rows), $rows_before, 'heartbeats, positions, waits and commits write no row');
cmp_ok($node->safe_psql('postgres', 'SELECT count(*) FROM _eventlog.committed_offsets'), '>', 10, '... but events');

#
# The topic of committed offsets under the heaviest load of commits
#
$node->safe_psql('postgres', <<'EOT');
SELECT create_topic('wide', 1000, 'text', 'text');
CREATE PROCEDURE commits(name text, n int) LANGUAGE plpgsql AS $$
BEGIN
	FOR i IN 1 .. n LOOP
		PERFORM reset_group(name, 'wide', 'earliest');
		COMMIT;
	END LOOP;
END $$;
EOT
$s->quit;
# two sessions, each with 1,000 offsets in a transaction, 75 kB of them
my @load = map { IPC::Run::start([ 'psql', '-XAtq', '-d', $node->connstr('postgres'), '-c', "CALL commits('g$_', 800)" ], '<', \undef) } 1 .. 2;
my ($max, $written) = (0, 0);
my $size = "SELECT pg_relation_size('_eventlog.committed_offsets_p0')";
while (grep { $_->pumpable } @load)
{
	my $now = $node->safe_psql('postgres', $size);
	$max = $now if $now > $max;
	eval { $_->pump_nb } foreach @load;	# it may have ended
}
$_->finish foreach @load;
my $last = $node->safe_psql('postgres', 'SELECT max(event_offset) FROM _eventlog.committed_offsets');
cmp_ok($last, '>', 1600 * 1000, 'many offsets were committed');
note(sprintf('%d offsets, some %d MB; the file had at most %.1f MB', $last, $last * 75 / 1e6, $max / 1048576));
# live entries: some 2,000 of 150 bytes.  A segment of them, one that is new, the one at the end and one for what compaction writes,
# and what is committed while it works
cmp_ok($max, '<=', 8 * 4 * 1048576 + 1048576, 'their file stays within a few segments');
is($node->safe_psql('postgres', "SELECT count(*), min(committed_offset), max(committed_offset) FROM eventlog_lag WHERE group_name IN ('g1', 'g2')"),
	'2000|0|0', 'and all that counts is there');

$node->stop;
done_testing();
