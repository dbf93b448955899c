# What the TAP tests have in common: a cluster with the extension loaded, and
# a load of transactions whose outcome is known (load.py), and clients that are
# hurt on purpose (crew.py).

package EventlogTest;

use strict;
use warnings FATAL => 'all';

use Exporter 'import';
use File::Basename qw(dirname);
use File::Path qw(rmtree);
use IO::Socket::INET;
use IPC::Run ();
use JSON::PP ();
use POSIX ();
use Test::More;
use Time::HiRes qw(clock_gettime CLOCK_MONOTONIC);

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;

# PostgreSQL::Test::Utils took LC_ALL away. What a test starts, Python among it,
# speaks UTF-8, and servers are in UTC, whoever runs the test.
BEGIN
{
	$ENV{LANG} = $ENV{LC_ALL} = 'C.UTF-8';
	$ENV{TZ} = 'UTC';
}

our @EXPORT = qw(
  init_cluster
  new_cluster
  expect_error
  crc32c
  need_python
  python
  start_load
  wait_for_load
  finish_load
  create_load_tables
  check_load
  consume_load
  query_all
  same_description
  create_owners
  check_owners
  start_crew
  wait_for_crew
  finish_crew
  crew_counts
  crash_under_crew
  kill_cluster
  events
  session_pid
  wait_until
  start_broker
  broker_lives
  stop_broker
  kill_broker
  broker_metric
  kcat
  broker_resident
  run_frames
  start_frames
  wait_for_frames
  finish_frames
);

