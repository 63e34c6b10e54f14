# SPDX-License-Identifier: MIT
"""System calls per request. The kernel counts them for bench_load during the measured interval. strace would change the
result: it slows the server down so much that the next request has always arrived, so the server never waits."""

from net_servers import AGAIN, ONE_THREAD, REFERENCE, Case, BenchServer, NetRun
from processes import progress
from tables import Table

COUNTED = ("C1", "C100", "C1000", "BIG", "CHURN")


def count(net_run: NetRun) -> dict[str, dict[str, float]]:
    """The system calls per request by case and server. In CHURN a request is a connection."""
    cases = [one for one in net_run.cases(ONE_THREAD) if one.name in COUNTED]
    if not cases:
        return {}
    counted = {case.name: {} for case in cases}
    for case in cases:
        for one in (one for one in net_run.servers if one.name != AGAIN):
            progress(net_run.group, f"system calls, {case.name} {one.name}")
            what = f"{case.name} system calls of {one.name}"
            calls = net_run.attempt(what, lambda: calls_per_request(net_run, one, case))
            if calls is not None:
                counted[case.name][one.name] = calls
            elif one.name == REFERENCE:
                return {}  # the kernel probably forbids counting, so the other servers would fail too
    net_run.outcome.data["calls"] = counted
    net_run.outcome.tables.append(tabulate(net_run, counted))
    return counted


def calls_per_request(net_run: NetRun, server: BenchServer, case: Case) -> float:
    with net_run.start(server) as running:
        figures = net_run.run_load(running, case, "--count-calls")
    return figures["server_calls"] / figures["requests"]


def tabulate(net_run: NetRun, counted: dict[str, dict[str, float]]) -> Table:
    table = Table(f"{net_run.group}: system calls per request", ["server", *counted], name="calls")
    for one in net_run.servers:
        if any(one.name in calls for calls in counted.values()):
            cells = [f"{calls[one.name]:.3f}" if one.name in calls else "-" for calls in counted.values()]
            table.rows.append([one.name, *cells])
    table.note = "CHURN: per connection." if "CHURN" in counted else ""
    return table
