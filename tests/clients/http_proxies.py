#!/usr/bin/env python3
"""Runs examples/fetch with the proxies squid, tinyproxy and microsocks (SOCKS5), which the environment names.

    tests/clients/http_proxies.py FOLDER

FOLDER contains the examples. The servers are examples/web_server and examples/https_server. Their address in the URLs is
0.0.0.0, which Linux connects to this machine, because fetch does not use the proxies of the environment for 127.0.0.1.
Exits with 77 if a proxy is missing.
"""

import os
import pathlib
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.parse

SQUID = """
http_port 127.0.0.1:{port}
pid_filename {folder}/squid.pid
coredump_dir {folder}
cache_log {folder}/squid.log
access_log none
cache deny all
shutdown_lifetime 0 seconds
auth_param basic program {helper} {folder}/users
auth_param basic children 1
acl known proxy_auth REQUIRED
http_access allow known
http_access deny all
"""
TINYPROXY = """
Port {port}
Listen 127.0.0.1
Timeout 60
PidFile "{folder}/tinyproxy.pid"
LogFile "{folder}/tinyproxy.log"
MaxClients 100
BasicAuth user {password}
"""
PROXIES = ["squid", "tinyproxy", "microsocks"]
PASSWORDS = {"squid": "pass%w@rd:/", "tinyproxy": "password", "microsocks": "pass%w@rd:/"}  # tinyproxy permits no special characters
PATH = "/usr/local/sbin:/usr/sbin:/sbin:/usr/local/bin:/usr/bin:/bin"
HELPERS = ["/usr/lib/squid/basic_ncsa_auth", "/usr/lib64/squid/basic_ncsa_auth"]
limit = 60  # seconds, for each thing that this program waits for
failures = []


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as unused:
        return unused.getsockname()[1]


def openssl(*words):
    return subprocess.run(["openssl", *map(str, words)], check=True, capture_output=True, text=True).stdout


def start_server(*command):
    """Starts an example, and returns it with its port."""
    process = subprocess.Popen(list(map(str, command)), stdout=subprocess.PIPE, text=True)
    line = process.stdout.readline()
    return process, re.search(r":(\d+)", line).group(1)


def wait_for(port, process):
    end = time.monotonic() + limit
    while True:
        with socket.socket() as client:
            if client.connect_ex(("127.0.0.1", port)) == 0:
                return
        if process.poll() is not None or time.monotonic() > end:
            sys.exit(f"http_proxies: {process.args[0]} does not start")
        time.sleep(0.02)


def start_proxy(name, folder):
    """Starts a proxy that requires the user "user" and a password. Returns it with its port."""
    port = free_port()
    config = folder / f"{name}.conf"
    helper = next((each for each in HELPERS if os.path.exists(each)), None)
    text = {"squid": SQUID, "tinyproxy": TINYPROXY, "microsocks": ""}[name]
    config.write_text(text.format(port=port, folder=folder, helper=helper, password=PASSWORDS[name]))
    (folder / "users").write_text("user:" + openssl("passwd", "-apr1", PASSWORDS[name]))
    options = {"squid": ["-N", "-f", str(config)], "tinyproxy": ["-d", "-c", str(config)],
               "microsocks": ["-i", "127.0.0.1", "-p", str(port), "-u", "user", "-P", PASSWORDS[name]]}[name]
    with open(folder / f"{name}.out", "w") as out:
        process = subprocess.Popen([shutil.which(name, path=PATH), *options], stdout=out, stderr=out)
    wait_for(port, process)
    return process, port


def fetch(examples, certificate, variables, *arguments):
    kept = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
    environment = kept | {"SSL_CERT_FILE": str(certificate)} | variables
    return subprocess.run([examples / "fetch", *arguments], env=environment, capture_output=True, text=True,
                          timeout=limit)


def check(what, ended, out, errors, code=0):
    """Compares what fetch has printed. `errors` is a regular expression."""
    if ended.stdout == out and re.fullmatch(errors, ended.stderr) and ended.returncode == code:
        print(f"  {what}: as expected")
        return
    print(f"  {what}: got {ended.stdout!r}, {ended.stderr!r}, code {ended.returncode}")
    failures.append(what)


def run(name, examples, folder, http, https):
    """Runs all checks with one proxy. `http` and `https` are the URLs of the servers."""
    process, port = start_proxy(name, folder)
    closed = free_port()
    print(name)
    try:
        def ask(proxy, *arguments, **more):
            variables = {"all_proxy": proxy} | more
            return fetch(examples, folder / "certificate.pem", variables, *arguments)
        is_socks = name == "microsocks"
        scheme = "socks5" if is_socks else "http"
        url = f"{scheme}://user:{urllib.parse.quote(PASSWORDS[name], safe='')}@127.0.0.1:{port}"
        ok = r"200 OK(, .*)?\n"
        check("http", ask(url, http + "/notes", http + "/count/3"), "{}\n1\n2\n3\n", ok + ok)
        check("https", ask(url, https + "/hello", https + "/hello"), "hello over HTTP/2\n" * 2, f"(HTTP/2 {ok}){{2}}")
        check("HTTP/2 without TLS", ask(url, "--http2", http + "/count/3"), "1\n2\n3\n", f"HTTP/2 {ok}")
        wrong = url.replace("user", "other")
        not_known = "wrong user name or password" if is_socks else "status 40[17]"
        not_reached = "connection refused" if is_socks else "status 50[023]"
        error = rf"fetch: no connection through the proxy 127.0.0.1:{port} \({{}}\): the proxy does .*\n"
        refused = ask(wrong, http + "/notes")
        check("http, wrong user", refused, refused.stdout, error.format(not_known) if is_socks else r"40[17] .*\n", 1)
        check("https, wrong user", ask(wrong, https + "/"), "", error.format(not_known), 1)
        check("https, closed port", ask(url, f"https://0.0.0.0:{closed}/"), "", error.format(not_reached), 1)
        check("no_proxy", ask("http://127.0.0.1:1", http + "/count/1", no_proxy="0.0.0.0/32"), "1\n", ok)
    finally:
        process.terminate()
        process.wait()
    check("no proxy listens", ask(url, https + "/"), "",
          rf"fetch: no connection through the proxy 127.0.0.1:{port}: Connection refused\n", 1)


def main():
    examples = pathlib.Path(sys.argv[1]).resolve()
    found = [name for name in PROXIES if shutil.which(name, path=PATH)]
    for name in PROXIES:
        if name not in found:
            print(f"skipped: {name} is not installed")
    with tempfile.TemporaryDirectory() as text:
        folder = pathlib.Path(text)
        folder.chmod(0o777)  # squid changes its user if it is started by root
        openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj",
                "/CN=test", "-addext", "subjectAltName=IP:0.0.0.0", "-keyout", folder / "key.pem", "-out",
                folder / "certificate.pem")
        plain, http = start_server(examples / "web_server", "127.0.0.1:0")
        secure, https = start_server(examples / "https_server", "127.0.0.1:0", folder / "certificate.pem",
                                     folder / "key.pem")
        try:
            for name in found:
                run(name, examples, folder, f"http://0.0.0.0:{http}", f"https://0.0.0.0:{https}")
        finally:
            for server in [plain, secure]:
                server.terminate()
                server.wait()
    if failures:
        sys.exit(f"http_proxies: {len(failures)} checks fail")
    sys.exit(0 if found == PROXIES else 77)


main()
