# SPDX-License-Identifier: MIT
"""The accepted baseline of the group `counts` (counts.json), and the comparison of new counts with it.

A count that exceeds the baseline by more than the tolerance is an error. Instructions depend on the compiler, the C
library and valgrind. If one of these differs from the baseline, instructions are shown but not judged. The processor
has no influence: valgrind presents an emulated one to programs, and other variants of memcpy and similar functions in
glibc (GLIBC_TUNABLES) changed no count by 0.01 %.
"""

import json
import platform
from dataclasses import asdict, dataclass, field
from pathlib import Path

from machine import compiler_of, first_line
from tables import Outcome, Table

FILE = Path(__file__).resolve().parent / "counts.json"
TOLERANCE = 0.03
HOW_TO_ACCEPT = "./dev bench counts --accept"


@dataclass
class Counts:
    """Counts per operation, by name. Values are rounded to 0.01, so rarer events are not visible."""

    instructions: dict[str, float] = field(default_factory=dict)
    allocations: dict[str, float] = field(default_factory=dict)
    calls: dict[str, float] = field(default_factory=dict)


def accept(now: Counts, build: Path) -> None:
    if not now.calls:
        now.calls = read()["calls"]  # cannot be counted here, so the baseline keeps its values
    FILE.write_text(json.dumps({"made_with": made_with(build), **rounded(now)}, indent=2) + "\n")


def read() -> dict:
    return json.loads(FILE.read_text())


def made_with(build: Path) -> dict[str, str]:
    return {"compiler": compiler_of(build), "libc": " ".join(platform.libc_ver()),
            "valgrind": first_line(["valgrind", "--version"])}


def rounded(counts: Counts) -> dict[str, dict[str, float]]:
    return {kind: {what: round(value, 2) for what, value in values.items()} for kind, values in asdict(counts).items()}


def compare(outcome: Outcome, now: Counts, build: Path, why_no_calls: str) -> None:
    baseline = read()
    tools = made_with(build)
    outcome.data = {"made_with": tools, **rounded(now)}
    others = [f"{tools[one]}, but the baseline has {was}" for one, was in baseline["made_with"].items()
              if tools[one] != was]
    table = Table("counts per operation", ["what", "unit", "baseline", "now", "ratio", ""])
    for kind, values in rounded(now).items():
        for what, value in values.items():
            judged = not (others and kind == "instructions")
            table.rows.append(row(outcome, what, kind, baseline[kind].get(what), value, judged))
        if lost := [what for what in baseline[kind] if what not in values and not (kind == "calls" and why_no_calls)]:
            outcome.errors.append(f"{', '.join(lost)}: {kind} are in {FILE.name} but were not counted; to remove them: "
                                  f"{HOW_TO_ACCEPT}")
    notes = []
    if any(cells[-1] in ("better", "new") for cells in table.rows):
        notes.append(f"To make better and new values the baseline: {HOW_TO_ACCEPT}.")
    if others:
        notes.append(f"Instructions are NOT judged: {', '.join(others)}.")
    if why_no_calls:
        notes.append(f"System calls are NOT checked: {why_no_calls}.")
    table.note = " ".join(notes)
    outcome.tables.append(table)


def row(outcome: Outcome, what: str, unit: str, was: float | None, value: float, judged: bool) -> list[str]:
    if was is None:
        return [what, unit, "-", f"{value:.2f}", "-", "new"]
    ratio = 1.0 if value == was else value / was if was else float("inf")
    verdict = "not judged" if not judged else verdict_of(ratio)
    if verdict == "worse":
        outcome.errors.append(f"{what}: {value:.2f} {unit} per operation, {ratio:.3f} x the baseline of "
                              f"{was:.2f}; fix it, or accept it with {HOW_TO_ACCEPT} and give the reason in the commit")
    return [what, unit, f"{was:.2f}", f"{value:.2f}", f"{ratio:.3f}", verdict]


def verdict_of(ratio: float) -> str:
    if ratio > 1 + TOLERANCE:
        return "worse"
    return "better" if ratio < 1 - TOLERANCE else "ok"
