#!/usr/bin/env python3
"""A proxy before a PostgreSQL server that loses what a network loses.

It understands just enough of the protocol to tell which messages call consume(), commit(), produce() or produce_batch(), or send COMMIT. Of the calls of
each member (the client's application_name) and each of these kinds it loses

  the answer   of every n-th: the server has done it, up to ReadyForQuery, but nothing of that reaches the client
  the request  of every m-th: the server never hears of it

and then cuts the client's connection. The server notices that sometimes at once and sometimes, as with networks, later.

The log has a line for each such call, in the order in which they ended: number, member, kind, "passed" or what was lost,
SQLSTATE if it failed, and the partitions and offsets of the events that the server delivered (the first two columns of
a consume()). It is written before the client gets the answer.
"""
import argparse
import asyncio
import collections
import itertools
import struct

parser = argparse.ArgumentParser()
parser.add_argument("--listen", required=True, help="unix socket for the clients")
parser.add_argument("--server", required=True, help="the server's unix socket")
parser.add_argument("--log", required=True)
parser.add_argument("--lose-answer", type=int, required=True, metavar="N")
parser.add_argument("--lose-request", type=int, required=True, metavar="M")
options = parser.parse_args()

log = open(options.log, "w", encoding="utf-8", buffering=1)
numbers = itertools.count(1)
calls = collections.Counter()
lost = itertools.count()

LATE = 0.03         # seconds after which the server hears, sometimes, that the client is gone


def kind_of(sql):
    sql = sql.lower()
    if b"consume(" in sql:
        return "consume"
    if b"commit(" in sql:
        return "commit"
    if b"produce(" in sql or b"produce_batch(" in sql:
        return "produce"
    return "COMMIT" if sql.strip(b" ;\0") == b"commit" else None


async def read_message(reader):
    """Tag, and the message with it; None at the end."""
    try:
        head = await reader.readexactly(5)
        return head[:1], head + await reader.readexactly(struct.unpack("!I", head[1:])[0] - 4)
    except (asyncio.IncompleteReadError, ConnectionError):
        return None


def first_columns(row):
    """The first two columns of a DataRow, as text."""
    at, columns = 7, []
    for _ in range(2):
        size = struct.unpack_from("!i", row, at)[0]
        columns.append(row[at + 4:at + 4 + size].decode())
        at += 4 + size
    return columns


def sqlstate(error):
    return next(field[1:].decode() for field in error[5:].split(b"\0") if field[:1] == b"C")


class Call:
    """What the client sent up to a Sync or in a Query, and what becomes of it."""

    def __init__(self, member, kind):
        self.member, self.kind, self.fate = member, kind, "passed"
        if kind and member:
            calls[member, kind] += 1
            if calls[member, kind] % options.lose_answer == 0:
                self.fate = "answer"
            elif calls[member, kind] % options.lose_request == 0:
                self.fate = "request"

    def record(self, answer=()):
        if not self.kind:
            return
        failed = "".join(sqlstate(message) for tag, message in answer if tag == b"E")
        rows = [first_columns(message) for tag, message in answer if tag == b"D"] if self.kind == "consume" else []
        partitions, offsets = (",".join(row[i] for row in rows) for i in (0, 1))
        print(next(numbers), self.member, self.kind, self.fate, failed, f"{{{partitions}}}", f"{{{offsets}}}", sep="\t", file=log)


class Connection:
    def __init__(self, client_reader, client_writer):
        self.client_reader, self.client_writer = client_reader, client_writer
        self.pending = collections.deque([Call(None, None)])    # calls the server has not answered; first the startup
        self.statements = {}                                    # kinds of what was prepared, by name
        self.member = None

    async def run(self):
        try:
            self.server_reader, self.server_writer = await asyncio.open_unix_connection(options.server)
            ways = [asyncio.create_task(way()) for way in (self.requests, self.answers)]
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
            self.client_writer.close()
            if next(lost) % 2:
                await asyncio.sleep(LATE)
            self.server_writer.close()
            for way in ways:
                way.cancel()
            for outcome in await asyncio.gather(*ways, return_exceptions=True):
                if isinstance(outcome, Exception) and not isinstance(outcome, ConnectionError):
                    raise outcome
        except OSError:
            self.client_writer.close()      # the server is not there

    async def requests(self):
        startup = await self.client_reader.readexactly(4)
        startup += await self.client_reader.readexactly(struct.unpack("!I", startup)[0] - 4)
        words = startup[8:].split(b"\0")
        if b"application_name" in words:
            self.member = words[words.index(b"application_name") + 1].decode()
        self.server_writer.write(startup)

        held, kind = b"", None      # of the call that is being sent
        while (read := await read_message(self.client_reader)):
            tag, message = read
            held += message
            if tag == b"P":
                name, sql = message[5:].split(b"\0")[:2]
                self.statements[name] = kind_of(sql)
            elif tag == b"B":
                kind = self.statements.get(message[5:].split(b"\0")[1])
            elif tag == b"Q":
                kind = kind_of(message[5:])
            if tag in b"QS":
                call = Call(self.member, kind)
                if call.fate == "request":
                    call.record()
                    return
                self.pending.append(call)
                kind = None
            if tag in b"QSX":
                self.server_writer.write(held)
                await self.server_writer.drain()
                held = b""

    async def answers(self):
        answer = []
        while (read := await read_message(self.server_reader)):
            answer.append(read)
            if read[0] != b"Z" and self.pending:
                continue
            if self.pending:
                call = self.pending.popleft()
                call.record(answer)
                if call.fate == "answer":
                    return
            self.client_writer.write(b"".join(message for _, message in answer))
            await self.client_writer.drain()
            answer = []
        self.client_writer.write(b"".join(message for _, message in answer))     # the server's last words


async def serve():
    async def accept(reader, writer):
        await Connection(reader, writer).run()
    async with await asyncio.start_unix_server(accept, options.listen) as server:
        await server.serve_forever()


asyncio.run(serve())
