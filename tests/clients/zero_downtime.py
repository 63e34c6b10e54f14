#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Replaces examples/zero_downtime again and again while wrk, h2load and HAProxy use it: HTTP/1.1, HTTP/2 and TLS. No request may
fail.

    tests/clients/zero_downtime.py FOLDER [--seconds N] [--replacements N] [--activated N]

FOLDER contains the examples. At the end, replaces servers whose sockets are those of systemd-socket-activate, and asks openssl
whether a successor resumes the TLS sessions of its predecessor. Exits with 77 if a program is missing.
"""
import argparse
import contextlib
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time

limit = 60  # seconds, for each thing that this program waits for


def free_ports(count):
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


def connect(port):
    """Waits until the port is open, connects, and closes the connection."""
    end = time.monotonic() + limit
    while True:
        with contextlib.suppress(OSError):
            return socket.create_connection(("127.0.0.1", port)).close()
        if time.monotonic() > end:
            sys.exit(f"zero_downtime: port {port} is not open")
        time.sleep(0.05)


def make_certificate(folder):
    certificate, key = folder / "certificate.pem", folder / "key.pem"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "1", "-subj",
                    "/CN=localhost", "-addext", "subjectAltName=DNS:localhost", "-keyout", key, "-out", certificate],
                   check=True, stderr=subprocess.DEVNULL)
    return [certificate, key]


class service:
    """The example, with the number of the process that serves now."""

    def __init__(self, program, files, before=(), **options):
        self.web, self.tls = free_ports(2)
        addresses = [f"127.0.0.1:{port}" for port in (self.web, self.tls)]
        command = [option.format(*addresses) for option in before]
        self.first = subprocess.Popen([*command, program, *addresses, *files], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                                      **options)
        self.id = self.first.pid

    def wait_for(self, what):
        """Reads lines until one begins with `what`. Returns the rest of that."""
        for line in self.first.stdout:
            if line.startswith(what):
                return line[len(what):].strip()
        sys.exit(f"zero_downtime: the server has ended; it did not say {what!r}: {self.first.stderr.read()}")

    def replace(self):
        os.kill(self.id, signal.SIGHUP)
        self.id = int(self.wait_for(f"process {self.id}: replaced by process "))

    def end(self):
        os.kill(self.id, signal.SIGTERM)
        error = self.first.communicate(timeout=limit)[1]  # until the last process has ended
        if self.first.returncode != 0 or "zero_downtime: " in error:
            sys.exit(f"zero_downtime: the first process has ended with {self.first.returncode}: {error}")


class load:
    """A program that sends requests until the time is over. `figures` returns how many requests it has sent and how many of them
    have failed, from what it has printed."""

    def __init__(self, name, seconds, command):
        self.name, self.command, self.printed = name, list(map(str, command)), []
        self.end = time.monotonic() + seconds
        self.thread = threading.Thread(target=self.run)
        self.thread.start()

    def run(self):
        while not self.printed or (self.runs_again and time.monotonic() < self.end):
            self.printed.append(subprocess.run(self.command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True).stdout)

    def failed(self):
        """Prints the figures. Returns the number of failed requests."""
        self.thread.join()
        figures = [self.figures(said) for said in self.printed]
        requests, failed = (sum(each) for each in zip(*figures))
        print(f"  {self.name}: {requests} requests, {failed} failed")
        for each, said in zip(figures, self.printed):
            if each[1] != 0:
                print(said)
        return failed + (requests == 0)


class wrk(load):
    runs_again = False

    def __init__(self, name, seconds, url):
        super().__init__(f"wrk, {name}", seconds, ["wrk", "-t", 1, "-c", 8, "-d", f"{seconds}s", url])

    @staticmethod
    def figures(said):
        requests = re.search(r"(\d+) requests in", said)
        errors = re.search(r"Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)", said)
        others = re.search(r"Non-2xx or 3xx responses: (\d+)", said)
        return int(requests[1]), sum(map(int, errors.groups() if errors else ())) + (int(others[1]) if others else 0)


class h2load(load):
    """With HTTP/2, h2load opens no other connection after GOAWAY, so it ends then, and is started again. For each connection, it
    prints a line, and may count a request that it has not sent. HAProxy sends such requests on another connection. `count` is
    greater than what it can send between two replacements, otherwise it may print no line."""

    runs_again = True

    def __init__(self, name, seconds, url, count, *options):
        super().__init__(f"h2load, {name}", seconds, ["h2load", "-n", count, "-c", 4, "-t", 1, *options, url])

    @staticmethod
    def figures(said):
        started = int(re.search(r"requests: \d+ total, (\d+) started", said)[1])
        of_2xx = int(re.search(r"status codes: (\d+) 2xx", said)[1])
        unsent = min(started - of_2xx, said.count("Process Request Failure"))
        return started - unsent, started - unsent - of_2xx


# covers: B23
def replace_under_load(one, loads, seconds, replacements):
    begin = time.monotonic()
    longest = 0
    for number in range(1, replacements + 1):
        time.sleep(max(0, begin + seconds * number / (replacements + 1) - time.monotonic()))
        now = time.monotonic()
        one.replace()
        longest = max(longest, time.monotonic() - now)
    during = sum(each.thread.is_alive() for each in loads)
    print(f"{replacements} replacements in {time.monotonic() - begin:.0f} s, the longest took {longest:.2f} s")
    if during != len(loads):
        sys.exit("zero_downtime: a load has ended before the last replacement")
    time.sleep(max(0, max(each.end for each in loads) - time.monotonic()))
    one.replace()  # h2load ends
    return sum(each.failed() for each in loads)


proxy_configuration = """
defaults
  mode http
  log stderr format raw daemon
  option httplog
  option dontlog-normal
  option dontlognull
  retries 0
  timeout connect 5s
  timeout client 20s
  timeout server 20s
