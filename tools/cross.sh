#!/usr/bin/env bash
# ./dev cross SYSTEM...: builds and tests the tree inside other systems, with their compilers, standard libraries, and
# liburing, or on drivers of other systems.
#
# kqueue is the system on which the command runs, with an emulation of kqueue(2): tests/support/kqueue/kqueue.cpp, or
# libkqueue if EDDY_LIBKQUEUE is the folder of its sources (https://github.com/mheily/libkqueue, commit f966089).
#
# macos, freebsd, netbsd and openbsd: Zig's compiler compiles and links the library, the tests and the examples for them.
# Nothing is run.
#
# arm64 and s390x are other processors: Debian's cross compiler, the libraries of that processor from Debian's packages, and
# qemu-user, which emulates the processor and passes system calls to the kernel of this machine. s390x is big-endian.
#
# deb12 and deb13 are two fresh systems each, Debian 12 or 13: one in which the Debian packages are built, and one in which
# they are installed and used.
#
# windows is MinGW's GCC for Windows, and wine, which runs its programs on the kernel of this machine. Nothing is run on
# Windows itself.
#
# Each other system is a root folder, which debootstrap creates once in a cache folder, and which is entered with chroot. It
# shares the kernel of this machine. The mounts are in a separate mount namespace, so none remains afterwards.
set -euo pipefail
top=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cache=${EDDY_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/eddy}

say() { printf 'cross: %s\n' "$*" >&2; }
die() { say "$*"; exit 1; }

usage() {
    cat <<'END'
./dev cross SYSTEM...      builds and tests for one or more of these systems:

./dev cross debian12 debian13 debian-testing
                           builds and tests inside these systems; needs root and debootstrap
./dev cross deb12 deb13    builds the Debian packages in Debian 12 or 13, and installs and uses them in a fresh system; needs
                           root and debootstrap
./dev cross kqueue         builds and runs the tests on this system, on the kqueue driver over an emulation of kqueue(2):
                           libkqueue if $EDDY_LIBKQUEUE is a folder with its sources, otherwise tests/support/kqueue
./dev cross arm64 s390x    builds the tests for these processors, and runs them with qemu-user; needs root
./dev cross windows        builds the library and a part of the tests for Windows with MinGW, and runs them with wine; needs
                           root
./dev cross macos freebsd netbsd openbsd
                           compiles and links the library, the tests and the examples for these systems with Zig's compiler,
                           which is installed from PyPI, and runs nothing

The root folders of the Debian systems are in $EDDY_CACHE/roots (by default ~/.cache/eddy/roots). Their packages are
downloaded from $EDDY_DEBIAN_MIRROR, or from the mirror that apt uses on this system.
END
}

# Sets the properties of a system: its suite, its packages in addition to those of ./dev test, and the compilers for
# tools/warnings.sh.
describe() {
    case $1 in
    kqueue | windows | macos | freebsd | netbsd | openbsd) ;;
    arm64) triplet=aarch64-linux-gnu ;;
    s390x) triplet=s390x-linux-gnu ;;
    deb12) suite=bookworm ;;
    deb13) suite=trixie ;;
    debian12)
        suite=bookworm packages=(clang-19) clang=clang++-19
        compilers=('g++-12' 'clang++-19')
        ;;
    debian13)
        suite=trixie packages=(g++-13 clang-17 clang-18 clang-19 libc++-19-dev libc++abi-19-dev) clang=clang++-19
        # The two macros are for CLI11, which uses what C++26 has removed.
        compilers=('g++-13' 'g++-14' 'clang++-18' 'clang++-19'
            'clang++-19 -stdlib=libc++ -D_LIBCPP_ENABLE_CXX26_REMOVED_CODECVT -D_LIBCPP_ENABLE_CXX26_REMOVED_WSTRING_CONVERT'
            'clang++-17 --gcc-install-dir=/usr/lib/gcc/x86_64-linux-gnu/13')
        ;;
    debian-testing)
        suite=testing packages=(g++-15 clang) clang=clang++
        compilers=('g++-15' 'g++' 'clang++')
        ;;
    *) die "unknown system $1; the systems are: debian12 debian13 debian-testing deb12 deb13 kqueue arm64 s390x windows macos freebsd netbsd openbsd" ;;
    esac
}

