# Memory is for who is active.  One role makes, uses and drops groups, and leaves others behind that it has used once,
# far more than eventlog.group_memory has room for, while two members go on working: nobody is refused, and nothing is
# lost.  What lost its slots comes back from the topic of committed offsets; what nobody uses any more expires.

use strict;
use warnings FATAL => 'all';

use File::Basename qw(dirname);
use lib dirname(__FILE__) . '/../lib';

use EventlogTest;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time);

# test/nightly/group_memory has more
my $dropped = $ENV{EVENTLOG_DROPPED_GROUPS} // 5000;
my $left_behind = $ENV{EVENTLOG_GROUPS} // 20000;
my $memory = $ENV{EVENTLOG_GROUP_MEMORY} // '1MB';
my $seconds = $ENV{EVENTLOG_GROUP_SECONDS};
$PostgreSQL::Test::Utils::timeout_default = 3600 if defined $ENV{EVENTLOG_GROUPS};

my $node = new_cluster('group_memory', conf => <<"EOT");
eventlog.group_memory = $memory
fsync = off
synchronous_commit = off
log_statement = none
max_wal_size = 4GB
EOT

sub query { return $node->safe_psql('postgres', $_[0]); }
sub becomes { my ($sql, $name) = @_; return ok($node->poll_query_until('postgres', $sql), $name); }
# what the topic of committed offsets says of a group, if it says anything
sub committed
{
	my ($group) = @_;
	return query("SELECT count(*) FROM (SELECT DISTINCT ON (key) value FROM _eventlog.committed_offsets"
		  . " WHERE key::json->>0 LIKE '$group' ORDER BY key, event_offset DESC) x WHERE value IS NOT NULL");
}

query(<<'EOT');
SELECT create_topic('t', 2), create_topic('work', 2), create_topic('quiet', 2);
SELECT count(produce(x, 'k' || i, '1', partition => i % 2)) FROM unnest('{t,quiet}'::regclass[]) x, generate_series(1, 10) i;
CREATE ROLE one LOGIN;
GRANT SELECT ON t TO one;
CREATE TABLE done (stop bool);
GRANT SELECT ON done TO one;

CREATE PROCEDURE make_and_drop(a int, b int) LANGUAGE plpgsql AS $$
DECLARE n bigint;
BEGIN
	FOR i IN a .. b LOOP
		PERFORM create_group('made' || i); COMMIT;
		SELECT count(*) INTO n FROM consume('made' || i, 't', commit => true);
		ASSERT n = 10, format('made%s has consumed %s', i, n);
		PERFORM leave_group('made' || i); COMMIT;
		PERFORM drop_group('made' || i); COMMIT;
	END LOOP;
END $$;
CREATE PROCEDURE use_once(a int, b int) LANGUAGE plpgsql AS $$
DECLARE n bigint;
BEGIN
	FOR i IN a .. b LOOP
		SELECT count(*) INTO n FROM claim('once' || i, 't', max_events => 7); COMMIT;
		ASSERT n = 7, format('once%s has claimed %s', i, n);
	END LOOP;
END $$;
-- a member that produces and consumes until it is told to stop, and then what is left
CREATE PROCEDURE work(me text) LANGUAGE plpgsql AS $$
DECLARE n bigint; all_events bigint := 0; idle int := 0;
BEGIN
	WHILE idle < 3 LOOP
		IF EXISTS (SELECT FROM done) THEN
			idle := idle + 1;
		ELSE
			PERFORM produce('work', 'k', '1', partition => i) FROM generate_series(0, 1) i;
		END IF;
		COMMIT;
		SELECT count(*) INTO n FROM consume('workers', 'work', member => me, commit => true); COMMIT;
		all_events := all_events + n;
		IF n > 0 THEN idle := 0; END IF;
		PERFORM pg_sleep(0.001);
	END LOOP;
	INSERT INTO worked VALUES (me, all_events);
END $$;
CREATE TABLE worked (me text, n bigint);
-- a group that has been somewhere, and sleeps
SELECT seek('sleeper', 'quiet', 0, 3), seek('sleeper', 'quiet', 1, 4);
EOT

