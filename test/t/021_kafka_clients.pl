
# Kafka's own clients understand the log: the batches of a partition, taken off
# its pages byte for byte, are decoded by kafka-python and kafka-clients to the
# records that consume_bytes and read_topic return; and a key goes to the
# partition that their producers would send it to.
#
# test/unit/interop/run gets the clients and decodes; a client that it cannot
# get is skipped.  test/interop/log_batches.py takes the batches off the pages
# by the description in src/storage/page.h and meta.h alone.

use strict;
use warnings;

use File::Basename qw(dirname);
use File::Path qw(make_path);
use lib dirname(__FILE__) . '/../lib';

use EventlogTest qw(init_cluster);
use IPC::Run qw(run);
use JSON::PP;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $test = dirname(__FILE__) . '/..';
my $dir = PostgreSQL::Test::Utils::tempdir;
my $python = $ENV{PYTHON} || 'python3';
my $cache = $ENV{INTEROP_CACHE} || ($ENV{XDG_CACHE_HOME} || ($ENV{HOME} // "") . "/.cache") . '/eventlog-interop';
# who has no home does without what is kept there
$cache = "$dir/readers" unless -w $cache || eval { make_path($cache) };
$ENV{INTEROP_CACHE} = $cache;

my $node = PostgreSQL::Test::Cluster->new('kafka');
init_cluster($node);
$node->append_conf('postgresql.conf', slurp_file("$test/eventlog.conf"));
$node->append_conf('postgresql.conf', 'client_min_messages = warning');
$node->start;

sub sql
{
	my ($query) = @_;
	return $node->safe_psql('postgres', $query);
}

sub write_file
{
	my ($name, $text) = @_;
	open(my $out, '>:raw', "$dir/$name") or die "$dir/$name: $!";
	print $out $text;
	close($out) or die $!;
	return "$dir/$name";
}

sql(q{
CREATE EXTENSION eventlog;
-- bytes that cannot be compressed, always the same
CREATE FUNCTION noise(seed text, bytes int) RETURNS bytea LANGUAGE sql IMMUTABLE AS
    $$SELECT substr(string_agg(sha512(convert_to(seed || i, 'UTF8')), '' ORDER BY i), 1, bytes) FROM generate_series(0, bytes / 64) i$$;
CREATE FUNCTION b64(data bytea) RETURNS text LANGUAGE sql IMMUTABLE AS
    $$SELECT translate(encode(data, 'base64'), e'\n', '')$$;
-- headers as test/unit/interop wants them
CREATE FUNCTION header_list(headers jsonb) RETURNS json LANGUAGE sql IMMUTABLE AS $$
    SELECT coalesce(json_agg(json_build_array(name, coalesce(value->>'base64', b64(convert_to(value#>>'{}', 'UTF8')))) ORDER BY i), '[]')
    FROM (SELECT i, key AS name, value FROM jsonb_each(CASE jsonb_typeof(headers) WHEN 'object' THEN headers END) WITH ORDINALITY AS o(key, value, i)
          UNION ALL
          SELECT i, e->>0, e->1 FROM jsonb_array_elements(CASE jsonb_typeof(headers) WHEN 'array' THEN headers END) WITH ORDINALITY AS a(e, i)) h$$;
CREATE FUNCTION record(at bigint, event_time timestamptz, key bytea, value bytea, headers jsonb) RETURNS text LANGUAGE sql IMMUTABLE AS $$
    SELECT json_build_object('offset', at, 'timestamp', (extract(epoch FROM event_time) * 1000)::bigint,
                             'key_b64', b64(key), 'value_b64', b64(value), 'headers', header_list(headers))::text$$;
});
is(sql(q{SELECT record(7, '1969-12-31 23:59:59.999Z', '\x00ff', NULL, '[["a", "x"], ["a", {"base64": "AP8="}], ["b", null]]')}),
	'{"offset" : 7, "timestamp" : -1, "key_b64" : "AP8=", "value_b64" : null, "headers" : [["a", "eA=="], ["a", "AP8="], ["b", null]]}',
	'what is expected is written right');

#
# Stored batches
#
my %options = (
	none => '{"compression": "none", "segment_bytes": 131072, "max_event_bytes": 4194304}',
	lz4 => '{"compression": "lz4", "segment_bytes": 131072, "max_event_bytes": 4194304}',
	zstd => '{"compression": "zstd", "segment_bytes": 131072, "max_event_bytes": 4194304}');
my @codecs = sort keys %options;

# partitions 0 and 1 of a topic with bytes for keys and values
sub fill
{
	my ($topic, $options) = @_;
	sql(qq{SELECT create_topic('$topic', 2, 'bytea', 'bytea', '$options')});
	for my $p (0, 1)
	{
		my $singles = join "\n",
		  map { "SELECT produce('$topic', '\\x" . sprintf('%04x', $_) . "'::bytea, convert_to('single $_', 'UTF8'), partition => $p);" } 1 .. 40;
		sql(qq{
SELECT produce('$topic', convert_to('key', 'UTF8'), convert_to('value', 'UTF8'), partition => $p);
-- nulls and nothing
SELECT produce('$topic', NULL::bytea, convert_to('no key', 'UTF8'), partition => $p),
       produce('$topic', convert_to('no value', 'UTF8'), NULL::bytea, partition => $p),
       produce('$topic', NULL::bytea, NULL::bytea, partition => $p),
       produce('$topic', ''::bytea, ''::bytea, partition => $p);
$singles
-- headers
SELECT produce('$topic', 'h'::bytea, 'none'::bytea, '{}', $p),
       produce('$topic', 'h'::bytea, 'object'::bytea, '{"trace": "Zoë €", "empty": "", "null": null, "bytes": {"base64": "AAECgP/+"}}', $p),
       produce('$topic', 'h'::bytea, 'repeated'::bytea, '[["a", "1"], ["b", "2"], ["a", "3"], ["a", null], ["", "no name"]]', $p),
       produce('$topic', 'h'::bytea, 'many'::bytea,
               (SELECT jsonb_agg(jsonb_build_array('name ' || i % 7, repeat('x', i % 200))) FROM generate_series(1, 1000) i), $p);
-- times
SELECT produce('$topic', 't'::bytea, 'times'::bytea, partition => $p, event_time => t)
    FROM unnest('{1970-01-01Z,1969-12-31 23:59:59.999Z,0001-01-01Z,2001-09-09 01:46:40.123456Z,2001-09-09 01:46:40Z}'::timestamptz[]) t;
-- many in a batch, and more than one batch
SELECT count(produce('$topic', convert_to('c' || i % 100, 'UTF8'), convert_to('{"id": ' || i || ', "name": "' || repeat('abc ', i % 300) || '"}', 'UTF8'),
                     headers => CASE WHEN i % 3 = 0 THEN jsonb_build_object('n', i::text) END, partition => $p))
    FROM generate_series(1, 3000) i;
-- long ones: of pages, of segments; with and without use for a codec
SELECT produce('$topic', '\\x01'::bytea, noise('$topic', 8136), partition => $p);
SELECT produce('$topic', '\\x02'::bytea, noise('$topic', 300000), partition => $p);
SELECT produce('$topic', noise('key', 70000), convert_to(repeat('all the same ', 200000), 'UTF8'), partition => $p);
-- of every length around a page's, so that batches begin and end everywhere
DO \$\$
BEGIN
    FOR i IN 1 .. 300 LOOP
        PERFORM produce('$topic', NULL::bytea, noise('p', i * 29), partition => $p);
        COMMIT;
    END LOOP;
END \$\$;
-- rolled back: never there, or there and aborted
BEGIN;
SELECT produce('$topic', 'r'::bytea, 'before'::bytea, partition => $p);
SAVEPOINT s;
SELECT produce('$topic', 'r'::bytea, 'rolled back'::bytea, partition => $p);
ROLLBACK TO s;
SELECT produce('$topic', 'r'::bytea, 'after'::bytea, partition => $p);
COMMIT;
BEGIN;
SELECT count(produce('$topic', 'r'::bytea, noise('r', 1000), partition => $p)) FROM generate_series(1, 20);
SELECT count(*) FROM flush();
ROLLBACK;
SELECT produce('$topic', 'end'::bytea, 'end'::bytea, partition => $p);
});
	}
}

fill("k_$_", $options{$_}) foreach @codecs;
# and one whose log start has moved, to the first offset of a batch
fill('k_trimmed', $options{lz4});
my $from = sql(q{BEGIN; SELECT produce('k_trimmed', 'x'::bytea, 'first that stays'::bytea, partition => 0); SELECT first_offset FROM flush(); COMMIT;});
($from) = $from =~ /(\d+)$/;
sql("SELECT count(produce('k_trimmed', 'x'::bytea, noise('t', 5000), partition => 0)) FROM generate_series(1, 100);
     SELECT delete_events_before('k_trimmed', 0, $from)");
# text and json
sql(q{SELECT create_topic('k_json');
      SELECT produce('k_json', 'clé ' || i, json_build_object('i', i, 'name', 'Zoë €', 'deep', json_build_object('x', ARRAY[1.50, NULL])), headers => '{"a": "b"}')
      FROM generate_series(1, 500) i;
      SELECT produce('k_json', 'gone', NULL)});
# rows: JSON by the names of their attributes, whatever the session's settings
sql(q{CREATE TYPE person AS (id int, name text, born timestamptz, tags text[]);
      SELECT create_topic('k_rows', key_type => 'person', value_type => 'person');
      SET timezone = 'Asia/Tokyo';
      SET datestyle = 'German';
      SELECT produce('k_rows', ROW(i, NULL, NULL, NULL)::person, ROW(i, 'Zoë "€"', '2024-02-29 12:00+00', ARRAY['a', NULL])::person)
      FROM generate_series(1, 200) i});

my %expected;
foreach my $topic ((map { "k_$_" } @codecs), 'k_trimmed')
{
	$expected{"$topic $_"} = sql("SELECT record(event_offset, event_time, key, value, headers) FROM consume_bytes('g', '$topic', 1000000, max_bytes => 1000000000)
	                              WHERE partition = $_ ORDER BY event_offset") foreach 0, 1;
}
$expected{'k_json 0'} = sql(q{SELECT record(event_offset, event_time, convert_to(key, 'UTF8'), convert_to(value::text, 'UTF8'), headers)
                              FROM read_topic('k_json', max_events => 1000000)});
$expected{'k_rows 0'} = sql(q{SELECT record(event_offset, event_time, convert_to('{"id":' || event_offset + 1 || '}', 'UTF8'),
                                            convert_to('{"id":' || event_offset + 1 || ',"name":"Zoë \\"€\\"","born":"2024-02-29 12:00:00+00","tags":["a",null]}', 'UTF8'), headers)
                              FROM read_topic('k_rows', max_events => 1000000)});
# so that each batch says what became of it
sql('VACUUM ' . join(', ', map { s/ .*//r } grep { /0$/ } sort keys %expected));
my %file = map { my ($topic, $p) = split; ($_ => $node->data_dir . '/' . sql("SELECT pg_relation_filepath('${topic}_p$p')")) } keys %expected;
is(sql("SELECT count(*) FROM check_topic('k_none')"), '0', 'check_topic finds nothing');
$node->stop;

my %can;
foreach my $log (sort keys %expected)
{
	my ($topic, $p) = split / /, $log;
	my $batches = "$dir/$topic-$p.bin";
	my $expected = write_file("$topic-$p.jsonl", "$expected{$log}\n");
	my $records = () = $expected{$log} =~ /^/mg;
	my ($found, $errors, $output);

	if (!run([ $python, "$test/interop/log_batches.py", $file{$log}, $batches ], '>', \$found, '2>', \$errors))
	{
		fail("the batches of $log are found on its pages");
		diag($errors);
		next;
	}
	pass("the batches of $log are found on its pages");
	$found = decode_json($found);
	note(encode_json($found));
	is(encode_json([ $found->{leader_epochs}, $found->{producers} ]),
		'[[1],[[-1,-1,-1]]]', 'their leader epoch is the timeline, and they come from no idempotent producer');
	if ($topic =~ /^k_(none|lz4|zstd)$/)
	{
		is(join(' ', @{ $found->{codecs} }), $1 eq 'none' ? 'none' : join(' ', sort($1, 'none')),
			"batches of $log are compressed where it is of use");
		ok($found->{aborted} > 0 && $found->{longest} > 131072 && $found->{segments} > 3,
			'they include an aborted one, one longer than a segment, and fill several');
	}
	is($found->{log_start}, $from, 'the log starts where it was trimmed') if $log eq 'k_trimmed 0';

	run([ "$test/unit/interop/run", $batches, $expected ], '>&', \$output);
	if (!%can)
	{
		%can = map { ($_ => $output !~ /left out:.*\b$_\b/) } qw(python java);
		diag("skipped: $1") if $output =~ /^left out:\s*(.*)/m;
		# who cannot be had is not looked for again
		$ENV{READERS} = join(' ', grep { $can{$_} } sort keys %can);
	}
	foreach my $reader ([ 'python', 'kafka-python' ], [ 'java', 'kafka-clients' ])
	{
	  SKIP:
		{
			skip("$reader->[1] is not here", 1) if !$can{ $reader->[0] };
			like($output, qr/^$reader->[1]: $records records in $found->{batches} batches are as written$/m,
				"$reader->[1] decodes $log") or diag($output);
		}
	}
}

# The comparison can fail: a changed byte, a record too many.
SKIP:
{
	skip('no reader is here', 2) if !$can{python} && !$can{java};
	my $bytes = slurp_file("$dir/k_json-0.bin");
	substr($bytes, -1, 1) ^= "\x01";
	my $output;
	ok(!run([ "$test/unit/interop/run", write_file('changed.bin', $bytes), "$dir/k_json-0.jsonl" ], '>&', \$output),
		'a changed byte is noticed');
	my @lines = split /\n/, $expected{'k_json 0'};
	ok(!run([ "$test/unit/interop/run", "$dir/k_json-0.bin", write_file('short.jsonl', join("\n", @lines[ 0 .. $#lines - 1 ]) . "\n") ], '>&', \$output),
		'a missing record is noticed');
}

#
# Partitions
#
$node->start;
my %keys = (
	# of every length, with every byte; words of many scripts; the empty key
	bytes => q{SELECT noise('b' || i, i % 67) FROM generate_series(0, 999) i},
	text => q{SELECT CASE i % 5 WHEN 0 THEN left('Zoë-Ωμέγα-клиент-顧客-😀-' || i, i % 40) WHEN 1 THEN 'c-' || i WHEN 2 THEN repeat('é', i % 50)
	                            WHEN 3 THEN chr(CASE WHEN i > 2000 THEN 60000 + i ELSE i END) ELSE repeat(md5(i::text), i % 30) END
	          FROM generate_series(0, 2999) i},
	smallint => q{SELECT (i * 131 - 32768)::smallint FROM generate_series(0, 499) i},
	integer => q{SELECT unnest('{0,1,-1,2147483647,-2147483648}'::int[]) UNION ALL SELECT i * 7919 - 1000000 FROM generate_series(1, 500) i},
	bigint => q{SELECT unnest('{0,1,-1,9223372036854775807,-9223372036854775808}'::bigint[]) UNION ALL SELECT i * 7919123456789 FROM generate_series(-500, 500) i},
	real => q{SELECT unnest('{0,1,-1.5,3.4028235e38,1e-45,Infinity,-Infinity}'::real[]) UNION ALL SELECT (i / 7.0)::real FROM generate_series(1, 200) i},
	float8 => q{SELECT unnest('{0,1,-1.5,1.7976931348623157e308,5e-324,Infinity,-Infinity}'::float8[]) UNION ALL SELECT i / 7.0::float8 FROM generate_series(1, 200) i},
	uuid => q{SELECT md5(i::text)::uuid FROM generate_series(1, 500) i});

my $lines = '';
my @ours;
foreach my $kind (sort keys %keys)
{
	my $type = $kind eq 'bytes' ? 'bytea' : $kind;
	my $bytes = $kind eq 'bytes' ? 'key' : q{convert_to(key::text, 'UTF8')};
	foreach my $partitions (1, 3, 8, 100)
	{
		my $topic = "t_${kind}_$partitions";
		my $result = sql(qq{
SELECT create_topic('$topic', $partitions, '$type', 'text', '{"partitioner": "murmur2"}') IS NULL;
SELECT '$partitions $kind ' || b64($bytes) || '=>' || produce('$topic', key, ''::text) FROM ($keys{$kind}) k(key);
});
		foreach (grep { /=>/ } split /\n/, $result)
		{
			my ($line, $partition) = /^(.*)=>(\d+)$/;
			$lines .= "$line\n";
			push @ours, $partition;
		}
		# the partition returned is the one the event is in
		is(sql("SELECT count(*) FROM (SELECT count(DISTINCT partition) FROM $topic GROUP BY key HAVING count(DISTINCT partition) > 1) x"),
			'0', "a key of $topic is in one partition") if $partitions == 8;
	}
}
cmp_ok(scalar(@ours), '>', 20000, 'thousands of keys were produced');
like($lines, qr/^8 bytes $/m, 'the empty one among them');

my %theirs = (
	python => [ 'kafka-python', "$cache/python/bin/python", "$test/interop/partitions.py" ],
	java => [ 'kafka-clients', 'java', '-cp', "$cache/java/lib/*", "$test/interop/Partitions.java" ]);
foreach my $reader (sort keys %theirs)
{
	my ($name, @command) = @{ $theirs{$reader} };
  SKIP:
	{
		skip("$name is not here", 1) if !$can{$reader};
		my ($output, $errors);
		run(\@command, '<', write_file('keys', $lines), '>', \$output, '2>', \$errors) or diag($errors);
		my @partitions = split /\n/, $output;
		my @lines = split /\n/, $lines;
		my @wrong = grep { !defined $partitions[$_] || $partitions[$_] != $ours[$_] } 0 .. $#ours;
		is(scalar(@wrong), 0, "$name sends the same keys to the same partitions")
		  or diag("$lines[$wrong[0]]: we $ours[$wrong[0]], they $partitions[$wrong[0]]");
	}
}

$node->stop;
done_testing();
