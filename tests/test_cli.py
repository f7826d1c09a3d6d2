from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from colabpanel.cli import main
from colabpanel.cli.terminal import draw, printable
from colabpanel.jobs import Job
from colabpanel.services.snapshots.service import dump
from tests.archives import TREE, make_zip, tree_of, write_tree
from tests.http_faults import serving


def _json(capsys: pytest.CaptureFixture[str]) -> dict[str, object]:
    answer: dict[str, object] = json.loads(capsys.readouterr().out.splitlines()[-1])
    return answer


def test_stage_prints_one_object(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source, out = make_zip(tmp_path / "a.zip"), tmp_path / "out"
    assert main(["stage", str(source), str(out), "--json"]) == 0
    answer = _json(capsys)
    assert {key: answer[key] for key in ("status", "files", "bytes", "skipped")} == {
        "status": "ok",
        "files": 4,
        "bytes": sum(map(len, TREE.values())),
        "skipped": [],
    }
    assert tree_of(out) == TREE


def test_an_address_is_staged_from(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out, packed = tmp_path / "out", make_zip(tmp_path / "a.zip").read_bytes()
    with serving() as server:
        url = server.serve(packed, "/my%20photos.zip")
        assert main(["plan", url, str(out), "--json"]) == 0
        answer = _json(capsys)
        assert (answer["source"], answer["files"], answer["archive_size"]) == (url, 4, len(packed))
        assert main(["stage", url, str(out), "--json"]) == 0
        assert tree_of(out) == TREE
        _json(capsys)
        assert main(["plan", url, str(out), "--json"]) == 0
        assert _json(capsys)["message"] == f"my photos.zip is in {out} already, whole."
        server.pages["/my%20photos.zip"].ranges = False
        assert main(["plan", url, str(tmp_path / "new"), "--json"]) == 0
        answer = _json(capsys)
    assert "only whole: it would be brought to the disk first" in str(answer["message"])
    assert (answer["format"], answer["files"]) == (None, None)


def test_a_skipped_member_is_named_in_full(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    name = "../" + "long-" * 30 + "\x1b[2J"
    source = make_zip(tmp_path / "a.zip", {"good": b"1", name: b"2"})
    assert main(["stage", str(source), str(tmp_path / "out"), "--json"]) == 3
    assert _json(capsys)["skipped"] == [[name, "its name holds control characters"]]
    assert main(["stage", str(source), str(tmp_path / "out2")]) == 3
    told = capsys.readouterr()
    assert "1 member was skipped" in told.out
    assert "\x1b" not in told.err
    assert "long-\\x1b[2J" in told.err


def test_copy_copies_what_changed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = write_tree(tmp_path / "a", {"x": b"1", "y": b"22"})
    for files, unchanged in ((2, 0), (0, 2)):
        assert main(["copy", str(source), str(tmp_path / "b"), "--json"]) == 0
        answer = _json(capsys)
        assert (answer["status"], answer["files"], answer["unchanged"]) == ("ok", files, unchanged)
    assert main(["copy", str(tmp_path / "missing"), str(tmp_path / "b"), "--json"]) == 1
    assert _json(capsys)["status"] == "rejected"


def test_copying_every_few_minutes_tells_each_round_and_ends_when_interrupted(tmp_path: Path) -> None:
    source = write_tree(tmp_path / "a", {"x": b"1"})
    command = [sys.executable, "-m", "colabpanel", "copy", str(source), str(tmp_path / "b"), "--every", "1", "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert json.loads(process.stdout.readline())["files"] == 1
        process.send_signal(signal.SIGINT)
        assert json.loads(process.stdout.readline())["status"] == "cancelled"
    assert process.returncode == 130


@pytest.mark.parametrize("command", ["stage", "plan"])
def test_bad_input_is_one_sentence_and_a_hint(tmp_path: Path, capsys: pytest.CaptureFixture[str], command: str) -> None:
    (tmp_path / "a.zip").write_bytes(b"\x89PNG")
    for source in (tmp_path / "missing.zip", tmp_path, tmp_path / "a.zip"):
        assert main([command, str(source), str(tmp_path / "out"), "--json"]) == 1
        answer = _json(capsys)
        assert answer["status"] == "rejected"
        assert answer["message"]
        assert answer["hint"]
        assert main([command, str(source), str(tmp_path / "out")]) == 1
        told = capsys.readouterr()
        assert told.out == ""
        assert len(told.err.splitlines()) == 2
    assert os.listdir(tmp_path) == ["a.zip"]


def test_plan_tells_and_writes_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = make_zip(tmp_path / "a.zip")
    assert main(["plan", str(source), str(tmp_path / "out"), "--exclude", "*.bin"]) == 0
    assert capsys.readouterr().out.startswith("3 files, 7 bytes would be unpacked into ")
    assert main(["plan", str(source), str(tmp_path / "out"), "--json"]) == 0
    answer = _json(capsys)
    assert (answer["files"], answer["format"], answer["status"]) == (4, "zip", "ok")
    (tmp_path / "file").touch()
    assert main(["plan", str(source), str(tmp_path / "file")]) == 1


def test_passwords_come_from_the_environment_or_are_asked_for(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from tests.services.staging.test_stage import _ENCRYPTED

    (tmp_path / "a.zip").write_bytes(_ENCRYPTED)
    command = ["stage", str(tmp_path / "a.zip"), str(tmp_path / "out"), "--json"]
    assert main(["plan", *command[1:]]) == 1
    assert _json(capsys)["message"] == "This archive is encrypted."
    monkeypatch.setenv("COLABPANEL_PASSWORD", "wrong")
    assert main(command) == 1
    monkeypatch.setattr("getpass.getpass", lambda _: "secret")
    assert main([*command, "--ask-password"]) == 0


@pytest.mark.parametrize("arguments", [[], ["stage"], ["stage", "a", "b", "--overwrite", "maybe"], ["nonsense"]])
def test_wrong_usage(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments) == 2
    assert "usage:" in capsys.readouterr().err
    assert main([*arguments, "--json"]) == 2
    answer = json.loads(capsys.readouterr().out)
    assert answer["status"] == "rejected"
    assert answer["message"].endswith(".")


def test_names_that_a_terminal_does_not_know_are_no_end(tmp_path: Path) -> None:
    (tmp_path / "\u65e5\u672c").touch()
    command = [sys.executable, "-m", "colabpanel", "list", str(tmp_path)]
    environment = {**os.environ, "LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0
    assert "\\u65e5" in done.stdout


def test_requirements_that_lead_elsewhere_are_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "requirements.txt").write_text("pytest\n-r more.txt\ngit+https://x.y/z.git\n")
    assert main(["requirements", str(tmp_path), "--json"]) == 3
    answer = json.loads(capsys.readouterr().out)
    assert answer["message"] == "1 requirement, 0 of them not met. 2 lines lead elsewhere, and only pip follows it."
    assert main(["requirements", str(tmp_path), "--install", "--json"]) == 1
    assert "leads to something that only pip follows" in json.loads(capsys.readouterr().out)["message"]


def test_nobody_there_to_type_a_password(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def nobody(_: str) -> str:
        raise EOFError

    monkeypatch.setattr("getpass.getpass", nobody)
    archive = str(make_zip(tmp_path / "a.zip"))
    assert main(["stage", archive, str(tmp_path / "a"), "--ask-password", "--json"]) == 1
    assert "COLABPANEL_PASSWORD" in json.loads(capsys.readouterr().out)["hint"]


def _zip_that_takes_seconds(folder: Path) -> Path:
    return make_zip(folder / "a.zip", {f"{index}": bytes(3000) for index in range(40_000)})


def _wait_until_underway(process: subprocess.Popen[bytes], folder: Path) -> None:
    while not (folder / "out.partial" / "files" / "50").exists():
        assert process.poll() is None
        time.sleep(0.01)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_cancels(tmp_path: Path, number: signal.Signals) -> None:
    source = _zip_that_takes_seconds(tmp_path)
    process = subprocess.Popen(
        [sys.executable, "-m", "colabpanel", "stage", source, tmp_path / "out", "--json"], stdout=subprocess.PIPE
    )
    _wait_until_underway(process, tmp_path)
    process.send_signal(number)
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 130
    assert json.loads(output.splitlines()[-1])["status"] == "cancelled"
    assert not (tmp_path / "out").exists()
    assert (tmp_path / "out.partial").exists()


def test_progress_is_drawn_on_a_terminal_only(monkeypatch: pytest.MonkeyPatch) -> None:
    job: Job[None] = Job("x")
    job.start(100, "Unpacking")
    job.advance(50)
    stream = io.StringIO()
    monkeypatch.setattr(sys, "stderr", stream)
    draw(job.snapshot())
    assert stream.getvalue() == ""
    monkeypatch.setattr(stream, "isatty", lambda: True)
    draw(job.snapshot())
    draw(None)
    assert "Unpacking 50%" in stream.getvalue()
    assert stream.getvalue().endswith("\x1b[K")


def test_what_cannot_be_printed_is_spelled_out() -> None:
    assert printable("caf\u00e9 \x07 \udce9") == "caf\u00e9 \\x07 \\udce9"


def test_serving_a_folder_that_is_none(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["serve", "--root", str(tmp_path / "missing"), "--no-browser"]) == 1
    assert "is not a folder" in capsys.readouterr().err
    assert main(["serve", "--root", str(tmp_path), "--port", "99999999", "--json"]) == 1
    assert "cannot be used" in str(_json(capsys)["message"])


def test_an_unexpected_error_is_an_object_too(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", str(tmp_path / "no-python"))
    assert main(["stage", str(make_zip(tmp_path / "a.zip")), str(tmp_path / "out"), "--json"]) == 1
    told = capsys.readouterr()
    assert json.loads(told.out.splitlines()[-1])["status"] == "failed"
    assert "Traceback" in told.err


@pytest.mark.parametrize("path", ["", " "])
def test_no_path_is_not_the_working_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str], path: str) -> None:
    assert main(["stage", str(make_zip(tmp_path / "a.zip")), path, "--json"]) == 1
    assert _json(capsys)["message"] == "No path was given."


def test_ctrl_c_in_a_terminal_reaches_the_command_alone(tmp_path: Path) -> None:
    source = _zip_that_takes_seconds(tmp_path)
    command = [sys.executable, "-m", "colabpanel", "stage", str(source), str(tmp_path / "out"), "--json"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, start_new_session=True)
    _wait_until_underway(process, tmp_path)
    os.killpg(process.pid, signal.SIGINT)
    output, _ = process.communicate(timeout=60)
    assert json.loads(output.splitlines()[-1])["status"] == "cancelled"
    assert process.returncode == 130


def test_snapshots_are_listed_shown_and_exported(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    dump(tmp_path / "a.snapshot.zip", {"rows": [1, 2], "odd": {1}, "function": lambda: 1})
    assert main(["snapshot", "list", str(tmp_path), "--json"]) == 0
    answer = _json(capsys)
    assert [one["names"] for one in answer["snapshots"]] == [["rows", "odd", "function"]]  # type: ignore[attr-defined]
    assert main(["snapshot", "list", str(tmp_path)]) == 0
    assert "a.snapshot.zip: " in capsys.readouterr().out
    assert main(["snapshot", "show", str(tmp_path / "a.snapshot.zip")]) == 0
    assert "rows: list, 2" in capsys.readouterr().out
    assert main(["snapshot", "show", str(tmp_path / "a.snapshot.zip"), "--json"]) == 0
    assert [one["name"] for one in _json(capsys)["variables"]] == ["rows", "odd", "function"]  # type: ignore[attr-defined]
    assert main(["snapshot", "export", str(tmp_path / "a.snapshot.zip"), str(tmp_path / "out"), "--json"]) == 3
    answer = _json(capsys)
    assert [pair[0] for pair in answer["skipped"]] == ["odd", "function"]  # type: ignore[attr-defined]
    assert json.loads((tmp_path / "out" / "rows.json").read_text()) == [1, 2]
    assert main(["snapshot", "show", str(tmp_path / "missing"), "--json"]) == 1
    assert _json(capsys)["status"] == "rejected"


def test_a_reader_that_has_read_enough_is_no_failure(tmp_path: Path) -> None:
    dump(tmp_path / "a.snapshot.zip", {f"variable_{number}": number for number in range(3000)})
    command = [sys.executable, "-m", "colabpanel", "snapshot", "show", str(tmp_path / "a.snapshot.zip")]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.readline()
    process.stdout.close()
    errors = process.stderr.read()
    process.stderr.close()
    assert (process.wait(60), errors) == (0, b"")