mirror() {
    local found=${EDDY_DEBIAN_MIRROR:-}
    [[ -n $found ]] || found=$(cat /etc/apt/sources.list.d/debian.sources /etc/apt/sources.list 2>/dev/null |
        sed -nE 's/^URIs: *([^ ]+).*/\1/p; s/^deb +(\[[^]]*\] +)?([^ ]+debian\/?) .*/\2/p' | head -1)
    [[ -n $found ]] || die "set EDDY_DEBIAN_MIRROR to a Debian mirror"
    printf '%s' "$found"
}

make_root() { # make_root ROOT
    local root=$1 script=/usr/share/debootstrap/scripts/$suite from
    [[ ! -e $root/.complete ]] || return 0
    command -v debootstrap >/dev/null || die "debootstrap is missing; to install it: apt-get install debootstrap"
    [[ -e $script ]] || script=/usr/share/debootstrap/scripts/sid
    from=$(mirror)
    say "creating a root folder for Debian $suite"
    rm -rf "$root" # the remains of an interrupted run
    mkdir -p "$root"
    debootstrap --variant=minbase "$suite" "$root" "$from" "$script" >"$root.log" 2>&1 ||
        die "debootstrap failed; see $root.log"
    # The list of `testing` on a mirror may be past its expiration date.
    echo 'Acquire::Check-Valid-Until "false";' >"$root/etc/apt/apt.conf.d/90eddy"
    touch "$root/.complete"
}

copy_tree() { # copy_tree ROOT: copies the working tree, committed or not; keeps the builds of earlier runs
    mkdir -p "$1/eddy"
    find "$1/eddy" -mindepth 1 -maxdepth 1 ! -name build -exec rm -rf {} +
    (cd "$top" && git ls-files -z --cached --others --exclude-standard | while IFS= read -r -d '' file; do
        [[ ! -e $file && ! -L $file ]] || printf '%s\0' "$file" # git also lists deleted files
    done | tar -c --null -T -) | tar -x -C "$1/eddy"
}

# step WHAT COMMAND...: runs the command and prints one line: system, step, result, seconds. Uses `name` and `log`, and
# sets `failed` of its caller.
step() {
    local what=$1 start=$SECONDS status=passed
    shift
    say "$name: $what"
    "$@" >"$log" 2>&1 </dev/null || { status=FAILED && failed=1; }
    [[ $status == passed ]] || tail -60 "$log" >&2
    printf '%-16s %-44s %-7s %5d s  %s\n' "$name" "$what" "$status" $((SECONDS - start)) \
        "$(grep -E '^[0-9]+ passed, [0-9]+ failed|: [0-9]+ warnings$|[0-9]+ errors$|programs linked$' "$log" | tail -1 | sed 's/.*: //')"
}

kqueue_tests=(--driver kqueue -L '^(kqueue|kqueue_driver)$')

# The kqueue driver on this system. Prints the skipped tests, each with its reason.
# covers: S03 P112
cross_kqueue() {
    local name=kqueue failed=0 log=$top/build/kqueue.log build=build/kqueue libkqueue=
    cd "$top"
    mkdir -p build
    if [[ -n ${EDDY_LIBKQUEUE:-} ]]; then
        build=build/libkqueue libkqueue=$top/build/libkqueue_library
        kqueue_tests+=(--omit tests/support/kqueue/libkqueue_omitted.tsv)
        step 'libkqueue' build_libkqueue
    fi
    step 'build' build_with_kqueue
    step 'the driver, and the suite on it' python3 tests/run.py "$build" "${kqueue_tests[@]}"
    grep '^skipped: ' "$log" || true
    return "$failed"
}

build_with_kqueue() {
    # shellcheck disable=SC2046  # targets are words
    cmake --preset dev -B "$build" -D EDDY_TEST_KQUEUE=ON -D EDDY_TEST_LIBKQUEUE="$libkqueue" &&
        cmake --build "$build" -j "${EDDY_JOBS:-$(nproc)}" --target $(python3 tests/run.py "$build" --targets "${kqueue_tests[@]}")
}

