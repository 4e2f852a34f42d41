"""Entries of channels.yaml: where the secret comes from, and that nothing shows it."""

import base64
import shutil
from pathlib import Path

import pytest

from analytics.config import load

SAMPLE = Path(__file__).parents[3] / "sample_traces" / "config"
SECRET = "whsec_" + base64.b64encode(bytes(range(32))).decode()


def channel(keys: str) -> dict[str, str]:
    return {"channels.yaml": f"channels: [{{name: ops, type: webhook, url: 'https://example.com/?token=t0p', {keys}}}]"}


@pytest.mark.parametrize("text", [SECRET, SECRET.removeprefix("whsec_"), SECRET + "\n", SECRET.rstrip("=")])
def test_a_secret_file_lies_relative_to_the_directory_and_belongs_to_it(write, text):
    config = load(write(channel("secret_file: keys/ops") | {"keys/ops": text}))
    assert config.channels[0].secret.get_secret_value() == text.strip()


def test_a_secret_comes_from_the_environment(write, monkeypatch):
    monkeypatch.setenv("OPS_SECRET", SECRET)
    assert load(write(channel("secret_env: OPS_SECRET"))).channels[0].secret.get_secret_value() == SECRET


def test_a_loaded_channel_prints_neither_its_secret_nor_its_url(write, monkeypatch):
    monkeypatch.setenv("OPS_SECRET", SECRET)
    config = load(write(channel("secret_env: OPS_SECRET")))
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
def test_a_secret_that_cannot_be_used_is_refused_without_showing_it(problems, monkeypatch, keys, problem):
    monkeypatch.setenv("OPS_SECRET", SECRET)
    keyring = {"keys/good": SECRET, "keys/words": "correct horse battery staple", "keys/empty": "\n", "keys/binary": b"\xff\xfe"}
    found = problems(channel(keys) | keyring)
    assert any(f"channel 'ops': {problem}" in line for line in found), found
    assert not any(secret in line for line in found for secret in (SECRET, "aHVzaA", "horse", "t0p"))


@pytest.mark.parametrize(
    "url", ["ftp://example.com", "example.com/hook", "http://", "https://user:pass@example.com", "http://a b", "http://x:99999"]
)
def test_a_webhook_goes_to_an_http_address_without_credentials_in_it(problems, url):
    files = {"channels.yaml": f"channels: [{{name: ops, type: webhook, url: '{url}', secret_file: key}}]", "key": SECRET}
    (problem,) = problems(files)
    assert problem.startswith("channels.yaml:1:39: channel 'ops': url must ")
    assert "pass@" not in problem


def test_a_policy_may_notify_a_channel_that_is_wrong_otherwise(problems):
    files = channel("secret_env: UNSET") | {"policies/one.yaml": 'policies: [{name: cap, window: day, limit_usd: "1", notify: [ops]}]'}
    assert [line.partition(": ")[2] for line in problems(files)] == [
        "channel 'ops': secret_env names an environment variable that is not set"
    ]


def test_the_commented_webhook_of_the_sample_loads_once_it_is_switched_on(tmp_path, monkeypatch):
    monkeypatch.setenv("LOOPLEDGER_OPS_SECRET", SECRET)
    directory = shutil.copytree(SAMPLE, tmp_path / "config")
    head, _, example = (SAMPLE / "channels.yaml").read_text().partition("channels: []\n")
    switched_on = head + "channels:\n" + "".join(line[1:] for line in example.splitlines(keepends=True))
    (directory / "channels.yaml").write_text(switched_on)
    (channel,) = load(directory).channels
    assert (channel.name, channel.type, channel.secret.get_secret_value()) == ("ops", "webhook", SECRET)
