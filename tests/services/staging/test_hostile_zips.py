"""Zip archives whose structure is odd or wrong: what is right comes out, and nothing wrong is called ok."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest

from colabpanel import stage
from colabpanel.errors import ArchiveError
from tests.archives import tree_of
from tests.odd_archives import OK, PARTIAL, REFUSED, Odd, judge
from tests.odd_zips import FINE, Entry, build, deflated, end_record
from tests.quine import quine_zip

EITHER = (OK, PARTIAL, REFUSED)
NOT_OK = (PARTIAL, REFUSED)
TWO = {"a": FINE, "b": FINE}
A = {"a": FINE}


def _pair(**more: object) -> bytes:
    """Return an archive of two members, the second an odd one."""
    return build([Entry("a"), Entry("b", **more)])  # type: ignore[arg-type]  # Entry checks them


def _unicode_path(name: str, raw: bytes, *, wrong: int = 0) -> bytes:
    body = struct.pack("<BI", 1, zlib.crc32(raw) ^ wrong) + name.encode()
    return struct.pack("<HH", 0x7075, len(body)) + body


FAKE_END = b"see " + end_record(0, 0, 0) + b" and more"
SPANNED = b"PK\x07\x08"
SPANNED_ONE = b"PK00"
JUNK = b"\xfe\xca" + struct.pack("<H", 500) + b"cut short"

FINE_ODDITIES: dict[str, Callable[[], Odd]] = {
    "dd-signed": lambda: Odd(_pair(method=8, descriptor="signed"), TWO),
    "dd-bare": lambda: Odd(_pair(method=8, descriptor="bare"), TWO),
    "dd-signed64": lambda: Odd(_pair(method=8, descriptor="signed64"), TWO),
    "dd-bare64": lambda: Odd(_pair(method=8, descriptor="bare64"), TWO),
    "dd-stored": lambda: Odd(_pair(descriptor="signed"), TWO),
    "dd-stored-bare": lambda: Odd(_pair(descriptor="bare"), TWO),
    "dd-empty": lambda: Odd(_pair(content=b"", method=8, descriptor="signed"), {"a": FINE, "b": b""}),
    "dd-like-data": lambda: Odd(_pair(content=b"PK\x07\x08" * 50, descriptor="signed"), {**TWO, "b": b"PK\7\x08" * 50}),
    "z64-sizes": lambda: Odd(_pair(method=8, zip64=("usize", "csize")), TWO),
    "z64-usize": lambda: Odd(_pair(zip64=("usize",)), TWO),
    "z64-csize": lambda: Odd(_pair(zip64=("csize",)), TWO),
    "z64-offset": lambda: Odd(_pair(zip64=("offset",)), TWO),
    "z64-all": lambda: Odd(_pair(zip64=("usize", "csize", "offset", "disk")), TWO),
    "z64-dd": lambda: Odd(_pair(method=8, zip64=("usize", "csize"), descriptor="signed64"), TWO),
    "z64-end": lambda: Odd(build([Entry("a"), Entry("b")], zip64="full"), TWO),
    "z64-end-small": lambda: Odd(build([Entry("a"), Entry("b")], zip64="plain"), TWO),
    "z64-end-extra": lambda: Odd(build([Entry("a"), Entry("b")], zip64="full", end64_extra=bytes(20)), TWO),
    "z64-comment": lambda: Odd(build([Entry("a"), Entry("b")], zip64="full", comment=b"hello"), TWO),
    "z64-empty": lambda: Odd(build([], zip64="full"), {}),
    "empty": lambda: Odd(build([]), {}),
    "empty-comment": lambda: Odd(build([], comment=b"nothing in here"), {}),
    "zero-stored": lambda: Odd(build([Entry("a", b"")]), {"a": b""}),
    "zero-deflated": lambda: Odd(build([Entry("a", b"", method=8)]), {"a": b""}),
    "zero-bzip2": lambda: Odd(build([Entry("a", b"", method=12)]), {"a": b""}),
    "folder-packed": lambda: Odd(build([Entry("d/", b"", method=8), Entry("d/a")]), {"d/a": FINE}),
    "folder-twice": lambda: Odd(build([Entry("d/", b""), Entry("d/a"), Entry("d/", b"")]), {"d/a": FINE}),
    "sfx": lambda: Odd(build([Entry("a"), Entry("b")], prefix=b"#!/bin/sh\n" * 99), TWO),
    "sfx-uncounted": lambda: Odd(build([Entry("a"), Entry("b")], prefix=b"MZ" * 999, counts_prefix=False), TWO),
    "sfx-z64": lambda: Odd(build([Entry("a"), Entry("b")], prefix=b"MZ" * 999, zip64="full"), TWO),
    "sfx-big": lambda: Odd(build([Entry("a"), Entry("b")], prefix=b"MZ" * (1 << 19)), TWO),
    "spanned": lambda: Odd(build([Entry("a"), Entry("b")], prefix=SPANNED), TWO),
    "spanned-one": lambda: Odd(build([Entry("a"), Entry("b")], prefix=SPANNED_ONE), TWO),
    "comment": lambda: Odd(build([Entry("a"), Entry("b")], comment=b"c" * 65535), TWO),
    "comment-sign": lambda: Odd(build([Entry("a"), Entry("b")], comment=b"PK\x05\x06"), TWO),
    "comment-end": lambda: Odd(build([Entry("a"), Entry("b")], comment=FAKE_END), TWO),
    "comment-signs": lambda: Odd(build([Entry("a"), Entry("b")], comment=b"PK\x05\x06" * 9000), TWO),
    "member-comment": lambda: Odd(_pair(comment=b"PK\x01\x02PK\x05\x06"), TWO),
    "unlike-order": lambda: Odd(build([Entry("b"), Entry("a")]), TWO),
    "align": lambda: Odd(_pair(local_extra=bytes(3)), TWO),
    "align-central": lambda: Odd(_pair(central_extra=bytes(3)), TWO),
    "odd-extra": lambda: Odd(_pair(local_extra=JUNK), TWO),
    "setuid": lambda: Odd(_pair(mode=0o106777), TWO),
    "sticky-folder": lambda: Odd(build([Entry("d/", b"", mode=0o043777), Entry("d/b")]), {"d/b": FINE}),
    "no-mode": lambda: Odd(_pair(mode=0), TWO),
    "mode-0": lambda: Odd(_pair(mode=0o100000), TWO),
    "dos": lambda: Odd(_pair(mode=0o120777, system=0), TWO),
    "backslash": lambda: Odd(build([Entry("d\\a", system=0)]), {"d/a": FINE}),
    "case": lambda: Odd(build([Entry("A.txt"), Entry("a.txt", b"other")]), {"A.txt": FINE, "a.txt": b"other"}),
    "utf8-unflagged": lambda: Odd(build([Entry("\u00e4\u65e5".encode())]), {"\u00e4\u65e5": FINE}),
    "cp437": lambda: Odd(build([Entry(b"\x81ber")]), {"\u00fcber": FINE}),
    "shift-jis": lambda: Odd(build([Entry("\u65e5\u672c\u8a9e".encode("shift-jis"))]), {"any": FINE}, any_name=True),
    "quine": lambda: Odd(quine_zip(), {"q.zip": quine_zip()}),
    "nested": lambda: Odd(build([Entry("n.zip", build([Entry("../evil")]))]), {"n.zip": build([Entry("../evil")])}),
    "many": lambda: Odd(build(Entry(f"{at}", b"") for at in range(5000)), {f"{at}": b"" for at in range(5000)}),
}

WRONG: dict[str, Callable[[], Odd]] = {
    "swallowed": lambda: Odd(build([Entry("a", comment_size=47), Entry("b")]), A, NOT_OK),
    "toc-long": lambda: Odd(build([Entry("a"), Entry("b")], claims=3), TWO, NOT_OK),
    "front-lost": lambda: Odd(build([Entry("a"), Entry("b")])[1:], {"b": FINE}, NOT_OK),
    "front-lost-much": lambda: Odd(build([Entry("a"), Entry("b")])[900:], {"b": FINE}, NOT_OK),
    "middle-lost": lambda: Odd(build([Entry("a"), Entry("b")]).replace(FINE[:99], b""), {}, NOT_OK),
    "crc": lambda: Odd(_pair(crc=1), {"a": FINE}, NOT_OK, ("b",)),
    "crc-deflated": lambda: Odd(_pair(method=8, crc=1), {"a": FINE}, NOT_OK, ("b",)),
    "crc-zero": lambda: Odd(_pair(crc=0), {"a": FINE}, NOT_OK, ("b",)),
    "crc-empty": lambda: Odd(_pair(content=b"", crc=5), {"a": FINE}, NOT_OK, ("b",)),
    "short": lambda: Odd(_pair(method=8, central_sizes=(99, 10)), {"a": FINE}, NOT_OK),
    "usize-less": lambda: Odd(_pair(central_sizes=(len(FINE), 10)), {"a": FINE}, NOT_OK, ("b",)),
    "usize-more": lambda: Odd(_pair(central_sizes=(len(FINE), 9999)), {"a": FINE}, NOT_OK, ("b",)),
    "csize-less": lambda: Odd(_pair(central_sizes=(10, len(FINE))), {"a": FINE}, NOT_OK, ("b",)),
    "csize-more": lambda: Odd(_pair(central_sizes=(len(FINE) + 9, len(FINE))), {"a": FINE}, NOT_OK),
    "size-lie": lambda: Odd(_pair(central_sizes=(10, 10)), {"a": FINE}, NOT_OK, ("b",)),
    "size-zero": lambda: Odd(_pair(central_sizes=(0, 0)), {"a": FINE}, NOT_OK, ("b",)),
    "bad-deflate": lambda: Odd(_pair(method=8, packed=b"\xff" * 50), {"a": FINE}, NOT_OK, ("b",)),
    "half-deflate": lambda: Odd(_pair(method=8, packed=deflated(FINE)[:-9]), {"a": FINE}, NOT_OK, ("b",)),
    "far": lambda: Odd(_pair(offset=99_999), {"a": FINE}, NOT_OK),
    "same-data": lambda: Odd(_pair(offset=0), TWO, NOT_OK),
    "off-by-one": lambda: Odd(_pair(offset=1), {"a": FINE}, NOT_OK),
    "overlap": lambda: Odd(
        build([Entry("k", bytes(99_999))] + [Entry(f"{n}", offset=0) for n in range(99)]), {}, NOT_OK
    ),
    "twice": lambda: Odd(build([Entry("a"), Entry("b", b"1"), Entry("b")]), TWO, NOT_OK, ("b",)),
    "twice-spelt-at-the-end": lambda: Odd(build([Entry("a"), Entry("b", b"1"), Entry("b/.")]), TWO, NOT_OK),
    "twice-spelt": lambda: Odd(build([Entry("a"), Entry("./b", b"1"), Entry("b")]), TWO, NOT_OK),
    "file-folder": lambda: Odd(build([Entry("a"), Entry("a/x"), Entry("b")]), TWO, NOT_OK, ("a/x",)),
    "folder-file": lambda: Odd(build([Entry("a/x"), Entry("a"), Entry("b")]), {"a/x": FINE, "b": FINE}, NOT_OK, ("a",)),
    "folder-is-file": lambda: Odd(build([Entry("a"), Entry("a/", b""), Entry("b")]), TWO, NOT_OK, ("a/",)),
    "deflate64": lambda: Odd(_pair(packed=b"x", method=9), {"a": FINE}, NOT_OK, ("b",)),
    "strong": lambda: Odd(_pair(flags=0x41), {"a": FINE}, NOT_OK),
    "z64-huge": lambda: Odd(_pair(central_sizes=(1 << 62, 1 << 62), zip64=("usize", "csize")), {"a": FINE}, NOT_OK),
    "z64-negative": lambda: Odd(_pair(offset=(1 << 64) - 1, zip64=("offset",)), {"a": FINE}, NOT_OK),
    "z64-missing": lambda: Odd(_pair(central_sizes=(0xFFFFFFFF, 0xFFFFFFFF)), {"a": FINE}, NOT_OK),
    "disk-2": lambda: Odd(build([Entry("b"), Entry("a", disk=0, offset=9999)], disk=1), {"b": FINE}, NOT_OK),
    "symlink": lambda: Odd(_pair(content=b"../canary", mode=0o120777), {"a": FINE}, (PARTIAL,), ("b",)),
    "fifo": lambda: Odd(_pair(content=b"", mode=0o010644), {"a": FINE}, (PARTIAL,), ("b",)),
    "device": lambda: Odd(_pair(content=b"", mode=0o060644), {"a": FINE}, (PARTIAL,), ("b",)),
    "socket": lambda: Odd(_pair(content=b"", mode=0o140644), {"a": FINE}, (PARTIAL,), ("b",)),
}

# Readers differ about these; whatever is chosen, the bytes must be right.
DEBATABLE: dict[str, Callable[[], Odd]] = {
    "toc-short": lambda: Odd(build([Entry("a"), Entry("b")], claims=1), TWO, EITHER),
    "bad-utf8": lambda: Odd(build([Entry("a"), Entry(b"\xff\xfe", flags=0x800)]), TWO, (OK, PARTIAL), any_name=True),
    "odd-extra-toc": lambda: Odd(_pair(central_extra=JUNK), TWO, (OK, PARTIAL)),
    "local-sizes": lambda: Odd(_pair(local_sizes=(5, 5)), TWO, EITHER),
    "local-name": lambda: Odd(_pair(local_name=b"../../evil"), TWO, EITHER),
    "local-method": lambda: Odd(_pair(local_method=8), TWO, EITHER),
    "padded-deflate": lambda: Odd(_pair(method=8, packed=deflated(FINE) + bytes(9)), TWO, EITHER),
    "trailing": lambda: Odd(build([Entry("a"), Entry("b")], trailing=b"\r\n"), TWO, EITHER),
    "trailing-much": lambda: Odd(build([Entry("a"), Entry("b")], trailing=bytes(99_999)), TWO, EITHER),
    "up-path": lambda: Odd(_pair(central_extra=_unicode_path("../evil", b"b")), TWO, EITHER),
    "up-path-abs": lambda: Odd(_pair(central_extra=_unicode_path("/tmp/evil", b"b")), TWO, EITHER),
    "up-path-nul": lambda: Odd(_pair(central_extra=_unicode_path("b\0", b"b")), TWO, EITHER),
    "up-path-stale": lambda: Odd(_pair(central_extra=_unicode_path("other", b"b", wrong=1)), TWO),
    "up-path-fine": lambda: Odd(
        build([Entry(b"\x93", central_extra=_unicode_path("\u65e5", b"\x93"))]), {"any": FINE}, any_name=True
    ),
    "folder-data": lambda: Odd(build([Entry("d/", b"data"), Entry("a")]), {"a": FINE}, EITHER),
    "link-through": lambda: Odd(
        build([Entry("l", b"../beside", mode=0o120777), Entry("l/canary")]), {"l/canary": FINE}, (PARTIAL,), ("l",)
    ),
}


@pytest.mark.parametrize("case", FINE_ODDITIES)
def test_odd_but_right_is_unpacked_whole(tmp_path: Path, case: str) -> None:
    assert judge(FINE_ODDITIES[case](), tmp_path) == OK


@pytest.mark.parametrize("case", WRONG)
def test_what_is_wrong_is_told(tmp_path: Path, case: str) -> None:
    judge(WRONG[case](), tmp_path)


@pytest.mark.parametrize("case", DEBATABLE)
def test_what_readers_differ_about_gives_no_wrong_bytes(tmp_path: Path, case: str) -> None:
    judge(DEBATABLE[case](), tmp_path)


def test_a_zip_cut_anywhere_is_not_ok(tmp_path: Path) -> None:
    first, second = Entry("a", method=8, descriptor="signed"), Entry("b")
    whole = build([first, second], zip64="full", comment=b"the end")
    local = len(first.local())
    start = local + len(second.local())
    marks = [4, 30, 31, local - 16, local - 12, local, local + 30, start, start + 4, start + 46, start + 47]
    end64 = whole.index(b"PK\x06\x06")
    marks += [end64, end64 + 4, end64 + 56, end64 + 60, end64 + 76, end64 + 80, len(whole) - 8]
    for cut in marks:
        place = tmp_path / f"{cut}"
        place.mkdir()
        judge(Odd(whole[:cut], TWO, NOT_OK), place)


def test_a_unicode_path_names_the_member(tmp_path: Path) -> None:
    raw = "\u65e5".encode("shift-jis")
    (tmp_path / "a.zip").write_bytes(build([Entry(raw, central_extra=_unicode_path("\u65e5", raw))]))
    stage(tmp_path / "a.zip", tmp_path / "out")
    assert tree_of(tmp_path / "out") == {"\u65e5": FINE}


def test_a_refusal_names_the_archive_and_helps(tmp_path: Path) -> None:
    (tmp_path / "cut.zip").write_bytes(build([Entry("a")])[:-30])
    with pytest.raises(ArchiveError, match=r"cut\.zip") as caught:
        stage(tmp_path / "cut.zip", tmp_path / "out")
    assert caught.value.hint
