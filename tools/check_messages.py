#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Checks that each function or qualified name in a message of the library exists in its public headers, for example
`spawn_blocking()` and `reactor_handle::set_fallback`. Texts of EDDY_ASSERT are for developers and may name private functions.
A name with a section, like `dup(2)`, is one of the system's manual."""
import pathlib
import re
import sys

top = pathlib.Path(__file__).parents[1]
literal = re.compile(r'"((?:[^"\\\n]|\\.)*)"')
called = re.compile(r"(?<!<)\b([A-Za-z_]\w*(?:::\w+)*)\((?!\d)")
qualified = re.compile(r"\b([a-z_]\w*(?:::\w+)+)\b")
others = {"GetQueuedCompletionStatusEx", "async_main"}  # of Windows; a function of the user


def without_comments(text):
    return re.sub(r"^\s*#include.*$|//[^\n]*", "", text, flags=re.M)


def main():
    public = [file for file in top.glob("*/include/**/*.hpp") if "detail" not in file.relative_to(top).parts]
    code = "".join(literal.sub("", without_comments(file.read_text())) for file in public)
    names = set(re.findall(r"\b[A-Za-z_]\w*", code)) | others
    wrong = 0
    for file in sorted([*top.glob("*/src/**/*.[ch]pp"), *top.glob("*/include/**/*.hpp")]):
        text = re.sub(r'"\s*\n\s*"', "", without_comments(file.read_text()))
        text = re.sub(r'EDDY_ASSERT\((?:[^"]|"(?:[^"\\\n]|\\.)*")*?\);', "", text)
        for message in literal.findall(text):
            for name in [*called.findall(message), *qualified.findall(message)]:
                if not name.startswith("std::") and not all(part in names for part in name.split("::")):
                    print(f"{file.relative_to(top)}: a message names {name}, which no public header declares: {message}")
                    wrong = 1
    return wrong


if __name__ == "__main__":
    sys.exit(main())
