# Kafka's VerifiableProducer, idempotent, librdkafka's idempotent producer, where Python has it, and readers by assignment, while
# whatever is between them and the log is hurt: the broker is killed, its backends are terminated, the server is stopped at once,
# its synchronous standby is promoted, the network cuts, delays, splits and loses on both sides of the broker, the disk is full.
# What was acknowledged is in the log, once, at the offset that was told, and is read; sequences are unbroken; the producers give
# up nothing and go on after each of them.
#
# EVENTLOG_FAULTS_ROUNDS: how often each of them comes (default 1; test/nightly/broker_faults asks for 20), in an order of
# EVENTLOG_FAULTS_SEED.  From the second round on the network is bad beside the others, too, now and then.

use strict;
use warnings FATAL => 'all';

use Cwd qw(abs_path);
use File::Basename qw(dirname);
use File::Path qw(rmtree);
use lib dirname(__FILE__) . '/../lib';

use EventlogTest;
use IPC::Run ();
use JSON::PP ();
use List::Util qw(shuffle);
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time usleep);

my $test = abs_path(dirname(__FILE__) . '/..');
my $rounds = $ENV{EVENTLOG_FAULTS_ROUNDS} || 1;
my $partitions = 3;
my $rate = 2000;		# events a second
my $go_on = 200;		# events of each producer that are acknowledged after a fault
my $folder = abs_path($PostgreSQL::Test::Utils::tmp_check);

my $jars = `$test/verifiable/fetch`;
chomp $jars;
plan(skip_all => "VerifiableProducer: $jars") if $? != 0;

my $seed = $ENV{EVENTLOG_FAULTS_SEED} // 80;
note("EVENTLOG_FAULTS_SEED=$seed");
srand $seed;

#
# Servers, each with a disk that can be made full: its tables', not its WAL's
#
my $library = "$folder/full_disk.so";
system_or_bail($ENV{CC} || 'cc', '-shared', '-fPIC', '-O', '-o', $library, "$test/lib/full_disk.c", '-ldl');

sub leave
{
	my ($node, $bytes) = @_;
	my $file = "$folder/" . $node->name . '_left';
	append_to_file($file, '');
	open my $left, '+<', $file or die "$file: $!";
	syswrite $left, pack 'q', $bytes or die $!;
	close $left;
	return;
}

sub start_on_disk
{
	my ($node) = @_;
	leave($node, 1 << 50);
	local $ENV{EVENTLOG_DISK} = $node->data_dir . '/base';
	local $ENV{EVENTLOG_DISK_LEFT} = "$folder/" . $node->name . '_left';
	local $ENV{LD_PRELOAD} = $library;
	$node->start;
	return;
}

my ($primary, $standby);
my $servers = 0;

sub sql
{
	my ($query) = @_;
	return $primary->safe_psql('postgres', $query);
}

# The commits of the primary wait for a new standby from now on.
sub make_standby
{
	$primary->backup('base_' . ++$servers);
	$standby = PostgreSQL::Test::Cluster->new("server_$servers");
	$standby->init_from_backup($primary, "base_$servers", has_streaming => 1);
	$standby->append_conf('postgresql.conf', "synchronous_standby_names = ''");
	rmtree($primary->backup_dir . "/base_$servers");
	start_on_disk($standby);
	$primary->append_conf('postgresql.conf', "synchronous_standby_names = '*'");
	$primary->reload;
	wait_for_standby();
	return;
}

sub wait_for_standby
{
	$primary->poll_query_until('postgres', "SELECT sync_state = 'sync' FROM pg_stat_replication")
	  or die 'the standby is not synchronous';
	return;
}

#
# The network: proxies between client and broker, and between the broker and each server
#
sub start_proxy
{
	my ($server) = @_;
	my %proxy = (port => PostgreSQL::Test::Cluster::get_free_port(), in => '', out => '', err => '');
	$proxy{run} = IPC::Run::start([ '/usr/bin/python3', "$test/lib/tcp_proxy.py", $proxy{port}, $server ],
		'<', \$proxy{in}, '>', \$proxy{out}, '2>', \$proxy{err}, IPC::Run::timeout(7200));
	$proxy{run}->pump until $proxy{out} =~ /ready\n/ || !$proxy{run}->pumpable;
	return \%proxy;
}

