# An event is worked on twice or never, an offset is committed that should not
# be, a refusal is forgotten, a lag is wrong: in random transactions of several
# sessions, with members, claims, savepoints, seeks, fencing and kills.
#
# EVENTLOG_MODEL_SECONDS: for how long.  EVENTLOG_MODEL_SEED: a seed, or a seed
# and a round as a finding says it ("7.31"), to do that again.  Without it the
# seed is always the same; test/nightly/group_model takes another each time.

use strict;
use warnings FATAL => 'all';

use File::Basename qw(dirname);
use lib dirname(__FILE__) . '/../lib';

use EventlogTest;
use JSON::PP ();
use PostgreSQL::Test::Utils;
use Test::More;

need_python();

my $seconds = $ENV{EVENTLOG_MODEL_SECONDS} // 60;
# the same rounds on a fast machine: what is new is for the nightly run to find
my @rounds = exists $ENV{EVENTLOG_MODEL_SEED} || exists $ENV{EVENTLOG_MODEL_SECONDS} ? () : ('--rounds', 60);
my $seed = $ENV{EVENTLOG_MODEL_SEED} // '20261206';
# a backend is killed now and then: the server has to come back by itself
my $node = new_cluster('group_model', conf => <<'EOT');
restart_after_crash = on
log_statement = none
EOT

my ($out, $err) = ('', '');
my $ok = IPC::Run::run(
	[ python(), dirname(__FILE__) . '/../lib/group_model.py', '--conninfo', $node->connstr('postgres'),
		'--seconds', $seconds, '--seed', $seed, @rounds ],
	'<', \undef, '>', \$out, '2>', \$err, IPC::Run::timeout($seconds + 600));
is($err, '', 'the model has done all there was');
ok($ok, 'all is as the twin says') or diag($out);
die 'no counts' unless $out =~ /^counts (.*)$/m;
my $count = JSON::PP::decode_json($1);
note($out =~ /^(seed .*)$/m ? $1 : '', ', ', join(', ', map { "$_ $count->{$_}" } sort keys %$count));

my $log = slurp_file($node->logfile);
unlike($log, qr/PANIC:|TRAP:|signal 11|signal 6/, 'no crash but of our own doing');
is($node->safe_psql('postgres', q(SELECT * FROM check_topic('_eventlog.committed_offsets'))), '', 'the log of offsets is sound');

# it was the run that we wanted (a round by itself need not be)
if ($seed !~ /\./)
{
	my $minutes = $seconds / 60;
	my %least = (
		steps => 12000,
		rounds => 8,
		'begin READ COMMITTED' => 500,
		'begin REPEATABLE READ' => 250,
		'begin SERIALIZABLE' => 250,
		'consume ok' => 800,
		'consume undone' => 80,					# by a block that fails, or to a savepoint
		'consume commit ok' => 400,
		'cursor ok' => 100,
		'cursor undone' => 50,
		'claim ok' => 400,
		'claim undone' => 40,
		'claim 55006' => 5,
		deliveries => 1000,
		'commit ok' => 300,
		'commit undone' => 30,
		'commit 40L01' => 15,
		'commit EL001' => 80,
		'commit offset ok' => 8,
		'partitions moved' => 150,
		'seek ok' => 25,
		'seek undone' => 1,
		'reset ok' => 5,
		'join ok' => 120,
		fenced => 80,
		'leave ok' => 60,
		'heartbeat ok' => 25,
		'drop group ok' => 4,
		'create group ok' => 4,
		savepoint => 400,
		'rollback to' => 200,
		release => 40,
		'fail 22012' => 15,
		'broken 22012' => 4,
		'consume 40L01' => 30,
		'consume 40001' => 1,
		'produce ok' => 300,
		'flush ok' => 20,
		'grow ok' => 4,
		remove => 1,
		'end COMMIT' => 500,
		'end ROLLBACK' => 250,
		'end 40L01' => 6,
		terminate => 10,
		cut => 10,
		discard => 2,
		nap => 2,
		'lag compared' => 400,
		'work compared' => 8,
	);
	foreach my $what (sort keys %least)
	{
		$count->{$what} //= 0;
		cmp_ok($count->{$what}, '>=', int($least{$what} * $minutes), "$what: $count->{$what}");
	}
}

$node->stop;
done_testing();
