"""Connections of group_model.py: libpq one statement at a time, with next to nothing around it.

psycopg's cursors would take longer than the server does, so this is the layer below them. Everything that is put into a
statement is made by the model, and needs no quoting but for text inside text.
"""
import collections
import os
import sys
import threading
import time

from psycopg import pq

SETTINGS = "-c statement_timeout=20s -c lock_timeout=5s -c client_min_messages=warning"

Answer = collections.namedtuple("Answer", "state rows tag message")


class Lost(Exception):
    """The connection is gone."""


class Finding(Exception):
    """What should not be."""


def literal(text):
    return "'" + text.replace("'", "''") + "'"


class Connection:
    def __init__(self, conninfo, name, trace=None):
        self.conninfo, self.name, self.trace = conninfo, name, trace
        self.pg = None
        self.pid = 0

    def __repr__(self):
        return self.name

    def open(self, patience=60):
        """Connects; a server that is just recovering is waited for."""
        deadline = time.monotonic() + patience
        while True:
            pg = pq.PGconn.connect(f"{self.conninfo} application_name={self.name} options='{SETTINGS}'".encode())
            if pg.status == pq.ConnStatus.OK:
                break
            message = pg.error_message.decode(errors="replace")
            pg.finish()
            if time.monotonic() > deadline:
                raise Finding(f"cannot connect: {message}")
            time.sleep(0.02)
        self.pg, self.pid = pg, pg.backend_pid

    def close(self):
        if self.pg is not None:
            self.pg.finish()
            self.pg = None

    def run(self, sql):
        """The answer to a statement, whatever it is; of several statements the last one's."""
        try:
            result = self.pg.exec_(sql.encode())
        except MemoryError:             # psycopg's answer to libpq having none
            raise Lost("no connection") from None
        status = result.status
        if status == pq.ExecStatus.TUPLES_OK:
            columns = range(result.nfields)
            rows = [tuple(None if (v := result.get_value(row, column)) is None else v.decode() for column in columns)
                    for row in range(result.ntuples)]
            answer = Answer(None, rows, (result.command_status or b"").decode(), "")
        elif status == pq.ExecStatus.COMMAND_OK:
            answer = Answer(None, [], (result.command_status or b"").decode(), "")
        else:
            state = (result.error_field(pq.DiagnosticField.SQLSTATE) or b"").decode()
            message = " ".join(filter(None, ((result.error_field(field) or b"").decode() for field in (
                pq.DiagnosticField.MESSAGE_PRIMARY, pq.DiagnosticField.MESSAGE_DETAIL))))
            answer = Answer(state or "lost", [], "", message or result.error_message.decode(errors="replace"))
        if self.trace is not None:
            print(f"{self.name}: {sql}\n    -> {answer.state or answer.tag} {answer.message or answer.rows[:20]}", file=self.trace, flush=True)
        if self.pg.status != pq.ConnStatus.OK:
            raise Lost(f"{answer.state} {answer.message}")
        return answer

    def ask(self, sql):
        """The rows of a statement that does not fail."""
        answer = self.run(sql)
        if answer.state is not None:
            raise Finding(f"{sql}: {answer.state} {answer.message}")
        return answer.rows

    def value(self, sql):
        return self.ask(sql)[0][0]


class Watchdog(threading.Thread):
    """Says so and ends the process when the main thread has been in the same step for too long."""

    def __init__(self, where, patience=90):
        super().__init__(daemon=True)
        self.where, self.patience = where, patience

    def run(self):
        seen, since = None, time.monotonic()
        while True:
            time.sleep(1)
            now = self.where()
            if now != seen:
                seen, since = now, time.monotonic()
            elif time.monotonic() - since > self.patience:
                print(f"FINDING no statement has ended for {self.patience} s: {now}", flush=True)
                sys.stdout.flush()
                os._exit(1)