sub network
{
	my ($proxy, $command) = @_;
	$proxy->{out} = '';
	$proxy->{in} .= "$command\n";
	$proxy->{run}->pump until $proxy->{out} eq "$command\n" || !$proxy->{run}->pumpable;
	die "the proxy has ended: $proxy->{err}" if $proxy->{out} ne "$command\n";
	return;
}

sub socket_of { my ($node) = @_; return $node->host . '/.s.PGSQL.' . $node->port; }

sub bad_network
{
	my (@proxies) = @_;
	foreach my $mode ('split', 'cut', 'delay', 'cut', 'deaf', 'cut', 'cut', 'deaf', 'cut')
	{
		network($_, $mode) foreach @proxies;
		# long enough for requests to be on their way; a "cut" is a moment
		usleep($mode eq 'deaf' ? 150_000 : $mode eq 'cut' ? 100_000 + int rand 100_000 : 500_000);
	}
	return;
}

$primary = new_cluster('server_0', init => [ allows_streaming => 1 ], conf => <<'EOT');
max_connections = 40
wal_keep_size = 1GB
log_statement = none
EOT
$primary->stop;
start_on_disk($primary);
sql(<<"EOT");
SELECT create_topic(t, $partitions, 'text', 'text', '{"compression": "none", "segment_bytes": 65536}')
FROM unnest('{java,librdkafka}'::text[]) t
EOT
make_standby();

my @to_servers = map { start_proxy(socket_of($_)) } $primary, $standby;
my $port = PostgreSQL::Test::Cluster::get_free_port();
my $to_broker = start_proxy($port);
my %broker_arguments = (
	sanitize => 1,
	port => $port,
	conninfo => sprintf('host=127.0.0.1,127.0.0.1 port=%d,%d dbname=postgres target_session_attrs=read-write',
		map { $_->{port} } @to_servers),
	options => [ '--advertised-listeners', "127.0.0.1:$to_broker->{port}" ]);
my $broker = start_broker($primary, %broker_arguments);

#
# The clients
#
append_to_file("$folder/producer.conf", <<'EOT');
enable.idempotence=true
acks=all
retries=2147483647
delivery.timeout.ms=600000
request.timeout.ms=5000
reconnect.backoff.max.ms=200
retry.backoff.max.ms=200
compression.type=lz4
EOT
my $java = [ 'java', '-Xmx256m', '-XX:+UseSerialGC', '-XX:TieredStopAtLevel=1',
	'-Dorg.slf4j.simpleLogger.defaultLogLevel=warn', '-cp', "$jars/*" ];
my $address = "127.0.0.1:$to_broker->{port}";
# (when a batch fails, librdkafka sends those that are behind it in another epoch)
my %producers = (
	java => [ @$java, 'org.apache.kafka.tools.VerifiableProducer', '--bootstrap-server', $address, '--topic', 'java',
		'--throughput', $rate, '--repeating-keys', 50, '--producer.config', "$folder/producer.conf" ],
	librdkafka => [ '/usr/bin/python3', "$test/lib/idempotent_producer.py", $address, 'librdkafka', $rate / 4 ]);
if (!IPC::Run::run([ '/usr/bin/python3', '-c', 'import confluent_kafka' ], '>', \my $found, '2>', \my $missing))
{
	note('without librdkafka: there is no confluent_kafka');
	delete $producers{librdkafka};
}

# A topic, named after its producer, each.
my @flows;
END
{
	# (they would go on for ever)
	my $status = $?;
	foreach my $flow (@flows)
	{
		$flow->{$_}->kill_kill(grace => 1) foreach grep { $flow->{$_} } 'reader', 'producer';
	}
	$? = $status;
}

