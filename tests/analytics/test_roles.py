"""Maker and checker: who spent what, how long it took, and that nothing is left out."""

from datetime import timedelta
from decimal import Decimal

import pytest
from bookkeeping import TENANT, Desk, at, call, span
from hypothesis import given, settings
from hypothesis import strategies as st

from analytics.reports import DIMENSIONS, REPORTS, Question

STORY = (
    call("draft", 9, trace="night", loop="bump", role="maker", minute=1, reasoning_tokens=2),
    call("again", 4, trace="night", loop="bump", role="maker", minute=2, cache_read_tokens=2),
    call("review", 6, trace="night", loop="bump", role="checker", minute=3),
    span("lift", trace="night", loop="bump", role="checker", kind="sandbox", tool="crane", minute=4),
    span("hoist", trace="noon", loop="bump", role="maker", kind="tool", tool="crane", minute=5),
    call("nobody's", 5, trace="noon", loop="bump", minute=6),
    call("blind", None, trace="day", loop="sync", role="checker", minute=700),
    call("plain", 3, trace="day", loop="sync", role="maker", minute=701, started_at=at(700)),
)


@pytest.fixture(scope="module")
def desk(tmp_path_factory):
    desk = Desk(tmp_path_factory.mktemp("roles"))
    desk.post(*STORY)
    yield desk
    desk.close()


def ask(desk: Desk, *by: str, **said):
    return REPORTS["roles"](desk.sources(), Question(TENANT, by=by, **said))


def test_each_loop_has_a_row_for_each_role_dearest_first(desk):
    rows = ask(desk).select("loop", "role", "calls", "unknown_calls", "input_tokens", "output_tokens", "duration_ms", "cost_usd")
    assert rows.rows() == [
        ("bump", "maker", 3, 0, 15, 2, 6000, Decimal("17.5")),
        ("bump", "checker", 2, 0, 6, 0, 4000, Decimal("6.5")),
        ("bump", "unattributed", 1, 0, 5, 0, 2000, 5),
        ("sync", "maker", 1, 0, 3, 0, 60_000, 3),
        ("sync", "checker", 1, 1, None, None, 2000, None),
    ]


def test_models_tools_and_sandboxes_cost_apart_and_unknown_is_not_nothing(desk):
    rows = ask(desk).select("loop", "role", "model_usd", "tool_usd", "sandbox_usd").rows()
    assert rows == [
        ("bump", "maker", 17, Decimal("0.5"), 0),
        ("bump", "checker", 6, 0, Decimal("0.5")),
        ("bump", "unattributed", 5, 0, 0),
        ("sync", "maker", 3, 0, 0),
        ("sync", "checker", None, 0, 0),
    ]


def test_shares_are_of_the_cost_of_all_roles_there_and_unknown_while_the_checkers_are(desk):
    assert ask(desk).select("loop", "role", "cost_share", "checker_share").rows() == [
        ("bump", "maker", Decimal("0.6034"), Decimal("0.2241")),
        ("bump", "checker", Decimal("0.2241"), Decimal("0.2241")),
        ("bump", "unattributed", Decimal("0.1724"), Decimal("0.2241")),
        ("sync", "maker", 1, None),
        ("sync", "checker", None, None),
    ]


def test_every_run_has_its_roles(desk):
    rows = ask(desk, "run").filter(run="night").select("run", "role", "cost_usd", "checker_share").rows()
    assert rows == [("night", "maker", 17, Decimal("0.2766")), ("night", "checker", Decimal("6.5"), Decimal("0.2766"))]


def test_the_role_itself_may_be_asked_for(desk):
    assert ask(desk, "role").select("role", "cost_usd").rows() == [
        ("maker", Decimal("20.5")),
        ("checker", Decimal("6.5")),
        ("unattributed", 5),
    ]


def test_a_call_told_twice_takes_its_time_once(opened):
    desk = opened()
    desk.post(call("gateway", 5, response_id="r", trace="one", cache_read_tokens=0), call("sdk", 5, response_id="r", trace="two"))
    desk.post(call("sdk", 5, response_id="r", trace="two", role="checker", started_at=at(0) - timedelta(seconds=9)))
    assert ask(desk).select("role", "calls", "cost_usd").rows() == [("checker", 1, 5)]
    assert ask(desk)["duration_ms"].item() in (2000, 9000)


@settings(max_examples=20)
@given(by=st.lists(st.sampled_from(DIMENSIONS), max_size=3, unique=True), cut=st.sampled_from([None, 2, 5, 701]))
def test_the_rows_sum_to_the_ledger(desk, by, cut):
    rows = ask(desk, *by, until=cut and at(cut))
    before = f"happened_at < timestamp '{at(cut or 9999)}'"
    assert (rows["calls"].sum(), rows["cost_usd"].sum()) == desk.rows(f"select sum(calls), sum(cost_usd) from charges where {before}")[0]
    for kind in ("model", "tool", "sandbox"):
        spent = desk.rows(f"select coalesce(sum(cost_usd), 0) from charges where {before} and call_kind = '{kind}'")[0][0]
        assert rows[f"{kind}_usd"].sum() == spent
