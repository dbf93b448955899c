"""Takeover, the cost of an old snapshot, and joining, on the server that PG* variables name. bench/groups calls this."""
import argparse
import os
import select
import signal
import statistics
import subprocess
import threading
import time

import psycopg

import measure


def quantiles(values):
    values = sorted(values)
    return values[len(values) // 20], statistics.median(values), values[-1 - len(values) // 20]


def wait_until(connection, query):
    while not connection.execute(query).fetchone()[0]:
        time.sleep(0.002)


# --- takeover ---------------------------------------------------------------------------------------------

VICTIM = {
    "idle": "",
    "in a transaction": "BEGIN; SELECT count(*) FROM consume('takeover', 't');",
    "waiting": "CALL wait_for_events('takeover', '1 hour', min_age => '1 day');",
}


def kill_one(admin, survivor, state):
    """Seconds from kill -9 of a client until another has its events, and until the client's backend is gone."""
    def take():
        survivor.execute("CALL wait_for_events('takeover', '1 hour')")
        rows = survivor.execute("SELECT partition FROM consume('takeover', 't', commit => true)").fetchall()
        times["taken"] = time.perf_counter()
        times["rows"] = len(rows)

    times = {}
    survivor.execute("SELECT count(*) FROM consume('takeover', 't', commit => true)")
    victim = subprocess.Popen(["psql", "-XAtq", "-f", "-"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    victim.stdin.write("SELECT pg_backend_pid(); SELECT join_group('takeover', '{t}');\n")
    victim.stdin.flush()
    backend = int(victim.stdout.readline())
    wait_until(admin, "SELECT count(*) = 2 AND min(partitions) = 4 FROM eventlog_members")
    admin.execute("SELECT produce('t', 'k', 'v', partition => p) FROM generate_series(0, 7) p")
    survivor.execute("SELECT count(*) FROM consume('takeover', 't', commit => true)")
    victim.stdin.write(VICTIM[state] + "\n")
    victim.stdin.flush()
    if state != "idle":
        wait_until(admin, "SELECT count(*) > 0 FROM eventlog_members"
                          f" WHERE pid = {backend} AND state = '{'waiting' if state == 'waiting' else 'working'}'")
    thread = threading.Thread(target=take)
    thread.start()
    wait_until(admin, f"SELECT count(*) > 0 FROM eventlog_members WHERE pid = {survivor.info.backend_pid} AND state = 'waiting'")
    handle = os.pidfd_open(backend)
    begin = time.perf_counter()
    victim.send_signal(signal.SIGKILL)
    select.select([handle], [], [])
    gone = time.perf_counter()
    thread.join()
    os.close(handle)
    victim.wait()
    if times["rows"] != 4:
        raise SystemExit(f"bench: {times['rows']} events instead of 4")
    return times["taken"] - begin, gone - begin


def takeover(args):
    admin, survivor = (psycopg.connect(autocommit=True) for _ in range(2))
    admin.execute("SELECT create_topic('t', 8, 'text', 'text')")
    print(f"takeover after kill -9 of a client, {args.kills} of each kind; milliseconds: 5 %, median, 95 %")
    good = True
    for state in VICTIM:
        taken, gone, trips = [], [], []
        for _ in range(args.kills):
            times = kill_one(admin, survivor, state)
            taken.append(times[0] * 1000)
            gone.append(times[1] * 1000)
            for _ in range(20):
                begin = time.perf_counter()
                survivor.execute("SELECT 1")
                trips.append((time.perf_counter() - begin) * 1000)
        # how many round trips beyond the backend's exit; less than none: the takeover came before it
        ratio = (statistics.median(taken) - statistics.median(gone)) / statistics.median(trips)
        good &= ratio <= 20
        for what, values in (("taken over", taken), ("its backend's exit", gone), ("SELECT 1", trips)):
            print(f"  {state:17} {what:20}" + "".join(f"{value:9.3f}" for value in quantiles(values)))
        print(f"  {state:17} {'(taken over - exit) / SELECT 1':29}{ratio:8.1f}   at most 20: {'kept' if ratio <= 20 else 'MISSED'}")
    return good


# --- an old snapshot --------------------------------------------------------------------------------------

SCRIPT = "SELECT count(*) FROM consume('g' || :client_id, 't', max_events => 1, member => 'm', commit => true);\n"
CLIENTS = 4


def window(database, connection, seconds):
    """Consumes and commits one event at a time; calls per second."""
    for client in range(CLIENTS):
        connection.execute("SELECT reset_group(%s, 't', 'earliest')", (f"g{client}",))
    os.environ["PGDATABASE"] = database
    count, spent = measure.Pgbench(SCRIPT, clients=CLIENTS, sync="off", seconds=seconds)()
    if connection.execute("SELECT min(lag) FROM eventlog_lag").fetchone()[0] <= 0:
        raise SystemExit("bench: a group came to the end of its topic")
    return count / spent


def old_snapshot(args):
    """Two databases, in turn; in one of them a transaction has held its snapshot all the time."""
    admin = psycopg.connect(autocommit=True)
    connections = {}
    for database in ("free", "held"):
        admin.execute(f"CREATE DATABASE {database}")
        connections[database] = psycopg.connect(f"dbname={database}", autocommit=True)
        connections[database].execute("CREATE EXTENSION eventlog")
        connections[database].execute("SELECT create_topic('t', 1, 'text', 'text')")
        connections[database].execute("SELECT count(produce('t', 'k', 'some value of an event')) FROM generate_series(1, 400000)")
    old = psycopg.connect("dbname=held")
    old.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
    old.execute("SELECT count(*) FROM pg_class")
    begin, ratios, rates = time.monotonic(), [], {"free": [], "held": []}
    while time.monotonic() - begin < args.seconds:
        for database in ("free", "held") if len(ratios) % 2 == 0 else ("held", "free"):
            rates[database].append(window(database, connections[database], 5))
        ratios.append(rates["held"][-1] / rates["free"][-1])
    held = time.monotonic() - begin
    size = {database: connection.execute("SELECT pg_relation_size('_eventlog.committed_offsets_p0') / 1048576").fetchone()[0]
            for database, connection in connections.items()}
    old.rollback()
    low, high = measure.interval(ratios)
    print(f"consume and commit of one event, {CLIENTS} clients, snapshot held for {held:.0f} s, {len(ratios)} pairs of 5 s")
    print(f"  without {statistics.median(rates['free']):9.0f} a second, offsets topic {size['free']} MB")
    print(f"  with    {statistics.median(rates['held']):9.0f} a second, offsets topic {size['held']} MB")
    print(f"  with / without: median {statistics.median(ratios):.3f}, 95 % of it within {low:.3f} .. {high:.3f}")
    return statistics.median(ratios) >= 0.9


# --- joining ----------------------------------------------------------------------------------------------

def members(args):
    admin = psycopg.connect(autocommit=True)
    admin.execute("CREATE TABLE pids AS SELECT pid FROM pg_stat_activity WHERE backend_type = 'eventlog coordinator'")
    coordinator = admin.execute("SELECT pid FROM pids").fetchone()[0]
    admin.execute("SELECT create_topic('t', %s)", (args.members,))

    def cpu():
        with open(f"/proc/{coordinator}/schedstat", encoding="ascii") as file:
            return int(file.read().split()[0]) / 1e9

    spent, begin = cpu(), time.perf_counter()
    for member in range(args.members):
        admin.execute("SELECT join_group('g', '{t}', %s)", (f"member{member}",))
    joined = time.perf_counter() - begin
    wait_until(admin, f"SELECT count(*) = {args.members} AND max(partitions) = 1 FROM eventlog_members")
    settled = time.perf_counter() - begin
    print(f"{args.members} members join a group of as many partitions, one after the other")
    print(f"  joined after {joined:.3f} s ({joined / args.members * 1000:.3f} ms each), settled after {settled:.3f} s")
    print(f"  the coordinator's CPU time: {cpu() - spent:.3f} s")
    return cpu() - spent < 2


# --- many topics ------------------------------------------------------------------------------------------

def topics(args):
    """An empty consume() of all topics of a session, which has their files open."""
    admin = psycopg.connect(autocommit=True)
    admin.execute("SELECT count(create_topic('many' || g)) FROM generate_series(1, %s) g", (args.topics,))
    print("an empty consume() of all topics of a member; milliseconds: 5 %, median, 95 % of 50 calls")
    medians = {}
    for count in (args.topics // 4, args.topics):
        session = psycopg.connect(autocommit=True)
        session.execute("SELECT join_group('many', (SELECT array_agg(('many' || g)::regclass) FROM generate_series(1, %s) g))", (count,))
        times = []
        for _ in range(60):
            begin = time.perf_counter()
            session.execute("SELECT * FROM consume('many')")
            times.append((time.perf_counter() - begin) * 1000)
        session.close()
        times = times[10:]
        medians[count] = statistics.median(times)
        print(f"  {count:6} topics" + "".join(f"{value:9.3f}" for value in quantiles(times)))
    return medians[args.topics] < 10 * medians[args.topics // 4]


parser = argparse.ArgumentParser()
parser.add_argument("what", choices=("takeover", "old-snapshot", "members", "topics"))
parser.add_argument("--kills", type=int, default=30)
parser.add_argument("--seconds", type=int, default=600, help="how long the old snapshot is held")
parser.add_argument("--members", type=int, default=1000)
parser.add_argument("--topics", type=int, default=2000)
options = parser.parse_args()
if options.what != "old-snapshot":
    measure.sql("CREATE EXTENSION eventlog")
raise SystemExit(0 if {"takeover": takeover, "old-snapshot": old_snapshot, "members": members, "topics": topics}[options.what](options) else 1)
