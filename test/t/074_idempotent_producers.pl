# A batch that a producer sends again is in the log twice, one that follows is
# refused, or one that was rolled back counts: in random schedules with
# pipelining, reordering, crashes, retention, compaction and new files; and where
# memory for producers is short, and on a standby that was promoted.
#
# EVENTLOG_PRODUCERS_SECONDS: for how long.  EVENTLOG_PRODUCERS_SEED: a seed, or a
# seed and a round as a finding says it ("7.31"), to do that again.  Without it the
# seed is always the same.

use strict;
use warnings FATAL => 'all';

use File::Basename qw(dirname);
use lib dirname(__FILE__) . '/../lib';

use EventlogTest;
use JSON::PP ();
use PostgreSQL::Test::Utils;
use Test::More;

need_python();

my $seconds = $ENV{EVENTLOG_PRODUCERS_SECONDS} // 60;
# the same rounds on a fast machine
my @rounds = exists $ENV{EVENTLOG_PRODUCERS_SEED} || exists $ENV{EVENTLOG_PRODUCERS_SECONDS} ? () : ('--rounds', 24);
my $seed = $ENV{EVENTLOG_PRODUCERS_SEED} // '20261201';
my $node = new_cluster('producers', init => [ allows_streaming => 1 ], conf => <<'EOT');
# nothing is removed or compacted but when the model says so
eventlog.retention_check_interval = '1d'
autovacuum = off
log_statement = none
EOT
my $crash = sprintf('exec 9>&-; pg_ctl -D %s -m immediate -w -s stop; pg_ctl -D %s -l %s -w -s start',
	$node->data_dir, $node->data_dir, $node->logfile);

my ($out, $err) = ('', '');
my $ok = IPC::Run::run(
	[ python(), dirname(__FILE__) . '/../lib/producer_model.py', '--conninfo', $node->connstr('postgres'),
		'--seconds', $seconds, '--seed', $seed, '--crash', $crash, @rounds ],
	'<', \undef, '>', \$out, '2>', \$err, IPC::Run::timeout($seconds + 600));
is($err, '', 'the model has done all there was');
ok($ok, 'each answer is as the log says') or diag($out);
die 'no counts' unless $out =~ /^counts (.*)$/m;
my $count = JSON::PP::decode_json($1);
note(join(', ', map { "$_ $count->{$_}" } sort keys %$count));
unlike(slurp_file($node->logfile), qr/PANIC:|TRAP:|signal 11|signal 6/, 'no crash but of our own doing');

# it was the run that we wanted (a round by itself need not be)
if ($seed !~ /\./)
{
	my $minutes = $seconds / 60;
	my %least = (
		steps => 6000,
		'answer next' => 5000,
		'answer duplicate' => 1000,
		'answer EL006' => 700,
		'answer EL007' => 200,
		'answer EL008' => 250,
		waited => 200,
		rollback => 100,
		crash => 10,
		'log compared' => 25,
		trim => 50,
		compact => 30,
		truncate => 10,
		'vacuum full' => 10,
		'rollback to' => 2,
	);
	foreach my $what (sort keys %least)
	{
		cmp_ok($count->{$what} // 0, '>=', int($least{$what} * $minutes), "$what: " . ($count->{$what} // 0));
	}
}

# one event of that time, in a batch of this producer
sub batch
{
	my ($producer, $first, $ms) = @_;
	my $tail = pack('s> l> q> q> q> s> l> l>', 0, 0, $ms, $ms, $producer, 0, $first, 1) . "\x0c\0\0\0\x01\0\0";
	return pack('q> l> l> c N', 0, length($tail) + 9, -1, 2, crc32c($tail)) . $tail;
}

# "sqlstate@offset" for each batch
sub answers
{
	my ($on, $topic, @batches) = @_;
	my $list = join(',', map { "'\\x" . unpack('H*', $_) . "'::bytea" } @batches);
	my $n = @batches;
	return $on->safe_psql('postgres', <<"EOT");
SELECT string_agg(coalesce(sqlstate, 'ok') || '\@' || coalesce(base_offset::text, '-'), ' ') FROM _eventlog.broker_append(
	array_fill((SELECT topic_id FROM _eventlog.broker_topics('{public}', '{$topic}')), ARRAY[$n]), array_fill(0, ARRAY[$n]), ARRAY[$list])
EOT
}

my $now = time() * 1000;
my $long_ago = $now - 2 * 3600 * 1000;

#
# promotion: the log has come along, shared memory has not
#
$node->safe_psql('postgres', "SELECT create_topic('t', 1, 'bytea', 'bytea')");
my $id = $node->safe_psql('postgres', 'SELECT _eventlog.broker_init_producer()');
is(answers($node, 't', map { batch($id, $_, $now) } 0 .. 6), join(' ', map { "ok\@$_" } 0 .. 6), 'seven batches');
$node->backup('base');
my $standby = PostgreSQL::Test::Cluster->new('producers_standby');
$standby->init_from_backup($node, 'base', has_streaming => 1);
$standby->start;
is(answers($node, 't', batch($id, 7, $now)), 'ok@7', 'and one behind the backup');
$node->wait_for_catchup($standby, 'replay', $node->lsn('insert'));
expect_error($standby, 'SELECT _eventlog.broker_init_producer()', '25006', qr/recovery|standby/, 'no ids on a standby');
$node->stop('immediate');
$standby->promote;
is(answers($standby, 't', batch($id, 7, $now), batch($id, 4, $now), batch($id, 2, $now), batch($id, 9, $now), batch($id, 8, $now)),
	'ok@7 ok@4 EL007@- EL006@- ok@8', 'the promoted standby knows the producer');
cmp_ok($standby->safe_psql('postgres', 'SELECT _eventlog.broker_init_producer()'), '>', $id, 'and gives out no id again');
$standby->stop;

#
# memory for a hundred or two
#
my $small = new_cluster('producers_small', conf => "eventlog.producer_memory = '64kB'\nautovacuum = off\n");
$small->safe_psql('postgres', "SELECT create_topic('s', 1, 'bytea', 'bytea'), create_topic('other', 1, 'bytea', 'bytea')");
my @first = split / /, answers($small, 's', map { batch(1000 + $_, 0, $long_ago) } 1 .. 400);
my $fit = grep { /^ok/ } @first;
cmp_ok($fit, '>', 50, "$fit producers fit");
is(scalar(grep { $_ eq '53200@-' } @first), 400 - $fit, 'all others are refused: those that are there are active');
is(answers($small, 's', batch(1001, 0, $now), batch(1001, 1, $long_ago)), "ok\@0 ok\@$fit", 'who is there goes on');

# by the times in the log they were silent for hours; whoever comes now takes their place
$small->restart;
is(answers($small, 's', batch(1002, 0, $now)), 'ok@1', 'known after a start');
my @second = split / /, answers($small, 'other', map { batch(5000 + $_, 0, $now) } 1 .. $fit - 1);
is(scalar(grep { /^ok/ } @second), $fit - 1, 'the silent ones go');
is(answers($small, 'other', batch(5001, 0, $now), batch(5001, 1, $now)), 'ok@0 ok@' . ($fit - 1), 'those that are active stay');
is(answers($small, 's', batch(1002, 0, $now), batch(1002, 1, $now)), 'ok@1 ok@' . ($fit + 1), 'so does one of before that has been active since');
$small->stop;

done_testing();
