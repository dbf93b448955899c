"""What the clients in Python have in common: the contract of test/clients/check.py, from lines to calls and back."""

import base64
import json
import sys
import time


def decode(word):
    return None if word == "-" else base64.b64decode(word)


def encode(data):
    return None if data is None else base64.b64encode(data).decode()


def events_of(file):
    """(time, key, value, [(name, value)]) of each line"""
    with open(file, encoding="ascii") as lines:
        for line in lines:
            at, key, value, headers = line.rstrip("\n").split("\t")
            pairs = [pair.split(":") for pair in headers.split(",") if pair]
            yield int(at), decode(key), decode(value), [(decode(name).decode(), decode(what)) for name, what in pairs]


def say(answer):
    sys.stdout.write(json.dumps(answer) + "\n")


class Deadline:
    """Nothing here may take longer."""

    def __init__(self, seconds=60):
        self.end = time.monotonic() + seconds

    def check(self, what):
        if time.monotonic() > self.end:
            raise TimeoutError(what)


def read_answer(events, position, end, start):
    """events: (offset, time, key, value, headers)"""
    for offset, at, key, value, headers in events:
        say({"offset": offset, "time": at, "key": encode(key), "value": encode(value),
             "headers": [[encode(name.encode()), encode(what)] for name, what in headers]})
    say({"position": position, "end": end, "from": start})


def serve(produce, read):
    """By produce(topic, codec, idempotent, events), which returns offsets, and read(topic, start, when, most, fetch, isolation).

    That returns the arguments of read_answer(). start is None when a time is given, most and fetch where there is no limit.
    """
    for line in sys.stdin:
        words = line.split()
        try:
            if words[0] == "produce":
                say({"offsets": produce(words[1], words[2], words[3] == "idempotent", list(events_of(words[4])))})
            else:
                start, most, fetch = words[2:5]
                read_answer(*read(words[1], None if start[0] == "@" else int(start), int(start[1:]) if start[0] == "@" else None,
                                  None if most == "-" else int(most), None if fetch == "-" else int(fetch), words[5]))
        except Exception as error:  # pylint: disable=broad-except
            say({"error": f"{type(error).__name__}: {error}"})
        sys.stdout.flush()
