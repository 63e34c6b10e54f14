#!/usr/bin/env python3
"""A peer of tls_matrix.py with Python's module ssl.

Options and output are those of tls_peer.cpp; --tls VERSION is the only version that it uses.
"""

import socket
import ssl
import sys

limit = 30  # seconds, for each call on a socket


def settings(role, given):
    """Returns a context for the client or the server."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT if role == "client" else ssl.PROTOCOL_TLS_SERVER)
    version = ssl.TLSVersion.TLSv1_2 if given.get("tls") == "1.2" else ssl.TLSVersion.TLSv1_3
    context.minimum_version = context.maximum_version = version
    if given.get("alpn"):
        context.set_alpn_protocols(given["alpn"].split(","))
    if given.get("cert"):
        context.load_cert_chain(given["cert"], given["key"])
    if given.get("client-ca"):
        context.load_verify_locations(given["client-ca"])
        context.verify_mode = ssl.CERT_REQUIRED
    return context


class line:
    """The line about a connection."""

    def __init__(self):
        self.handshake = "version="
        self.bytes = 0
        self.end = ""

    def shaken(self, peer, name=""):
        subject = (peer.getpeercert() or {}).get("subject", ())
        fields = {
            "version": peer.version().removeprefix("TLSv"),
            "alpn": peer.selected_alpn_protocol() or "",
            "resumed": "yes" if peer.session_reused else "no",
            "name": name,
            "peer": "/".join(value for part in subject for _, value in part),
        }
        self.handshake = "\t".join(f"{key}={value}" for key, value in fields.items())

    def print(self, error=""):
        text = str(error).replace("\n", " ")
        print(f"{self.handshake}\tbytes={self.bytes}\tend={self.end}\terror={text}", flush=True)


def serve(tcp, context, names, out):
    with tcp, context.wrap_socket(tcp, server_side=True, suppress_ragged_eofs=False) as peer:
        out.shaken(peer, names[-1] or "")
        while data := peer.recv(20000):
            out.bytes += len(data)
            peer.sendall(data)
        out.end = "closed"
        peer.unwrap()


def run_server(given):
    context = settings("server", given)
    names = [None]
    second = given.get("second", "").split(",")
    other = settings("server", given | {"cert": second[1], "key": second[2]}) if len(second) == 3 else None

    def choose(peer, name, _):
        names.append(name)
        if other and name == second[0]:
            peer.context = other

    context.sni_callback = choose
    listener = socket.create_server(("127.0.0.1", 0))
    print("port", listener.getsockname()[1], flush=True)
    for _ in range(int(given.get("count", 1))):
        tcp, _ = listener.accept()
        tcp.settimeout(limit)
        out = line()
        try:
            serve(tcp, context, names, out)
            out.print()
        except OSError as error:
            out.print(error)


def talk(given, context, session, out):
    """Returns the session."""
    tcp = socket.create_connection(("127.0.0.1", int(given["port"])), timeout=limit)
    with tcp, context.wrap_socket(
        tcp, server_hostname=given["host"], session=session, suppress_ragged_eofs=False
    ) as peer:
        out.shaken(peer)
        size = int(given.get("size", 100))
        peer.sendall(b"x" * (size - 1) + b"\n")
        while out.bytes < size:
            data = peer.recv(20000)
            if not data:
                raise ConnectionError("the server has ended the stream")
            out.bytes += len(data)
        session = peer.session
        peer.unwrap()  # sends close_notify and waits for that of the server
        out.end = "closed"
        return session


def run_client(given):
    context = settings("client", given)
    context.load_verify_locations(given["ca"])
    session = None
    for _ in range(int(given.get("count", 1))):
        out = line()
        try:
            session = talk(given, context, session, out)
            out.print()
        except OSError as error:
            out.print(error)


def main():
    role, *words = sys.argv[1:]
    given = {name.lstrip("-"): value for name, value in zip(words[::2], words[1::2])}
    run_server(given) if role == "server" else run_client(given)


main()
