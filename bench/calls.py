# SPDX-License-Identifier: MIT
"""System calls per request. bench_load lets the kernel count them, between the edges of the measured interval: strace
slows a server down so much that it finds its next request each time before it has to wait, and so never waits."""

from contest import AGAIN, FIRST, ONE_THREAD, Case, Contest, Contestant, progress
from tables import Table

COUNTED = ("C1", "C100", "C1000", "BIG", "CHURN")


def count(contest: Contest) -> dict[str, dict[str, float]]:
    """The system calls per request by case and contestant. In CHURN a request is a connection."""
    cases = [one for one in contest.cases(ONE_THREAD) if one.name in COUNTED]
    if not cases:
        return {}
    counted = {case.name: {} for case in cases}
    for case in cases:
        for one in (one for one in contest.contestants if one.name != AGAIN):
            progress(f"system calls, {case.name} {one.name}")
            what = f"{case.name} system calls of {one.name}"
            calls = contest.attempt(what, lambda: calls_per_request(contest, one, case))
            if calls is not None:
                counted[case.name][one.name] = calls
            elif one.name == FIRST:
                return {}  # most likely the kernel does not let us count, and need not be asked again for each
    contest.outcome.data["calls"] = counted
    contest.outcome.tables.append(tabulate(contest, counted))
    return counted


def calls_per_request(contest: Contest, contestant: Contestant, case: Case) -> float:
    with contest.server(contestant) as server:
        figures = contest.run_load(server, case, "--count-calls")
    return figures["server_calls"] / figures["requests"]


def tabulate(contest: Contest, counted: dict[str, dict[str, float]]) -> Table:
    table = Table("net: system calls per request", ["server", *counted])
    for one in contest.contestants:
        if any(one.name in calls for calls in counted.values()):
            cells = [f"{calls[one.name]:.3f}" if one.name in calls else "-" for calls in counted.values()]
            table.rows.append([one.name, *cells])
    table.note = "CHURN: per connection." if "CHURN" in counted else ""
    return table
