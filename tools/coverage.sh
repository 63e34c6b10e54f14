# shellcheck shell=bash
# ./dev coverage: source-based coverage with Clang. Part of ./dev.

coverage() {
    need "${check_packages[@]}"
    build coverage
    rm -rf build/coverage/profiles
    # %8m: up to 8 files per program, in which its processes merge their counts. A failed test does not prevent the
    # report.
    LLVM_PROFILE_FILE="$top/build/coverage/profiles/%8m.profraw" run_tests coverage -LE 'must_not_compile|explore' "$@" || true
    python3 tools/coverage.py build/coverage
}
