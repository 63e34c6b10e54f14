#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Writes a source file that compiles several test files at once:  batch.py OUTPUT FILE...

Most of the compile time of a test file is spent on headers and templates that all test files share. Each file is
included inside its own namespace, so that names in its unnamed namespace do not clash with those of another file. Its
preprocessor lines are written first, outside all namespaces. The include guards then make its own #include lines empty.
"""
import os
import pathlib
import re
import sys

output, *files = map(pathlib.Path, sys.argv[1:])
head, bodies = [], []
included = set()  # the lines that no #if surrounds
for file in files:
    lines = re.sub(r"\\\n", " ", file.read_text()).splitlines()
    directives = [line for line in lines if line.startswith("#")]
    includes = [number for number, line in enumerate(directives) if line.startswith("#include")]
    depth = 0
    for number, line in enumerate(directives):
        if not depth and number > max(includes, default=-1):
            break
        depth += line.startswith("#if")
        depth -= line.startswith("#endif")
        if depth or not line.startswith("#include"):
            head.append(line)
        elif line not in included:
            included.add(line)
            head.append(line)
    macros = dict.fromkeys(re.findall(r"^ *# *define +(\w+)", "\n".join(lines), re.M))
    path = os.path.relpath(file, output.parent)  # relative, so that ccache finds the object of another clone
    bodies += [f"namespace in_{file.stem} {{", f'#include "{path}"', "}", *(f"#undef {macro}" for macro in macros)]

text = "\n".join(["// Made by tests/batch.py.", *head, *bodies, ""])
output.parent.mkdir(parents=True, exist_ok=True)
output.write_text(text)
