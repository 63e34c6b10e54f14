# SPDX-License-Identifier: MIT
"""HTTP/2 in the group `http`: eddy's server against nghttpd, which uses the same protocol library.

h2load makes 10 connections with 100 requests in flight on each. The servers take turns in short slices, as in
net_timing.py. An idle connection has answered one request. The same is measured for sessions of nghttp2 without a
server.
"""

import shutil
import statistics
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from socket import AF_INET, SOCK_STREAM, socket

from net_rounds import DISTURBED
from net_servers import EDDY, NetRun
from processes import BenchError, cpu_ns, progress, resident_bytes, rotated, start, stop, waited_ns
from tables import Table, Target, number, spread

H2 = "H2"
H2_IDLE = "H2_IDLE"
NAMES = [H2, H2_IDLE]
NGHTTPD = "nghttpd"

CPU = 1.0  # processor time per request, as a ratio to nghttpd
IDLE_BYTES = 12 * 1024  # per connection

REQUESTS = 20_000  # of a slice
FEW, MANY = 200, 2_000  # idle connections


class Nghttpd:
    """nghttpd with a file of 13 bytes, on a free port."""

    def __init__(self, folder: Path, processor: int):
        (folder / "index.html").write_text("Hello, World!")
        with socket(AF_INET, SOCK_STREAM) as unused:
            unused.bind(("127.0.0.1", 0))
            self.port = unused.getsockname()[1]
        self.process = start([NGHTTPD, "--no-tls", "-n1", "-a", "127.0.0.1", "-d", folder, self.port], processor)
        self.pid = self.process.pid
        deadline = time.monotonic() + 10
        while not is_open(self.port):
            if time.monotonic() > deadline or self.process.poll() is not None:
                raise BenchError("nghttpd does not accept connections")
            time.sleep(0.02)

    def stop(self) -> None:
        stop(self.process)


def is_open(port: int) -> bool:
    with socket(AF_INET, SOCK_STREAM) as client:
        return client.connect_ex(("127.0.0.1", port)) == 0


def run(net_run: NetRun) -> None:
    wanted = [name for name in NAMES if name in net_run.wanted]
    if not wanted or not net_run.has(EDDY):
        return
    if H2 in wanted:
        missing = [tool for tool in ("h2load", NGHTTPD) if not shutil.which(tool)]
        net_run.outcome.absent += [f"{tool}: install nghttp2-client and nghttp2-server" for tool in missing]
        if not missing:
            net_run.attempt(H2, lambda: compare(net_run))
    if H2_IDLE in wanted:
        net_run.attempt(H2_IDLE, lambda: measure_idle(net_run))


def compare(net_run: NetRun) -> None:
    ratios: list[float] = []
    figures: dict[str, list[dict]] = {NGHTTPD: [], EDDY: []}
    disturbed = 0
    with ExitStack() as cleanup:
        servers = start_both(net_run, cleanup)
        for turn in range(3 * net_run.options.rounds):
            progress(net_run.group, f"{H2} slice {turn + 1}")
            now = {name: load(net_run, servers[name]) for name in rotated(list(servers), turn)}
            if max(one["waited"] for one in now.values()) > DISTURBED:
                disturbed += 1
            for name, one in now.items():
                figures[name].append(one)
            ratios.append(now[EDDY]["cpu_us"] / now[NGHTTPD]["cpu_us"])
    table = Table(f"http {H2}: h2load -c10 -m100, {len(ratios)} slices",
                  ["server", "CPU us/request", "ratio", "spread", "requests/s"], name=H2)
    for name, all_of in figures.items():
        cpu = statistics.median(one["cpu_us"] for one in all_of)
        rate = statistics.median(one["rate"] for one in all_of)
        own = [one["cpu_us"] / other["cpu_us"] for one, other in zip(all_of, figures[NGHTTPD])]
        table.rows.append([name, number(cpu), f"{statistics.median(own):.3f}", spread(own), number(rate)])
    table.note = f"Other processes disturbed {disturbed} of {len(ratios)} slices." if disturbed else ""
    net_run.outcome.tables.append(table)
    net_run.outcome.data["h2"] = figures
    net_run.outcome.targets.append(Target(f"{EDDY}, {H2}: CPU per request, x {NGHTTPD}", statistics.median(ratios), CPU,
                                          is_judged=disturbed <= len(ratios) / 2))


