#!/usr/bin/env bash
# Checks the example https_server with h2spec, a conformance test of HTTP/2.
#     tests/clients/h2spec.sh H2SPEC HTTPS_SERVER
# One of 145 tests fails, as with nghttp2's own server: 5.1.1/2, a HEADERS frame on a stream that was skipped, which nghttp2
# ignores.
set -euo pipefail
h2spec=$1 server=$2
work=$(mktemp -d)
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 1 -subj /CN=localhost \
    -addext subjectAltName=DNS:localhost -keyout "$work/key.pem" -out "$work/certificate.pem" 2>/dev/null
"$server" 127.0.0.1:0 "$work/certificate.pem" "$work/key.pem" >"$work/said" &
pid=$!
trap 'kill "$pid" 2>/dev/null || true; wait "$pid" || true; rm -rf "$work"' EXIT
for ((i = 0; i < 1000; ++i)); do
    port=$(sed -n 's/^listening on .*:\([0-9]*\)$/\1/p' "$work/said")
    [[ -z $port ]] || break
    kill -0 "$pid" || exit 1
    sleep 0.02
done

"$h2spec" --junit-report "$work/report.xml" -t -k -h 127.0.0.1 -p "$port" -P /late -o 10 >"$work/report.txt" || true
tail -n 1 "$work/report.txt"
failed=$(/usr/bin/python3 - "$work/report.xml" <<'PYTHON'
import sys
import xml.etree.ElementTree as tree
failed = []
for suite in tree.parse(sys.argv[1]).getroot().iter("testsuite"):
    for number, case in enumerate(suite.findall("testcase"), 1):
        if case.find("failure") is not None or case.find("error") is not None:
            failed.append(f"{case.get('package')}/{number}")
print(*sorted(failed))
PYTHON
)
expected=http2/5.1.1/2
[[ $failed != "$expected" ]] || exit 0
echo "h2spec: the failed tests are: $failed; expected: $expected"
sed -n '/^Failures/,$p' "$work/report.txt"
exit 1
