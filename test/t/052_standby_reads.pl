# A hot standby is read while its primary works: no read ever shows an event
# whose twin row it does not show, a long read is not disturbed by what the
# primary removes meanwhile, and whatever the standby has when it is promoted is
# consumed exactly once.

use strict;
use warnings FATAL => 'all';

use File::Basename qw(dirname);
use lib dirname(__FILE__) . '/../lib';

use EventlogTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

need_python();

# What removes old rows of heap tables cancels queries on a standby at once; nothing of ours may.  So no vacuum, and
# nothing for it to do in the catalogs.
my $primary = new_cluster('primary', init => [ allows_streaming => 1 ], conf => <<'EOT');
wal_keep_size = 1GB
autovacuum = off
wal_consistency_checking = 'eventlog'
EOT
# kept long: turn() removes all but a few of the events, and produces new ones into the same space
$primary->safe_psql('postgres', <<'EOT');
SELECT create_topic('long', 1, 'bigint', 'text', '{"segment_bytes": 65536, "compression": "none"}');
CREATE FUNCTION fill() RETURNS bigint LANGUAGE sql AS
	'SELECT count(produce(''long'', i, repeat(md5(i::text), 60))) FROM generate_series((SELECT coalesce(max(event_offset) + 1, 0) FROM long), (SELECT coalesce(max(event_offset), -1) + 2000 FROM long)) i';
CREATE PROCEDURE turn(turns int) LANGUAGE plpgsql AS $$
BEGIN
	FOR i IN 1 .. turns LOOP
		PERFORM delete_events_before('long', 0, max(event_offset) - 199) FROM long;
		COMMIT;
		PERFORM fill();
		COMMIT;
	END LOOP;
END $$;
SELECT fill();
EOT
create_load_tables($primary, options => '{"segment_bytes": 65536, "compression": "lz4"}');
$primary->safe_psql('postgres', "SELECT create_group('made')");
$primary->safe_psql('postgres', 'VACUUM');
$primary->backup('base');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($primary, 'base', has_streaming => 1);
$standby->append_conf('postgresql.conf', "max_standby_streaming_delay = 0\nhot_standby_feedback = off");
$standby->start;

sub catch_up
{
	$primary->wait_for_catchup($standby, 'replay', $primary->lsn('insert'));
	return;
}

#
# Subtransactions, more than a snapshot has room for, each with a batch of its own
#
my $writer = $primary->background_psql('postgres');
$writer->query_safe(<<'EOT');
BEGIN;
DO $$
BEGIN
	FOR i IN 1 .. 150 LOOP
		BEGIN
			INSERT INTO twin VALUES ('0.sub.' || i || '.0', 'load2', md5(format('{"id": "0.sub.%s.0"}', i)));
			PERFORM produce('load2', 'k', format('{"id": "0.sub.%s.0"}', i));
			PERFORM flush();
			IF i % 3 = 0 THEN
				RAISE 'undone';
			END IF;
		EXCEPTION WHEN raise_exception THEN NULL;
		END;
	END LOOP;
END $$;
EOT
$primary->safe_psql('postgres', "INSERT INTO twin VALUES ('0.later.0.0', 'load2', md5('{\"id\": \"0.later.0.0\"}')); SELECT produce('load2', 'k', '{\"id\": \"0.later.0.0\"}')");
catch_up();
my $count = "SELECT (SELECT count(*) FROM load2), (SELECT count(*) FROM read_topic('load2')), (SELECT count(*) FROM twin)";
is($standby->safe_psql('postgres', $count), '1|0|1', 'a transaction with 150 subtransactions is not seen while it runs, and stops readers');
$writer->query_safe('COMMIT');
$writer->quit;
catch_up();
is($standby->safe_psql('postgres', $count), '101|101|101', '... and then what it did not undo is');

#
# Reads under load
#
my $load = start_load($primary, round => 1, producers => 2);
wait_for_load($load, 200);

