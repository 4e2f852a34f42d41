"""A short form of every bomb: it is answered as it should be, good clients are served meanwhile, and memory stays bounded.

The table of the full form: python tests/bombs.py
"""

from collections.abc import Iterator

import bombs
import payloads
import pytest
import steady

MOST_MIB = 3000
"""Of the collector and its reader together, with room for a machine that frees memory late."""
CUT_OFF = ("ReadError", "WriteError", "RemoteProtocolError")
"""What a client sees that still sends when the answer has been given and the connection closed."""
TOLD = {
    "gzip_bomb": {"413"},
    "zstd_bomb": {"413"},
    "grpc_gzip_bomb": {"RESOURCE_EXHAUSTED"},
    "members_bomb": {"400"},
    "nesting": {f"{way}: {code}" for way, code in (("protobuf", 400), ("json", 400), ("grpc", "INVALID_ARGUMENT"))},
    "attributes": {"200"},
    "long_key": {"200"},
    "long_value": {"200"},
    "slow_heads": {"closed"},
    "slow_bodies": {"503", "closed"},
    "slow_calls": {"ended"},
    "idle_http": {"closed"},
    "idle_grpc": {"closed"},
    "resets": {"all taken", "GOAWAY"},
    "cancels": {"cancelled"},
    "pings": {"GOAWAY"},
    "headers": {"400", "431", "RESOURCE_EXHAUSTED", *CUT_OFF},
    "large_bodies": {"200", "429", "503", *CUT_OFF},
    "large_calls": {"OK", "RESOURCE_EXHAUSTED", "UNAVAILABLE"},
    "valid_load": {"OK", "RESOURCE_EXHAUSTED"},
    "tenant_flood": {"OK", "RESOURCE_EXHAUSTED"},
}  # fmt: skip


@pytest.fixture(scope="module")
def aimed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[payloads.Target, steady.Clients]]:
    with bombs.aimed(tmp_path_factory.mktemp("bombs")) as aimed:
        yield aimed


@pytest.mark.parametrize("bomb", payloads.BOMBS, ids=lambda bomb: bomb.__name__)
def test_a_bomb_is_answered_and_hurts_nobody(aimed: tuple[payloads.Target, steady.Clients], bomb):
    row = bombs.thrown(*aimed, bomb, payloads.SHORT)
    assert row.answered.keys() <= TOLD[row.bomb]
    assert row.answered.total() > 0
    assert (dict(row.failed), len(row.good) > 1) == ({}, True)
    assert 0 < row.rss_mib < MOST_MIB


def test_every_bomb_has_an_answer():
    assert TOLD.keys() == {bomb.__name__ for bomb in payloads.BOMBS}
