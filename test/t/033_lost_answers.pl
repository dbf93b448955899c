# Answers get lost: a proxy drops the answer of every n-th consume() and commit() of named members, and some requests,
# and cuts the connection.  No event is lost, events come twice only after something of that batch was dropped, and never
# with transactions that consume, work and commit.

use strict;
use warnings FATAL => 'all';

use File::Basename qw(dirname);
use lib dirname(__FILE__) . '/../lib';

use EventlogTest;
use IPC::Run ();
use PostgreSQL::Test::Utils;
use Test::More;

need_python();

my $node = new_cluster('lost_answers', conf => "fsync = off\nlog_statement = none");
$node->safe_psql('postgres', <<'EOT');
SELECT create_topic('t', 8, 'text', 'json');
CREATE TABLE twin (key text);
-- the work of the group "exactly", and that of the others, loaded afterwards
CREATE TABLE work (member text, partition int, event_offset bigint, key text);
CREATE TABLE recorded (group_name text, member text, partition int, event_offset bigint, key text);
-- what the proxy saw: see lossy_proxy.py
CREATE TABLE call (n int PRIMARY KEY, member text, kind text, fate text, failed text, partitions int[], offsets bigint[]);
EOT

my $sockets = PostgreSQL::Test::Utils::tempdir_short();
my $tmp = $PostgreSQL::Test::Utils::tmp_check;
my ($log, $recorded) = ("$tmp/lost_answers.calls", "$tmp/lost_answers.recorded");
my $proxy_err = '';
my $proxy = IPC::Run::start(
	[   python(), dirname(__FILE__) . '/../lib/lossy_proxy.py',
		'--listen', "$sockets/.s.PGSQL.5432", '--server', $node->host . '/.s.PGSQL.' . $node->port,
		'--log', $log, '--lose-answer', 5, '--lose-request', 7 ],
	'<', \undef, '2>', \$proxy_err);
END { $proxy->kill_kill if $proxy }
wait_until(sub { -S "$sockets/.s.PGSQL.5432" }) or die "no proxy: $proxy_err";

my $ok = IPC::Run::run(
	[   python(), dirname(__FILE__) . '/../lib/lost_answers.py',
		'--server', $node->connstr('postgres'), '--proxy', "host=$sockets port=5432 dbname=postgres",
		'--recorded', $recorded ],
	'<', \undef, '>', \my $met, '2>', \my $err,
	IPC::Run::timeout($PostgreSQL::Test::Utils::timeout_default));
ok($ok, 'the clients met nothing that they could not retry') or diag($err);
note($met);
$proxy->kill_kill;
is($proxy_err, '', 'nor did the proxy');

$node->safe_psql('postgres', "\\copy recorded from '$recorded'");
$node->safe_psql('postgres', "\\copy call from '$log'");

$node->safe_psql('postgres', <<'EOT');
CREATE VIEW delivery AS
	SELECT split_part(member, '.', 1) AS group_name, split_part(member, '.', 2) AS member, n, fate, partition, event_offset
	FROM call, unnest(partitions, offsets) AS x (partition, event_offset) WHERE kind = 'consume' AND failed = '';

-- an event that the server delivers again to a group that commits in a transaction of its own: either the answer of
-- the delivery before was lost, or that member's next call was to commit it, and the request was lost.  A commit of which
-- only the answer was lost is no reason: the server had done it.
CREATE VIEW again AS
	SELECT *, fate_before = 'answer' AS unseen,
		fate_before = 'answer' OR (SELECT c.kind = 'commit' AND c.fate = 'request' FROM call c
			WHERE c.member = d.group_name || '.' || member_before AND c.n > n_before ORDER BY c.n LIMIT 1) AS explained
	FROM (SELECT *, lag(n) OVER w AS n_before, lag(member) OVER w AS member_before, lag(fate) OVER w AS fate_before
		  FROM delivery WINDOW w AS (PARTITION BY group_name, partition, event_offset ORDER BY n)) d
	WHERE n_before IS NOT NULL;

CREATE VIEW problems AS
	SELECT g AS group_name, 'lost' AS what, key AS evidence FROM (VALUES ('least'), ('careless')) AS g (g), twin
	WHERE (g, key) NOT IN (SELECT group_name, key FROM recorded)
