# SPDX-License-Identifier: MIT
"""What a run was made with: the figures of another machine or compiler are others."""

import datetime
import os
import platform
import re
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
    """The compiler the build folder was configured with, in its own words."""
    path = compiler_path(build)
    return first_line([path, "--version"]) if path else "unknown"


def compiler_path(build: Path) -> str:
    """Empty if the build folder is not configured."""
    cache = build / "CMakeCache.txt"
    found = re.search(r"^CMAKE_CXX_COMPILER:\w+=(.*)$", cache.read_text(), re.MULTILINE) if cache.exists() else None
    return found.group(1) if found else ""


def first_line(command: list[str]) -> str:
    """The first line that `command` prints: most programs say their version so."""
    output = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False).stdout
    return output.splitlines()[0] if output else command[0]
