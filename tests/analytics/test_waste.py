"""What came to nothing: each dollar by one reason, and what is not known to be waste is said so."""

from datetime import timedelta
from decimal import Decimal

from bookkeeping import MONDAY, TENANT, Desk, at, call, log, policy, span
from hypothesis import given, settings
from hypothesis import strategies as st

from analytics.config import Threshold
from analytics.reports import DIMENSIONS, REPORTS, Question
from analytics.reports.waste import REASONS


def ask(desk: Desk, *by: str, now=None, **said):
    return REPORTS["waste"](desk.sources(now), Question(TENANT, by=by, **said))


def reasons(desk: Desk, now=None) -> dict[str, Decimal]:
    return dict(ask(desk, now=now).select("reason", "cost_usd").iter_rows())


def run(name: str, *calls: dict, failed: bool = False) -> list[dict]:
    """A run of an agent: its calls below one root."""
    root = span("root", kind="agent", agent="maker", trace=name, failed=failed, minute=9)
    return [root, *calls]


def inside(name: str, usd: int | None, trace: str, minute: float = 1, **said) -> dict:
    return call(name, usd, trace=trace, parent="root", minute=minute, **said)


def test_a_run_that_ends_well_is_not_waste(desk):
    desk.post(*run("good", inside("a", 3, "good")))
    assert reasons(desk, at(60)) == {"not waste": 3}


def test_all_that_a_failed_run_spent_is_waste(desk):
    desk.post(*run("bad", inside("a", 3, "bad"), span("lift", kind="tool", tool="crane", trace="bad", parent="root"), failed=True))
    assert reasons(desk) == {"failed run": Decimal("3.5")}


def test_a_call_that_failed_and_the_retry_behind_it_are_reasons_of_their_own(desk):
    calls = [inside("a", 3, "x", 1, failed=True), inside("b", 4, "x", 2), inside("c", 5, "x", 3)]
    desk.post(*run("x", *calls, failed=True))
    assert reasons(desk) == {"failed call": 3, "retry": 4, "failed run": 5}


def test_an_attempt_that_nobody_bills_is_followed_by_a_retry(desk):
    desk.post(*run("x", inside("a", None, "x", 1, failed=True, error_type="529"), inside("b", 4, "x", 2), inside("c", 5, "x", 3)))
    assert reasons(desk) == {"retry": 4, "not waste": 5}


def test_a_call_of_another_model_or_agent_is_no_retry(desk):
    failed = inside("a", None, "x", 1, failed=True, agent="maker")
    others = [inside("b", 4, "x", 2, agent="checker"), inside("c", 5, "x", 3, agent="maker", model_requested="pewter")]
    desk.post(*run("x", failed, *others))
    assert reasons(desk) == {"not waste": 4}
    assert ask(desk)["calls"].sum() == 2


def test_a_run_that_was_stopped_is_waste_once_the_order_has_arrived(opened):
    desk = opened(policy(per="loop", limit_usd="2", thresholds=(Threshold(percent=100, action="stop"),)))
    desk.watch(call("a", 3, trace="x", loop="bump"), call("b", 1, trace="y", loop="other"))
    assert set(ask(desk)["reason"]) == {"not waste"}
    desk.signals.delivered(desk.control.signals_after(TENANT, 0), "otlp", at(2))
    assert ask(desk).select("loop", "reason", "runs", "cost_usd", "cost_share").rows() == [
        ("bump", "stopped run", 1, 3, 1),
        ("other", "not waste", 1, 1, 1),
    ]


def test_a_run_whose_root_never_came_is_abandoned_once_it_is_silent(desk):
    desk.post(inside("a", 3, "x"))
    assert [reasons(desk, at(minute)) for minute in (16, 16.1)] == [{"not waste": 3}, {"abandoned run": 3}]


def test_a_run_with_a_span_that_never_ended_is_abandoned(desk):
    desk.post(span("root", kind="agent", trace="x", ended_at=None, started_at=at(0)), inside("a", 3, "x"))
    assert reasons(desk, at(60)) == {"abandoned run": 3}
    desk.post(span("root", kind="agent", trace="x", minute=2))
    assert reasons(desk, at(60)) == {"not waste": 3}


def test_a_run_that_has_no_root_to_wait_for_is_not_said_to_be_abandoned(desk):
    desk.post(call("a", 3, run="x"), log("b", 4, trace_id=None, run="y", minute=1))
    assert reasons(desk, at(60)) == {"not waste": 7}


MINUTES = st.integers(-3000, 3000)
CALLS = st.lists(
    st.tuples(
        MINUTES, st.integers(0, 4), st.sampled_from([None, 1, 7]), st.booleans(), st.sampled_from(["gold", "nobody's"]), st.booleans()
    ),
    max_size=20,
)


@settings(max_examples=20)
@given(calls=CALLS, failed=st.booleans(), by=st.lists(st.sampled_from(DIMENSIONS), max_size=3, unique=True))
def test_each_dollar_has_one_reason(tmp_path_factory, calls, failed, by):
    desk = Desk(tmp_path_factory.mktemp("waste"))
    try:
        spans = [span("root", kind="agent", trace="0", minute=3000, failed=failed)]
        for number, (minute, run, usd, broke, model, has_root) in enumerate(calls):
            said = {"trace": f"{run}", "parent": "root" if has_root else None, "minute": minute, "failed": broke, "model_requested": model}
            spans.append(call(f"{number}", usd, **said))
        desk.post(*spans)
        for since, until in ((None, None), (MONDAY, MONDAY + timedelta(days=1))):
            rows, asked = ask(desk, *by, since=since, until=until), Question(TENANT, since=since, until=until, by=tuple(by))
            spent = REPORTS["spend"](desk.sources(), asked)
            assert (rows["calls"].sum(), rows["cost_usd"].sum()) == (spent["calls"].sum(), spent["cost_usd"].sum())
            assert set(rows["reason"]) <= set(REASONS)
            assert not rows.select(*(by or ["loop"]), "reason").is_duplicated().any()
    finally:
        desk.close()
