# ALTER EXTENSION eventlog UPDATE loses nothing; a database that has not run it
# is served as before; and versions that are not known are refused without harm:
# of the extension, of a log's format, of a WAL record.
#
# The version after this one is made here, in a copy of the installation:
# PostgreSQL finds its files relative to its programs.

use strict;
use warnings FATAL => 'all';

use File::Basename qw(basename dirname);
use File::Copy qw(copy);
use File::Path qw(make_path);
use lib dirname(__FILE__) . '/../lib';

use EventlogTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $tmp = PostgreSQL::Test::Utils::tempdir();

#
# The copy: programs, share and share/extension are folders of its own, with
# links to what they need not change
#

my ($bindir, $pkglibdir, $sharedir) =
  map { my ($path) = run_command([ 'pg_config', $_ ]); $path } qw(--bindir --pkglibdir --sharedir);
my $common = $bindir;
$common = dirname($common) until $pkglibdir =~ m{^\Q$common\E/} && $sharedir =~ m{^\Q$common\E/};

sub copied { return $tmp . substr($_[0], length $common) }

make_path(copied($bindir), dirname(copied($pkglibdir)), copied("$sharedir/extension"));
foreach my $program (glob "$bindir/*")
{
	my $target = copied($bindir) . '/' . basename($program);
	copy($program, $target) or die "$target: $!";
	chmod 0755, $target;
}
symlink $pkglibdir, copied($pkglibdir) or die "$pkglibdir: $!" unless -e copied($pkglibdir);
foreach my $file (grep { !m{/extension\z} } glob("$sharedir/*"), glob("$sharedir/extension/*"))
{
	symlink $file, copied($file) or die "$file: $!";
}
if (!IPC::Run::run([ copied($bindir) . '/initdb', '--version' ], '>', \my $out, '2>', \my $err))
{
	plan(skip_all => "needs a PostgreSQL whose programs run from another folder: $err");
}

my $control = copied("$sharedir/extension/eventlog.control");

# As "make install" of the next release does it.
sub install_next
{
	my $text = slurp_file($control);
	$text =~ s/default_version = '1\.1'/default_version = '1.2'/ or die 'the version is another';
	unlink $control;
	append_to_file($control, $text);
	append_to_file(copied("$sharedir/extension/eventlog--1.1--1.2.sql"), <<'EOT');
\echo Use "ALTER EXTENSION eventlog UPDATE TO '1.2'" to load this file. \quit
ALTER TABLE _eventlog.groups ADD COLUMN note text DEFAULT 'none';
CREATE TABLE _eventlog.notes (note text PRIMARY KEY);
SELECT pg_catalog.pg_extension_config_dump('_eventlog.notes', '');
CREATE FUNCTION @extschema@.eventlog_version() RETURNS text LANGUAGE sql AS $$ SELECT '1.2' $$;
CREATE OR REPLACE VIEW @extschema@.eventlog_groups AS SELECT g.*, n.note FROM _eventlog.group_states() g LEFT JOIN _eventlog.groups n USING (group_name);
CREATE OR REPLACE FUNCTION @extschema@.check_topic(topic regclass, OUT partition int, OUT problem text) RETURNS SETOF record
	LANGUAGE c STABLE STRICT AS 'MODULE_PATHNAME', 'eventlog_check_topic';
EOT
	return;
}

