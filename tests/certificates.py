"""Certificates as openssl makes them: an authority, a server's for localhost, and a client's."""

import subprocess
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Pair:
    """A certificate and its key, in PEM files."""

    certificate: Path
    key: Path


class Authority:
    """Signs certificates; each is good for a day."""

    def __init__(self, folder: Path, name: str = "authority"):
        self._folder = folder
        self.own = self._pair(name)
        _openssl("req", "-x509", *self._new(self.own), "-subj", f"/CN={name}", "-out", self.own.certificate)

    def issue(self, name: str, *alternative: str) -> Pair:
        """For a common name and alternative names such as DNS:localhost or URI:spiffe://example/ci."""
        pair, request, said = self._pair(name), self._folder / f"{name}.csr", self._folder / f"{name}.ext"
        said.write_text(f"subjectAltName={','.join(alternative) or f'DNS:{name}'}\n")
        _openssl("req", *self._new(pair), "-subj", f"/CN={name}", "-out", request)
        signed = ("-CA", self.own.certificate, "-CAkey", self.own.key, "-CAcreateserial", "-days", "1", "-extfile", said)
        _openssl("x509", "-req", "-in", request, *signed, "-out", pair.certificate)
        return pair

    def _pair(self, name: str) -> Pair:
        return Pair(self._folder / f"{name}.pem", self._folder / f"{name}.key")

    def _new(self, pair: Pair) -> tuple[str | Path, ...]:
        return "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", pair.key


def _openssl(*words: str | Path) -> None:
    subprocess.run(["openssl", *words], check=True, capture_output=True)
