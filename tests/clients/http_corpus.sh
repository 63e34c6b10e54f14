#!/usr/bin/env bash
# Compares the table of http/tests/http_corpus.py with h11 (from PyPI), Node, Go, nginx and HAProxy, as far as they are
# installed.
# Exits with 1 if two of them frame a request differently that eddy accepts, and with 77 if one of them is missing.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
cache=$(realpath ../..)/build/clients
mkdir -p "$cache"
peers=() skipped=0
skip() { echo "skipped: $1" && skipped=1; }

if python3 -m venv "$cache/python" && "$cache/python/bin/pip" install -q --upgrade h11; then
    peers+=(h11 "'$cache/python/bin/python' http_corpus/h11_server.py")
else
    skip "h11: pip cannot install it"
fi
if command -v node >/dev/null; then
    peers+=(node "node http_corpus/node.mjs")
else
    skip "Node is not installed"
fi
if command -v go >/dev/null && go build -o "$cache/http_corpus" http_corpus/main.go; then
    peers+=(go "'$cache/http_corpus'")
else
    skip "Go is not installed"
fi
for proxy in nginx haproxy; do
    if PATH=$PATH:/usr/sbin command -v "$proxy" >/dev/null; then
        peers+=("$proxy" "python3 http_corpus/proxied.py $proxy")
    else
        skip "$proxy is not installed"
    fi
done
PYTHONDONTWRITEBYTECODE=1 python3 http_corpus/compare.py "${peers[@]}"
exit "$((skipped ? 77 : 0))"
