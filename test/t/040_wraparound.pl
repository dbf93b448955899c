# Transaction ids go around: a log whose writers' ids have long been given out
# anew stays what it was.  Nothing committed is lost and nothing aborted comes
# back after billions of ids; every kind of VACUUM makes the partitions young
# again, so that the commit log can be cut off, and costs what is new only.

use strict;
use warnings FATAL => 'all';

use File::Basename qw(dirname);
use lib dirname(__FILE__) . '/../lib';

use EventlogTest;
use PostgreSQL::Test::Utils;
use Test::More;

use constant EPOCH => 2**32;
# ids in a file of pg_xact, and its size
use constant {
	SEGMENT_XIDS => 8192 * 4 * 32,
	SEGMENT_BYTES => 8192 * 32,
};

# autovacuum only where a step asks for it, or where the server forces it
my $node = new_cluster('wraparound', conf => <<'EOT');
autovacuum = off
autovacuum_freeze_max_age = 2000000000
vacuum_cost_delay = 0
autovacuum_vacuum_cost_delay = 0
fsync = off
max_wal_size = 4GB
checkpoint_timeout = 1h
EOT

# twin is the oracle: written in the transactions that produce, and vacuumed as
# often.  aborted has the keys of what was appended and rolled back.
$node->safe_psql('postgres', <<'EOT');
ALTER DATABASE template0 ALLOW_CONNECTIONS true;
SELECT create_topic('events', 3, 'text', 'text', '{"segment_bytes": 65536, "retention": null}');
SELECT create_topic('held', 1, 'text', 'text', '{"retention": null}');
SELECT create_topic('unused', 2, 'text', 'text');
CREATE TABLE twin (key text);
CREATE TABLE done (key text, partition int, event_offset bigint);
CREATE SEQUENCE aborted;

CREATE FUNCTION make(key text) RETURNS void LANGUAGE sql AS
	$$ INSERT INTO twin VALUES (key); SELECT produce('events', key, repeat(key, 30)) $$;

