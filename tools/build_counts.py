#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Prints what a build by Ninja for another system contains:  build_counts.py FOLDER SYSTEM

Counts the objects, the programs and the tests of the target `all`, and prints each test file, test and example that is not
in them, with its reason in tests/support/bsd/not_built.tsv. Fails if something was not built, if a reason is missing, or if
a line of that file is out of date.
"""
import fnmatch
import pathlib
import re
import subprocess
import sys

folder, system = sys.argv[1:]
top = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(top / "tests"))
from run import TEST_MACRO  # noqa: E402


def ninja(*arguments):
    command = ["ninja", "-C", folder, *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()


def count(pattern):
    all_of_them = {name for name in needed if re.match(pattern, rules.get(name, ""))}
    return len(all_of_them - missing), len(all_of_them)


def classes(objects):
    """The last names of the classes with a virtual function table in these objects: each test is such a class."""
    found = set()
    for name in objects:
        data = (pathlib.Path(folder) / name).read_bytes()
        for at in re.finditer(rb"_ZTVN?(?=\d)", data):
            end = at.end()
            while number := re.match(rb"\d+", data[end : end + 4]):
                begin = end + len(number[0])
                end = begin + int(number[0])
                found.add(data[begin:end].decode(errors="replace"))
    return found


needed = set(ninja("-t", "inputs", "all"))
rules = dict(line.rsplit(": ", 1) for line in ninja("-t", "targets", "all"))
rest = "\n".join(ninja("-n", "all"))
if "Re-running CMake" in rest:
    sys.exit("error: files of CMake have changed since the build was configured")
missing = set(re.findall(r"(?:Building \S+ object|Linking \S+ (?:executable|static library)) (\S+)", rest))

objects = {name for name in needed if name.endswith(".o")} - missing
sources = set()
target = None
for line in ninja("-t", "deps"):
    if not line.startswith(" "):
        target = line.split(":")[0]
    elif target in objects and line.endswith(".cpp"):
        sources.add((pathlib.Path(folder) / line.strip()).resolve())

in_objects = classes(objects)
tests = set()
omitted = set()
for base, pattern in (("tests", "**/*_test.cpp"), ("examples", "**/*.cpp")):
    for file in (top / base).glob(pattern):
        names = TEST_MACRO.findall(file.read_text())
        tests.update(names)
        if file not in sources:
            omitted.add(str(file.relative_to(top / base)))
        else:
            omitted.update(f"{suite}.{name}" for suite, name in names if f"{suite}_{name}_Test" not in in_objects)

is_wrong = bool(missing)
unexplained = set(omitted)
for line in (top / "tests/support/bsd/not_built.tsv").read_text().splitlines():
    if line.startswith("#"):
        continue
    name, systems, reason = line.split("\t")
    if systems != "all" and system not in systems.split():
        continue
    these = fnmatch.filter(omitted, name)
    unexplained -= set(these)
    is_wrong |= not these
    print(f"not built: {name}: {reason}" if these else f"error: nothing that {name} names is left out of the build")
for name in sorted(unexplained):
    is_wrong = True
    print(f"error: {name} is not built, and is not in not_built.tsv")

built = sum(f"{suite}_{name}_Test" in in_objects for suite, name in tests)
compiled, of_objects = count("C(XX)?_COMPILER")
linked, of_programs = count("C(XX)?_EXECUTABLE_LINKER")
print(f"{compiled} of {of_objects} objects compiled, with {built} of {len(tests)} tests, {linked} of {of_programs} programs linked")
sys.exit(is_wrong)
