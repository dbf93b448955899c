#!/usr/bin/env python3
"""A proxy before any server that does what a bad network does, when its input says so.

Arguments: the port to listen on, and the server: a port of this machine, or the path of a unix socket.  Each line of its input
is a command, answered with the same line; the way it passes on bytes stays until another one is chosen:

  pass      at once
  delay     each piece some time later, up to 100 ms
  split     the beginning of each piece byte by byte, the rest in small pieces
  deaf      what the server says is lost; what the client says arrives
  cut       all connections end, half of them by RST; it goes on with "pass"
  server S  this is the server of connections from now on
  end       the proxy ends, as it does when its input ends
"""
import asyncio
import random
import socket
import struct
import sys

BYTEWISE = 48           # so many bytes of a piece one by one
SMALL = 700             # then pieces of up to so many
LATEST = 0.1            # seconds that a piece is held back

mode = "pass"
server = sys.argv[2]
connections = set()
rng = random.Random(80)


async def way(reader, writer, from_server):
    try:
        while data := await reader.read(1 << 16):
            if mode == "deaf" and from_server:
                continue
            if mode == "delay":
                await asyncio.sleep(rng.random() * LATEST)
            at = 0
            while mode == "split" and at < len(data) and not writer.is_closing():
                n = 1 if at < BYTEWISE else rng.randint(1, SMALL)
                writer.write(data[at:at + n])
                # what was written is sent before the next piece comes
                await asyncio.sleep(0)
                at += n
            if writer.is_closing():
                return
            writer.write(data[at:])
            await writer.drain()
    except OSError:
        pass


async def accept(reader, writer):
    writers = [writer]
    connections.add(writer)
    ways = []
    try:
        if "/" in server:
            reader2, writer2 = await asyncio.open_unix_connection(server)
        else:
            reader2, writer2 = await asyncio.open_connection("127.0.0.1", int(server))
        writers.append(writer2)
        connections.add(writer2)
        ways = [asyncio.create_task(way(reader, writer2, False)), asyncio.create_task(way(reader2, writer, True))]
        await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
    except OSError:
        pass            # the server is not there
    except asyncio.CancelledError:
        pass            # this is the end
    for task in ways:
        task.cancel()
    for w in writers:
        connections.discard(w)
        w.close()


def cut():
    for writer in list(connections):
        sock = writer.get_extra_info("socket")
        if sock.family == socket.AF_INET and rng.random() < 0.5:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        writer.transport.abort()


async def main():
    global mode, server
    await asyncio.start_server(accept, "127.0.0.1", int(sys.argv[1]))
    print("ready", flush=True)
    commands = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(commands), sys.stdin)
    while line := (await commands.readline()).decode().strip():
        if line == "end":
            break
        if line == "cut":
            mode = "pass"
            cut()
        elif line.startswith("server "):
            server = line.split(" ", 1)[1]
        else:
            mode = line
        print(line, flush=True)


asyncio.run(main())
