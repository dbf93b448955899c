# Producers that lose answers and try again: each event is there once, in order, with
# the rows of its transaction; through crashes of the server, promotion, dump and restore.  And
# sequences that nobody needs any more expire.
#
# EVENTLOG_CUTS: how often clients are cut off between statement and answer.

use strict;
use warnings FATAL => 'all';

use File::Basename qw(dirname);
use lib dirname(__FILE__) . '/../lib';

use EventlogTest;
use IPC::Run ();
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

need_python();

my $cuts = $ENV{EVENTLOG_CUTS} // 100;
my $tmp = PostgreSQL::Test::Utils::tempdir();
my $primary = new_cluster('producing', init => [ allows_streaming => 1 ], conf => <<'EOT');
fsync = off
log_statement = none
eventlog.retention_check_interval = '1d'
EOT
$primary->safe_psql('postgres', <<'EOT');
SELECT create_topic('t', 3, 'text', 'text');
CREATE TABLE twin (name text, n int, PRIMARY KEY (name, n));
EOT
$primary->backup('base');
my $standby = PostgreSQL::Test::Cluster->new('successor');
$standby->init_from_backup($primary, 'base', has_streaming => 1);
$standby->start;

my $sockets = PostgreSQL::Test::Utils::tempdir_short();
my $proxy;
END { $proxy->kill_kill if $proxy }
my %last;

# Cut clients off between statement and answer so often, while they produce to the node; the code runs meanwhile.
sub produce
{
	my ($node, $first, $times, $meanwhile) = @_;
	my $proxy_err = '';
	unlink "$sockets/.s.PGSQL.5432";
	$proxy = IPC::Run::start(
		[   python(), dirname(__FILE__) . '/../lib/lossy_proxy.py', '--listen', "$sockets/.s.PGSQL.5432",
			'--server', $node->host . '/.s.PGSQL.' . $node->port, '--log', "$tmp/calls", '--lose-answer', 3, '--lose-request', 7 ],
		'<', \undef, '2>', \$proxy_err);
	wait_until(sub { -S "$sockets/.s.PGSQL.5432" }) or die "no proxy: $proxy_err";
	my ($out, $err) = ('', '');
	my $clients = IPC::Run::start(
		[   python(), dirname(__FILE__) . '/../lib/sql_producers.py', '--proxy', "host=$sockets port=5432 dbname=postgres",
			'--cuts', int(1.5 * $times), '--first', $first ],
		'<', \undef, '>', \$out, '2>', \$err, IPC::Run::timeout($PostgreSQL::Test::Utils::timeout_default + $times));
	$meanwhile->() if $meanwhile;
	$clients->finish;
	is($err, '', 'the clients met nothing that they could not retry');
	$proxy->kill_kill;
	undef $proxy;
	is($proxy_err, '', 'nor did the proxy');
	$last{$1} = $2 while $out =~ /^last\t(\w+)\t(\d+)$/mg;
	my $lost = grep { /\tanswer\t\t/ } split /\n/, slurp_file("$tmp/calls");
	cmp_ok($lost, '>=', $times, "they were cut off $lost times after the server had done it");
	return;
}