def start_both(net_run: NetRun, cleanup: ExitStack) -> dict:
    folder = Path(cleanup.enter_context(tempfile.TemporaryDirectory()))
    reference = Nghttpd(folder, net_run.processors.server)
    cleanup.callback(reference.stop)
    ours = cleanup.enter_context(start_eddy(net_run))
    return {NGHTTPD: reference, EDDY: ours}


def start_eddy(net_run: NetRun):
    return net_run.start(next(one for one in net_run.servers if one.name == EDDY))


def load(net_run: NetRun, server) -> dict:
    """Runs h2load once, and returns the processor time of the server per request."""
    cpu, waited, began = cpu_ns(server.pid), waited_ns(server.pid), time.monotonic_ns()
    command = ["h2load", "-t1", "-c10", "-m100", f"-n{REQUESTS}", f"http://127.0.0.1:{server.port}/"]
    with start(command, net_run.processors.load, stdout=-1, stderr=-1) as process:
        output, complaints = process.communicate(timeout=60)
    if process.returncode != 0 or f"{REQUESTS} succeeded, 0 failed" not in output:
        raise BenchError(f"h2load: {(complaints or output).strip()}")
    elapsed = time.monotonic_ns() - began
    return {"cpu_us": (cpu_ns(server.pid) - cpu) / 1e3 / REQUESTS, "rate": REQUESTS / elapsed * 1e9,
            "waited": (waited_ns(server.pid) - waited) / elapsed}


# ---- Idle connections ----

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
SETTINGS = bytes([0, 0, 0, 4, 0, 0, 0, 0, 0])
SETTINGS_ACK = bytes([0, 0, 0, 4, 1, 0, 0, 0, 0])
# GET http://localhost/ with indexed fields of HPACK, on stream 1, with END_HEADERS and END_STREAM.
FIELDS = b"\x82\x86\x84\x41\x09localhost"
REQUEST = bytes([0, 0, len(FIELDS), 1, 5, 0, 0, 0, 1]) + FIELDS


def measure_idle(net_run: NetRun) -> None:
    progress(net_run.group, H2_IDLE)
    with start_eddy(net_run) as server, ExitStack() as clients:
        for _ in range(FEW):
            clients.enter_context(idle_client(server.port))
        server.settle()
        before = resident_bytes(server.pid)
        for _ in range(MANY - FEW):
            clients.enter_context(idle_client(server.port))
        server.settle()
        each = (resident_bytes(server.pid) - before) / (MANY - FEW)
    table = Table(f"http {H2_IDLE}: {MANY:,} connections with one answered request each", ["server", "bytes/connection"],
                  [[EDDY, number(each)], ["nghttp2's sessions alone", number(sessions_alone(net_run))]], name=H2_IDLE)
    net_run.outcome.tables.append(table)
    net_run.outcome.targets.append(Target(f"{EDDY}, {H2_IDLE}: bytes per connection", each, IDLE_BYTES))


def sessions_alone(net_run: NetRun) -> float:
    """Returns the bytes that nghttp2 needs per session: no connection of a server that uses it can need less."""
    program = net_run.options.build / "bench" / "bench_http2_sessions"
    with start([program, FEW, MANY], net_run.processors.server, stdout=-1) as process:
        output, _ = process.communicate(timeout=60)
    if process.returncode != 0:
        raise BenchError(f"{program.name}: status {process.returncode}")
    return float(output)


def idle_client(port: int) -> socket:
    client = socket(AF_INET, SOCK_STREAM)
    client.settimeout(10)
    client.connect(("127.0.0.1", port))
    client.sendall(PREFACE + SETTINGS + SETTINGS_ACK + REQUEST)
    received = b""
    while b"Hello, World!" not in received:
        more = client.recv(4096)
        if not more:
            raise BenchError("the server has closed an HTTP/2 connection before its answer")
        received += more
    return client
