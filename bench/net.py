# SPDX-License-Identifier: MIT
"""The group `net`: eddy's echo server against other runtimes', and against bare loops without any runtime.

With one thread, server and load generator have a processor each; then once more with two threads, and nothing pinned.
The bare epoll loop takes part twice: what its second run shows against its first is the noise of the measurement. Times
are in race.py; what varies less has files of its own: system calls in calls.py, idle connections in idle.py. eddy takes
part twice, too, once on each driver: what it is held against is in net_bars.py for epoll, in uring_bars.py for io_uring.
"""

import sys

import calls
import idle
import net_bars
import race
import uring_bars
from contest import C100, FIRST, IDLE, LOAD80, NAMES, ONE_THREAD, TWO_THREADS, Contest, find_contestants
from tables import Outcome


LEGEND = ("CPU s/M: seconds of the server's processor for a million requests. ratio: that against bare_epoll in the same slice (a quarter of "
          "a second of load), the median over the rounds, so not the quotient of the columns; below 1 is better, of rates above. "
          "load busy: how much of its own processor the load generator used; near 100 % it is the limit. disturbed: the server, or "
          "bare_epoll, waited for its processor for more than 5 % of a slice, whose figures then do not count if there are others. "
          "bar: what eddy is held against; short: it is not met.")


def run(options) -> Outcome:
    outcome = Outcome(legend=LEGEND)
    load = options.build / "bench" / "bench_load"
    contest = Contest(options, load, find_contestants(options, outcome), outcome, wanted_cases(options.only))
    if not load.exists():
        outcome.missing.append(f"{load.name} is not built")
    if not load.exists() or not contest.has(FIRST):
        return outcome  # nothing to measure with, or to compare to
    if not contest.processors.apart:
        outcome.errors.append("only one processor: server and load disturb each other, so believe no figure")

    results = race.run(contest, ONE_THREAD)
    counted = calls.count(contest)
    connections = idle.measure(contest) if IDLE in contest.wanted else {}
    race.run(contest, TWO_THREADS)
    for bars in (net_bars, uring_bars):
        outcome.bars += bars.judge(results, counted, connections)
    return outcome


def wanted_cases(only: str) -> list[str]:
    names = only.split(",") if only else NAMES
    if unknown := [name for name in names if name not in NAMES]:
        sys.exit(f"net: there is no case {unknown[0]}, but: {', '.join(NAMES)}")
    return names + [C100.name] * (LOAD80.name in names and C100.name not in names)  # whose rate it goes by
