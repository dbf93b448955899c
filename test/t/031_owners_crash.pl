# The server crashes under a group's members: an event is processed twice or
# never, or the members of before and after the crash share a partition.

use strict;
use warnings FATAL => 'all';

use File::Basename qw(dirname);
use lib dirname(__FILE__) . '/../lib';

use EventlogTest;
use PostgreSQL::Test::Utils;
use Test::More;

need_python();

my $node = new_cluster('owners_crash', conf => <<'EOT');
max_connections = 150
log_statement = none
EOT
create_owners($node);

# commits at the moment of the crash: of each it is asked later whether it happened
my $crew = start_crew($node, 'owners.py');
wait_for_crew($crew, 300);
foreach my $crash (1 .. 4)
{
	crash_under_crew($crew);
	wait_for_crew($crew, 600);
}
finish_crew($crew);
my $count = check_owners($node, $crew, 'crashes');

is($count->{crash}, 4, 'four crashes');
cmp_ok($count->{'amid a crash'}, '>=', 4, "transactions amid a crash: $count->{'amid a crash'}");
cmp_ok($count->{acknowledged}, '>=', 1000, "acknowledged: $count->{acknowledged}");
unlike(slurp_file($node->logfile), qr/PANIC:|TRAP:|signal 11|signal 6/, 'no failure of its own');

$node->stop;
done_testing();
