"""Arguments that commands share."""

import argparse
import os
from pathlib import Path

from ingest.tls import Tls


def with_data(sub: argparse.ArgumentParser) -> argparse.ArgumentParser:
    """The data directory that a command works on."""
    sub.add_argument("--data", type=Path, metavar="DIR", help="default: $LOOPLEDGER_DATA, else ./loopledger-data")
    return sub


def with_config(sub: argparse.ArgumentParser) -> argparse.ArgumentParser:
    """The config directory."""
    sub.add_argument("--config", type=Path, metavar="DIR", help="policies, loops, prices, channels")
    return sub


def with_ports(sub: argparse.ArgumentParser) -> argparse.ArgumentParser:
    """Where a collector listens."""
    sub.add_argument("--grpc", type=address, default="127.0.0.1:4317", metavar="HOST:PORT")
    sub.add_argument("--http", type=address, default="127.0.0.1:4318", metavar="HOST:PORT")
    sub.add_argument("--log-format", choices=("json", "text"), help="of stderr; default: text on a terminal, else JSON")
    return sub


def with_tls(sub: argparse.ArgumentParser) -> argparse.ArgumentParser:
    """TLS for both ports."""
    sub.add_argument("--tls-cert", type=Path, metavar="FILE", help="certificate in PEM: both ports speak TLS")
    sub.add_argument("--tls-key", type=Path, metavar="FILE", help="its key")
    sub.add_argument("--tls-client-ca", type=Path, metavar="FILE", help="only clients with a certificate that these signed are talked to")
    return sub


def tls_of(args: argparse.Namespace) -> Tls | None:
    """The files that were given; None without any. Raises FileNotFoundError, and ArgumentError for a part without the rest."""
    given = (args.tls_cert, args.tls_key, args.tls_client_ca)
    if not any(given):
        return None
    if not (args.tls_cert and args.tls_key):
        raise argparse.ArgumentError(None, "--tls-cert and --tls-key go together, and --tls-client-ca needs both")
    if missing := [str(path) for path in given if path and not path.is_file()]:
        raise FileNotFoundError(f"there is no file {missing[0]}")
    return Tls(*given)


def address(text: str) -> str:
    """HOST:PORT, with a host."""
    host, _, port = text.rpartition(":")
    if not host:
        raise argparse.ArgumentTypeError(f"{text!r} is not HOST:PORT, such as 127.0.0.1:4317")
    return f"{host}:{port_number(port)}"


def port_number(text: str) -> int:
    """A TCP port; 0 picks a free one."""
    if not text.isdecimal() or int(text) > 65535:
        raise argparse.ArgumentTypeError(f"{text!r} is no port: give a number up to 65535")
    return int(text)


def data_of(args: argparse.Namespace, given_only: bool = False) -> Path | None:
    """The directory that was given, else the environment's, else ./loopledger-data."""
    if args.data or given_only:
        return args.data
    return Path(os.environ.get("LOOPLEDGER_DATA", "loopledger-data"))
