# SPDX-License-Identifier: MIT
"""Counts system calls with strace. strace needs no privileges to trace its own children, whereas perf needs access to
the kernel's tracepoints. It slows a server down, so it is used only for loads whose count does not depend on
speed."""

import re
import shutil
import subprocess
import time
from pathlib import Path

from processes import BenchError


def why_unable() -> str:
    """The reason why strace cannot count here. Empty if it can."""
    if not shutil.which("strace"):
        return "strace is not installed (Debian: strace)"
    tried = subprocess.run(["strace", "-D", "-c", "true"], stderr=subprocess.PIPE, text=True, check=False)
    return "" if tried.returncode == 0 else f"strace may not trace: {tried.stderr.strip()}"


def command(into: Path, program: list) -> list:
    """The command that runs `program` under strace. With -D, strace is a grandchild, and the started process is
    `program`."""
    return ["strace", "-D", "-f", "-c", "-U", "calls,name", "-o", into, *program]


def read(report: Path) -> int:
    """Waits for the report, which strace writes after the program has ended."""
    for _ in range(100):
        if found := re.search(r"^\s*(\d+) total$", report.read_text(), re.MULTILINE):
            return int(found.group(1))
        time.sleep(0.05)
    raise BenchError(f"strace wrote no report; the file contains: {report.read_text() or 'nothing'}")
