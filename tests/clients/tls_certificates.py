"""Makes the certificates of the TLS checks with the program openssl. Nothing is kept, so nothing expires."""

import datetime
import os
import pathlib
import subprocess

CA = """
[ca]
default_ca = usual
[usual]
database = {folder}/index.txt
new_certs_dir = {folder}
rand_serial = yes
default_md = sha256
policy = any
unique_subject = no
[any]
commonName = supplied
[server]
basicConstraints = critical, CA:false
keyUsage = critical, digitalSignature
extendedKeyUsage = serverAuth
subjectAltName = ${{ENV::NAMES}}
[client]
basicConstraints = critical, CA:false
keyUsage = critical, digitalSignature
extendedKeyUsage = clientAuth
[authority]
basicConstraints = critical, CA:true
keyUsage = critical, keyCertSign, cRLSign
"""


def openssl(*words, names="DNS:unused"):
    command = ["openssl", *map(str, words)]
    done = subprocess.run(command, env=os.environ | {"NAMES": names}, capture_output=True, text=True)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(command)}: {done.stderr}")


class certificates:
    """A folder with files NAME.pem and NAME.key.

    ca and unknown are authorities. ca has issued server (localhost, 127.0.0.1), second (second.test), expired
    (localhost), client, and old_client, which has expired. unknown has issued unknown_client.
    """

    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        (self.folder / "index.txt").touch()
        (self.folder / "ca.conf").write_text(CA.format(folder=self.folder))
        self.authority("ca")
        self.authority("unknown")
        self.issue("server", "server", "DNS:localhost,IP:127.0.0.1")
        self.issue("second", "server", "DNS:second.test")
        self.issue("expired", "server", "DNS:localhost", days=-1)
        self.issue("client", "client")
        self.issue("old_client", "client", days=-1)
        self.issue("unknown_client", "client", by="unknown")

    def pem(self, name):
        return str(self.folder / f"{name}.pem")

    def key(self, name):
        return str(self.folder / f"{name}.key")

    def request(self, name):
        """Makes a key and a request for a certificate."""
        where = self.folder / f"{name}.csr"
        curve = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256")
        openssl("req", "-new", *curve, "-nodes", "-subj", f"/CN={name}", "-keyout", self.key(name), "-out", where)
        return where

    def authority(self, name):
        config = ("-extfile", self.folder / "ca.conf", "-extensions", "authority")
        key = ("-signkey", self.key(name))
        openssl("x509", "-req", "-in", self.request(name), *key, *config, "-days", 2, "-out", self.pem(name))

    def issue(self, name, kind, names="DNS:unused", days=2, by="ca"):
        """Issues a certificate that is valid for two days, or until yesterday if `days` is negative."""
        today = datetime.datetime.now(datetime.timezone.utc)
        begin, end = (today + datetime.timedelta(days=days) for days in sorted((days, 2 * days if days < 0 else -1)))
        dates = ("-startdate", begin.strftime("%Y%m%d%H%M%SZ"), "-enddate", end.strftime("%Y%m%d%H%M%SZ"))
        issuer = ("-cert", self.pem(by), "-keyfile", self.key(by))
        config = ("-config", self.folder / "ca.conf", "-extensions", kind)
        words = ("-batch", "-notext", "-in", self.request(name), "-out", self.pem(name))
        openssl("ca", *config, *issuer, *dates, *words, names=names)
