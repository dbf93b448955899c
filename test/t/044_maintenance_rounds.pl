# What the maintenance worker does by itself: retention, compaction, groups that nobody uses any more.  One topic that is
# broken, or locked by somebody, does not keep the others from their turn.

use strict;
use warnings FATAL => 'all';

use File::Basename qw(dirname);
use lib dirname(__FILE__) . '/../lib';

use EventlogTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = new_cluster('rounds', conf => <<'EOT');
eventlog.retention_check_interval = 1s
autovacuum = off
log_statement = none
EOT

sub query { return $node->safe_psql('postgres', $_[0]); }
sub becomes { my ($sql, $name) = @_; return ok($node->poll_query_until('postgres', $sql), $name); }

query(<<'EOT');
SELECT create_topic('broken', 1, 'text', 'text', '{"retention": null, "segment_bytes": 65536, "compression": "none"}');
SELECT create_topic('locked', 1, 'text', 'text', '{"retention": "1 s", "segment_bytes": 65536, "compression": "none"}');
SELECT create_topic('old', 1, 'text', 'text', '{"retention": "1 s", "segment_bytes": 65536, "compression": "none"}');
SELECT create_topic('state', 1, 'text', 'text', '{"cleanup_policy": "compact", "segment_bytes": 65536, "compression": "none"}');
SELECT create_topic('held', 1, 'text', 'text', '{"retention": "1 s", "retain_until_consumed": true, "segment_bytes": 65536, "compression": "none"}');
CREATE PROCEDURE fill(topic regclass, events int) LANGUAGE plpgsql AS $$ BEGIN
	FOR i IN 1 .. events LOOP
		PERFORM produce(topic, 'k' || i % 10, repeat('x', 5000), event_time => now() - interval '1 hour');
		COMMIT;
	END LOOP; END $$;
EOT

# somebody holds a lock that a round does not wait for
my $s = $node->background_psql('postgres');
$s->query_safe("BEGIN; LOCK TABLE locked IN ACCESS EXCLUSIVE MODE");
query("CALL fill('$_', 100)") foreach qw(old state);
# the views would wait for that lock
becomes("SELECT min(event_offset) = 99 FROM old", 'retention');
becomes("SELECT count(*) < 40 FROM state", 'compaction');
is(query("SELECT count(DISTINCT key) FROM state"), 10, '... of each key the last');
$s->query_safe('COMMIT');
query("CALL fill('locked', 100)");
becomes("SELECT log_start_offset = 99 FROM eventlog_partitions WHERE topic = 'locked'::regclass", 'a topic that was locked has its turn later');
# the file shrinks when nobody is there
cmp_ok(query("SELECT pg_relation_size('old_p0')"), '>', 7 * 65536, 'the log ends at the end of its file');
query("CALL fill('old', 20)");
becomes("SELECT pg_relation_size('old_p0') <= 4 * 65536", 'free segments there are given back when it has moved on');

# retain_until_consumed, by a group that goes away
query(<<'EOT');
SELECT create_group('short', '{"expire_after": "3 s"}'), create_group('alive', '{"expire_after": "3 s"}'), create_group('forever');
CALL fill('held', 50);
SELECT count(*) FROM consume('short', 'held', 10, commit => true);
EOT
$s->query_safe("SELECT count(*) FROM consume('alive', 'held', 20, commit => true)");
becomes("SELECT log_start_offset = 10 FROM eventlog_partitions WHERE topic = 'held'::regclass", 'what a group has yet to consume stays');
becomes("SELECT log_start_offset = 20 FROM eventlog_partitions WHERE topic = 'held'::regclass", 'until the group has expired');
is(query("SELECT count(*) FROM eventlog_lag WHERE group_name = 'short'"), 0, 'which has no committed offsets any more');
is(query("SELECT count(*) FROM eventlog_groups WHERE group_name = 'short'"), 1, 'but is there');
like(slurp_file($node->logfile), qr/committed offsets of group "short" have expired/, 'the log says so');
becomes("SELECT last_used > created + interval '4 s' FROM _eventlog.groups WHERE group_name = 'alive'", 'a group with a member is in use');
is(query("SELECT committed_offset FROM eventlog_lag WHERE group_name = 'alive'"), 20, '... and keeps its place though it commits nothing');
$s->quit;
becomes("SELECT count(*) = 0 FROM eventlog_lag WHERE group_name = 'alive'", 'it expires when the member has gone');
is(query("SELECT min(event_offset) FROM consume('short', 'held')"), query("SELECT log_start_offset FROM eventlog_partitions WHERE topic = 'held'::regclass"),
	'who comes back starts afresh');

# a topic that cannot be read
query("CALL fill('broken', 100)");
$node->stop;
my $file = $node->data_dir . '/' . do { $node->start; my $f = query("SELECT pg_relation_filepath('broken_p0')"); $node->stop; $f };
open my $fh, '+<', $file or die $!;
binmode $fh;
foreach my $block (2 .. 8)
{
	seek $fh, $block * 8192 + 3000, 0;
	print $fh "\xff" x 3000;
}
close $fh;
$node->start;
query(q{SELECT alter_topic('broken', '{"retention": "1 s"}')});
query("CALL fill('old', 100)");
becomes("SELECT min(event_offset) = 219 FROM old", 'other topics have their turn beside a broken one');
isnt(query("SELECT count(*) FROM check_topic('broken')"), 0, 'which check_topic names');
query("SELECT drop_topic('broken')");

# a round that takes longer than one worker may go on with the next one
query("SELECT count(create_topic('t' || i, 8, 'text', 'text', '{\"retention\": \"1 s\"}')) FROM generate_series(1, 100) i");
query("SELECT count(produce(('t' || i)::regclass, 'k', 'x', partition => 0, event_time => now() - interval '1 hour')) FROM generate_series(1, 100) i")
	foreach 1 .. 3;
becomes("SELECT count(*) = 100 FROM eventlog_partitions WHERE topic::text ~ '^t[0-9]' AND log_start_offset = 2", '800 partitions');

# dropping the database is not kept waiting
$node->safe_psql('postgres', 'CREATE DATABASE other');
$node->safe_psql('other', "CREATE EXTENSION eventlog; SELECT create_topic('t')");
$node->safe_psql('postgres', 'DROP DATABASE other');
unlike(slurp_file($node->logfile), qr/PANIC|TRAP|signal 11|signal 6/, 'nothing fell');
$node->stop;
done_testing();
