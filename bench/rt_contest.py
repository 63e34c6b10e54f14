# SPDX-License-Identifier: MIT
"""Who takes part in the group `rt`, and in what."""

import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

import peers
from processes import BenchError
from rt_bars import AGAINST
from tables import Outcome

FIRST = "eddy"
AGAIN = "eddy again"
PEERS = ("tokio", "go", "asio")
MAIN_PEER = "tokio"
LIMIT = "raw"

SECONDS_PER_CASE = 90  # a case is to take 60 at most; another process may hold it up


@dataclass
class Contestant:
    name: str
    program: Path | None
    why_not: str = ""  # the program is not there
    cases: list[str] = field(default_factory=list)


@dataclass
class Contest:
    contestants: list[Contestant]
    outcome: Outcome
    units: dict[str, str] = field(default_factory=dict)  # by `metric/flavour`, in the order of the table

    def has(self, name: str) -> bool:
        return any(one.name == name and one.cases for one in self.contestants)

    def cases(self, only: str) -> list[str]:
        """In the order of the first one that has them; `only` is a part of the name."""
        cases = dict.fromkeys(case for one in self.contestants for case in one.cases)
        wanted = [case for case in cases if only in case]
        # A scope is compared with what the peers do for the same tree.
        peers_of_wanted = {AGAINST[case] for case in wanted if case in AGAINST}
        return [case for case in cases if case in wanted or case in peers_of_wanted]


def find_contestants(options, outcome: Outcome) -> list[Contestant]:
    """All that are wanted; whoever is not there is named in `outcome`."""
    found = [find(name, options.build) for name in selected(options.peers)]
    outcome.missing += [f"{one.name}: {one.why_not}" for one in found if one.why_not and one.name != AGAIN]
    return found


def selected(names: str) -> list[str]:
    """Those in the list; eddy always takes part."""
    optional = [*PEERS, LIMIT]
    chosen = [name for name in names.split(",") if name] or optional
    if unknown := [name for name in chosen if name not in optional]:
        sys.exit(f"rt: there is no peer {unknown[0]}, but: {', '.join(optional)}")
    return [FIRST, AGAIN, *(name for name in optional if name in chosen)]


def find(name: str, build: Path) -> Contestant:
    one = Contestant(name, *program_of(name, build))
    try:
        one.cases = list_cases(one.program) if one.program else []
        if one.program and not one.cases:
            one.why_not = "it lists no case"
    except (BenchError, OSError) as error:
        one.why_not = str(error)
    return one


def program_of(name: str, build: Path) -> tuple[Path | None, str]:
    """The program, or None and why there is none."""
    if name == "tokio":
        return peers.build_cargo(build.parent, "tokio", "tokio_rt")
    if name == "go":
        return peers.build_go(build.parent, "rt")
    program = build / "bench" / f"{FIRST if name == AGAIN else name}_rt"
    if program.exists():
        return program, ""
    return None, f"{program.name} is not built" + (": install libboost1.81-dev, then build again" * (name == "asio"))


def list_cases(program: Path) -> list[str]:
    return [case for case in output_of([program, "list"]).split() if not case.startswith("scale_")]  # scale.py has those


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
