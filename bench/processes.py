# SPDX-License-Identifier: MIT
"""The processes of the network bench: servers, load generators, and what /proc says of them."""

import json
import os
import re
import selectors
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path


class BenchError(Exception):
    """A run that gave no figures, and why."""


@dataclass(frozen=True)
class Processors:
    """Server and load get one each: together on one, they would take turns and measure the scheduler."""

    server: int
    load: int

    @staticmethod
    def pick() -> "Processors":
        mine = sorted(os.sched_getaffinity(0))
        return Processors(server=mine[-1], load=mine[0])  # the first one tends to serve the interrupts

    @property
    def apart(self) -> bool:
        return self.server != self.load


def start(command: list, processor: int | None, **pipes) -> subprocess.Popen:
    """On this processor, or on whichever the scheduler finds."""
    processors = {processor} if processor is not None else os.sched_getaffinity(0)
    return subprocess.Popen([str(word) for word in command], text=True,
                            preexec_fn=lambda: os.sched_setaffinity(0, processors), **pipes)


def stop(process: subprocess.Popen) -> int:
    """SIGTERM, then patience, then SIGKILL. Returns the exit status."""
    process.terminate()
    try:
        return process.wait(timeout=5)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        raise BenchError(f"{Path(process.args[0]).name} did not end within 5 s of SIGTERM") from None


def line_from(pipe, seconds: float, who: str) -> str:
    with selectors.DefaultSelector() as selector:
        selector.register(pipe, selectors.EVENT_READ)
        if not selector.select(seconds):
            raise BenchError(f"{who} printed nothing for {seconds:.0f} s")
    return pipe.readline()


class Server:
    """A fresh server process, on a port of its own choice, for the length of a `with`."""

    def __init__(self, command: list, processor: int | None):
        self.name = Path(command[0]).name
        self.process = start(command, processor, stdout=subprocess.PIPE)
        try:
            line = line_from(self.process.stdout, 10, self.name)
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
        """Waits until the server has nothing to do: it may still be closing its last clients."""
        before, now = -1, cpu_ns(self.pid)
        deadline = time.monotonic() + 5
        while now != before and time.monotonic() < deadline:
            time.sleep(0.005)
            before, now = now, cpu_ns(self.pid)

    def __exit__(self, kind, *_):
        try:
            self.stop()
        except BenchError:
            if kind is None:  # otherwise what went wrong first is worth more
                raise


LOAD_SECONDS = 120  # it takes some at most


def run_load(program: Path, server: Server, processor: int | None, *arguments) -> dict:
    """Runs the load generator and returns the figures it prints."""
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
    """Why this server does not start here, in its own words: io_uring may be forbidden, say. Empty if it does start."""
    with start(command, None, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        try:
            if line_from(process.stdout, 10, process.args[0]).startswith("listening on "):
                stop(process)
                return ""
        except BenchError as error:
            return str(error)
        finally:
            process.kill()  # which does nothing to one that has ended
        complaints = process.stderr.read().strip().splitlines()
        return complaints[-1].removeprefix(f"{command[0]}: ") if complaints else "it ends at once, and does not say why"


class IdleClients:
    """Connections that have sent one request and then fall silent, for the length of a `with`."""

    def __init__(self, program: Path, server: Server, processor: int, connections: int):
        command = [program, "--port", server.port, "--connections", connections, "--idle", 300]
        self.server = server
        # Standard input is a pipe of ours, so the clients go away even if this script dies.
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
    """The processor time of a process in nanoseconds, where /proc/PID/stat counts in steps of 10 ms."""
    return time.clock_gettime_ns((~pid << 3) | 2)  # what clock_getcpuclockid(3) makes of a pid; Python lacks it


def waited_ns(pid: int) -> int:
    """How long the process was ready to run while something else held its processor."""
    return sum(int(path.read_text().split()[1]) for path in Path(f"/proc/{pid}/task").glob("*/schedstat"))


def resident_bytes(pid: int) -> int:
    rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()  # exact; statm lags behind by up to 64 pages a thread
    return int(re.search(r"^Rss:\s+(\d+) kB", rollup, re.MULTILINE).group(1)) * 1024


def context_switches(pid: int) -> int:
    statuses = [path.read_text() for path in Path(f"/proc/{pid}/task").glob("*/status")]
    return sum(int(count) for status in statuses for count in re.findall(r"ctxt_switches:\s+(\d+)", status))
