#!/usr/bin/env bash
# An installed `eddy`, and its commands for gdb, show the server of docs/start.md while it runs: inspected.sh SERVER PREFIX, where
# eddy is installed in PREFIX. The server uses port 6142.
set -euo pipefail
program=$1 prefix=$2
scope=$(cat /proc/sys/kernel/yama/ptrace_scope 2>/dev/null || echo 0)
((EUID == 0 || scope == 0)) || { echo "kernel.yama.ptrace_scope is $scope, so $program is not inspected" >&2 && exit 0; }
if (: <>/dev/tcp/127.0.0.1/6142) 2>/dev/null; then echo "port 6142 is in use, so $program is not inspected" >&2 && exit 0; fi

"$program" &
server=$!
trap 'kill "$server"; wait "$server" 2>/dev/null || true' EXIT

shows() { # shows TEXT COMMAND...: waits until the command prints the text
    local said=''
    for _ in {1..100}; do
        said=$("${@:2}" 2>&1 || true)
        # gdb declines scripts outside of its safe path, with a warning
        [[ $said != *declined* ]] || break
        [[ $said != *"$1"* ]] || return 0
        kill -0 "$server"
        sleep 0.1
    done
    echo "'${*:2}' prints '$said', without '$1'" >&2
    return 1
}
shows '    serve  ' "$prefix/bin/eddy" tree "$server"
shows ' serve  ' "$prefix/bin/eddy" ps "$server"

# gdb looks for scripts of shared libraries in /usr/share/gdb/auto-load. Programs with a static library need one line.
scripts=$prefix/share/gdb/auto-load
options=(-ex "source $prefix/share/eddy/eddy-gdb.py")
if [[ -e $scripts ]]; then
    options=(-iex "add-auto-load-scripts-directory $scripts" -iex "add-auto-load-safe-path $scripts")
    [[ $prefix != /usr ]] || options=()
fi
if gdb -nx -q -batch -p "$server" 2>&1 | grep 'Operation not permitted'; then exit 0; fi
shows 'serve at ' gdb -nx -q -batch "${options[@]}" -p "$server" -ex 'info eddy tasks'
