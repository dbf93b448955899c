"""Builds client.c and runs it."""
import json
import os
import pathlib
import subprocess

from measure import environment


class Client:
    """`Client(folder)(server, "produce", ...)`: what it says, as a dict."""

    def __init__(self, folder):
        def config(what):
            return subprocess.check_output([os.environ.get("PG_CONFIG", "pg_config"), what], text=True).strip()

        self.program, libraries = f"{folder}/client", config("--libdir")
        done = subprocess.run(["cc", "-std=gnu11", "-D_GNU_SOURCE", "-O2", "-Wall", "-Wextra", "-Werror",
                               f"-I{config('--includedir')}", str(pathlib.Path(__file__).parent / "client.c"),
                               f"-L{libraries}", f"-Wl,-rpath,{libraries}",
                               "-lpq", "-lpthread", "-o", self.program], text=True, capture_output=True, check=False)
        if done.returncode:
            raise SystemExit(f"bench: client.c does not compile\n{done.stderr}")

    def start(self, server, *arguments, **variables):
        """Its process; finish() has the result."""
        return subprocess.Popen([self.program, *map(str, arguments)], text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                env=environment(server, **variables))

    @staticmethod
    def finish(process, timeout=None):
        try:
            out, err = process.communicate(timeout=timeout)
        except subprocess.TimeoutExpired:
            process.kill()
            raise SystemExit(f"bench: {' '.join(process.args)}: not done after {timeout} s") from None
        if process.returncode:
            raise SystemExit(f"bench: {' '.join(process.args)}\n{err.strip()}")
        return json.loads(out)

    def __call__(self, server, *arguments, timeout=None, **variables):
        return self.finish(self.start(server, *arguments, **variables), timeout)
