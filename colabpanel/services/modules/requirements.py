"""What a project needs: read from its requirements or its imports, and compared with what is installed."""

from __future__ import annotations

import json
import os
import sys
from dataclasses import dataclass
from importlib.machinery import PathFinder
from importlib.metadata import PackageNotFoundError, distribution, packages_distributions, requires, version
from pathlib import Path
from typing import Literal

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from colabpanel.errors import InputError
from colabpanel.hosts import Host, detect
from colabpanel.progress import Progress
from colabpanel.services.isolated import call_isolated
from colabpanel.services.paths import anchored

__all__ = ["Needed", "check_requirements"]

State = Literal["installed", "missing", "other version", "not looked at"]

_BAD_NEWS: tuple[State, ...] = ("other version", "missing", "not looked at", "installed")
"""What is told of a distribution that is asked for twice."""

_ELSEWHERE = ("-", ".", "/", "git+", "http:", "https:", "file:")
"""What lines begin with that lead to other files, which pip alone follows."""

_DISTRIBUTIONS = {
    "bs4": "beautifulsoup4",
    "cv2": "opencv-python",
    "dateutil": "python-dateutil",
    "dotenv": "python-dotenv",
    "faiss": "faiss-cpu",
    "fitz": "PyMuPDF",
    "PIL": "pillow",
    "skimage": "scikit-image",
    "sklearn": "scikit-learn",
    "umap": "umap-learn",
    "yaml": "PyYAML",
}
"""Names of distributions that cannot be told from what is imported."""


@dataclass(frozen=True)
class Needed:
    """Something that a project needs.

    Attributes:
        name: The distribution, as pip takes it.
        wanted: The versions it may have, such as ``>=2,<3``; empty means any.
        installed: The version that is installed, or None.
        state: What that means; it is missing, too, where an extra of it is not all there, and a line that leads to
            another file, as ``-r more.txt``, is not looked at.
        guessed: Whether the name of the distribution is a guess from an import.
    """

    name: str
    wanted: str
    installed: str | None
    state: State
    guessed: bool = False

    @property
    def requirement(self) -> str:
        """What pip takes."""
        return f"{self.name}{self.wanted}"


def check_requirements(
    path: str | Path, *, host: Host | None = None, progress: Progress | None = None
) -> tuple[Needed, ...]:
    """Tell what a project needs and what of it is installed; nothing is run and nothing installed.

    Args:
        path: A requirements.txt, a pyproject.toml, or code whose imports are read: a .py file, a notebook, a folder.
        host: The notebook host, whose ``root`` is not left; None detects it.
        progress: May cancel it.

    Raises:
        InputError: The file cannot be read as what its name says, or is outside of the root.
        StorageError: Drive does not answer.
    """
    host = host or detect()
    arguments = {"path": anchored(path, host.root), "root": host.root and os.fspath(host.root)}
    found = call_isolated("colabpanel.services.modules.reading:read_here", arguments, progress=progress)
    if found["kind"] == "imports":
        needed = [one for name in found["found"] if (one := _of_import(name)) is not None]
        needed += [Needed(name, "", None, "not looked at") for name in found.get("unread", ())]
    else:
        needed = [one for line in found["found"] if (one := _of_line(line)) is not None]
    by_name: dict[str, Needed] = {}
    for one in sorted(needed, key=lambda one: _BAD_NEWS.index(one.state)):
        by_name.setdefault(one.name if one.state == "not looked at" else canonicalize_name(one.name), one)
    return tuple(by_name[name] for name in sorted(by_name))


def _of_line(line: str) -> Needed | None:
    if line.startswith(_ELSEWHERE):
        return Needed(line, "", None, "not looked at")
    try:
        wanted = Requirement(line)
    except InvalidRequirement as error:
        reason = str(error).partition("\n")[0].rstrip(".")
        raise InputError(f"{line[:80]!r} is no requirement: {reason}.", hint="Write NAME, or NAME>=VERSION.") from None
    if wanted.marker is not None and not wanted.marker.evaluate():
        return None
    extras = f"[{','.join(sorted(wanted.extras))}]" if wanted.extras else ""
    limits = f" @ {wanted.url}" if wanted.url else str(wanted.specifier)
    found = _installed(wanted.name)
    fits = found is not None and wanted.specifier.contains(found, prereleases=True)
    if fits and wanted.url:
        fits = _came_from(wanted.name) == wanted.url
    state: State = "missing" if found is None else "installed" if fits else "other version"
    if state == "installed" and not all(_has_extra(wanted.name, extra) for extra in wanted.extras):
        state = "missing"
    return Needed(wanted.name + extras, limits, found, state)


def _of_import(name: str) -> Needed | None:
    """Return the distribution of an import; None for one of Python's own, or that is imported from elsewhere."""
    if name in sys.stdlib_module_names:
        return None
    known = packages_distributions().get(name)
    if known:
        return Needed(known[0], "", _installed(known[0]), "installed")
    if name in sys.modules or PathFinder.find_spec(name) is not None:
        return None
    return Needed(_DISTRIBUTIONS.get(name, name), "", None, "missing", guessed=name not in _DISTRIBUTIONS)


def _has_extra(name: str, extra: str) -> bool:
    """Whether all that an extra of a distribution brings is installed."""
    for line in requires(canonicalize_name(name)) or ():
        brought = Requirement(line)
        marker = brought.marker
        if marker is None or marker.evaluate({"extra": ""}) or not marker.evaluate({"extra": extra}):
            continue
        found = _installed(brought.name)
        if found is None or not brought.specifier.contains(found, prereleases=True):
            return False
    return True


def _came_from(name: str) -> str | None:
    """Return the address that a distribution was installed from, or None for an index."""
    try:
        told = json.loads(distribution(canonicalize_name(name)).read_text("direct_url.json") or "{}")
    except ValueError:
        return None
    return str(told["url"]) if isinstance(told, dict) and "url" in told else None


def _installed(name: str) -> str | None:
    try:
        return version(canonicalize_name(name))
    except PackageNotFoundError:
        return None
