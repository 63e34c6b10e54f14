#!/usr/bin/env python3
"""Restarts three replicas of examples/web_server one after another under load, behind HAProxy and behind
examples/reverse_proxy.

    tests/clients/rolling_restart.py FOLDER [--requests N] [--restarts N] [--only haproxy|reverse_proxy]

FOLDER contains the examples. Uses packaging/deploy/haproxy.cfg and, if Prometheus is installed,
packaging/deploy/prometheus.yml, with free ports. No request may fail, and Prometheus must find each replica. Exits with 77
if HAProxy or h2load is missing.
"""

import argparse
import csv
import json
import pathlib
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request

deploy = pathlib.Path(__file__).resolve().parents[2] / "packaging/deploy"
limit = 60  # seconds, for each thing that this program waits for


def free_ports(count):
    """Returns ports that nobody uses at the moment."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [s.getsockname()[1] for s in sockets]
    for s in sockets:
        s.close()
    return ports


def wait_until(what, is_true):
    """Asks until it is true. Ends the program if that takes too long."""
    end = time.monotonic() + limit
    while not is_true():
        if time.monotonic() > end:
            sys.exit(f"rolling_restart: after {limit} s, still not true: {what}")
        time.sleep(0.01)


def get(url):
    """Returns the body, or nothing if there is no answer or an error."""
    try:
        with urllib.request.urlopen(url, timeout=limit) as answer:
            return answer.read().decode()
    except (urllib.error.URLError, ConnectionError):
        return None


class replicas:
    """HAProxy and the programs behind it."""

    def __init__(self, program, folder):
        self.program, self.folder = program, folder
        self.front, *self.ports = free_ports(4)
        self.servers = {}
        self.proxy = None

    def begin(self):
        for port in self.ports:
            self.servers[port] = self.start(port)
        self.proxy = subprocess.Popen(["haproxy", "-db", "-q", "-f", self.configuration("haproxy.cfg")])
        wait_until("HAProxy answers", lambda: self.proxy.poll() is not None or get(self.url("/health")))
        if self.proxy.poll() is not None:
            sys.exit("rolling_restart: HAProxy has ended; see its message above")

    def configuration(self, name):
        """Copies a file of packaging/deploy and replaces its ports and its control socket."""
        text = (deploy / name).read_text().replace("/run/haproxy/admin.sock", f"{self.folder}/haproxy.sock")
        for usual, port in zip((8080, 8081, 8082, 8083), (self.front, *self.ports)):
            text = text.replace(f"127.0.0.1:{usual}", f"127.0.0.1:{port}")
        (self.folder / name).write_text(text)
        return str(self.folder / name)

    def url(self, path):
        return f"http://127.0.0.1:{self.front}{path}"

    def start(self, port):
        server = subprocess.Popen([self.program, f"127.0.0.1:{port}", self.folder], stdout=subprocess.PIPE, text=True)
        if not server.stdout.readline().startswith("listening"):
            sys.exit(f"rolling_restart: web_server does not listen on port {port}")
        return server

    def ask(self, command):
        """Sends a command to HAProxy's control socket and returns the answer."""
        with socket.socket(socket.AF_UNIX) as control:
            control.connect(str(self.folder / "haproxy.sock"))
            control.sendall(command.encode() + b"\n")
            return control.makefile().read()

    def is_up(self, port):
        """Whether HAProxy sends requests to the replica."""
        line = next(s for s in self.ask("show servers state replicas").splitlines() if s.endswith(str(port)) or f" {port} " in s)
        return line.split()[5] == "2"

    def number(self, replica, *columns):
        """Returns the sum of numbers in HAProxy's table."""
        rows = csv.DictReader(self.ask("show stat").removeprefix("# ").splitlines())
        row = next(row for row in rows if (row["pxname"], row["svname"]) == ("replicas", replica))
        return sum(int(row[column]) for column in columns)

    def restart(self, port, drains):
        """Ends a replica with SIGTERM, and starts it again. With `drains`, HAProxy first stops sending requests to the
        replica, and the replica answers the earlier ones: a POST that arrives after the SIGTERM may fail."""
        replica = "abc"[self.ports.index(port)]
        name = "replicas/" + replica
        if drains:
            self.ask(f"set server {name} state drain")
            wait_until(f"{name} has answered all requests", lambda: self.number(replica, "scur") == 0)
        self.servers[port].terminate()
        status = self.servers[port].wait(limit)
        if status != 0:
            sys.exit(f"rolling_restart: web_server ended with {status}")
        self.servers[port] = self.start(port)
        if drains:
            # On a busy machine the program starts earlier than HAProxy sees that the connections to the last one are closed.
            # It would send a POST on them.
            wait_until(f"HAProxy has no connection to the old {name}",
                       lambda: self.number(replica, "idle_conn_cur", "safe_conn_cur", "used_conn_cur") == 0)
            self.ask(f"set server {name} state ready")
        wait_until(f"HAProxy uses port {port} again", lambda: self.is_up(port))

    def stop(self):
        for process in filter(None, (self.proxy, *self.servers.values())):
            process.terminate()
            process.wait(limit)


