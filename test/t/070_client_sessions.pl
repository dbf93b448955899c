# The connections that programs have to PostgreSQL (client/session.c) when the backend is killed, the server goes and comes, a standby is
# the first of several hosts, a host accepts and says nothing, statements change their types, commits fail, callbacks free the session, and
# what libpq has decrypted waits in no socket.
# A driver (test/unit/session_driver.c) does what this test says, and tells what it sees; it has the sanitizers, if there are any.

use strict;
use warnings FATAL => 'all';

use Digest::MD5 qw(md5_hex);
use File::Basename qw(dirname);
use lib dirname(__FILE__) . '/../lib';

use EventlogTest;
use IO::Socket::INET;
use IPC::Run ();
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $pg_config = $ENV{PG_CONFIG} || 'pg_config';
my $root = dirname(__FILE__) . '/../..';
my $folder = $PostgreSQL::Test::Utils::tmp_check;

plan(skip_all => 'needs a C compiler and libpq-fe.h')
  unless system('command -v cc >/dev/null') == 0 && -f `$pg_config --includedir` =~ s/\n//r . '/libpq-fe.h';

my @make = ('make', '-s', '-C', "$root/test/unit", "PG_CONFIG=$pg_config", "BUILD=$folder/unit", "$folder/unit/session_driver");
system_or_bail(@make);

my $node = new_cluster('first', init => [ allows_streaming => 1 ], extension => 0, conf => "fsync = off\nlog_connections = on");
sub query { return $node->safe_psql('postgres', $_[0]); }

#
# The driver
#

my $driver;

sub start_driver
{
	my ($conninfo, @arguments) = @_;
	my %d = (stdin => '', stdout => '', stderr => '');
	$d{run} = IPC::Run::start([ "$folder/unit/session_driver", $conninfo, @arguments ],
		'<', \$d{stdin}, '>', \$d{stdout}, '2>', \$d{stderr}, IPC::Run::timeout($PostgreSQL::Test::Utils::timeout_default));
	$driver = \%d;
	return;
}

sub order
{
	$driver->{stdin} .= "$_[0]\n";
	$driver->{run}->pump_nb while length $driver->{stdin} && $driver->{run}->pumpable;
	return;
}

# The next line.
sub hear
{
	while (1)
	{
		return $1 if $driver->{stdout} =~ s/^(.*)\n//;
		return "(the driver ended) $driver->{stderr}" unless $driver->{run}->pumpable;
		$driver->{run}->pump;
	}
}

sub is_said { my ($expected, $name) = @_; local $Test::Builder::Level = $Test::Builder::Level + 1; return is(hear(), $expected, $name); }
sub like_said { my ($expected, $name) = @_; local $Test::Builder::Level = $Test::Builder::Level + 1; return like(hear(), $expected, $name); }

# Until it is ready, whatever it says of tries before; returns the backend.
sub ready
{
	while (1)
	{
		my $line = hear();
		return $1 if $line =~ /^ready (\d+)$/;
		die "not ready, but: $line" unless $line =~ /^waiting /;
	}
}

# A statement's result.
sub ask { order("call 0 $_[0]"); return hear(); }

