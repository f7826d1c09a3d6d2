"""Reading requirements and imports of files, in a child process."""

from __future__ import annotations

import ast
import importlib
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from colabpanel.errors import InputError, MissingLibraryError, PathError
from colabpanel.progress import Progress
from colabpanel.services.disks import disk_errors_in_words
from colabpanel.services.paths import resolve_inside
from colabpanel.services.walk import files_below

__all__ = ["read_here"]

_MOST_FILES, _LARGEST = 2000, 5 << 20
_LEFT_OUT = ("__pycache__", ".git", ".ipynb_checkpoints", "node_modules", ".venv")
_BRINGING = re.compile(r"-[rce]|--(requirement|constraint|editable)\b")


@disk_errors_in_words()
def read_here(path: str, root: str | None, progress: Progress) -> dict[str, Any]:
    """Return lines of requirements (kind ``lines``) or names of imports (kind ``imports``)."""
    progress.start(None, "Reading", unit="files")
    place = resolve_inside(root, path)
    if place.is_dir():
        for name in ("requirements.txt", "pyproject.toml"):
            if (place / name).is_file():
                return read_here(str(place / name), None, progress)
        return {"kind": "imports", "found": sorted(_imports_below(place, progress))}
    if not place.is_file():
        raise PathError(f"{path} does not exist.", hint="Check the spelling, or whether Drive is mounted.")
    if place.stat().st_size > _LARGEST:
        raise InputError(f"{place.name} is too large to hold requirements or code.")
    if place.suffix in {".py", ".ipynb"}:
        return {"kind": "imports", "found": sorted(_imports_of(place) - _modules_in(place.parent))}
    if place.suffix == ".toml":
        return {"kind": "lines", "found": _of_project(place)}
    return {"kind": "lines", "found": list(_lines_of(place.read_text(encoding="utf-8-sig", errors="replace")))}


def _lines_of(text: str) -> Iterator[str]:
    """Yield requirements, and the options that bring others, such as ``-r other.txt``, which only pip follows."""
    for line in text.replace("\\\n", " ").splitlines():
        wanted = re.sub(r"(^|\s)#.*", "", line).split(" --")[0].strip()
        if wanted and (not wanted.startswith("-") or _BRINGING.match(wanted)):
            yield wanted


def _of_project(place: Path) -> list[str]:
    try:
        toml: Any = importlib.import_module("tomllib")
    except ModuleNotFoundError:
        raise MissingLibraryError(
            "Reading pyproject.toml takes Python 3.11.", hint="Give requirements.txt, or a .py file, instead."
        ) from None
    try:
        project = toml.loads(place.read_text(encoding="utf-8-sig")).get("project", {})
    except (ValueError, UnicodeDecodeError) as error:
        raise InputError(f"{place.name} is no TOML: {error}.") from None
    return [str(one) for one in project.get("dependencies", [])]


def _imports_below(folder: Path, progress: Progress) -> set[str]:
    """Return what the files of a folder import, without what is in the folder itself, or in its ``src``."""
    names: set[str] = set()
    own = _modules_in(folder) | _modules_in(folder / "src")
    for count, file in enumerate(files_below(folder, {folder / name for name in _LEFT_OUT}, [])):
        if count >= _MOST_FILES:
            break
        progress.advance(1)
        if file.size <= _LARGEST and file.name.endswith((".py", ".ipynb")):
            names |= _imports_of(folder / file.name)
    return names - own


def _modules_in(folder: Path) -> set[str]:
    """Return what can be imported from a folder by those that lie in it."""
    if not folder.is_dir():
        return set()
    return {entry.stem for entry in folder.iterdir() if entry.suffix in {".py", ".so"} or entry.is_dir()}


def _imports_of(place: Path) -> set[str]:
    text = place.read_text(encoding="utf-8-sig", errors="replace")
    cells = _cells_of(text, place) if place.suffix == ".ipynb" else [text]
    names: set[str] = set()
    for cell in cells:
        try:
            tree = ast.parse(cell)
        except (SyntaxError, ValueError) as error:
            if place.suffix == ".py":
                raise InputError(f"{place.name} is no Python: {error}.") from None
            continue
        for node in ast.walk(tree):
            if isinstance(node, ast.Import):
                names |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and not node.level and node.module:
                names.add(node.module.partition(".")[0])
    return names


def _cells_of(text: str, place: Path) -> list[str]:
    """Return the code of a notebook, without the lines that are for IPython."""
    try:
        cells = json.loads(text)["cells"]
        sources = ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]
    except (ValueError, KeyError, TypeError):
        raise InputError(f"{place.name} is no notebook.") from None
    return ["\n".join(line for line in one.splitlines() if not line.lstrip().startswith(("!", "%"))) for one in sources]
