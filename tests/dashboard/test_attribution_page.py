"""The page of owners on a real collector: who pays, and what nobody pays for yet."""

from decimal import Decimal

from pages import column, figures, report, said


def test_teams_are_listed_with_what_they_pay_and_the_rest_with_the_rule_that_would_tell(filled, visit):
    at = visit(filled, "attribution")
    payers, missing = report(filled, "spend", by="team,cost_center"), report(filled, "unattributed")
    assert column(at.dataframe[0], "cost_usd") == [row["cost_usd"] and Decimal(row["cost_usd"]) for row in payers]
    assert column(at.dataframe[1], "value") == [row["value"] for row in missing]
    assert any("when: {" in str(rule) for rule in column(at.dataframe[1], "rule"))
    assert "owners.yaml" in said(at)


def test_without_a_gap_the_page_says_so(complete, visit):
    at = visit(complete, "attribution")
    expected = {"Attributed": ("100%", "1 of 1 calls"), "Teams": ("1", "every call has one"), "Cost centres": ("0", "1 call without one")}
    assert figures(at) == expected
    assert [message.value for message in at.success] == ["All spend of this period has a team and a loop."]
