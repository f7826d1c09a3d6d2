"""Random archives, whole or with one random wound, against a slow and simple extraction written here."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from colabpanel import stage
from colabpanel.errors import ArchiveError
from colabpanel.services.staging.request import Limits
from tests.archives import tree_of

Files = dict[str, bytes]

_LETTERS = st.sampled_from("abcXYZ019 .-_~%()'\u00e4\u00df\u65e5\U0001f600\u0301")
_PARTS = st.text(_LETTERS, min_size=1, max_size=12).filter(lambda part: part not in {".", ".."})
_NAMES = st.lists(_PARTS, min_size=1, max_size=4).map("/".join)
_SIZES = st.one_of(st.just(0), st.integers(0, 300), st.integers(0, 40_000), st.integers(1_000_000, 1_200_000))
_METHODS = [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA]
_FORMATS = [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT]
_PACKERS: dict[str, Callable[[bytes], bytes]] = {
    "tar": bytes,
    "gz": gzip.compress,
    "bz2": bz2.compress,
    "xz": lzma.compress,
}


@st.composite
def _contents(draw: st.DrawFn) -> bytes:
    size, seed = draw(_SIZES), draw(st.binary(min_size=1, max_size=20))
    return (seed * (size // len(seed) + 1))[:size]


@st.composite
def _trees(draw: st.DrawFn) -> Files:
    """Draw files none of which stands where another needs a folder."""
    files: Files = {}
    for name in draw(st.lists(_NAMES, max_size=8, unique=True)):
        above = {"/".join(name.split("/")[:depth]) for depth in range(1, name.count("/") + 1)}
        if not above & files.keys() and not any(other.startswith(f"{name}/") for other in files):
            files[name] = draw(_contents())
    return files


def _write_zip(draw: st.DrawFn, files: Files) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as archive:
        for name, content in files.items():
            if "/" in name and draw(st.booleans()):
                _add_folder(archive, name.rpartition("/")[0])
            info = zipfile.ZipInfo(name, (draw(st.integers(1980, 2107)), 2, 3, 4, 5, 6))
            info.compress_type = draw(st.sampled_from(_METHODS))
            info.create_system = draw(st.sampled_from([0, 3]))
            info.external_attr = draw(st.sampled_from([0, 0o100644, 0o100755, 0o100000])) << 16
            with archive.open(info, "w", force_zip64=draw(st.booleans())) as stream:
                stream.write(content)
        archive.comment = draw(st.sampled_from([b"", b"a comment", bytes(300)]))
    prefix: bytes = draw(st.sampled_from([b"", b"", b"#!/bin/sh\nexit\n"]))
    return prefix + target.getvalue()


def _add_folder(archive: zipfile.ZipFile, name: str) -> None:
    if f"{name}/" not in archive.namelist():
        archive.writestr(f"{name}/", b"")


def _write_tar(draw: st.DrawFn, files: Files, kind: str) -> bytes:
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w", format=draw(st.sampled_from(_FORMATS))) as archive:
        front = draw(st.sampled_from(["", "./"]))
        for name, content in files.items():
            info = tarfile.TarInfo(front + name)
            info.size, info.mode = len(content), draw(st.sampled_from([0o644, 0o755, 0, 0o7777]))
            info.mtime = draw(st.integers(0, 1 << 32))
            archive.addfile(info, io.BytesIO(content))
    return _PACKERS[kind](target.getvalue())


@st.composite
def _archives(draw: st.DrawFn) -> tuple[str, Files, bytes]:
    kind, files = draw(st.sampled_from(["zip", "zip", "zip", *_PACKERS])), draw(_trees())
    return kind, files, _write_zip(draw, files) if kind == "zip" else _write_tar(draw, files, kind)


@st.composite
def _wounded(draw: st.DrawFn) -> tuple[str, Files, bytes]:
    kind, files, raw = draw(_archives())
    # Most of the structure of a zip stands at its end, and of a tar at its start.
    near = draw(st.integers(0, min(len(raw) - 1, 400)))
    place = draw(st.sampled_from([near, len(raw) - 1 - near, draw(st.integers(0, len(raw) - 1))]))
    wound = draw(st.sampled_from(["flip", "set", "cut", "drop", "add", "double"]))
    data = bytearray(raw)
    if wound == "flip":
        data[place] ^= 1 << draw(st.integers(0, 7))
    elif wound == "set":
        data[place] = draw(st.sampled_from([0, 1, 0x7F, 0xFF]))
    elif wound == "cut":
        del data[place:]
    elif wound == "drop":
        del data[place : place + draw(st.integers(1, 20))]
    elif wound == "add":
        data[place:place] = draw(st.binary(min_size=1, max_size=20))
    else:
        data[place:place] = data[place : place + 512]
    return kind, files, bytes(data)


def _slow_zip(raw: bytes) -> Files | None:
    """Extract a zip, or return None when anything about it is not plain."""
    files: Files = {}
    with zipfile.ZipFile(io.BytesIO(raw)) as archive:
        for info in archive.infolist():
            kind = stat.S_IFMT(info.external_attr >> 16) if info.create_system == 3 else 0
            if kind not in {0, stat.S_IFREG, stat.S_IFDIR} or info.flag_bits & ~0x80E or info.filename in files:
                return None
            content = archive.read(info)
            if len(content) != info.file_size or zlib.crc32(content) != info.CRC:
                return None
            if not info.is_dir():
                files[info.filename] = content
    return files


def _unpacked(raw: bytes, kind: str) -> bytes:
    """Decompress every stream; what is left over is an error, which the library's one call ignores."""
    if kind in {"tar", "gz"}:
        return gzip.decompress(raw) if kind == "gz" else raw
    pieces = b""
    while raw.strip(b"\0"):
        decoder = lzma.LZMADecompressor() if kind == "xz" else bz2.BZ2Decompressor()
        pieces += decoder.decompress(raw)
        if not decoder.eof:
            raise EOFError
        raw = decoder.unused_data
    return pieces


