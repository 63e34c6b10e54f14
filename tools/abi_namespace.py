#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Checks that all names of eddy are in the inline namespace of its binary interface: tools/abi_namespace.py [--fix]

Its name contains the major and the minor version, as the name of the shared libraries does. So two versions of eddy can be
linked into one program, and a program whose headers are of another version than the library does not link. --fix writes
the version of CMakeLists.txt into all files.
"""
import pathlib
import re
import sys

top = pathlib.Path(__file__).resolve().parent.parent
opening = re.compile(r"^( *namespace eddy)(?:::inline v\w+)?((?:::\w+)* \{)", re.M)


def main():
    version = re.search(r"^  VERSION (\d+)\.(\d+)\.", (top / "CMakeLists.txt").read_text(), re.M)
    namespace = f"v{version[1]}_{version[2]}"
    wrong = 0
    for folder in ("include", "src", "tests", "bench", "examples"):
        for file in sorted((top / folder).rglob("*.[ch]pp")):
            text = file.read_text()
            fixed = opening.sub(rf"\1::inline {namespace}\2", text)
            if fixed == text:
                continue
            wrong += 1
            if "--fix" in sys.argv[1:]:
                file.write_text(fixed)
            else:
                print(f"{file.relative_to(top)}: the namespace is not eddy::inline {namespace}; to fix it: tools/abi_namespace.py --fix")
    return 1 if wrong and "--fix" not in sys.argv[1:] else 0


if __name__ == "__main__":
    sys.exit(main())
