"""The dashboard as people open it: its own process, a real browser, a real collector."""

import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal

import httpx
import pytest
from pages import serving
from playwright.sync_api import Page, expect, sync_playwright

from dashboard import money

CHROMIUM = shutil.which("chromium")
expect.set_options(timeout=30_000)  # milliseconds; a browser, a dashboard and a collector share the cores of whoever runs this
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no chromium is installed")


@pytest.fixture(scope="module")
def dashboard(filled) -> Iterator[str]:
    """A dashboard on the filled collector."""
    with serving(filled) as url:
        yield url


@pytest.fixture(scope="module")
def of_fortnight(fortnight) -> Iterator[str]:
    """A dashboard on the collector with two weeks of a loop."""
    with serving(fortnight) as url:
        yield url


@pytest.fixture(scope="module")
def browser():
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@contextmanager
def visiting(browser, dashboard: str) -> Iterator[Page]:
    """A page far west of UTC that must end without an error and without having asked anybody else for anything."""
    context = browser.new_context(base_url=dashboard, viewport={"width": 1400, "height": 1000}, timezone_id="America/Los_Angeles")
    page, wrong = context.new_page(), []
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("request", lambda request: None if request.url.startswith((dashboard, "data:", "blob:")) else wrong.append(request.url))
    yield page
    expect(page.get_by_test_id("stException")).to_have_count(0)
    context.close()
    assert wrong == []


@pytest.fixture
def page(browser, dashboard) -> Iterator[Page]:
    """A page on the filled collector."""
    with visiting(browser, dashboard) as page:
        yield page


@pytest.fixture
def weeks(browser, of_fortnight) -> Iterator[Page]:
    """A page on two weeks of a loop."""
    with visiting(browser, of_fortnight) as page:
        yield page


def marks(page: Page, text: str):
    """Marks of a chart whose label holds a text."""
    return page.locator(f'[role="graphics-symbol"][aria-label*="{text}"]')


def test_a_bar_says_what_the_ledger_says(page, filled):
    page.goto("/")
    (day,) = httpx.get(f"{filled}/api/v1/reports/spend", params={"by": "day,team", "team": "payments", "to": "2026-11-14"}).json()["rows"]
    bar = marks(page, "2026-11-13, payments")
    expect(bar).to_have_attribute("aria-label", f"2026-11-13, payments: ${Decimal(day['cost_usd']):.2f}")
    assert bar.bounding_box()["height"] > 20


def test_axes_are_in_dollars_and_days_in_utc_wherever_the_browser_is(page):
    page.goto("/")
    axes = page.get_by_test_id("stVegaLiteChart").first.locator("text")
    expect(axes.filter(has_text="$6")).to_be_visible()
    expect(axes.filter(has_text="13 Nov")).to_be_visible()
    expect(axes.filter(has_text="12 Nov")).to_have_count(0)


def test_a_run_is_followed_from_the_list_to_its_steps_and_back(page):
    page.goto("/?loop=nightly-dependency-bump")
    expect(marks(page, "2026-11-13, payments")).to_be_visible()
    page.get_by_role("link", name="Runs").click()
    runs = page.get_by_test_id("stDataFrame")
    first = runs.locator("td").filter(has_text="bump-20261113T215400Z")
    expect(first).to_have_count(1)
    runs.click(position={"x": 150, "y": 50})  # the grid is a canvas: the first row lies below the header
    expect(page.get_by_role("heading", name="bump-20261113T215400Z")).to_be_visible()
    expect(marks(page, "step 1, chat claude-sonnet-4-5: $0.0").first).to_be_visible()
    assert "run=bump-20261113T215400Z" in page.url
    page.get_by_role("button", name="All runs").click()
    expect(page.get_by_role("heading", name="bump-20261113T215400Z")).to_have_count(0)
    expect(first).to_have_count(1)
    expect(page.get_by_test_id("stMultiSelect").filter(has_text="nightly-dependency-bump")).to_be_visible()


def test_a_link_opens_a_run_with_the_crossing_of_its_budget(page):
    page.goto("/runs?run=bump-20261113T203600Z")
    expect(page.get_by_role("heading", name="bump-20261113T203600Z")).to_be_visible()
    expect(marks(page, "100% stop").first).to_be_attached()


def test_an_address_cannot_make_the_page_fetch_anything(page):
    page.goto("/runs?run=![x](http://elsewhere.invalid/x.png)")
    expect(page.get_by_text("The ledger knows no run ![x](http://elsewhere.invalid/x.png)")).to_be_visible()


def test_an_incident_leads_to_the_run_that_crossed(page):
    page.goto("/budgets")
    incidents = page.get_by_test_id("stDataFrame").nth(1)
    expect(incidents.locator("td").filter(has_text="bump-20261113T203600Z")).to_have_count(1)
    incidents.click(position={"x": 150, "y": 50})
    expect(page.get_by_role("heading", name="bump-20261113T203600Z")).to_be_visible()


