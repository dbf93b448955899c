# Compaction of a large topic: 1,000,000 events over 10,000 keys leave the right ones, judged by DISTINCT ON taken before; the
# server is killed while it runs, and loses nothing; a consumer in the compacted part goes on; producers and readers are not kept
# waiting.  EVENTLOG_COMPACTION_EVENTS: how many (default 1000000).

use strict;
use warnings FATAL => 'all';

use File::Basename qw(dirname);
use lib dirname(__FILE__) . '/../lib';

use EventlogTest;
use PostgreSQL::Test::Utils;
use Test::More;
use IPC::Run ();
use Time::HiRes qw(usleep);

my $events = $ENV{EVENTLOG_COMPACTION_EVENTS} || 1_000_000;
my $kills = 12;
my $node = new_cluster('compaction', init => [ allows_streaming => 1 ], conf => <<'EOT');
shared_buffers = 128MB
max_wal_size = 2GB
autovacuum = off
wal_consistency_checking = 'eventlog'
restart_after_crash = off
eventlog.retention_check_interval = 1d
EOT

sub query { return $node->safe_psql('postgres', $_[0]); }

query(q{SELECT alter_topic('_eventlog.committed_offsets', '{"segment_bytes": 65536}')});
query(q{SELECT create_topic('state', 2, 'text', 'text', '{"cleanup_policy": "compact", "segment_bytes": 1048576, "compression": "none"}')});
query(qq{
	SELECT count(produce('state', 'key ' || (i::bigint * 7919) % 10000, 'value ' || i || repeat('x', i % 50))) FROM generate_series(1, $events / 2) i;
	SELECT count(produce('state', 'key ' || (i::bigint * 7919) % 10000, 'value ' || i || repeat('x', i % 50)))
		FROM generate_series($events / 2 + 1, $events) i;
	SELECT count(produce('state', 'closing', repeat(md5(i::text), 30))) FROM generate_series(1, 8000) i;
	SELECT create_group('old');
	SELECT count(*) FROM consume('old', 'state', 1000, commit => true)});
query(q{CREATE TABLE wanted AS SELECT DISTINCT ON (partition, key) * FROM state ORDER BY partition, key, event_offset DESC});
my $consumed = query(q{SELECT sum(committed_offset) FROM eventlog_lag WHERE group_name = 'old'});

# nothing that is wanted is missing or changed, and nothing is there that was never produced
sub judge
{
	my ($what) = @_;
	is(query(q{
		SELECT (SELECT count(*) FROM wanted w WHERE NOT EXISTS (SELECT FROM state s
				WHERE (s.partition, s.event_offset, s.key, s.value, s.event_time) = (w.partition, w.event_offset, w.key, w.value, w.event_time)))
			|| ' lost, ' || (SELECT count(*) FROM latest('state')) - (SELECT count(*) FROM wanted) || ' too many'}),
		'0 lost, 0 too many', $what);
	is(query(q{SELECT * FROM check_topic('state')}), '', "... and the log is sound");
	return;
}

# Killed at any point: what an unfinished compaction wrote is not part of the log, and its space is used by the next.  The longest
# pause follows the time that one takes; each that comes to its end makes the next shorter.
my ($interrupted, $tries, $longest) = (0, 0, 1.5);
while ($interrupted < $kills && $tries++ < 4 * $kills)
{
	my $before = query(q{SELECT sum(segments) FROM eventlog_partitions});
	my $psql = IPC::Run::start([ 'psql', '-XAtq', '-d', $node->connstr('postgres'), '-c', "SELECT apply_retention('state')" ],
		'>', '/dev/null', '2>', '/dev/null');
	usleep(int(rand($longest * 1e6)));
	kill_cluster($node);
	$psql->finish;
	$node->start;
	if (query(q{SELECT sum(segments) FROM eventlog_partitions}) == $before)
	{
		$interrupted++;
	}
	else
	{
		$longest *= 0.7;
		query(qq{SELECT count(produce('state', 'key ' || (i::bigint * 7919) % 10000, 'value ' || i || repeat('x', i % 50)))
			FROM generate_series(1, 100000) i});
		query(q{SELECT count(produce('state', 'closing', repeat(md5(i::text), 30))) FROM generate_series(1, 8000) i});
		query(q{DROP TABLE wanted;
			CREATE TABLE wanted AS SELECT DISTINCT ON (partition, key) * FROM state ORDER BY partition, key, event_offset DESC});
	}
}
is($interrupted, $kills, "kills that cut a compaction short, of $tries");
judge('killed while it compacts, it loses nothing');

