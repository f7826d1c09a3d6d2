from __future__ import annotations

import base64
import random
import threading
from pathlib import Path
from typing import Any

import pytest

from colabpanel.jobs import JobRunner
from colabpanel.services.transfer import polling
from colabpanel.services.transfer.incoming import plan_upload
from colabpanel.services.transfer.models import OfferedFile
from colabpanel.services.transfer.polling import PollingLink
from colabpanel.services.transfer.receiving import PART, receive
from tests.page import PAGE, FakePage


def test_an_upload_goes_by_calls_of_the_page(tmp_path: Path) -> None:
    link, data = PollingLink(), random.Random(1).randbytes(3 * PART + 1)
    page = FakePage(files=[(OfferedFile("big", len(data), 1), data)])
    plan = plan_upload([page.files[0][0]], tmp_path)
    job = JobRunner().submit("up", lambda progress: receive(link, plan, transfer="t", page=PAGE, progress=progress))
    outbox: list[tuple[dict[str, Any], list[str]]] = []
    page.listen(lambda message, buffers: outbox.append((message, [base64.b64encode(b).decode() for b in buffers])))
    said: list[str] = []
    while "forget" not in said:
        call, outbox[:] = outbox[:1], outbox[1:]
        for message in link.call(call):
            said.append(message["kind"])
            page.say(message)
    assert job.result(10).files == ("big",)
    assert (tmp_path / "big").read_bytes() == data
    page.close()


def test_what_is_no_message_is_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    link = PollingLink(wait=0)
    heard: list[Any] = []
    stop = link.listen(lambda message, buffers: heard.append((message, buffers)))
    odd: Any = [None]
    assert link.call([({"kind": "x"}, ["no base64"]), ({"kind": "y"}, odd), ({"kind": "z"}, ["YQ=="])]) == []
    assert heard == [({"kind": "z"}, [b"a"])]
    stop()
    stop()
    link.call([({"kind": "z"}, [])])
    assert len(heard) == 1
    with pytest.raises(ValueError, match="no bytes"):
        link.say({}, [b"x"])
    monkeypatch.setattr(polling, "_MOST", 2)
    for number in range(5):
        link.say({"n": number})
    assert [message["n"] for message in link.call([])] == [3, 4]


def test_a_call_takes_along_what_is_said_while_it_waits() -> None:
    link = PollingLink(wait=10)
    threading.Timer(0.01, link.say, ({"n": 1},)).start()
    assert link.call([]) == [{"n": 1}]