# Compiles a copy of libkqueue's sources, with its differences from kqueue(2) mended as far as possible.
build_libkqueue() {
    local sources=$libkqueue.sources
    rm -rf "$sources"
    mkdir -p "$sources"
    cp -r "$EDDY_LIBKQUEUE"/{CMakeLists.txt,cmake,config.h.in,include,kqueue.2,libkqueue.pc.in,src,version.h.in} "$sources" &&
        patch -d "$sources" -p1 <tests/support/kqueue/libkqueue.patch &&
        cmake -S "$sources" -B "$libkqueue" -G Ninja -D CMAKE_BUILD_TYPE=RelWithDebInfo -D ENABLE_SHARED=OFF -D ENABLE_TESTING=OFF &&
        cmake --build "$libkqueue" --target kqueue_static
}

# The library, the tests and the examples for another system, with Zig's compiler and warnings as errors. Nothing is run.
cross_zig() { # cross_zig SYSTEM
    local name=$1 failed=0 log=$top/build/$1.log packages=$cache/zig/packages/$1
    local zig=$cache/zig/$zig_version/ziglang/zig
    export ZIG_GLOBAL_CACHE_DIR=$cache/zig/cache # keeps the compiled C++ library of each system
    cd "$top"
    mkdir -p build
    step "Zig's compiler" install_zig
    step 'GoogleTest, headers of libraries' make_zig_packages
    step "Zig $zig_version: library, tests, examples" build_with_zig
    grep '^not built: ' "$log" || true
    return "$failed"
}

zig_version=0.16.0

install_zig() {
    [[ -x $zig ]] || python3 -m pip install --quiet --target "$cache/zig/$zig_version" "ziglang==$zig_version"
}

configure_with_zig() { # configure_with_zig SOURCE BUILD [OPTION...]
    cmake -S "$1" -B "$2" -G Ninja --toolchain "$top/tools/zig.cmake" -D ZIG="$zig" -D ZIG_TARGET="x86_64-$name" \
        -D ZIG_PACKAGES="$packages" -D CMAKE_BUILD_TYPE=Debug -D CMAKE_CXX_FLAGS_DEBUG='-O0 -g0' "${@:3}"
}

# GoogleTest, compiled from the sources in its Debian package, and the libraries that consist of headers.
make_zig_packages() {
    [[ ! -e $packages/.complete ]] || return 0
    rm -rf "$packages" # the remains of an interrupted run
    mkdir -p "$packages"/{include,lib/cmake/fmt,share/cmake}
    cp -r /usr/include/{CLI,fmt,nlohmann} "$packages/include" &&
        cp -r /usr/share/cmake/{CLI11,nlohmann_json} "$packages/share/cmake" || return 1
    cat >"$packages/lib/cmake/fmt/fmt-config.cmake" <<'END'
add_library(fmt::fmt INTERFACE IMPORTED)
target_compile_definitions(fmt::fmt INTERFACE FMT_HEADER_ONLY)
target_include_directories(fmt::fmt INTERFACE ${CMAKE_CURRENT_LIST_DIR}/../../../include)
END
    configure_with_zig /usr/src/googletest "$cache/zig/googletest/$name" -D BUILD_GMOCK=OFF -D CMAKE_INSTALL_PREFIX="$packages" &&
        cmake --build "$cache/zig/googletest/$name" -j "${EDDY_JOBS:-$(nproc)}" --target install &&
        touch "$packages/.complete"
}

