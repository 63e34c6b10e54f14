#!/usr/bin/env bash
# Prints the warnings that users of eddy would get. Compiles all public headers in one file, each example, and
# tests/package/user.cpp with -Wall -Wextra, as the user's own code (-I, not -isystem). Prints each warning once, then
# their number.
#    tools/warnings.sh g++-14 -O2
#    tools/warnings.sh clang++-19 -stdlib=libc++ -O2
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
compiler=${1:?usage: tools/warnings.sh COMPILER [OPTION...]}
shift
[[ " $* " == *' -std='* ]] || set -- -std=c++23 "$@"

# What the CMake target eddy::eddy adds for Clang before 19, whose libstdc++ has no std::expected without it.
clang=$("$compiler" -dM -E -x c++ /dev/null | sed -n 's/^#define __clang_major__ //p')
if [[ -n $clang ]] && ((clang < 19)); then set -- "$@" -D__cpp_concepts=202002L -Wno-builtin-macro-redefined; fi

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
find */include -name '*.hpp' | sed 's,^[a-z]*/include/\(.*\),#include <\1>,' | sort >"$work/all_headers.cpp"
includes=$(printf -- '-I%s ' */include)
launcher=$(command -v ccache || true)
libraries=$(pkg-config --cflags glib-2.0 | sed 's/-I/-isystem /g') # the other libraries of the examples need no options

compile() { # compile FILE
    local log
    log=$work/$(tr / _ <<<"$1").log
    # shellcheck disable=SC2086  # no launcher is no word; the options are several
    $launcher "$compiler" -Wall -Wextra "${@:2}" $includes -Iexamples $libraries -c "$1" -o "$log.o" >"$log" 2>&1 ||
        printf '%s: error: %s does not compile it\n' "$1" "$compiler" >>"$log"
    rm -f "$log.o"
}
export -f compile
export launcher includes libraries compiler work
printf '%s\n' "$work/all_headers.cpp" tests/package/user.cpp examples/*.cpp examples/*/*.cpp |
    xargs -P "${EDDY_JOBS:-$(nproc)}" -I{} bash -c 'compile "$@"' compile {} "$@"

cat "$work"/*.log >"$work/all"
grep -E 'warning:|error:' "$work/all" | sort -u || true
count=$(grep -cE 'warning:|error:' "$work/all" || true)
printf '%s %s: %d warnings\n' "$compiler" "$*" "$count"
((count == 0))
