#!/usr/bin/env bash
# Uses examples/web_server, https_server and inspect_page with clients of other projects: curl, wrk, ab, httpx, undici, promtool
# and Chromium. httpx and undici are installed in build/clients.
#     tests/clients/run_http.sh FOLDER     FOLDER contains the examples
# Exits with 77 if a client is missing.
set -euo pipefail
examples=$(realpath "$1")
cd "$(dirname "${BASH_SOURCE[0]}")"
cache=$PWD/../../build/clients
mkdir -p "$cache/node_http"
work=$(mktemp -d)
pids=()
end() { ((${#pids[@]} == 0)) || kill "${pids[@]}" 2>/dev/null || true; rm -rf "$work"; }
trap end EXIT

skipped=0
skip() { echo "skipped: $1" && skipped=1; }
die() { echo "run_http.sh: $*" >&2 && exit 1; }

# start NAME ARGUMENT...: starts an example, and sets `address` to the address on which it listens
start() {
    : >"$work/$1.said"
    "$examples/$1" 127.0.0.1:0 "${@:2}" >"$work/$1.said" &
    pids+=("$!")
    for ((i = 0; i < 1000; ++i)); do
        address=$(sed -n 's/^listening on \(.*:[0-9]*\)$/\1/p' "$work/$1.said")
        [[ -z $address ]] || return 0
        kill -0 "${pids[-1]}" || die "$1 ended"
        sleep 0.02
    done
    die "$1 does not listen"
}

mkdir "$work/files"
head -c 1000000 /dev/urandom >"$work/files/data"
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 1 -subj /CN=localhost \
    -addext subjectAltName=DNS:localhost -keyout "$work/key.pem" -out "$work/certificate.pem" 2>/dev/null
start web_server "$work/files"
plain=http://$address
start https_server "$work/certificate.pem" "$work/key.pem"
secure=https://localhost:${address##*:}

use_curl() {
    local version range
    for version in --http1.1 --http2-prior-knowledge; do
        curl -sSf "$version" -o "$work/got" "$plain/files/data"
        cmp "$work/files/data" "$work/got"
        for range in 0-99 500000-500099 -100; do
            [[ $(curl -sSf "$version" -r "$range" -o "$work/got" -w '%{http_code}' "$plain/files/data") == 206 ]]
            case $range in
            -*) tail -c 100 "$work/files/data" ;;
            *) tail -c "+$((${range%-*} + 1))" "$work/files/data" | head -c 100 ;;
            esac >"$work/expected" || true # tail is ended when head has enough
            cmp "$work/expected" "$work/got"
        done
        curl -sSf "$version" -T "$work/files/data" -o "$work/got" "$plain/echo"
        cmp "$work/files/data" "$work/got"
    done
    for version in --http1.1 --http2; do
        curl -sSf "$version" --cacert "$work/certificate.pem" -T "$work/files/data" -o "$work/got" "$secure/echo"
        cmp "$work/files/data" "$work/got"
    done
    echo "curl works"
}

use_wrk() {
    wrk -t 2 -c 50 -d 2s "$plain/notes" >"$work/wrk"
    ! grep -E 'Socket errors|Non-2xx' "$work/wrk" || die "wrk has errors"
    echo "wrk works: $(awk '/requests in/ { print $1 " requests" }' "$work/wrk")"
}

use_ab() {
    local option
    for option in -k -q; do # with and without keep-alive
        ab "$option" -n 5000 -c 50 "$plain/notes" >"$work/ab" 2>&1
        grep -q '^Complete requests: *5000$' "$work/ab" && grep -q '^Failed requests: *0$' "$work/ab" &&
            ! grep -qE 'Write errors|Non-2xx' "$work/ab" || { cat "$work/ab" && die "ab has errors"; }
    done
    echo "ab works"
}

# use_promtool URL: checks the metrics of a server
use_promtool() {
    curl -sSf "$1/metrics" >"$work/metrics"
    promtool check metrics <"$work/metrics" >"$work/promtool" 2>&1 || { cat "$work/promtool" && die "promtool finds errors"; }
    [[ ! -s $work/promtool ]] || { cat "$work/promtool" && die "promtool has remarks"; }
    echo "promtool accepts the metrics of $1"
}

# The page of a program about itself, while measurements of tasks are on.
use_inspect_page() {
    : >"$work/page.said"
    "$examples/inspect_page" 127.0.0.1:0 >"$work/page.said" &
    local page=$! url=
    for ((i = 0; i < 1000; ++i)); do
        url=$(sed -n 's|^\(http://.*\)/$|\1|p' "$work/page.said")
        [[ -z $url ]] || break
        sleep 0.02
    done
    if command -v promtool >/dev/null; then use_promtool "$url"; fi
    "$cache/python/bin/python" inspect_page_chromium.py "$url" || die "the page of inspect_page has a fault"
    kill "$page"
    wait "$page" || true
}

if command -v curl >/dev/null; then use_curl; else skip "curl is not installed"; fi
if command -v wrk >/dev/null; then use_wrk; else skip "wrk is not installed"; fi
if command -v ab >/dev/null; then use_ab; else skip "ab is not installed (apache2-utils)"; fi
if command -v promtool >/dev/null; then use_promtool "$plain"; else skip "promtool is not installed (prometheus)"; fi
if python3 -m venv "$cache/python" && "$cache/python/bin/pip" install -q --upgrade 'httpx[http2]' websockets; then
    "$cache/python/bin/python" httpx_py.py "$plain" "$secure" "$work/certificate.pem"
    if command -v chromium >/dev/null; then
        "$cache/python/bin/python" web_server_chromium.py "$plain"
        use_inspect_page
    else
        skip "web_server in a browser: chromium is not installed"
    fi
else
    skip "httpx: pip cannot install it"
fi
cp node_http/requests.mjs node_http/package.json "$cache/node_http"
if command -v npm >/dev/null && (cd "$cache/node_http" && npm install --silent --no-audit --no-fund); then
    node "$cache/node_http/requests.mjs" "$plain" "$secure" "$work/certificate.pem"
else
    skip "undici: npm cannot install it"
fi
kill -TERM "${pids[@]}"
for pid in "${pids[@]}"; do wait "$pid" || die "a server ends with $?"; done
pids=()
exit "$((skipped ? 77 : 0))"
