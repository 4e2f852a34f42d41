import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import duckdb
import polars as pl
import pytest
import zstandard
from bookkeeping import MONDAY, Desk, call, policy

from analytics.errors import StoreError
from analytics.ledger import SQL, Ledger, migrations
from analytics.mark import Mark

ROOT = Path(__file__).parents[2]
GOLDEN = sorted((ROOT / "tests" / "golden").glob("[0-9]*"))
HELD = {path.relative_to(SQL).with_suffix("").as_posix() for path in SQL.rglob("*") if path.is_file()}
ACCEPTED = pl.DataFrame({"accepted_at": [MONDAY], "mark": [2], "found": [1], "reason": ["a test"]})  # rows of the smallest table


@pytest.fixture
def ledger(tmp_path) -> Iterator[Ledger]:
    ledger = Ledger(tmp_path)
    yield ledger
    ledger.close()


def refusal(directory: Path) -> str:
    with pytest.raises(StoreError) as raised:
        Ledger(directory)
    return str(raised.value)


# Commits


def test_what_was_committed_is_there_after_a_restart(tmp_path, ledger):
    ledger.append(1, MONDAY, {"accepted_losses": ACCEPTED})
    ledger.append(2, MONDAY, {"accepted_losses": ACCEPTED})
    ledger.close()
    again = Ledger(tmp_path)
    assert (again.commit_no, again._rows("select count(*) from accepted_losses")) == (2, [(2,)])
    again.close()


def test_a_commit_is_whole_or_not_at_all(ledger):
    with pytest.raises(duckdb.Error):
        ledger.append(1, MONDAY, {"accepted_losses": ACCEPTED, "links": pl.DataFrame({"tenant": ["t"]})})
    assert (ledger.commit_no, ledger._rows("select * from accepted_losses"), ledger._rows("select * from commits")) == (0, [], [])


def test_a_checkpoint_comes_with_a_large_log_or_at_half_of_it_before_a_row_group_ends(opened, monkeypatch):
    monkeypatch.setattr("analytics.ledger._ROW_GROUP", 10)
    desk = opened()
    log = desk.directory / "ledger.duckdb.wal"

    def posted(*names: str) -> bool:
        desk.post(*map(call, names))
        return desk.ledger.checkpoint()

    assert (posted("a", "b", "c"), posted("d", "e"), posted("f", "g", "h")) == (False, False, False)
    monkeypatch.setattr("analytics.ledger._WAL_BYTES", log.stat().st_size * 2)
    assert (desk.ledger.checkpoint(), log.exists()) == (True, False)  # three more would not fit
    assert not posted("i", "j", "k")
    monkeypatch.setattr("analytics.ledger._WAL_BYTES", log.stat().st_size * 2)
    assert not desk.ledger.checkpoint()  # three more fit
    monkeypatch.setattr("analytics.ledger._WAL_BYTES", log.stat().st_size)
    assert desk.ledger.checkpoint()


def test_after_some_checkpoints_the_file_is_opened_anew(opened, monkeypatch):
    monkeypatch.setattr("analytics.ledger._WAL_BYTES", 0)
    monkeypatch.setattr("analytics.ledger._FORGOTTEN", 3)
    desk, connections = opened(policy()), set()
    for number in range(9):
        desk.watch(call(f"{number}", 1, minute=number))
        desk.ledger.checkpoint()
        connections.add(desk.ledger._database._connection)
    assert desk.rows("select count(*), sum(calls) from charges") == [(9, 9)]
    assert None in connections


def test_a_ledger_that_another_process_wrote_to_is_not_gone_on_with(ledger):
    ledger.append(1, MONDAY, {"accepted_losses": ACCEPTED})
    assert ledger._database.forget()
    with duckdb.connect(ledger.path) as other:
        other.execute("insert into commits select 2, now_at, records, charges from commits")
    for _ in range(2):
        with pytest.raises(StoreError, match=r"ends with commit 2, not 1: another process wrote to it"):
            ledger.append(2, MONDAY, {"accepted_losses": ACCEPTED})


def test_a_query_reads_frames_as_tables(ledger):
    wanted = {"wanted": pl.DataFrame({"run": ["one"]})}
    assert ledger.query("queries/run_starts", wanted, tenant="default").rows() == []


