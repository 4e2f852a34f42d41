"""Progress on stderr, when it is a terminal."""

import sys
from collections.abc import Iterable, Iterator
from typing import TypeVar

from rich.console import Console
from rich.progress import track

Step = TypeVar("Step")


def steps(work: Iterable[Step], what: str, total: int | None = None) -> Iterator[Step]:
    """The steps of some work, counted on the terminal as they are taken."""
    console = Console(stderr=True)
    yield from track(work, what, total=total, console=console, transient=True, disable=not sys.stderr.isatty())
