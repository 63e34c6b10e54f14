# SPDX-License-Identifier: MIT
"""Who takes part in the group `echo`, and in what."""

import sys
from dataclasses import dataclass, field
from pathlib import Path

from processes import BenchError, IdleClients, Processors, Server, run_load
from tables import Outcome

FIRST = "bare_epoll"
AGAIN = "bare_epoll again"


@dataclass(frozen=True)
class Contestant:
    name: str
    command: tuple

    @property
    def has_bars(self) -> bool:
        return self.name not in (FIRST, AGAIN)


@dataclass(frozen=True)
class Case:
    name: str
    connections: int
    size: int
    cpu_bar: float = 1.05  # processor time per request, against the bare loop
    p99_bar: float = 0  # p99, against the bare loop; 0: none
    calls_bar: float = 0  # system calls per request; 0: not counted

    @property
    def arguments(self) -> list:
        return ["--connections", self.connections, "--size", self.size]


CASES = [
    Case("C1", 1, 64, calls_bar=3.05),
    Case("C100", 100, 64, calls_bar=2.05),
    Case("C1000", 1000, 64, p99_bar=1.5),
    Case("BIG", 100, 16 * 1024),
]


@dataclass
class Contest:
    """What the parts of the group share."""

    options: object
    load: Path
    contestants: list[Contestant]
    outcome: Outcome
    processors: Processors = field(default_factory=Processors.pick)

    def server(self, contestant: Contestant) -> Server:
        return Server(list(contestant.command), self.processors.server)

    def run_load(self, server: Server, *arguments) -> dict:
        return run_load(self.load, server, self.processors.load, *arguments)

    def idle_clients(self, server: Server, connections: int) -> IdleClients:
        return IdleClients(self.load, server, self.processors.load, connections)

    def attempt(self, what: str, work):
        """The result of `work()`, or None after writing down what went wrong."""
        try:
            return work()
        except (BenchError, OSError) as error:
            self.outcome.errors.append(f"{what}: {error}")
            return None


def progress(what: str) -> None:
    print(f"echo: {what}", file=sys.stderr, flush=True)
