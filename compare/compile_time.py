# SPDX-License-Identifier: MIT
"""The group `compile`: the cost of compiling an echo server, eddy's against Asio's with coroutines, and a program that
calls http::get().

Measures processor time, because elapsed time depends on other work on the machine, and the peak of resident memory.
Uses the compiler of the build folder, without ccache. The two sources take turns.
"""

import os
import shlex
import statistics
import subprocess
import tempfile
from pathlib import Path

from machine import compiler_path
from processes import BenchError, progress
from tables import Outcome, Table, Target

BENCH = Path(__file__).resolve().parent
SOURCES = {"eddy": BENCH / "net" / "echo_eddy.cpp", "asio": BENCH / "peers" / "asio" / "asio_coroutines.cpp"}
OPTIONS = ["-O2", "-O0 -g"]
ROUNDS = 3
SECONDS_TARGET = 0.5  # as a ratio to Asio

HTTP_GET = BENCH / "net" / "http_get.cpp"
HTTP_GET_OPTIONS = "-O0"
HTTP_GET_TARGET = 4  # seconds

Cost = tuple[float, float]  # seconds, MB


def run(options) -> Outcome:
    outcome = Outcome()
    compiler = compiler_path(options.build)
    outcome.absent += [str(source.relative_to(BENCH)) for source in SOURCES.values() if not source.exists()]
    if not compiler:
        outcome.absent.append(f"the compiler: {options.build} is not a configured build folder")
    if outcome.absent:
        return outcome
    table = Table(f"compile: the echo server's translation unit, {ROUNDS} rounds",
                  ["options", "eddy s", "asio s", "ratio", "eddy MB", "asio MB", "ratio of MB"], name="echo server")
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
    try:
        add_http_get(outcome, compiler)
    except BenchError as error:
        outcome.errors.append(str(error))
    return outcome


def add_http_get(outcome: Outcome, compiler: str) -> None:
    rounds = [compile_once(compiler, HTTP_GET_OPTIONS, HTTP_GET) for _ in range(ROUNDS)]
    seconds, megabytes = (statistics.median(one[index] for one in rounds) for index in (0, 1))
    outcome.data[HTTP_GET.name] = rounds
    outcome.tables.append(Table(f"compile: a program that calls http::get, {ROUNDS} rounds", ["options", "s", "MB"],
                                [[HTTP_GET_OPTIONS, f"{seconds:.2f}", f"{megabytes:.0f}"]], name="http::get"))
    outcome.targets.append(Target(f"compile http::get {HTTP_GET_OPTIONS}", seconds, HTTP_GET_TARGET, " s"))


def compile_once(compiler: str, flags: str, source: Path) -> Cost:
    progress("compile", f"{source.name} {flags}")
    with tempfile.NamedTemporaryFile(suffix=".o") as into:
        command = [compiler, "-std=c++23", *shlex.split(flags), "-I", BENCH, *(f"-I{folder}" for folder in sorted(BENCH.parent.glob("*/include"))),
                   "-c", source, "-o", into.name]
        process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
        complaints = process.stderr.read()
        _, status, usage = os.wait4(process.pid, 0)  # includes the compiler's child processes
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
            outcome.targets.append(Target(f"compile {flags}: seconds, x asio", ratio, SECONDS_TARGET))
    table.rows.append(cells)
