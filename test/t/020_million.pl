
# A million events of test/data/gen_events.py in 8 partitions, produced in every
# way, come back the same by every way of reading: the same events, each once,
# the events of a key in the order in which they were produced.
#
# What was produced is in a heap table (want); per key the md5 over the hashes
# of its events in order is compared, so that a lost, doubled, changed or
# misplaced event shows.  A call of consume costs some 0.3 ms whatever it
# returns, so in batches of 1 and 7 only the first EVENTLOG_SMALL_BATCHES
# (default 20000) batches are consumed; EVENTLOG_SMALL_BATCHES=all consumes all.

use strict;
use warnings;

use File::Basename qw(dirname);
use lib dirname(__FILE__) . '/../lib';

use EventlogTest qw(init_cluster);
use JSON::PP;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time);

my $test = dirname(__FILE__) . '/..';
my $dir = PostgreSQL::Test::Utils::tempdir;
my $lines = 100_000;
my $total = 10 * $lines;
my $small = $ENV{EVENTLOG_SMALL_BATCHES} || 20_000;
$small = $total if $small eq 'all';

my $node = PostgreSQL::Test::Cluster->new('million');
init_cluster($node);
$node->append_conf('postgresql.conf', slurp_file("$test/eventlog.conf"));
$node->append_conf(
	'postgresql.conf', q{
shared_buffers = 512MB
work_mem = 256MB
max_wal_size = 4GB
synchronous_commit = off
client_min_messages = warning
});
$node->start;

sub sql
{
	my ($query) = @_;
	return $node->safe_psql('postgres', $query);
}

# like sql(), and says how long it took
sub timed
{
	my ($what, $query) = @_;
	my $begin = time;
	my $result = sql($query);
	note(sprintf('%-45s %6.1f s', $what, time - $begin));
	return $result;
}

#
# What is produced: each line of the file ten times, with ids of its own
#
my $file = "$dir/events.ndjson";
system_or_bail($ENV{PYTHON} || 'python3', "$test/data/gen_events.py",
	'--lines', $lines, $file);
chmod(0755, $dir);
chmod(0644, $file);

timed(
	'set-up', qq{
CREATE EXTENSION eventlog;
CREATE UNLOGGED TABLE lines (id int GENERATED ALWAYS AS IDENTITY, doc text NOT NULL);
COPY lines (doc) FROM '$file' (FORMAT csv, QUOTE e'\\x01', DELIMITER e'\\x02');
CREATE UNLOGGED TABLE base AS
    SELECT id, doc::json->>'key' AS key, jsonb_build_object('type', doc::json->>'type') AS headers,
           to_timestamp((doc::json->>'time')::bigint / 1000.0) AS time, substr(doc, strpos(doc, ',')) AS rest
    FROM lines ORDER BY id;
ANALYZE base;
DROP TABLE lines;
CREATE FUNCTION doc(id int, rest text) RETURNS text LANGUAGE sql IMMUTABLE
AS 'SELECT ''\{"id":'' || id || rest';
CREATE VIEW events AS
    SELECT round, round * $lines + id AS id, key, doc(round * $lines + id, rest) AS doc, headers, time
    FROM generate_series(0, 9) round, base;

CREATE FUNCTION hash(value text, headers jsonb) RETURNS uuid LANGUAGE sql IMMUTABLE
AS 'SELECT md5(value || headers::text)::uuid';
CREATE UNLOGGED TABLE want (n bigint GENERATED ALWAYS AS IDENTITY, key text NOT NULL, h uuid NOT NULL);
});
is( sql(q{SELECT count(DISTINCT id), count(DISTINCT key) > 10000, count(DISTINCT length(rest)) > 1000,
                 max(length(rest)) > 50000, bool_or(rest !~ '^[\x01-\x7f]*$') FROM base}),
	"$lines|t|t|t|t",
	'the data has many keys, many lengths and all kinds of letters');

#
# Produce
#
is(sql(q{SELECT create_topic('log', 8, options => '{"retention": null}')}), 'log', 'a topic of 8 partitions');

