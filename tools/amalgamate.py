#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Writes eddy as one header and one source file, for trying it out: tools/amalgamate.py FOLDER. `./dev amalgamate` runs it.

FOLDER/eddy.hpp replaces <eddy/prelude.hpp>; FOLDER/eddy.cpp is the library `eddy::eddy` for Linux. It uses io_uring if it
is compiled with EDDY_WITH_LIBURING, and is then linked with liburing.
"""
import pathlib
import re
import sys

top = pathlib.Path(__file__).resolve().parent.parent

# The conditions of src/CMakeLists.txt. `ring` is where the answer depends on liburing.
conditions = {
    "NOT WIN32": True,
    'CMAKE_SYSTEM_NAME STREQUAL "Linux"': True,
    'CMAKE_SYSTEM_NAME STREQUAL "Darwin"': False,
    'CMAKE_SYSTEM_NAME STREQUAL "NetBSD"': False,
    'CMAKE_SYSTEM_NAME STREQUAL "OpenBSD"': False,
    'CMAKE_SYSTEM_NAME MATCHES "^(FreeBSD|OpenBSD)$"': False,
    'CMAKE_SYSTEM_NAME MATCHES "^(FreeBSD|NetBSD)$"': False,
    "EDDY_TEST_KQUEUE": False,
    "EDDY_TEST_KQUEUE AND EDDY_TEST_LIBKQUEUE": False,
    "EDDY_NO_THREADS": False,
}
# Headers of other systems, of builds without threads, and of the tests. All other headers between #if and #endif are required on Linux.
absent = {"driver/afd.hpp", "driver/kqueue.hpp", "explore/types.hpp"}

include = re.compile(r'#include (?:"(?P<private>[^"]+)"|<(?P<public>eddy/[^>]+)>)')


def sources(ring):
    """Returns the files that src/CMakeLists.txt adds to the target eddy on Linux."""
    chosen, branches, inside, unknown = [], [], False, ""
    for line in map(str.strip, (top / "src" / "CMakeLists.txt").read_text().splitlines()):
        if found := re.match(r"(else)?if\((.+)\)$", line):
            value = {**conditions, "liburing_FOUND": ring}.get(found[2])
            unknown = found[2] if value is None else unknown
            taken = bool(found[1]) and True in branches.pop()
            branches.append([taken, not taken and value])
        elif line == "else()":
            branches.append([False, not any(branches.pop())])
        elif line == "endif()":
            branches.pop()
        elif line == "target_sources(eddy PRIVATE":
            if any(last is None for _, last in branches):
                raise SystemExit(f"amalgamate.py: `conditions` lacks a condition of src/CMakeLists.txt: {unknown}")
            inside = all(last for _, last in branches)
        elif line == ")":
            inside = False
        elif inside:
            chosen.append(line)
    return chosen


def expanded(path, seen):
    """Yields the lines of a file. A header replaces the first #include that names it."""
    for line in path.read_text().splitlines():
        found = include.match(line)
        if not found:
            if line not in ("#pragma once", "// SPDX-License-Identifier: MIT"):
                yield line
            continue
        name = found["private"] or found["public"]
        if name not in seen and name not in absent:
            seen.add(name)
            yield from expanded(top / ("src" if found["private"] else "include") / name, seen)


def main():
    if len(sys.argv) != 2 or sys.argv[1].startswith("-"):
        raise SystemExit("usage: amalgamate.py FOLDER, into which it writes eddy.hpp and eddy.cpp")
    folder = pathlib.Path(sys.argv[1])
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SystemExit(f"amalgamate.py: cannot write to {folder}: {error.strerror}") from None
    version = re.search(r"^  VERSION (\S+)$", (top / "CMakeLists.txt").read_text(), re.M)[1]
    title = f"// eddy {version}, by tools/amalgamate.py.\n//\n"
    title += "".join(f"// {line}".rstrip() + "\n" for line in (top / "LICENSE").read_text().splitlines())

    seen = {"eddy/prelude.hpp"}
    header = [title, "#pragma once", *expanded(top / "include" / "eddy" / "prelude.hpp", seen)]
    with_ring, without = sources(True), sources(False)
    # See eddy_unity_build() in CMakeLists.txt.
    warnings = [f'#pragma GCC diagnostic ignored "-W{name}"' for name in ("shadow", "subobject-linkage", "dangling-pointer")]
    source = [title, '#include "eddy.hpp"', "#if !defined(__clang__)", *warnings, "#endif"]
    for name in without:
        if name in with_ring:
            source += expanded(top / "src" / name, seen)
    for guard, names in (("#ifdef EDDY_WITH_LIBURING", with_ring), ("#ifndef EDDY_WITH_LIBURING", without)):
        others = set(seen)
        source += [guard, *(line for n in names if n not in with_ring or n not in without for line in expanded(top / "src" / n, others)), "#endif"]
    for name, lines in (("eddy.hpp", header), ("eddy.cpp", source)):
        try:
            (folder / name).write_text("\n".join(lines) + "\n")
        except OSError as error:
            raise SystemExit(f"amalgamate.py: cannot write {folder / name}: {error.strerror}") from None
        print(folder / name)


if __name__ == "__main__":
    main()
