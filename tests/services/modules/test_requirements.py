"""What a project needs, and installing it without changing what is there: pip itself, with packages made here."""

from __future__ import annotations

import json
import sys
import zipfile
from importlib.metadata import version
from pathlib import Path

import pytest

from colabpanel.cli import main
from colabpanel.errors import ColabPanelError, HostError, InputError, JobCancelledError, PathError, StorageError
from colabpanel.services.modules import installing
from colabpanel.services.modules.installing import Change, install_requirements, plan_installation
from colabpanel.services.modules.requirements import Needed, check_requirements
from tests.fakes import FakeHost, RecordingProgress

PSUTIL = version("psutil")


def _needed(path: Path, host: FakeHost) -> dict[str, tuple[str, str | None, str]]:
    return {one.name: (one.wanted, one.installed, one.state) for one in check_requirements(path, host=host)}


def test_requirements_are_compared_with_what_is_installed(host: FakeHost, tmp_path: Path) -> None:
    (tmp_path / "requirements.txt").write_text(
        "# a comment\n-r other.txt\npsutil>=1  # fine\npsutil-not-there==2 --hash=sha256:00\n"
        "traitlets>=900,\\\n<901\nwin-only; sys_platform == 'win32'\nthing @ https://example.org/thing.whl\n\n"
    )
    assert _needed(tmp_path / "requirements.txt", host) == {
        "--hash of psutil-not-there==2": ("", None, "not looked at"),
        "-r other.txt": ("", None, "not looked at"),
        "psutil": (">=1", PSUTIL, "installed"),
        "psutil-not-there": ("==2", None, "missing"),
        "thing": (" @ https://example.org/thing.whl", None, "missing"),
        "traitlets": ("<901,>=900", version("traitlets"), "other version"),
    }
    assert _needed(tmp_path, host).keys() == _needed(tmp_path / "requirements.txt", host).keys()


def test_imports_are_read_and_not_run(host: FakeHost, tmp_path: Path) -> None:
    code = "import os, psutil.tests\nfrom cv2 import x\nimport cp_nowhere\nfrom . import y\nraise SystemExit\n"
    (tmp_path / "code.py").write_text(code)
    (tmp_path / "own.py").write_text("import code, own, colab_thing\n")
    (tmp_path / "code.py").write_text(f"\ufeff{code}import own\n", encoding="utf-8")
    found = {one.name: one for one in check_requirements(tmp_path / "code.py", host=host)}
    assert "own" not in found
    assert found["psutil"] == Needed("psutil", "", PSUTIL, "installed")
    assert found["opencv-python"].state == "missing"
    assert not found["opencv-python"].guessed
    assert found["cp_nowhere"].guessed
    assert {one.name for one in check_requirements(tmp_path, host=host)} == {*found, "colab_thing"}
    cells = [
        {"cell_type": "code", "source": ["!pip install x\n", "import psutil"]},
        {"cell_type": "code", "source": ["%%bash\nls -l"]},
        {"cell_type": "markdown", "source": ["import nothing"]},
    ]
    (tmp_path / "a.ipynb").write_text(json.dumps({"cells": cells}))
    assert [one.name for one in check_requirements(tmp_path / "a.ipynb", host=host)] == ["psutil"]


def test_modules_of_the_project_are_not_asked_of_strangers(host: FakeHost, tmp_path: Path) -> None:
    (tmp_path / "src/cp_mine").mkdir(parents=True)
    (tmp_path / "src/cp_mine/__init__.py").write_text("")
    (tmp_path / "train.py").write_text("import cp_mine, cp_unknown, tests.fakes\n")
    assert [one.name for one in check_requirements(tmp_path, host=host)] == ["cp_unknown"]


