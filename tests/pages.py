"""What a page of the dashboard says, and what the read API says beside it."""

import os
import re
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

import httpx

from dashboard import server


def unescaped(markdown: str) -> str:
    return markdown.replace("\\", "")


def said(at) -> str:
    """What a page says in words."""
    kinds = ("header", "subheader", "markdown", "caption", "code")
    return "\n".join(unescaped(str(element.value)) for kind in kinds for element in at.get(kind))


def figures(at) -> dict[str, tuple[str, str]]:
    """The key figures of a page with what stands beside them."""
    return {metric.label: (metric.value, unescaped(metric.delta)) for metric in at.metric}


def badges(at) -> list[str]:
    """Words of the badges of a page."""
    return [unescaped(said) for markdown in at.markdown for said in re.findall(r":\w+-badge\[(?::material/\w+: )?(.*?)\]", markdown.value)]


def report(url: str, name: str, **query) -> list[dict]:
    return httpx.get(f"{url}/api/v1/reports/{name}", params=query).raise_for_status().json()["rows"]


def column(table, name: str) -> list:
    return table.value[name].to_list()


@contextmanager
def serving(collector: str) -> Iterator[str]:
    """The URL of a dashboard on a collector."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    environment = os.environ | server.environment(collector)
    with subprocess.Popen(server.command(collector, port), env=environment, stdout=subprocess.PIPE, text=True) as process:
        try:
            next(line for line in process.stdout if "URL:" in line)
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()
            process.wait()  # before its output is closed: it says that it stops, and cannot when nobody listens
