"""The config directory: what loads, and what every mistake is called, with its place."""

import base64
import shutil
import textwrap
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analytics.config import Config, Policy, Threshold, load
from analytics.config.source import Kind, read
from analytics.errors import ConfigError

SAMPLE = Path(__file__).parents[2] / "sample_traces" / "config"
SECRET = "whsec_" + base64.b64encode(bytes(range(32))).decode()
LOOP = "name: triage\nteam: platform\nowner: dana\n"
POLICY = "policies:\n  - name: cap\n    window: day\n"


def write(directory: Path, files: dict[str, str | bytes]) -> Path:
    for file, content in files.items():
        path = directory / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else textwrap.dedent(content).encode())
    return directory


def problems(directory: Path, files: dict[str, str | bytes]) -> list[str]:
    """What is wrong with a directory of these files, one line per problem."""
    with pytest.raises(ConfigError) as raised:
        load(write(directory, files))
    assert len(str(raised.value).splitlines()) == len(raised.value.problems)
    return [str(problem) for problem in raised.value.problems]


def policy(directory: Path, body: str) -> Policy:
    (loaded,) = load(write(directory, {"policies/one.yaml": POLICY + textwrap.indent(textwrap.dedent(body), "    ")})).policies
    return loaded


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


def test_the_commented_webhook_of_the_sample_loads_once_it_is_switched_on(tmp_path, monkeypatch):
    monkeypatch.setenv("LOOPLEDGER_OPS_SECRET", SECRET)
    directory = shutil.copytree(SAMPLE, tmp_path / "config")
    head, _, example = (SAMPLE / "channels.yaml").read_text().partition("channels: []\n")
    switched_on = head + "channels:\n" + "".join(line[1:] for line in example.splitlines(keepends=True))
    (channel,) = load(write(directory, {"channels.yaml": switched_on})).channels
    assert (channel.name, channel.type, channel.secret.get_secret_value()) == ("ops", "webhook", SECRET)


def test_what_a_policy_leaves_out_has_a_default(tmp_path):
    assert policy(tmp_path, 'limit_usd: "5"') == Policy(
        name="cap",
        mode="enforce",
        when={},
        window="day",
        per=None,
        limit_usd=Decimal(5),
        limit_tokens=None,
        timezone="UTC",
        thresholds=(Threshold(percent=80, action="warn"), Threshold(percent=100, action="stop")),
        notify=(),
        on_assumed="pause",
        assume_usd_per_call=None,
    )


def test_a_run_window_without_per_counts_each_run(tmp_path):
    files = {"policies/one.yaml": 'policies: [{name: cap, window: run, limit_usd: "1"}]'}
    assert load(write(tmp_path, files)).policies[0].per == "run"


def test_thresholds_ascend_after_load(tmp_path):
    loaded = policy(tmp_path, "limit_tokens: 10\nthresholds: [{percent: 120, action: kill}, {percent: 50, action: warn}]")
    assert [threshold.percent for threshold in loaded.thresholds] == [50, 120]


@pytest.mark.parametrize(
    ("written", "read"), [('"40.00"', "40.00"), ("40", "40"), ('"0.000000001"', "1E-9"), ('"999999999.9"', "999999999.9")]
)
def test_a_limit_is_the_exact_decimal_that_was_written(tmp_path, written, read):
    assert str(policy(tmp_path, f"limit_usd: {written}").limit_usd) == read


