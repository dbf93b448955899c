# A group has its place in all partitions of a topic from its first commit there
# on: lag is the same with its members and when they are gone, on a standby,
# after a promotion, a restart, a crash, and a dump and restore; and what
# retention removes before the group comes to it is missed.

use strict;
use warnings FATAL => 'all';

use File::Basename qw(dirname);
use lib dirname(__FILE__) . '/../lib';

use EventlogTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $primary = new_cluster('primary', init => [ allows_streaming => 1 ], conf => 'autovacuum = off');
my $tmp = PostgreSQL::Test::Utils::tempdir();
my $partitions = 6;

$primary->safe_psql('postgres', <<"EOT");
SELECT create_topic('t', $partitions, 'text', 'text', '{"segment_bytes": 65536}');
SELECT create_topic('other', 2, 'text', 'text');
SELECT count(produce('t', NULL, repeat('x', 100), partition => p)) FROM generate_series(0, $partitions - 1) p, generate_series(1, 10) i;
SELECT create_group('latest', '{"start_from": "latest"}');
SELECT create_group('latest_seek', '{"start_from": "latest"}');
EOT
$primary->backup('base');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($primary, 'base', has_streaming => 1);
$standby->start;

# members that stay for now, a named one that never leaves, claims, and who has only sought
my $member = $primary->background_psql('postgres');
is($member->query_safe("SELECT count(*) FROM consume('members', 't', 4, commit => true)"), '4', 'a member begins');
my $member2 = $primary->background_psql('postgres');
$member2->query_safe("SELECT join_group('members', '{t}')");
is($member->query_safe("SELECT count(*) FROM consume('latest', 't')"), '0', 'one begins at the latest');
$primary->safe_psql('postgres', <<'EOT');
SELECT count(*) FROM consume('named', 't', 15, member => 'm', commit => true);
SELECT count(*) FROM claim('claims', 't', 3);
SELECT seek('latest_seek', 't', 0, 2);
BEGIN;
SELECT count(*) FROM claim('rolled_back', 't', 5);
ROLLBACK;
-- in a topic of the same transaction: its start mark names no partition
BEGIN;
SELECT create_topic('own', 2, 'text', 'text');
SELECT seek('within', 'own', 1, 0);
COMMIT;
SELECT count(produce('own', 'k', 'v', partition => 0)) FROM generate_series(1, 3);
EOT
# events, and partitions, that come later
$primary->safe_psql('postgres', <<"EOT");
SELECT count(produce('t', NULL, repeat('x', 100), partition => p)) FROM generate_series(0, $partitions - 1) p, generate_series(1, 2) i;
SELECT alter_topic('t', '{"partitions": 8}');
SELECT count(produce('t', NULL, repeat('x', 100), partition => p)) FROM generate_series($partitions, 7) p, generate_series(1, 5) i;
EOT

my $sum = q{SELECT group_name, count(*), count(committed_offset), sum(lag), sum(events_lost) FROM eventlog_lag WHERE topic = 't'::regclass AND group_name <> 'rolled_back' GROUP BY 1 ORDER BY 1};
my $rows = q{SELECT group_name, topic, partition, committed_offset, lag, events_lost, lag_seconds IS NOT NULL FROM eventlog_lag WHERE group_name <> 'rolled_back' ORDER BY 1, 3};
my $groups = q{SELECT group_name, topics, lag FROM eventlog_groups WHERE group_name <> 'rolled_back' ORDER BY 1};
my $agree = q{SELECT g.group_name FROM eventlog_groups g LEFT JOIN (SELECT group_name, sum(lag) AS lag FROM eventlog_lag GROUP BY 1) l USING (group_name) WHERE g.lag IS DISTINCT FROM l.lag};

# 6 partitions with 12 events and 2 with 5, less what was committed; or what came after the first consume()
my $expected = <<'EOT';
claims|8|1|79|0
latest|8|0|22|0
latest_seek|8|1|30|0
members|8|1|78|0
named|8|2|67|0
EOT
chomp $expected;
my %is;

# Is what the server shows what it shall be, and the same as elsewhere?
sub check
{
	my ($node, $name, $db) = @_;
	$db //= 'postgres';
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	is($node->safe_psql($db, $sum), $expected, "$name: lag");
	foreach my $what ([ rows => $rows ], [ groups => $groups ])
	{
		my $got = $node->safe_psql($db, $what->[1]);
		$is{ $what->[0] } //= $got;
		is($got, $is{ $what->[0] }, "$name: the same $what->[0]");
	}
	is($node->safe_psql($db, $agree), '', "$name: eventlog_groups has the sum of eventlog_lag");
	return;
}

check($primary, 'with members');
is($primary->safe_psql('postgres', q{SELECT count(*), sum(lag) FROM eventlog_lag WHERE group_name = 'rolled_back'}), '8|82', 'who has only claimed and rolled back is known on this server');
$primary->wait_for_catchup($standby, 'replay', $primary->lsn('insert'));
check($standby, 'on a standby');
is($standby->safe_psql('postgres', q{SELECT count(*) FROM eventlog_lag WHERE group_name = 'rolled_back'}), '0', '... and on no other');

