# One log, two worlds: transactions of SQL, of which a third is rolled back, and
# idempotent producers of Kafka's clients (librdkafka by kcat, kafka-clients) write
# to the same topics at once, SQL and Kafka's clients read them.  All see exactly what
# was committed, each key's events in order, byte for byte; and what producers have
# sent is stored as it is, but for base offset and leader epoch: a proxy has recorded it.
#
# 20,000 events; EVENTLOG_BOTH_WORLDS=200000 for longer.  Without kafka-clients (see
# test/clients) all of Kafka's half is librdkafka's, and that is said.

use strict;
use warnings FATAL => 'all';

use File::Basename qw(dirname);
use lib dirname(__FILE__) . '/../lib';

use EventlogTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

need_python();
plan(skip_all => 'needs kcat') unless IPC::Run::run([ 'which', 'kcat' ], '>', \my $where, '2>', \my $nowhere);

my $events = $ENV{EVENTLOG_BOTH_WORLDS} // 20000;
my ($command, $said) = run_command([ dirname(__FILE__) . '/../clients/command', 'java_4' ]);
my @java = split /\n/, $command;
fail("kafka-clients cannot be had: $command") if $command =~ /^not ok/m;
if ($command eq '' || $command =~ /^(skip|not ok)/m)
{
	diag($command eq '' ? "skip java_4: $said" : $command);
	@java = ();
}

my $node = new_cluster('both_worlds', conf => "max_connections = 60\n");
$node->safe_psql('postgres', <<'EOT');
SELECT create_topic('both_' || codec, 1, 'bytea', 'bytea', jsonb_build_object('compression', codec, 'segment_bytes', 1048576))
FROM unnest('{none,lz4,zstd}'::text[]) codec
EOT
my $proxy = PostgreSQL::Test::Cluster::get_free_port();
my $broker = start_broker($node, options => [ '--advertised-listeners', "127.0.0.1:$proxy" ]);

my $result = run_frames($broker, 'both_worlds.py', $proxy, $events, $node->connstr('postgres'), @java);
note("$_: $result->{$_}") foreach sort keys %$result;
is($result->{wrong}, 'nothing', 'SQL and clients of Kafka see exactly what is committed, in order, as it was written; batches are those that were sent');
cmp_ok($result->{committed}, '>', $events * 0.75, '... and that is what it should be');
cmp_ok($result->{committed}, '<', $events * 0.9, '... a third of the transactions being rolled back');
like($result->{'rolled back'}, qr/^in the log [1-9]\d*, not in the log [1-9]/, '... some in the log, some before');
cmp_ok($result->{batches}, '>', $events / 500, 'batches of producers were compared');
is($result->{codecs}, 'none gzip snappy lz4 zstd', '... of every codec');

stop_broker($broker);
$node->stop;
done_testing();
