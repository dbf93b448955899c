# A row is missing, twice there or in the wrong place, or one that should not be
# seen: in random SELECTs over topics, by whatever plan, cursor or prepared
# statement, beside transactions that write, compared with heap tables of the
# same rows.
#
# EVENTLOG_SELECT_SECONDS: for how long.  EVENTLOG_SELECT_SEED: a seed, or a seed
# and a round as a finding says it ("7.31"), to do that again.  Without it the
# seed is always the same; test/nightly/select_model takes another each time.

use strict;
use warnings FATAL => 'all';

use File::Basename qw(dirname);
use lib dirname(__FILE__) . '/../lib';

use EventlogTest;
use JSON::PP ();
use PostgreSQL::Test::Utils;
use Test::More;

need_python();

my $seconds = $ENV{EVENTLOG_SELECT_SECONDS} // 60;
# the same rounds on a fast machine: what is new is for the nightly run to find
my @rounds = exists $ENV{EVENTLOG_SELECT_SEED} || exists $ENV{EVENTLOG_SELECT_SECONDS} ? () : ('--rounds', 60);
my $seed = $ENV{EVENTLOG_SELECT_SEED} // '20261201';
# nothing is removed or compacted but when the model says so
my $node = new_cluster('select_model', conf => <<'EOT');
eventlog.retention_check_interval = '1d'
log_statement = none
EOT

my ($out, $err) = ('', '');
my $ok = IPC::Run::run(
	[ python(), dirname(__FILE__) . '/../lib/select_model.py', '--conninfo', $node->connstr('postgres'),
		'--seconds', $seconds, '--seed', $seed, @rounds ],
	'<', \undef, '>', \$out, '2>', \$err, IPC::Run::timeout($seconds + 600));
is($err, '', 'the model has done all there was');
ok($ok, 'topics and heaps give the same rows') or diag($out);
die 'no counts' unless $out =~ /^counts (.*)$/m;
my $count = JSON::PP::decode_json($1);
note($out =~ /^(seed .*)$/m ? $1 : '', ', ', join(', ', map { "$_ $count->{$_}" } sort keys %$count));

unlike(slurp_file($node->logfile), qr/PANIC:|TRAP:|signal 11|signal 6/, 'no crash');

# it was the run that we wanted (a round by itself need not be)
if ($seed !~ /\./)
{
	my $minutes = $seconds / 60;
	my %least = (
		steps => 800,
		rounds => 3,
		rows => 80000,
		'answers with rows' => 500,
		'query plain' => 160,
		'query aggregate' => 40,
		'query join' => 40,
		'query outer' => 20,
		'query lateral' => 25,
		'query places' => 40,
		'query set_operation' => 20,
		'query union_all' => 15,
		'query window' => 10,
		'query correlated' => 12,
		'query recursive' => 4,
		prepared => 100,
		kept => 20,
		cursor => 50,
		'cursor held' => 2,
		fetch => 300,
		write => 100,
		flush => 40,
		savepoint => 20,
		'rollback to' => 4,
		'begin READ COMMITTED' => 25,
		'begin REPEATABLE READ' => 25,
		'begin SERIALIZABLE' => 8,
		'end ROLLBACK' => 15,
		'conditions on ctid' => 15,
		'topic plain' => 2,
		'events compacted' => 300,
		'events removed' => 300,
		'log changed' => 4,
		'vacuum full' => 1,
		'partition added' => 1,
		truncated => 1,
		'plan Custom Scan (EventlogSeek)' => 50,
		'plan Seek Cond' => 35,
		'plan Order: event_offset DESC' => 10,
		'plan Seq Scan' => 30,
		'plan Append' => 30,
		'plan Merge Append' => 6,
		'plan Gather' => 12,
		'plan Nested Loop' => 12,
		'plan Hash Join' => 5,
		'plan Merge Join' => 2,
	);
	foreach my $what (sort keys %least)
	{
		$count->{$what} //= 0;
		cmp_ok($count->{$what}, '>=', int($least{$what} * $minutes), "$what: $count->{$what}");
	}
}

$node->stop;
done_testing();
