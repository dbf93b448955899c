# check_topic() says nothing of a sound log while compaction replaces what it reads, retention takes it away, and producers go on.
# The directory has several pages, so the reader has one from before a change and one from after.

use strict;
use warnings FATAL => 'all';

use File::Basename qw(dirname);
use lib dirname(__FILE__) . '/../lib';

use EventlogTest;
use PostgreSQL::Test::Utils;
use Test::More;
use IPC::Run ();
use Time::HiRes qw(time);

my $seconds = $ENV{EVENTLOG_CHECK_SECONDS} || 10;
my $node = new_cluster('checked', conf => <<'EOT');
autovacuum = off
eventlog.retention_check_interval = 1d
EOT

sub query { return $node->safe_psql('postgres', $_[0]); }

query(<<'EOT');
SELECT create_topic('state', 1, 'text', 'text', '{"cleanup_policy": "compact", "segment_bytes": 65536, "compression": "none"}');
SELECT create_topic('short', 1, 'text', 'text', '{"retention_bytes": 20000000, "segment_bytes": 65536, "compression": "none"}');
CREATE PROCEDURE fill(topic text) LANGUAGE plpgsql AS $$ BEGIN
	FOR i IN 1 .. 120 LOOP
		PERFORM count(produce(topic, 'key ' || (random() * 12000)::int, repeat('x', 1500), event_time => now() + (random() - 0.5) * interval '1 min'))
			FROM generate_series(1, 200);
		COMMIT;
	END LOOP; END $$;
CALL fill('state');
CALL fill('short');
EOT
cmp_ok(query(q{SELECT min(segments) FROM eventlog_partitions WHERE topic IN ('state'::regclass, 'short'::regclass)}), '>', 254, 'the directory has several pages');

my $script = $node->basedir . '/changes.sql';
append_to_file($script, <<'EOT');
SELECT count(produce('state', 'key ' || (random() * 12000)::int, repeat('x', 1500), event_time => now() + (random() - 0.5) * interval '1 min')) FROM generate_series(1, 300);
SELECT count(produce('short', 'key', repeat('x', 1500))) FROM generate_series(1, 300);
SELECT apply_retention('state');
EOT
my $out = '';
my $changes = IPC::Run::start([ 'pgbench', '-n', '-c', 2, '-T', $seconds, '-f', $script, $node->connstr('postgres') ], '>', \$out, '2>&1');
my $end = time + $seconds - 1;
my ($looks, $problems, %segments) = (0, '');
while (time < $end)
{
	$problems .= query(q{SELECT 'state', * FROM check_topic('state') UNION ALL SELECT 'short', * FROM check_topic('short')});
	$segments{query(q{SELECT segments FROM eventlog_partitions WHERE topic = 'state'::regclass})} = 1;
	$looks++;
}
ok($changes->finish, 'the changes went on') or diag($out);
is($problems, '', 'nothing is reported of sound logs');
cmp_ok($looks, '>', 10, "looked at them $looks times");
cmp_ok(scalar keys %segments, '>', 5, 'compaction took segments away meanwhile: ' . join(', ', sort { $a <=> $b } keys %segments));
cmp_ok(query(q{SELECT log_start_offset FROM eventlog_partitions WHERE topic = 'short'::regclass}), '>', 1000, 'and retention did');
is(query(q{SELECT * FROM check_topic('state') UNION ALL SELECT * FROM check_topic('short')}), '', 'afterwards, too');
$node->stop;
done_testing();
