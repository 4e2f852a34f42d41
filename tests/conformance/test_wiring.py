"""Every statement has a test of its number, or stands among the open ones with a reason."""

from pathlib import Path

import bombs
from statements import ELSEWHERE, OPEN, STATEMENTS, numbered


def test_the_numbers_are_those_of_the_list():
    assert list(STATEMENTS) == list(range(1, 48))


def test_every_statement_has_a_test_or_a_reason():
    assert sorted(numbered().keys() | OPEN.keys()) == list(STATEMENTS)
    assert numbered().keys() & OPEN.keys() == set()
    assert all(OPEN.values())


def test_tests_of_other_names_are_there():
    for test in (test for tests in ELSEWHERE.values() for test in tests):
        file, _, name = test.partition("::")
        function, _, bomb = name.removesuffix("]").partition("[")
        assert f"def {function}(" in (Path(__file__).parents[1] / file).read_text()
        assert not bomb or bomb in {one.__name__ for one in bombs.BOMBS}
