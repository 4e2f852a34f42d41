"""Every error loopledger raises on purpose.

LoopledgerError
  ConfigError          the config directory is wrong; says every place at once
  Retryable            the same bytes may succeed later (a store is busy)         -> UNAVAILABLE, 503
    QueueFull          too much waits, of everybody together                      -> UNAVAILABLE, 503
    RateLimited        too much waits of this one tenant                          -> RESOURCE_EXHAUSTED with RetryInfo, 429
    TooSlow            the body was not there in time                             -> UNAVAILABLE, 503
  Permanent            the same bytes will always fail (not OTLP, too large)      -> INVALID_ARGUMENT, 400
    TooLarge           over a size limit, before or after decompression           -> RESOURCE_EXHAUSTED, 413
    Unauthenticated    nobody known asks                                          -> UNAUTHENTICATED, 401
    Forbidden          somebody known asks for what is not his                    -> PERMISSION_DENIED, 403
  StoreError           a store cannot be used: locked, of another version, or less than it acknowledged
"""

from dataclasses import dataclass


class LoopledgerError(Exception):
    """Base of all errors loopledger raises on purpose; its text is meant for the user."""

    reason = "failed"
    """One word for counters."""


@dataclass(frozen=True, order=True)
class Problem:
    """One thing wrong in a config directory."""

    file: str
    line: int
    column: int
    message: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}: {self.message}"


class ConfigError(LoopledgerError):
    """A config directory that cannot be used; `problems` holds every reason, in file order."""

    def __init__(self, problems: list[Problem]):
        self.problems = sorted(problems)
        super().__init__("\n".join(map(str, self.problems)))


class Retryable(LoopledgerError):
    """The same request may succeed later."""

    reason = "not_stored"

    def __init__(self, *args: object, retry_after: float | None = None):
        super().__init__(*args)
        self.retry_after = retry_after
        """Seconds the other side asked to wait; None means it did not say."""


class QueueFull(Retryable):
    """So much is on its way that nothing more is taken for the moment."""

    reason = "queue_full"


class RateLimited(Retryable):
    """So much of one tenant is on its way that it has to leave room for others."""

    reason = "rate_limited"


class TooSlow(Retryable):
    """The request took longer to come than anybody waits."""

    reason = "too_slow"


class Permanent(LoopledgerError):
    """The same request will always fail."""

    reason = "malformed"

    def __init__(self, *args: object, field: str = "body"):
        super().__init__(*args)
        self.field = field
        """What of the request does not fit: the path of a value, a header, or the body as a whole."""


class TooLarge(Permanent):
    """The request is over a size limit."""

    reason = "too_large"


class Unauthenticated(Permanent):
    """Without a good credential nothing is answered."""

    reason = "unauthenticated"


class Forbidden(Permanent):
    """The credential is good, and not for this."""

    reason = "forbidden"


class StoreError(LoopledgerError):
    """A store on disk cannot be used as it is; the text says which and what to do."""
