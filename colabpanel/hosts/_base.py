"""The protocol every host fulfils, and the calls of IPython that most of them share."""

from __future__ import annotations

import functools
import os
import tempfile
import threading
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from typing import Any, Protocol, TypeVar

import platformdirs

from colabpanel.errors import HostError
from colabpanel.hosts._cells import open_cells, watch_cells
from colabpanel.hosts._interrupt import interrupt_main_thread
from colabpanel.hosts._limits import KeepAliveWay, TimeLimit

__all__ = ["CellWatcher", "Host", "IPythonHost", "PageCall", "config_dir", "state_dir"]

T = TypeVar("T")

CellWatcher = Callable[[], None]

PageCall = Callable[..., Any]


class Host(Protocol):
    """What a notebook host offers.

    Attributes:
        name: What people call it ("Google Colab", "JupyterLab", "Dashboard").
        workspace: A folder on fast local disk to work in.
        runs_cell: Whether a cell runs, or awaits something and leaves the main thread free meanwhile.
        state_dir: Where colabpanel keeps its own small files.
        is_served: Whether strangers to this kernel use the panel, as in Voila.
        root: The folder outside of which services refuse to work, or None.
        drive_mountpoint: Where `mount_drive` puts Drive by default, or None where it cannot.
        drive_logs: The folder with the logs of Drive's own program, or None.
        custom_widgets: Whether the front end loads widgets beyond the core ones by itself.
        sends_up_to: Bytes of a file that `send_file` hands over well; 0 where there is no helper for it.
        keeps_secrets: Whether it keeps tokens for its users, which `secret` returns.
        shell: The IPython shell of the kernel, or None.
        keep_alive: How a session is kept alive: by a ``heartbeat`` of the page, by a line in its ``console``, or not.
        releases_runtime: Whether `release_runtime` gives the machine back.
        time_limits: When it ends sessions by itself, as far as that is known.
        google_token: Returns a token for Google Drive's API, on any thread but the main one; None where it has none.
    """

    name: str
    is_served: bool
    root: Path | None
    drive_mountpoint: Path | None
    drive_logs: Path | None
    custom_widgets: bool
    keeps_secrets: bool
    sends_up_to: int
    shell: Any
    keep_alive: KeepAliveWay
    releases_runtime: bool
    time_limits: tuple[TimeLimit, ...]
    google_token: Callable[[], str] | None

    @property
    def workspace(self) -> Path: ...
    @property
    def state_dir(self) -> Path: ...
    @property
    def runs_cell(self) -> bool: ...
    def namespace(self) -> dict[str, Any]:
        """Return the variables of the user's notebook; empty in the dashboard."""
        ...

    def on_main_thread(self, function: Callable[[], T]) -> Future[T]:
        """Run a function on the main thread, once no cell runs."""
        ...

    def on_cell(
        self, started: CellWatcher, ended: CellWatcher, *, nested: bool = False, subshells: bool = False
    ) -> Callable[[], None]:
        """Call back when a cell starts and when it ended; returns a function that stops this.

        What a cell itself runs as cells is a part of it, unless ``nested``. Cells of subshells, which run beside the
        main thread's, are not told, unless ``subshells``.
        """
        ...

    def interrupt_cell(self) -> None:
        """Interrupt the running cell, as the stop button does; on any thread."""
        ...

    def last_cell_failed(self) -> bool:
        """Whether the cell that ended last raised an error or was interrupted."""
        ...

    def release_runtime(self) -> None:
        """Give the machine back, with all that is on it; call on the main thread only.

        Raises:
            HostError: The host cannot, or did not.
        """
        ...

    def secret(self, name: str) -> str | None:
        """Return a secret that the host keeps for the user, or None; call on the main thread only.

        Raises:
            HostError: The user has not let this notebook read it.
        """
        ...

    def mount_drive(
        self, mountpoint: Path, *, readonly: bool = False, force: bool = False, timeout: float = 120.0
    ) -> None:
        """Mount Google Drive, within so many seconds; call on the main thread only.

        Raises:
            MountFailedError: Drive's own program gave up; another try may work.
            HostError: The host cannot, or Drive refused.
        """
        ...

    def drive_is_starting(self) -> bool:
        """Whether Drive's own program runs: while it is being mounted, the user has given consent then."""
        ...

    def unmount_drive(self, *, timeout: float = 600.0) -> None:
        """Write out what is pending within so many seconds, and unmount Google Drive; call on the main thread only.

        Raises:
            HostError: The host cannot, or not everything could be written out.
        """
        ...

    def send_file(self, path: Path) -> None:
        """Hand one file to the user's browser; call on the main thread only.

        Raises:
            HostError: The host has no way to.
        """
        ...

    def file_url(self, path: Path) -> str | None:
        """Return where the page can fetch a file from the server it came from, or None; nothing is promised."""
        ...

    def on_page_call(self, name: str, function: PageCall) -> Callable[[], None] | None:
        """Let the page call a function of the kernel by this name; returns what ends it.

        None where the host has no such calls. The function takes and returns JSON, on the main thread.
        """
        ...


