"""The calls of dumping and loading."""

from __future__ import annotations

import os
import threading
import time
import types
from collections.abc import Iterable, Mapping, MutableMapping
from pathlib import Path
from typing import Any

from colabpanel import words
from colabpanel.errors import InputError, PathError
from colabpanel.hosts import detect
from colabpanel.progress import Progress
from colabpanel.services.disks import disk_errors_in_words
from colabpanel.services.mounts import insist_on_drive, is_remote
from colabpanel.services.paths import resolve_inside
from colabpanel.services.saves import note_save
from colabpanel.services.snapshots.base import BaseLeaves, beside
from colabpanel.services.snapshots.capture import Capture
from colabpanel.services.snapshots.describe import shape_of, type_of
from colabpanel.services.snapshots.fingerprint import fingerprints
from colabpanel.services.snapshots.folder import dependents_of
from colabpanel.services.snapshots.foreign.kinds import kind_of
from colabpanel.services.snapshots.foreign.service import load_foreign
from colabpanel.services.snapshots.lanes import Lanes
from colabpanel.services.snapshots.loading import load_snapshot
from colabpanel.services.snapshots.models import SavedVariable, Snapshot
from colabpanel.services.snapshots.namespace import insist_on_memory, user_variables
from colabpanel.services.snapshots.needs import needs_of
from colabpanel.services.snapshots.pickling import skeletons_of
from colabpanel.services.snapshots.writer import Draft, draft_of, sizes_of, write_snapshot
from colabpanel.services.waiting import apart, result_of

__all__ = ["DumpDraft", "draft", "dump", "dump_summary", "insist_on_any", "load", "write"]


class DumpDraft:
    """Variables as they were at one moment, ready to be written.

    Their arrays are not copied: one that is changed before it is written is saved changed.

    Args:
        variables: The variables, by name.

    Attributes:
        outcomes: What becomes of each.
        draft: What will be written.
    """

    def __init__(self, variables: Mapping[str, Any]) -> None:
        insist_on_memory(variables)
        capture = Capture()
        modules = {name: value for name, value in variables.items() if issubclass(type(value), types.ModuleType)}
        others = {name: value for name, value in variables.items() if name not in modules}
        skeletons, failures = skeletons_of(others, capture)
        saved = {name: others[name] for name in others if name not in failures}
        self.draft: Draft = draft_of(skeletons, capture, fingerprints(saved))
        sizes = sizes_of(self.draft)
        notes = {name: " ".join(skeleton.used.notes) for skeleton in skeletons for name in skeleton.names}
        needs = {name: found for skeleton in skeletons for found in [needs_of(skeleton)] for name in skeleton.names}
        self.outcomes: dict[str, SavedVariable] = {}
        for name, value in variables.items():
            kind, shape = type_of(value), shape_of(value)
            if name in modules:
                self.outcomes[name] = SavedVariable(name, "import", kind, note=_import_of(name, value))
            elif name in failures:
                self.outcomes[name] = SavedVariable(name, "skipped", kind, shape, note=failures[name])
            else:
                size, note = sizes[name], notes[name]
                self.outcomes[name] = SavedVariable(name, "saved", kind, shape, size, note, needs[name])

    @property
    def size(self) -> int:
        """Bytes that will be written, without a base."""
        return self.draft.size


def draft(variables: Mapping[str, Any] | None = None, *, names: Iterable[str] | None = None) -> DumpDraft:
    """Take variables apart, and write nothing: what `dump` does first.

    Args:
        variables: By name; None takes those of the notebook.
        names: Only these of them.

    Raises:
        InputError: There is no variable of a name, or nothing to save, or not enough memory.
    """
    if not isinstance(variables, Mapping | None):
        raise InputError(
            f"Variables are given by name, and this is a {type(variables).__name__}.",
            hint='Write dump(path, {"name": value}), or dump(path, names=["name"]) for those of the notebook.',
        )
    chosen = dict(user_variables(detect()) if variables is None else variables)
    if names is not None:
        names = [names] if isinstance(names, str) else list(names)
        missing = [name for name in names if name not in chosen]
        if missing:
            raise InputError(f"There is no variable called {missing[0]!r}.", hint="Run the cell that makes it first.")
        chosen = {name: chosen[name] for name in names}
    if not all(isinstance(name, str) and _is_text(name) for name in chosen):
        raise InputError("Variables have names.", hint='Write dump(path, {"name": value}).')
    if not chosen:
        raise InputError("There is nothing to save.", hint="Make a variable, or name some.")
    return DumpDraft(chosen)


