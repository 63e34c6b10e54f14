# SPDX-License-Identifier: MIT
"""Describes the machine and the compiler of a run: figures of another machine or compiler are not comparable."""

import datetime
import os
import platform
import re
import shutil
import subprocess
from pathlib import Path


def describe_machine(build: Path) -> dict[str, str]:
    cpuinfo = Path("/proc/cpuinfo").read_text()
    model = re.search(r"^model name\s*:\s*(.*)$", cpuinfo, re.MULTILINE)
    return {
        "date": datetime.date.today().isoformat(),
        "kernel": platform.release(),
        "cpu": model.group(1) if model else platform.machine(),
        "cores": str(len(os.sched_getaffinity(0))),
        "compiler": compiler_of(build),
    }


def compiler_of(build: Path) -> str:
    """The version line of the compiler that the build folder was configured with."""
    path = compiler_path(build)
    return first_line([path, "--version"]) if path else "unknown"


def compiler_path(build: Path) -> str:
    """Empty if the build folder is not configured."""
    cache = build / "CMakeCache.txt"
    found = re.search(r"^CMAKE_CXX_COMPILER:\w+=(.*)$", cache.read_text(), re.MULTILINE) if cache.exists() else None
    return found.group(1) if found else ""


def first_line(command: list[str]) -> str:
    """The first line that `command` prints, which is the version of most programs. The program's name if it prints
    nothing."""
    output = output_of(command)
    return output.splitlines()[0] if output else command[0]


def output_of(command: list[str]) -> str:
    """The standard output of `command`. Empty if it cannot be run."""
    if not shutil.which(command[0]):
        return ""
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()
