"""Measure eventlog beside its floors and peers, set by set, each on a server of its own. bench/run calls this.

In each round every contestant of the set is measured once, in turn from the first to the last and from the last to the first.
Raw measurements are written as JSON to descriptor 3, if that is open.
"""
import argparse
import contextlib
import importlib
import json
import os
import pathlib
import platform
import re
import signal
import sys
import tempfile
import time

import measure
import report
import server

CORE = ["single", "bulk", "read", "size", "transaction"]
SETTINGS = """SELECT json_object_agg(name, setting) FROM pg_settings WHERE source NOT IN ('default', 'override', 'client')
    OR name IN ('fsync', 'full_page_writes', 'synchronous_commit', 'wal_level', 'wal_sync_method')"""
USUAL = {"rounds": 9, "seconds": 2, "events": 200000}
SETS = sorted(path.stem for path in pathlib.Path(__file__).parent.glob("sets/*.py"))


class Context:
    """What a set gets: the arguments, its server, a folder for its files, one that is kept from run to run, and a stack for
    what it opens itself and is to be closed after it (contextlib.ExitStack)."""

    def __init__(self, args, module, folder, stack):
        self.stack, self.here, self.folder = stack, pathlib.Path(__file__).parent, folder
        # as told, or else what the set says for itself, or else what is usual
        self.rounds, self.seconds, self.events = (
            getattr(args, name) or getattr(module, name.upper(), usual) for name, usual in USUAL.items())
        self.told_rounds, self.quick, self.cells = args.rounds is not None, args.quick, args.cells
        self.cache = os.path.join(os.environ.get("EVENTLOG_CACHE", tempfile.gettempdir()), "bench")
        self.server = None
        os.makedirs(self.cache, exist_ok=True)

    def chosen(self, heading):
        """Whether --cells asks for contestants under this heading."""
        return not self.cells or any(re.search(cell, heading) for cell in self.cells)

    def progress(self, text=""):
        progress(text)

    def sql(self, query):
        return measure.sql(query, self.server)

    def timed_sql(self, query):
        return measure.timed_sql(query, self.server)

    def pgbench(self, script, **options):
        return measure.Pgbench(script, **{"server": self.server, **options})

    def one_by_one(self, statement, sample, **options):
        return measure.one_by_one(statement, sample, **{"server": self.server, "seconds": self.seconds, **options})


def progress(text=""):
    if sys.stdout.isatty():
        print(f"\r\033[K{text}", end="", flush=True)


def in_rounds(context, module, name, rows, private):
    """All contestants once in each round, in turn forwards and backwards."""
    for number in range(1, context.rounds + 1):
        for where in {row.server or private for row in rows} if getattr(module, "CHECKPOINTS", True) else ():
            measure.sql("CHECKPOINT", where)
        for row in rows if number % 2 else reversed(rows):
            progress(f"{name}, round {number} of {context.rounds}: {row.name}, {row.clients}, {row.durable}")
            row.measure(number, private)


def run_set(name, args, results):
    """Measures one set and prints its table; returns its ratios and contestants."""
    module = importlib.import_module(f"sets.{name}")
    with contextlib.ExitStack() as stack:
        context = Context(args, module, stack.enter_context(tempfile.TemporaryDirectory(prefix="bench.", dir="/tmp")), stack)
        context.server = private = stack.enter_context(server.Server(getattr(module, "SETTINGS", "")))
        begin = time.monotonic()
        print(f"\n{name}: {module.__doc__.splitlines()[0]}", flush=True)
        context.sql("CREATE EXTENSION eventlog")
        progress("setting up")
        module.set_up(context)
        rows = [row for row in module.contestants(context)
                if (not args.only or re.search(args.only, row.name)) and context.chosen(row.heading)]
        if not rows:
            raise SystemExit(f"bench: {name} has no such contestants")
        running = [row for row in rows if not row.missing]
        destinations = {(row.arrived, row.server or private) for row in running if row.arrived}
        before = {destination: int(measure.sql(*destination)) for destination in destinations}
        try:
            if hasattr(module, "in_cells"):     # a set with an order of its own
                module.in_cells(context, running, private)
            else:
                in_rounds(context, module, name, running, private)
        finally:    # what was measured before something failed is kept
            results["sets"][name] = {"measurements": [one for row in running for one in row.measured]}
        progress()
        for query, where in destinations:
            sent = sum(sum(row.values("events")) for row in running if (row.arrived, row.server or private) == (query, where))
            arrived = int(measure.sql(query, where)) - before[query, where]
            if arrived != sent:
                raise SystemExit(f"bench: {sent} events were sent, {arrived} have arrived: {query}")
        for where in {row.server or private for row in running}:
            if measure.sql("SELECT to_regclass('eventlog_topics')", where) == "":      # a server without the extension
                continue
            problems = measure.sql("SELECT t.topic, p.* FROM eventlog_topics t, check_topic(t.topic) p LIMIT 20", where)
            if problems:
                raise SystemExit(f"bench: check_topic finds\n{problems}")
        results["sets"][name] |= {
            "seconds": time.monotonic() - begin, "missing": {row.name: row.missing for row in rows if row.missing},
            "settings": json.loads(context.sql(SETTINGS))}
        results["server"] = context.sql("SELECT version()")
    report.contestants(rows, getattr(module, "COLUMNS", {}))
    report.ratios(module.RATIOS, rows)
    if hasattr(module, "show"):     # what else it has to tell
        module.show(rows)
    print(f"  {time.monotonic() - begin:.0f} s, load {os.getloadavg()[0]:.1f}", flush=True)
    return rows


