"""The unfinished staging beside its target: ``TARGET.partial``, with a journal.

```
data.partial/
├── files/          the tree as far as it is unpacked
├── journal.jsonl   a header that identifies the archive, then batches of finished members
├── archive         the archive, while it is unpacked, if it is elsewhere and came only whole
└── lock            held while a process works on it
```

It is safe to lose the process at any moment: a member counts as finished only once its
batch is in the journal, and on resuming its size on disk is looked at again.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from colabpanel.errors import JobBusyError, PathError
from colabpanel.services.files import existing_parent
from colabpanel.services.skipped import Skipped
from colabpanel.services.tree import Tree

try:
    import fcntl
except ImportError:  # Windows has no flock; two stagings into one target are not detected there
    fcntl = None  # type: ignore[assignment]

__all__ = ["Outcome", "Partial"]

_VERSION = 1
_INSIDE_NAME = ".colabpanel.partial"
_FILES, _JOURNAL, _LOCK, _ARCHIVE = "files", "journal.jsonl", "lock", "archive"
_PAUSES = (0.0, 0.02, 0.1, 0.3, 0.6)  # seconds
_OUR_NAMES = {_FILES, _JOURNAL, "journal.new", _LOCK, _ARCHIVE, ".colabpanel-Case"}
_NO_FOLLOW = getattr(os, "O_NOFOLLOW", 0)
_BATCH_MEMBERS = 256
_BATCH_BYTES = 8 << 20


class Outcome(NamedTuple):
    """What was unpacked.

    Attributes:
        files: How many files.
        size: Their bytes.
        skipped: The members left out.
        listing: Path, size and time of each file, of archives that have no table of contents.
    """

    files: int
    size: int
    skipped: tuple[Skipped, ...]
    listing: tuple[tuple[str, int, float | None], ...] = ()


def _writable(folder: Path) -> bool:
    return os.access(existing_parent(folder), os.W_OK)


class Partial:
    """The unfinished staging of one target folder.

    Args:
        directory: The target, as a real path.
        root: The folder the panel may touch, or None.
    """

    def __init__(self, directory: Path, root: Path | None) -> None:
        beside = directory.parent / f"{directory.name}.partial"
        fits_beside = directory != root and not os.path.ismount(directory) and _writable(directory.parent)
        self.folder = beside if fits_beside and directory.name else directory / _INSIDE_NAME
        self.is_inside = self.folder.parent == directory
        self.files = self.folder / _FILES
        self.done: dict[int, int] = {}
        self.target: Tree | None = None
        self._directory = directory
        self._journal_path = self.folder / _JOURNAL
        self._journal = self._lock = -1
        self._batch: list[tuple[int, int]] = []
        self._batch_bytes = 0
        self._is_left_over = False

    @property
    def mark(self) -> Path:
        """A file by which another machine knows that it sees the same folder."""
        return self._journal_path

    def insist_on_ours(self) -> None:
        """Refuse a folder of the same name that is not ours, or a link.

        Raises:
            PathError: Something else stands there.
        """
        if not os.path.lexists(self.folder):
            return
        if not self.folder.is_symlink() and self.folder.is_dir():
            names = set(os.listdir(self.folder))  # noqa: PTH208 - names are all that is looked at
            if not names or (_LOCK in names and names <= _OUR_NAMES):
                return
        raise PathError(
            f"{self.folder} is in the way: staging unpacks there first, and it is not colabpanel's.",
            hint="Rename it or move it away, or choose another target.",
        )

    def matches(self, identity: list[Any]) -> bool:
        """Whether it was made from the same archive with the same choice of members."""
        lines = self._read_journal()
        return bool(lines) and lines[0].get("identity") == json.loads(json.dumps(identity))

    def open(self, identity: list[Any], *, resume: bool) -> None:
        """Take hold of it: go on with what matches, or begin afresh.

        Raises:
            JobBusyError: Another process works on it.
            PathError: The folder cannot be made.
        """
        try:
            self._take_hold()
            if not (resume and self.matches(identity)):
                self._begin_afresh(identity)
            self.files.mkdir(exist_ok=True)
            self._read_progress()
            self._journal = os.open(self._journal_path, os.O_WRONLY | os.O_APPEND)
        except PermissionError as error:
            raise PathError(
                f"You may not write to {self._refusing()}.", hint="Choose a target folder that you own."
            ) from error

    def _take_hold(self) -> None:
        self.insist_on_ours()
        self.folder.mkdir(parents=True, exist_ok=True)
        if self._lock < 0:
            self._take_lock()

    @contextmanager
    def holding_archive(self) -> Iterator[Path]:
        """Give a place for the archive itself, which is deleted afterwards; what is unpacked of it stays.

        Raises:
            JobBusyError: Another process works on it.
            PathError: The folder cannot be made.
        """
        try:
            self._take_hold()
        except PermissionError as error:
            raise PathError(
                f"You may not write to {self._refusing()}.", hint="Choose a target folder that you own."
            ) from error
        place = self.folder / _ARCHIVE
        try:
            yield place
        finally:
            place.unlink(missing_ok=True)
            if os.path.lexists(self.folder) and set(os.listdir(self.folder)) == {_LOCK}:  # noqa: PTH208
                self.remove()
            self.close()

    def _refusing(self) -> Path:
        return self.folder if os.access(self.folder.parent, os.W_OK) else self.folder.parent

    def _take_lock(self) -> None:
        self._lock = os.open(self.folder / _LOCK, os.O_RDWR | os.O_CREAT | _NO_FOLLOW, 0o666)
        if fcntl is None:
            return
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise JobBusyError(
                f"Another staging into {self.folder.name.removesuffix('.partial')} is running.",
                hint="Wait until it ends, or choose another target.",
            ) from None

    def _begin_afresh(self, identity: list[Any]) -> None:
        if self._journal_path.exists():
            self._journal_path.unlink()  # first, for it says what is in the tree
        _remove_tree(self.files)
        temporary = self._journal_path.with_suffix(".new")
        temporary.write_text(json.dumps({"version": _VERSION, "identity": identity}) + "\n", encoding="ascii")
        temporary.replace(self._journal_path)

    def _read_journal(self) -> list[dict[str, Any]]:
        """Return the whole lines of the journal, none if it is not one; a line cut short by a crash is dropped."""
        try:
            text = self._journal_path.read_text(encoding="ascii")
        except (OSError, UnicodeError):
            return []
        lines = []
        for line in text.splitlines():
            with contextlib.suppress(ValueError):
                lines.append(json.loads(line))
        lines = [line for line in lines if isinstance(line, dict)]
        return lines if lines and lines[0].get("version") == _VERSION else []

    def _read_progress(self) -> None:
        for line in self._read_journal()[1:]:
            self.done.update(line.get("done", ()))
            if "publish" in line and self._directory.is_dir():
                self.target = Tree(self._directory)

    def discard(self) -> None:
        """Delete it, unless a process works on it.

        Raises:
            JobBusyError: One does.
            PathError: It is not ours.
        """
        self.insist_on_ours()
        if os.path.lexists(self.folder):
            self._take_lock()
            self.remove()

    def note(self, index: int, size: int) -> None:
        """Count a member as finished, with the next batch."""
        self._batch.append((index, size))
        self._batch_bytes += size
        if len(self._batch) >= _BATCH_MEMBERS or self._batch_bytes >= _BATCH_BYTES:
            self.flush()

    def note_all(self, done: list[tuple[int, int]]) -> None:
        """Count members as finished, as a batch of their own."""
        self._batch += done
        self.flush()

    def flush(self) -> None:
        """Write the current batch to the journal."""
        if self._batch:
            self._append({"done": self._batch})
            self._batch, self._batch_bytes = [], 0

    def begin_publishing(self) -> None:
        """Note, durably, that the tree is complete and members may be looked for in the target from here on."""
        self.flush()
        self._append({"publish": True})
        os.fsync(self._journal)

    def _append(self, line: dict[str, Any]) -> None:
        # The leading line end keeps this line apart from one that a crash cut short.
        os.write(self._journal, b"\n" + json.dumps(line).encode("ascii") + b"\n")

    def close(self) -> None:
        """Let go of it; what is unpacked so far stays for later."""
        for handle in (self._journal, self._lock):
            if handle >= 0:
                os.close(handle)
        self._journal = self._lock = -1
        if self.target is not None:
            self.target.close()
        if self._is_left_over:
            _remove_once_empty(self.folder)

    def remove(self) -> None:
        """Delete it with everything in it.

        Raises:
            PathError: It is not ours.
        """
        self.insist_on_ours()
        # The journal goes first, for it says what is in the tree; the lock last: by it a half removed folder is known.
        self._journal_path.unlink(missing_ok=True)
        _remove_tree(self.files)
        for name in (*(_OUR_NAMES - {_FILES, _LOCK}), _LOCK):
            (self.folder / name).unlink(missing_ok=True)
        try:
            self.folder.rmdir()
        except FileNotFoundError:
            pass
        except OSError as error:
            # Some mounts keep a removed file under another name as long as it is open, as the lock is.
            if error.errno != errno.ENOTEMPTY:
                raise
            self._is_left_over = True


def _remove_once_empty(folder: Path) -> None:
    """Remove a folder in which a file stays until the mount has noticed, in its own time, that it was closed."""
    for pause in _PAUSES:
        time.sleep(pause)
        with contextlib.suppress(OSError):
            folder.rmdir()
            return


def _remove_tree(folder: Path) -> None:
    import shutil  # takes its time to load, and is rarely needed

    with contextlib.suppress(FileNotFoundError):
        shutil.rmtree(folder)
