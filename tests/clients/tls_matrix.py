#!/usr/bin/env python3
"""Connects tls_peer, in both roles, to other implementations of TLS, and prints a table of the outcomes.

    tests/clients/tls_matrix.py TLS_PEER [PEER]... [-v]     TLS_PEER is the program that tls_peer.cpp makes

The peers: the programs of OpenSSL and GnuTLS, Go, rustls, Python and Node. Compiled peers are put in build/clients. Exits
with 1 if an outcome is unexpected, and with 77 if a peer is missing but all others are right.
"""

import argparse
import concurrent.futures
import itertools
import pathlib
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import threading

from tls_certificates import certificates

here = pathlib.Path(__file__).resolve().parent
build = here.parents[1] / "build/clients"
limit = 60  # seconds, for one cell


# ---- The cases ----

# The errors that eddy reports if it refuses the connection.
HOST = r"^certificate: .*(host ?name|IP address) mismatch"
EXPIRED = r"^certificate: .*certificate has expired"
UNKNOWN = r"^certificate: .*(unable to get local issuer certificate|self.signed certificate)"
NO_CERTIFICATE = r"^openssl: peer did not return a certificate"
NO_PROTOCOL = r"^openssl: no application protocol"


def alert(*names):
    """Returns the errors that eddy reports after an alert of the peer."""
    return rf"^openssl: (sslv3|tlsv1|tlsv13) alert ({'|'.join(names)})$"


BAD = alert("bad certificate", "certificate unknown", "certificate expired", "unknown ca", "unsupported certificate")
# The errors that peers report after an alert of eddy.
TOLD_BAD = r"bad.?certificate|certificate.?unknown"
TOLD_EXPIRED = r"certificate.?(is.?)?expired|expired.?certificate"
TOLD_UNKNOWN = r"unknown.?(ca|certificate.?authority)|CA is unknown"
TOLD_REQUIRED = r"certificate.?(is.?)?required|handshake.?fail|bad.?certificate"
TOLD_PROTOCOL = r"no.?(supported.?)?application.?protocol"
TRUNCATED = "^eddy: the TLS connection ended without close_notify"
REFUSALS = ("wrong host", "expired", "unknown CA")
CLIENT_REFUSALS = ("mTLS none", "mTLS expired", "mTLS unknown")
RESUMED = ("resumed", "mTLS resumed")


class quirk:
    """A known behavior of a peer in a role: further errors that are right, and fields that are not judged."""

    def __init__(self, role, columns, why, versions=("1.2", "1.3"), eddy=None, peer=None, unjudged=()):
        self.role, self.columns, self.versions, self.why = role, columns, versions, why
        self.eddy, self.peer, self.unjudged = eddy, peer, unjudged

    def is_about(self, role, version, column):
        return role == self.role and version in self.versions and column in self.columns


class case:
    """One column: the options of both sides, and the expected outcome.

    `accepted` has fields of the last connection, for the client and for the server. `refused` is for connections that
    must fail: the side that decides, the error of eddy if it decides, the error of eddy if the peer decides, and the
    error of the peer if eddy decides.
    """

    def __init__(self, client=None, server=None, accepted=({}, {}), refused=None):
        self.client, self.server = client or {}, server or {}
        self.accepted, self.refused = accepted, refused
        self.count = self.client.get("count", 1)


