"""`access.yaml`: who may speak to a collector, for which tenant and teams, and what for."""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field, field_validator

from analytics.config.base import Entry
from analytics.config.values import Instant, Some, Text, exactly_one

Scope = Literal["ingest", "read", "control", "act-as", "admin"]
"""ingest: OTLP; read: reports and metrics; control: signals and answers to them; act-as: for other tenants; admin: backups and erasure."""
CredentialId = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,62}$")]


class Credential(Entry):
    """One token or one client certificate, and what it may do."""

    id: CredentialId
    """Part of the token: small letters, digits, hyphens."""
    hash: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")] | None = None
    """Of the token, keyed by DIR/access.key; `loopledger token create` writes it."""
    certificate: Text | None = None
    """A name in a client certificate: its common name, or an alternative name such as a DNS name or a SPIFFE id."""
    tenant: Text = "default"
    """Whose data it is that comes and goes with this credential."""
    teams: Annotated[tuple[Text, ...], Some] | None = None
    """Teams that telemetry may name; left out, any. With one team, what names another is counted for this one."""
    scopes: Annotated[tuple[Scope, ...], Some]
    """What it may do."""
    expires_at: Instant | None = None
    """First moment it is good no more, UTC; None means until it is revoked."""

    @field_validator("certificate")
    @classmethod
    def _one_proof(cls, certificate: str | None, info) -> str | None:
        return exactly_one("hash", certificate, info)

    def is_good(self, now: datetime) -> bool:
        """Whether it has not expired; `now` in UTC with its zone."""
        return self.expires_at is None or now < self.expires_at


class Access(Entry):
    """The file."""

    hosts: tuple[Text, ...] = ()
    """Names under which the collector is asked, besides those of loopback."""
    origins: tuple[Text, ...] = ()
    """Hosts whose pages may ask it."""
    credentials: tuple[Credential, ...] | None = None
    """Nobody gets in when there are none."""
