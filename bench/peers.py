# SPDX-License-Identifier: MIT
"""Builds what others than eddy take part with."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

MANIFEST = Path(__file__).resolve().parent / "peers" / "tokio" / "Cargo.toml"


def build_tokio(folder: Path) -> tuple[Path | None, str]:
    """The program, built below `folder`, or None and why there is none."""
    if not shutil.which("cargo"):
        return None, "cargo is not installed"
    print("rt: building tokio_rt ...", file=sys.stderr, flush=True)
    target = folder / "peers" / "tokio"
    done = subprocess.run(["cargo", "build", "--release", "--quiet", "--manifest-path", str(MANIFEST)],
                          env={**os.environ, "CARGO_TARGET_DIR": str(target)}, stderr=subprocess.PIPE, text=True,
                          check=False)
    if done.returncode != 0:
        return None, f"cargo could not build it: {first_error(done.stderr)}"
    return target / "release" / "tokio_rt", ""


def first_error(complaints: str) -> str:
    lines = complaints.strip().splitlines()
    return next((line for line in lines if line.startswith("error")), lines[0] if lines else "it does not say why")
