"""A client of the public API, on the standard library: importing httpx alone would cost a command its first answer.

Where the API is: `ELUTE_URL` and `ELUTE_API_KEY`, else what `elute up` has written into its state folder.

A call that may be repeated is repeated while the API says that it may come again later (`Retry-After`), or is not there
for a moment: a service that restarts costs its callers a wait, and a line that says so.
"""

from __future__ import annotations

import http.client
import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Self
from urllib.parse import quote, urlencode, urlsplit

from elute_gateway.cli.patience import NotNow, Patience, patiently
from elute_wire.errors import (
    BY_CODE,
    EluteError,
    InternalFault,
    InvalidRequest,
    Problem,
    ServiceUnavailable,
    Severity,
    Unauthenticated,
)

URL, API_KEY, STATE = "ELUTE_URL", "ELUTE_API_KEY", "ELUTE_STATE"
_TIMEOUT_SECONDS = 120.0
_PATIENCE_SECONDS = 60.0
"""How long a call is repeated; a watcher too goes on for so long without an event: runs survive that."""
_REACH_SECONDS = 15.0
"""How long a call is repeated while nobody answers at all: a gateway starts in a few seconds, or is not there."""

_DATA, _END = b"data: ", b": end\n"

Query = Mapping[str, object]


def state_folder() -> Path:
    """Return the folder of `elute up`: `ELUTE_STATE`, else the one that the XDG base directories name."""
    if os.environ.get(STATE):
        return Path(os.environ[STATE])
    home = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    return Path(home) / "elute"


