#!/usr/bin/env python3
"""Examines examples/https_server with scanners for TLS servers: testssl.sh (Debian) and sslyze (PyPI).

    tests/clients/tls_scanners.py FOLDER [SSLYZE]     FOLDER contains the examples, SSLYZE is the program of sslyze

Exits with 1 if a scanner has a finding, and with 77 if one is missing but the other has no finding.
"""

import json
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

from tls_certificates import certificates

limit = 900  # seconds, for each scanner

# Findings that are not about eddy.
ignored = {
    "cert_": "the certificate is made for this check",
    "sessionresumption_ticket": "testssl.sh calls s_client without input, which may end before the ticket arrives; "
    "run_tls.sh resumes sessions",
    "engine_problem": "testssl.sh is about its own openssl",
    "cipher_order": "the client chooses among ciphers that are all strong, as Mozilla recommends",
    "tls_curves": "OpenSSL's default has stronger curves than Mozilla's list",
}


def is_ignored(name):
    return any(name.startswith(each) for each in ignored)


def testssl(port, made, folder):
    """Returns the findings of testssl.sh: of protocols, ciphers, the handshake and known vulnerabilities."""
    out = pathlib.Path(folder) / "testssl.json"
    parts = ["--protocols", "--std", "--fs", "--server-preference", "--server-defaults", "--vulnerable"]
    options = ["--quiet", "--color", "0", "--warnings", "off", "--nodns", "none", "--ip", "127.0.0.1"]
    files = ["--jsonfile", out, "--add-ca", made.pem("ca")]
    command = ["testssl", *options, *files, *parts, f"https://localhost:{port}"]
    subprocess.run([str(word) for word in command], stdout=subprocess.DEVNULL, timeout=limit)
    all = json.loads(out.read_text())
    print(f"testssl.sh: {len(all)} results")
    if len(all) < 50:
        return [f"testssl.sh has ended early: {all}"]
    return [
        f"testssl.sh: {each['id']} ({each['severity']}): {each['finding']}"
        for each in all
        if each["severity"] not in ("OK", "INFO") and not is_ignored(each["id"])
    ]


def sslyze(program, port, made):
    """Returns the findings of sslyze: deviations from the configuration that Mozilla recommends."""
    options = ["--mozilla_config=intermediate", "--certinfo_ca_file", made.pem("ca"), "--sni", "localhost"]
    done = subprocess.run(
        [program, *options, f"127.0.0.1:{port}"], capture_output=True, text=True, timeout=limit
    ).stdout
    scan, found, compliance = done.partition("COMPLIANCE AGAINST")
    if not found or "ROBOT" not in scan:
        return [f"sslyze has ended early: {done}"]
    print(f"sslyze: {len(scan.splitlines())} lines")
    wrong = [
        f"sslyze: {name}: {text}" for name, text in re.findall(r"\* (\w+): (.*)", compliance) if not is_ignored(name)
    ]
    return wrong + [f"sslyze: {line.strip()}" for line in scan.splitlines() if "VULNERABLE" in line]


def main():
    server_program = pathlib.Path(sys.argv[1]) / "https_server"
    found, missing = [], []
    with tempfile.TemporaryDirectory() as folder:
        made = certificates(folder)
        files = [made.pem("server"), made.key("server")]
        server = subprocess.Popen([server_program, "127.0.0.1:0", *files], stdout=subprocess.PIPE, text=True)
        try:
            port = int(server.stdout.readline().rpartition(":")[2])
            if shutil.which("testssl"):
                found += testssl(port, made, folder)
            else:
                missing.append("testssl.sh is not installed")
            if len(sys.argv) > 2:
                found += sslyze(sys.argv[2], port, made)
            else:
                missing.append("sslyze is not installed")
            if server.poll() is not None:
                found.append("https_server has ended")
        finally:
            server.terminate()
            server.wait()
    for each in found:
        print(each)
    for each in missing:
        print(f"skipped: {each}")
    for name, why in ignored.items():
        print(f"ignored: {name}: {why}")
    print(f"{len(found)} findings")
    sys.exit(1 if found else 77 if missing else 0)


main()
