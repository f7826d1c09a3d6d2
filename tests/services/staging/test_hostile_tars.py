"""Tar archives whose structure is odd or wrong: what is right comes out, and nothing wrong is called ok."""

from __future__ import annotations

import bz2
import gzip
import lzma
import random
import struct
from collections.abc import Callable
from pathlib import Path

import pytest

from colabpanel.services.staging.request import Limits
from tests.odd_archives import OK, PARTIAL, REFUSED, Odd, judge
from tests.odd_tars import END, FINE, file, gnu_name, gzipped, header, padded, pax

EITHER = (OK, PARTIAL, REFUSED)
NOT_OK = (PARTIAL, REFUSED)
A = {"a": FINE}
TWO = {"a": FINE, "b": FINE}
FIRST, LAST = file("a"), file("b") + END
HUGE = 512 << 20
LONG = "long/" * 40 + "name"
GNU_MAGIC = b"ustar  "


def _odd(*middle: bytes, truth: dict[str, bytes] = TWO, outcomes: tuple[str, ...] = (OK,), named: str = "") -> Odd:
    """Return an archive of two files with something between them."""
    return Odd(FIRST + b"".join(middle) + LAST, truth, outcomes, (named,) if named else ())


def _partial(*middle: bytes, named: str = "") -> Odd:
    return _odd(*middle, outcomes=(PARTIAL,), named=named)


def _sparse_old(*pieces: tuple[int, int], real: int, data: bytes, more: bool = False) -> bytes:
    """Return a member in GNU's old sparse format."""
    table = b"".join(b"%011o\0%011o\0" % piece for piece in pieces).ljust(96, b"\0")
    tail = bytes(41) + table + bytes([more]) + b"%011o\0" % real
    return header("sparse", len(data), b"S", magic=GNU_MAGIC, tail=tail) + padded(data)


def _sparse_pax(text: bytes, *, size: int, data: bytes) -> bytes:
    """Return a member in the sparse format 1.0 of pax."""
    values = {"GNU.sparse.major": "1", "GNU.sparse.minor": "0", "GNU.sparse.name": "sparse"}
    body = padded(text) + data
    return pax({**values, "GNU.sparse.realsize": str(size)}) + file("GNUSparseFile.0/sparse", body)


HOLES = bytes(1000) + b"x" * 24 + bytes(976)

