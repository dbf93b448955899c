# eventlog-broker as a service of systemd: what it tells its manager, here a socket of this test, when PostgreSQL is not there yet, is
# there, goes away, and comes back; when it idles, has much to do, hangs, and ends; and whether its unit is one.

use strict;
use warnings FATAL => 'all';

use File::Basename qw(dirname);
use lib dirname(__FILE__) . '/../lib';

use EventlogTest;
use Fcntl qw(F_GETFL F_SETFL O_NONBLOCK);
use IO::Select;
use IO::Socket::INET;
use IO::Socket::UNIX;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Socket qw(SOCK_DGRAM);
use Test::More;
use Time::HiRes qw(clock_gettime CLOCK_MONOTONIC);

my $root = dirname(__FILE__) . '/../..';

SKIP:
{
	skip('systemd-analyze is not there', 1) if system('command -v systemd-analyze >/dev/null') != 0;
	# the program and its manual need not be installed
	my $unit = PostgreSQL::Test::Utils::tempdir() . '/eventlog-broker.service';
	append_to_file($unit, slurp_file("$root/broker/eventlog-broker.service") =~ s{^ExecStart=\S+}{ExecStart=/bin/true}mr);
	my ($out, $err) = run_command([ 'systemd-analyze', 'verify', '--man=no', $unit ]);
	is("$out$err", '', 'systemd finds nothing wrong with the unit');
}

unless (system(q{echo '#include <systemd/sd-daemon.h>' | cc -E - >/dev/null 2>&1}) == 0)
{
	note('skip: libsystemd is not there');
	done_testing();
	exit;
}

my $timeout = $PostgreSQL::Test::Utils::timeout_default;
my $watchdog = 2;	# seconds in which its manager wants to hear of it

my $path = PostgreSQL::Test::Utils::tempdir_short() . '/notify';
my $socket = IO::Socket::UNIX->new(Type => SOCK_DGRAM, Local => $path) or die "$path: $!";
my ($unread, $status) = ('', '');

sub now { return clock_gettime(CLOCK_MONOTONIC); }

# The next message within so many seconds that is not STATUS=, which is kept; undef if there is none.
sub hear
{
	my ($seconds) = @_;
	my $end = now() + $seconds;
	while ((my $left = $end - now()) > 0)
	{
		next unless IO::Select->new($socket)->can_read($left);
		$socket->recv(my $message, 4096) // die "recv: $!";
		return $message unless $message =~ /^STATUS=(.*)/s;
		$status = $1;
	}
	return;
}

# All messages until there is one like that, or so many seconds are over.
sub hear_until
{
	my ($wanted, $seconds) = @_;
	my $end = now() + $seconds;
	my @heard;
	while ((my $left = $end - now()) > 0)
	{
		my $message = hear($left);
		push @heard, $message if defined $message;
		last if defined $message && $message eq $wanted;
	}
	return @heard;
}

sub status_is
{
	my ($pattern, $name) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my $end = now() + $timeout;
	hear(0.05) while $status !~ $pattern && now() < $end;
	like($status, $pattern, $name);
	return;
}

# For so many seconds: only watchdogs, none later than systemd wants it.
sub beats_for
{
	my ($seconds, $name) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my ($end, $last, $late, @others) = (now() + $seconds, now(), 0);
	while (now() < $end)
	{
		my $message = hear(0.5);
		my $gap = now() - $last;
		$late = $gap if $gap > $late;
		next unless defined $message;
		$last = now();
		push @others, $message if $message ne 'WATCHDOG=1';
	}
	cmp_ok($late, '<', $watchdog, "$name: the watchdog is told in time");
	is("@others", '', '... and nothing else');
	return;
}

sub start_service
{
	my (%arg) = @_;
	local $ENV{NOTIFY_SOCKET} = $path;
	local $ENV{WATCHDOG_USEC} = $arg{usec} // $watchdog * 1_000_000;
	local $ENV{WATCHDOG_PID} = $arg{watched} if $arg{watched};
	delete local $ENV{WATCHDOG_USEC} if defined $arg{usec} && !$arg{usec};
	return start_broker($arg{node}, %arg);
}

my $node = new_cluster('service', conf => "max_connections = 40\n");
$node->safe_psql('postgres', q{SELECT create_topic('t', 1, 'bytea', 'bytea')});
$node->stop;

