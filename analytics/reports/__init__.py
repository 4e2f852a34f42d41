"""Reports: public functions (sources, question) -> frame with documented columns. Every sum of money is a plain sum of charges.

To add a report: one file beside this one, one line in REPORTS, and its statement in analytics/sql/reports.
"""

from collections.abc import Callable

import polars as pl

from analytics.reports.budget_burn import budget_burn
from analytics.reports.budgets import budgets
from analytics.reports.coverage import coverage
from analytics.reports.data_quality import data_quality
from analytics.reports.explain import explain
from analytics.reports.incidents import incidents
from analytics.reports.inventory import inventory
from analytics.reports.question import DIMENSIONS, FILTERS, MOST_ROWS, Question, QuestionError, Sources
from analytics.reports.run_names import aliased
from analytics.reports.run_trace import run_trace
from analytics.reports.runs import runs
from analytics.reports.signals import signals
from analytics.reports.spend import spend, usage
from analytics.reports.unattributed import unattributed

Report = Callable[[Sources, Question], pl.DataFrame]

REPORTS: dict[str, Report] = {
    report.__name__: report
    for report in (spend, usage, unattributed, runs, run_trace, explain, data_quality, budgets, budget_burn, incidents, signals, inventory)
}

__all__ = ["DIMENSIONS", "FILTERS", "MOST_ROWS", "REPORTS", "Question", "QuestionError", "Report", "Sources", "aliased", "coverage"]
