#!/usr/bin/env bash
# Wrong uses of an installed eddy, each of which must be refused with a sentence that says what to do: refused.sh SOURCES
# FOLDER PREFIX, where eddy is installed in PREFIX and FOLDER is made anew.
set -euo pipefail
sources=$1 folder=$2 prefix=$3
rm -rf "$folder"
mkdir -p "$folder"

is_refused() { # is_refused WORDS COMMAND...: the command must fail, and its output must contain the words
    local said
    if said=$("${@:2}" 2>&1); then
        echo "accepted, although it is wrong ($1): ${*:2}" >&2 && return 1
    fi
    said=$(tr -s '[:space:]' ' ' <<<"$said") # CMake breaks lines
    [[ $said == *"$1"* ]] || { echo "expected '$1' from ${*:2}, which says: ${said:0:2000}" >&2 && return 1; }
}

configure() { # configure [CMAKE...]
    cmake -S "$sources/tests/package/refused" -B "$folder/cmake" -G Ninja -D CMAKE_CXX_COMPILER=g++ -D CMAKE_PREFIX_PATH="$prefix" \
        -U SOURCES -U COMPONENTS -U 'CMAKE_DISABLE_*' "$@"
}

configure -D COMPONENTS='proto;tls;fs;process;http;ws' >/dev/null
is_refused 'eddy has no component htp; the components are proto, tls, fs, process, http, ws,' configure -D COMPONENTS='tls;htp'
is_refused 'eddy::tls needs OpenSSL 3 (Debian: libssl-dev), which CMake does not find' \
    configure -D COMPONENTS=tls -D CMAKE_DISABLE_FIND_PACKAGE_OpenSSL=ON
is_refused 'eddy::ws needs nghttp2 1.50 (Debian: libnghttp2-dev), zlib (Debian: zlib1g-dev), which' \
    configure -D COMPONENTS=ws -D CMAKE_DISABLE_FIND_PACKAGE_nghttp2=ON -D CMAKE_DISABLE_FIND_PACKAGE_ZLIB=ON
# Two eddys in one project.
is_refused 'This project has eddy already' configure -D SOURCES=AFTER
is_refused 'this project builds eddy from its sources, without eddy::http' configure -D SOURCES=BEFORE -D COMPONENTS=http
configure -D SOURCES=BEFORE >/dev/null

# Headers of another version than the library.
cp -r "$prefix/include" "$folder/include"
sed -i 's/_version_0_1/_version_9_9/g' "$folder/include/eddy/detail/export.hpp"
main=$sources/tests/package/main.cpp
for options in '' '-O2 -ffunction-sections -fdata-sections -Wl,--gc-sections' '-O2 -flto'; do
    # shellcheck disable=SC2086  # words
    is_refused "undefined reference to \`eddy::detail::runtime_is_version_9_9()'" \
        g++ -std=c++23 $options -I"$folder/include" "$main" -L"$prefix/lib" -leddy
done
# Also if only one file of the program has them, wherever the linker meets it, and if only one library is another one.
g++ -std=c++23 -c -I"$prefix/include" "$main" -o "$folder/right.o"
g++ -std=c++23 -c -Dmain=other -I"$folder/include" "$main" -o "$folder/wrong.o"
for files in 'right wrong' 'wrong right'; do
    # shellcheck disable=SC2086  # words
    is_refused "undefined reference to \`eddy::detail::runtime_is_version_9_9()'" \
        g++ $(printf "$folder/%s.o " $files) -L"$prefix/lib" -leddy -pthread
done
cp "$prefix/include/eddy/detail/export.hpp" "$folder/include/eddy/detail"
for library in tls http ws; do
    sed -i "s/^EDDY_HEADERS_OF($library)/EDDY_HEADERS_OF(${library}_9)/" "$folder/include/eddy/$library"/*.hpp
    printf '#include <eddy/%s.hpp>\nint main() {}\n' "$library" >"$folder/$library.cpp"
    is_refused "undefined reference to \`eddy::detail::${library}_9_is_version_0_1()'" \
        g++ -std=c++23 -I"$folder/include" "$folder/$library.cpp" -L"$prefix/lib" -leddy_ws -leddy_http -leddy_tls -leddy
done

# Compilers and options.
compile() { # compile OPTION...
    g++ "$@" -fsyntax-only -fmax-errors=1 -I"$prefix/include" "$sources/tests/package/main.cpp"
}
is_refused 'eddy needs C++23: compile with -std=c++23' compile -std=c++20
is_refused 'eddy needs exceptions: compile without -fno-exceptions' compile -std=c++23 -fno-exceptions
