"""Arguments that commands share."""

import argparse
import os
from pathlib import Path


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
