# SPDX-License-Identifier: MIT
"""The group `micro`: Google Benchmark programs whose cases take nanoseconds.

A nanosecond is not comparable between two machines, or between two hours on this one. Each run therefore also
measures a malloc and free of 128 bytes, and the tables show ratios to that reference.
"""

import json
import subprocess

from processes import progress
from tables import Outcome, Table, Target, number

PROGRAM = "eddy_micro"
REFERENCE = "malloc_free_128"

# The upper limit of the ratio of a case to another case of the same run.
TARGETS: dict[str, tuple[float, str]] = {
    "await_ready_child": (1.2, REFERENCE),
    "yield": (1.0, REFERENCE),
    "resume_at_depth/1000": (1.2, "resume_at_depth/1"),
    "futures_unordered_wake/1000": (1.2, "futures_unordered_wake/10"),
    "futures_unordered_wake/10000": (1.2, "futures_unordered_wake/10"),
    "sleep_arm_drop_100k_live": (10.0, REFERENCE),
    "copy_sockets/manual_time": (1.053, "copy_bare/manual_time"),  # 0.95 of its throughput
    "udp_in_batches/32": (0.333, "udp_one_by_one/32"),
    "udp_in_batches/1200": (0.333, "udp_one_by_one/1200"),
}

# The upper limit of a case in ns, on a machine that does nothing else.
LIMITS = {"sleep_lateness_p99_100k/iterations:1/manual_time": 2e6}

IN_NS = {"ns": 1, "us": 1e3, "ms": 1e6, "s": 1e9}


def run(options) -> Outcome:
    outcome = Outcome()
    program = options.build / "bench" / PROGRAM
    if not program.exists():
        outcome.absent.append(f"{PROGRAM} is not built")
        return outcome
    progress("micro", f"{PROGRAM} ...")
    try:
        report = json.loads(benchmark(program, options.quick))
    except (subprocess.CalledProcessError, json.JSONDecodeError) as error:
        outcome.errors.append(f"{PROGRAM}: {error}")
        return outcome
    return judge(report, outcome)


def benchmark(program, quick: bool) -> str:
    """Random interleaving distributes slow moments of the machine over all cases, and the median removes them."""
    repetitions, min_time = (3, 0.05) if quick else (5, 0.2)
    command = [program, "--benchmark_format=json", "--benchmark_enable_random_interleaving=true",
               f"--benchmark_repetitions={repetitions}", f"--benchmark_min_time={min_time}"]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout


def judge(report: dict, outcome: Outcome) -> Outcome:
    cases = report["benchmarks"]
    failed = {case["run_name"]: case["error_message"] for case in cases if case.get("error_occurred")}
    # One message per case, not per repetition.
    outcome.errors += [f"{name}: {message}" for name, message in failed.items()]
    medians = {case["run_name"]: nanoseconds(case) for case in cases if case.get("aggregate_name") == "median"}
    outcome.data = {"median_ns": medians}
    reference_ns = medians.get(REFERENCE)
    if not reference_ns:
        outcome.errors.append(f"{PROGRAM} has no benchmark {REFERENCE}, which all others are compared with")
        return outcome

    table = Table("micro", ["benchmark", "ns", f"x {REFERENCE}", "target", ""], name="micro")
    for name, ns in medians.items():
        target_cells = ["", ""]
        if name in TARGETS:
            times, reference = TARGETS[name]
            target = Target(f"micro {name}, of {reference}", ns / medians[reference], times)
            outcome.targets.append(target)
            target_cells = [f"{times} x {reference}", target.verdict]
        if name in LIMITS:
            target = Target(f"micro {name}", ns, LIMITS[name], " ns")
            outcome.targets.append(target)
            target_cells = [f"{number(LIMITS[name])} ns", target.verdict]
        table.rows.append([name, number(ns), f"{ns / reference_ns:.2f}", *target_cells])
    outcome.errors += [f"{name} has a target, but {PROGRAM} does not have it" for name in [*TARGETS, *LIMITS]
                       if name not in medians]
    outcome.tables.append(table)
    return outcome


def nanoseconds(case: dict) -> float:
    """Selects one of the two times by the same rule as Google Benchmark."""
    wall = case["run_name"].endswith(("/real_time", "/manual_time"))
    return case["real_time" if wall else "cpu_time"] * IN_NS[case["time_unit"]]
