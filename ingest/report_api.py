"""The read API: reports as JSON, CSV, Arrow or Parquet, each answer with the collector's time, commit and coverage."""

import asyncio
import json
import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from functools import lru_cache

import polars as pl
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from analytics.reports import DIMENSIONS, FILTERS, MOST_ROWS, REPORTS, WORDS, Question, QuestionError, Sources, coverage, moment
from ingest.doors import PRINCIPAL
from ingest.explanation import UnknownRunError, explained, nested, next_cursor
from ingest.formats import to_arrow, to_csv, to_objects, to_parquet, to_plain
from ingest.problems import problem

_AT_ONCE = 2
"""Reports that are made at the same time."""
_NICE = 10


class ReportApi:
    """Routes under /api/v1; `sources` gives what a report may read at that moment."""

    def __init__(self, sources: Callable[[], Sources]):
        self._sources = sources
        self._threads = ThreadPoolExecutor(_AT_ONCE, "report", _give_way)
        self._coverage = lru_cache(maxsize=64)(self._known)  # the answers of a page share a window and a commit

    def routes(self) -> list[Route]:
        return [
            Route("/api/v1/reports", self.list),
            Route("/api/v1/reports/{name}", self.report),
            Route("/api/v1/runs/{run:path}/trace", self.trace),  # a run id may hold slashes
            Route("/api/v1/runs/{run:path}/explain", self.explain),
            Route("/api/v1/runs/{run:path}", self.run),
            Route("/api/v1/openapi.json", self.openapi),
        ]

    async def list(self, request: Request) -> Response:
        """Which reports there are, and what each says."""
        return JSONResponse({"reports": [{"name": name, "about": (report.__doc__ or "").strip()} for name, report in REPORTS.items()]})

    async def report(self, request: Request) -> Response:
        """One report."""
        return await self._answer(request.path_params["name"], request)

    async def run(self, request: Request) -> Response:
        """One run of the report `runs`."""
        return await self._answer("runs", request, run=request.path_params["run"])

    async def trace(self, request: Request) -> Response:
        """The steps of a run."""
        return await self._answer("run_trace", request, run=request.path_params["run"])

    async def explain(self, request: Request) -> Response:
        """Each call of a run, or of the runs of a session, conversation or trace, with the records it was seen in: nested as JSON."""
        return await self._answer("explain", request, run=request.path_params["run"])

    async def openapi(self, request: Request) -> Response:
        """This API, described."""
        return JSONResponse(_openapi())

    async def _answer(self, name: str, request: Request, run: str | None = None) -> Response:
        if name not in REPORTS:
            return problem(404, "no-such-report", f"There is no report {name!r}", f"There are {', '.join(REPORTS)}.")
        try:
            question = _question(request, run)
            asked = (name, question, request.headers.get("accept", ""), run)
            return await asyncio.get_running_loop().run_in_executor(self._threads, self._build, *asked)
        except UnknownRunError as error:
            return problem(404, "no-such-run", f"There is no run {run!r}", str(error))
        except QuestionError as error:
            return problem(400, "bad-question", "The report cannot answer that", str(error))

    def _build(self, name: str, question: Question, accept: str, run: str | None) -> Response:
        sources = self._sources()
        commit = sources.ledger.commit_no
        is_nested = name == "explain" and run is not None
        rows = explained(sources, question, run) if is_nested else REPORTS[name](sources, question)
        about = {"report": name, "now": to_plain(sources.now), "commit": commit, "coverage": self._coverage(commit, *_window(question))}
        following = _next_cursor(name, question, rows)
        headers = {
            "x-loopledger-now": about["now"],
            "x-loopledger-commit": str(commit),
            "x-loopledger-coverage": json.dumps(about["coverage"]),
            **({"x-loopledger-next-cursor": following} if following else {}),
        }
        for media, write in _WRITERS.items():
            if media in accept:
                return Response(write(rows), media_type=media, headers=headers)
        said = {"run": run, **nested(rows)} if is_nested else {"rows": to_objects(rows)}
        return Response(json.dumps({**about, **said, "next_cursor": following}), media_type="application/json", headers=headers)

    def _known(self, commit: int, tenant: str, since: datetime | None, until: datetime | None) -> dict:
        known = coverage(self._sources(), Question(tenant, since, until))
        return {name: to_plain(value) for name, value in known.items()}


def _give_way() -> None:
    """This thread works when those that store have nothing to do."""
    os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _NICE)


_WRITERS = {"application/vnd.apache.arrow.stream": to_arrow, "application/vnd.apache.parquet": to_parquet, "text/csv": to_csv}


def _question(request: Request, run: str | None) -> Question:
    given = request.query_params
    filters = {name: tuple(given.getlist(name)) for name in FILTERS if name in given}
    limit = given.get("limit", "")
    if limit and not limit.isdecimal():
        raise QuestionError(f"limit is a number up to {MOST_ROWS}, not {limit!r}")
    return Question(
        tenant=request.scope[PRINCIPAL].tenant,
        since=moment(given["from"]) if given.get("from") else None,
        until=moment(given["to"]) if given.get("to") else None,
        by=tuple(word for word in given.get("by", "").split(",") if word),
        filters=filters | ({"run": (run,)} if run else {}),
        words={name: given[name] for name in WORDS if name in given},
        limit=int(limit) if limit else MOST_ROWS,
        cursor=given.get("cursor"),
    )


def _window(question: Question) -> tuple[str, datetime | None, datetime | None]:
    return question.tenant, question.since, question.until


def _next_cursor(name: str, question: Question, rows: pl.DataFrame) -> str | None:
    """Runs are counted by rows, the entries of `explain` by their number."""
    if name == "explain":
        return next_cursor(rows, question.limit)
    more = name == "runs" and rows.height == question.limit
    return str(int(question.cursor or 0) + rows.height) if more else None


def _openapi() -> dict:
    names = ("from", "to", "by", "limit", "cursor", *FILTERS, *WORDS)
    query = [{"name": name, "in": "query", "schema": {"type": "string"}} for name in names]
    report = {"name": "name", "in": "path", "required": True, "schema": {"enum": list(REPORTS)}}
    run = {"name": "run", "in": "path", "required": True, "schema": {"type": "string"}}
    media = {kind: {} for kind in ("application/json", *_WRITERS)}
    of_run = {"/api/v1/runs/{run}": "one run", "/api/v1/runs/{run}/trace": "its steps", "/api/v1/runs/{run}/explain": "its calls"}
    paths = {"/api/v1/reports/{name}": _path(f"by any of {', '.join(DIMENSIONS)}", [report, *query], media)}
    paths |= {path: _path(about, [run, *query], media) for path, about in of_run.items()}
    return {"openapi": "3.1.0", "info": {"title": "loopledger read API", "version": "1"}, "paths": paths}


def _path(about: str, parameters: list[dict], media: dict) -> dict:
    return {"get": {"parameters": parameters, "responses": {"200": {"description": about, "content": media}}}}
