"""A whole directory: what loads, what its files say about each other, and that every problem is told at once."""

from pathlib import Path

from analytics.config import Config, load

SAMPLE = Path(__file__).parents[3] / "sample_traces" / "config"
LOOP = "name: triage\nteam: platform\nowner: dana\n"


def test_no_directory_is_the_empty_config():
    assert load(None) == Config() == Config(policies=(), loops=(), prices=(), channels=())


def test_the_sample_directory_loads_without_secrets():
    config = load(SAMPLE)
    assert {loop.name for loop in config.loops} == {"morning-triage-loop", "nightly-dependency-bump", "weekly-docs-sync"}
    assert {(agent.name, agent.role) for loop in config.loops for agent in loop.subagents} >= {("fix-reviewer", "checker")}
    assert {(policy.window, policy.mode) for policy in config.policies} == {
        ("week", "enforce"),
        ("day", "enforce"),
        ("run", "enforce"),
        ("month", "audit"),
    }
    assert [(price.model, price.tool) for price in config.prices] == [
        ("northwind-coder-*", None),
        (None, "ci-sandbox*"),
        (None, "license_scan"),
    ]


def test_every_loop_that_a_sample_policy_names_is_in_the_sample_registry():
    config = load(SAMPLE)
    named = {loop for policy in config.policies for loop in policy.when.get("loop", ())}
    assert named
    assert named <= {loop.name for loop in config.loops}


def test_every_problem_of_every_file_is_told_at_once(problems):
    assert problems(
        {
            "policies/a.yaml": """\
                policies:
                  - name: cap
                    limit_usd: "0"
                    limit_tokens: 5
                    window: fortnight
                    notify: [opz]
                  - window: week
                    limit_usd: "1"
                """,
            "policies/b.yml": 'policies: [{name: cap, window: day, limit_usd: "1"}]',
            "limits.yaml": "body_bytes: 64\nqueue_byte: 5\nheader_seconds: '10'\n",
            "loops/a.yaml": "name: triage\nteam: platform\nsubagents: [{name: reviewer}]\n",
            "channels.yaml": "channels: [{name: ops, type: pager}]",
            "prices/a.yaml": "prices: [{model: m, input_mtok: 1.5}]",
            "owners.yaml": "rules: [",
            "retention.yaml": "retention: [{tenant: acme, keep_content: 1}, {tenant: acme, evidence_days: 0}]",
            "notes.txt": "",
        },
    ) == [
        "channels.yaml:1:24: channel 'ops': type must be 'webhook'",
        "limits.yaml:1:1: body_bytes must be greater than or equal to 1024",
        "limits.yaml:2:1: unknown key 'queue_byte'; did you mean 'queue_bytes'?",
        "limits.yaml:3:1: header_seconds must be a whole number, without quotes",
        "loops/a.yaml:1:1: loop 'triage': owner is missing (Who answers for it)",
        "loops/a.yaml:3:13: loop 'triage': role is missing (maker, checker, orchestrator or other)",
        "notes.txt:1:1: unknown file: a config directory holds policies/*.yaml, loops/*.yaml, prices/*.yaml, channels.yaml,"
        " owners.yaml, outcomes.yaml, access.yaml, retention.yaml, limits.yaml",
        "owners.yaml:1:9: not valid YAML: expected the node content, but found '<stream end>';"
        " check indentation and quotes, here and one line above",
        "policies/a.yaml:3:5: policy 'cap': limit_usd must be greater than 0",
        "policies/a.yaml:5:5: policy 'cap': window must be 'day', 'week', 'month' or 'run'",
        "policies/a.yaml:6:14: policy 'cap': notify names the unknown channel 'opz'; did you mean 'ops'?",
        "policies/a.yaml:7:5: name is missing (A text of its own)",
        "policies/b.yml:1:13: policy 'cap': the name is already taken in policies/a.yaml:2: choose another",
        "prices/a.yaml:1:10: price 'm': output_mtok is missing (US dollars per million tokens)",
        "prices/a.yaml:1:21: price 'm': input_mtok must be in quotes (\"1.5\"): a bare decimal number is not exact",
        "retention.yaml:1:28: retention 'acme': keep_content must be a valid boolean",
        "retention.yaml:1:61: retention 'acme': evidence_days must be greater than 0",
    ]


def test_a_tenant_has_one_retention(problems):
    said = "retention:\n  - {tenant: acme}\n  - {tenant: acme, record_days: 90}\n"
    assert problems({"retention.yaml": said}) == [
        "retention.yaml:3:6: retention 'acme': the name is already taken in retention.yaml:2: choose another"
    ]


def test_two_files_cannot_describe_one_loop(problems):
    assert problems({"loops/a.yaml": LOOP, "loops/b.yaml": "# copied\n" + LOOP}) == [
        "loops/b.yaml:2:1: loop 'triage': the name is already taken in loops/a.yaml:1: choose another"
    ]


def test_channels_are_not_called_unknown_while_their_file_cannot_be_read(problems):
    files = {"channels.yaml": "channels: [", "policies/one.yaml": 'policies: [{name: cap, window: day, limit_usd: "1", notify: [ops]}]'}
    assert [line.partition(":")[0] for line in problems(files)] == ["channels.yaml"]