my $node = PostgreSQL::Test::Cluster->new('update', install_path => dirname(copied($bindir)));
init_cluster($node);
$node->append_conf('postgresql.conf', "shared_preload_libraries = 'eventlog'\nmax_prepared_transactions = 10\n");
$node->start;
sub sql { return $node->safe_psql($_[1] // 'postgres', $_[0]) }

like(sql("SELECT setting FROM pg_config WHERE name = 'SHAREDIR'"), qr/^\Q$tmp\E/, 'the server runs from the copy');

#
# Version 1.0, in use
#

sql(<<'EOT');
CREATE SCHEMA log;
GRANT USAGE ON SCHEMA log TO PUBLIC;
CREATE EXTENSION eventlog SCHEMA log VERSION '1.0';
ALTER DATABASE postgres SET search_path = public, log;
EOT
sql(<<'EOT');
SELECT create_topic('orders', 3, 'text', 'json', '{"compression": "zstd"}');
SELECT create_topic('short', 1, 'bigint', 'text', '{"segment_bytes": 65536, "compression": "none"}');
SELECT produce('orders', 'k' || i, json_build_object('i', i)) FROM generate_series(1, 50) i;
BEGIN; SELECT produce('orders', 'aborted', '{}'); SELECT flush(); ROLLBACK;
SELECT produce('orders', 'k' || i, json_build_object('i', i)) FROM generate_series(51, 100) i;
SELECT count(produce('short', i, repeat('x', 1000))) FROM generate_series(1, 300) i;
SELECT delete_events_before('short', 0, 150);
SELECT create_topic('emptied', 1, 'text', 'text');
SELECT produce('emptied', i::text, '') FROM generate_series(1, 9) i;
TRUNCATE emptied;
SELECT create_group('made', '{"start_from": "latest"}');
SELECT create_group('granted');
CREATE ROLE reader;
SELECT grant_group('granted', 'reader');
SELECT count(*) FROM consume('half', 'orders', 40, commit => true);
SELECT count(*) FROM claim('claims', 'short', 70);
SELECT count(*) FROM consume('made', 'orders', commit => true);
EOT

# What an update must not change.
sub describe
{
	my ($db) = @_;
	my $got = '';
	foreach my $query (
		'SELECT topic, partitions, key_type, value_type, options, events FROM eventlog_topics ORDER BY topic::text',
		'SELECT topic, partition, log_start_offset, log_end_offset, stable_offset FROM eventlog_partitions WHERE topic::text !~ \'^_eventlog\' ORDER BY topic::text, partition',
		# what was delivered to sessions, and never committed, is known to a running server alone
		'SELECT group_name, topic, partition, committed_offset, lag FROM eventlog_lag WHERE group_name <> \'sessions\' ORDER BY 1, 2::text, 3',
		'SELECT group_name, owner, lag FROM eventlog_groups WHERE group_name <> \'sessions\' ORDER BY 1',
		'SELECT group_name, options FROM _eventlog.groups ORDER BY 1',
		'SELECT * FROM _eventlog.group_grants',
		'SELECT topic, partition, log_end FROM _eventlog.log_floor ORDER BY 1, 2',
		(map { ("SELECT * FROM $_ ORDER BY 1, 2", "SELECT * FROM read_topic('$_', max_events => 10000)", "SELECT * FROM check_topic('$_')") } qw(orders short emptied)))
	{
		$got .= "-- $query\n" . sql("SET timezone = 'UTC'; $query", $db) . "\n";
	}
	return $got;
}

# The columns that both versions have.
my $partitions = 'p.topic, p.partition, log_start_offset, log_end_offset, stable_offset, segments, p.bytes, blocked_by_pid, blocked_by_gid, blocked_since';

# The views as a role sees them: all columns but lag_seconds, which grows.
sub views
{
	my ($role) = @_;
	return join '', map { "-- $role: $_\n" . sql("SET ROLE $role; SET timezone = 'UTC'; $_") . "\n" } (
		'SELECT * FROM eventlog_topics ORDER BY topic::text',
		"SELECT $partitions FROM eventlog_partitions p ORDER BY topic::text, partition",
		'SELECT * FROM eventlog_groups ORDER BY group_name',
		'SELECT * FROM eventlog_members ORDER BY group_name, member',
		'SELECT to_jsonb(l) - \'lag_seconds\', lag_seconds IS NULL FROM eventlog_lag l ORDER BY group_name, topic::text, partition');
}

# What the views are to those who use them; 1.1 adds a column, and says otherwise what eventlog_topics.events is.
sub declarations
{
	my ($db) = @_;
	return sql(<<'EOT', $db);
SELECT relname, attnum, attname, format_type(atttypid, atttypmod), attcollation::regcollation, col_description(attrelid, attnum)
FROM pg_attribute JOIN pg_class c ON c.oid = attrelid WHERE relkind = 'v' AND relname ~ '^eventlog_' AND attname <> 'leader_epoch' ORDER BY 1, 2;
SELECT relname, relowner::regrole, relacl, reloptions, CASE WHEN relname <> 'eventlog_topics' THEN obj_description(oid, 'pg_class') END FROM pg_class WHERE relkind = 'v' AND relname ~ '^eventlog_' ORDER BY 1
EOT
}

sub version { return sql("SELECT extversion FROM pg_extension WHERE extname = 'eventlog'", $_[0]) }

my $producing;
my $before = describe('postgres');
like($before, qr/^half\|orders\|/m, 'there are groups');
is(version('postgres'), '1.0', 'the version is the one that was asked for');

# members of both kinds, at work and not, and transactions that readers wait for
sql(<<'EOT');
CREATE ROLE super SUPERUSER;
CREATE ROLE worker LOGIN;
CREATE ROLE looker IN ROLE pg_monitor;
CREATE ROLE reporter IN ROLE pg_read_all_stats;
CREATE ROLE nobody;
GRANT SELECT ON orders, short TO reader, reporter;
GRANT SELECT, INSERT ON orders TO worker;
CREATE VIEW on_top AS SELECT application_name, pid, blocked_since FROM eventlog_members LEFT JOIN eventlog_partitions ON blocked_by_pid = pid;
BEGIN; SELECT produce('short', 301, 'prepared'), flush(); PREPARE TRANSACTION 'left alone';
SELECT create_group('names');
SELECT grant_group('names', 'worker');
SELECT join_group('names', '{orders}', 'idle');
EOT
my @roles = ('super', 'worker', 'looker', 'reporter', 'reader', 'nobody');
my $worker = $node->background_psql('postgres', extra_params => [ '-U', 'worker' ]);
my $other = $node->background_psql('postgres');
my $watch = $node->background_psql('postgres');
$worker->query_safe("SET application_name = 'at work'");
$worker->query_safe("BEGIN; SELECT count(*) FROM consume('sessions', 'orders', 10); SELECT count(*) FROM consume('names', 'orders', 10, member => 'busy')");
$worker->query_safe("SELECT produce('orders', 'waited for', '{}', partition => 1), flush()");
$other->query_safe("SELECT count(*) FROM consume('sessions', 'orders', 10)");
$watch->query_safe('PREPARE watch AS SELECT ' . $partitions . ', m.* FROM eventlog_partitions p LEFT JOIN eventlog_members m ON pid = blocked_by_pid ORDER BY topic::text, partition, group_name, member');

# who is to see what: the start of a transaction is hidden from those who may not see others' statistics
my ($worker_pid, $other_pid) = (session_pid($worker), session_pid($other));
my $blocked = "SELECT topic, blocked_by_pid = $worker_pid, blocked_by_gid, blocked_since IS NOT NULL FROM eventlog_partitions WHERE stable_offset < log_end_offset ORDER BY topic::text";
my %blocked = (
	(map { $_ => "orders|t||t\nshort||left alone|t" } 'super', 'looker', 'reporter'),
	reader => "orders|t||f\nshort||left alone|t",
	worker => 'orders|t||t',
	nobody => '');
my $working = "SELECT group_name, CASE kind WHEN 'named' THEN member END, pid = $worker_pid, application_name FROM eventlog_members WHERE pid IS DISTINCT FROM $other_pid ORDER BY 1, 2";
my %working = ((map { $_ => "names|busy|t|at work\nnames|idle||\nsessions||t|at work" } @roles), nobody => '');

sub check_views
{
	my ($version) = @_;
	foreach my $role (@roles)
	{
		is(sql("SET ROLE $role; $blocked"), $blocked{$role}, "$version: $role sees who blocks readers");
		is(sql("SET ROLE $role; $working"), $working{$role}, "$version: $role sees who works");
	}
	return;
}

$before = describe('postgres');
check_views('1.0');
my %views = map { $_ => views($_) } @roles;
my $declared = declarations('postgres');
my $on_top = sql('SELECT * FROM on_top ORDER BY on_top');
my $watched = $watch->query_safe('EXECUTE watch');

#
# ALTER EXTENSION UPDATE to this version
#

# produce() has got arguments: what depends on the function that goes is named
sql(<<'EOT');
CREATE VIEW producing AS SELECT produce('orders', 'from the view'::text, '{}'::text) AS partition;
CREATE FUNCTION producing_too() RETURNS int LANGUAGE sql BEGIN ATOMIC SELECT produce('orders', 'from the function'::text, '{}'::text); END;
CREATE FUNCTION by_text() RETURNS int LANGUAGE sql AS $$ SELECT produce('orders', 'by text', '{}') $$;
EOT
expect_error($node, "ALTER EXTENSION eventlog UPDATE TO '1.1'", '2BP01', qr/view public\.producing depends on function produce\(.*function public\.producing_too\(\) depends on/s,
	'an update that drops what others depend on is refused, and names them');
is(version('postgres'), '1.0', '... the version is what it was');
is(describe('postgres'), $before, '... and everything else');
sql('DROP VIEW producing; DROP FUNCTION producing_too');
$producing = $node->background_psql('postgres');
$producing->query_safe("PREPARE of_1_0 AS SELECT produce('short', \$1::int, 'prepared'); BEGIN; EXECUTE of_1_0(-1); SELECT by_text(); ROLLBACK");

sql("BEGIN; ALTER EXTENSION eventlog UPDATE TO '1.1'; SELECT count(*) FROM eventlog_members; ROLLBACK");
is(version('postgres'), '1.0', 'an update can be rolled back');
is(views('super'), $views{super}, '... and 1.0 is served as before');

sql('ALTER EXTENSION eventlog UPDATE');
is(version('postgres'), '1.1', 'updated');
is(describe('postgres'), $before, '... and nothing is lost');
is(declarations('postgres'), $declared, '... the views are declared as before');
is(views($_), $views{$_}, "... and show $_ the same") foreach @roles;
is(sql('SELECT * FROM on_top ORDER BY on_top'), $on_top, '... so does a view on top of them');
is($watch->query_safe('EXECUTE watch'), $watched, '... and a statement that was prepared before');
$producing->query_safe('BEGIN; EXECUTE of_1_0(-1); SELECT by_text(); ROLLBACK');
$producing->quit;
pass('... one that produces, and a function that does');
sql("BEGIN; SELECT produce('orders', 'k', '{}', producer => 'p', sequence => 1); ROLLBACK");
is(sql("SELECT count(*) FROM pg_proc WHERE pronamespace = '_eventlog'::regnamespace AND proname ~ '1_0'"), '0', '... nothing of 1.0 is left behind');
check_views('1.1');

$worker->query_safe('ROLLBACK');
$_->quit foreach $worker, $other, $watch;
sql("ROLLBACK PREPARED 'left alone'");
sql("DROP VIEW on_top; SELECT leave_group('names', member) FROM eventlog_members WHERE group_name = 'names'");
sql("SELECT drop_group('names')");
# a dump has no events that were rolled back; behind them is one that committed
sql("SELECT produce('orders', 'behind', '{}', partition => 1), produce('short', 301, 'behind')");

# dumped and restored; new, and new as 1.0
sql("CREATE DATABASE $_") foreach qw(new old updated_copy new_copy old_copy);
sql("ALTER DATABASE $_ SET search_path = public, log") foreach qw(new old updated_copy new_copy old_copy);
sql('CREATE SCHEMA log; GRANT USAGE ON SCHEMA log TO PUBLIC', $_) foreach qw(new old);
sql('CREATE EXTENSION eventlog SCHEMA log', 'new');
sql("CREATE EXTENSION eventlog SCHEMA log VERSION '1.0'", 'old');
is(version('new') . ' ' . version('old'), '1.1 1.0', 'a new database has the newest version, or the one that was asked for');
foreach my $db (qw(new old))
{
	is(declarations($db), $declared, "$db: the views are declared alike");
	sql(<<'EOT', $db);
SELECT create_topic('orders'), create_topic('short', 2, 'text', 'text'), create_topic('emptied');
SELECT produce('orders', i::text, '1'), produce('short', i::text, 'x') FROM generate_series(1, 20) i;
SELECT count(*) FROM consume('half', 'orders', 7, commit => true);
EOT
}
my $definitions = "SELECT relname, pg_get_viewdef(oid) FROM pg_class WHERE relkind = 'v' AND relname ~ '^eventlog_' ORDER BY 1";
is(sql($definitions), sql($definitions, 'new'), 'a database that was updated is like a new one');
foreach my $case ([ 'postgres', 'updated_copy' ], [ 'new', 'new_copy' ], [ 'old', 'old_copy' ])
{
	my ($db, $copy) = @$case;
	$node->command_ok([ 'pg_dump', '-Fc', '-f', "$tmp/$copy.dump", $node->connstr($db) ], "$db: pg_dump");
	$node->command_ok([ 'pg_restore', '--exit-on-error', '-d', $node->connstr($copy), "$tmp/$copy.dump" ], "$db: pg_restore");
	is(version($copy), '1.1', "$db: the copy has this version");
	is(declarations($copy), $declared, '... its views');
	is(describe($copy), describe($db), '... and everything else');
}
# nothing kept roles of 1.0's groups from being dropped
sql(<<'EOT', 'old');
CREATE ROLE gone;
SET ROLE gone;
SELECT create_group('of gone', '{"on_lost": "latest"}');
RESET ROLE;
SELECT grant_group('of gone', 'gone'), grant_group('of gone', 'reader');
DROP ROLE gone;
SET ROLE worker;
SELECT create_group('of worker');
RESET ROLE;
CREATE ROLE producer;
REVOKE EXECUTE ON FUNCTION produce(regclass, text, text, jsonb, bigint, timestamptz), produce(regclass, "any", "any", jsonb, bigint, timestamptz),
	produce_batch(regclass, jsonb) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION produce(regclass, text, text, jsonb, bigint, timestamptz), produce_batch(regclass, jsonb) TO producer WITH GRANT OPTION;
REVOKE ALL ON FUNCTION produce_batch(regclass, text[], text[]) FROM PUBLIC, CURRENT_USER;
EOT
sql('ALTER EXTENSION eventlog UPDATE', 'old');
# who may call what, by arguments
my $may_produce = <<'EOT';
SELECT pg_get_function_identity_arguments(oid), proname, array_to_string(proacl, ' ') ~ '(^| )=X/' OR proacl IS NULL AS public,
	has_function_privilege('producer', oid, 'EXECUTE WITH GRANT OPTION') AS producer, cardinality(proacl)
FROM pg_proc WHERE proname IN ('produce', 'produce_batch') AND pronamespace = 'log'::regnamespace ORDER BY proname, pg_get_function_identity_arguments(oid) COLLATE "C"
EOT
my $rights = sql($may_produce, 'old');
is($rights, <<'EOT' =~ s/\n\z//r, 'rights on former signatures are those of the new ones');
topic regclass, key "any", value "any", headers jsonb, partition bigint, event_time timestamp with time zone, producer text, sequence bigint|produce|f|f|1
topic regclass, key "any", value text, headers jsonb, partition bigint, event_time timestamp with time zone, producer text, sequence bigint|produce|t|f|
topic regclass, key text, value "any", headers jsonb, partition bigint, event_time timestamp with time zone, producer text, sequence bigint|produce|t|f|
topic regclass, key text, value text, headers jsonb, partition bigint, event_time timestamp with time zone, producer text, sequence bigint|produce|f|t|2
topic regclass, events json|produce_batch|f|t|2
topic regclass, events json, producer text, sequence bigint|produce_batch|f|t|2
topic regclass, events jsonb|produce_batch|f|t|2
topic regclass, events jsonb, producer text, sequence bigint|produce_batch|f|t|2
topic regclass, events text|produce_batch|f|t|2
topic regclass, events text, producer text, sequence bigint|produce_batch|f|t|2
topic regclass, keys text[], event_values text[]|produce_batch|f|f|0
topic regclass, keys text[], event_values text[], producer text, sequence bigint|produce_batch|f|f|0
EOT
expect_error($node, 'DROP ROLE producer', '2BP01', qr/privileges for function (log\.)?produce\(regclass,text,text,jsonb,bigint,timestamp with time zone,text,bigint\)/,
	'... which keep roles from being dropped', 'old');
sql('CREATE DATABASE rights_copy; ALTER DATABASE rights_copy SET search_path = public, log');
$node->command_ok([ 'pg_dump', '-Fc', '-f', "$tmp/rights.dump", $node->connstr('old') ], '... pg_dump');
$node->command_ok([ 'pg_restore', '--exit-on-error', '-d', $node->connstr('rights_copy'), "$tmp/rights.dump" ], '... pg_restore');
is(sql($may_produce, 'rights_copy'), $rights, '... and are in the copy');
sql($_ eq 'old' ? 'DROP OWNED BY producer' : 'DROP OWNED BY producer; DROP ROLE producer', $_) foreach 'old', 'rights_copy';
is(sql("SELECT count(*) FROM pg_proc WHERE array_to_string(proacl, ' ') ~ 'producer|^\\d|\\m\\d+='", 'old'), '0', '... until DROP OWNED');
is(sql("SELECT group_name, owner = current_user::regrole, options FROM _eventlog.groups WHERE group_name ~ '^of ' ORDER BY 1", 'old'),
	qq(of gone|t|{"on_lost": "latest"}\nof worker|f|{}), 'groups of roles that are gone are who updates\'s');
is(sql('SELECT * FROM _eventlog.group_grants', 'old'), 'of gone|reader', '... their grants are gone, too');
expect_error($node, "DROP ROLE $_", '2BP01', qr/column (owner|role) of table _eventlog\.group/, "... and $_ is not dropped any more", 'old') foreach 'worker', 'reader';
sql("SELECT drop_group('of gone'), drop_group('of worker')", 'old');
is(sql($definitions, 'old'), sql($definitions, 'new'), 'a new database of version 1.0 is updated as well');

#
# ALTER EXTENSION UPDATE to the next version
#

$before = describe('postgres');
expect_error($node, "ALTER EXTENSION eventlog UPDATE TO '1.2'", '22023', qr/no update path/, 'a version that is not installed is refused');
is(describe('postgres'), $before, '... and nothing has changed');

install_next();
is(sql('SELECT default_version, installed_version FROM pg_available_extensions WHERE name = \'eventlog\''), '1.2|1.1', 'the next version is installed');
expect_error($node, "ALTER EXTENSION eventlog UPDATE TO '9.9'", '22023', qr/no update path/, 'one that nobody knows still is');

# sessions that are in the middle of something
my $producer = $node->background_psql('postgres');
$producer->query_safe("BEGIN; SELECT produce('orders', 'across', '{}', partition => 0)");
my $consumer = $node->background_psql('postgres');
my $first = $consumer->query_safe("SELECT count(*) FROM consume('member', 'orders', 10)");
$before = describe('postgres');

sql("BEGIN; ALTER EXTENSION eventlog UPDATE TO '1.2'; SELECT produce('orders', 'rolled back', '{}'); ROLLBACK");
is(version('postgres'), '1.1', 'an update can be rolled back');
is(describe('postgres'), $before, '... and nothing has changed');

sql("ALTER EXTENSION eventlog UPDATE TO '1.2'");
is(sql('SELECT extversion, eventlog_version() FROM pg_extension WHERE extname = \'eventlog\''), '1.2|1.2', 'updated');
is(describe('postgres'), $before, '... and nothing is lost');
is(sql("SELECT group_name, note FROM eventlog_groups WHERE group_name IN ('half', 'made') ORDER BY 1"), "half|\nmade|none", 'what is new is there');
expect_error($node, "ALTER EXTENSION eventlog UPDATE TO '$_'", '22023', qr/no update path/, "there is no way back to $_") foreach '1.0', '1.1';

$producer->query_safe('COMMIT');
$producer->quit;
is(sql("SELECT count(*) FROM read_topic('orders', max_events => 1000) WHERE key = 'across'"), '1', 'a transaction that was open during the update goes on');
is($consumer->query_safe("SELECT count(*) FROM consume('member', 'orders', 1000, commit => true)") + $first,
	sql('SELECT count(*) FROM orders'), 'so does a member, where it was');
$consumer->quit;

# dump and restore of the updated database
sql("INSERT INTO _eventlog.notes VALUES ('kept')");
$before = describe('postgres');
$node->command_ok([ 'pg_dump', '-Fc', '-f', "$tmp/updated.dump", $node->connstr('postgres') ], 'pg_dump');
sql("CREATE DATABASE copy; ALTER DATABASE copy SET search_path = public, log");
$node->command_ok([ 'pg_restore', '--exit-on-error', '-d', $node->connstr('copy'), "$tmp/updated.dump" ], 'pg_restore');
is(sql('SELECT extversion, (SELECT note FROM _eventlog.notes) FROM pg_extension WHERE extname = \'eventlog\'', 'copy'), '1.2|kept', 'the copy has the next version');
is(describe('copy'), $before, '... and everything else');
foreach my $db ('postgres', 'copy')
{
	is(sql("SELECT count(*) FROM consume('half', 'orders', 1000, commit => true)", $db), sql('SELECT count(*) - 40 FROM orders', $db), "$db: a consumer goes on where it was");
}

#
# A log in a format that is not known
#

sql("CREATE TABLE twin (key text); SELECT create_topic('newer', 1, 'text', 'text'); SELECT produce('newer', i::text, '') FROM generate_series(1, 50) i");
sql("SELECT count(*) FROM consume('newer', 'newer', 5, commit => true)");
my $file = $node->data_dir . '/' . sql("SELECT pg_relation_filepath('newer_p0')");

# Sets the version, which is behind page header and magic number; returns the former one.
sub set_format
{
	my ($version) = @_;
	$node->stop;
	# the page would not be what its checksum says; off already: an error
	IPC::Run::run([ copied($bindir) . '/pg_checksums', '--disable', $node->data_dir ], '>', \my $out, '2>', \my $err);
	open my $log, '+<:raw', $file or die "$file: $!";
	seek $log, 28, 0;
	read($log, my $old, 4) == 4 or die "$file: $!";
	seek $log, 28, 0;
	print $log pack('L', $version);
	close $log or die "$file: $!";
	$node->start;
	return unpack 'L', $old;
}

my $known = set_format(99);
my $bytes = slurp_file($file);
foreach my $statement (
	'SELECT * FROM newer',
	"SELECT * FROM read_topic('newer')",
	"SELECT * FROM consume('newer', 'newer')",
	"SELECT * FROM claim('claims', 'newer')",
	"SELECT * FROM latest('newer')",
	"BEGIN; INSERT INTO twin VALUES ('lost'); SELECT produce('newer', 'k', 'v'); COMMIT",
	"SELECT produce('newer', 'k', 'v'), flush()",
	"BEGIN; INSERT INTO newer (key, value) VALUES ('k', 'v') RETURNING event_offset; COMMIT",
	"SELECT delete_events_before('newer', 0, 10)",
	"TRUNCATE newer",
	'VACUUM newer')
{
	expect_error($node, $statement, '0A000', qr/log format version 99, this library knows versions 4 to $known/, "format 99: $statement");
}
like(sql("SELECT problem FROM check_topic('newer') LIMIT 1"), qr/log format version 99/, 'format 99: check_topic() names it');
# the views warn of it, and show the others
foreach my $query (
	"SELECT topic, partition, log_start_offset IS NULL FROM eventlog_partitions WHERE topic IN ('newer'::regclass, 'orders'::regclass) ORDER BY 1, 2",
	"SELECT topic, events > 0 FROM eventlog_topics WHERE topic IN ('newer'::regclass, 'orders'::regclass) ORDER BY 1",
	"SELECT topic, partition, lag IS NOT NULL FROM eventlog_lag WHERE topic IN ('newer'::regclass, 'orders'::regclass) ORDER BY 1, 2")
{
	my ($rc, $out, $err) = $node->psql('postgres', $query);
	like($err, qr/WARNING:  cannot look at partition 0 of topic "newer": .*format version 99/, "format 99: warned of: $query");
	like($out, qr/^orders\|/m, 'format 99: ... others are shown');
	print "# $_\n" foreach split /\n/, $out;
}
# what is beside it goes on
is(sql("SELECT count(*) FROM twin"), '0', 'format 99: nothing of such a transaction is left');
is(sql("SELECT produce('orders', 'beside', '{}') IS NULL; SELECT count(*) FROM read_topic('orders', max_events => 1000) WHERE key = 'beside'"), "f\n1", 'format 99: other topics go on');
sql('VACUUM orders; CHECKPOINT');
is(slurp_file($file), $bytes, 'format 99: the log was not touched');
ok(!$node->log_contains('PANIC:|TRAP:|signal 11|signal 6'), 'format 99: no crash');

is(set_format($known), 99, 'nobody changed the version');
is(sql("SELECT string_agg(key, ',' ORDER BY event_offset) FROM read_topic('newer')"), join(',', 1 .. 50), 'with the right library everything is there');
is(sql("SELECT count(*) FROM consume('newer', 'newer')"), '45', '... and its consumer goes on');
is(sql("SELECT * FROM check_topic('newer')"), '', '... and it is sound');

#
# Catalogs of another version
#

sql("UPDATE pg_extension SET extversion = '2.0' WHERE extname = 'eventlog'");
foreach my $statement (
	"SELECT produce('orders', 'k', '{}')",
	"SELECT * FROM read_topic('orders')",
	"SELECT * FROM consume('half', 'orders')",
	"SELECT * FROM claim('claims', 'short')",
	"INSERT INTO orders (key, value) VALUES ('k', '{}')",
	"SELECT alter_topic('orders', '{\"retention\": \"1 day\"}')")
{
	expect_error($node, $statement, '0A000', qr/version 2\.0, this library knows versions 1\.x/, "version 2.0: $statement");
}
sql("SELECT count(*) FROM eventlog_topics; BEGIN; DROP EXTENSION eventlog CASCADE; ROLLBACK");
sql("UPDATE pg_extension SET extversion = '1.2' WHERE extname = 'eventlog'");
ok(sql("SELECT count(*) FROM read_topic('orders', max_events => 1000)") > 0, 'with the right version everything is there');

#
# A WAL record of a type that is not known
#

# WAL records begin with length, xid, previous record, info, resource manager and, 20 bytes on, the CRC of what follows
# the header and of the header before the CRC.  Returns the former info byte.
sub set_record_type
{
	my ($wal, $at, $length, $info) = @_;
	open my $file, '+<:raw', $wal or die "$wal: $!";
	seek $file, $at, 0;
	read($file, my $record, $length) == $length or die "$wal: $!";
	my ($was, $crc) = unpack 'x16 C x3 L', $record;
	crc32c(substr($record, 24) . substr($record, 0, 20)) == $crc or die "$wal: no record at $at";
	substr($record, 16, 1) = pack 'C', $info;
	substr($record, 20, 4) = pack 'L', crc32c(substr($record, 24) . substr($record, 0, 20));
	seek $file, $at, 0;
	print $file $record;
	close $file or die "$wal: $!";
	return $was;
}

sql('SELECT pg_switch_wal(); CHECKPOINT');
my $wal = $node->data_dir . '/pg_wal/' . sql('SELECT pg_walfile_name(pg_current_wal_lsn())');
sql("SELECT produce('orders', 'in the WAL', '{}')");
$before = describe('postgres');
$node->stop('immediate');
my ($records) = run_command([ copied($bindir) . '/pg_waldump', $wal ]);
my ($length, $lsn) = $records =~ m{^rmgr: custom163 +len \(rec/tot\): +\d+/ +(\d+), tx: +\d+, lsn: [0-9A-F]+/([0-9A-F]+),}m
  or die "no record of ours in the WAL: $records";
my $at = hex($lsn) % (16 * 1024 * 1024);
cmp_ok($at % 8192 + $length, '<=', 8192, 'the record lies on one page');

my $type = set_record_type($wal, $at, $length, 0xF0);
ok(!$node->start(fail_ok => 1), 'recovery stops at a record of unknown type');
ok($node->log_contains('PANIC:  eventlog: unknown WAL record type 0xF0'), '... and says so');
set_record_type($wal, $at, $length, $type);
$node->start;
is(describe('postgres'), $before, 'with the right library it goes on, and nothing is lost');

$node->stop;
done_testing();
