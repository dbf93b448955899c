#!/usr/bin/env python3
"""Pipelines from topic "a": consume, transform, produce, update a table and commit, all in one transaction, by clients
that are hurt while they do (crew.py). One is as good as another: each writes a topic and a table of its own.

  block      a transaction of statements, the transformation is the client's
  statement  one statement in autocommit, consume(commit => true)
  claim      either way, by claim()

At the end topic b_<pipeline> is "a" transformed, and table totals_<pipeline> is its aggregate: 032_pipelines.pl looks.
"""
import json
import random
import sys

import psycopg

import crew
from crew import RETRY, Log, broken, connect, is_stopping
from producer import Producer

PIPELINES = ("block", "statement", "claim")

# one statement: what came is produced, and what was produced is summed up
STATEMENT = """
WITH got AS MATERIALIZED (SELECT key, value->>'id' AS id, (value->>'n')::bigint AS n, event_offset FROM {source}),
sent AS MATERIALIZED (SELECT *, produce('b_{name}', key, json_build_object('id', id, 'n', 2 * n + 1)) AS sent_to FROM got)
INSERT INTO totals_{name} AS t
	SELECT key, count(sent_to), sum(n), (array_agg(id ORDER BY event_offset DESC))[1] FROM sent GROUP BY key ORDER BY key
	ON CONFLICT (key) DO UPDATE SET events = t.events + excluded.events, total = t.total + excluded.total, last_id = excluded.last_id
"""

TOTALS = """
INSERT INTO totals_{name} AS t
	SELECT key, count(*), sum(n), (array_agg(id ORDER BY at DESC))[1]
	FROM unnest(%s::text[], %s::text[], %s::bigint[]) WITH ORDINALITY AS sent (key, id, n, at) GROUP BY key ORDER BY key
	ON CONFLICT (key) DO UPDATE SET events = t.events + excluded.events, total = t.total + excluded.total, last_id = excluded.last_id
"""


class Client:
    def __init__(self, options, name, place):
        self.options, self.name = options, name
        self.log = Log(options.folder, name)
        self.pipeline = PIPELINES[place % len(PIPELINES)]
        # some of the block's are named members; one name, one process
        self.member = f"m{place}" if self.pipeline == "block" and place % 2 else None
        self.db = None

    def source(self, limit, in_statement):
        if self.pipeline == "claim":
            return f"claim('claim', 'a', {limit})"
        return (f"consume('{self.pipeline}', 'a', max_events => {limit}, commit => {in_statement}"
                + (f", member => '{self.member}')" if self.member else ")"))

    def statement(self):
        source = self.source(random.choice((3, 20, 100)), True)
        return "COMMIT" if self.db.execute(STATEMENT.format(name=self.pipeline, source=source)).rowcount else None

    def send(self, events):
        keys, ids, numbers = zip(*events)
        values = [json.dumps({"id": ident, "n": 2 * n + 1}) for ident, n in zip(ids, numbers)]
        self.db.execute(f"SELECT produce_batch('b_{self.pipeline}', %s::text[], %s::text[])", (list(keys), values))
        self.db.execute(TOTALS.format(name=self.pipeline), (list(keys), list(ids), list(numbers)))

    def block(self):
        run = self.db.execute
        run("BEGIN")
        source = self.source(random.choice((3, 20, 100)), False)
        events = run(f"SELECT key, value->>'id', (value->>'n')::bigint FROM {source}").fetchall()
        if events:
            if random.random() < 0.2:
                run("SAVEPOINT s")
                self.send(events)
                if random.random() < 0.5:
                    run("SELECT flush()")
                run("ROLLBACK TO s")
            self.send(events)
            if self.pipeline != "claim":
                run("SELECT commit(%s, %s)", (self.pipeline, self.member))
        how = "ROLLBACK" if random.random() < 0.1 else "COMMIT"
        answer = run(how).statusmessage
        if answer != how:
            raise RuntimeError(f"{how} answered {answer}")
        return how if events else None

    def run(self):
        while not is_stopping():
            try:
                if self.db is None:
                    self.db = connect(self.options.conninfo, self.name)
                    continue
                in_statement = self.pipeline == "statement" or self.pipeline == "claim" and random.random() < 0.5
                outcome = self.statement() if in_statement else self.block()
                if outcome:
                    self.log(self.pipeline, outcome=outcome)
                else:
                    self.db.execute("CALL wait_for_events(%s, '300 ms', %s)", (self.pipeline, self.member))
            except psycopg.Error as error:
                if broken(error, self.db):
                    self.log(self.pipeline, outcome="lost")
                    self.db = None
                elif error.sqlstate not in RETRY:
                    raise
                else:
                    self.log(self.pipeline, outcome=error.sqlstate)
                    self.retry()

    def retry(self):
        try:
            self.db.execute("ROLLBACK")
        except psycopg.OperationalError:
            self.db = None


def event():
    return f"k{random.randrange(200)}", {"n": random.randrange(1000)}, None


DONE = " UNION ALL ".join(f"SELECT coalesce(sum(events), 0) AS events FROM totals_{name}" for name in PIPELINES)

if __name__ == "__main__":
    sys.exit(crew.Crew(
        crew.options(__doc__),
        lambda *arguments: Client(*arguments).run(),
        lambda options, name, _: Producer(options, name, "a", event).run(),
        {"kill": 5, "terminate": 5, "stop": 2, "hang": 1},
        f"SELECT sum(events)::bigint FROM ({DONE}) done",
        f"SELECT min(events) >= (SELECT count(*) FROM read_topic('a', max_events => 100000000)) FROM ({DONE}) done",
    ).run())
