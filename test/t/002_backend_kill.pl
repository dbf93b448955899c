# Backends end in the middle of a large write: the log stays sound, and events
# of what was not committed are never seen.

use strict;
use warnings FATAL => 'all';

use File::Basename qw(dirname);
use lib dirname(__FILE__) . '/../lib';

use EventlogTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = new_cluster('backend_kill', conf => <<'EOT');
fsync = off
restart_after_crash = on
max_wal_size = 1GB
eventlog.producer_buffer = 1MB
EOT

$node->safe_psql('postgres', <<'EOT');
SELECT create_topic('bk', 2, 'text', 'text', '{"segment_bytes": 1048576, "compression": "none"}');
CREATE TABLE twin (key text);
CREATE TABLE big (key text, value text);
INSERT INTO big SELECT 'big' || i, repeat(md5(i::text), 20) FROM generate_series(1, 250000) i;
EOT
my $big = $node->data_dir . '/../big.csv';
$node->safe_psql('postgres', "COPY big TO '$big' (FORMAT csv)");

my $log_end = "SELECT sum(log_end_offset) FROM eventlog_partitions WHERE topic = 'bk'::regclass";

# Runs the statement in a session, waits until it has appended something, ends
# the backend, and counts if that was in time.
my ($kills, $in_time) = (0, 0);
sub kill_amid
{
	my ($write, $how, $append_first) = @_;
	my $before = $node->safe_psql('postgres', $log_end);
	my $session = $node->background_psql('postgres', on_error_stop => 0);
	my $pid = session_pid($session);

	$session->query_safe('BEGIN');
	# should the end come too late, and the transaction commit, these are its events
	$session->query_safe('INSERT INTO twin SELECT key FROM big');
	$session->query_until(qr/started/, "\\echo started\n$write;\n\\echo finished\n");
	if ($append_first)
	{
		$node->poll_query_until('postgres', "SELECT ($log_end) > $before")
		  or die 'nothing is appended';
	}
	else
	{
		# not appended yet: the events are in its buffer
		$node->poll_query_until('postgres', "SELECT EXISTS (SELECT FROM pg_ls_tmpdir())")
		  or die 'no temporary file appears';
	}
	$how->($pid);
	$node->poll_query_until('postgres', "SELECT NOT EXISTS (SELECT FROM pg_stat_activity WHERE pid = $pid)")
	  or die 'the backend lives';
	eval { $session->quit };
	$kills++;
	$in_time++ unless $session->{stdout} =~ /finished/;
	return;
}

sub check_log
{
	my ($name) = @_;
	# the next transaction goes on behind
	$node->safe_psql('postgres', "BEGIN; INSERT INTO twin VALUES ('$name'); SELECT produce('bk', '$name', ''); COMMIT");
	my $twin = $node->safe_psql('postgres', 'SELECT string_agg(key, \',\' ORDER BY key) FROM twin');
	foreach my $from ("bk", "read_topic('bk', max_events => 1000000)")
	{
		is($node->safe_psql('postgres', "SELECT string_agg(key, ',' ORDER BY key) FROM $from"), $twin, "$name: $from is the twin");
	}
	is($node->safe_psql('postgres', "SELECT * FROM check_topic('bk')"), '', "$name: sound");
	is($node->safe_psql('postgres', "SELECT count(*) FROM pg_ls_tmpdir()"), '0', "$name: no temporary file left");
	is($node->safe_psql('postgres', "SELECT count(*) FROM pg_locks JOIN pg_stat_activity USING (pid) WHERE backend_type = 'client backend' AND pid <> pg_backend_pid() AND relation::regclass::text LIKE 'bk%'"),
		'0', "$name: no lock left");
	return;
}

my $terminate = sub { $node->safe_psql('postgres', "SELECT pg_terminate_backend($_[0])") };
my $cancel = sub
{
	$node->safe_psql('postgres', "SELECT pg_cancel_backend($_[0])");
	$terminate->($_[0]);
};
my $produce = "SELECT count(produce('bk', key, value)) FROM big";
my $loop = 'CROSS JOIN generate_series(1, 50)';

kill_amid("$produce $loop", $terminate, 0);
check_log('produce');

kill_amid("COPY bk (key, value) FROM PROGRAM 'while true; do cat $big; done' (FORMAT csv)", $terminate, 0);
check_log('COPY');

kill_amid("$produce; COMMIT", $terminate, 1);
check_log('COMMIT');

kill_amid("$produce; COMMIT", $cancel, 1);
check_log('COMMIT cancelled');

kill_amid("$produce; SELECT count(*) FROM flush()", $terminate, 1);
check_log('flush');

kill_amid("INSERT INTO bk (key, value) SELECT key, value FROM big $loop RETURNING event_offset IS NULL", $terminate, 1);
check_log('INSERT RETURNING');

kill_amid("$produce; PREPARE TRANSACTION 'bk'", $terminate, 1);
# all of it if the end came too late, else nothing
$node->safe_psql('postgres', $_) foreach split /\n/, $node->safe_psql('postgres', "SELECT format('COMMIT PREPARED %L', gid) FROM pg_prepared_xacts");
is($node->safe_psql('postgres', 'SELECT count(*) FROM pg_prepared_xacts'), '0', 'nothing stays prepared');
check_log('PREPARE');

# killed the hard way: all sessions end, the server recovers by itself
kill_amid(
	"$produce; COMMIT",
	sub {
		my ($pid) = @_;
		kill 'KILL', $pid;
		wait_until(sub { !kill 0, $pid }) or die 'the postmaster has not noticed';
		# not by a query: psql gives up before it has read it, and its end of the pipe is broken
		wait_until(sub { run_log([ 'pg_isready', '-q', '-h', $node->host, '-p', $node->port ]) }) or die 'no recovery';
	},
	1);
check_log('kill -9');

cmp_ok($in_time, '>=', $kills - 2, "$in_time of $kills came in the middle of it");

$node->safe_psql('postgres', 'VACUUM bk');
is($node->safe_psql('postgres', "SELECT * FROM check_topic('bk')"), '', 'sound after VACUUM');
is( $node->safe_psql('postgres', "SELECT string_agg(key, ',' ORDER BY key) FROM read_topic('bk', max_events => 1000000)"),
	$node->safe_psql('postgres', "SELECT string_agg(key, ',' ORDER BY key) FROM twin"),
	'the same after VACUUM');
ok(!$node->log_contains('PANIC:|TRAP:|signal 11|signal 6'), 'no crash');

$node->stop;
done_testing();
