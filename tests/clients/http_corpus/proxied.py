"""Gives each message of the corpus to a proxy: proxied.py nginx|haproxy. See node.mjs, which reads and prints the same.

The proxy is a process of its own on a free port. The requests are those that it forwards to a server in this process.
"""

import json
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time

NGINX = """
daemon off; master_process off; pid {folder}/pid; error_log {folder}/log crit;
events {{}}
http {{
    access_log off;
    client_body_temp_path {folder}; proxy_temp_path {folder}; fastcgi_temp_path {folder};
    uwsgi_temp_path {folder}; scgi_temp_path {folder};
    server {{
        listen 127.0.0.1:{port};
        location / {{
            proxy_pass http://127.0.0.1:{backend};
            proxy_http_version 1.1;
            proxy_set_header Connection "";
            proxy_ignore_client_abort on;
        }}
    }}
}}
"""
HAPROXY = """
defaults
    mode http
    timeout connect 2s
    timeout client 2s
    timeout server 2s
frontend incoming
    bind 127.0.0.1:{port}
    option http-buffer-request
    default_backend recorder
backend recorder
    server recorder 127.0.0.1:{backend}
"""


class Recorder:
    """A server that records requests. It understands the requests of correct proxies only."""

    def __init__(self):
        self.seen = []
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            client, _ = self.listener.accept()
            threading.Thread(target=self.serve, args=(client,), daemon=True).start()

    def serve(self, client):
        with client, client.makefile("rb") as stream:
            try:
                while self.answer(client, stream):
                    pass
            except (OSError, ValueError, OverflowError):
                pass

    def answer(self, client, stream):
        words = stream.readline().split()
        if len(words) != 3:
            return False
        one = [words[0].decode("latin-1"), words[1].decode("latin-1"), None]
        self.seen.append(one)
        fields = {}
        while (line := stream.readline().strip()):
            name, _, value = line.partition(b":")
            fields[name.lower()] = value.strip()
        if b"chunked" in fields.get(b"transfer-encoding", b"").lower():
            body = b""
            while (size := int(stream.readline().split(b";")[0], 16)):
                body += stream.read(size)
                stream.readline()
            while stream.readline().strip():
                pass
        else:
            size = int(fields.get(b"content-length", b"0"))
            body = stream.read(size)
            if len(body) < size:
                return False
        one[2] = body.decode("latin-1")
        client.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n" + (b"" if words[0] == b"HEAD" else b"ok"))
        return True


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as unused:
        return unused.getsockname()[1]


def start(name, folder, backend):
    port = free_port()
    text = {"nginx": NGINX, "haproxy": HAPROXY}[name].format(folder=folder, port=port, backend=backend)
    config = pathlib.Path(folder) / "config"
    config.write_text(text)
    program = shutil.which(name, path="/usr/local/sbin:/usr/sbin:/usr/local/bin:/usr/bin:/sbin:/bin")
    command = [program, "-c" if name == "nginx" else "-f", str(config)]
    if name == "nginx":
        command += ["-p", folder, "-e", f"{folder}/log"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    deadline = time.monotonic() + 10
    while True:
        with socket.socket() as client:
            if client.connect_ex(("127.0.0.1", port)) == 0:
                return process, port
        if process.poll() is not None or time.monotonic() > deadline:
            sys.exit(f"{name} does not start: {process.stderr.read().decode()}")
        time.sleep(0.02)


def give(port, message):
    with socket.create_connection(("127.0.0.1", port), timeout=3) as client:
        try:
            client.sendall(message)
            client.shutdown(socket.SHUT_WR)
            while client.recv(65536):
                pass
        except OSError:
            pass  # the proxy has reset the connection, or waits for more


with tempfile.TemporaryDirectory() as folder:
    recorder = Recorder()
    process, port = start(sys.argv[1], folder, recorder.port)
    try:
        for line in sys.stdin:
            recorder.seen = []
            give(port, bytes.fromhex(line))
            print(json.dumps(recorder.seen))
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait()
