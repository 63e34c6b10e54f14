# SPDX-License-Identifier: MIT
"""What eddy on io_uring is held against in the group `net`, with one thread: both bare loops, itself on epoll, and the
runtimes that are on io_uring too, each in the same rounds."""

from collections.abc import Iterator
from dataclasses import replace

from contest import BARE_URING, EDDY, EDDY_URING, FIRST
from rounds import Rounds
from tables import Bar

PEERS = ("monoio", "glommio", "compio")  # whose processor time it must not exceed by more than the noise

# Processor time per request.
OF_BARE_URING = 1.06
OF_BARE_EPOLL = {"C100": 0.92, "C1000": 0.92, "P16": 0.92, "CHURN": 0.92}
OF_EPOLL = {"C100": 0.90, "C1000": 0.90}
OF_EPOLL_ELSEWHERE = 1.0

CALLS = {"C1": 1.1, "C100": 0.2, "C1000": 0.1}  # system calls per request
IDLE_BYTES_OF_EPOLL = 1.2  # per connection, so without what the ring needs at all


def judge(results: dict[str, Rounds], calls: dict[str, dict[str, float]], idle: dict[str, dict]) -> list[Bar]:
    bars = [replace(bar, is_judged=rounds.is_reliable) for rounds in results.values() for bar in judge_case(rounds)]
    bars += [Bar(f"{EDDY_URING}, {case}: system calls per request", counted[EDDY_URING], CALLS[case])
             for case, counted in calls.items() if case in CALLS and EDDY_URING in counted]
    if EDDY_URING in idle and EDDY in idle:
        bars.append(Bar(f"{EDDY_URING}, IDLE: bytes per connection, x {EDDY}",
                        idle[EDDY_URING]["bytes"] / idle[EDDY]["bytes"], IDLE_BYTES_OF_EPOLL))
    return bars


def judge_case(rounds: Rounds) -> list[Bar]:
    if rounds.case.is_storm:
        return []  # which measures time
    return [Bar(f"{EDDY_URING}, {rounds.case.name}: CPU per request, x {title}",
                rounds.ratio(EDDY_URING, "cpu_us_per_request", against), limit)
            for against, title, limit in limits(rounds) if rounds.has(EDDY_URING, against)]


def limits(rounds: Rounds) -> Iterator[tuple[str, str, float]]:
    """Whom it is compared with in this case, how that is printed, and how much it may take of what that takes."""
    case = rounds.case.name
    yield BARE_URING, BARE_URING, OF_BARE_URING
    if case in OF_BARE_EPOLL:
        yield FIRST, FIRST, OF_BARE_EPOLL[case]
    yield EDDY, EDDY, OF_EPOLL.get(case, OF_EPOLL_ELSEWHERE)
    if best := rounds.best(PEERS):
        yield best, f"{best}, the best peer on io_uring", 1 + rounds.noise
