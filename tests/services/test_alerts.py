from __future__ import annotations

import json
import socket
import threading
import time
import traceback
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from colabpanel.errors import ColabPanelError, HostError, InputError
from colabpanel.services.alerts import _checked, _request, send_webhook
from tests.fakes import FakeHost

SECRET = "T00/B00/xyzzy"


class _Receiver(ThreadingHTTPServer):
    """A webhook's other side, that answers as its path asks and keeps what it got."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Answer)
        self.got: list[tuple[str, str, bytes]] = []
        self.released = threading.Event()

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.server_port}/{path}/{SECRET}"


class _Answer(BaseHTTPRequestHandler):
    server: _Receiver

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.got.append((self.path, self.headers["Content-Type"], body))
        wanted = self.path.split("/")[1]
        if wanted == "silent":
            self.server.released.wait(60)
            return
        self.send_response(200 if wanted == "fine" else int(wanted))
        self.send_header("Location", self.server.url("fine") if wanted != "302" else "file:///etc/passwd")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def do_GET(self) -> None:
        self.do_POST()

    def log_message(self, *_: object) -> None:
        """Say nothing: the tests look at what was got."""


@pytest.fixture
def receiver() -> Iterator[_Receiver]:
    server = _Receiver()
    serving = threading.Thread(target=server.serve_forever, args=(0.01,))
    serving.start()
    yield server
    server.released.set()
    server.shutdown()
    serving.join()
    server.server_close()


def test_a_message_arrives_in_fields_that_most_services_know(receiver: _Receiver) -> None:
    send_webhook(receiver.url("fine"), "The cell ended. é", title="train.ipynb")
    ((path, kind, body),) = receiver.got
    assert path == f"/fine/{SECRET}"
    assert kind == "application/json"
    found = json.loads(body)
    assert found["text"] == found["content"] == "train.ipynb: The cell ended. é"
    assert found["allowed_mentions"] == {"parse": []}


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("404", r"127\.0\.0\.1 refused the message \(404 Not Found\)"),
        ("429", r"takes no more messages for now \(429 Too Many Requests\)"),
        ("503", r"has trouble of its own \(503 Service Unavailable\)"),
        ("599", r"has trouble of its own \(599\)"),
        ("302", r"sent the message elsewhere \(302 Found\)"),
        ("307", r"sent the message elsewhere \(307 Temporary Redirect\)"),
        ("silent", r"gave no answer within 0\.2 seconds"),
    ],
)
def test_refusals_become_sentences_that_keep_the_secret(receiver: _Receiver, path: str, words: str) -> None:
    with pytest.raises(ColabPanelError, match=words) as caught:
        send_webhook(receiver.url(path), "text", timeout=0.2 if path == "silent" else 60)
    assert caught.value.hint
    assert caught.value.__context__ is None
    shown = "".join(traceback.format_exception(caught.value)) + caught.value.message + caught.value.hint
    assert "xyzzy" not in shown
    while not receiver.got:  # the one that says nothing may be slow in taking it, too
        time.sleep(0.01)
    assert len(receiver.got) == 1  # a redirect is not followed


def test_nobody_there_is_told_without_the_secret() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}/{SECRET}"
        with pytest.raises(ColabPanelError, match=r"127\.0\.0\.1 cannot be reached") as caught:
            send_webhook(url, "text")
    assert "xyzzy" not in "".join(traceback.format_exception(caught.value))


def test_a_wait_for_a_connection_ends_too(monkeypatch: pytest.MonkeyPatch) -> None:
    def slow(*_: object, **__: object) -> None:
        raise TimeoutError

    monkeypatch.setattr(socket, "create_connection", slow)
    with pytest.raises(ColabPanelError, match="gave no answer within 3 seconds"):
        send_webhook("http://example.invalid/x", "text", timeout=3)


def test_an_answer_that_is_none_is_told() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def answer() -> None:
            connection, _ = listening.accept()
            with connection:
                connection.recv(65536)
                connection.sendall(b"nonsense\r\n\r\n")

        answering = threading.Thread(target=answer)
        answering.start()
        with pytest.raises(ColabPanelError, match="cannot be reached"):
            send_webhook(f"http://127.0.0.1:{listening.getsockname()[1]}/{SECRET}", "text")
        answering.join()


@pytest.mark.parametrize(
    "url",
    [
        "",
        "hooks.example.com/x",
        "file:///etc/passwd",
        "ftp://example.com/x",
        "https://",
        "http://[::1",
        "http://host:99999/",
        "http://host:0/",
        "https://example.com/a b",
        "https://example.com/\nx",
        "https://exämple.com/x",
        "https://me:xyzzy@example.com/x",
    ],
)
def test_what_is_no_address_is_refused_before_anything_is_sent(url: str) -> None:
    with pytest.raises(InputError) as caught:
        send_webhook(url, "text")
    assert caught.value.hint
    assert "xyzzy" not in str(caught.value)


def test_the_dashboard_sends_none(receiver: _Receiver, tmp_path: Path) -> None:
    host = FakeHost(tmp_path)
    host.is_served = True
    with pytest.raises(HostError, match="sends no webhooks"):
        send_webhook(receiver.url("fine"), "text", host=host)
    assert receiver.got == []


def test_long_messages_are_cut(receiver: _Receiver) -> None:
    send_webhook(receiver.url("fine"), "x" * 5000)
    assert len(json.loads(receiver.got[0][2])["content"]) < 2000


def _body(url: str, title: str = "colabpanel", text: str = "text") -> tuple[dict[str, str], bytes]:
    request = _request(_checked(url), title, text)
    assert request.full_url == url
    assert isinstance(request.data, bytes)
    return dict(request.header_items()), request.data


def test_ntfy_gets_plain_text_and_a_title_in_one_line() -> None:
    headers, body = _body("https://ntfy.sh/topic", "my\r\nnote: é", "done é")
    assert headers["Title"] == "my note: ?"
    assert body == "done é".encode()


def test_slack_reads_no_commands_out_of_a_text() -> None:
    assert json.loads(_body("https://hooks.slack.com/services/x", text="<!channel> & co")[1]) == {
        "text": "colabpanel: &lt;!channel&gt; &amp; co"
    }


def test_teams_gets_a_card() -> None:
    found = json.loads(_body("https://prod-1.westeurope.logic.azure.com/workflows/x")[1])
    assert found["attachments"][0]["content"]["body"][0]["text"] == "colabpanel: text"
