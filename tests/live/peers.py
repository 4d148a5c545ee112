#!/usr/bin/env python3
"""Both ends of real connections, for tests and benchmarks.

    peers.py serve [ADDRESS]           servers on the ports below, until stdin ends
    peers.py load KIND=N... [--rate N] so many connections of each kind; what was done, as JSON
"""
import asyncio
import json
import os
import socket
import struct
import sys
import time

SERVER = "10.88.0.2"
# The kinds of connections: their port says how the server behaves.
ECHO, SERVER_CLOSES, LEAKS, RESETS, NOBODY = 8080, 8081, 8082, 8083, 8099
KINDS = {
    "client": ECHO,            # the client closes first
    "server": SERVER_CLOSES,   # the server does
    "leak": LEAKS,             # the client closes, the server never does
    "reset": RESETS,           # the server resets after the request
    "refused": NOBODY,         # nobody listens
    "open": ECHO,              # neither closes
}
LINGER_0 = struct.pack("ii", 1, 0)


# ----------------------------------------------------------------------------------------- servers --

KEPT = []


async def echo(reader, writer):
    while data := await reader.read(4096):
        writer.write(data)
    writer.close()


async def answer_and_close(reader, writer):
    writer.write(await reader.read(4096))
    writer.close()


async def leak(reader, writer):
    KEPT.append(writer)
    while data := await reader.read(4096):
        writer.write(data)


async def reset(reader, writer):
    await reader.read(4096)
    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER_0)
    writer.transport.abort()


class Leaking(asyncio.Protocol):
    """Reads the end of the other side and does not close: the program that forgets."""

    def __init__(self):
        self.transport = None

    def connection_made(self, transport):
        self.transport = transport
        KEPT.append(transport)

    def data_received(self, data):
        self.transport.write(data)

    def eof_received(self):
        return True


async def serve(address):
    loop = asyncio.get_running_loop()
    for port, handle in ((ECHO, echo), (SERVER_CLOSES, answer_and_close), (RESETS, reset)):
        await asyncio.start_server(handle, address, port, backlog=4096)
    await loop.create_server(Leaking, address, LEAKS, backlog=4096)
    print("listening", flush=True)
    await loop.run_in_executor(None, sys.stdin.read)
    os._exit(0)


# ----------------------------------------------------------------------------------------- clients --

async def one(kind):
    try:
        reader, writer = await asyncio.open_connection(SERVER, KINDS[kind])
    except ConnectionRefusedError:
        return "refused"
    writer.write(b"ping")
    try:
        if kind == "reset":
            await reader.read()
            return "lost"
        await reader.readexactly(4)
        if kind == "open":
            KEPT.append(writer)
            return "open"
        if kind == "client":
            writer.write_eof()
        if kind in ("client", "server"):
            await reader.read()
        if kind == "leak":
            writer.write_eof()
            KEPT.append(writer)
            return "leak"
    except ConnectionResetError:
        return "reset"
    writer.close()
    return kind


async def load(counts, rate):
    """Connections of all kinds in turn, at most `rate` a second."""
    left, tasks, done = dict(counts), set(), {}
    started, begun = time.monotonic(), 0
    while any(left.values()):
        for kind in left:
            if not left[kind]:
                continue
            left[kind] -= 1
            begun += 1
            tasks.add(asyncio.create_task(one(kind)))
            if rate:
                await asyncio.sleep(max(0, started + begun / rate - time.monotonic()))
            if len(tasks) >= 256:
                await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in [task for task in tasks if task.done()]:
                tasks.remove(task)
                done[task.result()] = done.get(task.result(), 0) + 1
    for kind in await asyncio.gather(*tasks):
        done[kind] = done.get(kind, 0) + 1
    return done


def main():
    if sys.argv[1] == "serve":
        asyncio.run(serve(sys.argv[2] if len(sys.argv) > 2 else SERVER))
        return
    words = [word for word in sys.argv[2:] if "=" in word and not word.startswith("--")]
    rate = next((float(word[7:]) for word in sys.argv if word.startswith("--rate=")), 0)
    counts = {key: int(value) for key, _, value in (word.partition("=") for word in words)}

    async def work():
        print(json.dumps(await load(counts, rate)), flush=True)
        if "--hold" in sys.argv: # what is open stays so until stdin ends
            await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
        os._exit(0)

    asyncio.run(work())


if __name__ == "__main__":
    main()
