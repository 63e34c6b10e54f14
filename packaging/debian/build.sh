#!/usr/bin/env bash
# Builds Debian packages of the last commit (without Git: of all files): packaging/debian/build.sh [FOLDER]. They are in
# FOLDER (build/deb), and the debug symbols in FOLDER/dbgsym. Then prints the report of lintian, if it is installed.
# It needs what `apt-get build-dep ./packaging` installs.
set -euo pipefail
out=$(realpath -m -- "${1:-$(dirname "${BASH_SOURCE[0]}")/../../build/deb}")
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
rm -rf "$out"
mkdir -p "$out/eddy"
if [[ -e .git ]]; then git archive HEAD; else tar -c --exclude=./build .; fi | tar -x -C "$out/eddy"
mv "$out/eddy/packaging/debian" "$out/eddy/debian"
rm "$out/eddy/debian/build.sh"
cd "$out/eddy"
dpkg-buildpackage -us -uc -b
cd ..
if command -v lintian >/dev/null; then lintian --fail-on error ./*.changes; fi
mkdir dbgsym
mv ./*-dbgsym_*.deb dbgsym
