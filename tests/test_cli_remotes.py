"""``colabpanel remote``."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import pytest

from colabpanel.cli import remotes
from colabpanel.cli.terminal import tell
from colabpanel.errors import PathError
from colabpanel.services.remotes.models import RemoteQuota
from colabpanel.services.remotes.rclone.daemon import stop_rclone
from colabpanel.services.remotes.summaries import quota_summary
from tests.archives import tree_of, write_tree


@pytest.fixture
def box(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "box").mkdir()
    (tmp_path / "rclone.conf").write_text(f"[box]\ntype = alias\nremote = {tmp_path / 'box'}\n")
    monkeypatch.setenv("RCLONE_CONFIG", str(tmp_path / "rclone.conf"))
    monkeypatch.chdir(tmp_path)
    stop_rclone()
    return tmp_path / "box"


@pytest.fixture(autouse=True)
def _ended() -> Any:
    yield
    stop_rclone()


def _run(*arguments: str) -> dict[str, Any]:
    parser = argparse.ArgumentParser()
    remotes.add_commands(parser.add_subparsers(required=True))
    parsed = parser.parse_args(["remote", *arguments])
    answer: dict[str, Any] = parsed.run(parsed)
    tell(answer, as_json=parsed.json)
    return answer


def test_remotes_and_their_files(box: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _run("list")
    assert capsys.readouterr().out == "rclone knows 1 remote.\n  box: (alias)\n"
    write_tree(box, {"a.zip": b"12345", "d/x": b""})
    _run("list", "box:", "--json")
    told = json.loads(capsys.readouterr().out)
    assert [(one["name"], one["size"]) for one in told["entries"]] == [("d", None), ("a.zip", 5)]
    _run("list", "box:")
    assert "5 bytes" in capsys.readouterr().out


def test_files_go_there_and_back(box: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    (tmp_path / "set.zip").write_bytes(b"12345")
    answer = _run("put", "set.zip", "box:in/")
    assert (answer["status"], answer["address"], answer["bytes"], answer["checked"]) == (
        "ok", "box:in/set.zip", 5, "hash"
    )  # fmt: skip
    assert "verified by its checksum" in capsys.readouterr().out
    assert tree_of(box) == {"in/set.zip": b"12345"}
    with pytest.raises(PathError, match="is there already"):
        _run("get", "box:in/set.zip")
    assert _run("get", "box:in/set.zip", "--overwrite", "--json")["path"] == str(tmp_path / "set.zip")


def test_room(box: Path) -> None:
    answer = _run("quota", "box:", "--json")
    assert answer["total"] > answer["free"]
    assert answer["trash"] is None
    assert "free" in answer["message"]
    assert quota_summary(RemoteQuota("x:")) == "x: does not tell how much room it has."
    assert (
        quota_summary(RemoteQuota("x:", used=1024, trash=0)) == "x: 1.0 KB used, no limit known, 0 bytes in the trash."
    )
