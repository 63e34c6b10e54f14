# SPDX-License-Identifier: MIT
"""The group `rt`: what spawning, yielding, awaiting, timers and waking cost, against other runtimes and doing it by hand.

Each case is a new process in each round, so that heap and runtime are always fresh. Within a round the contestants take
turns at a case, each time beginning with another one, and a ratio is taken between neighbours only: the machine changes
its speed by 30 %, for seconds at a time. eddy takes part twice: what its second run shows against its first is the noise
of the measurement. What the contestants have to do is in rt/protocol.hpp, who they are in rt_contest.py; what eddy is
held against is in rt_bars.py, and what the rounds say in rt_table.py.
"""

import re
import sys
import time

import rt_table
from processes import BenchError
from rt_contest import Contest, find_contestants, output_of
from rt_table import Figures, Round
from tables import Outcome

# When a quick run begins no more of further rounds.
QUICK_SECONDS = 150


LEGEND = ("ct: one thread; w2: two workers. raw: the same by hand, without a runtime. eddy/tokio: the median over the rounds. "
          "best: the peer that eddy looks worst beside. bar: what eddy is held against; short: it is not met.")


def run(options) -> Outcome:
    outcome = Outcome(legend=LEGEND)
    contest = Contest(find_contestants(options, outcome), outcome)
    if not contest.cases(options.only):
        outcome.errors.append(f"no case has {options.only!r} in its name")
    rounds = run_quickly(contest, options) if options.quick else run_rounds(contest, options)
    outcome.data = {"units": contest.units, "rounds": rounds}
    rt_table.judge(contest, rounds, is_whole=not options.only)
    return outcome


def run_rounds(contest: Contest, options) -> list[Round]:
    rounds = []
    for index in range(options.rounds):
        rounds.append(empty_round(contest))
        for case in contest.cases(options.only):
            run_case(contest, case, index, rounds[-1])
    return rounds


def run_quickly(contest: Contest, options) -> list[Round]:
    """One round of everything; of the others only the cases that the time suffices for, those first that take least."""
    start = time.monotonic()
    rounds = [empty_round(contest) for _ in range(options.rounds)]
    seconds = {}  # by case, for all contestants together
    for case in contest.cases(options.only):
        before = time.monotonic()
        run_case(contest, case, 0, rounds[0])
        seconds[case] = time.monotonic() - before
    for index, into in enumerate(rounds[1:], 1):
        for case in sorted(seconds, key=seconds.get):
            if time.monotonic() - start + seconds[case] < QUICK_SECONDS:
                run_case(contest, case, index, into)
    return rounds


def empty_round(contest: Contest) -> Round:
    return {one.name: {} for one in contest.contestants}


def run_case(contest: Contest, case: str, turn: int, into: Round) -> None:
    print(f"rt: {case}, round {turn + 1}", file=sys.stderr, flush=True)
    able = [one for one in contest.contestants if case in one.cases]
    start = turn % max(1, len(able))
    for one in able[start:] + able[:start]:
        try:
            into[one.name] |= parse(output_of([one.program, case]), contest.units)
        except (BenchError, OSError) as error:
            contest.outcome.errors.append(f"{case} {one.name}, round {turn + 1}: {error}")


def parse(output: str, units: dict[str, str]) -> Figures:
    """Lines `metric/flavour,unit,value`; all others are no business of ours."""
    found = re.findall(r"^([a-z0-9_]+/[a-z0-9]+),(\w+),([0-9.]+)$", output, re.MULTILINE)
    for metric, unit, _ in found:
        units.setdefault(metric, unit)
    return {metric: float(value) for metric, _, value in found}
