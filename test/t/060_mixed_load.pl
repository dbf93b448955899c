# Everything at once for a while, with no other care than autovacuum's and the worker's: ages of relfrozenxid, sizes of relations and
# memory of processes stay bounded.  EVENTLOG_MIXED_SECONDS: how long (default 180; test/nightly/mixed_load runs an hour).

use strict;
use warnings FATAL => 'all';

use File::Basename qw(dirname);
use lib dirname(__FILE__) . '/../lib';

use EventlogTest;
use IPC::Run ();
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time sleep);

my $seconds = $ENV{EVENTLOG_MIXED_SECONDS} || 180;
my $freeze_max_age = 100_000;
my $mb = 1024 * 1024;
my $node = new_cluster('mixed', conf => <<"EOT");
shared_buffers = 128MB
max_wal_size = 1GB
synchronous_commit = off
autovacuum_freeze_max_age = $freeze_max_age
eventlog.retention_check_interval = 1s
log_statement = none
log_autovacuum_min_duration = -1
EOT

sub query { return $node->safe_psql('postgres', $_[0]); }

query(<<'EOT');
SELECT create_topic('orders', 4, options => '{"retention_bytes": 8388608, "segment_bytes": 1048576, "retention": "30 s"}');
SELECT create_topic('ring', 2, 'bigint', 'bytea', '{"retention_bytes": 8388608, "segment_bytes": 1048576}');
SELECT create_topic('state', 2, 'text', 'text', '{"cleanup_policy": "compact", "segment_bytes": 1048576, "delete_retention": "5 s"}');
SELECT create_topic('held', 1, 'text', 'text', '{"retention_bytes": 8388608, "segment_bytes": 1048576, "retain_until_consumed": true}');
SELECT create_group('g', '{"on_lost": "earliest"}'), create_group('c', '{"on_lost": "earliest"}'), create_group('h', '{"on_lost": "earliest"}');
CREATE TABLE counters (id int PRIMARY KEY, n bigint);
INSERT INTO counters SELECT i, 0 FROM generate_series(1, 1000) i;
EOT

my %script = (
	single => q{SELECT produce('orders', 'k' || :k, json_build_object('id', :k, 'name', md5(:k::text)));},
	transaction => q{BEGIN;
UPDATE counters SET n = n + 1 WHERE id = 1 + :k % 1000;
SELECT produce('orders', 'k' || :k, json_build_object('id', :k));
SAVEPOINT s;
SELECT produce('orders', 'k' || :k, '"taken back"');
ROLLBACK TO s;
SELECT produce('held', 'k' || :k, repeat('x', 300));
COMMIT;},
	rolled_back => q{BEGIN;
SELECT produce('ring', :k::bigint, decode(md5(:k::text), 'hex'));
SELECT count(*) FROM flush();
ROLLBACK;},
	bulk => q{SELECT count(produce('ring', i::bigint, convert_to(repeat(md5(i::text), 20), 'UTF8'))) FROM generate_series(1, 300) i;},
	state => q{SELECT produce('state', 'key ' || :k % 2000, CASE WHEN :k % 50 = 0 THEN NULL ELSE repeat(md5(:k::text), 4) END);},
	consume => q{SELECT count(*) FROM consume('g', 'orders', 300, commit => true);},
	held => q{SELECT count(*) FROM consume('h', 'held', 300, commit => true);},
	claim => q{SELECT count(*) FROM claim('c', 'ring', 500);},
	look => q{SELECT count(*), sum(lag) FROM eventlog_lag;},
	latest => q{SELECT count(*) FROM latest('state');});
my %weight = (single => 30, transaction => 20, rolled_back => 5, bulk => 2, state => 25, consume => 12, held => 8, claim => 4, look => 1, latest => 1);
my @files;
foreach my $name (sort keys %script)
{
	my $file = $node->basedir . "/$name.sql";
	append_to_file($file, "\\set k random(1, 1000000)\n$script{$name}\n");
	push @files, '-f', "$file\@$weight{$name}";
}
my $load = IPC::Run::start([ 'pgbench', '-n', '-T', $seconds, '-c', 6, '-j', 2, '--max-tries=100', @files, $node->connstr('postgres') ],
	'<', \undef, '>', \my $report, '2>&1');

