# SPDX-License-Identifier: MIT
"""The group `rt`: the cost of spawning, yielding, awaiting, timers and waking, compared with other runtimes and with
code without a runtime.

Each case runs in a new process in each round, so that heap and runtime are new. The machine changes its speed by 30 %
for seconds at a time. Therefore the programs take turns at each case, beginning with another one in each round, and a
ratio is taken within one turn only. eddy takes part twice; the difference between its two results is the noise of the
measurement.

    rt/protocol.hpp  the interface of the programs
    rt_programs.py   the programs and their cases
    rt_table.py      the table and the evaluation of the rounds
    rt_targets.py    the targets of eddy
"""

import re
import time

import rt_table
from processes import BenchError, progress, rotated
from rt_programs import RtRun, find_programs, output_of
from rt_table import Figures, Round
from tables import Outcome

# After this time a quick run starts no more cases.
QUICK_SECONDS = 150


LEGEND = ("ct: one thread; w2: two workers. raw: the same work without a runtime. eddy/tokio: median over the rounds. "
          "best: the peer with the largest ratio. target: the limit for eddy's ratio; missed: eddy does not meet it.")


def run(options) -> Outcome:
    outcome = Outcome(legend=LEGEND)
    rt_run = RtRun(find_programs(options, outcome), outcome)
    if not rt_run.cases(options.only):
        outcome.errors.append(f"no case has {options.only!r} in its name")
    rounds = run_quickly(rt_run, options) if options.quick else run_rounds(rt_run, options)
    outcome.data = {"units": rt_run.units, "rounds": rounds}
    rt_table.judge(rt_run, rounds, is_whole=not options.only)
    return outcome


def run_rounds(rt_run: RtRun, options) -> list[Round]:
    rounds = []
    for index in range(options.rounds):
        rounds.append(empty_round(rt_run))
        for case in rt_run.cases(options.only):
            run_case(rt_run, case, index, rounds[-1])
    return rounds


def run_quickly(rt_run: RtRun, options) -> list[Round]:
    """Runs one round of all cases, then further rounds of the shortest cases until the time is over."""
    start = time.monotonic()
    rounds = [empty_round(rt_run) for _ in range(options.rounds)]
    seconds = {}  # by case, for all programs together
    for case in rt_run.cases(options.only):
        before = time.monotonic()
        run_case(rt_run, case, 0, rounds[0])
        seconds[case] = time.monotonic() - before
    for index, into in enumerate(rounds[1:], 1):
        for case in sorted(seconds, key=seconds.get):
            if time.monotonic() - start + seconds[case] < QUICK_SECONDS:
                run_case(rt_run, case, index, into)
    return rounds


def empty_round(rt_run: RtRun) -> Round:
    return {one.name: {} for one in rt_run.programs}


def run_case(rt_run: RtRun, case: str, turn: int, into: Round) -> None:
    progress("rt", f"{case}, round {turn + 1}")
    for one in rotated([one for one in rt_run.programs if case in one.cases], turn):
        try:
            into[one.name] |= parse(output_of([one.path, case]), rt_run.units)
        except (BenchError, OSError) as error:
            rt_run.outcome.errors.append(f"{case} {one.name}, round {turn + 1}: {error}")


def parse(output: str, units: dict[str, str]) -> Figures:
    """Reads the lines `metric/flavour,unit,value`. Other lines are ignored."""
    found = re.findall(r"^([a-z0-9_]+/[a-z0-9]+),(\w+),([0-9.]+)$", output, re.MULTILINE)
    for metric, unit, _ in found:
        units.setdefault(metric, unit)
    return {metric: float(value) for metric, _, value in found}
