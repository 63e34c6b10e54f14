# SPDX-License-Identifier: MIT
"""Processor time per request, requests per second and latency, as ratios to the bare loop.

The machine changes its speed by 30 %, for seconds at a time. So nothing is measured for long: within a round (fresh
server processes) the contestants take turns in slices of a quarter of a second, each time beginning with another
one, and a ratio is taken between neighbours only. The servers whose turn it is not are blocked in their event loops,
and their clients are gone.

Figures of a slice in which something else took the processor from a server, or from the bare loop that it is compared
with, do not count, and another slice is made for them.
"""

import statistics
import time
from contextlib import ExitStack

from contest import C100, FIRST, OURS, Case, Contest, Contestant, progress
from processes import BenchError, Server, waited_ns
from rounds import Rounds, Slice
from tables import Table, number


def run(contest: Contest, cases: list[Case]) -> dict[str, Rounds]:
    """By the names of the cases."""
    results = {case.name: Rounds(case) for case in contest.cases(cases)}
    for index in range(contest.options.rounds):
        for rounds in results.values():
            progress(f"{rounds.case.title} round {index + 1}/{contest.options.rounds}")
            more = contest.attempt(rounds.case.title, lambda: rate_of(rounds.case, results))
            rounds.slices.append(run_round(contest, rounds, index, more) if more is not None else [])
    for rounds in results.values():
        contest.outcome.data.setdefault("race", {})[rounds.case.title] = rounds.slices
        contest.outcome.tables.append(tabulate(contest, rounds))
    return results


def rate_of(case: Case, results: dict[str, Rounds]) -> tuple:
    """What LOAD80 asks for: how much slower than the bare loop the slowest is in C100, and how fast the bare loop was in
    this round, moments before."""
    if not case.is_open:
        return ()
    rounds = results[C100.name]
    now = [one[FIRST]["requests_per_s"] for one in rounds.slices[-1] if FIRST in one]
    if not now:
        raise BenchError(f"no rate is known: {C100.name} gave no figures")
    slowest = min(rounds.ratio(name, "requests_per_s") for name in rounds.names())
    return "--rate", round(0.8 * slowest * statistics.median(now))


# ---- Slices ----


def run_round(contest: Contest, rounds: Rounds, index: int, more: tuple) -> list[Slice]:
    slices: list[Slice] = []
    wanted = {one.name: slices_of(contest, one.name, index) for one in contest.contestants}
    with ExitStack() as cleanup:
        servers = start_servers(contest, rounds.case, [one for one in contest.contestants if wanted[one.name]], cleanup)
        while FIRST in servers and len(slices) < 2 * wanted[FIRST]:  # or the machine is too busy
            lacking = [name for name in servers if sum(rounds.quiet(one, name) for one in slices) < wanted[name]]
            if not lacking:
                break
            names = [name for name in servers if name in lacking or name == FIRST]
            slices.append(run_slice(contest, rounds.case, servers, names, index + len(slices), more))
    return slices


def slices_of(contest: Contest, name: str, index: int) -> int:
    """In the round of this index. Between our own figures are most bars, and so they have more."""
    if contest.options.quick:
        return 1 if name in OURS or index % 2 == 0 else 0
    return 3 if name in OURS else 2


def start_servers(contest: Contest, case: Case, wanted: list[Contestant], cleanup: ExitStack) -> dict[str, Server]:
    servers = {}
    for one in wanted:
        what = f"{case.title} {one.name}"
        if server := contest.attempt(what, lambda: contest.server(one, case.threads)):
            servers[one.name] = server
            cleanup.callback(contest.attempt, what, server.stop)
    return servers


def run_slice(contest: Contest, case: Case, servers: dict[str, Server], names: list[str], turn: int,
              more: tuple) -> Slice:
    figures = {}
    start = turn % len(names)
    for name in names[start:] + names[:start]:
        if result := contest.attempt(f"{case.title} {name}", lambda: measure(contest, case, servers[name], more)):
            figures[name] = result
        else:
            del servers[name]  # once a round is enough; start_servers() has seen to its end
    return figures


