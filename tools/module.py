#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Writes runtime/modules/eddy.cppm: the module `eddy`, which exports the public names of <eddy/eddy.hpp>.

Asks Clang to complete each public namespace, so that no name is forgotten. Macros, and the namespace detail, are not exported.

    tools/module.py            writes the file
    tools/module.py --check    fails if the file does not have the names of the headers
"""

import re
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
MODULE = ROOT / "runtime/modules/eddy.cppm"
FLAGS = ["clang++-19", "-std=c++23", "-w", f"-I{ROOT / 'futures/include'}", f"-I{ROOT / 'runtime/include'}"]
HEAD = """\
// SPDX-License-Identifier: MIT
// The module `eddy`: the public names of <eddy/eddy.hpp>. Written by tools/module.py.
module;
#include <eddy/eddy.hpp>
export module eddy;
"""


def complete(work: Path, prefix: str) -> set[str]:
    """Returns the names that may follow a prefix at the beginning of a file."""
    file = work / "complete.cpp"
    file.write_text(f"{prefix}\n")
    command = [*FLAGS, "-include-pch", work / "eddy.pch", "-fsyntax-only", "-Xclang", f"-code-completion-at={file}:1:{len(prefix) + 1}", file]
    said = subprocess.run(command, capture_output=True, text=True).stdout
    return set(re.findall(r"^COMPLETION: (operator[^\s(]+|\w+)", said, re.MULTILINE))


def header_texts(*omitted: str) -> str:
    """Returns the public headers, without those in some folders."""
    paths = (path for library in ("futures", "runtime") for path in sorted((ROOT / library / "include/eddy").rglob("*.hpp")))
    paths = (path for path in paths if path.parent.name not in omitted)
    return "".join(path.read_text() for path in paths)


def namespaces(texts: str) -> set[str]:
    """Returns the namespaces that headers open as `namespace eddy::net {`."""
    return set(re.findall(r"^(?:inline )?namespace (eddy[\w:]*) \{", texts, re.MULTILINE))


def exported(work: Path, namespace: str) -> str:
    """Returns the declarations that export the names of a namespace, without those of the namespaces in it."""
    texts = header_texts()
    # Second names of namespaces. All are in the namespace eddy.
    aliases = re.findall(r"^namespace (\w+) = ([a-z]\w*);", texts, re.MULTILINE) if namespace == "eddy" else []
    inside = {name.removeprefix(f"{namespace}::").partition("::")[0] for name in namespaces(texts)}
    names = complete(work, f"using {namespace}::") - inside - {name for name, _ in aliases}
    if not names:  # a namespace of another system
        return ""
    lines = [f"using {namespace}::{name};\n" for name in sorted(names)] + [f"namespace {name} = {other};\n" for name, other in aliases]
    return f"\nexport namespace {namespace} {{\n{''.join(lines)}}}\n"


def main() -> int:
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        subprocess.run([*FLAGS, "-x", "c++-header", ROOT / "runtime/include/eddy/eddy.hpp", "-o", work / "eddy.pch"], check=True)
        public = sorted(name for name in namespaces(header_texts("detail", "test")) if not name.startswith("eddy::detail"))
        text = HEAD + "".join(exported(work, name) for name in public)
    if sys.argv[1:] == ["--check"]:
        if MODULE.read_text() != text:
            sys.exit("runtime/modules/eddy.cppm does not have the names of the headers; to write it: tools/module.py")
        return 0
    if sys.argv[1:]:
        sys.exit("usage: module.py [--check]")
    MODULE.parent.mkdir(exist_ok=True)
    MODULE.write_text(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
