"""What can be imported from a file or folder; looked at in a child process, for it may be on Drive."""

from __future__ import annotations

import functools
import keyword
import os
import shutil
from pathlib import Path
from typing import Any

from colabpanel.errors import InputError, PathError, StorageError
from colabpanel.progress import Progress
from colabpanel.services.disks import disk_errors_in_words
from colabpanel.services.isolated import call_isolated
from colabpanel.services.modules.models import FoundModules
from colabpanel.services.paths import anchored, resolve_inside
from colabpanel.services.skipped import Skipped
from colabpanel.services.walk import FoundFile, files_below

__all__ = ["ARCHIVES", "copy_code", "find_modules"]

ARCHIVES = (".zip", ".whl")

_DEADLINE = 10.0
_MOST_NAMES = 1000
_CODE = {".py", ".pyi", ".json", ".yaml", ".yml", ".toml", ".txt", ".cfg", ".ini", ".csv", ".so", ".pyd"}
_MOST_FILES, _LARGEST, _SMALL = 5000, 10 << 20, 1 << 20
_LEFT_OUT = {"__pycache__", ".git", ".ipynb_checkpoints", "node_modules", ".venv"}


def find_modules(path: str | Path, *, root: Path | None = None, progress: Progress | None = None) -> FoundModules:
    """Return what can be imported from a file, a package, or a folder of modules.

    Raises:
        PathError: It does not exist, or is outside of the root.
        InputError: Nothing in it can be imported.
        StorageError: Drive does not answer.
    """
    arguments = {"path": anchored(path, root), "root": root and os.fspath(root)}
    target = "colabpanel.services.modules.finding:find_here"
    found = call_isolated(target, arguments, progress=progress, deadline=_DEADLINE)
    return FoundModules(Path(found["entry"]), tuple(found["names"]), tuple(found["beside"]))


@disk_errors_in_words()
def find_here(path: str, root: str | None, progress: Progress) -> dict[str, Any]:
    """Look in this process; see `find_modules`."""
    progress.start(None, "Looking for modules", unit="files")
    place = resolve_inside(root, path)
    if place.is_file():
        if place.suffix != ".py" or not _is_name(place.stem):
            raise InputError(f"{place.name} is no module.", hint="Choose a .py file, a folder, a zip or a wheel.")
        return _chosen(place, place.stem, progress)
    if not place.exists():
        raise PathError(f"{path} does not exist.", hint="Check the spelling, or whether Drive is mounted.")
    if (place / "__init__.py").is_file():
        if not _is_name(place.name):
            raise InputError(
                f"{place.name} is a package whose name cannot be imported.", hint="Rename it: letters, digits, _."
            )
        return _chosen(place, place.name, progress)
    names = _names_in(place, progress)
    if not names and (place / "src").is_dir():
        place = place / "src"
        names = _names_in(place, progress)
    if not names:
        raise InputError(f"Nothing in {place} can be imported.", hint="Choose the folder that holds the .py files.")
    return {"entry": str(place), "names": names, "beside": []}


def _chosen(place: Path, name: str, progress: Progress) -> dict[str, Any]:
    """Return one module of a folder, which goes onto the import path with all that is in it."""
    beside = [other for other in _names_in(place.parent, progress) if other != name]
    return {"entry": str(place.parent), "names": [name], "beside": beside}


def _names_in(folder: Path, progress: Progress) -> list[str]:
    names = set()
    with os.scandir(folder) as entries:
        for entry in entries:
            progress.advance(1)
            stem, suffix = os.path.splitext(entry.name)  # noqa: PTH122 - a name, not a path
            is_package = not suffix and entry.is_dir() and Path(entry.path, "__init__.py").is_file()
            if _is_name(stem) and (is_package or (suffix == ".py" and entry.is_file())):
                names.add(stem)
            if len(names) >= _MOST_NAMES:
                break
    return sorted(names - {"setup", "conftest"})


def _is_name(text: str) -> bool:
    return text.isidentifier() and not keyword.iskeyword(text) and text not in {"__init__", "__main__"}


def copy_code(
    source: Path, target: Path, *, root: Path | None = None, progress: Progress | None = None
) -> list[Skipped]:
    """Bring the code of a folder or the one file up to date in a folder on the local disk; returns what was left out.

    Files of data stay where they are, but for small ones of packages, and so does what is larger than 10 MB.

    Raises:
        StorageError: Drive does not answer.
    """
    arguments = {"source": os.fspath(source), "target": os.fspath(target), "root": root and os.fspath(root)}
    found = call_isolated("colabpanel.services.modules.finding:copy_here", arguments, progress=progress)
    return [Skipped(*pair) for pair in found]


@disk_errors_in_words()
def copy_here(source: str, target: str, root: str | None, progress: Progress) -> list[Skipped]:
    """Copy in this process; see `copy_code`."""
    progress.start(None, "Copying code to the local disk", unit="files")
    place, goal = resolve_inside(root, source), Path(target)
    if place.is_file():
        _copy_newer(place, goal / place.name)
        return []
    skipped: list[Skipped] = []
    kept: set[str] = set()

    @functools.cache
    def is_package(folder: Path) -> bool:
        return (folder / "__init__.py").is_file() or (folder != place and is_package(folder.parent))

    def is_small_part(file: FoundFile) -> bool:
        return file.size <= _SMALL and is_package((place / file.name).parent)

    for file in files_below(place, {place / name for name in _LEFT_OUT}, skipped):
        if _LEFT_OUT & set(Path(file.name).parts) or not (_is_code(file.name) or is_small_part(file)):
            continue
        if file.size > _LARGEST or len(kept) >= _MOST_FILES:
            skipped.append(Skipped(file.name, "it is too large" if file.size > _LARGEST else "there are too many"))
            continue
        kept.add(file.name)
        _copy_newer(place / file.name, goal / file.name)
        progress.advance(1)
    _delete_old(goal, kept, [one.member for one in skipped])
    return skipped


def _is_code(name: str) -> bool:
    return Path(name).suffix.lower() in _CODE


def _delete_old(goal: Path, kept: set[str], unseen: list[str]) -> None:
    """Delete copies whose originals are gone; not those of which nobody knows, for their folder was not listed.

    Raises:
        StorageError: Nothing was listed.
    """
    if "." in unseen:
        raise StorageError("The folder of the code cannot be listed.", hint="The copy is used. Is Drive mounted?")
    for old in list(goal.rglob("*.py")):
        name = old.relative_to(goal).as_posix()
        if name not in kept and not any(f"{name}/".startswith(f"{one.rstrip('/')}/") for one in unseen):
            old.unlink()


def _copy_newer(source: Path, target: Path) -> None:
    """Copy a file beside its place and rename it, unless size and time are the same."""
    status = source.stat()
    if target.exists() and (target.stat().st_size, target.stat().st_mtime_ns) == (status.st_size, status.st_mtime_ns):
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(f".{target.name}.part")
    shutil.copy2(source, part)
    part.replace(target)
