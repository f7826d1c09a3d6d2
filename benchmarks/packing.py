"""How fast `colabpanel.pack` and `colabpanel.copy` are, side by side with the tools that people use.

    python benchmarks/packing.py B 10k copy --runs 3

Folders and results lie in memory (/dev/shm), so that no disk is measured; the peers take turns. Ours is called in a
process that runs already, and reads back what it wrote; the others do not. Memory is that of the whole process tree.
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from measure import SHM, Sample, quiet, run
from peers import PRELUDE
from scenarios import target
from worksets import prepare

SETS = ("B", "10k", "copy")
BIG = 1 << 30
OURS_PACK, OURS_COPY = "colabpanel.pack", "colabpanel.copy"
Command = Callable[[Path, Path], tuple[list[str], bool]]


def ours(name: str) -> Command:
    """Return what starts a call of ours."""
    module, function = ("staging.packing", "pack") if name == OURS_PACK else ("copying", "copy")
    imports = f"from colabpanel.services.{module}.service import {function}"
    code = PRELUDE.format(imports=imports, code=f"{function}(source, target)")
    return lambda source, result: ([sys.executable, "-c", code, str(source), str(result)], True)


def shell(script: str) -> Command:
    """Return what starts a shell with ``$1`` the source and ``$2`` the result."""
    return lambda source, result: (["sh", "-ec", script, "sh", str(source), str(result)], False)


PACKERS = {
    "zip -qr": shell('cd "$1" && zip -qr "$2" .'),
    "7z -mx1": shell('cd "$1" && 7z a -tzip -mx1 -bso0 -bsp0 "$2" .'),
    OURS_PACK: ours(OURS_PACK),
}
COPIERS = {"cp": shell('cp "$1" "$2"'), "cp + cmp": shell('cp "$1" "$2" && cmp "$1" "$2"'), OURS_COPY: ours(OURS_COPY)}


def main() -> None:
    """Run the chosen sets and print their tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sets", nargs="*", metavar="SET", help=f"any of {' '.join(SETS)}; all if none is named")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--cache", default="build/bench", help="where archives are kept")
    options = parser.parse_args()
    for name in options.sets or SETS:
        with tempfile.TemporaryDirectory(dir=SHM if SHM.is_dir() else None) as folder:
            source = _source(name, Path(folder), Path(options.cache))
            peers = COPIERS if name == "copy" else {key: peer for key, peer in PACKERS.items() if _is_there(key)}
            _judge(name, _table(name, peers, source, Path(folder), options.runs))


def _is_there(peer: str) -> bool:
    return peer == OURS_PACK or shutil.which(peer.split(maxsplit=1)[0]) is not None


def _source(name: str, folder: Path, cache: Path) -> Path:
    source = folder / "source"
    if name == "copy":
        with source.open("wb") as file:
            subprocess.run(["head", "-c", str(BIG), "/dev/urandom"], stdout=file, check=True)
    else:
        subprocess.run(["unzip", "-qq", str(prepare(name, cache).path), "-d", str(source)], check=True)
    return source


def _table(name: str, peers: dict[str, Command], source: Path, folder: Path, runs: int) -> dict[str, tuple[float, int]]:
    samples: dict[str, list[Sample]] = {peer: [] for peer in peers}
    sizes = dict.fromkeys(peers, 0)
    result = folder / "result.zip"
    for _round in range(runs):
        for peer, command in peers.items():
            result.unlink(missing_ok=True)
            quiet(10)
            line, interactive = command(source, result)
            samples[peer].append(run(line, interactive=interactive))
            sizes[peer] = result.stat().st_size
    print(f"\n{name}\n{'':24}{'seconds':>9}{'MB written':>12}{'MB of memory':>14}")
    found = {}
    for peer, taken in samples.items():
        seconds = statistics.median(sample.seconds for sample in taken)
        found[peer] = seconds, sizes[peer]
        print(f"{peer:24}{seconds:9.2f}{sizes[peer] / 2**20:12.1f}{max(s.peak for s in taken) / 2**20:14.0f}")
        for problem in {sample.problem for sample in taken} - {""}:
            print(f"  {problem}")
    return found


def _judge(name: str, table: dict[str, tuple[float, int]]) -> None:
    if name == "copy":
        target("as long as cp, which verifies nothing", table[OURS_COPY][0] / table["cp"][0], at_most=1.1)
        return
    (theirs, their_size), (mine, size) = table["zip -qr"], table[OURS_PACK]
    target("faster than zip -qr", theirs / mine, at_least=5 if name == "B" else 4)
    target("its size, to that of zip", size / their_size, at_most=1 if name == "B" else 1.05)


if __name__ == "__main__":
    main()
