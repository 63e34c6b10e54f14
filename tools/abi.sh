#!/usr/bin/env bash
# Compares the binary interface of the shared libraries with that of an older commit: abi.sh [COMMIT], by default the last
# tag. `./dev abi` runs it. A release may add functions, but a program that was linked with an older release of the same
# minor version must still work. Exit status: 1 if it might not.
#
# The types that are not in the public headers do not count. packaging/abi.ignore has the differences that are harmless, in
# the format of libabigail's suppression files.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
libraries=(eddy eddy_tls eddy_http eddy_ws)

base=${1:-$(git describe --tags --abbrev=0 2>/dev/null || true)}
[[ -n $base ]] || { echo "abi: there is no tag; name a commit: ./dev abi COMMIT" >&2 && exit 2; }
commit=$(git rev-parse --verify --quiet "$base^{commit}") || { echo "abi: unknown commit $base" >&2 && exit 2; }

build() { # build SOURCES FOLDER
    cmake -S "$1" -B "$2" -G Ninja -D BUILD_SHARED_LIBS=ON -D CMAKE_CXX_COMPILER=g++ -D CMAKE_BUILD_TYPE=Release \
        -D CMAKE_CXX_FLAGS_RELEASE='-O2 -DNDEBUG -g' -D EDDY_UNITY_BATCH_SIZE=32 \
        -D EDDY_BUILD_TESTS=OFF -D EDDY_BUILD_EXAMPLES=OFF -D EDDY_BUILD_BENCH=OFF >"$2.log" 2>&1 &&
        cmake --build "$2" -j "${EDDY_JOBS:-$(nproc)}" --target eddy_libraries >>"$2.log" 2>&1 || { tail -50 "$2.log" >&2 && exit 2; }
}

old=build/abi/$commit new=build/abi/new
mkdir -p "$old/source"
if [[ ! -e $old/.complete ]]; then
    git archive "$commit" | tar -x -C "$old/source"
    build "$old/source" "$old/build"
    touch "$old/.complete"
fi
build . "$new"

status=0
for library in "${libraries[@]}"; do
    report=build/abi/$library.txt result=0
    abidiff --drop-private-types --no-added-syms --suppressions packaging/abi.ignore --headers-dir1 "$old/source/include" \
        --headers-dir2 include "$old/build/src/lib$library.so" "$new/src/lib$library.so" >"$report" || result=$?
    ((result == 0)) || { cat "$report" && status=1; }
    printf 'abi: %-10s %s\n' "$library" "$( ((result)) && echo "differs from $base" || echo "is compatible with $base")"
done
exit "$status"
