#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Checks that each row of tests/features.tsv has a test, or says what is open.

    check_coverage.py               prints the problems; the status is 1 if there are any
    check_coverage.py --of R042...  prints the tests of these rows, with file and line
    check_coverage.py --table       prints all rows with their tests: id, title, place, test, separated by tabs

A row of features.tsv is `id <TAB> title`, and a third column `open: REASON` if a part of it, or all of it, has no test.
The ids are features (S, P), what goes beyond other runtimes (B), known bugs of other runtimes (R), and requirements
(I20). A test names its rows in the comment directly above it. Only other comments may be in between:

    // covers: R042 P001
    TEST(RuntimeSchedule, PushWakesOwner) {

In the first comment of a file, the line is about the whole file: all tests of a *_test.cpp, or a case of
must_not_compile. Other checks have the line, too: `# covers: S04` above a function of ./dev, or in a CMakeLists.txt.
"""
import argparse
import os
import pathlib
import re
import signal
import sys
from dataclasses import dataclass

line_of_ids = re.compile(r"^\s*(?://|#) covers: (.+)$")
almost = re.compile(r"^\s*(?://+|#+)\s*covers?\b\W*[SPBRI]\d", re.I)
runs = re.compile(r"^// runs: (.+)$", re.M)
almost_runs = re.compile(r"^\s*//+\s*runs?\s*:", re.I)
comment = re.compile(r"^\s*(?://|#(?!include|if|define|pragma|undef|ifndef|ifdef))")
macro = re.compile(r"^\s*(?:TEST|TEST_F|TEST_P|TYPED_TEST)\(\s*(\w+),\s*(\w+)\)")
macro_in_file = re.compile(r"^(?:TEST|TEST_F|TEST_P|TYPED_TEST)\(", re.M)
endings = (".cpp", ".hpp", ".py", ".sh", ".cmake")


@dataclass
class Row:
    title: str
    open: str


@dataclass
class Cover:
    id: str
    file: pathlib.Path
    line: int
    test: str  # Suite.Name, or the line that follows


def files_of(top):
    """The files that may contain tests."""
    for folder, folders, names in os.walk(top):
        folders[:] = sorted(name for name in folders if name != "build" and not name.startswith("."))
        for name in sorted(names):
            if name.endswith(endings) and not name.startswith("check_coverage") or name in ("CMakeLists.txt", "dev"):
                yield pathlib.Path(folder, name)


def read_rows(file, problems):
    rows = {}
    for number, line in enumerate(file.read_text().splitlines(), start=1):
        match line.split("\t"):
            case ["id", *_] if number == 1:
                continue
            case [id, title] if id and title:
                row = Row(title, "")
            case [id, title, reason] if id and title and re.match(r"open: \S", reason):
                row = Row(title, reason)
            case _:
                problems.append(f"{file.name}:{number}: write `id <TAB> title` or `id <TAB> title <TAB> open: REASON`")
                continue
        if id in rows:
            problems.append(f"{file.name}:{number}: {id} is there twice")
        rows[id] = row
    return rows


def covers_of(file, name, problems):
    """Returns the Covers of a file, and checks the names of its tests."""
    text = file.read_text(errors="replace")
    is_test = file.name.endswith("_test.cpp")
    if not is_test and "covers" not in text:
        return []
    found, ids, in_head = [], [], True
    lines = text.splitlines()
    for number, line in enumerate(lines, start=1):
        if match := line_of_ids.match(line):
            ids += [(id, number) for id in match[1].split()]
            continue
        if almost.match(line):
            problems.append(f"{name}:{number}: write `covers: S01 S02`")
        if is_test and almost_runs.match(line) and not (in_head and runs.match(line)):
            problems.append(f"{name}:{number}: write `// runs: once, tsan` in the first comment of the file")
        is_comment = comment.match(line) is not None
        if not ids and not is_test:
            in_head = in_head and is_comment
            continue
        test = macro.match(line)
        if test and is_test:
            case = test[2]
            if len(case) > 60:
                problems.append(f"{name}:{number}: the name {case} has {len(case)} characters; the limit is 60")
            if re.match(r"[SPBR]\d{2,3}_", case):
                problems.append(f"{name}:{number}: {case} begins with an id; ids belong in a comment `// covers: ID`")
        if is_comment:
            continue
        if ids and in_head:
            what = f"all {sum(macro.match(each) is not None for each in lines)} tests" if is_test else "the whole file"
            found += [Cover(id, name, at, what) for id, at in ids]
        elif ids and (not line.strip() or (is_test and not test)):
            problems.append(f"{name}:{ids[0][1]}: the line `covers:` is not directly above a test")
        else:
            what = ".".join(test.groups()) if test else line.strip()
            found += [Cover(id, name, number if test else at, what) for id, at in ids]
        ids, in_head = [], False
    if ids:
        problems.append(f"{name}:{ids[0][1]}: the line `covers:` is not directly above a test")
    return found


def is_in_program(file):
    """Whether a CMakeLists.txt makes an executable of this file of tests: by eddy_tests(), or by a pattern beside it."""
    ways = runs.search(file.read_text())
    kinds = set(re.split(", *", ways[1]) if ways else []) - {"each driver", "once", "asan", "tsan", "plain"}
    for folder in (file.parent, file.parent.parent):
        text = (folder / "CMakeLists.txt").read_text() if (folder / "CMakeLists.txt").exists() else ""
        if folder == file.parent and re.search(r"file\(GLOB .*\*_test\.cpp", text):
            return True
        variables = dict(re.findall(r"^ *set\((\w+) ([^)]+)\)", text, re.M))
        text = re.sub(r"\$\{(\w+)\}", lambda name: variables.get(name[1], name[0]), text)
        for call in re.findall(r"\beddy_tests\(([^)]+)\)", text):
            name, *words = call.split()
            if "FILES" in words and (name == file.parent.name or f"{file.parent.name}/{file.name}" in words):
                return True
            kind = re.search(r'KIND (?:"([^"]+)"|(\w+))', call)
            is_here = file.parent.name in words if folder != file.parent else not {"FOLDERS", "FILES"} & set(words)
            if is_here and kinds == ({kind[1] or kind[2]} if kind else set()):
                return True
    return False


def coverage_of(top):
    """Returns the rows, the Covers, and the problems of the tree."""
    problems, covers = [], []
    rows = read_rows(top / "tests/features.tsv", problems)
    for file in files_of(top):
        name = file.relative_to(top)
        covers += covers_of(file, name, problems)
        if "tests" in name.parts and "support" not in name.parts and file.suffix == ".cpp":
            if not file.name.endswith("_test.cpp"):
                if macro_in_file.search(file.read_text(errors="replace")):
                    problems.append(f"{name} has tests: its name must end in _test.cpp")
            elif not is_in_program(file):
                problems.append(f"{name} is in no executable, so no build runs it: see eddy_tests() in tests/CMakeLists.txt")
    seen = set()
    for cover in covers:
        if cover.id not in rows:
            problems.append(f"{cover.file}:{cover.line}: tests/features.tsv has no {cover.id}")
        if (cover.id, cover.file, cover.test) in seen:
            problems.append(f"{cover.file}:{cover.line}: {cover.test} covers {cover.id} twice")
        seen.add((cover.id, cover.file, cover.test))
    covered = {cover.id for cover in covers}
    for id, row in rows.items():
        if id not in covered and not row.open:
            problems.append(f"features.tsv: {id} has no test: add `// covers: {id}` to one, or `open: REASON`")
    return rows, covers, problems


def main():
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # no traceback if `head` ends first
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--of", nargs="+", metavar="ID", help="print the tests of these rows")
    parser.add_argument("--table", action="store_true", help="print all rows with their tests")
    arguments = parser.parse_args()
    rows, covers, problems = coverage_of(pathlib.Path(__file__).resolve().parent.parent)
    if unknown := [id for id in arguments.of or [] if id not in rows]:
        parser.error(f"tests/features.tsv has no {' '.join(unknown)}")
    if arguments.of:
        for id in arguments.of:
            print(f"{id}: {rows[id].title}")
            for cover in covers:
                if cover.id == id:
                    print(f"    {cover.file}:{cover.line}: {cover.test}")
            if rows[id].open:
                print(f"    {rows[id].open}")
        return 0
    if arguments.table:
        print("id\ttitle\tplace\ttest")
        for id, row in rows.items():
            for cover in covers:
                if cover.id == id:
                    print(f"{id}\t{row.title}\t{cover.file}:{cover.line}\t{cover.test}")
            if row.open:
                print(f"{id}\t{row.title}\t\t{row.open}")
        return 0
    print("\n".join(problems), end="\n" if problems else "")
    return bool(problems)


if __name__ == "__main__":
    sys.exit(main())
