# SPDX-License-Identifier: MIT
"""The group `http`: eddy's HTTP server, against a bare epoll loop that answers with the same bytes, and other servers.

The clients of HTTP/1.1 are those of the group `net`, and so are the tables: see net.py. Each request is `GET /`, with
three header fields. Each response is `Hello, World!`. The bare loop only finds the end of each request. For HTTP/2, see
http2.py.
"""

from dataclasses import replace

import http2
import net
import net_calls
import net_idle
import net_timing
import peers
from net_servers import (AGAIN, C100, EDDY, EDDY_URING, IDLE, ONE_THREAD, REFERENCE, NetRun, own_servers, selected,
                         startable, wanted_cases)
from processes import ONE_PROCESSOR
from tables import Outcome, Target

SERVERS = {
    REFERENCE: "bench_http_bare",
    AGAIN: "bench_http_bare",
    EDDY: "bench_http_eddy",
    EDDY_URING: "bench_http_eddy",
}
CASES = [replace(one, what=one.what.removesuffix(", 64 B")) for one in ONE_THREAD
         if one.name in ("C1", "C100", "C1000")]
NAMES = [*(one.name for one in CASES), IDLE, *http2.NAMES]

# Processor time per request in C100, as a ratio to the bare loop, or to a peer.
CPU = {REFERENCE: 1.15, "hyper": 0.85, "beast": 0.7, "go": 0.5}
IDLE_BYTES = 1536  # per connection


def run(options) -> Outcome:
    outcome = Outcome(legend=net.LEGEND)
    load = options.build / "bench" / "bench_load"
    known = own_servers(options.build, SERVERS) | peers.http_peers(options.build)
    servers = startable({name: known[name] for name in selected("http", SERVERS, list(known), options.peers)}, outcome)
    net_run = NetRun(options, load, servers, outcome, wanted_cases("http", NAMES, options.only), "http", ("--http",))
    if not load.exists():
        outcome.absent.append(f"{load.name} is not built")
    if not load.exists() or not net_run.has(REFERENCE):
        return outcome
    if not net_run.processors.apart:
        outcome.errors.append(ONE_PROCESSOR)

    results = net_timing.run(net_run, CASES)
    net_calls.count(net_run)
    idle = net_idle.measure(net_run) if IDLE in net_run.wanted else {}
    outcome.targets += judge(results, idle)
    http2.run(net_run)
    return outcome


def judge(results: dict, idle: dict[str, dict]) -> list[Target]:
    targets = []
    if rounds := results.get(C100.name):
        for against, limit in CPU.items():
            if rounds.has(EDDY, against):
                target = Target(f"{EDDY}, {C100.name}: CPU per request, x {against}",
                                rounds.ratio(EDDY, "cpu_us_per_request", against), limit)
                targets.append(replace(target, is_judged=rounds.is_reliable))
    if EDDY in idle:
        targets.append(Target(f"{EDDY}, {IDLE}: bytes per connection", idle[EDDY]["bytes"], IDLE_BYTES))
    return targets
