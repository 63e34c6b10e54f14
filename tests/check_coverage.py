#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Checks tests/coverage.tsv, the table of features (S, P), regressions (R) and requirements of issue 20 (I20.PART.LINE;
part 6 has the programs of its trial), and the tests that cover them.

A line is `id <TAB> what <TAB> test`, and an id has one line per test. A test is one of:
    Suite.Name, Suite.*         tests of the tree
    must_not_compile.NAME       a file of runtime/tests/must_not_compile
    cmake.NAME, io_uring_denied.ERROR.NAME      tests that tests/CMakeLists.txt adds by name
    ./dev COMMAND               a whole command
    see ID                      the tests of another id
    open: REASON                what is not covered yet, and why
"""
import pathlib
import re
import sys

here = pathlib.Path(__file__).parent
macro = re.compile(r"^\s*(?:TEST|TEST_F|TEST_P|TYPED_TEST)\(\s*(\w+),\s*(\w+)\)", re.M)


def tests_of_the_tree():
    for file in sorted([*here.rglob("*_test.cpp"), *here.parent.glob("*/tests/**/*_test.cpp")]):
        for suite, name in macro.findall(file.read_text()):
            yield suite, name, file.relative_to(here.parent)


def main():
    problems, names, suites = [], {}, set()
    for suite, name, file in tests_of_the_tree():
        names[f"{suite}.{name}"] = file
        suites.add(suite)
        if len(name) > 60:
            problems.append(f"{file}: the name of {suite}.{name} has {len(name)} characters; the limit is 60")
        if re.match(r"[SPR]\d{2,3}_", name):
            problems.append(f"{file}: {suite}.{name} begins with an id; ids belong in tests/coverage.tsv")

    listing = (here / "CMakeLists.txt").read_text()
    lines = (here / "coverage.tsv").read_text().splitlines()
    rows = [line.split("\t") for line in lines[1:]]
    ids = {row[0] for row in rows}
    for number, row in enumerate(rows, start=2):
        if len(row) != 3 or not all(row):
            problems.append(f"coverage.tsv:{number}: a line is `id <TAB> what <TAB> test`")
            continue
        test = row[2]
        if test.startswith(("./dev ", "open: ")):
            known = True
        elif test.startswith("see "):
            known = test[4:] in ids
        elif test.startswith("must_not_compile."):
            known = (here.parent / "runtime" / "tests" / "must_not_compile" / (test.split(".")[1] + ".cpp")).exists()
        elif test.startswith(("cmake.", "io_uring_denied.")):
            known = test.split(".")[-1] in listing
        elif test.endswith(".*"):
            known = test[:-2] in suites
        else:
            known = test in names
        if not known:
            problems.append(f"coverage.tsv:{number}: there is no {test}")
    print("\n".join(problems), end="\n" if problems else "")
    return bool(problems)


if __name__ == "__main__":
    sys.exit(main())
