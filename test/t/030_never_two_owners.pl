# Two clients of a group work on the same partition at the same time, an event
# is processed twice or never: while members join, leave, hang, lose their
# connections and are killed.  EVENTLOG_OWNERS_SECONDS: for how long.

use strict;
use warnings FATAL => 'all';

use File::Basename qw(dirname);
use lib dirname(__FILE__) . '/../lib';

use EventlogTest;
use PostgreSQL::Test::Utils;
use Test::More;

need_python();

my $seconds = $ENV{EVENTLOG_OWNERS_SECONDS} // 60;
my $node = new_cluster('owners', conf => <<'EOT');
max_connections = 150
log_statement = none
EOT
create_owners($node);

my $crew = start_crew($node, 'owners.py', '--seconds', $seconds);
finish_crew($crew);
my $count = check_owners($node, $crew, 'members are hurt');

# it was the run that we wanted
my $minutes = $seconds / 60;
my %least = (
	kill => 25,					# kill -9 of a client
	terminate => 20,			# pg_terminate_backend
	stop => 10,					# SIGSTOP for a moment
	hang => 10,					# ... amid a transaction, beyond max_poll_interval
	cut => 20,					# connection gone without goodbye
	'joins by consume' => 40,
	'joins by join_group' => 40,
	'leaves by leave_group' => 10,
	'leaves by leave_group amid a transaction' => 10,
	'leaves by DISCARD ALL' => 5,
	heartbeat => 50,
	'ended ROLLBACK' => 50,
	'ended 40L01' => 6,			# fenced
	acknowledged => 5000,
	'aborted offsets' => 300,
	deliveries => 2000,
	'changes of hands' => 300,
);
foreach my $what (sort keys %least)
{
	$count->{$what} //= 0;
	cmp_ok($count->{$what}, '>=', int($least{$what} * $minutes), "$what: $count->{$what}");
}
my $log = slurp_file($node->logfile);
my $stuck = () = $log =~ /terminating process \d+: member .* has held partitions longer/g;
cmp_ok($stuck, '>=', int(3 * $minutes), "sessions of stuck consumers terminated: $stuck");
my $lost = () = $log =~ /ERROR:  (?:this session|member .*) has lost partition/g;
cmp_ok($lost, '>=', int($minutes), "too late to commit: $lost");
unlike($log, qr/PANIC:|TRAP:|signal 11|signal 6/, 'no crash');

$node->stop;
done_testing();
