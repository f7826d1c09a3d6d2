from __future__ import annotations

import inspect
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest

from colabpanel.app.launcher import serve
from colabpanel.errors import HostError
from colabpanel.hosts import _base, _detect, colab, detect, jupyter
from colabpanel.hosts._base import IPythonHost
from colabpanel.hosts._google_colab import ColabAuth, ColabDrive, ColabFiles, ColabOutput, ColabRuntime
from colabpanel.hosts.colab import ColabHost
from colabpanel.hosts.jupyter import JupyterHost
from colabpanel.hosts.voila import VoilaHost
from tests.fakes import (
    FakeColabAuth,
    FakeColabDrive,
    FakeColabFiles,
    FakeColabOutput,
    FakeColabRuntime,
    FakeColabUserdata,
    FakeHost,
    FakeShell,
)


@pytest.fixture(autouse=True)
def _plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (
        "COLAB_RELEASE_TAG",
        "SERVER_SOFTWARE",
        "VOILA_PREHEAT",
        "COLABPANEL_ROOT",
        "VSCODE_PID",
        "VERTEX_PRODUCT",
    ):
        monkeypatch.delenv(name, raising=False)


def _shell(monkeypatch: pytest.MonkeyPatch) -> FakeShell:
    shell = FakeShell()
    monkeypatch.setattr(_detect, "_shell", lambda: shell)
    return shell


def test_plain_python_is_a_host_too() -> None:
    host = detect()
    assert type(host) is IPythonHost
    assert host.namespace() == {}
    assert host.on_main_thread(lambda: 5).result() == 5
    host.on_cell(lambda: None, lambda: None)()
    for name, arguments in (("mount_drive", (Path("x"),)), ("unmount_drive", ()), ("send_file", (Path("x"),))):
        with pytest.raises(HostError):
            getattr(host, name)(*arguments)


@pytest.mark.parametrize(
    ("variable", "value", "kind", "name"),
    [
        ("COLAB_RELEASE_TAG", "release", ColabHost, "Google Colab"),
        ("SERVER_SOFTWARE", "voila/0.5.13", VoilaHost, "Dashboard"),
        ("COLABPANEL_ROOT", "/tmp", VoilaHost, "Dashboard"),
        ("VSCODE_PID", "1", JupyterHost, "VS Code"),
    ],
)
def test_the_environment_tells_the_host(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str, kind: type[object], name: str
) -> None:
    _shell(monkeypatch)
    monkeypatch.setenv(variable, value)
    host = detect()
    assert type(host) is kind
    assert host.name == name


def test_the_parent_process_tells_the_front_end(monkeypatch: pytest.MonkeyPatch) -> None:
    _shell(monkeypatch)
    assert detect().name == "Jupyter"
    monkeypatch.setattr("psutil.Process.cmdline", lambda self: ["/usr/bin/python3", "/usr/bin/jupyter-lab", "--port=1"])
    assert detect().name == "JupyterLab"


def test_on_the_main_thread_or_once_no_cell_runs() -> None:
    shell = FakeShell()
    host = IPythonHost(shell)
    assert host.namespace() == {"x": 1}
    futures: list[Any] = []

    def ask() -> None:
        futures.append(host.on_main_thread(threading.current_thread))
        futures.append(host.on_main_thread(lambda: 1 / 0))
        futures.append(host.on_main_thread(lambda: "never"))

    _in_thread(ask)
    assert not futures[0].done()
    futures[2].cancel()
    shell.kernel.io_loop.run()
    assert futures[0].result() is threading.main_thread()
    with pytest.raises(ZeroDivisionError):
        futures[1].result()


def test_without_a_kernel_another_thread_is_refused() -> None:
    futures: list[Any] = []
    _in_thread(lambda: futures.append(IPythonHost().on_main_thread(lambda: 1)))
    with pytest.raises(HostError, match="main thread"):
        futures[0].result()


def _in_thread(function: Callable[[], None]) -> None:
    thread = threading.Thread(target=function)
    thread.start()
    thread.join()


