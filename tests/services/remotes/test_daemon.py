"""How rclone is found, started and ended, and what it says in words."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import sysconfig
import textwrap
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
from hypothesis import given
from hypothesis import strategies as st

import colabpanel
from colabpanel.errors import (
    ColabPanelError,
    HostError,
    InputError,
    MissingLibraryError,
    PathError,
    SourceLostError,
    StorageError,
)
from colabpanel.services.remotes.rclone import control, daemon, finding
from colabpanel.services.remotes.rclone.control import ask
from colabpanel.services.remotes.rclone.failures import as_error, without_secrets
from colabpanel.services.remotes.rclone.finding import find_rclone

Maker = Callable[[str, str], Path]


@pytest.fixture
def program(tmp_path: Path) -> Maker:
    def make(folder: str, script: str) -> Path:
        path = tmp_path / folder / "rclone"
        path.parent.mkdir()
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o700)
        return path

    return make


@pytest.fixture
def only(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[[str, str], None]:
    """Let rclone be looked for in these folders only."""

    def choose(on_path: str, of_python: str) -> None:
        monkeypatch.setenv("PATH", str(tmp_path / on_path))
        monkeypatch.setattr(sysconfig, "get_path", lambda _: str(tmp_path / of_python))

    return choose


def test_the_one_on_the_path_comes_first(program: Maker, only: Callable[[str, str], None]) -> None:
    first, second = program("a", "echo rclone v1.70.1"), program("b", "echo rclone v1.75.2-DEV")
    only("a", "b")
    assert find_rclone() == first
    first.write_text("#!/bin/sh\necho rclone v1.60.1-DEV\n")
    assert find_rclone() == second


@pytest.mark.parametrize(
    ("script", "words"),
    [
        ("echo rclone v1.60.1-DEV", r"is 1\.60; rclone 1\.68 or later is needed"),
        ("echo something else", "does not tell its version"),
        ("exit 1", "does not tell its version"),
    ],
)
def test_one_that_cannot_be_used(program: Maker, only: Callable[[str, str], None], script: str, words: str) -> None:
    program("a", script)
    only("a", "none")
    with pytest.raises(MissingLibraryError, match=words) as caught:
        find_rclone()
    assert caught.value.hint == 'Run: pip install "colabpanel[remote]"'


def test_none_at_all(only: Callable[[str, str], None]) -> None:
    only("none", "neither")
    with pytest.raises(MissingLibraryError, match="there is none"):
        find_rclone()


def test_a_program_that_cannot_be_run(
    program: Maker, only: Callable[[str, str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = program("a", "exec sleep 60")
    monkeypatch.setattr(finding, "_TO_ANSWER", 0.05)
    only("a", "none")
    with pytest.raises(MissingLibraryError, match="does not tell its version"):
        find_rclone()
    assert path.exists()


def test_one_that_does_not_start(program: Maker) -> None:
    path = program("a", "echo 'CRITICAL: Failed: password=hunter2 is wrong'; exit 1")
    with pytest.raises(StorageError, match=r"does not start: CRITICAL: Failed: password=\(hidden\)"):
        daemon.Daemon(path)


def test_one_that_says_nothing(program: Maker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(daemon, "_TO_START", 0.05)
    with pytest.raises(StorageError, match="it says nothing"):
        daemon.Daemon(program("a", "exec sleep 60"))


def test_one_that_does_not_want_to_end(program: Maker, monkeypatch: pytest.MonkeyPatch) -> None:
    script = "trap '' TERM; echo Serving remote control on http://127.0.0.1:1/; while :; do sleep 1; done"
    stubborn = daemon.Daemon(program("a", script))
    assert stubborn.port == 1
    keeper = psutil.Process(stubborn._process.pid)
    inner = keeper.children()
    monkeypatch.setattr(daemon, "_GRACE", 20.0)
    stubborn.stop()
    assert not stubborn.is_alive
    psutil.wait_procs(inner, timeout=20)
    assert not any(process.is_running() and process.status() != psutil.STATUS_ZOMBIE for process in inner)


def test_an_answer_that_does_not_come(monkeypatch: pytest.MonkeyPatch, program: Maker) -> None:
    script = "echo Serving remote control on http://127.0.0.1:1/; exec sleep 60"
    dead = daemon.Daemon(program("a", script))
    monkeypatch.setattr(control, "running_rclone", lambda: dead)
    with pytest.raises(SourceLostError, match="rclone does not answer: ConnectionRefusedError"):
        ask("core/version", {})
    dead.stop()


def test_a_forked_process_leaves_rclone_alone(box: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    here = daemon.running_rclone()
    monkeypatch.setattr(here, "_owner", -1)
    assert not here.is_alive
    here.stop()
    monkeypatch.undo()
    assert here.is_alive


def test_rclone_ends_with_the_notebook_that_is_killed(box: Path) -> None:
    """A kernel is killed, as Colab does: neither the keeper nor rclone stays."""
    script = """
        import sys
        sys.path.insert(0, sys.argv[1])
        from colabpanel.services.remotes.rclone.daemon import running_rclone
        print(running_rclone()._process.pid, flush=True)
        sys.stdin.read()
    """
    parent = str(Path(colabpanel.__file__).parents[1])
    with subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(script), parent],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, encoding="ascii", cwd=parent,
    ) as kernel:  # fmt: skip
        assert kernel.stdout is not None
        keeper = psutil.Process(int(kernel.stdout.readline()))
        family = [keeper, *keeper.children()]
        assert len(family) == 2
        os.kill(kernel.pid, signal.SIGKILL)
        _, left = psutil.wait_procs(family, timeout=20)
    assert [process for process in left if process.status() != psutil.STATUS_ZOMBIE] == []


@pytest.mark.parametrize(
    ("said", "kind", "words"),
    [
        ('didn\'t find section in config file ("x")', InputError, "no remote called x"),
        ("directory not found", PathError, "x:a/b does not exist"),
        ("unable to decrypt configuration: bad password", InputError, "is encrypted"),
        ("googleapi: Error 403: storageQuotaExceeded", StorageError, "x is full"),
        ("path/insufficient_space/..", StorageError, "x is full"),
        ("too_many_requests/..", SourceLostError, "less often"),
        ('oauth2: "invalid_grant"', HostError, "does not accept the credentials"),
        ("expired_access_token/.", HostError, "does not accept the credentials"),
        ("dial tcp: lookup x: no such host", SourceLostError, "does not answer"),
        ("it went wrong in a new way", StorageError, "rclone could not do it for x:a/b: it went wrong in a new way"),
        ("", StorageError, "does not say why"),
    ],
)  # fmt: skip
def test_failures_in_words(said: str, kind: type[ColabPanelError], words: str) -> None:
    error = as_error(said, "x", "a/b")
    assert type(error) is kind
    assert words in error.message


@given(secret=st.text(st.sampled_from("abcdefABC019-_."), min_size=6))
def test_secrets_are_taken_out(secret: str) -> None:
    for said in (
        f"Get https://host/file?token={secret}&x=1: EOF", f"https://me:{secret}@host/x", f'access_token="{secret}"',
        f"password: {secret}", f"secret_access_key={secret}",
    ):  # fmt: skip
        assert secret not in without_secrets(said).replace("token", "").replace("(hidden)", "")
