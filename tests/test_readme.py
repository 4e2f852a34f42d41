"""What the README says is so: its commands, its recipes, its tables, its lines to copy."""

import re
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from analytics.alerts import CHANNELS
from analytics.config import load
from analytics.reports import DIMENSIONS, REPORTS
from ingest.cli import _parser
from ingest.dialects import DIALECTS

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()


def _first_cells(heading: str) -> list[str]:
    """The code words in the first column of the table under a line that begins so."""
    table = README[README.index(heading) :].split("\n\n")[0]
    return [word for row in table.splitlines()[2:] for word in re.findall(r"`([^`]+)`", row.split("|")[1])]


def _block(containing: str) -> str:
    return next(block for block in re.findall(r"```\w*\n(.*?)```", README, re.S) if containing in block)


def _copy(folder: Path) -> Path:
    for package in ("ingest", "analytics", "dashboard"):
        shutil.copytree(ROOT / package, folder / package, ignore=shutil.ignore_patterns("__pycache__"))
    return folder


def _edit(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert text.count(old) == 1
    path.write_text(text.replace(old, new))


def _run(folder: Path, script: str) -> str:
    """What a script prints with the packages of a folder."""
    command = [sys.executable, "-c", f"import sys; sys.path.insert(0, {str(folder)!r})\n{textwrap.dedent(script)}"]
    return subprocess.run(command, check=True, capture_output=True, text=True, cwd=folder).stdout.strip()


def test_the_command_table_and_the_parser_name_the_same_commands():
    commands = {cell.removeprefix("loopledger ") for cell in _first_cells("| command | does |")}
    assert commands == set(_parser()._subparsers._group_actions[0].choices)


def test_the_report_table_names_every_report_and_every_dimension():
    assert set(_first_cells("| report | shows |")) == set(REPORTS)
    assert f"by any of {', '.join(DIMENSIONS)}" in README.replace("\n", " ")


def test_the_dialect_table_names_every_dialect_in_order():
    assert _first_cells("| dialect | reads | state |") == [dialect.name for dialect in DIALECTS]


def test_every_file_the_readme_names_exists():
    named = re.findall(r"`((?:ingest|analytics|tests|sample_traces)/[\w/.]+)`", README) + re.findall(r"\]\(((?!http)[^)]+)\)", README)
    assert [name for name in named if "NAME" not in name and not (ROOT / name).exists()] == []


def test_the_policy_to_copy_is_valid(tmp_path):
    config = tmp_path / "config"
    (config / "policies").mkdir(parents=True)
    (config / "policies" / "budgets.yaml").write_text(_block("dependency-bump-week"))
    (tmp_path / "secret").write_text("whsec_bG9vcGxlZGdlci10ZXN0LXNlY3JldC0wMDAx")
    (config / "channels.yaml").write_text(
        "channels:\n  - {name: platform-webhook, type: webhook, url: 'http://127.0.0.1:9/', secret_file: ../secret}\n"
    )
    assert [policy.name for policy in load(config).policies] == ["dependency-bump-week"]


def test_the_identity_line_to_copy_is_what_the_sdk_reads():
    line = next(line for line in _block("OTEL_RESOURCE_ATTRIBUTES").splitlines() if "OTEL_RESOURCE_ATTRIBUTES" in line)
    ours = "[key for key in Resource.create().attributes if key[:4] in ('loop', 'team')]"
    script = f"from opentelemetry.sdk.resources import Resource; print(*sorted({ours}))"
    found = subprocess.run(["bash", "-c", f'{line}\nexec {sys.executable} -c "{script}"'], check=True, capture_output=True, text=True)
    assert found.stdout.split() == ["loopledger.loop", "loopledger.role", "loopledger.run.id", "team.id"]


@pytest.mark.parametrize("command", sorted({cell.split()[1] for cell in _first_cells("| command | does |")}))
def test_every_command_has_help_with_an_example(command):
    told = subprocess.run(
        [Path(sys.executable).parent / "loopledger", command, "--help"], check=True, capture_output=True, text=True
    ).stdout
    assert f"Example: loopledger {command}" in told


def test_the_two_commands_install_what_the_lock_files_pin():
    for lock in ("requirements.txt", "requirements-dev.txt"):
        text = (ROOT / lock).read_text()
        assert lock in README
        assert "--hash=sha256:" in text
        assert "://" not in text


def test_a_dialect_is_one_file_and_one_line(tmp_path):
    folder = _copy(tmp_path)
    (folder / "ingest/dialects/acme.py").write_text(
        "from ingest.dialects.dialect import Dialect\n\n"
        'DIALECT = Dialect(name="acme", claims=("acme.",), fields={"word": ("acme.op",), "model_requested": ("acme.model",),\n'
        '    "reported_input": ("acme.in",), "reported_output": ("acme.out",)}, kinds={"ask": "model"})\n'
    )
    _edit(folder / "ingest/dialects/__init__.py", '    "gen_ai",\n', '    "acme",\n    "gen_ai",\n')
    script = """
        from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
        from ingest import dialects, wire
        request = ExportTraceServiceRequest()
        span = request.resource_spans.add().scope_spans.add().spans.add(trace_id=b"t" * 16, span_id=b"s" * 8, name="x")
        for key, value in {"acme.op": "ask", "acme.model": "m-1"}.items():
            span.attributes.add(key=key).value.string_value = value
        for key, value in {"acme.in": 7, "acme.out": 3}.items():
            span.attributes.add(key=key).value.int_value = value
        row = dialects.translate(wire.decode([request.SerializeToString()], "traces")).row(0, named=True)
        print(row["dialect"], row["kind"], row["model_requested"], row["input_uncached_tokens"], row["output_text_tokens"])
    """
    assert _run(folder, script) == "acme model m-1 7 3"


def test_an_alert_channel_is_one_file_and_one_line(tmp_path):
    folder = _copy(tmp_path)
    (folder / "analytics/alerts/printer.py").write_text(
        "from typing import Literal\n\nfrom pydantic import BaseModel, ConfigDict\n\n\n"
        "class Printer(BaseModel):\n    model_config = ConfigDict(extra='forbid', frozen=True)\n"
        "    name: str\n    type: Literal['printer']\n\n\n"
        "MODEL = Printer\n\n\ndef send(channel, message_id, body):\n    print(channel.name, message_id, body['type'])\n"
    )
    _edit(folder / "analytics/alerts/__init__.py", '    "webhook": webhook,\n', '    "webhook": webhook,\n    "printer": printer,\n')
    _edit(folder / "analytics/alerts/__init__.py", "from analytics.alerts import webhook", "from analytics.alerts import printer, webhook")
    (folder / "config").mkdir()
    (folder / "config/channels.yaml").write_text("channels:\n  - {name: desk, type: printer}\n")
    script = """
        from pathlib import Path
        from analytics import alerts
        from analytics.config import load
        alerts.deliver(load(Path("config")).channels[0], "msg_1", {"type": "budget.crossed"})
    """
    assert _run(folder, script) == "desk msg_1 budget.crossed"
    assert set(CHANNELS) == {"webhook"}


def test_a_report_is_one_file_its_statement_and_one_line(tmp_path):
    folder = _copy(tmp_path)
    (folder / "analytics/reports/commit_count.py").write_text(
        "def commit_count(sources, question):\n    return sources.ledger.query('reports/commit_count')\n"
    )
    (folder / "analytics/sql/reports/commit_count.sql").write_text("-- commit_count: one row.\nselect count(*) as commits from commits\n")
    init = folder / "analytics/reports/__init__.py"
    _edit(
        init,
        "from analytics.reports.coverage import coverage\n",
        "from analytics.reports.commit_count import commit_count\nfrom analytics.reports.coverage import coverage\n",
    )
    _edit(init, "        schedule,\n", "        schedule,\n        commit_count,\n")
    script = f"""
        from ingest.cli import main
        main(["replay", {str(ROOT / "sample_traces/strands")!r}, "--data", "data"])
        main(["report", "commit_count", "--data", "data", "--format", "csv"])
    """
    assert _run(folder, script).splitlines()[-2:] == ["commits", "4"]  # the last one settles what waited


def test_a_price_is_an_entry_in_the_config_directory(tmp_path):
    (tmp_path / "config/prices").mkdir(parents=True)
    (tmp_path / "config/prices/own.yaml").write_text('prices:\n  - {model: "gpt-*", input_mtok: "0", output_mtok: "1000000"}\n')
    loopledger = Path(sys.executable).parent / "loopledger"
    data = ["--data", tmp_path / "data"]
    subprocess.run(
        [loopledger, "replay", ROOT / "sample_traces/strands", "--config", tmp_path / "config", *data], check=True, capture_output=True
    )
    told = subprocess.run([loopledger, "report", "spend", "--format", "csv", *data], check=True, capture_output=True, text=True).stdout
    row = dict(zip(*(line.split(",") for line in told.splitlines()), strict=True))
    assert row["cost_usd"] == f"{row['output_tokens']}.000000000"
