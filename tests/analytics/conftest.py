"""Books on stores of their own."""

from collections.abc import Callable

import pytest
from bookkeeping import Desk


@pytest.fixture
def opened(tmp_path) -> Callable[..., Desk]:
    """Opens a desk in the test's directory; the one that was open before is closed, so opening again is a restart."""
    desks: list[Desk] = []

    def _opened(*policies, **more) -> Desk:
        close()
        desks.append(Desk(tmp_path / "data", policies, **more))
        return desks[-1]

    def close() -> None:
        while desks:
            desks.pop().close()

    yield _opened
    close()


@pytest.fixture
def desk(opened) -> Desk:
    """A desk without policies."""
    return opened()
