"""an old snapshot is held in one of two databases: produce one event, consume and commit what has come, 8 clients

Two databases of one server do the same in turn. In one of them a REPEATABLE READ transaction took its snapshot before the
first event, and holds it. For ten minutes: --seconds 30.
"""
import psycopg

import measure
from measure import DURABLE, Contestant
from paired import CLIENTS, ENDS, Unharmed, connect, database, produce_and_consume

WITHOUT, WITH = "without an old snapshot", "with an old snapshot"


def set_up(context):
    context.databases = {WITHOUT: database(context.server, "free"), WITH: database(context.server, "held")}
    for where in context.databases.values():
        measure.sql("SELECT create_topic('t', 8)", where)
    context.old = context.stack.enter_context(connect(context.databases[WITH]))
    context.old.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
    context.old.execute("SELECT count(*) FROM pg_class")


def contestants(context):
    def run(name, where):
        work = produce_and_consume("t", context.seconds, where)

        def checked():
            result = work()
            held = measure.sql("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
                               " AND state = 'idle in transaction' AND backend_xmin IS NOT NULL", where)
            if held != ("1" if name == WITH else "0"):
                raise SystemExit(f"bench: {held} old snapshots in the database {name}")
            size = measure.sql("SELECT pg_relation_size('_eventlog.committed_offsets_p0') / 1048576.0", where)
            return *result, {"offsets_mb": float(size)}
        return checked
    return [Contestant(name, run(name, where), CLIENTS, DURABLE["on"], arrived=ENDS.format(topic="t"), server=where)
            for name, where in context.databases.items()]


COLUMNS = {"offsets_mb": "MB of offsets"}
RATIOS = [Unharmed(WITH, WITHOUT, target=13, at_least=0.93, what="with / without an old snapshot")]
