# Many groups with many members: what fits the default settings works, what does
# not is refused with the setting to change, and who is in goes on.  A thousand
# members of one group settle without keeping the coordinator busy.

use strict;
use warnings FATAL => 'all';

use File::Basename qw(dirname);
use lib dirname(__FILE__) . '/../lib';

use EventlogTest;
use Test::More;
use Time::HiRes qw(time);

my $node = new_cluster('many_groups', conf => 'fsync = off');

$node->safe_psql('postgres', <<'EOT');
SELECT create_topic('t', 100, 'text', 'text');
SELECT create_topic('wide', 1000, 'text', 'text');
SELECT count(produce('t', 'k', 'v', partition => p)) FROM generate_series(0, 99) p;

-- all members of group number g join, or consume and commit what is theirs
CREATE FUNCTION join_all(g int) RETURNS bigint LANGUAGE sql AS
  $$SELECT count(join_group('group' || g, '{t}', 'member' || m)) FROM generate_series(1, 100) m$$;
CREATE FUNCTION consume_all(g int) RETURNS bigint LANGUAGE sql AS
  $$SELECT count(*) FROM generate_series(1, 100) m, consume('group' || g, 't', member => 'member' || m, commit => true)$$;
EOT

#
# 100 groups of 100 named members on a topic of 100 partitions
#
my $began = time;
is($node->safe_psql('postgres', 'SELECT sum(join_all(g)) FROM generate_series(1, 100) g'), '10000', '100 x 100 members join');
note(sprintf('joining took %.1f s', time - $began));
is($node->safe_psql('postgres', 'SELECT count(*), sum(partitions), min(partitions), max(partitions) FROM eventlog_members'),
	'10000|10000|1|1', 'each has a partition');
is($node->safe_psql('postgres', 'SELECT sum(n), min(n), max(n) FROM (SELECT consume_all(g) AS n FROM generate_series(1, 100) g) x'),
	'10000|100|100', 'each group consumes each event');
is($node->safe_psql('postgres', "SELECT count(*), sum(lag) FROM eventlog_lag"), '10000|0', 'and has committed it');
is($node->safe_psql('postgres', 'SELECT count(*), sum(members), sum(lag) FROM eventlog_groups'), '100|10000|0', 'eventlog_groups');

