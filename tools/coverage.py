#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Prints a table of line and branch coverage by module:  coverage.py BUILD

A module is a folder of src/ and of include/eddy/ with the same name. Templates count once per source line, whichever instance ran.
"""
import json
import pathlib
import subprocess
import sys

build = pathlib.Path(sys.argv[1]).resolve()
top = pathlib.Path(__file__).resolve().parents[1]
profiles = [str(file) for file in (build / "profiles").glob("*.profraw")]
if not profiles:
    sys.exit("coverage.py: no test has written a profile")
merged = build / "profiles" / "all.profdata"
subprocess.run(["llvm-profdata-19", "merge", "-sparse", "-o", merged, *profiles], check=True)

programs = [file for file in (build / "tests").rglob("*") if file.is_file() and file.stat().st_mode & 0o100 and file.suffix == ""]
objects = [word for program in programs[1:] for word in ("-object", program)]
exported = subprocess.run(
    ["llvm-cov-19", "export", "-summary-only", f"-instr-profile={merged}", programs[0], *objects, top / "src", top / "include"],
    check=True, stdout=subprocess.PIPE)

KINDS = ("lines", "branches", "functions")
modules = {}
for file in json.loads(exported.stdout)["data"][0]["files"]:
    path = pathlib.Path(file["filename"]).resolve().relative_to(top)
    parts = path.parts[2:] if path.parts[0] == "include" else path.parts[1:]
    module = parts[0] if len(parts) > 1 else "(top)"
    counts = modules.setdefault(module, {kind: [0, 0] for kind in KINDS})
    for kind in KINDS:
        counts[kind][0] += file["summary"][kind]["covered"]
        counts[kind][1] += file["summary"][kind]["count"]

modules = dict(sorted(modules.items()))
modules["all"] = {kind: [sum(each[kind][i] for each in modules.values()) for i in (0, 1)] for kind in KINDS}
print("| module | " + " | ".join(f"{kind} | %" for kind in KINDS) + " |")
print("|---" + "|--:|--:" * len(KINDS) + "|")
for name, counts in modules.items():
    cells = [f"{counts[kind][0]} of {counts[kind][1]} | {100 * counts[kind][0] / max(1, counts[kind][1]):.1f}" for kind in KINDS]
    print(f"| {name} | " + " | ".join(cells) + " |")
