# SPDX-License-Identifier: MIT
"""Makes the table and the targets of the group `rt` from its rounds."""

import statistics

from rt_programs import AGAIN, EDDY, MAIN_PEER, PEERS, RtRun
from rt_targets import ABSOLUTE, AGAINST, BEST, BEST_OF, MEANS, MEASURES_OF_TIME, TARGETS, best_limit
from tables import Table, Target, number, spread

Figures = dict[str, float]  # by `metric/flavour`
Round = dict[str, Figures]  # by program


def judge(rt_run: RtRun, rounds: list[Round], is_whole: bool) -> None:
    """Adds the table and the targets to the outcome. Means and missing metrics are checked only if all cases ran."""
    rt_run.outcome.tables.append(tabulate(rt_run, rounds))
    if rt_run.has(EDDY) and is_whole:
        rt_run.outcome.targets += means(rounds)
        rt_run.outcome.errors += missing_metrics(rounds)


def tabulate(rt_run: RtRun, rounds: list[Round]) -> Table:
    names = [one.name for one in rt_run.programs]
    table = Table("rt: a new process for each case and round",
                  ["case", "unit", "rounds", *names, f"{EDDY}/{MAIN_PEER}", "spread", "target", "",
                   f"{EDDY}/best", "best", "of best"], name="rt")
    for metric, unit in rt_run.units.items():
        values = [typical(rounds, name, metric) for name in names]
        table.rows.append([metric, unit, str(rounds_with(rounds, metric)), *map(cell, values),
                           *ratio_cells(ratios_to(MAIN_PEER, rounds, metric)), *target_cells(rt_run, rounds, metric),
                           *best_cells(rt_run, rounds, metric)])
    table.note = " ".join([*describe_best(), *describe_noise(rt_run, rounds), *describe_cuts(rt_run, rounds),
                           *describe_absence(rt_run)])
    return table


# ---- Evaluation of the rounds ----


def rounds_with(rounds: list[Round], metric: str) -> int:
    return sum(any(metric in figures for figures in one.values()) for one in rounds)


def typical(rounds: list[Round], name: str, metric: str) -> float | None:
    values = [one[name][metric] for one in rounds if metric in one.get(name, {})]
    return statistics.median(values) if values else None


def ratios_to(peer: str, rounds: list[Round], metric: str) -> list[float]:
    other = AGAINST.get(metric, metric)
    return [ratio(one[EDDY][metric], one[peer][other]) for one in rounds
            if metric in one[EDDY] and other in one.get(peer, {})]


def ratio(value: float, to: float) -> float:
    if to == 0:
        return 1.0 if value == 0 else float("inf")
    return value / to


def ratio_to_best(rounds: list[Round], metric: str) -> tuple[float, str] | None:
    """The largest of the ratios to the peers, and the name of that peer."""
    found = [(statistics.median(ratios), peer) for peer in PEERS if (ratios := ratios_to(peer, rounds, metric))]
    return max(found) if found else None


def means(rounds: list[Round]) -> list[Target]:
    return [Target(f"rt geometric mean of {len(ratios)} cases on {flavour}, x {MAIN_PEER}",
                statistics.geometric_mean(ratios), limit)
            for flavour, limit in MEANS.items() if (ratios := medians_of_time(rounds, flavour))]


def medians_of_time(rounds: list[Round], flavour: str) -> list[float]:
    metrics = [f"{measure}/{flavour}" for measure in MEASURES_OF_TIME]
    return [statistics.median(ratios) for metric in metrics if (ratios := ratios_to(MAIN_PEER, rounds, metric))]


def missing_metrics(rounds: list[Round]) -> list[str]:
    """Targets without a measurement. The target or the case has a wrong name, or the case failed."""
    return [f"{metric} has a target, but {EDDY} did not measure it" for metric in (*TARGETS, *ABSOLUTE)
            if not any(metric in one[EDDY] for one in rounds)]


# ---- Cells ----


def cell(value: float | None) -> str:
    return "-" if value is None else number(value)


def ratio_cells(ratios: list[float]) -> list[str]:
    if not ratios:
        return ["-", "-"]
    median = statistics.median(ratios)
    if len(ratios) == 1:
        return [f"{median:.3f}", "-"]
    return [f"{median:.3f}", spread(ratios, digits=3 if median < 0.1 else 2)]


def target_cells(rt_run: RtRun, rounds: list[Round], metric: str) -> list[str]:
    """The target and the verdict for the table. Also adds the target to the outcome."""
    if metric in ABSOLUTE:
        value, limit, what = typical(rounds, EDDY, metric), ABSOLUTE[metric], f"rt {metric}"
    elif metric in TARGETS:
        ratios = ratios_to(MAIN_PEER, rounds, metric)
        value, limit = statistics.median(ratios) if ratios else None, TARGETS[metric]
        what = f"rt {metric}, x {MAIN_PEER}" + (f"'s {AGAINST[metric]}" if metric in AGAINST else "")
    else:
        return ["", ""]
    shown = f"{number(limit)} {rt_run.units[metric]}" if metric in ABSOLUTE else number(limit)
    if value is None:
        return [shown, "?"]
    target = Target(what, value, limit)
    rt_run.outcome.targets.append(target)
    return [shown, target.verdict]


def best_cells(rt_run: RtRun, rounds: list[Round], metric: str) -> list[str]:
    best = ratio_to_best(rounds, metric)
    if best is None:
        return ["-", "", ""]
    value, peer = best
    limit = best_limit(metric)
    if limit is None:
        return [f"{value:.3f}", peer, ""]
    target = Target(f"rt {metric}, x the best peer ({peer})", value, limit)
    rt_run.outcome.targets.append(target)
    return [f"{value:.3f}", peer, target.verdict]


# ---- The note below the table ----


def describe_best() -> list[str]:
    others = ", ".join(f"{metric} {number(limit)}" for metric, limit in BEST_OF.items())
    return [f"The target of {EDDY}/best is {number(BEST)}; {others}."]


def describe_noise(rt_run: RtRun, rounds: list[Round]) -> list[str]:
    noise = {metric: statistics.median(each) for metric in rt_run.units
             if (each := [ratio(one[AGAIN][metric], one[EDDY][metric]) for one in rounds
                          if metric in one[AGAIN] and metric in one[EDDY]])}
    if not noise:
        return []
    worst = max(noise, key=lambda metric: abs(noise[metric] - 1))
    middle = statistics.median(abs(each - 1) for each in noise.values())
    return [f"Noise ({AGAIN} against {EDDY}): median {middle:.1%}, at most {abs(noise[worst] - 1):.0%} "
            f"({worst})."]


def describe_cuts(rt_run: RtRun, rounds: list[Round]) -> list[str]:
    short = [metric for metric in rt_run.units if rounds_with(rounds, metric) < len(rounds)]
    if not short:
        return []
    return [f"The time limit was reached: {len(short)} of {len(rt_run.units)} rows have fewer than {len(rounds)} "
            "rounds."]


def describe_absence(rt_run: RtRun) -> list[str]:
    return [f"{one.name}: {one.why_not}." for one in rt_run.programs if one.why_not and one.name != AGAIN]
