"""A user's id leaves every byte, and no money moves."""

from pathlib import Path

import pytest
from bookkeeping import MONDAY, Desk, call, evidence, policy, span

from analytics.compaction import compact
from analytics.erasure import erase
from analytics.errors import StoreError
from analytics.evidence import ERASED, Part, unpacked
from analytics.keyed import Keyed
from analytics.operations import Operation

ADA, BOB = "ada@mint.example", "bob@mint.example"
SAID = evidence(
    (Part.ATTRIBUTE, 0, "user.email", ADA), (Part.ATTRIBUTE, 0, "plan", "a text of hers"), (Part.ATTRIBUTE, 1, "plan", "a text of his"),
    (Part.ATTRIBUTE, 1, "shared.with", f"<{ADA}>"), (Part.RESOURCE, 0, "host.name", "mint"),
)  # fmt: skip


def erased(desk: Desk, user: str | None = ADA, why: str = "a request"):
    return erase(desk.books, desk.control, Keyed.of(desk.directory), Operation("default", "erasure", "tests", why), user, MONDAY)


def money(desk: Desk) -> list[tuple]:
    return desk.rows("select team, run is null, sum(calls), sum(cost_usd), count(*) from charges group by all order by all")


def holding(directory: Path, text: str) -> list[str]:
    """The files that hold a text in any byte."""
    return [path.name for path in sorted(directory.rglob("*")) if path.is_file() and text.encode() in path.read_bytes()]


@pytest.fixture
def desk(tmp_path):
    """Ada spent past her budget; Bob did something of his own, in a run whose name says hers."""
    desk = Desk(tmp_path, [policy(per="user", notify=("ops",))])
    desk.watch(call("a", 11, user=ADA, tags=f'{{"user.email":"{ADA}"}}'), now=MONDAY)
    desk.post(call("x", 1, user=ADA, trace="t1"), call("y", 2, user=BOB, trace="t2", run=f"for {ADA}"), attributes=SAID)
    desk.guard.reload(MONDAY)
    yield desk
    desk.close()


def test_after_an_erasure_and_a_compaction_the_id_is_in_no_byte(desk):
    before = money(desk)
    erased(desk, why=f"request of {ADA}")
    assert money(desk) == before
    desk.close()
    compact(desk.directory)
    assert holding(desk.directory, ADA) == []
    desk.__post_init__()
    assert money(desk) == before
    (users,) = zip(*desk.rows('select distinct "user" from charges order by 1'), strict=True)
    assert [user for user in users if not user.startswith("erased-")] == [BOB]
    assert desk.rows("select kind, who, removed_evidence from operations") == [("erasure", "tests", 1)]


def test_the_evidence_of_a_user_leaves_and_that_of_others_stays(desk):
    erased(desk)
    rows = unpacked(desk.ledger.query("queries/evidence_of_commit", tenant="default", commit_no=2)["attributes"]).to_pylist()
    stand_in = f"erased-{Keyed.of(desk.directory)(f'user {ADA}')}"
    assert sorted((row["part"], row["owner"], row["key"], row["string_value"] or "") for row in rows) == [
        (0, 0, ERASED, ""), (0, 1, "plan", "a text of his"), (0, 1, "shared.with", f"<{stand_in}>"), (2, 0, "host.name", "mint"),
    ]  # fmt: skip


def test_incidents_and_messages_go_on_under_the_new_name(desk):
    erased(desk)
    incidents, messages = desk.control.all_incidents(), desk.control.messages()
    assert [row["scope"][:7] for row in incidents] == ["erased-"] * 2
    assert {row["incident_id"] for row in messages} == {row["id"] for row in incidents}
    desk.guard.reload(MONDAY)
    assert desk.control.all_incidents() == incidents
    assert desk.control.messages() == messages


def test_a_part_of_a_longer_word_is_somebody_else(desk):
    desk.post(call("z", 1, user="xada@mint.example", trace="t3"))
    erased(desk)
    assert desk.rows("select count(*) from records where \"user\" = 'xada@mint.example'") == [(1,)]


def test_a_short_id_is_replaced_only_where_it_is_the_whole_text(tmp_path):
    desk = Desk(tmp_path)
    desk.post(call("a", 1, user="7", run="run 7", tags='{"user.id":"7"}'))
    erased(desk, "7")
    ((user, run, tags),) = desk.rows('select "user", run, tags from records')
    assert (user[:7], run, tags) == ("erased-", "run 7", f'{{"user.id":"{user}"}}')
    desk.close()


def test_a_tenant_loses_all_evidence_and_every_user(desk):
    desk.post(call("n", 1, user="nina@mint.example"), tenant="other", attributes=SAID)
    before = money(desk)
    assert erased(desk, None).users == 2
    assert money(desk) == before
    assert desk.rows("select distinct tenant from evidence") == [("other",)]
    users = desk.rows('select distinct tenant, "user"[:7] from records order by all')
    assert users == [("default", "erased-"), ("other", "nina@mi")]


def test_an_erasure_again_changes_nothing(desk):
    erased(desk)
    before = desk.rows('select "user", run, session from records order by all')
    done = erased(desk)
    assert (done.evidence, done.texts) == (0, 0)
    assert desk.rows('select "user", run, session from records order by all') == before


def test_what_comes_after_an_erasure_is_new(desk):
    erased(desk)
    desk.post(call("again", 5, user=ADA, trace="t9"))
    assert desk.rows(f"select count(*) from charges where \"user\" = '{ADA}'") == [(1,)]


def test_a_compaction_says_what_it_freed_and_keeps_every_row(tmp_path):
    desk = Desk(tmp_path)
    for number in range(30):
        desk.post(*(call(f"{number} {row}", 1, trace=f"{number} {row}") for row in range(100)), span(f"s{number}"), attributes=SAID)
    rows, before = desk.rows("select * from charges order by all"), money(desk)
    desk.rows("delete from records")
    desk.close()
    freed = compact(tmp_path)
    assert freed[0].before > freed[0].after
    desk.__post_init__()
    assert (desk.rows("select * from charges order by all"), money(desk)) == (rows, before)
    assert not [path for path in tmp_path.iterdir() if "compacted" in path.name]
    desk.close()


def test_what_an_interrupted_compaction_left_is_no_hindrance(desk):
    desk.close()
    (desk.directory / "ledger.duckdb.compacted").write_bytes(b"half a file")
    compact(desk.directory)
    desk.__post_init__()
    assert money(desk)


def test_a_copy_that_differs_replaces_nothing(desk, monkeypatch):
    desk.close()
    before = (desk.directory / "ledger.duckdb").read_bytes()

    def differs(self, path):
        raise StoreError("the copy differs")

    monkeypatch.setattr("analytics.ledger.Ledger.copy_to", differs)
    with pytest.raises(StoreError):
        compact(desk.directory)
    assert (desk.directory / "ledger.duckdb").read_bytes() == before
    monkeypatch.undo()
    desk.__post_init__()
