"""How fast `colabpanel.dump` and `load` are, and how much memory they take, side by side with what people use.

    python benchmarks/snapshots.py images array frame state pictures objects mmap incremental --runs 3

Every measurement is a process of its own: it makes (or has) the data, then times one call. Extra memory is how far
the resident memory rose above what it was before the call (VmHWM, reset through /proc); what a load returns is not
counted as extra, but its size is: compare the peers. Files lie in memory (/dev/shm), so that no disk is measured.
"""

from __future__ import annotations

import argparse
import json
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path

from measure import SHM
from scenarios import target

MB = 1 << 20
OURS = "colabpanel"

# What a load finds imported already, as it would be in a notebook.
LOADED = {
    "frame": "import numpy, pandas, pyarrow",
    "state": "import torch",
    "pictures": "from PIL import Image",
    "objects": "",
}
DATA = {
    "images": """
import numpy as np
value = [np.random.default_rng(i).integers(0, 256, (64, 64, 3), dtype=np.uint8) for i in range(20_000)]
""",
    "array": """
import numpy as np
value = np.random.default_rng(0).random(1 << 28, dtype=np.float32)
""",
    "frame": """
import numpy as np, pandas as pd
random, n = np.random.default_rng(0), 5_000_000
value = pd.DataFrame({
    "id": np.arange(n), "x": random.random(n),
    "name": pd.Series([f"name-{i:07d}" for i in random.integers(0, 10**7, n).tolist()], dtype=STRINGS),
    "kind": pd.Categorical.from_codes(random.integers(0, 5, n, dtype=np.int8), list("abcde")),
    "when": pd.date_range("2020-01-01", periods=n, freq="s"),
})
""",
    "state": """
import torch
torch.set_num_threads(1)
value = {f"layer{i}.weight": torch.randn(1050, 2000) for i in range(60)}
""",
    "pictures": """
import io, os, numpy as np
from PIL import Image
folder = os.path.join(os.path.dirname(path), "pictures")
if not os.path.isdir(folder):
    os.makedirs(folder)
    random = np.random.default_rng(0)
    for i in range(5_000):
        small = Image.fromarray(random.integers(0, 256, (32, 32, 3), dtype=np.uint8))
        small.resize((224, 224)).save(os.path.join(folder, f"{i}.jpg"), quality=90)
value = [Image.open(os.path.join(folder, f"{i}.jpg")) for i in range(5_000)]
for image in value:
    image.load()
""",
    "objects": """
value = [{"n": i, "name": f"row {i}", "tags": ["a", "b"]} for i in range(750_000)]
""",
}
TITLES = {
    "images": "images: a list of 20,000 arrays of 64 x 64 x 3",
    "array": "array: 1 GiB of float32",
    "frame": "frame: 5,000,000 rows of int64, float64, strings, categories, times",
    "frame-object": "frame-object: the same with strings as objects, as pandas 2 has them",
    "state": "state: 60 tensors of PyTorch, 504 MB",
    "pictures": "pictures: 5,000 images of Pillow from JPEG files",
    "objects": "objects: 3,000,000 small objects of Python",
}
PEERS = {
    OURS: (
        "from colabpanel.services.snapshots.service import dump, load",
        "dump(path, {'value': value})",
        "load(path)['value']",
    ),
    "pickle 4": ("import pickle", "pickle.dump(value, open(path, 'wb'), 4)", "pickle.load(open(path, 'rb'))"),
    "pickle 5": ("import pickle", "pickle.dump(value, open(path, 'wb'), 5)", "pickle.load(open(path, 'rb'))"),
    "dill": ("import dill", "dill.dump(value, open(path, 'wb'))", "dill.load(open(path, 'rb'))"),
    "joblib": ("import joblib", "joblib.dump(value, path)", "joblib.load(path)"),
    "np.save": ("import numpy as np", "np.save(open(path, 'wb'), value)", "np.load(open(path, 'rb'))"),
    "torch.save": ("import torch", "torch.save(value, path)", "torch.load(path)"),
    "safetensors": (
        "from safetensors.torch import load_file, save_file",
        "save_file(value, path)",
        "load_file(path)",
    ),
}
ONLY_FOR = {"np.save": {"array"}, "torch.save": {"state"}, "safetensors": {"state"}}
CODE = """
import gc, json, os, sys, time
path = sys.argv[1]
{imports}
{data}
def resident(field):
    return next(int(line.split()[1]) << 10 for line in open("/proc/self/status") if line.startswith(field))
def reset():
    gc.collect()
    with open("/proc/self/clear_refs", "w") as file:
        file.write("5")
    return resident("VmRSS:")
before, started = reset(), time.perf_counter()
{call}
seconds, peak = time.perf_counter() - started, resident("VmHWM:")
print(json.dumps({{"seconds": seconds, "extra": peak - before, "size": os.path.getsize(path)}}))
"""
Figures = dict[str, float]


