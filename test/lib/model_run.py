"""How the random models run: round after round, each with a seed of its own, until the time is over or one has a finding.

A model has options, steps (how many there were), where (which one it is at), counts, round(number) and report(error).
"""
import argparse
import json
import random
import sys
import time

from model_db import Finding, Lost, Watchdog


def arguments():
    parser = argparse.ArgumentParser()
    parser.add_argument("--conninfo", required=True)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--seed", default="", help="a number, or with a round as a finding says it, 7.31, to do that round alone")
    parser.add_argument("--rounds", type=int, help="at most so many, if there is time")
    parser.add_argument("--trace", help="a file for all statements")
    return parser


def run(parser, make):
    """The model that make(options) returns; ends the process, with exit code 1 after a finding."""
    options = parser.parse_args()
    seed, _, first = (options.seed or str(random.randrange(1, 10**6))).partition(".")
    options.seed, options.first = seed, int(first or 1)
    if first and options.rounds is None:
        options.rounds = 1
    print(f"seed {seed}", flush=True)
    sys.exit(run_rounds(make(options)))


def run_rounds(model):
    options = model.options
    began = time.monotonic()
    number = options.first
    Watchdog(lambda: (model.where, model.steps)).start()
    try:
        while True:
            model.round(number)
            number += 1
            if options.rounds is not None and number >= options.first + options.rounds:
                break
            if time.monotonic() - began >= options.seconds:
                break
    except (Finding, Lost) as error:
        model.report(error)
        return 1
    finally:
        counts = {key if isinstance(key, str) else " ".join(filter(None, key)): count for key, count in sorted(model.counts.items())}
        counts["steps"], counts["seconds"] = model.steps, round(time.monotonic() - began, 1)
        print("counts", json.dumps(counts, sort_keys=True))
    return 0
