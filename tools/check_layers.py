#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Checks that the arrows between the folders of the libraries run one way: tools/layers.txt lists the folders from the
bottom up, and no file includes one of a folder that the list does not allow. Prints the problems, and ends with status 1
if there are any. tools/house.py prints how many arrows there are, and how long their chains.

    tools/check_layers.py [TREE]
"""
import pathlib
import re
import sys

quoted = re.compile(r'^\s*#\s*include\s*"(?P<name>[^"]+)"', re.MULTILINE)
public = re.compile(r"^\s*#\s*include\s*<(?P<name>eddy/[^>]+)>", re.MULTILINE)

# ---- The list ----


class layers:
    """The lines of tools/layers.txt. A folder stands for its subfolders that have no line of their own."""

    def __init__(self, text):
        self.line = {}  # the number of its line for each folder
        self.named = {}  # the folders that its line allows, if it names any
        for number, line in enumerate(text.splitlines(), 1):
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
        """Returns the folder of the list that a path belongs to, or None."""
        names = path.split("/")
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
        if used not in self.named.get(user, [used]):
            return f"the line of {user} does not name {used}"
        return None


# ---- The files ----


def sources(top):
    """Yields the paths of all C++ files of the libraries: of the folders with a folder include or src."""
    for part in ("include", "src"):
        for path in sorted(top.glob(f"*/{part}/**/*.[ch]pp")):
            yield str(path.relative_to(top))


class includes:
    """Finds the files that `#include` lines name. The compiler looks in the same folders."""

    def __init__(self, paths):
        self.public = {}
        self.private = {}  # by the name in the line: the paths
        for path in paths:
            library, part, name = path.split("/", 2)
            if part == "include":
                self.public[name] = path
            else:
                self.private.setdefault(name, {})[library] = path

    def of(self, top, path):
        """Yields the paths of the files that a file includes."""
        text = (top / path).read_text()
        for found in public.finditer(text):
            if found["name"] in self.public:
                yield self.public[found["name"]]
        for found in quoted.finditer(text):
            candidates = self.private.get(found["name"], {})
            library = path.split("/")[0]
            if library in candidates:
                yield candidates[library]
            else:
                yield from candidates.values()


def problems(top):
    list_of = layers((top / "tools/layers.txt").read_text())
    paths = list(sources(top))
    lookup = includes(paths)
    for path in paths:
        user = list_of.folder_of(path)
        if user is None:
            yield f"{path} is in no folder of tools/layers.txt: add its folder there, above those that it includes"
            continue
        for target in lookup.of(top, path):
            used = list_of.folder_of(target)
            reason = used and list_of.refusal(user, used)
            if reason:
                yield (
                    f"{path} includes {target}, but {reason} in tools/layers.txt: move the code to where the arrow runs "
                    f"down, or declare in {user} the interface that it needs, for the other folder to implement"
                )


def main():
    top = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else pathlib.Path(__file__).resolve().parent.parent)
    found = list(problems(top))
    print(*found, sep="\n", end="\n" if found else "")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
