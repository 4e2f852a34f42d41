"""Every dialect is registered, documented, and speaks the vocabulary."""

import importlib
import pkgutil
from collections import Counter
from pathlib import Path

import pytest
from bodies import SAMPLES

from analytics.model import KINDS, MEASURES_OF_POINTS, USAGE_ROLES
from ingest import dialects, wire
from ingest.dialects import DIALECTS, translate
from ingest.dialects.dialect import AMOUNTS, COUNTS, TEXT
from ingest.otlp_json import to_protobuf


def test_every_dialect_file_is_registered_and_plain_is_last():
    modules = [importlib.import_module(f"ingest.dialects.{module.name}") for module in pkgutil.iter_modules(dialects.__path__)]
    files = {module.__name__.rpartition(".")[2]: module.DIALECT for module in modules if hasattr(module, "DIALECT")}
    assert {dialect.name: dialect for dialect in DIALECTS} == files
    assert len(DIALECTS) == len(files)
    assert [dialect.name for dialect in DIALECTS if not (dialect.claims or dialect.scopes)] == [DIALECTS[-1].name] == ["plain"]


def test_every_dialect_says_where_its_words_come_from():
    documented = {dialect.name: importlib.import_module(f"ingest.dialects.{dialect.name}").__doc__ for dialect in DIALECTS[:-1]}
    assert [name for name, said in documented.items() if "Source:" not in said] == []
    assert [dialect.name for dialect in DIALECTS[:-1] if not dialect.verified and "Unverified" not in documented[dialect.name]] == []


def test_dialects_speak_the_vocabulary():
    assert {kind for dialect in DIALECTS for kind in dialect.kinds.values()} <= set(KINDS)
    assert all(word == word.lower() or word.startswith("@") for dialect in DIALECTS for word in dialect.kinds)
    assert {role for dialect in DIALECTS for role in dialect.usage_roles.values()} <= set(USAGE_ROLES)
    assert {measure for dialect in DIALECTS for words in dialect.metrics.values() for measure in words.values()} <= set(MEASURES_OF_POINTS)
    columns = {*TEXT, *COUNTS, *AMOUNTS}
    assert {column for dialect in DIALECTS for column in dialect.fields} <= columns
    assert {column for dialect in DIALECTS for column in dialect.refine} <= columns | {"kind", "usage_role", "input_includes_cache"}


@pytest.mark.parametrize("dialect", DIALECTS, ids=lambda dialect: dialect.name)
def test_no_key_means_two_things_in_a_dialect(dialect):
    columns = Counter(key for keys in dialect.all_fields.values() for key in set(keys))
    assert [key for key, count in columns.items() if count > 1] == []


def test_the_readme_lists_every_dialect_with_its_state():
    lines = [line.split(" | ") for line in (SAMPLES.parent / "README.md").read_text().splitlines() if line.startswith("| `")]
    states = {cells[0].strip("|` "): cells[2].strip("| ") for cells in lines if len(cells) == 3}
    checked = {True: "checked against the provider's bill", False: "unverified: from its documentation"}
    assert {name: states.get(name) for name in (dialect.name for dialect in DIALECTS[:-1])} == {
        dialect.name: checked[dialect.verified] for dialect in DIALECTS[:-1]
    }


def protobuf(path: Path, signal: str) -> bytes:
    body = path.read_bytes()
    return to_protobuf(body, signal) if path.suffix == ".json" else body


def test_every_verified_dialect_is_spoken_in_a_sample():
    signals = ("traces", "logs")
    recorded = {(signal, path) for signal in signals for path in SAMPLES.glob(f"*/*-{signal}.*") if path.parent.name != "weekend"}
    bodies = [
        (signal, to_protobuf(path.read_bytes(), signal) if path.suffix == ".json" else path.read_bytes()) for signal, path in recorded
    ]
    spoken = {name for signal, body in bodies for name in translate(wire.decode([body], signal))["dialect"].unique()}
    assert {dialect.name for dialect in DIALECTS if dialect.verified} <= spoken
