# Clients that come, log in, produce, read and vanish leave nothing behind, in the broker or in the backends that it keeps: their
# memory is flat.
#
# EVENTLOG_CHURN_SECONDS: for how long (default 30; test/nightly/broker_churn asks for an hour).

use strict;
use warnings FATAL => 'all';

use File::Basename qw(dirname);
use lib dirname(__FILE__) . '/../lib';

use EventlogTest;
use List::Util qw(max min);
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time usleep);

my $seconds = $ENV{EVENTLOG_CHURN_SECONDS} || 30;
my ($partitions, $roles) = (4, 5);

# What the last third of the time may take, by the second one, medians: a hundredth more, for holes between what is in use, and half
# a megabyte, or 32 bytes for each client of that time, less than anything that is kept of one.  A kilobyte that is lost with each
# client is more than that in 30 s.
sub bound
{
	my ($mb, $clients) = @_;
	return $mb * 1.01 + max(0.5, $clients * 32 / 2**20);
}

my $node = new_cluster('churn', conf => <<'EOT');
max_connections = 60
max_wal_size = 256MB
log_statement = none
log_connections = off
log_disconnections = off
eventlog.retention_check_interval = 1s
EOT
$node->safe_psql('postgres', <<"EOT");
SELECT create_topic('churn', $partitions, 'bytea', 'bytea',
	'{"retention_bytes": 8000000, "segment_bytes": 1048576, "compression": "none"}')
EOT
foreach my $role (0 .. $roles - 1)
{
	$node->safe_psql('postgres', <<"EOT");
CREATE ROLE churn_$role LOGIN PASSWORD 'secret $role';
GRANT SELECT, INSERT ON churn TO churn_$role;
EOT
}
my $hba = slurp_file($node->data_dir . '/pg_hba.conf');
unlink $node->data_dir . '/pg_hba.conf';
append_to_file($node->data_dir . '/pg_hba.conf',
	'local all ' . join(',', map { "churn_$_" } 0 .. $roles - 1) . " scram-sha-256\n$hba");
$node->reload;

my $broker = start_broker($node, options => [ '--authentication', 'plain', '--backends', 2 ]);

# Private memory of the backends in MB: of the largest one.  Those that come and go are not to blur it.
sub backends
{
	my @sizes;
	my $pids = q(SELECT pid FROM pg_stat_activity WHERE application_name LIKE 'eventlog-broker%');
	foreach my $pid (split /\n/, $node->safe_psql('postgres', $pids))
	{
		my $status = eval { slurp_file("/proc/$pid/status") } // '';
		push @sizes, $1 / 1024 if $status =~ /RssAnon:\s+(\d+) kB/;
	}
	return max(0, @sizes);
}

sub median { my @sorted = sort { $a <=> $b } @_; return $sorted[ @sorted / 2 ]; }

my $churn = start_frames($broker, 'broker_churn.py', $partitions, $roles, $seconds);
my (%samples, $began);
$began = time;
while (time < $began + $seconds)
{
	my $third = min(2, int(3 * (time - $began) / $seconds));
	push @{ $samples{broker}[$third] }, broker_resident($broker);
	push @{ $samples{backends}[$third] }, backends();
	usleep($seconds * 10_000 < 5_000_000 ? $seconds * 10_000 : 5_000_000);
}
my $did = finish_frames($churn);
is($did->{failures}, '', 'each client has got what it asked for');
note(join ', ', map { "$_ $did->{$_}" } grep { $_ ne 'failures' } sort keys %$did);
cmp_ok($did->{clients}, '>', 20 * $seconds, "$did->{clients} clients have come and gone");
foreach my $what ('logins', 'wrong passwords', 'produce', 'fetch', 'wait', 'idempotent', 'half', 'unread', 'reset')
{
	cmp_ok($did->{$what} // 0, '>', 0, "... $what: " . ($did->{$what} // 0));
}

foreach my $who ('broker', 'backends')
{
	my @mb = map { median(@$_) } @{ $samples{$who} };
	note(sprintf '%s: %.2f MB, then %.2f MB, then %.2f MB', $who, @mb);
	my @all = map { @$_ } @{ $samples{$who} };
	note('in between: ' . join ' ', map { sprintf '%.2f', $all[ $_ * @all / 20 ] } 0 .. 19);
	cmp_ok($mb[2], '<', bound($mb[1], $did->{clients} / 3), "memory is flat: $who");
}
ok(wait_until(sub { broker_metric($broker, 'connections') == 0 && broker_metric($broker, 'memory_bytes') == 0 }, 30),
	'nothing is left in hand');
stop_broker($broker);
is($node->safe_psql('postgres', q(SELECT * FROM check_topic('churn'))), '', 'the log is sound');

done_testing();
