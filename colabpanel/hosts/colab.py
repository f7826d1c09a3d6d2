"""Google Colab."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil

from colabpanel.errors import HostError, MountFailedError
from colabpanel.hosts._base import IPythonHost, PageCall
from colabpanel.hosts._google_colab import (
    ColabAuth,
    ColabDrive,
    ColabFiles,
    ColabOutput,
    ColabRuntime,
    ColabUserdata,
    GoogleCredentials,
    default_credentials,
    import_auth,
    import_drive,
    import_files,
    import_output,
    import_runtime,
    import_userdata,
)
from colabpanel.hosts._google_token import GoogleToken
from colabpanel.hosts._limits import COLAB_ENTERPRISE_LIMITS, COLAB_LIMITS, KeepAliveWay, TimeLimit

__all__ = ["ColabHost"]

_DRIVE_PROGRAM = "drive"
_FLUSH_FLAG, _FLUSH_GRACE = "--push_changes_and_quit", 10.0
"""How the program is told to write out, and the seconds that it is given beyond those that it was told."""


class ColabHost(IPythonHost):
    """A Colab runtime.

    Args:
        shell: The kernel's IPython shell.
        drive: Imports ``google.colab.drive``; tests pass a fake with the same signatures.
        files: Imports ``google.colab.files``.
        output: Imports ``google.colab.output``.
        userdata: Imports ``google.colab.userdata``.
        runtime: Imports ``google.colab.runtime``.
        auth: Imports ``google.colab.auth``.
        credentials: Returns the credentials that it leaves.
    """

    name = "Google Colab"
    drive_mountpoint: Path | None = Path("/content/drive")
    drive_logs: Path | None = Path.home() / ".config/Google/DriveFS/Logs"
    custom_widgets = False
    keeps_secrets = True
    sends_up_to = 256 << 20  # the browser holds all of it in memory, and the page with it
    keep_alive: KeepAliveWay = "console"
    releases_runtime = True
    time_limits: tuple[TimeLimit, ...] = COLAB_LIMITS

    def __init__(
        self,
        shell: Any,
        *,
        drive: Callable[[], ColabDrive] = import_drive,
        files: Callable[[], ColabFiles] = import_files,
        output: Callable[[], ColabOutput] = import_output,
        userdata: Callable[[], ColabUserdata] = import_userdata,
        runtime: Callable[[], ColabRuntime] = import_runtime,
        auth: Callable[[], ColabAuth] = import_auth,
        credentials: Callable[[], GoogleCredentials] = default_credentials,
    ) -> None:
        super().__init__(shell)
        self._drive, self._files, self._output = drive, files, output
        self._userdata, self._runtime = userdata, runtime
        self.google_token: Callable[[], str] | None = GoogleToken(
            lambda: auth().authenticate_user(), credentials, self.on_main_thread
        )
        if os.environ.get("VERTEX_PRODUCT") == "COLAB_ENTERPRISE":
            self.name, self.drive_mountpoint = "Colab Enterprise", None
            self.releases_runtime, self.time_limits = False, COLAB_ENTERPRISE_LIMITS

    @property
    def workspace(self) -> Path:
        """The runtime's fast local disk."""
        content = Path("/content")
        return self.inside_root(content) if content.is_dir() else super().workspace

    def secret(self, name: str) -> str | None:
        """Return one of the secrets behind the key in Colab's side bar."""
        try:
            return self._userdata().get(name)
        except Exception as error:  # noqa: BLE001 - see below
            # Their classes cannot be imported where Colab is not, and only their names are documented.
            if type(error).__name__ == "SecretNotFoundError":
                return None
            raise HostError(
                f"Colab does not let this notebook read the secret {name}.",
                hint="Switch on its notebook access, behind the key in Colab's side bar.",
            ) from None

    def mount_drive(
        self, mountpoint: Path, *, readonly: bool = False, force: bool = False, timeout: float = 120.0
    ) -> None:
        """Mount Google Drive; the user is asked for consent in the page."""
        drive, milliseconds = self._drive(), round(timeout * 1000)
        try:
            drive.mount(str(mountpoint), force_remount=force, timeout_ms=milliseconds, readonly=readonly)
        except NotImplementedError as error:
            raise HostError(
                f"{self.name} offers no Drive mount here.", hint="Use a Colab runtime started from the Colab page."
            ) from error
        except ValueError as error:
            raise _mount_refused(mountpoint, str(error)) from error
        except Exception as error:  # what the page answers, and what pexpect says, are classes of their own
            raise _mount_refused(mountpoint, f"{type(error).__name__}: {error}") from error
        type(self).drive_mountpoint = mountpoint  # for every host of this runtime: each call makes its own

    def drive_is_starting(self) -> bool:
        """Whether Drive's own program runs."""
        return any(process.info["name"] == _DRIVE_PROGRAM for process in psutil.process_iter(["name"]))

    def unmount_drive(self, *, timeout: float = 600.0) -> None:
        """Write out what is pending and unmount Google Drive; a program that does not end by itself is made to."""
        drive, watchdog = self._drive(), threading.Timer(timeout + _FLUSH_GRACE, _end_flush)
        watchdog.daemon = True
        watchdog.start()
        try:
            drive.flush_and_unmount(timeout_ms=round(timeout * 1000))
        except NotImplementedError as error:
            raise HostError(f"{self.name} has mounted no Drive here.") from error
        except ValueError as error:
            raise HostError(
                "Drive could not write out everything before unmounting.",
                hint="Wait a minute and unmount again; do not release the runtime before it succeeds.",
            ) from error
        finally:
            watchdog.cancel()

    def release_runtime(self) -> None:
        """Give the runtime back, with all that is on its disk."""
        if not self.releases_runtime:
            super().release_runtime()
        try:
            self._runtime().unassign()
        except Exception as error:
            raise HostError(
                f"Colab did not release the runtime ({type(error).__name__}: {error}).",
                hint="Choose Disconnect and delete runtime in Colab's own menu Runtime.",
            ) from error

    def send_file(self, path: Path) -> None:
        """Download one file through Colab's own helper."""
        self._files().download(str(path))

    def on_page_call(self, name: str, function: PageCall) -> Callable[[], None] | None:
        """Let the page call a function by ``google.colab.kernel.invokeFunction(name, [...], {})``."""
        from IPython.display import JSON

        output = self._output()

        def called(*arguments: Any) -> Any:
            return JSON({"answer": function(*arguments)})  # type: ignore[no-untyped-call]  # not typed

        output.register_callback(name, called)
        return lambda: output.unregister_callback(name)


def _end_flush() -> None:
    """Kill the program that writes out: ``google.colab`` waits for it on the main thread, however long it takes."""
    for child in psutil.Process().children():
        with contextlib.suppress(psutil.Error):
            if _FLUSH_FLAG in child.cmdline():
                child.kill()


def _mount_refused(mountpoint: Path, reason: str) -> HostError:
    text = reason.lower()
    if "contain a space" in text:
        return HostError("Colab cannot mount Drive at a path with a space.", hint="Use /content/drive.")
    if "symlink" in text:
        return HostError(f"{mountpoint} is a link, and Drive needs a real folder.", hint="Use /content/drive.")
    if "contain files" in text:
        return HostError(
            f"{mountpoint} already contains files, so Drive cannot be mounted there.",
            hint="Move them away, or choose another mountpoint.",
        )
    return MountFailedError(f"Drive did not mount: {reason}.", hint="Restart the runtime, and mount it first of all.")
