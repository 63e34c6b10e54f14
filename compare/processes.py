# SPDX-License-Identifier: MIT
"""The processes of the benchmarks: servers, load generators, and their figures from /proc."""

import json
import os
import re
import selectors
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path


class BenchError(Exception):
    """A run gave no figures. The message says why."""


ONE_PROCESSOR = "only one processor: server and load generator disturb each other, so the figures are unreliable"


def progress(group: str, what: str) -> None:
    print(f"{group}: {what}", file=sys.stderr, flush=True)


def rotated(items: list, by: int) -> list:
    """The items in their order, beginning with another one for each value of `by`."""
    start = by % max(1, len(items))
    return items[start:] + items[:start]


@dataclass(frozen=True)
class Processors:
    """One processor for the server, one for the load generator. On a shared one they would measure the scheduler."""

    server: int
    load: int

    @staticmethod
    def pick() -> "Processors":
        mine = sorted(os.sched_getaffinity(0))
        return Processors(server=mine[-1], load=mine[0])  # the first processor often handles interrupts

    @property
    def apart(self) -> bool:
        return self.server != self.load


def start(command: list, processor: int | None, **pipes) -> subprocess.Popen:
    """Starts a process that is pinned to `processor`, or not pinned if that is None."""
    processors = {processor} if processor is not None else os.sched_getaffinity(0)
    return subprocess.Popen([str(word) for word in command], text=True,
                            preexec_fn=lambda: os.sched_setaffinity(0, processors), **pipes)


def stop(process: subprocess.Popen) -> int:
    """Sends SIGTERM, and SIGKILL after 5 s. Returns the exit status."""
    process.terminate()
    try:
        return process.wait(timeout=5)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        raise BenchError(f"{Path(process.args[0]).name} did not end within 5 s after SIGTERM") from None


# How long a server may take until it listens: under valgrind, beside other work.
START_SECONDS = 60


def line_from(pipe, seconds: float, name: str) -> str:
    with selectors.DefaultSelector() as selector:
        selector.register(pipe, selectors.EVENT_READ)
        if not selector.select(seconds):
            raise BenchError(f"{name} printed nothing for {seconds:.0f} s")
    return pipe.readline()


class Server:
    """A new server process on a free port. It is stopped at the end of the `with` block."""

    def __init__(self, command: list, processor: int | None):
        self.name = Path(command[0]).name
        self.process = start(command, processor, stdout=subprocess.PIPE)
        self.page = ""  # the address of its page, which it may print first
        try:
            line = line_from(self.process.stdout, START_SECONDS, self.name)
            if line.startswith("page on "):
                self.page = line.removeprefix("page on ").strip()
                line = self.process.stdout.readline()
            found = re.match(r"listening on .*:(\d+)$", line.strip())
            if not found:
                raise BenchError(f"{self.name} should print 'listening on ADDRESS:PORT', but printed {line!r}")
        except BenchError:
            self.process.kill()
            self.process.wait()
            raise
        self.port = int(found.group(1))
        self.pid = self.process.pid

    def __enter__(self):
        return self

    def stop(self) -> None:
        status = stop(self.process)
        self.process.stdout.close()
        if status != 0:
            raise BenchError(f"{self.name} ended with status {status} instead of 0 on SIGTERM")

    def settle(self) -> None:
        """Waits until the server is idle. After a load it may still be closing connections."""
        before, now = -1, cpu_ns(self.pid)
        deadline = time.monotonic() + 5
        while now != before and time.monotonic() < deadline:
            time.sleep(0.005)
            before, now = now, cpu_ns(self.pid)

    def __exit__(self, kind, *_):
        try:
            self.stop()
        except BenchError:
            if kind is None:  # otherwise the first error is reported
                raise


LOAD_SECONDS = 120  # far more than any run needs


def run_load(program: Path, server: Server, processor: int | None, *arguments) -> dict:
    """Runs the load generator and returns the figures that it prints."""
    command = [program, "--port", server.port, "--server-pid", server.pid, "--json", *arguments]
    with start(command, processor, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as load:
        try:
            output, complaints = load.communicate(timeout=LOAD_SECONDS)
        except subprocess.TimeoutExpired:
            load.kill()
            raise BenchError(f"{server.name}: bench_load did not end within {LOAD_SECONDS} s") from None
    if load.returncode != 0:
        raise BenchError(f"{server.name}: {complaints.strip() or f'bench_load: status {load.returncode}'}")
    figures = json.loads(output.splitlines()[-1])
    if figures.get("requests") == 0:
        raise BenchError(f"{server.name}: no request was answered in time")
    return figures


def why_no_server(command: list) -> str:
    """The error message of a server that cannot start here, for example because io_uring is forbidden. Empty if it
    starts."""
    with start(command, None, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        try:
            if line_from(process.stdout, START_SECONDS, process.args[0]).startswith("listening on "):
                stop(process)
                return ""
        except BenchError as error:
            return str(error)
        finally:
            process.kill()  # no effect if it has ended
        complaints = process.stderr.read().strip().splitlines()
        return complaints[-1].removeprefix(f"{command[0]}: ") if complaints else "it ended without an error message"


class IdleClients:
    """Connections that send one request and are then idle, until the end of the `with` block."""

    def __init__(self, program: Path, server: Server, processor: int, connections: int, *arguments):
        command = [program, "--port", server.port, "--connections", connections, "--idle", 300, *arguments]
        self.server = server
        # bench_load ends when its standard input is closed, so it ends even if this script is killed.
        self.process = start(command, processor, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                             stderr=subprocess.PIPE)

    def __enter__(self):
        line = line_from(self.process.stdout, 60, "bench_load")
        if line.strip() != "ready":
            raise BenchError(f"{self.server.name}: {self.process.communicate()[1].strip()}")
        return self

    def __exit__(self, kind, *_):
        _, complaints = self.process.communicate()  # closes standard input first
        if self.process.returncode != 0 and kind is None:
            raise BenchError(f"{self.server.name}: {complaints.strip()}")


def cpu_ns(pid: int) -> int:
    """The processor time of a process in nanoseconds. /proc/PID/stat would count in steps of 10 ms."""
    return time.clock_gettime_ns((~pid << 3) | 2)  # the clock id as in clock_getcpuclockid(3), which Python lacks


def waited_ns(pid: int) -> int:
    """The time that threads of the process were runnable while other threads used the processor."""
    return sum(int(path.read_text().split()[1]) for path in Path(f"/proc/{pid}/task").glob("*/schedstat"))


def resident_bytes(pid: int) -> int:
    rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()  # exact; statm is behind by up to 64 pages per thread
    return int(re.search(r"^Rss:\s+(\d+) kB", rollup, re.MULTILINE).group(1)) * 1024


def context_switches(pid: int) -> int:
    statuses = [path.read_text() for path in Path(f"/proc/{pid}/task").glob("*/status")]
    return sum(int(count) for status in statuses for count in re.findall(r"ctxt_switches:\s+(\d+)", status))
