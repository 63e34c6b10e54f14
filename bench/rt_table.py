# SPDX-License-Identifier: MIT
"""From the rounds of the group `rt` to its table and its bars."""

import statistics

from rt_bars import ABSOLUTE, AGAINST, BARS, BEST, MEANS, MEASURES_OF_TIME, is_held_against_best
from rt_contest import AGAIN, FIRST, MAIN_PEER, PEERS, Contest
from tables import Bar, Table, number

Figures = dict[str, float]  # by `metric/flavour`
Round = dict[str, Figures]  # by contestant


def judge(contest: Contest, rounds: list[Round], is_whole: bool) -> None:
    """Adds the table and the bars to the outcome. Without all cases (`is_whole`) there are no means, and gaps are right."""
    contest.outcome.tables.append(tabulate(contest, rounds))
    if contest.has(FIRST) and is_whole:
        contest.outcome.bars += means(rounds)
        contest.outcome.errors += missing_metrics(rounds)


def tabulate(contest: Contest, rounds: list[Round]) -> Table:
    names = [one.name for one in contest.contestants]
    table = Table("rt: a process for each case and round",
                  ["case", "unit", "rounds", *names, f"{FIRST}/{MAIN_PEER}", "spread", "bar", "", f"{FIRST}/best", "best", ""])
    for metric, unit in contest.units.items():
        values = [typical(rounds, name, metric) for name in names]
        table.rows.append([metric, unit, str(rounds_with(rounds, metric)), *map(cell, values),
                           *ratio_cells(ratios_to(MAIN_PEER, rounds, metric)), *bar_cells(contest, rounds, metric),
                           *best_cells(contest, rounds, metric)])
    table.note = " ".join([*describe_best(), *describe_noise(contest, rounds), *describe_cuts(contest, rounds),
                           *describe_absence(contest)])
    return table


# ---- What the rounds say ----


def rounds_with(rounds: list[Round], metric: str) -> int:
    return sum(any(metric in figures for figures in one.values()) for one in rounds)


def typical(rounds: list[Round], name: str, metric: str) -> float | None:
    values = [one[name][metric] for one in rounds if metric in one.get(name, {})]
    return statistics.median(values) if values else None


def ratios_to(peer: str, rounds: list[Round], metric: str) -> list[float]:
    other = AGAINST.get(metric, metric)
    return [ratio(one[FIRST][metric], one[peer][other]) for one in rounds
            if metric in one[FIRST] and other in one.get(peer, {})]


def ratio(value: float, to: float) -> float:
    if to == 0:
        return 1.0 if value == 0 else float("inf")
    return value / to


def ratio_to_best(rounds: list[Round], metric: str) -> tuple[float, str] | None:
    """Against the peer that eddy looks worst beside, and which one that is."""
    found = [(statistics.median(ratios), peer) for peer in PEERS if (ratios := ratios_to(peer, rounds, metric))]
    return max(found) if found else None


def means(rounds: list[Round]) -> list[Bar]:
    return [Bar(f"rt geometric mean of {len(ratios)} cases on {flavour}, x {MAIN_PEER}",
                statistics.geometric_mean(ratios), limit)
            for flavour, limit in MEANS.items() if (ratios := medians_of_time(rounds, flavour))]


def medians_of_time(rounds: list[Round], flavour: str) -> list[float]:
    metrics = [f"{measure}/{flavour}" for measure in MEASURES_OF_TIME]
    return [statistics.median(ratios) for metric in metrics if (ratios := ratios_to(MAIN_PEER, rounds, metric))]


def missing_metrics(rounds: list[Round]) -> list[str]:
    """A bar that nothing is held against is a mistake in one of the two places, or comes of another error."""
    return [f"a bar is set for {metric}, which {FIRST} did not measure" for metric in (*BARS, *ABSOLUTE)
            if not any(metric in one[FIRST] for one in rounds)]


# ---- Cells ----


def cell(value: float | None) -> str:
    return "-" if value is None else number(value)


def ratio_cells(ratios: list[float]) -> list[str]:
    if not ratios:
        return ["-", "-"]
    median = statistics.median(ratios)
    if len(ratios) == 1:
        return [f"{median:.3f}", "-"]
    digits = 3 if median < 0.1 else 2
    return [f"{median:.3f}", f"{min(ratios):.{digits}f}-{max(ratios):.{digits}f}"]


def bar_cells(contest: Contest, rounds: list[Round], metric: str) -> list[str]:
    """The bar and whether it is met, for the table, and for the list of all bars."""
    if metric in ABSOLUTE:
        value, limit, what = typical(rounds, FIRST, metric), ABSOLUTE[metric], f"rt {metric}"
    elif metric in BARS:
        ratios = ratios_to(MAIN_PEER, rounds, metric)
        value, limit = statistics.median(ratios) if ratios else None, BARS[metric]
        what = f"rt {metric}, x {MAIN_PEER}" + (f"'s {AGAINST[metric]}" if metric in AGAINST else "")
    else:
        return ["", ""]
    shown = f"{number(limit)} {contest.units[metric]}" if metric in ABSOLUTE else number(limit)
    if value is None:
        return [shown, "?"]
    bar = Bar(what, value, limit)
    contest.outcome.bars.append(bar)
    return [shown, bar.verdict]


def best_cells(contest: Contest, rounds: list[Round], metric: str) -> list[str]:
    best = ratio_to_best(rounds, metric)
    if best is None:
        return ["-", "", ""]
    value, peer = best
    if not is_held_against_best(metric):
        return [f"{value:.3f}", peer, ""]
    bar = Bar(f"rt {metric}, x the best peer ({peer})", value, BEST)
    contest.outcome.bars.append(bar)
    return [f"{value:.3f}", peer, bar.verdict]


# ---- The note below the table ----


def describe_best() -> list[str]:
    return [f"The bar of {FIRST}/best is {number(BEST)}."]


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


def describe_cuts(contest: Contest, rounds: list[Round]) -> list[str]:
    short = [metric for metric in contest.units if rounds_with(rounds, metric) < len(rounds)]
    if not short:
        return []
    return [f"Time was short: {len(short)} of {len(contest.units)} rows have fewer than {len(rounds)} rounds."]


def describe_absence(contest: Contest) -> list[str]:
    return [f"{one.name}: {one.why_not}." for one in contest.contestants if one.why_not and one.name != AGAIN]
