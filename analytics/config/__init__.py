"""The config directory: policies, loops, prices and channels in, one `Config` out, or every problem at once with its place."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path

from pydantic import BaseModel, ValidationError

from analytics.alerts import Channel
from analytics.config.access import Access, Credential
from analytics.config.directory import ACCESS, KINDS, read_directory
from analytics.config.entries import Limits, Loop, Policy, Subagent, Threshold, Trigger
from analytics.config.explain import did_you_mean, explain
from analytics.config.limits import DEFAULT_LIMITS, CollectorLimits
from analytics.config.money import Alias, Contract, CustomPrice, Reported
from analytics.config.ownership import OwnerRule, Said, SharedCost
from analytics.config.retention import Retention, retention_of
from analytics.config.source import Source, read
from analytics.errors import ConfigError, Problem

__all__ = [
    "ACCESS",
    "Access",
    "Alias",
    "CollectorLimits",
    "Config",
    "Contract",
    "Credential",
    "CustomPrice",
    "Limits",
    "Loop",
    "OwnerRule",
    "Policy",
    "Reported",
    "Retention",
    "Said",
    "SharedCost",
    "Subagent",
    "Threshold",
    "Trigger",
    "load",
    "load_access",
    "retention_of",
]  # fmt: skip


@dataclass(frozen=True)
class Config:
    """Everything a config directory says, in the order of its files; empty without one."""

    policies: tuple[Policy, ...] = ()
    loops: tuple[Loop, ...] = ()
    prices: tuple[CustomPrice, ...] = ()
    contracts: tuple[Contract, ...] = ()
    aliases: tuple[Alias, ...] = ()
    reported: tuple[Reported, ...] = ()
    channels: tuple[Channel, ...] = ()
    owners: tuple[OwnerRule, ...] = ()
    shared: tuple[SharedCost, ...] = ()
    retention: tuple[Retention, ...] = ()
    limits: CollectorLimits = DEFAULT_LIMITS
    access: Access | None = None
    """None: nobody is asked who he is, and only loopback is listened on."""
    directory: Path | None = field(default=None, compare=False)
    """Where it was read."""


_NAMES = (
    ("name",),
    *((key, "*", "name") for key in ("policies", "channels", "contracts", "rules", "shared")),
    ("retention", "*", "tenant"),
    ("credentials", "*", "id"),
)
"""Where entries have names of their own."""
_LISTED = ("policies", "prices", "contracts", "aliases", "reported", "channels", "retention")
"""Keys of files that hold lists."""


def load(directory: Path | None) -> Config:
    """Read a config directory; None is the empty one. Raises ConfigError with every problem of every file."""
    if directory is None:
        return Config()
    sources, problems = read_directory(directory)
    problems += chain.from_iterable(source.problems for source in sources)
    files, refused = _validate(sources, directory)
    problems += [*refused, *_taken_names(sources), *_unknown_channels(sources)]
    if problems:
        raise ConfigError(problems)
    listed = {key: _entries(files, key) for key in _LISTED}
    loops = tuple(file for file in files if isinstance(file, Loop))
    limits = next((file for file in files if isinstance(file, CollectorLimits)), DEFAULT_LIMITS)
    is_there = any(source.kind is KINDS[ACCESS] for source in sources)
    access = next((file for file in files if isinstance(file, Access)), Access() if is_there else None)
    own = {"owners": _entries(files, "rules"), "shared": _entries(files, "shared"), "directory": directory}
    return Config(loops=loops, limits=limits, access=access, **own, **listed)


def load_access(path: Path) -> Access:
    """One access.yaml by itself. Raises ConfigError with every problem of it."""
    source = read(path, path.name, KINDS[ACCESS])
    files, refused = _validate([source], path.parent)
    if problems := [*source.problems, *refused, *_taken_names([source])]:
        raise ConfigError(problems)
    return files[0] if files else Access()


def _validate(sources: list[Source], directory: Path) -> tuple[list[BaseModel], list[Problem]]:
    files, problems = [], []
    for source in sources:
        if source.value is None or source.kind.model is None:
            continue
        try:
            files.append(source.kind.model.model_validate(source.value, context={"directory": directory}))
        except ValidationError as error:
            problems += explain(source, error)
    return files, problems


def _entries(files: list[BaseModel], key: str) -> tuple:
    return tuple(chain.from_iterable(getattr(file, key, None) or () for file in files))


def _taken_names(sources: list[Source]) -> Iterator[Problem]:
    """Names that an earlier entry of the same kind has, in whichever file; wrong entries count too, so that all is said at once."""
    taken: dict[tuple[str, str], str] = {}
    for source in sources:
        for path in _NAMES:
            for loc, name in source.texts(*path):
                here = f"{source.file}:{source.place(loc)[0]}"
                first = taken.setdefault((source.kind.noun, name.strip()), here)
                if first != here:
                    yield source.problem(loc, f"the name is already taken in {first}: choose another")


def _unknown_channels(sources: list[Source]) -> Iterator[Problem]:
    """Channels that a policy notifies and no file names; nothing while a file that may name them cannot be read."""
    if any(source.kind.noun == "channel" and source.unreadable for source in sources):
        return
    known = [name.strip() for source in sources for _, name in source.texts("channels", "*", "name")]
    for source in sources:
        for loc, name in source.texts("policies", "*", "notify", "*"):
            if name.strip() not in known:
                hint = did_you_mean(name, known) or "; describe it in channels.yaml"
                yield source.problem(loc, f"notify names the unknown channel {name!r}{hint}")