def state_dir() -> Path:
    """Return the folder for colabpanel's own small files, made if need be.

    Where the home folder cannot be written to, it is a temporary one.
    """
    return _made(os.environ.get("COLABPANEL_STATE_DIR") or platformdirs.user_state_path("colabpanel"))


def config_dir() -> Path:
    """Return the folder for what a user's files depend on, as the key that signs them; made if need be.

    Where the home folder cannot be written to, it is a temporary one.
    """
    return _made(os.environ.get("COLABPANEL_CONFIG_DIR") or platformdirs.user_config_path("colabpanel"))


def _made(folder: str | Path) -> Path:
    try:
        Path(folder).mkdir(parents=True, exist_ok=True)
    except OSError:
        return _temporary_state_dir()
    return Path(folder)


@functools.cache
def _temporary_state_dir() -> Path:
    return Path(tempfile.mkdtemp(prefix="colabpanel-"))


class IPythonHost:
    """A kernel, or a plain Python process, that runs IPython or nothing at all."""

    name = "Python"
    is_served = False
    root: Path | None = None
    drive_mountpoint: Path | None = None
    drive_logs: Path | None = None
    custom_widgets = True
    keeps_secrets = False
    sends_up_to = 0
    keep_alive: KeepAliveWay = ""
    releases_runtime = False
    time_limits: tuple[TimeLimit, ...] = ()
    google_token: Callable[[], str] | None = None

    def __init__(self, shell: Any = None) -> None:
        self.shell, self._cells = shell, open_cells(shell)

    @property
    def runs_cell(self) -> bool:
        """Whether a cell runs or awaits."""
        return self._cells is not None and self._cells.count > 0

    @property
    def workspace(self) -> Path:
        """The folder the kernel works in; the home folder where that one was deleted."""
        try:
            return self.inside_root(Path.cwd())
        except OSError:
            return self.inside_root(Path.home())

    def inside_root(self, folder: Path) -> Path:
        """Return a folder, or the root where the folder is not inside of it."""
        return folder if self.root is None or folder.is_relative_to(self.root) else self.root

    @property
    def state_dir(self) -> Path:
        """Where colabpanel keeps its own small files."""
        return state_dir()

    def namespace(self) -> dict[str, Any]:
        """Return the variables of the user's notebook."""
        return self.shell.user_ns if self.shell is not None else {}

    def on_main_thread(self, function: Callable[[], T]) -> Future[T]:
        """Run a function on the main thread: here and now if this is it, else once no cell runs."""
        future: Future[T] = Future()
        loop = getattr(getattr(self.shell, "kernel", None), "io_loop", None)
        if threading.current_thread() is threading.main_thread():
            _fulfil(future, function)
        elif loop is not None:
            loop.add_callback(_fulfil, future, function)
        else:
            future.set_exception(
                HostError(
                    "This needs the main thread, and no notebook kernel runs here.",
                    hint="Call it from the main thread of your program.",
                )
            )
        return future

    def on_cell(
        self, started: CellWatcher, ended: CellWatcher, *, nested: bool = False, subshells: bool = False
    ) -> Callable[[], None]:
        """Call back when a cell starts and when it ended."""
        if self.shell is None:
            return lambda: None
        return watch_cells(self.shell.events, started, ended, nested=nested, subshells=subshells)

    def interrupt_cell(self) -> None:
        """Interrupt the running cell, as the stop button does; works from any thread."""
        interrupt_main_thread()

    def last_cell_failed(self) -> bool:
        """Whether the cell that ended last raised an error or was interrupted."""
        return not getattr(self.shell, "last_execution_succeeded", True)

    def release_runtime(self) -> None:
        """Refuse: only Colab gives a runtime back by itself."""
        raise HostError(
            f"{self.name} cannot release the machine.", hint="Shut the kernel down: that frees what it holds."
        )

    def secret(self, name: str) -> str | None:
        """Return None: only Colab keeps secrets."""
        return None

    def mount_drive(
        self, mountpoint: Path, *, readonly: bool = False, force: bool = False, timeout: float = 120.0
    ) -> None:
        """Refuse: only Colab mounts Drive by itself."""
        raise HostError(
            f"{self.name} cannot mount Google Drive by itself.",
            hint="Choose a folder that serves as Drive, such as the one Google Drive for desktop makes.",
        )

    def drive_is_starting(self) -> bool:
        """Return False: no Drive is mounted here."""
        return False

    def unmount_drive(self, *, timeout: float = 600.0) -> None:
        """Refuse: only Colab mounts Drive by itself."""
        raise HostError(f"{self.name} has not mounted Google Drive, so there is nothing to unmount.")

    def send_file(self, path: Path) -> None:
        """Refuse: this host has no browser."""
        raise HostError(f"{self.name} has no browser to hand {path.name} to.", hint="Open colabpanel in a notebook.")

    def file_url(self, path: Path) -> str | None:
        """Return None: no server is known."""
        return None

    def on_page_call(self, name: str, function: PageCall) -> Callable[[], None] | None:
        """Return None: pages talk to widgets only."""
        return None


def _fulfil(future: Future[T], function: Callable[[], T]) -> None:
    if not future.set_running_or_notify_cancel():
        return
    try:
        future.set_result(function())
    except BaseException as error:  # noqa: BLE001 - the waiting thread decides what to do with it
        future.set_exception(error)
