"""What the provider, model and tool names of a call mean: its canonical model, and the price sets that may price it."""

from collections import defaultdict
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import lru_cache

import polars as pl

from analytics.prices.catalogue import Catalogue

NAMES_KEPT = 16_384
"""Distinct names whose meaning is remembered; names come from outside, so the memory is bounded."""
_WITH_UNDATED = 3
"""Spellings of a name whose date makes no difference to its price, the undated one last."""


@dataclass(frozen=True, slots=True)
class Meaning:
    """What the names of a call stand for."""

    model: str | None
    """Canonical model id; None without a model name."""
    sets: list[int]
    """Rows of the table that may price the call: contracts first, as they were given, then the list's."""
    problem: str | None = None
    """Why there is no row."""


@dataclass(frozen=True, slots=True)
class Contract:
    """The calls that one custom price covers."""

    row: int
    sellers: frozenset[str]
    """Any of these names the seller; empty means any seller."""
    for_tools: bool
    pattern: str

    def covers(self, sellers: set[str | None], for_tools: bool, names: list[str]) -> bool:
        if self.for_tools != for_tools or (self.sellers and self.sellers.isdisjoint(sellers)):
            return False
        return any(fnmatchcase(name.lower(), self.pattern) for name in names)


class Names:
    """Reads names against one table of price sets; remembers every answer, misses included."""

    def __init__(self, catalogue: Catalogue, table: pl.DataFrame) -> None:
        self._catalogue = catalogue
        self._contracts: list[Contract] = []
        self._listed: dict[tuple[str, str], list[int]] = defaultdict(list)
        for row, (basis, provider, model, tool) in enumerate(table.select("basis", "provider", "model", "tool").iter_rows()):
            if basis == "list":
                self._listed[provider, model].append(row)
            else:
                self._contracts.append(self._contract(row, provider, model, tool))
        self.meaning = lru_cache(maxsize=NAMES_KEPT)(self._read)

    def _contract(self, row: int, provider: str | None, model: str | None, tool: str | None) -> Contract:
        sellers = {provider.lower(), self._catalogue.provider(provider) or ""} - {""} if provider else ()
        return Contract(row, frozenset(sellers), tool is not None, (tool or model or "*").lower())

    def _read(self, is_tool: bool, provider: str | None, requested: str | None, served: str | None, tool: str | None) -> Meaning:
        """The meaning of a call's names; the model that served it prices it, the one requested names it, with the date it asked for."""
        provider_id = self._catalogue.provider(provider)
        models = [name for name in (served, requested) if name]
        entry = self._catalogue.entry(provider_id, *models)
        sellers = {(provider or "").lower(), provider_id, entry and entry.seller}
        spellings = [self._catalogue.spellings(provider_id, name) for name in models]
        named = spellings[-1][:-1] if requested and len(spellings[-1]) == _WITH_UNDATED else spellings[-1] if models else []
        model = self._canonical(sellers, named) if models else None
        if is_tool:
            sets = self._covering(sellers, True, [tool or ""])
            return Meaning(model, sets, None if sets else "unknown tool")
        sets = self._covering(sellers, False, [name for names in spellings for name in names])
        if entry:
            sets += self._listed[entry.provider, entry.info.id]
        return Meaning(model, sets, None if sets else "unknown model" if models else "no model")

    def _canonical(self, sellers: set[str | None], spellings: list[str]) -> str:
        """The shortest spelling, unless contracts treat it unlike the name as it came."""
        whole = self._covering(sellers, False, spellings)
        alike = (name for name in reversed(spellings) if self._covering(sellers, False, [name]) == whole)
        return next(alike, spellings[0])

    def _covering(self, sellers: set[str | None], for_tools: bool, names: list[str]) -> list[int]:
        return [contract.row for contract in self._contracts if contract.covers(sellers, for_tools, names)]
