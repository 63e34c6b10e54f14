# shellcheck shell=bash
# For the scripts that build the server of docs/start.md.

# is_echoed PROGRAM: starts the server, which uses port 6142, and compares what it returns.
is_echoed() {
    local server answer='' status=0
    if (: <>/dev/tcp/127.0.0.1/6142) 2>/dev/null; then
        echo "port 6142 is in use, so $1 is not run" >&2
        return 0
    fi
    "$1" &
    server=$!
    for _ in {1..100}; do
        if (: <>/dev/tcp/127.0.0.1/6142) 2>/dev/null; then break; fi
        sleep 0.1
    done
    { exec {connection}<>/dev/tcp/127.0.0.1/6142 && echo hello >&"$connection" && read -r -t 10 -u "$connection" answer; } || status=1
    exec {connection}>&-
    kill "$server"
    wait "$server" 2>/dev/null || true
    [[ $status == 0 && $answer == hello ]] || { echo "$1 returned '$answer' instead of 'hello'" >&2 && return 1; }
}

# serve PROGRAM ARG...: starts a server that prints "listening on ADDRESS" first. The address is then in $address.
# Call stop afterwards, also after a failure.
serve() {
    local line=''
    exec {served}< <(exec "$@")
    server=$!
    read -r -t 60 -u "$served" line || true
    address=${line##* }
}
stop() {
    kill "$server" 2>/dev/null || true
    exec {served}<&-
}

# get URL [CURL_OPTION...]: prints what the server answers.
get() { curl --silent --show-error --max-time 60 --noproxy '*' "${@:2}" "$1"; }

# answers_http PROGRAM PATH ANSWER: starts a server on a free port, and compares what curl receives from it.
answers_http() {
    local answer
    serve "$1" 127.0.0.1:0
    answer=$(get "http://$address$2") || true
    stop
    [[ $answer == "$3" ]] || { echo "$1 answered '$answer' instead of '$3'" >&2 && return 1; }
}

# answers_https PROGRAM: starts examples/https_server on a free port, and compares what curl receives from it.
answers_https() {
    local answer
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 1 -subj /CN=localhost \
        -addext subjectAltName=DNS:localhost -keyout key.pem -out certificate.pem 2>/dev/null
    serve "$1" 127.0.0.1:0 certificate.pem key.pem
    answer=$(get "https://localhost:${address##*:}/hello" --cacert certificate.pem --resolve "localhost:${address##*:}:127.0.0.1") || true
    stop
    [[ $answer == 'hello over HTTP/2' ]] || { echo "$1 answered '$answer' instead of 'hello over HTTP/2'" >&2 && return 1; }
}