UNION ALL
	SELECT group_name, 'not in the topic', r::text FROM recorded r
	WHERE (partition, event_offset, key) NOT IN (SELECT partition, event_offset, key FROM t)
-- the proxy's log is the truth about what the clients got
UNION ALL
	SELECT group_name, 'recorded, but not delivered', x::text FROM (
		SELECT group_name, member, partition, event_offset FROM recorded EXCEPT ALL
		SELECT group_name, member, partition, event_offset FROM delivery WHERE fate = 'passed') x
UNION ALL
	SELECT group_name, 'delivered, but not recorded', x::text FROM (
		SELECT group_name, member, partition, event_offset FROM delivery WHERE fate = 'passed' AND group_name = 'least' EXCEPT ALL
		SELECT group_name, member, partition, event_offset FROM recorded) x
UNION ALL
	SELECT group_name, 'again without a reason', a::text FROM again a
	WHERE group_name IN ('least', 'careless') AND explained IS NOT TRUE
UNION ALL
	SELECT 'exactly', 'in the topic, not worked on', x::text FROM (
		SELECT partition, event_offset, key FROM t EXCEPT ALL SELECT partition, event_offset, key FROM work) x
UNION ALL
	SELECT 'exactly', 'worked on too often', x::text FROM (
		SELECT partition, event_offset, key FROM work EXCEPT ALL SELECT partition, event_offset, key FROM t) x
UNION ALL
	SELECT 'topic', 'is not its twin', x::text FROM (
		(SELECT key FROM t EXCEPT ALL SELECT key FROM twin) UNION ALL (SELECT key FROM twin EXCEPT ALL SELECT key FROM t)) x
UNION ALL
	SELECT 'topic', problem, partition::text FROM check_topic('t');
EOT
my $problems = "SELECT format('%s (%s times): %s', what, count(*), min(evidence)) FROM problems WHERE group_name = ";
is($node->safe_psql('postgres', "$problems 'topic' GROUP BY what"), '', 'the topic is what was produced');
is($node->safe_psql('postgres', "$problems 'least' GROUP BY what"), '', 'at least once: nothing lost, nothing twice without a reason');
is($node->safe_psql('postgres', "$problems 'exactly' GROUP BY what"), '', 'exactly once');
like($node->safe_psql('postgres', "$problems 'careless' GROUP BY what"), qr/^lost \(\d+ times\): \w+$/,
	'who commits before the work loses events, and nothing else');

# was it put to the test?
foreach my $lost (
	[ 'least', 'consume', 'answer' ], [ 'least', 'commit', 'answer' ], [ 'least', 'commit', 'request' ],
	[ 'exactly', 'consume', 'answer' ], [ 'exactly', 'commit', 'answer' ], [ 'exactly', 'COMMIT', 'answer' ], [ 'exactly', 'COMMIT', 'request' ])
{
	my ($group, $kind, $fate) = @$lost;
	my ($count, $members) = split /\|/, $node->safe_psql('postgres',
		"SELECT count(*), count(DISTINCT member) FROM call WHERE member ~ '^$group' AND kind = '$kind' AND fate = '$fate' AND failed = ''");
	ok($count >= 10 && $members == 4, "$group: $count times the $fate of a $kind was lost, of $members members");
}
my ($unseen, $twice) = split /\|/, $node->safe_psql('postgres',
	"SELECT count(*) FILTER (WHERE unseen), count(*) FILTER (WHERE NOT unseen) FROM again WHERE group_name = 'least'");
cmp_ok($unseen, '>', 100, "at least once: $unseen events were delivered again because the answer was lost");
cmp_ok($twice, '>', 100, "... and $twice because the request to commit was");
my ($early) = $met =~ /^already committed\t(\d+)$/m;
cmp_ok($early, '>', 100, "$early events had been consumed by every group when the last was produced");
is($node->safe_psql('postgres', "SELECT count(*) FROM (SELECT FROM twin LIMIT 5000) x"), 5000, 'of thousands');

$node->stop;
done_testing();