def cases(made):
    """Returns the columns. `made` are the certificates."""
    client = {"cert": made.pem("client"), "key": made.key("client")}
    unknown = {"cert": made.pem("unknown_client"), "key": made.key("unknown_client")}
    old = {"cert": made.pem("old_client"), "key": made.key("old_client")}
    asks = {"client-ca": made.pem("ca")}
    second = {"second": f"second.test,{made.pem('second')},{made.key('second')}"}
    named = "client|certificate"
    return {
        "full": case(),
        "resumed": case({"count": 3}, {}, ({"resumed": "yes"}, {"resumed": "yes"})),
        "ALPN": case({"alpn": "other,http/1.1"}, {"alpn": "h2,http/1.1"}, ({"alpn": "http/1.1"}, {"alpn": "http/1.1"})),
        "SNI": case({"host": "second.test"}, second, ({"peer": "second|certificate"}, {"name": "second.test"})),
        "mTLS": case(client, asks, ({}, {"peer": named})),
        "wrong host": case({"host": "wrong.test"}, refused=("client", HOST, BAD, TOLD_BAD)),
        "expired": case(
            server={"cert": made.pem("expired"), "key": made.key("expired")},
            refused=("client", EXPIRED, BAD, TOLD_EXPIRED),
        ),
        "unknown CA": case({"ca": made.pem("unknown")}, refused=("client", UNKNOWN, BAD, TOLD_UNKNOWN)),
        # Beyond the eight cases of the table in the issue.
        "mTLS resumed": case(client | {"count": 3}, asks, ({"resumed": "yes"}, {"resumed": "yes", "peer": named})),
        "mTLS none": case(
            {},
            asks,
            refused=(
                "server",
                NO_CERTIFICATE,
                alert("certificate required", "handshake failure", "bad certificate"),
                TOLD_REQUIRED,
            ),
        ),
        "mTLS expired": case(old, asks, refused=("server", EXPIRED, BAD, TOLD_EXPIRED)),
        "mTLS unknown": case(
            unknown,
            asks,
            # Some clients show no certificate, because the server names its authorities.
            refused=(
                "server",
                f"{UNKNOWN}|{NO_CERTIFICATE}",
                alert("unknown ca", "certificate required", "handshake failure", "bad certificate", "decrypt error"),
                f"{TOLD_UNKNOWN}|{TOLD_REQUIRED}",
            ),
        ),
        "no ALPN": case(
            {"alpn": "other"},
            {"alpn": "h2"},
            refused=("server", NO_PROTOCOL, alert("no application protocol"), TOLD_PROTOCOL),
        ),
        "1 MB": case({"size": 1_000_000}),
    }


# ---- Programs with the command line of tls_peer ----


def fields(line):
    return dict(each.partition("=")[::2] for each in line.rstrip("\n").split("\t"))


def command_line(role, options):
    return [role, *(word for name, value in options.items() for word in (f"--{name}", str(value)))]


class process:
    """A program that is ended at the time limit, and its output."""

    def __init__(self, *command, errors=None, stdin=None):
        self.errors = tempfile.TemporaryFile("w+")
        self.child = subprocess.Popen(
            [str(word) for word in command],
            text=True,
            errors="replace",
            bufsize=1,
            stdin=stdin or subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=errors or self.errors,
        )
        self.is_late = False
        self.watchdog = threading.Timer(limit, self.end)
        self.watchdog.start()
        self.read = []

    def end(self):
        self.is_late = True
        self.child.kill()

    def line(self):
        """Returns the next line of the output; empty at its end."""
        line = self.child.stdout.readline()
        self.read.append(line)
        return line

    def until(self, pattern):
        """Reads lines until one matches. Returns the match, or None at the end of the output."""
        while line := self.line():
            if found := re.search(pattern, line):
                return found
        return None

    def finish(self):
        """Waits for the end. Returns the whole output, and the errors after it."""
        while self.line():
            pass
        self.child.wait()
        self.watchdog.cancel()
        self.errors.seek(0)
        self.text = "".join(self.read) + self.errors.read()
        if self.is_late:
            self.text += f"\nstill running after {limit} s"
        return self.text

    def kill(self):
        self.child.kill()
        return self.finish()


class program:
    """A program with the command line of tls_peer: eddy's own, and most peers."""

    def __init__(self, *command, knows_version=True, quirks=(), cannot=None):
        self.command, self.knows_version = command, knows_version
        self.quirks, self.cannot = quirks, cannot or {}

    def options(self, version, options):
        return options | ({"tls": version} if self.knows_version else {"min": version})

    def serve(self, version, options):
        """Starts a server. Returns it and its port."""
        server = process(*self.command, *command_line("server", self.options(version, options)))
        port = server.until(r"^port (\d+)$")
        return server, port and int(port[1])

    def served(self, server):
        """Waits for the end of the server. Returns what it says about each connection, and its output."""
        text = server.finish()
        return [fields(line) for line in text.splitlines() if line.startswith("version=")], text

    def connect(self, version, options):
        """Runs a client. Returns what it says about each connection, and its output."""
        client = process(*self.command, *command_line("client", self.options(version, options)))
        return self.served(client)


