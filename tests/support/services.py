"""Running services of ours, each a process of its own on a Unix socket, to be called, killed and started again."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
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
from tests.support.exposition import Exposition
from tests.support.postgresql import Database

KEY_RING = "test"
DATA_PLANE = (ServiceName.CONNECTOR, ServiceName.TRANSFORM, ServiceName.ANONYMIZER)
_READY_SECONDS = 30.0


class ServiceProcess:
    """One service; its log is a file."""

    def __init__(self, name: ServiceName, place: Path, environment: Mapping[str, str]) -> None:
        """Describe a process that listens at the socket `place`; files beside it have its name."""
        self.name = name
        self.log = place.with_suffix(".log")
        self.address = Address.parse(f"unix:{place}")
        self.environment = {
            **environment,
            "ELUTE_LISTEN_ADDRESS": f"unix:{place}",
            "ELUTE_METRICS_ADDRESS": f"unix:{place}.metrics",
        }
        """What the next start is told."""
        self._process: subprocess.Popen[bytes] | None = None

    def channel(self) -> ServiceChannel:
        """Open a channel to the process; the caller closes it."""
        return ServiceChannel(self.address, None)

    async def metrics(self) -> Exposition:
        """Scrape the process."""
        reader, writer = await asyncio.open_unix_connection(f"{self.address.socket}.metrics")
        writer.write(b"GET /metrics HTTP/1.1\r\n\r\n")
        _, _, text = (await reader.read()).decode().partition("\r\n\r\n")
        writer.close()
        return Exposition(text)

    @property
    def pid(self) -> int:
        """The process' id."""
        assert self._process is not None
        return self._process.pid

    def start(self) -> None:
        """Start the process; it is ready some time later."""
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", f"elute_{self.name}"], env=self.environment, stdout=log, stderr=log
            )

    def signal(self, number: signal.Signals) -> None:
        """Send a signal."""
        os.kill(self.pid, number)

    def kill(self) -> None:
        """End the process at once, without a last word."""
        if self._process is not None and self._process.poll() is None:
            self._process.kill()
            self._process.wait()

    def wait(self, seconds: float) -> int:
        """Wait until the process has ended, and answer its exit code."""
        assert self._process is not None
        return self._process.wait(seconds)

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

    def __init__(self, folder: Path, started: Sequence[ServiceName] = DATA_PLANE) -> None:
        self.folder = folder
        self._started = started
        self._public_key = create_sealing_key(folder / "sealing.pem")
        write_key_ring(folder / "ring.json", new_key_ring(KEY_RING))
        self.environment = {
            # pg_dump reads servers up to its own version: the newest comes first.
            "PATH": f"{wheel_programs(18)}:{os.environ['PATH']}",
            "ELUTE_LOG_LEVEL": "debug",
            "ELUTE_DRAIN_SECONDS": "5",
            "ELUTE_SEALING_KEY_FILE": str(folder / "sealing.pem"),
            "ELUTE_KEY_RING_FILE": str(folder / "ring.json"),
            **{f"ELUTE_{name.upper()}_ADDRESS": f"unix:{folder}/{name}" for name in DATA_PLANE},
        }
        self._processes = {name: ServiceProcess(name, folder / name, self.environment) for name in DATA_PLANE}
        self._others: list[ServiceProcess] = []
        self.connector = self._processes[ServiceName.CONNECTOR]
        self.transform = self._processes[ServiceName.TRANSFORM]
        self.anonymizer = self._processes[ServiceName.ANONYMIZER]

    @property
    def public_key_pem(self) -> bytes:
        """What connection secrets are sealed to."""
        return self._public_key.pem()

    def connection(
        self, name: str, database: Database, secrets: Mapping[str, str] | None = None, **settings: object
    ) -> stage_pb2.Connection:
        """Describe a database as the gateway would."""
        place = {"host": str(database.server.socket_directory), "port": database.server.port, "sslmode": "disable"}
        sealed = self._public_key.seal(json.dumps(secrets or {}).encode(), name.encode())
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
        return self._processes[service].channel()

    def start_another(self, service: ServiceName, **environment: str) -> ServiceProcess:
        """Start one more process of a service, which pulls from itself unless it is told otherwise."""
        place = self.folder / f"{service}-{len(self._others) + 2}"
        peer = {f"ELUTE_{service.upper()}_ADDRESS": f"unix:{place}"}
        process = ServiceProcess(service, place, {**self.environment, **peer, **environment})
        self._others.append(process)
        process.start()
        return process

    def __enter__(self) -> Self:
        for name in self._started:
            self._processes[name].start()
        return self

    def __exit__(self, *_: object) -> None:
        for process in (*self._processes.values(), *self._others):
            process.kill()

    async def ready(self) -> None:
        """Wait until every service that was started serves."""
        for name in self._started:
            await self._processes[name].ready()

    def logs(self) -> str:
        """Return all that the services have logged."""
        logs = [process.log for process in (*self._processes.values(), *self._others)]
        return "".join(log.read_text() for log in logs if log.exists())


@contextmanager
def running_system(*started: ServiceName) -> Iterator[System]:
    """Run services, all of the data plane if none is named, in a folder of its own, short enough for socket paths."""
    with (
        tempfile.TemporaryDirectory(prefix="elute-") as folder,
        System(Path(folder), started or DATA_PLANE) as system,
    ):
        yield system
