#!/usr/bin/env bash
# Wrong arguments of ./dev, each of which must be refused at once, before a build, with a sentence that says what is expected,
# and requests for help. `./dev check lists` runs it.
set -uo pipefail
dev=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)/dev
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder" || exit 1 # the commands work from any folder
failed=0

is_refused() { # is_refused WORDS ARG...
    local said status=0
    said=$("$dev" "${@:2}" 2>&1 </dev/null) || status=$?
    [[ $status != 0 && $said == *"$1"* ]] || { echo "./dev ${*:2}: expected '$1', got exit code $status and: $said" >&2 && failed=1; }
}

prints() { # prints WORDS ARG...
    local said status=0
    said=$("$dev" "${@:2}" 2>&1 </dev/null) || status=$?
    [[ $status == 0 && $said == *"$1"* ]] || { echo "./dev ${*:2}: expected '$1', got exit code $status and: $said" >&2 && failed=1; }
}

prints './dev soak layers [OPTION...]' soak --help
prints './dev soak layers [OPTION...]' soak layers --help
prints './dev soak layers [OPTION...]' soak layers --seconds 5 -h
is_refused 'unknown command dmo' dmo
is_refused 'unknown command dmo' help dmo
prints "[--changed COMMIT]" mutate --help
is_refused 'unknown option --conections' demo --conections 10
is_refused '--connections needs a value' demo --connections
is_refused '--connections many: a number from 1 to 1000000' demo --connections many
is_refused '--connections 2000000: a number from 1 to 1000000' demo --connections 2000000
is_refused '--seconds -1: a number greater than 0' demo --seconds -1
is_refused '--seconds 0.0: a number greater than 0' demo --seconds 0.0
is_refused '--size 0: a number of bytes' demo --size 0
is_refused 'unknown driver iouring; the drivers are epoll, io_uring, poll and auto' demo --driver iouring
is_refused 'unknown example echo; to list the examples' example echo
is_refused 'docs takes no arguments' docs here
is_refused 'amalgamate takes one folder' amalgamate one two
is_refused 'unknown option --here' amalgamate --here
is_refused 'cannot write to /dev/null/eddy: Not a directory' amalgamate /dev/null/eddy
is_refused 'unknown stage tests; the stages are: lists test' check tests
is_refused 'unknown preset ubsan; the presets are dev, asan and tsan' soak ubsan
is_refused 'unknown option or preset ubsan' soak layers ubsan
is_refused 'soak files: --seconds needs a number' soak files --seconds
is_refused '--seconds needs a number' soak layers --seconds
is_refused '--seed needs a number' soak layers --seed now
is_refused 'unknown driver iouring; the drivers are epoll, io_uring and both' soak layers --driver iouring
is_refused 'unknown driver ; the drivers' soak layers --driver
is_refused 'unknown target line; the targets are:' fuzz line
is_refused 'unknown system plan9; the systems are:' cross plan9
EDDY_JOBS=all is_refused 'EDDY_JOBS=all: the number of parallel build jobs' test
[[ -z $(ls -A "$folder") ]] || { echo "a refused command of ./dev has written into the current folder: $(ls -A "$folder")" >&2 && failed=1; }
exit "$failed"