# ---- The programs of OpenSSL and GnuTLS ----

# They do not print all fields. A missing field is not judged.


def talk(client, size):
    """Sends a line to the program, and waits until it prints the line. Returns whether it has."""
    line = "x" * (size - 1) + "\n"
    answered = False
    try:
        client.child.stdin.write(line)
        client.child.stdin.flush()
        answered = client.until(line) is not None  # s_client has not yet printed the line before it
        client.child.stdin.close()
    except BrokenPipeError:
        pass
    return answered


def described(text, size, answered, failed, patterns):
    """Returns the fields of a connection that a program describes in `text`."""
    found = {name: re.findall(pattern, text, re.MULTILINE) for name, pattern in patterns.items()}
    out = {name: all[-1] if all else "" for name, all in found.items()}
    errors = [line for line in text.splitlines() if re.search(failed, line)]
    return out | {"bytes": str(size if answered else 0), "error": "; ".join(errors)}


def server_fields(text, begin, failed, patterns):
    """Returns the fields of each connection of a server, whose descriptions begin with a line that matches `begin`."""
    parts = re.split(begin, text, flags=re.MULTILINE)[1:]
    return [described(part, 0, False, failed, patterns) | {"bytes": None} for part in parts]


class openssl:
    """openssl s_client and s_server."""

    quirks = ()
    cannot = {("client", "1 MB"): "s_client reads lines", ("server", "1 MB"): "s_server -rev reads lines"}
    client_patterns = {
        "version": r"^(?:New|Reused), TLSv(1\.\d), Cipher is",
        "alpn": r"^ALPN protocol: (.*)$",
        "peer": r"^subject=(.*)$",
    }

    def options(self, version, options):
        names = {"cert": "-cert", "key": "-key", "ca": "-CAfile", "client-ca": "-CAfile", "alpn": "-alpn"}
        words = ["-tls1_2" if version == "1.2" else "-tls1_3", "-verify_return_error"]
        for name in names.keys() & options.keys():
            words += [names[name], options[name]]
        if "client-ca" in options:
            words += ["-Verify", "3"]
        if "second" in options:
            host, cert, key = options["second"].split(",")
            words += ["-servername", host, "-cert2", cert, "-key2", key]
        return words

    def serve(self, version, options):
        words = ["s_server", "-rev", "-accept", "127.0.0.1:0", "-naccept", options["count"]]
        server = process("openssl", *words, *self.options(version, options), errors=subprocess.STDOUT)
        port = server.until(r"^ACCEPT .*:(\d+)$")
        return server, port and int(port[1])

    def served(self, server):
        text = server.finish()
        patterns = {"version": r"^Protocol version: TLSv(.*)$", "peer": r"^Peer certificate: (.*)$"}
        return server_fields(text, "^(?=CONNECTION (?:ESTABLISHED|FAILURE))", ":error:", patterns), text

    def connect(self, version, options):
        all, texts = [], []
        with tempfile.TemporaryDirectory() as folder:
            session = pathlib.Path(folder) / "session"
            words = ["-connect", f"127.0.0.1:{options['port']}"]
            words += ["-servername", options["host"], "-verify_hostname", options["host"]]
            for _ in range(options.get("count", 1)):
                sessions = ["-sess_out", session] + (["-sess_in", session] if session.exists() else [])
                client = process(
                    "openssl", "s_client", *words, *self.options(version, options), *sessions, stdin=subprocess.PIPE
                )
                answered = talk(client, options["size"])
                text = client.finish()
                out = described(text, options["size"], answered, "^verify error:|:error:", self.client_patterns)
                out["resumed"] = "yes" if re.search("^Reused,", text, re.MULTILINE) else "no"
                all.append(out)
                texts.append(text)
        return all, "".join(texts)


