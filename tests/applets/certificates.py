"""Certificates, by the openssl command: an authority, and servers that are valid for some days."""

import datetime
import os
import subprocess

CONFIG = """
[ca]
default_ca = a
[a]
dir = {top}
database = {top}/index.txt
new_certs_dir = {top}
serial = {top}/serial
certificate = {top}/ca.pem
private_key = {top}/ca.key
default_md = sha256
policy = p
email_in_dn = no
unique_subject = no
[p]
commonName = supplied
[req]
distinguished_name = n
prompt = no
[n]
commonName = quokka
[authority]
basicConstraints = critical, CA:true
keyUsage = critical, keyCertSign, cRLSign
subjectKeyIdentifier = hash
[server]
basicConstraints = critical, CA:false
keyUsage = critical, digitalSignature
extendedKeyUsage = serverAuth, clientAuth
subjectAltName = {names}
"""

HERE = "DNS:localhost, DNS:example.test, IP:127.0.0.1"

# Name, days from now of the begin and of the end of validity, names in it. Half a day more, so that
# the number of whole days is the same in any hour.
ONES = (
    ("good", -10, 100.5, HERE),
    ("soon", -10, 20.5, HERE),
    ("near", -10, 1.5, HERE),
    ("today", -10, 0.5, HERE),
    ("expired", -30, -2.5, HERE),
    ("early", 2, 100.5, HERE),
    ("other", -10, 100.5, "DNS:other.test"),
)


def make(top):
    """Writes ca.pem, NAME.pem and NAME.key for each of `ONES`, and self.pem, into `top`."""
    os.makedirs(top)
    now = datetime.datetime.now(datetime.timezone.utc)
    open(os.path.join(top, "index.txt"), "w").close()
    with open(os.path.join(top, "serial"), "w", encoding="ascii") as file:
        file.write("1000\n")

    def at(days):
        return (now + datetime.timedelta(days=days)).strftime("%Y%m%d%H%M%SZ")

    def openssl(*words):
        subprocess.run(("openssl", *words), check=True, capture_output=True, cwd=top)

    def configure(names):
        with open(os.path.join(top, "config"), "w", encoding="ascii") as file:
            file.write(CONFIG.format(top=top, names=names))

    def request(name):
        openssl("req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                "-config", "config", "-subj", f"/CN={name}.test", "-keyout", f"{name}.key",
                "-out", f"{name}.csr")  # fmt: skip

    configure(HERE)
    request("ca")
    openssl("ca", "-batch", "-selfsign", "-config", "config", "-extensions", "authority", "-keyfile",
            "ca.key", "-in", "ca.csr", "-out", "ca.pem", "-notext", "-startdate", at(-100),
            "-enddate", at(400.5))  # fmt: skip
    for name, begin, end, names in ONES:
        configure(names)
        request(name)
        openssl("ca", "-batch", "-config", "config", "-extensions", "server", "-in", f"{name}.csr",
                "-out", f"{name}.pem", "-notext", "-startdate", at(begin), "-enddate", at(end))  # fmt: skip
    configure(HERE)
    request("self")
    openssl("ca", "-batch", "-selfsign", "-config", "config", "-extensions", "server", "-keyfile",
            "self.key", "-in", "self.csr", "-out", "self.pem", "-notext", "-startdate", at(-10),
            "-enddate", at(100.5))  # fmt: skip
    with open(os.path.join(top, "chain.pem"), "w", encoding="ascii") as chain:
        # A second certificate that ends earlier than the first.
        for name in ("good", "soon"):
            with open(os.path.join(top, f"{name}.pem"), encoding="ascii") as file:
                chain.write(file.read())
