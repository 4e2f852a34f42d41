"""/metrics say what was sent, and their sums hold. The table: python tests/sums.py"""

from pathlib import Path

import sums


def test_metrics_add_up_to_what_was_sent(tmp_path: Path):
    found = sums.compared(tmp_path)
    assert [row for row in found if not row.holds] == []
    assert sum(row.sent > 0 for row in found) > 25
