# Every form of pg_dump and restore carries topics, events, offsets, options,
# privileges, groups and committed offsets, identically and twice: a copy and
# the copy of that copy have the same dump as the original, and life goes on in
# each as it does in the original.

use strict;
use warnings FATAL => 'all';

use File::Basename qw(dirname);
use lib dirname(__FILE__) . '/../lib';

use EventlogTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = new_cluster('forms', conf => "wal_level = minimal\nmax_wal_senders = 0\nautovacuum = off\neventlog.retention_check_interval = 1d");
my $tmp = PostgreSQL::Test::Utils::tempdir();

$node->safe_psql('postgres', <<'EOT');
CREATE ROLE topic_owner;
CREATE ROLE topic_writer;
CREATE ROLE topic_reader;
CREATE DATABASE original;
EOT
$node->safe_psql('original', <<'EOT');
CREATE EXTENSION eventlog;
CREATE SCHEMA app;
GRANT USAGE ON SCHEMA app TO PUBLIC;

-- five topics; of each several batches with aborted ones between, and a committed one at the end of every partition
SELECT create_topic('orders', 3, 'text', 'json', '{"retention": "30 days"}');
SELECT create_topic('app.docs', 2, 'uuid', 'jsonb', '{"retention": null, "segment_bytes": 65536, "partitioner": "crc32"}');
SELECT create_topic('raw', 2, 'bytea', 'bytea', '{"compression": "none"}');
SELECT create_topic('amounts', 4, 'bigint', 'numeric');
ALTER TABLE amounts ADD CONSTRAINT positive CHECK (value > 0), ADD CONSTRAINT keyed CHECK (key IS NOT NULL OR value IS NULL);
SELECT create_topic('app.single', 1, 'text', 'text', '{"compression": "zstd", "max_event_bytes": 300000, "cleanup_policy": "compact,delete", "delete_retention": "2 days"}');
-- so that the patterns of -t have something to miss
SELECT create_topic('orders_archive', 1, 'text', 'json');
CREATE TABLE orders_plain (n int);

-- produces into all of them; round makes the values differ
CREATE FUNCTION fill(round int, events int) RETURNS void LANGUAGE sql AS $$
	SELECT count(produce('orders', CASE WHEN i % 7 > 0 THEN 'k' || i END,
			CASE WHEN i % 11 > 0 THEN json_build_object('round', round, 'i', i, 'text', E'tab\t"quote" \\ back' || chr(10) || '\N €') END,
			headers => CASE i % 3 WHEN 0 THEN '{"one": "1", "two": null}'::jsonb WHEN 1 THEN '[["h", "1"], ["h", {"base64": "AP8="}]]' END))
		FROM generate_series(1, events) i;
	SELECT count(produce('app.docs', CASE WHEN i % 5 > 0 THEN md5(i::text)::uuid END, CASE WHEN i % 9 > 0 THEN jsonb_build_object('b', round, 'a', repeat('x', i)) END,
			event_time => '2024-05-06 07:08:09.123+00'::timestamptz + i * interval '1 ms'))
		FROM generate_series(1, events) i;
	SELECT count(produce('raw', CASE WHEN i % 6 > 0 THEN '\x00'::bytea || int4send(i) END, CASE i % 4 WHEN 0 THEN '\x00ff005c0a'::bytea WHEN 1 THEN ''::bytea WHEN 2 THEN int8send(round) END))
		FROM generate_series(1, events) i;
	SELECT count(produce('amounts', i::bigint, CASE WHEN i % 10 > 0 THEN i::numeric * 12345678901234567890.123456789 END, headers => '{"h": "€"}'))
		FROM generate_series(1, events) i;
	SELECT count(produce('app.single', 'k' || i % 10, CASE WHEN i % 13 > 0 THEN repeat(md5(i::text), CASE WHEN i % 40 = 0 THEN 9000 ELSE i % 50 END) END))
		FROM generate_series(1, events) i;
