"""The memory of services does not grow with the table that they move."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from elute.v1 import connector_pb2
from tests.elute_connector.integration.service.copying import copier
from tests.elute_connector.integration.service.scrubbing import POLICY, scrubbed
from tests.support.postgresql import Database
from tests.support.services import ServiceProcess, System

FEW, MANY = 200_000, 2_000_000
GROWTH, ALLOWANCE_BYTES = 1.1, 32 * 1024 * 1024


def peak_bytes(process: ServiceProcess) -> int:
    """The most memory that a process has had, resident."""
    found = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{process.pid}/status").read_text(encoding="ascii"))
    assert found
    return int(found[1]) * 1024


@pytest.mark.slow
async def test_ten_times_the_rows_in_one_partition_take_no_more_memory(
    own_services: System, source: Database, target: Database
) -> None:
    table = "CREATE UNLOGGED TABLE {} (id bigint, name text)"
    for name, rows in (("few", FEW), ("many", MANY)):
        target.run(table.format(name))
        source.run(table.format(name))
        source.run(f"INSERT INTO {name} SELECT g, 'name ' || g FROM generate_series(1, {rows}) g")
    processes = (own_services.connector, own_services.anonymizer)
    peaks: dict[str, list[int]] = {}
    async with copier(own_services, source, target) as copy, copy.snapshot("few", "many", lease_seconds=60):
        for place, name in enumerate(("few", "many")):
            unit = scrubbed(copy, name, {"name": ("token", "{}")})
            mode = connector_pb2.SCRUB_MODE_REQUIRED
            await copy.load(copy.request(f"p{place}", unit, scrub=mode, policy_digest=POLICY))
            peaks[name] = [peak_bytes(process) for process in processes]
    assert target.run("SELECT count(*) FROM many") == str(MANY)
    bounds = [peak * GROWTH + ALLOWANCE_BYTES for peak in peaks["few"]]
    assert all(peak <= bound for peak, bound in zip(peaks["many"], bounds, strict=True)), peaks
