"""kcat.py ADDRESS: kcat of Debian (librdkafka), by the contract of test/clients/check.py.

kcat has one set of headers for all that it produces, an empty key or value is null with -Z only, and times are its clock's.
"""

import itertools
import subprocess
import sys
import tempfile

from contract import serve

address = sys.argv[1]
KEY, END = "\x02", "\x03"    # in no event of the check
LARGE = 1_000_000    # from here on kcat gets a file, since it is slow in finding where a line ends
COMMON = ["kcat", "-b", address, "-X", "message.max.bytes=50000000"]


def run(arguments, data=b""):
    result = subprocess.run(COMMON + arguments, input=data, capture_output=True, timeout=90, check=False)
    if result.returncode or result.stderr:
        raise RuntimeError(f"{arguments}: {result.stderr[-1000:]!r}")
    return result.stdout


def kind(event):
    """Of what can be sent by one kcat: headers, whether empty is null, the key of a large one."""
    _, key, value, headers = event
    return headers, value is None, len(value or b"") > LARGE and key


def query(topic, when):
    return int(run(["-Q", "-t", f"{topic}:0:{when}"]).split(b" offset ")[1])


def produce(topic, codec, idempotent, events):
    first = query(topic, -1)
    for (headers, nulls, large), group in itertools.groupby(events, kind):
        words = ["-P", "-t", topic, "-p", "0", "-z", codec, "-X", f"enable.idempotence={str(idempotent).lower()}", "-X", "linger.ms=20"]
        words += ["-Z"] if nulls else []
        for name, what in headers:
            words += ["-H", name if what is None else name.encode() + b"=" + what]
        if large:
            for _, _, value, _ in group:
                with tempfile.NamedTemporaryFile() as file:
                    file.write(value)
                    file.flush()
                    run([*words, "-k", large, file.name])
            continue
        lines = b"".join((b"" if key is None and not nulls else (key or b"") + KEY.encode()) + (value or b"") + END.encode()
                         for _, key, value, _ in group)
        run([*words, "-K", KEY, "-D", END], lines)
    return list(range(first, first + len(events)))


def number(data, at):
    end = data.index(b" ", at)
    return int(data[at:end]), end + 1


def parse(data):
    """Of the format in read()."""
    at = 0
    while at < len(data):
        numbers = []
        for _ in range(4):
            n, at = number(data, at)
            numbers.append(n)
        offset, time, keys, values = numbers
        key, value = data[at:at + max(keys, 0)], data[at + max(keys, 0):at + max(keys, 0) + max(values, 0)]
        at += max(keys, 0) + max(values, 0)
        end = data.index(END.encode(), at)
        headers = [pair.split(b"=", 1) for pair in data[at:end].split(b",") if pair]
        at = end + 1
        yield (offset, time, None if keys < 0 else key, None if values < 0 else value,
               [(name.decode(), None if what == b"NULL" else what) for name, what in headers])


def read(topic, start, when, most, fetch, isolation):
    words = [] if most is None else ["-c", str(most)]
    if fetch is not None:
        words += ["-X", f"fetch.message.max.bytes={fetch}"]
    end = query(topic, -1)
    if start is None:
        start = query(topic, when)
        # what kcat says of "after all of them" is the end
        start = None if start < 0 or start == end else start
    if start is None:
        return [], None, end, None
    # -e: it ends where librdkafka says that the end is reached, which it does once it is
    out = run(["-C", "-t", topic, "-p", "0", "-o", str(start), "-e", "-q", "-X", "fetch.wait.max.ms=50",
               "-X", f"isolation.level=read_{isolation}", *words, "-f", "%o %T %K %S %k%s%h" + END])
    return list(parse(out)), None if most is not None else end, end, start


serve(produce, read)
