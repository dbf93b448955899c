# A restore that was rolled back and is repeated survives crashes at any point, and a standby replays it beside queries.

use strict;
use warnings FATAL => 'all';

use File::Basename qw(dirname);
use lib dirname(__FILE__) . '/../lib';

use EventlogTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = new_cluster('primary', init => [ allows_streaming => 1 ], conf => <<'EOT');
autovacuum = off
wal_consistency_checking = 'eventlog'
eventlog.retention_check_interval = 1d
EOT
my $standby = PostgreSQL::Test::Cluster->new('standby');
$node->backup('b');
$standby->init_from_backup($node, 'b', has_streaming => 1);
$standby->append_conf('postgresql.conf', 'max_standby_streaming_delay = -1');
$standby->start;

sub sql { return $node->safe_psql('postgres', $_[0]) }

my $rows = q{SELECT 0, i, '2024-01-01'::timestamptz + i * interval '1 s', 'k' || i, to_json(%s || i), NULL FROM generate_series(%d, %d) i};
sub restore { return 'INSERT INTO r_p0 ' . sprintf($rows, @_) }

my $state = q{SELECT count(*), min(value #>> '{}'), max(event_offset), log_end_offset FROM r, eventlog_partitions WHERE topic = 'r'::regclass GROUP BY log_end_offset};
my $check = q{SELECT * FROM check_topic('r')};

sub crash
{
	$node->stop('immediate');
	$node->start;
	is(sql($check), '', 'after a crash the log is sound');
	return;
}

sub replayed
{
	my ($name) = @_;
	$node->wait_for_catchup($standby);
	is($standby->safe_psql('postgres', $state), sql($state), "$name: a standby has the same");
	is($standby->safe_psql('postgres', $check), '', '... and its log is sound');
	return;
}

sql(q{SELECT create_topic('r', options => '{"segment_bytes": 65536, "compression": "none", "retention": null}')});
sql(restore(q{repeat('a', 300)}, 0, 99));
sql('BEGIN; ' . restore(q{repeat('b', 300)}, 100, 999) . '; ROLLBACK');
replayed('rolled back');

# the server is lost in the middle of the second one, which has taken the first one's batches off
my $session = $node->background_psql('postgres');
$session->query_safe('BEGIN; ' . restore(q{repeat('c', 300)}, 100, 500));
sql(q{SELECT create_topic('flushes')});
crash();
$session->{run}->kill_kill;
is(sql($state), '100|' . 'a' x 300 . '0|99|501', 'the first restore is gone for good, the second one aborted');
replayed('in the middle');

# a query of the standby that is on its way there ends first
my $reader = $standby->background_psql('postgres');
$reader->query_safe('BEGIN ISOLATION LEVEL REPEATABLE READ; DECLARE c CURSOR FOR SELECT event_offset FROM r; FETCH 10 FROM c');
sql(restore(q{repeat('d', 300)}, 100, 999));
crash();
is(sql($state), '1000|' . 'a' x 300 . '0|999|1000', 'the third one stays');
is($reader->query_safe('MOVE 50 FROM c; FETCH 1 FROM c'), '60', 'a query on the standby that had begun goes on');
is($reader->query_safe('FETCH LAST FROM c'), '99', '... to where its snapshot ends');
$reader->query_safe('COMMIT');
replayed('repeated');
$reader->quit;

# TRUNCATE gives the new file no block; what it remembers is committed with it
sql('BEGIN; ' . restore(q{repeat('e', 300)}, 1000, 1009) . '; ROLLBACK; TRUNCATE r');
crash();
is(sql(q{SELECT log_start_offset, log_end_offset, bytes FROM eventlog_partitions WHERE topic = 'r'::regclass}), '1010|1010|0', 'a truncated log takes no space, and has its end');
$node->wait_for_catchup($standby);
is($standby->safe_psql('postgres', q{SELECT log_start_offset, log_end_offset, bytes FROM eventlog_partitions WHERE topic = 'r'::regclass}), '1010|1010|0', '... on a standby, too');
expect_error($node, restore(q{''}, 999, 999), '22023', qr/below the log end/, 'committed offsets do not come again');
sql(restore(q{''}, 1000, 1004));
is(sql(q{SELECT produce('r', 'k', '1'); SELECT min(event_offset), max(event_offset) FROM r}), "0\n1000|1010", 'those of aborted batches do, and the log gives none of them');
replayed('truncated');

# retention has freed what the first restore brought: the log begins anew
$state =~ s/\br\b/o/g;
$check =~ s/'r'/'o'/;
sql(q{SELECT create_topic('o', options => '{"segment_bytes": 65536, "compression": "none"}')});
my $old = sub { restore(@_) =~ s/r_p0/o_p0/r };
sql('BEGIN; ' . $old->(q{repeat('a', 300)}, 100, 999) . '; ROLLBACK');
cmp_ok(sql(q{SELECT apply_retention('o')}), '>', 0, 'retention frees what was aborted');
sql('BEGIN; ' . $old->(q{repeat('b', 300)}, 50, 999) . '; ROLLBACK; CHECKPOINT');
crash();
replayed('begun anew');
sql($old->(q{repeat('c', 300)}, 100, 999));
crash();
is(sql($state), '900|' . 'c' x 300 . '100|999|1000', 'a restore whose first try retention has freed stays');
replayed('begun anew, and committed');

done_testing();
