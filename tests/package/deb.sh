#!/usr/bin/env bash
# The Debian packages, as docs/start.md builds and installs them. `./dev cross deb12` runs this as root, inside two fresh
# systems: one for each command.
#     deb.sh build SOURCES FOLDER      builds the packages, in FOLDER/packages
#     deb.sh install SOURCES FOLDER    installs them, and builds and runs the programs of docs/start.md
set -euo pipefail
command=$1 sources=$2 folder=$3
mkdir -p "$folder"
cd "$folder"
ln -sfn "$sources" eddy
export DEBIAN_FRONTEND=noninteractive
apt-get update -qq

case $command in
build)
    apt-get install -y -qq --no-install-recommends lintian
    # docs: build
    apt-get build-dep -y ./eddy/packaging
    eddy/packaging/debian/build.sh packages
    # docs: end
    ;;
install)
    # docs: install
    apt-get install -y ./packages/*.deb
    # docs: end
    apt-get install -y -qq --no-install-recommends g++ cmake make pkg-config gdb
    eddy-check --help >/dev/null
    "$sources/tests/package/start.sh" "$sources" "$folder/start" /usr
    "$sources/tests/package/inspected.sh" "$folder/start/find_package/build/my_server" /usr
    ;;
esac