def test_extras_are_looked_at(host: FakeHost, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _distribution(
        tmp_path / "site", "cp-with-extras", "1.0", 'cp-not-there; extra == "more"', 'psutil; extra == "fine"'
    )
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    (tmp_path / "requirements.txt").write_text(
        "\ufeffcp-with-extras[more]\ncp_with_extras[fine,unknown]\n", encoding="utf-8"
    )
    found = _needed(tmp_path / "requirements.txt", host)
    assert {name: state for name, (_, _, state) in found.items()} == {
        "cp-with-extras[more]": "missing",
        "cp_with_extras[fine,unknown]": "installed",
    }


def _distribution(site: Path, name: str, version: str, *requires: str) -> None:
    folder = site / f"{name.replace('-', '_')}-{version}.dist-info"
    folder.mkdir(parents=True)
    lines = [f"Requires-Dist: {one}" for one in requires]
    (folder / "METADATA").write_text(
        "\n".join(["Metadata-Version: 2.1", f"Name: {name}", f"Version: {version}", *lines])
    )


def test_what_is_on_the_path_twice_counts_as_the_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for version_here in ("1.0", "2.0"):
        _distribution(tmp_path / version_here, "cp-twice", version_here)
        monkeypatch.syspath_prepend(str(tmp_path / version_here))
    with installing._constraints(set()) as constraints:
        assert "cp-twice==2.0\n" in constraints.read_text()


@pytest.mark.skipif(sys.version_info < (3, 11), reason="Python 3.10 reads no TOML")
def test_a_project_file(host: FakeHost, tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text('[project]\ndependencies = ["psutil>=1"]\n')
    assert [one.name for one in check_requirements(tmp_path, host=host)] == ["psutil"]
    (tmp_path / "pyproject.toml").write_text("[project")
    with pytest.raises(InputError, match="is no TOML"):
        check_requirements(tmp_path, host=host)


def test_what_cannot_be_read(host: FakeHost, tmp_path: Path) -> None:
    for name, text, words in (
        ("a.txt", "psutil ===== 1", "is no requirement"),
        ("a.py", "import (", "is no Python"),
        ("a.ipynb", "[]", "is no notebook"),
    ):
        (tmp_path / name).write_text(text)
        with pytest.raises(InputError, match=words):
            check_requirements(tmp_path / name, host=host)
    with pytest.raises(PathError, match="does not exist"):
        check_requirements(tmp_path / "none", host=host)
    with (tmp_path / "large.txt").open("wb") as stream:
        stream.truncate(6 << 20)
    with pytest.raises(InputError, match="too large"):
        check_requirements(tmp_path / "large.txt", host=host)


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of wheels that pip takes instead of an index, and a folder that it installs into."""
    folder = tmp_path / "wheels"
    folder.mkdir()
    wheels = {"cp_alone-1.0": "", "cp_fresh-1.0": "psutil", "cp_pushy-1.0": "psutil==999", "psutil-999": ""}
    for wheel_name, needs in wheels.items():
        name, _, number = wheel_name.partition("-")
        with zipfile.ZipFile(folder / f"{name}-{number}-py3-none-any.whl", "w") as wheel:
            info = f"{name}-{number}.dist-info"
            wheel.writestr(f"{name}/__init__.py", "")
            more = f"Requires-Dist: {needs}\n" if needs else ""
            wheel.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: {number}\n{more}")
            wheel.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
            wheel.writestr(f"{info}/RECORD", "")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    return folder


def test_it_is_told_what_installing_would_change(host: FakeHost, tmp_path: Path, index: Path) -> None:
    (tmp_path / "a.txt").write_text("cp_fresh\npsutil\n")
    plan = plan_installation(tmp_path / "a.txt", host=host)
    assert ([one.name for one in plan.needed], plan.new, plan.changed) == (
        ["cp_fresh"],
        (Change("cp_fresh", None, "1.0"),),
        (),
    )
    (tmp_path / "b.txt").write_text("cp_pushy\n")
    plan = plan_installation(tmp_path / "b.txt", host=host)
    assert plan.changed == (Change("psutil", PSUTIL, "999"),)
    with pytest.raises(InputError, match=f"would change what is installed here: psutil {PSUTIL} to 999"):
        install_requirements(tmp_path / "b.txt", host=host)
    assert version("psutil") == PSUTIL
    (tmp_path / "c.txt").write_text("psutil\n")
    assert plan_installation(tmp_path / "c.txt", host=host).needed == ()
    (tmp_path / "d.txt").write_text("cp-nowhere\n")
    with pytest.raises(InputError, match="pip finds nothing that fits"):
        plan_installation(tmp_path / "d.txt", host=host)


def test_what_is_missing_is_installed(
    host: FakeHost, tmp_path: Path, index: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PIP_TARGET", str(tmp_path / "site"))
    (tmp_path / "a.txt").write_text("cp_alone\n")
    assert [one.name for one in install_requirements(tmp_path / "a.txt", host=host).new] == ["cp_alone"]
    assert (tmp_path / "site/cp_alone/__init__.py").is_file()
    assert main(["requirements", str(tmp_path / "a.txt"), "--install", "--json"]) == 0
    answer = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert (answer["status"], answer["new"]) == ("ok", [["cp_alone", None, "1.0"]])
    host.is_served = True
    with pytest.raises(HostError, match="runs no code"):
        install_requirements(tmp_path / "a.txt", host=host)


def test_the_command_line_tells_what_is_missing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "a.txt").write_text("psutil\ncp-nowhere>1\n")
    assert main(["requirements", str(tmp_path / "a.txt")]) == 3
    out = capsys.readouterr().out.splitlines()
    assert out == ["2 requirements, 1 of them not met.", "  cp-nowhere>1: missing"]
    (tmp_path / "a.txt").write_text("psutil\n")
    assert main(["requirements", str(tmp_path / "a.txt"), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["needed"][0]["state"] == "installed"


def test_pip_that_hangs_or_fails(host: FakeHost, tmp_path: Path, index: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.txt").write_text("cp_fresh\n")
    with pytest.raises(JobCancelledError):
        installing._pip(["--help"], RecordingProgress(cancel_after=0))
    monkeypatch.setattr(installing, "_SECONDS", 0.0)
    with pytest.raises(StorageError, match="did not end in time"):
        plan_installation(tmp_path / "a.txt", host=host)
    assert "it told no reason" in installing._failed("").message
    assert isinstance(installing._failed("ERROR: broken"), ColabPanelError)


@pytest.mark.parametrize(
    "cell",
    [
        "import cp_absent\nfiles = !ls",
        "import cp_absent\ncp_absent.run?",
        "x = %timeit -o 1\nimport cp_absent",
        "if True:\n    !pip install x\nimport cp_absent",
        "!pip install a \\\n  b\nimport cp_absent",
        "%%time\nimport cp_absent\n%matplotlib inline",
        "import cp_absent\nthis is no Python",
    ],
)
def test_imports_are_read_beside_lines_for_ipython(host: FakeHost, tmp_path: Path, cell: str) -> None:
    cells = [{"cell_type": "code", "source": [cell]}, {"cell_type": "code", "source": ["%%bash\nimport x.png"]}]
    (tmp_path / "a.ipynb").write_text(json.dumps({"cells": cells}))
    assert list(_needed(tmp_path / "a.ipynb", host)) == ["cp_absent"]


def test_a_project_that_names_nothing_is_read_by_its_imports(host: FakeHost, tmp_path: Path) -> None:
    pytest.importorskip("tomllib")
    (tmp_path / "pyproject.toml").write_text("[tool.ruff]\nline-length = 100\n")
    (tmp_path / "a.py").write_text("import cp_absent, datasets_absent\n")
    (tmp_path / "old.py").write_text("print 'two'\n")
    (tmp_path / "datasets_absent").mkdir()
    (tmp_path / "datasets_absent/data.csv").touch()
    found = _needed(tmp_path, host)
    assert {name: state for name, (_, _, state) in found.items()} == {
        "cp_absent": "missing",
        "datasets_absent": "missing",
        "old.py": "not looked at",
    }


def test_projects_of_poetry_and_dynamic_ones(host: FakeHost, tmp_path: Path) -> None:
    pytest.importorskip("tomllib")
    place = tmp_path / "pyproject.toml"
    place.write_text(
        '[tool.poetry.dependencies]\npython="^3.10"\ncp-a="^1.2"\ncp-b="^0.0.3"\ncp-c="~2.1"\ncp-d="*"\n'
        'cp-e=">=1,<2"\ncp-f="1.5"\ncp-g={git="https://x/y.git"}\ncp-h={version="^2", extras=["z"]}\n'
    )
    assert {name: limits for name, (limits, _, _) in _needed(place, host).items()} == {
        "-r cp-g, as Poetry finds it": "",
        "cp-a": "<2,>=1.2",
        "cp-b": "<0.0.4,>=0.0.3",
        "cp-c": "~=2.1",
        "cp-d": "",
        "cp-e": "<2,>=1",
        "cp-f": "==1.5",
        "cp-h": "<3,>=2",
    }
    place.write_text('[project]\nname="x"\ndynamic=["dependencies"]\n')
    assert [state for _, _, state in _needed(place, host).values()] == ["not looked at"]


def test_options_that_lead_elsewhere_and_the_worse_of_two_lines(host: FakeHost, tmp_path: Path) -> None:
    text = "--index-url http://private/simple\n-f wheels\npsutil\npsutil>=900\n"
    (tmp_path / "requirements.txt").write_text(text, encoding="utf-16")
    assert {name: state for name, (_, _, state) in _needed(tmp_path, host).items()} == {
        "--index-url http://private/simple": "not looked at",
        "-f wheels": "not looked at",
        "psutil": "other version",
    }
