"""The library websockets as a client and as a server of examples/web_socket, which sends all messages back.
    websockets_py.py WEB_SOCKET"""
import asyncio
import os
import re
import subprocess
import sys

import websockets

LIMIT = 60
MESSAGES = ["", "hello", "µ" * 1000, "x" * 70_000, b"", b"\xff\x00", os.urandom(300_000), b"\0" * 2_000_000]


async def check_echo(socket):
    for message in MESSAGES:
        await socket.send(message)
        got = await socket.recv()
        assert got == message, f"{len(got)} instead of {len(message)}"
    await socket.send(["several ", "frames ", "of one message"])
    assert await socket.recv() == "several frames of one message"
    await (await socket.ping())
    for i in range(1000):  # many at a time
        await socket.send(str(i))
    for i in range(1000):
        assert await socket.recv() == str(i)


async def as_client(port):
    for compression in (None, "deflate"):
        async with websockets.connect(f"ws://127.0.0.1:{port}/", compression=compression, max_size=None) as socket:
            await check_echo(socket)
            await socket.close(4321, "enough")
        assert socket.close_code == 4321, socket.close_code
    # Many connections at a time.
    async def one(number):
        async with websockets.connect(f"ws://127.0.0.1:{port}/") as socket:
            for i in range(20):
                await socket.send(f"{number} {i}")
                assert await socket.recv() == f"{number} {i}"
    await asyncio.gather(*(one(number) for number in range(50)))


async def as_server(program):
    outcomes = []

    async def handler(socket):
        try:
            await check_echo(socket)
            await socket.close(1000)
            outcomes.append(socket.close_code)
        except BaseException as error:
            outcomes.append(error)
            raise

    for compression in (None, "deflate"):
        async with websockets.serve(handler, "127.0.0.1", 0, compression=compression, max_size=None) as server:
            port = server.sockets[0].getsockname()[1]
            client = await asyncio.create_subprocess_exec(program, "connect", f"ws://127.0.0.1:{port}/", "3")
            assert await asyncio.wait_for(client.wait(), LIMIT) == 0
    assert outcomes == [1000] * 6, outcomes


def main():
    program = os.path.abspath(sys.argv[1])
    server = subprocess.Popen([program, "serve", "127.0.0.1:0"], stdout=subprocess.PIPE, text=True)
    try:
        port = int(re.search(r":(\d+)$", server.stdout.readline().strip())[1])
        asyncio.run(asyncio.wait_for(as_client(port), LIMIT))
    finally:
        server.terminate()
        assert server.wait(LIMIT) == 0
    asyncio.run(asyncio.wait_for(as_server(program), LIMIT))
    print(f"websockets {websockets.__version__}: client and server passed")


if __name__ == "__main__":
    main()
