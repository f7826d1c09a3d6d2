"""JupyterLab, Notebook and VS Code: a kernel of Jupyter with a front end."""

from __future__ import annotations

import html
import json
import os
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote

import psutil

from colabpanel.errors import HostError
from colabpanel.hosts._base import IPythonHost
from colabpanel.hosts._limits import SERVER_LIMITS, KeepAliveWay, TimeLimit

__all__ = ["JupyterHost"]

_SERVERS = {
    "jupyterhub-singleuser": "JupyterHub",
    "jupyter-lab": "JupyterLab",
    "jupyter-notebook": "Jupyter Notebook",
    "notebook": "Jupyter Notebook",
    "jupyterlab": "JupyterLab",
    "jupyter-server": "Jupyter",
}


class _ServerInfo(NamedTuple):
    """What a running server wrote down of itself: the folder it serves, and the path of its address."""

    root: Path
    base_url: str


class JupyterHost(IPythonHost):
    """A notebook kernel under a Jupyter server or VS Code."""

    keep_alive: KeepAliveWay = "heartbeat"
    time_limits: tuple[TimeLimit, ...] = SERVER_LIMITS

    def __init__(self, shell: object) -> None:
        super().__init__(shell)
        self.name = _front_end_name()
        self._server = None if self.name == "VS Code" else _server_info()

    def file_url(self, path: Path) -> str | None:
        """Return the address of a file below the folder that the server serves."""
        if self._server is None:
            return None
        try:
            relative = path.resolve().relative_to(self._server.root)
        except ValueError:
            return None
        if not _is_text(relative):
            return None
        return f"{self._server.base_url.rstrip('/')}/files/{quote(relative.as_posix())}?download=1"

    def send_file(self, path: Path) -> None:
        """Show a link to the file; it must lie below the folder that the server serves."""
        from IPython.display import HTML, display

        url = self.file_url(path)
        if url is None:
            raise HostError(
                f"{path.name} lies outside of what the notebook's server hands out.",
                hint="Use the Downloads tab, which sends any file through the notebook.",
            )
        display(
            HTML(  # type: ignore[no-untyped-call]  # not typed
                f'<a href="{html.escape(url)}" download>{html.escape(path.name)}</a>'
            )
        )


def _is_text(path: Path) -> bool:
    """Whether a name is text: an address cannot hold another one."""
    try:
        path.as_posix().encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def _server_info() -> _ServerInfo | None:
    """Look for what the server that started this kernel wrote down; None where it cannot be told."""
    from jupyter_core.paths import jupyter_runtime_dir

    for process in _ancestors():
        for kind in ("jpserver", "nbserver"):
            try:
                text = Path(jupyter_runtime_dir(), f"{kind}-{process}.json").read_text(encoding="utf-8")
                found = json.loads(text)
                return _ServerInfo(Path(found.get("root_dir") or found["notebook_dir"]).resolve(), found["base_url"])
            except (OSError, ValueError, KeyError, TypeError):
                continue
    return None


def _ancestors() -> list[int]:
    """Return the processes that may be the server, the likeliest first."""
    named = os.environ.get("JPY_PARENT_PID", "")
    try:
        above = [process.pid for process in psutil.Process().parents()]
    except psutil.Error:
        above = [os.getppid()]
    return [*([int(named)] if named.isdecimal() else []), *above]


def _front_end_name() -> str:
    if any(name.startswith("VSCODE_") for name in os.environ):
        return "VS Code"
    try:
        words = [Path(word).name for word in psutil.Process().parent().cmdline()]  # type: ignore[union-attr]
    except (psutil.Error, AttributeError):
        words = []
    return next((title for word in words for start, title in _SERVERS.items() if word == start), "Jupyter")
