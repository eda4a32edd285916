"""Certificates for X.509 devices, made with the openssl program."""

import hashlib
import ssl
import subprocess
from pathlib import Path

EC_KEY = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]


def _openssl(*arguments):
    subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True)


class DeviceCertificate:
    def __init__(self, folder, name):
        self.certificate = Path(folder) / f"{name}.pem"
        self.key = Path(folder) / f"{name}.key"

    def thumbprint(self, algorithm="sha1"):
        der = ssl.PEM_cert_to_DER_cert(self.certificate.read_text())
        return hashlib.new(algorithm, der).hexdigest().upper()


def self_signed(folder, common_name, extra=()):
    made = DeviceCertificate(folder, f"{common_name}-self-signed")
    _openssl(
        "req",
        "-x509",
        *EC_KEY,
        "-keyout",
        made.key,
        "-out",
        made.certificate,
        "-days",
        2,
        "-subj",
        f"/CN={common_name}",
        *extra,
    )
    return made


def authority(folder, common_name):
    return self_signed(folder, common_name, ["-addext", "keyUsage=critical,keyCertSign"])


def signed_by(ca, folder, common_name):
    made = DeviceCertificate(folder, f"{common_name}-ca-signed")
    request = Path(folder) / f"{common_name}.csr"
    _openssl("req", *EC_KEY, "-keyout", made.key, "-out", request, "-subj", f"/CN={common_name}")
    _openssl(
        "x509",
        "-req",
        "-in",
        request,
        "-CA",
        ca.certificate,
        "-CAkey",
        ca.key,
        "-CAcreateserial",
        "-days",
        2,
        "-out",
        made.certificate,
    )
    return made
