"""The doors of the HTTP port: which hosts and origins may ask, and who, decided before a body is read."""

from collections.abc import Collection
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from analytics.errors import Forbidden, Unauthenticated
from ingest import otlp_http
from ingest.access import TENANT_HEADER, Credentials
from ingest.http_server import CLIENT_NAMES
from ingest.problems import problem
from ingest.tally import Tally

_OPEN = ("/healthz", "/readyz")
_ADMIN = ("/v1/backup", "/v1/erase")
_LOOPBACK_NAMES = ("localhost", "127.0.0.1", "::1")
PRINCIPAL = "principal"
"""The key of a request's scope that holds its Principal."""


class Doors:
    """ASGI middleware: refuses rebound hosts, foreign origins, whoever has no right to a route, and control requests as a form."""

    def __init__(self, app: ASGIApp, credentials: Credentials, tally: Tally):
        self._app, self._credentials, self._tally = app, credentials, tally

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        refusal = self._refusal(scope) if scope["type"] == "http" else None
        await (refusal or self._app)(scope, receive, send)

    def _refusal(self, scope: Scope) -> Response | None:
        headers, path = Headers(scope=scope), scope["path"]
        if path in otlp_http.SIGNALS:
            return self._otlp_refusal(scope, headers)
        if (foreign := self._foreign(headers)) or path in _OPEN:
            return foreign
        return self._unwelcome(scope, headers) or (_form_refusal(headers) if path.startswith("/v1/") else None)

    def _foreign(self, headers: Headers) -> Response | None:
        access = self._credentials.access
        hosts, origins = (access.hosts, access.origins) if access else ((), ())
        if not _is_one(f"//{headers.get('host', '')}", (*hosts, *self._credentials.hosts)):
            return problem(421, "host-not-allowed", "This host name is not served here", "Use localhost, 127.0.0.1 or one of access.yaml.")
        if (origin := headers.get("origin")) and not _is_one(origin, origins):
            return problem(403, "origin-not-allowed", "Requests from this origin are refused", f"{origin} is not a page of loopledger.")
        return None

    def _unwelcome(self, scope: Scope, headers: Headers) -> Response | None:
        try:
            self._let_in(scope, headers, right_to(scope["path"]))
        except Unauthenticated as error:
            answer = problem(401, "unauthenticated", "The credential is missing or not good here", str(error))
            answer.headers["www-authenticate"] = "Bearer"
            return answer
        except Forbidden as error:
            return problem(403, "forbidden", "The credential is good, but not for this", str(error))
        return None

    def _otlp_refusal(self, scope: Scope, headers: Headers) -> Response | None:
        try:
            with self._tally.admission(otlp_http.SIGNALS[scope["path"]]):
                self._let_in(scope, headers, "ingest")
        except (Unauthenticated, Forbidden) as error:
            return otlp_http.refused(error, headers.get("content-type", ""))
        return None

    def _let_in(self, scope: Scope, headers: Headers, right: str) -> None:
        names = scope.get("state", {}).get(CLIENT_NAMES, ())
        scope[PRINCIPAL] = self._credentials.admit(headers.get("authorization", ""), names, right, headers.get(TENANT_HEADER))


def right_to(path: str) -> str:
    """The scope that a path wants."""
    if path in _ADMIN:
        return "admin"
    return "control" if path.startswith("/v1/") else "read"


def _form_refusal(headers: Headers) -> Response | None:
    """A page elsewhere can send a form without asking; it cannot send JSON."""
    has_body = headers.get("content-length", "0") != "0" or "transfer-encoding" in headers
    if has_body and headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        return problem(415, "json-only", "A control request carries JSON", "Send 'Content-Type: application/json'.")
    return None


def _is_one(url: str, names: Collection[str]) -> bool:
    try:
        return urlsplit(url).hostname in (*_LOOPBACK_NAMES, *names)
    except ValueError:
        return False
