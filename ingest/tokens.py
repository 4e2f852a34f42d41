"""`loopledger token`: entries of access.yaml, written and removed as text, so that what people wrote beside them stays."""

import argparse
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import get_args

import polars as pl
import yaml

from analytics.config import ACCESS, Credential, load_access
from analytics.config.access import Scope
from analytics.errors import ConfigError, StoreError
from ingest.access import DEFAULT_TENANT, new_token, proof_of
from ingest.arguments import data_of, with_config, with_data

_KEY = "credentials"


def token(args: argparse.Namespace) -> int:
    """Tokens for runtimes, people and dashboards: create shows one once, access.yaml keeps its keyed hash; a running collector follows.

    Example: loopledger token create payments-ci --team payments --scope ingest --expires-days 90 --config ./config
    """
    file = (args.config or Path("config")) / ACCESS
    return _COMMANDS[args.what](file, args)


def _create(file: Path, args: argparse.Namespace) -> int:
    if not args.id:
        raise argparse.ArgumentError(None, "name the credential: loopledger token create ID --scope ingest")
    if any(one.id == args.id for one in _known(file)):
        raise StoreError(f"{file} has a credential {args.id} already: choose another name, or revoke that one first")
    made = new_token(args.id)
    entry = {"id": args.id, "hash": proof_of(data_of(args), made), "tenant": args.tenant, "scopes": args.scope or ["ingest"]}
    if args.team:
        entry["teams"] = args.team
    if args.expires_days:
        entry["expires_at"] = (datetime.now(UTC) + timedelta(days=args.expires_days)).isoformat(timespec="seconds")
    _replace(file, _with(file.read_text() if file.exists() else "", entry))
    print(made)
    print(f"This is shown once. In a runtime: OTEL_EXPORTER_OTLP_HEADERS=authorization=Bearer%20{made}", file=sys.stderr)
    return 0


def _revoke(file: Path, args: argparse.Namespace) -> int:
    if all(one.id != args.id for one in _known(file)):
        raise StoreError(f"{file} has no credential {args.id}: see 'loopledger token list'")
    _replace(file, _without(file.read_text(), args.id))
    print(f"{args.id} is revoked")
    return 0


def _list(file: Path, args: argparse.Namespace) -> int:
    from ingest import formats

    known = _known(file)
    if not known:
        print(f"{file} has no credentials; make one: loopledger token create ID --scope ingest --config {file.parent}")
        return 0
    formats.print_table(pl.DataFrame([_shown(one) for one in known]))
    return 0


_COMMANDS = {"create": _create, "list": _list, "revoke": _revoke}


def _shown(one: Credential) -> dict[str, str]:
    now = datetime.now(UTC)
    until = one.expires_at and one.expires_at.strftime("%Y-%m-%d %H:%M")
    return {
        "id": one.id,
        "proof": "token" if one.hash else f"certificate {one.certificate}",
        "tenant": one.tenant,
        "teams": "any" if one.teams is None else ", ".join(one.teams),
        "scopes": ", ".join(one.scopes),
        "expires_at": until or "never",
        "state": "good" if one.is_good(now) else "expired",
    }


def _known(file: Path) -> tuple[Credential, ...]:
    return (load_access(file).credentials or ()) if file.exists() else ()


def _with(text: str, entry: dict) -> str:
    """The file with one entry more, after the others."""
    node = _credentials(text)
    if node is None or not node.value:
        return f"{_without_key(text)}{_KEY}:\n{_written(entry, 2)}"
    lines, last = text.splitlines(keepends=True), node.value[-1]
    end = _end(text, last)
    if not lines[end - 1].endswith("\n"):
        lines[end - 1] += "\n"
    return "".join([*lines[:end], _written(entry, last.start_mark.column - 2), *lines[end:]])


def _without(text: str, name: str) -> str:
    lines = text.splitlines(keepends=True)
    for one in _credentials(text).value:
        if {key.value: value.value for key, value in one.value}.get("id") == name:
            del lines[one.start_mark.line : _end(text, one)]
            return "".join(lines)
    raise StoreError(f"{name} is not an entry of its own lines: remove it by hand")


def _written(entry: dict, indent: int) -> str:
    body = yaml.safe_dump(entry, sort_keys=False, default_flow_style=None, width=1000).splitlines()
    return "".join(f"{' ' * indent}{'- ' if number == 0 else '  '}{line}\n" for number, line in enumerate(body))


def _credentials(text: str) -> yaml.SequenceNode | None:
    root = yaml.compose(text) if text.strip() else None
    pairs = {key.value: value for key, value in root.value} if isinstance(root, yaml.MappingNode) else {}
    node = pairs.get(_KEY)
    return node if isinstance(node, yaml.SequenceNode) and not node.flow_style else None


def _without_key(text: str) -> str:
    """The file without an empty `credentials`, so that the key can be written at its end."""
    kept = [line for line in text.splitlines() if not line.startswith(f"{_KEY}:")]
    return "".join(f"{line}\n" for line in kept)


def _end(text: str, node: yaml.Node) -> int:
    """The line after the last that belongs to an entry; comments and blank lines after it do not."""
    lines, mark = text.splitlines(), node.end_mark
    end = mark.line + bool("".join(lines[mark.line : mark.line + 1])[: mark.column].strip())  # it ends where the next thing begins
    while end > node.start_mark.line + 1 and (not lines[end - 1].strip() or lines[end - 1].lstrip().startswith("#")):
        end -= 1
    return end


def _replace(file: Path, text: str) -> None:
    """Writes the file in one step, if it says what it should. Raises ConfigError."""
    part = file.with_name(f".{file.name}.part")
    file.parent.mkdir(parents=True, exist_ok=True)
    try:
        part.write_text(text)
        _check(part, file)
        part.replace(file)
    finally:
        part.unlink(missing_ok=True)


def _check(part: Path, file: Path) -> None:
    try:
        load_access(part)
    except ConfigError as error:
        raise StoreError(f"{file} stays as it is: {str(error).replace(part.name, file.name)}") from error


def add_to(add: Callable[..., argparse.ArgumentParser]) -> None:
    """Adds the command to a command line."""
    sub = with_config(with_data(add(token)))
    sub.add_argument("what", choices=tuple(_COMMANDS))
    sub.add_argument("id", nargs="?", metavar="ID", help="small letters, digits and hyphens; part of the token")
    sub.add_argument("--tenant", default=DEFAULT_TENANT, metavar="T")
    sub.add_argument("--team", action="append", metavar="TEAM", help="a team that telemetry may name; may be repeated; default: any")
    sub.add_argument("--scope", action="append", choices=get_args(Scope), help="what it may do; may be repeated; default: ingest")
    sub.add_argument("--expires-days", type=int, metavar="N", help="days until it is good no more; default: never")
