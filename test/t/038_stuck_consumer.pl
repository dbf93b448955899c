# A consumer that stays away too long loses its partitions, and nothing it did
# with them counts; one that only works long does not.  Timeouts are measured
# from outside, with conditions waited for.

use strict;
use warnings FATAL => 'all';

use File::Basename qw(dirname);
use lib dirname(__FILE__) . '/../lib';

use EventlogTest;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time);

# how long the honest worker works in one transaction
my $work = $ENV{EVENTLOG_LONG_WORK} // 60;

my $node = new_cluster('stuck', conf => "fsync = off\neventlog.terminate_stuck_consumers = off");

$node->safe_psql('postgres', <<'EOT');
SELECT create_topic('t', 4, 'text', 'text');
SELECT create_topic('long', 1, 'text', 'text');
CREATE TABLE done (key text, who text);
SELECT create_group('short', '{"max_poll_interval": "2 s"}');
SELECT create_group('long', '{"session_timeout": "5 s"}');
SELECT create_group('beats', '{"session_timeout": "2 s"}');
SELECT produce('t', 'k' || p, 'v', partition => p) FROM generate_series(0, 3) p;
SELECT produce('long', 'k', 'v');
EOT

# Fails with that code; the session goes on.
sub refused
{
	my ($session, $sql, $sqlstate, $name) = @_;
	my ($out) = $session->query("\\set VERBOSITY sqlstate\n$sql;\n\\set VERBOSITY default");
	my $err = $session->{stderr};
	$session->{stderr} = '';
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	like($err, qr/ERROR:  $sqlstate/, $name);
	return;
}

my $members = sub { return $node->safe_psql('postgres', "SELECT string_agg(member, ',' ORDER BY member) FROM eventlog_members WHERE group_name = '$_[0]'") };

#
# 60 s of work in one transaction with session_timeout 5 s: begins now, ends below
#
my $worker = $node->background_psql('postgres');
$worker->query_safe("SELECT join_group('long', '{long}', 'w')");
is($worker->query_safe("SELECT heartbeat('long', 'w')"), 'f', 'session_timeout applies from the first heartbeat on');
$worker->query_safe('BEGIN');
is($worker->query_safe("INSERT INTO done SELECT key, 'worker' FROM consume('long', 'long', member => 'w') RETURNING key"), 'k', 'a long piece of work begins');
my $began = time;
$worker->query_until(qr/working/, "\\echo working\nSELECT pg_sleep($work);\n");

#
# A pause longer than max_poll_interval inside an open transaction
#
my $away = $node->background_psql('postgres', on_error_stop => 0);
$away->query_safe('BEGIN');
my $key = $away->query_safe("INSERT INTO done SELECT key, 'away' FROM consume('short', 't', max_events => 1) RETURNING key");
my ($held) = $key =~ /^k(\d)$/ or die "consumed '$key'";
ok(wait_until(sub { return $members->('short') eq '' }), 'who is silent for longer than max_poll_interval is put out');

my $other = $node->background_psql('postgres', on_error_stop => 0);
my @others = grep { $_ != $held } 0 .. 3;
is($other->query_safe("SELECT string_agg(partition::text, ',' ORDER BY partition) FROM consume('short', 't', commit => true)"),
	join(',', @others), 'the new owner delivers the other partitions meanwhile');
is($other->query_safe("SELECT count(*) FROM consume('short', 't')"), '0', '... and not the one that the transaction holds');
is($node->safe_psql('postgres', "SELECT blocked_by_pid = " . session_pid($away) . " FROM eventlog_lag WHERE group_name = 'short' AND partition = $held"),
	't', '... which the view shows as blocked by it');
refused($away, "SELECT commit('short')", '40L01', 'who comes back cannot commit what was given to another');
$away->query('COMMIT');
is($node->safe_psql('postgres', "SELECT count(*) FROM done WHERE who = 'away'"), '0', 'and its work is rolled back');
is($other->query_safe("SELECT key FROM consume('short', 't', commit => true)"), $key, 'the new owner delivers the event once the transaction has ended');

# the same when commit() came before the pause: COMMIT itself fails
$node->safe_psql('postgres', "SELECT produce('t', 'l' || p, 'v', partition => p) FROM generate_series(0, 3) p");
$other->query_safe("SELECT leave_group('short')");
$away->query_safe('BEGIN');
$key = $away->query_safe("INSERT INTO done SELECT key, 'away' FROM consume('short', 't', max_events => 1) RETURNING key");
is($away->query_safe("SELECT commit('short')"), '1', 'commit() before the pause');
ok(wait_until(sub { return $members->('short') eq '' }), 'put out');
$other->query_safe("SELECT count(*) FROM consume('short', 't', commit => true)");
refused($away, 'COMMIT', '40L01', 'then COMMIT fails');
is($node->safe_psql('postgres', "SELECT count(*) FROM done WHERE who = 'away'"), '0', 'and the work is rolled back');
is($other->query_safe("SELECT key FROM consume('short', 't', commit => true)"), $key, 'the event comes again');
$_->quit foreach ($away, $other);

