"""Client processes that are hurt on purpose: what owners.py and pipelines.py have in common; needs psycopg 3.

Each client and producer is a process of its own, with a log of JSON lines: a line is one write() to a file, so it
outlives the process that is killed right behind it. All times are CLOCK_MONOTONIC, which is the same for all
processes of the machine. One that dies is replaced by another with a name that was never used before.

The crew itself hurts them at random, and writes into its log "crew", before it does:

  kill       SIGKILL to a client
  terminate  pg_terminate_backend() on a client's or a producer's session
  stop       SIGSTOP for a moment
  hang       SIGSTOP amid a transaction, for longer than max_poll_interval
  setting    eventlog.terminate_stuck_consumers: does a hanging one lose its session, or only its membership?

Then it lets the producers end and waits until the clients have done all that is there.
"""
import argparse
import ctypes
import json
import os
import random
import select
import signal
import socket
import sys
import time
import traceback

import psycopg

RETRY = {"40001", "40P01", "40L01", "EL001", "55006"}
stopping = False


def on_term(*_):
    global stopping
    stopping = True


def end_with_parent(how):
    ctypes.CDLL(None).prctl(1, how)		# PR_SET_PDEATHSIG


def is_stopping():
    return stopping


class Log:
    def __init__(self, folder, name):
        self.file = os.open(f"{folder}/{name}.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

    def __call__(self, what, **fields):
        os.write(self.file, (json.dumps({"what": what, **fields}) + "\n").encode())


def broken(error, connection):
    """Did the connection go away (rather than the server refuse something)?"""
    return connection is None or connection.broken or connection.closed or (error.sqlstate or "").startswith(("57P", "08"))


def connect(conninfo, name):
    """None if it is time to stop."""
    while not stopping:
        try:
            return psycopg.connect(conninfo, autocommit=True, client_encoding="utf8", application_name=name,
                                   prepare_threshold=None)		# DISCARD ALL
        except psycopg.OperationalError as error:
            if error.sqlstate and not error.sqlstate.startswith(("57P", "08")):
                raise
            time.sleep(0.05)
    return None


def cut(connection):
    """Ends the connection without the goodbye that closing it would say."""
    with socket.socket(fileno=os.dup(connection.fileno())) as wire:
        wire.shutdown(socket.SHUT_RDWR)


def options(doc):
    parser = argparse.ArgumentParser(description=doc)
    parser.add_argument("--conninfo", required=True)
    parser.add_argument("--folder", required=True, help="for the logs; empty")
    parser.add_argument("--seconds", type=float, help="how long; without it until there is a line on standard input")
    parser.add_argument("--clients", type=int, default=16)
    parser.add_argument("--producers", type=int, default=4)
    return parser.parse_args()


class Crew:
    def __init__(self, options, client, producer, faults, progress, drained):
        """client and producer: functions of (options, name, place) that work until is_stopping().

        faults    {kind: weight}
        progress  SQL, what has been done so far, a number
        drained   SQL, is everything done?
        """
        self.options = options
        self.bodies = {"client": client, "producer": producer}
        self.faults = faults
        self.progress, self.drained = progress, drained
        self.log = Log(options.folder, "crew")
        self.crew = {}			# pid: (role, place, name)
        self.asleep = {}		# pid: when it is to wake up
        self.names = 0
        self.failed = False
        self.db = None
        self.terminates_stuck = True

    def start(self, role, place):
        self.names += 1
        name = f"{role}-{self.names}"
        pid = os.fork()
        if pid == 0:
            status = 1
            try:
                end_with_parent(signal.SIGKILL)
                os.closerange(3, 1024)		# it has a connection and a log of its own
                signal.signal(signal.SIGTERM, on_term)
                random.seed()
                self.bodies[role](self.options, name, place)
                status = 0
            except BaseException:
                traceback.print_exc()
            finally:
                sys.stderr.flush()
                os._exit(status)
        self.crew[pid] = (role, place, name)
        self.log("start", name=name, t=time.monotonic())

    def reap(self, replace=True):
        while self.crew:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if pid == 0:
                return
            role, place, name = self.crew.pop(pid)
            self.asleep.pop(pid, None)
            self.log("died", name=name, status=status, t=time.monotonic())
            if os.WIFEXITED(status) and os.WEXITSTATUS(status) != 0:
                self.failed = True		# it said why
            elif replace:
                self.start(role, place)

    def ask(self, sql, *args):
        """All rows; none if the server is away."""
        try:
            if self.db is None:
                self.db = psycopg.connect(self.options.conninfo, autocommit=True, client_encoding="utf8",
                                          application_name="crew")
            cursor = self.db.execute(sql, args)
            return cursor.fetchall() if cursor.description else []
        except psycopg.OperationalError as error:
            if not broken(error, self.db):
                raise
            self.db = None
            return []

    def wake(self, everybody=False):
        now = time.monotonic()
        for pid, when in list(self.asleep.items()):
            if everybody or when <= now:
                os.kill(pid, signal.SIGCONT)
                del self.asleep[pid]

    def victim(self, role, in_transaction=False):
        """A process that is awake; the way it is, or in a transaction."""
        names = {name: pid for pid, (r, _, name) in self.crew.items() if r == role and pid not in self.asleep}
        if in_transaction:
            rows = self.ask("SELECT application_name FROM pg_stat_activity"
                            " WHERE state = 'idle in transaction' AND application_name = ANY(%s)", list(names))
            names = {name: names[name] for name, in rows}
        if not names:
            return None, None
        name = random.choice(sorted(names))
        return names[name], name

    def hurt(self):
        kind = random.choices(list(self.faults), list(self.faults.values()))[0]
        now = time.monotonic()
        if kind == "kill":
            pid, name = self.victim("client", random.random() < 0.6)
            if pid:
                self.log("kill", name=name, t=time.monotonic())
                os.kill(pid, signal.SIGKILL)
        elif kind == "terminate":
            role = random.choices(("client", "producer"), (5, 1))[0]
            rows = self.ask("SELECT pid, application_name FROM pg_stat_activity WHERE application_name LIKE %s"
                            " ORDER BY state = 'idle', random() LIMIT 1", role + "-%")
            for pid, name in rows:
                self.log("terminate", name=name, pid=pid, t=time.monotonic())
                self.ask("SELECT pg_terminate_backend(%s)", pid)
        elif kind == "stop":
            pid, name = self.victim("client")
            if pid:
                self.log("stop", name=name, t=now)
                os.kill(pid, signal.SIGSTOP)
                self.asleep[pid] = now + random.uniform(0.1, 1.5)
        elif kind == "hang":
            for _ in range(20):
                pid, name = self.victim("client", True)
                if pid is None:
                    continue
                os.kill(pid, signal.SIGSTOP)
                # it may have gone on before it was stopped
                if self.ask("SELECT 1 FROM pg_stat_activity WHERE state = 'idle in transaction' AND application_name = %s", name):
                    self.log("hang", name=name, t=time.monotonic())
                    self.asleep[pid] = time.monotonic() + random.uniform(3.2, 6)
                    break
                os.kill(pid, signal.SIGCONT)
        elif kind == "setting":
            self.terminates_stuck = not self.terminates_stuck
            self.ask(f"ALTER SYSTEM SET eventlog.terminate_stuck_consumers = {self.terminates_stuck}")
            self.ask("SELECT pg_reload_conf()")
            self.log("setting", on=self.terminates_stuck, t=time.monotonic())

    def told_to_stop(self):
        return bool(select.select([sys.stdin], [], [], 0)[0])

    def run(self):
        end_with_parent(signal.SIGTERM)
        try:
            return self.work()
        finally:
            for pid in self.crew:
                os.kill(pid, signal.SIGKILL)

    def work(self):
        for place in range(self.options.clients):
            self.start("client", place)
        for place in range(self.options.producers):
            self.start("producer", place)

        began = told = time.monotonic()
        while not self.failed:
            now = time.monotonic()
            if now - began > self.options.seconds if self.options.seconds else self.told_to_stop():
                break
            self.reap()
            self.wake()
            self.hurt()
            if now - told > 0.5:
                for done, in self.ask(self.progress):
                    print("done", done, flush=True)
                told = now
            time.sleep(random.uniform(0.02, 0.35))

        self.wake(everybody=True)
        self.end("producer")
        done, moved = None, time.monotonic()
        while not self.failed and self.ask(self.drained) != [(True,)]:
            self.reap()
            before, done = done, self.ask(self.progress)
            if done != before:
                moved = time.monotonic()
            elif time.monotonic() > moved + 30:
                print("there is more to do, but for 30 s nobody has done anything", file=sys.stderr)
                self.failed = True
            time.sleep(0.3)
        self.end("client")
        return 1 if self.failed else 0

    def end(self, role):
        """Those of the role finish what they do."""
        deadline = time.monotonic() + 60
        while any(r == role for r, _, _ in self.crew.values()):
            for pid, (r, _, name) in self.crew.items():
                if r == role:
                    os.kill(pid, signal.SIGTERM)
                    if time.monotonic() > deadline:
                        print(f"{name} does not end", file=sys.stderr)
                        self.failed = True
                        os.kill(pid, signal.SIGKILL)
            self.reap(replace=False)
            time.sleep(0.05)