# It ends well, and was never kept from turning for long.
sub end_driver
{
	my ($name) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	order('quit');
	my $line = hear();
	my ($stalled) = $line =~ /^stalled (\d+)$/;
	ok(defined $stalled, "$name: the driver ends well") or diag($line);
	cmp_ok($stalled // 1e9, '<', 5000, '... and its loop has always turned');
	$driver->{run}->finish;
	ok(!$driver->{run}->result, '... without a fault') or diag($driver->{stderr});
	return;
}

my $conninfo = $node->connstr('postgres');

#
# What a session is
#
query(q{CREATE ROLE hurried LOGIN; ALTER ROLE hurried SET statement_timeout = '1ms'; ALTER ROLE hurried SET search_path = 'nowhere'});
start_driver("$conninfo user=hurried options='-c test.other=x -c test.setting=y'");
my $pid = ready();
is(ask('SELECT pg_sleep(0.1)::text'), 'result ', 'the settings that programs depend on hold against those of roles');
is(ask(q{SELECT current_setting('search_path')}), 'result pg_catalog', '... search_path');
is(ask(q{SELECT current_setting('test.setting')}), 'result a b\c', q{... the program's own, against the connection string});
is(ask(q{SELECT current_setting('test.other')}), 'result x', '... which is not lost');
is(ask(q{SELECT current_setting('application_name')}), 'result session_driver', '... and its name');
is(ask('SELECT 1/0'), 'failed 22012 fault: division by zero', 'an error is told');
is(ask('SELECT pg_backend_pid()::text'), "result $pid", '... and costs no connection');
is(ask('nonsense'), 'failed 42601 fault: syntax error at or near "nonsense"', 'an error in the text of a statement');
is(ask('COPY (SELECT 1) TO STDOUT'), 'failed 08006 stop unknown: the statement has no result that a call can have', 'COPY is no call');
ready();
order('chain 2000 SELECT 1');
is_said('result ' . "\0\0\0\1", '2,000 calls from callbacks of calls, in binary');
is(query(q{SELECT count(*) FROM pg_stat_activity WHERE application_name = 'session_driver'}), '1', 'one connection');

#
# Large values
#
order('big 0 ' . 50 * 1024 * 1024);
is_said('big same', '50 MB to the server and back');
order('big 0 0');
is_said('big same', 'and none');

#
# Prepared once a connection
#
query('CREATE TABLE t (a int); INSERT INTO t VALUES (1); GRANT ALL ON t TO hurried');
is(ask('SELECT a FROM public.t'), 'result ' . "\0\0\0\1", 'a statement');
is(ask('SELECT a FROM public.t'), 'result ' . "\0\0\0\1", '... again');
is(ask(q{SELECT count(*)::text FROM pg_prepared_statements WHERE statement ~ 'public.t'}), 'result 2', '... is prepared once (with this one)');
query(q{ALTER TABLE t ALTER a TYPE text USING 'one'});
is(ask('SELECT a FROM public.t'), 'failed 0A000 retry: cached plan must not change result type', 'its result has another type now');
like_said(qr/^waiting 0A000 retry/, '... which needs another connection');
ready();
is(ask('SELECT a FROM public.t'), 'result one', '... where it works');
query('DROP TABLE t');

#
# The commit fails after the result
#
query('CREATE TABLE d (a int UNIQUE DEFERRABLE INITIALLY DEFERRED); INSERT INTO d VALUES (1); GRANT ALL ON d TO hurried');
like(ask('INSERT INTO public.d VALUES (1) RETURNING a'), qr/^failed 23505 fault: duplicate key .* \/ Key \(a\)=\(1\) already exists/, 'an error at the commit is the end of the call');
end_driver('calls');

#
# Notifications
#
my $module = "$folder/notify_now.so";
system_or_bail('cc', '-shared', '-fPIC', '-O2', '-I' . `$pg_config --includedir-server` =~ s/\n//r, '-I' . `$pg_config --includedir` =~ s/\n//r, '-o', $module, "$root/test/lib/notify_now.c");
query("CREATE FUNCTION notify_now(text, text) RETURNS void LANGUAGE c AS '$module'");
query(q{CREATE PROCEDURE watch() LANGUAGE plpgsql AS 'BEGIN FOR i IN 1 .. 3 LOOP PERFORM public.notify_now(''c'', i::text); RAISE NOTICE ''sent''; PERFORM pg_sleep(0.3); COMMIT; END LOOP; END'});
start_driver($conninfo);
ready();
order('call 0 CALL public.watch()');
my $begun = time;
is_said("notify c $_", "notification $_ comes while the query runs") for 1 .. 3;
like(query(q{SELECT query FROM pg_stat_activity WHERE application_name = 'session_driver' AND state = 'active'}), qr/watch/, '... which it still does');
is_said('result ', 'the end of the query');
is(ask('LISTEN e'), 'result ', 'LISTEN');
query(q{NOTIFY e, 'idle'});
is_said('notify e idle', 'one comes while the session is idle');
order('drop_at_notify');
order('call 0 CALL public.watch()');
is_said('notify c 1', 'a connection that is given up in a callback of a running call');
is_said('failed 08006 retry unknown: told to', '... the call is told');
is_said('waiting 08006 retry: told to', '... then the session');
ready();
end_driver('notifications');

#
# Backends die
#
start_driver($conninfo);
$pid = ready();
is(ask('SELECT 1::text'), 'result 1', 'a statement is prepared');
query("SELECT pg_terminate_backend($pid)");
is_said('waiting 57P01 retry: terminating connection due to administrator command', 'a backend is terminated while it is idle');
isnt(my $next = ready(), $pid, '... and another takes its place');
is(ask('SELECT 1::text'), 'result 1', '... which learns the statement anew');
order('call 0 SELECT pg_sleep(600)');
ok($node->poll_query_until('postgres', "SELECT count(*) = 1 FROM pg_stat_activity WHERE pid = $next AND wait_event = 'PgSleep'"), 'a call runs');
query("SELECT pg_terminate_backend($next)");
is_said('failed 57P01 retry unknown: terminating connection due to administrator command', '... and is told that its backend is');
like_said(qr/^waiting 57P01 retry/, '... so is the session');
$pid = ready();
order('call 300 SELECT pg_sleep(600)');
is_said('failed 08006 retry unknown: no answer in the time that the call has', 'a call has its time');
like_said(qr/^waiting 08006/, '... and its connection no other');
ok($node->poll_query_until('postgres', "SELECT count(*) = 0 FROM pg_stat_activity WHERE pid = $pid"), '... and its backend ends, too');
$pid = ready();
order('call 0 SELECT pg_sleep(600)');
ok($node->poll_query_until('postgres', "SELECT count(*) = 1 FROM pg_stat_activity WHERE pid = $pid AND wait_event = 'PgSleep'"), 'a call runs');
query("SELECT pg_cancel_backend($pid)");
is_said('failed 57014 retry: canceling statement due to user request', '... and is cancelled');
order('drop for fun');
is_said('waiting 08006 retry: for', 'dropped by its program');
ready();

#
# The server goes, and comes
#
# (after the result, before the commit: RETURNING is answered, and the NOTICE sends it)
query(q{CREATE FUNCTION linger() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RAISE NOTICE ''committing''; PERFORM pg_sleep(600); RETURN NULL; END';
CREATE CONSTRAINT TRIGGER linger AFTER INSERT ON d DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION linger()});
order('call 0 INSERT INTO public.d VALUES (2) RETURNING a');
ok($node->poll_query_until('postgres', "SELECT count(*) = 1 FROM pg_stat_activity WHERE wait_event = 'PgSleep'"), 'a call is about to commit');
$driver->{stderr} = '';
$node->stop('immediate');
like_said(qr/^failed (?:57P01|57P02|08006) retry unknown: /, 'the server stops under it: no result, though it has come');
like_said(qr/^waiting (?:57P01|57P02|08006) retry/, '... and is away');
like_said(qr/^waiting 08001 retry: connection to server on socket .* failed: (?:No such file or directory|Connection refused)$/, '... and away') for 1 .. 8;
my @pauses = $driver->{stderr} =~ /next_try_ms=(\d+)/g;
my @tries = $driver->{stderr} =~ /cannot connect to PostgreSQL.* tries=(\d+)/g;
is(scalar(@pauses), 1, '... which is told once');
is(scalar(@tries), 1, '... and that it cannot be reached');
$node->start;
ready();
is(ask('SELECT 1::text'), 'result 1', 'the server is back');
like($driver->{stderr}, qr/connected to PostgreSQL.* tries=\d\d/, '... after so many tries, in the log');
end_driver('backends');

#
# Who cannot log in, tries once
#
query(q{CREATE ROLE guest LOGIN PASSWORD 'right'; CREATE ROLE crowd LOGIN CONNECTION LIMIT 0});
my $hba = slurp_file($node->data_dir . '/pg_hba.conf');
open my $file, '>', $node->data_dir . '/pg_hba.conf';
print $file "local all guest scram-sha-256\n$hba";
close $file;
$node->reload;
sub ends { start_driver("$conninfo $_[0]", 0, 'once'); like_said($_[1], "login: $_[2]"); end_driver('login'); return; }
ends('user=guest password=wrong', qr/^ended 28P01 stop: .* failed: FATAL:  password authentication failed for user "guest"$/, 'wrong password');
ends('user=guest', qr/^ended 28P01 stop: .*no password supplied/, 'no password');
ends('user=nobody', qr/^ended 28000 stop: .*role "nobody" does not exist$/, 'no role');
ends('dbname=nothing', qr/^ended 3D000 stop: .*database "nothing" does not exist$/, 'no database');
ends('user=crowd', qr/^ended 53300 retry: .*too many connections for role "crowd"$/, 'no room');
ends('user=guest password=right', qr/^ready /, 'right password');
ends('nonsense', qr/^ended 08001 stop: missing "=" after "nonsense" in connection info string/, 'no connection string');

#
# Callbacks that free the session
#
foreach my $event ('result', 'state', 'notify')
{
	start_driver($conninfo);
	$pid = ready();
	order("free_at $event");
	order('call 0 CALL public.watch()');
	hear() for 1 .. ($event eq 'result' ? 4 : $event eq 'notify' ? 1 : 3);
	if ($event eq 'state')
	{
		query("SELECT pg_terminate_backend($pid)");
		while ((my $line = hear()) !~ /^waiting/) { die $line unless $line =~ /^(?:result|failed)/; }
	}
	is_said('freed', "a session is freed in its callback: $event");
	end_driver($event);
}
start_driver($conninfo);
$pid = ready();
order('free_at result');
order('call 0 SELECT pg_sleep(600)');
ok($node->poll_query_until('postgres', "SELECT count(*) = 1 FROM pg_stat_activity WHERE pid = $pid AND wait_event = 'PgSleep'"), 'a call runs');
query("SELECT pg_terminate_backend($pid)");
like_said(qr/^failed 57P01/, '... the call is told');
is_said('freed', '... which frees the session, and nobody is told more');
end_driver('failed call');

#
# Hosts that say nothing
#
my $mute = IO::Socket::INET->new(Listen => 100, LocalAddr => '127.0.0.1') or die "no socket: $!";
my ($host, $port) = ($node->host, $node->port);
start_driver('host=127.0.0.1 dbname=postgres port=' . $mute->sockport, 300);
is_said('waiting 08001 retry: the server does not answer', 'a server that accepts and says nothing has its time') for 1 .. 2;
end_driver('mute server');
start_driver("host=127.0.0.1,$host dbname=postgres port=@{[ $mute->sockport ]},$port", 300);
is_said('waiting 08001 retry: the server does not answer', '... the first of two hosts, too');
ready();
is(ask('SHOW port'), "result $port", '... then it is the turn of the second');
end_driver('mute host');

#
# A standby first
#
$node->backup('backup');
my $standby = PostgreSQL::Test::Cluster->new('second');
$standby->init_from_backup($node, 'backup', has_streaming => 1);
$standby->start;
$node->wait_for_catchup($standby);
my $both = "host=$host,@{[ $standby->host ]} port=@{[ $standby->port ]},$port dbname=postgres";
start_driver("$both target_session_attrs=read-write");
ready();
is(ask('SHOW port'), "result $port", 'of two hosts the primary');
$node->stop('fast');
like_said(qr/^waiting /, 'the primary is gone');
$standby->promote;
ready();
is(ask('SHOW port'), 'result ' . $standby->port, '... and the standby is the primary now');
end_driver('two hosts');

# a session of the primary that is a standby now
$node->append_conf('postgresql.conf', "primary_conninfo = '@{[ $standby->connstr ]}'");
append_to_file($node->data_dir . '/standby.signal', '');
$node->start;
start_driver($conninfo);
ready();
is(ask('CREATE TABLE u ()'), 'failed 25006 retry: cannot execute CREATE TABLE in a read-only transaction', 'a call that needs the primary');
like_said(qr/^waiting 25006 retry/, '... needs another connection');
ready();
end_driver('standby');

$node->stop;
$standby->stop;

#
# TLS: a record has up to 16 kB, and what is left of it in libpq's hands wakes no loop
#
SKIP:
{
	my $tls = new_cluster('tls', conf => "listen_addresses = '127.0.0.1'\n");
	skip('no OpenSSL here', 1)
	  unless system('command -v openssl >/dev/null') == 0 && $tls->safe_psql('postgres', q{SELECT setting FROM pg_settings WHERE name = 'ssl_library'}) eq 'OpenSSL';
	my $data = $tls->data_dir;
	system_or_bail('openssl', 'req', '-new', '-x509', '-days', 2, '-nodes', '-subj', '/CN=127.0.0.1', '-newkey', 'rsa:2048',
		'-addext', 'subjectAltName=IP:127.0.0.1', '-keyout', "$data/server.key", '-out', "$data/server.crt");
	chmod 0600, "$data/server.key" or die "chmod: $!";
	my $rules = slurp_file("$data/pg_hba.conf") =~ s/^host /hostssl /mgr;
	unlink("$data/pg_hba.conf");
	append_to_file("$data/pg_hba.conf", $rules);
	$tls->append_conf('postgresql.conf', 'ssl = on');
	$tls->restart;
	my $secured = "host=127.0.0.1 port=@{[ $tls->port ]} dbname=postgres user=@{[ $tls->safe_psql('postgres', 'SELECT current_user') ]}";

	start_driver("$secured sslmode=disable", 0, 'once');
	like_said(qr/^ended 28000 stop: .* no encryption/, 'without TLS the server refuses');
	end_driver('no TLS');
	foreach my $mode ('sslmode=require', "sslmode=verify-full sslrootcert=$data/server.crt")
	{
		start_driver("$secured $mode");
		ready();
		is(ask('SELECT ssl::text FROM pg_stat_ssl WHERE pid = pg_backend_pid()'), 'result true', "$mode: a session");
		foreach my $length (1, 8000, 8191 .. 8193, 16300 .. 16400, 32768, 65536, 1_000_000, 50 * 1024 * 1024)
		{
			order("big 0 $length");
			my $said = hear();
			next if $said eq 'big same';
			is($said, 'big same', "$mode: $length bytes to the server and back");
			last;
		}
		order('chain 2000 SELECT 1');
		is_said('result ' . "\0\0\0\1", '... and 2,000 calls');
		end_driver($mode);
	}

	# the same by the broker, for a client that nobody has changed
	skip('no kcat here', 1) if system('command -v kcat >/dev/null') != 0;
	$tls->safe_psql('postgres', q{SELECT create_topic('t', 1, 'bytea', 'bytea', '{"max_event_bytes": 4194304}')});
	my $broker = start_broker($tls, conninfo => "$secured sslmode=require", sanitize => 1);
	is($tls->safe_psql('postgres', q{SELECT bool_and(ssl) FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) WHERE application_name ^@ 'eventlog-broker'}),
		't', 'the broker speaks TLS with the server');
	my $message = join '', map { chr(33 + $_ * 7919 % 90) } 1 .. 1024 * 1024;
	my $file = "$PostgreSQL::Test::Utils::tmp_check/message";
	append_to_file($file, $message);
	is((kcat($broker, '', '-P', '-t', 't', '-X', 'message.max.bytes=4000000', $file))[1], '', 'a message of 1 MB is produced');
	is($tls->safe_psql('postgres', 'SELECT md5(value) FROM t'), md5_hex($message), '... stored');
	is(md5_hex((kcat($broker, '', qw(-C -t t -o beginning -c 1 -q -e -D), '', '-f', '%s'))[0]), md5_hex($message), '... and fetched');
	my $lines = join '', map { "k$_:" . ('v' x ($_ % 500)) . "\n" } 1 .. 20_000;
	is((kcat($broker, $lines, '-P', '-t', 't', '-K:'))[1], '', '5 MB in small ones are produced');
	is((kcat($broker, '', qw(-C -t t -o 1 -e -q -f), "%k:%s\n"))[0], $lines, '... and fetched');
	$tls->safe_psql('postgres', q{SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name ^@ 'eventlog-broker'});
	is((kcat($broker, '', qw(-C -t t -o 1 -e -q -f), "%k:%s\n"))[0], $lines, '... by new connections, too');
	stop_broker($broker);
	$tls->stop;
}
done_testing();
