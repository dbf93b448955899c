# Who produces, consumes or reads by a function is not seen by an auditor of
# the table: pgaudit's object auditing logs a topic's INSERT and SELECT, and the functions alike.

use strict;
use warnings FATAL => 'all';

use File::Basename qw(dirname);
use lib dirname(__FILE__) . '/../lib';

use EventlogTest;
use PostgreSQL::Test::Utils;
use Test::More;

chomp(my $library = `"$ENV{PG_CONFIG}" --pkglibdir`);
plan skip_all => 'pgaudit is not installed' unless -f "$library/pgaudit.so";

my $node = new_cluster('audit', conf => <<'EOT');
shared_preload_libraries = 'eventlog, pgaudit'
pgaudit.role = 'auditor'
pgaudit.log = 'none'
EOT
$node->safe_psql('postgres', <<'EOT');
CREATE EXTENSION pgaudit;
CREATE ROLE auditor;
SELECT create_topic('watched'), create_topic('unwatched');
GRANT SELECT, INSERT ON watched TO auditor;
EOT

# what is logged of a statement: class, command and object of each line
sub audited
{
	my ($sql, %psql) = @_;
	my $from = -s $node->logfile;
	$node->safe_psql('postgres', $sql, %psql);
	my $log = slurp_file($node->logfile, $from);
	return join(' ', map { s/,TABLE,/ /r =~ tr/,/ /r } $log =~ /AUDIT: OBJECT,\d+,\d+,(\w+,\w+,TABLE,public\.\w+)/g);
}

is(audited(q(INSERT INTO watched (key, value) VALUES ('k', '1'))), 'WRITE INSERT public.watched', 'an INSERT is audited (and this test sees it)');
is(audited(q(SELECT produce('watched', 'k', '1'))), 'WRITE INSERT public.watched', 'produce() is');
is(audited(q(SELECT count(produce('watched', 'k' || i, '1')) FROM generate_series(1, 100) i)),
	'WRITE INSERT public.watched', 'once for a statement that produces a hundred events');
is(audited(q(SELECT produce_batch('watched', '[{"key": "k"}]'::jsonb))), 'WRITE INSERT public.watched', 'produce_batch() is');
is(audited(q(SELECT count(*) FROM read_topic('watched'))), 'READ SELECT public.watched', 'read_topic() is');
is(audited(q(SELECT count(*) FROM consume('g', 'watched'))), 'READ SELECT public.watched', 'consume() is');
is(audited(q(SELECT count(*) FROM consume_as(NULL::watched, 'as'))), 'READ SELECT public.watched', 'consume_as() is');
is(audited(q(SELECT count(*) FROM claim('c', 'watched'))), 'READ SELECT public.watched', 'claim() is');
is(audited(q(SELECT join_group('all', '{watched,unwatched}'); SELECT count(*) FROM consume('all'))) =~ s/^(READ SELECT public\.watched)( \1)*$/$1/r,
	'READ SELECT public.watched', 'consume() of all topics that a session is subscribed to is');
is(audited(q(SELECT count(*) FROM latest('watched'))), 'READ SELECT public.watched', 'latest() is');
is(audited(q(SELECT produce('unwatched', 'k', '1'); SELECT count(*) FROM consume('g', 'unwatched'))), '', 'a topic that the auditor has no right on is not');
is(audited(q(DO $$ BEGIN PERFORM produce('watched', 'k', '1'); END $$)), 'WRITE INSERT public.watched', 'in a DO block, too');

# PQfn(): a call without statement must not lead the auditor astray
need_python();
my $before = $node->safe_psql('postgres', 'SELECT pg_postmaster_start_time()');
my $script = <<'EOT';
import ctypes, ctypes.util, sys
pq = ctypes.CDLL(ctypes.util.find_library("pq") or "libpq.so.5")
for name in ("PQconnectdb", "PQexec", "PQfn"):
    getattr(pq, name).restype = ctypes.c_void_p
pq.PQgetvalue.restype = ctypes.c_char_p
conn = ctypes.c_void_p(pq.PQconnectdb(sys.argv[1].encode()))
def value(sql):
    return int(pq.PQgetvalue(ctypes.c_void_p(pq.PQexec(conn, sql.encode())), 0, 0))
class Content(ctypes.Union):
    _fields_ = [("ptr", ctypes.c_char_p), ("integer", ctypes.c_int)]
class Argument(ctypes.Structure):
    _fields_ = [("len", ctypes.c_int), ("isint", ctypes.c_int), ("content", Content)]
function = value("SELECT 'produce_batch(regclass, jsonb)'::regprocedure::oid::int")
events = b'\x01[{"key": "k"}]'
arguments = (Argument * 2)(
    Argument(4, 1, Content(integer=value("SELECT 'watched'::regclass::oid::int"))),
    Argument(len(events), 0, Content(ptr=events)))
length, result = ctypes.c_int(), (ctypes.c_char * 64)()
answer = ctypes.c_void_p(pq.PQfn(conn, function, result, ctypes.byref(length), 0, arguments, 2))
print(pq.PQresultStatus(answer), value("SELECT 1"))
EOT
my ($out, $err) = ('', '');
IPC::Run::run([ python(), '-c', $script, $node->connstr('postgres') ], '>', \$out, '2>', \$err);
is("$out$err", "1 1\n", 'a function that is called without a statement ends as it should');
is($node->safe_psql('postgres', 'SELECT pg_postmaster_start_time()'), $before, 'and no server has crashed');

done_testing();
