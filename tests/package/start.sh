#!/usr/bin/env bash
# The commands of docs/start.md, as a user types them, and a client of the server that they build.
# `./dev check package` runs this: start.sh SOURCES FOLDER [PREFIX], where SOURCES are eddy's and FOLDER is made anew.
# With PREFIX, where eddy is installed already, eddy is not compiled.
set -euo pipefail
sources=$1 folder=$2 prefix=${3:-}
projects=$sources/tests/package/start
CCACHE_DIR=$(ccache -k cache_dir 2>/dev/null) && export CCACHE_DIR

rm -rf "$folder"
mkdir -p "$folder/home"
cd "$folder"
export HOME=$PWD/home
ln -s "$sources" eddy

# shellcheck source=tests/package/echoed.sh
source "$sources/tests/package/echoed.sh"

project() { # project NAME: goes into a copy of it, with the program of the README
    mkdir "$folder/$1"
    [[ ! -d $projects/$1 ]] || cp "$projects/$1"/* "$folder/$1"
    cp "$sources/examples/readme_echo.cpp" "$folder/$1/main.cpp"
    cd "$folder/$1"
}

if [[ -n $prefix ]]; then
    ln -s "$prefix" home/eddy
else
    # docs: install
    cmake -S eddy -B eddy-build -DCMAKE_BUILD_TYPE=Release -DEDDY_BUILD_TESTS=OFF -DEDDY_BUILD_EXAMPLES=OFF -DEDDY_BUILD_BENCH=OFF
    cmake --build eddy-build -j "$(nproc)"
    cmake --install eddy-build --prefix "$HOME/eddy"
    # docs: end
fi

project find_package
# docs: find_package
cmake -S . -B build -DCMAKE_PREFIX_PATH="$HOME/eddy" -DCMAKE_BUILD_TYPE=Release
cmake --build build
# docs: end
is_echoed build/my_server

project pkg_config
# docs: pkg-config
export PKG_CONFIG_PATH="$HOME/eddy/lib/pkgconfig"
make
# docs: end
is_echoed ./my_server
# shellcheck disable=SC2046  # words
{
    g++ -std=c++23 $(pkg-config --cflags eddy-tls) -c -o tls.o -x c++ - <<<'#include <eddy/tls.hpp>
int main() { return eddy::tls::client_config::make().has_value() ? 0 : 1; }'
    g++ -o tls tls.o $(pkg-config --libs eddy-http) # which requires eddy-tls
}
./tls

if [[ -z $prefix ]]; then
    project amalgamated
    # docs: amalgamated
    python3 ../eddy/tools/amalgamate.py .
    g++ -std=c++23 -c eddy.cpp
    # docs: end
    sed -i 's|<eddy/prelude.hpp>|"eddy.hpp"|' main.cpp
    # docs: amalgamated program
    g++ -std=c++23 -o my_server main.cpp eddy.o
    # docs: end
    is_echoed ./my_server
    # With io_uring, and without warnings.
    g++ -std=c++23 -O2 -Wall -Wextra -Werror -DEDDY_WITH_LIBURING -o ring_server main.cpp eddy.cpp -luring
    EDDY_DRIVER=auto is_echoed ./ring_server

    # HTTP/2 over TLS, and WebSockets, from the same folder.
    for name in web_server ws; do
        case $name in web_server) program=examples/https_server.cpp ;; ws) program=tests/package/ws.cpp ;; esac
        sed '0,/#include <eddy\/.*/s//#include "eddy_web.hpp"/; /#include <eddy\//d' "$sources/$program" >$name.cpp
    done
    # docs: amalgamated web
    g++ -std=c++23 -DEDDY_WITH_NGHTTP2 -c eddy_tls.cpp eddy_fs.cpp eddy_http.cpp eddy_ws.cpp
    g++ -std=c++23 -o web_server web_server.cpp eddy*.o -lssl -lcrypto -lz -lnghttp2
    # docs: end
    g++ -std=c++23 -o ws ws.cpp eddy*.o -lssl -lcrypto -lz -lnghttp2
    ./ws
    answers_https ./web_server
    # Without HTTP/2.
    g++ -std=c++23 -Wall -Wextra -Werror -fsyntax-only eddy_http.cpp
fi

# The sources come from a folder, not from EDDY_REPOSITORY.
project fetch_content
cmake -S . -B build -DCMAKE_BUILD_TYPE=Release -DFETCHCONTENT_SOURCE_DIR_EDDY="$sources"
[[ -z $prefix ]] || exit 0
cmake --build build -j "$(nproc)"
is_echoed build/my_server
