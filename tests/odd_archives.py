"""What an odd archive may become, and a judge that looks at everything around it."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from colabpanel import stage
from colabpanel.errors import ArchiveError
from colabpanel.services.skipped import Skipped
from colabpanel.services.staging.models import StagedData
from colabpanel.services.staging.request import Limits

__all__ = ["MUST_KEEP", "MUST_SKIP", "OK", "PARTIAL", "REFUSED", "Odd", "folders_of", "judge", "snapshot"]

OK, PARTIAL, REFUSED = "ok", "partial", "refused"

# Member names, with "/" between components, that no unpacker may follow.
MUST_SKIP = (
    "../evil",
    "./../evil",
    "a/../../evil",
    "a/b/../../../evil",
    "a/../evil/..",
    "..",
    "a/..",
    "/tmp/evil",
    "//evil",
    "///evil",
    "//host/share/evil",
    "//?/C:/evil",
    "C:/evil",
    "c:evil",
    "a\x01b",
    "a\nb",
    "a\x1b[2Jb",
    "a\x7fb",
    "x" * 256,
    "\u00e9" * 128,
    "d/" * 150 + "deep",
    ("y" * 200 + "/") * 20 + "long",
)
# Names that look wrong and are fine on every disk but those of Windows: skipping them would lose data.
MUST_KEEP = (
    "%2e%2e/evil",
    "..%2fevil",
    "..hidden",
    "a..b",
    "...",
    "..../x",
    "~/x",
    "~root",
    "$HOME",
    "-rf",
    "--checkpoint=1",
    "con.txt",
    "nul",
    "aux/x",
    "12:30.txt",
    "a b/ c ",
    "<x>|?*.txt",
    "'; rm -rf x",
    "e\u0301",
    "\u00e9",
    "\u202etxt.exe",
    "\U0001f600.png",
    "\u65e5\u672c/\u8a9e.txt",
    "n" * 255,
    "\u00e9" * 127,
    "d/" * 90 + "deep",
)


@dataclass(frozen=True)
class Odd:
    """An archive, and what is right to make of it.

    Attributes:
        raw: Its bytes.
        truth: Every file that may come out; with ``ok``, every one that must.
        outcomes: Those that are right: ``ok``, ``partial``, ``refused``.
        named: Members that must be among those skipped when it is ``partial``.
        any_name: Whether the names of files may differ from ``truth``, but not their contents.
    """

    raw: bytes
    truth: Mapping[str, bytes]
    outcomes: tuple[str, ...] = (OK,)
    named: tuple[str, ...] = ()
    any_name: bool = False


def snapshot(folder: Path, *, but: Path | None = None) -> dict[str, object]:
    """Return everything below a folder that a write would change, one folder of it left out."""
    found: dict[str, object] = {}
    for above, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if Path(above, name) != but]
        for name in (*folders, *files):
            path = Path(above, name)
            status = path.lstat()
            is_file = stat.S_ISREG(status.st_mode)
            content = (status.st_nlink, path.read_bytes()) if is_file else None
            found[os.fspath(path)] = (status.st_mode, status.st_ino, status.st_uid, content)
    return found


def folders_of(folder: Path) -> set[str]:
    """Return every folder below a folder."""
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_dir()}


def judge(odd: Odd, folder: Path, *, limits: Limits | None = None, run: Callable[..., StagedData] = stage) -> str:
    """Stage an odd archive and insist on every promise that holds for any archive; return the outcome."""
    source, place = folder / "archive", folder / "place"
    source.write_bytes(odd.raw)
    (place / "beside").mkdir(parents=True)
    for name in ("canary", "beside/canary"):
        (place / name).write_bytes(b"alive")
    before = snapshot(folder)
    try:
        staged = run(source, place / "out", limits=limits)
    except ArchiveError as error:
        _judge_refusal(odd, error)
        assert snapshot(folder) == before
        return REFUSED
    written = _written(place / "out")
    assert snapshot(folder, but=place / "out") == before
    _judge_contents(odd, staged, written)
    return staged.status


def _judge_refusal(odd: Odd, error: ArchiveError) -> None:
    assert error.message
    assert error.hint, error.message
    assert REFUSED in odd.outcomes, f"over-refused: {error.message}"


def _written(out: Path) -> dict[str, bytes]:
    """Return the files that came out; anything but plain files and folders of ours is a failure."""
    written = {}
    for path in out.rglob("*"):
        status = path.lstat()
        assert stat.S_ISREG(status.st_mode) or stat.S_ISDIR(status.st_mode), f"{path} is neither file nor folder"
        assert not status.st_mode & (stat.S_ISUID | stat.S_ISGID | stat.S_ISVTX), f"{path}: {oct(status.st_mode)}"
        assert status.st_uid == os.geteuid()
        if stat.S_ISREG(status.st_mode):
            assert status.st_nlink == 1, f"{path} is a hard link"
            written[path.relative_to(out).as_posix()] = path.read_bytes()
    return written


def _judge_contents(odd: Odd, staged: StagedData, written: dict[str, bytes]) -> None:
    assert staged.status in odd.outcomes, f"{staged.status}: {staged.skipped}"
    assert (staged.files, staged.size) == (len(written), sum(map(len, written.values())))
    if odd.any_name:
        truth = sorted(odd.truth.values())
        assert all(content in truth for content in written.values())
        assert staged.status != OK or sorted(written.values()) == truth
        return
    wrong = {name: content[:40] for name, content in written.items() if odd.truth.get(name) != content}
    assert not wrong
    if staged.status == OK:
        assert written.keys() == odd.truth.keys()
        assert not staged.skipped
        return
    assert staged.skipped
    assert all(isinstance(entry, Skipped) and entry.member and entry.reason for entry in staged.skipped)
    assert set(odd.named) <= {member for member, _ in staged.skipped}
