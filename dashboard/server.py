"""How the dashboard is started as a child process."""

import sys
from pathlib import Path

_HERE = Path(__file__).parent
_OPTIONS = {
    "server.headless": "true",
    "server.fileWatcherType": "none",
    "browser.gatherUsageStats": "false",
    "client.toolbarMode": "minimal",
    "client.showErrorDetails": "none",
    "client.showErrorLinks": "false",
    "global.disableWidgetStateDuplicationWarning": "true",  # filters have a default and are also chosen by ways; see dashboard/ways.py
    "logger.level": "warning",
    "theme.base": f"{_HERE / 'theme.toml'}",
}


def command(collector_url: str, port: int, address: str = "127.0.0.1") -> list[str]:
    """The command line that serves the pages; ready when `GET /_stcore/health` answers `ok`, ends on SIGINT or SIGTERM.

    The pages read the collector's URL from the environment; here it only tells several dashboards apart in a list of processes.
    """
    options = {"server.port": port, "server.address": address, **_OPTIONS}
    flags = [f"--{name}={value}" for name, value in options.items()]
    return [sys.executable, "-P", "-m", "streamlit", "run", f"{_HERE / 'streamlit_app.py'}", *flags, "--", collector_url]


def environment(collector_url: str, token: str | None = None, certificate: str | None = None) -> dict[str, str]:
    """What the pages read from their environment. None: the collector asks for no token; any certificate that the system trusts will do."""
    own = {"LOOPLEDGER_COLLECTOR": collector_url, "LOOPLEDGER_TOKEN": token, "LOOPLEDGER_CERTIFICATE": certificate}
    return {name: value for name, value in own.items() if value}
