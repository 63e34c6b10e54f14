# SPDX-License-Identifier: MIT
"""The cost of an idle connection: memory, and processor time while the server waits.

Memory per connection is the increase from 1,000 to 10,000 connections, after the server has handled load. This excludes
what a process needs once: code, tables, and with io_uring the queues and the buffers that all connections share.
"""

import time

from net_servers import AGAIN, C100, EDDY, BenchServer, NetRun
from processes import context_switches, cpu_ns, progress, resident_bytes
from tables import Table, number

CONNECTIONS = 10_000
FEW = 1_000


def measure(net_run: NetRun) -> dict[str, dict]:
    """The figures by server: bytes per connection, other bytes, milliseconds of processor time, context switches."""
    seconds = 1 if net_run.options.quick else 2
    figures = {}
    for one in (one for one in net_run.servers if one.name != AGAIN):
        progress(net_run.group, f"IDLE {one.name}")
        if seen := net_run.attempt(f"IDLE {one.name}", lambda: measure_one(net_run, one, seconds)):
            figures[one.name] = seen
    net_run.outcome.data["idle"] = figures
    net_run.outcome.tables.append(tabulate(net_run.group, figures, seconds))
    return figures


def measure_one(net_run: NetRun, server: BenchServer, seconds: int) -> dict:
    with net_run.start(server) as running:
        # Enough requests that a ring has used all entries of its queues and all of its buffers.
        net_run.run_load(running, C100)
        running.settle()
        with net_run.idle_clients(running, FEW):
            running.settle()
            few = resident_bytes(running.pid)
            with net_run.idle_clients(running, CONNECTIONS - FEW):
                time.sleep(0.2)  # the server may still be busy when the last answer arrives
                each = (resident_bytes(running.pid) - few) / (CONNECTIONS - FEW)
                cpu, switches = cpu_ns(running.pid), context_switches(running.pid)
                time.sleep(seconds)
                return {"bytes": each,
                        "other_bytes": few - FEW * each,
                        "cpu_ms": (cpu_ns(running.pid) - cpu) / 1e6,
                        "switches": context_switches(running.pid) - switches}


def tabulate(group: str, figures: dict[str, dict], seconds: int) -> Table:
    table = Table(f"{group} IDLE: {CONNECTIONS:,} connections with one answered request each, idle for {seconds} s",
                  ["server", "bytes/connection", "eddy/server", "other MiB", "CPU ms", "context switches"], name="IDLE")
    ours = figures.get(EDDY, {}).get("bytes")
    for name, one in figures.items():
        ratio = f"{ours / one['bytes']:.2f}" if ours is not None and one["bytes"] > 0 and name != EDDY else ""
        table.rows.append([name, number(one["bytes"]), ratio, f"{one['other_bytes'] / 2**20:.1f}",
                           f"{one['cpu_ms']:.3f}", number(one["switches"])])
    table.note = ("The servers of Tokio, monoio, glommio, Asio and Go hold a buffer for each connection, as is "
                  "common in programs that use them. One page of such a buffer was touched, but all pages of "
                  "glommio's, which has to be zeroed. eddy, compio, libuv and the bare loops receive into buffers "
                  "that connections share. other MiB: resident memory of the process without any connection, after "
                  "load.")
    return table