# Continues after errors, so that the log has all of them.
build_with_zig() {
    local status=0
    configure_with_zig . "build/$name" -D EDDY_WARNINGS=ON -D CMAKE_COMPILE_WARNING_AS_ERROR=ON -D EDDY_BUILD_BENCH=OFF \
        -D EDDY_BUILD_TLS=OFF -D EDDY_BUILD_WS=OFF -D EDDY_CCACHE=OFF -D EDDY_MOLD=OFF -D CMAKE_DISABLE_FIND_PACKAGE_PkgConfig=ON \
        -D EDDY_UNITY_BATCH_SIZE=32 -D EDDY_TEST_BATCH_SIZE=200000 -D EDDY_TEST_PRECOMPILE=ON -D EDDY_EXAMPLE_PRECOMPILE=ON ||
        return 1
    cmake --build "build/$name" -j "${EDDY_JOBS:-$(nproc)}" -- -k 0 || status=1
    python3 tools/build_counts.py "build/$name" "$name" || status=1
    return "$status"
}

# The tests that run on another processor: not the executables that start other programs, and not the models of interleavings.
# qemu-user has no io_uring.
processor_tests=(--driver epoll -L '^(allocations|asio|bad_alloc|bytes|executor|executor_asan_plain|executor_queues|future_asan_plain|fuzz_once|http|http_once|http_tsan|kqueue_driver|kqueue_poll|memory|mini_redis_once|net|net_asan|net_faults|proto|proto_tsan|reactor|reactor_once|stream|support_once|sync|sync_tsan|task|task_asan_plain|time_asan|tls|ws|ws_once)$')

# Builds and runs these tests for another processor.
cross_processor() { # cross_processor PROCESSOR
    local name=$1 failed=0 log=$top/build/$1.log libraries=$cache/processors/$1 emulator=qemu-${triplet%%-*}
    cd "$top"
    mkdir -p build
    step 'packages' apt-get -o DPkg::Lock::Timeout=600 install -y -qq --no-install-recommends "g++-$triplet" qemu-user-static
    step 'libraries' make_libraries "$1" "$libraries"
    step 'emulator' register_emulator "$emulator"
    step 'build' build_for_processor "$1" "$libraries"
    export QEMU_LD_PREFIX=$libraries EDDY_TEST_EMULATED=$emulator EDDY_TEST_LIMIT=${EDDY_TEST_LIMIT:-600}
    step 'suite' python3 tests/run.py "build/$1" "${processor_tests[@]}"
    grep '^skipped: ' "$log" || true
    return "$failed"
}

