# shellcheck shell=bash
# ./dev coverage: source-based coverage of Clang. Part of ./dev.

coverage() {
    need "${check_packages[@]}"
    build coverage
    rm -rf build/coverage/profiles
    # %8m: one file for up to 8 processes of the same program at once, which are merged. Tests that fail do not stop the report.
    LLVM_PROFILE_FILE="$top/build/coverage/profiles/%8m.profraw" run_tests coverage -LE must_not_compile "$@" || true
    python3 tools/coverage.py build/coverage
}
