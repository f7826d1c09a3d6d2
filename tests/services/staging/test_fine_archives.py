"""Archives as the common tools make them just work: the result is ok and the tree is the same."""

from __future__ import annotations

import io
import os
import random
import shutil
import subprocess
import tarfile
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from colabpanel import stage
from tests.archives import tree_of
from tests.odd_archives import folders_of
from tests.odd_zips import Entry, build

PLAIN = {
    "a.txt": b"alpha\n" * 100,
    "empty": b"",
    ".hidden/.x": b"dot",
    "with space/(1) & more's.txt": b"space",
    "-dash/-rf": b"dash",
    "deep/er/and/deeper/b.bin": bytes(range(256)) * 40,
    "big.bin": random.Random(3).randbytes(1_300_000),
    "zeros.bin": bytes(700_000),
}
TREE = {
    **PLAIN,
    "\u00e4\u4f60/\U0001f600.txt": "\u00e4".encode(),
    f"{'long' * 30}/{'name' * 40}.txt": b"long",
    "/".join(["forty-characters-in-the-name-of-a-folder"] * 9) + "/end": b"very long",
}


def _make_tree(folder: Path, files: Mapping[str, bytes]) -> Path:
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    (folder / "hollow" / "folder").mkdir(parents=True)
    (folder / "a.txt").chmod(0o755)
    os.utime(folder / "empty", (1_000_000_000, 1_000_000_000))
    return folder


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """Return a folder of files of many kinds."""
    return _make_tree(tmp_path / "tree", TREE)


@pytest.fixture
def plain_tree(tmp_path: Path) -> Path:
    """Return a folder whose names every old format can hold."""
    return _make_tree(tmp_path / "plain", PLAIN)


def _insist(source: Path, truth: Path, *, folders: bool = True, below: str = "") -> None:
    out = source.with_name("out")
    staged = stage(source, out)
    assert (staged.status, staged.skipped) == ("ok", ())
    assert tree_of(out / below) == tree_of(truth)
    if folders:
        assert folders_of(out / below) == folders_of(truth)
    assert staged.files == len(tree_of(truth))
    assert os.access(out / below / "a.txt", os.X_OK) or source.suffix == ".noexec"
    assert not os.access(out / below / "empty", os.X_OK)


def _run(command: str, tree: Path, **more: Any) -> None:
    tool = command.partition(" ")[0]
    if shutil.which(tool) is None:
        pytest.skip(f"{tool} is not installed")
    done = subprocess.run(["/bin/sh", "-c", command], cwd=tree, capture_output=True, text=True, check=False, **more)
    if done.returncode and "nrecognized" in done.stderr + done.stdout:
        pytest.skip(f"this {tool} is too old")
    assert done.returncode == 0, done.stderr + done.stdout


