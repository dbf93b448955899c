# eventlog-broker with a client that nobody has changed (kcat), and with frames
# made by hand: both worlds see each other's events and nothing else, errors are
# Kafka's, and what dies on one side - broker, server, backends, topics - is got
# over by the other.

use strict;
use warnings;

use Digest::SHA qw(sha256_hex);
use File::Basename qw(dirname);
use lib dirname(__FILE__) . '/../lib';

use EventlogTest;
use IPC::Run ();
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time);

plan(skip_all => 'needs kcat') unless IPC::Run::run([ 'which', 'kcat' ], '>', \my $where, '2>', \my $nowhere);

my $node = new_cluster('broker', conf => "max_connections = 60\n");
my $broker;

sub sql
{
	my ($query) = @_;
	return $node->safe_psql('postgres', $query);
}

# New topics are seen by the broker some moments later.
sub create_topic
{
	my ($name, $partitions, $types, $options) = @_;
	$options //= '{}';
	sql("SELECT create_topic('$name', $partitions, $types, '$options')");
	wait_until(sub { (kcat($broker, '', '-L', '-t', $name))[0] =~ /topic "$name" with $partitions partitions/ }, 30) or die "$name is not there";
	return;
}

# All of a partition, or topic, up to its end.
sub read_all
{
	my ($topic, $format, @arguments) = @_;
	my ($out, $err) = kcat($broker, '', '-C', '-t', $topic, '-o', 'beginning', '-e', '-q', '-f', $format, @arguments);
	return $err eq '' ? $out : "$out$err";
}