class gnutls:
    """gnutls-cli and gnutls-serv."""

    most_connections = 2  # of gnutls-cli --resume
    quirks = (
        quirk(
            "client",
            RESUMED,
            "gnutls-cli --resume ends its first connection without close_notify",
            unjudged=("earlier errors",),
        ),
        quirk("server", REFUSALS, "gnutls-serv prints errors too late, or not at all", peer=""),
        quirk("server", ("no ALPN",), "gnutls-serv prints errors too late, or not at all", peer=""),
        quirk(
            "server",
            CLIENT_REFUSALS,
            "gnutls-serv has alerts of its own, and prints errors too late, or not at all",
            eddy=alert("access denied", "decode error", "certificate required", "handshake failure"),
            peer="",
        ),
    )
    cannot = {
        ("client", "1 MB"): "gnutls-cli reads lines",
        **{
            ("client", each, "1.3"): "gnutls-cli --resume ends its first connection at once, before eddy has sent tickets"
            for each in RESUMED
        },
        ("server", "1 MB"): "gnutls-serv --echo answers at most one buffer",
    }
    patterns = {
        "version": r"^- Description: \(TLS(1\.\d)",
        "alpn": r"^- Application protocol: (.*)$",
        "resumed": r"^\*\*\* This is (a resumed) session",
    }

    def options(self, version, options):
        names = {"cert": "x509certfile", "key": "x509keyfile", "ca": "x509cafile", "client-ca": "x509cafile"}
        words = [f"--priority=NORMAL:-VERS-ALL:+VERS-TLS{version}"]
        words += [f"--{names[name]}={options[name]}" for name in names if name in options]
        words += [f"--alpn={each}" for each in options.get("alpn", "").split(",") if each]
        if "client-ca" in options:
            words += ["--require-client-cert", "--verify-client-cert"]
        if "second" in options:
            _, cert, key = options["second"].split(",")
            words += [f"--x509certfile={cert}", f"--x509keyfile={key}"]
        return words

    def serve(self, version, options):
        words = self.options(version, options) + (["--alpn-fatal"] if "alpn" in options else [])
        for _ in range(10):
            with socket.create_server(("127.0.0.1", 0)) as free:
                port = free.getsockname()[1]
            server = process("gnutls-serv", "--echo", f"--port={port}", *words, errors=subprocess.STDOUT)
            if server.until("^Echo Server listening on IPv4 .*done$"):
                return server, port
            server.kill()
        return server, None

    def served(self, server):
        server.child.terminate()  # it does not end by itself
        text = server.finish()
        out = server_fields(
            text,
            "^(?=\\* Accepted connection)",
            "^Error",
            self.patterns | {"name": "server name.*: (.*)$", "peer": "Subject: (.*)$"},
        )
        return [self.resumption(each) for each in out], text

    @staticmethod
    def resumption(out):
        return out | {"resumed": "yes" if out["resumed"] else "no"}

    def connect(self, version, options):
        again = options.get("count", 1) > 1
        words = [
            f"--port={options['port']}",
            f"--sni-hostname={options['host']}",
            f"--verify-hostname={options['host']}",
        ]
        words += ["--resume"] if again else []
        client = process(
            "gnutls-cli",
            *words,
            *self.options(version, options),
            "127.0.0.1",
            stdin=subprocess.PIPE,
            errors=subprocess.STDOUT,
        )
        answered = talk(client, options["size"])
        text = client.finish()
        failed = r"^\*\*\* (Fatal error|Verification|PKI|Received alert|Handshake has failed)|^- Status: The certificate is NOT"
        patterns = self.patterns | {"peer": r"subject `(.*?)',"}
        return [self.resumption(described(text, options["size"], answered, failed, patterns))], text


# ---- Installation ----


def run(*command, **options):
    """Returns whether the command succeeded."""
    return subprocess.run([str(word) for word in command], **options).returncode == 0