def test_a_stream_holds_the_same_rows_as_a_query(opened):
    desk = opened()
    desk.post(*(call(f"{number}") for number in range(30)))
    streamed = pl.from_arrow(desk.ledger.read("queries/record_keys", batch_rows=7, tenant="default", first=1, last=9).read_all())
    assert sorted(streamed.rows()) == sorted(desk.ledger.query("queries/record_keys", tenant="default", first=1, last=9).rows())


def test_reading_many_threads_at_once_is_safe(opened):
    from concurrent.futures import ThreadPoolExecutor

    desk = opened()
    desk.post(call("a"))
    with ThreadPoolExecutor(8) as threads:
        counts = threads.map(lambda _: desk.ledger.query("queries/record_keys", tenant="default", first=1, last=9).height, range(40))
        assert set(counts) == {1}


# The mark


@pytest.fixture
def shortened(tmp_path) -> Path:
    """A ledger that holds one commit where three were acknowledged."""
    ledger = Ledger(tmp_path)
    ledger.append(1, MONDAY, {"accepted_losses": ACCEPTED})
    Mark(tmp_path).write(3)
    ledger.close()
    return tmp_path


def test_a_ledger_below_its_mark_refuses_and_says_what_to_do(shortened):
    assert refusal(shortened) == (
        f"{shortened / 'ledger.duckdb'} holds commits up to 1, but 3 were acknowledged: 2 are missing. "
        f"Restore a backup, or run: loopledger doctor --data {shortened} --accept-loss --reason TEXT"
    )


def test_an_accepted_loss_is_on_record_and_the_ledger_serves_again(shortened):
    ledger = Ledger(shortened, below_mark=True)
    assert ledger.accept_loss(MONDAY, "disk died") == 2
    ledger.close()
    again = Ledger(shortened)
    assert again._rows("select * from accepted_losses where reason = 'disk died'") == [(MONDAY, 3, 1, "disk died")]
    again.append(2, MONDAY, {})
    assert Mark(shortened).read() == 2
    again.close()


def test_a_lost_ledger_file_is_noticed(tmp_path, ledger):
    ledger.append(1, MONDAY, {"accepted_losses": ACCEPTED})
    ledger.close()
    ledger.path.unlink()
    assert "1 are missing" in refusal(tmp_path)


@pytest.mark.parametrize("damage", [b"", b"{}", b"\0" * 36, b"[]"])
def test_a_damaged_mark_is_named(tmp_path, ledger, damage):
    ledger.close()
    (tmp_path / "ledger.mark").write_bytes(damage)
    assert str(tmp_path / "ledger.mark") in refusal(tmp_path)


def test_no_flipped_byte_makes_a_mark_another_number(tmp_path):
    mark = Mark(tmp_path)
    mark.write(12_345)
    whole = mark.path.read_bytes()
    found = set()
    for place in range(len(whole)):
        for bit in range(8):
            mark.path.write_bytes(whole[:place] + bytes([whole[place] ^ (1 << bit)]) + whole[place + 1 :])
            try:
                found.add(mark.read())
            except StoreError:
                found.add("damaged")
    assert found == {12_345, "damaged"}


@pytest.mark.parametrize("length", range(0, 50, 7))
def test_a_mark_cut_short_is_damaged(tmp_path, length):
    mark = Mark(tmp_path)
    mark.write(12_345)
    mark.path.write_bytes(mark.path.read_bytes()[:length])
    with pytest.raises(StoreError):
        mark.read()


def test_a_mark_that_is_gone_is_missed(tmp_path, ledger):
    ledger.append(1, MONDAY, {"accepted_losses": ACCEPTED})
    ledger.close()
    Mark(tmp_path).path.unlink()
    assert "ledger.mark is missing" in refusal(tmp_path)


def test_a_mark_of_an_earlier_version_counts(tmp_path):
    (tmp_path / "ledger.mark").write_text('{"commit_no":                    7}\n')
    assert Mark(tmp_path).read() == 7


# Files that cannot be used


def test_a_newer_schema_is_refused(tmp_path, ledger):
    known = len(migrations("ledger"))
    ledger._rows(f"update schema_version set version = {known + 1}")
    ledger.close()
    assert refusal(tmp_path) == (
        f"{tmp_path / 'ledger.duckdb'} has schema version {known + 1}, this loopledger knows up to {known}: use a newer loopledger"
    )


