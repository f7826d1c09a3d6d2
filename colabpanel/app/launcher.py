"""Starts Voila in this process on the packaged notebook, always with a fresh token."""

from __future__ import annotations

import os
import secrets
import socket
import sys
import tempfile
import webbrowser
from collections.abc import Callable, Sequence
from html import escape
from pathlib import Path
from typing import Any, ClassVar

from colabpanel.app.sample import write_sample
from colabpanel.errors import HostError, InputError, PathError
from colabpanel.hosts.voila import ROOT_VARIABLE
from colabpanel.services.paths import resolve_inside
from colabpanel.services.remotes.granting import check_grants
from colabpanel.services.remotes.permission import VARIABLE as REMOTES_VARIABLE

__all__ = ["serve"]

_NOTEBOOK = Path(__file__).with_name("dashboard.ipynb")
_ERRORS_ONLY = 40
_OTHER_PORTS = 50


def serve(
    root: str | Path,
    announce: Callable[[str], None],
    *,
    port: int = 0,
    ip: str = "127.0.0.1",
    theme: str = "light",
    open_browser: bool = True,
    sample: bool = False,
    cull_after: int = 300,
    remotes: Sequence[str] = (),
) -> None:
    """Serve the dashboard until it is interrupted.

    Args:
        root: The only folder the dashboard may touch.
        announce: Called with the URL, token included, once the server listens.
        port: The port; 0 takes any that is free.
        ip: The address to listen on.
        theme: ``light`` or ``dark``.
        open_browser: Whether to open the URL.
        sample: Whether to put a small sample archive into the root.
        cull_after: Seconds after which the kernel of a closed page ends.
        remotes: The remotes that visitors may read, each ``name``, or write to, ``name:rw``; of all others they
            see nothing.

    Raises:
        PathError: The root is not a folder.
        InputError: There is no such remote.
        HostError: Voila is not installed, or the port is taken.
    """
    folder = resolve_inside(None, root)
    if sample:
        folder.mkdir(parents=True, exist_ok=True)
        write_sample(folder)
    if not folder.is_dir():
        raise PathError(f"{root} is not a folder.", hint="Pass an existing folder with --root.")
    granted = check_grants(remotes)
    token = secrets.token_urlsafe(32)
    config = _config(ip, _free_port(ip, port), token, theme, cull_after)
    if not port:
        config.Voila.port_retries = _OTHER_PORTS  # somebody may take the free one before the server is up
    place = f"[{ip}]" if ":" in ip else ip

    def listening(port: int) -> None:
        url = f"http://{place}:{port}/?token={token}"
        announce(url)
        if open_browser:
            _open(url)

    dashboard = _dashboard_class()
    dashboard.listening = staticmethod(listening)
    app = dashboard.instance(config=config)
    app.initialize([])
    for_kernels = {ROOT_VARIABLE: str(folder), REMOTES_VARIABLE: granted}
    os.environ.update(for_kernels)  # which inherit it
    try:
        app.start()
    finally:
        for name in for_kernels:
            del os.environ[name]


def _free_port(ip: str, port: int) -> int:
    try:
        with socket.socket(socket.AF_INET6 if ":" in ip else socket.AF_INET) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((ip, port))
            return int(probe.getsockname()[1])
    except (OSError, OverflowError) as error:
        raise InputError(
            f"Port {port} of {ip} cannot be used: {error}.", hint="Leave out --port to take a free one."
        ) from error


def _config(ip: str, port: int, token: str, theme: str, cull_after: int) -> Any:
    from traitlets.config import Config

    return Config(
        {
            "Voila": {
                "ip": ip,
                "port": port,
                "port_retries": 0,
                "token": token,
                "notebook_path": str(_NOTEBOOK),
                "root_dir": str(_NOTEBOOK.parent),
                "open_browser": True,
                "log_level": _ERRORS_ONLY,
            },
            "VoilaConfiguration": {
                "file_allowlist": [],
                "file_denylist": [".*"],
                "theme": theme,
                "show_tracebacks": False,
                "resources": {"title": "colabpanel"},
                "kernel_spec_manager_class": _kernel_spec_manager_class(),
            },
            "MappingKernelManager": {
                "cull_idle_timeout": cull_after,
                "cull_interval": max(min(cull_after // 2, 30), 1),
                "cull_connected": False,
            },
        }
    )


def _dashboard_class() -> Any:
    try:
        from voila.app import Voila
    except ImportError as error:
        raise HostError("Voila is not installed.", hint="Run: pip install voila") from error

    class Dashboard(Voila):
        listening: Callable[[int], None]
        config_file_paths: ClassVar[list[str]] = []  # the user's own Voila settings could open what must stay closed

        def launch_browser(self) -> None:
            """Say that the server listens: Voila calls this right after it does."""
            self.listening(self.port)

    return Dashboard


def _kernel_spec_manager_class() -> Any:
    from ipykernel.kernelspec import RESOURCES, get_kernel_dict
    from jupyter_client.kernelspec import KernelSpec, KernelSpecManager

    class OwnInterpreter(KernelSpecManager):
        """Starts this very Python, whatever kernel the user has registered as ``python3``."""

        def get_kernel_spec(self, kernel_name: str) -> KernelSpec:
            return KernelSpec(resource_dir=RESOURCES, **get_kernel_dict())

    return OwnInterpreter


def _open(url: str) -> None:
    """Open the URL through a private file, for other users can read the arguments of a browser."""
    handle, name = tempfile.mkstemp(suffix=".html", prefix="colabpanel-")
    with os.fdopen(handle, "w", encoding="utf-8") as stream:
        stream.write(
            f'<meta http-equiv="refresh" content="0; url={escape(url)}"><a href="{escape(url)}">Open colabpanel</a>'
        )
    try:
        webbrowser.open(Path(name).as_uri())
    except webbrowser.Error as error:
        sys.stderr.write(f"No browser could be opened ({error}); open the URL yourself.\n")