FINE_ODDITIES: dict[str, Callable[[], Odd]] = {
    "empty": lambda: Odd(END, {}),
    "empty-record": lambda: Odd(bytes(10240), {}),
    "empty-gz": lambda: Odd(gzipped(bytes(10240)), {}),
    "one-zero-end": lambda: Odd(FIRST + file("b") + bytes(512), TWO, (OK, PARTIAL)),
    "zero-size": lambda: Odd(file("a", b"") + END, {"a": b""}),
    "v7": lambda: _odd(file("c", magic=b""), truth={**TWO, "c": FINE}),
    "v7-folder": lambda: _odd(header("d/", 0, b"\0", magic=b""), file("d/c", magic=b""), truth={**TWO, "d/c": FINE}),
    "signed-sum": lambda: _odd(file("\u00e9", signed=True), truth={**TWO, "\u00e9": FINE}),
    "prefix": lambda: _odd(file("c", prefix=b"x/y"), truth={**TWO, "x/y/c": FINE}),
    "base-256": lambda: _odd(
        header("c", b"\x80" + bytes(9) + struct.pack(">H", len(FINE))) + padded(FINE), truth={**TWO, "c": FINE}
    ),
    "space-size": lambda: _odd(header("c", b"%10o " % len(FINE)) + padded(FINE), truth={**TWO, "c": FINE}),
    "old-time": lambda: _odd(file("c", mtime=-5), truth={**TWO, "c": FINE}),
    "far-time": lambda: _odd(file("c", mtime=1 << 60), truth={**TWO, "c": FINE}),
    "gnu-long": lambda: _odd(gnu_name(LONG), file("long", magic=GNU_MAGIC), truth={**TWO, LONG: FINE}),
    "gnu-long-unended": lambda: _odd(
        gnu_name(LONG, size=len(LONG)), file("long", magic=GNU_MAGIC), truth={**TWO, LONG: FINE}
    ),
    "pax-path": lambda: _odd(pax({"path": LONG + "\u65e5"}), file("x"), truth={**TWO, LONG + "\u65e5": FINE}),
    "pax-size": lambda: _odd(pax({"size": "5"}), header("c", 0) + padded(b"12345"), truth={**TWO, "c": b"12345"}),
    "pax-global": lambda: Odd(pax({"comment": "c0ffee"}, kind=b"g") + FIRST + LAST, TWO),
    "pax-odd-time": lambda: _odd(pax({"mtime": "1600000000.123456789"}), file("c"), truth={**TWO, "c": FINE}),
    "pax-unknown": lambda: _odd(pax({"SCHILY.xattr.user.x": b"\0\xff"}), file("c"), truth={**TWO, "c": FINE}),
    "sparse-old": lambda: _odd(
        _sparse_old((1000, 24), (2000, 0), real=2000, data=b"x" * 24), truth={**TWO, "sparse": HOLES}
    ),
    "sparse-pax": lambda: _odd(
        _sparse_pax(b"2\n1000\n24\n2000\n0\n", size=2000, data=b"x" * 24), truth={**TWO, "sparse": HOLES}
    ),
    "label": lambda: _odd(header("label", 0, b"V", magic=GNU_MAGIC)),
    "dot-root": lambda: Odd(header("./", 0, b"5") + file("./a") + file("./b") + END, TWO),
    "appended": lambda: _odd(file("b", b"older"), file("a", b"newer"), truth={"a": b"newer", "b": FINE}),
    "case": lambda: _odd(file("A", b"1"), truth={**TWO, "A": b"1"}),
    "folder-twice": lambda: _odd(header("d/", 0, b"5"), file("d/c"), header("d/", 0, b"5"), truth={**TWO, "d/c": FINE}),
    "hard-link": lambda: _odd(header("c", 0, b"1", link="a"), truth={**TWO, "c": FINE}),
    "setuid": lambda: _odd(file("c", mode=0o6777), truth={**TWO, "c": FINE}),
    "mode-0": lambda: _odd(header("d/", 0, b"5", mode=0), file("d/c", mode=0), truth={**TWO, "d/c": FINE}),
    "sticky-folder": lambda: _odd(header("d/", 0, b"5", mode=0o7777), file("d/c"), truth={**TWO, "d/c": FINE}),
    "contiguous": lambda: _odd(file("c", kind=b"7"), truth={**TWO, "c": FINE}),
    "gz-members": lambda: Odd(gzipped(FIRST) + gzipped(b"") + gzipped(LAST), TWO),
    "gz-mid-split": lambda: Odd(gzipped((FIRST + LAST)[:700]) + gzipped((FIRST + LAST)[700:]), TWO),
    "gz-padded": lambda: Odd(gzipped(FIRST + LAST) + bytes(700), TWO),
    "gz-fields": lambda: Odd(gzipped(FIRST + LAST, flags=0x1C, fields=b"\4\0abcdname\0comment\0"), TWO),
    "gz-header-sum": lambda: Odd(gzipped(FIRST + LAST, flags=0x2), TWO),
    "bz2-streams": lambda: Odd(bz2.compress(FIRST) + bz2.compress(LAST), TWO),
    "xz-padded": lambda: Odd(lzma.compress(FIRST) + bytes(4) + lzma.compress(LAST), TWO),
    "many": lambda: Odd(b"".join(file(f"{n}", b"") for n in range(5000)) + END, {f"{n}": b"" for n in range(5000)}),
}