$$;
SELECT fill(1, 150);
BEGIN;
SELECT fill(2, 30);
SELECT * FROM flush();
ROLLBACK;
SELECT fill(3, 70);
BEGIN;
SELECT fill(4, 20);
SAVEPOINT s;
SELECT fill(5, 20);
SELECT * FROM flush();
ROLLBACK TO s;
SELECT fill(6, 20);
COMMIT;
SELECT produce('orders_archive', 'k', '1');
SELECT seek('lost', 'app.docs', 0, 10), seek('lost', 'app.docs', 1, 20);
SELECT delete_events_before('app.docs', 0, 40);

-- privileges and owners, of topics and groups
ALTER TABLE orders OWNER TO topic_owner;
GRANT INSERT ON orders TO topic_writer;
GRANT SELECT ON orders, app.docs TO topic_reader WITH GRANT OPTION;
GRANT INSERT ON app.single TO PUBLIC;
SELECT create_group('billing', '{"start_from": "latest", "max_poll_interval": "10 min"}');
SELECT create_group('granted', '{"on_lost": "earliest", "expire_after": "30 days"}');
SELECT create_group('never used');
SELECT grant_group('granted', 'topic_reader'), grant_group('granted', 'topic_writer'), grant_group('never used', 'topic_owner');
ALTER TABLE amounts OWNER TO topic_owner;
SET ROLE topic_owner;
SELECT create_group('owned', '{"session_timeout": "7 s"}');
RESET ROLE;

-- committed offsets: at the start, half-way, at the end, of groups made and not made, of removed events
SELECT count(*) FROM consume('billing', 'orders', commit => true);
SELECT count(*) FROM consume('half', 'orders', 100, commit => true);
SELECT count(*) FROM consume('half', 'raw', 200, commit => true);
SELECT count(*) FROM consume('granted', 'app.single', 1000, commit => true);
SELECT count(*) FROM claim('claims', 'amounts', 100);
SELECT count(*) FROM claim('claims', 'app.docs', 50);
SELECT seek('granted', 'orders', 0, 0), seek('granted', 'orders', 1, 5);
EOT
# behind "billing", which began at the end
$node->safe_psql('original', 'SELECT fill(7, 40)');

my @topics = qw(orders app.docs raw amounts app.single orders_archive);

# Everything that must be equal in a database and its copy, as text.
sub describe
{
	my ($db, @of) = @_;
	my $list = join(', ', map { "'$_'::regclass" } @of ? @of : @topics);
	my %sql = (
		topics => "SELECT * FROM eventlog_topics WHERE topic IN ($list) ORDER BY topic::text",
		'log start and end' => "SELECT topic, partition, log_start_offset, log_end_offset, stable_offset FROM eventlog_partitions WHERE topic IN ($list) ORDER BY topic::text, partition",
		tables => "SELECT r.oid::regclass::text, relowner::regrole, relkind, relacl, amname, relpartbound IS NULL FROM pg_class r LEFT JOIN pg_am a ON a.oid = relam"
		  . " WHERE r.oid IN ($list) OR r.oid IN (SELECT inhrelid FROM pg_inherits WHERE inhparent IN ($list)) ORDER BY 1",
		labels => "SELECT objoid::regclass::text, provider, label FROM pg_seclabel WHERE objoid IN ($list) ORDER BY 1",
		constraints => "SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid) FROM pg_constraint WHERE conrelid IN ($list) ORDER BY 1, 2");
	%sql = (%sql,
		groups => 'SELECT group_name, owner, lag FROM eventlog_groups ORDER BY 1',
		'options of groups' => 'SELECT * FROM _eventlog.groups ORDER BY 1',
		grants => 'SELECT * FROM _eventlog.group_grants ORDER BY 1, 2',
		'log floor' => 'SELECT * FROM _eventlog.log_floor ORDER BY 1, 2',
		offsets => 'SELECT group_name, topic, partition, committed_offset, log_end_offset, lag FROM eventlog_lag ORDER BY group_name, topic::text, partition') if !@of;
	# bytes and segments depend on how events were put into batches
	$sql{topics} =~ s/\*/topic, partitions, key_type, value_type, options, events/;
	return query_all($node, $db, \%sql, @of ? @of : @topics);
}

