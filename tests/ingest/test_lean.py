"""What is only for the pages stays out of the processes that count."""

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
