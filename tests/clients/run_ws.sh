#!/usr/bin/env bash
# Runs examples/web_socket, as a server and as a client, against other implementations of WebSockets from PyPI and npm,
# which are installed in build/clients, and examples/web_chat and examples/shell with Chromium.
#     tests/clients/run_ws.sh FOLDER     FOLDER contains the examples
# Exits with 77 if a library or its tools are missing.
set -euo pipefail
examples=$(realpath "$1")
program=$examples/web_socket
cd "$(dirname "${BASH_SOURCE[0]}")"
cache=$PWD/../../build/clients
mkdir -p "$cache/node_ws"

skipped=0
skip() { echo "skipped: $1" && skipped=1; }

if python3 -m venv "$cache/python" && "$cache/python/bin/pip" install -q --upgrade wsproto websockets; then
    "$cache/python/bin/python" ws_cases.py "$program"
    "$cache/python/bin/python" websockets_py.py "$program"
    if command -v chromium >/dev/null; then
        "$cache/python/bin/python" web_chat_chromium.py "$examples/web_chat"
        "$cache/python/bin/python" shell_chromium.py "$examples/shell"
    else
        skip "web_chat and shell in a browser: chromium is not installed"
    fi
else
    skip "wsproto and websockets: pip cannot install them"
fi
cp node_ws/both.mjs node_ws/package.json "$cache/node_ws"
if command -v npm >/dev/null && (cd "$cache/node_ws" && npm install --silent --no-audit --no-fund); then
    node "$cache/node_ws/both.mjs" "$program"
else
    skip "ws: npm cannot install it"
fi
exit "$((skipped ? 77 : 0))"
