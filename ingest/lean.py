"""Keeps out of a process what is installed for another."""

import sys
from collections.abc import Sequence


class Without:
    """A finder of modules that says of some that they are not installed."""

    def __init__(self, names: Sequence[str]):
        self._names = frozenset(names)

    def find_spec(self, name: str, path: object = None, target: object = None) -> None:
        if name in self._names:
            raise ModuleNotFoundError(f"{name} is not for this process", name=name)


def without_pandas() -> None:
    """pyarrow imports it wherever it finds it, with 35 MB and a third of a second; only the pages use it."""
    sys.meta_path.insert(0, Without(["pandas"]))
