# A prepared transaction keeps its events, through a crash too, until COMMIT or
# ROLLBACK PREPARED, by whomever; until then readers stop before them.

use strict;
use warnings FATAL => 'all';

use File::Basename qw(dirname);
use lib dirname(__FILE__) . '/../lib';

use EventlogTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = new_cluster('prepared', conf => 'fsync = off');
$node->safe_psql('postgres', <<'EOT');
SELECT create_topic('p', 2, 'text', 'text');
CREATE TABLE twin (key text);
CREATE FUNCTION write_both(k text, p int) RETURNS void LANGUAGE sql AS $$
	INSERT INTO twin VALUES (k); SELECT produce('p', k, '', partition => p) $$;
SELECT write_both('before', 0);
BEGIN;
SELECT write_both('kept', 0);
SAVEPOINT s;
SELECT write_both('rolled back', 0);
SELECT flush();
ROLLBACK TO s;
SELECT write_both('kept too', 1);
PREPARE TRANSACTION 'commit';
BEGIN;
SELECT write_both('not kept', 0);
PREPARE TRANSACTION 'rollback';
SELECT write_both('behind', 0), write_both('behind 1', 1);
EOT

# what was appended in which place: before, kept, rolled back, not kept, behind
sub waiting
{
	my ($name) = @_;
	is(events($node, 'p'), '0/0/before', "$name: readers stop before the prepared events");
	is($node->safe_psql('postgres', "SELECT string_agg(key, ',' ORDER BY partition, event_offset) FROM p"), 'before,behind,behind 1', "$name: SELECT shows what has committed");
	is($node->safe_psql('postgres', "SELECT string_agg(concat_ws('/', partition, stable_offset, log_end_offset, blocked_by_pid, blocked_by_gid), ' ' ORDER BY partition) FROM eventlog_partitions WHERE topic = 'p'::regclass"),
		'0/1/5/commit 1/0/2/commit', "$name: the view says who is waited for");
	is($node->safe_psql('postgres', "SELECT string_agg(key, ',') FROM consume('g', 'p')"), 'before', "$name: consume stops too");
	is($node->safe_psql('postgres', "SELECT * FROM check_topic('p')"), '', "$name: sound");
	return;
}

waiting('prepared');
$node->safe_psql('postgres', 'VACUUM p');
waiting('after VACUUM');
$node->safe_psql('postgres', "SELECT delete_events_before('p', 0, 0)");
$node->restart;
waiting('after a restart');
$node->stop('immediate');
$node->start;
waiting('after a crash');
$node->safe_psql('postgres', 'CHECKPOINT');
$node->stop('immediate');
$node->start;
waiting('after a checkpoint and a crash');

$node->safe_psql('postgres', "COMMIT PREPARED 'commit'");
is(events($node, 'p'), '0/0/before 0/1/kept 1/0/kept too 1/1/behind 1', 'committed: readers go on to the next');
$node->stop('immediate');
$node->start;
is(events($node, 'p'), '0/0/before 0/1/kept 1/0/kept too 1/1/behind 1', '... also after a crash');
$node->safe_psql('postgres', "ROLLBACK PREPARED 'rollback'");
is(events($node, 'p'), '0/0/before 0/1/kept 0/4/behind 1/0/kept too 1/1/behind 1', 'rolled back: never seen, everything else is there');
is( $node->safe_psql('postgres', 'SELECT string_agg(key, \',\' ORDER BY key) FROM p'),
	$node->safe_psql('postgres', 'SELECT string_agg(key, \',\' ORDER BY key) FROM twin'),
	'events and twin agree');
$node->safe_psql('postgres', 'VACUUM p');
is(events($node, 'p'), '0/0/before 0/1/kept 0/4/behind 1/0/kept too 1/1/behind 1', 'the same after VACUUM');

# what cannot be prepared
foreach my $sql ("SELECT * FROM consume('g', 'p')", "SELECT * FROM claim('c', 'p')", "SELECT * FROM consume('g', 'p', commit => true)", "SELECT seek('g', 'p', 0, 0)")
{
	expect_error($node, "BEGIN; $sql; PREPARE TRANSACTION 'x'", '0A000', qr/./, "refused: $sql");
}
is($node->safe_psql('postgres', 'SELECT count(*) FROM pg_prepared_xacts'), '0', 'nothing is left prepared');
is($node->safe_psql('postgres', "SELECT string_agg(key, ',' ORDER BY partition, event_offset) FROM claim('c', 'p')"), 'before,kept,behind,kept too,behind 1', 'and what they had consumed comes again');

# the topic changes hands while a transaction is prepared: it cannot be dropped
$node->safe_psql('postgres', "BEGIN; SELECT write_both('last', 0); PREPARE TRANSACTION 'last'");
expect_error($node, "SET lock_timeout = '100ms'; DROP TABLE p", '55P03', qr/lock timeout/, 'DROP waits for a prepared transaction');
expect_error($node, "SET lock_timeout = '100ms'; TRUNCATE p", '55P03', qr/lock timeout/, 'TRUNCATE waits for a prepared transaction');
$node->safe_psql('postgres', "COMMIT PREPARED 'last'");
like(events($node, 'p'), qr{0/5/last}, 'it was not lost');

$node->stop;
done_testing();
