"""What every test of the whole product may use."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))  # bodies, collectors and receiver are for tests and for scripts of this folder alike

from receiver import receiving


@pytest.fixture
def receiver():
    """A receiver of webhooks."""
    with receiving() as receiver:
        yield receiver
