#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Writes eddy as one header and one source file, for trying it out: tools/amalgamate.py FOLDER. `./dev amalgamate` runs it.

FOLDER/eddy.hpp replaces <eddy/prelude.hpp>; FOLDER/eddy.cpp is the library `eddy::eddy` for Linux. It uses io_uring if it
is compiled with EDDY_WITH_LIBURING, and is then linked with liburing.
"""
import pathlib
import re
import subprocess
import sys
import tempfile

top = pathlib.Path(__file__).resolve().parent.parent
runtime = top / "runtime"

# Headers of other systems, of builds without threads, and of the tests. All other headers between #if and #endif are required on Linux.
absent = {"reactor/drivers/afd.hpp", "reactor/drivers/kqueue.hpp", "explore/types.hpp"}

include = re.compile(r'#include (?:"(?P<private>[^"]+)"|<(?P<public>eddy/[^>]+)>)')


def sources(ring):
    """Returns the files of eddy::eddy on Linux, from runtime/sources.cmake."""
    with tempfile.NamedTemporaryFile("w", suffix=".cmake") as script:
        script.write(f"include([[{runtime}/sources.cmake]])\n" 'list(JOIN eddy_sources "\\n" lines)\n' 'message("${lines}")\n')
        script.flush()
        known = ["-DCMAKE_SYSTEM_NAME=Linux", f"-Dliburing_FOUND={'ON' if ring else 'OFF'}"]
        return subprocess.run(["cmake", *known, "-P", script.name], check=True, capture_output=True, text=True).stderr.split()


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
            yield from expanded(runtime / ("src" if found["private"] else "include") / name, seen)


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
    header = [title, "#pragma once", *expanded(runtime / "include" / "eddy" / "prelude.hpp", seen)]
    with_ring, without = sources(True), sources(False)
    # See eddy_unity_build() in CMakeLists.txt.
    warnings = [f'#pragma GCC diagnostic ignored "-W{name}"' for name in ("shadow", "subobject-linkage", "dangling-pointer")]
    source = [title, '#include "eddy.hpp"', "#if !defined(__clang__)", *warnings, "#endif"]
    for name in without:
        if name in with_ring:
            source += expanded(runtime / name, seen)
    for guard, names in (("#ifdef EDDY_WITH_LIBURING", with_ring), ("#ifndef EDDY_WITH_LIBURING", without)):
        others = set(seen)
        source += [guard, *(line for n in names if n not in with_ring or n not in without for line in expanded(runtime / n, others)), "#endif"]
    for name, lines in (("eddy.hpp", header), ("eddy.cpp", source)):
        try:
            (folder / name).write_text("\n".join(lines) + "\n")
        except OSError as error:
            raise SystemExit(f"amalgamate.py: cannot write {folder / name}: {error.strerror}") from None
        print(folder / name)


if __name__ == "__main__":
    main()