ZIPS = {
    "zip": "zip -qr ../a .",
    "zip-0": "zip -qr0 ../a .",
    "zip-9": "zip -qr9 ../a .",
    "zip-bz": "zip -qr -Z bzip2 ../a .",
    "zip-64": "zip -qr -fz ../a .",
    "zip-pipe": "zip -qr - . | cat > ../a.zip",
    "zip-dd": "zip -qr -fd ../a .",
    "zip-noextra": "zip -qrX ../a .",
    "zip-grown": "zip -qr ../a . -x big.bin && zip -q ../a big.bin",
    "zip-sfx": "zip -qr ../a . && printf '#!/bin/sh\\nexit 0\\n' | cat - ../a.zip > ../b && mv ../b ../a.zip",
    "zip-sfx-A": "zip -qr ../a . && printf 'MZ stub' | cat - ../a.zip > ../b && mv ../b ../a.zip && zip -qA ../a.zip",
    "zip-note": "zip -qr ../a . && echo 'a note PK' | zip -qz ../a.zip",
    "7z": "7z a -bd -tzip ../a.zip . -r",
    "7z-copy": "7z a -bd -tzip -mm=Copy ../a.zip .",
    "7z-bz": "7z a -bd -tzip -mm=BZip2 ../a.zip .",
    "7z-lzma": "7z a -bd -tzip -mm=LZMA ../a.zip .",
    "7z-cu": "7z a -bd -tzip -mcu=on ../a.zip .",
    "bsdtar": "bsdtar --format zip -cf ../a.zip .",
    "bsdtar-pipe": "bsdtar --format zip -cf - . | cat > ../a.zip",
    "bsdtar-0": "bsdtar --format zip --options zip:compression=store -cf ../a.zip .",
    "jar": "jar cf ../a.zip .",
    "jar-0": "jar c0f ../a.zip .",
    "jar-M": "jar cfM ../a.zip .",
    "git": "git -c init.defaultBranch=x init -q . && git add -A && git -c user.name=x -c user.email=x commit -qm x"
    " && git archive --format zip -o ../a.zip HEAD && rm -rf .git",
}
TARS = {
    "gnu-dot": "tar -cf ../a.tar .",
    "gnu-star": "tar -cf ../a.tar -- * .hidden",
    "gnu-dir": "tar -C .. -cf ../a.tar --transform 's,^tree,top,' tree",
    "gnu-gz": "tar -czf ../a.tar .",
    "gnu-bz2": "tar -cjf ../a.tar .",
    "gnu-xz": "tar -cJf ../a.tar .",
    "gnu": "tar --format gnu -cf ../a.tar .",
    "oldgnu": "tar --format oldgnu -cf ../a.tar .",
    "pax": "tar --format pax -cf ../a.tar .",
    "posix-xattr": "tar --format posix --xattrs --acls -cf ../a.tar .",
    "block-1": "tar -b 1 -cf ../a.tar .",
    "block-big": "tar -b 2000 -cf ../a.tar .",
    "label": "tar -V label -cf ../a.tar .",
    "incremental": "tar -g ../snapshot -cf ../a.tar .",
    "appended": "tar -cf ../a.tar --exclude big.bin . && tar -rf ../a.tar ./big.bin",
    "joined": "tar -cf ../a.tar --exclude big.bin . && tar -cf ../b.tar ./big.bin && tar -Af ../a.tar ../b.tar",
    "numeric": "tar --numeric-owner --owner 9999999 -cf ../a.tar .",
    "bsd-pax": "bsdtar --format pax -cf ../a.tar .",
    "bsd-gnu": "bsdtar --format gnutar -cf ../a.tar .",
    "bsd-gz": "bsdtar -czf ../a.tar .",
    "bsd-mtree-xz": "bsdtar -cJf ../a.tar .",
    "7z-tar": "7z a -bd -ttar ../a.tar .",
    "pigz": "tar -cf - . | gzip -c --rsyncable > ../a.tar",
    "git": "git -c init.defaultBranch=x init -q . && git add -A && git -c user.name=x -c user.email=x commit -qm x"
    " && git archive --format tar.gz -o ../a.tar.gz HEAD && rm -rf .git && mv ../a.tar.gz ../a.tar",
}
PLAIN_TARS = {
    "v7": "tar --format v7 -cf ../a.tar .",
    "ustar": "tar --format ustar -cf ../a.tar .",
    "bsd-ustar": "bsdtar --format ustar -cf ../a.tar .",
    "bsd-v7": "bsdtar --format v7 -cf ../a.tar .",
}
SPARSE = {
    "gnu": "tar -S --format gnu -cf ../a.tar .",
    "oldgnu": "tar -S --format oldgnu -cf ../a.tar .",
    "pax-0.0": "tar -S --format pax --sparse-version 0.0 -cf ../a.tar .",
    "pax-0.1": "tar -S --format pax --sparse-version 0.1 -cf ../a.tar .",
    "pax-1.0": "tar -S --format pax --sparse-version 1.0 -czf ../a.tar .",
    "bsdtar": "bsdtar --read-sparse -cf ../a.tar .",
}


@pytest.mark.parametrize("tool", ZIPS)
def test_zips_of_every_tool(tree: Path, tool: str) -> None:
    _run(ZIPS[tool], tree)
    source = tree.with_name("a.zip")
    if tool.startswith("jar"):
        source = source.rename(source.with_name("a.noexec"))
        if tool != "jar-M":
            shutil.rmtree(tree / "META-INF", ignore_errors=True)
            subprocess.run(["unzip", "-q", source, "META-INF/*", "-d", tree], check=True)
    _insist(source, tree, folders=tool != "git")


