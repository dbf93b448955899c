# A base backup taken under load and recovered to any point in time is one
# consistent state: the events are those of the twin table, committed offsets
# and what the consumers wrote belong together, all that was acknowledged before
# the point is there and nothing that began after it, and life goes on.

use strict;
use warnings FATAL => 'all';

use File::Basename qw(dirname);
use lib dirname(__FILE__) . '/../lib';

use EventlogTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(clock_gettime CLOCK_MONOTONIC);

need_python();

my $primary = new_cluster('primary', init => [ has_archiving => 1, allows_streaming => 1 ], conf => <<'EOT');
wal_consistency_checking = 'eventlog'
EOT
create_load_tables($primary, options => '{"segment_bytes": 65536}');

sub now { return clock_gettime(CLOCK_MONOTONIC); }

sub acknowledged
{
	my ($load) = @_;
	$load->{run}->pump_nb;
	my @seen = $load->{stdout} =~ /^acknowledged (\d+)$/mg;
	return $seen[-1] // 0;
}

# Ends the clients, not the server.
sub end_load
{
	my ($node, $load) = @_;
	$node->safe_psql('postgres', "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()");
	return finish_load($load);
}

# The load and, in its middle, the backup and the points
my $load = start_load($primary, round => 1, producers => 4, prepared => 1);
wait_for_load($load, 200);

my %backup = (name => 'the end of the backup', conf => "recovery_target = 'immediate'", after => now());
my $before = acknowledged($load);
$primary->backup('base', backup_options => ['--max-rate=20M']);
$backup{before} = now();
my $during = acknowledged($load) - $before;
cmp_ok($during, '>=', 50, "$during transactions were acknowledged while the backup was taken");

# Each: what is asked for, and the times (of this machine) before and after which it lies
my @points = (\%backup);
sub point
{
	my ($name, $sql, $conf) = @_;
	my $after = now();
	my $target = $primary->safe_psql('postgres', $sql);
	$conf =~ s/%s/$target/;
	push @points, { name => $name, conf => $conf, after => $after, before => now() };
	wait_for_load($load, acknowledged($load) + 100);
	return;
}
wait_for_load($load, acknowledged($load) + 50);
point('a restore point', "SELECT pg_create_restore_point('one')", "recovery_target_name = 'one'");
point('a place in WAL', 'SELECT pg_current_wal_insert_lsn()', "recovery_target_lsn = '%s'");
point('a time', 'SELECT clock_timestamp()', "recovery_target_time = '%s'");
# ... at which a transaction has appended that commits later
my $open = $primary->background_psql('postgres');
$open->query_safe(<<'EOT');
BEGIN;
INSERT INTO twin VALUES ('1.open.0.0', 'load', md5('{"id": "1.open.0.0"}'));
SELECT produce('load', 'open', '{"id": "1.open.0.0"}');
SELECT flush();
EOT
point('a restore point within a transaction', "SELECT pg_create_restore_point('two')", "recovery_target_name = 'two'");
$open->query_safe('COMMIT');
$open->quit;
wait_for_load($load, acknowledged($load) + 300);
my $all = end_load($primary, $load);
note("$all->{ok} acknowledged, $all->{fail} failed, $all->{info} in flight");
push @points, { name => 'the end of the archive', conf => '', after => now(), before => now() };

is(check_load($primary, $load), '', 'the primary itself');
my $end = $primary->safe_psql('postgres', "SELECT count(*) FROM twin");
# everything is archived
my $last = $primary->safe_psql('postgres', 'SELECT pg_walfile_name(pg_switch_wal())');
$primary->poll_query_until('postgres', "SELECT last_archived_wal >= '$last' FROM pg_stat_archiver")
  or die 'the archiver does not come to an end';