LINKS_AND_DEVICES: dict[str, Callable[[], Odd]] = {
    "symlink": lambda: _partial(header("l", 0, b"2", link="../canary"), named="l"),
    "sym-through": lambda: _odd(
        header("l", 0, b"2", link="../beside"),
        file("l/canary", b"evil"),
        truth={**TWO, "l/canary": b"evil"},
        outcomes=(PARTIAL,),
        named="l",
    ),
    "sym-chain": lambda: _odd(
        header("d/", 0, b"5"),
        header("d/up", 0, b"2", link=".."),
        header("d/up2", 0, b"2", link="up/.."),
        file("d/up2/canary", b"evil"),
        truth={**TWO, "d/up2/canary": b"evil"},
        outcomes=(PARTIAL,),
        named="d/up",
    ),
    "sym-replaced": lambda: _partial(header("a", 0, b"2", link="../canary"), file("a"), named="a"),
    "sym-folder": lambda: _partial(header("d", 0, b"2", link=".."), header("d/", 0, b"5"), named="d"),
    "hard-out": lambda: _partial(header("h", 0, b"1", link="../canary"), named="h"),
    "hard-abs": lambda: _partial(header("h", 0, b"1", link="/etc/passwd"), named="h"),
    "hard-sym": lambda: _partial(header("l", 0, b"2", link="../canary"), header("h", 0, b"1", link="l"), named="h"),
    "hard-write": lambda: _odd(
        header("h", 0, b"1", link="../canary"), file("h", b"evil"), truth={**TWO, "h": b"evil"}, outcomes=(PARTIAL,)
    ),
    "hard-ahead": lambda: _partial(header("h", 0, b"1", link="b"), named="h"),
    "hard-folder": lambda: _partial(header("d/", 0, b"5"), header("h", 0, b"1", link="d"), named="h"),
    "char": lambda: _partial(header("c", 0, b"3"), named="c"),
    "block": lambda: _partial(header("c", 0, b"4"), named="c"),
    "fifo": lambda: _partial(header("c", 0, b"6"), named="c"),
    "volume-rest": lambda: _partial(file("c", kind=b"M", magic=GNU_MAGIC), named="c"),
    "pax-link": lambda: _partial(pax({"linkpath": "../canary"}), header("h", 0, b"1", link="a"), named="h"),
    "long-link": lambda: _partial(gnu_name("../" * 50 + "x", kind=b"K"), header("h", 0, b"2"), named="h"),
}

WRONG: dict[str, Callable[[], Odd]] = {
    "sum": lambda: _odd(header("c", 0, wrong_sum=1), truth=A, outcomes=NOT_OK),
    "sum-first": lambda: Odd(header("c", 0, wrong_sum=1) + LAST, {}, (REFUSED,)),
    "size-text": lambda: _odd(header("c", b"nonsense"), truth=A, outcomes=NOT_OK),
    "size-minus": lambda: _odd(header("c", b"\xff" * 12), outcomes=NOT_OK),
    "size-minus-1k": lambda: _odd(header("c", -1024), outcomes=NOT_OK),
    "size-huge": lambda: _odd(header("c", 1 << 62), truth=A, outcomes=NOT_OK),
    "pax-size-minus": lambda: _odd(pax({"size": "-512"}), header("c"), truth=TWO, outcomes=NOT_OK),
    "pax-size-text": lambda: _odd(pax({"size": "many"}), file("c"), truth=A, outcomes=NOT_OK),
    "pax-huge": lambda: _odd(pax({"path": "p"}, size=HUGE), file("c"), truth=A, outcomes=NOT_OK),
    "pax-g-huge": lambda: _odd(pax({"path": "p"}, size=HUGE, kind=b"g"), truth=A, outcomes=NOT_OK),
    "gnu-huge": lambda: _odd(gnu_name("n", size=HUGE), file("c"), truth=A, outcomes=NOT_OK),
    "gnu-k-huge": lambda: _odd(gnu_name("n", size=HUGE, kind=b"K"), truth=A, outcomes=NOT_OK),
    "gnu-huge-first": lambda: Odd(gnu_name("n", size=HUGE) + LAST, {}, (REFUSED,)),
    "pax-length": lambda: _odd(header("x", 20, b"x"), padded(b"99 path=evil\n"), outcomes=NOT_OK),
    "pax-alone": lambda: Odd(FIRST + pax({"path": "b"}), A, NOT_OK),
    "gnu-alone": lambda: Odd(FIRST + gnu_name("b"), A, NOT_OK),
    "pax-then-end": lambda: Odd(FIRST + pax({"path": "b"}) + END, A, NOT_OK),
    "file-folder": lambda: _partial(file("a/x"), named="a/x"),
    "folder-file": lambda: _odd(file("d/c"), file("d"), truth={**TWO, "d/c": FINE}, outcomes=(PARTIAL,), named="d"),
    "sparse-back": lambda: _odd(_sparse_old((1500, 12), (0, 12), real=2000, data=b"x" * 24), outcomes=NOT_OK),
    "sparse-over": lambda: _odd(_sparse_old((0, 24), (10, 24), real=2000, data=b"x" * 48), outcomes=NOT_OK),
    "sparse-past": lambda: _odd(_sparse_old((1990, 24), real=2000, data=b"x" * 24), outcomes=NOT_OK),
    "sparse-less": lambda: _odd(_sparse_old((1000, 99), real=2000, data=b"x" * 24), outcomes=NOT_OK),
    "sparse-tera": lambda: _odd(_sparse_old((0, 24), real=1 << 32, data=b"x" * 24), outcomes=NOT_OK),
    "sparse-map": lambda: _odd(_sparse_pax(b"2\n10\nxx\n", size=99, data=b"x"), truth=A, outcomes=NOT_OK),
    "sparse-map-long": lambda: _odd(_sparse_pax(b"9" * 99, size=99, data=b"x"), truth=A, outcomes=NOT_OK),
    "two-tars": lambda: Odd(FIRST + END + LAST, TWO, (PARTIAL,)),
    "gz-garbage": lambda: Odd(gzipped(FIRST + LAST) + b"garbage", TWO, (PARTIAL,)),
    "gz-no-end": lambda: Odd(gzipped(FIRST + LAST)[:-8], TWO, (PARTIAL,)),
    "gz-length": lambda: Odd(gzipped(FIRST + LAST)[:-4] + b"\1\0\0\0", TWO, (PARTIAL,)),
}


