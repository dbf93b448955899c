# Without the library in shared_preload_libraries nothing can be written, and
# says so; what is there can be read and dumped, and autovacuum copes.

use strict;
use warnings FATAL => 'all';

use File::Basename qw(dirname);
use lib dirname(__FILE__) . '/../lib';

use EventlogTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = new_cluster('no_preload');
$node->safe_psql('postgres', <<'EOT');
SELECT create_topic('t', 2, 'text', 'json');
SELECT produce('t', 'k' || i, to_json(i)) FROM generate_series(1, 100) i;
BEGIN;
SELECT produce('t', 'aborted', '0');
SELECT flush();
ROLLBACK;
SELECT count(*) FROM consume('g', 't', 10, commit => true);
CREATE TABLE heap (i int);
EOT
my $select = "SELECT md5(string_agg(t::text, ',' ORDER BY partition, event_offset)) FROM t";
my $events = $node->safe_psql('postgres', $select);
my $tmp = PostgreSQL::Test::Utils::tempdir();
$node->command_ok([ 'pg_dump', '-f', "$tmp/with", $node->connstr('postgres') ], 'pg_dump');
$node->stop;

$node->adjust_conf('postgresql.conf', 'shared_preload_libraries', "''");
$node->start;

# a new database
$node->safe_psql('postgres', 'CREATE DATABASE other');
expect_error($node, 'CREATE EXTENSION eventlog', 'EL005', qr/HINT:.*shared_preload_libraries/, 'CREATE EXTENSION', 'other');

# reading
is($node->safe_psql('postgres', $select), $events, 'SELECT');
is($node->safe_psql('postgres', "SELECT count(*) FROM read_topic('t')"), '100', 'read_topic');
is($node->safe_psql('postgres', "SELECT * FROM check_topic('t')"), '', 'check_topic');
is($node->safe_psql('postgres', 'SELECT sum(events) FROM eventlog_topics WHERE topic = \'t\'::regclass'), '101', 'eventlog_topics');
$node->command_ok([ 'pg_dump', '-f', "$tmp/without", $node->connstr('postgres') ], 'pg_dump without the library');
# newer releases put a random word into \restrict
is(join("\n", grep { !/^\\(un)?restrict / } split /\n/, slurp_file("$tmp/without")),
	join("\n", grep { !/^\\(un)?restrict / } split /\n/, slurp_file("$tmp/with")), 'the dump is the same');

# writing
foreach my $sql (
	"SELECT produce('t', 'k', '1')",
	"SELECT produce_batch('t', '[{\"key\": \"k\"}]')",
	"INSERT INTO t (key, value) VALUES ('k', '1')",
	"INSERT INTO t (key, value) VALUES ('k', '1') RETURNING event_offset",
	"COPY t (key, value) FROM PROGRAM 'echo k,1' (FORMAT csv)",
	"SELECT create_topic('new')",
	"SELECT alter_topic('t', '{\"partitions\": 5}')",
	"SELECT delete_events_before('t', 0, 5)",
	"TRUNCATE t",
	"SELECT * FROM consume('g', 't')",
	"SELECT * FROM claim('h', 't')",
	"SELECT commit('g')",
	"SELECT seek('g', 't', 0, 0)",
	"CALL wait_for_events('g', '1 s')")
{
	expect_error($node, $sql, 'EL005', qr/HINT:.*shared_preload_libraries/, $sql);
}
is($node->safe_psql('postgres', $select), $events, 'nothing has changed');

# VACUUM passes over the logs, by hand and by itself
my ($rc, $out, $err) = $node->psql('postgres', 'VACUUM; VACUUM (FREEZE, ANALYZE) t; VACUUM t_p0');
is($rc, 0, 'VACUUM');
like($err, qr/^psql:<stdin>:1: WARNING:  .*t_p0.*shared_preload_libraries/m, '... warns');
unlike($err, qr/ERROR/, '... and goes on');
$node->append_conf('postgresql.conf', "autovacuum_freeze_max_age = 100000\nlog_autovacuum_min_duration = 0");
$node->restart;
my $offset = -s $node->logfile;
$node->safe_psql('postgres', 'DO $$ BEGIN FOR i IN 1..120000 LOOP BEGIN INSERT INTO heap VALUES (i); EXCEPTION WHEN division_by_zero THEN END; END LOOP; END $$');
$node->wait_for_log(qr/automatic .*vacuum.* of table "postgres\.public\.heap"/, $offset);
unlike(slurp_file($node->logfile, $offset), qr/ERROR|FATAL|PANIC/, 'autovacuum against wraparound does not fail');

# back again
$node->adjust_conf('postgresql.conf', 'shared_preload_libraries', "'eventlog'");
$node->restart;
is($node->safe_psql('postgres', $select), $events, 'back again: the same events');
is($node->safe_psql('postgres', "SELECT count(*) FROM consume('g', 't', 1000, commit => true)"), '90', 'the group goes on');
$node->safe_psql('postgres', "SELECT produce('t', 'k', '1')");
is($node->safe_psql('postgres', "SELECT count(*) FROM read_topic('t')"), '101', 'and producers');

# without the library there is no recovery either: it stops, and nothing is skipped
$node->stop('immediate');
$node->adjust_conf('postgresql.conf', 'shared_preload_libraries', "''");
$offset = -s $node->logfile;
is($node->start(fail_ok => 1), 0, 'no recovery without the library');
like(slurp_file($node->logfile, $offset), qr/resource manager with ID \d+ not registered/, '... and it says why');
$node->adjust_conf('postgresql.conf', 'shared_preload_libraries', "'eventlog'");
$node->start;
is($node->safe_psql('postgres', "SELECT count(*) FROM read_topic('t')"), '101', 'recovered with it');

$node->stop;
done_testing();
