"""Which partition kafka-python's producer sends a key to. Takes and gives the same lines as Partitions.java."""
import base64
import struct
import sys
import uuid

from kafka.partitioner.default import murmur2

SERIALIZE = {
    "bytes": lambda key: key,
    "text": lambda key: key.decode().encode(),
    "smallint": lambda key: struct.pack(">h", int(key)),
    "integer": lambda key: struct.pack(">i", int(key)),
    "bigint": lambda key: struct.pack(">q", int(key)),
    "real": lambda key: struct.pack(">f", float(key)),
    "float8": lambda key: struct.pack(">d", float(key)),
    "uuid": lambda key: str(uuid.UUID(key.decode())).encode(),
}

for line in sys.stdin:
    partitions, kind, key = line.rstrip("\n").split(" ", 2)
    # as its DefaultPartitioner does
    print((murmur2(SERIALIZE[kind](base64.b64decode(key))) & 0x7FFFFFFF) % int(partitions))
