"""Reading requirements and imports of files, in a child process."""

from __future__ import annotations

import ast
import codecs
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
_BRINGING = re.compile(
    r"-[rceif]|--(requirement|constraint|editable|index-url|extra-index-url|find-links|no-index|pre|require-hashes)\b"
)
"""Options that bring other lines, or have all of them looked for elsewhere."""

_IMPORT = re.compile(r"^\s*(?:import|from)\s+(\w+)", re.MULTILINE)
_COMMAND = re.compile(r"^([ \t]*)[!%](?:[^\n]*\\\n)*[^\n]*$", re.MULTILINE)
_ASSIGNED = re.compile(r"^([ \t]*[\w.,\[\] \t]+=[ \t]*)[!%](?:[^\n]*\\\n)*[^\n]*$", re.MULTILINE)
_QUESTION = re.compile(r"^([ \t]*)(?:\?[^\n]*|[\w.*]+\?{1,2}[ \t]*)$", re.MULTILINE)
_NOT_PYTHON = re.compile(
    r"%%(bash|sh|script|html|HTML|javascript|js|latex|markdown|perl|ruby|svg|SVG|writefile|file|sql)\b"
)


@disk_errors_in_words()
def read_here(path: str, root: str | None, progress: Progress) -> dict[str, Any]:
    """Return lines of requirements (kind ``lines``) or names of imports (kind ``imports``)."""
    progress.start(None, "Reading", unit="files")
    place = resolve_inside(root, path)
    if place.is_dir():
        return _of_folder(place, progress)
    if not place.is_file():
        raise PathError(f"{path} does not exist.", hint="Check the spelling, or whether Drive is mounted.")
    if place.stat().st_size > _LARGEST:
        raise InputError(f"{place.name} is too large to hold requirements or code.")
    if place.suffix in {".py", ".ipynb"}:
        return {"kind": "imports", "found": sorted(_imports_of(place) - _modules_in(place.parent))}
    if place.suffix == ".toml":
        return {"kind": "lines", "found": _of_project(place)}
    return {"kind": "lines", "found": list(_lines_of(_text_of(place)))}


def _of_folder(place: Path, progress: Progress) -> dict[str, Any]:
    if (place / "requirements.txt").is_file():
        return read_here(str(place / "requirements.txt"), None, progress)
    if (place / "pyproject.toml").is_file() and (lines := _of_project(place / "pyproject.toml")):
        return {"kind": "lines", "found": lines}
    unread: list[str] = []
    return {"kind": "imports", "found": sorted(_imports_below(place, unread, progress)), "unread": unread}


def _text_of(place: Path) -> str:
    data = place.read_bytes()
    utf16 = data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))  # as PowerShell writes
    return data.decode("utf-16" if utf16 else "utf-8-sig", errors="replace")


def _lines_of(text: str) -> Iterator[str]:
    """Yield requirements, and the options that bring others, such as ``-r other.txt``, which only pip follows."""
    for line in text.replace("\\\n", " ").splitlines():
        wanted, *options = re.sub(r"(^|\s)#.*", "", line).strip().split(" --")
        if wanted and (not wanted.startswith("-") or _BRINGING.match(wanted)):
            yield wanted.strip()
        if any(option.startswith("hash") for option in options):
            yield f"--hash of {wanted.strip()}"


def _of_project(place: Path) -> list[str]:
    try:
        toml: Any = importlib.import_module("tomllib")
    except ModuleNotFoundError:
        raise MissingLibraryError(
            "Reading pyproject.toml takes Python 3.11.", hint="Give requirements.txt, or a .py file, instead."
        ) from None
    try:
        found = toml.loads(place.read_text(encoding="utf-8-sig"))
        project = found.get("project", {})
        lines = [str(one) for one in project.get("dependencies", [])]
        if "dependencies" in project.get("dynamic", ()):
            lines.append("-r what its build finds (dependencies are dynamic)")
        poetry = found.get("tool", {}).get("poetry", {}).get("dependencies", {})
    except (ValueError, UnicodeDecodeError, AttributeError, TypeError) as error:
        raise InputError(f"{place.name} is no TOML: {error}.") from None
    return lines + [_of_poetry(name, wanted) for name, wanted in poetry.items() if name != "python"]


def _of_poetry(name: str, wanted: Any) -> str:
    """Return a line of requirements; what Poetry alone understands, as ``{git = ...}``, is named."""
    limits = wanted.get("version") if isinstance(wanted, dict) and set(wanted) <= {"version", "extras"} else wanted
    if not isinstance(limits, str):
        return f"-r {name}, as Poetry finds it"
    parts = limits.split(".")
    if limits == "*":
        return name
    if limits[:1] == "^" and all(part.isdigit() for part in limits[1:].split(".")):
        numbers = [int(part) for part in limits[1:].split(".")]
        first = next((at for at, number in enumerate(numbers) if number), len(numbers) - 1)
        above = ".".join(map(str, [*numbers[:first], numbers[first] + 1]))
        return f"{name}>={limits[1:]},<{above}"
    if limits[:1] == "~" and limits[1:2] != "=" and len(parts) > 1:
        return f"{name}~={limits[1:]}"
    return f"{name}=={limits}" if limits[:1].isdigit() else f"{name}{limits}"


def _imports_below(folder: Path, unread: list[str], progress: Progress) -> set[str]:
    """Return what the files of a folder import, without what is in the folder itself, or in its ``src``.

    Args:
        folder: The folder.
        unread: Receives files that are no Python.
        progress: May cancel.
    """
    names: set[str] = set()
    own = _modules_in(folder) | _modules_in(folder / "src")
    for count, file in enumerate(files_below(folder, {folder / name for name in _LEFT_OUT}, [])):
        if count >= _MOST_FILES:
            break
        progress.advance(1)
        if file.size <= _LARGEST and file.name.endswith((".py", ".ipynb")):
            try:
                names |= _imports_of(folder / file.name)
            except InputError:
                unread.append(file.name)
    return names - own


def _modules_in(folder: Path) -> set[str]:
    """Return what can be imported from a folder by those that lie in it."""
    if not folder.is_dir():
        return set()
    return {entry.stem for entry in folder.iterdir() if entry.suffix in {".py", ".so"} or _holds_code(entry)}


def _holds_code(entry: Path) -> bool:
    return entry.is_dir() and any(entry.glob("*.py"))


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
            names |= set(_IMPORT.findall(cell))
            continue
        for node in ast.walk(tree):
            if isinstance(node, ast.Import):
                names |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and not node.level and node.module:
                names.add(node.module.partition(".")[0])
    return names


def _cells_of(text: str, place: Path) -> list[str]:
    """Return the code of a notebook, without what is for IPython."""
    try:
        cells = json.loads(text)["cells"]
        sources = ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]
    except (ValueError, KeyError, TypeError):
        raise InputError(f"{place.name} is no notebook.") from None
    return [_as_python(one) for one in sources if not _NOT_PYTHON.match(one)]


def _as_python(cell: str) -> str:
    """Return a cell as Python, with ``pass`` and ``None`` for commands, magics and questions."""
    if cell.startswith("%%"):  # as %%time, which runs what follows
        cell = cell.partition("\n")[2]
    cell = _COMMAND.sub(r"\1pass", cell)
    return _QUESTION.sub(r"\1pass", _ASSIGNED.sub(r"\1None", cell))
