# A topic that somebody has locked - a long ALTER TABLE, a forgotten transaction - holds up its own clients of
# eventlog-broker and no others, whatever they ask for; when it is free, what they sent is there, in order.

use strict;
use warnings;

use File::Basename qw(dirname);
use lib dirname(__FILE__) . '/../lib';

use EventlogTest;
use IPC::Run ();
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = new_cluster('locked', conf => "max_connections = 60\n");

sub sql
{
	my ($query) = @_;
	return $node->safe_psql('postgres', $query);
}

sql(q(SELECT create_topic(t, n, 'text', 'text') FROM (VALUES ('topic', 2), ('part', 2), ('other', 1)) AS v (t, n)));
my $broker = start_broker($node, sanitize => 1, options => [ '--backends', 2 ]);

foreach my $table ('topic', 'part_p0')
{
	my ($topic) = $table =~ /^([a-z]+)/;
	my $session = $node->background_psql('postgres');
	$session->query_safe("BEGIN; LOCK TABLE ONLY $table IN ACCESS EXCLUSIVE MODE");
	# the broker has to look at all topics anew while this one is locked
	sql("SELECT create_topic('new_$topic')");

	my ($in, $out, $err) = ('', '', '');
	my $run = IPC::Run::start([ '/usr/bin/python3', dirname(__FILE__) . '/../lib/locked_frames.py', $broker->{port}, $topic, 'other', 20 ],
		'<', \$in, '>', \$out, '2>', \$err, IPC::Run::timeout(100));
	$run->pump until $out =~ /^locked$/m || !$run->pumpable;
	is($err, '', "$table is locked");
	is(sql(q(SELECT count(*) FROM pg_stat_activity WHERE application_name = 'eventlog-broker' AND wait_event_type = 'Lock')), 0, '... nobody waits for it in the server');
	$session->query_safe('COMMIT');
	$session->quit;
	$in .= "free\n";
	$run->finish;
	is($err, '', '... until it is free');
	my %got = map { split /\t/ } grep { /\t/ } split /\n/, $out;
	note("the longest round of another topic's client took $got{longest} s, of $got{rounds}; errors of fetches: $got{'errors of fetches'}");
	cmp_ok($got{longest} // 100, '<', 2, "... another topic's client is not held up");
	is($got{produced}, '[0]', '... what clients have sent meanwhile is there without an error');
	is($got{read}, 0, '... and can be read');
	unlike($got{'errors of fetches'}, qr/[^06, \[\]]/, '... fetches have waited, or been told to look again');
	is(sql("SELECT count(*), count(DISTINCT (partition, key, value)) FROM $topic"), '100|100', '... each batch once');
	is(sql(<<"EOT"), 0, '... and those of a client in its order');
SELECT count(*) FROM (SELECT value::int - lag(value::int) OVER (PARTITION BY partition, key ORDER BY event_offset) AS step FROM $topic) s WHERE step <> 2
EOT
}

# what takes longer than a request may
my $hasty = start_broker($node, name => 'hasty', sanitize => 1, options => [ '--request-timeout', '1s' ]);
my $session = $node->background_psql('postgres');
$session->query_safe('BEGIN; LOCK TABLE ONLY topic IN ACCESS EXCLUSIVE MODE');
is(run_frames($hasty, 'broker_frames.py', 'produce_one', 'topic')->{error}, 7, 'beyond request_timeout a client is told to try again');
$session->query_safe('COMMIT');
$session->quit;
is(run_frames($hasty, 'broker_frames.py', 'produce_one', 'topic')->{error}, 0, '... which it does');
stop_broker($hasty);

ok(wait_until(sub { broker_metric($broker, 'memory_bytes') == 0 }, 30), 'nothing is left in hand');
stop_broker($broker);
done_testing();
