"""The conformance list: 47 numbered statements about OTLP, each a test of its number, and what came of them.

    python tests/statements.py [NUMBER ...]

prints number, statement and verdict, of these or of all; exits 1 when one does not hold. The tests are in tests/conformance.
"""

import contextlib
import io
import re
import sys
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest

PLACE = Path(__file__).parent / "conformance"
STATEMENTS = {
    1: "gRPC export answers OK with an empty response",
    2: "HTTP with protobuf answers 200, a response in protobuf and its content type",
    3: "HTTP with JSON answers 200, {} and its content type",
    4: "protobuf and JSON on one port, told apart by content type",
    5: "parameters and case of a content type do not matter",
    6: "a missing or unknown content type is 415",
    7: "another method is 405, an unknown path 404",
    8: "logs and metrics have paths of their own; logs sent to the path of traces are 400",
    9: "a request without records is a success and stores nothing",
    10: "gzip works over gRPC and HTTP, in any case of its name",
    11: "a body that is not the gzip it claims is 400, several members are one body",
    12: "an unknown encoding is 415 and never read as none",
    13: "zstd works over HTTP within a window of 8 MiB; over gRPC it is refused for good",
    14: "a body of the limit is taken, one byte more is 413; a wrong length hurts nobody; a body may come without its length",
    15: "a bomb over HTTP is 413 and memory stays bounded",
    16: "a bomb over gRPC is RESOURCE_EXHAUSTED without RetryInfo and memory stays bounded",
    17: "an answer stays small whatever was left out",
    18: "slow headers and bodies end, and connections are capped",
    19: "200 concurrent calls make progress; streams are capped; cancelled ones leave nothing behind",
    20: "a flood of pings gets GOAWAY, normal keepalive works, old connections are rebalanced",
    21: "a stop answers what is in flight, and nothing acknowledged is lost",
    22: "ids in JSON are hex in any case, and the same as in protobuf",
    23: "an id that is none leaves out its span alone, and is counted",
    24: "an enum is a number, an unknown one is kept, a name is refused",
    25: "64-bit integers are exact as number and as string; beyond them is 400",
    26: "snake_case keys are unknown fields",
    27: "unknown fields are ignored at every level",
    28: "values of any kind are taken, 40 deep; 60 deep is 400",
    29: "of duplicate attribute keys the first holds",
    30: "invalid UTF-8 and lone surrogates are 400; NUL and a key of a megabyte are data",
    31: "of duplicate object keys the last holds, null is unset, a byte order mark is skipped, a trailing comma is 400",
    32: "any request lands as the same rows whichever way it comes",
    33: "a mutated body is read or refused, never an error of ours",
    34: "one bad span among 100 is left out alone, counted and told",
    35: "a request of nothing but bad spans is a success that counts them all",
    36: "what cannot be decoded is 400 with a BadRequest, and not to be sent again",
    37: "while nothing can be stored the answer is 503 with Retry-After, or UNAVAILABLE with RetryInfo, and it goes on afterwards",
    38: "a tenant over its rate gets 429, others pass",
    39: "a missing credential is 401, a wrong scope 403, before the body is read",
    40: "an error is a google.rpc.Status in the request's encoding",
    41: "a request sent again is stored once; other content under the same ids is a revision, by a rule and counted",
    42: "spans in any order give the same runs and sums",
    43: "absurd times are taken and move no budget's window",
    44: "no page of another origin is let in unless it is configured",
    45: "real exporters arrive, once, also through a 503 with Retry-After",
    46: "what is taken but suspicious is told, with nothing left out",
    47: "the collector's own counts add up to what was sent",
}
OPEN: dict[int, str] = {}
"""Statements that no test holds yet, with the reason."""
_BOMB = "test_bombs.py::test_a_bomb_is_answered_and_hurts_nobody"
ELSEWHERE = {
    15: (f"{_BOMB}[gzip_bomb]", f"{_BOMB}[zstd_bomb]", f"{_BOMB}[large_bodies]"),
    16: (f"{_BOMB}[grpc_gzip_bomb]", f"{_BOMB}[large_calls]"),
    18: (f"{_BOMB}[slow_heads]", f"{_BOMB}[slow_bodies]", f"{_BOMB}[idle_http]"),
    19: (f"{_BOMB}[resets]", f"{_BOMB}[cancels]", f"{_BOMB}[valid_load]"),
    20: (f"{_BOMB}[pings]", f"{_BOMB}[idle_grpc]"),
    47: ("test_sums.py::test_metrics_add_up_to_what_was_sent",),
}
"""Statements whose tests have other names, below tests."""
EXCEPTIONS = {
    13: "over gRPC zstd is INTERNAL instead of UNIMPLEMENTED: gRPC's own core answers before anybody is asked (grpc/grpc#36770)",
    45: "JavaScript over gRPC without a retry: its exporter has none; the Collector's own exporters are Go, and not among the tests",
}
"""Where a statement holds in another form, and why."""
_NAMED = re.compile(r"^def test_(\d\d)_", re.MULTILINE)


