# shellcheck shell=bash
# ./dev coverage: source-based coverage with Clang. Part of ./dev.

coverage() {
    need "${check_packages[@]}"
    check_test_options coverage "$@"
    build coverage
    rm -rf build/coverage/profiles
    # %8m: up to 8 files per program, in which its processes merge their counts. %c: the counters are in the mapped file, so
    # that a process that ends by abort(), _exit() or a signal is counted, too. A failed test does not prevent the report.
    LLVM_PROFILE_FILE="$top/build/coverage/profiles/%8m%c.profraw" run_tests coverage -LE 'must_not_compile|explore' "$@" || true
    python3 tools/coverage.py build/coverage
}
