#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Writes eddy as headers and source files, for trying it out: tools/amalgamate.py FOLDER. `./dev amalgamate` runs it.

FOLDER/eddy.hpp replaces <eddy/prelude.hpp>; FOLDER/eddy.cpp is the library `eddy::eddy` for Linux. It uses io_uring if it
is compiled with EDDY_WITH_LIBURING, and is then linked with liburing.

FOLDER/eddy_web.hpp also has services, files, TLS, HTTP and WebSockets. Their libraries are FOLDER/eddy_tls.cpp, eddy_fs.cpp,
eddy_http.cpp and eddy_ws.cpp, which need OpenSSL and zlib. With EDDY_WITH_NGHTTP2 there is HTTP/2, which needs nghttp2.
"""
import pathlib
import re
import subprocess
import sys
import tempfile

top = pathlib.Path(__file__).resolve().parent.parent
runtime = top / "runtime"
# The libraries of eddy_web, from the bottom up, and the files of other systems and of builds without a package.
web = ("proto", "tls", "fs", "http", "ws")
not_in_web = re.compile(r"fs/src/sys/(bsd|kqueue|not_linux|windows)/|/(tls_off|gzip_off|brotli|zstd)[.]cpp$")
with_http2 = re.compile(r"/h2/(?!http2_off)|/http2_(?!off)")

# Headers of other systems, of builds without threads, and of the tests. All other headers between #if and #endif are required on Linux.
absent = {"reactor/drivers/afd.hpp", "reactor/drivers/kqueue.hpp", "explore/types.hpp"}

include = re.compile(r'#include (?:"(?P<private>[^"]+)"|<(?P<public>eddy/[^>]+)>)')


def sources(ring):
    """Returns the files of eddy::eddy on Linux: those of futures/, and those of runtime/sources.cmake."""
    with tempfile.NamedTemporaryFile("w", suffix=".cmake") as script:
        script.write(f"cmake_minimum_required(VERSION 3.25)\ninclude([[{runtime}/sources.cmake]])\n" 'list(JOIN eddy_sources "\\n" lines)\n' 'message("${lines}")\n')
        script.flush()
        known = ["-DCMAKE_SYSTEM_NAME=Linux", f"-Dliburing_FOUND={'ON' if ring else 'OFF'}"]
        listed = subprocess.run(["cmake", *known, "-P", script.name], cwd=runtime, check=True, capture_output=True, text=True).stderr.split()
        futures = (path.relative_to(top).as_posix() for path in sorted((top / "futures" / "src").rglob("*.cpp")))
        return [*futures, *(f"runtime/{name}" for name in listed)]


def web_sources(library, http2):
    """Returns the files of a library of eddy_web, with or without HTTP/2."""
    names = [path.relative_to(top).as_posix() for path in sorted((top / library / "src").rglob("*.cpp"))]
    other = re.compile(r"/http2_off[.]cpp$") if http2 else with_http2
    return [name for name in names if not not_in_web.search(name) and not other.search(name)]


def header(found, includer):
    """Returns the path of a header. A source may include private headers of its own library and of those below it."""
    if found["public"]:
        folders = [top / library / "include" for library in ("futures", "runtime", *web)]
    else:
        folders = [top / library / "src" for library in (includer.relative_to(top).parts[0], "http", "runtime", "futures")]
    name = found["public"] or found["private"]
    path = next((folder / name for folder in folders if (folder / name).exists()), None)
    if not path:
        raise SystemExit(f"amalgamate.py: {includer} includes {name}, which is not in {', '.join(map(str, folders))}")
    return path


def expanded(path, seen):
    """Yields the lines of a file. A header replaces the first #include that names it."""
    for line in path.read_text().splitlines():
        found = include.match(line)
        if not found:
            if line not in ("#pragma once", "// SPDX-License-Identifier: MIT"):
                yield line
            continue
        if found["private"] in absent:
            continue
        named = header(found, path)
        if named not in seen:
            seen.add(named)
            yield from expanded(named, seen)


def sources_in_one(own_header, seen, macro, having, lacking):
    """Returns the lines of a source file. The files that are only in one of two lists depend on whether the macro is defined."""
    # See eddy_unity_build() in cmake/library.cmake.
    warnings = [f'#pragma GCC diagnostic ignored "-W{name}"' for name in ("shadow", "subobject-linkage", "dangling-pointer")]
    seen = set(seen)
    lines = [f'#include "{own_header}"', "#if !defined(__clang__)", *warnings, "#endif"]
    for name in lacking:
        if name in having:
            lines += expanded(top / name, seen)
    if having == lacking:
        return lines
    for guard, names, others in ((f"#ifdef {macro}", having, lacking), (f"#ifndef {macro}", lacking, having)):
        here = set(seen)
        lines += [guard, *(line for name in names if name not in others for line in expanded(top / name, here)), "#endif"]
    return lines


def expanded_umbrella(paths, seen):
    """Returns the lines of public headers, each of which is expanded once."""
    seen.update(paths)
    return [line for path in paths for line in expanded(path, seen)]


def main():
    if len(sys.argv) != 2 or sys.argv[1].startswith("-"):
        raise SystemExit("usage: amalgamate.py FOLDER, into which it writes eddy.hpp, eddy.cpp, and those of other libraries")
    folder = pathlib.Path(sys.argv[1])
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SystemExit(f"amalgamate.py: cannot write to {folder}: {error.strerror}") from None
    version = re.search(r"^  VERSION (\S+)$", (top / "CMakeLists.txt").read_text(), re.M)[1]
    title = f"// eddy {version}, by tools/amalgamate.py.\n//\n"
    title += "".join(f"// {line}".rstrip() + "\n" for line in (top / "LICENSE").read_text().splitlines())

    seen = set()
    eddy_hpp = expanded_umbrella([runtime / "include" / "eddy" / "prelude.hpp"], seen)
    in_web = set(seen)
    web_hpp = ['#include "eddy.hpp"', *expanded_umbrella([top / name / "include" / "eddy" / f"{name}.hpp" for name in web], in_web)]
    files = {
        "eddy.hpp": ["#pragma once", *eddy_hpp],
        "eddy.cpp": sources_in_one("eddy.hpp", seen, "EDDY_WITH_LIBURING", sources(True), sources(False)),
        "eddy_web.hpp": ["#pragma once", *web_hpp],
    }
    for name in web:
        if name != "proto":  # headers only
            files[f"eddy_{name}.cpp"] = sources_in_one("eddy_web.hpp", in_web, "EDDY_WITH_NGHTTP2", web_sources(name, True), web_sources(name, False))
    for name, lines in files.items():
        try:
            (folder / name).write_text("\n".join([title, *lines]) + "\n")
        except OSError as error:
            raise SystemExit(f"amalgamate.py: cannot write {folder / name}: {error.strerror}") from None
        print(folder / name)


if __name__ == "__main__":
    main()
