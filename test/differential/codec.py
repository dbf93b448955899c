"""Kafka's messages by table: from values in dicts to bytes and back, in each version.

The tables are those of the broker, as test/unit/dump_messages prints them; test/nightly/kafka_schemas compares them with Kafka's
own schemas, so what is read here is what Kafka means. A field that is not given has its default.
"""

import json
import struct
import uuid

NEVER = 32767
NUMBERS = {"bool": ">?", "int8": ">b", "int16": ">h", "int32": ">i", "int64": ">q"}


class Tables:
    def __init__(self, path):
        with open(path, encoding="utf-8") as file:
            messages = [json.loads(line) for line in file]
        self.messages = {message["name"]: message for message in messages}
        self.apis = {m["key"]: m["name"].removesuffix("Request") for m in messages if m["key"] >= 0 and m["name"].endswith("Request")}

    def versions(self, key):
        """The versions that the broker serves, as (lowest, highest)."""
        message = self.messages[self.apis[key] + "Request"]
        return message["min"], message["max"]

    def flexible(self, key, version):
        return key in self.apis and version >= self.messages[self.apis[key] + "Request"]["flexible"]

    def request_header(self, key, version, correlation, client_id="differential"):
        header = {"request_api_key": key, "request_api_version": version, "correlation_id": correlation, "client_id": client_id}
        return write(self.messages["RequestHeader"], 2 if self.flexible(key, version) else 1, header)

    def request(self, key, version, correlation, body):
        data = self.request_header(key, version, correlation) + write(self.messages[self.apis[key] + "Request"], version, body)
        return struct.pack(">i", len(data)) + data

    def response(self, key, version, data, client_version=None):
        """(correlation id, body). ApiVersions answers in version 0 what it does not know."""
        head = 1 if self.flexible(key, client_version if client_version is not None else version) and key != 18 else 0
        correlation, at = read(self.messages["ResponseHeader"], head, data, 0)
        body, at = read(self.messages[self.apis[key] + "Response"], version, data, at)
        if at != len(data):
            raise ValueError(f"{len(data) - at} bytes behind the answer")
        return correlation["correlation_id"], body


def unsigned_varint(n):
    out = bytearray()
    while n > 0x7F:
        out.append(n & 0x7F | 0x80)
        n >>= 7
    out.append(n)
    return bytes(out)


def read_unsigned_varint(data, at):
    n = shift = 0
    while True:
        n |= (data[at] & 0x7F) << shift
        at += 1
        if data[at - 1] < 0x80:
            return n, at
        shift += 7


def default_of(field):
    kind = field["type"]
    if kind.startswith("[]"):
        return None if field["default"] == -1 else []
    if kind in ("string", "bytes", "records"):
        return None if field["default"] == -1 else "" if kind == "string" else b""
    if kind == "uuid":
        return uuid.UUID(int=0)
    if kind == "struct":
        return {}
    return bool(field["default"]) if kind == "bool" else field["default"]


def write_length(n, small, compact):
    """Of a string (small), bytes or an array; -1: null."""
    if compact:
        return unsigned_varint(n + 1)
    return struct.pack(">h" if small else ">i", n)


def write_value(kind, field, version, flexible, value):
    compact = flexible and field["compact"]
    if kind in NUMBERS:
        return struct.pack(NUMBERS[kind], value)
    if kind == "uuid":
        return value.bytes
    if kind == "struct":
        return write_fields(field["fields"], version, flexible, value)
    if kind.startswith("[]"):
        out = write_length(-1 if value is None else len(value), False, compact)
        return out + b"".join(write_value(kind[2:], field, version, flexible, item) for item in value or [])
    data = value.encode() if isinstance(value, str) else value
    return write_length(-1 if data is None else len(data), kind == "string", compact) + (data or b"")


def write_fields(fields, version, flexible, values):
    out, tagged = b"", []
    unknown = set(values) - {field["name"] for field in fields}
    if unknown:
        raise KeyError(f"there is no field {unknown}")
    for field in fields:
        if not field["since"] <= version <= field["until"]:
            continue
        value = values.get(field["name"], default_of(field))
        if field["tag"] < 0:
            out += write_value(field["type"], field, version, flexible, value)
        elif field["name"] in values:
            tagged.append((field["tag"], write_value(field["type"], field, version, flexible, value)))
    if flexible:
        out += unsigned_varint(len(tagged))
        for tag, data in sorted(tagged):
            out += unsigned_varint(tag) + unsigned_varint(len(data)) + data
    return out


def write(message, version, values):
    return write_fields(message["fields"], version, version >= message["flexible"] != NEVER, values)


def read_length(data, at, small, compact):
    if compact:
        n, at = read_unsigned_varint(data, at)
        return n - 1, at
    size = 2 if small else 4
    return struct.unpack_from(">h" if small else ">i", data, at)[0], at + size


def read_value(kind, field, version, flexible, data, at):
    compact = flexible and field["compact"]
    if kind in NUMBERS:
        return struct.unpack_from(NUMBERS[kind], data, at)[0], at + struct.calcsize(NUMBERS[kind])
    if kind == "uuid":
        return uuid.UUID(bytes=data[at:at + 16]), at + 16
    if kind == "struct":
        return read_fields(field["fields"], version, flexible, data, at)
    n, at = read_length(data, at, kind == "string", compact)
    if n < 0:
        return None, at
    if kind.startswith("[]"):
        items = []
        for _ in range(n):
            item, at = read_value(kind[2:], field, version, flexible, data, at)
            items.append(item)
        return items, at
    if at + n > len(data):
        raise ValueError("the answer is cut off")
    return data[at:at + n].decode() if kind == "string" else data[at:at + n], at + n


def read_fields(fields, version, flexible, data, at):
    """What is on the wire; a tagged field that is not there is left out."""
    values = {}
    here = [field for field in fields if field["since"] <= version <= field["until"]]
    for field in here:
        if field["tag"] < 0:
            values[field["name"]], at = read_value(field["type"], field, version, flexible, data, at)
    if flexible:
        n, at = read_unsigned_varint(data, at)
        for _ in range(n):
            tag, at = read_unsigned_varint(data, at)
            size, at = read_unsigned_varint(data, at)
            known = [field for field in here if field["tag"] == tag]
            if known:
                values[known[0]["name"]], end = read_value(known[0]["type"], known[0], version, flexible, data, at)
                if end != at + size:
                    raise ValueError(f"tag {tag} has another length")
            else:
                values[f"tag {tag}"] = data[at:at + size].hex()
            at += size
    return values, at


def read(message, version, data, at):
    return read_fields(message["fields"], version, version >= message["flexible"] != NEVER, data, at)
