#!/usr/bin/env python3
"""Compare what was seen of Kafka with what was seen of the broker.

usage: compare.py KAFKA BROKER DIFFERENCES.json [--versions | --recorded]

The first two are what observe.py prints. The third is a list of the differences that are meant to be. Each entry has

reason      why
scenario    names of scenarios, or patterns of them (*)
versions    "3-5"; all, if it is left out
differs     {path: [Kafka's value, the broker's]}; * in a path is any piece of it, "*" as a value is any value

A scenario that an entry names must differ in each version by one of its paths at least, a pattern in some version of some scenario;
and each path must occur. So an entry that no longer holds is a failure like a difference that no entry explains. With --versions
all versions were asked; else entries about others than the lowest and the highest have nothing to show. With --recorded the first has
fewer of them than the second, and the others are left out.

Prints a line for each failure, and at the end "N compared, M differ as they are meant to, F failed".
"""

import fnmatch
import json
import re
import sys


def read(path):
    """Lines of JSON, but for the comments."""
    with open(path, encoding="utf-8") as file:
        lines = [json.loads(line) for line in file if line[0] != "#"]
    return {(line["scenario"], line["api"], line["version"]): line["seen"] for line in lines}


def differences(kafka, broker, path=""):
    """(path, Kafka's, the broker's) of all that differs."""
    if isinstance(kafka, dict) and isinstance(broker, dict):
        for name in sorted(kafka.keys() | broker.keys()):
            yield from differences(kafka.get(name, "absent"), broker.get(name, "absent"), f"{path}.{name}" if path else name)
    elif isinstance(kafka, list) and isinstance(broker, list) and len(kafka) == len(broker):
        for i, (one, other) in enumerate(zip(kafka, broker)):
            yield from differences(one, other, f"{path}[{i}]")
    elif kafka != broker or type(kafka) is not type(broker):
        yield path, kafka, broker


class Entry:
    """What is meant to differ."""

    def __init__(self, data):
        unknown = data.keys() - {"reason", "scenario", "versions", "differs"}
        if unknown or not data.get("reason") or not data.get("differs"):
            raise SystemExit(f"an entry without reason or differences, or with {unknown}: {data}")
        self.scenarios, self.reason = data["scenario"], data["reason"]
        self.first, self.last = map(int, data.get("versions", "0-99").split("-"))
        self.differs = [(path, re.compile(re.escape(path).replace(r"\*", ".*")), values) for path, values in data["differs"].items()]
        self.unseen = {path for path in data["differs"]}
        self.about = self.explains = 0

    def names(self, key):
        return self.first <= key[2] <= self.last and key[0] in self.scenarios

    def matches(self, key):
        return self.first <= key[2] <= self.last and any(fnmatch.fnmatchcase(key[0], pattern) for pattern in self.scenarios)

    def holds(self, difference):
        """Whether it explains a difference of a scenario that it is about."""
        found = False
        for path, pattern, (kafka, broker) in self.differs:
            if pattern.fullmatch(difference[0]) and kafka in ("*", difference[1]) and broker in ("*", difference[2]):
                self.unseen.discard(path)
                found = True
        return found


def main():
    everything = "--versions" in sys.argv
    kafka, broker = read(sys.argv[1]), read(sys.argv[2])
    if "--recorded" in sys.argv:
        broker = {key: seen for key, seen in broker.items() if key in kafka}
    with open(sys.argv[3], encoding="utf-8") as file:
        entries = [Entry(data) for data in json.load(file)]
    failures, meant = [], 0
    for key in sorted(kafka.keys() | broker.keys()):
        name = f"{key[0]}, {key[1]} {key[2]}"
        if key not in kafka or key not in broker:
            failures.append(f"{name}: not asked of {'the broker' if key in kafka else 'Kafka'}")
            continue
        about = [entry for entry in entries if entry.matches(key)]
        used = set()
        for path, one, other in differences(kafka[key], broker[key]):
            found = [entry for entry in about if entry.holds((path, one, other))]
            used.update(map(id, found))
            meant += bool(found)
            if not found:
                failures.append(f"{name}: {path}: Kafka {json.dumps(one)}, broker {json.dumps(other)}")
        for entry in about:
            entry.about += 1
            entry.explains += id(entry) in used
            if entry.names(key) and id(entry) not in used:
                failures.append(f"{name}: does not differ, though it is said to: {entry.reason}")
    for entry in entries:
        if entry.about == 0 and everything:
            failures.append(f"there is no such scenario: {entry.scenarios}")
        elif entry.about > 0 and (everything or entry.explains == 0):
            failures += [f"nothing differs at {path}, though it is said to: {entry.reason}" for path in sorted(entry.unseen)]
    for failure in failures:
        print(failure)
    print(f"{len(kafka)} compared, {meant} differ as they are meant to, {len(failures)} failed")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
