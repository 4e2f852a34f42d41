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
    def of(cls, directory: Path) -> "Keyed":
        """Under the secret in DIR/redaction.key, which is made at first use and readable by its owner alone."""
        path, part = directory / "redaction.key", directory / "redaction.key.part"
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
        data = text.encode() if isinstance(text, str) else text
        return hashlib.blake2b(data, key=self._key, digest_size=_BYTES).hexdigest()
