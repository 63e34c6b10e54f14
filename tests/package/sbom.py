#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Checks the SBOM of an installed static eddy: sbom.py PREFIX. It must have the fields that SPDX 2.3 requires, and the
dependencies that pkg-config knows."""
import json
import os
import pathlib
import subprocess
import sys

prefix = pathlib.Path(sys.argv[1])
pkgconfig = next(prefix.glob("lib*/**/pkgconfig"))
document = json.loads(next(prefix.glob("share/doc/**/eddy.spdx.json")).read_text())
names = {"libssl": "openssl", "libcrypto": "openssl", "libnghttp2": "nghttp2", "libbrotlienc": "brotli", "libbrotlidec": "brotli",
         "libzstd": "zstd"}

for field in ("spdxVersion", "dataLicense", "SPDXID", "name", "documentNamespace"):
    assert isinstance(document[field], str), field
assert document["creationInfo"]["created"].endswith("Z") and document["creationInfo"]["creators"]
packages = {package["SPDXID"]: package["name"] for package in document["packages"]}
assert len(packages) == len(document["packages"]), "two packages have the same SPDXID"
assert all(package["downloadLocation"] for package in document["packages"])


def required(package):
    """Returns the packages that the .pc file names."""
    environment = {**os.environ, "PKG_CONFIG_PATH": str(pkgconfig)}
    out = subprocess.run(["pkg-config", "--print-requires", package], check=True, env=environment, capture_output=True, text=True)
    return {names.get(line.split()[0], line.split()[0]) for line in out.stdout.splitlines()}


def listed(package):
    """Returns the packages on which the SBOM says that this one depends."""
    return {packages[r["relatedSpdxElement"]] for r in document["relationships"]
            if r["relationshipType"] == "DEPENDS_ON" and packages.get(r["spdxElementId"]) == package}


def with_their_own(package, ask):
    return {package}.union(*(with_their_own(p, ask) if p.startswith("eddy") else {p} for p in ask(package)))


for file in sorted(pkgconfig.glob("eddy*.pc")):
    found, expected = with_their_own(file.stem, listed), with_their_own(file.stem, required)
    assert found == expected, f"{file.stem}: the SBOM has {sorted(found)}, pkg-config {sorted(expected)}"
