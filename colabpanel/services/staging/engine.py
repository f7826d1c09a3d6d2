"""What runs in the child process: staging from a request to a JSON result."""

from __future__ import annotations

from contextlib import closing
from typing import Any, NamedTuple

from colabpanel.errors import LimitError, PasswordError
from colabpanel.progress import Progress
from colabpanel.services.disks import disk_errors_in_words, errors_about
from colabpanel.services.files import free_bytes
from colabpanel.services.paths import real_root, resolve_inside
from colabpanel.services.staging.archive import Kind, Member, StreamReader
from colabpanel.services.staging.budget import Budget
from colabpanel.services.staging.crew.early import EarlyProcesses
from colabpanel.services.staging.extract import extract
from colabpanel.services.staging.extract_zip import extract_zip
from colabpanel.services.staging.formats import open_archive
from colabpanel.services.staging.ground import Places, identity_of, insist_on_a_match, no_room
from colabpanel.services.staging.names import Parts
from colabpanel.services.staging.partial import Outcome, Partial
from colabpanel.services.staging.publish import Published, is_used, publish
from colabpanel.services.staging.receipts import Receipts
from colabpanel.services.staging.request import Request
from colabpanel.services.staging.triage import triage
from colabpanel.services.staging.zips.reader import ZipReader
from colabpanel.services.staging.zips.unlock import insist_on_password

__all__ = ["discard_here", "stage_here"]


@disk_errors_in_words()
def stage_here(request: dict[str, Any], progress: Progress) -> dict[str, Any]:
    """Stage in this process; see `colabpanel.stage` for the meaning of it."""
    wanted = Request.from_json(request)
    places = Places(wanted)
    progress.start(None, "Reading the archive")
    with places.archive(progress) as source, closing(EarlyProcesses(wanted.workers)) as early:
        is_used(places.directory, places.partial)
        expect = early.expect if wanted.cluster is None else None
        with closing(open_archive(source, wanted.limits, wanted.password, expect)) as reader, closing(places.partial):
            identity = identity_of(source, reader, wanted)
            return _Staging(wanted, places, reader, identity, early, progress).run(source.size)


class _Staging(NamedTuple):
    wanted: Request
    places: Places
    reader: ZipReader | StreamReader
    identity: list[Any]
    early: EarlyProcesses
    progress: Progress

    def run(self, archive_size: int) -> dict[str, Any]:
        """Unpack and publish, unless a receipt says that it was done before."""
        wanted, places, receipts = self.wanted, self.places, Receipts(self.wanted)
        receipt = receipts.find(self.identity, places.directory, wanted)
        if receipt and receipts.still_holds(self.identity, places.directory, self.reader, wanted):
            return self._result(
                Outcome(receipt["files"], receipt["size"], ()), Published(kept=receipt["files"]), reused=True
            )
        with errors_about(places.partial.folder):
            outcome = self._unpack(archive_size)
            if not outcome.files:
                insist_on_a_match(wanted, outcome.skipped, places.partial)
            places.partial.begin_publishing()
            published = publish(places.partial, places.directory, wanted.overwrite, self.progress, source=places.source)
        if not published.skipped:
            receipts.keep(self.identity, places.directory, outcome, self.reader)
        return self._result(outcome, published)

    def _result(self, outcome: Outcome, published: Published, *, reused: bool = False) -> dict[str, Any]:
        skipped = [*outcome.skipped, *published.skipped]
        return {
            "status": "partial" if skipped else "ok",
            "directory": str(self.places.directory),
            "files": outcome.files - published.lost_files,
            "size": outcome.size - published.lost_bytes,
            "kept": published.kept,
            "reused": reused,
            "skipped": skipped,
        }

    def _unpack(self, archive_size: int) -> Outcome:
        wanted, partial, reader = self.wanted, self.places.partial, self.reader
        if isinstance(reader, ZipReader):
            insist_on_password(reader, wanted.password)
            resuming = wanted.resume and partial.matches(self.identity)
            total, files = _insist_on_room(reader, wanted, self.places, resuming=resuming)
        partial.open(self.identity, resume=wanted.resume)
        try:
            if isinstance(reader, ZipReader):
                return extract_zip(
                    reader, partial, wanted, total=total, files=files, early=self.early, progress=self.progress
                )
            return extract(reader, partial, wanted, archive_size=archive_size, progress=self.progress)
        except (LimitError, PasswordError):
            partial.remove()
            raise


def _insist_on_room(reader: ZipReader, wanted: Request, places: Places, *, resuming: bool) -> tuple[int, int]:
    """Return the bytes and the number of the wanted files, and refuse what cannot fit."""
    free, total, files = free_bytes(places.directory), reader.size, len(reader)
    if not wanted.wants_everything or total > free:
        sizes = [member.size for member, place in triage(reader, wanted, folds_case=False) if _is_file(member, place)]
        total, files = sum(sizes), len(sizes)
    Budget(wanted.limits, reader.source.size).spend(total)
    if total > free and not resuming:
        raise no_room(total, free)
    return total, files


def _is_file(member: Member, place: Parts | str) -> bool:
    return member.kind is Kind.FILE and not isinstance(place, str)


@disk_errors_in_words()
def discard_here(directory: str, root: str | None, progress: Progress) -> None:
    """Delete the unfinished staging of a target."""
    progress.start(None, "Discarding")
    folder = real_root(root)
    with closing(Partial(resolve_inside(folder, directory), folder)) as partial:
        partial.discard()