def test_a_file_that_is_no_ledger_is_refused(tmp_path):
    (tmp_path / "ledger.duckdb").write_bytes(b"not a database" * 1000)
    assert refusal(tmp_path).startswith(f"{tmp_path / 'ledger.duckdb'} cannot be opened: ")


def test_a_ledger_that_another_process_has_open_is_refused(tmp_path):
    holds = (
        "import sys; from analytics.ledger import Ledger; from pathlib import Path\nledger = Ledger(Path(sys.argv[1])); print(); input()"
    )
    with subprocess.Popen([sys.executable, "-c", holds, tmp_path], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        other.stdout.readline()
        assert refusal(tmp_path).startswith(f"{tmp_path / 'ledger.duckdb'} is in use by another process")
        other.communicate(b"\n")


def test_a_refused_ledger_is_let_go(shortened):
    refusal(shortened)
    duckdb.connect(shortened / "ledger.duckdb").close()


# Versions


@pytest.mark.parametrize("store", ["ledger", "control"])
def test_migrations_are_numbered_without_a_gap(store):
    files = sorted(path.stem for path in (SQL / store).iterdir())
    assert [int(file[:3]) for file in files] == list(range(1, len(files) + 1))
    assert migrations(store) == [f"{store}/{file}" for file in files]


def test_there_is_a_golden_store_of_every_version():
    versions = max(len(migrations("ledger")), len(migrations("control")))
    assert [path.name for path in GOLDEN] == [f"{number:03d}" for number in range(1, versions + 1)]


def restored(golden: Path, directory: Path) -> Desk:
    """A desk on a copy of a golden store."""
    directory.mkdir()
    for file in golden.iterdir():
        (directory / file.stem).write_bytes(zstandard.decompress(file.read_bytes()))
    return Desk(directory, [policy()])


@pytest.mark.parametrize("golden", GOLDEN, ids=lambda path: path.name)
def test_a_store_of_an_earlier_version_opens_with_all_it_holds(golden, tmp_path):
    desk = restored(golden, tmp_path / "data")
    assert (desk.ledger.commit_no, desk.control.cursor()) == (2, 2)
    assert desk.rows("select agent, sum(calls), sum(unknown_calls), sum(cost_usd) from charges group by agent order by agent") == [
        ("maker", 1, 0, 9),
        (None, 2, 1, 4),
    ]
    assert [(row["percent"], row["state"], row["spent_nano_usd"]) for row in desk.control.all_incidents()] == [
        (80, "open", 9 * 10**9),
        (100, "open", 13 * 10**9),
    ]
    assert desk.post(call("c", 4, minute=1)).repeated == 1
    desk.close()


@pytest.mark.parametrize("golden", GOLDEN, ids=lambda path: path.name)
def test_records_of_an_earlier_version_are_found_by_what_comes_later(golden, tmp_path):
    desk = restored(golden, tmp_path / "data")
    desk.post(call("c2", 4, parent="c", minute=1, response_id="s"), call("a2", 9, trace="two", response_id="r"))
    assert desk.rows("select sum(calls), sum(cost_usd) from charges") == [(3, 13)]
    desk.close()


@pytest.mark.parametrize("golden", GOLDEN[1:], ids=lambda path: path.name)
def test_what_waited_in_an_earlier_version_still_waits(golden, tmp_path):
    """A sum without calls below, and a metric point; the first version knew neither."""
    desk = restored(golden, tmp_path / "data")
    desk.settle()
    assert desk.rows("select agent, cost_usd from charges where commit_no = 3 order by cost_usd") == [("helper", 5), (None, 6)]
    desk.close()


# Wiring


def files_named_by(module: Path) -> set[str]:
    """Statements that a module names: plain, or with one name of its own filled in."""
    tree = ast.parse(module.read_text())
    texts = {node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)}
    named = {text for text in texts if re.fullmatch(r"(queries|reports)/\w*[a-z]", text)}
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr) and isinstance(node.values[0], ast.Constant) and len(node.values) == 2:
            named |= {node.values[0].value + text for text in texts} & HELD
    return named


def test_every_statement_is_used_and_every_used_one_exists():
    modules = [path for package in ("analytics", "ingest") for path in (ROOT / package).rglob("*.py")]
    used = set().union(*map(files_named_by, modules))
    assert used == HELD - set(migrations("ledger")) - set(migrations("control"))


def test_every_statement_says_first_what_its_rows_are():
    assert [path.name for path in SQL.rglob("*.sql") if not path.read_text().startswith("-- ")] == []
