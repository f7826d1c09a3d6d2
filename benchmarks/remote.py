"""How fast a zip archive of a server becomes files, beside copying it and unpacking the copy.

The server stands on the loopback and waits as one on the internet does. Every tool gets an empty folder, they take
turns, and what they bring is compared. Programs are measured from their start to their end, ours in a Python that
runs already, its child processes included. Memory is that of the whole process tree.

    python benchmarks/remote.py
"""

from __future__ import annotations

import random
import shlex
import sys
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path

from fetching import LATENCY, MB, PLACE, RATE, RUNS, seconds_of, serving
from measure import Sample, run
from peers import PRELUDE

FILES, EACH = 4000, 24_800
TARGET = 2.0
OURS, REFERENCE = "colabpanel.stage", "curl, then unzip"
IMPORTS = {
    OURS: "from colabpanel.services.staging.service import stage",
    "colabpanel.fetch(unpack)": "from colabpanel.services.fetching.service import fetch",
    "fsspec get, then zipfile": "import fsspec, zipfile",
}
CODES = {
    OURS: "stage(source, target)",
    "colabpanel.fetch(unpack)": "fetch(source, target + '.zip', name='a.zip', unpack=True); "
    "os.rename(target + '.zip', target)",
    "fsspec get, then zipfile": "fsspec.filesystem('http').get_file(source, target + '.zip'); "
    "zipfile.ZipFile(target + '.zip').extractall(target)",
}


@dataclass(frozen=True)
class Way:
    """One way from the address to the files."""

    name: str

    def command(self, url: str, out: Path) -> list[str]:
        if self.name == REFERENCE:
            zipped = shlex.quote(f"{out}.zip")
            return [
                "sh",
                "-c",
                f"curl -sSf -o {zipped} {shlex.quote(url)} && unzip -qq {zipped} -d {shlex.quote(str(out))}",
            ]
        text = PRELUDE.format(imports=IMPORTS[self.name], code=CODES[self.name])
        return [sys.executable, "-c", text, url, str(out)]


WAYS = (Way(REFERENCE), *map(Way, CODES))


def main() -> None:
    """Measure every way, and print one line for each."""
    print(f"remote: {FILES} files, {FILES * EACH // MB} MB, {LATENCY} ms, {RATE} MiB/s a connection; median of {RUNS}")
    with tempfile.TemporaryDirectory(prefix="colabpanel-bench-", dir=PLACE) as folder:
        archive, expected = made(Path(folder))
        with serving(archive) as url:
            samples = {way.name: list[Sample]() for way in WAYS}
            for _ in range(RUNS):
                for way in WAYS:
                    samples[way.name].append(measured(way, url, expected))
    reference = seconds_of(samples[REFERENCE])
    for name, found in samples.items():
        seconds, memory = seconds_of(found), max(one.private for one in found) / MB
        print(f"  {name:26} {seconds:6.2f} s, {reference / seconds:5.2f} x, {memory:4.0f} MB of memory")
    ratio = reference / seconds_of(samples[OURS])
    print(f"remote: {ratio:.2f} times copy and unzip (target {TARGET:g}): {'met' if ratio >= TARGET else 'MISSED'}")


def made(folder: Path) -> tuple[Path, dict[str, int]]:
    """Write the archive; returns it, and the size of each file in it."""
    chance, sizes = random.Random(1), dict[str, int]()
    with zipfile.ZipFile(folder / "file.zip", "w") as archive:
        for number in range(FILES):
            name = f"class{number % 20}/{number}.jpg"
            archive.writestr(name, chance.randbytes(EACH))
            sizes[name] = EACH
    return folder / "file.zip", sizes


def measured(way: Way, url: str, expected: dict[str, int]) -> Sample:
    """Go one way once, and look at what came."""
    with tempfile.TemporaryDirectory(prefix="colabpanel-bench-", dir=PLACE) as folder:
        out = Path(folder, "out")
        sample = run(way.command(url, out), interactive=way.name != REFERENCE)
        came = {str(path.relative_to(out)): path.stat().st_size for path in out.rglob("*.jpg")}
        if sample.problem or came != expected:
            raise SystemExit(f"{way.name}: {sample.problem or 'the files are not those of the archive'}")
        return sample


if __name__ == "__main__":
    main()
