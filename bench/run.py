#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Runs the benches and prints tables, with the bars beside the figures.

    ./dev bench                          everything
    ./dev bench net --quick              one group, roughly, in three minutes
    ./dev bench --markdown >> bench/RESULTS.md

The programs are looked up in the folder `bench` of the build folder. Progress goes to standard error. Exit status: 0 if
everything ran, whether or not a bar was missed; 1 if something is missing or went wrong.
"""

import sys

sys.dont_write_bytecode = True  # no __pycache__ in the source tree

import argparse
import json
import signal
from pathlib import Path

import compile_time
import counts
import micro
import net
import peers
import redis
import rt
import scale
from machine import describe_machine
from tables import Outcome, Table

GROUPS = {"micro": micro.run, "rt": rt.run, "net": net.run, "scale": scale.run, "compile": compile_time.run,
          "counts": counts.run, "redis": redis.run}
DEFAULT_BUILD = Path(__file__).resolve().parent.parent / "build" / "release"


def positive(text: str) -> int:
    if not text.isdigit() or int(text) == 0:
        raise argparse.ArgumentTypeError(f"{text} is no number above 0")
    return int(text)


def parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="./dev bench", description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"groups to run: {', '.join(GROUPS)} (all of them)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every figure of every round there")
    parser.add_argument("--markdown", action="store_true", help="print Markdown, for bench/RESULTS.md")
    parser.add_argument("--rounds", type=positive, metavar="N", help="rounds of rt, net, scale and redis (5; quick: 3)")
    parser.add_argument("--quick", action="store_true", help="shorter and fewer runs: good enough to see 10 %%")
    parser.add_argument("--only", default="", metavar="TEXT",
                        help="of rt, the cases with this in their names; of net, those in this list (C1,STORM)")
    parser.add_argument("--peers", default="", metavar="LIST", help="of all peers, only these (tokio,go)")
    parser.add_argument("--accept", action="store_true", help="of counts: what is counted now becomes the baseline")
    parser.add_argument("--build", type=Path, default=DEFAULT_BUILD, metavar="DIR",
                        help="the build folder (build/release)")
    options = parser.parse_args()
    if unknown := [name for name in options.names if name not in GROUPS]:
        parser.error(f"there is no group {unknown[0]}; there are {', '.join(GROUPS)}")
    options.build = options.build.resolve()
    options.names = options.names or list(GROUPS)
    options.rounds = options.rounds or (3 if options.quick else 5)
    return options


def print_results(machine: dict[str, str], outcomes: dict[str, Outcome], markdown: bool) -> None:
    title = f"{machine['date']}: Linux {machine['kernel']}, {machine['cpu']}, {machine['cores']} cores"
    print(f"## {title}\n" if markdown else title)
    print(f"Compiler: {machine['compiler']}; peers: {machine['peers']}\n")
    tables = [table for outcome in outcomes.values() for table in outcome.tables]
    bars = [bar for outcome in outcomes.values() for bar in outcome.bars]
    if bars:
        tables.append(Table("bars", ["what", "measured", "bar", ""], [bar.row() for bar in bars]))
    for table in tables:
        print(table.markdown() if markdown else table.text(), end="\n\n")
    for name, outcome in outcomes.items():
        if outcome.legend:
            print(f"{name}: {outcome.legend}\n")
    print_summary(outcomes, len(bars), sum(bar.verdict == "short" for bar in bars))


def print_summary(outcomes: dict[str, Outcome], bars: int, short: int) -> None:
    for name, outcome in outcomes.items():
        for what in outcome.missing:
            print(f"missing ({name}): {what}")
        for error in outcome.errors:
            print(f"error ({name}): {error}")
    missing = sum(len(outcome.missing) for outcome in outcomes.values())
    errors = sum(len(outcome.errors) for outcome in outcomes.values())
    print(f"{bars} bars, {short} short; {missing} missing, {errors} errors")


def write_json(path: Path, machine: dict[str, str], outcomes: dict[str, Outcome]) -> None:
    groups = {name: {"data": outcome.data, "missing": outcome.missing, "errors": outcome.errors,
                     "bars": [{**vars(bar), "verdict": bar.verdict} for bar in outcome.bars]}
              for name, outcome in outcomes.items()}
    path.write_text(json.dumps({"machine": machine, "groups": groups}, indent=2) + "\n")


def main() -> int:
    # As a Ctrl-C: the servers end with this program.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        return measure(parse_options())
    except KeyboardInterrupt:
        print("bench: interrupted; nothing is kept", file=sys.stderr)
        return 130


def measure(options: argparse.Namespace) -> int:
    if options.json:
        try:
            options.json.touch()  # before an hour of measuring
        except OSError as error:
            sys.exit(f"bench: {options.json} cannot be written: {error.strerror}")
    outcomes = {name: GROUPS[name](options) for name in options.names}
    machine = describe_machine(options.build) | {"peers": peers.versions()}
    print_results(machine, outcomes, options.markdown)
    if options.json:
        write_json(options.json, machine, outcomes)
    return 1 if any(outcome.missing or outcome.errors for outcome in outcomes.values()) else 0


if __name__ == "__main__":
    sys.exit(main())
