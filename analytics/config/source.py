"""One YAML file of a config directory: its plain value, and the line and column of every part of it."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel

from analytics.errors import Problem

Loc = tuple[str | int, ...]
"""The way to a part of a file: keys and list positions, as pydantic reports them."""

HINTS = {
    "'\\t'": "indent with spaces, not tabs",
    "mapping values are not allowed": "put a text that holds ': ' in quotes",
    "found another document": "remove the line '---'",
    "' is no ": "put it in quotes if it is text",
    "": "check indentation and quotes, here and one line above",
}


@dataclass(frozen=True)
class Kind:
    """What the files of one name or folder hold."""

    noun: str
    """What a message calls an entry."""
    model: type[BaseModel] | None = None
    """None means that being valid YAML is enough."""
    named_by: tuple[str, ...] = ("name",)
    """Keys that tell entries apart, the first given one holds."""


@dataclass(frozen=True)
class Source:
    """One file; `node` and `value` are None if it holds nothing but comments, or cannot be read (then `problems` says why)."""

    file: str
    """Relative to the config directory, with forward slashes."""
    kind: Kind
    node: yaml.Node | None = None
    value: Any = None
    problems: tuple[Problem, ...] = ()

    @property
    def unreadable(self) -> bool:
        return self.node is None and bool(self.problems)

    def problem(self, loc: Loc, message: str) -> Problem:
        """`message` about the part at `loc`, with its place and the entry it belongs to."""
        return Problem(self.file, *self.place(loc), self._subject(loc) + message)

    def place(self, loc: Loc) -> tuple[int, int]:
        """Line and column, from 1, of the key or list item that `loc` ends at.

        A part the file does not hold (a missing key, a tag that pydantic adds for a union) leaves the place where it is.
        """
        node, mark = self.node, self.node.start_mark
        for part in loc:
            node, mark = _child(node, part) or (node, mark)
        return _place(mark)

    def texts(self, *path: str | int) -> Iterator[tuple[Loc, str]]:
        """Every (loc, text) at `path`, where "*" stands for each item of a list. What has another shape is passed over."""
        found: Iterable[tuple[Loc, Any]] = [((), self.value)]
        for part in path:
            found = [((*loc, key), child) for loc, value in found for key, child in _values(value, part)]
        return ((loc, value) for loc, value in found if isinstance(value, str))

    def _subject(self, loc: Loc) -> str:
        """The entry around `loc`: the outermost mapping with a name."""
        around = (loc[:depth] for depth in range(len(loc) + 1))
        names = (name for part in around for key in self.kind.named_by for _, name in self.texts(*part, key))
        return next((f"{self.kind.noun} {name!r}: " for name in names), "")


def read(path: Path, file: str, kind: Kind) -> Source:
    """Read one file without raising: what is wrong with it as YAML becomes its `problems`."""
    unread = Source(file, kind)
    try:
        return _compose(unread, path.read_bytes().decode("utf-8-sig"))
    except OSError as error:
        return _broken(unread, (1, 1), f"cannot be read ({error.strerror}): check its permissions and where it links to")
    except UnicodeDecodeError as error:
        return _broken(unread, _position(error.object, error.start, b"\n"), "not UTF-8 text: save the file as UTF-8")
    except RecursionError:
        return _broken(unread, (1, 1), "nested too deeply: a few levels are enough for everything a config directory says")


def _compose(unread: Source, text: str) -> Source:
    try:
        loader = _Loader(text)
        node = loader.get_single_node()
        duplicates = [(_place(key.start_mark), message) for key, message in _duplicates(node)]  # before construction merges "<<"
        problems = tuple(Problem(unread.file, *place, message) for place, message in duplicates)
        return replace(unread, node=node, value=node and loader.construct_document(node), problems=problems)
    except yaml.MarkedYAMLError as error:
        hints = [hint for part, hint in HINTS.items() if part in error.problem]
        return _broken(unread, _place(error.problem_mark), f"not valid YAML: {error.problem}; {hints[0]}")
    except yaml.reader.ReaderError as error:
        return _broken(unread, _position(text, error.position, "\n"), "not valid YAML: remove the unprintable character")


def _broken(unread: Source, place: tuple[int, int], message: str) -> Source:
    return replace(unread, problems=(Problem(unread.file, *place, message),))


def _place(mark: yaml.Mark) -> tuple[int, int]:
    return mark.line + 1, mark.column + 1


def _position(text: str | bytes, index: int, newline: str | bytes) -> tuple[int, int]:
    return text.count(newline, 0, index) + 1, index - text.rfind(newline, 0, index)


class _Loader(yaml.SafeLoader):
    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
        try:
            return super().construct_object(node, deep=deep)
        except (ValueError, LookupError, AttributeError) as error:  # PyYAML's answer to 2026-13-01 or !!bool maybe
            problem = f"{node.value!r} is no {node.tag.rpartition(':')[2]}"
            raise yaml.constructor.ConstructorError(None, None, problem, node.start_mark) from error


def _duplicates(root: yaml.Node | None) -> Iterator[tuple[yaml.Node, str]]:
    for mapping in _mappings(root, set()):
        first: dict[tuple[str, str], yaml.Node] = {}
        for key in (key for key, _ in mapping.value if isinstance(key, yaml.ScalarNode)):
            earlier = first.setdefault((key.tag, key.value), key)
            if earlier is not key:
                yield key, f"duplicate key {key.value!r}, first given in line {earlier.start_mark.line + 1}: keep one of them"


def _mappings(node: yaml.Node | None, seen: set[int]) -> Iterator[yaml.MappingNode]:
    """Every mapping below `node`, an aliased one once: aliases may nest a billion deep, or hold themselves."""
    if not isinstance(node, yaml.CollectionNode) or id(node) in seen:
        return
    seen.add(id(node))
    is_mapping = isinstance(node, yaml.MappingNode)
    if is_mapping:
        yield node
    for child in (value for _, value in node.value) if is_mapping else node.value:
        yield from _mappings(child, seen)


def _child(node: yaml.Node, part: str | int) -> tuple[yaml.Node, yaml.Mark] | None:
    if isinstance(node, yaml.MappingNode):  # reversed: after a merge, the key that holds is the last
        return next(((value, key.start_mark) for key, value in reversed(node.value) if key.value == str(part)), None)
    if isinstance(node, yaml.SequenceNode) and isinstance(part, int):
        return node.value[part], node.value[part].start_mark
    return None


def _values(value: Any, part: str | int) -> Iterable[tuple[str | int, Any]]:
    if isinstance(value, list):
        return [(index, item) for index, item in enumerate(value) if part in ("*", index)]
    return [(part, value[part])] if isinstance(value, dict) and part in value else ()
