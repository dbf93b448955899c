"""Apache Kafka on this machine: one node that is broker and controller, and its own performance tools."""
import os
import pathlib
import re
import shutil
import socket
import subprocess
import tempfile
import time

from server import TICK

POM = pathlib.Path(__file__).parent / "kafka" / "pom.xml"
# what kafka-run-class.sh gives to every JVM, and what kafka-server-start.sh and the tools' scripts give besides
JVM = ["-server", "-XX:+UseG1GC", "-XX:MaxGCPauseMillis=20", "-XX:InitiatingHeapOccupancyPercent=35",
       "-XX:+ExplicitGCInvokesConcurrent", "-Djava.awt.headless=true"]
SERVER_HEAP, TOOL_HEAP = ["-Xmx1G", "-Xms1G"], ["-Xmx512M"]

PATIENCE_S = 1200       # for a tool

SETTINGS = """
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{controller}
listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}
advertised.listeners=PLAINTEXT://127.0.0.1:{port}
controller.listener.names=CONTROLLER
log.dirs={folder}/data
offsets.topic.replication.factor=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
group.initial.rebalance.delay.ms=0
"""


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def fetch():
    """The folder with the jars, and what is missing if they cannot be had."""
    cache = pathlib.Path(os.environ.get("EVENTLOG_CACHE", os.path.expanduser("~/.cache/eventlog"))) / "kafka"
    for tool in "java", "mvn":
        if not shutil.which(tool):
            return None, f"{tool} is not installed"
    fetched = cache / "fetched"
    if not fetched.exists() or fetched.read_bytes() != POM.read_bytes():
        shutil.rmtree(cache, ignore_errors=True)
        cache.mkdir(parents=True)
        shutil.copy(POM, cache / "pom.xml")
        done = subprocess.run(["mvn", "-B", "-q", f"-Dmaven.repo.local={cache.parent}/maven", "-f", cache / "pom.xml",
                               "dependency:copy-dependencies", f"-DoutputDirectory={cache}/lib"],
                              capture_output=True, text=True, check=False)
        if done.returncode:
            (cache / "log").write_text(done.stdout + done.stderr, encoding="utf-8")
            return None, f"Maven cannot fetch Kafka {version()}, see {cache}/log"
        shutil.copy(POM, fetched)
    return cache / "lib", None


def version():
    return re.search(r"<kafka.version>(.*)</kafka.version>", POM.read_text(encoding="utf-8"))[1]


