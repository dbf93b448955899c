"""topic_frames.py PORT WHAT [ARGUMENTS]: topics that come into being because a client asks, for 075_broker_auto_creation.pl.

Prints lines "name<tab>value".
"""

import sys

import kafka_frames as k
from record_batch import batch

port = int(sys.argv[1])


def say(name, value):
    print(f"{name}\t{value}", flush=True)


def ask_metadata(client, names, allow=None):
    """{topic: (error, partitions)}; allow: in version 4, which says whether topics may be created."""
    if allow is None:
        return k.read_metadata(client.ask(k.metadata(names)))
    frame = k.request(k.METADATA, k.array([k.text(n) for n in names]) + (b"\1" if allow else b"\0"), version=4)
    data = client.ask(frame)
    r = k.Reader(data)
    r.take("i")
    r.array(lambda: (r.take("i"), r.text(), r.take("i"), r.text()))
    # from here on as version 1 is, whose brokers and controller are none
    r.text()
    return k.read_metadata(b"\0\0\0\0" + data[r.at:])


def codes(answer):
    return ", ".join(f"{name} {error} {n}" for name, (error, n) in answer.items())


def metadata(*names):
    say("metadata", codes(ask_metadata(k.Client(port), names)))


def metadata_allow(allow, *names):
    say("metadata", codes(ask_metadata(k.Client(port), names, bool(allow))))


def unknown(topic):
    """What names a topic beside Metadata creates none."""
    client = k.Client(port)
    say("produce", k.read_produce(client.ask(k.produce(topic, 0, batch([(b"k", b"v")]))))[0][2])
    say("fetch", k.read_fetch(client.ask(k.fetch([(topic, 0, 0)])))[1][0][2])
    say("list offsets", k.read_list_offsets(client.ask(k.list_offsets(topic, 0, -1)))[0][2])


def at_once(n, *names):
    """So many clients ask for the same names, each in an order of its own, without waiting for each other."""
    clients = [k.Client(port) for _ in range(n)]
    for i, client in enumerate(clients):
        at = i % len(names)
        client.send(k.metadata(names[at:] + names[:at]))
    answers = [k.read_metadata(client.receive()[1]) for client in clients]
    say("answers", sorted({codes(dict(sorted(answer.items()))) for answer in answers}))


def produced(topic, n):
    """To a topic that is there only since it was asked for."""
    client = k.Client(port)
    ask_metadata(client, [topic])
    say("errors", [k.read_produce(client.ask(k.produce(topic, 0, batch([(b"\xff%d" % i, b'{"n": %d}' % i)]))))[0][2] for i in range(n)])


if __name__ == "__main__":
    what, arguments = sys.argv[2], sys.argv[3:]
    globals()[what](*[int(a) if a.isdigit() else a for a in arguments])
