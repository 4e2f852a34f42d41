"""TLS for both ports: the collector's certificate, and whose certificates clients have to show."""

import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Tls:
    """Files in PEM."""

    certificate: Path
    key: Path
    client_ca: Path | None = None
    """With it, whoever has no certificate that these signed is not talked to at all."""

    def for_http(self) -> dict:
        """As uvicorn takes it; TLS 1.2 and later is what Python's default is."""
        asked = {"ssl_ca_certs": str(self.client_ca), "ssl_cert_reqs": ssl.CERT_REQUIRED} if self.client_ca else {}
        return {"ssl_certfile": str(self.certificate), "ssl_keyfile": str(self.key), **asked}


def names_in(certificate: Mapping | None) -> tuple[str, ...]:
    """The names in a client certificate, as `SSLSocket.getpeercert` gives it: common name and alternative names."""
    if not certificate:
        return ()
    subject = [value for part in certificate.get("subject", ()) for name, value in part if name == "commonName"]
    return (*subject, *(value for _, value in certificate.get("subjectAltName", ())))


def trusting(certificate: Path) -> ssl.SSLContext:
    """For a client of a collector on this machine: its very certificate, whatever name that is for."""
    context = ssl.create_default_context(cafile=str(certificate))
    context.check_hostname = False
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    return context
