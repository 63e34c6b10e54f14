#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Checks that the arrows between the folders of the libraries run one way: tools/layers.txt lists the folders from the
bottom up, and no file includes one of a folder that the list does not allow. Prints the problems, and ends with status 1
if there are any. tools/house.py prints how many arrows there are, and how long their chains.

    tools/check_layers.py [TREE]
"""
import collections
import pathlib
import re
import sys

# The one form of an include: clang-format leaves others alone, and the tools that read includes would miss them.
include = re.compile(r'#include (?:<(?P<public>[^>]+)>|"(?P<private>[^"]+)")(?: *//.*)?')
directive = re.compile(r"\s*(?:/\*.*\*/\s*)?(?:#|%:)\s*(?:/\*.*\*/\s*)?(?:include|include_next|import|embed|\\$)")

# ---- The list ----


class layers:
    """The lines of tools/layers.txt. A folder stands for its subfolders that have no line of their own."""

    def __init__(self, text):
        self.line = {}  # the number of its line for each folder
        self.named = {}  # the folders that its line allows, if it names any
        self.tangled = {}  # how many includes run up, by the two folders
        for number, line in enumerate(text.splitlines(), 1):
            if found := re.fullmatch(r"\s*(\S+) -> (\S+): (\d+)\s*(?:#.*)?", line):
                self.tangled[found[1], found[2]] = int(found[3])
                continue
            folders, colon, allowed = line.split("#")[0].partition(":")
            for folder in folders.split():
                if folder in self.line:
                    raise SystemExit(f"tools/layers.txt:{number}: {folder} has two lines")
                self.line[folder] = number
                if colon:
                    self.named[folder] = allowed.split()
            for folder in allowed.split():
                if self.line.get(folder, number) == number:
                    raise SystemExit(f"tools/layers.txt:{number}: {folder} is no folder of a line above this one")

    def folder_of(self, path):
        """Returns the folder of the list that a path belongs to, or None. To a public folder belongs the header beside it
        that includes its headers, such as eddy/time.hpp."""
        names = path.split("/")
        if names[1] == "include" and path.removesuffix(".hpp") in self.line:
            return path.removesuffix(".hpp")
        for length in range(len(names), 0, -1):
            if "/".join(names[:length]) in self.line:
                return "/".join(names[:length])
        return None

    def refusal(self, user, used):
        """Returns why a file of the folder `user` must not include one of `used`, or None."""
        if user == used:
            return None
        if self.line[used] > self.line[user]:
            return f"{used} is above {user}"
        if self.line[used] == self.line[user]:
            return f"{used} and {user} are siblings"
        if not any(f"{used}/".startswith(f"{each}/") for each in self.named.get(user, [used])):
            return f"the line of {user} does not name {used}"
        return None


# ---- The files ----


def sources(top):
    """Yields the paths of all C++ files of the libraries: of the folders with a folder include or src."""
    for part in ("include", "src"):
        for path in sorted(top.glob(f"*/{part}/**/*")):
            if path.is_file() and path.suffix != ".md":
                yield str(path.relative_to(top))


class lookup:
    """Finds the files that `#include` lines name. The compiler looks in the same folders."""

    def __init__(self, top, paths):
        self.tests = list(top.glob("*/tests"))  # explore/ has types that replace those of the library
        self.public = {}
        self.private = {}  # by the name in the line: the paths
        self.twice = []  # public names of two libraries
        for path in paths:
            library, part, name = path.split("/", 2)
            if part == "src":
                self.private.setdefault(name, {})[library] = path
            elif name in self.public:
                self.twice.append((self.public[name], path))
            else:
                self.public[name] = path

    def named(self, path, line):
        """Returns the files that an include line of `path` names. Raises ValueError, with the reason, for a line that
        nobody could follow."""
        found = include.fullmatch(line.rstrip())
        if not found:
            raise ValueError("has no usual form: write `#include <eddy/NAME>`, or `#include \"NAME\"` with a path in src")
        name = found["public"] or found["private"]
        library = path.split("/")[0]
        if found["public"]:
            if name in self.private and name not in self.public and "/" in name:
                raise ValueError(f'names a file of src: write `#include "{name}"`')
            return [self.public[name]] if name in self.public else []
        candidates = self.private.get(name, {})
        if not candidates and not any((folder / name).exists() for folder in self.tests):
            raise ValueError("names no file of src: a path begins in src, and other headers stand in angle brackets")
        return [candidates[library]] if library in candidates else list(candidates.values())


def problems_of_list(top, list_of):
    """Yields what is wrong with tools/layers.txt, and with the order of EDDY_LIBRARIES, which CMake builds in that order."""
    for folder, line in list_of.line.items():
        if not (top / folder).exists():
            yield f"tools/layers.txt:{line}: there is no {folder}"
    lists = top / "CMakeLists.txt"
    if not lists.exists():
        return
    named = re.search(r"^set\(EDDY_LIBRARIES (.*)\)$", lists.read_text(), re.MULTILINE)
    named = named[1].split() if named else []
    libraries = {path.parent.name for part in ("include", "src") for path in top.glob(f"*/{part}")}
    for library in sorted(libraries - set(named)):
        yield f"{library}/ is not named in EDDY_LIBRARIES (CMakeLists.txt), so nothing builds it"
    place = {library: line for folder, line in list_of.line.items() for library in [folder.split("/")[0]]}
    for lower, upper in zip(named, named[1:]):
        if place.get(lower, 0) > place.get(upper, 0):
            yield f"EDDY_LIBRARIES (CMakeLists.txt) names {lower} before {upper}, which is below it in tools/layers.txt"


def problems(top):
    list_of = layers((top / "tools/layers.txt").read_text())
    yield from problems_of_list(top, list_of)
    paths = list(sources(top))
    files = lookup(top, paths)
    tangled = collections.Counter()
    for one, other in files.twice:
        yield f"{one} and {other} have the same name for users, and an installation overwrites one of them"
    for path in paths:
        user = list_of.folder_of(path)
        if user is None:
            yield f"{path} is in no folder of tools/layers.txt: add its folder there, above those that it includes"
            continue
        if pathlib.Path(path).suffix not in (".hpp", ".cpp"):
            yield f"{path}: the files of the libraries end in .hpp and .cpp, which the tools look for"
        for number, line in enumerate((top / path).read_text().splitlines(), 1):
            if not directive.match(line):
                continue
            try:
                targets = files.named(path, line)
            except ValueError as problem:
                yield f"{path}:{number}: {line.strip()} {problem}"
                continue
            for target in targets:
                used = list_of.folder_of(target)
                reason = used and list_of.refusal(user, used)
                if reason and (user, used) in list_of.tangled:
                    tangled[user, used] += 1
                elif reason:
                    yield (
                        f"{path} includes {target}, but {reason} in tools/layers.txt: move the code to where the arrow runs "
                        f"down, or declare in {user} the interface that it needs, for the other folder to implement"
                    )
    for (user, used), permitted in list_of.tangled.items():
        found = tangled[user, used]
        if found != permitted or found == 0:
            wish = "let the new one run down" if found > permitted else "write this number there" if found else "remove the line"
            yield f"{user} includes {used} {found} times, and tools/layers.txt says {permitted}: {wish}"


def main():
    top = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else pathlib.Path(__file__).resolve().parent.parent)
    found = list(problems(top))
    print(*found, sep="\n", end="\n" if found else "")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
