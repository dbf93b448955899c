# GRANTs are the ACLs of eventlog-broker: what a role may not do by SQL it may not do by Kafka's protocol, what is taken
# from it ends within a second, for clients that wait, too, and nobody gets in whom PostgreSQL would not let in.

use strict;
use warnings;

use File::Basename qw(dirname);
use lib dirname(__FILE__) . '/../lib';

use EventlogTest;
use IPC::Run ();
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time);

my $node = new_cluster('rights', conf => "max_connections = 80\n");

sub sql
{
	my ($query) = @_;
	return $node->safe_psql('postgres', $query);
}

my @roles = qw(owns dual reads writes nil blind creates);
sql(join ';', (map { "CREATE ROLE $_ LOGIN PASSWORD 'secret'; GRANT USAGE ON SCHEMA _eventlog TO $_" } @roles, 'outside'),
	'CREATE ROLE barred PASSWORD $$secret$$; GRANT USAGE ON SCHEMA _eventlog TO barred',
	'REVOKE USAGE ON SCHEMA _eventlog FROM outside; GRANT CREATE ON SCHEMA public TO owns, creates',
	'CREATE SCHEMA closed; GRANT USAGE ON SCHEMA closed TO reads, writes, dual, owns, nil',
	q(SELECT create_topic('open', 1, 'bytea', 'bytea'), create_topic('closed.inner', 1, 'bytea', 'bytea'), create_topic('free', 1, 'bytea', 'bytea'), create_topic('plenty', 1, 'bytea', 'bytea')),
	q(SELECT produce('plenty', 'k'::bytea, convert_to(repeat('v', 10000), 'UTF8'))),
	'ALTER TABLE open OWNER TO owns; GRANT SELECT ON free, plenty TO PUBLIC',
	map { "GRANT SELECT ON $_ TO reads, blind, dual; GRANT INSERT ON $_ TO writes, blind, dual" } qw(open closed.inner));
my $hba = slurp_file($node->data_dir . '/pg_hba.conf');
open my $file, '>', $node->data_dir . '/pg_hba.conf';
print $file "local all " . join(',', @roles, qw(outside barred)) . " scram-sha-256\n$hba";
close $file;
$node->reload;

my $broker = start_broker($node, sanitize => 1, options => [ '--authentication', 'plain', '--topic-schemas', 'public, closed' ]);
my $creating = start_broker($node, name => 'creating', sanitize => 1, options => [ '--authentication', 'plain', '--topic-schemas', 'public, closed', '--auto-create-topics' ]);

sub is_all
{
	my ($got, $expected, $name) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	is(join("\n", map { "$_: $got->{$_}" } sort keys %$got), join("\n", map { "$_: $expected->{$_}" } sort keys %$expected), $name);
	return;
}

# produce, fetch, list offsets, metadata by name, among all
is_all(
	run_frames($broker, 'rights_frames.py', 'matrix', 'open', @roles),
	{
		owns => '0 0 0 0 listed',
		dual => '0 0 0 0 listed',
		blind => '0 0 0 0 listed',
		reads => '29 0 0 0 listed',
		writes => '0 29 29 0 listed',
		nil => '3 3 3 3 hidden',
		creates => '3 3 3 3 hidden',
	},
	'INSERT writes, SELECT reads, and without both there is no such topic');
is_all(
	run_frames($broker, 'rights_frames.py', 'matrix', 'inner', @roles),
	{
		owns => '3 3 3 3 hidden',
		dual => '0 0 0 0 listed',
		blind => '3 3 3 3 hidden',
		reads => '29 0 0 0 listed',
		writes => '0 29 29 0 listed',
		nil => '3 3 3 3 hidden',
		creates => '3 3 3 3 hidden',
	},
	'... nor without USAGE on its schema');
is(sql('SELECT count(*) FROM open'), 4, '... and only those have written who may');
is_all(
	run_frames($creating, 'rights_frames.py', 'matrix', 'open', 'nil', 'writes'),
	{ nil => '3 3 3 29 hidden', writes => '0 29 29 0 listed' },
	'where clients create topics, one that is there already is not to be seen');
