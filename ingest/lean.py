"""Keeps pandas out of a process: pyarrow imports it wherever it finds it, with 35 MB and a third of a second; only the pages use it."""

import sys


class _NoPandas:
    """A finder of modules to which pandas is not installed."""

    @staticmethod
    def find_spec(name: str, path: object = None, target: object = None) -> None:
        if name == "pandas":
            raise ModuleNotFoundError("pandas is not for this process", name=name)


def without_pandas() -> None:
    """From now on here."""
    sys.meta_path.insert(0, _NoPandas)
