from decimal import Decimal
from itertools import pairwise

import pyarrow as pa
import pytest
from bookkeeping import MONDAY, TENANT, Desk, at, call, evidence, frame, log, span
from hypothesis import given, settings
from hypothesis import strategies as st

from analytics import evidence as blobs
from analytics.books import Arrived
from analytics.config import CustomPrice
from analytics.evidence import Part
from analytics.mark import Mark

CHARGES = """
    select version, sign, kind, agent, calls, unknown_calls, unpriced_calls, cast(cost_usd as integer)
    from charges order by commit_no, call_id, version, sign
"""
OPEN = """
    select run, agent, sum(calls), sum(unknown_calls), sum(cost_usd) from charges group by all having sum(calls) <> 0 or sum(cost_usd) <> 0
    order by all
"""


def open_calls(desk: Desk) -> list[tuple]:
    """(run, agent, calls, unknown calls, dollars) of what is charged in the end."""
    return desk.rows(OPEN)


# Repeats and revisions


def test_a_repeat_changes_nothing(desk):
    spans = [call("a", 3, response_id="r"), call("b"), span("root", kind="agent", agent="maker")]
    desk.post(*spans)
    again = desk.post(*spans)
    assert (again.repeated, again.revised, again.records.height, again.charges.height) == (3, 0, 0, 0)
    assert desk.rows("select count(*) from commits") == [(1,)]


def test_a_repeat_within_one_batch_is_stored_once(desk):
    posted = desk.post(call("a", 3), call("a", 3), call("a", 3))
    assert (posted.repeated, posted.revised, posted.records.height) == (2, 0, 1)
    assert open_calls(desk) == [("trace", None, 1, 0, 3)]


def test_usage_that_arrives_later_replaces_the_unknown_call(desk):
    desk.post(call("a", None))
    posted = desk.post(call("a", 7))
    assert (posted.repeated, posted.revised) == (0, 1)
    assert desk.rows(CHARGES) == [
        (1, 1, "usage", None, 1, 1, 0, None),
        (2, -1, "correction", None, -1, -1, 0, None),
        (2, 1, "correction", None, 1, 0, 0, 7),
    ]


def test_a_lesser_revision_is_counted_and_changes_nothing(desk):
    desk.post(call("a", 7))
    posted = desk.post(call("a", None))
    assert (posted.repeated, posted.revised, posted.records.height, posted.charges.height) == (0, 1, 0, 0)


@pytest.mark.parametrize("neighbours", [(), (span("root", kind="agent"),)], ids=["alone in its trace", "with its parent"])
def test_a_stronger_identity_closes_the_chain_of_the_weaker(desk, neighbours):
    desk.post(call("a", 3), *neighbours)
    desk.post(call("a", 3, response_id="r", user="ada"))
    assert open_calls(desk) == [("trace", None, 1, 0, 3)]
    assert desk.rows("select sum(sign) from charges group by call_id order by 1") == [(0,), (1,)]


@pytest.mark.parametrize("neighbours", [(), (span("root", kind="agent"),)], ids=["alone in its trace", "with its parent"])
def test_a_call_that_turns_out_to_have_failed_is_taken_back(desk, neighbours):
    desk.post(call("a", None, ended_at=None), *neighbours)
    desk.post(call("a", None, failed=True))
    assert open_calls(desk) == []


def test_a_call_that_was_taken_back_may_come_again_and_is_charged_once(desk):
    desk.post(call("a", None, ended_at=None))
    desk.post(call("a", None, failed=True))
    desk.post(call("a", 3))
    desk.post(span("root", kind="agent", agent="maker"))
    desk.post(call("a", 3, parent="root", user="ada"))
    assert open_calls(desk) == [("trace", "maker", 1, 0, 3)]
    assert desk.rows("select call_id from charges group by call_id, version, sign having count(*) > 1") == []


# Several records of one call


def test_a_call_seen_twice_is_charged_once_and_links_say_why(desk):
    desk.post(call("sdk", 5, response_id="r", trace="one"))
    desk.post(call("proxy", 3, response_id="r", trace="two", cache_read_tokens=2))
    assert open_calls(desk) == [("two", None, 1, 0, 5)]
    assert desk.rows("select commit_no, counts, reason from links order by commit_no, reason") == [
        (1, True, "counts"),
        (2, True, "counts"),
        (2, False, "same response id"),
    ]


def test_the_same_response_id_hours_later_is_another_call(desk):
    desk.post(call("a", 5, response_id="r"))
    desk.post(call("b", 5, response_id="r", minute=120))
    assert open_calls(desk) == [("trace", None, 2, 0, 10)]


def test_an_earlier_record_of_a_call_arrives_last(desk):
    desk.post(call("b", 5, response_id="r", minute=0.01))
    desk.post(call("a", 5, response_id="r", minute=0))
    assert open_calls(desk) == [("trace", None, 1, 0, 5)]


