"""Reports: public functions (sources, question) -> frame with documented columns. Every sum of money is a plain sum of charges.

To add a report: one file beside this one, one line in REPORTS, and its statement in analytics/sql/reports.
"""

from collections.abc import Callable

import polars as pl

from analytics.reports.budget_burn import budget_burn
from analytics.reports.budgets import budgets
from analytics.reports.commitments import commitments
from analytics.reports.coverage import coverage
from analytics.reports.data_quality import data_quality
from analytics.reports.explain import explain
from analytics.reports.grants import grants
from analytics.reports.incidents import incidents
from analytics.reports.inventory import inventory
from analytics.reports.price_changes import price_changes
from analytics.reports.prices import prices
from analytics.reports.question import DIMENSIONS, FILTERS, MOST_ROWS, WORDS, Question, QuestionError, Sources, moment
from analytics.reports.reported import reported
from analytics.reports.repricing import repricing
from analytics.reports.roles import roles
from analytics.reports.run_names import aliased
from analytics.reports.run_trace import run_trace
from analytics.reports.runs import runs
from analytics.reports.schedule import schedule
from analytics.reports.signals import signals
from analytics.reports.spend import spend, usage
from analytics.reports.unattributed import unattributed
from analytics.reports.unpriced import unpriced
from analytics.reports.variance import variance
from analytics.reports.waste import waste

Report = Callable[[Sources, Question], pl.DataFrame]

REPORTS: dict[str, Report] = {
    report.__name__: report
    for report in (
        spend, usage, unattributed, runs, run_trace, explain, data_quality, budgets, budget_burn, incidents, signals, inventory, grants,
        schedule, prices, price_changes, unpriced, commitments, repricing,
        variance, roles, waste, reported,
    )
}  # fmt: skip

__all__ = [
    "DIMENSIONS", "FILTERS", "MOST_ROWS", "REPORTS", "WORDS", "Question", "QuestionError", "Report", "Sources", "aliased", "coverage",
    "moment",
]  # fmt: skip