foreach my $topic (sort keys %producers)
{
	my %flow = (topic => $topic, in => '', map { $_ => "$folder/${topic}_$_" } 'produced', 'read', 'stored');
	push @flows, \%flow;
	$flow{reader} = IPC::Run::start([ @$java, "$test/verifiable/VerifyingReader.java", $address, $topic, $partitions ],
		'<', \$flow{in}, '>', $flow{read}, '2>', "$folder/${topic}_reader.log", IPC::Run::timeout(7200));
	$flow{producer} = IPC::Run::start($producers{$topic},
		'<', '/dev/null', '>', $flow{produced}, '2>', "$folder/${topic}_producer.log", IPC::Run::timeout(7200));
}

# How many lines that match there are in a file that grows.
my %growing;

sub lines
{
	my ($file, $pattern) = @_;
	my $state = $growing{$file} //= { n => 0, rest => '' };
	open($state->{handle}, '<', $file) or return 0 unless $state->{handle};
	while (sysread $state->{handle}, my $piece, 1 << 20)
	{
		$state->{rest} .= $piece;
		my $whole = substr $state->{rest}, 0, rindex($state->{rest}, "\n") + 1, '';
		$state->{n} += () = $whole =~ /$pattern/g;
	}
	return $state->{n};
}

sub acknowledged { my ($flow) = @_; return lines($flow->{produced}, qr/"producer_send_success"/); }
sub has_read { my ($flow) = @_; return lines($flow->{read}, qr/\n/); }

# Producers and readers go on; how long that takes.
sub go_on
{
	my ($name) = @_;
	my $began = time;
	my @from = map { [ $_, acknowledged($_), has_read($_) ] } @flows;
	my $ok = wait_until(sub { !grep { acknowledged($_->[0]) < $_->[1] + $go_on || has_read($_->[0]) < $_->[2] + $go_on } @from }, 60);
	ok($ok, $name)
	  or diag(
		map {
			sprintf "%s: %d more acknowledged, %d more read\n", $_->[0]{topic},
			  acknowledged($_->[0]) - $_->[1], has_read($_->[0]) - $_->[2]
		} @from);
	die 'nothing goes on' unless $ok;
	return time - $began;
}

#
# What hurts
#
my %faults = (
	'the broker is killed' => sub {
		kill_broker($broker);
		$broker = start_broker($primary, %broker_arguments);
	},
	'backends are terminated' => sub {
		foreach (1 .. 3)
		{
			sql(q(SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'eventlog-broker%'));
			usleep(int rand 100_000);
		}
	},
	'the server is stopped at once' => sub {
		$primary->stop('immediate');
		start_on_disk($primary);
		# until then a promotion would lose what nobody was told, but could have read
		wait_for_standby();
		$primary->wait_for_catchup($standby, 'replay', $primary->lsn('insert'));
	},
	'the standby is promoted' => sub {
		$primary->stop('immediate');
		$standby->promote;
		my ($old, $slot) = ($primary, $primary->{slot});
		$primary = $standby;
		make_standby();
		$standby->{slot} = $slot;
		network($to_servers[$slot], 'server ' . socket_of($standby));
		$old->clean_node;
	},
	'the network to the clients is bad' => sub { bad_network($to_broker) },
	'the network to the server is bad' => sub { bad_network(@to_servers) },
	'the disk is full' => sub {
		leave($primary, 0);
		# each file takes what still fits behind its end
		foreach my $flow (@flows)
		{
			my @full = grep {
				my $partition = $_;
				wait_until(sub {
					my ($rc, $out, $err) = $primary->psql('postgres',
						"SELECT produce('$flow->{topic}', 'filler', 'filler ' || repeat('x', 8000), partition => $partition)");
					return $err =~ /No space left|could not extend/;
				}, 60)
			} 0 .. $partitions - 1;
			is(scalar(@full), $partitions, "$flow->{topic}: each partition meets the full disk");
		}
		foreach my $flow (@flows)
		{
			my ($before, $since) = (acknowledged($flow), time);
			ok(wait_until(sub {
				($before, $since) = (acknowledged($flow), time) if acknowledged($flow) != $before;
				return time - $since > 0.5;
			}, 30), '... and the producer waits');
		}
		leave($primary, 1 << 50);
	});
