"""Which files a config directory may hold, and what each kind of them says."""

import os
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from analytics.alerts import Channel
from analytics.config.access import Access
from analytics.config.base import Entry
from analytics.config.entries import Loop, Policy
from analytics.config.limits import CollectorLimits
from analytics.config.money import Alias, Contract, CustomPrice, Reported
from analytics.config.ownership import OwnerRule, SharedCost
from analytics.config.retention import Retention
from analytics.config.source import Kind, Source, read
from analytics.errors import ConfigError, Problem

ACCESS = "access.yaml"


class Policies(Entry):
    """A file of `policies/`; a list whose items are all commented out is None."""

    policies: tuple[Policy, ...] | None = None


class Prices(Entry):
    """A file of `prices/`."""

    prices: tuple[CustomPrice, ...] | None = None
    contracts: tuple[Contract, ...] | None = None
    aliases: tuple[Alias, ...] | None = None
    reported: tuple[Reported, ...] | None = None


class Channels(Entry):
    """`channels.yaml`."""

    channels: tuple[Channel, ...] | None = None


class Owners(Entry):
    """`owners.yaml`."""

    rules: tuple[OwnerRule, ...] | None = None
    shared: tuple[SharedCost, ...] | None = None


class Retentions(Entry):
    """`retention.yaml`."""

    retention: tuple[Retention, ...] | None = None


KINDS = {
    "policies/*.yaml": Kind("policy", Policies),
    "loops/*.yaml": Kind("loop", Loop),
    "prices/*.yaml": Kind("price", Prices, named_by=("name", "model", "tool", "service")),
    "channels.yaml": Kind("channel", Channels),
    "owners.yaml": Kind("rule", Owners),
    "outcomes.yaml": Kind("outcome"),
    ACCESS: Kind("credential", Access, named_by=("id",)),
    "retention.yaml": Kind("retention", Retentions, named_by=("tenant",)),
    "limits.yaml": Kind("limit", CollectorLimits),
}
"""Every file a directory may hold; `.yml` counts as `.yaml`. Hidden files and README.md are nobody's business."""


def read_directory(directory: Path) -> tuple[list[Source], list[Problem]]:
    """The files of a config directory in name order, and a problem for each that does not belong there.

    Raises ConfigError if there is no directory to read.
    """
    try:
        files = {path.relative_to(directory).as_posix(): path for path in _files(directory)}
    except OSError as error:
        problem = Problem(str(directory), 1, 1, f"cannot be read ({error.strerror}): name a config directory")
        raise ConfigError([problem]) from error
    sources = [read(path, file, kind) for file, path in files.items() if (kind := _kind(file))]
    secrets = [os.path.abspath(directory / path) for source in sources for _, path in source.texts("channels", "*", "secret_file")]
    strange = [file for file, path in files.items() if not _kind(file) and not _holds_one(path, secrets)]
    return sources, [Problem(file, 1, 1, _objection(file)) for file in strange]


def _files(folder: Path) -> Iterator[Path]:
    """Every visible path in a folder; the folders that hold files of a kind are opened, by way of links as well."""
    for path in sorted(folder.iterdir()):
        if path.name.startswith(".") or path.name == "README.md":
            continue
        if path.is_dir() and f"{path.name}/*.yaml" in KINDS:
            yield from _files(path)
        else:
            yield path


def _kind(file: str) -> Kind | None:
    path = PurePosixPath(file)
    folder = path.parent.as_posix()
    return KINDS.get(path.with_suffix(".yaml").name if folder == "." else f"{folder}/*.yaml") if path.suffix in (".yaml", ".yml") else None


def _holds_one(path: Path, files: list[str]) -> bool:
    """Whether one of `files` is, or lies below, `path`: the secrets of channels may lie in the directory."""
    return any(Path(file).is_relative_to(os.path.abspath(path)) for file in files)


def _objection(file: str) -> str:
    return f"unknown file: a config directory holds {', '.join(KINDS)}"