sub copy_in
{
	my ($rounds) = @_;
	return qq{
COPY (SELECT key, doc, headers, time FROM events WHERE round IN ($rounds) ORDER BY id) TO '$dir/copy.txt';
COPY log (key, value, headers, event_time) FROM '$dir/copy.txt';
INSERT INTO want (key, h) SELECT key, hash(doc, headers) FROM events WHERE round IN ($rounds) ORDER BY id;
};
}

sub batch_arrays
{
	my ($round, $size) = @_;
	return qq{
DO \$\$
BEGIN
    FOR i IN 0 .. $lines / $size LOOP
        PERFORM produce_batch('log', array_agg(key ORDER BY id), array_agg(doc ORDER BY id))
            FROM (SELECT id, key, doc($round * $lines + id, rest) AS doc
                  FROM base WHERE base.id > i * $size AND base.id <= (i + 1) * $size) x
            HAVING count(*) > 0;
    END LOOP;
END \$\$;
INSERT INTO want (key, h) SELECT key, hash(doc, '{}') FROM events WHERE round = $round ORDER BY id;
};
}

sub batch_jsonb
{
	my ($round, $size) = @_;
	return qq{
SELECT sum(produce_batch('log', list)) FROM (
    SELECT jsonb_agg(jsonb_build_object('key', key, 'value', doc::jsonb, 'headers', headers, 'event_time', time) ORDER BY id) AS list
    FROM events WHERE round = $round GROUP BY (id - 1) / $size ORDER BY (id - 1) / $size) x;
INSERT INTO want (key, h) SELECT key, hash(doc::jsonb::text, headers) FROM events WHERE round = $round ORDER BY id;
};
}

sql('CREATE UNIQUE INDEX ON base (id)');
timed('COPY, 200,000 events', copy_in('0, 1'));
timed('produce_batch of arrays of 1,000', batch_arrays(2, 1000));
timed('COPY, 100,000 events', copy_in('3'));
timed('produce_batch of a jsonb array of 500', batch_jsonb(4, 500));
timed('produce_batch of arrays of 10', batch_arrays(5, 10));
timed('all in one transaction, 300,000 events',
	"BEGIN;\n" . copy_in('6') . batch_arrays(7, 5000) . batch_jsonb(8, 1000) . 'COMMIT;');
timed(
	'produce and INSERT', q{
SELECT count(produce('log', key, doc, headers, event_time => time)) FROM (SELECT * FROM events WHERE round = 9 AND id % 100000 BETWEEN 1 AND 50000 ORDER BY id) x;
INSERT INTO log (key, value, headers, event_time)
    SELECT key, doc::json, headers, time FROM events WHERE round = 9 AND id % 100000 NOT BETWEEN 1 AND 50000 ORDER BY id;
INSERT INTO want (key, h) SELECT key, hash(doc, headers) FROM events WHERE round = 9 ORDER BY id;
});
is( timed(
		'what is expected, per key', q{
CREATE TABLE want_keys AS
    SELECT key, count(*) AS events, md5(string_agg(h::text, '' ORDER BY n)) AS chain FROM want GROUP BY key;
SELECT count(*) > 10000, sum(events) FROM want_keys;
}),
	"t|$total",
	'a million events are produced');
is( sql(q{SELECT count(*), sum(log_start_offset), sum(log_end_offset), sum(stable_offset), min(log_end_offset) > 50000
          FROM eventlog_partitions WHERE topic = 'log'::regclass}),
	"8|0|$total|$total|t",
	'they are spread over 8 partitions');

#
# Read
#

# Of $rows (n, partition, key, h): the number of events, of keys whose events
# are not the expected ones in the expected order, and of keys found in more
# than one partition.  "$total|0|0" is right.
sub compared
{
	my ($rows) = @_;
	return qq{
SELECT sum(got.events), count(*) FILTER (WHERE (want.events, want.chain) IS DISTINCT FROM (got.events, got.chain)),
       count(*) FILTER (WHERE first <> last)
FROM want_keys want FULL JOIN (
    SELECT key, count(*) AS events, md5(string_agg(h::text, '' ORDER BY n)) AS chain, min(partition) AS first, max(partition) AS last
    FROM ($rows) rows GROUP BY key) got USING (key);
};
}

