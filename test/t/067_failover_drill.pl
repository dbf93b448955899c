# A primary dies and its synchronous standby is promoted: ten clients that know both servers go on by themselves within
# seconds, nothing that was acknowledged is lost and nothing is worked twice, and pg_rewind makes a standby of the old
# primary, whatever it wrote in the meantime.
#
# EVENTLOG_FAILOVERS: how often, the two changing places (default 1; test/nightly/failover asks for five)

use strict;
use warnings FATAL => 'all';

use File::Basename qw(dirname);
use File::Copy qw(copy);
use lib dirname(__FILE__) . '/../lib';

use EventlogTest;
use IPC::Run ();
use JSON::PP ();
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(clock_gettime CLOCK_MONOTONIC);

need_python();

my $failovers = $ENV{EVENTLOG_FAILOVERS} || 1;
my $clients = 10;
my $back_within = 3;
my $median_within = 1.5;

my $primary = new_cluster('one', init => [ allows_streaming => 1 ], conf => <<'EOT');
wal_log_hints = on
max_connections = 40
wal_keep_size = 1GB
wal_consistency_checking = 'eventlog'
eventlog.retention_check_interval = 1s
EOT
my $one = $primary;
$primary->safe_psql('postgres', <<'EOT');
SELECT create_topic('orders', 8, options => '{"segment_bytes": 65536}'), create_topic('bell', 1);
CREATE TABLE twin (id text PRIMARY KEY);
-- no unique constraint: it would hide what the test looks for
CREATE TABLE worked (of_group text, id text);
CREATE DATABASE guide;
EOT
# what docs/examples/README.md asks for
$primary->safe_psql('guide', <<'EOT');
CREATE EXTENSION eventlog;
SELECT create_topic('orders');
SELECT produce('orders', 'k', '{"n": 1}');
CREATE TABLE worked (partition int, event_offset bigint, key text, value jsonb);
EOT
$primary->backup('base');
my $standby = PostgreSQL::Test::Cluster->new('two');
$standby->init_from_backup($primary, 'base', has_streaming => 1);
$standby->start;
my $two = $standby;

# Which of them is the primary is for the clients to find out.
my $servers = sprintf("host='%s,%s' port=%d,%d dbname=postgres target_session_attrs=read-write",
	$one->host, $two->host, $one->port, $two->port);

# The commits of the primary wait for its standby from now on.
sub be_synchronous
{
	$primary->append_conf('postgresql.conf', "synchronous_standby_names = '*'");
	$primary->reload;
	$primary->poll_query_until('postgres', "SELECT sync_state = 'sync' FROM pg_stat_replication")
	  or die 'the standby is not synchronous';
	return;
}

# How long after that moment the new primary was of use to each client.
sub back_after
{
	my ($crew, $moment) = @_;
	my $port = $primary->port;
	my %at;
	foreach my $file (glob "$crew->{folder}/*.log")
	{
		my ($name) = $file =~ m{([^/]+)\.log$};
		foreach my $line (split /\n/, slurp_file($file))
		{
			next unless $line =~ /"port": $port, "t": ([\d.]+)\}$/ && $1 > $moment;
			$at{$name} = $1 - $moment;
			last;
		}
	}
	return \%at;
}

# The ids whose transactions the producers saw committed.
sub acknowledged
{
	my ($crew) = @_;
	return map { /"id": "([^"]+)".*\}$/ ? $1 : () } map { split /\n/, slurp_file($_) } glob "$crew->{folder}/producer*.log";
}

# What failover_check.py finds.
sub check
{
	my ($name, $input, @arguments) = @_;
	my @command = (python(), dirname(__FILE__) . '/../lib/failover_check.py', '--conninfo', $primary->connstr('postgres'), @arguments);
	my $ok = IPC::Run::run(\@command, '<', \$input, '>', \my $out, '2>', \my $err);

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	die "failover_check.py failed: $err" unless $ok && $out =~ s/^counts (.*)\n\z//m;
	note("$name: $1");
	is($out, '', $name);
	return;
}