# private memory of the server's processes, kB
sub memory
{
	my %kb;
	my $postmaster = (split /\n/, slurp_file($node->data_dir . '/postmaster.pid'))[0];
	foreach my $pid (split /\s+/, `ps -o pid= --ppid $postmaster`)
	{
		next unless $pid =~ /^\d+$/ && open my $fh, '<', "/proc/$pid/status";
		while (<$fh>)
		{
			$kb{$pid} = $1 if /^RssAnon:\s+(\d+)/;
		}
	}
	return \%kb;
}

my ($begin, $middle, %max) = (time);
my $xid = query('SELECT pg_current_xact_id()');
while (time < $begin + $seconds - 2)
{
	sleep(1);
	my ($age, $database, @sizes) = split /\|/, query(<<'EOT');
SELECT (SELECT max(age(relfrozenxid)) FROM pg_class WHERE relam = (SELECT oid FROM pg_am WHERE amname = 'eventlog')),
	(SELECT age(datfrozenxid) FROM pg_database WHERE datname = current_database()),
	max(pg_relation_size(oid)) FILTER (WHERE relname ~ '^orders'), max(pg_relation_size(oid)) FILTER (WHERE relname ~ '^ring'),
	max(pg_relation_size(oid)) FILTER (WHERE relname ~ '^state'), max(pg_relation_size(oid)) FILTER (WHERE relname ~ '^held'),
	max(pg_relation_size(oid)) FILTER (WHERE relname ~ '^committed_offsets')
FROM pg_class WHERE relkind = 'r'
EOT
	my %now = (age => $age, database => $database);
	@now{qw(orders ring state held offsets)} = @sizes;
	foreach my $name (keys %now)
	{
		$max{$name} = $now{$name} if $now{$name} > ($max{$name} // 0);
	}
	$middle //= memory() if time > $begin + $seconds / 3;
}
my $end = memory();
$load->finish;
my $xids = query('SELECT pg_current_xact_id()') - $xid;
note(join ', ', "$xids transactions", map { "$_ at most $max{$_}" } sort keys %max);

like($report, qr/number of failed transactions: 0 /, 'no client failed') or diag($report);
unlike($report, qr/aborted/, 'nor gave up');
cmp_ok($max{age}, '<=', 4 * $freeze_max_age, "the oldest relfrozenxid of a partition was $max{age} transactions old");
cmp_ok($max{$_}, '<=', 10 * $mb + 8192 * 2, "$_: $max{$_} bytes at most: policy and two segments") foreach qw(orders ring held);
cmp_ok($max{state}, '<=', 16 * $mb, "state: $max{state} bytes at most, compacted");
cmp_ok($max{offsets}, '<=', 32 * $mb, "committed offsets: $max{offsets} bytes at most");
my @grown = map { $end->{$_} - $middle->{$_} } grep { exists $end->{$_} } keys %$middle;
cmp_ok(scalar(@grown), '>', 10, 'processes that were there all the time: ' . @grown);
my ($most) = sort { $b <=> $a } @grown;
cmp_ok($most, '<', 8 * 1024, "the one that grew most since a third of the time grew by $most kB");

is(query("SELECT t, c FROM unnest('{orders,ring,state,held,_eventlog.committed_offsets}'::regclass[]) t, check_topic(t) c"), '', 'all logs are sound');
is(query("SELECT count(*) FROM latest('state')"), query(q{SELECT count(*) FROM (SELECT DISTINCT ON (partition, key) value FROM state
	ORDER BY partition, key, event_offset DESC) x WHERE value IS NOT NULL}), 'latest() is what is there');
my $log = slurp_file($node->logfile);
unlike($log, qr/PANIC|TRAP|signal 11|signal 6/, 'nothing fell');
is(join("\n", grep { /eventlog (maintenance|coordinator).*(ERROR|FATAL)/ } split /\n/, $log), '', 'the workers met no error');
$node->stop;
done_testing();