sub check
{
	my ($node, $name, $db) = @_;
	my $sql = sub { return $node->safe_psql($db // 'postgres', $_[0]) };
	my $last = join ' ', map { "$_:$last{$_}" } sort keys %last;
	is($sql->('SELECT count(*), count(DISTINCT (key, value)) FROM t') =~ /^(\d+)\|\1$/ ? 1 : 0, 1, "$name: each event once");
	is($sql->("SELECT string_agg(key || ':' || n, ' ' ORDER BY key) FROM (SELECT key, count(*) AS n FROM t WHERE key !~ 'second' GROUP BY key) k"),
		$last, "$name: ... and none is missing");
	is($sql->('SELECT count(*) FROM (SELECT value::int, lag(value::int) OVER (PARTITION BY partition, key ORDER BY event_offset) AS before FROM t) x WHERE value <= before'),
		'0', "$name: ... in order");
	is($sql->("SELECT count(*) FROM t FULL JOIN twin ON key = name AND value::int = n WHERE (value::int % 3 = 2) IS DISTINCT FROM (n IS NOT NULL) AND key !~ 'second'"),
		'0', "$name: ... with the rows of its transaction");
	is($sql->("SELECT count(*) FROM t WHERE key ~ 'second'"), $sql->("SELECT count(*) FROM t WHERE key !~ 'second' AND value::int % 3 = 1"), "$name: ... and of its batch");
	foreach my $problem (map { $sql->("SELECT problem FROM check_topic('$_')") } 't', '_eventlog.positions')
	{
		is($problem, '', "$name: sound");
	}
	return;
}

# What the last sequence is, as a server knows it that has been told in some way.
sub knows
{
	my ($node, $name, $db) = @_;
	my $before = $node->safe_psql($db // 'postgres', 'SELECT count(*) FROM t');
	foreach my $producer (sort keys %last)
	{
		my $gap = $last{$producer} + 2;
		$node->safe_psql($db // 'postgres', "SELECT produce('t', '$producer', 'again', producer => '$producer', sequence => $last{$producer})");
		expect_error($node, "SELECT produce('t', '$producer', 'gap', producer => '$producer', sequence => $gap)", '55000', qr/leaves a gap/, "$name: $producer", $db);
	}
	is($node->safe_psql($db // 'postgres', 'SELECT count(*) FROM t'), $before, "$name: nothing was produced");
	return;
}

produce($primary, 1, $cuts * 0.8, sub {
	$primary->poll_query_until('postgres', 'SELECT count(*) > 20 FROM t') or die;
	$primary->stop('immediate');
	$primary->start;
});
check($primary, 'a crash');
knows($primary, 'a crash');
$primary->stop('immediate');
$primary->start;
knows($primary, 'another crash, before anybody has asked');
$primary->restart;
knows($primary, 'a restart');

# prepared, it is taken through a crash
$primary->safe_psql('postgres', <<'EOT');
BEGIN; SELECT produce('t', 'prepared', '1', producer => 'prepared', sequence => 1); PREPARE TRANSACTION 'one';
BEGIN; SELECT produce('t', 'not prepared', '1', producer => 'not prepared', sequence => 1); PREPARE TRANSACTION 'two';
EOT
$primary->stop('immediate');
$primary->start;
foreach my $name ('prepared', 'not prepared')
{
	expect_error($primary, "SET lock_timeout = 100; SELECT produce('t', '$name', '2', producer => '$name', sequence => 2)", '55P03', qr/lock timeout/, "a crash: $name waits");
}
knows($primary, 'beside prepared ones');
$primary->safe_psql('postgres', "COMMIT PREPARED 'one'");
$primary->safe_psql('postgres', "ROLLBACK PREPARED 'two'");
expect_error($primary, "SELECT produce('t', 'prepared', '3', producer => 'prepared', sequence => 3)", '55000', qr/leaves a gap/, 'it counts');
$primary->safe_psql('postgres', "SELECT produce('t', 'not prepared', '9', producer => 'not prepared', sequence => 9)");
is($primary->safe_psql('postgres', "SELECT string_agg(value, ',' ORDER BY value) FROM t WHERE key ~ 'prepared'"), '1,9', '... or not');
$primary->safe_psql('postgres', "SELECT produce('t', 'prepared', '2', producer => 'prepared', sequence => 2)");
%last = (%last, prepared => 2, 'not prepared' => 9);

# dump and restore
# the OID: one that shares nothing with that of "postgres" (src/positions/table.c)
$primary->safe_psql('postgres', 'CREATE DATABASE copy OID = 100000');
$primary->command_ok([ 'pg_dump', '-Fc', '-f', "$tmp/dump", $primary->connstr('postgres') ], 'pg_dump');
$primary->command_ok([ 'pg_restore', '--exit-on-error', '-d', $primary->connstr('copy'), "$tmp/dump" ], 'pg_restore');
knows($primary, 'a restore', 'copy');

# to another tablespace and back: the file has its number again, and not what it was before
$primary->safe_psql('postgres', "SET allow_in_place_tablespaces = on; CREATE TABLESPACE elsewhere LOCATION ''");
my $moved = 0;
foreach my $space ('', 'elsewhere', 'pg_default')
{
	ok(wait_until(sub { $primary->psql('postgres', "ALTER DATABASE copy SET TABLESPACE $space") == 0 }), "moved to $space") if $space;
	$moved++;
	$primary->safe_psql('copy', "SELECT produce('t', 'moved', '$moved', producer => 'moved', sequence => $moved)");
}
is($primary->safe_psql('copy', "SELECT string_agg(value, ',' ORDER BY value) FROM t WHERE key = 'moved'"), '1,2,3', 'there and back: each sequence follows the last');

# promotion
$primary->wait_for_catchup($standby, 'replay', $primary->lsn('insert'));
expect_error($standby, "SELECT produce('t', 'p0', 'x', producer => 'p0', sequence => 1)", '25006', qr/./, 'a standby refuses');
$primary->stop('immediate');
$standby->promote;
knows($standby, 'a promotion');
delete @last{'prepared', 'not prepared'};
$standby->safe_psql('postgres', "ALTER TABLE t RENAME TO before; CREATE TABLE old AS TABLE twin; TRUNCATE twin; SELECT create_topic('t', 3, 'text', 'text')");
produce($standby, 1, $cuts * 0.2);
check($standby, 'after a promotion');

# What expires: it counts from the promotion at the earliest, is told in the log, and the sequence may be any again.
# A producer that goes on, and one whose transaction is open, keep theirs.
my $open = $standby->background_psql('postgres');
$standby->safe_psql('postgres', "SELECT produce('t', 'open', '1', producer => 'open', sequence => 1), produce('t', 'silent', '7', producer => 'silent \"one\"', sequence => 7)");
# keys that nobody but a superuser can have written
$standby->safe_psql('postgres', q{INSERT INTO _eventlog.positions (partition, key, value) VALUES (0, '["producer", "', '1'), (0, '["producer", "x", "odd"]', '2'), (0, '["other", "x", "y"]', '3'), (0, '["producer", "00000000-0000-4000-8000-00000000eeee", "' || chr(8364), '4')});
$open->query_safe("BEGIN; SELECT produce('t', 'open', '2', producer => 'open', sequence => 2)");
my $log = -s $standby->logfile;
$standby->append_conf('postgresql.conf', "eventlog.producer_expiry = '2s'\neventlog.retention_check_interval = '1s'\n");
$standby->reload;
my $tick = 0;
ok(wait_until(sub {
	$tick++;
	# a restore goes on, in another database
	$standby->safe_psql('copy', "INSERT INTO _eventlog.positions (partition, key, value) VALUES (0, 'restored', '$tick')");
	$standby->safe_psql('postgres', "SELECT produce('t', 'busy', '$tick', producer => 'busy', sequence => $tick)");
	return slurp_file($standby->logfile, $log) =~ /LOG:  the sequence of producer "silent \\"one\\"" has expired\n.*DETAIL:  It has produced nothing in topic "t" for [2-9] seconds\. Its last sequence was 7\./;
}), 'a sequence that nobody needs expires, with a LOG line');
ok(wait_until(sub { slurp_file($standby->logfile, $log) =~ /producer "p3" has expired/ }), '... and others');
$standby->safe_psql('postgres', "SELECT produce('t', 'silent', '3', producer => 'silent \"one\"', sequence => 3)");
is($standby->safe_psql('postgres', "SELECT string_agg(value, ',' ORDER BY event_offset) FROM t WHERE key = 'silent'"), '7,3', '... its name begins anew');
is($standby->safe_psql('postgres', q{SELECT string_agg(value::text, ',' ORDER BY event_offset) FROM latest('_eventlog.positions') WHERE key ~ 'other|"$|"x"|eeee'}), '1,2,3,4', '... positions of other kinds, and what is none, stay');
$open->query_safe('COMMIT');
$open->quit;
expect_error($standby, "SELECT produce('t', 'open', '4', producer => 'open', sequence => 4)", '55000', qr/leaves a gap/, 'one whose transaction was open is known');
unlike(slurp_file($standby->logfile, $log), qr/producer "busy" has expired/, '... and one that goes on');
is($standby->safe_psql('postgres', "SELECT problem FROM check_topic('_eventlog.positions')"), '', 'the topic of positions is sound');
$standby->stop;
done_testing();
