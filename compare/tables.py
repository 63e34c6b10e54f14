# SPDX-License-Identifier: MIT
"""Tables of measured values, and their targets."""

from collections.abc import Sequence
from dataclasses import dataclass, field


@dataclass
class Table:
    title: str
    header: list[str]  # the first column is left-aligned, the others are right-aligned
    rows: list[list[str]] = field(default_factory=list)
    note: str = ""
    name: str = ""  # in the stored results; a table without a name is not stored

    def text(self) -> str:
        widths = [max(len(row[i]) for row in [self.header, *self.rows]) for i in range(len(self.header))]

        def line(row: list[str]) -> str:
            cells = [row[0].ljust(widths[0])] + [cell.rjust(width) for cell, width in zip(row[1:], widths[1:])]
            return "  " + "   ".join(cells).rstrip()

        lines = [self.title, line(self.header), *map(line, self.rows)]
        return "\n".join(lines + ["  " + self.note] * bool(self.note))


@dataclass
class Target:
    """A measured value and the limit that it must not exceed, or must reach if `at_least` is set."""

    what: str
    value: float
    limit: float
    unit: str = ""
    at_least: bool = False
    is_judged: bool = True  # false if the measurement is unreliable

    @property
    def met(self) -> bool:
        return self.value >= self.limit if self.at_least else self.value <= self.limit

    @property
    def verdict(self) -> str:
        if not self.is_judged:
            return "not judged"
        return "ok" if self.met else "missed"

    def row(self) -> list[str]:
        sign = ">=" if self.at_least else "<="
        return [self.what, number(self.value) + self.unit, f"{sign} {number(self.limit)}{self.unit}", self.verdict]


@dataclass
class Outcome:
    """The result of a group of benchmarks."""

    tables: list[Table] = field(default_factory=list)
    targets: list[Target] = field(default_factory=list)
    legend: str = ""  # the meaning of the columns
    absent: list[str] = field(default_factory=list)  # programs that are not built, tools that are not installed
    errors: list[str] = field(default_factory=list)
    data: dict = field(default_factory=dict)  # for --json


def number(value: float) -> str:
    """About four digits: 0.987, 12.3, 4,321."""
    if value == int(value) or abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.3f}" if abs(value) < 10 else f"{value:.1f}"


def spread(ratios: Sequence[float], digits: int = 2) -> str:
    """The smallest and the largest ratio."""
    return f"{min(ratios):.{digits}f}-{max(ratios):.{digits}f}"
