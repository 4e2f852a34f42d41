"""One tenant's flood fills its own share of the queue, and nobody waits behind it."""

import asyncio
from pathlib import Path

import pytest
from bodies import chat, traces
from clocks import Held

from analytics.config import CollectorLimits, Config
from analytics.errors import QueueFull, RateLimited
from ingest.fairness import LANES, FairQueue, Turns
from ingest.intake import Intake
from ingest.pipeline import Answer, Request
from ingest.service import opened
from ingest.tally import Tally


def queue_of(size: int, percent: int = 80) -> FairQueue:
    return FairQueue(CollectorLimits(queue_bytes=size, tenant_queue_percent=percent), Tally())


def fill(queue: FairQueue, tenant: str) -> int:
    """How many requests of one byte a tenant may add, until it is told to slow down."""
    for number in range(1000):
        try:
            queue.put(tenant, 1, (tenant, number))
        except RateLimited:
            return number
    raise AssertionError("nobody was told to slow down")


@pytest.mark.parametrize("percent", [50, 80, 90])
def test_a_tenant_alone_has_its_share(percent: int):
    assert fill(queue_of(100, percent), "loud") in (percent, percent + 1)


def test_several_that_flood_have_the_same_and_leave_room():
    queue = queue_of(900)
    held = dict.fromkeys("abc", 0)
    for _ in range(900):  # each as much as it may, in turns, as if requests were answered meanwhile
        for tenant in held:
            try:
                queue.put(tenant, 1, tenant)
                held[tenant] += 1
            except RateLimited:
                pass
    assert max(held.values()) - min(held.values()) <= 1
    queue.put("late", 60, "late")


def test_what_waits_is_drawn_from_each_tenant_in_turn():
    queue = queue_of(1000)
    for number in range(5):
        queue.put("loud", 10, f"loud {number}")
    queue.put("quiet", 10, "quiet 0")
    assert [queue.take(0) for _ in range(7)] == ["loud 0", "quiet 0", "loud 1", "loud 2", "loud 3", "loud 4", None]


def test_what_is_held_is_free_when_it_is_answered():
    queue = queue_of(100)
    taken = fill(queue, "loud")
    while queue.take(0):
        pass
    with pytest.raises(RateLimited):
        queue.put("loud", 1, "drawn, and not answered yet")
    for _ in range(taken):
        queue.release("loud", 1)
    assert queue.held == (0, 0)
    assert fill(queue, "loud") == taken


def test_a_request_larger_than_the_queue_is_taken_alone():
    queue = queue_of(10)
    queue.put("a", 500, "large")
    with pytest.raises(QueueFull):
        queue.put("b", 1, "small")
    assert queue.is_full


def test_small_requests_do_not_wait_behind_larger_ones():
    queue = queue_of(50_000_000)
    for size in (5_000_000, 65_536, 10, 1_000_000, 999_999, 65_535):
        queue.put("a", size, size)
    taken = {lane: [queue.take(0, lane) for _ in range(3)] for lane in LANES}
    assert taken == {"small": [10, 65_535, None], "medium": [65_536, 999_999, None], "large": [5_000_000, 1_000_000, None]}


def test_what_is_decoded_is_taken_of_each_lane_in_turn():
    turns, taken = Turns(), []
    for lane in ("large", "medium", "small"):
        assert turns.put(lane, lane, 0)
    for _ in range(2):
        assert not turns.put("small", "one too many", 0)
        taken.append(turns.take(0))
        assert turns.put("small", "small again", 0) is (taken[-1] == "small")
    assert (taken, [turns.take(0) for _ in range(3)], turns.has("small")) == (["small", "medium"], ["large", "small again", None], False)


def test_an_end_is_seen_after_what_waits():
    queue = queue_of(10)
    queue.put("a", 1, "last")
    queue.end()
    assert (queue.take(), queue.take(), queue.is_over("small")) == ("last", None, True)


async def flooded(data: Path) -> tuple[list, Answer]:
    """What the requests of a flood came to, and the answer of another tenant's only one."""
    clock, bodies = Held(), [traces(chat(1)) for _ in range(40)]
    with opened(data, Config(), clock) as service:
        intake = Intake(service.pipeline, CollectorLimits(queue_bytes=20 * len(bodies[0])))
        intake.start()
        flood = [asyncio.create_task(intake.accept(Request(body, "traces", "loud"))) for body in bodies]
        refused, _ = await asyncio.wait(flood, return_when=asyncio.FIRST_COMPLETED)
        quiet = asyncio.create_task(intake.accept(Request(traces(chat(1)), "traces", "quiet")))
        while intake.waiting.held[0] + len(refused) < len(flood) + 1:  # the quiet one is in the queue as well
            await asyncio.sleep(0)
            refused = {task for task in flood if task.done()}
        clock.go.set()
        answers = await asyncio.gather(*flood, return_exceptions=True), await quiet
        await intake.stop()
    return answers


def test_a_flood_is_told_to_slow_down_and_others_pass(tmp_path: Path):
    flood, quiet = asyncio.run(flooded(tmp_path))
    kinds = {type(answer) for answer in flood}
    assert kinds == {Answer, RateLimited}
    assert sum(isinstance(answer, Answer) for answer in flood) == 16  # of 20, four fifths
    assert isinstance(quiet, Answer)


def test_what_is_small_is_read_although_the_other_lane_keeps_the_committer_busy(tmp_path: Path):
    with opened(tmp_path, Config(), Held()) as service:
        intake = Intake(service.pipeline)
        intake.since["committer"] = 0.0
        request = Request(traces(chat()), "traces", "default")
        intake.waiting.put("default", len(request.body), (request, None))
        assert intake._batch("small") == [(request, None)]
