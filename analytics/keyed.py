"""Keyed hashes: equal texts are recognised as equal within a ledger, and nobody without its key can try which text it was."""

import hashlib
import os
import secrets
from pathlib import Path

_BYTES = 8  # of a hash: a billion different texts have one pair in forty alike


class Keyed:
    """Hashes under the secret of one data directory."""

    def __init__(self, key: bytes):
        self._key = key

    @classmethod
    def of(cls, directory: Path, name: str = "redaction.key") -> "Keyed":
        """Under the secret in a file of the directory, which is made at first use and readable by its owner alone."""
        path, part = directory / name, directory / f"{name}.part"
        if not path.exists():
            directory.mkdir(parents=True, exist_ok=True)
            part.unlink(missing_ok=True)
            descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "wb") as file:
                file.write(secrets.token_bytes(32))
                file.flush()
                os.fsync(descriptor)
            part.replace(path)
        return cls(path.read_bytes())

    def __call__(self, text: str | bytes) -> str:
        """16 hex digits."""
        return self._hash(text.encode() if isinstance(text, str) else text, _BYTES)

    def proof(self, secret: str) -> str:
        """64 hex digits: of a secret that nobody may find by trying."""
        return self._hash(secret.encode(), 32)

    def _hash(self, data: bytes, size: int) -> str:
        return hashlib.blake2b(data, key=self._key, digest_size=size).hexdigest()
