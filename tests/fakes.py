"""Stand-ins at the edges: hosts, Colab's modules, clocks, and executors. None replaces code of ours."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from typing import Any, TypeVar

from colabpanel.errors import HostError
from colabpanel.hosts import CellWatcher, TimeLimit
from colabpanel.hosts._limits import KeepAliveWay
from colabpanel.progress import Progress

T = TypeVar("T")


class FakeClock:
    """A clock that stands still until it is moved."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def run_inline(work: Callable[[], None], _name: str) -> None:
    """Run a job at once, on this thread."""
    work()


class HeldWork:
    """Keeps jobs until they are let go, so that a test sees them running."""

    def __init__(self) -> None:
        self.waiting: list[Callable[[], None]] = []

    def __call__(self, work: Callable[[], None], _name: str) -> None:
        self.waiting.append(work)

    def release(self) -> None:
        """Run what was kept."""
        waiting, self.waiting = self.waiting, []
        for work in waiting:
            work()


class RecordingProgress(Progress):
    """Remembers what it was told, and cancels after so many units."""

    def __init__(self, cancel_after: int | None = None) -> None:
        self.phases: list[tuple[int | None, str]] = []
        self.done = 0
        self.cancellable = True
        self._cancel_after = cancel_after

    def start(self, total: int | None, description: str, *, unit: str = "bytes", cancellable: bool = True) -> None:
        self.advance(0)
        self.cancellable = cancellable
        self.phases.append((total, description))

    def advance(self, amount: int = 1) -> None:
        from colabpanel.errors import JobCancelledError

        self.done += amount
        if self.cancellable and self._cancel_after is not None and self.done >= self._cancel_after:
            raise JobCancelledError


class FakeHost:
    """A host without a kernel, whose answers a test sets."""

    name = "Test host"
    is_served = False
    custom_widgets = False
    keeps_secrets = False
    shell = None
    keep_alive: KeepAliveWay = "heartbeat"
    releases_runtime = False
    time_limits: tuple[TimeLimit, ...] = ()
    google_token: Callable[[], str] | None = None

    def __init__(self, folder: Path, *, root: Path | None = None, drive_mountpoint: Path | None = None) -> None:
        self.workspace = folder / "work"
        self.state_dir = folder / "state"
        for made in (self.workspace, self.state_dir):
            made.mkdir(parents=True, exist_ok=True)
        self.root, self.drive_mountpoint = root, drive_mountpoint
        self.mounted: list[Path] = []
        self.unmounted = 0
        self.released = 0
        self.cell_failed = False
        self.refusal: HostError | None = None
        self.refusals: list[HostError] = []
        self.drive_logs: Path | None = None
        self.watchers: list[tuple[CellWatcher, CellWatcher]] = []
        self.variables: dict[str, Any] = {}
        self.sends_up_to, self.urls = 0, False
        self.sent: list[Path] = []
        self.page_calls: dict[str, Callable[..., Any]] | None = None
        self.runs_cell = False
        self.secrets: dict[str, str] = {}
        self.asked_for: list[str] = []

    def namespace(self) -> dict[str, Any]:
        return self.variables

    def on_main_thread(self, function: Callable[[], T]) -> Future[T]:
        future: Future[T] = Future()
        try:
            future.set_result(function())
        except Exception as error:
            future.set_exception(error)
        return future

    def on_cell(
        self, started: CellWatcher, ended: CellWatcher, *, nested: bool = False, subshells: bool = False
    ) -> Callable[[], None]:
        pair = (started, ended)
        self.watchers.append(pair)
        return lambda: self.watchers.remove(pair)

    def interrupt_cell(self) -> None:
        raise HostError("no cells here")

    def secret(self, name: str) -> str | None:
        self.asked_for.append(name)
        return self.secrets.get(name)

    def last_cell_failed(self) -> bool:
        return self.cell_failed

    def release_runtime(self) -> None:
        if not self.releases_runtime:
            raise HostError("no runtime to release here")
        self.released += 1

    def mount_drive(
        self, mountpoint: Path, *, readonly: bool = False, force: bool = False, timeout: float = 120.0
    ) -> None:
        if self.refusals:
            raise self.refusals.pop(0)
        if self.refusal:
            raise self.refusal
        (mountpoint / "MyDrive").mkdir(parents=True)
        self.mounted.append(mountpoint)

    def drive_is_starting(self) -> bool:
        return False

    def unmount_drive(self, *, timeout: float = 600.0) -> None:
        if self.refusal:
            raise self.refusal
        self.unmounted += 1

    def send_file(self, path: Path) -> None:
        if not self.sends_up_to:
            raise HostError("no browser here")
        self.sent.append(path)

    def file_url(self, path: Path) -> str | None:
        return f"/files/{path.name}" if self.urls else None

    def on_page_call(self, name: str, function: Callable[..., Any]) -> Callable[[], None] | None:
        if self.page_calls is None:
            return None
        calls = self.page_calls
        calls[name] = function
        return calls.clear


