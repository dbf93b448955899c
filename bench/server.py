"""A private PostgreSQL server in a folder of its own, reached through a socket there and removed afterwards."""
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

# Durable as shipped: fsync, full_page_writes and synchronous_commit are at their defaults. Checkpoints are made between the
# rounds, not in one contestant's time. Clients run prepared statements over and over: generic plans from the first time on, not
# from the sixth.
SETTINGS = """
listen_addresses = ''
shared_buffers = 1GB
max_wal_size = 16GB
checkpoint_timeout = 1h
work_mem = 64MB
max_connections = 200
autovacuum_naptime = 1h
plan_cache_mode = force_generic_plan
"""
TICK = os.sysconf("SC_CLK_TCK")


def run(command, **options):
    done = subprocess.run(command, text=True, capture_output=True, check=False, **options)
    if done.returncode:
        raise SystemExit(f"bench: {command[0]} failed\n{done.stdout}{done.stderr}")
    return done.stdout


class Server:
    """`with Server(settings) as server`: it runs. `env` are the variables with which clients find it."""

    def __init__(self, settings="", preload="eventlog"):
        self.folder = tempfile.mkdtemp(prefix="bench.", dir="/tmp")
        self.data = f"{self.folder}/data"
        self.env = {"PGHOST": self.folder, "PGPORT": "5432", "PGUSER": "postgres", "PGDATABASE": "postgres"}
        self.settings = f"{SETTINGS}unix_socket_directories = '{self.folder}'\nshared_preload_libraries = '{preload}'\n{settings}"

    def __enter__(self):
        try:
            run(["initdb", "-D", self.data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8", "--no-sync"])
            with open(f"{self.data}/postgresql.conf", "a", encoding="utf-8") as file:
                file.write(self.settings)
            self.start()
        except BaseException as error:
            self.__exit__(type(error))
            raise
        return self

    def __exit__(self, kind=None, *_):
        if kind not in (None, KeyboardInterrupt):
            print(f"The end of the server's log:\n{self.log()[-2000:]}", file=sys.stderr)
        if os.path.exists(f"{self.data}/postmaster.pid"):
            self.stop("immediate")
        shutil.rmtree(self.folder, ignore_errors=True)

    def start(self):
        # its output goes to a file: a pipe would stay open as long as the server runs
        command = ["pg_ctl", "-D", self.data, "-l", f"{self.folder}/log", "-w", "-t", "120", "-s", "start"]
        if subprocess.run(command, stdin=subprocess.DEVNULL, check=False).returncode:
            raise SystemExit("bench: the server does not start")

    def log(self):
        path = pathlib.Path(self.folder, "log")
        return path.read_text(encoding="utf-8", errors="replace") if path.exists() else ""

    def stop(self, mode="fast"):
        run(["pg_ctl", "-D", self.data, "-w", "-s", "-m", mode, "stop"])

    def cpu(self):
        """Seconds of CPU time of all its processes so far, those that have ended included."""
        with open(f"{self.data}/postmaster.pid", encoding="ascii") as file:
            postmaster = int(file.readline())

        def times(pid):
            """Of itself: user, system; of its children that have ended: the same."""
            with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as file:
                return [int(n) for n in file.read().rsplit(")", 1)[1].split()[11:15]]

        while True:
            try:
                with open(f"/proc/{postmaster}/task/{postmaster}/children", encoding="ascii") as file:
                    before, ticks = times(postmaster), sum(sum(times(child)) for child in file.read().split())
                after = times(postmaster)
                if before[2:] == after[2:]:     # none has ended meanwhile, and been counted twice or not at all
                    return (ticks + sum(after)) / TICK
            except (FileNotFoundError, ProcessLookupError):     # nor now
                pass
