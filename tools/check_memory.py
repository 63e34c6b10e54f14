#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Finds assignments that look as if they would free the memory of a string or container, and keep it: `text = {}`,
`text = std::string()`, `list = {}`. detail::free_memory() (eddy/detail/free_memory.hpp) frees it. Prints the places, and
ends with status 1 if there are any.

    tools/check_memory.py [TREE]

The type of a variable is that of its declaration in the same file, or else in a header that the file includes.
"""
import pathlib
import re
import sys

owners = r"(?:std::)?(?:basic_string|string|u8string|vector|deque|list|map|multimap|set|multiset|unordered_map|unordered_set)"
assignment = re.compile(r"\b(?P<name>\w+) = (?:\{\}|std::string(?:\(\)|\{\}));")
comment = re.compile(r"//.*")
include = re.compile(r'#include ["<]([^">]+)[">]')


def declared_as(name, text):
    """Returns the type of the first variable, member or parameter of this name in the text, or None."""
    pattern = rf"(?P<type>[\w:]+(?:<[^;{{}}()]*>)?)(?P<reference>\s*[&*]*)\s+[&*]*{name}\s*(?:[;,){{]|= ?[^=])"
    keywords = ("return", "else", "case", "co_return", "delete", "throw")
    return next((found["type"] for found in re.finditer(pattern, text) if found["type"] not in keywords), None)


def main(top):
    texts = {}
    for part in ("include", "src"):
        for path in sorted(top.glob(f"*/{part}/**/*.[ch]pp")):
            texts[path.relative_to(top)] = comment.sub("", path.read_text())
    by_end = {}  # the paths of a file for each name in an #include
    for path in texts:
        parts = path.as_posix().split("/")
        by_end["/".join(parts[2:])] = path
    problems = []
    for path, text in texts.items():
        headers = [by_end[name] for name in include.findall(text) if name in by_end]
        for found in assignment.finditer(text):
            before = text[: found.start()].splitlines() or [""]
            if re.search(r"[\w>&*] $", before[-1]) and not re.search(r"\b(?:else|do) $", before[-1]):
                continue  # a declaration with an initial value
            types = (declared_as(found["name"], texts[each]) for each in (path, same_folder(path, texts), *headers) if each)
            kind = next((each for each in types if each), "")
            if re.fullmatch(rf"{owners}(?:<.*>)?", kind):
                number = text.count("\n", 0, found.start()) + 1
                problems.append(f"{path.as_posix()}:{number}: {found[0]} keeps the memory: call free_memory({found['name']})")
    for each in problems:
        print(each)
    return 1 if problems else 0


def same_folder(path, texts):
    """Returns the header beside a source file, or None."""
    header = path.with_suffix(".hpp")
    return header if header != path and header in texts else None


if __name__ == "__main__":
    sys.exit(main(pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else pathlib.Path(__file__).resolve().parent.parent)))
