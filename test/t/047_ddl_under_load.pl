# Topics change and go while they are produced to and consumed from: partitions grow, names, schemas and owners change, TRUNCATE, DROP
# in all its forms.  Clients get what they would get from a table (a result, or an error that says the topic is gone), nothing that
# was acknowledged is lost while its topic is there, and nothing is left behind when it is not.  And 1,000 partitions work under
# PostgreSQL's default of locks per transaction.

use strict;
use warnings FATAL => 'all';

use File::Basename qw(dirname);
use lib dirname(__FILE__) . '/../lib';

use EventlogTest;
use IPC::Run ();
use PostgreSQL::Test::Utils;
use Test::More;

my $node = new_cluster('ddl', conf => <<'EOT');
max_connections = 60
eventlog.retention_check_interval = 1s
deadlock_timeout = 100ms
log_statement = none
EOT
sub query { my ($sql, $db) = @_; return $node->safe_psql($db // 'postgres', $sql); }
is(query('SHOW max_locks_per_transaction'), 64, "PostgreSQL's own default");

#
# 1,000 partitions
#
query("SELECT create_topic('wide', 1000, 'text', 'text')");
is(query("BEGIN; SELECT count(produce('wide', 'one', 'x')); SELECT count(*) FROM pg_locks WHERE pid = pg_backend_pid() AND locktype = 'relation'
	AND mode = 'RowExclusiveLock'; COMMIT"), "1\n2", 'produce() locks the topic and the partition');
query("SELECT count(produce('wide', 'k' || i, 'x')) FROM generate_series(1, 5000) i");
is(query("SELECT count(*) FROM read_topic('wide', max_events => 10000)"), 5001, 'one transaction to all of them');
is(query("SELECT count(*), count(DISTINCT partition) > 950 FROM consume('g', 'wide', 10000, commit => true)"), '5001|t', 'and one from all of them');
is(query("SELECT count(*) FROM wide"), 5001, 'SELECT');
is(query("SELECT sum(lag) FROM eventlog_lag"), 0, 'views');
my @many = map { IPC::Run::start([ 'psql', '-XAtq', '-d', $node->connstr('postgres'), '-c', "DO \$\$ BEGIN FOR r IN 1 .. 200 LOOP PERFORM produce('wide', r || ' $_', 'y'); COMMIT; END LOOP; END \$\$" ],
	'<', \undef, '2>', \my $err) } 1 .. 20;
$_->finish foreach @many;
is(query("SELECT count(*) FROM read_topic('wide', max_events => 100000)"), 9001, 'twenty producers at once');
query("SELECT apply_retention('wide'); SELECT drop_topic('wide')");

#
# Changes
#
query(<<'EOT');
CREATE ROLE alice; CREATE ROLE bob;
CREATE SCHEMA other;
GRANT ALL ON SCHEMA public, other TO alice, bob;
CREATE TABLE answers (client int, n int, topic regclass, PRIMARY KEY (client, n));
SELECT create_topic('t', 2, 'text', 'text');
-- each event has its row, and a client remembers nothing else
CREATE PROCEDURE run(client int, rounds int) LANGUAGE plpgsql AS $$ DECLARE i int := 1; BEGIN
	-- until so many are acknowledged, however fast the machine is
	WHILE i <= rounds LOOP
		BEGIN
			PERFORM produce((SELECT oid::regclass FROM pg_class WHERE relname IN ('t', 'renamed') AND relkind = 'p'), client || '/' || i, 'x');
			INSERT INTO answers VALUES (client, i, 't');
			i := i + 1;
		EXCEPTION WHEN undefined_table OR wrong_object_type OR null_value_not_allowed THEN
			NULL; -- it had another name when it was looked for
		END;
		COMMIT;
	END LOOP; END $$;
EOT
my @errors;
my @clients = map { my $n = $_; IPC::Run::start([ 'psql', '-XAtq', '-v', 'ON_ERROR_STOP=1', '-d', $node->connstr('postgres'), '-c', "CALL run($n, 1100)" ],
	'<', \undef, '2>', \$errors[$n]) } 0 .. 3;
my $consumer = IPC::Run::start([ 'psql', '-XAtq', '-d', $node->connstr('postgres'), '-c', <<'EOT' ], '<', \undef, '>', \my $ignored, '2>', \my $consumer_errors);
DO $$ BEGIN
	FOR i IN 1 .. 3000 LOOP
		BEGIN
			PERFORM count(*) FROM consume('g', (SELECT oid::regclass FROM pg_class WHERE relname IN ('t', 'renamed') AND relkind = 'p'), 100, commit => true);
		EXCEPTION WHEN undefined_table OR wrong_object_type OR null_value_not_allowed THEN NULL;
		END;
		COMMIT;
	END LOOP; END $$;
EOT
my $changes = 0;
while (query("SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'CALL run%'") > 0 || $changes < 8)
{
	foreach my $change ("ALTER TABLE t RENAME TO renamed", "ALTER TABLE renamed SET SCHEMA other", "ALTER TABLE other.renamed OWNER TO alice",
		"ALTER TABLE other.renamed SET SCHEMA public", "ALTER TABLE renamed RENAME TO t", "ALTER TABLE t OWNER TO bob",
		"ALTER TABLE t ADD CONSTRAINT c CHECK (key <> 'no')", "ALTER TABLE t DROP CONSTRAINT c",
		"SELECT alter_topic('t', jsonb_build_object('partitions', least(40, (SELECT partitions + 1 FROM eventlog_topics WHERE topic = 't'::regclass))))",
		"SELECT alter_topic('t', '{\"max_event_bytes\": 100000, \"compression\": \"zstd\"}')", "VACUUM t", "ANALYZE t", "VACUUM FULL t_p0",
		"ALTER TABLE t SET TABLESPACE pg_default", "SELECT apply_retention('t')")
	{
		# a deadlock is possible where one statement takes several locks, as with any table: again
		for (1 .. 50)
		{
			my ($rc, undef, $err) = $node->psql('postgres', "SET lock_timeout = '5s'; $change");
			last if $rc == 0 && $err !~ /ERROR/;
			$err =~ /40P01|deadlock detected|lock timeout|being extended|could not obtain lock|55P03/ or do { push @errors, "$change: $err"; last; };
		}
		$changes++;
	}
}
$_->finish foreach @clients, $consumer;
note("$changes changes, " . query('SELECT count(*) FROM answers') . ' events');
is(join('', grep { defined && !/deadlock detected/ && /\S/ } @errors), '', 'no client and no change met an error of another kind');
is($consumer_errors, '', 'nor did the consumer');
cmp_ok(query('SELECT count(*) FROM answers'), '>', 4000, 'events were acknowledged');
is(query(q{SELECT count(*) FROM (SELECT client || '/' || n AS key FROM answers EXCEPT ALL SELECT key FROM read_topic('t', max_events => 1000000)) x}), 0, 'each is there');
is(query(q{SELECT count(*) FROM (SELECT key FROM read_topic('t', max_events => 1000000) EXCEPT ALL SELECT client || '/' || n FROM answers) x}), 0, 'and no other');
is(query(q{SELECT count(*) FROM consume('h', 't', 1000000)}), query('SELECT count(*) FROM answers'), 'a group gets them all');
is(query(q{SELECT * FROM check_topic('t')}), '', 'sound');
is(query(q{SELECT string_agg(DISTINCT pg_get_userbyid(relowner), ',') FROM pg_class WHERE relname ~ '^t(_p\d+|_default)?$'}), 'bob', 'the partitions have gone along');

#
# TRUNCATE and DROP, in the middle of it
#
my %ways = (
	# what was not consumed is lost then, and the groups say that they know
	truncate => ["SELECT create_topic('d', 2, 'text', 'text'); SELECT create_group('truncate' || i, '{\"on_lost\": \"earliest\"}') FROM generate_series(0, 2) i", 'TRUNCATE d', 'postgres'],
	drop_topic => ["SELECT create_topic('d', 2, 'text', 'text')", "SELECT drop_topic('d')", 'postgres'],
	drop_table => ["SELECT create_topic('d', 2, 'text', 'text')", 'DROP TABLE d', 'postgres'],
	drop_schema => ["CREATE SCHEMA s; SELECT create_topic('s.d', 2, 'text', 'text')", 'DROP SCHEMA s CASCADE', 'postgres'],
	drop_owned => ["SET ROLE alice; SELECT create_topic('d', 2, 'text', 'text')", 'DROP OWNED BY alice', 'postgres'],
	drop_extension => ["CREATE EXTENSION IF NOT EXISTS eventlog; SELECT create_topic('d', 2, 'text', 'text')", 'DROP EXTENSION eventlog CASCADE', 'ext'],
	drop_database => ["CREATE EXTENSION IF NOT EXISTS eventlog; SELECT create_topic('d', 2, 'text', 'text')", 'DROP DATABASE gone WITH (FORCE)', 'gone']);
query('CREATE DATABASE ext');
query('CREATE DATABASE gone');
foreach my $way (sort keys %ways)
{
	my ($create, $drop, $db) = @{ $ways{$way} };
	query($create, $db);
	my @err;
	my @load = map { my $n = $_; IPC::Run::start([ 'psql', '-XAtq', '-d', $node->connstr($db), '-c', 'SET search_path = public, s', '-c', <<"EOT" ], '<', \undef, '>', \my $out, '2>', \$err[$n]) } 0 .. 2;
DO \$\$ BEGIN LOOP
	PERFORM produce('d', 'k', 'x');
	PERFORM count(*) FROM consume('$way$n', 'd', 10, commit => true);
	COMMIT;
	END LOOP; END \$\$
EOT
	my $end = $way eq 'drop_schema' ? 's.d' : 'd';
	ok(wait_until(sub { query("SELECT count(*) > 50 FROM read_topic('$end')", $db) eq 't' }, 30), "$way: they are at work");
	for (1 .. 100)
	{
		my ($rc, undef, $err) = $node->psql('postgres' eq $db || $way eq 'drop_extension' ? $db : 'postgres', "SET lock_timeout = '10s'; $drop");
		last if $rc == 0 && $err !~ /ERROR/;
		diag("$way: $err") unless $err =~ /deadlock|lock timeout/;
	}
	if ($way eq 'truncate')
	{
		ok(wait_until(sub { query("SELECT min(event_offset) > 0 AND count(*) > 10 FROM read_topic('d')") eq 't' }, 30), 'truncate: offsets and producers go on');
		query("SELECT drop_topic('d')");
	}
	$_->finish foreach @load;
	like($_, qr/does not exist|is not a topic|terminating connection|function produce|connection to server was lost|deadlock detected|no schema has been selected|cache lookup failed|could not open relation/,
		"$way: the clients are told: " . ((split /\n/, $_)[0] // '')) foreach @err;
	next if $way eq 'drop_database';
	is(query("SELECT count(*) FROM pg_class WHERE relname ~ '^d(_p\\d+|_default)?\$'", $db), 0, "$way: no table is left");
	is(query("SELECT count(*) FROM pg_seclabel WHERE provider = 'eventlog' AND NOT EXISTS (SELECT FROM pg_class WHERE oid = objoid)", $db), 0, "$way: no label");
}
is(query("SELECT count(*) FROM eventlog_lag WHERE group_name ~ '^drop_'"), 0, 'no lag of what is gone');
query('CREATE EXTENSION eventlog', 'ext');
is(query("SELECT create_topic('d'); SELECT produce('d', 'k', '1'); SELECT count(*) FROM consume('drop_extension0', 'd')", 'ext'), "d\n0\n1", 'an extension that comes back begins anew');

# where a look at the catalog ends in an error, the next one looks again
my $session = $node->background_psql('ext', on_error_stop => 0);
my $locker = $node->background_psql('ext');
$session->query_safe("SELECT count(*) FROM consume('looks', 'd', commit => true); SELECT produce('d', 'k', '2')");
$locker->query_safe("UPDATE pg_class SET reltuples = reltuples WHERE oid = '_eventlog.committed_offsets_p0'::regclass");
$session->query_safe('SELECT 1');
$locker->query_safe('BEGIN; LOCK pg_class IN ACCESS EXCLUSIVE MODE');
$session->query("SET lock_timeout = '100ms'; SELECT produce('d', 'k', '3')");
like($session->{stderr}, qr/lock timeout/, 'the catalog is locked');
$locker->query_safe('ROLLBACK');
$session->{stderr} = '';
is($session->query("RESET lock_timeout; SELECT count(*) FROM consume('looks', 'd', commit => true)"), 1, 'committed offsets are found once it is not');
is($session->{stderr}, '', 'without an error');

# a view that cannot wait for a partition says so, and does not count it as empty
$locker->query_safe('BEGIN; LOCK ONLY d_p0 IN ACCESS EXCLUSIVE MODE');
foreach my $view (qw(topics partitions))
{
	$session->query("SET lock_timeout = '100ms'; SELECT * FROM eventlog_$view");
	like($session->{stderr}, qr/ERROR:  canceling statement due to lock timeout/, "eventlog_$view does not leave out what is locked");
}
$session->quit;
$locker->quit;
unlike(slurp_file($node->logfile), qr/PANIC|TRAP|signal 11|signal 6|could not open file|cache lookup failed/, 'nothing fell, and no error of the inside');
$node->stop;
done_testing();
