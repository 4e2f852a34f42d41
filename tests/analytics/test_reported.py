"""What runtimes say beside ours."""

from decimal import Decimal

from bookkeeping import TENANT, Desk, call

from analytics.reports import REPORTS, Question


def ask(desk: Desk, *by: str):
    return REPORTS["reported"](desk.sources(), Question(TENANT, by=by))


def test_a_reported_cost_stands_beside_ours_of_the_same_calls(desk):
    desk.post(
        call("same", 4, runtime="exact", reported_usd=Decimal(4)),
        call("dearer", 8, runtime="guess", reported_usd=Decimal(9)),
        call("cheaper", 4, runtime="guess", reported_usd=Decimal("2.5"), minute=1),
        call("silent", 5, runtime="guess", minute=2),
        call("unknown price", 7, runtime="guess", reported_usd=Decimal(3), model_requested="lead", minute=3),
        call("quiet", 6, runtime="mute", minute=4),
    )
    assert ask(desk).rows() == [
        ("guess", 4, 3, 1, Decimal("14.5"), 2, Decimal("11.5"), 12, Decimal("-0.5"), Decimal("-4.2"), 5),
        ("exact", 1, 1, 0, 4, 1, 4, 4, 0, 0, 0),
        ("mute", 1, 0, 1, None, 0, None, None, None, None, 6),
    ]


def test_other_dimensions_sum_to_the_ledger_too(desk):
    desk.post(call("a", 4, loop="bump", reported_usd=Decimal(5)), call("b", 3, loop="bump", minute=1), call("c", 2, minute=2))
    rows = ask(desk, "loop", "model")
    assert rows.columns[:2] == ["loop", "model"]
    assert rows["cost_usd"].sum() + rows["unreported_usd"].sum() == 9


def test_a_corrected_report_counts_once(desk):
    desk.post(call("a", 4, response_id="r", trace="one", reported_usd=Decimal(5)))
    desk.post(call("a", 4, response_id="r", trace="one", reported_usd=Decimal(6), user="ada"))
    assert ask(desk).select("calls", "reported_calls", "reported_usd", "cost_usd").rows() == [(1, 1, 6, 4)]
