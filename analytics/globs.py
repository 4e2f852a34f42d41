"""Shell globs as patterns for a whole column."""

import fnmatch
from collections.abc import Iterable

_NOTHING = r"[^\s\S]"
_UNKNOWN_TO_POLARS = {
    "(?>": "(?:",  # an atomic group only spares Python's engine from going back, which polars' engine never does
    "(?!)": _NOTHING,  # a set that nothing is in, such as [z-a]
}


def pattern(globs: Iterable[str]) -> str:
    """A pattern for texts that one of the globs matches as a whole, upper and lower case apart; without a glob it matches nothing."""
    return f"^({'|'.join(map(_pattern, globs)) or _NOTHING})$"


def _pattern(glob: str) -> str:
    text = fnmatch.translate(glob).removesuffix(r"\Z")
    for foreign, known in _UNKNOWN_TO_POLARS.items():
        text = text.replace(foreign, known)
    return text
