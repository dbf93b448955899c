# Types, and what may be done to them while events of theirs are on the log:
# tables from which 061_types_on_the_log.pl generates its statements.

package TypesOnTheLog;

use strict;
use warnings FATAL => 'all';

use Exporter 'import';

our @EXPORT = qw(%literals @refused_types @few_types @settings @extensions @changes quote_literal);

# Of every type that a column can have: values. Those not in pg_catalog come from @extensions.
our %literals = (
	'bool' => [qw(t f)], 'bytea' => [ '\x', '\x00ff5c27' ], '"char"' => [ 'a', '' ], 'name' => ['some name'], 'int8' => [qw(-9223372036854775808 9007199254740993)],
	'int2' => [qw(-32768 0)], 'int4' => [qw(2147483647 -1)], 'text' => [ '', 'NULL', qq({"a",'b'\\}\t\xc3\xa9) ], 'oid' => [qw(0 4294967295)], 'tid' => ['(4294967295,7)'],
	'xid' => ['3'], 'cid' => ['7'], 'xid8' => ['18446744073709551615'], 'json' => [ '{"b" :1, "a":[null,1.50]}', 'null', '"\u0000"' ], 'jsonb' => [ '{"b": 1}', 'null' ],
	'xml' => [ '<a>b</a>', 'text <b/>', '<?xml version="1.0"?><a/>' ], 'point' => ['(0.1234567890123456,-1e300)'], 'lseg' => ['[(0,0.1),(2,3)]'], 'path' => [ '((0,0.1),(2,3))', '[(0,0)]' ],
	'box' => ['(3,2),(0.1,1)'], 'polygon' => ['((0,0.1),(2,3),(4,5))'], 'line' => ['{1,-2,0.1}'], 'circle' => ['<(0.1,2),3>'], 'float4' => [qw(0.1 NaN -Infinity 1e-45)],
	'float8' => [qw(0.1234567890123456 -0 Infinity 5e-324)], 'money' => [ '1234567.89', '-0.5' ], 'cidr' => ['10.1.0.0/16'], 'inet' => [ '10.1.2.3/8', '::1' ],
	'macaddr' => ['08:00:2b:01:02:03'], 'macaddr8' => ['08:00:2b:01:02:03:04:05'], 'bpchar' => [ 'ab  ', '' ], 'varchar' => [q(it's)], 'date' => [ '2024-03-02', 'infinity', '0044-03-15 BC' ],
	'time' => ['24:00:00'], 'timetz' => ['12:00:00.000001+05:45'], 'timestamp' => [ '2024-10-27 02:30:00', '4713-01-01 00:00:00 BC' ],
	'timestamptz' => [ '2024-10-27 00:30:00+00', '2024-10-27 01:30:00+00', '-infinity', '0044-03-15 12:00:00+00 BC' ], 'interval' => [ '-1 mon 2 days -03:04:05.5', '1 year -2 days', '0' ],
	'bit' => ['1'], 'varbit' => [ '10110', '' ], 'numeric' => [qw(0.10 NaN -Infinity 123456789012345678901234567890.5)], 'refcursor' => ['c'], 'uuid' => ['a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'],
	'txid_snapshot' => ['10:20:10,14'], 'pg_snapshot' => ['10:20:10,14'], 'pg_lsn' => ['16/B374D848'], 'tsvector' => [q('a':1A 'b c':2)], 'tsquery' => [q('a' & !'b c':*)],
	'jsonpath' => ['$.a[*]?(@ > 1)'], 'regnamespace' => ['pg_catalog'], 'regrole' => ['pg_monitor'], 'int2vector' => ['1 2'], 'oidvector' => ['1 4294967295'],
	'int4range' => [ '[1,5)', 'empty' ], 'int8range' => ['(,)'], 'numrange' => ['[0.10,5)'], 'tsrange' => ['["2024-03-02 01:02:03",infinity)'], 'tstzrange' => ['["2024-10-27 00:30:00+00","2024-10-27 01:30:00+00")'],
	'daterange' => ['[2024-03-02,)'], 'int4multirange' => ['{[1,5),[7,8)}'], 'int8multirange' => ['{}'], 'nummultirange' => ['{[0.10,5)}'], 'tsmultirange' => ['{["2024-03-02 01:02:03","2024-03-02 01:02:04")}'],
	'tstzmultirange' => ['{["2024-10-27 00:30:00+00","2024-10-27 01:30:00+00")}'], 'datemultirange' => ['{[2024-03-02,2024-03-04)}'],
	'information_schema.cardinal_number' => ['5'], 'information_schema.character_data' => ['x'], 'information_schema.sql_identifier' => ['x'], 'information_schema.time_stamp' => ['2024-10-27 00:30:00.5+00'],
	'information_schema.yes_or_no' => ['YES'],
	'hstore' => [ '"a"=>"1", "b"=>NULL', '' ], 'citext' => ['MiXed'], 'ltree' => ['a.b'], 'cube' => ['(0.1, 2),(3, 4)'], 'seg' => ['1.5 .. 2'], 'isbn' => ['0-393-04002-X'],
	'mood' => [ 'sad', q(so "so"), 'happy, very' ], 'momentrange' => ['["2024-10-27 00:30:00+00",)'], 'momentmultirange' => ['{["2024-10-27 00:30:00+00",)}']);

# These a topic cannot have.
our @refused_types = qw(regproc regprocedure regoper regoperator regclass regtype regconfig regdictionary regcollation
  aclitem pg_node_tree pg_ndistinct pg_dependencies pg_mcv_list pg_brin_bloom_summary pg_brin_minmax_multi_summary gtsvector);

# One of each kind, for the ordinary run: numbers, text, each setting, JSON, enums, ranges, an extension's.
our @few_types = qw(bool text float8 json jsonb bytea timestamptz interval money xml box mood hstore momentmultirange);

our @extensions = qw(hstore citext ltree cube seg isn);

# A session as pg_dump has it, and one for each setting that a text form depends on.
our @settings = (
	[ 'as it is', {} ], [ 'TimeZone', { TimeZone => 'Asia/Kathmandu' } ], [ 'DateStyle', { DateStyle => 'German, DMY' } ], [ 'IntervalStyle', { IntervalStyle => 'sql_standard' } ],
	[ 'bytea_output', { bytea_output => 'escape' } ], [ 'extra_float_digits', { extra_float_digits => -12 } ], [ 'search_path', { search_path => 'other, pg_catalog' } ],
	[ 'xmloption', { xmloption => 'document' } ], [ 'lc_monetary', { lc_monetary => 'C.UTF-8' } ], [ 'array_nulls', { array_nulls => 'off' } ],
	[ 'quote_all_identifiers', { quote_all_identifiers => 'on' } ],
	[ 'all of them', { TimeZone => 'America/St_Johns', DateStyle => 'SQL, DMY', IntervalStyle => 'iso_8601', bytea_output => 'escape', extra_float_digits => -3,
			search_path => 'other', xmloption => 'document', lc_monetary => 'C.UTF-8', array_nulls => 'off', quote_all_identifiers => 'on' } ]);

# What is done to the row type "part" (a of the type, b an array of it, c text), which the row type "whole" has inside,
# in this order: statement, and what it is refused with in a type of values and in one of keys.
our @changes = (
	[ 'ALTER TYPE %s RENAME ATTRIBUTE a TO z', '0A000', '0A000' ], [ 'ALTER TYPE %s ADD ATTRIBUTE d text', '', '' ], [ 'ALTER TYPE %s ADD ATTRIBUTE e regclass', '0A000', '0A000' ],
	[ 'ALTER TYPE %s ALTER ATTRIBUTE c TYPE int', '0A000', '0A000' ], [ 'ALTER TYPE %s DROP ATTRIBUTE c', '', '0A000' ], [ 'ALTER TYPE %s ADD ATTRIBUTE c int', '0A000', '42701' ],
	[ 'ALTER TYPE %s ADD ATTRIBUTE f int', '', '' ], [ 'ALTER TYPE %s RENAME TO %s_renamed', '', '' ], [ 'ALTER TYPE %s_renamed RENAME TO %s', '', '' ],
	[ 'ALTER TYPE %s SET SCHEMA other', '', '' ], [ 'ALTER TYPE other.%s SET SCHEMA public', '', '' ]);

sub quote_literal
{
	my ($text) = @_;
	$text =~ s/'/''/g;
	$text =~ s/\\/\\\\/g;
	return "E'$text'";
}

1;
