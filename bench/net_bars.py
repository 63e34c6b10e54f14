# SPDX-License-Identifier: MIT
"""What eddy on epoll is held against in the group `net`, with one thread: mostly the bare loop in the same rounds."""

from dataclasses import replace

from contest import EDDY
from rounds import Rounds
from tables import Bar

CPU = 1.05  # processor time per request
RATE = 0.97  # requests per second
STORM_MAX = 2.0  # the slowest of the new clients
TAILS = {"C1000": 1.5, "LOAD80": 1.5}  # p99 and p99.9
CALLS = {"C1": 3.05, "C100": 2.05, "C1000": 2.1, "BIG": 2.05}  # system calls per request
IDLE_BYTES = 600  # per connection
IDLE_BYTES_OF_TOKIO = 0.15
IDLE_CPU_MS = 0

# Whose processor time eddy's must not exceed by more than the noise.
BEST_PEERS = ("tokio", "asio_callbacks", "libuv")

# A load generator that is so busy is itself the limit: then a rate says nothing of the server.
LOAD_IS_LIMIT = 0.95


def judge(results: dict[str, Rounds], calls: dict[str, dict[str, float]], idle: dict[str, dict]) -> list[Bar]:
    bars = [replace(bar, is_judged=rounds.is_reliable) for rounds in results.values() if rounds.has(EDDY)
            for bar in judge_case(rounds)]
    bars += [Bar(f"{case}: system calls per request", counted[EDDY], CALLS[case])
             for case, counted in calls.items() if case in CALLS and EDDY in counted]
    return bars + (judge_idle(idle) if EDDY in idle else [])


def judge_case(rounds: Rounds) -> list[Bar]:
    name = rounds.case.name
    if rounds.case.is_storm:
        return [Bar(f"{name}: max, x bare", rounds.ratio(EDDY, "max_us"), STORM_MAX)]
    bars = [Bar(f"{name}: CPU per request, x bare", rounds.ratio(EDDY, "cpu_us_per_request"), CPU)]
    bars += against_best_peer(rounds)
    if not rounds.case.is_open and rounds.typical(EDDY, "load_busy") <= LOAD_IS_LIMIT:
        bars.append(Bar(f"{name}: requests/s, x bare", rounds.ratio(EDDY, "requests_per_s"), RATE, at_least=True))
    if name in TAILS:
        bars += [Bar(f"{name}: {title}, x bare", rounds.ratio(EDDY, key), TAILS[name])
                 for title, key in (("p99", "p99_us"), ("p99.9", "p999_us"))]
    return bars


def against_best_peer(rounds: Rounds) -> list[Bar]:
    best = rounds.best(BEST_PEERS)
    if best is None or not rounds.has(EDDY, best):
        return []
    return [Bar(f"{rounds.case.name}: CPU per request, x {best}, the best peer",
                rounds.ratio(EDDY, "cpu_us_per_request", best), 1 + rounds.noise)]


def judge_idle(idle: dict[str, dict]) -> list[Bar]:
    bars = [Bar("IDLE: bytes per connection", idle[EDDY]["bytes"], IDLE_BYTES),
            Bar("IDLE: processor time", idle[EDDY]["cpu_ms"], IDLE_CPU_MS, " ms")]
    if "tokio" in idle:
        bars.append(Bar("IDLE: bytes per connection, x tokio", idle[EDDY]["bytes"] / idle["tokio"]["bytes"],
                        IDLE_BYTES_OF_TOKIO))
    return bars
