#!/usr/bin/env python3
"""Connects tls_peer to peers that violate TLS, or use it in an unusual way.

    tests/clients/tls_odd_peers.py TLS_PEER     TLS_PEER is the program that tls_peer.cpp makes

Needs tlslite-ng. As a server, tls_peer must report the named error, and serve a normal client after each odd one. As a
client, it must report the named error, and its next connection must succeed. Exits with 1 if that is not so.
"""

import argparse
import pathlib
import re
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time
import unittest.mock

from tlslite.api import HandshakeSettings, TLSConnection, X509CertChain, parsePEMKey
from tlslite.constants import AlertDescription, AlertLevel, CipherSuite, ContentType
from tlslite.errors import TLSError
from tlslite.messages import Alert, ClientHello, Finished, HelloRequest, Message

from tls_certificates import certificates

limit = 60  # seconds, for each call that waits
# The time limits of tls_peer for a handshake, in seconds. The handshakes in Python must be faster than the first one, also on
# a busy machine. The second one is for peers that never complete a handshake.
handshake_limit = 60
short_handshake_limit = 4
TIMED_OUT = "^eddy: .*timed? ?out"
most_growth = 16 * 1024  # KiB: of the memory of tls_peer, for one connection
GONE = r"^generic: (Connection reset by peer|Broken pipe)"
TRUNCATED = "^eddy: the TLS connection ended without close_notify"
NOTHING = "^$"
versions = {"1.2": (3, 3), "1.3": (3, 4)}


def fields(line):
    return dict(each.partition("=")[::2] for each in line.rstrip("\n").split("\t"))


def settings(version):
    made = HandshakeSettings()
    made.minVersion = made.maxVersion = version
    if version < (3, 3):
        made.versions = [(3, 2), (3, 1)]
    return made


# ---- What both roles do after a handshake: functions of a TLSConnection ----


def send(peer, kind, data):
    """Sends one record, encrypted, but of any size."""
    for _ in peer._recordLayer.sendRecord(Message(kind, bytearray(data))):
        pass


def message(peer, made):
    """Sends one handshake message, or an alert."""
    for _ in peer._sendMsg(made, update_hashes=False):
        pass


def truncated(peer):
    peer.sock.shutdown(socket.SHUT_WR)


def truncated_record(peer):
    peer.sock.sendall(b"\x17\x03\x03\x01\x00" + b"half of a record")
    peer.sock.shutdown(socket.SHUT_WR)


def too_large(peer):
    send(peer, ContentType.application_data, b"x" * (2**14 + 1))


def far_too_large(peer):
    peer.sock.sendall(b"\x17\x03\x03\xff\xff" + b"x" * 0xFFFF)


def corrupted(peer):
    peer.sock.sendall(b"\x17\x03\x03\x00\x40" + b"x" * 64)


def empty_records(peer):
    for _ in range(1000):
        send(peer, ContentType.application_data, b"")


def warnings(peer):
    for _ in range(100):
        message(peer, Alert().create(AlertDescription.user_canceled, AlertLevel.warning))


def cipher_changes(peer):
    for _ in range(100):
        peer.sock.sendall(b"\x14\x03\x03\x00\x01\x01")


def unknown_type(peer):
    send(peer, 99, b"what is this?")


def fatal_alert(peer):
    message(peer, Alert().create(AlertDescription.internal_error, AlertLevel.fatal))


def key_updates(peer):
    """Sends key updates, which have to be answered, and reads no answer. Stops if the other side does not read."""
    peer.sock.settimeout(2)
    try:
        for _ in range(30_000):
            for _ in peer.send_keyupdate_request(1):
                pass
    except TimeoutError:
        pass
    peer.sock.close()


def read_all(peer):
    """Reads up to the end. A socket that is closed with unread bytes discards bytes that it has not sent."""
    while peer.recv(10_000):
        pass


