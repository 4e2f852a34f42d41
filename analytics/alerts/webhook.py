"""Alerts to an HTTP receiver, signed so that it can tell they are ours: https://www.standardwebhooks.com.

The receiver is not trusted: no redirect is followed, no response body is read, and the whole exchange has one deadline.
"""

import asyncio
import base64
import json
import logging
import os
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Annotated, Any, Literal

import httpx
import standardwebhooks
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, HttpUrl, SecretStr, ValidationInfo, field_validator

from analytics.errors import Permanent, Retryable

TIMEOUT_SECONDS = 10.0
MAX_RETRY_AFTER_SECONDS = 86_400.0
"""No receiver silences its alerts for longer than a day."""

logging.getLogger("httpx").setLevel(logging.WARNING)  # its INFO line prints the whole URL, and query strings carry tokens


def _anonymous(url: HttpUrl) -> HttpUrl:
    if url.username or url.password:
        raise ValueError("must not hold a user or password: the signature says who sends")
    return url


def _from_file(path: Any, info: ValidationInfo) -> Any:
    if not isinstance(path, str):
        return path
    try:
        return _secret(((info.context or {}).get("directory", Path()) / path).read_text("utf-8"))
    except OSError as error:
        raise ValueError(f"names a file that cannot be read ({error.strerror})") from error
    except UnicodeDecodeError as error:
        raise ValueError("names a file that is no text") from error


def _from_environment(variable: Any) -> Any:
    if not isinstance(variable, str):
        return variable
    if variable not in os.environ:
        raise ValueError("names an environment variable that is not set")
    return _secret(os.environ[variable])


def _secret(text: str) -> str:
    secret = text.strip()
    encoded = secret.removeprefix("whsec_")
    try:
        key = base64.b64decode(encoded + "=" * (-len(encoded) % 4), validate=True)
    except ValueError:
        key = b""
    if not key:
        raise ValueError("leads to a text that is no webhook secret: it is whsec_ and 24 or more random bytes in base64")
    return secret


class Webhook(BaseModel):
    """A receiver of Standard Webhooks. The secret is read when the model is made, and never printed."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, use_attribute_docstrings=True, str_strip_whitespace=True, hide_input_in_errors=True
    )

    name: Annotated[str, Field(min_length=1)]
    """A text of its own; policies write it under notify."""
    type: Literal["webhook"] = "webhook"
    """webhook."""
    url: Annotated[HttpUrl, AfterValidator(_anonymous), Field(repr=False)]
    """Where to POST, http or https; not printed, since query strings carry tokens."""
    secret_file: Annotated[SecretStr | None, BeforeValidator(_from_file)] = None
    """Path of a file, relative to the config directory; holds what was in it. None means secret_env."""
    secret_env: Annotated[SecretStr | None, BeforeValidator(_from_environment), Field(validate_default=True)] = None
    """Name of an environment variable; holds what was in it. None means secret_file."""

    @field_validator("secret_env")
    @classmethod
    def _one_secret(cls, secret: SecretStr | None, info: ValidationInfo) -> SecretStr | None:
        if "secret_file" in info.data and (info.data["secret_file"] is None) == (secret is None):
            raise ValueError("and secret_file: give exactly one of the two")
        return secret

    @property
    def secret(self) -> SecretStr:
        """The signing key: `whsec_` and base64, or base64 alone."""
        return self.secret_file or self.secret_env


MODEL = Webhook


def send(channel: Webhook, message_id: str, body: dict[str, Any]) -> None:
    """POST `body` as JSON and return once the receiver answered 2xx. Blocks; call it outside an event loop.

    `message_id` is the same at every try, so that the receiver can drop repeats. Raises Retryable (no answer in time, 3xx, 408, 429, 5xx;
    `retry_after` says when the receiver wants the next try) or Permanent (any other 4xx; 410 means it wants no more).
    """
    payload = json.dumps(body, allow_nan=False, separators=(",", ":"))
    try:
        status, retry_after = asyncio.run(_post(str(channel.url), payload, _headers(channel, message_id, payload)))
    except (httpx.HTTPError, TimeoutError) as error:
        raise Retryable(f"webhook {channel.name!r}: no answer ({type(error).__name__})") from error
    if 200 <= status < 300:
        return
    if 400 <= status < 500 and status not in (408, 429):
        raise Permanent(f"webhook {channel.name!r} answered {status}")
    raise Retryable(f"webhook {channel.name!r} answered {status}", retry_after=_seconds(retry_after))


def _headers(channel: Webhook, message_id: str, payload: str) -> dict[str, str]:
    now = datetime.now(UTC)  # the library signs the wall clock digits of any other zone as if they were UTC
    return {
        "content-type": "application/json",
        "user-agent": "loopledger",
        "webhook-id": message_id,
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": standardwebhooks.Webhook(channel.secret.get_secret_value()).sign(message_id, now, payload),
    }


async def _post(url: str, payload: str, headers: dict[str, str]) -> tuple[int, str | None]:
    """Status and Retry-After. The deadline covers the exchange: httpx's timeouts begin anew with each byte that trickles in."""
    exchange = {"content": payload, "headers": headers, "timeout": None}
    async with asyncio.timeout(TIMEOUT_SECONDS), httpx.AsyncClient() as client, client.stream("POST", url, **exchange) as response:
        return response.status_code, response.headers.get("retry-after")


def _seconds(retry_after: str | None) -> float | None:
    """Retry-After, a number of seconds or an HTTP date, as seconds from now; None if absent or unreadable."""
    if retry_after is None:
        return None
    if retry_after.isascii() and retry_after.isdigit():
        return min(float(retry_after), MAX_RETRY_AFTER_SECONDS)
    try:
        at = parsedate_to_datetime(retry_after).replace(tzinfo=UTC)  # an HTTP date is always in GMT
    except (ValueError, OverflowError):
        return None
    return min(max((at - datetime.now(UTC)).total_seconds(), 0.0), MAX_RETRY_AFTER_SECONDS)
