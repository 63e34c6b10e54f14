#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Runs the benchmarks and prints tables, with a target next to each figure that has one.

    ./dev bench                          everything
    ./dev bench net --quick              one group, with less precision, in three minutes
    ./dev bench net --save               stores the figures in results/net.json, and updates the plots and pages

Programs are taken from the folder `bench` of the build folder. Progress is printed to standard error. Exit status: 0 if
everything ran, even if a target was missed; 1 if a program is missing or an error occurred.
"""

import sys

sys.dont_write_bytecode = True  # no __pycache__ in the source tree

import argparse
import json
import shlex
import signal
from pathlib import Path

import compile_time
import counts
import http_servers
import inspect_costs
import micro
import net
import peers
import plot
import redis
import results
import rt
import scale
import tls
from machine import describe_machine
from tables import Outcome, Table

GROUPS = {"micro": micro.run, "rt": rt.run, "net": net.run, "http": http_servers.run, "tls": tls.run, "scale": scale.run,
          "compile": compile_time.run, "counts": counts.run, "redis": redis.run, "inspect": inspect_costs.run}
DEFAULT_BUILD = Path(__file__).resolve().parent.parent / "build" / "release"


def positive(text: str) -> int:
    if not text.isdigit() or int(text) == 0:
        raise argparse.ArgumentTypeError(f"{text} is not a number above 0")
    return int(text)


def parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="./dev bench", description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"groups to run: {', '.join(GROUPS)} (default: all)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures of all rounds to FILE")
    parser.add_argument("--save", action="store_true",
                        help="store the figures in results/GROUP.json, and update the plots and pages")
    parser.add_argument("--rounds", type=positive, metavar="N",
                        help="rounds of rt, net, http, tls, scale and redis (5; quick: 3)")
    parser.add_argument("--quick", action="store_true", help="shorter and fewer runs; enough to see 10 %%")
    parser.add_argument("--only", default="", metavar="TEXT",
                        help="rt: only cases with TEXT in their names; net, http, tls: only cases in this list (C1,C100)")
    parser.add_argument("--peers", default="", metavar="LIST", help="only these peers (tokio,go)")
    parser.add_argument("--accept", action="store_true", help="counts: make the new counts the baseline")
    parser.add_argument("--build", type=Path, default=DEFAULT_BUILD, metavar="DIR",
                        help="the build folder (build/release)")
    parser.add_argument("--check-options", action="store_true", help=argparse.SUPPRESS)  # for ./dev: runs nothing
    options = parser.parse_args()
    if unknown := [name for name in options.names if name not in GROUPS]:
        parser.error(f"there is no group {unknown[0]}; the groups are {', '.join(GROUPS)}")
    options.build = options.build.resolve()
    options.names = options.names or list(GROUPS)
    options.rounds = options.rounds or (3 if options.quick else 5)
    return options


def print_results(machine: dict[str, str], outcomes: dict[str, Outcome]) -> None:
    print(f"{machine['date']}: Linux {machine['kernel']}, {machine['cpu']}, {machine['cores']} cores")
    print(f"Compiler: {machine['compiler']}; peers: {machine['peers']}\n")
    tables = [table for outcome in outcomes.values() for table in outcome.tables]
    targets = [target for outcome in outcomes.values() for target in outcome.targets]
    if targets:
        tables.append(Table("targets", ["what", "measured", "target", ""], [target.row() for target in targets]))
    for table in tables:
        print(table.text(), end="\n\n")
    for name, outcome in outcomes.items():
        if outcome.legend:
            print(f"{name}: {outcome.legend}\n")
    print_summary(outcomes, len(targets), sum(target.verdict == "missed" for target in targets))


def print_summary(outcomes: dict[str, Outcome], targets: int, missed: int) -> None:
    for name, outcome in outcomes.items():
        for what in outcome.absent:
            print(f"not available ({name}): {what}")
        for error in outcome.errors:
            print(f"error ({name}): {error}")
    absent = sum(len(outcome.absent) for outcome in outcomes.values())
    errors = sum(len(outcome.errors) for outcome in outcomes.values())
    print(f"{targets} targets, {missed} missed; {absent} programs not available, {errors} errors")


def save(machine: dict[str, str], outcomes: dict[str, Outcome]) -> None:
    command = shlex.join(["./dev", "bench", *(one for one in sys.argv[1:] if one != "--save")])
    for name, outcome in outcomes.items():
        if outcome.errors:
            print(f"{name} has errors, so its figures are not stored")
        else:
            results.save(name, outcome, {"command": command, **machine, "remark": ""})
    plot.write()


def write_json(path: Path, machine: dict[str, str], outcomes: dict[str, Outcome]) -> None:
    groups = {name: {"data": outcome.data, "absent": outcome.absent, "errors": outcome.errors,
                     "targets": [{**vars(target), "verdict": target.verdict} for target in outcome.targets]}
              for name, outcome in outcomes.items()}
    path.write_text(json.dumps({"machine": machine, "groups": groups}, indent=2) + "\n")


def main() -> int:
    # SIGTERM is handled like Ctrl-C, so that the servers are stopped as well.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        options = parse_options()
        return 0 if options.check_options else measure(options)
    except KeyboardInterrupt:
        print("bench: interrupted; all figures are discarded", file=sys.stderr)
        return 130


def measure(options: argparse.Namespace) -> int:
    if options.json:
        try:
            options.json.touch()  # fails now instead of after an hour of measuring
        except OSError as error:
            sys.exit(f"bench: {options.json} cannot be written: {error.strerror}")
    outcomes = {name: GROUPS[name](options) for name in options.names}
    machine = describe_machine(options.build) | {"peers": peers.versions()}
    print_results(machine, outcomes)
    if options.json:
        write_json(options.json, machine, outcomes)
    if options.save:
        save(machine, outcomes)
    return 1 if any(outcome.absent or outcome.errors for outcome in outcomes.values()) else 0


if __name__ == "__main__":
    sys.exit(main())
