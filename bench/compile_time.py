# SPDX-License-Identifier: MIT
"""The group `compile`: what it takes to compile an echo server, eddy's against Asio's with coroutines.

Processor time, since it tells more than the clock does on a machine with other work; and the peak of resident memory. With
the compiler of the build folder, without ccache, in turns.
"""

import os
import shlex
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from machine import compiler_path
from processes import BenchError
from tables import Bar, Outcome, Table

BENCH = Path(__file__).resolve().parent
SOURCES = {"eddy": BENCH / "net" / "echo_eddy.cpp", "asio": BENCH / "peers" / "asio" / "asio_coroutines.cpp"}
OPTIONS = ["-O2", "-O0 -g"]
ROUNDS = 3
SECONDS_BAR = 0.5  # of Asio's

Cost = tuple[float, float]  # seconds, MB


def run(options) -> Outcome:
    outcome = Outcome()
    compiler = compiler_path(options.build)
    outcome.missing += [str(source.relative_to(BENCH)) for source in SOURCES.values() if not source.exists()]
    if not compiler:
        outcome.missing.append(f"a configured build folder, which names the compiler: {options.build}")
    if outcome.missing:
        return outcome
    table = Table(f"compile: the echo server's translation unit, {ROUNDS} rounds",
                  ["options", "eddy s", "asio s", "ratio", "eddy MB", "asio MB", "ratio"])
    for flags in OPTIONS:
        try:
            rounds = [{name: compile_once(compiler, flags, source) for name, source in SOURCES.items()}
                      for _ in range(ROUNDS)]
        except BenchError as error:
            outcome.errors.append(str(error))
            return outcome
        outcome.data[flags] = rounds
        add_row(outcome, table, flags, rounds)
    outcome.tables.append(table)
    return outcome


def compile_once(compiler: str, flags: str, source: Path) -> Cost:
    print(f"compile: {source.name} {flags}", file=sys.stderr, flush=True)
    with tempfile.NamedTemporaryFile(suffix=".o") as into:
        command = [compiler, "-std=c++23", *shlex.split(flags), "-I", BENCH, "-I", BENCH.parent / "include",
                   "-c", source, "-o", into.name]
        process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
        complaints = process.stderr.read()
        _, status, usage = os.wait4(process.pid, 0)  # counts the compiler's own children as well
    if status != 0:
        raise BenchError(f"{source} does not compile: {complaints.strip().splitlines()[0]}")
    return usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024


def add_row(outcome: Outcome, table: Table, flags: str, rounds: list[dict[str, Cost]]) -> None:
    cells = [flags]
    for index, digits in ((0, 2), (1, 0)):
        ratio = statistics.median(one["eddy"][index] / one["asio"][index] for one in rounds)
        cells += [f"{statistics.median(one[name][index] for one in rounds):.{digits}f}" for name in SOURCES]
        cells.append(f"{ratio:.2f}")
        if index == 0:
            outcome.bars.append(Bar(f"compile {flags}: seconds, x asio", ratio, SECONDS_BAR))
    table.rows.append(cells)
