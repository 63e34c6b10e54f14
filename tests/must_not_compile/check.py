#!/usr/bin/env python3
"""Checks that the compiler rejects one file, with the messages that its comments expect.

    check.py FILE gcc|clang COMPILER [FLAG...]

In FILE:
    // expect-error: TEXT         the first error line contains TEXT; may be repeated
    // expect-error-gcc: TEXT     the same, only for this compiler (or -clang:)
    // only-error                 no other error follows the first one
    // only: gcc12                only for these compilers (a prefix: gcc, gcc12, clang, ...); read by CMakeLists.txt
    #ifdef EDDY_CONTROL           the corrected code. It must compile, so that a typo in the rest of the file cannot be
                                  mistaken for the expected error.
"""
import os
import re
import subprocess
import sys

path, family, *compiler = sys.argv[1:]


def compile_it(*flags):
    done = subprocess.run([*compiler, *flags, path], capture_output=True, text=True, env={**os.environ, "LC_ALL": "C"})
    return done.returncode, done.stderr


def fail(reason, output=""):
    sys.exit(f"{path}: {reason}\n{output}")


with open(path, encoding="utf-8") as source:
    text = source.read()
expected = re.findall(rf"^// expect-error(?:-{family})?: *(.*\S)", text, re.MULTILINE)
if not expected:
    fail("has no line `// expect-error: TEXT` for this compiler")

code, output = compile_it("-DEDDY_CONTROL")
if code != 0:
    fail("the control does not compile", output)

code, output = compile_it()
if code == 0:
    fail("compiles, though it must not")
errors = [line for line in output.splitlines() if re.search(r"\berror: ", line)]
first = errors[0] if errors else "(none)"
for words in expected:
    if words not in first:
        fail(f"the first error does not say: {words}\nit says: {first}\n", output)
if re.search(r"^// only-error$", text, re.MULTILINE) and len(errors) > 1:
    fail(f"{len(errors) - 1} errors follow the first one\n", output)
print(first)