is( timed(
		'read_topic, all at once',
		"CREATE UNLOGGED TABLE read_all AS
		 SELECT partition, event_offset, key, hash(value::text, headers) AS h, row_number() OVER () AS row
		 FROM read_topic('log', max_events => 2 * $total);"
		  . compared('SELECT event_offset AS n, partition, key, h FROM read_all')),
	"$total|0|0",
	'read_topic returns them all, in order per key');
is( sql(q{SELECT count(*) FILTER (WHERE partition < before), count(*) FILTER (WHERE partition = before AND event_offset <> last + 1),
                 count(*) FILTER (WHERE partition IS DISTINCT FROM before AND event_offset <> 0)
          FROM (SELECT partition, event_offset, lag(partition) OVER (ORDER BY row) AS before, lag(event_offset) OVER (ORDER BY row) AS last
                FROM read_all) x}),
	'0|0|0',
	'read_topic returns partition after partition, offset after offset');

is( timed(
		'read_topic, page by page', q{
SELECT count(*) = (SELECT count(*) FROM read_all WHERE partition = 5), count(*) FILTER (WHERE hash(page.value::text, page.headers) <> r.h),
       count(*) FILTER (WHERE page.event_offset NOT BETWEEN at AND at + 996)
FROM generate_series(0, (SELECT max(event_offset) FROM read_all WHERE partition = 5), 997) at
    CROSS JOIN LATERAL read_topic('log', 5, at, 997) page
    JOIN read_all r USING (partition, event_offset);
}),
	't|0|0',
	'read_topic in pages of 997 returns each page as it is');

is( timed(
		'SELECT',
		compared("SELECT event_offset AS n, partition, key, hash(value::text, headers) AS h FROM log")),
	"$total|0|0",
	'SELECT returns them all, in order per key');
is( timed(
		'SELECT of one partition',
		q{SELECT count(*) > 0, count(*) FILTER (WHERE hash(l.value::text, l.headers) IS DISTINCT FROM r.h)
		  FROM (SELECT * FROM log WHERE partition = 2) l FULL JOIN (SELECT * FROM read_all WHERE partition = 2) r USING (partition, event_offset)}),
	't|0',
	'SELECT of one partition returns what read_topic does');
# those of the rounds whose time was given
is( timed(
		'times',
		qq{SELECT count(*) > $total / 2, count(*) FILTER (WHERE event_time <> to_timestamp((value->>'time')::bigint / 1000.0))
		   FROM log WHERE headers <> '{}'}),
	't|0',
	'event times are those given');

#
# Consume: in a procedure that commits after each batch what it was given and
# how far it is
#
sql(q{
CREATE UNLOGGED TABLE got (n bigint GENERATED ALWAYS AS IDENTITY, batch int NOT NULL, partition int NOT NULL,
                           event_offset bigint NOT NULL, key text NOT NULL, h uuid NOT NULL);
CREATE PROCEDURE consume_all(size bigint, batches bigint) LANGUAGE plpgsql AS $$
DECLARE found bigint; name text := 'by ' || size;
BEGIN
    FOR i IN 1 .. batches LOOP
        INSERT INTO got (batch, partition, event_offset, key, h)
            SELECT i, e.partition, e.event_offset, e.key, hash(e.value::text, e.headers) FROM consume(name, 'log', max_events => size) e;
        GET DIAGNOSTICS found = ROW_COUNT;
        EXIT WHEN found = 0;
        PERFORM commit(name);
        COMMIT;
    END LOOP;
END $$;
CREATE PROCEDURE claim_all(size bigint) LANGUAGE plpgsql AS $$
DECLARE found bigint; i int := 0;
BEGIN
    LOOP
        i := i + 1;
        INSERT INTO got (batch, partition, event_offset, key, h)
            SELECT i, e.partition, e.event_offset, e.key, hash(e.value::text, e.headers) FROM claim('claims', 'log', max_events => size) e;
        GET DIAGNOSTICS found = ROW_COUNT;
        EXIT WHEN found = 0;
        COMMIT;
    END LOOP;
END $$;
});

