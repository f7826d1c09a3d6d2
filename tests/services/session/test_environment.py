"""What a session runs on, and what is wrong with it."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from colabpanel.cli import main
from colabpanel.errors import StorageError
from colabpanel.services.memory import Amount, Usage
from colabpanel.services.session import environment as module
from colabpanel.services.session.environment import environment
from colabpanel.services.session.gpus import Gpu, gpus
from tests.fakes import FakeHost

GB = 1 << 30


def _program(folder: Path, text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    folder.mkdir(exist_ok=True)
    path = folder / "nvidia-smi"
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")


def test_the_versions_are_those_that_are_installed(host: FakeHost) -> None:
    import ipywidgets

    found = environment(host=host)
    assert found.host == host.name
    assert found.versions["ipywidgets"] == ipywidgets.__version__
    assert found.processors >= 1
    assert found.ram is not None
    assert f"ipywidgets {ipywidgets.__version__}" in found.report()


def test_the_report_tells_nothing_of_its_user(host: FakeHost, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("API_TOKEN", "sesame")
    report = environment(host=host).report()
    for secret in ("sesame", str(Path.home()), str(host.workspace), os.uname().nodename):
        assert secret not in report


@pytest.mark.skipif(os.name == "nt", reason="a shell script")
def test_gpus_are_told(tmp_path: Path, host: FakeHost, monkeypatch: pytest.MonkeyPatch) -> None:
    _program(
        tmp_path / "bin",
        "echo 'Tesla T4, 1024, 15360, 535.1'; echo 'X, [N/A], [N/A], 535.1'; echo warning",
        monkeypatch,
    )
    assert gpus() == ([Gpu("Tesla T4", GB, 15 * GB, "535.1"), Gpu("X", None, None, "535.1")], "")
    report = environment(host=host).report()
    assert "GPU: Tesla T4, 1.0 of 15.0 GB, driver 535.1" in report
    assert "GPU: X, memory not known" in report


@pytest.mark.skipif(os.name == "nt", reason="a shell script")
@pytest.mark.parametrize(
    ("script", "reason"),
    [
        ("echo 'NVIDIA-SMI has failed because it could not communicate'; exit 9", "could not communicate"),
        ("exit 3", "exit 3"),
        ("exec sleep 20", "does not answer"),
    ],
)
def test_a_gpu_that_fails_is_no_missing_gpu(
    tmp_path: Path, host: FakeHost, monkeypatch: pytest.MonkeyPatch, script: str, reason: str
) -> None:
    monkeypatch.setattr("colabpanel.services.session.gpus._DEADLINE", 0.5)
    _program(tmp_path / "bin", script, monkeypatch)
    (problem,) = [one for one in environment(host=host).problems if "GPU" in one.sentence]
    assert problem.status == "error"
    assert reason in problem.sentence


def test_a_program_that_cannot_be_run_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("colabpanel.services.session.gpus.shutil.which", lambda _: str(tmp_path / "gone"))
    assert "cannot be run" in gpus()[1]


def test_what_is_tight_unknown_or_missing_is_a_warning(host: FakeHost, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "usage", lambda _: Usage(Amount(95, 100), None, 0.0))
    monkeypatch.setattr(module, "_version", lambda name: None if name == "isal" else "1")
    problems = {one.sentence: one.hint for one in environment(host=host).problems}
    assert problems["95 of 100 bytes of memory are used."].startswith("Restart")
    assert "How much disk there is cannot be told." in problems
    assert "pip install isal" in problems.values()
    assert "memory: 95 of 100 bytes; disk: not known" in environment(host=host).report()


def test_a_drive_that_does_not_answer_is_an_error(host: FakeHost, monkeypatch: pytest.MonkeyPatch) -> None:
    def find(**_: object) -> None:
        raise StorageError("It hangs.", hint="Mount it anew.")

    monkeypatch.setattr(module, "find_drive", find)
    (problem,) = [one for one in environment(host=host).problems if "Drive" in one.sentence]
    assert (problem.status, problem.hint) == ("error", "Mount it anew.")


def test_a_folder_that_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert module._state(tmp_path / "file").status == "error"
    assert module._state(tmp_path).status == "ok"


def test_the_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor", "--json"]) in {0, 3}
    answer = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert answer["python"] in answer["report"]
    assert main(["doctor"]) in {0, 3}
    assert "packages:" in capsys.readouterr().out
