# Topics that eventlog-broker creates because a client asks for them: only where that is
# allowed, once however many ask, under any name that Kafka allows, and by nothing but Metadata.

use strict;
use warnings;

use File::Basename qw(dirname);
use lib dirname(__FILE__) . '/../lib';

use EventlogTest;
use IPC::Run ();
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = new_cluster('creation', conf => "max_connections = 60\n");

sub sql
{
	my ($query) = @_;
	return $node->safe_psql('postgres', $query);
}

sub metadata
{
	my ($broker, @arguments) = @_;
	return run_frames($broker, 'topic_frames.py', 'metadata', @arguments)->{metadata};
}

my $closed = start_broker($node, name => 'closed', sanitize => 1);
is(metadata($closed, 'nothing'), 'nothing 3 0', 'no topic is created unless the broker is told to');
is(sql('SELECT count(*) FROM eventlog_topics'), 0, '... and there is none');
stop_broker($closed);

my @options = ('--auto-create-topics', '--default-partitions', 3);
my $broker = start_broker($node, sanitize => 1, options => \@options);
my $got = run_frames($broker, 'topic_frames.py', 'unknown', 'nothing');
is(join(', ', map { "$_ $got->{$_}" } sort keys %$got), 'fetch 3, list offsets 3, produce 3', 'Produce, Fetch and ListOffsets create no topic');
is(run_frames($broker, 'topic_frames.py', 'metadata_allow', 0, 'nothing')->{metadata}, 'nothing 3 0', '... nor Metadata that says it is not to be');
is(sql('SELECT count(*) FROM eventlog_topics'), 0, '... really');
is(run_frames($broker, 'topic_frames.py', 'metadata_allow', 1, 'first')->{metadata}, 'first 0 3', 'Metadata that says so creates it, and knows it at once');
is(metadata($broker, 'old', 'bad name', 'old', 'first'), 'old 0 3, bad name 17 0, first 0 3', '... and that of old versions, but for names that are none');
is(sql(q(SELECT string_agg(topic::text || ' ' || partitions || ' ' || (options->>'compression') || ' ' || coalesce(options->>'kafka_name', '-'), ', ' ORDER BY topic::text) FROM eventlog_topics)),
	'first 3 none -, old 3 none -', '... with the partitions of the setting, and uncompressed');
is(sql(q(SELECT string_agg(attname || ' ' || format_type(atttypid, -1), ', ' ORDER BY attnum) FROM pg_attribute WHERE attrelid = 'first'::regclass AND attname IN ('key', 'value'))),
	'key bytea, value bytea', '... of bytea');

#
# Names
#
sql(q(CREATE TABLE taken (i int); CREATE TYPE mood AS ENUM ('good'); CREATE VIEW parted_p2 AS SELECT 1 AS i));
my $long = 'L' x 249;
my @names = ('with.dots', 'With-Capitals', '_underscored', '1-2-3', $long, 'x' x 55, 'x' x 56, 'taken', 'mood', 'parted', 'taken_and.dotted');
is(metadata($broker, @names), join(', ', map { "$_ 0 3" } @names), 'names that SQL would not take, and those of other things');
is(metadata($broker, @names), join(', ', map { "$_ 0 3" } @names), '... are the same topics when they are asked for again');
is(sql('SELECT count(*) FROM eventlog_topics'), 2 + @names, '... one for each');
my %table = map { split /=/ } split /\n/,
  sql(q(SELECT options->>'kafka_name' || '=' || topic::text FROM eventlog_topics WHERE options ? 'kafka_name'));
is(join(' ', sort keys %table), join(' ', sort('with.dots', $long, 'x' x 56, 'taken', 'mood', 'parted', 'taken_and.dotted')),
	'... those that do not fit have a table of another name');
like($table{'with.dots'}, qr/^with_dots_[0-9a-f]{8}$/, '... made from theirs');
like($table{$long}, qr/^l{46}_[0-9a-f]{8}$/, '... however long');
kcat($broker, "hello\n", '-P', '-t', 'with.dots', '-p', 0);
is(sql("SELECT convert_from(value, 'UTF8') FROM $table{'with.dots'}"), 'hello', '... with what clients produce');
is(sql('SELECT count(*) FROM taken'), 0, '... and other tables stay what they are');

#
# Several at once
#
my @many = map { ("same_$_", "same.$_") } 1 .. 4;
my $other = start_broker($node, name => 'other', sanitize => 1, options => \@options);
my @runs = map {
	my %run = (out => '', err => '');
	$run{run} = IPC::Run::start([ '/usr/bin/python3', dirname(__FILE__) . '/../lib/topic_frames.py', $_->{port}, 'at_once', 20, @many ],
		'>', \$run{out}, '2>', \$run{err}, IPC::Run::timeout(120));
	\%run;
} ($broker, $other);
$_->{run}->finish foreach @runs;
my $expected = "answers\t['" . join(', ', map { "$_ 0 3" } sort @many) . "']\n";
is($_->{out} . $_->{err}, $expected, '20 clients of each of two brokers ask for the same topics') foreach @runs;
is(sql(q(SELECT count(*), count(DISTINCT coalesce(options->>'kafka_name', topic::text)) FROM eventlog_topics WHERE topic::text LIKE 'same%')), '8|8', '... each is there once');
stop_broker($other);

#
# Types of values
#
my $json = start_broker($node, name => 'json', sanitize => 1, options => [ @options, '--default-value-type', 'json' ]);
is(run_frames($json, 'topic_frames.py', 'produced', 'documents', 3)->{errors}, '[0, 0, 0]', 'a topic of JSON takes JSON');
is(sql(q(SELECT sum((value->>'n')::int) FROM documents)), 3, '... which SQL reads');
like((kcat($json, "no JSON\n", '-P', '-t', 'documents', '-p', 0, '-X', 'message.timeout.ms=5000'))[1], qr/failed|rejected|invalid/i, '... and nothing else');
stop_broker($json);

#
# Where it cannot be done
#
sql('CREATE ROLE reader LOGIN; GRANT USAGE ON SCHEMA _eventlog TO reader; GRANT EXECUTE ON PROCEDURE _eventlog.broker_watch() TO reader');
my $reader = start_broker($node, name => 'reader', sanitize => 1, options => [ @options, '--conninfo', $node->connstr('postgres') . ' user=reader' ]);
is(metadata($reader, 'forbidden', 'first'), 'forbidden 3 0, first 29 0', 'a role that may not create topics is told that there is none; of one that it may not see, that it may not');
sql('GRANT CREATE ON SCHEMA public TO reader');
is(metadata($reader, 'allowed'), 'allowed 0 3', '... until it may');
is(sql(q(SELECT relowner::regrole FROM pg_class WHERE oid = 'allowed'::regclass)), 'reader', '... and then they are its own');
is(metadata($reader, 'first'), 'first 29 0', '... but not one that it may not see');
is(metadata($reader, 'with.dots'), 'with.dots 29 0', '... by whatever name');
stop_broker($reader);

my $nowhere = start_broker($node, name => 'nowhere', sanitize => 1, options => [ @options, '--topic-schemas', 'absent, public' ]);
is(metadata($nowhere, 'forbidden', 'first'), 'forbidden 3 0, first 0 3', 'where the schema is not, there are no new topics');
stop_broker($nowhere);

stop_broker($broker);
is(sql(q(SELECT count(*) FROM pg_class WHERE relname = 'forbidden' OR relname = 'nothing')), 0, 'nothing else was created');

done_testing();
