"""Backups and erasure over HTTP, for a data directory that its collector holds."""

import json
from contextlib import ExitStack

from starlette.background import BackgroundTask
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import Route

from analytics.errors import StoreError
from analytics.reports import QuestionError
from ingest.backups import packed
from ingest.doors import PRINCIPAL
from ingest.keeping import erase_here
from ingest.problems import problem
from ingest.service import Service

_ASKED = {"tenant", "user", "who", "reason"}


class KeepingApi:
    """Routes under /v1 about what is kept."""

    def __init__(self, service: Service):
        self._service = service

    def routes(self) -> list[Route]:
        return [Route("/v1/backup", self.backup, methods=["POST"]), Route("/v1/erase", self.erase, methods=["POST"])]

    async def backup(self, request: Request) -> Response:
        """Both stores as of one moment, see `ingest.backups`."""
        if "act-as" not in request.scope[PRINCIPAL].scopes:
            return _forbidden("A backup holds every tenant, so it wants scope act-as too.")
        made = ExitStack()
        try:
            file = await run_in_threadpool(made.enter_context, packed(self._service.ledger, self._service.control))
        except (StoreError, OSError) as error:
            return problem(503, "no-backup", "No backup could be made", str(error))
        return FileResponse(file, media_type="application/x-tar", background=BackgroundTask(made.close))

    async def erase(self, request: Request) -> Response:
        """Erases a user, of one tenant or of all, or a tenant: {"tenant", "user", "who", "reason"}; answers how much that was."""
        try:
            asked = json.loads(await request.body())
        except (ValueError, RecursionError):
            return problem(400, "not-json", "The body is not JSON")
        if not isinstance(asked, dict) or set(asked) - _ASKED or not all(isinstance(value, str | None) for value in asked.values()):
            return problem(400, "bad-erasure", "What shall be erased?", f"An object with texts under any of {', '.join(sorted(_ASKED))}.")
        if not (asked.get("reason") and asked.get("who")) or not (asked.get("tenant") or asked.get("user")):
            return problem(400, "bad-erasure", "What shall be erased, and why?", "Give who, reason, and tenant, user or both.")
        who = request.scope[PRINCIPAL]
        if "act-as" not in who.scopes and asked.setdefault("tenant", who.tenant) != who.tenant:
            return _forbidden(f"It may erase of tenant {who.tenant} alone.")
        given = {name: asked.get(name) for name in _ASKED}
        try:
            return JSONResponse(await run_in_threadpool(lambda: erase_here(self._service, **given)))
        except QuestionError as error:
            return problem(404, "no-such-tenant", "There is no such tenant", str(error))


def _forbidden(detail: str) -> Response:
    return problem(403, "forbidden", "The credential is good, but not for this", detail)
