"""Runs whose truth is known, exported as real OTLP in any order and grouping: what they are charged is what they were billed.

LOOPLEDGER_TRAP_EXAMPLES=60 pytest tests/test_traps.py tries each in sixty ways: about an hour.
"""

import os
import random
import re
from collections.abc import Callable, Iterator
from itertools import count

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from scene import Scene
from strangers import STRANGERS
from traps import TRAPS

from analytics.config import load
from analytics.reports import REPORTS, Question
from ingest.clock import Replay
from ingest.pipeline import Request
from ingest.service import Service, opened

EXAMPLES = int(os.environ.get("LOOPLEDGER_TRAP_EXAMPLES", "2"))
SEEDED = settings(max_examples=EXAMPLES, phases=(Phase.generate,))  # a smaller seed makes no smaller run
BUCKETS = ("input", "output", "cache_read", "reasoning")
TENANTS = (f"tenant {number}" for number in count())
ALL = TRAPS | STRANGERS
METERED = re.compile("metric|counter|signals")
"""Runs of one process share the series of its metrics, which no invented run knows of."""


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """One ledger for all examples: each is a tenant of its own."""
    with opened(tmp_path_factory.mktemp("traps"), load(None), Replay(), delivers=False) as service:
        yield service


def truth(scene: Scene) -> dict[str, int]:
    """What is billed; the number of calls where telemetry can tell it."""
    sums = {name: sum(getattr(call, name) for call in scene.bill) for name in BUCKETS}
    calls = {"calls": len(scene.bill) + scene.unknown, "unknown_calls": scene.unknown} if scene.counts_calls else {}
    return sums | calls


def charged(service: Service, tenant: str, scene: Scene) -> dict[str, int]:
    """What is charged for the model of a scene, as far as its truth goes."""
    rows = REPORTS["usage"](service.sources(), Question(tenant, by=("model",))).filter(model=scene.model).to_dicts()
    row = rows[0] if rows else {}
    said = {name: row.get(f"{name}_tokens") or 0 for name in BUCKETS} | {name: row.get(name, 0) for name in ("calls", "unknown_calls")}
    return {name: said[name] for name in truth(scene)}


def post(service: Service, chance: random.Random, scenes: list[Scene]) -> str:
    """Everything these scenes exported, shuffled and in batches of any size, some of it twice; gives the tenant."""
    tenant = next(TENANTS)
    requests = [Request(body, signal, tenant) for scene in scenes for signal, body in scene.exported()]
    requests += chance.choices(requests, k=len(requests) // 5)
    chance.shuffle(requests)
    while requests:
        batch = [requests.pop() for _ in range(min(len(requests), chance.choice((1, 4, 20, 100))))]
        answers = service.pipeline.commit(service.pipeline.decode([Request(one.body, one.signal, tenant) for one in batch]))
        assert {answer.rejected for answer in answers.values()} == {0}
        if chance.random() < 0.1:
            service.pipeline.settle(everything=True)
    service.pipeline.settle(everything=True)
    return tenant


def played(build: Callable[[Scene], None], name: str, chance: random.Random, beside: Scene | None = None) -> Scene:
    scene = Scene(chance, name)
    if beside:
        scene.join(beside)
    build(scene)
    return scene


@pytest.mark.parametrize("name", ALL)
def test_a_trap_costs_what_was_billed(service: Service, name: str):
    @SEEDED
    @given(seed=st.integers(0, 2**32))
    def holds(seed: int) -> None:
        chance = random.Random(seed)
        scene = played(ALL[name], name, chance)
        tenant = post(service, chance, [scene])
        assert charged(service, tenant, scene) == truth(scene)

    holds()


@settings(SEEDED, max_examples=5 * EXAMPLES)
@given(names=st.lists(st.sampled_from(sorted(ALL)), min_size=2, max_size=6), seed=st.integers(0, 2**32))
def test_traps_beside_each_other_cost_what_was_billed(service: Service, names: list[str], seed: int):
    chance = random.Random(seed)
    scenes = [played(ALL[name], name, chance) for name in names]
    tenant = post(service, chance, scenes)
    assert {scene.model: charged(service, tenant, scene) for scene in scenes} == {scene.model: truth(scene) for scene in scenes}


@pytest.mark.parametrize("name", [name for name in ALL if not METERED.search(name)])
def test_runs_of_one_process_at_once_cost_what_they_were_billed_together(service: Service, name: str):
    @SEEDED
    @given(seed=st.integers(0, 2**32))
    def holds(seed: int) -> None:
        chance = random.Random(seed)
        first = Scene(chance, name)
        scenes = [played(ALL[name], name, chance, beside=first) for _ in range(3)]
        tenant = post(service, chance, scenes)
        together = Scene(chance, name, [call for scene in scenes for call in scene.bill], sum(scene.unknown for scene in scenes))
        together.model, together.counts_calls = first.model, scenes[0].counts_calls
        assert charged(service, tenant, together) == truth(together)

    holds()


def test_what_sampling_lost_is_an_alarm(service: Service):
    chance = random.Random(0)
    scene = played(TRAPS["T15 sampling that lost some of the calls below a sum"], "sampled", chance)
    tenant = post(service, chance, [scene])
    findings = REPORTS["data_quality"](service.sources(), Question(tenant)).filter(finding="remainder")
    assert findings["tokens"].sum() > 0