#
# PostgreSQL comes later
#
pipe(my $log, my $log_end) or die "pipe: $!";
my $broker = start_service(node => $node, name => 'first', stderr => $log_end, options => [ '--log-level', 'debug' ]);
status_is(qr/^no connection to PostgreSQL, clients: 0: connection to server on socket .* failed/, 'without PostgreSQL it says what it waits for');
like(join(' ', hear_until('READY=1', $watchdog)), qr/^(?:WATCHDOG=1 ?)+$/, '... is not ready, and its loop turns');
ok(IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $broker->{port}), '... but listens');
$node->start;
is((hear_until('READY=1', $timeout))[-1], 'READY=1', 'with PostgreSQL it is ready');
status_is(qr/^serving, clients: \d+$/, '... and says so');

#
# The watchdog
#
beats_for(3, 'idle');
SKIP:
{
	skip('kcat is not there', 4) if system('command -v kcat >/dev/null') != 0;
	my $lines = join '', map { "k$_:" . ('x' x 200) . "\n" } 1 .. 100_000;
	my $file = "$PostgreSQL::Test::Utils::tmp_check/lines";
	append_to_file($file, $lines);
	my @producers = map {
		IPC::Run::start([ 'kcat', '-b', "127.0.0.1:$broker->{port}", '-P', '-t', 't', '-K:', '-X', 'linger.ms=1', '-l', $file ],
			'>', \my $out, '2>', \my $err, IPC::Run::timeout($timeout))
	} 1 .. 2;
	beats_for(4, 'under load');
	is(join(' ', map { $_->finish ? 'sent' : 'failed' } @producers), 'sent sent', '... which went through');
	is($node->safe_psql('postgres', 'SELECT count(*) FROM t'), 200_000, '... all of it');
}

# what it logs is not read any more: a write to stderr waits, and so does the loop, though the process lives and takes signals
fcntl($log_end, F_SETFL, fcntl($log_end, F_GETFL, 0) | O_NONBLOCK) or die "fcntl: $!";
1 while defined syswrite($log_end, '-' x 4096);
1 while defined syswrite($log_end, '-');
fcntl($log_end, F_SETFL, fcntl($log_end, F_GETFL, 0) & ~O_NONBLOCK) or die "fcntl: $!";
my $client = IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $broker->{port}) or die "connect: $!";
wait_until(sub { slurp_file("/proc/$broker->{pid}/wchan") =~ /pipe_w/ || slurp_file("/proc/$broker->{pid}/syscall") =~ /^1 / }, 10);
hear(0.01) while IO::Select->new($socket)->can_read(0);
is(hear(2 * $watchdog), undef, 'a loop that hangs tells no watchdog');
my $reader = fork // die "fork: $!";
if ($reader == 0)
{
	close $log_end;
	1 while sysread($log, my $bytes, 65536);
	POSIX::_exit(0);
}
is(hear($watchdog), 'WATCHDOG=1', '... and does when it turns again');

#
# PostgreSQL goes away and comes back
#
$node->stop('immediate');
status_is(qr/^no connection to PostgreSQL, clients: \d+: ./, 'PostgreSQL goes away');
beats_for(2.5, '... which is no reason to restart the broker');
$node->start;
status_is(qr/^serving, clients: \d+$/, '... and comes back');

#
# The end
#
hear(0.01) while IO::Select->new($socket)->can_read(0);
kill 'TERM', $broker->{pid};
is((grep { $_ ne 'WATCHDOG=1' } hear_until('STOPPING=1', $timeout))[0], 'STOPPING=1', 'at SIGTERM it tells that it ends');
wait_until(sub { !broker_lives($broker) }, 60);
is($broker->{ended}, 0, '... and does');
hear(0.1);
is($status, 'ending: answers in hand are finished', '... having said so');
close $log_end;
waitpid($reader, 0);

#
# Who is not watched
#
foreach my $case ([ 'no watchdog', usec => 0 ], [ 'the watchdog of another process', watched => $$ ])
{
	my ($name, @arguments) = @$case;
	$broker = start_service(node => $node, name => $name =~ s/ /_/gr, @arguments);
	is(join(' ', hear_until('WATCHDOG=1', 2.5)), 'READY=1', "$name: none is told");
	stop_broker($broker);
	hear_until('STOPPING=1', 1);
}
$broker = start_broker($node, name => 'alone');
is(join(' ', hear_until('READY=1', 1)), '', 'without a manager nobody is told anything');
stop_broker($broker);

done_testing();
