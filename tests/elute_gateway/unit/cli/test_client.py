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


Laid = tuple[int, bytes] | tuple[int, bytes, dict[str, str]]


AWAY: Laid = (
    503,
    json.dumps({"code": "service-unavailable", "detail": "the anonymizer is away"}).encode(),
    {"Retry-After": "0"},
)


class Answers(BaseHTTPRequestHandler):
    """Answers what a test has laid out, in order: status, body, and headers if any."""

    laid_out: list[Laid]
    asked: list[tuple[str, dict[str, str]]]

    def do_GET(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.asked.append((self.path, dict(self.headers)))
        status, body, *more = self.laid_out.pop(0)
        self.send_response(status)
        for name, value in (more[0] if more else {}).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    do_POST = do_GET  # noqa: N815 - so the server names it

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def serving(*laid_out: Laid, port: int = 0) -> Iterator[tuple[str, list[tuple[str, dict[str, str]]]]]:
    class OfOneTest(Answers):
        """The answers of one test."""

    OfOneTest.laid_out, OfOneTest.asked = list(laid_out), []
    with ThreadingHTTPServer(("127.0.0.1", port), OfOneTest) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}", OfOneTest.asked
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


def test_nobody_there_is_said_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "_REACH_SECONDS", 0.3)
    with pytest.raises(ServiceUnavailable, match="nobody answers"):
        Api("http://127.0.0.1:1", "key").get("/runs")


def test_pages_are_followed_to_their_end() -> None:
    pages = [{"items": [{"n": 1}], "next": "c"}, {"items": [{"n": 2}], "next": None}]
    with serving(*((200, json.dumps(page).encode()) for page in pages)) as (url, asked):
        assert [item["n"] for item in Api(url, "key").items("/runs")] == [1, 2]
    assert asked[1][0].endswith("cursor=c")


def test_what_changes_nothing_is_asked_again_when_the_api_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "shop.yaml").write_text("version: 1")
    with serving(AWAY, AWAY, (200, b'{"runnable": true}')) as (url, asked):
        assert Api(url, "key").post_document("/plans", tmp_path / "shop.yaml") == {"runnable": True}
    assert len(asked) == 3
    said = capsys.readouterr().err
    assert said.count("waiting") == 1, "what is waited for is said once"
    assert "the anonymizer is away" in said


def test_a_run_is_asked_for_again_with_the_same_key() -> None:
    with serving(AWAY, (202, b'{"id": "r1"}')) as (url, asked):
        assert Api(url, "key").post_again("/runs", {"pipeline": "p"}, key="k1") == {"id": "r1"}
    assert [headers["Idempotency-Key"] for _, headers in asked] == ["k1", "k1"]


def test_what_may_not_be_done_twice_is_asked_once() -> None:
    with serving(AWAY) as (url, asked), pytest.raises(ServiceUnavailable, match="the anonymizer is away"):
        Api(url, "key").post("/connections", {"name": "shop"})
    assert len(asked) == 1


def test_patience_has_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "_PATIENCE_SECONDS", 0.4)
    with serving(*[AWAY] * 20) as (url, asked), pytest.raises(ServiceUnavailable):
        Api(url, "key").get("/runs")
    assert 1 < len(asked) < 5, "the pauses grow"


def test_a_gateway_that_restarts_is_waited_for() -> None:
    with serving() as (url, _):
        place = url
    answers = []
    asking = threading.Thread(target=lambda: answers.append(Api(place, "key").get("/runs")))
    asking.start()
    with serving((200, b"{}"), port=int(place.rsplit(":", 1)[1])):
        asking.join(10)
    assert answers == [{}]


def test_a_watcher_goes_on_after_the_last_event_that_it_saw() -> None:
    with serving((200, event(1) + event(2) + b"data: {"), AWAY, (200, event(3) + b": end\n\n")) as (url, asked):
        # The first stream breaks off in the middle of an event.
        events = Api(url, "key").events("/runs/x/events")
        assert [found["number"] for found in events] == [1, 2, 3]
    assert [headers["Last-Event-ID"] for _, headers in asked] == ["0", "2", "2"]


def test_a_name_is_one_segment_of_a_path() -> None:
    assert segment("a/b?c") == "a%2Fb%3Fc"