def measure(contest: Contest, case: Case, server: Server, more: tuple) -> dict:
    waited, start = waited_ns(server.pid), time.monotonic_ns()
    figures = contest.run_load(server, case, *more)
    figures["waited"] = (waited_ns(server.pid) - waited) / (time.monotonic_ns() - start)
    figures["load_busy"] = figures["load_cpu_ns"] / 1e9 / figures["seconds"]
    figures["cpu_us_per_request"] = figures["server_cpu_ns"] / 1e3 / figures["requests"]
    server.settle()
    return figures


# ---- Tables ----


def tabulate(contest: Contest, rounds: Rounds) -> Table:
    case = rounds.case
    columns = storm_columns if case.is_storm else columns_of_requests
    table = Table(f"net {case.title}: {case.what}, {len(rounds.slices)} rounds", ["server"])
    for one in contest.contestants:
        if rounds.has(one.name):
            cells = columns(rounds, one.name)
            table.header = ["server", *cells]
            table.rows.append([one.name, *cells.values()])
    table.note = describe_quality(rounds)
    return table


def columns_of_requests(rounds: Rounds, name: str) -> dict[str, str]:
    # Microseconds a request are seconds for a million of them. The kernel only samples where the time was spent.
    cpu = rounds.typical(name, "cpu_us_per_request")
    ticks = {key: sum(rounds.values(name, f"server_{key}_ticks")) for key in ("user", "system")}
    user = cpu * ticks["user"] / max(1, sum(ticks.values()))
    return {
        "CPU s/M": number(cpu),
        "user": number(user),
        "system": number(cpu - user),
        **ratio_columns(rounds, name, "cpu_us_per_request", "ratio", "spread"),
        "requests/s": number(rounds.typical(name, "requests_per_s")),
        "rate ratio": f"{rounds.ratio(name, 'requests_per_s'):.2f}",
        "p50 us": number(rounds.typical(name, "p50_us")),
        "p99": number(rounds.typical(name, "p99_us")),
        "p99.9": number(rounds.typical(name, "p999_us")),
        **ratio_columns(rounds, name, "p99_us", "p99 ratio", "p99 spread"),
        "p99.9 ratio": f"{rounds.ratio(name, 'p999_us'):.2f}",
        # It does not sleep in an open loop.
        "load busy": "" if rounds.case.is_open else f"{rounds.typical(name, 'load_busy'):.0%}",
    }


def storm_columns(rounds: Rounds, name: str) -> dict[str, str]:
    return {
        "p50 ms": number(rounds.typical(name, "p50_us") / 1e3),
        "p99": number(rounds.typical(name, "p99_us") / 1e3),
        "max": number(rounds.typical(name, "max_us") / 1e3),
        **ratio_columns(rounds, name, "p99_us", "p99 ratio", "p99 spread"),
        **ratio_columns(rounds, name, "max_us", "max ratio", "max spread"),
    }


def ratio_columns(rounds: Rounds, name: str, key: str, title: str, spread: str) -> dict[str, str]:
    ratios = rounds.ratios(name, key)
    return {title: f"{rounds.ratio(name, key):.3f}", spread: f"{min(ratios):.2f}-{max(ratios):.2f}"}


def describe_quality(rounds: Rounds) -> str:
    quiet, there = rounds.count()
    sentences = ["Of peers there are fewer slices."]
    if not rounds.case.is_storm:
        sentences.append("User and system are as /proc/PID/stat samples them.")
        sentences.append(f"Noise: {rounds.noise:.1%} of processor time.")
    if quiet < there:
        sentences.append(f"Other work on this machine disturbed {there - quiet} of {there} figures.")
    if not rounds.is_reliable:
        sentences.append("That is too much: do not rely on them.")
    if rounds.case.threads > 1:
        sentences.append("With more threads than processors nobody can say what was disturbed, and nothing is judged.")
    return " ".join(sentences)
