"""What leaves after its time, and that nothing is counted twice for it."""

from datetime import timedelta
from functools import partial

import pytest
from bookkeeping import MONDAY, Desk, call, evidence, point, span

from analytics.config import Retention, retention_of
from analytics.evidence import Part
from analytics.retention import expire
from analytics.verification import adding_up

DAY = timedelta(days=1)
KEPT = partial(retention_of, (Retention(tenant="*", evidence_days=30, record_days=400),))
SAID = evidence((Part.ATTRIBUTE, 0, "a", "text"))


@pytest.fixture
def desk(tmp_path):
    desk = Desk(tmp_path)
    yield desk
    desk.close()


def expired(desk: Desk, days: float) -> tuple[int, int]:
    """Records and blobs that are gone so many days after Monday."""
    gone = list(expire(desk.books, KEPT, MONDAY + days * DAY))
    return sum(one.records for one in gone), sum(one.evidence for one in gone)


def money(desk: Desk) -> tuple:
    (row,) = desk.rows("select sum(calls), sum(cost_usd), count(*) from charges")
    return row


def counts(desk: Desk) -> tuple[int, int, int]:
    return tuple(desk.rows(f"select count(*) from {table}")[0][0] for table in ("records", "evidence", "links"))


def test_evidence_leaves_after_a_month_and_records_after_a_year_and_money_never(desk):
    desk.post(call("a", 3), span("root"), attributes=SAID)
    before = money(desk)
    assert expired(desk, 29) == (0, 0)
    assert expired(desk, 31) == (0, 1)
    assert expired(desk, 399) == (0, 0)
    assert expired(desk, 401) == (2, 0)
    assert counts(desk) == (0, 0, 1)
    assert money(desk) == before


def test_it_is_on_record_and_the_ledger_still_adds_up(desk):
    desk.post(call("a", 3), attributes=SAID)
    expired(desk, 500)
    row = desk.rows("select kind, who, through_commit, removed_records, removed_evidence, calls, delta_usd from operations")
    assert row == [("expiry", "loopledger", 1, 1, 1, 0, 0)]
    assert all(verdict.holds for verdict in adding_up(desk.ledger))


def test_a_repeat_after_its_record_has_expired_is_known(tmp_path):
    desk, came = Desk(tmp_path), [call("a", 3, response_id="r"), span("sum", kind="agent", input_uncached_tokens=3, output_text_tokens=0)]
    desk.post(*came)
    before = money(desk)
    expired(desk, 500)
    assert desk.post(*came).repeated == 2
    desk.close()
    desk = Desk(tmp_path)  # and after a restart
    assert desk.post(*came).repeated == 2
    assert (desk.settle(), money(desk), counts(desk)[0]) == (None, before, 0)
    desk.close()


def test_what_never_came_is_counted_however_late(desk):
    desk.post(call("a", 3))
    expired(desk, 500)
    desk.post(call("b", 4, trace="another"))
    assert money(desk)[:2] == (2, 7)


def test_points_leave_before_the_calls_that_they_count_too(desk):
    desk.post(call("a", 3, process="p", minute=1))
    desk.post(point("p", 3, "input", process="p", minute=2))
    before = money(desk)
    assert expired(desk, 399) == (1, 0) or counts(desk)[0] == 1
    desk.post(point("q", 0, "input", process="p", minute=3))
    list(desk.books.recount_points(desk.now))
    desk.settle()
    assert money(desk)[:2] == before[:2]


def test_a_recount_leaves_alone_what_may_have_lost_its_neighbours(desk):
    desk.post(call("a", 3))
    desk.now += 400 * DAY
    desk.post(call("b", 3, minute=60 * 24 * 400, parent="root"))
    expired(desk, 401)
    commits = desk.ledger.query("queries/record_commits", edge=2 * DAY)
    assert commits["commit_no"].to_list() == [2]
    assert desk.ledger.query("queries/record_commits", edge=500 * DAY).height == 0


def test_portions_are_bounded_and_each_is_a_commit(desk, monkeypatch):
    monkeypatch.setattr("analytics.retention._PORTION", 2)
    for name in "abcde":
        desk.post(call(name, 1, trace=name), attributes=SAID)
    assert [(one.records, one.evidence) for one in expire(desk.books, KEPT, MONDAY + 500 * DAY)] == [(2, 2), (2, 2), (1, 1)]
    assert desk.ledger.commit_no == 8


def test_each_tenant_has_its_own_time(desk):
    kept = partial(retention_of, (Retention(tenant="short", record_days=1, evidence_days=1),))
    for tenant in ("short", "default"):
        desk.post(call("a", 1), tenant=tenant, attributes=SAID)
    assert [(one.tenant, one.records) for one in expire(desk.books, kept, MONDAY + 3 * DAY)] == [("short", 1)]
    assert desk.rows("select tenant from records") == [("default",)]
