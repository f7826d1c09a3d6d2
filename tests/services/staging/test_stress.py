"""Many files, large files, and kills at many moments. Run by `make test-long`."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import psutil
import pytest

from colabpanel import plan, stage
from colabpanel.services.folders import list_folder
from tests.archives import make_zip, tree_of

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An archive of 100,000 small files in 100 folders."""
    path = tmp_path_factory.mktemp("many") / "many.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for number in range(100_000):
            archive.writestr(f"d{number % 100}/{number:06}.bin", number.to_bytes(4, "big") * 500)
    return path


def test_a_hundred_thousand_files(many: Path, tmp_path: Path) -> None:
    found = plan(many, tmp_path / "out")
    assert (found.files, found.size) == (100_000, 200_000_000)
    staged = stage(many, tmp_path / "out")
    assert (staged.status, staged.files, staged.size) == ("ok", 100_000, 200_000_000)
    for number in range(0, 100_000, 997):
        content = (tmp_path / "out" / f"d{number % 100}" / f"{number:06}.bin").read_bytes()
        assert content == number.to_bytes(4, "big") * 500
    assert stage(many, tmp_path / "out").kept == 100_000


def test_a_folder_of_a_hundred_thousand_entries_is_listed_at_once(tmp_path: Path) -> None:
    for number in range(100_000):
        os.close(os.open(tmp_path / f"{number:06}.jpg", os.O_CREAT | os.O_WRONLY))
    listing = list_folder(tmp_path)
    assert (len(listing.entries), listing.total, listing.complete) == (500, 100_000, True)
    assert [entry.name for entry in list_folder(tmp_path, containing="099999").entries] == ["099999.jpg"]


def test_a_member_of_more_than_four_gigabytes(tmp_path: Path) -> None:
    size = (4 << 30) + 12_345
    with (
        zipfile.ZipFile(tmp_path / "big.zip", "w") as archive,
        archive.open("big.bin", "w", force_zip64=True) as stream,
    ):
        left, block = size, bytes(range(256)) * 4096
        while left:
            left -= stream.write(block[:left])
    staged = stage(tmp_path / "big.zip", tmp_path / "out")
    assert (staged.status, staged.size) == ("ok", size)
    assert (tmp_path / "out" / "big.bin").stat().st_size == size
    (tmp_path / "out" / "big.bin").unlink()


@pytest.mark.parametrize("used", [False, True])
def test_kills_at_many_moments(tmp_path: Path, used: bool) -> None:
    files = {f"d{number % 50}/{number}.bin": number.to_bytes(4, "big") * 300 for number in range(8000)}
    source, out, chance = make_zip(tmp_path / "a.zip", files), tmp_path / "out", random.Random(7)
    if used:
        (out / "d1").mkdir(parents=True)
        (out / "d1" / "1.bin").write_bytes(b"old")
    for _ in range(25):
        command = [sys.executable, "-m", "colabpanel", "stage", str(source), str(out), "--json"]
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        time.sleep(chance.uniform(0.1, 1.5))
        family = [psutil.Process(process.pid)]
        family += family[0].children(recursive=True) if process.poll() is None else []
        victims = family if chance.random() < 0.5 else family[-1:]
        for victim in victims:
            if victim.is_running():
                victim.send_signal(signal.SIGKILL)
        process.wait()
        psutil.wait_procs(family, timeout=15)
        wrong = (
            [name for name, content in tree_of(out).items() if content not in {files[name], b"old"}]
            if out.exists()
            else []
        )
        assert wrong == []
    assert stage(source, out).status == "ok"
    assert tree_of(out) == files
    assert sorted(os.listdir(tmp_path)) == ["a.zip", "out"]
