# SPDX-License-Identifier: MIT
"""The servers and the cases of the group `net`, and what the group `http` shares with it."""

import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import peers
from processes import BenchError, IdleClients, Processors, Server, run_load, why_no_server
from tables import Outcome

REFERENCE = "bare_epoll"
AGAIN = "bare_epoll again"
BARE_URING = "bare_uring"
BARE_URING_FDS = "bare_uring_fds"  # its sockets are descriptors, as in a library, instead of slots of the ring
EDDY = "eddy"
EDDY_URING = "eddy_uring"

# The programs of the servers that always take part, by name: eddy with both drivers, and the bare loops.
OURS = {
    REFERENCE: "bench_bare_epoll",
    AGAIN: "bench_bare_epoll",
    BARE_URING: "bench_bare_uring",
    BARE_URING_FDS: "bench_bare_uring_fds",
    EDDY: "bench_echo_eddy",
    EDDY_URING: "bench_echo_eddy",
}
DRIVERS = {EDDY: "epoll", EDDY_URING: "io_uring"}

SLICE_SECONDS = 0.25
SLICE_WARMUP = 0.05  # short, because bench_load first waits for one answer on each connection


# For each server a function that returns its program, or None and the reason.
Programs = dict[str, Callable[[], peers.Built]]


@dataclass(frozen=True)
class BenchServer:
    name: str
    program: Path

    def command(self, threads: int) -> list:
        driver = ["--driver", DRIVERS[self.name]] if self.name in DRIVERS else []
        return [self.program, "--port", 0, "--threads", threads, *driver]


@dataclass(frozen=True)
class Case:
    name: str
    what: str
    arguments: tuple  # for bench_load
    end: tuple = ("--seconds", SLICE_SECONDS)
    is_open: bool = False  # an open loop: the rate is given, it is not a result
    threads: int = 1

    @property
    def title(self) -> str:
        return self.name if self.threads == 1 else f"{self.name}, {self.threads} threads"

    @property
    def is_storm(self) -> bool:
        return "--storm" in self.end


C100 = Case("C100", "100 connections, 64 B", ("--connections", 100))
C1000 = Case("C1000", "1,000 connections, 64 B", ("--connections", 1000))
P16 = Case("P16", "100 connections, 64 B, 16 requests in flight on each", ("--connections", 100, "--depth", 16))
BIG = Case("BIG", "100 connections, 16 KiB", ("--connections", 100, "--size", 16 * 1024))
CHURN = Case("CHURN", "connect, one echo of 64 B, close; 64 at a time", ("--connections", 64, "--churn"))
LOAD80 = Case("LOAD80", "100 connections, 64 B, at 80 % of the slowest server's C100 rate", ("--connections", 100),
              is_open=True)

ONE_THREAD = [
    Case("C1", "1 connection, 64 B", ("--connections", 1)),
    C100,
    LOAD80,  # directly after C100, which sets its rate, because the machine changes its speed
    C1000,
    Case("C10000", "10,000 connections, 64 B, 100 active at a time", ("--connections", 10_000, "--active", 100)),
    P16,
    BIG,
    CHURN,
    Case("STORM", "1,000 new clients at the same time, while 100 are busy", ("--connections", 100), ("--storm", 1000)),
]
TWO_THREADS = [Case(one.name, one.what, one.arguments, threads=2) for one in (C100, C1000, P16, BIG, CHURN)]
IDLE = "IDLE"
NAMES = [one.name for one in ONE_THREAD] + [IDLE]


@dataclass
class NetRun:
    """A run of a group: the state that its measurements share."""

    options: object
    load: Path
    servers: list[BenchServer]
    outcome: Outcome
    wanted: list[str]  # names of cases
    group: str = "net"
    arguments: tuple = ()  # for each run of bench_load
    processors: Processors = field(default_factory=Processors.pick)

    def cases(self, of: list[Case]) -> list[Case]:
        return [one for one in of if one.name in self.wanted]

    def has(self, name: str) -> bool:
        return any(one.name == name for one in self.servers)

    def start(self, server: BenchServer, threads: int = 1) -> Server:
        return Server(server.command(threads), self.processors.server if threads == 1 else None)

    def run_load(self, server: Server, case: Case, *arguments) -> dict:
        return run_load(self.load, server, self.processors.load if case.threads == 1 else None, *case.arguments,
                        *case.end, "--warmup", SLICE_WARMUP, *self.arguments, *arguments)

    def idle_clients(self, server: Server, connections: int) -> IdleClients:
        return IdleClients(self.load, server, self.processors.load, connections, *self.arguments)

    def attempt(self, what: str, work):
        """Returns the result of `work()`, or None if it fails. A failure is added to the errors."""
        try:
            return work()
        except (BenchError, OSError) as error:
            self.outcome.errors.append(f"{what}: {error}")
            return None


def find_servers(options, outcome: Outcome) -> list[BenchServer]:
    """The selected servers that can run here. The others are listed in `outcome`, with the reason."""
    known = own_servers(options.build, OURS) | peers.net_peers(options.build)
    return startable({name: known[name] for name in selected("net", OURS, list(known), options.peers)}, outcome)


def own_servers(build: Path, programs: dict[str, str]) -> Programs:
    return {name: partial(own_server, build, program) for name, program in programs.items()}


def startable(servers: Programs, outcome: Outcome) -> list[BenchServer]:
    """The servers that can run here. The others are listed in `outcome`, with the reason."""
    found = []
    for name, find in servers.items():
        program, why_not = find()
        if program:
            server = BenchServer(name, program)
            why_not = why_no_server(server.command(1))
        if not why_not:
            found.append(server)
        elif name != AGAIN:
            outcome.absent.append(f"{name}: {why_not}")
    return found


def own_server(build: Path, name: str) -> peers.Built:
    program = build / "bench" / name
    return (program, "") if program.exists() else (None, f"{name} is not built")


def wanted_cases(group: str, names: list[str], only: str) -> list[str]:
    """Returns the cases that --only names, or all cases of the group."""
    wanted = only.split(",") if only else names
    if unknown := [name for name in wanted if name not in names]:
        sys.exit(f"{group}: there is no case {unknown[0]}; the cases are {', '.join(names)}")
    return list(wanted)


def selected(group: str, ours: dict[str, str], known: list[str], names: str) -> list[str]:
    """The servers that take part, if the user selected the peers `names`. An empty list selects all."""
    chosen = {*ours, *names.split(",")} if names else {*known}
    if unknown := [name for name in chosen - {*known} if name]:
        sys.exit(f"{group}: there is no peer {unknown[0]}; the servers are {', '.join(known)}")
    return [name for name in known if name in chosen]