def test_a_loop_of_the_inventory_is_followed_to_its_schedule_and_its_runs(page, filled):
    page.goto("/inventory?period=All")
    rows = httpx.get(f"{filled}/api/v1/reports/inventory").json()["rows"]
    named = {row["loop"]: row for row in rows}
    cost = Decimal(named["nightly-dependency-bump"]["cost_usd"])
    expect(marks(page, "nightly-dependency-bump, registered")).to_have_attribute(
        "aria-label", f"nightly-dependency-bump, registered: ${cost:.2f}"
    )
    missed = named["morning-triage-loop"]["missed_runs"]
    expect(marks(page, f"morning-triage-loop, missed: {missed}")).to_be_attached()
    table = page.get_by_test_id("stDataFrame").first
    boxes = {row["loop"]: {"x": 12, "y": 35 * number + 53} for number, row in enumerate(rows)}  # the grid is a canvas: rows are 35 high
    table.click(position=boxes["morning-triage-loop"])
    expect(page.get_by_role("heading", name="morning-triage-loop")).to_be_visible()
    badges = page.get_by_test_id("stMain").locator(".stMarkdownBadge")
    expect(badges.filter(has_text="a checker on the maker's model: fix-reviewer on claude-sonnet-4-5")).to_be_visible()
    expect(page.get_by_text("in Europe/Berlin; times in UTC")).to_be_visible()
    expect(page.get_by_role("link", name="Its runs")).to_have_count(0)
    table.click(position=boxes["nightly-dependency-bump"])
    page.get_by_role("link", name="Its runs").click()
    expect(page.get_by_role("heading", name="Runs", exact=True)).to_be_visible()
    expect(page.get_by_test_id("stMultiSelect").filter(has_text="nightly-dependency-bump")).to_be_visible()


def test_an_alarm_above_the_total_leads_to_what_is_missing_and_what_to_do(page):
    page.goto("/")
    expect(page.get_by_text("not charged yet")).to_be_visible()
    page.get_by_role("link", name="Data quality").last.click()
    expect(page.get_by_role("heading", name="Data quality")).to_be_visible()
    expect(page.get_by_text("have the client report it")).to_be_visible()
    expect(marks(page, "2026-11-22, without usage: 1")).to_be_visible()
    expect(page.get_by_test_id("stDataFrame").first).to_be_visible()


def test_a_run_shows_every_record_of_its_calls_and_which_of_them_counted(page):
    page.goto("/runs?run=bump-20261113T203600Z")
    expect(page.get_by_text("Every call and the records it was seen in")).to_be_visible()
    records = page.get_by_test_id("stDataFrame").nth(2)
    expect(records.locator("td").filter(has_text="counts").first).to_be_attached()


def test_filters_stay_in_the_address(page):
    page.goto("/")
    page.get_by_role("radio", name="7 d").click()
    page.get_by_test_id("stMultiSelect").filter(has_text="Model").click()
    page.get_by_role("option", name="claude-sonnet-4-5").click()
    page.keyboard.press("Escape")
    expect(page).to_have_url(re.compile(r"[?&]period=7\+d"))
    expect(page).to_have_url(re.compile("[?&]model=claude-sonnet-4-5"))
    page.reload()
    expect(page.get_by_role("heading", name="No calls in this period and selection")).to_be_visible()
    expect(page.get_by_test_id("stMultiSelect").filter(has_text="claude-sonnet-4-5")).to_be_visible()


def test_what_changed_is_drawn_effect_by_effect_and_leads_to_the_runs_of_either_week(weeks, fortnight):
    weeks.goto("/what_changed?period=7+d")
    asked = {"from": "2026-11-12", "to": "2026-11-18T11:07"}
    row = httpx.get(f"{fortnight}/api/v1/reports/variance", params=asked).json()["rows"][0]
    for label, name in (("Before", "before_usd"), ("Cache share", "cache_usd"), ("Model mix", "model_mix_usd"), ("Now", "after_usd")):
        bar = marks(weeks, f"{label}: $")
        expect(bar).to_have_attribute("aria-label", f"{label}: {money.usd(Decimal(row[name]))}")
        assert bar.bounding_box()["height"] > 5
    expect(weeks.get_by_text("cached share of input down from 67 % to 33 %").last).to_be_visible()
    weeks.get_by_role("button", name="Runs before").click()
    expect(weeks.get_by_role("heading", name="Runs", exact=True)).to_be_visible()
    runs = weeks.get_by_test_id("stDataFrame")
    expect(runs.locator("td").filter(has_text="triage-4")).to_have_count(1)
    expect(runs.locator("td").filter(has_text="triage-5")).to_have_count(0)


def test_an_amount_of_a_role_leads_to_runs_to_a_run_to_its_price_row_and_back_up(weeks):
    weeks.goto("/roles?period=7+d")
    expect(marks(weeks, "morning-triage-loop, maker: $")).to_be_visible()
    roles = weeks.get_by_test_id("stDataFrame").first
    expect(roles.locator("td").filter(has_text="checker").first).to_be_attached()
    roles.click(position={"x": 400, "y": 50})
    expect(weeks.get_by_test_id("stMultiSelect").filter(has_text="morning-triage-loop")).to_be_visible()
    runs = weeks.get_by_test_id("stDataFrame")
    expect(runs.locator("td").filter(has_text="triage-10")).to_have_count(1)
    runs.click(position={"x": 150, "y": 50})
    expect(weeks.get_by_role("heading", name="triage-10")).to_be_visible()
    prices = weeks.get_by_test_id("stDataFrame").last
    expect(prices.locator("td").filter(has_text="$15.00").first).to_be_attached()
    weeks.get_by_role("button", name="Runs of morning-triage-loop").click()
    expect(runs.locator("td").filter(has_text="triage-10")).to_have_count(1)
    expect(weeks.get_by_test_id("stMultiSelect").filter(has_text="morning-triage-loop")).to_be_visible()


def test_a_loop_of_the_overview_leads_to_its_runs(weeks):
    weeks.goto("/?period=7+d&team=platform")
    loops = weeks.get_by_test_id("stDataFrame")
    expect(loops.locator("td").filter(has_text="morning-triage-loop")).to_have_count(1)
    loops.click(position={"x": 400, "y": 50})
    expect(weeks).to_have_url(re.compile(r"/runs\?.*loop=morning-triage-loop"))
    expect(weeks.get_by_test_id("stMultiSelect").filter(has_text="platform")).to_be_visible()
