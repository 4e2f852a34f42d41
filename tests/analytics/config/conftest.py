"""A config directory to write files into, and to ask for its problems."""

import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest

from analytics.config import load
from analytics.errors import ConfigError

Files = dict[str, str | bytes]


@pytest.fixture
def write(tmp_path) -> Callable[[Files], Path]:
    """Files into the test's config directory; returns the directory."""

    def _write(files: Files) -> Path:
        for file, content in files.items():
            path = tmp_path / file
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content if isinstance(content, bytes) else textwrap.dedent(content).encode())
        return tmp_path

    return _write


@pytest.fixture
def problems(write) -> Callable[[Files], list[str]]:
    """What is wrong with a directory of these files, one line per problem."""

    def _problems(files: Files) -> list[str]:
        with pytest.raises(ConfigError) as raised:
            load(write(files))
        assert len(str(raised.value).splitlines()) == len(raised.value.problems)
        return [str(problem) for problem in raised.value.problems]

    return _problems
