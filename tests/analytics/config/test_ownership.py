"""owners.yaml: what loads, and what is refused with its place."""

from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest

from analytics.config import OwnerRule, Said, SharedCost, load

RULE = "rules: [{name: r, when: {service.name: [a]}, set: {team: red}%s}]"
SHARED = "shared: [{name: s, when: {loop: [a]}, %s}]"


SAMPLE = Path(__file__).parents[3] / "sample_traces" / "config"


def one(write, content: str):
    config = load(write({"owners.yaml": content}))
    (entry,) = (*config.owners, *config.shared)
    return entry


@pytest.mark.parametrize("content", ["rules: []\n", "rules:\n", "# later\n", "shared: []\nrules: []\n"])
def test_a_file_without_entries_is_valid(write, content):
    config = load(write({"owners.yaml": content}))
    assert (config.owners, config.shared) == ((), ())


def test_a_rule_says_everything_of_what_matches(write):
    content = """\
        rules:
          - name: gateway
            when: {service.name: "pay-*", my.project: [alpha, beta]}
            set: {team: t, cost_center: c, loop: l, user: u, role: checker, environment: e}
            override: true
            valid_from: 2026-01-01
            valid_to: 2027-01-01T12:00:00+02:00
        """
    assert one(write, content) == OwnerRule(
        name="gateway", when={"service.name": ("pay-*",), "my.project": ("alpha", "beta")}, override=True,
        set=Said(team="t", cost_center="c", loop="l", user="u", role="checker", environment="e"),
        valid_from=datetime(2026, 1, 1, tzinfo=UTC), valid_to=datetime(2027, 1, 1, 10, tzinfo=UTC),
    )  # fmt: skip


def test_a_rule_fills_in_and_holds_for_ever_unless_it_says_otherwise(write):
    rule = one(write, RULE % "")
    assert (rule.override, rule.valid_from, rule.valid_to) == (False, None, None)


def test_shares_are_exact_percents_and_go_to_teams_unless_it_says_otherwise(write):
    entry = one(write, SHARED % 'method: fixed, shares: {a: "33.4", b: "66.6"}')
    assert entry == SharedCost(name="s", when={"loop": ("a",)}, method="fixed", shares={"a": Decimal("33.4"), "b": Decimal("66.6")})
    assert (entry.to, entry.among) == ("team", None)


@pytest.mark.parametrize("method", ["even", "cost", "tokens", "runs"])
def test_the_other_methods_need_no_more(write, method):
    assert one(write, SHARED % f"method: {method}").method == method


def test_the_sample_shows_every_field():
    config = load(SAMPLE)
    for entries, model in ((config.owners, OwnerRule), (config.shared, SharedCost)):
        assert set().union(*(entry.model_fields_set for entry in entries)) == set(model.model_fields)
    assert set().union(*(rule.set.model_fields_set for rule in config.owners)) == set(Said.model_fields)


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (RULE % ", overide: true", "1:64: rule 'r': unknown key 'overide'; did you mean 'override'?"),
        (
            RULE % ", valid_from: 2026-02-01, valid_to: 2026-02-01",
            "1:88: rule 'r': valid_to must be later than valid_from, 2026-02-01 00:00 UTC",
        ),
        (RULE % ", valid_from: soon", "1:64: rule 'r': valid_from must be a date (2026-01-31) or a time (2026-01-31T12:00:00Z)"),
        ("rules: [{when: {a: b}, set: {team: t}}]", "1:9: name is missing (A text of its own)"),
        ("rules: [{name: r, set: {team: t}}]", "1:9: rule 'r': when is missing (Attribute -> shell globs, one of which must match)"),
        (
            "rules: [{name: r, when: {}, set: {team: t}}]",
            "1:19: rule 'r': when must not be empty: what matches everything has an attribute with the glob '*'",
        ),
        ("rules: [{name: r, when: {a: []}, set: {team: t}}]", "1:26: rule 'r': a must not be empty: give an item or remove the key"),
        ("rules: [{name: r, when: {a: 3}, set: {team: t}}]", "1:26: rule 'r': a must be a list, such as [one, two]"),
        (
            "rules: [{name: r, when: {a: b}, set: {}}]",
            "1:33: rule 'r': set must say something: loop, user, role, team, cost_center, environment",
        ),
        ("rules: [{name: r, when: {a: b}, set: {taem: t}}]", "1:39: rule 'r': unknown key 'taem'; did you mean 'team'?"),
        (
            "rules: [{name: r, when: {a: b}, set: {tenant: t}}]",
            "1:39: rule 'r': unknown key 'tenant'; did you mean 'team'?",
        ),
        (
            "rules: [{name: r, when: {a: b}, set: {role: boss}}]",
            "1:39: rule 'r': role must be 'maker', 'checker', 'orchestrator' or 'other'",
        ),
        (SHARED % "method: odd", "1:39: rule 's': method must be 'even', 'fixed', 'cost', 'tokens' or 'runs'"),
        (SHARED % "method: even, to: user", "1:53: rule 's': to must be 'team', 'cost_center' or 'loop'"),
        (SHARED % "method: even, among: []", "1:53: rule 's': among must not be empty: give an item or remove the key"),
        (SHARED % "method: even, among: [a, a]", "1:53: rule 's': among must name each once"),
        (SHARED % "method: fixed", "1:10: rule 's': shares and the method fixed belong together: give both or neither"),
        (SHARED % 'method: even, shares: {a: "100"}', "1:53: rule 's': shares and the method fixed belong together: give both or neither"),
        (SHARED % 'method: fixed, shares: {a: "60", b: "39"}', "1:54: rule 's': shares must sum to 100 percent (found 99)"),
        (SHARED % "method: fixed, shares: {a: 99.5}", "1:63: rule 's': a must be in quotes (\"99.5\"): a bare decimal number is not exact"),
        ("shared: [{name: s, when: {servce: a}, method: even}]", "1:27: rule 's': unknown key 'servce'; did you mean 'user'?"),
    ],
)
def test_what_is_wrong_is_told_where_it_stands(problems, content, problem):
    (found,) = problems({"owners.yaml": content})
    assert found.startswith(f"owners.yaml:{problem}")


def test_receivers_of_fixed_shares_are_named_once(problems):
    (found,) = problems({"owners.yaml": SHARED % 'method: fixed, among: [a], shares: {a: "100"}'})
    assert found == "owners.yaml:1:54: rule 's': among belongs to the other methods: fixed names its receivers in shares"


def test_rules_and_shared_costs_have_names_of_their_own(problems):
    content = "rules: [{name: x, when: {a: b}, set: {team: t}}]\nshared: [{name: x, when: {loop: a}, method: even}]\n"
    assert problems({"owners.yaml": content}) == ["owners.yaml:2:11: rule 'x': the name is already taken in owners.yaml:1: choose another"]
