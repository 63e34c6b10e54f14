#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Prints how the tree is built, one number a line:  tools/house.py [TREE...] [--where NAME]

For several trees, one column each: for example for a `git worktree` of an old commit and for this one. --where prints the
places that the numbers with NAME in their names count. tools/ratchet.py fails if a number grows.

- An arrow leads from a file of src to another one of the same library that it includes. A room is a .hpp together with the
  .cpp of the same name in the same folder, or in folders of systems (sys/linux, ...) below it; or one of them alone.
- The levels are the files in the longest chain of arrows. Those that include each other in a circle count as one level.
- A pair of folders includes in both directions if a file of each includes one of the other. `reactor` and
  `reactor/drivers` are two folders. The folders of one system (sys/linux, sys/bsd, ...) are a part of the folder above.
  The folders of public headers are those directly in eddy; eddy/time.hpp is a part of eddy/time.
- `detail` is what is inside a namespace `detail`.
- A base name occurs more than once if two headers or two sources of a library have it. Umbrella headers (eddy/io.hpp)
  do not count, and neither do the folders of one system, and no_threads, whose headers replace those of the same path.
- A line of code is neither blank nor only a comment.
"""
import argparse
import json
import pathlib
import re
import signal
from collections import defaultdict, namedtuple
from functools import cached_property

import check_layers
import words

top = pathlib.Path(__file__).resolve().parent.parent
of_a_system = set("bsd darwin freebsd kqueue linux macos netbsd no_threads not_linux openbsd posix windows".split())

# `tolerance`: by which part the number may change before tools/ratchet.py reports it. `places`: what was counted.
Number = namedtuple("Number", "name value tolerance places")


def counted(name, places, tolerance=0):
    return Number(name, len(places), tolerance, places)


def added(name, parts, tolerance=0.01):
    """The sum of several numbers, each with its place."""
    return Number(name, sum(parts.values()), tolerance, [f"{value:6} {place}" for place, value in parts.items()])


class Tree:
    """The C++ files of the libraries, which are the folders with a folder include or src."""

    def __init__(self, top):
        self.top = top
        self.text = {path: (top / path).read_text() for path in check_layers.sources(top) if path.endswith("pp")}
        self.sources = [path for path in self.text if path.split("/")[1] == "src"]
        self.headers = [path for path in self.text if path.split("/")[1] == "include"]
        self.libraries = sorted({path.split("/")[0] for path in self.text})

    @cached_property
    def includes(self):
        """The pairs of an including and an included file, both of src or both public."""
        files = check_layers.lookup(self.top, self.text)
        found = []
        for path, text in self.text.items():
            for line in re.findall(r"^#include .*", text, re.M):
                try:
                    found += [(path, other) for other in files.named(path, line) if other.split("/")[1] == path.split("/")[1]]
                except ValueError:
                    pass  # check_layers.py reports it
        return found

    @cached_property
    def code(self):
        """The texts without comments."""
        return {path: re.sub(r"//.*", "", text) for path, text in self.text.items()}

    def lines(self, pattern, within="", texts=None):
        """The lines with the pattern, in the files whose paths match `within`."""
        found = [f"{path}:{text.count(chr(10), 0, match.start()) + 1}" for path, text in (texts or self.text).items()
                 if re.search(within, path) for match in re.finditer(pattern, text, re.M)]
        return list(dict.fromkeys(found))


# ---- Arrows ----


def arrows_of(tree, library, node):
    """The files (or rooms, if `node` is room_of) that each one of a library's src includes."""
    arrows = {node(path): set() for path in tree.sources if path.startswith(f"{library}/")}
    for one, other in tree.includes:
        if node(one) in arrows and node(other) in arrows and node(one) != node(other):
            arrows[node(one)].add(node(other))
    return arrows


def room_of(path):
    return re.sub("/sys/[a-z_]+/", "/sys/", path.rsplit(".", 1)[0])


def longest_chain(arrows):
    """The files of the longest chain; a circle counts as one file."""
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

    for node in sorted(arrows):
        if node not in index:
            connect(node)
    chains = {}

    def chain(node):
        if node not in chains:
            below = {group[other] for one in arrows if group[one] == node for other in arrows[one]} - {node}
            chains[node] = [node, *max((chain(other) for other in sorted(below)), key=len, default=[])]
        return chains[node]

    return max((chain(group[node]) for node in sorted(arrows)), key=len, default=[])