@pytest.mark.parametrize(
    ("written", "wrong"),
    [
        ("40.5", 'limit_usd must be in quotes ("40.5"): a bare decimal number is not exact'),
        ("true", 'limit_usd must be a decimal number in quotes, such as "40.00"'),
        ('"0"', "limit_usd must be greater than 0"),
        ('"-1"', "limit_usd must be greater than 0"),
        ('"NaN"', "limit_usd must be a finite number"),
        ('"Infinity"', "limit_usd must be a finite number"),
        ('"lots"', 'limit_usd must be a decimal number in quotes, such as "40.00"'),
        ('"0.0000000001"', "limit_usd must have no more than 9 decimal places"),
        ("10000000000", "limit_usd must have no more than 9 digits before the decimal point"),
        ("[1]", 'limit_usd must be a decimal number in quotes, such as "40.00"'),
    ],
)
def test_a_limit_that_is_no_exact_amount_is_refused(tmp_path, written, wrong):
    (problem,) = problems(tmp_path, {"policies/one.yaml": f"{POLICY}    limit_usd: {written}\n"})
    assert problem.startswith(f"policies/one.yaml:4:5: policy 'cap': {wrong}")


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("wndow: day", "4:5: policy 'cap': unknown key 'wndow'; did you mean 'window'?"),
        ("when: {lop: [a]}", "4:12: policy 'cap': unknown key 'lop'; did you mean 'loop'?"),
        ("when: {7: [a]}", "4:12: policy 'cap': unknown key 7; possible here: tenant, team,"),
        ("when: {team: payments}", "4:12: policy 'cap': team must be a list, such as [one, two]"),
        ("when: {team: []}", "4:12: policy 'cap': team must not be empty: give an item or remove the key"),
        ("when: {team: [a, 7]}", "4:22: policy 'cap': an item of team must be text: put it in quotes"),
        ("mode: dry-run", "4:5: policy 'cap': mode must be 'enforce' or 'audit'"),
        ("mode:", "4:5: policy 'cap': mode has no value: write one or remove the key"),
        ("per: role", "4:5: policy 'cap': per must be 'tenant', 'team', 'loop', 'agent', 'model', 'user' or 'run'"),
        (
            "timezone: Europe/Berln",
            "4:5: policy 'cap': timezone must be a time zone by its IANA name, and 'Europe/Berln' is unknown; did you",
        ),
        ("timezone: ../../etc", "4:5: policy 'cap': timezone must be a time zone by its IANA name, and '../../etc' is unknown"),
        ("limit_tokens: 5", "4:5: policy 'cap': limit_tokens and limit_usd: give exactly one of the two"),
        ('limit_tokens: "5"', "4:5: policy 'cap': limit_tokens must be a whole number, without quotes"),
        ("limit_tokens: 99999999999999999999", "4:5: policy 'cap': limit_tokens must be less than 9223372036854775808"),
        ("thresholds: []", "4:5: policy 'cap': thresholds must not be empty: give an item or remove the key"),
        ("thresholds: [{percent: 0, action: warn}]", "4:19: policy 'cap': percent must be greater than 0"),
        ("thresholds: [{percent: 9}]", "4:18: policy 'cap': action is missing (warn, pause, stop or kill)"),
        ("thresholds: [{percent: 9, action: resume}]", "4:31: policy 'cap': action must be 'warn', 'pause', 'stop' or 'kill'"),
        ("thresholds: [{percent: 9, action: warn}, {percent: 9, action: stop}]", "4:5: policy 'cap': thresholds must each have a percent"),
        ("notify: [ops]", "4:14: policy 'cap': notify names the unknown channel 'ops'; describe it in channels.yaml"),
        ("on_assumed: ignore", "4:5: policy 'cap': on_assumed must be 'warn', 'pause', 'stop' or 'kill'"),
        ("assume_usd_per_call: 0.1", "4:5: policy 'cap': assume_usd_per_call must be in quotes"),
        ("name: other", "4:5: duplicate key 'name', first given in line 2: keep one of them"),
    ],
)
def test_a_wrong_line_of_a_policy_is_named_where_it_stands(tmp_path, line, problem):
    (found,) = problems(tmp_path, {"policies/one.yaml": f'{POLICY}    {line}\n    limit_usd: "5"\n'})
    assert found.startswith(f"policies/one.yaml:{problem}")


def test_a_run_window_takes_no_other_scope(tmp_path):
    files = {"policies/one.yaml": "policies: [{name: cap, window: run, per: team, limit_tokens: 1}]"}
    assert problems(tmp_path, files) == [
        "policies/one.yaml:1:38: policy 'cap': per must be run, or left out, because the window is run (found team)"
    ]


def test_a_policy_without_a_limit_is_told_at_its_first_line(tmp_path):
    assert problems(tmp_path, {"policies/one.yaml": POLICY}) == [
        "policies/one.yaml:2:5: policy 'cap': limit_tokens and limit_usd: give exactly one of the two"
    ]


