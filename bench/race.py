# SPDX-License-Identifier: MIT
"""Processor time per request, requests per second and latency, as ratios to the bare loop.

The machine changes its speed by 30 %, for seconds at a time. So nothing is measured for long: within a round (fresh
server processes) the contestants take turns in slices of a quarter of a second, each time beginning with another
one, and a ratio is taken between neighbours only. The servers whose turn it is not are blocked in their event loops,
and their clients are gone.

A slice in which something else took the processor from a server does not count, and another one is made for it.
"""

import statistics
from contextlib import ExitStack

from contest import AGAIN, CASES, FIRST, Case, Contest, Contestant, progress
from processes import Server, waited_ns
from tables import Bar, Table, number

SLICE_SECONDS = 0.25
SLICE_WARMUP = 0.1
SLICES_PER_ROUND = 8  # 2 s for each contestant
SLICES_PER_QUICK_ROUND = 3

# A server alone on its processor waits for it about 2 % of the time, which includes starting and connecting.
DISTURBED = 0.05

Slice = dict[str, dict]  # the figures of bench_load by contestant


def race(contest: Contest) -> None:
    rounds = {case.name: [] for case in CASES}  # a round is a list of slices
    for index in range(contest.options.rounds):
        for case in CASES:
            progress(f"{case.name} round {index + 1}/{contest.options.rounds}")
            rounds[case.name].append(run_round(contest, case, index))
    contest.outcome.data["race"] = rounds
    for case in CASES:
        contest.outcome.tables.append(tabulate(contest, case, rounds[case.name]))


def run_round(contest: Contest, case: Case, index: int) -> list[Slice]:
    slices: list[Slice] = []
    wanted = slices_per_round(contest)
    with ExitStack() as cleanup:
        servers = start_servers(contest, case, cleanup)
        while sum(map(undisturbed, slices)) < wanted and len(slices) < 2 * wanted:
            slices.append(run_slice(contest, case, servers, index + len(slices)))
    return slices


def slices_per_round(contest: Contest) -> int:
    return SLICES_PER_QUICK_ROUND if contest.options.quick else SLICES_PER_ROUND


def start_servers(contest: Contest, case: Case, cleanup: ExitStack) -> dict[str, Server]:
    servers = {}
    for one in contest.contestants:
        if server := contest.attempt(f"{case.name} {one.name}", lambda: contest.server(one)):
            servers[one.name] = server
            cleanup.callback(contest.attempt, f"{case.name} {one.name}", server.stop)
    return servers


def run_slice(contest: Contest, case: Case, servers: dict[str, Server], turn: int) -> Slice:
    figures = {}
    names = list(servers)
    start = turn % max(1, len(names))
    for name in names[start:] + names[:start]:
        result = contest.attempt(f"{case.name} {name}", lambda: measure(contest, case, servers[name]))
        if result:
            figures[name] = result
        else:
            del servers[name]  # once a round is enough; start_servers() has seen to its end
    return figures


def measure(contest: Contest, case: Case, server: Server) -> dict:
    waited = waited_ns(server.pid)
    figures = contest.run_load(server, *case.arguments, "--seconds", SLICE_SECONDS, "--warmup", SLICE_WARMUP)
    figures["waited"] = (waited_ns(server.pid) - waited) / 1e9 / (SLICE_SECONDS + SLICE_WARMUP)
    figures["cpu_ns_per_request"] = figures["server_cpu_ns"] / figures["requests"]
    return figures


def undisturbed(figures: Slice) -> bool:
    return all(one["waited"] <= DISTURBED for one in figures.values())


# ---- From slices to tables ----


def tabulate(contest: Contest, case: Case, rounds: list[list[Slice]]) -> Table:
    plural = "s" * (case.connections != 1)
    table = Table(f"echo {case.name}: {case.connections:,} connection{plural}, {case.size:,} B, {len(rounds)} rounds",
                  ["server", "CPU ns/request", "ratio", "spread", "requests/s", "p50 us", "p99 us", "p99.9 us",
                   "p99 ratio", "spread"])
    quiet = [[one for one in slices if undisturbed(one)] for slices in rounds]
    usable = quiet if any(quiet) else rounds
    for contestant in contest.contestants:
        if row := tabulate_one(contest, case, usable, contestant):
            table.rows.append(row)
    table.note = describe_quality(usable, rounds, sum(map(len, quiet)), slices_per_round(contest) * len(rounds))
    return table


def describe_quality(usable: list[list[Slice]], rounds: list[list[Slice]], quiet: int, wanted: int) -> str:
    sentences = []
    if noise := round_ratios(usable, AGAIN, "cpu_ns_per_request"):
        sentences.append(f"Noise: {abs(statistics.median(noise) - 1):.1%} of processor time.")
    if disturbed := sum(map(len, rounds)) - quiet:
        sentences.append(f"Other work on this machine disturbed {disturbed} slices; {quiet} of {wanted} were quiet.")
    if quiet < wanted / 2:
        sentences.append("That is too few: do not rely on these figures.")
    return " ".join(sentences)


def tabulate_one(contest: Contest, case: Case, rounds: list[list[Slice]], one: Contestant) -> list[str] | None:
    cpu = round_ratios(rounds, one.name, "cpu_ns_per_request")
    p99 = round_ratios(rounds, one.name, "p99_us")
    if not cpu:
        return None
    cpu_ratio, p99_ratio = statistics.median(cpu), statistics.median(p99)
    if one.has_bars:
        contest.outcome.bars.append(Bar(f"{case.name} {one.name}: CPU per request, x bare", cpu_ratio, case.cpu_bar))
    if one.has_bars and case.p99_bar:
        contest.outcome.bars.append(Bar(f"{case.name} {one.name}: p99, x bare", p99_ratio, case.p99_bar))

    def typical(key: str) -> str:
        return number(statistics.median(each[one.name][key] for slices in rounds for each in slices
                                        if one.name in each))

    return [one.name, typical("cpu_ns_per_request"), f"{cpu_ratio:.3f}", spread(cpu), typical("requests_per_s"),
            typical("p50_us"), typical("p99_us"), typical("p999_us"), f"{p99_ratio:.2f}", spread(p99)]


def round_ratios(rounds: list[list[Slice]], name: str, key: str) -> list[float]:
    """For each round the median over its slices of the contestant's figure against the bare loop's."""
    ratios = [[one[name][key] / one[FIRST][key] for one in slices if name in one and FIRST in one]
              for slices in rounds]
    return [statistics.median(each) for each in ratios if each]


def spread(values: list[float]) -> str:
    return f"{min(values):.2f}-{max(values):.2f}"
