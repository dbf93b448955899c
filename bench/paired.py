"""Pairs that should differ in nothing: the same work with and without something that must not slow it down."""
import copy

import psycopg

import events
import measure
from measure import Ratio, interval

CLIENTS = 8
# each client is a consumer group of its own and sees what all produce; braces are for the generator's events
WORK = ("SELECT produce('{topic}', {{key}}, {{value}});\n"
        "SELECT count(*) FROM consume('{topic}_g' || :client_id, '{topic}', 500, commit => true)")
ENDS = "SELECT coalesce(sum(log_end_offset), 0) FROM eventlog_partitions WHERE topic = '{topic}'::regclass"


class Unharmed(Ratio):
    """Judged by the interval: all of it has to be above the bound."""

    def judge(self, values):
        low, high = interval(values)
        return "met" if low > self.at_least else "missed" if high <= self.at_least else "not shown: the bound is inside"


def database(server, name):
    """A server's other database, with the extension."""
    measure.sql(f"CREATE DATABASE {name}", server)
    other = copy.copy(server)
    other.env = {**server.env, "PGDATABASE": name}
    measure.sql("CREATE EXTENSION eventlog", other)
    return other


def connect(server, **options):
    return psycopg.connect(host=server.env["PGHOST"], port=server.env["PGPORT"], user=server.env["PGUSER"],
                           dbname=server.env["PGDATABASE"], **options)


def produce_and_consume(topic, seconds, server):
    """A contestant's run(): clients produce an event, and consume and commit what has come, in turn; afterwards all groups must
    have come to the end and lost nothing."""
    work = measure.one_by_one(WORK.format(topic=topic), list(events.events("json100", 32)), clients=CLIENTS, sync="on",
                              seconds=seconds, server=server)

    def run():
        result = work()
        for client in range(CLIENTS):
            rest = f"SELECT count(*) FROM consume('{topic}_g{client}', '{topic}', 100000, commit => true)"
            while measure.sql(rest, server) != "0":
                pass
        wrong = measure.sql(f"SELECT group_name, partition, lag, events_lost FROM eventlog_lag WHERE topic = '{topic}'::regclass"
                            " AND (committed_offset <> log_end_offset OR events_lost <> 0)", server)
        groups = measure.sql(f"SELECT count(DISTINCT group_name) FROM eventlog_lag WHERE topic = '{topic}'::regclass", server)
        if wrong or groups != str(CLIENTS):
            raise SystemExit(f"bench: {groups} groups in {topic}; not at the end, or not with all events:\n{wrong}")
        return result
    return run
