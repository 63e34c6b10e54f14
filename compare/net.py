# SPDX-License-Identifier: MIT
"""The group `net`: echo servers of eddy and of other runtimes, against bare loops without a runtime.

With one thread, the server and the load generator are pinned to one processor each. The group then runs once more
with two threads and without pinning. The bare epoll loop takes part twice; the difference between its two results is
the noise of the measurement. eddy takes part twice, once with each driver.

    net_servers.py  the servers and the cases
    net_timing.py   processor time, request rate and latency; net_rounds.py evaluates them
    net_calls.py    system calls per request
    net_idle.py     memory of idle connections
    net_targets.py  the targets of eddy
"""


import net_calls
import net_idle
import net_targets
import net_timing
from net_servers import (C100, IDLE, LOAD80, NAMES, ONE_THREAD, REFERENCE, TWO_THREADS, NetRun, find_servers,
                         wanted_cases)
from processes import ONE_PROCESSOR
from tables import Outcome


LEGEND = ("CPU s/M: seconds of the server's processor time per million requests. ratio: CPU s/M divided by that of "
          "bare_epoll in the same slice (a quarter of a second of load), median over the rounds; it is therefore not "
          "the quotient of the columns. Below 1 is better, except for rates. load busy: the share of its processor "
          "that the load generator used; near 100 % the load generator is the limit. disturbed: the server or "
          "bare_epoll waited for its processor during more than 5 % of a slice; figures of disturbed slices count "
          "only if there are no others. target: the limit for eddy's figure; missed: eddy does not meet it.")


def run(options) -> Outcome:
    outcome = Outcome(legend=LEGEND)
    load = options.build / "bench" / "bench_load"
    cases = with_required(wanted_cases("net", NAMES, options.only))
    net_run = NetRun(options, load, find_servers(options, outcome), outcome, cases)
    if not load.exists():
        outcome.absent.append(f"{load.name} is not built")
    if not load.exists() or not net_run.has(REFERENCE):
        return outcome
    if not net_run.processors.apart:
        outcome.errors.append(ONE_PROCESSOR)

    results = net_timing.run(net_run, ONE_THREAD)
    calls = net_calls.count(net_run)
    idle = net_idle.measure(net_run) if IDLE in net_run.wanted else {}
    net_timing.run(net_run, TWO_THREADS)
    outcome.targets += net_targets.judge(results, calls, idle)
    return outcome


def with_required(names: list[str]) -> list[str]:
    """Adds the case C100 to LOAD80, which uses its rate."""
    return names + [C100.name] * (LOAD80.name in names and C100.name not in names)
