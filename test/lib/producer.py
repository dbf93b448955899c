"""A producer of a crew (crew.py): transactions of random kinds, some of which leave offsets that nobody will ever get.

Its log, line by line: produced: outcome, ids

  ok    COMMIT answered COMMIT
  fail  rolled back, or an error before COMMIT was sent: nothing of it may ever be seen
  info  COMMIT was sent and the connection broke: all of it or nothing
"""
import json
import random
import time

import psycopg

from crew import Log, broken, connect, is_stopping


class Producer:
    def __init__(self, options, name, topic, event):
        """event(): (key, value, partition or None); each value gets an "id" of its own."""
        self.options, self.name, self.topic, self.event = options, name, topic, event
        self.log = Log(options.folder, name)
        self.db = None
        self.seq = 0

    def produce(self, ids, n):
        ident = f"{self.name}.{self.seq}.{n}"
        key, value, partition = self.event()
        self.db.execute(f"SELECT produce('{self.topic}', %s, %s, partition => %s)",
                        (key, json.dumps({"id": ident, **value}), partition))
        ids.append(ident)

    def transaction(self):
        self.seq += 1
        kind = random.choices(("plain", "flush", "long", "savepoint", "rollback"), (50, 15, 5, 20, 10))[0]
        run, ids, gone, sent = self.db.execute, [], [], False
        try:
            run("BEGIN")
            for n in range(random.choice((1, 1, 3, 10))):
                self.produce(ids, n)
            if kind == "savepoint":
                run("SAVEPOINT s")
                self.produce(gone, "s")
                run("SELECT flush()")
                run("ROLLBACK TO s")
                self.produce(ids, "after")
            elif kind != "plain":
                run("SELECT flush()")
                if kind == "long":
                    time.sleep(random.uniform(0, 0.3))		# readers stop there meanwhile
            if kind == "rollback":
                run("ROLLBACK")
                gone, ids = ids, []
            else:
                sent = True
                if run("COMMIT").statusmessage != "COMMIT":
                    raise RuntimeError("COMMIT did not commit")
            self.log("produced", outcome="ok", ids=ids)
        except psycopg.OperationalError as error:
            if not broken(error, self.db):
                raise
            self.log("produced", outcome="info" if sent else "fail", ids=ids)
            self.db = None
        self.log("produced", outcome="fail", ids=gone)

    def run(self):
        while not is_stopping():
            if self.db is None:
                self.db = connect(self.options.conninfo, self.name)
                continue
            self.transaction()
            time.sleep(random.uniform(0.005, 0.06))
