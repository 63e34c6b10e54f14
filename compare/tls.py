# SPDX-License-Identifier: MIT
"""The group `tls`: eddy's TLS streams, against a bare epoll loop with OpenSSL, and Asio's ssl::stream.

All servers echo. The clients are those of net/tls_load.cpp, and the tables those of the group `net`: see net_timing.py.
A request of BULK has 16 KiB, the largest record. A request of FULL and RESUMED is a connection: a handshake, an echo of
16 bytes, and the end. RELOAD counts failed handshakes while the server replaces its certificate every 10 ms. For
UPLOAD1 and UPLOAD2, see uploads.py.
"""

from dataclasses import replace

import net
import net_idle
import net_timing
import peers
import uploads
from net_servers import AGAIN, EDDY, IDLE, REFERENCE, Case, NetRun, own_servers, selected, startable, wanted_cases
from processes import ONE_PROCESSOR, BenchError, Server, progress
from tables import Outcome, Target

SERVERS = {REFERENCE: "bench_tls_bare", AGAIN: "bench_tls_bare", EDDY: "bench_tls_eddy"}
ASIO = "asio_ssl"

ECHO = Case("ECHO", "100 connections, 1 KiB", ("--mode", "echo", "--connections", 100, "--size", 1024))
BULK = Case("BULK", "1 connection, 16 KiB", ("--mode", "echo", "--connections", 1, "--size", 16 * 1024))
FULL = Case("FULL", "full handshakes, 16 at a time", ("--mode", "full", "--connections", 16, "--size", 16))
RESUMED = Case("RESUMED", "resumed sessions, 16 at a time", ("--mode", "resumed", "--connections", 16, "--size", 16))
CASES = [ECHO, BULK, FULL, RESUMED]
RELOAD = "RELOAD"
NAMES = [*(one.name for one in CASES), IDLE, RELOAD, *uploads.NAMES]

ECHO_CPU = {REFERENCE: 1.05, ASIO: 0.9}  # processor time per request
RATE = 0.95  # bytes or handshakes per second of processor time, as a ratio to the bare loop
IDLE_BYTES = 1024  # per connection, above those of the bare loop, which has the same `SSL*`
REPLACE_MS = 10


def run(options) -> Outcome:
    outcome = Outcome(legend=net.LEGEND)
    load = options.build / "bench" / "bench_tls_load"
    known = own_servers(options.build, SERVERS) | peers.tls_peers(options.build)
    servers = startable({name: known[name] for name in selected("tls", SERVERS, list(known), options.peers)}, outcome)
    net_run = NetRun(options, load, servers, outcome, wanted_cases("tls", NAMES, options.only), "tls")
    if not load.exists():
        outcome.absent.append(f"{load.name} is not built")
    if not load.exists() or not net_run.has(REFERENCE):
        return outcome
    if not net_run.processors.apart:
        outcome.errors.append(ONE_PROCESSOR)

    results = net_timing.run(net_run, CASES)
    idle = net_idle.measure(net_run) if IDLE in net_run.wanted else {}
    outcome.targets += judge(results, idle)
    if RELOAD in net_run.wanted and net_run.has(EDDY):
        outcome.targets.append(count_failures(net_run))
    uploads.run(net_run)
    return outcome


def judge(results: dict, idle: dict[str, dict]) -> list[Target]:
    targets = []
    for name, rounds in results.items():
        of_case = []
        if name == ECHO.name:
            of_case = [Target(f"{EDDY}, {name}: CPU per request, x {against}",
                              rounds.ratio(EDDY, "cpu_us_per_request", against), limit)
                       for against, limit in ECHO_CPU.items() if rounds.has(EDDY, against)]
        elif rounds.has(EDDY):
            what = "bytes" if name == BULK.name else "handshakes"
            of_case = [Target(f"{EDDY}, {name}: {what} per second of CPU, x {REFERENCE}",
                              1 / rounds.ratio(EDDY, "cpu_us_per_request"), RATE, at_least=True)]
        targets += [replace(target, is_judged=rounds.is_reliable) for target in of_case]
    if EDDY in idle and REFERENCE in idle:
        targets.append(Target(f"{EDDY}, {IDLE}: bytes per connection above {REFERENCE}",
                              idle[EDDY]["bytes"] - idle[REFERENCE]["bytes"], IDLE_BYTES))
    return targets


def count_failures(net_run: NetRun) -> Target:
    """Makes handshakes while the server replaces its certificate. bench_tls_load ends at the first failure."""
    progress(net_run.group, RELOAD)
    eddy = next(one for one in net_run.servers if one.name == EDDY)
    case = replace(FULL, end=("--seconds", 2))
    failed = 0
    with Server([*eddy.command(1), "--replace-ms", REPLACE_MS], net_run.processors.server) as server:
        try:
            net_run.run_load(server, case)
        except BenchError as error:
            net_run.outcome.errors.append(f"{RELOAD}: {error}")
            failed = 1
    return Target(f"{EDDY}, {RELOAD}: failed handshakes", failed, 0)
