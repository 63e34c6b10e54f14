# SPDX-License-Identifier: MIT
"""The targets of eddy in the group `net`, with one thread.

On epoll eddy is mostly compared with the bare epoll loop. On io_uring it is compared with both bare loops, with
itself on epoll, and with other runtimes that use io_uring. All ratios are taken within the same rounds.
"""

from collections.abc import Iterator
from dataclasses import replace

from net_rounds import Rounds
from net_servers import BARE_URING, EDDY, EDDY_URING, REFERENCE
from tables import Target

# System calls per request.
CALLS = {
    EDDY: {"C1": 3.05, "C100": 2.05, "C1000": 2.1, "BIG": 2.05},
    EDDY_URING: {"C1": 1.1, "C100": 0.2, "C1000": 0.1},
}

# ---- epoll ----

CPU = 1.05  # processor time per request
RATE = 0.97  # requests per second
STORM_MAX = 2.0  # latency of the slowest new client
TAILS = {"C1000": 1.5, "LOAD80": 1.5}  # p99 and p99.9
IDLE_BYTES = 600  # per connection
IDLE_BYTES_OF_TOKIO = 0.15
IDLE_CPU_MS = 0

# eddy's processor time must not exceed that of the best of these by more than the noise.
BEST_PEERS = ("tokio", "asio_callbacks", "libuv")

# If the load generator is busier than this, it limits the rate, and the rate is not judged.
LOAD_IS_LIMIT = 0.95

# ---- io_uring ----

BEST_URING_PEERS = ("monoio", "glommio", "compio")

# Processor time per request.
OF_BARE_URING = 1.06
OF_BARE_EPOLL = {"C100": 0.92, "C1000": 0.92, "P16": 0.92, "CHURN": 0.92}
OF_EPOLL = {"C100": 0.90, "C1000": 0.90}
OF_EPOLL_ELSEWHERE = 1.0

IDLE_BYTES_OF_EPOLL = 1.2  # per connection, without the memory that the ring needs once


def judge(results: dict[str, Rounds], calls: dict[str, dict[str, float]], idle: dict[str, dict]) -> list[Target]:
    targets = []
    for rounds in results.values():
        of_case = [*judge_epoll(rounds), *judge_uring(rounds)]
        targets += [replace(target, is_judged=rounds.is_reliable) for target in of_case]
    for server, limits in CALLS.items():
        targets += [Target(f"{server}, {case}: system calls per request", counted[server], limits[case])
                    for case, counted in calls.items() if case in limits and server in counted]
    return targets + judge_idle(idle)


def judge_epoll(rounds: Rounds) -> Iterator[Target]:
    if not rounds.has(EDDY):
        return
    case = f"{EDDY}, {rounds.case.name}"
    if rounds.case.is_storm:
        yield Target(f"{case}: max, x {REFERENCE}", rounds.ratio(EDDY, "max_us"), STORM_MAX)
        return
    yield cpu_target(rounds, EDDY, REFERENCE, REFERENCE, CPU)
    best = rounds.best(BEST_PEERS)
    if best and rounds.has(EDDY, best):
        yield cpu_target(rounds, EDDY, best, f"the best peer ({best})", 1 + rounds.noise)
    if not rounds.case.is_open and rounds.typical(EDDY, "load_busy") <= LOAD_IS_LIMIT:
        yield Target(f"{case}: requests/s, x {REFERENCE}", rounds.ratio(EDDY, "requests_per_s"), RATE, at_least=True)
    if rounds.case.name in TAILS:
        for title, key in (("p99", "p99_us"), ("p99.9", "p999_us")):
            yield Target(f"{case}: {title}, x {REFERENCE}", rounds.ratio(EDDY, key), TAILS[rounds.case.name])


def judge_uring(rounds: Rounds) -> Iterator[Target]:
    if rounds.case.is_storm:
        return  # STORM measures latency only
    for against, title, limit in uring_limits(rounds):
        if rounds.has(EDDY_URING, against):
            yield cpu_target(rounds, EDDY_URING, against, title, limit)


def uring_limits(rounds: Rounds) -> Iterator[tuple[str, str, float]]:
    """The servers to compare with in this case: the name, the printed name, and the limit of the ratio."""
    case = rounds.case.name
    yield BARE_URING, BARE_URING, OF_BARE_URING
    if case in OF_BARE_EPOLL:
        yield REFERENCE, REFERENCE, OF_BARE_EPOLL[case]
    yield EDDY, EDDY, OF_EPOLL.get(case, OF_EPOLL_ELSEWHERE)
    if best := rounds.best(BEST_URING_PEERS):
        yield best, f"the best peer on io_uring ({best})", 1 + rounds.noise


def cpu_target(rounds: Rounds, server: str, against: str, title: str, limit: float) -> Target:
    return Target(f"{server}, {rounds.case.name}: CPU per request, x {title}",
                  rounds.ratio(server, "cpu_us_per_request", against), limit)


def judge_idle(idle: dict[str, dict]) -> list[Target]:
    if EDDY not in idle:
        return []
    ours = idle[EDDY]
    targets = [Target(f"{EDDY}, IDLE: bytes per connection", ours["bytes"], IDLE_BYTES),
               Target(f"{EDDY}, IDLE: processor time", ours["cpu_ms"], IDLE_CPU_MS, " ms")]
    if "tokio" in idle:
        targets.append(Target(f"{EDDY}, IDLE: bytes per connection, x tokio", ours["bytes"] / idle["tokio"]["bytes"],
                              IDLE_BYTES_OF_TOKIO))
    if EDDY_URING in idle:
        targets.append(Target(f"{EDDY_URING}, IDLE: bytes per connection, x {EDDY}",
                              idle[EDDY_URING]["bytes"] / ours["bytes"], IDLE_BYTES_OF_EPOLL))
    return targets
