# Through PgBouncer in transaction mode, where no transaction knows which server connection it gets: 20 named members, or
# 20 claimers, and producers share 5 of them, PgBouncer is killed in between, and each event is worked on exactly once.

use strict;
use warnings FATAL => 'all';

use File::Basename qw(dirname);
use lib dirname(__FILE__) . '/../lib';

use EventlogTest;
use IPC::Run ();
use PostgreSQL::Test::Utils;
use Test::More;

my $EVENTS = 100_000;

my ($pgbouncer) = grep { -x } map { "$_/pgbouncer" } split(/:/, $ENV{PATH}), '/usr/sbin';
plan(skip_all => "needs pgbouncer (Debian's package of that name)") unless defined $pgbouncer;
need_python();

my $node = new_cluster('pgbouncer', conf => "fsync = off\nlog_statement = none");

# A PgBouncer of our own: no port, its socket in a folder of its own.
my $dir = PostgreSQL::Test::Utils::tempdir_short();
my $log = "$PostgreSQL::Test::Utils::log_path/pgbouncer.log";
my $user = getpwuid($>);
append_to_file("$dir/pgbouncer.ini", <<"EOT");
[databases]
pooled = host=@{[ $node->host ]} port=@{[ $node->port ]} dbname=postgres user=$user
[pgbouncer]
pool_mode = transaction
default_pool_size = 5
max_client_conn = 100
listen_addr =
listen_port = 6432
unix_socket_dir = $dir
auth_type = any
logfile = $log
pidfile = $dir/pgbouncer.pid
EOT

my $pooler;
sub start_pooler
{
	$pooler = IPC::Run::start([ $pgbouncer, '-q', "$dir/pgbouncer.ini" ], '<', \undef);
	wait_until(sub { IPC::Run::run([ 'psql', '-XAtq', '-h', $dir, '-p', 6432, '-c', 'SELECT 1', 'pooled' ], '>', \my $out, '2>', \my $err) })
	  or die "no pgbouncer: see $log";
	return;
}

sub kill_pooler
{
	$pooler->signal('KILL');
	eval { $pooler->finish };
	unlink "$dir/pgbouncer.pid", "$dir/.s.PGSQL.6432";
	undef $pooler;
	return;
}
END { kill_pooler() if $pooler }

