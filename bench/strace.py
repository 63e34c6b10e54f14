# SPDX-License-Identifier: MIT
"""What strace counts: system calls. It needs no right that a process does not have over its own children, where perf needs
the kernel's tracepoints; and it makes a server slow, so it serves for loads whose count does not depend on speed."""

import re
import shutil
import subprocess
import time
from pathlib import Path

from processes import BenchError


def why_unable() -> str:
    """Why nothing can be counted here, or nothing."""
    if not shutil.which("strace"):
        return "strace is not installed (Debian: strace)"
    tried = subprocess.run(["strace", "-D", "-c", "true"], stderr=subprocess.PIPE, text=True, check=False)
    return "" if tried.returncode == 0 else f"strace may not trace: {tried.stderr.strip()}"


def command(into: Path, program: list) -> list:
    """-D: strace is the program's grandchild, so that the process that is started is the program itself."""
    return ["strace", "-D", "-f", "-c", "-U", "calls,name", "-o", into, *program]


def read(report: Path) -> int:
    """strace writes its report after the program has ended."""
    for _ in range(100):
        if found := re.search(r"^\s*(\d+) total$", report.read_text(), re.MULTILINE):
            return int(found.group(1))
        time.sleep(0.05)
    raise BenchError(f"strace has written no report, but: {report.read_text() or 'nothing'}")
