"""Usage on a record that is no call: a sum over calls, or the only report there is.

A sum never adds to the calls below it. Where no call lies below, the sum is what is known and counts once its run is over; where only
other agents' calls lie below, what they do not report counts. What a sum holds beyond its calls is a remainder: an alarm, never spend.
"""

from collections import defaultdict
from dataclasses import dataclass

import numpy as np
import polars as pl

from analytics.model import BUCKETS
from analytics.usage.told import INPUT, OUTPUT
from analytics.usage.tree import Tree

SUM, WAITS, ONLY, LESS_NESTED, LIFETIME = "sum", "waits", "only", "less nested", "lifetime"


@dataclass(slots=True)
class Sums:
    """What became of each sum; arrays over all nodes."""

    verdict: np.ndarray
    """One of the words above, None where the node is no sum."""
    remainder: np.ndarray
    """Tokens beyond the calls below."""
    less: dict[int, dict[str, int]]
    """Of sums that count less what lies below: the buckets that count."""
    inside: dict[int, int]
    """Call without usage -> the row of the sum that holds its usage."""
    no_calls: set[int]
    """Calls that turned out to be sums over the calls below them."""


@dataclass(slots=True)
class Told:
    """Calls and sums as the walk needs them."""

    tree: Tree
    call: np.ndarray
    """Number of its call for each node, -1 for none."""
    is_sum: np.ndarray
    is_agent: np.ndarray
    is_boundary: np.ndarray
    """Agents and tools: usage below one is not that of a call above it."""
    is_presumed: np.ndarray
    """Calls that only their usage and their model make one."""
    has_usage: np.ndarray
    tokens: np.ndarray
    """Input and output of each call or sum by node, columns in and out."""
    roles: list[str | None]
    may_count: np.ndarray
    """Sums that no longer have to wait."""
    buckets: pl.DataFrame


def settle(told: Told, suspects: np.ndarray) -> Sums:
    """Decides every sum. `suspects` are calls with calls below them across an agent or tool, which may be sums in disguise."""
    count = told.tree.count
    sums = Sums(np.full(count, None, object), np.zeros(count, np.int64), {}, {}, set())
    rows = np.flatnonzero(told.is_sum)
    if not len(rows) and not suspects.any():
        return sums
    walked = _plain(told, rows, suspects, sums)
    if len(walked):
        _Walk(told, sums, suspects).all(walked)
    return sums


def _plain(told: Told, rows: np.ndarray, suspects: np.ndarray, sums: Sums) -> np.ndarray:
    """Decides the sums with calls of their own below them, all at once; gives the roots of the trees that want walking."""
    above, below = _pairs(told, rows)
    agent_of = np.append(told.tree.depth, -1)[told.tree.nearest(told.is_agent)[below]]
    is_own = agent_of <= told.tree.depth[above]
    has_own = np.zeros(told.tree.count, bool)
    has_own[above[is_own & told.has_usage[below]]] = True
    roots = _roots(told.tree)
    odd = rows[~has_own[rows] & (np.array([told.roles[row] for row in rows]) != "lifetime")] if len(rows) else rows
    walked = np.unique(roots[np.concatenate([odd, np.flatnonzero(suspects)])])
    plain = rows[~np.isin(roots[rows], walked)]
    counted = is_own | ~np.isin(above, [row for row in plain if told.roles[row] == "own"])
    total = np.zeros((told.tree.count, 2), np.int64)
    np.add.at(total, above[counted], told.tokens[below[counted]])
    for row in plain.tolist():
        lifetime = told.roles[row] == "lifetime"
        sums.verdict[row] = LIFETIME if lifetime else SUM
        sums.remainder[row] = 0 if lifetime else int(np.maximum(told.tokens[row] - total[row], 0).sum())
    return walked


