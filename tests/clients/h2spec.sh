#!/usr/bin/env bash
# Checks the example https_server with h2spec, a conformance test of HTTP/2.
#     tests/clients/h2spec.sh H2SPEC HTTPS_SERVER
set -euo pipefail
h2spec=$1 server=$2
work=$(mktemp -d)
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 1 -subj /CN=localhost \
    -addext subjectAltName=DNS:localhost -keyout "$work/key.pem" -out "$work/certificate.pem" 2>/dev/null
: >"$work/said"  # it may be read before the server's shell has opened it
"$server" 127.0.0.1:0 "$work/certificate.pem" "$work/key.pem" >"$work/said" &
pid=$!
trap 'kill "$pid" 2>/dev/null || true; wait "$pid" || true; rm -rf "$work"' EXIT
for ((i = 0; i < 1000; ++i)); do
    port=$(sed -n 's/^listening on .*:\([0-9]*\)$/\1/p' "$work/said")
    [[ -z $port ]] || break
    kill -0 "$pid" || exit 1
    sleep 0.02
done

"$h2spec" -t -k -h 127.0.0.1 -p "$port" -P /late -o 10 >"$work/report.txt" || true
summary=$(tail -n 1 "$work/report.txt")
echo "$summary"
[[ $summary != "145 tests, 145 passed, 0 skipped, 0 failed" ]] || exit 0
sed -n '/^Failures/,$p' "$work/report.txt"
exit 1
