# SPDX-License-Identifier: MIT
"""What an idle connection costs: memory, and the processor time that is spent on waiting."""

import time

from contest import AGAIN, EDDY, Contest, Contestant, progress
from processes import context_switches, cpu_ns, resident_bytes
from tables import Table, number

CONNECTIONS = 10_000


def measure(contest: Contest) -> dict[str, dict]:
    """The figures by contestant: bytes a connection, milliseconds of processor time, context switches."""
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
    with contest.server(contestant) as server, contest.idle_clients(server, 1):
        # The one client before has brought in what the first connection costs: code pages, arenas, tables.
        before = resident_bytes(server.pid)
        with contest.idle_clients(server, CONNECTIONS):
            time.sleep(0.2)  # the server may still be on its way back to sleep when the last answer arrives here
            after = resident_bytes(server.pid)
            cpu, switches = cpu_ns(server.pid), context_switches(server.pid)
            time.sleep(seconds)
            return {"bytes": (after - before) / CONNECTIONS,
                    "cpu_ms": (cpu_ns(server.pid) - cpu) / 1e6,
                    "switches": context_switches(server.pid) - switches}


def tabulate(figures: dict[str, dict], seconds: int) -> Table:
    table = Table(f"net IDLE: {CONNECTIONS:,} connections that were answered once, then nothing for {seconds} s",
                  ["server", "bytes/connection", "eddy against it", "CPU ms", "context switches"])
    ours = figures.get(EDDY, {}).get("bytes")
    for name, one in figures.items():
        ratio = f"{ours / one['bytes']:.2f}" if ours is not None and one["bytes"] > 0 and name != EDDY else ""
        table.rows.append([name, number(one["bytes"]), ratio, f"{one['cpu_ms']:.3f}", number(one["switches"])])
    table.note = ("The servers of Tokio, Asio and Go hold a buffer for each connection, as their users mostly write them: of that one page "
                  "was touched. eddy, libuv and the bare loops receive into buffers that connections share.")
    return table