# The name, the versions, the function, and what tls_peer reports.
BOTH = ("1.2", "1.3")
after_handshake = [
    ("connection cut", BOTH, truncated, TRUNCATED),
    ("connection cut in a record", BOTH, truncated_record, TRUNCATED),
    ("record of 16 KiB and 1 byte", BOTH, too_large, "^openssl: data length too long"),
    ("record of 64 KiB", BOTH, far_too_large, "^openssl: (packet length too long|encrypted length too long)"),
    ("corrupted record", BOTH, corrupted, "^openssl: decryption failed or bad record mac"),
    ("1,000 empty records", BOTH, empty_records, "^openssl: record too small"),
    ("100 warnings", BOTH, warnings, "^openssl: too many warn alerts"),
    ("100 changes of the cipher", BOTH, cipher_changes, "^openssl: .*"),
    ("record of an unknown type", BOTH, unknown_type, "^openssl: (unexpected record|bad record type)"),
    ("fatal alert", BOTH, fatal_alert, "^openssl: tlsv1 alert internal error"),
    ("30,000 key updates", ("1.3",), key_updates, f"{GONE}|{TRUNCATED}|^openssl: too many key updates"),
]


def wrong_finished():
    """Replaces the method of tlslite-ng that makes a Finished message, while the context is entered."""
    usual = Finished.create
    return unittest.mock.patch.object(
        Finished, "create", lambda self, verify_data: usual(self, bytearray(each ^ 1 for each in verify_data))
    )


# ---- tls_peer as a server ----


def dial(port):
    peer = socket.socket()
    peer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)  # for key_updates()
    peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    peer.settimeout(limit)
    peer.connect(("127.0.0.1", port))
    return peer


def raw(data, closes=True):
    """Returns a client that sends these bytes in place of a ClientHello."""

    def run(port):
        with dial(port) as peer:
            peer.sendall(data)
            if not closes:
                peer.recv(100_000)  # the alert, or the end

    return run


def silent(port):
    with dial(port) as peer:
        assert peer.recv(1) == b"", "the server has sent something"


def slow(port):
    """Sends a ClientHello, of which a byte arrives now and then."""
    with dial(port) as peer:
        try:
            for each in b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"x" * 500:
                peer.sendall(bytes([each]))
                time.sleep(0.1)
        except OSError:
            pass


def shaken(version, then, record_size=None):
    """Returns a client that performs a handshake and calls `then`."""

    def run(port):
        with dial(port) as tcp:
            peer = TLSConnection(tcp)
            if record_size:
                peer.recordSize = record_size
            peer.handshakeClientCert(settings=settings(version), serverName="localhost")
            peer.sock = tcp
            then(peer)
            read_all(tcp)

    return run


def echo(peer):
    """Exchanges data with a server, and ends the stream."""
    text = b"hello\n" * 20
    peer.write(text)
    assert peer.read(min=len(text), max=len(text)) == text, "the echo differs"
    peer.recordSize = 2**14  # close_notify must not be split
    peer.close()


def renegotiate(peer, times=1):
    """Sends a ClientHello in the middle of a connection. With TLS 1.2, the answer is a warning."""
    suites = [CipherSuite.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256]
    peer.sock.settimeout(2)
    try:
        for _ in range(times):
            message(peer, ClientHello().create((3, 3), bytearray(32), bytearray(), suites))
    except TimeoutError:
        pass  # the server does not read as long as nobody reads its answers
    if peer.version == (3, 3):
        header = peer.sock.recv(5)
        assert header[0] == ContentType.alert, f"the answer has the type {header[0]}, and is not an alert"
    peer.sock.close()


def bad_finished(version):
    def run(port):
        with wrong_finished():
            shaken(version, lambda peer: peer.read(max=1, min=1))(port)

    return run


