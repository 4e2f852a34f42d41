import pytest
from bookkeeping import call, frame, span

from analytics.usage import best_revisions
from analytics.usage.told import comparable, has_usage, input_tokens, output_tokens, says_usage


@pytest.mark.parametrize(
    ("lower", "higher"),
    [
        pytest.param(call("a", 9, ended_at=None), call("a", None), id="ended over open"),
        pytest.param(call("a", None, agent="x", team="y", tool="z"), call("a", 1), id="usage over many attributes"),
        pytest.param(call("a", 1), call("a", 1, agent="x"), id="more attributes over fewer"),
        pytest.param(call("a", 1, content_hash=7), call("a", 1, content_hash=8), id="else the greater hash"),
    ],
)
def test_the_greatest_revision_stands_whatever_came_first(lower, higher):
    for spans in ((lower, higher), (higher, lower)):
        assert best_revisions(frame(*spans)).rows() == frame(higher).rows()


def test_records_of_different_keys_all_stand():
    assert best_revisions(frame(call("a"), call("b"), call("a"))).height == 2


@pytest.mark.parametrize(
    ("one", "has", "tokens"),
    [
        pytest.param(span("a"), False, (0, 0, 0), id="nothing said"),
        pytest.param(span("a", input_uncached_tokens=0), True, (0, 0, 0), id="a zero is said"),
        pytest.param(span("a", cache_read_tokens=2, cache_write_1h_tokens=3, output_text_tokens=4), True, (5, 4, 4), id="cached is input"),
        pytest.param(span("a", output_text_tokens=4, reasoning_tokens=6), True, (0, 10, 10), id="reasoning is output"),
        pytest.param(span("a", output_text_tokens=4, reasoning_tokens=6, reasoning_apart=True), True, (0, 10, 4), id="compared without it"),
    ],
)
def test_what_a_record_says_of_tokens(one, has, tokens):
    records = frame(one)
    assert records.select(has=has_usage(), input=input_tokens(), output=output_tokens()).row(0) == (has, *tokens[:2])
    assert (says_usage(records)[0], *(of_all[0] for of_all in comparable(records))) == (has, tokens[0], tokens[2])
