# SPDX-License-Identifier: MIT
"""Counts instructions and calls of malloc and similar functions with valgrind's callgrind."""

import re
from dataclasses import dataclass
from pathlib import Path

ALLOCATES = re.compile(r"(__libc_)?(malloc|calloc|realloc|memalign|aligned_alloc|posix_memalign)")


@dataclass(frozen=True)
class Count:
    instructions: int
    allocations: int


def command(into: Path, program: list) -> list:
    # The log is discarded: valgrind reports each system call that it does not know. eddy has fallbacks for these calls.
    return ["valgrind", "--quiet", "--log-file=/dev/null", "--tool=callgrind", f"--callgrind-out-file={into}", *program]


def read(report: Path) -> Count:
    """Reads a report. See "Callgrind Format Specification" in valgrind's manual: `calls=` belongs to the preceding
    `cfn=`, and a function's name is given only where its number occurs first."""
    names: dict[str, str] = {}
    instructions = allocations = 0
    called = ""
    for line in report.read_text().splitlines():
        if found := re.match(r"(c?)fn=\((\d+)\)(?: (.*))?", line):
            is_call, index, name = found.groups()
            if name:
                names[index] = name
            if is_call:
                called = names[index]
        elif line.startswith("calls=") and ALLOCATES.fullmatch(called):
            allocations += int(line.removeprefix("calls=").split()[0])
        elif line.startswith("totals:"):
            instructions = int(line.split()[1])
    return Count(instructions, allocations)
