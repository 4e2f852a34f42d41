"""What keeps a process that counts small: no pandas, and an allocator that gives back what it does not need."""

import ctypes
import sys
from contextlib import suppress

_MMAP_THRESHOLD, _ARENA_MAX = -3, -8  # of mallopt(3)


class _NoPandas:
    """A finder of modules to which pandas is not installed."""

    @staticmethod
    def find_spec(name: str, path: object = None, target: object = None) -> None:
        if name == "pandas":
            raise ModuleNotFoundError("pandas is not for this process", name=name)


def lean() -> None:
    """From now on here. pyarrow imports pandas wherever it finds it, with 35 MB and a third of a second; only the pages use it. glibc keeps
    an arena for each thread, and arrays of many megabytes among small things that stay, where they leave holes."""
    sys.meta_path.insert(0, _NoPandas)
    with suppress(AttributeError):  # another C library
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(_MMAP_THRESHOLD, 1 << 22)
        mallopt(_ARENA_MAX, 2)