# Unpacks the libraries that the tests need, and those on which they depend, into a folder. Nothing is installed here.
make_libraries() { # make_libraries PROCESSOR FOLDER
    local state=$2.apt file
    [[ ! -e $2/.complete ]] || return 0
    rm -rf "$2" "$state" # the remains of an interrupted run
    mkdir -p "$2" "$state"/{lists,archives}/partial
    : >"$state/status"
    local apt=(apt-get -qq -o "APT::Architecture=$1" -o "APT::Architectures::=$1" -o "Dir::State=$state" -o "Dir::State::status=$state/status"
        -o "Dir::Cache=$state" -o "Dir::Cache::archives=$state/archives" -o Debug::NoLocking=1)
    "${apt[@]}" update || return 1
    "${apt[@]}" -y --no-install-recommends --download-only install libc6-dev libstdc++-12-dev libgtest-dev libfmt-dev libcli11-dev \
        nlohmann-json3-dev liburing-dev libssl-dev zlib1g-dev libbrotli-dev libzstd-dev libnghttp2-dev libasio-dev || return 1
    for file in "$state"/archives/*.deb; do dpkg-deb -x "$file" "$2" || return 1; done
    rm -rf "$state"
    touch "$2/.complete"
}

# Lets the kernel start the emulator for programs of the processor, until the next boot: tests start processes, too.
register_emulator() { # register_emulator NAME
    local kernel=/proc/sys/fs/binfmt_misc
    [[ -e $kernel/register ]] || mount -t binfmt_misc binfmt_misc "$kernel" || return 1
    [[ -e $kernel/$1 ]] || tr -d '\n' <"/usr/lib/binfmt.d/$1.conf" >"$kernel/register"
}

build_for_processor() { # build_for_processor PROCESSOR LIBRARIES
    # shellcheck disable=SC2046  # targets are words
    cmake --preset dev -B "build/$1" --toolchain tools/debian_cross.cmake -D DEBIAN_TRIPLET="$triplet" -D DEBIAN_ROOT="$2" \
        -D CMAKE_CXX_COMPILER="$triplet-g++" -D EDDY_MOLD=OFF -D EDDY_BUILD_EXAMPLES=OFF &&
        cmake --build "build/$1" -j "${EDDY_JOBS:-$(nproc)}" --target $(python3 tests/run.py "build/$1" --targets "${processor_tests[@]}")
}

# The executables of tests that tests/CMakeLists.txt builds for Windows, one step each, and the demo. Prints the skipped tests and
# the test files that are not built, each with its reason.
# covers: S04
cross_windows() {
    local name=windows failed=0 log=$top/build/windows.log group skipped=$top/build/windows_skipped.txt
    cd "$top"
    mkdir -p build
    : >"$skipped"
    step 'packages' apt-get -o DPkg::Lock::Timeout=600 install -y -qq --no-install-recommends g++-mingw-w64-x86-64-posix googletest lld-19 wine64
    step 'GoogleTest' build_googletest_for_windows
    step 'build' build_for_windows
    export WINEPREFIX=$cache/windows/wine EDDY_TEST_LIMIT=${EDDY_TEST_LIMIT:-300}
    for group in $(cut -f1 build/windows/tests/programs.tsv); do
        step "$group" python3 tests/run.py build/windows -L "^$group\$"
        grep '^skipped: ' "$log" >>"$skipped" || true
    done
    step 'demo, 200 connections' tools/wine.sh build/windows/tests/eddy-demo.exe 200 5
    cat "$skipped"
    sed -nE 's/^([^#].*)\t(.*)$/not built: \1: \2/p' tests/support/windows/not_built.tsv
    echo 'not built: the executables that are not in programs_for_windows of tests/CMakeLists.txt'
    return "$failed"
}

# Debian has no GoogleTest for Windows, only its sources.
build_googletest_for_windows() {
    local regex=$top/tests/support/windows/regex
    [[ ! -e $cache/windows/packages/posix_regex ]] || return 0
    cmake -S /usr/src/googletest -B "$cache/windows/googletest" -G Ninja --toolchain "$top/tools/mingw.cmake" \
        -D CMAKE_BUILD_TYPE=Release -D BUILD_GMOCK=OFF -D CMAKE_INSTALL_PREFIX="$cache/windows/packages" \
        -D CMAKE_CXX_FLAGS="-DGTEST_HAS_POSIX_RE=1 -I$regex" &&
        cmake --build "$cache/windows/googletest" -j "${EDDY_JOBS:-$(nproc)}" --target install &&
        touch "$cache/windows/packages/posix_regex"
}

build_for_windows() {
    cmake --preset dev -B build/windows --toolchain tools/mingw.cmake -D CMAKE_CXX_COMPILER=x86_64-w64-mingw32-g++-posix \
        -D MINGW_PACKAGES="$cache/windows/packages" -D MINGW_EMULATOR="$top/tools/wine.sh" -D EDDY_MOLD=OFF \
        -D EDDY_TEST_POSIX_REGEX=ON -D EDDY_TEST_BATCH_SIZE=50000 \
        -D EDDY_BUILD_EXAMPLES=OFF -D EDDY_BUILD_TLS=OFF -D EDDY_BUILD_HTTP=OFF -D EDDY_BUILD_WS=OFF &&
        cmake --build build/windows -j "${EDDY_JOBS:-$(nproc)}"
}

# The Debian packages. The system in which they are built is kept, with its packages; the other one is made anew.
cross_packages() { # cross_packages SYSTEM
    local name=$1 failed=0 log=$top/build/$1.log fresh=$cache/roots/$1 builder=$cache/roots/$1.builder user=$cache/roots/$1.user
    mkdir -p "$top/build"
    make_root "$fresh"
    [[ -e $builder ]] || cp -a "$fresh" "$builder"
    rm -rf "$user"
    cp -a "$fresh" "$user"
    copy_tree "$builder"
    copy_tree "$user"
    step 'build, lintian' enter "$builder" 'tests/package/deb.sh build /eddy /tmp/deb'
    mkdir "$user/tmp/deb"
    cp -r "$builder/tmp/deb/packages" "$user/tmp/deb"
    step 'install, programs of docs/start.md' enter "$user" 'tests/package/deb.sh install /eddy /tmp/deb'
    rm -rf "$user"
    return "$failed"
}

# Runs a command inside a root, in /eddy.
enter() { # enter ROOT COMMAND
    # shellcheck disable=SC2016  # expanded by the inner shell
    unshare --mount --propagation private bash -c '
        for each in proc sys dev; do mount --rbind "/$each" "$1/$each"; done
        exec chroot "$1" bash -c "cd /eddy && $2"' enter "$1" "$2"
}

# Runs inside the root, in /eddy.
inside() {
    local name=$1 failed=0 log=/tmp/eddy-cross.log each
    describe "$name"
    export DEBIAN_FRONTEND=noninteractive CI=true
    step 'packages' install_packages
    step 'demo' ./dev demo --seconds 2
    step 'suite, GCC' ./dev test
    step 'examples' run_examples build/dev
    step 'suite, Clang' test_with_clang
    # shellcheck disable=SC2086  # each is a compiler and its options
    for each in "${compilers[@]}"; do
        step "warnings, $each -O2" tools/warnings.sh $each -O2
        if accepts_cpp26 $each; then step "warnings, $each C++26" tools/warnings.sh $each -O1 -std=c++26; fi
    done
    return "$failed"
}

install_packages() {
    apt-get update -qq && apt-get install -y -qq --no-install-recommends git "${packages[@]}"
}

accepts_cpp26() { "$@" -std=c++26 -x c++ -fsyntax-only /dev/null 2>/dev/null; }

test_with_clang() {
    # The preset's debug options are GCC's.
    cmake --preset dev -B build/system_clang -D CMAKE_CXX_COMPILER="$clang" -D CMAKE_CXX_FLAGS_DEBUG='-O0 -g1' &&
        cmake --build build/system_clang &&
        python3 tests/run.py build/system_clang -LE explore
}

# Runs the examples that end without input. The tests in tests/programs run the server examples.
run_examples() { # run_examples BUILD
    local name driver
    for name in blocking_work callbacks cleanup connect_combinators event_kinds expiring frames jobs local_state own_codec pipeline pipes \
        remote_work runtime_builder scopes spawn_and_join under_the_hood; do
        for driver in epoll io_uring; do
            echo "---- $name on $driver"
            EDDY_DRIVER=$driver timeout 60 "$1/examples/$name" </dev/null || return 1
        done
    done
    for driver in epoll io_uring; do # it waits for Ctrl-C
        EDDY_DRIVER=$driver timeout --preserve-status -s INT 5 "$1/examples/shutdown" </dev/null || return 1
    done
}

cross() { # cross SYSTEM
    local root=$cache/roots/$1
    if [[ $1 == kqueue ]]; then
        cross_kqueue
        return
    fi
    if [[ $1 =~ ^(macos|freebsd|netbsd|openbsd)$ ]]; then
        cross_zig "$1"
        return
    fi
    if [[ $1 == windows ]]; then
        ((EUID == 0)) || die "needs root, for packages: sudo ./dev cross windows"
        cross_windows
        return
    fi
    describe "$1"
    if [[ $1 =~ ^(arm64|s390x)$ ]]; then
        ((EUID == 0)) || die "needs root, for packages and to register the emulator: sudo ./dev cross $1"
        cross_processor "$1"
        return
    fi
    ((EUID == 0)) || die "needs root, for chroot: sudo ./dev cross $1"
    if [[ $1 == deb1? ]]; then
        cross_packages "$1"
        return
    fi
    make_root "$root"
    copy_tree "$root"
    enter "$root" "exec tools/cross.sh --inside $1"
}

if [[ ${1:-} == --inside ]]; then
    inside "$2"
    exit
fi
(($#)) || { usage && exit 2; }
failed=0
for system; do describe "$system"; done
for system; do
    set +e # inside a condition, `set -e` would have no effect
    (set -e && cross "$system")
    (($? == 0)) || failed=1
    set -e
done
((failed == 0)) || die "failed"
