"""Importing what was put onto the path into the notebook, on the main thread: a module may do anything."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType

from colabpanel.hosts import Host
from colabpanel.progress import Progress
from colabpanel.services.modules.conflicts import installed_at, is_from
from colabpanel.services.modules.reloading import ModuleReloader
from colabpanel.services.skipped import Skipped
from colabpanel.services.waiting import result_of

__all__ = ["import_modules"]

Outcome = tuple[tuple[str, ...], tuple[Skipped, ...], tuple[str, ...]]


def import_modules(
    names: Sequence[str],
    entry: Path,
    others: Sequence[Path],
    reloader: ModuleReloader,
    *,
    host: Host,
    progress: Progress,
) -> Outcome:
    """Import modules once no cell runs.

    Args:
        names: The modules.
        entry: The folder they are in.
        others: Folders that were added before: what came from there gives way.
        reloader: Is told what was loaded.
        host: The notebook host.
        progress: May cancel the waiting.

    Returns:
        What the notebook has now, what failed, and sentences about names that the notebook has for something else.
    """
    if not names:
        return (), (), ()
    progress.start(None, "Importing, once no cell runs", unit="seconds")

    def run() -> Outcome:
        done, failed, taken = list[str](), list[Skipped](), list[str]()
        for name in names:
            _unload_from(others, name, entry, reloader)
            try:
                module = importlib.import_module(name)
            except (Exception, SystemExit) as error:  # noqa: BLE001 - whatever a module raises, and a script that ends
                failed.append(Skipped(name, f"{type(error).__name__}: {error}"))
                continue
            if not is_from(module, entry):
                where = installed_at(name) or "Python itself"
                failed.append(Skipped(name, f"it is loaded from {where} already; restart the kernel to get this one"))
            elif sentence := _taken(host.namespace().get(name), module):
                taken.append(sentence)
            else:
                host.namespace()[name] = module
                done.append(name)
        failed += [Skipped(event.name, event.error) for event in reloader.reload_changed() if event.error]
        reloader.note()
        return tuple(done), tuple(failed), tuple(taken)

    return result_of(host.on_main_thread(run), progress)


def _unload_from(folders: Sequence[Path], name: str, entry: Path, reloader: ModuleReloader) -> None:
    """Unload a module of this name that came from one of these folders, with all that is in it."""
    module = sys.modules.get(name)
    if module is None or is_from(module, entry) or not any(is_from(module, folder) for folder in folders):
        return
    unloaded = [one for one in sys.modules if one == name or one.startswith(f"{name}.")]
    for one in unloaded:
        del sys.modules[one]
    reloader.forget(unloaded)


def _taken(held: object, module: ModuleType) -> str:
    """Say that the notebook has something else by the name of a module, or nothing."""
    name = module.__name__
    if held is None or (isinstance(held, ModuleType) and held.__name__ == name):
        return ""
    what = f"the module {held.__name__} as" if isinstance(held, ModuleType) else "a variable"
    return f"The notebook has {what} {name}, which stays. Import this one by another name."