sub run_through_pool
{
	my ($kind) = @_;
	$node->safe_psql('postgres', <<'EOT');
SELECT create_topic('t', 40, 'text', 'json');
CREATE TABLE produced (batch int, key text, PRIMARY KEY (batch, key));
-- written in the transactions that consume
CREATE TABLE processed (key text, partition int, event_offset bigint, who text, pid int);
EOT
	my ($out, $err) = ('', '');
	my $run = IPC::Run::start(
		[   python(), dirname(__FILE__) . '/../lib/pooled.py', $kind,
			'--server', $node->connstr('postgres'), '--pool', "host=$dir port=6432 dbname=pooled",
			'--console', "host=$dir port=6432 dbname=pgbouncer", '--events', $EVENTS ],
		'<', \undef, '>', \$out, '2>', \$err, IPC::Run::timeout($PostgreSQL::Test::Utils::timeout_default));

	# in the middle of it
	my $at = 0;
	while ($at < $EVENTS / 3 && $run->pumpable)
	{
		$run->pump;
		($at) = $out =~ /.*^processed (\d+)$/ms or $at = 0;
	}
	kill_pooler();
	start_pooler();
	my $ok = $run->finish;
	ok($ok, "$kind: the clients met nothing that they could not retry") or diag($err);
	my $summary = join("\n", grep { !/^processed/ } split /\n/, $out);
	note($summary);
	cmp_ok($at, '<', $EVENTS, "$kind: killed after $at events");
	my ($cuts) = $summary =~ /^met cut (\d+)$/m;
	cmp_ok($cuts // 0, '>=', 20, '... and all were cut off');

	my %most = $summary =~ /^most (\w+) (\d+)$/mg;
	cmp_ok($most{servers}, '<=', 5, "never more than $most{servers} connections to the server");
	cmp_ok($most{clients}, '>=', 24, "... for $most{clients} clients");
	cmp_ok($most{waiting}, '>', 5, "... of which $most{waiting} waited for one");
	my ($pids, $who, $several) = split /\|/, $node->safe_psql('postgres', <<'EOT');
SELECT count(DISTINCT pid), count(DISTINCT who), (SELECT count(*) FROM (SELECT FROM processed GROUP BY who HAVING count(DISTINCT pid) > 1) x) FROM processed
EOT
	cmp_ok($pids, '<=', 10, "$pids backends did the work, before and after");
	is("$who $several", '20 20', 'of 20, each by several of them');

	is($node->safe_psql('postgres', 'SELECT count(*) FROM produced'), $EVENTS, "$kind: everything is produced");
	is($node->safe_psql('postgres', <<'EOT'), '', "$kind: and consumed exactly once");
SELECT 'not in the topic: ' || key FROM (SELECT key FROM produced EXCEPT ALL SELECT key FROM t) x
UNION ALL SELECT 'too often in the topic: ' || key FROM (SELECT key FROM t EXCEPT ALL SELECT key FROM produced) x
UNION ALL SELECT 'lost: ' || key FROM (SELECT key FROM produced EXCEPT ALL SELECT key FROM processed) x
UNION ALL SELECT 'twice: ' || key FROM (SELECT key FROM processed EXCEPT ALL SELECT key FROM produced) x
UNION ALL SELECT 'another offset: ' || x::text FROM (SELECT key, partition, event_offset FROM processed EXCEPT SELECT key, partition, event_offset FROM t) x
UNION ALL SELECT 'not committed: ' || l::text FROM eventlog_lag l WHERE lag <> 0
UNION ALL SELECT problem FROM check_topic('t')
LIMIT 10
EOT
	$node->safe_psql('postgres', "SELECT drop_group('$kind', true); SELECT drop_topic('t'); DROP TABLE produced, processed");
	return;
}

sub pooled_session
{
	# the last -d counts
	return $node->background_psql('postgres', on_error_stop => 0, extra_params => [ '-d', "host=$dir port=6432 dbname=pooled" ]);
}

# Who leaves the name out makes the server connection the member, whosever transaction is on it.
sub unnamed
{
	$node->safe_psql('postgres', "SELECT create_topic('t', 4, 'text', 'text'); SELECT count(produce('t', i::text, '')) FROM generate_series(1, 20) i");
	my $client = pooled_session();
	is($client->query_safe("SELECT count(*) FROM consume('unnamed', 't', 5)"), '5', 'without a name, through the pool');

	# others keep that connection busy: the same client is somebody else now, and is told so
	my $member = $node->safe_psql('postgres', "SELECT pid FROM eventlog_members WHERE group_name = 'unnamed'");
	my @others;
	do
	{
		push @others, pooled_session();
		$others[-1]->query_safe('BEGIN');
	} until $others[-1]->query_safe('SELECT pg_backend_pid()') == $member || @others == 4;
	foreach my $call ("SELECT commit('unnamed')", "CALL wait_for_events('unnamed', '1 s')")
	{
		$client->{stderr} = '';
		$client->query("\\set VERBOSITY verbose\n$call");
		like($client->{stderr}, qr/ERROR:  EL001: this session is not a member/, "$call is refused");
	}
	like($client->{stderr}, qr/HINT:.*should name its member/, '... with the advice to name the member');
	$_->query_safe('COMMIT') foreach @others;		# else PgBouncer closes their connections
	$_->quit foreach $client, @others;

	# its place is kept by the connection, although the client is gone
	is($node->safe_psql('postgres', "SELECT pid FROM eventlog_members WHERE group_name = 'unnamed'"), $member, 'the client leaves, the member does not');
	kill_pooler();
	ok($node->poll_query_until('postgres', "SELECT count(*) = 0 FROM eventlog_members WHERE group_name = 'unnamed'"), 'it goes with the connection');
	is($node->safe_psql('postgres', "SELECT count(*) FROM consume('unnamed', 't', commit => true)"), '20', '... and nothing was committed');
	return;
}

start_pooler();
run_through_pool('members');
run_through_pool('claimers');
unnamed();

$node->stop;
done_testing();
