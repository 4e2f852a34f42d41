"""The high-water mark beside a ledger: the number of the last commit that was acknowledged, synced after each one.

A ledger that holds less than its mark has lost something, whatever its own file says. The mark carries a checksum of itself, so that a
damaged one is not taken for a smaller number.
"""

import json
import os
import zlib
from pathlib import Path

from analytics.errors import StoreError


class Mark:
    """DIR/ledger.mark."""

    def __init__(self, directory: Path):
        self.path = directory / "ledger.mark"

    def read(self) -> int | None:
        """The number, None where there is no mark. Raises StoreError for a damaged one."""
        try:
            text = self.path.read_text()
        except FileNotFoundError:
            return None
        except (OSError, ValueError) as error:
            raise self._damaged() from error
        try:
            told = json.loads(text)
            commit_no, check = int(told["commit_no"]), told.get("check")
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise self._damaged() from error
        if check is not None and text != _written(commit_no):  # a mark of an earlier version has no checksum
            raise self._damaged()
        return commit_no

    def write(self, commit_no: int) -> None:
        """Notes a number durably. Raises OSError."""
        # One write of fixed length in place: a torn one cannot happen within a sector.
        descriptor = os.open(self.path, os.O_WRONLY | os.O_CREAT, 0o600)
        try:
            os.pwrite(descriptor, _written(commit_no).encode(), 0)
            os.fdatasync(descriptor)
        finally:
            os.close(descriptor)

    def _damaged(self) -> StoreError:
        return StoreError(
            f"{self.path} is damaged, so nobody can tell whether the ledger is whole. Look at it with loopledger verify, then run: "
            f"loopledger doctor --data {self.path.parent} --accept-loss --reason TEXT"
        )


def _written(commit_no: int) -> str:
    number = f'{{"commit_no": {commit_no:20d}'
    return f'{number}, "check": "{zlib.crc32(number.encode()):08x}"}}\n'
