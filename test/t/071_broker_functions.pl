# eventlog-broker's functions by raw batches: each codec's bytes come back as they were sent, who watches is told of
# everything that changes and holds nothing meanwhile, and what was acknowledged survives.

use strict;
use warnings FATAL => 'all';

use File::Basename qw(dirname);
use lib dirname(__FILE__) . '/../lib';

use EventlogTest;
use IPC::Run ();
use PostgreSQL::Test::Utils;
use Test::More;

need_python();
my $calls = dirname(__FILE__) . '/../lib/broker_calls.py';

my $node = new_cluster('broker', conf => <<'EOT');
max_prepared_transactions = 5
max_wal_senders = 5
wal_level = replica
restart_after_crash = on
EOT

# Each line of the scenario's is a test here.
sub take_results
{
	my ($scenario, $out, $err, $success) = @_;
	my $n = 0;
	foreach my $line (split /\n/, $out)
	{
		next unless $line =~ /^(not )?ok - (.*)/;
		ok(!$1, "$scenario: $2");
		$n++;
	}
	ok($success && $n > 0, "$scenario ran to its end") or diag($err);
	return;
}

sub scenario
{
	my ($name, @args) = @_;
	my $success = IPC::Run::run([ python(), $calls, $name, @args ], '>', \my $out, '2>', \my $err);
	take_results($name, $out, $err, $success);
	return;
}

# Starts a scenario, and returns when it says so.
sub start_scenario
{
	my ($name, $ready) = @_;
	my $s = { out => '', err => '' };
	$s->{run} = IPC::Run::start([ python(), $calls, $name, $node->connstr('postgres') ], '>', \$s->{out}, '2>', \$s->{err},
		IPC::Run::timeout(120));
	$s->{run}->pump until $s->{out} =~ /^$ready$/m;
	return $s;
}

sub finish_scenario
{
	my ($name, $s) = @_;
	my $success = $s->{run}->finish;
	take_results($name, $s->{out}, $s->{err}, $success);
	return;
}

scenario('codecs', $node->connstr('postgres'));
scenario('watch', $node->connstr('postgres'));

# backends end amid their calls; then the server does
my $appended = "SELECT coalesce(sum(log_end_offset), 0) > 500 FROM eventlog_partitions WHERE topic = to_regclass('c')";
foreach my $how ('pg_terminate_backend', 'immediate')
{
	my $s = start_scenario('crash', 'appending');
	$node->poll_query_until('postgres', $appended) or die 'nothing is appended';
	if ($how eq 'immediate')
	{
		kill_cluster($node);
		$node->start;
	}
	else
	{
		$node->safe_psql('postgres', "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE '%broker_append%' AND pid <> pg_backend_pid()");
	}
	finish_scenario('crash', $s);
}

$node->backup('copy');
my $standby = PostgreSQL::Test::Cluster->new('broker_standby');
$standby->init_from_backup($node, 'copy', has_streaming => 1);
$standby->start;
scenario('standby', $node->connstr('postgres'), $standby->connstr('postgres'));
$standby->stop;

my $s = start_scenario('stopped', 'watching');
$node->stop('fast');
finish_scenario('stopped', $s);

done_testing();