def folder_of(path):
    library, part, *names = path.split("/")
    if part == "include":
        return "/".join([library, part, *names[:1], names[1].removesuffix(".hpp")])
    return "/".join([library, part, *(name for name in names[:-1] if name not in of_a_system)])


def pairs_of_folders(tree, files):
    """The pairs of folders that include each other."""
    found = {(folder_of(one), folder_of(other)) for one, other in tree.includes if one in files}
    return sorted(f"{one} - {other}" for one, other in found if one < other and (other, one) in found)


def upward_includes(tree):
    """How many includes run up, by the exceptions of tools/layers.txt."""
    file = tree.top / "tools/layers.txt"
    tangled = check_layers.layers(file.read_text()).tangled if file.exists() else {}
    return {f"{user} -> {used}": count for (user, used), count in tangled.items()}


# ---- Lines ----


def code_lines(text):
    return text.count("\n") - len(re.findall(r"^[ \t]*(?://.*)?\n", text, re.M))


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
    for path in tree.headers:
        if "/detail/" in path:
            apart += tree.text[path].count("\n")
        else:
            of_all += tree.text[path].count("\n")
            inside += detail_lines(tree.text[path])
    return of_all, inside, apart


def cmake_lines(tree, *patterns):
    """The lines of the CMake files with these names that describe this project's build. Other projects (the packages' tests,
    programs for other libraries) and toolchains do not count."""
    others = r"[.]|tests/package/|(bench|compare)/peers/|packaging/|tools/"
    files = [file for file in words.listed(tree.top, *patterns) if not re.match(others, file.as_posix())]
    return {file: (tree.top / file).read_text().count("\n") for file in files}


def repeated_names(tree):
    """The base names that two headers or two sources of a library have."""
    found = defaultdict(set)
    for path in map(pathlib.PurePosixPath, tree.text):
        if path.parent.name != "eddy" or not (tree.top / path.with_suffix("")).is_dir():  # no umbrella header
            folder = "/".join(part for part in path.parent.parts if part not in of_a_system)
            found[path.parts[0], path.stem, path.suffix].add(folder)
    return sorted({f"{library}/{stem}" for (library, stem, _), folders in found.items() if len(folders) > 1})