def make_go():
    if not shutil.which("go"):
        return "Go is not installed"
    program_file = build / "tls_go"
    done = run("go", "build", "-o", program_file, ".", cwd=here / "tls_go")
    early = "it expects alerts to be encrypted; OpenSSL's client sends those about the certificate before it encrypts"
    quirks = (quirk("server", REFUSALS, early, versions=("1.3",), peer="bad record MAC"),)
    return program(program_file, quirks=quirks) if done else "Go does not build it"


def make_rustls():
    if not shutil.which("cargo"):
        return "cargo is not installed"
    folder = build / "tls_rustls"
    shutil.copytree(here / "tls_rustls", folder, dirs_exist_ok=True)
    done = run("cargo", "build", "--quiet", cwd=folder)
    return program(folder / "target/debug/tls_rustls") if done else "cargo cannot install rustls"


def if_there(name, made):
    return lambda: made if shutil.which(name) else f"{name} is not installed"


def make_python():
    cannot = {("server", "no ALPN"): "the module ssl ignores protocols that are not its own"}
    return program(sys.executable, here / "tls_python.py", cannot=cannot)


def make_node():
    if not shutil.which("node"):
        return "Node is not installed"
    late = "it verifies certificates after the handshake, and closes the connection without an alert"
    quirks = (
        quirk("client", REFUSALS, late, eddy=TRUNCATED),
        quirk("server", ("mTLS expired", "mTLS unknown"), late, eddy=TRUNCATED),
        quirk("client", RESUMED, "it has no certificate of a resumed session", unjudged=("peer",)),
        quirk("server", RESUMED, "it has no host name of a resumed session", versions=("1.2",), unjudged=("name",)),
    )
    return program("node", here / "tls_node.mjs", quirks=quirks)


makers = {
    "OpenSSL": if_there("openssl", openssl()),
    "GnuTLS": if_there("gnutls-serv", gnutls()),
    "Go": make_go,
    "rustls": make_rustls,
    "Python": make_python,
    "Node": make_node,
}


# ---- One cell ----


def judge(side, implementation, wanted, got):
    """Returns what is wrong with the fields of one side."""
    return [
        f"{implementation} ({side}): {name} is {got[name]!r}, not {value!r}"
        for name, value in wanted.items()
        if got.get(name) is not None and not re.search(rf"^(.*\b)?({value})\b" if value else "^$", got[name])
    ]


def judge_accepted(version, tried, size, seen, unjudged):
    """Returns what is wrong. `seen` has for each side its implementation, and its fields of each connection."""
    wrong = []
    usual = {"version": version, "resumed": "no", "alpn": "", "bytes": str(size), "end": "closed", "error": ""}
    both = {"client": {"peer": "server|certificate"}, "server": {"peer": "", "name": "localhost"}}
    for side, wanted in zip(("client", "server"), tried.accepted):
        implementation, all = seen[side]
        if not all:
            wrong.append(f"{implementation} ({side}) has reported no connection")
            continue
        last = {
            name: None if name in unjudged and implementation != "eddy" else value for name, value in all[-1].items()
        }
        wrong += judge(side, implementation, usual | both[side] | wanted, last)
        for each in all[:-1] if "earlier errors" not in unjudged else []:
            wrong += judge(side, implementation, {"error": ""}, each)
    return wrong


def judge_refused(tried, seen, known):
    decides, eddy_decides, peer_decides, peer_told = tried.refused
    for each in known:
        peer_decides = peer_decides if each.eddy is None else f"{peer_decides}|{each.eddy}"
        peer_told = peer_told if each.peer is None else f"{peer_told}|{each.peer}"
    wrong = []
    for side in ("client", "server"):
        implementation, all = seen[side]
        error = all[-1]["error"] if all else ""
        if implementation == "eddy":
            pattern = eddy_decides if side == decides else peer_decides
        else:
            pattern = "|".join([".", *(each.peer for each in known if each.peer is not None)])
            pattern = pattern if side == decides else peer_told
        if error is not None and not re.search(pattern, error, re.IGNORECASE):
            wrong.append(f"{implementation} ({side}): the error is {error!r}, which does not match {pattern!r}")
        if all and all[-1].get("bytes") not in ("0", None):
            wrong.append(f"{implementation} ({side}) has exchanged data")
    return wrong


