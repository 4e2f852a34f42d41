"""Which records are one call, and which one counts.

`told` what a record says · `tree` who is above whom · `whose` it is · `joins` and `twins` which records are one call · `sums` usage that is
no call's own · `merge` one row per call · `links` who counts and why · `points` metrics · `resolve` all of it in order · `charges` calls
into signed rows.
"""

from analytics.usage.charges import charge_columns, happened_at, versions
from analytics.usage.links import LINK
from analytics.usage.resolve import Resolved, resolve
from analytics.usage.told import best_revisions, has_usage, standing

__all__ = ["LINK", "Resolved", "best_revisions", "charge_columns", "happened_at", "has_usage", "resolve", "standing", "versions"]
