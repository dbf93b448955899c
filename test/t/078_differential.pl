# What eventlog-broker answers is what Kafka answers: the scenarios of
# test/differential, each in the lowest and the highest version of its request,
# against what a Kafka has answered to the same frames (test/differential/answers).
# Differences that are meant to be are in a list, with their reasons.
#
# EVENTLOG_DIFFERENTIAL=FOLDER	every version, against a Kafka that is fetched into
#				that folder (test/nightly/differential)

use strict;
use warnings;

use File::Basename qw(dirname);
use lib dirname(__FILE__) . '/../lib';

use EventlogTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $root = dirname(__FILE__) . '/../..';
my $folder = "$root/test/differential";
my $work = $PostgreSQL::Test::Utils::tmp_check;
my $tables = "$work/tables";
my @login = ('--user', 'differential', '--password', 'secret');

# The output of a program that has to succeed.
sub output_of
{
	my (@command) = @_;
	my ($out, $err) = run_command(\@command);
	die "@command: $err" if $err ne '';
	return $out;
}

{
	delete local $ENV{MAKEFLAGS};
	system_or_bail('make', '-s', '-C', "$root/test/unit", "BUILD=$work/unit", 'PG_CONFIG=' . ($ENV{PG_CONFIG} // 'pg_config'), "$work/unit/dump_messages");
}
append_to_file($tables, output_of("$work/unit/dump_messages"));

my $cache = $ENV{EVENTLOG_DIFFERENTIAL};
my @all = defined $cache ? ('--all') : ();

# What compare.py finds must be nothing.
sub is_same
{
	my ($name, @arguments) = @_;
	my ($out, $err) = run_command([ '/usr/bin/python3', "$folder/compare.py", @arguments ]);
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	is($err, '', "$name: both can be compared");
	like($out, qr/\A[0-9]{3,} compared, [0-9]+ differ as they are meant to, 0 failed\z/, '... and do not differ, but as they are meant to');
	note($out);
	return;
}

my $kafka = "$folder/answers";
if (defined $cache)
{
	$kafka = "$work/kafka";
	system_or_bail('/usr/bin/python3', "$folder/kafka.py", $cache, $tables, $kafka, @all);
	append_to_file("$work/none", '[]');
	is_same('recorded answers and those of a running Kafka', "$folder/answers", $kafka, "$work/none", '--recorded');
}

my $node = new_cluster('differential');
$node->safe_psql('postgres', q(CREATE ROLE differential LOGIN PASSWORD 'secret'));
my $hba = $node->data_dir . '/pg_hba.conf';
my $rules = slurp_file($hba);
unlink $hba;
append_to_file($hba, "local all differential,nobody scram-sha-256\n$rules");
$node->reload;
foreach my $line (split /\n/, output_of('/usr/bin/python3', "$folder/observe.py", '--sizes', @all))
{
	my ($topic, $partitions, $options) = split /\t/, $line;
	$node->safe_psql('postgres', "SELECT create_topic('$topic', $partitions, 'bytea', 'bytea', '$options')");
}

$node->safe_psql('postgres', 'GRANT SELECT, INSERT ON read TO differential');

my $broker = start_broker($node, sanitize => 1);
my $sasl = start_broker($node, name => 'sasl', sanitize => 1, options => [ '--authentication', 'plain' ]);
append_to_file("$work/broker",
	output_of('/usr/bin/python3', "$folder/observe.py", '--tables', $tables, '--port', $broker->{port}, '--sasl-port', $sasl->{port}, @login, @all));
is_same('Kafka and the broker', $kafka, "$work/broker", "$folder/differences.json", defined $cache ? '--versions' : ());
stop_broker($broker);
stop_broker($sasl);

done_testing();