# PostgreSQL::Test::Cluster::init, but with the encoding and the locale of
# scripts/lib.sh instead of the caller's.
sub init_cluster
{
	my ($node, %init) = @_;
	$node->init(%init, extra => [ '--encoding=UTF8', '--locale=C.UTF-8', @{ $init{extra} // [] } ]);
	return;
}

# A started cluster with the extension preloaded and, in the database
# postgres, created.
#
#   init       arguments of init_cluster()
#   conf       lines for postgresql.conf
#   extension  0: no CREATE EXTENSION
sub new_cluster
{
	my ($name, %arg) = @_;
	my $node = PostgreSQL::Test::Cluster->new($name);

	init_cluster($node, @{ $arg{init} // [] });
	$node->append_conf('postgresql.conf', <<'EOT');
shared_preload_libraries = 'eventlog'
max_prepared_transactions = 20
autovacuum_naptime = 1s
EOT
	$node->append_conf('postgresql.conf', $arg{conf}) if defined $arg{conf};
	$node->start;
	$node->safe_psql('postgres', 'CREATE EXTENSION eventlog')
	  unless defined $arg{extension} && !$arg{extension};
	return $node;
}

# The statements fail with that SQLSTATE, and the message matches.
sub expect_error
{
	my ($node, $sql, $sqlstate, $pattern, $name, $db) = @_;
	my ($rc, $out, $err) = $node->psql($db // 'postgres', $sql,
		extra_params => [ '-v', 'VERBOSITY=verbose', '-v', 'ON_ERROR_STOP=1' ]);

	my $ok = $err =~ /ERROR:  \Q$sqlstate\E: / && $err =~ $pattern;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	ok($ok, $name) or diag("wanted $sqlstate and $pattern, got: $err");
	return;
}

# What a reader of the topic gets, "partition/offset/key" each.
sub events
{
	my ($node, $topic, $db) = @_;
	return $node->safe_psql($db // 'postgres',
		"SELECT string_agg(format('%s/%s/%s', partition, event_offset, key), ' ' ORDER BY partition, event_offset)"
		  . " FROM read_topic('$topic', max_events => 1000000)");
}

# What a database holds, by name: the results of these queries, and all of each topic.
sub query_all
{
	my ($node, $db, $queries, @topics) = @_;
	my %sql = %$queries;

	foreach my $topic (@topics)
	{
		$sql{"events of $topic"} = "SELECT * FROM $topic ORDER BY partition, event_offset";
		$sql{"read_topic of $topic"} = "SELECT * FROM read_topic('$topic', max_events => 1000000)";
		$sql{"check_topic of $topic"} = "SELECT * FROM check_topic('$topic')";
	}
	return { map { $_ => $node->safe_psql($db, "SET timezone = 'UTC'; $sql{$_}") } keys %sql };
}

sub same_description
{
	my ($name, $got, $expected) = @_;
	my @differences = grep { $got->{$_} ne $expected->{$_} } sort keys %$expected;

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	is(join(', ', @differences), '', "$name: all " . keys(%$expected) . ' descriptions are the same')
	  or diag(map { "--- $_\n--- expected\n" . substr($expected->{$_}, 0, 1500) . "\n--- got\n" . substr($got->{$_}, 0, 1500) . "\n" } @differences);
	return;
}

# The backend behind a background psql.
sub session_pid
{
	my ($session) = @_;
	return $session->query_safe('SELECT pg_backend_pid()');
}

# Until the function says yes; false after a time out.
sub wait_until
{
	my ($done, $seconds) = @_;
	$seconds //= $PostgreSQL::Test::Utils::timeout_default;
	for (my $left = $seconds * 100; $left > 0; $left--)
	{
		return 1 if $done->();
		select(undef, undef, undef, 0.01);
	}
	return 0;
}

#
# The load: see load.py
#

my $python;

# A Python that has psycopg, or the test is skipped.
sub need_python
{
	foreach my $candidate ($ENV{PYTHON}, '/usr/bin/python3', 'python3')
	{
		next unless defined $candidate;
		if (IPC::Run::run([ $candidate, '-c', 'import psycopg' ], '>', \my $out, '2>', \my $err))
		{
			$python = $candidate;
			return;
		}
	}
	plan(skip_all => 'needs Python with psycopg 3 (python3-psycopg)');
}

# The one that need_python() found.
sub python
{
	return $python;
}

# The topics and tables that the load writes, and what judges it afterwards.
sub create_load_tables
{
	my ($node, %arg) = @_;
	my $options = $arg{options} // '{}';
	my $partitions = $arg{partitions} // 3;

	$node->safe_psql('postgres', <<"EOT");
SELECT create_topic('load', $partitions, 'text', 'json', '$options');
SELECT create_topic('load2', 1, 'text', 'json', '$options');

-- the heap table written in the same transactions; value is a hash
CREATE TABLE twin (id text PRIMARY KEY, topic regclass, value text);
-- what the consumers got, written in the transactions that consumed
CREATE TABLE done (id text, topic regclass, partition int, event_offset bigint);

-- what the clients saw; loaded after the crash.  outcome: ok, fail, info (COMMIT was sent, no answer came)
CREATE TABLE history (round int, client int, seq int, outcome text, what text, xid xid8, events int, began float8, ended float8);

-- a topic that is kept short all the time
SELECT create_topic('ring', 1, 'bigint', 'text', '$options');
CREATE TABLE ring_twin (n bigserial PRIMARY KEY);
CREATE TABLE ring_trimmed (event_offset bigint);
CREATE FUNCTION ring_produce(events int) RETURNS void LANGUAGE sql AS
	'WITH k AS (INSERT INTO ring_twin SELECT FROM generate_series(1, events) RETURNING n)
	 SELECT count(produce(''ring'', n, repeat(md5(n::text), 60))) FROM k';

CREATE VIEW events AS
	SELECT value->>'id' AS id, topic, md5(value::text) AS value, partition, event_offset
	FROM (SELECT 'load'::regclass AS topic, partition, event_offset, value FROM load
		  UNION ALL SELECT 'load2', partition, event_offset, value FROM load2) x;
CREATE VIEW events_read AS
	SELECT value->>'id' AS id, topic, md5(value::text) AS value, partition, event_offset
	FROM (SELECT * FROM read_topic('load', max_events => 100000000)
		  UNION ALL SELECT * FROM read_topic('load2', max_events => 100000000)) x;
EOT
	return;
}

# Starts the clients; their history goes to a file.
sub start_load
{
	my ($node, %arg) = @_;
	my $history = "$PostgreSQL::Test::Utils::tmp_check/" . $node->name . "_$arg{round}.history";
	my %load = (history => $history, round => $arg{round}, stdout => '', stderr => '');

	my @command = ($python, dirname(__FILE__) . '/load.py',
		'--conninfo', $node->connstr('postgres'),
		'--history', $history, '--round', $arg{round},
		'--producers', $arg{producers} // 5, '--consumers', $arg{consumers} // 2);
	push @command, '--prepared' if $arg{prepared};
	$load{run} = IPC::Run::start(\@command, '<', \undef,
		'>', \$load{stdout}, '2>', \$load{stderr},
		IPC::Run::timeout($PostgreSQL::Test::Utils::timeout_default));
	return \%load;
}

# Until so many transactions have been acknowledged.
sub wait_for_load
{
	my ($load, $acknowledged) = @_;
	while (1)
	{
		my @seen = $load->{stdout} =~ /^acknowledged (\d+)$/mg;
		return if @seen && $seen[-1] >= $acknowledged;
		die "the load ended: $load->{stderr}" unless $load->{run}->pumpable;
		$load->{run}->pump;
	}
}

# The clients end when their connections break.  Returns {ok, fail, info}: how
# many transactions had which outcome.
sub finish_load
{
	my ($load) = @_;
	$load->{run}->finish;
	die "load.py failed: $load->{stderr}" if $load->{stderr} ne '';
	my %count = (ok => 0, fail => 0, info => 0);
	foreach my $line (split /\n/, slurp_file($load->{history}))
	{
		$count{ (split /\t/, $line)[3] }++;
	}
	return \%count;
}

#
# Crews: clients that are hurt on purpose, see crew.py
#

# Starts one.  Without --seconds it works until finish_crew().
sub start_crew
{
	my ($node, $program, @arguments) = @_;
	my $folder = "$PostgreSQL::Test::Utils::tmp_check/" . $node->name . "_$program";
	my %crew = (node => $node, folder => $folder, stdin => '', stdout => '', stderr => '');

	rmtree($folder);
	mkdir $folder or die "$folder: $!";
	$crew{run} = IPC::Run::start(
		[ $python, dirname(__FILE__) . "/$program", '--conninfo', $node->connstr('postgres'), '--folder', $folder, @arguments ],
		'<', \$crew{stdin}, '>', \$crew{stdout}, '2>', \$crew{stderr},
		IPC::Run::timeout(1200));
	return \%crew;
}

# Until so much more has been done than at the last call.
sub wait_for_crew
{
	my ($crew, $more) = @_;
	my $before = $crew->{done} // 0;
	while (1)
	{
		my @seen = $crew->{stdout} =~ /^done (\d+)$/mg;
		$crew->{done} = $seen[-1] if @seen;
		return if ($crew->{done} // 0) >= $before + $more;
		die "the crew ended: $crew->{stderr}" unless $crew->{run}->pumpable;
		$crew->{run}->pump;
	}
}

# The crew has done all there was.  If not, go on: what it did says why.
sub finish_crew
{
	my ($crew) = @_;
	$crew->{stdin} .= "stop\n";
	my $ok = $crew->{run}->finish;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	is($crew->{stderr}, '', 'the clients have done all there was');
	ok($ok, '... and ended well');
	return;
}

# How many lines there are in the logs of each kind, and of each kind and outcome.
sub crew_counts
{
	my ($crew) = @_;
	my %count;
	foreach my $file (glob "$crew->{folder}/*.log")
	{
		# who was killed may have left half a line
		foreach my $line (map { JSON::PP::decode_json($_) } grep { /\}$/ } split /\n/, slurp_file($file))
		{
			my $what = $line->{what};
			$what .= " $line->{outcome}" if defined $line->{outcome};
			$count{$what}++;
		}
	}
	return \%count;
}

# Crashes the server and starts it again.
sub crash_under_crew
{
	my ($crew) = @_;
	# before it happens: see owners_check.py
	append_to_file("$crew->{folder}/crew.log", sprintf(qq({"what": "crash", "t": %.9f}\n), clock_gettime(CLOCK_MONOTONIC)));
	kill_cluster($crew->{node});
	$crew->{node}->start;
	return;
}

sub create_owners
{
	my ($node) = @_;
	$node->safe_psql('postgres', <<'EOT');
SELECT create_topic('owned', 32);
SELECT create_group('owners', '{"max_poll_interval": "3 s", "session_timeout": "2 s"}');
-- seq is drawn while the partition is held: its order is that of processing.  No unique constraint: it would hide
-- what the test looks for
CREATE TABLE processed (partition int, event_offset bigint, id text, client text, tx int, seq bigserial);
EOT
	return;
}

# What owners_check.py finds; returns its counts.
sub check_owners
{
	my ($node, $crew, $name) = @_;
	my ($out, $err) = run_command([ $python, dirname(__FILE__) . '/owners_check.py',
		'--conninfo', $node->connstr('postgres'), '--folder', $crew->{folder}, '--max-poll', 3 ]);
	local $Test::Builder::Level = $Test::Builder::Level + 1;

	die "owners_check.py failed: $err" unless $err eq '' && $out =~ s/^counts (.*)\z//m;
	my $count = JSON::PP::decode_json($1);
	note(join(', ', map { "$_ $count->{$_}" } sort keys %$count));
	is($out, '', "$name: nobody works where another does, every event once and in order");
	is($node->safe_psql('postgres', "SELECT t, c FROM unnest('{owned,_eventlog.committed_offsets}'::regclass[]) t, check_topic(t) c"),
		'', "$name: the logs are sound");
	return $count;
}

# Does the process run?  A zombie does not.
sub alive
{
	my ($pid) = @_;
	return 0 unless kill 0, $pid;
	my $stat = eval { slurp_file("/proc/$pid/stat") } // '';
	return $stat ne '' && $stat !~ /\) Z /;
}

# Postmaster and all its children at once, as when the machine dies.  The
# postmaster alone would leave backends that finish what they do.
sub kill_cluster
{
	my ($node) = @_;
	my $postmaster = (split /\n/, slurp_file($node->data_dir . '/postmaster.pid'))[0];

	kill 'STOP', $postmaster;
	my @children = grep { /^\d+$/ } split /\s+/, `ps -o pid= --ppid $postmaster`;
	$node->kill9;
	kill 'KILL', @children;
	wait_until(sub { !grep { alive($_) } $postmaster, @children }, 30)
	  or die 'processes of the cluster survive SIGKILL';
	# pg_ctl would take a postmaster that nobody has waited for yet to be running
	unlink $node->data_dir . '/postmaster.pid', $node->host . '/.s.PGSQL.' . $node->port . '.lock'
	  if kill 0, $postmaster;
	return;
}

# After a crash: are the events those of the twin, and what the clients were
# told?  Returns the problems found, one a line.
my $check_load = <<'EOT';
SET client_min_messages = warning;
-- tx: round.client.seq; n: of the event in the transaction
CREATE TEMP TABLE e AS SELECT regexp_replace(id, '[.]\d+$', '') AS tx, substring(id from '\d+$')::int AS n, * FROM events;
CREATE TEMP TABLE r AS SELECT * FROM events_read;
CREATE TEMP TABLE h AS SELECT format('%s.%s.%s', round, client, seq) AS tx, *,
	0::bigint AS rows FROM history;
UPDATE h SET rows = t.rows FROM (SELECT regexp_replace(id, '[.]\d+$', '') AS tx, count(*) AS rows FROM twin GROUP BY 1) t WHERE t.tx = h.tx;
ANALYZE e, r, h, twin, done;

CREATE TEMP VIEW problems AS
SELECT 'event without twin' AS what, x::text AS evidence FROM (SELECT id, topic, value FROM e EXCEPT SELECT id, topic, value FROM twin) x
UNION ALL
SELECT 'twin without event', x::text FROM (SELECT id, topic, value FROM twin EXCEPT SELECT id, topic, value FROM e) x
UNION ALL
SELECT 'read_topic shows more than SELECT', x::text FROM (SELECT id, topic, partition, event_offset, value FROM r EXCEPT SELECT id, topic, partition, event_offset, value FROM e) x
UNION ALL
SELECT 'read_topic shows less than SELECT', x::text FROM (SELECT id, topic, partition, event_offset, value FROM e EXCEPT SELECT id, topic, partition, event_offset, value FROM r) x
UNION ALL
SELECT 'twice in the log', id FROM e GROUP BY id HAVING count(*) > 1
UNION ALL
SELECT 'offset used twice', format('%s %s %s', topic, partition, event_offset) FROM e GROUP BY topic, partition, event_offset HAVING count(*) > 1

-- what the clients were told
UNION ALL
SELECT 'acknowledged, but not there', h::text FROM h WHERE outcome = 'ok' AND rows <> events
UNION ALL
SELECT 'failed, but there', h::text FROM h WHERE outcome = 'fail' AND rows > 0
UNION ALL
SELECT 'torn', h::text FROM h WHERE outcome = 'info' AND rows NOT IN (0, events)
-- (the other way round means nothing: the xid of what was lost may have been given out again)
UNION ALL
SELECT 'against the commit log', h::text FROM h WHERE what <> 'prepare' AND rows > 0 AND pg_xact_status(xid) <> 'committed'

-- what began after another was acknowledged comes behind it, and calls keep their order
UNION ALL
SELECT 'out of order', x::text FROM (
	SELECT e.tx, e.topic, e.partition, e.event_offset, h.began,
		min(h.ended) FILTER (WHERE h.outcome = 'ok') OVER (PARTITION BY h.round, e.topic, e.partition ORDER BY e.event_offset DESC
			ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS earlier
	FROM e JOIN h USING (tx)) x
WHERE earlier < began
UNION ALL
SELECT 'calls out of order', x::text FROM (
	SELECT id, n, lag(n) OVER (PARTITION BY topic, partition, tx ORDER BY event_offset) AS before FROM e) x
WHERE before >= n

-- consumers: nothing twice, nothing skipped
UNION ALL
SELECT 'consumed twice', id FROM done GROUP BY id HAVING count(*) > 1
UNION ALL
SELECT 'consumed, but not there', x::text FROM (
	SELECT id, topic, partition, event_offset FROM done EXCEPT SELECT id, topic, partition, event_offset FROM e) x
UNION ALL
SELECT 'skipped', e::text FROM e JOIN (SELECT topic, partition, max(event_offset) AS upto FROM done GROUP BY 1, 2) d USING (topic, partition)
WHERE event_offset <= upto AND NOT EXISTS (SELECT FROM done WHERE done.id = e.id)

-- the ring: what was removed stays away, and nothing but what was removed
UNION ALL
SELECT 'ring: wrong value', key::text FROM ring WHERE value <> repeat(md5(key::text), 60)
UNION ALL
SELECT 'ring: event without twin', x::text FROM (SELECT key FROM ring EXCEPT SELECT n FROM ring_twin) x
UNION ALL
SELECT 'ring: twin without event', x::text FROM (SELECT n FROM ring_twin WHERE n >= (SELECT min(key) FROM ring) EXCEPT SELECT key FROM ring) x
UNION ALL
SELECT 'ring: read_topic differs', x::text FROM (SELECT key::text, event_offset FROM ring EXCEPT SELECT key, event_offset FROM read_topic('ring', max_events => 1000000)) x
UNION ALL
SELECT 'ring: removed, but there', format('%s %s', t, log_start_offset) FROM eventlog_partitions, (SELECT max(event_offset) AS t FROM ring_trimmed) x
WHERE topic = 'ring'::regclass AND t > log_start_offset
UNION ALL
SELECT 'ring: removed without being asked', format('%s %s', t, log_start_offset) FROM eventlog_partitions, (SELECT max(event_offset) AS t FROM ring_trimmed) x
WHERE topic = 'ring'::regclass AND t < log_start_offset - 200

UNION ALL
SELECT 'check_topic', format('%s %s', t, c) FROM unnest('{load,load2,ring,_eventlog.committed_offsets}'::regclass[]) t, check_topic(t) c;

SELECT format('%s (%s times): %s', what, count(*), min(evidence)) FROM problems GROUP BY what;
EOT

sub check_load
{
	my ($node, @loads) = @_;

	# transactions in doubt are resolved now, both ways
	my @gids = split /\n/, $node->safe_psql('postgres', "SELECT gid FROM pg_prepared_xacts ORDER BY gid");
	foreach my $i (0 .. $#gids)
	{
		my $how = $i % 2 ? 'ROLLBACK' : 'COMMIT';
		$node->safe_psql('postgres', "$how PREPARED '$gids[$i]'");
	}

	foreach my $load (grep { !$_->{loaded} } @loads)
	{
		$node->safe_psql('postgres', "\\copy history from '$load->{history}'");
		$load->{loaded} = 1;
	}
	return $node->safe_psql('postgres', $check_load);
}

# The group of the load's consumers goes on where it was, to the end.
sub consume_load
{
	my ($node) = @_;
	$node->safe_psql('postgres', <<'EOT');
DO $$
DECLARE t regclass;
BEGIN
	FOREACH t IN ARRAY '{load,load2}'::regclass[] LOOP
		LOOP
			INSERT INTO done SELECT value->>'id', topic, partition, event_offset FROM consume('load', t, 1000);
			EXIT WHEN NOT FOUND;
			PERFORM commit('load');
		END LOOP;
	END LOOP;
END $$
EOT
	return;
}

my @crc_table = map { my $crc = $_; $crc = $crc & 1 ? $crc >> 1 ^ 0x82F63B78 : $crc >> 1 foreach 1 .. 8; $crc } 0 .. 255;

# CRC-32C of bytes, as of WAL records and of a log's pages
sub crc32c
{
	my ($data) = @_;
	my $crc = 0xFFFFFFFF;
	$crc = $crc_table[($crc ^ $_) & 0xFF] ^ $crc >> 8 foreach unpack 'C*', $data;
	return $crc ^ 0xFFFFFFFF;
}

#
# eventlog-broker, and kcat
#

my %brokers;
my $sanitizers = '-fsanitize=address,undefined -fno-sanitize-recover=all';

# The program, built if it is not; with sanitizers, if that is asked for and the compiler has them.
sub build_broker
{
	my ($sanitize) = @_;
	my $folder = ($ENV{EVENTLOG_CACHE} // $PostgreSQL::Test::Utils::tmp_check) . '/broker_test';
	my $cflags = '-O2 -g';

	mkdir $folder;
	if ($sanitize && IPC::Run::run([ 'sh', '-c', "echo 'int main(void) { return 0; }' | cc $sanitizers -x c - -o $folder/probe && $folder/probe" ],
			'>', \my $out, '2>', \my $err))
	{
		$cflags = "-O1 -g $sanitizers";
		$folder .= '/checked';
	}
	delete local $ENV{MAKEFLAGS};
	system_or_bail('make', '-s', '-C', dirname(__FILE__) . '/../../broker', "OUT=$folder", 'PG_CONFIG=' . ($ENV{PG_CONFIG} // 'pg_config'),
		"CFLAGS=$cflags", 'all');
	return "$folder/eventlog-broker";
}

# Starts a broker of a cluster and waits until it listens, and is told of changes.
#
#   name      of its log
#   port      default: a free one
#   conninfo  instead of the cluster's
#   options   of the program
#   sanitize  see build_broker()
#   rlimits   for prlimit, such as --nofile=100
#   stderr    a handle instead of its log; then nothing is waited for
#
# Returns {port, status, pid, log}.
sub start_broker
{
	my ($node, %arg) = @_;
	my %broker = (
		name => $arg{name} // $node->name . '_broker',
		port => $arg{port} // PostgreSQL::Test::Cluster::get_free_port(),
		status => PostgreSQL::Test::Cluster::get_free_port());
	my $program = build_broker($arg{sanitize});

	$broker{log} = "$PostgreSQL::Test::Utils::log_path/$broker{name}.log";
	append_to_file($broker{log}, '');
	my $seen = -s $broker{log};
	my @command = ($program, '--conninfo', $arg{conninfo} // $node->connstr('postgres'), '--listeners', "127.0.0.1:$broker{port}",
		'--status-listener', "127.0.0.1:$broker{status}", @{ $arg{options} // [] });
	unshift @command, 'prlimit', @{ $arg{rlimits} } if $arg{rlimits};

	my $pid = fork // die "fork: $!";
	if ($pid == 0)
	{
		open(STDIN, '<', '/dev/null') or POSIX::_exit(127);
		open(STDOUT, '>>', $broker{log}) or POSIX::_exit(127);
		open(STDERR, '>&', $arg{stderr} // \*STDOUT) or POSIX::_exit(127);
		no warnings 'exec';
		exec @command or POSIX::_exit(127);
	}
	$broker{pid} = $pid;
	$brokers{$pid} = \%broker;
	return \%broker if $arg{stderr};
	wait_until(
		sub {
			broker_lives(\%broker) or die "the broker has ended: " . substr(slurp_file($broker{log}, $seen), -2000);
			my $log = slurp_file($broker{log}, $seen);
			return $log =~ / listening / && $log =~ /changes are told/;
		}) or die 'the broker does not listen';
	return \%broker;
}

# Whether it runs; keeps in mind how it has ended.
sub broker_lives
{
	my ($broker) = @_;
	return 0 if defined $broker->{ended};
	return 1 unless waitpid($broker->{pid}, POSIX::WNOHANG()) == $broker->{pid};
	$broker->{ended} = $?;
	delete $brokers{ $broker->{pid} };
	return 0;
}

sub end_broker
{
	my ($broker, $signal) = @_;
	kill $signal, $broker->{pid} if broker_lives($broker);
	wait_until(sub { !broker_lives($broker) }, 60) or kill 'KILL', $broker->{pid};
	return;
}

# Ends it as a service manager does: a test that it has lived until then, ends well, and has not said what it must not.
sub stop_broker
{
	my ($broker) = @_;
	my $lived = broker_lives($broker);

	end_broker($broker, 'TERM');
	my $log = slurp_file($broker->{log});
	my $bad = $log =~ /(.*(?:runtime error|AddressSanitizer|LeakSanitizer|Assertion).*)/ ? $1 : '';
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	is(($lived ? 'lived' : 'had ended') . ", $broker->{ended}, $bad", 'lived, 0, ', "$broker->{name} has lived, and ends when it is told to");
	return;
}

# As when its machine dies.
sub kill_broker
{
	my ($broker) = @_;
	end_broker($broker, 'KILL');
	return;
}

# A test must not leave one behind, nor pass when one has ended by itself.
END
{
	my $status = $?;

	foreach my $broker (values %brokers)
	{
		if (!broker_lives($broker))
		{
			diag("$broker->{name} has ended: $broker->{ended}");
			$status ||= 1;
		}
		end_broker($broker, 'KILL');
	}
	$? = $status;
}

# One of the numbers of /metrics.
sub broker_metric
{
	my ($broker, $name) = @_;
	my $socket = IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $broker->{status}, Timeout => 10) or die "/metrics: $!";
	print $socket "GET /metrics HTTP/1.1\r\n\r\n";
	local $/;
	my $answer = <$socket>;
	return $answer =~ /^eventlog_broker_$name (\d+)$/m ? $1 : die "no $name in $answer";
}

# Its resident memory in MB.
sub broker_resident
{
	my ($broker) = @_;
	return slurp_file("/proc/$broker->{pid}/status") =~ /VmRSS:\s+(\d+) kB/ ? $1 / 1024 : die 'no VmRSS';
}

# kcat, limited in time and in what it says of errors: (stdout, stderr).
sub kcat
{
	my ($broker, $stdin, @arguments) = @_;
	my ($out, $err) = ('', '');

	IPC::Run::run([ 'bash', '-c', '{ timeout ${KCAT_TIMEOUT:-60} kcat "$@" 2>&3; } 3> >(head -c 4000 >&2; cat >/dev/null)', 'kcat', '-b', "127.0.0.1:$broker->{port}", @arguments ],
		'<', \$stdin, '>', \$out, '2>', \$err);
	return ($out, $err);
}

# Runs a Python program of this folder on the broker's port: the lines "name<tab>value" that it prints, as a hash.
sub run_frames
{
	my ($broker, $program, @arguments) = @_;
	my ($out, $err) = run_command([ '/usr/bin/python3', dirname(__FILE__) . "/$program", $broker->{port}, @arguments ]);
	die "$program @arguments: $err" if $err ne '';
	return named_values($out);
}

sub named_values
{
	my ($lines) = @_;
	return { map { my @field = split /\t/, $_, 2; $field[0] => $field[1] } split /\n/, $lines };
}

# Starts one that goes on until it is told to stop, or what else it waits for on its input.
sub start_frames
{
	my ($broker, $program, @arguments) = @_;
	my %frames = (in => '', out => '', err => '');

	$frames{run} = IPC::Run::start([ '/usr/bin/python3', dirname(__FILE__) . "/$program", $broker->{port}, @arguments ],
		'<', \$frames{in}, '>', \$frames{out}, '2>', \$frames{err}, IPC::Run::timeout(600));
	return \%frames;
}

# Until it says the word.
sub wait_for_frames
{
	my ($frames, $word) = @_;
	$frames->{run}->pump until $frames->{out} =~ /^$word$/m || !$frames->{run}->pumpable;
	die "the program has ended: $frames->{err}" if $frames->{out} !~ /^$word$/m;
	return;
}

# Tells it that, or to stop; what it has printed.
sub finish_frames
{
	my ($frames, $line) = @_;
	$frames->{in} .= ($line // 'stop') . "\n";
	$frames->{run}->finish;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	is($frames->{err}, '', '... and the program has ended well');
	return named_values($frames->{out});
}

1;
