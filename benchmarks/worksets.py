"""The archives that `staging.py` unpacks: made once, the same bytes on every machine and kept in a cache folder."""

from __future__ import annotations

import functools
import json
import random
import time
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

VERSION = 2  # of the recipes below: archives of another version are made again
SEED = 20_240_501
STAMP = (2024, 5, 1, 12, 0, 0)
FILES_PER_FOLDER = 1000
SAMPLES = 200  # files of which the content is compared after every run
POOL = 8 << 20
BIG_BLOCK = 64 << 10
MB = 1_000_000

Content = Iterator[tuple[str, int, bytes | Iterator[bytes]]]  # name, method, and all at once or in pieces


@dataclass(frozen=True)
class WorkSet:
    """An archive and what has to come out of it; ``sample`` has (name, size, CRC) of some of its files."""

    name: str
    path: str
    files: int
    size: int
    packed: int
    largest: int
    sample: tuple[tuple[str, int, int], ...]


@dataclass(frozen=True)
class Recipe:
    """How to make a set: a file name, the number of files, what they contain, and zlib's level."""

    stem: str
    files: int
    contents: Callable[[int], Content]
    level: int


def recipe(name: str, scale: float) -> Recipe:
    """Return the recipe of a set; ``scale`` makes it smaller (the files of C, the number of files elsewhere)."""
    if name == "B":
        return Recipe("b", max(int(20_000 * scale), 20), texts, 6)
    if name == "C":
        return Recipe("c", 8, functools.partial(halves, size=max(int(250 * MB * scale), MB)), 1)
    files = {"A": 100_000, "small": 1_000, "10k": 10_000, "300k": 300_000}[name]
    return Recipe("a", max(int(files * (1 if name == "small" else scale)), 100), photos, 6)


def prepare(name: str, cache: Path, scale: float = 1.0) -> WorkSet:
    """Return a work set, made if the cache does not have it."""
    made = recipe(name, scale)
    size = f"-{scale:g}" if name == "C" and scale != 1 else ""
    path = cache / f"{made.stem}-{made.files}{size}.zip"
    marker = path.with_suffix(".json")
    found = _marked(marker, path)
    if found is None:
        print(f"making {path} ...", end=" ", flush=True)
        started = time.monotonic()
        cache.mkdir(parents=True, exist_ok=True)
        marker.unlink(missing_ok=True)
        _write(path, made)
        found = _describe(path)
        marker.write_text(json.dumps({"version": VERSION, **asdict(found)}))
        print(f"{time.monotonic() - started:.0f} s, {found.packed / MB:.0f} MB", flush=True)
    return WorkSet(**{**asdict(found), "name": name, "path": str(path.resolve())})


def _marked(marker: Path, path: Path) -> WorkSet | None:
    """Return what the marker says about an archive that is still the one it was written for."""
    try:
        facts = json.loads(marker.read_text())
        if facts.pop("version") != VERSION or path.stat().st_size != facts["packed"]:
            return None
    except (OSError, ValueError, KeyError):
        return None
    return WorkSet(**{**facts, "sample": tuple((name, size, crc) for name, size, crc in facts["sample"])})


def _write(path: Path, made: Recipe) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=made.level) as archive:
        for name, method, content in made.contents(made.files):
            if isinstance(content, bytes):
                info = zipfile.ZipInfo(name, STAMP)
                info.external_attr = 0o644 << 16
                archive.writestr(info, content, method, made.level)
                continue
            with archive.open(name, "w", force_zip64=True) as member:
                for piece in content:
                    member.write(piece)


def _describe(path: Path) -> WorkSet:
    with zipfile.ZipFile(path) as archive:
        infos = archive.infolist()
    largest = max(info.file_size for info in infos)
    chosen = random.Random(SEED).sample(infos, min(len(infos), SAMPLES if largest < MB else 2))
    return WorkSet(
        name="",
        path=str(path),
        files=len(infos),
        size=sum(info.file_size for info in infos),
        packed=path.stat().st_size,
        largest=largest,
        sample=tuple((info.filename, info.file_size, info.CRC) for info in chosen),
    )


def photos(files: int) -> Content:
    """Like JPEG: 4-12 KB of noise behind a header that all share; every other member is stored."""
    rng = random.Random(SEED)
    header, pool = _jpeg_header(rng), rng.randbytes(POOL)
    for number in range(files):
        size = rng.randint(4 << 10, 12 << 10) - len(header)
        start = rng.randrange(POOL - size)
        method = zipfile.ZIP_DEFLATED if number % 2 else zipfile.ZIP_STORED
        name = f"photos/{number // FILES_PER_FOLDER:03d}/img_{number:06d}.jpg"
        yield name, method, header + pool[start : start + size]


def _jpeg_header(rng: random.Random) -> bytes:
    """Return markers and tables as cameras write them: 600 bytes, of which half repeat."""
    tables = rng.randbytes(128) + bytes(range(172))
    return b"\xff\xd8\xff\xe0\x00\x10JFIF\x00\x01\x01\x00\x00\x01\x00\x01\x00\x00" + tables + tables


def texts(files: int) -> Content:
    """Compressible files of 20-60 KB in turns: tables, records, and images with little detail."""
    rng = random.Random(SEED + 1)
    pools = {"csv": _table(rng), "json": _records(rng), "png": _image(rng)}
    for number in range(files):
        suffix = ("png", "csv", "json")[number % 3]
        size = rng.randint(20 << 10, 60 << 10)
        start = rng.randrange(len(pools[suffix]) - size)
        name = f"mixed/{number // FILES_PER_FOLDER:03d}/file_{number:06d}.{suffix}"
        yield name, zipfile.ZIP_DEFLATED, pools[suffix][start : start + size]


def _table(rng: random.Random) -> bytes:
    rows = (
        f"{row},2024-05-{row % 28 + 1:02d},{rng.gauss(20, 5):.3f},{rng.randrange(1000)},{rng.choice('ABCD')}\n"
        for row in range(100_000)
    )
    return "".join(rows).encode()


def _records(rng: random.Random) -> bytes:
    words = ["cat", "dog", "bird", "horse", "sheep", "train", "boat", "plane"]
    rows = (
        f'{{"id": {row}, "label": "{rng.choice(words)}", "box": [{rng.randrange(640)}, {rng.randrange(480)}], '
        f'"score": {rng.random():.4f}}},\n'
        for row in range(50_000)
    )
    return "".join(rows).encode()


def _image(rng: random.Random) -> bytes:
    """Return filtered rows: small differences around zero."""
    palette = [int(rng.gauss(0, 3)) % 256 for _ in range(256)]
    return rng.randbytes(4 << 20).translate(bytes(palette))


def halves(files: int, size: int) -> Content:
    """Big files of which every other block of 64 KB is noise."""
    rng = random.Random(SEED + 2)
    pools = rng.randbytes(POOL), _table(rng)
    for number in range(files):
        yield f"big/part_{number}.bin", zipfile.ZIP_DEFLATED, _blocks(rng, pools, size)


def _blocks(rng: random.Random, pools: tuple[bytes, ...], size: int) -> Iterator[bytes]:
    for place in range(0, size, BIG_BLOCK):
        pool = pools[place // BIG_BLOCK % len(pools)]
        start = rng.randrange(len(pool) - BIG_BLOCK)
        yield pool[start : start + min(BIG_BLOCK, size - place)]


def crc_of(path: Path) -> int:
    """Return the CRC of a file, read in pieces."""
    crc = 0
    with path.open("rb") as file:
        while piece := file.read(1 << 20):
            crc = zlib.crc32(piece, crc)
    return crc