def test_two_tenants_never_share_a_call(desk):
    desk.post(call("a", 5, response_id="r"), tenant="one")
    desk.post(call("a", 5, response_id="r"), tenant="two")
    assert desk.rows("select tenant, sum(cost_usd) from charges group by tenant order by tenant") == [("one", 5), ("two", 5)]


# Ancestors


def test_an_agent_that_arrives_later_on_an_ancestor_takes_the_call_over(desk):
    desk.post(call("a", 4, parent="chain"), span("chain", kind="chain", parent="root"))
    desk.post(span("root", kind="agent", agent="maker"))
    assert desk.rows(CHARGES) == [
        (1, 1, "usage", None, 1, 0, 0, 4),
        (2, -1, "re-attribution", None, -1, 0, 0, -4),
        (2, 1, "re-attribution", "maker", 1, 0, 0, 4),
    ]


def test_a_call_says_itself_who_its_agent_is(desk):
    desk.post(call("a", 4, parent="root", agent="checker"), span("root", kind="agent", agent="maker"))
    assert open_calls(desk) == [("trace", "checker", 1, 0, 4)]


def test_an_ancestor_that_says_nothing_new_writes_nothing(desk):
    desk.post(call("a", 4, parent="root", agent="maker"))
    posted = desk.post(span("root", kind="agent", agent="maker"), span("aside", kind="tool"))
    assert (posted.records.height, posted.charges.height) == (2, 0)


# What counts, and for how much


def test_a_failed_attempt_without_usage_is_no_call(desk):
    desk.post(call("a", None, failed=True))
    assert open_calls(desk) == []


def test_a_call_without_usage_is_unknown_and_an_unknown_model_unpriced(desk):
    desk.post(call("a", None), call("b", 5, model_requested="lead", provider="foundry"))
    assert desk.rows("select unknown_calls, unpriced_calls, priced, cost_usd, unpriced_reason from charges order by 1 desc") == [
        (1, 0, 0, None, "no usage"),
        (0, 1, 0, None, "unknown model"),
    ]


def test_a_tool_is_charged_when_it_has_a_price(desk):
    desk.post(span("a", kind="tool", tool="crane"), span("b", kind="tool", tool="rope"))
    assert desk.rows("select call_kind, tool, unit, quantity, cost_usd, usage_known from charges") == [
        ("tool", "crane", "call", 1, Decimal("0.5"), 0)
    ]


@pytest.mark.parametrize(("glob", "tool"), [("mcp__*__search*", "mcp__web__search_all"), ("Crane", "crane"), ("c?ane", "CRANE")])
def test_tools_are_priced_by_glob_whatever_their_case(opened, glob, tool):
    desk = opened(prices=[CustomPrice(tool=glob, usd_per_call="2")])
    desk.post(span("a", kind="tool", tool=tool))
    assert desk.rows("select tool, cost_usd from charges") == [(tool, 2)]


def test_prices_are_stored_with_the_first_commit_that_uses_them(opened):
    desk = opened()
    desk.post(call("a"))
    desk.post(call("b"))
    opened().post(call("c"))
    assert opened().rows("""
        select count(*) = count(distinct price_set), count(*) filter (where price_set in (select price_set from charges)) from prices
    """) == [(True, 1)]


# Whatever the order

STORY = [
    span("root", kind="agent", agent="maker", role="maker"),
    span("inner", kind="agent", agent="checker", parent="root", minute=0.02),
    call("a", 4, parent="inner", response_id="r"),
    call("a2", 3, trace="other", response_id="r", cache_read_tokens=1),
    call("b", None, parent="root"),
    call("b", 6, parent="root", user="ada"),
    call("c", 2, parent="inner"),
    call("c", 2, parent="inner", response_id="s", user="ada"),
    call("d", None, ended_at=None),
    call("d", None, failed=True),
    call("e", 1, response_id="r", minute=200),
    span("f", kind="tool", tool="crane", parent="inner"),
]


@settings(max_examples=8, deadline=None)
@given(order=st.permutations(STORY), cuts=st.sets(st.integers(1, len(STORY) - 1), max_size=5), restarts=st.booleans())
def test_open_calls_are_the_same_whatever_the_order_and_the_batches(tmp_path_factory, order, cuts, restarts):
    desk = Desk(directory := tmp_path_factory.mktemp("desk"))
    edges = [0, *sorted(cuts), len(order)]
    for start, end in pairwise(edges):
        desk.post(*order[start:end])
        if restarts:
            desk.close()
            desk = Desk(directory)
    found, chains = open_calls(desk), desk.rows("select sum(sign) from charges group by call_id having sum(sign) not in (0, 1)")
    desk.close()
    assert (found, chains) == (
        [
            ("trace", "checker", 3, 0, Decimal("6.5")),
            ("trace", "maker", 1, 0, 6),
            ("trace", None, 1, 0, 1),
        ],
        [],
    )


