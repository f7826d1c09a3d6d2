"""Modules put onto the import path, imported into the notebook, and remembered for the next session."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from colabpanel.errors import HostError, InputError
from colabpanel.hosts import Host, detect
from colabpanel.progress import Progress
from colabpanel.services.modules.bringing import Brought, bring
from colabpanel.services.modules.conflicts import conflicts_of, shadows_python
from colabpanel.services.modules.finding import find_modules
from colabpanel.services.modules.importing import import_modules
from colabpanel.services.modules.models import AddedModules, FoundModules, ModulePath
from colabpanel.services.modules.reloading import ModuleReloader
from colabpanel.services.modules.remembering import forget_modules, remember, without_login
from colabpanel.services.modules.versions import modules_below
from colabpanel.services.paths import anchored

__all__ = [
    "add_module_path",
    "module_paths",
    "reload_modules",
    "reloader_of",
    "remove_module_path",
]


@dataclass
class _Added:
    """What was added.

    Attributes:
        source: Where it came from.
        found: What can be imported from it.
        brought: Where it is on the local disk.
        before: The modules below its folder that were loaded before.
    """

    source: str
    found: FoundModules
    brought: Brought
    before: frozenset[str]


_added: dict[str, _Added] = {}
_reloaders: dict[int, ModuleReloader] = {}


def add_module_path(
    path: str | Path,
    *,
    import_it: bool | Sequence[str] = True,
    mirror: str = "auto",
    host: Host | None = None,
    progress: Progress | None = None,
) -> AddedModules:
    """Make modules importable, and import them into the notebook.

    The folder comes after the notebook's own and before everything that is installed; one that holds a name of
    Python's own library comes last. What is on Drive is copied to the local disk first, so that no import hangs; the
    copy is brought up to date when modules are reloaded.

    Args:
        path: A .py file, a package, a folder of modules, a zip or a wheel; or the address of one, or of a git
            repository (``https://github.com/user/name@branch``).
        import_it: Whether to import what is found; names import those alone.
        mirror: ``auto`` copies what is on Drive or a network, ``always`` everything, ``never`` nothing.
        host: The notebook host; None detects it.
        progress: Is told how it goes on, and may cancel.

    Raises:
        InputError: There is nothing to import, or the path or address cannot be used.
        StorageError: The disk, Drive or the network failed.
        HostError: The dashboard runs no code.
    """
    host, progress = host or detect(), progress or Progress()
    _insist_on_notebook(host)
    if mirror not in {"auto", "always", "never"}:
        raise InputError(f"There is no way {mirror!r} to mirror.", hint="The ways are: auto, always, never.")
    source = _source_of(path, host)
    brought = bring(source, mirror=mirror, host=host, progress=progress)
    found = find_modules(brought.path, progress=progress)
    wanted = found.names if import_it is True else tuple(import_it or ())
    if unknown := sorted(set(wanted) - set(found.names)):
        raise InputError(
            f"There is no module {unknown[0]} in {without_login(source)}.", hint=f"There is: {', '.join(found.names)}."
        )
    others = {added.found.entry: added.found.names for added in _added.values() if added.source != source}
    conflicts = conflicts_of(found, others)
    earlier = _added.get(source)
    if earlier is not None and earlier.found.entry != found.entry:  # another version of an archive
        _take_off_path(earlier.found.entry)
        others[earlier.found.entry] = ()
    _put_on_path(found, host)
    _added[source] = _Added(source, found, brought, frozenset(modules_below([found.entry])))
    reloader_of(host).imports.start()
    remember(host, source)
    names = [name for name in wanted if name not in shadows_python(wanted)]
    imported, failed, taken = import_modules(
        names, found.entry, list(others), reloader_of(host), host=host, progress=progress
    )
    return AddedModules(
        status="partial" if failed or brought.skipped else "ok",
        source=source,
        entry=found.entry,
        names=found.names,
        imported=imported,
        conflicts=(*conflicts, *taken),
        failed=failed,
        skipped=brought.skipped,
    )


def _source_of(path: str | Path, host: Host) -> str:
    """Return a path that means the same in the next session, or an address as it is."""
    text = os.fspath(path)
    return text if "://" in text else anchored(text, host.root)


def _insist_on_notebook(host: Host) -> None:
    if host.is_served:
        raise HostError("The dashboard runs no code.", hint="Add modules in a notebook.")


def _take_off_path(entry: Path) -> None:
    while str(entry) in sys.path:
        sys.path.remove(str(entry))


def _put_on_path(found: FoundModules, host: Host) -> None:
    entry = str(found.entry)
    _take_off_path(found.entry)
    if shadows_python(found.importable):
        sys.path.append(entry)
    else:
        own = {"", str(host.workspace), _here()}
        sys.path.insert(1 if sys.path and sys.path[0] in own else 0, entry)
    importlib.invalidate_caches()


def _here() -> str:
    try:
        return str(Path.cwd())
    except OSError:  # the working folder is gone
        return ""


def remove_module_path(path: str | Path, *, host: Host | None = None) -> tuple[str, ...]:
    """Take a place off the import path and unload its modules; names in the notebook stay as they are.

    Returns:
        The modules that were unloaded.

    Raises:
        InputError: It was not added.
    """
    host = host or detect()
    source = _source_of(path, host)
    added = _added.pop(source, None)
    if added is None:
        raise InputError(f"{path} was not added in this session.", hint="See colabpanel.module_paths().")
    entry = added.found.entry
    if entry not in {other.found.entry for other in _added.values()}:
        _take_off_path(entry)
    unloaded = tuple(sorted(name for name in modules_below([entry]) if _belongs_to(added, name)))
    for name in unloaded:
        del sys.modules[name]
    reloader_of(host).forget(unloaded)
    if not _added:
        reloader_of(host).imports.stop()
    forget_modules(source, host=host)
    importlib.invalidate_caches()
    return unloaded


def _belongs_to(added: _Added, module: str) -> bool:
    """Whether a module below the folder of what was added came with it, and not with a neighbour or before."""
    top = module.partition(".")[0]
    if top in added.found.names:
        return True
    others = [one for one in _added.values() if one is not added and one.found.entry == added.found.entry]
    return module not in added.before and not any(top in one.found.names for one in others)


def module_paths(*, host: Host | None = None) -> tuple[ModulePath, ...]:
    """Return what was added in this session, and which version of each module is loaded."""
    reloader = reloader_of(host or detect())
    loaded = reloader.loaded()
    return tuple(
        ModulePath(
            added.source,
            added.found.entry,
            added.found.names,
            tuple(one for one in loaded if added.found.entry in one.path.parents and _belongs_to(added, one.name)),
        )
        for added in _added.values()
    )


def reloader_of(host: Host) -> ModuleReloader:
    """Return the reloader of a kernel, of which there is one."""
    return _reloaders.setdefault(
        id(host.shell), ModuleReloader(host, lambda: [one.found.entry for one in _added.values()], copies=_copies)
    )


def _copies() -> list[tuple[Path, Path]]:
    found = [added.brought for added in list(_added.values())]
    return [(brought.origin, brought.path) for brought in found if brought.origin is not None]


def reload_modules(enabled: bool = True, *, host: Host | None = None) -> ModuleReloader:  # noqa: FBT001, FBT002 - settled
    """Reload modules that were added here before each cell, whenever their files have changed.

    Args:
        enabled: False stops it.
        host: The notebook host; None detects it.

    Raises:
        HostError: The dashboard runs no code.
    """
    host = host or detect()
    _insist_on_notebook(host)
    reloader = reloader_of(host)
    (reloader.start if enabled else reloader.stop)()
    return reloader
