"""eventlog-broker in front of a private server, and the programs that load it and Kafka alike."""
import copy
import json
import pathlib
import shutil
import subprocess
import time
import urllib.error
import urllib.request

import kafka
import measure

HERE = pathlib.Path(__file__).parent


def compile_readers(folder, jars):
    """The folder with the classes of kafka/*.java, and what is missing if they cannot be compiled."""
    if not shutil.which("javac"):
        return None, "javac is not installed"
    classes = f"{folder}/classes"
    sources = sorted((HERE / "kafka").glob("*.java"))
    done = subprocess.run(["javac", "-encoding", "UTF-8", "-cp", f"{jars}/*", "-d", classes, *sources],
                          text=True, capture_output=True, check=False)
    if done.returncode:
        raise SystemExit(f"bench: kafka/*.java do not compile\n{done.stdout}{done.stderr}")
    return classes, None


class Frames:
    """`Frames(folder)("produce", ...)`: what frames.c says, as a dict."""

    def __init__(self, folder):
        self.program = f"{folder}/frames"
        done = subprocess.run(["cc", "-std=gnu11", "-D_GNU_SOURCE", "-O2", "-Wall", "-Wextra", "-Werror", str(HERE / "frames.c"),
                               "-o", self.program], text=True, capture_output=True, check=False)
        if done.returncode:
            raise SystemExit(f"bench: frames.c does not compile\n{done.stderr}")

    def start(self, *arguments):
        """Its process; finish() has the result."""
        return subprocess.Popen([self.program, *map(str, arguments)], text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    @staticmethod
    def finish(process):
        out, err = process.communicate()
        if process.returncode:
            raise SystemExit(f"bench: {' '.join(process.args)}\n{err.strip()}")
        return json.loads(out)

    def __call__(self, *arguments):
        return self.finish(self.start(*arguments))


class Broker(kafka.Tools):
    """`with Broker(jars, server, sync) as broker`: it runs, with synchronous_commit as told, and ends with the block, so that
    its sessions have reported what they did to the server's statistics."""

    def __init__(self, jars, server, sync):
        super().__init__(jars, kafka.free_port())
        self.status, self.process = kafka.free_port(), None
        self.log = f"{server.folder}/broker.log"
        self.conninfo = (f"host={server.env['PGHOST']} port={server.env['PGPORT']} user={server.env['PGUSER']}"
                         f" dbname={server.env['PGDATABASE']} options='-c synchronous_commit={sync}'")

    def __enter__(self):
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(["eventlog-broker", "--conninfo", self.conninfo, "--listeners", self.bootstrap(),
                                             "--status-listener", f"127.0.0.1:{self.status}"],
                                            stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        end = time.monotonic() + 60
        while not self.healthy():
            if self.process.poll() is not None or time.monotonic() > end:
                self.__exit__()
                said = pathlib.Path(self.log).read_text(encoding="utf-8")
                raise SystemExit(f"bench: eventlog-broker does not start\n{said[-2000:]}")
            time.sleep(0.02)
        return self

    def __exit__(self, *_):
        self.process.terminate()
        try:
            self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def healthy(self):
        """Whether it answers, and is told what changes in the server."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.status}/health", timeout=5) as answer:
                return answer.status == 200
        except (urllib.error.URLError, OSError):
            return False

    def cpu(self):
        return kafka.cpu_of(self.process.pid)

    def memory(self):
        return kafka.memory_of(self.process.pid)


def calls(server):
    """Transactions of the server's database so far, those of sessions that have ended at least; asked from another database, so
    that asking is not among them."""
    elsewhere, name = copy.copy(server), server.env["PGDATABASE"]
    elsewhere.env = {**server.env, "PGDATABASE": "template1"}
    return int(measure.sql(f"SELECT xact_commit + xact_rollback FROM pg_stat_database WHERE datname = '{name}'", elsewhere))


def syncs(server):
    """How often the server has made WAL durable so far."""
    # since 18 in pg_stat_io
    where = "pg_stat_io WHERE object = 'wal'" if int(measure.sql("SHOW server_version_num", server)) >= 180000 else "pg_stat_wal"
    column = "sum(fsyncs)" if "io" in where else "wal_sync"
    return int(measure.sql(f"SELECT {column} FROM {where}", server))


def java(tools, classes, name, *arguments):
    """What one of kafka/*.java says, as a dict."""
    done = subprocess.run(tools.command(name, tools.bootstrap(), *arguments, classes=classes), text=True, capture_output=True,
                          check=False, cwd="/tmp")
    if done.returncode:
        raise SystemExit(f"bench: {name} {' '.join(map(str, arguments))}\n{done.stdout[-1000:]}{done.stderr[-3000:]}")
    return json.loads(done.stdout.strip().splitlines()[-1])
