# SPDX-License-Identifier: MIT
"""The group `redis`: examples/mini_redis against redis-server, under redis-benchmark.

Each server has one thread. Both servers share one processor, and redis-benchmark has another one. Both servers run
all the time and take turns case by case; the server that is measured first changes with each round. All programs are
in the Debian package redis-tools: redis-server is redis-check-rdb, started under that name. At -P 1 redis-benchmark
is slower than either server, so the processor time per request says more than the rate.
"""

import csv
import shutil
import socket
import statistics
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from processes import ONE_PROCESSOR, BenchError, Processors, Server, cpu_ns, progress, start, stop
from tables import Outcome, Table, Target, spread

CLIENTS = 50
PIPELINES = {1: 150_000, 16: 1_500_000}  # requests, for about 4 s
COMMANDS = ["SET", "GET"]
TARGET = 1.0  # requests/s, as a ratio to redis-server
LEGEND = (f"req/s: requests per second that redis-benchmark reports with -c {CLIENTS} and values of 3 bytes. CPU us: "
          "processor time of the server per request. ratio: mini_redis to redis-server, median over the rounds; "
          "above 1 is better for req/s, below 1 for CPU.")


@dataclass(frozen=True)
class Figures:
    rate: float
    cpu_us: float


class RealServer:
    """redis-server on a free port. It is stopped at the end of the `with` block."""

    def __init__(self, processor: int):
        self.folder = tempfile.TemporaryDirectory(prefix="eddy.")
        program = Path(self.folder.name) / "redis-server"
        program.symlink_to(shutil.which("redis-check-rdb"))
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        command = [program, "--port", self.port, "--bind", "127.0.0.1", "--save", "", "--appendonly", "no",
                   "--dir", self.folder.name]
        self.process = start(command, processor, stdout=subprocess.DEVNULL)
        self.pid = self.process.pid

    def __enter__(self):
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    return self
            time.sleep(0.02)
        self.__exit__()
        raise BenchError("redis-server did not start within 10 s")

    def __exit__(self, *_):
        stop(self.process)
        self.folder.cleanup()


def run(options) -> Outcome:
    outcome = Outcome(legend=LEGEND)
    ours = options.build / "examples" / "mini_redis_server"
    if not ours.exists():
        outcome.absent.append(f"{ours.name} is not built")
    outcome.absent += [f"{name} is not installed (Debian: redis-tools)"
                        for name in ("redis-check-rdb", "redis-benchmark") if not shutil.which(name)]
    if outcome.absent:
        return outcome
    processors = Processors.pick()
    if not processors.apart:
        outcome.errors.append(ONE_PROCESSOR)
    for driver in ("epoll", "io_uring"):
        try:
            compare(driver, [ours, "127.0.0.1:0", "--driver", driver], processors, options, outcome)
        except (BenchError, OSError) as error:
            outcome.errors.append(f"redis, {driver}: {error}")
    return outcome


def compare(driver: str, ours: list, processors: Processors, options, outcome: Outcome) -> None:
    rounds: dict[tuple[str, int], list[tuple[Figures, Figures]]] = {}
    with Server(ours, processors.server) as mini, RealServer(processors.server) as real:
        for index in range(options.rounds):
            progress("redis", f"{driver}, round {index + 1}/{options.rounds}")
            for pipeline, requests in PIPELINES.items():
                for command in COMMANDS:
                    requests_now = requests // 3 if options.quick else requests
                    servers = [mini, real] if index % 2 == 0 else [real, mini]
                    found = {server: load(server, command, pipeline, requests_now, processors.load)
                             for server in servers}
                    rounds.setdefault((command, pipeline), []).append((found[mini], found[real]))
    add_table(driver, rounds, options.rounds, outcome)


def load(server, command: str, pipeline: int, requests: int, processor: int) -> Figures:
    before = cpu_ns(server.pid)
    program = ["redis-benchmark", "-p", server.port, "-c", CLIENTS, "-P", pipeline, "-n", requests,
               "-t", command.lower(), "--csv"]
    with start(program, processor, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as running:
        try:
            output, complaints = running.communicate(timeout=120)
        except subprocess.TimeoutExpired:
            running.kill()
            raise BenchError("redis-benchmark did not end within 120 s") from None
    rows = {row[0]: row for row in csv.reader(output.splitlines()) if row}
    if running.returncode != 0 or command not in rows:
        raise BenchError(f"redis-benchmark: {complaints.strip() or f'status {running.returncode}'}")
    return Figures(rate=float(rows[command][1]), cpu_us=(cpu_ns(server.pid) - before) / 1000 / requests)


def add_table(driver: str, rounds: dict, count: int, outcome: Outcome) -> None:
    table = Table(f"redis, mini_redis on {driver}: {CLIENTS} clients, {count} rounds",
                  ["case", "mini_redis req/s", "redis-server req/s", "ratio", "spread", "mini_redis CPU us",
                   "redis-server CPU us", "CPU ratio"], name=driver)
    for (command, pipeline), pairs in rounds.items():
        case = f"{command} -P {pipeline}"
        rates = [mini.rate / real.rate for mini, real in pairs]
        costs = [mini.cpu_us / real.cpu_us for mini, real in pairs]
        table.rows.append([case, *(f"{statistics.median(side.rate for side in sides):,.0f}" for sides in zip(*pairs)),
                           f"{statistics.median(rates):.3f}", spread(rates),
                           *(f"{statistics.median(side.cpu_us for side in sides):.2f}" for sides in zip(*pairs)),
                           f"{statistics.median(costs):.3f}"])
        what = f"redis, {driver}: {case}, req/s, x redis-server"
        outcome.targets.append(Target(what, statistics.median(rates), TARGET, at_least=True))
        outcome.data[f"{driver} {case}"] = [[vars(one) for one in pair] for pair in pairs]
    outcome.tables.append(table)
