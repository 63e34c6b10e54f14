# SPDX-License-Identifier: MIT
"""Processor time per request, requests per second and latency of echo servers, as ratios to the bare epoll loop.

The machine changes its speed by 30 % for seconds at a time. Therefore each measurement is short: within a round,
which starts new server processes, the servers take turns in slices of a quarter of a second. Each turn begins with
another server, and a ratio is taken within one slice only. While a server is not measured it has no clients and is
blocked in its event loop.

Figures are disturbed if another process used the processor of the server, or of the bare loop that it is compared
with. Disturbed figures do not count, and the slice is repeated.
"""

import statistics
import time
from contextlib import ExitStack

from net_rounds import Rounds, Slice
from net_servers import C100, OURS, REFERENCE, Case, BenchServer, NetRun
from processes import BenchError, Server, progress, rotated, waited_ns
from tables import Table, number, spread


def run(net_run: NetRun, cases: list[Case]) -> dict[str, Rounds]:
    """The rounds of each case, by the name of the case."""
    results = {case.name: Rounds(case) for case in net_run.cases(cases)}
    for index in range(net_run.options.rounds):
        for rounds in results.values():
            progress(net_run.group, f"{rounds.case.title} round {index + 1}/{net_run.options.rounds}")
            more = net_run.attempt(rounds.case.title, lambda: rate_of(rounds.case, results))
            rounds.slices.append(run_round(net_run, rounds, index, more) if more is not None else [])
    for rounds in results.values():
        net_run.outcome.data.setdefault("slices", {})[rounds.case.title] = rounds.slices
        net_run.outcome.tables.append(tabulate(net_run, rounds))
    return results


def rate_of(case: Case, results: dict[str, Rounds]) -> tuple:
    """The arguments of bench_load that set the rate of LOAD80. The rate is computed from the slowest server's ratio
    in C100 and from the rate of the bare loop in C100 of this round, which has just been measured."""
    if not case.is_open:
        return ()
    rounds = results[C100.name]
    now = [one[REFERENCE]["requests_per_s"] for one in rounds.slices[-1] if REFERENCE in one]
    if not now:
        raise BenchError(f"the rate is unknown, because {C100.name} has no figures")
    slowest = min(rounds.ratio(name, "requests_per_s") for name in rounds.names())
    return "--rate", round(0.8 * slowest * statistics.median(now))


# ---- Slices ----


def run_round(net_run: NetRun, rounds: Rounds, index: int, more: tuple) -> list[Slice]:
    slices: list[Slice] = []
    wanted = {one.name: slices_of(net_run, one.name, index) for one in net_run.servers}
    with ExitStack() as cleanup:
        servers = start_servers(net_run, rounds.case, [one for one in net_run.servers if wanted[one.name]], cleanup)
        # The limit ends the round if the machine is too busy.
        while REFERENCE in servers and len(slices) < 2 * wanted[REFERENCE]:
            lacking = [name for name in servers if sum(rounds.quiet(one, name) for one in slices) < wanted[name]]
            if not lacking:
                break
            names = [name for name in servers if name in lacking or name == REFERENCE]
            slices.append(run_slice(net_run, rounds.case, servers, names, index + len(slices), more))
    return slices


def slices_of(net_run: NetRun, name: str, index: int) -> int:
    """The number of slices in this round. eddy and the bare loops get more, because most targets compare these."""
    if net_run.options.quick:
        return 1 if name in OURS or index % 2 == 0 else 0
    return 3 if name in OURS else 2


def start_servers(net_run: NetRun, case: Case, wanted: list[BenchServer], cleanup: ExitStack) -> dict[str, Server]:
    servers = {}
    for one in wanted:
        what = f"{case.title} {one.name}"
        if server := net_run.attempt(what, lambda: net_run.start(one, case.threads)):
            servers[one.name] = server
            cleanup.callback(net_run.attempt, what, server.stop)
    return servers


def run_slice(net_run: NetRun, case: Case, servers: dict[str, Server], names: list[str], turn: int,
              more: tuple) -> Slice:
    figures = {}
    for name in rotated(names, turn):
        if result := net_run.attempt(f"{case.title} {name}", lambda: measure(net_run, case, servers[name], more)):
            figures[name] = result
        else:
            del servers[name]  # one failure per round is enough; start_servers() has registered its stop()
    return figures


def measure(net_run: NetRun, case: Case, server: Server, more: tuple) -> dict:
    waited, start = waited_ns(server.pid), time.monotonic_ns()
    figures = net_run.run_load(server, case, *more)
    figures["waited"] = (waited_ns(server.pid) - waited) / (time.monotonic_ns() - start)
    figures["load_busy"] = figures["load_cpu_ns"] / 1e9 / figures["seconds"]
    figures["cpu_us_per_request"] = figures["server_cpu_ns"] / 1e3 / figures["requests"]
    server.settle()
    return figures


# ---- Tables ----


def tabulate(net_run: NetRun, rounds: Rounds) -> Table:
    case = rounds.case
    columns = storm_columns if case.is_storm else columns_of_requests
    table = Table(f"{net_run.group} {case.title}: {case.what}, {len(rounds.slices)} rounds", ["server"], name=case.title)
    for one in net_run.servers:
        if rounds.has(one.name):
            cells = columns(rounds, one.name)
            table.header = ["server", *cells]
            table.rows.append([one.name, *cells.values()])
    table.note = describe_quality(rounds)
    return table


def columns_of_requests(rounds: Rounds, name: str) -> dict[str, str]:
    # Microseconds per request are seconds per million requests. User and system time are sampled by the kernel.
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
        # In an open loop the load generator never sleeps.
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


def ratio_columns(rounds: Rounds, name: str, key: str, title: str, spread_title: str) -> dict[str, str]:
    return {title: f"{rounds.ratio(name, key):.3f}", spread_title: spread(rounds.ratios(name, key))}


def describe_quality(rounds: Rounds) -> str:
    quiet, there = rounds.count()
    sentences = ["Peers have fewer slices."]
    if not rounds.case.is_storm:
        sentences.append("User and system time are sampled by the kernel (/proc/PID/stat).")
        sentences.append(f"Noise: {rounds.noise:.1%} of processor time.")
    if quiet < there:
        sentences.append(f"Other processes on this machine disturbed {there - quiet} of {there} figures.")
    if not rounds.is_reliable:
        sentences.append("These are too many: the figures are unreliable.")
    if rounds.case.threads > 1:
        sentences.append("With more threads than processors, disturbed slices cannot be detected; no targets.")
    return " ".join(sentences)