class FakeColabDrive:
    """``google.colab.drive`` with its published signatures."""

    def __init__(self, error: Exception | None = None) -> None:
        self.error = error
        self.calls: list[tuple[Any, ...]] = []

    def mount(
        self,
        mountpoint: str,
        force_remount: bool = False,
        timeout_ms: int = 120000,
        readonly: bool = False,
    ) -> None:
        self.calls.append(("mount", mountpoint, force_remount, readonly))
        if self.error:
            raise self.error

    def flush_and_unmount(self, timeout_ms: int = 86400000) -> None:
        self.calls.append(("unmount",))
        if self.error:
            raise self.error


class FakeColabFiles:
    """``google.colab.files`` with its published signatures."""

    def __init__(self) -> None:
        self.downloaded: list[str] = []

    def download(self, filename: str) -> None:
        self.downloaded.append(filename)


class FakeColabUserdata:
    """``google.colab.userdata`` with its published errors."""

    class SecretNotFoundError(Exception):
        pass

    class NotebookAccessError(Exception):
        pass

    def __init__(self, secrets: dict[str, str], hidden: set[str] | None = None) -> None:
        self.secrets, self.hidden = secrets, hidden or set()

    def get(self, key: str) -> str:
        if key in self.hidden:
            raise self.NotebookAccessError(key)
        if key not in self.secrets:
            raise self.SecretNotFoundError(key)
        return self.secrets[key]


class FakeColabOutput:
    """``google.colab.output`` with its published signatures."""

    def __init__(self) -> None:
        self.callbacks: dict[str, Any] = {}

    def register_callback(self, function_name: str, callback: object) -> None:
        self.callbacks[function_name] = callback

    def unregister_callback(self, function_name: str) -> None:
        del self.callbacks[function_name]


class FakeColabRuntime:
    """``google.colab.runtime`` with its published signatures."""

    def __init__(self, error: Exception | None = None) -> None:
        self.error = error
        self.unassigned = 0

    def unassign(self) -> None:
        if self.error:
            raise self.error
        self.unassigned += 1


class FakeColabAuth:
    """``google.colab.auth`` with its published signatures."""

    def __init__(self, error: Exception | None = None) -> None:
        self.error = error
        self.asked = 0

    def authenticate_user(self, clear_output: bool = True, project_id: str | None = None) -> None:
        self.asked += 1
        if self.error:
            raise self.error


class FakeGoogleCredentials:
    """``google.auth.credentials.Credentials``, whose tokens count up."""

    def __init__(self) -> None:
        self.valid = False
        self.token: str | None = None
        self.refreshed = 0

    def refresh(self, request: object) -> None:
        self.refreshed += 1
        self.valid, self.token = True, f"token-{self.refreshed}"


class FakeEvents:
    """IPython's event manager."""

    def __init__(self) -> None:
        self.callbacks: dict[str, list[Callable[..., None]]] = {"pre_run_cell": [], "post_run_cell": []}

    def register(self, name: str, callback: Callable[..., None]) -> None:
        self.callbacks[name].append(callback)

    def unregister(self, name: str, callback: Callable[..., None]) -> None:
        self.callbacks[name].remove(callback)

    def fire(self, name: str) -> None:
        for callback in self.callbacks[name]:
            callback(object())


class FakeLoop:
    """The kernel's event loop, run by hand."""

    def __init__(self) -> None:
        self.queue: list[tuple[Callable[..., None], tuple[Any, ...]]] = []

    def add_callback(self, function: Callable[..., None], *arguments: Any) -> None:
        self.queue.append((function, arguments))

    def run(self) -> None:
        """Call what is in the queue; what comes meanwhile waits, as in a real one."""
        for _ in range(len(self.queue)):
            function, arguments = self.queue.pop(0)
            function(*arguments)


class FakeShell:
    """An IPython shell inside a kernel."""

    last_execution_succeeded = True

    def __init__(self) -> None:
        self.events = FakeEvents()
        self.user_ns: dict[str, Any] = {"x": 1}
        self.kernel = type("Kernel", (), {"io_loop": FakeLoop()})()
