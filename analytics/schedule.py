"""When a schedule says that a loop starts: five cron fields on the clock of a time zone -> moments, and which run answered which.

A wall-clock time that a change of the clock skips has no start. One that comes twice has one, the first, unless the hour field begins with
`*`: such a schedule counts hours that pass. What differs between schedulers (a range backwards, a lone L for a weekday) is not computed.
"""

import calendar
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from itertools import product
from zoneinfo import ZoneInfo

import numpy as np

_WORDS = {
    "@yearly": "0 0 1 1 *", "@annually": "0 0 1 1 *", "@monthly": "0 0 1 * *", "@weekly": "0 0 * * 0", "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *", "@hourly": "0 * * * *",
}  # fmt: skip
_MONTHS = {name.upper(): number for number, name in enumerate(calendar.month_abbr) if name}
_DAYS = {name: number for number, name in enumerate(("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"))}
_PART = re.compile(r"(?:(?P<any>[*?])|(?P<low>\w+)(?:-(?P<high>\w+))?)(?:/(?P<step>\d+))?")
_DAY, _MINUTE = timedelta(days=1), timedelta(minutes=1)
_SATURDAY = 5  # of date.weekday
MOST_STARTS = 600_000
"""A year of one each minute; a schedule and window of more are not computed."""

_Test = Callable[[date], bool]


class ScheduleError(ValueError):
    """A schedule that is not computed; the text says why."""


@dataclass(frozen=True, slots=True)
class Cron:
    """A schedule that can be computed."""

    minutes: tuple[int, ...]
    hours: tuple[int, ...]
    months: frozenset[int]
    days: tuple[_Test, ...]
    """A day matches when one of these does."""
    counts_hours: bool
    """Whether an hour that comes twice counts twice."""

    @classmethod
    def parse(cls, text: str) -> "Cron":
        """Raises ScheduleError."""
        text = " ".join(text.split())
        fields = _WORDS.get(text, text).upper().split(" ")
        if len(fields) != 5:
            raise ScheduleError(f"{text!r} has no five fields")
        minute, hour, of_month, month, of_week = fields
        months = frozenset(_numbers(month, 1, 12, _MONTHS))
        days = _days(of_month, of_week)
        return cls(_numbers(minute, 0, 59), _numbers(hour, 0, 23), months, days, counts_hours=_is_any(hour))

    def is_on(self, day: date) -> bool:
        """Whether it starts anything on that day, on its own calendar."""
        return day.month in self.months and any(test(day) for test in self.days)

    def starts(self, zone: str, since: datetime, until: datetime) -> np.ndarray:
        """Every start in [since, until), naive UTC, ascending. Raises ScheduleError when there are more than MOST_STARTS."""
        clock, parts, found = ZoneInfo(zone), [], 0
        day, last = since.date() - _DAY, until.date() + _DAY  # a zone's date is at most a day from that of UTC
        while day <= last:
            if self.is_on(day):
                parts.append(self._of_day(day, clock))
                found += len(parts[-1])
            if found > MOST_STARTS:
                raise ScheduleError(f"it has more than {MOST_STARTS:,} starts in this window: ask for a shorter one")
            day += _DAY
        every = np.sort(np.concatenate([np.empty(0, "datetime64[us]"), *parts]))
        return every[(every >= np.datetime64(since, "us")) & (every < np.datetime64(until, "us"))]

    def _of_day(self, day: date, clock: ZoneInfo) -> np.ndarray:
        midnight = datetime.combine(day, time(), clock)
        offset = midnight.utcoffset()
        if offset != datetime.combine(day + _DAY, time(), clock).utcoffset():
            return np.array(list(self._of_odd_day(day, clock)), "datetime64[us]")
        minutes = np.add.outer(60 * np.array(self.hours), self.minutes).ravel()
        return np.datetime64(midnight.replace(tzinfo=None) - offset, "us") + minutes.astype("timedelta64[m]")

    def _of_odd_day(self, day: date, clock: ZoneInfo) -> Iterator[datetime]:
        """The starts of a day on which the clock is changed."""
        for hour, minute, fold in product(self.hours, self.minutes, (0, 1)):
            wall = datetime.combine(day, time(hour, minute), clock).replace(fold=fold)
            moment = wall.astimezone(UTC)
            comes = moment.astimezone(clock)
            if comes.replace(tzinfo=None) == wall.replace(tzinfo=None) and comes.fold == fold and (fold == 0 or self.counts_hours):
                yield moment.replace(tzinfo=None)