class Api:
    """The API, at one address, with one key."""

    def __init__(self, url: str, key: str) -> None:
        """Name the API; nothing is sent yet.

        Raises:
            InvalidRequest: The URL is none of HTTP.
        """
        parts = urlsplit(url)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise InvalidRequest(f"reading {URL}: it is not an http or https URL")
        self._url = url.rstrip("/")
        self._path = parts.path.rstrip("/")
        self._kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
        self._host, self._port, self._key = parts.hostname, parts.port, key

    @classmethod
    def find(cls) -> Self:
        """Find the API.

        Raises:
            ServiceUnavailable: Nothing says where it is.
            Unauthenticated: There is no key for it.
        """
        url, key = os.environ.get(URL), os.environ.get(API_KEY)
        if url and not key:
            raise Unauthenticated(f"finding the API key: {URL} is set, and {API_KEY} is not", hint=f"set {API_KEY}")
        if url and key:
            return cls(url, key)
        file = state_folder() / "api.json"
        try:
            found = json.loads(file.read_text(encoding="utf-8"))
            return cls(found["url"], key or Path(found["api_key_file"]).read_text(encoding="ascii").strip())
        except (OSError, ValueError, KeyError):
            raise ServiceUnavailable(
                f"finding the Elute API: {file} does not say where it is",
                hint=f"start it with `elute up`, or set {URL} and {API_KEY}",
            ) from None

    def get(self, path: str, query: Query | None = None) -> Any:  # noqa: ANN401 - JSON
        """Get a resource.

        Raises:
            EluteError: What the API answers, or that it does not.
        """
        return patiently(lambda: self._call("GET", path, query=query))

    def post(self, path: str, body: object = None) -> Any:  # noqa: ANN401 - JSON
        """Post a JSON body, once.

        Raises:
            EluteError: What the API answers, or that it does not.
        """
        try:
            return self._post(path, body, {})
        except NotNow as why:
            raise why.error from None

    def post_again(self, path: str, body: object = None, key: str = "") -> Any:  # noqa: ANN401 - JSON
        """Post a JSON body that may be posted again: it changes nothing, or a key says that it is the same request.

        Raises:
            EluteError: What the API answers, or that it does not.
        """
        headers = {"Idempotency-Key": key} if key else {}
        return patiently(lambda: self._post(path, body, headers))

    def post_document(self, path: str, file: Path, query: Query | None = None) -> Any:  # noqa: ANN401 - JSON
        """Post a pipeline file, as JSON if its name says so, else as YAML; the same file again changes nothing.

        Raises:
            InvalidRequest: The file cannot be read.
            EluteError: What the API answers, or that it does not.
        """
        try:
            content = file.read_bytes()
        except OSError as error:
            raise InvalidRequest(f"reading {file}: {os.strerror(error.errno or 0)}") from None
        kind = "application/json" if file.suffix == ".json" else "application/yaml"
        return patiently(lambda: self._call("POST", path, content, query, {"Content-Type": kind}))

    def delete(self, path: str) -> None:
        """Delete a resource.

        Raises:
            EluteError: What the API answers, or that it does not.
        """
        try:
            self._call("DELETE", path)
        except NotNow as why:
            raise why.error from None

    def items(self, path: str, query: Query | None = None) -> Iterator[dict[str, Any]]:
        """Return the items of a list, page by page.

        Raises:
            EluteError: What the API answers, or that it does not.
        """
        cursor: str | None = ""
        while cursor is not None:
            page = self.get(path, {**(query or {}), "limit": 200, "cursor": cursor})
            yield from page["items"]
            cursor = page["next"]

    def events(self, path: str, query: Query | None = None, after: int = 0) -> Iterator[dict[str, Any]]:
        """Return the events of a run as they happen, through any pause of the API that is not too long.

        Args:
            path: The stream.
            query: Its parameters.
            after: The number of the last event that was seen.

        Raises:
            EluteError: What the API answers, or that it does not for too long.
        """
        patience = Patience()
        while True:
            # What the stream has come to when it ends without its end: its gateway leaves, or is gone.
            why = NotNow(ServiceUnavailable(f"watching {path}: the stream broke off"), 0.0, _PATIENCE_SECONDS)
            try:
                for line in self._stream(path, query, after):
                    patience.progress()
                    if line == _END:
                        return
                    if line.startswith(_DATA) and line.endswith(b"\n"):
                        event = json.loads(line[len(_DATA) :])
                        after = event["number"]
                        yield event
            except NotNow as told:
                why = NotNow(told.error, told.after_seconds, _PATIENCE_SECONDS)
            patience.wait(why)

    def _stream(self, path: str, query: Query | None, after: int) -> Iterator[bytes]:
        headers = {"Accept": "text/event-stream", "Last-Event-ID": str(after)}
        connection, response = self._send("GET", path, b"", query, headers)
        try:
            yield from response
        except (OSError, http.client.HTTPException):
            return
        finally:
            connection.close()

    def _post(self, path: str, body: object, headers: Mapping[str, str]) -> Any:  # noqa: ANN401 - JSON
        content = json.dumps(body).encode() if body is not None else b""
        return self._call("POST", path, content, headers={"Content-Type": "application/json", **headers})

    def _call(
        self,
        method: str,
        path: str,
        content: bytes = b"",
        query: Query | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Any:  # noqa: ANN401 - JSON
        connection, response = self._send(method, path, content, query, headers or {})
        try:
            body = response.read()
        except (OSError, http.client.HTTPException):
            raise self._unheard() from None
        finally:
            connection.close()
        return json.loads(body) if body else None

    def _send(
        self, method: str, path: str, content: bytes, query: Query | None, headers: Mapping[str, str]
    ) -> tuple[http.client.HTTPConnection, http.client.HTTPResponse]:
        given = {key: value for key, value in (query or {}).items() if value is not None and value != ""}
        target = f"{self._path}/v1{path}" + (f"?{urlencode(given, doseq=True)}" if given else "")
        connection = self._kind(self._host, self._port, timeout=_TIMEOUT_SECONDS)
        try:
            connection.request(method, target, content, {"Authorization": f"Bearer {self._key}", **headers})
            response = connection.getresponse()
            if response.status < 400:
                return connection, response
            error, after = _told(response.status, response.read()), response.getheader("Retry-After", "")
        except (OSError, http.client.HTTPException):
            connection.close()
            raise self._unheard() from None
        connection.close()
        if after.isascii() and after.isdigit():
            raise NotNow(error, float(after), _PATIENCE_SECONDS)
        raise error

    def _unheard(self) -> NotNow:
        return NotNow(self._away(), 0.0, _REACH_SECONDS)

    def _away(self) -> ServiceUnavailable:
        return ServiceUnavailable(
            f"calling the Elute API at {self._url}: nobody answers", hint=f"start it with `elute up`, or set {URL}"
        )


def segment(name: str) -> str:
    """Write a name as a part of a path."""
    return quote(name, safe="")


def _told(status: int, body: bytes) -> EluteError:
    """Read a problem document."""
    try:
        document = json.loads(body)
        kind = BY_CODE.get(document["code"], EluteError)
        problems = tuple(
            Problem(
                found["code"],
                found["message"],
                found.get("hint", ""),
                Severity(found["severity"]),
                found.get("pointer", ""),
                found.get("dataset", ""),
                found.get("column", ""),
            )
            for found in document.get("problems", ())
        )
        return kind(document["detail"], document.get("hint", ""), problems=problems)
    except (ValueError, KeyError, TypeError):
        return InternalFault(f"calling the Elute API: status {status} without a problem document", hint=f"check {URL}")
