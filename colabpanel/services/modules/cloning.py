"""Bringing a git repository to the local disk. A login in its address goes by the environment, and is kept nowhere."""

from __future__ import annotations

import base64
import os
import re
import shutil
import subprocess
from pathlib import Path
from urllib.parse import SplitResult, unquote, urlsplit, urlunsplit

from colabpanel.errors import ColabPanelError, InputError, MissingLibraryError, StorageError
from colabpanel.progress import Progress
from colabpanel.services.waiting import wait_or_kill

__all__ = ["clone", "short_name", "split_reference"]

_OPTIONS = ("-c", "core.hooksPath=/dev/null", "-c", "protocol.ext.allow=never")
_SETTINGS = {
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_ALLOW_PROTOCOL": "https:ssh:file",
    "GIT_LFS_SKIP_SMUDGE": "1",
    "GIT_SSH_COMMAND": "ssh -o BatchMode=yes",
}
_SECONDS = 300.0


def short_name(source: str) -> str:
    """Return a name for a folder from a path or an address."""
    return re.sub(r"\W+", "-", Path(source.rstrip("/")).name)[:40].strip("-") or "modules"


def split_reference(source: str) -> tuple[str, str]:
    """Return the address of a repository without ``git+``, and the branch or tag that follows an ``@`` in its path.

    Raises:
        InputError: It is no address.
    """
    try:
        parts = urlsplit(source.removeprefix("git+"))
    except ValueError:
        raise InputError("This is no address of modules.", hint="Copy it again.") from None
    path, _, reference = parts.path.partition("@")
    return urlunsplit(parts._replace(path=path)), reference


def clone(address: str, reference: str, home: Path, progress: Progress) -> Path:
    """Clone a repository without its history into a folder below ``home``, in place of an earlier clone.

    Args:
        address: As git takes it; a login in it is passed on so that no list of processes, file or message shows it.
        reference: A branch or tag; empty means the usual one.
        home: Where it is kept.
        progress: Is told how it goes on, and may cancel.

    Raises:
        InputError: The address cannot be used.
        MissingLibraryError: git is not installed.
        ColabPanelError: git failed.
    """
    git = shutil.which("git")
    if git is None:
        raise MissingLibraryError("git is not installed.", hint="Run: apt-get install git")
    if address.startswith("-") or reference.startswith("-"):
        raise InputError(f"{address} is no address of a repository.")
    plain, login = _without_login(urlsplit(address))
    folder, fresh = home / short_name(address.removesuffix(".git")), home / ".new"
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.parent.mkdir(parents=True, exist_ok=True)
    branch = ("--branch", reference) if reference else ()
    progress.start(None, f"Cloning {short_name(address)}", unit="seconds")
    _run([git, *_OPTIONS, "clone", "--quiet", "--depth", "1", *branch, "--", plain, str(fresh)], login, progress)
    shutil.rmtree(folder, ignore_errors=True)
    fresh.replace(folder)
    return folder


def _without_login(parts: SplitResult) -> tuple[str, dict[str, str]]:
    """Return an address without a login for https, and the settings of git that send it to that server alone."""
    login, at, server = parts.netloc.rpartition("@")
    if not at or parts.scheme.lower() != "https":
        return urlunsplit(parts), {}
    name, _, password = login.partition(":")
    sent = base64.b64encode(f"{unquote(name)}:{unquote(password)}".encode()).decode()
    settings = {
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": f"http.https://{server}/.extraHeader",
        "GIT_CONFIG_VALUE_0": f"Authorization: Basic {sent}",
    }
    return urlunsplit(parts._replace(netloc=server)), settings


def _run(command: list[str], settings: dict[str, str], progress: Progress) -> None:
    process = subprocess.Popen(
        command,
        env=os.environ | _SETTINGS | settings,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        start_new_session=True,
        text=True,
    )
    assert process.stderr is not None
    with process:
        late = StorageError("git did not end in time.", hint="Look at the address and the network.")
        wait_or_kill(process, _SECONDS, progress, late)
        said = process.stderr.read().strip().splitlines()
    if process.returncode:
        reason = said[-1].removeprefix("fatal: ") if said else f"it ended with {process.returncode}"
        raise ColabPanelError(f"git could not clone it: {reason}", hint="Check the address; private ones need ssh.")
