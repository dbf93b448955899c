# The owner of a database who is no superuser dumps and restores it, as a superuser
# does: topics, events, offsets, groups, grants and options are equal.  Where
# roles are missing, all but their grants is there, with a warning for each, and
# a group that was private to one is nobody else's.  And a role that owns groups
# in any database is not dropped.

use strict;
use warnings FATAL => 'all';

use File::Basename qw(dirname);
use lib dirname(__FILE__) . '/../lib';

use EventlogTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = new_cluster('owner', conf => "eventlog.retention_check_interval = 1d");
my $tmp = PostgreSQL::Test::Utils::tempdir();

sub sql { return $node->safe_psql($_[1] // 'postgres', $_[0]) }

sub sql_as
{
	my ($role, $sql, $db) = @_;
	return $node->safe_psql($db, $sql, extra_params => [ '-U', $role ]);
}

# A database as a provider gives it to its owner: the extension is there.
sub create_db
{
	my ($db) = @_;
	sql("CREATE DATABASE $db OWNER own");
	# so that it may own the schema
	sql("SELECT 'GRANT CREATE ON DATABASE $db TO team' FROM pg_roles WHERE rolname = 'team' \\gexec");
	sql('CREATE EXTENSION eventlog', $db);
	return;
}

# own is a member of team, and so may restore what is team's; other is a stranger to it
sql(<<'EOT');
CREATE ROLE boss LOGIN SUPERUSER;
CREATE ROLE own LOGIN;
CREATE ROLE team ROLE own;
CREATE ROLE app LOGIN;
CREATE ROLE "Odd role" ROLE own;
CREATE ROLE other LOGIN;
EOT
create_db('original');
sql_as('own', <<'EOT', 'original');
CREATE SCHEMA app;
GRANT USAGE ON SCHEMA app TO PUBLIC;
ALTER SCHEMA app OWNER TO team;
SELECT create_topic('orders', 3, 'text', 'json', '{"retention": "30 days", "segment_bytes": 65536}');
SELECT create_topic('app.docs', 1, 'uuid', 'jsonb', '{"compression": "zstd", "cleanup_policy": "compact"}');
SELECT create_topic('emptied', 1, 'text', 'text');
ALTER TABLE app.docs OWNER TO team;
GRANT SELECT ON orders TO app, other;
SELECT produce('orders', 'k' || i, json_build_object('i', i)) FROM generate_series(1, 100) i;
BEGIN; SELECT produce('orders', 'aborted', '{}'), flush(); ROLLBACK;
SELECT produce('orders', 'k' || i, json_build_object('i', i)) FROM generate_series(101, 200) i;
SELECT produce('app.docs', gen_random_uuid(), '{}') FROM generate_series(1, 20) i;
SELECT produce('emptied', i::text, '', producer => 'p' || i, sequence => i) FROM generate_series(1, 7) i;
TRUNCATE emptied;
SELECT create_group('mine', '{"start_from": "latest", "max_poll_interval": "10 min"}');
SELECT create_group('with grants');
SELECT grant_group('with grants', 'app'), grant_group('with grants', '"Odd role"'), grant_group('mine', 'app');
SET ROLE team;
SELECT create_group('private', '{"on_lost": "latest", "max_poll_interval": "1 hour"}');
SELECT create_group('teams');
SET ROLE "Odd role";
SELECT create_group('odd');
RESET ROLE;
SELECT count(*) FROM consume('private', 'orders', 50, commit => true);
SELECT count(*) FROM consume('free', 'orders', 70, commit => true);
SELECT count(*) FROM claim('mine', 'app.docs', 10);
SELECT seek('teams', 'orders', 1, 5);
EOT
my @topics = qw(orders app.docs emptied);

# What must be equal in a database and its copy.
sub describe
{
	my ($db) = @_;
	return query_all($node, $db, {
		topics => 'SELECT topic, partitions, key_type, value_type, options, events FROM eventlog_topics ORDER BY topic::text',
		ends => 'SELECT topic, partition, log_start_offset, log_end_offset FROM eventlog_partitions ORDER BY topic::text, partition',
		owners => "SELECT oid::regclass, relowner::regrole FROM pg_class WHERE relkind IN ('r', 'p') AND relnamespace IN ('public'::regnamespace, 'app'::regnamespace) ORDER BY oid::regclass::text",
		privileges => "SELECT oid::regclass, relacl FROM pg_class WHERE relkind = 'p' AND relnamespace IN ('public'::regnamespace, 'app'::regnamespace) ORDER BY oid::regclass::text",
		groups => 'SELECT * FROM _eventlog.groups ORDER BY 1',
		grants => 'SELECT * FROM _eventlog.group_grants ORDER BY 1, role::text',
		'views of groups' => 'SELECT group_name, owner, topics, lag FROM eventlog_groups ORDER BY 1',
		offsets => 'SELECT group_name, topic, partition, committed_offset, lag FROM eventlog_lag ORDER BY 1, 2::text, 3',
		'sequences of producers' => 'SELECT event_offset, key, value FROM _eventlog.positions ORDER BY 1',
		held => "SELECT attname, a.privilege_type, a.grantee::regrole FROM pg_attribute, aclexplode(attacl) a WHERE attrelid IN ('_eventlog.groups'::regclass, '_eventlog.group_grants'::regclass) ORDER BY 1, 3::text" },
		@topics);
}

# What the command says, without "pg_restore:" before each line.
sub said
{
	my (@command) = @_;
	my ($out, $err) = run_command(\@command);
	$err =~ s/^pg_restore: //mg;
	return $err;
}

sub dump_ok
{
	my ($role, $db, $file, @options) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	is(said('pg_dump', '-U', $role, '-Fc', '-f', "$tmp/$file", @options, $node->connstr($db)), '', "pg_dump of $db by $role");
	return;
}

sub restore
{
	my ($role, $db, $file, @options) = @_;
	return said('pg_restore', '-U', $role, @options, '-d', $node->connstr($db), "$tmp/$file");
}

# pg_restore keeps the server's warnings to itself without --verbose.  It writes its name, a space and the message
# one by one, so that with -j what another process writes may stand in front of a message, never within one.
sub complaints
{
	my $err = restore(@_, '--verbose');
	return join("\n", sort $err =~ /(?:WARNING|ERROR|error).*/g);
}

my $original = describe('original');
like($original->{held}, qr/^owner\|REFERENCES\|own\nowner\|REFERENCES\|team\nowner\|REFERENCES\|"Odd role"\nrole\|REFERENCES\|app\n/, 'the roles that own groups are held');

#
# Roles are there
#
dump_ok('own', 'original', 'by_own');
dump_ok('boss', 'original', 'by_super');
dump_ok('own', 'original', 'data', '--data-only');

my %form = (
	plain => [],
	jobs => ['-j2'],
	'single transaction' => [ '--single-transaction', '--exit-on-error' ],
	'no owner' => ['--no-owner']);
my $n = 0;
foreach my $role ('own', 'boss')
{
	foreach my $form (sort keys %form)
	{
		foreach my $file ('by_own', 'by_super')
		{
			next if $file eq 'by_super' && $form ne 'plain';
			my $db = 'copy_' . ++$n;
			create_db($db);
			is(restore($role, $db, $file, @{ $form{$form} }), '', "$file restored by $role, $form: not a word");
			my $is = describe($db);
			if ($form eq 'no owner')
			{
				# tables are the restoring role's, groups are nobody's to give away
				is($is->{owners} =~ s/\|.*//mgr, $original->{owners} =~ s/\|.*//mgr, '... the tables');
				delete @{$is}{qw(owners privileges)};
				same_description("... $db", $is, { map { $_ => $original->{$_} } keys %$is });
			}
			else
			{
				same_description("... $db", $is, $original);
			}
			sql("DROP DATABASE $db");
		}
	}

	# the schema, then the data by themselves, with and without what disables triggers
	foreach my $options ([], ['--disable-triggers'])
	{
		# tables of others cannot be altered, which is what --disable-triggers does
		next if @$options && $role eq 'own';
		my $db = 'copy_' . ++$n;
		create_db($db);
		is(restore($role, $db, 'by_own', '--schema-only'), '', "the schema by $role");
		is(sql('SELECT count(*) FROM _eventlog.groups', $db), '0', '... has no groups');
		is(restore($role, $db, 'data', '--data-only', @$options), '', "... and the data @$options");
		same_description("... $db", describe($db), $original);
		sql("DROP DATABASE $db");
	}

	# one topic into a database that has it: its events
	my $db = 'copy_' . ++$n;
	create_db($db);
	is(restore($role, $db, 'by_own', '--schema-only'), '', "the schema by $role");
	is(restore($role, $db, 'by_own', '--data-only', map { ('-t', $_) } qw(orders_p0 orders_p1 orders_p2 committed_offsets_p0)), '', '... and with -t one topic, and offsets');
	my $is = describe($db);
	same_description("... $db", $is, { map { $_ => $original->{$_} } 'events of orders', 'check_topic of orders' });
	is($is->{'events of app.docs'} . $is->{groups}, '', '... and nothing else');
	is(sql("SELECT sum(committed_offset) FROM eventlog_lag WHERE group_name = 'free'", $db), '70', '... the groups go on');
	sql("DROP DATABASE $db");
}

# a copy of a copy has the same dump
sub dump_text
{
	my ($db) = @_;
	my ($out, $err) = run_command([ 'pg_dump', '-U', 'own', $node->connstr($db) ]);
	die $err if $err ne '';
	$out =~ s/^\\(un)?restrict .*\n//mg;
	return $out;
}
create_db('again');
restore('own', 'again', 'by_own');
ok(dump_text('again') eq dump_text('original'), 'a copy has the same dump as the original');
unlike(dump_text('again'), qr/REFERENCES ?\(/, '... in which nothing is said of what holds the roles');

# life goes on
is(sql_as('own', "SELECT count(*) FROM consume('free', 'orders', 1000, commit => true)", 'again'), '130', 'who consumed goes on where it was');
is(sql_as('own', "SELECT produce('emptied', 'k', 'v') \\g /dev/null\nSELECT max(event_offset) FROM emptied", 'again'), '7', 'so does a log that was emptied');
sql('DROP DATABASE again');

#
# Who may not give groups to others does not get them for others
#
create_db('stranger');
sql('ALTER DATABASE stranger OWNER TO app');
is(complaints('app', 'stranger', 'by_own', '--no-owner', '--no-privileges'),
	join("\n", map { qq(WARNING:  group "$_" becomes that of role "app") } 'mine', 'odd', 'private', 'teams', 'with grants'), 'a stranger is told of each group that becomes his');
is(sql('SELECT DISTINCT owner FROM _eventlog.groups', 'stranger'), 'app', '... all of them');
my $is = describe('stranger');
is($is->{grants}, $original->{grants}, '... with their grants');
expect_error($node, "SET ROLE other; SELECT * FROM consume('private', 'orders')", '42501', qr/permission denied for/, '... and private ones are closed', 'stranger');
sql('DROP DATABASE stranger');

#
# What was rolled back can be repeated
#
create_db('repeated');
sql(q{CREATE FUNCTION stop() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'stopped'; END $$;
	CREATE EVENT TRIGGER stop ON ddl_command_start WHEN TAG IN ('GRANT') EXECUTE FUNCTION stop()}, 'repeated');
like(restore('own', 'repeated', 'by_own', '--single-transaction'), qr/stopped/, 'a restore that ends at an error');
is(sql('SELECT (SELECT count(*) FROM _eventlog.groups) + (SELECT count(*) FROM _eventlog.group_grants) + (SELECT count(*) FROM eventlog_topics)', 'repeated'), '0', '... leaves nothing');
sql('DROP EVENT TRIGGER stop; DROP FUNCTION stop()', 'repeated');
is(restore('own', 'repeated', 'by_own', '--single-transaction'), '', '... and is repeated');
same_description('... repeated', describe('repeated'), $original);
sql('DROP DATABASE repeated');

#
# Roles that own groups
#
create_db('elsewhere');
sql_as('other', "SELECT create_group('of other')", 'elsewhere');
sql("SELECT create_group('granted'); SELECT grant_group('granted', 'app')", 'elsewhere');
foreach my $case ([ 'other', qr/1 object in database elsewhere/ ], [ 'team', qr/objects? in database original/ ], [ '"Odd role"', qr/objects? in database original/ ])
{
	my ($role, $detail) = @$case;
	expect_error($node, "DROP ROLE $role", '2BP01', $detail, "$role is not dropped from another database");
}
expect_error($node, 'DROP ROLE other', '2BP01', qr/privileges for column owner of table _eventlog\.groups/, '... nor from its own', 'elsewhere');
sql('REASSIGN OWNED BY other TO app', 'elsewhere');
is(sql("SELECT owner FROM eventlog_groups WHERE group_name = 'of other'", 'elsewhere'), 'app', 'REASSIGN OWNED moves the groups of this database');
is(sql("SELECT owner FROM eventlog_groups WHERE group_name = 'private'", 'original'), 'team', '... and of no other');
# as itself, and by a superuser
sql_as('app', 'DROP OWNED BY app', 'elsewhere');
is(sql('SELECT group_name FROM _eventlog.groups UNION ALL SELECT role::text FROM _eventlog.group_grants', 'elsewhere'), 'granted', 'DROP OWNED ends the groups and grants of this database');
is(sql("SELECT count(*) FROM _eventlog.group_grants WHERE role = 'app'::regrole", 'original'), '2', '... and of no other');
is(sql("SELECT attacl FROM pg_attribute WHERE attrelid = '_eventlog.groups'::regclass AND attacl IS NOT NULL UNION ALL SELECT initprivs FROM pg_init_privs WHERE objoid = '_eventlog.groups'::regclass AND objsubid > 0", 'elsewhere'), '', '... and leaves no privilege');
sql('DROP DATABASE elsewhere');

# the extension's owner: with it goes all, or the groups are another's
sql('CREATE ROLE chief SUPERUSER');
sql('CREATE DATABASE chiefs');
foreach my $statement ('REASSIGN OWNED BY chief TO boss', 'DROP OWNED BY chief CASCADE')
{
	sql(<<'EOT', 'chiefs');
DROP EXTENSION IF EXISTS eventlog CASCADE;
SET ROLE chief;
CREATE SCHEMA IF NOT EXISTS s;
SET search_path = s;
CREATE EXTENSION eventlog SCHEMA s;
SELECT create_topic('t');
SELECT produce('t', 'k', '1');
SELECT create_group('g');
SELECT grant_group('g', 'own');
SELECT count(*) FROM consume('g', 't', commit => true);
EOT
	sql($statement, 'chiefs');
	is(sql('SELECT owner, role FROM _eventlog.groups, _eventlog.group_grants', 'chiefs'), 'boss|own', "$statement: who owns the extension") if $statement =~ /^REASSIGN/;
	is(sql("SELECT count(*) FROM pg_extension WHERE extname = 'eventlog'", 'chiefs'), '0', "$statement: who owns the extension") if $statement =~ /^DROP/;
}
sql('DROP DATABASE chiefs');
sql('DROP ROLE chief');

#
# Roles are missing.  From here on the original is not as it was.
#
sql('DROP OWNED BY other, app', 'original');
sql('DROP DATABASE original');
sql('DROP ROLE team, app, "Odd role"');
foreach my $role ('own', 'boss')
{
	foreach my $options ([], ['-j2'], ['--single-transaction'])
	{
		my $db = 'missing_' . ++$n;
		create_db($db);
		is(complaints($role, $db, 'by_own', '--no-owner', '--no-privileges', @$options),
			join("\n", map { "WARNING:  role $_ does not exist" } '"Odd role"', '"Odd role"', 'app', 'team'), "by $role, roles missing, @$options: a warning for each");
		$is = describe($db);
		same_description("... $db", $is, { map { $_ => $original->{$_} } 'topics', 'ends', 'offsets', map { ("events of $_", "check_topic of $_") } @topics });
		is($is->{grants}, '', '... grants of missing roles are left out');
		is($is->{groups}, $original->{groups} =~ s/\|(team|"Odd role")\|/|$role|/gr, "... groups of missing roles are $role\'s");
		sql("GRANT SELECT ON orders TO other", $db);
		expect_error($node, "SET ROLE other; SELECT * FROM consume('$_', 'orders')", '42501', qr/permission denied for group/, "... $_ is closed", $db) foreach 'private', 'teams', 'odd', 'with grants';
		sql("DROP DATABASE $db");
	}
}

$node->stop;
done_testing();
