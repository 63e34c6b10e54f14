#!/usr/bin/env python3
"""Checks that the compiler rejects files, each with the messages that its comments expect.

    check.py gcc|clang FILE... -- COMPILER [FLAG...]

In FILE:
    // expect-error: TEXT         the first error line contains TEXT; may be repeated
    // expect-error-gcc: TEXT     the same, only for this compiler (or -clang:)
    // only-error                 no other error follows the first one
    // max-lines: 5               the compiler writes at most so many lines about the file, see is_message()
    // only: gcc12                only for these compilers (a prefix: gcc, gcc12, clang, ...); read by CMakeLists.txt
    #ifdef EDDY_CONTROL           the corrected code. It must compile, so that a typo in the rest of the file cannot be
                                  mistaken for the expected error.

Several files are first compiled together, each in its own namespace, which takes a small fraction of the time. A file
that does not pass this way is compiled by itself, and that result counts. For each of several files, one line says
`passed FILE` or `failed FILE`. The reason of a failure follows in indented lines.
"""
import os
import re
import subprocess
import sys
import tempfile

family, *arguments = sys.argv[1:]
end_of_files = arguments.index("--")
files, compiler = arguments[:end_of_files], arguments[end_of_files + 1 :]


class Rejected(Exception):
    """Why a file does not pass."""


def compile_it(path, *flags):
    done = subprocess.run([*compiler, *flags, path], capture_output=True, text=True, env={**os.environ, "LC_ALL": "C"})
    return done.returncode, done.stderr


def is_error(line):
    return re.search(r"\berror: ", line) is not None


def is_message(line):
    """Whether a line is a part of a message: not the code that the compiler quotes, and not how a header was included."""
    return re.match(r"(?!In file included )\S+:(\d+:\d+:)? ", line) is not None


def expectations(path):
    """Returns the texts that the first error must contain, whether it must be the only one, and the limit of lines."""
    with open(path, encoding="utf-8") as source:
        text = source.read()
    expected = re.findall(rf"^// expect-error(?:-{family})?: *(.*\S)", text, re.MULTILINE)
    if not expected:
        raise Rejected(f"{path}: has no line `// expect-error: TEXT` for this compiler")
    limit = re.search(r"^// max-lines: (\d+)$", text, re.MULTILINE)
    return expected, re.search(r"^// only-error$", text, re.MULTILINE) is not None, int(limit[1]) if limit else None


def check_errors(path, messages, output):
    """Compares the errors and notes of a file with its expectations. Returns the first error."""
    expected, is_only, limit = expectations(path)
    errors = [line for line in messages if is_error(line)]
    first = errors[0] if errors else "(none)"
    for words in expected:
        if words not in first:
            raise Rejected(f"{path}: the first error does not say: {words}\nit says: {first}\n\n{output}")
    if is_only and len(errors) > 1:
        raise Rejected(f"{path}: {len(errors) - 1} errors follow the first one\n\n{output}")
    if limit is not None and len(messages) > limit:
        raise Rejected(f"{path}: the error has {len(messages)} lines, without quoted code; the limit is {limit}\n\n{output}")
    return first


def check_alone(path):
    expectations(path)
    code, output = compile_it(path, "-DEDDY_CONTROL")
    if code != 0:
        raise Rejected(f"{path}: the control does not compile\n{output}")
    code, output = compile_it(path)
    if code == 0:
        raise Rejected(f"{path}: compiles, though it must not\n")
    return check_errors(path, [line for line in output.splitlines() if is_message(line)], output)


# ---- Several files in one translation unit ----


def translation_unit():
    """The files with their #include lines first, outside of the namespaces. These lines then have no effect in the files."""
    includes, bodies = {}, []
    for path in files:
        with open(path, encoding="utf-8") as source:
            includes.update(dict.fromkeys(re.findall(r"^#include <.*", source.read(), re.M)))
        stem = os.path.splitext(os.path.basename(path))[0]
        bodies += [f"namespace in_{stem} {{", f'#include "{os.path.abspath(path)}"', "}"]
    return "\n".join([*includes, *bodies, ""])


def messages_by_file(output):
    """Assigns each error, with the lines about it, to the file that causes it. The error may be in a header: then the
    lines around it name the file."""
    location = re.compile("(" + "|".join(re.escape(os.path.abspath(path)) for path in files) + r"):\d+")
    found = {os.path.abspath(path): [] for path in files}
    before, unassigned, cause = [], [], None
    for line in filter(is_message, output.splitlines()):
        named = location.findall(line)
        if is_error(line):
            # GCC names the file in the lines before the error, and only if it is not that of the previous error.
            # Clang names it in the notes after the error.
            named = named or ([] if family == "clang" else location.findall("\n".join(before)) or [cause])
            cause = named[-1] if named else None
            unassigned = [*before, line]
            before = []
        elif re.search(r": (note|warning): ", line):
            unassigned += [line]
            if named and not cause:
                cause = named[-1]
            before = []
        else:
            before.append(line)
        if cause:
            found[cause] += unassigned
            unassigned = []
    return found


def pass_together():
    """Returns the files that pass when they are compiled together. Other files may pass as well."""
    with tempfile.TemporaryDirectory() as folder:
        together = os.path.join(folder, "together.cpp")
        with open(together, "w", encoding="utf-8") as source:
            source.write(translation_unit())
        if compile_it(together, "-DEDDY_CONTROL")[0] != 0:
            return set()
        unlimited = "-ferror-limit=0" if family == "clang" else "-fdiagnostics-plain-output"
        found = messages_by_file(compile_it(together, unlimited)[1])
    passed = set()
    for path in files:
        try:
            check_errors(path, found[os.path.abspath(path)], "")
            passed.add(path)
        except Rejected:
            pass
    return passed


def main():
    if len(files) == 1:
        try:
            print(check_alone(files[0]))
            return 0
        except Rejected as why:
            print(why, file=sys.stderr)
            return 1
    failed, passed = 0, pass_together()
    for path in files:
        try:
            if path not in passed:
                check_alone(path)
            print("passed", path)
        except Rejected as why:
            failed += 1
            print("\n    ".join([f"failed {path}", *str(why).splitlines()]))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