def run_cell(eddy, name, peer, role, version, column, tried, made):
    """Returns what is wrong, and the outputs of both sides."""
    client, server = (peer, eddy) if role == "client" else (eddy, peer)
    size = tried.client.get("size", 100)
    count = min(tried.count, getattr(client, "most_connections", tried.count))
    options = {"cert": made.pem("server"), "key": made.key("server"), "count": count} | tried.server
    listening, port = server.serve(version, options)
    if port is None:
        return ["the server does not start"], listening.kill()
    options = {"port": port, "host": "localhost", "ca": made.pem("ca"), "size": size} | tried.client | {"count": count}
    connected, client_text = client.connect(version, options)
    served, server_text = server.served(listening)
    names = ("eddy", name) if role == "server" else (name, "eddy")
    seen = {"client": (names[0], connected), "server": (names[1], served)}
    known = [each for each in peer.quirks if each.is_about(role, version, column)]
    if tried.refused:
        wrong = judge_refused(tried, seen, known)
    else:
        wrong = judge_accepted(version, tried, size, seen, [name for each in known for name in each.unjudged])
    return wrong, f"{names[0]}, client:\n{client_text}\n{names[1]}, server:\n{server_text}"


# ---- All cells ----


def main():
    asked = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    asked.add_argument("tls_peer", type=pathlib.Path)
    asked.add_argument("peer", nargs="*", help="all if none is named")
    asked.add_argument("--case", help="only this column")
    asked.add_argument("-v", "--verbose", action="store_true", help="print the outputs of both sides for wrong cells")
    given = asked.parse_args()
    build.mkdir(parents=True, exist_ok=True)
    eddy = program(given.tls_peer.resolve(), knows_version=False)
    peers, missing = {}, []
    for name in given.peer or makers:
        made = makers[name]()
        if isinstance(made, str):
            missing.append(f"{name}: {made}")
        else:
            peers[name] = made

    with tempfile.TemporaryDirectory() as folder:
        made = certificates(folder)
        columns = cases(made)
        if given.case:
            columns = {given.case: columns[given.case]}
        rows = list(itertools.product(peers, ("client", "server"), ("1.2", "1.3")))
        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            cells = {
                (name, role, version, column): pool.submit(
                    run_cell, eddy, name, peers[name], role, version, column, columns[column], made
                )
                for (name, role, version), column in itertools.product(rows, columns)
                if not peers[name].cannot.keys() & {(role, column), (role, column, version)}
            }
            outcomes = {key: cell.result() for key, cell in cells.items()}

    print(f"{'peer':8} {'as':6} {'TLS':4}" + "".join(f"{column:>13}" for column in columns))
    for name, role, version in rows:
        marks = []
        for column in columns:
            outcome = outcomes.get((name, role, version, column))
            marks.append("-" if outcome is None else "WRONG" if outcome[0] else "ok")
        print(f"{name:8} {role:6} {version:4}" + "".join(f"{mark:>13}" for mark in marks))
    for name, peer in peers.items():
        for (role, *what), why in peer.cannot.items():
            print(f"-: {name} as {role} cannot do '{' with '.join(what)}': {why}")
        for each in peer.quirks:
            print(f"note: {name} as {each.role}, {', '.join(each.columns)}: {each.why}")
    failed = {key: outcome for key, outcome in outcomes.items() if outcome[0]}
    for key, (wrong, text) in failed.items():
        print(f"\n{', '.join(key)}:", *wrong, *([text] if given.verbose else []), sep="\n    ")
    for each in missing:
        print(f"skipped: {each}")
    print(f"{len(outcomes) - len(failed)} passed, {len(failed)} failed")
    sys.exit(1 if failed else 77 if missing else 0)


main()
