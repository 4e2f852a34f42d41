"""What was stored long ago is found again: through files of the index, after restarts, and when these files are no longer good."""

import shutil
from pathlib import Path

import pytest
from bookkeeping import Desk, call

from analytics import sealed
from analytics.index import Index

COMMITS = 12


@pytest.fixture(autouse=True)
def _sealed_soon(monkeypatch):
    monkeypatch.setattr(Index, "in_memory", 6)
    monkeypatch.setattr(sealed, "LARGE", 6)


def stories() -> list[list[dict]]:
    """Commits of three calls, each in a trace of its own."""
    return [
        [call(f"{commit} {number}", trace=f"{commit} {number}", minute=commit, response_id=f"r{commit} {number}") for number in range(3)]
        for commit in range(COMMITS)
    ]


def files(desk: Desk) -> list[Path]:
    return sorted((desk.directory / "index").rglob("*.run"))


def state(desk: Desk) -> list[tuple]:
    return desk.rows("select count(*), count(distinct record_key) from records") + desk.rows(
        "select sum(calls), sum(cost_usd) from charges"
    )


def sent_again(desk: Desk) -> tuple[int, int]:
    """How many of all records came as repeats, one commit each time, and how many calls a twin of another trace added."""
    repeated = sum(desk.post(*story).repeated for story in stories())
    before = state(desk)[1]
    for minute, story in enumerate(stories()):
        ids = [one["response_id"] for one in story]
        desk.post(*(call(f"twin of {one}", trace="elsewhere", minute=minute, response_id=one) for one in ids))
    return repeated, state(desk)[1][0] - before[0]


def test_records_of_any_age_are_known_and_their_twins_found(opened):
    desk = opened()
    for story in stories():
        desk.post(*story)
    assert len(files(desk)) >= 9  # of records, traces and names
    assert sent_again(desk) == (3 * COMMITS, 0)


def _none(desk: Desk) -> None:
    """Nothing happens to the files."""


def _flipped(desk: Desk) -> None:
    for file in files(desk)[1::2]:
        body = bytearray(file.read_bytes())
        body[-1] ^= 1
        file.write_bytes(body)


def _gone(desk: Desk) -> None:
    shutil.rmtree(desk.directory / "index")


def _first_gone(desk: Desk) -> None:
    files(desk)[0].unlink()


def _half_written(desk: Desk) -> None:
    """A crash came between a commit and the whole of its file."""
    last = files(desk)[-1]
    (last.parent / "next").write_bytes(last.read_bytes()[:100])
    last.unlink()


@pytest.mark.parametrize("harm", [_none, _flipped, _gone, _first_gone, _half_written])
def test_after_a_restart_the_same_is_known_whatever_became_of_the_files(opened, harm):
    desk = opened()
    for story in stories():
        desk.post(*story)
    before = state(desk)
    desk.close()
    harm(desk)
    again = opened()
    assert state(again) == before
    assert sent_again(again) == (3 * COMMITS, 0)


def test_files_of_commits_that_the_ledger_has_lost_are_removed(opened, tmp_path):
    desk = opened()
    for story in stories()[:4]:
        desk.post(*story)
    desk.close()
    shutil.copytree(desk.directory, tmp_path / "backup")
    desk = opened()
    for story in stories()[4:]:
        desk.post(*story)
    kept = tmp_path / "index"
    shutil.copytree(desk.directory / "index", kept)
    desk.close()
    shutil.rmtree(desk.directory)
    shutil.copytree(tmp_path / "backup", desk.directory)
    shutil.rmtree(desk.directory / "index")
    shutil.copytree(kept, desk.directory / "index")
    again = opened()
    assert [again.post(*story).repeated for story in stories()] == [3] * 4 + [0] * (COMMITS - 4)


def test_what_was_sealed_at_the_end_is_not_read_again(opened):
    desk = opened()
    for story in stories():
        desk.post(*story)
    desk.books.seal()
    history = opened().books._accounts["default"]._history
    assert {index.through for index in (history._records, history._traces, history._names)} == {COMMITS}
    assert not any(index._recent for index in (history._records, history._traces, history._names))
    assert sent_again(opened()) == (3 * COMMITS, 0)


@pytest.mark.parametrize("name", ["_records", "_traces", "_names"])
def test_a_commit_that_is_half_remembered_is_remembered_from_the_ledger(opened, monkeypatch, name):
    desk = opened()
    broken, whole = getattr(desk.books._account("default", desk.now)._history, name), Index.add

    def add(index: Index, *given) -> None:
        if index is broken:
            raise MemoryError
        whole(index, *given)

    monkeypatch.setattr(Index, "add", add)
    first, *others = stories()
    with pytest.raises(MemoryError):
        desk.post(*first)
    for story in others:
        desk.post(*story)
    assert sent_again(desk) == (3 * COMMITS, 0)