def _is_text(name: str) -> bool:
    try:
        return bool(name.encode())
    except UnicodeEncodeError:  # halves of a letter, which files do not keep apart
        return False


def dump(
    path: str | Path,
    variables: Mapping[str, Any] | None = None,
    *,
    names: Iterable[str] | None = None,
    base: str | Path | None = None,
    root: str | Path | None = None,
    progress: Progress | None = None,
) -> Snapshot:
    """Save variables into one file.

    Arrays and the like are written from where they are, so hardly any extra memory is needed; objects of Python
    itself are pickled, which takes as much memory as their pickle. What variables share stays shared. A variable that
    cannot be saved is named with the reason, and the others are saved. The file is written beside its place and
    renamed when it is whole, so an earlier file of this name is there until the new one is.

    Args:
        path: The file to write.
        variables: By name; None takes those of the notebook that calls it.
        names: Only these of them.
        base: An earlier snapshot in the same folder: what has not changed is not written again, and both files are
            needed to load this one.
        root: Refuse paths outside of this folder.
        progress: Is told the bytes written, and may cancel.

    Returns:
        What became of each variable. ``status`` is ``partial`` when any could not be saved.

    Raises:
        InputError: There is no such variable, none of them can be saved, a path cannot be used, or it would not fit on
            the disk or in memory.
        StorageError: The disk failed; an earlier file of this name is untouched.
        JobCancelledError: ``progress`` cancelled it; so it is then.
    """
    drafted = draft(variables, names=names)
    insist_on_any(drafted)
    return write(path, drafted, base=base, root=root, progress=progress)


def insist_on_any(drafted: DumpDraft) -> None:
    """Refuse to write a file in which there would be nothing.

    Raises:
        InputError: No variable can be saved.
    """
    outcomes = list(drafted.outcomes.values())
    if all(outcome.status == "skipped" for outcome in outcomes):
        raise InputError(
            f"Nothing of this can be saved: {outcomes[0].name} is left out. {outcomes[0].note}",
            hint="Nothing was written. Choose other variables.",
        )


def write(
    path: str | Path,
    drafted: DumpDraft,
    *,
    base: str | Path | None = None,
    root: str | Path | None = None,
    progress: Progress | None = None,
) -> Snapshot:
    """Write what `draft` took apart; see `dump`."""
    started, changing = time.monotonic(), _cells_may_run()
    target, size, reused = apart(
        lambda relay: _write(path, drafted, base, root, relay, changing=changing), progress or Progress()
    )
    note_save(target)
    outcomes = tuple(drafted.outcomes.values())
    status = "partial" if any(outcome.status == "skipped" for outcome in outcomes) else "ok"
    return Snapshot(target, status, outcomes, size, reused, time.monotonic() - started)  # type: ignore[arg-type]


def _cells_may_run() -> bool:
    """Whether cells may change variables while they are written: not as long as the main thread waits here for it."""
    return threading.current_thread() is not threading.main_thread()


def _write(
    path: str | Path,
    drafted: DumpDraft,
    base: str | Path | None,
    root: str | Path | None,
    progress: Progress,
    *,
    changing: bool,
) -> tuple[Path, int, int]:
    target = resolve_inside(root, path)
    with disk_errors_in_words():
        insist_on_drive(target)
        if target.is_dir():
            raise PathError(f"{path} is a folder.", hint="Write the name of a file into it.")
        known = None
        if base is not None and (earlier := resolve_inside(root, base)) != target:
            beside(target, earlier)
            known = _base(earlier)
        if target.exists() and (needed := dependents_of(target)):
            raise InputError(
                f"{needed[0].name} builds on {target.name}, so it cannot be written over.",
                hint="Choose another name, or delete it with delete_snapshot(path, fold=True) first.",
            )
        return target, *write_snapshot(target, drafted.draft, drafted.outcomes, known, progress, changing=changing)