def test_every_problem_of_every_file_is_told_at_once(tmp_path):
    assert problems(
        tmp_path,
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
            "loops/a.yaml": "name: triage\nteam: platform\nsubagents: [{name: reviewer}]\n",
            "channels.yaml": "channels: [{name: ops, type: pager}]",
            "prices/a.yaml": "prices: [{model: m, input_mtok: 1.5}]",
            "owners.yaml": "rules: [",
            "notes.txt": "",
        },
    ) == [
        "channels.yaml:1:24: channel 'ops': type must be 'webhook'",
        "loops/a.yaml:1:1: loop 'triage': owner is missing (Who answers for it)",
        "loops/a.yaml:3:13: loop 'triage': role is missing (maker, checker, orchestrator or other)",
        "notes.txt:1:1: unknown file: a config directory holds policies/*.yaml, loops/*.yaml, prices/*.yaml, channels.yaml,"
        " owners.yaml, outcomes.yaml",
        "owners.yaml:1:9: not valid YAML: expected the node content, but found '<stream end>';"
        " check indentation and quotes, here and one line above",
        "policies/a.yaml:3:5: policy 'cap': limit_usd must be greater than 0",
        "policies/a.yaml:5:5: policy 'cap': window must be 'day', 'week', 'month' or 'run'",
        "policies/a.yaml:6:14: policy 'cap': notify names the unknown channel 'opz'; did you mean 'ops'?",
        "policies/a.yaml:7:5: name is missing (A text of its own)",
        "policies/b.yml:1:13: policy 'cap': the name is already taken in policies/a.yaml:2: choose another",
        "prices/a.yaml:1:11: price 'm': output_mtok is missing (US dollars per million tokens)",
        "prices/a.yaml:1:21: price 'm': input_mtok must be in quotes (\"1.5\"): a bare decimal number is not exact",
    ]


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("owner: 7", "4:1: duplicate key 'owner', first given in line 3"),
        ("version: 1.0", "4:1: loop 'triage': version must be text: put it in quotes"),
        ("role: reviewer", "4:1: loop 'triage': role must be 'maker', 'checker', 'orchestrator' or 'other'"),
        ("trigger: {schedule: '0 6 * *'}", "4:11: loop 'triage': schedule must be five cron fields"),
        ("trigger: {schedule: '0 6 * * *', timezone: Mars}", "4:34: loop 'triage': timezone must be a time zone by its IANA name"),
        ("limits: {max_turns: 1.5}", "4:10: loop 'triage': max_turns must be a whole number, without quotes"),
        ("limits: 5", "4:1: loop 'triage': limits must be a mapping of keys to values"),
        (
            "subagents: [{name: a, role: maker}, {name: a, role: checker}]",
            "4:1: loop 'triage': subagents must each have a name of their own",
        ),
        ("loops: []", "4:1: loop 'triage': unknown key 'loops'"),
    ],
)
def test_a_wrong_line_of_a_loop_is_named_where_it_stands(tmp_path, line, problem):
    found = problems(tmp_path, {"loops/one.yaml": f"{LOOP}{line}\n"})
    assert found[0].startswith(f"loops/one.yaml:{problem}")


@pytest.mark.parametrize("schedule", ["*/6 * * * *", "30 6 * * 1-5", "0 4 1 JAN MON", "15,45 0-6 L * 5#2", "@daily"])
def test_a_schedule_is_five_cron_fields_or_a_word(tmp_path, schedule):
    (loop,) = load(write(tmp_path, {"loops/one.yaml": f"{LOOP}trigger: {{schedule: '{schedule}'}}"})).loops
    assert (loop.trigger.schedule, loop.trigger.timezone) == (schedule, "UTC")


def test_two_files_cannot_describe_one_loop(tmp_path):
    assert problems(tmp_path, {"loops/a.yaml": LOOP, "loops/b.yaml": "# copied\n" + LOOP}) == [
        "loops/b.yaml:2:1: loop 'triage': the name is already taken in loops/a.yaml:1: choose another"
    ]