sub run_ok
{
	my ($name, @command) = @_;
	my ($out, $err) = run_command(\@command);
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	is($err, '', $name);
	return $out;
}

# The dump as text, without the token that pg_dump draws for each.
sub dump_text
{
	my ($db, @options) = @_;
	my ($out, $err) = run_command([ 'pg_dump', @options, $node->connstr($db) ]);
	die $err if $err ne '';
	$out =~ s/^\\(un)?restrict .*\n//mg;
	return $out;
}

sub load_sql
{
	my ($name, $db, $file) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	run_ok($name, 'psql', '-qX', '-v', 'ON_ERROR_STOP=1', '-d', $node->connstr($db), '-o', '/dev/null', '-f', $file);
	return;
}

# What happens next: the offset that each partition gives out, and what each
# group gets, as text.
sub go_on
{
	my ($db) = @_;
	my $got = '';
	$got .= $node->safe_psql($db, <<'EOT');
CREATE TEMP TABLE before AS SELECT topic, partition, log_end_offset AS log_end FROM eventlog_partitions;
SELECT count(produce(topic, NULL, NULL, partition => p)) FROM eventlog_topics, generate_series(0, partitions - 1) p WHERE topic::text !~ '^_|single';
SELECT produce('app.single', 'next', 'v');
SELECT 'next', topic, partition, log_end, log_end_offset FROM before JOIN eventlog_partitions USING (topic, partition) WHERE topic::text !~ '^_' ORDER BY topic::text, partition;
EOT
	foreach my $call (
		"consume('billing', 'orders', 1000, commit => true)", "consume('half', 'orders', 1000, commit => true)",
		"consume('half', 'raw', 1000, commit => true)", "consume('granted', 'app.single', 1000, commit => true)",
		"consume('granted', 'orders', 1000, commit => true)", "consume('owned', 'amounts', 1000, commit => true)",
		"claim('claims', 'amounts', 1000)", "claim('claims', 'app.docs', 1000)", "consume('new', 'orders_archive', commit => true)")
	{
		# event times: what was just produced has other ones
		$got .= "\n$call: " . $node->safe_psql($db,
			"SELECT count(*), string_agg(concat_ws('/', partition, event_offset, key, md5(value::text), headers), ' ' ORDER BY partition, event_offset) FROM $call");
	}
	my ($rc, $out, $err) = $node->psql($db, "SELECT * FROM consume('lost', 'app.docs')", extra_params => [ '-v', 'VERBOSITY=verbose' ]);
	$err =~ /(ERROR:  \w+:.*\nDETAIL: .*)/ or die "lost events are not missed: $err";
	$got .= "\nlost: $1\n" . $node->safe_psql($db, "SELECT t, c FROM unnest('{" . join(',', @topics, '_eventlog.committed_offsets') . "}'::regclass[]) t, check_topic(t) c");
	return $got;
}

