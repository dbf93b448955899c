"""Read record batches with kafka-python and compare them with what was written.

usage: decode_batches.py batches.bin expected.jsonl

batches.bin holds batches one after the other; expected.jsonl one JSON object
per record: offset, timestamp, key_b64, value_b64 and headers, a list of
[name, value in base64]; keys and values may be null.
"""
import base64
import json
import sys

from kafka.record import MemoryRecords


def b64(data):
    return None if data is None else base64.b64encode(bytes(data)).decode()


def decode(path):
    """Yield (batch number, record) of all batches in the file."""
    with open(path, "rb") as f:
        data = f.read()
    records = MemoryRecords(data)
    size = 0
    number = 0
    while records.has_next():
        batch = records.next_batch()
        size += batch.size_in_bytes
        if not batch.validate_crc():
            raise SystemExit(f"batch {number}: CRC does not match")
        for record in batch:
            yield number, {
                "offset": record.offset,
                "timestamp": record.timestamp,
                "key_b64": b64(record.key),
                "value_b64": b64(record.value),
                "headers": [[name, b64(value)] for name, value in record.headers],
            }
        number += 1
    if size != len(data):
        raise SystemExit(f"{len(data) - size} bytes remain after batch {number}")


def main():
    if len(sys.argv) != 3:
        raise SystemExit(__doc__)
    count = 0
    batches = 0
    with open(sys.argv[2], encoding="utf-8") as expected:
        for batches, got in decode(sys.argv[1]):
            line = expected.readline()
            if not line:
                raise SystemExit(f"more records than expected: offset {got['offset']}")
            want = json.loads(line)
            if got != want:
                raise SystemExit(f"record {count} differs:\n got {str(got)[:1000]}\nwant {str(want)[:1000]}")
            count += 1
        if expected.readline():
            raise SystemExit(f"only {count} records, more were expected")
    if count == 0:
        raise SystemExit("no records")
    print(f"kafka-python: {count} records in {batches + 1} batches are as written")


if __name__ == "__main__":
    main()
