#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Prints a table of line and branch coverage by module, or what no test has run:  coverage.py BUILD [--missing REGEX]

A module is a library, or a folder of src/ or of include/eddy/ of the runtime. With --missing, prints the lines and the sides of branches
that no test has run, of all files whose path matches REGEX.

llvm-cov reads each test program separately. Given all at once, it reports only one copy of a function that the programs compile
differently. Here, a line has run if it has run in any program and in any instance of its template. The same applies to each side
of a branch, which is identified by its line and column. Each program contains functions that it does not call and that
another program compiles differently: "mismatched data" in a warning of llvm-cov.

A constexpr or consteval function that has never run is not counted: only the compiler calls it, for example in a static_assert.
"""
import argparse
import collections
import concurrent.futures
import functools
import os
import pathlib
import re
import subprocess

TOP = pathlib.Path(__file__).resolve().parents[1]
FILE = re.compile(r"(/\S+):$")
LINE = re.compile(r" *(\d+)\| *([0-9.]+[kMGTPEZY]?)\|")
CONSTANT = re.compile(r"(?<!if )\b(?:constexpr|consteval)\b[^;{}=]*\([^;{}]*\{")  # the head of a function
BRANCH = re.compile(r" *\|  Branch \((\d+):(\d+)\): \[(True): (\S+), (False): (\S+)\]")  # not `[Folded - Ignored]`


def programs(build):
    """The test programs of the build: the executables in BUILD/tests that contain a coverage mapping."""
    for file in sorted((build / "tests").iterdir()):
        if file.is_file() and os.access(file, os.X_OK) and b"__llvm_covmap" in file.read_bytes():
            yield file


def show(profile, sources, program):
    return subprocess.run(
        ["llvm-cov-19", "show", "-use-color=0", "-show-instantiations=false", "-show-branches=count",
         f"-instr-profile={profile}", program, *sources],
        check=True, stdout=subprocess.PIPE, text=True).stdout


def read(text, lines, branches):
    """Adds what `llvm-cov show` has printed: {(file, line): has run} and {(file, line, column, side): has run}."""
    file = None
    for row in text.splitlines():
        if found := LINE.match(row):
            lines[file, int(found[1])] |= found[2] != "0"
        elif found := BRANCH.match(row):
            line, column, *sides = found.groups()
            for side, count in zip(sides[::2], sides[1::2]):
                branches[file, int(line), int(column), side] |= count != "0"
        elif found := FILE.match(row):
            file = pathlib.Path(found[1])


def end_of_body(text, begin):
    """The index after the brace that closes the one before `begin`. Braces in strings must be balanced."""
    depth = 1
    for brace in re.compile(r"[{}]").finditer(text, begin):
        depth += 1 if brace[0] == "{" else -1
        if depth == 0:
            return brace.end()
    return len(text)


def drop_constant_functions(lines, branches):
    """Removes the constexpr and consteval functions of which no line has run."""
    for file in {file for file, _ in lines}:
        text = file.read_text()
        for head in CONSTANT.finditer(text):
            first = text.count("\n", 0, head.start()) + 1
            last = text.count("\n", 0, end_of_body(text, head.end())) + 1
            if any(lines.get((file, line)) for line in range(first, last + 1)):
                continue
            for line in range(first, last + 1):
                lines.pop((file, line), None)
            for key in [key for key in branches if key[0] == file and first <= key[1] <= last]:
                del branches[key]


def percent(counts):
    return f"{sum(counts)} of {len(counts)} | {100 * sum(counts) / max(1, len(counts)):.1f}"


def module_of(file, top=TOP):
    parts = file.relative_to(top).parts
    if parts[0] != "runtime":
        return parts[0]
    parts = parts[3:] if parts[1] == "include" else parts[2:]
    return parts[0] if len(parts) > 1 else "(top)"


def print_table(lines, branches):
    modules = collections.defaultdict(lambda: ([], []))
    for kind, counts in enumerate((lines, branches)):
        for key, has_run in counts.items():
            for module in (module_of(key[0]), "~all"):  # ~: the last one
                modules[module][kind].append(has_run)
    print("| module | lines | % | branches | % |\n|---|--:|--:|--:|--:|")
    for module, kinds in sorted(modules.items()):
        print(f"| {module.lstrip('~')} | " + " | ".join(map(percent, kinds)) + " |")


def print_missing(lines, branches, pattern):
    missing = [(file, line, "") for (file, line), has_run in lines.items() if not has_run]
    missing += [(file, line, f" (column {column}: never {side.lower()})")
                for (file, line, column, side), has_run in branches.items() if not has_run and lines.get((file, line))]
    for file, line, what in sorted(missing):
        path = str(file.relative_to(TOP))
        if re.search(pattern, path):
            print(f"{path}:{line}:{what} {file.read_text().splitlines()[line - 1]}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("build", type=pathlib.Path)
    parser.add_argument("--missing", metavar="REGEX")
    arguments = parser.parse_args()
    build = arguments.build.resolve()

    profiles = list((build / "profiles").glob("*.profraw"))
    if not profiles:
        parser.error("no test has written a profile")
    merged = build / "profiles" / "all.profdata"
    # Failure mode `all`: skips the empty file of a process that was killed while it created it.
    subprocess.run(["llvm-profdata-19", "merge", "-sparse", "-failure-mode=all", "-o", merged, *profiles], check=True)

    lines, branches = collections.defaultdict(bool), collections.defaultdict(bool)
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        for text in pool.map(functools.partial(show, merged, [*TOP.glob("*/src"), *TOP.glob("*/include")]), programs(build)):
            read(text, lines, branches)
    drop_constant_functions(lines, branches)
    if arguments.missing is None:
        print_table(lines, branches)
    else:
        print_missing(lines, branches, arguments.missing)


if __name__ == "__main__":
    main()
