# What eventlog-broker reads before a client asks for it: it is used, nobody gets anything else by it than without,
# nobody else's turn or memory is taken by it, and it goes when nobody comes.

use strict;
use warnings;

use File::Basename qw(dirname);
use lib dirname(__FILE__) . '/../lib';

use EventlogTest;
use IPC::Run ();
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = new_cluster('ahead', conf => "max_connections = 60\n");

sub sql
{
	my ($query) = @_;
	return $node->safe_psql('postgres', $query);
}

# 12 MB in each partition, of 2,000 events
sql(<<'EOT');
SELECT create_topic(name, n, 'text', 'text', '{"compression": "none"}') FROM (VALUES ('one', 1), ('gone', 1), ('four', 4)) AS t (name, n);
DO $$ BEGIN
	FOR i IN 1..40 LOOP
		PERFORM produce(t, 'k', repeat(md5(j::text), 190), partition => p) FROM generate_series(1, 50) j, (VALUES ('one', 0), ('gone', 0), ('four', 0), ('four', 1), ('four', 2), ('four', 3)) AS v (t, p);
		COMMIT;
	END LOOP;
END $$;
CREATE ROLE other LOGIN;
GRANT USAGE ON SCHEMA _eventlog TO other;
GRANT SELECT ON one TO other;
EOT
my $broker = start_broker($node, sanitize => 1);

sub used
{
	return broker_metric($broker, 'reads_ahead_used_total');
}

sub nothing_left
{
	my ($name) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	ok(wait_until(sub { broker_metric($broker, 'memory_bytes') == 0 }, 10), $name);
	return;
}

my $got = run_frames($broker, 'reading_frames.py', 'read_all', 'one', 2000);
is($got->{wrong}, 0, 'a log is read, each event once and in order');
note(used() . " of $got->{answers} answers were read ahead");
cmp_ok(used(), '>', 0, '... ahead');
nothing_left('... of which nothing is left in memory');

my $before = used();
is(run_frames($broker, 'reading_frames.py', 'read_while_produced', 'one', 300)->{wrong}, 0, 'a log is read while it grows');
cmp_ok(used(), '>', $before, '... ahead, too');
nothing_left('... of which nothing is left');

$got = run_frames($broker, 'reading_frames.py', 'rotating', 'four', 4, 2000);
is(join(', ', map { "$_ $got->{$_}" } sort keys %$got),
	'turning False: at the end True, turning False: first come True, turning True: at the end True, turning True: first come True',
	'of several partitions in a request the first one has its turn, whatever was read ahead of others');
is(run_frames($broker, 'reading_frames.py', 'beside_slow', 'one', 3)->{'in time'}, 'yes', 'who asks for what is being sent to slow clients gets it at once');

#
# When things change before the client comes back
#
sub between
{
	my ($what, @arguments) = @_;
	my ($in, $out, $err) = ('', '', '');
	my $run = IPC::Run::start([ '/usr/bin/python3', dirname(__FILE__) . '/../lib/reading_frames.py', $broker->{port}, 'one_answer', @arguments ],
		'<', \$in, '>', \$out, '2>', \$err, IPC::Run::timeout(60));
	$run->pump until $out =~ /^next\t(\d+)$/m || !$run->pumpable;
	$what->($1);
	$in .= "go on\n";
	$run->finish;
	return $err . ($out =~ /error\t(.*)\nbatches\t(\d+)/ ? "$1" . ($2 > 0 ? ', batches' : '') : $out);
}

is(between(sub { nothing_left('a client that does not come back: what was read for it is dropped') }, 'one', 0), '0, batches', '... and when it comes back all the same, it is read again');
is(between(sub { sql('TRUNCATE gone'); nothing_left('the log is emptied before the client comes back') }, 'gone', 0), '1', '... which then is told');
$before = used();
is(between(sub { kill_cluster($node); $node->start; wait_until(sub { broker_metric($broker, 'up') == 1 }, 30) }, 'one', 0), '0, batches', 'the server dies before the client comes back: it is read again');
is(used(), $before, '... really');
stop_broker($broker);

# each role reads for itself
$broker = start_broker($node, name => 'roles', sanitize => 1, options => [ '--authentication', 'plain' ]);
my $owner = sql('SELECT current_user');
is(between(sub { run_frames($broker, 'reading_frames.py', 'part', 'one', $_[0], 'other') }, 'one', 0, $owner), '0, batches', 'another role reads the same');
cmp_ok(used(), '<=', 1, '... and does not get what was read for this one');
stop_broker($broker);

# memory
$broker = start_broker($node, name => 'tight', sanitize => 1, options => [ '--memory', '16MB', '--fetch-size', '256kB' ]);
is(run_frames($broker, 'reading_frames.py', 'scattered', 'one', 40, 1500)->{answered}, 40, '40 clients read at places of their own');
my $held = broker_metric($broker, 'memory_bytes');
cmp_ok($held, '<', 5 << 20, '... what is read ahead of them has its bounds');
cmp_ok(broker_metric($broker, 'reads_ahead_total'), '<=', 8, '... of an eighth of the memory');
nothing_left('... and goes');
stop_broker($broker);

done_testing();
