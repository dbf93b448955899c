# The background workers: the coordinator survives what it can meet, keeps the
# topic of committed offsets short, and is not needed for anything but that.

use strict;
use warnings FATAL => 'all';

use File::Basename qw(dirname);
use lib dirname(__FILE__) . '/../lib';

use EventlogTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = new_cluster('worker', conf => <<'EOT');
fsync = off
log_statement = none
autovacuum = off
max_logical_replication_workers = 0
log_line_prefix = '%m [%p] %b '
eventlog.retention_check_interval = 1s
EOT

# small segments for the committed offsets, so that filling them does not take long
my $offsets = '_eventlog.committed_offsets';
$node->safe_psql('postgres', "SELECT alter_topic('$offsets', '{\"segment_bytes\": 65536}')");

my $coordinator = "SELECT pid FROM pg_stat_activity WHERE backend_type = 'eventlog coordinator'";

# restarts
foreach my $signal ('TERM', 'TERM', 'INT', 'HUP')
{
	my $pid = $node->safe_psql('postgres', $coordinator);
	like($pid, qr/^\d+$/, 'the coordinator runs');
	if ($signal eq 'TERM')
	{
		$node->safe_psql('postgres', "SELECT pg_terminate_backend($pid)");
		ok($node->poll_query_until('postgres', "SELECT EXISTS (SELECT FROM ($coordinator) x WHERE pid <> $pid)"), 'terminated, it comes back');
	}
	else
	{
		kill $signal, $pid;
		$node->safe_psql('postgres', 'SELECT pg_reload_conf()');
		ok($node->poll_query_until('postgres', "SELECT count(*) = 1 FROM ($coordinator) x"), "SIG$signal does not matter");
	}
}

# members are expired by it, also after a restart
$node->safe_psql('postgres', <<'EOT');
SELECT create_topic('t', 2, 'text', 'text');
SELECT create_group('short', '{"max_poll_interval": "1 s"}');
EOT
my $silent = $node->background_psql('postgres', on_error_stop => 0);
$silent->query_safe("SELECT count(*) FROM consume('short', 't')");
is($node->safe_psql('postgres', "SELECT count(*) FROM eventlog_members WHERE group_name = 'short'"), '1', 'a member joins');
ok($node->poll_query_until('postgres', "SELECT count(*) = 0 FROM eventlog_members WHERE group_name = 'short'"), '... and, silent, is taken out');

# a transaction that holds its partition too long is ended
$node->safe_psql('postgres', "SELECT produce('t', 'k', '', partition => 0)");
$silent->query_safe("BEGIN; SELECT count(*) FROM consume('short', 't')");
my $offset = -s $node->logfile;
$node->wait_for_log(qr/terminating process \d+: member .* of group "short" has held partitions longer than max_poll_interval/, $offset);
ok($node->poll_query_until('postgres', "SELECT NOT EXISTS (SELECT FROM pg_stat_activity WHERE state = 'idle in transaction')"), 'a consumer that is stuck is terminated');
is($node->safe_psql('postgres', "SELECT count(*) FROM consume('short', 't', commit => true)"), '1', '... and its event comes again');
eval { $silent->quit };

# databases can be dropped and made templates beside it
$node->safe_psql('postgres', 'CREATE DATABASE d');
$node->safe_psql('d', "CREATE EXTENSION eventlog; SELECT create_topic('t'); SELECT count(*) FROM consume('g', 't')");
$node->safe_psql('postgres', 'CREATE DATABASE d2 TEMPLATE d');
$node->safe_psql('postgres', 'DROP DATABASE d');
is($node->safe_psql('d2', "SELECT count(*) FROM consume('g', 't')"), '0', 'CREATE DATABASE ... TEMPLATE and DROP DATABASE');

# the topic of committed offsets stays short, whatever is committed
$node->safe_psql('postgres', <<'EOT');
SELECT create_topic('many', 200, 'text', 'text');
SELECT count(produce('many', NULL, '', partition => p)) FROM generate_series(0, 199) p;
SELECT count(*) FROM claim('once', 'many', 100000);
SELECT create_group('dropped');
SELECT count(*) FROM claim('dropped', 'many', 10);
SELECT drop_group('dropped');
CREATE PROCEDURE commits(n int) LANGUAGE plpgsql AS $$
BEGIN
	FOR i IN 1..n LOOP
		PERFORM count(produce('many', NULL, '', partition => p)) FROM generate_series(0, 199) p;
		COMMIT;
		PERFORM count(*) FROM claim('often', 'many', 100000);
		COMMIT;
	END LOOP;
END $$;
EOT
my $ends = sub { return split /\|/, $node->safe_psql('postgres', "SELECT min(event_offset), max(event_offset), pg_relation_size('${offsets}_p0') FROM $offsets") };
my $committed = "SELECT group_name, topic, partition, committed_offset FROM eventlog_lag ORDER BY 1, 2::text, 3";

