# SPDX-License-Identifier: MIT
"""The group `scale`: the cost of a request at growing numbers of connections, and of a task at growing numbers of
tasks.

Connections: eddy's echo server against the bare epoll loop. Tasks: eddy against Tokio, on one thread. The two
programs take turns, and a ratio is taken within a round only. Ideally, a column is constant from top to bottom. Where
it is not, the other program's column shows how much of the increase comes from the processor's caches.
"""

import resource
import statistics
from collections.abc import Callable
from pathlib import Path

from processes import BenchError, Processors, Server, progress, run_load
from rt import parse
from rt_programs import output_of, program_of
from tables import Outcome, Table, Target, number, spread

CONNECTIONS = [10, 100, 1_000, 10_000, 20_000]
CPU_TARGET = 1.05  # processor time per request, as a ratio to the bare loop
YIELDING = [10, 1_000, 100_000, 1_000_000]
PARKED = [1_000, 100_000, 1_000_000]  # with fewer tasks, the page size would distort the resident memory
BYTES_TARGET = 1.0  # as a ratio to Tokio

Pair = tuple[float, float]  # the figures of eddy and of the other program in the same round


def run(options) -> Outcome:
    outcome = Outcome()
    scale_connections(options, outcome)
    scale_tasks(options, outcome)
    return outcome


def measure(outcome: Outcome, rounds: int, row: str, ours: Callable[[], float],
            theirs: Callable[[], float]) -> list[Pair]:
    """The figures of the rounds. The program that runs first changes with each round."""
    found = []
    for index in range(rounds):
        progress("scale", f"{row} round {index + 1}/{rounds}")
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


def add_row(outcome: Outcome, table: Table, row: str, rounds: list[Pair], limit: float = 0) -> None:
    if not rounds:
        return
    ratios = [ours / theirs for ours, theirs in rounds]
    ratio = statistics.median(ratios)
    medians = (number(statistics.median(side)) for side in zip(*rounds))
    table.rows.append([row, *medians, f"{ratio:.3f}", spread(ratios)])
    if limit:
        what = f"scale, {row} {table.header[0]}: {table.header[1]}/{table.header[2]}"
        outcome.targets.append(Target(what, ratio, limit))


# ---- Connections ----


def scale_connections(options, outcome: Outcome) -> None:
    programs = options.build / "bench"
    ours, bare, load = (programs / name for name in ("bench_echo_eddy", "bench_bare_epoll", "bench_load"))
    if absent := [program.name for program in (ours, bare, load) if not program.exists()]:
        outcome.absent += [f"{name} is not built" for name in absent]
        return
    table = Table("scale: ns of the server's processor time per request, 64 B, one request in flight per connection",
                  ["connections", "eddy", "bare_epoll", "ratio", "spread"], name="connections")
    for connections in numbers_of_connections():
        row = f"{connections:,}"
        rounds = measure(outcome, options.rounds, f"{row} connections", lambda: ns_per_request(ours, load, connections),
                         lambda: ns_per_request(bare, load, connections))
        add_row(outcome, table, row, rounds, CPU_TARGET)
    outcome.tables.append(table)


def numbers_of_connections() -> list[int]:
    """The numbers of connections. The limit of open descriptors, minus 100, caps the largest."""
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
    outcome.absent += [f"{name}: {why}" for name, why in (("eddy", no_eddy), ("tokio", no_tokio)) if why]
    if no_eddy or no_tokio:
        return
    yields = Table("scale: ns per yield, one thread", ["tasks", "eddy", "tokio", "ratio", "spread"], name="yields")
    parked = Table("scale: bytes of memory per waiting task, one thread",
                   ["waiting tasks", "eddy", "tokio", "ratio", "spread"], name="waiting tasks")
    for table, metric, counts, limit in ((yields, "scale_yield", YIELDING, 0),
                                       (parked, "scale_parked", PARKED, BYTES_TARGET)):
        for tasks in counts:
            case = f"{metric}_{tasks}/ct"
            rounds = measure(outcome, options.rounds, case, lambda: figure(ours, case), lambda: figure(tokio, case))
            add_row(outcome, table, f"{tasks:,}", rounds, limit)
        outcome.tables.append(table)


def figure(program: Path, case: str) -> float:
    return parse(output_of([program, case]), {})[case]