#
# On towards 1,000: refused, and those who are in do not notice
#
my ($rc, $out, $err) = $node->psql('postgres', 'SELECT join_all(g) FROM generate_series(101, 1000) g', extra_params => [ '-v', 'VERBOSITY=verbose' ]);
isnt($rc, 0, '1,000 such groups do not fit');
like($err, qr/ERROR:  53200: out of shared memory for consumer groups/, 'out of memory');
like($err, qr/DETAIL:  "eventlog.group_memory" is 16384 kB, this needs \d+ kB/, 'which setting, and what it is');
my ($needed) = $err =~ /HINT:  Increase "eventlog.group_memory" to at least (\d+) kB/;
cmp_ok($needed // 0, '>', 16384, 'what it should be');
my $fit = $node->safe_psql('postgres', 'SELECT count(*) FROM eventlog_groups WHERE members = 100');
cmp_ok($fit, '>=', 200, "$fit groups fit");
is($node->safe_psql('postgres', "SELECT count(*) FROM eventlog_members WHERE partitions = 0 OR topics = '{}'"), '0', 'nobody has joined by half');
$node->safe_psql('postgres', "SELECT count(produce('t', 'k', 'v', partition => p)) FROM generate_series(0, 99) p");
is($node->safe_psql('postgres', 'SELECT sum(consume_all(g)) FROM generate_series(1, 100) g'), '10000', 'the others go on consuming');
is($node->safe_psql('postgres', "SELECT sum(lag) FROM eventlog_lag WHERE group_name ~ '^group[0-9]{1,2}\$|^group100\$'"), '0', '... and committing');
expect_error($node, "SELECT join_group('one_more', '{wide}')", '53200', qr/eventlog.group_memory/, 'a session is refused likewise');
expect_error($node, "SELECT * FROM claim('one_more', 'wide')", '53200', qr/eventlog.group_memory/, 'and a claim');
# room comes back when a group's members have gone
$node->safe_psql('postgres', "SELECT count(leave_group('group200', 'member' || m)) FROM generate_series(1, 100) m");
is($node->safe_psql('postgres', 'SELECT join_all(200)'), '100', 'who leaves makes room');

#
# The value that the message names is one with which this would have worked; and so is the one that docs/operations.md leads to
#
my $members = 'SELECT count(*) FROM eventlog_members';
my $before = $node->safe_psql('postgres', $members);
$node->append_conf('postgresql.conf', "eventlog.group_memory = ${needed}kB");
$node->restart;
($rc, $out, $err) = $node->psql('postgres', 'SELECT join_all(g) FROM generate_series(1, 1000) g', extra_params => [ '-v', 'VERBOSITY=verbose' ]);
like($err, qr/ERROR:  53200: /, 'with the value named it still ends somewhere');
cmp_ok($node->safe_psql('postgres', $members), '>', $before, '... but what was refused works');
# group, topic, members, partitions, subscriptions: 260 bytes each
my $enough = int(1000 * (2 + 3 * 100) * 262 / 1024) + 16;
$node->append_conf('postgresql.conf', "eventlog.group_memory = ${enough}kB");
$node->restart;
is($node->safe_psql('postgres', 'SELECT sum(join_all(g)) FROM generate_series(1, 1000) g'), '100000', "with $enough kB, 1,000 groups of 100 members join");
is($node->safe_psql('postgres', 'SELECT count(*), min(partitions), max(partitions) FROM eventlog_members'), '100000|1|1', 'each has a partition');
is($node->safe_psql('postgres', 'SELECT min(n), max(n) FROM (SELECT consume_all(g) AS n FROM generate_series(901, 1000) g) x'), '200|200', 'the last of them consume');
is($node->safe_psql('postgres', "SELECT count(*), sum(lag) FROM eventlog_lag WHERE group_name ~ '^group(9..|1000)\$' AND group_name <> 'group900'"), '10000|0', '... and commit');
is($node->safe_psql('postgres', 'SELECT max(n) FROM (SELECT consume_all(g) AS n FROM generate_series(1, 100) g) x'), '0', 'the first have committed all before');
$node->append_conf('postgresql.conf', 'eventlog.group_memory = 16MB');

#
# 1,000 members join a group of 1,000 partitions
#
$node->restart;
my $coordinator = $node->safe_psql('postgres', "SELECT pid FROM pg_stat_activity WHERE backend_type = 'eventlog coordinator'");
# seconds of CPU time
sub cpu
{
	open(my $f, '<', "/proc/$coordinator/stat") or die "no process $coordinator";
	my @stat = split / /, (<$f> =~ s/^.*\) //r);
	return ($stat[11] + $stat[12]) / 100;
}
$before = cpu();
$began = time;
is($node->safe_psql('postgres', "SELECT count(join_group('wide', '{wide}', 'member' || m)) FROM generate_series(1, 1000) m"), '1000', '1,000 members join one group');
ok($node->poll_query_until('postgres', "SELECT count(*) = 1000 AND min(partitions) = 1 AND max(partitions) = 1 FROM eventlog_members WHERE group_name = 'wide'"),
	'each has one of the 1,000 partitions');
is($node->safe_psql('postgres', "SELECT state FROM eventlog_groups WHERE group_name = 'wide'"), 'stable', 'settled');
my $spent = cpu() - $before;
note(sprintf('%.1f s, of which the coordinator spent %.2f s of CPU time', time - $began, $spent));
cmp_ok($spent, '<', 2, 'under 2 s of worker time');

#
# 10 groups begin in the topic of 1,000 partitions: each takes the lock of the one that it commits in, and of its mark
#
$node->safe_psql('postgres', <<'EOT');
SELECT count(produce('wide', NULL, '1', partition => p)) FROM generate_series(0, 999) p;
SELECT create_group('latest' || g, '{"start_from": "latest"}') FROM generate_series(1, 10) g;
CREATE VIEW group_locks AS SELECT count(*) AS n FROM pg_locks WHERE locktype = 'advisory' AND objsubid = 3 AND pid = pg_backend_pid();
-- the median of what the first transactions take, in ms, and how many locks that took
CREATE PROCEDURE begin_groups(kind text, n int, INOUT ms float8 DEFAULT 0, INOUT locks int DEFAULT 0) LANGUAGE plpgsql AS $$
DECLARE
  took float8[];
  t timestamptz;
BEGIN
  FOR g IN 1..n LOOP
    t := clock_timestamp();
    PERFORM * FROM consume(kind || g, 'wide', 1);
    IF kind <> 'latest' THEN
      PERFORM commit(kind || g);
    END IF;
    locks := greatest(locks, (SELECT group_locks.n FROM group_locks));
    COMMIT;
    took := took || (1000 * extract(epoch FROM clock_timestamp() - t))::float8;
    PERFORM leave_group(kind || g);
    COMMIT;
  END LOOP;
  ms := percentile_cont(0.5) WITHIN GROUP (ORDER BY x) FROM unnest(took) x;
END $$;
EOT
foreach my $case ([ 'earliest', 2, 999 ], [ 'latest', 1, 0 ])
{
	my ($kind, $locks, $lag) = @$case;
	my ($ms, $taken) = split /\|/, $node->safe_psql('postgres', "CALL begin_groups('$kind', 10)");
	note("$kind: $ms ms");
	is($taken, $locks, "$kind: no lock of a partition that is not worked on");
	is($node->safe_psql('postgres', "SELECT count(DISTINCT key), count(*), max(length(value::text)) < 32768 FROM _eventlog.committed_offsets WHERE key ~ '^.\"$kind' AND key::json->>2 IS NULL"),
		'10|10|t', '... and one mark each');
	is($node->safe_psql('postgres', "SELECT count(*), min(n), max(n), min(lag), max(lag) FROM (SELECT count(*) AS n, sum(lag) AS lag FROM eventlog_lag WHERE group_name ~ '^$kind' GROUP BY group_name) x"),
		"10|1000|1000|$lag|$lag", '... with lag in all partitions');
}

$node->stop;
done_testing();