# Each in one snapshot
my %read = (
	'SELECT shows an event without twin, or a twin without event' =>
	  'SELECT count(*) FROM (SELECT id, topic, value FROM events) e FULL JOIN (SELECT id, topic, value FROM twin) t USING (id, topic, value) WHERE e IS NULL OR t IS NULL',
	'read_topic shows an event without twin' =>
	  'SELECT count(*) FROM events_read e LEFT JOIN twin t USING (id, topic, value) WHERE t IS NULL',
	'read_topic leaves one out' => <<'EOT',
SELECT count(*)
FROM (SELECT id, topic, partition, event_offset FROM events EXCEPT SELECT id, topic, partition, event_offset FROM events_read) e
	JOIN (SELECT topic, partition, max(event_offset) AS upto FROM events_read GROUP BY 1, 2) r USING (topic, partition)
WHERE event_offset <= upto
EOT
	'committed offsets and what was done differ' => <<'EOT',
SELECT count(*) FROM (SELECT topic, partition, event_offset FROM done) d
	FULL JOIN (SELECT topic, partition, event_offset FROM events JOIN eventlog_lag USING (topic, partition) WHERE group_name = 'load' AND event_offset < committed_offset) x
	USING (topic, partition, event_offset)
WHERE d IS NULL OR x IS NULL
EOT
	'a committed offset is beyond the log end' => 'SELECT count(*) FROM eventlog_lag WHERE committed_offset > log_end_offset',
	'a stable offset is beyond the log end' => 'SELECT count(*) FROM eventlog_partitions WHERE NOT log_start_offset <= stable_offset OR NOT stable_offset <= log_end_offset',
	'the topics are not three' => "SELECT (count(*) <> 3)::int FROM eventlog_topics WHERE topic::text IN ('load', 'load2', 'ring') AND bytes > 0",
	'the groups are not two' => "SELECT (count(*) <> 2 OR max(cardinality(topics)) <> 2)::int FROM eventlog_groups WHERE group_name IN ('load', 'made')",
	'there are members' => 'SELECT count(*) FROM eventlog_members',
	'the log is not sound' => "SELECT count(*) FROM unnest('{load,load2,ring,_eventlog.committed_offsets}'::regclass[]) t, check_topic(t)");

my %bad;
my $rounds = 0;
my @seen = $standby->safe_psql('postgres', 'SELECT count(*) FROM events');
# the reads become slower as the log grows: not for ever
for (my $until = time + 5; time < $until || $rounds < 3; $rounds++)
{
	foreach my $what (sort keys %read)
	{
		my $got = $standby->safe_psql('postgres', $read{$what});
		$bad{$what} = $got unless $got eq '0';
	}
	push @seen, $standby->safe_psql('postgres', 'SELECT count(*) FROM events');
}
is(join(', ', map { "$_ ($bad{$_})" } sort keys %bad), '', "none of $rounds rounds of reads was wrong");
cmp_ok($seen[-1], '>', $seen[0] + 100, "the reads met a log that grew, from $seen[0] to $seen[-1] events");
is(join(' ', sort { $a <=> $b } @seen), join(' ', @seen), '... and never became shorter');

# several statements of one snapshot see the same
my $session = $standby->background_psql('postgres');
$session->query_safe('BEGIN ISOLATION LEVEL REPEATABLE READ');
my $what = 'SELECT (SELECT md5(string_agg(id, \',\' ORDER BY id)) FROM events), (SELECT md5(string_agg(id, \',\' ORDER BY id)) FROM events_read), (SELECT count(*) FROM twin)';
my $first = $session->query_safe($what);
wait_for_load($load, ([ $load->{stdout} =~ /(\d+)\n/g ]->[-1]) + 200);
is($session->query_safe($what), $first, 'REPEATABLE READ: later reads show what the first one did');
$session->query_safe('COMMIT');

# refused, under load too
foreach my $sql ("SELECT produce('load', 'k', '{}')", "INSERT INTO load (key, value) VALUES ('k', '{}')", "SELECT * FROM consume('load', 'load')",
	"SELECT * FROM claim('c', 'load')", "SELECT commit('load')", "SELECT seek('made', 'load', 0, 0)", "SELECT delete_events_before('ring', 0, 1)")
{
	expect_error($standby, $sql, '25006', qr/./, "refused: $sql");
}

#
# Reads of a log from whose start the primary removes events, and uses the space again
#