# What the clients of the primary know.
sub check_point
{
	my ($node, $point) = @_;
	$node->safe_psql('postgres', 'CREATE TABLE known (LIKE history)');
	$node->safe_psql('postgres', "\\copy known from '$load->{history}'");
	return $node->safe_psql('postgres', <<"EOT");
CREATE TEMP TABLE k AS
	SELECT known.*, coalesce(rows, 0) AS rows
	FROM known LEFT JOIN (SELECT regexp_replace(id, '[.]\\d+\$', '') AS tx, count(*) AS rows FROM twin GROUP BY 1) t ON tx = format('%s.%s.%s', round, client, seq);
SELECT 'acknowledged before, but not there', k FROM k WHERE outcome = 'ok' AND ended < '$point->{after}' AND rows <> events
UNION ALL
SELECT 'began after, but there', k FROM k WHERE began > '$point->{before}' AND rows > 0
UNION ALL
SELECT 'failed, but there', k FROM k WHERE outcome = 'fail' AND rows > 0
UNION ALL
SELECT 'torn', k FROM k WHERE rows NOT IN (0, events);
EOT
}

# What a group has committed and what it has done are the same.
my $committed = <<'EOT';
SELECT 'committed beyond the log end', l::text FROM eventlog_lag l WHERE committed_offset > log_end_offset
UNION ALL
SELECT 'done, but not committed, or the other way round', x::text
FROM (SELECT topic, partition, event_offset FROM done) d
	 FULL JOIN (SELECT topic, partition, event_offset FROM events JOIN eventlog_lag USING (topic, partition) WHERE group_name = 'load' AND event_offset < committed_offset) x
	 USING (topic, partition, event_offset)
WHERE d IS NULL OR x IS NULL
EOT

my $round = 1;
sub recovered
{
	my ($node, $point) = @_;
	my $name = $point->{name};

	$node->poll_query_until('postgres', 'SELECT NOT pg_is_in_recovery()') or die "$name: not promoted";
	ok(!$node->log_contains('PANIC:|FATAL:  inconsistent page found'), "$name: no inconsistent page");
	is($node->safe_psql('postgres', $committed), '', "$name: what is committed is what was done");
	is(check_load($node), '', "$name: the events are those of the twin");
	is(check_point($node, $point), '', "$name: what was acknowledged before it is there, what began after it is not");
	my $events = $node->safe_psql('postgres', 'SELECT count(*) FROM events');

	# life goes on
	$round++;
	my $more = start_load($node, round => $round, producers => 3);
	wait_for_load($more, 50);
	end_load($node, $more);
	is(check_load($node, $more), '', "$name: producers and consumers go on");
	is($node->safe_psql('postgres', $committed), '', "$name: ... and what they commit is what they do");
	$node->stop;
	return $events;
}

my $earlier = 0;
foreach my $i (0 .. $#points)
{
	my $node = PostgreSQL::Test::Cluster->new("point$i");
	$node->init_from_backup($primary, 'base', has_restoring => 1, standby => 0);
	# the timeline of this copy is nobody else's business
	$node->append_conf('postgresql.conf', "archive_mode = off\nrecovery_target_timeline = 'current'\nrecovery_target_action = 'promote'\n$points[$i]{conf}");
	$node->start;
	my $events = recovered($node, $points[$i]);
	note("$points[$i]{name}: $events events of $end");
	cmp_ok($events, '>', $earlier, "$points[$i]{name}: later than the one before");
	$earlier = $events;
}
# the transactions that were in doubt have been decided by check_load there too
is($earlier, $end, 'the end of the archive has it all');

# The backup alone, with the WAL that came with it
my $alone = PostgreSQL::Test::Cluster->new('alone');
$alone->init_from_backup($primary, 'base');
$alone->append_conf('postgresql.conf', 'archive_mode = off');
$alone->start;
my $events = recovered($alone, { %backup, name => 'the backup alone', before => 'infinity' });
cmp_ok($events, '>', 0, "the backup alone has $events events");

$primary->stop;
done_testing();
