"""Schedules: every start against a walk through all minutes, and what words and odd fields mean."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from analytics.config.values import CRON
from analytics.schedule import MOST_STARTS, Cron, ScheduleError

MINUTE = timedelta(minutes=1)
ZONES = ("UTC", "Europe/Berlin", "America/New_York", "Asia/Kolkata", "Australia/Lord_Howe", "Africa/Cairo", "Pacific/Apia")


def starts(text: str, since: datetime, until: datetime, zone: str = "UTC") -> list[datetime]:
    return Cron.parse(text).starts(zone, since, until).tolist()


def of_days(text: str, first: date, last: date) -> list[str]:
    """The days on which it starts, by walking over all of them."""
    cron = Cron.parse(text)
    return [f"{day}" for day in (first + timedelta(days=number) for number in range((last - first).days + 1)) if cron.is_on(day)]


# The oracle: one field and one minute at a time


def fits(field: str, value: int, low: int, high: int) -> bool:
    for part in field.split(","):
        span, _, step = part.partition("/")
        first, _, last = span.partition("-")
        bounds = (low, high) if span == "*" else (int(first), int(last or first))
        if bounds[0] <= value <= bounds[1] and (value - bounds[0]) % int(step or 1) == 0:
            return True
    return False


def is_due(text: str, wall: datetime) -> bool:
    minute, hour, of_month, month, of_week = text.split()
    in_month = fits(of_month, wall.day, 1, 31)
    in_week = any(fits(of_week, number, 0, 7) for number in {wall.isoweekday() % 7, wall.isoweekday()})
    on_day = in_month and in_week if "*" in (of_month[0], of_week[0]) else in_month or in_week
    on_time = fits(minute, wall.minute, 0, 59) and fits(hour, wall.hour, 0, 23)
    return on_time and on_day and fits(month, wall.month, 1, 12) and (wall.fold == 0 or hour[0] == "*")


def walked(text: str, since: datetime, until: datetime, zone: str) -> list[datetime]:
    first = since + (MINUTE - timedelta(seconds=since.second, microseconds=since.microsecond)) % MINUTE
    minutes = (first + number * MINUTE for number in range(max(0, -((first - until) // MINUTE))))
    return [moment for moment in minutes if is_due(text, moment.replace(tzinfo=UTC).astimezone(ZoneInfo(zone)))]


def fields(low: int, high: int) -> st.SearchStrategy[str]:
    numbers = st.integers(low, high)
    ranges = st.tuples(numbers, numbers).map(sorted).map(lambda pair: f"{pair[0]}-{pair[1]}")
    steps = st.tuples(st.just("*") | ranges, st.integers(1, high)).map(lambda pair: f"{pair[0]}/{pair[1]}")
    return st.just("*") | st.lists(numbers.map(str) | ranges | steps, min_size=1, max_size=3).map(",".join)


CRONS = st.tuples(fields(0, 59), fields(0, 23), fields(1, 31), fields(1, 12) | st.just("*"), fields(0, 7)).map(" ".join)
WINDOW_BEGINS = st.datetimes(datetime(2010, 1, 1), datetime(2030, 1, 1))
CHANGES = [datetime(2026, 3, 29), datetime(2026, 10, 25), datetime(2026, 3, 8), datetime(2026, 11, 1), datetime(2026, 4, 24)]


@settings(max_examples=150)
@given(CRONS, st.sampled_from(ZONES), st.sampled_from(CHANGES) | WINDOW_BEGINS, st.integers(0, 3 * 1440))
@example("30 2 * * *", "Europe/Berlin", datetime(2026, 3, 28), 4 * 1440)
@example("30 2 * * *", "Europe/Berlin", datetime(2026, 10, 24), 4 * 1440)
@example("*/20 * * * *", "Europe/Berlin", datetime(2026, 10, 24), 3 * 1440)
@example("*/20 */2 * * *", "Australia/Lord_Howe", datetime(2026, 4, 4), 3 * 1440)
@example("0 0 * * *", "Africa/Cairo", datetime(2026, 4, 22), 4 * 1440)
@example("0 12 30 12 *", "Pacific/Apia", datetime(2011, 12, 28), 5 * 1440)
def test_every_start_is_found_by_walking_through_all_minutes(text, zone, since, minutes):
    until = since + minutes * MINUTE
    assert starts(text, since, until, zone) == walked(text, since, until, zone)


# The clock is changed


def test_a_time_that_the_clock_skips_has_no_start():
    assert starts("30 2 * * *", datetime(2026, 3, 28), datetime(2026, 3, 31), "Europe/Berlin") == [
        datetime(2026, 3, 28, 1, 30), datetime(2026, 3, 30, 0, 30)
    ]  # fmt: skip


def test_a_time_that_comes_twice_has_one_start_and_an_hourly_schedule_two():
    night = (datetime(2026, 10, 25), datetime(2026, 10, 25, 3), "Europe/Berlin")
    assert starts("30 2 * * *", *night) == [datetime(2026, 10, 25, 0, 30)]
    assert starts("30 * * * *", *night) == [datetime(2026, 10, 25, hour, 30) for hour in range(3)]


def test_a_window_begins_with_its_first_moment_and_ends_before_its_last():
    assert starts("@hourly", datetime(2026, 1, 1, 1), datetime(2026, 1, 1, 3)) == [datetime(2026, 1, 1, 1), datetime(2026, 1, 1, 2)]


# Words and fields


@pytest.mark.parametrize(
    ("word", "fields"),
    [("@daily", "0 0 * * *"), ("@midnight", "0 0 * * *"), ("@weekly", "0 0 * * 0"), ("@monthly", "0 0 1 * *"), ("@yearly", "0 0 1 1 *"),
     ("@annually", "0 0 1 1 *"), ("@hourly", "0 * * * *"), ("0 9 * JAN-mar mon-FRI", "0 9 * 1-3 1-5"), ("0 9 * * FRI-SUN", "0 9 * * 5-7"),
     ("0 9 ? * 1", "0 9 * * 1"), ("5/20 9 * * *", "5,25,45 9 * * *")],
)  # fmt: skip
def test_words_and_names_stand_for_fields(word, fields):
    window = (datetime(2024, 1, 1), datetime(2025, 1, 1))
    assert starts(word, *window) == starts(fields, *window) != []


JANUARY = (date(2027, 1, 1), date(2027, 1, 31))  # from a Friday to a Sunday


@pytest.mark.parametrize(
    ("text", "days"),
    [
        ("0 0 L * *", [31]), ("0 0 L-2 * *", [29]), ("0 0 LW * *", [29]), ("0 0 15W * *", [15]), ("0 0 16W * *", [15]),
        ("0 0 17W * *", [18]), ("0 0 31W * *", [29]), ("0 0 2W * *", [1]), ("0 0 ? * FRI#1", [1]), ("0 0 ? * 1#4", [25]),
        ("0 0 ? * 1#5", []), ("0 0 ? * 5L", [29]), ("0 0 ? * SUNL", [31]), ("0 0 13,L * FRI", [1, 8, 13, 15, 22, 29, 31]),
        ("0 0 */10 * FRI", [1]),
    ],
)  # fmt: skip
def test_last_days_workdays_and_nth_weekdays(text, days):
    assert of_days(text, *JANUARY) == [f"2027-01-{day:02}" for day in days]


def test_a_first_workday_stays_in_its_month():
    assert of_days("0 0 1W * *", date(2026, 8, 1), date(2026, 8, 31)) == ["2026-08-03"]  # the 1st is a Saturday


def test_a_day_that_a_month_does_not_have_never_comes():
    assert of_days("0 0 30 2 *", date(2024, 1, 1), date(2028, 1, 1)) == of_days("0 0 31W 4 *", date(2024, 1, 1), date(2028, 1, 1)) == []


@pytest.mark.parametrize(
    "text",
    ["60 * * * *", "* 24 * * *", "* * 0 * *", "* * * 13 *", "* * * * 8", "30-10 * * * *", "*/0 * * * *", "0 0 * * L", "0 0 * * FRI#6",
     "0 0 * foo *", "0 0 LW-1 * *", "0 0 ,1 * *", "0 0 1--2 * *"],
)  # fmt: skip
def test_what_is_not_understood_is_not_computed(text):
    assert CRON.fullmatch(text)  # the config takes it, so somebody's scheduler may know it
    with pytest.raises(ScheduleError):
        Cron.parse(text)


@settings(max_examples=300)
@given(st.from_regex(CRON, fullmatch=True))
def test_whatever_the_config_takes_is_computed_or_refused(text):
    try:
        cron = Cron.parse(text)
    except ScheduleError:
        return
    found = cron.starts("Europe/Berlin", datetime(2026, 3, 1), datetime(2026, 4, 1)).tolist()
    assert found == sorted(set(found))


def test_more_starts_than_anybody_looks_at_are_refused():
    with pytest.raises(ScheduleError, match=f"more than {MOST_STARTS:,} starts"):
        starts("* * * * *", datetime(2020, 1, 1), datetime(2026, 1, 1))
