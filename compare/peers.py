# SPDX-License-Identifier: MIT
"""Builds the peers that CMake does not build. For a peer that is not available, says what to install."""

import os
import re
import shutil
import subprocess
from collections.abc import Callable
from functools import partial
from pathlib import Path

from machine import output_of
from processes import progress

SOURCES = Path(__file__).resolve().parent / "peers"

Built = tuple[Path | None, str]  # the program, or None and the reason

# Peers that CMake builds if this Debian package is installed.
CMAKE_PEERS = {
    "asio_callbacks": "libboost1.81-dev",
    "asio_coroutines": "libboost1.81-dev",
    "libuv": "libuv1-dev",
}

# The same for the groups `http` and `tls`.
HTTP_CMAKE_PEERS = {"beast": "libboost1.81-dev"}
TLS_CMAKE_PEERS = {"asio_ssl": "libboost1.81-dev"}

# Printed names, and folders of `peers` that hold a crate with a program NAME_echo.
CARGO_PEERS = {"Tokio": "tokio", "monoio": "monoio", "glommio": "glommio", "compio": "compio"}
HTTP_CARGO_PEERS = {"hyper": "hyper"}


def net_peers(build: Path) -> dict[str, Callable[[], Built]]:
    """For each peer of the group `net`, a function that builds its echo server. `build` is the build folder of
    CMake."""
    by_cmake = {name: partial(cmake_peer, name, package, build) for name, package in CMAKE_PEERS.items()}
    by_cargo = {name: partial(build_cargo, build.parent, name, f"{name}_echo") for name in CARGO_PEERS.values()}
    return by_cmake | by_cargo | {"go": partial(build_go, build.parent, "echo")}


def http_peers(build: Path) -> dict[str, Callable[[], Built]]:
    """Same as net_peers(), for the HTTP servers of the group `http`."""
    by_cmake = {name: partial(cmake_peer, name, package, build) for name, package in HTTP_CMAKE_PEERS.items()}
    by_cargo = {name: partial(build_cargo, build.parent, name, f"{name}_http") for name in HTTP_CARGO_PEERS.values()}
    return by_cargo | by_cmake | {"go": partial(build_go, build.parent, "http")}


def tls_peers(build: Path) -> dict[str, Callable[[], Built]]:
    """Same as net_peers(), for the TLS servers of the group `tls`."""
    return {name: partial(cmake_peer, name, package, build) for name, package in TLS_CMAKE_PEERS.items()}


def cmake_peer(name: str, package: str, build: Path) -> Built:
    program = build / "bench" / f"bench_peer_{name}"
    if program.exists():
        return program, ""
    return None, f"{program.name} is not built: install {package}, then build again"


def build_cargo(folder: Path, package: str, program: str) -> Built:
    """Builds a program of peers/PACKAGE below `folder`."""
    if not shutil.which("cargo"):
        return None, "cargo is not installed: install cargo-web, or install Rust with rustup"
    target = folder / "peers" / package
    command = ["cargo", "build", "--release", "--quiet", "--bin", program]
    # glommio's build script updates the submodules of the enclosing git repository. GIT_DIR hides this repository
    # from it.
    environment = {"CARGO_TARGET_DIR": target, "GIT_DIR": os.devnull}
    return build_peer(command, SOURCES / package, environment, target / "release" / program)


def build_tmc(folder: Path) -> Built:
    """Builds peers/tmc as `tmc/tmc_rt` below `folder`, with the sources of TooManyCooks in EDDY_TMC."""
    sources = os.environ.get("EDDY_TMC")
    if not sources:
        return None, "EDDY_TMC is not set: the folder of the sources of TooManyCooks"
    if not shutil.which("clang++-19"):
        return None, "clang++-19 is not installed: install clang-19"
    where = folder / "peers" / "tmc"
    configure = ["cmake", "-S", SOURCES / "tmc", "-B", where, "-G", "Ninja", "-DCMAKE_BUILD_TYPE=Release",
                 "-DCMAKE_CXX_COMPILER=clang++-19", "-DCMAKE_CXX_FLAGS_RELEASE=-O2 -DNDEBUG",
                 f"-DEDDY_TMC={Path(sources).resolve()}"]
    program = where / "tmc_rt"
    configured = build_peer(configure, SOURCES / "tmc", {}, program)
    return build_peer(["cmake", "--build", where], SOURCES / "tmc", {}, program) if configured[0] else configured


def build_go(folder: Path, name: str) -> Built:
    """Builds peers/go/NAME as `go_NAME` below `folder`."""
    if not shutil.which("go"):
        return None, "go is not installed: install golang-go"
    program = folder / "peers" / f"go_{name}"
    # GOTOOLCHAIN=local: use the installed compiler instead of downloading another one.
    return build_peer(["go", "build", "-o", program, "."], SOURCES / "go" / name, {"GOTOOLCHAIN": "local"}, program)


def versions() -> str:
    """The versions of the installed peers, in one line."""
    found = {title: crate_version(name) for title, name in (CARGO_PEERS | HTTP_CARGO_PEERS).items()}
    if shutil.which("go"):
        found["Go"] = output_of(["go", "env", "GOVERSION"]).removeprefix("go")
    for package, library in {"libboost1.81-dev": "Boost", "libuv1-dev": "libuv", "liburing-dev": "liburing",
                             "nghttp2-server": "nghttpd", "libssl-dev": "OpenSSL"}.items():
        found[library] = output_of(["dpkg-query", "-W", "-f=${Version}", package])
    return ", ".join(f"{name} {version}" for name, version in found.items() if version)


def crate_version(name: str) -> str:
    """The version that the Cargo.toml of this peer requires."""
    wanted = (SOURCES / name / "Cargo.toml").read_text()
    return re.search(rf'^{name} = (?:\{{ version = )?"=([^"]+)"', wanted, re.MULTILINE).group(1)


def build_peer(command: list, where: Path, environment: dict, program: Path) -> Built:
    progress("bench", f"building {program.name} ...")
    done = subprocess.run(list(map(str, command)), cwd=where, capture_output=True, text=True, check=False,
                          env=os.environ | {name: str(value) for name, value in environment.items()})
    if done.returncode != 0:
        # Ninja prints the errors of the compiler to its standard output.
        return None, f"{command[0]} could not build it: {first_error(done.stderr + done.stdout)}"
    return program, ""


def first_error(complaints: str) -> str:
    # The first line of Go's output names the package only.
    lines = [line for line in complaints.strip().splitlines() if not line.startswith("# ")]
    errors = (line for line in lines if line.startswith("error") or " error: " in line)
    return next(errors, lines[0] if lines else "no error message")
