"""The tools that `staging.py` compares: how each is started, found and installed."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

THREADS = 2  # of the C program, whatever the machine has
HERE = Path(__file__).parent
PIP = ["libarchive-c", "stream-unzip", "safe-unzip", "fbz", "hayazip", "fast-unzip", "parallel-unpack", "mfusepy"]
APT = ["unzip", "libarchive-tools", "p7zip-full", "libdeflate-dev", "gcc", "libc6-dev", "fuse3"]

OURS = "colabpanel.stage"
REFERENCE = "cp + unzip -qq"
UNZIP = "unzip -qq"
PROGRAM = "C + libdeflate"
RAW = "raw writes"

# Peers that are called from Python say when they are ready, so that no start of an interpreter is measured.
PRELUDE = """
import os, pathlib, sys
source, target = sys.argv[1:3]
{imports}
def ready():
    sys.stdout.write("ready\\n"); sys.stdout.flush()
    sys.stdin.readline()
ready()
{code}
print("done", flush=True)
sys.stdin.readline()
"""
STREAM_CODE = """
def chunks():
    with open(source, "rb") as file:
        while piece := file.read(1 << 20):
            yield piece
made = set()
for name, size, pieces in stream_unzip.stream_unzip(chunks()):
    path = os.path.join(target, name.decode())
    folder = os.path.dirname(path)
    if folder not in made:
        os.makedirs(folder, exist_ok=True)
        made.add(folder)
    with open(path, "wb") as file:
        for piece in pieces:
            file.write(piece)
"""
SAFE_CODE = """
x = safe_unzip.Extractor(target).max_total_mb(1 << 20).max_files(1 << 30).max_single_file_mb(1 << 20)
x.extract_file(source)
"""
RAW_CODE = """
block = b"\\xa5" * (1 << 20)
made = set()
for info in infos:
    path = os.path.join(target, info.filename)
    folder = os.path.dirname(path)
    if folder not in made:
        os.makedirs(folder, exist_ok=True)
        made.add(folder)
    fd = os.open(path, os.O_WRONLY | os.O_CREAT, 0o666)
    left = info.file_size
    while left:
        left -= os.write(fd, block[:left] if left < len(block) else block)
    os.close(fd)
