#!/usr/bin/env bash
# Parses an example of the flight recorder's file by Perfetto's own message definitions (from PyPI), and counts its events.
# (Perfetto's trace_processor is no package: the one of PyPI downloads it.)
#     tests/clients/run_perfetto.sh PROGRAM RECORDED     these are example_trace and recorded_target
# Also counts the events of a program with a runtime, which prints the counts of its metrics.
# Exits with 1 if a count differs, and with 77 if pip cannot install Perfetto.
set -euo pipefail
program=$(realpath "$1")
recorded=$(realpath "$2")
cd "$(dirname "${BASH_SOURCE[0]}")"
cache=$(realpath ../..)/build/clients
mkdir -p "$cache"
if ! python3 -m venv "$cache/python" || ! "$cache/python/bin/pip" install -q --upgrade perfetto; then
    echo "skipped: perfetto: pip cannot install it"
    exit 77
fi
"$program" >"$cache/example.pftrace"
expected="driver tick=1 park=1 poll=3 spawn=1 stall=1 steal=1 timers=1 wake=1"
found=$("$cache/python/bin/python" count_perfetto.py "$cache/example.pftrace")
[[ $found == "$expected" ]] || { echo "Perfetto counts $found, and not $expected" && exit 1; }
expected=$(EDDY_TRACE=$cache/recorded.pftrace "$recorded" run)
found=$("$cache/python/bin/python" count_perfetto.py "$cache/recorded.pftrace")
for count in ${expected% park=*}; do # the workers park again after the metrics were read
    [[ " $found " == *" $count "* ]] || { echo "Perfetto counts $found, and the program $expected" && exit 1; }
done