# a snapshot from before: pg_dump, say
my $old = $node->background_psql('postgres');
my $seen = "SELECT count(*), md5(string_agg(o::text, ',' ORDER BY event_offset)) FROM $offsets o";
$old->query_safe('BEGIN ISOLATION LEVEL REPEATABLE READ');
my $before = $old->query_safe($seen);
my ($first) = $ends->();
$node->safe_psql('postgres', 'CALL commits(30)');
my $now = $node->safe_psql('postgres', $committed);

# it is tried, by itself, when it is due; nothing may go yet
ok(wait_until(sub { $node->safe_psql('postgres', "SELECT count(*) > 0 FROM pg_stat_activity WHERE backend_type = 'eventlog maintenance'") eq 't' }),
	'maintenance comes by');
is(($ends->())[0], $first, 'a snapshot from before keeps what it sees');
is($old->query_safe($seen), $before, '... and sees what it saw');
is($node->safe_psql('postgres', $committed), $now, 'committed offsets are what they were');
$old->query_safe('COMMIT');
$old->quit;
my $few = "SELECT count(*) < 3000 FROM $offsets";
ok($node->poll_query_until('postgres', $few), 'then it is compacted');
is($node->safe_psql('postgres', $committed), $now, 'committed offsets are what they were');
is($node->safe_psql('postgres', "SELECT * FROM check_topic('$offsets')"), '', 'sound');

# the cache is rebuilt from what is left
$node->stop('immediate');
$node->start;
is($node->safe_psql('postgres', $committed), $now, '... also after a crash');
is($node->safe_psql('postgres', "SELECT count(*) FROM claim('once', 'many', 100000) WHERE event_offset = 0"), '0', 'a group that committed long ago goes on where it was');
is($node->safe_psql('postgres', "SELECT count(*) FROM eventlog_lag WHERE group_name = 'dropped'"), '0', 'a dropped group stays dropped');
my $size = ($ends->())[2];
foreach my $i (1 .. 6)
{
	$node->safe_psql('postgres', 'CALL commits(15)');
	ok($node->poll_query_until('postgres', $few), "compacted again ($i)");
}
cmp_ok(($ends->())[2], '<=', 2 * $size, 'and its file does not grow for ever');
is($node->safe_psql('postgres', "SELECT * FROM check_topic('$offsets')"), '', 'sound');

# no room for workers: everything that a client does works
foreach my $workers (0, 1)
{
	$node->append_conf('postgresql.conf', "max_worker_processes = $workers");
	$node->restart;
	is($node->safe_psql('postgres', "SELECT count(*) FROM ($coordinator) x"), $workers, "max_worker_processes = $workers: $workers coordinator");
	$node->safe_psql('postgres', "SELECT produce('t', 'k$workers', '', partition => p) FROM generate_series(0, 1) p");
	my $one = $node->background_psql('postgres');
	is($one->query_safe("SELECT string_agg(key, ',') FROM consume('without$workers', 't', commit => true) WHERE key ~ 'k$workers'"), "k$workers,k$workers", 'consume');
	my $two = $node->background_psql('postgres');
	ok(wait_until(sub {
			$_->query_safe("SELECT count(*) FROM consume('without$workers', 't', commit => true)") foreach ($one, $two);
			return $node->safe_psql('postgres', "SELECT string_agg(partitions::text, ',') FROM eventlog_members WHERE group_name = 'without$workers'") eq '1,1';
		}), 'two members share');
	$one->quit;
	$node->safe_psql('postgres', "SELECT produce('t', 'l$workers', '', partition => p) FROM generate_series(0, 1) p");
	my $got = 0;
	ok(wait_until(sub { $got += $two->query_safe("SELECT count(*) FROM consume('without$workers', 't', commit => true)"); return $got == 2 }),
		'one takes over from the other');
	$two->quit;
	is($node->safe_psql('postgres', "SELECT count(*) > 0 FROM claim('claims$workers', 't')"), 't', 'claim');
	is(events($node, 't') ne '', 1, 'read');
}
$node->append_conf('postgresql.conf', 'max_worker_processes = 8');
$node->restart;
is($node->safe_psql('postgres', "SELECT count(*) FROM ($coordinator) x"), '1', 'with room, it is there again');

# SIGKILL: the server recovers, and the coordinator with it
$node->append_conf('postgresql.conf', 'restart_after_crash = on');
$node->restart;
my $pid = $node->safe_psql('postgres', $coordinator);
kill 'KILL', $pid;
ok(wait_until(sub {
		my ($rc, $new) = $node->psql('postgres', $coordinator);
		return $rc == 0 && $new =~ /^\d+$/ && $new ne $pid;
	}), 'killed, the server recovers and starts it again');

my $log = slurp_file($node->logfile);
unlike($log, qr/PANIC|TRAP|signal 11|signal 6/, 'nothing fell by itself');
# SIGINT is an error like any other, after which the coordinator starts again; and a database may be dropped while a
# worker for it is on its way
my @errors = grep { /eventlog (coordinator|maintenance) (ERROR|FATAL)/ && !/terminating (connection|background worker)|due to user request|FATAL:  database \d+ does not exist/ } split /\n/, $log;
is(join("\n", @errors), '', 'the workers have met no error');

$node->stop;
done_testing();
