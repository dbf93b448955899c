# Storage: what one session's retention must leave alone, and what must not be done over and over.

use strict;
use warnings FATAL => 'all';

use File::Basename qw(dirname);
use lib dirname(__FILE__) . '/../lib';

use EventlogTest;
use PostgreSQL::Test::Utils;
use Test::More;
use IPC::Run ();

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

# Retention looks at a log that is empty, and by the time it asks which segments are too many, there are some of a transaction that
# has not ended.
SKIP:
{
	skip 'no gdb', 2 unless system('gdb --version >/dev/null 2>&1') == 0;
	query(<<'EOT');
SELECT create_topic('race', 1, 'text', 'text', '{"segment_bytes": 65536, "compression": "none", "retention": null, "retention_bytes": 131072}');
INSERT INTO race (key, value) VALUES ('a', 'b');
SELECT delete_events_before('race', 0, 1);
EOT
	my $retention = $node->background_psql('postgres');
	my $producer = $node->background_psql('postgres');
	my $pid = session_pid($retention);
	my $dir = PostgreSQL::Test::Utils::tempdir;
	append_to_file("$dir/commands", <<"EOT");
break el_reader_begin if \$_caller_is("el_log_retain")
shell touch $dir/attached
continue
finish
shell touch $dir/stopped
shell while [ ! -e $dir/go ]; do sleep 0.1; done
detach
quit
EOT
	my $gdb = IPC::Run::start([ 'timeout', 60, 'gdb', '-q', '-batch', '-nx', '-p', $pid, '-x', "$dir/commands" ],
		'<', \undef, '>', \my $said, '2>&1');
	unless (wait_until(sub { -e "$dir/attached" }, 30))
	{
		$gdb->kill_kill;
		skip "gdb cannot attach: $said", 2;
	}
	$retention->query_until(qr/started/, "\\echo started\nSELECT apply_retention('race');\n\\echo done\n");
	ok(wait_until(sub { -e "$dir/stopped" }, 30), 'retention has begun') or diag($said);
	$producer->query_safe(q{BEGIN; INSERT INTO race (key, value) SELECT 'k', repeat(md5(i::text), 30) FROM generate_series(1, 1000) i; SELECT flush()});
	append_to_file("$dir/go", '');
	$gdb->finish;
	$retention->query_until(qr/done/, '');
	$producer->query_safe('COMMIT');
	$_->quit foreach ($retention, $producer);
	is(query('SELECT count(*) FROM race'), 1000, 'an undecided batch is not removed');
}

$node->stop;
done_testing();
