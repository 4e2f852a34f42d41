"""Writes the stores of this version of the schemas, to be opened by every later one: python tests/golden/write.py VERSION."""

import sys
import tempfile
from pathlib import Path

import zstandard

HERE = Path(__file__).parent


def write(version: str) -> None:
    sys.path.insert(0, str(HERE.parent))
    from bookkeeping import Desk, call, point, policy, span

    with tempfile.TemporaryDirectory() as folder:
        desk = Desk(Path(folder), [policy(notify=("ops",))])
        desk.watch(call("a", 9, parent="root", response_id="r"), call("b", None))
        waits = [call("waits", 5, kind="agent", agent="helper", parent="never came", trace="later"), point("p", 6, "input", process="p")]
        desk.watch(call("c", 4, minute=1), span("root", kind="agent", agent="maker"), *waits)
        desk.close()
        for name in ("ledger.duckdb", "control.sqlite", "ledger.mark"):
            kept = HERE / version / f"{name}.zst"
            kept.parent.mkdir(exist_ok=True)
            kept.write_bytes(zstandard.compress((Path(folder) / name).read_bytes(), 19))


if __name__ == "__main__":
    write(sys.argv[1])
