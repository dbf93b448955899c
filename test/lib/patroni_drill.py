"""What test/nightly/patroni says. The clients are failover.py's, and failover_check.py judges; needs psycopg 3."""
import base64
import glob
import json
import os
import random
import re
import secrets
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request

import psycopg

from failover_check import copy_problems, work_counts, work_problems
from guard import guarded

LIB = os.path.dirname(os.path.abspath(__file__))
ROUNDS = int(os.environ.get("EVENTLOG_PATRONI_ROUNDS", 3))
SYNCHRONOUS = os.environ.get("EVENTLOG_PATRONI_SYNCHRONOUS") != "off"
CLIENTS = 10
TTL = 20            # seconds
# Until the last client is back. Who is killed is missed after the ttl; then commits wait until another standby follows the
# new leader.
WITHIN = {"switchover": 15, "killed": TTL + 15}
AT_WORK = 1500      # transactions, before and after a fault
LIMIT = 120         # seconds, for what is only a matter of time

DYNAMIC = {
    "ttl": TTL, "loop_wait": 5, "retry_timeout": 5,
    "synchronous_mode": SYNCHRONOUS, "synchronous_mode_strict": SYNCHRONOUS,
    "postgresql": {
        "use_pg_rewind": True,
        "parameters": {"shared_preload_libraries": "eventlog", "wal_log_hints": "on",
                       "wal_retrieve_retry_interval": "500ms", "max_connections": 40,
                       "wal_consistency_checking": "eventlog", "eventlog.retention_check_interval": "1s"},
    },
}

TABLES = """CREATE EXTENSION eventlog;
SELECT create_topic('orders', 8, options => '{"segment_bytes": 65536}'), create_topic('bell', 1);
CREATE TABLE twin (id text PRIMARY KEY);
-- no unique constraint: it would hide what the test looks for
CREATE TABLE worked (of_group text, id text)"""


class Failed(Exception):
    pass


def free_ports():
    """Ports of 127.0.0.1 that nobody listens on, below those that the kernel gives to outgoing connections."""
    ports = list(range(10000, 32768))
    random.shuffle(ports)
    for port in ports:
        try:
            socket.create_server(("127.0.0.1", port)).close()
            yield port
        except OSError:
            pass


def wait_for(what, condition, limit=LIMIT):
    """Until it is true; returns that."""
    end = time.monotonic() + limit
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise Failed(f"after {limit} s still not: {what}")
        time.sleep(0.05)


def read(path):
    with open(path, encoding="utf-8") as file:
        return file.read()


def spawn(log, *command, **more):
    # a session of its own: the terminal's ^C is for us
    streams = {"stdin": subprocess.DEVNULL, "stdout": log, "stderr": subprocess.STDOUT, **more}
    return subprocess.Popen(command, start_new_session=True, **streams)


class Etcd:
    def __init__(self, folder, ports):
        client, peer = next(ports), next(ports)
        self.address = f"127.0.0.1:{client}"
        peers = f"http://127.0.0.1:{peer}"
        self.log = f"{folder}/etcd.log"
        with open(self.log, "w", encoding="utf-8") as log:
            self.process = spawn(log, "etcd", "--data-dir", f"{folder}/etcd", "--listen-client-urls", f"http://{self.address}",
                                 "--advertise-client-urls", f"http://{self.address}", "--listen-peer-urls", peers,
                                 "--initial-advertise-peer-urls", peers, "--initial-cluster", f"default={peers}")


