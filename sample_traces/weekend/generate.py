"""The weekend that nobody watched, as OTLP: one trace export per run of the loop `nightly-dependency-bump`, and the bill.

Deterministic: the same seed writes the same bytes. `--check` compares the recorded files with a fresh generation.
"""

import argparse
import json
import random
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

FIRST = datetime(2026, 11, 13, 18, tzinfo=UTC)
END = datetime(2026, 11, 16, 8, tzinfo=UTC)
EVERY = timedelta(minutes=6)

ATTEMPTS = (3, 3, 4, 4, 5)
BACKOFF_MS = (6_000, 12_000, 20_000, 20_000, 20_000)
FAKE_PROMPT = '[{"role":"user","parts":[{"type":"text","content":"FAKE PROMPT: bump it"}]}]'
ALPHABET = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
INTERNAL, CLIENT = Span.SPAN_KIND_INTERNAL, Span.SPAN_KIND_CLIENT
USAGE = {
    "input_tokens": "gen_ai.usage.input_tokens",
    "output_tokens": "gen_ai.usage.output_tokens",
    "cache_read_tokens": "gen_ai.usage.cache_read.input_tokens",
    "cache_write_tokens": "gen_ai.usage.cache_write.input_tokens",
    "reasoning_tokens": "gen_ai.usage.reasoning.output_tokens",
}
"""A bill's measure -> the attribute that reports it. Input includes both cache measures, output includes reasoning."""


@dataclass(frozen=True)
class Agent:
    """Who acts, and the model that answers. `answers_as` heads the provider's response ids."""

    name: str
    role: str
    provider: str
    model: str
    served: str
    api: str
    answers_as: str


MAKER = Agent("bump-fixer", "maker", "anthropic", "claude-sonnet-4-5", "claude-sonnet-4-5-20250929", "anthropic", "msg_01")
CHECKER = Agent("bump-reviewer", "checker", "openai", "gpt-5-mini", "gpt-5-mini-2025-08-07", "chat", "chatcmpl-")


