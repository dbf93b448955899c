"""Kafka's record batches, version 2, uncompressed: those that a producer sends, and those that none would."""

import struct
import time


def _crc_table():
    table = []
    for i in range(256):
        for _ in range(8):
            i = i >> 1 ^ 0x82F63B78 if i & 1 else i >> 1
        table.append(i)
    return table


_CRC_TABLE = _crc_table()


def crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc = crc >> 8 ^ _CRC_TABLE[(crc ^ byte) & 0xFF]
    return crc ^ 0xFFFFFFFF


def varint(n):
    """Of a signed number: zigzag."""
    n = (n << 1 ^ n >> 63) & (1 << 64) - 1
    out = bytearray()
    while n > 0x7F:
        out.append(n & 0x7F | 0x80)
        n >>= 7
    out.append(n)
    return bytes(out)


def record(delta, key, value, headers=()):
    def part(data):
        return varint(-1) if data is None else varint(len(data)) + data

    body = b"\0" + varint(0) + varint(delta) + part(key) + part(value) + varint(len(headers))
    for name, what in headers:
        body += part(name.encode()) + part(what)
    return varint(len(body)) + body


def batch(records, base=0, attributes=0, count=None, delta=None, crc=None, magic=2, at=None, producer=(-1, -1, -1)):
    """A batch of (key, value) pairs, all at one time in milliseconds (None: now). producer: id, epoch, first sequence number.

    What else is given makes it wrong.
    """
    at = int(time.time() * 1000) if at is None else at
    count = len(records) if count is None else count
    delta = len(records) - 1 if delta is None else delta
    body = struct.pack(">hiqqqhii", attributes, delta, at, at, *producer, count)
    body += b"".join(record(i, key, value) for i, (key, value) in enumerate(records))
    crc = crc32c(body) if crc is None else crc
    return struct.pack(">qiibI", base, len(body) + 9, -1, magic, crc) + body
