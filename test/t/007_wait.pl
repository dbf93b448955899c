# Waiting: consume(wait => ...) and CALL wait_for_events() sleep until what
# they wait for is committed, and are woken by it at once; nothing is held
# meanwhile.

use strict;
use warnings FATAL => 'all';

use File::Basename qw(dirname);
use lib dirname(__FILE__) . '/../lib';

use EventlogTest;
use IPC::Run ();
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time);

my $node = new_cluster('wait', conf => "fsync = off\nlog_statement = none");

$node->safe_psql('postgres', <<'EOT');
SELECT create_topic('w', 2, 'text', 'text');
SELECT create_topic('other', 1, 'text', 'text');
EOT

my $waiter = $node->background_psql('postgres', on_error_stop => 0);
my $pid = session_pid($waiter);

# The waiter sleeps.
sub asleep
{
	my ($which) = @_;
	$which //= $pid;
	$node->poll_query_until('postgres',
		"SELECT wait_event_type = 'Extension' FROM pg_stat_activity WHERE pid = $which AND state = 'active' AND query ~ 'wait'")
	  or die 'it does not wait';
	return;
}

my $number = 0;

# Starts a statement in the waiter; its output ends up in a call of answer().
sub ask
{
	my ($sql, $session) = @_;
	$session //= $waiter;
	$number++;
	$session->{stdin} .= "$sql;\n\\echo answered $number\n\\warn answered $number\n";
	$session->{run}->pump_nb while length $session->{stdin};
	return;
}

sub answer
{
	my ($session) = @_;
	$session //= $waiter;
	pump_until($session->{run}, $session->{timeout}, \$session->{stdout}, qr/answered $number\n/);
	pump_until($session->{run}, $session->{timeout}, \$session->{stderr}, qr/answered $number\n/);
	my $out = $session->{stdout} . $session->{stderr};
	$session->{stdout} = $session->{stderr} = '';
	$out =~ s/answered \d+\n//g;
	chomp $out;
	return $out;
}