def weekend() -> Iterator["Run"]:
    """Every run in order of its start. They are six minutes apart and never overlap."""
    dice = random.Random("nightly-dependency-bump")
    for started in (FIRST + n * EVERY for n in range((END - FIRST) // EVERY)):
        run = Run(dice, started)
        run.play()
        yield run


@dataclass
class Run:
    """One run: its spans in the order they end, and what the providers bill for it."""

    dice: random.Random
    scheduled: datetime
    spans: list[dict[str, Any]] = field(default_factory=list)
    calls: list[dict[str, Any]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.trace_id = self.dice.randbytes(16)
        self.now_ms = int(self.scheduled.timestamp()) * 1000

    def play(self) -> None:
        """The maker tries to install, fails, backs off, tries again, gives up; the checker has nothing to accept."""
        root, started = self.dice.randbytes(8), self.passes(200, 2_500)
        cached = self.turn(root, 0)
        for backoff_ms in BACKOFF_MS[: self.dice.choice(ATTEMPTS)]:
            self.install(root)
            self.passes(backoff_ms, backoff_ms + 900)
            cached = self.turn(root, cached)
        self.review(root)
        self.act(MAKER, root, b"", started, self.calls, error="retries_exhausted")

    def passes(self, least_ms: int, most_ms: int) -> int:
        """Let time pass; the new time."""
        self.now_ms += self.dice.randint(least_ms, most_ms)
        return self.now_ms

    def turn(self, parent: bytes, cached: int) -> int:
        """A call of the maker. It reads what earlier turns wrote to the cache and adds the latest failure; the tokens cached now."""
        written = self.dice.randint(2_800, 3_500) if cached else self.dice.randint(9_400, 10_200)
        usage = {
            "input_tokens": cached + written + (self.dice.randint(40, 120) if cached else self.dice.randint(250, 450)),
            "output_tokens": self.dice.randint(480, 780),
            "cache_read_tokens": cached,
            "cache_write_tokens": written,
        }
        self.call(MAKER, parent, usage, {} if cached else {"gen_ai.input.messages": FAKE_PROMPT})
        return cached + written

    def install(self, parent: bytes) -> None:
        started = self.passes(20, 200)
        self.passes(3_000, 12_000)
        attributes = {
            "gen_ai.operation.name": "execute_tool",
            "gen_ai.tool.name": "install_dependencies",
            "gen_ai.tool.call.id": "toolu_01" + self.letters(22),
            "gen_ai.tool.call.arguments": '{"manifest":"pyproject.toml"}',
            "error.type": "mirror_login_refused",
        }
        self.span(self.dice.randbytes(8), parent, "execute_tool install_dependencies", started, attributes)

    def review(self, parent: bytes) -> None:
        own, started, output = self.dice.randbytes(8), self.passes(20, 200), self.dice.randint(500, 900)
        usage = {
            "input_tokens": self.dice.randint(5_200, 7_400),
            "output_tokens": output,
            "cache_read_tokens": self.dice.choice((0, 1024, 2048)),
            "reasoning_tokens": output * self.dice.randint(30, 50) // 100,
        }
        self.call(CHECKER, own, usage, {})
        self.act(CHECKER, own, parent, started, self.calls[-1:])

    def call(self, agent: Agent, parent: bytes, usage: dict[str, int], content: dict[str, str]) -> None:
        """A model call, as a span and on the bill. A measure that `usage` leaves out is one the provider does not report."""
        started = self.passes(20, 200)
        self.passes(3_000, 12_000)
        attributes = {
            "gen_ai.operation.name": "chat",
            "gen_ai.provider.name": agent.provider,
            "gen_ai.request.model": agent.model,
            "gen_ai.response.model": agent.served,
            "gen_ai.response.id": agent.answers_as + self.letters(22),
            **{USAGE[measure]: tokens for measure, tokens in usage.items()},
            **content,
        }
        self.span(self.dice.randbytes(8), parent, f"chat {agent.model}", started, attributes, kind=CLIENT)
        answer = {"api": agent.api, "status": 200, "streamed": False, "reported": True}
        bill = {measure: usage.get(measure, 0) for measure in USAGE}
        self.calls.append({"model": agent.model, "served": agent.served, "agent": agent.name, **answer, **bill})

    def act(self, agent: Agent, own: bytes, parent: bytes, started: int, calls: list[dict[str, Any]], *, error: str = "") -> None:
        """An agent span. It repeats the sum of the calls below it under the names that calls use."""
        attributes = {
            "gen_ai.operation.name": "invoke_agent",
            "gen_ai.agent.name": agent.name,
            "gen_ai.request.model": agent.model,
            "loopledger.role": agent.role,
            "gen_ai.usage.input_tokens": sum(call["input_tokens"] for call in calls),
            "gen_ai.usage.output_tokens": sum(call["output_tokens"] for call in calls),
        }
        self.passes(20, 200)
        self.span(own, parent, f"invoke_agent {agent.name}", started, attributes | ({"error.type": error} if error else {}))

    def span(
        self, own: bytes, parent: bytes, name: str, started_ms: int, attributes: dict[str, str | int], *, kind: int = INTERNAL
    ) -> None:
        """A span that ends now."""
        self.spans.append(
            {
                "trace_id": self.trace_id,
                "span_id": own,
                "parent_span_id": parent,
                "name": name,
                "kind": kind,
                "start_time_unix_nano": started_ms * 1_000_000,
                "end_time_unix_nano": self.now_ms * 1_000_000,
                "attributes": key_values(attributes),
                "status": {"code": Status.STATUS_CODE_ERROR} if "error.type" in attributes else {},
            }
        )

    def letters(self, count: int) -> str:
        return "".join(self.dice.choices(ALPHABET, k=count))

    def body(self) -> bytes:
        """The one request that exports the run, under the identity contract's resource attributes."""
        identity = {
            "service.name": "bump-runner",
            "service.instance.id": "bump-runner-1",
            "loopledger.loop": "nightly-dependency-bump",
            "loopledger.run.id": f"bump-{self.scheduled:%Y%m%dT%H%M%SZ}",
            "team.id": "payments",
            "user.id": "svc-bump",
        }
        scope = {"scope": {"name": "bump-runner", "version": "1.8.0"}, "spans": self.spans}
        resource = {"resource": {"attributes": key_values(identity)}, "scope_spans": [scope]}
        return ExportTraceServiceRequest(resource_spans=[resource]).SerializeToString()


def key_values(attributes: dict[str, str | int]) -> list[dict[str, Any]]:
    return [{"key": key, "value": {"int_value" if isinstance(value, int) else "string_value": value}} for key, value in attributes.items()]


def files(runs: list[Run]) -> dict[str, bytes]:
    """File name -> content, the bodies and their bill."""
    bodies = {f"{number:04}-traces.pb": run.body() for number, run in enumerate(runs, 1)}
    bill = {
        "runtime": "bump-runner, generated",
        "versions": {"bump-runner": "1.8.0"},
        "calls": [call for run in runs for call in run.calls],
    }
    return bodies | {"bill.json": json.dumps(bill, separators=(",", ":")).encode() + b"\n"}


def differences(written: dict[str, bytes], directory: Path) -> list[str]:
    """Names of files that are missing, left over or different in the directory."""
    recorded = {path.name: path.read_bytes() for pattern in ("*.pb", "bill.json") for path in directory.glob(pattern)}
    return sorted(name for name in written.keys() | recorded.keys() if written.get(name) != recorded.get(name))


def summary(runs: list[Run], size: int) -> str:
    totals: dict[str, Counter[str]] = {}
    for call in (call for run in runs for call in run.calls):
        totals.setdefault(call["model"], Counter()).update({"calls": 1} | {measure: call[measure] for measure in USAGE})
    lines = [f"{len(runs)} runs, {sum(len(run.calls) for run in runs)} calls, {sum(len(run.spans) for run in runs)} spans, {size} bytes"]
    lines += [f"{model}: " + ", ".join(f"{count} {what}" for what, count in counts.items()) for model, counts in totals.items()]
    return "\n".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--out", type=Path, default=Path(__file__).parent, metavar="DIR", help="where the files are; default: beside this one"
    )
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 and name the files that differ")
    options = parser.parse_args()
    runs = list(weekend())
    written = files(runs)
    if options.check:
        differing = differences(written, options.out)
        print("\n".join(f"differs: {name}" for name in differing) or "the recorded files agree", file=sys.stderr)
        return 1 if differing else 0
    options.out.mkdir(parents=True, exist_ok=True)
    for name, content in written.items():
        (options.out / name).write_bytes(content)
    print(summary(runs, sum(map(len, written.values()))))
    return 0


if __name__ == "__main__":
    sys.exit(main())