class Node:
    """A server and its Patroni."""
    def __init__(self, folder, name, ports, etcd, passwords):
        self.name = name
        self.port, self.rest = next(ports), next(ports)
        self.data = f"{folder}/{name}"
        self.log = f"{folder}/{name}.log"
        self.config = f"{folder}/{name}.json"       # JSON is YAML
        self.passwords = passwords
        self.patroni = None
        bindir = subprocess.check_output([os.environ["PG_CONFIG"], "--bindir"], text=True).strip()
        with open(self.config, "w", encoding="utf-8") as file:
            json.dump({
                "scope": "eventlog", "name": name,
                "etcd3": {"host": etcd.address},
                "restapi": {"listen": f"127.0.0.1:{self.rest}", "connect_address": f"127.0.0.1:{self.rest}",
                            "authentication": {"username": "patroni", "password": passwords["patroni"]}},
                "bootstrap": {"dcs": DYNAMIC, "initdb": [{"encoding": "UTF8"}, {"locale": "C.UTF-8"}, "no-sync"]},
                "postgresql": {
                    "listen": f"127.0.0.1:{self.port}", "connect_address": f"127.0.0.1:{self.port}",
                    "bin_dir": bindir, "data_dir": self.data, "pgpass": f"{folder}/{name}.pgpass",
                    "parameters": {"unix_socket_directories": folder},
                    "authentication": {role: {"username": role, "password": passwords[role]}
                                       for role in ("superuser", "replication")},
                    "pg_hba": ["local all all scram-sha-256", "host all all 127.0.0.1/32 scram-sha-256",
                               "host replication replication 127.0.0.1/32 scram-sha-256"],
                },
                "watchdog": {"mode": "off"},        # there is no device to be had here
            }, file)

    def start(self):
        with open(self.log, "a", encoding="utf-8") as log:
            self.patroni = spawn(log, "patroni", self.config)

    def postmaster(self):
        """Its pid; None if the server does not run."""
        try:
            pid = int(read(f"{self.data}/postmaster.pid").split()[0])
            return pid if os.readlink(f"/proc/{pid}/cwd") == self.data else None
        except (OSError, IndexError):
            return None

    def kill(self):
        """Patroni, postmaster and all its children at once, as when the machine dies."""
        self.patroni.kill()
        postmaster = self.postmaster()
        os.kill(postmaster, signal.SIGSTOP)
        ps = subprocess.run(["ps", "-o", "pid=", "--ppid", str(postmaster)], check=False, text=True, stdout=subprocess.PIPE)
        pids = [*map(int, ps.stdout.split()), postmaster]
        for pid in pids:
            os.kill(pid, signal.SIGKILL)
        self.patroni.wait()
        wait_for(f"the processes of {self.name} are gone", lambda: not any(os.path.exists(f"/proc/{pid}") for pid in pids))

    def stop(self, limit):
        """Patroni stops the server, or was about to start it and leaves that to us: who is killed leaves shared memory."""
        try:
            self.patroni.wait(limit)
        except subprocess.TimeoutExpired:
            self.patroni.kill()
        postmaster = self.postmaster()
        if postmaster:
            os.kill(postmaster, signal.SIGQUIT)
            wait_for(f"{self.name} stops", lambda: not os.path.exists(f"/proc/{postmaster}"), limit)

    def ask(self, path, body=None):
        """The status and the answer of Patroni's REST API; a status of 0 without an answer."""
        authority = base64.b64encode(f"patroni:{self.passwords['patroni']}".encode()).decode()
        request = urllib.request.Request(f"http://127.0.0.1:{self.rest}/{path}", body and json.dumps(body).encode(),
                                         {"Authorization": f"Basic {authority}"})
        try:
            with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=60) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()
        except OSError:
            return 0, ""

    def connect(self):
        return psycopg.connect(f"host=127.0.0.1 port={self.port} user=superuser dbname=postgres connect_timeout=5",
                               autocommit=True)


class Crew:
    """failover.py's clients; ids that were acknowledged go to the list."""
    def __init__(self, folder, name, nodes, acknowledged):
        self.folder = f"{folder}/{name}.crew"
        self.acknowledged = acknowledged
        os.mkdir(self.folder)
        self.out, self.err = f"{self.folder}/out", f"{self.folder}/err"
        conninfo = (f"host={','.join('127.0.0.1' for _ in nodes)} port={','.join(str(node.port) for node in nodes)}"
                    " dbname=postgres user=superuser target_session_attrs=read-write connect_timeout=2")
        with open(self.out, "w", encoding="utf-8") as out, open(self.err, "w", encoding="utf-8") as err:
            self.process = spawn(out, sys.executable, "-B", f"{LIB}/failover.py", "--conninfo", conninfo, "--folder", self.folder,
                                 "--prefix", f"{name}.", stdin=subprocess.PIPE, stderr=err)

    def done(self):
        """How many transactions."""
        if self.process.poll() is not None:
            raise Failed(f"the crew ended: {read(self.err)}")
        said = re.findall(r"^done (\d+)$", read(self.out), re.M)
        return int(said[-1]) if said else 0

    def work_on(self, more):
        enough = self.done() + more
        wait_for(f"the crew has done {more} transactions more", lambda: self.done() >= enough)

    def back(self, old, moment):
        """How long after that moment another server than the old one was of use to each client that it was of use to."""
        after = {}
        for path in glob.glob(f"{self.folder}/*.log"):
            for port, t in re.findall(r'"port": (\d+), "t": ([\d.]+)\}$', read(path), re.M):
                if int(port) != old.port and float(t) > moment:
                    after[os.path.basename(path)[:-len(".log")]] = float(t) - moment
                    break
        return after

    def finish(self):
        """Works all there is and ends; what it says if that was not well."""
        try:
            self.process.communicate(b"stop\n", LIMIT)
        except subprocess.TimeoutExpired:
            self.process.kill()
        for path in glob.glob(f"{self.folder}/producer*.log"):
            self.acknowledged += re.findall(r'"id": "([^"]+)".*\}$', read(path), re.M)
        said = read(self.err)
        return said or (f"it ended with {self.process.returncode}" if self.process.returncode else "")


