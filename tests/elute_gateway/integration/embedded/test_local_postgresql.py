from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
from pathlib import Path

import asyncpg
import pytest

from elute_gateway.embedded.local_postgresql import LocalPostgresql
from elute_wire.errors import ServiceUnavailable

Deaths = list[tuple[str, int]]


def server_in(home: Path, deaths: Deaths | None = None) -> LocalPostgresql:
    heard: Deaths = [] if deaths is None else deaths
    return LocalPostgresql(home, lambda dead, code: heard.append((dead.name, code)))


async def ask(server: LocalPostgresql, query: str) -> object:
    password = server.password_file.read_text().strip()
    connection = await asyncpg.connect(server.address, password=password)
    try:
        return await connection.fetchval(query)
    finally:
        await connection.close()


async def test_it_keeps_its_rows_and_its_port_and_comes_back_when_killed(tmp_path: Path) -> None:
    deaths: Deaths = []
    first = server_in(tmp_path / "postgresql", deaths)
    await first.start()
    address = first.address
    assert "password" not in address
    await ask(first, "CREATE TABLE kept AS SELECT 42 AS answer")
    postmaster = int((tmp_path / "postgresql" / "data" / "postmaster.pid").read_text().split()[0])
    os.kill(postmaster, signal.SIGKILL)
    async with asyncio.timeout(20):
        while True:
            try:
                assert await ask(first, "SELECT answer FROM kept") == 42
                break
            except (OSError, asyncpg.PostgresError):
                await asyncio.sleep(0.1)
    await first.stop()
    await first.stop()
    assert deaths == [("PostgreSQL server", -signal.SIGKILL)], "being stopped is no death"

    again = server_in(tmp_path / "postgresql")
    await again.start()
    assert again.address == address
    assert await ask(again, "SELECT answer FROM kept") == 42
    await again.stop()


async def test_what_a_killed_owner_left_running_makes_room(tmp_path: Path) -> None:
    owner = """
import asyncio, sys
from pathlib import Path
from elute_gateway.embedded.local_postgresql import LocalPostgresql
async def run():
    await LocalPostgresql(Path(sys.argv[1]), print).start()
    print("up", flush=True)
    await asyncio.sleep(60)
asyncio.run(run())
"""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", owner, str(tmp_path), stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    assert await process.stdout.readline() == b"up\n"
    process.kill()
    await process.wait()
    server = server_in(tmp_path)
    await server.start()
    assert await ask(server, "SELECT 1") == 1
    await server.stop()


async def test_a_port_that_another_program_took_is_said(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        (tmp_path / "port").write_text(f"{other.getsockname()[1]}\n")
        with pytest.raises(ServiceUnavailable, match="is taken") as caught:
            await server_in(tmp_path).start()
    assert str(tmp_path / "port") in caught.value.hint
