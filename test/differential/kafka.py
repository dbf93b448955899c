#!/usr/bin/env python3
"""Apache Kafka on this machine, to compare answers with: one node that is broker and controller, a listener with SASL PLAIN besides.

usage: kafka.py CACHE                           fetches it, 120 MB, if that has not been done yet
       kafka.py CACHE TABLES ANSWERS [--all]    asks it everything in scenarios.py, see observe.py

It is asked after a restart: so there are leader epochs that are over.
"""

import os
import pathlib
import random
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time

POM = pathlib.Path(__file__).parent / "pom.xml"
USER, PASSWORD = "differential", "secret"

LOGIN = f'org.apache.kafka.common.security.plain.PlainLoginModule required user_{USER}="{PASSWORD}";'

# no automatic topics: as the broker is by default
SETTINGS = """
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{controller}
listeners=PLAINTEXT://127.0.0.1:{port},SASL_PLAINTEXT://127.0.0.1:{sasl_port},CONTROLLER://127.0.0.1:{controller}
advertised.listeners=PLAINTEXT://127.0.0.1:{port},SASL_PLAINTEXT://127.0.0.1:{sasl_port}
controller.listener.names=CONTROLLER
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,SASL_PLAINTEXT:SASL_PLAINTEXT,CONTROLLER:PLAINTEXT
sasl.enabled.mechanisms=PLAIN
listener.name.sasl_plaintext.plain.sasl.jaas.config={login}
log.dirs={folder}/data
auto.create.topics.enable=false
log.index.size.max.bytes=65536
broker.session.timeout.ms=3000
broker.heartbeat.interval.ms=500
offsets.topic.replication.factor=1
offsets.topic.num.partitions=1
transaction.state.log.replication.factor=1
transaction.state.log.num.partitions=1
transaction.state.log.min.isr=1
"""


def version():
    return re.search(r"<kafka.version>(.*)</kafka.version>", POM.read_text(encoding="utf-8"))[1]


def fetch(cache):
    """The folder with the jars."""
    cache = pathlib.Path(cache)
    fetched = cache / "fetched"
    if not fetched.exists() or fetched.read_bytes() != POM.read_bytes():
        shutil.rmtree(cache, ignore_errors=True)
        cache.mkdir(parents=True)
        subprocess.run(["mvn", "-B", "-q", f"-Dmaven.repo.local={cache.parent}/maven", "-f", POM, "dependency:copy-dependencies",
                        f"-DoutputDirectory={cache}/lib"], check=True, stdin=subprocess.DEVNULL)
        shutil.copy(POM, fetched)
    return cache / "lib"


def free_port():
    """Below those that connections take for their own ends: it must be free yet after a restart."""
    while True:
        port = random.randrange(20000, 32000)
        with socket.socket() as s:
            try:
                s.bind(("127.0.0.1", port))
                return port
            except OSError:
                pass


class Kafka:
    """`with Kafka(jars) as kafka`: it runs, at kafka.port and kafka.sasl_port. Its folder is removed afterwards."""

    def __init__(self, jars):
        self.jars, self.process = jars, None
        self.folder = tempfile.mkdtemp(prefix="kafka.")
        self.port, self.sasl_port, self.controller = free_port(), free_port(), free_port()

    def java(self, *arguments):
        return ["java", "-Xmx512M", "-XX:+UseSerialGC", "-Djava.awt.headless=true", "-cp", f"{self.jars}/*", *arguments]

    def __enter__(self):
        try:
            config = f"{self.folder}/server.properties"
            settings = SETTINGS.format(folder=self.folder, port=self.port, sasl_port=self.sasl_port, controller=self.controller,
                                       login=LOGIN)
            pathlib.Path(config).write_text(settings, encoding="utf-8")
            with open(f"{self.folder}/log", "wb") as log:
                subprocess.run(self.java("kafka.tools.StorageTool", "format", "-t", "ZXZlbnRsb2ctYmVuY2gxMg", "-c", config),
                               stdout=log, stderr=log, stdin=subprocess.DEVNULL, cwd=self.folder, check=True)
            self.start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def start(self):
        with open(f"{self.folder}/log", "ab") as log:
            self.process = subprocess.Popen(self.java("kafka.Kafka", f"{self.folder}/server.properties"),
                                            stdout=log, stderr=log, stdin=subprocess.DEVNULL, cwd=self.folder)
        self.wait()

    def restart(self):
        """Afterwards the leader epochs of all partitions are greater than before."""
        self.process.kill()
        self.process.wait()
        self.start()

    def __exit__(self, *_):
        if self.process:
            self.process.kill()     # nothing of it is needed any more
            self.process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)

    def wait(self):
        """Until it takes connections."""
        end = time.monotonic() + 300
        while self.process.poll() is None and time.monotonic() < end:
            try:
                for port in self.port, self.sasl_port:
                    socket.create_connection(("127.0.0.1", port), 1).close()
                return
            except OSError:
                time.sleep(0.1)
        log = pathlib.Path(self.folder, "log").read_text(encoding="utf-8")
        raise SystemExit(f"Kafka does not start: {self.process.poll()}\n{log[-3000:]}")


HEAD = """# What Apache Kafka {version} has answered: a line of JSON for each scenario of scenarios.py and version of its request.
# Made by "test/nightly/differential --record", which says where it is; to be made again when scenarios or Kafka's version (pom.xml)
# change.
"""


def main():
    jars = fetch(sys.argv[1])
    if len(sys.argv) == 2:
        return
    tables, answers, *how = sys.argv[2:]
    with Kafka(jars) as kafka, open(answers, "w", encoding="utf-8") as file:
        observe = [sys.executable, POM.with_name("observe.py"), "--tables", tables, "--port", str(kafka.port),
                   "--sasl-port", str(kafka.sasl_port), "--user", USER, "--password", PASSWORD, *how]
        subprocess.run([*observe, "--create"], check=True)
        kafka.restart()
        file.write(HEAD.format(version=version()))
        file.flush()
        subprocess.run(observe, stdout=file, check=True)


if __name__ == "__main__":
    main()
