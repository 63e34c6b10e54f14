# SPDX-License-Identifier: MIT
"""Builds what others than eddy take part with, where CMake does not, and says of each that is not there what to install."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

SOURCES = Path(__file__).resolve().parent / "peers"

Built = tuple[Path | None, str]  # the program, or why there is none

# Built by CMake, if the Debian package is there.
CMAKE_PEERS = {
    "asio_callbacks": "libboost1.81-dev",
    "asio_coroutines": "libboost1.81-dev",
    "libuv": "libuv1-dev",
}

# By the names that are printed: folders of `peers`, with a crate of the same name and a program NAME_echo.
CARGO_PEERS = {"Tokio": "tokio", "monoio": "monoio", "glommio": "glommio", "compio": "compio"}


def net_peers(build: Path) -> dict[str, Callable[[], Built]]:
    """By name, what builds each echo server of the group `net`. `build` is the build folder of CMake."""
    by_cmake = {name: partial(cmake_peer, name, package, build) for name, package in CMAKE_PEERS.items()}
    by_cargo = {name: partial(build_cargo, build.parent, name, f"{name}_echo") for name in CARGO_PEERS.values()}
    return by_cmake | by_cargo | {"go": partial(build_go, build.parent, "echo")}


def cmake_peer(name: str, package: str, build: Path) -> Built:
    program = build / "bench" / f"bench_peer_{name}"
    if program.exists():
        return program, ""
    return None, f"{program.name} is not built: install {package}, then build again"


def build_cargo(folder: Path, package: str, program: str) -> Built:
    """A program of peers/PACKAGE, built below `folder`, or None and why there is none."""
    if not shutil.which("cargo"):
        return None, "cargo is not installed: install cargo-web, or Rust by rustup"
    target = folder / "peers" / package
    command = ["cargo", "build", "--release", "--quiet", "--bin", program]
    # glommio's build script updates the submodules of the git repository around it, which is meant to be its own: it finds none.
    environment = {"CARGO_TARGET_DIR": target, "GIT_DIR": os.devnull}
    return build_peer(command, SOURCES / package, environment, target / "release" / program)


def build_go(folder: Path, name: str) -> Built:
    """The program peers/go/NAME, built as `go_NAME` below `folder`, or None and why there is none."""
    if not shutil.which("go"):
        return None, "go is not installed: install golang-go"
    program = folder / "peers" / f"go_{name}"
    # The compiler that is here, and no other that it would fetch.
    return build_peer(["go", "build", "-o", program, "."], SOURCES / "go" / name, {"GOTOOLCHAIN": "local"}, program)


def versions() -> str:
    """Of the peers that are here, in a line."""
    found = {title: crate_version(name) for title, name in CARGO_PEERS.items()}
    if shutil.which("go"):
        found["Go"] = output_of(["go", "env", "GOVERSION"]).removeprefix("go")
    for package, library in {"libboost1.81-dev": "Boost", "libuv1-dev": "libuv", "liburing-dev": "liburing"}.items():
        found[library] = output_of(["dpkg-query", "-W", "-f=${Version}", package])
    return ", ".join(f"{name} {version}" for name, version in found.items() if version)


def crate_version(name: str) -> str:
    """The one that the peer of this name asks for."""
    wanted = (SOURCES / name / "Cargo.toml").read_text()
    return re.search(rf'^{name} = (?:\{{ version = )?"=([^"]+)"', wanted, re.MULTILINE).group(1)


def output_of(command: list[str]) -> str:
    """Empty if it cannot be run."""
    if not shutil.which(command[0]):
        return ""
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()


def build_peer(command: list, where: Path, environment: dict, program: Path) -> Built:
    print(f"bench: building {program.name} ...", file=sys.stderr, flush=True)
    done = subprocess.run(list(map(str, command)), cwd=where, stderr=subprocess.PIPE, text=True, check=False,
                          env=os.environ | {name: str(value) for name, value in environment.items()})
    if done.returncode != 0:
        return None, f"{command[0]} could not build it: {first_error(done.stderr)}"
    return program, ""


def first_error(complaints: str) -> str:
    # Go begins with a line that only names the package.
    lines = [line for line in complaints.strip().splitlines() if not line.startswith("# ")]
    return next((line for line in lines if line.startswith("error")), lines[0] if lines else "it does not say why")
