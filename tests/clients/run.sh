#!/usr/bin/env bash
# Starts mini_redis_server and uses it through client libraries of Redis, each with its default options.
#     tests/clients/run.sh SERVER [debian|registries]
# debian: the libraries that Debian packages (python3-redis, libhiredis-dev). registries: those of PyPI, npm and the Go
# modules, which are installed in build/clients, and examples/hiredis_client, if it is in the folder of SERVER. Exits with
# 77 if a library or its tools are missing.
set -euo pipefail
server=$(realpath "$1") kind=${2:-debian}
cd "$(dirname "${BASH_SOURCE[0]}")"
here=$PWD
work=$(mktemp -d)
: >"$work/said"
"$server" 127.0.0.1:0 >"$work/said" &
pid=$!
trap 'kill "$pid" 2>/dev/null || true; wait "$pid" || true; rm -rf "$work"' EXIT
for ((i = 0; i < 1000; ++i)); do
    port=$(sed -n 's/^listening on .*:\([0-9]*\)$/\1/p' "$work/said")
    [[ -z $port ]] || break
    kill -0 "$pid" || exit 1
    sleep 0.02
done

skipped=0
skip() { echo "skipped: $1" && skipped=1; }

if [[ $kind == debian ]]; then
    if /usr/bin/python3 -c 'import redis' 2>/dev/null; then
        /usr/bin/python3 redis_py.py "$port"
    else
        skip "redis-py: python3-redis is not installed"
    fi
    if echo '#include <hiredis/hiredis.h>' | cc -E - >/dev/null 2>&1; then
        cc -Wall -Wextra -Werror -o "$work/hiredis" hiredis.c -lhiredis
        "$work/hiredis" "$port"
    else
        skip "hiredis: libhiredis-dev is not installed"
    fi
else
    cache=$here/../../build/clients
    mkdir -p "$cache/node"
    if python3 -m venv "$cache/python" && "$cache/python/bin/pip" install -q --upgrade redis; then
        "$cache/python/bin/python" redis_py.py "$port"
    else
        skip "redis-py: pip cannot install it"
    fi
    cp node_redis/client.mjs node_redis/package.json "$cache/node"
    if command -v npm >/dev/null && (cd "$cache/node" && npm install --silent --no-audit --no-fund); then
        node "$cache/node/client.mjs" "$port"
    else
        skip "node-redis: npm cannot install it"
    fi
    if command -v go >/dev/null; then
        (cd go_redis && go run . "127.0.0.1:$port")
    else
        skip "go-redis: Go is not installed"
    fi
    example=$(dirname "$server")/hiredis_client
    if [[ -x $example ]]; then
        said=$("$example" "127.0.0.1:$port")
        [[ $said == *'GET greeting: hello' ]] || { echo "hiredis_client prints: $said" >&2 && exit 1; }
        echo "hiredis_client works"
    else
        skip "hiredis_client: it was not built, because libhiredis-dev is not installed"
    fi
fi
exit "$((skipped ? 77 : 0))"