def clients():
    """Returns the name of each odd client, its function, and what the server reports."""
    hello = b"\x16\x03\x01"
    yield "HTTP", raw(b"GET / HTTP/1.1\r\n\r\n", closes=False), "^openssl: http request"
    yield "text", raw(b"hello server, how are you?\r\n", closes=False), "^openssl: wrong version number"
    yield "zeros", raw(bytes(1000), closes=False), "^openssl: (wrong version number|unexpected message)"
    yield "SSL 2", raw(b"\x80\x2e\x01\x00\x02" + bytes(43), closes=False), "^openssl: record length mismatch"
    yield "nothing", raw(b""), TRUNCATED
    yield "half of a ClientHello", raw(hello + b"\x02\x00\x01\x00\x01\xfc\x03\x03"), TRUNCATED
    yield "ClientHello of 16 MiB", raw(
        hello + b"\x40\x00\x01\xff\xff\xff" + bytes(16380), closes=False
    ), "^openssl: excessive message size"
    yield "record of 64 KiB", raw(hello + b"\xff\xff" + bytes(0xFFFF), closes=False), (
        "^openssl: packet length too long"
    )
    yield "data before the handshake", raw(b"\x17\x03\x03\x00\x05hello", closes=False), "^openssl: "
    yield "empty records before the handshake", raw((hello + b"\x00\x00") * 100, closes=False), "^openssl: "
    yield "silence", silent, TIMED_OUT
    yield "slow ClientHello", slow, TIMED_OUT
    yield "TLS 1.1", shaken((3, 2), echo), "^openssl: unsupported protocol"
    for name, version in versions.items():
        yield f"records of one byte, TLS {name}", shaken(version, echo, record_size=1), NOTHING
        yield f"wrong Finished, TLS {name}", bad_finished(version), "^openssl: digest check failed"
        for title, its_versions, then, error in after_handshake:
            if name in its_versions:
                yield f"{title}, TLS {name}", shaken(version, then), error
    cut = f"{GONE}|{TRUNCATED}"
    yield "renegotiation, TLS 1.2", shaken((3, 3), renegotiate), cut
    yield "10,000 renegotiations, TLS 1.2", shaken((3, 3), lambda peer: renegotiate(peer, 10_000)), cut
    yield "renegotiation, TLS 1.3", shaken((3, 4), renegotiate), f"^openssl: unexpected message|{cut}"


def normal_client(port, context):
    with socket.create_connection(("127.0.0.1", port), timeout=limit) as tcp:
        with context.wrap_socket(tcp, server_hostname="localhost") as peer:
            peer.sendall(b"hello")
            assert peer.recv(5) == b"hello"
            peer.unwrap()


def memory_of(pid):
    """Returns the size of a process in KiB, or 0 if it has ended."""
    size = re.search(r"VmRSS:\s*(\d+)", pathlib.Path(f"/proc/{pid}/status").read_text())
    return int(size[1]) if size else 0


class report:
    def __init__(self, only):
        self.only = only
        self.passed = self.failed = 0

    def add(self, role, name, wrong, error):
        self.passed += not wrong
        self.failed += bool(wrong)
        print(f"{role:7}{name:42}{'WRONG: ' + wrong if wrong else error or 'no error'}", flush=True)


def by_limit(peers):
    """Returns pairs: a time limit for handshakes in seconds, and the peers for a tls_peer with this limit."""
    peers = list(peers)
    yield handshake_limit, [each for each in peers if each[2] != TIMED_OUT]
    yield short_handshake_limit, [each for each in peers if each[2] == TIMED_OUT]


def serve(program, made, out, seconds, odd):
    words = ["--cert", made.pem("server"), "--key", made.key("server"), "--count", "10000"]
    words += ["--timeout", str(seconds * 1000)]
    server = subprocess.Popen([program, "server", *words], stdout=subprocess.PIPE, text=True)
    watchdog = threading.Timer(10 * limit, server.kill)
    watchdog.start()
    try:
        port = int(server.stdout.readline().split()[1])
        context = ssl.create_default_context(cafile=made.pem("ca"))
        for name, run, expected in odd:
            before = memory_of(server.pid)
            wrong = ""
            try:
                run(port)
            except (OSError, TLSError):
                pass  # the server has refused it
            except AssertionError as failed:
                wrong = str(failed)
            error = fields(server.stdout.readline()).get("error", "the server has ended")
            if not re.search(expected, error):
                wrong += f"{error!r} does not match {expected!r}"
            growth = memory_of(server.pid) - before
            if growth > most_growth:
                wrong += f"; the server has grown by {growth} KiB"
            normal_client(port, context)
            after = fields(server.stdout.readline()).get("error", "the server has ended")
            if after:
                wrong += f"; the next client: {after}"
            out.add("server", name, wrong, error)
    finally:
        server.kill()
        server.wait()
        watchdog.cancel()


# ---- tls_peer as a client ----


