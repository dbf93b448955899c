#!/usr/bin/env python3
"""Put batches as other clients compress them into the log of a partition.

usage: recompress.py RELATION-FILE      compress them; prints how many there are of each kind, as JSON
       recompress.py --compacted RELATION-FILE  prints how many batches of each codec compaction has written

The server is stopped, no segment has been trimmed, and topic and batches were plain ("compression": "none"). Each of them
becomes, in turn, one compressed with gzip, with Snappy as librdkafka writes it, with Snappy as Java's clients write it, or
stays as it is. Nothing else in the file changes, for a batch keeps its length: gzip's header has room for a comment of any
length, and what Snappy could say in few elements it can say in more. The values have to have a run of one byte to make up for that.
"""
import json
import struct
import sys
import zlib

from record_batch import crc32c

BLCKSZ = 8192
PAGE_START = 24
PAGE_END = BLCKSZ - 40
PAGE_DATA = PAGE_END - PAGE_START
PAGE_ID_DATA = 0xE101
ENVELOPE = struct.Struct("=QIIHHI")             # fxid, length, cid, magic, flags, crc
ENVELOPE_MAGIC = 0xBA7C
HEADER_SIZE = 61
CODECS = ["none", "gzip", "snappy", "lz4", "zstd"]
XERIAL = b"\x82SNAPPY\0" + struct.pack(">ii", 1, 1)


def envelope_crc(envelope, header):
    return crc32c(envelope[:18] + header)       # without its flags


def batch_at(data, at):
    """Length of the batch behind the envelope there, or None if there is none."""
    envelope, header = data[at:at + ENVELOPE.size], data[at + ENVELOPE.size:at + ENVELOPE.size + HEADER_SIZE]
    if len(header) < HEADER_SIZE:
        return None
    _, length, _, magic, _, crc = ENVELOPE.unpack(envelope)
    return length if magic == ENVELOPE_MAGIC and crc == envelope_crc(envelope, header) else None


def pages(data):
    """The data pages of a file: block and what its special area says of its number."""
    for block in range(len(data) // BLCKSZ):
        special = block * BLCKSZ + PAGE_END
        if struct.unpack_from("=H", data, special + 38)[0] == PAGE_ID_DATA:
            yield block, struct.unpack_from("=Q", data, special)[0]


# --- the codecs -----------------------------------------------------------------------------------------


def gzip_of(plain, size):
    """As long as that, by a comment in the header."""
    deflate = zlib.compressobj(9, zlib.DEFLATED, -15)
    body = deflate.compress(plain) + deflate.flush() + struct.pack("<II", zlib.crc32(plain), len(plain))
    room = size - 10 - len(body)
    assert room > 0, "does not compress"
    return b"\x1f\x8b\x08\x10\0\0\0\0\0\x03" + b"c" * (room - 1) + b"\0" + body


def varint(n, padding=0):
    out = b""
    while n >= 0x80 or padding > 0:
        padding -= n < 0x80
        out += bytes([n & 0x7F | 0x80])
        n >>= 7
    return out + bytes([n])


def literal(data):
    if not data:
        return b""
    n = len(data) - 1
    return (bytes([n << 2]) if n < 60 else b"\xf4" + struct.pack("<H", n)) + data


def longest_run(plain):
    best, begin = (0, 0), 0
    for i in range(1, len(plain) + 1):
        if i == len(plain) or plain[i] != plain[begin]:
            best, begin = max(best, (i - begin, begin)), i
    return best[1], best[1] + best[0]


def snappy_block(plain, size=None):
    """One block, if told so as long as that: some of the run is literal, the rest copies of the byte before."""
    begin, end = longest_run(plain)
    for middle in range(end - 1, begin, -1):
        elements, left = literal(plain[:middle]), end - middle
        while left > 0:
            n = min(left, 64)
            # 4 to 11 bytes have a form of their own
            elements += bytes([(n - 4) << 2 | 1, 1]) if 4 <= n <= 11 else bytes([(n - 1) << 2 | 2, 1, 0])
            left -= n
        elements += literal(plain[end:])
        block = varint(len(plain)) + elements
        if size is None and middle == begin + 1:
            return block
        if size is not None and 0 <= size - len(block) <= 2:
            return varint(len(plain), size - len(block)) + elements
    raise SystemExit(f"recompress: no block of {size} bytes for {len(plain)}")


def xerial_of(plain, size):
    """Two blocks; the second, with the run, makes up for what is missing."""
    cut = longest_run(plain)[0] // 2
    first = literal(plain[:cut])
    first = struct.pack(">i", len(first) + len(varint(cut))) + varint(cut) + first
    rest = size - len(XERIAL) - len(first) - 4
    return XERIAL + first + struct.pack(">i", rest) + snappy_block(plain[cut:], rest)


KINDS = [("none", 0, lambda plain, size: plain), ("gzip", 1, gzip_of), ("snappy", 2, snappy_block), ("xerial", 2, xerial_of)]


# --- the file -------------------------------------------------------------------------------------------


def recompress(path):
    with open(path, "rb") as file:
        data = bytearray(file.read())
    numbers = sorted((number, block) for block, number in pages(data))
    # a page is missing where a batch has begun the next segment instead; none goes over such a place
    assert numbers and numbers[0][0] == 0 and numbers[-1][0] < 1 << 32, "not a log as it was appended"
    starts = [block * BLCKSZ + PAGE_START for _, block in numbers]
    stream = bytearray(b"".join(data[start:start + PAGE_DATA] for start in starts))
    counts = {}
    at = 0
    while at < len(stream):
        length = batch_at(stream, at)
        if length is None:
            at += 8                     # what is left of a page or of a segment
            continue
        begin = at + ENVELOPE.size
        batch = stream[begin:begin + length]
        assert batch[21:23] == b"\0\0", "not a plain batch"
        name, codec, encode = KINDS[sum(counts.values()) % len(KINDS)]
        records = encode(bytes(batch[HEADER_SIZE:]), length - HEADER_SIZE)
        assert len(records) == length - HEADER_SIZE
        batch[HEADER_SIZE:] = records
        batch[22] = codec
        batch[17:21] = struct.pack(">I", crc32c(batch[21:]))
        stream[begin:begin + length] = batch
        stream[at + 20:begin] = struct.pack("=I", envelope_crc(stream[at:begin], batch[:HEADER_SIZE]))
        counts[name] = counts.get(name, 0) + 1
        at = begin + length + 7 & ~7
    for i, start in enumerate(starts):
        data[start:start + PAGE_DATA] = stream[i * PAGE_DATA:(i + 1) * PAGE_DATA]
    with open(path, "r+b") as file:
        file.write(data)
    return counts


def compacted(path):
    with open(path, "rb") as file:
        data = file.read()
    counts = {}
    for block, number in pages(data):
        if number >> 32 == 0:
            continue                    # not by compaction
        lower, = struct.unpack_from("=H", data, block * BLCKSZ + 12)
        # envelope and header never cross the end of a page
        for at in range(block * BLCKSZ + PAGE_START, block * BLCKSZ + lower, 8):
            if batch_at(data, at) is not None:
                codec = CODECS[data[at + ENVELOPE.size + 22] & 7]
                counts[codec] = counts.get(codec, 0) + 1
    return counts


def main():
    if len(sys.argv) == 3 and sys.argv[1] == "--compacted":
        print(json.dumps(compacted(sys.argv[2]), sort_keys=True))
    elif len(sys.argv) == 2:
        print(json.dumps(recompress(sys.argv[1]), sort_keys=True))
    else:
        raise SystemExit(__doc__)


if __name__ == "__main__":
    main()
