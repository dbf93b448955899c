# A pipeline (consume, transform, produce, update a table, commit: one
# transaction) loses or repeats something when its processes are killed and the
# server crashes.

use strict;
use warnings FATAL => 'all';

use File::Basename qw(dirname);
use lib dirname(__FILE__) . '/../lib';

use EventlogTest;
use PostgreSQL::Test::Utils;
use Test::More;

need_python();

my @pipelines = qw(block statement claim);
my $node = new_cluster('pipelines', conf => <<'EOT');
max_connections = 150
log_statement = none
EOT
$node->safe_psql('postgres', "SELECT create_topic('a', 8)");
foreach my $name (@pipelines)
{
	$node->safe_psql('postgres', <<"EOT");
SELECT create_topic('b_$name', 5);
SELECT create_group('$name', '{"max_poll_interval": "3 s"}');
CREATE TABLE totals_$name (key text PRIMARY KEY, events bigint, total bigint, last_id text);
EOT
}

my $crew = start_crew($node, 'pipelines.py', '--clients', 12, '--producers', 3);
wait_for_crew($crew, 500);
foreach my $crash (1 .. 4)
{
	crash_under_crew($crew);
	wait_for_crew($crew, 3000);
}
finish_crew($crew);

# what there should be; n counts the events of a key, so that it is about order and repetition, too
$node->safe_psql('postgres', <<'EOT');
CREATE TABLE wanted AS
	SELECT key, row_number() OVER (PARTITION BY key ORDER BY partition, event_offset) AS nth, value->>'id' AS id,
		(value->>'n')::bigint AS n
	FROM read_topic('a', max_events => 100000000);
EOT
my $events = $node->safe_psql('postgres', 'SELECT count(*) FROM wanted');
cmp_ok($events, '>=', 2000, "events: $events");

foreach my $name (@pipelines)
{
	foreach my $difference (['lost', 'wanted', 'there'], ['too many', 'there', 'wanted'])
	{
		my ($what, $one, $other) = @$difference;
		is($node->safe_psql('postgres', <<"EOT"), '', "$name: topic: $what");
WITH there AS (
	SELECT key, row_number() OVER (PARTITION BY key ORDER BY partition, event_offset) AS nth, value->>'id' AS id,
		(value->>'n')::bigint AS n
	FROM read_topic('b_$name', max_events => 100000000)),
wanted AS (SELECT key, nth, id, 2 * n + 1 AS n FROM wanted)
SELECT x, count(*) OVER () FROM (TABLE $one EXCEPT TABLE $other) x ORDER BY x LIMIT 1
EOT
		is($node->safe_psql('postgres', <<"EOT"), '', "$name: table: $what");
WITH there AS (SELECT key, events, total, last_id FROM totals_$name),
wanted AS (
	SELECT key, count(*) AS events, sum(n)::bigint AS total, (array_agg(id ORDER BY nth DESC))[1] AS last_id
	FROM wanted GROUP BY key)
SELECT x, count(*) OVER () FROM (TABLE $one EXCEPT TABLE $other) x ORDER BY x LIMIT 1
EOT
	}
	is($node->safe_psql('postgres', "SELECT * FROM check_topic('b_$name')"), '', "$name: sound");
}

# it was the run that we wanted
my $count = crew_counts($crew);
note(join(', ', map { "$_ $count->{$_}" } sort keys %$count));
my %least = (crash => 4, kill => 5, terminate => 5, map { ("$_ lost" => 5, "$_ COMMIT" => 100) } @pipelines);
foreach my $what (sort keys %least)
{
	$count->{$what} //= 0;
	cmp_ok($count->{$what}, '>=', $least{$what}, "$what: $count->{$what}");
}
unlike(slurp_file($node->logfile), qr/PANIC:|TRAP:|signal 11|signal 6/, 'no failure of its own');

$node->stop;
done_testing();
