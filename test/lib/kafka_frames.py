"""Kafka's protocol, frame by frame: what tests need to send what no client would send, and to see what comes back.

Few messages, in one version each, none of them flexible.
"""

import resource
import socket
import struct

PRODUCE, FETCH, LIST_OFFSETS, METADATA = 0, 1, 2, 3
SASL_HANDSHAKE, API_VERSIONS, INIT_PRODUCER_ID, SASL_AUTHENTICATE = 17, 18, 22, 36
VERSIONS = {PRODUCE: 7, FETCH: 11, LIST_OFFSETS: 1, METADATA: 1, SASL_HANDSHAKE: 1, API_VERSIONS: 0, INIT_PRODUCER_ID: 0,
            SASL_AUTHENTICATE: 0}

IP_BIND_ADDRESS_NO_PORT = 24        # (Linux)


def text(s):
    if s is None:
        return struct.pack(">h", -1)
    s = s.encode()
    return struct.pack(">h", len(s)) + s


def array(items):
    return struct.pack(">i", len(items)) + b"".join(items)


def nullable(data):
    return struct.pack(">i", -1) if data is None else struct.pack(">i", len(data)) + data


def request(key, body, correlation=1, version=None, tags=b""):
    head = struct.pack(">hhi", key, VERSIONS[key] if version is None else version, correlation) + text("frames") + tags
    return struct.pack(">i", len(head + body)) + head + body


def produce(topic, partition, records, acks=-1, correlation=1):
    return produce_all([(topic, partition, records)], acks, correlation)


def produce_all(parts, acks=-1, correlation=1):
    topics = [text(topic) + array([struct.pack(">i", partition) + nullable(records)]) for topic, partition, records in parts]
    return request(PRODUCE, text(None) + struct.pack(">hi", acks, 10000) + array(topics), correlation)


def fetch(parts, wait=500, least=1, most=50 << 20, part_most=1 << 20, correlation=1, session=0, epoch=-1, version=11):
    """parts: (topic, partition, offset); version: 9 to 11"""
    topics = [text(topic) + array([struct.pack(">iiqqi", partition, epoch, offset, -1, part_most)])
              for topic, partition, offset in parts]
    # who goes on with a session says that it is its second request
    body = struct.pack(">iiiibii", -1, wait, least, most, 0, session, 1 if session else -1) + array(topics) + array([])
    return request(FETCH, body + text("") if version == 11 else body, correlation, version)


def list_offsets(topic, partition, when, correlation=1):
    return request(LIST_OFFSETS, struct.pack(">i", -1) + array([text(topic) + array([struct.pack(">iq", partition, when)])]),
                   correlation)


def metadata(topics, correlation=1):
    return request(METADATA, struct.pack(">i", -1) if topics is None else array([text(t) for t in topics]), correlation)


def api_versions(correlation=1, version=None):
    return request(API_VERSIONS, b"", correlation, version, b"\0" if version else b"")


def init_producer_id(correlation=1):
    return request(INIT_PRODUCER_ID, text(None) + struct.pack(">i", 60000), correlation)


def sasl_handshake(correlation=1):
    return request(SASL_HANDSHAKE, text("PLAIN"), correlation)


def sasl_authenticate(user, password, correlation=1):
    return request(SASL_AUTHENTICATE, nullable(f"\0{user}\0{password}".encode()), correlation)


class Reader:
    def __init__(self, data):
        self.data, self.at = data, 0

    def take(self, format_):
        values = struct.unpack_from(">" + format_, self.data, self.at)
        self.at += struct.calcsize(">" + format_)
        return values[0] if len(values) == 1 else values

    def raw(self, n):
        self.at += max(n, 0)
        return None if n < 0 else self.data[self.at - n:self.at]

    def text(self):
        data = self.raw(self.take("h"))
        return None if data is None else data.decode()

    def array(self, item):
        return [item() for _ in range(max(self.take("i"), 0))]


def read_produce(data):
    """[(topic, partition, error, base offset, log start)]"""
    r = Reader(data)
    topics = r.array(lambda: (r.text(), r.array(lambda: r.take("ihqqq"))))
    return [(topic, p[0], p[1], p[2], p[4]) for topic, parts in topics for p in parts]


def read_fetch(data, version=11):
    """(error, [(topic, partition, error, high watermark, log start, records)]); before version 11 without the preferred replica"""
    r = Reader(data)
    _, error, _ = r.take("ihi")

    def partition():
        index, wrong, high, _, start = r.take("ihqqq")
        r.array(lambda: r.take("qq"))
        if version == 11:
            r.take("i")
        return index, wrong, high, start, r.raw(r.take("i")) or b""

    topics = r.array(lambda: (r.text(), r.array(partition)))
    return error, [(topic, *p) for topic, parts in topics for p in parts]


def read_list_offsets(data):
    """[(topic, partition, error, time, offset)]"""
    r = Reader(data)
    topics = r.array(lambda: (r.text(), r.array(lambda: r.take("ihqq"))))
    return [(topic, *p) for topic, parts in topics for p in parts]


def read_init_producer_id(data):
    """(error, producer id, epoch)"""
    return Reader(data).take("ihqh")[1:]


def read_sasl(data):
    """The error of both."""
    return Reader(data).take("h")


def read_metadata(data):
    """{topic: (error, partitions)}"""
    r = Reader(data)
    r.array(lambda: (r.take("i"), r.text(), r.take("i"), r.text()))
    r.take("i")

    def partition():
        r.take("hii")
        r.array(lambda: r.take("i"))
        r.array(lambda: r.take("i"))

    def topic():
        error, name, _ = r.take("h"), r.text(), r.take("b")
        return name, (error, len(r.array(partition)))

    return dict(r.array(topic))


def batches(data):
    """[(base offset, last offset delta, attributes)] of a fetched partition"""
    found, at = [], 0
    while at + 61 <= len(data):
        base, length = struct.unpack_from(">qi", data, at)
        attributes, delta = struct.unpack_from(">hi", data, at + 21)
        found.append((base, delta, attributes))
        at += 12 + length
    return found


def many_sockets():
    """As many as this user may have."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


class Client:
    def __init__(self, port, timeout=60, buffer=None, number=0):
        """number: where there are thousands, this one's; ports of one address are soon hard to find."""
        self.socket = socket.socket()
        if number >= 5000:
            self.socket.setsockopt(socket.IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1)
            self.socket.bind((f"127.0.0.{1 + number // 5000}", 0))
        if buffer is not None:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
        self.socket.settimeout(timeout)
        self.socket.connect(("127.0.0.1", port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.buffer = b""

    def send(self, data):
        self.socket.sendall(data)

    def _exactly(self, n):
        parts, have = [], 0
        while have < n:
            part = self.socket.recv(min(n - have, 1 << 20))
            if not part:
                raise EOFError
            parts.append(part)
            have += len(part)
        return b"".join(parts)

    def receive(self):
        """(correlation id, body) of the next answer; EOFError: the connection has ended."""
        try:
            size = struct.unpack(">i", self._exactly(4))[0]
            data = self._exactly(size)
        except (ConnectionResetError, BrokenPipeError):
            raise EOFError from None
        return struct.unpack(">i", data[:4])[0], data[4:]

    def ask(self, data):
        self.send(data)
        return self.receive()[1]

    def login(self, user, password):
        """SASL PLAIN: the error."""
        error = Reader(self.ask(request(SASL_HANDSHAKE, text("PLAIN")))).take("h")
        if error:
            return error
        return Reader(self.ask(request(SASL_AUTHENTICATE, nullable(f"\0{user}\0{password}".encode())))).take("h")

    def close(self):
        self.socket.close()
