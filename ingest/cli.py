"""The command line: parsing and printing only."""

import argparse
import json
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from analytics.config import load
from analytics.errors import ConfigError, LoopledgerError
from analytics.reports import DIMENSIONS, FILTERS, REPORTS, QuestionError

DONE, NOT_HELD, WRONG_USE, ENVIRONMENT = 0, 1, 2, 3


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command; the exit code says 0 done, 1 a check did not hold, 2 wrong use, 3 environment."""
    args = _parser().parse_args(argv)
    try:
        return args.command(args)
    except ConfigError as error:
        return _fail(NOT_HELD, f"the config directory cannot be used:\n{error}")
    except (QuestionError, FileNotFoundError) as error:
        return _fail(WRONG_USE, str(error))
    except (LoopledgerError, OSError) as error:
        return _fail(ENVIRONMENT, str(error))
    except KeyboardInterrupt:
        return DONE


def up(args: argparse.Namespace) -> int:
    """Collector and dashboard together on this machine; Ctrl-C stops both.

    Example: loopledger up --demo
    """
    from ingest import up as both

    return both.run(_data(args, given_only=args.demo), args.config, args.grpc, args.http, args.port, demo=args.demo)


def collector(args: argparse.Namespace) -> int:
    """OTLP, read API and control API. Port 0 picks a free one and says which.

    Example: loopledger collector --data ./loopledger-data --config ./config --grpc 127.0.0.1:4317 --http 127.0.0.1:4318
    """
    from ingest import up as both

    return both.collect(_data(args), args.config, args.grpc, args.http, args.clock)


def dashboard(args: argparse.Namespace) -> int:
    """The pages, on a collector that runs here or elsewhere.

    Example: loopledger dashboard --collector http://127.0.0.1:4318 --port 8501
    """
    from ingest import up as both

    return both.show(args.collector, args.port)


def replay(args: argparse.Namespace) -> int:
    """Recorded OTLP bodies (NNNN-traces.pb, NNNN-logs.json, ...) into a ledger, in name order; no webhook goes out.

    Example: loopledger replay sample_traces/strands --data /tmp/try --json
    """
    from ingest.ask import find_collector, remember_config
    from ingest.clock import Replay
    from ingest.progress import steps
    from ingest.replay import recordings, summary, told
    from ingest.replay import replay as play
    from ingest.service import opened

    data, bodies, malformed = _data(args), recordings(args.path), 0
    if not bodies:
        raise FileNotFoundError("there is no recorded body under these paths: files are named like 0001-traces.pb")
    if at := find_collector(data):
        return _fail(ENVIRONMENT, f"a collector at {at} holds {data}: stop it, or send the bodies to {at}/v1/traces")
    config = load(args.config)
    remember_config(data, args.config)
    with opened(data, config, Replay(), delivers=False) as service:
        for refused in steps(play(service, bodies), "replaying", total=len(bodies)):
            malformed += len(refused)
            for path, reason in refused:
                print(f"{path}: {reason}", file=sys.stderr)
        found = summary(service)
    print(json.dumps(found, indent=1) if args.json else told(found))
    return NOT_HELD if malformed else DONE


def report(args: argparse.Namespace) -> int:
    """Any report, from a running collector or from the data directory itself.

    Example: loopledger report usage --by model --format json --data ./loopledger-data
    """
    from ingest import formats
    from ingest.ask import ask

    given = {
        "by": args.by,
        "from": args.since,
        "to": args.until,
        **{name: getattr(args, name) for name in (*FILTERS, "policy", "scope", "window")},
    }
    rows = ask(_data(args), args.name, {name: value for name, value in given.items() if value})
    if args.format == "table":
        formats.print_table(rows)
    elif args.format == "json":
        print(json.dumps(formats.to_objects(rows), indent=1))
    elif args.format == "csv":
        sys.stdout.write(formats.to_csv(rows))
    else:
        sys.stdout.buffer.write(formats.to_parquet(rows))
    return DONE


def check(args: argparse.Namespace) -> int:
    """Validates a config directory: every error with file:line:column.

    Example: loopledger check sample_traces/config
    """
    if not args.directory.is_dir():
        raise FileNotFoundError(f"{args.directory} is no directory")
    try:
        config = load(args.directory)
    except ConfigError as error:
        return _fail(NOT_HELD, str(error))
    parts = ", ".join(f"{len(getattr(config, part))} {part}" for part in ("policies", "loops", "prices", "channels"))
    print(f"{args.directory} is valid: {parts}")
    return DONE


def doctor(args: argparse.Namespace) -> int:
    """Ports, versions, ledger integrity, last ingest, and policies that cannot be enforced.

    Example: loopledger doctor --data ./loopledger-data
    """
    from ingest.doctor import accept_loss, examine

    data = _data(args)
    if args.accept_loss:
        if not args.reason:
            return _fail(WRONG_USE, "--accept-loss needs --reason TEXT: it is kept in the ledger")
        print(f"{accept_loss(data, args.reason)} missing commits are on record as accepted: {args.reason}")
        return DONE
    findings = list(examine(data))
    for finding in findings:
        print(f"{'ok  ' if finding.holds else 'FAIL'}  {finding.check}: {finding.said}")
    return DONE if all(finding.holds for finding in findings) else NOT_HELD


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("loopledger", description="What unattended agent loops cost, who pays, and a stop for the runaway.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def add(command: Callable, **options) -> argparse.ArgumentParser:
        about, _, example = command.__doc__.partition("\n\n")
        kind = argparse.RawDescriptionHelpFormatter
        sub = commands.add_parser(command.__name__, help=about, description=about, epilog=example.strip(), formatter_class=kind, **options)
        sub.set_defaults(command=command)
        return sub

    _add_up(add)
    _add_collector(add)
    page = add(dashboard)
    page.add_argument("--collector", required=True, metavar="URL", help="such as http://127.0.0.1:4318")
    page.add_argument("--port", type=_port, default=8501, metavar="N")
    _add_replay(add)
    _add_report(add)
    add(check).add_argument("directory", type=Path, metavar="DIR")
    health = _with_data(add(doctor))
    health.add_argument("--accept-loss", action="store_true", help="serve again although acknowledged commits are missing")
    health.add_argument("--reason", metavar="TEXT")
    return parser


def _add_up(add: Callable) -> None:
    both = _with_ports(_with_config(_with_data(add(up))))
    both.add_argument("--port", type=_port, default=8501, metavar="N", help="of the dashboard")
    both.add_argument("--demo", action="store_true", help="replay the samples through the real ports into a fresh directory")


def _add_collector(add: Callable) -> None:
    receiver = _with_ports(_with_config(_with_data(add(collector))))
    receiver.add_argument("--clock", choices=("wall", "replay"), default="wall", help="replay: time is the latest end seen")


def _add_replay(add: Callable) -> None:
    player = _with_config(_with_data(add(replay)))
    player.add_argument("path", nargs="+", type=Path, metavar="PATH")
    player.add_argument("--json", action="store_true", help="print the summary as JSON")


def _add_report(add: Callable) -> None:
    question = _with_data(add(report))
    question.add_argument("name", metavar="NAME", help=", ".join(REPORTS))
    question.add_argument("--by", metavar="A,B", help=", ".join(DIMENSIONS))
    question.add_argument("--from", dest="since", metavar="T", help="date or time, UTC, inclusive")
    question.add_argument("--to", dest="until", metavar="T", help="date or time, UTC, exclusive")
    question.add_argument("--format", choices=("table", "json", "csv", "parquet"), default="table")
    for name in FILTERS:
        question.add_argument(f"--{name}", action="append", metavar="VALUE", help=f"only this {name}; may be repeated")
    for name in ("policy", "scope", "window"):
        question.add_argument(f"--{name}", help="which budget (budget_burn)")


def _with_data(sub: argparse.ArgumentParser) -> argparse.ArgumentParser:
    sub.add_argument("--data", type=Path, metavar="DIR", help="default: $LOOPLEDGER_DATA, else ./loopledger-data")
    return sub


def _with_config(sub: argparse.ArgumentParser) -> argparse.ArgumentParser:
    sub.add_argument("--config", type=Path, metavar="DIR", help="policies, loops, prices, channels")
    return sub


def _with_ports(sub: argparse.ArgumentParser) -> argparse.ArgumentParser:
    sub.add_argument("--grpc", type=_address, default="127.0.0.1:4317", metavar="HOST:PORT")
    sub.add_argument("--http", type=_address, default="127.0.0.1:4318", metavar="HOST:PORT")
    return sub


def _address(text: str) -> str:
    host, _, port = text.rpartition(":")
    if not host:
        raise argparse.ArgumentTypeError(f"{text!r} is not HOST:PORT, such as 127.0.0.1:4317")
    return f"{host}:{_port(port)}"


def _port(text: str) -> int:
    if not text.isdecimal() or int(text) > 65535:
        raise argparse.ArgumentTypeError(f"{text!r} is no port: give a number up to 65535")
    return int(text)


def _data(args: argparse.Namespace, given_only: bool = False) -> Path | None:
    if args.data or given_only:
        return args.data
    return Path(os.environ.get("LOOPLEDGER_DATA", "loopledger-data"))


def _fail(code: int, text: str) -> int:
    print(f"loopledger: {text}", file=sys.stderr)
    return code


if __name__ == "__main__":
    sys.exit(main())
