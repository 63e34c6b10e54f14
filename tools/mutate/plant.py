# SPDX-License-Identifier: MIT
"""Draws faults, and plants them in a copy of the tree: all in one build, each behind its number."""
import collections
import concurrent.futures
import dataclasses
import json
import pathlib
import random
import re
import shlex
import shutil
import subprocess

import places

here = pathlib.Path(__file__).resolve().parent
SOURCES = re.compile(r"^(?P<library>\w+)/(?:src|include)/.*\.[ch]pp$")
# Not compiled on Linux, or without threads.
OTHER_BUILDS = re.compile(r"/(?:bsd|windows|macos|darwin|no_threads)/|_off\.cpp$|/no_\w+\.cpp$|/(?:kqueue|afd|iocp|named_pipe)\w*\.[ch]pp$")


@dataclasses.dataclass(frozen=True)
class Fault:
    number: int
    place: places.Place


def files_of_tree(tree):
    done = subprocess.run(["git", "ls-files", "-z", "-co", "--exclude-standard"], cwd=tree, capture_output=True, text=True, check=True)
    return [name for name in done.stdout.split("\0") if name and (tree / name).is_file()]


def candidates(tree, patterns):
    """The library's sources and headers in these files and folders; without a pattern, all."""
    found = [name for name in files_of_tree(tree) if SOURCES.match(name) and not OTHER_BUILDS.search(name)]
    for pattern in patterns:
        if not any(name == pattern or name.startswith(pattern.rstrip("/") + "/") for name in found):
            raise SystemExit(f"mutate: {pattern} is no source or header of a library that is compiled here")
    return [name for name in found if not patterns or any(name == p or name.startswith(p.rstrip("/") + "/") for p in patterns)]


def changed_lines(tree, commit):
    """The lines that were added or changed since the commit, by file."""
    done = subprocess.run(["git", "diff", "-U0", commit, "--", "*.hpp", "*.cpp"], cwd=tree, capture_output=True, text=True)
    if done.returncode != 0:
        raise SystemExit(f"mutate: --changed {commit}: {done.stderr.strip()}")
    lines, file = {}, None
    for line in done.stdout.splitlines():
        if line.startswith("+++ "):
            file = line[6:]
        elif found := re.match(r"@@ -\S+ \+(\d+)(?:,(\d+))? @@", line):
            first, number = int(found.group(1)), int(found.group(2) or 1)
            lines.setdefault(file, set()).update(range(first, first + number))
    return lines


class Options:
    """What libclang needs to know to read a file, from the commands of a build."""

    def __init__(self, build):
        self._by_library = {}
        self._any = None
        for entry in json.loads((build / "compile_commands.json").read_text()):
            words = shlex.split(entry["command"])
            output = words[words.index("-o") + 1]
            library = output.split("/")[0]
            options = [each for each in words if re.match(r"-[ID]|-std=|-isystem", each)]
            if "/CMakeFiles/eddy" in output and "/tests/" not in output and "/bench/" not in output:
                known = self._by_library.setdefault(library, [])
                known += [each for each in options if each not in known]
            self._any = self._any or options

    def of(self, tree, file):
        library = SOURCES.match(file).group("library")
        includes = [f"-I{path}" for path in sorted(tree.glob("*/include"))]
        return ["-x", "c++", *(self._by_library.get(library) or self._any), f"-I{tree / library / 'src'}", *includes]


def find_all(tree, files, options, jobs):
    with concurrent.futures.ProcessPoolExecutor(jobs) as pool:
        found = [pool.submit(places.find, tree, file, options.of(tree, file)) for file in files]
        return {file: each.result() for file, each in zip(files, found)}


class Equivalents:
    """The list of faults that change nothing a test could see: file, the text of the line, kind, replacement and reason."""

    def __init__(self, file):
        rows = [line.split("\t") for line in file.read_text().splitlines() if line and not line.startswith("#")] if file.exists() else []
        for row in rows:
            if len(row) != 5 or not row[4].strip():
                raise SystemExit(f"mutate: {file.name} has a line without five columns: {' | '.join(row)}")
        self._rows = {tuple(row[:4]) for row in rows}

    @staticmethod
    def key(place):
        return place.file, place.around, place.kind, " ".join(place.mutated.split())

    def remove_from(self, found):
        """Removes them from the places. A line that does not match exactly one of its file is an error."""
        known = collections.Counter(self.key(each) for group in found.values() for each in group)
        wrong = [row for row in self._rows if row[0] in found and known[row] != 1]
        if wrong:
            raise SystemExit("mutate: these lines of equivalent.tsv match no place any more, or several; remove them:\n" +
                             "\n".join("    " + " | ".join(row) for row in wrong))
        return {file: [each for each in group if self.key(each) not in self._rows] for file, group in found.items()}


def draw(found, count, seed):
    """Draws places: a file by its size, then a kind of fault, then a place of this kind. Two never overlap."""
    chance = random.Random(seed)
    left = {file: list(group) for file, group in sorted(found.items()) if group}
    drawn = []
    while left and len(drawn) < count:
        file = chance.choices(list(left), [len(group) for group in left.values()])[0]
        kind = chance.choice(sorted({each.kind for each in left[file]}))
        place = chance.choice([each for each in left[file] if each.kind == kind])
        drawn.append(place)
        left[file] = [each for each in left[file] if each.end <= place.begin or place.end <= each.begin]
        if not left[file]:
            del left[file]
    return [Fault(number, place) for number, place in enumerate(sorted(drawn, key=lambda each: (each.file, each.begin)), 1)]


def with_faults(source, faults, copy):
    """The text of a file with these faults. Its lines keep their numbers, so a message of the compiler tells the fault."""
    for fault in sorted(faults, key=lambda each: -each.place.begin):
        place = fault.place
        text = place.mutated.replace("FAULT", f"::eddy_fault::on({fault.number})")
        missing = place.original.count("\n") - text.count("\n")
        if missing < 0:  # the text is in it twice
            text, missing = " ".join(text.split()), place.original.count("\n")
        source = source[: place.begin] + text.encode() + b"\n" * missing + source[place.end :]
    # A system header has no warnings, which would be errors.
    head = f'#include "{copy}/eddy_fault.hpp"\n#pragma GCC system_header\n#line 1\n'
    return head.encode() + source


def write(path, content):
    """Writes a file only if it changes, so that it is not compiled again otherwise."""
    if not path.exists() or path.read_bytes() != content:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


def plant(tree, copy, faults):
    """Makes the copy equal to the tree, except for the faults and the list of places that a test reaches."""
    names = files_of_tree(tree)
    by_file = {}
    for fault in faults:
        by_file.setdefault(fault.place.file, []).append(fault)
    planted = set()
    for name in names:
        content = (tree / name).read_bytes()
        if name in by_file:
            content = with_faults(content, by_file[name], copy)
            if name.endswith(".cpp"):  # GCC accepts system_header only in a file that another one includes
                write(copy / f"{name}.faults", content)
                planted.add(f"{name}.faults")
                content = f'#include "{copy / name}.faults"\n'.encode()
        elif name == "tests/support/main.cpp":
            content += f'\n#include "{copy}/reached.hpp"\n'.encode()
        write(copy / name, content)
        shutil.copymode(tree / name, copy / name)
    for name in ("eddy_fault.hpp", "reached.hpp"):
        write(copy / name, (here / name).read_bytes())
    kept = {*names, *planted, "eddy_fault.hpp", "reached.hpp"}
    for path in copy.rglob("*"):
        name = path.relative_to(copy)
        if name.parts[0] not in ("build", ".git") and path.is_file() and str(name) not in kept:
            path.unlink()
