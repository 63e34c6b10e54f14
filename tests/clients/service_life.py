#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Runs examples/service under programs that eddy does not contain: systemd-socket-activate gives it a socket, and HAProxy sends
the PROXY protocol in both versions, also with its health checks.
    tests/clients/service_life.py FOLDER     FOLDER contains the examples
"""
import contextlib
import pathlib
import socket
import subprocess
import sys
import tempfile
import time

limit = 20

proxy_configuration = """
defaults
  mode tcp
  timeout connect 5s
  timeout client 20s
  timeout server 20s
listen v1
  bind 127.0.0.1:{v1}
  server service 127.0.0.1:{service} send-proxy check inter 50ms
listen v2
  bind 127.0.0.1:{v2}
  server service 127.0.0.1:{service} send-proxy-v2 check inter 50ms
"""


def free_ports(count):
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


@contextlib.contextmanager
def running(command, **options):
    program = subprocess.Popen(command, **options)
    try:
        yield program
    finally:
        program.kill()
        program.wait()


def ask(port):
    """Asks the service who the client is, until it answers. Returns the client's own address and the answer."""
    end = time.monotonic() + limit
    while True:
        try:
            with socket.create_connection(("127.0.0.1", port), limit) as client:
                client.sendall(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
                host, source = client.getsockname()
                answer = client.makefile("rb").read().decode()
            if answer.startswith("HTTP/1.1 200 OK"):
                return f"you are {host}:{source}\n", answer.partition("\r\n\r\n")[2]
        except OSError:
            pass
        if time.monotonic() > end:
            sys.exit(f"service_life: no answer on port {port}")
        time.sleep(0.05)


def check(port, what):
    expected, said = ask(port)
    if said != expected:
        sys.exit(f"service_life: {what}: {said!r} instead of {expected!r}")


def main(folder):
    service = pathlib.Path(folder).resolve() / "service"
    activated, behind, v1, v2 = free_ports(4)
    with running(["systemd-socket-activate", "--listen", f"127.0.0.1:{activated}", service], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as program:
        check(activated, "behind systemd-socket-activate")
        program.terminate()
        if program.wait(limit) != 0:
            sys.exit(f"service_life: the service ended with {program.returncode}")
    with tempfile.TemporaryDirectory() as work:
        configuration = pathlib.Path(work) / "haproxy.cfg"
        configuration.write_text(proxy_configuration.format(service=behind, v1=v1, v2=v2))
        with running([service, "--behind-proxy", f"127.0.0.1:{behind}"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as program:
            program.stdout.readline()
            with running(["haproxy", "-db", "-q", "-f", configuration]):
                for _ in range(20):
                    check(v1, "the PROXY protocol, version 1")
                    check(v2, "the PROXY protocol, version 2")
            program.terminate()
            _, error = program.communicate(timeout=limit)
            if program.returncode != 0 or error:
                sys.exit(f"service_life: the service ended with {program.returncode}: {error}")
    print("service_life: a socket of systemd-socket-activate, and HAProxy's PROXY protocol, versions 1 and 2: right")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(sys.argv[1])
