# SPDX-License-Identifier: MIT
"""The group `rt`: what spawning, yielding, awaiting, timers and waking cost, against Tokio and against doing it by hand.

Each case is a new process in each round, so that heap and runtime are always fresh. Within a round the contestants take
turns at a case, each time beginning with another one, and a ratio is taken between neighbours only: the machine changes
its speed by 30 %, for seconds at a time. eddy takes part twice: what its second run shows against its first is the noise
of the measurement. What the contestants have to do is in rt/protocol.hpp; what eddy is held against, in rt_bars.py.
"""

import re
import statistics
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

import peers
from processes import BenchError
from rt_bars import ABSOLUTE, AGAINST, BARS
from tables import Bar, Outcome, Table, number

FIRST = "eddy"
AGAIN = "eddy again"
PEER = "tokio"
LIMIT = "raw"

SECONDS_PER_CASE = 90  # a case is to take 60 at most; another process may hold it up

Figures = dict[str, float]  # by `metric/flavour`
Round = dict[str, Figures]  # by contestant


@dataclass
class Contestant:
    name: str
    program: Path | None
    why_not: str = ""  # the program is not there
    cases: list[str] = field(default_factory=list)


@dataclass
class Contest:
    contestants: list[Contestant]
    outcome: Outcome
    units: dict[str, str] = field(default_factory=dict)  # by `metric/flavour`, in the order of the table

    def has(self, name: str) -> bool:
        return any(one.name == name and one.cases for one in self.contestants)


def run(options) -> Outcome:
    outcome = Outcome()
    contest = Contest(find_contestants(options, outcome), outcome)
    rounds: list[Round] = []
    cases = all_cases(contest, options.only)
    for index in range(options.rounds):
        rounds.append({one.name: {} for one in contest.contestants})
        for case in cases:
            print(f"rt: {case} round {index + 1}/{options.rounds}", file=sys.stderr, flush=True)
            run_case(contest, case, index, rounds[-1])
    outcome.data = {"units": contest.units, "rounds": rounds}
    outcome.tables.append(tabulate(contest, rounds))
    if contest.has(FIRST) and not options.only:
        outcome.errors += missing_metrics(rounds)
    return outcome


# ---- Who takes part, and in what ----


def find_contestants(options, outcome: Outcome) -> list[Contestant]:
    tokio, why_not = peers.build_tokio(options.build.parent, "tokio_rt")
    programs = options.build / "bench"
    wanted = [Contestant(FIRST, programs / "eddy_rt"), Contestant(AGAIN, programs / "eddy_rt"),
              Contestant(PEER, tokio, why_not), Contestant(LIMIT, programs / "raw_rt")]
    for one in wanted:
        if one.program and not one.program.exists():
            one.program, one.why_not = None, "not built"
        try:
            one.cases = list_cases(one.program) if one.program else []
        except (BenchError, OSError) as error:
            one.why_not = str(error)
        if one.why_not and one.name != AGAIN:
            outcome.missing.append(f"{one.name}: {one.why_not}")
    return wanted


def list_cases(program: Path) -> list[str]:
    return [case for case in output_of([program, "list"]).split() if not case.startswith("scale_")]  # scale.py has those


def all_cases(contest: Contest, only: str) -> list[str]:
    """In the order of the first one that has them; `only` is a part of the name."""
    cases = dict.fromkeys(case for one in contest.contestants for case in one.cases)
    wanted = [case for case in cases if only in case]
    # A scope is compared with what the peer does for the same tree.
    peers_of_wanted = {AGAINST[case] for case in wanted if case in AGAINST}
    return [case for case in cases if case in wanted or case in peers_of_wanted]


# ---- Running ----


def run_case(contest: Contest, case: str, turn: int, into: Round) -> None:
    able = [one for one in contest.contestants if case in one.cases]
    start = turn % max(1, len(able))
    for one in able[start:] + able[:start]:
        try:
            into[one.name] |= parse(output_of([one.program, case]), contest.units)
        except (BenchError, OSError) as error:
            contest.outcome.errors.append(f"{case} {one.name}, round {turn + 1}: {error}")


def output_of(command: list) -> str:
    name = Path(command[0]).name
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS_PER_CASE, check=False)
    except subprocess.TimeoutExpired:
        raise BenchError(f"{name} took longer than {SECONDS_PER_CASE} s") from None
    if done.returncode != 0:
        complaint = done.stderr.strip().splitlines()
        raise BenchError(f"{name} ended with status {done.returncode}" + (f": {complaint[0]}" if complaint else ""))
    return done.stdout