is_all(
	run_frames($creating, 'rights_frames.py', 'created', 'new', @roles),
	{ (map { $_ => 3 } qw(dual blind reads writes nil)), owns => 0, creates => 0 },
	'topics are created by roles that may CREATE');
is(sql(q(SELECT string_agg(relname || ' ' || relowner::regrole, ', ' ORDER BY relname) FROM pg_class WHERE relname LIKE 'new%' AND relkind = 'p')),
	'new_creates creates, new_owns owns', '... and are theirs');
stop_broker($creating);

#
# Logins
#
is_all(
	run_frames($broker, 'rights_frames.py', 'login', 'reads', 'wrong', 'nobody', 'secret', 'barred', 'secret', 'reads', '', 'reads', 'secret', 'outside', 'secret'),
	{ 'reads/wrong' => 58, 'nobody/secret' => 58, 'barred/secret' => 58, 'reads/' => 58, 'reads/secret' => 0, 'outside/secret' => 0 },
	'PostgreSQL decides who gets in');
sql(q(ALTER ROLE reads PASSWORD 'other'; ALTER ROLE writes NOLOGIN));
ok(wait_until(sub {
	my $got = run_frames($broker, 'rights_frames.py', 'login', 'reads', 'secret', 'reads', 'other', 'writes', 'secret', 'dual', 'secret');
	return join(', ', map { "$_ $got->{$_}" } sort keys %$got) eq 'dual/secret 0, reads/other 0, reads/secret 58, writes/secret 58' }, 3),
	'a password that was changed, or a role that may not log in any more, lets nobody in, though it did a moment ago');
sql(q(ALTER ROLE reads PASSWORD 'secret'; ALTER ROLE writes LOGIN));

#
# What is taken away
#
sub revoke
{
	my ($role, $topic, $statement, $expected, $name) = @_;
	my ($in, $out, $err) = ('', '', '');
	my $run = IPC::Run::start([ '/usr/bin/python3', dirname(__FILE__) . '/../lib/rights_frames.py', $broker->{port}, 'revoked', $topic, $role ],
		'<', \$in, '>', \$out, '2>', \$err, IPC::Run::timeout(100));
	$run->pump until $out =~ /^waiting$/m || !$run->pumpable;
	my $began = time;
	sql($statement);
	$in .= "$began\n";
	$run->finish;
	is($err, '', "$name: the program has ended well");
	my $got = { map { my @field = split /\t/, $_, 2; $field[0] => $field[1] } grep { /\t/ } split /\n/, $out };
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	is_all($got, { 'parked in time' => 'yes', still => 0, %$expected }, $name);
	return;
}

sub parked
{
	my ($topic, $error) = @_;
	my ($one, @others) = ("('$topic', $error)", "('free', 0)", "('plenty', 0)");
	return '[' . join(', ', map { '[' . join(', ', sort @$_) . ']' } [$one], map { [ $one, $_ ] } @others) . ']';
}

revoke('dual', 'open', 'REVOKE SELECT ON open FROM dual',
	{ before => '0 0 0', parked => parked('open', 29), after => '0 29 29', 'new client' => 29 }, 'SELECT is revoked');
revoke('reads', 'open', 'REVOKE SELECT ON open FROM reads',
	{ before => '29 0 0', parked => parked('open', 3), after => '3 3 3', 'new client' => 3 }, 'the last right is revoked');
revoke('dual', 'inner', 'REVOKE USAGE ON SCHEMA closed FROM dual',
	{ before => '0 0 0', parked => parked('inner', 3), after => '3 3 3', 'new client' => 3 }, 'the schema is closed');
sql(q(CREATE ROLE readers; GRANT SELECT, INSERT ON open TO readers; GRANT readers TO nil));
revoke('nil', 'open', 'REVOKE readers FROM nil',
	{ before => '0 0 0', parked => parked('open', 3), after => '3 3 3', 'new client' => 3 }, 'a membership is revoked');
revoke('owns', 'open', 'DROP TABLE open',
	{ before => '0 0 0', parked => parked('open', 3), after => '3 3 3', 'new client' => 3 }, 'the topic is dropped');

ok(wait_until(sub { broker_metric($broker, 'memory_bytes') == 0 }, 30), 'nothing is left in hand');
stop_broker($broker);
done_testing();