@pytest.mark.parametrize(
    ("entry", "problem"),
    [
        ("{provider: p}", "1:10: tool and model: give exactly one of the two"),
        ('{model: m, tool: t, usd_per_call: "1"}', "1:21: price 'm': tool and model: give exactly one of the two"),
        (
            '{tool: t, usd_per_call: "1", usd_per_second: "1"}',
            "1:39: price 't': usd_per_second and usd_per_call: give exactly one of the two",
        ),
        ("{tool: t}", "1:10: price 't': usd_per_second and usd_per_call: give exactly one of the two"),
        ('{tool: t, usd_per_call: "1", input_mtok: "1"}', "1:39: price 't': input_mtok belongs to the price of a model"),
        (
            '{model: m, input_mtok: "1", output_mtok: "1", usd_per_call: "1"}',
            "1:56: price 'm': usd_per_call belongs to the price of a tool",
        ),
        ('{tool: t, usd_per_call: "1", valid_from: 2026}', "1:39: price 't': valid_from must be a date (2026-01-31) or a time"),
        ('{tool: t, usd_per_call: "1", valid_from: "2026"}', "1:39: price 't': valid_from must be a date (2026-01-31) or a time"),
        (
            '{tool: t, usd_per_call: "1", valid_from: 2026-02-01, valid_to: 2026-02-01}',
            "1:63: price 't': valid_to must be later than valid_from",
        ),
        (
            '{tool: t, usd_per_call: "1", valid_from: 9999-12-31T23:00:00-10:00}',
            "1:39: price 't': valid_from must be a date (2026-01-31) or a time",
        ),
    ],
)
def test_a_price_is_either_of_a_model_or_of_a_tool(tmp_path, entry, problem):
    found = problems(tmp_path, {"prices/one.yaml": f"prices: [{entry}]"})
    assert any(line.startswith(f"prices/one.yaml:{problem}") for line in found), found


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("2026-01-31", datetime(2026, 1, 31, tzinfo=UTC)),
        ('"2026-01-31"', datetime(2026, 1, 31, tzinfo=UTC)),
        ("2026-01-31T12:00:00", datetime(2026, 1, 31, 12, tzinfo=UTC)),
        ("2026-01-31T12:00:00Z", datetime(2026, 1, 31, 12, tzinfo=UTC)),
        ("2026-01-31T12:00:00+02:00", datetime(2026, 1, 31, 10, tzinfo=UTC)),
    ],
)
def test_dates_and_times_are_read_as_utc(tmp_path, written, read):
    (price,) = load(write(tmp_path, {"prices/one.yml": f'prices: [{{tool: t, usd_per_second: "0", valid_from: {written}}}]'})).prices
    assert (price.valid_from, price.valid_from.tzinfo) == (read, UTC)


def channel(keys: str) -> dict[str, str]:
    return {"channels.yaml": f"channels: [{{name: ops, type: webhook, url: 'https://example.com/?token=t0p', {keys}}}]"}


@pytest.mark.parametrize("text", [SECRET, SECRET.removeprefix("whsec_"), SECRET + "\n", SECRET.rstrip("=")])
def test_a_secret_file_lies_relative_to_the_directory_and_belongs_to_it(tmp_path, text):
    config = load(write(tmp_path, channel("secret_file: keys/ops") | {"keys/ops": text}))
    assert config.channels[0].secret.get_secret_value() == text.strip()


def test_a_secret_comes_from_the_environment(tmp_path, monkeypatch):
    monkeypatch.setenv("OPS_SECRET", SECRET)
    assert load(write(tmp_path, channel("secret_env: OPS_SECRET"))).channels[0].secret.get_secret_value() == SECRET


def test_a_loaded_channel_prints_neither_its_secret_nor_its_url(tmp_path, monkeypatch):
    monkeypatch.setenv("OPS_SECRET", SECRET)
    config = load(write(tmp_path, channel("secret_env: OPS_SECRET")))
    shown = f"{config} {config!r} {config.channels[0].model_dump_json(include={'secret_env'})}"
    assert SECRET not in shown
    assert "t0p" not in shown