def _is_any(field: str) -> bool:
    return field[0] in "*?"


def _numbers(field: str, low: int, high: int, names: dict[str, int] | None = None) -> tuple[int, ...]:
    """The values of a field of numbers, ranges and steps, ascending."""
    found: set[int] = set()
    for part in field.split(","):
        said = _PART.fullmatch(part)
        if said is None:
            raise ScheduleError(f"{part!r} is not computed")
        found.update(_range(said, low, high, names or {}))
    return tuple(sorted(found))


def _range(said: re.Match, low: int, high: int, names: dict[str, int]) -> range:
    step = int(said["step"] or 1)
    first = low if said["any"] else _number(said["low"], names)
    end = min(high, 6) if names is _DAYS else high
    last = _number(said["high"], names) if said["high"] else end if said["any"] or said["step"] else first
    if names is _DAYS and said["high"] and last == 0 < first:
        last = 7  # Sunday ends a week as well as it begins one
    if not (low <= first <= last <= high and step):
        raise ScheduleError(f"{said[0]!r} is not computed: it is no range in {low} to {high}")
    return range(first, last + 1, step)


def _number(text: str, names: dict[str, int]) -> int:
    if text in names:
        return names[text]
    if not text.isdecimal():
        raise ScheduleError(f"{text!r} is not computed")
    return int(text)


def _days(of_month: str, of_week: str) -> tuple[_Test, ...]:
    """Tests of a day: both fields must match when one begins with `*` or `?`, else either, as in Vixie's cron."""
    month = [_of_month(part) for part in of_month.split(",")]
    week = [_of_week(part) for part in of_week.split(",")]
    if _is_any(of_month) or _is_any(of_week):
        return (lambda day: any(test(day) for test in month) and any(test(day) for test in week),)
    return (*month, *week)


def _of_month(part: str) -> _Test:
    if said := re.fullmatch(r"L(?:-(\d+))?", part):
        return lambda day: day.day == _length(day) - int(said[1] or 0)
    if part == "LW":
        return lambda day: day.day == _workday(day, _length(day))
    if said := re.fullmatch(r"(\d+)W", part):
        (wanted,) = _numbers(said[1], 1, 31)
        return lambda day: wanted <= _length(day) and day.day == _workday(day, wanted)
    numbers = _numbers(part, 1, 31)
    return lambda day: day.day in numbers


def _of_week(part: str) -> _Test:
    if said := re.fullmatch(r"(\w+)#([1-5])", part):
        (wanted,) = _numbers(said[1], 0, 7, _DAYS)
        return lambda day: day.isoweekday() % 7 == wanted % 7 and (day.day + 6) // 7 == int(said[2])
    if said := re.fullmatch(r"([0-7]|[A-Z]{3})L", part):
        (wanted,) = _numbers(said[1], 0, 7, _DAYS)
        return lambda day: day.isoweekday() % 7 == wanted % 7 and day.day > _length(day) - 7
    numbers = {number % 7 for number in _numbers(part, 0, 7, _DAYS)}
    return lambda day: day.isoweekday() % 7 in numbers


def _length(day: date) -> int:
    """Days of a day's month."""
    return calendar.monthrange(day.year, day.month)[1]


def _workday(day: date, wanted: int) -> int:
    """The day, of the same month, that is nearest to the wanted one and from Monday to Friday."""
    weekday, length = day.replace(day=wanted).weekday(), _length(day)
    if weekday < _SATURDAY:
        return wanted
    if weekday == _SATURDAY:
        return wanted - 1 if wanted > 1 else wanted + 2
    return wanted + 1 if wanted < length else wanted - 2
