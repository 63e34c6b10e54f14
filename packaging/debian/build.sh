#!/usr/bin/env bash
# Builds Debian packages of the last commit: packaging/debian/build.sh [FOLDER]. They are in FOLDER (build/deb), with the
# report of lintian. It needs dpkg-dev, debhelper, lintian, and the Build-Depends of the file control.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
out=${1:-build/deb}
rm -rf "$out"
mkdir -p "$out/eddy"
git archive HEAD | tar -x -C "$out/eddy"
mv "$out/eddy/packaging/debian" "$out/eddy/debian"
rm "$out/eddy/debian/build.sh"
cd "$out/eddy"
dpkg-buildpackage -us -uc -b
cd ..
lintian --fail-on error ./*.changes
