"""Running services of ours, each a process of its own on a Unix socket, to be called, killed and started again."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Self

import grpc.aio
from grpc_health.v1 import health_pb2, health_pb2_grpc

from elute.v1 import stage_pb2
from elute_anonymizer.application.key_ring_file import new_key_ring, write_key_ring
from elute_gateway.embedded.postgresql import wheel_programs
from elute_wire.address import Address
from elute_wire.channel import ServiceChannel
from elute_wire.identity import ServiceName
from elute_wire.seal import create_sealing_key
from tests.support.postgresql import Database

KEY_RING = "test"
DATA_PLANE = (ServiceName.CONNECTOR, ServiceName.TRANSFORM, ServiceName.ANONYMIZER)
_READY_SECONDS = 30.0


class ServiceProcess:
    """One service; its log is a file."""

    def __init__(self, name: ServiceName, folder: Path, environment: Mapping[str, str]) -> None:
        self.name = name
        self.log = folder / f"{name}.log"
        self.address = Address.parse(environment["ELUTE_LISTEN_ADDRESS"])
        self._environment = dict(environment)
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """The process' id."""
        assert self._process is not None
        return self._process.pid

    def start(self) -> None:
        """Start the process; it is ready some time later."""
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", f"elute_{self.name}"], env=self._environment, stdout=log, stderr=log
            )

    def signal(self, number: signal.Signals) -> None:
        """Send a signal."""
        os.kill(self.pid, number)

    def kill(self) -> None:
        """End the process at once, without a last word."""
        if self._process is not None and self._process.poll() is None:
            self._process.kill()
            self._process.wait()

    def stop(self, seconds: float = 10.0) -> int:
        """Ask the process to stop; after some seconds end it. Answers its exit code."""
        assert self._process is not None
        self._process.terminate()
        try:
            return self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            self._process.kill()
            return self._process.wait()

    async def ready(self) -> None:
        """Wait until the service says that it serves."""
        async with asyncio.timeout(_READY_SECONDS):
            while not await self._serving():
                assert self._process is None or self._process.poll() is None, self.log.read_text()
                await asyncio.sleep(0.02)

    async def _serving(self) -> bool:
        async with ServiceChannel(self.address, None) as channel:
            try:
                request = health_pb2.HealthCheckRequest()
                answer = await health_pb2_grpc.HealthStub(channel).Check(request, timeout=2)
            except grpc.aio.AioRpcError:
                return False
            return bool(answer.status == health_pb2.HealthCheckResponse.SERVING)


class System:
    """The three services of the data plane, with one key ring and one sealing key."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._public_key = create_sealing_key(folder / "sealing.pem")
        write_key_ring(folder / "ring.json", new_key_ring(KEY_RING))
        self.environment = {
            # pg_dump reads servers up to its own version: the newest comes first.
            "PATH": f"{wheel_programs(18)}:{os.environ['PATH']}",
            "ELUTE_LOG_LEVEL": "info",
            "ELUTE_DRAIN_SECONDS": "5",
            "ELUTE_SEALING_KEY_FILE": str(folder / "sealing.pem"),
            "ELUTE_KEY_RING_FILE": str(folder / "ring.json"),
            **{f"ELUTE_{name.upper()}_ADDRESS": f"unix:{folder}/{name}" for name in DATA_PLANE},
        }
        self._processes = {name: self._process(name) for name in DATA_PLANE}
        self.connector = self._processes[ServiceName.CONNECTOR]
        self.transform = self._processes[ServiceName.TRANSFORM]
        self.anonymizer = self._processes[ServiceName.ANONYMIZER]

    @property
    def public_key_pem(self) -> bytes:
        """What connection secrets are sealed to."""
        return self._public_key.pem()

    def connection(self, name: str, database: Database, **settings: object) -> stage_pb2.Connection:
        """Describe a database as the gateway would."""
        place = {"host": str(database.server.socket_directory), "port": database.server.port, "sslmode": "disable"}
        sealed = self._public_key.seal(b"{}", name.encode())
        return stage_pb2.Connection(
            id=name,
            system="postgresql",
            settings=json.dumps({**place, "database": database.name, "user": "postgres", **settings}),
            secret=stage_pb2.SealedSecret(
                key_id=sealed.key_id, ephemeral_public_key=sealed.ephemeral_public_key, ciphertext=sealed.ciphertext
            ),
        )

    def channel(self, service: ServiceName) -> ServiceChannel:
        """Open a channel to a service; the caller closes it."""
        return ServiceChannel(self._processes[service].address, None)

    def __enter__(self) -> Self:
        for process in self._processes.values():
            process.start()
        return self

    def __exit__(self, *_: object) -> None:
        for process in self._processes.values():
            process.kill()

    async def ready(self) -> None:
        """Wait until every service serves."""
        for process in self._processes.values():
            await process.ready()

    def logs(self) -> str:
        """Return all that the services have logged."""
        return "".join(process.log.read_text() for process in self._processes.values())

    def _process(self, name: ServiceName) -> ServiceProcess:
        return ServiceProcess(
            name, self.folder, {**self.environment, "ELUTE_LISTEN_ADDRESS": f"unix:{self.folder}/{name}"}
        )


@contextmanager
def running_system() -> Iterator[System]:
    """Run the data plane in a folder of its own, short enough for socket paths."""
    with tempfile.TemporaryDirectory(prefix="elute-") as folder, System(Path(folder)) as system:
        yield system