# What ends a wait does so at once: of several tries the median has to be well
# below the second after which a waiter looks again by itself.
sub woken
{
	my ($name, $wait, $expected, $before, $wake, $after) = @_;
	my @took;
	my $got;
	foreach my $try (1 .. 5)
	{
		$before->() if $before;
		ask($wait);
		asleep();
		my $began = time;
		$wake->();
		$got = answer();
		push @took, time - $began;
		$after->() if $after;
		last if $got !~ /^$expected$/;
	}
	like($got, qr/^$expected$/, "$name: the wait ends");
	my $median = (sort { $a <=> $b } @took)[ $#took / 2 ];
	cmp_ok($median, '<', 0.5, sprintf('%s: at once (%.3f s)', $name, $median));
	return;
}

my $writer = $node->background_psql('postgres');
my $consume = "SELECT key FROM consume('g', 'w', wait => '50 s', commit => true)";
my $call = "CALL wait_for_events('g', '50 s')";

# commit, by each kind of writer
woken('commit', $consume, 'k', undef, sub { $writer->query_safe("SELECT produce('w', 'k', '')") });
woken('INSERT', $consume, 'k', undef, sub { $writer->query_safe("INSERT INTO w (key, value) VALUES ('k', '')") });
woken('COMMIT', $consume, 'k',
	sub { $writer->query_safe("BEGIN; SELECT produce('w', 'k', '')") },
	sub { $writer->query_safe('COMMIT') });
woken('COMMIT after flush', $consume, 'k',
	sub { $writer->query_safe("BEGIN; SELECT produce('w', 'k', ''); SELECT flush()") },
	sub { $writer->query_safe('COMMIT') });
woken('CALL', $call, 't',
	sub {
		ask("SELECT count(*) FROM consume('g', 'w', commit => true)");
		answer();
	},
	sub { $writer->query_safe("SELECT produce('w', 'k', '')") });
is($node->safe_psql('postgres', "SELECT count(*) FROM read_topic('w') WHERE key = 'k'"), '25', 'all of them were produced');
ask($call);
is(answer(), 't', 'CALL returns at once if there is something');
ask("SELECT count(*) FROM consume('g', 'w', commit => true)");
is(answer(), '1', '... and consumes nothing');

# a stop that ends with ROLLBACK lets through what is behind it
woken('ROLLBACK of what readers stopped at', $consume, 'behind',
	sub {
		$writer->query_safe("BEGIN; SELECT produce('w', 'gone', '', partition => 0); SELECT flush()");
		$node->safe_psql('postgres', "SELECT produce('w', 'behind', '', partition => 0)");
	},
	sub { $writer->query_safe('ROLLBACK') });
woken('ROLLBACK TO SAVEPOINT', $consume, 'behind',
	sub {
		$writer->query_safe("BEGIN; SAVEPOINT s; SELECT produce('w', 'gone', '', partition => 0); SELECT flush()");
		$node->safe_psql('postgres', "SELECT produce('w', 'behind', '', partition => 0)");
	},
	sub { $writer->query_safe('ROLLBACK TO s') },
	sub { $writer->query_safe('ROLLBACK') });
woken('COMMIT PREPARED', $consume, 'prepared',
	sub { $node->safe_psql('postgres', "BEGIN; SELECT produce('w', 'prepared', ''); PREPARE TRANSACTION 'p'") },
	sub { $writer->query_safe("COMMIT PREPARED 'p'") });
woken('ROLLBACK PREPARED', $consume, 'behind',
	sub {
		$node->safe_psql('postgres', "BEGIN; SELECT produce('w', 'gone', '', partition => 0); PREPARE TRANSACTION 'p'");
		$node->safe_psql('postgres', "SELECT produce('w', 'behind', '', partition => 0)");
	},
	sub { $writer->query_safe("ROLLBACK PREPARED 'p'") });
woken('the writer is terminated', $consume, 'behind',
	sub {
		$writer->reconnect_and_clear;
		$writer->query_safe("BEGIN; SELECT produce('w', 'gone', '', partition => 0); SELECT flush()");
		$node->safe_psql('postgres', "SELECT produce('w', 'behind', '', partition => 0)");
	},
	sub {
		$node->safe_psql('postgres', "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE state = 'idle in transaction'");
	});
$writer->reconnect_and_clear;

# in a transaction block too, with what it needs to see
ask("BEGIN;\nSELECT key, (SELECT count(*) FROM pg_class WHERE relname = 'made_later') FROM consume('g', 'w', wait => '50 s', commit => true);\nCOMMIT");
asleep();
$writer->query_safe("BEGIN; CREATE TABLE made_later (); SELECT produce('w', 'k', ''); COMMIT");
like(answer(), qr/^k\|/, 'in a transaction block');

# a claim's group waits for the topics it has claimed from; a partition in
# another's hands becomes free
$node->safe_psql('postgres', "SELECT * FROM claim('claims', 'w', 1000)");
woken('CALL for claims', "CALL wait_for_events('claims', '50 s')", 't',
	sub { $node->safe_psql('postgres', "SELECT * FROM claim('claims', 'w', 1000)") },
	sub { $writer->query_safe("SELECT produce('w', 'k', '')") });
woken('a claimed partition becomes free', "CALL wait_for_events('claims', '50 s')", 't',
	sub {
		$node->safe_psql('postgres', "SELECT produce('w', 'k', '')");
		$writer->query_safe("BEGIN; SELECT * FROM claim('claims', 'w', 1000)");
	},
	sub { $writer->query_safe('ROLLBACK') });

# a member's partition becomes free when its owner's session ends
my $owner;
ask("DISCARD ALL");
answer();
woken('the owner\'s session ends', "SELECT count(*) > 0 FROM consume('shared', 'w', wait => '50 s')", 't',
	sub {
		ask("DISCARD ALL");
		answer();
		$owner = $node->background_psql('postgres');
		$owner->query_safe("SELECT count(*) FROM consume('shared', 'w', 1000)");
		# the waiter has joined, has its share, and nothing to read in it
		foreach my $i (1 .. 20)
		{
			ask("SELECT count(*) FROM consume('shared', 'w', 100000, commit => true)");
			last if answer() eq '0'
			  && $node->safe_psql('postgres', "SELECT string_agg(partitions::text, ',') FROM eventlog_members WHERE group_name = 'shared'") eq '1,1';
		}
	},
	sub { $owner->quit });

# the time out
ask("SELECT count(*) FROM consume('g', 'w', 100000, commit => true)");
answer();
my $began = time;
ask("SELECT count(*) FROM consume('g', 'w', wait => '700 ms')");
is(answer(), '0', 'time out: no rows');
cmp_ok(time - $began, '>=', 0.7, '... not before');
$began = time;
ask("CALL wait_for_events('g', '700 ms')");
is(answer(), 'f', 'CALL: time out');
my $took = time - $began;
cmp_ok($took, '>=', 0.7, '... not before');
cmp_ok($took, '<', 20, '... not for ever');

# min_age: not before the event is old enough
ask("DISCARD ALL");
answer();
ask("SELECT count(*) FROM consume('aged', 'w', 100000, commit => true)");
answer();
$began = time;
$writer->query_safe("SELECT produce('w', 'young', '')");
ask("SELECT key FROM consume('aged', 'w', wait => '50 s', min_age => '1500 ms', commit => true)");
is(answer(), 'young', 'min_age: delivered');
$took = time - $began;
cmp_ok($took, '>=', 1.4, '... when it was old enough');
cmp_ok($took, '<', 20, '... and not much later');

foreach my $wait ("CALL wait_for_events('aged', '50 s', min_age => '1500 ms')", "SELECT key FROM claim('aged_claims', 'w', min_age => '1500 ms')")
{
	my $claims = $wait =~ /claim/;
	if ($claims)
	{
		ask("SELECT count(*) FROM claim('aged_claims', 'w', 100000)");
		answer();
	}
	$began = time;
	$writer->query_safe("SELECT produce('w', 'young', '')");
	ask($claims ? "$wait;\nCALL wait_for_events('aged_claims', '50 s', min_age => '1500 ms')" : $wait);
	is(answer(), 't', "the wait ends when the event is due: $wait");
	$took = time - $began;
	cmp_ok($took, '>=', 1.4, '... not before');
	cmp_ok($took, '<', 20, '... nor much later');
	ask($claims ? $wait : "SELECT key FROM consume('aged', 'w', min_age => '1500 ms', commit => true)");
	is(answer(), 'young', '... and then it is delivered');
}

# several groups: whichever it is
ask("SELECT count(*) FROM consume('any1', 'w', 100000, commit => true);\nSELECT count(*) FROM consume('any2', 'other', 100000, commit => true)");
answer();
woken('CALL wait_for_any', "CALL wait_for_any('{any1,any2}', '50 s')", '{any2}', undef,
	sub { $writer->query_safe("SELECT produce('other', 'k', '')") },
	sub {
		ask("SELECT count(*) FROM consume('any2', 'other', commit => true)");
		answer();
	});

# cancel, statement_timeout
foreach my $wait ($call, $consume)
{
	ask("SELECT count(*) FROM consume('g', 'w', commit => true)");
	answer();
	ask($wait);
	asleep();
	$node->safe_psql('postgres', "SELECT pg_cancel_backend($pid)");
	like(answer(), qr/canceling statement due to user request/, "cancelled: $wait");
	ask("SET statement_timeout = '200ms';\n$wait;\nRESET statement_timeout");
	like(answer(), qr/canceling statement due to statement timeout/, "statement_timeout: $wait");
	ask('SELECT 1');
	is(answer(), '1', '... and the session goes on');
}

# nothing is held while CALL waits
ask($call);
asleep();
is($node->safe_psql('postgres', "SELECT backend_xmin IS NULL AND backend_xid IS NULL FROM pg_stat_activity WHERE pid = $pid"), 't', 'CALL holds no snapshot');
is($node->safe_psql('postgres', "SELECT count(*) FROM pg_locks WHERE pid = $pid AND locktype <> 'virtualxid'"), '0', '... and no lock');
$writer->query_safe("SELECT produce('other', 'k', '')");
$node->safe_psql('postgres', 'VACUUM (FULL) w_default; TRUNCATE other');
asleep();
$writer->query_safe("SELECT produce('w', 'k', '')");
is(answer(), 't', 'and it still hears');

# where it cannot wait
expect_error($node, 'BEGIN; ' . $call, '25001', qr/./, 'CALL in a transaction block');
expect_error($node, "SAVEPOINT s; $call", '25P01', qr/./, 'no transaction at all');
expect_error($node, "CREATE FUNCTION waits() RETURNS void LANGUAGE plpgsql AS 'DECLARE ready boolean; BEGIN CALL wait_for_events(''g'', ''1 s'', ready => ready); END'; SELECT waits()", '25001', qr/./, 'CALL in a function');
expect_error($node, "CALL wait_for_events('nobody', '10 s')", 'EL001', qr/./, 'CALL by who is not a member');
my ($ret, $out, $err) = $node->psql('postgres', "BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM consume('rr', 'other', wait => '1000 s'); COMMIT");
is("$ret $out", '0 0', 'consume(wait) in REPEATABLE READ returns at once');

# clients that die are noticed: their partitions become free
foreach my $wait ("SELECT count(*) FROM consume('dead', 'other', wait => '1 hour')",
	"SELECT count(*) FROM consume('dead', 'other'); CALL wait_for_events('dead', '1 hour')")
{
	my ($in, $stdout, $stderr) = ('', '', '');
	my $psql = IPC::Run::start(
		[ 'psql', '-XAtq', '-d', $node->connstr('postgres'), '-f', '-' ],
		'<', \$in, '>', \$stdout, '2>', \$stderr);
	$in .= "SELECT pg_backend_pid();\n$wait;\n";
	$psql->pump until $stdout =~ /^(\d+)\n/;
	my $backend = $1;
	asleep($backend);
	$psql->signal('KILL');
	eval { $psql->finish };
	ok($node->poll_query_until('postgres', "SELECT NOT EXISTS (SELECT FROM pg_stat_activity WHERE pid = $backend)"), "a client that was killed is noticed: $wait");
	ok($node->poll_query_until('postgres', "SELECT count(*) = 0 FROM eventlog_members WHERE group_name = 'dead'"), '... and its member leaves');
}

# a server that stops does not wait for waiters
ask("SELECT count(*) FROM consume('g', 'w', 100000, commit => true)");
answer();
ask("CALL wait_for_events('g', '1 hour')");
asleep();
$began = time;
$node->stop('fast');
cmp_ok(time - $began, '<', 20, 'a fast stop does not wait for waiters');
eval { $waiter->quit };
eval { $writer->quit };

# A worker that claims comes back after a restart and waits before it claims.
# Shared memory knows nothing of the group's claims any more, committed offsets do.
$node->start;
$waiter = $node->background_psql('postgres', on_error_stop => 0);
$pid = session_pid($waiter);
$writer = $node->background_psql('postgres');
ask("CALL wait_for_events('claims', '10 ms')");
is(answer(), 't', 'claims after a restart: there are events');
woken('claims after a restart', "CALL wait_for_any('{nobody_yet,claims}', '50 s')", '{claims}',
	sub { $node->safe_psql('postgres', "SELECT * FROM claim('claims', 'w', 1000); SELECT * FROM claim('nobody_yet', 'other', 1000)") },
	sub { $writer->query_safe("SELECT produce('w', 'k', '')") });
# so it is for a group that members have used, as long as none is back
ask("CALL wait_for_events('aged', '10 ms')");
is(answer(), 't', 'a group without members after a restart');
is($node->safe_psql('postgres', "SELECT state FROM eventlog_groups WHERE group_name = 'aged'"), 'empty', '... which that does not make one of claims');
$writer->query_safe("SELECT count(*) FROM consume('aged', 'other', member => 'm')");
ask("CALL wait_for_events('aged', '10 ms')");
like(answer(), qr/EL001|not a member/, 'a group with members is theirs');
# what nobody knows anything of, and what the caller may not read
expect_error($node, "CALL wait_for_events('nobody', '10 s')", 'EL001', qr/./, 'nothing is known');
$node->safe_psql('postgres', 'CREATE ROLE stranger');
expect_error($node, "SET ROLE stranger; CALL wait_for_events('claims', '10 s')", '42501', qr/./, 'what was claimed, by a role that may not read it');
expect_error($node, "SET ROLE stranger; CALL wait_for_events('any1', '10 s')", 'EL001', qr/./, 'what was committed is nothing to it');
# an offset in a topic that is gone
$node->safe_psql('postgres', "SELECT create_topic('gone', 1); SELECT seek('seeker', 'gone', 0, 0); SELECT drop_topic('gone')");
$node->restart;
expect_error($node, "CALL wait_for_events('seeker', '10 s')", 'EL001', qr/./, 'an offset in a topic that is gone says nothing');
eval { $waiter->quit };
eval { $writer->quit };
$node->stop;

done_testing();