@pytest.mark.parametrize(
    ("keys", "problem"),
    [
        ("secret_file: keys/none", "secret_file names a file that cannot be read (No such file or directory)"),
        ("secret_file: keys", "secret_file names a file that cannot be read (Is a directory)"),
        ("secret_file: keys/binary", "secret_file names a file that is no text"),
        ("secret_file: keys/words", "secret_file leads to a text that is no webhook secret"),
        ("secret_file: keys/empty", "secret_file leads to a text that is no webhook secret"),
        ("secret_env: OPS_SECRET_UNSET", "secret_env names an environment variable that is not set"),
        ("secret_env: whsec_aHVzaA==", "secret_env names an environment variable that is not set"),
        ("secret: whsec_aHVzaA==, secret_file: keys/good", "unknown key 'secret'; did you mean 'secret_env'?"),
        ("secret_file: keys/good, secret_env: OPS_SECRET", "secret_env and secret_file: give exactly one of the two"),
        ("notes: none", "secret_env and secret_file: give exactly one of the two"),
    ],
)
def test_a_secret_that_cannot_be_used_is_refused_without_showing_it(tmp_path, monkeypatch, keys, problem):
    monkeypatch.setenv("OPS_SECRET", SECRET)
    keyring = {"keys/good": SECRET, "keys/words": "correct horse battery staple", "keys/empty": "\n", "keys/binary": b"\xff\xfe"}
    found = problems(tmp_path, channel(keys) | keyring)
    assert any(f"channel 'ops': {problem}" in line for line in found), found
    assert not any(secret in line for line in found for secret in (SECRET, "aHVzaA", "horse", "t0p"))


@pytest.mark.parametrize(
    "url", ["ftp://example.com", "example.com/hook", "http://", "https://user:pass@example.com", "http://a b", "http://x:99999"]
)
def test_a_webhook_goes_to_an_http_address_without_credentials_in_it(tmp_path, url):
    files = {"channels.yaml": f"channels: [{{name: ops, type: webhook, url: '{url}', secret_file: key}}]", "key": SECRET}
    (problem,) = problems(tmp_path, files)
    assert problem.startswith("channels.yaml:1:39: channel 'ops': url must ")
    assert "pass@" not in problem


def test_a_policy_may_notify_a_channel_that_is_wrong_otherwise(tmp_path):
    files = channel("secret_env: UNSET") | {"policies/one.yaml": 'policies: [{name: cap, window: day, limit_usd: "1", notify: [ops]}]'}
    assert [line.partition(": ")[2] for line in problems(tmp_path, files)] == [
        "channel 'ops': secret_env names an environment variable that is not set"
    ]


def test_channels_are_not_called_unknown_while_their_file_cannot_be_read(tmp_path):
    files = {"channels.yaml": "channels: [", "policies/one.yaml": 'policies: [{name: cap, window: day, limit_usd: "1", notify: [ops]}]'}
    assert [line.partition(":")[0] for line in problems(tmp_path, files)] == ["channels.yaml"]


def test_files_of_comments_and_lists_with_every_item_commented_out_say_nothing(tmp_path):
    files = {"policies/a.yaml": "policies:\n#  - name: cap\n", "loops/a.yaml": "# later\n", "channels.yaml": "", "owners.yaml": "rules:\n"}
    assert load(write(tmp_path, files)) == Config()


def test_hidden_files_and_readmes_are_nobodys_business(tmp_path):
    files = {"README.md": "", ".git/x": "", "policies/README.md": "", "policies/.a.yaml.swp": "", "loops/a.yaml": LOOP}
    assert len(load(write(tmp_path, files)).loops) == 1


def test_folders_are_read_through_links_as_mounted_config_maps_need(tmp_path):
    write(tmp_path, {"..data/loops/a.yaml": LOOP})
    (tmp_path / "loops").symlink_to("..data/loops")
    assert [loop.name for loop in load(tmp_path).loops] == ["triage"]


@pytest.mark.parametrize(
    "file", ["policy.yaml", "policies/a.json", "policies/eu/a.yaml", "teams/a.yaml", "loops.yaml", "loops/loops/a.yaml"]
)
def test_a_file_that_nobody_would_read_is_a_problem(tmp_path, file):
    (problem,) = problems(tmp_path, {file: ""})
    assert ":1:1: unknown file: a config directory holds policies/*.yaml, " in problem


