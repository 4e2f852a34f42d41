"""How fast the collector acknowledges spans, durable and counted, over gRPC from another process on the same machine.

    python tests/benchmarks/ingest.py [--load flat|trees|one|mix] [--seconds 10] [--clients 32] [--preload SPANS]
        [--encoding grpc|http-protobuf|http-json] [--readers 0]

`flat`, `trees` and `one` (a call in a request of its own) are made up; `mix` is every recording of sample_traces again and again with
fresh ids, all three signals.
Prints one JSON line per load: spans/s acknowledged (of the mix: records), acknowledgement p50 and p99, CPU and peak memory of
the collector with its reader, bytes per span on disk, and what bare decoding of the same bytes reaches in the same run. With
--preload the ledger already
holds so many spans.
"""

import argparse
import asyncio
import itertools
import json
import os
import re
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from functools import partial
from pathlib import Path

import grpc
import httpx
import numpy as np
import psutil

sys.path[0] = str(Path(__file__).parents[1])  # this file's own folder would make it shadow the package it measures
from benchmarks import load

from ingest import wire
from ingest.descriptors import handler_of

EXPORT = {
    "traces": "/opentelemetry.proto.collector.trace.v1.TraceService/Export",
    "logs": "/opentelemetry.proto.collector.logs.v1.LogsService/Export",
    "metrics": "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export",
}
REPORTS = (("spend", "team"), ("usage", "model"), ("spend", "loop,day"), ("runs", ""))
"""Name and dimensions of what readers ask for."""
MIX_RECORDS = 60_000
POLICY = """policies:
  - {name: bench-day, per: loop, limit_usd: "100000000", window: day}
  - {name: bench-run, per: run, limit_usd: "100000", window: run}
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--load", choices=("flat", "trees", "one", "mix"), action="append")
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--clients", type=int, default=32)
    parser.add_argument("--preload", type=int, default=0, metavar="SPANS")
    parser.add_argument("--readers", type=int, default=0, help="clients that ask for one report after the other meanwhile")
    parser.add_argument("--encoding", choices=("grpc", "http-protobuf", "http-json"), default="grpc")
    args = parser.parse_args()
    for name in args.load or ("flat", "trees", "mix"):
        print(json.dumps(measure(name, args.seconds, args.clients, args.preload, args.encoding, args.readers)), flush=True)


def measure(name: str, seconds: float, clients: int, preload: int = 0, encoding: str = "grpc", readers: int = 0) -> dict:
    """One run of one load against a fresh collector; in JSON of its traces alone."""
    now = time.time_ns()
    templates = list(load.mix(MIX_RECORDS, now)) if name == "mix" else [getattr(load, name)(seed, now) for seed in range(16)]
    sent = [template.in_json() for template in templates if template.signal == "traces"] if encoding == "http-json" else templates
    with tempfile.TemporaryDirectory() as folder:
        collector, at = _start(Path(folder))
        address = at["grpc" if encoding == "grpc" else "http"]
        try:
            before = asyncio.run(_send(address, sent, clients, spans=preload, encoding=encoding))["spans"] if preload else 0
            cpu = _cpu_seconds(_family(collector.pid))
            amount = {"spans": MIX_RECORDS} if name == "mix" else {"seconds": seconds}
            with _reading(at["http"], readers) as asked:
                result = asyncio.run(_send(address, sent, clients, encoding=encoding, **amount))
            family = _family(collector.pid)
            used, peak = _cpu_seconds(family) - cpu, sum(_peak_bytes(process.pid) for process in family)
        finally:
            collector.send_signal(signal.SIGINT)
            collector.wait(60)
        size = (Path(folder) / "data" / "ledger.duckdb").stat().st_size
    return {
        "load": name,
        "encoding": encoding,
        "spans_per_second": round(result["spans"] / result["seconds"]),
        "ack_p50_ms": round(1000 * statistics.median(result["acks"]), 1),
        "ack_p99_ms": round(1000 * float(np.percentile(result["acks"], 99)), 1),
        "spans": result["spans"],
        "preloaded": before,
        "collector_cpu_seconds_per_second": round(used / result["seconds"], 2),
        "collector_peak_rss_mb": round(peak / 1e6),
        "reports_per_second": round(len(asked) / result["seconds"], 1),
        "disk_bytes_per_span": round(size / (before + result["spans"])),
        "bare_decode_spans_per_second": round(_bare_decode(templates)),
        "cores": os.cpu_count(),
    }


@contextmanager
def _reading(address: str, readers: int) -> Iterator[list[float]]:
    """So many clients that ask for the reports of a page one after the other; grows by the seconds of each answer."""
    answers, ended = [], threading.Event()

    def read() -> None:
        with httpx.Client(base_url=address, timeout=120) as client:
            for name, by in itertools.cycle(REPORTS):
                if ended.is_set():
                    return
                begun = time.perf_counter()
                client.get(f"/api/v1/reports/{name}", params={"by": by}).raise_for_status()
                answers.append(time.perf_counter() - begun)

    threads = [threading.Thread(target=read) for _ in range(readers)]
    for thread in threads:
        thread.start()
    try:
        yield answers
    finally:
        ended.set()
        for thread in threads:
            thread.join()


def _family(pid: int) -> list[psutil.Process]:
    """The collector and its reader, once it has one."""
    collector = psutil.Process(pid)
    return [collector, *collector.children(recursive=True)]


def _cpu_seconds(family: list[psutil.Process]) -> float:
    return sum(spent.user + spent.system for spent in (process.cpu_times() for process in family))


def _peak_bytes(pid: int) -> int:
    return int(re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())[1]) * 1024


async def _send(address: str, templates: list, clients: int, seconds: float = 0, spans: int = 0, encoding: str = "grpc") -> dict:
    """Keeps `clients` requests under way, for so many seconds or spans."""
    rng, acks, sent = np.random.default_rng(), [], 0
    started = time.perf_counter()
    async with _exports(address, encoding) as exports:

        async def client(number: int) -> None:
            nonlocal sent
            turn = number
            while sent < spans if spans else time.perf_counter() - started < seconds:
                template = templates[turn % len(templates)]
                body, turn, begun = template.fresh(rng), turn + clients, time.perf_counter()
                await exports[template.signal](body, timeout=120)
                acks.append(time.perf_counter() - begun)
                sent += template.spans

        await asyncio.gather(*(client(number) for number in range(clients)))
    return {"spans": sent, "seconds": time.perf_counter() - started, "acks": acks}


@asynccontextmanager
async def _exports(address: str, encoding: str) -> AsyncIterator[dict[str, Callable]]:
    """What sends a body of each signal."""
    if encoding == "grpc":
        async with grpc.aio.insecure_channel(address) as channel:
            yield {signal: channel.unary_unary(path) for signal, path in EXPORT.items()}
        return
    headers = {"content-type": "application/json" if encoding == "http-json" else "application/x-protobuf"}
    async with httpx.AsyncClient(base_url=address, headers=headers, limits=httpx.Limits(max_connections=None)) as client:
        yield {signal: partial(_post, client, f"/v1/{signal}") for signal in EXPORT}


async def _post(client: httpx.AsyncClient, path: str, body: bytes, timeout: float) -> None:
    (await client.post(path, content=body, timeout=timeout)).raise_for_status()


def _bare_decode(templates: list) -> float:
    traces = [template for template in templates if template.signal == "traces"]
    bodies = [template.body.tobytes() for template in traces]
    handler = handler_of(wire.REQUESTS["traces"].DESCRIPTOR)
    best = min(_timed(handler, bodies) for _ in range(5))
    return sum(template.spans for template in traces) / best


def _timed(handler, bodies: list[bytes]) -> float:
    begun = time.perf_counter()
    for start in range(0, len(bodies), 4):
        handler.list_to_record_batch(bodies[start : start + 4])
    return time.perf_counter() - begun


def _start(folder: Path) -> tuple[subprocess.Popen, dict]:
    (folder / "config" / "policies").mkdir(parents=True)
    (folder / "config" / "policies" / "bench.yaml").write_text(POLICY)
    command = [
        "loopledger",
        "collector",
        "--data",
        folder / "data",
        "--config",
        folder / "config",
        "--grpc",
        "127.0.0.1:0",
        "--http",
        "127.0.0.1:0",
    ]
    collector = subprocess.Popen([Path(sys.executable).parent / command[0], *command[1:]], stdout=subprocess.PIPE, text=True)
    while "Ctrl-C" not in collector.stdout.readline():
        pass
    return collector, json.loads((folder / "data" / "collector.json").read_text())


if __name__ == "__main__":
    main()
