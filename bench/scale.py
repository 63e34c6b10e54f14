# SPDX-License-Identifier: MIT
"""The group `scale`: what a request costs as connections become more, and what a task costs as tasks do.

Connections: eddy's echo server against the bare epoll loop. Tasks: eddy against Tokio, on one thread. Contestants take
turns, and a ratio is taken within a round only. A column that stays the same from top to bottom is good; where it does not,
the other contestant shows how much of that is the machine's caches.
"""

import resource
import statistics
import sys
from collections.abc import Callable
from pathlib import Path

from processes import BenchError, Processors, Server, run_load
from rt import parse
from rt_contest import output_of, program_of
from tables import Bar, Outcome, Table, number

CONNECTIONS = [10, 100, 1_000, 10_000, 20_000]
CPU_BAR = 1.05  # processor time per request, of the bare loop's
YIELDING = [10, 1_000, 100_000, 1_000_000]
PARKED = [1_000, 100_000, 1_000_000]  # fewer do not fill the pages that resident memory is counted in
BYTES_BAR = 1.0  # of Tokio's

Pair = tuple[float, float]  # eddy's figure, and the other's of the same round


def run(options) -> Outcome:
    outcome = Outcome()
    scale_connections(options, outcome)
    scale_tasks(options, outcome)
    return outcome


def measure(outcome: Outcome, rounds: int, row: str, ours: Callable[[], float],
            theirs: Callable[[], float]) -> list[Pair]:
    """The rounds in which both gave a figure; who begins changes with each."""
    found = []
    for index in range(rounds):
        print(f"scale: {row} round {index + 1}/{rounds}", file=sys.stderr, flush=True)
        try:
            if index % 2:
                other = theirs()
                found.append((ours(), other))
            else:
                found.append((ours(), theirs()))
        except (BenchError, OSError) as error:
            outcome.errors.append(f"scale, {row}: {error}")
            break
    outcome.data[row] = found
    return found


def add_row(outcome: Outcome, table: Table, row: str, rounds: list[Pair], bar: float = 0) -> None:
    if not rounds:
        return
    ratios = [ours / theirs for ours, theirs in rounds]
    ratio = statistics.median(ratios)
    table.rows.append([row, *(number(statistics.median(side)) for side in zip(*rounds)), f"{ratio:.3f}",
                       f"{min(ratios):.2f}-{max(ratios):.2f}"])
    if bar:
        outcome.bars.append(Bar(f"scale, {row} {table.header[0]}: {table.header[1]}/{table.header[2]}", ratio, bar))


# ---- Connections ----


def scale_connections(options, outcome: Outcome) -> None:
    programs = options.build / "bench"
    ours, bare, load = (programs / name for name in ("bench_echo_eddy", "bench_bare_epoll", "bench_load"))
    if absent := [program.name for program in (ours, bare, load) if not program.exists()]:
        outcome.missing += absent
        return
    table = Table("scale: ns of the server's processor per request, 64 B, one request in flight on each connection",
                  ["connections", "eddy", "bare_epoll", "ratio", "spread"])
    for connections in numbers_of_connections():
        row = f"{connections:,}"
        rounds = measure(outcome, options.rounds, f"{row} connections", lambda: ns_per_request(ours, load, connections),
                         lambda: ns_per_request(bare, load, connections))
        add_row(outcome, table, row, rounds, CPU_BAR)
    outcome.tables.append(table)


def numbers_of_connections() -> list[int]:
    """The last one as large as the limit of descriptors allows, less what else a process has open."""
    soft_and_hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    return list(dict.fromkeys(min(one, soft_and_hard[1] - 100) for one in CONNECTIONS))


def ns_per_request(program: Path, load: Path, connections: int) -> float:
    processors = Processors.pick()
    with Server([program, "--port", 0], processors.server) as server:
        figures = run_load(load, server, processors.load, "--connections", connections, "--size", 64, "--seconds", 0.5,
                           "--warmup", 0.3)
    return figures["server_cpu_ns"] / figures["requests"]


# ---- Tasks ----


def scale_tasks(options, outcome: Outcome) -> None:
    (ours, no_eddy), (tokio, no_tokio) = (program_of(name, options.build) for name in ("eddy", "tokio"))
    outcome.missing += [f"{name}: {why}" for name, why in (("eddy", no_eddy), ("tokio", no_tokio)) if why]
    if no_eddy or no_tokio:
        return
    yields = Table("scale: ns per yield, one thread", ["tasks", "eddy", "tokio", "ratio", "spread"])
    parked = Table("scale: bytes of memory per waiting task, one thread",
                   ["waiting tasks", "eddy", "tokio", "ratio", "spread"])
    for table, metric, counts, bar in ((yields, "scale_yield", YIELDING, 0),
                                       (parked, "scale_parked", PARKED, BYTES_BAR)):
        for tasks in counts:
            case = f"{metric}_{tasks}/ct"
            rounds = measure(outcome, options.rounds, case, lambda: figure(ours, case), lambda: figure(tokio, case))
            add_row(outcome, table, f"{tasks:,}", rounds, bar)
        outcome.tables.append(table)


def figure(program: Path, case: str) -> float:
    return parse(output_of([program, case]), {})[case]
