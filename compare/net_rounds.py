# SPDX-License-Identifier: MIT
"""Evaluates the finished rounds of a case."""

import statistics
from collections.abc import Iterable
from dataclasses import dataclass, field

from net_servers import AGAIN, REFERENCE, Case

# The share of a slice that a server may wait for its processor. A server that is alone on its processor waits for about
# 2 %, including start and connecting.
DISTURBED = 0.05

Slice = dict[str, dict]  # the figures of bench_load by server


@dataclass
class Rounds:
    case: Case
    slices: list[list[Slice]] = field(default_factory=list)  # by round

    def quiet(self, figures: Slice, name: str, against: str = REFERENCE) -> bool:
        """Whether both servers have undisturbed figures in this slice."""
        return all(one in figures and self.is_quiet(figures[one]) for one in (against, name))

    def is_quiet(self, one: dict) -> bool:
        return self.case.threads > 1 or one["waited"] <= DISTURBED

    def usable(self, name: str, against: str = REFERENCE) -> list[list[Slice]]:
        """The slices to compare, by round. If all slices are disturbed, these are used."""
        quiet = [[one for one in slices if self.quiet(one, name, against)] for slices in self.slices]
        return quiet if any(quiet) else [[one for one in slices if name in one and against in one]
                                         for slices in self.slices]

    def has(self, name: str, against: str = REFERENCE) -> bool:
        return any(self.usable(name, against))

    def names(self) -> list[str]:
        """The servers that can be compared with the reference."""
        return [name for name in dict.fromkeys(name for slices in self.slices for one in slices for name in one)
                if self.has(name)]

    def values(self, name: str, key: str) -> list[float]:
        return [one[name][key] for slices in self.usable(name) for one in slices]

    def typical(self, name: str, key: str) -> float:
        return statistics.median(self.values(name, key))

    def ratios(self, name: str, key: str, against: str = REFERENCE) -> list[float]:
        """For each round, the median ratio of the two servers' figures over the slices."""
        return [statistics.median(one[name][key] / one[against][key] for one in slices)
                for slices in self.usable(name, against) if slices]

    def ratio(self, name: str, key: str, against: str = REFERENCE) -> float:
        return statistics.median(self.ratios(name, key, against))

    def best(self, names: Iterable[str]) -> str | None:
        """The server with the least processor time per request among `names`, or None if none of these was measured."""
        ratios = {name: self.ratio(name, "cpu_us_per_request") for name in names if self.has(name)}
        return min(ratios, key=ratios.get, default=None)

    @property
    def noise(self) -> float:
        """The mean difference between the two results of the bare epoll loop."""
        if not self.has(AGAIN):
            return 0
        return statistics.mean(abs(ratio - 1) for ratio in self.ratios(AGAIN, "cpu_us_per_request"))

    @property
    def is_reliable(self) -> bool:
        quiet, there = self.count()
        return quiet >= there / 2

    def count(self) -> tuple[int, int]:
        """The number of undisturbed figures, and the number of all figures."""
        each = [self.quiet(one, name) for slices in self.slices for one in slices for name in one]
        return sum(each), len(each)
