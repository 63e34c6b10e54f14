#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Runs examples with all detectors on, under changing load, and fails at each report: all of them would be false.

    soak.py BUILD [--seconds N] [--seed S] [--only SERVER]

Each server is started and ended (SIGTERM) again and again, on both drivers, with and without the page about the process, while
clients connect, send slowly, send nonsense, stop reading, close one direction, disappear or reset the connection. Meanwhile
its tasks are read (`eddy tree`, the page, EDDY_DUMP), and its flight recorder is on. A first life has planted faults, whose
reports must appear.
"""
import argparse
import asyncio
import contextlib
import os
import pathlib
import random
import re
import shutil
import signal
import socket
import struct
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2]))
from run import REPORT, STALL  # noqa: E402

LIMIT = 120  # seconds, for the start and the end of a server on a busy machine
SERVERS = ("chat", "mini_redis_server", "web_server", "web_chat")
PLANTED = ("has blocked its thread", "suspected: 3 tasks have waited for a mutex", "leaks: tasks that have not ended")


# ---- Clients: one conversation each ----


class Client:
    """A connection. Its methods end with an OSError if the server has ended it."""

    def __init__(self, reader, writer, dice):
        self.reader, self.writer, self.dice = reader, writer, dice

    async def send(self, data):
        if self.dice.random() < 0.1:  # in two parts
            cut = self.dice.randrange(len(data) + 1)
            self.writer.write(data[:cut])
            await asyncio.sleep(self.dice.random() * 0.3)
            data = data[cut:]
        self.writer.write(data)
        await self.writer.drain()

    async def receive(self, most=65536):
        data = await self.reader.read(most)
        if not data:
            raise ConnectionError("the server has closed the connection")
        return data

    async def leave(self):
        """Ends the connection in one of several ways."""
        way = self.dice.choice(("close", "reset", "half", "disappear"))
        if way == "reset":
            option = struct.pack("ii", 1, 0)
            self.writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, option)
        elif way == "half" and self.writer.can_write_eof():
            self.writer.write_eof()
            while await self.reader.read(65536):
                pass
        elif way == "disappear":
            await asyncio.sleep(self.dice.random() * 3)


async def chat(client):
    await client.send(b"name%d\n" % client.dice.randrange(1000))
    for _ in range(client.dice.randrange(60)):
        line = client.dice.choice((b"hello", b"/join room%d" % client.dice.randrange(3), b"x" * 1500, b"\xff\0", b"/join", b"y" * 900))
        await client.send(line + b"\n")
        if client.dice.random() < 0.7:
            await client.receive()
        elif client.dice.random() < 0.05:
            await asyncio.sleep(1)  # reads nothing, while others talk
    if client.dice.random() < 0.3:
        await client.send(b"/quit\n")


def redis_command(*words):
    return b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%s\r\n" % (len(word), word) for word in words)


async def redis(client):
    dice = client.dice
    if dice.random() < 0.2:
        await client.send(redis_command(b"SUBSCRIBE", b"news"))
        for _ in range(dice.randrange(20)):
            await client.receive()
        return
    for _ in range(dice.randrange(100)):
        key = b"key%d" % dice.randrange(50)
        await client.send(dice.choice((
            redis_command(b"SET", key, b"v" * dice.randrange(20_000), b"PX", b"%d" % dice.randrange(1, 500)),
            redis_command(b"GET", key), redis_command(b"PUBLISH", b"news", b"n" * dice.randrange(5000)),
            redis_command(b"BLPOP", b"list", b"0.2"), redis_command(b"RPUSH", b"list", key), redis_command(b"PING") * 50,
            b"*1\r\n$4\r\nNOPE\r\n")))
        if dice.random() < 0.9:
            await client.receive()


async def web(client):
    dice = client.dice
    for _ in range(dice.randrange(20)):
        size = dice.randrange(100_000)
        await client.send(dice.choice((
            b"GET /notes HTTP/1.1\r\nhost: a\r\n\r\n", b"GET /count/%d HTTP/1.1\r\nhost: a\r\n\r\n" % dice.randrange(100),
            b"GET /files/data HTTP/1.1\r\nhost: a\r\naccept-encoding: gzip\r\n\r\n", b"GET /metrics HTTP/1.1\r\nhost: a\r\n\r\n",
            b"PUT /notes/monday HTTP/1.1\r\nhost: a\r\ncontent-length: 7\r\n\r\nbuy tea",
            b"PUT /echo HTTP/1.1\r\nhost: a\r\ncontent-length: %d\r\n\r\n" % size + b"e" * (size // dice.choice((1, 1, 2))),
            b"nonsense\r\n\r\n")))
        await client.receive(dice.choice((100, 1_000_000)))
        if dice.random() < 0.1:
            await asyncio.sleep(dice.random())  # reads nothing, while the response is sent


async def web_socket(client):
    await client.send(b"GET /chat HTTP/1.1\r\nhost: a\r\nupgrade: websocket\r\nconnection: upgrade\r\nsec-websocket-version: 13\r\n"
                      b"sec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n")
    await client.receive()
    for _ in range(client.dice.randrange(50)):
        text = b"t" * client.dice.randrange(100)
        await client.send(b"\x81" + bytes([0x80 | len(text)]) + bytes(4) + text)  # masked with zeros
        if client.dice.random() < 0.7:
            await client.receive()
    if client.dice.random() < 0.5:
        await client.send(b"\x88\x82" + bytes(4) + struct.pack("!H", 1000))


TALKS = {"chat": chat, "mini_redis_server": redis, "web_server": web, "web_chat": web_socket}
TOOLS = {"mini_redis_server": ["redis-benchmark", "-q", "-n", "3000", "-c", "50", "-p"],
         "web_server": ["wrk", "-t1", "-c50", "-d1s"]}


# ---- A life of a server ----


def tell(process, number):
    """Sends a signal. Popen.send_signal() and kill() may take the status of a process that has ended from asyncio."""
    if process.returncode is None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(process.pid, number)


class Life:
    def __init__(self, build, name, folder, dice):
        self.name, self.dice, self.folder, self.connections = name, dice, folder, 0
        self.program, self.eddy = build / f"tests/soak/detectors_{name}", build / "bin/eddy"
        self.errors = folder / "errors"
        self.trace = folder / "trace"
        self.port = self.page = None

    async def start(self, **more):
        """Starts the server with the environment `more`, and returns when it listens."""
        usual = {"EDDY_LEAKS": "1", "EDDY_TRACE": str(self.trace), "EDDY_DUMP": "SIGUSR1"}
        folder = [str(self.folder)] if self.name == "web_server" else []
        with open(self.errors, "wb") as errors:
            self.process = await asyncio.create_subprocess_exec(
                self.program, "127.0.0.1:0", *folder, stdout=asyncio.subprocess.PIPE, stderr=errors,
                env={**os.environ, **usual, **more})
        while self.port is None:
            line = (await asyncio.wait_for(self.process.stdout.readline(), LIMIT)).decode()
            if not line:
                sys.exit(f"detectors_{self.name} does not start: {self.errors.read_text()}")
            if found := re.match(r"(listening|page) on .*:(\d+)$", line):
                self.port, self.page = (found[2], self.page) if found[1] == "listening" else (None, found[2])

    async def end(self):
        tell(self.process, signal.SIGTERM)
        try:
            status = await asyncio.wait_for(self.process.wait(), LIMIT)
        except TimeoutError:
            tell(self.process, signal.SIGKILL)
            return f"does not end within {LIMIT} s after SIGTERM"
        if status != 0:
            return f"ends with {status}"
        return "" if self.trace.exists() else "has written no trace"

    async def talk(self):
        """Conversations one after the other, until the server has ended."""
        while self.process.returncode is None:
            with contextlib.suppress(OSError):  # also when a connection has ended, or takes too long
                reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
                self.connections += 1
                client = Client(reader, writer, self.dice)
                try:
                    await asyncio.wait_for(self.converse(client), 20)
                finally:
                    writer.close()
            await asyncio.sleep(self.dice.random() * 0.1)

    async def converse(self, client):
        await TALKS[self.name](client)
        await client.leave()

    async def run(self, *command):
        """Runs a command until it ends, or until the server does."""
        process = await asyncio.create_subprocess_exec(
            *command, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL)
        ends = [asyncio.create_task(each.wait()) for each in (process, self.process)]
        await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        tell(process, signal.SIGKILL)
        await process.wait()

    async def look(self):
        """Reads the tasks of the server, in all ways, and runs the load generators of others now and then."""
        while self.process.returncode is None:
            await asyncio.sleep(self.dice.random())
            with contextlib.suppress(OSError):
                if self.eddy.exists():
                    await self.run(self.eddy, "tree", str(self.process.pid))
                if self.dice.random() < 0.3:
                    tell(self.process, signal.SIGUSR1)
                if self.page:
                    await self.get(self.page, self.dice.choice(("/", "/tasks.json", "/statistics.json", "/metrics")))
                tool = TOOLS.get(self.name, ["false"])
                if self.dice.random() < 0.3 and shutil.which(tool[0]):
                    await self.run(*tool, self.port if tool[-1] == "-p" else f"http://127.0.0.1:{self.port}/notes")

    async def get(self, port, path):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        try:
            writer.write(f"GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n".encode())
            answer = await reader.read()
            if answer and not answer.startswith(b"HTTP/1.1 200 "):
                sys.exit(f"{self.name}: the page answers {answer[:100]}")
        finally:
            writer.close()


async def live(build, name, dice, seconds):
    """Starts a server, uses it, and ends it. Returns the number of connections, what it has printed, and its fault."""
    with tempfile.TemporaryDirectory() as made:
        folder = pathlib.Path(made)
        (folder / "data").write_bytes(dice.randbytes(2_000_000))
        one = Life(build, name, folder, dice)
        more = {"EDDY_DRIVER": dice.choice(("epoll", "auto"))} | ({"DETECTORS_PAGE": "1"} if dice.random() < 0.5 else {})
        await one.start(**more)
        looks = asyncio.create_task(one.look())
        clients = [asyncio.create_task(one.talk()) for _ in range(dice.choice((0, 1, 10, 60)))]
        await asyncio.sleep(seconds)
        if dice.random() < 0.5:  # else the clients are there until the server has ended
            for task in clients:
                task.cancel()
        fault = await one.end()
        for error in await asyncio.gather(looks, *clients, return_exceptions=True):
            if error and not isinstance(error, asyncio.CancelledError):
                raise error
        return one.connections, one.errors.read_text(errors="replace"), fault


async def find_planted(build, name):
    """Returns the planted faults of which there is no report."""
    with tempfile.TemporaryDirectory() as made:
        one = Life(build, name, pathlib.Path(made), random.Random())
        await one.start(DETECTORS_FAULTS="1")
        end = time.monotonic() + LIMIT
        while any(text not in one.errors.read_text() for text in PLANTED[:2]) and time.monotonic() < end:
            await asyncio.sleep(0.1)
        await one.end()
        return [text for text in PLANTED if text not in one.errors.read_text()]


async def soak(build, name, dice, end):
    """Returns whether there was no report and no other fault."""
    if missing := await find_planted(build, name):
        print(f"{name}: the detectors are off: there is no report of the planted faults {missing}")
        return False
    lives = connections = faults = 0
    while time.monotonic() < end:
        made, printed, fault = await live(build, name, dice, dice.random() * dice.choice((1, 5, 15)))
        lives, connections = lives + 1, connections + made
        if fault or REPORT.search(printed) or STALL.search(printed):
            faults += 1
            print(f"{name} {fault or 'reports something'}:\n{printed[-20_000:]}", flush=True)
    print(f"{name}: {lives} lives, {connections} connections, {faults} with reports or other faults", flush=True)
    return faults == 0


async def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("build", type=pathlib.Path)
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--seed", type=int, default=random.randrange(1_000_000))
    parser.add_argument("--only", choices=SERVERS)
    asked = parser.parse_args()
    print(f"seed {asked.seed}", flush=True)
    end = time.monotonic() + asked.seconds
    names = [asked.only] if asked.only else SERVERS
    all_good = await asyncio.gather(
        *(soak(asked.build.resolve(), name, random.Random(asked.seed + i), end) for i, name in enumerate(names)))
    return 0 if all(all_good) else 1


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
