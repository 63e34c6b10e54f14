#!/usr/bin/env bash
# Installs eddy with its module, and builds the examples that only include <eddy/prelude.hpp> with `import eddy;` instead:
# module.sh SOURCES FOLDER, where FOLDER is made anew. Returns 77 if there is no CMake 3.28, and none can be installed.
set -euo pipefail
sources=$1 folder=$2
# shellcheck source=tests/package/echoed.sh
source "$sources/tests/package/echoed.sh"

rm -rf "$folder"
mkdir -p "$folder/programs"
cd "$folder"
if ! printf '3.28\n%s\n' "$(cmake --version | awk 'NR == 1 {print $3}')" | sort -CV; then
    { python3 -m venv tools && tools/bin/pip install --quiet 'cmake>=3.28'; } || exit 77
    PATH=$PWD/tools/bin:$PATH
fi
options=(-G Ninja -D CMAKE_CXX_COMPILER=clang++-19 -D CMAKE_BUILD_TYPE=Debug)
cmake -S "$sources" -B library "${options[@]}" -D EDDY_MODULE=ON -D EDDY_UNITY_BATCH_SIZE=1000 \
    -DEDDY_BUILD_{TESTS,EXAMPLES,BENCH,TLS,FS,PROCESS,HTTP,WS,INSPECT}=OFF
cmake --build library -j "${EDDY_JOBS:-$(nproc)}"
cmake --install library --prefix "$PWD/the prefix"

# A module exports neither the names of the standard library nor those that a program includes by chance.
python3 - "$sources/examples" <<'END'
import pathlib
import re
import sys

names = "array chrono coroutine cstddef expected optional source_location span thread utility".split()
prelude = "#include <eddy/prelude.hpp>\n"
for path in sorted(pathlib.Path(sys.argv[1]).glob("*.cpp")):
    text = path.read_text()
    if set(re.findall(r'^#include (?:"|<(?:\w+/|glib)).*\n', text, re.M)) != {prelude}:
        continue
    text = text.replace(prelude, "".join(f"#include <{name}>\n" for name in names))
    end = [found.end() for found in re.finditer(r"^#include .*\n", text, re.M)][-1]
    (pathlib.Path("programs") / path.name).write_text(text[:end] + "import eddy;\n" + text[end:])
END
cp "$sources/tests/package/module/CMakeLists.txt" .
cp "$sources/tests/package/module/program.cpp" programs
cmake -S . -B build "${options[@]}" -D CMAKE_PREFIX_PATH="$PWD/the prefix"
cmake --build build -j "${EDDY_JOBS:-$(nproc)}"
is_echoed build/readme_echo
build/spawn_and_join
build/program
