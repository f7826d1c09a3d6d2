"""What runs in the child process: one fetch, from a request to a JSON result."""

from __future__ import annotations

import hashlib
import os
import uuid
import zlib
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

from colabpanel.errors import InputError, JobBusyError, PathError, SpaceError
from colabpanel.progress import Progress
from colabpanel.services.copying.ledger import one_at_a_time
from colabpanel.services.disks import disk_errors_in_words
from colabpanel.services.fetching.journal import Journal, discard, without_resume
from colabpanel.services.fetching.names import clean, name_for
from colabpanel.services.fetching.parts import Source
from colabpanel.services.fetching.ranges import Ranges
from colabpanel.services.fetching.receipts import Receipts
from colabpanel.services.fetching.request import Request
from colabpanel.services.fetching.verify import differing, insist_on_sums
from colabpanel.services.files import free_bytes
from colabpanel.services.mounts import insist_on_drive, is_remote
from colabpanel.services.paths import real_root, resolve_inside
from colabpanel.services.tree import Tree
from colabpanel.services.web.addresses import parse
from colabpanel.services.web.answers import Version, part_of, version_of
from colabpanel.services.web.lines import Network
from colabpanel.services.web.opening import LOOK_FIRST, Opened, Opener, RefusedError
from colabpanel.services.web.parts import ChangedError, NoRangesError
from colabpanel.services.web.stand_ins import LOOK_AT, insist_on_file, is_stand_in
from colabpanel.services.web.stream import bring_in_one
from colabpanel.words import size as say_size

__all__ = ["fetch_here"]

_FIRST = 1 << 20
"""Bytes that are asked for before it is known how many there are."""

_MOST_TRIES = 3
_COMPRESSED = (".gz", ".tgz", ".svgz", ".bz2", ".tbz2", ".xz", ".txz", ".zst", ".tzst", ".br", ".z")
"""Names of files that some servers call compressed, and mean the files themselves."""
_MOST_STAND_INS = 3


@disk_errors_in_words()
def fetch_here(request: dict[str, Any], progress: Progress) -> dict[str, Any]:
    """Fetch in this process; see `colabpanel.fetch` for the meaning of it.

    Returns:
        What `colabpanel.services.fetching.models.Fetched` holds; or ``refused``, the number of the answer
        of a server that does not give the file to whoever asks, and its ``host``.
    """
    try:
        return _Fetch(Request(**request), progress).run()
    except RefusedError as refused:
        return {"refused": refused.status, "host": refused.address.host}