class Tools:
    """Kafka's own tools, run against whoever speaks its protocol on that port."""

    def __init__(self, jars, port):
        self.jars, self.port = jars, port

    def command(self, name, *arguments, classes=""):
        """That runs a class of Kafka's, or one of a folder of classes."""
        return ["java", *TOOL_HEAP, *JVM, "-cp", f"{self.jars}/*:{classes}", name, *map(str, arguments)]

    def tool(self, name, *arguments):
        """What a tool of Kafka's prints."""
        try:
            done = subprocess.run(self.command(name, *arguments), capture_output=True, text=True, check=False, cwd="/tmp",
                                  timeout=PATIENCE_S)
        except subprocess.TimeoutExpired:       # they wait for ever for a server that has gone, as one does whose disk was full
            raise SystemExit(f"bench: {name}: not done after {PATIENCE_S} s") from None
        if done.returncode:
            raise SystemExit(f"bench: {name} {' '.join(map(str, arguments))}\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
        return done.stdout

    def bootstrap(self):
        return f"127.0.0.1:{self.port}"

    def create_topic(self, topic, partitions, **config):
        options = [x for name, value in config.items() for x in ("--config", f"{name.replace('_', '.')}={value}")]
        self.tool("org.apache.kafka.tools.TopicCommand", "--bootstrap-server", self.bootstrap(), "--create", "--topic", topic,
                  "--partitions", partitions, *options)

    def produced(self, topic):
        """The number of events in a topic."""
        out = self.tool("org.apache.kafka.tools.GetOffsetShell", "--bootstrap-server", self.bootstrap(), "--topic", topic,
                        "--time", "-1")
        return sum(int(line.rsplit(":", 1)[1]) for line in out.split())

    def producer(self, topic, records, warm_up, payload, **config):
        """kafka-producer-perf-test as a class and its arguments."""
        config = {"bootstrap.servers": self.bootstrap(), "acks": "all", **{k.replace("_", "."): v for k, v in config.items()}}
        warm = ["--warmup-records", warm_up] if warm_up else []
        return ["org.apache.kafka.tools.ProducerPerformance", "--topic", topic, "--num-records", records, *warm,
                "--throughput", -1, "--payload-file", payload, "--print-metrics",
                "--command-property", *[f"{k}={v}" for k, v in config.items()]]

    def produce(self, topic, events, warm_up, payload, **config):
        """kafka-producer-perf-test, not throttled. What it says of the events after those for warming up."""
        out = self.tool(*self.producer(topic, warm_up + events, warm_up, payload, **config))
        said = re.search(rf"^{events} {'steady state ' if warm_up else ''}records sent, ([0-9.]+) records/sec", out, re.M)
        batch = re.search(r"^producer-metrics:batch-size-avg:\S* *: ([0-9.]+)", out, re.M)
        request = re.search(r"^producer-metrics:records-per-request-avg:\S* *: ([0-9.]+)", out, re.M)
        total = re.search(r"^producer-topic-metrics:byte-total:\{[^}]*\} *: ([0-9.]+)", out, re.M)
        if not said or not batch or not request or not total:
            raise SystemExit(f"bench: kafka-producer-perf-test says\n{out[-3000:]}")
        return {"rate": float(said[1]), "batch_bytes": float(batch[1]), "events_per_request": float(request[1]),
                "bytes": float(total[1])}

    def consume(self, topic, events, group):
        """kafka-consumer-perf-test. The rate without the time until it has its partitions, which is told apart."""
        out = self.tool("org.apache.kafka.tools.ConsumerPerformance", "--bootstrap-server", self.bootstrap(), "--topic", topic,
                        "--num-records", events, "--group", group, "--hide-header", "--timeout", 120000)
        values = [value.strip() for value in out.strip().split("\n")[-1].split(",")]
        if len(values) != 10 or int(values[4]) < events:
            raise SystemExit(f"bench: kafka-consumer-perf-test says\n{out[-3000:]}")
        return {"rate": float(values[9]), "events": int(values[4]), "join_s": int(values[6]) / 1000}


def cpu_of(pid):
    """Seconds of CPU time of a process so far."""
    with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as file:
        return sum(map(int, file.read().rsplit(")", 1)[1].split()[11:13])) / TICK


def memory_of(pid):
    """MB of memory that a process has."""
    with open(f"/proc/{pid}/status", encoding="ascii", errors="replace") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("VmRSS:")) / 1024


class Kafka(Tools):
    """`with Kafka(jars, settings) as kafka`: it runs. Logs are in files of a folder that is removed afterwards."""

    def __init__(self, jars, settings=""):
        super().__init__(jars, free_port())
        self.settings, self.process = SETTINGS + settings, None
        self.folder = tempfile.mkdtemp(prefix="bench.", dir="/tmp")

    def __enter__(self):
        try:
            config = f"{self.folder}/server.properties"
            settings = self.settings.format(folder=self.folder, port=self.port, controller=free_port())
            pathlib.Path(config).write_text(settings, encoding="utf-8")
            self.tool("kafka.tools.StorageTool", "format", "-t", "ZXZlbnRsb2ctYmVuY2gxMg", "-c", config)
            with open(f"{self.folder}/log", "wb") as log:
                self.process = subprocess.Popen(["java", *SERVER_HEAP, *JVM, "-cp", f"{self.jars}/*", "kafka.Kafka", config],
                                                stdout=log, stderr=log, stdin=subprocess.DEVNULL, cwd=self.folder)
            self.wait()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        if self.process:
            self.process.kill()     # nothing of it is needed any more
            self.process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)

    def wait(self):
        """Until it answers."""
        end = time.monotonic() + 120
        while self.process.poll() is None and time.monotonic() < end:
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                return
            except OSError:
                time.sleep(0.1)
        raise SystemExit(f"bench: Kafka does not start\n{pathlib.Path(self.folder, 'log').read_text(encoding='utf-8')[-3000:]}")

    def cpu(self):
        """Seconds of CPU time of the server so far."""
        return cpu_of(self.process.pid)

    def memory(self):
        return memory_of(self.process.pid)