def parse(output: str, units: dict[str, str]) -> Figures:
    """Lines `metric/flavour,unit,value`; all others are no business of ours."""
    found = re.findall(r"^([a-z0-9_]+/[a-z0-9]+),(\w+),([0-9.]+)$", output, re.MULTILINE)
    for metric, unit, _ in found:
        units.setdefault(metric, unit)
    return {metric: float(value) for metric, _, value in found}


# ---- From rounds to the table ----


def tabulate(contest: Contest, rounds: list[Round]) -> Table:
    names = [one.name for one in contest.contestants]
    table = Table(f"rt: {len(rounds)} rounds, a process each",
                  ["case", "unit", *names, f"{FIRST}/{PEER}", "spread", "bar", ""])
    for metric, unit in contest.units.items():
        values = [typical(rounds, name, metric) for name in names]
        ratios = ratios_to_peer(rounds, metric)
        table.rows.append([metric, unit, *map(cell, values), *ratio_cells(ratios), *judge(contest, rounds, metric)])
    table.note = " ".join(describe_noise(contest, rounds) + describe_absence(contest))
    return table


def typical(rounds: list[Round], name: str, metric: str) -> float | None:
    values = [one[name][metric] for one in rounds if metric in one[name]]
    return statistics.median(values) if values else None


def ratios_to_peer(rounds: list[Round], metric: str) -> list[float]:
    other = AGAINST.get(metric, metric)
    return [ratio(one[FIRST][metric], one[PEER][other]) for one in rounds
            if metric in one[FIRST] and other in one[PEER]]


def ratio(value: float, to: float) -> float:
    if to == 0:
        return 1.0 if value == 0 else float("inf")
    return value / to


def judge(contest: Contest, rounds: list[Round], metric: str) -> list[str]:
    """The bar and whether it is met, for the table, and for the list of all bars."""
    if metric in ABSOLUTE:
        value, limit, what = typical(rounds, FIRST, metric), ABSOLUTE[metric], f"rt {metric}"
    elif metric in BARS:
        ratios = ratios_to_peer(rounds, metric)
        value, limit = statistics.median(ratios) if ratios else None, BARS[metric]
        what = f"rt {metric}, x {PEER}" + (f"'s {AGAINST[metric]}" if metric in AGAINST else "")
    else:
        return ["", ""]
    shown = f"{number(limit)} {contest.units[metric]}" if metric in ABSOLUTE else number(limit)
    if value is None:
        return [shown, "?"]
    bar = Bar(what, value, limit)
    contest.outcome.bars.append(bar)
    return [shown, bar.verdict]


def cell(value: float | None) -> str:
    return "-" if value is None else number(value)


def ratio_cells(ratios: list[float]) -> list[str]:
    if not ratios:
        return ["-", "-"]
    median = statistics.median(ratios)
    digits = 3 if median < 0.1 else 2
    return [f"{median:.3f}", f"{min(ratios):.{digits}f}-{max(ratios):.{digits}f}"]


def missing_metrics(rounds: list[Round]) -> list[str]:
    """A bar that nothing is held against is a mistake in one of the two places, or comes of another error."""
    return [f"a bar is set for {metric}, which {FIRST} did not measure" for metric in (*BARS, *ABSOLUTE)
            if not any(metric in one[FIRST] for one in rounds)]


def describe_noise(contest: Contest, rounds: list[Round]) -> list[str]:
    noise = {metric: statistics.median(each) for metric in contest.units
             if (each := [ratio(one[AGAIN][metric], one[FIRST][metric]) for one in rounds
                          if metric in one[AGAIN] and metric in one[FIRST]])}
    if not noise:
        return []
    worst = max(noise, key=lambda metric: abs(noise[metric] - 1))
    middle = statistics.median(abs(each - 1) for each in noise.values())
    return [f"Noise ({AGAIN} against {FIRST}): {middle:.1%} in the middle, at most {abs(noise[worst] - 1):.0%} "
            f"({worst})."]


def describe_absence(contest: Contest) -> list[str]:
    return [f"{one.name}: {one.why_not}." for one in contest.contestants if one.why_not and one.name != AGAIN]
