# SPDX-License-Identifier: MIT
"""The group `micro`: Google Benchmark programs, whose cases cost nanoseconds.

A nanosecond is not the same on two machines, nor on this one an hour later. Each run therefore times a malloc and
free of 128 bytes as well, and what counts is the ratio to that.
"""

import json
import subprocess
import sys

from tables import Bar, Outcome, Table, number

PROGRAM = "eddy_micro"
YARDSTICK = "malloc_free_128"

# What each case may take at most: so many times another case of the same run.
BARS: dict[str, tuple[float, str]] = {
    "await_ready_child": (1.2, YARDSTICK),
    "yield": (1.0, YARDSTICK),
    "resume_at_depth/1000": (1.2, "resume_at_depth/1"),
    "futures_unordered_wake/1000": (1.2, "futures_unordered_wake/10"),
    "futures_unordered_wake/10000": (1.2, "futures_unordered_wake/10"),
    "sleep_arm_drop_100k_live": (10.0, YARDSTICK),
    "copy_sockets/manual_time": (1.053, "copy_bare/manual_time"),  # 0.95 of the throughput
    "udp_in_batches/32": (0.333, "udp_one_by_one/32"),
    "udp_in_batches/1200": (0.333, "udp_one_by_one/1200"),
}

IN_NS = {"ns": 1, "us": 1e3, "ms": 1e6, "s": 1e9}


def run(options) -> Outcome:
    outcome = Outcome()
    program = options.build / "bench" / PROGRAM
    if not program.exists():
        outcome.missing.append(PROGRAM)
        return outcome
    print(f"micro: {PROGRAM} ...", file=sys.stderr)
    try:
        report = json.loads(benchmark(program, options.quick))
    except (subprocess.CalledProcessError, json.JSONDecodeError) as error:
        outcome.errors.append(f"{PROGRAM}: {error}")
        return outcome
    return judge(report, outcome)


def benchmark(program, quick: bool) -> str:
    """Random interleaving spreads the machine's slow moments over all cases; the median then drops them."""
    repetitions, min_time = (3, 0.05) if quick else (5, 0.2)
    command = [program, "--benchmark_format=json", "--benchmark_enable_random_interleaving=true",
               f"--benchmark_repetitions={repetitions}", f"--benchmark_min_time={min_time}"]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout


def judge(report: dict, outcome: Outcome) -> Outcome:
    cases = report["benchmarks"]
    failed = {case["run_name"]: case["error_message"] for case in cases if case.get("error_occurred")}
    outcome.errors += [f"{name}: {message}" for name, message in failed.items()]  # once, not for each repetition
    medians = {case["run_name"]: nanoseconds(case) for case in cases if case.get("aggregate_name") == "median"}
    outcome.data = {"median_ns": medians}
    yardstick = medians.get(YARDSTICK)
    if not yardstick:
        outcome.errors.append(f"{PROGRAM} has no benchmark {YARDSTICK}, so there is nothing to compare with")
        return outcome

    table = Table("micro", ["benchmark", "ns", f"x {YARDSTICK}", "bar", ""])
    for name, ns in medians.items():
        bar_cells = ["", ""]
        if name in BARS:
            times, reference = BARS[name]
            bar = Bar(f"micro {name}, of {reference}", ns / medians[reference], times)
            outcome.bars.append(bar)
            bar_cells = [f"{times} x {reference}", bar.verdict]
        table.rows.append([name, number(ns), f"{ns / yardstick:.2f}", *bar_cells])
    outcome.errors += [f"a bar is set for {name}, which {PROGRAM} does not have" for name in BARS
                       if name not in medians]
    outcome.tables.append(table)
    return outcome


def nanoseconds(case: dict) -> float:
    """Google Benchmark's own rule for which of its two times counts."""
    wall = case["run_name"].endswith(("/real_time", "/manual_time"))
    return case["real_time" if wall else "cpu_time"] * IN_NS[case["time_unit"]]