def test_cells_are_reported_until_told_to_stop() -> None:
    shell = FakeShell()
    seen: list[str] = []
    stop = IPythonHost(shell).on_cell(lambda: seen.append("started"), lambda: seen.append("ended"))
    shell.events.fire("pre_run_cell")
    shell.events.fire("post_run_cell")
    stop()
    shell.events.fire("pre_run_cell")
    assert seen == ["started", "ended"]


def test_interrupting_is_what_the_stop_button_does() -> None:
    with pytest.raises(KeyboardInterrupt):
        IPythonHost().interrupt_cell()
    assert signal.getsignal(signal.SIGINT) is not signal.SIG_IGN


@pytest.mark.parametrize("wait", [time.sleep, threading.Event().wait])
def test_an_interrupt_from_another_thread_ends_a_wait_of_the_main_thread(wait: Callable[[float], object]) -> None:
    begun = threading.Event()

    def interrupt() -> None:
        begun.wait()
        IPythonHost().interrupt_cell()

    def work() -> None:
        begun.set()
        wait(60)

    interrupting = threading.Thread(target=interrupt)
    interrupting.start()
    started = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        work()
    interrupting.join()
    assert time.monotonic() - started < 30  # of the 60 that it would have waited


def test_a_thread_that_does_not_come_on_is_sent_the_signal_again(monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[tuple[int, int]] = []
    monkeypatch.setattr(signal, "pthread_kill", lambda *call: sent.append(call))

    def interrupt() -> None:
        before = len(sent)
        while len(sent) < before + 2:  # sooner or later the main thread waits for this one
            before = len(sent)
            IPythonHost().interrupt_cell()

    _in_thread(interrupt)
    assert set(sent) == {(threading.main_thread().ident, signal.SIGINT)}


def test_where_threads_take_no_signals_the_process_gets_it(monkeypatch: pytest.MonkeyPatch) -> None:
    raised: list[int] = []
    monkeypatch.delattr(signal, "pthread_kill")
    monkeypatch.setattr(signal, "raise_signal", raised.append)
    _in_thread(IPythonHost().interrupt_cell)
    assert raised == [signal.SIGINT]


def test_the_dashboard_has_a_root_and_no_namespace(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("COLABPANEL_ROOT", str(tmp_path))
    host = VoilaHost(FakeShell())
    assert host.is_served
    assert host.root == host.workspace == tmp_path
    assert host.namespace() == {}
    with pytest.raises(HostError):
        host.interrupt_cell()


def test_the_state_folder_falls_back_to_a_temporary_one(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("COLABPANEL_STATE_DIR", str(tmp_path / "a" / "b"))
    assert _base.state_dir() == tmp_path / "a" / "b"
    (tmp_path / "file").touch()
    monkeypatch.setenv("COLABPANEL_STATE_DIR", str(tmp_path / "file" / "below"))
    assert _base.state_dir().is_dir()


def test_jupyter_links_to_files_that_its_server_hands_out(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("JUPYTER_RUNTIME_DIR", str(tmp_path))
    monkeypatch.setenv("JPY_PARENT_PID", "4242")
    (tmp_path / "jpserver-4242.json").write_text(json.dumps({"root_dir": str(tmp_path), "base_url": "/"}))
    shown: list[Any] = []
    monkeypatch.setattr("IPython.display.display", shown.append)
    host = JupyterHost(FakeShell())
    host.send_file(tmp_path / "a <b>.txt")
    assert 'href="/files/a%20%3Cb%3E.txt?download=1"' in shown[0].data
    assert ">a &lt;b&gt;.txt</a>" in shown[0].data
    with pytest.raises(HostError, match="outside of what the notebook's server hands out"):
        host.send_file(Path("/etc/passwd"))


def _colab(error: Exception | None = None) -> tuple[ColabHost, FakeColabDrive, FakeColabFiles]:
    drive, files = FakeColabDrive(error), FakeColabFiles()
    return ColabHost(FakeShell(), drive=lambda: drive, files=lambda: files), drive, files


def test_a_kernel_whose_folder_was_deleted_works_in_the_home_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (gone := tmp_path / "gone").mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    assert IPythonHost().workspace == Path.home()


def test_where_a_root_is_set_the_workspace_is_in_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "in").mkdir()
    for here, workspace in ((tmp_path, tmp_path / "in"), (tmp_path / "in", tmp_path / "in")):
        monkeypatch.chdir(here)
        host = IPythonHost()
        host.root = tmp_path / "in"
        assert host.workspace == workspace


def test_colab_mounts_unmounts_and_downloads() -> None:
    host, drive, files = _colab()
    host.mount_drive(Path("/content/drive"), readonly=True, force=True)
    host.unmount_drive()
    host.send_file(Path("/content/x"))
    assert drive.calls == [("mount", "/content/drive", True, True), ("unmount",)]
    assert files.downloaded == ["/content/x"]
    assert host.drive_mountpoint == Path("/content/drive")
    assert host.workspace.is_dir()
    host.mount_drive(Path("/content/other"))
    assert ColabHost(FakeShell()).drive_mountpoint == Path("/content/other")


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (NotImplementedError("no hostname"), "offers no Drive mount"),
        (ValueError("Mountpoint must not contain a space."), "path with a space"),
        (ValueError("Mountpoint must not be a symlink"), "is a link"),
        (ValueError("Mountpoint must not already contain files"), "already contains files"),
        (ValueError("mount failed"), "Drive did not mount: mount failed"),
        (ValueError("mount failed: no space"), "Drive did not mount: mount failed: no space"),
        (LookupError("credential propagation was unsuccessful"), "LookupError: credential propagation"),
    ],
)
def test_colabs_refusals_become_sentences(error: Exception, words: str) -> None:
    host, _, _ = _colab(error)
    with pytest.raises(HostError, match=words) as caught:
        host.mount_drive(Path("/content/drive"))
    assert caught.value.hint


def test_a_flush_that_failed_is_told() -> None:
    host, _, _ = _colab(ValueError("flush_and_unmount failed"))
    with pytest.raises(HostError, match="could not write out"):
        host.unmount_drive()


def test_a_flush_that_never_ends_is_made_to(monkeypatch: pytest.MonkeyPatch) -> None:
    class Waiting(FakeColabDrive):
        def flush_and_unmount(self, timeout_ms: int = 86400000) -> None:
            program = [sys.executable, "-c", "import sys; sys.stdin.read()", "--push_changes_and_quit"]
            with subprocess.Popen(program, stdin=subprocess.PIPE) as flushing:
                flushing.wait()
            raise ValueError("flush_and_unmount failed")

    monkeypatch.setattr(colab, "_FLUSH_GRACE", 5)
    host = ColabHost(FakeShell(), drive=Waiting)
    with pytest.raises(HostError, match="could not write out"):
        host.unmount_drive(timeout=0.3)


def test_where_drive_cannot_be_mounted_nothing_is_written_out() -> None:
    host, _, _ = _colab(NotImplementedError("no hostname"))
    with pytest.raises(HostError, match="has mounted no Drive"):
        host.unmount_drive()


def test_colab_enterprise_has_no_mount(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VERTEX_PRODUCT", "COLAB_ENTERPRISE")
    host, _, _ = _colab()
    assert host.name == "Colab Enterprise"
    assert host.drive_mountpoint is None


def test_google_colab_is_missing_here() -> None:
    with pytest.raises(ImportError):
        ColabHost(FakeShell()).mount_drive(Path("x"))
    with pytest.raises(ImportError):
        ColabHost(FakeShell()).send_file(Path("x"))


def test_colab_releases_its_runtime() -> None:
    runtime = FakeColabRuntime()
    host = ColabHost(FakeShell(), runtime=lambda: runtime)
    assert host.releases_runtime
    host.release_runtime()
    assert runtime.unassigned == 1


def test_a_runtime_that_is_not_released_is_told() -> None:
    broken = ColabHost(
        FakeShell(), runtime=lambda: FakeColabRuntime(RuntimeError("Unable to request VM unassignment."))
    )
    with pytest.raises(HostError, match=r"did not release .*Unable to request") as caught:
        broken.release_runtime()
    assert "Disconnect and delete runtime" in caught.value.hint
    with pytest.raises(HostError, match="ModuleNotFoundError"):
        ColabHost(FakeShell()).release_runtime()


def test_elsewhere_nothing_is_released(monkeypatch: pytest.MonkeyPatch) -> None:
    runtime = FakeColabRuntime()
    monkeypatch.setenv("VERTEX_PRODUCT", "COLAB_ENTERPRISE")
    enterprise = ColabHost(FakeShell(), runtime=lambda: runtime)
    for host in (IPythonHost(), JupyterHost(FakeShell()), VoilaHost(FakeShell()), enterprise):
        assert not host.releases_runtime
        with pytest.raises(HostError, match="cannot release the machine"):
            host.release_runtime()
    assert runtime.unassigned == 0


def test_the_last_cell_failed_or_did_not() -> None:
    shell = FakeShell()
    host = IPythonHost(shell)
    assert not IPythonHost().last_cell_failed()
    assert not host.last_cell_failed()
    shell.last_execution_succeeded = False
    assert host.last_cell_failed()


def test_limits_of_time_name_who_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    elsewhere = VoilaHost(FakeShell()).time_limits
    monkeypatch.setenv("COLABPANEL_ROOT", "/tmp")
    ours = VoilaHost(FakeShell()).time_limits
    monkeypatch.setenv("VERTEX_PRODUCT", "COLAB_ENTERPRISE")
    enterprise = ColabHost(FakeShell()).time_limits
    assert elsewhere == JupyterHost(FakeShell()).time_limits
    assert all(limit.idle is limit.longest is None for limit in elsewhere)
    assert [limit.idle for limit in ours] == [inspect.signature(serve).parameters["cull_after"].default]
    assert enterprise != ColabHost.time_limits
    assert [limit.longest for limit in ColabHost.time_limits] == [12 * 3600, None, 24 * 3600]
    assert all(limit.source for limit in (*elsewhere, *ours, *enterprise, *ColabHost.time_limits))
    assert IPythonHost().time_limits == ()


@pytest.mark.parametrize(
    ("protocol", "fake"),
    [
        (ColabDrive, FakeColabDrive),
        (ColabFiles, FakeColabFiles),
        (ColabOutput, FakeColabOutput),
        (ColabRuntime, FakeColabRuntime),
        (ColabAuth, FakeColabAuth),
    ],
)
def test_the_fakes_have_the_published_signatures(protocol: type[object], fake: type[object]) -> None:
    for name, published in inspect.getmembers(protocol, inspect.isfunction):
        if not name.startswith("_"):
            theirs, ours = inspect.signature(published), inspect.signature(getattr(fake, name))
            assert list(theirs.parameters.values()) == list(ours.parameters.values())


def test_every_host_offers_every_call(tmp_path: Path) -> None:
    wanted = {name for name in vars(_base.Host) if not name.startswith("_")} | set(_base.Host.__annotations__)
    for host in (IPythonHost(), JupyterHost(None), VoilaHost(None), ColabHost(None), FakeHost(tmp_path)):
        assert {name for name in wanted if not hasattr(host, name)} == set()


def test_the_server_that_started_the_kernel_tells_where_its_files_are(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    runtime, served = tmp_path / "runtime", tmp_path / "served"
    for folder in (runtime, served / "sub"):
        folder.mkdir(parents=True)
    monkeypatch.setenv("JUPYTER_RUNTIME_DIR", str(runtime))
    monkeypatch.setenv("JPY_PARENT_PID", "4242")
    assert JupyterHost(FakeShell()).file_url(served / "x") is None
    (runtime / "jpserver-4242.json").write_text("{broken")
    (runtime / "nbserver-4242.json").write_text(json.dumps({"notebook_dir": str(served), "base_url": "/user/me/"}))
    host = JupyterHost(FakeShell())
    assert host.file_url(served / "sub" / "a b&c.txt") == "/user/me/files/sub/a%20b%26c.txt?download=1"
    assert host.file_url(served / "\udcff") is None
    (served / "link").symlink_to(tmp_path / "elsewhere")
    for outside in (tmp_path / "elsewhere", served / "link"):
        assert host.file_url(outside) is None
    monkeypatch.setenv("VSCODE_PID", "1")
    assert JupyterHost(FakeShell()).file_url(served / "x") is None


def test_where_processes_cannot_be_listed_the_parent_may_be_the_server(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: object) -> None:
        raise psutil.AccessDenied

    monkeypatch.setattr("psutil.Process.parents", refuse)
    monkeypatch.setenv("JPY_PARENT_PID", "no number")
    assert jupyter._ancestors() == [os.getppid()]


def test_a_page_of_colab_calls_the_kernel() -> None:
    output = FakeColabOutput()
    host = ColabHost(FakeShell(), output=lambda: output)
    stop = host.on_page_call("name", lambda *messages: list(messages))
    assert stop is not None
    assert output.callbacks["name"]([1], "x").data == {"answer": [[1], "x"]}
    stop()
    assert output.callbacks == {}
    assert VoilaHost(None).on_page_call("name", print) is None
    assert VoilaHost(None).file_url(Path("x")) is None
    with pytest.raises(ImportError):
        ColabHost(FakeShell()).on_page_call("name", print)


def test_colab_keeps_secrets_and_others_none() -> None:
    kept = FakeColabUserdata({"HF_TOKEN": "t"}, hidden={"KAGGLE_KEY"})
    host = ColabHost(FakeShell(), userdata=lambda: kept)
    assert host.keeps_secrets
    assert host.secret("HF_TOKEN") == "t"
    assert host.secret("GITHUB_TOKEN") is None
    with pytest.raises(HostError, match="the secret KAGGLE_KEY") as caught:
        host.secret("KAGGLE_KEY")
    assert "notebook access" in caught.value.hint
    plain = IPythonHost()
    assert not plain.keeps_secrets
    assert plain.secret("HF_TOKEN") is None


def test_a_cell_that_runs_others_is_one_and_it_is_known_while_it_awaits() -> None:
    shell, seen = FakeShell(), list[str]()
    host = IPythonHost(shell)
    stop = host.on_cell(lambda: seen.append("began"), lambda: seen.append("ended"))
    assert not host.runs_cell
    for event in ("pre_run_cell", "pre_run_cell", "post_run_cell"):
        shell.events.fire(event)
    assert (seen, host.runs_cell, IPythonHost(shell).runs_cell) == (["began"], True, True)
    shell.events.fire("post_run_cell")
    assert (seen, host.runs_cell) == (["began", "ended"], False)
    stop()
    shell.events.fire("pre_run_cell")
    assert seen == ["began", "ended"]


def test_cells_of_subshells_are_told_to_those_who_ask() -> None:
    shell, seen = FakeShell(), list[str]()
    host = IPythonHost(shell)
    host.on_cell(lambda: seen.append("began"), lambda: seen.append("ended"))
    host.on_cell(lambda: seen.append("any"), lambda: None, subshells=True)
    shell.events.fire("pre_run_cell")

    def cell_of_a_subshell() -> None:
        for event in ("pre_run_cell", "post_run_cell"):
            shell.events.fire(event)

    thread = threading.Thread(target=cell_of_a_subshell)
    thread.start()
    thread.join()
    assert (seen, host.runs_cell) == (["began", "any", "any"], True)


def test_an_interrupt_as_a_cell_ends_does_not_make_all_that_follow_a_part_of_it() -> None:
    shell, seen = FakeShell(), list[str]()
    host = IPythonHost(shell)
    host.on_cell(lambda: seen.append("began"), lambda: seen.append("ended"))
    shell.events.fire("pre_run_cell")  # and its end was never told
    ipython: dict[str, Any] = {"__name__": "IPython.core.interactiveshell"}
    exec("def run_cell_async(begin):\n    begin()", ipython)
    ipython["run_cell_async"](lambda: shell.events.fire("pre_run_cell"))
    assert seen == ["began", "ended", "began"]
    ipython["run_cell_async"](lambda: ipython["run_cell_async"](lambda: shell.events.fire("pre_run_cell")))
    assert (seen, host.runs_cell) == (["began", "ended", "began"], True)
