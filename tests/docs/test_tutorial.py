"""The tutorial works as it is written: its files are made, its commands run, and what they print is what it shows."""

from __future__ import annotations

import os
import re
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from elute_gateway.embedded.postgresql import LOOPBACK, SUPERUSER
from tests.support.postgresql import DEFAULT_VERSION, discard, new_server

PAGE = Path(__file__).resolve().parents[2] / "docs/tutorial.md"
_BLOCK = re.compile(
    r"(?:^`(?P<file>[\w.-]+)`:\n\n|^(?P<skipped><!-- not run -->)\n)?^```(?P<kind>\w+)\n(?P<text>.*?)^```$",
    re.MULTILINE | re.DOTALL,
)


@dataclass
class Reader:
    """Somebody who follows the page in an empty folder."""

    folder: Path
    environment: dict[str, str]
    system: subprocess.Popen[str] | None = None

    def run(self, commands: str) -> str:
        """Type commands; answer what they print."""
        if commands.startswith("elute up"):
            return self._start(commands)
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", commands],
            cwd=self.folder,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            timeout=90,
        )
        assert done.returncode == 0, f"{commands}\n{done.stdout}"
        return done.stdout

    def _start(self, command: str) -> str:
        self.system = subprocess.Popen(
            shlex.split(command),
            cwd=self.folder,
            env=self.environment,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self.system.stdout is not None
        return self.system.stdout.readline()


@pytest.fixture
def reader(tmp_path: Path) -> Iterator[Reader]:
    server = new_server(DEFAULT_VERSION)
    folder, programs = tmp_path / "empty", tmp_path / "bin"
    folder.mkdir()
    programs.mkdir()
    elute = programs / "elute"
    elute.write_text(f'#!/bin/sh\nexec {sys.executable} -m elute_gateway.cli "$@"\n')
    elute.chmod(0o755)
    try:
        with server:
            reader = Reader(
                folder,
                {
                    **os.environ,
                    "PATH": f"{programs}:{server.programs}:{os.environ['PATH']}",
                    "XDG_STATE_HOME": str(tmp_path / "state"),
                    "PGHOST": LOOPBACK,
                    "PGPORT": str(server.port),
                    "PGUSER": SUPERUSER,
                },
            )
            yield reader
            if reader.system is not None:
                reader.system.send_signal(signal.SIGINT)
                reader.system.communicate(timeout=30)
    finally:
        discard(server)


@pytest.mark.slow
def test_who_follows_the_tutorial_sees_what_it_shows(reader: Reader) -> None:
    printed = ""
    for block in _BLOCK.finditer(PAGE.read_text("utf-8")):
        text = block["text"]
        if block["file"]:
            (reader.folder / block["file"]).write_text(text, "utf-8")
        elif block["kind"] == "sh" and not block["skipped"]:
            printed = reader.run(text)
        elif block["kind"] == "text":
            assert_shows(printed, text)


def assert_shows(printed: str, shown: str) -> None:
    """Each shown line is among the printed ones, in this order; `…` stands for anything, and widths do not count."""
    lines = (" ".join(line.split()) for line in printed.splitlines())
    for line in shown.splitlines():
        pattern = ".*".join(re.escape(part.strip()) for part in " ".join(line.split()).split("…"))
        assert any(re.fullmatch(pattern, found) for found in lines), f"no line is {line!r} in:\n{printed}"
