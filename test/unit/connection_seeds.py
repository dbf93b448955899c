#!/usr/bin/env python3
"""Seeds for fuzz_connection, whose acts they are lists of: connection_seeds.py VECTORS FOLDER."""
import struct
import sys

BYTES, FRAME, BEGIN, REST, READ, SHUT, CLOSE, ANSWER = range(8)
ALL_LOGGED_IN = b"\7"
SHUT_AND_SWEEP = b"\xb8"     # of client 1, and all are idle


def act(client, kind, arguments=b""):
    return bytes([client + 3 * kind]) + arguments


def send(client, data):
    return b"".join(act(client, BYTES, bytes([len(data[i:i + 255])]) + data[i:i + 255]) for i in range(0, len(data), 255))


def frame(client, api, body, kind=FRAME):
    return act(client, kind, struct.pack(">BBH", api, 0, len(body)) + body)


seeds = {}
with open(f"{sys.argv[1]}/kafka_frames.txt", encoding="ascii") as lines:
    for n, line in enumerate(lines):
        words = line.split()
        if len(words) == 4 and words[2] == "request" and len(words[3]) < 4000:
            data = bytes.fromhex(words[3])
            data = struct.pack(">i", len(data)) + data
            seeds[f"frame-{n}"] = (ALL_LOGGED_IN + send(0, data) + act(0, ANSWER, b"\0\1") + act(0, READ, b"\xff")
                                   + act(0, CLOSE, b"\1"))

# two large frames of which little comes: there is no memory for the second
large = struct.pack(">i", 40000) + b"xx"
starved = ALL_LOGGED_IN + send(0, large) + send(1, large)
seeds["starved-first-goes"] = starved + act(0, CLOSE, b"\1") + send(1, b"x" * 200)
seeds["starved-last-goes"] = starved + send(2, large) + act(2, CLOSE, b"\1") + act(1, CLOSE, b"\1") + act(0, CLOSE, b"\1")
seeds["starved-is-idle"] = starved + send(2, large) + SHUT_AND_SWEEP + act(0, CLOSE, b"\1") + send(0, large)
# the second one comes to its end, and so much of it at once that it is read to where it stands
records = b"r" * 38000
whole = struct.pack(">hiih4sii", 1, 1000, 1, 4, b"name", 1, 0) + struct.pack(">i", len(records)) + records
seeds["starved-goes-on"] = ALL_LOGGED_IN + send(1, large) + frame(0, 0, whole, BEGIN) + act(0, REST) + act(0, ANSWER, b"\0\0")
# produce, fetch and metadata, answered in another order
produce = struct.pack(">hhii", -1, 1, 1000, 0)
fetch = struct.pack(">iiiibi", -1, 100, 1, 1000000, 0, 0)
seeds["pipeline"] = (ALL_LOGGED_IN + frame(0, 0, produce) + frame(0, 1, fetch) + frame(0, 0, produce, BEGIN) + act(0, REST)
                     + frame(0, 2, b"\0" * 4) + act(0, ANSWER, b"\1\0") + act(0, ANSWER, b"\0\0") + act(0, ANSWER, b"\0\1")
                     + act(0, READ, b"\4") + act(0, READ, b"\xff"))

for name, data in seeds.items():
    with open(f"{sys.argv[2]}/{name}", "wb") as file:
        file.write(data)
