"""Running things: a collector, the dashboard beside it, and the demo."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path

import httpx

from analytics.config import Config, load
from ingest.access import control_token, is_loopback
from ingest.ask import remember_config
from ingest.clock import CLOCKS
from ingest.collector import Addresses, running
from ingest.progress import steps
from ingest.replay import Recording, recordings
from ingest.tls import Tls, trusting

Listening = tuple[str, str, Tls | None]
"""HOST:PORT of gRPC and of HTTP, and TLS for both."""
_MEDIA = {".pb": "application/x-protobuf", ".json": "application/json"}
_AT_ONCE = 8  # requests of the demo under way


def samples() -> Path:
    """The recorded samples: inside the installed package, or beside it in a checkout."""
    packaged = Path(__file__).parent / "samples"
    return packaged if packaged.is_dir() else Path(__file__).parent.parent / "sample_traces"


def collect(data: Path, config: Path | None, at: Listening, clock: str) -> int:
    """A collector until it is told to stop."""
    return asyncio.run(_collector(data, config, at, clock, _nothing_more))


def show(collector: str, port: int) -> int:
    """The dashboard until it is told to stop."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # the page is a child, which is to end as well
    page = _dashboard(collector, port)
    print(f"dashboard  http://127.0.0.1:{port}", flush=True)
    try:
        return page.wait()
    except KeyboardInterrupt:
        _end(page)
        return 0


def run(data: Path | None, config: Path | None, at: Listening, port: int, *, demo: bool) -> int:
    """Collector and dashboard; with `demo` the samples arrive through the real ports, in a fresh directory unless one is given."""
    _require_free(port)
    if not demo:
        return asyncio.run(_collector(data, config, at, "wall", lambda there: _beside(data, there, port, ())))
    with tempfile.TemporaryDirectory(prefix="loopledger-demo-") as fresh:
        bodies = recordings([samples() / "weekend", samples()])
        rules, place = config or samples() / "config", data or Path(fresh)
        return asyncio.run(_collector(place, rules, at, "replay", lambda there: _beside(place, there, port, bodies)))


async def _collector(data: Path, config: Path | None, at: Listening, clock: str, meanwhile: Callable[[Addresses], Awaitable[None]]) -> int:
    rules = load(config)
    remember_config(data, config)
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with running(data, rules, CLOCKS[clock](), *at) as there:
        print(f"OTLP/gRPC  {there.grpc}\nOTLP/HTTP  {there.http}\nledger     {data.resolve()}", flush=True)
        print(f"{_welcome(rules, at)} Ctrl-C stops.", flush=True)
        work = asyncio.create_task(_until(meanwhile(there)))
        waits = [asyncio.create_task(stop.wait()), work]
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        for task in waits:
            task.cancel()
        await asyncio.gather(*waits, return_exceptions=True)
        if not work.cancelled():
            work.result()  # says what it failed of
    return 0


def _welcome(rules: Config, at: Listening) -> str:
    """Who is let in, and what can be overheard."""
    if rules.access is None:
        return "Loopback only: no credentials are asked of telemetry."
    count = len(rules.access.credentials or ())
    plain = "" if at[2] or all(map(is_loopback, at[:2])) else " WITHOUT TLS: tokens and telemetry can be read on their way."
    return f"Credentials are asked of everybody: {count} are in access.yaml.{plain}"


async def _until(work: Awaitable[None]) -> None:
    await work


async def _nothing_more(at: Addresses) -> None:
    await asyncio.Event().wait()


async def _beside(data: Path, at: Addresses, port: int, bodies: list[Recording]) -> None:
    """The dashboard as a child process, and the bodies of the demo."""
    page = _dashboard(at.http, port, control_token(data), at.certificate)
    try:
        print(f"dashboard  http://127.0.0.1:{port}", flush=True)
        if bodies:
            await _send(data, at, bodies)
            print(f"demo       {len(bodies)} recorded requests are in; the clock stands at their end", flush=True)
        await asyncio.to_thread(page.wait)
    finally:
        _end(page)


async def _send(data: Path, at: Addresses, bodies: list[Recording]) -> None:
    """Each body once over OTLP/HTTP, in order, a few at a time."""
    verify = trusting(Path(at.certificate)) if at.certificate else True
    headers = {"authorization": f"Bearer {control_token(data)}"}
    async with httpx.AsyncClient(base_url=at.http, headers=headers, verify=verify, timeout=60) as client:
        groups = [bodies[start : start + _AT_ONCE] for start in range(0, len(bodies), _AT_ONCE)]
        for group in steps(groups, "demo", total=len(groups)):
            answers = await asyncio.gather(*(_post(client, recording) for recording in group))
            for answer in answers:
                answer.raise_for_status()


async def _post(client: httpx.AsyncClient, recording: Recording) -> httpx.Response:
    headers = {"content-type": _MEDIA[recording.path.suffix]}
    return await client.post(f"/v1/{recording.signal}", content=recording.path.read_bytes(), headers=headers)


def _dashboard(collector: str, port: int, token: str | None = None, certificate: str | None = None) -> subprocess.Popen:
    from dashboard import server

    _require_free(port)
    command = server.command(collector, port)
    told = os.environ | server.environment(collector, token, certificate)
    # A session of its own: Ctrl-C reaches this process alone, which then stops the page in its turn.
    return subprocess.Popen(command, env=told, stdin=subprocess.DEVNULL, start_new_session=True, stdout=sys.stderr)


def _end(page: subprocess.Popen) -> None:
    page.terminate()
    page.wait(timeout=10)


def _require_free(port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            raise OSError(f"cannot show the dashboard on port {port}: it is taken; choose another one with --port") from error
