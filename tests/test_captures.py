"""The judge: every recording against the bill of its provider. `python tests/test_captures.py --table` prints what came out.

Exact for each model and bucket. The only differences allowed are the faults of a recording's own telemetry, listed below with the proof
that what is missing stands nowhere in it.
"""

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))  # when it runs as a script

import pytest
from bodies import SAMPLES
from captures import (
    BUCKETS,
    FAULTS,
    FOLDERS,
    SPLITS,
    bill,
    carrying,
    carrying_split,
    fault,
    outcome,
    recorded,
    reported,
    said,
    told_of,
    total,
)

_README = SAMPLES / "README.md"


def models(folder: str) -> Iterator[tuple[str, dict | None, list[dict], list[dict]]]:
    """Each model with what the ledger says, the calls that telemetry tells of, and the calls that reported no usage."""
    rows = outcome(folder).by_model
    for model in sorted({call["model"] for call in bill(folder)} | set(rows)):
        calls = [call for call in told_of(folder) if call["model"] == model]
        yield model, rows.get(model), calls, [call for call in bill(folder) if call["model"] == model and not call["reported"]]


# The recordings


def test_every_recording_is_judged():
    folders = {path.name for path in SAMPLES.iterdir() if path.is_dir() and path.name != "config"}
    listed = {line.split("`")[1] for line in _README.read_text().splitlines() if line.startswith("| `")}
    assert folders == set(FOLDERS) == listed | {"weekend"}
    assert all(bill(folder) and recorded(folder) for folder in FOLDERS)
    assert set(FAULTS) <= set(FOLDERS)


@pytest.mark.parametrize("folder", FOLDERS)
def test_input_and_output_are_the_bills(folder: str):
    found = {model: (row or {}).get("input_tokens", None) for model, row, *_ in models(folder)}
    assert found == {model: total(calls)["input_tokens"] if calls else None for model, _, calls, _ in models(folder)}
    found = {model: (row or {}).get("output_tokens", None) for model, row, *_ in models(folder)}
    assert found == {model: total(calls)["output_tokens"] if calls else None for model, _, calls, _ in models(folder)}


@pytest.mark.parametrize("folder", FOLDERS)
def test_splits_are_the_bills_or_null_where_no_record_carries_them(folder: str):
    for model, row, calls, _ in models(folder):
        for split in SPLITS:
            billed, found = total(calls)[split], row and row[split]
            if found is None:
                assert not billed or split in fault(folder).splits, (model, split)
            else:
                assert (model, split, found) == (model, split, billed)


@pytest.mark.parametrize("folder", FOLDERS)
def test_calls_are_the_bills(folder: str):
    known = {model: row["calls"] - row["unknown_calls"] if row else 0 for model, row, *_ in models(folder)}
    unknown = {model: row["unknown_calls"] if row else 0 for model, row, *_ in models(folder)}
    unreported = {model: len(calls) for model, *_, calls in models(folder)}
    assert sum(known.values()) == len(told_of(folder)) - fault(folder).merged
    assert all(known[model] <= len(calls) for model, _, calls, _ in models(folder))
    assert sum(unknown.values()) == sum(unreported.values()) - fault(folder).unseen
    assert all(unknown[model] <= unreported[model] for model in unknown)


@pytest.mark.parametrize("folder", FOLDERS)
def test_nothing_exceeds_the_bill(folder: str):
    for model, row, *_ in models(folder):
        billed = total(call for call in bill(folder) if call["model"] == model)
        assert {name: row[name] or 0 for name in BUCKETS if row and (row[name] or 0) > billed[name]} == {}


# What is excused


@pytest.mark.parametrize("folder", sorted(FAULTS))
def test_a_split_that_is_excused_stands_under_no_attribute(folder: str):
    assert [(split, carrying_split(folder, split, told_of(folder))) for split in fault(folder).splits] == [
        (split, []) for split in fault(folder).splits
    ]


@pytest.mark.parametrize("folder", sorted(FAULTS))
def test_the_tokens_of_a_call_that_is_excused_stand_in_no_span_and_in_no_log_record(folder: str):
    lost = [call for call in reported(folder) if fault(folder).lost(call)]
    assert carrying(folder, (call[name] for call in lost for name in ("input_tokens", "output_tokens")), signals=("traces", "logs")) == []


HARMLESS = {
    "logfire-openai": "its splits are read from JSON text",
    "vercel-ai-sdk-chat-grpc": "the call without a cache split had nothing cached",
    "vercel-ai-sdk-responses-http-json": "the call without a cache split had nothing cached",
}
"""What the samples' own page excuses and the ledger gets right all the same."""


def test_the_samples_page_excuses_the_same():
    rows = [line.split("|") for line in _README.read_text().splitlines() if line.startswith("| `")]
    excused = {folder.strip(" `") for _, folder, _, reason, _ in rows if reason.strip()}
    unseen = {folder for folder in FAULTS if fault(folder).unseen}  # no call of theirs is reported, so nothing is missing
    assert excused == (set(FAULTS) - unseen) | set(HARMLESS)


def test_the_calls_that_mastra_merges_stand_nowhere_by_themselves():
    """One span says what two calls of the maker came to."""
    calls = [call for call in bill("mastra-http-json") if call["agent"] == "maker"]
    assert carrying("mastra-http-json", (call[name] for call in calls for name in ("input_tokens", "output_tokens"))) == []
    assert carrying("mastra-http-json", [total(calls)["input_tokens"]])


def test_the_stream_that_was_killed_left_no_record():
    records = {one.record for one in said("claude-code-sigterm-mid-stream") if one.key == "request_id"}
    requests = {one.value for one in said("claude-code-sigterm-mid-stream") if one.key == "request_id"}
    assert ("claude_code.llm_request" in records, len(requests)) == (True, 1)


@pytest.mark.parametrize("folder", FOLDERS)
def test_the_ledger_says_what_is_missing_and_raises_no_other_alarm(folder: str):
    alarms = outcome(folder).findings.filter(severity="alarm")
    assert dict(alarms.select("finding", "tokens").iter_rows()) == fault(folder).findings


@pytest.mark.parametrize("folder", FOLDERS)
def test_calls_without_usage_are_a_finding(folder: str):
    unknown = sum(row["unknown_calls"] for row in outcome(folder).by_model.values())
    assert outcome(folder).findings.filter(finding="unknown")["calls"].sum() == unknown


# The table for a release note


def table() -> Iterator[str]:
    """One line for each recording: reported / billed of each bucket, and the fault that is excused."""
    yield f"| recording | calls | {' | '.join(name.removesuffix('_tokens') for name in BUCKETS)} | excused |"
    yield "|---|" + "---|" * (len(BUCKETS) + 2)
    for folder in FOLDERS:
        rows, billed = list(outcome(folder).by_model.values()), total(reported(folder))
        known = sum(row["calls"] - row["unknown_calls"] for row in rows)
        cells = [f"{known}/{len(reported(folder))}"]
        for name in BUCKETS:
            values = [row[name] for row in rows if row[name] is not None]
            cells.append(f"{sum(values) if values else '-'}/{billed[name]}")
        yield f"| {folder} | {' | '.join(cells)} | {fault(folder).reason} |"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Every recording against its provider's bill.")
    parser.add_argument("--table", action="store_true", required=True, help="print reported / billed of each bucket")
    parser.parse_args()
    print(*table(), sep="\n")
