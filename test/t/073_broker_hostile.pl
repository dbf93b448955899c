# Nothing that a client sends may end eventlog-broker, make it keep memory, or
# hold up other clients: streams cut anywhere, sizes that no request has, random
# bytes, requests without end, too few descriptors.  The broker has sanitizers
# where the compiler has them.

use strict;
use warnings;

use File::Basename qw(dirname);
use lib dirname(__FILE__) . '/../lib';

use EventlogTest;
use IPC::Run ();
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = new_cluster('hostile');
my $seconds = 8;

$node->safe_psql('postgres', <<'EOT');
SELECT create_topic('real', 1, 'text', 'text');
SELECT create_topic('much', 1, 'text', 'text', '{"compression": "none"}');
DO $$ BEGIN FOR i IN 1..100 LOOP PERFORM produce('much', 'k', repeat(md5(i::text), 10000)); COMMIT; END LOOP; END $$;
EOT
my $broker = start_broker($node, sanitize => 1);

sub is_back
{
	my ($name) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	ok(wait_until(sub { broker_metric($broker, 'memory_bytes') == 0 }, 30), "$name: nothing is left in hand")
	  or diag(broker_metric($broker, 'memory_bytes') . ' bytes');
	ok(broker_lives($broker), '... and the broker lives');
	return;
}

sub real_client
{
	my ($name) = @_;
	my $got = run_frames($broker, 'hostile_frames.py', 'real', 'real', 3);
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	cmp_ok($got->{longest} // 1000, '<', 2, "$name: a real client goes on, $got->{rounds} rounds");
	return;
}

my $got = run_frames($broker, 'hostile_frames.py', 'delivery', 'real');
is(join(', ', map { "$_ $got->{$_}" } sort keys %$got), 'at random right, byte by byte right, in one packet right', 'requests are put together from whatever pieces');

$got = run_frames($broker, 'hostile_frames.py', 'wrong_sizes');
is(join(', ', grep { $got->{$_} ne 'answer 7, closed' } sort keys %$got), '', 'what is no request ends the connection, behind the answers to what was');
is(scalar keys %$got, 14, '... each kind of it');
$got = run_frames($broker, 'hostile_frames.py', 'wrong_lengths', 'real');
is($got->{wrong}, '[]', "$got->{tried} sizes that are not those of the requests");
is($node->safe_psql('postgres', q(SELECT count(*) FROM real WHERE value = 'wrong length')), 0, '... of which nothing is done');
run_frames($broker, 'hostile_frames.py', 'truncated', 'real');
is($node->safe_psql('postgres', q(SELECT count(*) FROM real WHERE value = 'truncated')), 0, 'of half a request nothing is done');
is(run_frames($broker, 'hostile_frames.py', 'after_garbage', 'real')->{answers}, 'answer 1, answer 2, closed', 'what was asked before garbage is answered');
is_back('what is no request');

my $garbage = start_frames($broker, 'hostile_frames.py', 'garbage', $seconds);
$got = run_frames($broker, 'hostile_frames.py', 'real', 'real', $seconds - 2);
my $thrown = finish_frames($garbage);
note("$thrown->{connections} connections, $thrown->{megabytes} MB; $got->{rounds} rounds, the longest $got->{longest} s");
cmp_ok($thrown->{megabytes}, '>=', 2, 'random bytes beside a real client');
cmp_ok($got->{longest}, '<', 2, '... which goes on');
is_back('random bytes');

my $before = broker_resident($broker);
my $many = start_frames($broker, 'hostile_frames.py', 'many_requests', 200_000);
wait_for_frames($many, 'stuck');
my $in_hand = broker_metric($broker, 'memory_bytes');
real_client('many requests behind one that waits');
note(sprintf('%d bytes in hand, %.0f MB more', $in_hand, broker_resident($broker) - $before));
cmp_ok($in_hand, '>', 1000 * 2048, '... what they take is counted');
finish_frames($many);
is_back('many requests');

run_frames($broker, 'hostile_frames.py', 'gone', 1500);
ok(wait_until(sub { broker_metric($broker, 'connections') == 0 }, 30), 'a client goes, with more requests in hand than are read: that is noticed');
is_back('a client that has gone');

stop_broker($broker);

# who cannot be accepted, for lack of descriptors, must not keep the broker busy
$broker = start_broker($node, name => 'narrow', sanitize => 1, rlimits => ['--nofile=60:60']);
my $crowd = start_frames($broker, 'hostile_frames.py', 'idle', 100);
wait_for_frames($crowd, 'stuck');
my $cpu = sub { my @stat = split / /, slurp_file("/proc/$broker->{pid}/stat"); return $stat[13] + $stat[14] };
my $used = $cpu->();
sleep 2;
$used = $cpu->() - $used;
note("$used ticks");
cmp_ok($used, '<', 30, 'without descriptors for more clients, the broker does not spin');
finish_frames($crowd);
real_client('there are descriptors again');
stop_broker($broker);

is($node->safe_psql('postgres', q(SELECT string_agg(t.topic::text, ' ') FROM eventlog_topics t, check_topic(t.topic))), '', 'the logs are sound');

done_testing();
