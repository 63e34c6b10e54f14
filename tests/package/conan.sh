#!/usr/bin/env bash
# The commands of docs/start.md for Conan 2: conan.sh SOURCES FOLDER, where FOLDER is made anew. The options in
# start/conan/conanfile.txt exclude what needs a package from a registry. Returns 77 if Conan cannot be installed.
set -euo pipefail
sources=$1 folder=$2
# shellcheck source=tests/package/echoed.sh
source "$sources/tests/package/echoed.sh"

rm -rf "$folder"
mkdir -p "$folder/my_server"
cd "$folder"
ln -s "$sources" eddy
if ! command -v conan >/dev/null; then
    { python3 -m venv tools && tools/bin/pip install --quiet conan==2.34.0; } || exit 77
    PATH=$PWD/tools/bin:$PATH
fi
export CONAN_HOME=$PWD/conan
cp "$sources"/tests/package/start/{find_package/CMakeLists.txt,conan/conanfile.txt} my_server
cp "$sources/examples/readme_echo.cpp" my_server/main.cpp
cd my_server
# docs: conan
conan profile detect
conan export ../eddy/packaging/conan
conan install . --build=missing --no-remote -s compiler.cppstd=23 --output-folder=build
cmake -S . -B build -DCMAKE_TOOLCHAIN_FILE=build/conan_toolchain.cmake -DCMAKE_BUILD_TYPE=Release
cmake --build build
# docs: end
is_echoed build/my_server
cmake --build build --target eddy_check_my_server
