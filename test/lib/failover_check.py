"""Judges what failover.py's clients did through failovers; needs psycopg 3.

Prints each problem found, a line each, and last "counts" with how much was looked at, as JSON. Standard input has the ids
whose transactions the producers saw committed, one a line.

With --standby it compares the primary with that standby instead, which has to have replayed all of the primary's WAL.
"""
import argparse
import json
import sys

import psycopg

TOPICS = "orders", "bell", "_eventlog.committed_offsets"

LOST = """SELECT 'lost, though acknowledged', count(*), min(id)
FROM unnest(%(acknowledged)s::text[]) id WHERE NOT EXISTS (SELECT FROM twin WHERE twin.id = id.id)"""

EVENTS = """SELECT what, count(*), min(id)
FROM (SELECT value #>> '{}' AS id, count(*) AS n FROM read_topic('orders', max_events => 10000000) GROUP BY 1) e
FULL JOIN twin t USING (id)
CROSS JOIN LATERAL (VALUES ('row without its event', e.n IS NULL), ('event without its row', t.id IS NULL),
                           ('event twice', e.n > 1)) x(what, is_so)
WHERE is_so GROUP BY what ORDER BY what"""

WORK = """SELECT format('%s group: %s', g, what), count(*), min(id)
FROM unnest('{session,named,claims,waiter}'::text[]) g
CROSS JOIN LATERAL (SELECT value #>> '{}' AS id
                    FROM read_topic(CASE g WHEN 'waiter' THEN 'bell' ELSE 'orders' END, max_events => 10000000)) e
FULL JOIN (SELECT of_group AS g, id, count(*) AS n FROM worked GROUP BY 1, 2) w USING (g, id)
CROSS JOIN LATERAL (VALUES ('not worked', w.n IS NULL), ('worked twice', w.n > 1),
                           ('worked, but not there', e.id IS NULL)) x(what, is_so)
WHERE is_so GROUP BY g, what ORDER BY g, what"""

COUNTS = "SELECT json_build_object('rows', (SELECT count(*) FROM twin), 'worked', (SELECT count(*) FROM worked))"

CONTENT = """SELECT count(*), md5(string_agg(concat_ws('|', partition, event_offset, event_time, key, value, headers), ','
                             ORDER BY partition, event_offset))
FROM """


def work_problems(connection, acknowledged):
    """Those acknowledged are there, events are those of the twin, each group has worked each event once."""
    found = []
    for sql, parameters in (LOST, {"acknowledged": acknowledged}), (EVENTS, None), (WORK, None):
        found += [f"{what}: {n}, {example} is one" for what, n, example in connection.execute(sql, parameters) if n]
    return found


def work_counts(connection, acknowledged):
    return {"acknowledged": len(acknowledged), **connection.execute(COUNTS).fetchone()[0]}


def copy_problems(primary, standby):
    """The standby has the same topics, and they are sound on both."""
    found = []
    for topic in TOPICS:
        rows = [connection.execute(CONTENT + topic).fetchone() for connection in (primary, standby)]
        if rows[0] != rows[1]:
            found.append(f"{topic} differs: (events, md5) {rows[0]} on the primary, {rows[1]} on the standby")
        for name, connection in ("primary", primary), ("standby", standby):
            rows = connection.execute("SELECT c::text FROM check_topic(%s::regclass) c", (topic,))
            found += [f"{topic} on the {name}: {problem}" for problem, in rows]
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--conninfo", required=True, help="of the primary")
    parser.add_argument("--standby", help="of a standby")
    options = parser.parse_args()
    with psycopg.connect(options.conninfo, autocommit=True) as primary:
        if options.standby:
            with psycopg.connect(options.standby, autocommit=True) as standby:
                found, counts = copy_problems(primary, standby), {"topics": len(TOPICS)}
        else:
            acknowledged = sys.stdin.read().split()
            found, counts = work_problems(primary, acknowledged), work_counts(primary, acknowledged)
    for problem in found:
        print(problem)
    print("counts", json.dumps(counts))


if __name__ == "__main__":
    main()
