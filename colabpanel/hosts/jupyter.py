"""JupyterLab, Notebook and VS Code: a kernel of Jupyter with a front end."""

from __future__ import annotations

import os
from pathlib import Path
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


class JupyterHost(IPythonHost):
    """A notebook kernel under a Jupyter server or VS Code."""

    keep_alive: KeepAliveWay = "heartbeat"
    time_limits: tuple[TimeLimit, ...] = SERVER_LIMITS

    def __init__(self, shell: object) -> None:
        super().__init__(shell)
        self.name = _front_end_name()

    def send_file(self, path: Path) -> None:
        """Show a link to the file; it must lie below the notebook's folder."""
        from IPython.display import HTML, display

        try:
            relative = path.resolve().relative_to(Path.cwd())
        except ValueError:
            raise HostError(
                f"{path.name} lies outside the notebook's folder, so the browser cannot reach it.",
                hint=f"Copy it into {Path.cwd()} first.",
            ) from None
        display(
            HTML(  # type: ignore[no-untyped-call]  # not typed
                f'<a href="files/{quote(relative.as_posix())}" download>{quote(path.name)}</a>'
            )
        )


def _front_end_name() -> str:
    if any(name.startswith("VSCODE_") for name in os.environ):
        return "VS Code"
    try:
        words = [Path(word).name for word in psutil.Process().parent().cmdline()]  # type: ignore[union-attr]
    except (psutil.Error, AttributeError):
        words = []
    return next((title for word in words for start, title in _SERVERS.items() if word == start), "Jupyter")