# SELECT goes on at the new log start
catch_up();
my $right = 'value = repeat(md5(key::text), 60) AND key = event_offset';
$session->query_safe('BEGIN');
$session->query_safe("DECLARE slow CURSOR FOR SELECT event_offset, $right FROM long");
my @rows = split /\n/, $session->query_safe('FETCH 5 FROM slow');
is("@rows", '0|t 1|t 2|t 3|t 4|t', 'a cursor has begun');
my $blocks = $primary->safe_psql('postgres', "SELECT pg_relation_size('long_p0')");
$primary->safe_psql('postgres', 'CALL turn(1)');
catch_up();
cmp_ok($primary->safe_psql('postgres', "SELECT pg_relation_size('long_p0')"), '<', 2 * $blocks, '... the space is used again');
push @rows, split /\n/, $session->query_safe('FETCH 100000 FROM slow');
$session->query_safe('COMMIT');
is(scalar(grep { !/\|t$/ } @rows), 0, '... of its ' . @rows . ' events none is wrong');
my @offsets = map { /^(\d+)/ } @rows;
my @runs = grep { $_ == 0 || $offsets[$_] != $offsets[ $_ - 1 ] + 1 } 0 .. $#offsets;
is(scalar @runs, 2, '... and there is one jump forward, over what was removed: runs begin at ' . join(', ', map { $offsets[$_] } @runs));
is(join(' ', @offsets[-200 .. -1]), join(' ', 1800 .. 1999), '... to what is left');

# reads of any length while it happens
my %plans = (
	backwards => '(SELECT * FROM long ORDER BY event_offset DESC OFFSET 0) b',
	since => q{(SELECT * FROM long WHERE event_time >= now() - interval '1 day' OFFSET 0) s});
like($standby->safe_psql('postgres', "EXPLAIN SELECT * FROM $plans{backwards}"), qr/EventlogSeek/, 'one of them goes backwards');
my $turner = $primary->background_psql('postgres');
$turner->{stdin} .= "CALL turn(100000);\n";
$turner->{run}->pump_nb while length $turner->{stdin};
my ($reads, $lost) = (0, 0);
%bad = ();
for (my $until = time + 6; time < $until;)
{
	my $from = $standby->safe_psql('postgres', "SELECT log_start_offset FROM eventlog_partitions WHERE topic = 'long'::regclass");
	foreach my $source ('long', 'backwards', 'since',
		"read_topic('long', 0, NULL, 100000)", "read_topic('long', 0, $from, 100000)")
	{
		my $is = $source !~ /read_topic/ ? $right : 'value::text = to_json(repeat(md5(key), 60))::text AND key = event_offset::text';
		my ($rc, $out, $err) = $standby->psql('postgres', "SELECT count(*), count(DISTINCT event_offset), count(*) FILTER (WHERE $is) FROM "
			  . ($plans{$source} // $source),
			extra_params => [ '-v', 'VERBOSITY=verbose' ]);
		if ($rc == 0 && $err eq '')
		{
			$reads++;
			$bad{$source} = $out unless $out =~ /^(\d+)\|\1\|\1$/;
		}
		elsif ($err =~ /ERROR:  EL004/ && $source =~ /read_topic/)
		{
			$lost++;
		}
		else
		{
			$bad{$source} = $err;
		}
	}
}
is(join("\n", map { "$_: $bad{$_}" } sort keys %bad), '', "$reads reads of a log that is being shortened had the right bytes, $lost were told that events are lost (EL004)");
cmp_ok($reads, '>', 10, '... there were enough');
expect_error($standby, "SELECT * FROM read_topic('long', 0, 100)", 'EL004', qr/./, 'EL004 for who follows too slowly');

ok(!$standby->log_contains('PANIC:|FATAL:  inconsistent page found|canceling statement due to conflict'), 'no inconsistent page, no conflict');

#
# Promotion of this standby, which nobody waits for: what it has is a prefix
#
$session->quit;
kill_cluster($primary);
finish_load($load);
eval { $turner->quit };
$standby->promote;
is(check_load($standby), '', 'promoted: the events are those of the twin, and nothing was consumed twice');
is($standby->safe_psql('postgres', $read{'committed offsets and what was done differ'}), '0', 'promoted: what is committed is what was done');

my $more = start_load($standby, round => 2, producers => 4);
wait_for_load($more, 200);
$standby->safe_psql('postgres', "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()");
finish_load($more);
is(check_load($standby, $more), '', 'producers and consumers go on');
consume_load($standby);
is(check_load($standby), '', 'consumed to the end');
is( $standby->safe_psql('postgres', 'SELECT (SELECT count(*) FROM events) = (SELECT count(*) FROM done), (SELECT count(*) FROM events) = (SELECT count(*) FROM twin)'),
	't|t', 'every event exactly once');

$standby->stop;
done_testing();
