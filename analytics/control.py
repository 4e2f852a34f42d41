"""The control store: incidents, signals, outbox, audit and the guard's cursor. The only module that opens it.

SQLite with every commit synced. Effects are inserted under unique keys, so what is decided twice happens once.
"""

import hashlib
import json
import sqlite3
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.sqlite import insert

from analytics.errors import StoreError
from analytics.ledger import migrations, statement

_BUSY_SECONDS = 0.5  # an export waits no longer than this for a locked store; its effects follow later


class _Moment(sa.types.TypeDecorator):
    """UTC as ISO 8601 text: sorts as time does, and reads the same in any client."""

    impl = sa.Text
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect) -> str | None:
        return None if value is None else stamp(value)

    def process_result_value(self, value: str | None, dialect) -> datetime | None:
        return None if value is None else datetime.fromisoformat(value).replace(tzinfo=None)


def stamp(moment: datetime) -> str:
    """A UTC time as text with microseconds and Z."""
    return moment.replace(tzinfo=UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def name_of(prefix: str, *parts: object) -> str:
    """A stable id for an effect, from what makes it unique."""
    return f"{prefix}_{hashlib.blake2b(json.dumps(parts, default=str).encode(), digest_size=12).hexdigest()}"


class Control:
    """One control store file. Safe to use from several threads."""

    def __init__(self, directory: Path):
        """Opens or makes the store in a directory. Raises StoreError when its version is newer than this program."""
        directory.mkdir(parents=True, exist_ok=True)
        self.path = directory / "control.sqlite"
        self.engine = sa.create_engine(f"sqlite:///{self.path}", connect_args={"timeout": _BUSY_SECONDS})
        sa.event.listen(self.engine, "connect", _configure)
        sa.event.listen(self.engine, "begin", _begin_immediate)
        try:
            self._migrate()
            if found := self.problems():
                raise StoreError(f"{self.path} is damaged: {found[0]}. Restore a backup")
        except sqlite3.Error as error:  # before there is an engine's connection, the driver's own errors come through
            self.close()
            raise StoreError(f"{self.path} cannot be opened: {error}") from error
        metadata = sa.MetaData()
        sa.event.listen(metadata, "column_reflect", _moments)
        metadata.reflect(self.engine)
        self.incidents, self.signals, self.outbox, self.audit, self._cursor = (
            metadata.tables[name] for name in ("incidents", "signals", "outbox", "audit", "cursor")
        )

    def snapshot(self, path: Path) -> None:
        """Writes everything as of one moment into a new file, while others go on."""
        with closing(sqlite3.connect(self.path)) as here, closing(sqlite3.connect(path)) as there:
            here.backup(there)

    def problems(self) -> list[str]:
        """What SQLite finds wrong with the file; nothing for a sound one."""
        with closing(sqlite3.connect(self.path)) as connection:
            try:
                return [text for (text,) in connection.execute("pragma integrity_check") if text != "ok"]
            except sqlite3.Error as error:
                return [str(error)]

    # The guard's side: effects and the cursor, in one transaction

    def cursor(self) -> int:
        """The last ledger commit whose effects are all here."""
        return self._read(sa.select(self._cursor.c.commit_no))[0]["commit_no"]

    def registry(self) -> str | None:
        """What everything up to the cursor was compared with; None when nothing was."""
        return self._read(sa.select(self._cursor.c.registry))[0]["registry"]

    def apply(
        self,
        commit_no: int,
        incidents: Sequence[Mapping[str, Any]] = (),
        signals: Sequence[Mapping[str, Any]] = (),
        outbox: Sequence[Mapping[str, Any]] = (),
        registry: str | None = None,
    ) -> None:
        """Writes effects and moves the cursor, and with `registry` notes what all was compared with. Incidents replace what is known of
        them; signals and messages exist once."""
        with self.engine.begin() as connection:
            for incident in incidents:
                changes = {name: value for name, value in incident.items() if name not in ("id", "detected_at")}
                connection.execute(insert(self.incidents).values(incident).on_conflict_do_update(index_elements=["id"], set_=changes))
                self._follow(connection, incident)
            if signals:
                connection.execute(insert(self.signals).on_conflict_do_nothing(), list(signals))
                self._supersede(connection, signals)
            if outbox:
                connection.execute(insert(self.outbox).on_conflict_do_nothing(), list(outbox))
            connection.execute(sa.update(self._cursor).where(self._cursor.c.commit_no < commit_no).values(commit_no=commit_no))
            if registry is not None:
                connection.execute(sa.update(self._cursor).values(registry=registry))

    def all_incidents(self) -> list[dict]:
        """Every incident, in the order of its crossing."""
        return self._read(sa.select(self.incidents).order_by(self.incidents.c.crossed_at, self.incidents.c.percent))

    def incidents_with_effects(self, tenant: str) -> list[dict]:
        """Incidents with the counts of their signals, delivered and acknowledged ones, and of messages delivered."""
        signals, outbox, incidents = self.signals.c, self.outbox.c, self.incidents.c
        of_incident = sa.select(sa.func.count()).where(signals.incident_id == incidents.id)
        counts = {
            "signals": of_incident,
            "delivered": of_incident.where(signals.delivered_at.is_not(None)),
            "acknowledged": of_incident.where(signals.acknowledged_at.is_not(None)),
            "messages_delivered": sa.select(sa.func.count()).where(outbox.incident_id == incidents.id, outbox.state == "delivered"),
        }
        columns = [query.scalar_subquery().label(name) for name, query in counts.items()]
        return self._read(sa.select(self.incidents, *columns).where(incidents.tenant == tenant))

    # The runtimes' side: signals

    def signals_of(self, tenant: str, runs: Iterable[str], only_open_at: datetime | None = None) -> list[dict]:
        """Signals of these runs, severest and newest first; with a time only those that a runtime has still to obey then."""
        table = self.signals.c
        query = sa.select(self.signals).where(table.tenant == tenant, table.run_id.in_(list(runs)))
        if only_open_at is not None:
            query = query.where(
                table.acknowledged_at.is_(None),
                table.superseded_at.is_(None),
                sa.or_(table.expires_at.is_(None), table.expires_at > only_open_at),
            )
        severity = sa.case({"kill": 3, "stop": 2, "pause": 1}, value=table.action, else_=0)
        return self._read(query.order_by(severity.desc(), table.seq.desc()))

    def unanswered(self, now: datetime) -> list[dict]:
        """Every signal that a runtime has still to obey."""
        table = self.signals.c
        unexpired = sa.or_(table.expires_at.is_(None), table.expires_at > now)
        return self._read(sa.select(self.signals).where(table.acknowledged_at.is_(None), table.superseded_at.is_(None), unexpired))

    def signals_after(self, tenant: str, seq: int) -> list[dict]:
        """Signals issued after one, in order: what a stream resumes with."""
        return self._read(
            sa.select(self.signals).where(self.signals.c.tenant == tenant, self.signals.c.seq > seq).order_by(self.signals.c.seq)
        )

    def signal(self, tenant: str, signal_id: str) -> dict | None:
        """One signal, or None."""
        rows = self._read(sa.select(self.signals).where(self.signals.c.tenant == tenant, self.signals.c.id == signal_id))
        return rows[0] if rows else None

    def mark(self, ids: Sequence[str], column: str, now: datetime, **more: Any) -> None:
        """Notes delivered_at, acknowledged_at or confirmed_at of signals; the first time stands."""
        if not ids:
            return
        unmarked = sa.update(self.signals).where(self.signals.c.id.in_(list(ids)), self.signals.c[column].is_(None))
        with self.engine.begin() as connection:
            connection.execute(unmarked.values({column: now, **more}))

    # The receivers' side: the outbox

    def due(self, now: datetime, limit: int = 20) -> list[dict]:
        """Messages whose next attempt has come, oldest first."""
        table = self.outbox.c
        return self._read(
            sa.select(self.outbox).where(table.state == "pending", table.next_attempt_at <= now).order_by(table.seq).limit(limit)
        )

    def pending(self) -> int:
        """Messages of the outbox that are still to be sent."""
        table = self.outbox.c
        return self._read(sa.select(sa.func.count().label("messages")).where(table.state == "pending"))[0]["messages"]

    def settle(self, message_id: str, **changes: Any) -> None:
        """Notes what became of a message."""
        with self.engine.begin() as connection:
            connection.execute(sa.update(self.outbox).where(self.outbox.c.id == message_id).values(changes))

    def messages(self) -> list[dict]:
        """Every message, oldest first."""
        return self._read(sa.select(self.outbox).order_by(self.outbox.c.seq))

    def note(self, now: datetime, actor: str, verb: str, object_: str, detail: Mapping[str, Any]) -> None:
        """Appends to the audit trail."""
        with self.engine.begin() as connection:
            connection.execute(
                sa.insert(self.audit).values(at=now, actor=actor, verb=verb, object=object_, detail=json.dumps(detail, default=str))
            )

    def rewrite(self, tenant: str, text: Callable[[str], str], id_of: Callable[[str, Mapping], str | None]) -> None:
        """Puts every text of a tenant's rows through a function, in one transaction; ids that `id_of` makes of a row are made again."""
        renamed: dict[str, str] = {}
        with self.engine.begin() as connection:
            theirs = connection.scalars(sa.select(self.incidents.c.id).where(self.incidents.c.tenant == tenant)).all()
            for table in (self.incidents, self.signals):
                self._rewrite(connection, table, table.c.tenant == tenant, text, id_of, renamed)
            self._rewrite(connection, self.outbox, self.outbox.c.incident_id.in_(theirs), text, id_of, renamed)
            self._rewrite(connection, self.audit, sa.true(), text, id_of, renamed)

    def _rewrite(self, connection: sa.Connection, table: sa.Table, mine: sa.ColumnElement, text, id_of, renamed: dict[str, str]) -> None:
        key = next(iter(table.primary_key.columns))
        for row in connection.execute(sa.select(table).where(mine)).mappings().all():
            after = {name: value if name in ("tenant", "id") else _rewritten(value, text, renamed) for name, value in row.items()}
            if "id" in row and id_of(table.name, row) == row["id"]:
                after["id"] = renamed[row["id"]] = id_of(table.name, after)
            if after != dict(row):
                connection.execute(sa.update(table).where(key == row[key.name]).values(after))

    def vacuum(self) -> None:
        """Writes the file anew without what was deleted from it. Meant for a store that nobody else has open."""
        with closing(self.engine.raw_connection()) as raw:
            raw.execute("vacuum")
            raw.execute("pragma wal_checkpoint(truncate)")

    def close(self) -> None:
        """Lets go of the file."""
        self.engine.dispose()

    def _follow(self, connection: sa.Connection, incident: Mapping[str, Any]) -> None:
        """Orders that nobody has answered fall with a withdrawn incident, and stand again if it does."""
        table, withdrawn = self.signals.c, incident["state"] == "withdrawn"
        unanswered = sa.update(self.signals).where(
            table.incident_id == incident["id"], table.acknowledged_at.is_(None), table.action != "warn"
        )
        connection.execute(unanswered.values(superseded_at=table.issued_at if withdrawn else None))

    def _supersede(self, connection: sa.Connection, signals: Sequence[Mapping[str, Any]]) -> None:
        """A severer order of the same policy replaces a warning that nobody has answered."""
        table = self.signals.c
        for signal in signals:
            if signal["action"] == "warn":
                continue
            same = (
                table.tenant == signal["tenant"],
                table.run_id == signal["run_id"],
                table.policy == signal["policy"],
                table.scope == signal["scope"],
            )
            milder = sa.update(self.signals).where(
                *same, table.action == "warn", table.acknowledged_at.is_(None), table.superseded_at.is_(None)
            )
            connection.execute(milder.values(superseded_at=signal["issued_at"]))

    def _read(self, query: sa.Select) -> list[dict]:
        with self.engine.connect().execution_options(writes=False) as connection:
            return [dict(row) for row in connection.execute(query).mappings()]

    def _migrate(self) -> None:
        steps = migrations("control")
        raw = self.engine.raw_connection()
        try:
            fresh = raw.execute("select 1 from sqlite_master where name = 'schema_version'").fetchone() is None
            version = 0 if fresh else raw.execute("select version from schema_version").fetchone()[0]
            if version > len(steps):
                raise StoreError(
                    f"{self.path} has schema version {version}, this loopledger knows up to {len(steps)}: use a newer loopledger"
                )
            for number in range(version, len(steps)):
                raw.executescript(f"begin; {statement(steps[number])}; update schema_version set version = {number + 1}; commit;")
        finally:
            raw.close()


def _rewritten(value: Any, text: Callable[[str], str], renamed: Mapping[str, str]) -> Any:
    if not isinstance(value, str):
        return value
    for before, after in renamed.items():
        value = value.replace(before, after) if before != after else value
    return text(value)


def _configure(connection, _) -> None:
    connection.isolation_level = None  # transactions begin where we say, not where the driver guesses
    for setting in ("journal_mode = wal", "synchronous = full", "foreign_keys = on"):
        connection.execute(f"pragma {setting}")


def _begin_immediate(connection: sa.Connection) -> None:
    """A deferred transaction could fail at its first write; one that begins as a writer waits instead."""
    connection.exec_driver_sql("begin immediate" if connection.get_execution_options().get("writes", True) else "begin")


def _moments(inspector, table, column) -> None:
    if column["name"] == "at" or column["name"].endswith("_at"):
        column["type"] = _Moment()
