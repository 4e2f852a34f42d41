import sqlite3
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from typing import Any

import pytest
from bookkeeping import MONDAY, TENANT, at

from analytics.control import Control, name_of, stamp
from analytics.errors import StoreError
from analytics.ledger import migrations
from analytics.signals import Signals, state_of

LATER = MONDAY + timedelta(hours=1)


@pytest.fixture
def control(tmp_path) -> Iterator[Control]:
    control = Control(tmp_path)
    yield control
    control.close()


def incident(name: str = "i", **said: Any) -> dict[str, Any]:
    own = {
        "id": name, "tenant": TENANT, "policy": "cap", "scope": "all", "window": "2026-11-16", "percent": 100, "action": "stop",
        "mode": "enforce", "is_assumed": 0, "limit_nano_usd": 10**10, "limit_tokens": None, "crossed_at": MONDAY,
        "spent_nano_usd": 11 * 10**9, "spent_tokens": 0, "assumed_nano_usd": 0, "run_id": "run", "window_ends_at": LATER,
        "state": "open", "detected_at": MONDAY,
    }  # fmt: skip
    return {**own, **said}


def signal(name: str, **said: Any) -> dict[str, Any]:
    own = {
        "id": name, "tenant": TENANT, "run_id": "run", "loop": None, "action": "stop", "reason": "", "policy": "cap", "scope": "all",
        "window": "2026-11-16", "incident_id": "i", "epoch": 1, "issued_at": MONDAY, "expires_at": LATER,
    }  # fmt: skip
    return {**own, **said}


def message(name: str, **said: Any) -> dict[str, Any]:
    own = {
        "id": name, "incident_id": "i", "channel": "ops", "type": "budget.crossed", "body": "{}", "created_at": MONDAY, "attempts": 0,
        "next_attempt_at": MONDAY, "state": "pending",
    }  # fmt: skip
    return {**own, **said}


def ids(rows: list[dict]) -> list[str]:
    return [row["id"] for row in rows]


# Effects


def test_effects_and_cursor_are_one_transaction(control):
    with pytest.raises(Exception, match="NOT NULL"):
        control.apply(5, [incident()], [signal("s", action=None)])
    assert (control.cursor(), control.all_incidents(), control.signals_after(TENANT, 0)) == (0, [], [])


def test_the_same_effects_twice_are_there_once(control):
    for _ in range(2):
        control.apply(1, [incident()], [signal("s")], [message("m")])
    assert [ids(rows) for rows in (control.all_incidents(), control.signals_after(TENANT, 0), control.messages())] == [["i"], ["s"], ["m"]]


def test_an_incident_replaces_what_is_known_of_it_but_not_when_it_was_detected(control):
    control.apply(1, [incident()])
    control.apply(2, [incident(state="withdrawn", detected_at=LATER)])
    assert control.all_incidents() == [incident(state="withdrawn")]


def test_a_signal_that_exists_keeps_what_became_of_it(control):
    control.apply(1, [], [signal("s")])
    control.mark(["s"], "acknowledged_at", at(1))
    control.apply(2, [], [signal("s")])
    assert control.signal(TENANT, "s")["acknowledged_at"] == at(1)


def test_the_cursor_never_goes_back(control):
    for commit in (3, 2):
        control.apply(commit)
    assert control.cursor() == 3


def test_incidents_come_in_the_order_of_their_crossing(control):
    control.apply(1, [incident("c", percent=90, crossed_at=at(2)), incident("b"), incident("a", percent=80)])
    assert ids(control.all_incidents()) == ["a", "b", "c"]


def test_incidents_count_their_effects(control):
    control.apply(1, [incident()], [signal("s"), signal("t", run_id="other")], [message("m"), message("n")])
    control.mark(["s"], "delivered_at", at(1))
    control.mark(["s"], "acknowledged_at", at(1))
    control.settle("m", state="delivered")
    (row,) = control.incidents_with_effects(TENANT)
    assert [row[name] for name in ("signals", "delivered", "acknowledged", "messages_delivered")] == [2, 1, 1, 1]


# Signals


def test_a_warning_nobody_answered_is_superseded_by_a_severer_order_of_its_policy(control):
    control.apply(
        1, [], [signal("w", action="warn"), signal("other", action="warn", policy="cup"), signal("run", action="warn", run_id="x")]
    )
    control.apply(2, [], [signal("s", issued_at=at(1))])
    assert {row["id"]: row["superseded_at"] for row in control.signals_after(TENANT, 0)} == {
        "w": at(1),
        "other": None,
        "run": None,
        "s": None,
    }


def test_an_answered_warning_stands(control):
    control.apply(1, [], [signal("w", action="warn")])
    control.mark(["w"], "acknowledged_at", at(1))
    control.apply(2, [], [signal("s")])
    assert control.signal(TENANT, "w")["superseded_at"] is None


def test_signals_of_a_run_come_severest_and_newest_first(control):
    control.apply(1, [], [signal(name, action=name) for name in ("warn", "pause", "kill", "stop")] + [signal("stop2")])
    assert ids(control.signals_of(TENANT, ["run"])) == ["kill", "stop2", "stop", "pause", "warn"]