-- each event is appended under the id of a subtransaction of its own; more of them than a backend keeps in shared memory
CREATE FUNCTION make_nested(lap text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	FOR i IN 1 .. 80 LOOP
		BEGIN
			PERFORM make(lap || '.nested.' || i);
			PERFORM flush();
			IF i % 2 = 0 THEN RAISE 'no'; END IF;
		EXCEPTION WHEN raise_exception THEN
			PERFORM nextval('aborted');
		END;
	END LOOP;
END $$;

CREATE PROCEDURE burn(transactions int) LANGUAGE plpgsql AS
	$$ BEGIN FOR i IN 1 .. transactions LOOP PERFORM pg_current_xact_id(); COMMIT; END LOOP; END $$;

-- all logs, the committed offsets' among them
CREATE VIEW logs AS SELECT c.oid::regclass AS log, age(relfrozenxid) FROM pg_class c JOIN pg_am a ON a.oid = relam WHERE amname = 'eventlog';
EOT

sub sql { return $node->safe_psql('postgres', $_[0]) }

sub next_xid { return sql('SELECT pg_snapshot_xmax(pg_current_snapshot())') }

sub every_database
{
	my ($statement) = @_;
	$node->safe_psql($_, $statement) foreach qw(postgres template1 template0);
	return;
}

# The next transaction id is to be that one, of 64 bits.  The ids that are left
# out count as aborted: the commit log holds zeros for them.
sub jump
{
	my ($xid, $conf) = @_;
	my $short = $xid % EPOCH;
	my $file = sprintf('%s/pg_xact/%04X', $node->data_dir, int($short / SEGMENT_XIDS));

	$node->stop;
	open my $segment, '>>', $file or die "$file: $!";
	truncate $segment, SEGMENT_BYTES or die "$file: $!";
	close $segment;
	command_ok([ 'pg_resetwal', '-x', $short, '-e', int($xid / EPOCH), $node->data_dir ], "jump to $xid");
	$node->append_conf('postgresql.conf', $conf) if defined $conf;
	$node->start;
	return;
}

# Events of every fate, named after the lap.
sub produce
{
	my ($lap) = @_;
	sql("SELECT make('$lap.' || i) FROM generate_series(1, 30) i");
	sql("SELECT make('$lap.one.$_')") foreach 1 .. 3;
	sql("BEGIN; SELECT make('$lap.aborted.' || i), nextval('aborted') FROM generate_series(1, 30) i; SELECT flush(); ROLLBACK");
	sql("SELECT make_nested('$lap')");
	sql("BEGIN; SELECT make_nested('$lap.aborted'); SELECT setval('aborted', nextval('aborted') + 39); ROLLBACK");
	# the offsets' log has both, too
	sql("BEGIN; SELECT count(*) FROM consume('all', 'events', 1000000, commit => true); ROLLBACK");
	sql("INSERT INTO done SELECT key, partition, event_offset FROM consume('all', 'events', 50, commit => true)");
	return;
}

# A transaction that ends with its backend, by a crash: no abort is recorded.
sub crash
{
	my ($lap) = @_;
	my $session = $node->background_psql('postgres');
	$session->query_safe("BEGIN; SELECT make('$lap.crashed.' || i), nextval('aborted') FROM generate_series(1, 30) i; SELECT flush()");
	# to the disk, or the events would be lost instead of aborted
	sql('CHECKPOINT');
	kill_cluster($node);
	eval { $session->quit };
	$node->start;
	return;
}

# The batches in a log's file: [xid, settled].
sub batches
{
	my ($log) = @_;
	my $bytes = slurp_file($node->data_dir . '/' . sql("SELECT pg_relation_filepath('$log')"));
	my @batches;

	for (my $page = 8192; $page < length $bytes; $page += 8192)
	{
		my ($lower) = unpack 'x12 S', substr $bytes, $page, 14;
		my ($byte, $kind) = unpack 'S S', substr $bytes, $page + 8188, 4;
		next unless $kind == 0xE101 && $byte > 0;
		while ($byte + 24 <= $lower)
		{
			my ($xid, $length, undef, $magic, $flags) = unpack 'Q L L S S', substr $bytes, $page + $byte, 24;
			$magic == 0xBA7C or die "$log: no batch at $page, $byte";
			push @batches, [ $xid, $flags & 4 ];
			$byte += ($length + 24 + 7) & ~7;
		}
	}
	return @batches;
}

# Has everything been vacuumed?  Then nothing depends on old ids any more.
sub check_young
{
	my ($name, $max_age) = @_;
	$max_age //= 1000;

	is(sql("SELECT log, age FROM logs WHERE age > $max_age"), '', "$name: every log is young");
	cmp_ok(sql('SELECT max(age(datfrozenxid)) FROM pg_database'), '<', 60_000_000, "$name: so are the databases");

	sql('CHECKPOINT');
	my ($settled, @old) = (0);
	my $next = next_xid();
	foreach (split /\n/, sql("SELECT log, age FROM logs"))
	{
		my ($log, $age) = split /\|/;
		foreach my $batch (batches($log))
		{
			$settled++ if $batch->[1];
			push @old, "$log: $batch->[0]" if !$batch->[1] && $batch->[0] < $next - $age;
		}
	}
	is(join("\n", @old), '', "$name: no id older than relfrozenxid is left unsettled");
	cmp_ok($settled, '>', 100, "$name: $settled batches are settled");

	# the last of the files are those of the oldest and the next id
	my @files = map { /([0-9A-F]+)\z/ ? hex $1 : die } glob $node->data_dir . '/pg_xact/*';
	my $oldest = $next - sql('SELECT max(age(datfrozenxid)) FROM pg_database');
	my @late = grep { my $file = $_; !grep { $file == int($_ % EPOCH / SEGMENT_XIDS) }
		  map { $oldest + $_ * SEGMENT_XIDS } 0 .. 60 } @files;
	is("@late", '', "$name: the commit log is cut off");
	return;
}

sub check_events
{
	my ($name) = @_;
	my $twin = sql('SELECT count(*), md5(string_agg(key, \',\' ORDER BY key COLLATE "C")) FROM twin');
	foreach my $from ('events', "read_topic('events', max_events => 1000000)")
	{
		is(sql("SELECT count(*), md5(string_agg(key, ',' ORDER BY key COLLATE \"C\")) FROM $from"), $twin, "$name: $from is the twin");
	}
	is(sql("SELECT key FROM events WHERE key LIKE '%aborted%' OR key LIKE '%crashed%'"), '', "$name: nothing was revived");
	is(sql("SELECT log_end_offset - stable_offset FROM eventlog_partitions WHERE topic = 'events'::regclass AND log_end_offset <> stable_offset"),
		'', "$name: nobody waits");
	is(sql("SELECT t, c FROM unnest('{events,held,unused,_eventlog.committed_offsets}'::regclass[]) t, check_topic(t) c"), '', "$name: sound");
	return;
}

#
# Around
#

produce('first');
sql("SELECT count(*) FROM consume('sleeper', 'events', 20, commit => true)");
my $slept = sql("SELECT partition, committed_offset FROM eventlog_lag WHERE group_name = 'sleeper' ORDER BY 1");
crash('first');
cmp_ok(sql('SELECT last_value FROM aborted'), '>', 100, 'events were appended and rolled back');
check_events('first');

# how far, and what then makes the tables young
my $forced = 2**31 - 10_000_000;
foreach my $lap (
	[ 'half of epoch 0', 1_900_000_000, 'VACUUM (FREEZE)' ],
	[ 'end of epoch 0', 3_700_000_000, 'VACUUM' ],
	[ 'edge of epoch 1', EPOCH - 400, 'VACUUM' ],
	[ 'as far as it goes', EPOCH + $forced, undef ],
	[ 'end of epoch 1', EPOCH + 3_900_000_000, undef, "autovacuum = on\nautovacuum_freeze_max_age = 100000\n" ],
	[ 'edge of epoch 2', 2 * EPOCH - 400, 'VACUUM (FREEZE)', "autovacuum = off\nautovacuum_freeze_max_age = 2000000000\n" ],
	[ 'half of epoch 2', 2 * EPOCH + 1_900_000_000, 'VACUUM' ])
{
	my ($name, $xid, $vacuum, $conf) = @$lap;
	jump($xid, $conf);
	cross_edge($name, $xid + 400) if $name =~ /edge/;

	# before the VACUUM, and behind it
	produce("$name.1");
	check_events("$name, before");
	if (defined $vacuum)
	{
		every_database($vacuum);
	}
	else
	{
		$node->poll_query_until('postgres', 'SELECT max(age(datfrozenxid)) < 60000000 FROM pg_database')
		  or die 'autovacuum does not come';
	}
	check_young($name, defined $vacuum ? 1000 : 110_000);
	produce("$name.2");
	check_events($name);
}
cmp_ok(next_xid(), '>', 10_000_000_000, 'ten billion ids later');

# Sessions that see the epoch change: a reader's snapshot and a writer whose
# transactions lie on both sides.
sub cross_edge
{
	my ($name, $edge) = @_;
	my $count = "SELECT count(*) FROM read_topic('events', max_events => 1000000)";
	my $reader = $node->background_psql('postgres');
	$reader->query_safe('BEGIN ISOLATION LEVEL REPEATABLE READ');
	my $seen = $reader->query_safe($count);

	sql("SELECT make('$name.last')");
	my $writer = $node->background_psql('postgres');
	$writer->query_safe("BEGIN; SELECT make('$name.open.1'); SELECT flush(); SAVEPOINT s; SELECT make('$name.open.2'); SELECT flush()");
	cmp_ok(next_xid(), '<', $edge, "$name: the writer began before");
	sql('CALL burn(500)');
	cmp_ok(next_xid(), '>', $edge, "$name: the epoch is another");

	$writer->query_safe("SAVEPOINT t; SELECT make('$name.aborted'), nextval('aborted'); SELECT flush(); ROLLBACK TO t; SAVEPOINT u; SELECT make('$name.open.3'); SELECT flush()");
	sql("SELECT make('$name.behind.' || i) FROM generate_series(1, 20) i");
	my $all = sql('SELECT count(*) FROM events');
	cmp_ok(sql($count), '<', $all, "$name: readers stop where the transaction is open");
	every_database('VACUUM');
	$writer->query_safe('COMMIT');
	$writer->quit;
	is(sql($count), $all + 3, "$name: then they go on");
	is($reader->query_safe($count), $seen, "$name: the snapshot sees what it saw");
	is($reader->query_safe('SELECT count(*) FROM events'), $seen, "$name: ... in the table, too");
	$reader->query_safe('COMMIT');
	$reader->quit;
	return;
}

#
# What is undecided holds its log up, and that alone
#

sql("BEGIN; SELECT produce('held', 'prepared', ''); PREPARE TRANSACTION 'old'");
sql("SELECT produce('held', 'behind', '')");
jump(next_xid() + 5_000_000);
every_database('VACUUM (FREEZE)');
cmp_ok(sql("SELECT age FROM logs WHERE log = 'held_p0'::regclass"), '>', 4_000_000, 'prepared: the log is as old as the transaction');
check_young('prepared', 5_010_000);
is(sql("SELECT string_agg(key, ',') FROM read_topic('held')"), '', 'prepared: readers wait');
sql("COMMIT PREPARED 'old'");
every_database('VACUUM (FREEZE)');
check_young('prepared, then committed');
is(sql("SELECT string_agg(key, ',') FROM read_topic('held')"), 'prepared,behind', 'prepared, then committed: readers go on');

#
# Consumers
#

is(sql("SELECT partition, committed_offset FROM eventlog_lag WHERE group_name = 'sleeper' ORDER BY 1"), $slept,
	'the committed offsets of a group that slept are what they were');
is(sql("SELECT count(*) FROM consume('sleeper', 'events', 1000000, commit => true)") + 20, sql('SELECT count(*) FROM twin'),
	'it gets all the rest');
sql("INSERT INTO done SELECT key, partition, event_offset FROM consume('all', 'events', 1000000, commit => true)");
is(sql('(SELECT key FROM twin EXCEPT ALL SELECT key FROM done) UNION ALL (SELECT key FROM done EXCEPT ALL SELECT key FROM twin)'),
	'', 'a group that went along got every event once');

#
# VACUUM again costs nothing, however long the log is
#

# blocks of the log that the statement touches
sub blocks
{
	my ($log, $statement) = @_;
	my $touched = "SELECT heap_blks_read + heap_blks_hit FROM pg_statio_user_tables WHERE relid = '$log'::regclass";
	my $before = sql($touched);
	sql("$statement; SELECT pg_stat_force_next_flush()");
	return sql($touched) - $before;
}

sql(q{SELECT create_topic('big', 1, 'text', 'text', '{"compression": "none"}')});
sql(q{INSERT INTO big (key, value) SELECT i, repeat(md5(i::text), 30) FROM generate_series(1, 105000) i});
cmp_ok(sql("SELECT pg_relation_size('big_p0')"), '>', 100_000_000, 'a log of 100 MB');
cmp_ok(blocks('big_p0', 'VACUUM big'), '>', 1000, 'the first VACUUM looks at all that is new');
cmp_ok(blocks('big_p0', 'VACUUM big'), '<', 100, 'the second at next to nothing');
cmp_ok(blocks('big_p0', 'VACUUM (FREEZE) big'), '<', 100, '... also with FREEZE');
sql("SELECT produce('big', 'more', '') FROM generate_series(1, 10)");
cmp_ok(blocks('big_p0', 'VACUUM big'), '<', 100, 'a few events more: little');
is(sql("SELECT age FROM logs WHERE log = 'big_p0'::regclass AND age > 10"), '', 'and it is young');

$node->stop;
ok(!$node->log_contains('PANIC:|TRAP:|could not access status of transaction'), 'nobody missed what was cut off');
done_testing();
