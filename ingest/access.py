"""Who asks: a token or a client certificate -> a principal. Without access.yaml it is nobody in particular, on loopback only."""

import hmac
import ipaddress
import logging
import os
import re
import secrets
from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from analytics.config import ACCESS, Access, Config, Credential, load_access
from analytics.errors import ConfigError, Forbidden, LoopledgerError, Unauthenticated
from analytics.keyed import Keyed

_LOG = logging.getLogger(__name__)
DEFAULT_TENANT = "default"
TENANT_HEADER = "x-loopledger-tenant"
"""Who may act for other tenants says here for whom."""
EVERYTHING = frozenset(("ingest", "read", "control", "act-as", "admin"))
_TOKEN = re.compile(r"ll_([a-z0-9][a-z0-9-]{0,62})_[\w-]{43}", re.ASCII)
_NO_HASH = "0" * 64


class AccessError(LoopledgerError):
    """An address that may not be listened on without credentials."""


@dataclass(frozen=True, slots=True)
class Principal:
    """Who asks, and what for he may."""

    name: str
    tenant: str
    scopes: frozenset[str]
    teams: frozenset[str] | None = None
    """Teams that his telemetry may name; None means any."""


NOBODY = Principal("who has no credential", DEFAULT_TENANT, frozenset(("ingest", "read")))
"""Whoever asks where nobody is asked who he is."""


class Credentials:
    """Everything a request can be let in by: what access.yaml says now, and the token in the data directory."""

    def __init__(self, data: Path, config: Config):
        self._operator, self._key = control_token(data), Keyed.of(data, "access.key")
        self._path = _file(config.directory)
        self.access: Access | None = config.access
        self.hosts: tuple[str, ...] = ()
        """Names of the collector beside those of loopback and of access.yaml."""
        self._seen = self._stamp()

    def admit(self, authorization: str, names: Collection[str], scope: str, tenant: str | None = None) -> Principal:
        """Who that is, with a right to `scope`; `names` are those in a client certificate, `tenant` is for whom he says to act.

        Raises Unauthenticated and Forbidden.
        """
        who = self._who(authorization, names)
        if scope not in who.scopes and who is NOBODY:
            raise Unauthenticated("send 'Authorization: Bearer' with the text of DIR/token", field="authorization")
        if scope not in who.scopes:
            raise Forbidden(f"{who.name} has no scope {scope}", field="authorization")
        if tenant is None or tenant == who.tenant:
            return who
        if "act-as" not in who.scopes:
            raise Forbidden(f"{who.name} may not act for other tenants", field=TENANT_HEADER)
        return Principal(who.name, tenant, who.scopes, who.teams)

    def _who(self, authorization: str, names: Collection[str]) -> Principal:
        scheme, _, token = authorization.partition(" ")
        token = token.strip()
        if scheme.lower() == "bearer" and _same(token, self._operator):
            return Principal("the operator of this data directory", DEFAULT_TENANT, EVERYTHING)
        self._look_again()
        if self.access is None:
            return NOBODY
        found = self._of_token(token) if scheme.lower() == "bearer" else self._of_certificate(names)
        if found is None or not found.is_good(datetime.now(UTC)):
            raise Unauthenticated("the credential is missing, unknown, revoked or expired", field="authorization")
        return Principal(found.id, found.tenant, frozenset(found.scopes), None if found.teams is None else frozenset(found.teams))

    def _of_token(self, token: str) -> Credential | None:
        said = _TOKEN.fullmatch(token)
        named = next((one for one in self.access.credentials or () if one.hash and said and one.id == said[1]), None)
        is_right = _same(self._key.proof(token), named.hash if named else _NO_HASH)
        return named if is_right else None

    def _of_certificate(self, names: Collection[str]) -> Credential | None:
        return next((one for one in self.access.credentials or () if one.certificate and one.certificate in names), None)

    def _look_again(self) -> None:
        """Reads the file when it is another one; one that is wrong or gone lets nobody in who was not before."""
        if (stamp := self._stamp()) == self._seen:
            return
        self._seen = stamp
        try:
            self.access = load_access(self._path)
        except ConfigError as error:
            _LOG.error("access.yaml cannot be used, what it said before holds: %s", error)

    def _stamp(self) -> tuple[int, ...] | None:
        try:
            told = self._path.stat() if self._path else None
        except OSError:
            return None
        return told and (told.st_mtime_ns, told.st_ino, told.st_size)


def _file(directory: Path | None) -> Path | None:
    """Where access.yaml is, or would be."""
    if directory is None:
        return None
    other = (directory / ACCESS).with_suffix(".yml")
    return other if other.exists() else directory / ACCESS


def _same(one: str, other: str) -> bool:
    return hmac.compare_digest(one.encode(), other.encode())


def new_token(name: str) -> str:
    """A token that names its credential."""
    return f"ll_{name}_{secrets.token_urlsafe(32)}"


def proof_of(data: Path, token: str) -> str:
    """What access.yaml keeps of a token, for the collector of this data directory."""
    return Keyed.of(data, "access.key").proof(token)


def require_loopback(address: str) -> None:
    """Raises AccessError for HOST:PORT that others than this machine could reach."""
    if not is_loopback(address):
        raise AccessError(
            f"{address} can be reached from other machines: without {ACCESS} loopledger listens on loopback only, such as 127.0.0.1"
        )


def is_loopback(address: str) -> bool:
    """Whether HOST:PORT can be reached from this machine alone."""
    host = address.rpartition(":")[0].strip("[]")
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def reached_at(address: str) -> str:
    """The host under which who listens at HOST:PORT is reached from this machine."""
    host = address.rpartition(":")[0]
    return {"0.0.0.0": "127.0.0.1", "[::]": "[::1]"}.get(host, host)


def control_token(directory: Path) -> str:
    """The token of whoever may read the data directory, made at first use and readable by its owner alone."""
    path, part = directory / "token", directory / "token.part"
    if not path.exists() or not path.read_text().strip():
        part.unlink(missing_ok=True)
        descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(secrets.token_urlsafe(32))
        part.replace(path)  # there is never a token file without a token, which any caller could show
    return path.read_text().strip()