def answers(made):
    """Returns the name of each odd server, a function of a socket, and what the client reports."""
    chain = X509CertChain()
    chain.parsePemList(pathlib.Path(made.pem("server")).read_text())
    key = parsePEMKey(pathlib.Path(made.key("server")).read_text(), private=True)
    other_key = parsePEMKey(pathlib.Path(made.key("second")).read_text(), private=True)

    def accept(version, then, record_size=None, with_key=key):
        def run(tcp):
            peer = TLSConnection(tcp)
            if record_size:
                peer.recordSize = record_size
            peer.handshakeServer(certChain=chain, privateKey=with_key, settings=settings(version))
            peer.sock = tcp
            then(peer)
            read_all(tcp)

        return run

    def answer(peer):
        text = peer.read(min=100, max=100)
        peer.write(text)
        peer.recordSize = 2**14  # close_notify must not be split
        assert peer.read(min=1, max=1) == b""
        peer.close()

    def ask_to_renegotiate(peer):
        message(peer, HelloRequest().create())
        answer(peer)

    def finished_wrongly(version):
        def run(tcp):
            with wrong_finished():
                accept(version, answer)(tcp)

        return run

    def plain(data):
        def run(tcp):
            tcp.recv(10_000)
            tcp.sendall(data)

        return run

    yield "HTTP", plain(b"HTTP/1.0 400 Bad Request\r\n\r\n"), "^openssl: wrong version number .*does the peer speak TLS"
    yield "zeros", plain(bytes(1000)), "^openssl: "
    yield "connection cut in the handshake", plain(b""), TRUNCATED
    yield "alert", plain(b"\x15\x03\x03\x00\x02\x02\x28"), "^openssl: ssl.* alert handshake failure"
    yield "record of 64 KiB", plain(b"\x16\x03\x03\xff\xff" + bytes(0xFFFF)), "^openssl: packet length too long"
    yield "silence", read_all, TIMED_OUT
    yield "TLS 1.1", accept((3, 2), answer), "^openssl: "
    for name, version in versions.items():
        yield f"records of one byte, TLS {name}", accept(version, answer, record_size=1), NOTHING
        yield f"wrong Finished, TLS {name}", finished_wrongly(version), "^openssl: digest check failed"
        yield f"signature of another key, TLS {name}", accept(version, answer, with_key=other_key), (
            "^openssl: bad signature"
        )
        for title, its_versions, then, error in after_handshake:
            if name in its_versions:
                yield f"{title}, TLS {name}", accept(version, then), error
    yield "HelloRequest, TLS 1.2", accept((3, 3), ask_to_renegotiate), NOTHING
    yield "HelloRequest, TLS 1.3", accept((3, 4), ask_to_renegotiate), "^openssl: "
    yield "normal, TLS 1.2", accept((3, 3), answer), NOTHING
    yield "normal, TLS 1.3", accept((3, 4), answer), NOTHING


def connect(program, made, out, seconds, odd, normal):
    listener = socket.create_server(("127.0.0.1", 0))
    listener.settimeout(limit)
    words = ["--port", str(listener.getsockname()[1]), "--host", "localhost", "--ca", made.pem("ca")]
    # Each odd server is followed by a normal one.
    words += ["--count", str(2 * len(odd)), "--timeout", str(seconds * 1000)]
    client = subprocess.Popen([program, "client", *words], stdout=subprocess.PIPE, text=True)
    watchdog = threading.Timer(10 * limit, client.kill)
    watchdog.start()
    try:
        for name, run, expected in odd:
            errors = []
            for each in (run, normal):
                tcp, _ = listener.accept()
                before = memory_of(client.pid)
                with tcp:
                    tcp.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                    tcp.settimeout(limit)
                    try:
                        each(tcp)
                    except (OSError, TLSError):
                        pass  # the client has refused it
                errors.append(fields(client.stdout.readline()).get("error", "the client has ended"))
            wrong = "" if re.search(expected, errors[0]) else f"{errors[0]!r} does not match {expected!r}"
            if client.poll() is None and memory_of(client.pid) - before > most_growth:
                wrong += "; the client has grown"
            if errors[1]:
                wrong += f"; the next connection: {errors[1]}"
            out.add("client", name, wrong, errors[0])
    finally:
        client.kill()
        client.wait()
        watchdog.cancel()


def main():
    asked = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    asked.add_argument("tls_peer")
    asked.add_argument("--only", default="", help="only peers whose name contains this text")
    given = asked.parse_args()
    program = given.tls_peer
    out = report(given.only)
    with tempfile.TemporaryDirectory() as folder:
        made = certificates(folder)
        for seconds, odd in by_limit(clients()):
            serve(program, made, out, seconds, [each for each in odd if out.only in each[0]])
        servers = list(answers(made))
        for seconds, odd in by_limit(servers):
            connect(program, made, out, seconds, [each for each in odd if out.only in each[0]], servers[-1][1])
    print(f"{out.passed} passed, {out.failed} failed")
    sys.exit(1 if out.failed else 0)


main()
