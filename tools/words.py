#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Prints the number of words of the documents about the code, of the READMEs of folders, and of the pages for users:
tools/words.py [TREE]

TREE is another work tree, for example of an old commit. A word is what `wc -w` counts, if it contains a letter or a
digit: not the frame of a table."""
import pathlib
import signal
import subprocess
import sys

about_the_code = {"ARCHITECTURE.md", "CONTRIBUTING.md", "CHANGELOG.md", "glossary.md", "NOTES.md", "RESULTS.md"}
others = {"SECURITY.md"}


def group_of(path):
    """Returns the group of a document, or None if it is in none."""
    if path.name in about_the_code:
        return "documents about the code"
    if path.name == "README.md" and path.parent.name:
        return "READMEs of folders"
    if path.name == "README.md" or path.parent.name == "docs":
        return "pages for users"
    return None if path.name in others else "other documents"


def listed(top, *patterns):
    """Returns the paths of the files of a work tree that have these names, without what git ignores."""
    command = ["git", "ls-files", "-co", "--exclude-standard", *patterns]
    names = subprocess.run(command, cwd=top, capture_output=True, text=True, check=True).stdout.split()
    return [path for path in map(pathlib.Path, sorted(names)) if (top / path).exists()]


def counted(top):
    """Returns the documents of each group, with their numbers of words."""
    groups = {}
    for path in listed(top, "*.md"):
        if group := group_of(path):
            words = sum(any(c.isalnum() for c in word) for word in (top / path).read_text().split())
            groups.setdefault(group, []).append((words, path))
    return groups


def main():
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # no traceback if `head` ends first
    top = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else pathlib.Path(__file__).resolve().parent.parent
    for group, found in counted(top).items():
        print(f"{sum(words for words, _ in found):6} {group}")
        for words, path in found:
            print(f"{words:6}   {path}")
    print(f"{len((top / 'CHANGELOG.md').read_text().splitlines()):6} lines of CHANGELOG.md")


if __name__ == "__main__":
    main()