#
# Made and dropped, used once and left behind
#
my @members = map { $node->background_psql('postgres') } 1 .. 2;
$members[$_ - 1]->query_until(qr/started/, "\\echo started\nCALL work('m$_');\n\\echo finished\n") foreach 1 .. 2;
becomes("SELECT members = 2 AND state = 'stable' FROM eventlog_groups WHERE group_name = 'workers'", 'two members are at work');

my $in_use = query('SELECT in_use, groups_in_use FROM _eventlog.group_memory()');
my $cached = query('SELECT cached, groups_cached FROM _eventlog.group_memory()');
my $as_one = 'host=' . $node->host . ' port=' . $node->port . ' dbname=postgres user=one';
my $spent = 0;
sub as_one
{
	my ($sql, $name) = @_;
	my $began = time;
	my ($rc, $out, $err) = $node->psql('postgres', $sql, connstr => $as_one, extra_params => [ '-v', 'VERBOSITY=verbose', '-v', 'ON_ERROR_STOP=1' ]);
	is("$rc $err", '0 ', $name);
	note(sprintf('%s: %.1f s', $name, time - $began));
	$spent += time - $began;
	return;
}
as_one("CALL make_and_drop(1, $dropped)", "$dropped groups are made, used and dropped");
is(query("SELECT count(*) FROM eventlog_groups WHERE group_name LIKE 'made%'"), 0, 'no view shows them');
is(committed('made%'), 0, 'nor have they committed offsets');
is(query("SELECT in_use, groups_in_use, cached, groups_cached FROM _eventlog.group_memory()"), "$in_use|$cached", 'nor memory');
as_one("CALL use_once(1, $left_behind)", "$left_behind groups are used once");
cmp_ok($spent, '<', $seconds, "all of them in $seconds s") if defined $seconds;
is(query("SELECT count(*), sum(lag), count(*) FILTER (WHERE state = 'empty') > 0 FROM eventlog_groups WHERE group_name LIKE 'once%'"),
	"$left_behind|" . 3 * $left_behind . '|t', 'eventlog_groups shows all of them');
my $fits = query('SELECT groups_cached FROM _eventlog.group_memory()');
cmp_ok($fits, '<', $left_behind / 4, "memory has few of them: $fits");
is(query('SELECT in_use, groups_in_use FROM _eventlog.group_memory()'), $in_use, 'others have as much as before');

# what lost its slots is where it was
is(query("SELECT committed_offset, lag FROM eventlog_lag WHERE group_name = 'once1' ORDER BY 1"),
	"2|3\n5|0", 'eventlog_lag knows where such a group is');
is(query("SELECT count(*) FROM claim('once1', 't')"), 3, 'and there it goes on');
is(query("SELECT count(*) FROM claim('once1', 't')"), 0, '... once');
is(query("SELECT string_agg(event_offset::text, ',' ORDER BY event_offset, partition) FROM consume('sleeper', 'quiet')"), '3,4,4', 'so does one with members');
is(query("SELECT lag FROM eventlog_groups WHERE group_name = 'sleeper'"), 3, '... and eventlog_groups');

#
# After a restart
#
query('INSERT INTO done VALUES (true)');
$_->query_until(qr/finished/, '') foreach @members;
$_->quit foreach @members;
is(query("SELECT sum(n) = (SELECT count(*) FROM work) AND min(n) > 0 FROM worked"), 't', 'the members have consumed all there was, once');
is(query("SELECT lag FROM eventlog_groups WHERE group_name = 'workers'"), 0, '... and committed it');
$node->restart;
is(query("SELECT count(*) FROM claim('once2', 't')"), 3, 'a group goes on after a restart');
is(query("SELECT count(*) FROM consume('workers', 'work')"), 0, 'so does one with members');
is(query("SELECT count(*) FROM claim('new', 't')"), 10, 'and one that is new starts from the beginning');
is(query("SELECT count(*) FROM eventlog_groups WHERE group_name LIKE 'once%'"), $left_behind, 'all of them are there');
as_one("CALL make_and_drop(1, 500)", 'there is room for others');
is(query('SELECT in_use FROM _eventlog.group_memory()'), 1, 'and nobody is in');

