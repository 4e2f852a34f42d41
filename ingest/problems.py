"""Errors of the read and control API as problem+json (RFC 9457), each with a stable code."""

from starlette.responses import JSONResponse


def problem(status: int, code: str, title: str, detail: str = "") -> JSONResponse:
    """An error answer: `code` is stable and for programs, `title` and `detail` are for people."""
    body = {"type": f"urn:loopledger:problem:{code}", "status": status, "code": code, "title": title, "detail": detail}
    return JSONResponse(body, status, media_type="application/problem+json")