sub is_all
{
	my ($got, $expected, $name) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my @wrong = grep { ($got->{$_} // 'nothing') ne $expected->{$_} } sort keys %$expected;
	is(join('; ', map { "$_: " . ($got->{$_} // 'nothing') . ", not $expected->{$_}" } @wrong), '', $name);
	return;
}

$broker = start_broker($node, sanitize => 1);

#
# Both ways
#
foreach my $codec (qw(none lz4 zstd))
{
	create_topic("codec_$codec", 1, "'text', 'text'");
	my $lines = join '', map { "k$_:value $_ " . ('x' x ($_ % 50)) . "\n" } 1 .. 2000;
	my ($out, $err) = kcat($broker, $lines, '-P', '-t', "codec_$codec", '-K:', '-z', $codec);
	is($err, '', "$codec: kcat produces");
	is(read_all("codec_$codec", "%k:%s\n"), $lines, '... and reads it');
	is(sql("SELECT key || ':' || value FROM codec_$codec ORDER BY event_offset") . "\n", $lines, '... and SQL, too');
	is(sql("SELECT count(*) FROM consume('g', 'codec_$codec', 10000, commit => true)"), 2000, '... and consume()');
	sql("SELECT count(produce('codec_$codec', 's' || i, 'by SQL ' || i)) FROM generate_series(1, 500) i");
	is(read_all("codec_$codec", "%k:%s\n"), $lines . join('', map { "s$_:by SQL $_\n" } 1 .. 500), '... and what SQL produced stands behind it');
}

create_topic('odd', 1, "'bytea', 'bytea'", '{"max_event_bytes": 20971520}');
kcat($broker, "k:\n:v\n:\n", '-P', '-t', 'odd', '-K:');
kcat($broker, "k:\n:v\n:\n", '-P', '-t', 'odd', '-K:', '-Z');
is(read_all('odd', '%K %S,'), '1 0,0 1,0 0,1 -1,-1 1,-1 -1,', 'empty and null keys and values stay what they are');
is(sql('SELECT string_agg(length(key) || coalesce(length(value)::text, $$null$$), $$,$$ ORDER BY event_offset) FROM odd WHERE key IS NOT NULL'),
	'10,01,00,1null', '... for SQL, too');
kcat($broker, "with\n", '-P', '-t', 'odd', '-H', 'a=1', '-H', 'b=', '-H', 'a=2');
is(read_all('odd', '%h', '-o', '6'), 'a=1,b=,a=2', 'headers');
is(sql('SELECT headers FROM odd WHERE event_offset = 6'), '[["a", "1"], ["b", ""], ["a", "2"]]', '... for SQL, too');
sql(q(SELECT produce('odd', 'k'::bytea, 'v'::bytea, '{"name": "value", "none": null}')));
is(read_all('odd', '%h', '-o', '7'), 'name=value,none=NULL', '... and those of SQL');

my $large = join '', map { sha256_hex($_) } 1 .. 160_000;
my $file = "$PostgreSQL::Test::Utils::tmp_check/large";
append_to_file($file, $large);
is((kcat($broker, '', '-P', '-t', 'odd', '-X', 'message.max.bytes=20000000', $file))[1], '', 'a message of 10 MB is sent');
is(sql('SELECT length(value), encode(sha256(value), $$hex$$) FROM odd WHERE event_offset = 8'), length($large) . '|' . sha256_hex($large), '... stored');
is(sha256_hex((kcat($broker, '', qw(-C -t odd -o 8 -c 1 -q -e -D), '', '-f', '%s'))[0]), sha256_hex($large), '... and read');

#
# Transactions
#
create_topic('tx', 1, "'text', 'text'");
sql(q(SELECT produce('tx', 'a', 'committed')));
sql(q(BEGIN; SELECT produce('tx', 'b', 'rolled back'); ROLLBACK));
sql(q(BEGIN; SELECT produce('tx', 'c', 'rolled back'); SELECT flush(); ROLLBACK));
sql(q(SELECT produce('tx', 'd', 'committed')));
is(read_all('tx', '%o%k '), '0a 2d ', 'what was rolled back is not read');
sql(q(BEGIN; SELECT produce('tx', 'e', 'rolled back') FROM generate_series(1, 5); SELECT flush(); ROLLBACK));
is(sql(q(SELECT stable_offset FROM eventlog_partitions WHERE topic = 'tx'::regclass)), 8, 'a log ends with aborted offsets');
is(read_all('tx', '%o%k '), '0a 2d ', '... and the end is reached all the same');
is((kcat($broker, '', qw(-C -t tx -o 4 -e -q), '-f', '%o%k '))[0], '', '... from within them, too');

my $session = $node->background_psql('postgres');
$session->query_safe(q(BEGIN; SELECT produce('tx', 'f', 'open'); SELECT flush()));
kcat($broker, "g:behind\n", '-P', '-t', 'tx', '-K:');
is(read_all('tx', '%o%k '), '0a 2d ', 'what is behind an open transaction waits for it');
$session->query_safe('COMMIT');
is(read_all('tx', '%o%k '), '0a 2d 8f 9g ', '... until it commits');
$session->quit;

#
# Seeking
#
is((kcat($broker, '', qw(-C -t codec_none -o 1990 -c 3 -q), '-f', '%o '))[0], '1990 1991 1992 ', 'seek by offset');
is((kcat($broker, '', qw(-C -t codec_none -o -2 -c 2 -q), '-f', '%o '))[0], '2498 2499 ', '... from the end');
create_topic('times', 1, "'text', 'text'");
sql(q(SELECT produce('times', NULL, i::text, event_time => timestamptz 'epoch' + i * interval '1000 s') FROM generate_series(1, 100) i));
is((kcat($broker, '', '-C', '-t', 'times', '-o', 's@50000000', '-c', 1, '-q', '-f', '%s '))[0], '50 ', 'seek by time');
is((kcat($broker, '', '-C', '-t', 'times', '-o', 's@49000001', '-o', 'e@52000000', '-q', '-f', '%s '))[0], '50 51 ', '... and up to another');
is((kcat($broker, '', '-Q', '-t', 'times:0:50000001'))[0] =~ /offset (\d+)/ ? $1 : 'none', 50, '... and asked');

#
# Frames
#
create_topic('frames', 2, "'bytea', 'bytea'");
is_all(
	run_frames($broker, 'broker_frames.py', 'codes', 'frames'),
	{
		good => '0, offset',
		'base offset 77' => 87,
		crc => 2,
		'two batches' => 87,
		'no bytes' => 87,
		null => 87,
		control => 87,
		count => 87,
		'zero records' => 87,
		'codec 7' => 76,
		truncated => 87,
		'magic 1' => 87,
		transactional => 53,
		'acks 2' => 21,
		'acks -2' => 21,
		'produce: unknown topic' => 3,
		'produce: partition 99' => 3,
		'produce: partition -1' => 3,
		'acks 0' => 6,
		'acks 0, partition 99' => 'closed',
		'fetch: first batch' => '0, 1 batches, at once',
		'fetch: no room at all' => '0, 1 batches, at once',
		'fetch: beyond the end' => '1, at once',
		'fetch: negative' => '1, at once',
		'fetch: unknown topic' => '3, at once',
		'fetch: partition 99' => '3, at once',
		'fetch: epoch 99' => '75, at once',
		'fetch: session 5' => '70 at the top, at once',
		'fetch: nothing' => '0 at the top, at once',
		'list offsets: -1' => '0, -1, an offset',
		'list offsets: -2' => '0, -1, an offset',
		'list offsets: -9' => '35, -1, -1',
		'list offsets: after the end' => '0, -1, -1',
		metadata => 'frames 0 2, nobody 3 0, bad name 17 0',
		'unknown api version' => 'closed',
		'unknown api' => 'closed',
		'ApiVersions 99' => '00230000000100120000' . '0004',
	},
	'errors are those of Kafka, and told in time');
is(sql('SELECT count(*) FROM frames'), 2, '... and nothing of what was refused is there');
is_all(run_frames($broker, 'broker_frames.py', 'pipeline', 'frames'), { order => 'right', offsets => 'right' }, 'answers come in the order of requests');
create_topic('mixed', 1, "'bytea', 'bytea'");
kcat($broker, ('x' x 1000) . "\n", '-P', '-t', 'mixed', '-z', $_) foreach qw(none zstd none);
is_all(
	run_frames($broker, 'broker_frames.py', 'old_fetches', 'mixed'),
	{ '9, 0' => '0, 1', '9, 1' => '76, 0', '9, 2' => '0, 1', '10, 0' => '0, 3', '10, 1' => '0, 2', '10, 2' => '0, 1' },
	'clients that are too old for zstd are told so, where there is some');
create_topic('zstd_only', 2, "'bytea', 'bytea'");
kcat($broker, ('x' x 1000) . "\n", '-P', '-t', 'zstd_only', '-p', $_, '-z', 'zstd') foreach 0, 1;
is_all(run_frames($broker, 'broker_frames.py', 'old_fetches_of_two', 'zstd_only'), { errors => '76 0, 0 0' }, '... at once, where it takes all the room there is');
create_topic('ordered', 2, "'text', 'text'");
is_all(run_frames($broker, 'broker_frames.py', 'order', 'ordered', 200), { wrong => 0 }, '1,600 requests of 8 pipelines');
is(sql(<<'EOT'), '3200|0', '... each batch once, and those of a client and partition in its order');
SELECT count(*), count(*) FILTER (WHERE value::int <> before + 1) FROM (
	SELECT value, lag(value::int) OVER (PARTITION BY partition, key ORDER BY event_offset) AS before FROM ordered) x
EOT
create_topic('half', 1, "'text', 'text'");
run_frames($broker, 'broker_frames.py', 'half_closed', 'half');
ok(wait_until(sub { sql('SELECT count(*) FROM half') == 100 }, 30), 'what a client sent before it closed is appended');

#
# Waiting
#
create_topic('waiting', 2, "'text', 'text'");
my $parked = start_frames($broker, 'broker_frames.py', 'parked', 'waiting', 1);
wait_for_frames($parked, 'parked');
my $began = time;
sql(q(SELECT produce('waiting', 'k', 'now', partition => 0)));
my $woken = finish_frames($parked, $began);
is("$woken->{early} early, $woken->{answered} answered", '0 early, 1 answered', 'a fetch waits for a commit');
cmp_ok($woken->{seconds}, '<', 15, '... not longer');

#
# Topics that come and go
#
sql(q(SELECT create_topic('stays', 1, 'text', 'text'), create_topic('goes', 1, 'text', 'text'); SELECT produce('stays', 'k', repeat('v', 5000))));
$parked = start_frames($broker, 'broker_frames.py', 'dropped_beside', 'stays', 'goes');
wait_for_frames($parked, 'parked');
sql('DROP TABLE goes');
my $left = finish_frames($parked);
like("$left->{early}: $left->{answer}", qr/^0: 0 (0|115), 3 0$/, 'a topic goes that somebody waits for beside another, of which there is not enough');
sql(q(SELECT create_topic('gone', 1, 'text', 'text'); SELECT produce('gone', 'k', 'v')));
my ($gone_in, $gone_out, $gone_err) = ('', '', '');
my $gone_reader = IPC::Run::start([ 'bash', '-c', "timeout 100 kcat -b 127.0.0.1:$broker->{port} -C -t gone -o beginning -q -u -f '%s\\n' -X topic.metadata.refresh.interval.ms=200 2> >(head -c 2000 >&2; cat >/dev/null)" ],
	'<', \$gone_in, '>', \$gone_out, '2>', \$gone_err, IPC::Run::timeout(120));
$gone_reader->pump until $gone_out =~ /v\n/ || !$gone_reader->pumpable;
sql('DROP TABLE gone');
like(run_frames($broker, 'broker_frames.py', 'metadata_of', 'odd')->{one}, qr/0, 1/, 'a topic is dropped under its reader: others go on');
ok(wait_until(sub { (kcat($broker, '', '-L', '-t', 'gone'))[0] =~ /Unknown topic/ }, 30), '... and clients are told that it is gone');
sql(q(SELECT create_topic('gone', 1, 'text', 'text'); SELECT produce('gone', 'k', 'again')));
ok(wait_until(sub { read_all('gone', '%s') eq 'again' }, 30), '... and that there is one of this name again');
$gone_reader->kill_kill;

sql(q(SELECT alter_topic('waiting', '{"partitions": 4}')));
ok(wait_until(sub { (kcat($broker, '', '-L', '-t', 'waiting'))[0] =~ /with 4 partitions/ }, 30), 'partitions are added: clients see them');
kcat($broker, "k:new\n", '-P', '-t', 'waiting', '-K:', '-p', 3);
is(read_all('waiting', '%p%s', '-p', 3), '3new', '... and use them');

# what there is to say of topics may be far more than the request that asks for it
create_topic("wide_$_", 250, "'text', 'text'") foreach 1 .. 4;
is(run_frames($broker, 'broker_frames.py', 'metadata_of', 'wide_4')->{all}, '(0, 250)', 'metadata of 1,000 partitions');

#
# What dies
#
foreach my $round (1 .. 3)
{
	sql(q(SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE application_name LIKE 'eventlog-broker%'));
	my ($out, $err) = kcat($broker, "t$round:after its backends\n", '-P', '-t', 'tx', '-K:', '-X', 'message.timeout.ms=30000');
	is(read_all('tx', '%k '), '' . join('', 'a d f g ', map { "t$_ " } 1 .. $round), "backends are terminated, round $round: produced once");
}

# (kcat ends when no broker is there: it is started again with the message that failed)
sub start_producer
{
	my ($topic, $from, $to) = @_;
	my $loop = "for i in \$(seq $from $to); do until echo \"message \$i\" | timeout 60 kcat -b 127.0.0.1:$broker->{port} -P -t $topic"
	  . " -X message.timeout.ms=60000 2>/dev/null; do sleep 0.1; done; done";
	return IPC::Run::start([ 'bash', '-c', $loop ], '<', \undef, IPC::Run::timeout(150));
}

create_topic('killed', 1, "'text', 'text'");
my $producer = start_producer('killed', 1, 100);
foreach my $round (1 .. 2)
{
	ok(wait_until(sub { sql('SELECT count(DISTINCT value) FROM killed') >= 30 * $round }), 'a producer is at work');
	kill_broker($broker);
	$broker = start_broker($node, sanitize => 1, port => $broker->{port});
}
$producer->finish;
is(sql('SELECT count(DISTINCT value) FROM killed'), 100, 'the broker is killed and comes again: all that was sent arrives');

# a fetch of a place that nobody has read ends in its time, though the server is away
my $stopped = start_broker($node, name => 'stopped', sanitize => 1, options => [ '--request-timeout', '3s' ]);
run_frames($stopped, 'broker_frames.py', 'metadata_of', 'odd');
$node->stop('immediate');
is(run_frames($stopped, 'broker_frames.py', 'errors_while_away', 'odd', 20)->{'in time'}, 'yes', 'PostgreSQL is away: a fetch is answered');
my $late = start_producer('killed', 101, 101);
ok(wait_until(sub { broker_metric($broker, 'up') == 0 }, 30), '... /metrics says so');
$node->start;
$late->finish;
is(sql(q(SELECT count(*) > 0 FROM killed WHERE value = 'message 101')), 't', '... and what was sent meanwhile arrives when it is there again');
is(read_all('tx', '%k '), 'a d f g t1 t2 t3 ', '... and is read');
ok(wait_until(sub { broker_metric($stopped, 'up') == 1 }, 30), '... by the other broker, too');
stop_broker($stopped);

#
# Calls that take too long, and memory that is short
#
my $hasty = start_broker($node, name => 'hasty', sanitize => 1, options => [ '--request-timeout', '1s', '--backends', 2, '--memory', '16MB' ]);
create_topic('locked', 1, "'text', 'text'");
$session = $node->background_psql('postgres');
$session->query_safe('BEGIN; LOCK TABLE locked');
foreach my $i (1 .. 4)
{
	kcat($hasty, "v\n", '-P', '-t', 'locked', '-X', 'message.timeout.ms=2500', '-X', 'request.timeout.ms=1500');
}
ok(wait_until(sub { sql(q(SELECT count(*) FROM pg_stat_activity WHERE application_name = 'eventlog-broker' AND wait_event_type = 'Lock')) <= 2 }, 15),
	'calls that were given up leave no backends behind');
$session->query_safe('COMMIT');
$session->quit;
stop_broker($hasty);

my $tight = start_broker($node, name => 'tight', sanitize => 1, options => [ '--memory', '16MB' ]);
my $got = run_frames($tight, 'broker_frames.py', 'memory', 'odd', 12);
is($got->{unanswered}, 0, 'more is sent than there is memory for: all of it is answered');
note("$got->{seconds} s");
is(broker_metric($tight, 'memory_bytes'), 0, '... and the memory comes back');
stop_broker($tight);

ok(wait_until(sub { broker_metric($broker, 'memory_bytes') == 0 }, 30), 'nothing is left in hand');
stop_broker($broker);
is(sql(q(SELECT string_agg(t.topic::text, ' ') FROM eventlog_topics t, check_topic(t.topic))), '', 'the logs are sound');

done_testing();
