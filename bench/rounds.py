# SPDX-License-Identifier: MIT
"""What the rounds of a case say, when they are over."""

import statistics
from collections.abc import Iterable
from dataclasses import dataclass, field

from contest import AGAIN, FIRST, Case

# A server alone on its processor waits for it about 2 % of the time, which includes starting and connecting.
DISTURBED = 0.05

Slice = dict[str, dict]  # the figures of bench_load by contestant


@dataclass
class Rounds:
    case: Case
    slices: list[list[Slice]] = field(default_factory=list)  # by round

    def quiet(self, figures: Slice, name: str, against: str = FIRST) -> bool:
        """Whether this contestant has figures in the slice that can be compared with the other's."""
        return all(one in figures and self.is_quiet(figures[one]) for one in (against, name))

    def is_quiet(self, one: dict) -> bool:
        return self.case.threads > 1 or one["waited"] <= DISTURBED

    def usable(self, name: str, against: str = FIRST) -> list[list[Slice]]:
        """By round; the disturbed ones too if there are no others."""
        quiet = [[one for one in slices if self.quiet(one, name, against)] for slices in self.slices]
        return quiet if any(quiet) else [[one for one in slices if name in one and against in one]
                                         for slices in self.slices]

    def has(self, name: str, against: str = FIRST) -> bool:
        return any(self.usable(name, against))

    def names(self) -> list[str]:
        """Of those who can be compared."""
        return [name for name in dict.fromkeys(name for slices in self.slices for one in slices for name in one)
                if self.has(name)]

    def values(self, name: str, key: str) -> list[float]:
        return [one[name][key] for slices in self.usable(name) for one in slices]

    def typical(self, name: str, key: str) -> float:
        return statistics.median(self.values(name, key))

    def ratios(self, name: str, key: str, against: str = FIRST) -> list[float]:
        """For each round the median over its slices of the contestant's figure against the other's."""
        return [statistics.median(one[name][key] / one[against][key] for one in slices)
                for slices in self.usable(name, against) if slices]

    def ratio(self, name: str, key: str, against: str = FIRST) -> float:
        return statistics.median(self.ratios(name, key, against))

    def best(self, names: Iterable[str]) -> str | None:
        """Of these contestants the one with the least processor time per request; None if there is none of them."""
        ratios = {name: self.ratio(name, "cpu_us_per_request") for name in names if self.has(name)}
        return min(ratios, key=ratios.get, default=None)

    @property
    def noise(self) -> float:
        """How far the bare loop is from itself in a round, on average."""
        if not self.has(AGAIN):
            return 0
        return statistics.mean(abs(ratio - 1) for ratio in self.ratios(AGAIN, "cpu_us_per_request"))

    @property
    def is_reliable(self) -> bool:
        quiet, there = self.count()
        return quiet >= there / 2

    def count(self) -> tuple[int, int]:
        """Of all figures, how many are quiet, and how many there are."""
        each = [self.quiet(one, name) for slices in self.slices for one in slices for name in one]
        return sum(each), len(each)