class Drill:
    def __init__(self, folder):
        self.folder = folder
        self.failed = False
        self.acknowledged = []
        self.nodes = []
        self.etcd = self.crew = None
        self.slowest = {kind: [] for kind in WITHIN}
        self.rejoined = []

    def check(self, name, problems):
        """A line that says whether there are none."""
        print("not ok" if problems else "ok", "-", name, flush=True)
        for problem in problems:
            print("#  ", str(problem).replace("\n", "\n#   "), flush=True)
        self.failed = self.failed or bool(problems)

    def leader(self, but=None):
        """The node that Patroni says is the leader, if it is another than that."""
        return next((node for node in self.nodes if node is not but and node.ask("primary")[0] == 200), None)

    def follow(self, leader, nodes):
        """Do they all follow the leader?"""
        try:
            with leader.connect() as connection:
                rows = connection.execute("SELECT application_name FROM pg_stat_replication WHERE state = 'streaming'")
                return {node.name for node in nodes} <= {name for name, in rows}
        except psycopg.OperationalError:        # it is one no more
            return False

    def whole(self):
        """The leader, once both others follow it and, if that is asked for, Patroni knows one of them to be synchronous."""
        ended = [node.name for node in self.nodes if node.patroni.poll() is not None]
        if ended:
            raise Failed(f"Patroni has ended on {', '.join(ended)}")
        leader = self.leader()
        if leader and self.follow(leader, [node for node in self.nodes if node is not leader]):
            if not SYNCHRONOUS or any(node.ask("synchronous")[0] == 200 for node in self.nodes):
                return leader
        return None

    def start(self):
        passwords = {role: secrets.token_hex(16) for role in ("superuser", "replication", "patroni")}
        passfile = f"{self.folder}/pgpass"
        with open(passfile, "w", encoding="utf-8") as file:
            file.write(f"*:*:*:superuser:{passwords['superuser']}\n")
        os.environ["PGPASSFILE"] = passfile
        ports = free_ports()
        self.etcd = Etcd(self.folder, ports)
        for name in "one", "two", "three":
            self.nodes.append(Node(self.folder, name, ports, self.etcd, passwords))
            self.nodes[-1].start()
        with wait_for("all nodes run", self.whole).connect() as connection:
            for statement in TABLES.split(";\n"):
                connection.execute(statement)
        version = json.loads(self.nodes[0].ask("patroni")[1])["patroni"]["version"]
        print(f"# Patroni {version}, ttl {TTL} s, synchronous_mode {'on' if SYNCHRONOUS else 'off'}", flush=True)

    def switchover(self, leader):
        status, answer = leader.ask("switchover", {"leader": leader.name})
        if status != 200:
            raise Failed(f"no switchover from {leader.name}: {status} {answer}")

    def killed(self, leader):
        """The leader dies when its last transactions have not left it: those that wait for a standby are not acknowledged."""
        with leader.connect() as connection:
            senders = [pid for pid, in connection.execute("SELECT pid FROM pg_stat_replication")]
            for pid in senders:
                os.kill(pid, signal.SIGSTOP)
            try:
                # three producers; without synchronous_mode they go on
                wait_for("there are transactions that only the leader has", lambda: connection.execute(
                    "SELECT (SELECT count(*) >= 3 FROM pg_stat_activity WHERE wait_event = 'SyncRep')"
                    " OR (SELECT min(pg_current_wal_flush_lsn() - sent_lsn) > 30000 FROM pg_stat_replication)").fetchone()[0])
            except BaseException:
                for pid in senders:
                    os.kill(pid, signal.SIGCONT)
                raise
        leader.kill()

    def rejoin(self, name, node):
        """The killed node comes back: Patroni makes a standby of it, from its own data."""
        folder = os.open(node.data, os.O_RDONLY)
        before = os.path.getsize(node.log)
        began = time.monotonic()
        node.start()

        def follows():
            leader = self.leader(but=node)
            return leader and self.follow(leader, [node])

        wait_for(f"{node.name} follows the new leader", follows)
        took = time.monotonic() - began
        self.rejoined.append(took)
        with open(node.log, encoding="utf-8") as log:
            log.seek(before)
            rewound = "running pg_rewind" in log.read()
        self.check(f"{name}: Patroni's pg_rewind makes a standby of it, {took:.1f} s after its return",
                   ([] if rewound else ["there was no pg_rewind"]) +
                   ([] if os.path.samestat(os.fstat(folder), os.stat(node.data)) else ["it was copied anew"]))
        os.close(folder)

    def round(self, kind, number):
        name = f"{kind} {number}"
        leader = wait_for("all nodes run", self.whole)
        crew = self.crew = Crew(self.folder, f"{kind}{number}", self.nodes, self.acknowledged)
        crew.work_on(AT_WORK)

        moment = time.monotonic()
        getattr(self, kind)(leader)
        try:
            wait_for("all clients are back", lambda: len(crew.back(leader, moment)) == CLIENTS, 2 * WITHIN[kind])
        except Failed:
            pass
        back = crew.back(leader, moment)
        slowest = max(back.values(), default=0) if len(back) == CLIENTS else float("inf")
        self.slowest[kind].append(slowest)
        self.check(f"{name}: all {CLIENTS} clients are back within {WITHIN[kind]} s, the slowest after {slowest:.1f} s",
                   [] if slowest < WITHIN[kind] else [f"back: {len(back)}"])
        print(f"# {name}: back after",
              ", ".join(f"{client} {back[client]:.1f} s" for client in sorted(back, key=back.get)), flush=True)

        if kind == "killed":
            self.rejoin(name, leader)
        crew.work_on(AT_WORK)
        said = crew.finish()
        self.check(f"{name}: the clients have done all there was", [said] if said else [])
        self.judge(name)

    def judge(self, name):
        leader = wait_for("all nodes run", self.whole)
        with leader.connect() as primary:
            self.check(f"{name}: nothing lost, nothing twice: {json.dumps(work_counts(primary, self.acknowledged))}",
                       work_problems(primary, self.acknowledged))
            for node in self.nodes:
                if node is not leader:
                    with node.connect() as standby:
                        end = primary.execute("SELECT pg_current_wal_insert_lsn()").fetchone()
                        wait_for(f"{node.name} has all of the leader's WAL",
                                 lambda: standby.execute("SELECT pg_last_wal_replay_lsn() >= %s", end).fetchone()[0])
                        self.check(f"{name}: {node.name} has the same as the leader, {leader.name}, and both are sound",
                                   copy_problems(primary, standby))

    def run(self):
        self.start()
        for kind in WITHIN:
            for number in range(1, ROUNDS + 1):
                self.round(kind, number)
        for kind, times in self.slowest.items():
            print(f"# {kind}: the slowest client was back after", ", ".join(f"{t:.1f} s" for t in times), flush=True)
        print("# killed: streaming again after", ", ".join(f"{t:.1f} s" for t in self.rejoined), "from its return", flush=True)

    def stop(self):
        """The servers end well, if they can; the guard ends what is left."""
        if self.crew:
            self.crew.process.kill()
        running = [node for node in self.nodes if node.patroni]
        for node in running:
            node.patroni.terminate()
        end = time.monotonic() + 20
        for node in running:
            node.stop(max(end - time.monotonic(), 5))

    def show_logs(self):
        for one in self.etcd, *self.nodes:
            if one and os.path.exists(one.log):
                print(f"--- the end of {os.path.basename(one.log)}", *read(one.log).splitlines()[-40:], sep="\n", flush=True)


def main(folder):
    os.umask(0o077)
    drill = Drill(folder)
    try:
        drill.run()
    except (Failed, psycopg.Error) as error:
        drill.check("the drill goes on to its end", [error])
    finally:
        drill.stop()
    if drill.failed:
        drill.show_logs()
    return int(drill.failed)


sys.exit(guarded("eventlog-patroni", main))
