# SPDX-License-Identifier: MIT
"""The group `echo`: eddy's echo server on one event loop, against a bare epoll loop (net/bare_epoll.cpp).

Server and load generator have a processor each. The bare loop takes part twice: what its second run shows against its
first is the noise of the measurement. Times are in race.py; here are the counts, which do not vary: system calls per
request, and what an idle connection costs.
"""

import time
from pathlib import Path

from contest import AGAIN, CASES, FIRST, Case, Contest, Contestant, progress
from processes import can_count_calls, context_switches, counted_calls, cpu_ns, resident_bytes
from race import race
from tables import Bar, Outcome, Table, number

IDLE_CONNECTIONS = 10_000
IDLE_SECONDS = 2
IDLE_BYTES_BAR = 600
IDLE_CPU_MS_BAR = 0


def run(options) -> Outcome:
    outcome = Outcome()
    programs = options.build / "bench"
    load = programs / "bench_load"
    contestants = find_contestants(programs, outcome)
    if not load.exists():
        outcome.missing.append(load.name)
    if not load.exists() or FIRST not in {one.name for one in contestants}:
        return outcome  # nothing to measure with, or to compare to

    contest = Contest(options, load, contestants, outcome)
    if not contest.processors.apart:
        outcome.errors.append("only one processor: server and load disturb each other, so believe no figure")
    race(contest)
    count_calls(contest)
    measure_idle(contest, find_example(options.build))
    return outcome


def find_contestants(programs: Path, outcome: Outcome) -> list[Contestant]:
    wanted = [Contestant(FIRST, (programs / "bench_bare_epoll", "--port", 0)),
              Contestant(AGAIN, (programs / "bench_bare_epoll", "--port", 0)),
              Contestant("core", (programs / "bench_echo_eddy", "--port", 0))]
    there = [one for one in wanted if one.command[0].exists()]
    outcome.missing += sorted({one.command[0].name for one in wanted if one not in there})
    return there


def find_example(build: Path) -> list[Contestant]:
    """The server that users are shown; it takes part in the idle case only."""
    program = build / "examples" / "tcp_echo"
    return [Contestant("tcp_echo", (program, "127.0.0.1:0"))] if program.exists() else []


# ---- System calls ----


def count_calls(contest: Contest) -> None:
    if not can_count_calls():
        contest.outcome.missing.append("perf, or its right to the kernel's tracepoints (system calls are not counted)")
        return
    table = Table("echo: system calls per request", ["server", "case", "calls", "of these"])
    data = contest.outcome.data["calls"] = {}
    for case in (one for one in CASES if one.calls_bar):
        for one in (one for one in contest.contestants if one.name != AGAIN):
            what = f"{case.name} system calls of {one.name}"
            progress(what)
            if calls := contest.attempt(what, lambda: calls_per_request(contest, one, case)):
                data[f"{case.name} {one.name}"] = calls
                table.rows.append(calls_row(contest, case, one, calls))
    contest.outcome.tables.append(table)


def calls_per_request(contest: Contest, contestant: Contestant, case: Case) -> dict[str, float]:
    """Two runs that differ only in the number of requests: start-up and connecting cancel out."""
    # Enough for a second or so: in a shorter run the start, when clients come one by one, is a part of what is counted.
    fewer, more = (1_000, 5_000) if contest.options.quick else (2_000, 12_000)
    if case.connections > 1:
        fewer, more = 10 * fewer, 10 * more
    first = calls_of_run(contest, contestant, case, fewer)
    second = calls_of_run(contest, contestant, case, more)
    each = {name: (second.get(name, 0) - first.get(name, 0)) / (more - fewer) for name in {*first, *second}}
    return dict(sorted(each.items(), key=lambda item: (-round(item[1], 2), item[0])))


def calls_of_run(contest: Contest, contestant: Contestant, case: Case, requests: int) -> dict[str, int]:
    with contest.server(contestant) as server:
        return counted_calls(server, lambda: contest.run_load(server, *case.arguments, "--requests", requests))


def calls_row(contest: Contest, case: Case, contestant: Contestant, calls: dict[str, float]) -> list[str]:
    total = sum(calls.values())
    if contestant.has_bars:
        contest.outcome.bars.append(Bar(f"{case.name} {contestant.name}: system calls per request", total,
                                        case.calls_bar))
    details = ", ".join(f"{name} {count:.2f}" for name, count in calls.items() if count >= 0.005)
    return [contestant.name, case.name, f"{total:.3f}", details]


# ---- Idle connections ----


def measure_idle(contest: Contest, examples: list[Contestant]) -> None:
    table = Table(f"echo IDLE: {IDLE_CONNECTIONS:,} connections that sent one request, then nothing for "
                  f"{IDLE_SECONDS} s", ["server", "bytes/connection", "CPU ms", "context switches"])
    if not examples:
        table.note = "examples/tcp_echo is not built, so it is not listed."
    data = contest.outcome.data["idle"] = {}
    for one in [one for one in contest.contestants if one.name != AGAIN] + examples:
        progress(f"IDLE {one.name}")
        if figures := contest.attempt(f"IDLE {one.name}", lambda: idle_figures(contest, one)):
            data[one.name] = figures
            table.rows.append(idle_row(contest, one, figures))
    contest.outcome.tables.append(table)


def idle_figures(contest: Contest, contestant: Contestant) -> dict:
    with contest.server(contestant) as server, contest.idle_clients(server, 1):
        # The one client before has brought in what the first connection costs: code pages, arenas, tables.
        before = resident_bytes(server.pid)
        with contest.idle_clients(server, IDLE_CONNECTIONS):
            time.sleep(0.2)  # the server may still be on its way back to sleep when the last answer arrives here
            after = resident_bytes(server.pid)
            cpu, switches = cpu_ns(server.pid), context_switches(server.pid)
            time.sleep(IDLE_SECONDS)
            return {"bytes": (after - before) / IDLE_CONNECTIONS,
                    "cpu_ms": (cpu_ns(server.pid) - cpu) / 1e6,
                    "switches": context_switches(server.pid) - switches}


def idle_row(contest: Contest, contestant: Contestant, figures: dict) -> list[str]:
    if contestant.has_bars:
        contest.outcome.bars += [
            Bar(f"IDLE {contestant.name}: bytes per connection", figures["bytes"], IDLE_BYTES_BAR),
            Bar(f"IDLE {contestant.name}: processor time", figures["cpu_ms"], IDLE_CPU_MS_BAR, " ms")]
    return [contestant.name, number(figures["bytes"]), f"{figures['cpu_ms']:.3f}", number(figures["switches"])]
