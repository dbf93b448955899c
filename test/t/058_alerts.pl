# The alerts of docs/operations.md, as they stand there: each is silent until
# what it is for happens, and then fires for the group or partition concerned,
# also where the group has never committed and nobody is there to work.

use strict;
use warnings FATAL => 'all';

use File::Basename qw(dirname);
use JSON::PP ();
use lib dirname(__FILE__) . '/../lib';

use EventlogTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = new_cluster('alerts');
my $text = slurp_file(dirname(__FILE__) . '/../../docs/operations.md');

#
# The exporter's queries: each behind a comment with the names of its figures, in the order of the columns
#
$text =~ /For a Prometheus exporter.*?```sql\n(.*?)```/s or die 'no queries for the exporter';
my @queries;
foreach my $query ($1 =~ /((?:^--[^\n]*\n)+[^;]*;)/mg)
{
	my ($comment, $sql) = $query =~ /\A((?:--[^\n]*\n)+)(.*);\z/s;
	push @queries, { names => [ $comment =~ /\b(eventlog_\w+)/g ], sql => $sql };
}
cmp_ok(scalar @queries, '>=', 4, 'the queries are found');

# All series now, or when so many seconds have passed: name => [[labels, value], ...].
sub scrape
{
	my ($later) = @_;
	my %series;

	foreach my $query (@queries)
	{
		my $sql = $query->{sql};
		$sql =~ s/\bnow\(\)/(now() + interval '$later s')/g if $later;
		my @rows = split /\n/, $node->safe_psql('postgres', "SELECT (SELECT json_agg(json_build_array(key, value, json_typeof(value) = 'number')) FROM json_each(row_to_json(q))) FROM ($sql) q");
		foreach my $row (map { JSON::PP::decode_json($_) } @rows)
		{
			my @labels = map { $_->[1] } grep { !$_->[2] } @$row;
			my @values = map { $_->[1] } grep { $_->[2] } @$row;
			is(scalar @values, scalar @{ $query->{names} }, 'each figure has a name') if @values != @{ $query->{names} };
			push @{ $series{ $query->{names}[$_] } }, [ "@labels", $values[$_] ] foreach 0 .. $#values;
		}
	}
	return \%series;
}

#
# The rules: the table's second column
#
my %alerts;
foreach my $row ($text =~ /^\| (.*) \|$/mg)
{
	my ($alert, $rule) = split / \| /, $row;
	next unless $rule =~ /`(eventlog_\w+|increase\(.*?\)) (>=?) (\d+)`/;
	my %rule = (figure => $1, above => $2, bound => $3);
	$rule{increase} = 1 if $rule{figure} =~ s/^increase\((\w+)\[\w+\]\)$/$1/;
	$alerts{$alert} = \%rule;
}
is(join(', ', sort keys %alerts), 'a group falls behind, events were lost, one event stands in the way, readers are held up', 'the alerts are found');

# The alerts that fire, "alert: labels" each; those that look at an increase compare with the scrape before.
sub firing
{
	my ($now, $before) = @_;
	my @result;

	foreach my $alert (sort keys %alerts)
	{
		my $rule = $alerts{$alert};
		my $series = $now->{ $rule->{figure} } or next;
		my %before = map { $_->[0] => $_->[1] } @{ $before->{ $rule->{figure} } // [] };
		foreach my $one (@$series)
		{
			my $value = $one->[1];
			$value -= $before{ $one->[0] } // $value if $rule->{increase};
			push @result, "$alert: $one->[0]" if $rule->{above} eq '>' ? $value > $rule->{bound} : $value >= $rule->{bound};
		}
	}
	return join "\n", sort @result;
}

# Groups begin in partition 0, and nobody stays
$node->safe_psql('postgres', <<'EOT');
SELECT create_topic('t', 3, 'text', 'text');
SELECT create_topic('poisoned', 2, 'text', 'text');
SELECT produce('t', NULL, '', partition => 0);
SELECT count(produce('poisoned', NULL, '', partition => p)) FROM generate_series(0, 1) p;
SELECT count(*) FROM consume('members', 't', commit => true);
SELECT count(*) FROM claim('claims', 't');
SELECT create_group('latest', '{"start_from": "latest"}');
SELECT count(*) FROM consume('latest', 't');
EOT
$node->poll_query_until('postgres', 'SELECT count(*) = 0 FROM eventlog_members') or die 'members stay';
my $before = scrape();
cmp_ok(scalar keys %$before, '>=', 6, 'there are figures');
is(firing($before, $before), '', 'nothing has happened');

# late, but not yet too late
$node->safe_psql('postgres', q{SELECT produce('t', NULL, '', partition => 1, event_time => now() - interval '250 s')});
is(firing(scrape(), $before), '', 'a group may be late for a while');
$node->safe_psql('postgres', q{SELECT produce('t', NULL, '', partition => 2, event_time => now() - interval '310 s')});
my $behind = join "\n", map { "a group falls behind: $_ t" } 'claims', 'latest', 'members';
is(firing(scrape(), $before), $behind, 'groups fall behind in a partition that they have not come to');
$node->restart;
is(firing(scrape(), $before), $behind, '... and the server starts again');

$node->safe_psql('postgres', q{SELECT delete_events_before('t', p, 1) FROM generate_series(1, 2) p});
is(firing(scrape(), $before), join("\n", map { "events were lost: $_ t" } 'claims', 'latest', 'members'), 'the events were removed');
$before = scrape();
is(firing($before, $before), '', '... which is said once');

# a group that never gets to its first commit; its second partition is fine
foreach my $try (1 .. 4)
{
	is(firing(scrape(), $before), '', "try $try");
	$node->safe_psql('postgres', "BEGIN; SELECT count(*) FROM claim('poison', 'poisoned'); ROLLBACK");
}
is(firing(scrape(), $before), join("\n", map { "one event stands in the way: poison poisoned $_" } 0, 1), 'claims are rolled back again and again');
$node->safe_psql('postgres', "SELECT count(*) FROM claim('poison', 'poisoned')");
is(firing(scrape(), $before), '', '... until one commits');

# a transaction that has appended and stays open
my $open = $node->background_psql('postgres');
$open->query_safe("BEGIN; SELECT produce('t', NULL, '', partition => 1); SELECT count(*) FROM flush()");
is(firing(scrape(), $before), '', 'a transaction may be open for a while');
is(firing(scrape(61), $before), 'readers are held up: t 1', '... but not for a minute');
$open->query_safe('COMMIT');
is(firing(scrape(61), $before), '', '... and it ends');
$node->safe_psql('postgres', "BEGIN; SELECT produce('t', NULL, '', partition => 2); PREPARE TRANSACTION 'p'");
is(firing(scrape(61), $before), 'readers are held up: t 2', 'so does a prepared one');
$node->safe_psql('postgres', "COMMIT PREPARED 'p'");
is(firing(scrape(61), $before), '', '... until it is decided');
$open->quit;

$node->stop;
done_testing();
