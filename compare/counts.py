# SPDX-License-Identifier: MIT
"""The group `counts`: values that do not vary between runs, so that any machine can check them under any load.

Counts instructions and allocations per operation of the runtime's cases, allocations and system calls of the echo
server, and all three of the HTTP server. Each value is the difference of two runs with different numbers of operations,
which removes the cost of start-up.
"""

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from socket import IPPROTO_TCP, MSG_WAITALL, TCP_NODELAY, create_connection, socket

import callgrind
import strace
from counts_baseline import Counts, accept, compare
from processes import BenchError, Processors, Server, progress
from tables import Outcome


@dataclass(frozen=True)
class Case:
    """A case of eddy_counts (rt/counts_main.cpp): the two repetition counts, and the operations per repetition."""

    name: str
    fewer: int
    more: int
    operations: int = 1


CASES = [
    Case("spawn_join_one", 1_000, 11_000),
    Case("spawn_join_batch", 2, 12, 1_000),
    Case("chained_spawn", 2, 12, 1_000),
    Case("pingpong_chan", 1_000, 21_000),  # an operation is a round trip
    Case("yield_1", 1_000, 101_000),
    Case("yield_1000", 10, 110, 1_000),
    Case("await_deep", 2, 22, 1_000),
    Case("await_opaque", 1_000, 51_000),
    Case("skynet", 10, 110, 111),  # an operation is one task, in the other trees too
    Case("skynet_scope", 10, 110, 111),
    Case("skynet_scope_body", 10, 110, 111),
    Case("fib", 10, 110, 88),
    Case("fib_scope", 10, 110, 88),
    Case("timer_arm_cancel", 1_000, 21_000),
    Case("timer_arm_cancel_live", 1_000, 21_000),
    Case("timer_arm_cancel_100k", 1, 2, 100_000),
]


def run(options) -> Outcome:
    outcome = Outcome()
    programs = [options.build / "bench" / name for name in ("eddy_counts", "eddy_counts_echo", "eddy_counts_http")]
    outcome.absent += [f"{program.name} is not built" for program in programs if not program.exists()]
    cases, server, http_server = programs
    if not shutil.which("valgrind"):
        outcome.absent.append("valgrind, which counts instructions and allocations, is not installed")
    if outcome.absent:
        return outcome
    unable = strace.why_unable()
    if not shutil.which("strace"):
        outcome.absent.append(unable)
    os.environ["EDDY_STALL"] = "0"  # the watchdog works by time, and what it does is counted with the rest
    try:
        now = count_cases(cases)
        now.allocations |= {"echo, a request": per_operation(allocations_of(server, ask), 100, 900),
                            "echo, a connection": per_operation(allocations_of(server, open_more), 100, 900)}
        http = [count_server(callgrind, http_server, get, times) for times in HTTP_REQUESTS]
        now.instructions[HTTP] = difference_of([one.instructions for one in http])
        now.allocations[HTTP] = difference_of([one.allocations for one in http])
        if not unable:
            now.calls = {"echo, a request": per_operation(calls_of(server, ask), 100, 900),
                         HTTP: per_operation(calls_of(http_server, get), *HTTP_REQUESTS)}
    except (BenchError, OSError, subprocess.CalledProcessError) as error:
        outcome.errors.append(str(error))
        return outcome
    if options.accept:
        accept(now, options.build)
    compare(outcome, now, options.build, unable)
    return outcome


def per_operation(count: Callable[[int], float], fewer: int, more: int) -> float:
    return (count(more) - count(fewer)) / (more - fewer)


HTTP = "http, a request"
HTTP_REQUESTS = (100, 900)


def difference_of(counts: list[int]) -> float:
    return (counts[1] - counts[0]) / (HTTP_REQUESTS[1] - HTTP_REQUESTS[0])


# ---- The runtime's cases ----


def count_cases(program: Path) -> Counts:
    now = Counts()
    with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as threads:
        for case, (fewer, more) in zip(CASES, threads.map(lambda case: count_case(program, case), CASES)):
            operations = (case.more - case.fewer) * case.operations
            now.instructions[case.name] = (more.instructions - fewer.instructions) / operations
            now.allocations[case.name] = (more.allocations - fewer.allocations) / operations
    return now


def count_case(program: Path, case: Case) -> list[callgrind.Count]:
    progress("counts", case.name)
    counts = []
    for times in (case.fewer, case.more):
        with tempfile.NamedTemporaryFile(suffix=".callgrind") as report:
            command = callgrind.command(Path(report.name), [program, case.name, str(times)])
            done = subprocess.run(command, stderr=subprocess.PIPE, text=True, check=False)
            if done.returncode != 0:
                raise BenchError(f"eddy_counts {case.name}: status {done.returncode}, {done.stderr.strip()}")
            counts.append(callgrind.read(Path(report.name)))
    return counts


# ---- The servers ----

SETTLING = 0.2  # seconds; after its last answer the server still runs until it waits again

# Arguments: the server's port, the number of requests or connections, and a stack that is closed after the server.
Load = Callable[[int, int, ExitStack], None]


def allocations_of(server: Path, load: Load) -> Callable[[int], float]:
    return lambda times: count_server(callgrind, server, load, times).allocations


def calls_of(server: Path, load: Load) -> Callable[[int], float]:
    return lambda times: count_server(strace, server, load, times)


def count_server(tool, program: Path, load: Load, times: int):
    """Runs a server under `tool`, a module with command() and read(), and applies `load` with `times`. Returns the
    count."""
    progress("counts", f"{load.__name__} {times} times, {tool.__name__}")
    with tempfile.NamedTemporaryFile(suffix=".count") as report, ExitStack() as cleanup:
        with Server(tool.command(report.name, [program, "--port", 0]), Processors.pick().server) as server:
            load(server.port, times, cleanup)
            time.sleep(SETTLING)
        return tool.read(Path(report.name))


def ask(port: int, requests: int, cleanup: ExitStack) -> None:
    """Sends `requests` requests one after the other on one connection."""
    client = connect(port, cleanup)
    echo(client)
    # Lets the server wait for this client once. From then on it waits before each request. A slow server could
    # otherwise find each request already received, and never wait.
    time.sleep(SETTLING)
    for _ in range(requests):
        echo(client)


def get(port: int, requests: int, cleanup: ExitStack) -> None:
    """Same as ask(), for the HTTP server."""
    client = connect(port, cleanup)
    size = len(get_once(client))
    time.sleep(SETTLING)
    for _ in range(requests):
        get_once(client, size)


def get_once(client: socket, size: int | None = None) -> bytes:
    client.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\nUser-Agent: counts\r\nAccept: */*\r\n\r\n")
    response = client.recv(size or 4096, MSG_WAITALL if size else 0)
    if not response.startswith(b"HTTP/1.1 200 OK\r\n") or not response.endswith(b"Hello, World!"):
        raise BenchError(f"the HTTP server answered {response!r}")
    return response


def open_more(port: int, connections: int, cleanup: ExitStack) -> None:
    """Opens `connections` connections that stay open, and sends one request on each."""
    for _ in range(connections):
        echo(connect(port, cleanup))


def connect(port: int, cleanup: ExitStack) -> socket:
    client = cleanup.enter_context(create_connection(("127.0.0.1", port), timeout=10))
    client.setsockopt(IPPROTO_TCP, TCP_NODELAY, 1)
    return client


def echo(client: socket) -> None:
    message = os.urandom(64)
    client.sendall(message)
    if client.recv(len(message), MSG_WAITALL) != message:
        raise BenchError("the echo server returned other bytes than it received")
