"""Tokens go to their own host, and are shown nowhere."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from colabpanel.errors import HostError, InputError
from colabpanel.services.fetching import service
from colabpanel.services.fetching.service import fetch
from colabpanel.services.web import secrets
from colabpanel.services.web.addresses import parse
from colabpanel.services.web.secrets import KEEPERS, Keeper, authorization_for, keeper_of
from tests.fakes import FakeHost, RecordingProgress
from tests.http_faults import FaultyServer, serving
from tests.services.fetching.conftest import fetch_here

TOKEN = "hf_s3cr3t"
NAMES = ("HF_TOKEN", "KAGGLE_USERNAME", "KAGGLE_KEY", "GITHUB_TOKEN")


@pytest.fixture(autouse=True)
def _no_tokens_of_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in NAMES:
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def elsewhere() -> Iterator[FaultyServer]:
    with serving() as server:
        yield server


@pytest.fixture
def private(server: FaultyServer, monkeypatch: pytest.MonkeyPatch) -> str:
    """A file that wants a token, at a place that stands for Hugging Face."""
    monkeypatch.setattr(secrets, "KEEPERS", (Keeper((server.url,), ("HF_TOKEN",), "Bearer"),))
    return server.serve(b"private", needs=f"Bearer {TOKEN}")


@pytest.mark.parametrize(
    ("url", "sent"),
    [
        ("https://huggingface.co/o/m/resolve/main/x", "Bearer h"),
        ("https://www.kaggle.com/api/v1/datasets/download/o/d", "Basic bmFtZTprZXk="),
        ("https://raw.githubusercontent.com/o/r/main/x", "Bearer g"),
        ("https://cdn-lfs.huggingface.co/x", None),
        ("https://huggingface.co.evil.org/x", None),
        ("https://huggingface.co:444/x", None),
        ("http://huggingface.co/x", None),
        ("https://github.com/x", None),
    ],
)
def test_each_token_has_its_host(url: str, sent: str | None) -> None:
    known = {"HF_TOKEN": " h\n", "KAGGLE_USERNAME": "name", "KAGGLE_KEY": "key", "GITHUB_TOKEN": "g"}
    keeper = keeper_of(parse(url))
    found = authorization_for(keeper, known.get) if keeper else {}
    assert found.get(parse(url).origin) == sent


def test_half_a_secret_is_none() -> None:
    assert authorization_for(KEEPERS[1], {"KAGGLE_USERNAME": "name"}.get) == {}
    assert authorization_for(KEEPERS[0], {"HF_TOKEN": "  "}.get) == {}


@pytest.mark.parametrize("value", ["a\nX-Evil: b", "t\u00f6ken", "two words"])
def test_what_no_token_is_made_of_is_refused_and_not_shown(value: str) -> None:
    with pytest.raises(InputError, match="HF_TOKEN holds letters") as caught:
        authorization_for(KEEPERS[0], {"HF_TOKEN": value}.get)
    assert value not in str(caught.value)


def test_a_token_of_the_environment_is_used(
    private: str, host: FakeHost, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    fetched = fetch(private, tmp_path, host=host)
    assert fetched.path.read_bytes() == b"private"
    assert TOKEN not in repr(fetched)
    assert host.asked_for == []


def test_the_host_is_asked_only_when_a_server_wants_to_know(
    server: FaultyServer, private: str, host: FakeHost, tmp_path: Path
) -> None:
    host.keeps_secrets, host.secrets = True, {"HF_TOKEN": TOKEN}
    fetch(server.serve(b"public", "/public.bin"), tmp_path, host=host)
    assert host.asked_for == []
    progress = RecordingProgress()
    assert fetch(private, tmp_path, host=host, progress=progress).path.read_bytes() == b"private"
    assert host.asked_for == ["HF_TOKEN"]
    assert (None, "Asking Test host for HF_TOKEN, once no cell runs") in progress.phases


def test_without_a_token_it_is_said_which_one_is_wanted(private: str, host: FakeHost, tmp_path: Path) -> None:
    for host.keeps_secrets in (False, True):
        with pytest.raises(InputError, match="not give this file to everybody") as caught:
            fetch(private, tmp_path, host=host)
        assert caught.value.hint.startswith("If it is private, set HF_TOKEN")


def test_a_token_that_is_refused_is_suspected(
    private: str, host: FakeHost, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", "outdated")
    with pytest.raises(InputError) as caught:
        fetch(private, tmp_path, host=host)
    assert caught.value.hint.startswith("HF_TOKEN may be out of date")
    assert "outdated" not in f"{caught.value}{caught.value.hint}"


@pytest.mark.parametrize(
    ("status", "words"), [(404, "has no such file"), (410, "has no such file"), (451, "it answers 451")]
)
def test_other_refusals_are_named(
    server: FaultyServer, host: FakeHost, tmp_path: Path, status: int, words: str
) -> None:
    with pytest.raises(InputError, match=words) as caught:
        fetch(server.serve(b"", status=status), tmp_path, host=host)
    assert "browser" in caught.value.hint


def test_a_host_that_refuses_is_heard(private: str, host: FakeHost, tmp_path: Path) -> None:
    class Refusing(FakeHost):
        def secret(self, name: str) -> str | None:
            raise HostError("Colab does not let this notebook read the secret HF_TOKEN.")

    refusing = Refusing(tmp_path)
    refusing.keeps_secrets = True
    with pytest.raises(HostError, match="HF_TOKEN"):
        fetch(private, tmp_path, host=refusing)


def test_tokens_of_the_operator_are_not_for_visitors(
    private: str, host: FakeHost, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    host.is_served, host.keeps_secrets, host.secrets = True, True, {"HF_TOKEN": TOKEN}
    host.root = tmp_path
    sent: list[Any] = []

    def call(_target: str, arguments: dict[str, Any], **_: Any) -> dict[str, Any]:
        sent.append(arguments["request"])
        return {"refused": 401, "host": "h"}

    monkeypatch.setattr(service, "call_isolated", call)
    with pytest.raises(InputError):
        fetch(private, "inside", host=host)
    assert [(request["secrets"], request["served"]) for request in sent] == [({}, True)]
    assert host.asked_for == []


def test_a_token_is_dropped_on_the_way_to_another_host(
    server: FaultyServer, elsewhere: FaultyServer, tmp_path: Path
) -> None:
    away = elsewhere.serve(b"file" * 10_000)
    url = server.serve(b"", "/start.bin", location="/next.bin")
    server.serve(b"", "/next.bin", location=away)
    fetch_here(url, tmp_path, secrets={server.url: f"Bearer {TOKEN}"})
    assert {asked.headers.get("Authorization") for asked in server.asked} == {f"Bearer {TOKEN}"}
    assert {asked.headers.get("Authorization") for asked in elsewhere.asked} == {None}


def test_a_password_in_the_address_goes_to_its_host_only(
    server: FaultyServer, elsewhere: FaultyServer, tmp_path: Path
) -> None:
    away = elsewhere.serve(b"file")
    url = server.serve(b"", location=away).replace("//", "//name:pass@")
    found = fetch_here(url, tmp_path)
    assert server.asked[0].headers["Authorization"] == "Basic bmFtZTpwYXNz"
    assert elsewhere.asked[0].headers.get("Authorization") is None
    assert ":pass" not in json.dumps(found)


@pytest.mark.usefixtures("small")
def test_nothing_secret_is_shown_or_written(
    server: FaultyServer, private: str, host: FakeHost, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    signed = f"{private}?signature=s1gned"
    server.faults.extend(["cut at once"] * 500)
    with pytest.raises(Exception, match="does not give") as caught:
        fetch_here(signed, tmp_path, secrets={server.url: f"Bearer {TOKEN}"})
    server.faults.clear()
    server.pages["/data.bin"].data = bytes(100_000)
    server.faults.extend(["", "", "", *["503"] * 500])
    with pytest.raises(Exception, match="does not give"):
        fetch_here(signed, tmp_path, secrets={server.url: f"Bearer {TOKEN}"})
    written = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    assert b"journal" in " ".join(os.listdir(tmp_path)).encode()
    for secret in (TOKEN, "s1gned"):
        assert secret not in f"{caught.value} {caught.value.args}"
        assert secret.encode() not in written


def test_no_token_is_among_the_arguments_of_a_process(
    server: FaultyServer, private: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines: list[str] = []
    real = subprocess.Popen

    class Watched(real):  # type: ignore[misc, valid-type]
        def __init__(self, command: list[str], **options: Any) -> None:
            lines.append(" ".join(map(str, command)))
            super().__init__(command, **options)

    monkeypatch.setenv("HF_TOKEN", TOKEN)
    monkeypatch.setattr(subprocess, "Popen", Watched)
    fetch(private, tmp_path)
    assert lines
    assert sys.executable in lines[0]
    assert TOKEN not in "".join(lines)
