"""The shape of the code: small pieces, one direction of imports, money without floats."""

import ast
import statistics
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGES = ("ingest", "analytics", "dashboard")
MODULES = sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))
TREES = {path: ast.parse(path.read_text()) for path in MODULES}
LONGEST_FILE, LONGEST_PAGE = 300, 60
MONEY_WORDS = ("usd", "cost", "price", "spent", "spend", "limit", "amount", "money", "decimal")


def named(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def bodies(tree: ast.Module) -> Iterator[int]:
    """Lines of each function's body, without its docstring."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            body = node.body[1:] if ast.get_docstring(node) is not None else node.body
            yield body[-1].end_lineno - body[0].lineno + 1 if body else 0


# Size


@pytest.mark.parametrize("package", PACKAGES)
def test_functions_are_small(package):
    lengths = sorted(length for path, tree in TREES.items() if named(path).startswith(package) for length in bodies(tree))
    assert statistics.median(lengths) <= 6
    assert statistics.quantiles(lengths, n=10)[-1] <= 25


def test_files_are_not_long():
    assert {named(path): lines for path in MODULES if (lines := len(path.read_text().splitlines())) > LONGEST_FILE} == {}


def test_pages_are_short():
    pages = [path for path in MODULES if path.parent.name == "app_pages"]
    assert len(pages) > 3
    assert {named(path): lines for path in pages if (lines := len(path.read_text().splitlines())) > LONGEST_PAGE} == {}


def test_every_public_function_and_class_of_the_ledger_says_what_it_is():
    silent = [
        f"{named(path)}: {node.name}"
        for path, tree in TREES.items()
        if named(path).startswith("analytics")
        for node in tree.body
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and not node.name.startswith("_") and not ast.get_docstring(node)
    ]
    assert silent == []


@pytest.mark.parametrize("word", ["utils", "helpers", "manager", "common", "misc"])
def test_no_module_is_a_drawer(word):
    assert [named(path) for path in MODULES if word in path.stem] == []


# Direction of imports


def test_import_contracts_are_kept():
    checked = subprocess.run([Path(sys.executable).parent / "lint-imports"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_no_module_of_the_dashboard_shadows_a_package():
    """Streamlit puts the folder of the entry script first on the path."""
    assert [path.name for path in (ROOT / "dashboard").iterdir() if path.stem in ("ingest", "analytics")] == []


def imports(tree: ast.Module) -> set[str]:
    """Top-level packages that a module imports anywhere."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found.add((node.module or "").partition(".")[0])
    return found


@pytest.mark.parametrize(
    ("library", "modules"),
    [
        ("duckdb", {"analytics/database.py", "analytics/ledger.py"}),
        ("sqlite3", {"analytics/control.py"}),
        ("sqlalchemy", {"analytics/control.py"}),
        ("ptars", {"ingest/descriptors.py"}),
        ("genai_prices", {"analytics/prices/catalogue.py", "analytics/prices/sets.py"}),
    ],
)
def test_only_one_place_knows_a_library(library, modules):
    assert {named(path) for path, tree in TREES.items() if library in imports(tree)} == modules


# Money


def floats(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """(line, statement) of everything that makes a float of something."""
    for statement in (node for node in ast.walk(tree) if isinstance(node, ast.stmt) and not hasattr(node, "body")):
        for node in ast.walk(statement):
            makes = isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "float"
            names = isinstance(node, ast.Attribute) and node.attr in ("Float64", "Float32", "float64", "float32")
            if makes or names:
                yield statement.lineno, ast.unparse(statement)


def test_money_is_never_a_float_but_in_a_chart():
    """Whatever becomes a float elsewhere says nothing of money."""
    found = [(f"{named(path)}:{line}", said) for path, tree in TREES.items() if path.name != "charts.py" for line, said in floats(tree)]
    assert [place for place, said in found if any(word in said.lower() for word in MONEY_WORDS)] == []
    assert [place for place, _ in found if place.startswith("dashboard")] == []


def test_no_statement_divides_or_averages_money():
    """DuckDB makes a double of either."""
    sql = {named(path): path.read_text() for path in (ROOT / "analytics" / "sql").rglob("*.sql")}
    code = {name: "\n".join(line.partition("--")[0] for line in text.splitlines()) for name, text in sql.items()}
    assert [name for name, text in code.items() if "/" in text or "avg(" in text or "double" in text or "float" in text] == []


# Style


@pytest.mark.parametrize("command", [("check",), ("format", "--check")], ids=" ".join)
def test_ruff_is_content(command):
    checked = subprocess.run([sys.executable, "-m", "ruff", *command, "."], cwd=ROOT, capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stdout[-3000:]
