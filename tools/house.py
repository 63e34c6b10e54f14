#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Prints how the tree is built, one number a line:  tools/house.py [TREE...]

For several trees, one column each: for example for a `git worktree` of an old commit and for this one. The layout with
include/ and src/ for all libraries, before each of them had a folder, is known, too.

- An arrow leads from a file of src to one that it includes by #include "...". The public headers have no arrows. A room
  is a .hpp together with the .cpp of the same name in the same folder, or one of them alone.
- The levels are the files, or the rooms, in the longest chain of arrows. Those that include each other in a circle
  count as one level.
- A pair of folders includes in both directions if a file of each includes one of the other. `reactor` and
  `reactor/drivers` are two folders. The folders of one system (sys/linux, sys/bsd, ...) are a part of the folder above.
- `detail` is what is inside a namespace `detail`.
- A base name occurs more than once if two headers or two sources of a library have it. Umbrella headers (eddy/io.hpp)
  do not count, and neither do the folders of one system, and no_threads, whose headers replace those of the same path.
"""
import argparse
import pathlib
import re
import signal
from collections import defaultdict

top = pathlib.Path(__file__).resolve().parent.parent
libraries = re.search(r"^set\(EDDY_LIBRARIES (.*)\)$", (top / "CMakeLists.txt").read_text(), re.M)[1].split()
of_a_system = set("bsd darwin freebsd linux macos netbsd no_threads openbsd posix windows".split())


class Tree:
    def __init__(self, top):
        self.top = top
        self.is_new = (top / "runtime/src").is_dir()
        self.sources = {}  # library: {path below the library's src: file}
        self.headers = {}  # library: the public headers
        for library in libraries:
            self.sources[library] = {name: file for name, file in self.files("src", library)}
            self.headers[library] = [file for _, file in self.files("include/eddy", library)]

    def files(self, folder, library):
        """Yields the C++ files of a library below include/eddy or src, with their names below that folder."""
        root = self.top / library / folder if self.is_new else self.top / folder
        for file in sorted(root.rglob("*.[ch]pp")):
            name = file.relative_to(root)
            if self.is_new or self.owner(name) == library:
                yield name.as_posix(), file

    def owner(self, name):
        """The library of a file in the layout with one src for all."""
        first = name.parts[0].split(".")[0]
        if first == "detail":
            first = name.parts[-1].split("_")[0]
        return first if first in libraries else "runtime"

    def all_sources(self):
        return {(library, name): file for library in libraries for name, file in self.sources[library].items()}

    def includes(self):
        """Yields (including file, included file), as (library, name) each."""
        sources = self.all_sources()
        for (library, name), file in sources.items():
            for path in re.findall(r'^\s*#\s*include "([^"]+)"', file.read_text(), re.M):
                beside = (pathlib.PurePosixPath(name).parent / path).as_posix()
                for found in ((library, beside), (library, path), *((other, path) for other in libraries)):
                    if found in sources:
                        yield (library, name), found
                        break

    def lines(self, *kinds):
        """The lines of the public headers and of src; of `headers` or `sources` only on request."""
        for library in libraries:
            for file in [*self.headers[library], *self.sources[library].values()]:
                if not kinds or ("headers" in kinds) == (file in self.headers[library]):
                    yield from file.read_text().splitlines()

    def count(self, pattern, *kinds):
        return sum(re.search(pattern, line) is not None for line in self.lines(*kinds))


# ---- Arrows ----


def room(file):
    library, name = file
    return library, name.rsplit(".", 1)[0]


def arrows_of(tree, library, node):
    """The files (or rooms, if `node` is room) that each one of a library includes."""
    arrows = {node((library, name)): set() for name in tree.sources[library]}
    for one, other in tree.includes():
        if one[0] == other[0] == library and node(one) != node(other):
            arrows[node(one)].add(node(other))
    return arrows


def levels(arrows):
    """The number of rooms in the longest chain; a circle counts as one room."""
    group, stack, index, low = {}, [], {}, {}

    def connect(node):  # Tarjan's algorithm
        index[node] = low[node] = len(index)
        stack.append(node)
        for other in arrows[node]:
            if other not in index:
                connect(other)
                low[node] = min(low[node], low[other])
            elif other not in group:
                low[node] = min(low[node], index[other])
        if low[node] == index[node]:
            while node not in group:
                group[stack.pop()] = node

    for node in arrows:
        if node not in index:
            connect(node)
    depths = {}

    def depth(node):
        if node not in depths:
            below = {group[other] for one in arrows if group[one] == node for other in arrows[one]} - {node}
            depths[node] = 1 + max(map(depth, below), default=0)
        return depths[node]

    return max((depth(group[node]) for node in arrows), default=0)


def pairs_of_folders(tree):
    """The pairs of folders that include each other."""
    def folder(file):
        library, name = file
        parts = [part for part in name.split("/")[:-1] if part not in of_a_system]
        return "/".join([library, *parts] if tree.is_new or library != "runtime" else parts)

    found = {(folder(one), folder(other)) for one, other in tree.includes()}
    return sorted(f"{one} - {other}" for one, other in found if one < other and (other, one) in found)


# ---- Lines ----


def detail_lines(text):
    """The number of lines inside the outermost namespaces `detail`."""
    code = re.sub(r'//.*|"(?:\\.|[^"\\\n])*"|(?<!\w)\'(?:\\.|[^\'\\\n])+\'', "", text)
    count = depth = 0
    end = None  # the depth outside of the namespace
    for line in code.splitlines():
        if end is None and re.match(r"\s*namespace (?:\w+::|inline \w+::)*detail(?:::\w+)* \{", line):
            end = depth
        if end is not None:
            count += 1
        depth += line.count("{") - line.count("}")
        if end is not None and depth <= end:
            end = None
    return count


def detail_share(tree):
    """The lines of the public headers, those of them in `detail`, and the lines of the headers in folders `detail`."""
    of_all = inside = apart = 0
    for library in libraries:
        for file in tree.headers[library]:
            text = file.read_text()
            if "detail" in file.parts:
                apart += len(text.splitlines())
            else:
                of_all += len(text.splitlines())
                inside += detail_lines(text)
    return of_all, inside, apart


def cmake_lines(tree, pattern):
    """The lines of the CMake files that describe this project's build, whose names match the pattern. Other projects (the packages'
    tests, programs for other libraries) and toolchains do not count."""
    count = 0
    for file in tree.top.rglob("*"):
        name = file.relative_to(tree.top).as_posix()
        if re.search(pattern, name) and not re.match(r"build/|[.]|tests/package/|(bench|compare)/peers/|packaging/|tools/", name):
            count += len(file.read_text().splitlines())
    return count


def repeated_names(tree):
    """The base names that two headers or two sources of a library have."""
    found = defaultdict(set)
    for library in libraries:
        for file in [*tree.headers[library], *tree.sources[library].values()]:
            folder = pathlib.Path(*(part for part in file.parent.parts if part not in of_a_system))
            if file.parent.name == "eddy" and (file.parent / file.stem).is_dir():
                continue  # an umbrella header
            found[library, file.stem, file.suffix].add(folder)
    return sorted({f"{library}/{stem}" for (library, stem, _), folders in found.items() if len(folders) > 1})


def numbers_of(tree):
    """Yields the numbers, each with its name."""
    pairs = pairs_of_folders(tree)
    yield "folder pairs of src that include each other", len(pairs)
    for library in ("runtime", "http"):
        files, rooms = arrows_of(tree, library, lambda file: file), arrows_of(tree, library, room)
        yield f"{library}/src: include levels of files", levels(files)
        yield f"{library}/src: include levels of rooms", levels(rooms)
        yield f"{library}/src: include arrows between files", sum(map(len, files.values()))
        yield f"{library}/src: include arrows between rooms", sum(map(len, rooms.values()))
        yield f"{library}/src: rooms", len(rooms)
    yield "lines `namespace eddy::inline`", tree.count(r"\bnamespace eddy::inline\b")
    yield "`refuse_*` overloads in public headers", tree.count(r"(return |::)refuse_\w+[<(]", "headers")
    yield "EDDY_DELETED in public headers", tree.count(r"^(?!\s*#).*\bEDDY_DELETED\(", "headers")
    form = r"//.*(For use by|Future interface|Implements )"
    yield "docstring lines For use by, Future interface, Implements", tree.count(form)
    form = r"^\s*/// Thread safety: one thread at a time\.$"
    yield "lines that are only `Thread safety: one thread at a time.`", tree.count(form)
    yield "lines that are only `Cancel safety: safe.`", tree.count(r"^\s*/// Cancel safety: safe\.$")
    yield "macros EDDY_JOINED", tree.count(r"^\s*#\s*define EDDY_JOINED")
    yield "lines with took_closure, is_marked, is_fragile", tree.count(r"took_closure|is_marked|is_fragile")
    of_all, inside, apart = detail_share(tree)
    yield "headers outside of folders `detail`: lines", of_all
    yield "headers outside of folders `detail`: percentage in `detail`", round(100 * inside / of_all, 1)
    yield "all headers: percentage in `detail`", round(100 * (inside + apart) / (of_all + apart), 1)
    yield "CMakeLists.txt of this project: lines", cmake_lines(tree, r"(^|/)CMakeLists[.]txt$")
    yield "CMake files of this project, with *.cmake and *.in: lines", cmake_lines(tree, r"(^|/)CMakeLists[.]txt$|[.]cmake$|[.]in$")
    lists = r"^(include|src|runtime|tls|http|ws|proto|inspect|tests)/(?!.*\bbench/)(.*/)?(CMakeLists[.]txt|[^/]*[.]cmake)$"
    yield "CMake files of the libraries and tests: lines", cmake_lines(tree, lists)
    yield "base names that occur more than once in a library", len(repeated_names(tree))


def main():
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # no traceback if `head` ends first
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("trees", nargs="*", type=pathlib.Path, default=[top])
    parser.add_argument("--names", action="store_true", help="print also the pairs of folders and the base names")
    arguments = parser.parse_args()
    trees = [Tree(top.resolve()) for top in arguments.trees]
    for columns in zip(*map(numbers_of, trees)):
        print(f"{columns[0][0]:<62}" + "".join(f"{number:>8}" for _, number in columns))
    if arguments.names:
        for tree in trees:
            print(f"{tree.top}:", *pairs_of_folders(tree), *repeated_names(tree), sep="\n    ")


if __name__ == "__main__":
    main()
