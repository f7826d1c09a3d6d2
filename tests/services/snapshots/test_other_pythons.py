"""Snapshots written with one Python, and its versions of the libraries, are read with another."""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

HERE = Path(__file__).parents[3]
VARIABLES = """
import numpy as np, pandas as pd, pyarrow as pa, datetime, decimal, uuid
from PIL import Image

n = 1200
frame = pd.DataFrame({
    "int": np.arange(n),
    "float": np.linspace(0, 1, n),
    "text": [f"row {k % 50}" for k in range(n)],
    "object": pd.Series([f"o{k}" for k in range(n)], dtype=object),
    "category": pd.Categorical(["a", "b"] * (n // 2)),
    "time": pd.date_range("2020", periods=n, freq="h", tz="Europe/Berlin"),
    "Int64": pd.array([1, None] * (n // 2), dtype="Int64"),
})
variables = {
    "frame": frame,
    "series": frame["float"],
    "array": np.arange(12).reshape(3, 4).T,
    "images": [np.full((4, 4), k) for k in range(20)],
    "plain": {"a": [1, (2, b"x")], "when": datetime.datetime(2020, 1, 1), "d": decimal.Decimal("1.5")},
    "id": uuid.UUID(int=3),
    "random": np.random.default_rng(5),
    "table": pa.table({"a": [1, None], "s": ["x", "y"]}),
    "image": Image.new("RGB", (3, 4), "red"),
    "scalar": np.float32(2.5),
    "index": pd.MultiIndex.from_tuples([("a", 1), ("b", 2)]),
}

def told(found):
    return [
        [[str(one) for one in found["frame"][name].tolist()] for name in frame],
        [str(found["frame"][name].dtype) for name in ("int", "float", "object", "category", "Int64")],
        [found["array"].tolist(), *(one.tolist() for one in found["images"])],
        [repr(found["plain"]), found["id"], found["table"].to_pylist(), found["image"].tobytes()],
        [float(found["scalar"]), found["index"].tolist(), float(found["series"].sum())],
        found["random"].random(),
    ]
"""
WRITE = f"""{VARIABLES}
import sys
from colabpanel.services.snapshots.service import dump
snapshot = dump(sys.argv[1], variables)
assert snapshot.status == "ok", snapshot.skipped
"""
READ = f"""{VARIABLES}
import sys
from colabpanel.services.snapshots.service import load
found = load(sys.argv[1])
for one, other in zip(told(found), told(variables)):
    assert one == other, (str(one)[:500], str(other)[:500])
"""


def _pythons() -> list[Path]:
    """Return the interpreters of the virtual environments here that have what is needed."""
    found = [Path(sys.executable), *sorted(HERE.glob(".venv-3.*/bin/python")), HERE / ".venv-colab/bin/python"]
    found += [Path(one) for one in os.environ.get("COLABPANEL_OTHER_PYTHONS", "").split(":") if one]
    needed = "import numpy, pandas, pyarrow, PIL, xxhash, cloudpickle"
    return [
        one for one in found if one.exists() and not subprocess.run([str(one), "-c", needed], check=False).returncode
    ]


def test_what_one_writes_the_others_read(tmp_path: Path) -> None:
    pythons = _pythons()
    assert len(pythons) > 1, "there is no other Python here; make test-long makes some"
    for number, (writer, reader) in enumerate(itertools.permutations(pythons, 2)):
        path = tmp_path / f"{number}.snapshot.zip"
        for python, code, config in ((writer, WRITE, "writer"), (reader, READ, "reader")):
            environment = {**os.environ, "COLABPANEL_CONFIG_DIR": str(tmp_path / config), "PYTHONPATH": str(HERE)}
            done = subprocess.run(
                [str(python), "-c", code, str(path)], env=environment, capture_output=True, text=True, check=False
            )
            assert done.returncode == 0, (writer, reader, done.stderr[-3000:])
