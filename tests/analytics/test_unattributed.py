"""What would tell whose the unattributed spend is: every such dollar in one row for each dimension it misses."""

from collections import defaultdict

import yaml
from bookkeeping import TENANT, at, call, point
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from analytics.config import OwnerRule, SharedCost
from analytics.operations import Operation
from analytics.reports import REPORTS, Question, coverage


def report(desk, **window) -> list[dict]:
    return REPORTS["unattributed"](desk.sources(), Question(TENANT, **window)).to_dicts()


def told(desk, missing: str = "team", **window) -> list[tuple]:
    rows = [row for row in report(desk, **window) if row["missing"] == missing]
    return [(row["attribute"], row["value"], row["calls"], row["cost_usd"]) for row in rows]


def test_the_most_telling_thing_known_stands_for_each_call_dearest_first(desk):
    desk.post(
        call("service", 2, trace="1", service="gateway", runtime="scope", agent="a", user="u"),
        call("again", 3, trace="2", service="gateway"),
        call("runtime", 9, trace="3", runtime="scope", agent="a", user="u"),
        call("agent", 4, trace="4", agent="a", user="u"),
        call("user", 1, trace="5", user="u"),
        call("model", 0, trace="6"),
    )
    assert told(desk) == [
        ("runtime", "scope", 1, 9), ("service", "gateway", 2, 5), ("agent", "a", 1, 4), ("user", "u", 1, 1), ("model", "gold", 1, 0)
    ]  # fmt: skip
    assert told(desk) == told(desk, "loop")


def test_a_call_is_only_in_the_dimension_it_misses(desk):
    desk.post(call("loop", 2, trace="1", team="red", service="a"), call("team", 3, trace="2", loop="l", service="b"))
    desk.post(call("none", 4, trace="3", loop="l", team="red", service="c"))
    assert (told(desk), told(desk, "loop")) == ([("service", "b", 1, 3)], [("service", "a", 1, 2)])


def test_unknown_cost_is_not_zero(desk):
    desk.post(call("silent", None, service="a"), call("odd", 1, trace="2", service="b", model_requested="nothing", provider="nobody"))
    rows = {row["value"]: (row["unknown_calls"], row["unpriced_calls"], row["cost_usd"]) for row in report(desk)}
    assert rows == {"a": (1, 0, None), "b": (0, 1, None)}


def test_a_window_bounds_when_calls_happened(desk):
    desk.post(call("early", 2, service="a"), call("late", 3, trace="2", minute=9, service="a"))
    assert told(desk, since=at(5)) == [("service", "a", 1, 3)]
    assert told(desk, until=at(5)) == [("service", "a", 1, 2)]
    (row, _) = report(desk)
    assert (row["first_at"], row["last_at"], row["runs"]) == (at(0), at(9), 2)


def test_the_rule_it_proposes_attributes_what_it_promised(opened):
    desk = opened()
    desk.post(
        call("odd", 5, service="it's [a] *?"), call("plain", 3, trace="2", agent="fixer"), call("like", 1, trace="3", service="it's a xx")
    )
    rows = [row for row in report(desk) if row["missing"] == "team"]
    rules = [OwnerRule(name=f"r{place}", **yaml.safe_load(row["rule"]), set={"team": f"t{place}"}) for place, row in enumerate(rows)]
    desk = opened(rules=rules)
    operation = Operation(TENANT, "re-attribution", "dana", "rules")
    desk.books.operate(operation, desk.books.reattributed(operation, desk.now), desk.now)
    spent = dict(desk.rows("select team, sum(cost_usd) from charges group by 1 having sum(calls) > 0"))
    assert spent == {f"t{place}": row["cost_usd"] for place, row in enumerate(rows)}
    assert told(desk) == []


def test_a_metric_is_told_by_its_service(desk):
    desk.post(point("p", 3, "input", service="a"))
    desk.settle()
    assert told(desk) == [("service", "a", 1, 3)]


def test_shares_that_were_split_off_leave_it_by_their_own_row(opened):
    desk = opened(shared=[SharedCost(name="rest", when={"team": "unattributed"}, method="even", among=("red",))])
    desk.post(call("one", 5, service="a", loop="l"))
    operation = Operation(TENANT, "allocation", "dana", "month end")
    desk.books.operate(operation, desk.books.allocated(operation, desk.shared), desk.now)
    assert told(desk) == [("service", "a", 1, 5), ("owner_rule", "shared rest", 0, -5)]
    known = coverage(desk.sources(), Question(TENANT))
    assert (known["calls"], known["priced_calls"], known["attributed_calls"]) == (1, 1, 0)


NAMES = st.none() | st.sampled_from(("a", "b"))
CALLS = st.lists(
    st.fixed_dictionaries(dict.fromkeys(("service", "runtime", "agent", "user", "team", "loop"), NAMES)), min_size=1, max_size=8
)


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(calls=CALLS, again=st.booleans())
def test_every_unattributed_dollar_is_in_one_row(tmp_path_factory, calls, again):
    from bookkeeping import Desk

    desk = Desk(tmp_path_factory.mktemp("desk"))
    for place, said in enumerate(calls):
        desk.post(call(f"c{place}", 2**place, trace=f"t{place}", **said))
        if again:  # a second record of the same call, and a later version of its charge
            desk.post(call(f"c{place}", 2**place, trace=f"t{place}", **said, response_id=f"r{place}", session="s"))
    spent = defaultdict(int)
    for row in report(desk):
        spent[row["missing"]] += row["cost_usd"]
    for name in ("team", "loop"):
        ((total,),) = desk.rows(f"select coalesce(sum(cost_usd), 0) from charges where {name} is null")
        assert spent[name] == total
    desk.close()
