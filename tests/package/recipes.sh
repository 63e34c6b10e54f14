#!/usr/bin/env bash
# Builds the programs of docs/recipes.md in a new folder, with an installed eddy, and runs some of them.
# `./dev check --all package` runs this: recipes.sh SOURCES FOLDER PREFIX.
set -euo pipefail
sources=$1 folder=$2 prefix=$3
# shellcheck source=tests/package/echoed.sh
source "$sources/tests/package/echoed.sh"

rm -rf "$folder"
mkdir -p "$folder/home"
cd "$folder"
export HOME=$PWD/home
ln -s "$prefix" home/eddy
cp "$sources/tests/package/recipes/CMakeLists.txt" .
grep -ohE 'examples/\w+[.]cpp\)' "$sources"/docs/recipes/*.md "$sources/docs/features.md" | tr -d ')' | sort -u | sed "s|^|$sources/|" | xargs cp -t .

# docs: build
cmake -S . -B build -DCMAKE_PREFIX_PATH="$HOME/eddy" -DCMAKE_BUILD_TYPE=Release
cmake --build build
# docs: end

answers_http build/http_hello /hello/Ada 'hello, Ada'
build/rpc | grep -F 'square(12) = 144'
build/checksums sums.txt CMakeLists.txt | grep -F 'sums.txt has the checksums of 1 files'