class _Fetch:
    def __init__(self, request: Request, progress: Progress) -> None:
        self._request, self._progress = request, progress
        self._address = parse(request.url)
        self._given = insist_on_sums(sha256=request.sha256, md5=request.md5)
        self._network = Network(served=request.served)
        self._opener = Opener(self._network, request.secrets, progress)
        self._folder = resolve_inside(real_root(request.root), request.directory)
        self._receipts = Receipts(request.state_dir)
        self._ranged = True
        self._key = hashlib.sha256((request.key or self._address.url).encode()).hexdigest()

    def run(self) -> dict[str, Any]:
        """Fetch; a file that changes meanwhile is fetched anew."""
        insist_on_drive(self._folder)
        if self._folder.exists() and not self._folder.is_dir():
            raise PathError(f"{self._folder} is a file, not a folder.", hint="Choose a folder.")
        for _ in range(_MOST_TRIES):
            try:
                return self._once()
            except NoRangesError:
                break
            except ChangedError:
                continue
        # One answer is of one version, though machines behind one name may each call it another.
        self._ranged = False
        return self._once()

    def _once(self) -> dict[str, Any]:
        self._progress.start(None, f"Asking {self._address.host}")
        opened = self._open()
        try:
            version, target = version_of(opened.response), self._folder / self._name(opened)
            _insist_on_plain_bytes(opened, target.name)
            self._insist_on_place(target)
            if self._is_there(target, version):
                return self._result(target, version, reused=True)
            self._folder.mkdir(parents=True, exist_ok=True)
            with ExitStack() as stack:
                self._alone_at(target, stack)
                return self._bring(opened, version, target)
        finally:
            opened.line.close()

    def _open(self) -> Opened:
        """Ask for the first bytes of the file, past pages and pointers that come instead."""
        address = self._address
        for _ in range(_MOST_STAND_INS):
            opened = self._opener.open(address, {"Range": f"bytes=0-{_FIRST - 1}"} if self._ranged else {})
            if self._ranged and not _gives_parts(opened):
                self._ranged = False
                if opened.response.status != 200:  # noqa: PLR2004 - all of it is there
                    opened.line.close()
                    continue
            with ExitStack() as stack:
                stack.callback(opened.line.close)
                start, kind = opened.body.peek(LOOK_FIRST), opened.response.headers.get("Content-Type", "")
                if not is_stand_in(start, kind, self._name(opened)):
                    stack.pop_all()
                    return opened
                address = opened.address.join(insist_on_file(opened.beginning(LOOK_AT), opened.address))
        raise InputError("The address leads to pages instead of a file.", hint="Give the link of the file itself.")

    def _name(self, opened: Opened) -> str:
        if self._request.name is None:
            return name_for(self._address, opened.address, opened.response.headers)
        if self._request.name != clean(self._request.name):
            raise PathError("The name cannot be used.", hint="Give the name of one file, as data.zip.")
        return self._request.name

    def _insist_on_place(self, target: Path) -> None:
        if target.is_dir():
            raise PathError(f"{target} is a folder.", hint="Give the file another name.")
        if self._request.overwrite == "never" and os.path.lexists(target):
            raise PathError(f"{target} exists already.", hint="Allow replacing it, or give the file another name.")

    def _is_there(self, target: Path, version: Version) -> bool:
        if self._request.overwrite == "always" or not target.is_file():
            return False
        if self._given:
            same_size = version.size in {None, target.stat().st_size}
            return same_size and not differing(target, self._given, self._progress)
        return self._receipts.holds(target, self._key, version)

    def _alone_at(self, target: Path, stack: ExitStack) -> None:
        try:
            stack.enter_context(one_at_a_time(self._request.state_dir, target))
        except JobBusyError:
            raise JobBusyError(f"{target} is being fetched already.", hint="Wait until that ends.") from None

    def _bring(self, opened: Opened, version: Version, target: Path) -> dict[str, Any]:
        part = self._part_of(target)
        part.parent.mkdir(parents=True, exist_ok=True)
        self._insist_on_room(version, part, target)
        resumed = 0
        if self._ranged:
            resumed = self._bring_ranges(opened, version, part)
        else:
            version = self._bring_stream(opened, version, part)
        wrong = differing(part, {**opened.sums, **self._given}, self._progress)
        if wrong:
            discard(part)
            if resumed:  # what was there before may be of another version
                raise ChangedError
            raise InputError(
                f"The file does not have the {wrong[0]} that was {'given' if wrong[0] in self._given else 'stated'}.",
                hint="Nothing of it was kept. Check the address and the checksum, then try again.",
            )
        self._put(part, target)
        self._receipts.keep(target, self._key, version)
        return self._result(target, version, resumed=resumed, sums=[*{**opened.sums, **self._given}])

    def _part_of(self, target: Path) -> Path:
        """Return where the file is put together: beside its place, or on the local disk if that is far away."""
        if self._request.state_dir is None or not is_remote(self._folder):
            return target.with_name(f"{target.name}.part")
        return Path(self._request.state_dir) / "fetches" / f"{zlib.crc32(os.fsencode(target)):08x}.part"

    def _insist_on_room(self, version: Version, part: Path, target: Path) -> None:
        if version.size is None:
            return
        there = part.stat().st_blocks * 512 if part.exists() and hasattr(os.stat_result, "st_blocks") else 0
        needs = {target.parent: version.size, part.parent: version.size - there}
        for folder, needed in needs.items():
            free = free_bytes(folder)
            if needed > free:
                raise SpaceError(
                    f"The file needs {say_size(needed)}, and {say_size(free)} are free.",
                    hint="Free some space, or choose another folder.",
                )

    def _bring_ranges(self, opened: Opened, version: Version, part: Path) -> int:
        """Bring the file in ranges; returns the bytes that were there already."""
        assert version.size is not None
        identity: list[Any] = [self._key, version.etag, version.modified]
        if self._given:
            identity = [self._given]  # which the whole file will be compared with
        elif not version.is_told_apart:
            identity = [uuid.uuid4().hex]
        with closing(Journal(part, identity, version.size)) as journal:
            resumed = journal.recall(self._progress)
            Ranges(Source(opened, version, self._opener, self._network, self._open), journal, self._progress).run()
        return resumed

    def _bring_stream(self, opened: Opened, version: Version, part: Path) -> Version:
        with without_resume(part):
            size, knows_its_end = bring_in_one(opened, part, self._open, self._progress)
        return version._replace(size=size if knows_its_end else None)

    def _put(self, part: Path, target: Path) -> None:
        """Give the file its name."""
        self._progress.advance(0)
        if part.parent == target.parent:
            part.replace(target)
        else:
            from colabpanel.services.copying.one_file import copy_file

            self._progress.start(part.stat().st_size, "Copying to the folder")
            with Tree(target.parent) as tree:
                copy_file(part, tree, (target.name,), self._progress.advance, threads=1)
        discard(part)

    def _result(
        self, target: Path, version: Version, *, reused: bool = False, resumed: int = 0, sums: list[str] | None = None
    ) -> dict[str, Any]:
        compared = [*self._given] if reused else sums or []
        return {
            "path": str(target),
            "size": target.stat().st_size,
            "reused": reused,
            "resumed": resumed,
            "checked": [*(["size"] if version.size is not None else []), *compared],
            "source": self._address.shown,
        }


def _insist_on_plain_bytes(opened: Opened, name: str) -> None:
    """Refuse an answer that is compressed on its way, though that was not asked for: its bytes are not the file's."""
    coding = opened.response.headers.get("Content-Encoding", "identity").strip().lower()
    if coding not in {"", "identity"} and not name.lower().endswith(_COMPRESSED):
        raise InputError(
            f"{opened.address.host} sends the file compressed ({coding[:20]}), which it was asked not to do.",
            hint="Give an address that gives the file itself.",
        )


def _gives_parts(opened: Opened) -> bool:
    part = part_of(opened.response)
    return part is not None and part[0] == 0 and part[2] is not None
