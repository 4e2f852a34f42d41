"""Erasure through a running collector, compaction after it, and the commands' refusals, in real processes."""

import subprocess

import httpx
import keeping
from bodies import PROTOBUF, chat, traces
from collectors import LOOPLEDGER, configure, start
from exports import send_http

USER = "ada@mint.example"


def said(*words) -> tuple[int, str]:
    done = subprocess.run([*LOOPLEDGER, *map(str, words)], capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
    return done.returncode, done.stdout + done.stderr


def test_a_user_leaves_through_the_collector_and_then_every_byte(tmp_path):
    data, config = tmp_path / "data", configure(tmp_path / "config", [])
    collector = start(data, config)
    try:
        with httpx.Client(base_url=collector.http) as client:
            body = traces(chat(100, more={"user.id": USER, "gen_ai.agent.name": "mint"}), run=f"run for {USER}", loop="mint")
            assert send_http(client, body, PROTOBUF) == 0
        before = collector.report("spend")
        code, text = said("compact", "--data", data)
        assert (code, "stop it first" in text) == (3, True)
        assert said("erase", "--data", data, "--user", USER, "--reason", f"request of {USER}", "--yes")[0] == 0
        assert collector.report("spend") == before
        assert [row["user"][:7] for row in collector.report("spend", by="user")] == ["erased-"]
        assert said("erase", "--data", data, "--tenant", "nobody", "--reason", "a request", "--yes")[0] == 2
        with collector.client() as client:
            assert client.post("/v1/erase", json={"user": USER}).json()["code"] == "bad-erasure"
        assert collector.stop() == 0
    finally:
        collector.kill()
    code, text = said("compact", "--data", data)
    assert (code, text.count("freed")) == (0, 2)
    assert [path.name for path in data.rglob("*") if path.is_file() and USER.encode() in path.read_bytes()] == []
    assert said("expire", "--data", data) == (0, "nothing is past its time\n")


def test_money_stays_to_the_nano_dollar_through_expiry_erasure_and_compaction(tmp_path):
    """The table of a larger ledger: python tests/keeping.py"""
    seen = list(keeping.states(tmp_path, records=800, days=500, every=10))
    assert keeping.broken(seen) == []
    filled, expired, erased, compacted, *_, last = seen
    assert (filled.calls, filled.records, filled.evidence) == (800, 800, 50)
    assert (expired.records, expired.evidence) == (656, 4)
    assert min(filled.files_with_id, expired.files_with_id) > erased.files_with_id >= compacted.files_with_id == 0
    assert (compacted.evidence, last.evidence, last.records) == (4, 0, 656)
    assert compacted.ledger < erased.ledger
    assert last.ledger < filled.ledger