"""

Kind = Literal["ours", "reference", "tool", "other", "program", "raw"]


@dataclass(frozen=True)
class Peer:
    """One way to get the files.

    ``kind`` is "tool" for what PyPI or Debian has, "other" for what neither has. ``missing`` says why it cannot
    run. ``interactive`` peers follow `PRELUDE`.
    """

    name: str
    kind: Kind
    command: Callable[[str, str], list[str]]
    missing: str = ""
    interactive: bool = False


def peers(cache: Path, workers: int | None) -> list[Peer]:
    """Return all peers, those that are not installed too."""
    return [_ours(workers), *_programs(), *_packages(cache), *_measures(cache)]


def _ours(workers: int | None) -> Peer:
    more = "" if workers is None else f", workers={workers}"
    code = f"assert stage(source, os.path.join(target, 'out'){more}).status == 'ok'"
    return _python(OURS, "ours", "from colabpanel import stage", code, sys.executable)


def _programs() -> list[Peer]:
    return [
        _shell(REFERENCE, "reference", 'cp "$1" "$2/copy.zip" && unzip -qq "$2/copy.zip" -d "$2/out"', "unzip"),
        _shell(UNZIP, "tool", 'unzip -qq "$1" -d "$2"', "unzip"),
        _shell("bsdtar", "tool", 'bsdtar -xf "$1" -C "$2"', "bsdtar"),
        _shell("7z", "tool", '7z x -y -bd -bso0 -bsp0 "-o$2" "$1"', "7z"),
        _shell("ripunzip", "other", 'ripunzip unzip-file "$1" -d "$2" > /dev/null', "ripunzip"),
    ]


def _packages(cache: Path) -> list[Peer]:
    python = str(_python_of(cache))
    scripts = _python_of(cache).parent
    own = [
        ("libarchive-c", "libarchive", "os.chdir(target); libarchive.extract_file(source)"),
        ("stream-unzip", "stream_unzip", STREAM_CODE),
        ("safe-unzip", "safe_unzip", SAFE_CODE),
        ("hayazip", "hayazip", "hayazip.extract_zip(source, target)"),
        (
            "parallel-unpack",
            "parallel_unpack",
            "parallel_unpack.parallel_unpack(source, target, executor_type='process', logger=None)",
        ),
    ]
    standard = _python(
        "zipfile", "tool", "import zipfile", "zipfile.ZipFile(source).extractall(target)", sys.executable
    )
    called = [_python(name, "tool", f"import {module}", code, python) for name, module, code in own]
    fast = 'cd "$2" && "$3" -p 2 -t 1 -d "$2" -m {mode} "$1"'
    started = [
        _shell("fbz", "tool", '"$3" -q d -C "$2" "$1"', str(scripts / "fbz")),
        _shell("fast-unzip mt", "tool", fast.format(mode="mt"), str(scripts / "fast_unzip")),
        _shell("fast-unzip cmbd", "tool", fast.format(mode="cmbd"), str(scripts / "fast_unzip")),
    ]
    return [standard, *called, *started]


def _measures(cache: Path) -> list[Peer]:
    """Return what no tool can be expected to beat: the C program, and writing without reading."""
    program, reason = _build(cache)
    infos = "import zipfile\ninfos = zipfile.ZipFile(source).infolist()"

    def compiled(mode: str, threads: int) -> Callable[[str, str], list[str]]:
        return lambda source, target: [str(program), mode, source, target, str(threads)]

    return [
        Peer(PROGRAM, "program", compiled("unzip", THREADS), reason),
        Peer(f"{RAW}, C, 1 thread", "raw", compiled("raw", 1), reason),
        Peer(f"{RAW}, C, {THREADS} threads", "raw", compiled("raw", THREADS), reason),
        _python(f"{RAW}, Python", "raw", infos, RAW_CODE, sys.executable),
    ]


def _shell(name: str, kind: Kind, script: str, needs: str) -> Peer:
    """Describe a peer that is a command: in its script $1 is the archive, $2 the folder, and $3 the program."""
    missing = "" if shutil.which(needs) else "not installed"
    return Peer(name, kind, lambda source, target: ["sh", "-c", script, "sh", source, target, needs], missing)


def _python(name: str, kind: Kind, imports: str, code: str, python: str) -> Peer:
    text = PRELUDE.format(imports=imports, code=code)
    missing = "" if python == sys.executable or _runs(python, imports) else "not installed"
    return Peer(name, kind, lambda s, t: [python, "-c", text, s, t], missing, interactive=True)


def _runs(python: str, code: str) -> bool:
    try:
        return subprocess.run([python, "-c", code], capture_output=True, check=False).returncode == 0
    except OSError:
        return False


def _python_of(cache: Path) -> Path:
    return cache.resolve() / "venv" / "bin" / "python"


def _build(cache: Path) -> tuple[Path, str]:
    """Compile the C program unless that is done; return where it is, and why it is not."""
    source, program = HERE / "two_threads.c", cache.resolve() / "two_threads"
    if program.exists() and program.stat().st_mtime > source.stat().st_mtime:
        return program, ""
    compiler = shutil.which("cc")
    if compiler is None:
        return program, "not installed (no C compiler)"
    cache.mkdir(parents=True, exist_ok=True)
    command = [compiler, "-O2", "-o", str(program), str(source), "-ldeflate", "-lpthread"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return program, "" if done.returncode == 0 else "not installed (no libdeflate-dev)"


def install(cache: Path) -> None:
    """Install the peers that PyPI, Debian and crates.io have; what cannot be had is told and left out."""
    python = _python_of(cache)
    if not python.exists():
        _try([sys.executable, "-m", "venv", str(python.parent.parent)])
    for package in PIP:
        _try([str(python), "-m", "pip", "install", "-q", package])
    if shutil.which("apt-get") and os.geteuid() == 0:
        _try(["apt-get", "install", "-y", "-qq", *APT])
    if shutil.which("cargo") and not shutil.which("ripunzip"):
        _try(["cargo", "install", "-q", "ripunzip"])


def _try(command: list[str]) -> None:
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=600)
    except (OSError, subprocess.TimeoutExpired) as error:
        print(f"{' '.join(command)}: {error}")
        return
    lines = done.stderr.strip().splitlines()
    print(f"{' '.join(command)}: {'done' if done.returncode == 0 else lines[-1:]}")
