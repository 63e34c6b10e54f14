#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Checks the table of docs/mistakes.md: each mistake is a program of the tree, the answers that are quoted are texts of the
library, of eddy-check or of a compiler, and the numbers are right. `...` in a quote stands for any text.

rows() is also for the tests that run the programs: tests/mistakes/check.py and tests/compilers/check_test.py."""
import collections
import pathlib
import re
import sys

top = pathlib.Path(__file__).resolve().parent.parent
page = top / "docs" / "mistakes.md"

# Of compilers and of the standard library.
others = {"no member named ‘return_void’", "unused variable", "redeclared as different kind of entity",
          "bad access to std::expected without expected value"}

Row = collections.namedtuple("Row", "name when parts")


def rows():
    """The rows of the page: a name, when the answer comes, and the texts between the `...` of its quote."""
    found = []
    for name, _, when, answer in re.findall(r"^\| `(\w+)` \| (.*?) \| ([a-z]+) \| (.*) \|$", page.read_text(encoding="utf-8"), re.MULTILINE):
        quote = re.match(r"`(.*?)`(?:, from|: an exception|$)", answer)
        found.append(Row(name, when, [part for part in re.split(r"\s*\.\.\.\s*", quote[1]) if part] if quote else []))
    return found


def texts():
    """The texts that an answer may come from, without line breaks in literals."""
    files = [*top.glob("*/include/**/*.hpp"), *top.glob("*/src/**/*.[ch]pp"), top / "tools" / "eddy-check"]
    return re.sub(r'"\s*\n\s*"', "", "\n".join(file.read_text(encoding="utf-8") for file in files))


def main():
    text, known, problems = page.read_text(encoding="utf-8"), texts(), []
    checked = (top / "tests" / "mistakes" / "checked.cpp").read_text(encoding="utf-8")
    programs = (top / "tests" / "mistakes" / "programs.cpp").read_text(encoding="utf-8")
    table = rows()
    kinds = collections.Counter(row.when if row.when in ("half", "silent") else "full" for row in table)
    phrase = f"{kinds['full']} mistakes have a full answer, {kinds['half']} have half of one, and {kinds['silent']} have none."
    if len({row.name for row in table}) != len(table) or not text.startswith(f"# Mistakes and their answers\n\n{len(table)} "):
        problems.append(f"the page has {len(table)} rows, and does not say so, or one of them twice")
    if phrase not in text:
        problems.append(f"the page does not say: {phrase}")
    for name, when, parts in table:
        is_refused = (top / "runtime" / "tests" / "must_not_compile" / f"{name}.cpp").exists()
        is_checked = re.search(rf"\b{name}\(", checked) is not None
        is_program = f'{{"{name}", ' in programs
        if not {"compile": is_refused, "check": is_checked, "results": is_checked, "half": is_refused or is_program}.get(when, is_program):
            problems.append(f"{name}: there is no program of this name")
        if not parts and when not in ("silent", "half", "none"):
            problems.append(f"{name}: there is no quote")
        for part in parts:
            if part.removeprefix("eddy: ") not in known and part not in others:  # a macro adds "eddy: "
                problems.append(f"{name}: no source has the text: {part}")
    for problem in problems:
        print(f"docs/mistakes.md: {problem}")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
