"""rights_frames.py PORT WHAT [ARGUMENTS]: clients that log in as roles, for 076_broker_rights.pl; prints lines "name<tab>value"."""

import sys
import time

import kafka_frames as k
from record_batch import batch

port = int(sys.argv[1])


def say(name, value):
    print(f"{name}\t{value}", flush=True)


def client_of(role, password="secret"):
    client = k.Client(port)
    error = client.login(role, password)
    assert error == 0, error
    return client


def produced(client, topic):
    return k.read_produce(client.ask(k.produce(topic, 0, batch([(b"k", b"v")]))))[0][2]


def fetched(client, topic, offset=0, wait=0):
    error, parts = k.read_fetch(client.ask(k.fetch([(topic, 0, offset)], wait=wait)))
    return error or parts[0][2]


def listed(client, topic):
    return k.read_list_offsets(client.ask(k.list_offsets(topic, 0, -1)))[0][2]


def matrix(topic, *roles):
    """Produce, Fetch, ListOffsets, Metadata that names it, is it among all: the errors that each role gets."""
    for role in roles:
        client = client_of(role)
        among = "listed" if topic in k.read_metadata(client.ask(k.metadata(None))) else "hidden"
        named = k.read_metadata(client.ask(k.metadata([topic])))[topic][0]
        say(role, f"{produced(client, topic)} {fetched(client, topic)} {listed(client, topic)} {named} {among}")


def created(topic, *roles):
    """What a role gets that asks for a topic which is not there."""
    for role in roles:
        name = f"{topic}_{role}"
        say(role, k.read_metadata(client_of(role).ask(k.metadata([name])))[name][0])


def login(*pairs):
    for role, password in zip(pairs[::2], pairs[1::2]):
        try:
            say(f"{role}/{password}", k.Client(port).login(role, password))
        except EOFError:
            say(f"{role}/{password}", "closed")


def revoked(topic, role):
    """A client that is there all the time: what it may, until stdin says that it may no more; then how long it still does.

    Fetches wait at the end meanwhile, one of them for another topic, too, which nobody takes from the role, and one for more
    than there is of such a topic: that one gets what there is, or nothing.
    """
    client, waiting = client_of(role), [client_of(role) for _ in range(3)]
    say("before", f"{produced(client, topic)} {fetched(client, topic)} {listed(client, topic)}")
    end = k.read_list_offsets(client.ask(k.list_offsets(topic, 0, -1)))[0][4]
    there = k.read_fetch(client.ask(k.fetch([("plenty", 0, 0)])))[1][0][5]
    for i, w in enumerate(waiting):
        parts = [(topic, 0, end)] + [[], [("free", 0, 0)], [("plenty", 0, 0)]][i]
        w.send(k.fetch(parts, wait=60000, least=[1, 1, 1 << 20][i]))
    # all are answered in their turn: these have begun to wait when the next one has been answered
    say("still", f"{fetched(client, topic, end)}")
    print("waiting", flush=True)
    began = float(sys.stdin.readline())
    errors = []
    for w in waiting:
        _, parts = k.read_fetch(w.receive()[1])
        errors.append(sorted((name, error) for name, _, error, *_ in parts))
        assert all(part[5] in (b"", there) for part in parts), parts
    say("parked", errors)
    say("parked in time", "yes" if time.time() - began < 1.5 else f"{time.time() - began:.1f} s")
    say("after", f"{produced(client, topic)} {fetched(client, topic)} {listed(client, topic)}")
    say("new client", f"{fetched(client_of(role), topic)}")


if __name__ == "__main__":
    what, arguments = sys.argv[2], sys.argv[3:]
    globals()[what](*arguments)
