# Storage: what one session's retention must leave alone, and what must not be done over and over.

use strict;
use warnings FATAL => 'all';

use File::Basename qw(dirname);
use lib dirname(__FILE__) . '/../lib';

use EventlogTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = new_cluster('hazards', conf => <<'EOT');
wal_level = replica
max_wal_senders = 0
autovacuum = off
eventlog.retention_check_interval = 1d
EOT

sub query { return $node->safe_psql('postgres', $_[0]); }

# The cursor's page lies in segments that are freed under it and end the file: cutting them off would be a PANIC for the pinned
# buffer, or blocks that are not there any more.
query(<<'EOT');
SELECT create_topic('cut', 1, 'text', 'text', '{"segment_bytes": 65536, "compression": "none", "retention": null}');
CREATE PROCEDURE fill(topic regclass, events int) LANGUAGE plpgsql AS $$ BEGIN
	FOR i IN 1 .. events LOOP
		PERFORM produce(topic, 'k', repeat(md5(i::text), 30));
		COMMIT;
	END LOOP;
END $$;
CALL fill('cut', 800);
SELECT delete_events_before('cut', 0, 500);
CALL fill('cut', 200);
EOT
is(query(<<'EOT'), "500\n\n0\n501", 'a cursor is open where apply_retention() could cut the file off');
BEGIN;
DECLARE c CURSOR FOR SELECT event_offset FROM cut;
FETCH 1 FROM c;
SELECT delete_events_before('cut', 0, 950);
SELECT apply_retention('cut');
FETCH 1 FROM c;
COMMIT;
EOT
my $size = query(q{SELECT pg_relation_size('cut_p0')});
query(q{SELECT apply_retention('cut')});
cmp_ok(query(q{SELECT pg_relation_size('cut_p0')}), '<', $size, 'without the cursor the file is cut off');
is(query(q{SELECT count(*), min(event_offset) FROM cut}), '50|950', 'the log is what it was');
is(query(q{SELECT * FROM check_topic('cut')}), '', '... and sound');

# The last event before the boundary stays though its time as a tombstone is over; that is no reason to compact again.
query(<<'EOT');
SELECT create_topic('ends', 1, 'text', 'text',
	'{"segment_bytes": 65536, "compression": "none", "cleanup_policy": "compact", "delete_retention": "0 s"}');
INSERT INTO ends (key, value) SELECT 'k' || i, repeat(md5(i::text), 30) FROM generate_series(1, 300) i;
INSERT INTO ends (key, value) SELECT 'd' || i % 50, NULL FROM generate_series(1, 30000) i;
SELECT apply_retention('ends');
EOT
my $lsn = query('SELECT pg_current_wal_insert_lsn()');
query(q{SELECT apply_retention('ends')}) for 1 .. 3;
cmp_ok(query(qq{SELECT pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '$lsn')}), '<', 100_000,
	'a tombstone that is the last event is not compacted over and over');
is(query(q{SELECT count(*) FROM ends WHERE key LIKE 'k%'}), 300, 'the other keys are there');

# Going back over a gap takes searches, not a step for each offset that is not there.
query(<<'EOT');
SELECT create_topic('gap', 1, 'text', 'text');
INSERT INTO gap (partition, event_offset, key, value) SELECT 0, i, 'k', i FROM generate_series(1, 5) i;
INSERT INTO gap (partition, event_offset, key, value) VALUES (0, 100000000000, 'k', 'a'), (0, 100000000005, 'k', 'b'), (0, 100000000006, 'k', 'c');
EOT
is(query(<<'EOT'), join("\n", 100000000006, 100000000005, 100000000000, reverse(1 .. 5)), 'back over a gap');
SET statement_timeout = '20s';
BEGIN;
DECLARE c SCROLL CURSOR FOR SELECT event_offset FROM gap_p0;
MOVE ALL FROM c;
FETCH BACKWARD ALL FROM c;
COMMIT;
EOT

$node->stop;
done_testing();
