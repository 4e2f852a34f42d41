"""What the provider, model and tool names of a call mean: its canonical model, and the price sets that may price it."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from functools import lru_cache
from typing import TYPE_CHECKING

import polars as pl

from analytics.prices.catalogue import Catalogue, Entry
from analytics.prices.sets import contexts, spelled, utc

if TYPE_CHECKING:
    from analytics.config import Alias

NAMES_KEPT = 16_384
"""Distinct names whose meaning is remembered; names come from outside, so the memory is bounded."""
_WITH_UNDATED = 3
"""Spellings of a name whose date makes no difference to its price, the undated one last."""

Listed = tuple[str | None, str | None, str | None]
"""Provider, model and conditions of a list price."""
_PLACE = ("provider", "model", "conditions")


@dataclass(frozen=True, slots=True)
class Meaning:
    """What the names of a call stand for."""

    model: str | None
    """Canonical model id; None without a model name."""
    sets: list[int]
    """Rows of the table that may price the call: custom prices first, as they were given, then contracts, then the list's."""
    problem: str | None = None
    """Why there is no row."""
    is_guess: bool = False
    """Whether the list's price is that of another seller, or knows nothing of the call's conditions."""


@dataclass(frozen=True, slots=True)
class Covered:
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

    def __init__(self, catalogue: Catalogue, table: pl.DataFrame, aliases: Sequence["Alias"] = ()) -> None:
        self._catalogue, self._aliases = catalogue, aliases
        bounds = {utc(moment) for alias in aliases for moment in (alias.valid_from, alias.valid_to) if moment}
        self.epochs = sorted(bounds)
        """Moments at which a name may begin to mean something else; epoch n begins with the n-th of them."""
        self._custom: list[Covered] = []
        self._listed: dict[Listed, list[tuple[int, str | None]]] = defaultdict(list)
        listed = {name: tuple(place) for name, *place in table.filter(basis="list").select("price_set", *_PLACE).iter_rows()}
        for row, (basis, of_list, name, tool, *place) in enumerate(
            table.select("basis", "list_set", "price_set", "tool", *_PLACE).iter_rows()
        ):
            if basis == "list" or of_list:
                seller = place[0] if of_list else None
                self._listed[listed[of_list or name]].append((row, seller))
            else:
                self._custom.append(self._covered(row, place[0], place[1], tool))
        self.meaning = lru_cache(maxsize=NAMES_KEPT)(self._read)

    def _covered(self, row: int, provider: str | None, model: str | None, tool: str | None) -> Covered:
        sellers = {provider.lower(), self._catalogue.provider(provider) or ""} - {""} if provider else ()
        return Covered(row, frozenset(sellers), tool is not None, (tool or model or "*").lower())

    def _read(
        self, is_tool: bool, provider: str | None, requested: str | None, served: str | None, tool: str | None,
        conditions: str | None = None, epoch: int = 0,
    ) -> Meaning:  # fmt: skip
        """The meaning of a call's names; the model that served it prices it, the one requested names it, with the date it asked for."""
        provider_id = self._catalogue.provider(provider)
        requested, served = (self._unaliased(provider, name, epoch) for name in (requested, served))
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
        known, is_guess = _under(entry, conditions)
        if entry:
            offers = self._listed.get((entry.provider, entry.info.id, known), ())
            sets += [row for row, seller in offers if seller in (None, entry.seller)]
        return Meaning(model, sets, None if sets else "unknown model" if models else "no model", is_guess)

    def _unaliased(self, provider: str | None, name: str | None, epoch: int) -> str | None:
        """The model that a name stands for, by the first alias that holds."""
        at = self.epochs[epoch - 1].replace(tzinfo=UTC) if epoch else datetime.min.replace(tzinfo=UTC)
        found = (alias.model for alias in self._aliases if name and alias.means(provider, name, at))
        return next(found, name)

    def _canonical(self, sellers: set[str | None], spellings: list[str]) -> str:
        """The shortest spelling, unless custom prices treat it unlike the name as it came."""
        whole = self._covering(sellers, False, spellings)
        alike = (name for name in reversed(spellings) if self._covering(sellers, False, [name]) == whole)
        return next(alike, spellings[0])

    def _covering(self, sellers: set[str | None], for_tools: bool, names: list[str]) -> list[int]:
        return [custom.row for custom in self._custom if custom.covers(sellers, for_tools, names)]


def _under(entry: Entry | None, conditions: str | None) -> tuple[str | None, bool]:
    """Of a call's conditions those that the list prices apart, and whether the list's price is a guess for it."""
    if entry is None or conditions is None:
        return None, bool(entry and entry.is_guess)
    said = dict(part.split("=", 1) for part in conditions.split(","))
    known = contexts(entry.info) if entry.seller == entry.provider else []  # conditions of one seller are not another's
    listed = {pair for context in known for pair in context.items()}
    kept = dict(pair for pair in said.items() if pair in listed)
    return spelled(kept), entry.is_guess or len(kept) < len(said)
