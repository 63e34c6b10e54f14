#!/usr/bin/env python3
"""Checks that docs/pitfalls.md names each public name that the C library or std has, too.

Such a name may be ambiguous after `using namespace`, and a namespace of that name cannot be an alias at file scope.
Asks Clang to complete `::` after the headers of POSIX and glibc, `std::`, and each public namespace of eddy.

    tools/name_clashes.py            prints the names, and fails if the table lacks one
"""

import re
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
NAMESPACES = "codec io net net::pipe signal sinks streams sync sys test time".split()
LIBC = """aio arpa/inet assert complex ctype dirent dlfcn errno error execinfo fcntl fenv fnmatch ftw getopt glob grp
iconv ifaddrs inttypes langinfo libgen limits link locale malloc math mntent mqueue net/if netdb netinet/in netinet/tcp
nl_types poll pthread pty pwd regex resolv sched search semaphore setjmp signal spawn stdio stdlib string strings
sys/epoll sys/eventfd sys/file sys/inotify sys/ioctl sys/ipc sys/mman sys/mount sys/msg sys/prctl sys/ptrace sys/random
sys/reboot sys/resource sys/select sys/sem sys/sendfile sys/shm sys/signalfd sys/socket sys/stat sys/statvfs
sys/syscall sys/sysinfo sys/time sys/timerfd sys/times sys/types sys/uio sys/un sys/utsname sys/wait sys/xattr syslog
termios time uchar ulimit unistd utime utmpx wchar wctype wordexp""".split()
FLAGS = ["clang++-19", "-std=c++23", "-D_GNU_SOURCE", "-w", *(f"-I{folder}" for folder in sorted(ROOT.glob("*/include")))]


def compile_header(work: Path, name: str, text: str) -> Path:
    (work / name).write_text(text)
    compiled = work / f"{name}.pch"
    subprocess.run([*FLAGS, "-x", "c++-header", work / name, "-o", compiled], check=True)
    return compiled


def complete(work: Path, header: Path, prefix: str) -> set[str]:
    file = work / "complete.cpp"
    file.write_text(f"void f() {{\n{prefix}\n}}\n")
    place = f"-code-completion-at={file}:2:{len(prefix) + 1}"
    command = [*FLAGS, "-include-pch", header, "-fsyntax-only", "-Xclang", place, file]
    said = subprocess.run(command, capture_output=True, text=True).stdout
    names = set(re.findall(r"^COMPLETION: (\w+)", said, re.MULTILINE)) - {"operator"}  # operator<< has no name
    if not names:
        sys.exit(f"name_clashes.py: Clang completes nothing after {prefix}")
    return names


def main() -> int:
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        libc_text = "".join(f"#include <{name}.h>\n" for name in LIBC)
        libc_header = compile_header(work, "libc.h", libc_text)
        everything = "#include <bits/stdc++.h>\n#include <eddy/eddy.hpp>\n#include <eddy/test.hpp>\n"
        header = compile_header(work, "everything.hpp", libc_text + everything)
        libc = complete(work, libc_header, "::")
        std = complete(work, header, "std::")
        found = {}
        for name in ["eddy", *(f"eddy::{each}" for each in NAMESPACES)]:
            found[name] = complete(work, header, f"{name}::")

    table = [line for line in (ROOT / "docs/pitfalls.md").read_text().splitlines() if line.startswith("| ")]
    missing = 0
    for namespace, names in found.items():
        for name in sorted(names & (libc | std)):
            where = "C library" if name in libc else "std"
            is_listed = any(f"`{namespace}`" in row and f"`{name}`" in row for row in table)
            print(f"{namespace}::{name}: {where}{'' if is_listed else '; missing in docs/pitfalls.md'}")
            missing += not is_listed
    return 1 if missing else 0


if __name__ == "__main__":
    sys.exit(main())
