# The server dies by SIGKILL under load, again and again.  A heap table, "twin",
# is written in the same transactions as the events: whatever PostgreSQL kept
# of the one must be there of the other, and both must agree with what the
# clients were told.
#
# EVENTLOG_CRASHES sets how often; 20 unless told.

use strict;
use warnings FATAL => 'all';

use File::Basename qw(dirname);
use lib dirname(__FILE__) . '/../lib';

use EventlogTest;
use PostgreSQL::Test::Utils;
use Test::More;

need_python();

my $crashes = $ENV{EVENTLOG_CRASHES} // 20;
my $wanted = 100;
my $node = new_cluster('crash', init => [ extra => ['--data-checksums'] ], conf => <<'EOT');
fsync = on
log_statement = none
# checkpoints come in between, so that recovery starts everywhere
checkpoint_timeout = 30s
max_wal_size = 48MB
min_wal_size = 32MB
# what recovery makes of each page is compared with what it was
wal_consistency_checking = 'eventlog'
# a commit takes a little longer, so that the kill finds some under way
commit_delay = 10000
commit_siblings = 1
eventlog.producer_buffer = 64kB
EOT
# small segments: appends open new ones, batches run over several
create_load_tables($node, options => '{"segment_bytes": 65536, "compression": "none"}');

my ($acknowledged, $in_flight, $enough) = (0, 0, 0);
my (@loads, @problems);
foreach my $round (1 .. $crashes)
{
	my $load = start_load($node, round => $round, producers => 8, prepared => 1);
	wait_for_load($load, $wanted);
	kill_cluster($node);
	my $count = finish_load($load);
	$acknowledged += $count->{ok};
	$enough++ if $count->{ok} >= $wanted;
	$in_flight++ if $count->{info} > 0;
	note("round $round: $count->{ok} acknowledged, $count->{fail} failed, $count->{info} in flight");

	$node->start;
	push @loads, $load;
	my $found = check_load($node, @loads);
	push @problems, "round $round: $found" if $found ne '';
	last if $found ne '';
}
is(join("\n", @problems), '', "$crashes crashes, $acknowledged acknowledged transactions: events, twin and answers agree");
is($enough, $crashes, "at least $wanted acknowledgements before each kill");
cmp_ok($in_flight, '>', $crashes / 2, "a COMMIT without an answer in more than half of them ($in_flight)");

consume_load($node);
is(check_load($node), '', 'consumed to the end');
is($node->safe_psql('postgres', 'SELECT (SELECT count(*) FROM events) = (SELECT count(*) FROM done)'), 't', 'every event once');

# nothing of it depends on memory: a clean restart shows the same
my $dump = "SELECT md5(string_agg(e::text, ',' ORDER BY topic::text, partition, event_offset)) FROM events e";
my $before = $node->safe_psql('postgres', $dump);
$node->restart;
is($node->safe_psql('postgres', $dump), $before, 'the same after a clean restart');
is($node->safe_psql('postgres', "SELECT count(*) FROM consume('load', 'load')"), '0', 'nothing is delivered again');

$node->stop;
command_ok([ $node->installed_command('pg_checksums'), '--check', '-D', $node->data_dir ], 'page checksums');

ok(!$node->log_contains('PANIC:|TRAP:|was terminated by signal'), 'no server process fell by itself');

done_testing();