$member->quit;
$member2->quit;
$primary->safe_psql('postgres', "SELECT leave_group('named', 'm')");
$primary->poll_query_until('postgres', 'SELECT count(*) = 0 FROM eventlog_members') or die 'members stay';
check($primary, 'members are gone');
is($primary->safe_psql('postgres', q{SELECT count(*) FROM _eventlog.committed_offsets WHERE key::json->>2 IS NULL}), '6', 'one mark each');

$primary->restart;
check($primary, 'after a restart');
kill_cluster($primary);
$primary->start;
check($primary, 'after a crash');

foreach my $format ('custom', 'inserts')
{
	my $db = "restored_$format";
	$primary->safe_psql('postgres', "CREATE DATABASE $db");
	if ($format eq 'custom')
	{
		$primary->command_ok([ 'pg_dump', '-Fc', '-f', "$tmp/dump", $primary->connstr('postgres') ], 'pg_dump');
		$primary->command_ok([ 'pg_restore', '--exit-on-error', '-d', $primary->connstr($db), "$tmp/dump" ], 'pg_restore');
	}
	else
	{
		$primary->command_ok([ 'pg_dump', '--rows-per-insert=7', '-f', "$tmp/dump.sql", $primary->connstr('postgres') ], 'pg_dump');
		$primary->command_ok([ 'psql', '-X', '-q', '-v', 'ON_ERROR_STOP=1', '-o', "$tmp/out", '-f', "$tmp/dump.sql", $primary->connstr($db) ], 'psql');
	}
	check($primary, "restored, $format", $db);
	is($primary->safe_psql($db, q{SELECT min(event_offset), count(*) FROM consume('latest', 't') WHERE partition = 1}), '10|2', '... and the group goes on there');
}

# an empty log that was dumped is given no event that was there before: nothing is missing
$primary->safe_psql('postgres', <<'EOT');
SELECT count(produce('other', NULL, '', partition => 0)) FROM generate_series(1, 10) i;
SELECT delete_events_before('other', 0, 10);
EOT
$primary->command_ok([ 'pg_dump', '-Fc', '-f', "$tmp/dump", $primary->connstr('postgres') ], 'pg_dump');
$primary->safe_psql('postgres', 'CREATE DATABASE restored_empty');
$primary->command_ok([ 'pg_restore', '--exit-on-error', '-d', $primary->connstr('restored_empty'), "$tmp/dump" ], 'pg_restore');
$primary->safe_psql('restored_empty', <<'EOT');
SELECT produce('other', NULL, '', partition => 1);
SELECT count(*) FROM consume('empty', 'other', commit => true);
SELECT produce('other', NULL, '', partition => 0);
EOT
is($primary->safe_psql('restored_empty', q{SELECT partition, committed_offset, lag, events_lost FROM eventlog_lag WHERE group_name = 'empty' ORDER BY 1}), "0||1|0\n1|1|0|0", 'begun beside an empty log that was restored: nothing is lost');
is($primary->safe_psql('restored_empty', q{SELECT min(event_offset), count(*) FROM consume('empty', 'other')}), '10|1', '... and all is consumed');

#
# Promoted: and there retention removes what no group has come to
#
$primary->wait_for_catchup($standby, 'replay', $primary->lsn('insert'));
$primary->stop;
$standby->promote;
check($standby, 'promoted');
$standby->safe_psql('postgres', <<'EOT');
SELECT create_group('claims', '{"on_lost": "earliest"}');
SELECT delete_events_before('t', partition, CASE WHEN partition < 6 THEN 11 ELSE 2 END) FROM eventlog_partitions WHERE topic = 't'::regclass;
EOT
# what is committed, or begins, behind the new start has lost nothing; partition 0 of claims depends on where it began
is($standby->safe_psql('postgres', q{SELECT group_name, string_agg(events_lost::text, ' ' ORDER BY partition) FROM eventlog_lag WHERE topic = 't'::regclass AND group_name <> 'claims' GROUP BY 1 ORDER BY 1}), <<'EOT' =~ s/\n\z//r, 'what was removed before a group came to it is counted');
latest|1 1 1 1 1 1 2 2
latest_seek|9 1 1 1 1 1 2 2
members|7 11 11 11 11 11 2 2
named|1 6 11 11 11 11 2 2
EOT
is($standby->safe_psql('postgres', q{SELECT sum(events_lost), sum(lag) FROM eventlog_lag WHERE group_name = 'claims'}), '67|12', '... for claims, too');
expect_error($standby, "SELECT count(*) FROM consume('members', 't')", 'EL004', qr/were removed before group "members" consumed them/, 'a member is told');
is($standby->safe_psql('postgres', "SELECT count(*) FROM claim('claims', 't')"), '12', 'a group that has chosen on_lost goes on');
is($standby->safe_psql('postgres', q{SELECT sum(events_lost), sum(lag), count(committed_offset) FROM eventlog_lag WHERE group_name = 'claims'}), '67|0|8', '... and its loss stays counted');

$standby->stop;
done_testing();