def _pairs(told: Told, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Each sum with each call below it, once."""
    marked = np.zeros(told.tree.count, bool)
    marked[rows] = True
    up = np.append(told.tree.nearest(marked), told.tree.count)
    calls = np.flatnonzero(told.call >= 0)
    above, below, at = [], [], up[calls]
    for _ in range(_DEEPEST):
        held = at < told.tree.count
        if not held.any():
            break
        above.append(at[held])
        below.append(calls[held])
        calls, at = calls[held], up[at[held]]
    if not above:
        return np.empty(0, np.int64), np.empty(0, np.int64)
    above, below = np.concatenate(above), np.concatenate(below)
    _, first = np.unique(above * (told.tree.count + 1) + told.call[below], return_index=True)
    return above[first], below[first]


def _roots(tree: Tree) -> np.ndarray:
    """Row of the topmost node above each node, itself for a root."""
    step = np.append(np.where(tree.above < tree.count, tree.above, np.arange(tree.count)), tree.count)
    for _ in range(_DEEPEST):
        further = step[step]
        if np.array_equal(further, step):
            break
        step = further
    return step[:-1]


class _Walk:
    """One tree after another, from the leaves up."""

    def __init__(self, told: Told, sums: Sums, suspects: np.ndarray):
        self.told, self.sums, self.suspects = told, sums, suspects
        self.tokens = told.tokens.copy()
        self.children: dict[int, list[int]] = defaultdict(list)
        for row, parent in enumerate(told.tree.above.tolist()):
            if parent != row:
                self.children[parent].append(row)
        self.counting: set[int] = set()

    def all(self, roots: np.ndarray) -> None:
        """Decides every sum and suspect of these trees, deepest first."""
        rows = [row for root in roots.tolist() for row in self._under([root])]
        asked = [row for row in rows if self.told.is_sum[row] or self.suspects[row]]
        for row in sorted(asked, key=lambda row: -self.told.tree.depth[row]):
            if self.suspects[row]:
                self._suspect(row)
            else:
                self._sum(row)

    def _under(self, stack: list[int]) -> list[int]:
        """These nodes and all below them."""
        found, seen = [], set()
        while stack:
            row = stack.pop()
            if row not in seen:
                seen.add(row)
                found.append(row)
                stack.extend(self.children.get(row, ()))
        return found

    def _below(self, row: int, across_agents: bool) -> dict[int, int]:
        """What counts below a node: call or sum -> a row of it."""
        found: dict[int, int] = {}
        stack, seen = list(self.children.get(row, ())), {row}
        while stack:
            node = stack.pop()
            if node in seen:
                continue
            seen.add(node)
            if node in self.counting:
                found[-node - 1] = node
            elif self.told.call[node] >= 0 and node not in self.sums.no_calls:
                found.setdefault(int(self.told.call[node]), node)
            if across_agents or not self.told.is_agent[node]:
                stack.extend(self.children.get(node, ()))
        return found

    def _suspect(self, row: int) -> None:
        """A call that says exactly what the calls below it say together is their sum."""
        below = [
            node for call, node in self._below(row, across_agents=True).items() if self.told.has_usage[node] and call != self.told.call[row]
        ]
        says_the_same = below and (self.tokens[below].sum(axis=0) == self.tokens[row]).all()
        if says_the_same or (self.told.is_presumed[row] and self._repeats_siblings(row, least=2)):
            self.sums.no_calls.add(row)
            self.sums.verdict[row] = SUM

    def _sum(self, row: int) -> None:
        role = self.told.roles[row] or "sum"
        below = self._below(row, across_agents=role != "own")
        known = {call: node for call, node in below.items() if self.told.has_usage[node]}
        if role == "lifetime":
            self.sums.verdict[row] = LIFETIME
        elif not known:
            self._alone(row, below)
        else:
            self._over(row, known)

    def _alone(self, row: int, silent: dict[int, int]) -> None:
        """Nothing below says anything: this is the only report, unless a sum beside it says the same."""
        if self._is_within_a_call(row) or self._repeats_siblings(row):
            self.sums.verdict[row] = SUM
        elif self.told.may_count[row]:
            self.sums.verdict[row] = ONLY
            self.counting.add(row)
            self.sums.inside |= dict.fromkeys(silent, row)
        else:
            self.sums.verdict[row] = WAITS

    def _is_within_a_call(self, row: int) -> bool:
        """Whether it is a part of a call that says its usage itself."""
        above = int(self.told.tree.above[row])
        while above < self.told.tree.count and not self.told.is_boundary[above]:
            if self.told.call[above] >= 0 and self.told.has_usage[above] and above not in self.sums.no_calls:
                return True
            above = int(self.told.tree.above[above])
        return False

    def _repeats_siblings(self, row: int, least: int = 1) -> bool:
        """Whether the calls elsewhere below its parent, that many at least, add up to exactly this."""
        parent = int(self.told.tree.above[row])
        if parent == self.told.tree.count:
            return False
        own = self.told.call[row]
        calls = (node for call, node in self._below(parent, across_agents=True).items() if call >= 0 and call != own)
        beside = [node for node in calls if self.told.has_usage[node]]
        return len(beside) >= least and bool((self.tokens[beside].sum(axis=0) == self.tokens[row]).all())

    def _over(self, row: int, known: dict[int, int]) -> None:
        rest = self.tokens[row] - self.tokens[list(known.values())].sum(axis=0)
        near = self._below(row, across_agents=False)
        own = {call for call, node in near.items() if self.told.has_usage[node] and not self.told.is_agent[node]}
        if own or (rest < 0).any() or not rest.any():
            self.sums.verdict[row] = SUM
            self.sums.remainder[row] = int(np.maximum(rest, 0).sum())
        elif self.told.may_count[row]:
            self.sums.verdict[row] = LESS_NESTED
            self.sums.less[row] = self._less(row, list(known.values()))
            self.tokens[row] = rest
            self.counting.add(row)
        else:
            self.sums.verdict[row] = WAITS

    def _less(self, row: int, below: list[int]) -> dict[str, int | None]:
        """Its buckets without what is below; of a split that either side does not say only the total is left."""
        mine, theirs = self.told.buckets.row(row, named=True), self.told.buckets[below]
        known = [name for name in _PARTS if mine[name] is not None and not theirs[name].null_count() and mine[name] >= theirs[name].sum()]
        left = {name: mine[name] - theirs[name].sum() for name in known}
        rest = {side: int(total) for side, total in zip(("in", "out"), self.tokens[row] - self.tokens[below].sum(axis=0), strict=True)}
        cached = sum(left[name] for name in known if name in INPUT)
        reasoning = sum(left[name] for name in known if name in OUTPUT)
        if cached > rest["in"] or reasoning > rest["out"]:
            left, cached, reasoning = {}, 0, 0
        return dict.fromkeys(BUCKETS) | left | {_UNCACHED: rest["in"] - cached, _TEXT: rest["out"] - reasoning}


_UNCACHED, _TEXT = "input_uncached_tokens", "output_text_tokens"
_PARTS = tuple(name for name in BUCKETS if name not in (_UNCACHED, _TEXT))
_DEEPEST = 64
