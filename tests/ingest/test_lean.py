"""The processes that count are small: what is only for the pages stays out of them, and so do heaps for each thread."""

import subprocess
import sys
from contextlib import closing
from importlib.util import find_spec

import psutil
import pytest
from collectors import Collector

from ingest.beside import Beside


def test_a_collector_goes_without_pandas(collector: Collector):
    files = [mapped.path for mapped in psutil.Process(collector.process.pid).memory_maps()]
    assert any("/pyarrow/" in path for path in files)
    assert not any("/pandas/" in path for path in files)


def test_a_process_beside_it_does_too():
    assert find_spec("pandas")
    with closing(Beside()) as beside, pytest.raises(ModuleNotFoundError):
        beside.ask(find_spec, "pandas")


_MANY_THREADS = """
import ctypes, sys, threading
from concurrent.futures import ThreadPoolExecutor

libc, together = ctypes.CDLL(None), threading.Barrier(8)
libc.fopen.restype, libc.malloc_info.argtypes = ctypes.c_void_p, (ctypes.c_int, ctypes.c_void_p)
with ThreadPoolExecutor(8) as pool:
    list(pool.map(lambda _: (together.wait(), libc.malloc(1000)), range(8)))
libc.malloc_info(0, libc.fopen(b"/dev/stdout", b"w"))
libc.fflush(None)
"""


@pytest.mark.parametrize(("before", "is_few"), [("", False), ("from ingest.lean import lean; lean()", True)])
def test_its_threads_share_two_heaps(before, is_few):
    told = subprocess.run([sys.executable, "-c", before + _MANY_THREADS], capture_output=True, text=True, check=True).stdout
    assert (told.count("<heap nr=") <= 2) is is_few