@pytest.mark.parametrize("case", FINE_ODDITIES)
def test_odd_but_right_is_unpacked_whole(tmp_path: Path, case: str) -> None:
    judge(FINE_ODDITIES[case](), tmp_path)


@pytest.mark.parametrize("case", LINKS_AND_DEVICES)
def test_links_and_devices_are_skipped_and_named(tmp_path: Path, case: str) -> None:
    judge(LINKS_AND_DEVICES[case](), tmp_path)


@pytest.mark.parametrize("case", WRONG)
def test_what_is_wrong_is_told(tmp_path: Path, case: str) -> None:
    judge(WRONG[case](), tmp_path, limits=Limits(total_bytes=64 << 20))


def test_a_tar_cut_anywhere_is_not_ok(tmp_path: Path) -> None:
    whole = FIRST + pax({"path": "b"}) + gnu_name("b") + file("x")
    step = len(FIRST)
    for cut in (100, 511, 512, 600, step - 1, step, step + 9, step + 512, step + 600, step + 1024, len(whole)):
        place = tmp_path / f"{cut}"
        place.mkdir()
        judge(Odd(whole[:cut], TWO, NOT_OK), place)


@pytest.mark.parametrize("pack", [gzip.compress, bz2.compress, lzma.compress], ids=["gz", "bz2", "xz"])
def test_a_flipped_bit_is_never_ok_with_wrong_bytes(tmp_path: Path, pack: Callable[[bytes], bytes]) -> None:
    """Before its end a stream has no way to know, so what is partial may hold a wrong byte."""
    chance, packed = random.Random(5), pack(FIRST + file("c", random.Random(1).randbytes(3000)) + LAST)
    truth = {**TWO, "c": random.Random(1).randbytes(3000)}
    for number in range(12):
        place = tmp_path / f"{number}"
        place.mkdir()
        raw = bytearray(packed)
        raw[chance.randrange(len(raw))] ^= 1 << chance.randrange(8)
        outcome = _outcome(bytes(raw), truth, place)
        assert outcome in EITHER


def _outcome(raw: bytes, truth: dict[str, bytes], place: Path) -> str:
    from colabpanel import stage
    from colabpanel.errors import ArchiveError
    from tests.archives import tree_of

    (place / "archive").write_bytes(raw)
    try:
        staged = stage(place / "archive", place / "out")
    except ArchiveError:
        return REFUSED
    assert staged.status == PARTIAL or tree_of(place / "out") == truth
    return staged.status
