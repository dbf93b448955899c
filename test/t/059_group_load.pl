# What others commit while somebody reads the topic of committed offsets is not undone by what was read: also if the
# group that committed has lost its slots meanwhile, and comes back with the others.

use strict;
use warnings FATAL => 'all';

use File::Basename qw(dirname);
use lib dirname(__FILE__) . '/../lib';

use EventlogTest;
use Test::More;

my $node = new_cluster('group_load', conf => <<'EOT');
eventlog.group_memory = 256kB
autovacuum = off
EOT

sub query { return $node->safe_psql('postgres', $_[0]); }
sub becomes { my ($sql, $name) = @_; return ok($node->poll_query_until('postgres', $sql), $name); }

# 256 kB are 1146 slots, of which 143 are kept for members: a group on 1000 partitions takes all others
query(<<'EOT');
SELECT create_topic('t'), create_topic('wide', 600), create_topic('wider', 1000);
SELECT count(produce('t', 'k', '1')) FROM generate_series(1, 10) i;
CREATE PROCEDURE fill(name text, n int) LANGUAGE plpgsql AS $$
BEGIN
	FOR i IN 1 .. n LOOP PERFORM claim(name || i, 't', max_events => 1); COMMIT; END LOOP;
END $$;
EOT

my ($reader, $worker, $locker) = map { $node->background_psql('postgres') } 1 .. 3;
my $round = 0;
# they know the topics, and so need no labels
foreach my $session ($reader, $worker)
{
	$session->query_safe("SELECT claim('before_$_', '$_')") foreach qw(wider t);
}

# A group that has lost its slots comes back, and there is so much room that all others come with it. It has read the
# topic, and waits for a look at the labels of topics. The statements run before.
sub while_loading
{
	my ($statements) = @_;
	$round++;
	query("SELECT claim('back$round', 't', max_events => 1)");
	query("CALL fill('f${round}_', 600)");
	$worker->query_safe($_) foreach @$statements;
	query("SELECT create_group('wide'); SELECT claim('wide', 'wide'); SELECT drop_group('wide')");
	$locker->query_safe('BEGIN; LOCK TABLE pg_seclabel IN ACCESS EXCLUSIVE MODE');
	$reader->query_until(qr/reads/, "\\echo reads\nSELECT event_offset FROM claim('back$round', 't', max_events => 1);\n");
	becomes("SELECT count(*) = 1 FROM pg_locks w JOIN pg_locks l USING (pid) WHERE w.relation = 'pg_seclabel'::regclass AND NOT w.granted"
		  . " AND l.locktype = 'advisory' AND l.objsubid = 3 AND l.classid = 0 AND l.objid = 0", 'a group comes back');
	return;
}

sub finish_loading
{
	$locker->query_safe('COMMIT');
	like($reader->query_safe('SELECT 2'), qr/^1\n2$/, '... where it was');
	return;
}

$worker->query_safe("SELECT claim('g', 't', max_events => 3)");
while_loading([ "SELECT create_group('large')", "SELECT count(*) FROM claim('g', 't', max_events => 1)" ]);
is($worker->query_safe("SELECT event_offset FROM claim('g', 't', max_events => 1)"), 4, 'meanwhile another commits');
is($worker->query_safe("SELECT count(*) FROM claim('large', 'wider')"), 0, '... and loses its slots');
is(query("SELECT groups_cached FROM _eventlog.group_memory()"), 1, '... as all others do');
$worker->query_safe("SELECT drop_group('large')");
finish_loading();
is($worker->query_safe("SELECT event_offset FROM claim('g', 't', max_events => 1)"), 5, 'what it has committed counts');

# the same of a group that is dropped meanwhile
$worker->query_safe("SELECT create_group('d')");
while_loading([ "SELECT count(*) FROM claim('d', 't', max_events => 1)" ]);
$worker->query_safe("SELECT drop_group('d')");
finish_loading();
is($worker->query_safe("SELECT event_offset FROM claim('d', 't', max_events => 1)"), 0, 'a group that was dropped begins anew');

$_->quit foreach $reader, $worker, $locker;
$node->stop;
done_testing();
