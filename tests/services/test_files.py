from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from colabpanel.services import files
from colabpanel.services.files import existing_parent, free_bytes, write_atomic


def test_writing_replaces_the_whole_content(tmp_path: Path) -> None:
    path = tmp_path / "list.json"
    write_atomic(path, b"old and long")
    write_atomic(path, b"new")
    assert path.read_bytes() == b"new"
    assert os.listdir(tmp_path) == ["list.json"]


def test_a_failed_write_leaves_the_old_content_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "list.json"
    write_atomic(path, b"old")

    def no_replace(self: Path, target: Path) -> Path:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(Path, "replace", no_replace)
    with pytest.raises(OSError, match="Input"):
        write_atomic(path, b"new")
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["list.json"]


def test_free_space_is_told_for_paths_that_do_not_exist(tmp_path: Path) -> None:
    assert existing_parent(tmp_path / "a" / "b") == tmp_path
    assert free_bytes(tmp_path / "a" / "b") > 0


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no flock")
def test_a_lock_of_a_process_that_was_stopped_is_not_waited_for_without_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "_LONGEST", 0.05)
    path = tmp_path / "list.json"
    held = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(path.with_name(".list.json.lock"))],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    with held:
        assert held.stdout is not None
        assert held.stdout.readline() == b"held\n"
        with files.alone_with(path):
            pass
        held.kill()


HOLD = """
import fcntl, sys
lock = open(sys.argv[1], "wb")
fcntl.flock(lock, fcntl.LOCK_EX)
print("held", flush=True)
sys.stdin.read()
"""