def main():
    parser = argparse.ArgumentParser(prog="bench/run", description="Events per second of eventlog beside its floors and peers.")
    parser.add_argument("sets", nargs="*", metavar="set", help=f"{', '.join(SETS)} (default: {', '.join(CORE)})")
    parser.add_argument("--list", action="store_true", help="what the sets are")
    parser.add_argument("--packages", action="store_true", help="the Debian packages that the sets need")
    parser.add_argument("--rounds", type=int, help="measurements of a contestant (default 9, the least to judge by)")
    parser.add_argument("--seconds", type=int, help="of each measurement that takes a time (default 2, or the set's)")
    parser.add_argument("--events", type=int, help="in a bulk and in what is read (default 200000, or the set's)")
    parser.add_argument("--only", metavar="REGEX", help="only contestants whose name matches")
    parser.add_argument("--cells", nargs="+", metavar="REGEX", help="only contestants whose heading matches one of these")
    parser.add_argument("--quick", action="store_true", help="does everything run? 1 round, 1 second, 20,000 events: no figures")
    args = parser.parse_args()
    if args.quick:
        args.rounds, args.seconds, args.events = args.rounds or 1, args.seconds or 1, args.events or 20000
    if args.list:
        for name in SETS:
            title = importlib.import_module(f"sets.{name}").__doc__.splitlines()[0]
            print(f"{name:12} {title}{' (core)' if name in CORE else ''}")
        return
    if unknown := set(args.sets) - set(SETS):
        parser.error(f"no such set: {', '.join(unknown)}")
    if args.packages:
        modules = [importlib.import_module(f"sets.{name}") for name in args.sets or CORE]
        print(*{package for module in modules for package in getattr(module, "PACKAGES", ())})
        return
    if args.events is not None:
        args.events -= args.events % 10000
    if any(value is not None and value < least for value, least in ((args.events, 10000), (args.rounds, 1), (args.seconds, 1))):
        parser.error("at least 10,000 events, 1 round, 1 second")
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda number, _: sys.exit(128 + number))      # so that the server is stopped
    results = {"arguments": vars(args), "time": time.strftime("%Y-%m-%dT%H:%M:%S%z"), "kernel": platform.platform(),
               "cpus": os.cpu_count(), "load": os.getloadavg(), "sets": {}, "targets": []}
    begin = time.monotonic()
    try:
        for name in args.sets or CORE:
            rows = run_set(name, args, results)
            results["targets"] += report.targets(importlib.import_module(f"sets.{name}").RATIOS, rows)
        for name in () if args.sets else set(SETS) - set(CORE):
            results["targets"] += report.targets(importlib.import_module(f"sets.{name}").RATIOS, [], f"set {name}")
        report.show_targets(results["targets"])
        print(f"\n{results['server'].split(' on ')[0]}, {results['cpus']} CPUs, load {results['load'][0]:.1f} at the start, "
              f"{time.monotonic() - begin:.0f} s")
    finally:
        results["load_end"] = os.getloadavg()
        try:
            with os.fdopen(3, "w") as out:
                json.dump(results, out, indent=1)
        except OSError:
            pass


if __name__ == "__main__":
    main()
