"""No content and no credential rests anywhere. The table of every field in every form: python tests/canaries.py"""

from pathlib import Path

import canaries
import pytest
from canaries import PLACES, Visit, both, found_of
from garden import CONTENT

from ingest.dialects import DIALECTS


@pytest.fixture(scope="module")
def visits(tmp_path_factory: pytest.TempPathFactory) -> tuple[Visit, Visit]:
    """A tenant that keeps no content, and one that does."""
    return both(tmp_path_factory.mktemp("canaries"), forms=("text", "JSON", "API key"))


def test_no_canary_is_found(visits):
    strict, _ = visits
    assert len(strict.garden.canaries) > 1000
    assert found_of(strict) == []
    assert strict.found.encoded == set()


def test_every_place_was_looked_at_and_would_have_shown_one(visits):
    strict, _ = visits
    silent = {"log", "metrics"} | (set() if canaries.CHROMIUM else {"pages"})
    assert strict.found.kept == set(PLACES) - silent
    assert min(strict.found.sizes[place] for place in PLACES if place not in silent) > 1000
    assert strict.found.sizes["metrics"] > 500


def test_who_asks_for_content_gets_it_without_credentials(visits):
    _, keeping = visits
    assert found_of(keeping, credentials_only=True) == []
    assert {places[0] for _, form, places in found_of(keeping) if form == "text"} == {"evidence"}
    assert sum(form == "JSON" for _, form, _ in found_of(keeping)) > 300


def test_counting_is_the_same_with_and_without_content(visits):
    strict, keeping = visits
    assert strict.usage == keeping.usage
    assert sum(row["calls"] for row in strict.usage) > 100
    assert (strict.twins, keeping.twins) == (1, 1)


def test_every_dialect_has_its_content_planted():
    assert CONTENT.keys() == {dialect.name for dialect in DIALECTS}


def test_nothing_of_a_process_is_said_but_where_it_listens(visits, tmp_path_factory: pytest.TempPathFactory):
    logs = [path.read_text() for path in Path(tmp_path_factory.getbasetemp()).rglob("data.log") if "canaries" in str(path)]
    assert logs
    assert "Traceback" not in "".join(logs)