def numbered() -> dict[int, list[str]]:
    """The files that hold tests of each number."""
    found = defaultdict(list)
    for path in sorted(PLACE.glob("test_*.py")):
        for number in _NAMED.findall(path.read_text()):
            found[int(number)].append(path.name)
    return dict(found) | {number: list(tests) for number, tests in ELSEWHERE.items()}


class _Verdicts:
    """A plugin that keeps what came of the tests of each number."""

    def __init__(self):
        self.outcomes: dict[int, list[tuple[str, str]]] = defaultdict(list)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        number = _number(report.nodeid)
        if number and (report.when == "call" or not report.passed):
            reason = report.longrepr[2].removeprefix("Skipped: ") if report.skipped else ""
            self.outcomes[number].append((report.outcome, reason))

    def of(self, number: int) -> str:
        """Green with the count of tests, or what is wrong or missing."""
        if number in OPEN:
            return f"open: {OPEN[number]}"
        outcomes = self.outcomes[number]
        counts = {kind: sum(outcome == kind for outcome, _ in outcomes) for kind in ("passed", "failed", "skipped")}
        if counts["failed"] or not counts["passed"]:
            return f"DOES NOT HOLD: {counts['failed']} of {len(outcomes)} fail"
        why = "; ".join(sorted({reason for outcome, reason in outcomes if outcome == "skipped"}))
        said = f"holds ({counts['passed']} tests)" + (f", {counts['skipped']} skipped: {why}" if why else "")
        return f"{said}; exception: {EXCEPTIONS[number]}" if number in EXCEPTIONS else said


def _number(test: str) -> int | None:
    """Of which statement a test is."""
    named = re.search(r"::test_(\d\d)_", test)
    return int(named[1]) if named else next((number for number, names in ELSEWHERE.items() if test.endswith(names)), None)


def lines(numbers: list[int]) -> Iterator[str]:
    """The table, after the tests have run."""
    verdicts, only = _Verdicts(), " or ".join(f"test_{number:02}_" for number in numbers)
    elsewhere = [str(PLACE.parent / test) for number in numbers for test in ELSEWHERE.get(number, ())]
    for tests in (["-k", only, str(PLACE)], elsewhere):
        if tests:
            with contextlib.redirect_stdout(io.StringIO()):
                pytest.main(["-n0", *tests], plugins=[verdicts])
    for number in numbers:
        yield f"| {number} | {STATEMENTS[number]} | {verdicts.of(number)} |"


def main() -> int:
    """Prints the table; 1 when a statement does not hold."""
    numbers, fails = [int(word) for word in sys.argv[1:]] or list(STATEMENTS), False
    print("| no | statement | verdict |\n|---|---|---|")
    for line in lines(numbers):
        print(line, flush=True)
        fails |= "DOES NOT HOLD" in line
    return int(fails)


if __name__ == "__main__":
    sys.exit(main())
