# A client that dies is noticed without any timeout: another member delivers its
# partitions at once, whatever the client was doing.  A member by name is missed
# only after its timeout.  And who joins moves no more than its share.

use strict;
use warnings FATAL => 'all';

use File::Basename qw(dirname);
use lib dirname(__FILE__) . '/../lib';

use EventlogTest;
use IPC::Run ();
use PostgreSQL::Test::Utils;
use POSIX qw(ceil);
use Test::More;
use Time::HiRes qw(time);

my $node = new_cluster('takeover', conf => 'fsync = off');
my $kills = 3;

$node->safe_psql('postgres', <<'EOT');
SELECT create_topic('t', 8, 'text', 'text');
SELECT create_topic('p64', 64, 'text', 'text');
SELECT create_topic('p50', 50, 'text', 'text');
SELECT create_group('short', '{"max_poll_interval": "2 s"}');
EOT

# What the victim does; it has joined, and there are events in its partitions.
my %victim = (
	'idle' => '',
	'in a transaction' => "BEGIN; SELECT count(*) FROM consume('g', 't');",
	'inside wait_for_events' => "CALL wait_for_events('g', '1 hour', min_age => '1 day');",
	'inside consume(wait)' => "SELECT count(*) FROM consume('g', 't', wait => '1 hour', min_age => '1 day');",
);
my $survivor = $node->background_psql('postgres');
my $survivor_pid = session_pid($survivor);

foreach my $state (sort keys %victim)
{
	foreach my $wait ("CALL wait_for_events('g', '1 hour'); SELECT count(*) FROM consume('g', 't', commit => true)",
		"SELECT count(*) FROM consume('g', 't', wait => '1 hour', commit => true)")
	{
		my @took;
		my $got = '';
		foreach (1 .. $kills)
		{
			$survivor->query_safe("SELECT count(*) FROM consume('g', 't', 1000, commit => true)");
			my ($in, $out, $err) = ("SELECT pg_backend_pid(); SELECT join_group('g', '{t}');\n", '', '');
			my $psql = IPC::Run::start([ 'psql', '-XAtq', '-d', $node->connstr('postgres'), '-f', '-' ],
				'<', \$in, '>', \$out, '2>', \$err);
			$psql->pump until $out =~ /^(\d+)\n.*\n/;
			my $pid = $1;
			$node->poll_query_until('postgres', "SELECT count(*) = 2 AND min(partitions) = 4 FROM eventlog_members WHERE group_name = 'g'")
			  or die 'it gets no partitions';
			$node->safe_psql('postgres', "SELECT produce('t', 'k', 'v', partition => p) FROM generate_series(0, 7) p");
			$survivor->query_safe("SELECT count(*) FROM consume('g', 't', 1000, commit => true)");
			$in .= $victim{$state} . "\n";
			$psql->pump_nb;
			if ($state ne 'idle')
			{
				my $doing = $state eq 'in a transaction' ? 'working' : 'waiting';
				ok(wait_until(sub {
						$psql->pump_nb;
						return $node->safe_psql('postgres', "SELECT count(*) FROM eventlog_members WHERE pid = $pid AND state = '$doing'") eq '1';
					}), "the victim is $doing") or die;
			}
			$survivor->{stdin} .= "$wait;\n\\echo answered\n";
			$survivor->{run}->pump_nb;
			$node->poll_query_until('postgres', "SELECT count(*) = 1 FROM eventlog_members WHERE pid = $survivor_pid AND state = 'waiting'")
			  or die 'the survivor does not wait';
			my $began = time;
			$psql->signal('KILL');
			pump_until($survivor->{run}, $survivor->{timeout}, \$survivor->{stdout}, qr/answered\n/);
			push @took, time - $began;
			$got = $survivor->{stdout};
			$survivor->{stdout} = '';
			eval { $psql->finish };
		}
		like($got, qr/^4$/m, "$state: its partitions' events are delivered by another, $wait");
		@took = sort { $a <=> $b } @took;
		cmp_ok($took[-1], '<', 5, sprintf('... after at most %.3f s', $took[-1]));
		# a wait looks again after 5 s of its own accord
		cmp_ok($took[ $#took / 2 ], '<', 2.5, sprintf('... without that (%.3f s)', $took[ $#took / 2 ]));
	}
}
$survivor->quit;

#
# A member by name
#
$node->safe_psql('postgres', "SELECT join_group('short', '{t}', m) FROM unnest('{w1,w2}'::text[]) m");
my $owner = "SELECT count(*) FROM eventlog_members WHERE group_name = 'short' AND member = 'w1'";
my $last = time;
my $other = $node->background_psql('postgres');
my ($took, $consumed) = (0, 0);
my $consume = "SELECT count(*) FROM consume('short', max_events => 100000, member => 'w2', commit => true)";
while ($took < 20 && $node->safe_psql('postgres', $owner) eq '1')
{
	# the other one is heard of
	$consumed += $other->query_safe($consume);
	$took = time - $last;
}
cmp_ok($took, '>=', 1.9, 'a member by name is not missed before its timeout');
cmp_ok($took, '<', 7, '... and soon after');
$consumed += $other->query_safe($consume);
is($consumed, $node->safe_psql('postgres', "SELECT count(*) FROM read_topic('t', max_events => 100000)"), 'then the other delivers what was its');
is($node->safe_psql('postgres', "SELECT partitions FROM eventlog_members WHERE group_name = 'short'"), '8', '... and has all partitions');
$other->quit;

#
# The 17th member
#
foreach my $n (64, 50)
{
	$node->safe_psql('postgres', "SELECT join_group('g$n', '{p$n}', 'w' || lpad(i::text, 2, '0')) FROM generate_series(1, 16) i");
	my $owners = "SELECT partition || '=' || member FROM eventlog_lag WHERE group_name = 'g$n' ORDER BY partition";
	my $counts = "SELECT min(partitions) || '..' || max(partitions) FROM eventlog_members WHERE group_name = 'g$n'";
	my @before = split /\n/, $node->safe_psql('postgres', $owners);
	is(scalar @before, $n, "$n partitions: all are owned");
	is($node->safe_psql('postgres', $counts), int($n / 16) . '..' . ceil($n / 16), '... shared out evenly among 16');
	$node->safe_psql('postgres', "SELECT join_group('g$n', '{p$n}', 'w17')");
	my @after = split /\n/, $node->safe_psql('postgres', $owners);
	my @moved = grep { $before[$_] ne $after[$_] } 0 .. $n - 1;
	cmp_ok(scalar @moved, '<=', ceil($n / 17), sprintf('the 17th moves %d', scalar @moved));
	is(scalar(grep { $after[$_] !~ /=w17$/ } @moved), 0, '... all of them to itself');
	is($node->safe_psql('postgres', $counts), int($n / 17) . '..' . ceil($n / 17), '... and it is even again');
	$node->safe_psql('postgres', "SELECT leave_group('g$n', 'w05')");
	my @left = split /\n/, $node->safe_psql('postgres', $owners);
	is(scalar(grep { $after[$_] ne $left[$_] && $after[$_] !~ /=w05$/ } 0 .. $n - 1), 0, 'when one leaves only what it had moves');
	is($node->safe_psql('postgres', $counts), int($n / 16) . '..' . ceil($n / 16), '... evenly');
}

$node->stop;
done_testing();
