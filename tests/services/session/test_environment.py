"""What a session runs on, and what is wrong with it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from colabpanel.cli import main
from colabpanel.errors import StorageError
from colabpanel.services.memory import Amount, Gpu, Usage
from colabpanel.services.session import environment as module
from colabpanel.services.session.environment import environment
from tests.fakes import FakeHost
from tests.nvml import NvmlStandIn

GB = 1 << 30


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


def test_gpus_are_told(host: FakeHost, monkeypatch: pytest.MonkeyPatch) -> None:
    cards = (Gpu(0, "Tesla T4", used=GB, total=15 * GB, driver="535.1"), Gpu(1, "X"))
    monkeypatch.setattr(module, "usage", lambda _, patience: Usage(None, None, 0.0, gpus=cards))
    report = environment(host=host).report()
    assert "GPU: Tesla T4, 1.0 of 15.0 GB, driver 535.1" in report
    assert "GPU: X, memory not known, driver not known" in report


def test_a_gpu_that_fails_is_no_missing_gpu(host: FakeHost, monkeypatch: pytest.MonkeyPatch) -> None:
    trouble = "The NVIDIA driver does not answer, for 4 s now."
    monkeypatch.setattr(module, "usage", lambda _, patience: Usage(None, None, 0.0, gpu_trouble=trouble))
    (problem,) = [one for one in environment(host=host).problems if "NVIDIA" in one.sentence]
    assert (problem.status, problem.sentence) == ("error", trouble)


@pytest.mark.skipif(sys.platform != "linux", reason="the stand-in is a library for Linux")
def test_the_command_tells_what_the_driver_tells(nvml: NvmlStandIn) -> None:
    def doctor() -> dict[str, Any]:
        command = [sys.executable, "-m", "colabpanel", "doctor", "--json"]
        done = subprocess.run(command, env=nvml.environment, capture_output=True, text=True, check=False)
        answer: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
        return answer

    assert "GPU: Tesla T4, 1.0 of 15.0 GB, driver 580.1" in doctor()["report"]
    nvml.tell("fail nvmlInitWithFlags 18")
    answer = doctor()
    assert (answer["status"], answer["gpus"]) == ("partial", [])
    assert "- error: The GPUs cannot be read: the driver and its library have different versions" in answer["report"]


def test_what_is_tight_unknown_or_missing_is_a_warning(host: FakeHost, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "usage", lambda _, patience: Usage(Amount(95, 100), None, 0.0))
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
