"""Who may speak to which door: hosts, origins and the control token. Without access.yaml everything listens on loopback only."""

import hmac
import ipaddress
import os
import secrets
from pathlib import Path
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from analytics.errors import LoopledgerError
from ingest.problems import problem

DEFAULT_TENANT = "default"
_OTLP = ("/v1/traces", "/v1/logs", "/v1/metrics")
_LOOPBACK_NAMES = {"localhost", "127.0.0.1", "::1"}


class AccessError(LoopledgerError):
    """An address that may not be listened on without credentials."""


def require_loopback(address: str) -> None:
    """Raises AccessError for HOST:PORT that others than this machine could reach."""
    host = address.rpartition(":")[0].strip("[]")
    if host != "localhost" and not _is_loopback(host):
        raise AccessError(
            f"{address} can be reached from other machines: without credentials loopledger listens on loopback only, such as 127.0.0.1"
        )


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def control_token(directory: Path) -> str:
    """The token of the control routes, made at first use and readable by its owner alone."""
    path, part = directory / "token", directory / "token.part"
    if not path.exists() or not path.read_text().strip():
        part.unlink(missing_ok=True)
        descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(secrets.token_urlsafe(32))
        part.replace(path)  # there is never a token file without a token, which any caller could show
    return path.read_text().strip()


class Doors:
    """ASGI middleware: refuses rebound hosts, foreign origins, and control requests without the token or as a form."""

    def __init__(self, app: ASGIApp, token: str):
        self._app, self._token = app, token

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        refusal = self._refusal(scope) if scope["type"] == "http" else None
        await (refusal or self._app)(scope, receive, send)

    def _refusal(self, scope: Scope):
        headers, path = Headers(scope=scope), scope["path"]
        if path in _OTLP:
            return None
        if _name(f"//{headers.get('host', '')}") not in _LOOPBACK_NAMES:
            return problem(421, "host-not-allowed", "This host name is not served here", "Use localhost or 127.0.0.1.")
        if (origin := headers.get("origin")) and _name(origin) not in _LOOPBACK_NAMES:
            return problem(403, "origin-not-allowed", "Requests from this origin are refused", f"{origin} is not a page of loopledger.")
        if path.startswith("/v1/"):
            return self._control_refusal(headers)
        return None

    def _control_refusal(self, headers: Headers):
        scheme, _, token = headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not hmac.compare_digest(token.strip().encode(), self._token.encode()):
            return problem(
                401, "unauthenticated", "The control token is missing or wrong", "Send 'Authorization: Bearer' with the text of DIR/token."
            )
        has_body = headers.get("content-length", "0") != "0" or "transfer-encoding" in headers
        if has_body and headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
            return problem(415, "json-only", "A control request carries JSON", "Send 'Content-Type: application/json'.")
        return None


def _name(url: str) -> str | None:
    try:
        return urlsplit(url).hostname
    except ValueError:
        return None