# The old primary comes up alone and goes its own way; then it follows the new one.
sub rewind
{
	my ($name, $old) = @_;
	my $conf = $old->data_dir . '/postgresql.conf';
	my $kept = "$PostgreSQL::Test::Utils::tmp_check/" . $old->name . '.conf';

	$old->append_conf('postgresql.conf', "synchronous_standby_names = ''");
	$old->start;
	$old->safe_psql('postgres', <<'EOT');
SELECT count(produce('orders', i::text, to_jsonb(repeat(md5(i::text), 20)))) FROM generate_series(1, 5000) i;
SELECT count(*) FROM consume('strayed', 'orders', max_events => 1000, commit => true);
VACUUM orders, bell;
SELECT delete_events_before('orders', 0, (SELECT log_end_offset - 10 FROM eventlog_partitions WHERE topic = 'orders'::regclass AND partition = 0));
TRUNCATE bell;
SELECT produce('bell', NULL, '"astray"');
SELECT create_topic('astray', 2);
SELECT produce('astray', 'k', '1');
EOT
	$old->stop('fast');
	# pg_rewind 15 sees a promotion only after the next checkpoint
	$primary->safe_psql('postgres', 'CHECKPOINT');
	# it brings the settings of the other one as well
	copy($conf, $kept) or die $!;
	command_ok([ 'pg_rewind', '--no-sync', '--target-pgdata', $old->data_dir, '--source-server', $primary->connstr('postgres') ],
		"$name: pg_rewind takes what the old primary wrote alone");
	copy($kept, $conf) or die $!;
	$old->enable_streaming($primary);
	$old->set_standby_mode;
	$old->start;
	$primary->wait_for_catchup($old, 'replay', $primary->lsn('insert'));

	check("$name: the rewound one has the same topics, sound on both", '', '--standby', $old->connstr('postgres'));
	is($old->safe_psql('postgres', "SELECT to_regclass('astray') IS NULL"), 't', '... and nothing that it had alone');
	return;
}

my (@slowest, @acknowledged);
foreach my $round (1 .. $failovers)
{
	my $name = "failover $round";
	be_synchronous();
	# the last --conninfo counts
	my $crew = start_crew($primary, 'failover.py', '--conninfo', $servers, '--prefix', "$round.");
	wait_for_crew($crew, 500);

	my $began = clock_gettime(CLOCK_MONOTONIC);
	kill_cluster($primary);
	$standby->promote;
	my $old = $primary;
	($primary, $standby) = ($standby, undef);
	note(sprintf('%s: promoted after %.2f s', $name, clock_gettime(CLOCK_MONOTONIC) - $began));

	my $back = {};
	wait_until(sub { $back = back_after($crew, $began); return keys %$back == $clients; }, 30);
	my @took = sort { $a <=> $b } values %$back;
	is(scalar @took, $clients, "$name: all $clients clients come back");
	cmp_ok($took[-1] // 99, '<', $back_within, "$name: ... within $back_within s");
	note("$name: back after " . join ', ', map { sprintf '%s %.2f s', $_, $back->{$_} } sort { $back->{$a} <=> $back->{$b} } keys %$back);
	push @slowest, $took[-1] // 99;

	finish_crew($crew);
	push @acknowledged, acknowledged($crew);
	check("$name: nothing lost, nothing twice", join("\n", @acknowledged));
	rewind($name, $old);
	$standby = $old;
}
my $median = (sort { $a <=> $b } @slowest)[ $#slowest / 2 ];
cmp_ok($median, '<', $median_within, sprintf('the slowest client is back after %.2f s in the middle of %d failovers', $median, $failovers))
  if $failovers >= 5;

#
# The guide's program, which knows only the standby
#
my ($out, $err) = ('', '');
local $ENV{PGHOST} = $standby->host;
local $ENV{PGPORT} = $standby->port;
local $ENV{PGDATABASE} = 'guide';
my $program = IPC::Run::start([ python(), dirname(__FILE__) . '/../../docs/examples/python/consumer.py', 'exactly-once' ],
	'<', \undef, '>', \$out, '2>', \$err, IPC::Run::timeout($PostgreSQL::Test::Utils::timeout_default));
$program->pump until (() = $err =~ /cannot execute .* during recovery/g) >= 4 || !$program->pumpable;
ok($program->pumpable, 'a loop of the guide goes on trying on a standby') or diag($err);
$primary->stop('fast');
$standby->promote;
ok($standby->poll_query_until('guide', 'SELECT count(*) = 1 FROM worked'), '... and works when that is promoted');
$program->signal('TERM');
ok($program->finish, '... and ends when it is told to') or diag($err);

$standby->stop;
done_testing();
