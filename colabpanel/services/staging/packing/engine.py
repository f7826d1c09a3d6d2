"""What runs in the child process: packing from a request to a JSON result."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from colabpanel.errors import InputError, PathError, SpaceError
from colabpanel.progress import Progress
from colabpanel.services.disks import disk_errors_in_words, errors_about
from colabpanel.services.files import existing_parent, free_bytes, sync_folder
from colabpanel.services.mounts import insist_on_drive
from colabpanel.services.paths import real_root, resolve_inside
from colabpanel.services.skipped import Skipped
from colabpanel.services.staging.names import safe_parts
from colabpanel.services.staging.packing.compress import DEFAULT_LEVEL
from colabpanel.services.staging.packing.reading import UnreadableError, unreadable
from colabpanel.services.staging.packing.shards import Index, Shard, spread
from colabpanel.services.staging.packing.tar_pack import verify_tar, write_tar
from colabpanel.services.staging.packing.zip_pack import Earlier, ZipPacking, verify_zip
from colabpanel.services.staging.packing.zip_writer import Written
from colabpanel.services.walk import FoundFile, files_below

__all__ = ["pack_here"]

_MOST_ANEW = 3


@disk_errors_in_words()
def pack_here(
    directory: str,
    archive: str,
    *,
    shard_size: int | None,
    level: int | None,
    workers: int,
    root: str | None,
    only: list[str] | None = None,
    progress: Progress,
) -> dict[str, Any]:
    """Pack in this process; see `colabpanel.pack` for the meaning of it.

    With ``only``, just these names of the folder are packed, each with all that is in it.
    """
    top = real_root(root)
    folder, target = resolve_inside(top, directory), resolve_inside(top, archive)
    _insist_on_places(folder, target)
    insist_on_drive(target)
    progress.start(None, "Looking at the files")
    packing = _Packing(folder, target, level, workers, progress)
    index = Index(target)
    earlier = {path for path, _, _ in index.read()}
    ours = {target, _beside(target), *earlier}
    if shard_size:
        index.insist_on_being_ours()
        ours |= index.ours()
    found = files_below(folder, ours, packing.skipped, only=only)
    files = [file for file in found if packing.takes(file)]
    if not files:
        raise InputError(f"{folder} holds no files to pack.", hint="Choose another folder.")
    shards = spread(files, index, shard_size) if shard_size else [Shard(target, files, is_current=False)]
    progress.start(sum(file.size for shard in shards if not shard.is_current for file in shard.files), "Packing")
    if shard_size:
        index.announce(shard.path for shard in shards)
    done = [packing.write(shard) for shard in shards]
    if shard_size:
        retired = sorted(earlier - {shard.path for shard in done})
        index.write(done, retired)
        for path in retired:
            path.unlink(missing_ok=True)
        if retired:
            index.write(done)
    return packing.result(done)


def _insist_on_places(folder: Path, target: Path) -> None:
    if not folder.is_dir():
        raise PathError(f"{folder} is no folder.", hint="Choose the folder whose files are to be packed.")
    if not target.name.lower().endswith((".zip", ".tar.zst")):
        raise InputError(
            f"{target.name} names no archive that can be packed.", hint="Let its name end in .zip or .tar.zst."
        )
    if target.is_dir():
        raise PathError(f"{target} is a folder.", hint="Name the archive that shall be written.")
    if target.is_file() and not _is_archive(target):
        raise PathError(f"{target} is there, and is no archive.", hint="Choose another name.")
    if not os.access(existing_parent(target.parent), os.W_OK):
        raise PathError(f"You may not write to {target.parent}.", hint="Choose a folder that you own.")


def _is_archive(target: Path) -> bool:
    with target.open("rb") as stream:
        begins = stream.read(4)
    return begins in {b"PK\3\4", b"PK\5\6", b"\x28\xb5\x2f\xfd"}


def _beside(target: Path) -> Path:
    return target.with_name(f".{target.name}.part")


@dataclass
class _Packing:
    folder: Path
    target: Path
    level: int | None
    workers: int
    progress: Progress
    skipped: list[Skipped] = field(default_factory=list)
    reused: int = 0
    written: list[Written] = field(default_factory=list)

    def takes(self, file: FoundFile) -> bool:
        """Whether a file's name would come back from the archive as it is; one that would not is noted."""
        self.progress.advance(0)
        reason = safe_parts(file.name)
        if "\\" in file.name and not self._is_tar(self.target):
            reason = "its name holds a backslash, which stands for a folder in a zip archive"
        if isinstance(reason, str):
            self.skipped.append(Skipped(file.name, reason))
        return not isinstance(reason, str)

    def write(self, shard: Shard) -> Shard:
        """Write one archive beside its place, verify it, and put it there; one that is current stays."""
        if shard.is_current:
            self.reused += len(shard.files)
            return shard
        free, needed = free_bytes(shard.path), sum(file.size for file in shard.files) // 50
        if needed > free:
            raise SpaceError(
                f"There is no room for {shard.path.name}.", hint="Free some space, or choose another disk."
            )
        shard.path.parent.mkdir(parents=True, exist_ok=True)
        beside = _beside(shard.path)
        try:
            with errors_about(beside.parent):
                kept = self._fill_anew_without_unreadable(beside, shard)
            self._verify(beside, len(kept))
            beside.replace(shard.path)
        except BaseException:
            with contextlib.suppress(OSError):
                beside.unlink()
            raise
        sync_folder(shard.path.parent)
        return shard._replace(files=kept)

    def _fill_anew_without_unreadable(self, beside: Path, shard: Shard) -> list[FoundFile]:
        """Write an archive; of a tar nothing can be taken back, so it is begun anew where a large file breaks off."""
        known, broken = len(self.skipped), list[Skipped]()
        while True:
            self.written.clear()
            try:
                with beside.open("wb") as stream:
                    kept = self._fill(stream, shard)
                    stream.flush()
                    os.fsync(stream.fileno())
            except UnreadableError as error:
                if len(broken) == _MOST_ANEW:
                    raise error.why from None
                broken.append(unreadable(error.file, error.why))
                del self.skipped[known:]
                shard = shard._replace(files=[file for file in shard.files if file is not error.file])
                self.progress.start(sum(file.size for file in shard.files), "Packing again, without what breaks off")
            else:
                self.skipped += broken
                return kept

    def _fill(self, stream: IO[bytes], shard: Shard) -> list[FoundFile]:
        kept = []
        for file, error in self._written(stream, shard):
            if error is None:
                kept.append(file)
            else:
                self.skipped.append(unreadable(file, error))
        return kept

    def _written(self, stream: IO[bytes], shard: Shard) -> Iterator[tuple[FoundFile, OSError | None]]:
        if self._is_tar(shard.path):
            yield from write_tar(
                stream, self.folder, shard.files, level=self.level, workers=self.workers, progress=self.progress
            )
            return
        with closing(Earlier(shard.path)) as earlier:
            level = DEFAULT_LEVEL if self.level is None else self.level
            packing = ZipPacking(self.folder, level, self.workers, self.progress, self.written)
            yield from packing.write(stream, shard.files, earlier)
            self.reused += earlier.taken

    def _is_tar(self, path: Path) -> bool:
        return path.name.removesuffix(".part").lower().endswith(".tar.zst")

    def _verify(self, beside: Path, expected: int) -> None:
        if self._is_tar(beside):
            verify_tar(beside, expected, self.progress)
        else:
            verify_zip(beside, expected, self.written, self.workers, self.progress)

    def result(self, shards: list[Shard]) -> dict[str, Any]:
        """Return the outcome."""
        files = [file for shard in shards for file in shard.files]
        return {
            "status": "partial" if self.skipped else "ok",
            "archives": [str(shard.path) for shard in shards],
            "files": len(files),
            "size": sum(file.size for file in files),
            "packed": sum(shard.path.stat().st_size for shard in shards),
            "reused": self.reused,
            "skipped": self.skipped,
        }