listen web
  bind 127.0.0.1:{front_web}
  server service 127.0.0.1:{web} proto h2
listen tls
  bind 127.0.0.1:{front_tls}
  server service 127.0.0.1:{tls} ssl verify none alpn h2
"""


@contextlib.contextmanager
def proxy(work, one):
    """HAProxy in front of the service. It continues on a new HTTP/2 connection after GOAWAY. Returns its URLs, without and with TLS
    to the service."""
    fronts = free_ports(2)
    configuration = work / "haproxy.cfg"
    configuration.write_text(proxy_configuration.format(front_web=fronts[0], front_tls=fronts[1], web=one.web, tls=one.tls))
    program = subprocess.Popen(["haproxy", "-db", "-q", "-f", configuration])
    try:
        for port in fronts:
            connect(port)
        yield [f"http://127.0.0.1:{port}" for port in fronts]
    finally:
        program.kill()
        program.wait()


def is_resumed(address, session, option):
    """Makes a request with openssl s_client and `-sess_out` or `-sess_in`. Returns whether the session was resumed."""
    asked = subprocess.run(["openssl", "s_client", "-connect", address, "-ign_eof", option, session], capture_output=True, text=True,
                           input="GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", timeout=limit)
    if "HTTP/1.1 200 OK" not in asked.stdout:
        sys.exit(f"zero_downtime: openssl s_client gets no response: {asked.stdout}{asked.stderr}")
    return "\nReused, " in asked.stdout


def try_binding(asked, program, files, work):
    one = service(program, files)
    one.wait_for(f"process {one.id}: ready")
    web, tls = f"http://127.0.0.1:{one.web}", f"https://127.0.0.1:{one.tls}"
    seconds = asked.seconds + 2
    with proxy(work, one) as (front_web, front_tls):
        loads = [wrk("HTTP/1.1", seconds, f"{web}/"), wrk("HTTP/1.1, TLS", seconds, f"{tls}/"),
                 h2load("HTTP/1.1", seconds, f"{web}/late", 400, "--h1"), h2load("HTTP/2", seconds, f"{web}/", 1_000_000),
                 h2load("HTTP/2, TLS", seconds, f"{tls}/late", 1_000_000),
                 wrk("HAProxy, HTTP/2", seconds, f"{front_web}/"), wrk("HAProxy, HTTP/2, TLS", seconds, f"{front_tls}/late")]
        failed = replace_under_load(one, loads, asked.seconds, asked.replacements)
    address, session = f"127.0.0.1:{one.tls}", work / "session"
    if is_resumed(address, session, "-sess_out"):
        sys.exit("zero_downtime: openssl resumes a session that it does not have")
    one.replace()
    if not is_resumed(address, session, "-sess_in"):
        sys.exit("zero_downtime: the successor does not resume the TLS sessions of its predecessor")
    print("openssl: the successor resumes a TLS session of its predecessor")
    one.end()
    return failed


def try_activated(asked, program, files):
    one = service(program, files, ["systemd-socket-activate", "--listen", "{0}", "--listen", "{1}", "--fdname", "web:tls"])
    connect(one.web)  # starts it
    one.wait_for(f"process {one.id}: ready")
    seconds = asked.activated // 2 + 2
    loads = [wrk("HTTP/1.1", seconds, f"http://127.0.0.1:{one.web}/"), wrk("HTTP/1.1, TLS", seconds, f"https://127.0.0.1:{one.tls}/")]
    print("with the sockets of systemd-socket-activate: ", end="")
    failed = replace_under_load(one, loads, seconds - 2, asked.activated)
    one.end()
    return failed


def try_other_keys(program, files):
    """Starts the example as the successor of a program whose OpenSSL has ticket keys of another length."""
    keys = os.memfd_create("keys")
    os.write(keys, b"short")
    about = os.fstat(keys)
    identities = " " * (keys - 3) + f"{about.st_dev}:{about.st_ino} "
    given = {"EDDY_INHERITED": identities, "EDDY_INHERITED_BYTES": str(keys), "LISTEN_FDS": "0", "LISTEN_FDNAMES": ""}
    one = service(program, files, env=os.environ | given, pass_fds=[keys])
    os.close(keys)
    one.wait_for(f"process {one.id}: ready")
    one.end()
    print("a successor makes new ticket keys if those of its predecessor have another length")


def main():
    options = argparse.ArgumentParser()
    options.add_argument("folder", type=pathlib.Path)
    options.add_argument("--seconds", type=int, default=60)
    options.add_argument("--replacements", type=int, default=100)
    options.add_argument("--activated", type=int, default=20)
    asked = options.parse_args()
    for program in ("wrk", "h2load", "haproxy", "openssl", "systemd-socket-activate"):
        if not shutil.which(program):
            print(f"skipped: {program} is not installed")
            sys.exit(77)
    program = asked.folder.resolve() / "zero_downtime"
    with tempfile.TemporaryDirectory() as name:
        work = pathlib.Path(name)
        files = make_certificate(work)
        try_other_keys(program, files)
        failed = try_binding(asked, program, files, work) + try_activated(asked, program, files)
    sys.exit(failed != 0)


if __name__ == "__main__":
    main()
