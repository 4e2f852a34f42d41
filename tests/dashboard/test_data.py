"""The seam to the collector: exact columns in, errors that a person can read."""

from datetime import datetime

import polars as pl
import pytest

from dashboard import data


@pytest.fixture(autouse=True)
def _collector(monkeypatch, filled):
    monkeypatch.setenv("LOOPLEDGER_COLLECTOR", f"{filled}/")


def test_money_arrives_as_exact_decimals_and_times_in_utc():
    runs = data.report("runs", limit=1).rows
    assert runs.schema["cost_usd"] == pl.Decimal(38, 9)
    assert runs.schema["started_at"] == pl.Datetime("us")


def test_an_answer_says_when_the_collector_is_and_where_its_lists_go_on():
    answer = data.report("runs", limit=1)
    assert answer.now == answer.last_record_at
    assert answer.now.replace(microsecond=0) == datetime(2026, 11, 22, 14, 7, 6)
    assert answer.next_cursor == "1"
    assert data.report("runs", limit=1, cursor="1").rows["run"][0] != answer.rows["run"][0]


def test_words_without_a_value_are_left_out_and_lists_are_repeated():
    either = data.report("spend", by="loop", loop=["nightly-dependency-bump", "unattributed"], team=[], to=None).rows
    assert either["loop"].to_list() == ["nightly-dependency-bump", "unattributed"]


def test_a_report_that_does_not_exist_is_an_error_with_the_collectors_words():
    with pytest.raises(data.CollectorError) as refused:
        data.report("nonsense")
    assert refused.value.title == "There is no report 'nonsense'"
    assert "spend" in refused.value.detail


def test_who_is_refused_is_told_how_to_be_let_in(monkeypatch, guarded):
    monkeypatch.setenv("LOOPLEDGER_COLLECTOR", guarded)
    with pytest.raises(data.CollectorError) as refused:
        data.report("spend")
    assert "revoked or expired. Make a token there with loopledger token create" in refused.value.detail


def test_something_else_that_answers_is_no_collector(monkeypatch, filled):
    monkeypatch.setenv("LOOPLEDGER_COLLECTOR", f"{filled}/healthz?")
    with pytest.raises(data.CollectorError):
        data.report("spend")


def test_a_collector_that_is_down_has_no_commit(monkeypatch):
    assert data.commit() > 0
    monkeypatch.setenv("LOOPLEDGER_COLLECTOR", "http://127.0.0.1:1")
    assert data.commit() is None