class replicas_behind_eddy(replicas):
    """examples/reverse_proxy and the programs behind it."""

    def begin(self):
        for port in self.ports:
            self.servers[port] = self.start(port)
        addresses = [f"127.0.0.1:{port}" for port in (self.front, *self.ports)]
        self.proxy = subprocess.Popen([self.program.with_name("reverse_proxy"), *addresses], stdout=subprocess.PIPE,
                                        stderr=subprocess.DEVNULL, text=True)
        if not self.proxy.stdout.readline():
            sys.exit("rolling_restart: reverse_proxy has ended")

    def restart(self, port, drains):
        """Ends a replica with SIGTERM and starts it again. Returns when the proxy sends it requests."""
        self.servers[port].terminate()
        status = self.servers[port].wait(limit)
        if status != 0:
            sys.exit(f"rolling_restart: web_server ended with {status}")
        self.servers[port] = self.start(port)
        wait_until(f"the proxy uses port {port} again", lambda: self.load.poll() is not None or self.requests(port) > 100)

    def requests(self, port):
        """Returns the number of requests that a replica has answered since its start."""
        metrics = get(f"http://127.0.0.1:{port}/metrics") or ""
        return sum(int(count) for count in re.findall(r"^http_request_duration_seconds_count(?:{.*})? (\d+)$", metrics, re.M))


def restart_under_load(all_of_them, requests, restarts, post=None):
    """Sends the requests while the replicas restart. Returns the number of failed requests."""
    method = ["-d", post] if post else []
    path = "/echo" if post else "/notes"
    load = subprocess.Popen(["h2load", "--h1", "-n", str(requests), "-c", "20", *method, all_of_them.url(path)],
                            stdout=subprocess.PIPE, text=True)
    all_of_them.load = load
    done = during = 0
    for done in range(1, restarts + 1):
        all_of_them.restart(all_of_them.ports[done % 3], drains=post is not None)
        during += load.poll() is None
    said = load.communicate(timeout=600)[0]
    good = int(re.search(r"(\d+) succeeded", said)[1])
    of_2xx = int(re.search(r"status codes: (\d+) 2xx", said)[1])
    failed = requests - min(good, of_2xx)
    print(f"{'POST' if post else 'GET'}: {requests} requests, {done} restarts ({during} before the last response), {failed} failed")
    if failed:
        print(said)
    if during == 0:
        sys.exit("rolling_restart: the load ended before the first restart")
    return failed


def check_prometheus(all_of_them):
    """Prometheus must find each replica and the counters of its requests."""
    (port,) = free_ports(1)
    prometheus = subprocess.Popen(
        ["prometheus", f"--config.file={all_of_them.configuration('prometheus.yml')}", f"--web.listen-address=127.0.0.1:{port}",
         f"--storage.tsdb.path={all_of_them.folder}/tsdb"], stderr=subprocess.DEVNULL)

    def replicas_that_are(query):
        answer = get(f"http://127.0.0.1:{port}/api/v1/query?query={query}")
        return len(json.loads(answer)["data"]["result"]) if answer else 0

    try:
        wait_until("Prometheus finds three replicas", lambda: replicas_that_are("up%3D%3D1") == 3)
        wait_until("Prometheus has their requests", lambda: replicas_that_are("http_request_duration_seconds_count%3E0") >= 3)
        print("Prometheus: 3 replicas are up, and it has their requests")
    finally:
        prometheus.terminate()
        prometheus.wait(limit)


def main():
    options = argparse.ArgumentParser()
    options.add_argument("folder", type=pathlib.Path)
    options.add_argument("--requests", type=int, default=100_000)
    options.add_argument("--restarts", type=int, default=20)
    options.add_argument("--only", choices=["haproxy", "reverse_proxy"])
    asked = options.parse_args()
    failed = 0
    if not shutil.which("h2load"):
        print("skipped: h2load is not installed")
        sys.exit(77)
    if asked.only != "haproxy":
        failed += try_reverse_proxy(asked)
    if asked.only != "reverse_proxy":
        failed += try_haproxy(asked)
    sys.exit(failed != 0)


def try_reverse_proxy(asked):
    """Returns the number of failed requests behind examples/reverse_proxy."""
    with tempfile.TemporaryDirectory() as folder:
        all_of_them = replicas_behind_eddy(asked.folder.resolve() / "web_server", pathlib.Path(folder))
        try:
            all_of_them.begin()
            print("reverse_proxy: ", end="")
            return restart_under_load(all_of_them, asked.requests, asked.restarts)
        finally:
            all_of_them.stop()


def try_haproxy(asked):
    """Returns the number of failed requests behind HAProxy."""
    if not shutil.which("haproxy"):
        print("skipped: haproxy is not installed")
        sys.exit(77)
    with tempfile.TemporaryDirectory() as folder:
        all_of_them = replicas(asked.folder.resolve() / "web_server", pathlib.Path(folder))
        try:
            all_of_them.begin()
            failed = restart_under_load(all_of_them, asked.requests, asked.restarts)
            body = pathlib.Path(folder) / "body"
            body.write_text("x" * 1000)
            failed += restart_under_load(all_of_them, asked.requests, asked.restarts, str(body))
            if shutil.which("prometheus"):
                check_prometheus(all_of_them)
            else:
                print("skipped: prometheus is not installed")
        finally:
            all_of_them.stop()
    return failed


if __name__ == "__main__":
    main()
