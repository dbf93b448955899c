# Retention removes what somebody reads: 1 MB segments, retention_bytes 32 MB, events through 4 partitions while two
# groups read, others look here and there, and a third group stands still.  No relation exceeds the policy by more than
# 2 segments, no read sees a wrong byte, the third group is told what was removed, removing a segment writes little WAL.
# EVENTLOG_RETENTION_MB: how much (default 500); the full measure is 10000.

use strict;
use warnings FATAL => 'all';

use File::Basename qw(dirname);
use lib dirname(__FILE__) . '/../lib';

use EventlogTest;
use PostgreSQL::Test::Utils;
use Test::More;

need_python();

my $mb = $ENV{EVENTLOG_RETENTION_MB} || 500;
my $segment = 1024 * 1024;
my $policy = 32 * $segment;
my $node = new_cluster('retention', conf => <<'EOT');
fsync = off
shared_buffers = 256MB
max_wal_size = 2GB
eventlog.retention_check_interval = 2s
log_statement = none
EOT
$node->safe_psql('postgres', <<"EOT");
SELECT create_topic('stream', 4, 'text', 'text',
	'{"segment_bytes": $segment, "retention_bytes": $policy, "compression": "none"}');
SELECT create_group('still'), create_group('careful'), create_group('brave', '{"on_lost": "earliest"}');
SELECT produce('stream', NULL::text, p || ':' || n || ':' || repeat(md5(p || ':' || n), 30), partition => p)
	FROM generate_series(0, 3) p, generate_series(0, 1) n;
EOT
is($node->safe_psql('postgres', q{SELECT count(*) FROM consume('still', 'stream', 6, commit => true)}), 6, 'a group that will stand still');

my ($out, $err) = run_command([ python(), dirname(__FILE__) . '/../lib/retention_load.py',
	'--conninfo', $node->connstr('postgres'), '--mb', $mb ]);
my %got = $out =~ /^(\w+) (\d+)$/mg;
diag($err) if $err ne '';
note(join ', ', map { "$_ $got{$_}" } sort keys %got);
is($got{wrong}, 0, 'no read saw a wrong byte');
is($got{gaps}, 0, 'nor a gap that nobody was told of');
is($got{errors}, 0, 'nor an error but EL004');
cmp_ok($got{read}, '>', 1000, "events read: $got{read}, jumps of a group: $got{jumps}");
cmp_ok($got{produced_mb}, '>=', $mb - 1, "MB produced: $got{produced_mb}");
cmp_ok($got{largest}, '<=', $policy + 2 * $segment, "the largest file had $got{largest} bytes");

is($node->safe_psql('postgres', <<'EOT'), 't|t', 'the group that stood still can see what it has lost');
SELECT bool_and(events_lost = log_start_offset - coalesce(committed_offset, 0)), sum(events_lost) > 0
FROM eventlog_lag JOIN eventlog_partitions USING (topic, partition) WHERE group_name = 'still'
EOT
expect_error($node, q{SELECT * FROM consume('still', 'stream')}, 'EL004', qr/were removed before group "still" consumed them/,
	'and is told so');
is($node->safe_psql('postgres', q{SELECT * FROM check_topic('stream')}), '', 'the logs are sound');

# alone now, so that the WAL is that of the removal
$node->append_conf('postgresql.conf', <<'EOT');
autovacuum = off
full_page_writes = off
eventlog.retention_check_interval = 1d
EOT
$node->restart;
$node->safe_psql('postgres', "SELECT alter_topic('stream', '{\"retention_bytes\": ${\($policy / 2)}}')");
my $lsn = $node->lsn('insert');
my $freed = $node->safe_psql('postgres', "SELECT apply_retention('stream')");
my $wal = $node->safe_psql('postgres', "SELECT pg_current_wal_insert_lsn() - '$lsn'");
cmp_ok($freed, '>=', 32 * $segment, "bytes freed: $freed");
cmp_ok($wal / ($freed / $segment), '<', 1024, "bytes of WAL for that: $wal");

$node->stop;
done_testing();
