#!/usr/bin/env bash
# Uses examples/http_api with clients of other projects: curl, requests, httpx, Chromium, and schemathesis, which sends
# requests by its description (OpenAPI). Those of PyPI are installed in build/clients.
#     tests/clients/run_http_api.sh FOLDER [SECONDS]     FOLDER contains the examples; SECONDS is the time of schemathesis
# Exits with 77 if a client is missing.
set -euo pipefail
example=$(realpath "$1")/http_api seconds=${2:-30}
cd "$(dirname "${BASH_SOURCE[0]}")"
python=$PWD/../../build/clients/python/bin
work=$(mktemp -d)
: >"$work/said" # it may be read before the server's shell has opened it
"$example" 127.0.0.1:0 https://app.example 1000000000 >"$work/said" 2>"$work/log" &
server=$!
trap 'kill "$server" 2>/dev/null || true; wait "$server" || true; rm -rf "$work"' EXIT
for ((i = 0; i < 1000; ++i)); do
    url=$(sed -n 's|^listening on \(.*:[0-9]*\)$|http://\1|p' "$work/said")
    [[ -z $url ]] || break
    kill -0 "$server" || exit 1
    sleep 0.02
done

skipped=0
skip() { echo "skipped: $1" && skipped=1; }
die() { echo "run_http_api.sh: $*" >&2 && exit 1; }
token=(-H 'Authorization: Bearer secret')

use_curl() {
    local version coding
    head -c 3000000 /dev/urandom >"$work/file"
    for version in --http1.1 --http2-prior-knowledge; do
        curl -sSf "$version" "$url/openapi.json" -o "$work/plain"
        for coding in '' gzip br zstd; do # the first one: what curl asks for
            if [[ -n $coding ]] && ! curl --version | grep -qE "^Features:.*(${coding/gzip/libz}|${coding/br/brotli})"; then continue; fi
            curl -sSf "$version" --compressed ${coding:+-H "Accept-Encoding: $coding"} -D "$work/head" "$url/openapi.json" -o "$work/got"
            cmp "$work/plain" "$work/got"
            grep -qi "^content-encoding: ${coding:-[a-z]}" "$work/head" || die "curl gets no ${coding:-coding}"
        done
        [[ $(curl -sSf "$version" "${token[@]}" -F "file=@$work/file" "$url/files") =~ \"bytes\":3000000,\"id\":([0-9]+) ]]
        curl -sSf "$version" "${token[@]}" -o "$work/got" "$url/files/${BASH_REMATCH[1]}"
        cmp "$work/file" "$work/got"
        [[ $(curl -sSf "$version" "${token[@]}" -F note=one -F 'note=two;type=text/plain' "$url/import") == '{"imported":2}' ]]
        [[ $(curl -sSf "$version" -b 'visits=changed' "$url/visits") == 'visit 1' ]]
    done
    # Cookies as curl keeps them: those that are Secure are also for http://localhost.
    [[ $(curl -sSf -c "$work/cookies" "http://localhost:${url##*:}/visits") == 'visit 1' ]]
    [[ $(curl -sSf -b "$work/cookies" "http://localhost:${url##*:}/visits") == 'visit 2' ]]
    echo "curl works"
}

# All checks of schemathesis, among them: no 5xx, and no answer that the description does not have.
use_schemathesis() {
    # It keeps files in the current folder.
    (cd "$work" && timeout "$((seconds + 300))" "$python/schemathesis" run "$url/openapi.json" "${token[@]}" \
        --checks all --max-time "$seconds" --max-examples 1000000 --continue-on-failure --no-color >schemathesis 2>&1) ||
        { cat "$work/schemathesis" && die "schemathesis finds errors"; }
    ! grep -q '"status":5' "$work/log" || die "the log has a 5xx"
    echo "schemathesis finds no error in $(wc -l <"$work/log") requests of all clients"
}

if command -v curl >/dev/null; then use_curl; else skip "curl is not installed"; fi
if python3 -m venv "${python%/bin}" &&
    "$python/pip" install -q --upgrade 'httpx[http2]' requests brotli zstandard websockets schemathesis; then
    "$python/python" http_api_py.py "$url"
    if command -v chromium >/dev/null; then
        "$python/python" http_api_chromium.py "$example"
    else
        skip "http_api in a browser: chromium is not installed"
    fi
    use_schemathesis
else
    skip "requests, httpx, schemathesis: pip cannot install them"
fi
kill -TERM "$server"
wait "$server" || die "http_api ends with $?"
exit "$((skipped ? 77 : 0))"