$primary->{slot} = 0;
$standby->{slot} = 1;

go_on('all of it runs');
my %seconds;
foreach my $round (1 .. $rounds)
{
	foreach my $fault (shuffle sort keys %faults)
	{
		my $network = $round == 1 ? 'pass' : ('pass', 'split', 'delay')[ rand 3 ];
		network($_, $network) foreach $to_broker, @to_servers;
		my $began = time;
		$faults{$fault}->();
		my $done = time;
		my $after = go_on("round $round: $fault");
		note(sprintf('%s (%s): %.1f s, and %.1f s until %d events more', $fault, $network, $done - $began, $after, $go_on));
		push @{ $seconds{$fault} }, $after;
	}
}
foreach my $fault (sort keys %seconds)
{
	note(sprintf('%-36s %s', $fault, join ' ', map { sprintf '%.1f', $_ } sort { $a <=> $b } @{ $seconds{$fault} }));
}

#
# What came of it
#
network($_, 'pass') foreach $to_broker, @to_servers;
foreach my $flow (@flows)
{
	$flow->{producer}->signal('TERM');
	$flow->{producer}->finish;
	delete $flow->{producer};
	like(slurp_file($flow->{produced}), qr/"name":"tool_data"/, "$flow->{topic}: the producer has ended as it should");
	# (end of file alone would not do: the broker has the other end, too)
	$flow->{in} .= "end\n";
	ok($flow->{reader}->finish, '... and the reader comes to the end')
	  or diag(substr slurp_file("$folder/$flow->{topic}_reader.log"), -2000);
	delete $flow->{reader};
}
stop_broker($broker);
foreach my $proxy ($to_broker, @to_servers)
{
	$proxy->{in} .= "end\n";
	$proxy->{run}->finish;
	is($proxy->{err}, '', 'a proxy has done all there was');
}

foreach my $flow (@flows)
{
	my $topic = $flow->{topic};
	is(sql("SELECT * FROM check_topic('$topic')"), '', "$topic: the log is sound");
	sql("VACUUM $topic");
	append_to_file($flow->{stored},
		sql("SELECT partition || ' ' || event_offset || ' ' || replace(left(value, 20), ' ', '-') FROM $topic") . "\n");
	$flow->{files} = [ map { $primary->data_dir . '/' . sql("SELECT pg_relation_filepath('${topic}_p$_')") } 0 .. $partitions - 1 ];
}
$standby->stop;
$primary->append_conf('postgresql.conf', "synchronous_standby_names = ''");
$primary->reload;
$primary->stop;
foreach my $flow (@flows)
{
	my $topic = $flow->{topic};
	my @batches = map { "$folder/${topic}_batches_$_" } 0 .. $partitions - 1;
	foreach my $partition (0 .. $partitions - 1)
	{
		# offsets without a gap, as it reads the pages
		my ($out, $err) = run_command(
			[ '/usr/bin/python3', "$test/interop/log_batches.py", $flow->{files}[$partition], $batches[$partition] ]);
		is($err, '', "$topic: partition $partition has each offset once");
		note($out);
	}
	my ($out, $err) = run_command(
		[ '/usr/bin/python3', "$test/lib/broker_faults.py", $topic eq 'java' ? 'one epoch' : 'epochs',
			@{$flow}{ 'produced', 'read', 'stored' }, @batches ]);
	is($err, '', "$topic: all of it is compared");
	ok($out =~ s/^counts (.*)\z//m, '... to its end');
	my $count = JSON::PP::decode_json($1);
	note(join ', ', map { "$_ $count->{$_}" } sort keys %$count);
	is($out, '', '... what was acknowledged is in the log once, in order, and is read');
	cmp_ok($count->{acknowledged}, '>=', $go_on * (1 + $rounds * keys %faults), "... $count->{acknowledged} events");
}

done_testing();
