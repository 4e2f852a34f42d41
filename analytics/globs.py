"""Shell globs as patterns for a whole column."""

import re
from collections.abc import Iterable, Iterator

_TOKEN = re.compile(r"\[(?P<no>!|(?!!))(?P<set>\][^\]]*|[^\]]+)\]|(?P<one>.)", re.DOTALL)
_ITEM = re.compile(r"(.)-(.)|(.)", re.DOTALL)
_ANY, _NOTHING = r"[\s\S]", r"[^\s\S]"


def pattern(globs: Iterable[str]) -> str:
    """A pattern for polars, of texts that one of the globs matches as fnmatch.fnmatchcase does; without a glob it matches nothing."""
    return f"^({'|'.join(map(_pattern, globs)) or _NOTHING})$"


def _pattern(glob: str) -> str:
    # fnmatch.translate speaks to Python's engine: atomic groups and look-ahead, which polars' engine does not know.
    return "".join(map(_of_token, _TOKEN.finditer(glob)))


def _of_token(token: re.Match) -> str:
    if one := token["one"]:
        return {"*": f"{_ANY}*", "?": _ANY}.get(one) or re.escape(one)
    items = "".join(_items(token["set"]))
    if not items:
        return _ANY if token["no"] else _NOTHING
    return f"[{'^' if token['no'] else ''}{items}]"


def _items(said: str) -> Iterator[str]:
    """The characters and ranges of a set; a range from high to low holds nothing."""
    for first, last, one in _ITEM.findall(said):
        if one or first <= last:
            yield re.escape(one) or f"{re.escape(first)}-{re.escape(last)}"
