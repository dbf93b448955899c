# Values of every type, alone and inside arrays, domains, rows and ranges, are
# the same as in a heap, under whatever settings they are produced and read,
# and whatever ALTER PostgreSQL accepts is made of their types; or that is refused.
# A key has the same bytes, and the same partition, from all sessions. The dump
# of all that restores to the same.
#
# EVENTLOG_TYPES=all takes every type there is (test/nightly/types), otherwise one of each kind.

use strict;
use warnings FATAL => 'all';

use File::Basename qw(dirname);
use lib dirname(__FILE__) . '/../lib';

use EventlogTest;
use TypesOnTheLog;
use PostgreSQL::Test::Utils;
use Test::More;

my $all = ($ENV{EVENTLOG_TYPES} // '') eq 'all';
my $node = new_cluster('types', conf => "fsync = off\nautovacuum = off\nmax_locks_per_transaction = 1000", extension => 0);
my $tmp = PostgreSQL::Test::Utils::tempdir();

# By a file: safe_psql() would show all of the statements.
sub sql
{
	my ($statements, $db) = @_;
	open(my $file, '>', "$tmp/sql") or die $!;
	print $file $statements;
	close $file;
	my ($out, $err) = run_command([ 'psql', '-XAtq', '-v', 'ON_ERROR_STOP=1', '-d', $node->connstr($db // 'types'), '-f', "$tmp/sql" ]);
	die $err if $err =~ /ERROR|FATAL/;
	return $out;
}

sql('CREATE DATABASE types', 'postgres');
sql('CREATE EXTENSION eventlog; CREATE SCHEMA other');
my @there = grep { sql("SELECT count(*) FROM pg_available_extensions WHERE name = '$_'") } @extensions;
sql("CREATE EXTENSION $_") foreach $all ? @there : grep { $_ eq 'hstore' } @there;
sql(<<'EOT');
CREATE TYPE mood AS ENUM ('sad', 'so "so"', 'happy, very');
CREATE DOMAIN moment AS timestamptz;
CREATE TYPE momentrange AS RANGE (subtype = timestamptz, multirange_type_name = momentmultirange);
CREATE FUNCTION refused(stmt text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE stmt;
	RETURN '';
EXCEPTION WHEN OTHERS THEN
	RETURN SQLSTATE;
END $$;
EOT

# Every type that a column can have is in the table, or refused.
my @missing = grep { !exists $literals{$_} } split /\n/, sql(q{
	SELECT CASE WHEN typnamespace <> 'pg_catalog'::regnamespace THEN typnamespace::regnamespace || '.' ELSE '' END || CASE typname WHEN 'char' THEN '"char"' ELSE typname::text END
	FROM pg_type WHERE typnamespace IN ('pg_catalog'::regnamespace, 'information_schema'::regnamespace) AND typtype IN ('b', 'd', 'e', 'm', 'r') AND typisdefined
		AND (typcategory <> 'A' OR typname IN ('int2vector', 'oidvector'))} . ' AND typname::text NOT IN (' . join(', ', map { "'$_'" } @refused_types) . ')');
is(join(' ', @missing), '', 'every type is tested or refused');
is(sql("SELECT string_agg(DISTINCT refused(format('SELECT create_topic(''r'', %s_type => %L)', kind, t)), ' ') FROM unnest('{" . join(',', @refused_types) . "}'::text[]) t, (VALUES ('key'), ('value')) k(kind)"),
	'0A000', 'types that cannot be read back are refused');

my @types = grep { sql('SELECT to_regtype(' . quote_literal($_) . ') IS NOT NULL') eq 't' } $all ? sort keys %literals : @few_types;
cmp_ok(scalar @types, '>=', $all ? 60 : @few_types - 1, 'the types are there');

# For each type: of it, an array, a domain, an array of that, a row with these, an array of rows, a row with rows.
my $n = 0;
my @shapes;
my $setup = '';
foreach my $type (@types)
{
	my $i = $n++;
	my @values = map { quote_literal($_) . "::$type" } @{ $literals{$type} };
	my $list = "ARRAY[" . join(', ', @values, 'NULL') . "]::${type}[]";
	my $first = $values[0];
	my $last = $values[-1];
	my $other = "array_fill($last, ARRAY[2], ARRAY[0])";
	$setup .= "CREATE DOMAIN d$i AS $type; CREATE DOMAIN l$i AS ${type}[];\n"
	  . "CREATE TYPE part$i AS (a $type, b ${type}[], c text); CREATE TYPE whole$i AS (p part$i, ps part${i}[], d d$i, ds d${i}[], l l$i, ls l${i}[], n int);\n";
	my @all_of = (
		[ 'scalar', $type, @values ], [ 'array', "${type}[]", $list, "'{}'::${type}[]", "ARRAY[ARRAY[$first], ARRAY[$last]]", $other ], [ 'domain', "d$i", $first ],
		[ 'array of a domain', "d${i}[]", "ARRAY[$last, NULL]::d${i}[]", "array_fill($first\::d$i, ARRAY[1], ARRAY[-3])" ], [ 'domain over an array', "l$i", "$list\::l$i" ],
		[ 'row', "part$i", "ROW($first, $list, 'x')::part$i", "ROW(NULL, NULL, NULL)::part$i", "ROW($last, $other, '')::part$i" ],
		[ 'array of rows', "part${i}[]", "ARRAY[ROW($first, $list, E'y \"\\\\')::part$i, NULL]", "array_fill(ROW($last, $list, NULL)::part$i, ARRAY[1, 1], ARRAY[0, 2])" ],
		[ 'rows in a row', "whole$i", "ROW(ROW($last, $other, NULL), ARRAY[ROW($first, NULL, 'z')::part$i, NULL], $first, ARRAY[$last, NULL], $list, ARRAY[$list\::l$i], $i)::whole$i" ]);
	push @shapes, map { { type => $type, shape => shift @$_, sql => shift @$_, values => [@$_], i => $i } } @all_of;
}
sql($setup);

# A value is in the heap once; it is produced under each setting.
foreach my $s (0 .. $#shapes)
{
	my $shape = $shapes[$s];
	$shape->{name} = "$shape->{shape} of $shape->{type}";
	my $values = join(', ', map { '(' . ($_ + 1) . ", $shape->{values}[$_])" } 0 .. $#{ $shape->{values} });
	$shape->{setup} = "CREATE TABLE h$s (id int, v $shape->{sql}); INSERT INTO h$s VALUES $values;\nSELECT create_topic('t$s', 4, '$shape->{sql}', '$shape->{sql}');\n";
}
sql(join('', map { $_->{setup} } @shapes));

sub under
{
	my ($setting) = @_;
	return join('', map { "SET $_ = " . ($_ eq 'search_path' ? $setting->{$_} : "'$setting->{$_}'") . ";\n" } sort keys %$setting);
}

my $round = 0;
my $produced = 0;

# Produce the heaps' values, some by function and some by INSERT.
sub produce_all
{
	my @of = @_;
	my $script = '';
	foreach my $setting (@settings)
	{
		$script .= under($setting->[1]);
		foreach my $s (@of)
		{
			# of produce(text, text, ...) and produce(any, any, ...) "char" has no best one; bpchar takes the former, and loses blanks
			$script .= $produced++ % 2 || $shapes[$s]{type} =~ /char"|bpchar/
			  ? "INSERT INTO public.t$s (key, value) SELECT v, v FROM public.h$s;\n"
			  : "SELECT public.produce('public.t$s', v, v) FROM public.h$s;\n";
		}
		$script .= "RESET ALL;\n";
	}
	sql($script);
	$round++;
	return;
}

# What is different under a setting: typed values, by SELECT and by consume_as().
sub differences
{
	my ($setting, @of) = @_;
	my @wrong;
	my $script = under($setting->[1]);
	foreach my $s (@of)
	{
		my $n = $round * @settings;
		my %from = (SELECT => "public.t$s", consume_as => "public.consume_as(NULL::public.t$s, 'g$s', 100000, max_bytes => 100000000)");
		foreach my $way (sort keys %from)
		{
			next if $way eq 'consume_as' && $setting->[0] !~ /as it is|all of them/;
			$script .= "SELECT '$s', '$way', count(*), count(*) FILTER (WHERE h.id IS NULL) FROM $from{$way} t LEFT JOIN public.h$s h ON format('%s', h.v) = format('%s', t.key) AND format('%s', h.v) = format('%s', t.value);\n";
		}
	}
	my %values = map { my $s = $_; $s => $shapes[$s]{events} // @{ $shapes[$s]{values} } * @settings * $round } @of;
	foreach my $line (split /\n/, sql($script))
	{
		my ($s, $way, $count, $bad) = split /\|/, $line;
		push @wrong, "$shapes[$s]{name} by $way: $bad of $count wrong, expected $values{$s}" if $bad > 0 || ($way eq 'SELECT' && $count != $values{$s});
	}
	return join("\n", @wrong);
}

my @every = (0 .. $#shapes);
produce_all(@every);
is(differences($_, @every), '', "read under another setting: $_->[0]") foreach @settings;

# bytes and partitions of keys
sub forms
{
	return join('', map { "SELECT '$_', count(DISTINCT (key, partition)), count(DISTINCT value) FROM consume_bytes('b$_', 't$_', 100000, max_bytes => 100000000);\n" } @_);
}
my @odd;
foreach my $line (split /\n/, sql(forms(@every)))
{
	my ($s, $keys, $values) = split /\|/, $line;
	my $distinct = @{ $shapes[$s]{values} };
	push @odd, "$shapes[$s]{name}: $keys keys and $values values of $distinct" if $keys != $distinct || $values != $distinct;
}
is(join("\n", @odd), '', 'a value has one form, and a key one partition, whatever the settings');

# a row is JSON that PostgreSQL reads as such
is(sql('SELECT sum(n) FROM (' . join(' UNION ALL ', map { "SELECT count(*) FROM read_topic('t$_', max_events => 100000) WHERE json_typeof(value) IS NULL" } @every) . ') s(n)'), '0', 'value is JSON');

# The types change.
my $accepted = 0;
my @unlike;
foreach my $i (0 .. $#types)
{
	foreach my $change (@changes)
	{
		my ($form, $value, $key) = @$change;
		(my $stmt = $form) =~ s/%s/part$i/g;
		# all are types of keys
		my $state = sql("SELECT refused('$stmt')");
		my $wanted = $key;
		push @unlike, "$stmt: '$state' instead of '$wanted'" if $state ne $wanted;
		$accepted++ if $state eq '';
	}
	last if !$all && $i > 5;
}
is(join("\n", @unlike), '', 'what keys allow of their types, and what not');
is(differences($settings[0], @every), '', 'events of types that have grown');
produce_all(@every);
is(differences($_, @every), '', "after the changes: $_->[0]") foreach @settings[ 0, -1 ];
@odd = grep { my ($s, $keys) = split /\|/; $keys != @{ $shapes[$s]{values} } } split /\n/, sql(forms(@every) =~ s/'b/'c/gr);
is(join("\n", @odd), '', 'keys keep their bytes and partitions when their types grow');

# Types of values only.
sql(join('', map { "SELECT drop_topic('t$_');\n" } grep { $shapes[$_]{sql} =~ /part|whole/ } @every)
	  . join('', map { "SELECT create_topic('t$_', 2, 'int', '$shapes[$_]{sql}'); SELECT produce('t$_', 1, v) FROM h$_;\n" } grep { $shapes[$_]{sql} =~ /part|whole/ } @every));
my @rows = grep { $shapes[$_]{sql} =~ /part|whole/ } @every;
sub value_differences
{
	return [ grep { my ($s, $wrong) = split /\|/; $wrong } split /\n/, sql(join('', map
		{ "SELECT '$_', count(*) FROM (SELECT value, row_number() OVER (PARTITION BY partition ORDER BY event_offset) AS id FROM t$_) t FULL JOIN (SELECT v, (row_number() OVER (ORDER BY ctid)) AS id FROM h$_) h USING (id) WHERE format('%s', t.value) IS DISTINCT FROM format('%s', h.v);\n" } @rows)) ];
}
is_deeply(value_differences(), [], 'types of values, before they change');
@unlike = ();
foreach my $i (0 .. $#types)
{
	foreach my $change (@changes)
	{
		my ($form, $value) = @$change;
		next if $form =~ /ADD ATTRIBUTE [df]/;		# there already
		(my $stmt = $form) =~ s/%s/part$i/g;
		my $state = sql("SELECT refused('$stmt')");
		my $wanted = $value;
		push @unlike, "$stmt: '$state' instead of '$wanted'" if $state ne $wanted;
	}
	last if !$all && $i > 5;
}
is(join("\n", @unlike), '', 'what values allow of their types, and what not');
is_deeply(value_differences(), [], 'types of values, after they have changed');
is(sql('SELECT sum(n) FROM (' . join(' UNION ALL ', map { "SELECT count(*) FROM check_topic('t$_')" } @every) . ') s(n)'), '0', 'all events fit their types');

# The dump restores to the same.
my ($out, $err) = run_command([ 'pg_dump', '-f', "$tmp/dump.sql", $node->connstr('types') ]);
is($err, '', 'pg_dump');
sql('CREATE DATABASE restored', 'postgres');
($out, $err) = run_command([ 'psql', '-qX', '-v', 'ON_ERROR_STOP=1', '-d', $node->connstr('restored'), '-o', '/dev/null', '-f', "$tmp/dump.sql" ]);
is($err, '', 'restore');
my $look = join('', map { "SELECT $_, md5(string_agg(t::text, ' ' ORDER BY partition, event_offset)) FROM t$_ t;\n" } @every);
is(sql($look, 'restored'), sql($look), 'the restored topics are the same');
is(sql('SELECT sum(n) FROM (' . join(' UNION ALL ', map { "SELECT count(*) FROM check_topic('t$_')" } @every) . ') s(n)', 'restored'), '0', 'the restored events fit their types');

# The way out of docs/operations.md, for a type that is no longer what it was: no statement does that, so the catalog is bent.
sql(<<'EOT');
CREATE TYPE colour AS ENUM ('red', 'green');
SELECT create_topic('paints', 3, value_type => 'colour');
SELECT count(produce('paints', i::text, CASE WHEN i % 2 = 0 THEN 'red'::colour END, '{"i": "1"}')) FROM generate_series(1, 3000) i;
UPDATE pg_enum SET enumlabel = 'crimson' WHERE enumlabel = 'red';
EOT
($out, $err) = run_command([ 'pg_dump', '-t', 'paints*', '-f', '/dev/null', $node->connstr('types') ]);
like($err, qr/invalid input value for enum/, 'events that do not fit their type stop pg_dump');
is(sql("SELECT partition, count(*), count(*) FILTER (WHERE problem LIKE 'the value of event % does not fit its type: invalid input value for enum colour: \"red\"'), max(problem) ~ ' ' FROM check_topic('paints') GROUP BY partition ORDER BY partition"),
	"0|11|10|t\n1|11|10|t\n2|11|10|t", 'check_topic() names them');
my $operations = PostgreSQL::Test::Utils::slurp_file(dirname(__FILE__) . '/../../docs/operations.md');
$operations =~ /^### Events that do not fit their type\n.*?```sql\n(.*?)```/ms or die 'no way out in docs/operations.md';
my $before = sql(q{SELECT md5(string_agg((partition, event_offset, event_time, key, value, headers)::text, ' ' ORDER BY partition, event_offset)) FROM consume_bytes('before', 'paints', 10000, max_bytes => 1000000000)});
sql($1 =~ s/partitions => 1/partitions => 3/r);
is(sql(q{SELECT md5(string_agg((partition, event_offset, event_time, key, value, headers)::text, ' ' ORDER BY partition, event_offset)) FROM consume_bytes('after', 'paints_bytes', 10000, max_bytes => 1000000000)}),
	$before, 'the bytes of all of them are kept, in order');
($out, $err) = run_command([ 'pg_dump', '-t', 'paints*', '-f', '/dev/null', $node->connstr('types') ]);
is($err, '', 'and pg_dump works again');

note scalar(@types) . ' types, ' . scalar(@shapes) . " shapes, $accepted changes";
$node->stop;
done_testing();
