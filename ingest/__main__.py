"""`loopledger`, and `python -m ingest`: the command line in a process of its own."""

import sys

from ingest.lean import lean


def main() -> int:
    """Runs one command, as `ingest.cli.main` does."""
    lean()
    from ingest.cli import main as command

    return command()


if __name__ == "__main__":
    sys.exit(main())