def numbers_of(tree):
    """Yields the numbers."""
    yield counted("folder pairs of src that include each other", pairs_of_folders(tree, set(tree.sources)))
    yield counted("folder pairs of public headers that include each other", pairs_of_folders(tree, set(tree.headers)))
    yield added("includes that run up (tools/layers.txt)", upward_includes(tree), 0)
    yield counted("files in eddy/detail", [path for path in tree.headers if "/include/eddy/detail/" in path])
    for library in sorted({path.split("/")[0] for path in tree.sources}):
        rooms = arrows_of(tree, library, room_of)
        arrows = [f"{one} -> {other}" for one in sorted(rooms) for other in sorted(rooms[one])]
        yield counted(f"{library}/src: include levels of files", longest_chain(arrows_of(tree, library, str)))
        yield counted(f"{library}/src: include arrows between rooms", arrows)
    yield counted("base names that occur more than once in a library", repeated_names(tree))
    small = [path for path, text in tree.text.items() if text.count("\n") < 45 and "/sys/" not in path]
    yield counted("files of less than 45 lines, outside of sys", small)

    executor = "/src/executor/"
    yield counted("executor: chains a().b().c(", tree.lines(r"\w\(\)(\.|->)\w+\(\)(\.|->)\w+\(", executor, tree.code))
    whole = r"^ +(const )?(pool|worker|core_shared)( const)?[&*] ?(const )?\w+_( = nullptr|\{\})?;"
    parts = executor + ".*(pool|loop)/.*hpp$"
    yield counted("executor: parts that point to their whole", tree.lines(whole, parts, tree.code))
    watches = (r"\b(hooks|observes|observe[dr]|log|event_log|trace_event|probes?|spawn_times?|time_of_spawns|stalls?|notes|"
               r"looks?_at_spawns|note_(spawn|start|park|woken|tick|steals|events?)|is_noted_elsewhere|statistics)\b")
    elsewhere = executor + "(?!task/|reports/|watch/)"
    yield counted("executor: lines about hooks, log, probes, stalls", tree.lines(watches, elsewhere, tree.code))
    shapes = (r"shape|\bchild_at\b|\boffset_of\b|\binspect::(awaits|waits_as|first_of|all_of|named_wait|reader|writer|reads_from|"
              r"writes_to|uses|child|alternative|part|wait)|\bEDDY_((BEGIN_|END_)?OFFSETS?|WAIT_SHAPE|WAITS_AS|WAITS_FOR(_OBJECT)?|"
              r"(IO_)?CHILD|USES_(IO|TWO)|READS_FROM|WRITES_TO|INNER_STREAM)\b")
    elsewhere = r"^(?!inspect/|.*/src/(inspect|trace|executor/reports)/|.*shapes?\.[ch]pp$)"
    yield counted("lines about shapes, outside of their files", tree.lines(shapes, elsewhere, tree.code))
    yield counted("macros defined in public headers", tree.lines(r"^\s*#\s*define ", "/include/"))

    yield counted("`refuse_*` overloads in public headers", tree.lines(r"(return |::)refuse_\w+[<(]", "/include/"))
    yield counted("EDDY_DELETED in public headers", tree.lines(r"^(?!\s*#).*\bEDDY_DELETED\(", "/include/"))
    form = r"//.*(For use by|Future interface|Implements )"
    yield counted("docstring lines For use by, Future interface, Implements", tree.lines(form))
    form = r"^ */// Thread safety: one thread at a time\.$"
    yield counted("lines that are only `Thread safety: one thread at a time.`", tree.lines(form))
    yield counted("lines that are only `Cancel safety: safe.`", tree.lines(r"^ */// Cancel safety: safe\.$"))
    comments = " ".join(re.sub(r"(?m)^.*?//+|^.*", "", text) for text in tree.text.values())
    that_of = 1000 * len(re.findall(r"\b(?:those|that)\s+of\b", comments)) / max(len(comments.split()), 1)
    places = tree.lines(r"//.*\b(those|that) of\b")
    yield Number("`those of`, `that of` per 1,000 words of comments", round(that_of, 2), 0.01, places)

    lines = {path: code_lines(text) for path, text in tree.text.items()}
    for library in tree.libraries:
        yield added(f"{library}: lines of code", {path: lines[path] for path in lines if path.startswith(f"{library}/")})
    files = sorted([*tree.top.glob("tests/**/*.[ch]pp"), *tree.top.glob("*/tests/**/*.[ch]pp")])
    tests = {file.relative_to(tree.top): code_lines(file.read_text()) for file in files}
    ratio = sum(tests.values()) / max(sum(lines.values()), 1)
    yield Number("lines of tests per line of the libraries", round(ratio, 3), 0.01, added("", tests).places)
    of_all, inside, apart = detail_share(tree)
    yield Number("headers outside of folders `detail`: percentage in `detail`", round(100 * inside / max(of_all, 1), 1), 0.01, [])
    yield Number("all headers: percentage in `detail`", round(100 * (inside + apart) / max(of_all + apart, 1), 1), 0.01, [])
    lists = ("CMakeLists.txt", "*/CMakeLists.txt")
    yield added("CMakeLists.txt of this project: lines", cmake_lines(tree, *lists))
    yield added("CMake files of this project, with *.cmake and *.in: lines", cmake_lines(tree, *lists, "*.cmake", "*.in"))
    for group, found in words.counted(tree.top).items():
        yield added(f"words of {group}", {str(path): count for count, path in found})
    counts = tree.top / "compare/counts.json"
    for case, count in json.loads(counts.read_text())["instructions"].items() if counts.exists() else ():
        yield Number(f"instructions of {case}", count, 0.03, ["./dev bench counts"])


def main():
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # no traceback if `head` ends first
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("trees", nargs="*", type=pathlib.Path, default=[top])
    parser.add_argument("--where", metavar="NAME", help="print what the numbers with NAME in their names count")
    arguments = parser.parse_args()
    trees = [{number.name: number for number in numbers_of(Tree(top.resolve()))} for top in arguments.trees]
    for name in dict.fromkeys(name for numbers in trees for name in numbers):
        if (arguments.where or "") in name:
            print(f"{name:<62}" + "".join(f"{numbers[name].value if name in numbers else '-':>9}" for numbers in trees))
            for numbers in trees if arguments.where else ():
                print(*numbers[name].places if name in numbers else (), sep="\n")


if __name__ == "__main__":
    main()
