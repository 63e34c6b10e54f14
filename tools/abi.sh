#!/usr/bin/env bash
# Writes a description of the binary interface of the shared libraries, and compares it with that of an older commit:
# abi.sh [--dump] [COMMIT], by default the last tag, if there is one. `./dev abi` runs it. A release may add functions, but a
# program that was linked with an older release of the same minor version must still work. Exit status: 1 if it might not.
#
# A release keeps its descriptions in packaging/abi, where --dump writes them (see CONTRIBUTING.md). A commit without them is
# built.
#
# The types that are not in the public headers do not count. packaging/abi.ignore has the differences that are harmless, in
# the format of libabigail's suppression files.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
libraries=(eddy)
for folder in */include; do # a folder without sources has only headers
    [[ $folder == @(futures|runtime)/include || ! -d ${folder%include}src ]] || libraries+=("eddy_${folder%/include}")
done

keep=0
[[ ${1:-} != --dump ]] || { keep=1 && shift; }
base=${1:-$(git describe --tags --abbrev=0 2>/dev/null || true)}
if [[ -n $base ]]; then
    commit=$(git rev-parse --verify --quiet "$base^{commit}") || { echo "abi: unknown commit $base" >&2 && exit 2; }
fi

build() { # build SOURCES FOLDER
    cmake -S "$1" -B "$2" -G Ninja -D BUILD_SHARED_LIBS=ON -D CMAKE_CXX_COMPILER=g++ -D CMAKE_BUILD_TYPE=Release \
        -D CMAKE_CXX_FLAGS_RELEASE='-O2 -DNDEBUG -g' -D EDDY_UNITY_BATCH_SIZE=32 \
        -D EDDY_BUILD_TESTS=OFF -D EDDY_BUILD_EXAMPLES=OFF -D EDDY_BUILD_BENCH=OFF >"$2.log" 2>&1 &&
        cmake --build "$2" -j "${EDDY_JOBS:-$(nproc)}" --target eddy_libraries >>"$2.log" 2>&1 || { tail -50 "$2.log" >&2 && exit 2; }
}

describe() { # describe SOURCES BUILD FOLDER
    local library folder headers=()
    mkdir -p "$3"
    for folder in "$1"/*/include; do headers+=(--headers-dir "$folder"); done
    for library in "${libraries[@]}"; do
        abidw --drop-private-types --no-corpus-path --no-comp-dir-path "${headers[@]}" --out-file "$3/$library.abi" \
            "$2/lib/lib$library.so"
    done
}

mkdir -p build/abi
new=build/abi/new
build . build/abi/build
describe . build/abi/build "$new"
if ((keep)); then
    mkdir -p packaging/abi
    for library in "${libraries[@]}"; do xz --stdout "$new/$library.abi" >"packaging/abi/$library.abi.xz"; done
    echo "abi: wrote packaging/abi"
fi
[[ -n $base ]] || { echo "abi: there is no tag to compare with; the descriptions are in $new" && exit; }

old=build/abi/$commit
if [[ ! -e $old/.complete ]]; then
    rm -rf "$old"
    mkdir -p "$old/source"
    if git cat-file -e "$commit:packaging/abi/eddy.abi.xz" 2>/dev/null; then
        for library in "${libraries[@]}"; do git show "$commit:packaging/abi/$library.abi.xz" | xz -d >"$old/$library.abi"; done
    else
        git archive "$commit" | tar -x -C "$old/source"
        build "$old/source" "$old/build"
        describe "$old/source" "$old/build" "$old"
    fi
    touch "$old/.complete"
fi

status=0
for library in "${libraries[@]}"; do
    report=build/abi/$library.txt result=0
    abidiff --drop-private-types --no-added-syms --suppressions packaging/abi.ignore "$old/$library.abi" "$new/$library.abi" \
        >"$report" || result=$?
    ((result == 0)) || { cat "$report" && status=1; }
    printf 'abi: %-10s %s\n' "$library" "$( ((result)) && echo "differs from $base" || echo "is compatible with $base")"
done
exit "$status"