@pytest.mark.parametrize("file", ["access.yaml", "access.yml"])
def test_credentials_are_refused_rather_than_ignored(tmp_path, file):
    assert problems(tmp_path, {file: "tokens: []"}) == [
        f"{file}:1:1: this version supports no credentials: remove the file; the collector listens on loopback only"
    ]


def test_a_directory_that_is_not_there_is_a_problem(tmp_path):
    with pytest.raises(ConfigError, match=r"none:1:1: cannot be read \(No such file or directory\)"):
        load(tmp_path / "none")


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("a: 1\n\tb: 2\n", "2:1: not valid YAML: found character '\\t' that cannot start any token; indent with spaces, not tabs"),
        ("a: b: c\n", "1:5: not valid YAML: mapping values are not allowed here; put a text that holds ': ' in quotes"),
        ("a: 1\n---\nb: 1\n", "2:1: not valid YAML: but found another document; remove the line '---'"),
        ("a: 2026-13-01\n", "1:4: not valid YAML: '2026-13-01' is no timestamp; put it in quotes if it is text"),
        ("a: !!bool maybe\n", "1:4: not valid YAML: 'maybe' is no bool; put it in quotes if it is text"),
        ("a: !!python/name:os.system x\n", "1:4: not valid YAML: could not determine a constructor for the tag"),
        ("? [a]\n: 1\n", "1:3: not valid YAML: found unhashable key"),
        ("a: *b\n", "1:4: not valid YAML: found undefined alias 'b'"),
        ("a:\n  - b: 1\n    b: 2\n", "3:5: duplicate key 'b', first given in line 2: keep one of them"),
        ("a: é\nb: \x07\n", "2:4: not valid YAML: remove the unprintable character"),
        (b"a: \xc3\xa9\nb: \xff\n", "2:4: not UTF-8 text: save the file as UTF-8"),
        ("[" * 5000, "1:1: nested too deeply"),
    ],
)
def test_what_is_not_valid_yaml_is_named_where_it_stands(tmp_path, content, problem):
    (found,) = problems(tmp_path, {"owners.yaml": content})
    assert found.startswith(f"owners.yaml:{problem}")


def test_a_link_that_leads_nowhere_is_a_problem(tmp_path):
    (tmp_path / "owners.yaml").symlink_to("gone")
    (found,) = problems(tmp_path, {})
    assert found.startswith("owners.yaml:1:1: cannot be read (No such file or directory)")


def test_a_merged_key_may_be_overridden_and_its_problem_is_told_where_it_holds(tmp_path):
    files = {
        "policies/one.yaml": """\
            policies:
              - &base
                name: one
                window: day
                limit_usd: "1"
              - <<: *base
                name: two
                limit_usd: "-1"
            """
    }
    assert problems(tmp_path, files) == ["policies/one.yaml:8:5: policy 'two': limit_usd must be greater than 0"]


@pytest.mark.parametrize("content", ["&a [*a, *a]", "&a {policies: [*a]}", "policies: &a [*a]", "hello", "[1]", "policies: {a: 1}", "1: 2"])
def test_a_policy_file_of_another_shape_is_a_problem(tmp_path, content):
    assert problems(tmp_path, {"policies/one.yaml": content})


def test_aliases_that_nest_a_billion_deep_are_read_once(tmp_path):
    lines = ["a0: &a0 [x, x]"] + [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 12)]
    assert load(write(tmp_path, {"outcomes.yaml": "\n".join(lines)})) == Config()


@given(st.binary(max_size=200) | st.text("ab:-[]{}&*!|>'\"#?, \n\t", max_size=60).map(str.encode))
def test_whatever_a_file_holds_reading_it_never_raises(content):
    source = read(_Held(content), "owners.yaml", Kind("owner"))
    assert not (source.problems and source.unreadable and source.value is not None)


class _Held:
    """Bytes where `read` expects a path."""

    def __init__(self, content: bytes):
        self.read_bytes = lambda: content