my $original = describe('original');
my $text = dump_text('original');
foreach my $topic (@topics)
{
	is($original->{"check_topic of $topic"}, '', "$topic is sound");
	is($original->{"events of $topic"} =~ tr/\n// > 0 || $topic eq 'orders_archive', 1, "$topic has events");
}
unlike($original->{offsets}, qr/^[^|]*\|\|/m, 'every offset belongs to a partition');

#
# A whole database, each form twice
#
my %form = (
	plain => sub {
		my ($from, $to) = @_;
		run_ok("pg_dump of $from", 'pg_dump', '-f', "$tmp/$to", $node->connstr($from));
		load_sql("psql to $to", $to, "$tmp/$to");
	},
	custom => sub {
		my ($from, $to) = @_;
		run_ok("pg_dump -Fc of $from", 'pg_dump', '-Fc', '-f', "$tmp/$to", $node->connstr($from));
		run_ok("pg_restore to $to", 'pg_restore', '--exit-on-error', '--single-transaction', '-d', $node->connstr($to), "$tmp/$to");
	},
	directory => sub {
		my ($from, $to) = @_;
		run_ok("pg_dump -Fd -j 2 of $from", 'pg_dump', '-Fd', '-j', 2, '-f', "$tmp/$to", $node->connstr($from));
		run_ok("pg_restore -j 2 to $to", 'pg_restore', '--exit-on-error', '-j', 2, '-d', $node->connstr($to), "$tmp/$to");
	},
	# rows find their partition by themselves, and are appended one by one
	inserts => sub {
		my ($from, $to) = @_;
		run_ok("pg_dump --inserts of $from", 'pg_dump', '--rows-per-insert=50', '--load-via-partition-root', '-f', "$tmp/$to", $node->connstr($from));
		load_sql("psql to $to", $to, "$tmp/$to");
	},
	'schema, then data' => sub {
		my ($from, $to) = @_;
		run_ok("pg_dump -s of $from", 'pg_dump', '-s', '-f', "$tmp/$to.s", $node->connstr($from));
		load_sql("the schema to $to", $to, "$tmp/$to.s");
		run_ok("pg_dump -a of $from", 'pg_dump', '-a', '-Fc', '-f', "$tmp/$to.a", $node->connstr($from));
		# the trigger that is disabled is group_grants'
		run_ok("the data to $to", 'pg_restore', '--exit-on-error', '-a', '--disable-triggers', '-d', $node->connstr($to), "$tmp/$to.a");
	});

my @copies;
foreach my $form (sort keys %form)
{
	(my $name = $form) =~ s/\W+/_/g;
	my $from = 'original';
	foreach my $to ("${name}_1", "${name}_2")
	{
		$node->safe_psql('postgres', "CREATE DATABASE $to");
		$form{$form}->($from, $to);
		# what was restored is durable, also where a table made in the same transaction is not in WAL
		if ($form eq 'custom')
		{
			$node->stop('immediate');
			$node->start;
		}
		same_description($to, describe($to), $original);
		ok(dump_text($to) eq $text, "$to: its dump is the original's");
		push @copies, $to;
		$from = $to;
	}
}

#
# --clean --if-exists, over a database that has gone on since
#
$node->safe_psql('postgres', 'CREATE DATABASE cleaned TEMPLATE plain_1');
$node->safe_psql('cleaned', "SELECT fill(8, 10); SELECT seek('half', 'raw', 0, 1); SELECT drop_group('granted'); SELECT drop_topic('amounts')");
foreach my $turn (1, 2)
{
	my ($from, $to) = ($turn == 1 ? 'original' : 'cleaned', 'cleaned');
	run_ok("pg_dump --clean of $from", 'pg_dump', '-Fc', '-f', "$tmp/clean$turn", $node->connstr($from));
	my $partitions = $node->safe_psql($to, "SELECT count(*) FROM pg_class c JOIN pg_am a ON a.oid = relam WHERE amname = 'eventlog' AND relnamespace <> '_eventlog'::regnamespace");
	my ($out, $err) = run_command([ 'pg_restore', '--clean', '--if-exists', '-d', $node->connstr($to), "$tmp/clean$turn" ]);
	# what is known: a partition is not dropped by itself, it goes with its topic
	my @errors = $err =~ /^pg_restore: error: could not execute query: (.*)$/mg;
	is(scalar @errors, $partitions, "... an error for each of the $partitions partitions");
	is(join("\n", grep { $_ ne 'ERROR:  dropping one partition is not supported on topics' } @errors), '', '... and no other');
	same_description("restored with --clean, $turn", describe($to), $original);
	ok(dump_text($to) eq $text, "restored with --clean, $turn: its dump is the original's");
}
push @copies, 'cleaned';

#
# The schema alone: topics without events, which work
#
$node->safe_psql('postgres', 'CREATE DATABASE schema_only');
load_sql('the schema alone', 'schema_only', "$tmp/schema_then_data_1.s");
my $schema = describe('schema_only');
is($schema->{$_}, $original->{$_}, "schema alone: $_") foreach qw(tables labels constraints);
is($schema->{offsets} . $schema->{grants} . $schema->{'log floor'} . join('', map { $schema->{"events of $_"} . $schema->{"check_topic of $_"} } @topics), '',
	'schema alone: no events, no groups, no offsets');
ok(dump_text('schema_only', '-s') eq dump_text('original', '-s'), 'schema alone: its dump is the original\'s');
is( $node->safe_psql('schema_only', <<'EOT'), "0|0\n0|0|\n1|0|\n1|1|v", 'schema alone: producing and consuming begin at 0');
SELECT produce('raw', NULL, NULL, partition => p) FROM generate_series(0, 1) p \g /dev/null
SELECT produce('raw', NULL, '\x76', partition => 1) \g /dev/null
SELECT min(partition), min(log_start_offset) FROM eventlog_partitions;
SELECT partition, event_offset, convert_from(value, 'UTF8') FROM consume_as(NULL::raw, 'g', commit => true);
EOT

#
# One topic: the table, and its partitions by their names
#
my @pattern = map { ('-t', $_) } 'orders', 'orders_p[0-9]*', 'orders_default';
foreach my $copy ([ 'original', 'one_1' ], [ 'one_1', 'one_2' ])
{
	my ($from, $to) = @$copy;
	$node->safe_psql('postgres', "CREATE DATABASE $to");
	$node->safe_psql($to, 'CREATE EXTENSION eventlog');
	run_ok("pg_dump -t of $from", 'pg_dump', @pattern, '-f', "$tmp/$to", $node->connstr($from));
	load_sql("one topic to $to", $to, "$tmp/$to");
	is($node->safe_psql($to, "SELECT string_agg(relname, ' ' ORDER BY relname) FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p')"),
		'orders orders_default orders_p0 orders_p1 orders_p2', "$to: the topic and its partitions, nothing else");
	my $one = describe($to, 'orders');
	same_description($to, $one, { map { $_ => $original->{$_} } grep { / orders$/ } keys %$one });
	foreach my $what ('log start and end', 'tables', 'labels', 'topics')
	{
		is($one->{$what}, join("\n", grep { /^orders(_p\d|_default)?\|/ } split /\n/, $original->{$what}), "$to: $what");
	}
	ok(dump_text($to, @pattern) eq dump_text('original', @pattern), "$to: its dump is the original's");
}
# into a database that goes on: consumers know it by its uuid
$node->safe_psql('plain_2', "CREATE TEMP TABLE o AS SELECT * FROM orders; DROP TABLE orders");
load_sql('the dropped topic comes back', 'plain_2', "$tmp/one_1");
same_description('plain_2, its topic dropped and brought back', describe('plain_2'), $original);

#
# Life goes on in all of them
#
my $next = go_on('original');
note(substr($next, 0, 3000));
is(go_on($_), $next, "$_: next offsets, and consumers go on where they were") foreach @copies;
my $orders_next = join("\n", $next =~ /^(next\|orders\|.*)$/mg);
foreach my $db ('one_1', 'one_2')
{
	is( $node->safe_psql($db, <<'EOT'), "300|300\n$orders_next", "$db: a new group reads it all, and producing goes on at the next offset");
CREATE TEMP TABLE before AS SELECT topic, partition, log_end_offset AS log_end FROM eventlog_partitions;
SELECT count(*), count(DISTINCT (partition, event_offset)) FROM consume('new', 'orders', 1000, commit => true);
SELECT produce('orders', NULL, NULL, partition => p) FROM generate_series(0, 2) p \g /dev/null
SELECT 'next', topic, partition, log_end, log_end_offset FROM before JOIN eventlog_partitions USING (topic, partition) WHERE topic = 'orders'::regclass ORDER BY partition;
EOT
	is($node->safe_psql($db, "SELECT * FROM check_topic('orders')"), '', "$db: sound");
}

$node->stop;
done_testing();