# Of what is in got: batches larger than they may be, batches other than the
# last that are smaller, and events that do not follow their partition's
# previous one.
my $shape = q{
SELECT count(*) FILTER (WHERE events > %1$d), count(*) FILTER (WHERE events < %1$d AND batch < (SELECT max(batch) FROM got)),
       (SELECT count(*) FROM (SELECT event_offset - lag(event_offset, 1, -1::bigint) OVER (PARTITION BY partition ORDER BY n) AS step FROM got) x
        WHERE step <> 1)
FROM (SELECT batch, count(*) AS events FROM got GROUP BY batch) b;
};

for my $size (500, 100_000)
{
	is( timed(
			"consume in batches of $size",
			"CALL consume_all($size, $total);" . compared('SELECT * FROM got')),
		"$total|0|0",
		"consume in batches of $size delivers them all, in order per key");
	is(sql(sprintf($shape, $size)),
		'0|0|0', "consume in batches of $size fills them, offset after offset");
	is(sql('TRUNCATE got; SELECT sum(log_end_offset - committed_offset), count(*) ' .
		  "FROM eventlog_lag WHERE group_name = 'by $size'"),
		'0|8', "consume in batches of $size commits to the end");
}

is(timed('claim in batches of 5,000', 'CALL claim_all(5000);' . compared('SELECT * FROM got')),
	"$total|0|0",
	'claim delivers them all, in order per key');
is(sql(sprintf($shape, 5000)), '0|0|0', 'claim fills its batches, offset after offset');
sql('TRUNCATE got');

# of the small batches maybe only the first
for my $size (7, 1)
{
	my $events = $small * $size < $total ? $small * $size : $total;
	is( timed(
			"consume in batches of $size ($events events)",
			"CALL consume_all($size, $small);
			 SELECT count(*), count(*) FILTER (WHERE r.h IS NULL OR (r.key, r.h) <> (g.key, g.h))
			 FROM got g LEFT JOIN read_all r USING (partition, event_offset)"),
		"$events|0",
		"consume in batches of $size delivers the first $events");
	is(sql(sprintf($shape, $size)),
		'0|0|0', "consume in batches of $size fills them, offset after offset");
	sql('TRUNCATE got');
}

#
# A place is found without a search through the log
#
my $end = sql(q{SELECT log_end_offset FROM eventlog_partitions WHERE topic = 'log'::regclass AND partition = 3});
my $most = 0;
my @missed;
for my $back (1, 2, 10, 100, 1000, 10000, int($end / 2), $end)
{
	for my $events (1, 10)
	{
		my $from = $end - $back;
		my $expected = $back < $events ? $back : $events;
		# the first call of a session fills its catalog caches
		my $read = "FROM read_topic('log', 3, $from, $events)";
		my ($plan) = sql("SELECT count(*) FROM read_topic('log', 3, 0, 1);
		                  EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) SELECT * $read") =~ /^\d+\n(.*)/s;
		my $node = decode_json($plan)->[0]->{Plan};
		my $buffers = $node->{'Shared Hit Blocks'} + $node->{'Shared Read Blocks'};
		note("read_topic of $events, $back before the end: $buffers buffers");
		$most = $buffers if $buffers > $most;
		push @missed, $from
		  if $node->{'Actual Rows'} != $expected
		  || sql("SELECT count(*), min(t.event_offset), bool_and(r.h = hash(t.value::text, t.headers))
		          FROM (SELECT * $read) t JOIN read_all r USING (partition, event_offset)") ne "$expected|$from|t";
	}
}
is("@missed", '', 'read_topic from an offset returns the events from there');
cmp_ok($most, '>', 0, 'the buffers it touches are counted');
cmp_ok($most, '<=', 12, 'they are at most 12, near the end and anywhere else');

is(timed('check_topic', q{SELECT count(*) FROM check_topic('log')}), '0', 'check_topic finds nothing');

$node->stop;
done_testing();
