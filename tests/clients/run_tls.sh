#!/usr/bin/env bash
# Runs tls_peer, as a server and as a client, with other implementations of TLS: all that work as they should
# (tls_matrix.py), and one that does not (tls_odd_peers.py, with tlslite-ng from PyPI).
#     tests/clients/run_tls.sh TLS_PEER     TLS_PEER is the program that tls_peer.cpp makes
# Exits with 77 if an implementation is missing.
set -euo pipefail
program=$(realpath "$1")
cd "$(dirname "${BASH_SOURCE[0]}")"
cache=$PWD/../../build/clients
mkdir -p "$cache"

skipped=0 status=0
python3 tls_matrix.py "$program" || status=$?
((status == 0 || status == 77)) || exit "$status"
((status == 0)) || skipped=1
if python3 -m venv "$cache/python" && "$cache/python/bin/pip" install -q --upgrade tlslite-ng; then
    "$cache/python/bin/python" tls_odd_peers.py "$program"
else
    echo "skipped: tlslite-ng: pip cannot install it" && skipped=1
fi
exit "$((skipped ? 77 : 0))"
