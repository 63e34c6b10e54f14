#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Checks that all files name the version of project() in CMakeLists.txt. If the current commit has a tag of a release, the
tag must name it, too. `./dev check lists` runs it."""
import json
import pathlib
import re
import subprocess
import sys

top = pathlib.Path(__file__).resolve().parent.parent
packaging = top / "packaging"


def text(name):
    return (top / name).read_text()


def first(pattern, name):
    """Returns the first match of the pattern in the file."""
    found = re.search(pattern, text(name), re.M)
    return found[1] if found else "nothing"


def main():
    version = first(r"^  VERSION (\S+)$", "CMakeLists.txt")
    minor = version.rpartition(".")[0]
    found = {
        "packaging/vcpkg/eddy/vcpkg.json": json.loads(text("packaging/vcpkg/eddy/vcpkg.json"))["version"],
        "packaging/debian/changelog": first(r"\Aeddy \((\S+?)\)", "packaging/debian/changelog"),
        "tests/package/start/conan/conanfile.txt": first(r"^eddy/(\S+)$", "tests/package/start/conan/conanfile.txt"),
    }
    table = first(r"^constexpr std::uint16_t version\[\] = \{(.*)\};", "runtime/src/executor/task/registry.cpp")
    found["runtime/src/executor/task/registry.cpp"] = table.replace(", ", ".")
    # Without a release, the only section is `Unreleased`.
    if re.search(r"^## \d", text("CHANGELOG.md"), re.M):
        found["CHANGELOG.md, the newest release"] = first(r"^## (\d\S*) - \d{4}-\d\d-\d\d$", "CHANGELOG.md")
    # Also the symbol that headers and library share.
    symbol = first(r"\bvoid library##_is_version_(\w+)\(", "futures/include/eddy/detail/export.hpp").replace("_", ".")
    found["futures/include/eddy/detail/export.hpp, the minor version"] = version if symbol == minor else symbol
    # The shared libraries are named after the minor version, and so are their packages.
    libraries = re.findall(r"^Package: (libeddy(?:-\w+)?)(\d[\d.]*)$", text("packaging/debian/control"), re.M)
    libraries += [re.fullmatch(r"(libeddy(?:-[a-z]+)?)([\d.]+)[.]install", file.name).groups()
                  for file in (packaging / "debian").glob("libeddy*[0-9].install")]
    wrong = [f"{place}: {said}, not {version}" for place, said in found.items() if said != version]
    wrong += [f"packaging/debian: {name}{said}, not {name}{minor}" for name, said in libraries if said != minor]
    tags = subprocess.run(["git", "tag", "--points-at", "HEAD"], cwd=top, capture_output=True, text=True, check=False).stdout.split()
    releases = [tag for tag in tags if re.fullmatch(r"v\d+[.]\d+[.]\d+", tag)]
    wrong += [f"the tag {tag} of this commit: not v{version}" for tag in releases if tag != f"v{version}"]
    if releases:
        section = first(r"^## (\S+)", "CHANGELOG.md")
        if section != version:
            wrong.append(f"CHANGELOG.md: the first section is {section}, but the tag {releases[0]} is a release")
    for line in wrong:
        print(line)
    if wrong:
        print(f"the version in CMakeLists.txt is {version}; CONTRIBUTING.md lists the steps of a release")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