def _slow_tar(raw: bytes, kind: str) -> Files | None:
    files: Files = {}
    plain = _unpacked(raw, kind)
    with tarfile.open(fileobj=io.BytesIO(plain), mode="r:") as archive:
        for info in archive:
            if not info.isreg():
                return None
            stream: Any = archive.extractfile(info)
            content = stream.read()
            if len(content) != info.size:
                return None
            files[info.name.removeprefix("./")] = content
        ends = archive.offset  # where a header was looked for and none was found
    return files if len(plain) >= ends + 512 and not plain[ends:].strip(b"\0") else None


def _slow(kind: str, raw: bytes) -> Files | None:
    """Extract an archive the slow way, or return None when it is not fine in every respect."""
    try:
        return _slow_zip(raw) if kind == "zip" else _slow_tar(raw, kind)
    except (zipfile.BadZipFile, tarfile.TarError, zlib.error, lzma.LZMAError, EOFError, OSError):
        return None
    except (ValueError, RuntimeError, NotImplementedError, KeyError, OverflowError):
        return None


def _is_safe(name: str) -> bool:
    parts = name.split("/")
    plain = name.isprintable() and "\\" not in name and not (len(parts[0]) > 1 and parts[0][1] == ":")
    return plain and all(part not in {"", ".", ".."} and len(part.encode()) < 256 for part in parts)


def _are_safe(files: Files) -> bool:
    above = {"/".join(name.split("/")[:depth]) for name in files for depth in range(1, name.count("/") + 1)}
    return all(map(_is_safe, files)) and not above & files.keys()


def _stage(raw: bytes, folder: Path) -> tuple[str, Files]:
    (folder / "archive").write_bytes(raw)
    try:
        staged = stage(folder / "archive", folder / "out", limits=Limits(total_bytes=64 << 20))
    except ArchiveError as error:
        assert sorted(path.name for path in folder.iterdir()) == ["archive"]
        return f"refused: {error.message}", {}
    files = tree_of(folder / "out")
    assert sorted(path.name for path in folder.iterdir()) == ["archive", "out"]
    assert (staged.files, staged.size) == (len(files), sum(map(len, files.values())))
    return f"{staged.status}{staged.skipped or ''}", files


def _check_whole(folder: Path, made: tuple[str, Files, bytes]) -> None:
    kind, files, raw = made
    assert _slow(kind, raw) == files
    assert _stage(raw, folder) == ("ok", files)


def _check_wounded(folder: Path, made: tuple[str, Files, bytes]) -> None:
    kind, files, raw = made
    slow, (outcome, found) = _slow(kind, raw), _stage(raw, folder)
    if outcome != "ok":
        # A wound may be reason enough to refuse or to skip; what is unpacked must still be right.
        assert kind != "zip" or slow is None or not _are_safe(slow) or found.items() <= slow.items()
        return
    if slow is not None:
        assert found == slow
    if kind != "tar":  # whose contents have no checksum
        assert sorted(found.values()) == sorted(files.values())


_CALM = settings(deadline=None, suppress_health_check=list(HealthCheck))
_FEW, _MANY = settings(_CALM, max_examples=40), settings(_CALM, max_examples=400)


@_FEW
@given(made=_archives())
def test_a_whole_archive_is_unpacked_whole(tmp_path_factory: pytest.TempPathFactory, made: Any) -> None:
    _check_whole(tmp_path_factory.mktemp("x"), made)


@_FEW
@given(made=_wounded())
def test_a_wounded_archive_is_never_wrongly_ok(tmp_path_factory: pytest.TempPathFactory, made: Any) -> None:
    _check_wounded(tmp_path_factory.mktemp("x"), made)


@pytest.mark.slow
@_MANY
@given(made=_archives())
def test_many_whole_archives_are_unpacked_whole(tmp_path_factory: pytest.TempPathFactory, made: Any) -> None:
    _check_whole(tmp_path_factory.mktemp("x"), made)


@pytest.mark.slow
@_MANY
@given(made=_wounded())
def test_many_wounded_archives_are_never_wrongly_ok(tmp_path_factory: pytest.TempPathFactory, made: Any) -> None:
    _check_wounded(tmp_path_factory.mktemp("x"), made)
