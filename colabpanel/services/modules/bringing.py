"""Bringing modules to the local disk: from Drive, from an archive, from an address, from a git repository."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

from colabpanel.errors import ColabPanelError, InputError, MissingLibraryError, StorageError
from colabpanel.hosts import Host
from colabpanel.progress import Progress
from colabpanel.services.fetching.service import fetch
from colabpanel.services.modules.finding import ARCHIVES, copy_code
from colabpanel.services.mounts import is_remote
from colabpanel.services.paths import resolve_inside
from colabpanel.services.skipped import Skipped
from colabpanel.services.staging.service import stage

__all__ = ["Brought", "Mirror", "bring"]

Mirror = str
"""``auto`` copies what is on Drive or a network, ``always`` everything, ``never`` nothing."""

_ADDRESS = re.compile(r"^(https?|ssh|git\+https|git\+ssh|git\+file|file)://", re.IGNORECASE)
_REPOSITORY = re.compile(r"^https://(github\.com|gitlab\.com|bitbucket\.org)/[^/]+/[^/@]+/?$", re.IGNORECASE)
_GIT_OPTIONS = ("-c", "core.hooksPath=/dev/null", "-c", "protocol.ext.allow=never")
_GIT_SETTINGS = {
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_ALLOW_PROTOCOL": "https:ssh:file",
    "GIT_LFS_SKIP_SMUDGE": "1",
    "GIT_SSH_COMMAND": "ssh -o BatchMode=yes",
}
_GIT_SECONDS = 300.0
_LOOK = 0.1


@dataclass(frozen=True)
class Brought:
    """Where modules are now.

    Attributes:
        path: The file or folder to import from.
        origin: What ``path`` is a copy of and is brought up to date from, or None.
        skipped: What was not copied, and why.
    """

    path: Path
    origin: Path | None = None
    skipped: tuple[Skipped, ...] = ()


def bring(source: str, *, mirror: Mirror, host: Host, progress: Progress) -> Brought:
    """Make modules importable from the local disk.

    Args:
        source: A path, or an address: of a .py file, a zip, a wheel, or a git repository (``@REF`` chooses a branch
            or tag).
        mirror: Whether a folder is copied; see `Mirror`.
        host: The notebook host.
        progress: Is told how it goes on, and may cancel.

    Raises:
        InputError: It cannot be used.
        StorageError: The disk, Drive or the network failed.
    """
    home = host.state_dir / "modules" / f"{_short(source)}-{hashlib.sha256(source.encode()).hexdigest()[:8]}"
    if _ADDRESS.match(source):
        return _from_address(source, home, host, progress)
    place = resolve_inside(host.root, source)
    if place.suffix.lower() in ARCHIVES:
        return _unpacked(place, home, progress)
    if mirror == "never" or (mirror == "auto" and not is_remote(place)):
        return Brought(place)
    kept = home / place.name if place.suffix != ".py" else home
    skipped = copy_code(place, kept, root=host.root, progress=progress)
    return Brought(kept / place.name if place.suffix == ".py" else kept, place, tuple(skipped))


def _short(source: str) -> str:
    return re.sub(r"\W+", "-", Path(source.rstrip("/")).name)[:40].strip("-") or "modules"


def _from_address(source: str, home: Path, host: Host, progress: Progress) -> Brought:
    address, _, reference = source.partition("@") if "@" in source.rpartition("/")[2] else (source, "", "")
    if source.startswith("git+") or address.rstrip("/").endswith(".git") or _REPOSITORY.match(address):
        return Brought(_cloned(address.removeprefix("git+"), reference, home, progress))
    if not address.lower().startswith("http"):
        raise InputError(f"{source} is no address of modules.", hint="Give https://... of a file or a git repository.")
    fetched = fetch(source, home, host=host, progress=progress)
    if fetched.path.suffix.lower() in ARCHIVES:
        return _unpacked(fetched.path, home, progress)
    return Brought(fetched.path)


def _unpacked(archive: Path, home: Path, progress: Progress) -> Brought:
    """Unpack an archive; one folder that holds everything, as GitHub makes it, is looked into."""
    staged = stage(archive, home / "files", progress=progress)
    folder = staged.directory
    inner = [path for path in folder.iterdir() if not path.name.endswith(".dist-info")]
    if len(inner) == 1 and inner[0].is_dir() and not (inner[0] / "__init__.py").is_file():
        folder = inner[0]
    return Brought(folder, None, staged.skipped)


def _cloned(address: str, reference: str, home: Path, progress: Progress) -> Path:
    git = shutil.which("git")
    if git is None:
        raise MissingLibraryError("git is not installed.", hint="Run: apt-get install git")
    if address.startswith("-") or reference.startswith("-"):
        raise InputError(f"{address} is no address of a repository.")
    folder, fresh = home / _short(address.removesuffix(".git")), home / ".new"
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.parent.mkdir(parents=True, exist_ok=True)
    branch = ("--branch", reference) if reference else ()
    progress.start(None, f"Cloning {_short(address)}", unit="seconds")
    _run([git, *_GIT_OPTIONS, "clone", "--quiet", "--depth", "1", *branch, "--", address, str(fresh)], progress)
    shutil.rmtree(folder, ignore_errors=True)
    fresh.replace(folder)
    return folder


def _run(command: list[str], progress: Progress) -> None:
    process = subprocess.Popen(
        command,
        env=os.environ | _GIT_SETTINGS,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        start_new_session=True,
        text=True,
    )
    assert process.stderr is not None
    with process:
        try:
            _wait(process, progress)
        except BaseException:
            process.kill()
            raise
        said = process.stderr.read().strip().splitlines()
    if process.returncode:
        reason = said[-1].removeprefix("fatal: ") if said else f"it ended with {process.returncode}"
        raise ColabPanelError(f"git could not clone it: {reason}", hint="Check the address; private ones need ssh.")


def _wait(process: subprocess.Popen[str], progress: Progress) -> None:
    until = time.monotonic() + _GIT_SECONDS
    while process.poll() is None:
        progress.advance(0)
        if time.monotonic() > until:
            raise StorageError("git did not end in time.", hint="Look at the address and the network.")
        time.sleep(_LOOK)
