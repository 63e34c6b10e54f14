# SPDX-License-Identifier: MIT
"""The programs of the group `rt`, and the cases that each of them has."""

import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

import peers
from processes import BenchError
from rt_targets import AGAINST
from tables import Outcome

EDDY = "eddy"
AGAIN = "eddy again"
PEERS = ("tokio", "go", "asio", "tmc")
MAIN_PEER = "tokio"
BY_HAND = "raw"

SECONDS_PER_CASE = 90  # a case should take at most 60, but other processes may delay it


@dataclass
class Program:
    name: str
    path: Path | None
    why_not: str = ""  # why the program is not available
    cases: list[str] = field(default_factory=list)


@dataclass
class RtRun:
    """A run of the group: the state that its parts share."""

    programs: list[Program]
    outcome: Outcome
    units: dict[str, str] = field(default_factory=dict)  # by `metric/flavour`, in the order of the table

    def has(self, name: str) -> bool:
        return any(one.name == name and one.cases for one in self.programs)

    def cases(self, only: str) -> list[str]:
        """The cases with `only` in their names, in the order of the first program that has them."""
        cases = dict.fromkeys(case for one in self.programs for case in one.cases)
        wanted = [case for case in cases if only in case]
        # A tree with scopes is compared with the same tree of the peers, so that case is needed too.
        compared = {AGAINST[case] for case in wanted if case in AGAINST}
        return [case for case in cases if case in wanted or case in compared]


def find_programs(options, outcome: Outcome) -> list[Program]:
    """The selected programs. Those that are not available are also listed in `outcome`."""
    found = [find(name, options.build) for name in selected(options.peers)]
    outcome.absent += [f"{one.name}: {one.why_not}" for one in found if one.why_not and one.name != AGAIN]
    return found


def selected(names: str) -> list[str]:
    """The programs that take part, if the user selected `names`. eddy always takes part; an empty list selects all."""
    optional = [*PEERS, BY_HAND]
    chosen = [name for name in names.split(",") if name] or optional
    if unknown := [name for name in chosen if name not in optional]:
        sys.exit(f"rt: there is no peer {unknown[0]}; the peers are {', '.join(optional)}")
    return [EDDY, AGAIN, *(name for name in optional if name in chosen)]


def find(name: str, build: Path) -> Program:
    one = Program(name, *program_of(name, build))
    try:
        one.cases = list_cases(one.path) if one.path else []
        if one.path and not one.cases:
            one.why_not = "it lists no case"
    except (BenchError, OSError) as error:
        one.why_not = str(error)
    return one


def program_of(name: str, build: Path) -> tuple[Path | None, str]:
    """The path of the program, or None and the reason."""
    if name == "tokio":
        return peers.build_cargo(build.parent, "tokio", "tokio_rt")
    if name == "go":
        return peers.build_go(build.parent, "rt")
    if name == "tmc":
        return peers.build_tmc(build.parent)
    program = build / "bench" / f"{EDDY if name == AGAIN else name}_rt"
    if program.exists():
        return program, ""
    return None, f"{program.name} is not built" + (": install libboost1.81-dev, then build again" * (name == "asio"))


def list_cases(program: Path) -> list[str]:
    # scale.py runs the cases of scale.
    return [case for case in output_of([program, "list"]).split() if not case.startswith("scale_")]


def output_of(command: list) -> str:
    name = Path(command[0]).name
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS_PER_CASE, check=False)
    except subprocess.TimeoutExpired:
        raise BenchError(f"{name} took longer than {SECONDS_PER_CASE} s") from None
    if done.returncode != 0:
        complaint = done.stderr.strip().splitlines()
        raise BenchError(f"{name} ended with status {done.returncode}" + (f": {complaint[0]}" if complaint else ""))
    return done.stdout
