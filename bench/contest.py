# SPDX-License-Identifier: MIT
"""Who takes part in the group `net`, and in what."""

import sys
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import peers
from processes import BenchError, IdleClients, Processors, Server, run_load, why_no_server
from tables import Outcome

FIRST = "bare_epoll"
AGAIN = "bare_epoll again"
BARE_URING = "bare_uring"
BARE_URING_FDS = "bare_uring_fds"  # with descriptors, as a library's users have them, in place of slots of the ring
EDDY = "eddy"
EDDY_URING = "eddy_uring"

# By name, the program of each who always takes part: eddy on both drivers, and the loops that it is compared with.
OURS = {
    FIRST: "bench_bare_epoll",
    AGAIN: "bench_bare_epoll",
    BARE_URING: "bench_bare_uring",
    BARE_URING_FDS: "bench_bare_uring_fds",
    EDDY: "bench_echo_eddy",
    EDDY_URING: "bench_echo_eddy",
}
DRIVERS = {EDDY: "epoll", EDDY_URING: "io_uring"}

SLICE_SECONDS = 0.25
SLICE_WARMUP = 0.05  # connections are warm already: bench_load lets each be answered once before


@dataclass(frozen=True)
class Contestant:
    name: str
    program: Path

    def command(self, threads: int) -> list:
        driver = ["--driver", DRIVERS[self.name]] if self.name in DRIVERS else []
        return [self.program, "--port", 0, "--threads", threads, *driver]


@dataclass(frozen=True)
class Case:
    name: str
    what: str
    arguments: tuple  # of bench_load
    end: tuple = ("--seconds", SLICE_SECONDS)
    is_open: bool = False  # the rate is given, and no result
    threads: int = 1

    @property
    def title(self) -> str:
        return self.name if self.threads == 1 else f"{self.name}, {self.threads} threads"

    @property
    def is_storm(self) -> bool:
        return "--storm" in self.end


C100 = Case("C100", "100 connections, 64 B", ("--connections", 100))
C1000 = Case("C1000", "1,000 connections, 64 B", ("--connections", 1000))
CHURN = Case("CHURN", "connect, one echo of 64 B, close; 64 at a time", ("--connections", 64, "--churn"))
LOAD80 = Case("LOAD80", "100 connections, 64 B, at 80 % of the slowest contestant's C100 rate", ("--connections", 100),
              is_open=True)

ONE_THREAD = [
    Case("C1", "1 connection, 64 B", ("--connections", 1)),
    C100,
    LOAD80,  # right after the case that says how much it is: the machine changes its speed
    C1000,
    Case("C10000", "10,000 connections, 64 B, 100 active at a time", ("--connections", 10_000, "--active", 100)),
    Case("P16", "100 connections, 64 B, 16 requests in flight on each", ("--connections", 100, "--depth", 16)),
    Case("BIG", "100 connections, 16 KiB", ("--connections", 100, "--size", 16 * 1024)),
    CHURN,
    Case("STORM", "1,000 new clients, all at once, while 100 are busy", ("--connections", 100), ("--storm", 1000)),
]
TWO_THREADS = [Case(one.name, one.what, one.arguments, threads=2) for one in (C100, C1000, CHURN)]
IDLE = "IDLE"
NAMES = [one.name for one in ONE_THREAD] + [IDLE]


@dataclass
class Contest:
    """What the parts of the group share."""

    options: object
    load: Path
    contestants: list[Contestant]
    outcome: Outcome
    wanted: list[str]  # names of cases
    processors: Processors = field(default_factory=Processors.pick)

    def cases(self, of: list[Case]) -> list[Case]:
        return [one for one in of if one.name in self.wanted]

    def has(self, name: str) -> bool:
        return any(one.name == name for one in self.contestants)

    def server(self, contestant: Contestant, threads: int = 1) -> Server:
        return Server(contestant.command(threads), self.processors.server if threads == 1 else None)

    def run_load(self, server: Server, case: Case, *arguments) -> dict:
        return run_load(self.load, server, self.processors.load if case.threads == 1 else None, *case.arguments,
                        *case.end, "--warmup", SLICE_WARMUP, *arguments)

    def idle_clients(self, server: Server, connections: int) -> IdleClients:
        return IdleClients(self.load, server, self.processors.load, connections)

    def attempt(self, what: str, work):
        """The result of `work()`, or None after writing down what went wrong."""
        try:
            return work()
        except (BenchError, OSError) as error:
            self.outcome.errors.append(f"{what}: {error}")
            return None


def find_contestants(options, outcome: Outcome) -> list[Contestant]:
    """Those who are there and can run here; whoever is not is named in `outcome`."""
    everybody = {name: partial(own_server, options.build, program) for name, program in OURS.items()}
    everybody |= peers.net_peers(options.build)
    found = []
    for name in selected(list(everybody), options.peers):
        program, why_not = everybody[name]()
        if program:
            contestant = Contestant(name, program)
            why_not = why_no_server(contestant.command(1))
        if not why_not:
            found.append(contestant)
        elif name != AGAIN:
            outcome.missing.append(f"{name}: {why_not}")
    return found


def own_server(build: Path, name: str) -> peers.Built:
    program = build / "bench" / name
    return (program, "") if program.exists() else (None, f"{name} is not built")


def selected(everybody: list[str], names: str) -> list[str]:
    """Of the names of all contestants those that take part."""
    chosen = {*OURS, *names.split(",")} if names else {*everybody}
    if unknown := [name for name in chosen - {*everybody} if name]:
        sys.exit(f"net: there is no peer {unknown[0]}, but: {', '.join(everybody)}")
    return [name for name in everybody if name in chosen]


def progress(what: str) -> None:
    print(f"net: {what}", file=sys.stderr, flush=True)
