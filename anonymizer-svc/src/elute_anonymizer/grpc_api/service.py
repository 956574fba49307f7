"""Serves `AnonymizerService`, and the anonymize stage of `StageService`."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import Executor
from contextlib import asynccontextmanager
from typing import Any

import grpc.aio
import pyarrow as pa

from elute.v1 import anonymizer_pb2, anonymizer_pb2_grpc, stage_pb2
from elute_anonymizer.application.examination import examine
from elute_anonymizer.application.scrubbing import Scrubber, compile_policy
from elute_anonymizer.application.warming import warm
from elute_anonymizer.domain.keys import KeyRing
from elute_anonymizer.grpc_api.messages import column_of, outcome_message, policy_of
from elute_anonymizer.settings import AnonymizerSettings
from elute_wire.channel import Peers
from elute_wire.errors import InvalidRequest, KeyUnavailable
from elute_wire.limits import ByteSemaphore
from elute_wire.stage_service import StageServicer
from elute_wire.streams import Channels, Stream, processed
from elute_wire.threads import WorkerThreads

CONTRACTS = (
    anonymizer_pb2.DESCRIPTOR.services_by_name["AnonymizerService"],
    stage_pb2.DESCRIPTOR.services_by_name["StageService"],
)
"""The gRPC services that this service serves."""

_DIGEST_BYTES = 32

RingReader = Callable[[], KeyRing]
"""Reads the key ring anew, so that a rotated one is known without a restart."""


def _ring_named(read_ring: RingReader, name: str) -> KeyRing:
    ring = read_ring()
    if ring.name != name:
        raise KeyUnavailable(
            f"looking for key ring {name}: this service holds the ring {ring.name}",
            hint="name the ring that the service holds as the policy's `key_ring`, or give the service the other ring",
        )
    return ring


class AnonymizerServicer(anonymizer_pb2_grpc.AnonymizerServiceServicer):
    """Answers what rules make of columns."""

    def __init__(self, read_ring: RingReader) -> None:
        self._read_ring = read_ring

    async def ValidateAnonymize(
        self, request: anonymizer_pb2.ValidateAnonymizeRequest, context: Any
    ) -> anonymizer_pb2.ValidateAnonymizeResponse:
        """Judge the rules of every dataset, under one version of the key."""
        return await asyncio.to_thread(self._judge, request)

    def _judge(self, request: anonymizer_pb2.ValidateAnonymizeRequest) -> anonymizer_pb2.ValidateAnonymizeResponse:
        asked = {(plan.anonymize.key_ring, plan.anonymize.key_version) for plan in request.plans}
        if len(asked) != 1:
            raise InvalidRequest(f"judging a policy: its datasets name {len(asked)} key rings and versions, not one")
        name, version = asked.pop()
        ring = _ring_named(self._read_ring, name)
        if version and version not in ring.versions:
            raise KeyUnavailable(f"judging a policy: key ring {name} has no version {version}")
        outcomes = [
            outcome_message(
                plan.anonymize.dataset, examine(policy_of(plan.anonymize), [column_of(c) for c in plan.columns])
            )
            for plan in request.plans
        ]
        return anonymizer_pb2.ValidateAnonymizeResponse(outcomes=outcomes, key_version=version or ring.current)


class Scrubbing:
    """A scrubber as a stage in the middle of a chain."""

    def __init__(self, scrubber: Scrubber) -> None:
        self._scrubber = scrubber

    @property
    def schema(self) -> pa.Schema:
        """The schema of what it makes: every field with its treatment."""
        return self._scrubber.schema

    def process(self, batch: pa.RecordBatch) -> tuple[pa.RecordBatch, Sequence[stage_pb2.Rejected]]:
        """Scrub n rows; none is set aside."""
        return self._scrubber.scrub(batch), ()


class AnonymizerService:
    """What the runner hosts."""

    def __init__(
        self,
        read_ring: RingReader,
        channels: Channels,
        executor: Executor,
        large_message_bytes: int,
        warming: asyncio.Future[None],
    ) -> None:
        """Serve techniques.

        Args:
            read_ring: Reads the key ring.
            channels: Where the services are that feed a stage.
            executor: Where batches are scrubbed.
            large_message_bytes: Bytes that messages larger than one frame may hold at once.
            warming: Done when batches are scrubbed at full speed.
        """
        self._warming = warming
        self._read_ring = read_ring
        self._channels = channels
        self._executor = executor
        self._large_messages = ByteSemaphore(large_message_bytes)

    def register(self, server: grpc.aio.Server) -> None:
        """Add both servicers."""
        anonymizer_pb2_grpc.add_AnonymizerServiceServicer_to_server(AnonymizerServicer(self._read_ring), server)
        stages = StageServicer({"anonymize": self._open}, self._channels, large_messages=self._large_messages)
        server.add_generic_rpc_handlers((stages.handler(),))

    async def ready(self) -> None:
        """Return if the key ring can be read, once batches are scrubbed at full speed.

        Raises:
            KeyUnavailable: It cannot.
        """
        # Whoever asks may be out of patience before the warming is done; that goes on.
        await asyncio.shield(self._warming)
        await asyncio.to_thread(self._read_ring)

    async def drain(self) -> None:
        """Hand over nothing: this service holds nothing beyond its streams."""

    @asynccontextmanager
    async def _open(
        self, stage: stage_pb2.Stage, _: stage_pb2.StreamContext, upstream: Stream | None
    ) -> AsyncIterator[Stream]:
        anonymize = stage.anonymize
        policy = policy_of(anonymize)
        if upstream is None:
            raise InvalidRequest(f"scrubbing dataset {policy.dataset}: no stage feeds the rules")
        if len(anonymize.policy_digest) != _DIGEST_BYTES or policy.key_version is None:
            raise InvalidRequest(f"scrubbing dataset {policy.dataset}: the policy's digest or key version is missing")
        ring = _ring_named(self._read_ring, anonymize.key_ring)
        scrubber = compile_policy(policy, upstream.schema, ring)
        yield processed(
            upstream,
            Scrubbing(scrubber),
            operation="anonymize",
            executor=self._executor,
            policy_digest=anonymize.policy_digest,
        )


@asynccontextmanager
async def open_service(settings: AnonymizerSettings) -> AsyncIterator[AnonymizerService]:
    """Open the service; without a key ring it does not start.

    Raises:
        KeyUnavailable: There is no readable key ring.
    """
    settings.read_ring()
    with WorkerThreads("scrub", settings.threads) as executor:
        warming = asyncio.get_running_loop().run_in_executor(executor, warm)
        async with Peers(settings) as peers:
            yield AnonymizerService(settings.read_ring, peers, executor, settings.large_message_bytes, warming)
