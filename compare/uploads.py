# SPDX-License-Identifier: MIT
"""Uploads over TLS in the group `tls`: curl sends 500 MB to eddy's HTTPS server, and to Go's net/http.

The servers take turns, and a ratio is taken within one turn only. A server has one thread, on its own processor, and
curl has the other one.
"""

import shutil
import statistics
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

import peers
from net_rounds import DISTURBED
from net_servers import EDDY, EDDY_URING, NetRun, own_servers, startable
from processes import BenchError, cpu_ns, progress, rotated, start, waited_ns
from tables import Table, Target, number, spread

PROGRAMS = {EDDY: "bench_upload_eddy", EDDY_URING: "bench_upload_eddy"}
GO = "go"
CASES = {"UPLOAD1": "--http1.1", "UPLOAD2": "--http2"}
NAMES = list(CASES)

BYTES = 500_000_000
WALL = 1.1  # time of an upload, as a ratio to Go
CURL_SECONDS = 60


def run(net_run: NetRun) -> None:
    wanted = [name for name in NAMES if name in net_run.wanted]
    if not wanted:
        return
    if not shutil.which("curl"):
        net_run.outcome.absent.append("curl: install curl")
        return
    build = net_run.options.build
    known = own_servers(build, PROGRAMS) | {GO: lambda: peers.build_go(build.parent, "upload")}
    servers = startable(known, net_run.outcome)
    for name in wanted:
        net_run.attempt(name, lambda: compare(net_run, name, servers))


def compare(net_run: NetRun, case: str, servers: list) -> None:
    figures: dict[str, list[dict]] = {one.name: [] for one in servers}
    with ExitStack() as cleanup:
        # A sparse file: reading it costs no more than copying zeros.
        source = cleanup.enter_context(tempfile.NamedTemporaryFile())
        source.truncate(BYTES)
        running = {one.name: cleanup.enter_context(net_run.start(one)) for one in servers}
        for turn in range(net_run.options.rounds):
            progress(net_run.group, f"{case} turn {turn + 1}/{net_run.options.rounds}")
            for name in rotated(list(running), turn):
                figures[name].append(upload(net_run, case, running[name], Path(source.name)))
    disturbed = sum(max(of[turn]["waited"] for of in figures.values()) > DISTURBED
                    for turn in range(net_run.options.rounds))
    table = Table(f"tls {case}: curl {CASES[case]} sends 500 MB", ["server", "s", "ratio", "spread", "CPU s", "curl CPU s"],
                  name=case)
    for name, all_of in figures.items():
        ratios = [one["wall"] / other["wall"] for one, other in zip(all_of, figures.get(GO, all_of))]
        table.rows.append([name, *(number(statistics.median(one["wall"] for one in all_of)),),
                           f"{statistics.median(ratios):.3f}", spread(ratios),
                           number(statistics.median(one["cpu"] for one in all_of)),
                           number(statistics.median(one["curl"] for one in all_of))])
        if name == EDDY and GO in figures:
            net_run.outcome.targets.append(Target(f"{EDDY}, {case}: time of an upload, x {GO}", statistics.median(ratios),
                                                  WALL, is_judged=disturbed <= net_run.options.rounds / 2))
    table.note = f"Other processes disturbed {disturbed} of {net_run.options.rounds} turns." if disturbed else ""
    net_run.outcome.tables.append(table)
    net_run.outcome.data[case] = figures


def upload(net_run: NetRun, case: str, server, source: Path) -> dict:
    """Runs curl once. Returns the seconds that it took, and the processor time of the server and of curl."""
    cpu, waited, began = cpu_ns(server.pid), waited_ns(server.pid), time.monotonic_ns()
    command = ["curl", "--silent", "--show-error", "--insecure", "--noproxy", "*", "--fail", CASES[case], "--upload-file",
               source, "--write-out", "\n%{http_version} %{time_total}", f"https://127.0.0.1:{server.port}/"]
    with start(["bash", "-c", 'TIMEFORMAT="%U %S"; time "$@"', "curl", *command], net_run.processors.load, stdout=-1,
               stderr=-1) as process:
        output, complaints = process.communicate(timeout=CURL_SECONDS)
    lines = output.split("\n")
    if process.returncode != 0 or lines[0] != str(BYTES):
        raise BenchError(f"curl: {(complaints or output).strip()}")
    version, wall = lines[1].split()
    if version != CASES[case].removeprefix("--http"):
        raise BenchError(f"curl used HTTP/{version}: it has no HTTP/2, or eddy was built without nghttp2")
    return {"wall": float(wall), "cpu": (cpu_ns(server.pid) - cpu) / 1e9,
            "curl": sum(map(float, complaints.split()[-2:])),
            "waited": (waited_ns(server.pid) - waited) / (time.monotonic_ns() - began)}
