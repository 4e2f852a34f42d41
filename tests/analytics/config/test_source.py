"""Files as YAML: every way to be wrong is named where it stands."""

import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analytics.config import Config, load
from analytics.config.source import Kind, read


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
def test_what_is_not_valid_yaml_is_named_where_it_stands(problems, content, problem):
    (found,) = problems({"outcomes.yaml": content})
    assert found.startswith(f"outcomes.yaml:{problem}")


def test_a_link_that_leads_nowhere_is_a_problem(problems, tmp_path):
    (tmp_path / "owners.yaml").symlink_to("gone")
    (found,) = problems({})
    assert found.startswith("owners.yaml:1:1: cannot be read (No such file or directory)")


def test_a_merged_key_may_be_overridden_and_its_problem_is_told_where_it_holds(problems):
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
    assert problems(files) == ["policies/one.yaml:8:5: policy 'two': limit_usd must be greater than 0"]


@pytest.mark.parametrize("content", ["&a [*a, *a]", "&a {policies: [*a]}", "policies: &a [*a]", "hello", "[1]", "policies: {a: 1}", "1: 2"])
def test_a_policy_file_of_another_shape_is_a_problem(problems, content):
    assert problems({"policies/one.yaml": content})


def test_aliases_that_nest_a_billion_deep_are_read_once(write):
    lines = ["a0: &a0 [x, x]"] + [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 12)]
    assert load(write({"outcomes.yaml": "\n".join(lines)})) == Config()


@given(st.binary(max_size=200) | st.text("ab:-[]{}&*!|>'\"#?, \n\t", max_size=60).map(str.encode))
def test_whatever_a_file_holds_reading_it_tells_places_that_exist(content):
    with tempfile.NamedTemporaryFile() as file:
        file.write(content)
        file.flush()
        source = read(Path(file.name), "owners.yaml", Kind("owner"))
    lines = content.count(b"\n") + content.count(b"\r") + content.count("\u0085".encode()) + content.count("\u2028".encode()) + 1
    assert all(1 <= problem.line <= lines and 1 <= problem.column <= len(content) + 1 for problem in source.problems)
    assert source.node is not None or source.value is None