def test_only_what_a_run_has_still_to_obey_is_open(control):
    control.apply(1, [], [signal("answered"), signal("expired", expires_at=at(5)), signal("lasting", expires_at=None), signal("open")])
    control.mark(["answered"], "acknowledged_at", at(1))
    assert ids(control.signals_of(TENANT, ["run"], only_open_at=at(5))) == ["open", "lasting"]
    assert ids(control.unanswered(at(5))) == ["lasting", "open"]


def test_the_first_answer_stands(control):
    control.apply(1, [], [signal("s")])
    control.mark(["s"], "delivered_at", at(1), delivered_by="poll")
    control.mark(["s"], "delivered_at", at(2), delivered_by="stream")
    row = control.signal(TENANT, "s")
    assert (row["delivered_at"], row["delivered_by"]) == (at(1), "poll")


def test_nothing_crosses_tenants(control):
    control.apply(1, [incident(tenant="other")], [signal("s", tenant="other")])
    assert control.signals_of(TENANT, ["run"]) == control.signals_after(TENANT, 0) == control.incidents_with_effects(TENANT) == []
    assert control.signal(TENANT, "s") is None


def test_a_signal_goes_from_pending_to_confirmed(control):
    signals, states = Signals(control, MONDAY), []
    control.apply(1, [], [signal("s")])
    signals.issued([signal("s")])
    states.append(state_of(control.signal(TENANT, "s"), MONDAY))
    signals.delivered(signals.open_for(TENANT, ["run", "unheard"], MONDAY), "otlp", at(1))
    states.append(state_of(control.signal(TENANT, "s"), at(1)))
    states.append(state_of(control.signal(TENANT, "s"), LATER))
    states.append(state_of(signals.acknowledged(TENANT, "s", at(2)), at(2)))
    states.append(state_of(signals.confirmed(TENANT, "s", "process_exit", at(3)), at(3)))
    assert states == ["pending", "delivered", "expired", "acknowledged", "confirmed"]
    row = control.signal(TENANT, "s")
    assert (row["delivered_by"], row["delivered_at"], row["acknowledged_at"], row["evidence"]) == ("otlp", at(1), at(2), "process_exit")


def test_a_signal_nobody_has_cannot_be_answered(control):
    signals = Signals(control, MONDAY)
    assert signals.acknowledged(TENANT, "none", MONDAY) is signals.confirmed(TENANT, "none", "", MONDAY) is None


# The outbox


def test_due_messages_come_in_order_and_not_before_their_time(control):
    control.apply(1, [], [], [message("a"), message("b"), message("c", state="replayed"), message("d", next_attempt_at=at(2))])
    control.settle("a", state="delivered", attempts=1)
    assert [ids(control.due(moment)) for moment in (at(1), at(2))] == [["b"], ["b", "d"]]


def test_the_audit_trail_only_grows(control):
    control.note(MONDAY, "ada", "stop", "run", {"why": "loop"})
    control.note(at(1), "bob", "resume", "run", {})
    with control.engine.connect() as connection:
        rows = connection.execute(control.audit.select()).all()
    assert [tuple(row)[1:] for row in rows] == [
        (MONDAY, "ada", "stop", "run", '{"why": "loop"}'),
        (at(1), "bob", "resume", "run", "{}"),
    ]


# The file


def test_what_was_written_is_there_after_a_restart(tmp_path, control):
    control.apply(7, [incident()], [signal("s")])
    control.close()
    again = Control(tmp_path)
    assert (again.cursor(), again.all_incidents(), ids(again.unanswered(MONDAY))) == (7, [incident()], ["s"])
    again.close()


def test_several_threads_may_write_at_once(control):
    with ThreadPoolExecutor(4) as threads:
        list(threads.map(lambda number: control.apply(number, [], [signal(f"{number}")]), range(1, 41)))
    assert (control.cursor(), len(control.signals_after(TENANT, 0))) == (40, 40)


def test_every_commit_is_synced(control):
    with control.engine.connect() as connection:
        settings = [connection.exec_driver_sql(f"pragma {name}").scalar() for name in ("journal_mode", "synchronous", "foreign_keys")]
    assert settings == ["wal", 2, 1]


def test_a_newer_schema_is_refused(tmp_path, control):
    control.close()
    known = len(migrations("control"))
    connection = sqlite3.connect(tmp_path / "control.sqlite")
    connection.execute(f"update schema_version set version = {known + 1}")
    connection.commit()
    connection.close()
    with pytest.raises(StoreError, match=f"has schema version {known + 1}, this loopledger knows up to {known}: use a newer loopledger"):
        Control(tmp_path)


def test_a_file_that_is_no_control_store_is_refused(tmp_path):
    (tmp_path / "control.sqlite").write_bytes(b"not a database" * 1000)
    with pytest.raises(StoreError, match=r"control\.sqlite cannot be opened: "):
        Control(tmp_path)


def test_times_sort_as_text_does():
    moments = [datetime(2026, 1, 1, 0, 0, 0, 1), datetime(2026, 1, 1, 0, 0, 1), datetime(2026, 10, 1)]
    assert [stamp(moment) for moment in moments] == [
        "2026-01-01T00:00:00.000001Z",
        "2026-01-01T00:00:01.000000Z",
        "2026-10-01T00:00:00.000000Z",
    ]


def test_a_name_is_stable_and_says_what_it_names():
    assert name_of("inc", "tenant", 80) == "inc_2ea2b1325548fd70d01fd73d" != name_of("inc", "tenant80")