# a standby follows, with queries that look on
$node->backup('base');
my $standby = PostgreSQL::Test::Cluster->new('looks_on');
$standby->init_from_backup($node, 'base', has_streaming => 1);
$standby->append_conf('postgresql.conf', "max_standby_streaming_delay = 0\nwal_consistency_checking = ''");
$standby->start;

# producers and consumers are at it all the while
my $script = $node->basedir . '/produce.sql';
append_to_file($script, <<'EOT');
\set k random(0, 9999)
SELECT produce('state', 'key ' || :k, 'late ' || :k);
EOT
my $load = IPC::Run::start([ 'pgbench', '-n', '-T', 5, '-c', 2, '-f', $script, $node->connstr('postgres') ],
	'<', \undef, '>', \my $rates, '2>&1');
my $runs = 0;
my $producers = q{SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()};
ok(wait_until(sub { query($producers) > 0 }, 30), 'producers are there');
while (query($producers) > 0)
{
	query(q{SELECT apply_retention('state')});
	$runs++;
}
$load->finish;
like($rates, qr/number of failed transactions: 0 /, "producers went on during $runs compactions");
query(q{SELECT apply_retention('state')});
query(q{DROP TABLE wanted; CREATE TABLE wanted AS SELECT * FROM latest('state')});
query(q{ALTER TABLE wanted ALTER value TYPE text USING value #>> '{}'});
judge('compacted beside producers');
cmp_ok(query('SELECT count(*) FROM state'), '<', 60_000, 'few events are left');

is(query(q{SELECT sum(committed_offset) FROM eventlog_lag WHERE group_name = 'old'}), $consumed, 'committed offsets are where they were');
is(query(q{
	SELECT (SELECT count(*) FROM consume('old', 'state', 1000000)) - (SELECT count(*) FROM state
			LEFT JOIN eventlog_lag l ON group_name = 'old' AND l.partition = state.partition
			WHERE event_offset >= coalesce(committed_offset, 0))}), 0, 'a consumer in the part that was compacted gets all that is left');

my $sum = q{SELECT count(*), md5(string_agg(state::text, ',' ORDER BY partition, event_offset)) FROM state};
ok(wait_until(sub { $standby->safe_psql('postgres', $sum) eq query($sum) }), 'the standby has the same');
is($standby->safe_psql('postgres', q{SELECT * FROM check_topic('state')}), '', 'and sound logs');

# A transaction there that is older than what is compacted sees what it saw, or is cancelled: a pg_dump must not go on without
# committed offsets.
my $reader = $standby->background_psql('postgres', on_error_stop => 0);
my $offsets = q{SELECT count(*) > 0 FROM eventlog_lag WHERE group_name = 'old'};
$reader->query_safe('BEGIN ISOLATION LEVEL REPEATABLE READ');
is($reader->query_safe($offsets), 't', 'a transaction on the standby sees committed offsets');
query(q{DO $$ BEGIN FOR i IN 1 .. 2000 LOOP PERFORM seek('busy', 'state', 0, (SELECT log_start_offset FROM eventlog_partitions
	WHERE topic = 'state'::regclass AND partition = 0)); COMMIT; END LOOP; END $$});
query(q{SELECT apply_retention('_eventlog.committed_offsets')});
cmp_ok(query('SELECT count(*) FROM _eventlog.committed_offsets'), '<', 2000, 'which are compacted on the primary');
$node->wait_for_catchup($standby, 'replay', $node->lsn('insert'));
my $later = eval { $reader->query($offsets) } // '';
isnt($later, 'f', 'later it sees them too, or is cancelled');
eval { $reader->quit };
$standby->stop;

# the file is bounded: what is left, what is new, and room for the survivors of one compaction
foreach my $round (1 .. 5)
{
	query(q{SELECT count(produce('state', 'key ' || (i::bigint * 7919) % 10000, 'round ' || i)) FROM generate_series(1, 100000) i});
	query(q{SELECT apply_retention('state')});
}
my $size = query(q{SELECT max(pg_relation_size(inhrelid)) FROM pg_inherits WHERE inhparent = 'state'::regclass});
my $peak = $events * 30 / 2;
cmp_ok($size, '<', $peak, "the largest file has $size bytes");
is(query(q{SELECT count(*) FROM latest('state') WHERE key LIKE 'key %'}), 10000, 'all keys are there');
is(query(q{SELECT * FROM check_topic('state')}), '', 'the log is sound');

$node->stop;
done_testing();