#
# Retention waits for a group that has no slots
#
query(<<'EOT');
SELECT create_topic('held', 1, 'text', 'text', '{"retention": "1 s", "retain_until_consumed": true, "segment_bytes": 65536, "compression": "none"}');
SELECT count(produce('held', 'k', repeat('x', 5000), event_time => now() - interval '1 hour')) FROM generate_series(1, 100);
SELECT count(*) FROM claim('holds', 'held', max_events => 30);
SELECT count(*) FROM claim('ahead', 'held', max_events => 60);
EOT
as_one("CALL use_once($left_behind + 1, $left_behind + $fits + 500)", 'others come');
$left_behind += $fits + 500;
query("SELECT apply_retention('held')");
is(query("SELECT min(event_offset) FROM held"), 30, 'what it has yet to consume stays');
is(query("SELECT event_offset FROM claim('holds', 'held', max_events => 1)"), 30, 'there it goes on');

#
# A topic that is dropped: by a transaction that is rolled back after the group was loaded, then for good; and restored
#
query(<<'EOT');
SELECT create_topic('gone', 1), create_topic('stays', 1);
SELECT count(produce('gone', 'k', '1')), count(produce('stays', 'k', '1')) FROM generate_series(1, 10);
SELECT count(*) FROM claim('both', 'gone', max_events => 4);
SELECT count(*) FROM claim('both', 'stays', max_events => 5);
EOT
sub storm
{
	as_one("CALL use_once($left_behind + 1, $left_behind + $fits + 500)", 'others come');
	$left_behind += $fits + 500;
	return;
}
storm();
query(<<'EOT');
BEGIN;
SELECT drop_topic('gone');
SELECT count(*) FROM claim('both', 'stays', max_events => 1);
ROLLBACK;
EOT
is(query("SELECT event_offset FROM claim('both', 'gone', max_events => 1)"), 4, 'a topic whose drop is rolled back');
is(query("SELECT event_offset FROM claim('both', 'stays', max_events => 1)"), 5, '... and the other');
storm();
is(query(<<'EOT'), 5, 'a topic whose drop is rolled back to a savepoint');
BEGIN;
SAVEPOINT s;
SELECT FROM drop_topic('gone');
SELECT FROM claim('both', 'stays', max_events => 1);
ROLLBACK TO s;
SELECT event_offset FROM claim('both', 'gone', max_events => 1);
COMMIT;
EOT
my $dump = "$PostgreSQL::Test::Utils::tmp_check/gone.sql";
$node->command_ok([ 'pg_dump', '-t', 'gone', '-t', 'gone_*', '-f', $dump, 'postgres' ], 'pg_dump');
my $file = slurp_file($dump);
sub restore { $node->safe_psql('postgres', ($_[0] // '') . $file . ($_[1] // '')); return; }
query("SELECT drop_topic('gone')");
is(query("SELECT topics, lag FROM eventlog_groups WHERE group_name = 'both'"), '{stays}|4', 'no view lists offsets of a topic that does not exist');
cmp_ok(committed('both'), '>', 2, '... which are there');
is(query("SELECT event_offset FROM claim('both', 'stays', max_events => 1)"), 6, 'the group goes on in others');
restore();
is(query("SELECT event_offset FROM claim('both', 'gone', max_events => 1)"), 6, 'a topic that is restored brings its offsets back');
query("SELECT drop_topic('gone')");
storm();
query("SELECT count(*) FROM claim('both', 'stays', max_events => 1)");
restore('BEGIN;', 'COMMIT;');
is(query("SELECT event_offset FROM claim('both', 'gone', max_events => 1)"), 7, 'the same in one transaction, after the group has lost its slots');
restore("BEGIN; DROP TABLE gone;", 'COMMIT;');
is(query("SELECT event_offset FROM claim('both', 'gone', max_events => 1)"), 8, 'dropped and restored by one transaction');
restore("BEGIN; DROP TABLE gone;", "PREPARE TRANSACTION 'p'");
is(query("SELECT count(*) FROM claim('both', 'stays', max_events => 1)"), 1, 'while it is prepared, others go on');
query("COMMIT PREPARED 'p'");
is(query("SELECT event_offset FROM claim('both', 'gone', max_events => 1)"), 9, 'dropped and restored by a prepared transaction');
# a group that is dropped takes such offsets with it
query("SELECT drop_topic('gone')");
query("SELECT create_group('both'); SELECT drop_group('both')");
is(committed('both'), 0, 'a dropped group leaves nothing in topics that do not exist');
restore();
is(query("SELECT count(*) FROM claim('both', 'gone')"), 10, '... and begins anew');
query("SELECT drop_topic('gone')");

# one group, and topics that come and go
$in_use = query(<<'EOT');
CREATE PROCEDURE topics(n int) LANGUAGE plpgsql AS $$
BEGIN
	FOR i IN 1 .. n LOOP
		PERFORM create_topic('job' || i); PERFORM produce('job' || i, 'k', '1'); COMMIT;
		PERFORM consume('worker', ('job' || i)::regclass, commit => true); COMMIT;
		PERFORM drop_topic('job' || i); COMMIT;
	END LOOP;
END $$;
SELECT FROM consume('worker', 't', 1, commit => true);
CALL topics(200);
SELECT in_use FROM _eventlog.group_memory();
EOT
cmp_ok($in_use, '<=', 8, "topics that were dropped have no memory: $in_use slots are in use");
my $worker = $node->background_psql('postgres');
$worker->query_safe("SELECT consume('worker', 't', 1, commit => true)");
query('SELECT count(*) FROM (SELECT create_topic(\'many\' || i) FROM generate_series(1, 80) i) x');
$worker->query_safe("SELECT count(*) FROM generate_series(1, 80) i, consume('worker', ('many' || i)::regclass)");
cmp_ok(query('SELECT in_use FROM _eventlog.group_memory()'), '>', 240, 'a member of 80 topics');
query("DO \$\$ BEGIN FOR i IN 1 .. 80 LOOP PERFORM drop_topic('many' || i); END LOOP; END \$\$");
$worker->query_safe("SELECT consume('worker')");
$worker->query_safe("SELECT consume('worker')");
becomes('SELECT in_use <= 8 FROM _eventlog.group_memory()', 'more than are noted, dropped by one transaction');

#
# Full of members: who is in gets what is kept, who is not is told what it takes
#
query("SELECT create_topic('wide', 100), create_topic('more', 100)");
my ($rc, $out, $err) = $node->psql('postgres', "SELECT FROM generate_series(1, 100000) i, join_group('full' || i, '{wide}', 'm')",
	extra_params => [ '-v', 'VERBOSITY=verbose' ]);
like($err, qr/ERROR:  53200: .*DETAIL:  "eventlog.group_memory" is \d+ kB, this needs \d+ kB.*HINT:  Increase "eventlog.group_memory" to at least \d+ kB/s,
	'when members fill the memory, others are refused');
my ($has, $needs) = $err =~ /is (\d+) kB, this needs (\d+) kB/;
cmp_ok($needs, '>', $has, "... for want of memory: $has kB, $needs kB are needed");
expect_error($node, "SELECT * FROM claim('once4', 'wide')", '53200', qr/group_memory/, 'a claim as well');
is(query("SELECT count(*) FROM consume('full1', 'more', member => 'm')"), 0, 'a member can have a topic more');
query("SELECT leave_group('full' || i, 'm') FROM generate_series(1, 100000) i WHERE EXISTS (SELECT FROM eventlog_members WHERE group_name = 'full' || i)");
is(query("SELECT count(*) FROM claim('once4', 't')"), 3, 'and when members have left, others come');

#
# Expiry
#
query(<<'EOT');
SELECT create_group('kept'), create_group('short', '{"expire_after": "2 s"}');
SELECT count(*) FROM claim('kept', 't', max_events => 1);
SELECT count(*) FROM claim('short', 't', max_events => 6);
SELECT count(*) FROM claim('ghost', 'stays', max_events => 1);
SELECT create_topic('ghostly');
SELECT produce('ghostly', 'k', '1');
SELECT count(*) FROM claim('kept', 'ghostly');
SELECT drop_topic('ghostly');
EOT
$worker->query_safe("SELECT count(*) FROM consume('worker', 't', 1, commit => true)");
$node->append_conf('postgresql.conf', "eventlog.retention_check_interval = 1s\neventlog.group_expiry = 4s");
my $log = -s $node->logfile;
# names go on being used once all the while
query(<<'EOT');
TRUNCATE done;
CREATE PROCEDURE flow() LANGUAGE plpgsql AS $$
BEGIN
	FOR i IN 1 .. 1000000 LOOP
		EXIT WHEN EXISTS (SELECT FROM done);
		PERFORM claim('flow' || i, 't', max_events => 1); COMMIT;
	END LOOP;
END $$;
EOT
$cached = query('SELECT groups_cached FROM _eventlog.group_memory()');
$node->reload;
$node->poll_query_until('postgres', "SELECT current_setting('eventlog.group_expiry') = '4s'") or die;
my $flow = $node->background_psql('postgres');
$flow->query_until(qr/started/, "\\echo started\nCALL flow();\n\\echo finished\n");
ok(wait_until(sub {
	# a member has to be heard of now and then
	$worker->query_safe("SELECT count(*) FROM consume('worker', 't', 1, commit => true)");
	return query("SELECT count(*) FROM eventlog_groups WHERE group_name ~ '^(once|new|holds|ahead|ghost|sleeper|workers)'") eq '0';
}), 'groups that nobody created expire');
query('INSERT INTO done VALUES (true)');
$flow->query_until(qr/finished/, '');
$flow->quit;
becomes("SELECT count(*) = 0 FROM eventlog_groups WHERE group_name ~ '^flow'", '... so do those that came meanwhile');
becomes("SELECT lag IS NULL FROM eventlog_groups WHERE group_name = 'short'", 'created ones after their expire_after');
is(query("SELECT string_agg(group_name, ' ' ORDER BY group_name) FROM eventlog_groups"), 'kept short worker', 'one with a member does not, nor one that was created and has none');
is(query("SELECT lag FROM eventlog_groups WHERE group_name = 'kept'"), 9, '... which is where it was');
becomes("SELECT min(event_offset) > 90 FROM held", 'retention waits for them no longer');
my $lines = slurp_file($node->logfile, $log);
like($lines, qr/LOG:  committed offsets of group "once3" have expired\n.*DETAIL:  Nobody has used it for \d+ seconds\. Its offsets were: t 0: [25], 1: [25]\./, 'the log has their offsets');
is(scalar(() = $lines =~ /LOG:  committed offsets of group "once\d+" have expired/g), $left_behind, 'one line each');
is(scalar(() = $lines =~ /LOG:  committed offsets of group "(?:kept|worker)" have expired/g), 0, 'and none of those that are left');
is(committed('once%'), 0, 'nothing of them is left in the topic of committed offsets');
is(committed('kept'), 2, 'nor of a topic that does not exist');
cmp_ok(query('SELECT groups_cached FROM _eventlog.group_memory()'), '<', $cached, 'nor in memory');
$worker->quit;
is(query("SELECT count(*) FROM claim('once3', 't')"), 10, 'one of them begins anew');
is(query("SELECT t, c FROM unnest('{t,work,stays,_eventlog.committed_offsets}'::regclass[]) t, check_topic(t) c"), '', 'the logs are sound');
is(scalar(() = slurp_file($node->logfile) =~ /TRAP:|PANIC:|53200.*was refused/g), 0, 'nothing else has happened');

$node->stop;
done_testing();
