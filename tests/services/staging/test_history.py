from __future__ import annotations

import json
import os
import threading
from pathlib import Path

import pytest

from colabpanel.errors import PathError
from colabpanel.services.staging.history import _MOST, History, stage_and_record
from tests.archives import make_zip
from tests.fakes import RecordingProgress


def test_a_staging_is_kept_with_its_outcome_and_options(tmp_path: Path) -> None:
    history = History(tmp_path)
    source = str(make_zip(tmp_path / "a.zip"))
    staged = stage_and_record(
        RecordingProgress(), history, source, str(tmp_path / "out"), password="pw", include=["*.txt"]
    )
    (entry,) = history.entries()
    assert (entry.source, entry.status, entry.files, entry.size) == (source, "ok", 3, staged.size)
    assert entry.options == {"include": ["*.txt"]}
    assert entry.message.startswith("Unpacked 3 files, 7 bytes, in ")
    assert not entry.resumable
    assert "pw" not in (tmp_path / "stagings.json").read_text()


def test_a_failure_is_kept_with_its_sentence(tmp_path: Path) -> None:
    history = History(tmp_path)
    with pytest.raises(PathError):
        stage_and_record(RecordingProgress(), history, str(tmp_path / "none.zip"), str(tmp_path / "out"))
    (entry,) = history.entries()
    assert entry.status == "rejected"
    assert "does not exist" in entry.message
    with pytest.raises(TypeError):
        stage_and_record(RecordingProgress(), history, "a", "b", nonsense=1)
    assert history.entries()[0].status == "failed"


def test_a_staging_whose_process_is_gone_was_interrupted(tmp_path: Path) -> None:
    history = History(tmp_path)
    history.begin("a.zip", "out", {})
    assert history.entries()[0].status == "running"
    path = tmp_path / "stagings.json"
    path.write_text(path.read_text().replace(f'"process": {os.getpid()}', '"process": 999999999'))
    (entry,) = history.entries()
    assert entry.status == "interrupted"
    assert entry.resumable
    history.forget(entry.key)
    assert history.entries() == []


def test_the_list_is_bounded_and_one_line_stands_for_one_pair(tmp_path: Path) -> None:
    history = History(tmp_path)
    for number in range(_MOST + 5):
        history.begin(f"{number}.zip", "out", {})
    history.begin("3.zip", "out", {})
    entries = history.entries()
    assert len(entries) == _MOST
    for entry in entries:
        history.finish(entry, "ok", "Done.")
    history.begin("60.zip", "out", {})
    history.begin("3.zip", "out", {})
    history.begin("60.zip", "out", {})
    entries = history.entries()
    assert len(entries) == _MOST
    assert [entry.source for entry in entries[:3]] == ["60.zip", "3.zip", "60.zip"]


@pytest.mark.parametrize("content", ["", "[{}]", "{", '[{"unknown": 1}]'])
def test_a_damaged_list_is_an_empty_one(tmp_path: Path, content: str) -> None:
    (tmp_path / "stagings.json").write_text(content)
    assert History(tmp_path).entries() == []


def test_a_list_that_cannot_be_kept_is_no_obstacle(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    history = History(tmp_path / "missing")
    staged = stage_and_record(RecordingProgress(), history, str(make_zip(tmp_path / "a.zip")), str(tmp_path / "out"))
    assert staged.status == "ok"
    assert "cannot be kept" in caplog.text


def test_several_threads_keep_one_list_and_a_number_that_was_given_anew_is_no_process_of_ours(tmp_path: Path) -> None:
    histories = [History(tmp_path), History(tmp_path)]

    def note(history: History) -> None:
        for number in range(10):
            entry = history.begin(f"{id(history)}-{number}.zip", "out", {})
            history.finish(entry, "ok", "Done.")

    threads = [threading.Thread(target=note, args=(history,)) for history in histories]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [entry.status for entry in histories[0].entries()] == ["ok"] * 20
    entry = histories[0].begin("old.zip", "out", {})
    rows = json.loads((tmp_path / "stagings.json").read_text())
    rows[0]["started"] -= 30 * 86400  # before this process was
    (tmp_path / "stagings.json").write_text(json.dumps(rows))
    assert next(one for one in histories[0].entries() if one.key == entry.key).status == "interrupted"
    keys = [one.key for one in histories[0].entries() if one.status == "ok"][:5]
    histories[0].clear(keys)
    assert len(histories[0].entries()) == 16
