#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Runs the programs of tests/mistakes/programs.cpp, and compares what they print with docs/mistakes.md.

    check.py PROGRAMS [NAME...] [--missing NAME,...]

--missing: the programs that this build does not have, and no others. NAME: only these mistakes.
"""
import argparse
import pathlib
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent.parent / "tools"))
import check_mistakes  # noqa: E402

LIMIT = 120  # seconds, for a busy machine
NO_SUCH_PROGRAM = 99


def has(printed, parts):
    """Whether a text has all the parts, in this order."""
    at = 0
    for part in parts:
        at = printed.find(part, at)
        if at < 0:
            return False
        at += len(part)
    return True


def run(programs, row, is_missing):
    """Runs one program until it has printed its answer, or has ended. Returns what is wrong; empty if nothing is."""
    with subprocess.Popen([programs, row.name], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace") as program:
        ends = threading.Timer(LIMIT, program.kill)
        ends.start()
        printed = ""
        for line in program.stdout:
            printed += line
            if row.parts and has(printed, row.parts):
                break
        ends.cancel()
        if (not printed and program.wait() == NO_SUCH_PROGRAM) != is_missing:
            program.kill()
            return f"{row.name} is {'' if is_missing else 'not '}in this build: see --missing in tests/CMakeLists.txt"
        if is_missing:
            return ""
        if row.parts:
            program.kill()  # some wait for ever
            return "" if has(printed, row.parts) else f"{row.name} does not print: {' ... '.join(row.parts)}\n{printed}"
        return "" if program.wait() == 0 and not printed else f"{row.name} ends with {program.returncode}, and prints: {printed}"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("programs")
    parser.add_argument("names", nargs="*", metavar="NAME")
    parser.add_argument("--missing", default="", metavar="NAME,...")
    chosen = parser.parse_intermixed_args()
    missing = set(filter(None, chosen.missing.split(",")))
    known = pathlib.Path(check_mistakes.top / "tests" / "mistakes" / "programs.cpp").read_text(encoding="utf-8")
    wanted = [row for row in check_mistakes.rows() if f'{{"{row.name}", ' in known and (row.parts or row.when == "none")]
    if chosen.names:
        wanted = [row for row in wanted if row.name in chosen.names]
    with ThreadPoolExecutor(4) as pool:
        problems = [problem for problem in pool.map(lambda row: run(chosen.programs, row, row.name in missing), wanted) if problem]
    skipped = [row.name for row in wanted if row.name in missing]
    print("\n".join(problems) or f"{len(wanted) - len(skipped)} programs give the answers of the page")
    if skipped:
        print(f"skipped: {len(skipped)}, not in this build: {', '.join(skipped)}")
    return 1 if problems or not wanted else 0


if __name__ == "__main__":
    sys.exit(main())
