"""The command's client: where it finds the API, what it makes of problems, and that watchers survive a gateway."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from elute_gateway.cli import client
from elute_gateway.cli.client import Api, segment
from elute_wire.errors import InternalFault, InvalidRequest, NotFound, ServiceUnavailable, Unauthenticated

PROBLEM = {
    "code": "not-found",
    "detail": "finding run x: there is none",
    "hint": "list them",
    "problems": [{"code": "a", "severity": "note", "message": "b"}],
}


class Answers(BaseHTTPRequestHandler):
    """Answers what a test has laid out, in order: status, body."""

    laid_out: list[tuple[int, bytes]]
    asked: list[tuple[str, dict[str, str]]]

    def do_GET(self) -> None:
        self.asked.append((self.path, dict(self.headers)))
        status, body = self.laid_out.pop(0)
        self.send_response(status)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def serving(*laid_out: tuple[int, bytes]) -> Iterator[tuple[str, list[tuple[str, dict[str, str]]]]]:
    class Laid(Answers):
        """The answers of one test."""

    Laid.laid_out, Laid.asked = list(laid_out), []
    with ThreadingHTTPServer(("127.0.0.1", 0), Laid) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}", Laid.asked
        finally:
            server.shutdown()
            thread.join()


def event(number: int) -> bytes:
    return f'id: {number}\ndata: {{"number": {number}}}\n\n'.encode()


@pytest.fixture(autouse=True)
def no_setting(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in (client.URL, client.API_KEY):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv(client.STATE, str(tmp_path))


def test_the_state_folder_of_elute_up_says_where_the_api_is(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("secret\n")
    with serving((200, b"{}")) as (url, asked):
        (tmp_path / "api.json").write_text(json.dumps({"url": url, "api_key_file": str(tmp_path / "key")}))
        Api.find().get("/runs", {"limit": 2, "state": ["a", "b"], "cursor": ""})
    path, headers = asked[0]
    assert path == "/v1/runs?limit=2&state=a&state=b"
    assert headers["Authorization"] == "Bearer secret"


def test_without_a_place_or_a_key_it_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ServiceUnavailable, match="elute up"):
        Api.find()
    monkeypatch.setenv(client.URL, "http://127.0.0.1:1")
    with pytest.raises(Unauthenticated, match=client.API_KEY):
        Api.find()
    with pytest.raises(InvalidRequest, match="http"):
        Api("ftp://x", "key")


def test_a_problem_document_becomes_the_error_that_it_tells() -> None:
    with serving((404, json.dumps(PROBLEM).encode())) as (url, _), pytest.raises(NotFound) as caught:
        Api(url, "key").get("/runs/x")
    assert caught.value.hint == "list them"
    assert caught.value.problems[0].message == "b"


def test_an_answer_that_is_no_problem_document_is_not_repeated() -> None:
    with serving((502, b"<html>canary")) as (url, _), pytest.raises(InternalFault) as caught:
        Api(url, "key").get("/runs")
    assert "canary" not in str(caught.value)


def test_nobody_there_is_said_so() -> None:
    with pytest.raises(ServiceUnavailable, match="nobody answers"):
        Api("http://127.0.0.1:1", "key").get("/runs")


def test_pages_are_followed_to_their_end() -> None:
    pages = [{"items": [{"n": 1}], "next": "c"}, {"items": [{"n": 2}], "next": None}]
    with serving(*((200, json.dumps(page).encode()) for page in pages)) as (url, asked):
        assert [item["n"] for item in Api(url, "key").items("/runs")] == [1, 2]
    assert asked[1][0].endswith("cursor=c")


def test_a_watcher_goes_on_after_the_last_event_that_it_saw() -> None:
    away = json.dumps({**PROBLEM, "code": "service-unavailable"}).encode()
    with serving((200, event(1) + event(2) + b"data: {"), (503, away), (200, event(3) + b": end\n\n")) as (url, asked):
        # The first stream breaks off in the middle of an event.
        events = Api(url, "key").events("/runs/x/events")
        assert [found["number"] for found in events] == [1, 2, 3]
    assert [headers["Last-Event-ID"] for _, headers in asked] == ["0", "2", "2"]


def test_a_name_is_one_segment_of_a_path() -> None:
    assert segment("a/b?c") == "a%2Fb%3Fc"
