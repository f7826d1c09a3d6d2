"""The hosts the panel is shown in, each as a real server on the loopback."""

from __future__ import annotations

import json
import os
import re
import secrets
import shutil
import sys
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.error import URLError
from urllib.parse import quote, urlencode
from urllib.request import ProxyHandler, Request, build_opener

from tests.ports import free_port

from .processes import ServerProcess, isolated_environment, running

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

REPOSITORY = Path(__file__).resolve().parents[2]
START_SECONDS = 90.0
"""How long a server may take before its start counts as failed."""

_OPENER = build_opener(ProxyHandler({}))
_REQUEST_SECONDS = 60.0
"""Ending a kernel that hangs takes its server a while."""


@dataclass(frozen=True)
class Server:
    """A running server.

    Attributes:
        url: Its address, without a slash at the end.
        token: The token that a request has to carry; empty where none is set.
        root: The folder it serves.
        home: Its private home folder, with its Jupyter configuration.
        process: The process behind it.
    """

    url: str
    token: str
    root: Path
    home: Path
    process: ServerProcess

    @property
    def log(self) -> Path:
        """The file with everything the server has printed."""
        return self.process.log

    def address(self, path: str, **query: str) -> str:
        """Return the address of `path` with the token and `query` added."""
        fields = query | ({"token": self.token} if self.token else {})
        suffix = f"?{urlencode(fields)}" if fields else ""
        return f"{self.url}/{quote(path)}{suffix}"

    def request(self, path: str, *, method: str = "GET") -> Any:
        """Call the REST interface and return the decoded JSON, None if empty.

        Raises:
            URLError: The server is not there or refuses.
        """
        headers = {"Authorization": f"token {self.token}"}
        request = Request(f"{self.url}/{quote(path)}", method=method, headers=headers)
        with _OPENER.open(request, timeout=_REQUEST_SECONDS) as response:
            body = response.read()
        return json.loads(body) if body else None

    def start_over(self) -> None:
        """End every notebook session, and so every kernel, and what colabpanel has remembered in them."""
        for session in self.request("api/sessions"):
            self.request(f"api/sessions/{session['id']}", method="DELETE")
        shutil.rmtree(self.home / ".local/state/colabpanel", ignore_errors=True)


def main_python() -> Path:
    """Return the interpreter of the newest stack: the one that runs pytest."""
    return Path(sys.executable)


def colab_python() -> Path:
    """Return the interpreter that carries Colab's pins; it need not exist."""
    default = REPOSITORY / ".venv-colab" / "bin" / "python"
    return Path(os.environ.get("COLABPANEL_COLAB_PYTHON", default))


def jupyterlab(base: Path, *options: str) -> AbstractContextManager[Server]:
    """Start JupyterLab 4 with its files under `base`."""
    argv = [str(main_python()), "-m", "jupyterlab", "--expose-app-in-browser", *options]
    return _jupyter(argv, base)


def notebook7(base: Path) -> AbstractContextManager[Server]:
    """Start Notebook 7 with its files under `base`."""
    argv = [str(main_python()), "-m", "notebook", "--expose-app-in-browser"]
    return _jupyter(argv, base)


def classic(base: Path) -> AbstractContextManager[Server]:
    """Start the classic Notebook with Colab's pins and its files under `base`."""
    return _jupyter([str(colab_python()), "-m", "notebook"], base)


@contextmanager
def _jupyter(argv: Sequence[str], base: Path) -> Iterator[Server]:
    root, home = base / "root", base / "home"
    root.mkdir(parents=True)
    home.mkdir()
    port, token = free_port(), secrets.token_hex(16)
    options = [
        "--ip=127.0.0.1",
        f"--port={port}",
        "--port-retries=0",
        "--no-browser",
        "--allow-root",
        f"--notebook-dir={root}",
    ]
    env = isolated_environment(home, Path(argv[0])) | {"JUPYTER_TOKEN": token}
    _disable_news(home)
    with running([*argv, *options], cwd=root, env=env, log=base / "server.log") as process:
        server = Server(f"http://127.0.0.1:{port}", token, root, home, process)
        process.wait_until(lambda: _status(server), START_SECONDS)
        yield server


def _status(server: Server) -> object | None:
    try:
        status: object = server.request("api/status")
    except (URLError, ConnectionError, TimeoutError):
        return None
    return status


@contextmanager
def start_command(
    argv: Sequence[str],
    url_pattern: str,
    base: Path,
    *,
    root: Path | None = None,
    seconds: float = START_SECONDS,
) -> Iterator[Server]:
    """Start any command that prints the address it listens on.

    Args:
        argv: The command line; its first item is a Python interpreter.
        url_pattern: A regular expression for the printed address. A group
            named `token` in it becomes the server's token; a group named
            `url`, else the whole match, becomes its address.
        base: The folder for its home folder and its log.
        root: The folder it serves and runs in; `base / "root"` by default.
        seconds: How long to wait for the address.

    Yields:
        The server, once its address stands in the log.

    Raises:
        StartError: The command ended or stayed silent.
    """
    root, home = root or base / "root", base / "home"
    root.mkdir(parents=True, exist_ok=True)
    env = isolated_environment(home, Path(argv[0]))
    with running(argv, cwd=root, env=env, log=base / "server.log") as process:
        match = process.wait_until(lambda: re.search(url_pattern, process.log_lines()), seconds)
        groups = match.groupdict()
        url = groups.get("url") or match.group()
        yield Server(url.rstrip("/"), groups.get("token") or "", root, home, process)


def set_lab_theme(server: Server, *, dark: bool) -> None:
    """Choose the theme that JupyterLab and Notebook 7 show on the next page load."""
    name = "JupyterLab Dark" if dark else "JupyterLab Light"
    _write_setting(server.home, "themes", {"theme": name})


def _disable_news(home: Path) -> None:
    news = {"fetchNews": "false", "checkForUpdates": False}
    _write_setting(home, "notification", news)


def _write_setting(home: Path, plugin: str, values: dict[str, object]) -> None:
    folder = home / "config/lab/user-settings/@jupyterlab/apputils-extension"
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{plugin}.jupyterlab-settings"
    path.write_text(json.dumps(values), encoding="utf-8")