def main() -> None:
    """Run the chosen cases and print their tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cases", nargs="*", metavar="CASE", help=f"any of {' '.join([*TITLES, 'mmap', 'incremental'])}")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--only-peers", nargs="+", default=[], metavar="NAME")
    options = parser.parse_args()
    for case in options.cases or [*TITLES, "mmap", "incremental"]:
        with tempfile.TemporaryDirectory(dir=SHM if SHM.is_dir() else None) as folder:
            if case in {"mmap", "incremental"}:
                {"mmap": _mmap, "incremental": _incremental}[case](Path(folder))
            else:
                peers = [peer for peer in PEERS if _wanted(peer, case, options.only_peers)]
                _judge(case, _table(case, peers, Path(folder), options.runs))


def _wanted(peer: str, case: str, only: list[str]) -> bool:
    return case in ONLY_FOR.get(peer, {case}) and (peer == OURS or not only or peer in only)


def _run(code: str, path: Path) -> Figures | None:
    done = subprocess.run([sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=False)
    if done.returncode:
        print(done.stderr.strip().splitlines()[-1])
        return None
    found: Figures = json.loads(done.stdout.splitlines()[-1])
    return found


def _data_of(case: str) -> str:
    strings = "object" if case == "frame-object" else "'str'"
    return DATA[case.removesuffix("-object")].replace("STRINGS", strings)


def _loaded(case: str) -> str:
    return LOADED.get(case.removesuffix("-object"), "import numpy")


def _table(case: str, peers: Iterable[str], folder: Path, runs: int) -> dict[tuple[str, str], Figures]:
    samples: dict[tuple[str, str], list[Figures]] = {}
    for _round in range(runs):
        for peer in peers:
            imports, dumping, loading = PEERS[peer]
            path = folder / "file"
            path.unlink(missing_ok=True)
            for what, data, call in (("dump", _data_of(case), dumping), ("load", _loaded(case), f"value = {loading}")):
                found = _run(CODE.format(imports=imports, data=data, call=call), path)
                if found is not None:
                    samples.setdefault((peer, what), []).append(found)
    table = {
        key: {name: statistics.median(one[name] for one in found) for name in found[0]}
        for key, found in samples.items()
    }
    print(f"\n{TITLES[case]}\n{'':14}{'dump s':>9}{'extra MB':>10}{'file MB':>9}{'load s':>9}{'MB':>7}")
    for peer in peers:
        if (peer, "load") in table:
            dumped, loaded = table[peer, "dump"], table[peer, "load"]
            print(
                f"{peer:14}{dumped['seconds']:9.3f}{dumped['extra'] / MB:10.0f}{dumped['size'] / MB:9.0f}"
                f"{loaded['seconds']:9.3f}{loaded['extra'] / MB:7.0f}"
            )
    shutil.rmtree(folder / "pictures", ignore_errors=True)
    return table


def _judge(case: str, table: dict[tuple[str, str], Figures]) -> None:
    """Print which targets of a case are reached."""

    def ratio(peer: str, what: str, name: str = "seconds") -> float | None:
        theirs, ours = table.get((peer, what)), table.get((OURS, what))
        return theirs[name] / max(ours[name], 0.001) if theirs and ours else None

    def longer(peer: str, what: str) -> float | None:
        found = ratio(peer, what)
        return None if found is None else 1 / found

    if case == "images":
        target("faster to dump than pickle 4", ratio("pickle 4", "dump"), at_least=2.5)
        target("less extra memory than pickle 4", ratio("pickle 4", "dump", "extra"), at_least=40)
    elif case == "array":
        target("as long to dump as np.save", longer("np.save", "dump"), at_most=1.15)
        target("as long to load as np.load", longer("np.save", "load"), at_most=1.15)
        target("extra memory of a dump", table[OURS, "dump"]["extra"] / MB, at_most=32, unit=" MB")
    elif case.startswith("frame"):
        target("faster to dump than pickle 4", ratio("pickle 4", "dump"), at_least=3)
        target("as long to load as pickle 4", longer("pickle 4", "load"), at_most=1)
    elif case == "state":
        target("as long to dump as torch.save", longer("torch.save", "dump"), at_most=1)
        target("as long to load as torch.load", longer("torch.save", "load"), at_most=1)
    elif case == "objects":
        target("as long to dump as pickle 5", longer("pickle 5", "dump"), at_most=1.1)


def _mmap(folder: Path) -> None:
    path = folder / "file"
    imports, dumping, _ = PEERS[OURS]
    _run(CODE.format(imports=imports, data=DATA["array"], call=dumping), path)
    found = _run(CODE.format(imports=f"import numpy\n{imports}", data="", call="load(path, mmap=True)"), path)
    print("\nmmap: 1 GiB opened in place")
    target("to open it", found["seconds"] * 1000 if found else None, at_most=20, unit=" ms")


def _incremental(folder: Path) -> None:
    path = folder / "a.snapshot.zip"
    imports, _, _ = PEERS[OURS]
    changed = f"value['n'] = 2; other = path.replace('a.', 'b.'); dump(other, value, base={str(path)!r}); path = other"
    data = "import numpy as np\nvalue = {'n': 1, 'x': np.random.default_rng(0).random(39 << 20)}\ndump(path, value)"
    found = _run(CODE.format(imports=imports, data=data, call=changed), path)
    print("\nincremental: one number beside 312 MB changed")
    target("what is written", found["size"] / 1000 if found else None, at_most=10, unit=" kB")


if __name__ == "__main__":
    main()
