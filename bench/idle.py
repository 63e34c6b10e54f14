# SPDX-License-Identifier: MIT
"""What an idle connection costs: memory, and the processor time that is spent on waiting.

Memory is counted from 1,000 connections to 10,000, of a server that has worked before, so that what a process needs once is
not taken for the connections': code and tables, and of a ring its queues and the buffers that all connections share.
"""

import time

from contest import AGAIN, C100, EDDY, Contest, Contestant, progress
from processes import context_switches, cpu_ns, resident_bytes
from tables import Table, number

CONNECTIONS = 10_000
FEW = 1_000


def measure(contest: Contest) -> dict[str, dict]:
    """The figures by contestant: bytes a connection, bytes besides, milliseconds of processor time, context switches."""
    seconds = 1 if contest.options.quick else 2
    figures = {}
    for one in (one for one in contest.contestants if one.name != AGAIN):
        progress(f"IDLE {one.name}")
        if seen := contest.attempt(f"IDLE {one.name}", lambda: measure_one(contest, one, seconds)):
            figures[one.name] = seen
    contest.outcome.data["idle"] = figures
    contest.outcome.tables.append(tabulate(figures, seconds))
    return figures


def measure_one(contest: Contest, contestant: Contestant, seconds: int) -> dict:
    with contest.server(contestant) as server:
        # Enough requests for a ring to come round its queues and to have used each of its buffers.
        contest.run_load(server, C100)
        server.settle()
        with contest.idle_clients(server, FEW):
            server.settle()
            few = resident_bytes(server.pid)
            with contest.idle_clients(server, CONNECTIONS - FEW):
                time.sleep(0.2)  # the server may still be on its way back to sleep when the last answer arrives here
                each = (resident_bytes(server.pid) - few) / (CONNECTIONS - FEW)
                cpu, switches = cpu_ns(server.pid), context_switches(server.pid)
                time.sleep(seconds)
                return {"bytes": each,
                        "bytes_besides": few - FEW * each,
                        "cpu_ms": (cpu_ns(server.pid) - cpu) / 1e6,
                        "switches": context_switches(server.pid) - switches}


def tabulate(figures: dict[str, dict], seconds: int) -> Table:
    table = Table(f"net IDLE: {CONNECTIONS:,} connections that were answered once, then nothing for {seconds} s",
                  ["server", "bytes/connection", "eddy against it", "MiB besides", "CPU ms", "context switches"])
    ours = figures.get(EDDY, {}).get("bytes")
    for name, one in figures.items():
        ratio = f"{ours / one['bytes']:.2f}" if ours is not None and one["bytes"] > 0 and name != EDDY else ""
        table.rows.append([name, number(one["bytes"]), ratio, f"{one['bytes_besides'] / 2**20:.1f}", f"{one['cpu_ms']:.3f}",
                           number(one["switches"])])
    table.note = ("The servers of Tokio, monoio, glommio, Asio and Go hold a buffer for each connection, as their users mostly write them: "
                  "of that one page was touched, but all of glommio's, which has to be zeroed. eddy, compio, libuv and the bare loops "
                  "receive into buffers that connections share. "
                  "Besides: what the process has resident without any connection, after work.")
    return table
