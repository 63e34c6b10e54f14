#!/usr/bin/env bash
# ./dev cross SYSTEM...: builds and tests the tree inside other systems, with their compilers, standard libraries and liburing.
#
# Each system is a root that debootstrap makes once, in a cache folder, and that is entered by chroot. It shares this machine's
# kernel. The mounts belong to a mount namespace of their own, so that none is left behind.
set -euo pipefail
top=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cache=${EDDY_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/eddy}

say() { printf 'cross: %s\n' "$*" >&2; }
die() { say "$*"; exit 1; }

usage() {
    cat <<'END'
./dev cross SYSTEM...      builds and tests inside debian12, debian13 or debian-testing; needs root and debootstrap

The roots lie in $EDDY_CACHE/roots (~/.cache/eddy/roots). Their packages come from the mirror that apt uses here, or from
$EDDY_DEBIAN_MIRROR.
END
}

# What a system is: its suite, its packages besides those of ./dev test, and the compilers that tools/warnings.sh tries.
describe() {
    case $1 in
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
    *) die "there is no system $1, but: debian12 debian13 debian-testing" ;;
    esac
}

mirror() {
    local found=${EDDY_DEBIAN_MIRROR:-}
    [[ -n $found ]] || found=$(cat /etc/apt/sources.list.d/debian.sources /etc/apt/sources.list 2>/dev/null |
        sed -nE 's/^URIs: *([^ ]+).*/\1/p; s/^deb +(\[[^]]*\] +)?([^ ]+debian\/?) .*/\2/p' | head -1)
    [[ -n $found ]] || die "name a mirror of Debian in EDDY_DEBIAN_MIRROR"
    printf '%s' "$found"
}

make_root() { # make_root ROOT
    local root=$1 script=/usr/share/debootstrap/scripts/$suite
    [[ ! -e $root/.complete ]] || return 0
    command -v debootstrap >/dev/null || die "debootstrap is missing; to install it: apt-get install debootstrap"
    [[ -e $script ]] || script=/usr/share/debootstrap/scripts/sid
    say "making a root of Debian $suite"
    rm -rf "$root" # what an interrupted run has left
    mkdir -p "$root"
    debootstrap --variant=minbase "$suite" "$root" "$(mirror)" "$script" >"$root.log" 2>&1 ||
        die "debootstrap failed; see $root.log"
    # A mirror's list of `testing` may be older than its date of expiry.
    echo 'Acquire::Check-Valid-Until "false";' >"$root/etc/apt/apt.conf.d/90eddy"
    touch "$root/.complete"
}

copy_tree() { # copy_tree ROOT: as it stands, committed or not; builds of earlier runs stay
    mkdir -p "$1/eddy"
    find "$1/eddy" -mindepth 1 -maxdepth 1 ! -name build -exec rm -rf {} +
    (cd "$top" && git ls-files -z --cached --others --exclude-standard | xargs -0 ls -d 2>/dev/null |
        tar -c -T -) | tar -x -C "$1/eddy"
}

# Inside the root, in /eddy. Prints one line of the table per step: what, result, seconds.
inside() {
    local name=$1 start status failed=0 log=/tmp/eddy-cross.log each
    describe "$name"
    export DEBIAN_FRONTEND=noninteractive CI=true
    step() { # step WHAT COMMAND...
        local what=$1
        shift
        say "$name: $what"
        start=$SECONDS status=passed
        "$@" >"$log" 2>&1 </dev/null || { status=FAILED && failed=1; }
        [[ $status == passed ]] || tail -60 "$log" >&2
        printf '%-16s %-44s %-7s %5d s  %s\n' "$name" "$what" "$status" $((SECONDS - start)) \
            "$(grep -E '^[0-9]+ passed, [0-9]+ failed|: [0-9]+ warnings$' "$log" | tail -1 | sed 's/.*: //')"
    }
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
        python3 tests/run.py build/system_clang
}

# Those that end by themselves; the servers among the examples are run by the test group `programs`.
run_examples() { # run_examples BUILD
    local name driver
    for name in blocking_work cleanup connect_combinators event_kinds expiring frames jobs local_state own_codec pipeline pipes \
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
    describe "$1"
    ((EUID == 0)) || die "needs root, for chroot: sudo ./dev cross $1"
    make_root "$root"
    copy_tree "$root"
    # shellcheck disable=SC2016  # expanded by the inner shell
    unshare --mount --propagation private bash -c '
        for each in proc sys dev; do mount --rbind "/$each" "$1/$each"; done
        exec chroot "$1" bash -c "cd /eddy && exec tools/cross.sh --inside $2"' enter "$root" "$1"
}

if [[ ${1:-} == --inside ]]; then
    inside "$2"
    exit
fi
(($#)) || { usage && exit 2; }
failed=0
for system; do describe "$system"; done
for system; do
    set +e # `set -e` would have no effect inside a condition
    (set -e && cross "$system")
    (($? == 0)) || failed=1
    set -e
done
((failed == 0)) || die "failed"
