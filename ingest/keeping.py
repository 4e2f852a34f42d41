"""What is kept and what goes: erasure, expiry and compaction of a data directory, through its collector while one holds it."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path

from analytics.compaction import Freed
from analytics.compaction import compact as compacted
from analytics.config import retention_of
from analytics.erasure import Erased
from analytics.erasure import erase as erased
from analytics.errors import StoreError
from analytics.keyed import Keyed
from analytics.operations import Operation
from analytics.reports import QuestionError
from analytics.retention import Expired
from analytics.retention import expire as expired
from ingest.ask import connected, find_collector
from ingest.operate import held
from ingest.service import Service

_TIMEOUT = 3600.0  # seconds; an erasure reads all evidence of a tenant


def erase(data: Path, tenant: str | None, user: str | None, who: str, why: str) -> dict[str, int]:
    """Erases a user, of one tenant or of all, or a tenant; how many users, blobs and texts that were. Raises StoreError, QuestionError."""
    asked = {"tenant": tenant, "user": user, "who": who, "reason": why}
    if find_collector(data):
        return _asked(data, asked)
    with held(data, None) as service:
        return erase_here(service, **asked)


def erase_here(service: Service, tenant: str | None, user: str | None, who: str, reason: str) -> dict[str, int]:
    """The same in stores that are open, beside whatever arrives; what is in memory of them begins anew."""
    known = service.ledger.query("queries/tenants")["tenant"].sort().to_list()
    if tenant is not None and tenant not in known:
        raise QuestionError(f"the ledger knows no tenant {tenant!r}")
    pipeline, now = service.pipeline, service.clock.now()
    keyed, total = Keyed.of(service.ledger.path.parent), Erased()
    with pipeline.lock:
        for one in [tenant] if tenant else known:
            done = erased(pipeline.books, service.control, keyed, Operation(one, "erasure", who, reason), user, now)
            total = Erased(total.users + done.users, total.evidence + done.evidence, total.texts + done.texts)
        service.signals.reload(now)
        pipeline.guard.reload(now)
    return {"users": total.users, "evidence": total.evidence, "texts": total.texts}


def expire(data: Path, config: Path | None) -> Iterator[Expired]:
    """Removes what is past its time, portion by portion. Raises StoreError when a collector holds the directory: it does so by itself."""
    with held(data, config) as service:
        yield from expired(service.pipeline.books, partial(retention_of, service.config.retention), service.clock.now())


def compact(data: Path) -> list[Freed]:
    """Writes both stores anew. Raises StoreError when a collector holds the directory."""
    if at := find_collector(data):
        raise StoreError(f"a collector at {at} holds {data}: stop it first, for its files are replaced")
    if not (data / "ledger.duckdb").exists():
        raise FileNotFoundError(f"{data} holds no ledger")
    return compacted(data)


def _asked(data: Path, asked: dict) -> dict[str, int]:
    with connected(data, _TIMEOUT) as client:
        answer = client.post("/v1/erase", json=asked)
    if answer.status_code in (400, 404):
        raise QuestionError(answer.json()["detail"])
    return answer.raise_for_status().json()