@pytest.mark.parametrize("tool", TARS)
def test_tars_of_every_tool(tree: Path, tool: str) -> None:
    _run(TARS[tool], tree)
    _insist(tree.with_name("a.tar"), tree, folders=tool != "git", below="top" if tool == "gnu-dir" else "")


@pytest.mark.parametrize("tool", PLAIN_TARS)
def test_tars_of_old_formats(plain_tree: Path, tool: str) -> None:
    _run(PLAIN_TARS[tool], plain_tree)
    _insist(plain_tree.with_name("a.tar"), plain_tree)


@pytest.mark.parametrize("tool", SPARSE)
def test_sparse_tars_are_filled_with_zeros(plain_tree: Path, tool: str) -> None:
    for number, pieces in enumerate(([], [0], [1 << 20], [4096 * step for step in range(0, 200, 3)])):
        with (plain_tree / f"sparse{number}").open("wb") as stream:
            for piece in pieces:
                stream.seek(piece)
                stream.write(b"data" * 1024)
            stream.truncate(2 << 20)
    _run(SPARSE[tool], plain_tree)
    _insist(plain_tree.with_name("a.tar"), plain_tree)


@pytest.mark.parametrize("pipe", ["", "| gzip"], ids=["plain", "gz"])
def test_hard_links_in_a_tar_become_files(tree: Path, pipe: str) -> None:
    for number in range(3):
        os.link(tree / "big.bin", tree / f"link{number}")
    _run(f"tar -cf - . {pipe or '| cat'} > ../a.tar", tree)
    _insist(tree.with_name("a.tar"), tree)
    assert tree.with_name("out").joinpath("link1").stat().st_nlink == 1


@pytest.mark.parametrize("kind", ["zip", "tar", "gztar", "bztar", "xztar"])
def test_archives_of_shutil(tree: Path, kind: str) -> None:
    made = Path(shutil.make_archive(os.fspath(tree.with_name("made")), kind, tree))
    _insist(made, tree)


@pytest.mark.parametrize("form", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
@pytest.mark.parametrize("mode", ["w", "w|gz"])
def test_tars_of_python(plain_tree: Path, form: int, mode: str) -> None:
    source = plain_tree.with_name("a.tar")
    with tarfile.open(os.fspath(source), mode, format=form) as archive:  # type: ignore[call-overload]  # the mode is a variable
        archive.add(plain_tree, arcname="")
    _insist(source, plain_tree)


class _Pipe(io.RawIOBase):
    """A file that cannot seek, as when zipping to a socket."""

    def __init__(self) -> None:
        self.data = bytearray()

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self.data += data
        return len(data)


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
@pytest.mark.parametrize("piped", [False, True])
def test_zips_of_python(tree: Path, method: int, piped: bool) -> None:
    source = tree.with_name("a.zip")
    target: Any = _Pipe() if piped else source
    with zipfile.ZipFile(target, "w", method) as archive:
        for path in sorted(tree.rglob("*")):
            archive.write(path, path.relative_to(tree))
    if piped:
        source.write_bytes(target.data)
    _insist(source, tree)


def test_a_zip_as_the_finder_of_a_mac_makes_it(tmp_path: Path) -> None:
    files = {"t/": b"", "t/a.txt": b"alpha" * 99, "t/\u0065\u0308.txt": b"nfd", "t/.DS_Store": b"\0\0\0\1Bud1"}
    files |= {"__MACOSX/": b"", "__MACOSX/t/": b"", "__MACOSX/t/._a.txt": b"\0\5\x16\7" + bytes(40)}
    entries = [
        Entry(name.encode(), content, method=8 * bool(content), descriptor="signed" if content else "none", mode=mode)
        for name, content in files.items()
        for mode in [0o040755 if name.endswith("/") else 0o100644]
    ]
    (tmp_path / "a.zip").write_bytes(build(entries))
    assert stage(tmp_path / "a.zip", tmp_path / "out").status == "ok"
    assert tree_of(tmp_path / "out") == {name: content for name, content in files.items() if not name.endswith("/")}
