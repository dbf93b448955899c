# A crowd does not hold up a client, nor take more memory than the broker may have: ten thousand connections that say nothing, a
# thousand fetches that one commit wakes, readers that do not read, a megabyte of random bytes a second, requests of every wrong
# length; all of it at once, beside a client that produces and reads.
#
# EVENTLOG_CROWD: connections (default 10000, or what the system's limit of descriptors allows).  EVENTLOG_CROWD_PARKED: fetches
# (1000).  EVENTLOG_CROWD_SECONDS: of random bytes (6).

use strict;
use warnings FATAL => 'all';

use File::Basename qw(dirname);
use lib dirname(__FILE__) . '/../lib';

use EventlogTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time usleep);

my $crowd = $ENV{EVENTLOG_CROWD} // 10_000;
my $parked = $ENV{EVENTLOG_CROWD_PARKED} // 1000;
my $seconds = $ENV{EVENTLOG_CROWD_SECONDS} // 6;
my $memory = 64;		# MB that the broker may have in hand

# descriptors of the broker, which has all of them
chomp(my $limit = `sh -c 'ulimit -Hn'`);
if ($limit =~ /^\d+$/ && $limit < $crowd + $parked + 500)
{
	$crowd = $limit - $parked - 500;
	note("the system allows $limit descriptors: $crowd connections");
}

my $node = new_cluster('crowd');
$node->safe_psql('postgres', <<'EOT');
SELECT create_topic('real', 1, 'text', 'text'), create_topic('bell', 1, 'text', 'text');
SELECT create_topic('much', 1, 'text', 'text', '{"compression": "none"}');
DO $$ BEGIN FOR i IN 1..100 LOOP PERFORM produce('much', 'k', repeat(md5(i::text), 10000)); COMMIT; END LOOP; END $$;
EOT
my $broker = start_broker($node, options => [ '--max-connections', $crowd + $parked + 100, '--memory', "${memory}MB" ]);

my $at_first = broker_resident($broker);
my $began = time;
my $idle = start_frames($broker, 'hostile_frames.py', 'idle', $crowd);
wait_for_frames($idle, 'stuck');
ok(wait_until(sub { broker_metric($broker, 'connections') >= $crowd }, 30), "$crowd connections are open");
note(sprintf('in %.1f s; %.1f MB instead of %.1f MB', time - $began, broker_resident($broker), $at_first));
my $bell = start_frames($broker, 'broker_frames.py', 'parked', 'bell', $parked);
wait_for_frames($bell, 'parked');
my $slow = start_frames($broker, 'hostile_frames.py', 'slow_readers', 'much', 10);
wait_for_frames($slow, 'stuck');

# an answer each, the beginnings of requests, and the fetches
cmp_ok(broker_metric($broker, 'memory_bytes'), '<', (10 + $crowd / 50 / 16 + $parked / 256 + 10) << 20,
	'readers that do not read have no more in hand than an answer each');

my $real = start_frames($broker, 'hostile_frames.py', 'real', 'real', 0);
my $garbage = start_frames($broker, 'hostile_frames.py', 'garbage', $seconds);
my $most = 0;
my $until = time + $seconds / 2;
while (time < $until)
{
	my $now = broker_resident($broker);
	$most = $now if $now > $most;
	usleep(20_000);
}

$began = time;
$node->safe_psql('postgres', q(SELECT produce('bell', 'k', 'now')));
my $got = finish_frames($bell, $began);
is("$got->{early} early, $got->{answered} answered", "0 early, $parked answered", 'one commit wakes all fetches');
note("$got->{seconds} s from before psql to the last answer");
cmp_ok($got->{seconds}, '<', 15, '... soon');
$got = run_frames($broker, 'hostile_frames.py', 'wrong_lengths', 'real');
is($got->{wrong}, '[]', "requests of $got->{tried} wrong lengths");
$got = finish_frames($garbage);
note("$got->{connections} connections of random bytes, $got->{megabytes} MB");
cmp_ok($got->{megabytes}, '>=', $seconds, 'a megabyte of random bytes a second');
my $now = broker_resident($broker);
$most = $now if $now > $most;

$got = finish_frames($real);
note("a real client: $got->{rounds} rounds, the longest $got->{longest} s");
cmp_ok($got->{rounds}, '>', 0, 'beside all of them a client produces and reads');
cmp_ok($got->{longest}, '<', 10, '... and gets its answers');
# (who has begun a request may have to go, after half a minute, when memory is short)
cmp_ok(broker_metric($broker, 'connections'), '>=', 0.98 * $crowd, 'who says nothing is still there');

# beside what is in hand, a connection is a struct
note(sprintf('%.1f MB at most, %.1f MB at first', $most, $at_first));
cmp_ok($most, '<', $at_first + $memory + $crowd / 1000, "memory is within its limit");

finish_frames($slow);
finish_frames($idle);
ok(wait_until(sub { broker_metric($broker, 'connections') == 0 && broker_metric($broker, 'memory_bytes') == 0 }, 30),
	'all of them go, and nothing is left in hand');
stop_broker($broker);
is($node->safe_psql('postgres', q(SELECT string_agg(t.topic::text, ' ') FROM eventlog_topics t, check_topic(t.topic))),
	'', 'the logs are sound');

done_testing();