# Evidence


def posted(desk: Desk, *arrived: Arrived) -> list[tuple]:
    """Rows of (part, owner, nth, key, text) that the commit of these arrivals keeps."""
    desk.books.post(arrived, MONDAY)
    ((blob,),) = desk.rows("select attributes from evidence order by commit_no desc limit 1")
    rows = blobs.unpack(blob).to_pylist()
    return [(Part(row["part"]).name, row["owner"], row["key"], row["string_value"]) for row in rows]


def test_evidence_can_be_read_again(desk):
    table = evidence((Part.ATTRIBUTE, 0, "color", "red"), (Part.ATTRIBUTE, 1, "color", "blue"), (Part.RESOURCE, 0, "host", "here"))
    assert posted(desk, Arrived(TENANT, frame(call("a"), call("b")), table)) == [
        ("ATTRIBUTE", 0, "color", "red"),
        ("ATTRIBUTE", 1, "color", "blue"),
        ("RESOURCE", 0, "host", "here"),
    ]
    ((blob,),) = desk.rows("select attributes from evidence")
    assert blobs.attributes_of(blob, [1]).rows() == [(1, None, "color", "blue")]


def test_evidence_of_a_repeat_is_left_out_and_the_rest_keeps_its_owners(desk):
    desk.post(call("a"))
    table = evidence((Part.ATTRIBUTE, 0, "color", "red"), (Part.ATTRIBUTE, 1, "color", "blue"), (Part.RESOURCE, 0, "host", "here"))
    assert posted(desk, Arrived(TENANT, frame(call("a"), call("b")), table)) == [
        ("ATTRIBUTE", 0, "color", "blue"),
        ("RESOURCE", 0, "host", "here"),
    ]


def test_evidence_of_several_requests_stays_apart(desk):
    """The first request has a resource without attributes, whose number nobody else may take."""
    first = Arrived(TENANT, frame(call("a"), call("b", resource=1)), evidence((Part.RESOURCE, 0, "host", "one")))
    second = Arrived(TENANT, frame(call("c")), evidence((Part.ATTRIBUTE, 0, "color", "red"), (Part.RESOURCE, 0, "host", "two")))
    kept = posted(desk, first, second)
    resources = dict(desk.rows("select name, resource from records"))
    hosts = {owner: text for part, owner, _, text in kept if part == "RESOURCE"}
    assert {name: hosts.get(number) for name, number in resources.items()} == {"a": "one", "b": None, "c": "two"}
    assert kept[1] == ("ATTRIBUTE", 2, "color", "red")


def test_an_event_is_evidence_of_its_record(desk):
    table = pa.concat_tables([evidence((Part.ATTRIBUTE, 0, "color", "red")), evidence((Part.EVENT, 0, "event.name", "retry"), nth=1)])
    posted(desk, Arrived(TENANT, frame(call("a")), table))
    ((blob,),) = desk.rows("select attributes from evidence")
    assert blobs.attributes_of(blob, [0]).rows() == [(0, None, "color", "red"), (0, 1, "event.name", "retry")]


# When the ledger cannot


def test_a_commit_whose_mark_cannot_be_written_is_stored_and_known(desk, caplog):
    desk.post(call("a", 3))
    mark = Mark(desk.directory).path
    mark.unlink()
    mark.mkdir()
    assert desk.post(call("b", 4)).charges.height == 1
    assert caplog.messages == ["the mark of commit 2 could not be written"]
    mark.rmdir()
    assert desk.post(call("b", 4)).repeated == 1
    assert open_calls(desk) == [("trace", None, 2, 0, 7)]


def test_a_commit_that_the_ledger_refuses_leaves_nothing_behind(desk):
    with pytest.raises(Exception, match="Constraint"):
        desk.post(call("a", 3), call("b", 4, dialect=None))
    assert desk.post(call("a", 3), call("b", 4)).repeated == 0
    assert open_calls(desk) == [("trace", None, 2, 0, 7)]


def test_a_commit_has_the_time_of_the_collector(desk):
    desk.post(call("a", minute=3))
    desk.post(call("b", minute=1))
    assert desk.rows("select commit_no, now_at, records, charges from commits") == [(1, at(3), 1, 1), (2, at(3), 1, 1)]


def test_what_a_record_came_with_does_not_decide_who_wrote_it(tmp_path):
    told = (
        log("event", 16, trace="a"),
        call("first", 1, trace="t", response_id="r"),
        call("second", 1, trace="a"),
    )
    counted = []
    for name, batches in (("apart", [[one] for one in told]), ("together", [told])):
        desk = Desk(tmp_path / name)
        for batch in batches:
            desk.post(*batch)
        counted += desk.rows("select sum(calls), sum(cost_usd) from charges")
        desk.close()
    assert counted == [(3, 18)] * 2