#
# Delivered in an earlier transaction, then put out: what was delivered since
# then from the same partition must not make commit() speak for the old events
#
$node->safe_psql('postgres', <<'EOT');
SELECT create_topic('one', 1, 'text', 'text');
SELECT create_group('short_one', '{"max_poll_interval": "2 s"}');
SELECT produce('one', 'k1', 'v');
EOT
my $late = $node->background_psql('postgres', on_error_stop => 0);
is($late->query_safe("SELECT key FROM consume('short_one', 'one')"), 'k1', 'delivered, not committed');
ok(wait_until(sub { return $members->('short_one') eq '' }), 'put out');
is($node->safe_psql('postgres', "SELECT key FROM consume('short_one', 'one', commit => true)"), 'k1', 'another does it');
$node->safe_psql('postgres', "SELECT produce('one', 'k2', 'v')");
is($late->query_safe("SELECT key FROM consume('short_one', 'one')"), 'k2', 'who was put out is given what comes next');
refused($late, "SELECT commit('short_one')", '40L01', '... but is told at commit() that it lost what it had');
is($late->query_safe("SELECT key FROM consume('short_one', 'one')"), 'k2', 'the next comes again');
is($late->query_safe("SELECT commit('short_one')"), '1', '... and is its to commit');
$late->quit;

#
# session_timeout: for who sends heartbeats, and only then
#
$node->safe_psql('postgres', "SELECT join_group('beats', '{t}', 'quiet')");
my $beats = $node->background_psql('postgres');
$beats->query_safe("SELECT join_group('beats', '{t}', 'w')");
foreach my $i (1 .. 4)
{
	# a condition that cannot come sooner: the time itself is what is tested
	my $until = time + 1;
	select(undef, undef, undef, 0.05) while time < $until;
	$beats->query_safe("SELECT heartbeat('beats', 'w')");
}
is($members->('beats'), 'quiet,w', 'heartbeats keep a member although it calls nothing');
my $last = time;
ok(wait_until(sub { return $members->('beats') eq 'quiet' }), 'without them it is put out after session_timeout');
cmp_ok(time - $last, '>=', 1.9, '... and not before');
cmp_ok(time - $last, '<', 10, '... nor long after');
$beats->quit;

#
# With terminate_stuck_consumers on, who holds a partition too long is ended: a
# member, one whose name another has taken, a claim
#
$node->append_conf('postgresql.conf', 'eventlog.terminate_stuck_consumers = on');
$node->reload;
foreach my $how ('member', 'replaced', 'claim')
{
	my $offset = -s $node->logfile;
	my $group = $how eq 'claim' ? 'short_claims' : 'short';
	$node->safe_psql('postgres', "SELECT create_group('$group', '{\"max_poll_interval\": \"2 s\"}', true)");
	$node->safe_psql('postgres', "SELECT produce('t', '$how', 'v', partition => 0)");
	my $session = $node->background_psql('postgres', on_error_stop => 0);
	my $pid = session_pid($session);
	$session->query_safe('BEGIN');
	$session->query_safe($how eq 'claim'
		? "SELECT count(*) FROM claim('$group', 't')"
		: "SELECT count(*) FROM consume('$group', 't', member => 'w')");
	my $until = time + 10;
	# somebody else under its name keeps the member alive: only the holder is stuck
	while ($how eq 'replaced' && time < $until
		&& $node->safe_psql('postgres', "SELECT count(*) FROM pg_stat_activity WHERE pid = $pid") eq '1')
	{
		$node->safe_psql('postgres', "SELECT join_group('$group', '{t}', 'w')");
		select(undef, undef, undef, 0.2);
	}
	ok($node->poll_query_until('postgres', "SELECT NOT EXISTS (SELECT FROM pg_stat_activity WHERE pid = $pid)"), "$how: terminated");
	my $log = slurp_file($node->logfile, $offset);
	is(scalar(() = $log =~ /terminating process $pid: /g), 1, "$how: logged, once");
	$node->safe_psql('postgres', "SELECT leave_group('$group', member) FROM eventlog_members WHERE group_name = '$group'");
	my $consume = $how eq 'claim' ? "claim('$group', 't')" : "consume('$group', 't', commit => true)";
	is($node->safe_psql('postgres', "SELECT count(*) FROM $consume WHERE key = '$how'"), '1', "$how: its event comes again");
	eval { $session->quit };
}

#
# The long work commits
#
$worker->query_safe('SELECT 1');
cmp_ok(time - $began, '>=', $work, "it worked for $work s");
is($members->('long'), 'w', 'it is still a member');
is($worker->query_safe("SELECT commit('long', 'w')"), '1', 'its offset is accepted');
$worker->query_safe('COMMIT');
is($node->safe_psql('postgres', "SELECT count(*) FROM done WHERE who = 'worker'"), '1', 'and the work is done');
is($node->safe_psql('postgres', "SELECT committed_offset FROM eventlog_lag WHERE group_name = 'long'"), '1', 'once');
# from its end on the heartbeats are missed again
ok(wait_until(sub { return $members->('long') eq '' }), 'and then session_timeout counts again');
$worker->quit;

$node->stop;
done_testing();
