"""Bringing modules to the local disk: from Drive, from an archive, from an address, from a git repository."""

from __future__ import annotations

import hashlib
import re
import shutil
from dataclasses import dataclass
from pathlib import Path

from colabpanel.errors import InputError
from colabpanel.hosts import Host
from colabpanel.progress import Progress
from colabpanel.services.fetching.service import fetch
from colabpanel.services.modules.cloning import clone, short_name, split_reference
from colabpanel.services.modules.finding import ARCHIVES, copy_code
from colabpanel.services.modules.remembering import without_login
from colabpanel.services.mounts import is_remote
from colabpanel.services.paths import resolve_inside
from colabpanel.services.skipped import Skipped
from colabpanel.services.staging.service import stage
from colabpanel.services.waiting import apart

__all__ = ["Brought", "Mirror", "bring"]

Mirror = str
"""``auto`` copies what is on Drive or a network, ``always`` everything, ``never`` nothing."""

_VERSION = re.compile(r"[0-9a-f]+-[0-9a-f]+")
_ADDRESS = re.compile(r"^(https?|ssh|git\+https|git\+ssh|git\+file|file)://", re.IGNORECASE)
_REPOSITORY = re.compile(r"^https://(github\.com|gitlab\.com|bitbucket\.org)/[^/]+/[^/@]+/?$", re.IGNORECASE)


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
    home = host.state_dir / "modules" / f"{short_name(source)}-{hashlib.sha256(source.encode()).hexdigest()[:8]}"
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


def _from_address(source: str, home: Path, host: Host, progress: Progress) -> Brought:
    address, reference = split_reference(source)
    if source.startswith("git+") or address.rstrip("/").endswith(".git") or _REPOSITORY.match(without_login(address)):
        return Brought(clone(address, reference, home, progress))
    if not address.lower().startswith("http"):
        raise InputError(f"{source} is no address of modules.", hint="Give https://... of a file or a git repository.")
    fetched = fetch(source, home, host=host, progress=progress)
    if fetched.path.suffix.lower() in ARCHIVES:
        return _unpacked(fetched.path, home, progress)
    return Brought(fetched.path)


def _unpacked(archive: Path, home: Path, progress: Progress) -> Brought:
    """Unpack an archive, each version of it into a folder of its own; one that holds all of a zip is looked into."""
    status = apart(lambda _: archive.stat(), progress)
    version = f"{status.st_mtime_ns:x}-{status.st_size:x}"
    staged = stage(archive, home / version / archive.stem, progress=progress)
    for earlier in home.iterdir():
        if _VERSION.fullmatch(earlier.name) and earlier.name != version:
            shutil.rmtree(earlier, ignore_errors=True)
    folder = staged.directory
    beside = (path for path in folder.iterdir() if not path.name.startswith((".", "__MACOSX")))
    inner = [path for path in beside if path.suffix != ".dist-info"]
    if archive.suffix.lower() == ".zip" and len(inner) == 1 and _is_plain_folder(inner[0]):
        folder = inner[0]
    return Brought(folder, None, staged.skipped)


def _is_plain_folder(path: Path) -> bool:
    return path.is_dir() and not (path / "__init__.py").is_file()
