"""The command line: parsing and printing only."""

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from analytics.config import load
from analytics.errors import ConfigError, LoopledgerError
from analytics.reports import DIMENSIONS, FILTERS, REPORTS, WORDS, QuestionError
from ingest import afterwards, tokens, upkeep
from ingest.arguments import data_of, port_number, tls_of, with_config, with_data, with_ports, with_tls

DONE, NOT_HELD, WRONG_USE, ENVIRONMENT = 0, 1, 2, 3


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command; the exit code says 0 done, 1 a check did not hold, 2 wrong use, 3 environment."""
    args = _parser().parse_args(argv)
    try:
        return args.command(args)
    except ConfigError as error:
        return _fail(NOT_HELD, f"the config directory cannot be used:\n{error}")
    except (QuestionError, FileNotFoundError, argparse.ArgumentError) as error:
        return _fail(WRONG_USE, str(error))
    except (LoopledgerError, OSError) as error:
        return _fail(ENVIRONMENT, str(error))
    except KeyboardInterrupt:
        return DONE


def up(args: argparse.Namespace) -> int:
    """Collector and dashboard together on this machine; Ctrl-C stops both.

    Example: loopledger up --demo
    """
    from ingest import logs
    from ingest import up as both

    logs.start(args.log_format)
    at = (args.grpc, args.http, tls_of(args))
    return both.run(data_of(args, given_only=args.demo), args.config, at, args.port, demo=args.demo)


def collector(args: argparse.Namespace) -> int:
    """OTLP, read API and control API. Port 0 picks a free one and says which.

    Example: loopledger collector --data ./loopledger-data --config ./config --grpc 127.0.0.1:4317 --http 127.0.0.1:4318
    """
    from ingest import logs
    from ingest import up as both

    logs.start(args.log_format)
    return both.collect(data_of(args), args.config, (args.grpc, args.http, tls_of(args)), args.clock)


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

    data, bodies, malformed = data_of(args), recordings(args.path), 0
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
        **{name: getattr(args, name) for name in (*FILTERS, *WORDS)},
    }
    rows = ask(data_of(args), args.name, {name: value for name, value in given.items() if value})
    if args.format == "table":
        formats.print_table(rows)
    elif args.format == "json":
        print(json.dumps(formats.to_objects(rows), indent=1))
    elif args.format == "csv":
        sys.stdout.write(formats.to_csv(rows))
    else:
        sys.stdout.buffer.write(formats.to_parquet(rows))
    return DONE


def explain(args: argparse.Namespace) -> int:
    """Each call of a run, what it cost by which price, and the records it was seen in: which of them counted, and why.

    Example: loopledger explain 7bc6e7bdb54dd9d11966af1f8984239c --data ./loopledger-data
    """
    from ingest import explanation
    from ingest.ask import ask_explain

    rows = ask_explain(data_of(args), args.run)
    if args.format == "json":
        print(json.dumps({"run": args.run, **explanation.nested(rows)}, indent=1))
    else:
        explanation.print_explained(args.run, rows)
    return DONE


def recount(args: argparse.Namespace) -> int:
    """Stored records read, counted, attributed and priced again with today's rules; what changes is written as corrections.

    Example: loopledger recount --data ./loopledger-data --dry-run
    """
    from ingest import formats
    from ingest.ask import find_collector, remembered_config
    from ingest.progress import steps
    from ingest.recount import compared, rehearsed
    from ingest.recount import recount as again

    data = data_of(args)
    if at := find_collector(data):
        return _fail(ENVIRONMENT, f"a collector at {at} holds {data}: stop it first")
    if not (data / "ledger.duckdb").exists():
        raise FileNotFoundError(f"{data} holds no ledger")
    config = load(args.config) if args.config else remembered_config(data)
    with rehearsed(data, config) as (service, copy):
        *_, done = steps(again(copy), "rehearsing", total=copy.ledger.commit_no)
        if (changes := compared(service, copy)).height:
            formats.print_table(changes)
        if not args.dry_run and (done.reread or done.charges):
            *_, done = steps(again(service), "recounting", total=service.ledger.commit_no)
    print(_recounted(done, args.dry_run))
    return DONE


def _recounted(done, is_rehearsal: bool) -> str:
    would = "would be" if is_rehearsal else "were"
    kept = f"; {done.dialect_not_rerun} whose evidence has expired kept what was read once" if done.dialect_not_rerun else ""
    return f"{done.records} records: {done.reread} {would} read otherwise, {done.charges} rows of charges {would} written{kept}"


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
    counted = ("policies", "loops", "prices", "contracts", "channels", "owners")
    parts = ", ".join(f"{len(getattr(config, part))} {part}" for part in counted)
    print(f"{args.directory} is valid: {parts}")
    return DONE


def doctor(args: argparse.Namespace) -> int:
    """Ports, versions, ledger integrity, last ingest, and policies that cannot be enforced.

    Example: loopledger doctor --data ./loopledger-data
    """
    from ingest.doctor import accept_loss, examine

    data = data_of(args)
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
    page.add_argument("--port", type=port_number, default=8501, metavar="N")
    _add_replay(add)
    _add_report(add)
    one = with_data(add(explain))
    one.add_argument("run", metavar="RUN", help="a run, session, conversation or trace id")
    one.add_argument("--format", choices=("table", "json"), default="table")
    add(check).add_argument("directory", type=Path, metavar="DIR")
    correction = with_config(with_data(add(recount)))
    correction.add_argument("--dry-run", action="store_true", help="show what would change, by model, and change nothing")
    afterwards.add_to(add)
    upkeep.add_to(add)
    tokens.add_to(add)
    health = with_data(add(doctor))
    health.add_argument("--accept-loss", action="store_true", help="serve again although acknowledged commits are missing")
    health.add_argument("--reason", metavar="TEXT")
    return parser


def _add_up(add: Callable) -> None:
    both = with_tls(with_ports(with_config(with_data(add(up)))))
    both.add_argument("--port", type=port_number, default=8501, metavar="N", help="of the dashboard")
    both.add_argument("--demo", action="store_true", help="replay the samples through the real ports into a fresh directory")


def _add_collector(add: Callable) -> None:
    receiver = with_tls(with_ports(with_config(with_data(add(collector)))))
    receiver.add_argument("--clock", choices=("wall", "replay"), default="wall", help="replay: time is the latest end seen")


def _add_replay(add: Callable) -> None:
    player = with_config(with_data(add(replay)))
    player.add_argument("path", nargs="+", type=Path, metavar="PATH")
    player.add_argument("--json", action="store_true", help="print the summary as JSON")


def _add_report(add: Callable) -> None:
    question = with_data(add(report))
    question.add_argument("name", metavar="NAME", help=", ".join(REPORTS))
    question.add_argument("--by", metavar="A,B", help=", ".join(DIMENSIONS))
    question.add_argument("--from", dest="since", metavar="T", help="date or time, UTC, inclusive")
    question.add_argument("--to", dest="until", metavar="T", help="date or time, UTC, exclusive")
    question.add_argument("--format", choices=("table", "json", "csv", "parquet"), default="table")
    for name in FILTERS:
        question.add_argument(f"--{name}", action="append", metavar="VALUE", help=f"only this {name}; may be repeated")
    for name in WORDS[:-1]:
        question.add_argument(f"--{name.replace('_', '-')}", help="which budget (policy, scope, window), which price books")
    question.add_argument("--against", metavar="T", help="start of the window to compare with (variance); default: the one just before")


def _fail(code: int, text: str) -> int:
    print(f"loopledger: {text}", file=sys.stderr)
    return code