def _base(path: Path) -> BaseLeaves:
    try:
        return BaseLeaves(path)
    except FileNotFoundError:
        raise PathError(f"{path} does not exist.", hint="Dump without base=, or choose one that exists.") from None


def _import_of(name: str, module: types.ModuleType) -> str:
    known = str(getattr(module, "__name__", name))
    return f"import {known}" + ("" if known == name else f" as {name}")


def load(
    path: str | Path,
    *,
    names: Iterable[str] | Mapping[str, str] | None = None,
    trusted: bool = False,
    mmap: bool = False,
    into: MutableMapping[str, Any] | None = None,
    root: str | Path | None = None,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Load variables from a file.

    Nothing in the file is run, unless this user wrote it (see docs/snapshots.md) or ``trusted`` says so. Besides
    snapshots this reads pickles, ``.npy``, ``.npz``, Parquet and safetensors files, told apart by their content.

    Args:
        path: The file.
        names: Only these variables; a mapping also gives them other names, ``{"in the file": "here"}``. None loads all.
        trusted: Run whatever the file needs.
        mmap: Let arrays be parts of the file, read when they are used, and not verified. For local disks.
        into: Put them there, too, once all are loaded: ``globals()`` in a notebook.
        root: Refuse paths outside of this folder.
        progress: Is told the bytes read, and may cancel.

    Returns:
        The variables by name.

    Raises:
        TrustError: Loading would run code that nobody vouches for; the hint names it.
        InputError: The file is damaged, is of no known kind, or has no such variable.
        StorageError: The disk failed.
    """
    progress = progress or Progress()
    wanted = _wanted(names)
    with disk_errors_in_words(), Lanes() as lanes:
        source, kind = result_of(lanes.submit(lambda: _looked_at(path, root, in_place=mmap)), progress)
        if kind == "snapshot":
            found = load_snapshot(source, wanted, lanes, trusted=trusted, in_place=mmap, progress=progress)
        else:
            found = load_foreign(source, wanted, trusted=trusted, in_place=mmap, progress=progress)
    if into is not None:
        into.update(found)
    return found


def _looked_at(path: str | Path, root: str | Path | None, *, in_place: bool) -> tuple[Path, str]:
    """Return the real path of a file, and what kind of file it is."""
    source = resolve_inside(root, path)
    if in_place and is_remote(source):
        raise InputError(
            "Arrays cannot be parts of a file on Drive or a network.", hint="Copy it to local disk, or leave out mmap."
        )
    return source, kind_of(source)


def _wanted(names: Iterable[str] | Mapping[str, str] | None) -> dict[str, str] | None:
    """Return what is wanted under which name."""
    if names is None:
        return None
    if isinstance(names, Mapping):
        called = list(names.values())
        if len(set(called)) < len(called):
            twice = next(name for name in called if called.count(name) > 1)
            raise InputError(f"Two variables cannot both be called {twice!r}.", hint="Give each another name.")
        return dict(names)
    return {name: name for name in ([names] if isinstance(names, str) else names)}


def dump_summary(snapshot: Snapshot) -> str:
    """Say what became of a dump in one sentence."""
    text = (
        f"Saved {words.plural(len(snapshot.saved), 'variable')}, {words.size(snapshot.size)}, "
        f"in {words.duration(snapshot.seconds)} into {os.fspath(snapshot.path)}"
    )
    if snapshot.reused:
        text += f"; {words.size(snapshot.reused)} were there already"
    if snapshot.skipped:
        text += f"; {words.plural(len(snapshot.skipped), 'variable')} could not be saved"
    return text + "."
