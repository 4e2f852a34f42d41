"""`loopledger token`: what it writes into access.yaml, and what people wrote there."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analytics.config import load, load_access
from ingest.access import proof_of
from ingest.cli import main
from ingest.tokens import _with, _without

WRITTEN = """# Who may speak to us.
hosts: [collector.example]   # behind the balancer
credentials:
- id: old            # before the move
  certificate: spiffe://example/old
  scopes: [ingest]

# the dashboard
- {id: flow, hash: '%s', scopes: [read]}
- scopes:
  - read
  id: last
  certificate: last
# the end
""" % ("0" * 64)


@pytest.fixture
def token(tmp_path: Path, capsys: pytest.CaptureFixture):
    """Runs `loopledger token`: (exit code, what it printed, what it complained)."""

    def run(*words: str) -> tuple[int, str, str]:
        code = main(["token", *words, "--config", str(tmp_path / "config"), "--data", str(tmp_path / "data")])
        return (code, *capsys.readouterr())

    return run


def test_a_token_is_shown_once_and_only_its_hash_is_kept(token, tmp_path):
    code, printed, told = token("create", "ci", "--team", "payments", "--team", "docs", "--tenant", "acme", "--expires-days", "9")
    made, text = printed.strip(), (tmp_path / "config" / "access.yaml").read_text()
    assert (code, made.startswith("ll_ci_"), "shown once" in told) == (0, True, True)
    assert made not in text
    (one,) = load(tmp_path / "config").access.credentials
    assert (one.id, one.tenant, one.teams, one.scopes) == ("ci", "acme", ("payments", "docs"), ("ingest",))
    assert one.hash == proof_of(tmp_path / "data", made)
    assert ((tmp_path / "data" / "access.key").stat().st_mode & 0o777) == 0o600


def test_they_are_listed_and_revoked(token):
    assert "make one: loopledger token create" in token("list")[1]
    for name in ("a", "b", "c"):
        assert token("create", name, "--scope", "read")[0] == 0
    assert token("revoke", "b")[:2] == (0, "b is revoked\n")
    listed = token("list")[1].splitlines()
    assert [line.split()[0] for line in listed] == ["id", "a", "c"]


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (("create",), 2, "name the credential"),
        (("create", "Not good"), 3, "stays as it is"),
        (("revoke", "nobody"), 3, "has no credential nobody"),
    ],
)
def test_what_cannot_be_is_told(token, words, code, told):
    found, _, error = token(*words)
    assert (found, told in error) == (code, True)


def test_a_name_is_taken_once(token):
    token("create", "ci")
    code, _, told = token("create", "ci")
    assert (code, "already" in told) == (3, True)


def test_what_people_wrote_stays(token, tmp_path):
    file = tmp_path / "config" / "access.yaml"
    file.parent.mkdir()
    file.write_text(WRITTEN)
    token("create", "new", "--scope", "read")
    assert set(WRITTEN.splitlines()) < set(file.read_text().splitlines())
    for name in ("flow", "new", "last"):
        assert token("revoke", name)[0] == 0
    left = file.read_text()
    assert left == WRITTEN[: WRITTEN.index("- {id: flow")] + "# the end\n"
    assert [one.id for one in load_access(file).credentials] == ["old"]


NAMES = st.lists(st.sampled_from("abcdefgh"), unique=True, min_size=1)


@settings(max_examples=50)
@given(names=NAMES, gone=st.sets(st.sampled_from("abcdefgh")), last=st.booleans())
def test_whatever_comes_and_goes_the_rest_is_as_it_was(tmp_path_factory, names, gone, last):
    text = "" if last else "hosts: [x]"
    for name in names:
        text = _with(text, {"id": name, "certificate": name, "scopes": ["read"]})
    for name in gone & set(names):
        text = _without(text, name)
    file = tmp_path_factory.mktemp("c") / "access.yaml"
    file.write_text(text)
    assert [one.id for one in load_access(file).credentials or ()] == [name for name in names if name not in gone]
